// naive — each PE's pcpu comes from kernel memory like anything else, and later allocations promote the run that holds it. The entry code
// of an interrupt in the window loads curthread from pcpu, faults, and so does the entry of that fault, down the stack.
        .include "kernel.inc"
        .include "report.inc"
        .include "pmap.inc"

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
        .asciz  "naive: "
        .balign PAGE_BYTES, 0
image_text_end:
