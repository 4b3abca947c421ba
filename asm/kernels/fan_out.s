// fan_out — PE 0 sends one SGI to every PE of a set, with one ICC_SGI1R_EL1 write for each run of PEs that share Aff3, Aff2 and Aff1.
//
// SET_0 to SET_3      the set, a bit for each PE: PEs 0 to 63, 64 to 127, and so on; those that are not there are left out
        .include "kernel.inc"
        .include "report.inc"

        .equ    THE_SET, G_SCRATCH

// Store one word of the set, without PEs that are not there. x0: the globals.
.macro store_set_word number, word
        load_constant x1, \word
.if PES-64*(\number)-63-1 < 0
.if PES-64*(\number) > 0
        load_constant x2, (1<<(PES-64*(\number)))-1
        and     x1, x1, x2
.else
        mov     x1, #0
.endif
.endif
        str     x1, [x0, #(THE_SET+(\number)*REGISTER_BYTES)]
.endm

//----------------------------------------------------------------------------------------
// kernel_main — start all PEs, send, wait until as many interrupts have arrived as the set has members
//
// Out       x0  exit status
// Clobbers  x0-x17, NZCV
// Needs     PE 0, booted
//----------------------------------------------------------------------------------------
kernel_main:
        push_pair x19, x30
        push_pair x20, x21
        mov     x0, #SGI_PING
        adr     x1, count_ping
        bl      register_irq
        bl      start_secondaries
        cbnz    x0, .L_fan_failed
        load_constant x0, GLOBALS_VA
        store_set_word 0, SET_0
        store_set_word 1, SET_1
        store_set_word 2, SET_2
        store_set_word 3, SET_3
        load_constant x0, GLOBALS_VA+THE_SET
        sub     sp, sp, #CPUSET_BYTES
        mov     x1, sp
        mov     x2, #0
        bl      split_set
        add     sp, sp, #CPUSET_BYTES
        mov     x19, x0                         // members
        msr     DAIFClr, #0x2
        load_constant x0, GLOBALS_VA+THE_SET
        mov     x1, #SGI_PING
        bl      ipi_selected
.L_wait_pings:
        yield
        bl      sum_scratch
        cmp     x0, x19
        b.lo    .L_wait_pings
        load_constant x1, SETTLE
.L_settle:                                      // one too many would arrive meanwhile
        subs    x1, x1, #1
        b.ne    .L_settle
        bl      count_wrong
        mov     x20, x0
        adr     x0, fan_text
        mov     x1, x19
        adr     x2, arrived_text
        mov     x3, #EXIT_OK
        mov     x4, #EXIT_WRONG
        cmp     x20, #0
        csel    x3, x3, x4, eq
        bl      report_count
        b       .L_fan_done
.L_fan_failed:
        mov     x0, #EXIT_WRONG
.L_fan_done:
        pop_pair x20, x21
        pop_pair x19, x30
        ret

        .equ    SETTLE, 20000

//----------------------------------------------------------------------------------------
// count_ping — handler of SGI_PING: one more
//
// In        x0  INTID    pcpu  this PE
// Out       PC_SCRATCH
// Clobbers  x0
// Needs     EL1h, interrupts masked
//----------------------------------------------------------------------------------------
count_ping:
        ldr     x0, [pcpu, #PC_SCRATCH]
        add     x0, x0, #1
        str     x0, [pcpu, #PC_SCRATCH]
        ret

//----------------------------------------------------------------------------------------
// count_wrong — PEs that took another number of interrupts than one for a member, none for any other
//
// Out       x0  PEs
// Clobbers  x1-x7, NZCV
// Needs     EL1h
//----------------------------------------------------------------------------------------
count_wrong:
        load_constant x1, PCPU_VA
        mov     x2, #PCPU_BYTES
        load_constant x3, GLOBALS_VA+THE_SET
        mov     x4, #0
        mov     x0, #0
.L_wrong_next:
        lsr     x5, x4, #6
        ldr     x5, [x3, x5, lsl #3]
        lsr     x5, x5, x4                      // the shift takes the index modulo 64
        and     x5, x5, #1
        ldr     x6, [x1, #PC_SCRATCH]
        cmp     x5, x6
        cinc    x0, x0, ne
        add     x1, x1, x2
        add     x4, x4, #1
        cmp     x4, #PES
        b.lo    .L_wrong_next
        ret

fan_text:
        .asciz  "fan_out: "
arrived_text:
        .asciz  " PEs interrupted\n"
        .balign PAGE_BYTES, 0
image_text_end:
