"""The statistics of the rendezvous, against marks whose durations are known and against plain Python."""
import json
import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.rendezvous import MARK_DTYPE, MARK_NAMES, PhaseStatistics, RendezvousReport, rendezvous_report
from sim.errors import SimulatorError, UserError

Mark = tuple[int, int, str]
CLOCK_HZ = 2e9


def marks_of(rows: list[Mark]) -> np.ndarray:
    return np.array([(cycle, pe, MARK_NAMES.index(f"mark_{name}")) for cycle, pe, name in rows], MARK_DTYPE)


def one_round(start: int, pes: int, extra: int = 0) -> list[Mark]:
    """A round of PE 0, sent after 10. From then: PE n takes it at 100 * n + extra; all gather at 1,000, act at 1,010 + n, are released at
    1,100; the initiator is done at 1,200."""
    sent = start + 10
    rows: list[Mark] = [(start, 0, "round_start"), (sent, 0, "sgi_sent")]
    for pe in range(pes):
        rows += [(sent + 100 * pe + extra, pe, "taken")] if pe else []
        rows += [(sent + 1000, pe, "gathered"), (sent + 1010 + pe, pe, "acted"), (sent + 1100, pe, "released")]
    return [*rows, (sent + 1200, 0, "all_done")]


def run_of(rounds: int, pes: int) -> list[Mark]:
    """Rounds 10,000 cycles apart; in round r the IPI takes r cycles longer."""
    return [row for number in range(rounds) for row in one_round(number * 10_000, pes, number)]


def find(entries: tuple[PhaseStatistics, ...], name: str, pe: int | None) -> PhaseStatistics:
    return next(entry for entry in entries if (entry.name, entry.pe) == (name, pe))


def figures(entry: PhaseStatistics) -> tuple[float, ...]:
    return entry.count, entry.minimum_cycles, entry.median_cycles, entry.p99_cycles, entry.maximum_cycles


def report_of(rows: list[Mark], pes: int, rounds: int, warmup: int) -> RendezvousReport:
    return rendezvous_report(marks_of(rows), pes, rounds, warmup, CLOCK_HZ)


def test_phases_are_durations_since_the_sgi_was_sent() -> None:
    report = report_of(run_of(101, 3), 3, 101, 0)
    assert figures(find(report.phases, "taken at the target's vector", 1)) == (101, 100, 150, 199, 200)
    assert figures(find(report.phases, "taken at the target's vector", 2)) == (101, 200, 250, 299, 300)
    assert figures(find(report.phases, "taken at the target's vector", None)) == (202, 100, 200, 298, 300)
    assert figures(find(report.phases, "acted", None)) == (303, 1010, 1011, 1012, 1012)
    assert figures(find(report.phases, "all done", 0)) == (101, 1200, 1200, 1200, 1200)


def test_intervals_lead_from_each_phase_to_the_next() -> None:
    report = report_of(run_of(10, 2), 2, 10, 0)
    assert figures(find(report.intervals, "round start to SGI sent", 0)) == (10, 10, 10, 10, 10)
    assert figures(find(report.intervals, "taken to gathered", 1)) == (10, 891, 895.5, 900, 900)
    assert figures(find(report.intervals, "gathered to acted", 1)) == (10, 11, 11, 11, 11)
    assert figures(find(report.intervals, "acted to released", 0)) == (10, 90, 90, 90, 90)
    assert figures(find(report.intervals, "released to all done", None)) == (20, 100, 100, 100, 100)


def test_the_initiator_takes_no_interrupt_of_its_own() -> None:
    report = report_of(run_of(3, 2), 2, 3, 0)
    assert [entry.pe for entry in report.phases if entry.name.startswith("taken")] == [1, None]
    assert [entry.pe for entry in report.phases if entry.name == "all done"] == [0, None]


def test_warm_up_rounds_are_left_out_and_said_to_be() -> None:
    report = report_of(run_of(12, 2), 2, 10, 2)
    assert figures(find(report.phases, "taken at the target's vector", 1))[:2] == (10, 102)
    assert "10 rounds after 2 of warm-up, which are left out" in report.summary and "not completed" not in report.summary


def test_order_of_marks_between_pes_does_not_matter() -> None:
    rows = run_of(5, 4)
    by_pe = sorted(rows, key=lambda row: row[1])
    assert report_of(rows, 4, 5, 0) == report_of(by_pe, 4, 5, 0)


def test_other_interrupts_of_a_target_do_not_count_as_the_ipi() -> None:
    rows = run_of(4, 2)
    noisy = sorted([*rows, *((number * 10_000 + 3, 1, "taken") for number in range(4))], key=lambda row: row[0])
    assert report_of(noisy, 2, 4, 0) == report_of(rows, 2, 4, 0)


def test_a_run_cut_short_is_reported_up_to_its_last_complete_round() -> None:
    rows = run_of(5, 2)
    report = report_of(rows[:-3], 2, 4, 1)                  # PE 1 did not act in the last round
    assert (report.complete_rounds, report.measured_rounds) == (4, 3)
    assert "1 rounds were not completed" in report.summary


@pytest.mark.parametrize("rows", [[], run_of(2, 2), one_round(0, 2)[:4]])
def test_a_run_without_a_round_after_the_warm_up_has_no_statistics(rows: list[Mark]) -> None:
    report = report_of(rows, 2, 5, 2)
    assert (report.measured_rounds, report.phases, report.intervals) == (0, (), ())


def test_a_single_pe_has_every_phase_but_taken() -> None:
    report = report_of(run_of(3, 1), 1, 3, 0)
    assert {entry.name for entry in report.phases} == {"gathered", "acted", "released", "all done"}


def test_a_target_that_gathers_without_an_interrupt_is_refused() -> None:
    with pytest.raises(UserError, match="PE 1 gathered"):
        report_of([row for row in run_of(3, 2) if row[2] != "taken"], 2, 3, 0)
    late = [row for number, row in enumerate(run_of(3, 2)) if not (row[2] == "taken" and number > 12)]
    with pytest.raises(UserError, match="PE 1 gathered"):
        report_of(late, 2, 3, 0)


def test_two_initiators_are_refused() -> None:
    with pytest.raises(UserError, match="PEs 0, 1 all start"):
        report_of([*run_of(2, 2), (5, 1, "round_start")], 2, 2, 0)


def test_a_pe_that_cannot_be_is_a_defect_of_ours() -> None:
    with pytest.raises(SimulatorError):
        report_of(run_of(2, 2), 1, 2, 0)


def test_json_holds_cycles_and_ns_and_survives_a_round_trip() -> None:
    value = report_of(run_of(3, 2), 2, 3, 0).to_json()
    assert json.loads(json.dumps(value)) == value
    done = next(entry for entry in value["since_sgi_sent"] if entry["name"] == "all done" and entry["pe"] is None)
    assert done["cycles"]["maximum"] == 1200 and done["ns"]["maximum"] == 600.0


@given(st.lists(st.integers(0, 900), min_size=1, max_size=300))
def test_figures_agree_with_plain_python(delays: list[int]) -> None:
    rows = [row for number, delay in enumerate(delays) for row in one_round(number * 10_000, 2, delay - 100)]
    entry = find(report_of(rows, 2, len(delays), 0).phases, "taken at the target's vector", 1)
    in_order = sorted(delays)
    p99 = in_order[-(-99 * len(delays) // 100) - 1]        # nearest rank
    assert figures(entry) == (len(delays), in_order[0], statistics.median(delays), p99, in_order[-1])
