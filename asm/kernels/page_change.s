// page_change — PE 0 gives a page another frame by the sequence that the options leave of break-before-make; the other PEs read the page
// all the time. What anybody sees of the old frame is counted: at once when the new one has been made, and long afterwards. Options:
//
//   MAPPED            1 a frame is mapped before | 0 none is: a page becomes valid, with no TLBI
//   BREAK             1 the descriptor is zeroed first | 0 the new one is stored over the old one
//   DSB_BEFORE        1 a barrier between the first store and the TLBI
//   TLBI_KIND         0 none | 1 TLBI VAAE1IS | 2 TLBI VAAE1, of PE 0 alone
//   DSB_AFTER         1 a barrier behind the TLBI      ISB_AFTER    1 an ISB before PE 0 goes on
//   REPEAT_TLBI       1 TLBI and DSB once more
//   TTL               hint in the TLBI's operand: 0 none | 7 level 3 of the 4 KB granule, which is right | 6 level 2 | up to 15
//   DELAY_TURNS, MAKE_TURNS    turns of a loop between the first store and the TLBI, and before the make; 0 no loop
        .include "kernel.inc"
        .include "report.inc"
        .include "seed.inc"

        .equ    CHANGED_ATTRIBUTES, DESC_PAGE+DESC_NORMAL+DESC_INNER_SHAREABLE+DESC_AF+DESC_UXN     // PE 0 calls what the frame holds
        .equ    FRAME_0_PA, FREE_PAGE_PA
        .equ    FRAME_1_PA, FREE_PAGE_PA+PAGE_BYTES
        .equ    OLD_NUMBER, 1
        .equ    NEW_NUMBER, 2
        .equ    TTL_SHIFT, 44                           // in the operand of a TLBI by VA
        .equ    MOVZ_X0, 0xd2800000                     // movz x0, #0; the immediate begins at MOVZ_SHIFT
        .equ    MOVZ_SHIFT, 5
        .equ    RET_X30, 0xd65f03c0
        .equ    FRAME_NUMBER, 4*REGISTER_BYTES          // where a frame holds its number as data
        .equ    READY_COUNT, G_SCRATCH
        .equ    MADE_FLAG, G_SCRATCH+64
        .equ    LATER_FLAG, G_SCRATCH+72
        .equ    DONE_COUNT, G_SCRATCH+128
        .equ    FAULT_COUNT, G_SCRATCH+136              // of the other PEs
        .equ    OWN_FAULT_COUNT, G_SCRATCH+144
        .equ    OLD_AT_ONCE, G_SCRATCH+152
        .equ    OLD_LATER, G_SCRATCH+160
        .equ    LATER_TURNS, 400
        .equ    LEAST_TURNS, 200
        .equ    SEED_TURNS, 1000

//----------------------------------------------------------------------------------------
// kernel_main — frames, readers, the change, what they saw
//
// Out       x0  exit status
// Clobbers  x0-x17
// Needs     PE 0, booted
//----------------------------------------------------------------------------------------
kernel_main:
        push_pair x19, x30
        push_pair x20, x21
        push_pair x22, x23
        load_constant x0, GLOBALS_VA
        adr     x1, count_fault
        str     x1, [x0, #G_EL1_SYNC]
        mov     x0, #SGI_PING
        adr     x1, read_on
        bl      register_irq
        load_constant x0, FRAME_0_PA
        mov     x1, #OLD_NUMBER
        bl      write_frame
        load_constant x0, FRAME_1_PA
        mov     x1, #NEW_NUMBER
        bl      write_frame
        load_constant x0, FREE_PAGE_VA
.if MAPPED
        load_constant x1, FRAME_0_PA+CHANGED_ATTRIBUTES
.else
        mov     x1, #0
.endif
        bl      pmap_enter_free_page
        mov     x20, x0                         // the descriptor's address
        bl      start_secondaries
        cbnz    x0, .L_main_done
        mov     x19, #1
.L_begin_next:
        cmp     x19, #PES
        b.hs    .L_all_begun
        mov     x0, x19
        mov     x1, #SGI_PING
        bl      send_sgi
        add     x19, x19, #1
        b       .L_begin_next
.L_all_begun:
        load_constant x0, GLOBALS_VA+READY_COUNT
        bl      wait_for_readers
mark_ready:                                     // nothing has looked at the seed so far
        mov     x0, #0
        load_constant x1, SEED_TURNS
        bl      seed_delay
        mov     x0, #LEAST_TURNS
        bl      wait_turns
        bl      change_page                     // x22 what PE 0 gets by a call at once, x23 by another one
        load_constant x0, GLOBALS_VA+MADE_FLAG
        mov     x1, #1
        stlr    x1, [x0]                        // the change is complete before anybody is told
        mov     x0, #LATER_TURNS
        bl      wait_turns
        load_constant x0, GLOBALS_VA+LATER_FLAG
        mov     x1, #1
        stlr    x1, [x0]                        // after all that went before
        load_constant x0, GLOBALS_VA+DONE_COUNT
        bl      wait_for_readers
        bl      report_change
        mov     x0, #EXIT_OK
.L_main_done:
        pop_pair x22, x23
        pop_pair x20, x21
        pop_pair x19, x30
        ret

//----------------------------------------------------------------------------------------
// write_frame — a function that returns a number, and the number
//
// In        x0  PA of the frame    x1  number
// Out       nothing
// Clobbers  x2, x3
// Needs     EL1h, PE 0, identity map
// Order     instructions -> dc cvau -> dsb ish -> ic ivau -> dsb ish -> isb
//----------------------------------------------------------------------------------------
write_frame:
        load_constant x2, RET_X30<<32|MOVZ_X0
        orr     x2, x2, x1, lsl #MOVZ_SHIFT
        str     x2, [x0]
        str     x1, [x0, #FRAME_NUMBER]
        dc      cvau, x0
        dsb     ish                             // the instructions are clean to the point of unification before they are dropped
        ic      ivau, x0
        dsb     ish                             // nobody holds older ones before anybody fetches
        isb                                     // this PE too before its next fetch
        ret

//----------------------------------------------------------------------------------------
// wait_turns — let time pass
//
// In        x0  turns, not 0
// Out       nothing
// Clobbers  x0, NZCV
// Needs     nothing
//----------------------------------------------------------------------------------------
wait_turns:
        subs    x0, x0, #1
        b.ne    wait_turns
        ret

//----------------------------------------------------------------------------------------
// wait_for_readers — until a count has reached the number of readers
//
// In        x0  address of the count
// Out       nothing
// Clobbers  x1, NZCV
// Needs     EL1h
//----------------------------------------------------------------------------------------
wait_for_readers:
        ldar    w1, [x0]
        cmp     w1, #(PES-1)
        b.hs    .L_readers_there
        yield
        b       wait_for_readers
.L_readers_there:
        ret

//----------------------------------------------------------------------------------------
// change_page — the change, as the options have it, and two calls of what the page holds then
//
// In        x20 address of the descriptor
// Out       x22 what the first call returns    x23 the second, behind an ISB
// Clobbers  x0-x9, NZCV
// Needs     EL1h, PE 0
// Touches while invalid   code: identity map   stack: none   data: the descriptor, through the identity map
// Order     what the options leave of: break -> dsb ishst -> tlbi -> dsb ish -> (tlbi -> dsb ish) -> make -> dsb ishst -> isb
//----------------------------------------------------------------------------------------
change_page:
        mov     x9, x30
        load_constant x7, FREE_PAGE_VA
        load_constant x8, FRAME_1_PA+CHANGED_ATTRIBUTES
        ubfx    x4, x7, #PAGE_SHIFT, #44
.if TTL
        load_constant x0, TTL<<TTL_SHIFT
        orr     x4, x4, x0
.endif
.if MAPPED
        blr     x7                              // this PE holds the old frame too
        ldr     x0, [x7, #FRAME_NUMBER]
.else
        at      s1e1r, x7                       // this PE has walked to the descriptor that is not valid yet
.endif
        isb                                     // the walk is over before the change
.if BREAK
        str     xzr, [x20]
.else
        str     x8, [x20]
.endif
mark_page_broken:
.if DSB_BEFORE
        dsb     ishst                           // the store is visible to every walk before any TLB drops the old entry
.endif
.if DELAY_TURNS
        load_constant x0, DELAY_TURNS
        bl      wait_turns
.endif
.if TLBI_KIND==1
        tlbi    vaae1is, x4
.elseif TLBI_KIND==2
        tlbi    vaae1, x4
.endif
.if DSB_AFTER
        dsb     ish                             // every PE has dropped the old entry before the new one is stored
.endif
.if REPEAT_TLBI
        tlbi    vaae1is, x4
        dsb     ish                             // what had begun before the first TLBI is over too before the new one is stored
.endif
.if MAKE_TURNS
        load_constant x0, MAKE_TURNS
        bl      wait_turns
.endif
mark_page_made:
.if BREAK
        str     x8, [x20]
.endif
        dsb     ishst                           // the new descriptor is visible to every walk before this PE goes on
.if ISB_AFTER
        isb                                     // what was fetched by the old entry is forgotten before the call
.endif
        blr     x7
        mov     x22, x0
        isb                                     // what was fetched by the old entry is forgotten at the latest before the second call
        blr     x7
        mov     x23, x0
        ret     x9

//----------------------------------------------------------------------------------------
// read_on — handler of SGI_PING: read the page until the change is made, once more, and once long afterwards
//
// In        x0  INTID    pcpu  this PE
// Out       counts in the globals
// Clobbers  x0-x9, NZCV                     Preserves  x19-x29
// Needs     EL1h, interrupts masked
//----------------------------------------------------------------------------------------
read_on:
        push_pair x19, x30
        load_constant x7, FREE_PAGE_VA
        load_constant x8, GLOBALS_VA
        add     x0, x8, #READY_COUNT
        mov     w1, #1
        bl      atomic_add_release              // this PE is reading when it is counted
.L_read:
        ldr     x4, [x7, #FRAME_NUMBER]
mark_read:
        ldr     x2, [x8, #MADE_FLAG]
        cbz     x2, .L_read
        dmb     ish                             // the flag is seen before the page is read again
        ldr     x5, [x7, #FRAME_NUMBER]
.L_not_later:
        ldr     x2, [x8, #LATER_FLAG]
        cbz     x2, .L_not_later
        ldr     x6, [x7, #FRAME_NUMBER]
        add     x0, x8, #OLD_AT_ONCE
        bl      count_old
        mov     x5, x6
        add     x0, x8, #OLD_LATER
        bl      count_old
        add     x0, x8, #DONE_COUNT
        mov     w1, #1
        bl      atomic_add_release              // the counts are written before this PE is counted
        pop_pair x19, x30
        ret

//----------------------------------------------------------------------------------------
// count_old — one more that has seen the old frame, if it has
//
// In        x0  address of the count    x5  number seen
// Out       nothing
// Clobbers  x1-x4, NZCV
// Needs     EL1h
//----------------------------------------------------------------------------------------
count_old:
        cmp     x5, #NEW_NUMBER
        b.eq    .L_not_old
        mov     w1, #1
        b       atomic_add_release
.L_not_old:
        ret

//----------------------------------------------------------------------------------------
// count_fault — handler of synchronous exceptions from EL1: count the fault, and try again
//
// In        x0  frame
// Out       x0  0 retry
// Clobbers  x1-x4, NZCV
// Needs     EL1h, interrupts masked
//----------------------------------------------------------------------------------------
count_fault:
        push_pair x19, x30
        ldr     x1, [pcpu, #PC_CPUID]
        load_constant x0, GLOBALS_VA+FAULT_COUNT
        load_constant x2, GLOBALS_VA+OWN_FAULT_COUNT
        cmp     x1, #0
        csel    x0, x2, x0, eq
        mov     w1, #1
        bl      atomic_add_release
        mov     x0, #0
        pop_pair x19, x30
        ret

//----------------------------------------------------------------------------------------
// report_change — one line: what was seen of the old frame
//
// In        x22, x23  what PE 0's calls returned
// Out       nothing
// Clobbers  x0-x17, NZCV                    Preserves  x19-x29
// Needs     EL1h, PE 0, console set up
//----------------------------------------------------------------------------------------
report_change:
        push_pair x19, x30
        load_constant x19, GLOBALS_VA
        adr     x0, change_text
        ldr     w1, [x19, #OLD_AT_ONCE]
        adr     x2, at_once_text
        bl      report_count
        ldr     w0, [x19, #OLD_LATER]
        bl      put_decimal
        adr     x0, later_text
        bl      put_string
        ldr     w0, [x19, #FAULT_COUNT]
        bl      put_decimal
        adr     x0, faults_text
        bl      put_string
        mov     x0, x22
        bl      put_decimal
        adr     x0, then_text
        bl      put_string
        mov     x0, x23
        bl      put_decimal
        adr     x0, own_text
        bl      put_string
        ldr     w0, [x19, #OWN_FAULT_COUNT]
        bl      put_decimal
        adr     x0, own_faults_text
        bl      put_string
        pop_pair x19, x30
        ret

change_text:
        .asciz  "page_change: readers: "
at_once_text:
        .asciz  " old at once, "
later_text:
        .asciz  " old later, "
faults_text:
        .asciz  " faults; PE 0: frame "
then_text:
        .asciz  ", then "
own_text:
        .asciz  ", "
own_faults_text:
        .asciz  " faults\n"
        .balign PAGE_BYTES, 0
image_text_end:
