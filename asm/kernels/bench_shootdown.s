// bench_shootdown — ISSUERS PEs at once, WARMUP + ROUNDS times: each takes the translation of a page of its own away on every PE, then
// gives it another one.
//
// HOW       0 a broadcast TLBI, completed by a DSB     HOW_IPI a call of every other PE, which invalidates for itself (call_function.inc)
// ISSUERS   PEs 0 and up that do so, at most PES; they start each round together
// IDLE      what the other PEs do meanwhile; JITTER: and for how long they are masked (bench.inc)
//
// Every PE has all these translations in its TLB at first, and at the end none may read by an old one.
        .equ    INITIATORS, ISSUERS
        .include "kernel.inc"
        .include "report.inc"
        .include "seed.inc"
        .include "bench.inc"
        .include "call_function.inc"
        .include "barrier_tree.inc"

        .equ    PAGE_DESCRIPTOR, DESC_PAGE+DESC_NORMAL+DESC_INNER_SHAREABLE+DESC_AF+DESC_PXN+DESC_UXN
        .equ    OPERATIONS_EACH, ROUNDS+WARMUP
// Pages so far apart that no two descriptors share a line; the tables lie behind the calls, then two frames for each page.
        .equ    PAGE_STEP_SHIFT, PAGE_SHIFT+3
        .equ    PAGE_TABLES, ((ISSUERS<<PAGE_STEP_SHIFT)+BLOCK_BYTES-1)/BLOCK_BYTES
        .equ    PAGE_TABLES_PA, CALLS_END_PA
        .equ    FRAMES_PA, PAGE_TABLES_PA+PAGE_TABLES*PAGE_BYTES
        .equ    PAGES_VA, PCPU_RUN_VA+TABLE_ENTRIES/2*BLOCK_BYTES
        .equ    PAGES_L2_PA, TTBR1_L2_PA+TABLE_ENTRIES/2*DESCRIPTOR_BYTES
// What is counted in PC_SCRATCH: reads by the right translation, before, after, and by each issuer; calls.
        .equ    READS, (2*PES+OPERATIONS_EACH)*ISSUERS
.if HOW==HOW_IPI
        .equ    COUNTED, READS+OPERATIONS_EACH*ISSUERS*(PES-1)
.else
        .equ    COUNTED, READS
.endif

//----------------------------------------------------------------------------------------
// kernel_main — fill all TLBs, run the rounds, check that no PE reads by an old translation
//
// Out       x0  exit status
// Clobbers  x0-x17
// Needs     PE 0, booted
//----------------------------------------------------------------------------------------
kernel_main:
        push_pair x19, x30
.if (ISSUERS<1)|(ISSUERS>PES)
        adr     x0, no_issuers_text
        bl      put_string
        mov     x0, #EXIT_WRONG
        b       .L_main_done
.endif
        bl      init_bench
        bl      init_calls
        bl      prepare_pages
        bl      init_rendezvous
        bl      start_secondaries
        cbnz    x0, .L_main_done
        bl      fill_all_pes
        msr     DAIFClr, #0x2
        mov     x0, #0
        bl      read_everywhere
        bl      wake_idle
        bl      issue_rounds
        load_constant x0, BENCH_WORDS_PA+BENCH_FINISHED
.L_wait_finished:
        ldar    w1, [x0]
        cmp     w1, #(ISSUERS-1)
        b.eq    .L_all_finished
        yield
        b       .L_wait_finished
.L_all_finished:
        load_constant x0, OPERATIONS_EACH
        bl      read_everywhere
        bl      sum_scratch
        load_constant x4, COUNTED
        adr     x2, fresh_text
        mov     x3, #EXIT_OK
        cmp     x0, x4
        b.eq    .L_all_fresh
        adr     x2, stale_text
        mov     x3, #EXIT_WRONG
.L_all_fresh:
        adr     x0, bench_shootdown_text
        load_constant x1, OPERATIONS_EACH*ISSUERS
        bl      report_count
.L_main_done:
        pop_pair x19, x30
        ret

//----------------------------------------------------------------------------------------
// prepare_pages — a page for each issuer, on the first of its two frames; the frames hold 0 and 1
//
// Out       nothing
// Clobbers  x0-x7, NZCV
// Needs     PE 0, the other PEs not started
// Order     descriptors -> dsb ishst -> isb -> walks
//----------------------------------------------------------------------------------------
prepare_pages:
        mov     x7, x30
        load_constant x0, PAGE_TABLES_PA
        load_constant x1, PAGE_TABLES*PAGE_BYTES
        bl      zero_memory
        mov     x6, #0
.L_prepare_next:
        mov     x0, x6
        bl      find_page
        load_constant x3, PAGE_DESCRIPTOR
        orr     x3, x3, x2
        str     x3, [x1]
        mov     x4, #1
        str     xzr, [x2]
        str     x4, [x2, #PAGE_BYTES]
        add     x6, x6, #1
        cmp     x6, #ISSUERS
        b.lo    .L_prepare_next
        load_constant x0, PAGES_L2_PA
        load_constant x1, PAGE_TABLES_PA+DESC_TABLE
        mov     x2, #PAGE_BYTES
        mov     x3, #PAGE_TABLES
        bl      fill_descriptors
        dsb     ishst                           // the descriptors are visible before any walk that meets them
        isb                                     // they are complete before the next instruction uses a page
        ret     x7

//----------------------------------------------------------------------------------------
// find_page — an issuer's page
//
// In        x0  index of the PE
// Out       x0  VA    x1  address of the descriptor    x2  PA of the first frame
// Clobbers  x3
// Needs     nothing
//----------------------------------------------------------------------------------------
find_page:
        load_constant x3, PAGE_TABLES_PA
        add     x1, x3, x0, lsl #LINE_SHIFT
        load_constant x3, FRAMES_PA
        add     x2, x3, x0, lsl #(PAGE_SHIFT+1)
        load_constant x3, PAGES_VA
        add     x0, x3, x0, lsl #PAGE_STEP_SHIFT
        ret

//----------------------------------------------------------------------------------------
// read_everywhere — let every PE read every page
//
// In        x0  how often each page was changed
// Out       PC_SCRATCH of all PEs
// Clobbers  x0-x17, NZCV                    Preserves  x19-x29
// Needs     PE 0, nobody changing a page
//----------------------------------------------------------------------------------------
read_everywhere:
        and     x3, x0, #1                      // which frame is mapped now
        mov     x0, #0
        adr     x1, read_pages
        mov     x2, #0
        b       smp_rendezvous

//----------------------------------------------------------------------------------------
// read_pages — the action: count the pages that are on the frame they should be on
//
// In        x0  what that frame holds    pcpu  this PE
// Out       PC_SCRATCH
// Clobbers  x0-x7, NZCV
// Needs     EL1h
//----------------------------------------------------------------------------------------
read_pages:
        mov     x6, x30
        mov     x5, x0
        mov     x4, #0
        ldr     x7, [pcpu, #PC_SCRATCH]
.L_read_next:
        mov     x0, x4
        bl      find_page
        ldr     x0, [x0]
        cmp     x0, x5
        cinc    x7, x7, eq
        add     x4, x4, #1
        cmp     x4, #ISSUERS
        b.lo    .L_read_next
        str     x7, [pcpu, #PC_SCRATCH]
        ret     x6

//----------------------------------------------------------------------------------------
// issue_rounds — all rounds of one issuer
//
// In        pcpu  this PE
// Out       PC_SCRATCH
// Clobbers  x0-x17, NZCV                    Preserves  x19-x29
// Needs     EL1h, interrupts on, this PE below ISSUERS, all of which do the same
//----------------------------------------------------------------------------------------
issue_rounds:
        push_pair x19, x30
        push_pair x20, x21
        push_pair x22, x23
        push_pair x24, x25
        ldr     x0, [pcpu, #PC_CPUID]
        bl      find_page
        mov     x20, x0
        mov     x21, x1
        mov     x22, x2
        mov     x19, #0
        mov     x24, #0                         // reads that saw the new frame
.L_issue_next:
        ldr     x0, [pcpu, #PC_CPUID]
        mov     x1, #ISSUERS
        bl      tree_barrier
        add     x19, x19, #1
        and     x23, x19, #1                    // which frame comes now
        load_constant x2, PAGE_DESCRIPTOR
        orr     x2, x2, x22
        add     x2, x2, x23, lsl #PAGE_SHIFT
        mov     x0, x20
        mov     x1, x21
        bl      change_page
        ldr     x0, [x20]
        cmp     x0, x23
        cinc    x24, x24, eq
        load_constant x0, OPERATIONS_EACH
        cmp     x19, x0
        b.lo    .L_issue_next
        msr     DAIFSet, #0x2                   // calls count in the same word
        ldr     x0, [pcpu, #PC_SCRATCH]
        add     x0, x0, x24
        str     x0, [pcpu, #PC_SCRATCH]
        msr     DAIFClr, #0x2
        pop_pair x24, x25
        pop_pair x22, x23
        pop_pair x20, x21
        pop_pair x19, x30
        ret

//----------------------------------------------------------------------------------------
// change_page — one operation: no PE translates by the old descriptor any more, then the new one is stored
//
// In        x0  VA    x1  address of its descriptor    x2  the new descriptor
// Out       nothing
// Clobbers  x0-x17, NZCV                    Preserves  x19-x29
// Needs     EL1h, interrupts on, no other PE changing this descriptor
// Touches while invalid   code: identity map   stack: this PE's   data: pcpu, calls, queues; never the page
// Order     clear -> dsb ishst -> invalidation, on every PE -> dsb -> isb -> store new -> dsb ishst -> isb
// See       DDI 0487, "Using break-before-make when updating translation table entries"
//----------------------------------------------------------------------------------------
change_page:
        push_pair x19, x30
        push_pair x20, x21
        mov     x20, x1
        mov     x21, x2
        b       mark_shootdown_start
mark_shootdown_start:
        str     xzr, [x20]
        dsb     ishst                           // the broken descriptor is visible before any TLB drops the old one
        ubfx    x2, x0, #PAGE_SHIFT, #44        // VA[55:12], ASID 0: what TLBI VAAE1 and VAAE1IS take
.if HOW==HOW_IPI
        tlbi    vaae1, x2
        dsb     nsh                             // this PE has dropped the old entry before it asks the others to
        isb                                     // it fetches nothing by the old entry before it goes on
        load_constant x0, GLOBALS_VA+G_ALL_PES
        adr     x1, drop_entry
        bl      call_function_many
.else
        tlbi    vaae1is, x2
.endif
        b       mark_tlbi_sent
mark_tlbi_sent:
.if HOW==HOW_IPI
.else
        b       .L_complete_tlbi                // a mark has the cycle at which its block begins: a DSB in it would have waited already
.L_complete_tlbi:
        dsb     ish                             // every PE has dropped the old entry before the new one is stored
        isb                                     // this PE fetches nothing by the old entry before it goes on
.endif
        b       mark_shootdown_complete
mark_shootdown_complete:
        str     x21, [x20]
        dsb     ishst                           // the new descriptor is visible to every walk before the page is read
        isb                                     // the store is complete before the next instruction uses the page
        pop_pair x20, x21
        pop_pair x19, x30
        ret

//----------------------------------------------------------------------------------------
// drop_entry — the function that others are called for: invalidate one page for this PE
//
// In        x0  VA[55:12]    pcpu  this PE
// Out       PC_SCRATCH
// Clobbers  x1
// Needs     EL1h, interrupts masked
// Touches while invalid   code: identity map   stack: this PE's   data: pcpu
// Order     tlbi -> dsb nsh -> isb -> the call's flag
//----------------------------------------------------------------------------------------
drop_entry:
mark_drop_entry:
        tlbi    vaae1, x0
        dsb     nsh                             // this PE has dropped the old entry before its answer is seen
        isb                                     // it fetches nothing by the old entry before it answers
        ldr     x1, [pcpu, #PC_SCRATCH]
        add     x1, x1, #1
        str     x1, [pcpu, #PC_SCRATCH]
        ret

//----------------------------------------------------------------------------------------
// bench_thread — what the other PEs do beside their interrupts
//
// In        pcpu  this PE
// Out       does not return
// Clobbers  everything
// Needs     EL1h, interrupts on
//----------------------------------------------------------------------------------------
bench_thread:
        ldr     x0, [pcpu, #PC_CPUID]
        cmp     x0, #ISSUERS
        b.hs    wait_for_work
        bl      issue_rounds
        load_constant x0, BENCH_WORDS_PA+BENCH_FINISHED
        mov     w1, #1
        bl      atomic_add_release              // all that this PE did is visible before it is counted
        b       wait_for_work

bench_shootdown_text:
        .asciz  "bench_shootdown: "
fresh_text:
        .asciz  " operations, no read was stale\n"
stale_text:
        .asciz  " operations, but a read was stale or a call is missing\n"
no_issuers_text:
        .asciz  "bench_shootdown: ISSUERS are not 1 to PES\n"
        .balign PAGE_BYTES, 0
image_text_end:
