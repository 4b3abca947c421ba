"""GICv3 CPU interface: the ICC_* system registers of a PE.

Interrupts are acknowledged and ended here, SGIs are sent from here. Every function acts at the PE's present cycle.
Source: IHI 0069 H, 4.1 (life cycle), 4.8 (prioritization), 12.2 (AArch64 system registers), 12.2.26 and around (SGI generation).
"""
import numpy as np
from numba import njit

from sim.arch.register_keys import encoding_key
from sim.hot.events import emit
from sim.hot.gic import (
    BPR0_MINIMUM,
    BPR1_MINIMUM,
    BPR_MAXIMUM,
    CTLR_CBPR,
    CTLR_EOIMODE,
    GROUP0,
    GROUP1,
    INTIDS,
    NO_BIT,
    PRIVATE,
    SPURIOUS,
    clock_for,
    fold,
    group_of,
    group_priority_mask,
    highest,
    lowest_bit,
    passes,
    priority_of,
    refresh,
    refresh_participants,
    running_priority,
    settle_spi,
    waiting_target,
)
from sim.hot.interconnect import at_distributor, leave_distributor, sgi_delay
from sim.state import events
from sim.state.handle import gic_of, machine_of, pe_of, spi_of

u64 = np.uint64
ZERO, ONE = u64(0), u64(1)
PMR = u64(encoding_key(3, 0, 4, 6, 0))
IAR0, EOIR0, HPPIR0 = u64(encoding_key(3, 0, 12, 8, 0)), u64(encoding_key(3, 0, 12, 8, 1)), u64(encoding_key(3, 0, 12, 8, 2))
BPR0, AP0R0, AP1R0 = u64(encoding_key(3, 0, 12, 8, 3)), u64(encoding_key(3, 0, 12, 8, 4)), u64(encoding_key(3, 0, 12, 9, 0))
DIR, RPR = u64(encoding_key(3, 0, 12, 11, 1)), u64(encoding_key(3, 0, 12, 11, 3))
SGI1R, ASGI1R, SGI0R = u64(encoding_key(3, 0, 12, 11, 5)), u64(encoding_key(3, 0, 12, 11, 6)), u64(encoding_key(3, 0, 12, 11, 7))
IAR1, EOIR1, HPPIR1 = u64(encoding_key(3, 0, 12, 12, 0)), u64(encoding_key(3, 0, 12, 12, 1)), u64(encoding_key(3, 0, 12, 12, 2))
BPR1, CTLR, SRE = u64(encoding_key(3, 0, 12, 12, 3)), u64(encoding_key(3, 0, 12, 12, 4)), u64(encoding_key(3, 0, 12, 12, 5))
IGRPEN0, IGRPEN1 = u64(encoding_key(3, 0, 12, 12, 6)), u64(encoding_key(3, 0, 12, 12, 7))

_CTLR_FIXED = u64(1 << 15 | 1 << 11 | 4 << 8)       # ICC_CTLR_EL1: A3V, 24-bit INTIDs, five bits of priority
_PMR_MASK, _PRIORITY_SHIFT = u64(0xF8), u64(3)
_LOW_HALF, _INTID_MASK = u64(0xFFFF_FFFF), u64(0xFF_FFFF)
_THREE_BITS, _FOUR_BITS, _BYTE = u64(7), u64(15), u64(0xFF)
_SGI_AFF1_SHIFT, _SGI_INTID_SHIFT, _SGI_AFF2_SHIFT, _SGI_AFF3_SHIFT = u64(16), u64(24), u64(32), u64(48)
_SGI_ALL_BUT_SELF = u64(1 << 40)
_NEAR_SHIFT = u64(4)                                # PEs with the same Aff1 differ in the low four bits of their number
_EVENT_SGI, _EVENT_ACKNOWLEDGED, _EVENT_ENDED = u64(events.EVENT_SGI), u64(events.EVENT_ACKNOWLEDGED), u64(events.EVENT_ENDED)


@njit(cache=True)
def is_icc(key):  # type: ignore[no-untyped-def]
    """Whether an encoding key names a register of the CPU interface."""
    return (key == PMR or (IAR0 <= key <= AP0R0) or key == AP1R0 or key == DIR or key == RPR or (SGI1R <= key <= SGI0R)
            or (IAR1 <= key <= IGRPEN1))


@njit(cache=True)
def icc_access_allowed(key, is_write):  # type: ignore[no-untyped-def]
    """Whether a register of the CPU interface can be read, or written; False is an UNDEFINED instruction.

    With five bits of priority ICC_AP0R1_EL1..AP1R3_EL1 do not exist.
    """
    if not is_icc(key):
        return False
    if key == IAR0 or key == IAR1 or key == HPPIR0 or key == HPPIR1 or key == RPR:
        return not is_write
    if key == EOIR0 or key == EOIR1 or key == DIR or (SGI1R <= key <= SGI0R):
        return bool(is_write)
    return True


@njit
def _highest_of_group(m, i, group):  # type: ignore[no-untyped-def]
    """INTID that ICC_HPPIR<group> shows: the highest-priority pending interrupt if it is of the group."""
    intid = highest(m, i, pe_of(m, i)["cycles"])
    if intid == SPURIOUS or group_of(m, i, intid) != group:
        return SPURIOUS
    return intid


@njit
def _acknowledge(m, i, group):  # type: ignore[no-untyped-def]
    """Read of ICC_IAR<group>: the interrupt becomes active and its group priority the running one; SPURIOUS if there is none to take."""
    fold(m, i, pe_of(m, i)["cycles"])
    intid = _highest_of_group(m, i, group)
    if intid == SPURIOUS or not passes(m, i, intid):
        return SPURIOUS
    g = gic_of(m, i)
    level = (priority_of(m, i, intid) & group_priority_mask(g, group)) >> _PRIORITY_SHIFT
    if group == GROUP0:
        g["active_priorities0"] |= ONE << level
    else:
        g["active_priorities"] |= ONE << level
    if intid < PRIVATE:
        g["active"] |= ONE << intid
        g["pending"] &= ~(ONE << intid)
    else:
        _take_spi(m, intid)
    emit(m, i, _EVENT_ACKNOWLEDGED, intid, ZERO, ZERO, ZERO)
    refresh(m, i)
    return intid


@njit
def _take_spi(m, intid):  # type: ignore[no-untyped-def]
    index = np.int64(intid - PRIVATE)
    before = waiting_target(m, index)
    spi = spi_of(m)[index]
    spi["active"], spi["pending"] = ONE, ZERO
    settle_spi(m, index, before)


@njit
def _deactivate(m, i, intid):  # type: ignore[no-untyped-def]
    if intid < PRIVATE:
        gic_of(m, i)["active"] &= ~(ONE << intid)
        return
    index = np.int64(intid - PRIVATE)
    before = waiting_target(m, index)
    spi_of(m)[index]["active"] = ZERO
    settle_spi(m, index, before)


@njit
def _end(m, i, group, value):  # type: ignore[no-untyped-def]
    """Write of ICC_EOIR<group>: drop the running priority and, with EOImode = 0, deactivate the INTID named.

    Nothing happens for an INTID that is not implemented (1023 among them), or if the running priority is not of the group.
    """
    intid = value & _INTID_MASK
    g = gic_of(m, i)
    lowest0, lowest1 = lowest_bit(g["active_priorities0"]), lowest_bit(g["active_priorities"])
    if intid >= INTIDS or min(lowest0, lowest1) == NO_BIT or (GROUP0 if lowest0 <= lowest1 else GROUP1) != group:
        return
    if group == GROUP0:
        g["active_priorities0"] &= ~(ONE << lowest0)
    else:
        g["active_priorities"] &= ~(ONE << lowest1)
    if g["icc_ctlr"] & CTLR_EOIMODE == ZERO:
        _deactivate(m, i, intid)
    emit(m, i, _EVENT_ENDED, intid, ZERO, ZERO, ZERO)
    refresh(m, i)


@njit
def _send(m, i, target, intid, group, begun):  # type: ignore[no-untyped-def]
    """The distributor turns to PE `target` at cycle `begun`, for an SGI of PE i: send it if it is of the group there."""
    pe, g = pe_of(m, i), gic_of(m, target)
    if (g["group"] >> intid) & ONE != group:
        return
    fold(m, target, clock_for(m, target))                   # one that has arrived is pending; this one comes after it
    dues = g["sgi_due_cycles"]
    due = min(dues[np.int64(intid)], begun + sgi_delay(m, i, target))
    dues[np.int64(intid)] = due
    pe["n_sgi_sent"] += ONE
    emit(m, i, _EVENT_SGI, intid, target, due, ZERO)
    refresh(m, target)


@njit
def _generate(m, i, value, group):  # type: ignore[no-untyped-def]
    """Write of ICC_SGI<n>R: send to a list of PEs of one Aff3.Aff2.Aff1, or to all but this one. RS is RES0: Aff0 is at most 15."""
    intid = (value >> _SGI_INTID_SHIFT) & _FOUR_BITS
    machine = machine_of(m)
    pes, each = machine["pes"], machine["sgi_per_target"]
    begun, count = at_distributor(m, pe_of(m, i)["cycles"]), ZERO
    if value & _SGI_ALL_BUT_SELF != ZERO:
        for j in range(np.int64(pes)):
            if u64(j) != i:
                _send(m, i, u64(j), intid, group, begun + each * count)
                count += ONE
        leave_distributor(m, begun, count)
        return
    if (value >> _SGI_AFF2_SHIFT) & _BYTE != ZERO or (value >> _SGI_AFF3_SHIFT) & _BYTE != ZERO:
        return
    first = ((value >> _SGI_AFF1_SHIFT) & _BYTE) << _NEAR_SHIFT
    for n in range(16):
        target = first + u64(n)
        if (value >> u64(n)) & ONE != ZERO and target < pes:
            _send(m, i, target, intid, group, begun + each * count)
            count += ONE
    leave_distributor(m, begun, count)


@njit
def _binary_point1(g):  # type: ignore[no-untyped-def]
    """ICC_BPR1_EL1 as read: one more than BPR0, at most 7, when CTLR.CBPR joins the two."""
    if g["icc_ctlr"] & CTLR_CBPR != ZERO:
        return min(g["bpr0"] + ONE, BPR_MAXIMUM)
    return g["bpr1"]


@njit(cache=True)
def icc_read(m, i, key):  # type: ignore[no-untyped-def]
    """Value of a CPU interface register that `icc_access_allowed` lets PE i read. Reading IAR acknowledges."""
    i = u64(i)
    g = gic_of(m, i)
    if key == IAR1:
        return _acknowledge(m, i, GROUP1)
    if key == IAR0:
        return _acknowledge(m, i, GROUP0)
    if key == HPPIR1:
        return _highest_of_group(m, i, GROUP1)
    if key == HPPIR0:
        return _highest_of_group(m, i, GROUP0)
    if key == PMR:
        return g["pmr"]
    if key == BPR0:
        return g["bpr0"]
    if key == BPR1:
        return _binary_point1(g)
    if key == RPR:
        return running_priority(g)
    if key == CTLR:
        return g["icc_ctlr"] | _CTLR_FIXED
    if key == SRE:
        return g["sre"]
    if key == IGRPEN0:
        return g["igrpen0"]
    if key == IGRPEN1:
        return g["igrpen1"]
    if key == AP0R0:
        return g["active_priorities0"]
    if key == AP1R0:
        return g["active_priorities"]
    return ZERO


@njit(cache=True)
def icc_write(m, i, key, value):  # type: ignore[no-untyped-def]
    """PE i writes a CPU interface register that `icc_access_allowed` lets it write."""
    i = u64(i)
    if key == EOIR1:
        _end(m, i, GROUP1, value)
    elif key == EOIR0:
        _end(m, i, GROUP0, value)
    elif key == DIR:
        _write_dir(m, i, value)
    elif key == SGI1R:
        _generate(m, i, value, GROUP1)
    elif key == SGI0R or key == ASGI1R:
        _generate(m, i, value, GROUP0)  # the "other" group 1 of ASGI1R is group 0 in a system with one security state
    elif key == IGRPEN0:
        gic_of(m, i)["igrpen0"] = value & ONE
        refresh_participants(m, i)
    elif key == IGRPEN1:
        gic_of(m, i)["igrpen1"] = value & ONE
        refresh_participants(m, i)
    else:
        _write_control(m, i, key, value)
        refresh(m, i)


@njit
def _write_dir(m, i, value):  # type: ignore[no-untyped-def]
    """Write of ICC_DIR: deactivate. Without EOImode = 1 nothing happens."""
    intid = value & _INTID_MASK
    if intid < INTIDS and gic_of(m, i)["icc_ctlr"] & CTLR_EOIMODE != ZERO:
        _deactivate(m, i, intid)
        refresh(m, i)


@njit
def _write_control(m, i, key, value):  # type: ignore[no-untyped-def]
    """Registers whose write only sets what priorities get through; SRE is RAO/WI."""
    g = gic_of(m, i)
    if key == PMR:
        g["pmr"] = value & _PMR_MASK
    elif key == BPR0:
        g["bpr0"] = max(value & _THREE_BITS, BPR0_MINIMUM)
    elif key == BPR1:
        if g["icc_ctlr"] & CTLR_CBPR == ZERO:
            g["bpr1"] = max(value & _THREE_BITS, BPR1_MINIMUM)
    elif key == CTLR:
        g["icc_ctlr"] = value & (CTLR_CBPR | CTLR_EOIMODE)
    elif key == AP0R0:
        g["active_priorities0"] = value & _LOW_HALF
    elif key == AP1R0:
        g["active_priorities"] = value & _LOW_HALF
