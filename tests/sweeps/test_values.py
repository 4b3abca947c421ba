"""Lists, ranges and seeds of a specification."""
import pytest

from sim.errors import UserError
from sim.sweeps.values import expand, expand_seeds, flatten


@pytest.mark.parametrize(("given", "expected"), [
    ([4, 2, 8], (4, 2, 8)),
    (["block", "quantum"], ("block", "quantum")),
    ("2..6", (2, 3, 4, 5, 6)),
    ("2..256 x2", (2, 4, 8, 16, 32, 64, 128, 256)),
    ("1..100 x10", (1, 10, 100)),
    ("3..20 x2", (3, 6, 12)),
    ("0..100 step 25", (0, 25, 50, 75, 100)),
    ("-2..1", (-2, -1, 0, 1)),
    ({"from": 0, "to": 9, "step": 3}, (0, 3, 6, 9)),
    ({"from": 1, "to": 8, "times": 2}, (1, 2, 4, 8)),
    ([1, "4..6", 16], (1, 4, 5, 6, 16)),
    ([True, False], (True, False)),
])
def test_values_are_what_is_written(given: object, expected: tuple[object, ...]) -> None:
    assert expand(given, "parameters.x") == expected


@pytest.mark.parametrize(("given", "said"), [
    (4, "belongs into"), ("many", "belongs into"), ([], "no value"), ([4, 4], "twice"), ([4, "2..5"], "twice"), ("9..2", "nothing"),
    ("0..8 x2", "begin at 1"), ("1..8 x1", "grow"), ("0..5 step 0", "nothing"), ({"from": 1, "to": 5, "step": 1, "times": 2}, "contradict"),
    ({"from": 1, "to": 2.5}, "whole number"), ("0..1000000000000", "at most"), ([[1]], "neither"),
])
def test_what_is_no_row_of_values_names_the_key(given: object, said: str) -> None:
    with pytest.raises(UserError, match=said) as caught:
        expand(given, "parameters.pes")
    assert str(caught.value).startswith("parameters.pes")


def test_a_number_of_seeds_counts_from_0() -> None:
    assert list(expand_seeds(3, "seeds")) == [0, 1, 2]
    assert list(expand_seeds("10..12", "seeds")) == [10, 11, 12]
    assert list(expand_seeds([7, 1], "seeds")) == [7, 1]


@pytest.mark.parametrize("given", [0, -1, True, 1.5, [-1], ["a"], [1 << 63]])
def test_what_are_no_seeds_is_refused(given: object) -> None:
    with pytest.raises(UserError, match="seeds"):
        expand_seeds(given, "seeds")


def test_tables_in_tables_become_keys_with_dots_but_ranges_stay() -> None:
    table = {"pes": {"from": 1, "to": 2}, "define": {"A": 1, "B": {"from": 1, "to": 4, "times": 2}}, "profile.costs.x": [1]}
    assert dict(flatten(table)) == {"pes": {"from": 1, "to": 2}, "define.A": 1, "define.B": {"from": 1, "to": 4, "times": 2}, "profile.costs.x": [1]}
