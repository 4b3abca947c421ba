"""Sweeps in processes: the same rows whoever runs them, killed and resumed, interrupted, with a process that dies."""
import json
import multiprocessing
import os
import signal
import sqlite3
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest

from sim.errors import SimulatorError
from sim.sweeps.executors import local_processes
from sim.sweeps.run import Run, left_of, run_all
from sim.sweeps.store import Store

from .support import runs_in, sweep, write_counting

COMMAND = [sys.executable, "-c",
           "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); from sim.cli import main; main()", "sweep"]
ROOT = Path(__file__).resolve().parent.parent.parent
pytestmark = pytest.mark.slow
#: A kernel whose cycles follow from the seed, on a profile that replaces TLB entries at random.
VARIED_SPEC = """
seeds = 4
[run]
kernel = "tlbi_shootdown"
rounds = 10
ram = "32M"
profile = "cortex-a53"
[parameters]
pes = [3, 8]
adversarial = [false, true]
"""


def table(path: Path) -> list[tuple[object, ...]]:
    """All rows of a store, everything in them."""
    with sqlite3.connect(path) as database:
        return database.execute("SELECT * FROM runs ORDER BY key").fetchall()


def count(path: Path) -> int:
    """Rows of a store that is being written."""
    try:
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
            return int(database.execute("SELECT count(*) FROM runs").fetchone()[0])
    except sqlite3.Error:
        return 0


def wait_for_rows(process: "subprocess.Popen[bytes]", path: Path, rows: int) -> None:
    deadline = time.monotonic() + 120
    while count(path) < rows:
        assert process.poll() is None, "ended before it was stopped"
        assert time.monotonic() < deadline
        time.sleep(0.02)


def children_of(pid: int) -> list[int]:
    return [int(child) for task in Path(f"/proc/{pid}/task").iterdir() for child in (task / "children").read_text().split()]


def is_running(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def wait_for_end(pids: list[int]) -> None:
    deadline = time.monotonic() + 30
    while any(is_running(pid) for pid in pids):
        assert time.monotonic() < deadline, "processes of the sweep outlive it"
        time.sleep(0.05)


def test_one_process_two_processes_and_a_cluster_give_equal_rows(tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed")
    spec = tmp_path / "sweep.toml"
    spec.write_text(VARIED_SPEC, encoding="utf-8")
    for jobs in ("1", "2"):
        subprocess.run([*COMMAND, str(spec), "--jobs", jobs, "--store", str(tmp_path / f"{jobs}.sqlite")], check=True, timeout=900,
                       capture_output=True)
    with distributed.LocalCluster(n_workers=2, threads_per_worker=2, dashboard_address=None, scheduler_port=0) as cluster:
        done = subprocess.run([*COMMAND, str(spec), "--dask", cluster.scheduler_address, "--store", str(tmp_path / "dask.sqlite")], check=True,
                              timeout=900, capture_output=True, text=True)
    assert done.stderr.count("\n") == 1
    one = table(tmp_path / "1.sqlite")
    assert len(one) == 16
    assert len({json.loads(str(row[6]))["cycles"] for row in one}) > 4, "nothing follows from the seed here"
    assert table(tmp_path / "2.sqlite") == one
    assert table(tmp_path / "dask.sqlite") == one


def test_a_sweep_that_is_killed_goes_on_and_comes_to_the_same_rows(tmp_path: Path) -> None:
    spec, killed, whole = write_counting(tmp_path, seeds=150, turns="[30000, 60000]"), tmp_path / "killed.sqlite", tmp_path / "whole.sqlite"
    process = subprocess.Popen([*COMMAND, str(spec), "--jobs", "2", "--store", str(killed)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for_rows(process, killed, 20)
    workers = children_of(process.pid)
    assert len(workers) >= 2
    process.kill()
    process.wait()
    wait_for_end(workers)
    kept = table(killed)
    assert 20 <= len(kept) < 300
    done = subprocess.run([*COMMAND, str(spec), "--jobs", "2", "--store", str(killed)], capture_output=True, text=True, timeout=900, check=True)
    assert f"300 runs, of which {len(kept)} are stored" in done.stderr
    left, _ = sweep(spec, whole)
    assert len(left) == 300
    assert table(killed) == table(whole)
    assert set(kept) <= set(table(whole))


def test_ctrl_c_says_what_is_left_and_the_same_command_goes_on(tmp_path: Path) -> None:
    spec, store = write_counting(tmp_path, seeds=150, turns="[30000, 60000]"), tmp_path / "sweep.sqlite"
    process = subprocess.Popen([*COMMAND, str(spec), "--jobs", "2"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)
    wait_for_rows(process, store, 20)
    workers = children_of(process.pid)
    os.killpg(process.pid, signal.SIGINT)                   # as a terminal does: to all processes of the group
    out, err = process.communicate(timeout=60)
    kept = count(store)
    assert (process.returncode, out) == (130, "")
    said = f"quiesce: interrupted: {kept} of 300 runs are stored in {store}, {300 - kept} are left; the same command goes on with them"
    assert err.splitlines()[1:] == [said]
    assert 20 <= kept < 300
    wait_for_end(workers)
    done = subprocess.run([*COMMAND, str(spec), "--jobs", "2"], capture_output=True, text=True, timeout=900, check=True)
    assert f"of which {kept} are stored" in done.stderr
    assert count(store) == 300


def test_a_process_that_dies_stops_the_sweep_with_the_runs_it_had(tmp_path: Path) -> None:
    spec, store = write_counting(tmp_path, seeds=200, turns="[30000]"), tmp_path / "sweep.sqlite"
    runs, killed = runs_in(spec), []

    def kill(run: Run | None) -> None:
        if run is not None and not killed:
            killed.extend(multiprocessing.active_children())
            os.kill(int(killed[0].pid or 0), signal.SIGKILL)

    with Store(store) as opened:
        with pytest.raises(SimulatorError, match="a process of the sweep has died, .*quiesce run .*counting.s --seed"), local_processes(1) as pool:
            run_all(runs, opened, lambda: pool, kill)
        assert 1 <= len(runs) - len(left_of(runs, opened)) < 200


def test_the_command_shows_a_row_for_each_point_and_tells_failures_by_its_exit_code(tmp_path: Path) -> None:
    spec = write_counting(tmp_path, seeds=3, turns="[10, 20]")
    spec.write_text('measures = ["instructions"]\n' + spec.read_text(), encoding="utf-8")
    done = subprocess.run([*COMMAND, str(spec), "--jobs", "1", "--csv", str(tmp_path / "o.csv"), "--json", str(tmp_path / "o.json")],
                          capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0
    rows = [line.split() for line in done.stdout.splitlines()]
    assert rows[-2] == ["10", "3", "exited", "3", "23", "23", "23"]         # 1 + 2 x 10 + 2: the HLT that ends it is not counted
    assert rows[-1] == ["20", "3", "exited", "3", "43", "43", "43"]
    assert "\x1b" not in done.stdout + done.stderr
    assert len((tmp_path / "o.csv").read_text().splitlines()) == 7
    assert len(json.loads((tmp_path / "o.json").read_text())["runs"]) == 6
    with spec.open("a", encoding="utf-8") as out:
        out.write('feat_bbm = [0, 3]\nmulti_hit = ["old", "amalgamation"]\n')
    done = subprocess.run([*COMMAND, str(spec), "--jobs", "1"], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1
    assert "6 runs failed, since their settings cannot be had:" in done.stdout
    assert sum("failed" in line and line.startswith(("10", "20")) for line in done.stdout.splitlines()) == 2


@pytest.mark.parametrize(("arguments", "said"), [
    (["nowhere.toml"], "nowhere.toml: No such file"), (["sweep.toml", "--jobs", "0"], "--jobs 0"), ([], "Missing argument"),
    (["sweep.toml", "--jobs", "2", "--dask", "tcp://127.0.0.1:1"], "give one of them"), (["sweep.toml", "--csv", "no/where.csv"], "cannot be written"),
])
def test_a_mistake_on_the_command_line_is_one_line(tmp_path: Path, arguments: list[str], said: str) -> None:
    write_counting(tmp_path)
    done = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path,
                          env=os.environ | {"PYTHONPATH": str(ROOT)})
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert said in done.stderr
    assert not (tmp_path / "sweep.sqlite").exists()


def test_the_extra_for_dask_is_bounded_and_what_the_tests_install() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    extra = project["project"]["optional-dependencies"]["dask"]
    assert {"dask", "distributed"} == {requirement.partition(">=")[0] for requirement in extra}
    assert all("<" in requirement for requirement in extra)
    assert set(extra) <= set(project["dependency-groups"]["test"])
