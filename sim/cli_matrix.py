"""`quiesce matrix`: the rows of the acceptance matrix, run and judged."""
import json
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from sim.cli_compare import check_count, check_writable, in_processes, processes
from sim.cli_terminal import terminal_columns, wide_console
from sim.experiments.matrix import choose, run_rows
from sim.experiments.row import Row, Seen

_ID_COLUMNS, _TEXT_COLUMNS, _VERDICT_COLUMNS = 5, 34, 4


def execute_matrix(names: list[str], seeds: int, jobs: int | None, json_path: Path | None) -> int:
    """Run the rows and print each as it ends. Returns 0 if all hold, else 1."""
    check_count("--seeds", seeds)
    check_writable(json_path)
    chosen, number = choose(names), processes(jobs)

    from sim.cli_compile import prepare

    prepare()
    console, started = wide_console(), time.perf_counter()
    _print_line(console, "row", "scenario", "expected", "seen", "", style="bold")
    seen = run_rows(chosen, seeds, number, lambda row, found: _print_row(console, row, found))
    seconds = time.perf_counter() - started
    failed = [row.id for row in chosen if not seen[row.id].holds]
    runs = sum(one.runs for one in seen.values())
    console.out(f"{len(chosen) - len(failed)} of {len(chosen)} rows hold; {runs} runs in {seconds:.1f} s on {in_processes(number)}")
    if json_path is not None:
        rows = [{"id": row.id, "scenario": row.scenario, "expected": row.expected, "is_race": row.is_race, "seen": seen[row.id].text,
                 "holds": seen[row.id].holds, "runs": seen[row.id].runs, "failing_seed": seen[row.id].failing_seed} for row in chosen]
        json_path.write_text(json.dumps({"seeds": seeds, "seconds": round(seconds, 1), "rows": rows}, indent=1) + "\n", encoding="utf-8")
    if failed:
        console.out(f"not as expected: {', '.join(failed)}")
    return 1 if failed else 0


def _print_row(console: Console, row: Row, seen: Seen) -> None:
    _print_line(console, row.id, row.scenario, row.expected, seen.text, "ok" if seen.holds else "NOT", style=None if seen.holds else "red")


def _print_line(console: Console, *cells: str, style: str | None = None) -> None:
    """One row of a table whose columns have fixed widths, since rows appear one by one."""
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 1))
    columns = terminal_columns()
    room = (columns - 3 if columns is not None and columns < console.width else console.width) - _ID_COLUMNS - _VERDICT_COLUMNS - 5
    text = min(_TEXT_COLUMNS, room // 3)
    for width in (_ID_COLUMNS, text, text, room - 2 * text, _VERDICT_COLUMNS):
        table.add_column(width=width, overflow="fold")
    table.add_row(*cells, style=style)
    console.print(table)
