"""The fan-out of an IPI: ICC_SGI1R_EL1 writes counted against runs of equal Aff3.Aff2.Aff1 among the set's PEs in order of index."""
import random

import pytest

from firmware.kernels import kernel
from firmware.layout import layout_constants
from sim.machine import Machine

ALL = (1 << 256) - 1
SGI_PING = 3


def affinity_of(pe: int) -> tuple[int, int, int, int]:
    """Aff3, Aff2, Aff1, Aff0 of QEMU's virt: 16 PEs to an Aff1."""
    return (0, 0, pe // 16, pe % 16)


def runs(members: list[int]) -> int:
    count, previous = 0, None
    for pe in members:
        group = affinity_of(pe)[:3]
        count += group != previous
        previous = group
    return count


def random_sets() -> list[tuple[int, int]]:
    choose = random.Random(47)
    sets = []
    for pes in (2, 15, 33, 64, 64, 64):
        density = choose.choice((0.02, 0.1, 0.5))
        sets.append((pes, sum(1 << pe for pe in range(pes) if choose.random() < density)))
    return sets


@pytest.mark.parametrize(("pes", "chosen"), [
    (1, ALL), (4, ALL), (16, ALL), (17, ALL), (64, ALL), (64, 0), (64, 1 << 63), (64, 0x0001_8000_0001_8000),
    (200, 1 << 199 | 1 << 128 | 1 << 16 | 2), *random_sets()])
def test_one_write_for_each_run_and_one_interrupt_for_each_member(pes: int, chosen: int) -> None:
    built_in = kernel("fan_out")
    constants = layout_constants(pes) | {f"SET_{word}": chosen >> 64 * word & (1 << 64) - 1 for word in range(4)}
    machine = Machine(pes=pes, events=("sgi", "interrupt_acknowledged"))
    machine.load(built_in.path, constants=constants, include_dirs=built_in.include_directories, marks=built_in.marks)
    result = machine.run(50_000_000)
    members = [pe for pe in range(pes) if chosen >> pe & 1]
    assert (result.exit_status, result.console) == (0, f"fan_out: {len(members)} PEs interrupted\n")
    assert len(result.events.of("mark")) == runs(members)
    sent = result.events.of("sgi")
    assert sorted(sent["a"].tolist()) == members and set(sent["aux"].tolist()) <= {SGI_PING} and set(sent["pe"].tolist()) <= {0}
    taken = result.events.of("interrupt_acknowledged")
    assert sorted(taken[taken["aux"] == SGI_PING]["pe"].tolist()) == members
