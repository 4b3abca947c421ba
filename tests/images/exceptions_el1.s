// Synchronous exceptions taken from EL1: what ESR, ELR, FAR and SPSR say, and what the PE leaves unchanged.

.include "common/start.inc"
.include "common/console.inc"
.include "common/finish.inc"
.include "common/exception.inc"
.include "common/tables.inc"

.equ VA_BITS,       39
.equ TCR,           0x15b5193519    // 4K, both ranges 39 bits, write-back inner shareable, IPS 36 bits, 16-bit ASID
.equ READ_ONLY_VA,  0x20000000
.equ LAST_PAGE_VA,  0x20001000      // mapped; the page behind it is not
.equ UNMAPPED_VA,   0x20002000
.equ NEVER_VA,      0x20004000      // readable and writable, PXN
.equ NOTHING_VA,    0x20008000      // translates to a PA where nothing is

main:
    say "== translation off"
    bl put_newline
    bl calls
    bl undefined
    bl program_counter
    bl illegal_return
    bl floating_point
    bl stack_pointer
    bl nothing_there
    bl translation
    say "== translation on"
    bl put_newline
    bl aborts
    bl base_registers
    bl atomics
    bl alignment
    bl nesting
    say "== end"
    bl put_newline
    mov x0, #7
    b exit_status

irq_handler:                        // every interrupt is masked
    mov x0, #98
    b exit_status

calls:
    str x30, [sp, #-16]!
    say "svc #0x1234:"
    probe
    svc #0x1234
    bl no_exception
    say "svc with N, C and every mask but A:"
    ldr x0, =0xa0000000
    msr nzcv, x0
    msr daifclr, #4
    probe
    svc #0
    bl no_exception
    msr daifset, #4
    say "brk #0x42:"
    probe
    brk #0x42
    bl no_exception
    say "hvc #0, function that PSCI does not have: x0="
    ldr x0, =0x8400ff00
    hvc #0
    hex x0, 16
    bl put_newline
    say "smc #0 without EL3:"
    ldr x0, =0x84000000
    probe
    smc #0
    bl no_exception
    ldr x30, [sp], #16
    ret

undefined:
    str x30, [sp, #-16]!
    say "udf #0:"
    probe
    .inst 0x00000000
    bl no_exception
    say "udf #0xffff:"
    probe
    .inst 0x0000ffff
    bl no_exception
    say "hlt #1:"
    probe
    hlt #1
    bl no_exception
    say "mrs of an unallocated register:"
    probe
    mrs x0, s3_0_c5_c7_5
    bl no_exception
    say "msr of an unallocated register:"
    probe
    msr s3_0_c5_c7_5, x0
    bl no_exception
    say "msr midr_el1, read-only:"
    probe
    msr s3_0_c0_c0_0, x0
    bl no_exception
    say "mrs hcr_el2 at EL1:"
    probe
    mrs x0, s3_4_c1_c1_0
    bl no_exception
    say "mrs scr_el3 at EL1:"
    probe
    mrs x0, s3_6_c1_c1_0
    bl no_exception
    ldr x30, [sp], #16
    ret

program_counter:
    str x30, [sp, #-16]!
    say "br to at+2:"
    adr x26, 1f
    add x0, x26, #2
    adr x28, 2f
1:  br x0
2:  say "blr to at+1, x30 is set:"
    adr x26, 1f
    add x0, x26, #1
    adr x28, 2f
    mov x30, #0
1:  blr x0
2:  sub x0, x30, x26
    say "x30=at+"
    hex x0, 1
    bl put_newline
    ldr x30, [sp], #16
    ret

// ERET with a SPSR that cannot be returned to: PSTATE.IL, and the instruction at the target is refused.
illegal_return:
    str x30, [sp, #-16]!
    mov x27, #SPSR_EL1H
    say "eret to EL2h:"
    ldr x0, =0xa00003c9
    bl illegal_return_to
    say "eret to EL0 with M[0] set:"
    ldr x0, =0x500003c1
    bl illegal_return_to
    say "eret to EL1 with M[1] set:"
    ldr x0, =0x000003c6
    bl illegal_return_to
    say "eret to EL3t:"
    ldr x0, =0x200003cc
    bl illegal_return_to
    say "eret to EL1h with IL set:"
    ldr x0, =0x301003c5
    bl illegal_return_to
    ldr x30, [sp], #16
    ret
illegal_return_to:
    adr x26, 1f
    mov x28, x30
    mov x27, #SPSR_EL1H
    msr spsr_el1, x0
    msr elr_el1, x26
    isb
    eret
1:  nop
    say " executed"
    bl put_newline
    br x28

floating_point:
    str x30, [sp, #-16]!
    msr cpacr_el1, xzr
    isb
    mov x2, #1
    mov x3, #1
    say "fmov in the middle of a block:"
    adr x26, 1f
    adr x28, 2f
    add x2, x2, #1
1:  fmov d0, x2
    add x3, x3, #1
2:  add x2, x2, #1
    say "before="
    hex x2, 1
    say " after="
    hex x3, 1
    bl put_newline
    say "ldr q:"
    mov x0, sp
    probe
    ldr q0, [x0]
    bl no_exception
    say "add v.4s:"
    probe
    add v0.4s, v1.4s, v2.4s
    bl no_exception
    say "mrs fpcr:"
    probe
    mrs x1, s3_3_c4_c4_0
    bl no_exception
    mov x0, #0x100000               // FPEN = 0b01: EL0 is trapped, EL1 is not
    msr cpacr_el1, x0
    isb
    mov x1, #0x55
    say "fmov with FPEN=1:"
    probe
    fmov d0, x1
    bl no_exception
    mov x0, #0x200000               // FPEN = 0b10: as 0b00
    msr cpacr_el1, x0
    isb
    say "fmov with FPEN=2:"
    probe
    fmov x1, d0
    bl no_exception
    mov x0, #0x300000
    msr cpacr_el1, x0
    isb
    mov x1, #0
    say "fmov with FPEN=3:"
    probe
    fmov x1, d0
    bl no_exception
    ldr x30, [sp], #16
    ret

// SP_EL0 at EL1: the handler runs on SP_EL1 by the first four vectors.
stack_pointer:
    str x30, [sp, #-16]!
    mov x20, sp
    sub x0, x20, #0x2000
    msr spsel, #0
    mov sp, x0
    say "svc on SP_EL0:"
    probe
    svc #1
    bl no_exception
    say "mrs sp_el0 while it is selected:"
    probe
    mrs x1, sp_el0
    bl no_exception
    mov x0, sp
    msr spsel, #1
    mrs x1, sp_el0
    cmp x0, x1
    cset x0, eq
    mov x2, sp
    cmp x2, x20
    cset x1, eq
    say "SP_EL0 kept="
    hex x0, 1
    say " SP_EL1 kept="
    hex x1, 1
    bl put_newline
    ldr x30, [sp], #16
    ret

// A PA at which nothing answers gives a synchronous external abort.
nothing_there:
    str x30, [sp, #-16]!
    ldr x0, =NOTHING_PA
    mov x1, #0
    say "ldr where nothing is:"
    probe
    ldr x1, [x0]
    bl no_exception
    say "str where nothing is:"
    probe
    str x1, [x0]
    bl no_exception
    say "br to where nothing is:"
    mov x26, x0
    adr x28, 1f
    br x0
1:  ldr x30, [sp], #16
    ret

translation:
    str x30, [sp, #-16]!
    mov x2, #VA_BITS
    bl identity_root
    mov x20, x0
    mov x3, #3
    ldr x1, =READ_ONLY_VA
    ldr x4, =(SCRATCH_PA + LEAF_PAGE + ATTR_NORMAL + AP_RO + UXN)
    bl map
    ldr x1, =LAST_PAGE_VA
    ldr x4, =(SCRATCH_PA + 0x1000 + LEAF_PAGE + ATTR_NORMAL + PXN + UXN)
    bl map
    ldr x1, =NEVER_VA
    ldr x4, =(SCRATCH_PA + 0x4000 + LEAF_PAGE + ATTR_NORMAL + PXN + UXN)
    bl map
    ldr x1, =NOTHING_VA
    ldr x4, =(NOTHING_PA + LEAF_PAGE + ATTR_NORMAL + UXN)
    bl map
    ldr x0, =SCRATCH_PA
    ldr x1, =0x1122334455667788
    str x1, [x0]
    mov x0, x20
    mov x1, x20
    ldr x2, =TCR
    bl translation_on
    ldr x30, [sp], #16
    ret

aborts:
    str x30, [sp, #-16]!
    mov x1, #0
    ldr x0, =(UNMAPPED_VA + 0x123)
    say "ldrb unmapped:"
    probe
    ldrb w1, [x0]
    bl no_exception
    say "strb unmapped:"
    probe
    strb w1, [x0]
    bl no_exception
    ldr x0, =READ_ONLY_VA
    say "ldr read-only:"
    probe
    ldr x1, [x0]
    bl no_exception
    say "str read-only:"
    probe
    str x1, [x0]
    bl no_exception
    ldr x0, =0xffff000000000010
    say "ldr between the two ranges:"
    probe
    ldr x1, [x0]
    bl no_exception
    ldr x0, =0x0000800000000010
    say "str between the two ranges:"
    probe
    str x1, [x0]
    bl no_exception
    ldr x0, =NOTHING_VA
    say "ldr, translated to where nothing is:"
    probe
    ldr x1, [x0]
    bl no_exception
    say "str, translated to where nothing is:"
    probe
    str x1, [x0]
    bl no_exception
    ldr x0, =(UNMAPPED_VA + 0x40)
    say "dc zva unmapped:"
    probe
    dc zva, x0
    bl no_exception
    ldr x0, =READ_ONLY_VA
    say "dc zva read-only:"
    probe
    dc zva, x0
    bl no_exception
    say "br to unmapped:"
    ldr x26, =UNMAPPED_VA
    adr x28, 1f
    br x26
1:  say "br to PXN:"
    ldr x26, =NEVER_VA
    adr x28, 1f
    br x26
1:  say "br to where nothing is, translated:"
    ldr x26, =NOTHING_VA
    adr x28, 1f
    br x26
1:  say "br between the two ranges:"
    ldr x26, =0x0001000000000000
    adr x28, 1f
    br x26
1:  ldr x30, [sp], #16
    ret

// The base register keeps its value when the access is refused.
base_registers:
    str x30, [sp, #-16]!
    ldr x0, =UNMAPPED_VA
    mov x20, x0
    say "ldr post-index:"
    probe
    ldr x1, [x0], #8
    bl no_exception
    bl base_report
    say "str post-index:"
    probe
    str x1, [x0], #8
    bl no_exception
    bl base_report
    say "ldr pre-index:"
    probe
    ldr x1, [x0, #16]!
    bl no_exception
    bl base_report
    say "str pre-index:"
    probe
    str x1, [x0, #-16]!
    bl no_exception
    bl base_report_after_success
    say "stp pre-index:"
    probe
    stp x1, x2, [x0, #32]!
    bl no_exception
    bl base_report
    say "ldp post-index into the next page:"
    ldr x0, =(UNMAPPED_VA - 8)
    mov x20, x0
    probe
    ldp x1, x2, [x0], #16
    bl no_exception
    bl base_report
    say "stp post-index into the next page:"
    probe
    stp x1, x2, [x0], #16
    bl no_exception
    bl base_report
    say "ldr q pre-index:"
    ldr x0, =UNMAPPED_VA
    mov x20, x0
    probe
    ldr q0, [x0, #16]!
    bl no_exception
    bl base_report
    ldr x30, [sp], #16
    ret
base_report_after_success:          // the last mapped page: written back; set again
    stp x1, x30, [sp, #-16]!
    sub x1, x20, x0
    say "base moved by -"
    hex x1, 2
    bl put_newline
    mov x0, x20
    ldp x1, x30, [sp], #16
    ret
base_report:
    stp x1, x30, [sp, #-16]!
    cmp x0, x20
    cset x1, eq
    say "base kept="
    hex x1, 1
    bl put_newline
    ldp x1, x30, [sp], #16
    ret

// WnR of atomics: a write when the read alone would have been allowed.
atomics:
    str x30, [sp, #-16]!
    ldr x0, =READ_ONLY_VA
    mov x1, #1
    mov x2, #2
    mov x3, #3
    mov x4, #4
    mov x5, #5
    say "ldadd read-only:"
    probe
    ldadd x2, x1, [x0]
    bl no_exception
    say "swp read-only:"
    probe
    swp x2, x1, [x0]
    bl no_exception
    say "stset read-only:"
    probe
    ldset w2, wzr, [x0]
    bl no_exception
    say "cas read-only, comparison false:"
    probe
    cas x1, x2, [x0]
    bl no_exception
    say "casp read-only:"
    probe
    casp x2, x3, x4, x5, [x0]
    bl no_exception
    say "stxr read-only, monitor held:"
    adr x26, 1f
    adr x28, 2f
    ldxr x1, [x0]
1:  stxr w3, x1, [x0]
2:  ldr x0, =UNMAPPED_VA
    say "ldxr unmapped:"
    probe
    ldxr x1, [x0]
    bl no_exception
    say "ldaxp unmapped:"
    probe
    ldaxp x1, x2, [x0]
    bl no_exception
    say "stlr unmapped:"
    probe
    stlr x1, [x0]
    bl no_exception
    say "ldadd unmapped, the read is refused first:"
    probe
    ldadd x2, x1, [x0]
    bl no_exception
    say "cas unmapped:"
    probe
    cas x1, x2, [x0]
    bl no_exception
    say "swpb unmapped:"
    probe
    swpb w2, w1, [x0]
    bl no_exception
    ldr x1, =READ_ONLY_VA
    ldr x1, [x1]
    say "the word is untouched: "
    hex x1, 16
    bl put_newline
    ldr x30, [sp], #16
    ret

alignment:
    str x30, [sp, #-16]!
    ldr x0, =(LAST_PAGE_VA + 4)
    mov x1, #0
    say "ldxr, misaligned:"
    probe
    ldxr x1, [x0]
    bl no_exception
    ldr x0, =(LAST_PAGE_VA + 8)
    say "ldxp, aligned to half its size:"
    probe
    ldxp x1, x2, [x0]
    bl no_exception
    mov x1, #0
    ldr x0, =(LAST_PAGE_VA + 15)
    say "ldr, misaligned, SCTLR_EL1.A = 0:"
    probe
    ldr x1, [x0]
    bl no_exception
    mrs x3, sctlr_el1
    orr x4, x3, #2
    msr sctlr_el1, x4
    isb
    say "ldr, misaligned, SCTLR_EL1.A = 1:"
    probe
    ldr x1, [x0]
    bl no_exception
    say "strh, misaligned, SCTLR_EL1.A = 1:"
    probe
    strh w1, [x0]
    bl no_exception
    say "ldrb, SCTLR_EL1.A = 1:"
    probe
    ldrb w1, [x0]
    bl no_exception
    msr sctlr_el1, x3
    isb
    ldr x30, [sp], #16
    ret

// An exception inside a handler overwrites ELR, SPSR, ESR and FAR: what the outer handler did not save is gone.
nesting:
    str x30, [sp, #-16]!
    adr x0, nesting_vectors
    msr vbar_el1, x0
    isb
    adr x26, 1f
    ldr x0, =(UNMAPPED_VA + 0x10)
    ldr x2, =(READ_ONLY_VA + 0x20)
    ldr x1, =0x60000000
    msr nzcv, x1
    msr daifclr, #1
1:  ldr x1, [x0]
    msr daifset, #15
    adr x0, vectors
    msr vbar_el1, x0
    isb
    sub x3, x3, x26
    say "outer: ESR="
    hex x5, 8
    say " ELR=at+"
    hex x3, 1
    say " FAR="
    hex x6, 16
    say " SPSR="
    ldr x9, =0xf07003df
    and x4, x4, x9
    hex x4, 8
    bl put_newline
    adr x3, nesting_inner
    sub x10, x10, x3
    say "inner: ESR="
    hex x12, 8
    say " ELR=inner+"
    hex x10, 1
    say " FAR="
    hex x13, 16
    say " SPSR="
    and x11, x11, x9
    hex x11, 8
    bl put_newline
    ldr x30, [sp], #16
    ret

.balign 2048
nesting_vectors:
    b .
    .balign 512
    // Current EL with SP_ELx, synchronous. The first entry faults on a store; the second returns to the outer handler.
    mrs x15, esr_el1
    tbnz x15, #6, 1f                // WnR: the inner one
    mrs x3, elr_el1
    mrs x4, spsr_el1
    mrs x5, esr_el1
    mrs x6, far_el1
    msr nzcv, xzr
nesting_inner:
    str x1, [x2]
    add x3, x3, #4                  // the outer handler goes on with what it saved
    msr elr_el1, x3
    sub x3, x3, #4
    msr spsr_el1, x4
    eret
1:  mrs x10, elr_el1
    mrs x11, spsr_el1
    mrs x12, esr_el1
    mrs x13, far_el1
    add x14, x10, #4
    msr elr_el1, x14
    eret
    .balign 2048
