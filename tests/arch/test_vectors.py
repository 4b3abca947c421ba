"""The vector table against the offsets of DDI 0487, D1.4, typed here a second time."""

import pytest

from sim.arch import vectors


def test_every_slot_lies_where_the_manual_puts_it() -> None:
    offsets = [vectors.vector_offset(kind, from_el0, sp_elx)
               for from_el0, sp_elx in ((False, False), (False, True), (True, True)) for kind in range(4)]
    assert offsets == [0x000, 0x080, 0x100, 0x180, 0x200, 0x280, 0x300, 0x380, 0x400, 0x480, 0x500, 0x580]


def test_an_irq_taken_at_el1h_is_named_for_its_slot() -> None:
    assert vectors.vector_name(0x280) == "current_el_sp_elx_irq"
    assert vectors.vector_name(0x400 + 0x7C) == "lower_el_aarch64_synchronous"
    assert len(set(vectors.VECTOR_NAMES)) == 16
    with pytest.raises(ValueError, match="0x800"):
        vectors.vector_name(0x800)
