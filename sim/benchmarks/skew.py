"""How far apart the PEs are: the same boundary of the same round, passed by one PE after another."""
from dataclasses import dataclass
from typing import Any

import numpy as np

from sim.benchmarks.distribution import Distribution
from sim.benchmarks.rounds import ABSENT, Rounds


@dataclass(frozen=True, slots=True)
class PESkew:
    """One PE at one boundary, against the first PE to pass it in each round. last_rounds: rounds in which nobody was later."""

    pe: int
    behind: Distribution
    last_rounds: int

    def to_json(self, clock_hz: float) -> dict[str, Any]:
        """Plain values."""
        return {"pe": self.pe, "last_rounds": self.last_rounds, "behind_first": self.behind.to_json(clock_hz)}


@dataclass(frozen=True, slots=True)
class Skew:
    """One phase's end. spread: from the first PE to the last, a value for each round. pes: those that pass it in every round, by number."""

    phase: str
    spread: Distribution
    pes: tuple[PESkew, ...]

    def to_json(self, clock_hz: float) -> dict[str, Any]:
        """Plain values."""
        return {"phase": self.phase, "spread": self.spread.to_json(clock_hz), "pes": [one.to_json(clock_hz) for one in self.pes]}


def skews(rounds: Rounds) -> tuple[Skew, ...]:
    """Of each phase that at least two PEs end in every round; in time order."""
    found = []
    for number, phase in enumerate(rounds.phases):
        ends = rounds.end_cycles[:, :, number]
        taking_part = np.flatnonzero((ends != ABSENT).all(axis=0))
        if len(taking_part) < 2:
            continue
        behind = ends[:, taking_part] - ends[:, taking_part].min(axis=1, keepdims=True)
        last = behind.max(axis=1, keepdims=True)
        found.append(Skew(phase, Distribution.of(last[:, 0]), tuple(
            PESkew(int(pe), Distribution.of(behind[:, place]), int(np.count_nonzero(behind[:, place] == last[:, 0])))
            for place, pe in enumerate(taking_part))))
    return tuple(found)
