// deadlock — all PEs sleep and nothing can wake any of them. It ends with the simulator's verdict, never by itself.
        .include "kernel.inc"

//----------------------------------------------------------------------------------------
// kernel_main — let the others idle, then sleep with everything masked
//
// Out       does not return
// Clobbers  x0-x17
// Needs     PE 0, booted
//----------------------------------------------------------------------------------------
kernel_main:
        bl      start_secondaries
        adr     x0, deadlock_text
        bl      put_string
        b       park_forever

deadlock_text:
        .asciz  "deadlock: all wait from here on\n"
        .balign PAGE_BYTES, 0
image_text_end:
