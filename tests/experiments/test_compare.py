"""The comparison: its figures against sums made by hand, its runs against what the schemes are, its output against itself."""
import csv
import json
from pathlib import Path

import numpy as np
import pytest

from firmware.schemes import SCHEMES
from sim.cli import run_command
from sim.experiments.compare import Compared, Figures, choose_schemes, compare, write_csv
from sim.experiments.compare_run import lost_by, lost_intervals
from sim.state.dtypes import EVENT
from sim.state.events import EVENT_ENTRY, EVENT_MARK, EVENT_RETURN
from sim.timing.profile import load_profile

PAGES_OF_A_BLOCK = 512
NAMES = ("naive", "rendezvous-park", "no-promote", "fault-retry", "abstention")
WALKED_PAGES, PASSES = 3 * PAGES_OF_A_BLOCK, 4      # the run and two blocks beside it


@pytest.fixture(scope="module")
def compared() -> dict[str, Compared]:
    return {one.scheme: one for one in compare(choose_schemes(NAMES), (3,), seeds=2, rounds=4)}


def test_figures_are_those_of_the_sample() -> None:
    assert Figures.of(range(1, 102)) == Figures(101, 51.0, 100.0, 101, 51.0)
    assert Figures.of([]) == Figures(0, 0.0, 0.0, 0, 0.0)


def events_of(*rows: tuple[int, int, int, int, int]) -> np.ndarray:
    """cycle, PE, kind, aux, a."""
    events = np.zeros(len(rows), EVENT)
    for place, (cycle, pe, kind, aux, a) in enumerate(rows):
        events[place] = (cycle, pe, kind, aux, a, 0, 0)
    return events


def test_time_is_lost_while_parked_or_in_a_handler_of_faults_and_counted_once() -> None:
    events = events_of(
        (100, 1, EVENT_ENTRY, 0x280, 0), (110, 1, EVENT_MARK, 0, 0), (150, 1, EVENT_MARK, 0, 1), (160, 1, EVENT_RETURN, 1, 0),    # 40 parked
        (200, 1, EVENT_ENTRY, 0x480, 0), (210, 1, EVENT_ENTRY, 0x200, 0), (220, 1, EVENT_ENTRY, 0x200, 0), (230, 1, EVENT_RETURN, 1, 0),
        (245, 1, EVENT_RETURN, 1, 0), (250, 1, EVENT_RETURN, 1, 0),                                                                # 35, nested
        (300, 2, EVENT_MARK, 0, 0), (310, 2, EVENT_ENTRY, 0x200, 0), (320, 2, EVENT_MARK, 0, 1), (340, 2, EVENT_RETURN, 1, 0),     # 40, both
        (400, 0, EVENT_ENTRY, 0x200, 0), (500, 0, EVENT_RETURN, 1, 0))                                                             # PE 0 changes
    lost = lost_intervals(events, ["mark_parked", "mark_unparked"], 3)
    assert lost.tolist() == [[110, 150], [210, 245], [300, 340]]
    promote, demote = np.array([[90, 190], [290, 295]]), np.array([[195, 280]])
    assert lost_by(promote, demote, lost) == (40, 40)           # begun behind a change's end, it is still that change's
    assert lost_by(demote, promote, lost) == (35,)
    assert lost_by(np.zeros((0, 2), np.int64), demote, lost) == ()


def test_a_run_ends_as_its_scheme_says(compared: dict[str, Compared]) -> None:
    assert compared["naive"].outcomes == {"recursion": 2} and not compared["naive"].is_safe
    for name in ("no-promote", "fault-retry", "abstention"):
        assert compared[name].is_safe and compared[name].outcomes == {"ok": 2} == compared[name].outcomes_with_serrors
    assert compared["rendezvous-park"].outcomes == {"ok": 2} and "recursion" in compared["rendezvous-park"].outcomes_with_serrors


def test_each_round_has_one_change_of_each_kind_and_a_promotion_takes_its_tlbis(compared: dict[str, Compared]) -> None:
    costs = load_profile("cortex-a72")
    for name in ("no-promote", "fault-retry", "abstention", "rendezvous-park"):
        one = compared[name]
        assert (one.rounds, one.promote.count, one.demote.count) == (8, 8, 8)
        assert one.promote.p50 <= one.promote.p99 <= one.promote.most
    for name in ("naive", "fault-retry", "rendezvous-park"):
        assert compared[name].promote.p50 > PAGES_OF_A_BLOCK * costs.costs.tlbi_issue_cycles
        assert compared[name].promote.p50 > compared["no-promote"].promote.p50
    assert compared["naive"].window_tlbis == compared["rendezvous-park"].window_tlbis == PAGES_OF_A_BLOCK
    assert compared["no-promote"].window_tlbis == compared["abstention"].window_tlbis == 0


def test_who_is_parked_or_retries_loses_time_and_nobody_else(compared: dict[str, Compared]) -> None:
    assert compared["no-promote"].lost_promote.most == compared["abstention"].lost_promote.most == 0
    assert compared["no-promote"].faults == compared["rendezvous-park"].faults == 0
    assert compared["fault-retry"].faults == compared["fault-retry"].healed > 0
    assert compared["fault-retry"].lost_promote.mean > 0
    parked = compared["rendezvous-park"]
    assert 0 < parked.lost_promote.most < 2 * parked.promote.most           # two PEs, each no longer than the whole change
    assert parked.lost_promote.mean > PAGES_OF_A_BLOCK * 2 * load_profile("cortex-a72").costs.tlbi_issue_cycles


def test_memory_is_a_pcpu_for_each_other_pe(compared: dict[str, Compared]) -> None:
    for one in compared.values():
        assert (one.used_bytes, one.wasted_bytes) == (2 * 4096, 0)


def test_pages_miss_and_blocks_do_not(compared: dict[str, Compared]) -> None:
    entries = load_profile("cortex-a72").tlb.l2.entries
    assert compared["fault-retry"].entry_bytes == 2 << 20
    assert compared["fault-retry"].l2_miss_rate <= 3 / (WALKED_PAGES * PASSES)
    assert compared["abstention"].entry_bytes == 4096 and compared["abstention"].reach_bytes == entries * 4096
    at_least = (WALKED_PAGES * PASSES - entries * PASSES) / (WALKED_PAGES * PASSES)     # what does not fit misses in every pass
    assert compared["abstention"].l2_miss_rate >= at_least
    mappings = 2 + (PAGES_OF_A_BLOCK // 16 - 1) + 16        # two blocks; in the run the flagged pages' sixteen stay pages, the rest is contiguous
    assert compared["no-promote"].entry_bytes == pytest.approx(WALKED_PAGES * 4096 / mappings)


def test_the_result_does_not_depend_on_processes_or_on_time(compared: dict[str, Compared]) -> None:
    again = compare(choose_schemes(["fault-retry", "SC-9"]), (3,), seeds=2, rounds=4, jobs=2)
    assert [one.scheme for one in again] == ["no-promote", "fault-retry"]
    for one in again:
        assert one.flat() == compared[one.scheme].flat()


def test_seeds_vary_what_is_lost(compared: dict[str, Compared]) -> None:
    assert compared["fault-retry"].lost_promote.p50 != compared["fault-retry"].lost_promote.most


def test_a_csv_has_every_figure(compared: dict[str, Compared], tmp_path: Path) -> None:
    write_csv(tmp_path / "figures.csv", list(compared.values()))
    with (tmp_path / "figures.csv").open() as source:
        lines = list(csv.DictReader(source))
    assert [line["scheme"] for line in lines] == list(compared)
    assert float(lines[0]["promote_p50_us"]) == pytest.approx(float(lines[0]["promote_p50_cycles"]) / 1500, abs=1e-3)


def test_the_command_prints_tables_and_writes_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = {option: tmp_path / f"out.{suffix}" for option, suffix in (("--json", "json"), ("--csv", "csv"), ("--plot", "png"))}
    arguments = [text for option, path in files.items() for text in (option, str(path))]
    assert run_command(["compare", "--pes", "2,4", "--schemes", "naive,no-promote", "--seeds", "1", "--rounds", "2", "--jobs", "1", *arguments]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 120
    assert sum(line.startswith("naive ") for line in lines) == 4        # two numbers of PEs, two tables
    document = json.loads(files["--json"].read_text())
    assert [(one["scheme"], one["pes"], one["safe"]) for one in document["schemes"]] == [
        ("naive", 2, False), ("naive", 4, False), ("no-promote", 2, True), ("no-promote", 4, True)]
    picture = files["--plot"].read_bytes()
    assert picture.startswith(b"\x89PNG") and len(picture) > 20_000


def test_the_table_of_schemes_has_them_all(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["schemes", "--pes", "2", "--rounds", "1", "--json", str(tmp_path / "schemes.json")]) == 0
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 120
    assert all(f" {scheme.name} " in out for scheme in SCHEMES)
    document = json.loads((tmp_path / "schemes.json").read_text())
    assert [one["name"] for one in document["schemes"]] == [scheme.name for scheme in SCHEMES]
    assert all(one["preconditions"] and one["failure_modes"] for one in document["schemes"])


@pytest.mark.parametrize("arguments", [["--pes", "0"], ["--pes", "4,x"], ["--pes", "257"], ["--schemes", "nonsense"], ["--seeds", "0"], ["--rounds", "0"],
                                       ["--serror-period", "-1"], ["--profile", "none-such"], ["--csv", "/nowhere/at/all.csv"]])
def test_mistakes_are_one_line_and_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["compare", *arguments]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
