// measure_chase — a PE follows a ring of pointers: what a load takes that hits where the ring is held.
//
// CHASE_LINES pointers, CHASE_STRIDE_BYTES apart, decide where: a few lines stay in L1; a stride that leads to the same set of L1 again and
// again leaves them to L2, and so on. CHASE_PAGED maps them in pages of 4 KB, so that more of them than a TLB has entries miss it.
// It is measured twice, over CHASE_LOADS loads and twice as many: the difference has no share of what surrounds them.
        .include "kernel.inc"
        .include "report.inc"
        .include "measure.inc"

        .equ    CHASE_BYTES, CHASE_LINES*CHASE_STRIDE_BYTES
        .equ    CHASE_L3_TABLES, (CHASE_BYTES+BLOCK_BYTES-1)>>L2_SHIFT
.if CHASE_PAGED
        .equ    CHASE_VA, CHASE_PAGED_VA
.else
        .equ    CHASE_VA, CHASE_PA
.endif

//----------------------------------------------------------------------------------------
// kernel_main — map, make the ring, follow it
//
// Out       x0  exit status
// Clobbers  x0-x17
// Needs     PE 0, booted
//----------------------------------------------------------------------------------------
kernel_main:
        push_pair x19, x30
.if CHASE_PAGED
        bl      map_ring
.endif
        bl      make_ring
        bl      start_counter
        load_constant x0, CHASE_VA
        load_constant x1, CHASE_LOADS
        bl      follow_ring                     // caches, TLBs and predictors are as they will stay
        load_constant x1, CHASE_LOADS
        bl      follow_ring
        mov     x19, x2
        load_constant x1, 2*CHASE_LOADS
        bl      follow_ring
        sub     x1, x2, x19
        adr     x0, chase_text
        adr     x2, loads_text
        load_constant x3, CHASE_LOADS
        bl      report_cycles
        pop_pair x19, x30
        ret

//----------------------------------------------------------------------------------------
// map_ring — pages of 4 KB at CHASE_VA for the memory at CHASE_PA
//
// Out       tables in memory
// Clobbers  x0-x4, NZCV
// Needs     MMU on, nothing mapped there
// Order     stores -> dsb ishst -> isb
// See       DDI 0487, "TLB maintenance requirements": an invalid entry is never cached
//----------------------------------------------------------------------------------------
map_ring:
        mov     x4, x30
        load_constant x0, CHASE_TABLES_PA+PAGE_BYTES
        load_constant x1, CHASE_PA+DESC_PAGE+DESC_NORMAL+DESC_INNER_SHAREABLE+DESC_AF+DESC_PXN+DESC_UXN
        mov     x2, #PAGE_BYTES
        mov     x3, #(CHASE_L3_TABLES*TABLE_ENTRIES)
        bl      fill_descriptors
        load_constant x0, CHASE_TABLES_PA
        load_constant x1, CHASE_TABLES_PA+PAGE_BYTES+DESC_TABLE
        mov     x3, #CHASE_L3_TABLES
        bl      fill_descriptors
        load_constant x0, TTBR1_L1_PA
        load_constant x1, CHASE_TABLES_PA+DESC_TABLE
        str     x1, [x0, #(CHASE_L1_INDEX*DESCRIPTOR_BYTES)]
        dsb     ishst                           // the descriptors are visible before any walk that may now meet the VA
        isb                                     // the stores are complete before the next instruction uses the VA
        ret     x4

//----------------------------------------------------------------------------------------
// make_ring — each pointer leads to the next, the last to the first
//
// Out       the ring
// Clobbers  x0-x3, NZCV
// Needs     MMU on
//----------------------------------------------------------------------------------------
make_ring:
        load_constant x0, CHASE_VA
        load_constant x1, CHASE_STRIDE_BYTES
        load_constant x2, CHASE_LINES-1
.L_make_next:
        add     x3, x0, x1
        str     x3, [x0]
        mov     x0, x3
        subs    x2, x2, #1
        b.ne    .L_make_next
        load_constant x3, CHASE_VA
        str     x3, [x0]
        ret

//----------------------------------------------------------------------------------------
// follow_ring — loads, each of which waits for the one before
//
// In        x0  where    x1  how many, a multiple of CHASE_UNROLLED, not 0
// Out       x0  where it ends    x2  cycles
// Clobbers  x1, x3, NZCV
// Needs     start_counter done
// Order     what came before -> isb -> counter; the loads -> isb -> counter
//----------------------------------------------------------------------------------------
follow_ring:
        isb                                     // what came before is done before the counter is read
        mrs     x2, PMCCNTR_EL0
.L_follow_next:
.rept CHASE_UNROLLED
        ldr     x0, [x0]
.endr
        subs    x1, x1, #CHASE_UNROLLED
        b.ne    .L_follow_next
        isb                                     // the loads are done before the counter is read
        mrs     x3, PMCCNTR_EL0
        sub     x2, x3, x2
        ret

chase_text:
        .asciz  "measure_chase: "
loads_text:
        .asciz  " cycles for a thousand loads\n"
        .balign PAGE_BYTES, 0
image_text_end:
