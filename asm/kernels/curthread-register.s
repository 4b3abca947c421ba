// curthread-register — pcpu in memory that is promoted, but no load from it before a fault's handler: what falls into a window is retried,
// pcpu like all else.
        .include "kernel.inc"
        .include "report.inc"
        .include "pmap.inc"
        .include "entry_register.inc"

        .equ    SCHEME_PROMOTIONS, ROUNDS+1

        .include "scheme_load.inc"

//----------------------------------------------------------------------------------------
// prepare_scheme — leave every seam as pmap_bootstrap set it
//
// Out       nothing
// Clobbers  none
// Needs     nothing
//----------------------------------------------------------------------------------------
prepare_scheme:
        ret

//----------------------------------------------------------------------------------------
// enter_scheme — this PE's pcpu moves to its page of kernel memory, and curthread to SP_EL0
//
// In        x0  VA of the page    pcpu  this PE
// Out       pcpu and TPIDR_EL1 name the page; VBAR_EL1, SP_EL0
// Clobbers  x0-x7, NZCV
// Needs     EL1h, interrupts masked, the idle loop interrupted
//----------------------------------------------------------------------------------------
enter_scheme:
        push_pair x29, x30
        bl      adopt_pcpu
        bl      enter_register
        pop_pair x29, x30
        ret

scheme_text:
        .asciz  "curthread-register: "
        .balign PAGE_BYTES, 0
image_text_end:
