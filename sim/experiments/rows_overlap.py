"""Rows about changes of size without a break: TLB entries that overlap, and the nT bit. FEAT_BBM says which outcomes there may be.

Every scenario is the kernel `window` with UPDATE_DIRECT or UPDATE_NT. WALKS_BESIDE makes B lose its walk cache and read another page of the
run, so that it meets the block while it holds a page: a walk cache that still led to the old table would hide the block from it.
"""
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from firmware.window import (
    ACTIVITY_TIMER,
    ACTIVITY_TOUCH,
    CHANGE_PROMOTE,
    EXIT_NO_ANSWER,
    OBJECT_DATA,
    OBJECT_PCPU,
    UPDATE_DIRECT,
    UPDATE_NT,
)
from sim.arch.descriptor import NT
from sim.errors import UserError
from sim.experiments.row import Row, Seen, all_of, expect, over_seeds
from sim.experiments.rows_window import few, frames_that_fit
from sim.experiments.window_runs import EVENTS, Log, Rows, WindowTrial
from sim.machine import Machine
from sim.result import Result
from sim.settings import MULTI_HITS, MULTI_HITS_PERMITTED

CONFLICT, TRANSLATION_LEVEL_2, STATUS_MASK = 0x30, 0x06, 0x3F
EXIT_PANIC = 4
SHORT_DELAY_TURNS, LONG_DELAY_TURNS = 300, 30_000       # of PE 0's loop before its TLBIs: shorter, and longer, than a stack is deep
LEVEL_2 = 2


def _trial(pes: int, options: dict[str, int], **settings: Any) -> WindowTrial:
    trial = WindowTrial(pes, {"CHANGE": CHANGE_PROMOTE, **options}, **settings)
    trial.settings["events"] = (*EVENTS, "conflict", "walk", "fill", "tlbi_complete")
    return trial


def _statuses(log: Log, pe: int) -> Counter[int]:
    """The fault status codes of a PE's synchronous exceptions at EL1."""
    return Counter((log.aborts(pe)["a"] & np.uint64(STATUS_MASK)).tolist())


def _level_2_walks(log: Log, pe: int) -> Rows:
    """Walks of a PE that ended at a descriptor of level 2 of the run."""
    walks = log.of_kind("walk", pe)
    found: Rows = walks[(walks["aux"] == LEVEL_2) & (walks["a"] >> np.uint64(21) == np.uint64(log.trial.constants["KMEM_VA"] >> 21))]
    return found


def overlap(pes: int, seeds: int, level: int, outcome: str) -> Seen:
    """T-32, T-33. A block is written over the table while B holds a page of it; B reads another page, then that one."""
    trial = _trial(pes, {"UPDATE": UPDATE_DIRECT, "OBJECT": OBJECT_DATA, "ACTIVITY": ACTIVITY_TOUCH, "WALKS_BESIDE": 1,
                         "TLBI_DELAY_TURNS": SHORT_DELAY_TURNS}, feat_bbm=level, multi_hit=outcome)

    def judge(result: Result) -> str:
        log = Log(trial, result)
        met = {pe: log.of_kind("conflict", pe)["aux"].tolist() for pe in trial.victims}
        expect(any(met.values()), "nobody held a page and the block at once")
        expect({MULTI_HITS[number] for numbers in met.values() for number in numbers} == {outcome}, f"outcomes {met}")
        if outcome != "abort":
            counts = log.counts()
            expect(result.exit_status == 0 and counts["wrong"] == 0, f"{result.verdict}, {counts}")
            expect(not any(len(log.aborts(pe)) for pe in trial.victims), "a fault")
            return "served, the same PA"
        log.expect_end(EXIT_PANIC, "panic: vm_fault failed")
        pe = result.verdict.pe
        expect(pe is not None and _statuses(log, pe)[CONFLICT] >= 1, f"PE {pe}: status codes {_statuses(log, pe or 0)}")
        return "conflict abort (0x30), panic: no handler"

    return over_seeds(trial, judge, range(seeds))


def forbidden(level: int, outcome: str) -> Seen:
    """T-33. An outcome that the level rules out cannot be configured."""
    try:
        Machine(feat_bbm=level, multi_hit=outcome)
    except UserError as error:
        return Seen(True, f"refused: {str(error).partition(':')[0]}")
    return Seen(False, f"a machine of level {level} takes {outcome!r}")


def levels_row(seeds: int) -> Seen:
    """T-33, all levels and outcomes."""
    parts: list[tuple[str, Callable[[], Seen]]] = []
    for level in (1, 2, 3):
        for outcome in ("abort", "old", "new", "amalgamation"):
            if outcome in MULTI_HITS_PERMITTED[level]:
                parts.append((f"level {level}, {outcome}", partial(overlap, 2, seeds, level, outcome)))
            else:
                parts.append((f"level {level}, {outcome}", partial(forbidden, level, outcome)))
    return all_of(parts)


def conflict_recursion(pes: int, seeds: int, activity: int, turns: int) -> Seen:
    """T-34. The overlap is on pcpu: each vector entry loads from it and meets the conflict again, until the TLBIs come or the stack ends."""
    trial = _trial(pes, {"UPDATE": UPDATE_DIRECT, "OBJECT": OBJECT_PCPU, "ACTIVITY": activity, "WALKS_BESIDE": 1, "TLBI_DELAY_TURNS": turns},
                   feat_bbm=2, multi_hit="abort")
    fits = frames_that_fit(trial.constants["STACK_BYTES"])

    def judge(result: Result) -> str:
        log = Log(trial, result)
        depths = {pe: _statuses(log, pe)[CONFLICT] for pe in trial.victims}
        deepest = max(depths.values())
        expect(deepest > 1, f"conflict aborts, by PE: {depths}")
        if turns == LONG_DELAY_TURNS:
            log.expect_end(EXIT_NO_ANSWER)
            expect(fits <= deepest <= fits + 2, f"{deepest} conflict aborts, though {fits} frames fit")
            return f"{deepest} conflict aborts deep, then the stack is used up"
        expect(deepest < fits, f"{deepest} deep")
        log.expect_end(EXIT_PANIC, "panic: vm_fault failed")
        return f"{deepest} conflict aborts deep until the TLBIs, then the panic about the first"

    return over_seeds(trial, judge, range(seeds))


def nt_walks(pes: int, seeds: int, activity: int) -> Seen:
    """T-35, nT answered by walks: no fault, and while nT stands nothing of the run is held by B."""
    trial = _trial(pes, {"UPDATE": UPDATE_NT, "OBJECT": OBJECT_PCPU | OBJECT_DATA, "ACTIVITY": activity}, feat_bbm=1)
    trial.marks += ["mark_nt", "mark_nt_replaced"]

    def judge(result: Result) -> str:
        log = Log(trial, result)
        counts = log.counts()
        expect(result.exit_status == 0 and counts["wrong"] == counts["healed"] == 0, f"{result.verdict}, {counts}")
        expect(log.deepest() == 0, "a synchronous exception at EL1")
        rounds = len(log.of_kind("tlbi_complete", 0)) - len(log.marks("mark_changed", 0))      # one belongs to putting the run back
        walks = 0
        for pe in trial.victims:
            found = _level_2_walks(log, pe)
            under_nt = found[(found["c"] & np.uint64(NT)) != 0]
            walks += len(under_nt)
            fills = log.of_kind("fill", pe)
            between = (fills["cycle"] > log.marks("mark_nt", 0)[0] + _delay(trial)) & (fills["cycle"] < log.marks("mark_nt_replaced", 0)[0])
            inside = fills["a"] >> np.uint64(21) == np.uint64(trial.constants["KMEM_VA"] >> 21)
            held = int(np.count_nonzero(between & inside & (fills["c"] > 1 << 16)))
            expect(held == 0, f"PE {pe} filled a TLB {held} times from the block while nT stood")
        expect(walks > 0, "nobody walked while nT stood")
        expect(rounds == 2, f"{rounds} rounds of TLBI and DSB")
        return "no fault, every access walks, two rounds of TLBI and DSB"

    return over_seeds(trial, judge, range(seeds))


def _delay(trial: WindowTrial) -> int:
    """Cycles that a TLBI takes to the last PE at most, when another message is before it."""
    assert trial.machine is not None
    machine = trial.machine.state.machine[0]
    return sum(int(machine[name]) for name in ("dvm_other_socket", "dvm_snoop", "dvm_occupancy"))


def nt_faults(pes: int, seeds: int) -> Seen:
    """T-35, nT answered by translation faults: the interrupt in the window recurses as under naive."""
    trial = _trial(pes, {"UPDATE": UPDATE_NT, "OBJECT": OBJECT_PCPU, "ACTIVITY": ACTIVITY_TIMER}, feat_bbm=1, nt_faults=True)
    fits = frames_that_fit(trial.constants["STACK_BYTES"])

    def judge(result: Result) -> str:
        log = Log(trial, result)
        faults = {pe: _statuses(log, pe)[TRANSLATION_LEVEL_2] for pe in trial.victims}
        deepest = max(faults.values())
        expect(deepest > 1 and log.deepest() > 1, f"translation faults of level 2, by PE: {faults}")
        if result.exit_status == 0:
            return "recursion that unwinds"
        log.expect_end(EXIT_NO_ANSWER)
        expect(deepest >= fits, f"{deepest} faults, though {fits} frames fit")
        return "recursion until the stack is used up"

    return over_seeds(trial, judge, range(seeds))


ROWS = (
    Row("T-32", "BBML0: a block is written over a table, B has a page of it cached, touches another page and that one",
        "multi-hit; each of conflict abort 0x30, old, new, amalgamation can be had; FreeBSD panics on the abort",
        lambda seeds: all_of([(outcome, partial(overlap, 2 if outcome != "abort" else 4, seeds, 0, outcome))
                              for outcome in ("abort", "old", "new", "amalgamation")]), is_race=True),
    Row("T-33", "the same at BBML1 to 3", "levels 1 and 2: abort, old or new; level 3: old or new; the PA is the same in all", levels_row, is_race=True),
    Row("T-34", "BBML2, conflict abort on pcpu", "recursion: each vector entry meets the conflict again until the TLBI",
        lambda seeds: all_of([
            ("interrupts, long", lambda: conflict_recursion(2, few(seeds), ACTIVITY_TIMER, LONG_DELAY_TURNS)),
            ("a plain access", lambda: conflict_recursion(2, seeds, ACTIVITY_TOUCH, SHORT_DELAY_TURNS)),
        ]), is_race=True),
    Row("T-35", "BBML1: the nT sequence, nT answered by walks or by faults",
        "walks: no window of faults, no TLB fill meanwhile; faults: T-02 and T-03 again; two rounds of TLBI and DSB",
        lambda seeds: all_of([
            ("walks, interrupts", lambda: nt_walks(2, seeds, ACTIVITY_TIMER)),
            ("walks, 4 PEs touch", lambda: nt_walks(4, few(seeds), ACTIVITY_TOUCH)),
            ("faults", lambda: nt_faults(2, seeds)),
        ]), is_race=True),
)
