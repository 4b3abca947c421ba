"""Interrupts that come from nowhere, again and again: SErrors and FIQ pulses at times drawn from a seed.

Each becomes pending half a period to one and a half periods after the one before did, evenly drawn. What is still pending then stays one
interrupt. A FIQ pulse is signalled beside what the GIC signals until a FIQ is taken, so that reading ICC_IAR0_EL1 may find nothing. The
numbers come from a word of their own (PE.injection_random): injecting changes no other choice that the model makes by its seed.
"""
import numpy as np
from numba import njit

from sim.arch.vectors import FIQ
from sim.hot.events import emit_at, next_random
from sim.state import dtypes
from sim.state.events import EVENT_INJECTED
from sim.state.handle import pe_of

u64 = np.uint64
ZERO, ONE = u64(0), u64(1)
NOWHERE = u64(dtypes.NOWHERE)
_RANDOM_SHIFT = u64(16)
_FIQ = u64(FIQ)


@njit(cache=True)
def next_due_cycles(m, i, period_cycles, now):  # type: ignore[no-untyped-def]
    """Cycle at which the next one is due at PE i, if one became pending at `now`; NOWHERE with a period of 0."""
    if period_cycles == ZERO:
        return NOWHERE
    pe = pe_of(m, i)
    pe["injection_random"] = next_random(pe["injection_random"])
    return now + (period_cycles >> ONE) + (pe["injection_random"] >> _RANDOM_SHIFT) % period_cycles


@njit
def note_pulse(m, i, now):  # type: ignore[no-untyped-def]
    """A FIQ pulse became due at PE i at cycle `now`: it is signalled from then on, until a FIQ is taken."""
    pe = pe_of(m, i)
    pe["fiq_pulse"] = ONE
    pe["fiq_pulse_due_cycles"] = max(next_due_cycles(m, i, pe["fiq_period_cycles"], now), now + ONE)
    emit_at(m, i, now, EVENT_INJECTED, _FIQ, ZERO, ZERO, ZERO)
