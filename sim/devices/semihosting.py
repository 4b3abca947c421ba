"""Semihosting: the few operations by which kernels report and stop. Arm IHI "Semihosting for AArch32 and AArch64", operations.

SYS_WRITEC, SYS_WRITE0, SYS_WRITE to any handle (all go to the console), SYS_EXIT and SYS_EXIT_EXTENDED. Any other operation
answers -1.
"""
from typing import NamedTuple, Protocol

SYS_WRITEC, SYS_WRITE0, SYS_WRITE, SYS_EXIT, SYS_EXIT_EXTENDED = 0x03, 0x04, 0x05, 0x18, 0x20
APPLICATION_EXIT = 0x2_0026             # ADP_Stopped_ApplicationExit: the status follows; any other reason is a failure
TEXT_MOST_BYTES = 1 << 16


class Memory(Protocol):
    """What semihosting needs of a machine: memory as the calling PE sees it, None where it sees none."""

    def read_virtual_or_none(self, pe: int, va: int, size_bytes: int) -> bytes | None: ...


class Answer(NamedTuple):
    """What the call does: x0 afterwards, text for the console, and the exit status if it ends the run."""

    x0: int
    text: bytes = b""
    exit_status: int | None = None


def call(memory: Memory, pe: int, operation: int, parameter: int) -> Answer:
    """Carry out an operation (w0) with its parameter (x1)."""
    operation &= 0xFFFF_FFFF
    if operation == SYS_WRITEC:
        text = memory.read_virtual_or_none(pe, parameter, 1)
        return Answer(parameter, text or b"")
    if operation == SYS_WRITE0:
        return Answer(parameter, _text_until_zero(memory, pe, parameter))
    if operation == SYS_WRITE:
        return _write(memory, pe, parameter)
    if operation in (SYS_EXIT, SYS_EXIT_EXTENDED):
        reason, status = _words(memory, pe, parameter, 2) or (0, 0)
        return Answer(0, b"", status & 0xFF if reason == APPLICATION_EXIT else 1)
    return Answer(-1)


def _words(memory: Memory, pe: int, va: int, count: int) -> tuple[int, ...] | None:
    block = memory.read_virtual_or_none(pe, va, 8 * count)
    if block is None:
        return None
    return tuple(int.from_bytes(block[8 * k : 8 * k + 8], "little") for k in range(count))


def _text_until_zero(memory: Memory, pe: int, va: int) -> bytes:
    text = bytearray()
    while len(text) < TEXT_MOST_BYTES:
        byte = memory.read_virtual_or_none(pe, va + len(text), 1)
        if byte in (None, b"\0"):
            break
        text += byte or b""
    return bytes(text)


def _write(memory: Memory, pe: int, parameter: int) -> Answer:
    words = _words(memory, pe, parameter, 3)
    if words is None:
        return Answer(-1)
    _, va, size_bytes = words
    text = memory.read_virtual_or_none(pe, va, min(size_bytes, TEXT_MOST_BYTES))
    return Answer(size_bytes) if text is None else Answer(size_bytes - len(text), text)
