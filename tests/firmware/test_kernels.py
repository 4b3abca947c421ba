"""The registry of built-in kernels."""
import pytest

from firmware.kernels import kernel, kernels
from firmware.rendezvous import MARK_NAMES
from sim.errors import UserError


def test_every_kernel_has_its_source_and_a_first_line_that_names_it() -> None:
    for built_in in kernels():
        assert built_in.path.read_text().startswith(f"// {built_in.name} — ")


def test_names_are_unique_and_summaries_are_one_short_line() -> None:
    assert len({built_in.name for built_in in kernels()}) == len(kernels())
    assert all(0 < len(built_in.summary) <= 90 and "\n" not in built_in.summary for built_in in kernels())


def test_kernel_found_by_name_carries_its_marks() -> None:
    assert kernel("rendezvous").marks == MARK_NAMES and kernel("rendezvous").default_pes == 4


def test_unknown_name_gives_near_matches_in_one_line() -> None:
    with pytest.raises(UserError, match="no built-in kernel 'rendevous'; did you mean rendezvous"):
        kernel("rendevous")
    with pytest.raises(UserError, match="there are hello, rendezvous"):
        kernel("qqqq")


def test_build_constants_take_the_kernels_own_values_unless_told_otherwise() -> None:
    constants = kernel("rendezvous").build_constants()
    assert (constants["PES"], constants["ROUNDS"], constants["WARMUP"], constants["LSE"]) == (4, 100, 10, 1)
    constants = kernel("rendezvous").build_constants(8, 5, 1, lse=False)
    assert (constants["PES"], constants["ROUNDS"], constants["WARMUP"], constants["LSE"]) == (8, 5, 1, 0)
    with pytest.raises(UserError):
        kernel("rendezvous").build_constants(0)
