"""Rows of the matrix about which memory a window is over: pages flagged against promotion, memory that is not, the direct map.

What is asserted comes from the counters and descriptors in memory, from TLBIs and from exceptions; of what a guest prints, panics alone.
"""
from collections.abc import Mapping

import numpy as np

from firmware import flagging
from firmware.flagging import FLAG_IN_A_BLOCK, THEN_CHANGE_ATTR, THEN_CHANGE_PROT, THEN_DEMOTE, THEN_UPDATE
from firmware.own_table import DEMOTED_BLOCK, DEMOTED_RUN, RETRY_DIRECT_MAP, RETRY_IDENTITY, RETRY_NONE
from firmware.window import (
    ACTIVITY_SVC,
    ACTIVITY_TIMER,
    ACTIVITY_TOUCH,
    CHANGE_DEMOTE,
    CHANGE_FLAG,
    CHANGE_SWEEP,
    EXIT_NO_ANSWER,
    OBJECT_DATA,
    OBJECT_PCPU,
)
from sim.experiments.row import Row, Seen, all_of, expect, over_seeds
from sim.experiments.rows_window import few, frames_that_fit, tlbis_for
from sim.experiments.trial import Trial
from sim.experiments.window_runs import SLOT_SYNC, UNLIMITED, Log, WindowTrial, depths_of, some_of
from sim.result import Result
from sim.state.events import EVENT_ENTRY, EVENT_TLBI

RUN_PAGES, GROUP_PAGES, PAGE_BYTES = 512, 16, 4096
FLAG, CONTIGUOUS, PA_BITS, TYPE = 1 << 57, 1 << 52, 0x0000_FFFF_FFFF_F000, 3
BLOCK, TABLE = 1, 3
EXIT_UNEXPECTED, EXIT_PANIC = 3, 4
LIVELOCK_LEAST = 1000                           # retries that never succeed
MAIN_PUSHES_BYTES = 32                          # of the kernel boot_pcpu on PE 0's stack
Span = tuple[int, int]                          # VA and bytes


class Memory:
    """What the pmap of a machine has in its memory when a run has ended, beside the TLBIs of the run."""

    def __init__(self, trial: Trial, result: Result) -> None:
        self.trial, self.c, self._events = trial, trial.constants, result.events.array()

    def counter(self, name: str) -> int:
        """A counter of struct pmap."""
        return self.trial.word(self.c["GLOBALS_VA"] + self.c["G_PMAP"] + self.c["PM_" + name])

    def l2(self, chunk: int = 0) -> int:
        """The L2 descriptor of a chunk of kmem."""
        return self._physical(self.c["KMEM_L2_PA"] + 8 * chunk)

    def pages(self, chunk: int = 0) -> list[int]:
        """The descriptors of a chunk that is mapped in pages."""
        table = self.l2(chunk)
        expect(table & TYPE == TABLE, f"descriptor {table:#x} is not a table's")
        return [self._physical((table & PA_BITS) + 8 * page) for page in range(RUN_PAGES)]

    def tlbis(self) -> list[Span]:
        """Every TLBI by VA of kmem's first chunk, in order."""
        found = self._events[self._events["kind"] == EVENT_TLBI]
        spans = zip(found["a"].tolist(), found["b"].tolist(), strict=True)
        return [(va, size) for va, size in spans if 0 <= va - self.c["KMEM_VA"] < RUN_PAGES * PAGE_BYTES]

    def _physical(self, pa: int) -> int:
        assert self.trial.machine is not None
        return int.from_bytes(self.trial.machine.read_physical(pa, 8), "little")


def _each_page(first_va: int, pages: int) -> list[Span]:
    return [(first_va + page * PAGE_BYTES, PAGE_BYTES) for page in range(pages)]


def _flagging(options: Mapping[str, int]) -> Trial:
    return Trial("flagging", 1, constants=options, events=("tlbi",))


def flagged_run(first: int, pages: int, contiguous_runs: bool) -> Seen:
    """T-14, T-15, T-16. Pages of a run are flagged as they are allocated, then the run is filled, then promotion is asked for once more.

    The flagged pages must not include the last of a group of 16: with it the group is full, and promoted, before they are flagged.
    """
    trial = _flagging({"FLAG_FIRST": first, "FLAG_PAGES": pages, "CONTIGUOUS_RUNS": int(contiguous_runs)})
    flagged = range(first, first + pages)
    groups = {page // GROUP_PAGES for page in flagged}                      # of 16 pages, each a contiguous run unless it has a flagged page

    def judge(result: Result) -> str:
        memory = Memory(trial, result)
        expect(result.exit_status == 0, f"{result.verdict}: {result.console}")
        answers = [trial.word(trial.constants["GLOBALS_VA"] + trial.constants["G_SCRATCH"] + flagging.ANSWERS_OFFSET + 8 * n) for n in (0, 1)]
        expect(answers == [0, 0], f"promotion answered {answers}")
        descriptors = memory.pages()
        expect([page for page, entry in enumerate(descriptors) if entry & FLAG] == list(flagged), "the flag is elsewhere")
        contiguous = {page for page, entry in enumerate(descriptors) if entry & CONTIGUOUS}
        expected = {page for page in range(RUN_PAGES) if page // GROUP_PAGES not in groups} if contiguous_runs else set()
        expect(contiguous == expected, f"{len(contiguous)} pages are contiguous, not {len(expected)}")
        failures = 0 if first == 0 else 2                                   # the run is tried as it is filled and once more
        counts = {name: memory.counter(name) for name in ("L2_PROMOTIONS", "L2_DEMOTIONS", "L2_P_FAILURES", "L3C_PROMOTIONS")}
        expect(counts == {"L2_PROMOTIONS": 0, "L2_DEMOTIONS": 0, "L2_P_FAILURES": failures, "L3C_PROMOTIONS": len(expected) // GROUP_PAGES},
               f"{counts}")
        windows = [span for group in range(RUN_PAGES // GROUP_PAGES) if contiguous_runs and group not in groups
                   for span in _each_page(trial.constants["KMEM_VA"] + group * GROUP_PAGES * PAGE_BYTES, GROUP_PAGES)]
        expect(memory.tlbis() == windows, f"{len(memory.tlbis())} TLBIs, not {len(windows)}")
        return f"not promoted, p_failures {failures}, no TLBI over the flagged pages' groups"

    return over_seeds(trial, judge, [0])


def flagged_group(page: int) -> Seen:
    """T-16. As above; the failures that a group of 16 counts: none if its first page is the flagged one."""
    trial = _flagging({"FLAG_FIRST": page})

    def judge(result: Result) -> str:
        failures = Memory(trial, result).counter("L3C_P_FAILURES")
        # a group is tried when its last page is entered, which is not done for a page that is itself flagged, and once more at the end
        expect(failures == (2 if page % GROUP_PAGES else 0), f"{failures} failures of a contiguous run")
        return f"{failures} failures counted"

    return all_of([("run", lambda: flagged_run(page, 1, True)), ("counter", lambda: over_seeds(trial, judge, [0]))])


def flagged_in_a_block(first: int, pages: int, contiguous_runs: bool) -> Seen:
    """T-17, before the others are released. The run is a block when some of its pages are flagged."""
    trial = _flagging({"FLAG_WHEN": FLAG_IN_A_BLOCK, "FLAG_FIRST": first, "FLAG_PAGES": pages, "CONTIGUOUS_RUNS": int(contiguous_runs)})

    def judge(result: Result) -> str:
        memory, base = Memory(trial, result), trial.constants["KMEM_VA"]
        expect(result.exit_status == 0, f"{result.verdict}: {result.console}")
        expect(memory.counter("L2_PROMOTIONS") == 1 and memory.counter("L2_DEMOTIONS") == 1, "the block was not demoted once")
        expect([page for page, entry in enumerate(memory.pages()) if entry & FLAG] == list(range(first, first + pages)), "the flag is elsewhere")
        promotion = RUN_PAGES * (2 if contiguous_runs else 1)
        expected = [(base, PAGE_BYTES)]
        if contiguous_runs:                     # the table is one of contiguous runs: those that the range cuts are demoted in turn
            cut = {page // GROUP_PAGES for page in (first, first + pages - 1) if first % GROUP_PAGES or (first + pages) % GROUP_PAGES}
            expected += [span for group in sorted(cut) for span in _each_page(base + group * GROUP_PAGES * PAGE_BYTES, GROUP_PAGES)]
        expect(memory.tlbis()[promotion:] == expected, f"TLBIs {memory.tlbis()[promotion:]}")
        return f"one demotion with one TLBI{f', {len(expected) - 1} for the contiguous runs' if expected[1:] else ''}, then the flags"

    return over_seeds(trial, judge, [0])


def assertion(options: Mapping[str, int], reason: str) -> Seen:
    """T-18. What the kernel asserts of flagged memory."""
    trial = _flagging(options)

    def judge(result: Result) -> str:
        memory = Memory(trial, result)
        promoted = memory.counter("L2_PROMOTIONS")
        expect((result.exit_status, result.console) == (EXIT_PANIC, f"panic: {reason}\n"), f"{result.verdict}: {result.console!r}")
        expect(memory.counter("L2_DEMOTIONS") == 0, "a block was demoted")
        if promoted:
            expect(memory.l2() & TYPE == BLOCK and bool(memory.l2() & FLAG), f"the block's descriptor is {memory.l2():#x}")
        else:
            expect(bool(memory.pages()[0] & FLAG), f"the page's descriptor is {memory.pages()[0]:#x}")
        expect(len(memory.tlbis()) == RUN_PAGES * promoted, f"{len(memory.tlbis())} TLBIs")
        return f"panic: {reason}; the descriptor as it was"

    return over_seeds(trial, judge, [0])


def flagged_too_late(pes: int, activity: int, seeds: int, rounds: int = 8) -> Seen:
    """T-17, after the others are released. PE 1's pcpu is flagged in a block in which they all run."""
    trial = WindowTrial(pes, {"CHANGE": CHANGE_FLAG, "ACTIVITY": activity, "OBJECT": OBJECT_PCPU}, rounds=rounds)

    def judge(result: Result) -> str:
        log = Log(trial, result)
        log.expect_end(0)
        counts = log.counts()
        expect(counts["wrong"] == 0, f"{counts}")
        expect(len(log.windows()) == 2 * rounds, f"{len(log.windows())} windows in {rounds} rounds")    # each with the promotion that undoes it
        inside = [_tlbis_between(log, *window) for window in log.windows()[::2]]
        expect(set(inside) == {1}, f"windows of {inside} TLBIs")
        expect(log.deepest() <= frames_that_fit(16384) // 4, f"{log.deepest()} levels")
        return str(log.deepest())

    return some_of(trial, judge, seeds, "levels of recursion, all unwound, no register lost")


def _tlbis_between(log: Log, broken: int, make: int | None) -> int:
    cycles = log.of_kind("tlbi", 0)["cycle"]
    return int(np.count_nonzero((cycles >= broken) & (cycles <= (make or 0))))


def boot_pcpu(pes: int, seeds: int, options: Mapping[str, int], is_lost: bool = False, least: int = 1, never: bool = False, **layout: int) -> Seen:
    """T-27. PE 1 makes a page read-only beside the pcpu of boot that PE 0 runs on; the others' pcpus are flagged.

    is_lost: whether PE 0 is expected to use up its stack. least: runs in which PE 0 faults at least. never: it must not.
    """
    trial = Trial("boot_pcpu", pes, constants={"ANSWER_TURNS": 4000, **options}, layout=layout, events=("entry", "return", "tlbi"), recursion_limit=UNLIMITED,
                  livelock_limit=UNLIMITED)
    c = trial.constants
    tlbis = c["BOOT_BLOCK"] * (c["WINDOW_TLBIS"] + 1)       # of the block: those of a window of chosen length, and one

    def judge(result: Result) -> str:
        events = result.events.array()
        expect(result.exit_status == (EXIT_NO_ANSWER if is_lost else 0), f"{result.verdict}: {result.console}")
        expect(Memory(trial, result).counter("L2_DEMOTIONS") == c["BOOT_BLOCK"], "the block was not demoted once")
        issued = events[(events["kind"] == EVENT_TLBI) & (events["pe"] == 1) & (events["a"] == np.uint64(c["PCPU_RUN_VA"]))]
        expect(len(issued) == tlbis, f"{len(issued)} TLBIs of the block, not {tlbis}")
        faults = events[(events["kind"] == EVENT_ENTRY) & (events["aux"] == SLOT_SYNC)]
        expect(set(faults["pe"].tolist()) <= {0}, f"faults of PEs {set(faults['pe'].tolist())}, whose pcpus are flagged")
        deep = int(np.count_nonzero(faults["c"] == np.uint64(c["PCPU_VA"])))
        if is_lost:
            fits = frames_that_fit(c["STACK_BYTES"] - MAIN_PUSHES_BYTES)
            expect(deep == fits + 1 and len(faults) > 2 * deep, f"{deep} faults on pcpu of {len(faults)}, though {fits} frames fit")
            return f"{deep} levels on one stack"
        expect(not (never and deep), f"{deep} faults, though nothing is demoted")
        expect(deep == len(faults), "a fault elsewhere than on the pcpu of boot")
        return f"{max(depths_of(events, 0), default=0)} levels, all unwound"

    return some_of(trial, judge, seeds, "levels of recursion of PE 0, " + ("to the end of its stack" if is_lost else "all unwound"), least)


def own_table(demoted: int, is_temporary: bool, retry: int) -> Seen:
    """T-40. A block of the direct map that holds its L2 table, or a contiguous run that holds its L3 table, is demoted on one PE."""
    trial = Trial("own_table", 1, constants={"DEMOTED": demoted, "TEMPORARY_MAPPING": int(is_temporary), "RETRY": retry}, events=("entry", "tlbi"),
                  budget_cycles=2_000_000)

    def judge(result: Result) -> str:
        memory, c = Memory(trial, result), trial.constants
        table_va = trial.word(c["GLOBALS_VA"] + c["G_SCRATCH"]) if demoted == DEMOTED_RUN else c["DMAP_L2_PA"] + c["DMAP_OFFSET"]
        mapped_bytes = GROUP_PAGES * PAGE_BYTES if demoted == DEMOTED_RUN else RUN_PAGES * PAGE_BYTES
        events = result.events.array()
        faults = events[(events["kind"] == EVENT_ENTRY) & (events["aux"] == SLOT_SYNC)]
        if is_temporary:
            expect(result.exit_status == 0 and len(faults) == 0, f"{len(faults)} faults, {result.verdict}")
            _expect_pages(memory, table_va, demoted)
            return "demoted, no fault"
        expect(len(faults) > 0, f"no fault: {result.verdict}")
        first = int(faults["c"][0])
        expect(table_va // mapped_bytes == first // mapped_bytes, f"the first fault is at {first:#x}, not in what was demoted")
        expect(memory.counter("L2_DEMOTIONS" if demoted == DEMOTED_BLOCK else "L3C_DEMOTIONS") == 0, "the demotion was counted")
        if retry == RETRY_NONE:
            expect(result.exit_status == EXIT_UNEXPECTED, str(result.verdict))
            return "the fault of its own store ends the run"
        if retry == RETRY_IDENTITY:
            expect(result.verdict.kind in ("budget", "livelock") and len(set(faults["b"].tolist())) == 1, str(result.verdict))
            expect(len(faults) > LIVELOCK_LEAST, f"{len(faults)} retries")
            return "its own store faults and is retried for ever"
        expect(result.verdict.kind == "recursion" and result.verdict.pe == 0, str(result.verdict))
        return "recursion of PE 0: the walk that is to retry its store reads the tables where they are broken"

    return over_seeds(trial, judge, [0])


def _expect_pages(memory: Memory, table_va: int, demoted: int) -> None:
    """The block that holds a table of the direct map is mapped by a table of 512 pages, in order; the table's run is not contiguous."""
    c, trial = memory.c, memory.trial
    slot = (table_va - c["DMAP_VA"]) // (RUN_PAGES * PAGE_BYTES)
    l2 = trial.word(c["DMAP_OFFSET"] + c["DMAP_L2_PA"] + 8 * slot)
    expect(l2 & TYPE == TABLE, f"the L2 descriptor is {l2:#x}")
    pages = [trial.word(c["DMAP_OFFSET"] + (l2 & PA_BITS) + 8 * page) for page in range(RUN_PAGES)]
    expect([entry & PA_BITS for entry in pages] == [c["RAM_PA"] + (slot * RUN_PAGES + page) * PAGE_BYTES for page in range(RUN_PAGES)], "other pages")
    expect(all(entry & TYPE == TYPE for entry in pages), "a page is not valid")
    single = [page for page, entry in enumerate(pages) if not entry & CONTIGUOUS]
    first = (table_va // PAGE_BYTES) % RUN_PAGES // GROUP_PAGES * GROUP_PAGES
    expect(single == (list(range(first, first + GROUP_PAGES)) if demoted == DEMOTED_RUN else []), f"{len(single)} pages are not contiguous")


def swept_data(pes: int, activity: int, seeds: int, blocks: int = 1) -> Seen:
    """T-45. Memory types are swept over the direct map, where the other PEs use data: each fault is retried in its own handler."""
    trial = WindowTrial(pes, {"CHANGE": CHANGE_SWEEP, "DIRECT_MAP": 1, "ACTIVITY": activity, "OBJECT": OBJECT_DATA, "SWEEP_BLOCKS": blocks,
                              "TIMER_PERIOD_TICKS": 16}, rounds=2)

    def judge(result: Result) -> str:
        log = Log(trial, result)
        log.expect_end(0)
        counts = log.counts()
        depths = [depth for pe in trial.victims for depth in log.depths(pe)]
        expect(counts["wrong"] == 0 and set(depths) <= {1}, f"{counts}, depths {sorted(set(depths))}")
        expect(counts["healed"] == len(depths) and not log.depths(0), f"{counts['healed']} faults healed of {len(depths)}")
        return str(len(depths))

    return some_of(trial, judge, seeds, "faults retried, each at depth 1")


def swept_pcpu(pes: int, activity: int, seeds: int) -> Seen:
    """T-45, SC-11. As above, but it is pcpu that the other PEs have in the direct map."""
    trial = WindowTrial(pes, {"CHANGE": CHANGE_SWEEP, "DIRECT_MAP": 1, "ACTIVITY": activity, "OBJECT": OBJECT_PCPU}, rounds=2)

    def judge(result: Result) -> str:
        log = Log(trial, result)
        log.expect_end(0)
        faults = [fault for pe in trial.victims for fault in log.aborts(pe)["c"].tolist()]
        pool = trial.constants["DMAP_OFFSET"] + trial.constants["POOL_PA"]
        expect(all(fault >= pool for fault in faults), "a fault elsewhere than in the direct map's pool")
        expect(log.counts()["wrong"] == 0, f"{log.counts()}")
        return f"{max(0, log.deepest() - 1)}"       # of depth 1 are retries

    return some_of(trial, judge, seeds, "levels of recursion beyond the first fault")


def demoted_pcpu(pes: int, seeds: int) -> Seen:
    """T-45, SC-11. The block that holds the pcpus is demoted with a window that outlasts their stacks."""
    trial = WindowTrial(pes, {"CHANGE": CHANGE_DEMOTE, "DIRECT_MAP": 1, "ACTIVITY": ACTIVITY_TIMER, "OBJECT": OBJECT_PCPU,
                              "WINDOW_TLBIS": tlbis_for(16384)})

    def judge(result: Result) -> str:
        log = Log(trial, result)
        log.expect_end(EXIT_NO_ANSWER)
        expect(log.lost() == list(trial.victims), f"only {log.lost()} gave no answer")
        alias = trial.word(trial.constants["GLOBALS_VA"] + trial.constants["G_SCRATCH"])
        for pe in log.lost():
            pcpu_va = trial.object_va(pe, OBJECT_PCPU) - trial.constants["KMEM_VA"] + alias
            deep = int(np.count_nonzero(log.chain(pe)["c"] == np.uint64(pcpu_va)))
            expect(deep == frames_that_fit(16384) + 1, f"PE {pe}: {deep} faults on its pcpu")
        return f"{frames_that_fit(16384) + 1} faults on the alias of pcpu, then no answer"

    return over_seeds(trial, judge, range(seeds))


def under_load(seeds: int) -> Seen:
    """T-14 with pcpus in the run: the scheme no-promote, whose PEs are interrupted and call while others' pages come and go."""
    trial = Trial("no-promote", 3, rounds=2, constants={"LOAD_WALK_BLOCKS": 0}, events=("entry", "tlbi"))

    def judge(result: Result) -> str:
        memory = Memory(trial, result)
        expect(result.exit_status == 0, f"{result.verdict}: {result.console}")
        expect(memory.counter("L2_PROMOTIONS") == memory.counter("L2_P_FAILURES") == 0, "a promotion was tried")
        pcpus = _each_page(trial.constants["KMEM_VA"], 2)
        expect(not set(pcpus) & set(memory.tlbis()), "a TLBI over a pcpu")
        events = result.events.array()
        faults = int(np.count_nonzero((events["kind"] == EVENT_ENTRY) & (events["aux"] == 0x200)))
        expect(faults == 0, f"{faults} synchronous exceptions at EL1")
        return "pcpus in no window, no fault"

    return over_seeds(trial, judge, range(seeds))


CHANGED = "the attributes of a page are changed that carries the no-promote flag"
ROWS = (
    Row("T-14", "SC-9: fill the rest of a flagged page's run of 2 MB", "promotion answers no; p_failures not counted for the first entry; no window",
        lambda seeds: all_of([("blocks alone", lambda: flagged_run(0, 1, False)), ("with contiguous runs", lambda: flagged_run(0, 1, True)),
                              ("four pages", lambda: flagged_run(0, 4, True)), ("under load", lambda: under_load(min(seeds, 10)))])),
    Row("T-15", "SC-9: the flagged page is not the first of its run", "attributes differ: no promotion, and the failure is counted",
        lambda _seeds: all_of([(f"page {page}", lambda page=page: flagged_run(page, 1, False)) for page in (1, 16, 77, 510)])),  # type: ignore[misc]
    Row("T-16", "SC-9: 16 pages with a flagged one among them", "no contiguous run",
        lambda _seeds: all_of([(f"page {page}", lambda page=page: flagged_group(page)) for page in (0, 16, 37, 254)])),  # type: ignore[misc]
    Row("T-17", "SC-9: pmap_disable_promotion on a range inside a block", "one demotion with a window of one TLBI, then the flags; once the PEs "
        "run that live there, T-03: a short recursion",
        lambda seeds: all_of([
            ("before release", lambda: flagged_in_a_block(40, 1, False)),
            ("before release, contiguous runs", lambda: flagged_in_a_block(40, 1, True)),
            ("before release, whole contiguous run", lambda: flagged_in_a_block(48, 16, True)),
            ("after release, calls", lambda: flagged_too_late(2, ACTIVITY_SVC, seeds)),
            ("after release, interrupts, 4 PEs", lambda: flagged_too_late(4, ACTIVITY_TIMER, few(seeds))),
        ]), is_race=True),
    Row("T-18", "SC-9: demote, or change the properties of, what is flagged", "an assertion fires",
        lambda _seeds: all_of([
            ("demote", lambda: assertion({"FLAG_WHEN": FLAG_IN_A_BLOCK, "FLAG_PAGES": RUN_PAGES, "THEN": THEN_DEMOTE, "CONTIGUOUS_RUNS": 0},
                                         "a block that carries the no-promote flag is demoted")),
            ("change_prot", lambda: assertion({"THEN": THEN_CHANGE_PROT, "CONTIGUOUS_RUNS": 0}, CHANGED)),
            ("change_attr", lambda: assertion({"THEN": THEN_CHANGE_ATTR, "CONTIGUOUS_RUNS": 0}, CHANGED)),
            ("change_prot of a block", lambda: assertion({"FLAG_WHEN": FLAG_IN_A_BLOCK, "FLAG_PAGES": RUN_PAGES, "THEN": THEN_CHANGE_PROT,
                                                          "CONTIGUOUS_RUNS": 0}, CHANGED)),
            ("update_entry", lambda: assertion({"THEN": THEN_UPDATE, "CONTIGUOUS_RUNS": 0}, "the new descriptor carries the no-promote flag")),
        ])),
    Row("T-27", "SC-9: the block of the pcpu of boot, which is not flagged, is demoted by a change of permissions beside it",
        "PE 0 is where the hazard was: its handlers recurse, the others' do not",
        lambda seeds: all_of([
            ("window of 1 TLBI", lambda: boot_pcpu(2, seeds, {"TIMER_PERIOD_TICKS": 9}, least=seeds // 50)),
            ("window of 32", lambda: boot_pcpu(4, few(seeds), {"WINDOW_TLBIS": 32}, least=1, pcpu_offset_bytes=0x5000)),
            ("window of 1000", lambda: boot_pcpu(3, few(seeds), {"WINDOW_TLBIS": 1000}, is_lost=True)),
            ("in pages", lambda: boot_pcpu(2, few(seeds), {"BOOT_BLOCK": 0}, least=0, never=True)),
        ]), is_race=True),
    Row("T-40", "demote the block of the direct map that holds its own L2 table", "with the temporary mapping it passes; without, A hangs",
        lambda _seeds: all_of([
            (f"{name} {'with' if is_temporary else 'without'} temporary mapping{more}",
             lambda demoted=demoted, is_temporary=is_temporary, retry=retry: own_table(demoted, is_temporary, retry))  # type: ignore[misc]
            for name, demoted in (("block", DEMOTED_BLOCK), ("contiguous run", DEMOTED_RUN))
            for is_temporary, retry, more in ((True, RETRY_DIRECT_MAP, ""), (False, RETRY_DIRECT_MAP, ""),
                                              (False, RETRY_IDENTITY, ", tables by the identity map"), (False, RETRY_NONE, ", no retry"))
        ])),
    Row("T-45", "memory types are swept over the direct map, whose blocks are demoted, while other PEs run with their data there",
        "retries at depth 1 alone; recursion where critical objects are used by the direct map (SC-11)",
        lambda seeds: all_of([
            ("data, used in a loop", lambda: swept_data(2, ACTIVITY_TOUCH, seeds)),
            ("data, used by interrupts, 4 PEs, 3 blocks", lambda: swept_data(4, ACTIVITY_TIMER, few(seeds), 3)),
            ("pcpu, calls", lambda: swept_pcpu(2, ACTIVITY_SVC, few(seeds))),
            ("pcpu, a long window", lambda: demoted_pcpu(3, few(seeds))),
        ]), is_race=True),
)
