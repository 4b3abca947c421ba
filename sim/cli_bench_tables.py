"""The tables of `quiesce bench`: latency, percentiles, phases, skew, fit, stack, histogram."""
from collections.abc import Callable, Iterator, Mapping, Sequence

from rich.console import Console
from rich.table import Table

from sim.benchmarks.distribution import Distribution, histogram_lines
from sim.benchmarks.fit import SHAPES, Fit
from sim.benchmarks.point import INITIATOR, OTHERS, Point
from sim.benchmarks.rounds import PHASES
from sim.benchmarks.skew import PESkew, Skew

LATE_WIDTH = 45                         # characters for the latest PEs in the table of skew
SHORT = {"TLB misses": "TLB", "mispredicted": "mis-\npred.", "barrier wait": "DSB\nwait", "WFI and WFE": "WFI,\nWFE", "coherence": "lines",
         "spinning": "spin", "waking": "wake", "return": "ERET"}


def plain_table(columns: Sequence[tuple[str, bool]], apart: int = 2) -> Table:
    """A table without lines; columns: heading, and whether it is text. apart: characters between columns."""
    table = Table(box=None, pad_edge=False, padding=(0, apart, 0, 0))
    for heading, is_text in columns:
        table.add_column(heading, justify="left" if is_text else "right", no_wrap=True)
    return table


def decimals(value: float) -> str:
    """A duration in ns in few characters: one decimal below 10,000, none from there."""
    return f"{value:,.1f}" if value < 10_000 else f"{value:,.0f}"


def latency_table(points: Sequence[Point]) -> Table:
    """The two columns of the Linux benchmark, which prints means: delivery to the target, and the whole."""
    table = plain_table((("PEs", False), ("scenario", True), ("delivery\nns", False), ("\ncycles", False), ("total\nns", False), ("\ncycles", False),
                         ("samples", False)))
    for one in _with_gaps(points, table):
        cells = [str(one.pes), one.scenario]
        for distribution in (one.delivery, one.total):
            cells += [decimals(one.ns(distribution.mean)), f"{distribution.mean:,.0f}"] if distribution else ["-", "-"]
        table.add_row(*cells, str(one.rounds))
    return table


def percentile_table(points: Sequence[Point], choose: Callable[[Point], Distribution | None]) -> Table:
    """Percentiles in ns, the median in cycles too; points without such a distribution are left out."""
    table = plain_table((("PEs", False), ("scenario", True), ("p50 cycles", False),
                         *((f"{name} ns", False) for name in ("p50", "p90", "p99", "p99.9", "max"))), apart=1)
    for one in _with_gaps([one for one in points if choose(one)], table):
        distribution = choose(one)
        if distribution:
            table.add_row(str(one.pes), one.scenario, f"{distribution.p50:,}", *(decimals(one.ns(value)) for _, value in distribution.figures))
    return table


def phase_table(points: Sequence[Point]) -> Table:
    """Median of each phase in ns, and its share of all time."""
    there = [phase for phase in PHASES if any(phase == found.name for one in points for found in one.phases)]
    table = plain_table((("PEs", False), ("scenario", True), *((phase, False) for phase in there)), apart=1)
    for one in _with_gaps([one for one in points if one.phases], table):
        found = {phase.name: f"{decimals(one.ns(phase.distribution.p50))} {phase.share:4.0%}" for phase in one.phases}
        table.add_row(str(one.pes), one.scenario, *(found.get(phase, "-") for phase in there))
    return table


def skew_table(points: Sequence[Point]) -> Table:
    """From the first PE to the last, and which PEs are last; of phases that are not always ended at once."""
    table = plain_table((("PEs", False), ("scenario", True), ("end of", True), ("spread\np50 ns", False), ("\np99 ns", False), ("\nmax ns", False),
                         ("PEs furthest behind the first: p50 ns\n(rounds in which nobody was later)", True)))
    for one in _with_gaps([one for one in points if _apart(one)], table):
        for skew in _apart(one):
            table.add_row(str(one.pes), one.scenario, skew.phase, *(decimals(one.ns(value)) for value in (skew.spread.p50, skew.spread.p99, skew.spread.maximum)),
                          _late(one, skew.pes))
    return table


def _apart(one: Point) -> list[Skew]:
    return [skew for skew in one.skews if skew.spread.maximum]


def _late(one: Point, pes: Sequence[PESkew]) -> str:
    """The PEs that are furthest behind, latest first, as many as fit."""
    text = ""
    for pe in sorted((pe for pe in pes if pe.behind.maximum), key=lambda pe: (-pe.behind.p50, -pe.last_rounds, pe.pe)):
        more = f"PE {pe.pe} {decimals(one.ns(pe.behind.p50))} ({pe.last_rounds / one.rounds:.0%})"
        if text and len(text) + len(more) + 2 > LATE_WIDTH:
            break
        text += (", " if text else "") + more
    return text


def fit_table(fitted: Mapping[str, Sequence[Fit]], clock_hz: int) -> Table:
    """The shape that predicts best, and R² of all that have more points than terms."""
    shapes = [shape for shape, terms in SHAPES.items() if len(terms) > 1]
    table = plain_table((("scenario", True), ("grows as", True), ("ns, n = how many", True), ("leave-one-out\nerror ns", False),
                         *((f"R²\n{shape}", False) for shape in shapes)))
    for scenario, fits in fitted.items():
        if not fits:
            continue
        best = fits[0]
        r_squared = {fit.shape: f"{fit.r_squared:.4f}" for fit in fits if fit.error_cycles is not None}
        error = "-" if best.error_cycles is None else decimals(best.error_cycles * 1e9 / clock_hz)
        table.add_row(scenario, best.shape, best.text(clock_hz), error, *(r_squared.get(shape, "-") for shape in shapes))
    return table


def stack_table(points: Sequence[Point]) -> Table:
    """Of initiators and of the other PEs: cycles in a round (of one PE), and where they went."""
    names = list(points[0].stacks[INITIATOR].components)
    table = plain_table((("PEs", False), ("scenario", True), ("of", True), ("cycles\na round", False), ("CPI", False),
                         *((SHORT.get(name, name), False) for name in names)))
    for one in _with_gaps(points, table):
        for part in (INITIATOR, OTHERS):
            stack = one.stacks[part]
            if not stack.total_cycles:
                continue
            cpi = f"{stack.total_cycles / stack.instructions:.1f}" if stack.instructions else "-"
            table.add_row(str(one.pes), one.scenario, part, f"{stack.total_cycles / one.rounds / one.members(part):,.0f}", cpi,
                          *(f"{stack.share(name):.0%}" if stack.components[name] else "-" for name in names))
    return table


def print_histograms(target: Console, points: Sequence[Point]) -> None:
    """A histogram of the total for each of these points."""
    for one in points:
        target.out(f"{one.label}, {one.rounds} rounds")
        for line in histogram_lines(one.buckets, one.clock_hz):
            target.out(line)


def _with_gaps(points: Sequence[Point], table: Table) -> Iterator[Point]:
    """The points; between two numbers of PEs an empty row, if there are several scenarios of each."""
    apart = len({one.scenario for one in points}) > 1
    previous: Point | None = None
    for one in points:
        if apart and previous is not None and previous.pes != one.pes:
            table.add_row()
        previous = one
        yield one
