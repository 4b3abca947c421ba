"""GICv3: what is pending, what is signalled to a PE and when that may next change.

One security state (GICD_CTLR.DS = 1), affinity routing, no LPIs. Group 0 is signalled as FIQ, group 1 as IRQ. The CPU interface
implements five bits of priority, the distributor keeps all eight, as QEMU's does. State is pulled: whoever changes something calls
`refresh` for the PEs affected, and the run loop asks `signalled` once PE.irq_due_cycles is reached.

Not modelled: LPIs, ITS, message-based SPIs, the second security state, extended INTIDs, ProcessorSleep withholding an interrupt
routed to that PE (QEMU delivers it too; 1-of-N distribution does leave sleeping PEs out).
Source: IHI 0069 H, 4.1 (life cycle), 4.7 (PE interface groups), 4.8 (prioritization), 12.9 and 12.11 (reset values).
"""
import numpy as np
from numba import njit

from sim.hot import counter
from sim.hot.events import emit_at
from sim.hot.injection import note_pulse
from sim.hot.schedule import reschedule
from sim.state import dtypes, events
from sim.state.handle import gic_of, machine_of, pe_of, spi_of

u64 = np.uint64
ZERO, ONE, TWO = u64(0), u64(1), u64(2)
NOWHERE = u64(dtypes.NOWHERE)
SIGNAL_NONE, SIGNAL_IRQ, SIGNAL_FIQ = u64(0), u64(1), u64(2)

PRIVATE = u64(32)                       # INTIDs 0..31 are banked for each PE: SGIs 0..15, PPIs 16..31
INTIDS = u64(32 + dtypes.SPI_COUNT)     # first INTID that is not implemented
SPURIOUS = u64(1023)
IDLE_PRIORITY = u64(0xFF)
BPR0_MINIMUM, BPR1_MINIMUM, BPR_MAXIMUM = u64(2), u64(3), u64(7)    # five bits of priority
CTLR_CBPR, CTLR_EOIMODE = u64(1), u64(2)                            # ICC_CTLR_EL1
SRE_RESET = u64(7)                                                  # ICC_SRE_EL1: SRE, DFB, DIB are RAO/WI
PROCESSOR_SLEEP, WAKER_RESET = u64(2), u64(6)                       # GICR_WAKER: ProcessorSleep and ChildrenAsleep
GROUP0, GROUP1 = u64(0), u64(1)
_BYTE = u64(0xFF)
_LOW_HALF = u64(0xFFFF_FFFF)
_EDGE_SGIS = u64(0xAAAA_AAAA)           # SGIs are edge-triggered; two bits of configuration each
_SIXTEEN = u64(16)
NO_BIT = u64(32)                        # what `lowest_bit` finds in zero
_ROUTE_ANY, _ROUTE_AFFINITY = u64(1 << 31), u64(0xFF_00FF_FFFF)
_AFF0_MASK, _AFF1_SHIFT, _AFF1_TO_PE = u64(0xFF), u64(8), u64(4)
_EVENT_TIMER = u64(events.EVENT_TIMER)


@njit
def edge_triggered(g, intid):  # type: ignore[no-untyped-def]
    """Whether a PPI of a GIC_PE record is configured as edge-triggered."""
    return (g["configuration1"] >> ((intid - _SIXTEEN) * TWO + ONE)) & ONE != ZERO


@njit
def _levels_that_pend(g, levels):  # type: ignore[no-untyped-def]
    """Which of the asserted PPIs are pending because they are asserted: the level-sensitive ones."""
    if edge_triggered(g, counter.PPI_VIRTUAL):
        levels &= ~counter.LEVEL_VIRTUAL
    if edge_triggered(g, counter.PPI_PHYSICAL):
        levels &= ~counter.LEVEL_PHYSICAL
    return levels


@njit
def arrived(g, now):  # type: ignore[no-untyped-def]
    """SGIs that have arrived by a cycle but are not yet in `pending`, bit n for INTID n."""
    result = ZERO
    due = g["sgi_due_cycles"]
    for n in range(16):
        if due[n] <= now and due[n] != NOWHERE:
            result |= ONE << u64(n)
    return result


@njit
def pending_at(m, i, now):  # type: ignore[no-untyped-def]
    """Private interrupts of PE i that are pending at a cycle, bit n for INTID n. Changes nothing."""
    g = gic_of(m, i)
    return g["pending"] | arrived(g, now) | _levels_that_pend(g, counter.level(m, i, now))


@njit
def fold(m, i, now):  # type: ignore[no-untyped-def]
    """Take what has happened to PE i by a cycle into its state: SGIs that have arrived, timers that have come to their compare value."""
    g = gic_of(m, i)
    due = g["sgi_due_cycles"]
    for n in range(16):
        if due[n] <= now and due[n] != NOWHERE:
            g["pending"] |= ONE << u64(n)
            due[n] = NOWHERE
    levels = counter.level(m, i, now)
    rising = levels & ~g["level"]
    if rising != ZERO:
        pe = pe_of(m, i)
        g["pending"] |= rising & ~_levels_that_pend(g, rising)
        if rising & counter.LEVEL_VIRTUAL != ZERO:
            rose = max(counter.due(m, pe["cntv_ctl"], pe["cntv_cval"]), g["timers_written_cycles"])
            emit_at(m, i, rose, _EVENT_TIMER, counter.PPI_VIRTUAL, pe["cntv_cval"], ZERO, ZERO)
        if rising & counter.LEVEL_PHYSICAL != ZERO:
            rose = max(counter.due(m, pe["cntp_ctl"], pe["cntp_cval"]), g["timers_written_cycles"])
            emit_at(m, i, rose, _EVENT_TIMER, counter.PPI_PHYSICAL, pe["cntp_cval"], ZERO, ZERO)
    g["level"] = levels


@njit
def pe_of_affinity(m, affinity):  # type: ignore[no-untyped-def]
    """Number of the PE with an affinity (Aff3 in [39:32], Aff2 to Aff0 in [23:0]), NOWHERE if there is none: Aff1 * 16 + Aff0."""
    low = affinity & _AFF0_MASK
    number = ((affinity >> _AFF1_SHIFT) << _AFF1_TO_PE) | low
    if low >= _SIXTEEN or number >= machine_of(m)["pes"]:
        return NOWHERE
    return number


@njit
def spi_target(m, spi):  # type: ignore[no-untyped-def]
    """PE that an SPI (a GIC_SPI record) goes to, NOWHERE if none: IROUTER's, or the lowest-numbered that takes part in 1 of N."""
    if spi["route"] & _ROUTE_ANY == ZERO:
        return pe_of_affinity(m, spi["route"] & _ROUTE_AFFINITY)
    for j in range(np.int64(machine_of(m)["pes"])):
        g = gic_of(m, j)
        enabled = g["igrpen0"] if spi["group"] == GROUP0 else g["igrpen1"]
        if enabled != ZERO and g["waker"] & PROCESSOR_SLEEP == ZERO:
            return u64(j)
    return NOWHERE


@njit
def spi_pending(spi):  # type: ignore[no-untyped-def]
    """Whether an SPI is pending: latched, or level-sensitive and asserted."""
    return spi["pending"] != ZERO or (spi["level"] != ZERO and spi["configuration"] & TWO == ZERO)


@njit
def spi_waits(spi):  # type: ignore[no-untyped-def]
    """Whether an SPI waits to be taken: enabled, pending and not active."""
    return spi["enabled"] != ZERO and spi["active"] == ZERO and spi_pending(spi)


@njit
def _group_enabled(m, i, group):  # type: ignore[no-untyped-def]
    """Whether both the distributor and PE i's CPU interface have a group enabled."""
    g = gic_of(m, i)
    own = g["igrpen0"] if group == GROUP0 else g["igrpen1"]
    return own != ZERO and (machine_of(m)["gicd_ctlr"] >> group) & ONE != ZERO


@njit
def group_of(m, i, intid):  # type: ignore[no-untyped-def]
    """Group, 0 or 1, of an implemented INTID as PE i sees it."""
    if intid < PRIVATE:
        return (gic_of(m, i)["group"] >> intid) & ONE
    return spi_of(m)[np.int64(intid - PRIVATE)]["group"]


@njit
def priority_of(m, i, intid):  # type: ignore[no-untyped-def]
    """Priority 0..255, 0 the highest, of an implemented INTID as PE i sees it."""
    if intid < PRIVATE:
        return u64(gic_of(m, i)["priority"][np.int64(intid)])
    return spi_of(m)[np.int64(intid - PRIVATE)]["priority"]


@njit
def _candidates(m, i):  # type: ignore[no-untyped-def]
    """Private INTIDs of PE i that would be forwarded once pending: enabled, not active, group enabled."""
    g = gic_of(m, i)
    groups = ZERO
    if _group_enabled(m, i, GROUP0):
        groups |= ~g["group"]
    if _group_enabled(m, i, GROUP1):
        groups |= g["group"]
    return g["enabled"] & ~g["active"] & groups & _LOW_HALF


@njit
def highest(m, i, now):  # type: ignore[no-untyped-def]
    """INTID of the highest-priority pending interrupt of PE i in an enabled group at a cycle, SPURIOUS if none; ties: the lowest INTID.

    Ignores PMR and the running priority, as ICC_HPPIR does.
    """
    best, best_priority = SPURIOUS, u64(0x100)
    private = pending_at(m, i, now) & _candidates(m, i)
    if private != ZERO:
        priorities = gic_of(m, i)["priority"]
        for n in range(32):
            if (private >> u64(n)) & ONE != ZERO and u64(priorities[n]) < best_priority:
                best, best_priority = u64(n), u64(priorities[n])
    if machine_of(m)["spi_pending"] != ZERO:
        spis = spi_of(m)
        for n in range(len(spis)):
            spi = spis[n]
            if spi_waits(spi) and spi["priority"] < best_priority and _group_enabled(m, i, spi["group"]) and spi_target(m, spi) == u64(i):
                best, best_priority = u64(n) + PRIVATE, spi["priority"]
    return best


@njit
def lowest_bit(bits):  # type: ignore[no-untyped-def]
    """Number of the lowest bit set of a 32-bit value, NO_BIT if none."""
    for n in range(32):
        if (bits >> u64(n)) & ONE != ZERO:
            return u64(n)
    return NO_BIT


@njit
def running_priority(g):  # type: ignore[no-untyped-def]
    """Running priority of a GIC_PE record: the highest active group priority, IDLE_PRIORITY if none."""
    number = lowest_bit(g["active_priorities"] | g["active_priorities0"])
    if number == NO_BIT:
        return IDLE_PRIORITY
    return number << u64(3)


@njit
def group_priority_mask(g, group):  # type: ignore[no-untyped-def]
    """Bits of a priority that are group priority, by the group's binary point: [7:BPR1] for group 1, [7:BPR0+1] for group 0."""
    if group == GROUP1 and g["icc_ctlr"] & CTLR_CBPR == ZERO:
        return (_BYTE << g["bpr1"]) & _BYTE
    return (_BYTE << (g["bpr0"] + ONE)) & _BYTE


@njit
def passes(m, i, intid):  # type: ignore[no-untyped-def]
    """Whether an interrupt, were it the highest pending one, gets past PE i's priority mask and preempts what is running."""
    g = gic_of(m, i)
    priority = priority_of(m, i, intid)
    if priority >= g["pmr"]:
        return False
    running = running_priority(g)
    mask = group_priority_mask(g, group_of(m, i, intid))
    return running == IDLE_PRIORITY or priority & mask < running & mask


@njit(cache=True)
def lines(m, i, now):  # type: ignore[no-untyped-def]
    """Both interrupt lines of PE i at a cycle, whatever PSTATE masks: SIGNAL_IRQ | SIGNAL_FIQ. What is injected comes on top of the GIC's."""
    i = u64(i)
    fold(m, i, now)
    pe = pe_of(m, i)
    while pe["fiq_pulse_due_cycles"] <= now:
        note_pulse(m, i, pe["fiq_pulse_due_cycles"])
    result = SIGNAL_NONE
    if pe["irq_injected"] != ZERO:
        result |= SIGNAL_IRQ
    if pe["fiq_injected"] | pe["fiq_pulse"] != ZERO:
        result |= SIGNAL_FIQ
    intid = highest(m, i, now)
    if intid != SPURIOUS and passes(m, i, intid):
        result |= SIGNAL_FIQ if group_of(m, i, intid) == GROUP0 else SIGNAL_IRQ
    return result


@njit(cache=True)
def signalled(m, i, now):  # type: ignore[no-untyped-def]
    """What is signalled to PE i at a cycle, whatever PSTATE masks: SIGNAL_NONE, SIGNAL_IRQ or SIGNAL_FIQ.

    With both lines injected the FIQ is named; `lines` has both.
    """
    result = lines(m, i, now)
    if result & SIGNAL_FIQ != ZERO:
        return SIGNAL_FIQ
    return result


@njit
def clock_for(m, i):  # type: ignore[no-untyped-def]
    """Cycle as of which PE i's interrupts are looked at: its own, but the acting PE's if another one has just changed something.

    The clock of a PE that is not acting depends on how far it was allowed to run; nothing of the model may.
    """
    acting = machine_of(m)["acting"]
    return pe_of(m, i if acting == ZERO else acting - ONE)["cycles"]


@njit(cache=True)
def next_due(m, i):  # type: ignore[no-untyped-def]
    """Earliest cycle from which `signalled` may give something for PE i if nothing else changes; `clock_for` it if it does by then.

    NOWHERE if nothing is on its way. An interrupt that is disabled, masked by PMR or not preempting is not on its way.
    """
    i = u64(i)
    pe, g = pe_of(m, i), gic_of(m, i)
    now = clock_for(m, i)
    if lines(m, i, now) != SIGNAL_NONE:
        return now
    soonest = pe["fiq_pulse_due_cycles"]
    candidates = _candidates(m, i)
    due = g["sgi_due_cycles"]
    for n in range(16):
        if due[n] < soonest and (candidates >> u64(n)) & ONE != ZERO and passes(m, i, u64(n)):
            soonest = due[n]
    if candidates & ~g["level"] & counter.LEVEL_VIRTUAL != ZERO and passes(m, i, counter.PPI_VIRTUAL):
        soonest = min(soonest, counter.due(m, pe["cntv_ctl"], pe["cntv_cval"]))
    if candidates & ~g["level"] & counter.LEVEL_PHYSICAL != ZERO and passes(m, i, counter.PPI_PHYSICAL):
        soonest = min(soonest, counter.due(m, pe["cntp_ctl"], pe["cntp_cval"]))
    return soonest


@njit(cache=True)
def refresh(m, i):  # type: ignore[no-untyped-def]
    """Recompute when PE i may next be signalled an interrupt, and when it must next be looked at. Call after every change of state.

    What another PE does is signalled to it MACHINE.lookahead_cycles later at the soonest: that far it may have run already.
    """
    i = u64(i)
    pe, machine = pe_of(m, i), machine_of(m)
    due = next_due(m, i)
    if machine["acting"] != ZERO and machine["acting"] != i + ONE:
        due = max(due, min(pe["irq_due_cycles"], clock_for(m, i) + machine["lookahead_cycles"]))
    pe["irq_due_cycles"] = due
    reschedule(m, i)


@njit
def refresh_all(m):  # type: ignore[no-untyped-def]
    """`refresh` every PE: the distributor's control changed, or who takes part in 1 of N."""
    for j in range(np.int64(machine_of(m)["pes"])):
        refresh(m, u64(j))


@njit
def refresh_participants(m, i):  # type: ignore[no-untyped-def]
    """`refresh` PE i after it began or ceased to take part in 1 of N, and everybody else if an SPI waits."""
    if machine_of(m)["spi_pending"] != ZERO:
        refresh_all(m)
    else:
        refresh(m, i)


@njit
def waiting_target(m, index):  # type: ignore[no-untyped-def]
    """PE that SPI 32 + index waits for, NOWHERE if it does not wait or goes to none."""
    spi = spi_of(m)[index]
    if spi_waits(spi):
        return spi_target(m, spi)
    return NOWHERE


@njit
def settle_spi(m, index, target_before):  # type: ignore[no-untyped-def]
    """Settle after a change of SPI 32 + index, given the PE that it waited for before: count those that wait, refresh both PEs."""
    waiting = ZERO
    spis = spi_of(m)
    for n in range(len(spis)):
        if spi_waits(spis[n]):
            waiting += ONE
    machine_of(m)["spi_pending"] = waiting
    target = waiting_target(m, index)
    if target_before != NOWHERE and target_before != target:
        refresh(m, target_before)
    if target != NOWHERE:
        refresh(m, target)


@njit(cache=True)
def set_spi_level(m, intid, level):  # type: ignore[no-untyped-def]
    """Drive the wire of SPI `intid` (32..INTIDS-1) to a level, 0 or 1; a rising edge pends an edge-triggered one."""
    index = np.int64(intid - PRIVATE)
    spi = spi_of(m)[index]
    before = waiting_target(m, index)
    if level != ZERO and spi["level"] == ZERO and spi["configuration"] & TWO != ZERO:
        spi["pending"] = ONE
    spi["level"] = level
    settle_spi(m, index, before)


@njit
def clear_cpu_interface(g):  # type: ignore[no-untyped-def]
    """Reset values of the ICC registers of a GIC_PE record."""
    g["pmr"], g["bpr0"], g["bpr1"] = ZERO, BPR0_MINIMUM, BPR1_MINIMUM
    g["icc_ctlr"], g["sre"], g["igrpen0"], g["igrpen1"] = ZERO, SRE_RESET, ZERO, ZERO
    g["active_priorities"], g["active_priorities0"] = ZERO, ZERO


@njit(cache=True)
def reset_cpu_interface(m, i):  # type: ignore[no-untyped-def]
    """Reset the CPU interface of PE i, as a warm reset of the PE does. Its redistributor and the distributor keep their state."""
    i = u64(i)
    clear_cpu_interface(gic_of(m, i))
    refresh_participants(m, i)


@njit
def _clear_redistributor(g):  # type: ignore[no-untyped-def]
    g["enabled"], g["group"], g["pending"], g["active"], g["level"] = ZERO, ZERO, ZERO, ZERO, ZERO
    g["configuration0"], g["configuration1"] = _EDGE_SGIS, ZERO
    g["waker"], g["ctlr"], g["timers_written_cycles"] = WAKER_RESET, ZERO, ZERO
    priority, due = g["priority"], g["sgi_due_cycles"]
    for n in range(32):
        priority[n] = np.uint8(0)
    for n in range(16):
        due[n] = NOWHERE


@njit(cache=True)
def reset(m):  # type: ignore[no-untyped-def]
    """Reset the distributor, every redistributor and every CPU interface. The caller rebuilds the schedule afterwards."""
    machine = machine_of(m)
    machine["gicd_ctlr"], machine["spi_pending"] = ZERO, ZERO
    spis = spi_of(m)
    for n in range(len(spis)):
        spi = spis[n]
        spi["enabled"], spi["group"], spi["pending"], spi["active"], spi["level"] = ZERO, ZERO, ZERO, ZERO, ZERO
        spi["configuration"], spi["priority"], spi["route"] = ZERO, ZERO, ZERO
    for i in range(np.int64(machine["pes"])):
        g = gic_of(m, i)
        _clear_redistributor(g)
        clear_cpu_interface(g)
        pe_of(m, i)["irq_due_cycles"] = next_due(m, u64(i))
