"""What each PE is doing at a stop: asleep, spinning, faulting, in its own vector, with interrupts masked or not, and who called it.

Reads PEs that do not run, and the event log. Callers are found by looking for return addresses on the stack: each is a place in a function
that has not returned, or that had not when the word was written and has not been overwritten since.
"""
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sim.observers.entries import Events, Symbol, named, not_returned
from sim.observers.livelock import vector_livelock
from sim.observers.retries import GAP_MOST_CYCLES, spins
from sim.state.dtypes import STATUS_OFF, STATUS_WFE, STATUS_WFI
from sim.state.events import EVENT_ENTRY, EVENT_RETURN

_PSTATE_I, _EL_MASK = 1 << 7, 0xC
_STACK_BYTES = 1024                     # of the stack from SP up that are searched for callers
_EVENTS_MOST = 100_000                  # of each PE's, the latest


class PE(Protocol):
    """What is read of a PE: `sim.view.PEView` has it."""

    @property
    def record(self) -> Any: ...
    @property
    def pc(self) -> int: ...
    @property
    def sp(self) -> int: ...
    @property
    def pstate(self) -> int: ...
    def x(self, number: int) -> int: ...
    def read_virtual(self, va: int, size_bytes: int) -> bytes | None: ...


@dataclass(frozen=True, slots=True)
class Activity:
    """One PE at a stop. doing: a phrase. callers: return addresses in LR and on the stack, the innermost first. depth: exceptions not returned."""

    pe: int
    doing: str
    pc: int
    masked: bool
    callers: tuple[int, ...]
    depth: int
    is_off: bool = False

    def sentence(self) -> str:
        """The PE, what it does, and whether an interrupt can reach it."""
        if self.is_off:
            return f"PE {self.pe} is off"
        return f"PE {self.pe} {self.doing}, IRQ {'masked (PSTATE.I = 1)' if self.masked else 'not masked'}"

    def is_in(self, code: range) -> bool:
        """Whether it executes a function, or something that this has called."""
        return self.pc in code or any(caller in code for caller in self.callers)

    def to_json(self, symbol: Symbol) -> dict[str, Any]:
        """Plain values; addresses in hexadecimal."""
        return {"pe": self.pe, "doing": self.doing, "pc": hex(self.pc), "pc_symbol": symbol(self.pc), "irq_masked": self.masked,
                "callers": [{"address": hex(one), "symbol": symbol(one)} for one in self.callers], "depth": self.depth, "is_off": self.is_off}


def describe_pes(pes: Sequence[PE], events: Events, symbol: Symbol, is_code: Callable[[int], bool]) -> list[Activity]:
    """What each PE is doing. events: the log so far. is_code: whether an address is one of instructions of the kernel."""
    return [_describe(index, pe, _latest(events, index), symbol, is_code) for index, pe in enumerate(pes)]


def _latest(events: Events, pe: int) -> Events:
    mine: Events = events[(events["pe"] == pe) & ((events["kind"] == EVENT_ENTRY) | (events["kind"] == EVENT_RETURN))]
    return mine[-_EVENTS_MOST:]


def _describe(index: int, pe: PE, events: Events, symbol: Symbol, is_code: Callable[[int], bool]) -> Activity:
    status = int(pe.record["status"])
    masked = bool(pe.pstate & _PSTATE_I)
    if status == STATUS_OFF:
        return Activity(index, "is off", pe.pc, masked, (), 0, is_off=True)
    depth = len(not_returned(events, index))
    return Activity(index, _doing(index, pe, status, events, symbol, depth), pe.pc, masked, tuple(_callers(pe, is_code)), depth)


def _doing(index: int, pe: PE, status: int, events: Events, symbol: Symbol, depth: int) -> str:
    where = named(pe.pc, symbol)
    if status in (STATUS_WFI, STATUS_WFE):
        return f"sleeps in {'WFI' if status == STATUS_WFI else 'WFE'} at {where}"
    livelock = vector_livelock(events, index, symbol, int(pe.record["vbar"]))
    if livelock is not None:
        return f"is in its own vector since cycle {livelock.since_cycle}, for ever: {where}"
    last = spins(events, index)[-1:]
    for spin in last:
        if spin.faults > 1 and int(pe.record["cycles"]) - spin.end_cycle <= GAP_MOST_CYCLES:
            return f"faults on {named(spin.entry.far or 0, symbol)} again and again since cycle {spin.entry.cycle}, {spin.faults} times, at " \
                   f"{named(spin.entry.elr, symbol)}"
    inside = f", {depth} exceptions deep" if depth else ""
    return f"executes {where} at {'EL1' if pe.pstate & _EL_MASK else 'EL0'}{inside}"


def _callers(pe: PE, is_code: Callable[[int], bool]) -> list[int]:
    """LR, then what lies on the stack and is an address of code."""
    found = [pe.x(30)] if is_code(pe.x(30)) else []
    if not pe.pstate & _EL_MASK:
        return found
    low, data = pe.sp & ~7, b""
    for size_bytes in (_STACK_BYTES, _STACK_BYTES // 4, _STACK_BYTES // 16):
        data = pe.read_virtual(low, size_bytes) or b""
        if data:
            break
    words = (int.from_bytes(data[place:place + 8], "little") for place in range(0, len(data), 8))
    return found + [word for word in words if word % 4 == 0 and is_code(word)]
