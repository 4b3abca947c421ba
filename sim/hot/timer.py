"""The generic timer's registers: counters, and the EL1 virtual and physical timers (PPIs 27 and 30).

All times come from the PE's own cycle count through `sim.hot.counter`. CNTKCTL_EL1 and its EL0 controls are checked before these
functions are called. Not modelled: the event stream (CNTKCTL_EL1.EVNTEN), self-synchronised views, offsets.
Source: DDI 0487 L.a, D12.2 (counters and timers), D24.10 (registers).
"""
import numpy as np
from numba import njit

from sim.arch.register_keys import encoding_key
from sim.hot import counter as _counter
from sim.hot.counter import CTL_ENABLE, CTL_IMASK, CTL_ISTATUS, condition_met, counter, cycles_of_count, due, level
from sim.hot.gic import fold, refresh
from sim.state.handle import gic_of, machine_of, pe_of

__all__ = ["counter", "cycles_of_count", "is_timer", "level", "reset_timers", "timer_read", "timer_write"]

u64 = np.uint64
ZERO, ONE = u64(0), u64(1)
NOWHERE = _counter.NOWHERE
CNTFRQ = u64(encoding_key(3, 3, 14, 0, 0))
CNTPCT, CNTVCT = u64(encoding_key(3, 3, 14, 0, 1)), u64(encoding_key(3, 3, 14, 0, 2))
CNTP_TVAL, CNTP_CTL, CNTP_CVAL = u64(encoding_key(3, 3, 14, 2, 0)), u64(encoding_key(3, 3, 14, 2, 1)), u64(encoding_key(3, 3, 14, 2, 2))
CNTV_TVAL, CNTV_CTL, CNTV_CVAL = u64(encoding_key(3, 3, 14, 3, 0)), u64(encoding_key(3, 3, 14, 3, 1)), u64(encoding_key(3, 3, 14, 3, 2))
_LOW_HALF, _HIGH_HALF, _SIGN = u64(0xFFFF_FFFF), u64(0xFFFF_FFFF_0000_0000), u64(1 << 31)
_WRITABLE_CTL = CTL_ENABLE | CTL_IMASK


@njit(cache=True)
def is_timer(key):  # type: ignore[no-untyped-def]
    """Whether an encoding key names a register of this module."""
    return (CNTFRQ <= key <= CNTVCT) or (CNTP_TVAL <= key <= CNTP_CVAL) or (CNTV_TVAL <= key <= CNTV_CVAL)


@njit
def _control(count, control, compare):  # type: ignore[no-untyped-def]
    if condition_met(count, control, compare):
        return control | CTL_ISTATUS
    return control


@njit
def _difference(a, b):  # type: ignore[no-untyped-def]
    """Low 32 bits of a - b. The borrow is added first, so that nothing wraps."""
    return ((a & _LOW_HALF) + _LOW_HALF + ONE - (b & _LOW_HALF)) & _LOW_HALF


@njit(cache=True)
def timer_read(m, i, key):  # type: ignore[no-untyped-def]
    """Value of a timer register as PE i reads it at its present cycle; TVAL is the low 32 bits of CVAL - count."""
    pe = pe_of(m, i)
    count = counter(m, pe["cycles"])
    if key == CNTVCT or key == CNTPCT:
        return count
    if key == CNTFRQ:
        return machine_of(m)["cntfrq"]
    if key == CNTV_CTL:
        return _control(count, pe["cntv_ctl"], pe["cntv_cval"])
    if key == CNTP_CTL:
        return _control(count, pe["cntp_ctl"], pe["cntp_cval"])
    if key == CNTV_CVAL:
        return pe["cntv_cval"]
    if key == CNTP_CVAL:
        return pe["cntp_cval"]
    if key == CNTV_TVAL:
        return _difference(pe["cntv_cval"], count)
    return _difference(pe["cntp_cval"], count)


@njit
def _compare_of(count, value):  # type: ignore[no-untyped-def]
    """CVAL that a write of TVAL sets: count + the sign-extended low 32 bits of the value, modulo 2**64."""
    offset = value & _LOW_HALF
    if offset & _SIGN != ZERO:
        offset |= _HIGH_HALF
    low = (count & _LOW_HALF) + (offset & _LOW_HALF)
    high = (count >> u64(32)) + (offset >> u64(32)) + (low >> u64(32))
    return ((high & _LOW_HALF) << u64(32)) | (low & _LOW_HALF)


@njit(cache=True)
def timer_write(m, i, key, value):  # type: ignore[no-untyped-def]
    """PE i writes a timer register at its present cycle. A write of CNTFRQ changes what it reads, and nothing else."""
    i = u64(i)
    pe = pe_of(m, i)
    count = counter(m, pe["cycles"])
    fold(m, i, pe["cycles"])                                # an interrupt that was asserted before this write was asserted
    gic_of(m, i)["timers_written_cycles"] = pe["cycles"]
    if key == CNTV_CTL:
        pe["cntv_ctl"] = value & _WRITABLE_CTL
    elif key == CNTP_CTL:
        pe["cntp_ctl"] = value & _WRITABLE_CTL
    elif key == CNTV_CVAL:
        pe["cntv_cval"] = value
    elif key == CNTP_CVAL:
        pe["cntp_cval"] = value
    elif key == CNTV_TVAL:
        pe["cntv_cval"] = _compare_of(count, value)
    elif key == CNTP_TVAL:
        pe["cntp_cval"] = _compare_of(count, value)
    else:
        if key == CNTFRQ:
            machine_of(m)["cntfrq"] = value & _LOW_HALF
        return
    _settle(m, i)


@njit
def _settle(m, i):  # type: ignore[no-untyped-def]
    """After a change: when the first of the two interrupts is asserted (a cycle in the past: it is), and what the GIC makes of it."""
    pe = pe_of(m, i)
    pe["timer_due_cycles"] = min(due(m, pe["cntv_ctl"], pe["cntv_cval"]), due(m, pe["cntp_ctl"], pe["cntp_cval"]))
    refresh(m, i)


@njit(cache=True)
def reset_timers(m, i):  # type: ignore[no-untyped-def]
    """Reset the timers of PE i: disabled, compare values zero."""
    i = u64(i)
    pe = pe_of(m, i)
    pe["cntv_ctl"], pe["cntv_cval"], pe["cntp_ctl"], pe["cntp_cval"] = ZERO, ZERO, ZERO, ZERO
    _settle(m, i)
