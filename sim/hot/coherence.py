"""Cache coherence of data: where the copies of each line of RAM are, and what it costs to get one. A MESI directory with times; no data.

A request to a line begins when the one before it is done with the line (`busy_cycles`), so contenders queue up. What it takes:
* a line that another PE owns travels: by distance, same cluster, same socket or other socket (all as a read and as a write);
* a read of a line that others only read comes from the nearest of them, from the L2 that both share, or from the system-level cache;
  it keeps the next request waiting for `line_read` only;
* a write to a line that others read too makes theirs invalid, `line_invalidate`, besides the transfer if the PE did not have it;
* a line that nobody holds comes from the system-level cache or from memory.

A plain store waits in the store buffer and costs nothing until that is full, or until a barrier waits for it; a store-release is done after all
stores before it. An atomic takes the line as a write does, but the PE waits; without a result, and if the profile says far_atomics, it is done at
the home of a line that others hold, where the line then stays. A load exclusive is a read, its store an atomic (IHI 0050, "Exclusive accesses").
A PE whose line is on its way to another still has it until it leaves.

Charged to PE.cycles and PE.coherence_cycles. Not modelled: overlap of misses of one PE, limited bandwidth, snoop filters' capacity.
"""
import numpy as np
from numba import njit

from sim.hot.caches import drop_from_l1, drop_from_l2, keep_in_slc, look_up, take_in
from sim.state import dtypes
from sim.state.handle import lines_of, lines_touched_of, machine_of, pe_of, store_buffer_of

u64 = np.uint64
ZERO, ONE = u64(0), u64(1)
READ, WRITE, ATOMIC, ATOMIC_FAR = u64(0), u64(1), u64(2), u64(3)
RELEASE, KIND_MASK = u64(16), u64(15)   # with WRITE, ATOMIC or ATOMIC_FAR: after all stores before it
INVALID, SHARED, EXCLUSIVE, MODIFIED = (u64(state) for state in (
    dtypes.LINE_INVALID, dtypes.LINE_SHARED, dtypes.LINE_EXCLUSIVE, dtypes.LINE_MODIFIED))
NOBODY = np.int64(256)                  # a PE that there is not
BYTE, OWNER_SHIFT, BEFORE_SHIFT, BEFORE_MASK = u64(0xFF), u64(8), u64(16), u64(0x1FF)
LOW_SIX, SIXTY_FOUR, ALL_BITS = u64(63), u64(64), u64(0xFFFF_FFFF_FFFF_FFFF)
PAGE_LINES_SHIFT, LINE_SHIFT = u64(6), u64(6)
WITH_CACHES = u64(dtypes.COHERENCE_ALL)
_SHARER_WORDS = 4


@njit
def is_sharer(record, i):  # type: ignore[no-untyped-def]
    """Whether PE i has a copy of a line that is shared."""
    return record["sharers"][i >> 6] >> (u64(i) & LOW_SIX) & ONE != ZERO


@njit
def add_sharer(record, i):  # type: ignore[no-untyped-def]
    """PE i has a copy of a shared line."""
    record["sharers"][i >> 6] |= ONE << (u64(i) & LOW_SIX)


@njit
def is_shared_within(record, i, group_pes):  # type: ignore[no-untyped-def]
    """Whether any PE of i's group has a copy, groups being `group_pes` consecutive PEs each."""
    first = u64(i) // group_pes * group_pes
    last = first + group_pes - ONE
    for k in range(_SHARER_WORDS):
        low, high = u64(k) * SIXTY_FOUR, u64(k) * SIXTY_FOUR + LOW_SIX
        if first > high or last < low:
            continue
        bits = record["sharers"][k]
        if first > low:
            bits = bits >> (first - low) << (first - low)
        if last < high:
            bits = bits << (high - last)
        if bits != ZERO:
            return True
    return False


@njit
def distance(m, i, j):  # type: ignore[no-untyped-def]
    """Cycles that a line takes from one PE to another."""
    machine = machine_of(m)
    if u64(i) // machine["cluster_pes"] == u64(j) // machine["cluster_pes"]:
        return machine["line_same_cluster"]
    if u64(i) // machine["socket_pes"] == u64(j) // machine["socket_pes"]:
        return machine["line_same_socket"]
    return machine["line_other_socket"]


@njit
def _from_nearest(m, i, record):  # type: ignore[no-untyped-def]
    """Cycles until PE i has a copy of a line that other PEs share."""
    machine = machine_of(m)
    if machine["l2_cache_pes"] > ONE and is_shared_within(record, i, machine["l2_cache_pes"]):
        return machine["latency_l2"]
    if is_shared_within(record, i, machine["cluster_pes"]):
        cycles = machine["line_same_cluster"]
    elif is_shared_within(record, i, machine["socket_pes"]):
        cycles = machine["line_same_socket"]
    else:
        cycles = machine["line_other_socket"]
    if machine["slc_sets"] != ZERO:
        cycles = min(cycles, machine["latency_slc"])
    return cycles


@njit
def _from_memory(m, i, line):  # type: ignore[no-untyped-def]
    """Cycles until PE i has a line that nobody holds."""
    machine, pe = machine_of(m), pe_of(m, i)
    if machine["coherence"] != WITH_CACHES:                 # what an atomic left at its home
        return machine["latency_slc"] if machine["slc_sets"] != ZERO else machine["latency_memory"]
    if keep_in_slc(m, i, line):
        return machine["latency_slc"]
    pe["n_memory_reads"] += ONE
    return machine["latency_memory"]


@njit
def _source(m, i, line, record):  # type: ignore[no-untyped-def]
    """Cycles until PE i, which has no copy of a line, gets one."""
    holder = record["holder"]
    state = holder & BYTE
    if state == INVALID:
        return _from_memory(m, i, line)
    if state == SHARED:
        return _from_nearest(m, i, record)
    return distance(m, i, holder >> OWNER_SHIFT & BYTE)


@njit
def _invalidate_others(m, i, line, record):  # type: ignore[no-untyped-def]
    """Only PE i may keep a copy of a line. Returns whether another had one."""
    machine, holder, any_other = machine_of(m), record["holder"], False
    with_caches = machine["coherence"] == WITH_CACHES
    if holder & BYTE > SHARED:
        add_sharer(record, np.int64(holder >> OWNER_SHIFT & BYTE))
    if holder & BYTE != INVALID:
        for k in range(_SHARER_WORDS):
            others = record["sharers"][k]
            if np.int64(i) >> 6 == k:
                others &= ~(ONE << (u64(i) & LOW_SIX))
            if others == ZERO:
                continue
            any_other = True
            if with_caches:
                for bit in range(64):
                    if others >> u64(bit) & ONE != ZERO:
                        _drop(m, i, 64 * k + bit, line)
    for k in range(_SHARER_WORDS):
        record["sharers"][k] = ZERO
    return any_other


@njit
def _drop(m, i, j, line):  # type: ignore[no-untyped-def]
    """PE j loses its copy of a line to PE i; their common L2, if they have one, keeps it."""
    drop_from_l1(m, j, line)
    if u64(i) // machine_of(m)["l2_cache_pes"] != u64(j) // machine_of(m)["l2_cache_pes"]:
        drop_from_l2(m, j, line)


@njit
def wait_for_stores(pe):  # type: ignore[no-untyped-def]
    """A barrier: go on when all stores under way are done."""
    if pe["stores_done_cycles"] > pe["cycles"]:
        pe["coherence_cycles"] += pe["stores_done_cycles"] - pe["cycles"]
        pe["cycles"] = pe["stores_done_cycles"]


@njit
def _buffer(m, i, done):  # type: ignore[no-untyped-def]
    """A store that is done at `done` waits in the store buffer. Returns for how long PE i waits for a place there."""
    pe, buffer = pe_of(m, i), store_buffer_of(m, i)
    now, place = pe["cycles"], np.int64(pe["store_next"])
    if done <= now:
        return ZERO
    stall = ZERO
    if buffer[place] > now:
        stall = buffer[place] - now
    buffer[place] = done
    pe["store_next"] = u64(place + 1 if place + 1 < buffer.shape[0] else 0)
    pe["stores_done_cycles"] = max(pe["stores_done_cycles"], done)
    return stall


@njit
def _room(m, i):  # type: ignore[no-untyped-def]
    """When there is a place in PE i's store buffer."""
    return store_buffer_of(m, i)[np.int64(pe_of(m, i)["store_next"])]


@njit
def _own(record, i, state, before, begin, busy):  # type: ignore[no-untyped-def]
    """PE i is the one that holds a line from now on; `before`: the PE + 1 that still has it until `begin`."""
    record["holder"] = state | u64(i) << OWNER_SHIFT | before << BEFORE_SHIFT
    record["at_home"] = ZERO
    record["begin_cycles"] = begin
    record["busy_cycles"] = busy


@njit
def _read(m, i, line, record, kind):  # type: ignore[no-untyped-def]
    """A read of a line that PE i has no copy of. Returns its stall."""
    machine, pe = machine_of(m), pe_of(m, i)
    holder = record["holder"]
    state, owner = holder & BYTE, holder >> OWNER_SHIFT & BYTE
    begin = max(pe["cycles"], record["busy_cycles"])
    cycles = _source(m, i, line, record)
    if state == INVALID:
        _own(record, i, EXCLUSIVE, ZERO, begin, begin + machine["line_read"])
        record["sharers"][0] = record["sharers"][1] = record["sharers"][2] = record["sharers"][3] = ZERO
    else:
        if state > SHARED:
            add_sharer(record, np.int64(owner))
            pe["n_line_transfers"] += ONE
        record["busy_cycles"] = begin + (cycles if state > SHARED else machine["line_read"])
        record["holder"] = SHARED
        add_sharer(record, i)
    if machine["coherence"] == WITH_CACHES:
        take_in(m, i, line)
    return begin + cycles - pe["cycles"]


@njit
def _take(m, i, line, record, kind):  # type: ignore[no-untyped-def]
    """A line that PE i may not write yet becomes its own. Returns its stall."""
    machine, pe = machine_of(m), pe_of(m, i)
    holder = record["holder"]
    state, owner = holder & BYTE, holder >> OWNER_SHIFT & BYTE
    has_copy = state == SHARED and is_sharer(record, i)
    begin = max(pe["cycles"], record["busy_cycles"])
    if kind & RELEASE != ZERO:
        begin = max(begin, pe["stores_done_cycles"])
    plain = kind & KIND_MASK
    if plain == ATOMIC_FAR and (_invalidate_others(m, NOBODY, line, record) or record["at_home"] != ZERO):
        begin = max(begin, _room(m, i))
        done = begin + machine["line_far_atomic"]
        _own(record, 0, INVALID, ZERO, begin, done)
        record["at_home"] = ONE
        pe["n_far_atomics"] += ONE
        if machine["coherence"] == WITH_CACHES:
            keep_in_slc(m, i, line)
        return _buffer(m, i, done)
    if plain == WRITE:
        begin = max(begin, _room(m, i))
    cycles = ZERO if has_copy else _source(m, i, line, record)
    if state > SHARED:
        pe["n_line_transfers"] += ONE
    if _invalidate_others(m, i, line, record) and state == SHARED:
        cycles += machine["line_invalidate"]
        pe["n_invalidations"] += ONE
    done = begin + cycles
    _own(record, i, MODIFIED, owner + ONE if state > SHARED else ZERO, begin, done)
    if machine["coherence"] == WITH_CACHES:
        if has_copy:
            look_up(m, i, line)
        else:
            take_in(m, i, line)
    return _buffer(m, i, done) if plain == WRITE else done - pe["cycles"]


@njit
def request(m, i, line, kind):  # type: ignore[no-untyped-def]
    """PE i accesses a line of RAM at its present cycle. Returns for how many cycles it waits, beyond an L1 hit.

    line: number from the start of RAM.  kind: READ, WRITE, ATOMIC or ATOMIC_FAR (a result is not wanted), with RELEASE or not.
    """
    pe, machine, record = pe_of(m, i), machine_of(m), lines_of(m)[np.int64(line)]
    holder = record["holder"]
    mine = holder & BYTE > SHARED and holder >> OWNER_SHIFT & BYTE == u64(i)
    if mine or (kind == READ and holder & BYTE == SHARED and is_sharer(record, i)):
        if kind != READ:
            if holder & BYTE != MODIFIED:
                lines_touched_of(m)[np.int64(line >> PAGE_LINES_SHIFT)] = np.uint8(1)
                record["holder"] = holder | MODIFIED
            if kind & RELEASE != ZERO and pe["stores_done_cycles"] > pe["cycles"]:
                return _release(m, i, line, record, kind)
        if machine["coherence"] != WITH_CACHES:
            return ZERO
        cycles = look_up(m, i, line)
        return ZERO if kind & KIND_MASK == WRITE else cycles
    if holder >> BEFORE_SHIFT & BEFORE_MASK == u64(i) + ONE and pe["cycles"] < record["begin_cycles"]:
        return ZERO                                         # it has not left yet
    lines_touched_of(m)[np.int64(line >> PAGE_LINES_SHIFT)] = np.uint8(1)
    if kind == READ:
        return _read(m, i, line, record, kind)
    return _take(m, i, line, record, kind)


@njit
def _release(m, i, line, record, kind):  # type: ignore[no-untyped-def]
    """A store-release or an atomic with release to a line of PE i's own: after all stores under way, and others see it only then."""
    pe = pe_of(m, i)
    done = pe["stores_done_cycles"]
    lines_touched_of(m)[np.int64(line >> PAGE_LINES_SHIFT)] = np.uint8(1)
    record["busy_cycles"] = max(record["busy_cycles"], done)
    return _buffer(m, i, done) if kind & KIND_MASK == WRITE else done - pe["cycles"]


@njit(cache=True)
def access(m, i, offset, size, kind):  # type: ignore[no-untyped-def]
    """PE i accesses `size` bytes (at least 1) at `offset` in RAM: every line of it is requested, and the PE's clock goes on. Returns the stall."""
    pe = pe_of(m, i)
    line, last = offset >> LINE_SHIFT, (offset + size - ONE) >> LINE_SHIFT
    stalled = ZERO
    while line <= last:
        cycles = request(m, i, line, kind)
        pe["cycles"] += cycles
        stalled += cycles
        line += ONE
    pe["coherence_cycles"] += stalled
    return stalled
