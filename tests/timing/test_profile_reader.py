"""Lines of keys, found in the text, against where they were put; every mistake of a file at once."""
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.timing.profile import PROFILES_DIRECTORY, check_profile, load_profile, profile_names
from sim.timing.profile_reader import key_lines

COPIED = (PROFILES_DIRECTORY / "cortex-a72.toml").read_text(encoding="utf-8")


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return path


def dotted(table: dict[str, object], where: str = "") -> set[str]:
    """Every key of a parsed file, tables too."""
    found = set()
    for key, value in table.items():
        found.add(where + key)
        if isinstance(value, dict):
            found |= dotted(value, where + key + ".")
    return found


@pytest.mark.parametrize("name", profile_names())
def test_every_key_of_a_built_in_profile_has_the_line_on_which_it_stands(name: str) -> None:
    text = (PROFILES_DIRECTORY / f"{name}.toml").read_text(encoding="utf-8")
    found, lines = key_lines(text), text.splitlines()
    assert set(found) | {"caches"} == dotted(tomllib.loads(text))       # [caches] has no header of its own
    for key, number in found.items():
        last = key.rpartition(".")[2]
        assert lines[number - 1].startswith((f"{last} =", f"[{key}]"))


def test_spaces_comments_and_dotted_keys_are_understood() -> None:
    text = "# a = 1\n  a=1\n[ b . c ] # d = 2\nd.e = 3\n'x' = 4\n"
    assert key_lines(text) == {"a": 2, "b.c": 3, "b.c.d.e": 4}


def test_every_mistake_is_told_in_the_order_of_the_lines(tmp_path: Path) -> None:
    text = COPIED.replace("clock_hz = ", "klock_hz = ").replace("\nload = 1 ", "\nload = 1_000_001 ").replace("far_atomics = false", "far_atomics = 0")
    path = written(tmp_path, text.replace('replacement = "random"', 'replacement = "randm"'))
    said = check_profile(path)
    lines = [int(line.removeprefix(f"{path}:").split(":")[0]) for line in said]
    assert lines == sorted(lines)
    assert [line.split(": ", 1)[1] for line in said] == [
        "unknown key klock_hz (did you mean clock_hz?)", "issue_cycles.load must be from 0 to 1000000, not 1000001",
        "tlb.replacement must be one of fifo, random, not 'randm' (did you mean random?)", "coherence.far_atomics must be true or false, not 0"]


def test_a_missing_key_has_the_line_of_its_table_and_one_of_the_top_none(tmp_path: Path) -> None:
    path = written(tmp_path, COPIED.replace("dram_ns = 120", "# dram_ns"))
    header = COPIED.splitlines().index("[memory]") + 1
    assert check_profile(path) == [f"{path}:{header}: missing key memory.dram_ns"]
    path = written(tmp_path, COPIED.replace("clock_hz = ", "# "))
    assert check_profile(path) == [f"profile {path}: missing key clock_hz"]


@pytest.mark.parametrize("name", profile_names())
def test_nothing_is_wrong_with_a_built_in_profile(name: str) -> None:
    assert check_profile(name) == []
    assert load_profile(name).name == name


@given(st.text(alphabet="ab=.[]# \n'\"0", max_size=60))
def test_lines_are_those_of_the_text_whatever_it_is(text: str) -> None:
    found, count = key_lines(text), len(text.splitlines())
    assert all(1 <= number <= count for number in found.values())
