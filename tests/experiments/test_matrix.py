"""The acceptance matrix: every row by its id, those that are races under 100 seeds."""
import json
from pathlib import Path

import pytest

from sim import cli_matrix
from sim.cli import run_command
from sim.experiments.matrix import choose, rows, run_rows
from sim.experiments.row import Row, Seen

SEEDS = 100
IDS = [f"T-{number:02}" for number in range(1, 53)]
GOOD = Row("T-98", "a scenario", "an outcome", lambda seeds: Seen(True, "as expected", seeds))
BAD = Row("T-99", "another scenario", "another outcome", lambda _seeds: Seen(False, "seed 7: something else", 8, 7))


@pytest.mark.slow
@pytest.mark.parametrize("name", [row.id for row in rows()])
def test_row(name: str) -> None:
    seen = choose([name])[0].run(SEEDS)
    assert seen.holds, seen.text
    assert seen.runs >= SEEDS or not choose([name])[0].is_race


def test_no_row_is_there_twice_and_all_say_what_they_are() -> None:
    names = [row.id for row in rows()]
    assert names == sorted(set(names)) and set(names) <= set(IDS)
    assert all(row.scenario and row.expected for row in rows())


def test_the_rows_are_exactly_those_of_the_matrix() -> None:
    names = [row.id for row in rows()]
    assert names == IDS, f"missing: {', '.join(sorted(set(IDS) - set(names)))}"


def test_rows_are_run_in_order_of_request_whatever_the_number_of_processes() -> None:
    told: list[str] = []
    seen = run_rows([GOOD, BAD], 3, 1, lambda row, found: told.append(f"{row.id} {found.holds}"))
    assert told == ["T-98 True", "T-99 False"]
    assert (seen["T-98"].runs, seen["T-99"].failing_seed) == (3, 7)


def test_the_command_says_what_does_not_hold_and_ends_with_1(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
                                                            tmp_path: Path) -> None:
    monkeypatch.setattr(cli_matrix, "choose", lambda _names: (GOOD, BAD))
    assert run_command(["matrix", "--jobs", "1", "--seeds", "5", "--json", str(tmp_path / "matrix.json")]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("T-98") and line.rstrip().endswith("ok") for line in lines)
    assert any(line.startswith("T-99") and line.rstrip().endswith("NOT") for line in lines)
    assert lines[-1] == "not as expected: T-99" and lines[-2].startswith("1 of 2 rows hold; 13 runs in ")
    assert max(map(len, lines)) <= 120
    document = json.loads((tmp_path / "matrix.json").read_text())
    assert [(row["id"], row["holds"], row["failing_seed"]) for row in document["rows"]] == [("T-98", True, None), ("T-99", False, 7)]


def test_the_command_ends_with_0_if_all_hold(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(cli_matrix, "choose", lambda _names: (GOOD,))
    assert run_command(["matrix", "--jobs", "1"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("1 of 1 rows hold; 100 runs in ")


@pytest.mark.parametrize("arguments", [["T-00"], ["T-01", "--seeds", "0"], ["T-01", "--jobs", "0"], ["--json", "/nowhere/at/all.json"]])
def test_mistakes_are_one_line_and_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["matrix", *arguments]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
