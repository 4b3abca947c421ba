"""What a source means where GNU as has no say: errors and their places, the entry, symbols, listing, constants, gaps, the process."""

import time
from pathlib import Path

import pytest

from sim.errors import UserError
from sim.loader import encode
from sim.loader.encode import EncodeError, encode_with_keystone
from sim.loader.source import assemble_file, assemble_text

ORIGIN_PA = 0x4008_0000
NOP = bytes.fromhex("1f2003d5")


def errors_of(text: str) -> list[str]:
    with pytest.raises(UserError) as refusal:
        assemble_text(text, ORIGIN_PA, name="k.s")
    return str(refusal.value).splitlines()


# --- entry, symbols, listing ---

def test_the_entry_is_start_or_the_first_byte() -> None:
    assert assemble_text("nop\n_start: nop", ORIGIN_PA).entry_pa == ORIGIN_PA + 4
    assert assemble_text("nop\nbegin: nop", ORIGIN_PA).entry_pa == ORIGIN_PA
    assert assemble_text("nop\nboot: nop\n.set _start, boot", ORIGIN_PA).entry_pa == ORIGIN_PA + 4


def test_symbols_are_labels_and_nothing_else() -> None:
    image = assemble_text(".equ SIZE, 8\nfirst: nop\n.Llocal: nop\n1: b 1b\nlast: .quad SIZE", ORIGIN_PA, {"GIVEN": 1})
    assert dict(image.symbols.items()) == {"first": ORIGIN_PA, "last": ORIGIN_PA + 12}


def test_the_listing_says_address_bytes_place_and_text(tmp_path: Path) -> None:
    (tmp_path / "part.inc").write_text("// first\n  ret\n")
    source = tmp_path / "k.s"
    source.write_text('_start: nop // why\n.include "part.inc"\n.byte 1, 2\n')
    lines = [(line.pa, line.data, Path(line.file).name, line.line, line.text) for line in assemble_file(source, ORIGIN_PA).listing]
    assert lines == [(ORIGIN_PA, NOP, "k.s", 1, "_start: nop"), (ORIGIN_PA + 4, bytes.fromhex("c0035fd6"), "part.inc", 2, "ret"),
                     (ORIGIN_PA + 8, b"\1", "k.s", 3, ".byte 1, 2"), (ORIGIN_PA + 9, b"\2", "k.s", 3, ".byte 1, 2")]


def test_constants_can_be_tested_used_and_assigned_anew() -> None:
    text = ".ifndef N\n.equ N, 4\n.endif\n.word N\n.set N, N + 1\n.word N"
    assert assemble_text(text, ORIGIN_PA).segments[0].data == bytes([4, 0, 0, 0, 5, 0, 0, 0])
    assert assemble_text(text, ORIGIN_PA, {"N": 9}).segments[0].data == bytes([9, 0, 0, 0, 10, 0, 0, 0])


def test_constants_of_any_64_bits_are_taken_and_larger_ones_refused() -> None:
    text = ".quad V\n.if V < 0\n.byte 1\n.endif"
    assert assemble_text(text, ORIGIN_PA, {"V": 0xFFFF_0000_0000_0000}).segments[0].data == bytes([0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 1])
    with pytest.raises(UserError, match="constant V .*64 bits"):
        assemble_text(text, ORIGIN_PA, {"V": 1 << 64})


# --- layout ---

def test_data_after_code_and_space_last_whatever_their_order_in_the_text() -> None:
    image = assemble_text(".bss\nspace: .space 0x20\n.data\n.balign 8\ntable: .quad table, space\n.text\n_start: ldr x0, =table", ORIGIN_PA)
    assert image.symbols.address("_start") == ORIGIN_PA
    table, space = image.symbols.address("table"), image.symbols.address("space")
    assert (table, space) == (ORIGIN_PA + 16, ORIGIN_PA + 32)
    assert image.segments[0].data == bytes.fromhex("40000058 00000000") + table.to_bytes(8, "little") * 2 + space.to_bytes(8, "little")
    assert image.segments[0].end_pa == ORIGIN_PA + 0x40


def test_an_alignment_beyond_that_of_the_origin_is_an_absolute_address() -> None:
    assert assemble_text("nop\n.balign 0x200000\ntables: .quad 1", ORIGIN_PA).symbols.address("tables") == 0x4020_0000


def test_a_large_gap_costs_no_bytes() -> None:
    image = assemble_text("nop\n.space 0x8000000\nend: ret\n.space 0x100000", ORIGIN_PA)
    assert [(s.pa - ORIGIN_PA, len(s.data), s.size_bytes) for s in image.segments] == [(0, 4, 0x8000004), (0x8000004, 4, 0x100004)]


def test_adrp_counts_pages_from_the_real_origin() -> None:
    for origin_pa in (0x4008_0000, 0x4008_0FFC, 0x1000):
        word = int.from_bytes(assemble_text("adrp x0, there\nthere: nop", origin_pa).segments[0].data[:4], "little")
        pages = (word >> 29 & 3) | (word >> 5 & 0x7FFFF) << 2
        assert (origin_pa & ~0xFFF) + (pages << 12) == (origin_pa + 4) & ~0xFFF


def test_tlbi_with_xs_and_newer_register_names_have_the_manuals_encodings() -> None:
    words = assemble_text("tlbi vae1isnxs, x0\ndsb ishnxs\nmrs x0, id_aa64mmfr3_el1\nwfet x1\nwfit x2", ORIGIN_PA).segments[0].data
    assert [f"{int.from_bytes(words[i:i + 4], 'little'):08x}" for i in range(0, 20, 4)] == ["d5089320", "d5033a3f", "d5380760", "d5031001", "d5031022"]


# --- errors ---

def test_all_errors_of_a_file_are_told_in_the_order_of_lines() -> None:
    lines = errors_of("nop\nfoo x0\nadd x0, x1, nowhere\nb gone\nldr x0, [x1\n.byte 300\nmov x0, #0x12345\nadd x0, x0, #0x123456\nnop\nret x1, x2\n")
    assert [line.split(": ")[0] for line in lines] == [f"k.s:{n}" for n in (2, 3, 4, 5, 6, 7, 8, 10)]
    assert "`foo x0`: unknown instruction" in lines[0]
    assert "undefined symbol `nowhere`" in lines[1]


@pytest.mark.parametrize(("text", "place", "message"), [
    ("nop\nadd x0, x0, :lo12:nowhere", "k.s:2", "undefined symbol `nowhere`"),
    ("ldr x0, [x1, :got_lo12:x]", "k.s:1", "not supported"),
    (".inst zork", "k.s:1", "undefined symbol `zork`"), (".inst 0x1ffffffff", "k.s:1", "does not fit in 4 bytes"),
    ("nop\n/* never\nnop", "k.s:2", "never closed"), (".ascii \"abc\nnop", "k.s:1", "not closed"),
    ('nop\n.include "nothing.inc"', "k.s:2", "cannot find the file `nothing.inc`"), (".include nothing", "k.s:1", "quotes"),
    (".macro m\nnop", "k.s:1", "never ended"), ("nop\n.rept 5\nnop", "k.s:2", "never ended"), (".if 1\nnop", "k.s:1", "never ended"),
    (".else", "k.s:1", "without .if"), (".endr", "k.s:1", "without"), (".exitm", "k.s:1", "outside"),
    (".macro m\nm\n.endm\nnop\nm", "k.s:2", "for ever"), (".macro m x:req\nnop\n.endm\nm", "k.s:4", "needs the argument `x`"),
    (".macro m\nfoo\n.endm\n\nm", "k.s:2", "in macro m, called at k.s:5"), (".rept 1000000000\nnop\n.endr", "k.s:1", "too much"),
    ("add x0, " + "x" * 65536, "k.s:1", "undefined symbol"), (".quad " + "(" * 65536, "k.s:1", "nested too deeply"),
    (".quad " + "9" * 70000, "k.s:1", "too large"), (".quad 1/0", "k.s:1", "division by zero"), (".equ a, b\n.equ b, a\n.quad a", "k.s:3", "itself"),
    ("a: nop\na: nop", "k.s:2", "already defined"), ("b 1b", "k.s:1", "no label 1:"), ("b 1f", "k.s:1", "undefined label `1`"),
    ("nop\nnop\n.org 4", "k.s:3", "backwards by 0x4 bytes"), (".balign 3", "k.s:1", "not a power of two"), (".space -1", "k.s:1", "negative"),
    (".space 1 << 60", "k.s:1", "too large"), (".bss\nnop", "k.s:2", "zeros only"), (".octa 1,,2", "k.s:1", "one value"),
    ("#define X 1\nnop", "k.s:1", "C preprocessor"), (".frobnicate 1", "k.s:1", "unknown directive"), (".subsection 1", "k.s:1", "flat image"),
    ("b far\n.space 1 << 28\nfar: nop", "k.s:1", "out of range"), ("b odd\n.byte 1\nodd:", "k.s:1", "not word aligned"),
    ("tbz w0, #40, .", "k.s:1", "not between 0x0 and 0x1f"), ("casp x1, x2, x4, x5, [x6]", "k.s:1", "even register"),
    ("ldadd x0, w1, [x2]", "k.s:1", "different widths"), ("ldadd x0, x1, [x2, #8]", "k.s:1", "without an offset"),
    ("mrs x0, nothing_el1", "k.s:1", "unknown system register"), ("tlbi vmalle1, x0", "k.s:1", "takes no register"),
    ("tlbi everything", "k.s:1", "not an operation"), ("dsb foo", "k.s:1", "not an option"), ("add x31, x0, x0", "k.s:1", "undefined symbol `x31`"),
    ("x .req y\n", "k.s:1", "not a register"), (".unreq x", "k.s:1", "no register alias"), ("\0\0nop", "k.s:1", "not a statement"),
    ("mov x0, x1, x2 x3", "k.s:1", "`x3` is not expected"), ("\n\nb ü", "k.s:3", "undefined symbol `ü`"), (".incbin \"/dev/zero\"", "k.s:1", "regular"),
    ("", "k.s", "no bytes"), ("é x0", "k.s:1", "`é` is not an instruction"), ("prfum é, [x0]", "k.s:1", "letters"),
])
def test_a_mistake_is_told_with_its_place(text: str, place: str, message: str) -> None:
    lines = errors_of(text)
    assert lines[0].startswith(place + ": ")
    assert message in lines[0]
    assert len(lines[0]) < 400


def test_errors_in_included_files_name_those_and_a_cycle_is_one(tmp_path: Path) -> None:
    (tmp_path / "a.s").write_text('nop\n.include "b.inc"\nbad1 x0\n')
    (tmp_path / "b.inc").write_text('nop\nbad2 x0\n.include "a.s"\n')
    with pytest.raises(UserError) as refusal:
        assemble_file(tmp_path / "a.s", ORIGIN_PA)
    lines = [line.removeprefix(f"{tmp_path}/") for line in str(refusal.value).splitlines()]
    assert [line.split(": ")[0] for line in lines] == ["a.s:3", "b.inc:2", "b.inc:3"]
    assert "`a.s` includes itself" in lines[2]


def test_a_file_is_looked_for_beside_the_including_one_first(tmp_path: Path) -> None:
    for directory, value in (("", 1), ("sub", 2), ("other", 3)):
        (tmp_path / directory).mkdir(exist_ok=True)
        (tmp_path / directory / "value.inc").write_text(f".byte {value}\n")
    (tmp_path / "sub" / "inner.inc").write_text('.include "value.inc"\n')
    (tmp_path / "other" / "only.inc").write_text(".byte 4\n")
    (tmp_path / "k.s").write_text('.include "value.inc"\n.include "sub/inner.inc"\n.include "only.inc"\n')
    assert assemble_file(tmp_path / "k.s", ORIGIN_PA, include_dirs=[tmp_path / "other"]).segments[0].data == bytes([1, 2, 4])


# --- the process of Keystone ---

def test_a_thousand_lines_take_one_process_and_little_time() -> None:
    text = "\n".join(f"label{i}: add x{i % 29}, x{i % 7}, #{i}\n ldr x1, =label{i}" for i in range(500))
    began = time.monotonic()
    image = assemble_text(text, ORIGIN_PA)
    assert len(image.symbols) == 500
    assert time.monotonic() - began < 10      # 0.3 s alone on a slow host; the machine may be busy


WORKER = """
import json, os, sys, time
given = json.load(sys.stdin)
together = "--one-by-one" not in sys.argv
if together and any(text in ("abort", "sleep", "exit") for text in given): os.abort()
for text in given:
    if text == "abort": os.abort()
    if text == "sleep": time.sleep(60)
    if text == "exit": sys.exit(3)
    print("ok", "1f2003d5", flush=True)
"""


@pytest.mark.parametrize("fatal", ["abort", "sleep", "exit"])
def test_an_instruction_on_which_the_process_dies_is_an_error_of_that_instruction(fatal: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = tmp_path / "worker.py"
    worker.write_text(WORKER)
    monkeypatch.setattr(encode, "_WORKER", worker)
    results = encode_with_keystone(["one", fatal, "three", "four"], timeout_seconds=4.0)
    assert [isinstance(result, EncodeError) for result in results] == [False, True, False, False]
    assert results[0] == int.from_bytes(NOP, "little")


def test_a_process_that_always_dies_is_given_up_and_every_instruction_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = tmp_path / "worker.py"
    worker.write_text("import os; os.abort()")
    monkeypatch.setattr(encode, "_WORKER", worker)
    results = encode_with_keystone([f"i{n}" for n in range(40)], timeout_seconds=5.0)
    assert len(results) == 40
    assert all(isinstance(result, EncodeError) for result in results)


def test_a_relocation_operator_given_to_keystone_spoils_only_its_own_instruction() -> None:
    results = encode_with_keystone(["nop", "add x0, x0, :lo12:foo", "ret"])
    assert results[0] == int.from_bytes(NOP, "little")
    assert isinstance(results[1], EncodeError)
    assert results[2] == 0xD65F03C0
