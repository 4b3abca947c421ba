"""One door for every kind of image: what is in the file decides, the suffix only where the content cannot."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from sim.errors import UserError
from sim.loader.elf import load_elf
from sim.loader.files import read_bytes
from sim.loader.flat import load_flat
from sim.loader.image import Image
from sim.loader.source import assemble_file

SOURCE_SUFFIXES = (".s", ".S", ".asm")
NO_CONSTANTS: Mapping[str, int] = MappingProxyType({})


def load_image(path: str | Path, *, origin_pa: int, constants: Mapping[str, int] = NO_CONSTANTS,
               include_dirs: Sequence[str | Path] = ()) -> Image:
    """Assemble or load a file: ELF by its magic, .s and .S as sources, anything else as a flat image.

    origin_pa: where a source or a flat image goes; an ELF says so itself. constants, include_dirs: for sources.
    UserError, one line (a source: one for each error), when the file is missing, unreadable or not what it claims to be.
    """
    path = Path(path)
    data = read_bytes(path)
    if data[:4] == b"\x7fELF":
        return load_elf(path)
    if path.suffix in SOURCE_SUFFIXES:
        return assemble_file(path, origin_pa, constants, include_dirs)
    if path.suffix.lower() in (".elf", ".axf", ".o"):
        raise UserError(f"{path}: is not an ELF file")
    if path.suffix.lower() == ".dts" or path.suffix in (".c", ".h", ".py", ".rs"):
        raise UserError(f"{path}: a {path.suffix} file is neither a source (.s), an ELF nor a flat image")
    return load_flat(path, origin_pa)
