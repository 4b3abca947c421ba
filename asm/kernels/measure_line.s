// measure_line — a line goes from PE 0 to the last PE and back, ROUNDS times: each compares and swaps a word until it is its turn.
//
// See github.com/nviennot/core-to-core-latency, "CAS latency on a single shared cache line". The other PEs sleep.
        .include "kernel.inc"
        .include "report.inc"
        .include "measure.inc"

        .equ    TURN_OF_FIRST, 0
        .equ    TURN_OF_LAST, 1

//----------------------------------------------------------------------------------------
// kernel_main — let the last PE answer, play, say what a way took
//
// Out       x0  exit status
// Clobbers  x0-x17
// Needs     PE 0, booted, another PE
//----------------------------------------------------------------------------------------
kernel_main:
        push_pair x19, x30
        mov     x0, #SGI_PING
        adr     x1, answer_turns
        bl      register_irq
        bl      start_secondaries
        cbnz    x0, .L_main_done
        bl      start_counter
        mov     x0, #(PES-1)
        mov     x1, #SGI_PING
        bl      send_sgi
        mov     w5, #TURN_OF_FIRST
        mov     w6, #TURN_OF_LAST
        mov     x7, #WARMUP_TURNS
        bl      take_turns                      // the other PE has woken, and both loops are predicted
        isb                                     // the warm-up is done before the counter is read
        mrs     x19, PMCCNTR_EL0
        load_constant x7, ROUNDS
        bl      take_turns
        isb                                     // the last turn is done before the counter is read
        mrs     x1, PMCCNTR_EL0
        sub     x1, x1, x19
        adr     x0, line_text
        adr     x2, ways_text
        load_constant x3, 2*ROUNDS
        bl      report_cycles
.L_main_done:
        pop_pair x19, x30
        ret

//----------------------------------------------------------------------------------------
// answer_turns — handler of SGI_PING: the other side of the game, as often as PE 0 plays
//
// In        pcpu  this PE
// Out       nothing
// Clobbers  x0-x7, NZCV
// Needs     EL1h, interrupts masked
//----------------------------------------------------------------------------------------
answer_turns:
        mov     w5, #TURN_OF_LAST
        mov     w6, #TURN_OF_FIRST
        load_constant x7, ROUNDS+WARMUP_TURNS
        b       take_turns

//----------------------------------------------------------------------------------------
// take_turns — swap this PE's turn for the other's as soon as it is there
//
// In        w5  this PE's turn    w6  the other's    x7  how often, not 0
// Out       nothing
// Clobbers  x0-x4, x7, NZCV
// Needs     MMU on (exclusives need Normal memory)
// Order     the word's old value -> accesses after; accesses before -> its new value
//----------------------------------------------------------------------------------------
take_turns:
        load_constant x0, GLOBALS_VA+G_TURN
.L_try_turn:
.if LSE
        mov     w2, w5
        casal   w2, w6, [x0]
        cmp     w2, w5
        b.ne    .L_try_turn
.else
        ldaxr   w2, [x0]
        cmp     w2, w5
        b.ne    .L_try_turn
        stlxr   w3, w6, [x0]
        cbnz    w3, .L_try_turn
.endif
        subs    x7, x7, #1
        b.ne    .L_try_turn
        ret

line_text:
        .asciz  "measure_line: "
ways_text:
        .asciz  " cycles for a thousand ways\n"
        .balign PAGE_BYTES, 0
image_text_end:
