// The generic timer of one PE: CNTV with PPI 27, CNTP with PPI 30. Only facts that do not depend on time are printed.

.include "common/start.inc"
.include "common/console.inc"
.include "common/finish.inc"
.include "common/exception.inc"
.include "common/gic.inc"

.equ COUNT_PA,      0x44000000      // interrupts taken: of PPI 27, of PPI 30, order of the last two

main:
    bl distributor_init
    bl redistributor_init
    mov x19, x0
    add x1, x0, #0x10000
    ldr w2, =0x48000000             // PPIs 27 and 30
    str w2, [x1, #0x100]            // ISENABLER0
    msr cntv_ctl_el0, xzr
    msr cntp_ctl_el0, xzr
    isb
    ldr x1, =COUNT_PA
    stp xzr, xzr, [x1]
    str xzr, [x1, #16]
    bl counters
    say "== CNTV"
    bl put_newline
    bl virtual_relations
    bl virtual_interrupt
    say "== CNTP"
    bl put_newline
    bl physical_relations
    bl physical_interrupt
    bl both
    bl waiting
    say "== end"
    bl put_newline
    mov x0, #0
    b exit_status

// Purpose   print whether the condition x0 holds, after the text that precedes the call
yes_or_no:
    str x30, [sp, #-16]!
    hex x0, 1
    bl put_newline
    ldr x30, [sp], #16
    ret

// PPI 27 is disarmed at the third time; PPI 30 at the first.
irq_handler:
    mrs x0, icc_iar1_el1
    ldr x1, =COUNT_PA
    ldr x4, [x1, #16]
    lsl x4, x4, #8
    orr x4, x4, x0
    str x4, [x1, #16]
    cmp x0, #27
    b.ne 1f
    ldr x2, [x1]
    add x2, x2, #1
    str x2, [x1]
    cmp x2, #3
    b.lo 2f
    msr cntv_ctl_el0, xzr
    isb
    b 2f
1:  ldr x2, [x1, #8]
    add x2, x2, #1
    str x2, [x1, #8]
    msr cntp_ctl_el0, xzr
    isb
2:  msr icc_eoir1_el1, x0
    isb
    ret

counters:
    str x30, [sp, #-16]!
    say "CNTFRQ is not zero: "
    mrs x0, cntfrq_el0
    cmp x0, #0
    cset x0, ne
    bl yes_or_no
    say "CNTVCT does not go back: "
    mrs x1, cntvct_el0
    isb
    mrs x2, cntvct_el0
    cmp x2, x1
    cset x0, hs
    bl yes_or_no
    say "CNTVCT advances: "
    mrs x1, cntvct_el0
1:  isb
    mrs x2, cntvct_el0
    cmp x2, x1
    b.eq 1b
    cset x0, hi
    bl yes_or_no
    say "CNTPCT is CNTVCT without EL2, read in between: "
    mrs x1, cntvct_el0
    isb
    mrs x2, cntpct_el0
    isb
    mrs x3, cntvct_el0
    cmp x2, x1
    cset x0, hs
    cmp x3, x2
    cset x4, hs
    and x0, x0, x4
    bl yes_or_no
    ldr x30, [sp], #16
    ret

// Purpose   what TVAL, CVAL and CTL say of each other. timer is v or p, counter CNTVCT or CNTPCT
.macro relations timer, counter
    str x30, [sp, #-16]!
    say "CVAL reads back: "
    ldr x1, =0x0123456789abcdef
    msr cnt\timer\()_cval_el0, x1
    isb
    mrs x0, cnt\timer\()_cval_el0
    hex x0, 16
    bl put_newline
    say "TVAL sets CVAL to the count and TVAL: "
    ldr x4, =0x10000000
    mrs x1, \counter
    isb
    msr cnt\timer\()_tval_el0, x4
    isb
    mrs x2, \counter
    mrs x3, cnt\timer\()_cval_el0
    sub x3, x3, x4
    cmp x3, x1
    cset x0, hs
    cmp x3, x2
    cset x5, ls
    and x0, x0, x5
    bl yes_or_no
    say "TVAL counts down to CVAL: "
    mrs x0, cnt\timer\()_tval_el0
    cmp x0, x4
    cset x5, ls
    lsr x0, x0, #27
    cmp x0, #0
    cset x0, ne
    and x0, x0, x5
    bl yes_or_no
    say "a negative TVAL sets CVAL behind the count: "
    mov x4, #-16
    msr cnt\timer\()_tval_el0, x4
    isb
    mrs x2, \counter
    mrs x3, cnt\timer\()_cval_el0
    cmp x3, x2
    cset x0, lo
    bl yes_or_no
    say "TVAL is negative in 32 bits: "
    mrs x0, cnt\timer\()_tval_el0
    ubfx x0, x0, #31, #1
    bl yes_or_no
    say "enabled and masked: CTL="
    mov x1, #3
    msr cnt\timer\()_ctl_el0, x1
    isb
    mrs x0, cnt\timer\()_ctl_el0
    bl yes_or_no
    say "enabled, CVAL far away: CTL="
    ldr x1, =0x7fffffffffffffff
    msr cnt\timer\()_cval_el0, x1
    mov x1, #1
    msr cnt\timer\()_ctl_el0, x1
    isb
    mrs x0, cnt\timer\()_ctl_el0
    bl yes_or_no
    say "CVAL zero is in the past: CTL="
    msr cnt\timer\()_cval_el0, xzr
    mov x1, #3
    msr cnt\timer\()_ctl_el0, x1
    isb
    mrs x0, cnt\timer\()_ctl_el0
    bl yes_or_no
    msr cnt\timer\()_ctl_el0, xzr
    isb
    ldr x30, [sp], #16
    ret
.endm

virtual_relations:
    relations v, cntvct_el0
physical_relations:
    relations p, cntpct_el0

// Purpose   print whether PPI x20 is pending in the redistributor, and ISR_EL1.I
pending:
    stp x0, x30, [sp, #-16]!
    bl settle
    say "  pending="
    add x0, x19, #0x10000
    ldr w0, [x0, #0x200]
    lsr x0, x0, x20
    and x0, x0, #1
    hex x0, 1
    say " ISR.I="
    mrs x0, isr_el1
    ubfx x0, x0, #7, #1
    hex x0, 1
    say " HPPIR="
    mrs x0, icc_hppir1_el1
    hex x0, 3
    bl put_newline
    ldp x0, x30, [sp], #16
    ret

.macro line_states timer
    say "IMASK set"
    bl put_newline
    msr cnt\timer\()_cval_el0, xzr
    mov x1, #3
    msr cnt\timer\()_ctl_el0, x1
    isb
    bl pending
    say "IMASK clear"
    bl put_newline
    mov x1, #1
    msr cnt\timer\()_ctl_el0, x1
    isb
    bl pending
    say "CVAL far away: the level is gone"
    bl put_newline
    ldr x1, =0x7fffffffffffffff
    msr cnt\timer\()_cval_el0, x1
    isb
    bl pending
    say "CVAL zero again"
    bl put_newline
    msr cnt\timer\()_cval_el0, xzr
    isb
    bl pending
    say "ENABLE clear"
    bl put_newline
    msr cnt\timer\()_ctl_el0, xzr
    isb
    bl pending
.endm

virtual_interrupt:
    str x30, [sp, #-16]!
    mov x20, #27
    line_states v
    say "taken when PSTATE.I is cleared, again until the handler disarms it at the third: "
    mov x1, #1
    msr cntv_ctl_el0, x1
    isb
    bl settle
    ldr x2, =COUNT_PA
    ldr x0, [x2]
    hex x0, 1
    msr daifclr, #2
1:  ldr x0, [x2]
    cmp x0, #3
    b.lo 1b
    bl settle
    msr daifset, #2
    say " then "
    ldr x0, [x2]
    bl yes_or_no
    ldr x30, [sp], #16
    ret

physical_interrupt:
    str x30, [sp, #-16]!
    mov x20, #30
    line_states p
    say "taken some time after TVAL was set: "
    mrs x1, cntfrq_el0
    mov x2, #2000
    udiv x1, x1, x2
    mrs x4, cntpct_el0
    msr cntp_tval_el0, x1
    mrs x5, cntp_cval_el0
    mov x1, #1
    msr cntp_ctl_el0, x1
    isb
    ldr x2, =COUNT_PA
    msr daifclr, #2
1:  ldr x0, [x2, #8]
    cbz x0, 1b
    isb
    mrs x6, cntpct_el0
    msr daifset, #2
    hex x0, 1
    say ", not before CVAL: "
    cmp x6, x5
    cset x0, hs
    bl yes_or_no
    ldr x30, [sp], #16
    ret

both:
    str x30, [sp, #-16]!
    say "== both at once, 30 of the higher priority: "
    mov x0, x19
    mov x1, #30
    mov x2, #0x40
    bl set_priority
    ldr x2, =COUNT_PA
    mov x0, #2
    str x0, [x2]                    // PPI 27 is disarmed at once
    str xzr, [x2, #8]
    str xzr, [x2, #16]
    msr cntv_cval_el0, xzr
    msr cntp_cval_el0, xzr
    mov x1, #1
    msr cntv_ctl_el0, x1
    msr cntp_ctl_el0, x1
    isb
    bl settle
    msr daifclr, #2
1:  ldr x0, [x2, #16]
    lsr x1, x0, #8
    cbz x1, 1b
    msr daifset, #2
    hex x0, 4
    bl put_newline
    ldr x30, [sp], #16
    ret

waiting:
    str x30, [sp, #-16]!
    say "== WFI with PSTATE.I = 1 until CNTV fires, not before CVAL: "
    mrs x1, cntfrq_el0
    mov x2, #500
    udiv x1, x1, x2
    msr cntv_tval_el0, x1
    mov x1, #1
    msr cntv_ctl_el0, x1
    isb
1:  wfi
    mrs x0, cntv_ctl_el0
    tbz x0, #2, 1b
    isb
    mrs x1, cntvct_el0
    mrs x2, cntv_cval_el0
    cmp x1, x2
    cset x0, hs
    bl yes_or_no
    say "pending and not taken"
    bl put_newline
    mov x20, #27
    bl pending
    ldr x1, =COUNT_PA
    mov x0, #2
    str x0, [x1]
    str xzr, [x1, #16]
    msr daifclr, #2
    isb
    msr daifset, #2
    ldr x0, [x1, #16]
    say "taken when unmasked: "
    hex x0, 4
    bl put_newline
    say "WFI with PSTATE.I = 0, CNTP: "
    str xzr, [x1, #8]
    str xzr, [x1, #16]
    mrs x2, cntfrq_el0
    mov x3, #500
    udiv x2, x2, x3
    msr cntp_tval_el0, x2
    mov x2, #1
    msr cntp_ctl_el0, x2
    isb
2:  wfi
    msr daifclr, #2
    isb
    msr daifset, #2
    ldr x0, [x1, #16]
    cbz x0, 2b
    hex x0, 4
    bl put_newline
    ldr x30, [sp], #16
    ret
