"""Where compiled hot functions are kept between runs.

numba looks only at the file of the function itself when it decides whether a cached compilation is stale; our callbacks
inline functions of many files. So the cache directory is named by a digest of every file of the compiled rooms and of the
versions that take part: any change to them compiles anew, and nothing else does.
"""
import hashlib
import importlib.metadata
import os
import platform
import shutil
import sys
from pathlib import Path

COMPILED_ROOMS = ("arch", "state", "hot", "engine")


def source_digest() -> str:
    """Digest of all sources that end up in compiled code, and of the compiler's version and host."""
    digest = hashlib.sha256()
    versions = [importlib.metadata.version(name) for name in ("numba", "llvmlite", "numpy", "unicorn")]
    digest.update("|".join([sys.version, platform.machine(), os.environ.get("NUMBA_BOUNDSCHECK", ""), *versions]).encode())
    here = Path(__file__).parent
    for room in COMPILED_ROOMS:
        for path in sorted((here / room).glob("*.py")):
            digest.update(path.name.encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def cache_root() -> Path:
    """The user's cache directory for Quiesce (`QUIESCE_CACHE`, else XDG_CACHE_HOME or ~/.cache)."""
    chosen = os.environ.get("QUIESCE_CACHE")
    if chosen:
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "quiesce"


def settle_cache_directory() -> None:
    """Point numba at our directory, unless the user has pointed it elsewhere."""
    if "numba" in sys.modules:
        import numba

        numba.config.CACHE_DIR = numba.config.CACHE_DIR or str(cache_root() / source_digest())
    else:
        os.environ.setdefault("NUMBA_CACHE_DIR", str(cache_root() / source_digest()))


def is_cold() -> bool:
    """Whether nothing has been compiled yet for these sources: the next run compiles, once."""
    directory = Path(os.environ.get("NUMBA_CACHE_DIR", ""))
    return not directory.is_dir() or not any(directory.rglob("*.nbi"))


def forget_old(keep: int = 4) -> None:
    """Remove what was compiled from older sources: all but the `keep` directories used last, the present one among them."""
    present = os.environ.get("NUMBA_CACHE_DIR", "")
    root = cache_root()
    if Path(present).parent != root:
        return                              # the user has pointed numba elsewhere: not ours to tidy
    directories = sorted((path for path in root.iterdir() if path.is_dir()), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in [path for path in directories if str(path) != present][keep - 1 :]:
        shutil.rmtree(path, ignore_errors=True)
