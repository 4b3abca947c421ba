// robust-linux — naive with Linux's entry code: the recursion in the window is stopped by the overflow bit of SP, and ends in a panic that
// says so.
        .include "kernel.inc"
        .include "report.inc"
        .include "pmap.inc"

        .equ    G_STACKS, G_SCRATCH
        .include "entry_stack.inc"
        .include "entry_linux.inc"
        .include "entry_linux_table.inc"

        .equ    SCHEME_PROMOTIONS, ROUNDS+1

        .include "scheme_load.inc"

//----------------------------------------------------------------------------------------
// prepare_scheme — a stack for each PE that is aligned to twice its size, or that is beside the one of boot
//
// Out       nothing
// Clobbers  x0-x17, NZCV
// Needs     EL1h, PE 0, pmap_bootstrap done
//----------------------------------------------------------------------------------------
prepare_scheme:
        push_pair x29, x30
        bl      prepare_stacks
        cbz     x0, .L_scheme_prepared
        adr     x0, no_stacks_text
        b       kernel_panic
.L_scheme_prepared:
        pop_pair x29, x30
        ret

no_stacks_text:
        .asciz  "no memory for the stacks"
        .balign 4, 0

//----------------------------------------------------------------------------------------
// enter_scheme — this PE's pcpu moves to its page of kernel memory, and its exceptions come in Linux's order
//
// In        x0  VA of the page    pcpu  this PE
// Out       pcpu and TPIDR_EL1 name the page; VBAR_EL1, PC_STACK_TOP; SP in an aligned stack
// Clobbers  x0-x7, NZCV
// Needs     EL1h, interrupts masked, the idle loop interrupted
//----------------------------------------------------------------------------------------
enter_scheme:
        push_pair x29, x30
        bl      adopt_pcpu
        ldr     x0, [pcpu, #PC_CPUID]
        bl      find_stack
        bl      enter_linux
        pop_pair x29, x30
        ret

scheme_text:
        .asciz  "robust-linux: "
        .balign PAGE_BYTES, 0
image_text_end:
