// tlbi_shootdown — PE 0 turns a page back and forth between two frames by break-before-make; after each change all PEs read it and
// must see the new frame, though their TLBs held the old one.
        .include "kernel.inc"
        .include "report.inc"

        .equ    PAGE_DESCRIPTOR, DESC_PAGE+DESC_NORMAL+DESC_INNER_SHAREABLE+DESC_AF+DESC_PXN+DESC_UXN
        .equ    FRAME_0_PA, FREE_PAGE_PA
        .equ    FRAME_1_PA, FREE_PAGE_PA+PAGE_BYTES

//----------------------------------------------------------------------------------------
// kernel_main — change, let all read, compare; ROUNDS times
//
// Out       x0  exit status
// Clobbers  x0-x17
// Needs     PE 0, booted
// Touches while invalid   code: identity map   stack: none   data: none; the readers sleep
// Order     that of pmap_update_entry
//----------------------------------------------------------------------------------------
kernel_main:
        push_pair x19, x30
        push_pair x20, x21
        bl      init_rendezvous
        bl      start_secondaries
        cbnz    x0, .L_main_done
        bl      fill_all_pes
        load_constant x0, FRAME_0_PA
        str     xzr, [x0]
        load_constant x0, FRAME_1_PA
        mov     x1, #1
        str     x1, [x0]
        load_constant x0, FREE_PAGE_VA
        load_constant x1, FRAME_0_PA+PAGE_DESCRIPTOR
        bl      pmap_enter_free_page
        mov     x20, x0                         // the descriptor's address
        load_constant x19, ROUNDS
.L_next_change:
        mov     x0, #0
        adr     x1, read_page
        mov     x2, #0
        load_constant x3, ROUNDS
        sub     x3, x3, x19
        and     x3, x3, #1                      // which frame is mapped: 0 in the first round
        bl      smp_rendezvous
        load_constant x0, FREE_PAGE_VA
        mov     x1, x20
        ldr     x2, [x20]
        load_constant x3, FRAME_0_PA^FRAME_1_PA
        eor     x2, x2, x3
        mov     x3, #PAGE_BYTES
        bl      pmap_update_entry
        subs    x19, x19, #1
        b.ne    .L_next_change

        bl      sum_scratch
        mov     x1, x0
        load_constant x4, PES*ROUNDS
        adr     x0, shootdown_text
        adr     x2, fresh_text
        mov     x3, #EXIT_OK
        cmp     x1, x4
        b.eq    .L_all_fresh
        adr     x2, stale_text
        mov     x3, #EXIT_WRONG
.L_all_fresh:
        bl      report_count
.L_main_done:
        pop_pair x20, x21
        pop_pair x19, x30
        ret

//----------------------------------------------------------------------------------------
// read_page — the action: count a read that sees the frame now mapped
//
// In        x0  what the frame holds    pcpu  this PE
// Out       PC_SCRATCH
// Clobbers  x0-x2, NZCV
// Needs     EL1h
//----------------------------------------------------------------------------------------
read_page:
        load_constant x1, FREE_PAGE_VA
        ldr     x1, [x1]
        cmp     x0, x1
        ldr     x2, [pcpu, #PC_SCRATCH]
        cinc    x2, x2, eq
        str     x2, [pcpu, #PC_SCRATCH]
        ret

shootdown_text:
        .asciz  "tlbi_shootdown: "
fresh_text:
        .asciz  " reads, none stale\n"
stale_text:
        .asciz  " reads not stale, the others were\n"
        .balign PAGE_BYTES, 0
image_text_end:
