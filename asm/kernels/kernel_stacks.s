// kernel_stacks — PE 0 fills the run that holds the stacks of the other PEs' threads, which timer interrupts wake meanwhile. What keeps a
// run of stacks from promotion is its guard pages alone: without them, or where 16 pages hold a stack and no guard, a PE loses its stack in
// the window, and its thread is never returned to. Guard pages do so only for stacks among stacks: where the last one begins in 16 pages
// without a guard, as with five PEs and stacks of four pages, what is allocated behind it fills its run.
//
// KSTACK_PAGES, KSTACK_GUARD_PAGES, KSTACK_ALIGNMENT_PAGES   the stacks (firmware/layout.py)
// TICKS_PER_SECOND    of each PE's timer; a window over 16 pages is short
// PATIENCE            looks at a thread that should wake; a period is far shorter
// SEED_DELAY          cycles that PE 0 waits at most before it fills the run, by the seed
// PCPU_PLACE          start_load.inc
        .include "kernel.inc"
        .include "report.inc"
        .include "pmap.inc"
        .include "seed.inc"
        .include "start_cpu.inc"
        .include "start_load.inc"

        .equ    PC_WAKES, PC_SCRATCH

//----------------------------------------------------------------------------------------
// kernel_main — start all PEs, let timer interrupts wake their threads, fill the run, see whose still wake
//
// Out       x0  exit status
// Clobbers  x0-x17, NZCV
// Needs     PE 0, booted
//----------------------------------------------------------------------------------------
kernel_main:
        push_pair x19, x30
        bl      prepare_stacks
        mov     x0, #SGI_PING
        adr     x1, begin_ticks
        bl      register_irq
        mov     x0, #PPI_VIRTUAL_TIMER
        adr     x1, interrupt_again
        bl      register_irq
        load_constant x0, MP_VA
        adr     x1, sleep_and_count
        str     x1, [x0, #MP_THREAD_HOOK]
        bl      start_cpus
        cmp     x0, #PES
        b.ne    .L_stacks_failed
        bl      release_aps
        bl      release_boot_stacks
mark_ready:
        mov     x0, #SGI_PING
        bl      ipi_all_but_self
        bl      wait_for_wakes
        cbnz    x0, .L_stacks_failed
        mov     x0, #0
        load_constant x1, SEED_DELAY
        bl      seed_delay
        bl      fill_first_run
        cbnz    x0, .L_stacks_failed
        adr     x0, stacks_text
        bl      put_string
        bl      report_promotions
        bl      wait_for_wakes
        cbnz    x0, .L_stack_lost
        adr     x0, all_wake_text
        bl      put_string
        mov     x0, #EXIT_OK
        b       .L_stacks_done
.L_stack_lost:
        mov     x19, x0
        adr     x0, lost_text
        mov     x1, x19
        adr     x2, newline_text
        mov     x3, #EXIT_WRONG
        bl      report_count
        b       .L_stacks_done
.L_stacks_failed:
        adr     x0, failed_text
        bl      put_string
        mov     x0, #EXIT_PANIC
.L_stacks_done:
        pop_pair x19, x30
        ret

//----------------------------------------------------------------------------------------
// wait_for_wakes — until the thread of each PE but PE 0 has woken two more times: one may have been on its way
//
// Out       x0  0 all have | the first PE whose thread has not
// Clobbers  x1-x8, NZCV
// Needs     EL1h, PE 0, timers started
//----------------------------------------------------------------------------------------
wait_for_wakes:
        mov     x8, x30
        mov     x3, #1
.L_wait_next:
        cmp     x3, #PES
        b.hs    .L_all_woken
        mov     x0, x3
        bl      pcpu_find
        ldr     x4, [x0, #PC_WAKES]
        add     x4, x4, #2
        load_constant x5, PATIENCE
.L_wait_wake:
        ldr     x6, [x0, #PC_WAKES]
        cmp     x6, x4
        b.hs    .L_woken
        yield
        subs    x5, x5, #1
        b.ne    .L_wait_wake
        mov     x0, x3
        ret     x8
.L_woken:
        add     x3, x3, #1
        b       .L_wait_next
.L_all_woken:
        mov     x0, #0
        ret     x8

//----------------------------------------------------------------------------------------
// sleep_and_count — what the other PEs' threads do for ever
//
// In        pcpu  this PE
// Out       does not return; PC_WAKES
// Clobbers  x0
// Needs     EL1h, interrupts on
//----------------------------------------------------------------------------------------
sleep_and_count:
        wfi
        ldr     x0, [pcpu, #PC_WAKES]
        add     x0, x0, #1
        str     x0, [pcpu, #PC_WAKES]
        b       sleep_and_count

//----------------------------------------------------------------------------------------
// begin_ticks — handler of SGI_PING: start this PE's timer, its first interrupt by the seed
//
// In        x0  INTID    pcpu  this PE
// Out       nothing
// Clobbers  x0-x3, NZCV
// Needs     EL1h, interrupts masked
//----------------------------------------------------------------------------------------
begin_ticks:
        push_pair x29, x30
        mov     x0, #PPI_VIRTUAL_TIMER
        bl      enable_ppi
        ldr     x0, [pcpu, #PC_CPUID]
        mov     x1, #256
        bl      seed_number
        msr     CNTV_TVAL_EL0, x0
        mov     x0, #TIMER_ENABLE
        msr     CNTV_CTL_EL0, x0
        isb                                     // the timer runs before the handler ends
        pop_pair x29, x30
        ret

//----------------------------------------------------------------------------------------
// interrupt_again — handler of the timer's PPI: another interrupt a period from now
//
// In        x0  INTID
// Out       nothing
// Clobbers  x0, x1
// Needs     EL1h, interrupts masked
// See       DDI 0487, "CNTV_TVAL_EL0"
//----------------------------------------------------------------------------------------
interrupt_again:
        mrs     x0, CNTFRQ_EL0
        load_constant x1, TICKS_PER_SECOND
        udiv    x0, x0, x1
        msr     CNTV_TVAL_EL0, x0
        isb                                     // the condition is gone before the interrupt is ended
        ret

stacks_text:
        .asciz  "kernel_stacks: "
all_wake_text:
        .asciz  "kernel_stacks: all threads wake\n"
lost_text:
        .asciz  "kernel_stacks: its thread is never returned to, PE "
newline_text:
        .asciz  "\n"
failed_text:
        .asciz  "kernel_stacks: memory, a PE or its timer is missing\n"
        .balign PAGE_BYTES, 0
image_text_end:
