"""SGIs, priorities, masks, preemption and the generic timer, end to end. IHI 0069 H; DDI 0487 L.a, D12."""
import pytest

from sim.timing.profile import load_profile

from .support import ALL_INTERLEAVINGS, run

PROFILE = load_profile("cortex-a72")
CYCLES_PER_COUNT = PROFILE.clock_hz // PROFILE.cntfrq_hz         # 24, a whole number in this profile

_SEND = """
main:
    mov x19, x0
    bl gic_on
    msr daifclr, #2
    cbz x19, sender
1:  wfi
    b park
sender:
    mov x8, #3000
2:  subs x8, x8, #1
    b.ne 2b
    ldr x1, ={register:#x}
    msr icc_sgi1r_el1, x1
    isb
    mov x8, #3000
2:  subs x8, x8, #1
    b.ne 2b
    b park
"""


@pytest.mark.parametrize("interleaving", ALL_INTERLEAVINGS)
@pytest.mark.parametrize(("target", "pes", "delay_ns"), [(0, 1, "sgi_self_ns"), (1, 2, "sgi_near_ns"), (15, 16, "sgi_near_ns"), (16, 17, "sgi_far_ns")])
def test_an_sgi_arrives_after_the_delay_of_the_profile_and_is_taken_then(interleaving: str, target: int, pes: int, delay_ns: str) -> None:
    register = 5 << 24 | (target >> 4) << 16 | 1 << (target & 15)
    others = "" if pes < 3 else f"cmp x19, #{target}\nb.eq 1f\ncbnz x19, park\n"
    ran = run(_SEND.format(register=register).replace("    cbz x19, sender\n", others + "    cbz x19, sender\n", 1), pes=pes,
              interleaving=interleaving, ram_bytes=64 << 20 | 1 << 20)
    (sent,) = ran.events("sgi")
    delay_cycles = PROFILE.cycles_of_ns(getattr(PROFILE.interconnect, delay_ns))
    assert int(sent["b"]) - int(sent["cycle"]) == delay_cycles
    (entry,) = ran.events("entry", target)
    assert (int(entry["aux"]), ran.entries(target)[0].intid) == (0x280, 5)
    slack = PROFILE.costs.wfi_wake_cycles + PROFILE.costs.interrupt_recognition_cycles + PROFILE.costs.exception_entry_cycles
    assert int(sent["b"]) <= int(entry["cycle"]) <= int(sent["b"]) + slack + (8 if target == 0 else 0)


@pytest.mark.parametrize("interleaving", ALL_INTERLEAVINGS)
def test_pending_interrupts_are_taken_in_order_of_priority_and_pmr_holds_back_the_lower(interleaving: str) -> None:
    ran = run("""
    main:
        bl gic_on
        ldr x1, =0x080b0000
        ldr w2, =0x40c08060             // SGI 0: 0x60, 1: 0x80, 2: 0xc0, 3: 0x40
        str w2, [x1, #0x400]
        mov x2, #0x90
        msr icc_pmr_el1, x2
        mov x3, #4
    1:  sub x3, x3, #1
        lsl x4, x3, #24
        orr x4, x4, #1
        msr icc_sgi1r_el1, x4
        cbnz x3, 1b
        mov x8, #1000
    2:  subs x8, x8, #1
        b.ne 2b
        mrs x5, icc_hppir1_el1
        msr daifclr, #2
        mov x8, #1000
    2:  subs x8, x8, #1
        b.ne 2b
        mov x6, #0xff
        msr icc_pmr_el1, x6
        isb
        mov x8, #1000
    2:  subs x8, x8, #1
        b.ne 2b
        b off
    """, interleaving=interleaving)
    assert ran.x(5) == 3
    assert [entry.intid for entry in ran.entries()] == [3, 0, 1, 2]
    times = [int(event["cycle"]) for event in ran.events("interrupt_acknowledged")]
    assert times[3] - times[2] > 500, "SGI 2 waited for PMR"


@pytest.mark.parametrize("interleaving", ALL_INTERLEAVINGS)
def test_a_handler_that_unmasks_is_preempted_by_a_higher_priority_only(interleaving: str) -> None:
    ran = run("""
    main:
        adr x1, own_vectors
        msr vbar_el1, x1
        bl gic_on
        ldr x1, =0x080b0000
        ldr w2, =0x20608060             // SGI 0: 0x60, 1: 0x80, 2: 0x60, 3: 0x20
        str w2, [x1, #0x400]
        mov x20, #0
        ldr x21, =DATA_PA
        msr daifclr, #2
        mov x4, #1
        msr icc_sgi1r_el1, x4           // SGI 0
        isb
        mov x8, #2000
    2:  subs x8, x8, #1
        b.ne 2b
        b off
        .balign 0x800
    own_vectors:
        .space 0x280
        mrs x15, icc_iar1_el1
        str x15, [x21], #8
        cbz x15, 3f
        msr icc_eoir1_el1, x15
        eret
    3:  mrs x11, elr_el1
        mrs x12, spsr_el1
        mov x4, #1
        movk x4, #0x100, lsl #16
        msr icc_sgi1r_el1, x4           // SGI 1: lower
        movk x4, #0x200, lsl #16
        msr icc_sgi1r_el1, x4           // SGI 2: equal
        movk x4, #0x300, lsl #16
        msr icc_sgi1r_el1, x4           // SGI 3: higher
        isb
        msr daifclr, #2
        mov x9, #1000
    4:  subs x9, x9, #1
        b.ne 4b
        msr daifset, #2
        mov x13, #99
        str x13, [x21], #8
        msr elr_el1, x11
        msr spsr_el1, x12
        msr icc_eoir1_el1, xzr
        eret
    """, interleaving=interleaving)
    assert ran.words(6) == [0, 3, 99, 2, 1, 0]


@pytest.mark.parametrize("interleaving", ALL_INTERLEAVINGS)
@pytest.mark.parametrize(("timer", "intid"), [("cntv", 27), ("cntp", 30)])
def test_a_timer_wakes_wfi_at_the_very_cycle_of_its_compare_value(interleaving: str, timer: str, intid: int) -> None:
    ran = run(f"""
    main:
        bl gic_on
        msr daifclr, #2
        mov x1, #5000
        msr {timer}_cval_el0, x1
        mov x2, #1
        msr {timer}_ctl_el0, x2
        mrs x7, {timer}_ctl_el0
        wfi
        mrs x5, {'cntvct' if timer == 'cntv' else 'cntpct'}_el0
        b off
    """, interleaving=interleaving)
    (wake,) = ran.events("wake")
    assert int(wake["cycle"]) == 5000 * CYCLES_PER_COUNT
    assert [(entry.slot, entry.intid) for entry in ran.entries()] == [(0x280, intid)]
    assert ran.x(7) == 1, "ISTATUS is 0 before the time has come"
    assert ran.x(5) >= 5000


@pytest.mark.parametrize("interleaving", ALL_INTERLEAVINGS)
def test_tval_counts_down_and_istatus_says_that_the_time_has_come(interleaving: str) -> None:
    ran = run("""
    main:
        mov x1, #100
        msr cntv_tval_el0, x1
        mrs x2, cntv_cval_el0
        mrs x3, cntvct_el0
        mov x4, #3                      // enabled, masked
        msr cntv_ctl_el0, x4
        mov x8, #3000
    2:  subs x8, x8, #1
        b.ne 2b
        mrs x5, cntv_ctl_el0
        mrs x6, cntv_tval_el0
        mrs x7, isr_el1
        b off
    """, interleaving=interleaving)
    assert 99 <= ran.x(2) - ran.x(3) <= 100
    assert (ran.x(5), ran.x(7)) == (7, 0)
    assert ran.x(6) >> 31 == 1 and ran.x(6) >> 32 == 0, "negative, 32 bits"


@pytest.mark.parametrize("interleaving", ALL_INTERLEAVINGS)
def test_the_counter_is_simulated_time_on_every_pe(interleaving: str) -> None:
    """PMCCNTR_EL0 counts the PE's own cycles; both are read one instruction apart."""
    ran = run("""
    main:
        add x1, x0, #1
        mov x8, #1000
        mul x8, x8, x1
    2:  subs x8, x8, #1
        b.ne 2b
        msr pmccntr_el0, xzr
        mrs x3, cntvct_el0
        mrs x4, cntpct_el0
        mrs x5, cntvct_el0
        mrs x6, pmccntr_el0
        mrs x7, cntfrq_el0
        b park
    """, pes=4, interleaving=interleaving)
    for pe in range(4):
        assert ran.x(7, pe) == PROFILE.cntfrq_hz
        assert ran.x(3, pe) <= ran.x(4, pe) <= ran.x(5, pe) <= ran.x(3, pe) + 1
        assert abs(ran.x(3, pe) * CYCLES_PER_COUNT - 1000 * (pe + 1)) < 400, "1000 rounds of a cycle for each PE number: each needs the last one's count"
        assert 0 < ran.x(6, pe) - 3 * PROFILE.issue_cycles["system_read"] <= 2 * PROFILE.latency_cycles["system_read"]


@pytest.mark.parametrize("interleaving", ALL_INTERLEAVINGS)
def test_two_reads_of_the_counter_in_one_block_differ_by_the_time_between_them(interleaving: str) -> None:
    ran = run("main:\nb 1f\n1: mrs x3, cntvct_el0\n" + "add x5, x5, #1\n" * 48 + "mrs x4, cntvct_el0\nb off\n", interleaving=interleaving)
    assert ran.x(4) - ran.x(3) in (2, 3), "52 cycles"


@pytest.mark.parametrize("interleaving", ALL_INTERLEAVINGS)
def test_a_group_0_interrupt_is_an_fiq(interleaving: str) -> None:
    ran = run("""
    main:
        bl gic_on
        ldr x1, =0x08000000
        mov w2, #0x13
        str w2, [x1]                    // GICD_CTLR: both groups
        ldr x1, =0x080b0000
        mov w2, #-2
        str w2, [x1, #0x80]             // SGI 0 in group 0
        mov x2, #1
        msr icc_igrpen0_el1, x2
        msr daifclr, #1
        mov x4, #1
        msr icc_sgi0r_el1, x4
        isb
        mov x8, #1000
    2:  subs x8, x8, #1
        b.ne 2b
        b off
    """, interleaving=interleaving)
    assert [(entry.slot, entry.intid) for entry in ran.entries()] == [(0x300, 0)]


@pytest.mark.parametrize("interleaving", ALL_INTERLEAVINGS)
def test_interrupts_from_el0_and_with_sp_el0_go_to_their_own_slots(interleaving: str) -> None:
    ran = run("""
    main:
        bl gic_on
        mov x4, #1
        msr spsel, #0
        msr daifclr, #2
        msr icc_sgi1r_el1, x4
        isb
        mov x8, #1000
    2:  subs x8, x8, #1
        b.ne 2b
        msr daifset, #2
        msr spsel, #1
        msr icc_sgi1r_el1, x4
        msr spsr_el1, xzr
        adr x1, 1f
        msr elr_el1, x1
        eret
    1:  mov x8, #1000
    2:  subs x8, x8, #1
        b.ne 2b
        svc #0xff0
        b off
    """, interleaving=interleaving)
    assert [entry.slot for entry in ran.entries()] == [0x080, 0x480, 0x400]
