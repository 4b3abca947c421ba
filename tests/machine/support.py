"""Kernels for these tests: assembler text between a start for every PE and vectors that log each exception, and translation tables.

A kernel's `main` begins on every PE that is on, at EL1h with the MMU off, exceptions masked, x0 = number of the PE and a stack.
The vectors log what the registers say at each entry and go on: behind the instruction, or at the address that x26 holds, once.
x26 to x29 are theirs. A kernel ends with `b park` (this PE is off; the run ends when all are) or `b off` (the machine is off).
"""
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sim.arch import descriptor as d
from sim.arch.memory_map import IMAGE_OFFSET_BYTES, RAM_PA
from sim.loader.image import Image
from sim.loader.source import assemble_text
from sim.machine import Machine
from sim.result import Result

ORIGIN_PA = RAM_PA + IMAGE_OFFSET_BYTES
STACK_PA, LOG_PA, TABLES_PA, DATA_PA, PAGES_PA = 0x4080_0000, 0x4100_0000, 0x4200_0000, 0x4300_0000, 0x4400_0000
LOG_BYTES_PER_PE, RECORD_WORDS = 0x1_0000, 8
NOTHING_PA = 0x20_0000                  # no device and no RAM is there
ALL_INTERLEAVINGS = ("block", "quantum", "instruction")
EL1_MASKED, EL0 = 0x3C5, 0x3C0

# The regime that `mmu_on` sets: 4 KiB granule, 39 bits of VA for each half.
MAIR = 0x00_44_00_FF                    # 0 write-back, 1 Device-nGnRnE, 2 non-cacheable
TCR = 25 | 25 << 16 | 0b10 << 30 | 0b101 << 32 | 1 << 36        # T0SZ, T1SZ, TG1 = 4 KiB, IPS = 48 bits, AS = 16 bits
SCTLR_ON = 0x00C5_0838 | 1
SCTLR_OFF = 0x00C5_0838
EL0_ALIAS = 0x4000_0000                 # RAM is at VA = PA for EL1 and at VA = PA + this for EL0
PAGES_VA = 0xC000_0000                  # 512 pages of 4 KiB, page n of PA PAGES_PA + n * 4 KiB
LEVEL1_PA, LEVEL2_PA, LEVEL3_PA = TABLES_PA, TABLES_PA + 0x1000, TABLES_PA + 0x2000

#: Begins a kernel: translation is on, PE 0 goes on behind it and the others at `reader`, all with x1 = 1, x6 = DATA_PA, x7 = PAGES_VA.
ROLES = """
main:
    bl mmu_on
    mrs x0, mpidr_el1
    and x0, x0, #0xff
    ldr x6, =DATA_PA
    ldr x7, =PAGES_VA
    mov x1, #1
    cbnz x0, reader
"""

_START = """
_start:
    mrs x0, mpidr_el1
    and x1, x0, #0xff
    ubfx x0, x0, #8, #8
    add x0, x1, x0, lsl #4
    ldr x29, =LOG_PA
    add x29, x29, x0, lsl #16
    msr tpidr_el1, x29
    adr x1, vectors
    msr vbar_el1, x1
    mov x26, #0
    ldr x1, =STACK_PA
    add x2, x0, #1
    add x1, x1, x2, lsl #12
    mov sp, x1
    mov x1, #3 << 20
    msr cpacr_el1, x1
    isb
    b main
park:
    ldr w0, =0x84000002
    hvc #0
off:
    ldr w0, =0x84000008
    hvc #0
mmu_on:
    ldr x1, =MAIR
    msr mair_el1, x1
    ldr x1, =TCR
    msr tcr_el1, x1
    ldr x1, =TABLES_PA
    msr ttbr0_el1, x1
    msr ttbr1_el1, x1
    isb
    tlbi vmalle1
    dsb nsh
    ldr x1, =SCTLR_ON
    msr sctlr_el1, x1
    isb
    ret
gic_on:                                         // SGIs and PPIs of this PE enabled in group 1 at priority 0xa0; clobbers x1 to x4
    ldr x1, =0x08000000
    mov w2, #0x12
    str w2, [x1]
    mrs x2, mpidr_el1
    and x3, x2, #0xff
    ubfx x2, x2, #8, #8
    add x3, x3, x2, lsl #4
    ldr x1, =0x080a0000
    add x1, x1, x3, lsl #17
    str wzr, [x1, #0x14]
    add x1, x1, #0x10000
    mov w2, #-1
    str w2, [x1, #0x80]
    ldr w2, =0xa0a0a0a0
    mov x3, #0
.L_priority:
    add x4, x1, x3
    str w2, [x4, #0x400]
    add x3, x3, #4
    cmp x3, #32
    b.ne .L_priority
    mov w2, #-1
    str w2, [x1, #0x100]
    mov x2, #0xff
    msr icc_pmr_el1, x2
    mov x2, #1
    msr icc_igrpen1_el1, x2
    isb
    ret
    .ltorg
"""

_LOG = """
log_exception:
    mrs x29, tpidr_el1
    mrs x27, esr_el1
    stp x28, x27, [x29], #16
    mrs x27, elr_el1
    mrs x28, far_el1
    stp x27, x28, [x29], #16
    mrs x27, spsr_el1
    mov x28, sp
    stp x27, x28, [x29], #16
    mrs x27, daif
    mrs x28, s3_0_c4_c2_3
    orr x27, x27, x28
    str x27, [x29], #16
    msr tpidr_el1, x29
    ldr x28, [x29, #-64]
    and x27, x28, #0x180
    cbnz x27, .L_interrupt
    mrs x27, spsr_el1
    bic x27, x27, #1 << 20
    msr spsr_el1, x27
    cbz x26, .L_by_class
    msr elr_el1, x26
    mov x26, #0
    eret
.L_by_class:
    mrs x27, esr_el1
    lsr x28, x27, #26
    cmp x28, #0x0e
    b.eq .L_go_on
    cmp x28, #0x15
    b.ne .L_behind
    and x27, x27, #0xffff
    sub x27, x27, #0xff0
    cbnz x27, .L_go_on
    mov x27, #EL1_MASKED                        // SVC #0xff0: to EL1h behind it, at the address that EL1 executes from
    msr spsr_el1, x27
    mrs x27, elr_el1
    mrs x28, sctlr_el1
    tbz x28, #0, .L_go_on
    mov x28, #EL0_ALIAS
    sub x27, x27, x28
    msr elr_el1, x27
.L_go_on:
    eret
.L_behind:
    mrs x28, elr_el1
    add x28, x28, #4
    msr elr_el1, x28
    eret
.L_interrupt:
    cmp x27, #0x80
    b.eq .L_irq
    cmp x27, #0x100
    b.ne .L_go_on
    mrs x27, icc_iar0_el1
    str x27, [x29, #-8]
    msr icc_eoir0_el1, x27
    eret
.L_irq:
    mrs x27, icc_iar1_el1
    str x27, [x29, #-8]
    cmp x27, #30
    b.eq .L_physical_timer
    cmp x27, #27
    b.ne .L_end_of_interrupt
    msr cntv_ctl_el0, xzr
    b .L_end_of_interrupt
.L_physical_timer:
    msr cntp_ctl_el0, xzr
.L_end_of_interrupt:
    isb
    msr icc_eoir1_el1, x27
    eret
"""
_VECTORS = ".balign 0x800\nvectors:\n" + "".join(f"mov x28, #{slot}\nb log_exception\n.balign 128\n" for slot in range(0, 0x800, 0x80))
_CONSTANTS = {"LOG_PA": LOG_PA, "STACK_PA": STACK_PA, "TABLES_PA": TABLES_PA, "DATA_PA": DATA_PA, "MAIR": MAIR, "TCR": TCR, "SCTLR_ON": SCTLR_ON,
              "SCTLR_OFF": SCTLR_OFF, "EL1_MASKED": EL1_MASKED, "EL0": EL0, "EL0_ALIAS": EL0_ALIAS, "PAGES_VA": PAGES_VA, "PAGES_PA": PAGES_PA,
              "LEVEL1_PA": LEVEL1_PA, "LEVEL2_PA": LEVEL2_PA, "LEVEL3_PA": LEVEL3_PA, "NOTHING_PA": NOTHING_PA}
_images: dict[tuple[Any, ...], Image] = {}


def image_of(body: str, constants: Mapping[str, int] | None = None) -> Image:
    """The kernel of `body`, which defines `main`; assembled once."""
    key = (body, *sorted((constants or {}).items()))
    if key not in _images:
        _images[key] = assemble_text(_START + body + "\n.ltorg\n" + _LOG + _VECTORS, ORIGIN_PA, _CONSTANTS | dict(constants or {}))
    return _images[key]


PAGE_EL1 = d.VALID | d.TABLE | d.AF | d.SH_INNER << d.SH_SHIFT
PAGE_EL0 = PAGE_EL1 | d.AP_EL0
DEVICE = 1 << d.ATTR_INDX_SHIFT
_BLOCK = PAGE_EL1 & ~d.TABLE


def write_tables(machine: Machine) -> None:
    """Devices and RAM at VA = PA, RAM again for EL0 at EL0_ALIAS, and 512 pages for EL1 at PAGES_VA."""
    level1 = [0x0 | _BLOCK | DEVICE | d.PXN | d.UXN, RAM_PA | _BLOCK, RAM_PA | _BLOCK | d.AP_EL0, LEVEL2_PA | d.VALID | d.TABLE]
    write_words(machine, LEVEL1_PA, level1)
    write_words(machine, LEVEL2_PA, [LEVEL3_PA | d.VALID | d.TABLE])
    write_words(machine, LEVEL3_PA, [(PAGES_PA + n * 4096) | PAGE_EL1 for n in range(512)])


def write_words(machine: Machine, pa: int, words: list[int]) -> None:
    """Write 64-bit words to RAM."""
    machine.write_physical(pa, b"".join(word.to_bytes(8, "little") for word in words))


def read_words(machine: Machine, pa: int, count: int) -> list[int]:
    """Read 64-bit words of RAM."""
    data = machine.read_physical(pa, 8 * count)
    return [int.from_bytes(data[8 * k : 8 * k + 8], "little") for k in range(count)]


@dataclass(frozen=True)
class Entry:
    """What the registers said when an exception had been taken."""

    slot: int
    esr: int
    elr: int
    far: int
    spsr: int
    sp: int
    masks: int                          # PSTATE.DAIF and PAN, as MRS gives them
    intid: int                          # what IAR gave, for interrupts

    @property
    def ec(self) -> int:
        return self.esr >> 26

    @property
    def iss(self) -> int:
        return self.esr & 0x1FF_FFFF


class Ran:
    """A kernel that has run: its machine, the result, and the exceptions that its vectors logged."""

    def __init__(self, machine: Machine, result: Result) -> None:
        self.machine, self.result = machine, result

    def entries(self, pe: int = 0) -> list[Entry]:
        """The log of one PE."""
        base = LOG_PA + pe * LOG_BYTES_PER_PE
        count = (self.machine.pes[pe].system("TPIDR_EL1") - base) // (8 * RECORD_WORDS)
        words = read_words(self.machine, base, count * RECORD_WORDS)
        return [Entry(*words[k : k + RECORD_WORDS]) for k in range(0, len(words), RECORD_WORDS)]

    def x(self, number: int, pe: int = 0) -> int:
        """A register at the end."""
        return self.result.registers[pe][f"x{number}"]

    def words(self, count: int, pa: int = DATA_PA) -> list[int]:
        """Words that the kernel left in memory."""
        return read_words(self.machine, pa, count)

    def events(self, kind: str, pe: int | None = None) -> Any:
        """Events of a kind, of one PE or all."""
        found = self.result.events.of(kind)
        return found if pe is None else found[found["pe"] == pe]

    def address(self, symbol: str) -> int:
        """Address of a label of the kernel."""
        return self.machine.address(symbol)


def machine_for(body: str, *, constants: Mapping[str, int] | None = None, marks: tuple[str, ...] = (), tables: bool = True,
                profile: str = "cortex-a72", **settings: Any) -> Machine:
    """A machine with the kernel of `body` loaded, not yet run."""
    settings.setdefault("start", "all")
    settings.setdefault("ram_bytes", 128 << 20)
    machine = Machine(profile=profile, **settings).load(image_of(body, constants), marks=marks)
    if tables:
        write_tables(machine)
    return machine


def run(body: str, *, budget_cycles: int = 20_000_000, **options: Any) -> Ran:
    """Build, load and run; the kernel must end by itself."""
    machine = machine_for(body, **options)
    result = machine.run(budget_cycles)
    assert result.verdict.kind == "finished", f"{result.verdict} registers {result.registers}"
    return Ran(machine, result)
