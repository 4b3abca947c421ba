"""Where compiled code is kept: named by its sources, and not for ever."""
import os
from pathlib import Path

import pytest

from sim import compiled_cache


def test_only_the_directories_used_last_are_kept_and_the_present_one_always(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for age, name in enumerate(["newest", "new", "old", "older", "oldest"]):
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, (1_000_000 - age, 1_000_000 - age))
    monkeypatch.setenv("QUIESCE_CACHE", str(tmp_path))
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "oldest"))
    compiled_cache.forget_old(keep=3)
    assert {path.name for path in tmp_path.iterdir()} == {"newest", "new", "oldest"}


def test_a_directory_that_the_user_chose_for_numba_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / "quiesce" / name).mkdir(parents=True)
    monkeypatch.setenv("QUIESCE_CACHE", str(tmp_path / "quiesce"))
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "elsewhere"))
    compiled_cache.forget_old(keep=1)
    assert len(list((tmp_path / "quiesce").iterdir())) == 3


def test_the_digest_changes_with_a_source_of_a_compiled_room_and_with_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for room in compiled_cache.COMPILED_ROOMS:
        (tmp_path / room).mkdir()
        (tmp_path / room / "one.py").write_text("x = 1\n")
    monkeypatch.setattr(compiled_cache, "__file__", str(tmp_path / "compiled_cache.py"))
    before = compiled_cache.source_digest()
    (tmp_path / "machine.py").write_text("x = 1\n")
    assert compiled_cache.source_digest() == before
    (tmp_path / "hot" / "one.py").write_text("x = 2\n")
    assert compiled_cache.source_digest() != before
