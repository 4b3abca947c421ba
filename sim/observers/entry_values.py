"""What is known of a register while code is only read: a number, a place in an object, or nothing.

A value is a base and an offset. Bases: NUMBER (the offset is the number itself), the stack at the moment of the exception, pcpu, thread, tables
(translation tables, wherever they lie), "*base+offset" for what a pointer found there leads to, and UNKNOWN. `exact` is False where the offset
is only near: an index was added that nobody knows.
"""
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

NUMBER, STACK_BASE, PCPU_BASE, THREAD_BASE, TABLES_BASE, UNKNOWN_BASE = "number", "stack", "pcpu", "thread", "tables", ""
SP, ZERO = 31, 32
_MASK = (1 << 64) - 1
_NEAR_BYTES = 4096                      # numbers further apart than this are not taken for places in one table
_CALLEE_SAVED = range(18)               # x0 to x17: what a call may change


class Value(NamedTuple):
    """A base, an offset from it in bytes, whether the offset is exact, and for a number read from memory: the others it may be."""

    base: str
    offset: int = 0
    exact: bool = True
    others: frozenset[int] = frozenset()

    @property
    def number(self) -> int | None:
        """The number that it is, None if it is none or not exactly known."""
        return self.offset if self.base == NUMBER and self.exact and not self.others else None

    def numbers(self) -> frozenset[int]:
        """All numbers that it may be; none if that is not known."""
        return self.others | {self.offset} if self.base == NUMBER and self.exact else frozenset()


UNKNOWN = Value(UNKNOWN_BASE, 0, False)


def number(value: int) -> Value:
    """A constant, modulo 2**64."""
    return Value(NUMBER, value & _MASK)


def moved(value: Value, bytes_: int) -> Value:
    """A value plus a known number of bytes."""
    if value.base == UNKNOWN_BASE:
        return UNKNOWN
    offset = (value.offset + bytes_) & _MASK if value.base == NUMBER else value.offset + bytes_
    return Value(value.base, offset, value.exact and not value.others)


def blurred(value: Value) -> Value:
    """A value plus something unknown: still in the same object, nobody knows where."""
    return UNKNOWN if value.base == UNKNOWN_BASE else Value(value.base, value.offset, False)


def joined(one: Value, other: Value) -> Value:
    """What holds of both."""
    if one == other:
        return one
    if one.base != other.base or one.base == UNKNOWN_BASE:
        return UNKNOWN
    if one.base == NUMBER and abs(one.offset - other.offset) > _NEAR_BYTES:
        return UNKNOWN
    return Value(one.base, one.offset, False)


@dataclass
class Registers:
    """x0 to x30 and SP at one point of the code, and what was stored on the stack, by its offset."""

    values: list[Value] = field(default_factory=lambda: [UNKNOWN] * 31 + [Value(STACK_BASE)])
    stack: dict[int, Value] = field(default_factory=dict)

    def copy(self) -> "Registers":
        """One that can be changed without this one."""
        return Registers(self.values.copy(), self.stack.copy())

    def read(self, register: int) -> Value:
        """A register; XZR is the number 0."""
        return number(0) if register == ZERO else self.values[register]

    def write(self, register: int, value: Value) -> None:
        """Set a register; XZR takes nothing. SP is taken to point to the stack, though nobody may know where."""
        if register == SP and value == UNKNOWN:
            value = Value(STACK_BASE, 0, False)
        if register != ZERO:
            self.values[register] = value

    def forget_call(self) -> None:
        """What a function that nobody knows may have changed."""
        for register in (*_CALLEE_SAVED, 30):
            self.values[register] = UNKNOWN

    def join(self, other: "Registers") -> bool:
        """Keep what holds of both; whether this one has changed."""
        values = [joined(mine, theirs) for mine, theirs in zip(self.values, other.values, strict=True)]
        stack = {offset: joined(value, other.stack[offset]) for offset, value in self.stack.items() if offset in other.stack}
        changed = values != self.values or stack != self.stack
        self.values, self.stack = values, stack
        return changed


Memory = Mapping[int, frozenset[int]]   # address -> the numbers that code was seen to store there
