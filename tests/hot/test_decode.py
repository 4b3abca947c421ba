"""Flags, cost classes and block facts, against tables assembled by GNU as and against Capstone's text."""

import random
import re
import shutil
import subprocess
from pathlib import Path

import capstone
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.arch import instruction
from sim.hot import decode

CAPSTONE = capstone.Cs(capstone.CS_ARCH_ARM64, capstone.CS_MODE_ARM)
FLAG_NAMES = {name.removeprefix("FLAG_"): value for name, value in vars(instruction).items() if name.startswith("FLAG_")}

# Flags, cost class: instructions that have exactly these.
TABLE = {
    ("", "alu"): "add x0, x1, #1 | add sp, sp, #16 | sub sp, sp, #4096 | cmp sp, #8 | mov x0, sp | adrp x0, . | lsr x0, x1, #3 | cset w0, eq | ands xzr, x1, #3"
                 " | adds x0, sp, x1, uxtx #2 | cmp sp, x1 | movk x0, #1, lsl #16 | rev x0, x1 | ccmp x0, #1, #0, eq | cfinv | rmif x0, #1, #2",
    ("", "multiply"): "mul x0, x1, x2 | umulh x0, x1, x2 | smull x0, w1, w2 | msub w0, w1, w2, w3 | crc32cx w0, w1, x2 | crc32b w0, w1, w2",
    ("", "divide"): "udiv x0, x1, x2 | sdiv w0, w1, w2",
    ("WRITES_SP", "alu"): "mov sp, x0 | add sp, x0, #16 | add sp, sp, #8 | sub sp, sp, x1 | and sp, x1, #0xfffffffffffffff0 | sub wsp, wsp, #16"
                          " | add sp, sp, x1, lsl #4 | orr sp, x0, #16 | sub sp, sp, #1",
    ("MEMORY LOAD", "load"): "ldr x0, [x1] | ldrsb w0, [x1, #-3]! | ldr x0, . | ldraa x0, [x1]",
    ("MEMORY STORE", "store"): "str x0, [x1], #4 | strb w0, [x1, x2] | sturh w0, [x1]",
    ("MEMORY LOAD SP_BASE", "load"): "ldr x0, [sp, #8] | ldr x0, [sp], #16",
    ("MEMORY LOAD SP_BASE WRITES_SP", "load"): "ldr x0, [sp], #8 | ldr w0, [sp, #-4]!",
    ("MEMORY STORE SP_BASE", "store_pair"): "stp x29, x30, [sp, #-32]! | stp w0, w1, [sp, #8]",
    ("MEMORY STORE SP_BASE WRITES_SP", "store_pair"): "stp x0, x1, [sp, #-24]! | stp w0, w1, [sp], #8",
    ("MEMORY LOAD SP_BASE WRITES_SP FP", "load"): "ld1 {v0.16b}, [sp], x1 | ld1 {v0.8b}, [sp], #8",
    ("MEMORY LOAD", "load_pair"): "ldp x0, x1, [x2] | ldpsw x0, x1, [x2] | ldnp w0, w1, [x2]",
    ("MEMORY LOAD FP", "load"): "ldr q0, [x1] | ldr s0, . | ld4 {v0.2d,v1.2d,v2.2d,v3.2d}, [x1] | ld1r {v0.4s}, [x1] | ldur b0, [x1, #1]",
    ("MEMORY STORE FP", "store"): "str d0, [x1, #8]! | st1 {v0.b}[2], [x1] | str h0, [x1, x2, lsl #1]",
    ("MEMORY LOAD FP", "load_pair"): "ldp d0, d1, [x1] | ldnp q0, q1, [x1]",
    ("MEMORY LOAD UNPRIVILEGED", "load"): "ldtr x0, [x1] | ldtrsh w0, [x1, #2]",
    ("MEMORY STORE UNPRIVILEGED SP_BASE", "store"): "sttrb w0, [sp, #1]",
    ("MEMORY LOAD LDAPR", "load"): "ldar x0, [x1] | ldlarb w0, [x1] | ldapr w0, [x1] | ldaprh w0, [x1] | ldapur x0, [x1, #8] | ldapursh w0, [x1]",
    ("MEMORY STORE LDAPR", "store"): "stlr x0, [x1] | stllrh w0, [x1] | stlurb w0, [x1, #-1]",
    ("MEMORY LOAD EXCLUSIVE", "exclusive"): "ldxr x0, [x1] | ldaxrb w0, [x1] | ldxp w0, w1, [x2] | ldaxp x0, x1, [x2]",
    ("MEMORY STORE EXCLUSIVE", "exclusive"): "stxr w0, x1, [x2] | stlxrh w0, w1, [x2] | stxp w0, x1, x2, [x3] | stlxp w0, w1, w2, [x3]",
    ("MEMORY STORE EXCLUSIVE SP_BASE", "exclusive"): "stxr w0, x1, [sp]",
    ("MEMORY LOAD STORE ATOMIC", "atomic"): "ldadd x0, x1, [x2] | stsmax w0, [x1] | swpalb w0, w1, [x2] | cas x0, x1, [x2] | caspal x0, x1, x2, x3, [x4]",
    ("", "load"): "prfm pldl1keep, [x0] | prfm pldl1keep, [sp, #8] | prfum pstl1keep, [x0, #1] | prfm pldl2strm, [x0, x1] | prfm pldl1keep, .",
    ("CLREX", "exclusive"): "clrex | clrex #0",
    ("BRANCH", "branch"): "b . | bl . | b.ne . | cbz x0, . | cbnz w0, . | tbz x0, #3, . | tbnz x0, #33, .",
    ("BRANCH", "branch_indirect"): "br x0 | blr x0 | ret | ret x3 | braaz x0 | blrab x0, x1 | retaa | drps",
    ("BRANCH ERET", "branch_indirect"): "eret | eretaa | eretab",
    ("FP", "fp_simd"): "fadd d0, d1, d2 | fmov x0, d0 | scvtf s0, x0 | add v0.4s, v1.4s, v2.4s | aese v0.16b, v1.16b | sha256h q0, q1, v2.4s | fcmp s0, #0.0"
                       " | umov w0, v0.b[1] | dup v0.2d, x0 | movi v0.2d, #0 | fjcvtzs w0, d0 | pmull v0.1q, v1.1d, v2.1d | fcsel d0, d1, d2, eq | tbl v0.8b, {v1.16b}, v2.8b",
    ("SYSTEM FP", "system_read"): "mrs x0, FPCR | mrs x0, FPSR",
    ("SYSTEM FP", "system_write"): "msr FPCR, x0 | msr FPSR, x0",
    ("DSB", "barrier_dsb"): "dsb sy | dsb ish | dsb nshst",
    ("", "barrier_dsb"): ".inst 0xd50330ff",                                                                         # SB
    ("DMB", "barrier_dmb"): "dmb ish | dmb oshld",
    ("ISB", "barrier_isb"): "isb | isb #3",
    ("", "hint"): "nop | paciasp | autibsp | xpaclri | hint #34 | hint #16 | csdb",
    ("YIELD", "hint"): "yield",
    ("WFE", "hint"): "wfe",
    ("WFI", "hint"): "wfi",
    ("SEV", "hint"): "sev",
    ("SEVL", "hint"): "sevl",
    ("SYSTEM", "system_read"): "mrs x0, TTBR0_EL1 | mrs x0, DAIF | mrs x0, SPSel | mrs x0, PAN | mrs x0, S3_0_C12_C12_0 | sysl x0, #0, c7, c1, #2",
    ("SYSTEM", "system_write"): "msr TTBR0_EL1, x0 | msr S3_0_C12_C11_5, x0 | at s1e1r, x0 | at s1e1wp, x0 | sys #0, c11, c1, #2, x0 | msr NZCV, x0 | msr DIT, #1"
                                " | msr SP_EL0, x0",
    ("SYSTEM DAIF", "system_write"): "msr DAIFSet, #2 | msr DAIFClr, #15 | msr DAIF, x0",
    ("SYSTEM SPSEL", "system_write"): "msr SPSel, #0 | msr SPSel, x0",
    ("SYSTEM PAN", "system_write"): "msr PAN, #1 | msr PAN, x0",
    ("SYSTEM UAO", "system_write"): "msr UAO, #1 | msr UAO, x0",
    ("SYSTEM TLBI", "tlbi"): "tlbi vmalle1 | tlbi vae1is, x0 | tlbi aside1, x0 | tlbi rvae1is, x0 | tlbi vaale1os, x0 | tlbi alle2",
    ("SYSTEM", "cache_maintenance"): "dc cvac, x0 | dc ivac, x0 | ic iallu | ic ivau, x0 | dc cisw, x0",
    ("SYSTEM MEMORY STORE DC_ZVA", "cache_maintenance"): "dc zva, x0 | dc zva, xzr",
    ("SVC", "exception_generating"): "svc #0 | svc #65535",
    ("HVC", "exception_generating"): "hvc #0",
    ("SMC", "exception_generating"): "smc #1",
    ("BRK", "exception_generating"): "brk #0 | brk #0xf000",
    ("HALT", "exception_generating"): "hlt #0xf000",
    ("", "exception_generating"): "udf #0 | udf #77 | dcps1",
    ("UNANNOUNCED", "alu"): ".arch_extension memtag; irg x0, x1 | stg x0, [x1] | ldg x0, [x1] | stgp x0, x1, [x2] | addg x0, x1, #16, #0 | subp x0, x1, x2"
                            " | .arch_extension sve; add z0.d, z1.d, z2.d | ptrue p0.b",
}


def named(flags: int) -> set[str]:
    return {name for name, value in FLAG_NAMES.items() if flags & value}


def assemble(lines: list[str], directory: Path) -> list[int]:
    if shutil.which("aarch64-linux-gnu-as") is None:
        pytest.skip("needs aarch64-linux-gnu-as, from Debian's binutils-aarch64-linux-gnu")
    source, obj, flat = directory / "table.s", directory / "table.o", directory / "table.bin"
    source.write_text(".arch armv8.6-a+crypto+sve+memtag\n" + "".join(f"{line}\n" for line in lines))
    subprocess.run(["aarch64-linux-gnu-as", "-o", obj, source], check=True)
    subprocess.run(["aarch64-linux-gnu-objcopy", "-O", "binary", obj, flat], check=True)
    return [int(word) for word in np.frombuffer(flat.read_bytes(), dtype="<u4")]


@pytest.mark.gnu
def test_every_named_instruction_has_exactly_its_flags_and_its_cost_class(tmp_path: Path) -> None:
    cases = [(text.strip(), flags, cost) for (flags, cost), texts in TABLE.items() for text in texts.split(" | ")]
    words = assemble([text for text, _, _ in cases], tmp_path)
    assert len(words) == len(cases)
    for (text, flags, cost), word in zip(cases, words, strict=True):
        assert named(int(decode.instruction_flags(np.uint64(word)))) == set(flags.split()), (text, hex(word))
        assert instruction.COST_CLASSES[decode.cost_class(np.uint64(word))] == cost, (text, hex(word))


def test_the_table_names_every_flag_and_every_cost_class() -> None:
    assert {flag for flags, _ in TABLE for flag in flags.split()} == set(FLAG_NAMES)
    assert {cost for _, cost in TABLE} == set(instruction.COST_CLASSES)


def test_flags_are_distinct_bits_and_cost_constants_number_the_classes() -> None:
    values = list(FLAG_NAMES.values())
    assert all(value.bit_count() == 1 for value in values) and len(set(values)) == len(values)
    constants = {name.removeprefix("COST_").lower(): value for name, value in vars(instruction).items() if re.match(r"COST_(?!CLASSES)", name)}
    assert [constants[name] for name in instruction.COST_CLASSES] == list(range(len(instruction.COST_CLASSES)))


# ---------------------------------------------------------------- Capstone

ATOMIC = r"((ld|st)(add|clr|eor|set|smax|smin|umax|umin)|swp|cas)"
CLASSES = [                             # first match decides
    (r"(mul|mneg|madd|msub|[su]mulh|[su]mull|[su]mnegl|[su]maddl|[su]msubl|crc32c?[bhwx])$", "multiply"),
    (r"[su]div$", "divide"),
    (r"(ld|st)[al]?x[rp]|clrex", "exclusive"),
    (ATOMIC, "atomic"),
    (r"ldn?p|ldpsw", "load_pair"), (r"stn?p", "store_pair"),
    (r"ld|prf", "load"), (r"st", "store"),
    (r"(br|blr|bra[ab]z?|blra[ab]z?|ret|reta[ab]|eret|ereta[ab]|drps)$", "branch_indirect"),
    (r"(b|bl|b\..*|bc\..*|cbn?z|tbn?z)$", "branch"),
    (r"dmb$", "barrier_dmb"), (r"(dsb|ssbb|pssbb|sb|dfb)$", "barrier_dsb"), (r"isb$", "barrier_isb"),
    (r"(mrs|sysl)$", "system_read"), (r"tlbi$", "tlbi"), (r"(dc|ic)$", "cache_maintenance"),
    (r"(msr|sys|at|smstart|smstop)$", "system_write"),
    (r"(svc|hvc|smc|brk|hlt|dcps\d|udf)$", "exception_generating"),
    (r"(nop|yield|wfe|wfi|sevl?|hint|dgh|esb|psb|tsb|csdb|bti|(pac|aut)i[ab](sp|z|1716)|xpaclri|chkfeat|clrbhb|gcsb)", "hint"),
]
BEYOND = re.compile(r"stz?2?g$|stz?gm|ldgm?$|stgp|cpy|set[pgme]|st64b|ld64b|rprfm|irg|gmi|subps?$|cmpp|addg|subg|tcommit|tstart|tcancel|ttest|wfet|wfit|msrr|mrrs")
SPACES = [                              # bits fixed, their values: spaces that uniform words would rarely meet
    (0, 0), (0x1C00_0000, 0x1400_0000), (0xFFC0_0000, 0xD500_0000), (0xFFF8_0000, 0xD508_0000), (0xFFFF_F01F, 0xD503_201F), (0xFFFF_F01F, 0xD503_301F),
    (0xFFF8_F01F, 0xD500_401F), (0xFF00_001C, 0xD400_0000), (0xFE1F_FC1F, 0xD61F_0000), (0x0E00_0000, 0x0E00_0000), (0x1E00_0000, 0x1A00_0000),
    (0x1FE0_0000, 0x1AC0_0000), (0x1F00_0000, 0x1B00_0000), (0x1C00_001F, 0x1000_001F), (0x1F20_001F, 0x0B20_001F), (0x0A00_03E0, 0x0800_03E0),
    (0x3A00_0000, 0x2800_0000), (0x3B20_0000, 0x3820_0000),
]


def disassemble(word: int) -> tuple[str, str] | None:
    found = next(CAPSTONE.disasm_lite(word.to_bytes(4, "little"), 0x1_0000), None)
    return (found[2], found[3]) if found else None


def writes_sp_unevenly(mnemonic: str, operands: str) -> bool:
    """By its text: SP becomes something else than itself plus or minus a multiple of 16."""
    memory = re.search(r"\[sp(?:, #(-?\w+))?\](?:(!)|, (?:#(-?\w+)|x\w+))?$", operands)
    if memory:
        amount = memory[1] if memory[2] else memory[3]
        by_register = "], x" in operands
        return by_register or (amount is not None and int(amount, 0) % 16 != 0)
    if not re.match(r"(sp|wsp),", operands) or mnemonic not in ("add", "sub", "and", "orr", "eor", "mov"):
        return False
    even = re.match(r"sp, sp, #(\w+)(, lsl #12)?$", operands) if mnemonic in ("add", "sub") else None
    return not (even and (even[2] or int(even[1], 0) % 16 == 0))


def expected_flags(mnemonic: str, operands: str) -> dict[str, bool]:
    prefetch = mnemonic.startswith("prf")
    literal = mnemonic in ("ldr", "ldrsw") and "[" not in operands
    memory = not prefetch and (literal or re.search(r"\[(x|sp)", operands) is not None) or (mnemonic == "dc" and operands.startswith("zva"))
    simd = re.search(r"\b[bhsdq]\d+\b|\bv\d+\.", operands) is not None and not prefetch
    pstate = re.match(r"(daifset|daifclr|daif),", operands.lower()) is not None
    return {
        "FP": simd or (mnemonic in ("mrs", "msr") and re.search(r"\bfp[cs]r\b", operands.lower()) is not None),
        "MEMORY": memory,
        "SP_BASE": not prefetch and "[sp" in operands,
        "WRITES_SP": writes_sp_unevenly(mnemonic, operands),
        "BRANCH": re.match(r"(b|bl|br|blr|b\..*|bc\..*|cbn?z|tbn?z|bl?ra[ab]z?|ret|reta[ab]|eret|ereta[ab]|drps)$", mnemonic) is not None,
        "ERET": mnemonic.startswith("eret"),
        "EXCLUSIVE": re.match(r"(ld|st)[al]?x[rp]", mnemonic) is not None,
        "ATOMIC": re.match(ATOMIC, mnemonic) is not None,
        "UNPRIVILEGED": re.match(r"(ld|st)tr", mnemonic) is not None,
        "LDAPR": re.match(r"ldl?ar|ldapu?r|stll?r|stlur", mnemonic) is not None,
        "SYSTEM": re.match(r"(mrs|msr|sysl?|tlbi|dc|ic|at|cfp|dvp|cpp|cosp|smstart|smstop|gcs\w*)$", mnemonic) is not None,
        "TLBI": mnemonic == "tlbi",
        "DAIF": mnemonic == "msr" and pstate,
        "DSB": mnemonic in ("dsb", "ssbb", "pssbb", "dfb"), "DMB": mnemonic == "dmb", "ISB": mnemonic == "isb", "CLREX": mnemonic == "clrex",
        **{name: mnemonic == name.lower() for name in ("SEV", "SEVL", "WFE", "WFI", "YIELD", "SVC", "HVC", "SMC", "BRK")},
        "HALT": mnemonic == "hlt",
    }


def check_against_capstone(word: int) -> bool:
    """True if Capstone and we say the same of the word, False if it cannot judge; raises on contradiction."""
    text = disassemble(word)
    if text is None or (word >> 25) & 0xF in (2, 3) or ((word >> 25) & 0xF == 0 and word >> 16):    # SVE, SME
        return False
    mnemonic, operands = text
    if re.search(r"\bs0_|nxs$", operands):            # op0 = 0 is no system register, though Capstone prints one; Armv8.7 barriers
        return False
    flags = named(int(decode.instruction_flags(np.uint64(word))))
    if BEYOND.match(mnemonic) or "UNANNOUNCED" in flags:
        assert "FP" not in flags
        return False
    expected = expected_flags(mnemonic, operands)
    generic_tlbi = mnemonic in ("sys", "msr", "mrs")        # Capstone names only the operations and registers that it knows
    for name, value in expected.items():
        if generic_tlbi and name in ("TLBI", "DAIF"):
            continue
        assert (name in flags) == value, (hex(word), text, name)
    cost = instruction.COST_CLASSES[decode.cost_class(np.uint64(word))]
    if "FP" in flags and mnemonic not in ("mrs", "msr"):
        wanted = "fp_simd" if not expected["MEMORY"] else cost
    else:
        wanted = next((name for pattern, name in CLASSES if re.match(pattern, mnemonic)), "alu")
    if not generic_tlbi:
        assert cost == wanted, (hex(word), text)
    return True


def test_bulk_words_of_every_space_agree_with_capstone() -> None:
    rng = random.Random(3)
    for mask, value in SPACES:
        agreed = sum(check_against_capstone((rng.getrandbits(32) & ~mask) | value) for _ in range(1_500))
        assert agreed > 50, hex(value)


@settings(max_examples=400, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(SPACES))
def test_any_word_agrees_with_capstone(word: int, space: tuple[int, int]) -> None:
    check_against_capstone((word & ~space[0]) | space[1])


# ---------------------------------------------------------------- blocks

NOP, ADD, LDR, STP, FADD, DSB, RET, SVC = 0xD503_201F, 0x9100_0421, 0xF940_0020, 0xA9BF_7BFD, 0x1E62_2820, 0xD503_3B9F, 0xD65F_03C0, 0xD400_0001


def ram_of(*words: int, at: int = 0) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    ram = np.zeros(at + 4 * len(words), dtype=np.uint8)
    ram[at:] = np.frombuffer(np.array(words, dtype="<u4").tobytes(), dtype=np.uint8)
    return ram


def facts_of(ram: np.ndarray[tuple[int], np.dtype[np.uint8]], offset: int, count: int) -> list[int]:
    out = np.zeros(decode.FACTS_FIELDS, dtype=np.uint64)
    decode.block_facts(ram, offset, count, out)
    return [int(value) for value in out]


def test_block_facts_join_flags_and_find_the_first_fp_instruction() -> None:
    flags, last, first_fp, count = facts_of(ram_of(ADD, LDR, FADD, DSB, FADD, RET, at=256), 256, 6)
    assert named(flags) == {"MEMORY", "LOAD", "FP", "DSB", "BRANCH"}
    assert named(last) == {"BRANCH"}
    assert (first_fp, count) == (2, 6)


def test_block_without_fp_has_its_length_as_index_of_the_first_fp_instruction() -> None:
    assert facts_of(ram_of(NOP, STP, SVC), 0, 3)[decode.FACTS_FIRST_FP] == 3


def test_an_empty_block_has_no_facts() -> None:
    assert facts_of(ram_of(NOP), 0, 0) == [0, 0, 0, 0]
