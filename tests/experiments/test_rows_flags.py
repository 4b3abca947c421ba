"""Rows T-30 and T-31, what parking by a bit or a flag depends on, and that shadow tables leave nothing broken."""
import pytest

from sim.experiments.rows_flags import ROWS, partly_flagged
from sim.experiments.trial import Trial
from sim.state.events import EVENT_MARK

NO_WALK = {"LOAD_WALK_BLOCKS": 0}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_the_row_holds(row: object) -> None:
    seen = row.run(2)  # type: ignore[attr-defined]
    assert seen.holds, seen.text


def test_a_run_whose_first_sixteen_pages_are_flagged_stays_in_pages_too() -> None:
    seen = partly_flagged(8, 2, pages=4)        # 28 flagged pages: the first contiguous run wholly
    assert seen.holds, seen.text


@pytest.mark.parametrize("name", ["flagged-run", "machdep-page"])
def test_a_parked_pe_that_takes_serrors_recurses(name: str) -> None:
    kinds = {masked: {Trial(name, 4, rounds=4, constants=NO_WALK | {"MASK_SERROR": masked}, serror_period_cycles=10_000).run(seed).verdict.kind
                      for seed in range(4)} for masked in (0, 1)}
    assert "recursion" in kinds[0] and kinds[1] == {"exited"}


def test_the_pcpu_of_boot_has_no_vm_page() -> None:
    trial = Trial("machdep-page", 2, rounds=1, constants=NO_WALK)
    assert trial.run(0).exit_status == 0
    assert trial.word(trial.constants["GLOBALS_VA"] + trial.constants["G_SCRATCH"] + 16) == 1       # FRAMES_WITHOUT_FLAG


def test_with_shadow_tables_nothing_is_broken_and_the_trees_take_turns() -> None:
    trial = Trial("shadow-tables", 4, rounds=3, constants=NO_WALK, serror_period_cycles=10_000)
    result = trial.run(1)
    machine = trial.machine
    assert result.exit_status == 0 and machine is not None
    marks = result.events.array()
    marks = marks[marks["kind"] == EVENT_MARK]
    assert not (marks["a"] == machine.watched.index("mark_broken")).any()
    switches = [int((marks["pe"][marks["a"] == machine.watched.index("mark_switch")] == pe).sum()) for pe in range(4)]
    changes = trial.word(trial.constants["GLOBALS_VA"] + trial.constants["G_SCRATCH"] + 40)         # SWITCHES
    assert len(set(switches)) == 1 and 4 * 3 <= switches[0] <= changes
    roots = {machine.pes[pe].system("TTBR1_EL1") for pe in range(4)}
    assert roots == {trial.word(trial.constants["GLOBALS_VA"] + trial.constants["G_PMAP"] + trial.constants["PM_L1"])}
