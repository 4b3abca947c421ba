"""Other kernels' entry code: what it makes of a stack or pcpu that is gone, here and under QEMU, and the schemes that are built on it."""
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from firmware.kernels import ASM_DIRECTORY, kernel
from firmware.layout import layout_constants, render_layout_inc
from firmware.schemes import SCHEMES
from firmware.window import (
    ENTRY_FREEBSD,
    ENTRY_LINUX,
    ENTRY_REGISTER,
    ENTRY_SEL4,
    ENTRY_XNU,
    EXIT_NO_ANSWER,
    OBJECT_PCPU,
    OBJECT_STACK,
    OBJECT_THREAD,
)
from sim.arch.memory_map import IMAGE_OFFSET_BYTES, RAM_PA
from sim.errors import UserError
from sim.experiments.trial import Trial
from sim.experiments.window_runs import UNLIMITED, WindowTrial
from sim.loader.load import load_image
from sim.result import Result
from sim.state.events import BY_NAME

QEMU, GNU = "qemu-system-aarch64", "aarch64-linux-gnu-"
EXIT_PANIC, SLOT_SYNC = 4, 0x200
SEEDS = range(6)
OVERFLOW, INVALID, HALTED, ON_EXCEPTION_STACK = (
    "panic: insufficient stack space to handle an exception\n", "panic: invalid kernel stack\n",
    "panic: a synchronous exception of the kernel, which has none\n", "panic: a synchronous exception while the exception stack is in use\n")
LOST = "window: a PE does not answer\n"

#: PE 0 asks for an answer while the object of the others is not mapped, and does not map it before they have given one.
WHAT_BECOMES_OF_IT = [
    (ENTRY_FREEBSD, OBJECT_STACK, EXIT_NO_ANSWER, LOST),
    (ENTRY_FREEBSD, OBJECT_PCPU, EXIT_NO_ANSWER, LOST),
    (ENTRY_FREEBSD, OBJECT_THREAD, EXIT_NO_ANSWER, LOST),       # retried for ever: the answer would come after the access
    (ENTRY_LINUX, OBJECT_STACK, EXIT_PANIC, OVERFLOW),
    (ENTRY_XNU, OBJECT_STACK, EXIT_PANIC, INVALID),
    (ENTRY_XNU, OBJECT_PCPU, EXIT_NO_ANSWER, LOST),
    (ENTRY_SEL4, OBJECT_STACK, EXIT_PANIC, HALTED),
    (ENTRY_SEL4, OBJECT_PCPU, EXIT_PANIC, HALTED),
    (ENTRY_REGISTER, OBJECT_STACK, EXIT_NO_ANSWER, LOST),
    (ENTRY_REGISTER, OBJECT_PCPU, EXIT_NO_ANSWER, LOST),
]
ENTRIES = (ENTRY_FREEBSD, ENTRY_LINUX, ENTRY_XNU, ENTRY_SEL4, ENTRY_REGISTER)


def options_of(entry: int, kind: int) -> dict[str, int]:
    return {"ENTRY": entry, "OBJECT": kind, "ASKS_IN_WINDOW": 1, "ANSWER_TURNS": 20_000}


@pytest.mark.parametrize(("entry", "kind", "status", "console"), WHAT_BECOMES_OF_IT)
def test_what_entry_code_makes_of_an_object_that_stays_away(entry: int, kind: int, status: int, console: str) -> None:
    result = WindowTrial(2, options_of(entry, kind)).run(0)
    assert (result.exit_status, result.console) == (status, console)


@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize("pes", [2, 5])
def test_every_entry_serves_interrupts_as_long_as_nothing_is_missing(entry: int, pes: int) -> None:
    trial = WindowTrial(pes, {"ENTRY": entry, "ACTIVITY": 1}, rounds=3)
    result = trial.run(1)
    assert result.exit_status == 0
    counts = re.fullmatch(r"window: rounds 3, ticks (\d+), calls (\d+), not translated 0, not found 0, healed 0, wrong 0\n", result.console)
    assert counts and int(counts[1]) > 3 * (pes - 1) and int(counts[2]) > 3 * (pes - 1)


@pytest.mark.parametrize("entry", [ENTRY_FREEBSD, ENTRY_LINUX, ENTRY_SEL4, ENTRY_REGISTER])
def test_every_entry_but_xnus_serves_threads(entry: int) -> None:
    result = WindowTrial(3, {"ENTRY": entry, "ACTIVITY": 2}, rounds=3).run(1)
    assert result.exit_status == 0 and "wrong 0" in result.console


def test_xnus_entry_with_threads_is_refused() -> None:
    with pytest.raises(UserError, match="no threads at EL0"):
        WindowTrial(2, {"ENTRY": ENTRY_XNU, "ACTIVITY": 2}).run(0)


def test_a_pcpu_in_the_window_is_retried_at_depth_one_where_curthread_is_in_a_register() -> None:
    result = WindowTrial(2, {"ENTRY": ENTRY_REGISTER, "ACTIVITY": 1, "OBJECT": OBJECT_PCPU}, rounds=3).run(2)
    assert result.exit_status == 0
    assert depth_of_aborts(result, 1) == 1


def depth_of_aborts(result: Result, pe: int) -> int:
    """The most synchronous exceptions at EL1 that a PE had under way at a time."""
    events = result.events.array()
    deepest, slots = 0, []
    for event in events[events["pe"] == pe]:
        if event["kind"] == BY_NAME["entry"].number:
            slots.append(int(event["aux"]))
            deepest = max(deepest, slots.count(SLOT_SYNC))
        elif event["kind"] == BY_NAME["return"].number and slots:
            slots.pop()
    return deepest


SchemeTrial = Callable[..., Trial]


@pytest.fixture(scope="module")
def scheme_trial() -> Iterator[SchemeTrial]:
    """A scheme's kernel on some PEs, booted once for all seeds."""
    trials: dict[tuple[str, int, int], Trial] = {}

    def trial_of(name: str, pes: int, overflow_below_stack: int = 1) -> Trial:
        key = (name, pes, overflow_below_stack)
        if key not in trials:
            more = {"OVERFLOW_BELOW_STACK": overflow_below_stack} if name == "robust-linux" else {}
            trials[key] = Trial(name, pes, constants={"LOAD_WALK_BLOCKS": 0, **more}, rounds=20, recursion_limit=UNLIMITED,
                                livelock_limit=UNLIMITED)
        return trials[key]

    yield trial_of
    trials.clear()


@pytest.mark.parametrize(("name", "console"), [("robust-linux", OVERFLOW), ("robust-xnu", ON_EXCEPTION_STACK), ("robust-sel4", HALTED)])
@pytest.mark.parametrize("pes", [2, 8])
@pytest.mark.parametrize("seed", SEEDS)
def test_the_robust_schemes_end_in_one_panic_that_says_why(name: str, console: str, pes: int, seed: int, scheme_trial: SchemeTrial) -> None:
    result = scheme_trial(name, pes).run(seed)
    assert (result.exit_status, result.console) == (EXIT_PANIC, console)
    assert result.verdict.pe != 0


@pytest.mark.parametrize("pes", [2, 4, 8])
@pytest.mark.parametrize("seed", SEEDS)
def test_curthread_in_a_register_heals_every_fault_at_depth_one(pes: int, seed: int, scheme_trial: SchemeTrial) -> None:
    result = scheme_trial("curthread-register", pes).run(seed)
    assert result.exit_status == 0
    assert {depth_of_aborts(result, pe) for pe in range(1, pes)} == {1} and depth_of_aborts(result, 0) == 0
    assert int(re.findall(r"(\d+) faults healed, promoted", result.console)[0]) > 0


def test_linuxs_overflow_stack_is_no_help_where_it_goes_with_pcpu(scheme_trial: SchemeTrial) -> None:
    """Its memory is per-CPU memory: the panic does not come in the window, and not in every run soon after it."""
    late = [scheme_trial("robust-linux", 2, overflow_below_stack=0).run(seed).cycles for seed in SEEDS]
    soon = [scheme_trial("robust-linux", 2).run(seed).cycles for seed in SEEDS]
    assert max(late) > 2 * max(soon)


def test_the_robust_schemes_are_of_one_family_and_protect_nothing() -> None:
    robust = [scheme for scheme in SCHEMES if scheme.number == "SC-18"]
    assert [scheme.name for scheme in robust] == ["robust-linux", "robust-xnu", "robust-sel4"]
    assert not any(scheme.is_safe or scheme.protects for scheme in robust)


def missing_tools() -> str:
    return next((tool for tool in (QEMU, GNU + "as", GNU + "ld", GNU + "objcopy") if not shutil.which(tool)), "")


@pytest.mark.gnu
@pytest.mark.qemu
@pytest.mark.skipif(bool(missing_tools()), reason=f"{missing_tools()} is not installed")
@pytest.mark.parametrize(("entry", "kind", "status", "console"), WHAT_BECOMES_OF_IT)
def test_qemu_comes_to_the_same_end(entry: int, kind: int, status: int, console: str, tmp_path: Path) -> None:
    """PE 0 counts its looks for an answer. In one host thread the PE that answers has its turn however busy the host is; one that never will
    would have all of each turn, so such an end is awaited in two."""
    built_in = kernel("window")
    constants = layout_constants(2, 1, 0) | dict(built_in.options) | options_of(entry, kind) | {"ANSWER_TURNS": 2_000_000}
    (tmp_path / "layout.inc").write_text(render_layout_inc(constants))
    for command in ([f"{GNU}as", "-march=armv8.2-a", "-I", str(ASM_DIRECTORY), "-o", "kernel.o", "layout.inc", str(built_in.path)],
                    [f"{GNU}ld", "-Ttext=0x40080000", "-e", "0x40080000", "-o", "kernel.elf", "kernel.o"],
                    [f"{GNU}objcopy", "-O", "binary", "kernel.elf", "kernel.bin"]):
        subprocess.run(command, check=True, cwd=tmp_path, timeout=30)
    done = subprocess.run([QEMU, "-M", "virt,gic-version=3", "-cpu", "max", "-smp", "2", "-m", "256", "-display", "none", "-semihosting",
                           "-accel", "tcg,thread=multi" if "does not answer" in console else "tcg,thread=single",
                           "-kernel", str(tmp_path / "kernel.bin"), "-monitor", "none", "-serial", "stdio"], check=False,
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout.replace("\r", "")) == (status, console)


@pytest.mark.parametrize("stack_bytes", [4096, 8192, 32768])
def test_the_kernels_are_built_for_other_stacks(stack_bytes: int) -> None:
    for name in ("window", "robust-linux", "robust-xnu"):
        built_in = kernel(name)
        image = load_image(built_in.path, origin_pa=RAM_PA + IMAGE_OFFSET_BYTES, include_dirs=built_in.include_directories,
                           constants=layout_constants(4, 2, stack_bytes=stack_bytes) | dict(built_in.options))
        assert image.symbols.get("mark_ready")
