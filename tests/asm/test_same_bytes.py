"""The project's front end and GNU as make the same bytes and the same labels of every top file."""
import importlib.util

import pytest

from firmware.kernels import ASM_DIRECTORY, Kernel, kernels
from sim.arch.memory_map import IMAGE_OFFSET_BYTES, RAM_PA

from .conftest import Build

NO_FRONT_END = importlib.util.find_spec("sim.loader.source") is None
pytestmark = [pytest.mark.gnu, pytest.mark.skipif(NO_FRONT_END, reason="sim.loader.source is not there")]


def test_every_top_file_is_a_registered_kernel() -> None:
    assert {path.stem for path in (ASM_DIRECTORY / "kernels").glob("*.s")} == {kernel.name for kernel in kernels()}


@pytest.mark.parametrize("lse", [True, False], ids=["lse", "exclusives"])
@pytest.mark.parametrize("kernel", kernels(), ids=lambda kernel: kernel.name)
def test_front_end_and_gnu_as_agree(kernel: Kernel, lse: bool, build: Build) -> None:
    from sim.loader.source import assemble_file

    constants = kernel.build_constants(lse=lse)
    expected = build(kernel, constants)
    image = assemble_file(kernel.path, origin_pa=RAM_PA + IMAGE_OFFSET_BYTES, constants=constants, include_dirs=kernel.include_directories)
    got = bytearray()
    for segment in image.segments:
        got += bytes(segment.pa - RAM_PA - IMAGE_OFFSET_BYTES - len(got)) + segment.data + bytes(segment.size_bytes - len(segment.data))
    wanted = expected.path.read_bytes()
    different = next((offset for offset, pair in enumerate(zip(got, wanted, strict=False)) if pair[0] != pair[1]), None)
    assert different is None, f"the images differ from offset {different:#x} on"
    assert len(got) == len(wanted)
    labels = {name: address for name, address in expected.symbols.items() if name and name[0] not in "$._"}     # not the linker's own
    assert {name: image.symbols.get(name) for name in labels} == labels
