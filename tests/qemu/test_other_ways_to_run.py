"""What an image prints does not depend on how it is assembled, interleaved or costed.

The project's own front end assembles it; every interleaving and every profile runs it. None of this needs QEMU or
the GNU tools: the expected consoles are checked in, and test_qemu_console.py holds QEMU to them.
"""

import functools
import sys
from pathlib import Path
from typing import Any

import pytest

from sim.loader.load import load_image
from sim.machine import Machine

sys.path.insert(0, str(Path(__file__).parent))
from harness import IMAGES, IMAGES_TO_RUN, LOAD_PA, Image

BUDGET_CYCLES = 2_000_000_000
ASSEMBLED = [image for image in IMAGES_TO_RUN if image.source_path.suffix == ".s" and not image.source]
WAYS: dict[str, dict[str, Any]] = {
    "blocks in cycle order": {},
    "a quantum of 1000 cycles": {"interleaving": "quantum", "quantum_cycles": 1000},
    "a quantum of 100000 cycles": {"interleaving": "quantum", "quantum_cycles": 100_000},
    "single instructions": {"interleaving": "instruction"},
    "another seed": {"seed": 12345},
    "cortex-a53": {"profile": "cortex-a53"},
    "neoverse-n1": {"profile": "neoverse-n1"},
}


@functools.cache
def assembled(image: Image) -> Any:
    """The image as the project's front end makes it of the source."""
    return load_image(image.source_path, origin_pa=LOAD_PA, constants={}, include_dirs=[IMAGES])


def ways_of(image: Image) -> list[str]:
    """All ways, without the profiles that lack what the image is about."""
    needs_its_own = image.profile != "cortex-a72"
    return [way for way, settings in WAYS.items() if not needs_its_own or settings.get("profile", image.profile) == image.profile]


@pytest.mark.parametrize(("image", "way"),
                         [pytest.param(image, way, id=f"{image.name}-{way}") for image in ASSEMBLED for way in ways_of(image)])
def test_an_image_prints_the_same_whichever_way_it_is_run(image: Image, way: str) -> None:
    result = Machine(pes=image.pes, **{"profile": image.profile, **WAYS[way]}).load(assembled(image)).run(budget_cycles=BUDGET_CYCLES)
    assert result.console == image.expected, result.verdict
    assert (result.exit_status or 0) == image.exit_status, result.verdict
