// flagged-run — the whole run that holds a pcpu carries a software bit, pages that are entered later too: attributes stay equal, so the run
// is promoted, and each change of what carries the bit is made with the other PEs parked.
        .include "kernel.inc"
        .include "report.inc"
        .include "pmap.inc"
        .include "park_page.inc"
        .include "park.inc"
        .include "park_select.inc"

        .equ    SCHEME_PROMOTIONS, ROUNDS+1

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
        adr     x1, alloc_pcpu_park_run
        str     x1, [x0, #(G_KMEM+KM_PCPU_ALLOC)]
        load_constant x1, DESC_SW_PARK
        str     x1, [x0, #(G_PMAP+PM_RUN_BITS)]
        adr     x0, park_if_flagged
        b       park_prepare_select

//----------------------------------------------------------------------------------------
// alloc_pcpu_park_run — a pcpu, with all of its 2 MB run flagged before anybody uses it
//
// In        x0  domainset
// Out       x0  VA | 0 there is none
// Clobbers  x0-x17, NZCV                    Preserves  x19-x29
// Needs     EL1h, pmap_bootstrap done; pcpu lies in one run
// Order     the table's bit, which pages entered later take over -> the bit of each page
//----------------------------------------------------------------------------------------
alloc_pcpu_park_run:
        push_pair x19, x30
        bl      alloc_pcpu_naive
        mov     x19, x0
        cbz     x0, .L_no_run_to_park
        bl      pmap_lock
        mov     x0, x19
        bl      pmap_l2_entry
        load_constant x4, DESC_SW_PARK
.L_flag_run_entry:
        ldxr    x2, [x0]
        orr     x2, x2, x4                      // of a block or, where hardware ignores it, of a table
        stxr    w3, x2, [x0]
        cbnz    w3, .L_flag_run_entry
        bl      pmap_unlock
        and     x0, x19, #(0xffffffffffffffff^L2_OFFSET)
        load_constant x1, BLOCK_BYTES
        load_constant x2, DESC_SW_PARK
        mov     x3, x2
        bl      pmap_mask_set                   // what is not mapped yet is passed over
.L_no_run_to_park:
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
        .asciz  "flagged-run: "
        .balign PAGE_BYTES, 0
image_text_end:
