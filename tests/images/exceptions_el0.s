// Exceptions taken from EL0 to EL1, what SCTLR_EL1, CNTKCTL_EL1 and CPACR_EL1 let EL0 do, unprivileged accesses and PAN.

.include "common/start.inc"
.include "common/console.inc"
.include "common/finish.inc"
.include "common/exception.inc"
.include "common/tables.inc"
.include "common/el0.inc"

.equ VA_BITS,       39
.equ TCR,           0x15b5193519    // 4K, both ranges 39 bits, write-back inner shareable, IPS 36 bits, 16-bit ASID
.equ EL1_RW_VA,     0x21000000
.equ EL0_RW_VA,     0x21001000
.equ EL0_RO_VA,     0x21002000
.equ EL1_RO_VA,     0x21003000
.equ UNMAPPED_VA,   0x21004000

.equ SCTLR_UMA,     0x200
.equ SCTLR_DZE,     0x4000
.equ SCTLR_UCT,     0x8000
.equ SCTLR_NTWI,    0x10000
.equ SCTLR_UCI,     0x4000000

main:
    bl translation
    say "== calls and undefined instructions"
    bl put_newline
    bl calls
    say "== system registers"
    bl put_newline
    bl registers
    say "== controlled by SCTLR_EL1"
    bl put_newline
    bl controls
    say "== memory"
    bl put_newline
    bl memory
    say "== unprivileged accesses from EL1"
    bl put_newline
    bl unprivileged
    say "== PAN"
    bl put_newline
    bl privileged_access_never
    say "== end"
    bl put_newline
    mov x0, #0
    b exit_status

irq_handler:                        // every interrupt is masked
    mov x0, #98
    b exit_status

translation:
    str x30, [sp, #-16]!
    mov x2, #VA_BITS
    bl identity_root
    mov x20, x0
    mov x3, #3
    ldr x1, =EL0_VA
    adr x4, el0_page
    ldr x5, =(LEAF_PAGE + ATTR_EL0_CODE)
    orr x4, x4, x5
    bl map
    ldr x1, =EL1_RW_VA
    ldr x4, =(SCRATCH_PA + LEAF_PAGE + ATTR_NORMAL + UXN + PXN)
    bl map
    ldr x1, =EL0_RW_VA
    ldr x4, =(SCRATCH_PA + 0x1000 + LEAF_PAGE + ATTR_NORMAL + AP_EL0 + UXN + PXN)
    bl map
    ldr x1, =EL0_RO_VA
    ldr x4, =(SCRATCH_PA + 0x2000 + LEAF_PAGE + ATTR_NORMAL + AP_EL0 + AP_RO + UXN + PXN)
    bl map
    ldr x1, =EL1_RO_VA
    ldr x4, =(SCRATCH_PA + 0x3000 + LEAF_PAGE + ATTR_NORMAL + AP_RO + UXN + PXN)
    bl map
    ldr x0, =SCRATCH_PA
    mov x1, #0x11
    str x1, [x0]
    add x0, x0, #0x1000
    mov x1, #0x22
    str x1, [x0]
    add x0, x0, #0x1000
    mov x1, #0x33
    str x1, [x0]
    add x0, x0, #0x1000
    mov x1, #0x44
    str x1, [x0]
    mov x0, x20
    mov x1, x20
    ldr x2, =TCR
    bl translation_on
    ldr x30, [sp], #16
    ret

calls:
    str x30, [sp, #-16]!
    mov x1, #0
    say "nop:"
    adr x9, el0_nop
    bl el0_run
    say "svc #0x4321:"
    adr x9, el0_svc
    bl el0_run
    say "brk #7:"
    adr x9, el0_brk
    bl el0_run
    say "udf:"
    adr x9, el0_udf
    bl el0_run
    say "hvc #0:"
    adr x9, el0_hvc
    bl el0_run
    say "smc #0:"
    adr x9, el0_smc
    bl el0_run
    say "eret:"
    adr x9, el0_eret
    bl el0_run
    say "br to at+3:"
    adr x9, el0_branch
    bl el0_run
    say "fmov, FPEN=1:"
    mov x0, #0x100000
    msr cpacr_el1, x0
    isb
    adr x9, el0_fmov
    bl el0_run
    mov x0, #0x300000
    msr cpacr_el1, x0
    isb
    say "fmov, FPEN=3:"
    adr x9, el0_fmov
    bl el0_run
    ldr x30, [sp], #16
    ret

registers:
    str x30, [sp, #-16]!
    mov x1, #0
    say "mrs sctlr_el1:"
    adr x9, el0_mrs_sctlr
    bl el0_run
    say "msr vbar_el1:"
    adr x9, el0_msr_vbar
    bl el0_run
    say "msr ttbr0_el1:"
    adr x9, el0_msr_ttbr0
    bl el0_run
    say "mrs currentel:"
    adr x9, el0_mrs_currentel
    bl el0_run
    say "msr spsel, #1:"
    adr x9, el0_msr_spsel
    bl el0_run
    say "mrs of an unallocated register:"
    adr x9, el0_mrs_unallocated
    bl el0_run
    say "tlbi vmalle1:"
    adr x9, el0_tlbi
    bl el0_run
    say "at s1e0r:"
    adr x9, el0_at
    bl el0_run
    say "dc isw:"
    adr x9, el0_dc_isw
    bl el0_run
    say "ic iallu:"
    adr x9, el0_ic_iallu
    bl el0_run
    mov x0, #1
    msr icc_sre_el1, x0
    isb
    say "mrs icc_pmr_el1:"
    adr x9, el0_mrs_pmr
    bl el0_run
    say "msr icc_sgi1r_el1:"
    adr x9, el0_msr_sgi1r
    bl el0_run
    mov x0, #0x5a
    msr tpidr_el0, x0
    say "mrs tpidr_el0:"
    adr x9, el0_mrs_tpidr
    bl el0_run
    mov x1, #0
    msr cntkctl_el1, xzr
    isb
    say "mrs cntvct_el0, EL0VCTEN=0:"
    adr x9, el0_mrs_cntvct
    bl el0_run
    say "mrs cntpct_el0, EL0PCTEN=0:"
    adr x9, el0_mrs_cntpct
    bl el0_run
    say "mrs cntfrq_el0, neither:"
    adr x9, el0_mrs_cntfrq
    bl el0_run
    say "msr cntv_cval_el0, EL0VTEN=0:"
    adr x9, el0_msr_cntv_cval
    bl el0_run
    say "mrs cntp_ctl_el0, EL0PTEN=0:"
    adr x9, el0_mrs_cntp_ctl
    bl el0_run
    mov x0, #0x302                  // EL0VCTEN, EL0VTEN, EL0PTEN
    msr cntkctl_el1, x0
    isb
    say "mrs cntvct_el0, EL0VCTEN=1:"
    adr x9, el0_mrs_cntvct
    bl el0_run
    say "mrs cntfrq_el0, EL0VCTEN=1:"
    adr x9, el0_mrs_cntfrq
    bl el0_run
    say "mrs cntpct_el0, EL0PCTEN=0:"
    adr x9, el0_mrs_cntpct
    bl el0_run
    say "msr cntv_cval_el0, EL0VTEN=1:"
    mov x1, #0
    adr x9, el0_msr_cntv_cval
    bl el0_run
    say "mrs cntp_ctl_el0, EL0PTEN=1:"
    adr x9, el0_mrs_cntp_ctl
    bl el0_run
    msr cntkctl_el1, xzr
    isb
    ldr x30, [sp], #16
    ret

controls:
    str x30, [sp, #-16]!
    mov x1, #0
    ldr x3, =EL0_RW_VA
    // QEMU 7.2 puts op1 where op2 belongs in the ISS of a trapped MSR (immediate) and op2 where op1 belongs; both are left out.
    adr x4, esr_ignore
    mov x5, #0xfc000
    str x5, [x4]
    say "msr daifset, #5, UMA=0, but for op1 and op2:"
    adr x9, el0_daifset
    bl el0_run
    say "msr daifclr, #3, UMA=0, but for op1 and op2:"
    adr x9, el0_daifclr
    bl el0_run
    str xzr, [x4]
    say "mrs daif, UMA=0:"
    adr x9, el0_mrs_daif
    bl el0_run
    say "msr daif, UMA=0:"
    adr x9, el0_msr_daif
    bl el0_run
    say "mrs ctr_el0, UCT=0:"
    adr x9, el0_mrs_ctr
    bl el0_run
    say "dc zva, DZE=0:"
    adr x9, el0_dc_zva
    bl el0_run
    say "dc cvau, UCI=0:"
    adr x9, el0_dc_cvau
    bl el0_run
    say "dc cvac, UCI=0:"
    adr x9, el0_dc_cvac
    bl el0_run
    say "dc civac, UCI=0:"
    adr x9, el0_dc_civac
    bl el0_run
    say "ic ivau, UCI=0:"
    adr x9, el0_ic_ivau
    bl el0_run
    say "wfi, nTWI=0:"
    adr x9, el0_wfi
    bl el0_run
    mrs x4, sctlr_el1
    ldr x5, =(SCTLR_UMA + SCTLR_DZE + SCTLR_UCT + SCTLR_UCI)
    orr x5, x4, x5
    msr sctlr_el1, x5
    isb
    say "msr daifset, #5, UMA=1:"
    adr x9, el0_daifset
    bl el0_run
    say "msr daifclr, #3 and an exception, UMA=1:"
    adr x9, el0_daifclr_svc
    bl el0_run
    say "mrs daif, UMA=1:"
    adr x9, el0_mrs_daif
    bl el0_run
    mov x1, #0
    say "mrs ctr_el0, UCT=1:"
    adr x9, el0_mrs_ctr
    bl el0_run
    say "dc cvau, UCI=1:"
    adr x9, el0_dc_cvau
    bl el0_run
    say "ic ivau, UCI=1:"
    adr x9, el0_ic_ivau
    bl el0_run
    mov x1, #0x99
    str x1, [x3, #8]
    say "dc zva, DZE=1:"
    adr x9, el0_dc_zva
    bl el0_run
    ldr x1, [x3, #8]
    say "zeroed: "
    hex x1, 2
    bl put_newline
    mov x1, #0x22
    str x1, [x3]
    ldr x3, =EL1_RW_VA
    say "dc zva of an EL1 page:"
    adr x9, el0_dc_zva
    bl el0_run
    msr sctlr_el1, x4
    isb
    ldr x30, [sp], #16
    ret

memory:
    str x30, [sp, #-16]!
    mov x1, #0
    say "ldr, EL0 page:"
    ldr x3, =EL0_RW_VA
    adr x9, el0_ldr
    bl el0_run
    say "str, EL0 page:"
    mov x1, #0x22
    adr x9, el0_str
    bl el0_run
    say "ldr, EL0 read-only page:"
    ldr x3, =EL0_RO_VA
    adr x9, el0_ldr
    bl el0_run
    say "str, EL0 read-only page:"
    adr x9, el0_str
    bl el0_run
    say "ldr, EL1 page:"
    ldr x3, =EL1_RW_VA
    adr x9, el0_ldr
    bl el0_run
    say "str, EL1 page:"
    adr x9, el0_str
    bl el0_run
    say "ldr, unmapped:"
    ldr x3, =UNMAPPED_VA
    adr x9, el0_ldr
    bl el0_run
    say "ldadd, EL0 read-only page:"
    ldr x3, =EL0_RO_VA
    adr x9, el0_ldadd
    bl el0_run
    say "post-index, EL1 page:"
    ldr x3, =EL1_RW_VA
    adr x9, el0_ldr_post
    bl el0_run
    say "base kept at "
    hex x3, 16
    bl put_newline
    say "br to UXN:"
    ldr x3, =EL0_RO_VA
    adr x9, el0_br_x3
    bl el0_run
    say "br to EL1 code:"
    adr x3, main
    adr x9, el0_br_x3
    bl el0_run
    say "br to unmapped:"
    ldr x3, =UNMAPPED_VA
    adr x9, el0_br_x3
    bl el0_run
    ldr x3, =(EL0_RW_VA + 1)
    mrs x4, sctlr_el1
    orr x5, x4, #2
    msr sctlr_el1, x5
    isb
    say "ldr, misaligned, SCTLR_EL1.A = 1:"
    adr x9, el0_ldr
    bl el0_run
    msr sctlr_el1, x4
    isb
    say "ldxr, misaligned:"
    adr x9, el0_ldxr
    bl el0_run
    say "EL1 fetches what EL0 may execute:"
    ldr x26, =EL0_VA
    adr x28, 1f
    br x26
1:  ldr x30, [sp], #16
    ret

unprivileged:
    str x30, [sp, #-16]!
    mov x1, #0
    ldr x0, =EL0_RW_VA
    say "ldtr, EL0 page:"
    probe
    ldtr x1, [x0]
    bl no_exception
    say "sttr, EL0 page:"
    probe
    sttr x1, [x0]
    bl no_exception
    ldr x0, =EL0_RO_VA
    say "ldtrb, EL0 read-only page:"
    probe
    ldtrb w1, [x0]
    bl no_exception
    say "sttrb, EL0 read-only page:"
    probe
    sttrb w1, [x0]
    bl no_exception
    ldr x0, =EL1_RW_VA
    say "ldtr, EL1 page:"
    probe
    ldtr x1, [x0]
    bl no_exception
    say "sttrh, EL1 page:"
    probe
    sttrh w1, [x0]
    bl no_exception
    ldr x0, =EL1_RO_VA
    say "ldtrsw, EL1 read-only page:"
    probe
    ldtrsw x1, [x0]
    bl no_exception
    ldr x0, =UNMAPPED_VA
    say "ldtr, unmapped:"
    probe
    ldtr x1, [x0, #8]
    bl no_exception
    say "sttr, unmapped:"
    probe
    sttr x1, [x0, #16]
    bl no_exception
    ldr x30, [sp], #16
    ret

privileged_access_never:
    str x30, [sp, #-16]!
    mov x1, #0
    ldr x0, =EL0_RW_VA
    ldr x2, =EL1_RW_VA
    .inst 0xd500419f                // msr pan, #1
    say "ldr, EL0 page:"
    probe
    ldr x1, [x0]
    bl no_exception
    say "str, EL0 page:"
    probe
    str x1, [x0]
    bl no_exception
    say "ldr, EL1 page:"
    probe
    ldr x1, [x2]
    bl no_exception
    say "ldtr, EL0 page:"
    probe
    ldtr x1, [x0]
    bl no_exception
    say "ldadd, EL0 page:"
    probe
    ldadd x1, x1, [x0]
    bl no_exception
    .inst 0xd500409f                // msr pan, #0
    say "ldr, EL0 page, PAN=0:"
    probe
    ldr x1, [x0]
    bl no_exception
    say "svc at EL1 after SPAN=0, PAN of the handler: "
    mrs x4, sctlr_el1
    mov x5, #0x800000
    bic x5, x4, x5
    msr sctlr_el1, x5
    adr x6, pan_vectors
    msr vbar_el1, x6
    isb
    svc #0
    msr sctlr_el1, x4
    adr x6, vectors
    msr vbar_el1, x6
    isb
    ubfx x7, x7, #22, #1
    hex x7, 1
    mrs x7, s3_0_c4_c2_3            // PAN
    ubfx x7, x7, #22, #1
    say ", after the return: "
    hex x7, 1
    bl put_newline
    ldr x30, [sp], #16
    ret

.balign 2048
pan_vectors:
    b .
    .balign 512
    mrs x7, s3_0_c4_c2_3            // PAN
    eret
    .balign 2048

.balign 4096
el0_page:
el0_nop:
    nop
    svc #0xe0
el0_svc:
    svc #0x4321
el0_brk:
    brk #7
el0_udf:
    .inst 0x00000000
el0_hvc:
    hvc #0
    svc #0xe0
el0_smc:
    smc #0
    svc #0xe0
el0_eret:
    eret
    svc #0xe0
el0_branch:
    add x0, x26, #3
    br x0
el0_fmov:
    fmov d0, x1
    svc #0xe0
el0_mrs_sctlr:
    mrs x1, sctlr_el1
    svc #0xe0
el0_msr_vbar:
    msr vbar_el1, x1
    svc #0xe0
el0_msr_ttbr0:
    msr ttbr0_el1, x1
    svc #0xe0
el0_mrs_currentel:
    mrs x1, currentel
    svc #0xe0
el0_msr_spsel:
    msr spsel, #1
    svc #0xe0
el0_mrs_unallocated:
    mrs x1, s3_3_c5_c7_5
    svc #0xe0
el0_tlbi:
    tlbi vmalle1
    svc #0xe0
el0_at:
    at s1e0r, x1
    svc #0xe0
el0_dc_isw:
    dc isw, x1
    svc #0xe0
el0_ic_iallu:
    ic iallu
    svc #0xe0
el0_mrs_pmr:
    mrs x1, icc_pmr_el1
    svc #0xe0
el0_msr_sgi1r:
    msr icc_sgi1r_el1, x1
    svc #0xe0
el0_mrs_tpidr:
    mrs x1, tpidr_el0
    svc #0xe0
el0_mrs_cntvct:
    mrs x2, cntvct_el0
    svc #0xe0
el0_mrs_cntpct:
    mrs x2, cntpct_el0
    svc #0xe0
el0_mrs_cntfrq:
    mrs x2, cntfrq_el0
    svc #0xe0
el0_msr_cntv_cval:
    msr cntv_cval_el0, x1
    svc #0xe0
el0_mrs_cntp_ctl:
    mrs x1, cntp_ctl_el0
    svc #0xe0
el0_daifset:
    msr daifset, #5
    svc #0xe0
el0_daifclr:
    msr daifclr, #3
    svc #0xe0
el0_daifclr_svc:
    msr daifclr, #3
    svc #0
el0_mrs_daif:
    mrs x1, daif
    svc #0xe0
el0_msr_daif:
    msr daif, x1
    svc #0xe0
el0_mrs_ctr:
    mrs x2, ctr_el0
    svc #0xe0
el0_dc_zva:
    dc zva, x3
    svc #0xe0
el0_dc_cvau:
    dc cvau, x3
    svc #0xe0
el0_dc_cvac:
    dc cvac, x3
    svc #0xe0
el0_dc_civac:
    dc civac, x3
    svc #0xe0
el0_ic_ivau:
    ic ivau, x3
    svc #0xe0
el0_wfi:
    wfi
    svc #0xe0
el0_ldr:
    ldr x1, [x3]
    svc #0xe0
el0_str:
    str x1, [x3]
    svc #0xe0
el0_ldadd:
    ldadd x1, x2, [x3]
    svc #0xe0
el0_ldr_post:
    ldr x1, [x3], #8
    svc #0xe0
el0_ldxr:
    ldxr x1, [x3]
    svc #0xe0
el0_br_x3:
    mov x26, x3
    br x3
    .balign 4096
