"""WFI, WFE, SEV, SEVL and the event register; interrupts that wake; time that passes while every PE waits. DDI 0487 L.a, D1.6."""
import time

import pytest

from .support import ALL_INTERLEAVINGS, DATA_PA, Ran, machine_for, run

START_TIMER = """
    mrs x1, cntvct_el0
    add x1, x1, #{ticks}
    msr cntv_cval_el0, x1
    mov x2, #1
    msr cntv_ctl_el0, x2
"""


@pytest.mark.parametrize("interleaving", ALL_INTERLEAVINGS)
def test_wfi_with_a_masked_pending_interrupt_falls_through(interleaving: str) -> None:
    ran = run("""
    main:
        bl gic_on
        mov x1, #1
        msr icc_sgi1r_el1, x1
        isb
        wfi
        mov x5, #1
        wfi
        mov x5, #2
        mrs x6, isr_el1
        b off
    """, interleaving=interleaving)
    assert ran.entries() == []
    assert (ran.x(5), ran.x(6)) == (2, 1 << 7)


@pytest.mark.parametrize("interleaving", ALL_INTERLEAVINGS)
def test_an_unmasked_timer_ends_wfi_and_is_taken_with_elr_behind_it(interleaving: str) -> None:
    ran = run("main:\nbl gic_on\nmsr daifclr, #2\n" + START_TIMER.format(ticks=1000) + "wfi\nbehind: mov x5, #1\nmrs x6, cntvct_el0\nb off\n",
              interleaving=interleaving)
    (entry,) = ran.entries()
    assert (entry.slot, entry.intid, entry.elr) == (0x280, 27, ran.address("behind"))
    assert ran.x(6) >= ran.x(1) - 1


@pytest.mark.parametrize("interleaving", ALL_INTERLEAVINGS)
def test_wfe_waits_only_while_the_event_register_is_clear(interleaving: str) -> None:
    """SEVL sets it, WFE clears it and goes on; the next WFE waits until another PE's SEV."""
    ran = run("""
    main:
        cbnz x0, other
        sevl
        wfe
        mov x5, #1
        ldr x6, =DATA_PA
        str x5, [x6]
        wfe
        ldr x7, [x6, #8]
        b park
    other:
        ldr x6, =DATA_PA
    1:  ldr x7, [x6]
        cbz x7, 1b
        mov x8, #2000
    2:  subs x8, x8, #1
        b.ne 2b
        mov x7, #7
        str x7, [x6, #8]
        dsb sy
        sev
        b park
    """, pes=2, interleaving=interleaving)
    assert ran.x(7) == 7, "the second WFE waited for the event"
    assert len(ran.events("wait", 0)) == 1


@pytest.mark.parametrize("interleaving", ALL_INTERLEAVINGS)
def test_an_event_sent_before_wfe_is_remembered_once(interleaving: str) -> None:
    ran = run("main:\nsev\nsev\nwfe\nmov x5, #1\nsevl\nwfe\nb off\n", interleaving=interleaving)
    assert ran.x(5) == 1
    assert len(ran.events("wait")) == 0
    machine = machine_for("main:\nsev\nsev\nwfe\nmov x5, #1\nwfe\nb off\n", interleaving=interleaving)
    result = machine.run(1_000_000)
    assert (result.verdict.kind, result.verdict.pe, result.registers[0]["x5"]) == ("deadlock", 0, 1)


@pytest.mark.parametrize("interleaving", ALL_INTERLEAVINGS)
def test_an_exception_return_is_an_event(interleaving: str) -> None:
    """Otherwise an interrupt between LDXR and WFE, whose return clears the monitor, would let a PE miss the store that it waits for."""
    ran = run("main:\nbl gic_on\nsevl\nwfe\nmsr daifclr, #2\nmov x1, #1\nmsr icc_sgi1r_el1, x1\nisb\nnop\nwfe\nmov x5, #1\nb off\n",
              interleaving=interleaving)
    assert len(ran.entries()) == 1 and ran.x(5) == 1


@pytest.mark.parametrize("value", [0, 5], ids=["the same value", "another value"])
@pytest.mark.parametrize("interleaving", ALL_INTERLEAVINGS)
def test_wfe_is_woken_by_another_pes_store_to_the_monitored_granule(interleaving: str, value: int) -> None:
    ran = run(f"""
    main:
        bl mmu_on
        mrs x0, mpidr_el1
        and x0, x0, #0xff
        ldr x6, =DATA_PA
        cbnz x0, other
        ldaxr w1, [x6]
        str w1, [x6, #64]
        mov x5, #1
        str x5, [x6, #128]
        wfe
        mov x5, #2
        b park
    other:
        ldr x7, [x6, #128]
        cbz x7, other
        mov x8, #3000
    2:  subs x8, x8, #1
        b.ne 2b
        mov w7, #{value}
        str w7, [x6, #4]
        b park
    """, pes=2, interleaving=interleaving)
    assert ran.x(5) == 2
    assert len(ran.events("wait", 0)) == 1
    assert int(ran.events("wake", 0)["a"][0]) > 2000, "it slept until the store"


@pytest.mark.parametrize("interleaving", ALL_INTERLEAVINGS)
def test_a_store_to_the_next_granule_wakes_nobody(interleaving: str) -> None:
    machine = machine_for("""
    main:
        bl mmu_on
        mrs x0, mpidr_el1
        and x0, x0, #0xff
        ldr x6, =DATA_PA
        cbnz x0, other
        ldaxr w1, [x6]
        wfe
        b park
    other:
        mov x8, #3000
    2:  subs x8, x8, #1
        b.ne 2b
        str w7, [x6, #64]
        b park
    """, pes=2, interleaving=interleaving)
    result = machine.run(10_000_000)
    assert (result.verdict.kind, result.verdict.pe) == ("deadlock", 0)


@pytest.mark.parametrize("interleaving", ALL_INTERLEAVINGS)
@pytest.mark.parametrize("how", ["wfi", "wfe"])
def test_sleeping_pes_are_woken_by_an_sgi(interleaving: str, how: str) -> None:
    ran = run(f"""
    main:
        mov x19, x0
        bl gic_on
        msr daifclr, #2
        cbz x19, sender
        {how}
        {how if how == 'wfe' else 'nop'}
        b park
    sender:
        mov x8, #20000
    2:  subs x8, x8, #1
        b.ne 2b
        mov x1, #0xe
        movk x1, #0x300, lsl #16
        msr icc_sgi1r_el1, x1
        mov x8, #20000
    2:  subs x8, x8, #1
        b.ne 2b
        sev
        b park
    """, pes=4, interleaving=interleaving)
    for pe in (1, 2, 3):
        assert [(entry.slot, entry.intid) for entry in ran.entries(pe)] == [(0x280, 3)]


@pytest.mark.parametrize("interleaving", ALL_INTERLEAVINGS)
def test_an_interrupt_that_is_masked_does_not_end_wfe_but_ends_wfi(interleaving: str) -> None:
    for how, kind in (("wfi", "finished"), ("wfe", "deadlock")):
        machine = machine_for("main:\nbl gic_on\n" + START_TIMER.format(ticks=1000) + f"{how}\nb off\n", interleaving=interleaving)
        assert machine.run(10_000_000).verdict.kind == kind, how


@pytest.mark.parametrize("interleaving", ALL_INTERLEAVINGS)
@pytest.mark.parametrize("masked", [0, 1])
def test_fiq_line_ends_wfi_and_is_taken_when_unmasked(interleaving: str, masked: int) -> None:
    machine = machine_for(f"main:\nmsr daif{'set' if masked else 'clr'}, #1\nwfi\nbehind: mov x5, #1\nb off\n", interleaving=interleaving)
    machine.inject_line(0, "fiq")
    result = machine.run(100_000 if not masked else 10_000)
    if masked:
        assert (result.verdict.kind, result.registers[0]["x5"]) == ("finished", 1)
        assert Ran(machine, result).entries() == []
    else:
        first = Ran(machine, result).entries()[0]
        assert first.slot == 0x300


@pytest.mark.parametrize("interleaving", ALL_INTERLEAVINGS)
def test_an_serror_injected_while_waiting_is_taken_when_unmasked(interleaving: str) -> None:
    machine = machine_for("main:\nmsr daifclr, #4\nwfi\nbehind: mov x5, #1\nb off\n", interleaving=interleaving)
    machine.inject_serror(0, 50_000, 0x1234)
    result = machine.run(1_000_000)
    ran = Ran(machine, result)
    assert result.verdict.kind == "finished"
    assert [(entry.slot, entry.esr, entry.elr) for entry in ran.entries()] == [(0x380, 0x2F << 26 | 1 << 25 | 0x1234, ran.address("behind"))]
    assert int(ran.events("entry")["cycle"][0]) >= 50_000


@pytest.mark.parametrize("interleaving", ALL_INTERLEAVINGS)
def test_a_masked_serror_stays_pending_and_is_taken_when_a_is_cleared(interleaving: str) -> None:
    machine = machine_for("""
    main:
        mov x8, #5000
    2:  subs x8, x8, #1
        b.ne 2b
        mrs x6, isr_el1
        mov x5, #1
        msr daifclr, #4
    behind:
        mov x7, #1
        b off
    """, interleaving=interleaving)
    machine.inject_serror(0, 100, 0x55)
    result = machine.run(1_000_000)
    ran = Ran(machine, result)
    assert [(entry.slot, entry.iss, entry.elr) for entry in ran.entries()] == [(0x380, 0x55, ran.address("behind"))]
    assert (ran.x(5), ran.x(6), ran.x(7)) == (1, 1 << 8, 1)


def test_a_billion_waited_cycles_cost_milliseconds() -> None:
    machine = machine_for("main:\nbl gic_on\nmsr daifclr, #2\n" + "mrs x1, cntvct_el0\nldr x3, =41666666\nadd x1, x1, x3\nmsr cntv_cval_el0, x1\n"
                          "mov x2, #1\nmsr cntv_ctl_el0, x2\nwfi\nb off\n", pes=1)
    started = time.process_time()                           # what others do on this host is not ours
    result = machine.run(3_000_000_000)
    seconds = time.process_time() - started
    assert result.verdict.kind == "finished"
    assert result.cycles > 990_000_000
    assert result.statistics[0]["wait_cycles"] > 990_000_000
    assert seconds < 0.5, f"{seconds} s"


def test_a_deadlock_names_a_pe_that_waits_and_where() -> None:
    machine = machine_for("main:\ncbnz x0, park\nmov x5, #1\nwfe\nhere: b off\n", pes=3)
    result = machine.run(10_000_000)
    assert (result.verdict.kind, result.verdict.pe, result.verdict.symbol) == ("deadlock", 0, "here")
    assert "1 of 3" in result.verdict.reason


def test_wfi_at_el0_falls_through_to_an_interrupt_that_is_pending_instead_of_trapping() -> None:
    """A WFI that would complete at once need not trap; the interrupt is taken first in any case, with ELR at or behind the WFI."""
    ran = run("""
    main:
        bl gic_on
        ldr x1, =SCTLR_OFF & ~(1 << 16)
        msr sctlr_el1, x1
        mov x1, #1
        msr icc_sgi1r_el1, x1
        isb
        msr spsr_el1, xzr
        adr x1, 1f
        msr elr_el1, x1
        eret
    1:  mov x5, #1000
    2:  subs x5, x5, #1
        b.ne 2b
        svc #0xff0
        b off
    """)
    assert [(entry.slot, entry.intid) for entry in ran.entries() if entry.slot == 0x480] == [(0x480, 0)]


def test_the_data_of_a_waiting_kernel_is_left_alone() -> None:
    machine = machine_for("main:\nwfi\nb main\n", pes=2)
    before = machine.read_physical(DATA_PA, 64)
    result = machine.run(1_000_000)
    assert result.verdict.kind == "deadlock"
    assert result.instructions < 60
    assert machine.read_physical(DATA_PA, 64) == before


@pytest.mark.parametrize("interleaving", ALL_INTERLEAVINGS)
def test_an_unmasked_fiq_ends_wfe_although_irqs_are_masked(interleaving: str) -> None:
    machine = machine_for("main:\nmsr daifclr, #1\nwfe\nb off\n", interleaving=interleaving)
    machine.run(1_000)
    machine.inject_line(0, "fiq")
    assert Ran(machine, machine.run(20_000)).entries()[0].slot == 0x300


@pytest.mark.parametrize("interleaving", ALL_INTERLEAVINGS)
def test_an_unmasked_irq_does_not_matter_to_a_masked_fiq_that_wfe_waits_with(interleaving: str) -> None:
    machine = machine_for("main:\nmsr daifclr, #2\nwfe\nb off\n", interleaving=interleaving)
    machine.run(1_000)
    machine.inject_line(0, "fiq")
    assert machine.run(20_000).verdict.kind == "deadlock"


@pytest.mark.parametrize("interleaving", ALL_INTERLEAVINGS)
@pytest.mark.parametrize(("how", "kind"), [("wfi", "finished"), ("wfe", "deadlock")])
@pytest.mark.parametrize("at_cycle", [1, 5_000], ids=["before", "while waiting"])
def test_a_masked_serror_ends_wfi_and_not_wfe(interleaving: str, how: str, kind: str, at_cycle: int) -> None:
    machine = machine_for(f"main:\nnop\nb 1f\n1: {how}\nb off\n", interleaving=interleaving)
    machine.inject_serror(0, at_cycle)
    result = machine.run(100_000)
    assert result.verdict.kind == kind
    assert Ran(machine, result).entries() == []


@pytest.mark.parametrize("interleaving", ALL_INTERLEAVINGS)
@pytest.mark.parametrize(("unmask", "slot"), [(1, 0x300), (2, 0x280), (3, 0x300)], ids=["F", "I", "both"])
def test_of_an_irq_and_an_fiq_at_once_the_unmasked_one_is_taken_and_the_fiq_first(interleaving: str, unmask: int, slot: int) -> None:
    machine = machine_for(f"main:\nmrs x5, isr_el1\nmsr daifclr, #{unmask}\nb 1f\n1: nop\nb 1b\n", interleaving=interleaving)
    machine.inject_line(0, "irq")
    machine.inject_line(0, "fiq")
    ran = Ran(machine, machine.run(2_000))
    assert ran.x(5) == 0b11 << 6
    assert ran.entries()[0].slot == slot
