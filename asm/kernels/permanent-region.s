// permanent-region — all pcpus lie in a region that is sized and mapped once, at boot, by blocks that are flagged: nothing is ever promoted
// or demoted there, and whoever tries ends in an assertion. An interpretation of what D24758 is said to do; no source of it was read.
        .include "kernel.inc"
        .include "report.inc"
        .include "pmap.inc"

        .equ    SCHEME_PROMOTIONS, ROUNDS+1
        .equ    REGION_NEXT, G_SCRATCH+2*REGISTER_BYTES // VA of the next pcpu to be handed out
        .equ    REGION_END, G_SCRATCH+3*REGISTER_BYTES  // VA behind the last
.if REGION_PES
        .equ    REGION_PCPUS, REGION_PES
.else                                           // as many as there are
        .equ    REGION_PCPUS, PES
.endif
        .equ    REGION_USED_BYTES, REGION_PCPUS*PCPU_BYTES
        .equ    REGION_BLOCKS, (REGION_USED_BYTES+BLOCK_BYTES-1)/BLOCK_BYTES
        .equ    REGION_BYTES, REGION_BLOCKS*BLOCK_BYTES
        .equ    REGION_ATTRIBUTES, KMEM_ATTRIBUTES-DESC_PAGE+DESC_BLOCK+DESC_SW_NO_PROMOTE

        .include "scheme_load.inc"

//----------------------------------------------------------------------------------------
// prepare_scheme — the region is mapped before anything else is allocated
//
// Out       nothing; without memory the region stays empty, and nobody gets a pcpu
// Clobbers  x0-x17, NZCV                    Preserves  x19-x29
// Needs     EL1h, pmap_bootstrap done
//----------------------------------------------------------------------------------------
prepare_scheme:
        push_pair x19, x30
        load_constant x0, GLOBALS_VA
        str     xzr, [x0, #REGION_NEXT]
        str     xzr, [x0, #REGION_END]
        adr     x1, alloc_pcpu_in_region
        str     x1, [x0, #(G_KMEM+KM_PCPU_ALLOC)]
        bl      map_region
        pop_pair x19, x30
        ret

//----------------------------------------------------------------------------------------
// map_region — frames, KVA and blocks for all pcpus
//
// Out       REGION_NEXT, REGION_END, if there is the memory
// Clobbers  x0-x17, NZCV                    Preserves  x19-x29
// Needs     EL1h, PE 0, the others not in the region
// Order     block descriptors -> dsb ishst -> isb
//----------------------------------------------------------------------------------------
map_region:
        push_pair x19, x30
        push_pair x20, x21
        mov     x0, #0
        load_constant x1, REGION_BYTES
        load_constant x2, BLOCK_BYTES
        mov     x3, #0
        mov     x4, #0
        mov     x5, #0
        bl      vm_page_alloc_contig
        cbz     x0, .L_region_settled
        mov     x19, x0
        mov     x0, #0
        load_constant x1, REGION_BYTES
        load_constant x2, BLOCK_BYTES
        bl      kva_alloc
        cbz     x0, .L_region_without_kva
        mov     x20, x0
        bl      pmap_l2_entry
        load_constant x1, REGION_ATTRIBUTES
        orr     x1, x1, x19
        load_constant x2, BLOCK_BYTES
        mov     x3, #REGION_BLOCKS
        bl      fill_descriptors
        dsb     ishst                           // the blocks are visible before any walk that may now meet the region
        isb                                     // the stores are complete before the next instruction uses the region
        load_constant x0, GLOBALS_VA
        str     x20, [x0, #REGION_NEXT]
        load_constant x1, REGION_USED_BYTES
        add     x1, x20, x1
        str     x1, [x0, #REGION_END]
        b       .L_region_settled
.L_region_without_kva:
        mov     x0, x19
        load_constant x1, REGION_BYTES
        bl      vm_page_free
.L_region_settled:
        pop_pair x20, x21
        pop_pair x19, x30
        ret

//----------------------------------------------------------------------------------------
// alloc_pcpu_in_region — the next pcpu of the region, whatever the domain
//
// In        x0  domainset
// Out       x0  VA | 0 the region is used up, or was never mapped
// Clobbers  x1-x4, NZCV
// Needs     EL1h, PE 0, the PE not started
//----------------------------------------------------------------------------------------
alloc_pcpu_in_region:
        load_constant x1, GLOBALS_VA
        ldr     x0, [x1, #REGION_NEXT]
        ldr     x2, [x1, #REGION_END]
        add     x3, x0, #PCPU_BYTES
        cmp     x3, x2
        b.hi    .L_region_used_up
        str     x3, [x1, #REGION_NEXT]
        ret
.L_region_used_up:
        mov     x0, #0
        ret

//----------------------------------------------------------------------------------------
// enter_scheme — this PE's pcpu moves into the region
//
// In        x0  VA of its place    pcpu  this PE
// Out       pcpu and TPIDR_EL1 name the place
// Clobbers  x1-x7, NZCV
// Needs     EL1h
//----------------------------------------------------------------------------------------
enter_scheme:
        b       adopt_pcpu

scheme_text:
        .asciz  "permanent-region: "
        .balign PAGE_BYTES, 0
image_text_end:
