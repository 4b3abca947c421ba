"""The TLBs of a PE: L1 instruction, L1 data, unified L2, walk cache. Architectural: what they hold is visible to the guest.

L1 is fully associative, L2 and walk cache are set associative. The set of an entry follows from its size, so a lookup probes each
size that L2 may hold (`pe["l2_sizes"]`, a mask of log2 sizes). L2 includes both L1s: every L1 entry names the L2 slot that it came
from (`spare`) and goes when that entry goes. A block larger than a TLB's largest entry is held in fractions; an L2 fraction
remembers the extent of the block (`spare`), so that invalidating any address of the block drops every fraction, as DDI 0487 asks.

Replacement takes an empty slot first, then FIFO or seeded pseudo-random; neither looks at hits, because hits in the engine's soft
TLB cannot be seen. Faults are never held. A profile needs an L2 TLB of at least one set; a walk cache of zero sets is no walk cache.
Entries that disagree about a VA are noticed when the second is inserted (`sim.hot.overlap`); `sim.hot.multi_hit` says which answers.

Source: DDI 0487 L.a, D8.16 "Translation Lookaside Buffers", D8.17 "TLB maintenance".
"""
import numpy as np
from numba import njit

from sim.arch import tlbi
from sim.hot.events import next_random
from sim.hot.overlap import OVERLAP, forget_overlap, note_overlap, stamp_fill
from sim.state import dtypes
from sim.state.handle import l1d_of, l1i_of, l2_next_of, l2_of, machine_of, pe_of, walk_cache_next_of, walk_cache_of, walked_of

u64 = np.uint64
ZERO, ONE, TWELVE = u64(0), u64(1), u64(12)
MISS = np.int64(-1)
NOWHERE = u64(dtypes.NOWHERE)
ASID_GLOBAL = u64(dtypes.ASID_GLOBAL)
_HINT_LIMIT = np.int64(0xFF)            # hints are bytes; one that is wrong costs a search
_HINT_MASK = u64(dtypes.L1_HINTS - 1)

# What an invalidation covers.
KIND_ALL = u64(tlbi.KIND_VMALL)         # everything
KIND_VA = u64(tlbi.KIND_VA)             # a VA range: entries of one ASID, and global ones
KIND_VA_ALL_ASID = u64(tlbi.KIND_VAA)   # a VA range, whatever the ASID
KIND_ASID = u64(tlbi.KIND_ASID)         # the entries of one ASID, never global ones
LAST_LEVEL, HINT_SHIFT = ONE, ONE       # of which levels: see `invalidate`
_LEVEL_SHIFT, _LEVEL_MASK = u64(dtypes.ATTRIBUTE_LEVEL_SHIFT), u64(3)


@njit(cache=True)
def lookup_l1(m, i, va, asid, is_fetch):  # type: ignore[no-untyped-def]
    """Slot of the L1 instruction (`is_fetch`) or data TLB of PE i that translates `va` for `asid`, or -1.

    va: canonical 64-bit VA.  asid: the current ASID. Changes nothing but the hint.
    """
    if is_fetch:
        entries, hints = l1i_of(m, i), pe_of(m, i)["l1i_hint"]
    else:
        entries, hints = l1d_of(m, i), pe_of(m, i)["l1d_hint"]
    hint = np.int64((va >> TWELVE) & _HINT_MASK)
    slot = np.int64(hints[hint])
    if slot < len(entries) and _translates(entries[slot], va, asid):
        return slot
    for candidate in range(len(entries)):
        if _translates(entries[candidate], va, asid):
            hints[hint] = np.uint8(candidate & _HINT_LIMIT)
            return np.int64(candidate)
    return MISS


@njit(cache=True)
def lookup_l2(m, i, va, asid):  # type: ignore[no-untyped-def]
    """Slot of the L2 TLB of PE i that translates `va` for `asid`, or -1. Changes nothing."""
    machine, entries = machine_of(m), l2_of(m, i)
    sets, ways = machine["l2_sets"], np.int64(machine["l2_ways"])
    sizes, size = pe_of(m, i)["l2_sizes"] >> TWELVE, TWELVE
    while sizes != ZERO:
        if sizes & ONE != ZERO:
            first = np.int64((va >> size) % sets) * ways
            for way in range(ways):
                if _translates(entries[first + way], va, asid):
                    return np.int64(first + way)
        sizes >>= ONE
        size += ONE
    return MISS


@njit
def _translates(entry, va, asid):  # type: ignore[no-untyped-def]
    mask = entry["mask"]
    return va & mask == entry["va"] and mask != ZERO and (entry["asid"] == asid or entry["asid"] == ASID_GLOBAL)


@njit
def copy_entry(to, source):  # type: ignore[no-untyped-def]
    """Copy one TLB_ENTRY record."""
    to["va"], to["mask"], to["pa"], to["asid"] = source["va"], source["mask"], source["pa"], source["asid"]
    to["attributes"], to["descriptor_pa"] = source["attributes"], source["descriptor_pa"]
    to["handed"], to["spare"] = source["handed"], source["spare"]


@njit
def _narrow(entry, va, max_bytes):  # type: ignore[no-untyped-def]
    """Cut an entry down to its fraction of `max_bytes` (a power of two) around `va`."""
    mask = entry["mask"] | ~(max_bytes - ONE)
    entry["pa"] |= va & mask & ~entry["mask"]
    entry["va"] = va & mask
    entry["mask"] = mask


@njit
def _log2(size_bytes):  # type: ignore[no-untyped-def]
    result = ZERO
    while size_bytes > ONE:
        size_bytes >>= ONE
        result += ONE
    return result


@njit
def _random(m, i, bound):  # type: ignore[no-untyped-def]
    pe = pe_of(m, i)
    pe["random"] = next_random(pe["random"])
    return np.int64((pe["random"] >> u64(32)) % u64(bound))


@njit
def _slot_in_set(m, i, entries, following, which_set, ways):  # type: ignore[no-untyped-def]
    """Where in a set the next entry goes: a free way, else the one that replacement picks (FIFO by `following`, or seeded random)."""
    first = which_set * ways
    for way in range(ways):
        if entries[first + way]["mask"] == ZERO:
            return np.int64(first + way)
    if machine_of(m)["random_replacement"] != ZERO:
        return np.int64(first + _random(m, i, ways))
    slot = first + np.int64(following[which_set] % u64(ways))
    following[which_set] += ONE
    return np.int64(slot)


@njit
def insert_l2(m, i, va):  # type: ignore[no-untyped-def]
    """Hold the translation of walked_of(m, i), or its fraction around `va`, in the L2 TLB. Returns the slot."""
    machine, pe, entries, walked = machine_of(m), pe_of(m, i), l2_of(m, i), walked_of(m, i)
    whole = walked["mask"]
    walked["handed"], walked["spare"] = ZERO, whole
    _narrow(walked, va, machine["l2_max_entry_bytes"])
    if walked["mask"] != whole:
        pe["l2_fractured"] = ONE
    size = _log2(~walked["mask"] + ONE)
    pe["l2_sizes"] |= ONE << size
    which_set, ways = np.int64((walked["va"] >> size) % machine["l2_sets"]), np.int64(machine["l2_ways"])
    slot = _slot_in_set(m, i, entries, l2_next_of(m, i), which_set, ways)
    if entries[slot]["mask"] != ZERO:
        pe["n_l2_evictions"] += ONE
        if entries[slot]["handed"] == pe["soft_generation"]:
            pe["soft_flush"] = ONE
        entries[slot]["mask"] = ZERO
        _drop_orphans(m, i)
    stamp_fill(m, i, walked)
    copy_entry(entries[slot], walked)
    note_overlap(m, i, slot, ONE << size, walked["asid"] == ASID_GLOBAL)
    return slot


@njit
def insert_l1(m, i, va, l2_slot, is_fetch):  # type: ignore[no-untyped-def]
    """Hold what L2 has in `l2_slot`, or its fraction around `va`, in the L1 instruction or data TLB. Returns the slot."""
    machine, pe = machine_of(m), pe_of(m, i)
    if is_fetch:
        entries, used, following, hints = l1i_of(m, i), pe["l1i_used"], pe["l1i_next"], pe["l1i_hint"]
        max_bytes = machine["l1i_max_entry_bytes"]
    else:
        entries, used, following, hints = l1d_of(m, i), pe["l1d_used"], pe["l1d_next"], pe["l1d_hint"]
        max_bytes = machine["l1d_max_entry_bytes"]
    slot = np.int64(0)
    if used < u64(len(entries)):
        while entries[slot]["mask"] != ZERO:
            slot += np.int64(1)
        used += ONE
    else:
        if machine["random_replacement"] != ZERO:
            slot = _random(m, i, len(entries))
        else:
            slot = np.int64(following % u64(len(entries)))
            following += ONE
        if machine["soft_subset_of_l1"] != ZERO and entries[slot]["handed"] == pe["soft_generation"]:
            pe["soft_flush"] = ONE
    if is_fetch:
        pe["l1i_used"], pe["l1i_next"] = used, following
    else:
        pe["l1d_used"], pe["l1d_next"] = used, following
    entry = entries[slot]
    copy_entry(entry, l2_of(m, i)[l2_slot])
    entry["handed"], entry["spare"] = ZERO, u64(l2_slot)
    _narrow(entry, va, max_bytes)
    hints[np.int64((va >> TWELVE) & _HINT_MASK)] = np.uint8(slot & _HINT_LIMIT)
    return slot


@njit
def _drop_orphans(m, i):  # type: ignore[no-untyped-def]
    """Drop the L1 entries whose L2 entry is gone. Returns how many."""
    pe = pe_of(m, i)
    instruction = _drop_orphans_of(l1i_of(m, i), l2_of(m, i))
    data = _drop_orphans_of(l1d_of(m, i), l2_of(m, i))
    pe["l1i_used"] -= instruction
    pe["l1d_used"] -= data
    return instruction + data


@njit
def _drop_orphans_of(entries, parents):  # type: ignore[no-untyped-def]
    dropped = ZERO
    for slot in range(len(entries)):
        entry = entries[slot]
        if entry["mask"] != ZERO and parents[np.int64(entry["spare"])]["mask"] == ZERO:
            entry["mask"] = ZERO
            dropped += ONE
    return dropped


@njit
def lookup_walk_cache(m, i, va, asid, coverage):  # type: ignore[no-untyped-def]
    """Slot of the walk cache whose table covers the 2**coverage bytes around `va`, or -1.

    The coverage tells level and granule at once: no two pairs of them have the same.
    """
    machine, entries = machine_of(m), walk_cache_of(m, i)
    ways, mask = np.int64(machine["walk_cache_ways"]), ~((ONE << coverage) - ONE)
    first = np.int64((va >> coverage) % machine["walk_cache_sets"]) * ways
    for way in range(ways):
        entry = entries[first + way]
        if entry["mask"] == mask and entry["va"] == va & mask and entry["asid"] == asid:
            return np.int64(first + way)
    return MISS


@njit
def insert_walk_cache(m, i, va, asid, coverage, table_pa, attributes, descriptor_pa):  # type: ignore[no-untyped-def]
    """Hold the PA of the table that covers the 2**coverage bytes around `va`, for one ASID: partial walks are never global."""
    machine, entries = machine_of(m), walk_cache_of(m, i)
    which_set, ways = np.int64((va >> coverage) % machine["walk_cache_sets"]), np.int64(machine["walk_cache_ways"])
    entry = entries[_slot_in_set(m, i, entries, walk_cache_next_of(m, i), which_set, ways)]
    entry["mask"] = ~((ONE << coverage) - ONE)
    entry["va"] = va & entry["mask"]
    entry["pa"], entry["asid"], entry["attributes"] = table_pa, asid, attributes
    entry["descriptor_pa"], entry["handed"], entry["spare"] = descriptor_pa, ZERO, entry["mask"]


@njit(cache=True)
def invalidate(m, i, kind, va, size_bytes, asid, levels):  # type: ignore[no-untyped-def]
    """Drop what a TLB invalidation covers from all TLBs of PE i. Returns how many entries went, walk cache included.

    kind: KIND_*.  va: canonical; with size_bytes (1 or more, cut off at the top of the address space) the range for the VA kinds:
    a block that overlaps it goes whole.  asid: for KIND_VA and KIND_ASID.  levels, of the VA kinds: LAST_LEVEL keeps partial walks; a hint
    in the bits from HINT_SHIFT on, one more than a level, keeps leaves of other levels and partial walks that lead beyond that level.
    Sets soft_flush if an entry handed to the engine since its last flush went; the page of instructions is looked up anew.
    """
    pe = pe_of(m, i)
    pe["code_va"] = NOWHERE
    span = size_bytes - ONE if size_bytes != ZERO else ZERO
    last = va + span if span <= ~va else NOWHERE
    if pe["l2_sizes"] == ZERO:
        dropped = ZERO
    elif kind == KIND_ALL or kind == KIND_ASID or pe["l2_fractured"] != ZERO:
        dropped = _sweep_l2(m, i, kind, va, last, asid, levels)
    else:
        dropped = _probe_l2(m, i, kind, va, last, asid, levels)
    if dropped != ZERO:
        dropped += _drop_orphans(m, i)
        if pe["unusual"] & OVERLAP != ZERO:
            forget_overlap(m, i)
    if levels & LAST_LEVEL == ZERO or kind == KIND_ALL or kind == KIND_ASID:
        entries, hint = walk_cache_of(m, i), levels >> HINT_SHIFT
        for slot in range(len(entries)):
            leads_to = _level_and_one(entries[slot])
            if is_covered(entries[slot], kind, va, last, asid, min(leads_to, hint)):
                entries[slot]["mask"] = ZERO
                dropped += ONE
    return dropped


@njit
def _level_and_one(entry):  # type: ignore[no-untyped-def]
    return (entry["attributes"] >> _LEVEL_SHIFT & _LEVEL_MASK) + ONE


@njit
def is_covered(entry, kind, va, last, asid, hint):  # type: ignore[no-untyped-def]
    """Whether an invalidation of [va, last] covers an L2 or walk-cache entry, judged by the whole block that it came from.

    hint: 0, or one more than the level that the VA kinds cover.
    """
    if entry["mask"] == ZERO:
        return False
    if kind == KIND_ALL:
        return True
    if kind == KIND_ASID:
        return entry["asid"] == asid
    if kind == KIND_VA and entry["asid"] != asid and entry["asid"] != ASID_GLOBAL:
        return False
    if hint != ZERO and _level_and_one(entry) != hint:
        return False
    first = entry["va"] & entry["spare"]
    return first <= last and first | ~entry["spare"] >= va


@njit
def _drop_l2(pe, entry):  # type: ignore[no-untyped-def]
    entry["mask"] = ZERO
    if entry["handed"] == pe["soft_generation"]:
        pe["soft_flush"] = ONE


@njit
def drop_l2(m, i, slot):  # type: ignore[no-untyped-def]
    """Lose the L2 entry in a slot, and those of L1 that came from it."""
    _drop_l2(pe_of(m, i), l2_of(m, i)[slot])
    _drop_orphans(m, i)


@njit
def _sweep_l2(m, i, kind, va, last, asid, levels):  # type: ignore[no-untyped-def]
    """Drop by looking at every L2 entry; what is known of sizes and fractions is made exact on the way."""
    pe, entries = pe_of(m, i), l2_of(m, i)
    dropped, sizes, fractured = ZERO, ZERO, ZERO
    for slot in range(len(entries)):
        entry = entries[slot]
        if is_covered(entry, kind, va, last, asid, levels >> HINT_SHIFT):
            _drop_l2(pe, entry)
            dropped += ONE
        elif entry["mask"] != ZERO:
            sizes |= ~entry["mask"] + ONE
            if entry["mask"] != entry["spare"]:
                fractured = ONE
    pe["l2_sizes"], pe["l2_fractured"] = sizes, fractured
    return dropped


@njit
def _probe_l2(m, i, kind, va, last, asid, levels):  # type: ignore[no-untyped-def]
    """Drop by looking only at the sets that can hold the range; no entry may be a fraction."""
    machine, pe, entries = machine_of(m), pe_of(m, i), l2_of(m, i)
    sets, ways = machine["l2_sets"], np.int64(machine["l2_ways"])
    dropped, sizes, size = ZERO, pe["l2_sizes"] >> TWELVE, TWELVE
    while sizes != ZERO:
        if sizes & ONE != ZERO:
            number, last_number = va >> size, last >> size
            if last_number - number >= sets:
                return dropped + _sweep_l2(m, i, kind, va, last, asid, levels)
            while number <= last_number:
                first = np.int64(number % sets) * ways
                for way in range(ways):
                    if is_covered(entries[first + way], kind, va, last, asid, levels >> HINT_SHIFT):
                        _drop_l2(pe, entries[first + way])
                        dropped += ONE
                number += ONE
        sizes >>= ONE
        size += ONE
    return dropped
