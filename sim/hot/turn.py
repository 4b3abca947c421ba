"""Running ahead: a PE may run on by MACHINE.lookahead_cycles beyond the next one's time, as long as nobody can tell.

What PEs do to each other has its place in time, the first cycle of the block that does it (PE.block_key_cycles). A block that begins before
PE.turn_cycles is in turn: no other PE will do anything earlier. All that concerns others is done in turn only: accesses to shared pages and
devices, whatever changes who has a page, walks of the translation tables, aborts, and the instructions that `is_for_turn` names. Out of turn,
the fill hook refuses such an access and the slice ends before it; the PE goes on in the middle of its block when its turn has come, and
nothing is charged, counted or emitted twice. What other PEs send arrives MACHINE.lookahead_cycles later at the soonest.

Pages that must be seen out of turn leave the engine's soft TLB at the end of each slice. The fill hook then gives again what it gave before,
from PE.observed_*, so that for the modelled TLBs the soft TLB has never lost them.
"""
import numpy as np
from numba import njit

from sim.arch import instruction
from sim.arch.register_keys import encoding_key
from sim.hot.coherence import is_sharer
from sim.hot.pages import CLEAN, PAGE_LINES, PRIVATE, READ, SHARED
from sim.hot.sharing import is_settled_late
from sim.hot.soft_tlb import drop_page
from sim.hot.tlb import MISS, lookup_l1, lookup_l2
from sim.hot.translate import EXECUTE, WRITE, permissions
from sim.hot.translate import READ as MAY_READ
from sim.hot.walk import canonical, current_asid
from sim.state import dtypes
from sim.state.handle import l1d_of, l1i_of, l2_of, lines_of, machine_of, page_flags_of, page_sharing_of, pe_of

u64, u8 = np.uint64, np.uint8
ZERO, ONE = u64(0), u64(1)
NOWHERE = u64(dtypes.NOWHERE)
PAGE_MASK, PAGE_SHIFT = u64(0xFFFF_FFFF_FFFF_F000), u64(12)
BYTE, PE_SHIFT = u64(0xFF), u64(8)
ACCESS_WRITE, ACCESS_FETCH = u64(dtypes.ACCESS_WRITE), u64(dtypes.ACCESS_FETCH)
EXECUTED = u8(dtypes.PAGE_EXECUTED)
SCTLR_M = u64(1)
OBSERVED_MOST = dtypes.OBSERVED_ENTRIES
OBSERVED_MASK = u64(dtypes.OBSERVED_ENTRIES - 1)

#: BLOCK_FACTS.flags: the block runs in turn only.
FOR_TURN = u64(1 << 56)
_FLAGS_FOR_TURN = u64(
    instruction.FLAG_SEV | instruction.FLAG_WFE | instruction.FLAG_WFI | instruction.FLAG_EXCLUSIVE | instruction.FLAG_CLREX
    | instruction.FLAG_HVC | instruction.FLAG_SMC | instruction.FLAG_HALT | instruction.FLAG_DC_ZVA | instruction.FLAG_TLBI)
_LONG_BLOCK_BYTES = u64(512)            # the engine may cut the rest of a longer one elsewhere
_SYSTEM_MASK, _SYSTEM, _READ_BIT = u64(0xFFC0_0000), u64(0xD500_0000), u64(1 << 21)
_KEY_SHIFT, _KEY_MASK, _OP0_SHIFT, _GROUP_SHIFT = u64(5), u64(0x3FFF), u64(19), u64(7)
_SYS, _REGISTER = u64(1), u64(3)        # op0
_ICC_GROUPS = u64(encoding_key(3, 0, 12, 0, 0)) >> u64(7)        # op0, op1, CRn: ICC_* but the PMR, ISR_EL1, VBAR_EL1
_PMR, _TIMERS = u64(encoding_key(3, 0, 4, 6, 0)), u64(encoding_key(3, 3, 14, 0, 0)) >> u64(7)


@njit
def is_for_turn(word):  # type: ignore[no-untyped-def]
    """Whether a system instruction concerns other PEs, or what they may have sent: SYS, the GIC's registers, writes of timers."""
    if word & _SYSTEM_MASK != _SYSTEM:
        return False
    op0 = (word >> _OP0_SHIFT) & _REGISTER
    if op0 != _REGISTER:
        return op0 == _SYS
    key = (word >> _KEY_SHIFT) & _KEY_MASK | op0 << u64(14)
    group = key >> _GROUP_SHIFT
    return group == _ICC_GROUPS or key == _PMR or (group == _TIMERS and word & _READ_BIT == ZERO)


@njit
def turn_flag(flags, size):  # type: ignore[no-untyped-def]
    """FOR_TURN or 0, by the flags and the size in bytes of a block."""
    return FOR_TURN if flags & _FLAGS_FOR_TURN != ZERO or size > _LONG_BLOCK_BYTES else ZERO


@njit
def is_out_of_turn(pe):  # type: ignore[no-untyped-def]
    """Whether the block under way has not come to its turn."""
    return pe["block_key_cycles"] >= pe["turn_cycles"]


@njit
def is_own_affair(m, i, va, access, el0, pan):  # type: ignore[no-untyped-def]
    """Whether an access concerns nobody but PE i: its TLBs have the translation, it is permitted, and the page is the PE's for such an access."""
    pe, machine = pe_of(m, i), machine_of(m)
    is_fetch, is_write = access == ACCESS_FETCH, access == ACCESS_WRITE
    va = canonical(m, i, va, is_fetch)
    pa = va
    if pe["sctlr"] & SCTLR_M != ZERO:
        if pe["unusual"] | pe["stale_code_count"] != ZERO:
            return False
        asid = current_asid(m, i)
        slot = lookup_l1(m, i, va, asid, is_fetch)
        if slot != MISS:
            entry = (l1i_of(m, i) if is_fetch else l1d_of(m, i))[slot]
        else:
            slot = lookup_l2(m, i, va, asid)
            if slot == MISS:
                return False
            entry = l2_of(m, i)[slot]
        needed = EXECUTE if is_fetch else WRITE if is_write else MAY_READ
        if permissions(entry["attributes"], pe["sctlr"], el0, pan) & needed == ZERO:
            return False
        pa = entry["pa"] | (va & ~entry["mask"])
    if pa < machine["ram_pa"] or pa - machine["ram_pa"] >= machine["ram_bytes"]:
        return False
    page = np.int64((pa - machine["ram_pa"]) >> PAGE_SHIFT)
    if is_fetch:
        return page_flags_of(m)[page] & EXECUTED != u8(0)
    if is_settled_late(m, page, pe["block_key_cycles"]):
        return False
    word = u64(page_sharing_of(m)[page])
    state, owner = word & BYTE, word >> PE_SHIFT & BYTE
    if state == READ:
        return not is_write and is_sharer(lines_of(m)[PAGE_LINES * page], i)
    return owner == u64(i) and (state == PRIVATE or (state == CLEAN and not is_write))


@njit
def observed_slot(m, i, va, el0, pan, needed):  # type: ignore[no-untyped-def]
    """Which of PE.observed_* answers an access of permissions `needed` (1 read, 2 write) to the page `va`; -1 if none does."""
    pe, key = pe_of(m, i), va | el0 << ONE | pan
    for k in range(OBSERVED_MOST):
        if pe["observed_key"][k] == key and pe["observed_generation"][k] == pe["soft_generation"] and pe["observed_permissions"][k] & needed != ZERO:
            page = pe["observed_page"][k]
            if page == NOWHERE or u64(page_sharing_of(m)[np.int64(page)]) & BYTE == SHARED:
                return k
    return -1


@njit
def note_observed(m, i, va, el0, pan, pa, granted, page):  # type: ignore[no-untyped-def]
    """A page that must be seen out of turn has been handed to the engine, in turn: from here on the slice goes on in turn only."""
    pe, key = pe_of(m, i), va | el0 << ONE | pan
    place = np.int64(-1)
    for k in range(OBSERVED_MOST):
        if pe["observed_key"][k] == key:
            place = np.int64(k)
    if place < 0:
        place = np.int64(pe["observed_next"] & OBSERVED_MASK)
        pe["observed_next"] += ONE
        if pe["observed_held"] >> u64(place) & ONE != ZERO:
            drop_page(m, i, pe["observed_key"][place] & PAGE_MASK)
    pe["observed_key"][place] = key
    pe["observed_pa"][place] = pa
    pe["observed_permissions"][place] = granted
    pe["observed_page"][place] = page
    pe["observed_generation"][place] = pe["soft_generation"]
    hold_observed(pe, place)


@njit
def hold_observed(pe, k):  # type: ignore[no-untyped-def]
    """The engine has an observed page, up to the end of the slice."""
    pe["observed_held"] |= ONE << u64(k)
    pe["limit_cycles"] = min(pe["limit_cycles"], pe["turn_cycles"])


@njit
def drop_observed(m, i):  # type: ignore[no-untyped-def]
    """The end of a slice: the engine's soft TLB loses what must be seen out of turn."""
    pe = pe_of(m, i)
    for k in range(OBSERVED_MOST):
        if pe["observed_held"] >> u64(k) & ONE != ZERO and pe["observed_generation"][k] == pe["soft_generation"]:
            drop_page(m, i, pe["observed_key"][k] & PAGE_MASK)
    pe["observed_held"] = ZERO
