"""GNU as and ld, which share no line with the front end or with Keystone, make the same bytes of the same text."""

from collections.abc import Callable

import pytest

from sim.loader.image import Image
from sim.loader.source import assemble_text
from sim.loader.system_names import PSTATE_FIELDS, REGISTERS, SYSTEM_INSTRUCTIONS

pytestmark = pytest.mark.gnu
ORIGIN_PA = 0x4008_0000

SOURCES = {
    "data": r"""
    _start:
        .byte 1, 0xff, -1, 'A', '\n', 0b101, 017
        .hword 0x1234, -2
        .balign 4
        .word 0x12345678, 1f - ., 1f
        .quad -1, 0xffffffffffffffff, _start, . , .
        .2byte 1 ; .4byte 2 ; .8byte 3 ; .short 4 ; .int 5 ; .long 6 ; .xword 7 ; .dword 8
        .octa 0x123456789abcdef00112233445566778
    1:  .ascii "a\x41\102\tb\\\"", "c"     // a comment
        .asciz "it's; // no comment /* nor this */"
        .string "x", "y"
        .float 1.5, -2 ; .double 0.1
        .fill 3, 2, 0x12
        .fill 2, 8, -1
        .space 3, 0x55 ; .skip 2 ; .zero 5
    """,
    "expressions": """
        .set A, 5
        .quad 2+3<<1, 7&3+1, 1|2==3, -1>>60, 1==1, 5!=5, 3<4&&0, 7/2*2, -7/2, -7%3, !0, ~0, 10-2-3, 1<<2+1, 2*3|1, 5!1, 1||0&&0
        .quad A, B, -(A+1)*2, (A<<4)|(1<<63), 0x10 - -3, A<>5, A>=5, 3>4, A^0xff, ~A&0xff
        .set A, A+1
        .quad A
        .equ B, 7
        C = 9
        D = end - start
        .quad C, D, end - start, (end - start)/4
    start: nop
        nop
    end: .quad D + 1
    """,
    "alignment": """
        nop
        .byte 1
        .balign 16
        .byte 1
        .p2align 3
        nop
        .align 4
        nop
        .balign 32, 0xaa
        .byte 1, 2
        .balignw 8, 0x1234
        nop
        .p2align 4,,2
        nop
        .p2align 4,,12
        .balignl 16, 0x01020304
        .byte 7
        nop
        .org 0x100
        nop
    here:
        .org here + 0x80
        .org 0x200, 0xff
        . = here + 0x180
    """,
    "branches": """
    top: b top ; bl bottom ; b.eq top ; b.ne 1f ; bne 1f ; b.hs 1f ; b.al top
        cbz x0, 1f ; cbnz w30, top ; tbz x3, #40, 1f ; tbnz w3, 5, top
    1:  nop
        b 1b ; b 1f ; b . ; b .+8 ; b .-4 ; b top+4
    1:  ret ; ret x3 ; br x1 ; blr x2
    0:  b 0b
        b 0f
    0:
    b1: b b1
    bottom: nop
    """,
    "addresses": """
    _start: adr x0, data ; adr x1, . ; adr x2, data+3
        adrp x0, data ; add x0, x0, :lo12:data
        adrp x1, far ; ldr x2, [x1, :lo12:far] ; ldr w2, [x1, #:lo12:far+4] ; str x2, [x1, #:lo12:far]
        adrp x1, :pg_hi21:far
        ldrb w2, [x1, :lo12:data]
        movz x0, #:abs_g3:far ; movk x0, #:abs_g2_nc:far ; movk x0, #:abs_g1_nc:far ; movk x0, #:abs_g0_nc:far
        ldr x0, far ; ldr w1, far ; ldrsw x2, far ; ldr q0, far ; ldr d0, far ; ldr s0, far ; prfm pldl1keep, far
        .quad data, far - _start
        .word far - .
    data: .quad 1
        .space 0x3000
        .balign 16
    far: .quad 2, 3
    """,
    "literals": """
    _start: ldr x0,=5 ; ldr x1,=0x12345678 ; ldr x2,=0xffffffffffffffff ; ldr w3,=0x12345678
        ldr x4,=_start ; ldr x5,=_start+8 ; ldr x6,=0x12345678 ; ldr w7,=0xfffffff0 ; ldr x8, =later
        nop
        .ltorg
        ldr x6,=0x12345678
        ldr d1,=0x3ff0000000000000 ; ldr s2,=0x3f800000 ; ldrsw x3, =0x1234
    later: ldr q0, =0x1234
        .byte 1
    """,
    "moves": """
        mov x0, #0 ; mov x0, 5 ; mov x0, #-1 ; mov w0, #-1 ; mov w0, 0xffffffff ; mov x0, #0xffff0000 ; mov x0, #0xffffffff
        mov w0, #0xffff0000 ; mov x0, #0xffff ; mov x0, #0x10000 ; mov x0, #0x00ff00ff00ff00ff ; mov x0, #-2 ; mov w1, #-0x10000
        mov x0, #0xffffffffffff0000 ; mov x0, #0x5555555555555555 ; mov w0, #0x33333333 ; mov x0, #1<<63 ; mov sp, #0x10
        mov x0, #0x0000ffff0000ffff ; mov w0, #0x80000000 ; mov x0, x1 ; mov sp, x0 ; mov x0, sp ; mov w0, w1 ; mov x5, #0xffff00000000
        movz x0, #1, lsl #48 ; movk x0, #0xffff, lsl 16 ; movn w0, #3 ; mvn x0, x1 ; mov x0, xzr ; mov x0, #0xfffffffffffffffe
    """,
    "arithmetic": """
        .equ FRAME, 0x120
        add x0, x0, #-1 ; add x0, x1, FRAME ; sub sp, sp, #FRAME + 16 ; add x0, x0, #0x1000 ; adds w0, w1, #4095 ; cmp x0, #-1 ; cmn x0, #1
        add x0, x1, x2, lsl #3 ; add x0, x1, w2, uxtw #2 ; add x0, sp, x2 ; cmp w0, w1, uxtb ; add x0, x1, #1, lsl #12 ; sub x0, x1, w2, sxtw
        and w0, w0, #0xffffff00 ; and w0, w0, #~0xff ; and x0, x0, #~15 ; bic x0, x0, #0xf ; orr x0, x1, #0xff<<56 ; eor x0, x0, #1 ; tst w0, #1
        ands x0, x1, x2, ror #7 ; orn x0, x1, x2 ; eon w0, w1, w2 ; lsl x0, x1, #3 ; lsr w0, w1, 4 ; asr x0, x1, x2 ; ror x0, x1, #3
        ubfx x0, x1, #3, #4 ; sbfx w0, w1, #1, #2 ; bfi x0, x1, #3, #3 ; bfxil x0, x1, #1, #5 ; ubfiz x0, x1, #2, #3 ; extr x0, x1, x2, #9
        mul x0, x1, x2 ; madd x0, x1, x2, x3 ; umulh x0, x1, x2 ; smull x0, w1, w2 ; udiv x0, x1, x2 ; sdiv w0, w1, w2 ; neg x0, x1 ; negs w0, w1
        csel x0, x1, x2, eq ; cset w0, ne ; csetm x0, lt ; cinc x0, x1, hi ; cneg x0, x1, mi ; ccmp x0, #1, #4, eq ; ccmn w0, w1, 0, ge
        clz x0, x1 ; rbit w0, w1 ; rev x0, x1 ; rev16 w0, w1 ; rev32 x0, x1 ; cls x0, x1 ; uxtb w0, w1 ; sxtw x0, w1 ; sxth x0, w1
        adc x0, x1, x2 ; sbcs x0, x1, x2 ; ngc x0, x1 ; crc32x w0, w1, x2 ; crc32cb w0, w1, w2 ; ADD X0, X1, X2 ; add lr, fp, ip0
    """,
    "loads and stores": """
        .equ OFFSET, 24
        ldr x0, [x1] ; ldr x0, [x1, #8] ; ldr x0, [x1, OFFSET] ; ldr x0, [x1, #-8] ; ldr x0, [x1], #8 ; str x0, [x1, #-16]! ; ldr w0, [x1, #OFFSET+4]
        ldr x0, [x1, x2] ; ldr x0, [x1, x2, lsl #3] ; ldr w0, [x1, w2, uxtw #2] ; ldr x0, [x1, w2, sxtw] ; ldrb w0, [x1, x2] ; ldrh w0, [sp, 2]
        ldrsb x0, [x1] ; ldrsh w0, [x1, #2] ; ldrsw x0, [x1, #4] ; strb w0, [x1, #1]! ; strh wzr, [x1], 2 ; ldur x0, [x1, #3] ; sturb w0, [x1, #-1]
        ldp x0, x1, [sp], #16 ; stp x29, x30, [sp, #-16]! ; ldp w0, w1, [x2, #8] ; ldpsw x0, x1, [x2] ; ldnp x0, x1, [x2] ; stp d8, d9, [sp, #16 * 2]
        ldxr x0, [x1] ; stxr w2, x0, [x1] ; ldaxr w0, [x1] ; stlxr w2, w0, [x1] ; ldxp x0, x1, [x2] ; stlxp w3, x0, x1, [x2] ; ldaxrb w0, [x1]
        ldar x0, [x1] ; stlr w0, [x1] ; ldarb w0, [x1] ; stlrh w0, [sp] ; ldtr x0, [x1] ; sttrb w0, [x1, #4] ; ldtrsw x0, [x1]
        prfm pldl1keep, [x0] ; prfm pstl1strm, [x0, #8] ; prfm #5, [x0] ; prfum pldl2keep, [x0, #-1] ; ldr q0, [x1, #16] ; str s0, [x1] ; ldr h0, [x1]
    """,
    "simd": """
        .equ LANE, 1
        fmov d0, #1.0 ; fmov s0, #-2.5 ; fmov d0, x0 ; fadd d0, d1, d2 ; fmul s0, s1, s2 ; fcmp d0, #0.0 ; scvtf d0, x0 ; fcvtzs x0, d0
        fcsel d0, d1, d2, eq ; fmadd d0, d1, d2, d3 ; fsqrt d0, d1 ; fabs s0, s1
        movi v0.16b, #0xff ; movi v0.2d, #0xffffffffffffffff ; movi v0.4s, #1, lsl #8 ; mov v0.s[1], w0 ; mov w0, v0.s[LANE] ; dup v0.4s, w0
        add v0.4s, v1.4s, v2.4s ; ld1 {v0.16b, v1.16b}, [x0], #32 ; st1 {v0.16b - v3.16b}, [x0] ; ld1 {v0.s}[1], [x0] ; tbl v0.8b, {v1.16b}, v2.8b
        umov w0, v1.b[3] ; ins v0.d[1], x1 ; cmeq v0.16b, v1.16b, #0 ; ushr v0.2d, v1.2d, #3 ; ext v0.16b, v1.16b, v2.16b, #4 ; mov v0.16b, v1.16b
    """,
    "atomics": "\n".join(
        [f"{op}{order}{size} w0, w1, [x2]" for op in ("ldadd", "ldclr", "ldeor", "ldset", "ldsmax", "ldsmin", "ldumax", "ldumin", "swp", "cas")
         for order in ("", "a", "l", "al") for size in ("", "b", "h")]
        + [f"{op}{order} x3, x4, [sp]" for op in ("ldadd", "ldset", "ldumin", "swp", "cas") for order in ("", "a", "l", "al")]
        + [f"st{op}{order}{size} w5, [x6]" for op in ("add", "clr", "eor", "set", "smax", "smin", "umax", "umin")
           for order in ("", "l") for size in ("", "b", "h")]
        + [f"casp{order} {r}0, {r}1, {r}2, {r}3, [x4]" for order in ("", "a", "l", "al") for r in "xw"]
        + ["stadd x0, [x1, #0]", "cas xzr, x1, [x2]"]),
    "later instructions": """
        ldapr x0, [x1] ; ldapr w0, [sp] ; ldaprb w0, [x1] ; ldaprh w0, [x1] ; stllr x0, [x1] ; ldlar w0, [x1] ; ldlarb w0, [x1] ; stllrh w0, [x1]
        ldapur x0, [x1, #-8] ; ldapur w0, [x1] ; stlur x0, [x1, #255] ; stlur w0, [x1] ; ldapurb w0, [x1] ; stlurb w0, [x1, 1] ; ldapursb x0, [x1]
        ldapursb w0, [x1] ; ldapurh w0, [x1] ; stlurh w0, [x1] ; ldapursh x0, [x1] ; ldapursh w0, [x1] ; ldapursw x0, [x1, #-256]
        pacia x0, x1 ; pacib x0, sp ; pacda x0, x1 ; pacdb x0, x1 ; autia x0, x1 ; autib x0, x1 ; autda x0, x1 ; autdb x0, x1 ; paciza x3 ; autdzb x4
        xpaci x0 ; xpacd x1 ; pacga x0, x1, x2 ; braa x0, x1 ; blraa x0, sp ; brab x0, x1 ; blrab x0, x1 ; braaz x3 ; blrabz x4 ; retaa ; retab ; eretaa ; eretab
        paciasp ; autiasp ; pacibsp ; autibsp ; pacia1716 ; autib1716 ; xpaclri ; paciaz ; autibz ; bti ; bti c ; bti j ; bti jc
        esb ; psb csync ; tsb csync ; csdb ; dgh ; sb ; ssbb ; pssbb ; cfinv ; rmif x0, #3, #5 ; setf8 w0 ; setf16 w1 ; axflag ; xaflag ; udf #7
    """,
    "system": """
        nop ; yield ; wfe ; wfi ; sev ; sevl ; hint #34 ; isb ; isb sy ; dsb sy ; dsb ish ; dsb ishst ; dmb oshld ; dmb ld ; dsb nsh ; dmb ISHLD ; dsb #3
        clrex ; clrex #2 ; svc #0 ; hvc #1 ; smc 2 ; brk #0xf000 ; hlt #0xf000 ; eret ; dcps1
        msr daifset, #2 ; msr DAIFClr, 15 ; msr spsel, #1 ; msr pan, #1 ; msr uao, #0 ; msr dit, #1 ; msr ssbs, #1
        mrs x0, s3_0_c12_c11_5 ; msr S3_0_C12_C11_5, x3 ; msr ICC_SGI1R_EL1, x0 ; mrs x1, ID_AA64MMFR2_EL1 ; msr TTBR0_EL1, xzr
        sys #0, c7, c1, #0, xzr ; sys #3, C7, C4, #1, x5 ; sysl x0, #3, c7, c4, #1 ; mrs x0, CurrentEL ; mrs x2, NZCV
    """,
    "aliases": """
        cursor .req x3
        limit .req w4
        .macro step amount
        add cursor, cursor, #\\amount
        .endm
        mov cursor, #0
        step 8
        ldr limit, [cursor, #4]!
        LIMIT_COPY .req w5
        mov limit_copy, limit
        .unreq cursor
        cursor .req x9
        step 16
        acc .req v2
        add acc.4s, acc.4s, v1.4s
    """,
    "macros": r"""
        .macro push first, second=xzr
        stp \first, \second, [sp, #-16]!
        .endm
        .macro load register:req, value:vararg
        mov \register, \value
        .endm
        .macro slot name
        .balign 128
    \name\()_slot: b \name
        .endm
        .macro count_down n
        .if \n
        .word \n
        count_down (\n - 1)
        .endif
        .endm
        .macro loop_twice
        mov x0, #2
    .Lagain\@:
        subs x0, x0, #1
        b.ne .Lagain\@
        .exitm
        .word 0xdead
        .endm
        .macro vector_add n
        add v\n\().4s, v\n\().4s, v1.4s
        .endm
        push x0, x1
        push x2
        push second=x4, first=x3
        push x5 x6
        load x0, #5
        load x0, x1
        slot handler
    handler: count_down 3
        loop_twice
        loop_twice
        vector_add 7
        .rept 3
        nop
        .endr
        .set i, 0
        .rept 4
        .quad i * 8
        .set i, i + 1
        .endr
        .irp r, x0, x1, x2
        str \r, [sp]
        .endr
        .irpc d, 123
        .byte \d
        .endr
        .rept 2
        .rept 2
        .byte 9
        .endr
        .endr
        .purgem push
        .macro push
        .word 1
        .endm
        push
    """,
    "conditions": """
        .equ DEBUG, 1
        .if DEBUG
        .word 1
        .else
        .word 2
        .endif
        .if DEBUG == 2
        .word 3
        .elseif DEBUG == 1
        .word 4
        .if 0
        nonsense here
        .else
        .word 5
        .endif
        .else
        .word 6
        .endif
        .ifdef DEBUG
        .word 7
        .endif
        .ifndef NOTHING
        .word 8
        .endif
        .ifc one,one
        .word 10
        .endif
        .ifnc one,two
        .word 11
        .endif
        .macro optional a, b
        .ifb \\b
        .word \\a
        .else
        .word \\a + \\b
        .endif
        .endm
        optional 1
        optional 1, 2
        .ifgt 3 - 2
        .word 12
        .endif
    """,
    "code sections in order": """
        .section .text.vectors, "ax"
        .balign 0x800
    vectors: b _start
        .section .text.idmap, "ax", @progbits
    idmap: b vectors
        .text
        .global _start
        .type _start, %function
    _start: bl idmap
        adr x0, vectors
        ldr x1, =vectors
        .size _start, . - _start
        .pushsection .text.idmap
        nop
        .popsection
        b _start
        .section .text.vectors
        ret
        .previous
        nop
    """,
    "comments": """
        # a line comment
        nop // to the end ; nop
        nop /* inside */ ; nop
        /* over
           lines */ nop
        mov x0, /* between */ #1
        add x0, x0, #2   // it's
        .ascii "/* no */" /* yes */
        .balign 4
    label: /* c */ nop
    """,
}


def flat_bytes(image: Image) -> bytes:
    """The image as objcopy -O binary would write it."""
    out = bytearray()
    for segment in image.segments:
        out += bytes(segment.pa - ORIGIN_PA - len(out)) + segment.data
        out += bytes(segment.end_pa - ORIGIN_PA - len(out))
    return bytes(out)


def assert_same(text: str, expected: bytes) -> None:
    """Compare statement by statement, so that a difference names its line."""
    image = assemble_text(text, ORIGIN_PA)
    for line in image.listing:
        offset = line.pa - ORIGIN_PA
        assert line.data.hex() == expected[offset:offset + len(line.data)].hex(), str(line)
    assert flat_bytes(image) == expected


@pytest.mark.parametrize("name", SOURCES)
def test_gnu_as_makes_the_same_bytes(name: str, gnu_bytes: Callable[..., bytes]) -> None:
    assert_same(SOURCES[name], gnu_bytes(SOURCES[name]))


def test_system_register_names_have_the_encodings_that_gnu_as_gives_them(gnu_bytes: Callable[..., bytes]) -> None:
    # Names that binutils 2.40 does not know, or only with extensions: their encodings are from the manual alone.
    newer = {"tcr2_el1", "pire0_el1", "pir_el1", "id_aa64mmfr3_el1", "id_aa64mmfr4_el1", "id_aa64isar3_el1", "id_aa64pfr2_el1", "mpam0_el1",
             "mpam1_el1", "mpamidr_el1", "id_aa64smfr0_el1", "tpidr2_el0", "hcrx_el2", "ccsidr2_el1"}
    names = [name for name in REGISTERS if name not in newer]
    text = "\n".join(f"mrs x3, {name}\nmsr {name}, x3" for name in names) + "\n"
    assert len(names) > 400
    assert_same(text, gnu_bytes(text, march="armv8.6-a+sve+memtag+rng+profile"))


def test_system_instructions_have_the_encodings_that_gnu_as_gives_them(gnu_bytes: Callable[..., bytes]) -> None:
    lines = [f"{mnemonic} {name}{', x7' if takes else ''}" for mnemonic, rows in SYSTEM_INSTRUCTIONS.items()
             for name, (_, takes) in rows.items() if not name.endswith("nxs")]
    lines += [f"msr {name}, #1" for name in PSTATE_FIELDS]
    text = "\n".join(lines) + "\n"
    assert len(lines) > 100
    assert_same(text, gnu_bytes(text, march="armv8.6-a+memtag"))
