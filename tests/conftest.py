"""Order of the tests: the tiny one first, so that a broken tree says so in seconds."""
import pytest

FIRST = "test_tiny.py"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.name != FIRST)    # stable: all else stays as it was
