"""A kernel as the command line and sweeps get it built: which one is meant, the constants of its assembly, the image, and what its marks say."""
import difflib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from firmware.kernels import ASM_DIRECTORY, Kernel, kernel, kernels
from firmware.layout import BLOCK_BYTES, LAYOUT_KEYWORDS, LAYOUT_RAM_BYTES_MOST, layout_constants
from firmware.limits import check_limits
from firmware.rendezvous import MARK_DTYPE, MARK_NAMES, RendezvousReport, rendezvous_report
from sim.arch.memory_map import IMAGE_OFFSET_BYTES, RAM_PA
from sim.errors import UserError
from sim.loader.image import Image
from sim.loader.load import SOURCE_SUFFIXES, load_image
from sim.result import Result

_SIZE = re.compile(r"(\d+)\s*(?:([KMG])(?:i?B)?)?", re.IGNORECASE)
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
_INCLUDE = re.compile(r'^\s*\.include\s+"([^"]+)"', re.MULTILINE)


def choose_kernel(argument: str) -> Kernel | Path:
    """A built-in kernel wins unless the argument has a slash or a suffix; else a file of that name, if there is one."""
    path = Path(argument)
    if "/" in argument or path.suffix:
        return path
    if argument not in {known.name for known in kernels()} and path.exists():
        return path
    return kernel(argument)


def parse_size(text: str, what: str = "--ram") -> int:
    """Bytes of a size like 256M. Raises UserError for anything else; what: the option or key that it belongs to."""
    match = _SIZE.fullmatch(text.strip())
    if not match:
        raise UserError(f"{what} {text!r} is not a size: write it as 256M or 1G")
    return int(match[1]) * _UNITS[(match[2] or "").upper()]


def build_constants(chosen: Kernel | Path, *, pes: int, ram_bytes: int, seed: int, rounds: int | None = None, warmup: int | None = None,
                    defined: Mapping[str, int]) -> dict[str, int]:
    """What the source can name: the layout of `asm/` if it is built on it, ROUNDS and WARMUP, and what was defined by hand.

    A constant from which others follow (LAYOUT_KEYWORDS) takes those with it. Raises UserError for a value out of range, and for a constant
    that a built-in kernel does not have: it would change nothing.
    """
    keywords: dict[str, Any] = {LAYOUT_KEYWORDS[name]: value for name, value in defined.items() if name in LAYOUT_KEYWORDS}
    keywords.setdefault("ram_bytes", min(ram_bytes, LAYOUT_RAM_BYTES_MOST) // BLOCK_BYTES * BLOCK_BYTES)
    constants: dict[str, int] = {}
    if isinstance(chosen, Kernel):
        constants = chosen.build_constants(pes, rounds, warmup, layout=keywords) | {"SEED": seed}
        _check_defined(chosen, constants, defined)
    else:
        given = {"ROUNDS": rounds, "WARMUP": warmup}
        constants = layout_constants(pes, **keywords) | {"SEED": seed} if _builds_on_asm(chosen) else {}
        constants |= {name: value for name, value in given.items() if value is not None}
    return constants | dict(defined)


def _check_defined(chosen: Kernel, constants: Mapping[str, int], defined: Mapping[str, int]) -> None:
    for name in defined:
        if name not in constants and name not in LAYOUT_KEYWORDS:
            near = difflib.get_close_matches(name, constants, n=1, cutoff=0.6)
            hint = f"did you mean {near[0]}?" if near else f"its own are {', '.join(chosen.options) or 'none'}"
            raise UserError(f"{chosen.name} has no constant {name}; {hint}")
    check_limits(chosen.name, defined)


def build_image(chosen: Kernel | Path, constants: Mapping[str, int], include: Sequence[Path]) -> Image:
    """The image of a kernel. include: directories where `.include` looks before `asm/`. Raises UserError as load_image."""
    path = chosen.path if isinstance(chosen, Kernel) else chosen
    for directory in include:
        if not directory.is_dir():
            raise UserError(f"--include {directory}: is not a directory")
    return load_image(path, origin_pa=RAM_PA + IMAGE_OFFSET_BYTES, constants=constants, include_dirs=[*include, ASM_DIRECTORY])


def _builds_on_asm(path: Path) -> bool:
    """Whether a source includes a part of `asm/` that does not lie beside it."""
    if path.suffix not in SOURCE_SUFFIXES or not path.is_file():
        return False
    names = _INCLUDE.findall(path.read_text(encoding="utf-8", errors="replace"))
    return any((ASM_DIRECTORY / name).is_file() and not (path.parent / name).exists() for name in names)


def rendezvous_of(watched: Sequence[str], result: Result, constants: Mapping[str, int]) -> RendezvousReport:
    """The statistics of the rounds, from the marks in the event log. watched: the names of the marks, by number."""
    events = result.events.of("mark")
    number_of = np.array([MARK_NAMES.index(name) if name in MARK_NAMES else len(MARK_NAMES) for name in watched])
    numbers = number_of[events["a"].astype(np.int64)]
    known = numbers < len(MARK_NAMES)
    marks = np.zeros(int(known.sum()), MARK_DTYPE)
    marks["cycle"], marks["pe"], marks["symbol"] = events["cycle"][known], events["pe"][known], numbers[known]
    return rendezvous_report(marks, len(result.statistics), constants["ROUNDS"], constants["WARMUP"], result.clock_hz)
