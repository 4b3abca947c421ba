"""Exceptions of one PE, in the order in which they nest: what every detector reads first of the event log.

Needs the kinds entry and return. What is not in the log is not known: a log whose older events were dropped begins in the middle. A handler
that is left without ERET counts as entered until the PE is seen at EL0.
"""
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sim.arch.syndrome import EC_SHIFT, ExceptionClass, describe_esr
from sim.arch.vectors import FIQ, IRQ, LOWER_EL_AARCH64, SLOT_BYTES, vector_name
from sim.state.dtypes import NOWHERE
from sim.state.events import EVENT_ENTRY, EVENT_RETURN

COLUMNS = 80                            # of the lines that reports print
_GROUP_BYTES = 4 * SLOT_BYTES           # slots of one origin
_SAME_EL_ABORTS = (ExceptionClass.INSTRUCTION_ABORT_SAME_EL, ExceptionClass.DATA_ABORT_SAME_EL)
_ISS_WNR, _FSC_KIND, _FSC_TRANSLATION = 1 << 6, 0x3C, 0x04
_SPSR_EL_SHIFT, _SPSR_EL_MASK = 2, 3

Events = npt.NDArray[np.void]
Symbol = Callable[[int], str | None]


@dataclass(frozen=True, slots=True)
class Entry:
    """One exception that was taken. slot: offset from VBAR_EL1; far: None where FAR_EL1 was not written; depth: 1 = the outermost, 0 = not counted."""

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

    @property
    def is_translation_fault(self) -> bool:
        """An abort in EL1 because of a descriptor that was not valid."""
        return self.is_abort_in_el1 and self.esr & _FSC_KIND == _FSC_TRANSLATION

    @property
    def access(self) -> str:
        """What an abort in EL1 was about: fetch, read or write."""
        if self.esr >> EC_SHIFT == ExceptionClass.INSTRUCTION_ABORT_SAME_EL:
            return "fetch"
        return "write" if self.esr & _ISS_WNR else "read"

    def to_json(self, symbol: Symbol) -> dict[str, Any]:
        """Plain values; addresses and ESR in hexadecimal."""
        return {"cycle": self.cycle, "depth": self.depth, "slot": vector_name(self.slot), "what": self.what, "esr": hex(self.esr),
                "elr": hex(self.elr), "elr_symbol": symbol(self.elr), "far": None if self.far is None else hex(self.far),
                "far_symbol": None if self.far is None else symbol(self.far)}


def nesting(events: Events, pe: int, stack: list[Entry]) -> Iterator[tuple[Entry | None, int, bool]]:
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


def entry_of(event: Any, depth: int = 0) -> Entry:
    """The exception of one record of the log, of kind entry."""
    far = int(event["c"])
    return Entry(int(event["cycle"]), int(event["aux"]), int(event["a"]), int(event["b"]), None if far == NOWHERE else far, depth)


def not_returned(events: Events, pe: int) -> list[Entry]:
    """The exceptions that PE `pe` has not returned from at the end of the log, oldest first."""
    stack: list[Entry] = []
    for entry, _cycle, _to_el0 in nesting(events, pe, stack):
        if entry is not None:
            stack.append(entry)
    return stack


def pes_with_aborts(events: Events, nested: bool = False) -> list[int]:
    """PEs that took a data or instruction abort from EL1; the others need no second look. nested: and another exception before one returned."""
    mine = events[(events["kind"] == EVENT_ENTRY) | (events["kind"] == EVENT_RETURN)]
    kind = mine["a"] >> np.uint64(EC_SHIFT)
    aborts = (mine["kind"] == EVENT_ENTRY) & ((kind == _SAME_EL_ABORTS[0]) | (kind == _SAME_EL_ABORTS[1]))
    found = [int(pe) for pe in np.unique(mine["pe"][aborts])]
    if not nested:
        return found
    return [pe for pe in found if _enters_from_abort(mine["kind"][mine["pe"] == pe], aborts[mine["pe"] == pe])]


def _enters_from_abort(kinds: npt.NDArray[np.uint16], aborts: npt.NDArray[np.bool_]) -> bool:
    """Whether an exception was taken when the one before, an abort, had not returned."""
    return bool((aborts[:-1] & (kinds[1:] == EVENT_ENTRY)).any())


def named(address: int, symbol: Symbol) -> str:
    """An address in hexadecimal, with its symbol if there is one."""
    name = symbol(address)
    return f"{address:#x} <{name}>" if name else f"{address:#x}"


def wrapped(indent: str, text: str) -> list[str]:
    """Lines of at most COLUMNS, but for a word that is longer; what follows the first is indented by two more."""
    return textwrap.wrap(text, COLUMNS, initial_indent=indent, subsequent_indent=indent + "  ", break_long_words=False, break_on_hyphens=False)
