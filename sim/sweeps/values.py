"""Values of a sweep's specification: tables with dots in their keys, lists, and ranges in words."""
import re
from collections.abc import Iterator, Sequence
from typing import Any

from sim.errors import UserError

Value = int | float | str | bool
VALUES_MOST = 100_000                   # of one parameter: a slip of the pen, not a sweep
SEED_MOST = (1 << 63) - 1               # what the store keeps
_RANGE = re.compile(r"(-?\d+)\s*\.\.\s*(-?\d+)(?:\s*(x|step)\s*(\d+))?")
_RANGE_KEYS = {"from", "to", "step", "times"}
_HINT = "write a list, a range as \"2..64\", \"2..256 x2\" or \"0..100 step 10\", or {from = 0, to = 100, step = 10}"


def flatten(table: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """(key, value) of a table and the tables in it, with dots between the keys; a range stays a value."""
    for key, value in table.items():
        if isinstance(value, dict) and not is_range(value):
            yield from flatten(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def is_range(table: dict[str, Any]) -> bool:
    """Whether a table says from where to where."""
    return {"from", "to"} <= set(table) <= _RANGE_KEYS


def expand(given: object, where: str) -> tuple[Value, ...]:
    """The values of a list, of a range as text, or of a table {from, to, step | times}; both ends of a range belong to it.

    Raises UserError, beginning with `where`, for anything else, for no value at all, and for one that is there twice.
    """
    if isinstance(given, list):
        values = [value for part in given for value in (_text_range(part, where) or [part])]
    elif isinstance(given, dict) and is_range(given):
        values = list(_table_range(given, where))
    else:
        found = _text_range(given, where)
        if found is None:
            raise UserError(f"{where}: {_HINT}, not {given!r}; what is the same for every point belongs into [run]")
        values = list(found)
    for value in values:
        if not isinstance(value, (int, float, str, bool)):
            raise UserError(f"{where}: {value!r} is neither a number, a string nor true or false")
    if not values:
        raise UserError(f"{where}: there is no value in it")
    if len(values) > VALUES_MOST:
        raise UserError(f"{where}: {len(values)} values, at most {VALUES_MOST}")
    seen = {(type(value), value) for value in values}
    if len(seen) != len(values):
        raise UserError(f"{where}: a value is there twice")
    return tuple(values)


def expand_seeds(given: object, where: str) -> Sequence[int]:
    """Seeds: a number of them, from 0 on, or what `expand` takes. Raises UserError."""
    if type(given) is int:
        if not 1 <= given <= VALUES_MOST:
            raise UserError(f"{where} {given}: it must be from 1 to {VALUES_MOST} seeds, or a list or range of them")
        return range(given)
    seeds: list[int] = []
    for seed in expand(given, where):
        if type(seed) is not int or not 0 <= seed <= SEED_MOST:
            raise UserError(f"{where}: {seed!r} is no seed: a whole number from 0 to 2**63 - 1")
        seeds.append(seed)
    return seeds


def _text_range(given: object, where: str) -> Sequence[int] | None:
    """The numbers of "2..64", "2..256 x2" or "0..100 step 10"; None for what is no such text."""
    match = _RANGE.fullmatch(given.strip()) if isinstance(given, str) else None
    if match is None:
        return None
    first, last, word, number = int(match[1]), int(match[2]), match[3], int(match[4] or 1)
    return _times(first, last, number, where) if word == "x" else _steps(first, last, number, where)


def _table_range(given: dict[str, Any], where: str) -> Sequence[int]:
    for key, value in given.items():
        if type(value) is not int:
            raise UserError(f"{where}.{key}: must be a whole number, not {value!r}")
    if "times" in given:
        if "step" in given:
            raise UserError(f"{where}: step and times contradict each other: give one of them")
        return _times(given["from"], given["to"], given["times"], where)
    return _steps(given["from"], given["to"], given.get("step", 1), where)


def _steps(first: int, last: int, step: int, where: str) -> Sequence[int]:
    if step < 1 or last < first:
        raise UserError(f"{where}: from {first} to {last} in steps of {step} there is nothing")
    found = range(first, last + 1, step)
    if len(found) > VALUES_MOST:
        raise UserError(f"{where}: {len(found)} values, at most {VALUES_MOST}")
    return found


def _times(first: int, last: int, factor: int, where: str) -> Sequence[int]:
    if first < 1 or last < first or factor < 2:
        raise UserError(f"{where}: from {first} to {last} times {factor} is no row of numbers: it must begin at 1 or more and grow")
    found = [first]
    while found[-1] * factor <= last:
        found.append(found[-1] * factor)
    return found
