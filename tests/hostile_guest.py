"""What a hostile guest is made of: its image, its machine, and pieces of code that many of them share."""
import functools
import random
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from keystone import KS_ARCH_ARM64, KS_MODE_LITTLE_ENDIAN, Ks

from sim.arch.memory_map import GICD_PA, GICR_PA, IMAGE_OFFSET_BYTES, RAM_PA
from sim.loader.image import Image, Segment

RAM_BYTES = 4 << 20
CODE_PA = RAM_PA + IMAGE_OFFSET_BYTES
VECTORS_PA = RAM_PA + 0x1_0000
TABLES_PA = RAM_PA + 0x2_0000
STACKS_PA = RAM_PA + 0x3_0000           # 1 KiB for each PE, downwards
DATA_PA = RAM_PA + 0x4_0000             # the block {0x20026, 0} of a semihosting exit
NOWHERE_PA = 0x2000_0000                # no RAM and no device
BUDGET_CYCLES = 200_000
NORMAL, DEVICE = 1 << 2 | 3 << 8 | 1 << 10, 0 << 2 | 1 << 10    # AttrIndx, SH, AF of a block descriptor

EXIT = f"movz x1, #{DATA_PA >> 16:#x}, lsl #16\nmovk x1, #{DATA_PA & 0xFFFF:#x}\nmov x0, #0x18\nhlt #0xf000\n"
SKIP = "mrs x30, elr_el1\nadd x30, x30, #4\nmsr elr_el1, x30\neret"
#: What the sixteen vectors do: synchronous exceptions and the others.
SKIPPING, STUCK, RETURNING = (SKIP, "eret"), ("b .", "b ."), ("eret", "eret")
BOOT = f"""
    mrs     x9, mpidr_el1
    and     x9, x9, #0xff
    movz    x10, #{STACKS_PA >> 16:#x}, lsl #16
    movk    x10, #{STACKS_PA & 0xFFFF:#x}
    add     x10, x10, x9, lsl #10
    add     x10, x10, #0x400
    mov     sp, x10
    movz    x10, #{VECTORS_PA >> 16:#x}, lsl #16
    movk    x10, #{VECTORS_PA & 0xFFFF:#x}
    msr     vbar_el1, x10
    mov     x10, #0x300000
    msr     cpacr_el1, x10
"""
MMU_ON = f"""
    movz    x10, #{TABLES_PA >> 16:#x}, lsl #16
    movk    x10, #{TABLES_PA & 0xFFFF:#x}
    msr     ttbr0_el1, x10
    mov     x10, #0xff00
    msr     mair_el1, x10
    movz    x10, #25
    movk    x10, #0x80, lsl #16
    movk    x10, #2, lsl #32
    msr     tcr_el1, x10
    isb
    mrs     x10, sctlr_el1
    orr     x10, x10, #1
    msr     sctlr_el1, x10
    isb
"""
TO_EL0 = "adr x10, .L_el0\nmsr elr_el1, x10\nmsr spsr_el1, xzr\neret\n.L_el0:\n"


@functools.cache
def assemble(text: str, pa: int = CODE_PA) -> bytes:
    """Bytes of a fixed text of ours."""
    return bytes(Ks(KS_ARCH_ARM64, KS_MODE_LITTLE_ENDIAN).asm(text, pa)[0])


def word_bytes(words: list[int]) -> bytes:
    """A64 words as they lie in memory."""
    return struct.pack(f"<{len(words)}I", *words)


def set_address(register: str, value: int) -> str:
    """Instructions that put any 64-bit value into a register."""
    parts = [f"movz {register}, #{value & 0xFFFF:#x}"]
    return "\n".join(parts + [f"movk {register}, #{value >> shift & 0xFFFF:#x}, lsl #{shift}" for shift in (16, 32, 48)]) + "\n"


GIC_ON = set_address("x0", GICD_PA) + "mov w1, #0x37\nstr w1, [x0]\n" + set_address("x0", GICR_PA + 0x1_0000) + """
    mrs x2, mpidr_el1
    and x2, x2, #0xff
    add x0, x0, x2, lsl #17
    movn w1, #0
    str w1, [x0, #0x80]
    str w1, [x0, #0x100]
    mov x1, #0xff
    msr S3_0_C4_C6_0, x1
    mov x1, #1
    msr S3_0_C12_C12_7, x1
    isb
    msr daifclr, #15
"""
ACKNOWLEDGE = "mrs x20, S3_0_C12_C12_0\nmsr S3_0_C12_C12_1, x20\neret"


@dataclass
class Guest:
    """A guest: its code at CODE_PA, what the vectors do, and the settings of its machine."""

    code: bytes
    vectors: tuple[str, str] = SKIPPING
    settings: dict[str, Any] = field(default_factory=dict)
    budget_cycles: int = BUDGET_CYCLES
    parts: dict[int, bytes] = field(default_factory=dict)
    verdicts: tuple[str, ...] = ()      # the only ones that are right; () = any

    def image(self) -> Image:
        """All of it in RAM."""
        sync, other = (assemble(text) for text in self.vectors)
        vectors = b"".join((other if slot % 4 else sync).ljust(0x80, b"\0") for slot in range(16))
        tables = struct.pack("<2Q", 1 | DEVICE, RAM_PA | 1 | NORMAL).ljust(4096, b"\0")
        places = {VECTORS_PA: vectors, TABLES_PA: tables, DATA_PA: struct.pack("<2Q", 0x2_0026, 0), CODE_PA: self.code} | self.parts
        return Image("hostile", "flat", tuple(Segment(pa, data, len(data)) for pa, data in places.items()), CODE_PA)


GUESTS: dict[str, Callable[[random.Random], Guest]] = {}


def hostile(function: Callable[[random.Random], Guest]) -> Callable[[random.Random], Guest]:
    """Register a maker of guests under its name."""
    GUESTS[function.__name__] = function
    return function


def text_guest(text: str, *, boot: str = BOOT, **more: Any) -> Guest:
    """A guest whose code is a text behind the start-up code."""
    return Guest(assemble(boot + text), **more)


def one_of_machines(rng: random.Random, most_pes: int = 4) -> dict[str, Any]:
    """Settings of a machine in which every PE starts at once."""
    return {"pes": rng.randint(1, most_pes), "start": "all", "seed": rng.getrandbits(32),
            "profile": rng.choice(("cortex-a53", "cortex-a72", "neoverse-n1")),
            "interleaving": rng.choice(("block", "block", "quantum", "instruction"))}


def start_of(rng: random.Random) -> str:
    """Start-up code with the MMU on or off, at EL1 or EL0."""
    return BOOT + rng.choice(("", MMU_ON)) + rng.choice(("", "", TO_EL0))
