"""The acceptance matrix: every row, in the order of its id, and how they are run."""
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import cache

from sim.errors import UserError
from sim.experiments import (
    rows_cost,
    rows_entry,
    rows_flags,
    rows_memory,
    rows_overlap,
    rows_own_block,
    rows_parking,
    rows_start,
    rows_tlb,
    rows_window,
)
from sim.experiments.row import Row, Seen

SEEDS_DEFAULT = 100


@cache
def rows() -> tuple[Row, ...]:
    """All rows, by id."""
    found: list[Row] = [*rows_cost.ROWS, *rows_entry.ROWS, *rows_flags.ROWS, *rows_memory.ROWS, *rows_own_block.ROWS, *rows_overlap.ROWS,
                        *rows_parking.ROWS, *rows_start.ROWS, *rows_tlb.ROWS, *rows_window.ROWS]
    return tuple(sorted(found, key=lambda row: row.id))


def choose(ids: Sequence[str]) -> tuple[Row, ...]:
    """The rows of these ids, all if there are none. Raises UserError for an id that does not exist."""
    known = {row.id: row for row in rows()}
    for name in ids:
        if name not in known:
            raise UserError(f"there is no row {name!r}: the matrix has {', '.join(known)}")
    return tuple(known[name] for name in known if name in ids) if ids else rows()


def run_row(name: str, seeds: int) -> Seen:
    """Run one row, in whichever process this is."""
    return choose([name])[0].run(seeds)


def run_rows(chosen: Sequence[Row], seeds: int, jobs: int, show: Callable[[Row, Seen], None]) -> dict[str, Seen]:
    """Run rows in `jobs` processes; `show` is told of each as it ends. Returns what was seen, by id."""
    seen: dict[str, Seen] = {}
    if jobs == 1 or len(chosen) == 1:
        for row in chosen:
            seen[row.id] = row.run(seeds)
            show(row, seen[row.id])
        return seen
    with ProcessPoolExecutor(jobs) as pool:
        waiting = {pool.submit(run_row, row.id, seeds): row for row in chosen}
        for future in as_completed(waiting):
            row = waiting[future]
            seen[row.id] = future.result()
            show(row, seen[row.id])
    return seen
