"""Attribution and skew, of rounds whose times were chosen, and of random ones whose phases must add up."""
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sim.benchmarks.attribution import attribute, phase_cycles
from sim.benchmarks.rounds import ABSENT, PHASES, Rounds
from sim.benchmarks.skew import skews
from sim.errors import SimulatorError

THREE = ("initiate", "deliver", "exit")


def rounds_of(ends: list[list[list[int]]], phases: tuple[str, ...] = THREE, start: int = 0) -> Rounds:
    """ends[round][pe][phase], each round 10,000 cycles after the last."""
    array = np.array(ends, np.int64)
    starts = np.arange(len(ends), dtype=np.int64) * 10_000 + start
    return Rounds(phases, starts, np.where(array == ABSENT, ABSENT, array + starts[:, None, None]))


def test_a_phase_ends_with_the_last_pe_that_has_a_part_in_it() -> None:
    rounds = rounds_of([[[10, ABSENT, 100], [ABSENT, 40, ABSENT], [ABSENT, 60, ABSENT]], [[12, ABSENT, 90], [ABSENT, 70, ABSENT], [ABSENT, 50, ABSENT]]])
    assert phase_cycles(rounds).tolist() == [[10, 50, 40], [12, 58, 20]]
    initiate, deliver, last = attribute(rounds)
    assert (initiate.name, initiate.distribution.p50, initiate.distribution.maximum) == ("initiate", 10, 12)
    assert deliver.share == pytest.approx(108 / 190) and last.share == pytest.approx(60 / 190)


def test_a_phase_that_ends_before_the_one_before_it_takes_no_time() -> None:
    rounds = rounds_of([[[50, ABSENT, 100], [ABSENT, 40, ABSENT]]])
    assert phase_cycles(rounds).tolist() == [[50, 0, 50]]


@given(arrays(np.int64, (5, 4, len(PHASES)), elements=st.integers(0, 500)))
def test_phases_add_up_to_the_round_whatever_each_pe_did(steps: np.ndarray) -> None:
    ends = np.cumsum(steps, axis=2)
    rounds = rounds_of(ends.tolist(), PHASES)
    assert (phase_cycles(rounds).sum(axis=1) == ends.max(axis=(1, 2))).all()
    shares = sum(phase.share for phase in attribute(rounds))
    assert shares == pytest.approx(1.0) if ends.any() else shares == 0


def test_skew_is_against_the_first_pe_of_the_same_round() -> None:
    rounds = rounds_of([[[10, 30, 100], [10, 40, 100], [10, 70, 100]], [[10, 50, 100], [10, 40, 100], [10, 42, 100]]])
    deliver = next(one for one in skews(rounds) if one.phase == "deliver")
    assert (deliver.spread.minimum, deliver.spread.maximum) == (10, 40)
    assert [(one.pe, one.behind.minimum, one.behind.maximum, one.last_rounds) for one in deliver.pes] == [(0, 0, 10, 1), (1, 0, 10, 0), (2, 2, 40, 1)]


def test_a_phase_of_one_pe_has_no_skew() -> None:
    rounds = rounds_of([[[10, ABSENT, 100], [ABSENT, 40, ABSENT], [ABSENT, 60, ABSENT]]])
    found = skews(rounds)
    assert [one.phase for one in found] == ["deliver"]
    assert [one.pe for one in found[0].pes] == [1, 2]


@pytest.mark.parametrize(("ends", "phases"), [
    ([[[10, 5, 100]]], THREE),                              # time runs backwards
    ([[[10, ABSENT, 100]]], THREE),                         # nobody is delivered to
    ([[[10, 20, 100]]], ("deliver", "initiate", "exit")),   # an order that is none
    ([[[10, 20, 100]]], ("initiate", "exit")),              # another number of phases
    (np.zeros((0, 1, 3)).tolist(), THREE),                  # no rounds
])
def test_times_that_cannot_be_are_an_error(ends: list[list[list[int]]], phases: tuple[str, ...]) -> None:
    with pytest.raises(SimulatorError):
        rounds_of(ends, phases)
