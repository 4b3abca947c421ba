// pte-flag — each PE's pcpu comes from kernel memory, and its pages carry a software bit that says how to change them: with the other PEs
// parked. Promotion compares attributes, this bit too, so that a run that is flagged in part stays in pages, as under no-promote.
        .include "kernel.inc"
        .include "report.inc"
        .include "pmap.inc"
        .include "park_page.inc"
        .include "park.inc"
        .include "park_select.inc"
        .include "pcpu_place.inc"

        .equ    SCHEME_PROMOTIONS, PCPUS_OUTSIDE*(ROUNDS+1)

        .include "scheme_load.inc"

//----------------------------------------------------------------------------------------
// prepare_scheme — pcpu is allocated flagged, and what is flagged is changed with the other PEs parked
//
// Out       nothing
// Clobbers  x0-x3, x9-x11, NZCV
// Needs     EL1h, pmap_bootstrap done
//----------------------------------------------------------------------------------------
prepare_scheme:
        load_constant x0, GLOBALS_VA
        adr     x1, alloc_pcpu_park_pages
        str     x1, [x0, #(G_KMEM+KM_PCPU_ALLOC)]
        adr     x0, park_if_flagged
        b       park_prepare_select

//----------------------------------------------------------------------------------------
// alloc_pcpu_park_pages — a pcpu whose own pages, and no others, are flagged before anybody uses them
//
// In        x0  domainset
// Out       x0  VA | 0 there is none
// Clobbers  x0-x17, NZCV                    Preserves  x19-x29
// Needs     EL1h, pmap_bootstrap done
// Touches while invalid   as pmap_mask_set does; no PE uses the pages yet, but a block or run around them may hold what others use
//----------------------------------------------------------------------------------------
alloc_pcpu_park_pages:
        push_pair x19, x30
        bl      alloc_pcpu_naive
        mov     x19, x0
        cbz     x0, .L_no_pcpu_to_park
        mov     x1, #PCPU_BYTES
        load_constant x2, DESC_SW_PARK
        mov     x3, x2
        bl      pmap_mask_set
        cmp     x0, #0
        csel    x19, x19, xzr, eq
.L_no_pcpu_to_park:
.if FLAG_CHANGES
        cbz     x19, .L_no_flagged_change
        mov     x0, x19
        mov     x1, #PCPU_BYTES
        mov     x2, #DESC_READ_ONLY
        bl      pmap_change_prot
        mov     x0, x19
        mov     x1, #PCPU_BYTES
        mov     x2, #0
        bl      pmap_change_prot
.L_no_flagged_change:
.endif
        mov     x0, x19
        pop_pair x19, x30
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
        .asciz  "pte-flag: "
        .balign PAGE_BYTES, 0
image_text_end:
