"""How numbers of PEs are written."""
import pytest

from sim.benchmarks.numbers import pe_numbers
from sim.errors import UserError


@pytest.mark.parametrize(("text", "numbers"), [
    ("2..64", (2, 4, 8, 16, 32, 64)), ("2..256", (2, 4, 8, 16, 32, 64, 128, 256)), ("2..48", (2, 4, 8, 16, 32, 48)), ("3..24", (3, 6, 12, 24)),
    ("4", (4,)), ("8..8", (8,)), ("8,2,4,2", (2, 4, 8)), ("2..8,112", (2, 4, 8, 112)), (" 2 , 4 ", (2, 4)),
])
def test_a_range_doubles_and_includes_its_end(text: str, numbers: tuple[int, ...]) -> None:
    assert pe_numbers(text, 2, 256) == numbers


@pytest.mark.parametrize("text", ["", "two", "2..", "..8", "2...8", "2;4", "8..2", "1..8", "2..257", "0", "-2", "2,,4", "1e2"])
def test_anything_else_is_a_mistake_that_is_said(text: str) -> None:
    with pytest.raises(UserError, match="--pes"):
        pe_numbers(text, 2, 256)
