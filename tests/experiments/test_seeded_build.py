"""A kernel for many seeds: the same bytes as each assembled by itself, and assembled as often as is needed."""
from collections.abc import Iterator
from pathlib import Path

import pytest

from firmware.kernels import kernel, kernels
from sim.experiments import seeded_build as module
from sim.experiments.kernel_build import build_constants, build_image
from sim.experiments.seeded_build import SEED, SeededBuild, seeded_build
from sim.loader.image import Image

SEEDS = (0, 1, 0xFFFF, 0x1_0000, 0xDEAD_0000_BEEF, (1 << 63) - 1)
#: Takes its seed as asm/ does, and exits with it; %s: where a test puts another use.
SOURCE = """
        .include "macros.inc"
_start:
        load_constant x5, SEED
        load_constant x6, 0x123456789
%s
        hlt     #0xf000
"""


@pytest.fixture
def assemblies(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """The seed of each assembly from here on."""
    seeds: list[int] = []

    def counted(chosen: object, constants: dict[str, int], include: object) -> Image:
        seeds.append(constants.get(SEED, -1))
        return build_image(chosen, constants, include)          # type: ignore[arg-type]

    seeded_build.cache_clear()
    module._assembled.cache_clear()
    monkeypatch.setattr(module, "build_image", counted)
    yield seeds
    seeded_build.cache_clear()
    module._assembled.cache_clear()


def build_of(path: Path, include: tuple[str, ...] = (), version: str = "") -> SeededBuild:
    return seeded_build(str(path), False, include, (), True, version)


def same(one: Image, other: Image) -> bool:
    return (one.segments, one.entry_pa, one.symbols, one.kind, one.name) == (other.segments, other.entry_pa, other.symbols, other.kind, other.name)


@pytest.mark.parametrize("name", ["hello", "rendezvous", "bench_shootdown", "window", "parking", "naive"])
def test_a_built_in_kernel_is_what_it_is_when_assembled_for_the_seed(name: str) -> None:
    built_in = kernel(name)
    constants = build_constants(built_in, pes=4, ram_bytes=256 << 20, seed=0, defined={})
    words = tuple(sorted((key, value) for key, value in constants.items() if key != SEED))
    build = seeded_build(name, True, (), words, True)
    assert build.places                         # boot takes the seed
    seed = 0x1234_5678_9ABC_DEF0
    assert same(build.image(seed), build_image(built_in, constants | {SEED: seed}, ()))


@pytest.mark.parametrize("name", [known.name for known in kernels()])
def test_no_built_in_kernel_does_more_with_its_seed(name: str) -> None:
    assert module._only_loads_seed(kernel(name), ())


def test_a_hundred_seeds_take_two_assemblies(assemblies: list[int], tmp_path: Path) -> None:
    path = tmp_path / "kernel.s"
    path.write_text(SOURCE % "")
    images = [build_of(path).image(seed) for seed in (*range(100), *SEEDS)]
    assert len(assemblies) == 2
    for seed, image in zip((*range(100), *SEEDS), images, strict=True):
        if seed % 10 == 0 or seed > 100:
            assert same(image, build_image(path, {SEED: seed}, ()))


@pytest.mark.parametrize("use", [
    "        mov     x7, #(SEED & 15)",
    ".if SEED==7\n        nop\n.endif",
    "        .equ    OTHER, SEED",
    ".macro load_constant register, value\n        nop\n.endm",
    '        .include "part.inc"',
    '        .include "nowhere.inc"',
    "other:  load_constant x7, SEED",
    "        load_constant x7, SEED+1",
])
def test_a_source_that_does_more_with_its_seed_is_assembled_for_each(use: str, tmp_path: Path, assemblies: list[int]) -> None:
    path = tmp_path / "kernel.s"
    path.write_text(SOURCE % (use if "nowhere" not in use else f".if 0\n{use}\n.endif"))
    (tmp_path / "part.inc").write_text("        .quad   SEED\n")
    build = build_of(path)
    assert build.places is None
    for seed in SEEDS:
        assert same(build.image(seed), build_image(path, {SEED: seed}, ()))
    before = len(assemblies)
    build.image(SEEDS[-1])
    assert len(assemblies) == before            # what was assembled for a seed is kept too


def test_a_seed_in_the_comments_or_in_another_word_does_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "kernel.s"
    path.write_text(SOURCE % "        .equ    SEEDS, 5                // not SEED")
    assert len(build_of(path).places or ()) == 4


def test_a_source_that_has_changed_is_assembled_anew_for_another_version(tmp_path: Path) -> None:
    path = tmp_path / "kernel.s"
    path.write_text(SOURCE % "")
    first = build_of(path, version="one").image(3)
    path.write_text(SOURCE % "        nop")
    assert same(build_of(path, version="one").image(3), first)
    assert same(build_of(path, version="two").image(3), build_image(path, {SEED: 3}, ()))


def test_without_a_seed_there_is_one_image(assemblies: list[int], tmp_path: Path) -> None:
    path = tmp_path / "kernel.s"
    path.write_text("_start: mov x0, #SEED\n        hlt #0xf000\n")
    build = seeded_build(str(path), False, (), ((SEED, 9),), False)
    assert same(build.image(1), build.image(2)) and len(assemblies) == 1
    assert same(build.image(1), build_image(path, {SEED: 9}, ()))
