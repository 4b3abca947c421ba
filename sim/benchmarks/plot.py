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
_HISTOGRAM_BUCKETS, _MARGIN = 60, 1.15
_LOG_FROM = 4                           # ratio from which a logarithmic scale is read more easily
_POWERS_WITH_PARTS = 3                  # powers of ten up to which 2 and 5 get a tick too
_ROW_HEIGHT = 0.9                       # of a row of the histograms, so that two do not touch
_PAIR_STEP = 2.4                        # from one pair of bars to the next, in widths of a bar and a quarter


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
    """Median of each scenario, a band from there to p99, a dash at the maximum, the fit as a dotted line.

    Against the number of PEs; where that is one alone and issuers are several, against the number of issuers, without a fit.
    """
    by_issuers = len({one.pes for one in points}) == 1 and len({one.issuers for one in points}) > 1
    names = list(dict.fromkeys(one.family if by_issuers else one.scenario for one in points))
    for number, name in enumerate(names):
        mine = [one for one in points if name == (one.family if by_issuers else one.scenario)]
        places = [one.issuers if by_issuers else one.pes for one in mine]
        p50, p99, most = ([one.ns(getattr(one.total, figure)) for one in mine] for figure in ("p50", "p99", "maximum"))
        line = axis.plot(places, p50, marker=_MARKERS[number % len(_MARKERS)], markersize=5, linewidth=1.3, label=name)[0]
        axis.fill_between(places, p50, p99, color=line.get_color(), alpha=0.2, linewidth=0)
        axis.plot(places, most, linestyle="none", marker="_", markersize=9, color=line.get_color())
        if fitted.get(name) and not by_issuers:
            fine = np.geomspace(places[0], places[-1], 60)
            values = [mine[0].ns(fitted[name][0].at(value)) for value in fine]
            if min(values) > 0:
                axis.plot(fine, values, linestyle=":", linewidth=1, color=line.get_color())
    everyone = sorted({one.issuers if by_issuers else one.pes for one in points})
    axis.set_xscale("log", base=2)
    values = [value for line in axis.lines for value in line.get_ydata()]
    if max(values) > _LOG_FROM * min(values):
        axis.set_yscale("log")
        _plain_ticks(axis.yaxis, min(values), max(values))
    else:
        axis.set_ylim(0, 1.05 * max(values))
    axis.set_xticks(everyone, [str(number) for number in everyone])
    axis.set_xticks([], minor=True)
    axis.set_xlabel(f"issuers, on {points[0].pes} PEs" if by_issuers else "PEs")
    axis.set_ylabel("ns")
    axis.set_title(f"a round: median, band to p99, dash: maximum{', dotted: fit' if any(fitted.values()) and not by_issuers else ''}", fontsize=10)
    axis.grid(visible=True, alpha=0.3)
    _legend(axis)


def _plain_ticks(axis: Any, least: float, most: float) -> None:
    """Ticks at 1, 2 and 5 times powers of ten on a logarithmic scale, at the powers alone where those are many; written out."""
    powers = range(int(np.floor(np.log10(least))), int(np.ceil(np.log10(most))) + 1)
    factors = (1, 2, 5) if len(powers) <= _POWERS_WITH_PARTS else (1,)
    ticks = [factor * 10.0**power for power in powers for factor in factors]
    ticks = [tick for tick in ticks if least / _MARGIN <= tick <= most * _MARGIN]
    axis.set_ticks(ticks, [f"{tick:,.10g}" for tick in ticks])
    axis.set_ticks([], minor=True)


def _largest(points: Sequence[Point]) -> tuple[list[Point], list[str], str]:
    """Points that get a bar or a histogram each, their labels, and what these are: all of one scenario, or all scenarios on the most PEs."""
    if len({one.scenario for one in points}) == 1:
        chosen = list(points)[-_BARS_MOST:]
        return chosen, [str(one.pes) for one in chosen], "by number of PEs"
    most = max(one.pes for one in points)
    chosen = [one for one in points if one.pes == most][:_BARS_MOST]
    return chosen, [one.scenario.replace(" ", "\n", 1) for one in chosen], f"on {most} PEs"


def _histograms(axis: Any, points: Sequence[Point]) -> None:
    """A row for each: the share of its rounds in each bucket, over buckets of equal ratio; these are the same for all."""
    chosen, labels, what = _largest(points)
    middles = [[one.ns(max(bucket.least, 0.5) ** 0.5 * bucket.bound**0.5) for bucket in one.buckets] for one in chosen]
    least, most = min(map(min, middles)), max(map(max, middles))
    edges = np.geomspace(least / _MARGIN, most * _MARGIN, _HISTOGRAM_BUCKETS + 1)
    for number, one in enumerate(chosen):
        shares = np.histogram(middles[number], edges, weights=[bucket.count / one.rounds for bucket in one.buckets])[0]
        row = len(chosen) - 1 - number
        axis.stairs(row + _ROW_HEIGHT * shares, edges, baseline=row, fill=True)
    if most > _LOG_FROM * least:
        axis.set_xscale("log")
        _plain_ticks(axis.xaxis, least, most)
    axis.set_yticks([len(chosen) - 1 - number for number in range(len(chosen))], labels, fontsize=8)
    axis.set_ylim(0, len(chosen))
    axis.set_xlabel("ns")
    axis.set_title(f"histogram of a round, {what}; a row is as high as all rounds", fontsize=10)
    axis.grid(visible=True, alpha=0.3)


def _legend(axis: Any) -> None:
    """Beside the picture, where it hides nothing."""
    axis.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))


def _bars(axis: Any, places: Sequence[float], names: Sequence[str], heights: Sequence[Sequence[float]]) -> None:
    """Stacked bars: heights[bar][name]; a name that is nowhere is left out."""
    from matplotlib import pyplot

    bottom = np.zeros(len(places))
    palette = pyplot.colormaps["tab20"].colors  # type: ignore[attr-defined]
    colours = [*palette[0::2], *palette[1::2]]
    for number, name in enumerate(names):
        values = np.array([one[number] for one in heights])
        if values.any():
            axis.bar(places, values, bottom=bottom, width=0.8, label=name, color=colours[number % len(colours)])
            bottom += values
    axis.grid(visible=True, axis="y", alpha=0.3)
    if bottom.any():
        _legend(axis)


def _phases(axis: Any, points: Sequence[Point]) -> None:
    """Mean of each phase; the bar is the mean of a round."""
    chosen, labels, what = _largest(points)
    names = [phase for phase in PHASES if any(phase == found.name for one in chosen for found in one.phases)]
    heights = [[next((one.ns(found.distribution.mean) for found in one.phases if found.name == name), 0.0) for name in names] for one in chosen]
    _bars(axis, range(len(chosen)), names, heights)
    axis.set_xticks(range(len(chosen)), labels, fontsize=8)
    axis.set_ylabel("ns")
    axis.set_title(f"phases of a round (mean), {what}", fontsize=10)


def _stacks(axis: Any, points: Sequence[Point]) -> None:
    """Shares of the cycles of the initiator, left, and of the others, right, of each pair."""
    chosen, labels, what = _largest(points)
    names = list(chosen[0].stacks[INITIATOR].components)
    places, heights = [], []
    for number, one in enumerate(chosen):
        for beside, part in ((-0.45, INITIATOR), (0.45, OTHERS)):
            if one.stacks[part].total_cycles:
                places.append(number * _PAIR_STEP + beside)
                heights.append([one.stacks[part].share(name) for name in names])
    _bars(axis, places, names, heights)
    axis.set_xticks([number * _PAIR_STEP for number in range(len(chosen))], labels, fontsize=8)
    axis.set_ylabel("share of the cycles")
    axis.set_title(f"where the cycles went, {what}; left: initiator, right: others", fontsize=10)
