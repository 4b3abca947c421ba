"""Starting PEs on memory of their own: what is taken, where it lies, what is given back, who stands on which stack."""
from typing import Any

import pytest

from firmware.kernels import kernel
from firmware.layout import MP_OFFSETS, PAGE_BYTES, layout_constants
from sim.machine import Machine
from sim.result import Result
from sim.state.events import BY_NAME

BUDGET_CYCLES = 400_000_000
RAM_BYTES = 32 << 20
KSTACK_PAGES, BOOTSTACK_PAGES = 4, 4
OFTEN = {"TICKS_PER_SECOND": 4_000_000, "PATIENCE": 20_000}       # so that an interrupt falls into a window however short


def load(name: str, pes: int, machine_pes: int | None = None, *, marks: tuple[str, ...] = (), layout: dict[str, int] | None = None,
         **constants: int) -> tuple[Machine, dict[str, int]]:
    built_in = kernel(name)
    all_constants = layout_constants(pes, ram_bytes=RAM_BYTES, **(layout or {}))    # type: ignore[arg-type]
    all_constants |= {**built_in.options, **constants}
    machine = Machine(pes=machine_pes or pes, ram_bytes=RAM_BYTES, events=("power", "entry", "tlbi"))
    return machine.load(built_in.path, constants=all_constants, include_dirs=built_in.include_directories, marks=marks), all_constants


def run(name: str, pes: int, machine_pes: int | None = None, **given: Any) -> tuple[Machine, dict[str, int], Result]:
    machine, constants = load(name, pes, machine_pes, **given)
    return machine, constants, machine.run(BUDGET_CYCLES)


def word(machine: Machine, va: int) -> int:
    return int.from_bytes(machine.read_virtual(0, va, 8), "little")


def mp(machine: Machine, constants: dict[str, int], name: str) -> int:
    return word(machine, constants["MP_VA"] + MP_OFFSETS[name])


@pytest.mark.parametrize("pes", [1, 2, 4, 20])
def test_every_pe_has_a_pcpu_a_page_and_an_idle_stack_and_no_boot_stack_is_left(pes: int) -> None:
    machine, constants, result = run("start_cpu", pes)
    frames = (pes - 1) * (constants["PCPU_BYTES"] // PAGE_BYTES + KSTACK_PAGES)
    assert result.exit_status == 0
    assert result.console.endswith(f"start_cpu: {pes} PEs run, {frames} frames in use, all acted\n")
    assert [word(machine, constants["BOOTSTACKS_VA"] + 8 * pe) for pe in range(pes)] == [0] * pes
    pcpus = [word(machine, constants["CPUID_TO_PCPU_VA"] + 8 * pe) for pe in range(pes)]
    assert len(set(pcpus)) == pes and pcpus[0] == constants["PCPU_VA"]
    assert [word(machine, pcpu + constants["PC_CPUID"]) for pcpu in pcpus] == list(range(pes))


def test_a_start_without_memory_takes_nothing() -> None:
    assert run("start_cpu", 2)[2].console.startswith("PASS a start without memory takes nothing\n")


@pytest.mark.parametrize(("pes", "there"), [(8, 5), (4, 1), (20, 17)])
def test_pes_that_the_machine_lacks_are_refused_and_their_memory_given_back(pes: int, there: int) -> None:
    """Their idle threads keep their stacks, since those come before anybody knows who will start."""
    machine, constants, result = run("start_cpu", pes, there)
    frames = (there - 1) * constants["PCPU_BYTES"] // PAGE_BYTES + (pes - 1) * KSTACK_PAGES
    assert result.exit_status == 0
    assert result.console.endswith(f"start_cpu: {there} PEs run, {frames} frames in use, all acted\n")
    assert mp(machine, constants, "MP_NCPUS") == there
    pcpus = [word(machine, constants["CPUID_TO_PCPU_VA"] + 8 * pe) for pe in range(pes)]
    assert [pcpu != 0 for pcpu in pcpus] == [pe < there for pe in range(pes)]


def test_the_dynamic_area_lies_directly_behind_struct_pcpu_whatever_its_size() -> None:
    for dpcpu_bytes in (0, 3072, 3073, 20000):
        machine, constants, result = run("start_cpu", 3, layout={"dpcpu_bytes": dpcpu_bytes})
        assert result.exit_status == 0, result.console
        assert constants["PCPU_BYTES"] == -(-(1024 + dpcpu_bytes) // PAGE_BYTES) * PAGE_BYTES
        for pe in range(3):
            pcpu = word(machine, constants["CPUID_TO_PCPU_VA"] + 8 * pe)
            assert word(machine, pcpu + constants["PC_DYNAMIC"]) == pcpu + 1024
            assert {machine.translate(pe, pcpu + offset) is not None for offset in range(0, constants["PCPU_BYTES"], PAGE_BYTES)} == {True}


@pytest.mark.parametrize("domains", [2, 4])
@pytest.mark.parametrize("from_acpi", [1, 0])
def test_pcpu_and_boot_stack_lie_in_the_pes_domain_if_it_is_known_in_time(from_acpi: int, domains: int) -> None:
    machine, c = load("start_cpu", 8, marks=("mark_boot_stacks_live",), layout={"domains": domains}, DOMAINS_FROM_ACPI=from_acpi,
                      PES_PER_DOMAIN=2)
    machine.run(BUDGET_CYCLES, until="mark_boot_stacks_live")
    for pe in range(1, 8):
        pcpu, stack = (word(machine, c[name] + 8 * pe) for name in ("CPUID_TO_PCPU_VA", "BOOTSTACKS_VA"))
        domain = pe // 2 % domains
        for va in (pcpu, stack, stack + (BOOTSTACK_PAGES - 1) * PAGE_BYTES):
            pa = machine.translate(0, va)
            assert pa is not None
            assert (pa - c["POOL_PA"]) // c["DOMAIN_BYTES"] == (domain if from_acpi else 0)
        assert word(machine, pcpu + c["PC_DOMAIN"]) == domain
    sets = [word(machine, c["MP_VA"] + MP_OFFSETS["MP_CPUSET_DOMAIN"] + 32 * domain) for domain in range(domains)]
    assert sets == [sum(1 << pe for pe in range(8) if pe // 2 % domains == domain) for domain in range(domains)]


def test_pes_leave_their_boot_stacks_for_their_threads_before_they_can_take_an_interrupt() -> None:
    _, _, result = run("bootstack", 4, marks=("mark_boot_stack_left", "mark_waiting"))
    assert result.exit_status == 0
    events = result.events.array()
    left = events[(events["kind"] == BY_NAME["mark"].number) & (events["pe"] != 0)]
    assert sorted(left["pe"].tolist()) == [1, 2, 3]
    for pe in (1, 2, 3):
        taken = events[(events["kind"] == BY_NAME["entry"].number) & (events["pe"] == pe)]
        assert len(taken) and taken["cycle"][0] > left[left["pe"] == pe]["cycle"][0]


@pytest.mark.parametrize("pcpu_place", [0, 1, 2])
def test_freed_boot_stacks_take_part_in_a_promotion_and_nobody_minds(pcpu_place: int) -> None:
    _, _, result = run("bootstack", 4, PCPU_PLACE=pcpu_place)
    assert result.exit_status == 0 and "all PEs have left their boot stacks" in result.console
    blocks = int(result.console.split(" contiguous runs and ")[1].split()[0])
    assert blocks == (pcpu_place != 1)          # a flagged pcpu in the run keeps it in pages


@pytest.mark.parametrize(("constants", "runs", "blocks"), [
    ({}, 31, 0),                                                                    # three stacks and guards within the first 16 pages
    ({"KSTACK_PAGES": 3}, 31, 0),
    ({"KSTACK_PAGES": 8}, 30, 0),                                                   # guards on pages 0, 9 and 18, the last stack up to 26
    ({"KSTACK_GUARD_PAGES": 0}, 33, 1),                                             # one is promoted again after its boot stack was freed
])
def test_a_run_that_holds_a_guard_page_is_never_promoted(constants: dict[str, int], runs: int, blocks: int) -> None:
    _, _, result = run("kernel_stacks", 4, **OFTEN, **constants)
    assert result.console.startswith(f"kernel_stacks: {runs} contiguous runs and {blocks} blocks made\n")
    assert result.exit_status == (1 if blocks else 0)


@pytest.mark.parametrize(("pes", "constants"), [(5, {}), (4, {"KSTACK_GUARD_PAGES": 2}), (4, {"KSTACK_PAGES": 6})])
def test_a_stack_that_begins_a_run_which_other_memory_fills_is_promoted_in_spite_of_its_guard(pes: int, constants: dict[str, int]) -> None:
    """The guard below the last stack lies in the 16 pages before: what comes behind that stack is not a stack, and has no guard.

    Whether an interrupt meets the window over it depends on the seed.
    """
    lost = 0
    for seed in range(8):
        machine, c, result = run("kernel_stacks", pes, **OFTEN, **constants, SEED=seed)
        stacks = [word(machine, c["THREADS_VA"] + pe * c["THREAD_BYTES"] + c["TD_KSTACK"]) for pe in range(1, pes)]
        windows = result.events.of("tlbi")["a"]
        top_pages = [base + (c["KSTACK_PAGES"] - 1) * PAGE_BYTES for base in stacks]
        assert [bool((windows == va).any()) for va in top_pages] == [False] * (pes - 2) + [True]
        lost += result.console.endswith(f"its thread is never returned to, PE {pes - 1}\n")
    assert lost > 0
