"""The schemes side by side: each under the same load, over numbers of PEs and seeds.

Each seed is run twice: under interrupts and calls of the kernel, which gives the figures, and with SErrors besides, which only says whether
the scheme stays safe. The same arguments give the same result, whatever the number of processes.
"""
import csv
import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from firmware.schemes import SCHEMES, Scheme
from sim.errors import UserError
from sim.experiments.compare_run import Measured, Memory, measure, memory_at_ready, scheme_trial
from sim.timing.profile import load_profile

SERROR_PERIOD_CYCLES = 20_000
PES_DEFAULT, SEEDS_DEFAULT, ROUNDS_DEFAULT = (4,), 5, 20


@dataclass(frozen=True, slots=True)
class Figures:
    """Of a sample in cycles: how many, the median, the 99th percentile, the most, the mean. All zero if there is none."""

    count: int
    p50: float
    p99: float
    most: int
    mean: float

    @classmethod
    def of(cls, values: Iterable[int]) -> "Figures":
        """Percentiles are those of numpy, interpolated."""
        sample = np.array(list(values), np.int64)
        if not len(sample):
            return cls(0, 0.0, 0.0, 0, 0.0)
        return cls(len(sample), float(np.percentile(sample, 50)), float(np.percentile(sample, 99)), int(sample.max()), float(sample.mean()))


@dataclass(frozen=True, slots=True)
class Compared:
    """A scheme on a number of PEs.

    outcomes, outcomes_with_serrors: how the runs ended and how often. promote, demote: latency in cycles. lost_*: what the other PEs
    together lost by each change. faults, healed: in all runs without SErrors, rounds: the changes of each kind in these. used_bytes, wasted_bytes:
    None if the scheme does not come to its load. entry_bytes: what a mapping of the walked memory covers on average, 0 if no run came so far;
    reach_bytes: as many of those as the L2 TLB has entries. l1_miss_rate, l2_miss_rate: of the reads of the walk.
    window_tlbis: the most TLBIs in a window over a pcpu. rounds_per_second: of simulated time under the load.
    """

    scheme: str
    pes: int
    clock_hz: int
    outcomes: dict[str, int]
    outcomes_with_serrors: dict[str, int]
    promote: Figures
    demote: Figures
    lost_promote: Figures
    lost_demote: Figures
    rounds: int
    faults: int
    healed: int
    used_bytes: int | None
    wasted_bytes: int | None
    entry_bytes: float
    reach_bytes: int
    l1_miss_rate: float
    l2_miss_rate: float
    window_tlbis: int
    rounds_per_second: float
    host_seconds: float

    @property
    def is_safe(self) -> bool:
        """No run lost anything, with or without SErrors."""
        return self.is_safe_without_serrors and set(self.outcomes_with_serrors) <= {"ok"}

    @property
    def is_safe_without_serrors(self) -> bool:
        """No run under interrupts and calls lost anything."""
        return set(self.outcomes) == {"ok"}

    def us(self, cycles: float) -> float:
        """Microseconds of so many cycles."""
        return cycles * 1e6 / self.clock_hz

    def flat(self) -> dict[str, Any]:
        """One level of plain values: a line of the CSV. Cycles as they are, the figures in use in us as well."""
        values: dict[str, Any] = {"scheme": self.scheme, "pes": self.pes, "clock_hz": self.clock_hz, "safe": self.is_safe,
                                  "safe_without_serrors": self.is_safe_without_serrors,
                                  "outcomes": _counted(self.outcomes), "outcomes_with_serrors": _counted(self.outcomes_with_serrors)}
        for name in ("promote", "demote", "lost_promote", "lost_demote"):
            figures: Figures = getattr(self, name)
            values[f"{name}_count"] = figures.count
            for figure in ("p50", "p99", "most", "mean"):
                values[f"{name}_{figure}_cycles"] = round(getattr(figures, figure), 1)
                values[f"{name}_{figure}_us"] = round(self.us(getattr(figures, figure)), 3)
        for name in ("rounds", "faults", "healed", "used_bytes", "wasted_bytes", "entry_bytes", "reach_bytes", "l1_miss_rate", "l2_miss_rate",
                     "window_tlbis", "rounds_per_second"):
            value = getattr(self, name)
            values[name] = round(value, 6) if isinstance(value, float) else value
        return values


def _counted(outcomes: dict[str, int]) -> str:
    return "; ".join(f"{count} {name}" for name, count in outcomes.items())


@dataclass(frozen=True, slots=True)
class Task:
    """What one process does at a time: one scheme on one number of PEs."""

    scheme: str
    pes: int
    seeds: int
    rounds: int
    profile: str
    serror_period_cycles: int

    def run(self) -> Compared:
        """Measure over all seeds."""
        quiet = scheme_trial(self.scheme, self.pes, self.rounds, self.profile)
        memory = memory_at_ready(quiet)
        measured = [measure(quiet, memory, seed) for seed in range(self.seeds)]
        outcomes: Counter[str] = Counter()
        if self.serror_period_cycles and self.pes > 1:
            disturbed = scheme_trial(self.scheme, self.pes, self.rounds, self.profile, self.serror_period_cycles)
            outcomes.update(measure(disturbed, memory, seed).outcome for seed in range(self.seeds))
        return summed_up(self, memory, measured, outcomes)


def summed_up(task: Task, memory: Memory | None, measured: Sequence[Measured], with_serrors: Counter[str]) -> Compared:
    """All runs of a task as figures."""
    profile = load_profile(task.profile)
    walks = [one.walk for one in measured if one.walk is not None]
    reads = sum(walk.reads for walk in walks)
    entry_bytes = float(np.mean([walk.entry_bytes for walk in walks])) if walks else 0.0
    rounds = sum(len(one.promote_cycles) for one in measured)
    load_cycles = sum(one.load_cycles for one in measured)
    return Compared(
        scheme=task.scheme, pes=task.pes, clock_hz=profile.clock_hz, outcomes=dict(Counter(one.outcome for one in measured).most_common()),
        outcomes_with_serrors=dict(with_serrors.most_common()),
        promote=Figures.of(value for one in measured for value in one.promote_cycles),
        demote=Figures.of(value for one in measured for value in one.demote_cycles),
        lost_promote=Figures.of(value for one in measured for value in one.lost_promote_cycles),
        lost_demote=Figures.of(value for one in measured for value in one.lost_demote_cycles),
        rounds=rounds, faults=sum(one.faults for one in measured), healed=sum(one.healed for one in measured),
        used_bytes=memory.used_bytes if memory else None, wasted_bytes=memory.wasted_bytes if memory else None,
        entry_bytes=entry_bytes, reach_bytes=int(entry_bytes * profile.tlb.l2.entries),
        l1_miss_rate=sum(walk.l1_misses for walk in walks) / reads if reads else 0.0,
        l2_miss_rate=sum(walk.l2_misses for walk in walks) / reads if reads else 0.0,
        window_tlbis=max((one.window_tlbis for one in measured), default=0),
        rounds_per_second=rounds * profile.clock_hz / load_cycles if load_cycles else 0.0,
        host_seconds=sum(one.host_seconds for one in measured))


def choose_schemes(names: Sequence[str]) -> tuple[Scheme, ...]:
    """The schemes of these names or numbers ("SC-4"), in the order in which they are listed; all if there are none. Raises UserError."""
    known = {scheme.name for scheme in SCHEMES} | {scheme.number for scheme in SCHEMES}
    for name in names:
        if name not in known:
            raise UserError(f"there is no scheme {name!r}: there are {', '.join(scheme.name for scheme in SCHEMES)}")
    return tuple(scheme for scheme in SCHEMES if not names or scheme.name in names or scheme.number in names)


def compare(schemes: Sequence[Scheme], pes: Sequence[int], *, seeds: int = SEEDS_DEFAULT, rounds: int = ROUNDS_DEFAULT, profile: str = "cortex-a72",
            serror_period_cycles: int = SERROR_PERIOD_CYCLES, jobs: int = 1,
            show: Callable[[Compared], None] = lambda _compared: None) -> list[Compared]:
    """Every scheme on every number of PEs; `show` is told of each as it ends. In the order of the schemes, then of the numbers of PEs."""
    tasks = [Task(scheme.name, number, seeds, rounds, profile, serror_period_cycles) for scheme in schemes for number in pes]
    found: dict[Task, Compared] = {}
    if jobs == 1 or len(tasks) == 1:
        for task in tasks:
            found[task] = task.run()
            show(found[task])
        return [found[task] for task in tasks]
    with ProcessPoolExecutor(jobs) as pool:
        # the largest first, so that no process is left alone with one in the end
        waiting = {pool.submit(task.run): task for task in sorted(tasks, key=lambda task: -task.pes)}
        for future in as_completed(waiting):
            found[waiting[future]] = future.result()
            show(found[waiting[future]])
    return [found[task] for task in tasks]


def write_csv(path: Path, compared: Sequence[Compared]) -> None:
    """One line for each scheme and number of PEs."""
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, list(compared[0].flat()))
        writer.writeheader()
        writer.writerows(one.flat() for one in compared)


def write_json(path: Path, compared: Sequence[Compared], arguments: dict[str, Any]) -> None:
    """The same as JSON, with what was asked for."""
    path.write_text(json.dumps({"arguments": arguments, "schemes": [one.flat() for one in compared]}, indent=1) + "\n", encoding="utf-8")
