// PSCI by HVC: versions and features, one PE turning others on, asking for them, and the end by SYSTEM_OFF. Four PEs.

.include "common/start.inc"
.include "common/console.inc"
.include "common/finish.inc"
.include "common/exception.inc"
.include "common/secondary.inc"

.equ VERSION,           0x84000000
.equ CPU_OFF,           0x84000002
.equ CPU_ON_32,         0x84000003
.equ CPU_ON,            0xc4000003
.equ AFFINITY_INFO_32,  0x84000004
.equ AFFINITY_INFO,     0xc4000004
.equ SYSTEM_OFF,        0x84000008
.equ SYSTEM_RESET,      0x84000009
.equ FEATURES,          0x8400000a

.equ RECORD_PA,         0x44000000  // what a PE found when it started

.macro feature function
    ldr x0, =FEATURES
    ldr x1, =\function
    bl psci
    bl print_result
.endm

main:
    say "PSCI_VERSION, major: "
    ldr x0, =VERSION
    bl psci
    ubfx x0, x0, #16, #15
    hex x0, 4
    bl put_newline
    say "features: PSCI_VERSION "
    feature VERSION
    say "features: CPU_OFF "
    feature CPU_OFF
    say "features: CPU_ON "
    feature CPU_ON
    say "features: AFFINITY_INFO "
    feature AFFINITY_INFO
    say "features: SYSTEM_OFF "
    feature SYSTEM_OFF
    say "features: SYSTEM_RESET "
    feature SYSTEM_RESET
    say "features: PSCI_FEATURES "
    feature FEATURES
    say "features: a function that does not exist "
    feature 0x8400ff00
    say "a function that does not exist: "
    ldr x0, =0xc400ff00
    bl psci
    bl print_result

    say "CPU_ON of this PE: "
    mov x1, #0
    bl turn_on
    bl print_result
    say "CPU_ON of Aff0=4: "
    mov x1, #4
    bl turn_on
    bl print_result
    say "CPU_ON of Aff1=1: "
    mov x1, #0x100
    bl turn_on
    bl print_result
    say "CPU_ON of Aff3=1: "
    ldr x1, =0x100000000
    bl turn_on
    bl print_result
    mov x20, #0
    bl print_affinity
    mov x20, #1
    bl print_affinity
    mov x20, #3
    bl print_affinity
    mov x20, #5
    bl print_affinity

    mov x20, #1
1:  bl turn_on_and_report
    bl print_affinity
    say "CPU_ON again: "
    mov x1, x20
    bl turn_on
    bl print_result
    bl let_go
    add x20, x20, #1
    cmp x20, #4
    b.ne 1b

    say "PE 2 once more, by the 32-bit function"
    bl put_newline
    mov x20, #2
    bl clear_record
    ldr x0, =CPU_ON_32
    mov x1, x20
    adr x2, on
    ldr x3, =0x89abcdef
    bl psci
    bl print_result
    bl wait_for_record
    say "affinity info, 32-bit: "
    ldr x0, =AFFINITY_INFO_32
    mov x1, #2
    mov x2, #0
    bl psci
    bl print_result
    bl let_go
    say "SYSTEM_OFF with PE 3 running"
    bl put_newline
    mov x20, #3
    bl clear_record
    mov x1, #3
    bl turn_on
    bl wait_for_record
    b system_off

irq_handler:                        // every interrupt is masked
    mov x0, #98
    b exit_status

print_result:
    str x30, [sp, #-16]!
    hex x0, 16
    bl put_newline
    ldr x30, [sp], #16
    ret

// In x1 MPIDR. Out x0. The context is recognisable.
turn_on:
    str x30, [sp, #-16]!
    ldr x0, =CPU_ON
    adr x2, on
    ldr x3, =0x123456789abcdef0
    add x3, x3, x1
    bl psci
    ldr x30, [sp], #16
    ret

print_affinity:                     // of PE x20
    str x30, [sp, #-16]!
    say "affinity info of "
    hex x20, 1
    say ": "
    ldr x0, =AFFINITY_INFO
    mov x1, x20
    mov x2, #0
    bl psci
    bl print_result
    ldr x30, [sp], #16
    ret

clear_record:
    ldr x4, =RECORD_PA
    mov x5, #64
1:  sub x5, x5, #8
    str xzr, [x4, x5]
    cbnz x5, 1b
    dsb ish
    ret

turn_on_and_report:
    str x30, [sp, #-16]!
    bl clear_record
    say "CPU_ON of "
    hex x20, 1
    say ": "
    mov x1, x20
    bl turn_on
    bl print_result
    bl wait_for_record
    ldr x30, [sp], #16
    ret

wait_for_record:
    str x30, [sp, #-16]!
    ldr x4, =RECORD_PA
    add x5, x4, #56
1:  yield
    ldar x0, [x5]
    cbz x0, 1b
    say "  x0="
    ldr x0, [x4]
    hex x0, 16
    say " CurrentEL="
    ldr x0, [x4, #8]
    hex x0, 1
    say " DAIF="
    ldr x0, [x4, #16]
    hex x0, 3
    say " SPSel="
    ldr x0, [x4, #24]
    hex x0, 1
    say " SCTLR_EL1.M="
    ldr x0, [x4, #32]
    and x0, x0, #1
    hex x0, 1
    say " affinity="
    ldr x0, [x4, #40]
    ldr x1, =0xff00ffffff
    and x0, x0, x1
    hex x0, 10
    bl put_newline
    ldr x30, [sp], #16
    ret

// Purpose   where the PEs start: record, wait to be let go, turn off
on:
    ldr x4, =RECORD_PA
    str x0, [x4]
    mrs x0, currentel
    str x0, [x4, #8]
    mrs x0, daif
    str x0, [x4, #16]
    mrs x0, spsel
    str x0, [x4, #24]
    mrs x0, sctlr_el1
    str x0, [x4, #32]
    mrs x0, mpidr_el1
    str x0, [x4, #40]
    mov x0, #1
    add x5, x4, #56
    stlr x0, [x5]
1:  yield
    ldar x0, [x5]
    cmp x0, #2
    b.ne 1b
    ldr x0, =CPU_OFF
    hvc #0
    b .

// Purpose   let PE x20 turn itself off and wait until AFFINITY_INFO says so
let_go:
    str x30, [sp, #-16]!
    ldr x4, =RECORD_PA
    add x5, x4, #56
    mov x0, #2
    stlr x0, [x5]
1:  yield
    ldr x0, =AFFINITY_INFO
    mov x1, x20
    mov x2, #0
    bl psci
    cbz x0, 1b
    say "after CPU_OFF, affinity info: "
    bl print_result
    ldr x30, [sp], #16
    ret
