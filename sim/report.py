"""What a run prints about itself: statistics, registers, passed symbols, the event log. Plain when piped, never wider than 80 columns."""
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from rich.console import Console

from sim.observers.verdict import Verdict
from sim.result import Result

COLUMNS_MOST = 80
ROWS_MOST = 16                          # PEs that get a row of their own in the statistics
_EXACT_MOST = 10_000_000
#: Heading (two lines) and the name in Result.statistics of each column; exact figures of all statistics are in the JSON.
#: Misses are those of the TLBs; exceptions count the interrupts that were taken.
_COLUMNS = (
    ("", "cycles", "cycles"), ("", "waited", "wait_cycles"), ("instruc-", "tions", "instructions"), ("L1I", "miss", "l1i_misses"),
    ("L1D", "miss", "l1d_misses"), ("L2", "miss", "l2_misses"), ("", "walks", "walks"), ("excep-", "tions", "exceptions"),
    ("inter-", "rupts", "interrupts"), ("SGIs", "sent", "sgis_sent"), ("TLBIs", "issued", "tlbis_issued"),
)
_FIGURES = ("minimum", "median", "p99", "maximum")


class PhaseFigures(Protocol):
    """One duration of one PE, or of all together (pe None), in cycles."""

    @property
    def name(self) -> str: ...
    @property
    def pe(self) -> int | None: ...
    @property
    def minimum_cycles(self) -> int: ...
    @property
    def median_cycles(self) -> float: ...
    @property
    def p99_cycles(self) -> int: ...
    @property
    def maximum_cycles(self) -> int: ...


class RendezvousFigures(Protocol):
    """What is printed of a rendezvous: `firmware.rendezvous.RendezvousReport`, which this room cannot import."""

    @property
    def summary(self) -> str: ...
    @property
    def measured_rounds(self) -> int: ...
    @property
    def clock_hz(self) -> float: ...
    @property
    def phases(self) -> Sequence[PhaseFigures]: ...
    @property
    def intervals(self) -> Sequence[PhaseFigures]: ...


def console() -> Console:
    """Standard output; no colour unless it is a terminal."""
    return Console(highlight=False)


def count(value: int) -> str:
    """A count in at most eight characters."""
    if value < _EXACT_MOST:
        return str(value)
    return f"{value / 1e6:.1f}M" if value < 10**11 else f"{value / 1e9:.1f}G"


def columns(rows: Sequence[Sequence[str]], left: int = 0) -> Iterator[str]:
    """Lines of a table: the first `left` columns flush left, the others right, two spaces between where 80 columns allow it, else one."""
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    gap = "  " if sum(widths) + 2 * (len(widths) - 1) <= COLUMNS_MOST else " "
    for row in rows:
        yield gap.join(cell.ljust(width) if place < left else cell.rjust(width)
                       for place, (cell, width) in enumerate(zip(row, widths, strict=True))).rstrip()


def print_statistics(target: Console, result: Result) -> None:
    """One row for each PE and one for all; beyond ROWS_MOST the least and the most. `cycles` of all is the latest PE's clock."""
    names = [name for _, _, name in _COLUMNS]
    rows = [["", *(first for first, _, _ in _COLUMNS)], ["PE", *(second for _, second, _ in _COLUMNS)]]
    pes = result.statistics
    if len(pes) <= ROWS_MOST:
        rows += [[str(index), *(count(one[name]) for name in names)] for index, one in enumerate(pes)]
    else:
        rows += [[word, *(count(choose(one[name] for one in pes)) for name in names)] for word, choose in (("least", min), ("most", max))]
    if len(pes) > 1:
        rows.append(["all", count(result.cycles), *(count(sum(one[name] for one in pes)) for name in names[1:])])
    target.out()
    for line in [*columns(rows), *summary_lines(result)]:
        target.out(line)


def print_rendezvous(target: Console, summary: RendezvousFigures) -> None:
    """Every phase since the SGI was sent, then from phase to phase: each PE and all together, in cycles and in ns."""
    target.out(summary.summary)
    if not summary.measured_rounds:
        return
    for title, statistics in (("since the SGI was sent", summary.phases), ("from phase to phase", summary.intervals)):
        target.out()
        target.out(f"{title:24}{'cycles':>24}{'ns':>31}")
        target.out(f"{'':10}{''.join(f'{figure:>8}' for figure in _FIGURES)}  {''.join(f'{figure:>9}' for figure in _FIGURES)}")
        phase = None
        for one in statistics:
            if one.name != phase:
                phase = one.name
                target.out(phase)
            values = (one.minimum_cycles, one.median_cycles, one.p99_cycles, one.maximum_cycles)
            cycles = "".join(f"{value:>8.1f}" if value % 1 else f"{int(value):>8}" for value in values)
            nanoseconds = "".join(f"{value * 1e9 / summary.clock_hz:>9.1f}" for value in values)
            target.out(f"{'  all PEs' if one.pe is None else f'  PE {one.pe}':10}{cycles}  {nanoseconds}")


def print_sections(target: Console, sections: Iterable[Sequence[str]]) -> None:
    """Lines of text, an empty line before each section."""
    for lines in sections:
        target.out()
        for line in lines:
            target.out(line)


def print_verdict(target: Console, verdict: Verdict) -> None:
    """The last line; green or red on a terminal."""
    target.out(str(verdict), style="bold green" if verdict.exit_code == 0 else "bold red")


def summary_lines(result: Result) -> Iterable[str]:
    """Simulated and host time, and events that are missing from the log."""
    simulated_us = result.cycles * 1e6 / result.clock_hz
    mips = result.instructions / result.host_seconds / 1e6 if result.host_seconds else 0.0
    yield (f"simulated {simulated_us:,.1f} us at {result.clock_hz / 1e6:g} MHz; "
           f"host {result.host_seconds:.2f} s, {mips:.1f} million instructions a second")
    if result.events.lost or result.events.dropped:
        yield f"events: {result.events.dropped} older ones not kept, {result.events.lost} lost by a full ring"


def print_registers(target: Console, result: Result) -> None:
    """All registers of every PE in hexadecimal, three to a line."""
    for index, registers in enumerate(result.registers):
        target.out(f"\nregisters of PE {index}")
        items = [f"{name:>9} {value:016x}" for name, value in registers.items()]
        for first in range(0, len(items), 3):
            target.out(" ".join(items[first:first + 3]))


def print_passed(target: Console, watched: Sequence[str], result: Result, names: Sequence[str]) -> None:
    """How often, and at which cycles first and last, each PE passed each of the symbols."""
    events = result.events.of("mark")
    rows = [["symbol", "PE", "passed", "first at cycle", "last at cycle"]]
    for name in dict.fromkeys(names):
        mine = events[events["a"] == watched.index(name)]
        if not len(mine):
            rows.append([name, "", "0", "", ""])
        for pe in np.unique(mine["pe"]):
            cycles = mine["cycle"][mine["pe"] == pe]
            rows.append([name, str(pe), str(len(cycles)), str(cycles[0]), str(cycles[-1])])
    target.out()
    for line in columns(rows, left=1):
        target.out(line)


def write_events(path: Path, result: Result) -> None:
    """The event log: text, one line each, or the array itself where the name ends in .npy."""
    if path.suffix == ".npy":
        np.save(path, result.events.array())
        return
    with path.open("w", encoding="utf-8") as out:
        for line in result.events.lines():
            out.write(line + "\n")
        if result.events.lost or result.events.dropped:
            out.write(f"# {result.events.dropped} older events not kept, {result.events.lost} lost by a full ring\n")
