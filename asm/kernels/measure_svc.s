// measure_svc — a thread at EL0 calls the kernel by SVC 0, ROUNDS times CALLS_UNROLLED times, and reads the cycle counter before and after.
// The call does nothing. The thread ends by SVC 1.
        .include "kernel.inc"
        .include "report.inc"
        .include "measure.inc"

//----------------------------------------------------------------------------------------
// kernel_main — give the thread's page to EL0 and go there
//
// Out       does not return; the thread ends the run
// Clobbers  everything
// Needs     PE 0, booted
// Touches while invalid   code: identity map, not the thread's page   stack: none   data: none
// Order     that of pmap_update_entry
//----------------------------------------------------------------------------------------
kernel_main:
        bl      start_counter
        load_constant x0, GLOBALS_VA
        adr     x1, serve_call
        str     x1, [x0, #G_EL0_SYNC]
        adr     x0, thread_text
        load_constant x1, RAM_PA
        sub     x1, x0, x1
        lsr     x1, x1, #PAGE_SHIFT
        load_constant x3, TTBR0_L3_PA
        add     x1, x3, x1, lsl #3              // the page's descriptor in the identity map
        load_constant x2, DESC_PAGE+DESC_NORMAL+DESC_EL0+DESC_READ_ONLY+DESC_INNER_SHAREABLE+DESC_AF+DESC_PXN
        orr     x2, x2, x0
        mov     x3, #PAGE_BYTES
        bl      pmap_update_entry
        msr     ELR_EL1, x0
        mov     x0, #SPSR_EL0T
        msr     SPSR_EL1, x0
        msr     SP_EL0, xzr
        load_constant x0, ROUNDS
        eret

//----------------------------------------------------------------------------------------
// serve_call — handler of synchronous exceptions from EL0
//
// In        x0  frame
// Out       x0  0 handled | 1 not an SVC of ours
// Clobbers  x1-x17, NZCV
// Needs     EL1h
//----------------------------------------------------------------------------------------
serve_call:
        ldr     x1, [x0, #FRAME_ESR]
        lsr     x2, x1, #ESR_EC_SHIFT
        cmp     x2, #EC_SVC64
        b.ne    .L_not_ours
        and     x1, x1, #0xffff                 // the immediate of the SVC
        cmp     x1, #1
        b.eq    .L_thread_ends
        mov     x0, #0
        ret
.L_not_ours:
        mov     x0, #1
        ret
.L_thread_ends:
        ldr     x1, [x0, #(FRAME_X+2*REGISTER_BYTES)]
        adr     x0, svc_text
        adr     x2, calls_text
        load_constant x3, ROUNDS*CALLS_UNROLLED
        bl      report_cycles
        b       exit_with_status

svc_text:
        .asciz  "measure_svc: "
calls_text:
        .asciz  " cycles for a thousand calls\n"

        .balign PAGE_BYTES, 0
//----------------------------------------------------------------------------------------
// thread_text — the thread, on a page of its own: once to warm up, once to measure
//
// In        x0  how often
// Out       x2  cycles, when it ends by SVC 1
// Clobbers  x1-x4, NZCV
// Needs     EL0, start_counter done
// Order     what came before -> isb -> counter
//----------------------------------------------------------------------------------------
thread_text:
        mov     x4, #2
.L_measure_calls:
        mov     x1, x0
        isb                                     // what came before is done before the counter is read
        mrs     x2, PMCCNTR_EL0
.L_call_next:
.rept CALLS_UNROLLED
        svc     #0
.endr
        subs    x1, x1, #1
        b.ne    .L_call_next
        isb                                     // the last call is done before the counter is read
        mrs     x3, PMCCNTR_EL0
        sub     x2, x3, x2
        subs    x4, x4, #1
        b.ne    .L_measure_calls
        svc     #1
        b       thread_text
        .balign PAGE_BYTES, 0
image_text_end:
