// own_block_change — each PE but PE 0 has its pcpu in an L2 block of its own, and PE 0 changes the memory type of another page of it: the
// block is demoted, and its PE, if it is interrupted, meets the window.
//
// With INTERRUPTS 1 the PE gets an interrupt before each window, a time before it that the seed decides, shorter than DELAY_TURNS turns of
// a loop; with 0 behind the windows only. Which page it is depends on the seed too. WINDOW_TLBIS: of each window, 0 as FreeBSD has it. A PE
// that gives no answer within ANSWER_TURNS looks ends the run with EXIT_WRONG.
        .include "kernel.inc"
        .include "report.inc"
        .include "seed.inc"
        .include "pmap.inc"
        .include "kmem_count.inc"
        .include "own_block.inc"

        .equ    SGI_INTERRUPT, 4                                // taken in the window, or near it
        .equ    SGI_LAST, 5                                     // taken behind it, after all of the others
        .equ    LV_VICTIM, G_SCRATCH+8*REGISTER_BYTES           // index of the PE that is interrupted
        .equ    LV_SENT, G_SCRATCH+9*REGISTER_BYTES             // interrupts sent to it
        .equ    LV_BLOCK, G_SCRATCH+10*REGISTER_BYTES           // VA of the first page of its pcpu
        .equ    LV_CHANGES, G_SCRATCH+11*REGISTER_BYTES
        .equ    LV_ANSWERED, G_SCRATCH+13*REGISTER_BYTES        // interrupts answered
        .equ    LV_PAGE, G_SCRATCH+14*REGISTER_BYTES            // VA of the page that is changed
        .equ    PC_PLACE, PC_SCRATCH                            // in boot's pcpu of a PE: where to move
        .equ    PC_MOVED, PC_SCRATCH+REGISTER_BYTES             // there: 1 done
        .equ    PC_ANSWERS, PC_SCRATCH+2*REGISTER_BYTES         // in its pcpu: interrupts answered
        .equ    PC_LAST, PC_SCRATCH+3*REGISTER_BYTES            // 1: it has taken all of them
        .equ    PCPU_PAGES, PCPU_BYTES/PAGE_BYTES
        .equ    RUN_PAGES, BLOCK_BYTES/PAGE_BYTES

//----------------------------------------------------------------------------------------
// kernel_main — pcpus in blocks, then ROUNDS changes for each of them
//
// Out       x0  exit status
// Clobbers  x0-x17, NZCV
// Needs     PE 0, booted
//----------------------------------------------------------------------------------------
kernel_main:
        push_pair x19, x30
        push_pair x20, x21
        bl      pmap_bootstrap
        load_constant x20, GLOBALS_VA
        adr     x1, handle_window_fault
        str     x1, [x20, #G_EL1_SYNC]
        mov     x0, #SGI_PING
        adr     x1, move_pcpu
        bl      register_irq
        mov     x0, #SGI_INTERRUPT
        adr     x1, answer_interrupt
        bl      register_irq
        mov     x0, #SGI_LAST
        adr     x1, answer_last
        bl      register_irq
        load_constant x0, GLOBALS_VA+G_KMEM
        load_constant x1, BLOCK_BYTES
        str     x1, [x0, #KM_CONTIG_KVA_ALIGNMENT]
        bl      alloc_own_blocks
        cbnz    x0, .L_live_failed
        bl      start_secondaries
        cbnz    x0, .L_live_failed
        bl      place_pcpus
        cbnz    x0, .L_live_failed
        str     xzr, [x20, #LV_ANSWERED]
        str     xzr, [x20, #LV_CHANGES]
mark_ready:                                     // nothing has looked at the seed so far
        load_constant x19, ROUNDS
.L_next_live_round:
        bl      run_live_round
        cbnz    x0, .L_no_live_answer
        subs    x19, x19, #1
        b.ne    .L_next_live_round
        adr     x0, live_text
        ldr     x1, [x20, #LV_CHANGES]
        adr     x2, changes_text
        bl      report_count
        ldr     x0, [x20, #LV_ANSWERED]
        bl      put_decimal
        adr     x0, answered_text
        bl      put_string
        mov     x0, #EXIT_OK
        b       .L_live_done
.L_no_live_answer:
        adr     x0, no_answer_text
        b       .L_live_wrong
.L_live_failed:
        adr     x0, live_failed_text
.L_live_wrong:
        bl      put_string
        mov     x0, #EXIT_WRONG
.L_live_done:
        pop_pair x20, x21
        pop_pair x19, x30
        ret

//----------------------------------------------------------------------------------------
// place_pcpus — the other PEs' pcpus leave boot's run
//
// Out       x0  0 done | 1 no memory
// Clobbers  x0-x17, NZCV                    Preserves  x19-x29
// Needs     EL1h, PE 0, all PEs online
//----------------------------------------------------------------------------------------
place_pcpus:
        push_pair x19, x30
        push_pair x20, x21
        mov     x19, #1
.L_place_next:
        mov     x0, #0
        cmp     x19, #PES
        b.hs    .L_placed
        bl      next_own_block
        cbz     x0, .L_not_placed
        mov     x20, x0
        mov     x0, x19
        bl      find_pcpu
        mov     x21, x0
        str     xzr, [x21, #PC_MOVED]
        str     xzr, [x21, #PC_ANSWERS]
        str     x20, [x21, #PC_PLACE]
        dsb     ishst                           // the place is visible before the PE is told to go there
        mov     x0, x19
        mov     x1, #SGI_PING
        bl      send_sgi
.L_wait_moved:
        yield
        ldr     x0, [x21, #PC_MOVED]
        cbz     x0, .L_wait_moved
        add     x19, x19, #1
        b       .L_place_next
.L_not_placed:
        mov     x0, #1
.L_placed:
        pop_pair x20, x21
        pop_pair x19, x30
        ret

//----------------------------------------------------------------------------------------
// move_pcpu — handler of SGI_PING: this PE's pcpu moves to its place
//
// In        x0  INTID    pcpu  this PE, as boot gave it
// Out       pcpu and TPIDR_EL1 name the place
// Clobbers  x0-x8, NZCV
// Needs     EL1h, interrupts masked
//----------------------------------------------------------------------------------------
move_pcpu:
        push_pair x29, x30
        mov     x8, pcpu
        ldr     x0, [pcpu, #PC_PLACE]
        bl      adopt_pcpu
        mov     x0, #1
        str     x0, [x8, #PC_MOVED]
        pop_pair x29, x30
        ret

//----------------------------------------------------------------------------------------
// run_live_round — a change in each block that is in use, then the block again
//
// In        x19  rounds left, this one among them
// Out       x0  0 done | 1 a PE has not answered, or the block could not be changed
// Clobbers  x0-x17, NZCV                    Preserves  x19-x29
// Needs     EL1h, PE 0, interrupts masked
// Touches while invalid   as pmap_change_props does
//----------------------------------------------------------------------------------------
run_live_round:
        push_pair x20, x30
        push_pair x21, x22
        load_constant x20, GLOBALS_VA
        mov     x21, #1
.L_next_victim:
        mov     x0, #0
        cmp     x21, #PES
        b.hs    .L_live_round_done
        str     x21, [x20, #LV_VICTIM]
        str     xzr, [x20, #LV_SENT]
        mov     x0, x21
        bl      pcpu_find
        str     x0, [x20, #LV_BLOCK]
        str     xzr, [x0, #PC_ANSWERS]
        str     xzr, [x0, #PC_LAST]
        mov     x0, #PES                        // which page: another one for each change
        madd    x0, x0, x19, x21
        mov     x1, #(RUN_PAGES-PCPU_PAGES)
        bl      seed_number
        ldr     x1, [x20, #LV_BLOCK]
        add     x0, x0, #PCPU_PAGES
        lsl     x0, x0, #PAGE_SHIFT
        add     x0, x0, x1
        load_constant x2, BLOCK_BYTES-1
        and     x0, x0, x2                      // behind the pcpu, and round
        bic     x1, x1, x2
        orr     x0, x0, x1
        str     x0, [x20, #LV_PAGE]
        bl      change_with_interrupts
        cbnz    x0, .L_live_round_done
        ldr     x0, [x20, #LV_CHANGES]
        add     x0, x0, #1
        str     x0, [x20, #LV_CHANGES]
        bl      wait_for_answers
        cbnz    x0, .L_live_round_done
        bl      make_block_again
        cbnz    x0, .L_live_round_done
        add     x21, x21, #1
        b       .L_next_victim
.L_live_round_done:
        pop_pair x21, x22
        pop_pair x20, x30
        ret

//----------------------------------------------------------------------------------------
// change_with_interrupts — the change itself, its hook and its window as the options have them
//
// Out       x0  0 done | other: not
// Clobbers  x0-x17, NZCV                    Preserves  x19-x29
// Needs     EL1h, interrupts masked, LV_PAGE and LV_VICTIM set
// Touches while invalid   as pmap_change_props does
//----------------------------------------------------------------------------------------
change_with_interrupts:
        push_pair x19, x30
        load_constant x19, GLOBALS_VA
.if INTERRUPTS
        adr     x1, interrupt_victim
        str     x1, [x19, #(G_PMAP+PM_BEFORE_CHANGE)]
.endif
        load_constant x1, WINDOW_TLBIS
        str     x1, [x19, #(G_PMAP+PM_WINDOW_TLBIS)]
        ldr     x0, [x19, #LV_PAGE]
        mov     x1, #PAGE_BYTES
        mov     x2, #DESC_NONCACHEABLE
        bl      pmap_change_attr
        str     xzr, [x19, #(G_PMAP+PM_BEFORE_CHANGE)]
        str     xzr, [x19, #(G_PMAP+PM_WINDOW_TLBIS)]
        pop_pair x19, x30
        ret

//----------------------------------------------------------------------------------------
// interrupt_victim — hook before each window: an interrupt for the victim, then a delay that the seed decides
//
// In        x0  VA     x1  address of the descriptor
// Out       LV_SENT
// Clobbers  x0-x7, NZCV
// Needs     EL1h, the pmap locked
//----------------------------------------------------------------------------------------
interrupt_victim:
        push_pair x19, x30
        load_constant x19, GLOBALS_VA
        ldr     x1, [x19, #LV_BLOCK]
        eor     x0, x0, x1
        lsr     x0, x0, #L2_SHIFT
        cbnz    x0, .L_not_its_block            // the direct map's descriptor, which nobody needs
        ldr     x0, [x19, #LV_SENT]
        add     x0, x0, #1
        str     x0, [x19, #LV_SENT]
        ldr     x0, [x19, #LV_VICTIM]
        mov     x1, #SGI_INTERRUPT
        bl      send_sgi
        ldr     x0, [x19, #LV_CHANGES]
        lsl     x0, x0, #3
        ldr     x1, [x19, #LV_SENT]
        add     x0, x0, x1
        load_constant x1, DELAY_TURNS
        bl      seed_delay
.L_not_its_block:
        pop_pair x19, x30
        ret

//----------------------------------------------------------------------------------------
// answer_interrupt — handler of SGI_INTERRUPT: count in this PE's pcpu
//
// In        x0  INTID    pcpu  this PE
// Out       PC_ANSWERS
// Clobbers  x0
// Needs     EL1h, interrupts masked; pcpu may be in a window
//----------------------------------------------------------------------------------------
answer_interrupt:
        ldr     x0, [pcpu, #PC_ANSWERS]
        add     x0, x0, #1
        str     x0, [pcpu, #PC_ANSWERS]
        ret

//----------------------------------------------------------------------------------------
// answer_last — handler of SGI_LAST
//
// In        x0  INTID    pcpu  this PE
// Out       PC_LAST
// Clobbers  x0
// Needs     EL1h, interrupts masked
//----------------------------------------------------------------------------------------
answer_last:
        mov     x0, #1
        str     x0, [pcpu, #PC_LAST]
        ret

//----------------------------------------------------------------------------------------
// wait_for_answers — until the victim has taken all interrupts; those that came while one was pending are one with it
//
// Out       x0  0 it has | 1 it does not answer
// Clobbers  x0-x4, NZCV
// Needs     EL1h, PE 0, the change complete
//----------------------------------------------------------------------------------------
wait_for_answers:
        push_pair x19, x30
        load_constant x19, GLOBALS_VA
        ldr     x0, [x19, #LV_VICTIM]
        mov     x1, #SGI_LAST
        bl      send_sgi
        load_constant x1, ANSWER_TURNS
        ldr     x2, [x19, #LV_BLOCK]
.L_wait_answer:
        yield
        ldr     x0, [x2, #PC_LAST]
        cbnz    x0, .L_answered
        subs    x1, x1, #1
        b.ne    .L_wait_answer
        mov     x0, #1
        b       .L_answers_known
.L_answered:
        ldr     x0, [x2, #PC_ANSWERS]
        ldr     x1, [x19, #LV_ANSWERED]
        add     x1, x1, x0
        str     x1, [x19, #LV_ANSWERED]
        mov     x0, #0
.L_answers_known:
        msr     DAIFSet, #0x2
        pop_pair x19, x30
        ret

//----------------------------------------------------------------------------------------
// make_block_again — the page as it was, and the run a block, while nobody is interrupted
//
// Out       x0  0 done | other: not
// Clobbers  x0-x17, NZCV                    Preserves  x19-x29
// Needs     EL1h, PE 0, interrupts masked
// Touches while invalid   as pmap_change_props and pmap_promote_l2 do
//----------------------------------------------------------------------------------------
make_block_again:
        push_pair x19, x30
        push_pair x20, x21
        load_constant x19, GLOBALS_VA
        mov     x0, #2000                       // whoever has answered is asleep again by then
.L_let_sleep:
        subs    x0, x0, #1
        b.ne    .L_let_sleep
        ldr     x0, [x19, #LV_PAGE]
        mov     x1, #PAGE_BYTES
        mov     x2, #0                          // DESC_NORMAL
        bl      pmap_change_attr
        cbnz    x0, .L_made_again
        bl      pmap_lock
        ldr     x0, [x19, #LV_PAGE]
        bl      pmap_promote_l2
        eor     x20, x0, #1
        bl      pmap_unlock
        mov     x0, x20
.L_made_again:
        pop_pair x20, x21
        pop_pair x19, x30
        ret

live_text:
        .asciz  "own_block_change: "
changes_text:
        .asciz  " changes, "
answered_text:
        .asciz  " interrupts answered\n"
no_answer_text:
        .asciz  "own_block_change: a PE does not answer\n"
live_failed_text:
        .asciz  "own_block_change: memory or a PE is missing\n"
        .balign PAGE_BYTES, 0
image_text_end:
