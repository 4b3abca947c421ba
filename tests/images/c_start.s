// Start code and vectors of the C kernel, built for QEMU's virt: EL1, translation off.
// A flat image gets the device tree in x0; an ELF gets 0 there, and the device tree lies at the start of RAM.

.section .text.start, "ax"
.globl _start
_start:
    msr daifset, #15
    msr spsel, #1
    cbnz x0, 1f
    ldr x0, =0x40000000
1:  adrp x1, stack_top
    add x1, x1, :lo12:stack_top
    mov sp, x1
    adrp x1, bss_start
    add x1, x1, :lo12:bss_start
    adrp x2, bss_end
    add x2, x2, :lo12:bss_end
2:  cmp x1, x2
    b.hs 3f
    str xzr, [x1], #8
    b 2b
3:  mov x1, #0x300000               // CPACR_EL1.FPEN: the compiler may use SIMD
    msr cpacr_el1, x1
    ldr x1, =0x30d00800
    msr sctlr_el1, x1
    adrp x1, vectors
    add x1, x1, :lo12:vectors
    msr vbar_el1, x1
    isb
    bl kernel_main
    ldr x0, =0x84000008             // PSCI SYSTEM_OFF
    hvc #0
    b .

.text
.balign 2048
vectors:
    .balign 0x200
    b .
    .balign 0x200                   // current EL with SP_ELx, synchronous
    stp x0, x1, [sp, #-176]!
    stp x2, x3, [sp, #16]
    stp x4, x5, [sp, #32]
    stp x6, x7, [sp, #48]
    stp x8, x9, [sp, #64]
    stp x10, x11, [sp, #80]
    stp x12, x13, [sp, #96]
    stp x14, x15, [sp, #112]
    stp x16, x17, [sp, #128]
    stp x18, x30, [sp, #144]
    mrs x2, elr_el1
    mrs x3, spsr_el1
    stp x2, x3, [sp, #160]
    mrs x0, esr_el1
    mov x1, sp
    bl handle_synchronous
    ldp x2, x3, [sp, #160]
    msr elr_el1, x2
    msr spsr_el1, x3
    ldp x18, x30, [sp, #144]
    ldp x16, x17, [sp, #128]
    ldp x14, x15, [sp, #112]
    ldp x12, x13, [sp, #96]
    ldp x10, x11, [sp, #80]
    ldp x8, x9, [sp, #64]
    ldp x6, x7, [sp, #48]
    ldp x4, x5, [sp, #32]
    ldp x2, x3, [sp, #16]
    ldp x0, x1, [sp], #176
    eret
    .balign 2048
