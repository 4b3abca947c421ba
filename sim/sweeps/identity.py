"""Which simulator this is: two of the same identity give the same result for the same point and seed."""
import hashlib
from functools import cache
from importlib.metadata import version
from pathlib import Path

_SIM = Path(__file__).resolve().parent.parent
#: What a result depends on, beside kernel and profile; the rest of `sim` only looks at it.
_ROOMS = ("arch", "state", "hot", "engine", "devices", "timing", "loader")
_MODULES = ("build.py", "machine.py", "settings.py", "snapshot.py", "view.py", "experiments/seeded_build.py")
#: What makes figures of it.
_FIGURES = ("sim/result.py", "sim/sweeps/measures.py", "sim/benchmarks/distribution.py", "firmware/rendezvous.py", "firmware/benchmarks.py")


@cache
def simulator() -> str:
    """The version of Quiesce and of its engine, and a digest of the sources that a result depends on."""
    digest = hashlib.sha256()
    for path in [*(path for room in _ROOMS for path in sorted((_SIM / room).glob("*.py"))), *(_SIM / name for name in _MODULES),
                 *(_SIM.parent / name for name in _FIGURES)]:
        digest.update(path.name.encode() + path.read_bytes())
    return f"quiesce {version('quiesce')}, unicorn {version('unicorn')}, sources {digest.hexdigest()[:16]}"
