"""Profiles: every built-in figure has its source, and whatever is wrong in a user's copy is named in one line."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.arch.instruction import COST_CLASSES
from sim.calibration.figures import FIGURES, FITTED, GIVEN
from sim.errors import UserError
from sim.timing.profile import PROFILES_DIRECTORY, load_profile, profile_names

COPIED = (PROFILES_DIRECTORY / "cortex-a72.toml").read_text(encoding="utf-8")
# Places where a figure may be published; a new one belongs here once somebody has looked at it.
SOURCES = ("TRM (", "chipsandcheese.com", "nviennot/core-to-core-latency", "LLVM AArch64Sched", "ocxtal/insn_bench_aarch64",
           "ThomasKaiser/sbc-bench", "Hennessy, D. Patterson", "product brief", "QEMU hw/arm/virt", "AWS Graviton2", "AWS Graviton3", "WikiChip",
           "Arm learning path", "AnandTech", "Linux arch/arm64 cputype.h", "lscpu of a Cavium ThunderX2 99xx", "ARMv9.0")
COMMENT = re.compile(r"(published|derived|estimate|fitted by (?P<row>[\w/-]+)): (?P<text>.{4,})")
BUILT_IN = ["cortex-a53", "cortex-a55", "cortex-a72", "cortex-a76", "graviton2-like", "kunpeng920-like", "neoverse-n1", "neoverse-n2",
            "neoverse-v1", "thunderx2-like"]


def refused(tmp_path: Path, text: str) -> str:
    """What is said of a profile with this text."""
    path = tmp_path / "mine.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError) as caught:
        load_profile(path)
    message = str(caught.value)
    assert str(path) in message and "\n" not in message
    return message


def changed(pattern: str, replacement: str) -> str:
    """The copied profile with one line changed."""
    text, count = re.subn(pattern, replacement, COPIED, count=1, flags=re.MULTILINE)
    assert count == 1, pattern
    return text


def test_the_built_in_profiles_are_those_that_the_documentation_names() -> None:
    assert profile_names() == BUILT_IN


def keys(table: Mapping[str, object], prefix: str = "") -> Iterator[str]:
    """The dotted keys of a table and of those in it."""
    for key, value in table.items():
        if isinstance(value, dict):
            yield from keys(value, f"{prefix}{key}.")
        else:
            yield prefix + key


def comments(name: str) -> dict[str, re.Match[str]]:
    """The comment of each figure of a profile, by its key; whatever is no comment as it should be fails."""
    found, table = {}, ""
    for line in (PROFILES_DIRECTORY / f"{name}.toml").read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            table = line[1:line.index("]")] + "."
        elif re.match(r"\w+ = ", line) and not line.startswith(("name", "description")):
            match = COMMENT.fullmatch(line.partition(" # ")[2])
            assert match is not None, line
            found[table + line.split(" = ")[0]] = match
    return found


@pytest.mark.parametrize("name", profile_names())
def test_every_figure_of_a_built_in_profile_says_whether_it_is_published_derived_fitted_or_an_estimate_and_where_from(name: str) -> None:
    found = comments(name)
    assert set(found) == set(keys(tomllib.loads((PROFILES_DIRECTORY / f"{name}.toml").read_text(encoding="utf-8")))) - {"name", "description"}
    for key, match in found.items():
        if match[1] == "published":
            assert any(source in match["text"] for source in SOURCES), key


@pytest.mark.parametrize("name", profile_names())
def test_what_a_comment_says_was_fitted_was_fitted_by_that_row_and_what_was_given_is_published(name: str) -> None:
    figures = [figure for figure in FIGURES if figure.profile == name]
    found = comments(name)
    assert {(figure.parameter, figure.key) for figure in figures if figure.how == FITTED} == {
        (key, match["row"]) for key, match in found.items() if match["row"]}
    assert {found[figure.parameter][1] for figure in figures if figure.how == GIVEN} <= {"published"}


@pytest.mark.parametrize("name", profile_names())
def test_what_a_comment_says_was_derived_from_other_figures_follows_from_them(name: str) -> None:
    profile, found = load_profile(name), comments(name)
    coherence, interconnect = profile.coherence, profile.interconnect
    assert found["interconnect.dvm_other_socket_ns"][1] == "derived"
    assert interconnect.dvm_other_socket_ns - interconnect.dvm_same_socket_ns == coherence.line_other_socket_ns - coherence.line_same_socket_ns
    if "memory.l2_latency_cycles" in found["costs.walk_step_cycles"]["text"]:
        assert profile.costs.walk_step_cycles == profile.memory.l2_latency_cycles
    elif name not in ("cortex-a53", "cortex-a72"):
        raise AssertionError(found["costs.walk_step_cycles"][0])
    assert profile.latency_cycles["load"] == profile.memory.l1d_latency_cycles


def test_geometries_are_those_of_the_reference_manuals() -> None:
    a53, a72, n1 = (load_profile(name).tlb for name in ("cortex-a53", "cortex-a72", "neoverse-n1"))
    assert (a53.l1i.entries, a53.l1d.entries, a53.l2.sets, a53.l2.ways, a53.walk_cache.sets, a53.walk_cache.ways) == (10, 10, 128, 4, 16, 4)
    assert (a72.l1i.entries, a72.l1d.entries, a72.l2.sets, a72.l2.ways) == (48, 32, 256, 4)
    assert (n1.l1i.entries, n1.l1d.entries, n1.l2.sets, n1.l2.ways) == (48, 48, 256, 5)


@pytest.mark.parametrize(("name", "round_trip_cycles"), [("cortex-a53", 230), ("neoverse-n1", 142)])
def test_exception_entry_and_return_leave_room_for_the_software_of_the_published_round_trip(name: str, round_trip_cycles: int) -> None:
    costs = load_profile(name).costs
    hardware_cycles = costs.exception_entry_cycles + costs.exception_return_cycles
    assert round_trip_cycles / 5 < hardware_cycles < round_trip_cycles / 2          # saving 31 registers and dispatch take the rest


@pytest.mark.parametrize("name", profile_names())
def test_every_class_of_instruction_has_a_cost_and_the_counter_is_that_of_virt(name: str) -> None:
    profile = load_profile(name)
    assert set(profile.issue_cycles) == set(COST_CLASSES)
    assert profile.cntfrq_hz == 62_500_000
    assert profile.name == name


def test_nanoseconds_and_cycles_convert_by_the_clock() -> None:
    n1 = load_profile("neoverse-n1")
    assert n1.cycles_of_ns(47) == 118               # 47 ns at 2.5 GHz = 117.5
    assert n1.ns_of_cycles(250) == pytest.approx(100.0)


def test_a_copy_of_a_profile_loads_from_its_path_as_the_original_does(tmp_path: Path) -> None:
    path = tmp_path / "copy.toml"
    path.write_text(COPIED, encoding="utf-8")
    assert load_profile(path) == load_profile(str(path)) == load_profile("cortex-a72")


def test_an_unknown_name_lists_the_profiles_there_are() -> None:
    with pytest.raises(UserError, match=f"unknown profile 'cortex-a99': built in are {', '.join(BUILT_IN)}"):
        load_profile("cortex-a99")


def test_a_missing_file_and_a_file_that_is_no_toml_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nowhere\.toml: No such file"):
        load_profile(tmp_path / "nowhere.toml")
    assert "not TOML" in refused(tmp_path, "clock_hz = = 3")
    with pytest.raises(UserError, match="directory"):
        load_profile(str(tmp_path) + "/")


WRONG = [
    (r"^branch = ", "brunch = ", "unknown key issue_cycles.brunch (did you mean branch?)"),
    (r"^branch = .*$", "", "missing key issue_cycles.branch"),
    (r"^clock_hz = .*$", "", "missing key clock_hz"),
    (r"^\[costs\]$", "[kosts]", "unknown key kosts (did you mean costs?)"),
    (r"^wfi_wake_cycles = \d+", "wfi_wake_cycles = -1", "costs.wfi_wake_cycles must be from 0 to 1000000, not -1"),
    (r"^wfi_wake_cycles = \d+", "wfi_wake_cycles = 2.5", "costs.wfi_wake_cycles must be a whole number, not 2.5"),
    (r"^wfi_wake_cycles = \d+", "wfi_wake_cycles = true", "costs.wfi_wake_cycles must be a whole number, not True"),
    (r"^exception_entry_cycles = \d+", "exception_entry_cycles = 0", "costs.exception_entry_cycles must be from 1 to"),
    (r"^alu = \d+", 'alu = "1"', "issue_cycles.alu must be a whole number, not '1'"),
    (r'^replacement = "random"', 'replacement = "lru"', "tlb.replacement must be one of fifo, random, not 'lru'"),
    (r"^pa_bits = \d+", "pa_bits = 36", "identity.pa_bits must be one of 40, 42, 44, 48, not 36"),
    (r"^bbm_level = 0", "bbm_level = 4", "identity.bbm_level must be from 0 to 3, not 4"),
    (r"^fp16 = false", "fp16 = 0", "identity.fp16 must be true or false, not 0"),
    (r"^midr = \w+", "midr = 0x1_0000_0000", "identity.midr must be from 0 to"),
    (r"^entries = 1024", "entries = 1020", "tlb.l2.entries must be tlb.l2.ways times a power of two, not 1020"),
    (r"^ways = 32", "ways = 16", "tlb.l1d.ways must equal tlb.l1d.entries"),
    (r"^max_entry_bytes = 1_048_576", "max_entry_bytes = 1_000_000", "tlb.l1i.max_entry_bytes must be a power of two"),
    (r"^size_bytes = 49_152", "size_bytes = 49_153", "caches.l1i.size_bytes must be its ways times 64 times a power of two"),
]


@pytest.mark.parametrize(("pattern", "replacement", "said"), WRONG, ids=[case[2][:40] for case in WRONG])
def test_a_wrong_key_or_value_is_named_with_the_file(tmp_path: Path, pattern: str, replacement: str, said: str) -> None:
    assert said in refused(tmp_path, changed(pattern, replacement))


def test_a_table_given_as_a_number_is_named(tmp_path: Path) -> None:
    start, end = COPIED.index("[tlb.walk_cache]"), COPIED.index("[costs]")
    text = (COPIED[:start] + COPIED[end:]).replace("[tlb]\n", "[tlb]\nwalk_cache = 3\n")
    assert "tlb.walk_cache must be a table" in refused(tmp_path, text)


@given(st.sampled_from([line for line in COPIED.splitlines() if re.match(r"\w+ = ", line)]))
def test_a_profile_without_any_one_of_its_lines_is_refused(tmp_path_factory: pytest.TempPathFactory, line: str) -> None:
    text = COPIED.replace(line + "\n", "", 1)
    assert "missing key" in refused(tmp_path_factory.mktemp("profile"), text)
