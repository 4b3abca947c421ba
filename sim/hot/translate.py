"""From a VA to a PA as a PE does it: MMU off, L1 TLB, L2 TLB, walk, permission check, dirty state.

`pe["cycles"]` is charged for what the access costs beyond an L1 hit. A status is OK or a fault, see `sim.hot.walk`.
What a TLB holds does not depend on SCTLR: WXN and PAN are judged at every translation. It does depend on TCR, TTBR and MAIR as they were
when it was walked, as the architecture permits: changing them calls for invalidation, or for another ASID.
Not modelled: FEAT_PAN3 (EPAN), FEAT_E0PD. Fetches from Device memory are permitted if the descriptor permits them.

Source: DDI 0487 L.a, D8.2.1 (stage 1 disabled), D8.4 (permissions), D8.5 (dirty state).
"""
import numpy as np
from numba import njit

from sim.hot.code_pages import code_written
from sim.hot.events import emit
from sim.hot.multi_hit import ABORT, AMALGAMATION, SEEDED, l1_copy_of, pass_on, passes_already, resolve
from sim.hot.overlap import PASSING, RESIDUE
from sim.hot.own_tlbi import fetches_by_stale_code
from sim.hot.residue import use_residue
from sim.hot.spin import wake_everybody
from sim.hot.tlb import KIND_VA, MISS, NOWHERE, copy_entry, insert_l1, insert_l2, invalidate, lookup_l1, lookup_l2
from sim.hot.walk import (
    FAULT_ADDRESS_SIZE,
    FAULT_CONFLICT,
    FAULT_PERMISSION,
    FAULTED,
    LEVEL_SHIFT,
    MAIR_SHIFT,
    OK,
    ONE,
    SH_SHIFT,
    THREE,
    TWO,
    WAITS,
    ZERO,
    canonical,
    current_asid,
    walk,
    walk_tables,
)
from sim.state import dtypes
from sim.state.events import EVENT_FILL
from sim.state.handle import l1d_of, l1i_of, l2_of, machine_of, pe_of, ram_words_of, walked_of

u64 = np.uint64
READ, WRITE, EXECUTE = u64(1), u64(2), u64(4)                   # bits of `permissions`
_ACCESS_WRITE, _ACCESS_FETCH = u64(dtypes.ACCESS_WRITE), u64(dtypes.ACCESS_FETCH)
_SCTLR_M, _SCTLR_I, _SCTLR_WXN = u64(1 << 0), u64(1 << 12), u64(1 << 19)
_WRITABLE, _EL0, _PXN, _UXN, _DBM, _DEVICE, _FLAT = (u64(n) for n in (
    dtypes.ATTRIBUTE_WRITABLE, dtypes.ATTRIBUTE_EL0, dtypes.ATTRIBUTE_PXN, dtypes.ATTRIBUTE_UXN, dtypes.ATTRIBUTE_DBM,
    dtypes.ATTRIBUTE_DEVICE, dtypes.ATTRIBUTE_FLAT))
_AP_READ_ONLY = u64(1 << 7)
_NT, _BELOW_FILLED = u64(dtypes.ATTRIBUTE_NT), u64((1 << dtypes.ATTRIBUTE_FILLED_SHIFT) - 1)
_KEPT_BY_NOBODY = np.int64(-2)          # in place of an L1 slot: the translation is in walked_of(m, i) and passes
_CLEAN = u64(1 << 63)                   # beside a permission fault: only a clean dirty state stands in the way
_PAGE_MASK = ~u64(0xFFF)
_OUTER_SHAREABLE = TWO << SH_SHIFT
_FLAT_DATA = _FLAT | _WRITABLE | _EL0 | _DEVICE | _OUTER_SHAREABLE                                   # Device-nGnRnE
_FLAT_FETCH = _FLAT | _WRITABLE | _EL0 | _OUTER_SHAREABLE
_NON_CACHEABLE, _WRITE_THROUGH = u64(0x44) << MAIR_SHIFT, u64(0xAA) << MAIR_SHIFT


@njit(cache=True)
def permissions(attributes, sctlr, el0, pan):  # type: ignore[no-untyped-def]
    """READ, WRITE and EXECUTE bits of what ATTRIBUTE_* bits permit at EL1, or at EL0 if `el0`.

    pan: non-zero if PSTATE.PAN applies to the data access.  WRITE is absent while the dirty state of a DBM entry is still clean.
    """
    if attributes & _FLAT != ZERO:
        return READ | WRITE | EXECUTE
    # A clean entry counts as writable wherever writable means not executable: the first store makes it so.
    may_write = attributes & (_WRITABLE | _DBM) != ZERO
    el0_access = attributes & _EL0 != ZERO
    if el0 != ZERO:
        result = READ if el0_access else ZERO
        write = may_write and el0_access
        execute = attributes & _UXN == ZERO
    else:
        result = READ
        write = may_write
        execute = attributes & _PXN == ZERO and not (may_write and el0_access)
    if execute and not (write and sctlr & _SCTLR_WXN != ZERO):
        result |= EXECUTE
    if el0 == ZERO and pan != ZERO and el0_access:
        return result & EXECUTE
    if write and attributes & _WRITABLE != ZERO:
        result |= WRITE
    return result


@njit
def _needed(access):  # type: ignore[no-untyped-def]
    """The bit of `permissions` that an access asks for."""
    if access == _ACCESS_FETCH:
        return EXECUTE
    return WRITE if access == _ACCESS_WRITE else READ


@njit
def _judge(m, i, entry, access, el0, pan):  # type: ignore[no-untyped-def]
    """OK, a permission fault at the entry's level, or that with _CLEAN."""
    attributes, sctlr = entry["attributes"], pe_of(m, i)["sctlr"]
    needed = _needed(access)
    if permissions(attributes, sctlr, el0, pan) & needed != ZERO:
        return OK
    fault = FAULTED | FAULT_PERMISSION | attributes >> LEVEL_SHIFT & THREE
    if attributes & (_DBM | _WRITABLE) == _DBM and permissions(attributes | _WRITABLE, sctlr, el0, pan) & needed != ZERO:
        return fault | _CLEAN
    return fault


@njit
def _flat(m, i, va, is_fetch):  # type: ignore[no-untyped-def]
    """The translation while SCTLR.M is 0: PA = VA, for one 4 KiB page."""
    if va >> machine_of(m)["pa_bits"] != ZERO:
        return FAULTED | FAULT_ADDRESS_SIZE
    walked = walked_of(m, i)
    walked["va"] = walked["pa"] = va & _PAGE_MASK
    walked["mask"] = walked["spare"] = _PAGE_MASK
    walked["asid"] = walked["descriptor_pa"] = walked["handed"] = ZERO
    if not is_fetch:
        walked["attributes"] = _FLAT_DATA
    else:
        walked["attributes"] = _FLAT_FETCH | (_WRITE_THROUGH if pe_of(m, i)["sctlr"] & _SCTLR_I != ZERO else _NON_CACHEABLE)
    return OK


@njit(cache=True)
def translate(m, i, va, access, el0, pan):  # type: ignore[no-untyped-def]
    """Translate `va` for one access of PE i. Returns OK with the translation in walked_of(m, i), a fault status, or WAITS (see `walk`).

    va: 64 bits as the program gave them.  access: ACCESS_*.  el0: non-zero for EL0's permissions.  pan: PSTATE.PAN.
    Fills, charges, counts and emits as the PE's TLBs do. On OK the L1 entry, and the L2 entry that it came from, count as handed to the
    engine. walked_of(m, i): va, mask, pa and attributes of the L1 entry; the PA is `pa | va & ~mask`.
    """
    pe = pe_of(m, i)
    is_fetch = u64(access) == _ACCESS_FETCH
    va = canonical(m, i, va, is_fetch)
    if pe["sctlr"] & _SCTLR_M == ZERO:
        return _flat(m, i, va, is_fetch)
    asid = current_asid(m, i)
    if is_fetch and pe["stale_code_count"] != ZERO and fetches_by_stale_code(m, i, va, asid):
        return _judge(m, i, walked_of(m, i), u64(access), u64(el0), u64(pan))
    if pe["unusual"] != ZERO:
        status, slot = _unusual(m, i, va, asid, access, is_fetch)
    else:
        status, slot = OK, lookup_l1(m, i, va, asid, is_fetch)
    if is_fetch:
        pe["n_l1i_lookups"] += ONE
    else:
        pe["n_l1d_lookups"] += ONE
    if slot == MISS and status == OK:
        status, slot = _fill(m, i, va, asid, access, is_fetch)
    if status != OK:
        return status
    if slot == _KEPT_BY_NOBODY:
        return _pass(m, i, u64(access), u64(el0), u64(pan), is_fetch)
    entry = (l1i_of(m, i) if is_fetch else l1d_of(m, i))[slot]
    status = _judge(m, i, entry, u64(access), u64(el0), u64(pan))
    if status & _CLEAN != ZERO:
        status, slot = _make_dirty(m, i, va, slot, u64(access), u64(el0), u64(pan))
        entry = l1d_of(m, i)[slot]
    if status != OK:
        return status
    if entry["handed"] != pe["soft_generation"]:
        entry["handed"] = pe["soft_generation"]
        l2_of(m, i)[np.int64(entry["spare"])]["handed"] = pe["soft_generation"]
    copy_entry(walked_of(m, i), entry)
    return OK


@njit
def hand_again(m, i, va, access):  # type: ignore[no-untyped-def]
    """The engine's soft TLB was emptied after `translate` and before it got the answer: that is handed to it only now."""
    pe, is_fetch = pe_of(m, i), u64(access) == _ACCESS_FETCH
    va = canonical(m, i, va, is_fetch)
    entries = l1i_of(m, i) if is_fetch else l1d_of(m, i)
    for slot in range(len(entries)):
        entry = entries[slot]
        if entry["mask"] != ZERO and va & entry["mask"] == entry["va"]:
            entry["handed"] = pe["soft_generation"]
            l2_of(m, i)[np.int64(entry["spare"])]["handed"] = pe["soft_generation"]


@njit
def _fill(m, i, va, asid, access, is_fetch):  # type: ignore[no-untyped-def]
    """After a miss in L1: from L2, or from a walk into L2; then into L1. Returns (status, L1 slot)."""
    machine, pe = machine_of(m), pe_of(m, i)
    if is_fetch:
        pe["n_l1i_misses"] += ONE
    else:
        pe["n_l1d_misses"] += ONE
    pe["n_l2_lookups"] += ONE
    pe["cycles"] += machine["cost_l2_hit"]
    pe["tlb_cycles"] += machine["cost_l2_hit"]
    l2_slot = lookup_l2(m, i, va, asid)
    if l2_slot == MISS:
        pe["n_l2_misses"] += ONE
        if pe["unusual"] & RESIDUE != ZERO and use_residue(m, i, va, asid, access):
            return OK, _KEPT_BY_NOBODY
        status = walk(m, i, va)
        if status != OK:
            return status, MISS
        if walked_of(m, i)["attributes"] & _NT != ZERO:
            return OK, _KEPT_BY_NOBODY
        l2_slot = insert_l2(m, i, va)
    return OK, _take(m, i, va, l2_slot, access, is_fetch)


@njit
def _unusual(m, i, va, asid, access, is_fetch):  # type: ignore[no-untyped-def]
    """In place of a plain L1 lookup while PE.unusual is set. Returns (status, L1 slot), the slot possibly MISS or _KEPT_BY_NOBODY."""
    machine, pe = machine_of(m), pe_of(m, i)
    if is_fetch and pe["unusual"] & PASSING != ZERO and passes_already(m, i, va):
        return OK, _KEPT_BY_NOBODY
    outcome, l2_slot = resolve(m, i, va, asid, ZERO)
    if outcome == ABORT:
        return FAULT_CONFLICT, MISS
    if outcome == AMALGAMATION:
        pe["cycles"] += machine["cost_l2_hit"]
        pe["tlb_cycles"] += machine["cost_l2_hit"]
        return OK, _KEPT_BY_NOBODY
    if l2_slot == MISS:
        return OK, lookup_l1(m, i, va, asid, is_fetch)
    slot = l1_copy_of(m, i, va, l2_slot, is_fetch)
    if slot == MISS:
        pe["cycles"] += machine["cost_l2_hit"]
        pe["tlb_cycles"] += machine["cost_l2_hit"]
        slot = _take(m, i, va, l2_slot, access, is_fetch)
    if machine["multi_hit"] == SEEDED:
        copy_entry(walked_of(m, i), (l1i_of(m, i) if is_fetch else l1d_of(m, i))[slot])
        return OK, _KEPT_BY_NOBODY
    return OK, slot


@njit
def _pass(m, i, access, el0, pan, is_fetch):  # type: ignore[no-untyped-def]
    """Use walked_of(m, i) for this access only. A clean descriptor that was just walked is made dirty; a clean mixture is read-only."""
    walked = walked_of(m, i)
    status = _judge(m, i, walked, access, el0, pan)
    if status & _CLEAN != ZERO:
        if walked["attributes"] & _NT == ZERO:
            return status & ~_CLEAN
        _set_dirty(m, i)
        status = OK
    if status == OK:
        pass_on(m, i, is_fetch)
    return status


@njit
def _set_dirty(m, i):  # type: ignore[no-untyped-def]
    """Hardware's update of the dirty state (AP[2] = 0) in the descriptor that has just been walked."""
    machine, walked = machine_of(m), walked_of(m, i)
    ram_words_of(m)[np.int64((walked["descriptor_pa"] - machine["ram_pa"]) >> THREE)] &= ~_AP_READ_ONLY
    code_written(m, i, walked["descriptor_pa"] - machine["ram_pa"], u64(8))
    if machine["asleep"] != ZERO:
        wake_everybody(m, i)
    walked["attributes"] |= _WRITABLE


@njit
def _take(m, i, va, l2_slot, access, is_fetch):  # type: ignore[no-untyped-def]
    """Fill L1 from an L2 slot, with the event. Returns the L1 slot."""
    slot = insert_l1(m, i, va, l2_slot, is_fetch)
    entry = (l1i_of(m, i) if is_fetch else l1d_of(m, i))[slot]
    emit(m, i, EVENT_FILL, access, entry["va"], entry["pa"], ~entry["mask"] + ONE)
    return slot


@njit
def _make_dirty(m, i, va, slot, access, el0, pan):  # type: ignore[no-untyped-def]
    """A store met a clean entry: walk anew, set the descriptor's dirty state (AP[2] = 0), hold it as writable.

    The walk is what makes the update one that hardware may do: the descriptor is as it is now, not as it was when the entry was filled.
    Returns (status, L1 data slot).
    """
    walked, entry = walked_of(m, i), l1d_of(m, i)[slot]
    status = walk(m, i, va)
    if status == WAITS:
        return status, slot
    if status == OK:
        status = _judge(m, i, walked, access, el0, pan)
        if status & _CLEAN != ZERO:
            status = OK
            _set_dirty(m, i)
    if status == OK and _same_translation(walked, entry):
        entry["attributes"] |= _WRITABLE
        l2_of(m, i)[np.int64(entry["spare"])]["attributes"] |= _WRITABLE
        return status, slot
    held_va, held_mask, held_asid, held_pa = walked["va"], walked["mask"], walked["asid"], walked["pa"]
    held_attributes, held_descriptor_pa = walked["attributes"], walked["descriptor_pa"]
    invalidate(m, i, KIND_VA, va, ONE, current_asid(m, i), ONE)
    if status != OK:
        return status, slot
    walked["va"], walked["mask"], walked["asid"], walked["pa"] = held_va, held_mask, held_asid, held_pa
    walked["attributes"], walked["descriptor_pa"] = held_attributes, held_descriptor_pa
    return status, _take(m, i, va, insert_l2(m, i, va), access, False)


@njit
def _same_translation(walked, entry):  # type: ignore[no-untyped-def]
    """Whether a held entry is, or is a fraction of, what a walk has just found."""
    return (entry["asid"] == walked["asid"] and entry["va"] & walked["mask"] == walked["va"]
            and entry["pa"] == walked["pa"] | (entry["va"] & ~walked["mask"])
            and (entry["attributes"] & _BELOW_FILLED | _WRITABLE) == (walked["attributes"] | _WRITABLE))


@njit(cache=True)
def probe(m, i, va, access, el0, pan):  # type: ignore[no-untyped-def]
    """`translate` without a trace: uses the TLBs, then the tables, as the PE would, but charges, fills, counts, emits and updates nothing.

    walked_of(m, i) is overwritten. A clean entry that hardware would make dirty counts as writable.
    """
    is_fetch = u64(access) == _ACCESS_FETCH
    va = canonical(m, i, va, is_fetch)
    if pe_of(m, i)["sctlr"] & _SCTLR_M == ZERO:
        return _flat(m, i, va, is_fetch)
    asid, walked = current_asid(m, i), walked_of(m, i)
    outcome, l2_slot = resolve(m, i, va, asid, ONE)
    if outcome == ABORT:
        return FAULT_CONFLICT
    slot = lookup_l1(m, i, va, asid, is_fetch) if l2_slot == MISS and outcome != AMALGAMATION else MISS
    if l2_slot != MISS:
        copy_entry(walked, l2_of(m, i)[l2_slot])
    elif slot != MISS:
        copy_entry(walked, (l1i_of(m, i) if is_fetch else l1d_of(m, i))[slot])
    elif outcome != AMALGAMATION:
        slot = lookup_l2(m, i, va, asid)
        if slot != MISS:
            copy_entry(walked, l2_of(m, i)[slot])
        else:
            status = walk_tables(m, i, va, ONE)
            if status != OK:
                return status
    status = _judge(m, i, walked, u64(access), u64(el0), u64(pan))
    return OK if status & _CLEAN != ZERO else status


@njit(cache=True)
def regime_changed(m, i):  # type: ignore[no-untyped-def]
    """SCTLR, TCR, TTBRn or MAIR of PE i was written: the engine's soft TLB must go, the TLBs keep what they hold.

    Their entries carry their ASID and are judged under the SCTLR of each access; entries made under other values of TCR, TTBR or MAIR stay
    until software invalidates them, as on hardware. While SCTLR.M is 0 they are kept but not used.
    """
    pe = pe_of(m, i)
    pe["soft_flush"] = ONE
    pe["code_va"] = NOWHERE
