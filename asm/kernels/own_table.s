// own_table — PE 0 demotes the block of the direct map that holds the L2 table of its own descriptor, or the contiguous run that holds its
// L3 table: with FreeBSD's temporary mapping of the table (tmpl2, tmpl3), or by the direct map itself, which is then what is broken.
//
// Options: firmware/own_table.py.
        .include "kernel.inc"
        .include "report.inc"
        .include "pmap.inc"

        .equ    O_TABLE_VA, G_SCRATCH           // where the direct map shows the table

//----------------------------------------------------------------------------------------
// kernel_main — find the mapping, demote it
//
// Out       x0  exit status
// Clobbers  x0-x17, NZCV
// Needs     PE 0, booted
//----------------------------------------------------------------------------------------
kernel_main:
        push_pair x19, x30
        push_pair x20, x21
        bl      pmap_bootstrap
        bl      find_table
        load_constant x19, GLOBALS_VA
        cbz     x0, .L_no_table
        str     x0, [x19, #O_TABLE_VA]
        mov     x20, x0
.if TEMPORARY_MAPPING
.else
        adr     x1, change_in_place
        str     x1, [x19, #(G_PMAP+PM_UPDATE_ENTRY)]
        adr     x1, separate_in_place
        str     x1, [x19, #(G_PMAP+PM_DEMOTE_STRIDED)]
.endif
        adr     x1, handle_window_fault
.if RETRY==RETRY_NONE
        mov     x1, #0
.endif
        str     x1, [x19, #G_EL1_SYNC]
        bl      pmap_lock
.if RETRY==RETRY_IDENTITY
        adr     x1, retry_by_identity
        str     x1, [x19, #G_EL1_SYNC]
.endif
        mov     x0, x20
.if DEMOTED==DEMOTED_RUN
        bl      pmap_pte
        mov     x1, x0
        mov     x0, x20
        bl      pmap_demote_l3c
        mov     x0, #1
.else
        bl      pmap_l2_entry
        mov     x1, x0
        mov     x0, x20
        bl      pmap_demote_l2
.endif
        mov     x21, x0
        bl      pmap_unlock
        cbz     x21, .L_no_table
        adr     x0, demoted_text
        bl      put_string
        mov     x0, #EXIT_OK
        b       .L_main_done
.L_no_table:
        adr     x0, no_own_table_text
        bl      put_string
        mov     x0, #EXIT_WRONG
.L_main_done:
        pop_pair x20, x21
        pop_pair x19, x30
        ret

//----------------------------------------------------------------------------------------
// find_table — where the direct map shows the table whose own mapping is to be demoted
//
// Out       x0  VA | 0 there is none
// Clobbers  x0-x17, NZCV                    Preserves  x19-x29
// Needs     EL1h, PE 0, pmap_bootstrap done
// Touches while invalid   as pmap_demote_l2 does
//----------------------------------------------------------------------------------------
find_table:
        push_pair x19, x30
        push_pair x20, x21
.if DEMOTED==DEMOTED_RUN
        bl      vm_page_alloc_noobj             // the frame of the next table lies near this one
        cbz     x0, .L_table_found
        load_constant x1, DMAP_OFFSET
        add     x19, x0, x1
        bl      pmap_lock
        mov     x0, x19
        bl      pmap_l2_entry
        mov     x1, x0
        mov     x0, x19
        bl      pmap_demote_l2
        mov     x20, x0                         // the block's table, as the direct map shows it
        bl      pmap_unlock
        eor     x1, x20, x19
        lsr     x1, x1, #L2_SHIFT
        cmp     x1, #0
        csel    x0, x20, xzr, eq
.else
        load_constant x0, DMAP_L2_PA+DMAP_OFFSET
.endif
.L_table_found:
        pop_pair x20, x21
        pop_pair x19, x30
        ret

//----------------------------------------------------------------------------------------
// change_in_place — pmap_break_before_make on the descriptor where the direct map shows it
//
// In        x0  VA of the block   x1  address of its descriptor, not looked at
//           x2  the new descriptor         x3  bytes to invalidate
// Out       as pmap_break_before_make
// Clobbers  x0-x17, NZCV                    Preserves  x19-x29
// Needs     EL1h, no other PE changing this descriptor
// Touches while invalid   code: identity map   stack: none   data: the descriptor, through the direct map
// Order     that of pmap_break_before_make
//----------------------------------------------------------------------------------------
change_in_place:
        mov     x15, x0
        mov     x12, x2
        mov     x13, x3
        mov     x16, x30
        bl      pmap_l2_entry
        mov     x1, x0
        mov     x0, x15
        mov     x2, x12
        mov     x3, x13
        mov     x30, x16
        b       pmap_break_before_make

//----------------------------------------------------------------------------------------
// separate_in_place — pmap_demote_strided on the descriptors where the direct map shows them
//
// In        x0  VA of the run       x1  address of its first descriptor, not looked at    x3  bytes of the run
// Out       as pmap_demote_strided
// Clobbers  x0-x17, NZCV                    Preserves  x19-x29
// Needs     EL1h, no other PE changing these descriptors
// Touches while invalid   code: identity map   stack: none   data: the descriptors, through the direct map
// Order     that of pmap_demote_strided
//----------------------------------------------------------------------------------------
separate_in_place:
        mov     x15, x0
        mov     x13, x3
        mov     x16, x30
        bl      pmap_pte
        mov     x1, x0
        mov     x0, x15
        mov     x3, x13
        mov     x30, x16
        b       pmap_demote_strided

//----------------------------------------------------------------------------------------
// retry_by_identity — handle_window_fault, with the tables read through the identity map
//
// In        x0  frame
// Out       x0  0 retry | 1 another exception, or the address is not mapped
// Clobbers  x1-x7, NZCV
// Needs     EL1, interrupts masked, one PE
//----------------------------------------------------------------------------------------
retry_by_identity:
        push_pair x29, x30
        load_constant x7, GLOBALS_VA+G_PMAP
        str     xzr, [x7, #PM_TABLE_OFFSET]
        bl      handle_window_fault
        load_constant x1, DMAP_OFFSET
        str     x1, [x7, #PM_TABLE_OFFSET]
        pop_pair x29, x30
        ret

demoted_text:
        .asciz  "own_table: demoted\n"
no_own_table_text:
        .asciz  "own_table: no table lies in what it maps\n"
        .balign PAGE_BYTES, 0
image_text_end:
