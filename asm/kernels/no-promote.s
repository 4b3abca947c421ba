// no-promote — each PE's pcpu comes from kernel memory, and its page is flagged before anybody uses it: the run that holds it is never
// promoted, so that no window opens over it.
        .include "kernel.inc"
        .include "report.inc"
        .include "pmap.inc"
        .include "pcpu_place.inc"

        .equ    SCHEME_PROMOTIONS, PCPUS_OUTSIDE*(ROUNDS+1)

        .include "scheme_load.inc"

//----------------------------------------------------------------------------------------
// prepare_scheme — pcpu is allocated flagged
//
// Out       nothing
// Clobbers  x0, x1
// Needs     EL1h, pmap_bootstrap done
//----------------------------------------------------------------------------------------
prepare_scheme:
        load_constant x0, GLOBALS_VA+G_KMEM
        adr     x1, alloc_pcpu_no_promote
        str     x1, [x0, #KM_PCPU_ALLOC]
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
        .asciz  "no-promote: "
        .balign PAGE_BYTES, 0
image_text_end:
