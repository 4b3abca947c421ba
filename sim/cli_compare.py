"""`quiesce compare`: the schemes side by side on the terminal, as CSV, as JSON, as a picture."""
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table

from sim.arch.memory_map import PES_MAX
from sim.benchmarks.numbers import pe_numbers
from sim.cli_terminal import print_table, say, wide_console
from sim.errors import UserError
from sim.experiments.compare import (
    PES_DEFAULT,
    ROUNDS_DEFAULT,
    SEEDS_DEFAULT,
    SERROR_PERIOD_CYCLES,
    Compared,
    choose_schemes,
    compare,
    write_csv,
    write_json,
)
from sim.timing.profile import load_profile

PICTURES = (".png", ".svg", ".pdf")


@dataclass(frozen=True, slots=True)
class CompareOptions:
    """The command line of `quiesce compare`, word for word; None where nothing was said."""

    pes: str | None = None
    schemes: str | None = None
    seeds: int = SEEDS_DEFAULT
    rounds: int = ROUNDS_DEFAULT
    profile: str = "cortex-a72"
    serror_period: int = SERROR_PERIOD_CYCLES
    json: Path | None = None
    csv: Path | None = None
    plot: Path | None = None
    jobs: int | None = None


def check_count(option: str, value: int | None, least: int = 1) -> None:
    """Raise UserError for a count that is too small."""
    if value is not None and value < least:
        raise UserError(f"{option} {value}: it must be at least {least}")


def check_writable(path: Path | None) -> None:
    """Find out before a long run, not after it. Raises UserError."""
    if path is None:
        return
    existed = path.exists()
    try:
        with path.open("ab"):
            pass
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror}") from None
    if not existed:
        path.unlink()


def check_picture(path: Path | None) -> None:
    """Raise UserError for a picture of no format that is known everywhere."""
    if path is not None and path.suffix.lower() not in PICTURES:
        raise UserError(f"--plot {path}: end its name in {', '.join(PICTURES)}")


def processes(jobs: int | None) -> int:
    """How many processes, by default one for each processor."""
    check_count("--jobs", jobs)
    return jobs if jobs is not None else os.cpu_count() or 1


def in_processes(number: int) -> str:
    """How many processes, in words."""
    return "1 process" if number == 1 else f"{number} processes"


def execute_compare(options: CompareOptions) -> int:
    """Compare and write. Returns 0; that a scheme is not safe is a result, not a failure."""
    pes = pe_numbers(options.pes, 1, PES_MAX) if options.pes is not None else PES_DEFAULT
    schemes = choose_schemes([name.strip() for name in options.schemes.split(",")] if options.schemes is not None else [])
    for option, value, least in (("--seeds", options.seeds, 1), ("--rounds", options.rounds, 1), ("--serror-period", options.serror_period, 0)):
        check_count(option, value, least)
    profile = load_profile(options.profile)
    check_picture(options.plot)
    for path in (options.json, options.csv, options.plot):
        check_writable(path)
    jobs = processes(options.jobs)

    from sim.cli_compile import prepare

    prepare()
    started, done, count = time.perf_counter(), 0, len(schemes) * len(pes)

    def show(one: Compared) -> None:
        nonlocal done
        done += 1
        if sys.stderr.isatty():
            print(f"\r\033[K{done} of {count}: {one.scheme} on {one.pes} PEs", end="\n" if done == count else "", file=sys.stderr, flush=True)

    compared = compare(schemes, pes, seeds=options.seeds, rounds=options.rounds, profile=options.profile,
                       serror_period_cycles=options.serror_period, jobs=jobs, show=show)
    console = wide_console()
    say(console, "us of a promotion and of a demotion, allocation included; lost/p, lost/d: what all other PEs together lose by each",
                style="bold")
    print_table(console, latency_table(compared), keys=2)
    say(console, "\nfaults; memory from the pool; a walk of kernel memory, page by page", style="bold")
    print_table(console, memory_table(compared), keys=2)
    console.out(f"{options.seeds} seeds, {options.rounds} rounds each, {profile.name} at {profile.clock_hz / 1e6:g} MHz; "
                f"{time.perf_counter() - started:.1f} s on {in_processes(jobs)}")
    if options.csv is not None:
        write_csv(options.csv, compared)
    if options.json is not None:
        write_json(options.json, compared, {"pes": list(pes), "schemes": [scheme.name for scheme in schemes], "seeds": options.seeds,
                                            "rounds": options.rounds, "profile": profile.name, "serror_period_cycles": options.serror_period})
    if options.plot is not None:
        from sim.experiments.compare_plot import plot

        plot(options.plot, compared)
    return 0


def _plain_table(columns: Sequence[tuple[str, bool]]) -> Table:
    """A table without lines; columns: heading, and whether it is text."""
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for heading, is_text in columns:
        table.add_column(heading, justify="left" if is_text else "right", no_wrap=True)
    return table


def outcome_text(outcomes: dict[str, int]) -> str:
    """What a set of runs came to: "ok", or what went wrong and how often."""
    if not outcomes:
        return "-"
    total = sum(outcomes.values())
    wrong = [f"{name} {count}/{total}" for name, count in outcomes.items() if name != "ok"]
    return ", ".join(wrong) or "ok"


def latency_table(compared: Sequence[Compared]) -> Table:
    """Safety, latency and lost time."""
    table = _plain_table((
        ("scheme", True), ("PEs", False), ("IRQ and SVC", True), ("and SError", True), ("promote\np50", False), ("\np99", False), ("\nmax", False),
        ("demote\np50", False), ("\np99", False), ("\nmax", False), ("lost/p\nmean", False), ("\nmax", False), ("lost/d\nmean", False), ("\nmax", False)))
    for one in compared:
        cells = [one.scheme, str(one.pes), outcome_text(one.outcomes), outcome_text(one.outcomes_with_serrors)]
        for figures in (one.promote, one.demote):
            cells += [f"{one.us(value):.1f}" if figures.count else "-" for value in (figures.p50, figures.p99, figures.most)]
        for figures in (one.lost_promote, one.lost_demote):
            cells += [f"{one.us(value):.1f}" if figures.count else "-" for value in (figures.mean, figures.most)]
        table.add_row(*cells, style=None if one.is_safe else "red")
    return table


def memory_table(compared: Sequence[Compared]) -> Table:
    """Faults, memory, TLB."""
    table = _plain_table((
        ("scheme", True), ("PEs", False), ("faults\na round", False), ("healed\na round", False), ("window over\npcpu (TLBIs)", False), ("memory\nKB", False),
        ("wasted\nKB", False), ("mapping\nKB", False), ("L2 TLB\nreach MB", False), ("L1 TLB\nmisses", False), ("L2 TLB\nmisses", False)))
    for one in compared:
        rounds = max(one.rounds, 1)
        walked = one.entry_bytes > 0
        table.add_row(
            one.scheme, str(one.pes), f"{one.faults / rounds:.1f}", f"{one.healed / rounds:.1f}", str(one.window_tlbis),
            "-" if one.used_bytes is None else f"{one.used_bytes / 1024:.0f}", "-" if one.wasted_bytes is None else f"{one.wasted_bytes / 1024:.0f}",
            f"{one.entry_bytes / 1024:.0f}" if walked else "-", f"{one.reach_bytes / (1 << 20):.0f}" if walked else "-",
            f"{one.l1_miss_rate:.2%}" if walked else "-", f"{one.l2_miss_rate:.2%}" if walked else "-")
    return table
