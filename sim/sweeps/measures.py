"""What is kept of a run: a plain document, and in it every figure under a flat name.

    cycles, instructions, walks, ...                    the statistics of `quiesce run`, over all PEs
    marks.mark_taken.passed                             how often a mark was passed
    rendezvous.gathered.p99_cycles                      of the kernel `rendezvous`, the durations of all PEs together
    bench.normal_ipi.total.p50_cycles                   of the kernels of `quiesce bench`: total, delivery, operation of each scenario
"""
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from firmware.benchmarks import Benchmark, benchmarks, mark_array
from firmware.kernels import Kernel
from firmware.rendezvous import MARK_NAMES, RendezvousReport
from sim.benchmarks.distribution import Distribution
from sim.experiments.kernel_build import rendezvous_of
from sim.result import STATISTICS, Result

CONSOLE_MOST = 4096                     # characters of the guest's text that are kept: the last ones

Document = dict[str, Any]
Measures = dict[str, int | float]


def document_of(kernel: Kernel | None, watched: Sequence[str], result: Result, constants: Mapping[str, int]) -> Document:
    """Plain values, the same on every host: no time of the host's is among them. kernel: None for a file. watched: marks, by number."""
    whole = result.to_json()
    document: Document = {name: whole[name] for name in ("verdict", "settings", "clock_hz", "cycles", "instructions")}
    document["exit_code"] = result.verdict.exit_code
    document["console"] = result.console[-CONSOLE_MOST:]
    document["pes"] = result.statistics
    measures: Measures = {name: sum(one[name] for one in result.statistics) for name in STATISTICS}
    measures |= {"cycles": result.cycles, "instructions": result.instructions}
    if result.exit_status is not None:
        measures["exit_status"] = result.exit_status
    document["marks"] = _marks(watched, result)
    measures |= {f"marks.{name}.passed": one["passed"] or 0 for name, one in document["marks"].items()}
    if kernel is not None and kernel.marks == MARK_NAMES:
        report = rendezvous_of(watched, result, constants)
        document["rendezvous"] = report.to_json()
        measures |= _rendezvous_measures(report)
    for benchmark in benchmarks():
        if kernel is not None and benchmark.kernel == kernel.name:
            document["bench"] = _bench(benchmark, watched, result, constants)
            measures |= _bench_measures(document["bench"])
    document["measures"] = measures
    return document


def _marks(watched: Sequence[str], result: Result) -> dict[str, dict[str, int | None]]:
    """Of each mark, how often all PEs passed it together, and the cycles of the first and the last time."""
    events = result.events.of("mark")
    found: dict[str, dict[str, int | None]] = {}
    for number, name in enumerate(watched):
        cycles = events["cycle"][events["a"] == np.uint64(number)]
        found[name] = {"passed": len(cycles), "first_cycle": int(cycles.min()) if len(cycles) else None,
                       "last_cycle": int(cycles.max()) if len(cycles) else None}
    return found


def _rendezvous_measures(report: RendezvousReport) -> Measures:
    found: Measures = {"rendezvous.measured_rounds": report.measured_rounds}
    for one in (*report.phases, *report.intervals):
        if one.pe is None:
            name = f"rendezvous.{_word(one.name)}"
            found |= {f"{name}.minimum_cycles": one.minimum_cycles, f"{name}.median_cycles": one.median_cycles,
                      f"{name}.p99_cycles": one.p99_cycles, f"{name}.maximum_cycles": one.maximum_cycles}
    return found


def _bench(benchmark: Benchmark, watched: Sequence[str], result: Result, constants: Mapping[str, int]) -> dict[str, Any]:
    """Of each scenario that ran: how many rounds, and their durations as `quiesce bench` counts them."""
    found: dict[str, Any] = {}
    for samples in benchmark.samples(mark_array(benchmark, watched, result.events.of("mark")), constants):
        durations = {"total": samples.total_cycles, "delivery": samples.delivery_cycles, "operation": samples.operation_cycles}
        found[_word(samples.scenario)] = {"rounds": samples.rounds} | {
            name: Distribution.of(cycles.ravel()).to_json(result.clock_hz)
            for name, cycles in durations.items() if cycles is not None and cycles.size}
    return found


def _bench_measures(scenarios: Mapping[str, Any]) -> Measures:
    found: Measures = {}
    for scenario, one in scenarios.items():
        found[f"bench.{scenario}.rounds"] = one["rounds"]
        for name in ("total", "delivery", "operation"):
            figures = one[name]["cycles"] if name in one else {}
            found |= {f"bench.{scenario}.{name}.{figure}_cycles": value for figure, value in figures.items()}
    return found


def _word(name: str) -> str:
    """A name in words as one word."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
