// Exclusives and LSE atomics: what they leave in memory and registers on one PE, and what four PEs make of shared counters. Four PEs.

.include "common/start.inc"
.include "common/console.inc"
.include "common/finish.inc"
.include "common/exception.inc"
.include "common/tables.inc"
.include "common/secondary.inc"

.equ VA_BITS,       39
.equ TCR,           0x15b5193519    // 4K, both ranges 39 bits, write-back inner shareable, IPS 36 bits, 16-bit ASID
.equ DATA_PA,       0x44000000
.equ COUNTERS_PA,   0x44001000      // each in its own 128 bytes: LL/SC, LSE, CAS, under the ticket lock, the lock
.equ ROUNDS,        500

main:
    mov x2, #VA_BITS
    bl identity_root
    adr x1, shared_root
    str x0, [x1]
    mov x1, x0
    ldr x2, =TCR
    bl translation_on
    ldr x19, =DATA_PA
    bl exclusives
    bl monitor
    bl lse
    bl compare_and_swap
    bl start_others
    bl stolen
    bl counters
    say "== end"
    bl put_newline
    b system_off

irq_handler:                        // every interrupt is masked
    mov x0, #98
    b exit_status

.balign 8
shared_root:
    .quad 0

// Purpose   fill the 32 bytes at x19 with a pattern
reset_data:
    stp x0, x1, [sp, #-16]!
    ldr x0, =0x8899aabbccddeeff
    ldr x1, =0x7766554433221100
    stp x0, x1, [x19]
    stp x1, x0, [x19, #16]
    ldp x0, x1, [sp], #16
    ret

// Purpose   print status x4, what was loaded x1 and x2, and the 16 bytes at x19
report:
    str x30, [sp, #-16]!
    say " status="
    hex x4, 1
    say " loaded="
    hex x1, 16
    say " "
    hex x2, 16
    say " memory="
    ldr x0, [x19]
    hex x0, 16
    say " "
    ldr x0, [x19, #8]
    hex x0, 16
    bl put_newline
    ldr x30, [sp], #16
    ret

.macro pair text, load, store, register
    bl reset_data
    say "\text"
    mov x1, #0
    mov x2, #0
    mov x4, #9
    ldr x3, =0x1234567890abcdef
    \load \register\()1, [x19]
    \store w4, \register\()3, [x19]
    bl report
.endm
.macro pair_of_two text, load, store, register
    bl reset_data
    say "\text"
    mov x4, #9
    ldr x3, =0x1234567890abcdef
    ldr x5, =0xfedcba0987654321
    \load \register\()1, \register\()2, [x19]
    \store w4, \register\()3, \register\()5, [x19]
    bl report
.endm

exclusives:
    str x30, [sp, #-16]!
    say "== pairs"
    bl put_newline
    pair "ldxrb, stxrb:", ldxrb, stxrb, w
    pair "ldxrh, stxrh:", ldxrh, stxrh, w
    pair "ldxr, stxr w:", ldxr, stxr, w
    pair "ldxr, stxr x:", ldxr, stxr, x
    pair "ldaxrb, stlxrb:", ldaxrb, stlxrb, w
    pair "ldaxrh, stlxrh:", ldaxrh, stlxrh, w
    pair "ldaxr, stlxr w:", ldaxr, stlxr, w
    pair "ldaxr, stlxr x:", ldaxr, stlxr, x
    pair_of_two "ldxp, stxp w:", ldxp, stxp, w
    pair_of_two "ldxp, stxp x:", ldxp, stxp, x
    pair_of_two "ldaxp, stlxp w:", ldaxp, stlxp, w
    pair_of_two "ldaxp, stlxp x:", ldaxp, stlxp, x
    ldr x30, [sp], #16
    ret

monitor:
    str x30, [sp, #-16]!
    say "== the monitor"
    bl put_newline
    bl reset_data
    mov x2, #0
    mov x3, #0x77
    clrex
    mov x1, #0
    mov x4, #9
    say "stxr without ldxr:"
    stxr w4, x3, [x19]
    bl report
    say "ldxr, clrex, stxr:"
    ldxr x1, [x19]
    clrex
    stxr w4, x3, [x19]
    bl report
    say "ldxp, clrex, stxp:"
    ldxp x1, x2, [x19]
    clrex
    stxp w4, x3, x3, [x19]
    bl report
    mov x2, #0
    say "ldxr, stxr, stxr: the second"
    ldxr x1, [x19]
    stxr w4, x3, [x19]
    stxr w4, x1, [x19]
    bl report
    say "ldxr, exception and return, stxr:"
    mov x28, #0
    adr x26, 1f
    ldxr x1, [x19]
1:  svc #0x77
    stxr w4, x1, [x19]
    bl report
    say "ldxr, ldxr of the same, stxr:"
    ldxr x1, [x19]
    ldxr x1, [x19]
    mov x3, #0x78
    stxr w4, x3, [x19]
    bl report
    ldr x30, [sp], #16
    ret

// One operation in all sizes, then with each ordering. x3 is the operand; memory starts as reset_data leaves it.
.macro atomic instruction, operand, register
    bl reset_data
    say "\instruction:"
    mov x1, #0
    ldr x3, =0xff8070605f403021
    \instruction \operand, \register, [x19]
    bl report
.endm
.macro atomic_family name
    atomic \name\()b, w3, w1
    atomic \name\()h, w3, w1
    atomic \name, w3, w1
    atomic \name, x3, x1
    atomic \name\()a, x3, x1
    atomic \name\()l, x3, x1
    atomic \name\()al, x3, x1
    atomic \name\()alb, w3, w1
    atomic \name\()ah, w3, w1
.endm
.macro atomic_sizes name
    atomic \name\()b, w3, w1
    atomic \name\()h, w3, w1
    atomic \name, w3, w1
    atomic \name, x3, x1
.endm

lse:
    str x30, [sp, #-16]!
    say "== LSE"
    bl put_newline
    mov x2, #0
    mov x4, #0
    bl lse_first
    bl lse_second
    say "into the zero register:"
    bl reset_data
    mov x1, #0
    mov x3, #3
    ldadd x3, xzr, [x19]
    bl report
    say "stadd:"
    bl reset_data
    stadd x3, [x19]
    bl report
    say "the operand is the result:"
    bl reset_data
    mov x1, #5
    ldadd x1, x1, [x19]
    bl report
    say "the base is the result:"
    bl reset_data
    mov x5, x19
    mov x1, #6
    swp x1, x5, [x5]
    mov x1, x5
    bl report
    ldr x30, [sp], #16
    ret
lse_first:
    str x30, [sp, #-16]!
    atomic_family ldadd
    atomic_family swp
    atomic_sizes ldclr
    atomic_sizes ldeor
    ldr x30, [sp], #16
    ret
lse_second:
    str x30, [sp, #-16]!
    atomic_sizes ldset
    atomic_sizes ldsmax
    atomic_sizes ldsmin
    atomic_sizes ldumax
    atomic_sizes ldumin
    ldr x30, [sp], #16
    ret

// Purpose   CAS that compares equal, then one that does not. x1: compared and loaded; x3: new
.macro compare instruction, register
    bl reset_data
    say "\instruction, equal:"
    ldr x1, =0x8899aabbccddeeff
    mov x3, #0x5a
    \instruction \register\()1, \register\()3, [x19]
    bl report
    bl reset_data
    say "\instruction, different:"
    mov x1, #1
    \instruction \register\()1, \register\()3, [x19]
    bl report
.endm
// The same for a pair: x2 is printed in the place of the second word.
.macro compare_two instruction, register
    bl reset_data
    say "\instruction \register, equal:"
    ldr x6, [x19]
    ldr x7, [x19, #8]
    .ifc \register, w
    lsr x7, x6, #32
    .endif
    mov x8, #0x5a
    mov x9, #0x5b
    \instruction \register\()6, \register\()7, \register\()8, \register\()9, [x19]
    mov x1, x6
    mov x2, x7
    bl report
    bl reset_data
    say "\instruction \register, different in the second:"
    ldr x6, [x19]
    mov x7, #1
    \instruction \register\()6, \register\()7, \register\()8, \register\()9, [x19]
    mov x1, x6
    mov x2, x7
    bl report
.endm

compare_and_swap:
    str x30, [sp, #-16]!
    say "== CAS"
    bl put_newline
    mov x2, #0
    mov x4, #0
    compare casb, w
    compare cash, w
    compare cas, w
    compare cas, x
    compare casa, x
    compare casl, x
    compare casal, x
    compare_two casp, w
    compare_two casp, x
    compare_two caspal, x
    ldr x30, [sp], #16
    ret

start_others:
    str x30, [sp, #-16]!
    mov x20, #1
1:  bl start_pe
    adr x21, worker_init
    mov x22, #0
    bl call_pe
    bl wait_pe
    add x20, x20, #1
    cmp x20, #4
    b.ne 1b
    ldr x30, [sp], #16
    ret
worker_init:
    str x30, [sp, #-16]!
    adr x0, shared_root
    ldr x0, [x0]
    mov x1, x0
    ldr x2, =TCR
    bl translation_on
    mov x0, #0
    ldr x30, [sp], #16
    ret

// Another PE's store between LDXR and STXR.
stolen:
    str x30, [sp, #-16]!
    say "== ldxr, a store by PE 1, stxr:"
    bl reset_data
    mov x2, #0
    mov x20, #1
    adr x21, store_to_data
    ldr x22, =0x0102030405060708
    ldxr x1, [x19]
    mov x5, x1
    bl call_pe
    bl wait_pe
    mov x1, x5
    mov x3, #0x99
    stxr w4, x3, [x19]
    bl report
    ldr x30, [sp], #16
    ret
store_to_data:
    ldr x1, =DATA_PA
    str x0, [x1]
    dsb ish
    ret

counters:
    str x30, [sp, #-16]!
    say "== four PEs, 500 rounds each"
    bl put_newline
    ldr x5, =COUNTERS_PA
    mov x6, #0
1:  str xzr, [x5, x6]
    add x6, x6, #8
    cmp x6, #0x400
    b.ne 1b
    mov x22, #ROUNDS
    adr x21, count_by_exclusives
    bl together
    say "ldxr, stxr: "
    ldr x5, =COUNTERS_PA
    ldr x0, [x5]
    hex x0, 4
    bl put_newline
    adr x21, count_by_ldadd
    bl together
    say "ldadd: "
    ldr x5, =COUNTERS_PA
    ldr x0, [x5, #128]
    hex x0, 4
    bl put_newline
    adr x21, count_by_cas
    bl together
    say "cas: "
    ldr x5, =COUNTERS_PA
    ldr x0, [x5, #256]
    hex x0, 4
    bl put_newline
    adr x21, count_under_lock
    bl together
    say "under a ticket lock: "
    ldr x5, =COUNTERS_PA
    ldr x0, [x5, #384]
    hex x0, 4
    say ", next="
    ldr w0, [x5, #512]
    hex x0, 4
    say " owner="
    ldr w0, [x5, #516]
    hex x0, 4
    bl put_newline
    ldr x30, [sp], #16
    ret

// Purpose   every PE calls x21 with x22
together:
    str x30, [sp, #-16]!
    mov x20, #1
1:  bl call_pe
    add x20, x20, #1
    cmp x20, #4
    b.ne 1b
    mov x0, x22
    blr x21
    mov x20, #1
2:  bl wait_pe
    add x20, x20, #1
    cmp x20, #4
    b.ne 2b
    ldr x30, [sp], #16
    ret

// Each of these: In x0 rounds. Clobbers x0 to x6
count_by_exclusives:
    ldr x5, =COUNTERS_PA
1:  ldxr x1, [x5]
    add x1, x1, #1
    stxr w2, x1, [x5]
    cbnz w2, 1b
    subs x0, x0, #1
    b.ne 1b
    ret
count_by_ldadd:
    ldr x5, =(COUNTERS_PA + 128)
    mov x1, #1
1:  ldadd x1, x2, [x5]
    subs x0, x0, #1
    b.ne 1b
    ret
count_by_cas:
    ldr x5, =(COUNTERS_PA + 256)
1:  ldr x1, [x5]
2:  mov x2, x1
    add x3, x1, #1
    casal x1, x3, [x5]
    cmp x1, x2
    b.ne 2b
    subs x0, x0, #1
    b.ne 1b
    ret
count_under_lock:
    ldr x5, =(COUNTERS_PA + 384)
    ldr x6, =(COUNTERS_PA + 512)    // next ticket, owner
    add x4, x6, #4
    mov w3, #1
1:  ldadda w3, w1, [x6]
2:  ldar w2, [x4]
    cmp w2, w1
    b.eq 3f
    yield
    b 2b
3:  ldr x2, [x5]                    // plain: the lock alone protects it
    add x2, x2, #1
    str x2, [x5]
    add w1, w1, #1
    stlr w1, [x4]
    subs x0, x0, #1
    b.ne 1b
    ret
