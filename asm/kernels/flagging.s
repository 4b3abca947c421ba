// flagging — pages are flagged against promotion before or after their run of 2 MB is filled; then the run is asked to become what it must
// not.
//
// Options (firmware/flagging.py): FLAG_WHEN says whether the pages FLAG_FIRST to FLAG_FIRST+FLAG_PAGES-1 of the run are flagged as they are
// allocated, before the rest of it is, or when all of it is there and a block; THEN what is done to the first of them at the end. Where
// nothing is done, promotion is asked for once more, and its answers are kept in the globals from ANSWERS_OFFSET on: 1 promoted, 0 not.
        .include "kernel.inc"
        .include "report.inc"
        .include "pmap.inc"

        .equ    RUN_PAGES, BLOCK_BYTES/PAGE_BYTES
        .equ    F_ANSWERS, G_SCRATCH+ANSWERS_OFFSET     // of pmap_promote_l2, then of pmap_promote_l3c
        .equ    FLAGGED_VA, KMEM_VA+FLAG_FIRST*PAGE_BYTES

//----------------------------------------------------------------------------------------
// kernel_main — fill, flag, and what THEN says
//
// Out       x0  exit status
// Clobbers  x0-x17, NZCV
// Needs     PE 0, booted
//----------------------------------------------------------------------------------------
kernel_main:
        push_pair x19, x30
        bl      pmap_bootstrap
        load_constant x0, GLOBALS_VA+G_PMAP
        mov     x1, #CONTIGUOUS_RUNS
        str     x1, [x0, #PM_CONTIGUOUS_RUNS]
.if FLAG_WHEN==FLAG_AS_ALLOCATED
.if FLAG_FIRST
        load_constant x0, FLAG_FIRST*PAGE_BYTES
        bl      take_pages
.endif
        load_constant x0, FLAG_PAGES*PAGE_BYTES
        bl      take_pages
        bl      flag_pages
.if FLAG_FIRST+FLAG_PAGES<RUN_PAGES
        load_constant x0, BLOCK_BYTES-(FLAG_FIRST+FLAG_PAGES)*PAGE_BYTES
        bl      take_pages
.endif
.else
        load_constant x0, BLOCK_BYTES
        bl      take_pages
mark_filled:
        bl      flag_pages
.endif
mark_flagged:
        bl      do_then
        bl      report_counters
        mov     x0, #EXIT_OK
        pop_pair x19, x30
        ret

//----------------------------------------------------------------------------------------
// take_pages — the next pages of the run
//
// In        x0  bytes
// Out       nothing
// Clobbers  x0-x17, NZCV                    Preserves  x19-x29
// Needs     EL1h, PE 0, pmap_bootstrap done
//----------------------------------------------------------------------------------------
take_pages:
        push_pair x19, x30
        mov     x1, x0
        mov     x0, #(1<<DOMAINSET_STRICT_BIT)
        bl      kmem_malloc_domainset
        cbz     x0, .L_no_pages
        pop_pair x19, x30
        ret
.L_no_pages:
        adr     x0, no_pages_text
        b       kernel_panic

//----------------------------------------------------------------------------------------
// flag_pages — pmap_disable_promotion, as start_cpu calls it for a pcpu
//
// Out       nothing
// Clobbers  x0-x17, NZCV                    Preserves  x19-x29
// Needs     EL1h, PE 0, the pages mapped
// Touches while invalid   as pmap_disable_promotion does
//----------------------------------------------------------------------------------------
flag_pages:
        push_pair x19, x30
        load_constant x0, FLAGGED_VA
        load_constant x1, FLAG_PAGES*PAGE_BYTES
        bl      pmap_disable_promotion
        cbnz    x0, .L_no_pages
        pop_pair x19, x30
        ret

//----------------------------------------------------------------------------------------
// do_then — what THEN says, to the first of the flagged pages
//
// Out       F_ANSWERS, if promotion is asked for; a panic, if it is not
// Clobbers  x0-x17, NZCV                    Preserves  x19-x29
// Needs     EL1h, PE 0
// Touches while invalid   nothing: that is what is shown
//----------------------------------------------------------------------------------------
do_then:
        push_pair x19, x30
.if THEN==THEN_CHANGE_PROT
        load_constant x0, FLAGGED_VA
        mov     x1, #PAGE_BYTES
        mov     x2, #DESC_READ_ONLY
        bl      pmap_change_prot
.elseif THEN==THEN_CHANGE_ATTR
        load_constant x0, FLAGGED_VA
        mov     x1, #PAGE_BYTES
        mov     x2, #DESC_NONCACHEABLE
        bl      pmap_change_attr
.else
        bl      pmap_lock
        load_constant x0, FLAGGED_VA
        bl      pmap_pte
        mov     x1, x0
        load_constant x0, FLAGGED_VA
.if THEN==THEN_DEMOTE
        bl      pmap_demote_l2
.elseif THEN==THEN_UPDATE
        ldr     x2, [x1]                        // a new descriptor that keeps the flag
        orr     x2, x2, #DESC_READ_ONLY
        mov     x3, #PAGE_BYTES
        bl      pmap_change_entry
.else
        load_constant x19, GLOBALS_VA
        bl      pmap_promote_l3c
        str     x0, [x19, #(F_ANSWERS+REGISTER_BYTES)]
        load_constant x0, FLAGGED_VA
        bl      pmap_promote_l2
        str     x0, [x19, #F_ANSWERS]
.endif
        bl      pmap_unlock
.endif
        pop_pair x19, x30
        ret

//----------------------------------------------------------------------------------------
// report_counters — one line with the counters of pmap
//
// Out       nothing
// Clobbers  x0-x7, NZCV
// Needs     console set up
//----------------------------------------------------------------------------------------
report_counters:
        push_pair x19, x30
        load_constant x19, GLOBALS_VA+G_PMAP
        adr     x0, promotions_text
        bl      put_string
        ldr     x0, [x19, #PM_L2_PROMOTIONS]
        bl      put_decimal
        adr     x0, failures_text
        bl      put_string
        ldr     x0, [x19, #PM_L2_P_FAILURES]
        bl      put_decimal
        adr     x0, demotions_text
        bl      put_string
        ldr     x0, [x19, #PM_L2_DEMOTIONS]
        bl      put_decimal
        bl      put_newline
        pop_pair x19, x30
        ret

no_pages_text:
        .asciz  "no memory for the run"
promotions_text:
        .asciz  "flagging: promotions "
failures_text:
        .asciz  ", failures "
demotions_text:
        .asciz  ", demotions "
        .balign PAGE_BYTES, 0
image_text_end:
