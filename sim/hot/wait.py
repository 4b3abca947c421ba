"""What a block leaves to be done once it has run: exception return, events, waiting. And waking up.

WFE waits unless the event register is set; SEV of any PE, an exclusive monitor lost to another PE's store, ERET and interrupts that are not
masked end it. WFI waits for a signalled interrupt whether masked or not. Source: DDI 0487, D1.6 (wait for event, wait for interrupt).
"""
import numpy as np
from numba import njit

from sim.arch import syndrome
from sim.arch.register_keys import REGISTER_KEYS
from sim.hot.block import FLAG_ERET, FLAG_SEV, FLAG_SEVL, FLAG_SYNCHRONISES, FLAG_WFE, FLAG_WFI, at_el0
from sim.hot.events import emit
from sim.hot.exception import EC_PC_ALIGNMENT, enter_synchronous
from sim.hot.gic import lines, refresh
from sim.hot.own_tlbi import synchronise_context
from sim.hot.registers import PC, PSTATE_A, PSTATE_F, PSTATE_I, PSTATE_IL, general, pstate, write_system_register
from sim.hot.schedule import PSTATE_IF, STATUS_RUNNING, STATUS_WFE, STATUS_WFI, reschedule
from sim.state import dtypes, events
from sim.state.handle import machine_of, pe_of, pes_of

u64 = np.uint64
ZERO, ONE, FOUR = u64(0), u64(1), u64(4)
NOWHERE = u64(dtypes.NOWHERE)
EC_WFX, EC_ILLEGAL = u64(syndrome.ExceptionClass.TRAPPED_WFX), u64(syndrome.ExceptionClass.ILLEGAL_STATE)
ISS_WAIT = u64(1 << 24 | 0xE << 20)     # CV = 1, COND = 0b1110
SCTLR_NTWI, SCTLR_NTWE = u64(1 << 16), u64(1 << 18)
KEY_SPSR_EL1 = u64(REGISTER_KEYS["SPSR_EL1"])
SPSR_REPLACED = u64(1 << 63)
IRQ, FIQ = u64(1), u64(2)
EVENT_RETURN, EVENT_WAIT, EVENT_WAKE = u64(events.EVENT_RETURN), u64(events.EVENT_WAIT), u64(events.EVENT_WAKE)


@njit
def send_events(m, i, flags):  # type: ignore[no-untyped-def]
    """SEVL sets this PE's event register, SEV every PE's."""
    if flags & FLAG_SEVL != ZERO:
        pe_of(m, i)["event_register"] = ONE
    if flags & FLAG_SEV != ZERO:
        pes = pes_of(m)
        for j in range(pes.shape[0]):
            pes[j]["event_register"] = ONE
            if pes[j]["status"] == STATUS_WFE:              # it wakes now, not when it began to wait
                pes[j]["wake_cycles"] = min(pes[j]["wake_cycles"], pes[i]["cycles"])
                reschedule(m, j)


@njit
def _after_return(m, i):  # type: ignore[no-untyped-def]
    """An ERET has run: the exception level may be another, and PSTATE.IL may be set."""
    pe = pe_of(m, i)
    if pe["saved_spsr"] != ZERO:
        write_system_register(m, i, KEY_SPSR_EL1, pe["saved_spsr"] & ~SPSR_REPLACED)
        pe["saved_spsr"] = ZERO
    state, pc = pstate(m, i), general(m, i)[PC]
    pe["cycles"] += machine_of(m)["cost_return"]
    pe["return_cycles"] += machine_of(m)["cost_return"]
    pe["n_returns"] += ONE
    if pe["nested_entries"] != ZERO:
        pe["nested_entries"] -= ONE
    pe["same_entries"] = ZERO
    pe["recursion_depth"] = ZERO
    pe["code_va"] = NOWHERE
    pe["event_register"] = ONE                              # as SendEventLocal in ExceptionReturn: the local monitor has been cleared too
    synchronise_context(m, i)
    emit(m, i, EVENT_RETURN, ONE, pc, state, ZERO)
    if pc & u64(3) != ZERO:
        enter_synchronous(m, i, EC_PC_ALIGNMENT, ZERO, pc, pc)
    elif state & PSTATE_IL != ZERO:
        enter_synchronous(m, i, EC_ILLEGAL, ZERO, NOWHERE, pc)


@njit
def _sleep(m, i, status):  # type: ignore[no-untyped-def]
    """Begin to wait."""
    pe = pe_of(m, i)
    pe["status"] = status
    pe["wait_daif"] = pstate(m, i)
    emit(m, i, EVENT_WAIT, status, ZERO, ZERO, ZERO)


@njit
def _is_ended(m, i, now, is_wfe, state):  # type: ignore[no-untyped-def]
    """Whether an interrupt ends a wait: any that is pending ends WFI, one that PSTATE `state` does not mask ends WFE."""
    pe = pe_of(m, i)
    if (pe["serror_pending"] != ZERO or pe["serror_due_cycles"] <= now) and (not is_wfe or state & PSTATE_A == ZERO):
        return True
    if pe["irq_due_cycles"] > now:
        return False
    line = lines(m, i, now)
    if not is_wfe:
        return line != ZERO
    return (line & IRQ != ZERO and state & PSTATE_I == ZERO) or (line & FIQ != ZERO and state & PSTATE_F == ZERO)


@njit
def _wait(m, i, flags):  # type: ignore[no-untyped-def]
    """A WFI or WFE has run (the PC is behind it): trap it, let it fall through, or wait."""
    pe = pe_of(m, i)
    is_wfe = flags & FLAG_WFE != ZERO
    permitted = SCTLR_NTWE if is_wfe else SCTLR_NTWI
    if is_wfe and pe["event_register"] != ZERO:
        pe["event_register"] = ZERO
    elif _is_ended(m, i, pe["cycles"], is_wfe, pstate(m, i)):
        pass
    elif at_el0(m, i) and pe["sctlr"] & permitted == ZERO:
        enter_synchronous(m, i, EC_WFX, ISS_WAIT | (ONE if is_wfe else ZERO), NOWHERE, general(m, i)[PC] - FOUR)
    else:
        _sleep(m, i, STATUS_WFE if is_wfe else STATUS_WFI)


@njit
def after_block(m, i):  # type: ignore[no-untyped-def]
    """Do what the block that has just run to its end asks for."""
    pe = pe_of(m, i)
    flags = pe["previous_flags"]
    pe["previous_flags"] = ZERO
    if flags & (FLAG_SEV | FLAG_SEVL) != ZERO:
        send_events(m, i, flags)
    if flags & FLAG_SYNCHRONISES != ZERO:
        synchronise_context(m, i)
    if flags & FLAG_ERET != ZERO:
        _after_return(m, i)
    elif flags & (FLAG_WFI | FLAG_WFE) != ZERO:
        _wait(m, i, flags)


@njit
def wake(m, i, now):  # type: ignore[no-untyped-def]
    """The time has come to look at a waiting PE. Returns whether it runs again; else its next time has been worked out."""
    pe = pe_of(m, i)
    slept = now - pe["cycles"]
    pe["wait_cycles"] += slept
    pe["cycles"] = now
    woken = pe["wake_cycles"] <= now
    pe["wake_cycles"] = NOWHERE
    if pe["status"] == STATUS_WFE and pe["event_register"] != ZERO:
        pe["event_register"] = ZERO
        woken = True
    if not woken:
        woken = _is_ended(m, i, now, pe["status"] == STATUS_WFE, pe["wait_daif"])
    if not woken:
        if pe["irq_due_cycles"] <= now and lines(m, i, now) != ZERO:
            pe["wait_daif"] |= PSTATE_IF                    # it is masked, and stays so while the PE waits
        refresh(m, i)
        return False
    emit(m, i, EVENT_WAKE, pe["status"], slept, ZERO, ZERO)
    if pe["status"] == STATUS_WFE:
        pe["cycles"] += machine_of(m)["cost_wake_wfe"]
    else:
        pe["cycles"] += machine_of(m)["cost_wake"]
    pe["status"] = STATUS_RUNNING
    return True
