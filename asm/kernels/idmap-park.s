// idmap-park — pcpu comes from kernel memory and its run is promoted; while a descriptor is invalid every other PE spins in the identity
// map with an empty TTBR1 and all exceptions masked, so that it needs nothing of what is changed.
        .include "kernel.inc"
        .include "report.inc"
        .include "pmap.inc"
        .include "park_page.inc"
        .equ    FLAG_PLACE, 0                           // PARK_SPINNING and PARK_DONE must lie in the identity map
        .equ    UNMASK_FIQ, 0
        .include "park.inc"
        .include "idmap_park.inc"

        .equ    SCHEME_PROMOTIONS, ROUNDS+1

        .include "scheme_load.inc"

//----------------------------------------------------------------------------------------
// prepare_scheme — changes are made with the other PEs in the identity map
//
// Out       nothing
// Clobbers  x0-x3, x9, x10, NZCV
// Needs     EL1h, pmap_bootstrap done
//----------------------------------------------------------------------------------------
prepare_scheme:
        b       idmap_park_prepare

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
        .asciz  "idmap-park: "
        .balign PAGE_BYTES, 0
image_text_end:
