// two_promotions — PE 0 and PE 1 fill the last page of a run each, ROUNDS times, and give it back. Each does so inside a rendezvous in
// which all others are parked; who comes second waits for smp_ipi_mtx and must answer the other's IPI meanwhile.
//
// MASKED              1: both come with interrupts masked, so that the one who waits never answers: nobody goes on
// SEED_DELAY          cycles that a PE waits at most before each rendezvous, by the seed
        .include "kernel.inc"
        .include "report.inc"
        .include "pmap.inc"
        .include "seed.inc"
        .include "start_cpu.inc"

        .equ    REQUEST_BYTES, 4*REGISTER_BYTES
        .equ    REQUEST_PE, 0
        .equ    REQUEST_VA, REGISTER_BYTES              // the page, 0 if it is to be allocated
        .equ    REQUEST_FAILED, 2*REGISTER_BYTES
        .equ    REQUESTS, MP_SCRATCH                    // one for each of the two
        .equ    FINISHED, MP_SCRATCH+2*REQUEST_BYTES    // PEs that have done their rounds

//----------------------------------------------------------------------------------------
// kernel_main — two runs that lack a page, two PEs that fill them
//
// Out       x0  exit status
// Clobbers  x0-x17, NZCV
// Needs     PE 0, booted, at least two PEs and two domains
//----------------------------------------------------------------------------------------
kernel_main:
        push_pair x19, x30
        bl      pmap_bootstrap
        bl      init_rendezvous
        load_constant x0, GLOBALS_VA+G_KMEM
        adr     x1, alloc_pcpu_no_promote
        str     x1, [x0, #KM_PCPU_ALLOC]
        mov     x0, #0                          // each run lies in the first 2 MB of its domain, before any pcpu does
        load_constant x1, BLOCK_BYTES-PAGE_BYTES
        bl      kmem_malloc_domain
        cbz     x0, .L_two_failed
        mov     x0, #1
        load_constant x1, BLOCK_BYTES-PAGE_BYTES
        bl      kmem_malloc_domain
        cbz     x0, .L_two_failed
        mov     x0, #0
        bl      request_page
        cbnz    x0, .L_two_failed
        mov     x0, #1
        bl      request_page
        cbnz    x0, .L_two_failed
        load_constant x0, MP_VA
        adr     x1, change_run
        str     x1, [x0, #MP_THREAD_HOOK]
        bl      start_cpus
        cmp     x0, #PES
        b.ne    .L_two_failed
mark_ready:
        bl      release_aps
        msr     DAIFClr, #0x2
        bl      change_run
        load_constant x1, MP_VA+FINISHED
.L_wait_finished:
        ldar    w0, [x1]
        cmp     w0, #2
        b.eq    .L_both_finished
        yield
        b       .L_wait_finished
.L_both_finished:
        load_constant x19, GLOBALS_VA+G_PMAP
        ldr     x19, [x19, #PM_L2_PROMOTIONS]
        load_constant x1, MP_VA+REQUESTS
        ldr     x2, [x1, #REQUEST_FAILED]
        ldr     x1, [x1, #(REQUEST_BYTES+REQUEST_FAILED)]
        orr     x1, x1, x2
        load_constant x2, 2*ROUNDS+2
        eor     x2, x2, x19
        orr     x1, x1, x2
        mov     x3, #EXIT_OK
        mov     x4, #EXIT_WRONG
        cmp     x1, #0
        csel    x3, x3, x4, eq
        adr     x0, two_text
        mov     x1, x19
        adr     x2, promoted_text
        bl      report_count
        b       .L_two_done
.L_two_failed:
        adr     x0, failed_text
        bl      put_string
        mov     x0, #EXIT_WRONG
.L_two_done:
        pop_pair x19, x30
        ret

//----------------------------------------------------------------------------------------
// request_page — fill a domain's run by its last page, before anybody else runs
//
// In        x0  domain, which is also the PE that will change the run
// Out       x0  0 done | 1 there is no memory
// Clobbers  x1-x17, NZCV
// Needs     the run lacks one page
//----------------------------------------------------------------------------------------
request_page:
        push_pair x21, x30
        load_constant x21, MP_VA+REQUESTS
        mov     x1, #REQUEST_BYTES
        madd    x21, x0, x1, x21
        str     x0, [x21, #REQUEST_PE]
        mov     x1, #PAGE_BYTES
        bl      kmem_malloc_domain
        str     x0, [x21, #REQUEST_VA]
        cmp     x0, #0
        cset    x0, eq
        pop_pair x21, x30
        ret

//----------------------------------------------------------------------------------------
// change_run — PEs 0 and 1: give the last page of the run back and take it again, ROUNDS times, each inside a rendezvous
//
// In        pcpu  this PE
// Out       FINISHED
// Clobbers  x0-x17, NZCV                    Preserves  x19-x29
// Needs     EL1h, interrupts on, no lock held
//----------------------------------------------------------------------------------------
change_run:
        push_pair x19, x30
        push_pair x20, x21
        push_pair x22, x23
        ldr     x19, [pcpu, #PC_CPUID]
        cmp     x19, #1
        b.hi    .L_changed_run                  // only these two
        load_constant x20, MP_VA+REQUESTS
        mov     x0, #REQUEST_BYTES
        madd    x20, x19, x0, x20
        load_constant x21, 2*ROUNDS
.if MASKED
        msr     DAIFSet, #0x2
.endif
.L_change_next:
        add     x0, x19, x21, lsl #1            // another number for each PE and round
        load_constant x1, SEED_DELAY
        bl      seed_delay
        mov     x0, #0
        adr     x1, change_last_page
        mov     x2, #0
        mov     x3, x20
        bl      smp_rendezvous
        subs    x21, x21, #1
        b.ne    .L_change_next
        load_constant x0, MP_VA+FINISHED
        mov     w1, #1
        bl      atomic_add_release              // the run is as it stays before PE 0 counts
.L_changed_run:
        pop_pair x22, x23
        pop_pair x20, x21
        pop_pair x19, x30
        ret

//----------------------------------------------------------------------------------------
// change_last_page — the action: the PE that asked frees its page, or allocates it again and so promotes the run; the others are parked
//
// In        x0  request    pcpu  this PE
// Out       REQUEST_VA, REQUEST_FAILED
// Clobbers  x0-x17, NZCV                    Preserves  x19-x29
// Needs     EL1h, interrupts masked
//----------------------------------------------------------------------------------------
change_last_page:
        push_pair x19, x30
        push_pair x20, x21
        mov     x19, x0
        ldr     x0, [x19, #REQUEST_PE]
        ldr     x1, [pcpu, #PC_CPUID]
        cmp     x0, x1
        b.ne    .L_page_changed
        ldr     x20, [x19, #REQUEST_VA]
        cbz     x20, .L_take_page
        str     xzr, [x19, #REQUEST_VA]
        mov     x0, x20
        mov     x1, #PAGE_BYTES
        bl      kmem_free
        b       .L_page_changed
.L_take_page:
        mov     x1, #PAGE_BYTES
        bl      kmem_malloc_domain              // of the domain that has the PE's number
        str     x0, [x19, #REQUEST_VA]
        cbnz    x0, .L_page_changed
        mov     x0, #1
        str     x0, [x19, #REQUEST_FAILED]
.L_page_changed:
        pop_pair x20, x21
        pop_pair x19, x30
        ret

two_text:
        .asciz  "two_promotions: "
promoted_text:
        .asciz  " promotions, one after the other\n"
failed_text:
        .asciz  "two_promotions: memory or a PE is missing\n"
        .balign PAGE_BYTES, 0
image_text_end:
