"""Profiles of the points of a sweep: a profile with single keys changed, as text that a process elsewhere can read too."""
import json
import re
import tempfile
import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Any

from sim.errors import UserError
from sim.sweeps.values import Value, flatten
from sim.timing.profile import PROFILES_DIRECTORY, Profile, load_profile


def profile_path(name_or_path: str, directory: Path) -> Path:
    """Where a profile lies: a built-in name, or a path relative to the directory."""
    if "/" in name_or_path or name_or_path.endswith(".toml"):
        return directory / name_or_path
    load_profile(name_or_path)          # says which names there are
    return PROFILES_DIRECTORY / f"{name_or_path}.toml"


def profile_text(path: Path, changes: Mapping[str, Value]) -> str:
    """The TOML of a profile in which these keys ("costs.tlbi_issue_cycles") have other values.

    Raises UserError, naming the key, for one that the profile does not have or whose value is of the wrong kind or out of range.
    """
    load_profile(path)                  # what is wrong with the file itself is said of the file
    text = path.read_text(encoding="utf-8")
    if not changes:
        return text
    table = tomllib.loads(text)
    known = [key for key, _ in flatten(table)]
    for key, value in changes.items():
        if key not in known:
            close = get_close_matches(key, known, n=1)
            raise UserError(f"unknown key profile.{key}" + (f" (did you mean profile.{close[0]}?)" if close else ""))
        *tables, last = key.split(".")
        place = table
        for name in tables:
            place = place[name]
        place[last] = value
    changed = "".join(_lines(table, ""))
    profile_of_text(changed, path.stem)
    return changed


@lru_cache(maxsize=256)
def profile_of_text(text: str, name: str) -> Profile:
    """The profile of a TOML text. Raises UserError, naming the profile and the key, if it is not a complete and correct one."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "profile.toml"
        path.write_text(text, encoding="utf-8")
        try:
            return load_profile(path)
        except UserError as error:
            raise UserError(re.sub(rf"{re.escape(str(path))}(:\d+)?", name, str(error))) from None


def _lines(table: Mapping[str, Any], prefix: str) -> list[str]:
    """A table in TOML: its values, then the tables in it."""
    lines = [f"{key} = {_literal(value)}\n" for key, value in table.items() if not isinstance(value, dict)]
    for key, value in table.items():
        if isinstance(value, dict):
            lines += [f"\n[{prefix}{key}]\n", *_lines(value, f"{prefix}{key}.")]
    return lines


def _literal(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(_literal(one) for one in value)}]"
    return json.dumps(value, ensure_ascii=False)            # strings, numbers, true and false are written as in JSON
