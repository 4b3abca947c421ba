"""A kernel for many seeds, assembled once: seeds differ in the four instructions by which boot loads the constant SEED, and nowhere else.

That holds where a source names SEED in nothing but `load_constant REGISTER, SEED` of asm/macros.inc, which is looked at in its text and in that
of all it includes; and where the image for another seed differs in these instructions only, which is looked at too. A source in which it does
not hold is assembled for each seed.
"""
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from firmware.kernels import ASM_DIRECTORY, Kernel, kernel
from sim.experiments.kernel_build import build_image
from sim.loader.image import Image

Constants = tuple[tuple[str, int], ...]
SEED = "SEED"
_PROBE = 0x4321_8765_2BA9_6FED          # a seed of which no two halfwords are equal, and none is 0
_BUILDS_KEPT, _IMAGES_KEPT = 64, 128
_INCLUDES, _INCLUDE = re.compile(r"\.include\b"), re.compile(r'\.include\s+"([^"]+)"')
_COMMENT, _NAMED = re.compile(r"//.*"), re.compile(r"\bSEED\b")
_LOADED = re.compile(r"\s*load_constant\s+\w+\s*,\s*SEED\s*")
_MACROS = ASM_DIRECTORY / "macros.inc"
_MACRO = re.compile(r"^\s*\.macro\s+load_constant\b", re.MULTILINE)
_MOVE_WIDE_MASK, _MOVZ, _MOVK = 0xFF80_0000, 0xD280_0000, 0xF280_0000   # DDI 0487, "Move wide (immediate)", 64 bits
_HALF_SHIFT, _HALF_MASK, _IMMEDIATE_SHIFT = 21, 3, 5
_IMMEDIATE_MASK = 0xFFFF << _IMMEDIATE_SHIFT


@dataclass(frozen=True, eq=False)
class SeededBuild:
    """A kernel without its seed.

    name: of a built-in kernel, or a path. constants: all but SEED. base: the image for seed 0. places: (segment, offset) of each MOVZ or MOVK
    that holds a halfword of the seed; None: it is not known where the seed went. version: of the sources.
    """

    name: str
    is_built_in: bool
    include: tuple[str, ...]
    constants: Constants
    version: str
    base: Image
    places: tuple[tuple[int, int], ...] | None

    def image(self, seed: int) -> Image:
        """The kernel for a seed, byte for byte as it is assembled with SEED = seed; its listing is left out."""
        if self.places is None:
            return _assembled(self.name, self.is_built_in, self.include, (*self.constants, (SEED, seed)), self.version)
        contents = [bytearray(segment.data) for segment in self.base.segments]
        for number, offset in self.places:
            word = int.from_bytes(contents[number][offset:offset + 4], "little")
            half = seed >> 16 * (word >> _HALF_SHIFT & _HALF_MASK) & 0xFFFF
            contents[number][offset:offset + 4] = (word & ~_IMMEDIATE_MASK | half << _IMMEDIATE_SHIFT).to_bytes(4, "little")
        segments = tuple(replace(segment, data=bytes(data)) for segment, data in zip(self.base.segments, contents, strict=True))
        return replace(self.base, segments=segments)


@lru_cache(maxsize=_BUILDS_KEPT)
def seeded_build(name: str, is_built_in: bool, include: tuple[str, ...], constants: Constants, takes_seed: bool, version: str = "") -> SeededBuild:
    """The build of these inputs: once in a process, for as long as it is among the latest.

    name: of a built-in kernel, or a path. constants: of the assembly, sorted by name, without SEED if takes_seed: else every seed has the same
    image. version: any text that is another one when the sources are, so that a build of older sources is not used. Raises UserError as
    build_image.
    """
    base = _assembled(name, is_built_in, include, (*constants, (SEED, 0)) if takes_seed else constants, version)
    places: tuple[tuple[int, int], ...] | None = ()
    if takes_seed:
        other = _assembled(name, is_built_in, include, (*constants, (SEED, _PROBE)), version)
        places = _places(base, other) if _only_loads_seed(_chosen(name, is_built_in), include) else None
    return SeededBuild(name, is_built_in, include, constants, version, base, places)


def _chosen(name: str, is_built_in: bool) -> Kernel | Path:
    return kernel(name) if is_built_in else Path(name)


@lru_cache(maxsize=_IMAGES_KEPT)
def _assembled(name: str, is_built_in: bool, include: tuple[str, ...], constants: Constants, version: str) -> Image:
    """One image, without its listing."""
    del version
    return replace(build_image(_chosen(name, is_built_in), dict(constants), [Path(one) for one in include]), listing=())


def _places(base: Image, other: Image) -> tuple[tuple[int, int], ...] | None:
    """Where the images for seeds 0 and _PROBE differ; None if that is anything but halfwords of the seed in MOVZ and MOVK."""
    shapes = [[(segment.pa, segment.size_bytes, len(segment.data)) for segment in image.segments] for image in (base, other)]
    if shapes[0] != shapes[1] or (base.entry_pa, base.symbols) != (other.entry_pa, other.symbols):
        return None
    found = []
    for number, (one, two) in enumerate(zip(base.segments, other.segments, strict=True)):
        words = [np.frombuffer(segment.data[:len(segment.data) // 4 * 4], "<u4") for segment in (one, two)]
        rest = len(words[0]) * 4
        if one.data[rest:] != two.data[rest:]:
            return None
        for place in np.flatnonzero(words[0] != words[1]).tolist():
            before, after = int(words[0][place]), int(words[1][place])
            half = _PROBE >> 16 * (before >> _HALF_SHIFT & _HALF_MASK) & 0xFFFF
            if before & _MOVE_WIDE_MASK not in (_MOVZ, _MOVK) or before & _IMMEDIATE_MASK or after != before | half << _IMMEDIATE_SHIFT:
                return None
            found.append((number, 4 * place))
    return tuple(found)


def _only_loads_seed(chosen: Kernel | Path, include: Sequence[str]) -> bool:
    """Whether no line of a source and of what it includes names SEED but as `load_constant REGISTER, SEED`, by the macro of asm/."""
    top = chosen.path if isinstance(chosen, Kernel) else chosen
    directories = [*(Path(one) for one in include), ASM_DIRECTORY]
    waiting, seen = [top], {top}
    while waiting:
        path = waiting.pop()
        text = path.read_text(encoding="latin-1")
        lines = [_COMMENT.sub("", line) if '"' not in line else line for line in text.splitlines()]
        if any(_NAMED.search(line) and not _LOADED.fullmatch(line) for line in lines) or _MACRO.search(text) and path != _MACROS:
            return False
        for line in lines:
            names = _INCLUDE.findall(line)
            if len(names) != len(_INCLUDES.findall(line)):
                return False
            for name in names:
                there = next((directory / name for directory in (path.parent, *directories) if (directory / name).is_file()), None)
                if there is None:
                    return False
                if there not in seen:
                    seen.add(there)
                    waiting.append(there)
    return True
