"""What a run of the `rendezvous` kernel took, phase by phase, from the cycles at which each PE passed each mark.

The marks are labels in `asm/rendezvous.inc` and `asm/vectors.inc`. The initiator alone passes mark_round_start, mark_sgi_sent and
mark_all_done; its targets alone pass mark_taken; everyone passes the others. Each is passed once a round, except mark_taken, which every
interrupt of a target passes: the last one before a round's mark_gathered is the round's.
"""
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sim.errors import SimulatorError, UserError

MARK_NAMES = ("mark_round_start", "mark_sgi_sent", "mark_taken", "mark_gathered", "mark_acted", "mark_released", "mark_all_done")
START, SENT, TAKEN, GATHERED, ACTED, RELEASED, DONE = range(len(MARK_NAMES))
MARK_DTYPE = np.dtype([("cycle", "<u8"), ("pe", "<u2"), ("symbol", "<u2")])      # symbol: index in MARK_NAMES

Cycles = npt.NDArray[np.int64]
_PHASES = (("taken at the target's vector", TAKEN), ("gathered", GATHERED), ("acted", ACTED), ("released", RELEASED), ("all done", DONE))
_INTERVALS = (("round start to SGI sent", START, SENT), ("SGI sent to taken", SENT, TAKEN), ("taken to gathered", TAKEN, GATHERED),
              ("gathered to acted", GATHERED, ACTED), ("acted to released", ACTED, RELEASED), ("released to all done", RELEASED, DONE))


@dataclass(frozen=True, slots=True)
class PhaseStatistics:
    """Minimum, median, 99th percentile (a value that was seen) and maximum of one duration, in cycles.

    pe is None for all PEs together. A duration between two PEs can be negative: where a quantum lets their clocks drift apart, and where
    the first affinity group takes its SGI before the initiator has sent that of the last.
    """

    name: str
    pe: int | None
    count: int
    minimum_cycles: int
    median_cycles: float
    p99_cycles: int
    maximum_cycles: int

    def to_json(self, clock_hz: float) -> dict[str, Any]:
        """The same as plain values, in cycles and in ns."""
        values = {"minimum": self.minimum_cycles, "median": self.median_cycles, "p99": self.p99_cycles, "maximum": self.maximum_cycles}
        return {"name": self.name, "pe": self.pe, "count": self.count, "cycles": values,
                "ns": {name: cycles * 1e9 / clock_hz for name, cycles in values.items()}}


@dataclass(frozen=True, slots=True)
class RendezvousReport:
    """Statistics of the rounds after the warm-up.

    phases: durations since the round's SGI was sent. intervals: from each phase to the next. Both hold each PE and then None, the total.
    complete_rounds counts the warm-up too; measured_rounds does not.
    """

    pes: int
    rounds: int
    warmup: int
    complete_rounds: int
    clock_hz: float
    phases: tuple[PhaseStatistics, ...]
    intervals: tuple[PhaseStatistics, ...]

    @property
    def measured_rounds(self) -> int:
        """Rounds that the statistics are about."""
        return max(0, self.complete_rounds - self.warmup)

    @property
    def summary(self) -> str:
        """One line: how many PEs and rounds, how many dropped, at which clock."""
        dropped = min(self.warmup, self.complete_rounds)
        text = f"rendezvous of {self.pes} PEs: {self.measured_rounds} rounds after {dropped} of warm-up, which are left out"
        missing = self.rounds + self.warmup - self.complete_rounds
        if missing:
            text += f"; {missing} rounds were not completed"
        return text + f"; {self.clock_hz / 1e6:g} MHz"

    def to_json(self) -> dict[str, Any]:
        """The report as a value that `json.dumps` takes."""
        return {"pes": self.pes, "rounds": self.rounds, "warmup": self.warmup, "measured_rounds": self.measured_rounds,
                "complete_rounds": self.complete_rounds, "clock_hz": self.clock_hz,
                "since_sgi_sent": [statistics.to_json(self.clock_hz) for statistics in self.phases],
                "intervals": [statistics.to_json(self.clock_hz) for statistics in self.intervals]}


def rendezvous_report(marks: np.ndarray, pes: int, rounds: int, warmup: int, clock_hz: float) -> RendezvousReport:
    """Per-phase statistics of a run, each PE and in total.

    marks: dtype MARK_DTYPE, any order between PEs, each PE's own marks in the order it passed them. pes 1 to 256; rounds after warmup, both
    counts; clock_hz above 0. A run that ended early is reported up to its last complete round, which may leave no statistics.
    Raises UserError if one PE's marks are not those of a rendezvous, SimulatorError for a PE or symbol that cannot be.
    """
    if marks.dtype != MARK_DTYPE or clock_hz <= 0 or pes < 1 or rounds < 1 or warmup < 0:
        raise SimulatorError(f"rendezvous_report of {marks.dtype}, {pes} PEs, {rounds} rounds, {warmup} warm-up, {clock_hz} Hz")
    if len(marks) and (marks["pe"].max() >= pes or marks["symbol"].max() >= len(MARK_NAMES)):
        largest = f"PE {marks['pe'].max()} of {pes}, symbol {marks['symbol'].max()} of {len(MARK_NAMES)}"
        raise SimulatorError(f"rendezvous marks name what there is not: up to {largest}")
    passed = [[_cycles_of(marks, pe, symbol) for symbol in range(len(MARK_NAMES))] for pe in range(pes)]
    initiator = _find_initiator(passed)
    complete = min(len(passed[initiator][DONE]), rounds + warmup)
    for pe in range(pes):
        needed = (START, SENT, GATHERED, ACTED, RELEASED, DONE) if pe == initiator else (GATHERED, ACTED, RELEASED)
        complete = min(complete, *(len(passed[pe][symbol]) for symbol in needed))
    times = [[_times(passed, initiator, pe, symbol, complete)[warmup:] for symbol in range(len(MARK_NAMES))] for pe in range(pes)]
    phases = [entry for name, symbol in _PHASES for entry in _statistics(name, times, initiator, SENT, symbol)]
    intervals = [entry for name, first, second in _INTERVALS for entry in _statistics(name, times, initiator, first, second)]
    return RendezvousReport(pes, rounds, warmup, complete, clock_hz, tuple(phases), tuple(intervals))


def _cycles_of(marks: np.ndarray, pe: int, symbol: int) -> Cycles:
    """The cycles at which one PE passed one mark, in its own order."""
    cycles: Cycles = marks["cycle"][(marks["pe"] == pe) & (marks["symbol"] == symbol)].astype(np.int64)
    return cycles


def _find_initiator(passed: list[list[Cycles]]) -> int:
    """The PE that starts the rounds; PE 0 if none was started."""
    initiators = [pe for pe, symbols in enumerate(passed) if len(symbols[START])]
    if len(initiators) > 1:
        raise UserError(f"PEs {', '.join(map(str, initiators))} all start rendezvous rounds; the report is about one initiator")
    return initiators[0] if initiators else 0


def _times(passed: list[list[Cycles]], initiator: int, pe: int, symbol: int, complete: int) -> Cycles:
    """When a PE passed a mark in each complete round; what only the initiator passes counts for everyone; empty where it passes none."""
    if symbol in (START, SENT, DONE):
        return passed[initiator][symbol][:complete]
    if symbol != TAKEN:
        return passed[pe][symbol][:complete]
    if pe == initiator:
        return np.empty(0, np.int64)
    taken, gathered = passed[pe][TAKEN], passed[pe][GATHERED][:complete]
    place = np.searchsorted(taken, gathered, side="right") - 1
    if len(gathered) and (place[0] < 0 or (np.diff(place) < 1).any()):
        raise UserError(f"PE {pe} gathered for a rendezvous round without having taken an interrupt")
    return taken[place]


def _statistics(name: str, times: list[list[Cycles]], initiator: int, first: int, second: int) -> list[PhaseStatistics]:
    """One duration for each PE that has it, then for all of them together."""
    only_initiator = first in (START, SENT) and second in (SENT, DONE)
    pes = [initiator] if only_initiator else range(len(times))
    samples = {pe: times[pe][second] - times[pe][first] for pe in pes if len(times[pe][second]) and len(times[pe][first])}
    if not samples:
        return []
    return [*(_summary(name, pe, values) for pe, values in samples.items()), _summary(name, None, np.concatenate(list(samples.values())))]


def _summary(name: str, pe: int | None, values: Cycles) -> PhaseStatistics:
    """The four figures of a sample that is not empty."""
    return PhaseStatistics(name, pe, len(values), int(values.min()), float(np.median(values)),
                           int(np.percentile(values, 99, method="inverted_cdf")), int(values.max()))
