"""TLB maintenance of EL1: the issuing PE at once, the others when it reaches them, complete at the issuer's DSB.

Every operation of `sim.arch.tlbi`: local, inner and outer shareable, single and range. The TTL hint is ignored (FEAT_TTL not claimed) unless
MACHINE.strict_ttl is set: an operation by VA with a hint then drops leaves of that level alone, and of partial walks those that a walk to
such a leaf passes; one whose hint names another granule than the VA's drops nothing. Arm permits that for a hint that is wrong.
A broadcast goes to every PE that is not off; each gets it when its DVM message arrives (`sim.hot.interconnect`). Until then it uses what it
holds. A PE whose queue is full gets all that is queued as one invalidation of everything, due when the earliest of them was: too much and
too early is always permitted, too late never is.

Events: `aux` of EVENT_TLBI and EVENT_TLBI_DONE is kind | levels << AUX_LEVELS_SHIFT | scope << AUX_SCOPE_SHIFT (scope only where issued); levels
as `sim.hot.tlb.invalidate` has them, so that AUX_LAST_LEVEL is one bit.
Source: DDI 0487 L.a, C5.5 (operands), D8.17 "TLB maintenance".
"""
import numpy as np
from numba import njit

from sim.arch import tlbi
from sim.hot.barrier import OUTSTANDING_INNER, OUTSTANDING_OUTER
from sim.hot.events import emit
from sim.hot.interconnect import at_home_node, await_credit, dvm_travel, note_answer
from sim.hot.own_tlbi import AUX_LEVELS_SHIFT, defer_own_tlbi
from sim.hot.residue import keep_residue
from sim.hot.schedule import reschedule
from sim.hot.tlb import HINT_SHIFT, KIND_ALL, KIND_ASID, KIND_VA, KIND_VA_ALL_ASID, LAST_LEVEL, NOWHERE, invalidate
from sim.hot.walk import asid_mask, granule_shift
from sim.state import dtypes
from sim.state.events import EVENT_TLBI, EVENT_TLBI_DONE
from sim.state.handle import machine_of, pe_of, pes_of, tlbi_queue_of

u64 = np.uint64
ZERO, ONE, TWO, THREE, FIVE, TEN = u64(0), u64(1), u64(2), u64(3), u64(5), u64(10)
AUX_LAST_LEVEL, AUX_SCOPE_SHIFT = LAST_LEVEL << AUX_LEVELS_SHIFT, u64(12)
_GROUP = u64(1 << 14 | 0 << 11 | 8 << 7)                        # op0 = 1, op1 = 0, CRn = 8: TLBI of EL1
_GROUP_MASK, _SEVEN = u64(~0x7F & 0xFFFF), u64(7)
_CRM_OS, _CRM_RANGE_IS, _CRM_IS, _CRM_RANGE_OS, _CRM_RANGE, _CRM = (u64(n) for n in (1, 2, 3, 5, 6, 7))
_OP2_ALL, _OP2_ASID = u64(0), u64(2)
_LOCAL, _INNER, _OUTER = u64(tlbi.SCOPE_LOCAL), u64(tlbi.SCOPE_INNER), u64(tlbi.SCOPE_OUTER)
_ASID_SHIFT, _TWELVE, _BIT_55 = u64(tlbi.ASID_SHIFT), u64(12), u64(55)
_VA_MASK, _BASE_MASK = u64(tlbi.VA_OPERAND_MASK), u64((1 << tlbi.RANGE_BASE_BITS) - 1)
_BASE_TOP = u64(tlbi.RANGE_BASE_BITS - 1)
_TG_SHIFT, _SCALE_SHIFT, _NUM_SHIFT = u64(tlbi.RANGE_TG_SHIFT), u64(tlbi.RANGE_SCALE_SHIFT), u64(tlbi.RANGE_NUM_SHIFT)
_NUM_MASK, _TTL_MASK = u64(0x1F), u64(tlbi.TTL_MASK)
_TTL_SHIFT, _RANGE_TTL_SHIFT = u64(tlbi.TTL_SHIFT), u64(tlbi.RANGE_TTL_SHIFT)
_OFF = u64(dtypes.STATUS_OFF)
_QUEUE_ENTRIES, _QUEUE_MASK = u64(dtypes.TLBI_QUEUE_ENTRIES), u64(dtypes.TLBI_QUEUE_ENTRIES - 1)


@njit(cache=True)
def issue(m, i, key, operand):  # type: ignore[no-untyped-def]
    """Execute the TLBI with this key (op0<<14 | op1<<11 | CRn<<7 | CRm<<3 | op2) on PE i. False if it is none of EL1's.

    The PE's own TLBs drop what it covers now. A broadcast sets tlbi_outstanding and tlbi_complete_cycles, which a DSB waits for.
    Charges cost_tlbi_issue, emits EVENT_TLBI. A range with the reserved TG of 0 covers nothing.
    """
    key, operand = u64(key), u64(operand)
    scope, is_range = _scope(key)
    op2 = key & _SEVEN
    if key & _GROUP_MASK != _GROUP or scope == NOWHERE or op2 == u64(4) or op2 == u64(6):
        return False
    if is_range and op2 & ONE == ZERO:
        return False
    pe, machine = pe_of(m, i), machine_of(m)
    if op2 == _OP2_ALL:
        kind = KIND_ALL
    elif op2 == _OP2_ASID:
        kind = KIND_ASID
    else:
        kind = KIND_VA_ALL_ASID if op2 & TWO != ZERO else KIND_VA
    levels = op2 >> TWO & LAST_LEVEL
    asid = operand >> _ASID_SHIFT & asid_mask(pe["tcr"]) if kind == KIND_VA or kind == KIND_ASID else ZERO
    va, size_bytes = ZERO, ZERO
    if kind == KIND_VA or kind == KIND_VA_ALL_ASID:
        va, size_bytes = _range_operand(operand) if is_range else _va_operand(pe["tcr"], operand)
        if machine["strict_ttl"] != ZERO:
            hint = _range_hint(operand) if is_range else _hint(pe["tcr"], va, operand)
            levels |= hint << HINT_SHIFT if hint != NOWHERE else ZERO
            size_bytes = size_bytes if hint != NOWHERE else ZERO
    emit(m, i, EVENT_TLBI, kind | levels << AUX_LEVELS_SHIFT | scope << AUX_SCOPE_SHIFT, va, size_bytes, asid)
    pe["n_tlbi_issued"] += ONE
    covers = size_bytes != ZERO or kind == KIND_ALL or kind == KIND_ASID
    if covers and machine["adversarial"] != ZERO:
        defer_own_tlbi(m, i, kind, va, size_bytes, asid, levels)
    elif covers:
        invalidate(m, i, kind, va, size_bytes, asid, levels)
    if scope != _LOCAL:
        _broadcast(m, i, covers, kind, va, size_bytes, asid, levels)
        pe["tlbi_outstanding"] |= OUTSTANDING_OUTER if scope == _OUTER else OUTSTANDING_INNER
    pe["cycles"] += machine["cost_tlbi_issue"]
    return True


@njit
def _scope(key):  # type: ignore[no-untyped-def]
    """(scope, is a range operation) by CRm; NOWHERE if CRm names no TLBI."""
    crm = key >> THREE & u64(15)
    if crm == _CRM or crm == _CRM_RANGE:
        return _LOCAL, crm == _CRM_RANGE
    if crm == _CRM_IS or crm == _CRM_RANGE_IS:
        return _INNER, crm == _CRM_RANGE_IS
    if crm == _CRM_OS or crm == _CRM_RANGE_OS:
        return _OUTER, crm == _CRM_RANGE_OS
    return NOWHERE, False


@njit
def _sign_extended(value, top_bit):  # type: ignore[no-untyped-def]
    return value | ~((ONE << top_bit) - ONE) if value >> top_bit & ONE != ZERO else value


@njit
def _va_operand(tcr, operand):  # type: ignore[no-untyped-def]
    """VA and size of the page that a by-VA operand names; the granule is that of the VA's half, and low bits are ignored."""
    va = _sign_extended((operand & _VA_MASK) << _TWELVE, _BIT_55)
    size_bytes = ONE << granule_shift(tcr, va >> _BIT_55 & ONE)
    return va & ~(size_bytes - ONE), size_bytes


@njit
def _range_operand(operand):  # type: ignore[no-untyped-def]
    """First VA and size in bytes of a range operand; size 0 if its TG is reserved."""
    tg = operand >> _TG_SHIFT & THREE
    shift = TEN + TWO * tg
    va = _sign_extended((operand & _BASE_MASK) << shift, _BASE_TOP + shift)
    granules = (operand >> _NUM_SHIFT & _NUM_MASK) + ONE << FIVE * (operand >> _SCALE_SHIFT & THREE) + ONE
    return va, granules << shift if tg != ZERO else ZERO


@njit
def _hint(tcr, va, operand):  # type: ignore[no-untyped-def]
    """One more than the level that the TTL of a by-VA operand names; 0: it names none; NOWHERE: it is of another granule than the VA's."""
    ttl = operand >> _TTL_SHIFT & _TTL_MASK
    granule, level = ttl >> TWO, ttl & THREE
    if granule == ZERO or level == ZERO or (granule == TWO and level == ONE):      # reserved without FEAT_LPA2: as if it named none
        return ZERO
    return level + ONE if TEN + TWO * granule == granule_shift(tcr, va >> _BIT_55 & ONE) else NOWHERE


@njit
def _range_hint(operand):  # type: ignore[no-untyped-def]
    """The same of a range operand, whose granule is that of the range."""
    level = operand >> _RANGE_TTL_SHIFT & THREE
    return ZERO if level == ZERO or (level == ONE and operand >> _TG_SHIFT & THREE == TWO) else level + ONE


@njit
def _broadcast(m, i, covers, kind, va, size_bytes, asid, levels):  # type: ignore[no-untyped-def]
    """Send an invalidation to every other PE that is not off, and note when the last has answered."""
    machine, pes = machine_of(m), pes_of(m)
    pe = pes[i]
    others = False
    for j in range(len(pes)):
        others = others or (j != np.int64(i) and pes[j]["status"] != _OFF)
    if others and covers:
        await_credit(m, i)
    complete = pe["cycles"] if pe["tlbi_outstanding"] == ZERO else max(pe["cycles"], pe["tlbi_complete_cycles"])
    if not others or not covers:
        pe["tlbi_complete_cycles"] = complete
        return
    begins, answered = at_home_node(m, pe["cycles"]), ZERO
    for j in range(len(pes)):
        if j == np.int64(i) or pes[j]["status"] == _OFF:
            continue
        travel = dvm_travel(m, i, j)
        due = begins + travel + machine["dvm_snoop"]
        answered = max(answered, due + travel)
        _enqueue(m, j, due, kind, va, size_bytes, asid, levels, u64(i), pe["tlbi_completions"])
    note_answer(m, i, answered)
    pe["tlbi_complete_cycles"] = max(complete, answered)


@njit
def _enqueue(m, j, due, kind, va, size_bytes, asid, levels, issuer, completions):  # type: ignore[no-untyped-def]
    """Put one TLBI on its way to PE j. completions: those of the issuer so far, kept in `spare`."""
    pe, queue = pe_of(m, j), tlbi_queue_of(m, j)
    if pe["tlbi_count"] >= _QUEUE_ENTRIES:
        kind, va, size_bytes, asid, levels = KIND_ALL, ZERO, ZERO, ZERO, ZERO
        due = min(due, pe["tlbi_due_cycles"])
        pe["tlbi_count"] = ZERO
    entry = queue[np.int64((pe["tlbi_head"] + pe["tlbi_count"]) & _QUEUE_MASK)]
    pe["tlbi_count"] += ONE
    entry["due_cycles"], entry["kind"], entry["va"], entry["size_bytes"] = due, kind, va, size_bytes
    entry["asid"], entry["levels"], entry["issuer"], entry["spare"] = asid, levels, issuer, completions
    pe["tlbi_due_cycles"] = min(due, pe["tlbi_due_cycles"])
    if pe["asleep"] != ZERO:
        reschedule(m, j)


@njit(cache=True)
def apply_due(m, j, now):  # type: ignore[no-untyped-def]
    """Let every TLBI that is due at PE j by cycle `now` take effect, oldest issued first. Returns how many entries were dropped.

    Emits EVENT_TLBI_DONE for each; tlbi_due_cycles is then that of the next one, NOWHERE if there is none.
    """
    pe, queue = pe_of(m, j), tlbi_queue_of(m, j)
    head, count = pe["tlbi_head"], pe["tlbi_count"]
    kept, next_due, dropped, erratum = ZERO, NOWHERE, ZERO, machine_of(m)["repeat_tlbi_erratum"]
    for position in range(np.int64(count)):
        entry = queue[np.int64((head + u64(position)) & _QUEUE_MASK)]
        if entry["due_cycles"] <= now:
            if erratum != ZERO:
                keep_residue(m, j, entry, now)
            gone = invalidate(m, j, entry["kind"], entry["va"], entry["size_bytes"], entry["asid"], entry["levels"])
            dropped += gone
            pe["n_tlbi_received"] += ONE
            emit(m, j, EVENT_TLBI_DONE, entry["kind"] | entry["levels"] << AUX_LEVELS_SHIFT, entry["va"], entry["issuer"], gone)
            continue
        if kept != u64(position):
            _move(queue[np.int64((head + kept) & _QUEUE_MASK)], entry)
        kept += ONE
        next_due = min(next_due, entry["due_cycles"])
    pe["tlbi_count"], pe["tlbi_due_cycles"] = kept, next_due
    return dropped


@njit
def _move(to, source):  # type: ignore[no-untyped-def]
    to["due_cycles"], to["kind"], to["va"], to["size_bytes"] = source["due_cycles"], source["kind"], source["va"], source["size_bytes"]
    to["asid"], to["levels"], to["issuer"], to["spare"] = source["asid"], source["levels"], source["issuer"], source["spare"]
