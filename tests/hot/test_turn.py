"""Which blocks wait for their turn, and one page leaving the engine's soft TLB."""
from itertools import pairwise

import numpy as np
import pytest

from sim.arch.instruction import FLAG_EXCLUSIVE, FLAG_HVC, FLAG_LOAD, FLAG_SEV
from sim.hot.soft_tlb import drop_page
from sim.hot.turn import FOR_TURN, is_for_turn, turn_flag
from sim.loader.source import assemble_text
from sim.machine import Machine

u64 = np.uint64
LOOP = """
_start:
    ldr x1, =0x44000000
    ldr x2, =0x44001000
again:
    ldr x3, [x1]
    ldr x4, [x2]
    b again
"""


def word(text: str) -> int:
    return int.from_bytes(assemble_text(f"_start:\n    {text}\n", 0x4008_0000, {}).segments[0].data[:4], "little")


@pytest.mark.parametrize("text", [
    "msr s3_0_c12_c11_5, x0", "mrs x0, s3_0_c12_c12_0", "msr s3_0_c4_c6_0, x0", "mrs x0, isr_el1", "msr cntv_cval_el0, x0", "msr cntp_ctl_el0, x0",
    "tlbi vmalle1is", "ic ivau, x0", "ic iallu", "dc zva, x0", "dc civac, x0", "at s1e1r, x0"])
def test_what_concerns_other_pes_waits_for_its_turn(text: str) -> None:
    assert is_for_turn(u64(word(text)))


@pytest.mark.parametrize("text", [
    "mrs x0, cntvct_el0", "mrs x0, cntv_ctl_el0", "msr ttbr0_el1, x0", "mrs x0, mpidr_el1", "msr daifset, #2", "isb", "dsb sy", "nop", "yield",
    "add x0, x1, x2", "ldr x0, [x1]", "str x0, [x1]", "msr sctlr_el1, x0", "svc #0"])
def test_what_is_a_pe_s_own_affair_does_not(text: str) -> None:
    assert not is_for_turn(u64(word(text)))


def test_blocks_with_exclusives_calls_and_events_and_long_ones_wait() -> None:
    assert turn_flag(u64(FLAG_LOAD), u64(64)) == 0
    for flag in (FLAG_EXCLUSIVE, FLAG_HVC, FLAG_SEV):
        assert turn_flag(u64(flag | FLAG_LOAD), u64(4)) == FOR_TURN
    assert turn_flag(u64(0), u64(516)) == FOR_TURN


def test_a_dropped_page_is_filled_again_and_no_other() -> None:
    machine = Machine().load(assemble_text(LOOP, 0x4008_0000, {}))
    machine.run(2_000)
    fills = [int(machine.run(4_000).statistics[0]["engine_fills"])]
    assert fills[0] == int(machine.run(6_000).statistics[0]["engine_fills"])
    for budget_cycles, va in ((8_000, 0x4400_0000), (10_000, 0x4400_1FF8), (12_000, 0x4400_2000)):
        drop_page(machine.state.handle, np.int64(0), u64(va))
        fills.append(int(machine.run(budget_cycles).statistics[0]["engine_fills"]))
    assert [after - before for before, after in pairwise(fills)] == [1, 1, 0]
