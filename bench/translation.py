"""Speed of compiled TLB lookups, walks and translations, and their ratio to plain reference loops in the same run.

    python bench/translation.py [--json FILE]

Asked for: 20 million L1 lookups and 3 million four-level walks a second. References: for lookups a compiled search of 48 tags in one
array of words, without permissions, ASIDs or hints; for walks the four dependent loads alone. Every loop returns a sum that proves the work.
"""
import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numba import njit

import sim.engine.symbols  # noqa: F401  (compiled functions call the engine by name)
from sim.arch.memory_map import RAM_PA
from sim.hot.tlb import lookup_l1
from sim.hot.translate import translate
from sim.hot.walk import OK, walk
from sim.state import dtypes
from sim.state.arrays import State
from sim.state.handle import walked_of

u64 = np.uint64
ZERO, THREE, NINE, TWELVE, TOP_SHIFT, TABLE_MASK = u64(0), u64(3), u64(9), u64(12), u64(60), u64(0xFFFF_FFFF_F000)
INDEX_MASK, INDEX_SHIFT = u64(511), u64(39)
READ = u64(dtypes.ACCESS_READ)
REPEATS = 3
LEAF = 0b11 | 1 << 10


class Measured(NamedTuple):
    """One line of the result: calls, and host seconds of the fastest of REPEATS runs."""

    name: str
    calls: int
    seconds: float

    @property
    def per_second(self) -> float:
        return self.calls / self.seconds


@njit
def lookups(m, vas, rounds):  # type: ignore[no-untyped-def]
    total = np.int64(0)
    for _ in range(rounds):
        for k in range(len(vas)):
            total += lookup_l1(m, np.int64(0), vas[k], ZERO, False)
    return total


@njit
def reference_lookups(tags, vas, rounds):  # type: ignore[no-untyped-def]
    total = np.int64(0)
    for _ in range(rounds):
        for k in range(len(vas)):
            tag = vas[k] >> TWELVE
            for slot in range(len(tags)):
                if tags[slot] == tag:
                    total += slot
                    break
    return total


@njit
def walks(m, vas, rounds):  # type: ignore[no-untyped-def]
    total = ZERO
    for _ in range(rounds):
        for k in range(len(vas)):
            if walk(m, np.int64(0), vas[k]) == OK:
                total += walked_of(m, np.int64(0))["pa"] >> TWELVE
    return total


@njit
def reference_walks(words, vas, rounds, ram_pa, table_mask):  # type: ignore[no-untyped-def]
    total, table = ZERO, ZERO
    for _ in range(rounds):
        for k in range(len(vas)):
            va = vas[k] + (table >> TOP_SHIFT)                   # adds 0, but the compiler cannot know: one walk after another
            table, shift = ram_pa, INDEX_SHIFT
            for _level in range(4):
                offset = (table - ram_pa >> THREE) + (va >> shift & INDEX_MASK)
                table = words[np.int64(offset)] & table_mask
                shift -= NINE
            total += table >> TWELVE
    return total


@njit
def translations(m, vas, rounds):  # type: ignore[no-untyped-def]
    total = ZERO
    for _ in range(rounds):
        for k in range(len(vas)):
            if translate(m, np.int64(0), vas[k], READ, ZERO, ZERO) == OK:
                total += walked_of(m, np.int64(0))["pa"] >> TWELVE
    return total


def fastest(name: str, calls: int, run: Callable[[], Any], expected: int) -> Measured:
    """Run once to compile, then REPEATS times; the sum must be what the work gives."""
    run()
    best = float("inf")
    for _ in range(REPEATS):
        start = time.perf_counter()
        total = run()
        best = min(best, time.perf_counter() - start)
        if int(total) != expected:
            raise SystemExit(f"{name}: the work was not done: sum {int(total)}, expected {expected}")
    return Measured(name, calls, best)


def build(pages: int) -> tuple[State, np.ndarray]:
    """A PE with 48-entry L1 TLBs, L2 of 256 sets of 5, no walk cache; `pages` pages of a 48-bit VA space through four levels.

    Page k has output address k * 4096 beyond 2 GiB. The pages lie under two level 3 tables, in shuffled order.
    """
    state = State(1, 1 << 24, l1i=48, l1d=48, l2=(256, 5), walk_cache=(1, 1))
    state.machine[0]["walk_cache_sets"] = 0
    pe = state.pes[0]
    pe["sctlr"], pe["tcr"], pe["ttbr0"], pe["ttbr1"], pe["mair"] = 1, 16 | 16 << 16 | 2 << 30 | 5 << 32, RAM_PA, RAM_PA, 0xFF
    base = 0x1234_5600_0000
    vas = [base + 4096 * page for page in range(pages)]
    tables: dict[tuple[int, ...], int] = {(): RAM_PA}
    for number, va in enumerate(vas):
        indices = tuple(va >> shift & 511 for shift in (39, 30, 21, 12))
        for depth in (1, 2, 3):
            tables.setdefault(indices[:depth], RAM_PA + 4096 * len(tables))
            state.ram_words[(tables[indices[: depth - 1]] - RAM_PA) // 8 + indices[depth - 1]] = tables[indices[:depth]] | 3
        state.ram_words[(tables[indices[:3]] - RAM_PA) // 8 + indices[3]] = 0x8000_0000 + 4096 * number | LEAF
    return state, np.random.default_rng(1).permutation(np.array(vas, np.uint64))


def measure() -> list[Measured]:
    """All loops, each named; the references stand beside what they are compared with."""
    results = []
    state, vas = build(48)
    output = sum(0x8_0000 + page for page in range(48))
    for va in vas:
        translate(state.handle, 0, va, READ, ZERO, ZERO)
    tags = np.array([int(entry["va"]) >> 12 for entry in state.l1d[0]], np.uint64)
    assert sorted(tags << TWELVE) == sorted(vas)
    rounds = 100_000
    slots = rounds * sum(range(48))
    results.append(fastest("L1 lookups, 48 of 48 entries", 48 * rounds, lambda: lookups(state.handle, vas, rounds), slots))
    results.append(fastest("reference: search of 48 tags", 48 * rounds, lambda: reference_lookups(tags, vas, rounds), slots))
    results.append(fastest("translations that hit L1", 48 * rounds, lambda: translations(state.handle, vas, rounds), rounds * output))
    state.release()
    state, vas = build(1000)
    rounds = 1000
    output = rounds * sum(0x8_0000 + page for page in range(1000))
    results.append(fastest("walks of four levels", 1000 * rounds, lambda: walks(state.handle, vas, rounds), output))
    reads, done = int(state.pes[0]["n_walk_reads"]), int(state.pes[0]["n_walks"])
    assert reads == 4 * done == 4 * 1000 * rounds * (REPEATS + 1)
    results.append(fastest("reference: four dependent loads", 1000 * rounds,
                           lambda: reference_walks(state.ram_words, vas, rounds, u64(RAM_PA), TABLE_MASK), output))
    results.append(fastest("translations that miss L1, hit L2", 1000 * rounds, lambda: translations(state.handle, vas, rounds), output))
    state.release()
    state, vas = build(1000)
    state.machine[0]["l2_sets"], state.machine[0]["l2_ways"] = 1, 1
    results.append(fastest("translations that miss both, and walk", 1000 * 100, lambda: translations(state.handle, vas, 100), output // 10))
    state.release()
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description="Speed of compiled TLB lookups, walks and translations.")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    arguments = parser.parse_args()
    results = measure()
    rates = {each.name: each.per_second for each in results}
    for each in results:
        print(f"{each.name:40} {each.per_second / 1e6:9.2f} million/s  {1e9 * each.seconds / each.calls:8.1f} ns")
    ratios = {
        "L1 lookups / reference": rates["L1 lookups, 48 of 48 entries"] / rates["reference: search of 48 tags"],
        "walks / reference": rates["walks of four levels"] / rates["reference: four dependent loads"],
    }
    for name, ratio in ratios.items():
        print(f"{name:40} {ratio:9.2f}")
    if arguments.json:
        arguments.json.write_text(json.dumps({"per_second": rates, "ratios": ratios}, indent=2) + "\n")


if __name__ == "__main__":
    main()
