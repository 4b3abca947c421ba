"""Runs of the benchmarks, end to end: every round is there, what must add up does, and a run that ends otherwise has no figures."""
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from firmware.benchmarks import benchmark, mark_array
from firmware.kernels import kernel
from sim.benchmarks.atomics import atomics_of, has_lse
from sim.benchmarks.point import EVERYONE, INITIATOR, OTHERS, Point, Sample, point
from sim.benchmarks.rounds import PHASES, Rounds
from sim.benchmarks.run import Task, run_all
from sim.benchmarks.stack import ISSUE, Stack
from sim.benchmarks.variants import tasks_of
from sim.errors import SimulatorError
from sim.experiments.kernel_build import build_image
from sim.machine import Machine
from sim.timing.profile import load_profile, profile_names

ROUNDS, WARMUP, PES = 12, 3, 4
LIKE = Task("ipi", "", "", PES, rounds=ROUNDS, warmup=WARMUP, seeds=(1, 2))
EVERY = [task for name, given in (("ipi", {}), ("rendezvous", {"barrier": "counters,tree,wfe"}), ("shootdown", {"issuers": "1,3"}))
         for task in tasks_of(name, given, (PES,), LIKE)]


@pytest.fixture(scope="module")
def points() -> dict[str, Point]:
    """Every scenario of every benchmark on four PEs, two seeds each."""
    return {f"{task.benchmark} {task.scenario}": one for task, one in zip(EVERY, run_all(EVERY, jobs=1), strict=True)}


def test_every_scenario_has_as_many_samples_as_rounds_times_seeds(points: dict[str, Point]) -> None:
    assert len(points) == 5 + 3 + 4
    for one in points.values():
        assert one.rounds == one.total.count == 2 * ROUNDS == sum(bucket.count for bucket in one.buckets)
        assert one.total.minimum > 0


def test_delivery_comes_before_the_end_and_the_dry_run_delivers_nothing(points: dict[str, Point]) -> None:
    assert points["ipi dry run"].delivery is None
    for name in ("self-IPI", "normal IPI", "broadcast IPI", "broadcast IPI with lock"):
        one = points[f"ipi {name}"]
        assert one.delivery is not None
        assert one.delivery.count == one.rounds and one.delivery.maximum < one.total.maximum


@pytest.mark.parametrize("issuers", ["1 issuer", "3 issuers"])
def test_a_shootdown_is_delivered_before_it_is_complete_and_by_tlbi_sooner(points: dict[str, Point], issuers: str) -> None:
    tlbi, ipi = points[f"shootdown tlbi, {issuers}"], points[f"shootdown ipi, {issuers}"]
    assert tlbi.delivery is not None and ipi.delivery is not None
    assert 0 < tlbi.delivery.minimum and tlbi.delivery.maximum < tlbi.total.minimum and ipi.delivery.maximum < ipi.total.minimum
    assert tlbi.delivery.p50 < ipi.delivery.p50
    assert [phase.name for phase in tlbi.phases] == ["initiate", "deliver", "release"] and "nothing is entered" in tlbi.left_out


@pytest.mark.parametrize("name", ["ipi normal IPI", "ipi broadcast IPI", "ipi broadcast IPI with lock", "rendezvous tree", "rendezvous wfe",
                                  "rendezvous counters", "shootdown ipi, 1 issuer", "shootdown ipi, 3 issuers"])
def test_whoever_is_interrupted_has_all_seven_phases(points: dict[str, Point], name: str) -> None:
    assert tuple(phase.name for phase in points[name].phases) == PHASES and points[name].left_out == ""


def test_another_pe_costs_more_than_oneself_and_all_more_than_one(points: dict[str, Point]) -> None:
    medians = [points[f"ipi {name}"].total.p50 for name in ("dry run", "self-IPI", "normal IPI", "broadcast IPI")]
    assert medians == sorted(set(medians))


def test_phases_add_up_to_no_less_than_the_total(points: dict[str, Point]) -> None:
    for one in points.values():
        assert sum(phase.share for phase in one.phases) == pytest.approx(1.0)
        assert sum(phase.distribution.mean for phase in one.phases) >= one.total.mean - 1e-6


def test_the_stack_covers_the_rounds_of_every_pe(points: dict[str, Point]) -> None:
    for name, one in points.items():
        assert one.stacks[EVERYONE].total_cycles == one.stacks[INITIATOR].total_cycles + one.stacks[OTHERS].total_cycles
        covered = [one.stacks[part].total_cycles / one.rounds / one.members(part) for part in (INITIATOR, OTHERS)]
        assert covered[0] == pytest.approx(covered[1], rel=0.1, abs=20), name      # all see the same time pass
        assert 0.98 * one.total.mean <= covered[0] < 2 * one.total.mean + 300, name


def test_a_broadcast_tlbi_waits_at_its_barrier_and_an_ipi_makes_the_others_enter(points: dict[str, Point]) -> None:
    tlbi, ipi = points["shootdown tlbi, 1 issuer"], points["shootdown ipi, 1 issuer"]
    assert tlbi.stacks[INITIATOR].components["barrier wait"] > 0 == ipi.stacks[OTHERS].components["barrier wait"]
    assert ipi.stacks[OTHERS].components["entry"] > tlbi.stacks[OTHERS].components["entry"]
    assert ipi.total.p50 > tlbi.total.p50


def test_each_issuer_has_its_operations(points: dict[str, Point]) -> None:
    for how in ("tlbi", "ipi"):
        operation = points[f"shootdown {how}, 3 issuers"].operation
        assert operation is not None and operation.count == 3 * 2 * ROUNDS


def test_looking_at_the_counters_changes_nothing() -> None:
    """The same kernel run through without a stop ends at the same cycle as the run that was looked at."""
    task = tasks_of("rendezvous", {"barrier": "tree"}, (PES,), LIKE)[0]
    looked_at = task.sample(seed=5)
    chosen, built_in = benchmark("rendezvous"), kernel("bench_rendezvous")
    constants = task.build_constants(seed=5)
    machine = Machine(pes=PES, profile=task.profile, seed=5).load(build_image(built_in, constants, ()), marks=chosen.marks)
    result = machine.run()
    straight = chosen.samples(mark_array(chosen, machine.watched, result.events.of("mark")), constants)[0]
    assert (straight.start_cycles == looked_at.rounds.start_cycles).all()
    assert (straight.end_cycles == looked_at.rounds.end_cycles).all()


#: (mask, value) of the atomic memory operations, of CAS and of CASP: DDI 0487, "Loads and Stores".
LSE_WORDS = ((0x3B20_0C00, 0x3820_0000), (0x3FA0_7C00, 0x08A0_7C00), (0xBFA0_7C00, 0x0820_7C00))


def lse_instructions(task: Task) -> int:
    """How many there are in the kernel that a task runs."""
    image = build_image(kernel(benchmark(task.benchmark).kernel), task.build_constants(0), ())
    words = np.frombuffer(image.segments[0].data[:len(image.segments[0].data) // 4 * 4], "<u4")
    return int(sum(np.count_nonzero(words & mask == value) for mask, value in LSE_WORDS))


@pytest.mark.parametrize("name", ["ipi", "rendezvous", "shootdown"])
def test_a_core_of_armv8_0_gets_no_atomic_instructions_and_a_user_can_have_it_otherwise(name: str) -> None:
    (task, *_) = tasks_of(name, {}, (PES,), LIKE)
    counts = {(profile, lse): lse_instructions(replace(task, profile=profile, lse=lse))
              for profile in ("cortex-a53", "cortex-a72", "cortex-a76", "thunderx2-like") for lse in (None, False, True)}
    with_lse = counts["cortex-a76", None]
    assert with_lse > 0
    for (profile, lse), count in counts.items():
        assert count == (0 if lse is False or lse is None and profile in ("cortex-a53", "cortex-a72") else with_lse)


def test_every_built_in_core_but_those_of_armv8_0_has_feat_lse() -> None:
    assert {name for name in profile_names() if not has_lse(load_profile(name))} == {"cortex-a53", "cortex-a72"}


def test_the_kernels_of_the_benchmarks_alone_follow_the_profile() -> None:
    core = load_profile("cortex-a72")
    assert atomics_of(kernel("bench_ipi"), core) == {"LSE": 0} and atomics_of(kernel("bench_ipi"), load_profile("cortex-a76")) == {"LSE": 1}
    assert atomics_of(kernel("rendezvous"), core) == {} == atomics_of(Path("bench_ipi"), core)


def test_exclusives_take_another_time_than_atomics() -> None:
    """Same rounds, same actions, another number of cycles: the choice reaches the kernel that runs."""
    (task, *_) = tasks_of("rendezvous", {}, (PES,), LIKE)
    with_lse, without = (replace(task, profile="cortex-a72", lse=lse).sample(1).total_cycles for lse in (True, False))
    assert (replace(task, profile="cortex-a72").sample(1).total_cycles == without).all() and with_lse.sum() != without.sum()


def test_the_number_of_processes_changes_nothing() -> None:
    tasks = tasks_of("shootdown", {"how": "tlbi"}, (2, 3), LIKE)
    alone, together = ([one.to_json() for one in run_all(tasks, jobs)] for jobs in (1, 2))
    assert alone == together


def test_a_run_that_does_not_end_as_promised_has_no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Task, "budget_cycles", 3_000)
    with pytest.raises(SimulatorError, match=r"budget.*no figure") as found:
        EVERY[0].run()
    assert "quiesce run bench_ipi --pes 4" in str(found.value) and "--seed 1" in str(found.value)


def test_a_missing_round_is_an_error() -> None:
    three = np.arange(3, dtype=np.int64) * 100
    nobody = np.zeros((3, 0), np.int64)
    stacks = {EVERYONE: Stack(0, {ISSUE: 0}, 0, ())}
    sample = Sample(0, three + 10, nobody, nobody, Rounds(("exit",), three, three[:, None, None] + 10), stacks, 0.0)
    assert point("x", 2, 10**9, [sample], 3).rounds == 3
    with pytest.raises(SimulatorError, match="3 samples of 4 rounds"):
        point("x", 2, 10**9, [sample], 4)
