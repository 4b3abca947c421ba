"""A kernel that is run again and again: what is the same, what differs, and how a person sees it."""
from pathlib import Path

import pytest

from firmware.layout import layout_constants
from sim.cli import run_command
from sim.experiments.trial import Trial
from sim.state.events import BY_NAME

SMALL = {"LOAD_WALK_BLOCKS": 0}


def entries_of(trial: Trial, seed: int) -> bytes:
    events = trial.run(seed).events.array()
    return events[events["kind"] == BY_NAME["entry"].number].tobytes()


def test_a_seed_gives_the_same_run_whatever_ran_before() -> None:
    trial = Trial("fault-retry", 3, rounds=2, constants=SMALL)
    runs = {seed: entries_of(trial, seed) for seed in (1, 2, 3)}
    assert len(set(runs.values())) == 3
    assert [entries_of(trial, seed) for seed in (3, 1)] == [runs[3], runs[1]]
    assert entries_of(Trial("fault-retry", 3, rounds=2, constants=SMALL), 2) == runs[2]


def test_the_guest_finds_the_seed_in_memory() -> None:
    trial = Trial("naive", 2, rounds=1, constants=SMALL)
    place = layout_constants(2)["GLOBALS_VA"] + layout_constants(2)["G_SEED"]
    for seed in (5, (1 << 64) - 1):
        trial.run(seed)
        assert trial.word(place) == seed


def test_a_kernel_without_the_mark_is_booted_for_each_run() -> None:
    trial = Trial("sgi_pingpong", 2, rounds=3)
    assert trial.at_ready() is None
    assert [trial.run(seed).exit_status for seed in (0, 1)] == [0, 0]


def test_serrors_and_what_prepare_does_come_after_the_mark() -> None:
    seen = []
    trial = Trial("fault-retry", 2, rounds=3, constants=SMALL, serror_period_cycles=5000, events=("injected", "entry"),
                  prepare=lambda machine, seed: seen.append((machine.clock_cycles(), seed)))
    injected = trial.run(4).events.of("injected")
    ready = trial.at_ready()
    assert ready is not None and seen == [(ready.clock_cycles(), 4)]
    assert len(injected) > 5 and int(injected["cycle"].min()) > seen[0][0]


@pytest.mark.parametrize("name, rest", [
    ("naive", {"layout": {"stack_bytes": 8192}}), ("fault-retry", {"serror_period_cycles": 9000, "repeat_tlbi_erratum": True, "livelock_limit": 500}),
])
def test_the_command_is_one_that_the_command_line_takes(name: str, rest: dict[str, object], capsys: pytest.CaptureFixture[str]) -> None:
    trial = Trial(name, 3, rounds=2, constants=SMALL, **rest)            # type: ignore[arg-type]
    words = trial.command(7).split()
    assert words[0] == "quiesce"
    verdict = trial.run(7).verdict
    assert run_command(words[1:]) == verdict.exit_code
    assert capsys.readouterr().out.splitlines()[-1].startswith(f"verdict: {verdict.kind}")


def test_a_source_of_ones_own_can_be_tried(tmp_path: Path) -> None:
    source = tmp_path / "own.s"
    source.write_text('        .include "kernel.inc"\nkernel_main:\nmark_ready:\n        ldr     x0, =GLOBALS_VA+G_SEED\n        ldr     x0, [x0]\n'
                      "        ret\n        .ltorg\n        .balign PAGE_BYTES, 0\nimage_text_end:\n")
    trial = Trial(source, 1)
    assert [trial.run(seed).exit_status for seed in (0, 9, 3)] == [0, 9, 3]


@pytest.mark.parametrize("name", ["no-promote", "naive"])
def test_a_seed_gives_the_same_log_whichever_runs_came_before(name: str) -> None:
    """The first run finds the engine's soft TLBs as booting left them, later ones as another run did."""
    trial = Trial(name, 4, rounds=6, events=None)
    logs = [trial.run(seed).events.array().tobytes() for seed in (7, 7, 3, 7)]
    assert logs[0] == logs[1] == logs[3] != logs[2]
