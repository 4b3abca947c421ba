"""Exception syndromes: why an exception was taken, as ESR_EL1 says it.

Everything is a plain int or an IntEnum, and the composing functions take and give ints, so that compiled code can use them.
Source: DDI 0487 L.a, D24.2, "ESR_EL1, Exception Syndrome Register (EL1)", each ISS encoding under its own heading there.
"""

from enum import IntEnum

from sim.arch.register_keys import OPERATION_NAMES, REGISTER_NAMES, encoding_key


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


class FaultStatus(IntEnum):
    """DFSC and IFSC, bits [5:0] of the ISS of an abort, and FST of PAR_EL1. The four of a kind follow each other by level of the walk."""

    ADDRESS_SIZE_LEVEL_0, ADDRESS_SIZE_LEVEL_1, ADDRESS_SIZE_LEVEL_2, ADDRESS_SIZE_LEVEL_3 = 0x00, 0x01, 0x02, 0x03
    TRANSLATION_LEVEL_0, TRANSLATION_LEVEL_1, TRANSLATION_LEVEL_2, TRANSLATION_LEVEL_3 = 0x04, 0x05, 0x06, 0x07
    ACCESS_FLAG_LEVEL_0, ACCESS_FLAG_LEVEL_1, ACCESS_FLAG_LEVEL_2, ACCESS_FLAG_LEVEL_3 = 0x08, 0x09, 0x0A, 0x0B
    PERMISSION_LEVEL_0, PERMISSION_LEVEL_1, PERMISSION_LEVEL_2, PERMISSION_LEVEL_3 = 0x0C, 0x0D, 0x0E, 0x0F
    EXTERNAL = 0x10
    EXTERNAL_ON_WALK_LEVEL_0, EXTERNAL_ON_WALK_LEVEL_1 = 0x14, 0x15
    EXTERNAL_ON_WALK_LEVEL_2, EXTERNAL_ON_WALK_LEVEL_3 = 0x16, 0x17
    ALIGNMENT = 0x21
    DEBUG = 0x22
    TLB_CONFLICT = 0x30
    UNSUPPORTED_ATOMIC_UPDATE = 0x31
    UNSUPPORTED_EXCLUSIVE_OR_ATOMIC = 0x35


# The first code of each kind that has a level; the code is this plus the level.
ADDRESS_SIZE_FAULT = 0x00
TRANSLATION_FAULT = 0x04
ACCESS_FLAG_FAULT = 0x08
PERMISSION_FAULT = 0x0C
EXTERNAL_ABORT = 0x10
EXTERNAL_ABORT_ON_WALK = 0x14
ALIGNMENT_FAULT = 0x21
DEBUG_EXCEPTION = 0x22
TLB_CONFLICT_ABORT = 0x30

EC_SHIFT = 26
ESR_IL = 1 << 25                    # always 1 here: A64 has 32-bit instructions only
ISS_MASK = ESR_IL - 1
ISS_STATUS_MASK = 0x3F
ISS_WNR = 1 << 6
ISS_S1PTW = 1 << 7
ISS_CM = 1 << 8
ISS_EA = 1 << 9
ISS_FNV = 1 << 10
_ISS_CV_ALWAYS = 1 << 24 | 0xE << 20            # CV = 1, COND = 0b1110, as every trap from A64 has them
_EC_UNKNOWN, _EC_WFX, _EC_FP, _EC_ILLEGAL, _EC_SYSTEM = 0x00, 0x01, 0x07, 0x0E, 0x18
_EC_INSTRUCTION_ABORT, _EC_PC_ALIGNMENT, _EC_DATA_ABORT, _EC_SP_ALIGNMENT = 0x20, 0x22, 0x24, 0x26
_EC_SERROR, _EC_BREAKPOINT, _EC_SOFTWARE_STEP, _EC_WATCHPOINT = 0x2F, 0x30, 0x32, 0x34


def compose_esr(ec: int, iss: int) -> int:
    """ESR_EL1 with IL = 1. ec 0..63, iss 0..2**25-1."""
    return ec << EC_SHIFT | ESR_IL | iss


def esr_unknown() -> int:
    """An UNDEFINED instruction, or any other thing that has no syndrome: EC 0x00."""
    return compose_esr(_EC_UNKNOWN, 0)


def esr_data_abort(from_el0: bool, status: int, write: bool, cache_maintenance: bool = False, on_stage1_walk: bool = False,
                   far_not_valid: bool = False) -> int:
    """A data abort, EC 0x24 from EL0 and 0x25 from EL1. status: a FaultStatus. A cache maintenance or AT instruction sets CM and WnR.

    ISV is 0: aborts taken to EL1 describe no register. S1PTW can only be 1 with a stage 2, which is not modelled; it is here for decoders.
    """
    iss = status | (ISS_WNR if write or cache_maintenance else 0) | (ISS_CM if cache_maintenance else 0)
    iss |= (ISS_S1PTW if on_stage1_walk else 0) | (ISS_FNV if far_not_valid else 0)
    return compose_esr(_EC_DATA_ABORT + (0 if from_el0 else 1), iss)


def esr_instruction_abort(from_el0: bool, status: int, far_not_valid: bool = False) -> int:
    """An instruction abort, EC 0x20 from EL0 and 0x21 from EL1. status: a FaultStatus."""
    return compose_esr(_EC_INSTRUCTION_ABORT + (0 if from_el0 else 1), status | (ISS_FNV if far_not_valid else 0))


def esr_call(ec: int, immediate: int) -> int:
    """SVC, HVC, SMC (EC 0x15, 0x16, 0x17) and BRK (0x3C) with their 16-bit immediate."""
    return compose_esr(ec, immediate & 0xFFFF)


def esr_trapped_system(key: int, rt: int, read: bool) -> int:
    """A trapped MRS, MSR, SYS or SYSL, EC 0x18. key: encoding_key of the register; rt 0..31; read: MRS or SYSL."""
    op0, op1, crn, crm, op2 = key >> 14 & 3, key >> 11 & 7, key >> 7 & 15, key >> 3 & 15, key & 7
    return compose_esr(_EC_SYSTEM, op0 << 20 | op2 << 17 | op1 << 14 | crn << 10 | rt << 5 | crm << 1 | (1 if read else 0))


def esr_trapped_wait(is_wfe: bool) -> int:
    """WFI or WFE trapped by SCTLR_EL1.nTWI or nTWE, EC 0x01."""
    return compose_esr(_EC_WFX, _ISS_CV_ALWAYS | (1 if is_wfe else 0))


def esr_trapped_fp() -> int:
    """FP or Advanced SIMD trapped by CPACR_EL1.FPEN, EC 0x07."""
    return compose_esr(_EC_FP, _ISS_CV_ALWAYS)


def esr_illegal_state() -> int:
    """An instruction executed with PSTATE.IL = 1, EC 0x0E."""
    return compose_esr(_EC_ILLEGAL, 0)


def esr_pc_alignment() -> int:
    """A branch to an address that is not a multiple of 4, EC 0x22; FAR_EL1 holds it."""
    return compose_esr(_EC_PC_ALIGNMENT, 0)


def esr_sp_alignment() -> int:
    """SP, not 16-byte aligned, used as a base under SCTLR_EL1.SA or SA0, EC 0x26."""
    return compose_esr(_EC_SP_ALIGNMENT, 0)


def esr_serror(iss: int = 0) -> int:
    """An SError interrupt, EC 0x2F. iss: with bit 24 (IDS) set the rest is IMPLEMENTATION DEFINED; 0 is an uncategorized one."""
    return compose_esr(_EC_SERROR, iss & ISS_MASK)


def esr_breakpoint(from_el0: bool) -> int:
    """A hardware breakpoint, EC 0x30 from EL0 and 0x31 from EL1."""
    return compose_esr(_EC_BREAKPOINT + (0 if from_el0 else 1), DEBUG_EXCEPTION)


def esr_software_step(from_el0: bool, exclusive_stepped: bool = False) -> int:
    """Software step, EC 0x32 from EL0 and 0x33 from EL1, with ISV = 1."""
    return compose_esr(_EC_SOFTWARE_STEP + (0 if from_el0 else 1), 1 << 24 | (1 << 6 if exclusive_stepped else 0) | DEBUG_EXCEPTION)


def esr_watchpoint(from_el0: bool, write: bool) -> int:
    """A hardware watchpoint, EC 0x34 from EL0 and 0x35 from EL1."""
    return compose_esr(_EC_WATCHPOINT + (0 if from_el0 else 1), DEBUG_EXCEPTION | (ISS_WNR if write else 0))


_CLASS_TEXT: dict[int, str] = {
    ExceptionClass.UNKNOWN: "undefined instruction or unknown reason", ExceptionClass.TRAPPED_WFX: "trapped",
    ExceptionClass.TRAPPED_FP: "FP or SIMD access trapped by CPACR_EL1.FPEN", ExceptionClass.ILLEGAL_STATE: "illegal execution state",
    ExceptionClass.SVC64: "SVC", ExceptionClass.HVC64: "HVC", ExceptionClass.SMC64: "SMC", ExceptionClass.TRAPPED_SYSTEM: "trapped",
    ExceptionClass.INSTRUCTION_ABORT_LOWER_EL: "instruction abort from a lower EL",
    ExceptionClass.INSTRUCTION_ABORT_SAME_EL: "instruction abort from the same EL", ExceptionClass.PC_ALIGNMENT: "PC alignment fault",
    ExceptionClass.DATA_ABORT_LOWER_EL: "data abort from a lower EL", ExceptionClass.DATA_ABORT_SAME_EL: "data abort from the same EL",
    ExceptionClass.SP_ALIGNMENT: "SP alignment fault", ExceptionClass.TRAPPED_FP_EXCEPTION: "trapped floating-point exception",
    ExceptionClass.SERROR: "SError", ExceptionClass.BREAKPOINT_LOWER_EL: "hardware breakpoint from a lower EL",
    ExceptionClass.BREAKPOINT_SAME_EL: "hardware breakpoint from the same EL",
    ExceptionClass.SOFTWARE_STEP_LOWER_EL: "software step from a lower EL",
    ExceptionClass.SOFTWARE_STEP_SAME_EL: "software step from the same EL",
    ExceptionClass.WATCHPOINT_LOWER_EL: "watchpoint from a lower EL", ExceptionClass.WATCHPOINT_SAME_EL: "watchpoint from the same EL",
    ExceptionClass.BRK64: "BRK",
}
_LEVELLED_TEXT = ("address size fault", "translation fault", "access flag fault", "permission fault")
_STATUS_TEXT = {
    0x10: "external abort", 0x21: "alignment fault", 0x22: "debug exception", 0x30: "TLB conflict abort",
    0x31: "unsupported atomic hardware update", 0x35: "unsupported exclusive or atomic access",
}


def describe_fault_status(status: int) -> str:
    """A DFSC, IFSC or FST in words: "translation fault level 3". A code that no rule here defines is given as a number."""
    if status < 0x10:
        return f"{_LEVELLED_TEXT[status >> 2]} level {status & 3}"
    if 0x14 <= status <= 0x17:
        return f"external abort on a translation table walk level {status & 3}"
    return _STATUS_TEXT.get(status, f"fault status {status:#04x}")


def _describe_abort(iss: int, is_data: bool) -> str:
    parts = [describe_fault_status(iss & ISS_STATUS_MASK)]
    if is_data and iss & ISS_CM:
        parts.append("cache maintenance or address translation")
    elif is_data:
        parts.append("write" if iss & ISS_WNR else "read")
    parts += ["stage 1 walk at stage 2"] * bool(iss & ISS_S1PTW) + ["FAR not valid"] * bool(iss & ISS_FNV)
    return ", ".join(parts)


def _describe_trapped_system(iss: int) -> str:
    op0, op2, op1, crn, crm = iss >> 20 & 3, iss >> 17 & 7, iss >> 14 & 7, iss >> 10 & 15, iss >> 1 & 15
    key = encoding_key(op0, op1, crn, crm, op2)
    name = REGISTER_NAMES.get(key) or OPERATION_NAMES.get(key) or f"S{op0}_{op1}_C{crn}_C{crm}_{op2}"
    direction = "read of" if iss & 1 else "write of" if op0 != 1 else "execution of"
    return f"{direction} {name}, x{iss >> 5 & 31}"


def describe_esr(esr: int) -> str:
    """One line that says an ESR_EL1 in words: "data abort from the same EL, translation fault level 3, write". Takes any 64-bit value."""
    ec, iss = esr >> EC_SHIFT & 0x3F, esr & ISS_MASK
    text = _CLASS_TEXT.get(ec)
    if text is None:
        return f"exception class {ec:#04x}, ISS {iss:#x}"
    if ec == ExceptionClass.TRAPPED_WFX:
        return f"{text} {'WFE' if iss & 1 else 'WFI'}"
    if ec == ExceptionClass.TRAPPED_SYSTEM:
        return f"{text} {_describe_trapped_system(iss)}"
    if ec in (ExceptionClass.SVC64, ExceptionClass.HVC64, ExceptionClass.SMC64, ExceptionClass.BRK64):
        return f"{text} #{iss & 0xFFFF:#x}"
    if ec in (0x20, 0x21, 0x24, 0x25):
        return f"{text}, {_describe_abort(iss, ec >= 0x24)}"
    if ec in (0x34, 0x35):
        return f"{text}, {'write' if iss & ISS_WNR else 'read'}"
    if ec == ExceptionClass.SERROR and iss:
        return f"{text}, ISS {iss:#x}"
    return text
