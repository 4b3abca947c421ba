"""The table of docs/calibration.md, written from what was measured."""
from collections.abc import Sequence

from sim.calibration.figures import Figure
from sim.calibration.run import Compared
from sim.errors import UserError

HEADER = "| figure | profile | published | ours | error | how | what was given or fitted |"
_RULE = "| --- | --- | --- | --- | --- | --- | --- |"


def number_text(figure: Figure, ours: float) -> str:
    """Ours as text, without its unit: one decimal, or three of a figure that has no unit."""
    return f"{ours:,.1f}" if figure.unit else f"{ours:.3f}"


def error_text(one: Compared) -> str:
    """The error in percent, with its sign."""
    return f"{100 * one.error:+.1f} %"


def published_text(figure: Figure) -> str:
    """The published figure with its unit, thousands set apart."""
    words = [f"{float(word):,g}" if word[0].isdigit() else word for word in figure.published.split()]
    return " ".join([*words, figure.unit]).rstrip()


def table(compared: Sequence[Compared]) -> str:
    """All rows, as lines of Markdown."""
    return "\n".join([HEADER, _RULE, *(_row(one) for one in compared)])


def _row(one: Compared) -> str:
    figure = one.figure
    ours = " ".join([number_text(figure, one.ours), figure.unit]).rstrip()
    parameter = f"`{figure.parameter}`" if figure.parameter else ""
    return f"| {' | '.join([figure.what, figure.profile, published_text(figure), ours, error_text(one), figure.how, parameter])} |"


def with_table(text: str, compared: Sequence[Compared]) -> str:
    """A document with its table replaced by one of what was measured. Raises UserError if it has no such table."""
    before, header, rest = text.partition(HEADER + "\n")
    if not header:
        raise UserError(f"there is no table to replace: no line {HEADER!r}")
    lines = rest.splitlines(keepends=True)
    rows = next((number for number, line in enumerate(lines) if not line.startswith("|")), len(lines))
    return before + table(compared) + "\n" + "".join(lines[rows:])
