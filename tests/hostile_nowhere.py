"""Guests that go, stand, translate or stop where there is nothing fit for it: code, vectors, stacks, tables, devices."""
import random
import struct

from hostile_guest import (
    BOOT,
    CODE_PA,
    DATA_PA,
    MMU_ON,
    NOWHERE_PA,
    RAM_BYTES,
    RETURNING,
    SKIP,
    SKIPPING,
    STACKS_PA,
    STUCK,
    TABLES_PA,
    TO_EL0,
    VECTORS_PA,
    Guest,
    hostile,
    one_of_machines,
    set_address,
    start_of,
    text_guest,
)

from sim.arch.memory_map import GICD_PA, GICR_PA, PL011_PA, RAM_PA


@hostile
def jump_into_nowhere(rng: random.Random) -> Guest:
    """A branch to a PA without memory, to a non-canonical VA, to the end of the address space."""
    ends = (1 << 64) - 4, RAM_PA + RAM_BYTES, RAM_PA + RAM_BYTES - 4
    target = rng.choice((NOWHERE_PA, 0, 1 << 55, *ends, 1 << 47, rng.getrandbits(64)))
    return text_guest(set_address("x0", target) + "br x0\n", boot=start_of(rng), vectors=rng.choice((SKIPPING, STUCK, RETURNING)),
                      settings=one_of_machines(rng))


@hostile
def jump_to_a_device(rng: random.Random) -> Guest:
    """A branch to a register of the GIC or the UART."""
    target = rng.choice((GICD_PA, GICR_PA, PL011_PA, PL011_PA + 0x18))
    return text_guest(set_address("x0", target) + "br x0\n", boot=start_of(rng), vectors=RETURNING, settings=one_of_machines(rng))


@hostile
def vectors_nowhere(rng: random.Random) -> Guest:
    """VBAR_EL1 unmapped, in a device, misaligned or anything; then an exception."""
    misaligned = VECTORS_PA + 4, VECTORS_PA + 0x7FF
    vbar = rng.choice((NOWHERE_PA, PL011_PA, GICD_PA, *misaligned, (1 << 64) - 0x800, 1 << 63, rng.getrandbits(64)))
    return text_guest(set_address("x0", vbar) + "msr vbar_el1, x0\nisb\n" + rng.choice(("", TO_EL0)) + "svc #0\nb .\n",
                      boot=BOOT + rng.choice(("", MMU_ON)), settings=one_of_machines(rng), verdicts=("recursion", "livelock", "budget"))


@hostile
def stack_nowhere(rng: random.Random) -> Guest:
    """SP outside RAM, in a device or misaligned; the handler pushes to it as well."""
    devices, misaligned = (PL011_PA + 0x800, GICD_PA + 0x100), (STACKS_PA + 8, STACKS_PA + 1)
    stack = rng.choice((NOWHERE_PA, *devices, *misaligned, 0, (1 << 64) - 16, rng.getrandbits(64)))
    push = "stp x29, x30, [sp, #-16]!\nldp x29, x30, [sp], #16\n"
    text = set_address("x0", stack) + "mov sp, x0\n.L_first: " + push + "svc #1\nb .L_first\n"
    return text_guest(text, boot=BOOT + rng.choice(("", MMU_ON)), vectors=(push + SKIP, push + "eret"), settings=one_of_machines(rng))


@hostile
def tables_outside_ram(rng: random.Random) -> Guest:
    """TTBR0 and TTBR1 point to nothing, to devices, or to the code."""
    ttbr = rng.choice((NOWHERE_PA, GICD_PA, PL011_PA, (1 << 48) - 4096, CODE_PA & ~0xFFF, RAM_PA + RAM_BYTES, rng.getrandbits(64)))
    text = set_address("x0", ttbr) + "msr ttbr0_el1, x0\nmsr ttbr1_el1, x0\nisb\ntlbi vmalle1\ndsb ish\nisb\nldr x1, [x0]\nb .\n"
    return text_guest(text, boot=BOOT + MMU_ON, settings=one_of_machines(rng))


@hostile
def smashed_tables(rng: random.Random) -> Guest:
    """The guest runs on tables that map everything, and writes random words over them."""
    kinds = (0, 1, 3, 3)
    words = [(RAM_PA + rng.randrange(RAM_BYTES >> 12) * 4096 | rng.choice(kinds) | rng.getrandbits(10) << 2 | rng.getrandbits(13) << 51)
             if rng.random() < 0.7 else rng.getrandbits(64) for _ in range(1024)]
    text = (set_address("x1", TABLES_PA) + set_address("x2", DATA_PA + 0x100) + """
        mov x3, #512
    .L_first:  ldr x4, [x2], #8
        str x4, [x1], #8
        subs x3, x3, #1
        b.ne .L_first
        tlbi vmalle1is
        dsb ish
        isb
        mov x5, #0
    .L_second:  ldr x4, [x5]
        str x4, [x5, #8]
        add x5, x5, #0x200, lsl #12
        b .L_second
    """)
    return text_guest(text, boot=BOOT + MMU_ON, settings=one_of_machines(rng),
                      parts={DATA_PA + 0x100: struct.pack("<1024Q", *words)})


@hostile
def random_translation_registers(rng: random.Random) -> Guest:
    """TCR, MAIR, TTBRs and SCTLR with random bits, changed again and again."""
    text = ""
    for _ in range(12):
        name = rng.choice(("tcr_el1", "tcr_el1", "mair_el1", "ttbr0_el1", "ttbr1_el1", "sctlr_el1", "sctlr_el1"))
        value = rng.getrandbits(64) | (1 if rng.random() < 0.7 else 0)
        text += set_address("x0", value) + f"msr {name}, x0\nisb\nldr x1, [sp]\nstr x1, [x0]\ntlbi vmalle1\n"
    return text_guest(text + "b .\n", boot=BOOT + rng.choice(("", MMU_ON)), settings=one_of_machines(rng))


@hostile
def trapped_in_mid_block(rng: random.Random) -> Guest:
    """FP and SIMD trapped, SP moved and misaligned accesses, all in one block, so that it is run by single instructions."""
    choices = ("fmov d0, #1.0", "add v1.4s, v2.4s, v3.4s", "ldr q0, [sp]", "ldr x1, [x2, #3]", "str x1, [x2, #5]", "sub sp, sp, #8",
               "add sp, sp, #8",
               "ldp x3, x4, [x2, #8]", "stp x3, x4, [sp, #-16]!", "ldr x5, [sp], #8", "add x2, x2, #1", "ldar x6, [x2]", "ldxr x7, [x2]",
               "stxr w8, x7, [x2]", "dmb ish", "dsb sy", "ldr x9, [x2, x9, lsl #3]", "svc #3", "msr cpacr_el1, xzr", "msr daifclr, #15")
    block = "".join(rng.choice(choices) + "\n" for _ in range(30))
    text = "mov x2, sp\n.L_first:\n" + block + rng.choice(("", "mov x2, sp\n")) + "b .L_first\n"
    return text_guest(text, boot=start_of(rng), settings=one_of_machines(rng))


@hostile
def exclusives_on_devices(rng: random.Random) -> Guest:
    """Exclusives, atomics, pairs and DC ZVA on device registers and on nothing."""
    swap_add_compare_pair = ".word 0xf8a28003\n.word 0xf8220003\n.word 0x48247c02"          # SWPA, LDADD, CASP at [x0]
    choices = ("ldxr x1, [x0]", "stxr w2, x1, [x0]", "ldaxp x1, x2, [x0]", "stlxp w3, x1, x2, [x0]", "dc zva, x0", "ldp q0, q1, [x0]",
               "stp q0, q1, [x0]", "ldar w1, [x0]", "stlr w1, [x0]", "ld4 {v0.16b, v1.16b, v2.16b, v3.16b}, [x0]", swap_add_compare_pair)
    text = ""
    for _ in range(24):
        pa = rng.choice((PL011_PA, GICD_PA, GICR_PA, GICR_PA + 0x1_0000, NOWHERE_PA, DATA_PA + 0x800, RAM_PA + RAM_BYTES - 8))
        text += set_address("x0", pa + rng.choice((0, 0, 0, 8, 16, 1))) + rng.choice(choices) + "\n"
    return text_guest(text + "b .\n", boot=start_of(rng), settings=one_of_machines(rng))


@hostile
def maintenance_with_random_operands(rng: random.Random) -> Guest:
    """AT, TLBI, DC and IC with random operands, DSBs between; more TLBIs than their queues hold."""
    operations = ["at s1e1r", "at s1e1w", "at s1e0r", "at s1e0w", "dc zva", "dc cvac", "dc civac", "dc ivac", "dc cvau", "ic ivau"]
    operations += [f"tlbi {name}" for name in ("vae1", "vae1is", "vaae1is", "vale1is", "aside1is", "vaale1is", "aside1")]
    text = ".L_first:\n"
    for _ in range(40):
        text += set_address("x0", rng.choice((rng.getrandbits(64), RAM_PA + rng.randrange(RAM_BYTES), rng.getrandbits(48), RAM_PA >> 12)))
        text += rng.choice((*(f"{name}, x0" for name in operations), "tlbi vmalle1is", "tlbi vmalle1", "ic ialluis", "dsb ish", "isb",
                            "sys #0, c8, c2, #1, x0",
                            "sys #0, c8, c6, #1, x0", "mrs x1, par_el1")) + "\n"
    if rng.random() < 0.4:
        text += "tlbi vmalle1is\n" * 200
    return text_guest(text + "b .L_first\n", boot=start_of(rng), settings=one_of_machines(rng, 8))
