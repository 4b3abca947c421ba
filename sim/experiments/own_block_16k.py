"""The part of T-19 with a granule of 16 KB: a block of 32 MB for each pcpu, in the kernel own_block_16k.

RAM is larger here than what the kernels of asm/ map, and nothing depends on a seed: each run is a machine of its own, without snapshots.
"""
from collections.abc import Callable

import numpy as np

from firmware.kernels import ASM_DIRECTORY, kernel
from firmware.layout import layout_constants
from sim.arch.memory_map import IMAGE_OFFSET_BYTES, RAM_PA
from sim.arch.registers import TCR_EL1
from sim.arch.vectors import CURRENT_EL_SP_ELX
from sim.experiments.row import Seen, Unexpected, expect
from sim.loader.load import load_image
from sim.machine import Machine
from sim.result import Result
from sim.state.events import EVENT_ENTRY, EVENT_MARK, EVENT_TLBI
from sim.tables import Mapped, mapped_leaves

GRANULE_BYTES, GRANULE_ENTRIES = 16 << 10, 2048
OWN_BYTES = GRANULE_BYTES * GRANULE_ENTRIES     # 32 MB
TG1_16K = 0b01
EXIT_WRONG = 1
ROUNDS = 3
BUDGET_CYCLES = 100_000_000
LAYOUT_RAM_BYTES = 32 << 20                     # the identity map needs no more: blocks are used under TTBR1 only
MARKS = ("mark_aps_start", "mark_broken", "mark_make")


def blocks_that_fit(ram_mb: int) -> int:
    """How many aligned runs of 32 MB there are in RAM beside the first, in which the kernel lies."""
    return (ram_mb << 20) // OWN_BYTES - 1


def own_blocks_16k(pes: int, ram_mb: int, profile: str = "cortex-a72") -> Seen:
    """T-19, 16 KB granule. A block for each PE but PE 0 as far as RAM reaches; whoever gets none is not started."""
    try:
        return Seen(True, _run(pes, ram_mb, profile))
    except Unexpected as unexpected:
        command = f"quiesce run own_block_16k --pes {pes} --ram {ram_mb}M --define RAM_MEGABYTES={ram_mb} --rounds {ROUNDS} --profile {profile}"
        return Seen(False, f"{unexpected} ({command})", 1, 0)


#: What T-19 asks for, by name: RAM of 256 MB holds seven blocks, 2 GB more.
PARTS: tuple[tuple[str, Callable[[], Seen]], ...] = (
    ("16 KB granule, 4 PEs, 256 MB", lambda: own_blocks_16k(4, 256)),
    ("16 KB granule, 8 PEs, 256 MB", lambda: own_blocks_16k(8, 256)),
    ("16 KB granule, 9 PEs, 256 MB", lambda: own_blocks_16k(9, 256)),
    ("16 KB granule, 64 PEs, 2 GB", lambda: own_blocks_16k(64, 2048)),
    ("16 KB granule, 66 PEs, 2 GB", lambda: own_blocks_16k(66, 2048)),
)


def _run(pes: int, ram_mb: int, profile: str) -> str:
    built_in = kernel("own_block_16k")
    constants = layout_constants(pes, ROUNDS, 0, ram_bytes=LAYOUT_RAM_BYTES) | {"RAM_MEGABYTES": ram_mb}
    image = load_image(built_in.path, origin_pa=RAM_PA + IMAGE_OFFSET_BYTES, constants=constants, include_dirs=[ASM_DIRECTORY])
    machine = Machine(pes=pes, ram_bytes=ram_mb << 20, events=("tlbi", "entry"), profile=profile).load(image, marks=list(MARKS))
    result = machine.run(BUDGET_CYCLES)
    blocks = min(pes - 1, blocks_that_fit(ram_mb))
    missing = pes - 1 - blocks
    expect(result.exit_status == (EXIT_WRONG if missing else 0), f"{result.verdict}: {result.console!r}")
    said = f"own_block_16k: {blocks} blocks of 32 MB, {blocks * ROUNDS} interrupts answered, no memory for {missing} PEs\n"
    expect(result.console == said, f"{result.console!r}, where {said!r} was expected")
    expect_blocks(machine, constants, blocks, ram_mb)
    expect_pcpus(machine, constants, blocks)
    expect_tlbis(machine, result, constants, blocks)
    left_out = f", {missing} PEs without memory are not started" if missing else ""
    return f"{blocks} blocks of 32 MB{left_out}, {GRANULE_ENTRIES} TLBIs each, none once the PEs run"


def _leaves(machine: Machine) -> list[Mapped]:
    """What TTBR1 of PE 0 maps, from descriptors in RAM."""
    view = machine.pes[0]

    def read(pa: int, count: int) -> list[int]:
        return [int(word) for word in np.frombuffer(machine.read_physical(pa, 8 * count), "<u8")]

    return list(mapped_leaves(read, view.system("TCR_EL1"), view.system("TTBR1_EL1"), upper=True))


def expect_blocks(machine: Machine, constants: dict[str, int], blocks: int, ram_mb: int) -> None:
    """The leaves above the kernel's own are so many L2 blocks, each at its PE's place, on RAM that nothing else has."""
    leaves = _leaves(machine)
    found = [leaf for leaf in leaves if leaf.va >= constants["PCPU_RUN_VA"] + OWN_BYTES]
    expect(len(found) == blocks, f"{len(found)} leaves above the kernel's, where {blocks} blocks were expected")
    taken = {leaf.pa for leaf in leaves if leaf.pa is not None}
    expect(len(taken) == len(leaves), "two leaves map the same memory")
    for pe, leaf in enumerate(found, start=1):
        expect(leaf.level == 2 and leaf.size_bytes == OWN_BYTES and leaf.descriptor & 3 == 1, f"PE {pe}: {leaf}")
        expect(leaf.va == constants["PCPU_RUN_VA"] + pe * OWN_BYTES, f"PE {pe}: {leaf}")
        in_ram = leaf.pa is not None and leaf.pa % OWN_BYTES == 0 and RAM_PA < leaf.pa <= RAM_PA + (ram_mb << 20) - OWN_BYTES
        expect(in_ram, f"PE {pe}: {leaf}")
    next_pa = _word(machine, constants["GLOBALS_PA"] + constants["G_SCRATCH"])
    expect(next_pa == max((leaf.pa or 0) + OWN_BYTES for leaf in found) if found else True, f"memory is taken up to {next_pa:#x}")


def expect_pcpus(machine: Machine, constants: dict[str, int], blocks: int) -> None:
    """Each PE that runs has TG1 and its pcpu as it should; what its handler counted stands in its block, seen by PA."""
    by_va = {leaf.va: leaf.pa for leaf in _leaves(machine)}
    for pe in range(1, len(machine.pes)):
        view = machine.pes[pe]
        va = constants["PCPU_RUN_VA"] + pe * OWN_BYTES
        if pe > blocks:
            expect(view.system("TPIDR_EL1") == 0, f"PE {pe} runs, though it has no memory")
            continue
        expect(view.system("TPIDR_EL1") == va, f"PE {pe}: TPIDR_EL1 is {view.system('TPIDR_EL1'):#x}")
        expect(int(TCR_EL1(view.system("TCR_EL1")).TG1) == TG1_16K, f"PE {pe}: another granule")
        pa = by_va[va]
        assert pa is not None
        index, count = _word(machine, pa + constants["PC_CPUID"]), _word(machine, pa + constants["PC_SCRATCH"])
        expect((index, count) == (pe, ROUNDS), f"the pcpu of PE {pe} says index {index} and {count} interrupts")


def expect_tlbis(machine: Machine, result: Result, constants: dict[str, int], blocks: int) -> None:
    """2048 TLBIs by VA for each block, 16 KB apart, between its break and its make; none over blocks once PEs start, and no abort at all."""
    events = result.events.array()
    expect(result.events.dropped == 0, "events were lost")
    first_va = constants["PCPU_RUN_VA"] + OWN_BYTES
    issued = events[(events["kind"] == EVENT_TLBI) & (events["a"] >= np.uint64(first_va))]
    wanted = first_va + np.arange(blocks * GRANULE_ENTRIES, dtype=np.uint64) * np.uint64(GRANULE_BYTES)
    expect(bool(np.array_equal(issued["a"], wanted)), f"{len(issued)} TLBIs by VA, where {len(wanted)} were expected")
    expect(bool((issued["b"] == GRANULE_BYTES).all() and (issued["pe"] == 0).all()), "a TLBI of another size, or of another PE")
    marks = events[(events["kind"] == EVENT_MARK) & (events["pe"] == 0)]
    cycles = {name: marks["cycle"][marks["a"] == machine.watched.index(name)] for name in MARKS}
    windows = np.repeat(cycles["mark_broken"], GRANULE_ENTRIES), np.repeat(cycles["mark_make"], GRANULE_ENTRIES)
    expect(len(windows[0]) == len(issued) and bool(((issued["cycle"] >= windows[0]) & (issued["cycle"] <= windows[1])).all()),
           "a TLBI outside its window")
    expect(not len(issued) or int(issued["cycle"][-1]) < int(cycles["mark_aps_start"][0]), "a TLBI over a block after PEs were started")
    entries = events[events["kind"] == EVENT_ENTRY]
    expect(not (entries["aux"] == CURRENT_EL_SP_ELX).any(), "a synchronous exception at EL1")


def _word(machine: Machine, pa: int) -> int:
    return int.from_bytes(machine.read_physical(pa, 8), "little")
