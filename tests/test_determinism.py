"""The same image and seed give the byte-equal event log: twice, observed, in another process, uncompiled and with bounds checks."""
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))

import determinism_run
from determinism_run import digest, run_kernel

#: kernel, PEs, rounds: rendezvous, exclusives, shootdown and interrupts by SGI and by timer.
KERNELS = (("rendezvous", 3, 2), ("exclusives", 3, 4), ("tlbi_shootdown", 3, 2), ("sgi_pingpong", 2, 3), ("timer_tick", 1, 3))
INTERLEAVINGS = ("block", "quantum", "instruction")
#: Between them: SGIs, timers, faults, TLBIs, exclusives, SVC, changed code, every interleaving.
EVERYTHING = (
    "hello:1", "rendezvous:3:2", "sgi_pingpong:2:2", "timer_tick:1:2", "el0_svc:1:2", "exclusives:3:3", "tlbi_shootdown:2:2",
    "self_modifying:2:2", "fault_recursion:1", "vector_livelock:1", "deadlock:2", "rendezvous:3:2:quantum", "rendezvous:2:1:instruction",
    "exclusives:2:2:instruction", "tlbi_shootdown:2:1:instruction:5",
)


class Counting:
    """An observer that counts, and keeps what it was given."""

    def __init__(self) -> None:
        self.chunks: list[bytes] = []

    def events(self, chunk: np.ndarray[Any, Any]) -> None:
        self.chunks.append(chunk.tobytes())


def lines_of(wanted: tuple[str, ...], environment: Mapping[str, str]) -> list[str]:
    """What a process of its own prints for these runs."""
    command = [sys.executable, str(Path(determinism_run.__file__)), *wanted]
    done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, check=False, timeout=900)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.fixture(scope="module")
def compiled_lines() -> list[str]:
    return lines_of(EVERYTHING, {})


@pytest.mark.parametrize("interleaving", INTERLEAVINGS)
@pytest.mark.parametrize(("name", "pes", "rounds"), KERNELS)
def test_two_machines_give_the_same_log(name: str, pes: int, rounds: int, interleaving: str) -> None:
    first, second = (run_kernel(name, pes, rounds, interleaving) for _ in range(2))
    assert first.exit_status == 0
    assert len(first.events) > 0
    assert bytes(first.events) == bytes(second.events)
    assert (first.registers, first.statistics, first.console) == (second.registers, second.statistics, second.console)


@pytest.mark.parametrize("interleaving", INTERLEAVINGS)
@pytest.mark.parametrize(("name", "pes", "rounds"), KERNELS)
def test_watching_changes_nothing_and_shows_everything(name: str, pes: int, rounds: int, interleaving: str) -> None:
    observer = Counting()
    plain = run_kernel(name, pes, rounds, interleaving)
    watched = run_kernel(name, pes, rounds, interleaving, observers=[observer])
    assert bytes(plain.events) == bytes(watched.events) == b"".join(observer.chunks)
    assert plain.statistics == watched.statistics


@pytest.mark.parametrize("interleaving", INTERLEAVINGS)
def test_recording_fewer_kinds_of_event_changes_no_clock(interleaving: str) -> None:
    everything = run_kernel("tlbi_shootdown", 3, 2, interleaving)
    little = run_kernel("tlbi_shootdown", 3, 2, interleaving, events=("tlbi",))
    assert len(little.events) < len(everything.events)
    assert [one["cycles"] for one in everything.statistics] == [one["cycles"] for one in little.statistics]


@pytest.mark.parametrize("seed", [1, (1 << 64) - 1])
def test_any_seed_is_repeatable_and_ends_well(seed: int) -> None:
    first, second = (run_kernel("exclusives", 4, 5, seed=seed) for _ in range(2))
    assert first.exit_status == 0
    assert digest(first) == digest(second)


def test_another_process_gives_the_same_log(compiled_lines: list[str]) -> None:
    for line in compiled_lines[1:3]:
        item, found, count, *_ = line.split()
        name, pes, rounds = item.split(":")
        result = run_kernel(name, int(pes), int(rounds))
        assert (digest(result), len(result.events)) == (found, int(count))


def test_uncompiled_the_same_functions_give_the_same_log(compiled_lines: list[str]) -> None:
    assert lines_of(EVERYTHING, {"NUMBA_DISABLE_JIT": "1"}) == compiled_lines


@pytest.mark.slow
def test_with_bounds_checked_the_log_is_the_same(compiled_lines: list[str]) -> None:
    assert lines_of(EVERYTHING, {"NUMBA_BOUNDSCHECK": "1"}) == compiled_lines
