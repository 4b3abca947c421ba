"""Tools for the tests of the loaders: images made by GNU as, ld and objcopy, which share nothing with ours."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

ORIGIN_PA = 0x4008_0000
TOOLS = ("aarch64-linux-gnu-as", "aarch64-linux-gnu-ld", "aarch64-linux-gnu-objcopy")


def _run(*command: str | Path) -> None:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, f"{command[0]}: {done.stderr}"


@pytest.fixture
def gnu_elf(tmp_path: Path) -> Callable[..., Path]:
    """Assemble and link a text with GNU: gives the ELF."""
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"{missing[0]} is not installed")

    def build(text: str, *ld_options: str, march: str = "armv8.6-a", origin_pa: int = ORIGIN_PA) -> Path:
        source, made, linked = tmp_path / "gnu.s", tmp_path / "gnu.o", tmp_path / "gnu.elf"
        source.write_text(text)
        _run(TOOLS[0], f"-march={march}", "-I", tmp_path, "-o", made, source)
        _run(TOOLS[1], f"-Ttext={origin_pa:#x}", *ld_options, "-o", linked, made)
        return linked
    return build


@pytest.fixture
def gnu_bytes(gnu_elf: Callable[..., Path], tmp_path: Path) -> Callable[..., bytes]:
    """Assemble and link a text with GNU: gives the flat image."""
    def build(text: str, **options: str) -> bytes:
        flat = tmp_path / "gnu.bin"
        _run(TOOLS[2], "-O", "binary", gnu_elf(text, **options), flat)
        return flat.read_bytes()
    return build
