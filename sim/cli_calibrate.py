"""`quiesce calibrate`: each published figure beside ours."""
import json
import time
from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path

from rich.console import Console
from rich.table import Table

from sim.calibration.figures import FIGURES, FITTED, GIVEN, PREDICTED, Figure
from sim.calibration.markdown import error_text, number_text, with_table
from sim.calibration.run import Compared, compare
from sim.cli_compare import check_writable, in_processes, processes
from sim.cli_terminal import COLUMNS, say, terminal_columns, wide_console
from sim.errors import UserError

_WIDTHS, _WIDTHS_NARROW = (34, 16, 10, 9, 6, 10, 9, 3), (16, 14, 9, 8, 6, 8, 9, 3)
_MEANING = {GIVEN: "the profile has the published figure; measured from inside, the model gives it back",
            FITTED: "a figure of the profile that nobody published was chosen by this one",
            PREDICTED: "nothing was chosen by this one"}


def execute_calibrate(names: Sequence[str], jobs: int | None, json_path: Path | None, markdown_path: Path | None = None) -> int:
    """Measure the figures and print each as it is known. Returns 0 if all are within their tolerance, else 1.

    markdown_path: a document (docs/calibration.md) whose table is replaced by one of all figures.
    """
    check_writable(json_path)
    document = None if markdown_path is None else _document(markdown_path, names)
    chosen, number = choose_figures(names), processes(jobs)

    from sim.cli_compile import prepare

    prepare()
    console, started = wide_console(), time.perf_counter()
    _print_line(console, "figure", "profile", "published", "ours", "unit", "error", "how", "")
    compared = compare(chosen, number, lambda one: _print_figure(console, one))
    seconds = time.perf_counter() - started
    _print_legend(console, compared)
    missed = [one.figure.key for one in compared if not one.holds]
    console.out(f"{len(compared) - len(missed)} of {len(compared)} figures are within their tolerance; {seconds:.1f} s on {in_processes(number)}")
    if json_path is not None:
        json_path.write_text(json.dumps({"seconds": round(seconds, 1), "figures": [one.to_json() for one in compared]}, indent=1) + "\n", encoding="utf-8")
    if markdown_path is not None and document is not None:
        markdown_path.write_text(with_table(document, compared), encoding="utf-8")
    if missed:
        console.out(f"outside: {', '.join(missed)}")
    return 1 if missed else 0


def _document(path: Path, names: Sequence[str]) -> str:
    """The document whose table is to be replaced. Raises UserError, before anything is measured, if that cannot be."""
    if names:
        raise UserError("--markdown writes the table of all figures: name none")
    check_writable(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or 'not UTF-8'}") from None
    with_table(text, ())
    return text


def choose_figures(names: Sequence[str]) -> list[Figure]:
    """Figures whose key matches any of the patterns (`line/*`), all if there is none. Raises UserError for a pattern that matches nothing."""
    for name in names:
        if not any(fnmatch(figure.key, name) for figure in FIGURES):
            raise UserError(f"no figure {name!r}; there are {', '.join(figure.key for figure in FIGURES)}")
    return [figure for figure in FIGURES if not names or any(fnmatch(figure.key, name) for name in names)]


def _print_figure(console: Console, one: Compared) -> None:
    figure = one.figure
    _print_line(console, figure.what, figure.profile, figure.published, number_text(figure, one.ours), figure.unit, error_text(one),
                figure.how, "ok" if one.holds else "NOT", style=None if one.holds else "red")


def _print_line(console: Console, *cells: str, style: str | None = None) -> None:
    """One row of a table whose columns have fixed widths, since rows appear one by one."""
    columns = terminal_columns()
    narrow = columns is not None and columns < COLUMNS
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 1, 0, 0 if narrow else 1))
    for number, width in enumerate(_WIDTHS_NARROW if narrow else _WIDTHS):
        table.add_column(width=width, overflow="fold", justify="right" if number in (2, 3, 5) else "left")
    table.add_row(*cells, style=style)
    console.print(table)


def _print_legend(console: Console, compared: Sequence[Compared]) -> None:
    """What the words mean, and where each published figure comes from."""
    console.out("")
    for word in (GIVEN, FITTED, PREDICTED):
        say(console, f"{word + ':':11}{_MEANING[word]}")
    tolerances = sorted({one.figure.tolerance for one in compared})
    for tolerance in tolerances:
        keys = [one.figure.key for one in compared if one.figure.tolerance == tolerance]
        say(console, f"within {100 * tolerance:g} %: {', '.join(keys)}")
    for one in compared:
        if one.figure.parameter:
            say(console, f"{one.figure.key}: {one.figure.how}, {one.figure.parameter}")
    for source in dict.fromkeys(one.figure.source for one in compared):
        say(console, f"{source}: {', '.join(one.figure.key for one in compared if one.figure.source == source)}")
    console.out("")
