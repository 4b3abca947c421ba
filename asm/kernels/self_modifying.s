// self_modifying — PE 0 rewrites an instruction through a writable alias; all PEs call it and must see the new one: the writer cleans
// the data cache and invalidates the instruction cache to the point of unification, each reader synchronises its context.
        .include "kernel.inc"
        .include "report.inc"

        .equ    ALIAS_DESCRIPTOR, DESC_PAGE+DESC_NORMAL+DESC_INNER_SHAREABLE+DESC_AF+DESC_PXN+DESC_UXN
        .equ    MOVZ_W0, 0x52800000             // movz w0, #0; the immediate begins at bit 5

//----------------------------------------------------------------------------------------
// kernel_main — rewrite, let all call, compare; ROUNDS times
//
// Out       x0  exit status
// Clobbers  x0-x17
// Needs     PE 0, booted
// Order     store instruction -> dsb ish -> dc cvau, dsb ish -> ic ivau, dsb ish -> rendezvous -> isb -> fetch
// See       DDI 0487, "Concurrent modification and execution of instructions"
//----------------------------------------------------------------------------------------
kernel_main:
        push_pair x19, x30
        push_pair x20, x21
        bl      init_rendezvous
        bl      start_secondaries
        cbnz    x0, .L_main_done
        bl      fill_all_pes
        adr     x20, changed_function           // where it is executed; its VA is its PA
        load_constant x0, FREE_PAGE_VA          // where it is written
        load_constant x1, ALIAS_DESCRIPTOR
        orr     x1, x1, x20
        bl      pmap_enter_free_page
        load_constant x19, ROUNDS
.L_next_change:
        and     x2, x19, #0xffff
        mov     w1, #(MOVZ_W0>>16)
        lsl     w1, w1, #16
        orr     w1, w1, w2, lsl #5
        load_constant x0, FREE_PAGE_VA
        str     w1, [x0]
        dc      cvau, x0
        dsb     ish                             // the new instruction has reached the point of unification before the old copy goes
        ic      ivau, x20
        dsb     ish                             // no PE's instruction cache holds the old one before anyone is told
        mov     x0, #0
        adr     x1, call_changed
        mov     x2, #0
        and     x3, x19, #0xffff
        bl      smp_rendezvous
        subs    x19, x19, #1
        b.ne    .L_next_change

        bl      sum_scratch
        mov     x1, x0
        load_constant x4, PES*ROUNDS
        adr     x0, modifying_text
        adr     x2, fresh_text
        mov     x3, #EXIT_OK
        cmp     x1, x4
        b.eq    .L_all_fresh
        adr     x2, stale_text
        mov     x3, #EXIT_WRONG
.L_all_fresh:
        bl      report_count
.L_main_done:
        pop_pair x20, x21
        pop_pair x19, x30
        ret

//----------------------------------------------------------------------------------------
// call_changed — the action: call the function, count an answer that is the new one
//
// In        x0  the new answer    pcpu  this PE
// Out       PC_SCRATCH
// Clobbers  x0-x2, NZCV
// Needs     EL1h
//----------------------------------------------------------------------------------------
call_changed:
        push_pair x0, x30
        isb                                     // nothing fetched earlier is left in this PE's pipeline before the call
        bl      changed_function
        pop_pair x1, x30
        cmp     x0, x1
        ldr     x2, [pcpu, #PC_SCRATCH]
        cinc    x2, x2, eq
        str     x2, [pcpu, #PC_SCRATCH]
        ret

modifying_text:
        .asciz  "self_modifying: "
fresh_text:
        .asciz  " calls, none stale\n"
stale_text:
        .asciz  " calls not stale, the others were\n"

        .balign PAGE_BYTES, 0
//----------------------------------------------------------------------------------------
// changed_function — the function whose first instruction changes, on a page of its own
//
// Out       x0  the immediate
// Clobbers  none
// Needs     nothing
//----------------------------------------------------------------------------------------
changed_function:
        movz    w0, #0
        ret
        .balign PAGE_BYTES, 0
image_text_end:
