// bootstack — PE 0 fills the run that holds the boot stacks while the other PEs may still stand on them. One that does loses its stack in
// the window: its vector faults on its own first store, goes on to do so after the make, and PE 0 waits in a rendezvous for ever.
//
// BOOTSTACK_WORK      what a PE does at most on its boot stack after it was counted, by the seed, in calls; PE 0 waits for so many turns of
//                     a shorter loop at most before it fills the run
// BOOTSTACK_HOLD      1: a PE stays there until the run is full
// BOOTSTACK_FIRST     1: PE 0 frees the boot stacks, and so has waited for everyone to leave, before it fills the run
// PCPU_PLACE          start_load.inc
        .include "kernel.inc"
        .include "report.inc"
        .include "pmap.inc"
        .include "seed.inc"
        .include "start_cpu.inc"
        .include "start_load.inc"

        .equ    RUN_IS_FULL, MP_SCRATCH

//----------------------------------------------------------------------------------------
// kernel_main — start all PEs, fill the run of their boot stacks, free the boot stacks
//
// Out       x0  exit status; or it does not return
// Clobbers  x0-x17, NZCV
// Needs     PE 0, booted
//----------------------------------------------------------------------------------------
kernel_main:
        push_pair x19, x30
        bl      prepare_stacks
        load_constant x0, MP_VA
        adr     x1, work_on_boot_stack
        str     x1, [x0, #MP_AP_HOOK]
        bl      start_cpus
        cmp     x0, #PES
        b.ne    .L_bootstack_failed
mark_ready:
        bl      release_aps
.if BOOTSTACK_FIRST
        bl      release_boot_stacks
.endif
        mov     x0, #0
        load_constant x1, BOOTSTACK_WORK
        bl      seed_delay
        bl      fill_first_run
        cbnz    x0, .L_bootstack_failed
        load_constant x0, MP_VA+RUN_IS_FULL
        mov     x1, #1
        stlr    x1, [x0]
        adr     x0, bootstack_text
        bl      put_string
        bl      report_promotions
mark_waiting:
        bl      release_boot_stacks
        adr     x0, freed_text
        bl      put_string
        mov     x0, #EXIT_OK
        b       .L_bootstack_done
.L_bootstack_failed:
        adr     x0, failed_text
        bl      put_string
        mov     x0, #EXIT_WRONG
.L_bootstack_done:
        pop_pair x19, x30
        ret

//----------------------------------------------------------------------------------------
// work_on_boot_stack — what a PE does there, which takes as long as the seed says
//
// In        pcpu  this PE
// Out       nothing
// Clobbers  x0-x17, NZCV                    Preserves  x19-x29
// Needs     EL1h, interrupts masked
//----------------------------------------------------------------------------------------
work_on_boot_stack:
        push_pair x19, x30
        push_pair x20, x21
        ldr     x0, [pcpu, #PC_CPUID]
        load_constant x1, BOOTSTACK_WORK
        bl      seed_number
        add     x19, x0, #1
.L_work_next:
        bl      work_once
        subs    x19, x19, #1
        b.ne    .L_work_next
.if BOOTSTACK_HOLD
        load_constant x20, MP_VA+RUN_IS_FULL
.L_held:
        bl      work_once
        ldar    x0, [x20]
        cbz     x0, .L_held
.endif
        pop_pair x20, x21
        pop_pair x19, x30
        ret

//----------------------------------------------------------------------------------------
// work_once — a function's use of its stack
//
// Out       nothing
// Clobbers  none
// Needs     EL1h
//----------------------------------------------------------------------------------------
work_once:
        push_pair x19, x30
        pop_pair x19, x30
        ret

bootstack_text:
        .asciz  "bootstack: "
freed_text:
        .asciz  "bootstack: all PEs have left their boot stacks\n"
failed_text:
        .asciz  "bootstack: memory or a PE is missing\n"
        .balign PAGE_BYTES, 0
image_text_end:
