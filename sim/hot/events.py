"""Emitting events into the ring, and the seeded random numbers of the model."""
import numpy as np
from numba import njit

from sim.state.handle import machine_of, pe_of, ring_of

u64 = np.uint64
ZERO, ONE = u64(0), u64(1)
INTERRUPTED = u64(1)                    # PE.limit_cycles: Python is to look, then the slice goes on as if nothing had happened
_ROOM = u64(4096)                       # a slice is interrupted when less than this is left


@njit
def emit(m, i, kind, aux, a, b, c):  # type: ignore[no-untyped-def]
    """Append one event of PE i at its present cycle. A nearly full ring interrupts the slice; a full one counts the loss."""
    emit_at(m, i, pe_of(m, i)["cycles"], kind, aux, a, b, c)


@njit
def emit_at(m, i, cycle, kind, aux, a, b, c):  # type: ignore[no-untyped-def]
    """`emit` with the cycle at which it happened: that of another PE, if it is its doing, or an earlier one that is only now noticed."""
    machine = machine_of(m)
    if (machine["event_mask"] >> u64(kind)) & ONE == ZERO:
        return
    head = machine["ring_head"]
    used = head - machine["ring_tail"]
    if used + _ROOM > machine["ring_mask"]:
        pe_of(m, i)["limit_cycles"] = min(pe_of(m, i)["limit_cycles"], INTERRUPTED)
        machine["stop_request"] = ONE
        if used > machine["ring_mask"]:
            machine["ring_lost"] += ONE
            return
    event = ring_of(m)[np.int64(head & machine["ring_mask"])]
    event["cycle"] = cycle
    event["pe"] = np.uint16(i)
    event["kind"] = np.uint16(kind)
    event["aux"] = np.uint32(aux)
    event["a"] = u64(a)
    event["b"] = u64(b)
    event["c"] = u64(c)
    machine["ring_head"] = head + ONE


@njit
def next_random(state):  # type: ignore[no-untyped-def]
    """One step of xorshift64 (Marsaglia 2003, "Xorshift RNGs", triple 13, 7, 17) from a non-zero 64-bit state."""
    state ^= state << u64(13)
    state ^= state >> u64(7)
    state ^= state << u64(17)
    return state
