"""Alignment of PC and SP, traps of FP, illegal returns, breakpoints, and what exception entry does to PSTATE and to the interrupted block.

Expected values are composed here by hand from DDI 0487 L.a, D1.3 (alignment checking), D1.4 (exception entry and return), D24.2 (ESR_EL1).
"""
import pytest

from .support import ALL_INTERLEAVINGS, EL1_MASKED, LEVEL3_PA, NOTHING_PA, PAGES_VA, Ran, machine_for, run, write_words

IL = 1 << 25


@pytest.mark.parametrize("interleaving", ALL_INTERLEAVINGS)
def test_a_misaligned_pc_is_a_pc_alignment_fault_with_far(interleaving: str) -> None:
    ran = run("""
    main:
        adr x26, 1f
        adr x2, main
        add x2, x2, #2
        br x2
    1:  adr x26, 2f
        adr x2, main
        add x2, x2, #1
        msr elr_el1, x2
        mov x3, #EL1_MASKED
        msr spsr_el1, x3
        eret
    2:  b off
    """, interleaving=interleaving)
    main = ran.address("main")
    assert [(entry.ec, entry.iss, entry.elr, entry.far) for entry in ran.entries()] == [
        (0x22, 0, main + 2, main + 2), (0x22, 0, main + 1, main + 1)]


@pytest.mark.parametrize("interleaving", ALL_INTERLEAVINGS)
def test_a_misaligned_sp_faults_at_the_first_access_based_on_it_also_in_the_middle_of_a_block(interleaving: str) -> None:
    ran = run("""
    main:
        mov x20, sp
        mov x5, #1
        sub sp, sp, #8
        mov x5, #2
    probe_0:
        ldr x1, [sp]
        mov x5, #3
    probe_1:
        stp x1, x2, [sp, #-16]!
        add x6, x5, #1
        mov sp, x20
        ldr x1, [sp]
        sub sp, sp, #4
    probe_2:
        ldr q0, [sp, #16]
        mov x7, sp
        mov sp, x20
        ldr x1, =SCTLR_OFF & ~(1 << 3)
        msr sctlr_el1, x1
        isb
        sub sp, sp, #8
        ldr x8, [sp]
        mov sp, x20
        sub x9, x20, #8
        ldr x8, [x9]
        b off
    """, interleaving=interleaving)
    entries = ran.entries()
    assert [(entry.ec, entry.iss, entry.elr) for entry in entries] == [(0x26, 0, ran.address(f"probe_{k}")) for k in range(3)]
    assert [entry.sp - ran.x(20) & 0xFFFF_FFFF_FFFF_FFFF for entry in entries] == [2**64 - 8, 2**64 - 8, 2**64 - 4]
    assert ran.x(6) == 4


@pytest.mark.parametrize("interleaving", ALL_INTERLEAVINGS)
def test_sa0_governs_sp_alignment_at_el0_and_sa_at_el1(interleaving: str) -> None:
    ran = run("""
    main:
        ldr x1, =SCTLR_OFF & ~(1 << 3)
        msr sctlr_el1, x1
        isb
        ldr x1, =DATA_PA + 8
        msr sp_el0, x1
        mov x1, #EL0
        msr spsr_el1, x1
        adr x1, 1f
        msr elr_el1, x1
        eret
    1:  nop
    probe_0:
        ldr x3, [sp]
        svc #0xff0
        ldr x1, =SCTLR_OFF & ~(1 << 4)
        msr sctlr_el1, x1
        isb
        mov x1, #EL0
        msr spsr_el1, x1
        adr x1, 2f
        msr elr_el1, x1
        eret
    2:  ldr x3, [sp]
        svc #0xff0
        b off
    """, interleaving=interleaving)
    assert [(entry.slot, entry.ec, entry.elr) for entry in ran.entries() if entry.ec != 0x15] == [(0x400, 0x26, ran.address("probe_0"))]


@pytest.mark.parametrize("interleaving", ALL_INTERLEAVINGS)
@pytest.mark.parametrize("before", range(4))
def test_fp_is_trapped_at_the_very_instruction_of_a_block_that_uses_it(interleaving: str, before: int) -> None:
    ran = run(f"""
    main:
        msr cpacr_el1, xzr
        isb
        mov x5, #0
        b 1f
    1:  {'add x5, x5, #1;' * before}
    probe_0:
        fmov d0, x1
        add x5, x5, #16
    probe_1:
        ldr q0, [x2]
    probe_2:
        mrs x1, fpsr
        b off
    """.replace(";", "\n"), interleaving=interleaving)
    entries = ran.entries()
    assert [(entry.ec, entry.iss, entry.elr) for entry in entries] == [
        (0x07, 1 << 24 | 0xE << 20, ran.address(f"probe_{number}")) for number in range(3)]
    assert ran.x(5) == before + 16


@pytest.mark.parametrize("interleaving", ALL_INTERLEAVINGS)
def test_fpen_of_one_traps_fp_at_el0_only(interleaving: str) -> None:
    ran = run("""
    main:
        mov x1, #1 << 20
        msr cpacr_el1, x1
        isb
        fmov d0, x1
        mov x1, #EL0
        msr spsr_el1, x1
        adr x1, 1f
        msr elr_el1, x1
        eret
    1:  mov x4, #7
    probe_0:
        fmov d1, x4
        svc #0xff0
        fmov x5, d0
        b off
    """, interleaving=interleaving)
    assert [(entry.slot, entry.ec, entry.elr) for entry in ran.entries() if entry.ec != 0x15] == [(0x400, 0x07, ran.address("probe_0"))]
    assert ran.x(5) == 1 << 20


ILLEGAL_SPSR = {"AArch32 User": 0x10, "AArch32 Supervisor": 0x13, "EL2h": 0x9, "EL2t": 0x8, "EL3h": 0xD, "EL0 with M[0]": 0x1, "M[1] set": 0x6}


@pytest.mark.parametrize("interleaving", ALL_INTERLEAVINGS)
@pytest.mark.parametrize("name", ILLEGAL_SPSR)
def test_an_illegal_return_stays_in_el1_with_il_set_and_takes_illegal_execution_state(interleaving: str, name: str) -> None:
    """PSTATE.{EL, SP, nRW} are unchanged, IL = 1, N Z C V D A I F come from SPSR; SPSR_EL1 itself is not what ERET changes."""
    spsr = ILLEGAL_SPSR[name] | 0xA000_0000 | 0x140
    ran = run(f"""
    main:
        ldr x1, ={spsr:#x}
        msr spsr_el1, x1
        adr x2, 1f
        msr elr_el1, x2
        adr x26, 2f
        eret
        b off
    1:  mov x3, #99
    2:  mov x4, #1
        adr x2, 1b
        b off
    """, interleaving=interleaving)
    (entry,) = ran.entries()
    assert (entry.slot, entry.ec, entry.iss, entry.elr) == (0x200, 0x0E, 0, ran.x(2))
    assert entry.spsr == 0xA000_0000 | 0x140 | 1 << 20 | 5, hex(entry.spsr)
    assert (ran.x(3), ran.x(4)) == (0, 1)


@pytest.mark.parametrize("interleaving", ALL_INTERLEAVINGS)
def test_spsr_is_as_written_after_an_illegal_return_to_aarch32(interleaving: str) -> None:
    """ERET does not write SPSR_EL1; the exception it leads to does, so it is read where no exception is taken: by the fault's own SPSR alone."""
    ran = run("""
    main:
        mov x1, #0x1d3
        msr spsr_el1, x1
        adr x2, 1f
        msr elr_el1, x2
        adr x26, 1f
        eret
    1:  mrs x3, spsr_el1
        mov x1, #0x3c5
        msr spsr_el1, x1
        adr x2, 2f
        msr elr_el1, x2
        eret
    2:  mrs x4, spsr_el1
        b off
    """, interleaving=interleaving)
    assert ran.x(4) == 0x3C5


@pytest.mark.parametrize("interleaving", ALL_INTERLEAVINGS)
def test_a_hardware_breakpoint_stops_before_the_instruction_with_the_class_of_the_level(interleaving: str) -> None:
    ran = run("""
    main:
        msr oslar_el1, xzr
        adr x1, probe_0
        msr dbgbvr0_el1, x1
        ldr x1, =0xf << 5 | 0b11 << 1 | 1           // any byte, EL1 and EL0, enabled
        msr dbgbcr0_el1, x1
        mrs x1, mdscr_el1
        orr x1, x1, #1 << 15                        // MDE
        orr x1, x1, #1 << 13                        // KDE
        msr mdscr_el1, x1
        isb
        msr daifclr, #8
        mov x5, #1
        b 1f
    1:  mov x5, #2
    probe_0:
        mov x5, #3
        mov x6, #4
        msr daifset, #8
        msr mdscr_el1, xzr
        isb
        adr x26, 2f
        br x26
    2:  mov x26, #0
        b 1f
    1:  b off
    """, interleaving=interleaving)
    (entry,) = ran.entries()
    assert (entry.slot, entry.ec, entry.iss, entry.elr) == (0x200, 0x31, 0x22, ran.address("probe_0"))
    assert (ran.x(5), ran.x(6)) == (2, 4), "the log goes on behind the instruction"


@pytest.mark.parametrize("interleaving", ALL_INTERLEAVINGS)
def test_a_hardware_breakpoint_at_el0_and_none_while_the_os_lock_is_set(interleaving: str) -> None:
    ran = run("""
    main:
        mov x1, #1
        msr oslar_el1, x1
        adr x1, probe_0
        msr dbgbvr0_el1, x1
        ldr x1, =0xf << 5 | 0b10 << 1 | 1           // EL0 only
        msr dbgbcr0_el1, x1
        mov x1, #1 << 15
        msr mdscr_el1, x1
        isb
        mov x1, #EL0
        bl try
        msr oslar_el1, xzr
        isb
        mov x1, #EL0 & ~0x200
        bl try
        b off
    try:
        msr spsr_el1, x1
        adr x1, 1f
        msr elr_el1, x1
        eret
    1:  nop
    probe_0:
        nop
        svc #0xff0
        ret
    """, interleaving=interleaving)
    assert [(entry.slot, entry.ec, entry.iss, entry.elr) for entry in ran.entries() if entry.ec != 0x15] == [
        (0x400, 0x30, 0x22, ran.address("probe_0"))]


@pytest.mark.parametrize("interleaving", ALL_INTERLEAVINGS)
@pytest.mark.parametrize("span", [0, 1])
def test_entry_masks_everything_keeps_nzcv_and_sets_pan_by_span(interleaving: str, span: int) -> None:
    ran = run(f"""
    main:
        ldr x1, =SCTLR_OFF & ~(1 << 23) | {span} << 23
        msr sctlr_el1, x1
        isb
        .inst 0xd500409f                            // MSR PAN, #0
        ldr x1, =0x60000000
        msr nzcv, x1
        msr daifclr, #15
        svc #1
        mrs x5, nzcv
        mrs x6, daif
        .inst 0xd500419f                            // MSR PAN, #1
        svc #2
        mrs x7, s3_0_c4_c2_3
        b off
    """, interleaving=interleaving)
    first, second = ran.entries()
    assert (first.spsr, second.spsr) == (0x6000_0005, 0x6040_0005)
    assert first.masks == 0x3C0 | (0 if span else 1 << 22)
    assert second.masks == 0x3C0 | 1 << 22
    assert (ran.x(5), ran.x(6), ran.x(7)) == (0x6000_0000, 0, 1 << 22)


@pytest.mark.parametrize("interleaving", ALL_INTERLEAVINGS)
def test_the_slot_and_the_stack_pointer_depend_on_the_level_and_spsel(interleaving: str) -> None:
    ran = run("""
    main:
        mov x20, sp
        ldr x1, =0x12340
        msr sp_el0, x1
        svc #1
        msr spsel, #0
        mov x21, sp
        svc #2
        mov x22, sp
        add sp, sp, #16
        msr spsel, #1
        mov x23, sp
        mrs x24, sp_el0
        mov x1, #EL0
        msr spsr_el1, x1
        adr x1, 1f
        msr elr_el1, x1
        eret
    1:  mov x25, sp
        add sp, sp, #0x100
        svc #0xff0
        mrs x19, sp_el0
        b off
    """, interleaving=interleaving)
    assert [(entry.slot, entry.sp) for entry in ran.entries()] == [(0x200, ran.x(20)), (0x000, ran.x(20)), (0x400, ran.x(20))]
    assert [ran.x(number) for number in (21, 22, 23, 24, 25, 19)] == [0x12340, 0x12340, ran.x(20), 0x12350, 0x12350, 0x12450]


@pytest.mark.parametrize("interleaving", ALL_INTERLEAVINGS)
def test_an_exception_in_a_handler_that_saved_nothing_overwrites_the_registers_of_the_first(interleaving: str) -> None:
    ran = run("""
    main:
        adr x1, own_vectors
        msr vbar_el1, x1
        isb
        ldr x2, =0x123450
    probe_0:
        ldr x3, [x2]
        .balign 0x800
    own_vectors:
        .space 0x200
        cbnz x5, 1f
        mov x5, #1
        mrs x10, elr_el1
        mrs x11, far_el1
    probe_1:
        brk #7
    1:  mrs x12, elr_el1
        mrs x13, esr_el1
        mrs x14, spsr_el1
        mrs x15, far_el1
        b off
    """, interleaving=interleaving)
    assert [ran.x(number) for number in (10, 11, 12, 13, 14, 15)] == [
        ran.address("probe_0"), 0x123450, ran.address("probe_1"), 0x3C << 26 | IL | 7, EL1_MASKED, 0x123450]


def test_no_base_register_is_written_back_when_the_second_half_of_an_access_faults() -> None:
    """The access begins in a mapped page and ends in an unmapped one; FAR is the first byte that faults, or that of the access."""
    forms = ["ldr x1, [x2], #8", "ldr x1, [x2, #8]!", "stp x1, x3, [x2], #16", "ldp q0, q1, [x2, #32]!", "str q0, [x2], #16"]
    body = "main:\nbl mmu_on\nmov x24, #0\n" + "".join(f"ldr x2, ={PAGES_VA + 0x1FFC - offset:#x}\nmov x4, x2\n{form}\nsub x4, x4, x2\norr x24, x24, x4\n"
                                                    for form, offset in zip(forms, (0, 8, 4, 32, 4), strict=True)) + "b off\n"
    machine = machine_for(body)
    write_words(machine, LEVEL3_PA + 16, [0])
    result = machine.run(10_000_000)
    ran = Ran(machine, result)
    assert result.verdict.kind == "finished"
    assert [(entry.ec, entry.iss & 0x3F) for entry in ran.entries()] == [(0x25, 7)] * len(forms)
    assert all(PAGES_VA + 0x1FE0 <= entry.far <= PAGES_VA + 0x2000 for entry in ran.entries())
    assert ran.x(24) == 0


@pytest.mark.parametrize("position", range(4))
def test_an_aborted_block_is_charged_for_the_instructions_before_the_abort_only(position: int) -> None:
    """The same instructions with the faulting one at another place: counts are exact, and cycles the same whole or in steps."""
    loads = ["ldr x1, [x3]"] * 4
    loads[position] = "ldr x1, [x2]"
    body = f"main:\nldr x2, ={NOTHING_PA:#x}\nldr x3, =DATA_PA\nadr x26, done\nb 1f\n1:\n" + "\n".join(loads) + "\ndone: b off\n"
    counts = {}
    for interleaving in ALL_INTERLEAVINGS:
        ran = run(body, interleaving=interleaving, coherence=False)
        one = ran.result.statistics[0]
        counts[interleaving] = (one["instructions"], one["cycles"])
    assert len(set(counts.values())) == 1, counts
    base = run("main:\nldr x2, =0x200000\nldr x3, =DATA_PA\nadr x26, done\nb 1f\n1:\nldr x1, [x2]\n" + "ldr x1, [x3]\n" * 3 + "done: b off\n")
    assert counts["block"][0] - base.result.statistics[0]["instructions"] == position
    assert counts["block"][1] - base.result.statistics[0]["cycles"] == position, "a load costs one cycle in this profile"


@pytest.mark.parametrize("middle", ["mrs x9, mpidr_el1", "mrs x9, ctr_el0", "mrs x9, cntvct_el0", "dc cvac, x3", "dc zva, x3", "at s1e1r, x3", "ic ivau, x3"])
def test_instructions_behind_a_system_instruction_in_its_block_run_once_and_are_charged_once(middle: str) -> None:
    """The load behind it misses every cache of the engine, so that the engine leaves its block there."""
    counts = {}
    for interleaving in ALL_INTERLEAVINGS:
        ran = run(f"""
        main:
            bl mmu_on
            mov x5, #0
            ldr x3, =DATA_PA
            ldr x4, =PAGES_VA
            b 1f
        1:  add x5, x5, #1
            {middle}
            add x5, x5, #2
            add x5, x5, #4
            ldr x6, [x4]
            add x5, x5, #8
            str x6, [x4, #4096]
            add x5, x5, #16
            b off
        """, interleaving=interleaving, coherence=False)
        assert ran.x(5) == 31
        one = ran.result.statistics[0]
        counts[interleaving] = (one["instructions"], one["cycles"])
    assert len(set(counts.values())) == 1, counts


def test_instructions_behind_a_trapped_one_in_its_block_have_no_effect_on_memory_or_registers() -> None:
    """A trap of MRS, DC and UNDEFINED MRS from the middle of a block whose rest stores, pushes and changes PSTATE."""
    ran = run("""
    main:
        bl mmu_on
        ldr x3, =DATA_PA
        ldr x4, =PAGES_VA + 0x800000
        mov x5, #0
        mov x20, sp
        adr x26, 1f
        b 0f
    0:  nop
        mrs x9, s3_0_c2_c1_0
        add x5, x5, #1
        str x3, [x3]
        str x3, [x3, #8]
        stp x3, x3, [sp, #-16]!
        msr daifclr, #2
    1:  adr x26, 2f
        b 0f
    0:  nop
        dc cvac, x4
        add x5, x5, #2
        str x3, [x3, #16]
        ldaddal x3, x6, [x3]
        svc #3
    2:  adr x26, 3f
        b 0f
    0:  nop
        dc zva, x4
        add x5, x5, #4
        stp q0, q1, [x3, #32]
        eret
    3:  mov x21, sp
        mrs x22, daif
        b off
    """)
    assert [entry.ec for entry in ran.entries()] == [0x00, 0x25, 0x25]
    assert ran.words(8) == [0] * 8
    assert (ran.x(5), ran.x(20) - ran.x(21), ran.x(22)) == (0, 0, 0x3C0)
