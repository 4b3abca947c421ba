"""Running ahead and skipping waiting change nothing but host time: the logs and counts are the same (docs/adr/0007, 0008)."""
from typing import Any

import pytest

from firmware.kernels import kernel
from sim.machine import Machine
from sim.result import Result

from .support import machine_for

RAM_BYTES = 32 << 20
BUDGET_CYCLES = 20_000_000
#: How the simulator got there: no part of the result.
OURS = ("engine_fills", "engine_flushes", "slices", "spin_cycles")
#: kernel, PEs, rounds
KERNELS = (
    ("rendezvous", 2, 4), ("rendezvous", 8, 4), ("rendezvous", 24, 2), ("exclusives", 5, 6), ("tlbi_shootdown", 6, 4), ("sgi_pingpong", 2, 12),
    ("timer_tick", 2, 3), ("self_modifying", 3, 3), ("page_change", 4, 3), ("two_promotions", 4, 2), ("bench_ipi", 4, 3),
    ("bench_shootdown", 5, 3), ("bench_rendezvous", 6, 3), ("naive", 3, 2), ("fault-retry", 4, 2), ("deadlock", 3, 1),
)


def run_built_in(name: str, pes: int, rounds: int, seed: int, **settings: Any) -> Result:
    known = kernel(name)
    machine = Machine(pes=pes, ram_bytes=RAM_BYTES, seed=seed, **{**known.machine, **settings})
    machine.load(known.path, constants=known.build_constants(pes, rounds=rounds, warmup=0), include_dirs=known.include_directories, marks=known.marks)
    return machine.run(BUDGET_CYCLES)


def counts(result: Result) -> list[dict[str, int]]:
    return [{name: value for name, value in one.items() if name not in OURS} for one in result.statistics]


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize(("name", "pes", "rounds"), KERNELS)
def test_running_ahead_and_skipping_waiting_give_the_same_log(name: str, pes: int, rounds: int, seed: int) -> None:
    plain = run_built_in(name, pes, rounds, seed, run_ahead=False, skip_waiting=False)
    assert len(plain.events) > 20
    for run_ahead, skip_waiting in ((False, True), (True, False), (True, True)):
        other = run_built_in(name, pes, rounds, seed, run_ahead=run_ahead, skip_waiting=skip_waiting)
        assert bytes(other.events) == bytes(plain.events)
        assert (other.verdict, other.console) == (plain.verdict, plain.console)
        if plain.verdict.pe is not None:
            assert counts(other)[plain.verdict.pe] == counts(plain)[plain.verdict.pe]


MOSTLY_ALONE = """
main:
    ldr x1, =PAGES_PA
    add x1, x1, x0, lsl #14                     // pages of its own
    ldr x2, =DATA_PA                            // and a word that all write, now and then
    mov x3, #40
round:
    mov x4, #200
alone:
    ldr x5, [x1]
    add x5, x5, x4
    str x5, [x1]
    subs x4, x4, #1
    b.ne alone
    ldr x6, [x2]
    add x6, x6, x5
    str x6, [x2]                                // the last one wins, so the order is seen
    add x7, x7, x6
    subs x3, x3, #1
    b.ne round
    b park
"""


@pytest.mark.parametrize("pes", [2, 5, 16])
def test_races_end_as_in_strict_order_with_far_fewer_slices(pes: int) -> None:
    results = [machine_for(MOSTLY_ALONE, pes=pes, seed=seed, run_ahead=run_ahead, constants={"PAGES_PA": 0x4400_0000}).run(BUDGET_CYCLES)
               for run_ahead in (False, True) for seed in (3, 4)]
    for strict, ahead in zip(results[:2], results[2:], strict=True):
        assert strict.verdict.kind == "finished"
        assert bytes(ahead.events) == bytes(strict.events)
        assert ahead.registers == strict.registers
        assert counts(ahead) == counts(strict)
        assert sum(one["slices"] for one in ahead.statistics) * 4 < sum(one["slices"] for one in strict.statistics)
    sums = {tuple(one["x7"] for one in result.registers) for result in results}
    assert len(sums) == 2 or pes == 2, "each seed has an order of its own"


def test_budgets_end_both_orders_in_the_same_state() -> None:
    machines = [machine_for(MOSTLY_ALONE, pes=4, run_ahead=run_ahead, constants={"PAGES_PA": 0x4400_0000}) for run_ahead in (False, True)]
    for budget_cycles in (1_000, 5_003, 5_004, 40_000):
        strict, ahead = (machine.run(budget_cycles) for machine in machines)
        assert (counts(strict), strict.registers) == (counts(ahead), ahead.registers)
        assert machines[0].clock_cycles() == machines[1].clock_cycles() >= budget_cycles


def test_stopping_at_budgets_and_marks_changes_nothing() -> None:
    whole = machine_for(MOSTLY_ALONE, pes=3, marks=("round",), constants={"PAGES_PA": 0x4400_0000}).run(BUDGET_CYCLES)
    machine = machine_for(MOSTLY_ALONE, pes=3, marks=("round",), constants={"PAGES_PA": 0x4400_0000})
    for budget_cycles in (2_000, 9_000, 9_500):
        machine.run(budget_cycles)
    for _ in range(3):
        assert machine.run(BUDGET_CYCLES, until="round").verdict.kind == "paused"
    rest = machine.run(BUDGET_CYCLES)
    assert bytes(rest.events) == bytes(whole.events)
    assert (rest.registers, counts(rest)) == (whole.registers, counts(whole))


WAITING = """
main:
    ldr x1, =DATA_PA                            // where all wait for their number
    add x2, x0, #1
    mov x3, #3
    mov x10, #7
wait:
    ldr x4, [x1]
    .if TWO_BLOCKS
    tbnz x10, #0, look                          // another block
look:
    .endif
    cmp x4, x0
    b.ne wait
    mov x5, #4000
work:
    subs x5, x5, #1
    b.ne work
    cmp x2, #PES
    csel x6, xzr, x2, eq
    str x6, [x1]                                // the next one's turn
    subs x3, x3, #1
    b.ne wait
    b park
"""


@pytest.mark.parametrize("two_blocks", [0, 1])
@pytest.mark.parametrize("run_ahead", [False, True])
@pytest.mark.parametrize("pes", [2, 7, 32])
def test_those_who_wait_sleep_and_have_gone_round_as_often(pes: int, run_ahead: bool, two_blocks: int) -> None:
    constants = {"PES": pes, "TWO_BLOCKS": two_blocks}
    plain, skipped = (machine_for(WAITING, pes=pes, run_ahead=run_ahead, skip_waiting=skip, constants=constants).run(BUDGET_CYCLES)
                      for skip in (False, True))
    assert plain.verdict.kind == "finished"
    assert bytes(skipped.events) == bytes(plain.events)
    assert (skipped.registers, counts(skipped)) == (plain.registers, counts(plain))
    total = sum(one["cycles"] for one in skipped.statistics)
    assert sum(one["spin_cycles"] for one in skipped.statistics) * 3 > total
    assert not any(one["spin_cycles"] for one in plain.statistics)


def test_budgets_wake_those_who_wait() -> None:
    constants = {"PES": 4, "TWO_BLOCKS": 0}
    machines = [machine_for(WAITING, pes=3, skip_waiting=skip, constants=constants) for skip in (False, True)]      # a number that nobody has
    for budget_cycles in (3_000, 20_001, 20_002, 1_000_000):
        plain, skipped = (machine.run(budget_cycles) for machine in machines)
        assert plain.verdict.kind == "budget"
        assert (skipped.registers, counts(skipped)) == (plain.registers, counts(plain))
        assert bytes(skipped.events) == bytes(plain.events)
    assert sum(one["spin_cycles"] for one in skipped.statistics) > 2_500_000
