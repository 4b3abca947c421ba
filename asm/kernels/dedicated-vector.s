// dedicated-vector — pcpu comes from kernel memory and its run is promoted; while a descriptor is invalid every other PE spins in the
// vector by which it took a special SGI, with nothing but registers and two pages that no change reaches.
        .include "kernel.inc"
        .include "report.inc"
        .include "pmap.inc"
        .include "park_page.inc"
        .include "ground.inc"

        .equ    SCHEME_PROMOTIONS, ROUNDS+1

        .include "scheme_load.inc"

//----------------------------------------------------------------------------------------
// prepare_scheme — changes are made with the other PEs grounded
//
// Out       nothing
// Clobbers  x0-x3, x9, x10, NZCV
// Needs     EL1h, pmap_bootstrap done
//----------------------------------------------------------------------------------------
prepare_scheme:
        b       ground_prepare

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
        .asciz  "dedicated-vector: "
        .balign PAGE_BYTES, 0
image_text_end:
