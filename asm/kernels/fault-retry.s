// fault-retry — pcpu, thread and stack stay outside of what is ever promoted; other kernel data lies inside. An access in the window
// faults, the handler finds the address mapped but for the valid bit, and the access is made again until the window has closed.
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
// enter_scheme — this PE's pcpu stays where boot put it; only what its handler counts is in kernel memory
//
// In        x0  VA of the page    pcpu  this PE
// Out       nothing
// Clobbers  none
// Needs     nothing
//----------------------------------------------------------------------------------------
enter_scheme:
        ret

scheme_text:
        .asciz  "fault-retry: "
        .balign PAGE_BYTES, 0
image_text_end:
