"""Running a sweep: what is not in the store yet is run, and kept as it ends. No result depends on who runs it or in which order."""
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass

from sim.errors import SimulatorError, UserError
from sim.sweeps.executors import Pool
from sim.sweeps.plan import Plan, Refused
from sim.sweeps.point import Outcome, command, run_plan
from sim.sweeps.spec import Point, Spec
from sim.sweeps.store import KEPT, Row, Store

_LOOK_SECONDS = 1.0                     # how often to look for workers that came or went, and to let time be shown


@dataclass(frozen=True, slots=True)
class Run:
    """A point, a seed, and the key of their result."""

    point: Point
    plan: Plan | Refused
    seed: int
    key: str


def runs_of(spec: Spec, points: Sequence[Point], plans: Sequence[Plan | Refused]) -> list[Run]:
    """All runs of a sweep: point by point, in each by seed."""
    return [Run(point, plan, seed, plan.key(seed)) for point, plan in zip(points, plans, strict=True) for seed in spec.seeds]


def left_of(runs: Sequence[Run], store: Store) -> list[Run]:
    """Those whose result is not in the store, each once."""
    present = store.present([run.key for run in runs])
    return list({run.key: run for run in runs if run.key not in present}.values())


def rows_of(runs: Sequence[Run], store: Store) -> list[tuple[Run, Row]]:
    """Runs whose results are there, with them, in the order of the runs."""
    rows = {row.key: row for row in store.rows([run.key for run in runs])}
    return [(run, rows[run.key]) for run in runs if run.key in rows]


def run_all(runs: Sequence[Run], store: Store, pool: Callable[[], Pool], show: Callable[[Run | None], None] = lambda _run: None) -> None:
    """Run them and keep each result.

    pool: called if anything has to be run at all. show: told of each run that is kept, and now and then of none.

    Raises UserError where a host lacks something or has another simulator, SimulatorError with the command of the run for a defect of ours.
    Whatever ends it, what has ended is kept.
    """
    waiting: dict[Future[Outcome], Run] = {}
    to_run: list[tuple[Run, Plan]] = []
    for run in runs:
        if isinstance(run.plan, Plan):
            to_run.append((run, run.plan))
        else:
            store.add(run.key, run.plan, run.seed, Outcome("failed", run.plan.message))
            show(run)
    if not to_run:
        return
    executors, rest = pool(), iter(to_run)
    try:
        while _submit(executors, rest, waiting):
            ended, _ = wait(waiting, _LOOK_SECONDS, FIRST_COMPLETED)
            for future in ended:
                _keep(waiting[future], future, store, show)
                del waiting[future]
            show(None)
    except BrokenProcessPool as error:
        raise SimulatorError(_lost(waiting.values())) from error
    finally:
        for future, run in waiting.items():
            if not future.cancel() and future.done() and future.exception() is None and future.result().status in KEPT:
                _keep(run, future, store, show)


def _submit(pool: Pool, rest: Iterator[tuple[Run, Plan]], waiting: dict[Future[Outcome], Run]) -> bool:
    """Keep the executor supplied. Returns whether anything is under way."""
    ahead = pool.ahead
    while len(waiting) < ahead and (following := next(rest, None)) is not None:
        run, plan = following
        waiting[pool.submit(run_plan, plan, run.seed)] = run
    return bool(waiting)


def _keep(run: Run, future: Future[Outcome], store: Store, show: Callable[[Run | None], None]) -> None:
    try:
        outcome = future.result()
    except (BrokenProcessPool, SimulatorError):
        raise
    except CancelledError:
        raise UserError("the cluster has given up a run; the same command goes on where this ended") from None
    except Exception as error:
        raise SimulatorError(f"{type(error).__name__}: {error}; {_lost([run])}") from error
    if outcome.status not in KEPT:
        raise UserError(outcome.message if outcome.status == "host" else f"{run.point.text}, seed {run.seed}: {outcome.message}")
    store.add(run.key, run.plan, run.seed, outcome)
    show(run)


def _lost(runs: Iterable[Run]) -> str:
    """What is said when a process has ended without a word."""
    commands = [command(run.plan, run.seed) for run in runs if isinstance(run.plan, Plan)]
    return "a process of the sweep has died, which one of these runs may show: " + "; ".join(commands)
