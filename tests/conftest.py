"""Order of the tests: the tiny one first, so that a broken tree says so in seconds."""
import pytest

import sim.engine.symbols  # noqa: F401  (compiled functions call the engine by name: it must be there before they are linked)

FIRST = "test_tiny.py"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.name != FIRST)    # stable: all else stays as it was
