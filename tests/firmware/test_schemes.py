"""The schemes under load: verdict, depth of recursion, windows and faults, from the event log and from sizes alone."""
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from firmware.kernels import kernel, kernels
from firmware.layout import BLOCK_BYTES, FRAME_BYTES, FRAME_GAP_BYTES, PAGE_BYTES, layout_constants
from firmware.schemes import SCHEMES, Scheme
from sim.arch.memory_map import IMAGE_OFFSET_BYTES, RAM_PA
from sim.experiments.trial import Trial
from sim.loader.image import Image
from sim.loader.load import load_image
from sim.machine import Machine
from sim.result import Result
from sim.state.events import BY_NAME

ROUNDS = 4
PES = (2, 4, 8)
SEEDS = range(10)
KMEM_VA = layout_constants(2)["KMEM_VA"]
VECTOR_SYNC, VECTOR_EL0 = 0x200, 0x400
EXIT_UNEXPECTED, EXIT_PANIC = 3, 4
FRAME_EL1_BYTES = FRAME_BYTES + FRAME_GAP_BYTES
#: What lies below the frame of an exception when the function loads from pcpu: two pairs that dispatch_irq pushes, and its callees with it.
PUSHED_BYTES = {"dispatch_irq": 32, "count_tick": 32, "arm_timer": 32, "handle_el0_sync": 0, "serve_syscall": 0}
NEVER_PROMOTE = ("abstention",)                 # whoever's memory it is
Events = npt.NDArray[Any]


@cache
def image_of(name: str, pes: int, stack_bytes: int) -> Image:
    built_in = kernel(name)
    constants = layout_constants(pes, ROUNDS, stack_bytes=stack_bytes) | dict(built_in.options) | {"LOAD_WALK_BLOCKS": 0}
    return load_image(built_in.path, origin_pa=RAM_PA + IMAGE_OFFSET_BYTES, constants=constants, include_dirs=built_in.include_directories)


def loaded(name: str, pes: int, seed: int = 0, stack_bytes: int = 16384) -> Machine:
    settings = {"seed": seed, "events": ("entry", "return", "tlbi"), **kernel(name).machine}
    return Machine(pes=pes, **settings).load(image_of(name, pes, stack_bytes))


def run(name: str, pes: int, seed: int = 0, stack_bytes: int = 16384) -> Result:
    return loaded(name, pes, seed, stack_bytes).run()


def counted(machine: Machine, name: str) -> int:
    """A word of G_LOAD."""
    constants = layout_constants(machine.settings.pes)
    place = constants["GLOBALS_PA"] + constants["G_LOAD"] + constants[name]
    return int.from_bytes(machine.read_physical(place, 8), "little")


def of_kind(result: Result, name: str) -> Events:
    events = result.events.array()
    found: Events = events[events["kind"] == BY_NAME[name].number]
    return found


def invalidations_of(result: Result, va: int) -> int:
    """How many TLBIs by VA, of any PE, covered an address."""
    issued = of_kind(result, "tlbi")
    size_bytes = issued["b"]
    return int(np.count_nonzero((issued["a"] <= np.uint64(va)) & (np.uint64(va) < issued["a"] + size_bytes)))


def depths_of_synchronous_exceptions(result: Result, pe: int) -> list[int]:
    """For each synchronous exception of a PE at EL1, how many of its kind are then being handled, itself among them."""
    events = result.events.array()
    depths, slots = [], []
    for event in events[events["pe"] == pe]:
        if event["kind"] == BY_NAME["entry"].number:
            slots.append(int(event["aux"]))
            if slots[-1] == VECTOR_SYNC:
                depths.append(slots.count(VECTOR_SYNC))
        elif event["kind"] == BY_NAME["return"].number and slots:         # with none, the PE goes to its thread for the first time
            slots.pop()
    return depths


@pytest.mark.parametrize("pes", PES)
@pytest.mark.parametrize("seed", SEEDS)
def test_naive_recurses_as_deep_as_the_stack_has_frames(seed: int, pes: int) -> None:
    """What the first handler has on the stack is known from where it met the window; the rest is divided by the size of a frame."""
    result = run("naive", pes, seed)
    assert (result.verdict.kind, result.verdict.pe != 0) == ("recursion", True)
    assert_depth_is_that_of_the_stack(result, "naive", pes, 16384)


@pytest.mark.parametrize("stack_bytes", [4096, 8192, 12288])
def test_naive_recurses_through_stacks_of_other_sizes(stack_bytes: int) -> None:
    result = run("naive", 4, stack_bytes=stack_bytes)
    assert result.verdict.kind == "recursion"
    assert_depth_is_that_of_the_stack(result, "naive", 4, stack_bytes)


def test_naive_survives_where_the_stack_outlasts_the_window() -> None:
    """Deeper than 16 KB would have allowed, and every level is unwound: a window of 512 TLBIs takes more than 56 KB."""
    result = run("naive", 4, stack_bytes=61440)
    assert result.exit_status == 0
    deepest = max(depth for pe in range(1, 4) for depth in depths_of_synchronous_exceptions(result, pe))
    assert 16384 // FRAME_EL1_BYTES < deepest <= 61440 // FRAME_EL1_BYTES


def assert_depth_is_that_of_the_stack(result: Result, name: str, pes: int, stack_bytes: int) -> None:
    """Each entry that finds room for its frame loads curthread, and faults on it; the one without room faults on the guard below the stack."""
    assert result.verdict.pe is not None
    first, *faults = not_returned(result, result.verdict.pe)
    symbol = (image_of(name, pes, stack_bytes).symbols.find(int(faults[0]["b"])) or "").partition("+")[0]
    used = (FRAME_BYTES if first["aux"] >= VECTOR_EL0 else FRAME_EL1_BYTES) + PUSHED_BYTES[symbol]
    page_va = KMEM_VA + (result.verdict.pe - 1) * PAGE_BYTES
    at_pcpu = sum(page_va <= int(fault["c"]) < page_va + PAGE_BYTES for fault in faults)
    assert at_pcpu == (stack_bytes - used) // FRAME_EL1_BYTES + 1
    assert len(faults) > at_pcpu                # and then the guard, for ever


def not_returned(result: Result, pe: int) -> list[Any]:
    """The entries of a PE that it has not returned from, oldest first."""
    events = result.events.array()
    stack: list[Any] = []
    for event in events[events["pe"] == pe]:
        if event["kind"] == BY_NAME["entry"].number:
            stack.append(event)
        elif event["kind"] == BY_NAME["return"].number and stack:
            stack.pop()
    return stack


@pytest.mark.parametrize("pes", PES)
@pytest.mark.parametrize("seed", SEEDS)
def test_no_promote_opens_no_window_over_any_pcpu(seed: int, pes: int) -> None:
    result = run("no-promote", pes, seed)
    assert (result.exit_status, result.console) == (0, f"no-promote: {ROUNDS} rounds, 0 faults healed, not promoted\n")
    assert [invalidations_of(result, KMEM_VA + number * PAGE_BYTES) for number in range(pes - 1)] == [0] * (pes - 1)
    assert invalidations_of(result, KMEM_VA + BLOCK_BYTES - PAGE_BYTES) >= ROUNDS      # the page that comes and goes does have them
    assert np.count_nonzero(of_kind(result, "entry")["aux"] == VECTOR_SYNC) == 0


@pytest.mark.parametrize("pes", PES)
@pytest.mark.parametrize("seed", SEEDS)
def test_fault_retry_heals_every_fault_at_depth_one(seed: int, pes: int) -> None:
    result = run("fault-retry", pes, seed)
    assert result.exit_status == 0
    depths = [depth for pe in range(1, pes) for depth in depths_of_synchronous_exceptions(result, pe)]
    assert set(depths) == {1} and len(depths) >= ROUNDS
    assert result.console == f"fault-retry: {ROUNDS} rounds, {len(depths)} faults healed, promoted\n"
    assert depths_of_synchronous_exceptions(result, 0) == []
    assert invalidations_of(result, KMEM_VA) >= ROUNDS + 1     # each promotion's window, over the first PE's page


@pytest.mark.parametrize("name", [scheme.name for scheme in SCHEMES])
def test_without_another_pe_nothing_is_in_the_way_of_any_scheme(name: str) -> None:
    result = run(name, 1)
    promoted = "not promoted" if name in NEVER_PROMOTE else "promoted"
    assert (result.exit_status, result.console.splitlines()[-1]) == (0, f"{name}: {ROUNDS} rounds, 0 faults healed, {promoted}")


@pytest.mark.parametrize("scheme", SCHEMES, ids=lambda scheme: scheme.name)
def test_every_scheme_ends_as_it_says_under_other_seeds_and_numbers_of_pes(scheme: Scheme) -> None:
    for pes in (2, 5):
        trial = Trial(scheme.name, pes, rounds=ROUNDS, constants={"LOAD_WALK_BLOCKS": 0}, ram_bytes=64 << 20)
        for seed in range(5):
            result = trial.run(seed)
            if scheme.varies and result.exit_status == EXIT_UNEXPECTED:
                continue
            kind = "panic" if result.exit_status == EXIT_PANIC else result.verdict.kind
            assert (kind, result.exit_status or 0) == (scheme.verdict, EXIT_PANIC if kind == "panic" else 0), trial.command(seed)


def test_bbm2_is_lost_in_the_seeds_in_which_a_pe_meets_both_sizes_and_in_no_other() -> None:
    trial = Trial("bbm2", 4, rounds=20, constants={"LOAD_WALK_BLOCKS": 0}, events=("conflict",))
    ends = set()
    for seed in range(20):
        result = trial.run(seed)
        ends.add(result.exit_status)
        assert (len(of_kind(result, "conflict")) > 0) == (result.exit_status == EXIT_UNEXPECTED), trial.command(seed)
    assert ends == {0, EXIT_UNEXPECTED}


@pytest.mark.parametrize("name", ["no-promote", "fault-retry"])
def test_threads_call_the_kernel_and_lose_no_register(name: str) -> None:
    machine = loaded(name, 4)
    entries = of_kind(machine.run(), "entry")
    calls = int(np.count_nonzero((entries["aux"] == VECTOR_EL0) & (entries["a"] & np.uint64(0xFFFF) == 0)))
    since = 3 * 3                           # each of three PEs may be in a call, and makes another or two while PE 0 reports what it has counted
    assert counted(machine, "LD_SYSCALLS") in range(calls - since, calls + 1) and calls > 4 * 3 * ROUNDS
    assert counted(machine, "LD_LOST") == 0
    assert counted(machine, "LD_TICKS") > 2 * 3 * ROUNDS


def test_a_register_that_a_thread_loses_is_noticed() -> None:
    machine = loaded("fault-retry", 2)
    step_cycles, changed = 211, 0
    while machine.run(machine.clock_cycles() + step_cycles).verdict.kind == "budget":
        if machine.pes[1].pstate & 0xF == 0 and changed < 200:      # at EL0
            machine.pes[1].set_x(7, machine.pes[1].x(7) + 1)
            changed += 1
    result = machine.run()
    assert result.exit_status == 1
    assert 0 < counted(machine, "LD_LOST") <= changed
    assert "cost a thread a register" in result.console


def test_serrors_are_counted() -> None:
    machine = loaded("fault-retry", 2)
    machine.inject_serror(1, at_cycle=300_000)
    result = machine.run()
    assert (result.exit_status, counted(machine, "LD_SERRORS")) == (0, 1)


def test_the_seed_in_memory_moves_the_interrupts() -> None:
    """The machine's own seed stays the same."""
    first_faults = set()
    for seed in range(8):
        machine = loaded("naive", 3)
        constants = layout_constants(3)
        machine.run(200_000)
        machine.write_physical(constants["GLOBALS_PA"] + constants["G_SEED"], seed.to_bytes(8, "little"))
        entries = of_kind(machine.run(), "entry")
        first_faults.add(int(entries["cycle"][entries["aux"] == VECTOR_SYNC][0]))
    assert len(first_faults) > 4


def test_every_scheme_is_a_kernel_that_ends_as_the_scheme_says() -> None:
    assert {"naive", "no-promote", "fault-retry"} <= {scheme.name for scheme in SCHEMES} <= {known.name for known in kernels()}
    numbers = [int(scheme.number.removeprefix("SC-")) for scheme in SCHEMES]
    assert numbers == sorted(numbers)
    for scheme in SCHEMES:
        assert kernel(scheme.name).verdict == scheme.verdict and kernel(scheme.name).default_pes > 1
        assert scheme.idea and scheme.origin and scheme.preconditions and scheme.failure_modes
