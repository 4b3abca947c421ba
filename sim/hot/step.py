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
    PAGE_MASK,
    PAGE_OFFSET,
    at_el0,
    before_eret,
    emit_marks,
    enter_page,
    fp_is_trapped,
    sp_is_misaligned,
    stops_here,
)
from sim.hot.branch import NO_BRANCH, branch_kind, resolve_branch
from sim.hot.calls import context_restore, context_save, emu_start
from sim.hot.coherence import wait_for_stores
from sim.hot.decode import OUT_ALIGNMENT_BYTES, OUT_KIND, effective_address, instruction_flags, memory_access
from sim.hot.decode_memory import KIND_PREFETCH
from sim.hot.exception import (
    EC_PC_ALIGNMENT,
    enter_synchronous,
    take_abort,
    take_alignment_fault,
    undefined,
    word_at,
)
from sim.hot.minmax import narrow_signed_flag, run_narrow_signed
from sim.hot.observe import ATTRIBUTE_DEVICE, SCTLR_A, STATUS_EXTERNAL, flush_soft_tlb, refuse, translate_quietly
from sim.hot.pipeline import step_cycles
from sim.hot.registers import PC, general
from sim.hot.translate import FAULTED, OK
from sim.hot.unannounced import unannounced_flag
from sim.state import dtypes
from sim.state.handle import machine_of, pe_of, scratch_of, walked_of

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
    word = word_at(m, pe, pc)
    flags = instruction_flags(word) | unannounced_flag(word)
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
    pe["pending_cycles"] = step_cycles(m, pe, pe["block_pa"])
    pe["pending_instructions"] = ONE
    if machine_of(m)["mark_count"] != ZERO:
        emit_marks(m, i, pc, pe["block_pa"], FOUR)
    return READY


@njit
def run_one(m, i):  # type: ignore[no-untyped-def]
    """Run one instruction on the active instance. Returns (READY, engine error) if it was run, else (TAKEN, WAITS or STOPS_HERE, 0)."""
    pe = pe_of(m, i)
    pc = general(m, i)[PC]
    outcome = _before(m, i, pc)
    if outcome != READY:
        return outcome, np.int32(0)
    pe["stop"] = ZERO
    pe["fault_pending"] = ZERO
    word = word_at(m, pe, pc)
    if narrow_signed_flag(word) != ZERO:
        pe["n_steps"] += ONE
        return READY if run_narrow_signed(m, i, word, pc) else TAKEN, np.int32(0)
    pe["stepping"] = ONE
    error = emu_start(pe["uc"], pc, ZERO, ZERO, ONE)
    pe["stepping"] = ZERO
    pe["n_steps"] += ONE
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
