"""Which system registers exist at EL1 and EL0, how MRS and MSR name them, and who may touch them from EL0.

The set is that of an ARMv8.2 PE with a GICv3 CPU interface, the generic timer, PMUv3 with six counters and the self-hosted debug registers,
with EL1 as its highest exception level: no _EL2, _EL3, _EL12 or Secure register is in it. Whoever finds a key that is not here has an
UNDEFINED instruction. Source: DDI 0487 L.a, C5.1 and D24 (encodings), IHI 0069 H, 12.2 (ICC_*).
"""

from enum import IntEnum
from typing import Final, NamedTuple

Encoding = tuple[int, int, int, int, int]


def encoding_key(op0: int, op1: int, crn: int, crm: int, op2: int) -> int:
    """The 16 bits that name a system register or system operation: op0:op1:CRn:CRm:op2, as in bits [20:5] of MRS, MSR, SYS and SYSL.

    op0 0..3, op1 0..7, crn 0..15, crm 0..15, op2 0..7. DDI 0487 L.a, C5.1.2.
    """
    return op0 << 14 | op1 << 11 | crn << 7 | crm << 3 | op2


def key_encoding(key: int) -> Encoding:
    """The (op0, op1, CRn, CRm, op2) that encoding_key was given."""
    return key >> 14 & 3, key >> 11 & 7, key >> 7 & 15, key >> 3 & 15, key & 7


BREAKPOINTS: Final = 6
WATCHPOINTS: Final = 4
PMU_EVENT_COUNTERS: Final = 6

_IDENTIFICATION: dict[str, Encoding] = {
    "MIDR_EL1": (3, 0, 0, 0, 0), "MPIDR_EL1": (3, 0, 0, 0, 5), "REVIDR_EL1": (3, 0, 0, 0, 6),
    "ID_PFR0_EL1": (3, 0, 0, 1, 0), "ID_PFR1_EL1": (3, 0, 0, 1, 1), "ID_DFR0_EL1": (3, 0, 0, 1, 2), "ID_AFR0_EL1": (3, 0, 0, 1, 3),
    "ID_MMFR0_EL1": (3, 0, 0, 1, 4), "ID_MMFR1_EL1": (3, 0, 0, 1, 5), "ID_MMFR2_EL1": (3, 0, 0, 1, 6), "ID_MMFR3_EL1": (3, 0, 0, 1, 7),
    "ID_ISAR0_EL1": (3, 0, 0, 2, 0), "ID_ISAR1_EL1": (3, 0, 0, 2, 1), "ID_ISAR2_EL1": (3, 0, 0, 2, 2), "ID_ISAR3_EL1": (3, 0, 0, 2, 3),
    "ID_ISAR4_EL1": (3, 0, 0, 2, 4), "ID_ISAR5_EL1": (3, 0, 0, 2, 5), "ID_MMFR4_EL1": (3, 0, 0, 2, 6), "ID_ISAR6_EL1": (3, 0, 0, 2, 7),
    "MVFR0_EL1": (3, 0, 0, 3, 0), "MVFR1_EL1": (3, 0, 0, 3, 1), "MVFR2_EL1": (3, 0, 0, 3, 2),
    "ID_PFR2_EL1": (3, 0, 0, 3, 4), "ID_DFR1_EL1": (3, 0, 0, 3, 5), "ID_MMFR5_EL1": (3, 0, 0, 3, 6),
    "ID_AA64PFR0_EL1": (3, 0, 0, 4, 0), "ID_AA64PFR1_EL1": (3, 0, 0, 4, 1), "ID_AA64ZFR0_EL1": (3, 0, 0, 4, 4),
    "ID_AA64SMFR0_EL1": (3, 0, 0, 4, 5), "ID_AA64DFR0_EL1": (3, 0, 0, 5, 0), "ID_AA64DFR1_EL1": (3, 0, 0, 5, 1),
    "ID_AA64AFR0_EL1": (3, 0, 0, 5, 4), "ID_AA64AFR1_EL1": (3, 0, 0, 5, 5), "ID_AA64ISAR0_EL1": (3, 0, 0, 6, 0),
    "ID_AA64ISAR1_EL1": (3, 0, 0, 6, 1), "ID_AA64ISAR2_EL1": (3, 0, 0, 6, 2), "ID_AA64MMFR0_EL1": (3, 0, 0, 7, 0),
    "ID_AA64MMFR1_EL1": (3, 0, 0, 7, 1), "ID_AA64MMFR2_EL1": (3, 0, 0, 7, 2),
    "CCSIDR_EL1": (3, 1, 0, 0, 0), "CLIDR_EL1": (3, 1, 0, 0, 1), "AIDR_EL1": (3, 1, 0, 0, 7), "CSSELR_EL1": (3, 2, 0, 0, 0),
    "CTR_EL0": (3, 3, 0, 0, 1), "DCZID_EL0": (3, 3, 0, 0, 7),
}
_CONTROL: dict[str, Encoding] = {
    "SCTLR_EL1": (3, 0, 1, 0, 0), "ACTLR_EL1": (3, 0, 1, 0, 1), "CPACR_EL1": (3, 0, 1, 0, 2),
    "TTBR0_EL1": (3, 0, 2, 0, 0), "TTBR1_EL1": (3, 0, 2, 0, 1), "TCR_EL1": (3, 0, 2, 0, 2),
    "AFSR0_EL1": (3, 0, 5, 1, 0), "AFSR1_EL1": (3, 0, 5, 1, 1), "ESR_EL1": (3, 0, 5, 2, 0), "FAR_EL1": (3, 0, 6, 0, 0),
    "PAR_EL1": (3, 0, 7, 4, 0), "MAIR_EL1": (3, 0, 10, 2, 0), "AMAIR_EL1": (3, 0, 10, 3, 0),
    "VBAR_EL1": (3, 0, 12, 0, 0), "RVBAR_EL1": (3, 0, 12, 0, 1), "RMR_EL1": (3, 0, 12, 0, 2), "ISR_EL1": (3, 0, 12, 1, 0),
    "CONTEXTIDR_EL1": (3, 0, 13, 0, 1), "TPIDR_EL1": (3, 0, 13, 0, 4), "TPIDR_EL0": (3, 3, 13, 0, 2), "TPIDRRO_EL0": (3, 3, 13, 0, 3),
}
_PROCESS_STATE: dict[str, Encoding] = {
    "SPSR_EL1": (3, 0, 4, 0, 0), "ELR_EL1": (3, 0, 4, 0, 1), "SP_EL0": (3, 0, 4, 1, 0),
    "SPSel": (3, 0, 4, 2, 0), "CurrentEL": (3, 0, 4, 2, 2), "PAN": (3, 0, 4, 2, 3),
    "NZCV": (3, 3, 4, 2, 0), "DAIF": (3, 3, 4, 2, 1), "FPCR": (3, 3, 4, 4, 0), "FPSR": (3, 3, 4, 4, 1),
}
_DEBUG: dict[str, Encoding] = {
    "OSDTRRX_EL1": (2, 0, 0, 0, 2), "MDCCINT_EL1": (2, 0, 0, 2, 0), "MDSCR_EL1": (2, 0, 0, 2, 2), "OSDTRTX_EL1": (2, 0, 0, 3, 2),
    "OSECCR_EL1": (2, 0, 0, 6, 2), "MDRAR_EL1": (2, 0, 1, 0, 0), "OSLAR_EL1": (2, 0, 1, 0, 4), "OSLSR_EL1": (2, 0, 1, 1, 4),
    "OSDLR_EL1": (2, 0, 1, 3, 4), "DBGPRCR_EL1": (2, 0, 1, 4, 4), "DBGCLAIMSET_EL1": (2, 0, 7, 8, 6), "DBGCLAIMCLR_EL1": (2, 0, 7, 9, 6),
    "DBGAUTHSTATUS_EL1": (2, 0, 7, 14, 6), "MDCCSR_EL0": (2, 3, 0, 1, 0), "DBGDTR_EL0": (2, 3, 0, 4, 0),
    "DBGDTRRX_EL0": (2, 3, 0, 5, 0),            # a write of the same encoding is DBGDTRTX_EL0
    **{f"DBGBVR{n}_EL1": (2, 0, 0, n, 4) for n in range(BREAKPOINTS)},
    **{f"DBGBCR{n}_EL1": (2, 0, 0, n, 5) for n in range(BREAKPOINTS)},
    **{f"DBGWVR{n}_EL1": (2, 0, 0, n, 6) for n in range(WATCHPOINTS)},
    **{f"DBGWCR{n}_EL1": (2, 0, 0, n, 7) for n in range(WATCHPOINTS)},
}
_PMU: dict[str, Encoding] = {
    "PMINTENSET_EL1": (3, 0, 9, 14, 1), "PMINTENCLR_EL1": (3, 0, 9, 14, 2),
    "PMCR_EL0": (3, 3, 9, 12, 0), "PMCNTENSET_EL0": (3, 3, 9, 12, 1), "PMCNTENCLR_EL0": (3, 3, 9, 12, 2), "PMOVSCLR_EL0": (3, 3, 9, 12, 3),
    "PMSWINC_EL0": (3, 3, 9, 12, 4), "PMSELR_EL0": (3, 3, 9, 12, 5), "PMCEID0_EL0": (3, 3, 9, 12, 6), "PMCEID1_EL0": (3, 3, 9, 12, 7),
    "PMCCNTR_EL0": (3, 3, 9, 13, 0), "PMXEVTYPER_EL0": (3, 3, 9, 13, 1), "PMXEVCNTR_EL0": (3, 3, 9, 13, 2),
    "PMUSERENR_EL0": (3, 3, 9, 14, 0), "PMOVSSET_EL0": (3, 3, 9, 14, 3), "PMCCFILTR_EL0": (3, 3, 14, 15, 7),
    **{f"PMEVCNTR{n}_EL0": (3, 3, 14, 8, n) for n in range(PMU_EVENT_COUNTERS)},
    **{f"PMEVTYPER{n}_EL0": (3, 3, 14, 12, n) for n in range(PMU_EVENT_COUNTERS)},
}
_TIMER: dict[str, Encoding] = {
    "CNTKCTL_EL1": (3, 0, 14, 1, 0), "CNTFRQ_EL0": (3, 3, 14, 0, 0), "CNTPCT_EL0": (3, 3, 14, 0, 1), "CNTVCT_EL0": (3, 3, 14, 0, 2),
    "CNTP_TVAL_EL0": (3, 3, 14, 2, 0), "CNTP_CTL_EL0": (3, 3, 14, 2, 1), "CNTP_CVAL_EL0": (3, 3, 14, 2, 2),
    "CNTV_TVAL_EL0": (3, 3, 14, 3, 0), "CNTV_CTL_EL0": (3, 3, 14, 3, 1), "CNTV_CVAL_EL0": (3, 3, 14, 3, 2),
}
_GIC: dict[str, Encoding] = {
    "ICC_PMR_EL1": (3, 0, 4, 6, 0), "ICC_IAR0_EL1": (3, 0, 12, 8, 0), "ICC_EOIR0_EL1": (3, 0, 12, 8, 1),
    "ICC_HPPIR0_EL1": (3, 0, 12, 8, 2), "ICC_BPR0_EL1": (3, 0, 12, 8, 3),
    **{f"ICC_AP0R{n}_EL1": (3, 0, 12, 8, 4 + n) for n in range(4)}, **{f"ICC_AP1R{n}_EL1": (3, 0, 12, 9, n) for n in range(4)},
    "ICC_DIR_EL1": (3, 0, 12, 11, 1), "ICC_RPR_EL1": (3, 0, 12, 11, 3), "ICC_SGI1R_EL1": (3, 0, 12, 11, 5),
    "ICC_ASGI1R_EL1": (3, 0, 12, 11, 6), "ICC_SGI0R_EL1": (3, 0, 12, 11, 7), "ICC_IAR1_EL1": (3, 0, 12, 12, 0),
    "ICC_EOIR1_EL1": (3, 0, 12, 12, 1), "ICC_HPPIR1_EL1": (3, 0, 12, 12, 2), "ICC_BPR1_EL1": (3, 0, 12, 12, 3),
    "ICC_CTLR_EL1": (3, 0, 12, 12, 4), "ICC_SRE_EL1": (3, 0, 12, 12, 5), "ICC_IGRPEN0_EL1": (3, 0, 12, 12, 6),
    "ICC_IGRPEN1_EL1": (3, 0, 12, 12, 7),
}

SYSTEM_REGISTERS: Final[dict[str, Encoding]] = {
    **_IDENTIFICATION, **_CONTROL, **_PROCESS_STATE, **_DEBUG, **_PMU, **_TIMER, **_GIC,
}
REGISTER_KEYS: Final[dict[str, int]] = {name: encoding_key(*encoding) for name, encoding in SYSTEM_REGISTERS.items()}
REGISTER_NAMES: Final[dict[int, str]] = {key: name for name, key in REGISTER_KEYS.items()}

WRITE_ONLY: Final = frozenset({
    "OSLAR_EL1", "PMSWINC_EL0", "ICC_EOIR0_EL1", "ICC_EOIR1_EL1", "ICC_DIR_EL1", "ICC_SGI1R_EL1", "ICC_ASGI1R_EL1", "ICC_SGI0R_EL1",
})
# CNTFRQ_EL0 is not among them: the highest exception level may write it, and EL1 is the highest here.
READ_ONLY: Final = frozenset({name for name in _IDENTIFICATION if name != "CSSELR_EL1"} | {
    "RVBAR_EL1", "ISR_EL1", "CurrentEL", "MDRAR_EL1", "OSLSR_EL1", "DBGAUTHSTATUS_EL1", "MDCCSR_EL0", "PMCEID0_EL0", "PMCEID1_EL0",
    "CNTPCT_EL0", "CNTVCT_EL0", "ICC_IAR0_EL1", "ICC_IAR1_EL1", "ICC_HPPIR0_EL1", "ICC_HPPIR1_EL1", "ICC_RPR_EL1",
})


class EL0Control(IntEnum):
    """What decides whether EL0 may make an access. Refused under a control bit: EC 0x18; under NEVER: UNDEFINED, EC 0."""

    NEVER = 0
    ALWAYS = 1
    SCTLR_UCT = 2               # SCTLR_EL1.UCT = 1
    SCTLR_UMA = 3               # SCTLR_EL1.UMA = 1
    SCTLR_DZE = 4               # SCTLR_EL1.DZE = 1
    SCTLR_UCI = 5               # SCTLR_EL1.UCI = 1
    CNTKCTL_ANY = 6             # CNTKCTL_EL1.EL0PCTEN or EL0VCTEN = 1
    CNTKCTL_EL0PCTEN = 7
    CNTKCTL_EL0VCTEN = 8
    CNTKCTL_EL0PTEN = 9
    CNTKCTL_EL0VTEN = 10
    MDSCR_TDCC = 11             # MDSCR_EL1.TDCC = 0
    PMUSERENR_EN = 12           # PMUSERENR_EL0.EN = 1
    PMUSERENR_EN_OR_SW = 13
    PMUSERENR_EN_OR_CR = 14
    PMUSERENR_EN_OR_ER = 15


class EL0Access(NamedTuple):
    """The controls of a read and of a write at EL0."""

    read: EL0Control
    write: EL0Control


def _el0_access(name: str, encoding: Encoding) -> EL0Access:
    if encoding[1] != 3:
        return EL0Access(EL0Control.NEVER, EL0Control.NEVER)
    if name in _EL0_SPECIAL:
        return EL0Access(*_EL0_SPECIAL[name])
    if name.startswith("PMEVCNTR"):
        return EL0Access(EL0Control.PMUSERENR_EN_OR_ER, EL0Control.PMUSERENR_EN)
    if name.startswith("CNTP_"):
        return EL0Access(EL0Control.CNTKCTL_EL0PTEN, EL0Control.CNTKCTL_EL0PTEN)
    if name.startswith("CNTV_"):
        return EL0Access(EL0Control.CNTKCTL_EL0VTEN, EL0Control.CNTKCTL_EL0VTEN)
    return EL0Access(EL0Control.PMUSERENR_EN, EL0Control.PMUSERENR_EN)


_C = EL0Control
_EL0_SPECIAL: dict[str, tuple[EL0Control, EL0Control]] = {
    "CTR_EL0": (_C.SCTLR_UCT, _C.NEVER), "DCZID_EL0": (_C.ALWAYS, _C.NEVER),
    "TPIDR_EL0": (_C.ALWAYS, _C.ALWAYS), "TPIDRRO_EL0": (_C.ALWAYS, _C.NEVER),
    "NZCV": (_C.ALWAYS, _C.ALWAYS), "DAIF": (_C.SCTLR_UMA, _C.SCTLR_UMA), "FPCR": (_C.ALWAYS, _C.ALWAYS), "FPSR": (_C.ALWAYS, _C.ALWAYS),
    "MDCCSR_EL0": (_C.MDSCR_TDCC, _C.NEVER), "DBGDTR_EL0": (_C.MDSCR_TDCC, _C.MDSCR_TDCC), "DBGDTRRX_EL0": (_C.MDSCR_TDCC, _C.MDSCR_TDCC),
    "CNTFRQ_EL0": (_C.CNTKCTL_ANY, _C.NEVER), "CNTPCT_EL0": (_C.CNTKCTL_EL0PCTEN, _C.NEVER), "CNTVCT_EL0": (_C.CNTKCTL_EL0VCTEN, _C.NEVER),
    "PMUSERENR_EL0": (_C.ALWAYS, _C.NEVER), "PMSWINC_EL0": (_C.NEVER, _C.PMUSERENR_EN_OR_SW),
    "PMSELR_EL0": (_C.PMUSERENR_EN_OR_ER, _C.PMUSERENR_EN_OR_ER), "PMXEVCNTR_EL0": (_C.PMUSERENR_EN_OR_ER, _C.PMUSERENR_EN),
    "PMCCNTR_EL0": (_C.PMUSERENR_EN_OR_CR, _C.PMUSERENR_EN),
    "PMCEID0_EL0": (_C.PMUSERENR_EN, _C.NEVER), "PMCEID1_EL0": (_C.PMUSERENR_EN, _C.NEVER),
}
# Every register of REGISTER_KEYS: what lets EL0 read it and write it.
EL0_ACCESS: Final[dict[str, EL0Access]] = {name: _el0_access(name, encoding) for name, encoding in SYSTEM_REGISTERS.items()}

# Address translation and cache maintenance operations, SYS instructions named like registers; none of FEAT_PAN2 or FEAT_DPB.
# DDI 0487 L.a, C5.3 and C5.4.
OPERATION_KEYS: Final[dict[str, int]] = {
    name: encoding_key(1, *rest) for name, rest in {
        "AT S1E1R": (0, 7, 8, 0), "AT S1E1W": (0, 7, 8, 1), "AT S1E0R": (0, 7, 8, 2), "AT S1E0W": (0, 7, 8, 3),
        "IC IALLUIS": (0, 7, 1, 0), "IC IALLU": (0, 7, 5, 0), "IC IVAU": (3, 7, 5, 1),
        "DC IVAC": (0, 7, 6, 1), "DC ISW": (0, 7, 6, 2), "DC CSW": (0, 7, 10, 2), "DC CISW": (0, 7, 14, 2),
        "DC ZVA": (3, 7, 4, 1), "DC CVAC": (3, 7, 10, 1), "DC CVAU": (3, 7, 11, 1), "DC CIVAC": (3, 7, 14, 1),
    }.items()
}
OPERATION_NAMES: Final[dict[int, str]] = {key: name for name, key in OPERATION_KEYS.items()}
OPERATION_EL0_ACCESS: Final[dict[str, EL0Control]] = {
    name: EL0Control.SCTLR_DZE if name == "DC ZVA" else EL0Control.SCTLR_UCI if key >> 11 & 7 == 3 else EL0Control.NEVER
    for name, key in OPERATION_KEYS.items()
}
