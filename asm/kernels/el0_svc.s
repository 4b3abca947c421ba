// el0_svc — a thread at EL0 calls the kernel ROUNDS times by SVC 0, which returns its argument plus one, then ends by SVC 1.
        .include "kernel.inc"
        .include "report.inc"

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
        load_constant x0, GLOBALS_VA
        adr     x1, serve_thread
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
        mov     x0, #0
        load_constant x1, ROUNDS
        eret

//----------------------------------------------------------------------------------------
// serve_thread — handler of synchronous exceptions from EL0
//
// In        x0  frame
// Out       x0  0 handled | 1 not an SVC of ours
// Clobbers  x1-x17, NZCV
// Needs     EL1h
//----------------------------------------------------------------------------------------
serve_thread:
        ldr     x1, [x0, #FRAME_ESR]
        lsr     x2, x1, #ESR_EC_SHIFT
        cmp     x2, #EC_SVC64
        b.ne    .L_not_ours
        and     x1, x1, #0xffff                 // the immediate of the SVC
        cmp     x1, #1
        b.eq    .L_thread_ends
        b.hi    .L_not_ours
        ldr     x2, [x0, #FRAME_X]
        add     x2, x2, #1
        str     x2, [x0, #FRAME_X]
        ldr     x2, [pcpu, #PC_SCRATCH]
        add     x2, x2, #1
        str     x2, [pcpu, #PC_SCRATCH]
        mov     x0, #0
        ret
.L_not_ours:
        mov     x0, #1
        ret
.L_thread_ends:
        ldr     x4, [x0, #FRAME_X]              // what the thread counted
        ldr     x1, [pcpu, #PC_SCRATCH]         // what the kernel counted
        load_constant x5, ROUNDS
        adr     x0, svc_text
        adr     x2, agree_text
        mov     x3, #EXIT_OK
        cmp     x1, x5
        b.ne    .L_disagree
        cmp     x1, x4
        b.eq    .L_agree
.L_disagree:
        adr     x2, disagree_text
        mov     x3, #EXIT_WRONG
.L_agree:
        bl      report_count
        b       exit_with_status

svc_text:
        .asciz  "el0_svc: "
agree_text:
        .asciz  " calls from EL0 served\n"
disagree_text:
        .asciz  " calls from EL0 served, not as many as made\n"

        .balign PAGE_BYTES, 0
//----------------------------------------------------------------------------------------
// thread_text — the thread, on a page of its own
//
// In        x0  0    x1  how often to call
// Out       does not return
// Clobbers  x0, x1
// Needs     EL0
//----------------------------------------------------------------------------------------
thread_text:
        svc     #0
        cmp     x0, x1
        b.lo    thread_text
        svc     #1
        b       thread_text
        .balign PAGE_BYTES, 0
image_text_end:
