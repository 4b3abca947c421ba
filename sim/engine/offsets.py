"""Where the engine keeps what its interface does not give: the address of an abort, the register file, the exclusive monitor, and the
soft TLBs with the times at which it began to watch how full they are (why: `sim.hot.soft_tlb`).

Found at start-up by making the engine put known values there and looking for them, in a scratch instance; the search must
give exactly one answer, or Quiesce refuses to start. Offsets are the same for every instance of one library.
Memory is read through /proc/self/mem, where a wrong guess is an error and not a crash; so the host must be Linux.
"""
import ctypes
import functools
import os
import struct
import time
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from unicorn import UC_ARCH_ARM64, UC_HOOK_TLB_FILL, UC_MODE_ARM, UC_TLB_VIRTUAL, Uc, UcError, arm64_const

from sim.errors import SimulatorError

_STRUCT_BYTES = 8192                    # of uc_struct that is searched
_STATE_BYTES = 1 << 16                  # of the CPU state behind the registers that is searched
_WINDOWS_BYTES = 1 << 15                # of what lies before the registers that is searched
_WINDOWS_LEAST = 4                      # of Unicorn's regimes for AArch64, at the very least
_RAM_PA = 0x1_0000
_CPU_ARM64_MAX = 3                      # UC_CPU_ARM64_MAX
# ldr x2, [x1]; wfi   and   ldxr x2, [x1]; wfi
_LOAD, _LOAD_EXCLUSIVE = struct.pack("<2I", 0xF940_0022, 0xD503_207F), struct.pack("<2I", 0xC85F_7C22, 0xD503_207F)
_CLEAR_EXCLUSIVE, _OPEN = struct.pack("<2I", 0xD503_3F5F, 0xD503_207F), (1 << 64) - 1      # clrex; wfi   and what the monitor holds then
_BEFORE_WINDOW, _USED, _VICTIM_NEXT, _VICTIMS, _VICTIM_COUNT = 16, 16, 24, 32, 8     # bytes in CPUTLBDesc from the time of its window
_ADDRESSES, _PAGE_SHIFT = 3, 12         # the first words of an entry: its page as it is read, written, fetched from


class Offsets(NamedTuple):
    """Bytes from the start of uc_struct, or from the register file X0..X30, SP, PC."""

    state_pointer: int                  # in uc_struct: a pointer to the CPU object that holds the register file
    registers: int                      # in that object: X0
    invalid_address: int                # in uc_struct: VA of the access that was refused last
    exclusive_address: int              # from X0: VA of the exclusive monitor, all ones = open
    window_first: int                   # from X0 (negative): host time at which the first soft TLB's window began, in ns
    window_stride: int                  # bytes from one soft TLB's to the next's
    window_count: int                   # soft TLBs: one for each translation regime of the engine
    tables_first: int                   # from X0 (negative): mask of the first soft TLB, then the address of its entries; 16 bytes each
    entry_shift: int                    # log2 of the bytes of an entry


def _read(memory: int, address: int, size: int) -> bytes:
    """Bytes of this process; short or empty where nothing is mapped."""
    try:
        return os.pread(memory, size, address)
    except (OSError, OverflowError):
        return b""


def _read_ahead(memory: int, address: int, size: int) -> bytes:
    """As many whole pages from `address` as are mapped, at most `size` bytes."""
    parts = []
    while size > 0:
        part = _read(memory, address, min(size, 4096 - address % 4096))
        if not part:
            break
        parts.append(part)
        address, size = address + len(part), size - len(part)
    return b"".join(parts)


def _word(memory: int, address: int) -> int:
    """64-bit word at an address of this process."""
    return int.from_bytes(_read(memory, address, 8), "little")


def _positions(haystack: bytes, value: int) -> set[int]:
    needle, found, start = struct.pack("<Q", value), set(), -1
    while (start := haystack.find(needle, start + 1)) >= 0:
        found.add(start)
    return found


class _Scratch:
    """An instance with one page of RAM at VA = PA."""

    def __init__(self) -> None:
        self.ram = np.zeros(4096, np.uint8)
        self.uc = Uc(UC_ARCH_ARM64, UC_MODE_ARM)
        self.uc.ctl_set_page_size(4096)
        self.uc.ctl_set_cpu_model(_CPU_ARM64_MAX)
        self.uc.ctl_set_tcg_buffer_size(1 << 20)
        self.uc.mem_map_ptr(_RAM_PA, 4096, 7, self.ram.ctypes.data)
        self.uc.ctl_exits_enabled(True)
        self.uc.ctl_set_tlb_mode(UC_TLB_VIRTUAL)
        self.pages, self.filled = {_RAM_PA}, [0]
        self.uc.hook_add(UC_HOOK_TLB_FILL, self._fill)
        self.base = int(self.uc._uch.value)

    def _fill(self, _uc: Uc, va: int, _access: int, entry: object, _data: object) -> bool:
        entry.paddr, entry.perms = _RAM_PA, 7  # type: ignore[attr-defined]
        self.filled.append(va)
        return va in self.pages

    def fills(self, va: int) -> int:
        """How often a load from `va` calls the fill hook for its page."""
        self.filled.clear()
        self.run(_LOAD, va)
        return self.filled.count(va)

    def run(self, code: bytes, x1: int) -> None:
        self.ram[: len(code)] = np.frombuffer(code, np.uint8)
        self.uc.ctl_flush_tb()
        self.uc.reg_write(arm64_const.UC_ARM64_REG_X1, x1)
        try:
            self.uc.emu_start(_RAM_PA, 0)
        except UcError:
            if self.uc.reg_read(arm64_const.UC_ARM64_REG_PC) != _RAM_PA:
                raise SimulatorError("this Unicorn does not leave the PC at an instruction whose access was refused") from None


def _find_registers(memory: int, scratch: _Scratch) -> tuple[int, int]:
    values = [0x5A17_0000_1122_3344 + 0x0101_0101 * k for k in range(8)]
    for k, value in enumerate(values):
        scratch.uc.reg_write(arm64_const.UC_ARM64_REG_X0 + k, value)
    needle = struct.pack("<8Q", *values)
    head = _read_ahead(memory, scratch.base, _STRUCT_BYTES)
    found: dict[int, list[tuple[int, int]]] = {}
    for offset in range(0, len(head) - 7, 8):
        pointer = struct.unpack_from("<Q", head, offset)[0]
        if pointer < 0x1_0000 or pointer >> 47 or scratch.base <= pointer < scratch.base + _STRUCT_BYTES:
            continue
        inside = _read_ahead(memory, pointer, 2 * _STATE_BYTES).find(needle)
        if inside >= 0:
            found.setdefault(pointer + inside, []).append((inside, offset))
    # Copies of what was written lie about in this process (the pattern that was looked for is one): the register file is what follows a write.
    follows = [place for place in found if all(_follows_x5(memory, scratch, place, value) for value in (0x1357_9BDF_0246_8ACE, 0xACE0_1357))]
    if len(follows) != 1:
        raise SimulatorError(f"the register file of this Unicorn was found in {len(follows)} places, not one")
    inside, offset = min(found[follows[0]])                 # the pointer nearest below it
    return offset, inside


def _follows_x5(memory: int, scratch: _Scratch, place: int, value: int) -> bool:
    scratch.uc.reg_write(arm64_const.UC_ARM64_REG_X0 + 5, value)
    return _word(memory, place + 5 * 8) == value


def _find_windows(memory: int, file: int, began_ns: int) -> tuple[int, int, int]:
    """(first, stride, count) of the words below the register file that hold host times since `began_ns`."""
    start = file - _WINDOWS_BYTES
    while not _read(memory, start, 8) and start < file:
        start += 4096 - start % 4096
    data, ended_ns = _read_ahead(memory, start, file - start), time.time_ns()
    words = np.frombuffer(data[: len(data) // 8 * 8], np.uint64)
    found = np.flatnonzero((words >= began_ns) & (words <= ended_ns)).tolist()
    strides = {following - one for one, following in pairwise(found)}
    if len(found) < _WINDOWS_LEAST or len(strides) != 1:
        raise SimulatorError(f"the soft TLBs' times of this Unicorn were found in {len(found)} places, {len(strides)} distances apart")
    return start + 8 * found[0] - file, 8 * strides.pop(), len(found)


def _find_tables(memory: int, scratch: _Scratch, file: int, windows: tuple[int, int, int]) -> tuple[int, int]:
    """(first, entry shift) of the soft TLBs' entries: CPUTLBDescFast {mask, table} of each follow their CPUTLBDesc. Proved by emptying entries.

    Source: QEMU 5.0, include/exec/cpu-defs.h, CPUTLB. The size of an entry is Unicorn's own and follows from the mask.
    """
    first, stride, count = windows
    tables = -(-(file + first - _BEFORE_WINDOW + count * stride) // 16) * 16
    masks = {_word(memory, tables + 16 * k) for k in range(count)}
    mask = max(masks)
    shift = (mask & -mask).bit_length() - 1
    entries = (mask >> shift) + 1 if mask else 0
    if any(one & -one != mask & -mask or (one >> shift) & ((one >> shift) + 1) for one in masks) or not 4 <= shift <= 8:
        raise SimulatorError("the soft TLBs of this Unicorn are not where they should be")
    pages = [0x7654_3210_0000, 0x7654_3211_0000, 0x7654_3210_0000 + (entries << _PAGE_SHIFT)]    # the third takes the place of the first
    scratch.pages |= set(pages)
    seen = [scratch.fills(page) for page in pages] + [scratch.fills(pages[0])]
    dropped = []
    for page in (pages[0], pages[2]):
        scratch.fills(page)
        _drop(memory, tables, (file + first, stride, count), shift, page)
        dropped.append([scratch.fills(other) for other in (pages[1], page, page)])
    if seen != [1, 1, 1, 0] or dropped != [[0, 1, 0], [0, 1, 0]]:
        raise SimulatorError(f"an entry of this Unicorn's soft TLBs cannot be dropped: fills {seen}, {dropped}")
    return tables - file, shift


def _drop(memory: int, tables: int, windows: tuple[int, int, int], shift: int, page: int) -> None:
    """What `sim.hot.soft_tlb.drop_page` does, on the scratch instance."""
    window, stride, count = windows
    for k in range(count):
        mask, table = _word(memory, tables + 16 * k), _word(memory, tables + 16 * k + 8)
        places = [table + ((page >> _PAGE_SHIFT << shift) & mask)]
        places += [window + k * stride + _VICTIMS + (n << shift) for n in range(_VICTIM_COUNT)]
        for place in places:
            if any(_word(memory, place + 8 * n) >> _PAGE_SHIFT == page >> _PAGE_SHIFT for n in range(_ADDRESSES)):
                for n in range(_ADDRESSES):
                    ctypes.c_uint64.from_address(place + 8 * n).value = (1 << 64) - 1


def _live(memory: int, scratch: _Scratch, refused: set[int], base: int, reserved: set[int], file: int) -> tuple[set[int], set[int]]:
    """Those places that are the engine's own and not copies left behind by the search: what they hold follows what the engine does."""
    va = 0x0FED_CBA9_8000
    scratch.run(_LOAD, va)
    for _ in range(64):                                     # overwrites what the binding allocated and freed for X1
        scratch.uc.reg_write(arm64_const.UC_ARM64_REG_X1, 0x5555_5555_5555_5555)
    refused = {offset for offset in refused if _word(memory, base + offset) == va}
    scratch.run(_CLEAR_EXCLUSIVE, 0)
    return refused, {offset for offset in reserved if _word(memory, file + offset) == _OPEN}


def _unique(what: str, candidates: set[int]) -> int:
    if len(candidates) != 1:
        raise SimulatorError(f"{what} of this Unicorn was found in {len(candidates)} places, not one")
    return candidates.pop()


@functools.cache
def find_offsets() -> Offsets:
    """Search once for each process. Raises SimulatorError where the answer is not unique."""
    began_ns = time.time_ns() // 1000 * 1000                # the engine's clock counts microseconds
    scratch = _Scratch()
    memory = os.open("/proc/self/mem", os.O_RDONLY)
    try:
        state_pointer, registers = _find_registers(memory, scratch)
        pointer = struct.unpack("<Q", _read(memory, scratch.base + state_pointer, 8))[0]
        file = pointer + registers
        windows = _find_windows(memory, file, began_ns)
        refused: set[int] | None = None
        reserved: set[int] | None = None
        for k in range(3):
            va = 0x1234_5678_9000 + 0x1_0101_0128 * k
            scratch.run(_LOAD, va)
            seen = _positions(_read_ahead(memory, scratch.base, _STRUCT_BYTES), va)
            refused = seen if refused is None else refused & seen
            va = _RAM_PA + 0x100 + 0x48 * k
            scratch.run(_LOAD_EXCLUSIVE, va)
            seen = _positions(_read_ahead(memory, file, _STATE_BYTES), va) - {8}     # X1 itself
            reserved = seen if reserved is None else reserved & seen
        pc = struct.unpack("<Q", _read(memory, file + 32 * 8, 8))[0]
        if pc != scratch.uc.reg_read(arm64_const.UC_ARM64_REG_PC):
            raise SimulatorError("this Unicorn does not keep the PC behind X0..X30 and SP")
        refused, reserved = _live(memory, scratch, refused or set(), scratch.base, reserved or set(), file)
        return Offsets(state_pointer, registers, _unique("the address of a refused access", refused),
                       _unique("the exclusive monitor", reserved), *windows, *_find_tables(memory, scratch, file, windows))
    finally:
        os.close(memory)
