"""Runs of a sweep against `quiesce run`, and what is run again and what is not."""
import csv
import json
import shlex
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sim.benchmarks.run import Task
from sim.cli import run_command
from sim.errors import SimulatorError, UserError
from sim.experiments import seeded_build
from sim.experiments.kernel_build import build_image
from sim.loader.image import Image
from sim.machine import Machine
from sim.sweeps import identity
from sim.sweeps import run as run_module
from sim.sweeps.executors import dask_cluster
from sim.sweeps.export import figures_of, write_csv, write_json
from sim.sweeps.plan import Plan
from sim.sweeps.point import command, run_plan
from sim.sweeps.run import left_of, run_all
from sim.sweeps.spec import read_spec
from sim.sweeps.store import Store

from .support import COUNTING_SOURCE, in_this_process, runs_in, sweep, write_counting

RENDEZVOUS_SPEC = """
seeds = [3]
[run]
kernel = "rendezvous"
rounds = 10
ram = "32M"
[parameters]
pes = [3]
interleaving = ["block", "quantum"]
serror_period = [0, 3000]
"""


def test_a_point_is_assembled_twice_however_many_seeds_it_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the rows are those of a sweep in which each seed has its own assembly."""
    assembled = []

    def counted(chosen: object, constants: dict[str, int], include: object) -> Image:
        assembled.append(constants["SEED"])
        return build_image(chosen, constants, include)          # type: ignore[arg-type]

    path = tmp_path / "sweep.toml"
    path.write_text('seeds = 6\n[run]\nkernel = "rendezvous"\nrounds = 3\nram = "32M"\npes = 2\n', encoding="utf-8")
    seeded_build.seeded_build.cache_clear()
    seeded_build._assembled.cache_clear()
    monkeypatch.setattr(seeded_build, "build_image", counted)
    _, found = sweep(path, tmp_path / "store.sqlite")
    assert len(found) == 6 and len(assembled) == 2
    with monkeypatch.context() as patch:
        patch.setattr(seeded_build, "_only_loads_seed", lambda *_: False)
        seeded_build.seeded_build.cache_clear()
        _, alone = sweep(path, tmp_path / "other.sqlite")
    seeded_build.seeded_build.cache_clear()
    assert set(range(6)) <= set(assembled)
    assert [row.document for _, row in alone] == [row.document for _, row in found]


def plan_of(path: Path) -> Plan:
    plan = runs_in(path)[0].plan
    assert isinstance(plan, Plan)
    return plan


def test_each_run_is_what_quiesce_run_gives_for_the_same_settings(tmp_path: Path) -> None:
    path, report = tmp_path / "sweep.toml", tmp_path / "report.json"
    path.write_text(RENDEZVOUS_SPEC, encoding="utf-8")
    _, found = sweep(path, tmp_path / "store.sqlite")
    assert len(found) == 4
    for run, row in found:
        assert isinstance(run.plan, Plan)
        assert row.document is not None
        words = shlex.split(command(run.plan, run.seed))
        assert words[0] == "quiesce"
        code = run_command([*words[1:], "--json", str(report)])
        alone = json.loads(report.read_text())
        assert row.document["exit_code"] == code
        assert row.document["verdict"] == alone["verdict"]
        assert row.document["cycles"] == alone["cycles"]
        assert row.document["pes"] == [one["statistics"] for one in alone["pes"]]
        assert row.document["rendezvous"] == alone["rendezvous"]
        walks = sum(one["statistics"]["walks"] for one in alone["pes"])
        assert row.document["measures"]["walks"] == walks


def test_the_measures_of_the_rendezvous_are_those_of_its_report(tmp_path: Path) -> None:
    path = tmp_path / "sweep.toml"
    path.write_text('[run]\nkernel = "rendezvous"\nrounds = 10\nram = "32M"\n', encoding="utf-8")
    _, ((_, row),) = sweep(path, tmp_path / "store.sqlite")
    assert row.document is not None
    (gathered,) = [one for one in row.document["rendezvous"]["since_sgi_sent"] if one["name"] == "gathered" and one["pe"] is None]
    assert row.document["measures"]["rendezvous.gathered.p99_cycles"] == gathered["cycles"]["p99"]
    assert row.document["measures"]["rendezvous.measured_rounds"] == 10
    assert row.document["marks"]["mark_round_start"]["passed"] == 20            # 10 of them warm-up


def test_a_sweep_that_ran_is_not_run_again_and_what_is_new_is(tmp_path: Path) -> None:
    store = tmp_path / "store.sqlite"
    left, first = sweep(write_counting(tmp_path, seeds=2, turns="[10, 20]"), store)
    assert len(left) == len(first) == 4
    left, again = sweep(tmp_path / "sweep.toml", store)
    assert left == []
    assert [row for _, row in again] == [row for _, row in first]
    left, wider = sweep(write_counting(tmp_path, seeds="[1, 5]", turns="[20, 30]"), store)
    assert sorted((run.point.parameters["define.TURNS"], run.seed) for run in left) == [(20, 5), (30, 1), (30, 5)]
    assert len(wider) == 4


def test_more_turns_are_more_instructions_by_two_each(tmp_path: Path) -> None:
    _, found = sweep(write_counting(tmp_path, seeds=1, turns='"100..103"'), tmp_path / "store.sqlite")
    counts = [row.document["instructions"] for _, row in found if row.document]
    assert np.diff(counts).tolist() == [2, 2, 2]
    assert {row.ending for _, row in found} == {"exited 3"}


def change_source(directory: Path) -> None:
    (directory / "counting.s").write_text(COUNTING_SOURCE.replace("subs    x0, x0, #1", "subs    x0, x0, #2"), encoding="utf-8")


def change_setting(directory: Path) -> None:
    path = directory / "sweep.toml"
    path.write_text(path.read_text().replace('ram = "1M"', 'ram = "2M"'), encoding="utf-8")


def change_profile(directory: Path) -> None:
    path = directory / "sweep.toml"
    path.write_text(path.read_text().replace("[run]", '[run]\n"profile.costs.exception_entry_cycles" = 999'), encoding="utf-8")


@pytest.mark.parametrize("change", [change_source, change_setting, change_profile])
def test_whatever_a_result_depends_on_makes_another_run(tmp_path: Path, change: Callable[[Path], None]) -> None:
    path, store = write_counting(tmp_path), tmp_path / "store.sqlite"
    sweep(path, store)
    change(tmp_path)
    left, _ = sweep(path, store)
    assert len(left) == 4


def test_another_simulator_makes_another_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, store = write_counting(tmp_path), tmp_path / "store.sqlite"
    sweep(path, store)
    monkeypatch.setattr("sim.sweeps.plan.simulator", lambda: "quiesce 99")
    with Store(store) as opened:
        assert len(left_of(runs_in(path), opened)) == 4


def test_a_comment_in_the_source_makes_no_other_run(tmp_path: Path) -> None:
    path, store = write_counting(tmp_path), tmp_path / "store.sqlite"
    sweep(path, store)
    (tmp_path / "counting.s").write_text("// counts\n" + COUNTING_SOURCE, encoding="utf-8")
    assert sweep(path, store)[0] == []


def test_a_combination_that_cannot_be_had_is_kept_as_a_failure(tmp_path: Path) -> None:
    path, store = write_counting(tmp_path, seeds=2, turns="[10]"), tmp_path / "store.sqlite"
    with path.open("a", encoding="utf-8") as out:
        out.write('multi_hit = ["old", "amalgamation"]\nfeat_bbm = [0, 3]\n')
    _, found = sweep(path, store)
    failed = [(run, row) for run, row in found if row.status == "failed"]
    assert len(found) == 8
    assert {(run.point.parameters["multi_hit"], run.point.parameters["feat_bbm"]) for run, _ in failed} == {("amalgamation", 3)}
    assert all("not permitted at FEAT_BBM level 3" in row.message and row.document is None for _, row in failed)
    assert sweep(path, store)[0] == []


def test_a_worker_with_another_simulator_or_source_gives_no_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, store = write_counting(tmp_path), tmp_path / "store.sqlite"
    runs = runs_in(path)
    change_source(tmp_path)
    with Store(store) as opened, in_this_process() as pool:
        with pytest.raises(UserError, match="not what it was when the sweep began"):
            run_all(runs, opened, lambda: pool)
        monkeypatch.setattr("sim.sweeps.point.simulator", lambda: "quiesce 99")
        with pytest.raises(UserError, match="quiesce 99, the sweep is one of quiesce"):
            run_all(runs, opened, lambda: pool)
        assert left_of(runs, opened) == runs


def test_a_defect_of_ours_stops_with_the_command_that_shows_it_and_keeps_what_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, store = write_counting(tmp_path, seeds=3, turns="[7]"), tmp_path / "store.sqlite"
    runs, original = runs_in(path), Machine.run

    def broken(machine: Machine, *arguments: int) -> object:
        if machine.settings.seed == 2:
            raise ZeroDivisionError("division by zero")
        return original(machine, *arguments)

    monkeypatch.setattr(Machine, "run", broken)
    with Store(store) as opened, in_this_process() as pool:
        with pytest.raises(SimulatorError) as caught:
            run_all(runs, opened, lambda: pool)
        assert [run.seed for run in left_of(runs, opened)] == [2]
    monkeypatch.undo()
    words = shlex.split(str(caught.value).partition("to see it: quiesce ")[2])
    assert words[:4] == ["run", str(tmp_path / "counting.s"), "--seed", "2"]
    assert run_command(words) == 3


def test_ctrl_c_keeps_what_has_ended(tmp_path: Path) -> None:
    path, store = write_counting(tmp_path, seeds=6, turns="[7]"), tmp_path / "store.sqlite"
    runs, kept = runs_in(path), []

    def stop(run: run_module.Run | None) -> None:
        kept.extend([run] if run else [])
        if len(kept) == 2:
            raise KeyboardInterrupt

    with Store(store) as opened, in_this_process() as pool:
        with pytest.raises(KeyboardInterrupt):
            run_all(runs, opened, lambda: pool, stop)
        left = left_of(runs, opened)
        assert 1 <= len(left) <= 4
        run_all(left, opened, lambda: pool)
        assert left_of(runs, opened) == []


def test_the_figures_over_seeds_are_those_of_the_exported_runs(tmp_path: Path) -> None:
    path = tmp_path / "sweep.toml"
    path.write_text('seeds = 5\n[run]\nkernel = "exclusives"\nrounds = 20\nram = "32M"\n[parameters]\npes = [2, 3]\n', encoding="utf-8")
    _, found = sweep(path, tmp_path / "store.sqlite")
    spec, figures = read_spec(path), figures_of(found, ["cycles", "wait_cycles", "rendezvous.gathered.p99_cycles"])
    write_csv(tmp_path / "out.csv", spec, found)
    write_json(tmp_path / "out.json", spec, found, figures)
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as opened:
        rows = list(csv.DictReader(opened))
    assert len(rows) == 10
    assert [row["seed"] for row in rows[:5]] == ["0", "1", "2", "3", "4"]
    document = json.loads((tmp_path / "out.json").read_text())
    for point, pes in zip(document["points"], ("2", "3"), strict=True):
        cycles = [int(row["cycles"]) for row in rows if row["pes"] == pes]
        assert point["measures"]["cycles"] == {"median": sorted(cycles)[2], "p90": float(np.percentile(cycles, 90)), "maximum": max(cycles)}
        assert point["measures"]["rendezvous.gathered.p99_cycles"] is None
        assert point["endings"] == {"exited 0": 5}
    assert document["runs"][7]["document"]["cycles"] == int(rows[7]["cycles"])


def test_a_store_can_be_asked_in_sql(tmp_path: Path) -> None:
    _, found = sweep(write_counting(tmp_path), tmp_path / "store.sqlite")
    rows = sqlite3.connect(tmp_path / "store.sqlite").execute(
        "SELECT json_extract(settings, '$.\"define.TURNS\"'), seed, instructions, exit_status FROM runs ORDER BY 1, 2").fetchall()
    assert rows == [(run.point.parameters["define.TURNS"], run.seed, row.document["instructions"], 3) for run, row in found if row.document]


@pytest.mark.parametrize("content", [b"no database at all, but long enough to look at it" * 4, None])
def test_a_file_that_is_no_store_is_refused_in_one_line(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "other.sqlite"
    if content is None:
        with sqlite3.connect(path) as database:
            database.execute("CREATE TABLE runs (key TEXT)")
    else:
        path.write_bytes(content)
    before = path.read_bytes()
    with pytest.raises(UserError, match=r"other\.sqlite"):
        Store(path)
    assert path.read_bytes() == before


def test_a_store_of_an_older_simulator_gets_the_columns_that_are_new(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    left, _ = sweep(write_counting(tmp_path), path)
    with sqlite3.connect(path) as database:
        database.execute("ALTER TABLE runs DROP COLUMN walks")
    with Store(path) as opened:
        assert opened.present([run.key for run in left]) == {run.key for run in left}
    sweep(write_counting(tmp_path, turns="[11]"), path)
    assert sqlite3.connect(path).execute("SELECT count(walks) FROM runs").fetchone() == (2,)


def test_the_identity_of_the_simulator_names_its_version() -> None:
    assert identity.simulator().startswith("quiesce 0.")


def test_without_the_extra_the_line_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(UserError, match=r"pip install 'quiesce\[dask\]'"), dask_cluster("tcp://127.0.0.1:1"):
        pass


def test_an_address_where_nobody_answers_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sim.sweeps.executors.DASK_SECONDS", 1)
    with pytest.raises(UserError, match=r"^--dask tcp://127\.0\.0\.1:1: no scheduler answers: [^\n]+$"), dask_cluster("tcp://127.0.0.1:1"):
        pass


def test_a_plan_gives_the_same_outcome_every_time(tmp_path: Path) -> None:
    plan = plan_of(write_counting(tmp_path))
    assert run_plan(plan, 1) == run_plan(plan, 1)


@pytest.mark.parametrize(("name", "values", "scenario"), [
    ("rendezvous", {}, "counters"), ("ipi", {"scenarios": 1 << 2}, "normal_ipi"), ("shootdown", {"issuers": 2}, "tlbi_by_2_issuers")])
def test_the_kernels_of_the_benchmarks_have_the_figures_of_the_benchmarks(
        tmp_path: Path, name: str, values: dict[str, int], scenario: str) -> None:
    task = Task(name, scenario, scenario, 3, tuple(values.items()), "cortex-a72", "timed", 20, 3, (5,))
    sample = task.sample(5)
    defined = "".join(f"define.{constant} = {value}\n" for constant, value in task.constants.items())
    path = tmp_path / "sweep.toml"
    path.write_text(f'seeds = [5]\n[run]\nkernel = "bench_{name}"\npes = 3\nrounds = 20\nwarmup = 3\n{defined}', encoding="utf-8")
    _, ((_, row),) = sweep(path, tmp_path / "store.sqlite")
    assert row.document is not None
    (measured,) = row.document["bench"].values()
    assert measured["rounds"] == 20
    assert measured["total"]["cycles"]["max"] == sample.total_cycles.max()
    assert measured["total"]["cycles"]["mean"] == sample.total_cycles.mean()
    (word,) = row.document["bench"]
    assert row.document["measures"][f"bench.{word}.total.p50_cycles"] == sorted(sample.total_cycles.tolist())[9]
