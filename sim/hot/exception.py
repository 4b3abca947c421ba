"""Exception entry at EL1, and what to do when the engine stopped for a fault, a call or an undefined instruction.

Entry overwrites ELR_EL1, SPSR_EL1, ESR_EL1 and FAR_EL1 as hardware does, also in a handler that has not saved them.
Source: DDI 0487 L.a, D1.4 (exception entry), D24.2 (ESR_EL1).
"""
import numpy as np
from numba import njit

from sim.arch import instruction, syndrome
from sim.arch.register_keys import REGISTER_KEYS
from sim.arch.vectors import FIQ, IRQ, SERROR, SYNCHRONOUS, TABLE_BYTES
from sim.hot import stops
from sim.hot.branch import NO_BRANCH, drop_branch, resolve_branch
from sim.hot.decode import effective_address, instruction_flags
from sim.hot.decode import word_at as decode_word
from sim.hot.events import emit
from sim.hot.own_tlbi import synchronise_context
from sim.hot.pipeline import prefix_cycles, schedule_at
from sim.hot.registers import (
    ID_ELR_EL1,
    ID_ESR_EL1,
    ID_FAR_EL1,
    ID_PSTATE,
    ID_SP_EL0,
    ID_SP_EL1,
    PC,
    PSTATE_DAIF,
    PSTATE_EL1H,
    PSTATE_EL_MASK,
    PSTATE_EL_SHIFT,
    PSTATE_NZCV,
    PSTATE_PAN,
    PSTATE_SPSEL,
    SP,
    general,
    pstate,
    read_register,
    write_register,
    write_system_register,
)
from sim.state import dtypes, events
from sim.state.handle import machine_of, pe_of, ram_of, words_at

u64 = np.uint64
ZERO, ONE, FOUR = u64(0), u64(1), u64(4)
NOWHERE = u64(dtypes.NOWHERE)
KEY_SPSR_EL1 = u64(REGISTER_KEYS["SPSR_EL1"])
KIND_SYNCHRONOUS, KIND_IRQ, KIND_FIQ, KIND_SERROR = u64(SYNCHRONOUS), u64(IRQ), u64(FIQ), u64(SERROR)
SLOT_SHIFT, FROM_EL0, FROM_EL1H = u64(7), u64(0x400), u64(0x200)
SCTLR_SPAN = u64(1 << 23)
VECTOR_TABLE_BYTES = u64(TABLE_BYTES)
COST_EXCEPTION_GENERATING = instruction.COST_EXCEPTION_GENERATING
PAGE_MASK = u64(0xFFFF_FFFF_FFFF_F000)
PAGE_OFFSET = u64(0xFFF)
RECURSION_LEAST = u64(3)                # nested alike before a livelock for it to be called the end of a recursion
MANY_RECURSIONS = u64(16)               # unlike faults nest this many times deeper before the verdict

ACCESS_WRITE, ACCESS_FETCH = u64(dtypes.ACCESS_WRITE), u64(dtypes.ACCESS_FETCH)
EC_SHIFT, ESR_IL = u64(syndrome.EC_SHIFT), u64(syndrome.ESR_IL)
EC_UNKNOWN = u64(syndrome.ExceptionClass.UNKNOWN)
EC_SYSTEM = u64(syndrome.ExceptionClass.TRAPPED_SYSTEM)
EC_SVC = u64(syndrome.ExceptionClass.SVC64)
EC_BRK = u64(syndrome.ExceptionClass.BRK64)
EC_PC_ALIGNMENT = u64(syndrome.ExceptionClass.PC_ALIGNMENT)
EC_DATA_ABORT = u64(syndrome.ExceptionClass.DATA_ABORT_LOWER_EL)
EC_INSTRUCTION_ABORT = u64(syndrome.ExceptionClass.INSTRUCTION_ABORT_LOWER_EL)
EC_BREAKPOINT = u64(syndrome.ExceptionClass.BREAKPOINT_LOWER_EL)
ISS_WNR, ISS_CM = u64(syndrome.ISS_WNR), u64(syndrome.ISS_CM)
STATUS_ALIGNMENT, STATUS_DEBUG = u64(syndrome.ALIGNMENT_FAULT), u64(syndrome.DEBUG_EXCEPTION)
STATUS_MASK = u64(0x3F)

EVENT_ENTRY, EVENT_FAULT = u64(events.EVENT_ENTRY), u64(events.EVENT_FAULT)
FLAG_STORE, FLAG_LOAD, FLAG_EXCLUSIVE = u64(instruction.FLAG_STORE), u64(instruction.FLAG_LOAD), u64(instruction.FLAG_EXCLUSIVE)
STOP_ABORT = u64(stops.STOP_ABORT)
REASON_PSCI, REASON_SEMIHOSTING, REASON_ENGINE = u64(stops.REASON_PSCI), u64(stops.REASON_SEMIHOSTING), u64(stops.REASON_ENGINE)
REASON_RECURSION, REASON_LIVELOCK = u64(stops.REASON_RECURSION), u64(stops.REASON_LIVELOCK)

# The engine's exception numbers (target/arm/cpu.h of unicorn 2.1.4)
INTR_UNDEFINED, INTR_SVC, INTR_PREFETCH, INTR_DATA, INTR_BRK, INTR_SMC = u64(1), u64(2), u64(3), u64(4), u64(7), u64(13)


@njit
def settle_block(pe):  # type: ignore[no-untyped-def]
    """Charge the whole block under way: it has run to its end."""
    pe["cycles"] += pe["pending_cycles"]
    pe["instructions"] += pe["pending_instructions"]
    pe["pending_cycles"] = ZERO
    pe["pending_instructions"] = ZERO


@njit
def settle_up_to(m, pe, pc):  # type: ignore[no-untyped-def]
    """Charge the instructions of the block under way before `pc`; the others stay pending. Elsewhere: all of it has run."""
    behind = pc - pe["block_va"]
    if pe["pending_instructions"] == ZERO or behind >= pe["block_bytes"]:
        settle_block(pe)
        return
    if behind == ZERO:
        return
    left = (pe["block_bytes"] - behind) >> u64(2)
    schedule = schedule_at(m, pe["block_pa"], pe["block_bytes"])
    cycles = schedule["cycles"] - prefix_cycles(schedule, behind >> u64(2))
    pe["cycles"] += pe["pending_cycles"] - cycles
    pe["instructions"] += pe["pending_instructions"] - left
    pe["pending_cycles"] = cycles
    pe["pending_instructions"] = left


@njit
def settle_prefix(m, pe, pc):  # type: ignore[no-untyped-def]
    """Charge the instructions of the block under way before `pc`: it was left there."""
    settle_up_to(m, pe, pc)
    if pe["pending_instructions"] != ZERO:
        drop_branch(pe)
    pe["pending_cycles"] = ZERO
    pe["pending_instructions"] = ZERO


@njit(cache=True)
def settle_step(m, i):  # type: ignore[no-untyped-def]
    """Charge a call (HVC, HLT) that Python has just answered for PE i."""
    pe, machine = pe_of(m, i), machine_of(m)
    pe["cycles"] += max(machine["costs"][COST_EXCEPTION_GENERATING], ONE)
    pe["instructions"] += ONE
    pe["previous_flags"] = ZERO


@njit
def word_at(m, pe, pc):  # type: ignore[no-untyped-def]
    """The instruction at `pc` in the block under way (whose translation may be gone by now); 0 (UDF) if it is not there."""
    if pc - pe["block_va"] >= pe["block_bytes"] or pc & u64(3) != ZERO:
        return ZERO
    offset = pe["block_pa"] + (pc - pe["block_va"]) - machine_of(m)["ram_pa"]
    return decode_word(ram_of(m), np.int64(offset))


@njit
def _detect(m, i, elr, esr, sp):  # type: ignore[no-untyped-def]
    """Count synchronous entries from EL1 without a return between; end the run when they cannot be going anywhere."""
    pe, machine = pe_of(m, i), machine_of(m)
    pe["nested_entries"] += ONE
    if elr == pe["entry_elr"] and esr == pe["entry_esr"]:
        pe["same_entries"] += ONE
    else:
        pe["same_entries"] = ZERO
    still = sp == pe["entry_sp"]
    pe["entry_elr"], pe["entry_esr"], pe["entry_sp"] = elr, esr, sp
    in_vector = elr - pe["vbar"] < VECTOR_TABLE_BYTES
    if pe["same_entries"] != ZERO and not (still and in_vector):
        pe["recursion_depth"], pe["recursion_elr"], pe["recursion_esr"] = pe["same_entries"] + ONE, elr, esr
    if still and in_vector and pe["same_entries"] >= machine["livelock_limit"]:
        # A recursion that has used up its stack ends like this too; it is what a person wants to be told.
        machine["reason"] = REASON_RECURSION if pe["recursion_depth"] >= RECURSION_LEAST else REASON_LIVELOCK
        machine["reason_pe"] = u64(i)
    elif pe["same_entries"] >= machine["recursion_limit"] or pe["nested_entries"] >= MANY_RECURSIONS * machine["recursion_limit"]:
        machine["reason"], machine["reason_pe"] = REASON_RECURSION, u64(i)


@njit
def enter(m, i, kind, esr, far, elr):  # type: ignore[no-untyped-def]
    """Take an exception to EL1. kind: KIND_*; esr: ESR_EL1, unchanged for IRQ and FIQ; far: FAR_EL1 or NOWHERE = unchanged."""
    pe, machine = pe_of(m, i), machine_of(m)
    if pe["branch"] != NO_BRANCH:
        resolve_branch(m, i, elr)
    registers = general(m, i)
    saved = pstate(m, i)
    from_el0 = (saved >> PSTATE_EL_SHIFT) & PSTATE_EL_MASK == ZERO
    if from_el0:
        base = FROM_EL0
    elif saved & PSTATE_SPSEL != ZERO:
        base = FROM_EL1H
    else:
        base = ZERO
    slot = base + (kind << SLOT_SHIFT)
    if from_el0 or saved & PSTATE_SPSEL == ZERO:
        write_register(m, i, ID_SP_EL0, registers[SP])
        stack = read_register(m, i, ID_SP_EL1)
    else:
        stack = registers[SP]
    if kind == KIND_SYNCHRONOUS and not from_el0:
        _detect(m, i, elr, esr, registers[SP])
    state = (saved & PSTATE_NZCV) | PSTATE_DAIF | PSTATE_EL1H | (saved & PSTATE_PAN)
    if pe["sctlr"] & SCTLR_SPAN == ZERO:
        state |= PSTATE_PAN
    write_register(m, i, ID_ELR_EL1, elr)
    if kind == KIND_SYNCHRONOUS or kind == KIND_SERROR:
        write_register(m, i, ID_ESR_EL1, esr)
    if far != NOWHERE:
        write_register(m, i, ID_FAR_EL1, far)
    write_register(m, i, ID_PSTATE, state)
    general(m, i)[SP] = stack
    write_system_register(m, i, KEY_SPSR_EL1, saved)         # after PSTATE: also makes the engine rebuild its cached flags
    pe["pc"] = pe["vbar"] + slot
    general(m, i)[PC] = pe["pc"]
    pe["code_va"] = NOWHERE
    pe["previous_flags"] = ZERO
    pe["step_pa"] = NOWHERE
    pe["cycles"] += max(machine["cost_entry"], ONE)
    pe["entry_cycles"] += max(machine["cost_entry"], ONE)
    pe["n_entries"] += ONE
    synchronise_context(m, i)
    emit(m, i, EVENT_ENTRY, slot, esr, elr, far)


@njit
def enter_synchronous(m, i, ec, iss, far, elr):  # type: ignore[no-untyped-def]
    """Take a synchronous exception with EC and ISS (IL = 1)."""
    enter(m, i, KIND_SYNCHRONOUS, (ec << EC_SHIFT) | ESR_IL | iss, far, elr)


@njit
def undefined(m, i, pc):  # type: ignore[no-untyped-def]
    """Take the exception of an UNDEFINED instruction at `pc`."""
    enter_synchronous(m, i, EC_UNKNOWN, ZERO, NOWHERE, pc)


@njit
def same_el(m, i):  # type: ignore[no-untyped-def]
    """1 if the PE is at EL1, so that an abort has the EC of the same EL; 0 at EL0."""
    return (pstate(m, i) >> PSTATE_EL_SHIFT) & ONE


@njit
def take_abort(m, i, pc):  # type: ignore[no-untyped-def]
    """Take the abort that the fill hook or a cache maintenance operation has recorded; `pc` is that of the instruction."""
    pe = pe_of(m, i)
    pe["fault_pending"] = ZERO
    status = pe["fault_status"] & STATUS_MASK
    pe["n_faults"] += ONE
    if pe["fault_access"] == ACCESS_FETCH:
        settle_block(pe)
        if pc & u64(3) != ZERO:                             # comes before the fetch, and so before its abort
            enter_synchronous(m, i, EC_PC_ALIGNMENT, ZERO, pc, pc)
            return
        emit(m, i, EVENT_FAULT, status, pc, ACCESS_FETCH, pc)
        enter_synchronous(m, i, EC_INSTRUCTION_ABORT + same_el(m, i), status, pc, pc)
        return
    far = pe["fault_va"]
    iss = status
    if pe["fault_cache_maintenance"] != ZERO:
        iss |= ISS_CM | ISS_WNR
    elif pe["stop"] != STOP_ABORT:
        far = words_at(pe["invalid_address"], 1)[0]
    if pe["fault_cache_maintenance"] == ZERO:
        flags = instruction_flags(word_at(m, pe, pc))
        # A store exclusive is made of a read and a write by the engine, and is a write; the read half of an atomic is a read.
        if pe["fault_access"] == ACCESS_WRITE or (flags & FLAG_STORE != ZERO and flags & FLAG_LOAD == ZERO):
            iss |= ISS_WNR
    settle_prefix(m, pe, pc)
    emit(m, i, EVENT_FAULT, status, far, pe["fault_access"], pc)
    enter_synchronous(m, i, EC_DATA_ABORT + same_el(m, i), iss, far, pc)


@njit
def take_alignment_fault(m, i, word, pc):  # type: ignore[no-untyped-def]
    """Take the alignment fault of the load or store `word` at `pc`."""
    pe = pe_of(m, i)
    far = effective_address(word, general(m, i), pc)
    flags = instruction_flags(word)
    iss = STATUS_ALIGNMENT
    if flags & FLAG_STORE != ZERO and flags & FLAG_LOAD == ZERO:
        iss |= ISS_WNR
    pe["n_faults"] += ONE
    emit(m, i, EVENT_FAULT, STATUS_ALIGNMENT, far, ACCESS_WRITE if iss & ISS_WNR != ZERO else u64(dtypes.ACCESS_READ), pc)
    enter_synchronous(m, i, EC_DATA_ABORT + same_el(m, i), iss, far, pc)


@njit
def _undefined_or_call(m, i, pc):  # type: ignore[no-untyped-def]
    """The engine found no meaning for the instruction at `pc`: a call that only firmware answers, a trap, or UNDEFINED."""
    pe, machine = pe_of(m, i), machine_of(m)
    word = word_at(m, pe, pc)
    at_el1 = same_el(m, i) == ONE
    if word & u64(0xFFE0_001F) == u64(0xD400_0002) and at_el1:                      # HVC
        machine["reason"], machine["reason_pe"] = REASON_PSCI, u64(i)
    elif word == u64(0xD45E_0000) and at_el1 and machine["semihosting"] != ZERO:    # HLT #0xF000
        machine["reason"], machine["reason_pe"] = REASON_SEMIHOSTING, u64(i)
    elif word & u64(0xFFFF_F0DF) == u64(0xD503_40DF) and not at_el1:                # MSR DAIFSet or DAIFClr at EL0 with UMA = 0
        iss = u64(0x1F) << u64(5) | u64(4) << u64(10) | u64(3) << u64(14)           # Rt = 0b11111, CRn = 4, op1 = 3, a write
        iss |= ((word >> u64(5)) & u64(7)) << u64(17) | ((word >> u64(8)) & u64(15)) << ONE
        enter_synchronous(m, i, EC_SYSTEM, iss, NOWHERE, pc)
    else:
        undefined(m, i, pc)


@njit
def take_engine_exception(m, i, number, pc):  # type: ignore[no-untyped-def]
    """The engine raised its exception `number`, with its PC at `pc`: take what it means architecturally."""
    pe, machine = pe_of(m, i), machine_of(m)
    settle_prefix(m, pe, pc)
    if pc & u64(3) != ZERO:
        enter_synchronous(m, i, EC_PC_ALIGNMENT, ZERO, pc, pc)
    elif number == INTR_SVC:
        enter_synchronous(m, i, EC_SVC, (word_at(m, pe, pc - FOUR) >> u64(5)) & u64(0xFFFF), NOWHERE, pc)
    elif number == INTR_BRK:
        enter_synchronous(m, i, EC_BRK, (word_at(m, pe, pc) >> u64(5)) & u64(0xFFFF), NOWHERE, pc)
    elif number == INTR_UNDEFINED:
        _undefined_or_call(m, i, pc)
    elif number == INTR_SMC:
        undefined(m, i, pc - FOUR)
    elif number == INTR_DATA:
        take_alignment_fault(m, i, word_at(m, pe, pc), pc)
    elif number == INTR_PREFETCH:
        enter_synchronous(m, i, EC_BREAKPOINT + same_el(m, i), STATUS_DEBUG, NOWHERE, pc)
    else:
        machine["reason"], machine["reason_pe"] = REASON_ENGINE, u64(i)
        pe["stop_a"] = number
