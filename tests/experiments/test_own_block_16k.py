"""Blocks of 32 MB: the parts of T-19 hold, other sizes too, and each assertion notices what it is about."""
from collections.abc import Callable

import pytest

from firmware.kernels import ASM_DIRECTORY, kernel
from firmware.layout import layout_constants
from sim.arch.memory_map import IMAGE_OFFSET_BYTES, RAM_PA
from sim.experiments import own_block_16k
from sim.experiments.own_block_16k import MARKS, OWN_BYTES, PARTS, blocks_that_fit, own_blocks_16k
from sim.experiments.row import Seen, Unexpected
from sim.loader.load import load_image
from sim.machine import Machine
from sim.result import Result


@pytest.mark.parametrize(("name", "part"), PARTS, ids=lambda value: value if isinstance(value, str) else "")
def test_each_part_holds(name: str, part: Callable[[], Seen]) -> None:
    seen = part()
    assert seen.holds, f"{name}: {seen.text}"


def test_256_mb_hold_seven_blocks_and_2_gb_hold_63() -> None:
    assert [blocks_that_fit(ram_mb) for ram_mb in (64, 256, 2048)] == [1, 7, 63]


@pytest.mark.parametrize(("pes", "ram_mb", "profile"), [(1, 64, "cortex-a72"), (3, 64, "cortex-a53"), (20, 512, "cortex-a72"), (5, 200, "neoverse-n1")])
def test_it_holds_for_other_numbers_of_pes_sizes_of_ram_and_cores(pes: int, ram_mb: int, profile: str) -> None:
    seen = own_blocks_16k(pes, ram_mb, profile)
    assert seen.holds, seen.text


def ran(pes: int) -> tuple[Machine, Result, dict[str, int]]:
    constants = layout_constants(pes, own_block_16k.ROUNDS, 0, ram_bytes=32 << 20) | {"RAM_MEGABYTES": 256}
    image = load_image(kernel("own_block_16k").path, origin_pa=RAM_PA + IMAGE_OFFSET_BYTES, constants=constants, include_dirs=[ASM_DIRECTORY])
    machine = Machine(pes=pes, ram_bytes=256 << 20, events=("tlbi", "entry")).load(image, marks=list(MARKS))
    return machine, machine.run(own_block_16k.BUDGET_CYCLES), constants


def test_a_descriptor_that_is_no_block_is_noticed() -> None:
    machine, _, constants = ran(3)
    own_block_16k.expect_blocks(machine, constants, 2, 256)
    level1_pa = machine.pes[0].system("TTBR1_EL1")
    level2_pa = int.from_bytes(machine.read_physical(level1_pa, 8), "little") & ~0x3FFF
    descriptor = int.from_bytes(machine.read_physical(level2_pa + 8, 8), "little")
    assert descriptor & 3 == 1 and descriptor & (OWN_BYTES - 1) & ~0xFFF == 0
    machine.write_physical(level2_pa + 8, (descriptor & ~1).to_bytes(8, "little"))
    with pytest.raises(Unexpected, match="1 leaves"):
        own_block_16k.expect_blocks(machine, constants, 2, 256)
    machine.write_physical(level2_pa + 8, (descriptor + OWN_BYTES).to_bytes(8, "little"))
    with pytest.raises(Unexpected, match="same memory"):
        own_block_16k.expect_blocks(machine, constants, 2, 256)


def test_a_pcpu_that_was_not_used_is_noticed() -> None:
    machine, _, constants = ran(2)
    own_block_16k.expect_pcpus(machine, constants, 1)
    machine.write_physical(RAM_PA + OWN_BYTES + constants["PC_SCRATCH"], bytes(8))
    with pytest.raises(Unexpected, match="0 interrupts"):
        own_block_16k.expect_pcpus(machine, constants, 1)


def test_a_tlbi_too_few_is_noticed() -> None:
    machine, result, constants = ran(3)
    own_block_16k.expect_tlbis(machine, result, constants, 2)
    with pytest.raises(Unexpected, match="4096 TLBIs by VA, where 6144"):
        own_block_16k.expect_tlbis(machine, result, constants, 3)


def test_a_size_of_ram_that_the_machine_does_not_have_does_not_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_block_16k, "blocks_that_fit", lambda _ram_mb: 9)
    assert not own_blocks_16k(9, 256).holds
