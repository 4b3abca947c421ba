"""What an access gets when two entries that disagree answer for its VA, and translations that no TLB may keep.

MACHINE.multi_hit says which outcome; FEAT_BBM restricts it (`sim.settings` checks that). abort: TLB conflict abort, status 0x30. old, new:
the entry filled first or last. amalgamation: one page, or whatever the smallest of the entries is: output addresses ORed; writable, EL0 and
DBM only if all say so; execute-never (PXN, UXN) if any says so, or if any makes EL1's execution impossible by being writable at EL0; memory
attributes ANDed, which gives the weaker type; shareability ORed. seeded: one of those permitted, by the PE's random numbers.

A translation that is decided anew at each access (seeded, amalgamation), or that comes from a block with nT, or from a residue, passes: no
TLB holds it, and the engine's soft TLB has it to the end of the block of instructions under way at most (simulator performance). Under
`instruction` interleaving that is one instruction. A fetch is translated twice, for the engine and for the model; the second gets what the
first got.

Source: DDI 0487 L.a, D8.16.3 "TLB conflict", D8.17.3; ID_AA64MMFR2_EL1.BBM.
"""
import numpy as np
from numba import njit

from sim.hot.events import emit, next_random
from sim.hot.overlap import NONE, OVERLAP, PASSING, find_hits
from sim.hot.tlb import copy_entry
from sim.state import dtypes
from sim.state.events import EVENT_CONFLICT
from sim.state.handle import l1d_of, l1i_of, l2_of, machine_of, passing_of, pe_of, walked_of

u64 = np.uint64
ZERO, ONE, TWO, THREE = u64(0), u64(1), u64(2), u64(3)
ABORT, OLD, NEW, AMALGAMATION, SEEDED = (u64(n) for n in (
    dtypes.MULTI_HIT_ABORT, dtypes.MULTI_HIT_OLD, dtypes.MULTI_HIT_NEW, dtypes.MULTI_HIT_AMALGAMATION, dtypes.MULTI_HIT_SEEDED))
SINGLE = u64(dtypes.NOWHERE)            # no more than one entry answers
LEVEL_WITHOUT_ABORT = THREE
_RANDOM_SHIFT = u64(32)
_WRITABLE, _EL0, _PXN, _UXN, _DBM, _DEVICE = (u64(n) for n in (
    dtypes.ATTRIBUTE_WRITABLE, dtypes.ATTRIBUTE_EL0, dtypes.ATTRIBUTE_PXN, dtypes.ATTRIBUTE_UXN, dtypes.ATTRIBUTE_DBM,
    dtypes.ATTRIBUTE_DEVICE))
_LEVEL, _SH, _MAIR = (u64(mask << shift) for mask, shift in (
    (3, dtypes.ATTRIBUTE_LEVEL_SHIFT), (3, dtypes.ATTRIBUTE_SH_SHIFT), (0xFF, dtypes.ATTRIBUTE_MAIR_SHIFT)))
_ALL_MUST = _WRITABLE | _EL0 | _DBM | _MAIR         # ANDed
_ANY_MAY = _PXN | _UXN | _DEVICE | _SH              # ORed


@njit
def pass_on(m, i, is_fetch):  # type: ignore[no-untyped-def]
    """walked_of(m, i) is used for this access and not kept: the soft TLB must lose it before the next block."""
    pe = pe_of(m, i)
    pe["transient"] = ONE
    pe["soft_flush"] = ONE
    pe["limit_cycles"] = ZERO
    if is_fetch:
        passing = passing_of(m, i)
        copy_entry(passing, walked_of(m, i))
        passing["handed"] = pe["soft_generation"]
        pe["unusual"] |= PASSING


@njit
def passes_already(m, i, va):  # type: ignore[no-untyped-def]
    """Whether the fetch of this block from `va` has been translated, by a translation that passes; it is then in walked_of(m, i)."""
    pe, passing = pe_of(m, i), passing_of(m, i)
    if passing["handed"] != pe["soft_generation"]:
        pe["unusual"] &= ~PASSING
        return False
    if va & passing["mask"] != passing["va"]:
        return False
    copy_entry(walked_of(m, i), passing)
    return True


@njit
def _permitted(m, drawn):  # type: ignore[no-untyped-def]
    """One of the outcomes that the FEAT_BBM level permits, by a random number."""
    level = machine_of(m)["feat_bbm"]
    least = OLD if level >= LEVEL_WITHOUT_ABORT else ABORT
    most = AMALGAMATION if level == ZERO else NEW
    return least + (drawn >> _RANDOM_SHIFT) % (most - least + ONE)


@njit
def _amalgamate(m, i, va, asid):  # type: ignore[no-untyped-def]
    """The mixture of all entries that translate `va`, in walked_of(m, i)."""
    entries, walked = l2_of(m, i), walked_of(m, i)
    mask, pa, all_of, any_of, level, execute_never = ZERO, ZERO, _ALL_MUST, ZERO, ZERO, ZERO
    for slot in range(len(entries)):
        entry = entries[slot]
        if entry["mask"] == ZERO or va & entry["mask"] != entry["va"] or (
                entry["asid"] != asid and entry["asid"] != u64(dtypes.ASID_GLOBAL)):
            continue
        attributes = entry["attributes"]
        mask |= entry["mask"]
        pa |= entry["pa"] | va & ~entry["mask"]
        all_of &= attributes
        any_of |= attributes
        level = max(level, attributes & _LEVEL)
        if attributes & _EL0 != ZERO and attributes & (_WRITABLE | _DBM) != ZERO:
            execute_never = _PXN
        walked["descriptor_pa"] = entry["descriptor_pa"]
    walked["va"], walked["mask"], walked["pa"], walked["asid"] = va & mask, mask, pa & mask, asid
    walked["attributes"] = (all_of & _ALL_MUST) | (any_of & _ANY_MAY) | level | execute_never
    walked["handed"], walked["spare"] = ZERO, mask


@njit
def resolve(m, i, va, asid, quiet):  # type: ignore[no-untyped-def]
    """(outcome, L2 slot) of an access to `va` while entries overlap: SINGLE if it meets at most one; a slot for OLD and NEW only.

    AMALGAMATION leaves the mixture in walked_of(m, i). quiet: non-zero says what would happen, without event, count or random number used.
    """
    machine, pe = machine_of(m), pe_of(m, i)
    if pe["unusual"] & OVERLAP == ZERO:
        return SINGLE, NONE
    count, oldest, newest = find_hits(m, i, va, asid)
    if count < TWO:
        return SINGLE, NONE
    outcome = machine["multi_hit"]
    seeded = outcome == SEEDED
    if seeded:
        drawn = next_random(pe["random"])
        outcome = _permitted(m, drawn)
        if quiet == ZERO:
            pe["random"] = drawn
    if quiet == ZERO:
        pe["n_conflicts"] += ONE
        entries = l2_of(m, i)
        emit(m, i, EVENT_CONFLICT, outcome, va, entries[oldest]["descriptor_pa"], entries[newest]["descriptor_pa"])
    if outcome == AMALGAMATION:
        _amalgamate(m, i, va, asid)
    if outcome == OLD:
        return outcome, oldest
    return outcome, newest if outcome == NEW else NONE


@njit
def l1_copy_of(m, i, va, l2_slot, is_fetch):  # type: ignore[no-untyped-def]
    """Slot of the L1 entry that was made from an L2 entry and translates `va`, or -1."""
    entries = l1i_of(m, i) if is_fetch else l1d_of(m, i)
    for slot in range(len(entries)):
        entry = entries[slot]
        if entry["mask"] != ZERO and entry["spare"] == u64(l2_slot) and va & entry["mask"] == entry["va"]:
            return np.int64(slot)
    return NONE
