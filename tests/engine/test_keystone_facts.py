"""What Keystone 0.9.2 and NumPy do that the sources are written around. One statement, one test."""

import sys
from pathlib import Path

import numpy as np
import pytest
from keystone import KsError
from unicorn import UcError, unicorn_const

sys.path.insert(0, str(Path(__file__).parent))

from plain_engine import (
    RAM_PA,
    PlainEngine,
    assemble,
)


def test_numpy_makes_a_float_of_uint64_and_int64() -> None:
    assert (np.uint64(1) + np.int64(1)).dtype == np.float64


@pytest.mark.parametrize("text", ["ldadd x0, x1, [x2]", "bti c", "tlbi rvae1is, x0", "1: nop\nb 1b", "mrs x0, id_aa64mmfr2_el1"])
def test_keystone_refuses_or_gives_nothing_for(text: str) -> None:
    with pytest.raises((KsError, TypeError)):                              # an error, or None in place of bytes
        assemble(text)


def test_keystone_emits_nothing_for_inst_and_says_nothing() -> None:
    assert assemble("nop\n.inst 0xd503201f\nnop") == assemble("nop\nnop")


@pytest.mark.parametrize("text", [
    ".macro two\nnop\nnop\n.endm\ntwo", ".rept 2\nnop\n.endr", ".equ N, 2\n.if N\nnop\nnop\n.endif", "nop\n.balign 8\n"])
def test_keystone_knows(text: str) -> None:
    assert len(assemble(text)) == 8


def test_errors_of_the_binding_are_exceptions_with_a_number() -> None:
    with pytest.raises(UcError) as caught:
        PlainEngine().uc.mem_map(RAM_PA, 4096)
    assert caught.value.errno == unicorn_const.UC_ERR_MAP
