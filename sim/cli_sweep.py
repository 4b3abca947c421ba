"""`quiesce sweep`: a specification to a store, with time left on the way and a table at the end."""
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from sim.cli_compare import check_writable, processes
from sim.cli_terminal import wide_console
from sim.errors import UserError
from sim.sweeps.executors import Pool, dask_cluster, local_processes
from sim.sweeps.export import PointFigures, figures_of, usual_measures, write_csv, write_json
from sim.sweeps.plan import plans_of
from sim.sweeps.run import Run, left_of, rows_of, run_all, runs_of
from sim.sweeps.spec import Spec, read_spec
from sim.sweeps.store import Store

EXIT_FAILED, EXIT_INTERRUPTED = 1, 130
_SAY_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class SweepOptions:
    """The command line of `quiesce sweep`, word for word; None where nothing was said."""

    spec: Path
    jobs: int | None = None
    dask: str | None = None
    store: Path | None = None
    csv: Path | None = None
    json: Path | None = None


def execute_sweep(options: SweepOptions) -> int:
    """Run what is not stored yet and show it all. Returns 0, 1 if a run failed for its settings, 130 after Ctrl-C."""
    if options.jobs is not None and options.dask is not None:
        raise UserError("--jobs is about processes of this host, --dask about a cluster: give one of them")
    jobs, spec = processes(options.jobs), read_spec(options.spec)
    for path in (options.csv, options.json):
        check_writable(path)
    points = spec.points()
    with Shown(sys.stderr.isatty(), "preparing points", len(points)) as shown:
        plans = plans_of(spec, points, shown.advance)
        runs = runs_of(spec, points, plans)
    with Store(options.store or options.spec.with_suffix(".sqlite")) as store:
        left = left_of(runs, store)
        _say(f"{_count(len(points), 'point')}, {_count(len(spec.seeds), 'seed')}: {_count(len(runs), 'run')}, "
             f"of which {len(runs) - len(left)} are stored in {store.path}")
        if left and not _run(left, store, options, jobs):
            remaining = len(left_of(runs, store))
            _say(f"interrupted: {len(runs) - remaining} of {len(runs)} runs are stored in {store.path}, {remaining} are left; "
                 "the same command goes on with them")
            return EXIT_INTERRUPTED
        found = rows_of(runs, store)
    figures = figures_of(found, spec.measures or usual_measures(found))
    console = wide_console()
    console.print(table_of(spec, figures))
    if options.csv is not None:
        write_csv(options.csv, spec, found)
    if options.json is not None:
        write_json(options.json, spec, found, figures)
    return _failures(console, figures, {row.message for _, row in found if row.status == "failed"})


def _run(left: Sequence[Run], store: Store, options: SweepOptions, jobs: int) -> bool:
    """Run them all. Returns whether that came to its end."""
    from sim.cli_compile import prepare

    try:
        with ExitStack() as stack, Shown(sys.stderr.isatty(), "runs", len(left)) as shown:
            def pool() -> Pool:
                if options.dask is not None:
                    return stack.enter_context(dask_cluster(options.dask))
                prepare()
                return stack.enter_context(local_processes(min(jobs, len(left))))

            run_all(left, store, pool, lambda run: shown.advance() if run is not None else shown.tick())
    except KeyboardInterrupt:
        return False
    return True


def table_of(spec: Spec, figures: Sequence[PointFigures]) -> Table:
    """A row for each point: its parameters, how its runs ended, and each measure over the seeds."""
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for name in spec.parameters:
        table.add_column(name.replace(".", ".\n"), overflow="fold")
    table.add_column("runs", justify="right")
    table.add_column("ended", overflow="fold")
    for name in figures[0].measures if figures else ():
        title = name.removeprefix("rendezvous.").removeprefix("bench.").replace(".", "\n")
        for number, figure in enumerate(("median", "p90", "max")):
            table.add_column(f"{title if number == 0 else ''}\n{figure}", justify="right", vertical="bottom")
    for one in figures:
        endings = ", ".join(f"{ending} x{count}" if count < one.runs else ending for ending, count in one.endings.items())
        cells = [*(str(value) for value in one.point.parameters.values()), str(one.runs), endings]
        for measure in one.measures.values():
            cells += ["-"] * 3 if measure is None else [f"{value:.10g}" for value in (measure.median, measure.p90, measure.most)]
        table.add_row(*cells, style="red" if "failed" in one.endings else None)
    return table


def _failures(console: Console, figures: Sequence[PointFigures], messages: set[str]) -> int:
    failed = sum(one.endings.get("failed", 0) for one in figures)
    if not failed:
        return 0
    console.out(f"\n{failed} runs failed, since their settings cannot be had:")
    for message in sorted(messages):
        console.out(f"  {message}")
    return EXIT_FAILED


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _say(text: str) -> None:
    print(f"quiesce: {text}", file=sys.stderr, flush=True)


class Shown:
    """How far something has come, on standard error: a bar with the time left on a terminal, else a line every half minute."""

    def __init__(self, live: bool, what: str, total: int) -> None:
        self._what, self._total, self._done = what, total, 0
        self._begun = self._said = time.monotonic()
        self._bar: Progress | None = None
        self._task = TaskID(0)
        if live:
            self._bar = Progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
                                 TextColumn("left"), TimeRemainingColumn(), console=Console(stderr=True), transient=True)
            self._task = self._bar.add_task(what, total=total)

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.stop()

    def advance(self) -> None:
        """One more is done."""
        self._done += 1
        if self._bar is not None:
            self._bar.advance(self._task)
        self.tick()

    def tick(self) -> None:
        """Time has passed."""
        now = time.monotonic()
        if self._bar is None and now - self._said >= _SAY_SECONDS:
            self._said = now
            seconds = now - self._begun
            left = f", about {seconds / self._done * (self._total - self._done):.0f} s left" if self._done else ""
            _say(f"{self._what}: {self._done} of {self._total} in {seconds:.0f} s{left}")
