"""What a benchmark is asked to run, from the words of the command line."""
from dataclasses import replace

import pytest

from firmware.benchmarks import BARRIERS, IPI_SCENARIOS, SHOOTDOWN_HOW
from sim.benchmarks.run import Task
from sim.benchmarks.variants import tasks_of
from sim.errors import UserError

LIKE = Task("ipi", "", "", 2, rounds=7, warmup=3, seeds=(4, 5))


def test_ipi_runs_each_scenario_of_linux_by_itself_on_each_number_of_pes() -> None:
    tasks = tasks_of("ipi", {"idle": None}, (2, 8), LIKE)
    assert [(task.pes, task.scenario) for task in tasks] == [(pes, name) for pes in (2, 8) for name in IPI_SCENARIOS]
    assert [task.constants["SCENARIOS"] for task in tasks[:5]] == [1, 2, 4, 8, 16]
    assert all((task.rounds, task.warmup, task.seeds) == (7, 3, (4, 5)) for task in tasks)


def test_rendezvous_runs_the_barriers_that_are_asked_for_and_counters_by_default() -> None:
    assert [task.scenario for task in tasks_of("rendezvous", {}, (4,), LIKE)] == ["counters"]
    tasks = tasks_of("rendezvous", {"barrier": "tree, wfe", "idle": "busy"}, (4,), LIKE)
    assert [(task.scenario, task.constants["BARRIER"], task.constants["IDLE"]) for task in tasks] == [
        (name, BARRIERS[name], 0) for name in ("tree", "wfe")]


def test_each_barrier_begins_its_rounds_at_a_mark_of_its_own_kind() -> None:
    counters, tree, wfe = tasks_of("rendezvous", {"barrier": "counters,tree,wfe"}, (4,), LIKE)
    assert (counters.start_mark, tree.start_mark, wfe.start_mark) == ("mark_round_start", "mark_tree_start", "mark_round_start")


def test_shootdown_sets_tlbi_beside_ipi_for_each_number_of_issuers() -> None:
    tasks = tasks_of("shootdown", {"how": None, "issuers": "1,4"}, (4,), LIKE)
    assert [(task.scenario, task.family, task.issuers, task.constants["HOW"]) for task in tasks] == [
        (f"{how}, {text}", how, issuers, number) for issuers, text in ((1, "1 issuer"), (4, "4 issuers")) for how, number in SHOOTDOWN_HOW.items()]
    assert [task.scenario for task in tasks_of("shootdown", {"how": "ipi", "issuers": "2"}, (4,), LIKE)] == ["ipi"]


@pytest.mark.parametrize(("benchmark", "given", "said"), [
    ("rendezvous", {"barrier": "wall"}, "--barrier 'wall': choose counters, tree, wfe"),
    ("shootdown", {"issuers": "many"}, "--issuers 'many': it must be a whole number"),
    ("shootdown", {"issuers": "5"}, "issuers is 5, but must be 1 to 4"),
    ("shootdown", {"issuers": "0"}, "issuers is 0"),
    ("ipi", {"target": "4"}, "target is 4, but must be 1 to 3"),
    ("ipi", {"idle": ""}, "--idle ''"),
])
def test_a_value_that_an_option_does_not_have_is_a_mistake(benchmark: str, given: dict[str, str], said: str) -> None:
    with pytest.raises(UserError) as found:
        tasks_of(benchmark, given, (4,), LIKE)
    assert said in str(found.value)


def test_the_budget_grows_with_the_rounds_and_the_pes() -> None:
    assert replace(LIKE, rounds=100).budget_cycles < replace(LIKE, rounds=1000).budget_cycles < replace(LIKE, rounds=1000, pes=64).budget_cycles
