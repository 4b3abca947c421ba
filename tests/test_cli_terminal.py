"""Tables and lists on terminals of every width, and where there is none."""
import io
import os
import sys

import pytest
from rich.console import Console
from rich.table import Table

from sim.cli_terminal import COLUMNS, print_named, print_table, say, terminal_columns, wide_console

HEADINGS = ("PEs", "scenario", "delivery\nns", "total\nns", "samples", "a heading that is long")
ROWS = [(str(10 + row), f"scenario {row}", str(100 * row), str(1000 * row), str(row), f"cell {row}") for row in range(5)]


class Terminal(io.StringIO):
    """Standard output that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def on(columns: int | None, monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """Standard output of so many columns, or none."""
    out = Terminal() if columns is not None else io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr("shutil.get_terminal_size", lambda fallback=(80, 24): os.terminal_size((columns or fallback[0], 24)))
    return out


def table() -> Table:
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for number, heading in enumerate(HEADINGS):
        made.add_column(heading, justify="left" if number == 1 else "right", no_wrap=True)
    for row in ROWS:
        made.add_row(*row)
    return made


@pytest.mark.parametrize("columns", [None, 120, 80, 60, 45])
def test_no_line_is_wider_than_the_terminal_and_no_cell_is_lost(columns: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    out = on(columns, monkeypatch)
    print_table(Console(file=out, width=COLUMNS, highlight=False, color_system=None), table(), keys=2)
    lines = out.getvalue().splitlines()
    assert max(len(line.rstrip()) for line in lines) <= (columns or COLUMNS)
    for row in ROWS:
        mine = [line.split() for line in lines if f"scenario {row[1].split()[1]}" in line]
        parts = len([line for line in lines if line.startswith("PEs")])
        assert len(mine) == parts                                       # each part begins with the keys
        assert [word for words in mine for word in words[3:]] == [*row[2:5], *row[5].split()]
    assert ("" in lines) == (columns in (60, 45))


def test_a_list_goes_on_below_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    named = [("short", "word " * 20), ("much-longer", "one line")]
    out = on(60, monkeypatch)
    print_named(named)
    lines = out.getvalue().splitlines()
    assert max(map(len, lines)) <= 60 and lines[0].startswith("short        word") and lines[1].startswith(" " * 13 + "word")
    assert lines[-1] == "much-longer  one line"
    out = on(None, monkeypatch)
    print_named(named)
    assert len(out.getvalue().splitlines()) == 2                        # a file has a line for each


def test_words_break_between_words(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "\nsome words " + "and more words " * 8
    out = on(50, monkeypatch)
    say(Console(file=out, width=COLUMNS, color_system=None), text)
    lines = out.getvalue().split("\n")
    assert lines[0] == "" and max(map(len, lines)) <= 50 and " ".join(" ".join(lines).split()) == " ".join(text.split())
    out = on(None, monkeypatch)
    say(Console(file=out, width=500, color_system=None), text)
    assert out.getvalue() == text + "\n"


def test_without_a_terminal_tables_have_one_width(monkeypatch: pytest.MonkeyPatch) -> None:
    on(None, monkeypatch)
    assert terminal_columns() is None and wide_console().width == COLUMNS
