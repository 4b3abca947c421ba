"""The system counter and the conditions of each PE's two EL1 timers, from simulated time.

The counter has no state: count = cycles * count_numerator // count_denominator, so that every PE sees the count of its own
clock. Offsets (CNTVOFF) are zero, as without EL2. Source: DDI 0487 L.a, D12 (the Generic Timer).
"""
import numpy as np
from numba import njit

from sim.state import dtypes
from sim.state.handle import machine_of, pe_of

u64 = np.uint64
ZERO, ONE = u64(0), u64(1)
ALL_ONES = u64(0xFFFF_FFFF_FFFF_FFFF)
NOWHERE = u64(dtypes.NOWHERE)
PPI_VIRTUAL, PPI_PHYSICAL = u64(27), u64(30)        # as `virt` wires them; BSA recommends the same
LEVEL_VIRTUAL, LEVEL_PHYSICAL = u64(1 << 27), u64(1 << 30)
CTL_ENABLE, CTL_IMASK, CTL_ISTATUS = u64(1), u64(2), u64(4)
_CTL_SIGNALS = u64(3)                               # ENABLE and IMASK


@njit(cache=True)
def counter(m, cycles):  # type: ignore[no-untyped-def]
    """Count of the system counter at a cycle, modulo 2**64. count_numerator and count_denominator: 1..2**32-1."""
    machine = machine_of(m)
    numerator, denominator = machine["count_numerator"], machine["count_denominator"]
    whole = cycles // denominator
    return whole * numerator + (cycles - whole * denominator) * numerator // denominator


@njit(cache=True)
def cycles_of_count(m, count):  # type: ignore[no-untyped-def]
    """First cycle at which the counter has reached a count; NOWHERE if that is beyond 64-bit time."""
    machine = machine_of(m)
    numerator, denominator = machine["count_numerator"], machine["count_denominator"]
    whole = count // numerator
    rest = ((count - whole * numerator) * denominator + numerator - ONE) // numerator
    if whole > (NOWHERE - rest) // denominator:
        return NOWHERE
    return whole * denominator + rest


@njit
def condition_met(count, control, compare):  # type: ignore[no-untyped-def]
    """Whether a timer's ISTATUS is set: it is enabled and the count has reached the (unsigned) compare value."""
    return control & CTL_ENABLE != ZERO and count >= compare


@njit(cache=True)
def level(m, i, now):  # type: ignore[no-untyped-def]
    """Levels of the timer interrupts of PE i at a cycle: LEVEL_VIRTUAL | LEVEL_PHYSICAL, bit n for INTID n."""
    pe = pe_of(m, i)
    result = ZERO
    virtual, physical = pe["cntv_ctl"], pe["cntp_ctl"]
    if (virtual | physical) & CTL_ENABLE == ZERO:
        return result
    count = counter(m, now)
    if virtual & CTL_IMASK == ZERO and condition_met(count, virtual, pe["cntv_cval"]):
        result |= LEVEL_VIRTUAL
    if physical & CTL_IMASK == ZERO and condition_met(count, physical, pe["cntp_cval"]):
        result |= LEVEL_PHYSICAL
    return result


@njit
def due(m, control, compare):  # type: ignore[no-untyped-def]
    """First cycle at which a timer's interrupt is asserted, past or to come; NOWHERE if it is disabled or masked."""
    if control & _CTL_SIGNALS != CTL_ENABLE:
        return NOWHERE
    return cycles_of_count(m, compare)
