"""The identification registers with fields: what a PE says it is and has. registers.py gives them all; see there.

Source: DDI 0487 L.a, section as given in each class.
"""

from sim.arch.register_base import Field, Register


class MIDR_EL1(Register):
    """Main ID Register. DDI 0487 L.a, D24.2."""

    Revision = Field(3, 0)
    PartNum = Field(15, 4)
    Architecture = Field(19, 16)
    Variant = Field(23, 20)
    Implementer = Field(31, 24)


class MPIDR_EL1(Register):
    """Multiprocessor Affinity Register. DDI 0487 L.a, D24.2."""

    Aff0 = Field(7, 0)
    Aff1 = Field(15, 8)
    Aff2 = Field(23, 16)
    MT = Field(24)
    U = Field(30)
    RES1 = Field(31)                    # reads as one: the multiprocessing extensions' format of the register
    Aff3 = Field(39, 32)


class CTR_EL0(Register):
    """Cache Type Register. DDI 0487 L.a, D24.2."""

    IminLine = Field(3, 0)              # log2 of the smallest instruction cache line in words
    L1Ip = Field(15, 14)                # 3: PIPT
    DminLine = Field(19, 16)
    ERG = Field(23, 20)                 # log2 of the exclusives reservation granule in words
    CWG = Field(27, 24)
    IDC = Field(28)
    DIC = Field(29)
    RES1 = Field(31)
    TminLine = Field(37, 32)


class DCZID_EL0(Register):
    """Data Cache Zero ID register. DDI 0487 L.a, D24.2."""

    BS = Field(3, 0)                    # log2 of the DC ZVA block in words
    DZP = Field(4)                      # 1: DC ZVA is not permitted


class ID_AA64PFR0_EL1(Register):
    """AArch64 Processor Feature Register 0. DDI 0487 L.a, D24.2."""

    EL0 = Field(3, 0)                   # 1: AArch64 only
    EL1 = Field(7, 4)
    EL2 = Field(11, 8)
    EL3 = Field(15, 12)
    FP = Field(19, 16)
    AdvSIMD = Field(23, 20)
    GIC = Field(27, 24)                 # 1: GICv3 system registers
    RAS = Field(31, 28)
    SVE = Field(35, 32)
    SEL2 = Field(39, 36)
    MPAM = Field(43, 40)
    AMU = Field(47, 44)
    DIT = Field(51, 48)
    RME = Field(55, 52)
    CSV2 = Field(59, 56)
    CSV3 = Field(63, 60)


class ID_AA64PFR1_EL1(Register):
    """AArch64 Processor Feature Register 1. DDI 0487 L.a, D24.2."""

    BT = Field(3, 0)
    SSBS = Field(7, 4)
    MTE = Field(11, 8)


class ID_AA64DFR0_EL1(Register):
    """AArch64 Debug Feature Register 0. DDI 0487 L.a, D24.2."""

    DebugVer = Field(3, 0)
    TraceVer = Field(7, 4)
    PMUVer = Field(11, 8)
    BRPs = Field(15, 12)                # breakpoints, less one
    WRPs = Field(23, 20)                # watchpoints, less one
    CTX_CMPs = Field(31, 28)            # context-aware breakpoints, less one
    PMSVer = Field(35, 32)
    DoubleLock = Field(39, 36)          # 0xF: not implemented


class ID_AA64ISAR0_EL1(Register):
    """AArch64 Instruction Set Attribute Register 0. DDI 0487 L.a, D24.2."""

    AES = Field(7, 4)
    SHA1 = Field(11, 8)
    SHA2 = Field(15, 12)
    CRC32 = Field(19, 16)
    Atomic = Field(23, 20)              # 2: LSE
    TME = Field(27, 24)
    RDM = Field(31, 28)
    SHA3 = Field(35, 32)
    SM3 = Field(39, 36)
    SM4 = Field(43, 40)
    DP = Field(47, 44)
    FHM = Field(51, 48)
    TS = Field(55, 52)
    TLB = Field(59, 56)                 # 2: TLBI by range and in the outer shareable domain
    RNDR = Field(63, 60)


class ID_AA64ISAR1_EL1(Register):
    """AArch64 Instruction Set Attribute Register 1. DDI 0487 L.a, D24.2."""

    DPB = Field(3, 0)
    APA = Field(7, 4)
    API = Field(11, 8)
    JSCVT = Field(15, 12)
    FCMA = Field(19, 16)
    LRCPC = Field(23, 20)


class ID_AA64MMFR0_EL1(Register):
    """AArch64 Memory Model Feature Register 0. DDI 0487 L.a, D24.2."""

    PARange = Field(3, 0)
    ASIDBits = Field(7, 4)              # 0: 8 bits, 2: 16 bits
    BigEnd = Field(11, 8)
    SNSMem = Field(15, 12)
    BigEndEL0 = Field(19, 16)
    TGran16 = Field(23, 20)             # 1: supported
    TGran64 = Field(27, 24)             # 0: supported
    TGran4 = Field(31, 28)              # 0: supported
    TGran16_2 = Field(35, 32)
    TGran64_2 = Field(39, 36)
    TGran4_2 = Field(43, 40)
    ExS = Field(47, 44)


class ID_AA64MMFR1_EL1(Register):
    """AArch64 Memory Model Feature Register 1. DDI 0487 L.a, D24.2."""

    HAFDBS = Field(3, 0)                # 0: none, 1: access flag, 2: access flag and dirty state
    VMIDBits = Field(7, 4)
    VH = Field(11, 8)
    HPDS = Field(15, 12)
    LO = Field(19, 16)
    PAN = Field(23, 20)                 # 1: PSTATE.PAN, 2: also AT S1E1RP and S1E1WP
    SpecSEI = Field(27, 24)
    XNX = Field(31, 28)


class ID_AA64MMFR2_EL1(Register):
    """AArch64 Memory Model Feature Register 2. DDI 0487 L.a, D24.2."""

    CnP = Field(3, 0)
    UAO = Field(7, 4)
    LSM = Field(11, 8)
    IESB = Field(15, 12)
    VARange = Field(19, 16)
    CCIDX = Field(23, 20)
    NV = Field(27, 24)
    ST = Field(31, 28)
    AT = Field(35, 32)                  # 1: single-copy atomicity of unaligned accesses in 16 bytes (FEAT_LSE2)
    IDS = Field(39, 36)
    FWB = Field(43, 40)
    TTL = Field(51, 48)
    BBM = Field(55, 52)                 # level of break-before-make relaxation
    EVT = Field(59, 56)
    E0PD = Field(63, 60)
