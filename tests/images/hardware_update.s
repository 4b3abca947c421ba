// Hardware management of the access flag and of the dirty state (FEAT_HAFDBS), 4 KiB granule.
//
// Not here, because the architecture leaves it open: what happens to the access flag when the access then meets a permission fault, what
// AT and a compare and swap that fails leave in the descriptor, and which descriptor of a contiguous run is updated.

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

.equ TCR_HA,            1 << 39
.equ TCR_HD,            1 << 40
.equ DBM,               1 << 51
.equ PAGES_VA,          0xffff123456000000
.equ BLOCK_VA,          0xffff123458000000
.equ CLEAN,             SCRATCH_PA + LEAF_PAGE + ATTR_NORMAL + AP_RO + DBM
.equ ATTR_OLD,          ATTR_NORMAL - AF

irq_handler:                        // every interrupt is masked
    mov x0, #98
    b exit_status

main:
    say "== HA=0 HD=0"
    bl put_newline
    mov x20, #48
    mov x21, #48
    bl make_pages
    bl regime_on
    bl touch_pages
    say "== HA=1 HD=0"
    bl put_newline
    bl make_pages
    mov x24, #TCR_HA
    bl regime_on
    bl touch_pages
    say "== HA=1 HD=1"
    bl put_newline
    bl make_pages
    ldr x24, =(TCR_HA + TCR_HD)
    bl regime_on
    bl touch_pages
    say "== HA=0 HD=1: no update at all"
    bl put_newline
    bl make_pages
    mov x24, #TCR_HD
    bl regime_on
    bl touch_pages
    bl clean_again
    bl block
    say "== end"
    bl put_newline
    b system_off

// Purpose   page n of the list gets its descriptor
make_pages:
    str x30, [sp, #-16]!
    bl regime
    mov x25, #0
1:  bl page_va
    adr x4, descriptors
    ldr x4, [x4, x25, lsl #3]
    cbz x4, 2f
    mov x3, #3
    bl map_va
    add x25, x25, #1
    b 1b
2:  ldr x30, [sp], #16
    ret

page_va:                            // x25 -> x1
    ldr x1, =PAGES_VA
    add x1, x1, x25, lsl #GRANULE_SHIFT
    ret

    .balign 8
descriptors:
    .quad SCRATCH_PA + LEAF_PAGE + ATTR_OLD                             // 0 old
    .quad SCRATCH_PA + LEAF_PAGE + ATTR_OLD                             // 1
    .quad SCRATCH_PA + LEAF_PAGE + ATTR_OLD                             // 2
    .quad SCRATCH_PA + LEAF_PAGE + ATTR_OLD + AP_EL0                    // 3
    .quad SCRATCH_PA + LEAF_PAGE + ATTR_OLD + AP_EL0                    // 4
    .quad SCRATCH_PA + LEAF_PAGE + ATTR_OLD + AP_EL0                    // 5
    .quad CLEAN                                                         // 6 clean
    .quad CLEAN + AP_EL0                                                // 7
    .quad CLEAN                                                         // 8
    .quad SCRATCH_PA + LEAF_PAGE + ATTR_NORMAL + AP_RO                  // 9 read-only for good
    .quad CLEAN - AF                                                    // 10 old and clean
    .quad CLEAN - AF                                                    // 11
    .quad SCRATCH_PA + LEAF_PAGE + ATTR_NORMAL + DBM                    // 12 dirty
    .quad 0

// Purpose   print the descriptor of x25 at level 3, without the address
descriptor:
    stp x0, x30, [sp, #-16]!
    bl page_va
    mov x3, #3
    bl slot_va
    ldr x1, [x0]
    ubfx x2, x1, #51, #1
    say "  DBM="
    hex x2, 1
    ubfx x2, x1, #10, #1
    say " AF="
    hex x2, 1
    ubfx x2, x1, #6, #2
    say " AP="
    hex x2, 1
    bl put_newline
    ldp x0, x30, [sp], #16
    ret

.macro touch number, function
    mov x25, #\number
    bl page_va
    mov x0, x1
    bl \function
    bl descriptor
.endm

touch_pages:
    str x30, [sp, #-16]!
    touch 0, read
    touch 1, write
    touch 2, fetch
    touch 3, el0_read
    touch 4, el0_write
    touch 5, el0_fetch
    touch 6, read                   // reading leaves it clean
    touch 6, write
    touch 6, write
    touch 7, el0_read
    touch 7, el0_write
    touch 8, add_to
    touch 9, write
    touch 10, read
    touch 10, write
    touch 12, write
    ldr x30, [sp], #16
    ret

add_to:
    str x30, [sp, #-16]!
    say "  ldadd "
    hex x0, 16
    say ":"
    mov x1, #1
    add x0, x0, #24
    probe
    ldadd x1, x2, [x0]
    bl no_exception
    ldr x30, [sp], #16
    ret

// A dirty page is made clean again: without a TLBI the PE may go on writing, with one the next write makes it dirty.
clean_again:
    str x30, [sp, #-16]!
    say "== made clean again"
    bl put_newline
    bl make_pages
    ldr x24, =(TCR_HA + TCR_HD)
    bl regime_on
    touch 11, write                 // old and clean at once
    touch 6, write
    mov x3, #3
    bl page_va
    bl slot_va
    ldr x1, [x0]
    orr x1, x1, #AP_RO
    str x1, [x0]
    dsb ishst                       // the walker sees the descriptor
    tlbi vmalle1
    dsb ish                         // and no TLB holds the old one
    isb
    touch 6, read
    touch 6, write
    ldr x30, [sp], #16
    ret

// A block of level 2.
block:
    str x30, [sp, #-16]!
    say "== a block of level 2"
    bl put_newline
    bl make_pages
    ldr x1, =BLOCK_VA
    mov x3, #2
    ldr x4, =(SCRATCH_PA + LEAF_BLOCK + ATTR_OLD + AP_RO + DBM)
    bl map_va
    ldr x24, =(TCR_HA + TCR_HD)
    bl regime_on
    ldr x0, =BLOCK_VA
    bl read
    bl block_descriptor
    ldr x0, =(BLOCK_VA + 0x3000)
    bl write
    bl block_descriptor
    ldr x0, =(BLOCK_VA + 0x5000)
    bl write
    bl block_descriptor
    ldr x30, [sp], #16
    ret
block_descriptor:
    str x30, [sp, #-16]!
    ldr x1, =BLOCK_VA
    mov x3, #2
    bl slot_va
    ldr x1, [x0]
    ubfx x2, x1, #10, #1
    say "  AF="
    hex x2, 1
    ubfx x2, x1, #6, #2
    say " AP="
    hex x2, 1
    bl put_newline
    ldr x30, [sp], #16
    ret

    .balign 4096
el0_page:
    .include "common/user_probes.inc"
    .balign 4096
