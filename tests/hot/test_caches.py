"""Tags of caches: sets against a dictionary, and the latencies that a chase through memory of each size shows."""
from collections import OrderedDict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.arch.memory_map import RAM_PA
from sim.hot import caches, coherence
from sim.machine import Machine
from sim.state import dtypes
from sim.state.arrays import CacheShapes, State
from sim.timing.profile import Profile, load_profile, profile_names

from ..machine.support import image_of

u64, u32 = np.uint64, np.uint32
LINE_BYTES = 64
CHAIN_PA = RAM_PA + (32 << 20)


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 5), st.lists(st.tuples(st.booleans(), st.integers(1, 9)), max_size=60))
def test_a_set_is_a_list_of_the_lines_used_last(ways: int, steps: list[tuple[bool, int]]) -> None:
    tags, paper = np.zeros(ways + 2, np.uint32), OrderedDict[int, None]()
    for is_used, tag in steps:
        if is_used:
            found, driven_out = caches.use(tags, 1, ways, u32(tag))
            assert found == (tag in paper)
            paper[tag] = None
            paper.move_to_end(tag, last=False)
            assert int(driven_out) == (paper.popitem()[0] if len(paper) > ways else 0)
        else:
            caches.drop(tags, 1, ways, u32(tag))
            paper.pop(tag, None)
        assert [int(one) for one in tags[1 : ways + 1] if one] == list(paper)
    assert tags[0] == tags[ways + 1] == 0


def state_with_caches(pes: int, l2_pes: int) -> State:
    """L1 of 2 sets of 2 ways, an L2 of 4 sets of 3 ways for each `l2_pes` PEs, no system-level cache."""
    state = State(pes, 1 << 20, l1i=1, l1d=1, l2=(1, 1), walk_cache=(1, 1),
                  caches=CacheShapes(l1=4, l2=12, l2_count=-(-pes // l2_pes), store_buffer=2))
    values = {"coherence": dtypes.COHERENCE_ALL, "l1_cache_sets": 2, "l1_cache_ways": 2, "l2_cache_sets": 4, "l2_cache_ways": 3, "l2_cache_pes": l2_pes,
              "latency_l2": 10, "latency_memory": 200, "line_same_cluster": 40, "line_same_socket": 80, "line_other_socket": 160, "line_read": 5,
              "line_invalidate": 6, "cluster_pes": 2, "socket_pes": 256}
    for name, value in values.items():
        state.machine[0][name] = value
    return state


def tags_of(row: np.ndarray) -> set[int]:  # type: ignore[type-arg]
    """Numbers of the lines in a cache."""
    return {int(tag) - 1 for tag in row if tag}


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([1, 2, 4]), st.lists(st.tuples(st.integers(0, 3), st.integers(0, 40), st.sampled_from([0, 1, 2, 4])), max_size=150))
def test_what_caches_hold_is_what_the_directory_says(l2_pes: int, steps: list[tuple[int, int, int]]) -> None:
    state = state_with_caches(4, l2_pes)
    try:
        for pe, line, kind in steps:
            coherence.access(state.handle, pe, u64(line * LINE_BYTES), u64(8), u64(kind))
        for pe in range(4):
            below = tags_of(state.l2_cache[pe // l2_pes])
            assert tags_of(state.l1_cache[pe]) <= below, "L2 includes L1"
            for line in range(41):
                record = state.lines[line]
                holder, owner = int(record["holder"]) & 0xFF, int(record["holder"]) >> 8 & 0xFF
                holds = owner == pe if holder > dtypes.LINE_SHARED else holder == dtypes.LINE_SHARED and bool(int(record["sharers"][0]) >> pe & 1)
                if holds:
                    assert line in below
                if line in tags_of(state.l1_cache[pe]):
                    assert holds
    finally:
        state.release()


def chase(profile: Profile, lines: int, passes: int) -> int:
    """Cycles that a PE takes to follow a chain through that many lines, in an order drawn at random, so many times."""
    body = f"""
    main:
        ldr x1, ={CHAIN_PA:#x}
        ldr x2, ={lines * passes}
    more:
        ldr x1, [x1]
        subs x2, x2, #1
        b.ne more
        b off
    """
    machine = Machine(profile=profile, interleaving="instruction", ram_bytes=128 << 20, start="all").load(image_of(body, None))
    order = np.random.default_rng(lines).permutation(np.arange(1, lines, dtype=np.uint64))
    chain = np.zeros(lines * 8, np.uint64)
    way = np.concatenate([np.zeros(1, np.uint64), order, np.zeros(1, np.uint64)]).astype(np.int64)
    chain[way[:-1] * 8] = way[1:].astype(np.uint64) * u64(LINE_BYTES) + u64(CHAIN_PA)
    machine.write_physical(CHAIN_PA, chain.tobytes())
    result = machine.run(4_000_000_000)
    assert result.verdict.kind == "finished", str(result.verdict)
    return result.cycles


def cycles_each(profile: Profile, lines: int, passes: int) -> float:
    """What a load of a chain costs once the chain has been followed twice."""
    return (chase(profile, lines, 2 + passes) - chase(profile, lines, 2)) / (lines * passes)


@pytest.mark.parametrize("name", profile_names())
def test_a_chase_shows_the_latency_of_each_level(name: str) -> None:
    profile = load_profile(name)
    memory, l1, l2 = profile.memory, profile.caches.l1d.size_bytes // LINE_BYTES, profile.caches.l2.size_bytes // LINE_BYTES
    hit = cycles_each(profile, 8, 400)
    assert cycles_each(profile, l1 // 2, 2) == pytest.approx(hit, abs=0.01)
    assert cycles_each(profile, min(2 * l1, l2 // 2), 2) - hit == pytest.approx(memory.l2_latency_cycles - memory.l1d_latency_cycles, rel=0.05)
    beyond = cycles_each(profile, 2 * l2, 1) - hit
    behind_l2 = memory.slc_latency_cycles if memory.slc_bytes else profile.cycles_of_ns(memory.dram_ns)
    assert beyond == pytest.approx(behind_l2 - memory.l1d_latency_cycles, rel=0.05)
    first = chase(profile, 2 * l2, 1) / (2 * l2) - hit
    assert first == pytest.approx(profile.cycles_of_ns(memory.dram_ns) - memory.l1d_latency_cycles, rel=0.05)
