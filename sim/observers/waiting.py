"""Who waits for whom when nothing goes on: the rendezvous under way, spin locks, and PEs that were asked to stop and did not.

Reads the kernel's own counters and locks from memory at a stop, and what each PE is doing (`activity`). Where they lie, and which code waits
for them, the caller says: no layout is known here. Nobody is named on a guess: a PE counts as waiting only where its PC and its
registers say so. The mutex of a rendezvous has no owner in memory; the initiator is the PE that is inside the code that holds it.
"""
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sim.observers.activity import PE, Activity
from sim.observers.entries import Symbol, wrapped

_SET_BYTES = 32                         # a bit for each of 256 PEs
ReadMemory = Callable[[int, int], bytes | None]             # (VA, bytes) -> them, None where there is none
COUNTERS = ("everyone has arrived", "everyone has done setup", "everyone has done action", "everyone is through")


@dataclass(frozen=True, slots=True)
class RendezvousLayout:
    """Where a rendezvous keeps what it waits for: addresses of 32-bit words, of the set of targets, of the mutex (64 bits); code by range.

    initiator: the function that holds the mutex. participant: the one that each PE of the set runs. spin: the one that waits for the counter
    whose address is in x0.
    """

    ncpus: int
    waiters: tuple[int, int, int, int]
    targets: int
    mutex: int
    initiator: range
    participant: range
    spin: range


@dataclass(frozen=True, slots=True)
class Lock:
    """A spin lock: its word is 0 when free. by_thread: the word is the owner's thread. spin, register: the code that waits, with its address in
    that register."""

    name: str
    address: int
    by_thread: bool
    spin: range
    register: int


@dataclass(frozen=True)
class RendezvousReport:
    """A rendezvous under way. phase: index of the counter that is waited for. waiting: PEs that spin on it; missing: members that have not come."""

    initiator: int | None
    phase: int
    counts: tuple[int, ...]
    members: int
    waiting: tuple[int, ...]
    missing: tuple[Activity, ...]
    symbol: Symbol

    def lines(self, most: int = 8) -> Iterator[str]:
        """Plain text, 80 columns."""
        who = "an initiator that cannot be told" if self.initiator is None else f"PE {self.initiator}"
        yield from wrapped("", f"rendezvous of {self.members} PEs by {who}: waiting until {COUNTERS[self.phase]} (waiters[{self.phase}] is "
                               f"{self.counts[self.phase]} of {self.members}); PEs that spin on it: {', '.join(map(str, self.waiting)) or 'none'}")
        for one in self.missing[:most]:
            yield from wrapped("  ", f"missing: {one.sentence()}")
            if one.callers:
                yield from wrapped("    ", "called by " + ", ".join(self.symbol(caller) or hex(caller) for caller in one.callers[:4]))
        if len(self.missing) > most:
            yield f"  ... and {len(self.missing) - most} more are missing"

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"initiator": self.initiator, "phase": self.phase, "waiters": list(self.counts), "ncpus": self.members,
                "waiting": list(self.waiting), "missing": [one.to_json(self.symbol) for one in self.missing]}


@dataclass(frozen=True)
class LockReport:
    """A lock that is held while others spin for it. holder: None where the lock does not say and nobody's code does."""

    name: str
    address: int
    holder: Activity | None
    waiting: tuple[int, ...]
    symbol: Symbol

    def lines(self) -> Iterator[str]:
        """Plain text, 80 columns."""
        yield from wrapped("", f"{self.name} at {self.address:#x}: PEs {', '.join(map(str, self.waiting))} spin for it, "
                               f"{'whose owner cannot be told' if self.holder is None else f'PE {self.holder.pe} holds it'}")
        if self.holder is not None:
            yield from wrapped("  ", f"the holder, {self.holder.sentence()}")
            if self.holder.pe in self.waiting:
                yield from wrapped("  ", "it waits for itself: that never ends")

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"lock": self.name, "address": hex(self.address), "holder": self.holder.to_json(self.symbol) if self.holder else None,
                "waiting": list(self.waiting)}


@dataclass(frozen=True)
class StopReport:
    """PEs that were told to stop and are not in the set of those that have. asker: who told them, if its code says so."""

    asker: int | None
    stopped: tuple[int, ...]
    missing: tuple[Activity, ...]
    symbol: Symbol

    def lines(self, most: int = 8) -> Iterator[str]:
        """Plain text, 80 columns."""
        stopped = ", ".join(map(str, self.stopped)) or "none"
        yield from wrapped("", f"stop IPI{'' if self.asker is None else f' of PE {self.asker}'}: stopped are {stopped}; not stopped:")
        for one in self.missing[:most]:
            yield from wrapped("  ", one.sentence())
        if len(self.missing) > most:
            yield f"  ... and {len(self.missing) - most} more"

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"asker": self.asker, "stopped": list(self.stopped), "missing": [one.to_json(self.symbol) for one in self.missing]}


def rendezvous_report(layout: RendezvousLayout, read: ReadMemory, pes: Sequence[PE], activities: Sequence[Activity],
                      symbol: Symbol) -> RendezvousReport | None:
    """The rendezvous under way, None if its mutex is free or its memory cannot be read."""
    if not _word(read, layout.mutex, 8):
        return None
    members = _word(read, layout.ncpus, 4)
    counts = tuple(_word(read, address, 4) for address in layout.waiters)
    targets = members_of(read, layout.targets)
    inside = [one.pe for one in activities if not one.is_off and one.is_in(layout.initiator)]
    initiator = next((pe for pe in inside if pe not in targets), inside[0] if inside else None)
    phase = _phase(layout, pes, activities, counts, members)
    if phase is None:
        return None
    waiting = tuple(one.pe for one in activities if _spins(one, pes, layout.spin, layout.waiters[phase], 0))
    everyone = set(targets) | ({initiator} if initiator is not None and len(targets) < members else set())
    if phase == len(counts) - 1:                            # who is through has left: missing are those still inside
        missing = [one for one in activities if one.pe in everyone and one.pe not in waiting and one.is_in(layout.participant)]
    else:
        missing = [one for one in activities if one.pe in everyone and one.pe not in waiting]
    return RendezvousReport(initiator, phase, counts, members, waiting, tuple(missing), symbol)


def _phase(layout: RendezvousLayout, pes: Sequence[PE], activities: Sequence[Activity], counts: Sequence[int], members: int) -> int | None:
    """The first counter that is short and that somebody spins on; else the first that is short. None if everyone is through."""
    short = [number for number, count in enumerate(counts) if count < members]
    watched = [number for number in short if any(_spins(one, pes, layout.spin, layout.waiters[number], 0) for one in activities)]
    return next(iter([*watched, *short]), None)


def lock_reports(locks: Sequence[Lock], read: ReadMemory, pes: Sequence[PE], activities: Sequence[Activity], symbol: Symbol, *,
                 pe_of_thread: Mapping[int, int], holders: Mapping[str, range]) -> list[LockReport]:
    """Every lock that is held and that a PE spins for.

    pe_of_thread: address of a thread -> PE that runs it. holders: name of a lock without owner -> the code that holds it.
    """
    found = []
    for lock in locks:
        value = _word(read, lock.address, 8)
        waiting = tuple(one.pe for one in activities if _spins(one, pes, lock.spin, lock.address, lock.register))
        if not value or not waiting:
            continue
        if lock.by_thread:
            owner = pe_of_thread.get(value)
        else:
            code = holders.get(lock.name, range(0))
            owner = next((one.pe for one in activities if one.pe not in waiting and not one.is_off and one.is_in(code)), None)
        found.append(LockReport(lock.name, lock.address, None if owner is None else activities[owner], waiting, symbol))
    return found


def stop_report(stopped: int, asker: int | None, asked: Sequence[int], read: ReadMemory, activities: Sequence[Activity],
                symbol: Symbol) -> StopReport | None:
    """Who has not stopped, None if all that were asked have. stopped: address of the set; asker: who asked; asked: the PEs that were told."""
    there = members_of(read, stopped)
    missing = tuple(activities[pe] for pe in asked if pe not in there and not activities[pe].is_off)
    return StopReport(asker, tuple(there), missing, symbol) if missing else None


def members_of(read: ReadMemory, address: int) -> list[int]:
    """The PEs of a set in memory, a bit each."""
    bits = int.from_bytes(read(address, _SET_BYTES) or b"", "little")
    return [pe for pe in range(8 * _SET_BYTES) if bits >> pe & 1]


def _spins(one: Activity, pes: Sequence[PE], code: range, address: int, register: int) -> bool:
    return not one.is_off and one.pc in code and pes[one.pe].x(register) == address


def _word(read: ReadMemory, address: int, size_bytes: int) -> int:
    return int.from_bytes(read(address, size_bytes) or b"", "little")

