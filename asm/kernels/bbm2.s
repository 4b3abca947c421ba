// bbm2 — a block is written over a table and back by one store, on PEs that may answer an overlap by a TLB conflict abort. Its pcpus come
// late in the run (PAGES_BEFORE_PCPU), where TLBIs reach them last.
        .include "kernel.inc"
        .include "report.inc"
        .include "pmap.inc"
        .include "pmap_bbm.inc"

        .equ    SCHEME_PROMOTIONS, ROUNDS+1

        .include "scheme_load.inc"

//----------------------------------------------------------------------------------------
// prepare_scheme — sizes change by one store; contiguous runs are not formed
//
// Out       nothing
// Clobbers  x0, x1
// Needs     EL1h, pmap_bootstrap done
//----------------------------------------------------------------------------------------
prepare_scheme:
        adr     x1, pmap_update_directly
        b       pmap_use_update

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
        .asciz  "bbm2: "
        .balign PAGE_BYTES, 0
image_text_end:
