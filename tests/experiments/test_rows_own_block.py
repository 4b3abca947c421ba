"""Blocks of pcpu's own, where the rows of the matrix do not go: other numbers of PEs, sizes of pcpu, domains; and what a row does not take."""
import pytest

from firmware.layout import layout_constants
from sim.experiments import rows_own_block
from sim.experiments.rows_own_block import change_in_a_live_block, long_window_over_a_live_block, no_block, no_memory, own_blocks


@pytest.mark.parametrize(("pes", "domains"), [(1, 1), (3, 1), (8, 4)])
def test_every_pcpu_has_a_block_in_its_domain(pes: int, domains: int) -> None:
    seen = own_blocks(pes, 1, domains, 96)
    assert seen.holds, seen.text


@pytest.mark.parametrize("option", ["OWN_SUPERPAGES", "OWN_KVA_ALIGNED"])
def test_pages_stay_pages_with_two_pes(option: str) -> None:
    seen = no_block(option, 1, 2)
    assert seen.holds, seen.text


def test_a_domain_that_has_memory_is_no_failure() -> None:
    """Half of what there is would do, so that the kernel goes on and the frames are in use: the row must say so."""
    assert layout_constants(3, ram_bytes=32 << 20)["POOL_FRAMES"] > 2 * 2 * 512
    seen = no_memory(3, {}, {"domains": 1})
    assert not seen.holds and "exited" in seen.text


@pytest.mark.parametrize("pes", [2, 4])
def test_a_change_in_a_live_block_recurses_and_unwinds(pes: int) -> None:
    seen = change_in_a_live_block(pes, 4, rounds=3)
    assert seen.holds, seen.text


def test_a_change_in_a_live_block_with_a_long_window_costs_the_pe() -> None:
    seen = long_window_over_a_live_block(4, 2)
    assert seen.holds, seen.text


def test_a_change_without_interrupts_is_not_taken_for_a_recursion(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same with nobody interrupted: nothing is lost, but the row does not hold, since it has seen nothing."""
    class Quiet(rows_own_block.Trial):
        def __init__(self, *arguments: object, constants: dict[str, int], **more: object) -> None:
            super().__init__(*arguments, constants=constants | {"INTERRUPTS": 0}, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(rows_own_block, "Trial", Quiet)
    seen = change_in_a_live_block(3, 2)
    assert not seen.holds and "0 of 2 runs" in seen.text
