// rendezvous — PE 0 gathers all others by SGI, WARMUP + ROUNDS times, while they sleep; every PE counts its action in its pcpu.
        .include "kernel.inc"

//----------------------------------------------------------------------------------------
// kernel_main — start all PEs, run the rounds, check that every PE acted in each
//
// Out       x0  exit status
// Clobbers  x0-x17
// Needs     PE 0, booted
//----------------------------------------------------------------------------------------
kernel_main:
        push_pair x19, x30
        push_pair x20, x21
        bl      init_rendezvous
        bl      start_secondaries
        cbnz    x0, .L_not_started
        bl      fill_all_pes
        msr     DAIFClr, #0x2
        load_constant x19, ROUNDS+WARMUP
.L_next_round:
        mov     x0, #0
        adr     x1, count_action
        mov     x2, #0
        mov     x3, #0
        bl      smp_rendezvous
        subs    x19, x19, #1
        b.ne    .L_next_round

        load_constant x20, ROUNDS+WARMUP
.L_check_next:                                  // x19 is the index of the PE
        mov     x0, x19
        bl      find_pcpu
        ldr     x1, [x0, #PC_ACTED]
        cmp     x1, x20
        b.ne    .L_missed
        add     x19, x19, #1
        cmp     x19, #PES
        b.lo    .L_check_next

        adr     x0, rendezvous_text
        bl      put_string
        mov     x0, #PES
        bl      put_decimal
        adr     x0, pes_text
        bl      put_string
        load_constant x0, ROUNDS
        bl      put_decimal
        adr     x0, acted_text
        bl      put_string
        mov     x0, #EXIT_OK
        b       .L_main_done
.L_missed:
        adr     x0, missed_text
        bl      put_string
        mov     x0, x19
        bl      put_decimal
        bl      put_newline
        mov     x0, #EXIT_WRONG
        b       .L_main_done
.L_not_started:
        adr     x0, not_started_text
        bl      put_string
        mov     x0, #EXIT_WRONG
.L_main_done:
        pop_pair x20, x21
        pop_pair x19, x30
        ret

//----------------------------------------------------------------------------------------
// count_action — the action: one more in this PE's pcpu
//
// In        pcpu  this PE
// Out       PC_ACTED
// Clobbers  x0
// Needs     EL1h
//----------------------------------------------------------------------------------------
count_action:
        ldr     x0, [pcpu, #PC_ACTED]
        add     x0, x0, #1
        str     x0, [pcpu, #PC_ACTED]
        ret

rendezvous_text:
        .asciz  "rendezvous: "
pes_text:
        .asciz  " PEs, "
acted_text:
        .asciz  " rounds, all acted\n"
missed_text:
        .asciz  "rendezvous: a round is missing on PE "
not_started_text:
        .asciz  "rendezvous: a PE did not start\n"
        .balign PAGE_BYTES, 0
image_text_end:
