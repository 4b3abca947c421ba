"""Exclusives and LSE atomics between PEs: what makes a store exclusive fail, and sums that come out exactly. DDI 0487 L.a, B2.12."""
import pytest

from .support import ALL_INTERLEAVINGS, Ran, machine_for, run

# PE 0 loads exclusively, lets PE 1 do something, and stores exclusively; x5 is the status. Turns are taken through memory.
_TURNS = """
main:
    bl mmu_on
    mrs x0, mpidr_el1
    and x0, x0, #0xff
    ldr x6, =DATA_PA
    mov x1, #7
    cbnz x0, other
    {prepare}
    ldxr x7, [x6]
    str x1, [x6, #0x400]
1:  ldr x2, [x6, #0x800]
    cbz x2, 1b
    {between}
    stxr w5, x1, [x6]
    ldr x8, [x6]
    b park
other:
    ldr x2, [x6, #0x400]
    cbz x2, other
    {other}
    dsb sy
    str x1, [x6, #0x800]
    b park
"""


def _status(interleaving: str, other: str = "nop", between: str = "nop", prepare: str = "nop") -> int:
    ran = run(_TURNS.format(other=other, between=between, prepare=prepare), pes=2, interleaving=interleaving)
    assert {entry.ec for entry in ran.entries(0) + ran.entries(1)} <= {0x15}
    return ran.x(5)


@pytest.mark.parametrize("interleaving", ALL_INTERLEAVINGS)
@pytest.mark.parametrize("store", [
    "str xzr, [x6]", "str xzr, [x6, #56]", "strb wzr, [x6, #63]", "stp xzr, xzr, [x6, #16]", "dc zva, x6", "str q0, [x6, #48]", "stlr xzr, [x6]",
    "stur xzr, [x6, #-4]", "ldadd xzr, x9, [x6]", "swp xzr, x9, [x6]", "stset xzr, [x6, #0]", "cas xzr, xzr, [x6]",
    "ldxr x9, [x6]\nstxr w10, xzr, [x6]",
])
def test_any_store_of_another_pe_to_the_granule_fails_the_store_exclusive_also_one_of_the_same_value(interleaving: str, store: str) -> None:
    assert _status(interleaving, other=store) == 1


@pytest.mark.parametrize("interleaving", ALL_INTERLEAVINGS)
@pytest.mark.parametrize("harmless", ["nop", "str x1, [x6, #64]", "str x1, [x6, #-8]", "ldr x9, [x6]", "ldxr x9, [x6]", "prfm pstl1keep, [x6]",
                                      "add x9, x6, #64\ndc zva, x9", "clrex"])
def test_stores_elsewhere_loads_and_another_pes_clrex_do_not(interleaving: str, harmless: str) -> None:
    assert _status(interleaving, other=harmless) == 0


@pytest.mark.parametrize("interleaving", ALL_INTERLEAVINGS)
def test_clrex_and_an_exception_return_clear_the_monitor_and_a_store_of_the_pes_own_elsewhere_does_not(interleaving: str) -> None:
    assert _status(interleaving, between="clrex") == 1
    assert _status(interleaving, between="svc #1") == 1
    assert _status(interleaving, between="str x1, [x6, #128]") == 0
    assert _status(interleaving, between="ldr x9, [x6]") == 0


@pytest.mark.parametrize("interleaving", ALL_INTERLEAVINGS)
def test_a_reservation_is_by_physical_address(interleaving: str) -> None:
    """The other PE stores through another VA of the same page."""
    machine = machine_for(_TURNS.format(other="ldr x9, =PAGES_VA\nstr xzr, [x9]", between="nop", prepare="nop").replace("DATA_PA", "PAGES_PA"),
                          pes=2, interleaving=interleaving)
    assert machine.run(5_000_000).registers[0]["x5"] == 1


_LL_SC = """
1:  ldxr x2, [x6]
    add x2, x2, #1
    stxr w3, x2, [x6]
    cbnz w3, 1b
"""
_LSE = """
    mov x2, #1
    ldadd x2, x3, [x6]
"""
_CAS = """
1:  ldr x2, [x6]
    mov x4, x2
    add x3, x2, #1
    casal x2, x3, [x6]
    cmp x2, x4
    b.ne 1b
"""
_TICKET = """
    mov w2, #1
    add x9, x6, #64
    ldadda w2, w3, [x9]
2:  ldar w4, [x9, #0]
    ldr w4, [x6, #128]
    cmp w3, w4
    b.ne 2b
    dmb ish
    ldr x2, [x6]
    add x2, x2, #1
    str x2, [x6]
    add x9, x6, #128
    add w4, w4, #1
    stlr w4, [x9]
"""
_SPINLOCK = """
    add x9, x6, #64
    mov w4, #1
    sevl
2:  wfe
    ldaxr w2, [x9]
    cbnz w2, 2b
    stxr w3, w4, [x9]
    cbnz w3, 2b
    ldr x2, [x6]
    add x2, x2, #1
    str x2, [x6]
    stlr wzr, [x9]
"""
_COUNT = """
main:
    bl mmu_on
    ldr x6, =DATA_PA
    ldr x20, =ROUNDS
again:
    {add}
    subs x20, x20, #1
    b.ne again
    b park
"""
_SCHEDULES = {"block": {}, "quantum": {"quantum_cycles": 37}, "instruction": {}}


def _count(add: str, pes: int, rounds: int, interleaving: str, seed: int) -> Ran:
    return run(_COUNT.format(add=add), pes=pes, interleaving=interleaving, seed=seed, constants={"ROUNDS": rounds}, events=("fault",),
               ram_bytes=64 << 20, budget_cycles=50_000_000, **_SCHEDULES[interleaving])


@pytest.mark.parametrize("interleaving", ALL_INTERLEAVINGS)
@pytest.mark.parametrize("kind", ["LL/SC", "LSE", "CAS", "ticket", "spinlock"])
def test_no_addition_is_lost_over_seeds_and_numbers_of_pes(interleaving: str, kind: str) -> None:
    add = {"LL/SC": _LL_SC, "LSE": _LSE, "CAS": _CAS, "ticket": _TICKET, "spinlock": _SPINLOCK}[kind]
    for seed in range(20):
        pes = 2 + seed % 7
        rounds = 12
        ran = _count(add, pes, rounds, interleaving, seed)
        assert ran.words(1) == [pes * rounds], f"seed {seed}, {pes} PEs"
        assert sum(one["faults"] for one in ran.result.statistics) == 0


@pytest.mark.parametrize("interleaving", ALL_INTERLEAVINGS)
def test_without_a_lock_additions_are_lost(interleaving: str) -> None:
    """What the test above would miss if PEs did not really interleave: in blocks, the read and the write must be two blocks."""
    add = "ldr x2, [x6]\nadd x2, x2, #1\nb 3f\n3: str x2, [x6]\n"
    assert min(_count(add, 4, 50, interleaving, seed).words(1)[0] for seed in range(5)) < 200


@pytest.mark.parametrize("interleaving", ALL_INTERLEAVINGS)
def test_the_same_seed_gives_the_same_events_and_another_seed_others(interleaving: str) -> None:
    def log(seed: int) -> bytes:
        return bytes(run(_COUNT.format(add=_LL_SC), pes=4, interleaving=interleaving, seed=seed, constants={"ROUNDS": 20}).result.events)

    assert log(1) == log(1)
    assert len({log(seed) for seed in range(4)}) > 1
