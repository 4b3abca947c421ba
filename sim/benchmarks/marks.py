"""From the marks in an event log to rounds: which PE passed which label, when, the how-manieth time."""
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from sim.benchmarks.rounds import Cycles
from sim.errors import SimulatorError


class Marks:
    """The marks of one run. events: those of kind "mark", as the log has them. watched: names by number."""

    def __init__(self, events: npt.NDArray[Any], watched: Sequence[str]) -> None:
        self._numbers = {name: number for number, name in enumerate(watched)}
        self._by_key: dict[tuple[int, int], Cycles] = {}
        keys = events["pe"].astype(np.int64) * len(watched) + events["a"].astype(np.int64) if len(watched) else np.zeros(0, np.int64)
        order = np.argsort(keys, kind="stable")             # of one PE and mark, in the order of the log
        found, first = np.unique(keys[order], return_index=True)
        for key, cycles in zip(found.tolist(), np.split(events["cycle"][order].astype(np.int64), first[1:]), strict=False):
            self._by_key[divmod(key, len(watched))] = cycles

    def knows(self, name: str) -> bool:
        """Whether the kernel has that mark."""
        return name in self._numbers

    def cycles(self, name: str, pe: int) -> Cycles:
        """When a PE passed a mark, in its own order; empty if it never did."""
        if name not in self._numbers:
            raise SimulatorError(f"no mark {name!r} was recorded")
        return self._by_key.get((pe, self._numbers[name]), np.zeros(0, np.int64))

    def each_round(self, name: str, pe: int, rounds: int) -> Cycles:
        """When a PE passed a mark that it passes once a round. Raises SimulatorError if it passed it another number of times."""
        cycles = self.cycles(name, pe)
        if len(cycles) != rounds:
            raise SimulatorError(f"PE {pe} passed {name} {len(cycles)} times in {rounds} rounds")
        return cycles

    def last_before(self, name: str, pe: int, bounds: Cycles) -> Cycles:
        """Of a mark that may be passed more often: the last time at or before each bound, each another one. Raises SimulatorError else."""
        cycles = self.cycles(name, pe)
        place = np.searchsorted(cycles, bounds, side="right") - 1
        if len(place) and (place[0] < 0 or (np.diff(place) < 1).any()):
            raise SimulatorError(f"PE {pe} did not pass {name} before each of {len(bounds)} times")
        return cycles[place]
