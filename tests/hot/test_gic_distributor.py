"""The memory-mapped GIC: where it answers, and its registers as QEMU 7.2's `virt` shows them."""
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.arch.memory_map import GICD_BYTES, GICD_PA, GICR_BYTES_PER_PE, GICR_HIGH_PA, GICR_LOW_PES, GICR_PA
from sim.hot import gic
from sim.hot import gic_cpu_interface as icc
from sim.hot import gic_distributor as mmio
from sim.state.dtypes import NOWHERE, SPI_COUNT

sys.path.insert(0, str(Path(__file__).parent))
from gic_guest import NEAR, Guest, machine

u64 = np.uint64
SGI_BASE = GICR_PA + 0x1_0000
INTIDS = 32 + SPI_COUNT
MANY = machine(130)                     # spans both regions of redistributors


@pytest.fixture
def guest() -> Guest:
    return Guest(machine(4))


def answers(state: object, pa: int) -> bool:
    return bool(mmio.is_gic(state.handle, u64(pa)))  # type: ignore[attr-defined]


def test_the_distributor_and_the_redistributors_of_existing_pes_answer_and_nothing_around_them() -> None:
    few = machine(4)
    inside = [GICD_PA, GICD_PA + GICD_BYTES - 1, GICR_PA, GICR_PA + 4 * GICR_BYTES_PER_PE - 1]
    outside = [0, GICD_PA - 1, GICD_PA + GICD_BYTES, GICR_PA - 1, GICR_PA + 4 * GICR_BYTES_PER_PE, GICR_HIGH_PA, 1 << 47, (1 << 64) - 1]
    assert all(answers(few, pa) for pa in inside)
    assert not any(answers(few, pa) for pa in outside)
    high_end = GICR_HIGH_PA + (130 - GICR_LOW_PES) * GICR_BYTES_PER_PE
    low_end = GICR_PA + GICR_LOW_PES * GICR_BYTES_PER_PE
    assert [answers(MANY, pa) for pa in (low_end - 1, low_end, GICR_HIGH_PA - 1, GICR_HIGH_PA, high_end - 1, high_end)] == [
        True, False, False, True, True, False]


def redistributor(pe: int) -> int:
    if pe < GICR_LOW_PES:
        return GICR_PA + pe * GICR_BYTES_PER_PE
    return GICR_HIGH_PA + (pe - GICR_LOW_PES) * GICR_BYTES_PER_PE


@pytest.mark.parametrize("pe, last", [(0, 0), (1, 0), (17, 0), (122, 1), (123, 0), (129, 1)])
def test_gicr_typer_gives_number_affinity_and_the_last_of_each_region(pe: int, last: int) -> None:
    guest = Guest(MANY)
    assert guest.load(redistributor(pe) + 8) == pe << 8 | last << 4
    assert guest.load(redistributor(pe) + 12) == pe // 16 << 8 | pe % 16


def test_identification_registers_are_those_that_qemu_shows(guest: Guest) -> None:
    arm_gic500 = [0x44, 0, 0, 0, 0x92, 0xB4, 0x3B, 0, 0x0D, 0xF0, 0x05, 0xB1]
    assert [guest.load(GICD_PA + offset) for offset in range(0xFFD0, 0x1_0000, 4)] == arm_gic500
    assert [guest.load(GICR_PA + offset) for offset in range(0xFFD0, 0x1_0000, 4)] == [*arm_gic500[:4], 0x93, *arm_gic500[5:]]
    assert (guest.load(GICD_PA + 8), guest.load(GICR_PA + 4), guest.load(GICD_PA + 0xC), guest.load(GICD_PA + 0x10)) == (0x43B, 0x43B, 0, 0)


def test_gicd_typer_counts_the_intids_and_has_no_lpis(guest: Guest) -> None:
    typer = guest.load(GICD_PA + 4)
    assert ((typer & 31) + 1) * 32 == INTIDS
    assert (typer >> 17 & 1, typer >> 24 & 1, typer >> 19 & 31, typer >> 26) == (0, 1, 15, 0)   # LPIS, A3V, IDbits, RSS


def test_gicd_ctlr_keeps_both_enables_and_shows_one_security_state_and_affinity_routing(guest: Guest) -> None:
    assert guest.load(GICD_PA) == 0x50
    for written, shown in ((0xFFFF_FFFF, 0x53), (1, 0x51), (2, 0x52), (0, 0x50)):
        guest.store(GICD_PA, written)
        assert guest.load(GICD_PA) == shown


def test_children_asleep_follows_processor_sleep(guest: Guest) -> None:
    for written, shown in ((None, 6), (0, 0), (2, 6), (0xFFFF_FFFF, 6), (4, 0)):
        if written is not None:
            guest.store(GICR_PA + 0x14, written)
        assert guest.load(GICR_PA + 0x14) == shown


def test_private_registers_reset_and_read_back_as_qemu_does(guest: Guest) -> None:
    assert [guest.load(SGI_BASE + offset) for offset in (0x80, 0x100, 0x200, 0x300, 0x400, 0xC00, 0xC04, 0xD00)] == [
        0, 0, 0, 0, 0, 0xAAAA_AAAA, 0, 0]
    for offset, written, shown in ((0x80, 0xFFFF_FFFF, 0xFFFF_FFFF), (0x100, 0x8000_FFFF, 0x8000_FFFF), (0x200, 0x8000_FFFF, 0x8000_FFFF),
                                   (0x300, 0xFFFF_FFFF, 0xFFFF_FFFF), (0xC00, 0, 0xAAAA_AAAA), (0xC04, 0xFFFF_FFFF, 0xAAAA_AAAA),
                                   (0xD00, 0xFFFF_FFFF, 0), (0x400, 0xFFFF_FFFF, 0xFFFF_FFFF)):
        guest.store(SGI_BASE + offset, written)
        assert guest.load(SGI_BASE + offset) == shown


@pytest.mark.parametrize("enable, disable", [(0x100, 0x180), (0x200, 0x280), (0x300, 0x380)])
@pytest.mark.parametrize("bank", [SGI_BASE, GICD_PA + 4, GICD_PA + (INTIDS // 32 - 1) * 4])
def test_set_and_clear_registers_act_on_ones_and_read_alike(guest: Guest, enable: int, disable: int, bank: int) -> None:
    guest.store(bank + enable, 0xF0F0)
    guest.store(bank + enable, 0x0F)
    guest.store(bank + disable, 0xC0)
    assert (guest.load(bank + enable), guest.load(bank + disable)) == (0xF03F, 0xF03F)


@pytest.mark.parametrize("offset", [0x80, 0x100, 0x200, 0x300, 0x400, 0x41C, 0xC00, 0xC04, 0x6000, 0x60F8])
def test_the_distributor_shows_nothing_of_private_interrupts(guest: Guest, offset: int) -> None:
    guest.store(GICD_PA + offset, 0xFFFF_FFFF)
    assert guest.load(GICD_PA + offset) == 0
    assert guest.load(SGI_BASE + 0x100) == 0


@pytest.mark.parametrize("offset", [0x40, 0x800, 0xD04, 0xE00, 0xF00, 0x84 + SPI_COUNT // 8, 0x104 + SPI_COUNT // 8, 0x400 + INTIDS, 0xC00 + INTIDS // 4,
                                    0x6000 + INTIDS * 8, 0xFFD0])
def test_reserved_and_unimplemented_registers_ignore_writes(guest: Guest, offset: int) -> None:
    before = guest.load(GICD_PA + offset)
    guest.store(GICD_PA + offset, 0xFFFF_FFFF)
    assert guest.load(GICD_PA + offset) == before
    assert before == (0x44 if offset == 0xFFD0 else 0)


@pytest.mark.parametrize("base, intid", [(GICD_PA, 32), (GICD_PA, INTIDS - 4), (SGI_BASE, 0), (SGI_BASE, 28)])
def test_priorities_can_be_accessed_by_bytes_and_words(guest: Guest, base: int, intid: int) -> None:
    guest.store(base + 0x400 + intid, 0x80A0_C0E0)
    assert [guest.load(base + 0x400 + intid + n, 1) for n in range(4)] == [0xE0, 0xC0, 0xA0, 0x80]
    guest.store(base + 0x400 + intid + 2, 0x1FF, 1)
    assert guest.load(base + 0x400 + intid) == 0x80FF_C0E0


@pytest.mark.parametrize("size", [1, 2])
def test_other_registers_ignore_accesses_of_one_and_two_bytes(guest: Guest, size: int) -> None:
    for pa in (GICD_PA, GICD_PA + 0x104, GICR_PA + 0x14, SGI_BASE + 0x100):
        before = guest.load(pa)
        guest.store(pa, 0x5A, size)
        assert guest.load(pa) == before
    assert [guest.load(pa, size) for pa in (GICD_PA + 8, GICR_PA + 4, SGI_BASE + 0xC00)] == [0, 0, 0]


def test_configuration_keeps_one_bit_of_two(guest: Guest) -> None:
    guest.store(GICD_PA + 0xC08, 0xFFFF_FFFF)
    assert guest.load(GICD_PA + 0xC08) == 0xAAAA_AAAA


def test_routes_keep_the_affinity_and_the_1_of_n_bit(guest: Guest) -> None:
    for half in (0, 4):
        guest.store(GICD_PA + 0x6000 + 33 * 8 + half, 0xFFFF_FFFF)
    assert [guest.load(GICD_PA + 0x6000 + 33 * 8 + half) for half in (0, 4)] == [0x80FF_FFFF, 0xFF]


def test_a_route_to_an_affinity_that_does_not_exist_delivers_nowhere(guest: Guest) -> None:
    for pe in range(4):
        guest.start(pe)
    guest.set_group(0, 33, 1)
    guest.set_bit(0, 33, 0x100)
    gic.set_spi_level(guest.m, u64(33), u64(1))
    for low, high, taker in ((0, 0, 0), (4, 0, None), (16, 0, None), (1 << 8, 0, None), (1 << 16, 0, None), (2, 1, None), (2, 0, 2)):
        guest.store(GICD_PA + 0x6000 + 33 * 8, low)
        guest.store(GICD_PA + 0x6004 + 33 * 8, high)
        assert [n for n in range(4) if guest.signalled(n)] == ([] if taker is None else [taker])


def test_an_aff0_beyond_15_names_no_pe_even_where_there_are_more(guest: Guest) -> None:
    assert [int(gic.pe_of_affinity(MANY.handle, u64(affinity))) for affinity in (15, 16, 1 << 8, 8 << 8 | 1, 8 << 8 | 2)] == [
        15, NOWHERE, 16, 129, NOWHERE]


def test_a_level_sensitive_spi_stays_pending_while_its_wire_is_high(guest: Guest) -> None:
    gic.set_spi_level(guest.m, u64(40), u64(1))
    guest.store(GICD_PA + 0x284, 1 << 8)
    assert guest.load(GICD_PA + 0x204) == 1 << 8
    guest.store(GICD_PA + 0x204, 1 << 8)
    gic.set_spi_level(guest.m, u64(40), u64(0))
    assert guest.load(GICD_PA + 0x204) == 1 << 8            # latched by the write
    guest.store(GICD_PA + 0x284, 1 << 8)
    assert guest.load(GICD_PA + 0x204) == 0


def test_clearing_an_sgi_does_not_stop_one_that_is_still_on_its_way(guest: Guest) -> None:
    guest.start(1)
    guest.msr(0, icc.SGI1R, 4 << 24 | 2)
    other = GICR_PA + GICR_BYTES_PER_PE + 0x1_0000
    guest.store(other + 0x280, 1 << 4)
    assert (guest.load(other + 0x200), int(guest.state.pes[1]["irq_due_cycles"])) == (0, NEAR)
    guest.advance(0, NEAR)                                  # now it has arrived, as the PE that stores sees it
    assert guest.load(other + 0x200) == 1 << 4
    guest.store(other + 0x280, 1 << 4)
    assert (guest.load(other + 0x200), int(guest.state.pes[1]["irq_due_cycles"])) == (0, NOWHERE)


def test_a_full_restart_gives_the_reset_values_again(guest: Guest) -> None:
    fresh = machine(4)
    guest.start(2)
    guest.store(GICD_PA + 0x104, 0xFFFF_FFFF)
    guest.store(GICD_PA + 0x420, 0xFFFF_FFFF)
    guest.store(GICD_PA + 0x204, 0xFFFF_FFFF)
    guest.msr(0, icc.SGI1R, 1 << 40 | 4 << 24)
    assert guest.state.gic.tobytes() != fresh.gic.tobytes()
    gic.reset(guest.m)
    assert guest.state.gic.tobytes() == fresh.gic.tobytes()
    assert guest.state.spi.tobytes() == fresh.spi.tobytes()
    assert [int(guest.state.machine[0][name]) for name in ("gicd_ctlr", "spi_pending")] == [0, 0]
    assert all(guest.state.pes["irq_due_cycles"] == NOWHERE)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 3), st.one_of(st.integers(0, 0x1_FFFF), st.integers(0, 0xD04)), st.sampled_from((1, 2, 4)),
                          st.integers(0, (1 << 32) - 1)), max_size=30))
@settings(deadline=None, max_examples=60)
def test_no_access_by_a_guest_breaks_anything(accesses: list[tuple[bool, int, int, int, int]]) -> None:
    guest = Guest(machine(4))
    for to_distributor, pe, offset, size, value in accesses:
        pa = (GICD_PA + offset % GICD_BYTES if to_distributor else GICR_PA + pe * GICR_BYTES_PER_PE + offset) // size * size
        guest.store(pa, value, size, pe)
        assert 0 <= guest.load(pa, size, pe) < 1 << 8 * size
        assert guest.signalled(pe) in (0, 1, 2)
        due = int(guest.state.pes[pe]["irq_due_cycles"])
        assert (due == 0) == (guest.signalled(pe) != 0)
    guest.state.release()
