"""PSCI 1.0 by HVC, as QEMU's `virt` has it: what firmware below EL1 would answer. ARM DEN 0022.

Rare, so it runs in the interpreter. Functions not implemented answer NOT_SUPPORTED, as the specification asks.
"""
from enum import IntEnum
from typing import Protocol

SUCCESS, NOT_SUPPORTED, INVALID_PARAMETERS, ALREADY_ON = 0, -1, -2, -4
AFFINITY_ON, AFFINITY_OFF = 0, 1
VERSION_1_0 = 0x1_0000
_MIGRATE_NOT_NEEDED = 2                 # MIGRATE_INFO_TYPE: no Trusted OS that would need it


class Function(IntEnum):
    """Function identifiers, SMC64 ones where an argument is 64 bits wide."""

    VERSION = 0x8400_0000
    CPU_SUSPEND_32 = 0x8400_0001
    CPU_SUSPEND = 0xC400_0001
    CPU_OFF = 0x8400_0002
    CPU_ON_32 = 0x8400_0003
    CPU_ON = 0xC400_0003
    AFFINITY_INFO_32 = 0x8400_0004
    AFFINITY_INFO = 0xC400_0004
    MIGRATE_INFO_TYPE = 0x8400_0006
    SYSTEM_OFF = 0x8400_0008
    SYSTEM_RESET = 0x8400_0009
    FEATURES = 0x8400_000A


class Firmware(Protocol):
    """What PSCI needs of a machine."""

    def pe_of_mpidr(self, affinity: int) -> int | None: ...
    def is_on(self, pe: int) -> bool: ...
    def power_on(self, pe: int, entry_pa: int, context: int, caller: int) -> None: ...
    def power_off(self, pe: int) -> None: ...
    def system_off(self, pe: int) -> None: ...
    def system_reset(self, pe: int) -> None: ...
    def suspend(self, pe: int) -> None: ...


def call(machine: Firmware, pe: int, arguments: tuple[int, int, int, int]) -> int | None:
    """Answer the call of PE `pe` with x0..x3. Returns what x0 is to hold, or None if the caller does not continue."""
    function, x1, x2, x3 = arguments
    function &= 0xFFFF_FFFF
    if function == Function.VERSION:
        return VERSION_1_0
    if function == Function.FEATURES:
        return SUCCESS if x1 & 0xFFFF_FFFF in set(Function) else NOT_SUPPORTED
    if function == Function.MIGRATE_INFO_TYPE:
        return _MIGRATE_NOT_NEEDED
    if function in (Function.CPU_ON, Function.CPU_ON_32):
        return _cpu_on(machine, pe, x1, x2, x3)
    if function in (Function.AFFINITY_INFO, Function.AFFINITY_INFO_32):
        target = machine.pe_of_mpidr(x1)
        if target is None or x2 & 0xFFFF_FFFF > 3:
            return INVALID_PARAMETERS
        return AFFINITY_ON if machine.is_on(target) else AFFINITY_OFF
    if function in (Function.CPU_SUSPEND, Function.CPU_SUSPEND_32):
        machine.suspend(pe)
        return SUCCESS
    leaves = {Function.CPU_OFF: machine.power_off, Function.SYSTEM_OFF: machine.system_off, Function.SYSTEM_RESET: machine.system_reset}
    if function in leaves:
        leaves[Function(function)](pe)
        return None
    return NOT_SUPPORTED


def _cpu_on(machine: Firmware, pe: int, affinity: int, entry_pa: int, context: int) -> int:
    target = machine.pe_of_mpidr(affinity)
    if target is None:
        return INVALID_PARAMETERS
    if machine.is_on(target):
        return ALREADY_ON
    machine.power_on(target, entry_pa, context, pe)
    return SUCCESS
