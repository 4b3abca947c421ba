"""Exceptions inside handlers, from the event log: what began a recursion, what it could not reach, and the TLBI that may have opened the window.

Needs the kinds entry, return and tlbi; with tlbi_done it also says when a broadcast reached the PE. What is not in the log is not known: a log
whose older events were dropped begins in the middle. A handler that is left without ERET counts as entered until the PE is seen at EL0.
"""
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from sim.arch import tlbi
from sim.arch.syndrome import EC_SHIFT, ExceptionClass, describe_esr
from sim.arch.vectors import FIQ, IRQ, LOWER_EL_AARCH64, SLOT_BYTES, vector_name
from sim.hot.tlbi import AUX_LAST_LEVEL, AUX_SCOPE_SHIFT
from sim.state.dtypes import NOWHERE
from sim.state.events import EVENT_ENTRY, EVENT_RETURN, EVENT_TLBI, EVENT_TLBI_DONE

COLUMNS = 80
_GROUP_BYTES = 4 * SLOT_BYTES           # slots of one origin
_PERIOD_MOST = 4                        # so many exceptions in turn are still seen as the same again
_GROUPS_MOST = 8                        # unlike exceptions that are printed
_SAME_EL_ABORTS = (ExceptionClass.INSTRUCTION_ABORT_SAME_EL, ExceptionClass.DATA_ABORT_SAME_EL)
_GRANULES_BYTES = (1 << 12, 1 << 14, 1 << 16)
_KIND_MASK = 0xFF
_SPSR_EL_SHIFT, _SPSR_EL_MASK = 2, 3

Events = npt.NDArray[np.void]
Symbol = Callable[[int], str | None]


@dataclass(frozen=True, slots=True)
class Entry:
    """One exception that was taken. slot: offset from VBAR_EL1; far: None where FAR_EL1 was not written; depth: 1 = the outermost."""

    cycle: int
    slot: int
    esr: int
    elr: int
    far: int | None
    depth: int

    @property
    def is_interrupt(self) -> bool:
        """IRQ or FIQ: the ESR says nothing."""
        return self.slot % _GROUP_BYTES // SLOT_BYTES in (IRQ, FIQ)

    @property
    def is_abort_in_el1(self) -> bool:
        """A data or instruction abort taken from EL1."""
        return not self.is_interrupt and self.esr >> EC_SHIFT in _SAME_EL_ABORTS

    @property
    def what(self) -> str:
        """The exception in words."""
        if self.is_interrupt:
            return "IRQ" if self.slot % _GROUP_BYTES // SLOT_BYTES == IRQ else "FIQ"
        return describe_esr(self.esr)

    def like(self, other: "Entry") -> bool:
        """The same exception at the same instruction."""
        return (self.slot, self.esr, self.elr) == (other.slot, other.esr, other.elr)


@dataclass(frozen=True, slots=True)
class Group:
    """Exceptions in turn, and how often: entries are those of the first time, times counts it, last_cycle is that of the very last entry."""

    entries: tuple[Entry, ...]
    times: int
    last_cycle: int


@dataclass(frozen=True, slots=True)
class Invalidation:
    """A TLBI that covers an address, and the run of adjoining ones by the same operation that it belongs to.

    reached_cycle: when it took effect at the PE in question; None if the log does not say. run, run_before: how many TLBIs, and how many of
    them before the fault; run_first_cycle, run_last_cycle: when the first and the last were issued. by_address: False for all or a whole ASID.
    """

    operation: str
    issuer: int
    cycle: int
    reached_cycle: int | None
    by_address: bool
    run: int
    run_before: int
    run_first_cycle: int
    run_last_cycle: int


@dataclass(frozen=True, slots=True)
class Healed:
    """Aborts inside handlers of aborts, all returned from. depth: how many were nested; cycles of the first entry and the last return."""

    depth: int
    begin_cycle: int
    end_cycle: int


@dataclass(frozen=True)
class RecursionReport:
    """How a PE came to recursion or livelock.

    depth: exceptions that have not returned. chain: these, oldest first, collapsed. bad: the first abort inside a handler, None if there is none.
    before, after: the last TLBI that covers its FAR up to then, and the first by address after it. symbol: as given to `explain`.
    """

    pe: int
    depth: int
    chain: tuple[Group, ...]
    bad: Entry | None
    before: Invalidation | None
    after: Invalidation | None
    symbol: Symbol

    @property
    def began(self) -> Entry:
        """The outermost exception."""
        return self.chain[0].entries[0]

    def lines(self) -> Iterator[str]:
        """Plain text; 80 columns, but for a symbol that is longer."""
        yield from _wrapped("", f"PE {self.pe}: {self.depth} exceptions not returned from, the first at cycle "
                                f"{self.began.cycle}: {self.began.what}")
        hidden = self.chain[_GROUPS_MOST - 1:-1]
        for group in self.chain[:_GROUPS_MOST - 1] if hidden else self.chain:
            yield from self._group_lines(group)
        if hidden:
            yield f"  ... {sum(len(group.entries) * group.times for group in hidden)} others"
            yield from self._group_lines(self.chain[-1])
        if self.bad is None:
            yield "no data or instruction abort among them: no address is missing"
            return
        far = self.bad.far or 0
        yield from _wrapped("", f"first bad dereference, at cycle {self.bad.cycle}: {self._address(far)} by the instruction at "
                                f"{self._address(self.bad.elr)}")
        yield from self._cause_lines(self.bad)

    def _group_lines(self, group: Group) -> Iterator[str]:
        for entry in group.entries:
            yield f"  depth {entry.depth}, cycle {entry.cycle}: {vector_name(entry.slot)}"
            yield from _wrapped("    ", entry.what)
            far = f", FAR {self._address(entry.far)}" if entry.far is not None else ""
            yield from _wrapped("    ", f"ELR {self._address(entry.elr)}{far}")
        if group.times > 1 and len(group.entries) == 1:
            yield f"    ... {group.times - 1} more like it, the last at cycle {group.last_cycle}"
        elif group.times > 1:
            yield f"    ... these {len(group.entries)} again {group.times - 1} times, the last at cycle {group.last_cycle}"

    def _cause_lines(self, bad: Entry) -> Iterator[str]:
        if self.before is None:
            yield from _wrapped("  ", "no TLBI had covered this VA: it was not mapped, or never held by a TLB")
        elif self.before.by_address:
            yield from _wrapped("  ", f"PE {self.before.issuer} had invalidated this VA by TLBI {self.before.operation} at cycle "
                                      f"{self.before.cycle}, {bad.cycle - self.before.cycle} cycles earlier{self._reached(self.before)}")
            if self.before.run > 1:
                yield from _wrapped("  ", f"it is one of {self.before.run} TLBIs of adjoining addresses, cycles {self.before.run_first_cycle} "
                                          f"to {self.before.run_last_cycle}, {self.before.run_before} of them before the fault")
        else:
            yield from _wrapped("  ", f"no TLBI by address had covered this VA; the last one of everything or of an ASID was PE "
                                      f"{self.before.issuer}'s TLBI {self.before.operation} at cycle {self.before.cycle}{self._reached(self.before)}")
        if self.after is not None:
            yield from _wrapped("  ", f"PE {self.after.issuer} invalidates this VA by TLBI {self.after.operation} at cycle {self.after.cycle}, "
                                      f"{self.after.cycle - bad.cycle} cycles after the fault: the descriptor may have been invalid already")

    def _reached(self, one: Invalidation) -> str:
        return f"; it reached PE {self.pe} at cycle {one.reached_cycle}" if one.reached_cycle is not None and one.issuer != self.pe else ""

    def _address(self, address: int) -> str:
        name = self.symbol(address)
        return f"{address:#x} <{name}>" if name else f"{address:#x}"

    def to_json(self) -> dict[str, Any]:
        """Plain values; addresses and ESR in hexadecimal."""
        return {
            "pe": self.pe, "depth": self.depth, "began": self._entry_json(self.began),
            "chain": [{"entries": [self._entry_json(entry) for entry in group.entries], "times": group.times, "last_cycle": group.last_cycle}
                      for group in self.chain],
            "first_bad_dereference": self._entry_json(self.bad) if self.bad else None,
            "tlbi_before": _invalidation_json(self.before), "tlbi_after": _invalidation_json(self.after),
        }

    def _entry_json(self, entry: Entry) -> dict[str, Any]:
        return {"cycle": entry.cycle, "depth": entry.depth, "slot": vector_name(entry.slot), "what": entry.what, "esr": hex(entry.esr),
                "elr": hex(entry.elr), "elr_symbol": self.symbol(entry.elr), "far": None if entry.far is None else hex(entry.far),
                "far_symbol": None if entry.far is None else self.symbol(entry.far)}


def explain(events: Events, pe: int, symbol: Symbol) -> RecursionReport | None:
    """How PE `pe` came to the exceptions that it has not returned from at the end of the log; None if there are fewer than two.

    events: dtype `sim.state.dtypes.EVENT`, in the order of the log. symbol: address -> nearest symbol, or None.
    A TLBI ASIDE1 is taken to cover the lower half of the address space only: it drops no global entry, and kernels map the upper half so.
    """
    stack: list[Entry] = []
    for entry, _cycle, _to_el0 in _nesting(events, pe, stack):
        if entry is not None:
            stack.append(entry)
    if len(stack) < 2:
        return None
    bad = next((entry for entry in stack[1:] if entry.is_abort_in_el1 and entry.far is not None), None)
    before, after = _invalidations(events, pe, bad) if bad is not None else (None, None)
    return RecursionReport(pe, len(stack), _collapsed(stack), bad, before, after, symbol)


def healed_recursions(events: Events, pe: int, depth_least: int = 2) -> list[Healed]:
    """Every time that aborts of PE `pe` at EL1, each in the handler of the one before, were all returned from.

    depth_least: how many must be nested; 1 gives every single abort at EL1 too. Others that happen inside one are part of it.
    """
    found: list[Healed] = []
    stack: list[Entry] = []
    aborts: list[int] = []              # for each entry of the stack: aborts in a row up to it
    base, depth, begin = -1, 0, 0       # of the recursion under way: position of its outermost abort (-1 = none), depth so far, first cycle
    for entry, cycle, to_el0 in _nesting(events, pe, stack):
        if entry is None:
            if base >= 0 and len(stack) <= base:
                if not to_el0:
                    found.append(Healed(depth, begin, cycle))
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
            begin = stack[base].cycle
            depth = aborts[-1]
        elif base >= 0:
            depth = max(depth, aborts[-1])
    return found


def _nesting(events: Events, pe: int, stack: list[Entry]) -> Iterator[tuple[Entry | None, int, bool]]:
    """(entry, cycle, False) of each exception taken, before the caller puts it on the stack; (None, cycle, went to EL0) after each return.

    The stack is emptied where the PE is at EL0: nothing at EL1 is under way then.
    """
    mine = events[(events["pe"] == pe) & ((events["kind"] == EVENT_ENTRY) | (events["kind"] == EVENT_RETURN))]
    for cycle, _, kind, aux, a, b, c in mine.tolist():
        if kind == EVENT_RETURN:
            to_el0 = b >> _SPSR_EL_SHIFT & _SPSR_EL_MASK == 0
            if to_el0:
                stack.clear()
            elif stack:
                stack.pop()
            yield None, cycle, to_el0
            continue
        if aux >= LOWER_EL_AARCH64:
            stack.clear()
        yield Entry(cycle, aux, a, b, None if c == NOWHERE else c, len(stack) + 1), cycle, False


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


def _invalidations(events: Events, pe: int, bad: Entry) -> tuple[Invalidation | None, Invalidation | None]:
    """The last TLBI up to the entry `bad` that covers its FAR at PE `pe`, and the first by address after it."""
    va = _untagged(bad.far or 0)
    issued = events[events["kind"] == EVENT_TLBI]
    kind = issued["aux"] & _KIND_MASK
    by_address = (kind == tlbi.KIND_VA) | (kind == tlbi.KIND_VAA)
    arrives = (issued["pe"] == pe) | (issued["aux"] >> int(AUX_SCOPE_SHIFT) != tlbi.SCOPE_LOCAL)
    inside = by_address & (np.uint64(va) - issued["a"] < issued["b"])
    covers = arrives & (inside | (kind == tlbi.KIND_VMALL) | ((kind == tlbi.KIND_ASID) & (va >> 55 & 1 == 0)))
    earlier = issued["cycle"] <= bad.cycle
    before = np.flatnonzero(covers & earlier)
    after = np.flatnonzero(arrives & inside & ~earlier)
    chosen = [int(before[::-1][np.argmax(issued["cycle"][before][::-1])]) if len(before) else None,
              int(after[np.argmin(issued["cycle"][after])]) if len(after) else None]
    first, second = (None if place is None else _invalidation(events, issued, place, pe, bad.cycle) for place in chosen)
    return first, second


def _invalidation(events: Events, issued: Events, place: int, pe: int, fault_cycle: int) -> Invalidation:
    """What is to be said of the TLBI at `place` of `issued`."""
    one = issued[place]
    aux, issuer, va, size_bytes = int(one["aux"]), int(one["pe"]), int(one["a"]), int(one["b"])
    by_address = aux & _KIND_MASK in (tlbi.KIND_VA, tlbi.KIND_VAA)
    made = Invalidation(_operation(aux, size_bytes), issuer, int(one["cycle"]), None, by_address, 1, int(one["cycle"] <= fault_cycle),
                        int(one["cycle"]), int(one["cycle"]))
    if issuer != pe:
        done = events[(events["kind"] == EVENT_TLBI_DONE) & (events["pe"] == pe) & (events["b"] == issuer) & (events["a"] == va)
                      & (events["aux"] == aux & ~(0xF << int(AUX_SCOPE_SHIFT))) & (events["cycle"] >= one["cycle"])]
        made = replace(made, reached_cycle=int(done["cycle"][0]) if len(done) else None)
    if not by_address:
        return made
    same = np.flatnonzero((issued["pe"] == issuer) & (issued["aux"] == aux) & (issued["b"] == size_bytes) & (issued["c"] == one["c"]))
    steps = np.diff(issued["a"][same].astype(np.int64))
    adjoins = np.abs(steps) == size_bytes
    first = last = int(np.searchsorted(same, place))
    while first > 0 and adjoins[first - 1]:
        first -= 1
    while last < len(adjoins) and adjoins[last]:
        last += 1
    cycles = issued["cycle"][same[first:last + 1]]
    return replace(made, run=len(cycles), run_before=int((cycles <= fault_cycle).sum()), run_first_cycle=int(cycles[0]),
                   run_last_cycle=int(cycles[-1]))


def _operation(aux: int, size_bytes: int) -> str:
    """Arm's name of a TLBI by its event. A range of as many bytes as a granule looks like the single form."""
    kind, scope, last_level = aux & _KIND_MASK, aux >> int(AUX_SCOPE_SHIFT), bool(aux & int(AUX_LAST_LEVEL))
    is_range = kind in (tlbi.KIND_VA, tlbi.KIND_VAA) and size_bytes not in _GRANULES_BYTES
    wanted = (kind, scope, last_level, is_range)
    return next(one.name for one in tlbi.TLB_INVALIDATES.values() if (one.kind, one.scope, one.last_level, one.is_range) == wanted)


def _untagged(va: int) -> int:
    """An address with bits 63:56 as bit 55 has them."""
    low = va & (1 << 56) - 1
    return low | 0xFF << 56 if va >> 55 & 1 else low


def _invalidation_json(one: Invalidation | None) -> dict[str, Any] | None:
    if one is None:
        return None
    return {"operation": one.operation, "issuer": one.issuer, "cycle": one.cycle, "reached_cycle": one.reached_cycle,
            "by_address": one.by_address, "run": one.run, "run_before": one.run_before, "run_first_cycle": one.run_first_cycle,
            "run_last_cycle": one.run_last_cycle}


def _wrapped(indent: str, text: str) -> list[str]:
    return textwrap.wrap(text, COLUMNS, initial_indent=indent, subsequent_indent=indent + "  ", break_long_words=False, break_on_hyphens=False)
