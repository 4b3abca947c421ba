"""Profiles with single keys changed."""
from dataclasses import replace
from pathlib import Path

import pytest

from sim.errors import UserError
from sim.sweeps.profiles import profile_of_text, profile_path, profile_text
from sim.timing.profile import load_profile, profile_names

A72 = profile_path("cortex-a72", Path())


@pytest.mark.parametrize("name", profile_names())
def test_a_change_to_the_value_that_is_there_changes_nothing(name: str) -> None:
    profile = load_profile(name)
    text = profile_text(profile_path(name, Path()), {"costs.tlbi_issue_cycles": profile.costs.tlbi_issue_cycles})
    assert profile_of_text(text, name) == profile


def test_only_the_named_keys_change() -> None:
    changed = profile_of_text(profile_text(A72, {"costs.tlbi_issue_cycles": 77, "tlb.l2.entries": 2048}), "cortex-a72")
    plain = load_profile("cortex-a72")
    assert changed == replace(plain, costs=replace(plain.costs, tlbi_issue_cycles=77),
                              tlb=replace(plain.tlb, l2=replace(plain.tlb.l2, entries=2048)))


def test_keys_that_must_agree_may_change_together_but_not_alone() -> None:
    with pytest.raises(UserError, match=r"tlb\.l1d\.ways"):
        profile_text(A72, {"tlb.l1d.entries": 16})
    assert profile_of_text(profile_text(A72, {"tlb.l1d.entries": 16, "tlb.l1d.ways": 16}), "x").tlb.l1d.entries == 16


@pytest.mark.parametrize(("key", "value", "said"), [
    ("costs.tlbi_isue_cycles", 4, "did you mean profile.costs.tlbi_issue_cycles"), ("costs", 4, "unknown key profile.costs"),
    ("costs.tlbi_issue_cycles", -1, "costs.tlbi_issue_cycles must be from 0"), ("costs.tlbi_issue_cycles", "4", "must be a whole number"),
])
def test_a_wrong_change_names_the_key_and_no_temporary_file(key: str, value: int | str, said: str) -> None:
    with pytest.raises(UserError) as caught:
        profile_text(A72, {key: value})
    assert said in str(caught.value)
    assert "profile.toml" not in str(caught.value)


def test_a_path_is_relative_to_the_directory_of_the_specification(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_bytes(A72.read_bytes())
    assert load_profile(profile_path("mine.toml", tmp_path)) == load_profile("cortex-a72")
