"""What a sweep is about, read from TOML: settings that every run has, parameters that are multiplied out, and seeds.

    seeds = 100                         # 0 to 99; or "10..19", or a list

    [run]                               # the same for every point
    kernel = "rendezvous"
    rounds = 50

    [parameters]                        # each point has one value of each; the last one changes fastest
    pes = "2..64 x2"
    profile = ["cortex-a53", "cortex-a72"]
    "profile.costs.tlbi_issue_cycles" = [4, 8, 16]

Paths are relative to the file. Every key may stand in either table; what is in neither has the value that `quiesce run` gives it.
"""
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from difflib import get_close_matches
from itertools import product
from pathlib import Path
from typing import Any, Final, get_args, get_type_hints

from sim.errors import UserError
from sim.result import STATISTICS
from sim.settings import BUDGET_DEFAULT_CYCLES, Settings
from sim.sweeps.values import Value, expand, expand_seeds, flatten

RUNS_MOST = 1_000_000
SEEDS_DEFAULT = 1
_TABLES = ("run", "parameters")
_TOP = ("seeds", "measures", *_TABLES)
#: Settings of a machine that are not its own to choose here, and what they are called instead.
_OTHER_WORDS = {"seed": "seeds at the top of the file", "ram_bytes": "ram", "events": "nothing: marks and console are recorded"}
#: Keys beside the settings of a machine: type and default; None: the kernel's own.
_FURTHER: Final[dict[str, tuple[type, Value | None]]] = {
    "kernel": (str, None), "profile": (str, "cortex-a72"), "rounds": (int, None), "warmup": (int, None), "ram": (str, "256M"),
    "budget": (int, BUDGET_DEFAULT_CYCLES), "serror_period": (int, 0), "fiq_period": (int, 0),
}
MEASURE_FAMILIES = ("rendezvous.", "marks.", "bench.")      # where the kernel has them: sim.sweeps.measures
_TYPE_TEXT = {int: "a whole number", str: "a string", bool: "true or false"}


def _machine_keys() -> dict[str, tuple[type, Any]]:
    """Settings of Machine by name: type and default."""
    hints, found = get_type_hints(Settings), {}
    for item in fields(Settings):
        if item.name not in _OTHER_WORDS:
            kind = next((part for part in get_args(hints[item.name]) if part is not type(None)), hints[item.name])
            found[item.name] = (kind, None if item.default is MISSING else item.default)
    return found


MACHINE_KEYS: Final = _machine_keys()
KEYS: Final = MACHINE_KEYS | _FURTHER


@dataclass(frozen=True, slots=True)
class Point:
    """One choice of a value for each parameter. parameters: those; given: with what [run] says."""

    number: int
    parameters: Mapping[str, Value]
    given: Mapping[str, Value]

    @property
    def text(self) -> str:
        """The parameters in a line."""
        return ", ".join(f"{name} = {value}" for name, value in self.parameters.items()) or "the only point"


@dataclass(frozen=True, slots=True)
class Spec:
    """A sweep. include: directories where the source's .include looks. measures: what the table at the end shows; empty: the usual ones."""

    path: Path
    run: Mapping[str, Value]
    parameters: Mapping[str, tuple[Value, ...]]
    seeds: Sequence[int]
    include: tuple[Path, ...]
    measures: tuple[str, ...]

    @property
    def directory(self) -> Path:
        """What paths in it are relative to."""
        return self.path.resolve().parent

    def points(self) -> list[Point]:
        """All of them, in order."""
        names = list(self.parameters)
        return [Point(number, dict(zip(names, values, strict=True)), {**self.run, **dict(zip(names, values, strict=True))})
                for number, values in enumerate(product(*self.parameters.values()))]


def read_spec(path: Path) -> Spec:
    """Read a specification. Raises UserError, naming file and key, for whatever is unknown, missing or of the wrong type."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path}: {error.strerror or error}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        hint = "; a key with dots stands in quotes where its first word is a key too" if "namespace" in str(error) else ""
        raise UserError(f"{path}: not TOML: {error}{hint}") from None
    try:
        return _spec(path, table)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None


def _spec(path: Path, table: dict[str, Any]) -> Spec:
    for key in table:
        if key not in _TOP:
            raise _unknown(key, "", _TOP)
    for name in _TABLES:
        if not isinstance(table.get(name, {}), dict):
            raise UserError(f"{name} must be a table")
    given = dict(table.get("run", {}))
    include = _include(given.pop("include", []), path)
    run = dict(flatten(given))
    parameters = {key: expand(value, f"parameters.{key}") for key, value in flatten(table.get("parameters", {}))}
    for key, value in run.items():
        _check(key, (value,), "run")
        if key in parameters:
            raise UserError(f"{key} stands in [run] and in [parameters]: only one of them can hold")
    for key, values in parameters.items():
        _check(key, values, "parameters")
    if "kernel" not in run and "kernel" not in parameters:
        raise UserError("missing key run.kernel")
    seeds = expand_seeds(table.get("seeds", SEEDS_DEFAULT), "seeds")
    spec = Spec(path, run, parameters, seeds, include, _measures(table.get("measures", [])))
    runs = len(spec.seeds)
    for values in parameters.values():
        runs *= len(values)
    if runs > RUNS_MOST:
        raise UserError(f"that is {runs:,} runs, at most {RUNS_MOST:,}")
    return spec


def _unknown(key: str, where: str, known: Sequence[str]) -> UserError:
    if key in _OTHER_WORDS:
        return UserError(f"{where}{key}: is said otherwise: {_OTHER_WORDS[key]}")
    if key in _TOP:
        return UserError(f"{where}{key}: belongs to the top of the file, before the first table")
    close = get_close_matches(key, known, n=1)
    return UserError(f"unknown key {where}{key}" + (f" (did you mean {close[0]}?)" if close else ""))


def _check(key: str, values: Sequence[object], table: str) -> None:
    """Key and types; whether a value makes sense is seen when the points are prepared."""
    if key.startswith("profile."):
        return                          # against the profile itself: sim.sweeps.profiles
    if not key.startswith("define.") and key not in KEYS:
        raise _unknown(key, f"{table}.", list(KEYS))
    kind = int if key.startswith("define.") else KEYS[key][0]
    for value in values:
        if type(value) is not kind:     # type(), not isinstance(): true is no number
            raise UserError(f"{table}.{key}: must be {_TYPE_TEXT[kind]}, not {value!r}")


def _include(given: object, path: Path) -> tuple[Path, ...]:
    if not isinstance(given, list) or not all(isinstance(one, str) for one in given):
        raise UserError(f"run.include: must be a list of directories, not {given!r}")
    directories = tuple(path.resolve().parent / one for one in given)
    for one in directories:
        if not one.is_dir():
            raise UserError(f"run.include: {one} is not a directory")
    return directories


def _measures(given: object) -> tuple[str, ...]:
    known = ["exit_status", *STATISTICS]
    if not isinstance(given, list) or not all(isinstance(one, str) for one in given):
        raise UserError(f"measures must be a list of names, not {given!r}")
    for name in given:
        if name not in known and not name.startswith(MEASURE_FAMILIES):
            close = get_close_matches(name, known, n=1)
            there_are = (f": there are {', '.join(known)}, and where the kernel has them rendezvous.PHASE.FIGURE_cycles, "
                         "bench.SCENARIO.total.FIGURE_cycles and marks.NAME.passed")
            raise UserError(f"unknown measure {name!r}" + (f" (did you mean {close[0]}?)" if close else there_are))
    return tuple(given)
