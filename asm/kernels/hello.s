// hello — one PE boots and writes a line on the console.
        .include "kernel.inc"

//----------------------------------------------------------------------------------------
// kernel_main — write a line
//
// Out       x0  exit status
// Clobbers  x0-x17
// Needs     PE 0, booted
//----------------------------------------------------------------------------------------
kernel_main:
        push_pair x19, x30
        adr     x0, hello_text
        bl      put_string
        mov     x0, #EXIT_OK
        pop_pair x19, x30
        ret

hello_text:
        .asciz  "hello from EL1\n"
        .balign PAGE_BYTES, 0
image_text_end:
