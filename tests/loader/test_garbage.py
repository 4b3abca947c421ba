"""Whatever a text holds, the assembler answers with an image or a UserError, soon."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.errors import UserError
from sim.loader import source
from sim.loader.source import assemble_text

WORDS = st.sampled_from("""
    add b adr adrp ldr ldrb str mov movz mrs msr tlbi dsb cas casp ldadd nop ret b.eq cbz tbz fmov movi sys hint bti prfm csel
    x0 w1 sp xzr v0.4s d1 a b1 foo 1: 1b 1f foo: a: . .. = == := , ,, [ ] { } ( ) ! # : :lo12: :abs_g1: " ' \\ \\a \\@ \\() ; // /* */ - + * / % << >>
    lsl #1 0x 0b 0 9 08 0xffffffffffffffff 18446744073709551616 1.5 -1 'a' "str" "a\\n" eq sy daifset vae1is S3_0_C12_C11_5 .req .unreq
    .macro .endm .rept .endr .irp .irpc .if .else .elseif .endif .ifdef .ifb .ifc .exitm .purgem .set .equ .equiv .org .align .balign .p2align .fill
    .space .skip .byte .hword .word .quad .octa .inst .float .ascii .asciz .include .incbin .section .text .data .bss .pushsection .popsection .previous
    .comm .weak .global .ltorg .end .err .error .cfi_startproc .type
""".split() + [  # noqa: SIM905     # two hundred quoted words would be harder to read
    "\n", "\n", "\n", " ", "\t", "\r\n", "\x00", "é", "\udc80", "\ud800"])


def answers(text: str) -> None:
    began = time.monotonic()
    try:
        assemble_text(text, 0x4008_0000)
    except UserError as error:
        assert str(error)
    assert time.monotonic() - began < 10


@settings(max_examples=400, deadline=None)
@given(st.lists(WORDS, max_size=40).map(" ".join))
def test_words_in_any_order_end_in_an_image_or_a_user_error(text: str) -> None:
    with pytest.MonkeyPatch.context() as patch:     # the front end alone: a process for each example would take minutes
        patch.setattr(source, "encode_with_keystone", lambda instructions, timeout: [0] * len(instructions))
        answers(text)


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=200))
def test_any_characters_end_in_an_image_or_a_user_error(text: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(source, "encode_with_keystone", lambda instructions, timeout: [0] * len(instructions))
        answers(text)


@settings(max_examples=12, deadline=None)
@given(st.lists(st.lists(WORDS, max_size=6).map(" ".join), max_size=10).map("\n".join))
def test_words_that_reach_keystone_end_in_an_image_or_a_user_error(text: str) -> None:
    answers(text)
