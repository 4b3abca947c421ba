// direct-map — each PE uses its pcpu by the direct map's address, while kmem's own mapping of the same page is promoted and demoted like
// any other: its windows hide a translation that no entry code uses.
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
// enter_scheme — this PE's pcpu moves to its page of kernel memory, as the direct map shows it
//
// In        x0  VA of the page in kmem    pcpu  this PE
// Out       pcpu and TPIDR_EL1 name the page by its address in the direct map
// Clobbers  x0-x7, NZCV
// Needs     EL1h; the direct map of the page is not demoted from now on
// See       FreeBSD arm64 vmparam.h, UMA_MD_SMALL_ALLOC
//----------------------------------------------------------------------------------------
enter_scheme:
        push_pair x29, x30
        bl      pmap_kextract
        load_constant x1, DMAP_OFFSET
        add     x0, x0, x1
        bl      adopt_pcpu
        pop_pair x29, x30
        ret

scheme_text:
        .asciz  "direct-map: "
        .balign PAGE_BYTES, 0
image_text_end:
