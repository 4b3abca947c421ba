"""Two PEs that promote a run each, inside a rendezvous each: one window at a time, and a waiter that answers."""
import numpy as np
import pytest

from firmware.kernels import kernel
from firmware.layout import layout_constants
from sim.machine import Machine
from sim.result import Result
from sim.state.events import BY_NAME

ROUNDS = 3
LAST_PAGES = ((1 << 9) - 1) << 12
BUDGET_CYCLES = 4_000_000


def run(pes: int, seed: int, masked: int = 0) -> tuple[Machine, Result]:
    built_in = kernel("two_promotions")
    constants = layout_constants(pes, ROUNDS) | dict(built_in.options) | {"SEED": seed, "MASKED": masked}
    machine = Machine(pes=pes, seed=seed, events=("entry", "tlbi"))
    machine.load(built_in.path, constants=constants, include_dirs=built_in.include_directories)
    return machine, machine.run(BUDGET_CYCLES)


@pytest.mark.parametrize("pes", [2, 4, 8])
@pytest.mark.parametrize("seed", range(4))
def test_no_tlbi_of_one_promotion_comes_between_those_of_another(seed: int, pes: int) -> None:
    """Each run's 512 TLBIs are one unbroken sequence in time, whoever sends them."""
    _, result = run(pes, seed)
    assert (result.exit_status, result.console) == (0, f"two_promotions: {2 * ROUNDS + 2} promotions, one after the other\n")
    tlbis = result.events.array()
    tlbis = tlbis[(tlbis["kind"] == BY_NAME["tlbi"].number) & (tlbis["pe"] <= 1) & (tlbis["a"] >= np.uint64(1 << 63))]
    tlbis = tlbis[np.argsort(tlbis["cycle"], kind="stable")]
    vas = tlbis["a"].astype(np.int64)
    begins = np.flatnonzero(vas % (2 << 20) == 0)
    blocks = [begin for begin in begins if begin + 511 < len(vas) and vas[begin + 511] - vas[begin] == LAST_PAGES]
    assert len(blocks) == 2 * ROUNDS + 2
    for begin in blocks:
        window = tlbis[begin:begin + 512]
        assert len(set(window["pe"].tolist())) == 1
        assert (np.diff(vas[begin:begin + 512]) == 4096).all()
    assert len({int(vas[begin]) >> 21 for begin in blocks}) == 2


@pytest.mark.parametrize("seed", range(4))
def test_with_interrupts_masked_neither_goes_on(seed: int) -> None:
    machine, result = run(2, seed, masked=1)
    assert result.verdict.kind == "budget" and result.console == ""
    places = {str(machine.symbol(registers["pc"])).split("+")[0] for registers in result.registers}
    assert places <= {"wait_for_all", "lock_ipi_mtx"} and "wait_for_all" in places
