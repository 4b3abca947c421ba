"""The first run after an installation compiles the hot path. This does it part by part and says so; later runs load it."""
import contextlib
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self, TextIO

from sim.compiled_cache import cache_root, forget_old, is_cold, source_digest
from sim.errors import UserError

STAMP = "complete"                      # in the cache directory once every part is there: an interrupted compilation leaves none
#: What a second process compiles, in this order, followed by the run loop: first what the other one needs late, last what needs most of what
#: the other one has compiled by then. Each process takes about half of the time so.
HELPED = ("mrs", "msr", "sys")
_REFRESH_SECONDS = 0.5
_LOOKS, _LOOK_SECONDS = 5, 0.02
_under_way = threading.Event()


def _cache_directory() -> Path:
    return Path(os.environ["NUMBA_CACHE_DIR"])


def prepare() -> None:
    """Make sure that everything compiled is there, with a progress line on standard error if that takes time.

    Raises UserError where compiled code cannot be kept.
    """
    if os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0"):
        return
    directory = _cache_directory()
    if not is_cold() and (directory / STAMP).exists():
        return
    try:
        directory.mkdir(parents=True, exist_ok=True)
        (directory / ".writable").touch()
        (directory / ".writable").unlink()
    except OSError as error:
        raise UserError(f"compiled code cannot be kept in {directory}: {error.strerror}; set QUIESCE_CACHE to a directory that can") from None
    with Progress(sys.stderr) as progress:
        _under_way.set()
        for part in _parts():
            progress.next(part)
        _under_way.clear()
    if directory.parent == cache_root() and directory.name != source_digest():
        shutil.rmtree(directory, ignore_errors=True)        # somebody changed the sources meanwhile: what was compiled is a mixture
        raise UserError("the sources changed while they were being compiled; run again")
    (directory / STAMP).touch()
    forget_old()


def is_under_way() -> bool:
    """Whether `prepare` has begun to compile and has not ended, by an exception perhaps."""
    return _under_way.is_set()


def _parts() -> Iterator[str]:
    """Compile one part after another; yields what has come to be known: how many there are, then each that is done."""
    from sim.engine.callbacks import NAMES, callback

    yield str(len(NAMES) + 3)
    with _helper() as helper:
        callback("block")
        yield "block"
        _compile_step()
        yield "single instructions"
        for name in NAMES:
            if name != "block" and name not in HELPED:
                callback(name)
                yield name
        if helper is not None:
            helper.wait()
    for name in HELPED:                 # from the cache; whatever the helper left undone is done here
        callback(name)
        yield name
    _compile_loop()
    yield "run loop"
    _try_out()
    yield "trial"


@contextlib.contextmanager
def _helper() -> Iterator["subprocess.Popen[bytes] | None"]:
    """A second process that compiles HELPED at the same time, where the host has a processor to spare. It ends with us."""
    if len(os.sched_getaffinity(0)) <= _running():
        yield None
        return
    process = subprocess.Popen([sys.executable, "-m", "sim.cli_compile"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _running() -> int:
    """How many tasks of the host run now, this one among them: the least of a few looks. An average would still count the installation before."""
    looks = []
    for _ in range(_LOOKS):
        looks.append(int(Path("/proc/loadavg").read_text().split()[3].split("/")[0]))
        time.sleep(_LOOK_SECONDS)
    return min(looks)


def compile_helped() -> None:
    """What the second process does."""
    from numba import types

    from sim.engine.callbacks import callback
    from sim.hot.decode import instruction_flags
    from sim.hot.pipeline import schedule_at

    schedule_at.compile((types.uint64,) * 3)                # a block's schedule and facts: the last that callback "block" comes to
    instruction_flags.compile((types.uint64,))
    for name in HELPED:
        callback(name)
    _compile_loop()


def _compile_step() -> None:
    """The largest part of the run loop."""
    from numba import types

    from sim.hot.step import run_one

    run_one.compile((types.uint64, types.int64))


def _compile_loop() -> None:
    from numba import types

    from sim.hot.loop import run

    run.compile((types.uint64,))


def _try_out() -> None:
    """Run two instructions, so that whatever else Python calls is compiled too. MOV W0, #0x18; HLT #0xF000: SYS_EXIT with a null block."""
    from sim.arch.memory_map import RAM_PA
    from sim.loader.image import Image, Segment
    from sim.machine import Machine

    code = b"".join(word.to_bytes(4, "little") for word in (0x52800300, 0xD45E0000))
    Machine(ram_bytes=1 << 24).load(Image("trial", "flat", (Segment(RAM_PA, code, len(code)),), RAM_PA)).run(100_000)


class Progress:
    """One line on a terminal, kept up to date; elsewhere a line at the beginning and one at the end."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream, self._clock = stream, clock
        self._live = stream.isatty()
        self._begun, self._done, self._total = clock(), -1, 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._refresh, daemon=True)

    def __enter__(self) -> Self:
        self._say("compiling the hot path (once; a minute or two) ...")
        if self._live:
            self._thread.start()
        return self

    def next(self, part: str) -> None:
        """A part is done. The first call says how many there are."""
        if self._done < 0:
            self._total = int(part)
        self._done += 1
        self._show()

    def __exit__(self, kind: object, _error: object, _traceback: object) -> None:
        self._stop.set()
        if self._live:
            self._thread.join()
        if kind is None:
            self._say(f"compiled the hot path in {self._clock() - self._begun:.0f} s; later runs start at once")
        if self._live:
            self._stream.write("\n")

    def _refresh(self) -> None:
        while not self._stop.wait(_REFRESH_SECONDS):
            self._show()

    def _show(self) -> None:
        if self._live:
            parts = f"{max(self._done, 0)} of {self._total} parts, " if self._total else ""
            self._say(f"compiling the hot path (once; a minute or two) ... {parts}{self._clock() - self._begun:.0f} s")

    def _say(self, text: str) -> None:
        self._stream.write(f"\r\x1b[K{text}" if self._live else f"{text}\n")
        self._stream.flush()


if __name__ == "__main__":
    compile_helped()
