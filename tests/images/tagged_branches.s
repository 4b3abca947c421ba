// Branches and exception returns to tagged addresses (TCR_EL1.TBI0, TBI1), and contiguous runs of blocks; 4 KiB granule.
//
// With TBI the PC never holds a tag: a branch, ERET and the exception that reports a PC show the sign extension of bit 55 instead.

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

.equ LOW_VA,            0x0000000021000000
.equ HIGH_VA,           0xffff123456000000
.equ RUN_VA,            0xffff120000000000
.equ RUN_PA,            0x44000000
.equ RUN_BLOCKS,        16
.equ BLOCK_BYTES,       0x200000

irq_handler:                        // every interrupt is masked
    mov x0, #98
    b exit_status

main:
    mov x20, #48
    mov x21, #48
    say "== TBI0=0 TBI1=0"
    bl put_newline
    mov x25, #0
    bl tagged
    say "== TBI0=1 TBI1=0"
    bl put_newline
    mov x25, #TCR_TBI0
    bl tagged
    say "== TBI0=0 TBI1=1"
    bl put_newline
    mov x25, #TCR_TBI1
    bl tagged
    say "== TBI0=1 TBI1=1"
    bl put_newline
    ldr x25, =(TCR_TBI0 + TCR_TBI1)
    bl tagged
    bl run_of_blocks
    say "== end"
    bl put_newline
    b system_off

// In x25 bits of TCR_EL1
tagged:
    str x30, [sp, #-16]!
    bl regime
    mov x24, x25
    ldr x0, =SCRATCH_PA             // at 0x20 of the first page: where am I
    ldr w1, where_am_i
    ldr w2, where_am_i + 4
    stp w1, w2, [x0, #0x20]
    dsb ish
    ic iallu                        // that page has been executed before
    dsb ish
    isb
    mov x3, #3
    ldr x1, =LOW_VA
    ldr x4, =(SCRATCH_PA + LEAF_PAGE + ATTR_NORMAL)
    bl map_va
    ldr x1, =(LOW_VA + 0x1000)
    ldr x4, =(SCRATCH_PA + LEAF_PAGE + ATTR_NORMAL + AP_EL0)
    bl map_va
    ldr x1, =HIGH_VA
    ldr x4, =(SCRATCH_PA + LEAF_PAGE + ATTR_NORMAL)
    bl map_va
    ldr x1, =(HIGH_VA + 0x1000)
    ldr x4, =(SCRATCH_PA + LEAF_PAGE + ATTR_NORMAL + AP_EL0)
    bl map_va
    bl regime_on
    ldr x0, =LOW_VA
    bl jump
    ldr x0, =(LOW_VA + 0x5a00000000000000)
    bl jump
    bl jump_back
    ldr x0, =(LOW_VA + 0x1000 + 0x5a00000000000000)
    bl el0_fetch
    bl el0_start
    ldr x0, =(LOW_VA + 0x2000 + 0x5a00000000000000)     // unmapped
    bl jump
    bl el0_fetch
    ldr x0, =HIGH_VA
    bl jump
    ldr x0, =(HIGH_VA - 0x5a00000000000000)
    bl jump
    bl jump_back
    ldr x0, =(HIGH_VA + 0x1000 - 0x5a00000000000000)
    bl el0_fetch
    bl el0_start
    ldr x0, =(HIGH_VA + 0x2000 - 0x5a00000000000000)    // unmapped
    bl jump
    bl el0_fetch
    ldr x30, [sp], #16
    ret
    .balign 4
where_am_i:
    adr x1, .
    ret

// Purpose   BLR to x0 + 0x20; prints the PC there
jump:
    str x30, [sp, #-16]!
    say "  blr "
    hex x0, 16
    say ":"
    mov x1, #0
    add x26, x0, #0x20
    adr x28, 1f
    blr x26
    bl no_exception
1:  ldr x30, [sp], #16
    ret

// Purpose   ERET at EL1 to x0 + 0x20; prints the PC there
jump_back:
    str x30, [sp, #-16]!
    say "  eret "
    hex x0, 16
    say ":"
    mov x1, #0
    add x26, x0, #0x20
    adr x28, 1f
    adr x30, 2f
    msr elr_el1, x26
    mov x9, #SPSR_EL1H
    msr spsr_el1, x9
    isb
    eret
2:  bl no_exception
1:  ldr x30, [sp], #16
    ret

// Purpose   ERET to EL0 at x0, where an SVC lies
el0_start:
    str x30, [sp, #-16]!
    say "  eret to EL0 "
    hex x0, 16
    say ":"
    mov x1, #0
    adr x9, el0_page                // el0_run takes an address of this page
    add x9, x9, x0
    ldr x2, =EL0_VA
    sub x9, x9, x2
    bl el0_run
    ldr x30, [sp], #16
    ret

// Sixteen blocks of level 2 with the contiguous bit, 32 MiB: first, middle and last, what lies behind, then one made invalid with the rest.
run_of_blocks:
    str x30, [sp, #-16]!
    say "== contiguous blocks of level 2"
    bl put_newline
    bl regime
    ldr x0, =RUN_PA
    mov x1, #0x5500
    mov x2, #RUN_BLOCKS
    mov x3, #BLOCK_BYTES
1:  str x1, [x0, #0x1010]
    add x1, x1, #1
    add x0, x0, x3
    subs x2, x2, #1
    b.ne 1b
    bl map_run_of_blocks
    bl regime_on
    bl read_run
    say "the whole run broken, TLBI by the VA of one block"
    bl put_newline
    mov x25, #0
2:  bl run_slot
    str xzr, [x0]
    add x25, x25, #1
    cmp x25, #RUN_BLOCKS
    b.ne 2b
    dsb ishst                       // broken everywhere before the TLBI
    ldr x1, =(RUN_VA + 5 * BLOCK_BYTES)
    ubfx x1, x1, #12, #44
    tlbi vaae1, x1
    dsb ish
    isb
    ldr x0, =(RUN_VA + 5 * BLOCK_BYTES + 0x1000)
    bl read
    tlbi vmalle1
    dsb ish
    isb
    bl read_run
    ldr x30, [sp], #16
    ret
map_run_of_blocks:
    str x30, [sp, #-16]!
    ldr x1, =RUN_VA
    mov x0, x23
    mov x2, x21
    mov x3, #2
    ldr x4, =(RUN_PA + LEAF_BLOCK + ATTR_NORMAL + CONTIGUOUS)
    mov x5, #RUN_BLOCKS
    bl map_run
    ldr x30, [sp], #16
    ret
run_slot:                           // x25 -> x0
    str x30, [sp, #-16]!
    ldr x1, =RUN_VA
    mov x2, #BLOCK_BYTES
    madd x1, x2, x25, x1
    mov x3, #2
    bl slot_va
    ldr x30, [sp], #16
    ret
read_run:
    str x30, [sp, #-16]!
    ldr x0, =(RUN_VA + 0x1000)
    bl read
    ldr x0, =(RUN_VA + 7 * BLOCK_BYTES + 0x1000)
    bl read
    bl write
    ldr x0, =(RUN_VA + 15 * BLOCK_BYTES + 0x1000)
    bl read
    bl el0_read
    ldr x0, =(RUN_VA + 16 * BLOCK_BYTES + 0x1000)
    bl read
    ldr x30, [sp], #16
    ret

    .balign 4096
el0_page:
    .include "common/user_probes.inc"
    .balign 4096
