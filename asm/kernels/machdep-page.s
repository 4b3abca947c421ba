// machdep-page — the frames of each pcpu are flagged in their vm_page, and a change of a run that holds such a frame is made with the other
// PEs parked. Frames without a vm_page, such as those of the pcpu that PE 0 boots with, cannot be flagged.
        .include "kernel.inc"
        .include "report.inc"
        .include "pmap.inc"
        .include "park_page.inc"
        .include "park.inc"
        .include "park_select.inc"

        .equ    SCHEME_PROMOTIONS, ROUNDS+1
        .equ    FRAMES_WITHOUT_FLAG, G_SCRATCH+2*REGISTER_BYTES // of the pcpu that PE 0 boots with: all

        .include "scheme_load.inc"

//----------------------------------------------------------------------------------------
// prepare_scheme — pcpu is allocated flagged, and a run with a flagged frame is changed with the other PEs parked
//
// Out       nothing
// Clobbers  x0-x7, x9-x11, x17, NZCV
// Needs     EL1h, pmap_bootstrap done
//----------------------------------------------------------------------------------------
prepare_scheme:
        mov     x17, x30
        load_constant x0, GLOBALS_VA
        adr     x1, alloc_pcpu_machdep
        str     x1, [x0, #(G_KMEM+KM_PCPU_ALLOC)]
        load_constant x0, PCPU_PA
        mov     x1, #PCPU_BYTES
        mov     x2, #PG_MACHDEP
        bl      vm_page_set_flags
        load_constant x1, GLOBALS_VA
        str     x0, [x1, #FRAMES_WITHOUT_FLAG]
        adr     x0, park_if_machdep
        bl      park_prepare_select
        ret     x17

//----------------------------------------------------------------------------------------
// alloc_pcpu_machdep — a pcpu whose frames are flagged before anybody uses them
//
// In        x0  domainset
// Out       x0  VA | 0 there is none
// Clobbers  x0-x17, NZCV                    Preserves  x19-x29
// Needs     EL1h, pmap_bootstrap done
//----------------------------------------------------------------------------------------
alloc_pcpu_machdep:
        push_pair x19, x30
        push_pair x20, x21
        bl      alloc_pcpu_naive
        mov     x19, x0
        mov     x20, x0
        load_constant x21, PCPU_BYTES
        add     x21, x0, x21
        cbz     x0, .L_machdep_flagged
.L_machdep_next:
        mov     x0, x20
        bl      pmap_kextract                   // frames need not follow each other as pages do
        mov     x1, #PAGE_BYTES
        mov     x2, #PG_MACHDEP
        bl      vm_page_set_flags
        add     x20, x20, #PAGE_BYTES
        cmp     x20, x21
        b.lo    .L_machdep_next
.L_machdep_flagged:
        mov     x0, x19
        pop_pair x20, x21
        pop_pair x19, x30
        ret

//----------------------------------------------------------------------------------------
// park_if_machdep — park if the run that is changed holds a frame with PG_MACHDEP
//
// In        x0-x3, x8  of the change, as park_change has them
// Out       what the function that makes the change leaves
// Clobbers  x0-x17, NZCV                    Preserves  x19-x29
// Needs     EL1h, the pmap locked; for what is flagged, every PE online with interrupts on
// Touches while invalid   as park_selected and park_direct do
//----------------------------------------------------------------------------------------
park_if_machdep:
        push_pair x8, x30
        push_pair x0, x1
        push_pair x2, x3
        ldr     x0, [x1]
        mov     x4, #PM_UPDATE_ENTRY
        cmp     x8, x4
        mov     x1, x3                          // a contiguous run
        b.ne    .L_machdep_range
        and     x4, x2, #DESC_TYPE
        and     x5, x0, #DESC_TYPE
        mov     x1, #PAGE_BYTES
        load_constant x6, BLOCK_BYTES
        cmp     x5, #DESC_BLOCK                 // a block that changes, or is demoted: its frames are in the old descriptor
        csel    x1, x6, x1, eq
        b.eq    .L_machdep_range
        cmp     x4, #DESC_BLOCK                 // a table that becomes a block: in the new one, as for a page
        csel    x1, x6, x1, eq
        mov     x0, x2
.L_machdep_range:
        and     x0, x0, #DESC_ADDRESS
        mov     x2, #PG_MACHDEP
        bl      vm_page_count_flags
        mov     x4, x0
        pop_pair x2, x3
        pop_pair x0, x1
        pop_pair x8, x30
        cbnz    x4, park_selected
        b       park_direct

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
        .asciz  "machdep-page: "
        .balign PAGE_BYTES, 0
image_text_end:
