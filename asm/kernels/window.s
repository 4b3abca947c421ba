// window — PE 0 promotes or demotes one run of 2 MB while the other PEs do what ACTIVITY says, with what OBJECT says of theirs in the run.
//
// A round: the others begin their activity, PE 0 waits for a time that depends on the seed, changes the run, and asks each of them for an
// answer by SGI. A PE that has answered leaves its activity, and the run is put back as it was. Options: firmware/window.py. A PE that
// gives no answer ends the run with EXIT_NO_ANSWER; where the simulator sees why, its verdict comes first.
.if (ENTRY==ENTRY_XNU)&(ACTIVITY==ACTIVITY_SVC)
        .error  "xnu's entry has no threads at EL0 here"
.endif
.if DIRECT_MAP&((OBJECT&OBJECT_VECTORS)/OBJECT_VECTORS)
        .error  "the direct map is not executable"
.endif
        .include "kernel.inc"
        .include "report.inc"
        .include "seed.inc"
        .include "pmap.inc"
        .include "pmap_bbm.inc"
        .equ    G_STACKS, G_SCRATCH+48
        .equ    OVERFLOW_BELOW_STACK, 0
        .include "entry_stack.inc"
        .include "entry_linux.inc"
        .include "entry_linux_table.inc"
        .include "entry_xnu.inc"
        .include "entry_sel4.inc"
        .include "entry_register.inc"
        .include "entry_movable.inc"
        .include "window_run.inc"
        .include "window_round.inc"
        .include "window_update.inc"
        .include "window_change.inc"
        .include "window_activity.inc"
        .include "window_handlers.inc"
        .include "window_report.inc"

//----------------------------------------------------------------------------------------
// kernel_main — build the run, start the other PEs in it, then ROUNDS rounds
//
// Out       x0  exit status
// Clobbers  x0-x17, NZCV
// Needs     PE 0, booted
//----------------------------------------------------------------------------------------
kernel_main:
        push_pair x19, x30
        bl      pmap_bootstrap
        bl      start_secondaries               // each PE clears its pcpu of boot, in which the run is noted
        cbnz    x0, .L_main_failed
        bl      build_run
        cbnz    x0, .L_main_failed
        bl      set_seams
        bl      begin_all
        bl      enter_run_updater
.if CHANGE==CHANGE_PROMOTE
.if DIRECT_MAP
        bl      demote_run                      // there must be pages before they can be promoted
        cbnz    x0, .L_main_failed
.endif
.elseif DIRECT_MAP                              // blocks, since boot
.else
        bl      promote_run                     // there must be a block before it can be demoted
        cbnz    x0, .L_main_failed
.endif
mark_ready:                                     // nothing has looked at the seed so far
        load_constant x19, ROUNDS
.L_next_round:
        bl      run_round
        cbnz    x0, .L_main_done
        subs    x19, x19, #1
        b.ne    .L_next_round
        bl      report_window
        b       .L_main_done
.L_main_failed:
        adr     x0, window_failed_text
        bl      put_string
        mov     x0, #EXIT_WRONG
.L_main_done:
        pop_pair x19, x30
        ret

window_failed_text:
        .asciz  "window: memory or a PE is missing\n"
        .balign 4, 0

        .include "window_thread.inc"
        .balign PAGE_BYTES, 0
image_text_end:
