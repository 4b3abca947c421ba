"""Rows of the matrix about a window over what exception handlers need: idle, recursion, its threshold, the livelock of a lost stack page.

Every scenario is the kernel `window`; what it varies is an argument of the row's function.
"""
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from firmware.window import (
    ACTIVITY_IDLE,
    ACTIVITY_SVC,
    ACTIVITY_TIMER,
    ACTIVITY_TOUCH,
    CHANGE_DEMOTE,
    CHANGE_PROMOTE,
    EXIT_NO_ANSWER,
    OBJECT_PCPU,
    OBJECT_STACK,
    WINDOW_TLBIS_OFFSET,
)
from sim.experiments.row import Row, Seen, all_of, expect, over_seeds
from sim.experiments.window_runs import LEVEL_BYTES, SLOT_SYNC, Log, WindowTrial, some_of
from sim.machine import Machine
from sim.result import Result

PAIR_BYTES = 16
DISPATCHER_BYTES = 2 * PAIR_BYTES               # what dispatch_irq has pushed when it loads curthread
SEEDS_FEW = 8
RETURNS_LEAST = 50                              # after a make, to be called for ever
LIVELOCK_SOON = 20                              # entries: fewer than fit into a window
BLOCK_PAGES = 512


def frames_that_fit(stack_bytes: int) -> int:
    """How many frames of synchronous exceptions a stack holds below an interrupt's frame and what its dispatcher pushed."""
    return (stack_bytes - LEVEL_BYTES - DISPATCHER_BYTES) // LEVEL_BYTES


def few(seeds: int) -> int:
    """How many seeds a part gets that repeats another part of its row elsewhere."""
    return min(seeds, SEEDS_FEW)


def tlbis_for(stack_bytes: int) -> int:
    """TLBIs of a window that outlasts every recursion down such a stack: twice FreeBSD's own for the stack that it has, at least."""
    return 2 * max(BLOCK_PAGES, BLOCK_PAGES * stack_bytes // 16384)


def idle_in_the_window(pes: int, change: int, seeds: int, offset_pages: int = 0) -> Seen:
    """T-01. The other PEs are in WFI, their pcpus in the run, and nothing arrives."""
    trial = WindowTrial(pes, {"CHANGE": change, "ACTIVITY": ACTIVITY_IDLE, "OBJECT": OBJECT_PCPU, "OBJECT_OFFSET_PAGES": offset_pages}, rounds=3)

    def judge(result: Result) -> str:
        log = Log(trial, result)
        log.expect_end(0)
        faults = sum(len(log.aborts(pe)) for pe in range(pes))
        expect(faults == 0, f"{faults} synchronous exceptions at EL1")
        expect(len(log.windows()) == 6, f"{len(log.windows())} windows in three rounds")
        expect(log.lost() == [], f"no answer of {log.lost()}")
        return "all answered, no fault"

    return over_seeds(trial, judge, range(seeds))


def recursion(pes: int, seeds: int, stack_bytes: int = 16384, offset_pages: int = 0, profile: str = "cortex-a72") -> Seen:
    """T-02. A timer interrupt in a window over pcpu that is longer than the stack is deep."""
    trial = WindowTrial(pes, {"ACTIVITY": ACTIVITY_TIMER, "OBJECT": OBJECT_PCPU, "OBJECT_OFFSET_PAGES": offset_pages,
                              "WINDOW_TLBIS": tlbis_for(stack_bytes)}, layout={"stack_bytes": stack_bytes}, profile=profile)

    def judge(result: Result) -> str:
        log = Log(trial, result)
        log.expect_end(EXIT_NO_ANSWER)
        expect(log.lost() == list(trial.victims), f"only {log.lost()} gave no answer")
        levels = {_judge_recursion(log, pe, stack_bytes, trial.object_va(pe, OBJECT_PCPU)) for pe in log.lost()}
        return f"{'/'.join(map(str, sorted(levels)))} frames of {LEVEL_BYTES} bytes, then the first store of the vector for ever, no answer"

    return over_seeds(trial, judge, range(seeds))


def _judge_recursion(log: Log, pe: int, stack_bytes: int, pcpu_va: int) -> int:
    """What a PE's entries must be: faults on pcpu as long as frames fit, then its vector's first store. Returns the number of frames."""
    chain = log.chain(pe)
    far, elr = chain["c"], chain["b"]
    deep = int(np.count_nonzero(far == np.uint64(pcpu_va)))
    expect(deep == frames_that_fit(stack_bytes) + 1, f"PE {pe}: {deep} faults on pcpu, though {frames_that_fit(stack_bytes)} frames fit")
    expect(bool((far[:deep] == np.uint64(pcpu_va)).all()), f"PE {pe}: another fault in between")
    expect(bool((elr[1:deep] == elr[1]).all()) and elr[1] != elr[0], f"PE {pe}: the loads of the recursion are not one instruction")
    expect_stays_in_vector(log, pe, deep)
    sp, far_last = log.result.registers[pe]["sp"], int(far[-1])
    expect(sp - LEVEL_BYTES <= far_last < sp, f"PE {pe}: FAR {far_last:#x} is not below SP {sp:#x}")
    sgis = [event for event in log.of_kind("sgi", 0) if event["a"] == pe and event["cycle"] > chain["cycle"][deep]]
    expect(len(sgis) > 0, f"PE {pe}: no SGI was sent after the stack had been used up")
    taken = log.of_kind("interrupt_acknowledged", pe)
    expect(not (taken["cycle"] > chain["cycle"][deep]).any(), f"PE {pe}: an SGI was taken")
    return deep


def expect_stays_in_vector(log: Log, pe: int, first: int) -> None:
    """From an entry of its chain on, a PE faults in the first instruction of its own vector, at one address: SP does not move."""
    machine = log.trial.machine
    assert machine is not None
    stays = log.chain(pe)[first:]
    slot_va = machine.pes[pe].system("VBAR_EL1") + SLOT_SYNC
    expect(len(stays) > LIVELOCK_SOON, f"PE {pe}: only {len(stays)} entries at the end")
    expect(bool((stays["b"][1:] == np.uint64(slot_va)).all()), f"PE {pe}: an ELR other than {slot_va:#x}")
    expect(bool((stays["c"] == stays["c"][0]).all()), f"PE {pe}: SP moved")


def recursion_verdict(pes: int, seeds: int) -> Seen:
    """T-02 with the limits that everybody has: the run ends with the verdict."""
    trial = WindowTrial(pes, {"ACTIVITY": ACTIVITY_TIMER, "OBJECT": OBJECT_PCPU, "ANSWER_TURNS": 200_000, "WINDOW_TLBIS": tlbis_for(16384)},
                        recursion_limit=1000, livelock_limit=1000)

    def judge(result: Result) -> str:
        expect(result.verdict.kind == "recursion" and result.verdict.pe in trial.victims, str(result.verdict))
        return "verdict recursion"

    return over_seeds(trial, judge, range(seeds))


def call_in_demotion(pes: int, seeds: int, rounds: int = 16) -> Seen:
    """T-03. Threads call by SVC while a window of one TLBI is open over their PEs' pcpus."""
    trial = WindowTrial(pes, {"CHANGE": CHANGE_DEMOTE, "ACTIVITY": ACTIVITY_SVC, "OBJECT": OBJECT_PCPU}, rounds=rounds)

    def judge(result: Result) -> str:
        log = Log(trial, result)
        log.expect_end(0)
        counts = log.counts()
        expect(counts["wrong"] == 0 and counts["calls"] >= rounds, f"{counts}")
        expect(log.deepest() <= frames_that_fit(16384) // 4, f"{log.deepest()} levels")
        return str(log.deepest())

    return some_of(trial, judge, seeds, "levels of recursion, all unwound, no register lost")


@dataclass(frozen=True, slots=True)
class Threshold:
    """Where recursions turn from healing to overflow, for one size of stack.

    tlbis: the least number of TLBIs in a window that costs the stack. predicted_tlbis: what cycles say of it. level_tlbis: how many TLBIs take
    as long as a level of the recursion, within which the prediction can be right. healed_levels: of the deepest recursion that healed.
    """

    tlbis: int
    predicted_tlbis: int
    level_tlbis: float
    healed_levels: int


def threshold(stack_bytes: int, seed: int, offset_pages: int = 0, profile: str = "cortex-a72", points: int = 12) -> Threshold:
    """T-04. A sweep over the number of TLBIs in a window, evenly at first, then by bisection where it turns.

    Raises Unexpected if it turns more than once, or if a recursion overflows at another depth than that for which no frame is left.
    """
    fits = frames_that_fit(stack_bytes)
    tlbis = most = tlbis_for(stack_bytes)

    def set_tlbis(machine: Machine, _seed: int) -> None:
        machine.write_physical(trial.constants["GLOBALS_PA"] + trial.constants["G_SCRATCH"] + WINDOW_TLBIS_OFFSET, tlbis.to_bytes(8, "little"))

    trial = WindowTrial(2, {"ACTIVITY": ACTIVITY_TIMER, "OBJECT": OBJECT_PCPU, "OBJECT_OFFSET_PAGES": offset_pages},
                        layout={"stack_bytes": stack_bytes}, profile=profile, prepare=set_tlbis)
    log = Log(trial, trial.run(seed))
    log.expect_end(EXIT_NO_ANSWER)
    predicted, level_tlbis = _predict(log, fits)
    most = max(min(most, 2 * predicted), points)
    outcomes = {}
    for tlbis in range(most // points, most + 1, most // points):
        outcomes[tlbis] = _outcome(trial, seed, fits)
    losing = [tlbis for tlbis, (lost, _) in outcomes.items() if lost]
    expect(bool(losing) and len(losing) < len(outcomes), "it does not turn from healing to overflow")
    costs = min(losing)
    heals = max(tlbis for tlbis in outcomes if tlbis < costs)
    expect(all(lost for tlbis, (lost, _) in outcomes.items() if tlbis >= costs), f"a longer window than one of {costs} TLBIs heals")
    healed_levels = outcomes[heals][1]
    while costs - heals > 1:
        tlbis = (heals + costs) // 2
        lost, depth = _outcome(trial, seed, fits)
        heals, costs = (heals, tlbis) if lost else (tlbis, costs)
        healed_levels = healed_levels if lost else depth
    return Threshold(costs, predicted, level_tlbis, healed_levels)


def _outcome(trial: WindowTrial, seed: int, fits: int) -> tuple[bool, int]:
    """Whether PE 1 was lost in a run, and how many faults on pcpu its deepest recursion had."""
    log = Log(trial, trial.run(seed))
    lost = log.result.exit_status == EXIT_NO_ANSWER
    if lost:
        depth = int(np.count_nonzero(log.chain(1)["c"] == np.uint64(trial.object_va(1, OBJECT_PCPU))))
        expect(depth == fits + 1, f"overflow at the fault {depth}, though {fits} frames fit")
    else:
        log.expect_end(0)
        depth = log.deepest()
        expect(depth <= fits, f"healed from depth {depth}, though {fits} frames fit")
    return lost, depth


def _predict(log: Log, fits: int) -> tuple[int, float]:
    """TLBIs of the shortest window that is still open when the fault comes whose frame does not fit, and how many take as long as a level."""
    broken, make = log.windows()[0][0], log.make_cycle()
    issued = log.of_kind("tlbi", 0)["cycle"]
    issued = issued[(issued >= broken) & (issued <= make)].astype(np.int64)
    cycles_each = float(issued[-1] - issued[0]) / (len(issued) - 1)
    around_cycles = make - broken - cycles_each * len(issued)       # barriers, and what precedes the first TLBI
    faults = log.chain(1)["cycle"][:fits + 1].astype(np.int64)
    level_cycles = float(np.median(np.diff(faults)))
    return round((float(faults[-1]) - broken - around_cycles) / cycles_each), level_cycles / cycles_each


def threshold_row(stack_sizes_bytes: Sequence[int], seed: int = 0) -> Seen:
    """T-04 over sizes of stack: where it turns is what cycles predict, and more stack takes a longer window."""
    found = {size: threshold(size, seed) for size in stack_sizes_bytes}
    text = ", ".join(f"{size >> 10} KB: {one.tlbis} TLBIs ({one.predicted_tlbis} predicted), healed from {one.healed_levels} levels"
                     for size, one in found.items())
    in_order = [one.tlbis for one in found.values()]
    holds = in_order == sorted(set(in_order)) and all(
        abs(one.tlbis - one.predicted_tlbis) <= one.level_tlbis and frames_that_fit(size) - 1 <= one.healed_levels <= frames_that_fit(size)
        for size, one in found.items())
    return Seen(holds, text, len(found), None if holds else seed)


def lost_stack_page(pes: int, seeds: int, activity: int = ACTIVITY_TIMER, offset_pages: int = 0, stack_bytes: int = 16384) -> Seen:
    """T-06. The stack of a PE that is interrupted, or that uses it, in a window: stuck in the vector, and still stuck after the make."""
    trial = WindowTrial(pes, {"ACTIVITY": activity, "OBJECT": OBJECT_STACK, "OBJECT_OFFSET_PAGES": offset_pages, "ANSWER_TURNS": 40_000},
                        layout={"stack_bytes": stack_bytes})

    def judge(result: Result) -> str:
        log = Log(trial, result)
        log.expect_end(EXIT_NO_ANSWER)
        expect(log.lost() == list(trial.victims), f"only {log.lost()} gave no answer")
        for pe in log.lost():
            expect_stays_in_vector(log, pe, 1)
            _expect_persists(log, pe)
        return "stuck in the vector with SP constant, and after the make the handler returns to the vector for ever"

    return over_seeds(trial, judge, range(seeds))


def _expect_persists(log: Log, pe: int) -> None:
    """After the make a PE takes no exception any more: each return leads into the vector, which runs as if one had come."""
    machine = log.trial.machine
    assert machine is not None
    slot_va = machine.pes[pe].system("VBAR_EL1") + SLOT_SYNC
    make = log.make_cycle()
    returns = log.of_kind("return", pe)
    returns = returns[returns["cycle"] > make]
    expect(len(returns) >= RETURNS_LEAST, f"PE {pe}: {len(returns)} returns after the make")
    expect(bool((returns["a"] == np.uint64(slot_va)).all()), f"PE {pe}: a return that leads elsewhere than to {slot_va:#x}")
    expect(int(returns["cycle"][-1]) > make + 2 * (make - log.windows()[0][0]), f"PE {pe}: it ended soon after the make")
    late = log.of_kind("entry", pe)
    expect(int(np.count_nonzero(late["cycle"] > make)) <= 1, f"PE {pe}: exceptions after the make")


def lost_stack_verdict(pes: int, seeds: int) -> Seen:
    """T-06 with a limit that a window reaches: the verdict."""
    trial = WindowTrial(pes, {"ACTIVITY": ACTIVITY_TIMER, "OBJECT": OBJECT_STACK}, livelock_limit=LIVELOCK_SOON)

    def judge(result: Result) -> str:
        expect(result.verdict.kind == "livelock" and result.verdict.pe in trial.victims, str(result.verdict))
        return "verdict livelock"

    return over_seeds(trial, judge, range(seeds))


ROWS = (
    Row("T-01", "SC-0: promote a block that holds B's pcpu, B idle in WFI, no exception in the window", "success, no fault",
        lambda seeds: all_of([
            ("promote", lambda: idle_in_the_window(2, CHANGE_PROMOTE, seeds)),
            ("promote, 8 PEs", lambda: idle_in_the_window(8, CHANGE_PROMOTE, few(seeds), 100)),
            ("demote", lambda: idle_in_the_window(4, CHANGE_DEMOTE, few(seeds))),
        ]), is_race=True),
    Row("T-02", "SC-0: B takes a timer interrupt in a window longer than T-04's threshold",
        "nested synchronous exceptions; overflow after 39 frames of 416 bytes on an empty 16 KB stack; then the vector's first store for ever; "
        "no answer to a later IPI",
        lambda seeds: all_of([
            ("16 KB", lambda: recursion(2, seeds)),
            ("16 KB, 4 PEs", lambda: recursion(4, few(seeds), offset_pages=37)),
            ("8 KB", lambda: recursion(3, few(seeds), 8192)),
            ("verdict", lambda: recursion_verdict(2, few(seeds))),
        ]), is_race=True),
    Row("T-03", "SC-0: B calls by SVC from EL0 in a window of one TLBI (demote)",
        "a recursion of few levels, one at least, unwinds; the call completes, no state lost",
        lambda seeds: all_of([("2 PEs", lambda: call_in_demotion(2, seeds)), ("4 PEs", lambda: call_in_demotion(4, few(seeds)))]), is_race=True),
    Row("T-04", "as T-02, the window cut to k TLBIs, k swept", "a threshold from healing to overflow, where stack and frame sizes put it; larger "
        "for larger stacks", lambda _seeds: threshold_row((8192, 12288, 16384, 32768))),
    Row("T-06", "B's kernel stack page in the window, B takes an IRQ",
        "loop at VBAR+0x200 with SP constant; after the make the livelock persists, with ELR = VBAR+0x200",
        lambda seeds: all_of([
            ("interrupt", lambda: lost_stack_page(2, seeds)),
            ("interrupt, 4 PEs", lambda: lost_stack_page(4, few(seeds), offset_pages=64)),
            ("a plain store", lambda: lost_stack_page(2, few(seeds), ACTIVITY_TOUCH)),
            ("verdict", lambda: lost_stack_verdict(2, few(seeds))),
        ]), is_race=True),
)
