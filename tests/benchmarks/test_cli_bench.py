"""`quiesce bench` as a user meets it: what is printed, how wide, files, mistakes."""
import contextlib
import csv
import io
import json
from pathlib import Path

import pytest
from matplotlib import image

from firmware.benchmarks import IPI_SCENARIOS
from sim.cli import run_command

QUICK = ["--rounds", "6", "--warmup", "2", "--jobs", "1"]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    directory = tmp_path_factory.mktemp("bench")
    return {kind: directory / f"bench.{kind}" for kind in ("json", "csv", "png")}


@pytest.fixture(scope="module")
def printed(files: dict[str, Path]) -> str:
    """What the IPI benchmark on 2, 4 and 6 PEs prints; it writes all three files."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        code = run_command(["bench", "ipi", "--pes", "2..6", *QUICK, "--json", str(files["json"]), "--csv", str(files["csv"]), "--plot", str(files["png"])])
    assert code == 0
    return out.getvalue()


def test_no_line_is_wider_than_120_columns(printed: str) -> None:
    assert max(map(len, printed.splitlines())) <= 120
    assert "…" not in printed


def test_the_five_scenarios_and_both_columns_are_there_for_each_number_of_pes(printed: str) -> None:
    table = printed.split("\n\n")[1].splitlines()
    assert "delivery" in table[1] and "total" in table[1]
    rows = printed[printed.index("mean of a round"):printed.index("total: the whole round")]
    for pes in (2, 4, 6):
        for scenario in IPI_SCENARIOS:
            assert f"{pes}  {scenario} " in rows


def test_what_was_dropped_and_what_a_percentile_means_is_said(printed: str) -> None:
    assert "6 rounds after 2 of warm-up, which are left out" in printed
    assert "p99.9 of fewer than 1,000 rounds is the maximum" in printed
    for heading in ("p50", "p90", "p99", "p99.9", "max", "phases", "where the cycles of a round went", "histograms", "against the number of PEs"):
        assert heading in printed


def test_json_has_every_point_and_what_was_asked_for(printed: str, files: dict[str, Path]) -> None:
    found = json.loads(files["json"].read_text())
    assert printed and found["arguments"]["pes"] == [2, 4, 6]
    assert {(one["scenario"], one["pes"]) for one in found["points"]} == {(name, pes) for name in IPI_SCENARIOS for pes in (2, 4, 6)}
    for one in found["points"]:
        assert one["rounds"] == one["total"]["count"] == 6
        assert one["total"]["cycles"]["p50"] * 1e9 / one["clock_hz"] == pytest.approx(one["total"]["ns"]["p50"])
        for stack in one["stacks"].values():
            assert sum(stack["components"].values()) == stack["cycles"]
    assert set(found["fits"]) == set(IPI_SCENARIOS)
    broadcast = found["fits"]["broadcast IPI"][0]
    assert broadcast["cycles"][1] > 0 and broadcast["r_squared"] > 0.9


def test_csv_agrees_with_json(printed: str, files: dict[str, Path]) -> None:
    found = json.loads(files["json"].read_text())["points"]
    with files["csv"].open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert printed and len(rows) == len(found) == 15
    for row, one in zip(rows, found, strict=True):
        assert (row["scenario"], int(row["pes"]), int(row["total_p50_cycles"])) == (one["scenario"], one["pes"], one["total"]["cycles"]["p50"])
        assert row["delivery_p50_cycles"] == ("" if one["delivery"] is None else str(one["delivery"]["cycles"]["p50"]))


def test_the_picture_is_one(printed: str, files: dict[str, Path]) -> None:
    pixels = image.imread(files["png"])
    assert printed and pixels.shape[0] > 500 and pixels.shape[1] > 800
    assert pixels[..., :3].std() > 0.05         # something is drawn


def test_seeds_are_added_up(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["bench", "rendezvous", "--pes", "2", *QUICK, "--seeds", "3", "--seed", "7", "--barrier", "counters,wfe"]) == 0
    out = capsys.readouterr().out
    assert "seeds 7 to 9" in out and "36 rounds in" in out and "a fit needs at least 3 numbers of PEs" in out


@pytest.mark.parametrize(("arguments", "said"), [
    (["--profile", "cortex-a72"], "atomics by LDXR and STXR, as cortex-a72 has no FEAT_LSE\n"),
    (["--profile", "cortex-a72", "--lse"], "atomics by FEAT_LSE, as asked for\n"),
    ([], "atomics by FEAT_LSE, as neoverse-n1 has it\n"),
])
def test_by_which_instructions_a_kernel_adds_is_said(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["bench", "rendezvous", "--pes", "2", *QUICK, *arguments]) == 0
    assert said in capsys.readouterr().out


@pytest.mark.parametrize(("arguments", "said"), [
    (["ipi", "--pes", "1..8"], "--pes '1..8': each must be from 2 to 256"),
    (["ipi", "--pes", "8..512"], "each must be from 2 to 256"),
    (["ipi", "--pes", "some"], "--pes 'some'"),
    (["ipi", "--rounds", "0"], "--rounds 0: it must be at least 1"),
    (["ipi", "--warmup", "-1"], "--warmup -1"),
    (["ipi", "--seeds", "0"], "--seeds 0"),
    (["ipi", "--seed", "-1"], "--seed -1"),
    (["ipi", "--jobs", "0"], "--jobs 0"),
    (["ipi", "--profile", "cortex-a99"], "unknown profile 'cortex-a99'"),
    (["ipi", "--fidelity", "rough"], "--fidelity 'rough': choose fast, timed, exact"),
    (["ipi", "--target", "2", "--pes", "2,4"], "target is 2, but must be 1 to 1"),
    (["ipi", "--self", "mail"], "--self 'mail': choose call, sgi"),
    (["rendezvous", "--barrier", "wall"], "--barrier 'wall': choose counters, tree, wfe"),
    (["shootdown", "--how", "shout"], "--how 'shout': choose tlbi, ipi"),
    (["shootdown", "--issuers", "3"], "issuers is 3, but must be 1 to 2"),
    (["shootdown", "--json", "/nowhere/at.json"], "/nowhere/at.json: cannot be written"),
    (["shootdown", "--plot", "/nowhere/at.png"], "/nowhere/at.png: cannot be written"),
    (["throughput"], "throughput"),
])
def test_a_mistake_is_one_line(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["bench", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and said in err


def test_a_picture_of_no_known_format_is_a_mistake_that_is_found_before_the_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["bench", "rendezvous", "--pes", "2..256", "--plot", str(tmp_path / "bench.nothing")]) == 2
    assert "bench.nothing: end its name in .png, .svg, .pdf" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
