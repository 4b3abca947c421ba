"""Kernels built otherwise than the repository builds them: other stacks, other numbers of PEs, other places of pcpu in its run."""

import numpy as np
import pytest

from firmware.kernels import Kernel, kernel, kernels
from firmware.layout import BLOCK_BYTES, FRAME_BYTES, FRAME_GAP_BYTES, PAGE_BYTES
from sim.arch.memory_map import RAM_DEFAULT_BYTES
from sim.experiments.kernel_build import build_constants, build_image
from sim.experiments.trial import Trial
from sim.machine import Machine
from sim.result import Result
from sim.state.events import BY_NAME

from .test_schemes import not_returned

PES, ROUNDS = 4, 3
RUN_PAGES = 512
VECTOR_SYNC, VECTOR_EL0 = 0x200, 0x400
EXIT_PANIC = 4
LEVEL_BYTES = FRAME_BYTES + FRAME_GAP_BYTES
#: What the first handler has on the stack below its frame when it meets its pcpu: two pairs in all that an interrupt's handlers push.
PUSHED_BYTES = {"dispatch_irq": 32, "count_tick": 32, "arm_timer": 32, "handle_el0_sync": 0, "serve_syscall": 0}
#: Each of these has stacks, or finds the domain of a PE, in a part of asm/ that the others have not.
UNLIKE_KERNELS = ("hello", "window", "robust-linux", "robust-xnu", "own-block", "own_block_16k", "start_cpu", "kernel_stacks")


def trial_of(name: str, pages_before: int = 0, stack_bytes: int = 16384, pes: int = PES) -> Trial:
    return Trial(name, pes, rounds=ROUNDS, constants={"LOAD_WALK_BLOCKS": 0, "PAGES_BEFORE_PCPU": pages_before},
                 layout={"stack_bytes": stack_bytes}, ram_bytes=64 << 20)


def invalidations(result: Result, va: int) -> int:
    """TLBIs by VA that covered an address."""
    events = result.events.array()
    issued = events[events["kind"] == BY_NAME["tlbi"].number]
    return int(np.count_nonzero(np.uint64(va) - issued["a"] < issued["b"]))


@pytest.mark.parametrize("defined", [{"STACK_BYTES": 65536}, {"STACK_BYTES": 69632}, {"STACK_BYTES": 131072}, {"STACK_GUARD_BYTES": 2 << 20},
                                     {"PES_PER_DOMAIN": 100_000}], ids=str)
@pytest.mark.parametrize("name", UNLIKE_KERNELS)
def test_sizes_beyond_what_one_instruction_can_hold_are_assembled(name: str, defined: dict[str, int]) -> None:
    built_in = kernel(name)
    constants = build_constants(built_in, pes=built_in.default_pes, ram_bytes=RAM_DEFAULT_BYTES, seed=0, defined=defined)
    assert constants[next(iter(defined))] == next(iter(defined.values()))
    assert "kernel_main" in build_image(built_in, constants, []).symbols


@pytest.mark.parametrize("built_in", [one for one in kernels() if "PAGES_BEFORE_PCPU" in one.build_constants()][::9], ids=lambda one: one.name)
def test_every_kernel_is_assembled_for_as_many_pes_as_there_can_be(built_in: Kernel) -> None:
    constants = build_constants(built_in, pes=256, ram_bytes=1 << 30, seed=(1 << 64) - 1, defined={"STACK_BYTES": 131072})
    assert "kernel_main" in build_image(built_in, constants, []).symbols


@pytest.mark.parametrize("stack_bytes", [65536, 69632, 131072, 1 << 20])
def test_linux_finds_no_overflow_where_the_stack_outlasts_the_window(stack_bytes: int) -> None:
    """One bit of SP tells it: the bit of the least power of two that holds the stack."""
    for seed in range(3):
        trial = trial_of("robust-linux", stack_bytes=stack_bytes)
        assert trial.run(seed).exit_status == 0, trial.command(seed)


@pytest.mark.parametrize("stack_bytes", [4096, 12288, 20480])
def test_linux_panics_where_the_window_outlasts_the_stack(stack_bytes: int) -> None:
    trial = trial_of("robust-linux", stack_bytes=stack_bytes)
    assert trial.run(seed=0).exit_status == EXIT_PANIC, trial.command(seed=0)


@pytest.mark.parametrize("stack_bytes", [4096, 20480])
@pytest.mark.parametrize("pages_before", [1, 255, RUN_PAGES - PES - 1, RUN_PAGES - 1, RUN_PAGES, RUN_PAGES + 100])
def test_naive_recurses_as_deep_as_the_stack_wherever_pcpu_lies_in_its_run(pages_before: int, stack_bytes: int) -> None:
    trial = trial_of("naive", pages_before, stack_bytes)
    result = trial.run(seed=1)
    pe = result.verdict.pe
    assert result.verdict.kind == "recursion" and pe, trial.command(seed=1)
    first, *faults = not_returned(result, pe)
    assert trial.machine is not None and trial.machine.image is not None
    where = (trial.machine.image.symbols.find(int(faults[0]["b"])) or "").partition("+")[0]
    used = (FRAME_BYTES if first["aux"] >= VECTOR_EL0 else LEVEL_BYTES) + PUSHED_BYTES[where]
    page_va = trial.constants["KMEM_VA"] + (pages_before + pe - 1) * PAGE_BYTES
    at_pcpu = sum(page_va <= int(fault["c"]) < page_va + PAGE_BYTES for fault in faults)
    assert at_pcpu == (stack_bytes - used) // LEVEL_BYTES + 1
    assert len(faults) > at_pcpu


@pytest.mark.parametrize("name", ["naive", "no-promote", "pte-flag", "robust-linux", "rendezvous-park"])
@pytest.mark.parametrize("pages_before", [RUN_PAGES - PES, RUN_PAGES - PES + 1])
def test_where_no_pcpu_lies_in_the_run_that_changes_no_scheme_is_put_to_the_test(name: str, pages_before: int) -> None:
    """The pcpus end a run, or leave one page of it to the load: the next run is demoted and promoted, and there no exception meets a window."""
    trial = trial_of(name, pages_before)
    result = trial.run(seed=1)
    assert (result.exit_status, result.console) == (0, f"{name}: {ROUNDS} rounds, 0 faults healed, promoted\n"), trial.command(seed=1)
    events = result.events.array()
    assert not np.count_nonzero((events["kind"] == BY_NAME["entry"].number) & (events["aux"] == VECTOR_SYNC))
    known = trial.constants
    last_va = trial.word(known["GLOBALS_VA"] + known["G_LOAD"] + known["LD_LAST_VA"])
    assert trial.machine is not None and invalidations(result, last_va) >= 2 * ROUNDS
    for pe in range(1, PES):
        pcpu_va = trial.machine.pes[pe].system("TPIDR_EL1")
        assert pcpu_va // BLOCK_BYTES != last_va // BLOCK_BYTES and invalidations(result, pcpu_va) < ROUNDS


@pytest.mark.parametrize("name", ["no-promote", "pte-flag"])
def test_a_flagged_pcpu_in_either_of_two_runs_keeps_the_second_in_pages(name: str) -> None:
    trial = trial_of(name, RUN_PAGES - 2)
    assert trial.run(seed=0).console == f"{name}: {ROUNDS} rounds, 0 faults healed, not promoted\n"


@pytest.mark.parametrize("pes", [3, 7, 17])
@pytest.mark.parametrize("name", ["fault-retry", "shadow-tables", "idmap-park"])
def test_safe_schemes_stay_safe_with_pcpus_in_the_middle_of_a_run(name: str, pes: int) -> None:
    trial = trial_of(name, 200, 8192, pes)
    assert trial.run(seed=pes).exit_status == 0, trial.command(seed=pes)


@pytest.mark.parametrize("name", ["shadow-tables", "flagged-run", "fault-retry"])
def test_serrors_that_come_from_reset_on_find_pes_that_have_no_page_yet(name: str) -> None:
    """Of many PEs the last wait long for theirs; here their first SError comes before it."""
    pes, rounds, period_cycles = 17, 1, 8_000
    constants = build_constants(kernel(name), pes=pes, ram_bytes=RAM_DEFAULT_BYTES, seed=0, rounds=rounds, defined={"LOAD_WALK_BLOCKS": 0})
    machine = Machine(pes=pes, events=("entry",)).load(build_image(kernel(name), constants, []), marks=["mark_ready"])
    for pe in range(1, pes):
        machine.inject_serrors(pe, period_cycles)
    result = machine.run()
    assert result.exit_status == 0, result.console
    events = result.events.array()
    ready_cycle = int(events["cycle"][events["kind"] == BY_NAME["mark"].number][0])
    serrors = events[(events["kind"] == BY_NAME["entry"].number) & (events["aux"] % 0x200 == 0x180)]
    assert np.count_nonzero(serrors["cycle"] < ready_cycle) > pes
