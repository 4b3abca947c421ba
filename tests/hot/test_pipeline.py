"""Cost of a block: against a second scheduler that steps cycle by cycle, and against shapes whose cost anybody can count."""
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sim.arch.instruction import COST_CLASSES
from sim.hot import pipeline

FLAGS = 100                             # number of NZCV in the second scheduler
LATENCY = {name: 1 for name in COST_CLASSES} | {"multiply": 3, "divide": 9, "load": 4, "load_pair": 4, "barrier_isb": 20, "barrier_dmb": 6}
ISSUE = {name: 1 for name in COST_CLASSES} | {"divide": 7, "load_pair": 2}
PIPELINED = {name: 1 for name in COST_CLASSES}
IN_ORDER = {"in_order": 1, "width": 2, "window": 1, "loads": 1, "stores": 1}
WIDE = {"in_order": 0, "width": 4, "window": 128, "loads": 2, "stores": 1}


@dataclass(frozen=True)
class Made:
    """One instruction: its word, and what the second scheduler knows of it."""

    word: int
    kind: str
    reads: tuple[int, ...]
    writes: tuple[int, ...]


def add(d: int, n: int, m: int) -> Made:
    return Made(0x8B00_0000 | m << 16 | n << 5 | d, "alu", (n, m), (d,))


def multiply(d: int, n: int, m: int) -> Made:
    return Made(0x9B00_7C00 | m << 16 | n << 5 | d, "multiply", (n, m), (d,))


def divide(d: int, n: int, m: int) -> Made:
    return Made(0x9AC0_0800 | m << 16 | n << 5 | d, "divide", (n, m), (d,))


def load(d: int, n: int, _: int) -> Made:
    return Made(0xF940_0000 | n << 5 | d, "load", (n,), (d,))


def load_pair(d: int, n: int, m: int) -> Made:
    return Made(0xA940_0000 | m << 10 | n << 5 | d, "load_pair", (n,), (d, m))


def store(d: int, n: int, _: int) -> Made:
    return Made(0xF900_0000 | n << 5 | d, "store", (n, d), ())


def compare(_: int, n: int, m: int) -> Made:
    return Made(0xEB00_001F | m << 16 | n << 5, "alu", (n, m), (FLAGS,))


def select(d: int, n: int, m: int) -> Made:
    return Made(0x9A80_0000 | m << 16 | n << 5 | d, "alu", (n, m, FLAGS), (d,))


def synchronise(*_: int) -> Made:
    return Made(0xD503_3FDF, "barrier_isb", (), ())


def memory_barrier(*_: int) -> Made:
    return Made(0xD503_3BBF, "barrier_dmb", (), ())


MAKERS: tuple[Callable[[int, int, int], Made], ...] = (
    add, multiply, divide, load, load_pair, store, compare, select, synchronise, memory_barrier)
REGISTER = st.integers(0, 7)
BLOCKS = st.lists(st.builds(lambda make, d, n, m: make(d, n, m), st.sampled_from(MAKERS), REGISTER, REGISTER, REGISTER), min_size=1, max_size=12)
SHAPES = st.fixed_dictionaries({"in_order": st.integers(0, 1), "width": st.integers(1, 6), "window": st.sampled_from((1, 2, 5, 16, 128)),
                                "loads": st.integers(1, 3), "stores": st.integers(1, 2)})


def cost(block: list[Made], shape: dict[str, int], room: int = 64, issue: dict[str, int] = ISSUE) -> tuple[int, list[int]]:
    """What the compiled model says: cycles, and those of each prefix."""
    ram = np.frombuffer(np.array([0] * 4 + [one.word for one in block], "<u4").tobytes(), np.uint8).copy()
    costs = [np.array(list(table.values()) + [0] * 11, np.uint64) for table in (issue, LATENCY)]
    prefixes = np.zeros(room, np.uint32)
    made = np.array([shape[name] for name in ("in_order", "width", "window", "loads", "stores")] + [0] * 3, np.uint64)
    work = np.zeros(pipeline.WORK_WORDS, np.uint64)
    cycles = int(pipeline.block_cycles(ram, np.int64(16), np.int64(len(block)), *costs, made, work, prefixes))
    return cycles, prefixes[:len(block)].tolist()


def pipes_of(one: Made, shape: dict[str, int]) -> tuple[str, int]:
    counts = {"multiply": 1, "divide": 1, "load": shape["loads"], "store": shape["stores"], "system": 1}
    name = {"load_pair": "load", "barrier_isb": "system", "barrier_dmb": "system"}.get(one.kind, one.kind)
    return (name, counts[name]) if name in counts else ("any", shape["width"])


class SecondScheduler:
    """Looks at every instruction in every cycle until all are over: no running maxima, no rings."""

    def __init__(self, rounds: list[list[Made]], shape: dict[str, int], issue: dict[str, int]) -> None:
        self.shape, self.issue = shape, issue
        self.all = [(number, one) for number, block in enumerate(rounds) for one in block]
        self.entered: list[int] = []
        self.begun: dict[int, int] = {}
        self.taken: dict[str, list[int]] = {}

    def finish(self, k: int) -> int:
        kind = self.all[k][1].kind
        long = max(LATENCY[kind], self.issue[kind]) if kind.startswith("barrier") else LATENCY[kind]
        return self.begun[k] + long

    def producers(self, k: int) -> list[int]:
        """Instructions that k waits for: the last writer of each register that it reads, and what barriers order."""
        one = self.all[k][1]
        memory = ("load", "load_pair", "store")
        found = []
        for register in one.reads:
            writers = [j for j in range(k) if register in self.all[j][1].writes]
            found += writers[-1:]
        for j in range(k):
            other = self.all[j][1].kind
            ordered = one.kind == "barrier_isb" or (one.kind == "barrier_dmb" and other in memory)
            if ordered or other == "barrier_isb" or (one.kind in memory and other == "barrier_dmb"):
                found.append(j)
        return found

    def can_begin(self, k: int, cycle: int) -> bool:
        name, count = pipes_of(self.all[k][1], self.shape)
        if any(j not in self.begun or self.finish(j) > cycle for j in self.producers(k)):
            return False
        busy = self.taken.setdefault(name, [0] * count)
        return min(busy) <= cycle

    def begin(self, k: int, cycle: int) -> None:
        name, _ = pipes_of(self.all[k][1], self.shape)
        busy = self.taken[name]
        busy[busy.index(min(busy))] = cycle + self.issue[self.all[k][1].kind]
        self.begun[k] = cycle

    def ends(self) -> list[int]:
        """When each instruction is over: one cycle after it began in order, when it and all before have finished out of order."""
        cycle = 0
        while len(self.begun) < len(self.all):
            self.step_in_order(cycle) if self.shape["in_order"] else self.step_out_of_order(cycle)
            cycle += 1
        if self.shape["in_order"]:
            return [self.finish(k) if self.all[k][1].kind == "barrier_isb" else self.begun[k] + 1 for k in range(len(self.all))]
        return [max(self.finish(j) for j in range(k + 1)) for k in range(len(self.all))]

    def step_in_order(self, cycle: int) -> None:
        for _ in range(self.shape["width"]):
            k = len(self.begun)
            new_block = 0 < k < len(self.all) and self.all[k][0] != self.all[k - 1][0]
            if k == len(self.all) or not self.can_begin(k, cycle) or (new_block and self.begun[k - 1] == cycle):
                return
            self.begin(k, cycle)

    def step_out_of_order(self, cycle: int) -> None:
        for _ in range(self.shape["width"]):
            k = len(self.entered)
            if k == len(self.all) or (k and self.all[k][0] != self.all[k - 1][0] and self.entered[-1] == cycle):
                break
            leaver = k - self.shape["window"]
            if any(j not in self.begun or self.finish(j) > cycle for j in range(leaver + 1)):
                break
            if any(self.all[j][1].kind == "barrier_isb" and (j not in self.begun or self.finish(j) > cycle) for j in range(k)):
                break
            self.entered.append(cycle)
        for k in range(len(self.entered)):
            if k not in self.begun and self.can_begin(k, cycle):
                self.begin(k, cycle)


@settings(max_examples=60, deadline=None)
@given(BLOCKS, SHAPES)
@example([multiply(1, 1, 2), divide(3, 4, 5), load(2, 3, 0)], WIDE)
def test_a_block_costs_what_a_second_scheduler_finds_for_the_last_rounds(block: list[Made], shape: dict[str, int]) -> None:
    rounds, issue = 16, ISSUE if shape["in_order"] else PIPELINED   # who is first where pipes are kept for long is no matter of rules
    ends = SecondScheduler([block] * rounds, shape, issue).ends()
    last = max(ends)
    middle = max(ends[:len(block) * rounds // 2])
    assert cost(block, shape, issue=issue)[0] == max(1, (last - middle + 4) // 8)


@settings(max_examples=200, deadline=None)
@given(BLOCKS, SHAPES, st.integers(1, 12))
def test_prefixes_never_fall_begin_at_one_and_end_at_the_whole(block: list[Made], shape: dict[str, int], room: int) -> None:
    whole, prefixes = cost(block, shape, room)
    assert whole >= 1
    assert prefixes == sorted(prefixes)
    assert all(1 <= one <= whole for one in prefixes[:room])
    assert len(block) > room or prefixes[-1] == whole


@pytest.mark.parametrize("shape", [IN_ORDER, WIDE])
def test_additions_that_depend_on_each_other_take_a_cycle_each(shape: dict[str, int]) -> None:
    assert cost([add(1, 1, 2)] * 12, shape)[0] == 12


@pytest.mark.parametrize("shape", [IN_ORDER, WIDE])
def test_independent_additions_are_limited_by_the_issue_width(shape: dict[str, int]) -> None:
    assert cost([add(d, 20, 21) for d in range(12)], shape)[0] == 12 // shape["width"]


def test_a_use_right_behind_its_load_waits_in_order_but_out_of_order_only_if_the_next_round_needs_it() -> None:
    block = [load(1, 20, 0), add(2, 1, 1)]
    assert cost(block, IN_ORDER)[0] == LATENCY["load"] + 1
    assert cost(block, WIDE)[0] == 1
    chain = [load(1, 1, 0), add(2, 1, 1)]
    assert cost(chain, WIDE)[0] == LATENCY["load"]


def test_in_order_a_stall_holds_back_what_does_not_depend_on_it() -> None:
    stalled = [divide(1, 20, 21), add(2, 1, 1)] + [add(d, 22, 23) for d in range(3, 9)]
    assert cost(stalled, IN_ORDER)[0] == LATENCY["divide"] + 4      # the use, and six others two at a time, one of them beside the use
    assert cost(stalled, WIDE)[0] == ISSUE["divide"]


def test_a_window_too_small_to_see_the_next_load_exposes_its_latency() -> None:
    block = [load(1, 20, 0), add(2, 1, 1), add(3, 2, 2), add(4, 3, 3)]
    small, large = (cost(block, WIDE | {"window": window})[0] for window in (1, 128))
    assert (small, large) == (LATENCY["load"] + 3, 1)


@pytest.mark.parametrize(("ports", "expected"), [(1, 6), (2, 3), (3, 2)])
def test_loads_are_limited_by_their_ports(ports: int, expected: int) -> None:
    assert cost([load(d, 20, 0) for d in range(6)], WIDE | {"width": 6, "loads": ports})[0] == expected


def test_what_keeps_its_pipe_is_limited_by_that_and_not_by_its_latency() -> None:
    assert cost([divide(d, 20, 21) for d in range(4)], WIDE)[0] == 4 * ISSUE["divide"]


def test_flags_are_a_dependence() -> None:
    assert cost([compare(0, 1, 2), select(1, 1, 3)], WIDE)[0] == 2
    assert cost([compare(0, 4, 2), select(1, 5, 3)], WIDE)[0] == 1


def test_an_isb_lets_nothing_overlap() -> None:
    assert cost([load(1, 20, 0), synchronise()], WIDE)[0] == LATENCY["load"] + LATENCY["barrier_isb"]


def test_a_dmb_orders_loads_and_lets_the_rest_pass() -> None:
    between = [load(1, 20, 0), memory_barrier(), load(2, 21, 0)]
    assert cost(between, WIDE | {"window": 1})[0] == LATENCY["load"] + LATENCY["barrier_dmb"] + LATENCY["load"]
    assert cost(between, WIDE | {"window": 3})[0] == LATENCY["load"] + LATENCY["barrier_dmb"]    # the next round's first load beside the second
    beside = [memory_barrier(), *(add(d, 20, 21) for d in range(3))]
    assert cost(beside, WIDE)[0] == 1


def test_a_base_written_back_is_there_before_what_was_loaded() -> None:
    post_index = Made(0xF840_8400 | 20 << 5 | 1, "load", (20,), (1,))       # ldr x1, [x20], #8
    assert cost([post_index], WIDE)[0] == 1
    assert cost([post_index, load(20, 20, 0)], WIDE)[0] == 1 + LATENCY["load"]


def test_a_block_of_a_thousand_instructions_is_no_dearer_for_each() -> None:
    short, long = (cost([add(d % 8, 20, 21) for d in range(count)], WIDE)[0] for count in (100, 1000))
    assert (short, long) == (25, 250)
