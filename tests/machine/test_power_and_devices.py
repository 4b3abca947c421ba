"""PSCI, semihosting, PL011, the device tree and PE numbers, as kernels use them."""
import os
import time
from pathlib import Path

import fdt
import pytest

from sim.arch.memory_map import RAM_PA
from sim.loader.image import Image, Segment
from sim.machine import Machine

from .support import ALL_INTERLEAVINGS, DATA_PA, Ran, image_of, machine_for, run

NOT_SUPPORTED, INVALID, ALREADY_ON = 2**64 - 1, 2**64 - 2, 2**64 - 4
_CALL = "{}\nhvc #0\nstr x0, [x21], #8\n"


def _call(function: int, x1: str = "0", x2: str = "0", x3: str = "0") -> str:
    loads = f"ldr w0, ={function:#x}\nldr x1, ={x1}\nldr x2, ={x2}\nldr x3, ={x3}"
    return _CALL.format(loads)


@pytest.mark.parametrize("interleaving", ALL_INTERLEAVINGS)
def test_every_psci_function_answers_as_the_specification_says(interleaving: str) -> None:
    calls = [(_call(0x8400_0000), 0x1_0000), (_call(0x8400_000A, "0xc4000003"), 0), (_call(0x8400_000A, "0x84000005"), NOT_SUPPORTED),
             (_call(0xC400_0003, "0x10"), INVALID), (_call(0xC400_0003, "2"), INVALID), (_call(0xC400_0003, "0"), ALREADY_ON),
             (_call(0xC400_0004, "0"), 0), (_call(0xC400_0004, "1"), 1), (_call(0xC400_0004, "7"), INVALID),
             (_call(0x8400_1234), NOT_SUPPORTED), (_call(0x8400_0006), 2)]
    ran = run("main:\nldr x21, =DATA_PA\n" + "".join(text for text, _ in calls) + "b off\n.ltorg\n", pes=2, start="one", interleaving=interleaving)
    assert ran.words(len(calls)) == [expected for _, expected in calls]


@pytest.mark.parametrize("interleaving", ALL_INTERLEAVINGS)
def test_a_pe_can_be_powered_off_and_on_again_and_starts_in_its_reset_state(interleaving: str) -> None:
    ran = run("""
    main:
        mov x20, #3
        ldr x21, =DATA_PA
    again:
        ldr x0, =0xc4000003
        mov x1, #1
        adr x2, second
        mov x3, x20
        hvc #0
        cbnz x0, wrong
    1:  ldr x0, =0xc4000004
        mov x1, #1
        mov x2, #0
        hvc #0
        cmp x0, #1
        b.ne 1b
        subs x20, x20, #1
        b.ne again
        b off
    wrong:
        mov x25, #1
        b off
    second:
        mrs x5, sctlr_el1
        mrs x6, daif
        mrs x7, currentel
        mrs x8, spsel
        ldr x9, =DATA_PA
        lsl x10, x0, #6
        add x9, x9, x10
        stp x0, x5, [x9]
        stp x6, x7, [x9, #16]
        mrs x11, vbar_el1
        mrs x12, cpacr_el1
        mrs x13, mdscr_el1
        mrs x14, cntv_ctl_el0
        stp x8, x11, [x9, #32]
        stp x12, x13, [x9, #48]
        mov x1, #3 << 20                // leave everything changed
        msr cpacr_el1, x1
        msr vbar_el1, x9
        msr daifclr, #15
        mov x1, #1
        msr cntv_ctl_el0, x1
        ldr x1, =SCTLR_OFF | 2
        msr sctlr_el1, x1
        msr spsel, #0
        b park
    """, pes=2, start="one", interleaving=interleaving)
    assert ran.x(25) == 0
    for context in (3, 2, 1):
        assert ran.words(8, DATA_PA + 64 * context) == [context, 0x00C5_0838, 0x3C0, 4, 1, 0, 0, 0]


@pytest.mark.parametrize(("function", "reason"), [(0x8400_0008, "SYSTEM_OFF"), (0x8400_0009, "SYSTEM_RESET")])
def test_system_off_and_reset_end_the_run(function: int, reason: str) -> None:
    machine = machine_for(f"main:\ncbnz x0, 1f\nldr w0, ={function:#x}\nhvc #0\nmov x5, #1\n1: b 1b\n", pes=3)
    result = machine.run(100_000)
    assert (result.verdict.kind, result.verdict.pe, result.registers[0]["x5"]) == ("finished", 0, 0)
    assert reason in result.verdict.reason


def test_start_all_begins_every_pe_at_the_entry_and_start_one_only_the_first() -> None:
    body = "main:\nldr x6, =DATA_PA\nmov x1, #1\nstr x1, [x6, x0, lsl #3]\nb park\n"
    assert run(body, pes=4).words(4) == [1, 1, 1, 1]
    assert run(body, pes=4, start="one").words(4) == [1, 0, 0, 0]


@pytest.mark.parametrize("interleaving", ALL_INTERLEAVINGS)
def test_semihosting_writes_text_and_exits_with_the_guests_status(interleaving: str) -> None:
    machine = machine_for("""
    main:
        mov w0, #4
        adr x1, text
        hlt #0xf000
        mov w0, #3
        adr x1, letter
        hlt #0xf000
        mov w0, #0x77
        hlt #0xf000
        mov x20, x0
        mov w0, #0x18
        adr x1, block
        hlt #0xf000
        mov x21, #1
    text: .asciz "some text\\n"
    letter: .ascii "!"
        .balign 8
    block: .quad 0x20026, 42
    """, interleaving=interleaving)
    result = machine.run(100_000)
    assert (result.console, result.exit_status, result.verdict.kind) == ("some text\n!", 42, "exited")
    assert (result.registers[0]["x20"], result.registers[0]["x21"]) == (2**64 - 1, 0)


def test_semihosting_that_is_switched_off_is_undefined() -> None:
    ran = run("main:\nmov w0, #0x18\nprobe: hlt #0xf000\nb off\n", semihosting=False)
    assert [(entry.ec, entry.elr) for entry in ran.entries()] == [(0, ran.address("probe"))]


@pytest.mark.parametrize("interleaving", ALL_INTERLEAVINGS)
def test_a_driver_that_polls_the_pl011_prints_through_it(interleaving: str) -> None:
    ran = run("""
    main:
        ldr x1, =0x09000000
        ldr w5, [x1, #0xfe0]            // PeriphID0: 0x11
        ldr w6, [x1, #0xfe4]            // PeriphID1: 0x10
        ldr w7, [x1, #0xff0]            // PCellID0: 0x0d
        ldr w9, [x1, #0x30]             // CR out of reset: TXE and RXE
        ldr w10, [x1, #0x34]            // IFLS out of reset: both FIFOs half full
        str wzr, [x1, #0x30]
        mov w2, #0x7ff
        str w2, [x1, #0x44]
        mov w2, #0x70
        str w2, [x1, #0x2c]
        mov w2, #0x301
        str w2, [x1, #0x30]
        ldr w8, [x1, #0x2c]
        adr x3, text
    1:  ldrb w4, [x3], #1
        cbz w4, off
    2:  ldr w2, [x1, #0x18]
        tbnz w2, #5, 2b                 // TXFF
        strb w4, [x1]
    3:  ldr w2, [x1, #0x18]
        tbnz w2, #3, 3b                 // BUSY
        b 1b
    text: .asciz "hello from a driver\\nand again"
    """, interleaving=interleaving)
    assert ran.result.console == "hello from a driver\nand again"
    assert [ran.x(number) for number in (5, 6, 7, 8, 9, 10)] == [0x11, 0x10, 0x0D, 0x70, 0x300, 0x12]


def _tree(machine: Machine, pa: int) -> fdt.FDT:
    head = machine.read_physical(pa, 8)
    assert head[:4] == b"\xd0\x0d\xfe\xed"
    return fdt.parse_dtb(machine.read_physical(pa, int.from_bytes(head[4:8], "big")))


def test_a_source_starts_with_the_device_tree_in_x0() -> None:
    machine = Machine(pes=3, ram_bytes=128 << 20, bootargs="console=ttyAMA0").load(image_of("main: b off\n"))
    tree = _tree(machine, machine.pes[0].x(0))
    assert [node.name for node in tree.get_node("/cpus").nodes if node.name.startswith("cpu@")] == ["cpu@0", "cpu@1", "cpu@2"]
    assert tree.get_node("/chosen").get_property("bootargs").value == "console=ttyAMA0"


@pytest.mark.parametrize("pes", [40, pytest.param(256, marks=pytest.mark.slow)])
def test_mpidr_gicr_typer_and_the_device_tree_agree_and_a_pe_costs_less_than_12_mb(pes: int) -> None:
    def resident_bytes() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    before, started = resident_bytes(), time.perf_counter()
    ran = run("""
    main:
        ldr x6, =DATA_PA
        add x6, x6, x0, lsl #4
        mrs x1, mpidr_el1
        ldr x2, =0x080a0000
        cmp x0, #123
        b.lo 1f
        ldr x2, =0x4000000000 - (123 << 17)
    1:  add x2, x2, x0, lsl #17
        ldr x3, [x2, #8]
        stp x1, x3, [x6]
        b park
    """, pes=pes, events=("fault",))
    words = ran.words(2 * pes)
    mpidrs, typers = words[::2], words[1::2]
    assert mpidrs == [1 << 31 | (pe // 16) << 8 | pe % 16 for pe in range(pes)]
    assert [typer >> 32 for typer in typers] == [mpidr & 0xFF_FFFF for mpidr in mpidrs]
    assert [typer >> 8 & 0xFFFF for typer in typers] == list(range(pes))
    last = [typer >> 4 & 1 for typer in typers]
    assert last == [int(pe == min(pes, 123) - 1 or pe == pes - 1) for pe in range(pes)], "the last of each region says so"
    image_end_pa = max(segment.end_pa for segment in ran.machine.image.segments)
    tree = _tree(ran.machine, -(-image_end_pa // (2 << 20)) * (2 << 20))
    registers = [node.get_property("reg").value for node in tree.get_node("/cpus").nodes if node.name.startswith("cpu@")]
    assert registers == [mpidr & 0xFF_FFFF for mpidr in mpidrs]
    grown = resident_bytes() - before
    assert grown - ran.machine.state.ram.nbytes < 12_000_000 * pes, f"{grown / pes / 1e6:.1f} MB for each PE"
    assert time.perf_counter() - started < 60


def test_the_registers_of_the_device_tree_lie_in_ram() -> None:
    machine = machine_for("main: b off\n")
    assert machine.pes[0].x(0) >= RAM_PA
    assert Ran(machine, machine.run(10_000)).entries() == []


def _as_elf(image: Image) -> Image:
    """The same memory as an ELF loader gives it."""
    return Image(image.name, "elf", image.segments, image.entry_pa, image.symbols)


def test_an_elf_starts_with_x0_0_and_finds_the_device_tree_at_the_start_of_ram() -> None:
    image = image_of("main:\nldr x1, =0x40000000\nldr w5, [x1]\nb off\n")
    machine = Machine(pes=2, ram_bytes=128 << 20).load(_as_elf(image))
    assert machine.pes[0].x(0) == 0
    assert len([node for node in _tree(machine, RAM_PA).get_node("/cpus").nodes if node.name.startswith("cpu@")]) == 2
    result = machine.run(10_000)
    assert (result.verdict.kind, result.registers[0]["x5"]) == ("finished", 0xEDFE_0DD0)


def test_an_elf_that_loads_at_the_start_of_ram_keeps_it_to_itself() -> None:
    segment = Segment(RAM_PA, b"\x00\x00\x00\x14", 4096)                # b .
    machine = Machine(pes=1, ram_bytes=16 << 20).load(Image("low", "elf", (segment,), RAM_PA))
    assert machine.read_physical(RAM_PA, 8) == b"\x00\x00\x00\x14" + bytes(4)
    assert machine.run(1_000).verdict.kind == "budget"
