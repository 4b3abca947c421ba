// table_reuse — PE 0 promotes a table of 512 pages to a block and puts the table's page to another use; PE 1 still may hold, in its walk
// cache, a pointer to that table. LAST_LEVEL_ONLY 1 promotes by TLBI VAALE1IS, which leaves such pointers, 0 by TLBI VAAE1IS, which does
// not.
        .include "kernel.inc"
        .include "report.inc"
        .include "seed.inc"

        .equ    RUN_ATTRIBUTES, DESC_NORMAL+DESC_INNER_SHAREABLE+DESC_AF+DESC_PXN+DESC_UXN
        .equ    RUN_INDEX, TABLE_ENTRIES-1              // in the L2 table of the kernel's first gigabyte: nothing else is there
        .equ    RUN_VA, DATA_RUN_VA-BLOCK_BYTES+RUN_INDEX*BLOCK_BYTES
        .equ    RUN_PA, RAM_PA+RAM_BLOCKS*BLOCK_BYTES-BLOCK_BYTES
        .equ    RUN_TABLE_PA, FREE_PAGE_PA
        .equ    OTHER_FRAME_PA, FREE_PAGE_PA+PAGE_BYTES
        .equ    FIRST_PAGE, 1                           // PE 1 reads this one before the promotion
        .equ    SECOND_PAGE, 5                          // and this one after it
        .equ    RIGHT_NUMBER, 1
        .equ    WRONG_NUMBER, 2
        .equ    READY_FLAG, G_SCRATCH
        .equ    REUSED_FLAG, G_SCRATCH+64
        .equ    DONE_FLAG, G_SCRATCH+128
        .equ    NUMBER_READ, G_SCRATCH+136
        .equ    SEED_TURNS, 1000

//----------------------------------------------------------------------------------------
// kernel_main — table, reader, promotion, another use of the table's page, what the reader got
//
// Out       x0  exit status: EXIT_OK if the reader's translation was right
// Clobbers  x0-x17
// Needs     PE 0, booted
//----------------------------------------------------------------------------------------
kernel_main:
        push_pair x19, x30
        mov     x0, #SGI_PING
        adr     x1, read_two
        bl      register_irq
        load_constant x0, RUN_TABLE_PA
        load_constant x1, RUN_PA+RUN_ATTRIBUTES+DESC_PAGE
        mov     x2, #PAGE_BYTES
        mov     x3, #TABLE_ENTRIES
        bl      fill_descriptors
        load_constant x0, RUN_PA+SECOND_PAGE*PAGE_BYTES
        mov     x1, #RIGHT_NUMBER
        str     x1, [x0]
        load_constant x0, OTHER_FRAME_PA
        mov     x1, #WRONG_NUMBER
        str     x1, [x0]
        dsb     ishst                           // the table is visible before a descriptor leads to it
        load_constant x0, TTBR1_L2_PA+RUN_INDEX*DESCRIPTOR_BYTES
        load_constant x1, RUN_TABLE_PA+DESC_TABLE
        str     x1, [x0]
        dsb     ishst                           // the descriptor is visible before a walk needs it
        isb                                     // the store is complete before anything uses the run
        bl      start_secondaries
        cbnz    x0, .L_main_done
        mov     x0, #1
        mov     x1, #SGI_PING
        bl      send_sgi
        load_constant x0, GLOBALS_VA+READY_FLAG
        bl      wait_for_flag
mark_ready:                                     // nothing has looked at the seed so far
        mov     x0, #0
        load_constant x1, SEED_TURNS
        bl      seed_delay
        bl      promote_table
        load_constant x0, RUN_TABLE_PA+SECOND_PAGE*DESCRIPTOR_BYTES
        load_constant x1, OTHER_FRAME_PA+RUN_ATTRIBUTES+DESC_PAGE
        str     x1, [x0]                        // what the page holds now looks like a descriptor
        dsb     ish                             // it is there before PE 1 reads
        load_constant x0, GLOBALS_VA+REUSED_FLAG
        mov     x1, #1
        stlr    x1, [x0]                        // after all that
        load_constant x0, GLOBALS_VA+DONE_FLAG
        bl      wait_for_flag
        load_constant x1, GLOBALS_VA
        ldr     x1, [x1, #NUMBER_READ]
        adr     x0, reuse_text
        adr     x2, right_text
        mov     x3, #EXIT_OK
        cmp     x1, #RIGHT_NUMBER
        b.eq    .L_right
        adr     x2, wrong_text
        mov     x3, #EXIT_WRONG
.L_right:
        bl      report_count
.L_main_done:
        pop_pair x19, x30
        ret

//----------------------------------------------------------------------------------------
// promote_table — a block in the place of the table, by break-before-make
//
// Out       the block in force, but for what LAST_LEVEL_ONLY leaves
// Clobbers  x0-x5, NZCV
// Needs     EL1h, PE 0
// Touches while invalid   code: identity map   stack: none   data: the descriptor, through the identity map
// Order     break -> dsb ishst -> tlbi ... -> dsb ish -> make -> dsb ish
//----------------------------------------------------------------------------------------
promote_table:
        load_constant x0, TTBR1_L2_PA+RUN_INDEX*DESCRIPTOR_BYTES
        load_constant x1, RUN_VA
        ubfx    x2, x1, #PAGE_SHIFT, #44
        mov     x3, #TABLE_ENTRIES
        str     xzr, [x0]
        dsb     ishst                           // the break is visible before any TLB drops an entry
.L_next_tlbi:
.if LAST_LEVEL_ONLY
        tlbi    vaale1is, x2
.else
        tlbi    vaae1is, x2
.endif
        add     x2, x2, #1
        subs    x3, x3, #1
        b.ne    .L_next_tlbi
        dsb     ish                             // every PE has dropped what the TLBIs cover before the block is stored
        load_constant x1, RUN_PA+RUN_ATTRIBUTES+DESC_BLOCK
        str     x1, [x0]
        dsb     ish                             // the block is visible to every walk before the table's page is used again
        ret

//----------------------------------------------------------------------------------------
// wait_for_flag — until a word is not 0
//
// In        x0  its address
// Out       nothing
// Clobbers  x1
// Needs     EL1h
//----------------------------------------------------------------------------------------
wait_for_flag:
        ldar    x1, [x0]
        cbnz    x1, .L_flag_set
        yield
        b       wait_for_flag
.L_flag_set:
        ret

//----------------------------------------------------------------------------------------
// read_two — handler of SGI_PING: read one page of the run before it is promoted and another one when its table is in other use
//
// In        x0  INTID    pcpu  this PE
// Out       NUMBER_READ
// Clobbers  x0-x3
// Needs     EL1h, interrupts masked
//----------------------------------------------------------------------------------------
read_two:
        mov     x3, x30
        load_constant x2, RUN_VA
        ldr     x1, [x2, #(FIRST_PAGE*PAGE_BYTES)]
        load_constant x0, GLOBALS_VA+READY_FLAG
        mov     x1, #1
        stlr    x1, [x0]                        // the page has been read
        load_constant x0, GLOBALS_VA+REUSED_FLAG
        bl      wait_for_flag
        ldr     x1, [x2, #(SECOND_PAGE*PAGE_BYTES)]
        load_constant x0, GLOBALS_VA
        str     x1, [x0, #NUMBER_READ]
        add     x0, x0, #DONE_FLAG
        mov     x1, #1
        stlr    x1, [x0]                        // the number is written before PE 0 looks
        ret     x3

reuse_text:
        .asciz  "table_reuse: number "
right_text:
        .asciz  " read, the block's\n"
wrong_text:
        .asciz  " read, by what the table's page holds now\n"
        .balign PAGE_BYTES, 0
image_text_end:
