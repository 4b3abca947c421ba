"""Images of the built-in kernels by GNU as, and the text of the sources, for the tests of `asm/`."""
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from firmware.kernels import ASM_DIRECTORY, Kernel
from firmware.layout import render_layout_inc

GNU_TOOLS = ("aarch64-linux-gnu-as", "aarch64-linux-gnu-ld", "aarch64-linux-gnu-objcopy")
ORIGIN = "0x40080000"


@dataclass(frozen=True)
class GnuImage:
    """A flat image and the labels in it."""

    path: Path
    symbols: dict[str, int]


Build = Callable[[Kernel, dict[str, int]], GnuImage]


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """Assembles a kernel with GNU as, links it at its address and makes a flat image of it."""
    for tool in GNU_TOOLS:
        if not shutil.which(tool):
            pytest.skip(f"{tool} is not installed")

    def build_one(kernel: Kernel, constants: dict[str, int]) -> GnuImage:
        place = tmp_path_factory.mktemp(kernel.name)
        (place / "layout.inc").write_text(render_layout_inc(constants))
        commands = [[GNU_TOOLS[0], "-march=armv8.2-a", "-I", str(ASM_DIRECTORY), "-o", "kernel.o", "layout.inc", str(kernel.path)],
                    [GNU_TOOLS[1], f"-Ttext={ORIGIN}", "-e", ORIGIN, "-o", "kernel.elf", "kernel.o"],
                    [GNU_TOOLS[2], "-O", "binary", "kernel.elf", "kernel.bin"]]
        for command in commands:
            done = subprocess.run(command, check=False, cwd=place, capture_output=True, text=True, timeout=30)
            assert done.returncode == 0, done.stderr
        with (place / "kernel.elf").open("rb") as file:
            table = ELFFile(file).get_section_by_name(".symtab")
            symbols = {symbol.name: symbol["st_value"] for symbol in table.iter_symbols() if symbol["st_shndx"] == 1}
        return GnuImage(place / "kernel.bin", symbols)

    return build_one


def source_files() -> list[Path]:
    """Every assembler source, parts and top files."""
    return sorted([*ASM_DIRECTORY.rglob("*.inc"), *ASM_DIRECTORY.rglob("*.s")])


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that takes `source` runs once for each file of `asm/`."""
    if "source" in metafunc.fixturenames:
        metafunc.parametrize("source", source_files(), ids=lambda path: path.name)
