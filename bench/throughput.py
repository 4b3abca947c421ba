"""Host speed of guest code, as ratios to the ceiling measured in the same run.  python bench/throughput.py [--json FILE] [--quick]

Ceiling: the same nine-instruction loop in one Unicorn instance with a plain identity fill and no other hook. Ours: every TLB, cost
and event on, MMU on, 1, 8 and 64 PEs, whole blocks in cycle order and a quantum of 1,024 cycles; the same with all PEs in one page, and
all on one line, in the order of blocks and of single instructions; then working sets that do not fit
the L1 data TLB, and that do not fit the L2 TLB, for each profile. For the cost of many PEs there is a reference too: bare instances that
do nothing but change places after every block. Every figure is the best of several repetitions, taken in turn.
"""
import argparse
import json
import time
from pathlib import Path
from typing import Any

from sim.engine.ceiling import bare_slice_ns, ceiling_mips
from sim.machine import Machine
from sim.timing.profile import load_profile, profile_names

KERNEL = Path(__file__).parent / "kernels" / "nine.s"
REPETITIONS = 3


START_CYCLES = 3_000_000                # by then every PE is in the loop


def machine(pes: int, pages: int, profile: str, shared: int = 0, **settings: Any) -> Machine:
    """A machine that runs the loop, past its start-up. shared: 1 = all PEs use one page, 2 = one line."""
    made = Machine(pes=pes, profile=profile, start="all", **settings)
    made.load(KERNEL, constants={"PAGES": pages, "SHARED": shared})
    made.run(budget_cycles=START_CYCLES)
    return made


def mips(made: Machine, instructions: int) -> tuple[float, dict[str, int]]:
    """Guest instructions a microsecond over about `instructions` instructions, and what the TLBs did meanwhile."""
    before = [dict(one) for one in made.run(budget_cycles=made.clock_cycles() + 1).statistics]
    cycles = max(1000, instructions * 10 // 9 // made.settings.pes)
    counted = sum(made.pes[i].x(0) for i in range(made.settings.pes))
    started = time.perf_counter()
    result = made.run(budget_cycles=made.clock_cycles() + cycles)
    seconds = time.perf_counter() - started
    done = sum(one["instructions"] for one in result.statistics) - sum(one["instructions"] for one in before)
    loops = sum(made.pes[i].x(0) for i in range(made.settings.pes)) - counted
    assert abs(loops * 9 - done) <= 9 * made.settings.pes * 2, f"the guest counted {loops} loops, the simulator {done} instructions"
    delta = {name: sum(after[name] - one[name] for after, one in zip(result.statistics, before, strict=True)) for name in before[0]}
    return done / seconds / 1e6, delta


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--quick", action="store_true", help="a tenth of the instructions")
    options = parser.parse_args()
    scale = 0.1 if options.quick else 1.0
    report: dict[str, Any] = {"loop": {}, "working_sets": {}}
    orders: dict[str, dict[str, Any]] = {"block": {}, "quantum 1024": {"interleaving": "quantum", "quantum_cycles": 1024},
                                         "instruction": {"interleaving": "instruction"}}
    loops = {(name, pes): machine(pes, 1, "cortex-a72", **orders[name]) for name in ("block", "quantum 1024")
             for pes in (1, 4, 8, 64)}
    for name in ("block", "instruction"):
        loops |= {(f"{name}, {what}", 4): machine(4, 1, "cortex-a72", shared, **orders[name])
                  for shared, what in ((0, "own pages"), (1, "one page"), (2, "one line")) if shared or name == "instruction"}
    best: dict[tuple[str, int], float] = {}
    ceiling = 0.0
    bare = {4: float("inf"), 64: float("inf")}
    for _ in range(REPETITIONS):
        ceiling = max(ceiling, ceiling_mips(int(2_000_000 * scale)))
        for instances, before in bare.items():
            bare[instances] = min(before, bare_slice_ns(instances, int(1_000_000 * scale)))
        for key, made in loops.items():
            best[key] = max(best.get(key, 0.0), mips(made, int(_instructions(key[0]) * scale))[0])
    print(f"ceiling: one Unicorn instance, identity fill, no hook   {ceiling:8.1f} MIPS")
    for (name, pes), value in best.items():
        print(f"{name:>22}, {pes:3d} PEs   {value:8.1f} MIPS   {value / ceiling:6.1%} of the ceiling")
        report["loop"][f"{name}, {pes} PEs"] = {"mips": value, "ratio": value / ceiling}
    report |= {"ceiling_mips": ceiling, "cost_64_against_4": {}}
    for name in ("block", "quantum 1024"):
        ratio = best[name, 4] / best[name, 64]
        print(f"host time for a guest instruction, 64 PEs against 4, {name}   {ratio:.2f}")
        report["cost_64_against_4"][name] = ratio
    ratio = bare[64] / bare[4]
    print(f"the same of bare instances that only change places after every block   {ratio:.2f}   ({bare[4]:.0f} ns with 4, {bare[64]:.0f} ns with 64)")
    report["bare_slice_ns"] = bare
    for profile in profile_names():
        tlb = load_profile(profile).tlb
        for what, pages in (("beyond L1", _power_of_two_above(tlb.l1d.entries)), ("beyond L2", _power_of_two_above(tlb.l2.entries))):
            made = machine(1, pages, profile, interleaving="quantum", quantum_cycles=1024)
            value, delta = mips(made, int((20e6 if what == "beyond L1" else 2e6) * scale))
            print(f"{profile:>14}, {pages:5d} pages, {what}   {value:8.1f} MIPS   {value / ceiling:6.1%}   "
                  f"L1D misses {delta['l1d_misses']:,}, walks {delta['walks']:,}")
            report["working_sets"][f"{profile}, {what}"] = {"pages": pages, "mips": value, "ratio": value / ceiling,
                                                            "l1d_misses": delta["l1d_misses"], "walks": delta["walks"]}
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(report, indent=1))


def _instructions(name: str) -> float:
    """How many to run for a figure."""
    if name == "quantum 1024":
        return 60e6
    return 20e6 if name == "block" else 4e6


def _power_of_two_above(entries: int) -> int:
    return 1 << entries.bit_length()


if __name__ == "__main__":
    main()
