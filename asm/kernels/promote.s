// promote — PE 0 fills runs of kernel memory until they are promoted, demotes them in every way there is, and all PEs read them back; each
// state is compared with what FreeBSD's pmap would have, a line for each group of checks.
        .include "kernel.inc"
        .include "report.inc"
        .include "pmap.inc"

        .equ    RUN_BYTES, BLOCK_BYTES
        .equ    FILL_BYTES, RUN_BYTES-PAGE_BYTES
        .equ    DOMAIN_0_ONLY, 1<<DOMAINSET_STRICT_BIT
        .equ    LAST_DOMAIN_ONLY, (1<<DOMAINSET_STRICT_BIT)+DOMAINS-1
        .equ    PAGE_ALONE, 5*PAGE_BYTES        // a page in the first contiguous run
        .equ    PAGE_FAR, 300*PAGE_BYTES        // a page in another one
        .equ    WRONG_COUNT, G_SCRATCH
        .equ    GROUP_WRONG_COUNT, G_SCRATCH+REGISTER_BYTES
        .equ    HOOK_CALLS, G_SCRATCH+2*REGISTER_BYTES

// Compare x0 with a constant of 64 bits.
.macro expect value
        load_constant x1, \value
        bl      check
.endm

// Compare a counter of struct pmap with a constant.
.macro expect_counter offset, value
        load_constant x0, GLOBALS_VA+G_PMAP+\offset
        ldr     x0, [x0]
        expect  \value
.endm

// Say how a group of checks went.
.macro end_group text
        adr     x0, \text
        bl      report_group
.endm

//----------------------------------------------------------------------------------------
// kernel_main — all groups of checks, then ROUNDS demotions and promotions
//
// Out       x0  exit status
// Clobbers  x0-x17, x19-x25
// Needs     PE 0, booted
// Touches while invalid   as pmap's functions say; the other PEs sleep
//----------------------------------------------------------------------------------------
kernel_main:
        push_pair x29, x30
        bl      init_rendezvous
        bl      start_secondaries
        cbnz    x0, .L_main_done
        bl      fill_all_pes
        msr     DAIFClr, #0x2
        bl      pmap_bootstrap
        bl      check_promotion
        bl      check_extraction
        bl      check_demotion
        bl      check_no_promotion
        bl      check_direct_map
        bl      check_contiguous_memory
        bl      check_failures
        bl      check_seams
        bl      check_rounds
        load_constant x1, GLOBALS_VA
        ldr     x1, [x1, #WRONG_COUNT]
        adr     x0, promote_text
        adr     x2, wrong_text
        cmp     x1, #0
        cset    x3, ne                          // EXIT_OK or EXIT_WRONG
        bl      report_count
.L_main_done:
        pop_pair x29, x30
        ret

//----------------------------------------------------------------------------------------
// check_promotion — one page, then the rest of its run: 32 contiguous runs, then a block
//
// Out       x19  VA of the block      x20  its PA
// Clobbers  x0-x17, NZCV
// Needs     pmap_bootstrap just done
//----------------------------------------------------------------------------------------
check_promotion:
        push_pair x21, x30
        mov     x0, #DOMAIN_0_ONLY
        mov     x1, #PAGE_BYTES
        bl      kmem_malloc_domainset
        mov     x19, x0
        expect  KMEM_VA
        mov     x0, x19
        bl      pmap_kextract
        mov     x20, x0
        and     x0, x0, #L2_OFFSET
        expect  0                               // the first frame of a reservation
        mov     x0, #DOMAIN_0_ONLY
        load_constant x1, 15*PAGE_BYTES
        bl      kmem_malloc_domainset
        expect  KMEM_VA+PAGE_BYTES
        expect_counter PM_L3C_PROMOTIONS, 1
        mov     x0, x19
        bl      pmap_is_block
        expect  0
        mov     x0, #DOMAIN_0_ONLY
        load_constant x1, FILL_BYTES-15*PAGE_BYTES
        bl      kmem_malloc_domainset
        expect  KMEM_VA+16*PAGE_BYTES
        expect_counter PM_L3C_PROMOTIONS, 32
        expect_counter PM_L2_PROMOTIONS, 1
        expect_counter PM_L3C_P_FAILURES, 0
        expect_counter PM_L2_P_FAILURES, 0
        mov     x0, x19
        bl      pmap_l2_entry
        mov     x0, x1
        orr     x1, x20, #DESC_BLOCK
        load_constant x2, KMEM_ATTRIBUTES-DESC_PAGE
        orr     x1, x1, x2
        bl      check
        mov     x0, x19
        bl      stamp_run
        bl      read_run_everywhere
        expect  0
        end_group promotion_text
        pop_pair x21, x30
        ret

//----------------------------------------------------------------------------------------
// check_extraction — the PA of a page as a block, in a window of the block, as a page, in one of the page, in one of the table; and of none
//
// In        x19  VA of a block      x20  its PA
// Out       nothing; the block is demoted
// Clobbers  x0-x17, NZCV
// Needs     check_promotion done
//----------------------------------------------------------------------------------------
check_extraction:
        push_pair x21, x30
        add     x0, x19, #(PAGE_FAR>>12), lsl #12
        add     x0, x0, #REGISTER_BYTES
        bl      pmap_kextract
        add     x1, x20, #(PAGE_FAR>>12), lsl #12
        add     x1, x1, #REGISTER_BYTES
        bl      check
        mov     x0, x19
        bl      pmap_l2_entry
        mov     x21, x0
        mov     x1, x0
        add     x0, x19, #(PAGE_FAR>>12), lsl #12
        bl      extract_in_window
        add     x1, x20, #(PAGE_FAR>>12), lsl #12
        bl      check
        mov     x0, x21                         // what is wanted of the demotion
        bl      demote_at
        add     x0, x19, #(PAGE_FAR>>12), lsl #12
        bl      pmap_kextract
        add     x1, x20, #(PAGE_FAR>>12), lsl #12
        bl      check
        add     x0, x19, #(PAGE_FAR>>12), lsl #12
        mov     x1, x21
        bl      extract_in_window               // now the descriptor of the table
        add     x1, x20, #(PAGE_FAR>>12), lsl #12
        bl      check
        add     x0, x19, #(PAGE_FAR>>12), lsl #12
        bl      pmap_pte
        mov     x1, x0
        add     x0, x19, #(PAGE_FAR>>12), lsl #12
        bl      extract_in_window
        add     x1, x20, #(PAGE_FAR>>12), lsl #12
        bl      check
        load_constant x0, KMEM_VA+KMEM_PAGES*PAGE_BYTES-PAGE_BYTES
        bl      pmap_kextract
        expect  0
        load_constant x0, DMAP_VA+PAGE_FAR
        bl      pmap_kextract
        expect  RAM_PA+PAGE_FAR
        bl      read_run_everywhere
        expect  0
        end_group extraction_text
        pop_pair x21, x30
        ret

//----------------------------------------------------------------------------------------
// demote_at — demote a block whose descriptor is known
//
// In        x0  address of its L2 descriptor     x19  its VA
// Out       x0  address of the L3 table
// Clobbers  x1-x17, NZCV
// Needs     the pmap not locked
// Touches while invalid   as pmap_demote_l2 does
//----------------------------------------------------------------------------------------
demote_at:
        push_pair x21, x30
        mov     x21, x0
        bl      pmap_lock
        mov     x0, x19
        mov     x1, x21
        bl      pmap_demote_l2
        mov     x21, x0
        bl      pmap_unlock
        mov     x0, x21
        pop_pair x21, x30
        ret

//----------------------------------------------------------------------------------------
// extract_in_window — what pmap_kextract says of a VA while a descriptor on its path is broken
//
// In        x0  VA     x1  address of the descriptor
// Out       x0  PA
// Clobbers  x1-x12, NZCV
// Needs     nobody using what the descriptor maps
// Touches while invalid   code: identity map   stack: none   data: translation tables, through the direct map
// Order     clear valid bit -> dsb ishst -> tlbi vaae1is -> dsb ish -> isb -> at -> store -> dsb ishst -> isb
//----------------------------------------------------------------------------------------
extract_in_window:
        mov     x8, x30
        mov     x9, x1
        ldr     x10, [x1]
        and     x2, x10, #(0xffffffffffffffff^1)
        str     x2, [x1]
        ubfx    x11, x0, #PAGE_SHIFT, #44
        dsb     ishst                           // the broken descriptor is visible before any TLB drops the old one
        tlbi    vaae1is, x11
        dsb     ish                             // every PE has dropped the old entry before the translation is asked for
        isb                                     // this PE too before the translation is asked for
        bl      pmap_kextract
        str     x10, [x9]
        dsb     ishst                           // the descriptor is back before anybody uses what it maps
        isb                                     // the store is complete before the next instruction uses it
        ret     x8

//----------------------------------------------------------------------------------------
// check_demotion — the pages that a demotion leaves; attributes of one page; promotion again
//
// In        x19  VA of a run that was just demoted      x20  its PA
// Out       nothing; the run is a block again
// Clobbers  x0-x17, NZCV
// Needs     check_extraction done
// Touches while invalid   as pmap_change_attr does
//----------------------------------------------------------------------------------------
check_demotion:
        push_pair x21, x30
        expect_counter PM_L2_DEMOTIONS, 1
        add     x0, x19, #(PAGE_FAR>>12), lsl #12
        bl      expect_page_contiguous
        add     x0, x19, #(PAGE_FAR>>12), lsl #12
        bl      enter_again
        expect_counter PM_L2_PROMOTIONS, 2      // straight from contiguous runs
        expect_counter PM_L3C_PROMOTIONS, 32

        add     x0, x19, #(PAGE_ALONE>>12), lsl #12
        mov     x1, #PAGE_BYTES
        mov     x2, #DESC_NONCACHEABLE
        bl      pmap_change_attr
        expect  0
        expect_counter PM_L2_DEMOTIONS, 3       // the block, and the direct map's that holds its frames
        expect_counter PM_L3C_DEMOTIONS, 2
        mov     x0, x19
        bl      pmap_is_block
        expect  0
        add     x0, x19, #(PAGE_ALONE>>12), lsl #12
        bl      pmap_pte
        and     x0, x1, #DESC_ATTRIBUTE_INDEX
        expect  DESC_NONCACHEABLE
        add     x0, x20, #(PAGE_ALONE>>12), lsl #12
        load_constant x1, DMAP_OFFSET
        add     x0, x0, x1
        bl      pmap_pte
        and     x0, x1, #DESC_ATTRIBUTE_INDEX
        expect  DESC_NONCACHEABLE
        mov     x0, x19
        bl      pmap_pte
        and     x0, x1, #DESC_ATTRIBUTE_INDEX
        expect  DESC_NORMAL
        add     x0, x19, #(PAGE_FAR>>12), lsl #12
        bl      expect_page_contiguous
        bl      read_run_everywhere
        expect  0
        mov     x0, x19
        bl      enter_again                     // of unequal pages nothing can be made
        expect_counter PM_L2_PROMOTIONS, 2
        expect_counter PM_L3C_P_FAILURES, 1
        expect_counter PM_L2_P_FAILURES, 1

        add     x0, x19, #(PAGE_ALONE>>12), lsl #12
        mov     x1, #PAGE_BYTES
        mov     x2, #DESC_NORMAL
        bl      pmap_change_attr
        expect  0
        mov     x0, x19
        bl      enter_again
        expect_counter PM_L3C_PROMOTIONS, 33
        expect_counter PM_L2_PROMOTIONS, 3
        bl      read_run_everywhere
        expect  0

        mov     x0, x19                         // a whole block is changed as a block
        load_constant x1, RUN_BYTES
        mov     x2, #DESC_READ_ONLY
        bl      pmap_change_prot
        expect  0
        mov     x0, x19
        bl      pmap_is_block
        expect  1
        add     x0, x19, #(PAGE_FAR>>12), lsl #12
        mov     x1, #PAGE_BYTES
        mov     x2, #0
        bl      pmap_change_prot                // the saved table does not know that: its pages are refilled
        expect  0
        mov     x0, x19
        bl      pmap_pte
        and     x0, x1, #DESC_READ_ONLY
        expect  DESC_READ_ONLY
        mov     x0, x19
        load_constant x1, RUN_BYTES
        mov     x2, #0
        bl      pmap_change_prot
        expect  0
        mov     x0, x19
        bl      stamp_run
        add     x0, x19, #(PAGE_FAR>>12), lsl #12
        bl      enter_again
        mov     x0, x19
        bl      pmap_is_block
        expect  1
        bl      read_run_everywhere
        expect  0
        end_group demotion_text
        pop_pair x21, x30
        ret

//----------------------------------------------------------------------------------------
// check_no_promotion — the flag, set in a block and before a run is full
//
// In        x19  VA of a block
// Out       nothing; the block is freed
// Clobbers  x0-x17, NZCV
// Needs     check_demotion done
// Touches while invalid   as pmap_disable_promotion does
//----------------------------------------------------------------------------------------
check_no_promotion:
        push_pair x21, x30
        bl      clear_counters
        add     x0, x19, #(PAGE_ALONE>>12), lsl #12
        mov     x1, #PAGE_BYTES
        bl      pmap_disable_promotion
        expect  0
        expect_counter PM_L2_DEMOTIONS, 1
        expect_counter PM_L3C_DEMOTIONS, 1
        add     x0, x19, #(PAGE_ALONE>>12), lsl #12
        bl      pmap_pte
        lsr     x0, x1, #DESC_SW_NO_PROMOTE_BIT
        and     x0, x0, #1
        expect  1
        mov     x0, x19
        bl      enter_again
        expect_counter PM_L3C_P_FAILURES, 1     // not the first page of its run: attributes differ
        expect_counter PM_L2_P_FAILURES, 1
        expect_counter PM_L2_PROMOTIONS, 0
        bl      read_run_everywhere
        expect  0
        mov     x0, x19
        load_constant x1, RUN_BYTES
        bl      kmem_free
        mov     x0, x19
        bl      pmap_kextract
        expect  0

        bl      clear_counters
        mov     x0, #LAST_DOMAIN_ONLY           // as start_cpu does: flagged before anybody uses it
        mov     x1, #PAGE_BYTES
        bl      kmem_malloc_domainset
        mov     x21, x0
        mov     x1, #PAGE_BYTES
        bl      pmap_disable_promotion
        expect  0
        mov     x0, #LAST_DOMAIN_ONLY
        load_constant x1, FILL_BYTES
        bl      kmem_malloc_domainset
        add     x1, x21, #PAGE_BYTES
        bl      check
        expect_counter PM_L3C_PROMOTIONS, 31    // all runs but that of the flagged page
        expect_counter PM_L2_PROMOTIONS, 0
        expect_counter PM_L2_P_FAILURES, 0      // refused by its first page: no failure
        expect_counter PM_L3C_P_FAILURES, 0
        expect_counter PM_L2_DEMOTIONS, 0
        mov     x0, x21
        load_constant x1, RUN_BYTES
        bl      kmem_free
        end_group no_promotion_text
        pop_pair x21, x30
        ret

//----------------------------------------------------------------------------------------
// check_direct_map — blocks and runs of the direct map that hold the very table that is changed
//
// Out       nothing
// Clobbers  x0-x17, NZCV
// Needs     pmap_bootstrap done
// Touches while invalid   as pmap_change_prot does: the table through a temporary mapping
//----------------------------------------------------------------------------------------
check_direct_map:
        push_pair x21, x30
        bl      clear_counters
        load_constant x0, DMAP_OFFSET+RAM_PA
        mov     x1, #PAGE_BYTES
        mov     x2, #DESC_READ_ONLY
        bl      pmap_change_prot                // this block holds the direct map's L2 table
        expect  0
        expect_counter PM_L2_DEMOTIONS, 1
        load_constant x0, DMAP_OFFSET+DMAP_L2_PA
        bl      pmap_is_block
        expect  0
        load_constant x0, DMAP_OFFSET+RAM_PA
        bl      pmap_pte
        and     x0, x1, #DESC_READ_ONLY
        expect  DESC_READ_ONLY
        load_constant x0, DMAP_OFFSET+RAM_PA
        mov     x1, #PAGE_BYTES
        mov     x2, #0
        bl      pmap_change_prot
        expect  0

        load_constant x0, DMAP_OFFSET+RAM_PA    // its L3 table is a frame of the pool: cut the run in which that frame lies
        bl      pmap_l2_entry
        and     x21, x1, #DESC_ADDRESS
        load_constant x0, DMAP_OFFSET
        add     x21, x21, x0
        mov     x0, x21
        mov     x1, #PAGE_BYTES
        load_constant x2, DESC_SW_MANAGED       // of no meaning there, and no TLB looks at it
        mov     x3, x2
        bl      pmap_mask_set                   // demotes that block, whose new table is near the first
        expect  0
        mov     x0, x21
        bl      pmap_l2_entry
        and     x21, x1, #DESC_ADDRESS
        load_constant x0, DMAP_OFFSET
        add     x21, x21, x0                    // the table that maps its own page
        eor     x0, x21, #PAGE_BYTES            // a neighbour in the same run
        mov     x1, #PAGE_BYTES
        mov     x2, #DESC_READ_ONLY
        bl      pmap_change_prot
        expect  0
        eor     x0, x21, #PAGE_BYTES
        mov     x1, #PAGE_BYTES
        mov     x2, #0
        bl      pmap_change_prot
        expect  0
        end_group direct_map_text
        pop_pair x21, x30
        ret

//----------------------------------------------------------------------------------------
// check_contiguous_memory — the review's allocation: frames aligned, KVA aligned only if that is asked for
//
// Out       nothing
// Clobbers  x0-x17, NZCV
// Needs     all KVA free
//----------------------------------------------------------------------------------------
check_contiguous_memory:
        push_pair x21, x30
        push_pair x22, x23
        push_pair x24, x25
        bl      count_memory
        mov     x23, x0
        mov     x0, #0
        load_constant x1, RUN_BYTES
        mov     x2, #PAGE_BYTES
        bl      kva_alloc                       // the arena's first chunk
        mov     x24, x0
        mov     x0, #0
        mov     x1, #PAGE_BYTES
        load_constant x2, BLOCK_BYTES
        bl      kva_alloc                       // one page, so that the arena's next KVA is not aligned
        mov     x22, x0
        bl      alloc_block_of_frames
        mov     x21, x0
        add     x1, x22, #PAGE_BYTES
        bl      check
        mov     x0, x21
        bl      pmap_kextract
        and     x0, x0, #L2_OFFSET
        expect  0
        add     x0, x21, #(FILL_BYTES>>12), lsl #12
        bl      pmap_is_block
        expect  0                               // frames alone do not make a block
        mov     x0, x21
        load_constant x1, RUN_BYTES
        bl      kmem_free

        load_constant x0, GLOBALS_VA+G_KMEM
        load_constant x1, BLOCK_BYTES
        str     x1, [x0, #KM_CONTIG_KVA_ALIGNMENT]
        bl      alloc_block_of_frames
        mov     x21, x0
        bl      pmap_is_block
        expect  1
        mov     x0, x21
        load_constant x1, RUN_BYTES
        bl      kmem_free
        load_constant x0, GLOBALS_VA+G_PMAP
        str     xzr, [x0, #PM_SUPERPAGES]
        bl      alloc_block_of_frames
        mov     x21, x0
        bl      pmap_is_block
        expect  0
        load_constant x0, GLOBALS_VA+G_PMAP
        mov     x1, #1
        str     x1, [x0, #PM_SUPERPAGES]
        mov     x0, x21
        load_constant x1, RUN_BYTES
        bl      kmem_free
        mov     x0, x22
        mov     x1, #PAGE_BYTES
        bl      kva_free
        mov     x0, x24
        load_constant x1, RUN_BYTES
        bl      kva_free
        bl      count_memory
        mov     x1, x23
        bl      check_little_more               // translation tables stay
        end_group contiguous_text
        pop_pair x24, x25
        pop_pair x22, x23
        pop_pair x21, x30
        ret

//----------------------------------------------------------------------------------------
// alloc_block_of_frames — the review's call: L2_SIZE bytes, aligned to L2_SIZE, in domain 0
//
// Out       x0  VA | 0 there is none
// Clobbers  x1-x17, NZCV
// Needs     pmap_bootstrap done
// See       FreeBSD review D35084
//----------------------------------------------------------------------------------------
alloc_block_of_frames:
        mov     x0, #DOMAIN_0_ONLY
        load_constant x1, RUN_BYTES
        mov     x2, #0
        mov     x3, #0
        mov     x4, x1
        mov     x5, #0
        b       kmem_alloc_contig_domainset

//----------------------------------------------------------------------------------------
// check_failures — an allocation that fails has taken nothing; one that prefers a domain goes to the next
//
// Out       nothing
// Clobbers  x0-x17, NZCV
// Needs     all KVA free
//----------------------------------------------------------------------------------------
check_failures:
        push_pair x21, x30
        push_pair x22, x23
        push_pair x24, x25
        mov     x21, #0                         // a list of frames, linked through the direct map
.L_exhaust_next:
        mov     x0, #(DOMAINS-1)
        load_constant x1, RUN_BYTES
        mov     x2, x1
        mov     x3, #0
        mov     x4, #0
        mov     x5, #0
        bl      vm_page_alloc_contig
        cbz     x0, .L_exhausted
        load_constant x1, DMAP_OFFSET
        str     x21, [x0, x1]
        mov     x21, x0
        b       .L_exhaust_next
.L_exhausted:
        mov     x24, #0                         // and one of single frames
.L_exhaust_rest:
        mov     x0, #(DOMAINS-1)
        mov     x1, #PAGE_BYTES
        mov     x2, #PAGE_BYTES
        mov     x3, #0
        mov     x4, #0
        mov     x5, #0
        bl      vm_page_alloc_contig
        cbz     x0, .L_domain_empty
        load_constant x1, DMAP_OFFSET
        str     x24, [x0, x1]
        mov     x24, x0
        b       .L_exhaust_rest
.L_domain_empty:
        mov     x0, x21                         // three frames go back
        load_constant x1, DMAP_OFFSET
        ldr     x22, [x0, x1]
        mov     x1, #(3*PAGE_BYTES)
        bl      vm_page_free
        bl      count_memory
        mov     x23, x0
        mov     x0, #LAST_DOMAIN_ONLY
        mov     x1, #(8*PAGE_BYTES)
        bl      kmem_malloc_domainset
        expect  0
        bl      count_memory
        mov     x1, x23
        bl      check_little_more
        mov     x0, #LAST_DOMAIN_ONLY
        mov     x1, #(2*PAGE_BYTES)
        bl      kmem_malloc_domainset
        cmp     x0, #0
        cset    x25, ne
        mov     x1, #(2*PAGE_BYTES)
        cbz     x25, .L_two_pages_missing
        bl      kmem_free
.L_two_pages_missing:
        mov     x0, x25
        expect  1
        mov     x0, #LAST_DOMAIN_ONLY
        mov     x1, #(8*PAGE_BYTES)
        mov     x2, #0
        mov     x3, #0
        mov     x4, #PAGE_BYTES
        mov     x5, #0
        bl      kmem_alloc_contig_domainset
        expect  0
        bl      count_memory
        mov     x1, x23
        bl      check_little_more
        mov     x0, #(DOMAINS-1)                // preferred, not the only one
        mov     x1, #(8*PAGE_BYTES)
        bl      kmem_malloc_domainset
        mov     x25, x0
        cmp     x0, #0
        cset    x0, ne
        expect  (DOMAINS>1)&1
        cbz     x25, .L_give_back
        mov     x0, x25
        mov     x1, #(8*PAGE_BYTES)
        bl      kmem_free
.L_give_back:                                   // the rest of the block that lost three, then all others
        add     x0, x21, #(3*PAGE_BYTES)
        load_constant x1, RUN_BYTES-3*PAGE_BYTES
        bl      vm_page_free
        mov     x21, x22
.L_give_back_next:
        cbz     x21, .L_give_back_single
        mov     x0, x21
        load_constant x1, DMAP_OFFSET
        ldr     x21, [x0, x1]
        load_constant x1, RUN_BYTES
        bl      vm_page_free
        b       .L_give_back_next
.L_give_back_single:
        cbz     x24, .L_gave_back
        mov     x0, x24
        load_constant x1, DMAP_OFFSET
        ldr     x24, [x0, x1]
        mov     x1, #PAGE_BYTES
        bl      vm_page_free
        b       .L_give_back_single
.L_gave_back:
        end_group failures_text
        pop_pair x24, x25
        pop_pair x22, x23
        pop_pair x21, x30
        ret

//----------------------------------------------------------------------------------------
// check_seams — hooks, a scheme that refuses, a window of another length, frames with a flag
//
// Out       x19  VA of a block      x20  its PA
// Clobbers  x0-x17, NZCV
// Needs     all KVA free
//----------------------------------------------------------------------------------------
check_seams:
        push_pair x21, x30
        bl      clear_counters
        load_constant x0, GLOBALS_VA+G_PMAP
        adr     x1, count_call
        str     x1, [x0, #PM_BEFORE_CHANGE]
        adr     x1, refuse_machdep
        str     x1, [x0, #PM_MAY_PROMOTE]
        mov     x1, #3
        str     x1, [x0, #PM_WINDOW_TLBIS]
        str     x1, [x0, #PM_WINDOW_START]
        str     x1, [x0, #PM_REPEAT_TLBI]
        mov     x0, #0                          // pcpu by the scheme in force: as any memory
        bl      alloc_pcpu
        mov     x19, x0
        bl      pmap_kextract
        mov     x20, x0
        mov     x1, #PAGE_BYTES
        mov     x2, #PG_MACHDEP
        bl      vm_page_set_flags
        expect  0
        load_constant x0, PCPU_PA               // PE 0's own pcpu has no vm_page
        mov     x1, #PAGE_BYTES
        mov     x2, #PG_MACHDEP
        bl      vm_page_set_flags
        expect  1
        mov     x0, #0
        load_constant x1, FILL_BYTES
        bl      kmem_malloc_domainset
        add     x1, x19, #PAGE_BYTES
        bl      check
        expect_counter PM_L3C_PROMOTIONS, 31
        expect_counter PM_L3C_P_FAILURES, 1
        expect_counter PM_L2_PROMOTIONS, 0
        expect_counter PM_L2_P_FAILURES, 1
        load_constant x0, GLOBALS_VA
        ldr     x0, [x0, #HOOK_CALLS]
        expect  31
        load_constant x0, GLOBALS_VA+G_PMAP
        str     xzr, [x0, #PM_MAY_PROMOTE]
        mov     x0, x19
        bl      enter_again
        expect_counter PM_L2_PROMOTIONS, 1
        load_constant x0, GLOBALS_VA
        ldr     x0, [x0, #HOOK_CALLS]
        expect  33
        mov     x0, x19
        bl      stamp_run
        bl      read_run_everywhere
        expect  0
        load_constant x0, GLOBALS_VA+G_PMAP
        str     xzr, [x0, #PM_BEFORE_CHANGE]
        str     xzr, [x0, #PM_WINDOW_TLBIS]
        str     xzr, [x0, #PM_REPEAT_TLBI]
        end_group seams_text
        pop_pair x21, x30
        ret

//----------------------------------------------------------------------------------------
// check_rounds — demote a block by one page of it and promote it again, ROUNDS times, all PEs reading it in both states
//
// In        x19  VA of a block
// Out       nothing
// Clobbers  x0-x17, NZCV
// Needs     check_seams done
//----------------------------------------------------------------------------------------
check_rounds:
        push_pair x21, x30
        push_pair x22, x23
        bl      clear_counters
        load_constant x21, ROUNDS
        mov     x22, #0                         // pages that were read wrong
.L_next_round:
        add     x0, x19, #(PAGE_FAR>>12), lsl #12
        mov     x1, #PAGE_BYTES
        mov     x2, #DESC_READ_ONLY
        bl      pmap_change_prot
        bl      read_run_everywhere
        add     x22, x22, x0
        add     x0, x19, #(PAGE_FAR>>12), lsl #12
        mov     x1, #PAGE_BYTES
        mov     x2, #0
        bl      pmap_change_prot
        add     x0, x19, #(PAGE_FAR>>12), lsl #12
        bl      enter_again
        bl      read_run_everywhere
        add     x22, x22, x0
        subs    x21, x21, #1
        b.ne    .L_next_round
        mov     x0, x22
        expect  0
        expect_counter PM_L2_PROMOTIONS, ROUNDS
        expect_counter PM_L2_DEMOTIONS, ROUNDS
        expect_counter PM_L3C_PROMOTIONS, ROUNDS
        expect_counter PM_L3C_DEMOTIONS, ROUNDS
        end_group rounds_text
        pop_pair x22, x23
        pop_pair x21, x30
        ret

//----------------------------------------------------------------------------------------
// enter_again — enter a page as it is: what may now be promoted is
//
// In        x0  VA
// Out       x0  0 done
// Clobbers  x1-x17, NZCV
// Needs     the page mapped and writable
//----------------------------------------------------------------------------------------
enter_again:
        push_pair x21, x30
        mov     x21, x0
        bl      pmap_kextract
        mov     x1, x0
        mov     x0, x21
        load_constant x2, KMEM_ATTRIBUTES
        bl      pmap_enter
        pop_pair x21, x30
        ret

//----------------------------------------------------------------------------------------
// expect_page_contiguous — check that a VA is mapped by a page of a contiguous run
//
// In        x0  VA
// Out       nothing
// Clobbers  x0-x17, NZCV
// Needs     nothing
//----------------------------------------------------------------------------------------
expect_page_contiguous:
        push_pair x21, x30
        bl      pmap_pte
        lsr     x0, x1, #DESC_CONTIGUOUS_BIT
        and     x0, x0, #1
        add     x0, x0, x2
        expect  4                               // level 3, and the bit
        pop_pair x21, x30
        ret

//----------------------------------------------------------------------------------------
// clear_counters — struct pmap's counters, and that of hook calls, to 0
//
// Out       nothing
// Clobbers  x0, x1
// Needs     nothing
//----------------------------------------------------------------------------------------
clear_counters:
        load_constant x0, GLOBALS_VA+G_PMAP
        str     xzr, [x0, #PM_L2_PROMOTIONS]
        str     xzr, [x0, #PM_L2_P_FAILURES]
        str     xzr, [x0, #PM_L2_DEMOTIONS]
        str     xzr, [x0, #PM_L3C_PROMOTIONS]
        str     xzr, [x0, #PM_L3C_P_FAILURES]
        str     xzr, [x0, #PM_L3C_DEMOTIONS]
        load_constant x0, GLOBALS_VA
        str     xzr, [x0, #HOOK_CALLS]
        ret

//----------------------------------------------------------------------------------------
// count_call — a hook before a change: count it
//
// Out       nothing
// Clobbers  x0, x1
// Needs     nothing
//----------------------------------------------------------------------------------------
count_call:
        load_constant x0, GLOBALS_VA
        ldr     x1, [x0, #HOOK_CALLS]
        add     x1, x1, #1
        str     x1, [x0, #HOOK_CALLS]
        ret

//----------------------------------------------------------------------------------------
// refuse_machdep — refuse to promote a run that holds a frame with PG_MACHDEP
//
// In        x0  VA     x1  address of its first descriptor      x2  pages
// Out       x0  1 promote | 0 refuse
// Clobbers  x1-x7, NZCV
// Needs     the run's frames in order, as pmap_check_run has found
//----------------------------------------------------------------------------------------
refuse_machdep:
        push_pair x21, x30
        ldr     x0, [x1]
        and     x0, x0, #DESC_ADDRESS
        lsl     x1, x2, #PAGE_SHIFT
        mov     x2, #PG_MACHDEP
        bl      vm_page_count_flags
        cmp     x0, #0
        cset    x0, eq
        pop_pair x21, x30
        ret

//----------------------------------------------------------------------------------------
// count_memory — pages of KVA and frames that are in use
//
// Out       x0  KVA pages << 32 + frames
// Clobbers  x1-x4, NZCV
// Needs     pmap_bootstrap done
//----------------------------------------------------------------------------------------
count_memory:
        mov     x0, #0
        load_constant x1, RESERVATIONS_VA
        load_constant x2, POOL_FRAMES
        add     x2, x1, x2, lsr #(INDEX_BITS-RESERVATION_SHIFT)
.L_count_frames:
        ldr     x3, [x1, #RESERV_POPULATION]
        add     x0, x0, x3
        add     x1, x1, #(1<<RESERVATION_SHIFT)
        cmp     x1, x2
        b.lo    .L_count_frames
        load_constant x1, KVA_MAP_VA
        load_constant x2, KMEM_PAGES
        add     x2, x2, x1
        mov     x4, #0
.L_count_kva:
        ldrb    w3, [x1]
        add     x4, x4, x3
        add     x1, x1, #1
        cmp     x1, x2
        b.lo    .L_count_kva
        add     x0, x0, x4, lsl #32
        ret

//----------------------------------------------------------------------------------------
// check_little_more — compare what is in use: equal, but for at most 8 frames that became translation tables
//
// In        x0  in use now     x1  in use before
// Out       nothing
// Clobbers  x0-x17, NZCV
// Needs     nothing
//----------------------------------------------------------------------------------------
check_little_more:
        sub     x2, x0, x1
        cmp     x2, #8
        csel    x0, x1, x0, ls
        b       check

//----------------------------------------------------------------------------------------
// stamp_run — write its own VA into each page of a run
//
// In        x0  VA of the run
// Out       nothing
// Clobbers  x0, x1, NZCV
// Needs     all pages mapped, writable
//----------------------------------------------------------------------------------------
stamp_run:
        mov     x1, #TABLE_ENTRIES
.L_stamp_next:
        str     x0, [x0]
        add     x0, x0, #PAGE_BYTES
        subs    x1, x1, #1
        b.ne    .L_stamp_next
        ret

//----------------------------------------------------------------------------------------
// read_run_everywhere — let every PE read every page's stamp
//
// In        x19  VA of the run
// Out       x0  stamps that some PE saw wrong
// Clobbers  x1-x17, NZCV
// Needs     all PEs online
//----------------------------------------------------------------------------------------
read_run_everywhere:
        push_pair x21, x30
        mov     x0, #0
        adr     x1, read_run
        mov     x2, #0
        mov     x3, x19
        bl      smp_rendezvous
        bl      sum_scratch
        pop_pair x21, x30
        ret

//----------------------------------------------------------------------------------------
// read_run — the action: count the stamps that are wrong
//
// In        x0  VA of the run     pcpu  this PE
// Out       PC_SCRATCH
// Clobbers  x0-x3, NZCV
// Needs     all pages mapped
//----------------------------------------------------------------------------------------
read_run:
        mov     x1, #TABLE_ENTRIES
        mov     x3, #0
.L_read_next:
        ldr     x2, [x0]
        cmp     x2, x0
        cinc    x3, x3, ne
        add     x0, x0, #PAGE_BYTES
        subs    x1, x1, #1
        b.ne    .L_read_next
        str     x3, [pcpu, #PC_SCRATCH]
        ret

//----------------------------------------------------------------------------------------
// check — count and report a value that is not the one expected
//
// In        x0  value     x1  the expected one
// Out       nothing
// Clobbers  x0-x17, NZCV
// Needs     console set up
//----------------------------------------------------------------------------------------
check:
        cmp     x0, x1
        b.ne    .L_check_wrong
        ret
.L_check_wrong:
        push_pair x19, x30
        push_pair x20, x21
        mov     x19, x0
        mov     x20, x1
        mov     x21, x30
        adr     x0, at_text
        bl      put_string
        mov     x0, x21
        bl      put_hex
        adr     x0, saw_text
        bl      put_string
        mov     x0, x19
        bl      put_hex
        adr     x0, expected_text
        bl      put_string
        mov     x0, x20
        bl      put_hex
        bl      put_newline
        load_constant x0, GLOBALS_VA
        ldr     x1, [x0, #WRONG_COUNT]
        add     x1, x1, #1
        str     x1, [x0, #WRONG_COUNT]
        ldr     x1, [x0, #GROUP_WRONG_COUNT]
        add     x1, x1, #1
        str     x1, [x0, #GROUP_WRONG_COUNT]
        pop_pair x20, x21
        pop_pair x19, x30
        ret

//----------------------------------------------------------------------------------------
// report_group — a line that says how the checks since the last such line went
//
// In        x0  what was checked
// Out       nothing
// Clobbers  x0-x17, NZCV
// Needs     console set up
//----------------------------------------------------------------------------------------
report_group:
        push_pair x21, x30
        mov     x21, x0
        load_constant x1, GLOBALS_VA
        ldr     x2, [x1, #GROUP_WRONG_COUNT]
        str     xzr, [x1, #GROUP_WRONG_COUNT]
        adr     x0, pass_text
        cbz     x2, .L_group_passed
        adr     x0, fail_text
.L_group_passed:
        bl      put_string
        mov     x0, x21
        bl      put_string
        bl      put_newline
        pop_pair x21, x30
        ret

pass_text:
        .asciz  "PASS "
fail_text:
        .asciz  "FAIL "
at_text:
        .asciz  "check before "
saw_text:
        .asciz  ": saw "
expected_text:
        .asciz  ", expected "
promotion_text:
        .asciz  "promotion of a run that fills"
extraction_text:
        .asciz  "kextract in every state"
demotion_text:
        .asciz  "demotion and promotion again"
no_promotion_text:
        .asciz  "promotion disabled"
direct_map_text:
        .asciz  "direct map that holds its own tables"
contiguous_text:
        .asciz  "contiguous frames and their KVA"
failures_text:
        .asciz  "failed allocations take nothing"
seams_text:
        .asciz  "seams"
rounds_text:
        .asciz  "rounds of demotion and promotion"
promote_text:
        .asciz  "promote: "
wrong_text:
        .asciz  " checks wrong\n"
        .balign PAGE_BYTES, 0
image_text_end:
