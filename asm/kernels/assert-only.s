// assert-only — pcpu is kernel memory like any other, but before each change of a live descriptor somebody looks whether a pcpu lies in
// what it maps. The defect is reported where it would have struck, and the run ends: nothing is prevented.
        .include "kernel.inc"
        .include "report.inc"
        .include "pmap.inc"

        .equ    SCHEME_PROMOTIONS, ROUNDS+1

        .include "scheme_load.inc"

//----------------------------------------------------------------------------------------
// prepare_scheme — the assertion is asked before each change
//
// Out       nothing
// Clobbers  x0, x1
// Needs     EL1h, pmap_bootstrap done
//----------------------------------------------------------------------------------------
prepare_scheme:
        load_constant x0, GLOBALS_VA+G_PMAP
        adr     x1, assert_no_pcpu
        str     x1, [x0, #PM_BEFORE_CHANGE]
        ret

//----------------------------------------------------------------------------------------
// assert_no_pcpu — end the run if a PE's pcpu lies in what a descriptor maps, or is to map
//
// In        x0  VA     x1  address of the descriptor, or of a run's first one     x2  the new descriptor, 0 unknown
//           x3  bytes to invalidate
// Out       nothing
// Clobbers  x0-x9, NZCV; everything on the way to a panic
// Needs     EL1h, the pmap locked, nothing broken yet
//----------------------------------------------------------------------------------------
assert_no_pcpu:
        mov     x9, x30
        ldr     x4, [x1]
        and     x5, x4, #DESC_TYPE
        cmp     x5, #DESC_BLOCK
        b.eq    .L_covers_block                 // a demotion invalidates by one TLBI, but breaks the whole block
        and     x5, x2, #DESC_TYPE
        cmp     x5, #DESC_BLOCK
        b.ne    .L_size_covered
.L_covers_block:
        load_constant x3, BLOCK_BYTES
.L_size_covered:
        sub     x5, x3, #1
        bic     x6, x0, x5                      // what is broken begins here
        add     x7, x6, x3
        mov     x8, #0
.L_look_at_pcpu:
        mov     x0, x8
        bl      pcpu_find
        cbz     x0, .L_no_pcpu_there            // a PE that has not started
        cmp     x0, x7
        b.hs    .L_no_pcpu_there
        add     x0, x0, #PCPU_BYTES
        cmp     x0, x6
        b.hi    .L_pcpu_there
.L_no_pcpu_there:
        add     x8, x8, #1
        cmp     x8, #PES
        b.lo    .L_look_at_pcpu
        ret     x9
.L_pcpu_there:
        adr     x0, pcpu_of_text
        bl      put_string
        mov     x0, x8
        bl      put_decimal
        bl      put_newline
        adr     x0, assert_text
        b       kernel_panic

//----------------------------------------------------------------------------------------
// enter_scheme — this PE's pcpu moves to its page of kernel memory
//
// In        x0  VA of the page    pcpu  this PE
// Out       pcpu and TPIDR_EL1 name the page
// Clobbers  x1-x7, NZCV
// Needs     EL1h
//----------------------------------------------------------------------------------------
enter_scheme:
        b       adopt_pcpu

scheme_text:
        .asciz  "assert-only: "
pcpu_of_text:
        .asciz  "assert-only: pcpu of PE "
assert_text:
        .asciz  "a descriptor is changed that maps a pcpu"
        .balign PAGE_BYTES, 0
image_text_end:
