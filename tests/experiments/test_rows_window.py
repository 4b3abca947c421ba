"""The rows about windows: that each holds for a few seeds, that each fails where it must, and that nothing in them is tied to one layout."""
import pytest

from firmware.window import ACTIVITY_TOUCH, CHANGE_DEMOTE, CHANGE_PROMOTE, HANDLER_RETRY, OBJECT_DATA
from sim.experiments import rows_entry, rows_window
from sim.experiments.row import Row, Unexpected
from sim.experiments.window_runs import Log, WindowTrial

SEEDS = 3
ROWS = [*rows_window.ROWS, *rows_entry.ROWS]
PAGE_BYTES, BLOCK_PAGES = 4096, 512


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_the_row_holds(row: Row) -> None:
    seen = row.run(SEEDS)
    assert seen.holds, seen.text
    assert seen.runs >= SEEDS


@pytest.mark.parametrize(("pes", "offset_pages"), [(2, 0), (3, 300), (5, 17), (8, 255)])
def test_recursion_at_other_numbers_of_pes_and_places_in_the_block(pes: int, offset_pages: int) -> None:
    seen = rows_window.recursion(pes, 2, offset_pages=offset_pages)
    assert seen.holds, seen.text


@pytest.mark.parametrize(("stack_bytes", "levels"), [(4096, 9), (8192, 19), (12288, 29), (16384, 39), (32768, 78), (49152, 118)])
def test_recursion_is_as_deep_as_the_stack_has_frames(stack_bytes: int, levels: int) -> None:
    """16 KB / 416 bytes = 39; two pairs of the dispatcher lie on the stack as well."""
    seen = rows_window.recursion(2, 1, stack_bytes)
    assert seen.holds and seen.text.startswith(f"{levels} frames of 416 bytes"), seen.text
    assert (stack_bytes - 32) // 416 == levels


@pytest.mark.parametrize("pes", [2, 6])
@pytest.mark.parametrize("stack_bytes", [8192, 32768])
def test_other_entries_on_other_stacks(pes: int, stack_bytes: int) -> None:
    for seen in (rows_entry.linux_stack(pes, 2, stack_bytes, offset_pages=8), rows_entry.xnu_stack(pes, 2, stack_bytes),
                 rows_window.lost_stack_page(pes, 2, stack_bytes=stack_bytes)):
        assert seen.holds, seen.text


@pytest.mark.parametrize("pes", [3, 8])
def test_of_several_pes_that_are_lost_at_once_one_says_so(pes: int) -> None:
    for seen in (rows_entry.lost_vectors(pes, 2, None), rows_entry.sel4_stack(pes, 2), rows_entry.zeroed_descriptor(pes, 2)):
        assert seen.holds, seen.text


@pytest.mark.parametrize("profile", ["cortex-a53", "neoverse-n1"])
def test_the_threshold_of_another_core_is_where_its_own_cycles_put_it(profile: str) -> None:
    one = rows_window.threshold(8192, seed=1, offset_pages=40, profile=profile)
    assert abs(one.tlbis - one.predicted_tlbis) <= one.level_tlbis
    assert one.healed_levels == rows_window.frames_that_fit(8192)


def test_the_recursion_row_fails_where_the_window_is_too_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows_window, "tlbis_for", lambda _stack_bytes: 16)
    seen = rows_window.recursion(2, 2)
    assert (seen.holds, seen.runs, seen.failing_seed) == (False, 1, 0)
    assert "quiesce run window --pes 2 --seed 0" in seen.text and "WINDOW_TLBIS=16" in seen.text


def test_the_livelock_row_fails_where_nothing_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows_window, "OBJECT_STACK", 0)
    assert not rows_window.lost_stack_page(2, 2).holds


@pytest.mark.parametrize(("change", "tlbis"), [(CHANGE_PROMOTE, 512), (CHANGE_DEMOTE, 1)])
def test_a_window_has_as_many_tlbis_as_freebsd_issues(change: int, tlbis: int) -> None:
    trial = WindowTrial(2, {"CHANGE": change})
    log = Log(trial, trial.run(0))
    log.expect_end(0)
    issued = log.of_kind("tlbi", 0)
    broken, make = log.windows()[0]
    assert make is not None
    inside = issued[(issued["cycle"] >= broken) & (issued["cycle"] <= make)]
    assert len(inside) == tlbis
    assert set((inside["a"] - trial.constants["KMEM_VA"]).tolist()) == set(range(0, tlbis * PAGE_BYTES, PAGE_BYTES))


@pytest.mark.parametrize("tlbis", [1, 7, 700])
def test_a_window_of_another_length_begins_with_the_objects_page(tlbis: int) -> None:
    trial = WindowTrial(2, {"WINDOW_TLBIS": tlbis, "OBJECT_OFFSET_PAGES": 77})
    log = Log(trial, trial.run(0))
    broken, make = log.windows()[0]
    assert make is not None
    issued = log.of_kind("tlbi", 0)
    inside = issued[(issued["cycle"] >= broken) & (issued["cycle"] <= make)]
    first = trial.object_va(1, OBJECT_DATA)
    assert (len(inside), int(inside["a"][0])) == (tlbis, first)
    assert first == trial.constants["KMEM_VA"] + 78 * PAGE_BYTES        # behind the pcpu


def test_rounds_repeat_the_change_and_end_where_they_began() -> None:
    trial = WindowTrial(3, {"ACTIVITY": ACTIVITY_TOUCH, "OBJECT": OBJECT_DATA, "HANDLER": HANDLER_RETRY}, rounds=5)
    log = Log(trial, trial.run(4))
    counts = log.counts()
    assert (counts["rounds"], counts["wrong"], len(log.windows())) == (5, 0, 10)
    assert counts["healed"] == sum(len(log.aborts(pe)) for pe in trial.victims) > 0
    assert sum(trial.word(trial.object_va(pe, OBJECT_DATA)) for pe in trial.victims) == counts["calls"]     # no access was lost, none done twice


def test_seeds_differ_and_each_repeats() -> None:
    trial = WindowTrial(2, {"ACTIVITY": ACTIVITY_TOUCH, "OBJECT": OBJECT_DATA}, rounds=2)
    cycles = [trial.run(seed).cycles for seed in (0, 1, 2, 0, 1, 2)]
    assert cycles[:3] == cycles[3:] and len(set(cycles)) > 1


def test_objects_that_do_not_fit_into_the_run_are_said_to_be_missing() -> None:
    trial = WindowTrial(2, {"OBJECT_OFFSET_PAGES": BLOCK_PAGES - 3})
    result = trial.run(0)
    assert (result.exit_status, result.console) == (1, "window: memory or a PE is missing\n")


def test_an_object_without_a_known_place_is_refused() -> None:
    trial = WindowTrial(2, {})
    with pytest.raises(ValueError, match="no place"):
        trial.object_va(1, 64)
    with pytest.raises(Unexpected):
        Log(trial, trial.run(0)).expect_end(5)
