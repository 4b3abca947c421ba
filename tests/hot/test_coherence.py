"""Lines that travel: the directory against one on paper, and what follows for contenders."""
import inspect
import itertools
from typing import Any

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba.core.dispatcher import Dispatcher

from sim.hot import caches as caches_module
from sim.hot import coherence
from sim.hot import pages as pages_module
from sim.state import dtypes
from sim.state.arrays import CacheShapes, State

from ..oracle.lines import Lines, Times

u64 = np.uint64
TIMES = Times(cluster=45, socket=105, far=225, memory=180, read=8, invalidate=7, home=60, cluster_pes=2, socket_pes=4,
              far_atomics=True, buffer=3)
KINDS = {"read": coherence.READ, "write": coherence.WRITE, "atomic": coherence.ATOMIC, "far": coherence.ATOMIC_FAR}
LINES_FROM = 1000                        # somewhere in RAM


def state_of(pes: int, times: Times = TIMES) -> State:
    """PEs whose lines cost these times; no caches."""
    state = State(pes, 1 << 20, l1i=1, l1d=1, l2=(1, 1), walk_cache=(1, 1), caches=CacheShapes(store_buffer=times.buffer))
    values = {"coherence": dtypes.COHERENCE_PAGES, "line_same_cluster": times.cluster, "line_same_socket": times.socket,
              "line_other_socket": times.far, "latency_memory": times.memory, "line_read": times.read, "line_invalidate": times.invalidate,
              "line_far_atomic": times.home, "cluster_pes": times.cluster_pes, "socket_pes": times.socket_pes,
              "far_atomics": int(times.far_atomics), "l2_cache_pes": 1}
    for name, value in values.items():
        state.machine[0][name] = value
    return state


class Both:
    """The directory and the one on paper, asked alike."""

    def __init__(self, pes: int) -> None:
        self.state, self.paper = state_of(pes), Lines(pes, TIMES)

    def access(self, pe: int, line: int, kind: str, release: bool = False) -> int:
        number = KINDS[kind] | (coherence.RELEASE if release and kind != "read" else u64(0))
        stall = int(coherence.access(self.state.handle, pe, u64((LINES_FROM + line) * 64), u64(8), number))
        assert stall == self.paper.access(pe, line, kind, release and kind != "read")
        return stall

    def pass_time(self, pe: int, cycles: int) -> None:
        self.state.pes[pe]["cycles"] += cycles
        self.paper.clock[pe] += cycles

    def check(self) -> None:
        pes = self.state.pes
        assert pes["cycles"].tolist() == self.paper.clock
        assert pes["n_line_transfers"].tolist() == self.paper.transfers
        assert pes["n_invalidations"].tolist() == self.paper.invalidations
        for number, line in self.paper.lines.items():
            record = self.state.lines[LINES_FROM + number]
            state, owner = int(record["holder"]) & 0xFF, int(record["holder"]) >> 8 & 0xFF
            if not line.copies:
                assert state == dtypes.LINE_INVALID
            elif line.is_writable:
                assert (state > dtypes.LINE_SHARED, {owner}) == (True, line.copies)
                assert not record["sharers"].any()
            else:
                assert state == dtypes.LINE_SHARED
                assert {pe for pe in range(len(pes)) if int(record["sharers"][pe >> 6]) >> (pe & 63) & 1} == line.copies


STEP = st.tuples(st.integers(0, 6), st.integers(0, 3), st.sampled_from(tuple(KINDS)), st.booleans(), st.integers(0, 90))


@settings(max_examples=150, deadline=None)
@given(st.lists(STEP, min_size=1, max_size=80))
def test_every_access_waits_as_long_as_on_paper(steps: list[tuple[int, int, str, bool, int]]) -> None:
    both = Both(7)
    try:
        for pe, line, kind, release, pause in steps:
            both.pass_time(pe, pause)
            if kind == "read" and release:                      # a barrier instead
                coherence.wait_for_stores(both.state.pes[pe])
                both.paper.barrier(pe)
            else:
                both.access(pe, line, kind, release)
        both.check()
    finally:
        both.state.release()


def run_in_order(state: State, turns: int, kind: np.uint64, line: int = LINES_FROM) -> list[int]:
    """Every PE makes `turns` accesses to a line, one behind the other, the PE that is furthest behind always first. Returns their clocks."""
    left = [turns] * len(state.pes)
    while any(left):
        pe = min((i for i in range(len(left)) if left[i]), key=lambda i: (int(state.pes[i]["cycles"]), i))
        coherence.access(state.handle, pe, u64(64 * line), u64(8), kind)
        state.pes[pe]["cycles"] += 1
        left[pe] -= 1
    return [int(pe["cycles"]) for pe in state.pes]


@pytest.mark.parametrize("pes", [2, 3, 8, 64, 256])
def test_atomics_of_n_pes_on_one_line_take_n_times_a_transfer(pes: int) -> None:
    times = Times(**{**TIMES.__dict__, "cluster_pes": 256, "socket_pes": 256})
    state = state_of(pes, times)
    ended = run_in_order(state, 1, coherence.ATOMIC)
    state.release()
    assert max(ended) == times.memory + (pes - 1) * times.cluster + 1


@pytest.mark.parametrize("pes", [2, 8, 64])
def test_readers_of_a_changed_line_wait_for_one_transfer_and_then_only_for_each_other(pes: int) -> None:
    times = Times(**{**TIMES.__dict__, "cluster_pes": 256, "socket_pes": 256})
    state = state_of(pes, times)
    coherence.access(state.handle, 0, u64(64 * LINES_FROM), u64(8), coherence.ATOMIC)
    state.pes["cycles"] = 1000
    ended = sorted(int(coherence.access(state.handle, pe, u64(64 * LINES_FROM), u64(8), coherence.READ)) for pe in range(1, pes))
    state.release()
    assert ended == [times.cluster] + [2 * times.cluster + k * times.read for k in range(pes - 2)]


@pytest.mark.parametrize(("other", "cycles"), [(1, TIMES.cluster), (2, TIMES.socket), (3, TIMES.socket), (4, TIMES.far), (6, TIMES.far)])
@pytest.mark.parametrize("kind", ["read", "atomic"])
def test_a_line_takes_as_long_as_its_way_is(other: int, cycles: int, kind: str) -> None:
    both = Both(7)
    both.access(0, 0, "atomic")
    both.pass_time(other, 10_000)
    assert both.access(other, 0, kind) == cycles
    both.state.release()


def test_a_store_costs_nothing_until_the_buffer_is_full_or_a_barrier_waits_for_it() -> None:
    both = Both(2)
    for line in range(TIMES.buffer + 2):
        both.access(0, line, "atomic")
    both.pass_time(1, 10_000)
    stalls = [both.access(1, line, "write") for line in range(TIMES.buffer + 1)]
    assert stalls == [0] * TIMES.buffer + [TIMES.cluster]
    coherence.wait_for_stores(both.state.pes[1])
    assert int(both.state.pes[1]["cycles"]) == 10_000 + 2 * TIMES.cluster, "the last store began when the first was done"
    both.state.release()


def test_a_load_exclusive_and_its_store_cost_one_transfer_and_an_invalidation() -> None:
    both = Both(3)
    both.access(0, 0, "atomic")
    both.pass_time(1, 1000)
    assert both.access(1, 0, "read") == TIMES.cluster
    assert both.access(1, 0, "atomic") == TIMES.invalidate
    assert both.paper.transfers == [0, 1, 0]
    both.check()
    both.state.release()


def test_a_pe_has_a_line_until_it_leaves() -> None:
    both = Both(4)
    both.access(0, 0, "atomic")
    for pe in (1, 2):                                       # PE 2 asks when the line is on its way to PE 1
        both.access(pe, 0, "atomic")
    arrived = TIMES.memory + TIMES.cluster
    assert both.paper.clock == [TIMES.memory, arrived, arrived + TIMES.socket, 0]
    both.state.pes["cycles"] = both.paper.clock[:] = [arrived - 1] * 4
    assert both.access(1, 0, "atomic") == 0
    both.pass_time(1, 1)
    assert both.access(1, 0, "atomic") == 2 * TIMES.socket
    both.check()
    both.state.release()


def test_atomics_done_at_home_neither_wait_nor_move_the_line() -> None:
    both = Both(6)
    both.access(0, 0, "atomic")
    both.pass_time(1, 1000)
    for pe in (1, 2, 3, 4, 5):
        both.state.pes[pe]["cycles"] = both.paper.clock[pe] = 1000
        assert both.access(pe, 0, "far") == 0
    assert both.paper.lines[0].free == 1000 + 5 * TIMES.home
    both.check()
    both.state.release()


def test_an_access_across_lines_asks_for_both() -> None:
    state = state_of(2)
    stall = coherence.access(state.handle, 0, u64(64 * LINES_FROM - 4), u64(8), coherence.READ)
    assert int(stall) == 2 * TIMES.memory
    assert [int(state.lines[LINES_FROM - k]["holder"]) & 0xFF for k in (0, 1)] == [dtypes.LINE_EXCLUSIVE] * 2
    state.release()


def test_what_a_pe_waited_is_counted_and_pages_of_changed_lines_are_noted() -> None:
    state = state_of(3)
    stalls: dict[int, int] = dict.fromkeys(range(3), 0)
    for pe, kind in itertools.product(range(3), (coherence.READ, coherence.ATOMIC, coherence.READ)):
        stalls[pe] += int(coherence.access(state.handle, pe, u64(64 * LINES_FROM), u64(8), kind))
    counted: Any = state.pes["coherence_cycles"].tolist()
    assert counted == list(stalls.values()) == state.pes["cycles"].tolist()
    assert np.flatnonzero(state.lines_touched).tolist() == [LINES_FROM // 64]
    state.release()


@pytest.mark.slow
@pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="NUMBA_DISABLE_JIT is set")
def test_no_variable_is_a_float() -> None:
    word, index, flag = numba.uint64, numba.int64, numba.boolean
    kinds = {"i": index, "j": index, "page": index, "first": index, "ways": index, "record": numba.from_dtype(dtypes.LINE),
             "pe": numba.from_dtype(dtypes.PE), "tags": numba.uint32[::1], "tag": numba.uint32, "is_write": flag}
    checked = 0
    for module in (caches_module, coherence, pages_module):
        for name, function in vars(module).items():
            if not isinstance(function, Dispatcher) or function.py_func.__module__ != module.__name__:
                continue
            fresh = numba.njit(function.py_func)
            own = kinds | ({"ways": word} if name == "first_of_set" else {})
            arguments = tuple(own.get(each, word) for each in inspect.signature(function.py_func).parameters)
            fresh.compile(arguments)
            for variable, kind in fresh.overloads[arguments].type_annotation.typemap.items():
                assert not isinstance(kind, numba.types.Float), (name, variable, kind)
            checked += 1
    assert checked > 25
