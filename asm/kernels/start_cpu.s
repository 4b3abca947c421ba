// start_cpu — every PE gets pcpu and boot stack from kernel memory, in its domain or in domain 0; what fails gives back what it took.
//
// First two starts for which there is no memory, then all PEs: one that the machine does not have is refused by PSCI. At the end the PEs
// that run have left their boot stacks, and each acts in a rendezvous.
        .include "kernel.inc"
        .include "report.inc"
        .include "pmap.inc"
        .include "check.inc"
        .include "pmap_check.inc"
        .include "start_cpu.inc"

        .equ    FRAMES_TAKEN, G_SCRATCH+4*REGISTER_BYTES        // a list of runs, linked through the direct map
        .equ    FRAMES_SPARE, G_SCRATCH+5*REGISTER_BYTES

//----------------------------------------------------------------------------------------
// kernel_main — starts that fail for want of memory, then all starts
//
// Out       x0  exit status
// Clobbers  x0-x17, NZCV
// Needs     PE 0, booted
//----------------------------------------------------------------------------------------
kernel_main:
        push_pair x19, x30
        push_pair x20, x21
        bl      pmap_bootstrap
        bl      init_rendezvous
        load_constant x0, GLOBALS_VA+G_KMEM
        adr     x1, alloc_pcpu_no_promote
        str     x1, [x0, #KM_PCPU_ALLOC]
.if PES-1
        bl      check_no_memory
.endif
        bl      count_memory
        mov     x20, x0
        bl      start_cpus
        mov     x19, x0
        bl      release_aps
mark_boot_stacks_live:                          // all PEs are counted, and their boot stacks not yet freed
        bl      release_boot_stacks
        bl      count_memory
        sub     w20, w0, w20                    // frames only
        msr     DAIFClr, #0x2
        mov     x0, #0
        adr     x1, note_acting
        mov     x2, #0
        mov     x3, #0
        bl      smp_rendezvous
        adr     x0, start_cpu_text
        mov     x1, x19
        adr     x2, pes_text
        bl      report_count
        mov     x0, x20
        bl      put_decimal
        adr     x0, frames_text
        bl      put_string
        bl      count_acted
        sub     x20, x0, x19
        adr     x1, all_acted_text
        adr     x0, not_acted_text
        cmp     x20, #0
        csel    x0, x1, x0, eq
        bl      put_string
        load_constant x0, GLOBALS_VA
        ldr     x0, [x0, #WRONG_COUNT]
        orr     x1, x0, x20
        mov     x0, #EXIT_OK
        mov     x2, #EXIT_WRONG
        cmp     x1, #0
        csel    x0, x0, x2, eq
        pop_pair x20, x21
        pop_pair x19, x30
        ret

//----------------------------------------------------------------------------------------
// check_no_memory — no frame for the pcpu, then none for the boot stack: nothing is taken, and the PE is not counted
//
// Out       nothing
// Clobbers  x0-x17, NZCV
// Needs     PES at least 2, no PE started
//----------------------------------------------------------------------------------------
check_no_memory:
        push_pair x21, x30
        push_pair x22, x23
        mov     x21, #DOMAINS
.L_touch_next_domain:                           // so that each domain's KVA has its translation table
        sub     x21, x21, #1
        mov     x0, x21
        mov     x1, #PAGE_BYTES
        bl      kmem_malloc_domain
        cbnz    x21, .L_touch_next_domain
        mov     x0, #1
        bl      idle_setup
        expect  0
        load_constant x0, MP_VA
        mov     x1, #PES
        str     x1, [x0, #MP_NCPUS]
        bl      count_memory
        mov     x23, x0
        bl      take_all_frames
        bl      count_memory
        mov     x22, x0
        bl      try_start
        expect  1
        bl      count_memory
        mov     x1, x22
        bl      check
        load_constant x0, GLOBALS_VA
        ldr     x0, [x0, #FRAMES_SPARE]
        mov     x1, #PCPU_BYTES                 // enough for the pcpu, not for the boot stack
        bl      vm_page_free
        bl      count_memory
        mov     x22, x0
        bl      try_start
        expect  2
        bl      count_memory
        mov     x1, x22
        bl      check
        mov     x0, #1
        bl      pcpu_find
        expect  0
        load_constant x0, MP_VA
        ldr     x0, [x0, #MP_NCPUS]
        expect  PES-2
        bl      give_frames_back
        bl      count_memory
        mov     x1, x23
        bl      check
        end_group no_memory_text
        pop_pair x22, x23
        pop_pair x21, x30
        ret

//----------------------------------------------------------------------------------------
// try_start — start PE 1, its memory where its domain is
//
// Out       x0  as start_cpu gives it
// Clobbers  x1-x17, NZCV
// Needs     idle_setup done for PE 1
//----------------------------------------------------------------------------------------
try_start:
        push_pair x21, x30
        mov     x0, #1
        bl      cpu_domain
        mov     x1, x0
        mov     x0, #1
        bl      start_cpu
        pop_pair x21, x30
        ret

//----------------------------------------------------------------------------------------
// take_all_frames — allocate every frame that is left, the longest runs first
//
// Out       FRAMES_SPARE, as many as a pcpu needs; FRAMES_TAKEN, all others
// Clobbers  x0-x17, NZCV
// Needs     EL1h
//----------------------------------------------------------------------------------------
take_all_frames:
        push_pair x21, x30
        push_pair x22, x23
        mov     x0, #0
        mov     x1, #PCPU_BYTES
        bl      take_frames
        load_constant x23, GLOBALS_VA
        str     x0, [x23, #FRAMES_SPARE]
        str     xzr, [x23, #FRAMES_TAKEN]
        mov     x21, #DOMAINS
.L_take_next_domain:
        sub     x21, x21, #1
        load_constant x22, BLOCK_BYTES
.L_take_frame:
        mov     x0, x21
        mov     x1, x22
        bl      take_frames
        cbz     x0, .L_take_shorter
        load_constant x1, DMAP_OFFSET
        add     x1, x0, x1
        ldr     x2, [x23, #FRAMES_TAKEN]
        stp     x2, x22, [x1]
        str     x0, [x23, #FRAMES_TAKEN]
        b       .L_take_frame
.L_take_shorter:
        lsr     x22, x22, #1
        cmp     x22, #PAGE_BYTES
        b.hs    .L_take_frame
        cbnz    x21, .L_take_next_domain
        pop_pair x22, x23
        pop_pair x21, x30
        ret

//----------------------------------------------------------------------------------------
// take_frames — a run of frames, anywhere in a domain but for 2 MB, which are aligned: there is less to search
//
// In        x0  domain    x1  bytes
// Out       x0  PA | 0 there is none
// Clobbers  x0-x17, NZCV
// Needs     EL1h
//----------------------------------------------------------------------------------------
take_frames:
        mov     x2, #PAGE_BYTES
        load_constant x3, BLOCK_BYTES
        cmp     x1, x3
        csel    x2, x1, x2, eq
        mov     x3, #0
        mov     x4, #0
        mov     x5, #0
        b       vm_page_alloc_contig

//----------------------------------------------------------------------------------------
// give_frames_back — free the frames taken, but for the spare ones
//
// Out       nothing
// Clobbers  x0-x17, NZCV
// Needs     EL1h, take_all_frames done
//----------------------------------------------------------------------------------------
give_frames_back:
        push_pair x21, x30
        load_constant x0, GLOBALS_VA
        ldr     x21, [x0, #FRAMES_TAKEN]
.L_give_next_back:
        cbz     x21, .L_frames_given_back
        mov     x0, x21
        load_constant x1, DMAP_OFFSET
        add     x1, x0, x1
        ldp     x21, x1, [x1]
        bl      vm_page_free
        b       .L_give_next_back
.L_frames_given_back:
        pop_pair x21, x30
        ret

//----------------------------------------------------------------------------------------
// note_acting — the action: this PE acts, on a stack of its own; its dynamic area says which PE it is
//
// In        pcpu  this PE
// Out       PC_ACTED, the first word of the dynamic area
// Clobbers  x0, x1
// Needs     EL1h
//----------------------------------------------------------------------------------------
note_acting:
        ldr     x1, [pcpu, #PC_CPUID]
        ldr     x0, [pcpu, #PC_DYNAMIC]
        str     x1, [x0]
        mov     x0, #1
        str     x0, [pcpu, #PC_ACTED]
        ret

//----------------------------------------------------------------------------------------
// count_acted — how many PEs have acted, each with its own index in its dynamic area
//
// Out       x0  PEs
// Clobbers  x1-x5, NZCV
// Needs     EL1h
//----------------------------------------------------------------------------------------
count_acted:
        mov     x5, x30
        mov     x3, #0
        mov     x4, #0
.L_count_next_acted:
        mov     x0, x3
        bl      pcpu_find
        cbz     x0, .L_not_there
        ldr     x1, [x0, #PC_DYNAMIC]
        ldr     x1, [x1]
        cmp     x1, x3
        b.ne    .L_not_there
        ldr     x1, [x0, #PC_ACTED]
        add     x4, x4, x1
.L_not_there:
        add     x3, x3, #1
        cmp     x3, #PES
        b.lo    .L_count_next_acted
        mov     x0, x4
        ret     x5

no_memory_text:
        .asciz  "a start without memory takes nothing"
start_cpu_text:
        .asciz  "start_cpu: "
pes_text:
        .asciz  " PEs run, "
frames_text:
        .asciz  " frames in use, "
all_acted_text:
        .asciz  "all acted\n"
not_acted_text:
        .asciz  "not all acted\n"
        .balign PAGE_BYTES, 0
image_text_end:
