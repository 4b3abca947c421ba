"""The generic timer: counter arithmetic against Python's integers, registers and PPIs."""
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.hot import gic, timer
from sim.hot import gic_cpu_interface as icc
from sim.state.dtypes import NOWHERE
from sim.state.events import EVENT_TIMER

sys.path.insert(0, str(Path(__file__).parent))
from gic_guest import Guest, machine

u64 = np.uint64
WORDS = st.one_of(st.integers(0, (1 << 64) - 1), st.integers(0, 1000), st.integers((1 << 64) - 1000, (1 << 64) - 1), st.sampled_from([1 << 31, 1 << 32]))
RATIOS = st.one_of(st.tuples(st.integers(1, 100), st.integers(1, 100)), st.tuples(st.integers(1, (1 << 32) - 1), st.integers(1, (1 << 32) - 1)))
STATE = machine(1)
TIMERS = pytest.mark.parametrize("control, compare, value, intid", [
    (timer.CNTV_CTL, timer.CNTV_CVAL, timer.CNTV_TVAL, 27), (timer.CNTP_CTL, timer.CNTP_CVAL, timer.CNTP_TVAL, 30)])


def set_ratio(state: object, numerator: int, denominator: int) -> None:
    state.machine[0]["count_numerator"], state.machine[0]["count_denominator"] = numerator, denominator  # type: ignore[attr-defined]


@given(WORDS, RATIOS)
@settings(deadline=None)
def test_the_counter_is_the_floor_of_the_ratio_modulo_64_bits(cycles: int, ratio: tuple[int, int]) -> None:
    set_ratio(STATE, *ratio)
    with np.errstate(over="ignore"):
        assert int(timer.counter(STATE.handle, u64(cycles))) == cycles * ratio[0] // ratio[1] % (1 << 64)


@given(WORDS, RATIOS)
@settings(deadline=None)
def test_the_cycle_of_a_count_is_the_first_at_which_the_counter_has_reached_it(count: int, ratio: tuple[int, int]) -> None:
    set_ratio(STATE, *ratio)
    expected = -(-count * ratio[1] // ratio[0])
    assert int(timer.cycles_of_count(STATE.handle, u64(count))) == min(expected, NOWHERE)
    if expected < NOWHERE:
        assert expected * ratio[0] // ratio[1] >= count
        assert expected == 0 or (expected - 1) * ratio[0] // ratio[1] < count


@pytest.fixture
def guest() -> Guest:
    result = Guest(machine(2))
    set_ratio(result.state, 1, 24)                         # 62.5 MHz at 1.5 GHz
    return result


def mrs(guest: Guest, key: object, pe: int = 0) -> int:
    return int(timer.timer_read(guest.m, u64(pe), key))


def msr(guest: Guest, key: object, value: int, pe: int = 0) -> None:
    timer.timer_write(guest.m, u64(pe), key, u64(value))


def test_exactly_the_nine_registers_are_the_timers() -> None:
    named = [key for key in range(1 << 16) if timer.is_timer(u64(key))]
    assert named == [0xDF00, 0xDF01, 0xDF02, 0xDF10, 0xDF11, 0xDF12, 0xDF18, 0xDF19, 0xDF1A]   # S3_3_C14_C0_0 .. S3_3_C14_C3_2


def test_counters_follow_the_clock_of_their_own_pe(guest: Guest) -> None:
    guest.advance(0, 24 * 5 + 23)
    assert [mrs(guest, key, pe) for key in (timer.CNTVCT, timer.CNTPCT) for pe in (0, 1)] == [5, 0, 5, 0]
    assert mrs(guest, timer.CNTFRQ) == 1000


@given(st.integers(0, 1 << 40), WORDS)
@settings(deadline=None)
def test_a_write_of_tval_sets_cval_to_the_count_plus_a_signed_32_bit_value(count: int, value: int) -> None:
    set_ratio(STATE, 1, 1)
    STATE.pes[0]["cycles"] = count
    offset = (value & 0xFFFF_FFFF) - ((value & 1 << 31) << 1)
    timer.timer_write(STATE.handle, u64(0), timer.CNTV_TVAL, u64(value))
    assert int(timer.timer_read(STATE.handle, u64(0), timer.CNTV_CVAL)) == (count + offset) % (1 << 64)
    assert int(timer.timer_read(STATE.handle, u64(0), timer.CNTV_TVAL)) == value & 0xFFFF_FFFF


@TIMERS
def test_istatus_and_the_level_rise_together_at_the_compare_value(guest: Guest, control: object, compare: object, value: object, intid: int) -> None:
    msr(guest, value, 100)
    msr(guest, control, 1)
    due = 100 * 24
    assert int(guest.state.pes[0]["timer_due_cycles"]) == due
    assert int(timer.level(guest.m, u64(0), u64(due - 1))) == 0
    assert int(timer.level(guest.m, u64(0), u64(due))) == 1 << intid
    guest.advance(0, due - 1)
    assert (mrs(guest, control), mrs(guest, value)) == (1, 1)
    guest.advance(0, 1)
    assert (mrs(guest, control), mrs(guest, value), mrs(guest, compare)) == (5, 0, 100)
    guest.advance(0, 24)
    assert mrs(guest, value) == 0xFFFF_FFFF


@TIMERS
def test_imask_hides_the_level_but_not_istatus(guest: Guest, control: object, compare: object, value: object, intid: int) -> None:
    msr(guest, control, 3)
    assert mrs(guest, control) == 7
    assert int(timer.level(guest.m, u64(0), u64(0))) == 0
    assert int(guest.state.pes[0]["timer_due_cycles"]) == NOWHERE


def test_istatus_cannot_be_written_and_a_disabled_timer_shows_none(guest: Guest) -> None:
    msr(guest, timer.CNTV_CTL, 0xFFFF_FFFC)
    assert mrs(guest, timer.CNTV_CTL) == 0


def test_the_compare_value_is_unsigned(guest: Guest) -> None:
    msr(guest, timer.CNTV_CVAL, 1 << 63)
    msr(guest, timer.CNTV_CTL, 1)
    assert mrs(guest, timer.CNTV_CTL) == 1
    assert int(guest.state.pes[0]["timer_due_cycles"]) == NOWHERE          # (1 << 63) * 24 cycles do not fit


def test_counters_cannot_be_changed(guest: Guest) -> None:
    for key in (timer.CNTPCT, timer.CNTVCT):
        before = mrs(guest, key)
        msr(guest, key, 77)
        assert mrs(guest, key) == before


def test_el1_as_the_highest_level_may_write_the_frequency_that_is_read_and_the_counter_goes_on_as_before(guest: Guest) -> None:
    before = mrs(guest, timer.CNTVCT)
    msr(guest, timer.CNTFRQ, 77)
    assert mrs(guest, timer.CNTFRQ) == 77
    assert mrs(guest, timer.CNTVCT) == before


def test_timer_due_is_the_nearer_of_the_two_timers_and_the_interrupt_is_due_by_the_enabled_ppi(guest: Guest) -> None:
    guest.start(0)
    guest.set_bit(0, 27, 0x180)                            # ICENABLER0: the virtual timer's PPI
    msr(guest, timer.CNTV_CVAL, 10)
    msr(guest, timer.CNTP_CVAL, 50)
    msr(guest, timer.CNTV_CTL, 1)
    msr(guest, timer.CNTP_CTL, 1)
    assert int(guest.state.pes[0]["timer_due_cycles"]) == 240
    assert int(guest.state.pes[0]["irq_due_cycles"]) == 1200
    guest.set_bit(0, 27, 0x100)
    assert int(guest.state.pes[0]["irq_due_cycles"]) == 240


def test_a_level_timer_stays_pending_until_its_condition_is_removed(guest: Guest) -> None:
    guest.start(0)
    msr(guest, timer.CNTV_CTL, 1)
    for _ in range(2):                                     # ended without a new compare value: signalled again
        assert guest.mrs(0, icc.IAR1) == 27
        assert guest.signalled(0) == 0
        guest.msr(0, icc.EOIR1, 27)
        assert guest.signalled(0) == 1
    msr(guest, timer.CNTV_TVAL, 5)
    assert guest.signalled(0) == 0


def test_one_timer_event_is_emitted_for_each_rise(guest: Guest) -> None:
    guest.state.machine[0]["ring_head"] = 0
    msr(guest, timer.CNTV_CVAL, 2)
    msr(guest, timer.CNTV_CTL, 1)
    for cycles in (47, 1, 1):
        guest.advance(0, cycles)
        guest.signalled(0)
    msr(guest, timer.CNTV_CVAL, 4)
    guest.advance(0, 48)
    guest.signalled(0)
    ring = guest.state.ring[: int(guest.state.machine[0]["ring_head"])]
    assert [(int(e["cycle"]), int(e["kind"]), int(e["aux"]), int(e["a"])) for e in ring] == [
        (48, EVENT_TIMER, 27, 2), (96, EVENT_TIMER, 27, 4)]       # when it is asserted, not when somebody looks


def test_reset_disables_both_timers(guest: Guest) -> None:
    guest.start(0)
    for key in (timer.CNTV_CTL, timer.CNTP_CTL):
        msr(guest, key, 1)
    assert int(gic.next_due(guest.m, u64(0))) == 0
    timer.reset_timers(guest.m, u64(0))
    assert [mrs(guest, key) for key in (timer.CNTV_CTL, timer.CNTV_CVAL, timer.CNTP_CTL, timer.CNTP_CVAL)] == [0, 0, 0, 0]
    assert int(guest.state.pes[0]["irq_due_cycles"]) == NOWHERE
