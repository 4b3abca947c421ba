"""Random programs leave the same registers and memory in Quiesce as in QEMU, whole blocks and single instructions alike."""

import sys
from pathlib import Path

import pytest

from sim.machine import Machine

sys.path.insert(0, str(Path(__file__).parent))
from harness import gnu_missing, link_source, qemu_missing, run_qemu
from random_programs import source

pytestmark = [
    pytest.mark.gnu, pytest.mark.qemu,
    pytest.mark.skipif(bool(gnu_missing() or qemu_missing()), reason=gnu_missing() or qemu_missing() or "present"),
]
INSTRUCTIONS = 300
PROGRAMS = 40
BUDGET_CYCLES = 2_000_000_000


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All programs, one after another, as an ELF."""
    directory = tmp_path_factory.mktemp("random")
    path = directory / "random.s"
    path.write_text(source(range(PROGRAMS), INSTRUCTIONS), encoding="ascii")
    return link_source(path, directory)


def by_program(console: str) -> dict[str, str]:
    """What each program printed."""
    parts = [part.partition("\n") for part in console.split("== ")[1:]]
    return {name: report for name, _, report in parts}


@pytest.mark.parametrize("interleaving", ["block", "quantum", "instruction"])
def test_final_registers_and_memory_agree_with_qemu(image: Path, interleaving: str) -> None:
    theirs = by_program(run_qemu(image, 1).console)
    assert set(theirs) == {f"program {seed}" for seed in range(PROGRAMS)} | {"end"}
    result = Machine(interleaving=interleaving).load(image).run(budget_cycles=BUDGET_CYCLES)
    ours = by_program(result.console)
    for name, report in theirs.items():
        assert ours.get(name) == report, f"{name}: {result.verdict}"


def test_the_programs_are_what_they_are_said_to_be() -> None:
    text = source(range(PROGRAMS), INSTRUCTIONS)
    assert text == source(range(PROGRAMS), INSTRUCTIONS)
    for mnemonic in ("casp", "ldsmin", "stlxr", "crc32c", "fmadd", "sqrdmulh", "tbx", "ld4r", "ldp", "ccmp", "extr", "sdiv", "sha256h",
                     "tbnz"):
        assert f" {mnemonic}" in text, mnemonic
