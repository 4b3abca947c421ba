"""Rows of the matrix about what entry code and handlers make of a window: other kernels' entries, retry, locks, the updater's own interrupts.

Every scenario is the kernel `window`; what it varies is an argument of the row's function.
"""
from typing import Any

import numpy as np

from firmware.window import (
    ACTIVITY_IDLE,
    ACTIVITY_TIMER,
    ACTIVITY_TOUCH,
    ACTIVITY_TRANSLATE,
    CHANGE_DEMOTE,
    CHANGE_PROMOTE,
    ENTRY_LINUX,
    ENTRY_SEL4,
    ENTRY_XNU,
    EXIT_NO_ANSWER,
    HANDLER_LOCK,
    HANDLER_RETRY,
    HANDLER_THREAD,
    OBJECT_DATA,
    OBJECT_PCPU,
    OBJECT_STACK,
    OBJECT_THREAD,
    OBJECT_VECTORS,
)
from sim.arch.syndrome import EC_SHIFT, ExceptionClass
from sim.experiments.row import Row, Seen, all_of, expect, over_seeds
from sim.experiments.rows_window import DISPATCHER_BYTES, LIVELOCK_SOON, PAIR_BYTES, few, tlbis_for
from sim.experiments.window_runs import LEVEL_BYTES, SLOT_SYNC, Log, WindowTrial, some_of
from sim.result import Result

EXIT_UNEXPECTED, EXIT_PANIC = 3, 4
HANDLER_PUSHES_BYTES = PAIR_BYTES               # of handle_kernel_abort, when it touches the thread
SHORT_WINDOW_TLBIS = 48                         # of a demotion that something is to fall into


def linux_stack(pes: int, seeds: int, stack_bytes: int = 16384, offset_pages: int = 0) -> Seen:
    """T-07. As T-06 with Linux's entry: SP moves with every fault, until its bit tells."""
    trial = WindowTrial(pes, {"ACTIVITY": ACTIVITY_TIMER, "OBJECT": OBJECT_STACK, "ENTRY": ENTRY_LINUX, "OBJECT_OFFSET_PAGES": offset_pages,
                              "WINDOW_TLBIS": tlbis_for(stack_bytes)},
                        layout={"stack_bytes": stack_bytes})

    def judge(result: Result) -> str:
        log = Log(trial, result)
        log.expect_end(EXIT_PANIC, "panic: insufficient stack space")
        pe = result.verdict.pe
        assert pe is not None
        chain = log.chain(pe)
        expect(len(log.marks("mark_overflow_stack", pe)) == 1, f"PE {pe} did not come to its overflow stack once")
        expect(1 < len(chain) <= stack_bytes // LEVEL_BYTES + 1, f"PE {pe}: {len(chain)} steps through a stack of {stack_bytes} bytes")
        steps = np.diff(chain["c"].astype(np.int64))
        first = 1 if len(steps) and steps[0] != -LEVEL_BYTES else 0     # what was interrupted may have used the stack at another place
        expect(bool((steps[first:] == -LEVEL_BYTES).all()), f"PE {pe}: FAR does not go down by {LEVEL_BYTES} each time")
        return "SP marches down, the bit trips, panic on the overflow stack"

    return over_seeds(trial, judge, range(seeds))


def sel4_stack(pes: int, seeds: int) -> Seen:
    """T-08. As T-06 with seL4's entry: the first fault is the last."""
    trial = WindowTrial(pes, {"ACTIVITY": ACTIVITY_TIMER, "OBJECT": OBJECT_STACK, "ENTRY": ENTRY_SEL4})

    def judge(result: Result) -> str:
        log = Log(trial, result)
        log.expect_end(EXIT_PANIC, "panic: a synchronous exception of the kernel")
        pe = result.verdict.pe
        assert pe is not None
        expect(len(log.aborts(pe)) == 1, f"PE {pe}: {len(log.aborts(pe))} synchronous exceptions")
        expect(len(log.marks("mark_halt", pe)) == 1, f"PE {pe} halted {len(log.marks('mark_halt', pe))} times")
        return "one fault, halt"

    return over_seeds(trial, judge, range(seeds))


def xnu_stack(pes: int, seeds: int, stack_bytes: int = 16384) -> Seen:
    """T-09, pcpu mapped. As T-06 with xnu's entry: SP_EL0 leaves its bounds and is found outside."""
    trial = WindowTrial(pes, {"ACTIVITY": ACTIVITY_TIMER, "OBJECT": OBJECT_STACK, "ENTRY": ENTRY_XNU,
                              "WINDOW_TLBIS": tlbis_for(stack_bytes)}, layout={"stack_bytes": stack_bytes})

    def judge(result: Result) -> str:
        log = Log(trial, result)
        log.expect_end(EXIT_PANIC, "panic: invalid kernel stack")
        pe = result.verdict.pe
        assert pe is not None
        expect(len(log.marks("mark_invalid_stack", pe)) == 1, f"PE {pe} did not come to the handler of invalid stacks")
        steps = len(log.aborts(pe))
        expect(1 < steps <= stack_bytes // LEVEL_BYTES + 2, f"PE {pe}: {steps} faults")
        expect(not (log.aborts(pe)["aux"] == SLOT_SYNC).any(), f"PE {pe}: a fault on the exception stack")
        return "the handler of invalid stacks, the exception stack sound"

    return over_seeds(trial, judge, range(seeds))


def xnu_stack_and_pcpu(pes: int, seeds: int) -> Seen:
    """T-09, pcpu unmapped. The checks themselves fault, each in the handler of the one before."""
    trial = WindowTrial(pes, {"ACTIVITY": ACTIVITY_TIMER, "OBJECT": OBJECT_STACK | OBJECT_PCPU, "ENTRY": ENTRY_XNU})

    def judge(result: Result) -> str:
        log = Log(trial, result)
        pe = result.verdict.pe if result.verdict.pe else next(iter(log.lost()), 1)
        aborts = log.aborts(pe)
        in_check = aborts[aborts["b"] == np.uint64(trial.symbol("mark_exception_check"))]
        expect(len(in_check) > LIVELOCK_SOON, f"PE {pe}: {len(in_check)} faults of the check in its own handler: {result.verdict}")
        expect(bool((in_check["c"] == in_check["c"][0]).all() and in_check["aux"].max() == in_check["aux"].min() == SLOT_SYNC),
               f"PE {pe}: the faults of the check differ")
        expect(trial.object_va(pe, OBJECT_PCPU) <= int(in_check["c"][0]) < trial.object_va(pe, OBJECT_DATA), f"PE {pe}: it is not pcpu that is missing")
        return "the check faults on pcpu in its own handler, until the make"

    return over_seeds(trial, judge, range(seeds))


def lost_vectors(pes: int, seeds: int, livelock_limit: int | None = LIVELOCK_SOON) -> Seen:
    """T-10. The page of the vectors in a window: aborts without one instruction in between. livelock_limit None: what comes after the make."""
    settings: dict[str, Any] = {} if livelock_limit is None else {"livelock_limit": livelock_limit}
    trial = WindowTrial(pes, {"ACTIVITY": ACTIVITY_TIMER, "OBJECT": OBJECT_VECTORS}, **settings)

    def judge(result: Result) -> str:
        log = Log(trial, result)
        pe = result.verdict.pe
        if livelock_limit is not None:
            expect(result.verdict.kind == "livelock" and pe in trial.victims, str(result.verdict))
        else:
            log.expect_end(EXIT_UNEXPECTED, f"PE {pe}, ESR 0x00000000{int(ExceptionClass.INSTRUCTION_ABORT_SAME_EL) << EC_SHIFT >> 28:x}")
        assert pe is not None and trial.machine is not None
        chain = log.chain(pe)
        slot_va = trial.machine.pes[pe].system("VBAR_EL1") + SLOT_SYNC
        expect(bool((chain["a"] >> np.uint64(EC_SHIFT) == ExceptionClass.INSTRUCTION_ABORT_SAME_EL).all()), f"PE {pe}: another exception in between")
        expect(bool((chain["b"][1:] == np.uint64(slot_va)).all() and (chain["c"][1:] == np.uint64(slot_va)).all()), f"PE {pe}: ELR or FAR elsewhere")
        costs = np.diff(chain["cycle"].astype(np.int64))
        expect(len(chain) > LIVELOCK_SOON and int(costs.min()) > 0, f"PE {pe}: {len(chain)} entries, at {costs.min()} cycles")
        if livelock_limit is not None:
            return "instruction aborts at VBAR+0x200 in turn, each charged; verdict livelock"
        return "after the make the handler is told of the vector, not of what was interrupted: unexpected exception"

    return over_seeds(trial, judge, range(seeds))


def thread_before_lookup(pes: int, seeds: int, stack_bytes: int = 16384) -> Seen:
    """T-11, before D37231. The handler touches the thread, which lies in the window."""
    trial = WindowTrial(pes, {"ACTIVITY": ACTIVITY_TIMER, "OBJECT": OBJECT_THREAD, "HANDLER": HANDLER_THREAD,
                              "WINDOW_TLBIS": tlbis_for(stack_bytes)}, layout={"stack_bytes": stack_bytes})
    level_bytes = LEVEL_BYTES + HANDLER_PUSHES_BYTES

    def judge(result: Result) -> str:
        log = Log(trial, result)
        log.expect_end(EXIT_NO_ANSWER)
        expect(log.lost() == list(trial.victims), f"only {log.lost()} gave no answer")
        for pe in log.lost():
            chain = log.chain(pe)
            page = trial.object_va(pe, OBJECT_DATA)
            deep = int(np.count_nonzero(chain["c"] - np.uint64(page) < trial.constants["PAGE_BYTES"]))
            fits = (stack_bytes - LEVEL_BYTES - DISPATCHER_BYTES) // level_bytes
            expect(fits <= deep <= fits + 1, f"PE {pe}: {deep} faults on the thread, {fits} frames of {level_bytes} bytes fit")
        return f"recursion, {level_bytes} bytes a level, to the end of the stack"

    return over_seeds(trial, judge, range(seeds))


def thread_after_lookup(pes: int, seeds: int) -> Seen:
    """T-11, since D37231. The handler touches nothing of the thread: retries of depth one until the make."""
    trial = WindowTrial(pes, {"ACTIVITY": ACTIVITY_TIMER, "OBJECT": OBJECT_THREAD, "HANDLER": HANDLER_RETRY}, rounds=3)

    def judge(result: Result) -> str:
        log = Log(trial, result)
        log.expect_end(0)
        expect(log.deepest() <= 1, f"{log.deepest()} levels")
        expect(log.counts()["wrong"] == 0, str(log.counts()))
        return str(log.counts()["healed"])

    return some_of(trial, judge, seeds, "retries at depth 1, then success", least=seeds)


def zeroed_descriptor(pes: int, seeds: int) -> Seen:
    """T-12. A break that zeroes the descriptor: the handler finds nothing, which is fatal."""
    trial = WindowTrial(pes, {"ACTIVITY": ACTIVITY_TOUCH, "OBJECT": OBJECT_DATA, "BREAK_ZEROES": 1})

    def judge(result: Result) -> str:
        log = Log(trial, result)
        log.expect_end(EXIT_PANIC, "panic: vm_fault failed")
        broken, make = log.windows()[0]
        expect(make is None or broken <= int(log.aborts(int(result.verdict.pe or 0))["cycle"][-1]), "the fault came before the window")
        return "panic: vm_fault failed"

    return over_seeds(trial, judge, range(seeds))


def translations(pes: int, seeds: int, change: int, break_zeroes: bool = False) -> Seen:
    """T-43, and T-12's second half. The PA of an address in a window, by AT, by a walk in software, and by kextract."""
    options = {"ACTIVITY": ACTIVITY_TRANSLATE, "OBJECT": OBJECT_DATA, "CHANGE": change, "BREAK_ZEROES": int(break_zeroes)}
    trial = WindowTrial(pes, options | ({"WINDOW_TLBIS": SHORT_WINDOW_TLBIS} if change == CHANGE_DEMOTE else {}), rounds=3)

    def judge(result: Result) -> str:
        log = Log(trial, result)
        log.expect_end(0)
        counts = log.counts()
        expect(counts["wrong"] == 0, f"{counts['wrong']} translations to another PA")
        expect(log.deepest() == 0, "a fault")
        if break_zeroes:
            return str(counts["not found"])
        expect(counts["not found"] == 0, f"{counts['not found']} times nothing was found")
        return str(counts["not translated"])

    what = "kextract gave 0" if break_zeroes else "AT failed and the walk in software gave the right PA"
    return some_of(trial, judge, seeds, what, least=seeds)


def lock_of_own(pes: int, seeds: int) -> Seen:
    """T-13, same PE. The updater's own interrupt faults in the window, and the handler wants the lock that the updater holds."""
    trial = WindowTrial(pes, {"HANDLER": HANDLER_LOCK, "INTR_DISABLE": 0, "UPDATER_OBJECT": OBJECT_DATA, "UPDATER_TIMER_TICKS": 20})

    def judge(result: Result) -> str:
        log = Log(trial, result)
        log.expect_end(EXIT_PANIC, "panic: the pmap lock is taken by its owner")
        expect(result.verdict.pe == 0, str(result.verdict))
        return "panic: the lock is taken by its owner"

    return over_seeds(trial, judge, range(seeds))


def lock_of_other(pes: int, seeds: int) -> Seen:
    """T-13, other PE. The handler spins for the lock that PE 0 holds during the change, and no longer."""
    trial = WindowTrial(pes, {"ACTIVITY": ACTIVITY_TOUCH, "OBJECT": OBJECT_DATA, "HANDLER": HANDLER_LOCK})

    def judge(result: Result) -> str:
        log = Log(trial, result)
        log.expect_end(0)
        make = log.make_cycle()
        for pe in trial.victims:
            aborts = log.aborts(pe)
            expect(len(aborts) == 1, f"PE {pe}: {len(aborts)} faults, where it spins in the handler of the first")
            returns = log.of_kind("return", pe)["cycle"]
            back = int(returns[returns > aborts["cycle"][0]][0])
            expect(back > make, f"PE {pe}: back at {back}, before the make at {make}")
        return "one fault a PE, which spins in its handler until the make"

    return over_seeds(trial, judge, range(seeds))


def lock_and_answer(pes: int, seeds: int, handler: int) -> Seen:
    """T-13, other PE, and PE 0 waits for it in the window: nobody goes on with the lock, everybody without."""
    trial = WindowTrial(pes, {"ACTIVITY": ACTIVITY_TOUCH, "OBJECT": OBJECT_DATA, "HANDLER": handler, "ASKS_IN_WINDOW": 1})

    def judge(result: Result) -> str:
        log = Log(trial, result)
        if handler == HANDLER_RETRY:
            log.expect_end(0)
            return "a retry lets the IPI in, all answered"
        log.expect_end(EXIT_NO_ANSWER)
        expect(log.windows()[0][1] is None, "the window closed")
        return "deadlock: the window never closes"

    return over_seeds(trial, judge, range(seeds))


def updaters_interrupt(pes: int, seeds: int, kind: int, intr_disable: bool) -> Seen:
    """T-41. An interrupt comes to PE 0 in its window, and the handler needs what lies in the run."""
    trial = WindowTrial(pes, {"ACTIVITY": ACTIVITY_IDLE, "UPDATER_OBJECT": kind, "UPDATER_TIMER_TICKS": 20, "INTR_DISABLE": int(intr_disable)},
                        budget_cycles=2_000_000, recursion_limit=1000, livelock_limit=1000)

    def judge(result: Result) -> str:
        log = Log(trial, result)
        broken, make = log.windows()[0]
        if intr_disable:
            log.expect_end(0)
            ticks = log.marks("mark_tick", 0)
            expect(make is not None and len(ticks) == 1 and ticks[0] > make, f"ticks at {ticks}, make at {make}")
            expect(len(log.aborts(0)) == 0, f"{len(log.aborts(0))} faults")
            return "taken after the make, no fault"
        expect(make is None, f"the window closed at {make}")
        expect(result.verdict.kind in ("recursion", "livelock", "budget"), str(result.verdict))
        faults = log.aborts(0)
        expect(len(faults) > LIVELOCK_SOON and bool((faults["cycle"] > broken).all()), f"{len(faults)} faults of PE 0")
        if kind == OBJECT_PCPU:
            expect(result.verdict.kind == "recursion", str(result.verdict))
            return "recursion on PE 0, the window never closes"
        expect(log.deepest() == 1, f"{log.deepest()} levels")
        return "PE 0 retries its own window for ever"

    return over_seeds(trial, judge, range(seeds))


ROWS = (
    Row("T-07", "T-06 with Linux's entry", "SP marches down, the overflow bit trips, panic on the overflow stack within stack / frame size steps",
        lambda seeds: all_of([("16 KB", lambda: linux_stack(2, seeds)), ("8 KB, 4 PEs", lambda: linux_stack(4, few(seeds), 8192, 50))]), is_race=True),
    Row("T-08", "T-06 with seL4's reload of SP", "a single fault, halt", lambda seeds: sel4_stack(3, seeds), is_race=True),
    Row("T-09", "T-06 with xnu's exception stack, pcpu mapped or not", "handler of invalid stacks; recursion in the check itself",
        lambda seeds: all_of([("mapped", lambda: xnu_stack(2, seeds)), ("not mapped", lambda: xnu_stack_and_pcpu(2, seeds))]), is_race=True),
    Row("T-10", "the page of the vectors in the window", "instruction aborts in a loop, no instruction runs, entries are charged, context lost; livelock",
        lambda seeds: all_of([("in the window", lambda: lost_vectors(2, seeds)), ("after it", lambda: lost_vectors(2, few(seeds), None))]),
        is_race=True),
    Row("T-11", "the thread in the window, handler before D37231 and since", "recursion; retries of depth 1 until the make, then success",
        lambda seeds: all_of([("before", lambda: thread_before_lookup(2, seeds)), ("since", lambda: thread_after_lookup(2, seeds))]), is_race=True),
    Row("T-12", "SC-10 with a break that zeroes the descriptor", "the lookup fails: fatal; kextract returns 0",
        lambda seeds: all_of([("fault", lambda: zeroed_descriptor(2, seeds)),
                              ("kextract", lambda: translations(2, few(seeds), CHANGE_PROMOTE, break_zeroes=True))]), is_race=True),
    Row("T-13", "SC-10 whose handler takes the lock of the kernel pmap, held by A: on the same PE, on another", "lock recursion panic; long spin, or deadlock",
        lambda seeds: all_of([("same PE", lambda: lock_of_own(2, few(seeds))), ("other PE", lambda: lock_of_other(3, seeds)),
                              ("asked in the window", lambda: lock_and_answer(2, few(seeds), HANDLER_LOCK)),
                              ("asked, without the lock", lambda: lock_and_answer(2, few(seeds), HANDLER_RETRY))]), is_race=True),
    Row("T-41", "an interrupt for A in its window, without and with interrupts disabled", "hang or recursion; taken after the make",
        lambda seeds: all_of([("data, enabled", lambda: updaters_interrupt(2, few(seeds), OBJECT_DATA, intr_disable=False)),
                              ("pcpu, enabled", lambda: updaters_interrupt(2, few(seeds), OBJECT_PCPU, intr_disable=False)),
                              ("data, disabled", lambda: updaters_interrupt(2, seeds, OBJECT_DATA, intr_disable=True)),
                              ("pcpu, disabled", lambda: updaters_interrupt(2, seeds, OBJECT_PCPU, intr_disable=True))]), is_race=True),
    Row("T-43", "kextract without a lock on B in the window", "AT fails, the walk in software gives the right PA, for table and block descriptors",
        lambda seeds: all_of([("table (promote)", lambda: translations(2, seeds, CHANGE_PROMOTE)),
                              ("block (demote)", lambda: translations(2, seeds, CHANGE_DEMOTE))]), is_race=True),
)
