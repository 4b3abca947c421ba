"""Alignment proofs, against blocks that Unicorn executes instruction by instruction from entry registers that meet, or break, the conditions."""

import random
from typing import NamedTuple

import capstone
import keystone
import numpy as np
import pytest
import unicorn
from unicorn import arm64_const as arm64

from sim.hot import decode

ASSEMBLER = keystone.Ks(keystone.KS_ARCH_ARM64, keystone.KS_MODE_LITTLE_ENDIAN)
CAPSTONE = capstone.Cs(capstone.CS_ARCH_ARM64, capstone.CS_MODE_ARM)
CODE_OFFSET = 0x140                     # of the block in RAM; not a multiple of a page
RAM_BYTES = 0x1000
Registers = np.ndarray[tuple[int], np.dtype[np.uint64]]
SP = 31


class Requirement(NamedTuple):
    register: int
    delta: int
    mask: int


def requirements_of(words: list[int], offset: int = CODE_OFFSET) -> set[Requirement] | None:
    """What alignment_requirements says of a block; None where it proves nothing."""
    ram = np.zeros(RAM_BYTES, dtype=np.uint8)
    ram[offset:offset + 4 * len(words)] = np.frombuffer(np.array(words, dtype="<u4").tobytes(), dtype=np.uint8)
    out = np.zeros(decode.ALIGNMENT_OUT_WORDS, dtype=np.uint64)
    number = decode.alignment_requirements(ram, offset, len(words), out)
    assert -1 <= number <= decode.REQUIREMENTS_MAX
    if number < 0:
        return None
    return {Requirement(int(value) & 0xFF, int(value) >> 8 & 0xFF, int(value) >> 16) for value in out[:number]}


def words_of(text: str) -> list[int]:
    code, _ = ASSEMBLER.asm(text, addr=0x1000 + CODE_OFFSET, as_bytes=True)
    return [int(word) for word in np.frombuffer(code, dtype="<u4")]


TABLE: dict[str, set[tuple[int, int, int]] | None] = {
    "nop; add x0, x0, #1": set(),
    "ldrb w0, [x1]; strb w0, [x2, x3]": set(),
    "ldr x0, [x1]": {(1, 0, 7)},
    "ldr w0, [x1, #4]": {(1, 0, 3)},
    "ldr w0, [x1, #4]; ldr x2, [x1, #8]": {(1, 0, 7)},
    "ldr x2, [x1, #8]; ldr w0, [x1, #4]": {(1, 0, 7)},
    "ldur x0, [x1, #-3]": {(1, 5, 7)},
    "stp x29, x30, [sp, #-32]!; str x0, [sp, #16]; ldp x29, x30, [sp], #32; ret": {(SP, 0, 7)},
    "stp d0, d1, [sp, #-40]!; str q0, [sp]": {(SP, 8, 15)},
    "ldr x0, [x1], #4; ldr w2, [x1]; ldr x3, [x1, #4]": {(1, 0, 7)},
    "ldr x0, [x1], #4; ldr x2, [x1]": {(1, 0, 7), (1, 4, 7)},
    "add x1, x1, #3; ldr w0, [x1]": {(1, 3, 3)},
    "sub x1, x2, #6; ldrh w0, [x1]; ldr w0, [x1]": {(2, 2, 3)},
    "mov x5, x6; add x5, x5, #8; ldr x0, [x5]": {(6, 0, 7)},
    "mov x5, sp; ldr q0, [x5, #16]": {(SP, 0, 15)},
    "add x5, x6, x7, lsl #4; str q0, [x5]": {(6, 0, 15)},
    "mov x7, #24; add x5, x6, x7; ldr q0, [x5]": {(6, 8, 15)},
    "mov x7, #24; sub x5, x6, x7, lsl #1; ldr q0, [x5]": {(6, 0, 15)},
    "add x5, x6, x7; ldr x0, [x5]": None,
    "and x5, x6, #0xfffffffffffffff0; str q0, [x5, #32]": set(),
    "and sp, x6, #0xfffffffffffffff0; str q0, [sp]": set(),
    "and x5, x6, #0xffff; str q0, [x5, #32]": {(6, 0, 15)},
    "and x5, x6, #0xfffffffffffffffc; str q0, [x5]": None,
    "ldr x1, [x0]; ldr x2, [x1]": None,
    "ldr x1, [x0]; ldrb w2, [x1]": {(0, 0, 7)},
    "str x1, [x0]; ldr x2, [x1]": {(0, 0, 7), (1, 0, 7)},
    "ldxr w1, [x0]; stxr w3, w1, [x0]; ldr x2, [x3]": None,
    "ldxp x1, x2, [x0]": {(0, 0, 15)},
    "mrs x1, TPIDR_EL1; ldr x0, [x1]": None,
    "msr TPIDR_EL1, x1; ldr x0, [x1]": {(1, 0, 7)},
    "fadd d1, d1, d1; ldr x0, [x1]": {(1, 0, 7)},
    "fmov x1, d1; ldr x0, [x1]": None,
    "fcvtzs x1, d0; ldr x0, [x1]": None,
    "fcvtzs w1, s0, #3; ldr x0, [x1]": None,
    "umov w1, v0.s[1]; ldr x0, [x1]": None,
    "ldr d1, [x2]; ldr x0, [x1]": {(1, 0, 7), (2, 0, 7)},
    "ldr x0, [x1, x2]": {(1, 0, 7), (2, 0, 7)},
    "ldr x0, [x1, x2, lsl #3]": {(1, 0, 7)},
    "ldr q0, [x1, w2, sxtw #4]": {(1, 0, 15)},
    "ldr x0, [x1, xzr]": {(1, 0, 7)},
    "prfm pldl1keep, [x1, #8]": set(),
    "ccmp x0, #1, #1, eq; ldr x0, [x1]": {(1, 0, 7)},
    "movz x1, #0x1230; ldr q0, [x1]": set(),
    "movz x1, #0x1234; ldr x0, [x1]": None,
    "movz x1, #0x1, lsl #16; movk x1, #0x8; ldr x0, [x1]": set(),
    "movn x1, #0x7; ldr x0, [x1]": set(),
    "dc zva, x1": set(),
    "tst x1, #8; cmp x1, #4; cmn x1, x2; ldr x0, [sp]": {(SP, 0, 7)},
    "mov sp, x1; sub sp, sp, #8; ldr q0, [sp]": {(1, 8, 15)},
    "sub sp, sp, x1; ldr x0, [sp]": None,
    "eor x1, x1, #8; ldr x0, [x1]": None,
    "mov x1, #0x0ff0; ldr q0, [x1]": set(),
    "stlr x0, [x1]; ldar x0, [x1]": {(1, 0, 7)},
    "ld1 {v0.4s}, [x1], #16; ld1 {v0.4s}, [x1], x2": {(1, 0, 3)},
    "ld1 {v0.4s}, [x1], x2; ld1 {v0.4s}, [x1]": None,
    "; ".join(f"ldr x0, [x{n}]" for n in range(1, 9)): {(n, 0, 7) for n in range(1, 9)},
    "; ".join(f"ldr x0, [x{n}]" for n in range(1, 10)): None,
    "msr SPSel, #0; ldr x0, [sp]": None,
}


@pytest.mark.parametrize("text", TABLE)
def test_block_needs_exactly_these_registers_aligned(text: str) -> None:
    expected = TABLE[text]
    assert requirements_of(words_of(text)) == (None if expected is None else {Requirement(*each) for each in expected})


def test_literals_are_judged_by_the_address_they_have() -> None:
    ldr_x_plus_8, ldr_w_plus_4, ldr_q_plus_16, adr_x1_plus_4, ldr_x0_x1 = 0x5800_0040, 0x1800_0020, 0x9C00_0080, 0x1000_0021, 0xF940_0020
    assert requirements_of([ldr_x_plus_8], 0x100) == set() and requirements_of([ldr_x_plus_8], 0x104) is None
    assert requirements_of([ldr_w_plus_4], 0x100) == set() and requirements_of([ldr_w_plus_4], 0x104) == set()
    assert requirements_of([ldr_q_plus_16], 0x110) == set() and requirements_of([ldr_q_plus_16], 0x108) is None
    assert requirements_of([adr_x1_plus_4, ldr_x0_x1], 0x104) == set() and requirements_of([adr_x1_plus_4, ldr_x0_x1], 0x100) is None


def test_registers_written_by_atomics_prove_nothing() -> None:
    ldr_x3_x1, ldr_x3_x2 = 0xF940_0023, 0xF940_0043
    ldadd_x2_x1_x0, cas_x2_x1_x0, casp_x0_x1 = 0xF822_0001, 0xC8A2_7C01, 0x4820_7C82    # the last: casp x0, x1, x2, x3, [x4]
    assert requirements_of([ldadd_x2_x1_x0, ldr_x3_x2]) == {Requirement(0, 0, 7), Requirement(2, 0, 7)}
    assert requirements_of([ldadd_x2_x1_x0, ldr_x3_x1]) is None
    assert requirements_of([cas_x2_x1_x0, ldr_x3_x1]) == {Requirement(0, 0, 7), Requirement(1, 0, 7)}
    assert requirements_of([cas_x2_x1_x0, ldr_x3_x2]) is None
    assert requirements_of([casp_x0_x1, ldr_x3_x2]) == {Requirement(4, 0, 15), Requirement(2, 0, 7)}
    assert requirements_of([casp_x0_x1, ldr_x3_x1]) is None


def test_accesses_that_are_not_decoded_prove_nothing() -> None:
    assert requirements_of([0xD920_0820]) is None          # stg x0, [x1]: MTE
    assert requirements_of([0xA540_A020]) is None          # ld1w { z0.s }, p0/z, [x1]: SVE


# ---------------------------------------------------------------- random blocks, executed

class Stepper:
    """One Unicorn instance in which any data address is backed by one page, so that a block runs whatever its registers hold."""

    CODE_VA, CODE_PA, DATA_PA = 0x7000_0000_0000, 0x1_0000, 0x2_0000

    def __init__(self) -> None:
        self.uc = unicorn.Uc(unicorn.UC_ARCH_ARM64, unicorn.UC_MODE_ARM)
        self.uc.ctl_set_page_size(4096)
        self.uc.ctl_set_cpu_model(arm64.UC_CPU_ARM64_MAX)
        self.uc.ctl_set_tlb_mode(unicorn.UC_TLB_VIRTUAL)
        self.uc.mem_map(0, 0x4_0000)
        self.uc.reg_write(arm64.UC_ARM64_REG_CPACR_EL1, 3 << 20)
        self.uc.hook_add(unicorn.UC_HOOK_TLB_FILL, self._fill)
        self.ids = [arm64.UC_ARM64_REG_X0 + n for n in range(29)] + [arm64.UC_ARM64_REG_X29, arm64.UC_ARM64_REG_X30, arm64.UC_ARM64_REG_SP]

    def _fill(self, _uc: unicorn.Uc, va: int, _access: int, result: "unicorn.UcTLBEntry", _data: object) -> bool:
        code = va == self.CODE_VA
        result.paddr = self.CODE_PA if code else self.DATA_PA
        result.perms = unicorn.UC_PROT_ALL if code else unicorn.UC_PROT_READ | unicorn.UC_PROT_WRITE
        return True

    def misalignments(self, words: list[int], registers: Registers) -> tuple[bool, int]:
        """Whether an access was misaligned, and how many instructions were executed before an exception or the end."""
        self.uc.mem_write(self.CODE_PA + CODE_OFFSET, b"".join(word.to_bytes(4, "little") for word in words))
        self.uc.ctl_flush_tb()
        for identifier, value in zip(self.ids, registers, strict=True):
            self.uc.reg_write(identifier, int(value))
        out = np.zeros(decode.OUT_FIELDS, dtype=np.uint64)
        for done, word in enumerate(words):
            pc = self.CODE_VA + CODE_OFFSET + 4 * done
            now = np.array([self.uc.reg_read(identifier) for identifier in self.ids], dtype=np.uint64)
            if decode.memory_access(np.uint64(word), out):
                address = int(decode.effective_address(np.uint64(word), now, np.uint64(pc)))
                if address % int(out[decode.OUT_ALIGNMENT_BYTES]):
                    return True, done
            try:
                self.uc.emu_start(pc, pc + 4, count=1)
            except unicorn.UcError:
                return False, done
        return False, len(words)


# (bits fixed, their values) of what random blocks are made of; registers are cut down to x0..x7 and SP afterwards.
SHAPES = [
    (0x3B00_0000, 0x3900_0000), (0x3B20_0C00, 0x3800_0400), (0x3B20_0C00, 0x3800_0C00), (0x3B20_0C00, 0x3820_0800), (0x3A00_0000, 0x2800_0000),
    (0x3F00_0000, 0x0800_0000), (0x3F20_0C00, 0x3820_0000), (0xBFBF_0000, 0x0C00_0000), (0xBF80_0000, 0x0D80_0000), (0x3B00_0000, 0x1800_0000),
    (0x1F80_0000, 0x1100_0000), (0x1F80_0000, 0x1100_0000), (0x9FC0_0000, 0x9100_0000), (0x1F80_0000, 0x1200_0000), (0x1F80_0000, 0x1280_0000),
    (0x1FE0_0000, 0x0B00_0000), (0x1FE0_0000, 0x0B20_0000), (0x7FE0_FFE0, 0x2A00_03E0), (0x1F00_0000, 0x1000_0000), (0x0E00_0000, 0x0A00_0000),
    (0x1F80_0000, 0x1300_0000), (0x0E00_0000, 0x0E00_0000), (0x5F20_0000, 0x1E20_0000), (0x9FE0_8400, 0x0E00_0400), (0xFFFF_F01F, 0xD503_201F),
    (0x1F00_0000, 0x1B00_0000), (0xFFFF_FF00, 0xD538_D000),
]
AVOID = ("wfi", "wfe", "yield", "hlt")


def random_block(rng: random.Random) -> list[int]:
    words: list[int] = []
    length = rng.randint(1, 6)
    while len(words) < length:
        mask, value = rng.choice(SHAPES)
        word = (rng.getrandbits(32) & ~mask) | value
        for low in (0, 5, 16):
            if not mask & (0x1F << low) and rng.random() < 0.8:     # few registers, so that instructions meet
                word = word & ~(0x1F << low) | rng.choice((0, 1, 2, 3, 31)) << low
        text = next(CAPSTONE.disasm_lite(word.to_bytes(4, "little"), 0), None)
        if text and not text[2].startswith(AVOID):
            words.append(word)
    return words


def random_registers(rng: random.Random) -> Registers:
    return np.array([rng.getrandbits(44) & ~7 | rng.choice((0, 0, 0, 4, 2, 1)) for _ in range(32)], dtype=np.uint64)


def holds(requirements: set[Requirement], registers: Registers) -> bool:
    return all((int(registers[each.register]) + each.delta) & each.mask == 0 for each in requirements)


def meet(requirements: set[Requirement], registers: Registers) -> None:
    """Change the low bits of the registers so that each requirement, taken alone, holds."""
    for register, delta, mask in sorted(requirements, key=lambda each: each.mask):
        registers[register] = (int(registers[register]) & ~mask) | (-delta & mask)


@pytest.fixture(scope="module")
def stepper() -> Stepper:
    return Stepper()


def test_no_access_is_misaligned_when_the_requirements_hold(stepper: Stepper) -> None:
    rng = random.Random(21)
    proved = complete = 0
    for _ in range(1_500):
        words = random_block(rng)
        requirements = requirements_of(words)
        registers = random_registers(rng)
        if requirements:
            meet(requirements, registers)
        if requirements is None or not holds(requirements, registers):
            continue
        misaligned, done = stepper.misalignments(words, registers)
        assert not misaligned, ([hex(word) for word in words], requirements, done)
        proved += 1
        complete += done == len(words)
    assert proved > 500 and complete > 200


def test_some_access_is_misaligned_when_a_requirement_fails_without_register_offsets(stepper: Stepper) -> None:
    rng = random.Random(22)
    checked = 0
    for _ in range(1_500):
        words = random_block(rng)
        if any(word & 0x3B20_0C00 == 0x3820_0800 for word in words):
            continue
        requirements = requirements_of(words)
        registers = random_registers(rng)
        if not requirements or holds(requirements, registers):
            continue
        misaligned, done = stepper.misalignments(words, registers)
        assert misaligned or done < len(words), ([hex(word) for word in words], requirements)
        checked += misaligned
    assert checked > 150
