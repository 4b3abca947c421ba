"""Registers that instructions read and write, against Capstone."""
import random

import capstone
import numpy as np
import pytest

from sim.hot import operands

# (mask of bits that vary, the others): one line for each encoding group that programs are made of.
GROUPS = {
    "add and sub immediate": (0xC0FF_FFFF & ~0x0080_0000, 0x1100_0000), "logical immediate": (0xE000_03FF, 0x1240_0000 & ~0x0040_0000),
    "move wide": (0x801F_FFFF, 0x5280_0000), "movk": (0x801F_FFFF, 0x7280_0000), "adr": (0xE0FF_FFFF, 0x1000_0000),
    "bfm": (0x0000_7FFF, 0x3300_0000), "extr": (0x001F_7FFF, 0x1380_0000),
    "logical shifted": (0xE0FF_7FFF, 0x0A00_0000), "add and sub shifted": (0xC01F_7FFF, 0x0B00_0000),
    "add and sub extended": (0xC01F_EFFF & ~0x1000, 0x0B20_0000), "adc and sbc": (0xE01F_03FF, 0x1A00_0000),
    "conditional compare": (0xC01F_FBEF, 0x3A40_0000), "conditional select": (0xC01F_F7FF, 0x1A80_0000),
    "two sources": (0x801F_03FF, 0x1AC0_2000), "divide": (0x801F_07FF, 0x1AC0_0800), "one source": (0x0000_07FF, 0x5AC0_0000),
    "three sources": (0x001F_FFFF, 0x9B00_0000), "multiply high": (0x001F_03FF, 0x9BC0_7C00),
    "load and store": (0x4040_0000 | 0x3F_FFFF, 0xB900_0000), "load and store register": (0x405F_03FF, 0xB820_6800),
    "load literal": (0x40FF_FFFF, 0x1800_0000), "pairs": (0x803F_FFFF | 0x40_0000, 0x2900_0000),
    "load exclusive": (0x4000_03FF, 0x885F_7C00), "store exclusive": (0x401F_03FF, 0x8800_7C00), "acquire and release": (0x4040_03FF, 0x889F_FC00),
    "branch by flags": (0x00FF_FFEF, 0x5400_0000),
    "call": (0x03FF_FFFF, 0x9400_0000), "call by register": (0x0000_03E0, 0xD63F_0000),
    "read of TPIDR_EL0": (0x1F, 0xD53B_D040), "write of TPIDR_EL0": (0x1F, 0xD51B_D040),
    "fp two sources": (0x005F_F3FF & ~0x0000_8000 & ~0x0040_0000, 0x1E60_0800), "fp three sources": (0x001F_FFFF, 0x1F40_0000),
    "fp one source": (0x0001_83FF & ~0x1_0000, 0x1E60_4000), "fp compare": (0x001F_03E0, 0x1E60_2000), "fp select": (0x001F_F3FF, 0x1E60_0C00),
    "fp to integer": (0x8001_03FF, 0x1E78_0000), "integer to fp": (0x8001_03FF, 0x1E62_0000),
    "simd add": (0x40DF_03FF & ~0x00C0_0000, 0x0E20_8400), "simd multiply accumulate": (0x401F_03FF, 0x0EA0_9400),
    "simd bit select": (0x00DF_03FF, 0x6E20_1C00), "simd dup": (0x0000_03FF, 0x4E08_0C00), "simd ins": (0x0000_03FF, 0x4E08_1C00),
    "simd umov": (0x0000_03FF, 0x4E08_3C00), "simd shift": (0x0007_03FF, 0x4F08_5400), "simd movi": (0x0007_03FF, 0x4F00_E400),
    "simd two registers": (0x0000_03FF, 0x4E20_5800), "fmla by element": (0x001F_03FF, 0x4F80_1000),
}
# What Capstone 5 gets wrong or has no operands for: word, reads, writes.
WRITTEN_OUT: dict[str, tuple[int, set[int], set[int]]] = {
    "adds w0, w17, #0x64b": (0x3119_2E20, {17}, {0, 32}), "cmp w22, w15, lsl #4": (0x6B0F_12DF, {15, 22}, {32}),
    "subs x1, sp, w2, uxtb": (0xEB22_03E1, {2, 31}, {1, 32}), "ubfx w11, w1, #0, #5": (0x5300_102B, {1}, {11}),
    "ldsmax w4, w5, [x18]": (0xB824_4245, {4, 18}, {5}), "stadd w4, [x18]": (0xB824_025F, {4, 18}, set()),
    "cas x29, x18, [x6]": (0xC8BD_7CD2, {6, 18, 29}, {29}), "casp x2, x3, x4, x5, [x6]": (0x4822_7CC4, {2, 3, 4, 5, 6}, {2, 3}),
    "cbnz w7, .+4": (0x3500_0027, {7}, set()), "tbz w7, #3, .+4": (0x3618_0027, {7}, set()), "ret": (0xD65F_03C0, {30}, set()),
    "fmov d27, #-6.25": (0x1E73_301B, set(), {60}), "ld1 {v9.16b, v10.16b}, [x16]": (0x4C40_A209, {16}, {42, 43}),
    "st2 {v10.16b, v11.16b}, [x9]": (0x4C00_812A, {9, 43, 44}, set()), "ld1 {v9.16b}, [x16], x3": (0x4CC3_7209, {3, 16}, {16, 42}),
    "mrs x5, NZCV": (0xD53B_4205, {32}, {5}), "msr NZCV, x5": (0xD51B_4205, {5}, {32}), "aese v0.16b, v1.16b": (0x4E28_4820, {33, 34}, {33}),
    "eor v5.16b, v6.16b, v16.16b": (0x6E30_1CC5, {39, 49}, {38}), "prfm pldl1keep, [x7]": (0xF980_00E0, {7}, set()),
    "svc #0": (0xD400_0001, set(), set()), "eret": (0xD69F_03E0, set(), set()), "nop": (0xD503_201F, set(), set()),
}
VECTOR_LETTERS = "bhsdqv"


def number_of(name: str) -> int | None:
    """Our number of a register that Capstone names; None for the zero register and for what is no operand."""
    if name in ("sp", "wsp"):
        return 31
    if name in ("xzr", "wzr"):
        return None
    if name == "nzcv":
        return 32
    if name in ("fp", "lr"):
        return 29 if name == "fp" else 30
    if name[0] in "xw" and name[1:].isdigit():
        return int(name[1:])
    if name[0] in VECTOR_LETTERS and name[1:].isdigit():
        return 33 + int(name[1:])
    return None


def ours(word: int) -> tuple[set[int], set[int]]:
    """(registers read, registers written) by our decoding."""
    out = np.zeros(operands.OPERANDS_WORDS, np.uint64)
    operands.operands(np.uint64(word), out)
    reads = {int(out[operands.FIRST_READ + n]) for n in range(int(out[operands.READS]))}
    writes = {int(out[operands.FIRST_WRITTEN + n]) for n in range(int(out[operands.WRITES]))}
    if int(out[operands.ADDRESS_WRITTEN]) != 255:
        writes.add(int(out[operands.ADDRESS_WRITTEN]))
    return reads, writes


@pytest.fixture(scope="module")
def disassembler() -> capstone.Cs:
    made = capstone.Cs(capstone.CS_ARCH_ARM64, capstone.CS_MODE_ARM)
    made.detail = True
    return made


@pytest.mark.parametrize("group", GROUPS)
def test_registers_are_those_that_capstone_finds(group: str, disassembler: capstone.Cs) -> None:
    varying, fixed = GROUPS[group]
    draw = random.Random(group)
    compared = 0
    for _ in range(60):
        word = (draw.getrandbits(32) & varying) | fixed
        found = list(disassembler.disasm(word.to_bytes(4, "little"), 0))
        if not found:
            continue
        reads, writes = (({number_of(disassembler.reg_name(one)) for one in some} - {None}) for some in found[0].regs_access())
        assert ours(word) == (reads, writes), f"{word:#010x} {found[0].mnemonic} {found[0].op_str}"
        compared += 1
    assert compared >= 20


@pytest.mark.parametrize("text", WRITTEN_OUT)
def test_registers_are_those_of_the_manual_where_capstone_is_wrong(text: str) -> None:
    word, reads, writes = WRITTEN_OUT[text]
    assert ours(word) == (reads, writes)
