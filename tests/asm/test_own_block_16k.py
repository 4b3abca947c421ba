"""The regime of 16 KB under QEMU: as many blocks as RAM holds, and no PE more."""
import shutil

import pytest

from firmware.kernels import kernel
from firmware.layout import layout_constants

from .conftest import Build
from .test_under_qemu import QEMU, run

pytestmark = [pytest.mark.gnu, pytest.mark.qemu, pytest.mark.skipif(not shutil.which(QEMU), reason=f"{QEMU} is not installed")]


@pytest.mark.parametrize(("pes", "ram_mb", "blocks"), [(8, 256, 7), (9, 256, 7), (20, 2048, 19)])
def test_seven_blocks_fit_into_256_mb_and_more_into_2_gb(pes: int, ram_mb: int, blocks: int, build: Build) -> None:
    image = build(kernel("own_block_16k"), layout_constants(pes, 5, ram_bytes=32 << 20) | {"RAM_MEGABYTES": ram_mb})
    missing = pes - 1 - blocks
    said = f"own_block_16k: {blocks} blocks of 32 MB, {5 * blocks} interrupts answered, no memory for {missing} PEs\n"
    assert run(image, pes, "-m", str(ram_mb)) == (said, 1 if missing else 0)
