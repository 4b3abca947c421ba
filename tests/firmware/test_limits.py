"""What a user may set, and what is refused in one line before anything runs."""
import re

import pytest

from firmware.kernels import Kernel, kernel, kernels
from firmware.limits import OF_KERNEL, SHARED, limits_of
from sim.arch.memory_map import RAM_DEFAULT_BYTES
from sim.cli import run_command
from sim.errors import UserError
from sim.experiments.kernel_build import build_constants, build_image

ALL_BITS = (1 << 64) - 1


def constants_with(built_in: Kernel, pes: int | None = None, **defined: int) -> dict[str, int]:
    return build_constants(built_in, pes=pes or built_in.default_pes, ram_bytes=RAM_DEFAULT_BYTES, seed=0, defined=defined)


def test_every_limited_constant_is_one_that_a_kernel_has_and_its_default_is_within() -> None:
    for name, limits in OF_KERNEL.items():
        assert set(limits) <= set(kernel(name).options)
    for constant in SHARED:
        assert any(constant in known.build_constants() for known in kernels()), constant
    for known in kernels():
        for constant, value in known.build_constants().items():
            least, most, step = limits_of(known.name, constant)
            if most < ALL_BITS:
                assert least <= value <= most and value % step == 0, (known.name, constant)


@pytest.mark.parametrize("which", ["least", "most"])
@pytest.mark.parametrize("name", ["page_change", "stop_cpus", "bootstack", "start_cpu", "naive", "parking", "own-block", "measure_line"])
def test_a_kernel_is_assembled_at_the_limits_of_each_of_its_constants(name: str, which: str) -> None:
    built_in = kernel(name)
    for constant in built_in.options.keys() | {"LOAD_SYSCALLS", "LOAD_WALK_PASSES", "LOAD_THREAD_STACK_BYTES", "PES_PER_DOMAIN"}:
        limits = limits_of(name, constant)
        if limits.most < ALL_BITS and constant in built_in.build_constants():
            value = limits.least if which == "least" else limits.most
            assert "kernel_main" in build_image(built_in, constants_with(built_in, **{constant: value}), []).symbols, constant


@pytest.mark.parametrize(("name", "constant", "value"), [
    ("naive", "LOAD_TICKS_PER_SECOND", 0), ("naive", "LOAD_WALK_PASSES", 0), ("naive", "LOAD_SYSCALLS", 65536), ("naive", "FRAME_BYTES", 272),
    ("naive", "FRAME_GAP_BYTES", 200), ("naive", "LOAD_THREAD_STACK_BYTES", 100), ("start_cpu", "PES_PER_DOMAIN", 0), ("window", "CHANGE", 4),
    ("stop_cpus", "VICTIM", 3), ("own-block", "OWN_SUPERPAGES", 2), ("page_change", "TLBI_KIND", -1), ("kernel_stacks", "SEED_DELAY", 0)])
def test_a_value_with_which_a_kernel_would_not_end_is_refused_in_one_line(name: str, constant: str, value: int,
                                                                         capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["run", name, "--define", f"{constant}={value}"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert re.fullmatch(rf"quiesce: {name} takes {constant} from \d+ to \d+(, a multiple of \d+)?, not {value}\n", captured.err)


def test_the_same_word_has_the_limits_of_its_kernel() -> None:
    assert constants_with(kernel("parking"), VICTIM=3)["VICTIM"] == 3
    with pytest.raises(UserError, match="stop_cpus takes VICTIM from 0 to 2, not 3"):
        constants_with(kernel("stop_cpus"), VICTIM=3)


@pytest.mark.parametrize(("given", "hint"), [("STACK_BYTE", "did you mean STACK_BYTES?"), ("OBJEKT", "did you mean OBJECT?"),
                                             ("XYZZY", "its own are ")])
def test_a_constant_that_a_kernel_does_not_have_is_refused(given: str, hint: str) -> None:
    with pytest.raises(UserError, match=re.escape(f"window has no constant {given}; {hint}")):
        constants_with(kernel("window"), **{given: 4096})


@pytest.mark.parametrize("name", [known.name for known in kernels() if known.least_pes > 1])
def test_a_kernel_about_two_pes_is_refused_on_one(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["run", name, "--pes", "1"]) == 2
    assert capsys.readouterr().err == f"quiesce: {name} needs 2 PEs or more, not 1\n"


def test_the_kernels_about_two_pes_are_known() -> None:
    assert {known.name for known in kernels() if known.least_pes == 2} == {"boot_pcpu", "two_promotions", "table_reuse", "bench_ipi", "measure_line"}
    assert all(known.default_pes >= known.least_pes for known in kernels())
