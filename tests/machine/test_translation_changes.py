"""Translations that change while they are in use: stale until TLBI reaches a PE, never after the issuer's DSB. DDI 0487 L.a, D8.17."""
import pytest

from sim.arch import descriptor as d
from sim.timing.profile import load_profile

from .support import (
    ALL_INTERLEAVINGS,
    DATA_PA,
    LEVEL2_PA,
    LEVEL3_PA,
    PAGE_EL1,
    PAGES_PA,
    PAGES_VA,
    ROLES,
    Ran,
    machine_for,
    write_words,
)

SPARE_LEVEL3_PA = LEVEL3_PA + 0x1000
OTHER_PA = PAGES_PA + 0x20_0000         # what a changed translation gives
SEEDS = 50


def _run(body: str, *, level3: dict[int, int] | None = None, **options: object) -> Ran:
    """Page n of PAGES_VA holds the word 100 + n, page n at OTHER_PA holds 200 + n. level3: descriptors by number."""
    machine = machine_for(body, constants={"OTHER_PA": OTHER_PA, "PAGE_EL1": PAGE_EL1, "SPARE_LEVEL3_PA": SPARE_LEVEL3_PA}, **options)  # type: ignore[arg-type]
    for number in range(4):
        write_words(machine, PAGES_PA + number * 4096, [100 + number])
        write_words(machine, OTHER_PA + number * 4096, [200 + number])
    for number, value in (level3 or {}).items():
        write_words(machine, LEVEL3_PA + 8 * number, [value])
    result = machine.run(10_000_000)
    assert result.verdict.kind == "finished", result.verdict
    return Ran(machine, result)


_SHOOTDOWN = ROLES + """
    ldr x8, =LEVEL3_PA
    ldr x9, =OTHER_PA + PAGE_EL1
1:  ldr x2, [x6]
    cbz x2, 1b
    str x9, [x8]
    dsb ishst
    mov x3, #20
2:  subs x3, x3, #1
    b.ne 2b
    lsr x4, x7, #12
    {tlbi}
    dsb ish
    str x1, [x6, #64]
    b park
reader:
    mov x20, #0
    mov x21, #0
    mov x22, #0
    ldr x4, [x7]
    str x1, [x6]
3:  ldr x2, [x6, #64]
    dmb ish
    ldr x4, [x7]
    cmp x4, #100
    cinc x21, x21, eq
    cbz x2, 3b
    ldr x4, [x7]
    mov x20, x4
    b park
"""


@pytest.mark.parametrize("interleaving", ALL_INTERLEAVINGS)
@pytest.mark.parametrize("tlbi", ["tlbi vae1is, x4", "tlbi vmalle1is"])
def test_another_pe_uses_the_old_translation_until_the_tlbi_reaches_it_and_never_after_the_dsb(interleaving: str, tlbi: str) -> None:
    stale = []
    for seed in range(SEEDS):
        ran = _run(_SHOOTDOWN.format(tlbi=tlbi), pes=2, interleaving=interleaving, seed=seed, ram_bytes=80 << 20)
        assert ran.x(20, 1) == 200, f"seed {seed}: a stale translation after the issuer's DSB"
        stale.append(ran.x(21, 1))
    assert all(count > 1 for count in stale), "the reads between the store and the TLBI used what the TLB held"


@pytest.mark.parametrize("interleaving", ALL_INTERLEAVINGS)
def test_a_local_tlbi_leaves_the_other_pe_with_the_old_translation(interleaving: str) -> None:
    ran = _run(_SHOOTDOWN.format(tlbi="tlbi vae1, x4\nldr x10, [x7]"), pes=2, interleaving=interleaving)
    assert ran.x(20, 1) == 100


_ONE = """
main:
    bl mmu_on
    ldr x7, =PAGES_VA
    ldr x8, =LEVEL3_PA
    lsr x4, x7, #12
"""


@pytest.mark.parametrize("interleaving", ALL_INTERLEAVINGS)
def test_an_entry_with_ng_belongs_to_its_asid_and_a_global_one_to_all(interleaving: str) -> None:
    ran = _run(_ONE + """
        ldr x9, =TABLES_PA + (1 << 48)
        msr ttbr0_el1, x9
        isb
        ldr x20, [x7]                   // page 0: nG, page 1: global
        ldr x21, [x7, #4096]
        ldr x2, =OTHER_PA + PAGE_EL1 + (1 << 11)
        str x2, [x8]
        ldr x2, =OTHER_PA + 0x1000 + PAGE_EL1
        str x2, [x8, #8]
        dsb ish
        ldr x10, =TABLES_PA + (2 << 48)
        msr ttbr0_el1, x10
        isb
        ldr x22, [x7]
        ldr x23, [x7, #4096]
        msr ttbr0_el1, x9
        isb
        ldr x24, [x7]
        mov x3, #2 << 48
        tlbi aside1, x3
        dsb nsh
        ldr x25, [x7]
        mov x3, #1 << 48
        tlbi aside1, x3
        dsb nsh
        ldr x19, [x7]
        ldr x18, [x7, #4096]
        b off
    """, level3={0: PAGES_PA | PAGE_EL1 | d.NG}, interleaving=interleaving)
    assert [ran.x(number) for number in (20, 21, 22, 23, 24, 25, 19, 18)] == [100, 101, 200, 101, 100, 100, 200, 101]


@pytest.mark.parametrize("interleaving", ALL_INTERLEAVINGS)
def test_a_permission_taken_away_still_holds_until_the_tlbi(interleaving: str) -> None:
    ran = _run(_ONE + """
        str x7, [x7, #8]
        ldr x2, =PAGES_PA + PAGE_EL1 + (1 << 7)
        str x2, [x8]
        dsb ish
        str x8, [x7, #8]
        tlbi vae1, x4
        dsb nsh
    probe: str x9, [x7, #8]
        ldr x20, [x7, #8]
        b off
    """, interleaving=interleaving)
    assert [(entry.elr, entry.iss) for entry in ran.entries()] == [(ran.address("probe"), 0x4F)]
    assert ran.x(20) == LEVEL3_PA


@pytest.mark.parametrize("interleaving", ALL_INTERLEAVINGS)
def test_a_permission_given_is_seen_after_the_tlbi_at_the_latest(interleaving: str) -> None:
    ran = _run(_ONE + """
        ldr x20, [x7]
        ldr x2, =PAGES_PA + PAGE_EL1
        str x2, [x8]
        dsb ish
        str x8, [x7, #8]
        tlbi vae1, x4
        dsb nsh
        str x7, [x7, #16]
        ldr x21, [x7, #16]
        b off
    """, level3={0: PAGES_PA | PAGE_EL1 | d.AP_READ_ONLY}, interleaving=interleaving)
    assert len(ran.entries()) == 1, "the TLB held the entry without the permission"
    assert ran.x(21) == PAGES_VA


@pytest.mark.parametrize("interleaving", ALL_INTERLEAVINGS)
@pytest.mark.parametrize(("tlbi", "expected"), [("tlbi vale1, x4", 101), ("tlbi vae1, x4", 201), ("tlbi vmalle1", 201), ("nop", 101)])
def test_a_walk_cache_holds_a_table_descriptor_until_a_tlbi_that_is_not_last_level_only(interleaving: str, tlbi: str, expected: int) -> None:
    """Page 0 fills the walk cache; then the level 2 entry names another table; page 1 is walked for the first time."""
    ran = _run(_ONE + f"""
        ldr x20, [x7]
        ldr x9, =LEVEL2_PA
        ldr x2, =SPARE_LEVEL3_PA
        ldr x3, =OTHER_PA + 0x1000 + PAGE_EL1
        str x3, [x2, #8]
        orr x2, x2, #3
        str x2, [x9]
        dsb ish
        {tlbi}
        dsb nsh
        isb
        ldr x21, [x7, #4096]
        b off
    """, interleaving=interleaving)
    assert (ran.x(20), ran.x(21)) == (100, expected)


@pytest.mark.parametrize("interleaving", ALL_INTERLEAVINGS)
def test_a_block_becomes_a_table_and_a_table_a_block(interleaving: str) -> None:
    ran = _run(_ONE + """
        ldr x9, =LEVEL2_PA
        ldr x10, [x9]                   // the table
        ldr x20, [x7, #4096]
        ldr x2, =OTHER_PA + (PAGE_EL1 & ~2)
        str xzr, [x9]
        dsb ish
        tlbi vmalle1is
        dsb ish
        str x2, [x9]
        dsb ish
        isb
        ldr x21, [x7, #4096]
        ldr x22, [x7, #0x3000]
        ldr x3, =0x1ff000
        ldr x23, [x7, x3]
        str xzr, [x9]
        dsb ish
        add x5, x4, #7                  // any address inside the block
        tlbi vae1is, x5
        dsb ish
        str x10, [x9]
        dsb ish
        isb
        ldr x24, [x7, #4096]
        b off
    """, interleaving=interleaving)
    assert [ran.x(number) for number in (20, 21, 22, 24)] == [101, 201, 203, 101]


@pytest.mark.parametrize("interleaving", ALL_INTERLEAVINGS)
def test_an_access_while_the_translation_is_broken_faults_at_the_level_that_is_invalid(interleaving: str) -> None:
    ran = _run(_ONE + """
        ldr x20, [x7]
        ldr x9, =LEVEL2_PA
        ldr x10, [x9]
        str xzr, [x9]
        dsb ish
        tlbi vae1is, x4
        dsb ish
    probe_0: ldr x21, [x7]
        str x10, [x9]
        str xzr, [x8]
        dsb ish
    probe_1: ldr x21, [x7]
        b off
    """, interleaving=interleaving)
    assert [(entry.elr, entry.iss, entry.far) for entry in ran.entries()] == [
        (ran.address("probe_0"), 0x06, PAGES_VA), (ran.address("probe_1"), 0x07, PAGES_VA)]


_TOUCH = """
main:
    bl mmu_on
    ldr x7, =PAGES_VA
    ldr x10, =ROUNDS
1:  mov x8, x7
    ldr x9, =PAGES
    cbz x9, 3f
2:  ldr x1, [x8]
    add x8, x8, #4096
    subs x9, x9, #1
    b.ne 2b
3:  subs x10, x10, #1
    b.ne 1b
    b off
"""


def _touch(pages: int, rounds: int, interleaving: str, profile: str = "cortex-a72") -> dict[str, int]:
    ran = Ran(*_result_of(_TOUCH, {"PAGES": pages, "ROUNDS": rounds}, interleaving, profile))
    return ran.result.statistics[0]


def _result_of(body: str, constants: dict[str, int], interleaving: str, profile: str):  # type: ignore[no-untyped-def]
    machine = machine_for(body, constants=constants, interleaving=interleaving, profile=profile, coherence=False)
    result = machine.run(50_000_000)
    assert result.verdict.kind == "finished"
    return machine, result


@pytest.mark.parametrize("interleaving", ALL_INTERLEAVINGS)
def test_every_page_touched_is_one_walk_and_repeating_the_round_is_none(interleaving: str) -> None:
    none = _touch(0, 1, interleaving)
    for pages in (1, 10, 200):
        once, thrice = _touch(pages, 1, interleaving), _touch(pages, 3, interleaving)
        assert once["walks"] - none["walks"] == pages
        assert thrice["walks"] == once["walks"], "the L2 TLB of 1024 entries holds them all"
        assert once["l1d_misses"] - none["l1d_misses"] == pages


def test_a_working_set_beyond_the_l1_tlb_misses_it_in_every_round() -> None:
    """64 pages, 32 entries. In single-instruction interleaving every use is judged by L1; the data TLB of the profile replaces at random."""
    one, five = _touch(64, 1, "instruction"), _touch(64, 5, "instruction")
    misses = five["l1d_misses"] - one["l1d_misses"]
    assert 4 * 24 <= misses <= 4 * 64
    fits = _touch(24, 5, "instruction")["l1d_misses"] - _touch(24, 1, "instruction")["l1d_misses"]
    assert fits <= 24


def test_the_first_page_of_a_region_walks_all_levels_and_the_next_only_the_last() -> None:
    """39 bits and 4 KiB: levels 1 to 3. The walk cache has the rest after the first walk."""
    none, one, ten = (_touch(pages, 1, "block") for pages in (0, 1, 10))
    assert one["walk_reads"] - none["walk_reads"] == 3
    assert ten["walk_reads"] - none["walk_reads"] == 3 + 9


def test_a_tlbi_takes_the_time_of_the_profile_to_reach_another_pe() -> None:
    """All four are of one cluster; the DSB waits for the way back of its own message, which the home node begins behind the TLBI's."""
    profile = load_profile("cortex-a72")
    there, occupancy, snoop = (profile.cycles_of_ns(getattr(profile.interconnect, f"dvm_{name}_ns")) for name in ("same_cluster", "occupancy", "snoop"))
    ran = _run("""
    main:
        bl mmu_on
        mrs x0, mpidr_el1
        and x0, x0, #0xff
        ldr x6, =DATA_PA
        cbnz x0, 2f
        mov x1, #1000
    1:  subs x1, x1, #1
        b.ne 1b
        tlbi vmalle1is
        dsb ish
        str x0, [x6, #8]
        mov x1, #1
        str x1, [x6]
        b park
    2:  ldr x1, [x6]
        cbz x1, 2b
        b park
    """, pes=4)
    issued = [event for event in ran.events("tlbi", 0)][-1]
    done = {int(event["pe"]): int(event["cycle"]) for event in ran.events("tlbi_done")}
    for pe in (1, 2, 3):
        delay = done[pe] - int(issued["cycle"])
        assert there + snoop <= delay <= there + snoop + 40, (pe, delay)
    complete = int(ran.events("tlbi_complete", 0)[-1]["cycle"])
    shortest = occupancy + there + snoop + there
    assert int(issued["cycle"]) + shortest <= complete <= int(issued["cycle"]) + shortest + 40


def test_the_dsb_of_a_pe_without_outstanding_tlbis_waits_for_nothing() -> None:
    ran = _run("main:\ndsb ish\ndsb ish\nb off\n", pes=1)
    assert len(ran.events("tlbi_complete")) == 0


def test_the_pages_are_where_the_tests_think() -> None:
    ran = _run(_ONE + "ldr x20, [x7]\nldr x21, [x7, #0x3000]\nldr x22, =DATA_PA\nb off\n")
    assert (ran.x(20), ran.x(21), ran.x(22)) == (100, 103, DATA_PA)
    assert ran.machine.translate(0, PAGES_VA + 0x3008) == PAGES_PA + 0x3008
    assert LEVEL2_PA < LEVEL3_PA
