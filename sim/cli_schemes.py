"""`quiesce schemes`: what each scheme is, and what a short run of each says."""
import json
import textwrap
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from firmware.schemes import SCHEMES, Scheme
from sim.arch.memory_map import PES_MAX
from sim.cli_compare import check_count, check_writable, outcome_text, processes
from sim.cli_terminal import COLUMNS, terminal_columns, wide_console
from sim.errors import UserError
from sim.experiments.compare import Compared, compare

SEEDS = 2


def execute_schemes(pes: int, rounds: int, json_path: Path | None, jobs: int | None) -> int:
    """Measure briefly and print the table. Returns 0."""
    if not 1 <= pes <= PES_MAX:
        raise UserError(f"--pes {pes}: it must be from 1 to {PES_MAX}")
    check_count("--rounds", rounds)
    check_writable(json_path)

    from sim.cli_compile import prepare

    prepare()
    measured = {one.scheme: one for one in compare(SCHEMES, (pes,), seeds=SEEDS, rounds=rounds, jobs=processes(jobs))}
    console = wide_console()
    room = terminal_columns()
    if room is not None and room < COLUMNS:             # what a scheme is first, then what was measured
        Console(highlight=False, width=room).print(_table(measured, figures=False))
        console.print(_table(measured, words=False))
    else:
        console.print(_table(measured))
    note = (f"safe: no handler is lost while the scheme's preconditions hold. Measured on {pes} PEs, {SEEDS} seeds of {rounds} rounds, under interrupts "
            "and calls of the kernel: rounds (a demotion and a promotion) in a second of simulated time, up to the end where a scheme is not "
            "safe; memory of all PEs but PE 0 from the pool; how much an L2 TLB reaches of kernel memory mapped like that which is walked; TLBIs "
            "while a pcpu is invalid in a promotion. `quiesce compare` measures more; `--json` has preconditions and failure modes.")
    console.out(textwrap.fill(note, min(room or COLUMNS, COLUMNS)))
    if json_path is not None:
        json_path.write_text(json.dumps({"pes": pes, "rounds": rounds, "seeds": SEEDS,
                                         "schemes": [_json(scheme, measured[scheme.name]) for scheme in SCHEMES]}, indent=1) + "\n",
                             encoding="utf-8")
    return 0


def _table(measured: dict[str, Compared], words: bool = True, figures: bool = True) -> Table:
    """A row for each scheme. words: idea and origin; figures: what was measured."""
    table = Table(box=None, pad_edge=False, padding=(0, 1, int(words), 0))
    for heading, width in (("no.", 5), ("scheme", 18), *((("idea", None), ("origin", 22)) if words else ())):
        table.add_column(heading, width=width, ratio=None if width else 1, overflow="fold")
    table.add_column("safe", no_wrap=True)
    for heading in ("rounds\n/s", "memory\nKB", "reach\nMB", "TLBIs") if figures else ():
        table.add_column(heading, justify="right", no_wrap=True)
    for scheme in SCHEMES:
        one = measured[scheme.name]
        cells = [scheme.number, scheme.name, *((scheme.idea, scheme.origin) if words else ()), "yes" if scheme.is_safe else "no"]
        if figures:
            cells += [f"{one.rounds_per_second:.0f}" if one.rounds else "-", "-" if one.used_bytes is None else f"{one.used_bytes >> 10}",
                      f"{one.reach_bytes >> 20}" if one.entry_bytes else "-", str(one.window_tlbis) if one.rounds else "-"]
        table.add_row(*cells, style=None if scheme.is_safe else "red")
    return table


def _json(scheme: Scheme, one: Compared) -> dict[str, Any]:
    """What the scheme says of itself, and what was measured."""
    said = {name: getattr(scheme, name) for name in ("name", "number", "summary", "idea", "origin", "is_safe", "promotes", "preconditions",
                                                     "failure_modes", "protects")}
    return said | {"options": dict(scheme.options), "ends": scheme.verdict, "outcome": outcome_text(one.outcomes),
                   "outcome_with_serrors": outcome_text(one.outcomes_with_serrors),
                   "measured": asdict(one) | {"rounds_per_second": round(one.rounds_per_second, 1)}}
