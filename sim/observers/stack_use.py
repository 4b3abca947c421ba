"""How much of a kernel stack each nested exception has left, read back from the frames that lie on it.

The event log has no SP. But each frame holds ELR and ESR of its exception, which the log has too: so the frames are looked for from SP
upwards, the innermost first. An exception whose vector could not store its frame has none. Not modelled: frames that were overwritten.
"""
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sim.observers.entries import Entry

_VECTORS_BYTES, _ALIGNMENT_BYTES, _WORD_BYTES = 0x800, 16, 8
ReadMemory = Callable[[int, int], bytes | None]             # (VA, bytes) -> them, None where there is no memory


@dataclass(frozen=True, slots=True)
class FrameLayout:
    """Offsets of ELR and ESR in the frame that a kernel's vectors store at SP, in bytes, and the size of the frame."""

    elr: int
    esr: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Stack:
    """The kernel stack of a PE at the end of a run: addresses from low_va up to high_va, SP, and VBAR_EL1."""

    low_va: int
    high_va: int
    sp: int
    vbar: int
    frame: FrameLayout
    read: ReadMemory


@dataclass(frozen=True)
class StackUse:
    """left_bytes: by depth of the exception (1 = outermost), what lay between its frame and the end of the stack. end_bytes: at SP."""

    size_bytes: int
    end_bytes: int
    left_bytes: dict[int, int] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Plain values; bytes left by depth."""
        return {"size_bytes": self.size_bytes, "left_at_end_bytes": self.end_bytes,
                "left_bytes": {str(depth): left for depth, left in sorted(self.left_bytes.items())}}


def stack_use(stack: Stack, entries: Sequence[Entry]) -> StackUse | None:
    """What the exceptions, oldest first, have left of the stack; None if SP lies outside of it."""
    if not stack.low_va <= stack.sp <= stack.high_va:
        return None
    left: dict[int, int] = {}
    first_va = stack.sp & ~(_ALIGNMENT_BYTES - 1)
    data = stack.read(first_va, stack.high_va - first_va) or b""
    place = 0
    for number in reversed(range(len(entries))):
        if number + 1 < len(entries) and (entries[number + 1].elr - stack.vbar) % (1 << 64) < _VECTORS_BYTES:
            continue                                        # the vector itself faulted: no frame, or half of one
        found = _find_frame(data, place, entries[number], stack.frame)
        if found is None:
            continue
        left[entries[number].depth] = first_va + found - stack.low_va
        place = found + stack.frame.size_bytes
    return StackUse(stack.high_va - stack.low_va, stack.sp - stack.low_va, left)


def _find_frame(data: bytes, place: int, entry: Entry, frame: FrameLayout) -> int | None:
    """Offset of the frame of an exception, from an offset on."""
    elr, esr = (value.to_bytes(_WORD_BYTES, "little") for value in (entry.elr, entry.esr))
    for offset in range(place, len(data) - frame.size_bytes + 1, _ALIGNMENT_BYTES):
        if data[offset + frame.elr:offset + frame.elr + _WORD_BYTES] == elr and (
                entry.is_interrupt or data[offset + frame.esr:offset + frame.esr + _WORD_BYTES] == esr):
            return offset
    return None
