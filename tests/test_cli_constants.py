"""What `--define` does to constants from which others follow."""
from pathlib import Path

import pytest

from firmware.kernels import kernel
from firmware.layout import LAYOUT_KEYWORDS, layout_constants
from sim.cli_run import Options, kernel_constants
from sim.errors import UserError


def constants_of(*define: str, ram: str = "256M", pes: int = 3) -> dict[str, int]:
    return kernel_constants(kernel("naive"), Options("naive", define=define, ram=ram), pes)


def test_a_defined_stack_size_takes_with_it_what_follows() -> None:
    constants = constants_of("STACK_BYTES=8192", "STACK_GUARD_BYTES=0")
    assert (constants["STACK_STRIDE_BYTES"], constants["STACK_PAGES"], constants["STACK_GUARD_PAGES"]) == (8192, 2, 0)
    expected = layout_constants(3, 20, 0, stack_bytes=8192, guard_bytes=0)
    assert {name: constants[name] for name in expected} == expected


@pytest.mark.parametrize("name", LAYOUT_KEYWORDS)
def test_every_such_constant_is_a_keyword_of_the_layout(name: str) -> None:
    value = {"STACK_BYTES": 32768, "STACK_GUARD_BYTES": 8192, "PCPU_OFFSET_BYTES": 4096, "RAM_BYTES": 64 << 20, "DOMAINS": 3, "DOMAIN_BLOCKS": 2}[name]
    changed = {key for key, number in constants_of(f"{name}={value}").items() if constants_of().get(key) != number}
    assert len(changed) >= 2, changed


def test_the_layout_follows_the_ram_that_the_machine_has() -> None:
    assert constants_of(ram="64M")["RAM_BLOCKS"] == 32
    assert constants_of(ram="3G")["RAM_BLOCKS"] == 512


def test_a_value_that_makes_no_layout_is_one_line() -> None:
    with pytest.raises(UserError, match="whole pages"):
        constants_of("STACK_BYTES=5000")


def test_a_source_of_ones_own_on_top_of_asm_is_laid_out_the_same(tmp_path: Path) -> None:
    source = tmp_path / "mine.s"
    source.write_text('        .include "kernel.inc"\n')
    constants = kernel_constants(source, Options(str(source), define=("STACK_BYTES=4096",)), 2)
    assert constants["STACK_STRIDE_BYTES"] == 8192
