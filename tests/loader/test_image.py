"""Symbols by name and address, and what check_segments refuses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.errors import UserError
from sim.loader.image import Image, Segment, SymbolTable, check_segments

RAM_PA, RAM_BYTES = 0x4000_0000, 0x100_0000


def image(*segments: Segment, entry_pa: int = RAM_PA) -> Image:
    return Image("kernel.elf", "elf", segments, entry_pa)


def test_find_names_the_nearest_label_at_or_below() -> None:
    symbols = SymbolTable({"second": 0x1010, "first": 0x1000, "alias": 0x1010})
    assert [symbols.find(a) for a in (0xFFF, 0x1000, 0x100C, 0x1010, 0x2000)] == [None, "first", "first+0xc", "second", "second+0xff0"]
    assert symbols.address("alias") == 0x1010
    assert list(symbols) == ["second", "first", "alias"]
    with pytest.raises(KeyError, match="third"):
        symbols.address("third")


@given(st.dictionaries(st.text("abc", min_size=1, max_size=4), st.integers(0, 300)), st.integers(0, 400))
def test_find_agrees_with_a_linear_search(labels: dict[str, int], address: int) -> None:
    found = SymbolTable(labels).find(address)
    below = [value for value in labels.values() if value <= address]
    if not below:
        assert found is None
    else:
        name, _, offset = str(found).partition("+")
        assert labels[name] == max(below)
        assert labels[name] + int(offset or "0", 16) == address


def test_segments_that_touch_and_fill_ram_are_accepted() -> None:
    check_segments(image(Segment(RAM_PA, b"x", 0x1000), Segment(RAM_PA + 0x1000, b"", RAM_BYTES - 0x1000)), RAM_PA, RAM_BYTES)


@pytest.mark.parametrize("pa", [0, RAM_PA - 1, RAM_PA + RAM_BYTES - 0xFF, 1 << 60])
def test_a_segment_outside_ram_is_refused_by_its_address(pa: int) -> None:
    with pytest.raises(UserError, match=f"kernel.elf: segment {pa:#x}.*outside RAM"):
        check_segments(image(Segment(pa, b"abc", 0x100)), RAM_PA, RAM_BYTES)


def test_overlapping_segments_are_refused_and_both_named() -> None:
    with pytest.raises(UserError, match="0x40000000..0x40000fff and 0x40000fff..0x40001ffe overlap"):
        check_segments(image(Segment(RAM_PA + 0xFFF, b"", 0x1000), Segment(RAM_PA, b"", 0x1000)), RAM_PA, RAM_BYTES)


def test_an_entry_outside_ram_is_refused() -> None:
    with pytest.raises(UserError, match="entry 0x0 lies outside RAM"):
        check_segments(image(Segment(RAM_PA, b"", 4), entry_pa=0), RAM_PA, RAM_BYTES)
