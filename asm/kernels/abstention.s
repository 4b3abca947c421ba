// abstention — kernel memory is mapped in pages and stays in pages: no run becomes a block or contiguous, so that no size ever changes and
// no window opens over anything.
        .include "kernel.inc"
        .include "report.inc"
        .include "pmap.inc"

        .equ    SCHEME_PROMOTIONS, 0

        .include "scheme_load.inc"

//----------------------------------------------------------------------------------------
// prepare_scheme — nothing is promoted, neither to blocks nor to contiguous runs
//
// Out       nothing
// Clobbers  x0
// Needs     EL1h, pmap_bootstrap done, nothing allocated
// See       Linux arm64 mmu.c, can_set_direct_map; contpte.c
//----------------------------------------------------------------------------------------
prepare_scheme:
        load_constant x0, GLOBALS_VA+G_PMAP
        str     xzr, [x0, #PM_SUPERPAGES]
        str     xzr, [x0, #PM_CONTIGUOUS_RUNS]
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
        .asciz  "abstention: "
        .balign PAGE_BYTES, 0
image_text_end:
