"""How wide the terminal is, and what becomes of tables and lists that are wider.

Where standard output is no terminal everything is as wide as it needs to be, tables COLUMNS at most: files do not depend on who writes them.
"""
import shutil
import sys
import textwrap
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

COLUMNS = 120
_NARROWEST = 40                         # what is narrower breaks lines wherever it likes


def terminal_columns() -> int | None:
    """Characters in a line of the terminal, None where standard output is none."""
    return max(shutil.get_terminal_size().columns, _NARROWEST) if sys.stdout.isatty() else None


def wide_console() -> Console:
    """Standard output; COLUMNS wide where that is no terminal, or a narrower one."""
    console = Console(highlight=False)
    return console if console.is_terminal and console.width >= COLUMNS else Console(highlight=False, width=COLUMNS)


def print_table(console: Console, table: Table, keys: int) -> None:
    """A table whose columns do not wrap; on a terminal that is narrower, in parts below each other, each of which begins with the first `keys` columns."""
    columns, room = table.columns, terminal_columns()
    cells = [[str(cell) for cell in column.cells] for column in columns]
    apart = table.padding[1]
    widths = [max(Text(line).cell_len for cell in (str(column.header), *mine) for line in (cell.split("\n") or [""])) + apart
              for column, mine in zip(columns, cells, strict=True)]
    parts = _parts(widths, keys, room) if room is not None and sum(widths) - apart > room else []
    if not parts:
        console.print(table)
    for number, part in enumerate(parts):
        shown = Table(box=None, pad_edge=False, padding=(0, apart, 0, 0))
        for place in (*range(keys), *part):
            shown.add_column(columns[place].header, justify=columns[place].justify, no_wrap=True)
        for row, kept in enumerate(table.rows):
            shown.add_row(*(cells[place][row] for place in (*range(keys), *part)), style=kept.style)
        if number:
            console.out("")
        console.print(shown)


def _parts(widths: Sequence[int], keys: int, room: int) -> list[list[int]]:
    """Columns behind the first `keys`, in groups that fit beside those; one that fits nowhere is alone."""
    parts: list[list[int]] = []
    used = room + 1
    for place in range(keys, len(widths)):
        if used + widths[place] > room + 1:
            parts.append([])
            used = sum(widths[:keys])
        parts[-1].append(place)
        used += widths[place]
    return parts


def say(console: Console, text: str, style: str | None = None) -> None:
    """A line of words, on a terminal broken between words."""
    room = terminal_columns()
    console.out(text if room is None else "\n".join(textwrap.fill(line, room, break_on_hyphens=False) for line in text.split("\n")), style=style)


def print_named(named: Iterable[tuple[str, str]]) -> None:
    """A line for each name and what it is; on a narrower terminal what it is goes on below itself."""
    pairs, room = list(named), terminal_columns()
    width = max(len(name) for name, _ in pairs)
    for name, summary in pairs:
        line = f"{name:{width}}  {summary}"
        print(line if room is None else textwrap.fill(line, room, subsequent_indent=" " * (width + 2)))
