// robust-sel4 — naive with seL4's entry code: the first fault in the window is the end, without a load or store before it is reported.
        .include "kernel.inc"
        .include "report.inc"
        .include "pmap.inc"
        .include "entry_sel4.inc"

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
// enter_scheme — this PE's pcpu moves to its page of kernel memory, and its exceptions come in seL4's way
//
// In        x0  VA of the page    pcpu  this PE
// Out       pcpu and TPIDR_EL1 name the page; VBAR_EL1
// Clobbers  x0-x7, NZCV
// Needs     EL1h, interrupts masked, the idle loop interrupted
//----------------------------------------------------------------------------------------
enter_scheme:
        push_pair x29, x30
        bl      adopt_pcpu
        bl      enter_sel4
        pop_pair x29, x30
        ret

scheme_text:
        .asciz  "robust-sel4: "
        .balign PAGE_BYTES, 0
image_text_end:
