"""Loads and stores decoded by sim.hot, against Capstone's text and against addresses that Unicorn really accesses."""

import random
import re
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import capstone
import numpy as np
import pytest
import unicorn
from hypothesis import given, settings
from hypothesis import strategies as st
from unicorn import arm64_const as arm64

from sim.hot import decode
from sim.hot.decode_memory import (
    KIND_BOTH,
    KIND_LOAD,
    KIND_PREFETCH,
    KIND_STORE,
    NO_REGISTER,
    WRITEBACK_IMMEDIATE,
    WRITEBACK_NONE,
    WRITEBACK_REGISTER,
)

PC = 0x1_0000
NONE = int(NO_REGISTER)
CAPSTONE = capstone.Cs(capstone.CS_ARCH_ARM64, capstone.CS_MODE_ARM)
BEYOND = re.compile(r"stz?2?g$|stgm|stzgm|ldgm?$|stgp|cpy|set[pgme]|st64b|ld64b|rprfm|gcs")  # MTE, MOPS, LS64 and later: not decoded
ATOMIC = re.compile(r"(ld|st)(add|clr|eor|set|smax|smin|umax|umin)|swp|cas")
MEMORY = re.compile(r"(?P<transfer>.*?),? ?\[(?P<base>\w+)(, #(?P<disp>-?\w+)|, (?P<index>[wx]\w+)(, (?P<extend>\w+)( #(?P<shift>\d+))?)?)?\]"
                    r"((?P<pre>!)|, #(?P<post>-?\w+)|, (?P<post_register>x\w+))?$")
REGISTER = re.compile(r"\b(?:[wxbhsdq](\d+)|[wx](zr))\b")
VECTOR_BYTES = {"b": 1, "h": 2, "s": 4, "d": 8}
EXTENDS = {None: 3, "lsl": 3, "uxtw": 2, "sxtw": 6, "sxtx": 7}


def disassemble(word: int) -> tuple[str, str] | None:
    found = next(CAPSTONE.disasm_lite(word.to_bytes(4, "little"), PC), None)
    return (found[2], found[3]) if found else None


def number_of(name: str) -> int:
    return 31 if name in ("sp", "wsp", "xzr", "wzr") else int(name[1:])


def transfer_numbers(text: str) -> list[int]:
    return [31 if zero else int(digits) for digits, zero in REGISTER.findall(text)]


def element_bytes_of(mnemonic: str, transfer: str) -> int:
    lane = re.search(r"\.\d*([bhsd])", transfer)
    if lane:
        return VECTOR_BYTES[lane[1]]
    names = re.findall(r"\b([wxbhsdq])(?:\d+|zr)", transfer)
    letter = names[-1]
    if letter in "wx":
        if mnemonic.endswith("sw"):
            return 4
        if mnemonic.endswith(("b", "h")):
            return 1 if mnemonic.endswith("b") else 2
    return {"w": 4, "x": 8, "q": 16}.get(letter) or VECTOR_BYTES[letter]


def size_bytes_of(mnemonic: str, transfer: str) -> int:
    element = element_bytes_of(mnemonic, transfer)
    if "{" in transfer:
        registers = transfer.count("v")
        arrangement = re.search(r"\.(\d*)[bhsd]", transfer)
        assert arrangement
        whole = re.match(r"(ld|st)[1-4]$", mnemonic) and arrangement[1]
        return registers * element * int(arrangement[1]) if whole else registers * element
    pair = re.match(r"(ld|st)n?p|ldpsw|(ld|st)a?l?xp|casp", mnemonic)
    return 2 * element if pair else element


def expected_access(mnemonic: str, operands: str) -> dict[int, int]:
    """What `out` of memory_access has to hold, read off Capstone's text."""
    literal = "[" not in operands
    found = MEMORY.match(operands)
    assert literal or found, (mnemonic, operands)
    transfer = operands.rsplit(", ", 1)[0] if literal else found["transfer"]        # type: ignore[index]
    prefetch = mnemonic.startswith("prf")
    kind = KIND_PREFETCH if prefetch else KIND_BOTH if ATOMIC.match(mnemonic) else KIND_LOAD if mnemonic.startswith("ld") else KIND_STORE
    exclusive = re.match(r"(ld|st)[al]?x[rp]", mnemonic) is not None
    expected = {decode.OUT_KIND: int(kind), decode.OUT_IS_LITERAL: int(literal), decode.OUT_IS_EXCLUSIVE: int(exclusive),
                decode.OUT_IS_UNPRIVILEGED: int(re.match(r"(ld|st)tr", mnemonic) is not None),
                decode.OUT_IS_FP: int(not prefetch and re.search(r"\b[bhsdq]\d+|\bv\d+\.", transfer) is not None)}
    size = 0 if prefetch else size_bytes_of(mnemonic, transfer)
    whole = re.match(r"(ld|st)[al]?xp|casp", mnemonic)
    expected[decode.OUT_SIZE_BYTES] = size
    expected[decode.OUT_ALIGNMENT_BYTES] = 1 if prefetch else size if whole else element_bytes_of(mnemonic, transfer)
    if literal:
        target = int(operands.rsplit("#", 1)[1], 0)
        return expected | {decode.OUT_BASE: NONE, decode.OUT_DISPLACEMENT: (target - PC) % 2**64, decode.OUT_WRITEBACK: int(WRITEBACK_NONE)}
    return expected | expected_address(found)


def expected_address(found: re.Match[str] | None) -> dict[int, int]:
    assert found
    disp = int(found["disp"] or "0", 0) % 2**64
    expected = {decode.OUT_BASE: number_of(found["base"]), decode.OUT_DISPLACEMENT: disp, decode.OUT_HAS_INDEX: int(found["index"] is not None)}
    if found["index"]:
        expected |= {decode.OUT_INDEX: number_of(found["index"]), decode.OUT_EXTEND: EXTENDS[found["extend"]],
                     decode.OUT_SHIFT: int(found["shift"] or 0)}
    amount = disp if found["pre"] else int(found["post"] or "0", 0) % 2**64
    mode = WRITEBACK_REGISTER if found["post_register"] else WRITEBACK_IMMEDIATE if found["pre"] or found["post"] else WRITEBACK_NONE
    return expected | {decode.OUT_WRITEBACK: int(mode), decode.OUT_WRITEBACK_AMOUNT: amount if mode == WRITEBACK_IMMEDIATE else 0,
                       decode.OUT_WRITEBACK_REGISTER: number_of(found["post_register"]) if found["post_register"] else NONE}


def expected_registers(mnemonic: str, operands: str) -> dict[int, int]:
    """Rt, Rt2 and Rs, except of structures, prefetches and literals."""
    numbers = transfer_numbers(operands.split("[")[0])
    if re.match(r"st[l]?x[rp]", mnemonic) or ATOMIC.match(mnemonic):
        rs, rest = numbers[0], numbers[1:]
        if mnemonic.startswith("casp"):
            rest = numbers[2:]
    else:
        rs, rest = NONE, numbers
    if not rest:                        # STADD and its kin
        rest = [31]
    return {decode.OUT_RS: rs, decode.OUT_RT: rest[0], decode.OUT_RT2: rest[1] if len(rest) > 1 else NONE}


def relatives(word: int) -> list[int]:
    """The same encoding with registers that do not meet, and with the fields that should be ones all ones.

    Capstone refuses what is CONSTRAINED UNPREDICTABLE (write-back into a transfer register, one register twice); of an allocated encoding it
    accepts one of these.
    """
    apart = word & ~0x3FF | 1 << 5 | 2
    if word & 0x3F00_0000 == 0x0800_0000:           # exclusives, ordered, compare and swap
        return [apart & ~0x001F_7C00 | rs << 16 | rt2 << 10 for rs in (4, 31) for rt2 in (3, 31)]
    if word & 0x3A00_0000 == 0x2800_0000:           # pairs
        return [apart & ~0x7C00 | 3 << 10]
    if word & 0x3F20_0C00 == 0x3820_0000:           # atomics and LDAPR
        return [apart | 0x001F_0000]
    return [apart]


def check_against_capstone(word: int) -> bool:
    """True if the word was an access that Capstone and we describe alike, False if Capstone knows no access; raises on contradiction."""
    out = np.zeros(decode.OUT_FIELDS, dtype=np.uint64)
    is_access = decode.memory_access(np.uint64(word), out)
    text = disassemble(word)
    if text is None:
        assert not is_access or any(disassemble(each) for each in relatives(word)), hex(word)
        return False
    mnemonic, operands = text
    is_literal = mnemonic in ("ldr", "ldrsw", "prfm") and "[" not in operands
    scalable = (word >> 25) & 0xF in (0, 2)                 # SME and SVE
    expect = not scalable and (is_literal or re.search(r"\[(x|sp)", operands) is not None) and not BEYOND.match(mnemonic)
    if re.match(r"ldraa|ldrab", mnemonic):
        return False
    assert is_access == expect, (hex(word), text)
    if not is_access:
        return False
    expected = expected_access(mnemonic, operands)
    if "{" not in operands and not mnemonic.startswith("prf") and not is_literal:
        expected |= expected_registers(mnemonic, operands)
    got = {key: int(out[key]) for key in expected}
    assert got == expected, (hex(word), text)
    return True


def random_access_word(rng: random.Random) -> int:
    """A word of the load and store space, half of them with the fields that must be ones set to ones."""
    word = (rng.getrandbits(32) | 1 << 27) & ~(1 << 25)
    if rng.random() < 0.5:
        word |= rng.choice((0x001F_0000, 0x0000_7C00, 0x001F_7C00))
    return word


def test_random_words_of_the_load_store_space_agree_with_capstone() -> None:
    rng = random.Random(8)
    agreed = sum(check_against_capstone(random_access_word(rng)) for _ in range(25_000))
    assert agreed > 8_000


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_any_word_agrees_with_capstone_about_being_an_access(word: int) -> None:
    check_against_capstone(word)


def test_bulk_words_of_every_space_agree_with_capstone_about_being_an_access() -> None:
    rng = random.Random(9)
    for _ in range(20_000):
        check_against_capstone(rng.getrandbits(32))


class Form(NamedTuple):
    text: str
    ordered: int = 0                    # 1 acquire, 2 release


FORMS = [Form(text) for text in """
ldr x0, [x1] | ldr w0, [x1, #4092] | ldr x0, [x1, #32760] | ldrb w0, [x1, #4095] | ldrh w0, [x1, #2] | ldrsb x0, [x1, #1] | ldrsb w0, [x1]
ldrsh x0, [x1, #6] | ldrsh w0, [x1, #6] | ldrsw x0, [x1, #4] | str x0, [sp, #8] | str wzr, [x1] | strb w0, [x1, #3] | strh w0, [x1, #8]
ldur x0, [x1, #-256] | ldur w0, [x1, #255] | ldursw x0, [x1, #-3] | stur x0, [x1, #-1] | sturb w0, [x1, #-7] | ldurh w0, [x1, #-2] | ldursb x0, [x1, #-9]
ldr x0, [x1, #-16]! | ldr x0, [x1], #-16 | str x0, [sp, #-16]! | str x0, [sp], #16 | ldrsw x0, [x1], #4 | strb w0, [x1, #1]! | ldrh w0, [x1], #255
ldtr x0, [x1, #-8] | ldtrb w0, [x1, #9] | ldtrsw x0, [x1, #-4] | sttr w0, [x1, #4] | sttrh w0, [x1] | ldtrsh x0, [x1, #2] | sttr x0, [sp]
ldr x0, [x1, x2] | ldr x0, [x1, x2, lsl #3] | ldr x0, [x1, w7, uxtw] | ldr x0, [x1, w3, sxtw #3] | ldrb w0, [x1, x4, sxtx] | ldrh w0, [x1, w3, sxtw #1]
ldrsw x0, [x1, w2, uxtw #2] | str w0, [x1, w3, sxtw #2] | strb w0, [sp, x2] | ldr x0, [x1, xzr] | ldr x0, [x1, wzr, sxtw #3] | str x0, [x1, x4]
ldp x0, x5, [x1] | ldp w0, w5, [x1, #-8] | ldp x0, x5, [x1, #504] | stp x0, x5, [sp, #-512]! | ldp x0, x5, [sp], #16 | stp w0, w5, [x1], #-256
ldpsw x0, x5, [x1, #8] | ldpsw x0, x5, [x1], #8 | ldnp x0, x5, [x1, #-16] | stnp w0, w5, [x1, #252] | ldp x0, x5, [x1, #-16]!
ldr b0, [x1, #5] | ldr h0, [x1, #2] | ldr s0, [x1, #4] | ldr d0, [x1, #8] | ldr q0, [x1, #16] | str q0, [x1, #65520] | ldur q0, [x1, #-5]
str d0, [sp, #-16]! | ldr q0, [x1], #16 | ldr q0, [x1, x2, lsl #4] | ldr s0, [x1, w3, sxtw #2] | str b0, [x1, x4] | ldr d0, [x1, w7, uxtw #3]
ldp q0, q1, [x1, #-1024] | stp d0, d1, [sp, #-16]! | ldp s0, s1, [x1], #8 | ldnp q0, q1, [x1, #32] | stnp s0, s1, [x1, #-4] | stp q0, q1, [x1, #1008]
ldr x0, .+64 | ldr w0, .+36 | ldrsw x0, .-8 | ldr s0, .+8 | ldr d0, .+12 | ldr q0, .+20
ld1 {v0.8b}, [x1] | ld1 {v0.16b,v1.16b}, [x1] | ld1 {v0.4h,v1.4h,v2.4h}, [x1] | ld1 {v0.2d,v1.2d,v2.2d,v3.2d}, [x1] | ld2 {v0.4s,v1.4s}, [x1], #32
ld3 {v0.8h,v1.8h,v2.8h}, [sp], x2 | ld4 {v0.2s,v1.2s,v2.2s,v3.2s}, [x1], #32 | st1 {v0.1d}, [x1], #8 | st2 {v0.16b,v1.16b}, [x1] | st3 {v0.2d,v1.2d,v2.2d}, [x1], x4
st4 {v0.8b,v1.8b,v2.8b,v3.8b}, [x1] | ld1 {v0.b}[3], [x1] | ld1 {v0.h}[5], [x1], #2 | ld2 {v0.s,v1.s}[1], [x1], #8 | ld3 {v0.d,v1.d,v2.d}[1], [x1]
ld4 {v0.b,v1.b,v2.b,v3.b}[7], [x1], x2 | st1 {v0.d}[0], [x1], x2 | st2 {v0.h,v1.h}[1], [sp], #4 | st4 {v0.s,v1.s,v2.s,v3.s}[3], [x1] | st3 {v0.b,v1.b,v2.b}[15], [x1]
ld1r {v0.8b}, [x1] | ld2r {v0.4h,v1.4h}, [x1], #4 | ld3r {v0.2d,v1.2d,v2.2d}, [x1], x2 | ld4r {v0.4s,v1.4s,v2.4s,v3.4s}, [x1], #16 | ld1r {v0.2d}, [x1], #8
ldxr x0, [x1] | ldxrb w0, [x1] | stxr w5, x0, [x1] | stxrh w5, w0, [x1] | ldxp x0, x5, [x1] | ldxp w0, w5, [x1] | stxp w6, x0, x5, [x1] | ldxr w0, [sp]
""".replace("\n", "|").split("|") if text.strip()] + [Form(text, ordered) for ordered, texts in (
    (1, "ldar x0, [x1] | ldarb w0, [x1] | ldarh w0, [sp] | ldlar w0, [x1] | ldaxr x0, [x1] | ldaxp w0, w5, [x1] | ldapr x0, [x1] | ldaprb w0, [x1]"),
    (1, "ldapur x0, [x1, #-8] | ldapursw x0, [x1, #4] | ldapursb w0, [x1, #-1] | ldapurh w0, [x1, #2] | ldadda x0, x5, [x1] | casa x0, x5, [x1]"),
    (2, "stlr x0, [x1] | stlrb w0, [x1] | stllr w0, [x1] | stlxr w5, x0, [x1] | stlxp w6, w0, w5, [x1] | stlur x0, [x1, #-8] | stlurb w0, [x1, #7]"),
    (2, "ldaddl w0, w5, [x1] | swpl x0, x5, [x1] | stsetl x0, [x1] | casl w0, w5, [x1] | caspl x2, x3, x4, x5, [x1] | staddlb w0, [sp]"),
    (0, "ldadd x0, x5, [x1] | ldclrb w0, w5, [x1] | ldeorh w0, w5, [sp] | ldset w0, w5, [x1] | ldsmax x0, x5, [x1] | ldumin w0, w5, [x1] | swp x0, x5, [x1]"),
    (0, "swph w0, w5, [x1] | stadd x0, [x1] | cas x0, x5, [x1] | casb w0, w5, [x1] | casp w2, w3, w4, w5, [x1] | casp x2, x3, x4, x5, [sp]"),
    (3, "ldaddal x0, x5, [x1] | swpalb w0, w5, [x1] | casal x0, x5, [x1] | caspal w2, w3, w4, w5, [x1] | ldumaxal w0, w5, [x1]"),
) for text in texts.split("|")]


def assemble(lines: list[str], directory: Path) -> list[int]:
    """Words that GNU as makes of one instruction each, in their order."""
    source, obj, flat = directory / "forms.s", directory / "forms.o", directory / "forms.bin"
    source.write_text(".arch armv8.4-a+crypto\n" + "".join(f"{line}\n" for line in lines))
    subprocess.run(["aarch64-linux-gnu-as", "-o", obj, source], check=True)
    subprocess.run(["aarch64-linux-gnu-objcopy", "-O", "binary", obj, flat], check=True)
    return [int(word) for word in np.frombuffer(flat.read_bytes(), dtype="<u4")]


needs_gnu = pytest.mark.skipif(shutil.which("aarch64-linux-gnu-as") is None, reason="aarch64-linux-gnu-as is not installed")
STORE_EXCLUSIVE = re.compile(r"\s*stl?x")
DATA, CODE = 0x10_0000, 0x8_0000
VALUES = {1: DATA + 0x8000, 2: 0x120, 3: 0xABCD_0000_FFFF_FFF0, 4: 0xFFFF_FFFF_FFFF_FF35, 7: 0xABCD_0000_0000_0128, 31: DATA + 0x4000}


class OneInstruction:
    """One Unicorn instance that executes single words and reports each access's lowest address and its bytes."""

    def __init__(self) -> None:
        self.uc = unicorn.Uc(unicorn.UC_ARCH_ARM64, unicorn.UC_MODE_ARM)
        self.uc.ctl_set_cpu_model(arm64.UC_CPU_ARM64_MAX)
        self.uc.mem_map(0, 0x40_0000)
        self.uc.reg_write(arm64.UC_ARM64_REG_CPACR_EL1, 3 << 20)
        self.touched: set[int] = set()
        self.uc.hook_add(unicorn.UC_HOOK_MEM_READ | unicorn.UC_HOOK_MEM_WRITE, self._record)
        self.uc.hook_add(unicorn.UC_HOOK_MEM_UNMAPPED, self._record)

    def _record(self, _uc: unicorn.Uc, _access: int, address: int, size: int, _value: int, _data: object) -> bool:
        self.touched.update(range(address, address + size))
        return False

    def run(self, word: int, registers: "np.ndarray[tuple[int], np.dtype[np.uint64]]") -> set[int]:
        self.uc.ctl_remove_cache(CODE, CODE + 4)
        self.uc.mem_write(CODE, word.to_bytes(4, "little"))
        for number in range(31):
            self.uc.reg_write(register_id(number), int(registers[number]))
        self.uc.reg_write(arm64.UC_ARM64_REG_SP, int(registers[31]))
        self.touched = set()
        self.uc.emu_start(CODE, CODE + 4, count=1)
        return self.touched


def register_id(number: int) -> int:
    return {29: arm64.UC_ARM64_REG_X29, 30: arm64.UC_ARM64_REG_X30}.get(number, arm64.UC_ARM64_REG_X0 + number)


@pytest.mark.gnu
@needs_gnu
def test_unicorn_accesses_the_bytes_that_were_decoded_for_each_form(tmp_path: Path) -> None:
    machine = OneInstruction()
    registers = np.zeros(32, dtype=np.uint64)
    for number, value in VALUES.items():
        registers[number] = value
    out = np.zeros(decode.OUT_FIELDS, dtype=np.uint64)
    forms = [form for form in FORMS if not STORE_EXCLUSIVE.match(form.text)]        # those store nothing without a reservation
    for form, word in zip(forms, assemble([form.text for form in forms], tmp_path), strict=True):
        values = registers.copy()
        if re.match(r"\s*casp", form.text):
            values[2:6] = 0             # compare registers
        address = int(decode.effective_address(np.uint64(word), values, np.uint64(CODE)))
        assert decode.memory_access(np.uint64(word), out), form
        size = int(out[decode.OUT_SIZE_BYTES])
        assert machine.run(word, values) == set(range(address, address + size)), form
        assert int(out[decode.OUT_IS_ORDERED]) == form.ordered, form
        after = machine.uc.reg_read(arm64.UC_ARM64_REG_SP if out[decode.OUT_BASE] == 31 else arm64.UC_ARM64_REG_X1)
        if int(out[decode.OUT_BASE]) in (1, 31):
            amount = int(out[decode.OUT_WRITEBACK_AMOUNT])
            if out[decode.OUT_WRITEBACK] == WRITEBACK_REGISTER:
                amount = int(values[int(out[decode.OUT_WRITEBACK_REGISTER])])
            assert after == (int(values[int(out[decode.OUT_BASE])]) + amount) % 2**64, form


@pytest.mark.gnu
@needs_gnu
def test_store_exclusives_are_ordered_as_their_mnemonic_says(tmp_path: Path) -> None:
    forms = [form for form in FORMS if STORE_EXCLUSIVE.match(form.text)]
    out = np.zeros(decode.OUT_FIELDS, dtype=np.uint64)
    for form, word in zip(forms, assemble([form.text for form in forms], tmp_path), strict=True):
        assert decode.memory_access(np.uint64(word), out)
        assert int(out[decode.OUT_IS_ORDERED]) == form.ordered, form


def test_unicorn_accesses_the_effective_address_of_random_words() -> None:
    machine = OneInstruction()
    rng = random.Random(10)
    seen = 0
    for _ in range(6_000):
        word = random_access_word(rng)
        text = disassemble(word)
        if text is None or BEYOND.match(text[0]) or re.match(r"ldra|st[l]?x|prf", text[0]):
            continue
        registers = np.array([rng.randrange(0x1000_0000) & ~15 for _ in range(32)], dtype=np.uint64)
        machine.touched = set()
        try:
            touched = machine.run(word, registers)
        except unicorn.UcError:
            touched = machine.touched
        if not touched:
            continue                    # Unicorn's CPU has no such instruction
        assert min(touched) == int(decode.effective_address(np.uint64(word), registers, np.uint64(CODE))), (hex(word), text)
        seen += 1
    assert seen > 1_000


def test_effective_address_wraps_at_the_top_of_the_address_space() -> None:
    registers = np.zeros(32, dtype=np.uint64)
    registers[1] = 0xFFFF_FFFF_FFFF_FFF8
    assert int(decode.effective_address(np.uint64(0xF940_0820), registers, np.uint64(0))) == 8          # ldr x0, [x1, #16]
    registers[1] = 0xFFFF_0000_0000_0008
    assert int(decode.effective_address(np.uint64(0xF85F_0020), registers, np.uint64(0))) == 0xFFFE_FFFF_FFFF_FFF8   # ldur x0, [x1, #-16]
