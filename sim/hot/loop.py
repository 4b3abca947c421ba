"""The run loop: the PE that is furthest behind runs until the next one's time plus the quantum. Compiled, and all of the hot path.

Before a slice the loop applies to the PE what has arrived for it (TLBIs, code maintenance, interrupts); after it, it does what the
stop asks for. It returns to Python with MACHINE.reason when something rare is needed, at the latest at `chunk_end_cycles`.
"""
import numpy as np
from numba import njit

from sim.hot import stops
from sim.hot.barrier import complete
from sim.hot.block import AFTERWARDS, FLAG_DAIF, FLAG_SEV, FLAG_SEVL, FLAG_WFI
from sim.hot.calls import context_restore, emu_start, emu_stop, uc_ctl
from sim.hot.events import INTERRUPTED, emit
from sim.hot.exception import (
    INTR_UNDEFINED,
    KIND_FIQ,
    KIND_IRQ,
    KIND_SERROR,
    KIND_SYNCHRONOUS,
    REASON_ENGINE,
    enter,
    settle_block,
    settle_prefix,
    take_abort,
    take_engine_exception,
    word_at,
)
from sim.hot.gic import lines, refresh
from sim.hot.injection import next_due_cycles
from sim.hot.observe import CTL_TB_FLUSH, STOP_ABORT, STOP_TURN, STOP_WAIT, flush_soft_tlb, is_abandoned, note_reservation
from sim.hot.pipeline import forget_schedules
from sim.hot.registers import PC, PSTATE_A, PSTATE_F, PSTATE_I, general, pstate
from sim.hot.schedule import NEVER, STATUS_RUNNING, first, first_cycle, next_action_cycle, reschedule, second_cycle
from sim.hot.sharing import pass_share_due
from sim.hot.speculation import speculate
from sim.hot.spin import falls_asleep, wakes_at
from sim.hot.step import READY, WAITS, run_one, swap_instances, trap_fp
from sim.hot.tlbi import apply_due
from sim.hot.turn import drop_observed, is_out_of_turn
from sim.hot.wait import after_block, send_events, wake
from sim.state import dtypes, events
from sim.state.handle import facts_of, machine_of, pe_at, pe_of, pes_of

u64 = np.uint64
ZERO, ONE = u64(0), u64(1)
NOWHERE = u64(dtypes.NOWHERE)
IRQ, FIQ = u64(1), u64(2)
STATUS_OFF = u64(dtypes.STATUS_OFF)
INTERLEAVE_INSTRUCTION = u64(dtypes.INTERLEAVE_INSTRUCTION)
EC_SERROR_ESR = u64(0x2F << 26 | 1 << 25)
UC_ERR_EXCEPTION = np.int32(21)
FOUR, WFI = u64(4), u64(0xD503_207F)
NO_ERROR = np.int32(0)
EVENT_INJECTED = u64(events.EVENT_INJECTED)
STOP_INTERRUPT = u64(stops.STOP_INTERRUPT)
STOP_AT_BLOCK, STOP_STEP = u64(stops.STOP_AT_BLOCK), u64(stops.STOP_STEP)
STOP_DSB, STOP_FP = u64(stops.STOP_DSB), u64(stops.STOP_FP)
REASON_CHUNK, REASON_DRAIN, REASON_BUDGET = u64(stops.REASON_CHUNK), u64(stops.REASON_DRAIN), u64(stops.REASON_BUDGET)
REASON_DEADLOCK, REASON_ALL_OFF = u64(stops.REASON_DEADLOCK), u64(stops.REASON_ALL_OFF)
REASON_STEPPER, REASON_MARK = u64(stops.REASON_STEPPER), u64(stops.REASON_MARK)
ACCESS_FETCH, RESUMING_BLOCK, RESUMING_AT_BLOCK = u64(dtypes.ACCESS_FETCH), u64(dtypes.RESUMING_BLOCK), u64(dtypes.RESUMING_AT_BLOCK)
HELD_IN_BLOCK, HELD_AT_FETCH, HELD_AT_BLOCK, HELD_TO_END = (
    u64(how) for how in (dtypes.HELD_IN_BLOCK, dtypes.HELD_AT_FETCH, dtypes.HELD_AT_BLOCK, dtypes.HELD_TO_END))
IN_TURN_ALWAYS = NOWHERE - ONE          # as PE.turn_cycles, but what must be seen leaves the soft TLB all the same


@njit
def on_interrupt(uc, number, data):  # type: ignore[no-untyped-def]
    """INTR hook of the engine: note its exception number; the loop takes the exception."""
    pe = pe_at(data)
    if is_abandoned(pe):
        emu_stop(uc)
        return
    pe["interrupt_number"] = u64(number)
    pe["stop"] = STOP_INTERRUPT
    emu_stop(uc)


@njit
def _drop_code(m, i):  # type: ignore[no-untyped-def]
    """Instruction cache maintenance reaches PE i: its engine instances translate anew, and block facts are forgotten."""
    pe, machine = pe_of(m, i), machine_of(m)
    if machine["facts_stale"] != ZERO:
        facts = facts_of(m)
        for k in range(facts.shape[0]):
            facts[k]["tag"] = ZERO
        forget_schedules(m)
        machine["facts_stale"] = ZERO
    pe["code_flush"] = ZERO
    pe["repeatable"] = ZERO
    uc_ctl(pe["uc"], CTL_TB_FLUSH)
    if pe["stepper"] != ZERO:
        uc_ctl(pe["stepper"], CTL_TB_FLUSH)


@njit
def _take_interrupts(m, i):  # type: ignore[no-untyped-def]
    """Take the SError, FIQ or IRQ that is due and not masked; else note whether one waits for the mask to go."""
    pe = pe_of(m, i)
    pe["irq_waiting"] = ZERO
    if pe["serror_due_cycles"] <= pe["cycles"]:
        pe["serror_due_cycles"] = next_due_cycles(m, i, pe["serror_period_cycles"], pe["cycles"])
        pe["serror_pending"] = ONE
        emit(m, i, EVENT_INJECTED, KIND_SERROR, pe["serror_syndrome"], ZERO, ZERO)
    if pe["serror_pending"] != ZERO:
        if pstate(m, i) & PSTATE_A == ZERO:
            pe["serror_pending"] = ZERO
            enter(m, i, KIND_SERROR, EC_SERROR_ESR | pe["serror_syndrome"], NOWHERE, general(m, i)[PC])
        else:
            pe["irq_waiting"] = ONE
    if pe["irq_due_cycles"] > pe["cycles"]:
        return
    line = lines(m, i, pe["cycles"])
    if line == ZERO:
        refresh(m, i)
        return
    state = pstate(m, i)
    takes_fiq = line & FIQ != ZERO and state & PSTATE_F == ZERO
    if not takes_fiq and (line & IRQ == ZERO or state & PSTATE_I != ZERO):
        pe["irq_waiting"] = ONE
        return
    pe["cycles"] += machine_of(m)["cost_interrupt"]
    pe["entry_cycles"] += machine_of(m)["cost_interrupt"]
    pe["n_interrupts"] += ONE
    if takes_fiq:
        pe["fiq_pulse"] = ZERO
    enter(m, i, KIND_FIQ if takes_fiq else KIND_IRQ, ZERO, NOWHERE, general(m, i)[PC])


@njit
def _prepare(m, i):  # type: ignore[no-untyped-def]
    """Apply what has arrived for PE i by its own clock."""
    pe = pe_of(m, i)
    if pe["share_due_cycles"] <= pe["cycles"]:
        pass_share_due(m, i, pe["cycles"])
    if machine_of(m)["adversarial"] != ZERO:
        speculate(m, i)
    if pe["tlbi_due_cycles"] <= pe["cycles"]:
        apply_due(m, i, pe["cycles"])
        pe["probing"] = ZERO
    if pe["code_flush"] != ZERO:
        _drop_code(m, i)
    if pe["irq_due_cycles"] <= pe["cycles"] or pe["serror_due_cycles"] <= pe["cycles"] or pe["serror_pending"] != ZERO:
        _take_interrupts(m, i)
    if pe["soft_flush"] != ZERO:
        flush_soft_tlb(m, i, pe["uc"])


@njit
def _limits(m, i, pause):  # type: ignore[no-untyped-def]
    """Cycle up to which PE i may run before something else is to happen, at least one more. Sets PE.turn_cycles.

    pause: cycle at which Python is to look. A PE that runs ahead ends its slice there, so that the others come up to it.
    """
    pe, machine = pe_of(m, i), machine_of(m)
    following, least = second_cycle(m), pe["cycles"] + ONE
    due = min(pe["tlbi_due_cycles"], pe["serror_due_cycles"], pe["share_due_cycles"])
    if pe["irq_due_cycles"] > pe["cycles"] or pe["held"] != ZERO:       # else it is here already, and masked; nobody has looked since a hold
        due = min(due, pe["irq_due_cycles"])
    limit = max(min(following + machine["quantum_cycles"], due), least)
    pe["turn_cycles"] = NOWHERE if machine["run_ahead"] == ZERO else IN_TURN_ALWAYS
    if machine["run_ahead"] != ZERO and machine["until"] == ZERO:
        pe["turn_cycles"] = max(following, next_action_cycle(m, i) + ONE)
        limit = min(max(min(following + machine["lookahead_cycles"], due), least), max(limit, pause))
    return limit


@njit
def _finish(m, i, error):  # type: ignore[no-untyped-def]
    """Do what the end of a slice asks for. Returns True if the block before must be run by single instructions."""
    pe, machine = pe_of(m, i), machine_of(m)
    pc = general(m, i)[PC]
    stop = pe["stop"]
    if is_abandoned(pe):
        context_restore(pe["uc"], machine["context"])
        pc = pe["pc"]
        general(m, i)[PC] = pc
        if stop == STOP_WAIT:
            pe["held"] = HELD_IN_BLOCK
        elif stop == STOP_ABORT:
            take_abort(m, i, pc)
        else:
            settle_prefix(m, pe, pc)
            enter(m, i, KIND_SYNCHRONOUS, pe["stop_a"], pe["stop_b"], pc)
    elif stop == STOP_TURN:
        if pe["stepping"] != ZERO:                          # what was held has not gone on: its page was to be fetched again first
            pe["held"] = HELD_IN_BLOCK if pe["stepping"] == RESUMING_BLOCK else HELD_AT_BLOCK
        elif error == NO_ERROR:
            pe["held"] = HELD_AT_BLOCK
        else:
            pe["held"] = HELD_AT_FETCH if pe["stop_a"] == ACCESS_FETCH else HELD_IN_BLOCK
    elif error == UC_ERR_EXCEPTION and pe["fault_pending"] != ZERO:
        send_events(m, i, pe["previous_flags"] if pe["fault_access"] == u64(dtypes.ACCESS_FETCH) else ZERO)
        take_abort(m, i, pc)
    elif error == UC_ERR_EXCEPTION and stop == STOP_AT_BLOCK:
        settle_prefix(m, pe, pc)                            # the fill hook wants the rest of the block to be looked at anew
    elif error != NO_ERROR:
        machine["reason"], machine["reason_pe"] = REASON_ENGINE, u64(i)
        pe["stop_a"] = u64(error)
    elif stop == STOP_AT_BLOCK:
        after_block(m, i)
    elif stop == STOP_INTERRUPT:
        if pe["previous_flags"] & FLAG_WFI != ZERO and pe["interrupt_number"] == INTR_UNDEFINED and word_at(m, pe, pc) == WFI:
            settle_prefix(m, pe, pc + FOUR)                 # at EL0 with SCTLR_EL1.nTWI = 0 the engine refuses every WFI
            general(m, i)[PC] = pc + FOUR
            after_block(m, i)
            return False
        if pe["previous_flags"] & (FLAG_SEV | FLAG_SEVL) != ZERO:
            send_events(m, i, pe["previous_flags"])
        take_engine_exception(m, i, pe["interrupt_number"], pc)
    elif stop == STOP_STEP:
        return True
    elif stop == STOP_DSB:
        complete(m, i)                                      # by the time it has waited for, all that are behind have run up to it
    elif stop == STOP_FP:
        trap_fp(m, i, pc)
    else:                                                   # the engine returned by itself: WFI, or a single step
        settle_block(pe)
        after_block(m, i)
    return False


@njit
def _step(m, i):  # type: ignore[no-untyped-def]
    """One instruction on the active instance, and what it asks for. Returns whether the next one simply follows."""
    pe = pe_of(m, i)
    outcome, error = run_one(m, i)
    if outcome == WAITS:
        complete(m, i)
        return False
    if outcome != READY:
        return False
    entries = pe["n_entries"]
    if pe["stop"] == STOP_TURN or pe["stop"] == STOP_WAIT:  # the instruction is looked at anew when its time has come
        if pe["stop"] == STOP_WAIT:
            context_restore(pe["uc"], machine_of(m)["context"])
            general(m, i)[PC] = pe["pc"]
        settle_prefix(m, pe, general(m, i)[PC])
        return False
    _finish(m, i, error)
    return pe["n_entries"] == entries and machine_of(m)["reason"] == ZERO and pe["status"] == STATUS_RUNNING


@njit
def _step_block(m, i):  # type: ignore[no-untyped-def]
    """Run the block under way by single instructions, on the PE's second instance."""
    pe, machine = pe_of(m, i), machine_of(m)
    if pe["stepper"] == ZERO:
        machine["reason"], machine["reason_pe"] = REASON_STEPPER, u64(i)
        return
    first_va, end_va = pe["block_va"], pe["block_va"] + pe["block_bytes"]
    swap_instances(m, i)
    for _ in range(np.int64(pe["steps_left"])):
        if not _step(m, i):
            break
        pc = general(m, i)[PC]
        if pc < first_va or pc >= end_va or pe["soft_flush"] != ZERO or pe["code_flush"] != ZERO:
            break
    swap_instances(m, i)


@njit
def _slice(m, i):  # type: ignore[no-untyped-def]
    """One slice of PE i. Returns whether it is only interrupted, for Python to look: it goes on later as if it had not been."""
    pe, machine = pe_of(m, i), machine_of(m)
    resumes = machine["resuming"] == u64(i) + ONE
    machine["resuming"] = ZERO
    held = pe["held"]
    pe["turn_cycles"] = NOWHERE
    if held != ZERO:
        _let_go(m, i)
    elif not resumes:
        _prepare(m, i)
        if machine["reason"] != ZERO:
            return False
        pe["slices"] += ONE
        if machine["skip_waiting"] != ZERO and falls_asleep(m, i):
            return False
    if machine["interleaving"] == INTERLEAVE_INSTRUCTION:
        _step(m, i)
        if machine["until_reached"] != ZERO:
            return True
    else:
        pause = max(min(machine["chunk_end_cycles"], machine["budget_cycles"]), pe["cycles"] + ONE)
        end = _limits(m, i, pause)
        if pe["probing"] != ZERO:
            end = min(end, max(pe["spin_base_cycles"] + pe["spin_period_cycles"], pe["cycles"] + ONE))
        limit = min(end, pause)
        pe["held"] = ZERO
        pe["limit_cycles"] = limit if pe["held_at_limit"] == ZERO else ZERO
        pe["held_at_limit"] = ZERO
        pe["stop"] = ZERO
        pe["fault_pending"] = ZERO
        error = emu_start(pe["uc"], general(m, i)[PC], ZERO, ZERO, ZERO)
        if pe["observed_held"] != ZERO:
            drop_observed(m, i)
        if error == NO_ERROR and pe["cycles"] < end and _is_only_limited(pe):
            wanted = pe["limit_cycles"] == INTERRUPTED or machine["until_reached"] != ZERO
            if wanted or (pe["limit_cycles"] == limit and pe["cycles"] >= limit):
                return True
        if _finish(m, i, error):
            _step_block(m, i)
        pe["stepping"] = ZERO
    if pe["hold_cycles"] != ZERO or pe["held"] != ZERO:
        _hold(m, i)
    if pe["monitor_used"] != ZERO and machine["pes"] > ONE and pe["held"] != HELD_IN_BLOCK:
        note_reservation(m, i)
    return False


@njit
def _hold(m, i):  # type: ignore[no-untyped-def]
    """An access of PE i was refused until its turn comes, or until PE.hold_cycles: then the slice goes on as if it had not ended."""
    pe = pe_of(m, i)
    if pe["hold_cycles"] != ZERO:
        pe["cycles"] = max(pe["cycles"], pe["hold_cycles"])
        pe["block_key_cycles"] = pe["hold_cycles"]
        pe["hold_cycles"] = ZERO
    if pe["held"] != ZERO and pe["limit_cycles"] == ZERO:
        pe["held_at_limit"] = ONE


@njit
def _let_go(m, i):  # type: ignore[no-untyped-def]
    """The turn of PE i, whose slice was held, has come. What has arrived meanwhile waits for its next slice, as if this one had not ended."""
    pe = pe_of(m, i)
    if pe["share_due_cycles"] <= pe["block_key_cycles"]:
        pass_share_due(m, i, pe["block_key_cycles"])
    if pe["soft_flush"] != ZERO:
        flush_soft_tlb(m, i, pe["uc"])
    if pe["held"] == HELD_IN_BLOCK:
        pe["stepping"] = RESUMING_BLOCK
    elif pe["held"] == HELD_AT_BLOCK:
        pe["stepping"] = RESUMING_AT_BLOCK


@njit
def _postpone(m, i):  # type: ignore[no-untyped-def]
    """PE i has ended the run ahead of its turn: it does so when its turn comes, if nobody has done so before."""
    pe, machine = pe_of(m, i), machine_of(m)
    pe["ending"], pe["held"] = machine["reason"], HELD_TO_END
    machine["reason"] = ZERO


@njit
def _is_only_limited(pe):  # type: ignore[no-untyped-def]
    """Whether a slice was stopped by its limit and by nothing that the block before asks for."""
    flags = pe["previous_flags"]
    return pe["stop"] == STOP_AT_BLOCK and flags & AFTERWARDS == ZERO and (flags & FLAG_DAIF == ZERO or pe["irq_waiting"] == ZERO)


@njit
def _nobody(m):  # type: ignore[no-untyped-def]
    """No PE has anything to do, ever: all are off, or all wait for what cannot come."""
    pes = pes_of(m)
    for j in range(pes.shape[0]):
        if pes[j]["status"] != STATUS_OFF:
            return REASON_DEADLOCK
    return REASON_ALL_OFF


@njit(cache=True)
def run(m):  # type: ignore[no-untyped-def]
    """Run until something needs Python. Returns MACHINE.reason; MACHINE.reason_pe says whose doing it is."""
    machine = machine_of(m)
    machine["reason"] = ZERO
    while machine["reason"] == ZERO:
        if machine["stop_request"] != ZERO:
            machine["reason"] = REASON_DRAIN
            break
        if machine["slices"] >= machine["slice_end"]:
            machine["reason"] = REASON_CHUNK
            break
        machine["slices"] += ONE
        i = first(m)
        running = pe_of(m, i)["status"] == STATUS_RUNNING
        asleep = pe_of(m, i)["asleep"] != ZERO
        now = next_action_cycle(m, i) if running and not asleep else first_cycle(m)     # a slice that paused has gone on since it was put there
        machine["reason_pe"] = u64(i)
        if now == NEVER:
            machine["reason"] = _nobody(m)
        elif now >= machine["budget_cycles"]:
            machine["reason"] = REASON_BUDGET
        elif now >= machine["chunk_end_cycles"]:
            machine["reason"] = REASON_CHUNK
        elif pe_of(m, i)["held"] == HELD_TO_END:
            pe_of(m, i)["held"] = ZERO
            machine["reason"] = pe_of(m, i)["ending"]
        else:
            machine["acting"] = u64(i) + ONE
            if asleep:
                wakes_at(m, i, now)
            if (running or wake(m, i, now)) and _slice(m, i):
                machine["resuming"] = u64(i) + ONE
            else:
                if machine["reason"] != ZERO and is_out_of_turn(pe_of(m, i)):
                    _postpone(m, i)
                reschedule(m, i)
            machine["acting"] = ZERO
            if machine["until_reached"] != ZERO:
                machine["until_reached"] = ZERO
                machine["reason"] = REASON_MARK
    return machine["reason"]
