// nine — every PE turns its MMU on (identity, 1 GiB blocks and one table of pages) and runs the nine-instruction loop for ever.
// Constants: PAGES (pages of its own that a PE walks through, a power of two; 1 = always the same page),
// SHARED (0; 1: all PEs use one page, each a line of it, up to 32; 2: all use one line).

        .equ    TABLE_L1, 0x40200000
        .equ    TABLE_L2, 0x40201000
        .equ    TABLES_L3, 0x40210000           // one for each 2 MiB of the data area
        .equ    DATA, 0x44000000
        .equ    DATA_BLOCKS, 32                 // 64 MiB of data, mapped by pages

_start:
        mrs     x20, MPIDR_EL1
        and     x21, x20, #0xff
        ubfx    x22, x20, #8, #8
        add     x21, x21, x22, lsl #4           // PE
        cbnz    x21, wait_for_tables

        ldr     x0, =TABLE_L1
        movz    x1, #0x0405                     // device block at 0: AttrIndx 1, AF
        movk    x1, #0x0060, lsl #48            // UXN, PXN
        str     x1, [x0]
        ldr     x1, =TABLE_L2
        orr     x2, x1, #3
        str     x2, [x0, #8]
        mov     x3, #0                          // L2: the whole GiB at 0x40000000 as 2 MiB blocks
        ldr     x4, =0x40000701                 // AF, SH inner, AttrIndx 0, block
fill_l2:
        add     x5, x4, x3, lsl #21
        str     x5, [x1, x3, lsl #3]
        add     x3, x3, #1
        cmp     x3, #512
        b.ne    fill_l2
        ldr     x6, =TABLES_L3
        ldr     x7, =DATA
        mov     x3, #0
fill_l3_tables:
        orr     x2, x6, #3
        add     x8, x3, #32                     // DATA is block 32 of the GiB
        str     x2, [x1, x8, lsl #3]
        mov     x9, #0
        ldr     x10, =0x703
        orr     x10, x10, x7
fill_l3:
        str     x10, [x6, x9, lsl #3]
        add     x10, x10, #0x1000
        add     x9, x9, #1
        cmp     x9, #512
        b.ne    fill_l3
        add     x6, x6, #0x1000
        add     x7, x7, #0x200000
        add     x3, x3, #1
        cmp     x3, #DATA_BLOCKS
        b.ne    fill_l3_tables
        dsb     ish                             // tables before the flag that says so
        ldr     x0, =tables_ready
        mov     x1, #1
        stlr    x1, [x0]
        sev
        b       mmu_on
wait_for_tables:
        ldr     x0, =tables_ready
wait_more:
        ldar    x1, [x0]
        cbz     x1, wait_more

mmu_on:
        ldr     x0, =0x04ff                     // MAIR: 0 normal write-back, 1 device
        msr     MAIR_EL1, x0
        ldr     x0, =0x200803519                // T0SZ 25, 4K, inner shareable write-back; EPD1; IPS 40 bits
        msr     TCR_EL1, x0
        ldr     x0, =TABLE_L1
        msr     TTBR0_EL1, x0
        isb                                     // registers before the MMU is turned on
        mrs     x0, SCTLR_EL1
        movz    x1, #0x1005
        orr     x0, x0, x1
        msr     SCTLR_EL1, x0
        isb                                     // translation on for what follows

        ldr     x10, =DATA
        ldr     x11, =PAGES*0x1000
        madd    x10, x21, x11, x10              // this PE's pages
        mov     x1, x10
        .if SHARED
        ldr     x1, =DATA
        .endif
        .if SHARED == 1
        and     x2, x21, #31
        add     x1, x1, x2, lsl #7              // a line of its own in the page
        .endif
        mov     x2, #0
        mov     x0, #1
        mov     x12, #0                         // offset of the page
        sub     x13, x11, #1
        .if PAGES == 1
loop:
        add     x2, x2, x0
        eor     x4, x2, x0
        str     x4, [x1]
        ldr     x5, [x1, #8]
        add     x5, x5, #1
        str     x5, [x1, #8]
        add     x0, x0, #1
        sub     x6, x6, #1
        b       loop
        .else
loop:
        str     x2, [x10, x12]
        add     x2, x2, #1
        add     x12, x12, #0x1000
        and     x12, x12, x13
        eor     x4, x2, x0
        add     x0, x0, #1
        sub     x6, x6, #1
        add     x5, x5, #1
        b       loop
        .endif

        .balign 8
tables_ready:
        .quad   0
