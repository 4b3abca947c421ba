"""Registers: what the base class promises, and every encoding against the GNU assembler's own table."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.arch.register_base import Alias, Field, Register
from sim.arch.registers import (
    EL0_ACCESS,
    ENCODINGS,
    ESR_EL1,
    ICC_SGI1R_EL1,
    MIDR_EL1,
    OPERATION_EL0_ACCESS,
    OPERATION_KEYS,
    READ_ONLY,
    REGISTER_KEYS,
    SCTLR_EL1,
    SPSR_EL1,
    TCR_EL1,
    WRITE_ONLY,
    EL0Access,
    EL0Control,
    encoding_key,
    key_encoding,
)

ASSEMBLER, DUMPER = "aarch64-linux-gnu-as", "aarch64-linux-gnu-objcopy"
ARCHITECTURE = ".arch armv8.6-a+crypto+sve2+sme\n"


def assemble(lines: list[str], folder: Path) -> list[int]:
    """Instruction words of a source, by the GNU assembler."""
    if shutil.which(ASSEMBLER) is None or shutil.which(DUMPER) is None:
        pytest.skip(f"needs {ASSEMBLER}, from Debian's binutils-aarch64-linux-gnu")
    source, built, raw = folder / "in.s", folder / "out.o", folder / "out.bin"
    source.write_text(ARCHITECTURE + "\n".join(lines) + "\n")
    subprocess.run([ASSEMBLER, "-o", built, source], check=True, capture_output=True, text=True)
    subprocess.run([DUMPER, "-O", "binary", built, raw], check=True)
    data = raw.read_bytes()
    return [int.from_bytes(data[at : at + 4], "little") for at in range(0, len(data), 4)]


@pytest.mark.gnu
def test_every_register_has_the_encoding_that_the_gnu_assembler_knows(tmp_path: Path) -> None:
    names = list(REGISTER_KEYS)
    lines = [f"msr {name}, x0" if name in WRITE_ONLY else f"mrs x0, {name}" for name in names]
    words = assemble(lines, tmp_path)
    assert [(name, hex(word >> 5 & 0xFFFF)) for name, word in zip(names, words, strict=True)] == [
        (name, hex(REGISTER_KEYS[name])) for name in names]


@pytest.mark.gnu
def test_what_is_write_only_or_read_only_here_is_so_for_the_gnu_assembler(tmp_path: Path) -> None:
    if shutil.which(ASSEMBLER) is None:
        pytest.skip(f"needs {ASSEMBLER}, from Debian's binutils-aarch64-linux-gnu")
    source = tmp_path / "all.s"
    lines = [f"msr {name}, x0" for name in REGISTER_KEYS] + [f"mrs x0, {name}" for name in REGISTER_KEYS]
    source.write_text(ARCHITECTURE + "\n".join(lines) + "\n")
    said = subprocess.run([ASSEMBLER, "-o", "/dev/null", source], check=True, capture_output=True, text=True).stderr
    read_only = set(re.findall(r"cannot be written to at operand 1 -- `msr (\w+),", said))
    write_only = set(re.findall(r"cannot be read from at operand 2 -- `mrs x0,(\w+)'", said))
    # DBGDTRRX_EL0 is read-only by name; a write of the same encoding is DBGDTRTX_EL0.
    assert read_only - {"DBGDTRRX_EL0"} == READ_ONLY
    assert write_only == WRITE_ONLY


@pytest.mark.gnu
def test_every_system_operation_has_the_encoding_that_the_gnu_assembler_knows(tmp_path: Path) -> None:
    without_operand = {"IC IALLU", "IC IALLUIS"}
    lines = [name.lower() + ("" if name in without_operand else ", x0") for name in OPERATION_KEYS]
    words = assemble(lines, tmp_path)
    assert [word >> 5 & 0xFFFF for word in words] == list(OPERATION_KEYS.values())


def test_every_key_is_used_once_and_turns_back_into_its_encoding() -> None:
    assert len(set(REGISTER_KEYS.values())) == len(REGISTER_KEYS)
    assert encoding_key(3, 0, 2, 0, 2) == 0xC102            # TCR_EL1: 11 000 0010 0000 010
    for key in REGISTER_KEYS.values():
        assert encoding_key(*key_encoding(key)) == key


def test_every_class_stands_under_its_own_encoding() -> None:
    assert ENCODINGS[3, 0, 2, 0, 2] is TCR_EL1
    for encoding, register in ENCODINGS.items():
        assert register.encoding == encoding
        assert REGISTER_KEYS[register.__name__] == encoding_key(*encoding)


def test_el0_may_never_touch_a_register_whose_op1_is_not_3() -> None:
    for name, key in REGISTER_KEYS.items():
        never = EL0_ACCESS[name] == EL0Access(EL0Control.NEVER, EL0Control.NEVER)
        assert never == (key_encoding(key)[1] != 3), name


def test_el0_access_follows_the_control_bits_of_the_manual() -> None:
    assert EL0_ACCESS["TPIDR_EL0"] == (EL0Control.ALWAYS, EL0Control.ALWAYS)
    assert EL0_ACCESS["TPIDRRO_EL0"] == (EL0Control.ALWAYS, EL0Control.NEVER)
    assert EL0_ACCESS["CTR_EL0"] == (EL0Control.SCTLR_UCT, EL0Control.NEVER)
    assert EL0_ACCESS["CNTVCT_EL0"] == (EL0Control.CNTKCTL_EL0VCTEN, EL0Control.NEVER)
    assert EL0_ACCESS["CNTV_CVAL_EL0"] == (EL0Control.CNTKCTL_EL0VTEN, EL0Control.CNTKCTL_EL0VTEN)
    assert OPERATION_EL0_ACCESS["DC ZVA"] == EL0Control.SCTLR_DZE
    assert OPERATION_EL0_ACCESS["IC IVAU"] == EL0Control.SCTLR_UCI
    assert OPERATION_EL0_ACCESS["DC IVAC"] == EL0Control.NEVER


def test_fields_of_published_values_read_as_their_manuals_say() -> None:
    a53 = MIDR_EL1(0x410F_D034)             # Cortex-A53 r0p4, DDI 0500, 4.2.1
    assert (a53.Implementer, a53.PartNum, a53.Variant, a53.Revision) == (0x41, 0xD03, 0, 4)
    sctlr = SCTLR_EL1(0x30D0_0800)          # SCTLR_EL1's RES1 bits in ARMv8.0, as boot code writes them
    assert (sctlr.M, sctlr.EOS, sctlr.TSCXT, sctlr.EIS, sctlr.SPAN, sctlr.nTLSMD, sctlr.LSMAOE) == (0, 1, 1, 1, 1, 1, 1)
    sgi = ICC_SGI1R_EL1(Aff1=3, TargetList=1 << 5, INTID=9)
    assert int(sgi) == 9 << 24 | 3 << 16 | 0x20
    spsr = SPSR_EL1(0x6000_03C5)            # EL1h, DAIF masked, Z and C
    assert (spsr.M, spsr.EL, spsr.SP, spsr.D, spsr.A, spsr.I, spsr.F, spsr.Z, spsr.C, spsr.N) == (5, 1, 1, 1, 1, 1, 1, 1, 1, 0)


def test_a_register_prints_its_fields_by_name_and_value() -> None:
    assert str(ESR_EL1(0x9600_0047)) == "ESR_EL1(ISS=0x47, IL=0x1, EC=0x25(DATA_ABORT_SAME_EL))"
    assert str(TCR_EL1(T0SZ=16, TG1=2)) == "TCR_EL1(T0SZ=0x10, TG1=0x2(KB4))"
    assert str(MIDR_EL1(1 << 40)) == "MIDR_EL1(unnamed=0x10000000000)"


def test_a_register_is_frozen_and_replace_makes_another() -> None:
    first = TCR_EL1(T0SZ=16)
    second = first.replace(T0SZ=25, EPD1=1)
    assert (int(first), int(second)) == (16, 25 | 1 << 23)
    with pytest.raises(AttributeError, match="frozen"):
        first.T0SZ = 3
    with pytest.raises(AttributeError, match="frozen"):
        first.anything = 3


def test_values_and_fields_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="T0SZ"):
        TCR_EL1(T0SZ=64)
    with pytest.raises(ValueError, match="TCR_EL1"):
        TCR_EL1(1 << 64)
    with pytest.raises(TypeError, match="no field T9SZ"):
        TCR_EL1(T9SZ=1)


def test_overlapping_fields_are_refused_unless_written_as_alias() -> None:
    with pytest.raises(TypeError, match="Second"):
        type("Overlapping", (Register,), {"First": Field(4, 0), "Second": Field(7, 4)})
    aliased = type("Aliased", (Register,), {"First": Field(4, 0), "Second": Alias(7, 4)})
    assert str(aliased(0x10)) == "Aliased(First=0x10)"


def test_misordered_and_too_wide_fields_are_refused() -> None:
    with pytest.raises(TypeError, match="Low"):
        type("Misordered", (Register,), {"High": Field(7, 4), "Low": Field(3, 0)})
    with pytest.raises(TypeError, match="32 bits"):
        type("Narrow", (Register,), {"width_bits": 32, "Wide": Field(32, 0)})
    for msb, lsb in ((0, 1), (64, 0), (3, -1)):
        with pytest.raises(ValueError, match="64-bit"):
            Field(msb, lsb)


@given(st.sampled_from(sorted(ENCODINGS.values(), key=lambda register: register.__name__)), st.integers(0, 2**64 - 1))
def test_fields_of_any_value_put_back_together_give_the_value(register: type[Register], value: int) -> None:
    original = register(value)
    rebuilt, named = register(0), 0
    for name, field in register.fields.items():
        rebuilt = rebuilt.replace(**{name: int(getattr(original, name))})
        named |= field.mask
    assert int(rebuilt) == value & named
