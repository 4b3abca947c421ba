"""Adversarial setting: a store to a translation table that translation table walks do not observe yet.

A walk is an observer of its own, also for the PE that stores: only a DSB that covers stores makes a store certain to be observed. So every
page from which a walk has read a descriptor is observed for writing (PAGE_TABLE), and a store there stays hidden from all walks until its
PE's DSB, or until a time drawn from the seed, 0 to HIDDEN_MOST_CYCLES later. Until then they read the value before it. Loads see it at once.

Stores to one descriptor become visible in their order; a later one that is visible makes the earlier ones so. When HIDDEN_STORES are hidden,
the oldest becomes visible. Not hidden: stores to a page that no walk has read yet, what hardware writes (access flag, dirty state), narrow
signed LDSMAX and LDSMIN, and what Python writes. A DSB of the non-shareable domain makes a store visible to the PE's own walks.
Source: DDI 0487 L.a, D8.2.6 (ordering of translation table walks), B2.3.12 (DSB).
"""
import numpy as np
from numba import njit

from sim.hot.events import next_random
from sim.hot.schedule import first_cycle
from sim.hot.soft_tlb import empty_soft_tlb
from sim.state import dtypes
from sim.state.handle import hidden_stores_of, machine_of, page_flags_of, pe_of, pes_of, ram_words_of

u64, u8 = np.uint64, np.uint8
ZERO, ONE = u64(0), u64(1)
TABLE = u8(dtypes.PAGE_TABLE)
HIDDEN_MOST_CYCLES = u64(8192)
_RANDOM_SHIFT, _PAGE_SHIFT, _WORD_SHIFT, _WORD_MASK = u64(16), u64(12), u64(3), u64(0xFFFF_FFFF_FFFF_FFF8)


@njit
def descriptor_seen(m, i, pa, value, quiet):  # type: ignore[no-untyped-def]
    """What a walk of PE i reads at `pa`, where RAM has `value`. Unless `quiet`, stores to that page are looked at from now on."""
    machine = machine_of(m)
    if quiet == ZERO:
        flags, page = page_flags_of(m), np.int64((pa - machine["ram_pa"]) >> _PAGE_SHIFT)
        if flags[page] & TABLE == u8(0):
            flags[page] |= TABLE
            pes = pes_of(m)
            for j in range(pes.shape[0]):
                pes[j]["soft_flush"] = ONE
            empty_soft_tlb(m, i, pe_of(m, i)["uc"])
    now, hidden = pe_of(m, i)["cycles"], hidden_stores_of(m)
    for k in range(np.int64(machine["hidden_stores"]) - 1, -1, -1):
        store = hidden[k]
        if store["pa"] == pa:
            if store["visible_cycles"] <= now or (store["own_visible"] != ZERO and store["pe"] == u64(i)):
                break
            value = store["value"]
    return value


@njit
def hide_store(m, i, offset, size):  # type: ignore[no-untyped-def]
    """PE i is about to change `size` bytes, 1 to 64, at `offset` in RAM, on a page that walks read."""
    machine = machine_of(m)
    first, last = offset & _WORD_MASK, (offset + size - ONE) & _WORD_MASK
    while first <= last:
        _hide_word(m, i, first + machine["ram_pa"], ram_words_of(m)[np.int64(first >> _WORD_SHIFT)])
        first += u64(8)


@njit
def _hide_word(m, i, pa, value):  # type: ignore[no-untyped-def]
    pe, machine, hidden = pe_of(m, i), machine_of(m), hidden_stores_of(m)
    for k in range(np.int64(machine["hidden_stores"]) - 1, -1, -1):
        store = hidden[k]
        if store["pa"] == pa:
            if store["pe"] == u64(i) and store["visible_cycles"] > pe["cycles"]:
                store["own_visible"] = ZERO
                return                                      # walks still read what was there before both
            break
    if machine["hidden_stores"] >= u64(len(hidden)):
        _forget_visible(m)
    if machine["hidden_stores"] >= u64(len(hidden)):
        hidden[0]["visible_cycles"] = ZERO
        _forget_visible(m)
    pe["adversary_random"] = next_random(pe["adversary_random"])
    store = hidden[np.int64(machine["hidden_stores"])]
    store["pa"], store["value"], store["pe"], store["own_visible"] = pa, value, u64(i), ZERO
    store["visible_cycles"] = pe["cycles"] + (pe["adversary_random"] >> _RANDOM_SHIFT) % (HIDDEN_MOST_CYCLES + ONE)
    machine["hidden_stores"] += ONE


@njit
def show_stores(m, i, only_own):  # type: ignore[no-untyped-def]
    """A DSB of PE i that covers stores: walks observe what it has stored; only its own, after a DSB of the non-shareable domain."""
    pe, hidden = pe_of(m, i), hidden_stores_of(m)
    if machine_of(m)["hidden_stores"] == ZERO:
        return
    for k in range(np.int64(machine_of(m)["hidden_stores"])):
        store = hidden[k]
        if store["pe"] == u64(i):
            store["own_visible"] = ONE
            if not only_own:
                store["visible_cycles"] = min(store["visible_cycles"], pe["cycles"])
    _forget_visible(m)


@njit
def _forget_visible(m):  # type: ignore[no-untyped-def]
    """Drop what every PE's walks observe by now, and earlier stores to the same descriptor with it."""
    machine, hidden, everybody = machine_of(m), hidden_stores_of(m), first_cycle(m)
    kept = 0
    count = np.int64(machine["hidden_stores"])
    for k in range(count):
        superseded = False
        for later in range(k, count):
            if hidden[later]["pa"] == hidden[k]["pa"] and hidden[later]["visible_cycles"] <= everybody:
                superseded = True
                break
        if superseded:
            continue
        if kept != k:
            to, source = hidden[kept], hidden[k]
            to["pa"], to["value"], to["pe"] = source["pa"], source["value"], source["pe"]
            to["own_visible"], to["visible_cycles"] = source["own_visible"], source["visible_cycles"]
        kept += 1
    machine["hidden_stores"] = u64(kept)
