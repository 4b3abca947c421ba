"""A vector that faults on itself: which slot, since when, on what, and what was lost by it.

Two forms. While the page that the vector needs is missing, each exception is taken by the instruction that the last one entered at: SP does
not move, ELR lies inside the vector. Once the page is back, a handler that retries returns into the vector, and from there to itself again:
no exception is taken any more, but the context that was interrupted has been overwritten in ELR_EL1 and SPSR_EL1, and nothing goes on.
Needs the kinds entry, return and tlbi. SP is not in the log; whoever has the machine hands it in.
"""
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from sim.arch.vectors import SLOT_BYTES, TABLE_BYTES, vector_name
from sim.observers.entries import Entry, Events, Symbol, entry_of, named, wrapped
from sim.observers.objects import Suspect, Suspects, unknown
from sim.observers.windows import Invalidation, cause_lines, invalidations
from sim.state.events import EVENT_ENTRY, EVENT_RETURN

_FEWEST = 2                             # times in turn that make a livelock


@dataclass(frozen=True)
class LivelockReport:
    """A vector that a PE cannot leave.

    elr: the instruction of the vector table that it comes back to; slot: its offset. first: the first exception that was taken from inside
    the table, entries: how many were, in turn; returns: ERETs into it since. lost: the exception whose ELR_EL1 and SPSR_EL1 the first one
    overwrote before they were stored. first and lost are None if the log begins later, sp if nobody knew it.
    """

    pe: int
    elr: int
    slot: int
    since_cycle: int
    first: Entry | None
    entries: int
    returns: int
    lost: Entry | None
    before: Invalidation | None
    after: Invalidation | None
    suspect: Suspect | None
    symbol: Symbol
    sp: int | None = None

    def lines(self) -> Iterator[str]:
        """Plain text, 80 columns."""
        sp = f", SP constant at {self.sp:#x}" if self.sp is not None and not self.returns else ""
        slot = f"slot {self.slot - self.slot % SLOT_BYTES:#x} ({vector_name(self.slot)})"
        yield from wrapped("", f"PE {self.pe}: vector livelock in {slot}, since cycle "
                               f"{self.since_cycle}: {self.entries} entries, ELR {named(self.elr, self.symbol)}{sp}")
        if self.first is not None:
            target = f" of {self.first.far:#x}" if self.first.far is not None else ""
            stuck = "its own instruction fetch" if self.first.access == "fetch" else f"its {self.first.access}"
            yield from wrapped("  ", f"the vector cannot do {stuck}{target}: {self.first.what}")
        if self.returns:
            yield from wrapped("  ", f"the page came back, the livelock did not end: {self.returns} ERETs into the vector itself since")
        if self.lost is not None:
            yield from wrapped("  ", f"lost: where exception {self.lost.what} of cycle {self.lost.cycle} was to return to, "
                                     f"{named(self.lost.elr, self.symbol)}; ELR_EL1 and SPSR_EL1 were overwritten before they were stored")
        if self.first is not None:
            yield from cause_lines(self.before, self.after, self.pe, self.first.cycle)
        if self.suspect is not None:
            yield from wrapped("  ", self.suspect.sentence())

    def to_json(self) -> dict[str, Any]:
        """Plain values; addresses in hexadecimal."""
        return {"pe": self.pe, "slot": vector_name(self.slot), "elr": hex(self.elr), "sp": None if self.sp is None else hex(self.sp),
                "since_cycle": self.since_cycle, "first": self.first.to_json(self.symbol) if self.first else None,
                "access": self.first.access if self.first else None, "entries": self.entries, "returns": self.returns,
                "lost": self.lost.to_json(self.symbol) if self.lost else None,
                "tlbi_before": self.before.to_json() if self.before else None, "tlbi_after": self.after.to_json() if self.after else None,
                "object": self.suspect.to_json() if self.suspect else None}


def vector_livelock(events: Events, pe: int, symbol: Symbol, vbar: int, *, suspects: Suspects = unknown,
                    sp: int | None = None) -> LivelockReport | None:
    """Whether PE `pe` ended in its own vector; None if not.

    events: dtype EVENT, in the order of the log. vbar: VBAR_EL1. sp: the PE's at the end. suspects: address -> what lies there.
    """
    mine = events[(events["pe"] == pe) & ((events["kind"] == EVENT_ENTRY) | (events["kind"] == EVENT_RETURN))]
    elrs = np.where(mine["kind"] == EVENT_ENTRY, mine["b"], mine["a"])
    outside = np.flatnonzero(elrs - np.uint64(vbar) >= np.uint64(TABLE_BYTES))
    begin = int(outside[-1]) + 1 if len(outside) else 0
    tail = mine[begin:]
    taken = tail[tail["kind"] == EVENT_ENTRY]
    returns = len(tail) - len(taken)
    if max(len(taken), returns) < _FEWEST:
        return None
    first = entry_of(taken[0]) if len(taken) else None
    lost = entry_of(mine[begin - 1]) if begin and first is not None and mine[begin - 1]["kind"] == EVENT_ENTRY else None
    before, after, suspect = None, None, None
    if first is not None and first.far is not None:
        before, after = invalidations(events, pe, first.far, first.cycle)
        suspect = suspects(first.far)
    elr = int(elrs[-1])
    return LivelockReport(pe, elr, elr - vbar, int(tail["cycle"][0]), first, len(taken), returns, lost, before, after, suspect, symbol, sp)
