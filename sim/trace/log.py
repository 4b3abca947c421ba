"""The event log of a run: what was drained from the ring, in order, and its text form.

The order is that of (cycle, PE); the events of one PE at one cycle stay in the order in which they happened. It does not depend on how far
one PE was let run before another. So an event is held back as long as one that belongs before it may still come.
"""
import io
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from sim.arch.syndrome import describe_esr
from sim.arch.vectors import vector_name
from sim.state.dtypes import EVENT
from sim.state.events import BY_NAME, EVENT_ENTRY, EVENT_EXCLUSIVE_LOST, KINDS

KEEP_MOST = 4_000_000                   # events (40 bytes each) kept by default; older ones are dropped and counted


class EventLog:
    """Events of one machine, oldest first. `lost` counts what the ring could not hold, `dropped` what was not kept."""

    def __init__(self, keep_most: int = KEEP_MOST) -> None:
        self._chunks: list[npt.NDArray[np.void]] = []
        self._held, self._told = np.zeros(0, EVENT), 0      # held back, the first `_told` of them already given to observers
        self._end: tuple[int, int] | None = None
        self._kept = 0
        self._keep_most = keep_most
        self.lost = 0
        self.dropped = 0

    def copy(self) -> "EventLog":
        """A log of the same events, to which others can be added."""
        other = EventLog(self._keep_most)
        other._chunks, other._kept, other.lost, other.dropped = list(self._chunks), self._kept, self.lost, self.dropped
        other._held, other._told, other._end = self._held, self._told, self._end
        return other

    def append(self, chunk: npt.NDArray[np.void], before_cycle: int) -> npt.NDArray[np.void]:
        """Add drained events; beyond the limit the oldest chunks go. Returns what is now certain of its place and was not told before.

        before_cycle: no event before that cycle can still come.
        """
        self._end = None
        waiting = np.concatenate([self._held, chunk]) if len(self._held) else chunk
        settled = waiting["cycle"] < before_cycle
        untold = np.arange(len(waiting)) >= self._told
        self._held, self._told = waiting[~settled], int(np.count_nonzero(~settled & ~untold))
        untold, added = untold[settled], waiting[settled]
        if not len(added):
            return added
        order = _canonical(added)
        added = added[order]
        self._chunks.append(added)
        self._kept += len(added)
        while self._kept > self._keep_most and len(self._chunks) > 1:
            gone = self._chunks.pop(0)
            self._kept -= len(gone)
            self.dropped += len(gone)
        return added if untold.all() else added[untold[order]]

    def end(self, pe: int, cycle: int) -> None:
        """What PE `pe` did at `cycle` ended the run: what others did from that cycle on is not shown. They may have got that far or not."""
        self._end = pe, cycle

    def tell_held(self) -> npt.NDArray[np.void]:
        """Events that are held back and were not told before, for observers of a run that is over or pauses."""
        untold = self._shown(self._held[self._told:])
        self._told = len(self._held)
        return untold[_canonical(untold)]

    def _shown(self, held: npt.NDArray[np.void]) -> npt.NDArray[np.void]:
        if self._end is None:
            return held
        pe, cycle = self._end
        return held[(held["pe"] == pe) | (held["cycle"] < cycle)]

    def array(self) -> npt.NDArray[np.void]:
        """All kept events as one structured array (dtype `sim.state.dtypes.EVENT`)."""
        if len(self._chunks) > 1:
            self._chunks = [np.concatenate(self._chunks)]
        held = self._shown(self._held)
        if not len(held):
            return self._chunks[0] if self._chunks else np.zeros(0, EVENT)
        return np.concatenate([*self._chunks, held[_canonical(held)]])

    def of(self, name: str) -> npt.NDArray[np.void]:
        """The events of one kind. Raises KeyError for a kind that does not exist."""
        events = self.array()
        return events[events["kind"] == BY_NAME[name].number]

    def __len__(self) -> int:
        return self._kept + len(self._shown(self._held))

    def __bytes__(self) -> bytes:
        return self.array().tobytes()

    def lines(self) -> Iterator[str]:
        """One line of text for each event."""
        return (describe_event(event) for event in self.array())

    def text(self) -> str:
        """All lines, and what is missing."""
        out = io.StringIO()
        for line in self.lines():
            out.write(line + "\n")
        if self.lost or self.dropped:
            out.write(f"# {self.dropped} older events not kept, {self.lost} lost by a full ring\n")
        return out.getvalue()


def _canonical(events: npt.NDArray[np.void]) -> npt.NDArray[np.int64]:
    """Positions in the order of the log. What another PE did to a PE comes after what that PE did itself in the same cycle."""
    key = events["cycle"] << np.uint64(17) | events["pe"].astype(np.uint64) << np.uint64(1)
    return np.argsort(key | (events["kind"] == EVENT_EXCLUSIVE_LOST), kind="stable")


def describe_event(event: npt.NDArray[np.void]) -> str:
    """`cycle PE kind operand=value ...` of one event record."""
    number = int(event["kind"])
    kind = KINDS[number]
    parts = [f"{int(event['cycle']):>12} PE{int(event['pe']):<3} {kind.name}"]
    if number == EVENT_ENTRY:
        parts.append(f"{vector_name(int(event['aux']))} esr={int(event['a']):#x} ({describe_esr(int(event['a']))}) "
                     f"elr={int(event['b']):#x} far={int(event['c']):#x}")
        return " ".join(parts)
    for meaning, value in ((kind.aux, event["aux"]), (kind.a, event["a"]), (kind.b, event["b"]), (kind.c, event["c"])):
        if meaning:
            parts.append(f"{meaning}={int(value)}" if meaning.endswith(("cycles", "cycle")) else f"{meaning}={int(value):#x}")
    return " ".join(parts)
