"""The block hook: account for every block of instructions before it runs, and stop before those that need attention.

The cost of a block is charged when the next one begins or when it is left, so the PE's clock never runs backwards; what the
instructions of a block do happens at the block's first cycle. Facts about a block (cost, flags, alignment requirements) are
worked out once and kept in a direct-mapped table by PA and size (simulator performance); they are dropped with the engine's
translations by instruction cache maintenance, so both always describe the same words.
"""
import numpy as np
from numba import njit

from sim.arch import instruction, memory_map
from sim.arch.register_keys import REGISTER_KEYS
from sim.hot import stops
from sim.hot.barrier import before_dsb, completion_flags
from sim.hot.branch import NO_BRANCH, branch_kind, resolve_branch
from sim.hot.calls import emu_stop
from sim.hot.coherence import wait_for_stores
from sim.hot.decode import (
    FACTS_FIRST_FP,
    FACTS_FLAGS,
    FACTS_INSTRUCTIONS,
    FACTS_LAST_FLAGS,
    alignment_requirements,
    block_facts,
    word_at,
)
from sim.hot.events import emit
from sim.hot.exception import settle_prefix
from sim.hot.minmax import FLAG_NARROW_SIGNED, narrow_signed_flag
from sim.hot.pipeline import schedule_at
from sim.hot.registers import (
    PSTATE_EL_MASK,
    PSTATE_EL_SHIFT,
    PSTATE_PAN,
    SP,
    general,
    pstate,
    read_system_register,
    write_system_register,
)
from sim.hot.spin import NOT_SPINNABLE, not_waiting
from sim.hot.translate import OK, translate
from sim.hot.turn import FOR_TURN, is_for_turn, is_own_affair, turn_flag
from sim.hot.unannounced import unannounced_flag
from sim.state import dtypes, events
from sim.state.handle import facts_of, machine_of, marks_of, pe_at, pe_of, ram_of, scratch_of, walked_of

u64 = np.uint64
ZERO, ONE, TWO = u64(0), u64(1), u64(2)
NOWHERE = u64(dtypes.NOWHERE)
PAGE_MASK, PAGE_OFFSET = u64(0xFFFF_FFFF_FFFF_F000), u64(0xFFF)
MISALIGNED = u64(3)                     # bits of a PC that is not a multiple of 4
FACTS_MASK = u64(dtypes.FACTS_ENTRIES - 1)
SIZE_SHIFT = u64(48)
ACCESS_FETCH = u64(dtypes.ACCESS_FETCH)
EVENT_MARK = u64(events.EVENT_MARK)
UNPROVED = u64(dtypes.NOWHERE)          # BLOCK_FACTS.requirements: alignment could not be proved
CANNOT_PROVE = np.int64(-1)
FACTS_SCRATCH, REQUIREMENTS_SCRATCH = 64, 96
UNTIL_BITS = u64(9)                     # of PE.stopped_before: MACHINE.until; above them instructions executed until then
DRAINS = u64(1 << 57)                   # BLOCK_FACTS.flags: a DMB or DSB that waits for stores, where coherence is modelled
WATCHED = u64(1 << 62)                  # BLOCK_FACTS.flags: a watched symbol lies in the block

FLAG_ISB, FLAG_SYNCHRONISES = u64(instruction.FLAG_ISB), u64(1 << 58)     # the latter: an ISB, in the adversarial setting
FLAG_BARRIER = u64(instruction.FLAG_DMB | instruction.FLAG_DSB)
FLAG_FP, FLAG_DSB, FLAG_ERET = u64(instruction.FLAG_FP), u64(instruction.FLAG_DSB), u64(instruction.FLAG_ERET)
FLAG_SP_BASE, FLAG_WRITES_SP = u64(instruction.FLAG_SP_BASE), u64(instruction.FLAG_WRITES_SP)
FLAG_MEMORY, FLAG_UNANNOUNCED = u64(instruction.FLAG_MEMORY), u64(instruction.FLAG_UNANNOUNCED)
FLAG_ORDERED, FLAG_EXCLUSIVE = u64(instruction.FLAG_LDAPR), u64(instruction.FLAG_EXCLUSIVE)
FLAG_SEV, FLAG_SEVL = u64(instruction.FLAG_SEV), u64(instruction.FLAG_SEVL)
FLAG_WFE, FLAG_WFI, FLAG_DAIF = u64(instruction.FLAG_WFE), u64(instruction.FLAG_WFI), u64(instruction.FLAG_DAIF)
#: A block with any of these is looked at before it runs; MEMORY counts only while `align_check` is on.
SPECIAL = FLAG_FP | FLAG_DSB | FLAG_ERET | FLAG_SP_BASE | FLAG_UNANNOUNCED | FLAG_ORDERED | FLAG_EXCLUSIVE | FLAG_NARROW_SIGNED | WATCHED | DRAINS | FOR_TURN
#: After a block with any of these the slice ends, so that the run loop can act on it.
AFTERWARDS = FLAG_SYNCHRONISES | FLAG_ERET | FLAG_SEV | FLAG_SEVL | FLAG_WFE | FLAG_WFI
STOP_AT_BLOCK, STOP_STEP = u64(stops.STOP_AT_BLOCK), u64(stops.STOP_STEP)
STEPPING, RESUMING_AT_BLOCK = u64(dtypes.STEPPING), u64(dtypes.RESUMING_AT_BLOCK)
STOP_TURN, INTERLEAVE_BLOCK = u64(stops.STOP_TURN), u64(dtypes.INTERLEAVE_BLOCK)
STOP_DSB, STOP_FP, STOP_EXCEPTION = u64(stops.STOP_DSB), u64(stops.STOP_FP), u64(stops.STOP_EXCEPTION)

KEY_SPSR_EL1 = u64(REGISTER_KEYS["SPSR_EL1"])
SPSR_AARCH32, SPSR_M_MASK, SPSR_EL2H = u64(0x10), u64(0x1F), u64(0x9)
FP_TRAP_EL0, FP_TRAP_ALL = u64(1), u64(2)
SCTLR_SA, SCTLR_SA0 = u64(1 << 3), u64(1 << 4)
PAGE_BYTES = u64(memory_map.PAGE_BYTES)


@njit
def at_el0(m, i):  # type: ignore[no-untyped-def]
    """Whether the PE is at EL0."""
    return (pstate(m, i) >> PSTATE_EL_SHIFT) & PSTATE_EL_MASK == ZERO


@njit
def enter_page(m, i, va):  # type: ignore[no-untyped-def]
    """Instructions now come from another page: look it up as a fetch does. Returns the status of the translation."""
    pe, machine = pe_of(m, i), machine_of(m)
    state = pstate(m, i)
    el0 = ONE if (state >> PSTATE_EL_SHIFT) & PSTATE_EL_MASK == ZERO else ZERO
    page = va & PAGE_MASK
    status = translate(m, i, page, ACCESS_FETCH, el0, ONE if state & PSTATE_PAN != ZERO else ZERO)
    if status == OK:
        walked = walked_of(m, i)
        pa = (walked["pa"] | (page & ~walked["mask"])) & PAGE_MASK
        if pa >= machine["ram_pa"] and pa - machine["ram_pa"] < machine["ram_bytes"]:
            pe["code_va"], pe["code_pa"] = page, pa
    return status


@njit
def has_mark(m, pa, size):  # type: ignore[no-untyped-def]
    """Whether a watched symbol lies in [pa, pa + size)."""
    marks, count = marks_of(m), np.int64(machine_of(m)["mark_count"])
    for k in range(count):
        if marks[k] - pa < size:
            return True
    return False


@njit
def _learn(m, facts, pa, size, tag):  # type: ignore[no-untyped-def]
    """Work out the facts of the block of `size` bytes at `pa`."""
    machine, scratch, ram = machine_of(m), scratch_of(m), ram_of(m)
    offset = np.int64(pa - machine["ram_pa"])
    count = np.int64(size >> TWO)
    out = scratch[FACTS_SCRATCH:FACTS_SCRATCH + 8]
    block_facts(ram, offset, count, out)
    facts["tag"] = tag
    facts["cycles"] = schedule_at(m, pa, size)["cycles"]
    facts["branch"] = branch_kind(word_at(ram, offset + np.int64(size) - np.int64(4)))
    facts["instructions"] = out[FACTS_INSTRUCTIONS]
    facts["flags"] = out[FACTS_FLAGS]
    facts["last_flags"] = out[FACTS_LAST_FLAGS]
    facts["first_fp"] = out[FACTS_FIRST_FP]
    for k in range(count):
        word = word_at(ram, offset + np.int64(4) * np.int64(k))
        facts["flags"] |= unannounced_flag(word) | narrow_signed_flag(word) | completion_flags(word)
        if is_for_turn(word):
            facts["flags"] |= FOR_TURN
    facts["flags"] |= turn_flag(facts["flags"], size)
    if has_mark(m, pa, size):
        facts["flags"] |= WATCHED
    if machine["coherence"] != ZERO and facts["flags"] & FLAG_BARRIER != ZERO:
        facts["flags"] |= DRAINS
    if machine["adversarial"] != ZERO and facts["flags"] & FLAG_ISB != ZERO:
        facts["flags"] |= FLAG_SYNCHRONISES
    needed = scratch[REQUIREMENTS_SCRATCH:REQUIREMENTS_SCRATCH + 64]
    found = alignment_requirements(ram, offset, count, needed)
    if found < CANNOT_PROVE + 1:
        facts["requirements"] = UNPROVED
    else:
        facts["requirements"] = u64(found)
        for k in range(found):
            facts["requirement"][k] = needed[k]


@njit
def _may_be_misaligned(m, i, facts):  # type: ignore[no-untyped-def]
    """Whether an access of the block may be misaligned, by the registers at its start."""
    if facts["requirements"] == UNPROVED:
        return True
    registers = general(m, i)
    for k in range(np.int64(facts["requirements"])):
        need = facts["requirement"][k]
        value = registers[np.int64(need & u64(0xFF))] + ((need >> u64(8)) & u64(0xFF))
        if value & ((need >> u64(16)) & u64(0xFF)) != ZERO:
            return True
    return False


@njit
def emit_marks(m, i, va, pa, size):  # type: ignore[no-untyped-def]
    """One event for each watched symbol in [pa, pa + size), stamped with the cycle at which the block begins."""
    marks, count = marks_of(m), np.int64(machine_of(m)["mark_count"])
    for k in range(count):
        if marks[k] - pa < size:
            emit(m, i, EVENT_MARK, ZERO, u64(k), va + (marks[k] - pa), ZERO)


@njit
def stops_here(m, i, pa, size):  # type: ignore[no-untyped-def]
    """Whether the run is to stop before [pa, pa + size), because MACHINE.until lies there. It does so once: then the PE goes on."""
    pe, machine = pe_of(m, i), machine_of(m)
    until = machine["until"]
    if until == ZERO or marks_of(m)[np.int64(until - ONE)] - pa >= size:
        return False
    here = pe["instructions"] << UNTIL_BITS | until
    if pe["stopped_before"] == here:
        return False
    pe["stopped_before"] = here
    machine["until_reached"] = ONE
    return True


@njit
def fp_is_trapped(m, i):  # type: ignore[no-untyped-def]
    """Whether CPACR_EL1.FPEN traps FP and SIMD at the present exception level."""
    trapped = pe_of(m, i)["fp_trapped"]
    return trapped == FP_TRAP_ALL or (trapped == FP_TRAP_EL0 and at_el0(m, i))


@njit
def sp_is_misaligned(m, i):  # type: ignore[no-untyped-def]
    """Whether a load or store based on SP takes an SP alignment fault now (SCTLR_EL1.SA, SA0)."""
    if general(m, i)[SP] & u64(15) == ZERO:
        return False
    enabled = SCTLR_SA0 if at_el0(m, i) else SCTLR_SA
    return pe_of(m, i)["sctlr"] & enabled != ZERO


@njit
def before_eret(m, i):  # type: ignore[no-untyped-def]
    """An ERET is about to run. The engine cannot return to AArch32: make that the illegal return which it is on an AArch64-only PE."""
    spsr = read_system_register(m, i, KEY_SPSR_EL1)
    if spsr & SPSR_AARCH32 != ZERO:
        pe_of(m, i)["saved_spsr"] = spsr | (ONE << u64(63))
        write_system_register(m, i, KEY_SPSR_EL1, (spsr & ~SPSR_M_MASK) | SPSR_EL2H)


@njit
def _special(m, i, facts, va, pa, size):  # type: ignore[no-untyped-def]
    """Look at a block that needs it. Returns the STOP_* with which to stop before it, or 0 to let it run."""
    pe = pe_of(m, i)
    flags = facts["flags"]
    if flags & WATCHED != ZERO and stops_here(m, i, pa, size):
        return STOP_AT_BLOCK
    if flags & FLAG_DSB != ZERO and machine_of(m)["adversarial"] != ZERO:
        return STOP_STEP                                    # what comes before a DSB in its block has to have happened
    if flags & (FLAG_UNANNOUNCED | FLAG_NARROW_SIGNED) != ZERO:
        return STOP_STEP
    if flags & FLAG_FP != ZERO and pe["fp_trapped"] != ZERO and fp_is_trapped(m, i):
        return STOP_FP if facts["first_fp"] == ZERO else STOP_STEP
    if flags & FLAG_SP_BASE != ZERO and (flags & FLAG_WRITES_SP != ZERO or sp_is_misaligned(m, i)):
        return STOP_STEP
    if flags & FLAG_MEMORY != ZERO and (pe["align_check"] != ZERO or flags & FLAG_ORDERED != ZERO) and _may_be_misaligned(m, i, facts):
        return STOP_STEP
    if flags & DRAINS != ZERO:
        wait_for_stores(pe)
    if flags & FLAG_DSB != ZERO and before_dsb(m, i, flags):
        return STOP_DSB
    if flags & FLAG_ERET != ZERO:
        before_eret(m, i)
    if flags & FLAG_EXCLUSIVE != ZERO:
        pe["monitor_used"] = ONE
        if machine_of(m)["pes"] > ONE and machine_of(m)["interleaving"] == INTERLEAVE_BLOCK:
            pe["limit_cycles"] = ZERO                       # the reservation is noted after this block, wherever the slice would have ended
    if flags & WATCHED != ZERO:
        emit_marks(m, i, va, pa, size)
    return ZERO


@njit
def _may_enter(m, i, page):  # type: ignore[no-untyped-def]
    """Whether PE i may look up, out of turn, the page that instructions now come from."""
    state = pstate(m, i)
    el0 = ONE if (state >> PSTATE_EL_SHIFT) & PSTATE_EL_MASK == ZERO else ZERO
    return is_own_affair(m, i, page, ACCESS_FETCH, el0, ONE if state & PSTATE_PAN != ZERO else ZERO)


@njit
def is_for_turn_now(m, i, facts):  # type: ignore[no-untyped-def]
    """Whether a block must wait for its turn: by what is in it, or because it would have to be looked at instruction by instruction."""
    pe, flags = pe_of(m, i), facts["flags"]
    if flags & (FOR_TURN | FLAG_UNANNOUNCED | FLAG_NARROW_SIGNED) != ZERO or (flags & FLAG_DSB != ZERO and pe["tlbi_outstanding"] != ZERO):
        return True
    if flags & FLAG_ERET != ZERO and pe["reserved_pa"] != NOWHERE:
        return True                                         # it clears the monitor, which other PEs' stores look at
    if flags & FLAG_FP != ZERO and pe["fp_trapped"] != ZERO and fp_is_trapped(m, i):
        return True
    if flags & FLAG_SP_BASE != ZERO and (flags & FLAG_WRITES_SP != ZERO or sp_is_misaligned(m, i)):
        return True
    return flags & FLAG_MEMORY != ZERO and (pe["align_check"] != ZERO or flags & FLAG_ORDERED != ZERO) and _may_be_misaligned(m, i, facts)


@njit
def _begin(uc, pe, va, size):  # type: ignore[no-untyped-def]
    """Look at the block that begins at PE.block_key_cycles: what it costs, what is in it, whether it may run now."""
    m, i = pe["machine"], np.int64(pe["index"])
    if pe["branch"] != NO_BRANCH:
        resolve_branch(m, i, u64(va))
        if pe["cycles"] >= pe["limit_cycles"]:
            pe["stop"] = STOP_AT_BLOCK
            emu_stop(uc)
            return
        pe["block_key_cycles"] = pe["cycles"]
    out_of_turn = pe["block_key_cycles"] >= pe["turn_cycles"]
    if va & PAGE_MASK != pe["code_va"]:
        if out_of_turn and not _may_enter(m, i, va & PAGE_MASK):
            pe["stop"] = STOP_TURN
            emu_stop(uc)
            return
        if enter_page(m, i, va) != OK or va & PAGE_MASK != pe["code_va"]:
            # The engine still had what the model no longer holds: go round by the fill hook, which refuses and takes the abort.
            pe["soft_flush"] = ONE
            pe["stop"] = STOP_AT_BLOCK
            emu_stop(uc)
            return
    pa = pe["code_pa"] | (va & PAGE_OFFSET)
    bytes_ = u64(size)
    tag = pa | (bytes_ << SIZE_SHIFT)
    facts = facts_of(m)[np.int64((pa >> TWO) & FACTS_MASK)]
    if facts["tag"] != tag:
        if va & MISALIGNED != ZERO:                         # the engine would run what lies there; the step takes the PC alignment fault
            pe["stop"] = STOP_STEP
            pe["steps_left"] = ONE
            emu_stop(uc)
            return
        _learn(m, facts, pa, bytes_, tag)
    flags = facts["flags"]
    pe["block_va"] = va
    pe["block_pa"] = pa
    pe["block_bytes"] = bytes_
    pe["repeatable"] = ZERO
    if flags & SPECIAL != ZERO or pe["align_check"] != ZERO:
        if out_of_turn and is_for_turn_now(m, i, facts):
            pe["stop"] = STOP_TURN
            emu_stop(uc)
            return
        stop = _special(m, i, facts, va, pa, bytes_)
        if stop != ZERO:
            pe["stop"] = stop
            pe["steps_left"] = facts["instructions"]
            emu_stop(uc)
            return
    if pe["probing"] != ZERO and flags & (NOT_SPINNABLE | WATCHED) != ZERO:
        not_waiting(pe)
    pe["block_flags"] = flags
    pe["previous_flags"] = flags
    if flags & (SPECIAL | AFTERWARDS | FLAG_DAIF) == ZERO and pe["align_check"] == ZERO:
        pe["repeatable"] = facts["cycles"]
    pe["pending_cycles"] = facts["cycles"]
    pe["pending_instructions"] = facts["instructions"]
    pe["blocks"] += ONE
    pe["branch"] = facts["branch"]
    pe["round_blocks"] = pe["blocks"]


@njit
def _goes_on(uc, pe, va, size):  # type: ignore[no-untyped-def]
    """A slice that was held goes on (`sim.hot.turn`): with the rest of a block, about which all has been done when it began, or before a block.

    Returns False if the rest of the block is not that, because the engine cut it elsewhere: then it counts as a block of its own.
    """
    how = pe["stepping"]
    pe["stepping"] = ZERO
    if how == RESUMING_AT_BLOCK:
        _begin(uc, pe, va, size)
        return True
    if u64(va) - pe["block_va"] + u64(size) <= pe["block_bytes"]:
        return True
    settle_prefix(pe["machine"], pe, u64(va))
    pe["previous_flags"] = ZERO
    return False


@njit
def on_block(uc, va, size, data):  # type: ignore[no-untyped-def]
    """Block hook of the engine: `size` bytes of instructions at `va` are about to run. data: address of the PE record."""
    pe = pe_at(data)
    if pe["stepping"] != ZERO and (pe["stepping"] == STEPPING or _goes_on(uc, pe, va, size)):
        return
    cycles = pe["cycles"] + pe["pending_cycles"]
    pe["cycles"] = cycles
    pe["instructions"] += pe["pending_instructions"]
    pe["pending_cycles"] = ZERO
    pe["pending_instructions"] = ZERO
    flags = pe["previous_flags"]
    if cycles >= pe["limit_cycles"] or flags & AFTERWARDS != ZERO or (flags & FLAG_DAIF != ZERO and pe["irq_waiting"] != ZERO):
        pe["stop"] = STOP_AT_BLOCK
        emu_stop(uc)
        return
    pe["block_key_cycles"] = cycles
    if va == pe["block_va"] and u64(size) == pe["block_bytes"] and pe["repeatable"] != ZERO and va & PAGE_MASK == pe["code_va"]:
        pe["pending_cycles"] = pe["repeatable"]             # a loop of one block: nothing about it can have changed
        pe["pending_instructions"] = u64(size) >> TWO
        pe["blocks"] += ONE
        return
    _begin(uc, pe, va, size)
