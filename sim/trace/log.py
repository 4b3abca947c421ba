"""The event log of a run: what was drained from the ring, in order, and its text form."""
import io
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from sim.arch.syndrome import describe_esr
from sim.arch.vectors import vector_name
from sim.state.dtypes import EVENT
from sim.state.events import BY_NAME, EVENT_ENTRY, KINDS

KEEP_MOST = 4_000_000                   # events (40 bytes each) kept by default; older ones are dropped and counted


class EventLog:
    """Events of one machine, oldest first. `lost` counts what the ring could not hold, `dropped` what was not kept."""

    def __init__(self, keep_most: int = KEEP_MOST) -> None:
        self._chunks: list[npt.NDArray[np.void]] = []
        self._kept = 0
        self._keep_most = keep_most
        self.lost = 0
        self.dropped = 0

    def copy(self) -> "EventLog":
        """A log of the same events, to which others can be added."""
        other = EventLog(self._keep_most)
        other._chunks, other._kept, other.lost, other.dropped = list(self._chunks), self._kept, self.lost, self.dropped
        return other

    def append(self, chunk: npt.NDArray[np.void]) -> None:
        """Add drained events; beyond the limit the oldest chunks go."""
        self._chunks.append(chunk)
        self._kept += len(chunk)
        while self._kept > self._keep_most and len(self._chunks) > 1:
            gone = self._chunks.pop(0)
            self._kept -= len(gone)
            self.dropped += len(gone)

    def array(self) -> npt.NDArray[np.void]:
        """All kept events as one structured array (dtype `sim.state.dtypes.EVENT`)."""
        if len(self._chunks) > 1:
            self._chunks = [np.concatenate(self._chunks)]
        return self._chunks[0] if self._chunks else np.zeros(0, EVENT)

    def of(self, name: str) -> npt.NDArray[np.void]:
        """The events of one kind. Raises KeyError for a kind that does not exist."""
        events = self.array()
        return events[events["kind"] == BY_NAME[name].number]

    def __len__(self) -> int:
        return self._kept

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
