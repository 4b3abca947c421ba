"""A page that becomes shared does so at a time that is known to all: MACHINE.lookahead_cycles after the access that makes it so.

A PE may have run ahead of the others by as much (`sim.hot.turn`), and what it did to a page of its own nobody has seen. So the access that
makes a page shared is announced at its own time and made when the page is shared; until then those who had the page go on as before, whatever
their clocks say. Every PE's soft TLB is emptied when its clock gets there. One access to a page, once, takes as much longer; afterwards
the order of all accesses to the page is that of their cycles. So what PEs see does not depend on who is let run ahead.
"""
import numpy as np
from numba import njit

from sim.hot.pages import CLEAN, PRIVATE, READ, touch
from sim.hot.schedule import reschedule
from sim.state import dtypes
from sim.state.handle import announced_of, machine_of, page_sharing_of, pe_of, pes_of

u64 = np.uint64
ZERO, ONE = u64(0), u64(1)
BYTE, PE_SHIFT = u64(0xFF), u64(8)
NOWHERE = u64(dtypes.NOWHERE)
ANNOUNCED_MOST = u64(dtypes.ANNOUNCED_ENTRIES)


@njit
def _becomes_shared(m, i, page, is_write):  # type: ignore[no-untyped-def]
    """Whether `touch` would make the page shared."""
    word = u64(page_sharing_of(m)[page])
    state, owner = word & BYTE, word >> PE_SHIFT & BYTE
    if state == PRIVATE:
        return owner != u64(i)
    return is_write and (state == READ or (state == CLEAN and owner != u64(i)))


@njit
def _find(m, page):  # type: ignore[no-untyped-def]
    """Number of the announcement that concerns a page, -1 if there is none."""
    announced = announced_of(m)
    for k in range(np.int64(machine_of(m)["announced"])):
        if announced[k]["page"] == u64(page):
            return k
    return -1


@njit
def _wait_until(m, i, cycle):  # type: ignore[no-untyped-def]
    pe_of(m, i)["hold_cycles"] = cycle
    return True


@njit
def _settle(m, k):  # type: ignore[no-untyped-def]
    """The time of announcement k has come: the page is shared."""
    machine, announced = machine_of(m), announced_of(m)
    one = announced[k]
    touch(m, np.int64(one["pe"]), np.int64(one["page"]), one["is_write"] != ZERO)
    machine["announced"] -= ONE
    last = announced[np.int64(machine["announced"])]
    one["page"], one["due_cycles"], one["pe"], one["is_write"] = last["page"], last["due_cycles"], last["pe"], last["is_write"]


@njit
def is_settled_late(m, page, now):  # type: ignore[no-untyped-def]
    """Whether a page became shared by cycle `now` and nobody has accessed it since: whoever is first, in turn, settles that."""
    if machine_of(m)["announced"] == ZERO:
        return False
    k = _find(m, page)
    return k >= 0 and announced_of(m)[k]["due_cycles"] <= now


@njit
def must_wait(m, i, page, is_write):  # type: ignore[no-untyped-def]
    """PE i is about to access a page of RAM, in turn. True: only at PE.hold_cycles, when what this access makes of the page holds for all."""
    machine, now = machine_of(m), pe_of(m, i)["block_key_cycles"]
    if machine["ordered"] == ZERO:
        return False
    if machine["announced"] != ZERO:
        k = _find(m, page)
        if k >= 0:
            due = announced_of(m)[k]["due_cycles"]
            if due <= now:
                _settle(m, k)
                return False
            return _becomes_shared(m, i, page, is_write) and _wait_until(m, i, due)
    if not _becomes_shared(m, i, page, is_write):
        return False
    if machine["announced"] >= ANNOUNCED_MOST:
        _settle_those_of(m, now)
    if machine["announced"] >= ANNOUNCED_MOST:
        return _wait_until(m, i, now + machine["lookahead_cycles"])     # so many at once: ask again then
    due = now + machine["lookahead_cycles"]
    one = announced_of(m)[np.int64(machine["announced"])]
    one["page"], one["due_cycles"], one["pe"], one["is_write"] = u64(page), due, u64(i), ONE if is_write else ZERO
    machine["announced"] += ONE
    pes = pes_of(m)
    for j in range(pes.shape[0]):
        pes[j]["share_due_cycles"] = min(pes[j]["share_due_cycles"], due)
        if pes[j]["asleep"] != ZERO:
            reschedule(m, j)
    return _wait_until(m, i, due)


@njit
def pass_share_due(m, i, now):  # type: ignore[no-untyped-def]
    """PE i has come to `now`, at which a page is shared, or past it: its soft TLB is to be emptied, and the next time is worked out."""
    pe, announced, following = pe_of(m, i), announced_of(m), NOWHERE
    for k in range(np.int64(machine_of(m)["announced"])):
        if announced[k]["due_cycles"] > now:
            following = min(following, announced[k]["due_cycles"])
    pe["share_due_cycles"], pe["soft_flush"] = following, ONE


@njit
def _settle_those_of(m, now):  # type: ignore[no-untyped-def]
    """Settle all announcements whose time has come by `now`, which nobody is behind."""
    k = 0
    while u64(k) < machine_of(m)["announced"]:
        if announced_of(m)[k]["due_cycles"] <= now:
            _settle(m, k)
        else:
            k += 1
