"""Runs of the kernel `window`, and what their logs say: windows, the exceptions of a PE, who answered."""
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from firmware.layout import FRAME_BYTES, FRAME_GAP_BYTES
from firmware.window import OBJECT_DATA, OBJECT_PCPU
from sim.arch.vectors import CURRENT_EL_SP_ELX, IRQ, SLOT_BYTES
from sim.experiments.row import Judge, Seen, Unexpected, expect
from sim.experiments.trial import Trial
from sim.result import Result
from sim.state.events import BY_NAME

EVENTS = ("entry", "return", "tlbi", "sgi", "interrupt_acknowledged")
MARKS = ("mark_broken", "mark_broken_otherwise", "mark_make", "mark_make_otherwise", "mark_answered", "mark_tick", "mark_changed",
         "mark_overflow_stack", "mark_invalid_stack", "mark_exception_stack", "mark_halt")
#: Entries without a return that a PE may make before the run ends: more than any window here is long, so that what comes after it is seen.
UNLIMITED = 1 << 20
LEVEL_BYTES = FRAME_BYTES + FRAME_GAP_BYTES     # of stack, for each exception from EL1
SLOT_SYNC, SLOT_IRQ = CURRENT_EL_SP_ELX, CURRENT_EL_SP_ELX + IRQ * SLOT_BYTES
_COUNT = re.compile(r"([a-z ]+) (\d+)")

Rows = npt.NDArray[np.void]


def depths_of(events: Rows, pe: int) -> list[int]:
    """For each synchronous exception at EL1 of a PE in a log, how many of the kind were then under way, itself among them."""
    mine = events[events["pe"] == pe]
    slots: list[int] = []
    depths = []
    for kind, slot in zip(mine["kind"].tolist(), mine["aux"].tolist(), strict=True):
        if kind == BY_NAME["entry"].number:
            slots.append(slot)
            if slot == SLOT_SYNC:
                depths.append(slots.count(SLOT_SYNC))
        elif kind == BY_NAME["return"].number and slots:
            slots.pop()
    return depths


class WindowTrial(Trial):
    """The kernel `window` with options of firmware/window.py; rounds: how often the run changes. layout, settings: as for Trial.

    Unless told otherwise no number of entries ends a run: PE 0 does, which waits a while for answers.
    """

    def __init__(self, pes: int, options: Mapping[str, int], *, rounds: int = 1, layout: Mapping[str, int] | None = None,
                 **settings: Any) -> None:
        settings = {"recursion_limit": UNLIMITED, "livelock_limit": UNLIMITED} | settings
        super().__init__("window", pes, constants={"ANSWER_TURNS": 4000, **options}, layout=layout, marks=MARKS, events=EVENTS, rounds=rounds,
                         **settings)

    @property
    def victims(self) -> range:
        """The PEs that do not change the run."""
        return range(1, self.pes)

    def symbol(self, name: str) -> int:
        """Address of a label."""
        assert self.machine is not None
        return self.machine.address(name)

    def object_va(self, pe: int, kind: int) -> int:
        """Where a PE's pcpu or page lies in the run: those of PE 1 come first, those of PE 0 last."""
        constants = self.constants
        place = (pe - 1) % self.pes
        pcpu_va = constants["KMEM_VA"] + constants["OBJECT_OFFSET_PAGES"] * constants["PAGE_BYTES"] \
            + place * (constants["PCPU_BYTES"] + constants["PAGE_BYTES"])
        if kind not in (OBJECT_PCPU, OBJECT_DATA):
            raise ValueError(f"an object {kind} has no place that is known beforehand")
        return pcpu_va if kind == OBJECT_PCPU else pcpu_va + constants["PCPU_BYTES"]


class Log:
    """The log of one run of the kernel, from mark_ready on."""

    def __init__(self, trial: WindowTrial, result: Result) -> None:
        self.trial, self.result = trial, result
        assert trial.machine is not None
        self._watched = trial.machine.watched
        events = result.events.array()
        ready = self._marks(events, "mark_ready")
        self.events: Rows = events[events["cycle"] >= ready["cycle"][0]] if len(ready) else events

    def _marks(self, events: Rows, name: str) -> Rows:
        found: Rows = events[(events["kind"] == BY_NAME["mark"].number) & (events["a"] == self._watched.index(name))]
        return found

    def marks(self, name: str, pe: int | None = None) -> list[int]:
        """Cycles at which a mark was passed, by one PE or by any."""
        found = self._marks(self.events, name)
        return [int(cycle) for cycle in (found if pe is None else found[found["pe"] == pe])["cycle"]]

    def of_kind(self, name: str, pe: int) -> Rows:
        """The events of a kind of one PE."""
        found: Rows = self.events[(self.events["kind"] == BY_NAME[name].number) & (self.events["pe"] == pe)]
        return found

    def windows(self) -> list[tuple[int, int | None]]:
        """Break and make of every change, in cycles of PE 0; None for a make that never came."""
        broken = sorted(self.marks("mark_broken") + self.marks("mark_broken_otherwise"))
        made = sorted(self.marks("mark_make") + self.marks("mark_make_otherwise"))
        return [(cycle, made[number] if number < len(made) else None) for number, cycle in enumerate(broken)]

    def make_cycle(self) -> int:
        """When the first window closed."""
        windows = self.windows()
        expect(bool(windows) and windows[0][1] is not None, "no window opened and closed")
        return int(windows[0][1] or 0)

    def lost(self) -> list[int]:
        """The PEs that gave no answer to the last change."""
        answers = {pe: len(self.marks("mark_answered", pe)) for pe in self.trial.victims}
        most = max(answers.values(), default=0)
        rounds = max(most, len(self.marks("mark_changed", 0)))
        return [pe for pe, count in answers.items() if count < rounds]

    def chain(self, pe: int) -> Rows:
        """The entries of a PE behind its last entry from code that went well: its last interrupt, or the last that was returned from."""
        entries = self.of_kind("entry", pe)
        interrupts = np.flatnonzero(entries["aux"] == SLOT_IRQ)
        chain: Rows = entries[interrupts[-1] + 1:] if len(interrupts) else entries
        return chain

    def aborts(self, pe: int) -> Rows:
        """The synchronous exceptions of a PE at EL1, whichever SP it ran on."""
        entries = self.of_kind("entry", pe)
        found: Rows = entries[(entries["aux"] == SLOT_SYNC) | (entries["aux"] == 0)]
        return found

    def depths(self, pe: int) -> list[int]:
        """For each synchronous exception at EL1 of a PE, how many of the kind were then under way, itself among them."""
        return depths_of(self.events, pe)

    def deepest(self) -> int:
        """The largest of the depths of all PEs; 0 if there was no synchronous exception at EL1."""
        return max((depth for pe in range(self.trial.pes) for depth in self.depths(pe)), default=0)

    def counts(self) -> dict[str, int]:
        """What the kernel says that it counted, by the words of its last line."""
        line = self.result.console.strip().rpartition("\n")[2]
        found = {name.strip(): int(number) for name, number in _COUNT.findall(line.removeprefix("window:"))}
        expect("rounds" in found, f"no counts, but {self.result.verdict}: {line!r}")
        return found

    def expect_end(self, exit_status: int, text: str = "") -> None:
        """The run ended with this status, and the console holds the text."""
        expect(self.result.exit_status == exit_status, f"{self.result.verdict}, where status {exit_status} was expected: {self.result.console!r}")
        expect(text in self.result.console, f"{self.result.console!r} lacks {text!r}")


def some_of(trial: Trial, judge: Judge, seeds: int, what: str, least: int = 1) -> Seen:
    """Run over seeds; the judge's text begins with a number. Holds if every run does and `least` runs had a number that is not 0."""
    numbers = []
    for seed in range(seeds):
        try:
            numbers.append(int(judge(trial.run(seed)).split()[0]))
        except Unexpected as unexpected:
            return Seen(False, f"seed {seed}: {unexpected} ({trial.command(seed)})", seed + 1, seed)
    hits = sum(number > 0 for number in numbers)
    text = f"{what}: {min(numbers)} to {max(numbers)} a run, in {hits} of {seeds} runs"
    return Seen(hits >= least, text, seeds, None if hits >= least else seeds - 1)
