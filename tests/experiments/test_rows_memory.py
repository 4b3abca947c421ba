"""The rows about flagged memory and the direct map: that each holds for a few seeds, and that each fails where what it looks for is not there."""
import pytest

from firmware.own_table import DEMOTED_BLOCK, DEMOTED_RUN, RETRY_DIRECT_MAP
from firmware.window import (
    ACTIVITY_SVC,
    ACTIVITY_TIMER,
    ACTIVITY_TOUCH,
    CHANGE_DEMOTE,
    CHANGE_PROMOTE,
    CHANGE_SWEEP,
    OBJECT_DATA,
    OBJECT_PCPU,
)
from sim.experiments import rows_memory
from sim.experiments.row import Row
from sim.experiments.trial import Trial
from sim.experiments.window_runs import Log, WindowTrial

SEEDS = 4
PAGE_BYTES, BLOCK_BYTES = 4096, 2 << 20


@pytest.mark.parametrize("row", rows_memory.ROWS, ids=lambda row: row.id)
def test_the_row_holds(row: Row) -> None:
    seen = row.run(SEEDS)
    assert seen.holds, seen.text


@pytest.mark.parametrize(("first", "pages"), [(0, 15), (3, 2), (100, 8), (497, 10)])
def test_other_pages_of_a_run_keep_it_from_promotion(first: int, pages: int) -> None:
    for contiguous_runs in (False, True):
        seen = rows_memory.flagged_run(first, pages, contiguous_runs)
        assert seen.holds, seen.text


@pytest.mark.parametrize(("first", "pages"), [(0, 1), (511, 1), (0, 32), (15, 2)])
def test_other_pages_are_flagged_in_a_block(first: int, pages: int) -> None:
    seen = rows_memory.flagged_in_a_block(first, pages, contiguous_runs=True)
    assert seen.holds, seen.text


def test_the_row_fails_where_the_last_page_is_flagged_once_the_run_is_a_block() -> None:
    """Then the run had been promoted, which T-14 must not pass over."""
    seen = rows_memory.flagged_run(511, 1, contiguous_runs=False)
    assert not seen.holds and "L2_PROMOTIONS': 1" in seen.text


def test_the_assertion_row_fails_on_another_panic() -> None:
    assert not rows_memory.assertion({"THEN": 2, "CONTIGUOUS_RUNS": 0}, "another reason").holds


@pytest.mark.parametrize("pes", [3, 8])
def test_a_flag_that_comes_too_late_costs_every_pe_of_the_block_levels(pes: int) -> None:
    seen = rows_memory.flagged_too_late(pes, ACTIVITY_SVC, 2)
    assert seen.holds, seen.text


@pytest.mark.parametrize(("pes", "pcpu_offset_bytes", "stack_bytes"), [(2, 0, 8192), (4, 0x1F_0000, 32768), (8, 0x10_0000, 16384)])
def test_the_pcpu_of_boot_at_other_places_and_on_other_stacks(pes: int, pcpu_offset_bytes: int, stack_bytes: int) -> None:
    for options, is_lost in (({"WINDOW_TLBIS": 32}, False), ({"WINDOW_TLBIS": 2000}, True)):
        seen = rows_memory.boot_pcpu(pes, 2, options, is_lost, pcpu_offset_bytes=pcpu_offset_bytes, stack_bytes=stack_bytes)
        assert seen.holds, seen.text


def test_a_boot_pcpu_that_stays_in_pages_is_not_lost() -> None:
    assert not rows_memory.boot_pcpu(2, 1, {"WINDOW_TLBIS": 1000, "BOOT_BLOCK": 0}, is_lost=True).holds


@pytest.mark.parametrize("demoted", [DEMOTED_BLOCK, DEMOTED_RUN])
def test_the_row_of_the_own_table_fails_the_other_way_round(demoted: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the mapping nothing hangs; a trial that leaves it out does not pass for one that has it."""
    class Swapped(Trial):
        def __init__(self, name: str, pes: int, *, constants: dict[str, int], **settings: object) -> None:
            super().__init__(name, pes, constants=constants | {"TEMPORARY_MAPPING": 1 - constants["TEMPORARY_MAPPING"]}, **settings)  # type: ignore[arg-type]

    monkeypatch.setattr(rows_memory, "Trial", Swapped)
    assert not rows_memory.own_table(demoted, True, RETRY_DIRECT_MAP).holds
    assert not rows_memory.own_table(demoted, False, RETRY_DIRECT_MAP).holds


@pytest.mark.parametrize(("pes", "blocks"), [(2, 2), (6, 1)])
def test_data_in_the_direct_map_is_retried_at_other_sizes(pes: int, blocks: int) -> None:
    seen = rows_memory.swept_data(pes, ACTIVITY_TOUCH, 2, blocks)
    assert seen.holds, seen.text


def test_the_sweep_invalidates_each_page_of_each_run_and_each_block_once_more() -> None:
    """Of each round: the demotion's one and 512 pages there, 512 back and 512 of the promotion."""
    trial = WindowTrial(2, {"CHANGE": CHANGE_SWEEP, "DIRECT_MAP": 1, "SWEEP_BLOCKS": 2}, rounds=1)
    log = Log(trial, trial.run(0))
    log.expect_end(0)
    issued = log.of_kind("tlbi", 0)["a"]
    run_va = trial.word(trial.constants["GLOBALS_VA"] + trial.constants["G_SCRATCH"])
    for base_va in (run_va, run_va + 2 * BLOCK_BYTES):
        counts = [int((issued == base_va + page * PAGE_BYTES).sum()) for page in range(512)]
        assert counts[0] == 4 and set(counts[1:]) == {3}
    assert not ((issued >= run_va + BLOCK_BYTES) & (issued < run_va + 2 * BLOCK_BYTES)).any()


@pytest.mark.parametrize("change", [CHANGE_PROMOTE, CHANGE_DEMOTE])
def test_objects_in_the_direct_map_are_at_addresses_of_the_direct_map(change: int) -> None:
    trial = WindowTrial(3, {"CHANGE": change, "DIRECT_MAP": 1, "ACTIVITY": ACTIVITY_TIMER, "OBJECT": OBJECT_PCPU | OBJECT_DATA, "WINDOW_TLBIS": 24})
    trial.run(0)
    assert trial.machine is not None
    run_pa = trial.word(trial.constants["GLOBALS_VA"] + trial.constants["G_SCRATCH"] + 8)
    for pe in trial.victims:
        pcpu_va = trial.machine.pes[pe].system("TPIDR_EL1")
        assert 0 <= pcpu_va - trial.constants["DMAP_OFFSET"] - run_pa < BLOCK_BYTES
