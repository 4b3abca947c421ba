"""Instructions that change under a PE: stale until the maintenance that the architecture asks for, new after it. DDI 0487 L.a, B2.7.4."""
import pytest

from .support import ALL_INTERLEAVINGS, machine_for, run

MOV_X5_2 = 0xD280_0045                  # mov x5, #2
_OTHER = """
main:
    bl mmu_on
    mrs x0, mpidr_el1
    and x0, x0, #0xff
    ldr x6, =DATA_PA
    ldr w7, =NEW
    adr x8, patch
    mov x1, #1
    cbnz x0, other
    bl patch
    mov x20, x5
    str x1, [x6]
1:  ldr x2, [x6, #8]
    cbz x2, 1b
    bl patch
    mov x21, x5
    str x1, [x6, #16]
1:  ldr x2, [x6, #24]
    cbz x2, 1b
    isb
    bl patch
    mov x22, x5
    b park
other:
    ldr x2, [x6]
    cbz x2, other
    str w7, [x8]
    dsb ish
    str x1, [x6, #8]
1:  ldr x2, [x6, #16]
    cbz x2, 1b
    {maintenance}
    dsb ish
    str x1, [x6, #24]
    b park
    .balign 4096
patch:
    mov x5, #1
    ret
"""


@pytest.mark.parametrize("interleaving", ALL_INTERLEAVINGS)
@pytest.mark.parametrize("maintenance", ["dc cvau, x8\ndsb ish\nic ivau, x8", "dc cvau, x8\ndsb ish\nic ialluis"])
def test_code_changed_by_another_pe_is_stale_until_maintenance_and_new_after_it(interleaving: str, maintenance: str) -> None:
    ran = run(_OTHER.format(maintenance=maintenance), pes=2, interleaving=interleaving, constants={"NEW": MOV_X5_2})
    assert (ran.x(20), ran.x(21), ran.x(22)) == (1, 1, 2)


@pytest.mark.parametrize("interleaving", ALL_INTERLEAVINGS)
def test_a_pe_that_changes_its_own_code_sees_it_after_maintenance_and_isb(interleaving: str) -> None:
    ran = run("""
    main:
        bl mmu_on
        mov x20, #0
        mov x21, #40
        adr x8, patch
    1:  ldr w7, =0xd2800005             // mov x5, #0, the immediate in bits 20:5
        orr w7, w7, w21, lsl #5
        str w7, [x8]
        dc cvau, x8
        dsb ish
        ic ivau, x8
        dsb ish
        isb
        bl patch
        add x20, x20, x5
        subs x21, x21, #1
        b.ne 1b
        b off
    patch:
        mov x5, #99
        ret
    """, interleaving=interleaving)
    assert ran.x(20) == sum(range(1, 41))


@pytest.mark.parametrize("interleaving", ALL_INTERLEAVINGS)
def test_data_beside_code_in_one_page_is_read_and_written_at_once_and_the_code_goes_on(interleaving: str) -> None:
    ran = run("""
    main:
        bl mmu_on
        mov x20, #200
        adr x8, counter
    1:  ldr x1, [x8]
        add x1, x1, #3
        str x1, [x8]
        ldp x2, x3, [x8, #8]
        stp x3, x2, [x8, #8]
        subs x20, x20, #1
        b.ne 1b
        ldr x5, [x8]
        ldp x6, x7, [x8, #8]
        b off
        .balign 8
    counter: .quad 5, 0x1111, 0x2222
    """, interleaving=interleaving)
    assert (ran.x(5), ran.x(6), ran.x(7)) == (605, 0x1111, 0x2222)


@pytest.mark.parametrize("interleaving", ALL_INTERLEAVINGS)
def test_a_kernel_that_copies_itself_elsewhere_runs_there_after_maintenance(interleaving: str) -> None:
    ran = run("""
    main:
        bl mmu_on
        adr x1, piece
        adr x2, piece_end
        ldr x3, =DATA_PA + 0x1000
        mov x10, x3
    1:  ldr w4, [x1], #4
        str w4, [x3], #4
        cmp x1, x2
        b.ne 1b
        mov x4, x10
    2:  dc cvau, x4
        ic ivau, x4
        add x4, x4, #64
        cmp x4, x3
        b.lo 2b
        dsb ish
        isb
        adr x30, back
        br x10
    back:
        b off
    piece:
        adr x6, piece_end
        mov x5, #42
        ret
    piece_end:
        nop
    """, interleaving=interleaving)
    assert (ran.x(5), ran.x(6)) == (42, ran.x(10) + 12)


@pytest.mark.parametrize("interleaving", ALL_INTERLEAVINGS)
def test_code_that_was_never_fetched_before_needs_no_maintenance_to_be_new(interleaving: str) -> None:
    """With the caches off nothing can hold an old copy; the simulator must not have fetched ahead."""
    ran = run("""
    main:
        ldr w7, =NEW
        adr x8, patch
        str w7, [x8]
        dsb sy
        isb
        bl patch
        b off
        .balign 4096
    patch:
        mov x5, #1
        ret
    """, interleaving=interleaving, constants={"NEW": MOV_X5_2})
    assert ran.x(5) == 2


def test_memory_written_from_outside_is_fetched_anew() -> None:
    machine = machine_for("main:\nadr x26, 1f\n1: bl patch\nmov x20, x5\nbrk #1\nbl patch\nb off\npatch:\nmov x5, #1\nret\n")
    machine.run(60)
    machine.write_physical(machine.address("patch"), MOV_X5_2.to_bytes(4, "little"))
    result = machine.run(100_000)
    assert result.verdict.kind == "finished"
    assert result.registers[0]["x5"] == 2


def test_a_word_that_python_writes_over_executed_code_is_what_runs_next_even_one_that_the_engine_cannot_translate() -> None:
    machine = machine_for("main: add x21, x21, #1\n b main\n")
    assert machine.run(budget_cycles=10_000).registers[0]["x21"] > 1000
    place = machine.address("main")
    machine.write_physical(place, (0x6EF9_5879).to_bytes(4, "little"))          # unallocated: the engine's translator aborts on it
    entries = machine.run(budget_cycles=20_000).events.of("entry")
    assert (int(entries["a"][0]) >> 26, int(entries["b"][0])) == (0, place)      # UNDEFINED there, and the host is alive
