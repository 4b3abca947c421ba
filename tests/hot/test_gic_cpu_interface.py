"""The CPU interface: preemption worked by hand, SGI targets, registers as QEMU 7.2's `virt` with `-cpu max` shows them, events."""
import sys
from pathlib import Path

import numpy as np
import pytest

from sim.arch.memory_map import GICD_PA, GICR_BYTES_PER_PE, GICR_PA
from sim.arch.register_keys import encoding_key
from sim.hot import gic
from sim.hot import gic_cpu_interface as icc
from sim.state.dtypes import NOWHERE, SPI_COUNT
from sim.state.events import EVENT_ACKNOWLEDGED, EVENT_ENDED, EVENT_SGI

sys.path.insert(0, str(Path(__file__).parent))
from gic_guest import FAR, NEAR, PES, SELF, Guest, machine

u64 = np.uint64
SGI_BASE = GICR_PA + 0x1_0000
READ_ONLY = (icc.IAR0, icc.IAR1, icc.HPPIR0, icc.HPPIR1, icc.RPR)
WRITE_ONLY = (icc.EOIR0, icc.EOIR1, icc.DIR, icc.SGI0R, icc.SGI1R, icc.ASGI1R)
BOTH = (icc.PMR, icc.BPR0, icc.BPR1, icc.AP0R0, icc.AP1R0, icc.CTLR, icc.SRE, icc.IGRPEN0, icc.IGRPEN1)


@pytest.fixture
def guest() -> Guest:
    result = Guest(machine())
    result.start(0)
    return result


def pend(guest: Guest, intid: int, priority: int) -> None:
    guest.set_priority(0, intid, priority)
    guest.set_bit(0, intid, 0x200)


# --- preemption ----------------------------------------------------------------------------------------------------------------

def test_a_higher_priority_preempts_and_ends_in_reverse_order(guest: Guest) -> None:
    pend(guest, 3, 0x80)
    assert (guest.mrs(0, icc.IAR1), guest.mrs(0, icc.RPR), guest.mrs(0, icc.AP1R0)) == (3, 0x80, 1 << 16)
    pend(guest, 1, 0x40)
    assert guest.signalled(0) == 1
    assert (guest.mrs(0, icc.IAR1), guest.mrs(0, icc.RPR), guest.mrs(0, icc.AP1R0)) == (1, 0x40, 1 << 16 | 1 << 8)
    guest.msr(0, icc.EOIR1, 1)
    assert guest.mrs(0, icc.RPR) == 0x80
    guest.msr(0, icc.EOIR1, 3)
    assert (guest.mrs(0, icc.RPR), guest.load(SGI_BASE + 0x300)) == (0xFF, 0)


def test_an_equal_priority_waits_until_the_running_one_is_ended(guest: Guest) -> None:
    pend(guest, 3, 0x80)
    pend(guest, 2, 0x80)
    assert guest.mrs(0, icc.IAR1) == 2
    assert (guest.signalled(0), guest.mrs(0, icc.IAR1), guest.mrs(0, icc.HPPIR1)) == (0, 1023, 3)
    guest.msr(0, icc.EOIR1, 2)
    assert (guest.signalled(0), guest.mrs(0, icc.IAR1)) == (1, 3)


@pytest.mark.parametrize("bpr1, preempts", [(3, True), (4, True), (5, True), (6, False), (7, False)])
def test_only_the_group_priority_field_decides_preemption(guest: Guest, bpr1: int, preempts: bool) -> None:
    """0xA0 = 101_00000 runs, 0x80 = 100_00000 pends: BPR1 = 5 still tells [7:5] apart, BPR1 = 6 sees [7:6] = 10 in both."""
    guest.msr(0, icc.BPR1, bpr1)
    pend(guest, 3, 0xA0)
    assert guest.mrs(0, icc.IAR1) == 3
    pend(guest, 1, 0x80)
    assert guest.signalled(0) == int(preempts)


@pytest.mark.parametrize("bpr0, preempts", [(2, True), (4, True), (5, False), (7, False)])
def test_group_0_splits_its_priority_one_bit_higher(guest: Guest, bpr0: int, preempts: bool) -> None:
    guest.store(SGI_BASE + 0x80, 0)
    guest.msr(0, icc.BPR0, bpr0)
    pend(guest, 3, 0xA0)
    assert guest.mrs(0, icc.IAR0) == 3
    pend(guest, 1, 0x80)
    assert guest.signalled(0) == (2 if preempts else 0)


def test_subpriority_orders_what_waits_but_does_not_preempt(guest: Guest) -> None:
    guest.msr(0, icc.BPR1, 7)
    pend(guest, 3, 0x70)
    assert (guest.mrs(0, icc.IAR1), guest.mrs(0, icc.RPR)) == (3, 0)
    pend(guest, 4, 0x60)
    pend(guest, 5, 0x50)
    assert (guest.signalled(0), guest.mrs(0, icc.HPPIR1)) == (0, 5)
    guest.msr(0, icc.EOIR1, 3)
    assert guest.mrs(0, icc.IAR1) == 5


def test_a_group_0_interrupt_preempts_a_group_1_interrupt_as_fiq(guest: Guest) -> None:
    pend(guest, 3, 0x80)
    assert guest.mrs(0, icc.IAR1) == 3
    guest.set_group(0, 1, 0)
    pend(guest, 1, 0x60)
    assert (guest.signalled(0), guest.mrs(0, icc.IAR1), guest.mrs(0, icc.HPPIR1)) == (2, 1023, 1023)
    assert (guest.mrs(0, icc.HPPIR0), guest.mrs(0, icc.IAR0), guest.mrs(0, icc.AP0R0), guest.mrs(0, icc.RPR)) == (1, 1, 1 << 12, 0x60)
    guest.msr(0, icc.EOIR1, 1)                             # the running priority is group 0's: ignored
    assert (guest.mrs(0, icc.RPR), guest.load(SGI_BASE + 0x300)) == (0x60, 0b1010)
    guest.msr(0, icc.EOIR0, 1)
    assert (guest.mrs(0, icc.RPR), guest.load(SGI_BASE + 0x300)) == (0x80, 0b1000)


def test_the_priority_mask_lets_only_strictly_higher_priorities_through(guest: Guest) -> None:
    pend(guest, 3, 0x80)
    guest.msr(0, icc.PMR, 0x80)
    assert (guest.signalled(0), guest.mrs(0, icc.IAR1), guest.mrs(0, icc.HPPIR1)) == (0, 1023, 3)
    assert guest.state.pes[0]["irq_due_cycles"] == NOWHERE
    guest.msr(0, icc.PMR, 0x88)
    assert (guest.signalled(0), guest.mrs(0, icc.IAR1)) == (1, 3)


def test_an_interrupt_pended_while_active_is_taken_again_after_its_end(guest: Guest) -> None:
    pend(guest, 3, 0x80)
    assert guest.mrs(0, icc.IAR1) == 3
    guest.set_bit(0, 3, 0x200)
    guest.msr(0, icc.PMR, 0xFF)
    assert (guest.mrs(0, icc.HPPIR1), guest.mrs(0, icc.IAR1)) == (1023, 1023)
    guest.msr(0, icc.EOIR1, 3)
    assert (guest.signalled(0), guest.mrs(0, icc.IAR1)) == (1, 3)


# --- ending --------------------------------------------------------------------------------------------------------------------

def test_with_split_eoi_the_drop_and_the_deactivation_are_two_writes(guest: Guest) -> None:
    guest.msr(0, icc.CTLR, 2)
    pend(guest, 2, 0x60)
    assert guest.mrs(0, icc.IAR1) == 2
    guest.msr(0, icc.EOIR1, 2)
    assert (guest.mrs(0, icc.RPR), guest.load(SGI_BASE + 0x300)) == (0xFF, 4)
    guest.msr(0, icc.DIR, 2)
    assert guest.load(SGI_BASE + 0x300) == 0


def test_dir_does_nothing_without_split_eoi(guest: Guest) -> None:
    pend(guest, 2, 0x60)
    assert guest.mrs(0, icc.IAR1) == 2
    guest.msr(0, icc.DIR, 2)
    assert guest.load(SGI_BASE + 0x300) == 4


@pytest.mark.parametrize("value", [1020, 1021, 1022, 1023, 32 + SPI_COUNT, 0xFF_FFFF])
def test_ending_a_special_or_unimplemented_intid_changes_nothing(guest: Guest, value: int) -> None:
    pend(guest, 2, 0x60)
    assert guest.mrs(0, icc.IAR1) == 2
    guest.msr(0, icc.EOIR1, value)
    assert (guest.mrs(0, icc.RPR), guest.load(SGI_BASE + 0x300)) == (0x60, 4)


def test_ending_without_anything_running_changes_nothing(guest: Guest) -> None:
    guest.set_bit(0, 2, 0x300)
    guest.msr(0, icc.EOIR1, 2)
    assert guest.load(SGI_BASE + 0x300) == 4


def test_an_spi_is_taken_by_its_target_and_ended_there(guest: Guest) -> None:
    guest.set_group(0, 45, 1)
    guest.set_bit(0, 45, 0x100)
    gic.set_spi_level(guest.m, u64(45), u64(1))
    assert (guest.signalled(0), guest.mrs(0, icc.IAR1), guest.load(GICD_PA + 0x304)) == (1, 45, 1 << 13)
    gic.set_spi_level(guest.m, u64(45), u64(0))
    guest.msr(0, icc.EOIR1, 45)
    assert (guest.signalled(0), guest.load(GICD_PA + 0x304), guest.load(GICD_PA + 0x204)) == (0, 0, 0)


# --- SGIs ----------------------------------------------------------------------------------------------------------------------

def due(guest: Guest, intid: int = 4) -> dict[int, int]:
    return {n: int(each["sgi_due_cycles"][intid]) for n, each in enumerate(guest.state.gic) if each["sgi_due_cycles"][intid] != NOWHERE}


def test_the_delivery_time_depends_on_the_distance(guest: Guest) -> None:
    for pe in range(PES):
        guest.start(pe)
    guest.advance(0, 1000)
    guest.msr(0, icc.SGI1R, 4 << 24 | 0b11)
    guest.msr(0, icc.SGI1R, 4 << 24 | 1 << 16 | 0b10)
    assert due(guest) == {0: 1000 + SELF, 1: 1000 + NEAR, 17: 1000 + FAR}
    assert guest.state.pes[0]["n_sgi_sent"] == 3


def test_all_but_self_ignores_the_target_list(guest: Guest) -> None:
    for pe in range(PES):
        guest.start(pe)
    guest.msr(3, icc.SGI1R, 1 << 40 | 4 << 24 | 0xFFFF)
    assert sorted(due(guest)) == [n for n in range(PES) if n != 3]


@pytest.mark.parametrize("elsewhere", [1 << 32, 1 << 48, 2 << 16, 0xFF << 16])
def test_an_sgi_to_affinities_that_do_not_exist_goes_nowhere(guest: Guest, elsewhere: int) -> None:
    guest.msr(0, icc.SGI1R, elsewhere | 4 << 24 | 0xFFFF)
    assert due(guest) == {}


@pytest.mark.parametrize("key, group_reached", [(icc.SGI1R, 1), (icc.SGI0R, 0), (icc.ASGI1R, 0)])
@pytest.mark.parametrize("group", [0, 1])
def test_an_sgi_reaches_only_targets_where_it_is_of_the_registers_group(guest: Guest, key: object, group_reached: int, group: int) -> None:
    guest.set_group(0, 4, group)
    guest.msr(0, key, 4 << 24 | 1)
    assert bool(due(guest)) == (group == group_reached)


def test_an_sgi_sent_again_before_it_arrives_keeps_the_earlier_time(guest: Guest) -> None:
    guest.start(1)
    guest.msr(0, icc.SGI1R, 4 << 24 | 2)
    guest.advance(1, 1)
    guest.msr(1, icc.SGI1R, 4 << 24 | 2)                   # to itself: sooner
    assert due(guest) == {1: 1 + SELF}
    guest.msr(0, icc.SGI1R, 4 << 24 | 2)
    assert due(guest) == {1: 1 + SELF}


def test_an_sgi_sent_after_the_first_arrived_comes_by_itself_whether_or_not_anybody_looked(guest: Guest) -> None:
    for look in (False, True):
        guest.start(1)
        guest.msr(0, icc.SGI1R, 4 << 24 | 2)
        guest.advance(0, NEAR)
        guest.advance(1, NEAR)
        if look:
            assert guest.signalled(1) == 1
        guest.msr(0, icc.SGI1R, 4 << 24 | 2)
        assert guest.mrs(1, icc.IAR1) == 4
        guest.msr(1, icc.EOIR1, 4)
        assert guest.signalled(1) == 0
        assert int(guest.state.pes[1]["irq_due_cycles"]) == int(guest.state.pes[0]["cycles"]) + NEAR
        guest.advance(0, NEAR)
        guest.advance(1, NEAR)
        assert guest.mrs(1, icc.IAR1) == 4
        guest.msr(1, icc.EOIR1, 4)


def test_events_tell_of_sending_taking_and_ending(guest: Guest) -> None:
    guest.start(1)
    guest.msr(0, icc.SGI1R, 4 << 24 | 3)
    guest.advance(1, 50)
    assert guest.mrs(1, icc.IAR1) == 4
    assert guest.mrs(1, icc.IAR1) == 1023                  # spurious: no event
    guest.advance(1, 6)
    guest.msr(1, icc.EOIR1, 4)
    guest.msr(1, icc.EOIR1, 1023)
    ring = guest.state.ring[: int(guest.state.machine[0]["ring_head"])]
    seen = [tuple(int(event[name]) for name in ("cycle", "pe", "kind", "aux", "a", "b")) for event in ring]
    assert seen == [(0, 0, EVENT_SGI, 4, 0, SELF), (0, 0, EVENT_SGI, 4, 1, NEAR), (50, 1, EVENT_ACKNOWLEDGED, 4, 0, 0),
                    (56, 1, EVENT_ENDED, 4, 0, 0)]


# --- registers, as QEMU shows them ---------------------------------------------------------------------------------------------

def test_reset_values_are_those_that_qemu_shows() -> None:
    guest = Guest(machine(1))
    shown = {key: guest.mrs(0, key) for key in (*BOTH, *READ_ONLY)}
    assert shown == {icc.PMR: 0, icc.BPR0: 2, icc.BPR1: 3, icc.CTLR: 0x8C00, icc.SRE: 7, icc.IGRPEN0: 0, icc.IGRPEN1: 0, icc.RPR: 0xFF,
                     icc.AP0R0: 0, icc.AP1R0: 0, icc.HPPIR0: 1023, icc.HPPIR1: 1023, icc.IAR0: 1023, icc.IAR1: 1023}


@pytest.mark.parametrize("key, written, shown", [
    (icc.PMR, 0xFF, 0xF8), (icc.PMR, 0x33, 0x30), (icc.BPR0, 0, 2), (icc.BPR0, 7, 7), (icc.BPR1, 0, 3), (icc.CTLR, 0xFFFF_FFFF, 0x8C03),
    (icc.SRE, 0, 7), (icc.IGRPEN0, 0xFFFF_FFFF, 1), (icc.IGRPEN1, 0xFFFF_FFFE, 0), (icc.AP1R0, 0x10, 0x10), (icc.AP0R0, 0x20, 0x20)])
def test_registers_keep_the_bits_that_qemu_keeps(guest: Guest, key: object, written: int, shown: int) -> None:
    guest.msr(0, key, written)
    assert guest.mrs(0, key) == shown


def test_a_common_binary_point_shows_and_protects_bpr1(guest: Guest) -> None:
    guest.msr(0, icc.BPR1, 4)
    guest.msr(0, icc.CTLR, 1)
    for bpr0, shown in ((2, 3), (6, 7), (7, 7)):
        guest.msr(0, icc.BPR0, bpr0)
        guest.msr(0, icc.BPR1, 5)
        assert guest.mrs(0, icc.BPR1) == shown
    guest.msr(0, icc.CTLR, 0)
    assert guest.mrs(0, icc.BPR1) == 4


def test_the_running_priority_follows_the_active_priorities_register(guest: Guest) -> None:
    guest.msr(0, icc.AP1R0, 0x10)
    assert guest.mrs(0, icc.RPR) == 0x20


def test_of_two_groups_with_the_same_active_priority_group_0_ends_first(guest: Guest) -> None:
    guest.msr(0, icc.AP1R0, 0x10)
    guest.msr(0, icc.AP0R0, 0x10)
    guest.msr(0, icc.EOIR1, 3)
    assert (guest.mrs(0, icc.AP0R0), guest.mrs(0, icc.AP1R0)) == (0x10, 0x10)
    guest.msr(0, icc.EOIR0, 3)
    assert (guest.mrs(0, icc.AP0R0), guest.mrs(0, icc.AP1R0)) == (0, 0x10)


def test_each_register_can_be_accessed_in_its_directions_only() -> None:
    named = {key for key in range(1 << 16) if icc.is_icc(u64(key))}
    assert named == {int(key) for key in (*READ_ONLY, *WRITE_ONLY, *BOTH)}
    for key in range(1 << 16):
        allowed = tuple(bool(icc.icc_access_allowed(u64(key), is_write)) for is_write in (False, True))
        assert allowed == (key in (*READ_ONLY, *BOTH), key in (*WRITE_ONLY, *BOTH))


def test_active_priority_registers_beyond_five_bits_do_not_exist() -> None:
    assert not icc.icc_access_allowed(u64(encoding_key(3, 0, 12, 8, 5)), False)
    assert not icc.icc_access_allowed(u64(encoding_key(3, 0, 12, 9, 1)), False)


def test_one_pes_interface_does_not_touch_anothers(guest: Guest) -> None:
    guest.start(5)
    pend(guest, 3, 0x80)
    assert (guest.mrs(5, icc.IAR1), guest.mrs(0, icc.IAR1), guest.mrs(5, icc.RPR)) == (1023, 3, 0xFF)
    assert guest.load(SGI_BASE + 5 * GICR_BYTES_PER_PE + 0x300) == 0
