"""The measured rounds of one run: when each PE passed the end of each phase."""
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sim.errors import SimulatorError

Cycles = npt.NDArray[np.int64]
ABSENT = -1                             # the PE does not pass this boundary
PHASES = ("initiate", "deliver", "enter", "acknowledge", "act", "release", "exit")
INITIATE, DELIVER, ENTER, ACKNOWLEDGE, ACT, RELEASE, EXIT = range(len(PHASES))


@dataclass(frozen=True, eq=False)
class Rounds:
    """Rounds in the order in which they were run, warm-up left out.

    start_cycles: (rounds,), when the initiator began each. end_cycles: (rounds, pes, phases), when each PE ended each phase, ABSENT where it
    has no part in it; phases: names, in time order, of those that the benchmark has, a selection of PHASES. A PE's own times never decrease.
    Raises SimulatorError if they do, or if a round has a phase that nobody ends.
    """

    phases: tuple[str, ...]
    start_cycles: Cycles
    end_cycles: Cycles

    def __post_init__(self) -> None:
        if not len(self.start_cycles) or self.end_cycles.ndim != 3 or self.end_cycles.shape[::2] != (len(self.start_cycles), len(self.phases)):
            raise SimulatorError(f"{len(self.start_cycles)} rounds of {len(self.phases)} phases in an array of shape {self.end_cycles.shape}")
        if [name for name in PHASES if name in self.phases] != list(self.phases):
            raise SimulatorError(f"phases {', '.join(self.phases)}: they are {', '.join(PHASES)}, in this order")
        latest = np.full(self.end_cycles.shape[:2], ABSENT, np.int64)
        for number, phase in enumerate(self.phases):
            ends = self.end_cycles[:, :, number]
            if ((ends != ABSENT) & (ends < latest)).any():
                raise SimulatorError(f"a PE ends the phase {phase!r} before the one that comes before it")
            if (ends.max(axis=1) == ABSENT).any():
                raise SimulatorError(f"nobody ends the phase {phase!r} of a round")
            latest = np.maximum(latest, ends)

    @property
    def count(self) -> int:
        """How many rounds."""
        return len(self.start_cycles)

    @property
    def pes(self) -> int:
        """How many PEs."""
        return int(self.end_cycles.shape[1])
