// bench_rendezvous — PE 0 gathers all others by SGI, WARMUP + ROUNDS times; they wait for each other before and after the action.
//
// BARRIER   0 at counters, by looking, as FreeBSD's smp_rendezvous     1 in a combining tree     2 at counters, by WFE until one changes
// IDLE      what the other PEs do meanwhile; JITTER: and for how long they are masked (bench.inc)
//
// There is no setup, so its barrier is left out: PEs meet twice a round, at the counters as in the tree. Counter 3 remains, which lets the
// initiator go.
        .include "kernel.inc"
        .include "report.inc"
        .include "seed.inc"
        .include "bench.inc"
        .include "barrier_tree.inc"

//----------------------------------------------------------------------------------------
// kernel_main — start all PEs, run the rounds, check that every PE acted in each
//
// Out       x0  exit status
// Clobbers  x0-x17
// Needs     PE 0, booted
//----------------------------------------------------------------------------------------
kernel_main:
        push_pair x19, x30
        bl      init_bench
        mov     x0, #SGI_RENDEZVOUS
        adr     x1, rendezvous_interrupt
        bl      register_irq
        bl      start_secondaries
        cbnz    x0, .L_main_done
        bl      fill_all_pes
        msr     DAIFClr, #0x2
        bl      wake_idle
        load_constant x19, ROUNDS+WARMUP
.L_next_round:
.if BARRIER==BARRIER_TREE
        adr     x0, count_action
        mov     x1, #0
        bl      tree_rendezvous
.else
        adr     x0, no_rendezvous_barrier
        adr     x1, count_action
        mov     x2, #0
        mov     x3, #0
        bl      smp_rendezvous
.endif
        subs    x19, x19, #1
        b.ne    .L_next_round

        bl      sum_scratch
        mov     x1, x0
        load_constant x4, PES*(ROUNDS+WARMUP)
        mov     x3, #EXIT_OK
        cmp     x0, x4
        b.eq    .L_all_acted
        mov     x3, #EXIT_WRONG
.L_all_acted:
        adr     x0, bench_rendezvous_text
        adr     x2, acted_text
        bl      report_count
.L_main_done:
        pop_pair x19, x30
        ret

//----------------------------------------------------------------------------------------
// rendezvous_interrupt — handler: take part in the rendezvous
//
// In        pcpu  this PE
// Out       nothing
// Clobbers  x0-x17, NZCV                    Preserves  x19-x29
// Needs     EL1h, interrupts masked
//----------------------------------------------------------------------------------------
rendezvous_interrupt:
mark_entered:
        push_pair x19, x30
.if BARRIER==BARRIER_TREE
        bl      tree_action
.else
        bl      smp_rendezvous_action
.endif
mark_exited:
        pop_pair x19, x30
        ret

//----------------------------------------------------------------------------------------
// count_action — the action: one more in this PE's pcpu
//
// In        pcpu  this PE
// Out       PC_SCRATCH
// Clobbers  x0
// Needs     EL1h
//----------------------------------------------------------------------------------------
count_action:
        ldr     x0, [pcpu, #PC_SCRATCH]
        add     x0, x0, #1
        str     x0, [pcpu, #PC_SCRATCH]
        ret

//----------------------------------------------------------------------------------------
// bench_thread — what the other PEs do beside their interrupts
//
// Out       does not return
// Clobbers  x0-x5, x30, NZCV
// Needs     EL1h, interrupts on
//----------------------------------------------------------------------------------------
bench_thread:
        b       wait_for_work

bench_rendezvous_text:
        .asciz  "bench_rendezvous: "
acted_text:
        .asciz  " actions, none missing\n"
        .balign PAGE_BYTES, 0
image_text_end:
