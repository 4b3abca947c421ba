"""Block sizes changed without a break, the nT sequence and fragments, as guests meet them: rows T-32, T-33, T-35 and T-39."""
from typing import Any

import pytest

from sim.arch.registers import ID_AA64MMFR2_EL1
from sim.errors import UserError
from sim.machine import Machine
from sim.settings import MULTI_HITS, MULTI_HITS_PERMITTED

from .support import (
    _BLOCK,
    ALL_INTERLEAVINGS,
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

BLOCK_PA = PAGES_PA + 0x20_0000         # what the block gives
EXECUTABLE_PAGE, PAGES = 2, 6
CONFLICT, TRANSLATION_LEVEL_2 = 0x30, 0x06
RET, MOVZ_X5 = 0xD65F_03C0, 0xD280_0005

_CONSTANTS = {"BLOCK_PA": BLOCK_PA, "BLOCK": _BLOCK, "PAGE_EL1": PAGE_EL1, "LEVEL2_TABLE": LEVEL3_PA | 3}

# PE 0 is A, who writes; PE 1 is B. A waits until B has cached page 0 and dropped the walk-cache entry of its table by another page's TLBI.
_REPLACED = ROLES + """
1:  ldr x2, [x6]
    cbz x2, 1b
    ldr x8, =LEVEL2_PA
    ldr x9, =BLOCK_PA + BLOCK
    str x9, [x8]
    dsb ish
    str x1, [x6, #64]
2:  ldr x2, [x6, #128]
    cbz x2, 2b
    lsr x4, x7, #12
    tlbi vaae1is, x4
    dsb ish
    str x1, [x6, #192]
    b park
reader:
    mov x20, #0
    mov x21, #0
    mov x23, #0
    ldr x10, [x7]
    add x11, x7, #0x2000
    blr x11
    mov x12, x5
    add x4, x7, #0x1000
    lsr x4, x4, #12
    tlbi vae1, x4
    dsb nsh
    isb
    str x1, [x6]
3:  ldr x2, [x6, #64]
    cbz x2, 3b
    ldr x20, [x7, #0x1000]
touch:
    ldr x21, [x7]
    ldr x22, [x7, #0x1000]
    adr x26, fetched
    blr x11
fetched:
    mov x23, x5
    str x1, [x6, #128]
4:  ldr x2, [x6, #192]
    cbz x2, 4b
    ldr x24, [x7]
    b park
"""


def _run(body: str, **options: Any) -> Ran:
    """Page n of PAGES_VA holds the word 0x10 + n, page n of the block 0x20 + n; page 2 holds a function that says which it is."""
    machine = machine_for(body, constants=_CONSTANTS, **options)
    for number in range(PAGES):
        for base, first in ((PAGES_PA, 0x10), (BLOCK_PA, 0x20), (PAGES_PA | BLOCK_PA, 0x20)):
            write_words(machine, base + number * 4096, [first + number])
    for base, value in ((PAGES_PA, 1), (BLOCK_PA, 2)):
        write_words(machine, base + EXECUTABLE_PAGE * 4096, [MOVZ_X5 | value << 5 | RET << 32])
    result = machine.run(20_000_000)
    assert result.verdict.kind == "finished", result.verdict
    return Ran(machine, result)


@pytest.mark.parametrize("interleaving", ALL_INTERLEAVINGS)
@pytest.mark.parametrize("level", range(4))
@pytest.mark.parametrize("outcome", MULTI_HITS[:3])
def test_t32_t33_a_block_over_a_table_in_use_gives_the_configured_outcome_until_the_tlbi(interleaving: str, level: int, outcome: str) -> None:
    if outcome not in MULTI_HITS_PERMITTED[level]:
        with pytest.raises(UserError, match=f"'{outcome}' is not permitted at FEAT_BBM level {level}"):
            Machine(feat_bbm=level, multi_hit=outcome)
        return
    ran = _run(_REPLACED, pes=2, interleaving=interleaving, feat_bbm=level, multi_hit=outcome)
    first, second = ran.x(10, 1), ran.x(21, 1)
    assert (first, ran.x(12, 1), ran.x(20, 1), ran.x(22, 1)) == (0x10, 1, 0x21, 0x21), "page 1 is in the block alone"
    assert ran.x(24, 1) == 0x20, "the TLBI of one page of the block has dropped both entries"
    if outcome == "abort":
        data, fetch = ran.entries(1)
        touch = ran.address("touch")
        assert (data.ec, data.iss, data.far, data.elr) == (0x25, CONFLICT, PAGES_VA, touch)
        assert (fetch.ec, fetch.iss, fetch.far, fetch.elr) == (0x21, CONFLICT, PAGES_VA + 0x2000, PAGES_VA + 0x2000)
        assert second == 0
    else:
        assert not ran.entries(1)
        assert (second, ran.x(23, 1)) == ((0x10, 1) if outcome == "old" else (0x20, 2))
    conflicts = ran.events("conflict", 1)
    assert {MULTI_HITS[number] for number in conflicts["aux"]} == {outcome}
    assert {(int(event["a"]), int(event["b"]), int(event["c"])) for event in conflicts} == {
        (PAGES_VA, LEVEL3_PA, LEVEL2_PA), (PAGES_VA + 0x2000, LEVEL3_PA + 8 * EXECUTABLE_PAGE, LEVEL2_PA)}


_AMALGAM = _REPLACED.replace("    adr x26, fetched\n    blr x11\nfetched:\n", "")


@pytest.mark.parametrize("interleaving", ALL_INTERLEAVINGS)
def test_t32_an_amalgamation_reaches_the_or_of_both_output_addresses(interleaving: str) -> None:
    mixed_pa = PAGES_PA + 0x40_0000
    other_pa = PAGES_PA + 0x60_0000
    machine = machine_for(_AMALGAM, constants=_CONSTANTS | {"BLOCK_PA": mixed_pa}, pes=2, interleaving=interleaving, multi_hit="amalgamation")
    write_words(machine, LEVEL3_PA, [BLOCK_PA | PAGE_EL1])
    for pa, value in ((BLOCK_PA, 0x10), (mixed_pa, 0x20), (other_pa, 0x30), (mixed_pa + 0x1000, 0x21)):
        write_words(machine, pa, [value])
    write_words(machine, PAGES_PA + EXECUTABLE_PAGE * 4096, [MOVZ_X5 | RET << 32])
    ran = Ran(machine, machine.run(20_000_000))
    assert ran.result.verdict.kind == "finished"
    assert BLOCK_PA | mixed_pa == other_pa
    assert [ran.x(number, 1) for number in (10, 20, 21, 22, 24)] == [0x10, 0x21, 0x30, 0x21, 0x20]
    with pytest.raises(UserError, match="not permitted at FEAT_BBM level 1"):
        Machine(feat_bbm=1, multi_hit="amalgamation")


def test_t32_seeded_meets_every_outcome_over_the_seeds_and_the_same_one_for_a_seed() -> None:
    def outcome(seed: int) -> str:
        ran = _run(_AMALGAM, pes=2, seed=seed, multi_hit="seeded", ram_bytes=80 << 20)
        return MULTI_HITS[int(ran.events("conflict", 1)[0]["aux"])]

    outcomes = [outcome(seed) for seed in range(24)]
    assert set(outcomes) == {"abort", "old", "new", "amalgamation"}
    assert outcomes[:4] == [outcome(seed) for seed in range(4)]


_CONTIGUOUS = """
main:
    bl mmu_on
    ldr x7, =PAGES_VA
    ldr x8, =LEVEL3_PA
    ldr x20, [x7]
    mov x2, #16
1:  ldr x3, [x8]
    orr x3, x3, #1 << 52
    str x3, [x8], #8
    subs x2, x2, #1
    b.ne 1b
    dsb ish
    ldr x21, [x7, #0x1000]
touch:
    ldr x22, [x7]
    lsr x4, x7, #12
    tlbi vae1, x4
    dsb nsh
    isb
    ldr x23, [x7]
    b park
"""


@pytest.mark.parametrize(("level", "aborts"), [(0, True), (1, True), (2, True), (3, False)])
def test_a_contiguous_bit_set_without_a_break_conflicts_below_level_3(level: int, aborts: bool) -> None:
    ran = _run(_CONTIGUOUS, feat_bbm=level)
    assert [entry.iss for entry in ran.entries()] == ([CONFLICT] if aborts else [])
    assert [ran.x(number) for number in (20, 21, 23)] == [0x10, 0x11, 0x10]
    assert len(ran.events("conflict")) == 1


_BBM_LEVEL = "main:\n mrs x20, s3_0_c0_c7_2\n b park\n"


@pytest.mark.parametrize("level", range(4))
def test_the_identification_register_shows_the_level(level: int) -> None:
    assert ID_AA64MMFR2_EL1(_run(_BBM_LEVEL, feat_bbm=level).x(20)).BBM == level


# T-35: the sequence of level 1. x20 to x23: what B reads while the block has nT = 1 and after it has become a table.
_NT = ROLES + """
1:  ldr x2, [x6]
    cbz x2, 1b
    ldr x8, =LEVEL2_PA
    ldr x9, =BLOCK_PA + BLOCK + (1 << 16)
    str x9, [x8]
    dsb ishst
    lsr x4, x7, #12
    tlbi vaae1is, x4
    dsb ish
    str x1, [x6, #64]
2:  ldr x2, [x6, #128]
    cbz x2, 2b
    ldr x9, =LEVEL2_TABLE
    str x9, [x8]
    dsb ishst
    tlbi vaae1is, x4
    dsb ish
    str x1, [x6, #192]
    b park
reader:
    ldr x19, [x7]
    str x1, [x6]
3:  ldr x2, [x6, #64]
    cbz x2, 3b
    isb
nt_begins:
    mov x10, #10
5:  ldr x20, [x7]
    subs x10, x10, #1
    b.ne 5b
nt_ends:
    str x1, [x6, #128]
4:  ldr x2, [x6, #192]
    cbz x2, 4b
    ldr x21, [x7]
    b park
"""


def _run_nt(**options: Any) -> Ran:
    machine = machine_for(_NT, constants=_CONSTANTS, pes=2, marks=("nt_begins", "nt_ends"), **options)
    write_words(machine, LEVEL2_PA, [BLOCK_PA | _BLOCK])
    write_words(machine, LEVEL3_PA, [BLOCK_PA | PAGE_EL1])
    write_words(machine, BLOCK_PA, [0x20])
    ran = Ran(machine, machine.run(20_000_000))
    assert ran.result.verdict.kind == "finished"
    return ran


def _between(ran: Ran, kind: str) -> Any:
    begin, end = (int(cycle) for cycle in ran.events("mark", 1)["cycle"])
    found = ran.events(kind, 1)
    return found[(found["cycle"] >= begin) & (found["cycle"] <= end) & (found["a"] == PAGES_VA)]


@pytest.mark.parametrize("interleaving", ["block", "instruction"])
@pytest.mark.parametrize("level", [1, 2, 3])
def test_t35_while_nt_is_set_every_access_walks_and_no_tlb_is_filled(interleaving: str, level: int) -> None:
    ran = _run_nt(interleaving=interleaving, feat_bbm=level)
    assert (ran.x(19, 1), ran.x(20, 1), ran.x(21, 1)) == (0x20, 0x20, 0x20)
    assert not ran.entries(1), "no fault window"
    assert len(_between(ran, "walk")) == 10
    assert len(_between(ran, "fill")) == 0
    assert not len(ran.events("conflict"))


@pytest.mark.parametrize("interleaving", ["block", "instruction"])
def test_t35_with_nt_faults_every_access_in_between_takes_a_translation_fault(interleaving: str) -> None:
    ran = _run_nt(interleaving=interleaving, feat_bbm=1, nt_faults=True)
    entries = ran.entries(1)
    assert [(entry.ec, entry.iss, entry.far) for entry in entries] == [(0x25, TRANSLATION_LEVEL_2, PAGES_VA)] * 10
    assert ran.x(21, 1) == 0x20


def test_nt_means_nothing_at_level_0() -> None:
    ran = _run_nt(feat_bbm=0)
    assert len(_between(ran, "walk")) <= 1
    with pytest.raises(UserError, match="nt_faults needs FEAT_BBM level 1"):
        Machine(feat_bbm=0, nt_faults=True)


# T-39: one TLBI for a 2 MiB block, of which every TLB may hold fractions.
_FRAGMENTS = """
main:
    bl mmu_on
    ldr x7, =PAGES_VA
    ldr x8, =LEVEL2_PA
    add x9, x7, #0x100000
    ldr x20, [x7]
    ldr x21, [x9]
    ldr x22, [x9, #8]
    ldr x23, [x7, #8]
    str xzr, [x8]
    dsb ishst
    lsr x4, x7, #12
    add x4, x4, #{page}
    tlbi vaae1is, x4
    dsb ish
    isb
    ldr x24, [x7]
    ldr x25, [x9]
    b park
"""


@pytest.mark.parametrize(("profile", "fragments"), [("cortex-a72", 2), ("neoverse-n1", 1)])
@pytest.mark.parametrize("page", [0, 1, 255, 256, 511])
def test_t39_one_tlbi_drops_every_fragment_of_a_block(profile: str, fragments: int, page: int) -> None:
    machine = machine_for(_FRAGMENTS.format(page=page), profile=profile)
    write_words(machine, LEVEL2_PA, [BLOCK_PA | _BLOCK])
    ran = Ran(machine, machine.run(20_000_000))
    fills = ran.events("fill")
    of_block = fills[(fills["a"] >= PAGES_VA) & (fills["a"] < PAGES_VA + (2 << 20))]
    assert [int(size) for size in of_block["c"]] == [(2 << 20) // fragments] * fragments
    assert [(entry.iss, entry.far) for entry in ran.entries()] == [(TRANSLATION_LEVEL_2, PAGES_VA), (TRANSLATION_LEVEL_2, PAGES_VA + 0x10_0000)]
