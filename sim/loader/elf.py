"""ELF executables, as any toolchain links them for AArch64."""

import io
from pathlib import Path
from typing import Any

from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from sim.errors import UserError
from sim.loader.files import read_bytes
from sim.loader.image import Image, Segment, SymbolTable

_SYMBOL_TYPES = ("STT_FUNC", "STT_NOTYPE", "STT_OBJECT")
_TYPE_WORDS = {"ET_REL": "a relocatable object; link it first", "ET_CORE": "a core dump", "ET_NONE": "of no type"}


def load_elf(path: str | Path) -> Image:
    """The PT_LOAD segments of an AArch64 little-endian 64-bit executable at their physical addresses (p_paddr).

    entry_pa is e_entry, translated from VA to PA through the segment that holds it. Symbols are functions, objects and untyped labels at
    their st_value, which is a VA and stays one; mapping symbols ($x, $d) and local labels (.L...) are left out. A position-independent
    executable without relocations to apply is taken as linked.
    Not done: dynamic relocations, interpreters. UserError, one line, for everything that is not such a file.
    ELF for the Arm 64-bit Architecture (IHI 0056), System V ABI (gABI) chapters 4 and 5.
    """
    data = read_bytes(path)
    try:
        return _load(str(path), data)
    except UserError:
        raise
    except Exception as error:  # noqa: BLE001     # pyelftools raises whatever its parsers run into: a broken file
        detail = " ".join(str(error).split())[:120]
        raise UserError(f"{path}: broken ELF file: {type(error).__name__}{': ' + detail if detail else ''}") from None


def _load(name: str, data: bytes) -> Image:
    if data[:4] != b"\x7fELF":
        raise UserError(f"{name}: is not an ELF file")
    if len(data) < 64:
        raise UserError(f"{name}: truncated ELF file: {len(data)} bytes do not hold the header")
    elf = ELFFile(io.BytesIO(data))
    _check_kind(name, elf)
    segments, ranges = _segments(name, elf, data)
    entry_va = int(elf["e_entry"])
    entry_pa = entry_va
    for va, pa, size_bytes in ranges:
        if va <= entry_va < va + size_bytes:
            entry_pa = pa + entry_va - va
            break
    else:
        if not any(s.pa <= entry_va < s.end_pa for s in segments):
            raise UserError(f"{name}: the entry {entry_va:#x} lies in no loadable segment")
    return Image(name=name, kind="elf", segments=segments, entry_pa=entry_pa, symbols=_symbols(elf))


def _check_kind(name: str, elf: Any) -> None:
    machine = elf["e_machine"]
    if machine != "EM_AARCH64":
        spoken = machine.removeprefix("EM_") if isinstance(machine, str) else f"number {machine}"
        raise UserError(f"{name}: is an ELF file for machine {spoken}, not AARCH64")
    if elf.elfclass != 64:
        raise UserError(f"{name}: is a {elf.elfclass}-bit ELF file (ILP32?); only 64-bit ones run")
    if not elf.little_endian:
        raise UserError(f"{name}: is a big-endian ELF file; only little-endian ones run")
    kind = elf["e_type"]
    if kind not in ("ET_EXEC", "ET_DYN"):
        raise UserError(f"{name}: is not an executable but {_TYPE_WORDS.get(str(kind), f'of type {kind}')}")


def _segments(name: str, elf: Any, data: bytes) -> tuple[tuple[Segment, ...], list[tuple[int, int, int]]]:
    """The segments, and (va, pa, size) of each for the entry."""
    segments: list[Segment] = []
    ranges: list[tuple[int, int, int]] = []
    for header in (segment.header for segment in elf.iter_segments()):
        if header["p_type"] != "PT_LOAD" or not header["p_memsz"]:
            continue
        offset, file_bytes, memory_bytes = int(header["p_offset"]), int(header["p_filesz"]), int(header["p_memsz"])
        if offset + file_bytes > len(data):
            raise UserError(f"{name}: truncated ELF file: a segment ends at byte {offset + file_bytes} of {len(data)}")
        if file_bytes > memory_bytes:
            raise UserError(f"{name}: broken ELF file: a segment has {file_bytes} bytes in the file and {memory_bytes} in memory")
        pa = int(header["p_paddr"])
        segments.append(Segment(pa, data[offset:offset + file_bytes], memory_bytes))
        ranges.append((int(header["p_vaddr"]), pa, memory_bytes))
    if not segments:
        raise UserError(f"{name}: has no loadable segment")
    return tuple(segments), ranges


def _symbols(elf: Any) -> SymbolTable:
    symbols: dict[str, int] = {}
    for section in elf.iter_sections():
        if not isinstance(section, SymbolTableSection):
            continue
        for symbol in section.iter_symbols():
            entry, name = symbol.entry, symbol.name
            if not name or name.startswith(("$", ".L")) or entry["st_info"]["type"] not in _SYMBOL_TYPES:
                continue
            if entry["st_shndx"] in ("SHN_UNDEF", "SHN_ABS", "SHN_COMMON"):
                continue
            symbols.setdefault(name, int(entry["st_value"]))
    return SymbolTable(symbols)
