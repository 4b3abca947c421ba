"""The comparison as a picture: latency against the number of PEs, a line for each scheme, and which of them are safe."""
from collections.abc import Sequence
from pathlib import Path

from sim.errors import UserError
from sim.experiments.compare import Compared

_COLUMNS_INCHES, _ROWS_INCHES, _DOTS_PER_INCH = 12.0, 7.5, 110
_SPREAD_OCTAVES = 0.5                   # points of schemes that cost the same lie side by side, not on each other
_MARKERS = "osD^vP*<>Xp"               # eleven: no two of the first 220 schemes share marker and colour, of which there are twenty
_PANELS = (("promote", "promotion: median latency"), ("demote", "demotion: median latency"), ("lost_promote", "lost by the other PEs, by a promotion (mean)"))


def plot(path: Path, compared: Sequence[Compared]) -> None:
    """Write a picture; the format follows from the name. Raises UserError for a format that does not exist."""
    import matplotlib
    matplotlib.use("Agg")                       # no display is needed
    from matplotlib import pyplot, ticker

    pes = sorted({one.pes for one in compared})
    schemes = list(dict.fromkeys(one.scheme for one in compared))
    palette = pyplot.colormaps["tab20"].colors  # type: ignore[attr-defined]
    colours = [*palette[0::2], *palette[1::2]]  # the strong ones first
    figure, axes = pyplot.subplots(1, len(_PANELS), figsize=(_COLUMNS_INCHES, _ROWS_INCHES), sharex=True)
    for axis, (name, title) in zip(axes, _PANELS, strict=True):
        for number, scheme in enumerate(schemes):
            mine = [one for one in compared if one.scheme == scheme and getattr(one, name).count]
            values = [one.us(getattr(one, name).mean if name.startswith("lost") else getattr(one, name).p50) for one in mine]
            places = [one.pes * 2 ** (_SPREAD_OCTAVES * (number / max(len(schemes) - 1, 1) - 0.5)) for one in mine]
            colour, marker = colours[number % len(colours)], _MARKERS[number % len(_MARKERS)]
            axis.plot(places, values, color=colour, marker=marker, markersize=6, linewidth=1.3, label=_label(scheme, compared))
            unsafe = [place for place, one in enumerate(mine) if not one.is_safe]
            axis.plot([places[place] for place in unsafe], [values[place] for place in unsafe], linestyle="none", marker="x", markersize=9,
                      markeredgewidth=1.2, color="black")
        axis.set_title(title, fontsize=10)
        axis.set_xlabel("PEs (points set side by side)")
        axis.set_xscale("log", base=2)
        axis.set_xticks(pes, [str(number) for number in pes])
        axis.set_xticks([], minor=True)
        axis.set_xlim(pes[0] / 2 ** _SPREAD_OCTAVES, pes[-1] * 2 ** _SPREAD_OCTAVES)
        if name.startswith("lost"):
            axis.set_yscale("symlog", linthresh=1)          # 0 is a value here
        axis.yaxis.set_major_formatter(ticker.FormatStrFormatter("%g"))
        axis.set_ylim(bottom=0)
        axis.set_ylabel("us")
        axis.grid(visible=True, alpha=0.3)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncols=4, fontsize=8, title="crossed out: not safe on that number of PEs")
    rows = -(-len(labels) // 4)
    figure.tight_layout(rect=(0, 0.05 + 0.03 * rows, 1, 1))
    try:
        figure.savefig(path, dpi=_DOTS_PER_INCH)
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be written: {error}") from None
    finally:
        pyplot.close(figure)


def _label(scheme: str, compared: Sequence[Compared]) -> str:
    """The scheme and what became of it."""
    mine = [one for one in compared if one.scheme == scheme]
    if all(one.is_safe for one in mine):
        return scheme
    if all(one.is_safe_without_serrors for one in mine):
        return f"{scheme} (not with SErrors)"
    return f"{scheme} (not safe)"
