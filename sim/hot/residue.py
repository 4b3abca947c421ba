"""The repeat-TLBI errata: an access begun before a broadcast TLBI by VA may complete by the old translation after the issuer's DSB.

With MACHINE.repeat_tlbi_erratum, a PE at which such a TLBI drops an entry keeps that translation aside: its residue, one for each PE, that
of the latest TLBI. An access that misses L1 and L2 uses it in place of a walk: any number of times until the issuer's DSB has completed, as
if the TLBI had not arrived yet, and after that once. It is gone after that use, RESIDUE_CYCLES after the TLBI arrived, or when a TLBI
arrives that the same PE has issued after that DSB, which is the workaround: after TLBI; DSB; TLBI; DSB no access uses it. No TLB holds it again.
"Once" is for the rest of the block of instructions under way (`sim.hot.multi_hit`), one instruction under `instruction` interleaving.
AT and inspection do not see it. The issuing PE itself and TLBIs of all or by ASID are not affected.

Source: Arm errata notices of Cortex-A76 (1286807), Cortex-A55 (2441007) and Cortex-A510 (2441009), which name the workaround; the model of
what goes wrong, its bound and its choice of the entry used last are this simulator's own.
"""
import numpy as np
from numba import njit

from sim.hot.events import emit
from sim.hot.overlap import RESIDUE
from sim.hot.tlb import ASID_GLOBAL, HINT_SHIFT, KIND_VA, KIND_VA_ALL_ASID, MISS, NOWHERE, copy_entry, is_covered
from sim.state.events import EVENT_RESIDUE
from sim.state.handle import l2_of, pe_of, pes_of, residue_of, walked_of

u64 = np.uint64
ZERO, ONE = u64(0), u64(1)
RESIDUE_CYCLES = u64(4096)              # longer than a broadcast takes to 256 PEs under any built-in profile


@njit
def keep_residue(m, j, operation, now):  # type: ignore[no-untyped-def]
    """A broadcast TLBI (a TLBI_IN_FLIGHT) is about to take effect at PE j: keep what it will drop; forget what an earlier one left."""
    pe, entries = pe_of(m, j), l2_of(m, j)
    if pe["residue_issuer"] == operation["issuer"] and operation["spare"] > pe["residue_completions"]:
        pe["unusual"] &= ~RESIDUE
    kind, va = operation["kind"], operation["va"]
    if kind != KIND_VA and kind != KIND_VA_ALL_ASID:
        return
    span = operation["size_bytes"] - ONE
    last = va + span if span <= ~va else NOWHERE
    chosen = MISS
    for slot in range(len(entries)):
        if is_covered(entries[slot], kind, va, last, operation["asid"], operation["levels"] >> HINT_SHIFT):
            if chosen == MISS or entries[slot]["handed"] > entries[chosen]["handed"]:
                chosen = np.int64(slot)
    if chosen == MISS:
        return
    copy_entry(residue_of(m, j), entries[chosen])
    pe["residue_issuer"], pe["residue_completions"] = operation["issuer"], operation["spare"]
    pe["residue_until_cycles"] = now + RESIDUE_CYCLES
    issuer = pes_of(m)[np.int64(operation["issuer"])]       # whose clock may be ahead: a DSB that waits sets it forward at once
    pe["residue_once_cycles"] = issuer["tlbi_completed_cycles"] if issuer["tlbi_completions"] > operation["spare"] else NOWHERE
    pe["unusual"] |= RESIDUE


@njit
def use_residue(m, i, va, asid, access):  # type: ignore[no-untyped-def]
    """Whether the access gets the residue, which is then in walked_of(m, i). Emits EVENT_RESIDUE and counts."""
    pe, residue = pe_of(m, i), residue_of(m, i)
    if pe["unusual"] & RESIDUE == ZERO:
        return False
    if pe["cycles"] > pe["residue_until_cycles"]:
        pe["unusual"] &= ~RESIDUE
        return False
    if va & residue["mask"] != residue["va"] or (residue["asid"] != asid and residue["asid"] != ASID_GLOBAL):
        return False
    if pe["cycles"] >= pe["residue_once_cycles"]:
        pe["unusual"] &= ~RESIDUE
    walked = walked_of(m, i)
    copy_entry(walked, residue)
    pe["n_residues"] += ONE
    emit(m, i, EVENT_RESIDUE, access, va, walked["pa"] | va & ~walked["mask"], pe["residue_issuer"])
    return True
