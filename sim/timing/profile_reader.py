"""Reads a TOML file into dataclasses and names whatever is wrong with it by file, line and key."""
import re
import tomllib
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Final, NamedTuple, get_args, get_origin, get_type_hints

from sim.errors import UserError

_TYPE_TEXT: Final = {int: "a whole number", str: "a string", bool: "true or false"}
_HEADER = re.compile(r"\s*\[\s*([\w.\s-]+?)\s*\]\s*(?:#.*)?$")
_KEY = re.compile(r"\s*([\w-]+(?:\s*\.\s*[\w-]+)*)\s*=")


class Range(NamedTuple):
    """A whole number's least and most, both allowed."""

    least: int
    most: int


class Choice(NamedTuple):
    """The values allowed."""

    allowed: tuple[object, ...]


class Problem(NamedTuple):
    """One mistake: the line in the file, counted from 1, 0 when there is none, and what is wrong."""

    line: int
    message: str


def key_lines(text: str) -> dict[str, int]:
    """The line, counted from 1, of each table and key of a TOML text, by its dotted name. A table made by dotted keys alone has none."""
    found: dict[str, int] = {}
    table = ""
    for number, line in enumerate(text.splitlines(), 1):
        if header := _HEADER.match(line):
            table = re.sub(r"\s", "", header[1])
            found.setdefault(table, number)
        elif key := _KEY.match(line):
            found.setdefault(".".join(filter(None, (table, re.sub(r"\s", "", key[1])))), number)
    return found


class Reader:
    """Turns the tables of one file into dataclasses. `problems` holds every mistake found so far, in the order in which it was found.

    classes: the keys of every field of type MappingProxyType, whose values are all of type `class_value`. rules: Range or Choice of fields
    whose dataclass does not say it by Annotated, by their last name.
    """

    def __init__(self, path: Path, classes: tuple[str, ...], class_value: Any, rules: Mapping[str, Range | Choice]) -> None:
        self.path, self._classes, self._class_value, self._rules = path, classes, class_value, rules
        self.problems: list[Problem] = []
        self._lines: dict[str, int] = {}

    def read(self, kind: type[Any]) -> Any:
        """An instance of a dataclass from the file, None if anything is wrong. Raises UserError if it cannot be read or is no TOML."""
        try:
            text = self.path.read_text(encoding="utf-8")
            table = tomllib.loads(text)
        except OSError as error:
            raise UserError(f"profile {self.path}: {error.strerror or error}") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise UserError(f"profile {self.path}: not TOML: {error}") from None
        self._lines = key_lines(text)
        made = self._build(kind, table, "")
        return None if self.problems else made

    def complain(self, key: str, message: str) -> None:
        """Note that something is wrong at a key, which is in the file, or would be in the table that is."""
        place = key
        while place and place not in self._lines:
            place = place.rpartition(".")[0]
        self.problems.append(Problem(self._lines.get(place, 0), message))

    def texts(self) -> list[str]:
        """Every problem as `FILE:LINE: what`, in the order of the lines; without a line, `profile FILE: what`."""
        return [f"{self.path}:{line}: {message}" if line else f"profile {self.path}: {message}" for line, message in sorted(self.problems)]

    def _build(self, kind: type[Any], table: object, where: str) -> Any:
        """An instance of a dataclass from a table whose keys are its fields; where is "" or ends in a dot."""
        if not self._is_complete(table, [item.name for item in fields(kind)], where):
            return None
        hints = get_type_hints(kind, include_extras=True)
        values = {name: self._value(hints[name], table[name], where + name) for name in hints if name in table}     # type: ignore[index, operator]
        return None if self.problems else kind(**values)

    def _is_complete(self, table: object, expected: list[str], where: str) -> bool:
        """Whether it is a table at all. Complains of what is unknown, with what was probably meant, then of what is missing."""
        if not isinstance(table, dict):
            self.complain(where.rstrip("."), f"{where.rstrip('.')} must be a table")
            return False
        missing = [key for key in expected if key not in table]
        for key in table:
            if key in expected:
                continue
            close = get_close_matches(key, missing, n=1) or get_close_matches(key, expected, n=1)
            self.complain(where + key, f"unknown key {where}{key}" + (f" (did you mean {close[0]}?)" if close else ""))
            missing = [name for name in missing if name not in close]
        for key in missing:
            self.complain(where + key, f"missing key {where}{key}")
        return True

    def _value(self, hint: Any, given: object, key: str) -> Any:
        """One value, checked against its type and its rule; None after a complaint."""
        rule: object = self._rules.get(key.rpartition(".")[2])
        if get_origin(hint) is Annotated:
            hint, rule = get_args(hint)
        if isinstance(hint, type) and is_dataclass(hint):
            return self._build(hint, given, key + ".")
        if get_origin(hint) is MappingProxyType:
            return self._by_class(given, key)
        if type(given) is not hint:                         # type(), not isinstance(): true is no number
            self.complain(key, f"{key} must be {_TYPE_TEXT[hint]}, not {given!r}")
        elif isinstance(rule, Choice) and given not in rule.allowed:
            close = get_close_matches(str(given), [str(choice) for choice in rule.allowed], n=1) if isinstance(given, str) else []
            meant = f" (did you mean {close[0]}?)" if close else ""
            self.complain(key, f"{key} must be one of {', '.join(str(choice) for choice in rule.allowed)}, not {given!r}{meant}")
        elif isinstance(rule, Range) and isinstance(given, int) and not rule.least <= given <= rule.most:
            self.complain(key, f"{key} must be from {rule.least} to {rule.most}, not {given}")
        else:
            return given
        return None

    def _by_class(self, given: object, key: str) -> MappingProxyType[str, int] | None:
        """A table of figures, one for each class."""
        if not self._is_complete(given, list(self._classes), key + "."):
            return None
        table: dict[str, object] = given                    # type: ignore[assignment]
        return MappingProxyType({name: self._value(self._class_value, table[name], f"{key}.{name}") for name in self._classes if name in table})
