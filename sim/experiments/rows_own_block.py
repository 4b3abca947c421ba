"""Rows of the matrix about pcpus in L2 blocks of their own.

What is asserted comes from descriptors, frames and words in memory, from TLBIs and from exceptions; of what a guest prints, nothing.
"""
from collections.abc import Mapping

import numpy as np

from firmware.layout import BLOCK_BYTES, VM_PAGE_BYTES, VM_PAGE_FLAGS
from sim.experiments.compare_run import memory_at_ready
from sim.experiments.own_block_16k import PARTS
from sim.experiments.row import Row, Seen, all_of, expect, over_seeds
from sim.experiments.rows_memory import BLOCK, CONTIGUOUS, GROUP_PAGES, PA_BITS, PAGE_BYTES, RUN_PAGES, TABLE, TYPE, Memory
from sim.experiments.rows_window import few, frames_that_fit, tlbis_for
from sim.experiments.trial import READY, Trial
from sim.experiments.window_runs import SLOT_IRQ, SLOT_SYNC, UNLIMITED, some_of
from sim.observers.recursion import healed_recursions
from sim.result import Result
from sim.state.events import EVENT_ENTRY, EVENT_MARK, EVENT_TLBI

EVENTS = ("entry", "return", "tlbi")
EXIT_WRONG = 1
OWN_LOST_OFFSET = 6 * 8                         # of asm/own_block.inc, from G_SCRATCH on
STACK_BYTES = 16384


def _pcpus(trial: Trial) -> dict[int, int]:
    """VA of the pcpu of every PE but PE 0."""
    return {pe: trial.word(trial.constants["CPUID_TO_PCPU_VA"] + 8 * pe) for pe in range(1, trial.pes)}


def _from_ready(trial: Trial, result: Result) -> np.ndarray:
    """The log from mark_ready on: before it no PE but PE 0 uses its pcpu in an exception that matters."""
    assert trial.machine is not None
    events = result.events.array()
    ready = events[(events["kind"] == EVENT_MARK) & (events["a"] == trial.machine.watched.index(READY))]
    expect(len(ready) > 0, f"{result.verdict} before {READY}")
    found: np.ndarray = events[events["cycle"] >= ready["cycle"][0]]
    return found


def _undisturbed(trial: Trial, result: Result, vas: Mapping[int, int]) -> None:
    """From mark_ready on there is no TLBI over the 2 MB from any of these VAs on, and no synchronous exception at EL1."""
    events = _from_ready(trial, result)
    issued = events[events["kind"] == EVENT_TLBI]
    for pe, va in vas.items():
        over = np.count_nonzero((issued["a"] < np.uint64(va + BLOCK_BYTES)) & (issued["a"] + issued["b"] > np.uint64(va)))
        expect(over == 0, f"{over} TLBIs over the memory of PE {pe}'s pcpu")
    faults = int(np.count_nonzero((events["kind"] == EVENT_ENTRY) & (events["aux"] == SLOT_SYNC)))
    expect(faults == 0, f"{faults} synchronous exceptions at EL1")


def own_blocks(pes: int, seeds: int, domains: int = 2, ram_mb: int = 64) -> Seen:
    """T-19, 4 KB granule. Each pcpu in a block of its own, of its PE's domain; nothing is promoted there once the PEs run."""
    trial = Trial("own-block", pes, rounds=2, constants={"LOAD_WALK_BLOCKS": 0}, events=EVENTS, layout={"domains": domains}, ram_bytes=ram_mb << 20)
    memory = memory_at_ready(trial)

    def judge(result: Result) -> str:
        known, pcpus = trial.constants, _pcpus(trial)
        expect(result.exit_status == 0, f"{result.verdict}: {result.console}")
        expect(memory is not None, "the load does not begin")
        expect(len(set(pcpus.values())) == pes - 1 and all(va % BLOCK_BYTES == 0 for va in pcpus.values()), f"pcpus at {pcpus}")
        tables = Memory(trial, result)
        for pe, va in pcpus.items():
            block = tables.l2((va - known["KMEM_VA"]) // BLOCK_BYTES)
            expect(block & TYPE == BLOCK, f"PE {pe}: descriptor {block:#x} is not a block's")
            domain = ((block & PA_BITS) - known["POOL_PA"]) // known["DOMAIN_BYTES"]
            expect(domain == pe // known["PES_PER_DOMAIN"] % domains, f"PE {pe}: memory of domain {domain}")
        _undisturbed(trial, result, pcpus)
        assert memory is not None
        own_bytes = (pes - 1) * BLOCK_BYTES
        beside = memory.used_bytes - own_bytes          # a table for each block, which is kept, and one or two pages of the radix
        expect(0 <= beside <= (pes + 1) * PAGE_BYTES, f"{memory.used_bytes} bytes in use")
        expect(memory.wasted_bytes == memory.used_bytes - (pes - 1) * known["PCPU_BYTES"], f"{memory.wasted_bytes} bytes wasted")
        return f"{pes - 1} x 2 MB, each in its PE's domain, {memory.wasted_bytes >> 10} KB wasted with the tables, no TLBI over them"

    return over_seeds(trial, judge, range(seeds))


def no_memory(pes: int, options: Mapping[str, int], layout: Mapping[str, int]) -> Seen:
    """T-19. A domain without contiguous memory: the run ends with a status, and what had been taken is given back."""
    trial = Trial("own-block", pes, constants=options, layout=layout, events=("tlbi",))

    def judge(result: Result) -> str:
        known = trial.constants
        expect(result.exit_status == EXIT_WRONG, f"{result.verdict}: {result.console}")
        lost = trial.word(known["GLOBALS_VA"] + known["G_SCRATCH"] + OWN_LOST_OFFSET)
        expect(lost == 0, f"the kernel lost {lost} pages")
        assert trial.machine is not None
        array_pa = known["VM_PAGE_ARRAY_VA"] - known["DMAP_OFFSET"]
        flags = np.frombuffer(trial.machine.read_physical(array_pa, known["POOL_FRAMES"] * VM_PAGE_BYTES), "<u4")
        taken = int(np.count_nonzero(flags & VM_PAGE_FLAGS["PG_ALLOCATED"]))
        words = [np.frombuffer(trial.machine.read_physical(known[name], PAGE_BYTES), "<u8") for name in ("KMEM_L2_PA", "PM_ROOT_PA")]
        tables = sum(int(np.count_nonzero(one)) for one in words)
        fragments = known["POOL_FRAMES"] // RUN_PAGES if known["OWN_FRAGMENTED"] else 0
        expect(taken == tables + fragments, f"{taken} frames in use, though {tables} are tables and {fragments} were taken beforehand")
        expect(not any(word & TYPE == BLOCK for word in words[0].tolist()), "a block is left")
        return "says for which PE, ends with status 1, nothing kept but empty tables"

    return over_seeds(trial, judge, [0])


def no_block(option: str, seeds: int, pes: int = 4) -> Seen:
    """T-20. Superpages off, or KVA that is not aligned: pages, never promoted, safe."""
    trial = Trial("own-block", pes, rounds=2, constants={"LOAD_WALK_BLOCKS": 0, option: 0}, events=EVENTS)

    def judge(result: Result) -> str:
        known, pcpus = trial.constants, _pcpus(trial)
        expect(result.exit_status == 0, f"{result.verdict}: {result.console}")
        tables = Memory(trial, result)
        for pe, va in pcpus.items():
            place = va - known["KMEM_VA"]
            for chunk in {place // BLOCK_BYTES, (place + BLOCK_BYTES - 1) // BLOCK_BYTES}:
                expect(tables.l2(chunk) & TYPE == TABLE, f"PE {pe}: a block")
            page = place // PAGE_BYTES
            expect(not tables.pages(page // RUN_PAGES)[page % RUN_PAGES] & CONTIGUOUS, f"PE {pe}: a contiguous run")
        _undisturbed(trial, result, pcpus)
        promotions = tables.counter("L2_PROMOTIONS")
        expect((promotions == 0) == (option == "OWN_SUPERPAGES"), f"{promotions} promotions of other memory")
        return "pages, never promoted, no fault"

    return over_seeds(trial, judge, range(seeds))


def change_in_a_live_block(pes: int, seeds: int, rounds: int = 4, least: int = 1) -> Seen:
    """T-21. PE 0 changes the memory type of a page beside each other PE's pcpu: one TLBI demotes the block, its PE recurses until the make.

    Holds if nothing is lost in any run, and at least so many runs had a recursion.
    """
    trial = Trial("own_block_change", pes, constants={"INTERRUPTS": 1}, events=EVENTS, rounds=rounds)

    def judge(result: Result) -> str:
        return str(_deepest(trial, result, rounds))

    return some_of(trial, judge, seeds, "levels of recursion, all unwound", least)


def _deepest(trial: Trial, result: Result, rounds: int) -> int:
    """What a run must have been; the depth of its deepest recursion over a pcpu."""
    known = trial.constants
    expect(result.exit_status == 0, f"{result.verdict}: {result.console}")
    events = _from_ready(trial, result)
    windows = events[events["kind"] == EVENT_TLBI]
    depth = 0
    for pe, va in _pcpus(trial).items():
        whole = np.count_nonzero((windows["a"] >> np.uint64(21)) == np.uint64(va >> 21))
        # each round: the demotion and the page, which is changed back, and 512 for the promotion; 16 for a contiguous run that is cut first
        runs, rest = divmod(int(whole) - rounds * (1 + 1 + 1 + RUN_PAGES), GROUP_PAGES)
        expect(rest == 0 and 1 <= runs <= rounds, f"PE {pe}: {whole} TLBIs over its block in {rounds} rounds")
        depth = max([depth, *(healed.depth for healed in healed_recursions(events, pe, depth_least=1))])
        faults = events[(events["kind"] == EVENT_ENTRY) & (events["aux"] == SLOT_SYNC) & (events["pe"] == pe)]
        elsewhere = np.count_nonzero(faults["c"] - np.uint64(va) >= np.uint64(known["PCPU_BYTES"]))
        expect(elsewhere == 0, f"PE {pe}: {elsewhere} faults elsewhere than on its pcpu")
    expect(depth <= frames_that_fit(STACK_BYTES) // 4, f"{depth} levels")
    return depth


def long_window_over_a_live_block(pes: int, seeds: int) -> Seen:
    """T-21, the side of T-02: with a window that outlasts the stack the first PE whose block is changed is lost."""
    trial = Trial("own_block_change", pes, rounds=1, events=EVENTS, recursion_limit=UNLIMITED, livelock_limit=UNLIMITED, constants={
        "INTERRUPTS": 1, "WINDOW_TLBIS": tlbis_for(STACK_BYTES), "ANSWER_TURNS": 4000, "DELAY_TURNS": 30})

    def judge(result: Result) -> str:
        expect(result.exit_status == EXIT_WRONG, f"{result.verdict}: {result.console}")
        va = _pcpus(trial)[1]
        events = _from_ready(trial, result)
        entries = events[(events["kind"] == EVENT_ENTRY) & (events["pe"] == 1)]
        last = np.flatnonzero(entries["aux"] == SLOT_IRQ)[-1]
        faults = int(np.count_nonzero(entries["c"][last + 1:] - np.uint64(va) < np.uint64(trial.constants["PCPU_BYTES"])))
        expect(faults == frames_that_fit(STACK_BYTES) + 1, f"{faults} faults on pcpu, though {frames_that_fit(STACK_BYTES)} frames fit")
        return f"{faults} faults on pcpu, then the stack is used up"

    return over_seeds(trial, judge, range(seeds))


ROWS = (
    Row("T-19", "SC-1: n PEs, each pcpu in an L2 block of its own, with granules of 4 KB and 16 KB",
        "n x 2 MB, n x 32 MB; fails cleanly when a domain lacks contiguous memory; no promotion once the PEs run",
        lambda seeds: all_of([
            ("2 PEs", lambda: own_blocks(2, few(seeds))), ("6 PEs", lambda: own_blocks(6, few(seeds))),
            ("9 PEs, 3 domains", lambda: own_blocks(9, few(seeds), 3, 96)),
            ("small domains", lambda: no_memory(6, {}, {"domains": 2, "domain_blocks": 2})),
            ("a small domain, strictly", lambda: no_memory(12, {"OWN_DOMAIN_STRICT": 1}, {"domains": 2})),
            ("fragmented", lambda: no_memory(4, {"OWN_FRAGMENTED": 1}, {})),
            ("small domains, unaligned KVA", lambda: no_memory(6, {"OWN_KVA_ALIGNED": 0}, {"domains": 2, "domain_blocks": 2})),
            *PARTS,
        ])),
    Row("T-20", "SC-1 with superpages disabled, or with KVA that is not aligned", "L3 pages, never promoted: safe, not a block",
        lambda seeds: all_of([("superpages off", lambda: no_block("OWN_SUPERPAGES", few(seeds))),
                              ("KVA not aligned", lambda: no_block("OWN_KVA_ALIGNED", few(seeds)))])),
    Row("T-21", "SC-1, then change_attr on one page of the block", "demotion in a window of one TLBI with a live pcpu: T-03; T-02 where the window is long",
        lambda seeds: all_of([("own window", lambda: change_in_a_live_block(3, seeds)),
                              ("5 PEs", lambda: change_in_a_live_block(5, few(seeds))),
                              ("a long window", lambda: long_window_over_a_live_block(2, few(seeds)))]), is_race=True),
)
