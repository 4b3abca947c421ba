"""Adversarial setting: a PE's own TLBI, which is certain to have taken effect only later than it is executed.

The issuer's TLBs keep what it covers until the PE executes a DSB for loads and stores; what instructions were fetched by (the L1 instruction
TLB) is used for fetches even then, until the next ISB, exception entry or exception return. More TLBIs than OWN_TLBI_ENTRIES without a DSB
take effect at once, as one of everything; of more than STALE_CODE_ENTRIES entries used for fetches, the others go at the DSB.
What other PEs see of a broadcast is not changed. Source: DDI 0487 L.a, D8.17.7 (completion of TLB maintenance), B2.3.12 (DSB), C6.2 "ISB".
"""
import numpy as np
from numba import njit

from sim.hot.events import emit
from sim.hot.tlb import ASID_GLOBAL, HINT_SHIFT, KIND_ALL, NOWHERE, copy_entry, invalidate, is_covered
from sim.state.events import EVENT_TLBI_DONE
from sim.state.handle import l1i_of, l2_of, own_tlbi_of, pe_of, stale_code_of, walked_of

u64 = np.uint64
ZERO, ONE = u64(0), u64(1)
AUX_LEVELS_SHIFT = u64(8)               # in `aux` of EVENT_TLBI and EVENT_TLBI_DONE


@njit
def defer_own_tlbi(m, i, kind, va, size_bytes, asid, levels):  # type: ignore[no-untyped-def]
    """PE i has executed a TLBI: keep it until a DSB. Arguments as those of `sim.hot.tlb.invalidate`."""
    pe, queue = pe_of(m, i), own_tlbi_of(m, i)
    if pe["own_tlbi_count"] >= u64(len(queue)):
        pe["own_tlbi_count"] = ZERO
        invalidate(m, i, KIND_ALL, ZERO, ZERO, ZERO, ZERO)
        return
    entry = queue[np.int64(pe["own_tlbi_count"])]
    entry["kind"], entry["va"], entry["size_bytes"], entry["asid"], entry["levels"] = kind, va, size_bytes, asid, levels
    pe["own_tlbi_count"] += ONE


@njit
def apply_own_tlbis(m, i):  # type: ignore[no-untyped-def]
    """A DSB of PE i for loads and stores: its TLBs drop what its TLBIs cover; fetches may still use it. Emits EVENT_TLBI_DONE for each."""
    pe, queue = pe_of(m, i), own_tlbi_of(m, i)
    for k in range(np.int64(pe["own_tlbi_count"])):
        entry = queue[k]
        _keep_for_fetches(m, i, entry)
        gone = invalidate(m, i, entry["kind"], entry["va"], entry["size_bytes"], entry["asid"], entry["levels"])
        emit(m, i, EVENT_TLBI_DONE, entry["kind"] | entry["levels"] << AUX_LEVELS_SHIFT, entry["va"], u64(i), gone)
    pe["own_tlbi_count"] = ZERO


@njit
def _keep_for_fetches(m, i, operation):  # type: ignore[no-untyped-def]
    """Set aside the entries of the L1 instruction TLB that a TLBI is about to drop."""
    pe, fetched, parents, stale = pe_of(m, i), l1i_of(m, i), l2_of(m, i), stale_code_of(m, i)
    span = operation["size_bytes"] - ONE if operation["size_bytes"] != ZERO else ZERO
    last = operation["va"] + span if span <= ~operation["va"] else NOWHERE
    for slot in range(len(fetched)):
        entry = fetched[slot]
        if entry["mask"] == ZERO or pe["stale_code_count"] >= u64(len(stale)):
            continue
        parent = parents[np.int64(entry["spare"])]
        if is_covered(parent, operation["kind"], operation["va"], last, operation["asid"], operation["levels"] >> HINT_SHIFT):
            copy_entry(stale[np.int64(pe["stale_code_count"])], entry)
            pe["stale_code_count"] += ONE


@njit
def fetches_by_stale_code(m, i, va, asid):  # type: ignore[no-untyped-def]
    """Whether a fetch from `va` still uses an entry that is gone; it is then in walked_of(m, i)."""
    stale = stale_code_of(m, i)
    for k in range(np.int64(pe_of(m, i)["stale_code_count"])):
        entry = stale[k]
        if va & entry["mask"] == entry["va"] and (entry["asid"] == asid or entry["asid"] == ASID_GLOBAL):
            copy_entry(walked_of(m, i), entry)
            return True
    return False


@njit
def synchronise_context(m, i):  # type: ignore[no-untyped-def]
    """ISB, exception entry or exception return on PE i: fetches use what the TLBs hold."""
    pe = pe_of(m, i)
    if pe["stale_code_count"] != ZERO:
        pe["stale_code_count"] = ZERO
        pe["soft_flush"], pe["code_va"] = ONE, NOWHERE
