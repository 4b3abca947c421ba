"""A benchmark as a picture: latency against PEs, histogram, phases, and the stack of cycles."""
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sim.benchmarks.fit import Fit
from sim.benchmarks.point import INITIATOR, OTHERS, Point
from sim.benchmarks.rounds import PHASES
from sim.errors import UserError

_COLUMNS_INCHES, _ROWS_INCHES, _DOTS_PER_INCH = 14.0, 9.5, 110
_MARKERS = "osD^vP"
_BARS_MOST = 12


def plot(path: Path, title: str, points: Sequence[Point], fitted: Mapping[str, Sequence[Fit]]) -> None:
    """Write a picture; the format follows from the name. Raises UserError for a format that does not exist."""
    import matplotlib
    matplotlib.use("Agg")                       # no display is needed
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(2, 2, figsize=(_COLUMNS_INCHES, _ROWS_INCHES))
    figure.suptitle(title, fontsize=11)
    _latency(axes[0][0], points, fitted)
    _histograms(axes[0][1], points)
    _phases(axes[1][0], points)
    _stacks(axes[1][1], points)
    figure.tight_layout(rect=(0, 0, 1, 0.98))
    try:
        figure.savefig(path, dpi=_DOTS_PER_INCH)
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be written: {error}") from None
    finally:
        pyplot.close(figure)


def _latency(axis: Any, points: Sequence[Point], fitted: Mapping[str, Sequence[Fit]]) -> None:
    """Median of each scenario, a band from there to p99, a dash at the maximum, the fit as a dotted line."""
    scenarios = list(dict.fromkeys(one.scenario for one in points))
    for number, scenario in enumerate(scenarios):
        mine = [one for one in points if one.scenario == scenario]
        pes = [one.pes for one in mine]
        p50, p99, most = ([one.ns(getattr(one.total, name)) for one in mine] for name in ("p50", "p99", "maximum"))
        line = axis.plot(pes, p50, marker=_MARKERS[number % len(_MARKERS)], markersize=5, linewidth=1.3, label=scenario)[0]
        axis.fill_between(pes, p50, p99, color=line.get_color(), alpha=0.2, linewidth=0)
        axis.plot(pes, most, linestyle="none", marker="_", markersize=9, color=line.get_color())
        if fitted.get(scenario):
            fine = np.geomspace(pes[0], pes[-1], 60)
            values = [mine[0].ns(fitted[scenario][0].at(value)) for value in fine]
            if min(values) > 0:
                axis.plot(fine, values, linestyle=":", linewidth=1, color=line.get_color())
    everyone = sorted({one.pes for one in points})
    axis.set_xscale("log", base=2)
    axis.set_yscale("log")
    axis.set_xticks(everyone, [str(pes) for pes in everyone])
    axis.set_xticks([], minor=True)
    axis.set_xlabel("PEs")
    axis.set_ylabel("ns")
    axis.set_title("a round: median, band to p99, dash: maximum, dotted: fit", fontsize=10)
    axis.grid(visible=True, alpha=0.3)
    axis.legend(fontsize=8)


def _largest(points: Sequence[Point]) -> tuple[list[Point], list[str], str]:
    """Points that get a bar or a histogram each, their labels, and what these are: all of one scenario, or all scenarios on the most PEs."""
    if len({one.scenario for one in points}) == 1:
        chosen = list(points)[-_BARS_MOST:]
        return chosen, [str(one.pes) for one in chosen], "by number of PEs"
    most = max(one.pes for one in points)
    chosen = [one for one in points if one.pes == most][:_BARS_MOST]
    return chosen, [one.scenario.replace(" ", "\n", 1) for one in chosen], f"on {most} PEs"


def _histograms(axis: Any, points: Sequence[Point]) -> None:
    """Share of the rounds in each bucket, as steps over a logarithmic scale."""
    chosen, labels, what = _largest(points)
    for one, label in zip(chosen, labels, strict=True):
        edges = [one.ns(max(one.buckets[0].least, 0.5)), *(one.ns(bucket.bound) for bucket in one.buckets)]
        axis.stairs([bucket.count / one.rounds for bucket in one.buckets], edges, fill=True, alpha=0.5, label=label.replace("\n", " "))
    axis.set_xscale("log")
    axis.set_xlabel("ns")
    axis.set_ylabel("share of the rounds")
    axis.set_title(f"histogram of a round, {what}", fontsize=10)
    axis.grid(visible=True, alpha=0.3)
    axis.legend(fontsize=8)


def _bars(axis: Any, labels: Sequence[str], names: Sequence[str], heights: Sequence[Sequence[float]]) -> None:
    """Stacked bars: heights[bar][name]; a name that is nowhere is left out."""
    bottom = np.zeros(len(labels))
    places = np.arange(len(labels))
    from matplotlib import pyplot

    palette = pyplot.colormaps["tab10"].colors  # type: ignore[attr-defined]
    for number, name in enumerate(names):
        values = np.array([one[number] for one in heights])
        if values.any():
            axis.bar(places, values, bottom=bottom, width=0.7, label=name, color=palette[number % len(palette)])
            bottom += values
    axis.set_xticks(places, labels, fontsize=8)
    axis.grid(visible=True, axis="y", alpha=0.3)
    if any(map(any, heights)):
        axis.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))


def _phases(axis: Any, points: Sequence[Point]) -> None:
    """Mean of each phase; the bar is the mean of a round."""
    chosen, labels, what = _largest([one for one in points if one.phases] or points)
    names = [phase for phase in PHASES if any(phase == found.name for one in chosen for found in one.phases)]
    heights = [[next((one.ns(found.distribution.mean) for found in one.phases if found.name == name), 0.0) for name in names] for one in chosen]
    _bars(axis, labels, names, heights)
    axis.set_ylabel("ns")
    axis.set_title(f"phases of a round (mean), {what}", fontsize=10)


def _stacks(axis: Any, points: Sequence[Point]) -> None:
    """Shares of the cycles of the initiator, left, and of the others, right, of each pair."""
    chosen, labels, what = _largest(points)
    names = list(chosen[0].stacks[INITIATOR].components)
    bars = [(f"{label}\n{part[0].upper()}", one.stacks[part]) for one, label in zip(chosen, labels, strict=True)
            for part in (INITIATOR, OTHERS) if one.stacks[part].total_cycles]
    _bars(axis, [label for label, _ in bars], names, [[stack.share(name) for name in names] for _, stack in bars])
    axis.set_ylabel("share of the cycles")
    axis.set_title(f"where the cycles went, {what} (I: initiator, O: others)", fontsize=10)
