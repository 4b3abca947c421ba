// fault_recursion — PE 0's pcpu page is unmapped when an exception comes. The entry code saves its frame, loads curthread from pcpu,
// faults, saves the next frame, and so on down the stack. It ends with the simulator's verdict, never by itself.
        .include "kernel.inc"

//----------------------------------------------------------------------------------------
// kernel_main — break the page of this PE's pcpu, never make it again, and take an exception
//
// Out       does not return
// Clobbers  everything
// Needs     PE 0, booted
// Touches while invalid   code: identity map   stack: kernel stack, mapped   data: pcpu, in the exception entry, which is the point
// Order     that of pmap_update_entry
//----------------------------------------------------------------------------------------
kernel_main:
        adr     x0, recursion_text
        bl      put_string
        mov     x0, pcpu
        load_constant x1, PCPU_L3_PA+PCPU_L3_OFFSET
        mov     x2, #0
        mov     x3, #PAGE_BYTES
        bl      pmap_update_entry
mark_taking_svc:
        svc     #0
        b       park_forever

recursion_text:
        .asciz  "fault_recursion: the pcpu page goes away\n"
        .balign PAGE_BYTES, 0
image_text_end:
