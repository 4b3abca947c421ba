"""Flat images: bytes that are loaded as they are."""

from pathlib import Path

from sim.errors import UserError
from sim.loader.files import read_bytes
from sim.loader.image import Image, Segment


def load_flat(path: str | Path, load_pa: int) -> Image:
    """A flat image at load_pa, entered at its first byte, without symbols. UserError when the file is empty or cannot be read."""
    data = read_bytes(path)
    if not data:
        raise UserError(f"{path}: the file is empty")
    return Image(name=str(path), kind="flat", segments=(Segment(load_pa, data, len(data)),), entry_pa=load_pa)
