"""Nothing that a guest does may end or hang the host: whatever it is, the run ends with a verdict, and none that blames the engine.

Each guest runs in a process of its own. To see one again: `python tests/hostile_run.py NAME SEED`.
"""
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import hostile_run

ONCE = ("every_read_at_el1", "every_read_at_el0")           # no chance is involved, and they are long
QUICK_SEEDS, SEEDS, GARBAGE_SEEDS = 2, 20, 200
NAMES = tuple(hostile_run.GUESTS)


class Runner:
    """The process that forks one child for each guest."""

    def __init__(self) -> None:
        self.process = subprocess.Popen([sys.executable, str(Path(hostile_run.__file__)), "-"], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)

    def __call__(self, name: str, seed: int) -> dict[str, Any]:
        """Run a guest; how it ended."""
        requests, answers = _open(self.process.stdin), _open(self.process.stdout)
        requests.write(f"{name} {seed}\n")
        requests.flush()
        line = answers.readline()
        answer: dict[str, Any] = json.loads(line[line.index("{"):])         # a dying engine may have written before it
        return answer

    def close(self) -> None:
        """No more guests."""
        _open(self.process.stdin).close()
        self.process.wait(60)


def _open(stream: IO[str] | None) -> IO[str]:
    assert stream is not None
    return stream


@pytest.fixture(scope="module")
def run_guest() -> Iterator[Runner]:
    runner = Runner()
    yield runner
    runner.close()


def check(run_guest: Runner, name: str, seeds: range) -> None:
    """Run a guest with each seed; all that did not end as they should are named at once."""
    answers = [run_guest(name, seed) for seed in seeds]
    wrong = [f"python tests/hostile_run.py {name} {answer['seed']}: {answer['verdict']}" for answer in answers if not answer["right"]]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("name", NAMES)
def test_a_guest_ends_with_a_verdict(run_guest: Runner, name: str) -> None:
    check(run_guest, name, range(1 if name in ONCE else QUICK_SEEDS))


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in NAMES if name not in ONCE])
def test_a_guest_ends_with_a_verdict_whatever_its_seed(run_guest: Runner, name: str) -> None:
    check(run_guest, name, range(QUICK_SEEDS, GARBAGE_SEEDS if name.startswith("garbage") else SEEDS))


def test_a_guest_that_takes_its_process_with_it_is_noticed(run_guest: Runner) -> None:
    assert not run_guest("no_such_guest", 0)["right"]
