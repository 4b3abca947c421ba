"""The schemes under load: verdict, depth of recursion, windows and faults, from the event log and from sizes alone."""
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from firmware.kernels import kernel, kernels
from firmware.layout import BLOCK_BYTES, FRAME_BYTES, FRAME_GAP_BYTES, PAGE_BYTES, layout_constants
from firmware.schemes import SCHEMES
from sim.arch.memory_map import IMAGE_OFFSET_BYTES, RAM_PA
from sim.loader.image import Image
from sim.loader.load import load_image
from sim.machine import Machine
from sim.result import Result
from sim.state.events import BY_NAME

ROUNDS = 4
PES = (2, 4, 8)
SEEDS = range(10)
KMEM_VA = layout_constants(2)["KMEM_VA"]
VECTOR_SYNC, VECTOR_IRQ = 0x200, 0x280
DISPATCHER_BYTES = 2 * 16                       # two pairs that dispatch_irq pushes before it loads curthread
NEVER_PROMOTE = ("abstention",)                 # whoever's memory it is
Events = npt.NDArray[Any]


@cache
def image_of(name: str, pes: int, stack_bytes: int) -> Image:
    built_in = kernel(name)
    constants = layout_constants(pes, ROUNDS, stack_bytes=stack_bytes) | dict(built_in.options)
    return load_image(built_in.path, origin_pa=RAM_PA + IMAGE_OFFSET_BYTES, constants=constants, include_dirs=built_in.include_directories)


def run(name: str, pes: int, seed: int = 0, stack_bytes: int = 16384) -> Result:
    machine = Machine(pes=pes, seed=seed, events=("entry", "return", "tlbi"))
    return machine.load(image_of(name, pes, stack_bytes)).run()


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
        elif event["kind"] == BY_NAME["return"].number:
            slots.pop()
    return depths


@pytest.mark.parametrize("pes", PES)
@pytest.mark.parametrize("seed", SEEDS)
def test_naive_recurses_as_deep_as_the_stack_has_frames(seed: int, pes: int) -> None:
    """The frame of an interrupt and what its dispatcher pushed lie on an otherwise empty stack; the rest is divided by the size of a frame."""
    result = run("naive", pes, seed)
    assert (result.verdict.kind, result.verdict.pe != 0) == ("recursion", True)
    assert faults_since_the_last_interrupt(result) == frames_that_fit(16384) + 1


@pytest.mark.parametrize("stack_bytes", [4096, 8192, 12288])
def test_naive_recurses_through_stacks_of_other_sizes(stack_bytes: int) -> None:
    result = run("naive", 4, stack_bytes=stack_bytes)
    assert result.verdict.kind == "recursion"
    assert faults_since_the_last_interrupt(result) == frames_that_fit(stack_bytes) + 1


def test_naive_survives_where_the_stack_outlasts_the_window() -> None:
    """Twice the stack: deeper than 16 KB would have allowed, and every level is unwound."""
    result = run("naive", 4, stack_bytes=32768)
    assert result.exit_status == 0
    deepest = max(depth for pe in range(1, 4) for depth in depths_of_synchronous_exceptions(result, pe))
    assert frames_that_fit(16384) < deepest <= frames_that_fit(32768)


def frames_that_fit(stack_bytes: int) -> int:
    frame_bytes = FRAME_BYTES + FRAME_GAP_BYTES
    assert frame_bytes == 416
    return (stack_bytes - frame_bytes - DISPATCHER_BYTES) // frame_bytes


def faults_since_the_last_interrupt(result: Result) -> int:
    """Exceptions for the address of pcpu, which the interrupt and then each entry that found room for its frame loads from.

    The one that found no room faults on the guard below the stack, which is another address.
    """
    entries = of_kind(result, "entry")
    assert result.verdict.pe is not None
    entries = entries[entries["pe"] == result.verdict.pe]
    last = np.flatnonzero(entries["aux"] == VECTOR_IRQ)[-1]
    pcpu_va = KMEM_VA + (result.verdict.pe - 1) * PAGE_BYTES
    return int(np.count_nonzero(entries["c"][last + 1:] == np.uint64(pcpu_va)))


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


def test_every_scheme_is_a_kernel_that_ends_as_the_scheme_says() -> None:
    assert {"naive", "no-promote", "fault-retry"} <= {scheme.name for scheme in SCHEMES} <= {known.name for known in kernels()}
    numbers = [int(scheme.number.removeprefix("SC-")) for scheme in SCHEMES]
    assert numbers == sorted(numbers)
    for scheme in SCHEMES:
        assert kernel(scheme.name).verdict == scheme.verdict and kernel(scheme.name).default_pes > 1
        assert scheme.idea and scheme.origin and scheme.preconditions and scheme.failure_modes
