"""The order of PEs at equal cycles."""
from itertools import permutations

import numpy as np

from sim.hot.schedule import first, rebuild, reschedule, word_of
from sim.state import dtypes
from sim.state.arrays import State

u64 = np.uint64


def machine(pes: int, seed: int = 0x1234_5678_9ABC) -> State:
    state = State(pes, 1 << 20, l1i=4, l1d=4, l2=(1, 4), walk_cache=(1, 1))
    state.machine[0]["random"] = seed
    state.pes["status"] = dtypes.STATUS_RUNNING
    return state


def order_at(state: State, cycle: int) -> tuple[int, ...]:
    words = [(int(word_of(state.handle, u64(i), u64(cycle))), i) for i in range(len(state.pes))]
    return tuple(i for _, i in sorted(words))


def test_the_order_does_not_depend_on_how_often_it_was_worked_out() -> None:
    state = machine(5)
    state.pes["cycles"] = 777
    rebuild(state.handle)
    leader = int(first(state.handle))
    for i in (0, 3, 3, 1, 4, 2, 0, 0):
        reschedule(state.handle, i)
        assert int(first(state.handle)) == leader == order_at(state, 777)[0]


def test_all_orders_of_three_pes_occur_about_equally_often() -> None:
    state = machine(3)
    seen = [order_at(state, cycle) for cycle in range(6000)]
    counts = [seen.count(order) for order in permutations(range(3))]
    assert min(counts) > 850 and max(counts) < 1150


def test_the_seed_and_the_upper_half_of_the_cycle_change_the_order() -> None:
    one, other = machine(2, 1), machine(2, 2)
    assert [order_at(one, cycle) for cycle in range(64)] != [order_at(other, cycle) for cycle in range(64)]
    assert [order_at(one, cycle) for cycle in range(64)] != [order_at(one, cycle + (1 << 32)) for cycle in range(64)]


def test_a_word_orders_by_cycle_first_and_names_its_pe() -> None:
    state = machine(256)
    words = [int(word_of(state.handle, u64(i), u64(cycle))) for cycle in (5, 6) for i in (255, 0)]
    assert max(words[:2]) < min(words[2:])
    assert [word & 0xFF for word in words] == [255, 0, 255, 0]
    assert [word >> 16 for word in words] == [5, 5, 6, 6]
