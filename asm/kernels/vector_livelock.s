// vector_livelock — PE 0's stack page is unmapped when an exception comes. The first store of the vector faults without moving SP, and
// the fault enters the same vector: for ever, with SP constant and ELR inside the vector. It ends with the simulator's verdict, never
// by itself.
        .include "kernel.inc"

//----------------------------------------------------------------------------------------
// kernel_main — break the page of this PE's stack, never make it again, and take an exception
//
// Out       does not return
// Clobbers  everything
// Needs     PE 0, booted, stack use within its top page
// Touches while invalid   code: identity map   stack: in the exception entry, which is the point   data: none
// Order     that of pmap_update_entry
//----------------------------------------------------------------------------------------
kernel_main:
        adr     x0, livelock_text
        bl      put_string
        load_constant x0, STACK_RUN_VA+STACK_STRIDE_BYTES-PAGE_BYTES
        load_constant x1, STACK_L3_PA+((STACK_GUARD_PAGES+STACK_PAGES-1)*DESCRIPTOR_BYTES)
        mov     x2, #0
        mov     x3, #PAGE_BYTES
        bl      pmap_update_entry
mark_taking_svc:
        svc     #0
        b       park_forever

livelock_text:
        .asciz  "vector_livelock: the stack page goes away\n"
        .balign PAGE_BYTES, 0
image_text_end:
