"""The benchmark kernels on the machine: they count their own work, and every mark is passed as often, and in the order, that the protocol says."""
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from firmware.benchmarks import ABSENT, ACKNOWLEDGED, IPI_SCENARIOS, PHASES, SGI_INTIDS, Benchmark, Samples, benchmark, mark_array
from firmware.kernels import kernel
from sim.machine import Machine
from sim.result import Result

ROUNDS, WARMUP = 2, 1
EACH = ROUNDS + WARMUP
SGI_CALL = 5
BUDGET_CYCLES = 50_000_000
SIZES = [2, 4, 17, 64]


def run(name: str, pes: int, options: Mapping[str, int] | None = None, *, lse: bool = True, source: Path | None = None,
        **settings: object) -> tuple[Result, tuple[Samples, ...], Counter[tuple[str, int]]]:
    """The run, its samples, and how often each PE passed each mark."""
    chosen: Benchmark = benchmark(name)
    built_in = kernel(chosen.kernel)
    constants = built_in.build_constants(pes, ROUNDS, WARMUP, lse=lse) | chosen.constants(pes, options or {})
    machine = Machine(pes=pes, events=("sgi", "tlbi", "interrupt_acknowledged"), **settings)  # type: ignore[arg-type]
    machine.load(source or built_in.path, constants=constants, include_dirs=built_in.include_directories, marks=built_in.marks)
    result = machine.run(BUDGET_CYCLES)
    events = result.events.of("mark")
    passed = Counter((machine.watched[int(event["a"])], int(event["pe"])) for event in events)
    read = result.events.of("interrupt_acknowledged")
    noted = {ACKNOWLEDGED: read[read["aux"] == SGI_INTIDS[name]]}
    return result, chosen.samples(mark_array(chosen, machine.watched, events, noted), constants), passed


def check_order(samples: Samples) -> None:
    """What holds of any round: phases follow each other on every PE, nobody acts before the start, the totals are those of the ends."""
    assert samples.rounds == ROUNDS
    for number in range(ROUNDS):
        ends = samples.end_cycles[number]
        for times in ends:
            held = times[times != ABSENT]
            assert (np.diff(held) >= 0).all() and (held >= samples.start_cycles[number]).all()
    assert (np.diff(samples.start_cycles) >= samples.total_cycles[:-1]).all()


@pytest.mark.parametrize("settings", [{"idle": 1}, {"idle": 0}], ids=["wfi", "busy"])
@pytest.mark.parametrize("pes", SIZES)
def test_each_scenario_calls_each_of_its_targets_once_a_round(pes: int, settings: dict[str, int]) -> None:
    result, scenarios, passed = run("ipi", pes, {**settings, "target": pes - 1})
    assert (result.exit_status, result.console) == (0, f"bench_ipi: {pes} PEs called as often as expected\n")
    assert tuple(samples.scenario for samples in scenarios) == IPI_SCENARIOS
    assert passed["mark_call_start", 0] == passed["mark_call_done", 0] == len(IPI_SCENARIOS) * EACH
    for pe in range(pes):
        assert passed["mark_function", pe] == EACH * (1 if pe == 0 else 2 if pe == pes - 1 else 1)
        assert passed["mark_function_lock", pe] == EACH * (pe > 0)
    targets = [0, 1, 1, pes - 1, pes - 1]
    for samples, expected in zip(scenarios, targets, strict=True):
        check_order(samples)
        ran = (samples.end_cycles[:, :, samples.phases.index("act")] != ABSENT).sum(axis=1) if "act" in samples.phases else np.zeros(ROUNDS)
        if samples.scenario not in ("dry run", "self-IPI"):
            assert samples.phases == PHASES and samples.left_out == ""
        assert ran.tolist() == [expected] * ROUNDS
        if samples.delivery_cycles is not None:
            assert (0 < samples.delivery_cycles).all() and (samples.delivery_cycles < samples.total_cycles).all()


@pytest.mark.parametrize("self_by", [0, 1])
def test_only_a_call_of_another_pe_takes_an_sgi_unless_told_otherwise(self_by: int) -> None:
    """As in Linux, where generic_exec_single simply calls the function on the PE itself."""
    result, scenarios, _ = run("ipi", 4, {"self": self_by, "scenarios": 0b00010})
    sent = result.events.of("sgi")
    assert np.count_nonzero(sent["aux"] == SGI_CALL) == self_by * EACH
    assert [samples.scenario for samples in scenarios] == ["self-IPI"] and result.exit_status == 0
    assert scenarios[0].phases == (PHASES[1:] if self_by else ("initiate", "act", "exit")) and scenarios[0].left_out


def test_a_broadcast_sends_one_sgi_to_each_other_pe() -> None:
    result, _, _ = run("ipi", 20, {"scenarios": 0b01000})
    sent = result.events.of("sgi")
    sent = sent[sent["aux"] == SGI_CALL]
    assert Counter(sent["a"].tolist()) == {pe: EACH for pe in range(1, 20)} and set(sent["pe"].tolist()) == {0}


def test_a_target_that_is_no_other_pe_ends_with_status_1() -> None:
    built_in = kernel("bench_ipi")
    machine = Machine(pes=2)
    machine.load(built_in.path, constants=built_in.build_constants(2) | {"TARGET": 2}, include_dirs=built_in.include_directories)
    assert machine.run(BUDGET_CYCLES).exit_status == 1


@pytest.mark.parametrize("barrier", [0, 1, 2], ids=["counters", "tree", "wfe"])
@pytest.mark.parametrize("pes", [*SIZES, 5, 16])
def test_every_participant_of_a_rendezvous_passes_each_phase_once_a_round(pes: int, barrier: int) -> None:
    result, (samples,), passed = run("rendezvous", pes, {"barrier": barrier})
    assert (result.exit_status, result.console) == (0, f"bench_rendezvous: {pes * EACH} actions, none missing\n")
    stem = "mark_tree_" if barrier == 1 else "mark_"
    for pe in range(pes):
        assert {passed[stem + phase, pe] for phase in ("gathered", "acted", "released")} == {EACH}
        assert passed["mark_entered", pe] == passed["mark_exited", pe] == EACH * (pe > 0)
    check_order(samples)
    ends = dict(zip(samples.phases, np.moveaxis(samples.end_cycles, 2, 0), strict=True))
    assert (ends["deliver"][:, 0] == ABSENT).all() and (ends["initiate"][:, 1:] == ABSENT).all()
    assert (ends["acknowledge"].min(axis=1) >= ends["enter"].max(axis=1)).all()     # nobody goes on before the last has come
    assert (ends["release"].min(axis=1) >= ends["act"].max(axis=1)).all()           # nobody leaves before the last has acted


@pytest.mark.parametrize(("pes", "issuers"), [(1, 1), (2, 1), (2, 2), (4, 4), (17, 9), (64, 2)])
@pytest.mark.parametrize("how", [0, 1], ids=["tlbi", "ipi"])
def test_every_issuer_operates_once_a_round_and_no_read_is_stale(pes: int, how: int, issuers: int) -> None:
    result, (samples,), passed = run("shootdown", pes, {"how": how, "issuers": issuers})
    assert (result.exit_status, result.console) == (0, f"bench_shootdown: {issuers * EACH} operations, no read was stale\n")
    for pe in range(pes):
        assert passed["mark_shootdown_start", pe] == passed["mark_shootdown_complete", pe] == EACH * (pe < issuers)
    check_order(samples)
    assert samples.operation_cycles is not None and samples.operation_cycles.shape == (ROUNDS, issuers)
    assert (samples.operation_cycles > 0).all() and (samples.operation_cycles.max(axis=1) <= samples.total_cycles).all()
    if how == 1 and pes > 1:
        assert samples.phases == PHASES
        reached = (samples.end_cycles[:, :, PHASES.index("act")] != ABSENT).sum(axis=1)
        assert reached.tolist() == [pes if issuers > 1 else pes - 1] * ROUNDS      # each issuer is a target of the others
    tlbis = Counter(result.events.of("tlbi")["pe"].tolist())
    expected = {pe: EACH * (pe < issuers) for pe in range(pes)} if how == 0 else dict.fromkeys(range(pes), EACH * issuers)
    boot = 1                                    # each PE empties its TLB before translation starts
    assert tlbis == {pe: count + boot for pe, count in expected.items()}


@pytest.mark.parametrize(("how", "line"), [(0, "        tlbi    vaae1is, x2\n"), (1, "        tlbi    vaae1, x0\n")])
def test_the_shootdown_notices_an_invalidation_that_is_left_out(how: int, line: str, tmp_path: Path) -> None:
    text = kernel("bench_shootdown").path.read_text()
    assert text.count(line) == 1
    (tmp_path / "broken.s").write_text(text.replace(line, ""))
    result, _, _ = run("shootdown", 3, {"how": how}, source=tmp_path / "broken.s")
    assert result.exit_status == 1 and "stale" in str(result.console)


@pytest.mark.parametrize(("name", "options"), [("ipi", {}), ("rendezvous", {"barrier": 1}), ("shootdown", {"how": 1, "issuers": 3})])
def test_exclusives_do_what_the_atomics_do(name: str, options: dict[str, int]) -> None:
    with_lse, without = run(name, 6, options), run(name, 6, options, lse=False)
    assert with_lse[0].console == without[0].console and without[0].exit_status == 0
    shared = ("mark_taken", "mark_queue_done") if "issuers" in options else ()      # one interrupt may serve calls of two issuers
    passed, passed_without = ({key: count for key, count in one[2].items() if key[0] not in shared} for one in (with_lse, without))
    assert passed == passed_without


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("name", "options"), [("ipi", {}), ("rendezvous", {"barrier": 2}), ("shootdown", {"how": 1, "issuers": 4})])
def test_the_kernels_end_well_in_every_order_of_instructions(name: str, options: dict[str, int], seed: int) -> None:
    result, scenarios, _ = run(name, 5, options, interleaving="instruction", adversarial=True, seed=seed)
    assert result.exit_status == 0
    for samples in scenarios:
        check_order(samples)
