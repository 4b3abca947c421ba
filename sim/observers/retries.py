"""Spinning by faulting: an access that faults, is retried by its handler, and faults again, until the window over its page has closed.

Needs the kinds entry, return and tlbi. A spin is a row of aborts in EL1 with the same ELR and FAR, each returned from to its own ELR before
the next, within the same handler, no further apart than GAP_MOST_CYCLES. What the PE did between two of them is not in the log: a loop
that comes back to its load that fast and meets another window counts as the same spin.
"""
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from sim.observers.entries import Entry, Events, Symbol, named, nesting, pes_with_aborts, wrapped
from sim.observers.objects import Suspects, unknown
from sim.observers.windows import Invalidation, invalidations

GAP_MOST_CYCLES = 1000
_ROWS_MOST = 8


@dataclass(frozen=True, slots=True)
class Spin:
    """One spin: entry is the first abort; faults counts them; end_cycle: the last return, or the last entry if it has not returned.

    nested: whether a handler of it aborted as well; then it is a recursion, not a retry.
    """

    pe: int
    entry: Entry
    faults: int
    end_cycle: int
    is_over: bool = True
    nested: bool = False

    @property
    def cycles(self) -> int:
        """What the PE lost by it."""
        return self.end_cycle - self.entry.cycle


@dataclass(frozen=True, slots=True)
class Waited:
    """All spins of a PE at one instruction for one address. window: that of the longest of them, None if no TLBI covered the address."""

    longest: Spin
    spins: int
    faults: int
    cycles: int
    window: Invalidation | None


@dataclass(frozen=True)
class RetryReport:
    """What every PE waited for by faulting, the longest spin first."""

    waited: tuple[Waited, ...]
    symbol: Symbol
    suspects: Suspects

    def rows(self, most: int = _ROWS_MOST) -> list[list[str]]:
        """A table with its heading: one row for each PE, instruction and address; at most so many."""
        rows = [["address", "instruction", "PE", "spins", "faults", "cycles", "longest"]]
        for one in self.waited[:most]:
            entry = one.longest.entry
            suspect = self.suspects(entry.far or 0)
            place = self.symbol(entry.elr) or f"{entry.elr:#x}"
            rows.append([f"{entry.far or 0:#x}" + (f" {suspect.kind}" if suspect else ""), place, str(one.longest.pe), str(one.spins),
                         str(one.faults), str(one.cycles), str(one.longest.cycles)])
        return rows

    def lines(self, most: int = _ROWS_MOST) -> Iterator[str]:
        """What the table leaves out, and the window that the longest spin waited for."""
        if not self.waited:
            return
        if len(self.waited) > most:
            yield f"... and {len(self.waited) - most} others"
        one = self.waited[0]
        entry = one.longest.entry
        end = "" if one.longest.is_over else ", and was not over"
        yield from wrapped("", f"the longest: PE {one.longest.pe} faulted {one.longest.faults} times at {named(entry.elr, self.symbol)} on "
                               f"{named(entry.far or 0, self.symbol)}, cycles {entry.cycle} to {one.longest.end_cycle}{end}")
        if one.window is None:
            yield "  no TLBI had covered the address: nothing says that it will ever be mapped"
        else:
            window = one.window
            yield from wrapped("  ", f"it waited for PE {window.issuer}, whose TLBIs of the window ({window.run} of {window.operation}) are those of "
                                     f"cycles {window.run_first_cycle} to {window.run_last_cycle}")
        suspect = self.suspects(entry.far or 0)
        if suspect is not None:
            yield f"  it is {suspect.name}"

    def to_json(self) -> list[dict[str, Any]]:
        """Every row; addresses in hexadecimal."""
        return [{"pe": one.longest.pe, "first": one.longest.entry.to_json(self.symbol), "spins": one.spins, "faults": one.faults,
                 "cycles": one.cycles, "longest_cycles": one.longest.cycles, "longest_faults": one.longest.faults,
                 "is_over": one.longest.is_over, "window": one.window.to_json() if one.window else None} for one in self.waited]


def spins(events: Events, pe: int) -> list[Spin]:
    """The spins of a PE, in the order in which they ended. A single abort that was retried is one too."""
    found: list[Spin] = []
    stack: list[Entry] = []
    under_way: dict[int, Spin] = {}                         # by depth of the abort
    for entry, cycle, to_el0 in nesting(events, pe, stack):
        if entry is None:
            depth = len(stack) + 1
            for deeper in [one for one in under_way if one > depth or to_el0]:
                found.append(under_way.pop(deeper))         # the handler that it lay in has returned
            if depth in under_way and not under_way[depth].is_over:
                spin = under_way[depth]
                under_way[depth] = replace(spin, end_cycle=cycle, is_over=True)
            continue
        stack.append(entry)
        above = under_way.get(entry.depth - 1)
        if above is not None and entry.is_abort_in_el1 and not above.is_over:
            under_way[entry.depth - 1] = replace(above, nested=True)
        if entry.is_interrupt:
            continue                                        # between two faults; it ends no spin
        spin_here = under_way.get(entry.depth)
        goes_on = spin_here is not None and spin_here.is_over and entry.like(spin_here.entry) and entry.far == spin_here.entry.far \
            and entry.cycle - spin_here.end_cycle <= GAP_MOST_CYCLES
        if spin_here is not None and not goes_on:
            found.append(under_way.pop(entry.depth))
        if goes_on and spin_here is not None:
            under_way[entry.depth] = replace(spin_here, faults=spin_here.faults + 1, end_cycle=entry.cycle, is_over=False)
        elif entry.is_translation_fault and entry.far is not None:
            under_way[entry.depth] = Spin(pe, entry, 1, entry.cycle, is_over=False)
    return found + [under_way[depth] for depth in sorted(under_way)]


def retry_report(events: Events, symbol: Symbol, suspects: Suspects = unknown) -> RetryReport:
    """What every PE waited for by faulting. events: dtype EVENT, in the order of the log; symbol, suspects: as for `explain`.

    A spin that neither returned nor faulted twice is no retry: it is an exception under way, which `explain` tells of. Nor is one whose
    handler aborted, of which `healed_recursions` tells.
    """
    waited: list[Waited] = []
    for pe in pes_with_aborts(events):
        places: dict[tuple[int, int | None], list[Spin]] = {}
        for spin in spins(events, pe):
            if not spin.nested and (spin.is_over or spin.faults > 1):
                places.setdefault((spin.entry.elr, spin.entry.far), []).append(spin)
        for here in places.values():
            longest = max(here, key=lambda one: one.cycles)
            waited.append(Waited(longest, len(here), sum(one.faults for one in here), sum(one.cycles for one in here), None))
    waited.sort(key=lambda one: (-one.longest.cycles, one.longest.pe))
    return RetryReport(tuple(_with_window(events, one) if place < _ROWS_MOST else one for place, one in enumerate(waited)), symbol, suspects)


def _with_window(events: Events, one: Waited) -> Waited:
    entry = one.longest.entry
    before, after = invalidations(events, one.longest.pe, entry.far or 0, one.longest.end_cycle)
    window = before if before is not None and before.by_address else after
    return Waited(one.longest, one.spins, one.faults, one.cycles, window)
