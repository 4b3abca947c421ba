"""The rows about parking with other numbers of PEs, and what they rest on: who is parked when, and that the judges notice what is wrong."""
from collections.abc import Callable

import pytest

from firmware import parking
from sim.experiments.row import Seen, Unexpected
from sim.experiments.rows_parking import (
    ParkingTrial,
    run_flags_inside,
    run_globals_inside,
    run_missing,
    run_stack_inside,
    run_undisturbed,
    run_unmasked,
    run_whole_kernel,
    waiting_for,
)

SEEDS = 3


@pytest.mark.slow
@pytest.mark.parametrize("pes", [2, 3, 8])
@pytest.mark.parametrize("run", [run_undisturbed, run_flags_inside, run_globals_inside, run_stack_inside, run_missing, run_unmasked,
                                 run_whole_kernel])
def test_a_row_holds_with_other_numbers_of_pes(run: Callable[[int, int], Seen], pes: int) -> None:
    seen = run(SEEDS, pes)
    assert seen.holds, seen.text


@pytest.mark.parametrize("how", [parking.HOW_RENDEZVOUS, parking.HOW_IDMAP, parking.HOW_VECTOR])
def test_every_other_pe_is_parked_before_the_break_and_until_the_make(how: int) -> None:
    trial = ParkingTrial(5, {"HOW": how, "RANGE": parking.RANGE_KERNEL}, rounds=3)
    events = trial.run(7).events.array()
    trial.expect_order(events)
    for pe in range(1, 5):
        assert len(trial.cycles_of(events, "mark_parked", pe=pe)) == 3
    assert trial.cycles_of(events, "mark_parked", pe=0) == [] == trial.parked(events)


def test_a_window_that_no_parking_covers_is_noticed() -> None:
    """The log of a run that another number of rounds would have made."""
    trial = ParkingTrial(3, {}, rounds=3)
    events = trial.run(0).events.array()
    first_make = trial.cycles_of(events, "mark_make")[0]
    with pytest.raises(Unexpected, match="1 breaks and 1 makes in 3 rounds"):
        trial.expect_order(events[events["cycle"] <= first_make])


def test_pcpu_under_an_empty_ttbr1_is_out_of_reach_until_the_change_is_made() -> None:
    """By the walk of the machine itself, on a parked PE and on PE 0."""
    trial = ParkingTrial(3, {"HOW": parking.HOW_IDMAP})
    machine = trial.at_ready()
    assert machine is not None
    vas = [trial.constants[name] for name in ("PCPU_VA", "GLOBALS_VA", "PARK_FLAGS_VA", "KMEM_VA")]
    assert None not in [machine.translate(1, va) for va in vas]
    machine.run(1_000_000, until="mark_broken")
    assert [machine.translate(1, va) for va in vas] == [None] * len(vas)
    assert machine.translate(0, vas[0]) is not None
    assert machine.run(1_000_000).exit_status == 0
    assert None not in [machine.translate(1, va) for va in vas]


def test_nobody_is_missing_from_a_rendezvous_that_is_over() -> None:
    trial = ParkingTrial(3, {})
    result = trial.run(0)
    with pytest.raises(Unexpected, match="no rendezvous is under way"):
        waiting_for(trial, result)


def test_vectors_in_the_range_are_lost_to_an_serror_that_is_not_masked() -> None:
    """Parked in a rendezvous, a PE enters its vector in the window and cannot fetch it, so that the abort that it takes instead is all that is
    left of the SError when the window closes; on the identity map the SError waits."""
    ends = {}
    for how in (parking.HOW_RENDEZVOUS, parking.HOW_IDMAP):
        trial = ParkingTrial(4, {"HOW": how, "RANGE": parking.RANGE_VECTORS}, serror_period_cycles=300, rounds=20)
        ends[how] = {trial.run(seed).exit_status for seed in range(SEEDS)}
        assert trial.machine is not None
        assert trial.machine.pes[1].system("VBAR_EL1") == trial.constants["KMEM_VA"]
    assert ends == {parking.HOW_RENDEZVOUS: {trial.constants["EXIT_UNEXPECTED"]}, parking.HOW_IDMAP: {0}}
