"""QEMU agrees with what the architecture asks each image to print: the images are a fit yardstick for Quiesce."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from harness import IMAGES_TO_RUN, Image, build, gnu_missing, qemu_missing, run_qemu

pytestmark = [
    pytest.mark.qemu,
    pytest.mark.gnu,
    pytest.mark.skipif(bool(gnu_missing()), reason=gnu_missing() or "present"),
    pytest.mark.skipif(bool(qemu_missing()), reason=qemu_missing() or "present"),
]


@pytest.mark.parametrize("image", IMAGES_TO_RUN, ids=lambda image: image.name)
def test_qemu_prints_what_the_architecture_asks_for(image: Image, tmp_path: Path) -> None:
    result = run_qemu(build(image, tmp_path), image.pes)
    assert result.console == image.expected, result.messages
    assert result.exit_status == image.exit_status
