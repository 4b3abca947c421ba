// exclusives — all PEs add to two words at once, ROUNDS times: to one by LDXR/STXR, to the other by LDADD (FEAT_LSE). No addition may
// be lost.
        .include "kernel.inc"
        .include "report.inc"

//----------------------------------------------------------------------------------------
// kernel_main — let all PEs add, compare the sums with PES * ROUNDS
//
// Out       x0  exit status
// Clobbers  x0-x17
// Needs     PE 0, booted
//----------------------------------------------------------------------------------------
kernel_main:
        push_pair x19, x30
        bl      init_rendezvous
        bl      start_secondaries
        cbnz    x0, .L_main_done
        bl      fill_all_pes
        mov     x0, #0
        adr     x1, add_to_both
        mov     x2, #0
        load_constant x3, GLOBALS_VA+G_SCRATCH
        bl      smp_rendezvous
        load_constant x0, GLOBALS_VA+G_SCRATCH
        ldp     w1, w2, [x0]
        load_constant x4, PES*ROUNDS
        adr     x0, exclusives_text
        mov     x3, #EXIT_OK
        cmp     w1, w4
        b.ne    .L_lost
        cmp     w2, w4
        adr     x2, kept_text
        b.eq    .L_kept
.L_lost:
        adr     x2, lost_text
        mov     x3, #EXIT_WRONG
.L_kept:
        bl      report_count
.L_main_done:
        pop_pair x19, x30
        ret

//----------------------------------------------------------------------------------------
// add_to_both — the action: ROUNDS additions to either word
//
// In        x0  address of the two words
// Out       nothing
// Clobbers  x0-x6, NZCV
// Needs     EL1h
//----------------------------------------------------------------------------------------
add_to_both:
        push_pair x19, x30
        load_constant x19, ROUNDS
        mov     x5, x0
        add     x6, x0, #(REGISTER_BYTES/2)
.L_add_next:
        ldxr    w1, [x5]
        add     w1, w1, #1
        stxr    w2, w1, [x5]
        cbnz    w2, .L_add_next
        mov     x0, x6
        mov     w1, #1
        bl      atomic_add_release
        subs    x19, x19, #1
        b.ne    .L_add_next
        pop_pair x19, x30
        ret

exclusives_text:
        .asciz  "exclusives: "
kept_text:
        .asciz  " additions to each word, none lost\n"
lost_text:
        .asciz  " additions to the first word, some lost\n"
        .balign PAGE_BYTES, 0
image_text_end:
