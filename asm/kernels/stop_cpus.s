// stop_cpus — PE 0 stops all others, lets them go on, and gathers them. One whose interrupts stay masked does not stop: PE 0 gives up
// after STOP_SPINS looks, says so, goes on, and ends with EXIT_STOP_TIMEOUT.
//
// VICTIM              what the last PE does meanwhile: 0 it sleeps, 1 it loops with interrupts masked, 2 its handler recurses, since its
//                     pcpu is kernel memory in a run that is promoted
        .include "kernel.inc"
        .include "report.inc"
        .include "pmap.inc"
        .include "seed.inc"
        .include "start_cpu.inc"
        .include "start_load.inc"
        .include "stop_cpus.inc"

        .equ    VICTIM_READY, MP_SCRATCH
        .equ    OTHERS, MP_SCRATCH+4*REGISTER_BYTES     // the set of all PEs but PE 0

//----------------------------------------------------------------------------------------
// kernel_main — start all PEs, make a victim of the last one, stop them all
//
// Out       x0  exit status
// Clobbers  x0-x17, NZCV
// Needs     PE 0, booted
//----------------------------------------------------------------------------------------
kernel_main:
        push_pair x19, x30
        push_pair x20, x21
        bl      prepare_stacks
        bl      init_stop
        mov     x0, #SGI_PING
        adr     x1, become_victim
        bl      register_irq
        mov     x0, #PPI_VIRTUAL_TIMER
        adr     x1, interrupt_again
        bl      register_irq
        bl      start_cpus
        cmp     x0, #PES
        b.ne    .L_stop_failed
        bl      release_aps
        bl      release_boot_stacks
mark_ready:
.if VICTIM
        bl      make_victim
        cbnz    x0, .L_stop_failed
.endif
        load_constant x20, MP_VA
        load_constant x0, GLOBALS_VA+G_ALL_PES
        add     x1, x20, #OTHERS
        mov     x2, #0
        bl      split_set
        add     x0, x20, #OTHERS
mark_stopping:
        bl      stop_cpus
mark_stop_done:
        mov     x19, x0
        bl      report_stopped
        cbnz    x19, .L_stop_timed_out
        add     x0, x20, #OTHERS
        bl      restart_cpus
        adr     x0, no_rendezvous_barrier
        mov     x1, #0
        mov     x2, x0
        mov     x3, #0
        bl      smp_rendezvous
        adr     x0, running_text
        bl      put_string
        mov     x0, #EXIT_OK
        b       .L_stop_done
.L_stop_timed_out:
        adr     x0, going_on_text
        bl      put_string
        mov     x0, #EXIT_STOP_TIMEOUT
        b       .L_stop_done
.L_stop_failed:
        adr     x0, failed_text
        bl      put_string
        mov     x0, #EXIT_WRONG
.L_stop_done:
        pop_pair x20, x21
        pop_pair x19, x30
        ret

//----------------------------------------------------------------------------------------
// report_stopped — one line: how many PEs have stopped
//
// Out       nothing
// Clobbers  x0-x9, NZCV                     Preserves  x19-x29
// Needs     console set up
//----------------------------------------------------------------------------------------
report_stopped:
        push_pair x19, x30
        load_constant x0, MP_VA+MP_STOPPED_CPUS
        sub     sp, sp, #CPUSET_BYTES
        mov     x1, sp
        mov     x2, #0
        bl      split_set
        add     sp, sp, #CPUSET_BYTES
        mov     x1, x0
        adr     x0, stop_text
        adr     x2, stopped_text
        bl      report_count
        mov     x0, #(PES-1)
        bl      put_decimal
        bl      put_newline
        pop_pair x19, x30
        ret

//----------------------------------------------------------------------------------------
// make_victim — tell the last PE to become one, and do what makes it so
//
// Out       x0  0 done | 1 there is no memory
// Clobbers  x0-x17, NZCV                    Preserves  x19-x29
// Needs     EL1h, PE 0, at least two PEs
//----------------------------------------------------------------------------------------
make_victim:
        push_pair x19, x30
        mov     x0, #(PES-1)
        mov     x1, #SGI_PING
        bl      send_sgi
        load_constant x1, MP_VA+VICTIM_READY
.L_wait_victim:
        ldar    w0, [x1]
        cbnz    w0, .L_victim_ready
        yield
        b       .L_wait_victim
.L_victim_ready:
        mov     x0, #0
.if VICTIM-1
        load_constant x1, SEED_DELAY
        bl      seed_delay
        bl      fill_first_run
.endif
        pop_pair x19, x30
        ret

//----------------------------------------------------------------------------------------
// become_victim — handler of SGI_PING: never return, or take timer interrupts from now on
//
// In        x0  INTID    pcpu  this PE
// Out       VICTIM_READY
// Clobbers  x0-x3
// Needs     EL1h, interrupts masked
//----------------------------------------------------------------------------------------
become_victim:
        load_constant x0, MP_VA+VICTIM_READY
        mov     w1, #1
        stlr    w1, [x0]
.if VICTIM-2
.L_for_ever:
        b       .L_for_ever
.else
        push_pair x29, x30
        mov     x0, #PPI_VIRTUAL_TIMER
        bl      enable_ppi
        bl      interrupt_again
        mov     x0, #TIMER_ENABLE
        msr     CNTV_CTL_EL0, x0
        isb                                     // the timer runs before the handler ends
        pop_pair x29, x30
        ret
.endif

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

stop_text:
        .asciz  "stop_cpus: "
stopped_text:
        .asciz  " PEs stopped of "
running_text:
        .asciz  "stop_cpus: all run again\n"
going_on_text:
        .asciz  "stop_cpus: going on without the others\n"
failed_text:
        .asciz  "stop_cpus: memory or a PE is missing\n"
        .balign PAGE_BYTES, 0
image_text_end:
