"""Who runs the points of a sweep: processes of this host, or a Dask cluster. Both are executors of `concurrent.futures`."""
import logging
import multiprocessing
import os
import re
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

from sim.errors import UserError

DASK_SECONDS = 10                       # to find the scheduler
_AHEAD = 2                              # tasks for each process that are handed over: it never waits for us
_ADDRESS = re.compile(r"(\w+://)?(\[[^\]/]+\]|[^:/\s]+):\d+")
Parameters = ParamSpec("Parameters")
Returned = TypeVar("Returned")


@dataclass(frozen=True, slots=True)
class Pool:
    """An executor, how many runs it takes at a time, and what a person calls it."""

    executor: Executor
    width: Callable[[], int]
    text: str

    def submit(self, function: Callable[Parameters, Returned], /, *args: Parameters.args,
               **keywords: Parameters.kwargs) -> Future[Returned]:
        """As that of the executor; a process that it starts does not hear Ctrl-C, which is ours to answer."""
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            return self.executor.submit(function, *args, **keywords)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)

    @property
    def ahead(self) -> int:
        """How many may be submitted and not ended."""
        return _AHEAD * max(self.width(), 1)


@contextmanager
def local_processes(jobs: int) -> Iterator[Pool]:
    """`jobs` new processes, each of which loads what numba has compiled once. Whoever leaves the block by an exception ends them."""
    before = {child.pid for child in multiprocessing.active_children()}
    executor = ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), initializer=_begin)
    try:
        yield Pool(executor, lambda: jobs, f"{jobs} process{'es' if jobs > 1 else ''}")
    except BaseException:
        executor.shutdown(wait=False, cancel_futures=True)
        for child in multiprocessing.active_children():
            if child.pid not in before:
                child.kill()
        raise
    executor.shutdown()


def _begin() -> None:
    """A process must not outlive the one that started it, however that one ended."""
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


@contextmanager
def dask_cluster(address: str) -> Iterator[Pool]:
    """The workers of a Dask scheduler, as "tcp://host:8786". Raises UserError if the extra is missing, or nobody answers there."""
    try:
        from distributed import Client as connect
    except ImportError:
        raise UserError("--dask needs Dask, which is not installed: pip install 'quiesce[dask]'") from None
    if not _ADDRESS.fullmatch(address):
        raise UserError(f"--dask {address!r}: write it as tcp://host:8786")
    quiet = logging.getLogger("distributed")
    level = quiet.level
    quiet.setLevel(logging.CRITICAL)                        # what goes wrong is said in one line below, or by the run itself
    try:
        client: Any = connect(address, timeout=DASK_SECONDS, set_as_default=False)      # type: ignore[no-untyped-call]
    except (OSError, ValueError, TypeError) as error:
        quiet.setLevel(level)
        raise UserError(f"--dask {address}: no scheduler answers: {' '.join(str(error).split()) or type(error).__name__}") from None
    try:
        executor = client.get_executor()
        yield Pool(executor, lambda: sum(client.nthreads().values()), f"the workers of {address}")
    finally:
        with suppress(Exception):
            client.close(timeout=DASK_SECONDS)
        quiet.setLevel(level)
