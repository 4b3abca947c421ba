"""Single instructions: for `exact` interleaving, and for the few blocks whose instructions must be looked at one by one.

The engine counts instructions only by dropping everything it has translated when it changes over, so a PE that mostly runs whole
blocks has a second instance for stepping; the register context moves over and back.
"""
import numpy as np
from numba import njit

from sim.arch import instruction, syndrome
from sim.hot import stops
from sim.hot.barrier import after_dsb, before_dsb, completion_flags
from sim.hot.block import (
    FACTS_MASK,
    FLAG_BARRIER,
    FLAG_DSB,
    FLAG_ERET,
    FLAG_EXCLUSIVE,
    FLAG_FP,
    FLAG_ISB,
    FLAG_MEMORY,
    FLAG_ORDERED,
    FLAG_SP_BASE,
    FLAG_SYNCHRONISES,
    FLAG_UNANNOUNCED,
    PAGE_BYTES,
    PAGE_MASK,
    PAGE_OFFSET,
    SIZE_SHIFT,
    WATCHED,
    at_el0,
    before_eret,
    emit_marks,
    enter_page,
    fp_is_trapped,
    has_mark,
    sp_is_misaligned,
    stops_here,
)
from sim.hot.branch import NO_BRANCH, branch_kind, resolve_branch
from sim.hot.calls import context_restore, context_save, emu_start
from sim.hot.coherence import wait_for_stores
from sim.hot.decode import OUT_ALIGNMENT_BYTES, OUT_KIND, cost_class, effective_address, instruction_flags, memory_access
from sim.hot.decode import word_at as decode_word
from sim.hot.decode_memory import KIND_PREFETCH
from sim.hot.exception import (
    EC_PC_ALIGNMENT,
    enter_synchronous,
    take_abort,
    take_alignment_fault,
    undefined,
    word_at,
)
from sim.hot.minmax import FLAG_NARROW_SIGNED, narrow_signed_flag, run_narrow_signed
from sim.hot.observe import ATTRIBUTE_DEVICE, SCTLR_A, STATUS_EXTERNAL, flush_soft_tlb, refuse, translate_quietly
from sim.hot.pipeline import step_cycles
from sim.hot.registers import PC, general
from sim.hot.translate import FAULTED, OK
from sim.hot.unannounced import unannounced_flag
from sim.hot.walk import WAITS as ACCESS_WAITS
from sim.state import dtypes
from sim.state.handle import facts_of, machine_of, pe_of, ram_of, scratch_of, walked_of

u64 = np.uint64
ZERO, ONE, FOUR = u64(0), u64(1), u64(4)
NOWHERE = u64(dtypes.NOWHERE)
ACCESS_FETCH = u64(dtypes.ACCESS_FETCH)
EC_FP, EC_SP_ALIGNMENT = u64(syndrome.ExceptionClass.TRAPPED_FP), u64(syndrome.ExceptionClass.SP_ALIGNMENT)
ISS_FP = u64(1 << 24 | 0xE << 20)       # CV = 1, COND = 0b1110
STOP_DSB = u64(stops.STOP_DSB)
FLAG_EXCLUSIVE_OR_ATOMIC = u64(instruction.FLAG_EXCLUSIVE | instruction.FLAG_ATOMIC)
ACCESS_SCRATCH = 160
INTERLEAVE_INSTRUCTION = u64(dtypes.INTERLEAVE_INSTRUCTION)
#: What may come first of several instructions that run in one go: anything that stops nothing.
LEADS = u64(instruction.FLAG_MEMORY | instruction.FLAG_LOAD | instruction.FLAG_STORE | instruction.FLAG_ATOMIC | instruction.FLAG_SP_BASE
            | instruction.FLAG_LDAPR | instruction.FLAG_EXCLUSIVE | instruction.FLAG_DMB)
TOGETHER_MOST, TOGETHER_CYCLES = u64(8), u64(64)
COST_ALU = instruction.COST_ALU
TAKEN, READY, WAITS = np.int64(0), np.int64(1), np.int64(2)
STOPS_HERE = np.int64(3)


@njit
def trap_fp(m, i, pc):  # type: ignore[no-untyped-def]
    """FP or SIMD instruction at `pc` trapped by CPACR_EL1.FPEN."""
    enter_synchronous(m, i, EC_FP, ISS_FP, NOWHERE, pc)


@njit
def _is_misaligned(m, i, word, pc, flags):  # type: ignore[no-untyped-def]
    """Whether the load or store `word` at `pc` takes an alignment fault. Exclusives and atomics are left to the engine."""
    if flags & FLAG_EXCLUSIVE_OR_ATOMIC != ZERO:
        return False
    out = scratch_of(m)[ACCESS_SCRATCH:ACCESS_SCRATCH + 32]
    if not memory_access(word, out) or out[OUT_KIND] == KIND_PREFETCH:
        return False
    va = effective_address(word, general(m, i), pc)
    if va & (out[OUT_ALIGNMENT_BYTES] - ONE) == ZERO:
        return False
    if flags & FLAG_ORDERED != ZERO or pe_of(m, i)["sctlr"] & SCTLR_A != ZERO:
        return True
    status = translate_quietly(m, i, va, ONE if at_el0(m, i) else ZERO)
    return status == OK and walked_of(m, i)["attributes"] & ATTRIBUTE_DEVICE != ZERO


@njit
def _flags_at(m, pa):  # type: ignore[no-untyped-def]
    """Flags of the instruction at `pa`."""
    word = decode_word(ram_of(m), np.int64(pa - machine_of(m)["ram_pa"]))
    flags = instruction_flags(word) | unannounced_flag(word) | narrow_signed_flag(word)
    return flags | WATCHED if has_mark(m, pa, FOUR) else flags


@njit
def _learn_step(m, facts, pa, tag):  # type: ignore[no-untyped-def]
    """Work out the facts of single steps from `pa`: flags of the instruction there, and how many may run in one go with it.

    Those behind it that only compute in general registers, on the same page: no other PE can tell when they run.
    """
    machine, ram = machine_of(m), ram_of(m)
    offset = np.int64(pa - machine["ram_pa"])
    flags, count = _flags_at(m, pa), ONE
    if flags & ~(LEADS | WATCHED) == ZERO:
        # Not up to the end of the page: to stop behind several instructions the engine looks at the next one.
        room = min(TOGETHER_MOST, (PAGE_BYTES - FOUR - (pa & PAGE_OFFSET)) >> u64(2))
        while count < room:
            word = decode_word(ram, offset + np.int64(4) * np.int64(count))
            group = word >> u64(25) & u64(15)               # op0: data processing, immediate 100x, register x101
            computes = group >> ONE == u64(4) or group & u64(7) == u64(5)
            if not computes or instruction_flags(word) != ZERO or cost_class(word) != COST_ALU or has_mark(m, pa + FOUR * count, FOUR):
                break
            count += ONE
    facts["flags"], facts["instructions"], facts["tag"] = flags, count, tag


@njit
def _together(m, i, facts):  # type: ignore[no-untyped-def]
    """How many instructions PE i runs in one go: more than one only where nothing is due meanwhile."""
    pe, machine = pe_of(m, i), machine_of(m)
    if machine["adversarial"] != ZERO or machine["lookahead_cycles"] < TOGETHER_CYCLES:
        return ONE
    soonest = pe["cycles"] + TOGETHER_CYCLES
    if min(pe["irq_due_cycles"], pe["tlbi_due_cycles"], pe["serror_due_cycles"]) < soonest or pe["irq_waiting"] != ZERO:
        return ONE
    return facts["instructions"]


@njit
def _before(m, i, pc):  # type: ignore[no-untyped-def]
    """Everything that can happen before the instruction at `pc`: READY to run it, TAKEN an exception instead, WAITS for a DSB.

    STOPS_HERE: the run stops before it. Not asked of the instructions of a block that is stepped: there it has been asked of the block.
    """
    pe = pe_of(m, i)
    if pc & u64(3) != ZERO:
        enter_synchronous(m, i, EC_PC_ALIGNMENT, ZERO, pc, pc)
        return TAKEN
    if pc & PAGE_MASK != pe["code_va"]:
        status = enter_page(m, i, pc)
        if status == ACCESS_WAITS:                            # PE.hold_cycles says until when
            return TAKEN
        if status != OK or pc & PAGE_MASK != pe["code_va"]:
            refuse(pe, status if status != OK else FAULTED | STATUS_EXTERNAL, pc, ACCESS_FETCH)
            take_abort(m, i, pc)
            return TAKEN
    if pe["branch"] != NO_BRANCH:
        resolve_branch(m, i, pc)
    pe["block_va"], pe["block_pa"], pe["block_bytes"] = pc, pe["code_pa"] | (pc & PAGE_OFFSET), FOUR
    if machine_of(m)["interleaving"] == INTERLEAVE_INSTRUCTION:
        pe["block_key_cycles"] = pe["cycles"]
    pe["repeatable"] = ZERO
    if machine_of(m)["until"] != ZERO and machine_of(m)["interleaving"] == INTERLEAVE_INSTRUCTION and stops_here(m, i, pe["block_pa"], FOUR):
        return STOPS_HERE
    if machine_of(m)["interleaving"] == INTERLEAVE_INSTRUCTION:
        facts, tag = facts_of(m)[np.int64((pe["block_pa"] >> u64(2)) & FACTS_MASK)], pe["block_pa"] | FOUR << SIZE_SHIFT
        if facts["tag"] != tag:
            _learn_step(m, facts, pe["block_pa"], tag)
        flags, together = facts["flags"], _together(m, i, facts)
    else:
        flags, together = _flags_at(m, pe["block_pa"]), ONE
    word = word_at(m, pe, pc)
    if flags & FLAG_UNANNOUNCED != ZERO:
        undefined(m, i, pc)
        return TAKEN
    if flags & FLAG_FP != ZERO and pe["fp_trapped"] != ZERO and fp_is_trapped(m, i):
        trap_fp(m, i, pc)
        return TAKEN
    if flags & FLAG_SP_BASE != ZERO and sp_is_misaligned(m, i):
        enter_synchronous(m, i, EC_SP_ALIGNMENT, ZERO, NOWHERE, pc)
        return TAKEN
    if flags & FLAG_MEMORY != ZERO and (pe["align_check"] != ZERO or flags & FLAG_ORDERED != ZERO) and _is_misaligned(m, i, word, pc, flags):
        take_alignment_fault(m, i, word, pc)
        return TAKEN
    if flags & FLAG_BARRIER != ZERO:
        wait_for_stores(pe)
    if flags & FLAG_DSB != ZERO and before_dsb(m, i, completion_flags(word)):
        return WAITS
    if machine_of(m)["adversarial"] != ZERO:
        if flags & FLAG_DSB != ZERO:
            after_dsb(m, i, word)
        if flags & FLAG_ISB != ZERO:
            flags |= FLAG_SYNCHRONISES
    if flags & FLAG_ERET != ZERO:
        before_eret(m, i)
    if flags & FLAG_EXCLUSIVE != ZERO:
        pe["monitor_used"] = ONE
    pe["block_flags"], pe["previous_flags"] = flags, flags
    pe["branch"], pe["round_blocks"] = branch_kind(word), pe["blocks"]
    pe["pending_instructions"], pe["pending_cycles"] = together, ZERO
    for k in range(np.int64(together)):
        pe["pending_cycles"] += step_cycles(m, pe, pe["block_pa"] + FOUR * u64(k))
    if flags & WATCHED != ZERO:
        emit_marks(m, i, pc, pe["block_pa"], FOUR)
    pe["block_bytes"] = FOUR * together
    return READY


@njit(cache=True)
def run_one(m, i):  # type: ignore[no-untyped-def]
    """Run one instruction on the active instance, with those behind it that nobody can tell from it. Returns (READY, engine error) if it was run, else (TAKEN, WAITS or STOPS_HERE, 0)."""
    pe = pe_of(m, i)
    pc = general(m, i)[PC]
    outcome = _before(m, i, pc)
    if outcome != READY:
        return outcome, np.int32(0)
    pe["stop"] = ZERO
    pe["fault_pending"] = ZERO
    if pe["block_flags"] & FLAG_NARROW_SIGNED != ZERO:
        pe["n_steps"] += ONE
        return READY if run_narrow_signed(m, i, word_at(m, pe, pc), pc) else TAKEN, np.int32(0)
    pe["n_steps"] += pe["pending_instructions"]
    pe["stepping"] = ONE
    error = emu_start(pe["uc"], pc, ZERO, ZERO, pe["pending_instructions"])
    pe["stepping"] = ZERO
    return READY, error


@njit
def swap_instances(m, i):  # type: ignore[no-untyped-def]
    """Move the PE's registers to its other engine instance, which becomes the active one."""
    pe, machine = pe_of(m, i), machine_of(m)
    context_save(pe["uc"], machine["context"])
    pe["uc"], pe["stepper"] = pe["stepper"], pe["uc"]
    pe["registers_address"], pe["stepper_registers_address"] = pe["stepper_registers_address"], pe["registers_address"]
    pe["invalid_address"], pe["stepper_invalid_address"] = pe["stepper_invalid_address"], pe["invalid_address"]
    pe["exclusive_address"], pe["stepper_exclusive_address"] = pe["stepper_exclusive_address"], pe["exclusive_address"]
    context_restore(pe["uc"], machine["context"])
    flush_soft_tlb(m, i, pe["uc"])
