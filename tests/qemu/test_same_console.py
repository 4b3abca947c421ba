"""Quiesce and QEMU run the same image: the consoles are byte-equal and so are the exit statuses.

What QEMU prints is checked against the architecture in test_qemu_console.py; here each image also has to reach its checked-in console
without QEMU, so that an installation that has only the GNU tools still compares.
"""

import sys
from pathlib import Path

import pytest

from sim.machine import Machine

sys.path.insert(0, str(Path(__file__).parent))
from harness import IMAGES_TO_RUN, Image, build, gnu_missing, qemu_missing, run_qemu

pytestmark = [pytest.mark.gnu, pytest.mark.skipif(bool(gnu_missing()), reason=gnu_missing() or "present")]
BUDGET_CYCLES = 2_000_000_000
EVERY_IMAGE = pytest.mark.parametrize("image", IMAGES_TO_RUN, ids=lambda image: image.name)


def run_here(path: Path, image: Image) -> tuple[str, int, str]:
    """Console, exit status and verdict of a run in Quiesce; PSCI SYSTEM_OFF is exit status 0, as it is for QEMU."""
    result = Machine(pes=image.pes, profile=image.profile).load(path).run(budget_cycles=BUDGET_CYCLES)
    return result.console, result.exit_status or 0, f"{result.verdict.kind}: {result.verdict.reason}"


@EVERY_IMAGE
def test_quiesce_prints_what_the_architecture_asks_for(image: Image, tmp_path: Path) -> None:
    console, exit_status, verdict = run_here(build(image, tmp_path), image)
    assert console == image.expected, verdict
    assert exit_status == image.exit_status, verdict


@EVERY_IMAGE
@pytest.mark.qemu
@pytest.mark.skipif(bool(qemu_missing()), reason=qemu_missing() or "present")
def test_quiesce_and_qemu_print_the_same(image: Image, tmp_path: Path) -> None:
    path = build(image, tmp_path)
    theirs = run_qemu(path, image.pes)
    console, exit_status, verdict = run_here(path, image)
    assert console == theirs.console, verdict
    assert exit_status == theirs.exit_status, verdict
