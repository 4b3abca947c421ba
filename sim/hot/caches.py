"""Tags of the data caches, for single instructions in cycle order: L1 of each PE, L2 of each group of PEs, system-level cache of each socket.

Only tags: the data are in RAM. A cache is sets of ways, the line that was used last first, so replacement is true LRU. L2 includes the L1 caches
above it. The system-level cache takes what comes from memory and what L2 evicts, and gives no line up when a PE takes it.
Not modelled: instruction caches, prefetching, banks, write-back traffic, the limited number of misses under way.
"""
import numpy as np
from numba import njit

from sim.state import dtypes
from sim.state.handle import l1_cache_of, l2_cache_of, lines_of, lines_touched_of, machine_of, pe_of, slc_of

u64, u32 = np.uint64, np.uint32
ZERO, ONE = u64(0), u64(1)
NO_LINE = u32(0)
SIX, LOW_SIX = u64(6), u64(63)
BYTE, OWNER_SHIFT = u64(0xFF), u64(8)
LINE_INVALID, LINE_SHARED = u64(dtypes.LINE_INVALID), u64(dtypes.LINE_SHARED)
PAGE_LINES_SHIFT = u64(6)               # 64 lines of 64 bytes in a page of 4096


@njit
def use(tags, first, ways, tag):  # type: ignore[no-untyped-def]
    """Make `tag` the last used of the set of `ways` tags that begins at `first`. Returns (whether it was there, the tag that it drove out)."""
    found = False
    position = first
    while position < first + ways - 1:
        if tags[position] == tag:
            found = True
            break
        position += 1
    driven_out = tags[position]
    if driven_out == tag:
        found = True
    while position > first:
        tags[position] = tags[position - 1]
        position -= 1
    tags[first] = tag
    return found, NO_LINE if found else driven_out


@njit
def drop(tags, first, ways, tag):  # type: ignore[no-untyped-def]
    """Take `tag` out of a set if it is there."""
    for position in range(first, first + ways):
        if tags[position] == tag:
            for k in range(position, first + ways - 1):
                tags[k] = tags[k + 1]
            tags[first + ways - 1] = NO_LINE
            return


@njit
def first_of_set(line, sets, ways):  # type: ignore[no-untyped-def]
    """Position of the first way of the set that a line belongs to."""
    return np.int64(line % sets * ways)


@njit
def look_up(m, i, line):  # type: ignore[no-untyped-def]
    """PE i accesses a line that it holds. Returns what that takes beyond an L1 hit, in cycles."""
    machine, pe = machine_of(m), pe_of(m, i)
    sets, ways = machine["l1_cache_sets"], machine["l1_cache_ways"]
    found, _ = use(l1_cache_of(m, i), first_of_set(line, sets, ways), np.int64(ways), u32(line + ONE))
    if found:
        return ZERO
    pe["n_l1_cache_misses"] += ONE
    keep_in_l2(m, i, line)
    return machine["latency_l2"]


@njit
def take_in(m, i, line):  # type: ignore[no-untyped-def]
    """A line has come to PE i: its L1 and L2 keep it."""
    machine, pe = machine_of(m), pe_of(m, i)
    sets, ways = machine["l1_cache_sets"], machine["l1_cache_ways"]
    use(l1_cache_of(m, i), first_of_set(line, sets, ways), np.int64(ways), u32(line + ONE))
    pe["n_l1_cache_misses"] += ONE
    pe["n_l2_cache_misses"] += ONE
    keep_in_l2(m, i, line)


@njit
def keep_in_l2(m, i, line):  # type: ignore[no-untyped-def]
    """Make a line the last used of its set of PE i's L2, which may evict another: that goes from the L1 caches above and is held by nobody here."""
    machine = machine_of(m)
    group, sets, ways = u64(i) // machine["l2_cache_pes"], machine["l2_cache_sets"], machine["l2_cache_ways"]
    _, evicted = use(l2_cache_of(m, np.int64(group)), first_of_set(line, sets, ways), np.int64(ways), u32(line + ONE))
    if evicted == NO_LINE:
        return
    victim = u64(evicted) - ONE
    record = lines_of(m)[np.int64(victim)]
    lines_touched_of(m)[np.int64(victim >> PAGE_LINES_SHIFT)] = np.uint8(1)
    holder = record["holder"]
    state, owner = holder & BYTE, holder >> OWNER_SHIFT & BYTE
    first_pe = group * machine["l2_cache_pes"]
    for j in range(np.int64(first_pe), np.int64(min(first_pe + machine["l2_cache_pes"], machine["pes"]))):
        drop_from_l1(m, j, victim)
        record["sharers"][j >> 6] &= ~(ONE << (u64(j) & LOW_SIX))
    if state > LINE_SHARED and owner // machine["l2_cache_pes"] == group:
        record["holder"] = LINE_INVALID
    if state == LINE_SHARED and record["sharers"][0] | record["sharers"][1] | record["sharers"][2] | record["sharers"][3] == ZERO:
        record["holder"] = LINE_INVALID
    keep_in_slc(m, i, victim)


@njit
def drop_from_l1(m, j, line):  # type: ignore[no-untyped-def]
    """PE j's L1 no longer has a line."""
    machine = machine_of(m)
    sets, ways = machine["l1_cache_sets"], machine["l1_cache_ways"]
    drop(l1_cache_of(m, j), first_of_set(line, sets, ways), np.int64(ways), u32(line + ONE))


@njit
def drop_from_l2(m, j, line):  # type: ignore[no-untyped-def]
    """The L2 of PE j's group no longer has a line."""
    machine = machine_of(m)
    group, sets, ways = u64(j) // machine["l2_cache_pes"], machine["l2_cache_sets"], machine["l2_cache_ways"]
    drop(l2_cache_of(m, np.int64(group)), first_of_set(line, sets, ways), np.int64(ways), u32(line + ONE))


@njit
def keep_in_slc(m, i, line):  # type: ignore[no-untyped-def]
    """Make a line the last used of its set of the system-level cache of PE i's socket. Returns whether it was there; False without such a cache."""
    machine = machine_of(m)
    sets, ways = machine["slc_sets"], machine["slc_ways"]
    if sets == ZERO:
        return False
    found, _ = use(slc_of(m, np.int64(u64(i) // machine["socket_pes"])), first_of_set(line, sets, ways), np.int64(ways), u32(line + ONE))
    return found
