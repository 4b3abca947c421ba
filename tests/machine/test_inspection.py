"""Looking at a machine that has stopped, and going on: registers, memory by VA and PA, TLBs, translation tables."""
import itertools

import pytest

from sim.errors import UserError
from sim.tables import mapped_leaves, merged

from .support import ALL_INTERLEAVINGS, DATA_PA, LEVEL3_PA, PAGE_EL1, PAGES_PA, PAGES_VA, TABLES_PA, TCR, machine_for, write_words

_BUSY = """
main:
    bl mmu_on
    mrs x0, mpidr_el1
    and x0, x0, #0xff
    ldr x6, =DATA_PA
    ldr x7, =PAGES_VA
    fmov d3, x7
    mov x20, #300
1:  ldxr x2, [x6]
    add x2, x2, #1
    stxr w3, x2, [x6]
    cbnz w3, 1b
    ldr x9, [x7]
    add x7, x7, #4096
    str x2, [x7, #8]
    svc #1
    and x7, x7, #~0x40000
    subs x20, x20, #1
    b.ne 1b
    b park
"""


@pytest.mark.parametrize("interleaving", ALL_INTERLEAVINGS)
def test_many_short_runs_end_in_the_same_state_as_one_long_run(interleaving: str) -> None:
    def machine():  # type: ignore[no-untyped-def]
        return machine_for(_BUSY.replace("mov x20, #300", "mov x20, #60"), pes=3, interleaving=interleaving, seed=5)

    whole = machine()
    expected = whole.run(50_000_000)
    assert expected.verdict.kind == "finished"
    parts = machine()
    for budget in itertools.count(1_000, 1_237):
        result = parts.run(budget)
        if result.verdict.kind == "finished":
            break
        assert result.verdict.kind == "budget"
    assert result.registers == expected.registers
    assert parts.read_physical(DATA_PA, 4096) == whole.read_physical(DATA_PA, 4096)
    assert result.cycles > 5_000
    assert [one["instructions"] for one in result.statistics] == [one["instructions"] for one in expected.statistics] or interleaving != "instruction"


def test_registers_memory_and_tlbs_can_be_read_at_a_stop() -> None:
    machine = machine_for(_BUSY, pes=2)
    machine.run(3_000)
    view = machine.pes[1]
    assert view.x(6) == DATA_PA
    assert view.v(3) == PAGES_VA
    assert view.system("TTBR0_EL1") == TABLES_PA
    assert machine.address("main") <= view.pc < machine.address("main") + 0x10000
    assert machine.read_virtual(1, PAGES_VA + 0x2000, 16) == machine.read_physical(PAGES_PA + 0x2000, 16)
    assert machine.translate(1, PAGES_VA + 0x5123) == PAGES_PA + 0x5123
    assert machine.translate(1, 1 << 40) is None
    with pytest.raises(UserError, match="PE 1 has no readable translation"):
        machine.read_virtual(1, 1 << 40, 8)
    with pytest.raises(UserError, match="outside RAM"):
        machine.read_physical(0, 8)
    lines = list(view.tlb_lines("l2"))
    assert any(f"va {PAGES_VA:#018x} -> pa {PAGES_PA:#014x}" in line and "4 KiB" in line and "global" in line for line in lines)
    assert list(view.tlb_lines("l1d")) and list(view.tlb_lines("l1i")) and list(view.tlb_lines("walk_cache"))


def test_reading_leaves_no_trace() -> None:
    def log(look: bool) -> bytes:
        machine = machine_for(_BUSY, pes=2)
        machine.run(3_000)
        if look:
            for view in machine.pes:
                view.registers()
                list(view.tlb_lines())
                list(view.table_lines())
                machine.read_virtual(view.index, PAGES_VA + 0x7000, 64)
        return bytes(machine.run(50_000_000).events)

    assert log(True) == log(False)


def test_registers_changed_at_a_stop_are_what_the_guest_goes_on_with() -> None:
    machine = machine_for("main:\nmov x5, #1\n1: cbnz x5, 1b\nadd x6, x7, #1\nb off\n")
    assert machine.run(1_000).verdict.kind == "budget"
    machine.pes[0].set_x(5, 0)
    machine.pes[0].set_x(7, 41)
    result = machine.run(10_000)
    assert (result.verdict.kind, result.registers[0]["x6"]) == ("finished", 42)


def test_translation_tables_are_printed_as_merged_ranges_in_order() -> None:
    machine = machine_for("main:\nbl mmu_on\n1: b 1b\n")
    machine.run(2_000)
    write_words(machine, LEVEL3_PA + 8 * 5, [0])
    write_words(machine, LEVEL3_PA + 8 * 9, [(PAGES_PA + 9 * 4096) | PAGE_EL1 | 1 << 7])
    ranges = list(machine.pes[0].mapped())
    lower = [(one.va, one.size_bytes, one.pa, one.level) for one in ranges if one.va < 1 << 39]
    assert lower == [
        (0, 1 << 30, 0, 1), (0x4000_0000, 1 << 30, 0x4000_0000, 1), (0x8000_0000, 1 << 30, 0x4000_0000, 1),
        (PAGES_VA, 5 * 4096, PAGES_PA, 3), (PAGES_VA + 6 * 4096, 3 * 4096, PAGES_PA + 6 * 4096, 3),
        (PAGES_VA + 9 * 4096, 4096, PAGES_PA + 9 * 4096, 3), (PAGES_VA + 10 * 4096, 502 * 4096, PAGES_PA + 10 * 4096, 3)]
    assert {one.va - (2**64 - 2**39) for one in ranges if one.va >= 1 << 63} == {va for va, _, _, _ in lower}, "TTBR1 names the same tables"
    lines = list(machine.pes[0].table_lines())
    assert lines[5].startswith("0x00000000c0009000-0x00000000c0009fff -> 0x000044009000 level 3 page 4 KiB at 0x44009000, EL1 read-only")


def test_the_ranges_agree_with_what_translate_finds_everywhere() -> None:
    machine = machine_for("main:\nbl mmu_on\n1: b 1b\n")
    machine.run(2_000)
    write_words(machine, LEVEL3_PA + 8 * 5, [0, PAGES_PA | PAGE_EL1, 0x1234_5000 | 1])
    for one in machine.pes[0].mapped():
        for va in (one.va, one.va + one.size_bytes - 8):
            assert machine.translate(0, va) == one.pa + va - one.va
    for va in (PAGES_VA + 5 * 4096, PAGES_VA + 7 * 4096, PAGES_VA + (2 << 20), 1 << 38):
        assert machine.translate(0, va) is None
        assert not any(one.va <= va < one.va + one.size_bytes for one in machine.pes[0].mapped())


def test_tables_that_name_themselves_or_nothing_are_read_lazily_and_do_not_hang() -> None:
    words = {0x1000: [0x1003] * 512}
    leaves = mapped_leaves(lambda pa, count: words.get(pa, [None])[:count] if pa in words else None, TCR, 0x1000, upper=False)
    first = next(leaves)
    assert (first.va, first.pa, first.level) == (0, 0x1000, 3)
    assert next(leaves).va == 0x1000
    outside = list(merged(mapped_leaves(lambda pa, count: [0x9_0000_0003] + [0] * (count - 1) if pa == 0x1000 else None, TCR, 0x1000, upper=False)))
    assert [(one.va, one.pa) for one in outside] == [(0, None)]
    assert "outside RAM" in str(outside[0])
    assert list(mapped_leaves(lambda pa, count: [0] * count, 0, 0, upper=False)) == [], "T0SZ = 0 is out of range"
