"""Translation tables as they stand in memory: what they map, lazily, from the lowest VA to the highest.

This reads descriptors, not TLBs: what a PE would find by walking now, which need not be what its TLBs hold. It is Python for people who
look at a machine that has stopped; the walk that the machine itself does is `sim.hot.walk`.
Not modelled: see `sim.hot.walk`. Source: DDI 0487 L.a, D8.2 (translation process), D8.3 (descriptor formats).
"""
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from sim.arch import descriptor as d
from sim.arch.registers import TCR_EL1

ReadTable = Callable[[int, int], list[int] | None]         # (PA of a table, descriptors in it) -> them; None where there is no RAM

_GRANULE_SHIFT_0, _GRANULE_SHIFT_1 = {0: 12, 1: 16, 2: 14, 3: 12}, {1: 14, 2: 12, 3: 16, 0: 12}      # by TG0, by TG1; reserved: 4 KiB
_UPPER_BITS = (1 << 64) - 1
_TNSZ_LEAST, _TNSZ_MOST = 16, 39
_TABLE_FLAGS = d.AP_TABLE_MASK | d.PXN_TABLE | d.UXN_TABLE


@dataclass(frozen=True)
class Mapped:
    """A range of VAs that one or several neighbouring leaf descriptors map to a range of PAs in the same way.

    descriptor: of the first of them, as it is in memory. hierarchical: APTable, PXNTable and UXNTable bits of the tables above it.
    pa is None for a table that lies outside RAM: then nothing is known of the range.
    """

    va: int
    size_bytes: int
    pa: int | None
    level: int
    granule_shift: int
    descriptor: int
    descriptor_pa: int
    hierarchical: int = 0

    def __str__(self) -> str:
        last_va = (self.va + self.size_bytes - 1) & _UPPER_BITS
        if self.pa is None:
            return f"{self.va:#018x}-{last_va:#018x} table outside RAM: {d.describe_descriptor(self.descriptor, self.level, self.granule_shift)}"
        above = ", ".join(name for bit, name in ((d.AP_TABLE_NO_EL0, "above: no EL0"), (d.AP_TABLE_READ_ONLY, "above: read-only"),
                                                 (d.PXN_TABLE, "above: PXN"), (d.UXN_TABLE, "above: UXN")) if self.hierarchical & bit)
        text = d.describe_descriptor(self.descriptor, self.level, self.granule_shift)
        return f"{self.va:#018x}-{last_va:#018x} -> {self.pa:#014x} level {self.level} {text}" + (f", {above}" if above else "")


@dataclass(frozen=True)
class _Regime:
    read: ReadTable
    granule_shift: int
    va_bits: int


def mapped_leaves(read: ReadTable, tcr: int, ttbr: int, *, upper: bool) -> Iterator[Mapped]:
    """Every valid leaf of one half of the VA range, in order of VA, read as the iterator is advanced.

    read: gives the descriptors of a table. tcr, ttbr: values of TCR_EL1 and of TTBR0_EL1 (TTBR1_EL1 for the upper half).
    Yields nothing when TnSZ is out of range or EPDn forbids walks. A level that is not allowed to hold blocks yields none there.
    """
    fields = TCR_EL1(tcr)
    size, walks_off = (fields.T1SZ, fields.EPD1) if upper else (fields.T0SZ, fields.EPD0)
    granule_shift = _GRANULE_SHIFT_1[int(fields.TG1)] if upper else _GRANULE_SHIFT_0[int(fields.TG0)]
    if walks_off or not _TNSZ_LEAST <= size <= _TNSZ_MOST:
        return
    va_bits = 64 - size
    levels_below = (va_bits - granule_shift - 1) // (granule_shift - 3)
    level = 3 - levels_below
    entries = 1 << (va_bits - d.level_shift(level, granule_shift))
    base_pa = ttbr & d.ADDRESS_MASK & ~1 & ~(8 * entries - 1)
    first_va = (_UPPER_BITS << va_bits) & _UPPER_BITS if upper else 0
    yield from _table(_Regime(read, granule_shift, va_bits), base_pa, level, entries, first_va, 0)


def _table(regime: _Regime, base_pa: int, level: int, entries: int, va: int, hierarchical: int) -> Iterator[Mapped]:
    descriptors = regime.read(base_pa, entries)
    shift = d.level_shift(level, regime.granule_shift)
    for index, value in enumerate(descriptors or ()):
        here = Mapped(va + (index << shift), 1 << shift, None, level, regime.granule_shift, value, base_pa + 8 * index, hierarchical)
        kind = d.descriptor_kind(value, level, regime.granule_shift)
        if kind == d.INVALID_KIND:
            continue
        if kind != d.TABLE_KIND:
            yield replace(here, pa=d.output_pa(value, level, regime.granule_shift))
            continue
        next_pa = d.table_pa(value, regime.granule_shift)
        below = 1 << (regime.granule_shift - 3)
        if regime.read(next_pa, below) is None:
            yield here
        else:
            yield from _table(regime, next_pa, level + 1, below, here.va, hierarchical | value & _TABLE_FLAGS)


def merged(leaves: Iterable[Mapped]) -> Iterator[Mapped]:
    """Neighbouring leaves of one level whose VAs and PAs both follow each other and whose attributes are equal, as one range."""
    current: Mapped | None = None
    for leaf in leaves:
        if current is not None and _continues(current, leaf):
            current = replace(current, size_bytes=current.size_bytes + leaf.size_bytes)
            continue
        if current is not None:
            yield current
        current = leaf
    if current is not None:
        yield current


def _continues(before: Mapped, leaf: Mapped) -> bool:
    if before.pa is None or leaf.pa is None or before.level != leaf.level or before.hierarchical != leaf.hierarchical:
        return False
    address = d.ADDRESS_MASK & ~((1 << before.granule_shift) - 1)
    if (before.descriptor ^ leaf.descriptor) & ~address:
        return False
    return leaf.va == before.va + before.size_bytes and leaf.pa == before.pa + before.size_bytes
