// own-block — each pcpu has an L2 block of its own, which is promoted as it is allocated, before its PE uses it: nothing that others
// allocate later can fill its run. Without superpages, or where KVA is not aligned, it stays in pages, which nothing promotes either.
        .include "kernel.inc"
        .include "report.inc"
        .include "pmap.inc"
        .include "kmem_count.inc"

        .equ    SCHEME_PROMOTIONS, OWN_SUPERPAGES*(ROUNDS+1)    // those of the load's run
        .equ    OWN_WASTED_KB, (PES-1)*(BLOCK_BYTES-PCPU_BYTES)/1024

        .include "scheme_load.inc"
        .include "own_block.inc"

//----------------------------------------------------------------------------------------
// prepare_scheme — the options, the memory of all pcpus, and a line that says what it costs
//
// Out       nothing; without the memory it says so and ends the run with EXIT_WRONG
// Clobbers  x0-x17, NZCV                    Preserves  x19-x29
// Needs     EL1h, pmap_bootstrap done
// Touches while invalid   as pmap_promote_l2 does; nobody uses the memory yet
//----------------------------------------------------------------------------------------
prepare_scheme:
        push_pair x19, x30
        load_constant x0, GLOBALS_VA+G_PMAP
        mov     x1, #OWN_SUPERPAGES
        str     x1, [x0, #PM_SUPERPAGES]
        str     x1, [x0, #PM_CONTIGUOUS_RUNS]
        load_constant x0, GLOBALS_VA+G_KMEM
        adr     x1, next_own_block
        str     x1, [x0, #KM_PCPU_ALLOC]
        adr     x1, free_own_block
        str     x1, [x0, #KM_PCPU_FREE]
.if OWN_KVA_ALIGNED
        load_constant x1, BLOCK_BYTES
        str     x1, [x0, #KM_CONTIG_KVA_ALIGNMENT]
.endif
.if OWN_FRAGMENTED
        bl      fragment_memory
.endif
        bl      alloc_own_blocks
        cbnz    x0, .L_own_missing
        load_constant x0, GLOBALS_VA+G_PMAP
        str     xzr, [x0, #PM_L2_PROMOTIONS]    // OWN_BLOCKS has those of the own blocks: what is counted from here on is the load's
.if PES-1
        adr     x0, scheme_text
        mov     x1, #(PES-1)
        adr     x2, runs_text
        bl      report_count
        load_constant x19, GLOBALS_VA
        ldr     x0, [x19, #OWN_BLOCKS]
        bl      put_decimal
        adr     x0, blocks_text
        bl      put_string
        load_constant x0, OWN_WASTED_KB
        bl      put_decimal
        adr     x0, wasted_text
        bl      put_string
.endif
        pop_pair x19, x30
        ret
.L_own_missing:
        load_constant x19, GLOBALS_VA
        ldr     x1, [x19, #OWN_FAILED_PE]
        adr     x0, missing_text
        adr     x2, given_back_text
        bl      report_count
        ldr     x0, [x19, #OWN_LOST]
        bl      put_decimal
        bl      put_newline
        mov     x0, #EXIT_WRONG
        b       exit_with_status

//----------------------------------------------------------------------------------------
// enter_scheme — this PE's pcpu moves to its block
//
// In        x0  VA of the block    pcpu  this PE
// Out       pcpu and TPIDR_EL1 name the block's beginning
// Clobbers  x1-x7, NZCV
// Needs     EL1h
//----------------------------------------------------------------------------------------
enter_scheme:
        b       adopt_pcpu

scheme_text:
        .asciz  "own-block: "
runs_text:
        .asciz  " runs of 2 MB, "
blocks_text:
        .asciz  " of them blocks, "
wasted_text:
        .asciz  " KB wasted\n"
missing_text:
        .asciz  "own-block: no 2 MB of contiguous memory for PE "
given_back_text:
        .asciz  ", pages lost by giving back what there was: "
        .balign PAGE_BYTES, 0
image_text_end:
