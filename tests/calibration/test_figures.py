"""The table of published figures: its errors by hand, its keys and sources, and that a figure that was given is the profile's."""
import math
from dataclasses import replace
from pathlib import Path

import pytest

from sim.calibration.figures import FIGURES, FITTED, GIVEN, PREDICTED, Figure
from sim.calibration.run import Compared, compare
from sim.timing.profile import load_profile, profile_names

#: The published figures, typed in again from their sources.
PUBLISHED = {
    "call/cortex-a76": (138, 138), "call/neoverse-n1": (142, 142), "call/cortex-a53": (230, 230),
    "line/graviton2-like": (47, 47), "line/neoverse-v1": (46, 46), "line/kunpeng920-like": (72, 72),
    "line/cortex-a72": (89.6, 89.6),
    "l1/cortex-a53": (3, 3), "l2/cortex-a53": (13, 13), "micro-tlb-miss/cortex-a53": (2, 2), "main-tlb-miss/cortex-a53": (20, 20),
    "l1/cortex-a72": (4, 4), "l2/cortex-a72": (18, 21), "l1-tlb-miss/cortex-a76": (3, 3), "l1/neoverse-n1": (4, 4), "l2/neoverse-n1": (9, 11),
    "slc/neoverse-n1": (72, 72), "dram/neoverse-n1": (95, 95),
    "l1/cortex-a55": (2, 3), "slc/cortex-a55": (29, 31), "l1/cortex-a76": (4, 4), "l2/cortex-a76": (12, 12), "l1/neoverse-n2": (4, 4),
    "l1/neoverse-v1": (4, 4),
    "ipi/dry-run/total": (30, 30), "ipi/self-IPI/delivery": (304, 304), "ipi/self-IPI/total": (656, 656),
    "ipi/normal-IPI/delivery": (5670, 5670), "ipi/normal-IPI/total": (6310, 6310), "ipi/broadcast-IPI/total": (23_200, 23_200),
    "ipi/broadcast-IPI-with-lock/total": (24_500, 24_500), "tlbi/slope": (1, math.inf), "tlbi/linear": (0.95, 1.0)}


def value_of(figure: Figure) -> float:
    """What the profile says of the figure's parameter; one that is given in ns in ns."""
    value: object = load_profile(figure.profile)
    for name in figure.parameter.split("."):
        value = value[name] if hasattr(value, "keys") else getattr(value, name)     # type: ignore[index]
    assert isinstance(value, int)
    return value


def test_every_published_figure_is_there_once_with_its_tolerance_source_and_a_profile_that_exists() -> None:
    assert {figure.key: (figure.least, figure.most) for figure in FIGURES} == PUBLISHED
    assert len({figure.key for figure in FIGURES}) == len(FIGURES)
    for figure in FIGURES:
        assert figure.tolerance == (0.25 if figure.key.startswith("ipi/") else 0.0 if figure.key.startswith("tlbi/") else 0.10)
        assert figure.source and figure.profile in profile_names() and figure.how in (GIVEN, FITTED, PREDICTED)
        assert bool(figure.parameter) == (figure.how != PREDICTED)


@pytest.mark.parametrize("figure", [figure for figure in FIGURES if figure.how == GIVEN], ids=lambda figure: figure.key)
def test_a_figure_that_was_given_is_that_of_the_profile(figure: Figure) -> None:
    assert figure.least <= value_of(figure) <= figure.most


@pytest.mark.parametrize("figure", [figure for figure in FIGURES if figure.how == FITTED], ids=lambda figure: figure.key)
def test_a_figure_of_a_profile_that_was_fitted_is_not_the_published_one_and_fits_one_figure_alone(figure: Figure) -> None:
    assert value_of(figure) >= 0
    assert sum((other.profile, other.parameter) == (figure.profile, figure.parameter) for other in FIGURES) == 1


def test_the_error_is_a_share_of_the_published_figure_and_nothing_inside_a_range() -> None:
    point, ranged = FIGURES[0], replace(FIGURES[0], least=60, most=90)
    assert point.error(138) == 0 and point.error(151.8) == pytest.approx(0.10) and point.error(69) == pytest.approx(-0.5)
    assert (ranged.error(60), ranged.error(75), ranged.error(90)) == (0, 0, 0)
    assert ranged.error(99) == pytest.approx(0.10) and ranged.error(30) == pytest.approx(-0.5)
    assert [point.holds(cycles) for cycles in (124.1, 124.3, 151.7, 151.9)] == [False, True, True, False]
    assert [ranged.published, point.published, replace(point, least=1, most=math.inf).published] == ["60 to 90", "138", "> 1"]


def test_the_documentation_has_a_row_for_every_figure_that_says_how_it_was_come_by() -> None:
    text = (Path(__file__).resolve().parents[2] / "docs" / "calibration.md").read_text(encoding="utf-8")
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")]
    for figure in FIGURES:
        row = next(row for row in rows if row[:2] == [figure.what, figure.profile])
        published = [float(word.replace(",", "")) for word in row[2].split() if word[0].isdigit()]
        assert published == sorted({bound for bound in (figure.least, figure.most) if bound < math.inf})
        assert row[5:7] == [figure.how, f"`{figure.parameter}`" if figure.parameter else ""]
        assert abs(float(row[4].split()[0])) <= 100 * figure.tolerance


class Counted:
    """A measurement that counts its runs."""

    weight = 1.0

    def __init__(self) -> None:
        self.runs = 0

    def run(self) -> dict[str, float]:
        self.runs += 1
        return {"first": 140.0, "second": 700.0}


def test_figures_of_one_measurement_share_its_run_and_are_shown_in_order() -> None:
    counted = Counted()
    figures = [replace(FIGURES[0], measurement=counted, part=part) for part in ("first", "second", "first")]
    shown: list[Compared] = []
    compared = compare(figures, 1, shown.append)
    assert counted.runs == 1 and compared == shown
    assert [one.ours for one in compared] == [140.0, 700.0, 140.0] and [one.holds for one in compared] == [True, False, True]
    assert compared[1].to_json()["error"] == pytest.approx(700 / 138 - 1)
