"""How a run ended: one word, who, where, why, and the exit code of the command."""
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sim.arch.syndrome import describe_esr

FINISHED, EXITED, BUDGET, DEADLOCK, RECURSION, LIVELOCK, INTERRUPTED, ENGINE, PAUSED = (
    "finished", "exited", "budget", "deadlock", "recursion", "livelock", "interrupted", "engine", "paused",
)
#: Exit codes of `quiesce run`. "exited" gives the guest's own status.
EXIT_CODES = {FINISHED: 0, BUDGET: 101, DEADLOCK: 102, RECURSION: 103, LIVELOCK: 104, INTERRUPTED: 130, ENGINE: 105, PAUSED: 106}


@dataclass(frozen=True)
class Verdict:
    """The end of a run.

    kind: one of the words above. pe, pc, symbol: who and where; None where nobody in particular is meant. reason: a phrase.
    exit_status: what the guest said, for "exited" only.
    """

    kind: str
    reason: str
    pe: int | None = None
    pc: int | None = None
    symbol: str | None = None
    exit_status: int | None = None

    @property
    def exit_code(self) -> int:
        """Exit code for the command line."""
        return self.exit_status or 0 if self.kind == EXITED else EXIT_CODES[self.kind]

    def __str__(self) -> str:
        where = ""
        if self.pe is not None:
            where = f" PE {self.pe}"
            if self.pc is not None:
                where += f" at {self.pc:#x}" + (f" <{self.symbol}>" if self.symbol else "")
        return f"verdict: {self.kind}{where}: {self.reason}"


def describe_recursion(record: Any, named: Callable[[int], str]) -> str:
    """What a PE's record (`sim.state.dtypes.PE`) says of exceptions taken in each other's handlers. named: symbol of an address, or ""."""
    depth, elr, esr = (int(record[f"recursion_{name}"]) for name in ("depth", "elr", "esr"))
    if depth == 0:
        return f"{int(record['nested_entries'])} exceptions taken inside each other's handlers without a return"
    text = f"{depth} exceptions ({describe_esr(esr)}) at {elr:#x}{named(elr)}, each in the handler of the one before"
    if (vector := int(record["entry_elr"])) != elr:
        text += f"; then the stack was used up and the vector {vector:#x}{named(vector)} faults on itself"
    return text
