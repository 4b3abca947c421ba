"""ELF executables as GNU ld makes them, and broken ones."""

import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sim.errors import UserError
from sim.loader.elf import load_elf
from sim.loader.image import Image

SOURCE = """
    .global _start
    .type _start, %function
_start: nop
    b helper
    .type helper, %function
.Llocal: nop
helper: ret
    .word 5
    .data
    .type table, %object
table: .quad 1, 2
    .bss
space: .space 0x1000
"""
UPPER_VA, LOAD_PA = 0xFFFF_0000_0008_0000, 0x4008_0000


def minimal_elf(machine: int = 183, kind: int = 2, elf_class: int = 2, byte_order: int = 1, vaddr: int = UPPER_VA, paddr: int = LOAD_PA,
                entry: int = UPPER_VA + 4, file_bytes: int = 8, memory_bytes: int = 0x20) -> bytes:
    """An ELF written field by field: System V ABI, chapter 4."""
    order = "<" if byte_order == 1 else ">"
    identity = b"\x7fELF" + bytes([elf_class, byte_order, 1]) + bytes(9)
    if elf_class == 1:
        return identity + struct.pack(order + "HHIIIIIHHHHHH", kind, machine, 1, entry & 0xFFFF_FFFF, 52, 0, 0, 52, 32, 0, 0, 0, 0) + bytes(64)
    header = struct.pack(order + "HHIQQQIHHHHHH", kind, machine, 1, entry, 64, 0, 0, 64, 56, 1, 64, 0, 0)
    program = struct.pack(order + "IIQQQQQQ", 1, 5, 120, vaddr, paddr, file_bytes, memory_bytes, 8)
    return identity + header + program + b"ABCDEFGH"


def load(tmp_path: Path, data: bytes) -> Image:
    path = tmp_path / "kernel.elf"
    path.write_bytes(data)
    return load_elf(path)


def test_segments_lie_at_physical_addresses_and_the_entry_is_translated(tmp_path: Path) -> None:
    image = load(tmp_path, minimal_elf())
    assert [(s.pa, s.data, s.size_bytes) for s in image.segments] == [(LOAD_PA, b"ABCDEFGH", 0x20)]
    assert image.entry_pa == LOAD_PA + 4


def test_an_entry_that_is_already_physical_stays(tmp_path: Path) -> None:
    assert load(tmp_path, minimal_elf(entry=LOAD_PA + 4)).entry_pa == LOAD_PA + 4


@pytest.mark.gnu
def test_an_executable_of_gnu_ld_gives_its_bytes_and_symbols(gnu_elf: Callable[..., Path], gnu_bytes: Callable[..., bytes]) -> None:
    image = load_elf(gnu_elf(SOURCE))
    flat = gnu_bytes(SOURCE)
    first = image.segments[0].pa
    assert image.entry_pa == 0x4008_0000
    for segment in image.segments:
        begin = segment.pa - 0x4008_0000
        data = segment.data if begin >= 0 else segment.data[-begin:]    # ld puts its headers before the code
        assert flat[max(begin, 0):][:len(data)] == data
    assert first <= 0x4008_0000
    assert image.symbols.address("helper") == 0x4008_000C
    assert {"_start", "helper", "table", "space"} <= set(image.symbols)
    assert not any(name.startswith(("$", ".L")) for name in image.symbols)
    assert image.segments[-1].size_bytes >= len(image.segments[-1].data) + 0x1000


@pytest.mark.gnu
def test_an_object_file_is_refused_as_unlinked(gnu_elf: Callable[..., Path], tmp_path: Path) -> None:
    gnu_elf(SOURCE)
    with pytest.raises(UserError, match="relocatable object; link it first"):
        load_elf(tmp_path / "gnu.o")


@pytest.mark.parametrize(("fields", "message"), [
    ({"machine": 62}, "for machine X86_64, not AARCH64"), ({"machine": 40, "elf_class": 1}, "for machine ARM, not AARCH64"),
    ({"machine": 0x7777}, "for machine number 30583"), ({"elf_class": 1}, "32-bit"), ({"byte_order": 2}, "big-endian"),
    ({"kind": 1}, "relocatable"), ({"kind": 4}, "core dump"), ({"kind": 99}, "not an executable but of type 99"),
    ({"file_bytes": 9}, "truncated"), ({"memory_bytes": 4}, "8 bytes in the file and 4 in memory"),
    ({"memory_bytes": 0, "file_bytes": 0}, "no loadable segment"), ({"entry": 0x10}, "entry 0x10 lies in no loadable segment"),
])
def test_what_does_not_fit_is_refused_in_one_line(tmp_path: Path, fields: dict[str, int], message: str) -> None:
    with pytest.raises(UserError, match=message) as refusal:
        load(tmp_path, minimal_elf(**fields))
    assert "\n" not in str(refusal.value)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.integers(0, 127), flips=st.lists(st.tuples(st.integers(4, 127), st.integers(0, 255)), max_size=8))
def test_a_damaged_file_raises_nothing_but_a_user_error(tmp_path: Path, cut: int, flips: list[tuple[int, int]]) -> None:
    data = bytearray(minimal_elf())
    for position, value in flips:
        data[position] = value
    for damaged in (bytes(data), bytes(data[:cut])):
        try:
            load(tmp_path, damaged)
        except UserError as error:
            assert "\n" not in str(error)


def test_a_text_is_not_an_elf(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is not an ELF file"):
        load(tmp_path, b"hello")
