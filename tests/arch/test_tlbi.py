"""TLB invalidates: encodings against the GNU assembler, operands against the manual's formula written out page by page."""

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.arch import tlbi
from sim.arch.tlbi import TLB_INVALIDATES, compose_range_operand, compose_va_operand, decode_range


@pytest.mark.gnu
def test_every_operation_has_the_encoding_that_the_gnu_assembler_knows(tmp_path: Path) -> None:
    if shutil.which("aarch64-linux-gnu-as") is None:
        pytest.skip("needs aarch64-linux-gnu-as, from Debian's binutils-aarch64-linux-gnu")
    source, built, raw = tmp_path / "in.s", tmp_path / "out.o", tmp_path / "out.bin"
    lines = [f"tlbi {name}" + ("" if name.startswith("VMALL") else ", x0") for name in TLB_INVALIDATES]
    source.write_text(".arch armv8.4-a\n" + "\n".join(lines) + "\n")
    subprocess.run(["aarch64-linux-gnu-as", "-o", built, source], check=True)
    subprocess.run(["aarch64-linux-gnu-objcopy", "-O", "binary", built, raw], check=True)
    data = raw.read_bytes()
    keys = [int.from_bytes(data[at : at + 4], "little") >> 5 & 0xFFFF for at in range(0, len(data), 4)]
    assert keys == [operation.key for operation in TLB_INVALIDATES.values()]


def test_there_are_six_forms_and_four_range_forms_in_each_scope() -> None:
    for scope in (tlbi.SCOPE_LOCAL, tlbi.SCOPE_INNER, tlbi.SCOPE_OUTER):
        of_scope = [operation for operation in TLB_INVALIDATES.values() if operation.scope == scope]
        assert (len([o for o in of_scope if not o.is_range]), len([o for o in of_scope if o.is_range])) == (6, 4)
    vale1is = TLB_INVALIDATES["VALE1IS"]
    assert (vale1is.scope, vale1is.kind, vale1is.last_level, vale1is.is_range) == (tlbi.SCOPE_INNER, tlbi.KIND_VA, True, False)
    rvaae1os = TLB_INVALIDATES["RVAAE1OS"]
    assert (rvaae1os.scope, rvaae1os.kind, rvaae1os.last_level, rvaae1os.is_range) == (tlbi.SCOPE_OUTER, tlbi.KIND_VAA, False, True)


def test_va_operand_of_an_upper_address_keeps_its_upper_half() -> None:
    operand = compose_va_operand(0xFFFF_8000_1234_5678, asid=0x1234, ttl=7)
    assert operand == 0x1234_7FF8_0001_2345 | 0x1234 << 48
    assert tlbi.operand_va(operand) == 0xFFFF_8000_1234_5000
    assert (tlbi.operand_asid(operand), tlbi.operand_ttl(operand)) == (0x1234, 7)


def test_range_operand_written_out_by_hand_covers_what_the_manual_says() -> None:
    # 4 KiB granule, SCALE 0, NUM 0: two pages from 0x4000_0000; ASID 5.
    assert decode_range(5 << 48 | 1 << 46 | 0x4000_0000 >> 12) == (5, 0x4000_0000, 0x2000, 12)
    # 64 KiB granule, SCALE 3, NUM 31: 32 * 2**16 pages of 64 KiB.
    assert decode_range(3 << 46 | 3 << 44 | 31 << 39) == (0, 0, 32 * 2**16 * 65536, 16)
    # 16 KiB granule, SCALE 1, NUM 2, an upper address: BaseADDR is VA[50:14], its top bit extended.
    assert decode_range(2 << 46 | 1 << 44 | 2 << 39 | (1 << 37) - 1) == (0, 0xFFFF_FFFF_FFFF_C000, 3 * 64 * 16384, 14)


def test_range_operand_with_reserved_granule_covers_nothing() -> None:
    assert decode_range(3 << 44 | 31 << 39 | 0x40000).size_bytes == 0


@given(st.sampled_from([12, 14, 16]), st.integers(0, 3), st.integers(0, 31), st.integers(0, 2**16 - 1),
       st.integers(0, 2**48 - 1), st.booleans())
def test_composed_range_decodes_to_the_same_range(granule: int, scale: int, num: int, asid: int, low: int, upper: bool) -> None:
    va = (low | (0xFFFF << 48 if upper else 0)) >> granule << granule
    expected_bytes = (num + 1) * 2 ** (5 * scale + 1) * 2**granule
    assert decode_range(compose_range_operand(va, granule, scale, num, asid)) == (asid, va, expected_bytes, granule)
