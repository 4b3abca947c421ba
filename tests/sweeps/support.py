"""What the tests of sweeps share: specifications and kernels as files, and an executor without processes."""
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from sim.sweeps.executors import Pool
from sim.sweeps.plan import plans_of
from sim.sweeps.run import Run, left_of, rows_of, run_all, runs_of
from sim.sweeps.spec import read_spec
from sim.sweeps.store import Row, Store

#: Counts down from TURNS and exits with the status STATUS; needs nothing of asm/, so it is built at once.
COUNTING_SOURCE = """
_start: movz    x0, #(TURNS & 0xffff)
again:  subs    x0, x0, #1
        b.ne    again
        adr     x1, block
        mov     w0, #0x18
        hlt     #0xf000
        .balign 8
block:  .quad   0x20026, STATUS
"""
COUNTING_SPEC = """
seeds = {seeds}
[run]
kernel = "counting.s"
ram = "1M"
define.STATUS = 3
[parameters]
define.TURNS = {turns}
"""


def write_counting(directory: Path, seeds: object = 2, turns: str = "[10, 20]") -> Path:
    """A sweep of the counting kernel; its specification."""
    (directory / "counting.s").write_text(COUNTING_SOURCE, encoding="utf-8")
    path = directory / "sweep.toml"
    path.write_text(COUNTING_SPEC.format(seeds=seeds, turns=turns), encoding="utf-8")
    return path


@contextmanager
def in_this_process() -> Iterator[Pool]:
    """An executor of the same interface that runs one after another in a thread."""
    with ThreadPoolExecutor(1) as executor:
        yield Pool(executor, lambda: 1, "a thread")


def runs_in(path: Path) -> list[Run]:
    """All runs of a specification."""
    spec = read_spec(path)
    points = spec.points()
    return runs_of(spec, points, plans_of(spec, points))


def sweep(path: Path, store_path: Path) -> tuple[list[Run], list[tuple[Run, Row]]]:
    """Run what is left of a sweep. Returns what had to be run, and every run with its row."""
    runs = runs_in(path)
    with Store(store_path) as store, in_this_process() as pool:
        left = left_of(runs, store)
        run_all(left, store, lambda: pool)
        return left, rows_of(runs, store)
