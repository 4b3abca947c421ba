// robust-xnu — naive with xnu's entry code: a fault in the window goes to an exception stack, whose check needs pcpu too; after the make it
// panics.
        .include "kernel.inc"
        .include "report.inc"
        .include "pmap.inc"

        .equ    G_STACKS, G_SCRATCH
        .equ    OVERFLOW_BELOW_STACK, 0
        .include "entry_stack.inc"
        .include "entry_linux.inc"
        .include "entry_xnu.inc"

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
// enter_scheme — this PE's pcpu moves to its page of kernel memory, and its exceptions come in xnu's order
//
// In        x0  VA of the page    pcpu  this PE
// Out       pcpu and TPIDR_EL1 name the page; VBAR_EL1, PC_STACK_TOP, PC_EXCEPTION_TOP; SP_EL0 selected, here and in the idle loop
// Clobbers  x0-x7, NZCV
// Needs     EL1h, interrupts masked, the idle loop interrupted
//----------------------------------------------------------------------------------------
enter_scheme:
        push_pair x29, x30
        bl      adopt_pcpu
        ldr     x0, [pcpu, #PC_CPUID]
        bl      find_stack
        bl      enter_xnu
        ldr     x1, [pcpu, #PC_STACK_TOP]
        sub     x1, x1, #(FRAME_BYTES+FRAME_GAP_BYTES)  // the frame of the interrupt, on an otherwise empty stack
        ldr     x2, [x1, #FRAME_SPSR]
        and     x2, x2, #0xfffffffffffffffe     // EL1t
        str     x2, [x1, #FRAME_SPSR]
        pop_pair x29, x30
        ret

scheme_text:
        .asciz  "robust-xnu: "
        .balign PAGE_BYTES, 0
image_text_end:
