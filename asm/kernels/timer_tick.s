// timer_tick — the virtual timer of PE 0 interrupts ROUNDS times, 10,000 times a second; no tick may come early.
        .include "kernel.inc"
        .include "report.inc"

        .equ    TICKS_PER_SECOND, 10000

//----------------------------------------------------------------------------------------
// kernel_main — start the timer, sleep until it has ticked often enough
//
// Out       x0  exit status
// Clobbers  x0-x17
// Needs     PE 0, booted
//----------------------------------------------------------------------------------------
kernel_main:
        push_pair x19, x30
        push_pair x20, x21
        mov     x0, #PPI_VIRTUAL_TIMER
        adr     x1, count_tick
        bl      register_irq
        mov     x0, #PPI_VIRTUAL_TIMER
        bl      enable_ppi
        isb                                     // the counter is not read before the timer is ready
        mrs     x19, CNTVCT_EL0
        bl      arm_timer
        mov     x0, #TIMER_ENABLE
        msr     CNTV_CTL_EL0, x0
        load_constant x20, ROUNDS
.L_wait_tick:                                   // interrupts are masked here, so none is lost between the test and WFI
        ldr     x0, [pcpu, #PC_SCRATCH]
        cmp     x0, x20
        b.hs    .L_ticked
        wfi
        msr     DAIFClr, #0x2
        isb                                     // the pending tick is taken before interrupts are masked again
        msr     DAIFSet, #0x2
        b       .L_wait_tick
.L_ticked:
        msr     CNTV_CTL_EL0, xzr
        isb                                     // the timer is off before the counter is read
        mrs     x0, CNTVCT_EL0
        sub     x19, x0, x19                    // what has passed
        bl      read_period
        mul     x0, x0, x20                     // what must have passed
        cmp     x19, x0
        adr     x0, tick_text
        ldr     x1, [pcpu, #PC_SCRATCH]
        adr     x2, on_time_text
        mov     x3, #EXIT_OK
        b.hs    .L_on_time
        adr     x2, early_text
        mov     x3, #EXIT_WRONG
.L_on_time:
        bl      report_count
        pop_pair x20, x21
        pop_pair x19, x30
        ret

//----------------------------------------------------------------------------------------
// count_tick — handler of the timer's PPI: one more, and the next one a period from now
//
// In        x0  INTID    pcpu  this PE
// Out       PC_SCRATCH
// Clobbers  x0-x2
// Needs     EL1h, interrupts masked
//----------------------------------------------------------------------------------------
count_tick:
        ldr     x0, [pcpu, #PC_SCRATCH]
        add     x0, x0, #1
        str     x0, [pcpu, #PC_SCRATCH]
        b       arm_timer

//----------------------------------------------------------------------------------------
// arm_timer — the next tick a period from now
//
// Out       nothing
// Clobbers  x0-x2
// Needs     EL1
// See       DDI 0487, "CNTV_TVAL_EL0"
//----------------------------------------------------------------------------------------
arm_timer:
        mov     x2, x30
        bl      read_period
        msr     CNTV_TVAL_EL0, x0
        isb                                     // the condition is gone before the interrupt is ended
        ret     x2

//----------------------------------------------------------------------------------------
// read_period — counter steps between two ticks
//
// Out       x0  steps
// Clobbers  x1
// Needs     EL1
//----------------------------------------------------------------------------------------
read_period:
        mrs     x0, CNTFRQ_EL0
        mov     x1, #TICKS_PER_SECOND
        udiv    x0, x0, x1
        ret

tick_text:
        .asciz  "timer_tick: "
on_time_text:
        .asciz  " ticks, none early\n"
early_text:
        .asciz  " ticks, some early\n"
        .balign PAGE_BYTES, 0
image_text_end:
