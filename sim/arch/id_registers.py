"""What the identification registers of a PE read, computed from the facts of a core and from what is modelled.

A profile says what its core has; this module adds what is modelled whatever the core: EL0 and EL1 in AArch64 only, GICv3 system registers,
all three granules, LSE, CRC32, AES and SHA, PAN, TLBI by range and outer shareable; no SVE, RAS, UAO, TTL, CnP or PMU.
Source: DDI 0487 L.a, D24.2 (field values of each register).
"""

from dataclasses import dataclass

from sim.arch.register_keys import BREAKPOINTS, REGISTER_KEYS, WATCHPOINTS, encoding_key
from sim.arch.registers import (
    CTR_EL0,
    DCZID_EL0,
    ID_AA64DFR0_EL1,
    ID_AA64ISAR0_EL1,
    ID_AA64ISAR1_EL1,
    ID_AA64MMFR0_EL1,
    ID_AA64MMFR1_EL1,
    ID_AA64MMFR2_EL1,
    ID_AA64PFR0_EL1,
    MPIDR_EL1,
)
from sim.errors import SimulatorError

HARDWARE_UPDATES = ("none", "access-flag", "access-flag-and-dirty")      # in the order of ID_AA64MMFR1_EL1.HAFDBS
PA_RANGES = {40: 2, 42: 3, 44: 4, 48: 5}                                # output address bits -> ID_AA64MMFR0_EL1.PARange
L1I_POLICIES = {"vipt": 2, "pipt": 3}                                   # CTR_EL0.L1Ip
LINE_BYTES = 64                     # cache line, reservation granule, write-back granule and DC ZVA block of every profile
PES_IN_CLUSTER = 16                 # PEs that share an Aff1: as many as ICC_SGI1R_EL1.TargetList can name


@dataclass(frozen=True, slots=True)
class CacheGeometry:
    """One cache. bytes = sets * ways * LINE_BYTES with a power of two sets."""

    size_bytes: int
    ways: int

    @property
    def sets(self) -> int:
        """Number of sets."""
        return self.size_bytes // (self.ways * LINE_BYTES)


@dataclass(frozen=True, slots=True)
class Identity:
    """The facts of a core that its identification registers tell."""

    midr: int                       # MIDR_EL1
    revidr: int                     # REVIDR_EL1
    pa_bits: int                    # a key of PA_RANGES
    bbm_level: int                  # FEAT_BBM, 0 to 3
    hardware_update: str            # one of HARDWARE_UPDATES
    l1i_policy: str                 # a key of L1I_POLICIES
    fp16: bool                      # half-precision arithmetic
    rdm: bool                       # SQRDMLAH and SQRDMLSH
    dot_product: bool               # SDOT and UDOT
    rcpc: bool                      # LDAPR


@dataclass(frozen=True, slots=True)
class Caches:
    """The caches that CLIDR_EL1 and CCSIDR_EL1 describe: split level 1, unified level 2."""

    l1i: CacheGeometry
    l1d: CacheGeometry
    l2: CacheGeometry


def affinity(pe: int) -> int:
    """Affinity of a PE as the device tree and GICR_TYPER give it: Aff1 << 8 | Aff0, Aff0 = PE mod 16, Aff1 = PE / 16. pe 0..255."""
    return pe // PES_IN_CLUSTER << 8 | pe % PES_IN_CLUSTER


def mpidr(pe: int) -> int:
    """MPIDR_EL1 of a PE, bit 31 set."""
    return int(MPIDR_EL1(affinity(pe), RES1=1))


def id_register_values(identity: Identity, pe: int, pes: int, has_ttl: bool = False) -> dict[int, int]:
    """Every identification register that reads the same for ever: encoding_key -> value, of PE number pe out of pes. has_ttl: FEAT_TTL.

    Covers the whole space op0 = 3, op1 = 0, CRn = 0, CRm = 1..7, op2 = 0..7: what has no name, and AArch32's, read as zero. Also MIDR,
    MPIDR, REVIDR, AIDR, CTR, DCZID and CLIDR. CCSIDR_EL1 depends on CSSELR_EL1: see ccsidr_value.
    """
    if not 0 <= pe < pes:
        raise SimulatorError(f"identification registers asked for PE {pe} of {pes}")
    values = {encoding_key(3, 0, 0, crm, op2): 0 for crm in range(1, 8) for op2 in range(8)}
    for name, value in {
        "MIDR_EL1": identity.midr, "REVIDR_EL1": identity.revidr, "MPIDR_EL1": mpidr(pe), "AIDR_EL1": 0,
        "CTR_EL0": ctr_value(identity), "DCZID_EL0": int(DCZID_EL0(BS=_log2_words(LINE_BYTES))), "CLIDR_EL1": CLIDR_VALUE,
        **_feature_registers(identity), **_memory_model_registers(identity, has_ttl),
    }.items():
        values[REGISTER_KEYS[name]] = value
    return values


def _feature_registers(identity: Identity) -> dict[str, int]:
    fp = int(identity.fp16)
    return {
        "ID_AA64PFR0_EL1": int(ID_AA64PFR0_EL1(EL0=1, EL1=1, FP=fp, AdvSIMD=fp, GIC=1)),
        "ID_AA64DFR0_EL1": int(ID_AA64DFR0_EL1(DebugVer=6, BRPs=BREAKPOINTS - 1, WRPs=WATCHPOINTS - 1, CTX_CMPs=1)),
        "ID_AA64ISAR0_EL1": int(ID_AA64ISAR0_EL1(AES=2, SHA1=1, SHA2=1, CRC32=1, Atomic=2, TLB=2,
                                                 RDM=int(identity.rdm), DP=int(identity.dot_product))),
        "ID_AA64ISAR1_EL1": int(ID_AA64ISAR1_EL1(LRCPC=int(identity.rcpc))),
    }


def _memory_model_registers(identity: Identity, has_ttl: bool) -> dict[str, int]:
    return {
        "ID_AA64MMFR0_EL1": int(ID_AA64MMFR0_EL1(PARange=PA_RANGES[identity.pa_bits], ASIDBits=2, TGran16=1, TGran64=0, TGran4=0)),
        "ID_AA64MMFR1_EL1": int(ID_AA64MMFR1_EL1(HAFDBS=HARDWARE_UPDATES.index(identity.hardware_update), PAN=1)),
        "ID_AA64MMFR2_EL1": int(ID_AA64MMFR2_EL1(TTL=int(has_ttl), BBM=identity.bbm_level)),
    }


def ctr_value(identity: Identity) -> int:
    """CTR_EL0. IDC and DIC are 0: code that was written needs its cache maintenance, and that is modelled."""
    line = _log2_words(LINE_BYTES)
    return int(CTR_EL0(IminLine=line, L1Ip=L1I_POLICIES[identity.l1i_policy], DminLine=line, ERG=line, CWG=line, RES1=1))


# Ctype1 = 3 (split), Ctype2 = 4 (unified), LoUIS = 1, LoC = 2, LoUU = 1
CLIDR_VALUE = 3 | 4 << 3 | 1 << 21 | 2 << 24 | 1 << 27


def ccsidr_value(caches: Caches, csselr: int) -> int:
    """CCSIDR_EL1 for a CSSELR_EL1, in the 32-bit format (no FEAT_CCIDX): 0 where CSSELR_EL1 selects no cache, for which Arm allows anything."""
    selected = {0: caches.l1d, 1: caches.l1i, 2: caches.l2}.get(csselr & 0xF)
    if selected is None:
        return 0
    return selected.sets - 1 << 13 | selected.ways - 1 << 3 | _log2_words(LINE_BYTES) - 2


def _log2_words(size_bytes: int) -> int:
    return (size_bytes // 4).bit_length() - 1
