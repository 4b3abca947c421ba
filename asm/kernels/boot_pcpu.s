// boot_pcpu — PE 0 runs on the pcpu of boot, which no flag protects, in a block like that of a kernel's data, while PE 1, whose own pcpu is
// flagged against promotion, makes a page beside it read-only: the block is demoted under PE 0.
//
// PE 1 asks for an answer by SGI afterwards; if PE 0 gives none the run ends with EXIT_NO_ANSWER. Options: firmware/boot_pcpu.py.
        .include "kernel.inc"
        .include "report.inc"
        .include "seed.inc"
        .include "pmap.inc"

        .equ    SGI_CHANGE, 5
        .equ    SGI_ANSWER, 6
// Globals
        .equ    B_ENTERED, G_SCRATCH            // PEs whose pcpu is flagged now
        .equ    B_TICKS, G_SCRATCH+8
        .equ    B_ANSWERED, G_SCRATCH+16
        .equ    B_DONE, G_SCRATCH+24            // 1 the page is read-only | 2 it is not
        .equ    B_PCPU, G_SCRATCH+32            // VA of the next PE's pcpu

.if PES<2
        .error  "somebody else must change the page"
.endif

//----------------------------------------------------------------------------------------
// kernel_main — flagged pcpus for all others, a block around PE 0's own, then interrupts while PE 1 changes a page of it
//
// Out       x0  exit status
// Clobbers  x0-x17, NZCV
// Needs     PE 0, booted
//----------------------------------------------------------------------------------------
kernel_main:
        push_pair x19, x30
        push_pair x20, x21
        bl      pmap_bootstrap
        bl      name_handlers
        bl      start_secondaries
        cbnz    x0, .L_main_failed
        bl      place_others
        cbnz    x0, .L_main_failed
        bl      fill_boot_run
        cbnz    x0, .L_main_failed
mark_ready:                                     // nothing has looked at the seed so far
        mov     x0, #PPI_VIRTUAL_TIMER
        bl      enable_ppi
        load_constant x0, TIMER_PERIOD_TICKS
        msr     CNTV_TVAL_EL0, x0
        mov     x0, #TIMER_ENABLE
        msr     CNTV_CTL_EL0, x0
        isb                                     // the timer runs before interrupts are unmasked
        mov     x0, #1
        mov     x1, #SGI_CHANGE
        bl      send_sgi
        msr     DAIFClr, #0x2
        load_constant x19, GLOBALS_VA
.L_wait_done:
        yield
        ldr     x20, [x19, #B_DONE]
        cbz     x20, .L_wait_done
        msr     DAIFSet, #0x2
        adr     x0, done_text
        ldr     x1, [x19, #B_TICKS]
        adr     x2, ticks_text
        sub     x3, x20, #1                     // EXIT_OK, EXIT_WRONG
        bl      report_count
        b       .L_main_done
.L_main_failed:
        adr     x0, failed_text
        bl      put_string
        mov     x0, #EXIT_WRONG
.L_main_done:
        pop_pair x20, x21
        pop_pair x19, x30
        ret

//----------------------------------------------------------------------------------------
// name_handlers — what interrupts do, and retry as FreeBSD has it now
//
// Out       nothing
// Clobbers  x0-x2
// Needs     EL1h, PE 0, pmap_bootstrap done
//----------------------------------------------------------------------------------------
name_handlers:
        push_pair x29, x30
        load_constant x0, GLOBALS_VA
        adr     x1, handle_window_fault
        str     x1, [x0, #G_EL1_SYNC]
        adr     x1, alloc_pcpu_no_promote
        str     x1, [x0, #(G_KMEM+KM_PCPU_ALLOC)]
        str     xzr, [x0, #(G_PMAP+PM_CONTIGUOUS_RUNS)]
        mov     x0, #SGI_PING
        adr     x1, enter_flagged
        bl      register_irq
        mov     x0, #SGI_CHANGE
        adr     x1, change_neighbour
        bl      register_irq
        mov     x0, #SGI_ANSWER
        adr     x1, answer
        bl      register_irq
        mov     x0, #PPI_VIRTUAL_TIMER
        adr     x1, count_tick
        bl      register_irq
        pop_pair x29, x30
        ret

//----------------------------------------------------------------------------------------
// place_others — a flagged pcpu for each PE but PE 0, which moves there
//
// Out       x0  0 done | 1 there is no memory
// Clobbers  x0-x17, NZCV                    Preserves  x19-x29
// Needs     EL1h, PE 0, all PEs online
//----------------------------------------------------------------------------------------
place_others:
        push_pair x19, x30
        push_pair x20, x21
        mov     x19, #1
        load_constant x20, GLOBALS_VA
.L_place_next:
        mov     x0, #0
        bl      alloc_pcpu
        cbz     x0, .L_no_place
        str     x0, [x20, #B_PCPU]
        dsb     ishst                           // the place is visible before the SGI arrives
        mov     x0, x19
        mov     x1, #SGI_PING
        bl      send_sgi
.L_wait_entered:
        yield
        ldr     x0, [x20, #B_ENTERED]
        cmp     x0, x19
        b.ne    .L_wait_entered
        add     x19, x19, #1
        cmp     x19, #PES
        b.lo    .L_place_next
        mov     x0, #0
        b       .L_placed
.L_no_place:
        mov     x0, #1
.L_placed:
        pop_pair x20, x21
        pop_pair x19, x30
        ret

//----------------------------------------------------------------------------------------
// enter_flagged — handler of SGI_PING: this PE moves to its flagged pcpu
//
// In        x0  INTID    pcpu  this PE
// Out       pcpu, B_ENTERED
// Clobbers  x0-x7, NZCV
// Needs     EL1h, interrupts masked
//----------------------------------------------------------------------------------------
enter_flagged:
        push_pair x29, x30
        load_constant x0, GLOBALS_VA
        ldr     x0, [x0, #B_PCPU]
        bl      adopt_pcpu
        load_constant x0, GLOBALS_VA
        ldr     x1, [pcpu, #PC_CPUID]
        str     x1, [x0, #B_ENTERED]            // last: PE 0 goes on with the next PE
        pop_pair x29, x30
        ret

//----------------------------------------------------------------------------------------
// fill_boot_run — pages all around PE 0's pcpu, as a kernel's data has them, and a block made of them if BOOT_BLOCK says so
//
// Out       x0  0 done | 1 not
// Clobbers  x0-x17, NZCV                    Preserves  x19-x29
// Needs     EL1h, PE 0, nobody else in the run
// Touches while invalid   as pmap_promote_l2 does
// Order     descriptors -> dsb ishst -> isb
//----------------------------------------------------------------------------------------
fill_boot_run:
        push_pair x19, x30
        load_constant x0, PCPU_L3_PA            // those that boot made are stored again as they are
        load_constant x1, PCPU_RUN_PA+DESC_PAGE+DESC_NORMAL+DESC_INNER_SHAREABLE+DESC_AF+DESC_PXN+DESC_UXN
        mov     x2, #PAGE_BYTES
        mov     x3, #TABLE_ENTRIES
        bl      fill_descriptors
        dsb     ishst                           // the descriptors are visible before any walk that may now meet the pages
        isb                                     // the stores are complete before the next instruction uses the pages
        mov     x0, #0
.if BOOT_BLOCK
        bl      pmap_lock
        load_constant x0, PCPU_RUN_VA
        bl      pmap_promote_l2
        eor     x19, x0, #1
        bl      pmap_unlock
        mov     x0, x19
.endif
        load_constant x1, GLOBALS_VA+G_PMAP
        load_constant x2, WINDOW_TLBIS
        str     x2, [x1, #PM_WINDOW_TLBIS]
        pop_pair x19, x30
        ret

//----------------------------------------------------------------------------------------
// change_neighbour — handler of SGI_CHANGE on PE 1: a page of the run becomes read-only, then PE 0 is asked for an answer
//
// In        x0  INTID    pcpu  this PE
// Out       B_DONE; the end of the run, if there is no answer
// Clobbers  x0-x17, NZCV                    Preserves  x19-x29
// Needs     EL1h, interrupts masked
// Touches while invalid   as pmap_change_prot does
//----------------------------------------------------------------------------------------
change_neighbour:
        push_pair x19, x30
        push_pair x20, x21
        mov     x0, #0
        load_constant x1, DELAY_TURNS
        bl      seed_delay
        load_constant x0, PCPU_RUN_VA+NEIGHBOUR_PAGE*PAGE_BYTES
        mov     x1, #PAGE_BYTES
        mov     x2, #DESC_READ_ONLY
        bl      pmap_change_prot
        cmp     x0, #0
        cset    x19, ne
        mov     x0, #0
        mov     x1, #SGI_ANSWER
        bl      send_sgi
        load_constant x20, GLOBALS_VA
        load_constant x21, ANSWER_TURNS
.L_wait_answer:
        ldr     x0, [x20, #B_ANSWERED]
        cbnz    x0, .L_answer_came
        yield
        subs    x21, x21, #1
        b.ne    .L_wait_answer
        adr     x0, no_answer_text
        bl      put_string
        mov     x0, #EXIT_NO_ANSWER
        b       exit_with_status
.L_answer_came:
        add     x0, x19, #1
        str     x0, [x20, #B_DONE]
        pop_pair x20, x21
        pop_pair x19, x30
        ret

//----------------------------------------------------------------------------------------
// answer — handler of SGI_ANSWER on PE 0, which ends its timer too
//
// In        x0  INTID
// Out       B_ANSWERED
// Clobbers  x0, x1
// Needs     EL1h, interrupts masked
//----------------------------------------------------------------------------------------
answer:
        msr     CNTV_CTL_EL0, xzr
        isb                                     // the timer has stopped before the interrupt is ended
        load_constant x0, GLOBALS_VA
        mov     x1, #1
        str     x1, [x0, #B_ANSWERED]
        ret

//----------------------------------------------------------------------------------------
// count_tick — handler of PE 0's timer: count, and interrupt again a period from now
//
// In        x0  INTID
// Out       B_TICKS
// Clobbers  x0, x1
// Needs     EL1h, interrupts masked
//----------------------------------------------------------------------------------------
count_tick:
        load_constant x0, GLOBALS_VA
        ldr     x1, [x0, #B_TICKS]
        add     x1, x1, #1
        str     x1, [x0, #B_TICKS]
        load_constant x0, TIMER_PERIOD_TICKS
        msr     CNTV_TVAL_EL0, x0
        isb                                     // the condition is gone before the interrupt is ended
        ret

done_text:
        .asciz  "boot_pcpu: the page is read-only after "
ticks_text:
        .asciz  " ticks of PE 0\n"
failed_text:
        .asciz  "boot_pcpu: memory or a PE is missing\n"
no_answer_text:
        .asciz  "boot_pcpu: PE 0 does not answer\n"
        .balign PAGE_BYTES, 0
image_text_end:
