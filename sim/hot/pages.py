"""Which PEs access the data of each page: private pages run at full speed, accesses to shared ones are seen and cost what coherence costs.

A page is untouched; then one PE's that only reads it; then one PE's; or read by several; or shared. It becomes shared when a PE accesses a page
that another PE writes, or writes one that another reads: every soft TLB is emptied, and from then on the page is handed out only as its image
in the observed window. Its lines count as changed by the PE that had it, or as read by all that read it.
A shared page that one PE has written COOLING_WRITES times, with no other PE's write or miss between, is that PE's own again.

Fetches count as nothing, walks as reads. What firmware and Python write counts as nothing.
With COHERENCE_ALL every page is shared from the beginning and nobody's lines are anywhere.
"""
import numpy as np
from numba import njit

from sim.arch import instruction
from sim.hot import coherence
from sim.hot.decode import effective_address, word_at
from sim.hot.decode_memory import (
    FORM_ATOMIC,
    FORM_COMPARE,
    FORM_COMPARE_PAIR,
    FORM_EXCLUSIVE,
    FORM_EXCLUSIVE_PAIR,
    FORM_NONE,
    KIND_STORE,
    ORDERED_RELEASE,
    access_kind,
    access_size_bytes,
    memory_form,
    ordering,
)
from sim.hot.pipeline import prefix_cycles, schedule_at
from sim.hot.registers import general
from sim.hot.spin import wake_everybody
from sim.state import dtypes
from sim.state.handle import lines_of, lines_touched_of, machine_of, page_sharing_of, pe_of, pes_of, ram_of

u64, u32, u8 = np.uint64, np.uint32, np.uint8
ZERO, ONE, FOUR, EIGHT = u64(0), u64(1), u64(4), u64(8)
PAGE_SHIFT, LINE_SHIFT, LINE_IN_PAGE = u64(12), u64(6), u64(0xFC0)
UNTOUCHED, CLEAN, PRIVATE, READ, SHARED = (u64(state) for state in (
    dtypes.SHARING_UNTOUCHED, dtypes.SHARING_CLEAN, dtypes.SHARING_PRIVATE, dtypes.SHARING_READ, dtypes.SHARING_SHARED))
BYTE, PE_SHIFT, COUNT_SHIFT = u64(0xFF), u64(8), u64(16)
COOLING_WRITES = u64(512)
PAGE_LINES = 64
OFF, PAGES, ALL = u64(dtypes.COHERENCE_OFF), u64(dtypes.COHERENCE_PAGES), u64(dtypes.COHERENCE_ALL)
LINE_SHARED, LINE_MODIFIED = u64(dtypes.LINE_SHARED), u64(dtypes.LINE_MODIFIED)
# Of the block under way: an instruction of these makes more of a read, or of a write, than a plain one.
FLAGS_OF_READS = u64(instruction.FLAG_ATOMIC | instruction.FLAG_EXCLUSIVE)
FLAGS_OF_WRITES = FLAGS_OF_READS | u64(instruction.FLAG_LDAPR | instruction.FLAG_DMB | instruction.FLAG_DSB)
DISCARDED = u64(31)                     # XZR as the register that an atomic's result goes to
_BARRIER_MASK, _DSB, _DMB = u64(0xFFFF_F0FF), u64(0xD503_309F), u64(0xD503_30BF)


@njit
def sharing_of(m, page):  # type: ignore[no-untyped-def]
    """SHARING_* of a page, its bits 7:0."""
    return u64(page_sharing_of(m)[page]) & BYTE


@njit
def _set_lines(m, page, holder):  # type: ignore[no-untyped-def]
    """All lines of a page are held alike; PEs that share them are those of its first line."""
    lines = lines_of(m)
    first = lines[PAGE_LINES * page]
    for k in range(PAGE_LINES):
        record = lines[PAGE_LINES * page + k]
        record["holder"] = holder
        record["busy_cycles"] = record["begin_cycles"] = record["at_home"] = ZERO
        for word in range(4):
            record["sharers"][word] = first["sharers"][word] if holder == LINE_SHARED else ZERO
    lines_touched_of(m)[page] = u8(1)


@njit
def _forget_sharers(m, page):  # type: ignore[no-untyped-def]
    record = lines_of(m)[PAGE_LINES * page]
    for word in range(4):
        record["sharers"][word] = ZERO
    lines_touched_of(m)[page] = u8(1)


@njit
def empty_all_soft_tlbs(m):  # type: ignore[no-untyped-def]
    """What any soft TLB holds of a page no longer fits: each goes before its PE's next block."""
    pes = pes_of(m)
    for j in range(pes.shape[0]):
        pes[j]["soft_flush"] = ONE


@njit
def touch(m, i, page, is_write):  # type: ignore[no-untyped-def]
    """PE i is about to access the data of a page of RAM (COHERENCE_PAGES). Returns what it is from now on, SHARING_*."""
    sharing = page_sharing_of(m)
    word = u64(sharing[page])
    state, owner = word & BYTE, word >> PE_SHIFT & BYTE
    if state == SHARED:
        return SHARED
    if state == UNTOUCHED or (state != READ and owner == u64(i)):
        now = PRIVATE if is_write else max(state, CLEAN)
        sharing[page] = u32(now | u64(i) << PE_SHIFT)
        return now
    lines = lines_of(m)
    if state == CLEAN:
        _forget_sharers(m, page)
        coherence.add_sharer(lines[PAGE_LINES * page], np.int64(owner))
    if state != PRIVATE and not is_write:
        coherence.add_sharer(lines[PAGE_LINES * page], i)
        lines_touched_of(m)[page] = u8(1)
        sharing[page] = u32(READ)
        return READ
    _set_lines(m, page, LINE_MODIFIED | owner << PE_SHIFT if state == PRIVATE else LINE_SHARED)
    sharing[page] = u32(SHARED | u64(i) << PE_SHIFT)
    if machine_of(m)["ordered"] == ZERO:
        empty_all_soft_tlbs(m)                              # else they have been emptied when that was due
    return SHARED


@njit
def _count(m, i, page, is_write):  # type: ignore[no-untyped-def]
    """PE i wrote to a shared page, or missed there: the page may be its own by now."""
    sharing = page_sharing_of(m)
    word = u64(sharing[page])
    count = word >> COUNT_SHIFT if word >> PE_SHIFT & BYTE == u64(i) else ZERO
    if is_write:
        count += ONE
    if count >= COOLING_WRITES:
        sharing[page] = u32(PRIVATE | u64(i) << PE_SHIFT)
        empty_all_soft_tlbs(m)
        if machine_of(m)["asleep"] != ZERO:
            wake_everybody(m, i)                            # their next loads from the page make it shared again
    else:
        sharing[page] = u32(SHARED | u64(i) << PE_SHIFT | count << COUNT_SHIFT)


@njit
def _search(m, i, offset, is_write, start):  # type: ignore[no-untyped-def]
    """As `_instruction_here`, of the instructions of the block from number `start` on; the second is -1 if it is none of them."""
    pe, machine, ram, registers = pe_of(m, i), machine_of(m), ram_of(m), general(m, i)
    first = np.int64(pe["block_pa"] - machine["ram_pa"])
    result, number = coherence.WRITE if is_write else coherence.READ, np.int64(-1)
    for k in range(start, np.int64(pe["block_bytes"] >> u64(2))):
        word = word_at(ram, first + 4 * k)
        form = memory_form(word)
        if form == FORM_NONE:
            barrier = word & _BARRIER_MASK
            if number >= 0 and is_write and (barrier == _DSB or barrier == _DMB):
                return coherence.ATOMIC, number
            continue
        if number >= 0 or (effective_address(word, registers, pe["block_va"] + FOUR * u64(k)) ^ offset) & LINE_IN_PAGE != ZERO:
            continue
        released = coherence.RELEASE if ordering(word, form) & ORDERED_RELEASE != ZERO else ZERO
        if form == FORM_ATOMIC or form == FORM_COMPARE or form == FORM_COMPARE_PAIR:
            far = form == FORM_ATOMIC and word & DISCARDED == DISCARDED and machine["far_atomics"] != ZERO
            pe["match_next"] = u64(k)                       # its read, then its write
            return (coherence.ATOMIC_FAR if far else coherence.ATOMIC) | released, np.int64(k)
        if (access_kind(word, form) == KIND_STORE) != is_write:
            continue
        pe["match_next"] = u64(k) if access_size_bytes(word, form) > EIGHT else u64(k + 1)
        if form == FORM_EXCLUSIVE or form == FORM_EXCLUSIVE_PAIR:
            return coherence.ATOMIC | released if is_write else coherence.READ, np.int64(k)
        number = np.int64(k)
        if is_write:
            result |= released
    return result, number


@njit
def _instruction_here(m, i, offset, is_write):  # type: ignore[no-untyped-def]
    """What kind of access (`sim.hot.coherence`) the one at `offset` is, and which instruction of the block under way makes it, counted from 0.

    The engine does not say which instruction it is at, but the registers are those of it: it is the next one, behind that found before in this
    pass of the block, whose address, by them, lies in the same line of a page. A store with a barrier behind it in the block waits as an atomic does.
    """
    pe = pe_of(m, i)
    if pe["match_instructions"] != pe["instructions"]:
        pe["match_instructions"], pe["match_next"] = pe["instructions"], ZERO
    kind, number = _search(m, i, offset, is_write, np.int64(pe["match_next"]))
    if number < 0:                                          # no access of which we know: the address has been changed since
        kind, number = _search(m, i, offset, is_write, np.int64(0))
    return kind, u64(max(number, np.int64(0)))


@njit
def observe_access(m, i, offset, size, is_write):  # type: ignore[no-untyped-def]
    """PE i accesses `size` bytes, 1 to 8, at `offset` in RAM, through the observed window: charge it if the page is shared.

    A block's accesses are made at its first cycle. Where it has atomics, exclusives, ordered accesses or barriers, each counts as made when the
    instructions before it in the block have been issued.
    """
    machine, pe, page = machine_of(m), pe_of(m, i), np.int64(offset >> PAGE_SHIFT)
    if machine["coherence"] == PAGES and sharing_of(m, page) != SHARED:
        return
    line = offset >> LINE_SHIFT
    if pe["far_line"] == line + ONE and pe["far_instructions"] == pe["instructions"]:
        return                                              # the rest of an atomic that was done at the line's home
    record = lines_of(m)[np.int64(line)]
    holder = record["holder"]
    is_own = holder & BYTE > LINE_SHARED and holder >> PE_SHIFT & BYTE == u64(i)
    kind, before_cycles = coherence.WRITE if is_write else coherence.READ, ZERO
    if pe["block_flags"] & (FLAGS_OF_WRITES if is_write else FLAGS_OF_READS) != ZERO and not (
            (is_own and pe["stores_done_cycles"] <= pe["cycles"])
            or (machine["coherence"] == PAGES and not is_write and holder & BYTE == LINE_SHARED and coherence.is_sharer(record, i))):
        kind, number = _instruction_here(m, i, offset, is_write)
        if machine["coherence"] == PAGES:
            before_cycles = prefix_cycles(schedule_at(m, pe["block_pa"], pe["block_bytes"]), number)
    if kind & coherence.KIND_MASK == coherence.ATOMIC_FAR and not is_own:
        pe["far_line"], pe["far_instructions"] = line + ONE, pe["instructions"]
    pe["cycles"] += before_cycles
    stall = coherence.access(m, i, offset, size, kind)
    pe["cycles"] -= before_cycles
    if machine["coherence"] == PAGES and (is_write or stall != ZERO):
        _count(m, i, page, is_write)


@njit
def observe_walk(m, i, offset):  # type: ignore[no-untyped-def]
    """A walk of PE i reads the descriptor at `offset` in RAM; the walk itself is charged as if that came from L2."""
    machine = machine_of(m)
    if machine["coherence"] == PAGES and touch(m, i, np.int64(offset >> PAGE_SHIFT), False) != SHARED:
        return
    if machine["coherence"] != OFF:
        stall = coherence.access(m, i, offset, u64(8), coherence.READ)
        charged_anyway = min(stall, machine["latency_l2"])
        pe_of(m, i)["cycles"] -= charged_anyway
        pe_of(m, i)["coherence_cycles"] -= charged_anyway


@njit
def observe_whole(m, i, offset, size, kind):  # type: ignore[no-untyped-def]
    """PE i changes `size` bytes at `offset` in RAM by an instruction that the simulator does itself; kind as in `sim.hot.coherence`."""
    machine = machine_of(m)
    if machine["asleep"] != ZERO:
        wake_everybody(m, i)
    if machine["coherence"] == PAGES and touch(m, i, np.int64(offset >> PAGE_SHIFT), True) != SHARED:
        return
    if machine["coherence"] != OFF:
        coherence.access(m, i, offset, size, kind)
        pe_of(m, i)["limit_cycles"] = ZERO                  # soft TLBs may be waiting to be emptied
