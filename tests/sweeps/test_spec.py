"""Specifications: points in order, and one clear line for each mistake."""
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import pytest

from sim.errors import UserError
from sim.settings import Settings
from sim.sweeps.plan import Plan, Refused, plans_of
from sim.sweeps.spec import KEYS, read_spec

HEAD = 'seeds = 2\n[run]\nkernel = "rendezvous"\n'
Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def make(text: str) -> Path:
        path = tmp_path / "sweep.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return make


def test_parameters_are_multiplied_out_and_the_last_changes_fastest(write: Write) -> None:
    spec = read_spec(write(HEAD + '[parameters]\npes = [2, 4]\nprofile = ["cortex-a53", "cortex-a72"]\nfeat_bbm = "0..2"\n'))
    points = spec.points()
    assert len(points) == 2 * 2 * 3
    assert [tuple(point.parameters.values()) for point in points[:4]] == [
        (2, "cortex-a53", 0), (2, "cortex-a53", 1), (2, "cortex-a53", 2), (2, "cortex-a72", 0)]
    assert [point.number for point in points] == list(range(12))
    assert points[0].given["kernel"] == "rendezvous"


def test_without_parameters_there_is_one_point(write: Write) -> None:
    assert [dict(point.parameters) for point in read_spec(write(HEAD)).points()] == [{}]


def test_every_setting_of_a_machine_can_be_chosen_or_has_another_word() -> None:
    assert {item.name for item in fields(Settings)} - set(KEYS) == {"seed", "ram_bytes", "events"}


@pytest.mark.parametrize(("text", "said"), [
    ("[parameters]\npess = [2]", "unknown key parameters.pess (did you mean pes?)"),
    ("round = 4", "unknown key run.round (did you mean rounds?)"),
    ("[parameter]\npes = [2]", "unknown key parameter (did you mean parameters?)"),
    ("pes = true", "run.pes: must be a whole number, not True"),
    ('[parameters]\npes = ["a"]', "parameters.pes: must be a whole number, not 'a'"),
    ("[parameters]\nadversarial = [1]", "parameters.adversarial: must be true or false, not 1"),
    ("[parameters]\npes = 4", "parameters.pes: write a list"),
    ("pes = 4\n[parameters]\npes = [4]", "pes stands in [run] and in [parameters]"),
    ("seed = 4", "run.seed: is said otherwise: seeds"),
    ("[parameters]\nseeds = [1]", "parameters.seeds: belongs to the top"),
    ("define.A = 1.5", "run.define.A: must be a whole number"),
    ('include = ["nowhere"]', "run.include: "),
    ('[parameters]\npes = "1..256"\nrounds = "1..5000"', "2,560,000 runs, at most 1,000,000"),
    ("[parameters\n", "not TOML"),
    ('[parameters]\nprofile = ["cortex-a72"]\nprofile.costs.wfi_wake_cycles = [1]', "in quotes"),
])
def test_a_mistake_in_a_specification_is_one_line_with_file_and_key(write: Write, text: str, said: str) -> None:
    path = write(HEAD + text + "\n")
    with pytest.raises(UserError) as caught:
        read_spec(path)
    assert said in str(caught.value)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("text", "said"), [
    ("seeds = 0\n[run]\nkernel = 'hello'", "seeds 0"), ("measures = 4\n[run]\nkernel = 'hello'", "measures must be"),
    ("measures = ['cycle']\n[run]\nkernel = 'hello'", "did you mean cycles?"), ("", "missing key run.kernel"), ("run = 4\n", "run must be a table"),
])
def test_mistakes_at_the_top_of_a_specification_are_named(write: Write, text: str, said: str) -> None:
    with pytest.raises(UserError) as caught:
        read_spec(write(text))
    assert said in str(caught.value)


@pytest.mark.parametrize(("text", "said"), [
    ("[parameters]\npes = [2, 300]", "parameters.pes: no point with 300 can be run: number of PEs 300 is outside 1..256"),
    ('[parameters]\nmulti_hit = ["olde", "old"]', "parameters.multi_hit: no point with 'olde'"),
    ('[parameters]\n"profile.costs.wfi_wake_cycles" = [4, -1]', "costs.wfi_wake_cycles must be from 0"),
    ('[parameters]\n"profile.costs.wfi_wake_cycle" = [4]', "unknown key profile.costs.wfi_wake_cycle (did you mean profile.costs.wfi_wake_cycles?)"),
    ('[parameters]\n"profile.costs.wfi_wake_cycles" = [4, true]', "costs.wfi_wake_cycles must be a whole number"),
    ('[parameters]\nprofile = ["cortex-a72", "cortex-a7000"]', "unknown profile 'cortex-a7000'"),
    ("[parameters]\ndefine.ROUNDZ = [1]", "define.ROUNDZ: rendezvous has no such constant"),
    ('interleaving = "blok"', "unknown interleaving 'blok'"),
    ('ram = "much"', "ram 'much' is not a size"),
    ("budget = 0", "budget 0"),
    ("serror_period = -1", "serror_period -1"),
])
def test_a_value_with_which_no_point_can_be_run_is_refused_at_once(write: Write, text: str, said: str) -> None:
    path = write(HEAD + text + "\n")
    spec = read_spec(path)
    with pytest.raises(UserError) as caught:
        plans_of(spec, spec.points())
    assert said in str(caught.value)
    assert str(caught.value).startswith(f"{path}: ")


def test_a_kernel_that_does_not_exist_is_named_with_what_comes_near(write: Write) -> None:
    spec = read_spec(write('[run]\nkernel = "rendezvouz"\n'))
    with pytest.raises(UserError, match="did you mean rendezvous"):
        plans_of(spec, spec.points())


def test_only_the_combination_that_cannot_be_had_is_refused(write: Write) -> None:
    spec = read_spec(write(HEAD + '[parameters]\nfeat_bbm = [0, 1]\nmulti_hit = ["amalgamation", "old"]\n'))
    points = spec.points()
    refused = [dict(point.parameters) for point, plan in zip(points, plans_of(spec, points), strict=True) if isinstance(plan, Refused)]
    assert refused == [{"feat_bbm": 1, "multi_hit": "amalgamation"}]


def test_a_point_takes_what_the_kernel_itself_has_unless_told_otherwise(write: Write) -> None:
    spec = read_spec(write('[run]\nkernel = "stop_cpus"\n[parameters]\nrecursion_limit = [50]\n'))
    (plan,) = plans_of(spec, spec.points())
    assert isinstance(plan, Plan)
    machine = dict(plan.machine)
    assert (machine["pes"], machine["recursion_limit"], machine["livelock_limit"]) == (4, 50, 1 << 32)


def test_the_example_in_the_documentation_is_a_sweep_of_twelve_points() -> None:
    spec = read_spec(Path(__file__).resolve().parent.parent.parent / "docs" / "examples" / "sweep.toml")
    plans = plans_of(spec, spec.points())
    assert len(plans) == 12
    assert all(isinstance(plan, Plan) for plan in plans)
