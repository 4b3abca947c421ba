"""Parking schemes under load: what parked PEs are doing in a window, by their registers and TLBs, and that they come back whole."""
from typing import Any

import numpy as np
import pytest

from firmware.layout import KERNEL_VA
from firmware.schemes import SCHEMES
from sim.arch.vectors import CURRENT_EL_SP_ELX
from sim.experiments.trial import Trial
from sim.observers.verdict import PAUSED
from sim.result import Result
from sim.state.events import BY_NAME

ROUNDS = 6
BUDGET_CYCLES = 20_000_000
DAIF_ALL, DAIF_SERROR_OPEN = 0x3C0, 0x2C0               # PSTATE.DAIF with everything masked, and all but SErrors
ALL_MASKED = ("dedicated-vector", "idmap-park")
PARKING = ("rendezvous-park", *ALL_MASKED)


def trial(name: str, pes: int, **settings: Any) -> Trial:
    return Trial(name, pes, rounds=ROUNDS, **settings)


def counted(run: Trial, name: str) -> int:
    return run.word(run.constants["GLOBALS_VA"] + run.constants["G_LOAD"] + run.constants[name])


def synchronous_at_el1(result: Result) -> int:
    entries = result.events.array()
    entries = entries[entries["kind"] == BY_NAME["entry"].number]
    return int(np.count_nonzero(entries["aux"] == CURRENT_EL_SP_ELX))


@pytest.mark.parametrize("pes", [2, 3, 8])
@pytest.mark.parametrize("name", PARKING)
def test_nothing_faults_while_pcpu_is_in_windows(name: str, pes: int) -> None:
    run = trial(name, pes)
    for seed in range(4):
        result = run.run(seed)
        assert (result.exit_status, result.console) == (0, f"{name}: {ROUNDS} rounds, 0 faults healed, promoted\n"), run.command(seed)
        assert synchronous_at_el1(result) == 0
        assert counted(run, "LD_LOST") == 0 and counted(run, "LD_SYSCALLS") > 0
        changes = run.word(run.constants["PARK_FLAGS_VA"] + run.constants["PARK_PARKED_COUNT"])
        assert changes >= 2 * ROUNDS + 1


@pytest.mark.parametrize("lse", [True, False])
@pytest.mark.parametrize("name", PARKING)
def test_in_every_window_every_other_pe_is_parked(name: str, lse: bool) -> None:
    """PE 0 passes mark_make with the descriptor still invalid. Looked at from outside, the others must be between mark_parked and mark_unparked."""
    pes = 4
    run = trial(name, pes, layout={"lse": lse})
    machine = run.at_ready()
    assert machine is not None
    first, behind = machine.address("mark_parked"), machine.address("mark_unparked")
    windows = 0
    while machine.run(BUDGET_CYCLES, until="mark_make").verdict.kind == PAUSED:
        windows += 1
        for pe in range(1, pes):
            view = machine.pes[pe]
            assert first < view.pc < behind, machine.symbol(view.pc)
            assert view.pstate & DAIF_ALL == (DAIF_ALL if name in ALL_MASKED else DAIF_SERROR_OPEN)
            if name == "idmap-park":
                assert view.system("TTBR1_EL1") == run.constants["EMPTY_TABLE_PA"]
                for level in ("l1d", "l2"):
                    held = view.tlb(level)
                    assert not ((held["mask"] != 0) & (held["va"] >= np.uint64(KERNEL_VA))).any()
    assert windows >= 2 * ROUNDS
    assert [view.system("TTBR1_EL1") for view in machine.pes] == [run.constants["TTBR1_L1_PA"]] * pes
    assert [view.system("TPIDRRO_EL0") for view in machine.pes] == [0] * pes


def test_a_grounded_pe_has_stored_nothing_on_its_stack() -> None:
    """Its SP is that of the code it was taken from: of EL0 the top of its stack, of EL1 wherever that code was; never a frame lower."""
    pes = 3
    run = trial("dedicated-vector", pes, layout={"pcpu_offset_bytes": 16 * 4096})
    machine = run.at_ready()
    assert machine is not None
    from_el0 = 0
    while machine.run(BUDGET_CYCLES, until="mark_make").verdict.kind == PAUSED:
        for pe in range(1, pes):
            view = machine.pes[pe]
            if view.system("SPSR_EL1") & 0xF == 0:
                from_el0 += 1
                stack_top = run.constants["STACK_RUN_VA"] + (pe + 1) * run.constants["STACK_STRIDE_BYTES"]
                assert stack_top - view.sp < run.constants["FRAME_BYTES"]
    assert from_el0 > ROUNDS


@pytest.mark.parametrize("period_cycles", [3000, 20000])
@pytest.mark.parametrize("name", ALL_MASKED)
def test_serrors_wait_until_a_pe_is_no_longer_parked(name: str, period_cycles: int) -> None:
    run = trial(name, 4, serror_period_cycles=period_cycles)
    for seed in range(4):
        result = run.run(seed)
        assert result.exit_status == 0, run.command(seed)
        assert synchronous_at_el1(result) == 0
        assert counted(run, "LD_SERRORS") > 3


def test_serrors_reach_a_pe_that_is_parked_in_a_plain_rendezvous() -> None:
    run = trial("rendezvous-park", 4, serror_period_cycles=3000)
    kinds = [run.run(seed).verdict.kind for seed in range(8)]
    assert set(kinds) <= {"recursion", "livelock"} and kinds.count("recursion") >= 6    # livelock: 1,000 entries at a stack that is gone already


@pytest.mark.parametrize("pes", [2, 6])
@pytest.mark.parametrize(("flag_place", "kind"), [(0, "exited"), (1, "exited"), (2, "recursion")])
def test_the_words_to_spin_on_must_not_lie_in_the_block(flag_place: int, kind: str, pes: int) -> None:
    run = trial("rendezvous-park", pes, constants={"FLAG_PLACE": flag_place})
    assert [run.run(seed).verdict.kind for seed in range(3)] == [kind] * 3


@pytest.mark.parametrize("name", ALL_MASKED)
def test_late_stores_and_speculative_fills_make_no_difference(name: str) -> None:
    run = trial(name, 3, adversarial=True)
    for seed in range(3):
        result = run.run(seed)
        assert (result.exit_status, synchronous_at_el1(result)) == (0, 0), run.command(seed)


def test_the_schemes_say_what_they_protect() -> None:
    by_name = {scheme.name: scheme for scheme in SCHEMES}
    assert [by_name[name].is_safe for name in PARKING] == [False, True, True]
    assert all({"pcpu", "stack", "vector"} <= set(by_name[name].protects) for name in ALL_MASKED)
    assert by_name["rendezvous-park"].verdict == "exited"
