"""The start-up check: the engine does what correctness rests on, or Quiesce refuses to run.

A few of the facts that `tests/engine` holds in full; each is tried on a scratch instance, once for each process.
"""
import functools
import struct
from typing import Any

import numpy as np
import unicorn
from unicorn import (
    UC_ARCH_ARM64,
    UC_HOOK_BLOCK,
    UC_HOOK_INTR,
    UC_HOOK_TLB_FILL,
    UC_MODE_ARM,
    UC_TLB_VIRTUAL,
    Uc,
    UcError,
    arm64_const,
)

from sim.errors import SimulatorError

PINNED_VERSION = "2.1.4"
_RAM_PA, _WINDOW_PA, _NOWHERE = 0x1_0000, 1 << 47, 0x9000_0000
_WINDOW = 0x2_0000                      # VA at which the window of callbacks is seen
_PAGE_BYTES = 4096
_EXCEPTION = 21                         # UC_ERR_EXCEPTION: the error of a refused access
_NOP, _WFI = 0xD503_201F, 0xD503_207F
_LOAD, _STORE, _LOAD_EXCLUSIVE = 0xF840_8402, 0xF900_0002, 0xC85F_7C02      # ldr x2, [x0], #8; str x2, [x0]; ldxr x2, [x0]
_BRANCH_NEXT = 0x1400_0001              # b .+4
#: Instruction, X0, exception number, bytes from the instruction to the PC.
_EXCEPTIONS = (("SVC", 0xD400_0001, 0, 2, 4), ("UDF", 0, 0, 1, 0), ("BRK", 0xD420_0000, 0, 7, 0), ("HVC", 0xD400_0002, 0, 1, 0),
               ("SMC", 0xD400_0003, 0, 13, 4), ("an unaligned exclusive", _LOAD_EXCLUSIVE, _RAM_PA + 0x101, 4, 0))


class _Scratch:
    """An instance with one page of RAM at VA = PA and one page of callbacks."""

    def __init__(self) -> None:
        self.ram = np.zeros(_PAGE_BYTES, np.uint8)
        self.writes: list[tuple[int, int, int]] = []
        self.fills: list[tuple[int, int]] = []
        self.interrupts: list[int] = []
        self.stop_at = 0
        self.uc = Uc(UC_ARCH_ARM64, UC_MODE_ARM)
        self.uc.ctl_set_page_size(_PAGE_BYTES)
        self.uc.ctl_set_cpu_model(3)                        # UC_CPU_ARM64_MAX
        self.uc.ctl_set_tcg_buffer_size(1 << 20)
        self.uc.mem_map_ptr(_RAM_PA, _PAGE_BYTES, 7, self.ram.ctypes.data)
        self.uc.mmio_map(_WINDOW_PA, _PAGE_BYTES, None, None, self._write, None)
        self.uc.ctl_exits_enabled(True)
        self.uc.ctl_set_tlb_mode(UC_TLB_VIRTUAL)
        self.uc.hook_add(UC_HOOK_TLB_FILL, self._fill)
        self.uc.hook_add(UC_HOOK_INTR, self._interrupt)
        self.uc.hook_add(UC_HOOK_BLOCK, self._block)

    def run(self, *words: int, x0: int = 0) -> tuple[int, int]:
        """Run words until the engine stops. Returns its error number and the PC, in bytes from the first word."""
        self.ram[: 4 * len(words)] = np.frombuffer(struct.pack(f"<{len(words)}I", *words), np.uint8)
        self.uc.ctl_flush_tb()
        self.uc.reg_write(arm64_const.UC_ARM64_REG_X0, x0)
        self.uc.reg_write(arm64_const.UC_ARM64_REG_X2, 0x1122_3344_5566_7788)
        error = 0
        try:
            self.uc.emu_start(_RAM_PA, 0)
        except UcError as refused:
            error = int(refused.errno)
        return error, int(self.uc.reg_read(arm64_const.UC_ARM64_REG_PC)) - _RAM_PA

    def register(self, number: int) -> int:
        """X0..X28."""
        return int(self.uc.reg_read(arm64_const.UC_ARM64_REG_X0 + number))

    def _fill(self, _uc: Uc, va: int, access: int, entry: Any, _data: object) -> bool:
        self.fills.append((va, access))
        entry.paddr, entry.perms = (_WINDOW_PA, 3) if va == _WINDOW else (va, 7)
        return va in (_RAM_PA, _WINDOW)

    def _interrupt(self, uc: Uc, number: int, _data: object) -> None:
        self.interrupts.append(number)
        uc.emu_stop()

    def _block(self, uc: Uc, va: int, _size: int, _data: object) -> None:
        if va == self.stop_at:
            uc.emu_stop()

    def _write(self, _uc: Uc, offset: int, size: int, value: int, _data: object) -> None:
        self.writes.append((offset, size, value))


def _require(holds: bool, fact: str) -> None:
    if not holds:
        raise SimulatorError(f"this Unicorn ({unicorn.__version__}) behaves otherwise than {PINNED_VERSION}: {fact}")


def _check_accesses(scratch: _Scratch) -> None:
    outcome = scratch.run(_NOP, _LOAD, _WFI, x0=_NOWHERE + 0x128)
    _require(outcome == (_EXCEPTION, 4), "a refused access ends the run with error 21 and the PC at the instruction")
    _require(scratch.register(0) == _NOWHERE + 0x128, "a refused access leaves the base register as it was")
    _require(scratch.fills[-1] == (_NOWHERE, 16), "the fill hook gets the page's address and 16 for a read")
    _require(scratch.fills[0] == (_RAM_PA, 18), "the fill hook gets the page's address and 18 for a fetch")
    outcome = scratch.run(_STORE, _WFI, x0=_WINDOW)
    _require(outcome == (0, 8), "a store through callbacks goes on, and WFI returns with the PC behind it")
    _require(scratch.writes == [(0, 4, 0x5566_7788), (4, 4, 0x1122_3344)],
             "a store of 64 bits is two callbacks of 4 bytes, the low half first")
    _require(scratch.fills[-1] == (_WINDOW, 17), "the fill hook gets the page's address and 17 for a write")


def _check_exceptions(scratch: _Scratch) -> None:
    for name, word, x0, number, offset in _EXCEPTIONS:
        scratch.interrupts.clear()
        outcome = scratch.run(word, _WFI, x0=x0)
        _require(scratch.interrupts == [number] and outcome == (0, offset),
                 f"{name} is exception number {number}, with the PC {offset} bytes on")


def _check_blocks(scratch: _Scratch) -> None:
    scratch.stop_at = _RAM_PA + 4
    outcome = scratch.run(_BRANCH_NEXT, 0x9100_0400, _WFI, x0=5)                # add x0, x0, #1
    _require(outcome == (0, 4) and scratch.register(0) == 5, "a block whose hook stops the engine has not run")


@functools.cache
def check_engine() -> None:
    """Raise SimulatorError that names the first fact that does not hold. Once for each process, well under 30 ms."""
    _require(unicorn.__version__ == PINNED_VERSION, f"it is not version {PINNED_VERSION}")
    scratch = _Scratch()
    _check_accesses(scratch)
    _check_exceptions(scratch)
    _check_blocks(scratch)
