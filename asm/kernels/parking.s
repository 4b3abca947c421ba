// parking — PE 0 breaks and makes one descriptor, ROUNDS times, while the other PEs are parked; options say what the descriptor maps,
// what PE 0 touches meanwhile, and what keeps a PE from coming. The descriptor is the same before and after. Options: firmware/parking.py.
        .include "kernel.inc"
        .include "report.inc"
        .include "seed.inc"
        .include "pmap.inc"
        .include "park_page.inc"
        .include "park.inc"
        .include "idmap_park.inc"
        .include "ground.inc"

.if RANGE==RANGE_VECTORS
        .include "entry_movable.inc"
.endif

        .equ    G_PAGE_VA, G_SCRATCH                    // a page of kernel memory that nobody uses
        .equ    G_VICTIM, G_SCRATCH+REGISTER_BYTES      // the last PE has become what VICTIM says
        .equ    PC_TICKS, PC_SCRATCH
        .equ    PC_SERRORS, PC_SCRATCH+REGISTER_BYTES
        .equ    PC_FIQS, PC_SCRATCH+2*REGISTER_BYTES

//----------------------------------------------------------------------------------------
// kernel_main — park and change, ROUNDS times
//
// Out       x0  exit status
// Clobbers  x0-x17, NZCV
// Needs     PE 0, booted
//----------------------------------------------------------------------------------------
kernel_main:
        push_pair x19, x30
        bl      pmap_bootstrap
        bl      prepare_parking
        bl      start_secondaries
        cbnz    x0, .L_parking_failed
        load_constant x0, GLOBALS_VA+G_PAGE_VA
        ldr     x0, [x0]
        cbz     x0, .L_parking_failed
        bl      begin_others
mark_ready:                                     // nothing has looked at the seed so far
        load_constant x19, ROUNDS
.L_next_change:
        mov     x0, x19
        load_constant x1, DELAY_TURNS
        bl      seed_delay
        bl      pmap_lock
        bl      begin_victim
        bl      change_range
        bl      pmap_unlock
        subs    x19, x19, #1
        b.ne    .L_next_change
        adr     x0, parking_text
        load_constant x1, ROUNDS
        adr     x2, changes_text
        bl      report_count
        mov     x0, #EXIT_OK
        b       .L_parking_done
.L_parking_failed:
        adr     x0, parking_failed_text
        bl      put_string
        mov     x0, #EXIT_WRONG
.L_parking_done:
        pop_pair x19, x30
        ret

//----------------------------------------------------------------------------------------
// prepare_parking — seams and handlers as the options have them
//
// Out       G_PAGE_VA, 0 if there is no memory
// Clobbers  x0-x17, NZCV                    Preserves  x19-x29
// Needs     EL1h, PE 0, pmap_bootstrap done, the others not started
//----------------------------------------------------------------------------------------
prepare_parking:
        push_pair x19, x30
        load_constant x19, GLOBALS_VA
.if TOUCH!=TOUCH_NOTHING
        adr     x0, touching_update
        str     x0, [x19, #(G_PMAP+PM_UPDATE_ENTRY)]
.endif
.if HOW==HOW_RENDEZVOUS
        bl      park_prepare
.endif
.if HOW==HOW_IDMAP
        bl      idmap_park_prepare
.endif
.if HOW==HOW_VECTOR
        bl      ground_prepare
.endif
.if RETRY
        adr     x0, handle_window_fault
        str     x0, [x19, #G_EL1_SYNC]
.endif
        adr     x0, count_serror
        str     x0, [x19, #G_SERROR]
        adr     x0, count_fiq
        str     x0, [x19, #G_FIQ]
        mov     x0, #SGI_PING
        adr     x1, begin_ticks
        bl      register_irq
        mov     x0, #SGI_STOP
        adr     x1, become_victim
        bl      register_irq
        mov     x0, #PPI_VIRTUAL_TIMER
        adr     x1, count_tick
        bl      register_irq
        mov     x0, #0
        mov     x1, #PAGE_BYTES
        bl      kmem_malloc_domainset
        str     x0, [x19, #G_PAGE_VA]
.if RANGE==RANGE_VECTORS
        mov     x1, #PAGE_BYTES
        load_constant x2, DESC_PXN
        mov     x3, #0
        bl      pmap_mask_set                   // executable from now on: a change that needs no break, but a TLBI
        ldr     x0, [x19, #G_PAGE_VA]
        mov     x1, #PAGE_BYTES
        bl      pmap_invalidate_range
        ldr     x0, [x19, #G_PAGE_VA]
        bl      copy_vectors                    // those of the other PEs, when they begin
.endif
.if FLAG_PLACE==2
        load_constant x1, PARK_FLAGS_VA
        str     x0, [x1, #PARK_FLAGS_INSIDE]
.endif
        pop_pair x19, x30
        ret

//----------------------------------------------------------------------------------------
// begin_others — an SGI to every other PE, by which its timer starts
//
// Out       nothing
// Clobbers  x0-x9, NZCV
// Needs     EL1h, PE 0, all PEs online
//----------------------------------------------------------------------------------------
begin_others:
        push_pair x19, x30
        mov     x0, #SGI_PING
        bl      ipi_all_but_self
        pop_pair x19, x30
        ret

//----------------------------------------------------------------------------------------
// begin_ticks — handler of SGI_PING: start this PE's timer, and if RANGE says so take exceptions by the page's vectors
//
// In        x0  INTID    pcpu  this PE
// Out       VBAR_EL1
// Clobbers  x0-x3
// Needs     EL1h, interrupts masked
//----------------------------------------------------------------------------------------
begin_ticks:
.if RANGE==RANGE_VECTORS
        load_constant x0, GLOBALS_VA+G_PAGE_VA
        ldr     x0, [x0]
        msr     VBAR_EL1, x0
        isb                                     // the vectors are those of the page before anything else arrives
.endif
.if TICKS_PER_SECOND
        push_pair x19, x30
        mov     x0, #PPI_VIRTUAL_TIMER
        bl      enable_ppi
        bl      arm_timer
        mov     x0, #TIMER_ENABLE
        msr     CNTV_CTL_EL0, x0
        isb                                     // the timer runs before the handler ends
        pop_pair x19, x30
.endif
        ret

//----------------------------------------------------------------------------------------
// count_tick — handler of the timer's PPI: count, and interrupt again
//
// In        x0  INTID    pcpu  this PE
// Out       PC_TICKS
// Clobbers  x0-x2
// Needs     EL1h, interrupts masked
//----------------------------------------------------------------------------------------
count_tick:
        ldr     x1, [pcpu, #PC_TICKS]
        add     x1, x1, #1
        str     x1, [pcpu, #PC_TICKS]

//----------------------------------------------------------------------------------------
// arm_timer — the next interrupt after a period
//
// Out       nothing
// Clobbers  x0-x2
// Needs     EL1
//----------------------------------------------------------------------------------------
arm_timer:
.if TICKS_PER_SECOND
        mrs     x0, CNTFRQ_EL0
        load_constant x1, TICKS_PER_SECOND
        udiv    x0, x0, x1
        msr     CNTV_TVAL_EL0, x0
        isb                                     // the condition is gone before the interrupt is ended
.endif
        ret

//----------------------------------------------------------------------------------------
// count_serror — handler of SErrors
//
// In        x0  frame    pcpu  this PE
// Out       x0  0 handled; PC_SERRORS
// Clobbers  x1
// Needs     EL1h
//----------------------------------------------------------------------------------------
count_serror:
        ldr     x1, [pcpu, #PC_SERRORS]
        add     x1, x1, #1
        str     x1, [pcpu, #PC_SERRORS]
        mov     x0, #0
        ret

//----------------------------------------------------------------------------------------
// count_fiq — handler of FIQs
//
// In        x0  frame    pcpu  this PE
// Out       x0  0 handled; PC_FIQS
// Clobbers  x1
// Needs     EL1h
//----------------------------------------------------------------------------------------
count_fiq:
        ldr     x1, [pcpu, #PC_FIQS]
        add     x1, x1, #1
        str     x1, [pcpu, #PC_FIQS]
        mov     x0, #0
        ret

//----------------------------------------------------------------------------------------
// begin_victim — the last PE becomes what VICTIM says
//
// Out       nothing
// Clobbers  x0-x5, x9-x12, NZCV
// Needs     EL1h, PE 0, the pmap locked
// Order     load-acquire of G_VICTIM -> what the caller does
//----------------------------------------------------------------------------------------
begin_victim:
.if VICTIM!=VICTIM_NONE
        mov     x5, x30
.if VICTIM==VICTIM_HOLDS
        bl      pmap_unlock
.endif
        mov     x0, #(PES-1)
        mov     x1, #SGI_STOP
        bl      send_sgi
        load_constant x0, GLOBALS_VA+G_VICTIM
.L_wait_victim:
        ldar    x1, [x0]
        cbnz    x1, .L_victim_there
        yield
        b       .L_wait_victim
.L_victim_there:
.if VICTIM==VICTIM_HOLDS
        bl      pmap_lock
.endif
        mov     x30, x5
.endif
        ret

//----------------------------------------------------------------------------------------
// become_victim — handler of SGI_STOP: never come back
//
// In        x0  INTID    pcpu  this PE
// Out       G_VICTIM; does not return
// Clobbers  x0-x12
// Needs     EL1h, interrupts masked
// Order     the lock, if any -> store-release of G_VICTIM
//----------------------------------------------------------------------------------------
become_victim:
.if VICTIM==VICTIM_HOLDS
        bl      pmap_lock
.endif
        load_constant x1, GLOBALS_VA+G_VICTIM
        mov     x2, #1
        stlr    x2, [x1]                        // PE 0 goes on when this PE no longer answers
.if VICTIM==VICTIM_WAITS
        bl      pmap_lock
.endif
.L_never_answer:
        yield
        b       .L_never_answer

//----------------------------------------------------------------------------------------
// change_range — break and make the descriptor that RANGE names
//
// Out       nothing
// Clobbers  x0-x17, NZCV                    Preserves  x19-x29
// Needs     EL1h, PE 0, the pmap locked
// Touches while invalid   as the scheme does
//----------------------------------------------------------------------------------------
change_range:
        push_pair x19, x30
.if RANGE==RANGE_KERNEL
        load_constant x1, TTBR1_L1_PA+DMAP_OFFSET
        load_constant x0, KERNEL_RANGE_VA
        load_constant x3, KERNEL_RANGE_BYTES
.endif
.if RANGE==RANGE_PCPU
        load_constant x0, PCPU_VA
        bl      pmap_l2_entry
        mov     x1, x0
        load_constant x0, PCPU_VA
        load_constant x3, BLOCK_BYTES
.endif
.if (RANGE!=RANGE_KERNEL)&(RANGE!=RANGE_PCPU)
        bl      range_page
        mov     x19, x0
        bl      pmap_pte
        mov     x1, x0
        mov     x0, x19
        mov     x3, #PAGE_BYTES
.endif
        ldr     x2, [x1]
        bl      pmap_change_entry
        pop_pair x19, x30
        ret

        .equ    KERNEL_RANGE_VA, PCPU_RUN_VA
        .equ    KERNEL_RANGE_BYTES, 2*BLOCK_BYTES+PES*STACK_STRIDE_BYTES        // pcpus, data, stacks

//----------------------------------------------------------------------------------------
// range_page — the page that RANGE names
//
// Out       x0  its VA
// Clobbers  none
// Needs     EL1h, PE 0
//----------------------------------------------------------------------------------------
range_page:
.if RANGE==RANGE_GLOBALS
        load_constant x0, GLOBALS_VA
.endif
.if RANGE==RANGE_STACK
        mov     x0, sp
        and     x0, x0, #(0xffffffffffffffff^PAGE_OFFSET)
.endif
.if (RANGE==RANGE_NOBODY)|(RANGE==RANGE_FLAGS)|(RANGE==RANGE_VECTORS)
        load_constant x0, GLOBALS_VA+G_PAGE_VA
        ldr     x0, [x0]
.endif
        ret

//----------------------------------------------------------------------------------------
// touching_update — as pmap_break_before_make, but it touches what TOUCH says before the make
//
// In        x0  VA of the page or block    x1  address of its descriptor
//           x2  the new descriptor         x3  bytes to invalidate, a multiple of a page
// Out       the new translation in force on every PE
// Clobbers  x4-x14, NZCV                    Preserves  x0-x3, x19-x29
// Needs     EL1h, no other PE changing this descriptor
// Touches while invalid   code: identity map   stack: if TOUCH says so   data: the descriptor, and globals if TOUCH says so
// Order     that of pmap_break_before_make
//----------------------------------------------------------------------------------------
touching_update:
        prepare_window
        mrs     x7, DAIF
        msr     DAIFSet, #0x3                   // a handler might use the address that is about to be invalid
.L_break_touching:
        ldxr    x4, [x1]
        and     x4, x4, #0xfffffffffffffffe
        stxr    w6, x4, [x1]
        cbnz    w6, .L_break_touching
mark_broken_touching:
        dsb     ishst                           // the broken descriptor is visible before any TLB drops the old one
        invalidate_in_window vaae1is
.if TOUCH==TOUCH_STACK
        push_pair x0, x1
        pop_pair x0, x1
.endif
.if TOUCH==TOUCH_GLOBALS
        load_constant x6, GLOBALS_VA+G_RENDEZVOUS
        ldr     w6, [x6, #RV_WAITERS_1]
.endif
        isb                                     // whoever has touched something has done it before the make
mark_make_touching:
        str     x2, [x1]
        dsb     ishst                           // the new descriptor is visible to every walk before the caller goes on
        invalidate_after_window vaae1is
        msr     DAIF, x7
        ret

parking_text:
        .asciz  "parking: "
changes_text:
        .asciz  " changes\n"
parking_failed_text:
        .asciz  "parking: memory or a PE is missing\n"
        .balign PAGE_BYTES, 0
image_text_end:
