"""Where the time of a round went, phase by phase.

A phase of a round ends when the last PE that has a part in it ends it, but never before the phase that came before it. So the phases of a
round follow each other without a gap, and their durations add up to the round's.
"""
from dataclasses import dataclass
from typing import Any

import numpy as np

from sim.benchmarks.distribution import Distribution
from sim.benchmarks.rounds import Cycles, Rounds
from sim.errors import SimulatorError


@dataclass(frozen=True, slots=True)
class Phase:
    """One phase over all rounds. share: its part of the time of all rounds, 0 to 1."""

    name: str
    distribution: Distribution
    share: float

    def to_json(self, clock_hz: float) -> dict[str, Any]:
        """Plain values."""
        return {"phase": self.name, "share": self.share, **self.distribution.to_json(clock_hz)}


def phase_cycles(rounds: Rounds) -> Cycles:
    """(rounds, phases): how long each phase of each round took."""
    ends = np.maximum.accumulate(rounds.end_cycles.max(axis=1), axis=1)
    ends = np.maximum(ends, rounds.start_cycles[:, None])
    durations: Cycles = np.diff(ends, axis=1, prepend=rounds.start_cycles[:, None])
    total = rounds.end_cycles.max(axis=(1, 2)) - rounds.start_cycles
    if (durations < 0).any() or (durations.sum(axis=1) != total).any():
        raise SimulatorError("the phases of a round do not add up to it")
    return durations


def attribute(rounds: Rounds) -> tuple[Phase, ...]:
    """Each phase of the benchmark, in time order; shares add up to 1 (a run whose rounds take no time at all has shares of 0)."""
    durations = phase_cycles(rounds)
    everything = int(durations.sum())
    return tuple(Phase(name, Distribution.of(durations[:, number]), float(durations[:, number].sum()) / everything if everything else 0.0)
                 for number, name in enumerate(rounds.phases))
