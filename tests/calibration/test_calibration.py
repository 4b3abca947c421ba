"""Every published figure against what guests measure here: the tolerance of each is asserted. And the command that prints them."""
import json
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from sim.calibration.figures import FIGURES, Figure
from sim.calibration.markdown import table, with_table
from sim.calibration.measurement import Measurement
from sim.calibration.run import Compared
from sim.cli import run_command

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "calibration.md"


@cache
def found(measurement: Measurement) -> Mapping[str, float]:
    """What a measurement finds; figures that share it share its run."""
    return measurement.run()


@pytest.mark.slow
@pytest.mark.parametrize("figure", FIGURES, ids=lambda figure: figure.key)
def test_a_published_figure_is_met_within_its_tolerance(figure: Figure) -> None:
    ours = found(figure.measurement)[figure.part]
    assert figure.holds(ours), f"{figure.key}: {ours:g} {figure.unit}, published {figure.published}, {100 * figure.error(ours):+.1f} %"


@pytest.mark.slow
def test_the_table_in_the_documentation_is_what_is_measured() -> None:
    compared = [Compared(figure, found(figure.measurement)[figure.part]) for figure in FIGURES]
    assert table(compared) in DOCUMENT.read_text(encoding="utf-8"), "write it anew: quiesce calibrate --markdown docs/calibration.md"


def test_a_document_keeps_everything_but_its_table() -> None:
    compared = [Compared(replace(FIGURES[0], least=1234, most=5678, unit="ns"), 2000.04), Compared(replace(FIGURES[-1], unit=""), 0.97)]
    document = f"# One\n\n{table(compared[:1])}\n\nTwo | three.\n"
    changed = with_table(document, compared)
    assert changed == f"# One\n\n{table(compared)}\n\nTwo | three.\n" and with_table(changed, compared[:1]) == document
    rows = table(compared).splitlines()
    assert len(rows) == 4 and all(row.count(" | ") == rows[0].count(" | ") for row in rows)
    assert rows[2].split(" | ")[2:5] == ["1,234 to 5,678 ns", "2,000.0 ns", "+0.0 %"] and rows[3].split(" | ")[3] == "0.970"


@pytest.mark.parametrize(("arguments", "text", "said"), [
    (["l1/*"], "", "name none"), ([], "# no table\n", "there is no table to replace"), ([], None, "cannot be read")])
def test_a_document_that_cannot_be_rewritten_is_refused_before_anything_is_measured(
        arguments: list[str], text: str | None, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "document.md"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    assert run_command(["calibrate", *arguments, "--markdown", str(path)]) == 2
    assert said in capsys.readouterr().err and path.exists() == (text is not None)


def test_the_command_prints_the_figures_asked_for_their_errors_and_sources(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "figures.json"
    assert run_command(["calibrate", "l1/neoverse-n1", "call/cortex-a5*", "--jobs", "1", "--json", str(path)]) == 0
    out = capsys.readouterr().out
    lines = [line.split() for line in out.splitlines()]
    assert [line[-1] for line in lines if "cycles" in line] == ["ok", "ok"]
    assert "l4re.org/performance" in out and "2 of 2 figures are within their tolerance" in out and "l1/cortex-a53" not in out
    written = {row["key"]: row for row in json.loads(path.read_text())["figures"]}
    assert set(written) == {"l1/neoverse-n1", "call/cortex-a53"} and all(row["holds"] for row in written.values())
    assert written["l1/neoverse-n1"]["ours"] == 4.0 and written["l1/neoverse-n1"]["error"] == 0.0


def test_a_figure_outside_its_tolerance_is_named_and_ends_with_1(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    import sim.cli_calibrate as command

    wrong = [replace(figure, least=5, most=5) for figure in FIGURES if figure.key == "l1/cortex-a72"]
    monkeypatch.setattr(command, "FIGURES", tuple(wrong))
    assert run_command(["calibrate", "--jobs", "1"]) == 1
    assert "outside: l1/cortex-a72" in capsys.readouterr().out


def test_a_pattern_that_matches_no_figure_is_a_users_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["calibrate", "l9/*"]) == 2
    assert "no figure 'l9/*'; there are call/cortex-a76" in capsys.readouterr().err
