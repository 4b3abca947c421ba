"""Stack left at each level: by arithmetic on the sizes of stack and frame, and on memory made by hand."""
import json
from pathlib import Path

import pytest

from firmware.layout import FRAME_BYTES, FRAME_GAP_BYTES
from sim.cli import run_command
from sim.observers.entries import Entry
from sim.observers.stack_use import FrameLayout, Stack, stack_use

from .logs import READ, VBAR

LOW, SIZE = 0xFFFF_0000, 4096
LAYOUT = FrameLayout(elr=16, esr=32, size_bytes=288)


def entries(*elrs: int) -> list[Entry]:
    return [Entry(10 * number, 0x200, READ, elr, 0x1234, number + 1) for number, elr in enumerate(elrs)]


def stack(sp_offset: int, frames: dict[int, int]) -> Stack:
    """A stack with frames (offset -> ELR) on it."""
    memory = bytearray(SIZE)
    for offset, elr in frames.items():
        memory[offset + 16:offset + 24] = elr.to_bytes(8, "little")
        memory[offset + 32:offset + 40] = READ.to_bytes(8, "little")
    return Stack(LOW, LOW + SIZE, LOW + sp_offset, VBAR, LAYOUT, lambda va, size_bytes: bytes(memory[va - LOW:va - LOW + size_bytes]))


def test_frames_are_found_from_sp_upwards_whatever_was_pushed_between() -> None:
    use = stack_use(stack(1024, {3600: 0x100, 3008: 0x200, 1024: 0x300}), entries(0x100, 0x200, 0x300))
    assert use is not None and use.left_bytes == {1: 3600, 2: 3008, 3: 1024}
    assert (use.size_bytes, use.end_bytes) == (SIZE, 1024)


def test_an_exception_whose_vector_failed_has_no_frame() -> None:
    use = stack_use(stack(2000, {3600: 0x100, 2000: 0x200}), entries(0x100, 0x200, 0x300, VBAR + 0x200, VBAR + 0x200))
    assert use is not None and use.left_bytes == {1: 3600, 2: 2000}


def test_what_cannot_be_read_is_not_known() -> None:
    unreadable = Stack(LOW, LOW + SIZE, LOW + 16, VBAR, LAYOUT, lambda _va, _size_bytes: None)
    use = stack_use(unreadable, entries(1, 2))
    assert use is not None and use.left_bytes == {} and use.end_bytes == 16
    elsewhere = Stack(LOW, LOW + SIZE, LOW - 16, VBAR, LAYOUT, lambda _va, _size_bytes: None)
    assert stack_use(elsewhere, entries(1, 2)) is None


@pytest.mark.parametrize("stack_bytes", [8192, 16384])
def test_each_level_of_a_recursion_takes_a_frame_and_its_gap(stack_bytes: int, tmp_path: Path) -> None:
    """Each level of the handler costs FRAME_BYTES + FRAME_GAP_BYTES, until less than that is left."""
    run_command(["run", "fault_recursion", "--define", f"STACK_BYTES={stack_bytes}", "--json", str(tmp_path / "result.json")])
    recursion = json.loads((tmp_path / "result.json").read_text(encoding="utf-8"))["recursion"]
    left = {int(depth): bytes_ for depth, bytes_ in recursion["stack"]["left_bytes"].items()}
    each_bytes = FRAME_BYTES + FRAME_GAP_BYTES
    assert recursion["stack"]["size_bytes"] == stack_bytes
    assert [left[depth] - left[depth + 1] for depth in range(1, len(left))] == [each_bytes] * (len(left) - 1)
    assert stack_bytes - 2 * each_bytes < left[1] <= stack_bytes - each_bytes
    assert 0 <= left[len(left)] == recursion["stack"]["left_at_end_bytes"] < each_bytes
    assert recursion["object"]["kind"] == "pcpu" and "no-promote" in recursion["object"]["safe_under"]
    assert "naive" not in recursion["object"]["safe_under"]
