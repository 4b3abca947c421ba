"""Exceptions inside handlers, from the event log: what began a recursion, what it could not reach, and the TLBI that may have opened the window.

Needs the kinds entry, return and tlbi; with tlbi_done it also says when a broadcast reached the PE. How nesting is read: `entries`.
"""
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from sim.arch.vectors import vector_name
from sim.observers.entries import Entry, Events, Symbol, named, nesting, not_returned, pes_with_aborts, wrapped
from sim.observers.objects import Suspect, Suspects, unknown
from sim.observers.stack_use import Stack, StackUse, stack_use
from sim.observers.windows import Invalidation, cause_lines, invalidations

_PERIOD_MOST = 4                        # so many exceptions in turn are still seen as the same again
_GROUPS_MOST = 8                        # unlike exceptions that are printed


@dataclass(frozen=True, slots=True)
class Group:
    """Exceptions in turn, and how often: entries are those of the first time, times counts it, last_cycle is that of the very last entry."""

    entries: tuple[Entry, ...]
    times: int
    last_cycle: int


@dataclass(frozen=True, slots=True)
class Healed:
    """Aborts inside handlers of aborts, all returned from. depth: how many were nested; cycles of the first entry and the last return.

    first: the outermost of these aborts.
    """

    depth: int
    begin_cycle: int
    end_cycle: int
    first: Entry | None = field(default=None, compare=False)


@dataclass(frozen=True)
class RecursionReport:
    """How a PE came to recursion or livelock.

    depth: exceptions that have not returned. chain: these, oldest first, collapsed. bad: the first abort inside a handler, None if there is none.
    before, after: the last TLBI that covers its FAR up to then, and the first by address after it. symbol: as given to `explain`.
    suspect: what lies at that FAR; stack: how much of it was left at each depth; None where nobody knows the kernel.
    """

    pe: int
    depth: int
    chain: tuple[Group, ...]
    bad: Entry | None
    before: Invalidation | None
    after: Invalidation | None
    symbol: Symbol
    suspect: Suspect | None = None
    stack: StackUse | None = None

    @property
    def began(self) -> Entry:
        """The outermost exception."""
        return self.chain[0].entries[0]

    def lines(self) -> Iterator[str]:
        """Plain text; 80 columns, but for a symbol that is longer."""
        yield from wrapped("", f"PE {self.pe}: {self.depth} exceptions not returned from, the first at cycle "
                                f"{self.began.cycle}: {self.began.what}")
        hidden = self.chain[_GROUPS_MOST - 1:-1]
        for group in self.chain[:_GROUPS_MOST - 1] if hidden else self.chain:
            yield from self._group_lines(group)
        if hidden:
            yield f"  ... {sum(len(group.entries) * group.times for group in hidden)} others"
            yield from self._group_lines(self.chain[-1])
        yield from self._stack_lines()
        if self.bad is None:
            yield "no data or instruction abort among them: no address is missing"
            return
        far = self.bad.far or 0
        yield from wrapped("", f"first bad dereference, at cycle {self.bad.cycle}: {named(far, self.symbol)} by the instruction at "
                                f"{named(self.bad.elr, self.symbol)}")
        yield from cause_lines(self.before, self.after, self.pe, self.bad.cycle)
        if self.suspect is not None:
            yield from wrapped("  ", self.suspect.sentence())

    def _group_lines(self, group: Group) -> Iterator[str]:
        for entry in group.entries:
            left = f", {self.stack.left_bytes[entry.depth]} B of stack left" if self.stack and entry.depth in self.stack.left_bytes else ""
            yield f"  depth {entry.depth}, cycle {entry.cycle}: {vector_name(entry.slot)}{left}"
            yield from wrapped("    ", entry.what)
            far = f", FAR {named(entry.far, self.symbol)}" if entry.far is not None else ""
            yield from wrapped("    ", f"ELR {named(entry.elr, self.symbol)}{far}")
        if group.times > 1 and len(group.entries) == 1:
            yield f"    ... {group.times - 1} more like it, the last at cycle {group.last_cycle}"
        elif group.times > 1:
            yield f"    ... these {len(group.entries)} again {group.times - 1} times, the last at cycle {group.last_cycle}"

    def _stack_lines(self) -> Iterator[str]:
        if self.stack is None:
            return
        text = f"stack of {self.stack.size_bytes} B: "
        if self.stack.left_bytes:
            deepest = max(self.stack.left_bytes)
            text += f"{len(self.stack.left_bytes)} frames, the last at depth {deepest}, which left {self.stack.left_bytes[deepest]} B; "
        yield from wrapped("", f"{text}{self.stack.end_bytes} B are left at SP")

    def to_json(self) -> dict[str, Any]:
        """Plain values; addresses and ESR in hexadecimal."""
        return {
            "pe": self.pe, "depth": self.depth, "began": self.began.to_json(self.symbol),
            "chain": [{"entries": [entry.to_json(self.symbol) for entry in group.entries], "times": group.times, "last_cycle": group.last_cycle}
                      for group in self.chain],
            "first_bad_dereference": self.bad.to_json(self.symbol) if self.bad else None,
            "tlbi_before": self.before.to_json() if self.before else None, "tlbi_after": self.after.to_json() if self.after else None,
            "object": self.suspect.to_json() if self.suspect else None, "stack": self.stack.to_json() if self.stack else None,
        }


def explain(events: Events, pe: int, symbol: Symbol, *, suspects: Suspects = unknown, stack: Stack | None = None) -> RecursionReport | None:
    """How PE `pe` came to the exceptions that it has not returned from at the end of the log; None if there are fewer than two.

    events: dtype `sim.state.dtypes.EVENT`, in the order of the log. symbol: address -> nearest symbol, or None. suspects: address -> what lies
    there. stack: the PE's stack when the log ended.
    """
    entries = not_returned(events, pe)
    if len(entries) < 2:
        return None
    bad = next((entry for entry in entries[1:] if entry.is_abort_in_el1 and entry.far is not None), None)
    before, after, suspect = None, None, None
    if bad is not None and bad.far is not None:
        before, after = invalidations(events, pe, bad.far, bad.cycle)
        suspect = suspects(bad.far)
    use = stack_use(stack, entries) if stack is not None else None
    return RecursionReport(pe, len(entries), _collapsed(entries), bad, before, after, symbol, suspect, use)


def healed_recursions(events: Events, pe: int, depth_least: int = 2) -> list[Healed]:
    """Every time that aborts of PE `pe` at EL1, each in the handler of the one before, were all returned from.

    depth_least: how many must be nested; 1 gives every single abort at EL1 too. Others that happen inside one are part of it.
    """
    found: list[Healed] = []
    stack: list[Entry] = []
    aborts: list[int] = []              # for each entry of the stack: aborts in a row up to it
    first: Entry | None = None
    base, depth, begin = -1, 0, 0       # of the recursion under way: position of its outermost abort (-1 = none), depth so far, first cycle
    for entry, cycle, to_el0 in nesting(events, pe, stack):
        if entry is None:
            if base >= 0 and len(stack) <= base:
                if not to_el0:
                    found.append(Healed(depth, begin, cycle, first))
                base = -1
            del aborts[len(stack):]
            continue
        if not stack:
            base = -1                                       # it comes from EL0: what was left without a return is over
            aborts.clear()
        stack.append(entry)
        aborts.append((aborts[-1] if aborts else 0) + 1 if entry.is_abort_in_el1 else 0)
        if base < 0 and aborts[-1] >= depth_least:
            base = len(stack) - aborts[-1]
            first, begin = stack[base], stack[base].cycle
            depth = aborts[-1]
        elif base >= 0:
            depth = max(depth, aborts[-1])
    return found


@dataclass(frozen=True)
class HealedReport:
    """What healed in a run: by PE, how often aborts nested and were all returned from, and the deepest of them."""

    counts: dict[int, int]
    deepest: dict[int, Healed]
    symbol: Symbol
    suspects: Suspects

    def lines(self, most: int = 4) -> Iterator[str]:
        """One for each of the PEs that were deepest, at most so many; nothing if nothing nested."""
        order = sorted(self.deepest, key=lambda pe: (-self.deepest[pe].depth, pe))
        for pe in order[:most]:
            one = self.deepest[pe]
            text = (f"PE {pe}: {self.counts[pe]} recursion{'s' if self.counts[pe] > 1 else ''} healed, the deepest {one.depth} aborts, "
                    f"cycles {one.begin_cycle} to {one.end_cycle}")
            if one.first is not None and one.first.far is not None:
                suspect = self.suspects(one.first.far)
                text += f", at {named(one.first.far, self.symbol)}" + (f" ({suspect.name})" if suspect else "")
            yield from wrapped("", text)
        if len(order) > most:
            yield f"{sum(self.counts[pe] for pe in order[most:])} more recursions healed on {len(order) - most} other PEs"

    def to_json(self) -> list[dict[str, Any]]:
        """One object for each PE where something healed."""
        return [{"pe": pe, "count": self.counts[pe], "deepest": one.depth, "begin_cycle": one.begin_cycle, "end_cycle": one.end_cycle,
                 "first": one.first.to_json(self.symbol) if one.first else None} for pe, one in sorted(self.deepest.items())]


def healed_report(events: Events, symbol: Symbol, suspects: Suspects = unknown) -> HealedReport:
    """The recursions of every PE that healed. events, symbol, suspects: as for `explain`."""
    counts: dict[int, int] = {}
    deepest: dict[int, Healed] = {}
    for pe in pes_with_aborts(events, nested=True):
        healed = healed_recursions(events, pe)
        if healed:
            counts[pe] = len(healed)
            deepest[pe] = max(healed, key=lambda one: one.depth)
    return HealedReport(counts, deepest, symbol, suspects)


def _collapsed(stack: list[Entry]) -> tuple[Group, ...]:
    """The entries as groups: what repeats, alone or a few in turn, once with a count."""
    groups: list[Group] = []
    first = 0
    while first < len(stack):
        period, times = 1, 1
        for tried in range(1, _PERIOD_MOST + 1):
            end = first + tried
            while end < len(stack) and stack[end].like(stack[end - tried]):
                end += 1
            repeats = (end - first) // tried
            if repeats > 1 and repeats * tried > period * times:
                period, times = tried, repeats
        end = first + period * times
        groups.append(Group(tuple(stack[first:first + period]), times, stack[end - 1].cycle))
        first = end
    return tuple(groups)
