"""Which PE runs next: a binary heap of all PEs, ordered by the cycle at which each next has something to do.

A running PE's key is its own clock; a waiting one's is the cycle at which something can wake it; a PE that is off, or that
nothing can wake, has the key NOWHERE. Equal keys are ordered by a seeded number, drawn anew whenever a key changes.
"""
import numpy as np
from numba import njit

from sim.hot.events import next_random
from sim.state import dtypes
from sim.state.handle import heap_key_of, heap_of, heap_position_of, heap_tie_of, machine_of, pe_of

u64 = np.uint64
ZERO, ONE, TWO = u64(0), u64(1), u64(2)
NOWHERE = u64(dtypes.NOWHERE)
STATUS_RUNNING, STATUS_WFI, STATUS_WFE = u64(dtypes.STATUS_RUNNING), u64(dtypes.STATUS_WFI), u64(dtypes.STATUS_WFE)


@njit
def _precedes(m, a, b):  # type: ignore[no-untyped-def]
    key = heap_key_of(m)
    if key[a] != key[b]:
        return key[a] < key[b]
    tie = heap_tie_of(m)
    if tie[a] != tie[b]:
        return tie[a] < tie[b]
    return a < b


@njit
def _sift(m, position):  # type: ignore[no-untyped-def]
    """Move the PE at a heap position up or down to where it belongs."""
    heap, place, count = heap_of(m), heap_position_of(m), np.int64(machine_of(m)["pes"])
    pe = np.int64(heap[position])
    while position > 0:
        parent = (position - 1) >> 1
        other = np.int64(heap[parent])
        if not _precedes(m, pe, other):
            break
        heap[position] = u64(other)
        place[other] = u64(position)
        position = parent
    while True:
        child = 2 * position + 1
        if child >= count:
            break
        if child + 1 < count and _precedes(m, np.int64(heap[child + 1]), np.int64(heap[child])):
            child += 1
        other = np.int64(heap[child])
        if not _precedes(m, other, pe):
            break
        heap[position] = u64(other)
        place[other] = u64(position)
        position = child
    heap[position] = u64(pe)
    place[pe] = u64(position)


@njit
def next_action_cycle(m, i):  # type: ignore[no-untyped-def]
    """Cycle at which PE i next has something to do, NOWHERE if never."""
    pe = pe_of(m, i)
    status = pe["status"]
    if status == STATUS_RUNNING:
        return pe["cycles"]
    if status == STATUS_WFE and pe["event_register"] != ZERO:
        return pe["cycles"]
    if status == STATUS_WFI or status == STATUS_WFE:
        due = min(pe["irq_due_cycles"], pe["serror_due_cycles"], pe["wake_cycles"])
        return max(due, pe["cycles"])
    return NOWHERE


@njit
def reschedule(m, i):  # type: ignore[no-untyped-def]
    """Recompute when PE i must next be looked at. Call after anything that changes its clock, status or pending interrupts."""
    machine = machine_of(m)
    heap_key_of(m)[i] = next_action_cycle(m, i)
    machine["random"] = next_random(machine["random"])
    heap_tie_of(m)[i] = machine["random"]
    _sift(m, np.int64(heap_position_of(m)[i]))


@njit(cache=True)
def rebuild(m):  # type: ignore[no-untyped-def]
    """Build the heap anew from every PE's state: at the start of a run and after Python has changed something."""
    machine = machine_of(m)
    count = np.int64(machine["pes"])
    heap, place = heap_of(m), heap_position_of(m)
    for i in range(count):
        heap_key_of(m)[i] = NOWHERE
        heap_tie_of(m)[i] = ZERO
        heap[i] = u64(i)
        place[i] = u64(i)
    for i in range(count):
        reschedule(m, i)


@njit
def first(m):  # type: ignore[no-untyped-def]
    """Number of the PE that is to run next."""
    return np.int64(heap_of(m)[0])


@njit
def second_key(m):  # type: ignore[no-untyped-def]
    """Cycle at which the PE after the first has something to do; NOWHERE if there is none."""
    heap, key, count = heap_of(m), heap_key_of(m), np.int64(machine_of(m)["pes"])
    result = NOWHERE
    if count > 1:
        result = key[np.int64(heap[1])]
    if count > 2:
        result = min(result, key[np.int64(heap[2])])
    return result
