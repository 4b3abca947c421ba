// own_block_16k — a block of its own for each pcpu where the granule is 16 KB: 32 MB for each PE, in a translation regime of its own.
//
// PE 0 leaves boot's tables under TTBR1 for others with TCR_EL1.TG1 = 0b01, in which 2048 pages of 16 KB fill a table. For each other PE it
// takes 32 MB of RAM, maps them by pages, and promotes them by break-before-make with a TLBI for each page. Then the PEs that have a block
// start, each with its pcpu in it, and answer ROUNDS interrupts; one without memory is not started, as FreeBSD leaves it out.
//
// Option: RAM_MEGABYTES, where RAM ends. Blocks may lie beyond what the identity map covers: nobody uses them but under TTBR1.
// Not here: kmem and pmap, which have a granule of 4 KB; guard pages below the stacks, which are smaller than a page.
        .include "kernel.inc"
        .include "report.inc"

        .equ    GRANULE_BYTES, 16384
        .equ    GRANULE_SHIFT, 14
        .equ    GRANULE_ENTRIES, GRANULE_BYTES/DESCRIPTOR_BYTES
        .equ    OWN_BYTES, GRANULE_BYTES*GRANULE_ENTRIES        // what an L2 block maps
        .equ    OWN_SHIFT, 25
        .equ    TCR_16K, TCR_VALUE-(1<<30)                      // TG1: 0b10 is 4 KB, 0b01 is 16 KB
        .equ    TCR_NO_WALKS, 1<<23                             // EPD1
        .equ    KERNEL_END_PA, STACK_RUN_PA+PES*STACK_STRIDE_BYTES
        .equ    KERNEL_PAGES, (KERNEL_END_PA-PCPU_RUN_PA+GRANULE_BYTES-1)/GRANULE_BYTES
        .equ    OWN_L1_PA, PCPU_RUN_PA+KERNEL_PAGES*GRANULE_BYTES
        .equ    OWN_L2_PA, OWN_L1_PA+GRANULE_BYTES
        .equ    OWN_L3_PA, OWN_L2_PA+GRANULE_BYTES              // the kernel's, then that of PE 1 and so on
        .equ    OWN_TABLES_BYTES, (2+PES)*GRANULE_BYTES
        .equ    OWN_FIRST_PA, (OWN_L1_PA+OWN_TABLES_BYTES+OWN_BYTES-1)/OWN_BYTES*OWN_BYTES
        .equ    OWN_END_PA, RAM_PA+(RAM_MEGABYTES<<20)
        .equ    OWN_ATTRIBUTES, DESC_NORMAL+DESC_INNER_SHAREABLE+DESC_AF+DESC_PXN+DESC_UXN
        .equ    OWN_NEXT_PA, G_SCRATCH                          // memory that is not taken yet
        .equ    OWN_MISSING, G_SCRATCH+REGISTER_BYTES           // PEs that are not started

//----------------------------------------------------------------------------------------
// kernel_main — regime, blocks, PEs, interrupts
//
// Out       x0  exit status: EXIT_OK if every PE has a block
// Clobbers  x0-x17, NZCV
// Needs     PE 0, booted; no other PE is on
//----------------------------------------------------------------------------------------
kernel_main:
        push_pair x19, x30
        push_pair x20, x21
        load_constant x21, GLOBALS_VA
        load_constant x0, OWN_FIRST_PA
        str     x0, [x21, #OWN_NEXT_PA]
        str     xzr, [x21, #OWN_MISSING]
        mov     x0, #SGI_PING
        adr     x1, count_ping
        bl      register_irq
        bl      build_16k_tables
        bl      enter_16k_granule
mark_regime:
        mov     x19, #1
.L_own_next:
        cmp     x19, #PES
        b.hs    .L_own_taken
        mov     x0, x19
        bl      take_own_block
        add     x19, x19, #1
        b       .L_own_next
.L_own_taken:
mark_aps_start:                                 // nothing of the blocks changes from here on
        mov     x19, #1
.L_start_own:
        cmp     x19, #PES
        b.hs    .L_own_started
        mov     x0, x19
        bl      start_with_own_block
        add     x19, x19, #1
        b       .L_start_own
.L_own_started:
        load_constant x20, ROUNDS
.L_ping_round:
        bl      ping_all
        subs    x20, x20, #1
        b.ne    .L_ping_round
        bl      sum_pings
        mov     x19, x0
        ldr     x20, [x21, #OWN_MISSING]
        mov     x1, #(PES-1)
        sub     x1, x1, x20
        adr     x0, own_text
        adr     x2, blocks_text
        bl      report_count
        mov     x0, x19
        bl      put_decimal
        adr     x0, answered_text
        bl      put_string
        mov     x0, x20
        bl      put_decimal
        adr     x0, missing_text
        bl      put_string
        cmp     x20, #0
        mov     x0, #EXIT_OK
        mov     x1, #EXIT_WRONG
        csel    x0, x0, x1, eq
        pop_pair x20, x21
        pop_pair x19, x30
        ret

//----------------------------------------------------------------------------------------
// build_16k_tables — the kernel's view with a granule of 16 KB: what lies at the lowest VAs of TTBR1, in pages
//
// Out       tables in memory, seen by every walk
// Clobbers  x0-x3, NZCV
// Needs     PE 0; the tables within the identity map
// Order     tables -> dsb ishst
// See       DDI 0487, "VMSAv8-64 descriptor formats"
//----------------------------------------------------------------------------------------
build_16k_tables:
        push_pair x19, x30
        load_constant x0, OWN_L1_PA
        load_constant x1, OWN_TABLES_BYTES
        bl      zero_memory
        load_constant x0, OWN_L1_PA
        load_constant x1, OWN_L2_PA+DESC_TABLE
        str     x1, [x0]
        load_constant x0, OWN_L2_PA
        load_constant x1, OWN_L3_PA+DESC_TABLE
        str     x1, [x0]
        load_constant x0, OWN_L3_PA
        load_constant x1, PCPU_RUN_PA+OWN_ATTRIBUTES+DESC_PAGE
        load_constant x2, GRANULE_BYTES
        load_constant x3, KERNEL_PAGES
        bl      fill_descriptors
        dsb     ishst                           // the tables are visible before a register leads to them
        pop_pair x19, x30
        ret

//----------------------------------------------------------------------------------------
// enter_16k_granule — this PE's TTBR1 gets the tables of 16 KB
//
// Out       the regime
// Clobbers  x0, x1
// Needs     EL1, MMU on, the tables built
// Touches while invalid   code: identity map   stack: none   data: none
// Order     EPD1 -> isb -> tlbi vmalle1 -> dsb nsh -> isb -> TTBR1, TG1 -> isb -> EPD1 off -> isb
// See       DDI 0487, "TCR_EL1", "TTBR1_EL1"
//----------------------------------------------------------------------------------------
enter_16k_granule:
        mrs     x1, DAIF
        msr     DAIFSet, #0xf                   // a handler would use its stack
        load_constant x0, TCR_VALUE+TCR_NO_WALKS
        msr     TCR_EL1, x0
        isb                                     // no walk of TTBR1 begins any more before the TLB is emptied
        tlbi    vmalle1
        dsb     nsh                             // nothing of the old tables is left before the new ones are named
        isb                                     // this PE's fetches too have dropped it before the registers change
        load_constant x0, OWN_L1_PA
        msr     TTBR1_EL1, x0
        load_constant x0, TCR_16K+TCR_NO_WALKS
        msr     TCR_EL1, x0
        isb                                     // tables and granule are in force together before walks may begin
        load_constant x0, TCR_16K
        msr     TCR_EL1, x0
        isb                                     // walks are on before the next instruction may need one
        msr     DAIF, x1
        ret

//----------------------------------------------------------------------------------------
// take_own_block — 32 MB of RAM for a PE's pcpu, mapped by pages and promoted
//
// In        x0  index of the PE
// Out       OWN_NEXT_PA; without memory OWN_MISSING instead, and nothing is taken or mapped
// Clobbers  x0-x8, NZCV
// Needs     EL1h, PE 0, the regime of 16 KB, the PE not started
// Touches while invalid   as promote_32_mb does; nobody uses the memory yet
// Order     pages -> dsb ishst -> table -> dsb ishst -> isb
//----------------------------------------------------------------------------------------
take_own_block:
        push_pair x19, x30
        push_pair x20, x21
        mov     x19, x0
        load_constant x20, GLOBALS_VA
        ldr     x0, [x20, #OWN_NEXT_PA]
        load_constant x1, OWN_BYTES
        add     x1, x0, x1
        load_constant x2, OWN_END_PA
        cmp     x1, x2
        b.hi    .L_no_own_block
        str     x1, [x20, #OWN_NEXT_PA]
        mov     x21, x0
        load_constant x0, OWN_L3_PA
        add     x20, x0, x19, lsl #GRANULE_SHIFT
        mov     x0, x20
        load_constant x1, OWN_ATTRIBUTES+DESC_PAGE
        orr     x1, x1, x21
        load_constant x2, GRANULE_BYTES
        mov     x3, #GRANULE_ENTRIES
        bl      fill_descriptors
        dsb     ishst                           // the pages are visible before a descriptor leads to them
        load_constant x1, OWN_L2_PA
        add     x1, x1, x19, lsl #3
        orr     x2, x20, #DESC_TABLE
        str     x2, [x1]
        dsb     ishst                           // the table is visible before any walk that may now meet it
        isb                                     // the store is complete before the next instruction uses the VA
        load_constant x0, PCPU_RUN_VA
        add     x0, x0, x19, lsl #OWN_SHIFT
        load_constant x2, OWN_ATTRIBUTES+DESC_BLOCK
        orr     x2, x2, x21
        bl      promote_32_mb
        b       .L_own_block_settled
.L_no_own_block:
        ldr     x0, [x20, #OWN_MISSING]
        add     x0, x0, #1
        str     x0, [x20, #OWN_MISSING]
.L_own_block_settled:
        pop_pair x20, x21
        pop_pair x19, x30
        ret

//----------------------------------------------------------------------------------------
// promote_32_mb — replace a table of 2048 pages by a block, in the order of FreeBSD's pmap_update_entry
//
// In        x0  VA of the run    x1  address of its L2 descriptor    x2  the block's descriptor
// Out       the block in force on every PE
// Clobbers  x3-x7, NZCV
// Needs     EL1h, no other PE changing this descriptor
// Touches while invalid   code: identity map   stack: none   data: the descriptor, through the identity map
// Order     clear valid bit -> dsb ishst -> tlbi vaae1is, one for each page -> dsb ish -> isb -> block -> dsb ishst -> isb
// See       DDI 0487, "Using break-before-make when updating translation table entries"; FreeBSD arm64 pmap.c, pmap_update_entry
//----------------------------------------------------------------------------------------
promote_32_mb:
        mrs     x7, DAIF
        msr     DAIFSet, #0x3                   // a handler might use the address that is about to be invalid
        ldr     x4, [x1]
        and     x4, x4, #0xfffffffffffffffe     // only the valid bit, so that a walk in software still finds the PA
        str     x4, [x1]
mark_broken:
        dsb     ishst                           // the broken descriptor is visible before any TLB drops the old one
        ubfx    x5, x0, #PAGE_SHIFT, #44        // VA[55:12], whatever the granule
        mov     x6, #GRANULE_ENTRIES
.L_invalidate_own:
        tlbi    vaae1is, x5
        add     x5, x5, #(GRANULE_BYTES/PAGE_BYTES)
        subs    x6, x6, #1
        b.ne    .L_invalidate_own
        dsb     ish                             // every PE has dropped the pages before the block is stored
        isb                                     // this PE fetches nothing by the old entries before it goes on
mark_make:
        str     x2, [x1]
        dsb     ishst                           // the block is visible to every walk before the caller goes on
        isb                                     // the store is complete before the next instruction uses the VA
        msr     DAIF, x7
        ret

//----------------------------------------------------------------------------------------
// has_own_block — whether a PE has got a block
//
// In        x0  index
// Out       x0  its L2 descriptor | 0 it has none
// Clobbers  x1
// Needs     EL1
//----------------------------------------------------------------------------------------
has_own_block:
        load_constant x1, OWN_L2_PA
        ldr     x0, [x1, x0, lsl #3]
        ret

//----------------------------------------------------------------------------------------
// start_with_own_block — CPU_ON for a PE that has a block, and wait until it takes interrupts
//
// In        x0  index
// Out       G_ONLINE; OWN_MISSING if PSCI refuses
// Clobbers  x0-x17, NZCV                    Preserves  x19-x29
// Needs     EL1h, PE 0
// See       DEN 0022, "CPU_ON"
//----------------------------------------------------------------------------------------
start_with_own_block:
        push_pair x19, x30
        mov     x19, x0
        bl      has_own_block
        cbz     x0, .L_own_not_started
        lsr     x1, x19, #AFFINITY_GROUP_SHIFT
        and     x2, x19, #0xf
        orr     x1, x2, x1, lsl #8              // MPIDR of the PE
        adr     x2, own_entry
        mov     x3, x19                         // context id
        load_constant x0, GLOBALS_VA+G_ONLINE
        ldar    w0, [x0]
        add     w19, w0, #1
        bl      psci_cpu_on
        cbnz    x0, .L_own_refused
        load_constant x1, GLOBALS_VA+G_ONLINE
.L_wait_own_online:
        yield
        ldar    w0, [x1]
        cmp     w0, w19
        b.ne    .L_wait_own_online
        b       .L_own_not_started
.L_own_refused:
        adr     x0, own_refused_text
        bl      put_string
        mov     x0, #EXIT_WRONG
        b       exit_with_status
.L_own_not_started:
        pop_pair x19, x30
        ret

//----------------------------------------------------------------------------------------
// own_entry — where CPU_ON starts a PE: the regime, a stack, its pcpu at the beginning of its block
//
// In        x0  context id: the PE's index
// Out       does not return
// Clobbers  everything
// Needs     EL1, MMU off, the block promoted
// See       DEN 0022, "CPU_ON"; FreeBSD arm64 locore.S, mpentry
//----------------------------------------------------------------------------------------
own_entry:
        msr     DAIFSet, #0xf
        msr     SPSel, #1
        mov     x19, x0
        bl      read_pe_index
        cmp     x0, x19
        b.ne    park_forever                    // PSCI woke another PE than it was asked to
        bl      enable_translation
        bl      enter_16k_granule
        load_constant x0, STACK_RUN_VA+STACK_STRIDE_BYTES
        load_constant x1, STACK_STRIDE_BYTES
        madd    x20, x19, x1, x0
        mov     sp, x20
        load_constant x0, PCPU_RUN_VA
        add     x0, x0, x19, lsl #OWN_SHIFT
        bl      install_pcpu
        mov     x0, pcpu
        mov     x1, x19
        bl      pcpu_init
        str     x20, [pcpu, #PC_STACK_TOP]
        mov     x0, x19
        bl      init_thread
        str     x0, [pcpu, #PC_CURTHREAD]
        bl      init_redistributor
        bl      init_cpu_interface
        load_constant x0, GLOBALS_VA+G_ONLINE
        mov     w1, #1
        bl      atomic_add_release              // this PE's pcpu and GIC are set up before it is counted
        b       idle_forever

//----------------------------------------------------------------------------------------
// count_ping — handler of SGI_PING: count in this PE's pcpu
//
// In        x0  INTID    pcpu  this PE
// Out       PC_SCRATCH
// Clobbers  x1, x2
// Needs     EL1h
//----------------------------------------------------------------------------------------
count_ping:
        ldr     x1, [pcpu, #PC_SCRATCH]
        add     x1, x1, #1
        add     x2, pcpu, #PC_SCRATCH
        stlr    x1, [x2]
        ret

//----------------------------------------------------------------------------------------
// ping_all — interrupt each PE that runs, and wait until it has counted it
//
// Out       nothing
// Clobbers  x0-x17, NZCV                    Preserves  x19-x29
// Needs     EL1h, PE 0
//----------------------------------------------------------------------------------------
ping_all:
        push_pair x19, x30
        push_pair x20, x21
        mov     x19, #1
.L_ping_next:
        cmp     x19, #PES
        b.hs    .L_all_pinged
        mov     x0, x19
        bl      has_own_block
        cbz     x0, .L_ping_skip
        mov     x0, x19
        bl      pcpu_find
        add     x20, x0, #PC_SCRATCH
        ldar    x21, [x20]
        mov     x0, x19
        mov     x1, #SGI_PING
        bl      send_sgi
.L_wait_pinged:
        yield
        ldar    x0, [x20]
        cmp     x0, x21
        b.eq    .L_wait_pinged
.L_ping_skip:
        add     x19, x19, #1
        b       .L_ping_next
.L_all_pinged:
        pop_pair x20, x21
        pop_pair x19, x30
        ret

//----------------------------------------------------------------------------------------
// sum_pings — the interrupts that all PEs have counted
//
// Out       x0  number
// Clobbers  x1-x4, NZCV
// Needs     EL1h, PE 0
//----------------------------------------------------------------------------------------
sum_pings:
        mov     x4, x30
        mov     x2, #0
        mov     x3, #1
.L_sum_pings_next:
        cmp     x3, #PES
        b.hs    .L_pings_summed
        mov     x0, x3
        bl      has_own_block
        cbz     x0, .L_sum_pings_skip
        mov     x0, x3
        bl      pcpu_find
        ldr     x0, [x0, #PC_SCRATCH]
        add     x2, x2, x0
.L_sum_pings_skip:
        add     x3, x3, #1
        b       .L_sum_pings_next
.L_pings_summed:
        mov     x0, x2
        ret     x4

own_text:
        .asciz  "own_block_16k: "
blocks_text:
        .asciz  " blocks of 32 MB, "
answered_text:
        .asciz  " interrupts answered, no memory for "
missing_text:
        .asciz  " PEs\n"
own_refused_text:
        .asciz  "own_block_16k: a PE does not start\n"
        .balign PAGE_BYTES, 0
image_text_end:
