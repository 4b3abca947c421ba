"""A point of a benchmark: one scenario on one number of PEs, summed up over its seeds."""
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sim.benchmarks.attribution import Phase, attribute
from sim.benchmarks.distribution import Bucket, Distribution, histogram
from sim.benchmarks.rounds import PHASES, Cycles, Rounds
from sim.benchmarks.skew import Skew, skews
from sim.benchmarks.stack import Stack
from sim.errors import SimulatorError

INITIATOR, OTHERS, EVERYONE = "initiator", "others", "all"


@dataclass(frozen=True, eq=False)
class Sample:
    """What one run gave.

    total_cycles: (rounds,). delivery_cycles: (rounds, 1), until the last target was reached, or (rounds, 0) where there is none.
    operation_cycles: (rounds, issuers), what each issuer's operation took, or (rounds, 0). stacks: of the PEs by their part
    (INITIATOR, OTHERS, EVERYONE), over the measured rounds. left_out: why phases are missing, "" where none is.
    """

    seed: int
    total_cycles: Cycles
    delivery_cycles: Cycles
    operation_cycles: Cycles
    rounds: Rounds
    stacks: dict[str, Stack]
    host_seconds: float
    left_out: str = ""


@dataclass(frozen=True, eq=False)
class Point:
    """A scenario on a number of PEs.

    family: the scenario without its number of issuers. issuers: PEs that begin an operation in each round, PE 0 and those behind it. rounds: of all seeds together, as many as `total` has values. delivery: until the last target is reached, None where nobody is one.
    operation: of all issuers of all rounds, None where issuers are not told apart. skews: of phases that several PEs end. stacks: all
    seeds added up. left_out: why phases are missing, "" where none is.
    """

    scenario: str
    family: str
    issuers: int
    pes: int
    clock_hz: int
    seeds: tuple[int, ...]
    rounds: int
    total: Distribution
    delivery: Distribution | None
    operation: Distribution | None
    buckets: tuple[Bucket, ...]
    phases: tuple[Phase, ...]
    skews: tuple[Skew, ...]
    stacks: dict[str, Stack]
    host_seconds: float
    left_out: str = ""

    @property
    def label(self) -> str:
        """Scenario and number of PEs, as text."""
        return f"{self.scenario} on {self.pes} PEs"

    def members(self, part: str) -> int:
        """How many PEs a stack is about."""
        return {INITIATOR: self.issuers, OTHERS: self.pes - self.issuers, EVERYONE: self.pes}[part]

    def ns(self, cycles: float) -> float:
        """Nanoseconds of so many cycles."""
        return cycles * 1e9 / self.clock_hz

    @property
    def _distributions(self) -> tuple[tuple[str, Distribution | None], ...]:
        return ("total", self.total), ("delivery", self.delivery), ("operation", self.operation)

    def to_json(self) -> dict[str, Any]:
        """Everything, as plain values."""
        return {
            "scenario": self.scenario, "pes": self.pes, "issuers": self.issuers, "clock_hz": self.clock_hz, "seeds": list(self.seeds), "rounds": self.rounds,
            **{name: distribution.to_json(self.clock_hz) if distribution else None for name, distribution in self._distributions},
            "histogram": [{"least_cycles": one.least, "below_cycles": one.bound, "count": one.count} for one in self.buckets],
            "phases": [one.to_json(self.clock_hz) for one in self.phases], "phases_left_out": self.left_out,
            "skew": [one.to_json(self.clock_hz) for one in self.skews],
            "stacks": {name: one.to_json() for name, one in self.stacks.items()},
        }

    def flat(self) -> dict[str, Any]:
        """One level of plain values: a line of the CSV, the same columns for every point."""
        values: dict[str, Any] = {"scenario": self.scenario, "pes": self.pes, "issuers": self.issuers, "clock_hz": self.clock_hz, "rounds": self.rounds}
        for name, distribution in self._distributions:
            for figure in ("minimum", "p50", "p90", "p99", "p999", "maximum", "mean"):
                cycles = getattr(distribution, figure) if distribution else None
                values[f"{name}_{figure}_cycles"] = cycles
                values[f"{name}_{figure}_ns"] = None if cycles is None else round(self.ns(cycles), 3)
        durations = {phase.name: phase for phase in self.phases}
        for name in PHASES:
            phase = durations.get(name)
            values[f"{name}_p50_cycles"] = phase and phase.distribution.p50
            values[f"{name}_share"] = phase and round(phase.share, 6)
        return values


def point(scenario: str, pes: int, clock_hz: int, samples: Sequence[Sample], rounds: int, family: str | None = None, issuers: int = 1) -> Point:
    """Sum up; family: None for the scenario itself. rounds: how many each sample must have. Raises SimulatorError if one has another number: a round is never missing silently."""
    for sample in samples:
        counts = {len(sample.total_cycles), len(sample.delivery_cycles), len(sample.operation_cycles), sample.rounds.count}
        if counts != {rounds}:
            raise SimulatorError(f"{scenario} on {pes} PEs, seed {sample.seed}: {len(sample.total_cycles)} samples of {rounds} rounds")
    together = Rounds(samples[0].rounds.phases, np.concatenate([sample.rounds.start_cycles for sample in samples]),
                      np.concatenate([sample.rounds.end_cycles for sample in samples]))
    total, delivery, operation = (np.concatenate([getattr(sample, f"{name}_cycles").ravel() for sample in samples])
                                  for name in ("total", "delivery", "operation"))
    if len(total) != rounds * len(samples):
        raise SimulatorError(f"{scenario} on {pes} PEs: {len(total)} samples of {rounds} rounds with {len(samples)} seeds")
    return Point(
        scenario=scenario, family=scenario if family is None else family, issuers=issuers, pes=pes, clock_hz=clock_hz, seeds=tuple(sample.seed for sample in samples), rounds=len(total),
        total=Distribution.of(total), delivery=Distribution.of(delivery) if len(delivery) else None,
        operation=Distribution.of(operation) if len(operation) else None, buckets=histogram(total), phases=attribute(together),
        skews=skews(together), stacks={name: _add([sample.stacks[name] for sample in samples]) for name in samples[0].stacks},
        host_seconds=sum(sample.host_seconds for sample in samples), left_out=samples[0].left_out)


def _add(stacks: Sequence[Stack]) -> Stack:
    return Stack(sum(one.total_cycles for one in stacks), {name: sum(one.components[name] for one in stacks) for name in stacks[0].components},
                 sum(one.instructions for one in stacks), stacks[0].unseen)
