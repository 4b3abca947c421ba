"""A page that gets another frame by TLBIs with a TTL hint. What the kernel's other options do is in the matrix."""
import pytest

from firmware.kernels import kernel
from firmware.layout import layout_constants
from sim.experiments.rows_tlb import Counts, counts_of
from sim.machine import Machine

READERS = 3
LEVEL_2, LEVEL_3, LEVEL_3_OF_64_KB = 6, 7, 15


def counts(ttl: int, seed: int, strict: bool) -> Counts:
    built_in = kernel("page_change")
    machine = Machine(pes=READERS + 1, seed=seed, events=(), strict_ttl=strict)
    machine.load(built_in.path, constants=layout_constants(READERS + 1) | dict(built_in.options) | {"SEED": seed, "TTL": ttl},
                 include_dirs=built_in.include_directories)
    return counts_of(machine.run(4_000_000))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("ttl", [LEVEL_2, LEVEL_3_OF_64_KB])
def test_a_wrong_hint_leaves_every_pe_with_the_old_frame_for_ever(ttl: int, seed: int) -> None:
    at_once, later, faults, first, second, own = counts(ttl, seed, strict=True)
    assert (at_once, later, faults) == (READERS, READERS, 0), "no TLB dropped anything, so nobody met the broken descriptor"
    assert (first, second, own) == (1, 1, 0), "PE 0 itself calls the old frame"


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("ttl", "strict"), [(LEVEL_3, True), (0, True), (LEVEL_2, False), (LEVEL_3_OF_64_KB, False)])
def test_the_right_hint_none_and_one_that_is_ignored_leave_nobody_with_it(ttl: int, strict: bool, seed: int) -> None:
    at_once, later, _, first, second, own = counts(ttl, seed, strict)
    assert (at_once, later, first, second, own) == (0, 0, 2, 2, 0)
