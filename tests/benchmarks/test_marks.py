"""Marks by PE and round, of logs that were written by hand."""
import numpy as np
import pytest

from sim.benchmarks.marks import Marks
from sim.errors import SimulatorError
from sim.state.dtypes import EVENT
from sim.state.events import EVENT_MARK

NAMES = ["mark_sent", "mark_taken"]


def marks(*rows: tuple[int, int, str]) -> Marks:
    """rows: cycle, PE, name."""
    events = np.zeros(len(rows), EVENT)
    for event, (cycle, pe, name) in zip(events, rows, strict=True):
        event["cycle"], event["pe"], event["kind"], event["a"] = cycle, pe, EVENT_MARK, NAMES.index(name)
    return Marks(events, NAMES)


def test_each_pe_and_mark_has_its_own_times() -> None:
    found = marks((10, 0, "mark_sent"), (15, 1, "mark_taken"), (12, 2, "mark_taken"), (30, 0, "mark_sent"), (33, 1, "mark_taken"))
    assert found.cycles("mark_sent", 0).tolist() == [10, 30]
    assert found.each_round("mark_taken", 1, 2).tolist() == [15, 33]
    assert found.cycles("mark_taken", 2).tolist() == [12]
    assert found.cycles("mark_taken", 0).tolist() == []


def test_a_round_that_is_missing_or_too_many_is_an_error() -> None:
    found = marks((10, 0, "mark_sent"), (30, 0, "mark_sent"))
    for rounds in (1, 3):
        with pytest.raises(SimulatorError, match=f"PE 0 passed mark_sent 2 times in {rounds} rounds"):
            found.each_round("mark_sent", 0, rounds)


def test_the_last_time_before_each_bound_is_meant() -> None:
    found = marks(*((cycle, 1, "mark_taken") for cycle in (5, 10, 12, 30)))
    assert found.last_before("mark_taken", 1, np.array([12, 40])).tolist() == [12, 30]
    with pytest.raises(SimulatorError):
        found.last_before("mark_taken", 1, np.array([12, 13]))          # the same one twice
    with pytest.raises(SimulatorError):
        found.last_before("mark_taken", 1, np.array([4, 13]))           # none before


def test_a_mark_that_was_not_recorded_is_an_error_and_an_empty_log_has_none_passed() -> None:
    with pytest.raises(SimulatorError, match="no mark"):
        marks().cycles("mark_done", 0)
    assert marks().cycles("mark_sent", 0).tolist() == []
