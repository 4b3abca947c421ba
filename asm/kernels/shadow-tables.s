// shadow-tables — pcpu comes from kernel memory and its run is promoted, but no descriptor in force is ever broken: each change is made in
// a copy of the tables on its path, to which every PE switches in a rendezvous.
        .include "kernel.inc"
        .include "report.inc"
        .include "pmap.inc"
        .include "park_page.inc"
        .include "shadow.inc"

        .equ    SCHEME_PROMOTIONS, ROUNDS+1

        .include "scheme_load.inc"

//----------------------------------------------------------------------------------------
// prepare_scheme — changes are made by a switch of trees; without memory for the copies they stay what they are
//
// Out       nothing
// Clobbers  x0-x17, NZCV                    Preserves  x19-x29
// Needs     EL1h, pmap_bootstrap done
//----------------------------------------------------------------------------------------
prepare_scheme:
        b       shadow_prepare

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
        .asciz  "shadow-tables: "
        .balign PAGE_BYTES, 0
image_text_end:
