"""The system registers whose fields Quiesce reads or writes, each a class of frozen values (see register_base.py).

ENCODINGS finds the class of an (op0, op1, CRn, CRm, op2); REGISTER_KEYS, EL0_ACCESS and encoding_key come from register_keys.py and name
every register, also those without a class here. A field is there when Quiesce uses it or when a reader of a dump wants its name; bits that
only features beyond ARMv8.2 define may have none. Sources: DDI 0487 L.a, section as given in each class, and IHI 0069 H for ICC_*.
"""

from enum import IntEnum
from typing import Final

from sim.arch.register_base import Alias, Field, Register
from sim.arch.register_keys import (
    BREAKPOINTS,
    EL0_ACCESS,
    OPERATION_EL0_ACCESS,
    OPERATION_KEYS,
    OPERATION_NAMES,
    PMU_EVENT_COUNTERS,
    READ_ONLY,
    REGISTER_KEYS,
    REGISTER_NAMES,
    SYSTEM_REGISTERS,
    WATCHPOINTS,
    WRITE_ONLY,
    EL0Access,
    EL0Control,
    encoding_key,
    key_encoding,
)
from sim.arch.registers_identification import (
    CTR_EL0,
    DCZID_EL0,
    ID_AA64DFR0_EL1,
    ID_AA64ISAR0_EL1,
    ID_AA64ISAR1_EL1,
    ID_AA64MMFR0_EL1,
    ID_AA64MMFR1_EL1,
    ID_AA64MMFR2_EL1,
    ID_AA64PFR0_EL1,
    ID_AA64PFR1_EL1,
    MIDR_EL1,
    MPIDR_EL1,
)
from sim.arch.syndrome import ExceptionClass

__all__ = [
    "BREAKPOINTS",
    "CNTKCTL_EL1",
    "CNTP_CTL_EL0",
    "CNTV_CTL_EL0",
    "CONTEXTIDR_EL1",
    "CPACR_EL1",
    "CTR_EL0",
    "DBGBCR_EL1",
    "DCZID_EL0",
    "EL0_ACCESS",
    "ENCODINGS",
    "ESR_EL1",
    "FPEN",
    "ICC_BPR0_EL1",
    "ICC_BPR1_EL1",
    "ICC_CTLR_EL1",
    "ICC_DIR_EL1",
    "ICC_EOIR1_EL1",
    "ICC_HPPIR1_EL1",
    "ICC_IAR1_EL1",
    "ICC_IGRPEN0_EL1",
    "ICC_IGRPEN1_EL1",
    "ICC_PMR_EL1",
    "ICC_RPR_EL1",
    "ICC_SGI1R_EL1",
    "ICC_SRE_EL1",
    "ID_AA64DFR0_EL1",
    "ID_AA64ISAR0_EL1",
    "ID_AA64ISAR1_EL1",
    "ID_AA64MMFR0_EL1",
    "ID_AA64MMFR1_EL1",
    "ID_AA64MMFR2_EL1",
    "ID_AA64PFR0_EL1",
    "ID_AA64PFR1_EL1",
    "MAIR_EL1",
    "MDSCR_EL1",
    "MIDR_EL1",
    "MPIDR_EL1",
    "OPERATION_EL0_ACCESS",
    "OPERATION_KEYS",
    "OPERATION_NAMES",
    "PAR_EL1",
    "PMU_EVENT_COUNTERS",
    "PSTATE",
    "READ_ONLY",
    "REGISTER_KEYS",
    "REGISTER_NAMES",
    "SCTLR_EL1",
    "SPSR_EL1",
    "SYSTEM_REGISTERS",
    "TCR_EL1",
    "TG0",
    "TG1",
    "TTBR0_EL1",
    "TTBR1_EL1",
    "VBAR_EL1",
    "WATCHPOINTS",
    "WRITE_ONLY",
    "Alias",
    "Cacheability",
    "EL0Access",
    "EL0Control",
    "Field",
    "Mode",
    "Register",
    "Shareability",
    "encoding_key",
    "key_encoding",
]


class TG0(IntEnum):
    """TCR_EL1.TG0: granule of the TTBR0 region."""

    KB4, KB64, KB16 = 0, 1, 2


class TG1(IntEnum):
    """TCR_EL1.TG1: granule of the TTBR1 region, numbered otherwise than TG0."""

    KB16, KB4, KB64 = 1, 2, 3


class Shareability(IntEnum):
    """SH of a descriptor, of TCR_EL1 and of PAR_EL1."""

    NON_SHAREABLE, OUTER_SHAREABLE, INNER_SHAREABLE = 0, 2, 3


class Cacheability(IntEnum):
    """IRGNn and ORGNn of TCR_EL1: how table walks look up memory. Names are Arm's abbreviations, WB_WA = write-back, write-allocate."""

    NC, WB_WA, WT, WB = 0, 1, 2, 3


class Mode(IntEnum):
    """SPSR_EL1.M[3:0]: the exception level and the stack pointer selected."""

    EL0t, EL1t, EL1h, EL2t, EL2h, EL3t, EL3h = 0b0000, 0b0100, 0b0101, 0b1000, 0b1001, 0b1100, 0b1101


class FPEN(IntEnum):
    """CPACR_EL1.FPEN: who may use FP and Advanced SIMD without a trap to EL1."""

    TRAP_ALL, TRAP_EL0, TRAP_ALL_2, TRAP_NONE = 0, 1, 2, 3


class SCTLR_EL1(Register):
    """System Control Register (EL1). DDI 0487 L.a, D24.2."""

    M = Field(0)                        # stage 1 translation on
    A = Field(1)                        # alignment checked on all loads and stores
    C = Field(2)
    SA = Field(3)                       # SP alignment checked at EL1
    SA0 = Field(4)                      # SP alignment checked at EL0
    CP15BEN = Field(5)
    nAA = Field(6)
    ITD = Field(7)
    SED = Field(8)
    UMA = Field(9)                      # EL0 may use PSTATE.DAIF
    EnRCTX = Field(10)
    EOS = Field(11)
    I = Field(12)
    EnDB = Field(13)
    DZE = Field(14)                     # EL0 may use DC ZVA
    UCT = Field(15)                     # EL0 may read CTR_EL0
    nTWI = Field(16)                    # EL0 may wait in WFI
    nTWE = Field(18)                    # EL0 may wait in WFE
    WXN = Field(19)                     # what is writable is not executable
    TSCXT = Field(20)
    IESB = Field(21)
    EIS = Field(22)
    SPAN = Field(23)                    # 0: taking an exception to EL1 sets PSTATE.PAN
    E0E = Field(24)
    EE = Field(25)                      # 1: data and walks at EL1 are big-endian
    UCI = Field(26)                     # EL0 may use DC CVAU, CIVAC, CVAC and IC IVAU
    EnDA = Field(27)
    nTLSMD = Field(28)
    LSMAOE = Field(29)
    EnIB = Field(30)
    EnIA = Field(31)
    BT0 = Field(35)
    BT1 = Field(36)
    ITFSB = Field(37)
    TCF0 = Field(39, 38)
    TCF = Field(41, 40)
    ATA0 = Field(42)
    ATA = Field(43)
    DSSBS = Field(44)
    EPAN = Field(57)


class TCR_EL1(Register):
    """Translation Control Register (EL1). DDI 0487 L.a, D24.2."""

    T0SZ = Field(5, 0)                  # VA size of the TTBR0 region = 2**(64 - T0SZ) bytes
    EPD0 = Field(7)                     # 1: a TLB miss in the TTBR0 region is a translation fault
    IRGN0 = Field(9, 8, Cacheability)
    ORGN0 = Field(11, 10, Cacheability)
    SH0 = Field(13, 12, Shareability)
    TG0 = Field(15, 14, TG0)
    T1SZ = Field(21, 16)
    A1 = Field(22)                      # 1: the ASID is that of TTBR1
    EPD1 = Field(23)
    IRGN1 = Field(25, 24, Cacheability)
    ORGN1 = Field(27, 26, Cacheability)
    SH1 = Field(29, 28, Shareability)
    TG1 = Field(31, 30, TG1)
    IPS = Field(34, 32)                 # output address size, coded as ID_AA64MMFR0_EL1.PARange
    AS = Field(36)                      # 1: 16-bit ASIDs
    TBI0 = Field(37)                    # 1: the top byte of a VA is ignored
    TBI1 = Field(38)
    HA = Field(39)                      # hardware sets the access flag
    HD = Field(40)                      # hardware manages dirty state
    HPD0 = Field(41)
    HPD1 = Field(42)
    HWU0 = Field(46, 43)                # HWU059..HWU062
    HWU1 = Field(50, 47)                # HWU159..HWU162
    TBID0 = Field(51)
    TBID1 = Field(52)
    NFD0 = Field(53)
    NFD1 = Field(54)
    E0PD0 = Field(55)
    E0PD1 = Field(56)
    TCMA0 = Field(57)
    TCMA1 = Field(58)
    DS = Field(59)


class TTBR0_EL1(Register):
    """Translation Table Base Register 0 (EL1). DDI 0487 L.a, D24.2."""

    CnP = Field(0)
    BADDR = Field(47, 1)                # bits [47:1] of the table's PA, see table_pa in descriptor.py
    ASID = Field(63, 48)


class TTBR1_EL1(Register):
    """Translation Table Base Register 1 (EL1). DDI 0487 L.a, D24.2."""

    CnP = Field(0)
    BADDR = Field(47, 1)
    ASID = Field(63, 48)


class MAIR_EL1(Register):
    """Memory Attribute Indirection Register (EL1): one byte for each AttrIndx. DDI 0487 L.a, D24.2."""

    Attr0 = Field(7, 0)
    Attr1 = Field(15, 8)
    Attr2 = Field(23, 16)
    Attr3 = Field(31, 24)
    Attr4 = Field(39, 32)
    Attr5 = Field(47, 40)
    Attr6 = Field(55, 48)
    Attr7 = Field(63, 56)


class ESR_EL1(Register):
    """Exception Syndrome Register (EL1); syndrome.py composes and explains it. DDI 0487 L.a, D24.2."""

    ISS = Field(24, 0)
    IL = Field(25)                      # 1: a 32-bit instruction
    EC = Field(31, 26, ExceptionClass)
    ISS2 = Field(55, 32)


class SPSR_EL1(Register):
    """Saved Program Status Register (EL1), from AArch64. DDI 0487 L.a, C5.2."""

    SP = Alias(0)                       # 0: SP_EL0, 1: SP_ELx
    EL = Alias(3, 2)
    M = Field(3, 0, Mode)
    nRW = Field(4)                      # M[4]: 1 = AArch32
    F = Field(6)
    I = Field(7) 
    A = Field(8)
    D = Field(9)
    BTYPE = Field(11, 10)
    SSBS = Field(12)
    IL = Field(20)
    SS = Field(21)
    PAN = Field(22)
    UAO = Field(23)
    DIT = Field(24)
    TCO = Field(25)
    V = Field(28)
    C = Field(29)
    Z = Field(30)
    N = Field(31)


class PSTATE(SPSR_EL1):
    """Process state of AArch64, laid out as SPSR_EL1 would save it. DDI 0487 L.a, D1.4."""


class CPACR_EL1(Register):
    """Architectural Feature Access Control Register. DDI 0487 L.a, D24.2."""

    ZEN = Field(17, 16)
    FPEN = Field(21, 20, FPEN)
    SMEN = Field(25, 24)
    TTA = Field(28)


class VBAR_EL1(Register):
    """Vector Base Address Register (EL1): bits [63:11], the table is 2 KiB-aligned. DDI 0487 L.a, D24.2."""

    Base = Field(63, 11)


class PAR_EL1(Register):
    """Physical Address Register: the answer of AT; the aliases are its fields when F = 1. DDI 0487 L.a, D24.2."""

    F = Field(0)                        # 1: the translation was refused
    FST = Alias(6, 1)                   # fault status, coded as DFSC
    PTW = Alias(8)
    S = Alias(9)
    SH = Field(8, 7, Shareability)
    NS = Field(9)
    PA = Field(47, 12)
    ATTR = Field(63, 56)                # the MAIR_EL1 byte


class CNTKCTL_EL1(Register):
    """Counter-timer Kernel Control Register. DDI 0487 L.a, D24 (generic timer registers)."""

    EL0PCTEN = Field(0)
    EL0VCTEN = Field(1)
    EVNTEN = Field(2)                   # the event stream wakes WFE
    EVNTDIR = Field(3)
    EVNTI = Field(7, 4)
    EL0VTEN = Field(8)
    EL0PTEN = Field(9)
    EVNTIS = Field(17)


class CNTV_CTL_EL0(Register):
    """Counter-timer Virtual Timer Control Register. DDI 0487 L.a, D24 (generic timer registers)."""

    ENABLE = Field(0)
    IMASK = Field(1)
    ISTATUS = Field(2)


class CNTP_CTL_EL0(CNTV_CTL_EL0):
    """Counter-timer Physical Timer Control Register. DDI 0487 L.a, D24 (generic timer registers)."""


class ICC_SGI1R_EL1(Register):
    """Interrupt Controller Software Generated Interrupt Group 1 Register. IHI 0069 H, 12.2."""

    TargetList = Field(15, 0)           # bit n: the PE with Aff0 = RS * 16 + n
    Aff1 = Field(23, 16)
    INTID = Field(27, 24)
    Aff2 = Field(39, 32)
    IRM = Field(40)                     # 1: every PE but the sender
    RS = Field(47, 44)
    Aff3 = Field(55, 48)


class ICC_CTLR_EL1(Register):
    """Interrupt Controller Control Register (EL1). IHI 0069 H, 12.2."""

    CBPR = Field(0)
    EOImode = Field(1)                  # 1: EOIR drops priority only, DIR deactivates
    PMHE = Field(6)
    PRIbits = Field(10, 8)              # priority bits implemented, less one
    IDbits = Field(13, 11)              # 0: 16-bit INTIDs, 1: 24-bit
    SEIS = Field(14)
    A3V = Field(15)
    RSS = Field(18)
    ExtRange = Field(19)


class ICC_PMR_EL1(Register):
    """Interrupt Controller Interrupt Priority Mask Register. IHI 0069 H, 12.2."""

    Priority = Field(7, 0)              # only interrupts of a lower value than this are signalled


class ICC_RPR_EL1(Register):
    """Interrupt Controller Running Priority Register. IHI 0069 H, 12.2."""

    Priority = Field(7, 0)              # 0xFF: nothing is active


class ICC_BPR1_EL1(Register):
    """Interrupt Controller Binary Point Register 1. IHI 0069 H, 12.2."""

    BinaryPoint = Field(2, 0)


class ICC_BPR0_EL1(ICC_BPR1_EL1):
    """Interrupt Controller Binary Point Register 0. IHI 0069 H, 12.2."""


class ICC_IAR1_EL1(Register):
    """Interrupt Controller Interrupt Acknowledge Register 1; 1023: nothing pending. IHI 0069 H, 12.2."""

    INTID = Field(23, 0)


class ICC_HPPIR1_EL1(ICC_IAR1_EL1):
    """Interrupt Controller Highest Priority Pending Interrupt Register 1. IHI 0069 H, 12.2."""


class ICC_EOIR1_EL1(ICC_IAR1_EL1):
    """Interrupt Controller End Of Interrupt Register 1. IHI 0069 H, 12.2."""


class ICC_DIR_EL1(ICC_IAR1_EL1):
    """Interrupt Controller Deactivate Interrupt Register. IHI 0069 H, 12.2."""


class ICC_SRE_EL1(Register):
    """Interrupt Controller System Register Enable register (EL1). IHI 0069 H, 12.2."""

    SRE = Field(0)
    DFB = Field(1)
    DIB = Field(2)


class ICC_IGRPEN1_EL1(Register):
    """Interrupt Controller Interrupt Group 1 Enable register. IHI 0069 H, 12.2."""

    Enable = Field(0)


class ICC_IGRPEN0_EL1(ICC_IGRPEN1_EL1):
    """Interrupt Controller Interrupt Group 0 Enable register. IHI 0069 H, 12.2."""


class MDSCR_EL1(Register):
    """Monitor Debug System Control Register. DDI 0487 L.a, D24.3."""

    SS = Field(0)                       # software step
    ERR = Field(6)
    TDCC = Field(12)                    # 1: EL0 may not use the debug communication channel
    KDE = Field(13)                     # debug exceptions from EL1 to EL1
    HDE = Field(14)
    MDE = Field(15)                     # breakpoints and watchpoints on
    TDA = Field(21)
    TXU = Field(26)
    RXO = Field(27)
    TXfull = Field(29)
    RXfull = Field(30)


class DBGBCR_EL1(Register):
    """Debug Breakpoint Control Register <n>, the layout of DBGBCRn_EL1 for every n. DDI 0487 L.a, D24.3."""

    E = Field(0)
    PMC = Field(2, 1)                   # 1: EL1, 2: EL0, 3: both
    BAS = Field(8, 5)                   # 0xF in AArch64
    HMC = Field(13)
    SSC = Field(15, 14)
    LBN = Field(19, 16)
    BT = Field(23, 20)


class CONTEXTIDR_EL1(Register):
    """Context ID Register (EL1). DDI 0487 L.a, D24.2."""

    PROCID = Field(31, 0)


ENCODINGS: Final[dict[tuple[int, int, int, int, int], type[Register]]] = {
    item.encoding: item for item in list(vars().values())
    if isinstance(item, type) and issubclass(item, Register) and item.encoding is not None
}
