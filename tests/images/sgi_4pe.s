// SGIs among four PEs: target lists, all but self, priorities, masks, preemption. PE 0 prints, in a fixed order.

.include "common/start.inc"
.include "common/console.inc"
.include "common/finish.inc"
.include "common/exception.inc"
.include "common/secondary.inc"
.include "common/gic.inc"

.equ LOG_PA,        0x44000000      // for each PE 4 KiB: count of words, then words
.equ REDIST_PA,     0x44e00000      // for each PE the address of its redistributor

main:
    bl distributor_init
    bl redistributor_init
    ldr x1, =REDIST_PA
    str x0, [x1]
    mov x19, x0                     // PE 0's own
    mov x20, #1
1:  bl start_pe
    adr x21, worker_init
    bl call_pe
    bl wait_pe
    add x20, x20, #1
    cmp x20, #4
    b.ne 1b
    msr daifclr, #2
    bl target_lists
    msr daifset, #2
    bl pending_once
    bl by_priority
    bl preempting_reads
    bl priority_mask
    bl binary_point
    bl disabled
    bl set_pending_by_register
    bl preempting_exceptions
    bl woken_by_sgi
    say "== end"
    bl put_newline
    b system_off

worker_init:
    str x30, [sp, #-16]!
    bl redistributor_init
    ldr x1, =REDIST_PA
    str x0, [x1, x20, lsl #3]
    msr daifclr, #2
    mov x0, #0
    ldr x30, [sp], #16
    ret

// Purpose   append x0 to the log of this PE
// Clobbers  x1, x2, x3
log:
    mrs x1, mpidr_el1
    and x1, x1, #0xff
    ldr x2, =LOG_PA
    add x2, x2, x1, lsl #12
    ldr x1, [x2]
    add x1, x1, #1
    add x3, x2, x1, lsl #3
    str x0, [x3]
    stlr x1, [x2]
    ret

// Purpose   take an interrupt: log its INTID with 0x100 at the start, 0x200 at the end. INTID 14 lets others preempt it.
irq_handler:
    str x30, [sp, #-16]!
    mrs x4, icc_iar1_el1
    add x0, x4, #0x100
    bl log
    cmp x4, #14
    b.ne 1f
    mrs x5, elr_el1
    mrs x6, spsr_el1
    msr daifclr, #2
    ldr x7, =(LOG_PA + 0x800)
    mov x0, #1
    stlr x0, [x7]                   // preempt me now
2:  yield
    ldar x0, [x7]
    cmp x0, #2                      // the preempting one was here
    b.ne 2b
    msr daifset, #2
    msr elr_el1, x5
    msr spsr_el1, x6
1:  cmp x4, #13
    b.ne 3f
    ldr x7, =(LOG_PA + 0x800)
    mov x0, #2
    stlr x0, [x7]
3:  add x0, x4, #0x200
    bl log
    msr icc_eoir1_el1, x4
    isb
    ldr x30, [sp], #16
    ret

// Purpose   wait until PE x20 has logged x21 words
// Clobbers  x0, x1
wait_log:
    ldr x1, =LOG_PA
    add x1, x1, x20, lsl #12
1:  yield
    ldar x0, [x1]
    cmp x0, x21
    b.lo 1b
    ret

// Purpose   print and clear the logs of all PEs
print_logs:
    str x30, [sp, #-16]!
    mov x20, #0
1:  say "  PE "
    hex x20, 1
    say ":"
    ldr x2, =LOG_PA
    add x2, x2, x20, lsl #12
    ldr x3, [x2]
    str xzr, [x2]
    cbz x3, 3f
2:  add x2, x2, #8
    ldr x4, [x2]
    say " "
    hex x4, 3
    subs x3, x3, #1
    b.ne 2b
3:  bl put_newline
    add x20, x20, #1
    cmp x20, #4
    b.ne 1b
    ldr x30, [sp], #16
    ret

// Purpose   write ICC_SGI1R_EL1; also what a worker is asked to do
// In        x0
send:
    msr icc_sgi1r_el1, x0
    isb
    ret

target_lists:
    str x30, [sp, #-16]!
    say "== one by one, SGI 1 to PE 0, 2 to PE 1, 3 to PE 2, 4 to PE 3"
    bl put_newline
    mov x20, #0
1:  add x0, x20, #1
    lsl x0, x0, #24
    mov x1, #1
    lsl x1, x1, x20
    orr x0, x0, x1
    bl send
    mov x21, #2
    bl wait_log
    add x20, x20, #1
    cmp x20, #4
    b.ne 1b
    bl print_logs
    say "== SGI 5 to PEs 1 and 3"
    bl put_newline
    ldr x0, =0x500000a
    bl send
    mov x21, #2
    mov x20, #1
    bl wait_log
    mov x20, #3
    bl wait_log
    bl settle
    bl print_logs
    say "== SGI 6 to all but PE 0"
    bl put_newline
    ldr x0, =0x10006000000
    bl send
    mov x20, #1
    bl wait_log
    mov x20, #2
    bl wait_log
    mov x20, #3
    bl wait_log
    bl settle
    bl print_logs
    say "== SGI 7 to all but PE 2, sent by PE 2; its target list does not count"
    bl put_newline
    mov x20, #2
    adr x21, send
    ldr x22, =0x10007000004
    bl call_pe
    bl wait_pe
    mov x21, #2
    mov x20, #0
    bl wait_log
    mov x20, #1
    bl wait_log
    mov x20, #3
    bl wait_log
    bl settle
    bl print_logs
    say "== SGI 8 to Aff1=1, to PEs that do not exist, to none; SGI 15 from PE 3 to PEs 0, 1, 2 and 3"
    bl put_newline
    ldr x0, =0x801000f
    bl send
    ldr x0, =0x800fff0
    bl send
    ldr x0, =0x8000000
    bl send
    bl settle
    mov x20, #3
    adr x21, send
    ldr x22, =0xf00000f
    bl call_pe
    bl wait_pe
    mov x21, #2
    mov x20, #0
2:  bl wait_log
    add x20, x20, #1
    cmp x20, #4
    b.ne 2b
    bl print_logs
    ldr x30, [sp], #16
    ret

// From here to preempting_exceptions PE 0 sends to itself with PSTATE.I = 1 and reads the interrupt registers.

// Purpose   send SGI x0 to PE 0 and let it arrive
// Clobbers  x1
send_self:
    str x30, [sp, #-16]!
    lsl x0, x0, #24
    orr x0, x0, #1
    bl send
    bl settle
    ldr x30, [sp], #16
    ret

// Purpose   print HPPIR1, RPR, ISR.I
state:
    stp x0, x30, [sp, #-16]!
    say "  HPPIR="
    mrs x0, icc_hppir1_el1
    hex x0, 3
    say " RPR="
    mrs x0, icc_rpr_el1
    hex x0, 2
    say " ISR.I="
    mrs x0, isr_el1
    ubfx x0, x0, #7, #1
    hex x0, 1
    bl put_newline
    ldp x0, x30, [sp], #16
    ret

// Purpose   acknowledge, print. Out x0 INTID
acknowledge:
    str x30, [sp, #-16]!
    mrs x0, icc_iar1_el1
    dsb sy
    say "  IAR="
    hex x0, 3
    bl state
    ldr x30, [sp], #16
    ret

// Purpose   end interrupt x0, print
end_interrupt:
    str x30, [sp, #-16]!
    msr icc_eoir1_el1, x0
    isb
    say "  EOI="
    hex x0, 3
    bl state
    ldr x30, [sp], #16
    ret

pending_once:
    str x30, [sp, #-16]!
    say "== SGI 1 sent twice while masked"
    bl put_newline
    bl state
    mov x0, #1
    bl send_self
    mov x0, #1
    bl send_self
    bl state
    bl acknowledge
    bl end_interrupt
    bl acknowledge
    ldr x30, [sp], #16
    ret

// Purpose   give SGI x1 priority x2 on PE 0
priority:
    str x30, [sp, #-16]!
    mov x0, x19
    bl set_priority
    ldr x30, [sp], #16
    ret

by_priority:
    str x30, [sp, #-16]!
    say "== SGIs 1, 2, 3 of priorities c0, 40, 80, sent in that order"
    bl put_newline
    mov x1, #1
    mov x2, #0xc0
    bl priority
    mov x1, #2
    mov x2, #0x40
    bl priority
    mov x1, #3
    mov x2, #0x80
    bl priority
    say "  IPRIORITYR0="
    add x0, x19, #0x10000
    ldr w0, [x0, #0x400]
    hex x0, 8
    bl put_newline
    mov x0, #1
    bl send_self
    mov x0, #2
    bl send_self
    mov x0, #3
    bl send_self
    bl acknowledge
    mov x20, x0
    bl acknowledge                  // none of higher priority: 1023
    mov x0, x20
    bl end_interrupt
    bl acknowledge
    bl end_interrupt
    bl acknowledge
    bl end_interrupt
    bl acknowledge
    ldr x30, [sp], #16
    ret

preempting_reads:
    str x30, [sp, #-16]!
    say "== SGI 1 active, then 3, then 2: each of higher priority; ended in reverse"
    bl put_newline
    mov x0, #1
    bl send_self
    bl acknowledge
    mov x0, #3
    bl send_self
    bl state
    bl acknowledge
    mov x0, #2
    bl send_self
    bl acknowledge
    say "  ISACTIVER0="
    add x0, x19, #0x10000
    ldr w0, [x0, #0x300]
    hex x0, 8
    bl put_newline
    mov x0, #2
    bl end_interrupt
    mov x0, #3
    bl end_interrupt
    mov x0, #1
    bl end_interrupt
    ldr x30, [sp], #16
    ret

priority_mask:
    str x30, [sp, #-16]!
    say "== PMR 80: SGI 3 of priority 80 is masked, SGI 2 of 40 is not"
    bl put_newline
    mov x0, #0x80
    msr icc_pmr_el1, x0
    isb
    mrs x0, icc_pmr_el1
    say "  PMR="
    hex x0, 2
    bl put_newline
    mov x0, #3
    bl send_self
    bl state
    bl acknowledge
    mov x0, #2
    bl send_self
    bl acknowledge
    bl end_interrupt
    bl acknowledge
    say "  PMR f0"
    bl put_newline
    mov x0, #0xf0
    msr icc_pmr_el1, x0
    isb
    bl state
    bl acknowledge
    bl end_interrupt
    ldr x30, [sp], #16
    ret

binary_point:
    str x30, [sp, #-16]!
    mov x1, #4
    mov x2, #0x60
    bl priority
    say "== BPR 6: SGI 4 of priority 60 active, SGI 2 of 40 does not preempt"
    bl put_newline
    mov x0, #6
    bl binary_point_case
    say "== BPR 5: it does"
    bl put_newline
    mov x0, #5
    bl binary_point_case
    msr icc_bpr1_el1, xzr
    isb
    ldr x30, [sp], #16
    ret
binary_point_case:
    str x30, [sp, #-16]!
    msr icc_bpr1_el1, x0
    isb
    mrs x0, icc_bpr1_el1
    say "  BPR="
    hex x0, 1
    bl put_newline
    mov x0, #4
    bl send_self
    bl acknowledge
    mov x0, #2
    bl send_self
    bl state
    bl acknowledge
    cmp x0, #2
    b.ne 1f
    bl end_interrupt
1:  mov x0, #4
    bl end_interrupt
    bl acknowledge
    cmp x0, #2
    b.ne 2f
    bl end_interrupt
2:  ldr x30, [sp], #16
    ret

disabled:
    str x30, [sp, #-16]!
    say "== SGI 2 pending but disabled, then enabled"
    bl put_newline
    add x20, x19, #0x10000
    mov w0, #4
    str w0, [x20, #0x180]           // ICENABLER0
    dsb sy
    mov x0, #2
    bl send_self
    ldr w0, [x20, #0x200]
    say "  ISPENDR0="
    hex x0, 8
    say " ISENABLER0="
    ldr w0, [x20, #0x100]
    hex x0, 8
    bl put_newline
    bl acknowledge
    mov w0, #4
    str w0, [x20, #0x100]
    bl settle
    bl acknowledge
    bl end_interrupt
    say "== IGRPEN1=0, then 1"
    bl put_newline
    msr icc_igrpen1_el1, xzr
    isb
    mov x0, #2
    bl send_self
    mrs x0, icc_iar1_el1
    say "  IAR="
    hex x0, 3
    mrs x0, isr_el1
    ubfx x0, x0, #7, #1
    say " ISR.I="
    hex x0, 1
    bl put_newline
    mov x0, #1
    msr icc_igrpen1_el1, x0
    isb
    bl settle
    bl acknowledge
    bl end_interrupt
    ldr x30, [sp], #16
    ret

set_pending_by_register:
    str x30, [sp, #-16]!
    say "== SGI 9 by GICR_ISPENDR0, taken back by ICPENDR0, set again"
    bl put_newline
    add x20, x19, #0x10000
    mov w0, #0x200
    str w0, [x20, #0x200]
    bl settle
    bl state
    str w0, [x20, #0x280]
    bl settle
    bl state
    str w0, [x20, #0x200]
    bl settle
    bl acknowledge
    bl end_interrupt
    ldr x30, [sp], #16
    ret

preempting_exceptions:
    str x30, [sp, #-16]!
    say "== on PE 1: SGI 14 of priority a0 is preempted by 13 of 40 but not by 12 of c0"
    bl put_newline
    ldr x0, =REDIST_PA
    ldr x0, [x0, #8]
    mov x1, #13
    mov x2, #0x40
    bl set_priority
    mov x1, #12
    mov x2, #0xc0
    bl set_priority
    ldr x7, =(LOG_PA + 0x800)
    str xzr, [x7]
    ldr x0, =0xe000002
    bl send
1:  yield
    ldar x0, [x7]
    cbz x0, 1b
    ldr x0, =0xc000002
    bl send
    bl settle
    ldr x0, =0xd000002
    bl send
    mov x20, #1
    mov x21, #6
    bl wait_log
    bl print_logs
    ldr x30, [sp], #16
    ret

woken_by_sgi:
    str x30, [sp, #-16]!
    say "== PE 3 waits for an interrupt with PSTATE.I = 1; PE 0 sends SGI 10"
    bl put_newline
    mov x20, #3
    adr x21, wait_and_acknowledge
    mov x22, #0
    ldr x7, =(LOG_PA + 0x808)
    str xzr, [x7]
    bl call_pe
1:  yield
    ldar x0, [x7]
    cbz x0, 1b                      // it has masked its interrupts
    ldr x0, =0xa000008
    bl send
    bl wait_pe
    say "  IAR="
    hex x0, 3
    bl put_newline
    say "== and again with PSTATE.I = 0"
    bl put_newline
    adr x21, wait_for_handler
    bl call_pe
    bl settle
    ldr x0, =0xb000008
    bl send
    bl wait_pe
    bl print_logs
    ldr x30, [sp], #16
    ret
wait_and_acknowledge:
    msr daifset, #2
    ldr x4, =(LOG_PA + 0x808)
    mov x0, #1
    stlr x0, [x4]
1:  wfi
    mrs x0, icc_iar1_el1
    cmp x0, #1020
    b.hs 1b
    msr icc_eoir1_el1, x0
    isb
    msr daifclr, #2
    ret
wait_for_handler:                   // masked while looking, so that the interrupt cannot slip in between
    ldr x4, =(LOG_PA + 0x3000)
    msr daifset, #2
1:  ldr x1, [x4]
    cbnz x1, 2f
    wfi
    msr daifclr, #2
    isb
    msr daifset, #2
    b 1b
2:  msr daifclr, #2
    mov x0, #0
    ret
