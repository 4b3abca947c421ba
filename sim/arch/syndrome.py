"""Exception syndromes: why an exception was taken, as ESR_EL1 says it.

Everything is a plain int or an IntEnum, and the composing functions take and give ints, so that compiled code can use them.
Source: DDI 0487 L.a, D24.2, "ESR_EL1, Exception Syndrome Register (EL1)", each ISS encoding under its own heading there.
"""

from enum import IntEnum


class ExceptionClass(IntEnum):
    """ESR_EL1.EC, bits [31:26]: the classes that an exception taken to EL1 from AArch64 can have here."""

    UNKNOWN = 0x00
    TRAPPED_WFX = 0x01
    TRAPPED_FP = 0x07
    ILLEGAL_STATE = 0x0E
    SVC64 = 0x15
    HVC64 = 0x16
    SMC64 = 0x17
    TRAPPED_SYSTEM = 0x18
    INSTRUCTION_ABORT_LOWER_EL = 0x20
    INSTRUCTION_ABORT_SAME_EL = 0x21
    PC_ALIGNMENT = 0x22
    DATA_ABORT_LOWER_EL = 0x24
    DATA_ABORT_SAME_EL = 0x25
    SP_ALIGNMENT = 0x26
    TRAPPED_FP_EXCEPTION = 0x2C
    SERROR = 0x2F
    BREAKPOINT_LOWER_EL = 0x30
    BREAKPOINT_SAME_EL = 0x31
    SOFTWARE_STEP_LOWER_EL = 0x32
    SOFTWARE_STEP_SAME_EL = 0x33
    WATCHPOINT_LOWER_EL = 0x34
    WATCHPOINT_SAME_EL = 0x35
    BRK64 = 0x3C
