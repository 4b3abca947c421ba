// sgi_pingpong — PE 0 sends an SGI, the next PE answers with one, ROUNDS times; between them everyone sleeps in WFI.
        .include "kernel.inc"
        .include "report.inc"

//----------------------------------------------------------------------------------------
// kernel_main — serve, wait for the return, repeat
//
// Out       x0  exit status
// Clobbers  x0-x17
// Needs     PE 0, booted
//----------------------------------------------------------------------------------------
kernel_main:
        push_pair x19, x30
        mov     x0, #SGI_PING
        adr     x1, answer_ping
        bl      register_irq
        bl      start_secondaries
        cbnz    x0, .L_main_done
        load_constant x19, ROUNDS
.L_serve:
        bl      send_to_next
.L_wait_return:                                 // interrupts are masked here, so none is lost between the test and WFI
        ldr     x0, [pcpu, #PC_SCRATCH]
        cbnz    x0, .L_returned
        wfi
        msr     DAIFClr, #0x2
        isb                                     // the pending SGI is taken before interrupts are masked again
        msr     DAIFSet, #0x2
        b       .L_wait_return
.L_returned:
        str     xzr, [pcpu, #PC_SCRATCH]
        subs    x19, x19, #1
        b.ne    .L_serve
        adr     x0, pingpong_text
        load_constant x1, ROUNDS
        adr     x2, returned_text
        mov     x3, #EXIT_OK
        bl      report_count
.L_main_done:
        pop_pair x19, x30
        ret

//----------------------------------------------------------------------------------------
// answer_ping — handler of SGI_PING: pass it on; at PE 0 it has returned
//
// In        x0  INTID    pcpu  this PE
// Out       PC_SCRATCH
// Clobbers  x0-x4, NZCV
// Needs     EL1h, interrupts masked
//----------------------------------------------------------------------------------------
answer_ping:
        ldr     x0, [pcpu, #PC_SCRATCH]
        add     x0, x0, #1
        str     x0, [pcpu, #PC_SCRATCH]
        ldr     x0, [pcpu, #PC_CPUID]
        cbnz    x0, send_to_next
        ret

//----------------------------------------------------------------------------------------
// send_to_next — SGI_PING to the PE after this one; the last one's next is PE 0
//
// In        pcpu  this PE
// Out       nothing
// Clobbers  x0-x4, NZCV
// Needs     EL1h
//----------------------------------------------------------------------------------------
send_to_next:
        ldr     x0, [pcpu, #PC_CPUID]
        add     x0, x0, #1
        cmp     x0, #PES
        csel    x0, xzr, x0, eq
        mov     x1, #SGI_PING
        b       send_sgi

pingpong_text:
        .asciz  "sgi_pingpong: "
returned_text:
        .asciz  " returned\n"
        .balign PAGE_BYTES, 0
image_text_end:
