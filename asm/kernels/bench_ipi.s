// bench_ipi — PE 0 calls functions on other PEs as Linux does, in the five scenarios of Linux's IPI benchmark, one after the other.
//
// Scenarios, WARMUP + ROUNDS rounds each, those whose bit is set in SCENARIOS:
//   0 dry run: all but the call             1 self: a function is called on PE 0            2 normal: on PE TARGET
//   3 broadcast: on all PEs but PE 0        4 broadcast with lock: the same, and the function takes a spin lock that all share
// Where one PE is called the clock is read before the call and in the function, as there.
//
// SELF_BY_SGI   0 as Linux does it: without an SGI, the function is just called     1 PE 0 sends itself an SGI
// IDLE          what the other PEs do meanwhile; JITTER: and for how long they are masked (bench.inc)
//
// See Y. Norov, "IPI performance benchmark", linux-arm-kernel, 2017-12-19; Linux 4.14 smp.c.
        .equ    INITIATORS, 1
        .include "kernel.inc"
        .include "report.inc"
        .include "seed.inc"
        .include "bench.inc"
        .include "call_function.inc"

        .equ    SCENARIO_DRY, 0
        .equ    SCENARIO_SELF, 1
        .equ    SCENARIO_NORMAL, 2
        .equ    SCENARIO_BROADCAST, 3
        .equ    SCENARIO_LOCK, 4
        .equ    SCENARIO_END, 5
        .equ    SELF_RUNS, (SCENARIOS>>SCENARIO_SELF)&1
        .equ    NORMAL_RUNS, (SCENARIOS>>SCENARIO_NORMAL)&1
        .equ    LOCK_RUNS, (SCENARIOS>>SCENARIO_LOCK)&1
        .equ    BROADCAST_RUNS, ((SCENARIOS>>SCENARIO_BROADCAST)&1)+LOCK_RUNS
        .equ    ROUNDS_EACH, ROUNDS+WARMUP

//----------------------------------------------------------------------------------------
// kernel_main — start all PEs, run the scenarios, check that every PE was called as often as it should
//
// Out       x0  exit status
// Clobbers  x0-x17
// Needs     PE 0, booted
//----------------------------------------------------------------------------------------
kernel_main:
        push_pair x19, x30
.if (TARGET<1)|(TARGET>=PES)
        adr     x0, no_target_text
        bl      put_string
        mov     x0, #EXIT_WRONG
        b       .L_main_done
.endif
        bl      init_bench
        bl      init_calls
        bl      start_secondaries
        cbnz    x0, .L_main_done
        bl      fill_all_pes
        msr     DAIFClr, #0x2
        bl      wake_idle
        mov     x19, #0
.L_next_scenario:
        load_constant x0, SCENARIOS
        lsr     x0, x0, x19
        tbz     x0, #0, .L_scenario_left_out
        mov     x0, x19
        bl      run_scenario
.L_scenario_left_out:
        add     x19, x19, #1
        cmp     x19, #SCENARIO_END
        b.lo    .L_next_scenario

        bl      count_right
        mov     x1, x0
        mov     x3, #EXIT_OK
        cmp     x0, #PES
        b.eq    .L_all_called_right
        mov     x3, #EXIT_WRONG
.L_all_called_right:
        adr     x0, bench_ipi_text
        adr     x2, called_text
        bl      report_count
.L_main_done:
        pop_pair x19, x30
        ret

//----------------------------------------------------------------------------------------
// run_scenario — all rounds of one scenario
//
// In        x0  scenario
// Out       nothing
// Clobbers  x0-x17, NZCV                    Preserves  x19-x29
// Needs     PE 0, interrupts on
//----------------------------------------------------------------------------------------
run_scenario:
        push_pair x19, x30
        push_pair x20, x21
        mov     x19, x0
        load_constant x20, ROUNDS_EACH
        b       mark_call_start
mark_call_start:
        mov     x0, x19
        bl      send_ipi
mark_call_done:
        subs    x20, x20, #1
        b.ne    mark_call_start
        pop_pair x20, x21
        pop_pair x19, x30
        ret

//----------------------------------------------------------------------------------------
// send_ipi — one round, between get_cpu and put_cpu as there
//
// In        x0  scenario
// Out       nothing
// Clobbers  x0-x17, NZCV                    Preserves  x19-x29
// Needs     PE 0, interrupts on
// See       Linux 4.14 smp.h, get_cpu; arm64 preempt.h, percpu.h
//----------------------------------------------------------------------------------------
send_ipi:
        push_pair x19, x30
        mov     x19, x0
        mrs     x1, TPIDR_EL1
        ldr     x1, [x1, #PC_CURTHREAD]
        ldr     x2, [x1, #TD_CRITNEST]
        add     x2, x2, #1                      // not to be preempted
        str     x2, [x1, #TD_CRITNEST]
        mrs     x1, TPIDR_EL1
        ldr     x1, [x1, #PC_CPUID]             // it stays this one
        cmp     x0, #SCENARIO_NORMAL
        b.hi    .L_to_all
        cbz     x0, .L_sent
        bl      read_clock
        load_constant x2, BENCH_WORDS_PA+BENCH_TIME
        str     x0, [x2]
        cmp     x19, #SCENARIO_SELF
        mov     x0, #TARGET
        csel    x0, xzr, x0, eq                 // PE 0 itself
        adr     x1, note_call
        bl      call_function_single
        b       .L_sent
.L_to_all:
        cmp     x0, #SCENARIO_LOCK
        load_constant x0, GLOBALS_VA+G_ALL_PES
        adr     x1, note_call
        mov     x2, #0
        b.ne    .L_without_lock
        adr     x1, take_lock
        load_constant x2, BENCH_WORDS_PA+BENCH_LOCK
.L_without_lock:
        bl      call_function_many
.L_sent:
        mrs     x1, TPIDR_EL1
        ldr     x1, [x1, #PC_CURTHREAD]
        ldr     x2, [x1, #TD_CRITNEST]
        sub     x2, x2, #1
        str     x2, [x1, #TD_CRITNEST]
        pop_pair x19, x30
        ret

//----------------------------------------------------------------------------------------
// note_call — the function: count the call, and note how long ago its argument says it began
//
// In        x0  address of a time, or 0    pcpu  this PE
// Out       the word at x0, PC_ACTED
// Clobbers  x0-x9, NZCV
// Needs     EL1h
//----------------------------------------------------------------------------------------
note_call:
mark_function:
        ldr     x1, [pcpu, #PC_ACTED]
        add     x1, x1, #1
        str     x1, [pcpu, #PC_ACTED]
        cbz     x0, .L_no_time
        mov     x8, x0
        mov     x9, x30
        bl      read_clock
        ldr     x1, [x8]
        sub     x0, x0, x1
        str     x0, [x8]
        ret     x9
.L_no_time:
        ret

//----------------------------------------------------------------------------------------
// take_lock — the function of the last scenario: count the call, take and release the lock
//
// In        x0  address of the lock    pcpu  this PE
// Out       PC_ACTED
// Clobbers  x0-x5
// Needs     EL1h
//----------------------------------------------------------------------------------------
take_lock:
mark_function_lock:
        mov     x5, x30
        ldr     x1, [pcpu, #PC_ACTED]
        add     x1, x1, #1
        str     x1, [pcpu, #PC_ACTED]
        bl      ticket_lock
        bl      ticket_unlock
        ret     x5

//----------------------------------------------------------------------------------------
// count_right — how many PEs were called as often as the scenarios say, if the lock was taken as often too
//
// Out       x0  count | 0 the lock was not taken once for each call
// Clobbers  x1-x8, NZCV
// Needs     PE 0, all scenarios done
//----------------------------------------------------------------------------------------
count_right:
        mov     x8, x30
        load_constant x0, BENCH_WORDS_PA+BENCH_LOCK
        ldr     w3, [x0]
        load_constant x4, ROUNDS_EACH*(PES-1)*LOCK_RUNS
        and     x4, x4, #0xffff
        orr     x4, x4, x4, lsl #16             // both halves: nobody holds it, nobody waits
        mov     x6, #0
        mov     x7, #0
        cmp     w3, w4
        b.ne    .L_all_counted
.L_count_next:
        mov     x0, x7
        bl      find_pcpu
        ldr     x3, [x0, #PC_ACTED]
        load_constant x4, ROUNDS_EACH*BROADCAST_RUNS
        load_constant x5, ROUNDS_EACH*NORMAL_RUNS
        cmp     x7, #TARGET
        csel    x5, x5, xzr, eq
        add     x4, x4, x5
        load_constant x5, ROUNDS_EACH*SELF_RUNS
        cmp     x7, #0
        csel    x4, x5, x4, eq                  // PE 0 is not called by a broadcast
        cmp     x3, x4
        cinc    x6, x6, eq
        add     x7, x7, #1
        cmp     x7, #PES
        b.lo    .L_count_next
.L_all_counted:
        mov     x0, x6
        ret     x8

//----------------------------------------------------------------------------------------
// bench_thread — what the other PEs do beside their interrupts
//
// Out       does not return
// Clobbers  x0-x5, x30, NZCV
// Needs     EL1h, interrupts on
//----------------------------------------------------------------------------------------
bench_thread:
        b       wait_for_work

bench_ipi_text:
        .asciz  "bench_ipi: "
no_target_text:
        .asciz  "bench_ipi: TARGET is not another PE\n"
called_text:
        .asciz  " PEs called as often as expected\n"
        .balign PAGE_BYTES, 0
image_text_end:
