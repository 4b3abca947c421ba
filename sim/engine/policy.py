"""The table by which the system register and system operation hooks act: one word for each 16-bit encoding key.

Built from Arm's vocabulary; whatever is not in it is UNDEFINED, also where the engine's CPU model implements it.
"""
import numpy as np
import numpy.typing as npt

from sim.arch.register_keys import (
    EL0_ACCESS,
    OPERATION_EL0_ACCESS,
    OPERATION_KEYS,
    READ_ONLY,
    REGISTER_KEYS,
    WRITE_ONLY,
    EL0Control,
)
from sim.arch.tlbi import TLB_INVALIDATES
from sim.state import dtypes

_STEERING = {"SCTLR_EL1", "TCR_EL1", "TTBR0_EL1", "TTBR1_EL1", "MAIR_EL1", "VBAR_EL1", "CPACR_EL1", "CNTKCTL_EL1", "MDSCR_EL1"}
_COMPUTED = {"PMCCNTR_EL0", "CCSIDR_EL1", "ISR_EL1"}
_BEYOND_FIVE_PRIORITY_BITS = {f"ICC_AP{group}R{n}_EL1" for group in (0, 1) for n in (1, 2, 3)}       # UNDEFINED
_TIMER_PREFIXES = ("CNTFRQ", "CNTPCT", "CNTVCT", "CNTP_", "CNTV_")


def _handler(name: str, identification: dict[int, int]) -> int:
    if name == "MPIDR_EL1":
        return dtypes.HANDLER_MPIDR
    if REGISTER_KEYS[name] in identification:
        return dtypes.HANDLER_IDENTIFICATION
    if name.startswith("ICC_"):
        return dtypes.HANDLER_ICC
    if name.startswith(_TIMER_PREFIXES):
        return dtypes.HANDLER_TIMER
    if name in _STEERING:
        return dtypes.HANDLER_STEERING
    return dtypes.HANDLER_COMPUTED if name in _COMPUTED else dtypes.HANDLER_ENGINE


_OPERATION_HANDLERS = {
    "DC ZVA": dtypes.HANDLER_ZERO_BLOCK, "IC IVAU": dtypes.HANDLER_CODE_VA, "IC IALLU": dtypes.HANDLER_CODE_ALL,
    "IC IALLUIS": dtypes.HANDLER_CODE_ALL, "DC ISW": dtypes.HANDLER_NOTHING, "DC CSW": dtypes.HANDLER_NOTHING,
    "DC CISW": dtypes.HANDLER_NOTHING,
}


def _word(handler: int, read: EL0Control, write: EL0Control, readable: bool, writable: bool, index: int = 0) -> int:
    return (read << dtypes.POLICY_EL0_READ_SHIFT | write << dtypes.POLICY_EL0_WRITE_SHIFT
            | (dtypes.POLICY_READABLE if readable else 0) | (dtypes.POLICY_WRITABLE if writable else 0)
            | handler << dtypes.POLICY_HANDLER_SHIFT | index << dtypes.POLICY_INDEX_SHIFT)


def fill_policy(policy: npt.NDArray[np.uint32], id_values: npt.NDArray[np.uint64], identification: dict[int, int]) -> None:
    """Write the table and the values of the identification registers.

    policy: 65,536 words. id_values: dtypes.ID_VALUES words. identification: encoding key -> value, from the profile.
    """
    policy[:] = 0
    indices = {key: index for index, key in enumerate(sorted(identification))}
    for key, index in indices.items():
        id_values[index] = identification[key]
    for name, key in REGISTER_KEYS.items():
        if name in _BEYOND_FIVE_PRIORITY_BITS:
            continue
        access = EL0_ACCESS[name]
        policy[key] = _word(_handler(name, identification), access.read, access.write, name not in WRITE_ONLY, name not in READ_ONLY,
                            indices.get(key, 0))
    for name, key in OPERATION_KEYS.items():
        handler = dtypes.HANDLER_AT if name.startswith("AT ") else _OPERATION_HANDLERS.get(name, dtypes.HANDLER_DATA_CACHE_VA)
        policy[key] = _word(handler, EL0Control.NEVER, OPERATION_EL0_ACCESS[name], False, True)
    for operation in TLB_INVALIDATES.values():
        policy[operation.key] = _word(dtypes.HANDLER_TLBI, EL0Control.NEVER, EL0Control.NEVER, False, True)
