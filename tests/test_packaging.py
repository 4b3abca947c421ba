"""What is installed has everything that the command needs, and says who may use it."""
import subprocess
import sys
import tomllib
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel, built from a copy of the tracked files, so that nothing lying about gets in and nothing is left behind."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    listed = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listed.returncode:
        pytest.skip("needs the git checkout")
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    built = subprocess.run([sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(out), str(source)],
                           capture_output=True, text=True, check=False)
    if built.returncode and ("onnection" in built.stderr or "No matching distribution found for setuptools" in built.stderr):
        pytest.skip("pip cannot fetch setuptools here")
    assert built.returncode == 0, built.stderr
    return zipfile.ZipFile(next(out.glob("quiesce-*.whl")))


def tracked(pattern: str) -> set[str]:
    return {str(path.relative_to(ROOT)) for path in ROOT.glob(pattern)}


def test_the_wheel_has_every_module_source_and_profile(wheel: zipfile.ZipFile) -> None:
    names = set(wheel.namelist())
    for pattern in ("sim/**/*.py", "firmware/**/*.py", "asm/**/*.s", "asm/**/*.inc", "sim/timing/profiles/*.toml"):
        assert tracked(pattern), pattern
        assert tracked(pattern) <= names, f"missing: {tracked(pattern) - names}"


def test_the_wheel_has_nothing_else(wheel: zipfile.ZipFile) -> None:
    assert {name.split("/")[0].split("-")[0] for name in wheel.namelist()} == {"sim", "firmware", "asm", "quiesce"}


def test_the_wheel_says_its_licence_and_its_command(wheel: zipfile.ZipFile) -> None:
    metadata = next(name for name in wheel.namelist() if name.endswith("/METADATA"))
    headers = Parser().parsestr(wheel.read(metadata).decode())
    assert (headers["Name"], headers["License-Expression"], headers["License-File"]) == ("quiesce", "BSD-2-Clause", "LICENSE")
    entry_points = next(name for name in wheel.namelist() if name.endswith("/entry_points.txt"))
    assert "quiesce = sim.cli:main" in wheel.read(entry_points).decode()
    assert "Redistribution and use in source and binary forms" in wheel.read(metadata.replace("METADATA", "licenses/LICENSE")).decode()


def test_every_dependency_is_bounded() -> None:
    for requirement in PROJECT["dependencies"]:
        assert "==" in requirement or (">=" in requirement and "<" in requirement.replace(">=", "")), requirement


def test_the_changelog_names_the_version() -> None:
    assert f"## {PROJECT['version']}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
