"""Guests whose code is garbage, of every kind, or becomes it."""
import random

from hostile_guest import (
    BOOT,
    EXIT,
    MMU_ON,
    SKIP,
    SKIPPING,
    STUCK,
    TO_EL0,
    Guest,
    assemble,
    hostile,
    one_of_machines,
    set_address,
    start_of,
    text_guest,
    word_bytes,
)


@hostile
def garbage(rng: random.Random) -> Guest:
    """Random words as code."""
    words = [rng.getrandbits(32) for _ in range(2048)]
    return Guest(assemble(start_of(rng)) + word_bytes(words), rng.choice((SKIPPING, SKIPPING, STUCK)), one_of_machines(rng))


@hostile
def garbage_of_every_class(rng: random.Random) -> Guest:
    """Words that are random below a plausible first byte: more of them are instructions than of plain garbage."""
    firsts = (0x08, 0x0C, 0x0E, 0x19, 0x1A, 0x1E, 0x28, 0x2C, 0x2D, 0x38, 0x39, 0x3C, 0x48, 0x4C, 0x4E, 0x5E, 0x68, 0x69, 0x6D, 0x6E, 0x78,
              0x88, 0x9B, 0xA8, 0xA9, 0xB8, 0xB9, 0xC8, 0xD5, 0xD6, 0xD9, 0xDA, 0xF8, 0xF9, 0x25, 0x04, 0x05, 0x65, 0xA4, 0xE4, 0x85, 0xC1)
    words = [rng.choice(firsts) << 24 | rng.getrandbits(24) for _ in range(2048)]
    boot = start_of(rng) + "".join(f"add x{n}, sp, #{rng.randrange(256)}\n" for n in rng.sample(range(29), 12))
    return Guest(assemble(boot) + word_bytes(words), settings=one_of_machines(rng))


@hostile
def garbage_system_words(rng: random.Random) -> Guest:
    """MSR, MRS, SYS, SYSL, hints, barriers and PSTATE writes with random fields, at EL1 or EL0."""
    words = []
    for _ in range(2048):
        words += [0x9280_0000 | rng.getrandbits(16) << 5 | 3, 0xD500_0000 | rng.getrandbits(22)]      # movn x3, #...
    return Guest(assemble(start_of(rng)) + word_bytes(words), settings=one_of_machines(rng))


@hostile
def every_read_at_el1(_rng: random.Random) -> Guest:
    """Each of the 65,536 keys read once, MRS and SYSL, registers that exist and that do not."""
    words = [0xD520_0000 | key << 5 | 2 for key in range(1 << 16)]
    return Guest(assemble(BOOT) + word_bytes(words) + assemble(EXIT), budget_cycles=100_000_000, verdicts=("exited",))


@hostile
def every_read_at_el0(_rng: random.Random) -> Guest:
    """The same at EL0; the handler of the last instruction, HVC, ends the run."""
    words = [0xD520_0000 | key << 5 | 2 for key in range(1 << 16)]
    end = "mrs x30, elr_el1\nldr w29, [x30]\nmov w28, #0xbeef\ncmp w29, w28\nb.ne .L_first\n" + EXIT + ".L_first: " + SKIP
    return Guest(assemble(BOOT + TO_EL0) + word_bytes([*words, 0xBEEF]), (end, "eret"), budget_cycles=100_000_000, verdicts=("exited",))


@hostile
def every_write_at_el1(rng: random.Random) -> Guest:
    """4,096 random keys of MSR (register) and SYS with random operands."""
    words = []
    for _ in range(4096):
        operand = rng.getrandbits(16) << 5 | rng.getrandbits(2) << 21
        words += [0xD280_0003 | operand, 0xD500_0003 | rng.randint(1, 3) << 19 | rng.getrandbits(14) << 5]      # movz x3, ...
    return Guest(assemble(BOOT + rng.choice(("", MMU_ON))) + word_bytes(words), settings=one_of_machines(rng), budget_cycles=1_000_000)


def untranslatable_word(rng: random.Random) -> int:
    """An unallocated half-precision word, most of which end a process in which the engine translates them."""
    kind, registers = rng.getrandbits(2) << 29 | rng.getrandbits(1) << 23, rng.getrandbits(10)
    if rng.random() < 0.5:
        return 0x0E40_0400 | rng.getrandbits(3) << 11 | kind | registers | rng.getrandbits(5) << 16
    return 0x0E78_0800 | rng.getrandbits(5) << 12 | kind | registers | rng.choice((0, 5 << 28))


@hostile
def untranslatable(rng: random.Random) -> Guest:
    """Words that the engine cannot translate: UNDEFINED, and loads from among them see them as they are."""
    words = [0x0E40_2C00 | rng.getrandbits(10) | rng.getrandbits(5) << 16 for _ in range(16)]      # U:a:opcode = 5
    total = sum(words)
    handler = "mrs x30, elr_el1\nldr w29, [x30]\nadd x28, x28, x29\nadd x30, x30, #4\nmsr elr_el1, x30\neret"
    end = set_address("x27", total) + "cmp x27, x28\nb.ne .\n" + EXIT
    return Guest(assemble(BOOT + rng.choice(("", MMU_ON)) + "mov x28, #0\n") + word_bytes(words) + assemble(end), (handler, "eret"),
                 one_of_machines(rng) | {"pes": 1}, verdicts=("exited",))


@hostile
def untranslatable_written(rng: random.Random) -> Guest:
    """The same words, stored piece by piece over code that is being run, with every kind of store, and jumped to."""
    text = "adr x1, .L_here\nmov x3, #0\n.L_again:\n"
    for _ in range(8):
        text += set_address("x2", untranslatable_word(rng) << rng.choice((0, 0, 8, 16)) | rng.getrandbits(64) << 48)
        text += rng.choice(("str w2, [x1, #4]", "str x2, [x1, #8]", "stur x2, [x1, #3]", "stp x2, x2, [x1]", "strb w2, [x1, #7]",
                            "strh w2, [x1, #6]", "dc zva, x1",
                            "stlr w2, [x1]", "str q0, [x1]", "ic ialluis", "dsb ish\nisb")) + "\n"
    text += "add x3, x3, #1\ntbz x3, #0, .L_again\nb .L_here\n.L_here:\n" + "nop\n" * 8 + "b .L_again\n"
    return text_guest(text, boot=start_of(rng), settings=one_of_machines(rng))


@hostile
def self_overwriting(rng: random.Random) -> Guest:
    """Code that stores over itself and its neighbours' code, with and without maintenance."""
    words = [rng.choice((0xD503_201F, 0x9100_0400, untranslatable_word(rng), rng.getrandbits(32))) for _ in range(64)]
    text = "adr x1, .L_second\nadr x2, .L_third\nmov x3, #64\n.L_first: ldr w4, [x2], #4\nstr w4, [x1], #4\n"
    text += rng.choice(("", "ic ivau, x1\n", "ic iallu\nisb\n", "ic ialluis\ndsb ish\nisb\n"))
    text += "subs x3, x3, #1\nb.ne .L_first\nb .L_second\n"
    text += ".L_second:\n" + "nop\n" * 70 + "b .L_first\n.L_third:\n"
    return Guest(assemble(start_of(rng) + text) + word_bytes(words), settings=one_of_machines(rng))
