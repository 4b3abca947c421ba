"""Imports point down only, and one room alone knows the engine."""
import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SIM = ROOT / "sim"
#: Lowest first. A module imports its own room and the rooms before it; docs/architecture.md says what each is for.
ROOMS = ("errors", "compiled_cache", "arch", "state", "hot", "engine", "devices", "timing", "observers", "trace", "loader", "machine", "experiments",
         "benchmarks", "sweeps", "calibration", "cli")
#: Modules directly in sim/: the room that each belongs to.
TOP_LEVEL = {
    "errors": "errors", "compiled_cache": "compiled_cache", "settings": "timing", "build": "loader", "view": "loader", "tables": "loader",
    "result": "loader", "snapshot": "loader", "machine": "machine", "report": "cli",
}
ENGINES = {"unicorn"}
FIRMWARE_USERS = ("experiments", "benchmarks", "sweeps", "calibration", "cli")


def room_of(module: str) -> str:
    """The room of `sim.x.y`."""
    name = module.split(".")[1]
    if name in TOP_LEVEL:
        return TOP_LEVEL[name]
    if name.startswith("cli"):
        return "cli"
    assert name in ROOMS, f"{module} is in no room: give it one in tests/test_layers.py and docs/architecture.md"
    return name


def imports_of(path: Path) -> Iterator[tuple[int, str]]:
    """(line, module) of every import in a file, those in functions and for type checking included."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports are absolute"
            assert node.module is not None
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                is_module = (ROOT / Path(*inner.split("."))).with_suffix(".py").exists() or (ROOT / Path(*inner.split("."))).is_dir()
                yield node.lineno, inner if is_module else node.module


def modules() -> list[Path]:
    found = sorted(path for path in SIM.rglob("*.py") if path != SIM / "__init__.py")
    assert len(found) > 50
    return found


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_imports_only_its_own_room_and_those_below(path: Path) -> None:
    mine = room_of(".".join(path.relative_to(ROOT).with_suffix("").parts))
    for line, module in imports_of(path):
        top = module.split(".")[0]
        assert top not in ENGINES or mine == "engine", f"{path}:{line}: only sim/engine imports {top}"
        assert top not in ("tests", "bench"), f"{path}:{line}: the package imports {top}"
        assert top != "firmware" or mine in FIRMWARE_USERS, f"{path}:{line}: only {', '.join(FIRMWARE_USERS)} import firmware"
        if top == "sim" and "." in module:
            theirs = room_of(module)
            assert ROOMS.index(theirs) <= ROOMS.index(mine), f"{path}:{line}: {mine} imports {module}, which is above it"


def test_nothing_imports_the_command_line() -> None:
    for path in [*modules(), *(ROOT / "firmware").glob("*.py")]:
        if not path.name.startswith("cli"):
            assert not [module for _, module in imports_of(path) if module.startswith("sim.cli")], path


def test_firmware_knows_the_vocabulary_and_the_errors_alone() -> None:
    for path in (ROOT / "firmware").glob("*.py"):
        for line, module in imports_of(path):
            if module.split(".")[0] == "sim":
                assert room_of(module) in ("errors", "arch"), f"{path}:{line}: {module}"


def test_the_rooms_in_the_documentation_are_those_that_exist() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    for room in [path.name for path in SIM.iterdir() if path.is_dir() and list(path.glob("*.py"))]:
        assert f"`{room}/`" in text, f"docs/architecture.md does not say what sim/{room}/ is for"
