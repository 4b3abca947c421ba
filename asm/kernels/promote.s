// promote — PE 0 fills runs of kernel memory until they are promoted, demotes them in every way there is, and all PEs read them back; each
// state is compared with what FreeBSD's pmap would have, a line for each group of checks.
        .include "kernel.inc"
        .include "report.inc"
        .include "pmap.inc"
        .include "check.inc"
        .include "pmap_check.inc"
        .include "promote_memory.inc"

        .equ    PAGE_ALONE, 5*PAGE_BYTES        // a page in the first contiguous run
        .equ    PAGE_FAR, 300*PAGE_BYTES        // a page in another one

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
promote_text:
        .asciz  "promote: "
wrong_text:
        .asciz  " checks wrong\n"
        .balign PAGE_BYTES, 0
image_text_end:
