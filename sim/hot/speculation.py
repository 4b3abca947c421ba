"""Adversarial setting: what a PE's TLBs gain and lose without any instruction asking for it.

Before each of its slices a PE may, by seed, walk for a VA within NEAR_ENTRIES entries of one that its L2 TLB holds and hold the translation if
it is valid and its access flag is set (one slice in FILL_ONE_IN); and it may lose an entry of L2, and with it those of L1, or of the walk
cache (one in EVICT_ONE_IN). A speculative walk costs no time and emits no EVENT_WALK; a fill is EVENT_FILL with access 0.
Source: DDI 0487 L.a, D8.16 (TLB entries can be allocated and evicted at any time).
"""
import numpy as np
from numba import njit

from sim.hot.events import emit, next_random
from sim.hot.hidden_stores import descriptor_seen
from sim.hot.tlb import MISS, drop_l2, insert_l2, lookup_l2
from sim.hot.walk import OK, current_asid, walk_tables
from sim.state import dtypes
from sim.state.events import EVENT_FILL
from sim.state.handle import l2_of, machine_of, pe_of, ram_words_of, walk_cache_of, walked_of

u64 = np.uint64
ZERO, ONE, THREE = u64(0), u64(1), u64(3)
FILL_ONE_IN, EVICT_ONE_IN = u64(16), u64(512)
NEAR_ENTRIES = u64(8)
_TRIES = 64                             # slots that are looked at for one that is in use
_SCTLR_M, _AF, _NT = u64(1), u64(1 << 10), u64(dtypes.ATTRIBUTE_NT)
_EVICT_SHIFT, _SLOT_SHIFT, _DISTANCE_SHIFT, _WHICH_SHIFT = u64(6), u64(16), u64(40), u64(56)


@njit
def speculate(m, i):  # type: ignore[no-untyped-def]
    """What may happen before a slice of PE i."""
    pe = pe_of(m, i)
    if pe["sctlr"] & _SCTLR_M == ZERO:
        return
    random = next_random(pe["adversary_random"])
    pe["adversary_random"] = random
    if random % FILL_ONE_IN == ZERO:
        _fill(m, i, random)
    if (random >> _EVICT_SHIFT) % EVICT_ONE_IN == ZERO:
        _evict(m, i, random)


@njit
def _used_slot(entries, first):  # type: ignore[no-untyped-def]
    """A slot in use, looked for from `first` on, MISS if there is none near."""
    count = len(entries)
    for k in range(min(_TRIES, count)):
        slot = (first + k) % count
        if entries[slot]["mask"] != ZERO:
            return np.int64(slot)
    return MISS


@njit
def _first(random, entries):  # type: ignore[no-untyped-def]
    return np.int64((random >> _SLOT_SHIFT) % u64(len(entries)))


@njit
def _fill(m, i, random):  # type: ignore[no-untyped-def]
    entries = l2_of(m, i)
    slot = _used_slot(entries, _first(random, entries))
    if slot == MISS:
        return
    distance = (random >> _DISTANCE_SHIFT) % (NEAR_ENTRIES + NEAR_ENTRIES + ONE)
    size_bytes = ~entries[slot]["mask"] + ONE
    va = entries[slot]["va"] + distance * size_bytes - NEAR_ENTRIES * size_bytes
    if lookup_l2(m, i, va, current_asid(m, i)) != MISS or walk_tables(m, i, va, ONE) != OK:
        return
    machine, walked = machine_of(m), walked_of(m, i)
    pa = walked["descriptor_pa"]
    descriptor = ram_words_of(m)[np.int64((pa - machine["ram_pa"]) >> THREE)]
    if descriptor_seen(m, i, pa, descriptor, ZERO) & _AF == ZERO or walked["attributes"] & _NT != ZERO:
        return
    held = entries[insert_l2(m, i, va)]
    emit(m, i, EVENT_FILL, ZERO, held["va"], held["pa"], ~held["mask"] + ONE)


@njit
def _evict(m, i, random):  # type: ignore[no-untyped-def]
    if (random >> _WHICH_SHIFT) & ONE != ZERO:
        entries = walk_cache_of(m, i)
        if len(entries) != 0:
            slot = _used_slot(entries, _first(random, entries))
            if slot != MISS:
                entries[slot]["mask"] = ZERO
        return
    slot = _used_slot(l2_of(m, i), _first(random, l2_of(m, i)))
    if slot != MISS:
        drop_l2(m, i, slot)
