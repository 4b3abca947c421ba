"""Order of the tests: the tiny one first, so that a broken tree says so in seconds; then files that take minutes, so that with several
processes none is left alone with one at the end."""
from typing import Any

import pytest

import sim.engine.symbols  # noqa: F401  (compiled functions call the engine by name: it must be there before they are linked)

FIRST = ("test_tiny.py", "test_safety.py", "test_matrix.py", "test_hostile_guests.py", "test_tlb.py", "test_determinism.py", "test_variations.py",
         "test_processes.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    rank = {name: place for place, name in enumerate(FIRST)}
    items.sort(key=lambda item: rank.get(item.path.name, len(FIRST)))       # stable: all else stays as it was


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With several processes each takes whole files, whose tests share what they build, in the order above, not the file with most tests first."""
    from xdist.scheduler import LoadFileScheduling

    config.option.loadscopereorder = False
    return LoadFileScheduling(config, log)
