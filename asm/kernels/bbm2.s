// bbm2 — a block is written over a table and back by one store, on PEs that may answer an overlap by a TLB conflict abort.
        .include "kernel.inc"
        .include "report.inc"
        .include "pmap.inc"
        .include "pmap_bbm.inc"

        .equ    SCHEME_PROMOTIONS, ROUNDS+1

        .include "scheme_load.inc"

//----------------------------------------------------------------------------------------
// prepare_scheme — sizes change by one store; contiguous runs are not formed; pcpus come late in the run, where TLBIs reach them last
//
// Out       nothing
// Clobbers  x0-x17, NZCV                    Preserves  x19-x29
// Needs     EL1h, pmap_bootstrap done
//----------------------------------------------------------------------------------------
prepare_scheme:
        push_pair x29, x30
        adr     x1, pmap_update_directly
        bl      pmap_use_update
        mov     x0, #0
        load_constant x1, PAGES_BEFORE_PCPU*PAGE_BYTES
        bl      kmem_malloc_domainset           // if there is none, the run is not promoted, and the load says so
        pop_pair x29, x30
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
        .asciz  "bbm2: "
        .balign PAGE_BYTES, 0
image_text_end:
