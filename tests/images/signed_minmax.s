// LDSMAX, LDSMIN, STSMAX and STSMIN of every size: results, alignment, and aborts with the right WnR; 4 KiB granule.

.equ GRANULE_SHIFT,     12
.equ TCR_GRANULES,      2 << 30

.include "common/start.inc"
.include "common/console.inc"
.include "common/finish.inc"
.include "common/exception.inc"
.include "common/tables.inc"
.include "common/el0.inc"
.include "common/probes.inc"
.include "common/regime.inc"

.equ WRITABLE_VA,       0x21000000
.equ READ_ONLY_VA,      0x21001000
.equ EL0_VA_OF_DATA,    0x21002000
.equ UNMAPPED_VA,       0x21003000
.equ DEVICE_VA,         0x21004000      // no device answers behind it

irq_handler:                        // every interrupt is masked
    mov x0, #98
    b exit_status

// One operation on memory 0x..., operand x2; prints what was loaded and what is in memory. x0 = WRITABLE_VA.
.macro on operation, register, memory, operand
    say "\operation \memory \operand"
    ldr x1, =\memory
    str x1, [x0]
    ldr x2, =\operand
    mov x3, #-1
    \operation \register\()2, \register\()3, [x0]
    bl result
.endm
.macro store operation, register, memory, operand
    say "\operation \memory \operand"
    ldr x1, =\memory
    str x1, [x0]
    ldr x2, =\operand
    mov x3, #-1
    \operation \register\()2, [x0]
    bl result
.endm
// The same pairs for an operation
.macro pairs operation, register, negative, positive, smaller
    on \operation, \register, \negative, \positive
    on \operation, \register, \positive, \negative
    on \operation, \register, \negative, \smaller
    on \operation, \register, \smaller, \negative
    on \operation, \register, \positive, \positive
    on \operation, \register, 0, \negative
.endm

main:
    mov x20, #39
    mov x21, #39
    bl regime
    mov x3, #3
    ldr x1, =WRITABLE_VA
    ldr x4, =(SCRATCH_PA + LEAF_PAGE + ATTR_NORMAL)
    bl map_va
    ldr x1, =READ_ONLY_VA
    ldr x4, =(SCRATCH_PA + LEAF_PAGE + ATTR_NORMAL + AP_RO)
    bl map_va
    ldr x1, =EL0_VA_OF_DATA
    ldr x4, =(SCRATCH_PA + LEAF_PAGE + ATTR_NORMAL + AP_EL0)
    bl map_va
    ldr x1, =DEVICE_VA
    ldr x4, =(NOTHING_PA + LEAF_PAGE + ATTR_NORMAL)
    bl map_va
    bl regime_on
    ldr x0, =WRITABLE_VA
    pairs ldsmaxb, w, 0x1122334455667780, 0x112233445566777f, 0x11223344556677c3
    pairs ldsminb, w, 0x1122334455667780, 0x112233445566777f, 0x11223344556677c3
    pairs ldsmaxh, w, 0x1122334455668000, 0x1122334455667fff, 0x112233445566c333
    pairs ldsminh, w, 0x1122334455668000, 0x1122334455667fff, 0x112233445566c333
    pairs ldsmax, w, 0x1122334480000000, 0x112233447fffffff, 0x11223344c3333333
    pairs ldsmin, w, 0x1122334480000000, 0x112233447fffffff, 0x11223344c3333333
    pairs ldsmax, x, 0x8000000000000000, 0x7fffffffffffffff, 0xc333333333333333
    pairs ldsmin, x, 0x8000000000000000, 0x7fffffffffffffff, 0xc333333333333333
    on ldsmaxab, w, 0x80, 0x01
    on ldsminalh, w, 0x8000, 0x01
    on ldsmaxl, w, 0x80000000, 0x01
    store stsmaxb, w, 0x80, 0x01
    store stsminlh, w, 0x01, 0x8000
    store stsmin, w, 0x01, 0xffffffff
    say "from wzr into wzr"
    ldr x1, =0x1234567890abcdef
    str x1, [x0]
    mov x2, #2
    mov x3, #3
    ldsmaxb wzr, wzr, [x0]
    bl result
    say "one register for operand and result"
    ldr x2, =0xfffffffffffffff0
    mov x3, #7
    ldsminh w2, w2, [x0]
    mov x3, x2
    bl result
    say "one register for operand and address"
    mov x2, #0
    mov x3, x0
    ldsmin w3, w3, [x3]
    bl result
    say "by sp"
    sub sp, sp, #16
    ldr x1, =0x80
    str x1, [sp]
    mov x2, #5
    ldsmaxb w2, w3, [sp]
    ldr x1, [sp], #16
    str x1, [x0]
    bl result
    bl aborts
    say "== end"
    bl put_newline
    b system_off

result:
    stp x1, x30, [sp, #-16]!
    say ": "
    hex x3, 16
    say " "
    ldr x1, [x0]
    hex x1, 16
    bl put_newline
    ldp x1, x30, [sp], #16
    ret

.macro refuse va, operation, register
    ldr x0, =\va
    mov x2, #1
    mov x3, #-1
    say "\operation at \va:"
    probe
    \operation \register\()2, \register\()3, [x0]
    bl no_exception
.endm
aborts:
    str x30, [sp, #-16]!
    refuse UNMAPPED_VA, ldsmaxb, w
    refuse UNMAPPED_VA, ldsmax, x
    refuse READ_ONLY_VA, ldsminh, w
    refuse READ_ONLY_VA, ldsmin, w
    refuse READ_ONLY_VA, ldsmin, x
    refuse READ_ONLY_VA + 1, ldsmaxh, w
    refuse UNMAPPED_VA + 2, ldsmax, w
    refuse WRITABLE_VA + 4, ldsmax, w
    refuse WRITABLE_VA + 2, ldsmax, w
    refuse DEVICE_VA, ldsmaxb, w
    refuse 0xa500000021000000, ldsmaxb, w
    say "EL0"
    bl put_newline
    ldr x0, =EL0_VA_OF_DATA
    bl el0_maximum
    ldr x0, =WRITABLE_VA
    bl el0_maximum
    ldr x0, =READ_ONLY_VA
    bl el0_maximum
    ldr x0, =(EL0_VA_OF_DATA + 1)
    bl el0_maximum
    ldr x30, [sp], #16
    ret
el0_maximum:
    str x30, [sp, #-16]!
    say "  EL0 ldsmaxh "
    hex x0, 16
    say ":"
    mov x2, #0x7000
    adr x9, user_maximum
    bl el0_run
    ldr x30, [sp], #16
    ret

    .balign 4096
el0_page:
user_maximum:
    ldsmaxh w2, w1, [x0]
    svc #0xe0
    .include "common/user_probes.inc"
    .balign 4096
