"""Entries of the L2 TLB that overlap: found when one is inserted, looked up when an access meets two, forgotten when none is left.

L2 includes both L1 TLBs, so two translations of one VA are held together by a PE only if L2 holds both. PE.unusual has OVERLAP from the
moment an entry is inserted over, or around, another that answers for the same VA and ASID, until an invalidation leaves none such. A fill
follows a miss, so a new entry can only lie around smaller ones, or, if it is global, around or inside those of other ASIDs.

Two fractions of one block never overlap: all fractions have the same size.
Source: DDI 0487 L.a, D8.16.3 "TLB conflict", D8.17.3 (overlapping entries, break-before-make).
"""
import numpy as np
from numba import njit

from sim.state import dtypes
from sim.state.handle import l2_of, machine_of, pe_of

u64 = np.uint64
ZERO, ONE, TWELVE = u64(0), u64(1), u64(12)
ASID_GLOBAL = u64(dtypes.ASID_GLOBAL)
NONE = np.int64(-1)
#: PE.unusual: why an access must be looked at before the TLBs are.
OVERLAP, RESIDUE, PASSING = u64(dtypes.UNUSUAL_OVERLAP), u64(dtypes.UNUSUAL_RESIDUE), u64(dtypes.UNUSUAL_PASSING)
FILLED_SHIFT = u64(dtypes.ATTRIBUTE_FILLED_SHIFT)
_BELOW_FILLED = (ONE << FILLED_SHIFT) - ONE


@njit
def stamp_fill(m, i, entry):  # type: ignore[no-untyped-def]
    """Number an entry that is about to be held: a later fill has a higher number, whichever slot it goes to."""
    pe = pe_of(m, i)
    pe["fill_sequence"] += ONE
    entry["attributes"] = entry["attributes"] & _BELOW_FILLED | pe["fill_sequence"] << FILLED_SHIFT


@njit
def _same_asid(entry, other):  # type: ignore[no-untyped-def]
    return entry["asid"] == other["asid"] or entry["asid"] == ASID_GLOBAL or other["asid"] == ASID_GLOBAL


@njit
def _lies_inside(m, i, slot, sizes):  # type: ignore[no-untyped-def]
    """Whether an entry of one of the smaller `sizes` (a mask of sizes in bytes) lies inside the one in `slot`."""
    machine, entries = machine_of(m), l2_of(m, i)
    sets, ways, entry = machine["l2_sets"], np.int64(machine["l2_ways"]), entries[slot]
    extent, shift = ~entry["mask"], TWELVE
    sizes >>= TWELVE
    while sizes != ZERO:
        if sizes & ONE != ZERO:
            if extent >> shift >= sets:                     # more numbers than sets: look everywhere, for all sizes at once
                for other in range(len(entries)):
                    held = entries[other]
                    if held["mask"] > entry["mask"] and held["va"] & entry["mask"] == entry["va"] and _same_asid(held, entry):
                        return True
                return False
            number, last_number = entry["va"] >> shift, (entry["va"] | extent) >> shift
            while number <= last_number:
                first = np.int64(number % sets) * ways
                for way in range(ways):
                    held = entries[first + way]
                    if held["mask"] > entry["mask"] and held["va"] & entry["mask"] == entry["va"] and _same_asid(held, entry):
                        return True
                number += ONE
        sizes >>= ONE
        shift += ONE
    return False


@njit
def _lies_around(m, i, slot, sizes):  # type: ignore[no-untyped-def]
    """Whether an entry of one of `sizes`, as large or larger, contains the one in `slot`."""
    machine, entries = machine_of(m), l2_of(m, i)
    sets, ways, entry = machine["l2_sets"], np.int64(machine["l2_ways"]), entries[slot]
    shift = TWELVE
    sizes >>= TWELVE
    while sizes != ZERO:
        if sizes & ONE != ZERO:
            first = np.int64((entry["va"] >> shift) % sets) * ways
            for way in range(ways):
                held = entries[first + way]
                if first + way != slot and held["mask"] != ZERO and entry["va"] & held["mask"] == held["va"] and _same_asid(held, entry):
                    return True
        sizes >>= ONE
        shift += ONE
    return False


@njit
def note_overlap(m, i, slot, size_bytes, is_global):  # type: ignore[no-untyped-def]
    """An L2 entry has been inserted: if it overlaps another, soft-TLB hits must end, and every access be looked at from now on."""
    pe = pe_of(m, i)
    smaller, around = pe["l2_sizes"] & (size_bytes - ONE), ZERO
    if not is_global:
        pe["l2_non_global"] = ONE
    elif pe["l2_non_global"] != ZERO:
        around = pe["l2_sizes"] & ~(size_bytes - ONE)
    if smaller | around == ZERO:
        return
    if (smaller != ZERO and _lies_inside(m, i, slot, smaller)) or (around != ZERO and _lies_around(m, i, slot, around)):
        pe["unusual"] |= OVERLAP
        pe["soft_flush"] = ONE
        pe["limit_cycles"] = ZERO


@njit
def forget_overlap(m, i):  # type: ignore[no-untyped-def]
    """Entries have been dropped while some overlapped: find out whether any still do."""
    pe, entries = pe_of(m, i), l2_of(m, i)
    for slot in range(len(entries)):
        entry = entries[slot]
        if entry["mask"] != ZERO and _lies_around(m, i, slot, pe["l2_sizes"] & entry["mask"]):
            return
    pe["unusual"] &= ~OVERLAP


@njit
def find_hits(m, i, va, asid):  # type: ignore[no-untyped-def]
    """(how many L2 entries translate `va` for `asid`, slot of the one filled first, slot of the one filled last)."""
    machine, entries = machine_of(m), l2_of(m, i)
    sets, ways = machine["l2_sets"], np.int64(machine["l2_ways"])
    sizes, shift = pe_of(m, i)["l2_sizes"] >> TWELVE, TWELVE
    count, oldest, newest = ZERO, NONE, NONE
    while sizes != ZERO:
        if sizes & ONE != ZERO:
            first = np.int64((va >> shift) % sets) * ways
            for way in range(ways):
                entry, slot = entries[first + way], np.int64(first + way)
                # A set is probed once for each size: an entry counts only under its own.
                if entry["mask"] != ~((ONE << shift) - ONE) or va & entry["mask"] != entry["va"]:
                    continue
                if entry["asid"] != asid and entry["asid"] != ASID_GLOBAL:
                    continue
                count += ONE
                filled = entry["attributes"] >> FILLED_SHIFT
                if oldest == NONE or filled < entries[oldest]["attributes"] >> FILLED_SHIFT:
                    oldest = slot
                if newest == NONE or filled > entries[newest]["attributes"] >> FILLED_SHIFT:
                    newest = slot
        sizes >>= ONE
        shift += ONE
    return count, oldest, newest
