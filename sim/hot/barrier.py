"""Which DSBs complete which TLBIs: those for loads and stores whose domain covers the TLBI's.

Local TLBIs take effect at once here and need no completion. DSB of stores only or loads only (ST, LD) and of the non-shareable domain
complete no broadcast. Reserved CRm values act as SY, except SSBB and PSSBB (DSB #0 and #4), which are no completion barriers.
Source: DDI 0487 L.a, D8.17.7 (completion of TLB maintenance), C6.2 "DSB".
"""
import numpy as np
from numba import njit

from sim.hot.events import emit
from sim.hot.hidden_stores import show_stores
from sim.hot.interconnect import synchronised
from sim.hot.own_tlbi import apply_own_tlbis
from sim.state import dtypes, events
from sim.state.handle import machine_of, pe_of, pes_of

u64 = np.uint64
EVENT_TLBI_COMPLETE = u64(events.EVENT_TLBI_COMPLETE)
ZERO, ONE = u64(0), u64(1)
#: BLOCK_FACTS.flags, beside those of `sim.arch.instruction`: a DSB that waits for inner shareable TLBIs; also for outer shareable ones.
FLAG_WAITS_INNER, FLAG_WAITS_OUTER = u64(1 << 60), u64(1 << 59)
#: PE.tlbi_outstanding
OUTSTANDING_INNER, OUTSTANDING_OUTER = u64(1), u64(2)
RESIDUE, NOWHERE = u64(dtypes.UNUSUAL_RESIDUE), u64(dtypes.NOWHERE)
_MASK, _VALUE = u64(0xFFFF_F0FF), u64(0xD503_309F)
_CRM_SHIFT, _CRM_MASK, _TYPE_MASK, _DOMAIN_SHIFT = u64(8), u64(15), u64(3), u64(2)
_SSBB, _PSSBB, _LOADS, _BOTH = u64(0), u64(4), u64(1), u64(3)
_DOMAIN_NON_SHAREABLE, _DOMAIN_INNER = u64(1), u64(2)


@njit
def completion_flags(word):  # type: ignore[no-untyped-def]
    """FLAG_WAITS_* of an instruction, 0 if it completes no broadcast TLBI."""
    if word & _MASK != _VALUE:
        return ZERO
    crm = word >> _CRM_SHIFT & _CRM_MASK
    if crm == _SSBB or crm == _PSSBB:
        return ZERO
    kind, domain = crm & _TYPE_MASK, crm >> _DOMAIN_SHIFT
    if kind == ZERO:
        return FLAG_WAITS_INNER | FLAG_WAITS_OUTER
    if kind != _BOTH or domain == _DOMAIN_NON_SHAREABLE:
        return ZERO
    return FLAG_WAITS_INNER if domain == _DOMAIN_INNER else FLAG_WAITS_INNER | FLAG_WAITS_OUTER


@njit
def before_dsb(m, i, flags):  # type: ignore[no-untyped-def]
    """A DSB is about to run. True: it must wait for TLBIs of this PE; False: it has none to complete, or they are complete.

    flags: FLAG_WAITS_* of it. What it completes is left in stop_a for `complete`.
    """
    pe = pe_of(m, i)
    covered = ZERO
    if flags & FLAG_WAITS_INNER != ZERO:
        covered |= OUTSTANDING_INNER
    if flags & FLAG_WAITS_OUTER != ZERO:
        covered |= OUTSTANDING_OUTER
    covered &= pe["tlbi_outstanding"]
    if covered == ZERO:
        return False
    pe["stop_a"] = covered
    pe["tlbi_complete_cycles"] = max(pe["tlbi_complete_cycles"], synchronised(m, i))
    if pe["cycles"] < pe["tlbi_complete_cycles"]:
        return True
    complete(m, i)
    return False


@njit
def complete(m, i):  # type: ignore[no-untyped-def]
    """The DSB that `before_dsb` looked at is over, if need be after waiting: its TLBIs have taken effect at every PE."""
    pe = pe_of(m, i)
    waited = ZERO
    if pe["cycles"] < pe["tlbi_complete_cycles"]:
        waited = pe["tlbi_complete_cycles"] - pe["cycles"]
        pe["cycles"] = pe["tlbi_complete_cycles"]
        pe["dsb_cycles"] += waited
    pe["tlbi_outstanding"] &= ~pe["stop_a"]
    pe["tlbi_completions"] += ONE
    pe["tlbi_completed_cycles"] = pe["cycles"]
    if machine_of(m)["repeat_tlbi_erratum"] != ZERO:
        _limit_residues(m, i)
    emit(m, i, EVENT_TLBI_COMPLETE, ZERO, waited, ZERO, ZERO)


@njit
def _limit_residues(m, i):  # type: ignore[no-untyped-def]
    """TLBIs of PE i are complete at its present cycle: from there on, what they left at other PEs may be used once (`sim.hot.residue`)."""
    pes = pes_of(m)
    for j in range(pes.shape[0]):
        other = pes[j]
        if other["unusual"] & RESIDUE != ZERO and other["residue_issuer"] == u64(i) and other["residue_once_cycles"] == NOWHERE:
            other["residue_once_cycles"] = pes[i]["cycles"]


@njit
def after_dsb(m, i, word):  # type: ignore[no-untyped-def]
    """Adversarial setting: the DSB `word` is complete, and with it PE i's stores to translation tables and its own TLBIs, if it covers them."""
    crm = word >> _CRM_SHIFT & _CRM_MASK
    if word & _MASK != _VALUE or crm == _SSBB or crm == _PSSBB:
        return
    kind, domain = crm & _TYPE_MASK, crm >> _DOMAIN_SHIFT
    if kind != _LOADS:
        show_stores(m, i, kind != ZERO and domain == _DOMAIN_NON_SHAREABLE)
    if kind == ZERO or kind == _BOTH:
        apply_own_tlbis(m, i)
