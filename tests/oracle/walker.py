"""A second stage 1 walker and permission check, written from the architecture's rules in plain ints, to contradict the simulator's.

Imports nothing of the simulator. It works level by level from the address fields that DDI 0487 L.a tabulates for each granule (D8.2.6 to
D8.2.8), where the simulator computes shifts. Same choices where the architecture leaves one: see `sim/hot/walk.py`.
"""
from collections.abc import Callable
from dataclasses import dataclass, field

# For each granule: most and least significant bit of the index at levels 0, 1, 2, 3 (level 0 of 64 KiB has none).
INDEX_FIELDS = {
    12: ((47, 39), (38, 30), (29, 21), (20, 12)),
    14: ((47, 47), (46, 36), (35, 25), (24, 14)),
    16: (None, (47, 42), (41, 29), (28, 16)),
}
CONTIGUOUS = {(12, 1): 16, (12, 2): 16, (12, 3): 16, (14, 2): 32, (14, 3): 128, (16, 2): 32, (16, 3): 32}
IPS_BITS = (32, 36, 40, 42, 44, 48, 48, 48)
TRANSLATION, ADDRESS_SIZE, ACCESS_FLAG, PERMISSION, EXTERNAL_ON_WALK = 0b000100, 0b000000, 0b001000, 0b001100, 0b010100


def bits(value: int, high: int, low: int) -> int:
    """value[high:low]."""
    return value >> low & (1 << high - low + 1) - 1


@dataclass(frozen=True)
class Regime:
    """The registers of the EL1&0 regime and what the machine implements."""

    tcr: int
    ttbr0: int
    ttbr1: int
    mair: int = 0xFF
    pa_bits: int = 48
    has_af: bool = False
    has_dirty: bool = False
    has_nt: bool = False

    def granule(self, upper: int) -> int:
        if upper:
            return {0: 12, 1: 14, 2: 12, 3: 16}[bits(self.tcr, 31, 30)]
        return {0: 12, 1: 16, 2: 14, 3: 12}[bits(self.tcr, 15, 14)]

    @property
    def asid(self) -> int:
        base = self.ttbr1 if bits(self.tcr, 22, 22) else self.ttbr0
        return bits(base, 63, 48) if bits(self.tcr, 36, 36) else bits(base, 55, 48)

    @property
    def output_bits(self) -> int:
        return min(self.pa_bits, IPS_BITS[bits(self.tcr, 34, 32)])


@dataclass(frozen=True)
class Fault:
    """A fault status code, level included."""

    code: int


@dataclass(frozen=True)
class Translation:
    """What a leaf says. size covers the whole block, page or contiguous run; asid None = global."""

    va: int
    size: int
    pa: int
    asid: int | None
    level: int
    writable: bool
    el0: bool
    pxn: bool
    uxn: bool
    clean: bool                         # DBM under hardware management
    memory: int                         # MAIR byte
    shareability: int
    contiguous: bool
    nt: bool
    descriptor_pa: int

    def output(self, va: int) -> int:
        return self.pa + (va - self.va)


@dataclass
class Walk:
    """A walk: its result, the PAs read in order, and what hardware writes back (PA -> descriptor)."""

    result: Translation | Fault
    reads: list[int] = field(default_factory=list)
    writes: dict[int, int] = field(default_factory=dict)


def strip_tag(regime: Regime, va: int, is_fetch: bool) -> int:
    """The VA as the regime uses it: with TBIn (and for fetches not TBIDn) bits 63 to 56 repeat bit 55."""
    upper = bits(va, 55, 55)
    ignored = bits(regime.tcr, 37 + upper, 37 + upper) and not (is_fetch and bits(regime.tcr, 51 + upper, 51 + upper))
    return bits(va, 55, 0) | (0xFF if upper else 0) << 56 if ignored else va


def walk(regime: Regime, va: int, read: Callable[[int], int | None]) -> Walk:
    """Walk for a VA without tag. read: PA -> descriptor, None where nothing answers."""
    upper = bits(va, 55, 55)
    size_field, disabled = (bits(regime.tcr, 21, 16), bits(regime.tcr, 23, 23)) if upper else (bits(regime.tcr, 5, 0), bits(regime.tcr, 7, 7))
    if not 16 <= size_field <= 39 or disabled:
        return Walk(Fault(TRANSLATION))
    va_bits = 64 - size_field
    if bits(va, 63, va_bits) != ((1 << size_field) - 1 if upper else 0):
        return Walk(Fault(TRANSLATION))
    granule = regime.granule(upper)
    fields = INDEX_FIELDS[granule]
    level = next(n for n, pair in enumerate(fields) if pair and pair[1] < va_bits)      # the first level whose index the VA reaches
    high, low = fields[level]                                                          # type: ignore[misc]
    high = va_bits - 1
    base = bits(regime.ttbr1 if upper else regime.ttbr0, 47, 1) << 1
    table_bytes = 8 << (high - low + 1)
    base = base // table_bytes * table_bytes
    if base >= 1 << regime.output_bits:
        return Walk(Fault(ADDRESS_SIZE))
    done = Walk(Fault(TRANSLATION))
    no_el0 = read_only = pxn = uxn = False
    while True:
        descriptor_pa = base + 8 * bits(va, high, low)
        done.reads.append(descriptor_pa)
        descriptor = read(descriptor_pa)
        if descriptor is None:
            done.result = Fault(EXTERNAL_ON_WALK + level)
            return done
        kind = descriptor & 3
        if kind == 3 and level < 3:
            base = bits(descriptor, 47, granule) << granule
            if base >= 1 << regime.output_bits:
                done.result = Fault(ADDRESS_SIZE + level)
                return done
            uxn |= bool(bits(descriptor, 60, 60))
            pxn |= bool(bits(descriptor, 59, 59))
            no_el0 |= bool(bits(descriptor, 61, 61))
            read_only |= bool(bits(descriptor, 62, 62))
            level += 1
            high, low = fields[level]                                                  # type: ignore[misc]
            continue
        is_page, is_block = level == 3 and kind == 3, kind == 1 and (level == 2 or (level == 1 and granule == 12))
        if not is_page and not is_block:
            done.result = Fault(TRANSLATION + level)
            return done
        if bits(regime.tcr, 41 + upper, 41 + upper):
            no_el0 = read_only = pxn = uxn = False
        _leaf(regime, va, granule, level, low, descriptor, done, (no_el0, read_only, pxn, uxn), va_bits)
        return done


def _leaf(regime: Regime, va: int, granule: int, level: int, low: int, descriptor: int, done: Walk,
          above: tuple[bool, bool, bool, bool], va_bits: int) -> None:
    no_el0, read_only, pxn, uxn = above
    size = 1 << low
    pa = bits(descriptor, 47, low) << low
    if pa >= 1 << regime.output_bits:
        done.result = Fault(ADDRESS_SIZE + level)
        return
    manages_af = regime.has_af and bits(regime.tcr, 39, 39)
    if not bits(descriptor, 10, 10):
        if not manages_af:
            done.result = Fault(ACCESS_FLAG + level)
            return
        done.writes[done.reads[-1]] = descriptor | 1 << 10
    contiguous = bool(bits(descriptor, 52, 52))
    start = va // size * size
    if contiguous:
        run = size * CONTIGUOUS[granule, level]
        contiguous = run <= 1 << va_bits and pa % run == va % run // size * size
        if contiguous:
            start, pa, size = va // run * run, pa // run * run, run
    done.result = Translation(
        va=start, size=size, pa=pa,
        asid=regime.asid if bits(descriptor, 11, 11) else None,
        level=level,
        writable=not bits(descriptor, 7, 7) and not read_only,
        el0=bool(bits(descriptor, 6, 6)) and not no_el0,
        pxn=bool(bits(descriptor, 53, 53)) or pxn,
        uxn=bool(bits(descriptor, 54, 54)) or uxn,
        clean=bool(bits(descriptor, 51, 51) and manages_af and regime.has_dirty and bits(regime.tcr, 40, 40)) and not read_only,
        memory=bits(regime.mair, 8 * bits(descriptor, 4, 2) + 7, 8 * bits(descriptor, 4, 2)),
        shareability=bits(descriptor, 9, 8),
        contiguous=contiguous,
        nt=level < 3 and regime.has_nt and bool(bits(descriptor, 16, 16)),
        descriptor_pa=done.reads[-1],
    )


def permitted(leaf: Translation, access: str, el0: bool, pan: bool, wxn: bool) -> bool:
    """Whether an access ("read", "write", "fetch") is permitted; a clean entry that hardware manages counts as writable."""
    writable = leaf.writable or leaf.clean
    if access == "fetch":
        if el0:
            return not leaf.uxn and not (wxn and leaf.el0 and writable)
        return not leaf.pxn and not (leaf.el0 and writable) and not (wxn and writable)
    if el0:
        return leaf.el0 and (access == "read" or writable)
    if pan and leaf.el0:
        return False
    return access == "read" or writable
