"""The one door: content decides, then the suffix; every failure is one line."""

import os
from pathlib import Path

import pytest

from sim.errors import UserError
from sim.loader.flat import load_flat
from sim.loader.load import load_image

ORIGIN_PA = 0x4008_0000


def written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def test_a_source_is_assembled_with_its_constants_and_include_directories(tmp_path: Path) -> None:
    (tmp_path / "inc").mkdir()
    written(tmp_path / "inc" / "part.inc", b".word VALUE\n")
    for name in ("kernel.s", "kernel.S"):
        image = load_image(written(tmp_path / name, b'.include "part.inc"\n'), origin_pa=ORIGIN_PA, constants={"VALUE": 7},
                           include_dirs=[tmp_path / "inc"])
        assert (image.kind, image.segments[0].pa, image.segments[0].data) == ("source", ORIGIN_PA, b"\7\0\0\0")


@pytest.mark.parametrize("name", ["kernel.bin", "kernel.img", "Image", "kernel.dat"])
def test_anything_else_is_flat_and_enters_at_its_first_byte(tmp_path: Path, name: str) -> None:
    image = load_image(written(tmp_path / name, b"\x1f\x20\x03\xd5"), origin_pa=ORIGIN_PA)
    assert (image.kind, image.entry_pa, image.segments[0].data) == ("flat", ORIGIN_PA, b"\x1f\x20\x03\xd5")
    assert len(image.symbols) == 0


def test_elf_magic_wins_over_the_suffix(tmp_path: Path) -> None:
    for name in ("kernel.bin", "kernel.s", "kernel"):
        with pytest.raises(UserError, match="truncated ELF file"):
            load_image(written(tmp_path / name, b"\x7fELF"), origin_pa=ORIGIN_PA)


def test_a_file_called_elf_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is not an ELF file"):
        load_image(written(tmp_path / "kernel.elf", b"MZ"), origin_pa=ORIGIN_PA)


def test_a_c_file_is_no_kernel(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="a .c file"):
        load_image(written(tmp_path / "kernel.c", b"int main;"), origin_pa=ORIGIN_PA)


def test_missing_directory_empty_and_pipe_are_one_line_each(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.bin")
    written(tmp_path / "empty.bin", b"")
    written(tmp_path / "empty.s", b"")
    for name, message in (("nothing.s", "no such file"), (".", "is a directory"), ("empty.bin", "empty"), ("empty.s", "no bytes"),
                          ("pipe.bin", "not a regular file"), ("x" * 5000, "cannot be read"), ("nul\0.bin", "cannot be read")):
        with pytest.raises(UserError, match=message) as refusal:
            load_image(tmp_path / name, origin_pa=ORIGIN_PA)
        assert "\n" not in str(refusal.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_an_unreadable_file_is_one_line(tmp_path: Path) -> None:
    written(tmp_path / "secret.bin", b"x").chmod(0)
    with pytest.raises(UserError, match="cannot be read: Permission denied"):
        load_flat(tmp_path / "secret.bin", ORIGIN_PA)
