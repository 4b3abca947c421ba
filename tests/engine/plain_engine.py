"""The engine without anything of ours: one page-granular identity mapping, and a record of what its hooks were told."""
from collections.abc import Callable
from typing import Any

import numpy as np
from keystone import KS_ARCH_ARM64, KS_MODE_LITTLE_ENDIAN, Ks
from unicorn import (
    UC_ARCH_ARM64,
    UC_HOOK_BLOCK,
    UC_HOOK_INSN,
    UC_HOOK_INTR,
    UC_HOOK_TLB_FILL,
    UC_MODE_ARM,
    UC_TLB_VIRTUAL,
    Uc,
    UcError,
    arm64_const,
    unicorn_const,
)
from unicorn.unicorn_py3 import unicorn as binding

RAM_PA, RAM_BYTES = 0x4000_0000, 1 << 16
CODE, DATA = RAM_PA + 0x1000, RAM_PA + 0x8000
WINDOW_PA, WINDOW_BYTES = 1 << 47, 1 << 16
WINDOW = RAM_PA + 0x10_0000             # VA at which the window of callbacks is seen
NOWHERE = 0x9000_0000
SCTLR_EL1, CPACR_EL1, SPSR_EL1, TPIDR_EL0, SCR_EL3 = (3, 0, 1, 0, 0), (3, 0, 1, 0, 2), (3, 0, 4, 0, 0), (3, 3, 13, 0, 2), (3, 6, 1, 1, 0)
EL1H, EL0T = 0x3C5, 0x3C0
READ, WRITE, FETCH = 16, 17, 18
INSTRUCTIONS = {"mrs": arm64_const.UC_ARM64_INS_MRS, "msr": arm64_const.UC_ARM64_INS_MSR, "sys": arm64_const.UC_ARM64_INS_SYS,
                "sysl": arm64_const.UC_ARM64_INS_SYSL}


def assemble(text: str, address: int = CODE) -> bytes:
    """Bytes of a fixed text."""
    return bytes(Ks(KS_ARCH_ARM64, KS_MODE_LITTLE_ENDIAN).asm(text, address)[0])


def run_text(*texts: "str | tuple[int, str]", x0: int = 0, x1: int = 0, **options: Any) -> "PlainEngine":
    """Run a text until it stops, with X0 and X1 set."""
    engine = PlainEngine(*texts, **options)
    engine.set_x(0, x0)
    engine.set_x(1, x1)
    engine.run()
    return engine


class PlainEngine:
    """One instance over RAM at VA = PA.

    fills: (VA, access, PC) of every call of the fill hook. interrupts: (number, PC). blocks: (VA, size). reads, writes: what the
    callbacks of the window were told, as (offset, size) and (offset, size, value). permissions: page VA -> answer of the fill hook.
    """

    def __init__(self, *texts: str | tuple[int, str], page_bytes: int | None = 4096, cpu: int | None = 3, ram: Any = None,
                 interrupts: bool = True, blocks: bool = False) -> None:
        self.ram = np.zeros(RAM_BYTES, np.uint8) if ram is None else ram
        self.uc = Uc(UC_ARCH_ARM64, UC_MODE_ARM)
        if page_bytes:
            self.uc.ctl_set_page_size(page_bytes)
        if cpu is not None:
            self.uc.ctl_set_cpu_model(cpu)
        self.uc.ctl_set_tcg_buffer_size(1 << 20)
        self.uc.mem_map_ptr(RAM_PA, RAM_BYTES, 7, self.ram.ctypes.data)
        self.uc.mmio_map(WINDOW_PA, WINDOW_BYTES, self._window_read, None, self._window_write, None)
        self.uc.ctl_exits_enabled(True)
        self.uc.ctl_set_tlb_mode(UC_TLB_VIRTUAL)
        self.fills: list[tuple[int, int, int]] = []
        self.interrupts: list[tuple[int, int]] = []
        self.blocks: list[tuple[int, int]] = []
        self.reads: list[tuple[int, int]] = []
        self.writes: list[tuple[int, int, int]] = []
        self.permissions: dict[int, int] = {}
        self.in_window: Callable[[], None] = lambda: None
        self.uc.hook_add(UC_HOOK_TLB_FILL, self._fill)
        if interrupts:
            self.uc.hook_add(UC_HOOK_INTR, self._interrupt)
        if blocks:
            self.uc.hook_add(UC_HOOK_BLOCK, lambda _uc, va, size, _data: self.blocks.append((va, size)))
        self.set_system(SCR_EL3, 1 << 10)
        for item in texts:
            self.put(*(item if isinstance(item, tuple) else (CODE, item)))

    def put(self, address: int, text: str) -> None:
        """Assemble a text into RAM."""
        self.put_bytes(address, assemble(text, address))

    def put_bytes(self, address: int, data: bytes) -> None:
        """Bytes into RAM, from outside."""
        self.ram[address - RAM_PA : address - RAM_PA + len(data)] = np.frombuffer(data, np.uint8)

    def hook(self, name: str, function: Callable[..., Any]) -> None:
        """An instruction hook for MRS, MSR, SYS or SYSL: function(uc, register, cp_reg, data)."""
        self.uc.hook_add(UC_HOOK_INSN, function, None, 1, 0, INSTRUCTIONS[name])

    def run(self, address: int = CODE, count: int = 0) -> int:
        """Run until the engine stops by itself. Returns its error number, 0 = none."""
        try:
            self.uc.emu_start(address, 0, count=count)
        except UcError as error:
            return int(error.errno)
        return 0

    def x(self, number: int) -> int:
        """X0..X28."""
        return int(self.uc.reg_read(arm64_const.UC_ARM64_REG_X0 + number))

    def set_x(self, number: int, value: int) -> None:
        """Set X0..X28."""
        self.uc.reg_write(arm64_const.UC_ARM64_REG_X0 + number, value)

    def __getattr__(self, name: str) -> int:
        return int(self.uc.reg_read(getattr(arm64_const, f"UC_ARM64_REG_{name.upper()}")))

    def set(self, **values: int) -> None:
        """Set registers by name: pc, sp, pstate, sp_el0, ..."""
        for name, value in values.items():
            self.uc.reg_write(getattr(arm64_const, f"UC_ARM64_REG_{name.upper()}"), value)

    def system(self, register: tuple[int, int, int, int, int]) -> int:
        """A system register by op0, op1, CRn, CRm, op2."""
        op0, op1, crn, crm, op2 = register
        return int(self.uc.reg_read(arm64_const.UC_ARM64_REG_CP_REG, (crn, crm, op0, op1, op2)))

    def set_system(self, register: tuple[int, int, int, int, int], value: int) -> None:
        """Set a system register."""
        op0, op1, crn, crm, op2 = register
        self.uc.reg_write(arm64_const.UC_ARM64_REG_CP_REG, (crn, crm, op0, op1, op2, value))

    def flush_soft_tlb(self) -> None:
        """Empty the soft TLB: the binding has no method for it."""
        request = unicorn_const.UC_CTL_IO_WRITE << 30 | unicorn_const.UC_CTL_TLB_FLUSH
        assert binding.uclib.uc_ctl(self.uc._uch, request) == 0

    def settle(self) -> None:
        """The CP_REG write that makes the engine take in a new PSTATE."""
        self.set_system(TPIDR_EL0, self.system(TPIDR_EL0))

    def word(self, address: int, size_bytes: int = 8) -> int:
        """Little-endian RAM."""
        return int.from_bytes(self.ram[address - RAM_PA : address - RAM_PA + size_bytes].tobytes(), "little")

    def _fill(self, uc: Uc, va: int, access: int, entry: Any, _data: object) -> bool:
        self.fills.append((va, access, self.pc))
        page = va & ~0xFFF
        if RAM_PA <= va < RAM_PA + RAM_BYTES:
            entry.paddr, entry.perms = va, self.permissions.get(page, 7)
            return entry.perms != 0
        if WINDOW <= va < WINDOW + WINDOW_BYTES:
            entry.paddr, entry.perms = va - WINDOW + WINDOW_PA, 7
            return True
        return False

    def _interrupt(self, uc: Uc, number: int, _data: object) -> None:
        self.interrupts.append((number, self.pc))
        uc.emu_stop()

    def _window_read(self, _uc: Uc, offset: int, size: int, _data: object) -> int:
        self.reads.append((offset, size))
        self.in_window()
        return 0

    def _window_write(self, _uc: Uc, offset: int, size: int, value: int, _data: object) -> None:
        self.writes.append((offset, size, value))
        self.in_window()
