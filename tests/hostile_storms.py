"""Guests that wait, interrupt, call and return without end."""
import random
import struct

from hostile_guest import (
    ACKNOWLEDGE,
    BOOT,
    CODE_PA,
    DATA_PA,
    EXIT,
    GIC_ON,
    MMU_ON,
    NOWHERE_PA,
    RAM_BYTES,
    SKIP,
    Guest,
    hostile,
    one_of_machines,
    set_address,
    start_of,
    text_guest,
)

from sim.arch.memory_map import GICD_PA, GICR_PA, PL011_PA, RAM_PA


@hostile
def loop_for_ever(rng: random.Random) -> Guest:
    """B to itself on every PE."""
    return text_guest("b .\n", settings=one_of_machines(rng, 8), verdicts=("budget",))


@hostile
def wait_everywhere(rng: random.Random) -> Guest:
    """WFI or WFE, on every PE, with interrupts masked or not."""
    text = rng.choice(("", "msr daifclr, #15\n")) + ".L_first: " + rng.choice(("wfi", "wfe", "wfi\nwfe", "wfi\nwfi")) + "\nb .L_first\n"
    return text_guest(text, boot=start_of(rng), settings=one_of_machines(rng, 8))


@hostile
def event_storm(rng: random.Random) -> Guest:
    """SEV, SEVL, WFE, YIELD and CLREX without end."""
    choices = ("sev", "sevl", "wfe", "yield", "clrex", "nop", "ldxr x1, [sp]", "stxr w2, x1, [sp]")
    text = ".L_first: " + "\n".join(rng.choice(choices) for _ in range(12))
    return text_guest(text + "\nb .L_first\n", boot=start_of(rng), settings=one_of_machines(rng, 8))


@hostile
def sgi_storm(rng: random.Random) -> Guest:
    """SGIs to nobody, to oneself and to everybody; handlers acknowledge, or end what they never acknowledged, or do nothing."""
    sends = []
    for _ in range(4):
        target = rng.choice((rng.getrandbits(64), 1 << 40, 0xFFFF, rng.getrandbits(4) << 24 | rng.getrandbits(8), 1 << 40 | 5 << 24))
        sends.append(set_address("x1", target) + "msr S3_0_C12_C11_5, x1\n")
    other = rng.choice((ACKNOWLEDGE, ACKNOWLEDGE, "mrs x20, S3_0_C12_C12_0\neret", "msr S3_0_C12_C12_1, x1\neret", "eret"))
    text = GIC_ON + ".L_first:\n" + "".join(sends) + rng.choice(("", "wfi\n", "wfe\n", "isb\n")) + "b .L_first\n"
    return text_guest(text, boot=BOOT + rng.choice(("", MMU_ON)), vectors=(SKIP, other), settings=one_of_machines(rng, 8))


@hostile
def timer_storm(rng: random.Random) -> Guest:
    """A timer that is always due, unmasked, and a handler that never clears it."""
    which = rng.choice((2, 3))
    text = GIC_ON + set_address("x1", rng.choice((0, 1, rng.getrandbits(64), 100)))
    text += f"msr S3_3_C14_C{which}_2, x1\nmov x1, #1\nmsr S3_3_C14_C{which}_1, x1\n"
    text += ".L_first: " + rng.choice(("wfi", "wfe", "nop", "yield", "msr S3_3_C14_C3_0, xzr")) + "\nb .L_first\n"
    return text_guest(text, vectors=(SKIP, rng.choice((ACKNOWLEDGE, "eret", "wfi\neret", "mrs x20, S3_0_C12_C12_0\nb ."))),
                      settings=one_of_machines(rng, 8))


@hostile
def gic_garbage(rng: random.Random) -> Guest:
    """Random words of every size to random registers of the GIC, the redistributors, the UART and the CPU interface, then waiting."""
    text = GIC_ON
    for _ in range(40):
        pa = rng.choice((GICD_PA + rng.randrange(0x1_0000), GICR_PA + rng.randrange(0x10_0000), PL011_PA + rng.randrange(0x1000),
                         GICD_PA + rng.randrange(0x400), GICR_PA + 0x1_0000 + rng.randrange(0x400)))
        text += set_address("x0", pa & ~rng.choice((0, 3, 3, 7))) + set_address("x1", rng.getrandbits(64))
        text += rng.choice(("str w1, [x0]", "ldr w1, [x0]", "str x1, [x0]", "ldr x1, [x0]", "strb w1, [x0]",
                            "ldrh w1, [x0]", "stp x1, x1, [x0]",
                            f"msr S3_0_C12_C{rng.choice((8, 9, 11, 12))}_{rng.randrange(8)}, x1",
                            f"mrs x2, S3_0_C12_C{rng.choice((8, 9, 11, 12))}_{rng.randrange(8)}")) + "\n"
    vectors = SKIP, rng.choice((ACKNOWLEDGE, "eret"))
    return text_guest(text + ".L_first: wfi\nwfe\nb .L_first\n", boot=BOOT + rng.choice(("", MMU_ON)), vectors=vectors,
                      settings=one_of_machines(rng, 8))


@hostile
def call_storm(rng: random.Random) -> Guest:
    """HVC, SMC, HLT, BRK and SVC without end, with whatever is in the registers."""
    calls = ""
    for _ in range(24):
        function = rng.choice((0, rng.getrandbits(16))) | rng.choice((0x8400, 0xC400, rng.getrandbits(16))) << 16
        call = f"{rng.choice(('hvc', 'smc', 'hlt', 'brk', 'svc', 'dcps1'))} #{rng.getrandbits(16)}\n"
        calls += set_address("x0", function) if rng.random() < 0.5 else call
    return text_guest(".L_first:\n" + calls + "b .L_first\n", boot=start_of(rng), settings=one_of_machines(rng))


@hostile
def power_on_with_garbage(rng: random.Random) -> Guest:
    """PSCI CPU_ON of PEs that exist and do not, at entries that exist and do not."""
    text = ""
    for _ in range(6):
        entry = rng.choice((NOWHERE_PA, PL011_PA, CODE_PA, CODE_PA + 2, rng.getrandbits(64), (1 << 64) - 4))
        text += set_address("x1", rng.choice((rng.randrange(5), rng.getrandbits(64))))
        text += set_address("x2", entry) + set_address("x3", rng.getrandbits(64))
        text += set_address("x0", rng.choice((0xC400_0003, 0x8400_0003, 0xC400_0004, 0x8400_000A))) + "hvc #0\n"
    text += rng.choice(("wfi\nb .\n", set_address("x0", 0x8400_0002) + "hvc #0\n", "b .\n"))
    return text_guest(text, settings=one_of_machines(rng, 4) | {"start": "one"})


@hostile
def semihosting_with_bad_pointers(rng: random.Random) -> Guest:
    """Every operation with pointers into nothing, devices, and to the end of RAM."""
    text = ""
    for _ in range(8):
        ends = RAM_PA + RAM_BYTES - 1, RAM_PA + RAM_BYTES - 9, (1 << 64) - 1
        pointer = rng.choice((NOWHERE_PA, PL011_PA, GICD_PA, *ends, rng.getrandbits(64)))
        text += set_address("x1", pointer) + f"mov x0, #{rng.choice((3, 4, 5, 5, rng.randrange(0x40)))}\nhlt #0xf000\n"
    text += set_address("x1", DATA_PA + 0x200) + "mov x0, #5\nhlt #0xf000\n"
    block = struct.pack("<3Q", 1, rng.choice((DATA_PA, NOWHERE_PA, (1 << 64) - 8)), rng.choice((8, 1 << 62, (1 << 64) - 1)))
    text += rng.choice((EXIT, set_address("x1", NOWHERE_PA) + "mov x0, #0x18\nhlt #0xf000\n"))
    return text_guest(text, boot=BOOT + rng.choice(("", MMU_ON)), settings={"pes": 1}, parts={DATA_PA + 0x200: block})


@hostile
def return_storm(rng: random.Random) -> Guest:
    """ERET with random SPSR, AArch32 included, and random ELR."""
    text = ""
    for number in range(12):
        modes = 0x3C5 | rng.getrandbits(4), 0x10 | rng.getrandbits(4), 0x3C9, 0x3CD, 1 << 20 | 0x3C5
        spsr = rng.choice((rng.getrandbits(32), rng.getrandbits(64), *modes))
        text += set_address("x0", spsr) + f"msr spsr_el1, x0\nadr x1, .L_{number}\n"
        text += rng.choice(("", "", "", "add x1, x1, #2\n", set_address("x1", rng.getrandbits(64))))
        text += f"msr elr_el1, x1\neret\n.L_{number}:\n"
    return text_guest(text + "b .\n", boot=start_of(rng), settings=one_of_machines(rng))
