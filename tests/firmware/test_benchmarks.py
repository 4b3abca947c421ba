"""How marks become rounds: against marks that are written down here, and mistakes that are named."""
import numpy as np
import pytest

from firmware.benchmarks import ABSENT, IPI_SCENARIOS, Benchmark, benchmark, benchmarks, mark_array
from firmware.kernels import kernel
from firmware.rendezvous import MARK_DTYPE
from sim.errors import SimulatorError, UserError

Mark = tuple[int, int, str]


def marks_of(chosen: Benchmark, rows: list[Mark]) -> np.ndarray:
    """Marks in the order given, their names without mark_."""
    return np.array([(cycle, pe, chosen.marks.index(f"mark_{name}")) for cycle, pe, name in rows], MARK_DTYPE)


def constants_of(chosen: Benchmark, pes: int, rounds: int, warmup: int, **options: int) -> dict[str, int]:
    return {"PES": pes, "ROUNDS": rounds, "WARMUP": warmup} | chosen.constants(pes, options)


def ipi_round(start: int, scenario: int, pes: int) -> list[Mark]:
    """Starts at `start`; PE n is reached 100 * n later, begins after 10 more, has done after another 5; the call ends at 1,000."""
    rows: list[Mark] = [(start, 0, "call_start")]
    if scenario == 1:
        rows.append((start + 7, 0, "function"))
    if scenario > 1:
        rows.append((start + 20, 0, "single_sent" if scenario == 2 else "many_sent"))
        for pe in range(1, pes if scenario > 2 else 2):
            rows += [(start + 100 * pe, pe, "taken"), (start + 100 * pe + 10, pe, "function_lock" if scenario == 4 else "function"),
                     (start + 100 * pe + 15, pe, "call_ran")]
    return [*rows, (start + 1000, 0, "call_done")]


def test_the_five_scenarios_are_told_apart_and_the_warm_up_is_left_out() -> None:
    chosen, pes = benchmark("ipi"), 4
    rows = [row for number in range(5 * 3) for row in ipi_round(10_000 * number, number // 3, pes)]
    scenarios = chosen.samples(marks_of(chosen, rows), constants_of(chosen, pes, rounds=2, warmup=1))
    assert tuple(samples.scenario for samples in scenarios) == IPI_SCENARIOS
    assert [samples.start_cycles.tolist() for samples in scenarios] == [[10_000 * (3 * k + 1), 10_000 * (3 * k + 2)] for k in range(5)]
    assert all(samples.total_cycles.tolist() == [1000, 1000] for samples in scenarios)
    delivery = [None if samples.delivery_cycles is None else samples.delivery_cycles.tolist() for samples in scenarios]
    assert delivery == [None, [7, 7], [110, 110], [310, 310], [310, 310]]
    normal = scenarios[2]
    assert normal.phases == ("initiate", "deliver", "enter", "act", "exit")
    assert (normal.end_cycles[0] - normal.start_cycles[0])[:2].tolist() == [
        [20, ABSENT - normal.start_cycles[0], ABSENT - normal.start_cycles[0], ABSENT - normal.start_cycles[0], 1000],
        [ABSENT - normal.start_cycles[0], 100, 110, 115, ABSENT - normal.start_cycles[0]]]
    assert (normal.end_cycles[:, 2:] == ABSENT).all()


def test_scenarios_that_were_left_out_are_not_reported() -> None:
    chosen = benchmark("ipi")
    rows = [row for number in range(2) for row in ipi_round(10_000 * number, 3, 3)]
    (samples,) = chosen.samples(marks_of(chosen, rows), constants_of(chosen, 3, rounds=2, warmup=0, scenarios=0b01000))
    assert samples.scenario == "broadcast IPI" and samples.rounds == 2


def test_a_run_that_ended_early_is_reported_up_to_its_last_complete_round() -> None:
    chosen = benchmark("ipi")
    rows = [row for number in range(3) for row in ipi_round(10_000 * number, 3, 3)]
    lost = rows[:-2]                            # the last PE's end of its function, and the end of the call
    for rows_left, rounds in ((rows, 2), (lost, 1), (rows[:5], 0), ([], 0)):
        (samples,) = chosen.samples(marks_of(chosen, rows_left), constants_of(chosen, 3, rounds=5, warmup=1, scenarios=0b01000))
        assert samples.rounds == rounds and len(samples.end_cycles) == rounds


def test_other_interrupts_of_a_target_do_not_count_as_deliveries() -> None:
    chosen = benchmark("ipi")
    rows = [(3, 1, "taken"), *ipi_round(100, 2, 2), (900, 1, "taken")]
    (samples,) = chosen.samples(marks_of(chosen, rows), constants_of(chosen, 2, rounds=1, warmup=0, scenarios=0b00100))
    assert samples.end_cycles[0, 1, samples.phases.index("deliver")] == 200


@pytest.mark.parametrize("barrier", ["counters", "tree", "wfe"])
def test_a_rendezvous_gives_every_pe_its_phases(barrier: str) -> None:
    chosen = benchmark("rendezvous")
    stem = "tree_" if barrier == "tree" else ""
    sent, done = ("tree_sent", "tree_done") if stem else ("sgi_sent", "all_done")
    rows: list[Mark] = [(50, 0, "tree_start" if stem else "round_start"), (60, 0, sent)]
    rows += [(90 + pe, pe, name) for pe in (1, 2) for name in ("taken", "entered")]
    rows += [(cycle + pe, pe, stem + name) for pe in range(3) for cycle, name in ((100, "gathered"), (110, "acted"), (120, "released"))]
    rows += [(131, 1, "exited"), (140, 2, "exited"), (135, 0, done)]
    options = chosen.options["barrier"].choices
    assert options is not None
    (samples,) = chosen.samples(marks_of(chosen, rows), constants_of(chosen, 3, rounds=1, warmup=0, barrier=options[barrier]))
    assert samples.scenario == barrier
    assert samples.phases == ("initiate", "deliver", "enter", "acknowledge", "act", "release", "exit")
    assert samples.end_cycles[0].tolist() == [[60, ABSENT, ABSENT, 100, 110, 120, 135], [ABSENT, 91, 91, 101, 111, 121, 131],
                                              [ABSENT, 92, 92, 102, 112, 122, 140]]
    assert samples.delivery_cycles is not None
    assert (samples.delivery_cycles.tolist(), samples.total_cycles.tolist()) == ([42], [85])


@pytest.mark.parametrize(("how", "sent"), [(0, "tlbi_sent"), (1, "many_sent")])
def test_a_shootdown_lasts_from_the_first_issuer_to_the_last(how: int, sent: str) -> None:
    chosen = benchmark("shootdown")
    rows: list[Mark] = []
    for number in range(2):
        base = 1000 * number
        rows += [(base + 5 * pe, pe, "shootdown_start") for pe in range(2)] + [(base + 50 + pe, pe, sent) for pe in range(2)]
        rows += [(base + 100 + 20 * pe, pe, "shootdown_complete") for pe in range(2)]
    (samples,) = chosen.samples(marks_of(chosen, rows), constants_of(chosen, 3, rounds=1, warmup=1, how=how, issuers=2))
    assert samples.operation_cycles is not None and samples.operation_cycles.tolist() == [[100, 115]]
    assert (samples.start_cycles.tolist(), samples.total_cycles.tolist(), samples.delivery_cycles) == ([1000], [120], None)
    assert samples.end_cycles.tolist() == [[[1050, 1100], [1051, 1120], [ABSENT, ABSENT]]]


def test_the_log_is_translated_by_name_and_foreign_marks_are_left_out() -> None:
    chosen = benchmark("rendezvous")
    events = np.array([(7, 1, 1), (8, 0, 0), (9, 2, 2)], np.dtype([("cycle", "<u8"), ("pe", "<u2"), ("a", "<u8")]))
    marks = mark_array(chosen, ["mark_foreign", "mark_taken", "mark_exited"], events)
    assert marks.tolist() == [(7, 1, chosen.marks.index("mark_taken")), (9, 2, chosen.marks.index("mark_exited"))]
    assert len(mark_array(chosen, [], events[:0])) == 0


def test_every_benchmark_names_a_kernel_that_takes_its_options_and_holds_its_marks() -> None:
    for chosen in benchmarks():
        built_in = kernel(chosen.kernel)
        assert built_in.marks == chosen.marks and len(set(chosen.marks)) == len(chosen.marks)
        defaults = {option.constant: option.default for option in chosen.options.values()}
        assert defaults.items() <= dict(built_in.options).items() and chosen.constants(4) == defaults


@pytest.mark.parametrize(("name", "pes", "options", "message"), [
    ("ipi", 1, {}, "1 PEs are too few, at least 2"), ("ipi", 4, {"target": 4}, "target is 4, but must be 1 to 3"),
    ("ipi", 4, {"scenarios": 32}, "scenarios is 32"), ("rendezvous", 4, {"barrier": 3}, "barrier is 3, but must be 0 to 2"),
    ("shootdown", 4, {"issuers": 5}, "issuers is 5, but must be 1 to 4"), ("shootdown", 4, {"issuers": 0}, "issuers is 0"),
    ("shootdown", 4, {"targets": 1}, "no option 'targets'; there are how, issuers, idle"),
])
def test_a_users_mistake_is_named(name: str, pes: int, options: dict[str, int], message: str) -> None:
    with pytest.raises(UserError, match=message):
        benchmark(name).constants(pes, options)


def test_an_unknown_benchmark_is_a_users_mistake_and_a_mark_of_no_pe_is_ours() -> None:
    with pytest.raises(UserError, match="there is no benchmark 'ipis'; there are ipi, rendezvous, shootdown"):
        benchmark("ipis")
    chosen = benchmark("rendezvous")
    with pytest.raises(SimulatorError):
        chosen.samples(marks_of(chosen, [(1, 3, "taken")]), constants_of(chosen, 3, rounds=1, warmup=0))
