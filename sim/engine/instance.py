"""Unicorn instances: one for each PE, and a second one for PEs that must be run by single instructions."""
import ctypes
from typing import Any

from unicorn import (
    UC_ARCH_ARM64,
    UC_HOOK_BLOCK,
    UC_HOOK_INSN,
    UC_HOOK_INTR,
    UC_HOOK_TLB_FILL,
    UC_MODE_ARM,
    UC_TLB_VIRTUAL,
    Uc,
    arm64_const,
)

from sim.arch.memory_map import CODE_COPY_PA, GICR_BYTES_PER_PE, GICR_HIGH_PA, GICR_LOW_PES, OBSERVED_PA, RAM_PA
from sim.engine.callbacks import LOW_DEVICES_BYTES, LOW_DEVICES_PA, callback
from sim.engine.facts_check import check_engine
from sim.engine.offsets import find_offsets
from sim.engine.symbols import library
from sim.errors import SimulatorError
from sim.hot.observe import CTL_TB_FLUSH
from sim.hot.soft_tlb import NEVER_NS
from sim.state.arrays import State
from sim.state.dtypes import NOWHERE

CPU_ARM64_MAX = 3                       # UC_CPU_ARM64_MAX: the only model with LSE
TRANSLATION_BUFFER_BYTES = 4 << 20      # of host code for each instance; the default reserves 1 GiB of addresses
SCR_EL3, SCR_EL3_RW = (3, 6, 1, 1, 0), 1 << 10
_PERMISSIONS_ALL, _PERMISSIONS_FETCH = 7, 5


def _check(error: int, what: str) -> None:
    if error:
        raise SimulatorError(f"the engine refused to {what}: error {error}")


class Instance:
    """One Unicorn instance over the RAM of `state`, with the hooks of PE `index`."""

    def __init__(self, state: State, index: int) -> None:
        check_engine()
        self._uc = Uc(UC_ARCH_ARM64, UC_MODE_ARM)
        self._uc.ctl_set_page_size(4096)                    # the default soft page is 1 KiB
        self._uc.ctl_set_cpu_model(CPU_ARM64_MAX)
        self._uc.ctl_set_tcg_buffer_size(TRANSLATION_BUFFER_BYTES)
        self._uc.mem_map_ptr(RAM_PA, state.ram.nbytes, _PERMISSIONS_ALL, state.ram.ctypes.data)
        self._uc.mem_map_ptr(CODE_COPY_PA, state.code_copy.nbytes, _PERMISSIONS_FETCH, state.code_copy.ctypes.data)
        self._uc.ctl_exits_enabled(True)                    # no `until` address: nothing to invalidate at every stop
        self._uc.ctl_set_tlb_mode(UC_TLB_VIRTUAL)
        self.handle = int(self._uc._uch.value)
        self._data = state.pes.ctypes.data + index * state.pes.itemsize
        self._keep: list[Any] = [state]
        self._map(OBSERVED_PA, state.ram.nbytes, "window")
        self._map(LOW_DEVICES_PA, LOW_DEVICES_BYTES, "low_device")
        high = len(state.pes) - GICR_LOW_PES
        if high > 0:
            self._map(GICR_HIGH_PA, high * GICR_BYTES_PER_PE, "high_device")
        self._hook(UC_HOOK_TLB_FILL, "fill")
        self._hook(UC_HOOK_BLOCK, "block")
        self._hook(UC_HOOK_INTR, "interrupt")
        self._hook(UC_HOOK_INSN, "mrs", arm64_const.UC_ARM64_INS_MRS)
        self._hook(UC_HOOK_INSN, "msr", arm64_const.UC_ARM64_INS_MSR)
        self._hook(UC_HOOK_INSN, "sys", arm64_const.UC_ARM64_INS_SYS)
        # The engine's CPU has an EL3 above us: unless it says that EL1 is in AArch64, every ERET to EL1 is an illegal return.
        self.write_system(*SCR_EL3, SCR_EL3_RW)
        self._locate()

    def _map(self, pa: int, size_bytes: int, name: str) -> None:
        data = ctypes.c_void_p(self._data)
        read, write = callback(name + "_read"), callback(name + "_write")
        _check(library.uc_mmio_map(ctypes.c_void_p(self.handle), ctypes.c_uint64(pa), ctypes.c_size_t(size_bytes),
                                   ctypes.c_void_p(read.address), data, ctypes.c_void_p(write.address), data), f"map {name}")

    def _hook(self, kind: int, name: str, *extra: int) -> None:
        handle = ctypes.c_size_t()
        _check(library.uc_hook_add(ctypes.c_void_p(self.handle), ctypes.byref(handle), ctypes.c_int(kind),
                                   ctypes.c_void_p(callback(name).address), ctypes.c_void_p(self._data), ctypes.c_uint64(1),
                                   ctypes.c_uint64(0), *(ctypes.c_int(number) for number in extra)), f"hook {name}")

    def _locate(self) -> None:
        """Addresses inside this instance, proved for it by one write."""
        offsets = find_offsets()
        pointer = ctypes.c_uint64.from_address(self.handle + offsets.state_pointer).value
        self.registers_address = pointer + offsets.registers
        for window in range(offsets.window_count):
            ctypes.c_uint64.from_address(self.registers_address + offsets.window_first + window * offsets.window_stride).value = int(NEVER_NS)
        self.invalid_address = self.handle + offsets.invalid_address
        self.exclusive_address = self.registers_address + offsets.exclusive_address
        self._uc.reg_write(arm64_const.UC_ARM64_REG_X17, 0x0123_4567_89AB_CDEF)
        if ctypes.c_uint64.from_address(self.registers_address + 17 * 8).value != 0x0123_4567_89AB_CDEF:
            raise SimulatorError("the engine's registers are not where the start-up search found them")
        self._uc.reg_write(arm64_const.UC_ARM64_REG_X17, 0)

    def registers(self) -> Any:
        """X0..X30, SP and PC as a ctypes array of 33 words, in place."""
        return (ctypes.c_uint64 * 33).from_address(self.registers_address)

    def read(self, register: int) -> int:
        """Value of the register with an engine number."""
        return int(self._uc.reg_read(register))

    def write(self, register: int, value: int) -> None:
        """Set the register with an engine number."""
        self._uc.reg_write(register, value)

    def read_system(self, op0: int, op1: int, crn: int, crm: int, op2: int) -> int:
        """Value that the engine holds of a system register."""
        return int(self._uc.reg_read(arm64_const.UC_ARM64_REG_CP_REG, (crn, crm, op0, op1, op2)))

    def write_system(self, op0: int, op1: int, crn: int, crm: int, op2: int, value: int) -> None:
        """Set a system register in the engine; the hooks do not see it."""
        self._uc.reg_write(arm64_const.UC_ARM64_REG_CP_REG, (crn, crm, op0, op1, op2, value))

    def read_vector(self, number: int) -> int:
        """V0..V31, 128 bits."""
        return int(self._uc.reg_read(arm64_const.UC_ARM64_REG_Q0 + number))

    def flush_code(self) -> None:
        """Drop every translation of code (after memory was changed from outside)."""
        _check(library.uc_ctl(ctypes.c_void_p(self.handle), int(CTL_TB_FLUSH)), "drop its translations")


class Context:
    """Room for the registers of one instance, for moving them to another or for keeping them."""

    def __init__(self, instance: Instance) -> None:
        pointer = ctypes.c_void_p()
        _check(library.uc_context_alloc(ctypes.c_void_p(instance.handle), ctypes.byref(pointer)), "make room for a register context")
        self.address = int(pointer.value or 0)

    def save(self, instance: Instance) -> None:
        """Keep the registers that an instance has now: general, vector, system, and its exclusive monitor."""
        _check(library.uc_context_save(ctypes.c_void_p(instance.handle), ctypes.c_void_p(self.address)), "save its registers")

    def restore(self, instance: Instance) -> None:
        """Give an instance the registers that are kept here."""
        _check(library.uc_context_restore(ctypes.c_void_p(instance.handle), ctypes.c_void_p(self.address)), "take registers")

    def __del__(self) -> None:
        library.uc_context_free(ctypes.c_void_p(self.address))


def attach(state: State, index: int, instance: Instance, *, as_stepper: bool = False) -> None:
    """Make an instance the running one, or the stepping one, of PE `index`."""
    pe = state.pes[index]
    prefix = "stepper_" if as_stepper else ""
    pe["stepper" if as_stepper else "uc"] = instance.handle
    pe[prefix + "registers_address"] = instance.registers_address
    pe[prefix + "invalid_address"] = instance.invalid_address
    pe[prefix + "exclusive_address"] = instance.exclusive_address
    offsets, machine = find_offsets(), state.machine[0]
    machine["soft_window_first"] = offsets.window_first & NOWHERE
    machine["soft_window_stride"], machine["soft_window_count"] = offsets.window_stride, offsets.window_count
    machine["soft_tables_first"], machine["soft_entry_shift"] = offsets.tables_first & NOWHERE, offsets.entry_shift
