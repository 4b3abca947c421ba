"""Which PE runs next: a binary heap of all PEs, ordered by the cycle at which each next has something to do.

A running PE's key is its own clock; a waiting one's is the cycle at which something can wake it; a PE that is off, or that
nothing can wake, has the key NEVER. A heap word is cycle:tie:PE (48, 8 and 8 bits), so one comparison orders two PEs: equal cycles
by a number that follows from the seed, the PE and the cycle and from nothing else, equal numbers by the number of the PE. So the order
of two PEs does not depend on how often either was looked at.
"""
import numpy as np
from numba import njit

from sim.state import dtypes
from sim.state.handle import heap_of, heap_position_of, machine_of, pe_of

u64 = np.uint64
ZERO, ONE = u64(0), u64(1)
NOWHERE = u64(dtypes.NOWHERE)
PSTATE_A, PSTATE_IF = u64(1 << 8), u64(1 << 7 | 1 << 6)
STATUS_RUNNING, STATUS_WFI, STATUS_WFE = u64(dtypes.STATUS_RUNNING), u64(dtypes.STATUS_WFI), u64(dtypes.STATUS_WFE)
CYCLE_SHIFT, TIE_SHIFT, BYTE = u64(16), u64(8), u64(0xFF)
_LOW_HALF, _HALF_SHIFT, _MIX_SHIFT, _TIE_FROM = u64(0xFFFF_FFFF), u64(32), u64(15), u64(23)
_MIX_CYCLE, _MIX_PE, _MIX_AGAIN = u64(0x9E37_79B1), u64(0x85EB_CA77), u64(0xC2B2_AE3D)     # odd, about half of their bits set
NEVER = u64((1 << 48) - 1)              # the cycle of a PE that has nothing to do, ever: 2**48 cycles are a day at 3 GHz


@njit
def _sift(m, position, word):  # type: ignore[no-untyped-def]
    """Put a heap word where it belongs, beginning at a position that is free."""
    heap, place, count = heap_of(m), heap_position_of(m), np.int64(machine_of(m)["pes"])
    while position > 0:
        parent = (position - 1) >> 1
        other = heap[parent]
        if other < word:
            break
        heap[position] = other
        place[np.int64(other & BYTE)] = u64(position)
        position = parent
    child = 2 * position + 1
    while child < count:
        if child + 1 < count:
            child += np.int64(heap[child + 1] < heap[child])
        other = heap[child]
        if word < other:
            break
        heap[position] = other
        place[np.int64(other & BYTE)] = u64(position)
        position = child
        child = 2 * position + 1
    heap[position] = word
    place[np.int64(word & BYTE)] = u64(position)


@njit
def waiting_until(m, i):  # type: ignore[no-untyped-def]
    """Cycle at which PE i, which sleeps in a loop (`sim.hot.spin`), ends its last round before something is due at it."""
    pe, machine = pe_of(m, i), machine_of(m)
    due = min(pe["tlbi_due_cycles"], pe["serror_due_cycles"], pe["share_due_cycles"], machine["chunk_end_cycles"], machine["budget_cycles"])
    if pe["irq_due_cycles"] > pe["cycles"]:
        due = min(due, pe["irq_due_cycles"])
    if due <= pe["cycles"]:
        return pe["cycles"]
    return min(pe["cycles"] + (due - pe["cycles"]) // pe["spin_period_cycles"] * pe["spin_period_cycles"], NEVER)


@njit
def next_action_cycle(m, i):  # type: ignore[no-untyped-def]
    """Cycle at which PE i next has something to do, NEVER if nothing ever."""
    pe = pe_of(m, i)
    status = pe["status"]
    if status == STATUS_RUNNING:
        if pe["asleep"] != ZERO:
            return waiting_until(m, i)
        return pe["cycles"] if pe["held"] == ZERO else pe["block_key_cycles"]
    if status == STATUS_WFI or status == STATUS_WFE:
        due = pe["wake_cycles"]
        if status == STATUS_WFI or pe["wait_daif"] & PSTATE_A == ZERO:      # what is masked does not end WFE
            due = min(due, pe["serror_due_cycles"])
        if status == STATUS_WFI or pe["wait_daif"] & PSTATE_IF != PSTATE_IF:
            due = min(due, pe["irq_due_cycles"])
        return min(max(due, pe["cycles"]), NEVER)
    return NEVER


@njit
def word_of(m, i, cycle):  # type: ignore[no-untyped-def]
    """The heap word of PE i at a cycle. Products are of 32 bits each, so that nothing wraps."""
    mixed = ((cycle ^ machine_of(m)["random"]) & _LOW_HALF) * _MIX_CYCLE
    mixed = ((mixed ^ (mixed >> _HALF_SHIFT) ^ (cycle >> _HALF_SHIFT)) & _LOW_HALF) + u64(i) * _MIX_PE & _LOW_HALF
    mixed = ((mixed ^ (mixed >> _MIX_SHIFT)) & _LOW_HALF) * _MIX_AGAIN
    return (cycle << CYCLE_SHIFT) | ((mixed >> _TIE_FROM) & BYTE) << TIE_SHIFT | u64(i)


@njit
def reschedule(m, i):  # type: ignore[no-untyped-def]
    """Recompute when PE i must next be looked at. Call after anything that changes its clock, status or pending interrupts."""
    _sift(m, np.int64(heap_position_of(m)[i]), word_of(m, i, next_action_cycle(m, i)))


@njit(cache=True)
def rebuild(m):  # type: ignore[no-untyped-def]
    """Build the heap anew from every PE's state: at the start of a run and after Python has changed something."""
    count = np.int64(machine_of(m)["pes"])
    heap, place = heap_of(m), heap_position_of(m)
    for i in range(count):
        heap[i] = (NEVER << CYCLE_SHIFT) | (BYTE << TIE_SHIFT) | u64(i)
        place[i] = u64(i)
    for i in range(count):
        reschedule(m, i)


@njit
def first(m):  # type: ignore[no-untyped-def]
    """Number of the PE that is to run next."""
    return np.int64(heap_of(m)[0] & BYTE)


@njit
def first_cycle(m):  # type: ignore[no-untyped-def]
    """Cycle at which it has something to do; NEVER if none ever has."""
    return heap_of(m)[0] >> CYCLE_SHIFT


@njit
def second_cycle(m):  # type: ignore[no-untyped-def]
    """Cycle at which the PE after the first has something to do; NEVER if there is none."""
    heap, count = heap_of(m), np.int64(machine_of(m)["pes"])
    if count == 1:
        return NEVER
    result = heap[1]
    if count > 2:
        result = min(result, heap[2])
    return result >> CYCLE_SHIFT
