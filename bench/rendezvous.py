"""Rendezvous rounds a second of host time, and what a PE costs in memory.  python bench/rendezvous.py [--json FILE] [--quick]

Reference of the same run: the ceiling (see `sim.engine.ceiling`), so that the rate is also a share of what the host could do.
"""
import argparse
import json
import resource
from pathlib import Path
from typing import Any

from firmware.kernels import kernel
from sim.engine.ceiling import ceiling_mips
from sim.machine import Machine
from sim.observers.verdict import PAUSED

REPETITIONS, WARMUP = 3, 3
BUDGET_CYCLES = 1 << 40
PES = (2, 8, 64, 256)
MANY_PES = 64                           # from here on a tenth of the rounds; with more PEs a fiftieth
MEMORY_PES = 64


def run(pes: int, rounds: int) -> tuple[float, int]:
    """Host seconds and guest instructions of so many rounds and the report: from where PE 0 begins the first after WARMUP more."""
    built_in = kernel("rendezvous")
    machine = Machine(pes=pes).load(built_in.path, constants=built_in.build_constants(pes, rounds, WARMUP), marks=built_in.marks,
                                    include_dirs=built_in.include_directories)
    for _ in range(WARMUP + 1):         # boot, and rounds in which each PE meets its code and pages for the first time
        booted = machine.run(BUDGET_CYCLES, until=built_in.marks[0])
        assert booted.verdict.kind == PAUSED, booted.verdict
    result = machine.run(BUDGET_CYCLES)
    assert f"rendezvous: {pes} PEs, {rounds} rounds, all acted" in result.console, result.console
    return result.host_seconds, result.instructions - booted.instructions


def rounds_a_second(pes: int, rounds: int) -> tuple[float, float]:
    """Rounds and guest instructions (millions) a second of host time, at their best of several runs."""
    run(pes, 2)                         # what only a first run does (compiled code read in, pages of memory touched) is in none of them
    seconds, instructions = min(run(pes, rounds) for _ in range(REPETITIONS))
    return rounds / seconds, instructions / seconds / 1e6


def resident_bytes() -> int:
    """Memory of this process that is resident now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def bytes_a_pe() -> float:
    """Resident memory of one PE more, after a run, beyond RAM (which the two machines use alike)."""
    kept, used = [], []
    for pes in (1, MEMORY_PES):
        before = resident_bytes()
        built_in = kernel("rendezvous")
        machine = Machine(pes=pes).load(built_in.path, constants=built_in.build_constants(pes, 3, 0), include_dirs=built_in.include_directories)
        assert machine.run().exit_status == 0
        used.append(resident_bytes() - before)
        kept.append(machine)
    return (used[1] - used[0]) / (MEMORY_PES - 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--quick", action="store_true", help="a tenth of the rounds")
    options = parser.parse_args()
    rounds = 100 if options.quick else 1000
    report: dict[str, Any] = {"rounds_a_second": {}}
    ceiling = ceiling_mips(2_000_000)
    print(f"ceiling: one Unicorn instance, identity fill, no hook   {ceiling:8.1f} MIPS")
    for pes in PES:
        rate, mips = rounds_a_second(pes, rounds if pes < MANY_PES else rounds // 10 if pes == MANY_PES else max(rounds // 50, 4))
        print(f"rendezvous, {pes:3d} PEs   {rate:8.0f} rounds a second   {mips:6.1f} MIPS   {mips / ceiling:6.1%} of the ceiling")
        report["rounds_a_second"][str(pes)] = {"rounds": rate, "mips": mips, "ratio": mips / ceiling}
    report["bytes_a_pe"] = bytes_a_pe()
    print(f"memory: {report['bytes_a_pe'] / 1e6:.2f} MB for each PE, RAM apart")
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
