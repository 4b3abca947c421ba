"""`quiesce bench`: benchmarks of the rendezvous and what it is made of, on the terminal, as CSV, as JSON, as a picture."""
import csv
import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from sim.arch.memory_map import PES_MAX
from sim.benchmarks.atomics import has_lse
from sim.benchmarks.fit import POINTS_LEAST, Fit, fits
from sim.benchmarks.numbers import pe_numbers
from sim.benchmarks.point import Point
from sim.benchmarks.run import ROUNDS_DEFAULT, SEEDS_DEFAULT, WARMUP_DEFAULT, Task, run_all
from sim.benchmarks.variants import tasks_of
from sim.cli_bench_tables import fit_table, latency_table, percentile_table, phase_table, print_histograms, skew_table, stack_table
from sim.cli_compare import check_count, check_picture, check_writable, in_processes, processes
from sim.cli_terminal import print_table, say, wide_console
from sim.errors import UserError
from sim.settings import FIDELITIES
from sim.timing.profile import Profile, load_profile

PES_LEAST = 2                           # an initiator and somebody to wait for
PES_DEFAULT = "2..16"
_DELIVERED = {"shootdown": "until the last target begins to drop the translation"}
_BEGUN = "until the last target runs what it is asked for"
_FITTED = "least squares; the shape that best predicts points left out"


@dataclass(frozen=True, slots=True)
class BenchOptions:
    """The command line of `quiesce bench`, word for word; given: the options of this benchmark alone, None where nothing was said."""

    benchmark: str
    given: Mapping[str, str | None]
    pes: str = PES_DEFAULT
    profile: str = "neoverse-n1"
    rounds: int = ROUNDS_DEFAULT
    warmup: int = WARMUP_DEFAULT
    seed: int = 0
    seeds: int = SEEDS_DEFAULT
    fidelity: str = "timed"
    json: Path | None = None
    csv: Path | None = None
    plot: Path | None = None
    jobs: int | None = None
    lse: bool | None = None


def execute_bench(options: BenchOptions) -> int:
    """Measure and write. Returns 0; a run that does not end as its kernel promises raises."""
    numbers = pe_numbers(options.pes, PES_LEAST, PES_MAX)
    for option, value, least in (("--rounds", options.rounds, 1), ("--warmup", options.warmup, 0), ("--seed", options.seed, 0), ("--seeds", options.seeds, 1)):
        check_count(option, value, least)
    profile = load_profile(options.profile)
    if options.fidelity not in FIDELITIES:
        raise UserError(f"--fidelity {options.fidelity!r}: choose {', '.join(FIDELITIES)}")
    tasks = tasks_of(options.benchmark, options.given, numbers, Task(
        benchmark=options.benchmark, scenario="", family="", pes=PES_LEAST, profile=options.profile, fidelity=options.fidelity, rounds=options.rounds,
        warmup=options.warmup, seeds=tuple(range(options.seed, options.seed + options.seeds)), lse=options.lse))
    check_picture(options.plot)
    for path in (options.json, options.csv, options.plot):
        check_writable(path)
    jobs = processes(options.jobs)

    from sim.cli_compile import prepare

    prepare()
    started = time.perf_counter()
    points = run_all(tasks, jobs, _Progress(len(tasks)).show)
    fitted = fit_scenarios(points)
    title = f"{options.benchmark}: {describe(options, profile)}"
    _print(wide_console(), title, points, fitted, options)
    print(f"{sum(one.rounds for one in points)} rounds in {time.perf_counter() - started:.1f} s on {in_processes(jobs)}")
    if options.csv is not None:
        _write_csv(options.csv, points)
    if options.json is not None:
        options.json.write_text(json.dumps(to_json(options, profile, points, fitted), indent=1) + "\n", encoding="utf-8")
    if options.plot is not None:
        from sim.benchmarks.plot import plot

        plot(options.plot, title, points, fitted)
    return 0


def describe(options: BenchOptions, profile: Profile) -> str:
    """What was measured, and that the warm-up was dropped."""
    warmup = f"after {options.warmup} of warm-up, which are left out" if options.warmup else "without warm-up"
    seeds = f"seed {options.seed}" if options.seeds == 1 else f"seeds {options.seed} to {options.seed + options.seeds - 1}"
    return f"{options.rounds} rounds {warmup}, {seeds}; {profile.name} at {profile.clock_hz / 1e6:g} MHz, {options.fidelity}\natomics by {atomics(options, profile)}"


def atomics(options: BenchOptions, profile: Profile) -> str:
    """By which instructions the kernel changes a word that PEs share, and why."""
    core = has_lse(profile)
    uses = core if options.lse is None else options.lse
    why = "as asked for" if options.lse is not None else f"as {profile.name} has {'it' if core else 'no FEAT_LSE'}"
    return f"{'FEAT_LSE' if uses else 'LDXR and STXR'}, {why}"


def fit_scenarios(points: Sequence[Point]) -> dict[str, tuple[Fit, ...]]:
    """Fits of the median of the total against the number of PEs, of each scenario."""
    found = {}
    for scenario in dict.fromkeys(one.scenario for one in points):
        mine = [one for one in points if one.scenario == scenario]
        found[scenario] = fits([one.pes for one in mine], [one.total.p50 for one in mine])
    return found


def fit_issuers(points: Sequence[Point]) -> dict[str, tuple[Fit, ...]]:
    """Fits of the mean of an operation against the number of issuers, where there are several on the same number of PEs."""
    found = {}
    for family, pes in dict.fromkeys((one.family, one.pes) for one in points):
        mine = {one.issuers: one.operation.mean for one in points if (one.family, one.pes) == (family, pes) and one.operation}
        if len(mine) > 1:
            found[f"{family} on {pes} PEs"] = fits(list(mine), list(mine.values()))
    return found


def _print(console: Console, title: str, points: Sequence[Point], fitted: Mapping[str, Sequence[Fit]], options: BenchOptions) -> None:
    say(console, title)
    most, delivered = max(one.pes for one in points), _DELIVERED.get(options.benchmark, _BEGUN)
    parts: list[tuple[str, Table, int]] = [(f"mean of a round; delivery: {delivered}", latency_table(points), 2),
                                      ("total: the whole round", percentile_table(points, lambda one: one.total), 2)]
    if any(one.delivery for one in points):
        parts.append((f"delivery: from the start {delivered}", percentile_table(points, lambda one: one.delivery), 2))
    if any(one.issuers > 1 for one in points):          # else an operation is a round
        parts.append(("operation: of each issuer", percentile_table(points, lambda one: one.operation), 2))
    parts.append(("phases: median ns and share of all time; a phase ends when the last PE has ended it", phase_table(points), 2))
    widest = [one for one in points if one.pes == most]
    if any(skew.spread.maximum for one in widest for skew in one.skews):
        parts.append(("skew: how far the PEs are apart at the end of a phase, on the most PEs; --json has all", skew_table(widest), 3))
    unseen = [name for name in points[0].stacks["all"].unseen]
    within = f"; within issue: {', '.join(unseen)}" if unseen else ""
    parts.append((f"where the cycles of a round went{within}", stack_table(points), 3))
    for heading, table, keys in parts:
        say(console, f"\n{heading}", style="bold")
        print_table(console, table, keys)
        if heading.startswith("phases"):
            for family, why in dict.fromkeys((one.family, one.left_out) for one in points if one.left_out):
                say(console, f"{family}: {why}")
    console.out("\nhistograms of the total, buckets of equal width on a logarithmic scale", style="bold")
    print_histograms(console, widest)
    for heading, found in ((f"median of the total against the number of PEs, {_FITTED}", fitted),
                           (f"mean of an operation against the number of issuers, {_FITTED}", fit_issuers(points))):
        if any(found.values()):
            say(console, f"\n{heading}", style="bold")
            print_table(console, fit_table(found, points[0].clock_hz), keys=1)
    if not any(fitted.values()):
        console.out(f"\na fit needs at least {POINTS_LEAST} numbers of PEs")
    if options.rounds * options.seeds < 1000:
        console.out("p99.9 of fewer than 1,000 rounds is the maximum: --rounds or --seeds give more")


def to_json(options: BenchOptions, profile: Profile, points: Sequence[Point], fitted: Mapping[str, Sequence[Fit]]) -> dict[str, Any]:
    """Everything, with what was asked for; the fit of each scenario, best shape first."""
    return {
        "benchmark": options.benchmark,
        "arguments": {"pes": sorted({one.pes for one in points}), "profile": profile.name,
                      "rounds": options.rounds, "warmup": options.warmup, "seed": options.seed, "seeds": options.seeds, "fidelity": options.fidelity,
                      "lse": has_lse(profile) if options.lse is None else options.lse,
                      **{name: text for name, text in options.given.items() if text is not None}},
        "points": [one.to_json() for one in points],
        "fits": {scenario: [fit.to_json(profile.clock_hz) for fit in found] for scenario, found in fitted.items()},
        "fits_against_issuers": {label: [fit.to_json(profile.clock_hz) for fit in found] for label, found in fit_issuers(points).items()},
    }


def _write_csv(path: Path, points: Sequence[Point]) -> None:
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, list(points[0].flat()))
        writer.writeheader()
        writer.writerows(one.flat() for one in points)


class _Progress:
    """One line on a terminal, kept up to date; nothing elsewhere."""

    def __init__(self, count: int) -> None:
        self._done, self._count = 0, count

    def show(self, label: str) -> None:
        """A task has ended."""
        self._done += 1
        if sys.stderr.isatty():
            end = "\n" if self._done == self._count else ""
            print(f"\r\033[K{self._done} of {self._count}: {label}", end=end, file=sys.stderr, flush=True)
