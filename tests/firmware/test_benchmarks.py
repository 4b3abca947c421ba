"""How marks become rounds: against marks that are written down here, and mistakes that are named."""
import numpy as np
import pytest

from firmware.benchmarks import ABSENT, IPI_SCENARIOS, NOTED, Benchmark, benchmark, benchmarks, mark_array
from firmware.kernels import kernel
from firmware.rendezvous import MARK_DTYPE
from sim.errors import SimulatorError, UserError

Mark = tuple[int, int, str]
PHASES = ("initiate", "deliver", "enter", "acknowledge", "act", "release", "exit")


def marks_of(chosen: Benchmark, rows: list[Mark]) -> np.ndarray:
    """Marks in the order given, their names without mark_; and what is noted beside marks."""
    names = [*(name.removeprefix("mark_") for name in chosen.marks), *NOTED]
    return np.array([(cycle, pe, names.index(name)) for cycle, pe, name in rows], MARK_DTYPE)


def constants_of(chosen: Benchmark, pes: int, rounds: int, warmup: int, **options: int) -> dict[str, int]:
    return {"PES": pes, "ROUNDS": rounds, "WARMUP": warmup} | chosen.constants(pes, options)


def ipi_round(start: int, scenario: int, pes: int) -> list[Mark]:
    """Starts at `start`; PE n is reached 100 * n later, reads ICC_IAR1_EL1 after 4 more and begins after another 6, has done after another 5 and
    leaves after 9 more. PE 0 knows it after 980; the call ends after 1,000."""
    rows: list[Mark] = [(start, 0, "call_start")]
    if scenario == 1:
        rows += [(start + 7, 0, "function"), (start + 9, 0, "self_ran")]
    if scenario > 1:
        rows.append((start + 20, 0, "single_sent" if scenario == 2 else "many_sent"))
        for pe in range(1, pes if scenario > 2 else 2):
            rows += [(start + 100 * pe, pe, "taken"), (start + 100 * pe + 4, pe, "interrupt_acknowledged"),
                     (start + 100 * pe + 10, pe, "function_lock" if scenario == 4 else "function"),
                     (start + 100 * pe + 15, pe, "call_ran"), (start + 100 * pe + 24, pe, "queue_done")]
        rows.append((start + 980, 0, "single_called" if scenario == 2 else "many_called"))
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
    assert normal.phases == PHASES and normal.left_out == ""
    since = np.where(normal.end_cycles == ABSENT, ABSENT, normal.end_cycles - normal.start_cycles[:, None, None])
    assert since[0, :2].tolist() == [[20, ABSENT, ABSENT, ABSENT, ABSENT, 980, 1000], [ABSENT, 100, 104, 110, 115, ABSENT, 124]]
    assert (normal.end_cycles[:, 2:] == ABSENT).all()


def test_phases_that_a_scenario_does_not_have_are_left_out_and_it_says_why() -> None:
    chosen = benchmark("ipi")
    rows = [row for number in range(5) for row in ipi_round(10_000 * number, number, 3)]
    scenarios = chosen.samples(marks_of(chosen, rows), constants_of(chosen, 3, rounds=1, warmup=0))
    assert [samples.phases for samples in scenarios[:2]] == [("exit",), ("initiate", "act", "exit")]
    assert [bool(samples.left_out) for samples in scenarios] == [samples.phases != PHASES for samples in scenarios]


def test_without_the_reads_of_icc_iar1_nothing_is_said_of_them() -> None:
    chosen = benchmark("ipi")
    rows = [row for row in ipi_round(0, 3, 3) if row[2] != "interrupt_acknowledged"]
    (samples,) = chosen.samples(marks_of(chosen, rows), constants_of(chosen, 3, rounds=1, warmup=0, scenarios=0b01000))
    assert samples.phases == tuple(phase for phase in PHASES if phase != "enter") and samples.rounds == 1


def test_scenarios_that_were_left_out_are_not_reported() -> None:
    chosen = benchmark("ipi")
    rows = [row for number in range(2) for row in ipi_round(10_000 * number, 3, 3)]
    (samples,) = chosen.samples(marks_of(chosen, rows), constants_of(chosen, 3, rounds=2, warmup=0, scenarios=0b01000))
    assert samples.scenario == "broadcast IPI" and samples.rounds == 2


def test_a_run_that_ended_early_is_reported_up_to_its_last_complete_round() -> None:
    chosen = benchmark("ipi")
    rows = [row for number in range(3) for row in ipi_round(10_000 * number, 3, 3)]
    lost = rows[:-3]                            # the last PE's end of its handler, and the end of the call
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
    """Two issuers; the third PE is reached by PE 1 last, each issuer by the other."""
    chosen = benchmark("shootdown")
    rows: list[Mark] = []
    for number in range(2):
        base = 1000 * number
        rows += [(base + 5 * pe, pe, "shootdown_start") for pe in range(2)] + [(base + 50 + pe, pe, sent) for pe in range(2)]
        for pe in range(3):
            if how == 0:
                rows.append((base + 60 + pe, pe, "tlbi_arrived"))
            for call in range(how * (1 if pe < 2 else 2)):
                rows += [(base + 60 + 20 * call + pe + late, pe, name) for late, name in (
                    (0, "taken"), (1, "interrupt_acknowledged"), (4, "drop_entry"), (8, "call_ran"), (9, "queue_done"))]
        rows += [(base + 100 + 20 * pe, pe, "shootdown_complete") for pe in range(2)]
    rows.sort(key=lambda row: row[0])
    (samples,) = chosen.samples(marks_of(chosen, rows), constants_of(chosen, 3, rounds=1, warmup=1, how=how, issuers=2))
    assert samples.operation_cycles is not None and samples.operation_cycles.tolist() == [[100, 115]]
    assert (samples.start_cycles.tolist(), samples.total_cycles.tolist()) == ([1000], [120])
    assert samples.delivery_cycles is not None and samples.delivery_cycles.tolist() == [86 if how else 62]
    if how == 0:
        assert samples.phases == ("initiate", "deliver", "release") and samples.left_out
        assert samples.end_cycles.tolist() == [[[1050, 1060, 1100], [1051, 1061, 1120], [ABSENT, 1062, ABSENT]]]
    else:
        # an issuer left its handler before it knew that its own operation was complete: no phase ends before the one before it
        assert samples.phases == PHASES and not samples.left_out
        assert samples.end_cycles.tolist() == [[[1050, 1060, 1061, 1064, 1068, 1100, 1100], [1051, 1061, 1062, 1065, 1069, 1120, 1120],
                                                [ABSENT, 1082, 1083, 1086, 1090, ABSENT, 1091]]]


def test_a_shootdown_of_which_nobody_knows_when_tlbis_arrive_has_no_delivery() -> None:
    chosen = benchmark("shootdown")
    rows: list[Mark] = [(0, 0, "shootdown_start"), (10, 0, "tlbi_sent"), (90, 0, "shootdown_complete")]
    (samples,) = chosen.samples(marks_of(chosen, rows), constants_of(chosen, 3, rounds=1, warmup=0))
    assert samples.phases == ("initiate", "release") and samples.delivery_cycles is None and samples.total_cycles.tolist() == [90]


def test_the_log_is_translated_by_name_and_foreign_marks_are_left_out() -> None:
    chosen = benchmark("rendezvous")
    events = np.array([(7, 1, 1), (8, 0, 0), (9, 2, 2)], np.dtype([("cycle", "<u8"), ("pe", "<u2"), ("a", "<u8")]))
    marks = mark_array(chosen, ["mark_foreign", "mark_taken", "mark_exited"], events)
    assert marks.tolist() == [(7, 1, chosen.marks.index("mark_taken")), (9, 2, chosen.marks.index("mark_exited"))]
    assert len(mark_array(chosen, [], events[:0])) == 0
    noted = mark_array(chosen, ["mark_taken"], events[1:2], {"interrupt_acknowledged": events[:1]})
    assert noted.tolist() == [(8, 0, chosen.marks.index("mark_taken")), (7, 1, len(chosen.marks) + NOTED.index("interrupt_acknowledged"))]


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
