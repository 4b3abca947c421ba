// rendezvous-park — pcpu comes from kernel memory and its run is promoted, but before each change of a live descriptor every other PE comes
// to spin in the action of a rendezvous, with interrupts masked: nobody is there to meet the window.
        .include "kernel.inc"
        .include "report.inc"
        .include "pmap.inc"
        .include "park_page.inc"
        .include "park.inc"

        .equ    SCHEME_PROMOTIONS, ROUNDS+1

        .include "scheme_load.inc"

//----------------------------------------------------------------------------------------
// prepare_scheme — changes are made with the other PEs parked
//
// Out       nothing
// Clobbers  x0-x3, x9, x10, NZCV
// Needs     EL1h, pmap_bootstrap done
//----------------------------------------------------------------------------------------
prepare_scheme:
.if FLAG_PLACE == 2
        load_constant x0, GLOBALS_VA+G_KMEM
        adr     x1, alloc_pcpu_with_flags
        str     x1, [x0, #KM_PCPU_ALLOC]
.endif
        b       park_prepare

//----------------------------------------------------------------------------------------
// alloc_pcpu_with_flags — a pcpu, the first of which has the words of parking at its end
//
// In        x0  domainset
// Out       x0  VA | 0 there is none
// Clobbers  x0-x17, NZCV                    Preserves  x19-x29
// Needs     EL1h, pmap_bootstrap and park_bootstrap done
//----------------------------------------------------------------------------------------
alloc_pcpu_with_flags:
        push_pair x19, x30
        bl      alloc_pcpu_naive
        cbz     x0, .L_flags_placed
        load_constant x1, PARK_FLAGS_VA
        ldr     x2, [x1, #PARK_FLAGS_INSIDE]
        cbnz    x2, .L_flags_placed
        add     x2, x0, #(PCPU_BYTES-PARK_BYTES)
        str     x2, [x1, #PARK_FLAGS_INSIDE]
.L_flags_placed:
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
        .asciz  "rendezvous-park: "
        .balign PAGE_BYTES, 0
image_text_end:
