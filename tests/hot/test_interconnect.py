"""DVM messages and SGIs in each other's way: queues kept on paper."""
import heapq
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.arch.tlbi import TLB_INVALIDATES
from sim.hot import gic_cpu_interface as icc
from sim.hot.barrier import FLAG_WAITS_INNER, FLAG_WAITS_OUTER, before_dsb, complete
from sim.hot.interconnect import dvm_travel
from sim.hot.tlbi import issue
from sim.state import dtypes
from sim.state.arrays import State

sys.path.insert(0, str(Path(__file__).parent))
from gic_guest import Guest, machine

u64 = np.uint64
CLUSTER, SOCKET, OTHER, SNOOP, OCCUPANCY, ISSUE = 20, 50, 120, 7, 9, 4
WAITS = FLAG_WAITS_INNER | FLAG_WAITS_OUTER
VMALLE1IS = u64(TLB_INVALIDATES["VMALLE1IS"].key)


def world(pes: int, credits: int, occupancy: int = OCCUPANCY) -> State:
    state = State(pes, 1 << 16, l1i=1, l1d=1, l2=(1, 1), walk_cache=(1, 1), ring_entries=1 << 13)
    values = {"cluster_pes": 4, "socket_pes": 16, "dvm_same_cluster": CLUSTER, "dvm_same_socket": SOCKET, "dvm_other_socket": OTHER,
              "dvm_snoop": SNOOP, "dvm_occupancy": occupancy, "dvm_credits": credits, "cost_tlbi_issue": ISSUE}
    for name, value in values.items():
        state.machine[0][name] = value
    for pe in state.pes:
        pe["status"] = dtypes.STATUS_RUNNING
    return state


@pytest.fixture
def four() -> Iterator[State]:
    state = world(4, credits=64)
    yield state
    state.release()


def broadcast(state: State, pe: int) -> None:
    assert issue(state.handle, pe, VMALLE1IS, u64(0))


def dsb(state: State, pe: int) -> None:
    assert before_dsb(state.handle, pe, WAITS)
    complete(state.handle, pe)
    assert not before_dsb(state.handle, pe, WAITS), "what it completed it does not wait for again"


def test_distance_is_that_of_cluster_and_socket() -> None:
    state = world(40, credits=1)
    expected = {(0, 3): CLUSTER, (3, 4): SOCKET, (15, 0): SOCKET, (15, 16): OTHER, (39, 20): OTHER, (39, 36): CLUSTER}
    assert {pair: int(dvm_travel(state.handle, *pair)) for pair in expected} == expected
    state.release()


def test_a_broadcast_and_its_dsb_take_two_ways_and_the_sync_comes_behind(four: State) -> None:
    broadcast(four, 0)
    due = CLUSTER + SNOOP
    assert [int(pe["tlbi_due_cycles"]) for pe in four.pes] == [dtypes.NOWHERE, due, due, due]
    assert four.pes[0]["cycles"] == ISSUE
    dsb(four, 0)
    assert four.pes[0]["cycles"] == OCCUPANCY + 2 * CLUSTER + SNOOP, "the sync was sent at once, and was begun after the broadcast"
    assert four.pes[0]["dsb_cycles"] == four.pes[0]["cycles"] - ISSUE


def test_a_pe_that_is_alone_waits_for_nobody() -> None:
    state = world(2, credits=1)
    state.pes[1]["status"] = dtypes.STATUS_OFF
    for _ in range(3):
        broadcast(state, 0)
    before_dsb(state.handle, 0, WAITS)
    assert (state.pes[0]["cycles"], state.pes[0]["dsb_cycles"], state.pes[0]["n_dvm_waits"]) == (3 * ISSUE, 0, 0)
    state.release()


@pytest.mark.parametrize("credits", [1, 2, 4])
def test_a_broadcast_waits_for_the_answer_to_the_one_that_has_its_credit(credits: int) -> None:
    state, answer, free, clock = world(4, credits), 2 * CLUSTER + SNOOP, 0, 0
    answers: list[int] = []
    waits, waited = 0, 0
    for n in range(20):
        broadcast(state, 0)
        if n >= credits and answers[n - credits] > clock:
            waits, waited, clock = waits + 1, waited + answers[n - credits] - clock, answers[n - credits]
        begins = max(clock, free)
        free, clock = begins + OCCUPANCY, clock + ISSUE
        answers.append(begins + answer)
        assert state.pes[0]["cycles"] == clock
    assert (state.pes[0]["n_dvm_waits"], state.pes[0]["dvm_wait_cycles"]) == (waits, waited)
    state.release()


def rounds_of(issuers: int, rounds: int) -> float:
    """Mean cycles of a TLBI and its DSB when so many PEs do that over and over; the one that is furthest behind goes first."""
    state = world(32, credits=4)
    order = [(0, pe) for pe in range(issuers)]
    for _ in range(2 * rounds * issuers):
        _, pe = heapq.heappop(order)
        if state.pes[pe]["tlbi_outstanding"] == 0:
            broadcast(state, pe)
        else:
            dsb(state, pe)
        heapq.heappush(order, (int(state.pes[pe]["cycles"]), pe))
    mean = sum(int(state.pes[pe]["cycles"]) for pe in range(issuers)) / issuers / rounds
    state.release()
    return mean


def test_cost_for_each_issuer_grows_about_linearly_with_the_issuers() -> None:
    alone, eight, sixteen, thirty_two = (rounds_of(issuers, 40) for issuers in (1, 8, 16, 32))
    assert alone == pytest.approx(2 * OTHER + SNOOP + OCCUPANCY, rel=0.02)
    assert thirty_two / sixteen == pytest.approx(2, rel=0.1)
    assert thirty_two == pytest.approx(32 * 2 * OCCUPANCY, rel=0.15), "two messages each"
    assert alone <= eight < sixteen


# SGIs

NEAR, FAR, EACH, WRITE = 20, 90, 3, 11


def distributor() -> Guest:
    state = machine()
    state.machine[0]["sgi_per_target"], state.machine[0]["sgi_occupancy"] = EACH, WRITE
    guest = Guest(state)
    for pe in range(len(state.pes)):
        state.pes[pe]["status"] = dtypes.STATUS_RUNNING
        guest.store(0x080A_0000 + pe * 0x2_0000 + 0x1_0080, 0xFFFF_FFFF)
    return guest


def dues(guest: Guest, intid: int) -> dict[int, int]:
    return {pe: int(one["sgi_due_cycles"][intid]) for pe, one in enumerate(guest.state.gic) if one["sgi_due_cycles"][intid] != dtypes.NOWHERE}


def test_a_broadcast_reaches_one_pe_after_the_other() -> None:
    guest = distributor()
    guest.msr(0, icc.SGI1R, 1 << 40 | 5 << 24)
    assert dues(guest, 5) == {pe: (pe - 1) * EACH + (NEAR if pe < 16 else FAR) for pe in range(1, len(guest.state.pes))}


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 17), st.integers(1, 0xFFFF), st.integers(0, 40)), min_size=1, max_size=8))
def test_writes_wait_for_the_distributor_in_the_order_in_which_they_are_made(writes: list[tuple[int, int, int]]) -> None:
    guest, now, free = distributor(), 0, 0
    for intid, (sender, targets, pause) in enumerate(writes):
        now += pause
        guest.state.pes[sender]["cycles"] = now
        guest.msr(sender, icc.SGI1R, intid << 24 | targets)
        begun = max(now, free)
        named = [pe for pe in range(16) if targets >> pe & 1]
        expected = {pe: begun + n * EACH + (7 if pe == sender else NEAR if sender < 16 else FAR) for n, pe in enumerate(named)}
        assert dues(guest, intid) == expected
        free = begun + max(WRITE, EACH * len(named))
    guest.state.release()
