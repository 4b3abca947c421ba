"""Descriptors: kinds, addresses and words, each by a value composed from the manual's figures."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.arch import descriptor
from sim.arch.descriptor import describe_descriptor

MIB, GIB = 1 << 20, 1 << 30

DESCRIBED = [
    (0, 3, 12, "invalid"),
    (0x4000_0000, 2, 12, "invalid, 0x0000000040000000"),
    (0x0000_0000_4100_0003, 0, 12, "table at 0x41000000"),
    (0x2000_0000_4100_0003 | 1 << 59, 1, 12, "table at 0x41000000, PXNTable, APTable no EL0"),
    (0x0060_0000_4020_0701, 2, 12, "block 2 MiB at 0x40200000, EL1 read-write, AttrIndx 0, inner shareable, AF, PXN, UXN"),
    (0x0040_0000_4000_0F87, 3, 12, "page 4 KiB at 0x40000000, EL1 read-only, AttrIndx 1, inner shareable, AF, nG, UXN"),
    (0x0078_0000_4000_0FC3, 3, 16,
     "page 64 KiB at 0x40000000, EL1 and EL0 read-only until dirty, AttrIndx 0, inner shareable, AF, nG, DBM, contiguous, PXN, UXN"),
    (0x0080_0000_4201_0301, 2, 14, "block 32 MiB at 0x42000000, EL1 read-write, AttrIndx 0, inner shareable, no AF, nT, software 0x1"),
    (0x0000_0000_4000_0401, 1, 12, "block 1 GiB at 0x40000000, EL1 read-write, AttrIndx 0, non-shareable, AF"),
    (0x0000_0000_4000_0401, 1, 14, "invalid, reserved encoding 0x0000000040000401 at level 1"),
    (0x0000_0000_4000_0401, 3, 12, "invalid, reserved encoding 0x0000000040000401 at level 3"),
]


@pytest.mark.parametrize(("value", "level", "granule_shift", "text"), DESCRIBED, ids=[case[3][:24] + str(case[2]) for case in DESCRIBED])
def test_descriptor_reads_as_a_line(value: int, level: int, granule_shift: int, text: str) -> None:
    assert describe_descriptor(value, level, granule_shift) == text


def test_sizes_of_each_level_are_those_of_the_manuals_tables() -> None:
    sizes = {shift: [1 << descriptor.level_shift(level, shift) for level in range(4)] for shift in (12, 14, 16)}
    assert sizes[12] == [512 * GIB, GIB, 2 * MIB, 4096]
    assert sizes[14][1:] == [64 * GIB, 32 * MIB, 16384]
    assert sizes[16][1:] == [4096 * GIB, 512 * MIB, 65536]


def test_contiguous_runs_have_the_sizes_of_the_manuals_table() -> None:
    runs = {(level, shift): descriptor.contiguous_entries(level, shift) << descriptor.level_shift(level, shift)
            for level, shift in ((3, 12), (2, 12), (1, 12), (3, 14), (2, 14), (3, 16), (2, 16))}
    assert runs == {(3, 12): 64 << 10, (2, 12): 32 * MIB, (1, 12): 16 * GIB, (3, 14): 2 * MIB, (2, 14): GIB, (3, 16): 2 * MIB, (2, 16): 16 * GIB}


@given(st.integers(0, 2**64 - 1), st.integers(0, 3), st.sampled_from([12, 14, 16]))
def test_any_value_at_any_level_is_described_and_its_addresses_are_aligned_and_48_bits(value: int, level: int, granule_shift: int) -> None:
    assert describe_descriptor(value, level, granule_shift)
    pa = descriptor.output_pa(value, level, granule_shift)
    assert pa >> 48 == 0 and pa % (1 << descriptor.level_shift(level, granule_shift)) == 0
    assert descriptor.table_pa(value, granule_shift) % (1 << granule_shift) == 0
