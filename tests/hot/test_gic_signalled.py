"""What the GIC tells the run loop: lines, arrival times, rescheduling."""
import sys
from pathlib import Path

import numpy as np
import pytest

from sim.arch.memory_map import GICD_PA, GICR_BYTES_PER_PE, GICR_PA
from sim.hot import gic, schedule, timer
from sim.hot import gic_cpu_interface as icc
from sim.state.dtypes import NOWHERE

sys.path.insert(0, str(Path(__file__).parent))
from gic_guest import FAR, NEAR, PES, Guest, machine

u64 = np.uint64
SPI = 40


@pytest.fixture
def guest() -> Guest:
    return Guest(machine())


def test_an_sgi_is_signalled_from_its_arrival_and_not_a_cycle_sooner(guest: Guest) -> None:
    guest.start(1)
    guest.msr(0, icc.SGI1R, 5 << 24 | 1 << 1)
    assert guest.state.pes[1]["irq_due_cycles"] == NEAR
    assert gic.signalled(guest.m, u64(1), u64(NEAR - 1)) == 0
    assert gic.signalled(guest.m, u64(1), u64(NEAR)) == 1


def test_a_sleeping_pe_is_rescheduled_for_the_arrival_of_an_sgi(guest: Guest) -> None:
    guest.start(17)
    guest.state.pes[17]["status"] = 2                      # WFI
    schedule.rebuild(guest.m)
    assert schedule.next_action_cycle(guest.m, 17) == schedule.NEVER
    assert int(guest.state.heap[0]) & 0xFF != 17
    guest.advance(0, 100)
    guest.msr(0, icc.SGI1R, 5 << 24 | 1 << 16 | 1 << 1)
    assert schedule.next_action_cycle(guest.m, 17) == 100 + FAR
    assert (100 + FAR) << 16 | 17 in {int(word) & ~0xFF00 for word in guest.state.heap}


def test_injected_lines_are_signalled_whatever_the_gic_says(guest: Guest) -> None:
    guest.state.pes[2]["irq_injected"] = 1
    assert (guest.signalled(2), int(gic.lines(guest.m, u64(2), u64(0))), int(gic.next_due(guest.m, u64(2)))) == (1, 1, 0)
    guest.state.pes[2]["fiq_injected"] = 1
    assert (guest.signalled(2), int(gic.lines(guest.m, u64(2), u64(0)))) == (2, 3)
    guest.state.pes[2]["irq_injected"] = 0
    assert (guest.signalled(2), int(gic.lines(guest.m, u64(2), u64(0)))) == (2, 2)


def test_a_cpu_interface_reset_keeps_what_the_redistributor_holds(guest: Guest) -> None:
    guest.start(0)
    guest.set_bit(0, 3, 0x200)
    assert guest.mrs(0, icc.IAR1) == 3
    guest.set_bit(0, 3, 0x200)
    gic.reset_cpu_interface(guest.m, u64(0))
    assert [guest.mrs(0, key) for key in (icc.PMR, icc.BPR0, icc.BPR1, icc.IGRPEN1, icc.RPR, icc.AP1R0)] == [0, 2, 3, 0, 0xFF, 0]
    base = GICR_PA + 0x1_0000
    assert (guest.load(base + 0x200), guest.load(base + 0x300), guest.load(base + 0x100)) == (8, 8, 0xFFFF_FFFF)


def test_a_timer_in_edge_mode_pends_once_for_each_rise(guest: Guest) -> None:
    guest.start(0)
    guest.store(GICR_PA + 0x1_0C04, 2 << 2 * (27 - 16))
    timer.timer_write(guest.m, u64(0), timer.CNTV_CVAL, u64(10))
    timer.timer_write(guest.m, u64(0), timer.CNTV_CTL, u64(1))
    due = int(guest.state.pes[0]["irq_due_cycles"])
    assert due == 35                                        # 10 counts at 2 counts in 7 cycles
    guest.advance(0, due)
    assert guest.signalled(0) == 1
    assert guest.mrs(0, icc.IAR1) == 27
    guest.msr(0, icc.EOIR1, 27)
    assert guest.signalled(0) == 0                          # still asserted, but the edge has been taken
    assert int(guest.state.pes[0]["irq_due_cycles"]) == NOWHERE
    timer.timer_write(guest.m, u64(0), timer.CNTV_CVAL, u64(20))
    guest.advance(0, 35)
    assert guest.signalled(0) == 1


def test_pending_spis_wait_for_a_pe_that_takes_part_in_one_of_n(guest: Guest) -> None:
    guest.store(GICD_PA, 3)
    guest.set_group(0, SPI, 1)
    guest.set_bit(0, SPI, 0x100)
    guest.store(GICD_PA + 0x6000 + SPI * 8, 1 << 31)
    gic.set_spi_level(guest.m, u64(SPI), u64(1))
    assert all(guest.state.pes["irq_due_cycles"] == NOWHERE)
    for pe in (9, 4):
        guest.msr(pe, icc.PMR, 0xFF)
        guest.msr(pe, icc.IGRPEN1, 1)
        guest.store(GICR_PA + pe * GICR_BYTES_PER_PE + 0x14, 0)
        assert [n for n in range(PES) if guest.signalled(n)] == [pe]
        assert [n for n in range(PES) if guest.state.pes[n]["irq_due_cycles"] == 0] == [pe]


def test_a_pe_that_sleeps_or_has_the_group_disabled_leaves_one_of_n_to_the_next(guest: Guest) -> None:
    for pe in (1, 2, 3):
        guest.start(pe)
        guest.store(GICR_PA + pe * GICR_BYTES_PER_PE + 0x14, 0)
    guest.set_group(0, SPI, 1)
    guest.set_bit(0, SPI, 0x100)
    guest.store(GICD_PA + 0x6000 + SPI * 8, 1 << 31)
    gic.set_spi_level(guest.m, u64(SPI), u64(1))
    takers = []
    for change in (lambda: None, lambda: guest.store(GICR_PA + GICR_BYTES_PER_PE + 0x14, 2), lambda: guest.msr(2, icc.IGRPEN1, 0),
                   lambda: guest.msr(2, icc.IGRPEN1, 1)):
        change()
        takers.append([[n for n in range(PES) if guest.state.pes[n]["irq_due_cycles"] == 0], [n for n in range(PES) if guest.signalled(n)]])
    assert takers == [[[1], [1]], [[2], [2]], [[3], [3]], [[2], [2]]]


def test_when_an_spi_is_routed_elsewhere_both_pes_are_told(guest: Guest) -> None:
    guest.start(1)
    guest.start(17)
    guest.set_group(0, SPI, 1)
    guest.set_bit(0, SPI, 0x100)
    guest.store(GICD_PA + 0x6000 + SPI * 8, 1)
    gic.set_spi_level(guest.m, u64(SPI), u64(1))
    assert [n for n in range(PES) if guest.state.pes[n]["irq_due_cycles"] == 0] == [1]
    guest.store(GICD_PA + 0x6000 + SPI * 8, 1 << 8 | 1)
    assert [n for n in range(PES) if guest.state.pes[n]["irq_due_cycles"] == 0] == [17]


def test_taking_and_ending_update_when_the_next_interrupt_is_due(guest: Guest) -> None:
    guest.start(0)
    guest.set_bit(0, 3, 0x200)
    assert guest.state.pes[0]["irq_due_cycles"] == 0
    assert guest.mrs(0, icc.IAR1) == 3
    assert guest.state.pes[0]["irq_due_cycles"] == NOWHERE
    guest.set_bit(0, 3, 0x200)
    assert guest.state.pes[0]["irq_due_cycles"] == NOWHERE
    guest.msr(0, icc.EOIR1, 3)
    assert guest.state.pes[0]["irq_due_cycles"] == 0


def test_of_two_spis_of_one_priority_the_lower_intid_comes_first(guest: Guest) -> None:
    guest.start(0)
    for intid in (SPI, SPI + 1):
        guest.set_group(0, intid, 1)
        guest.set_bit(0, intid, 0x100)
        gic.set_spi_level(guest.m, u64(intid), u64(1))
    assert (guest.mrs(0, icc.IAR1), guest.mrs(0, icc.HPPIR1)) == (SPI, SPI + 1)


def test_a_byte_written_to_a_priority_register_takes_effect_at_once(guest: Guest) -> None:
    guest.start(0)
    guest.msr(0, icc.PMR, 0x80)
    guest.set_priority(0, 3, 0x80)
    guest.set_bit(0, 3, 0x200)
    assert guest.state.pes[0]["irq_due_cycles"] == NOWHERE
    guest.set_priority(0, 3, 0x78)
    assert guest.state.pes[0]["irq_due_cycles"] == 0
