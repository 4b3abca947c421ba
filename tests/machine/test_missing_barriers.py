"""Barriers and TLBIs that are missing from a change of a translation, each shown by what it lets happen; and the whole sequence by nothing.

The adversarial setting makes late what only a barrier guarantees. Every case runs under many seeds, from one snapshot.
"""
from collections.abc import Callable, Iterator

import pytest

from .support import DATA_PA, LEVEL3_PA, PAGE_EL1, PAGES_PA, ROLES, Ran, machine_for, write_words

OTHER_PA = PAGES_PA + 0x20_0000         # what a changed translation gives: page n holds 200 + n, page n of PAGES_PA 100 + n
OLD, NEW = 100, 200
SEEDS = 100
BLOCK = PAGE_EL1 & ~2
INTERLEAVINGS = ("block", "instruction")


def runs(body: str, pes: int, *, seeds: int = 0, adversarial: bool = True, interleaving: str = "block",
         prepare: Callable[..., None] | None = None, marks: tuple[str, ...] = ()) -> Iterator[Ran]:
    """The kernel of `body` under seeds 0, 1, ...: as many as said, else SEEDS, fewer where single instructions are slow."""
    seeds = seeds or (SEEDS if interleaving == "block" else SEEDS // 4)
    machine = machine_for(body, constants={"OTHER_PA": OTHER_PA, "PAGE_EL1": PAGE_EL1, "BLOCK": BLOCK}, marks=marks, pes=pes,
                          ram_bytes=80 << 20, adversarial=adversarial, interleaving=interleaving)
    for number in range(16):
        write_words(machine, PAGES_PA + number * 4096, [OLD + number])
        write_words(machine, OTHER_PA + number * 4096, [NEW + number])
    if prepare is not None:
        prepare(machine)
    snapshot = machine.snapshot()
    for seed in range(seeds):
        machine.restore(snapshot, seed=seed)
        result = machine.run(5_000_000)
        assert result.verdict.kind == "finished", f"seed {seed}: {result.verdict}"
        yield Ran(machine, result)


_CHANGE = ROLES + """
    ldr x8, =LEVEL3_PA
    ldr x9, =OTHER_PA + PAGE_EL1
    lsr x4, x7, #12
1:  ldr x2, [x6]                                // until all three read the page
    cmp x2, #3
    b.ne 1b
    str xzr, [x8]
    {before}
    {tlbi}
    {after}
    str x9, [x8]
    dsb ishst
    str x1, [x6, #64]
    mov x3, #400
2:  subs x3, x3, #1
    b.ne 2b
    str x1, [x6, #128]
    b park
reader:
    ldr x4, [x7]
    ldadd x1, x2, [x6]
3:  ldr x4, [x7]
    ldr x2, [x6, #64]
    cbz x2, 3b
    dmb ish
    mov x20, #0
    ldr x20, [x7]                               // the new translation has been made
4:  ldr x2, [x6, #128]
    cbz x2, 4b
    mov x21, #0
    ldr x21, [x7]                               // a long time ago
    b park
"""
_WHOLE = {"before": "dsb ishst", "tlbi": "tlbi vae1is, x4", "after": "dsb ish"}


def _read(interleaving: str = "block", adversarial: bool = True, seeds: int = 0, **changed: str) -> list[tuple[int, int]]:
    """What each reader of each run reads right after the change, and later."""
    found = []
    for ran in runs(_CHANGE.format(**_WHOLE | changed), 4, seeds=seeds, interleaving=interleaving, adversarial=adversarial):
        found += [(ran.x(20, pe), ran.x(21, pe)) for pe in (1, 2, 3)]
    return found


@pytest.mark.parametrize("adversarial", [False, True])
@pytest.mark.parametrize("interleaving", INTERLEAVINGS)
def test_after_the_whole_sequence_nobody_uses_the_old_translation(interleaving: str, adversarial: bool) -> None:
    assert set(_read(interleaving, adversarial)) == {(NEW, NEW)}


def test_a_local_tlbi_leaves_others_stale_for_as_long_as_they_hold_the_entry() -> None:
    assert set(_read(adversarial=False, tlbi="tlbi vae1, x4")) == {(OLD, OLD)}
    assert _read(tlbi="tlbi vae1, x4").count((OLD, OLD)) > SEEDS, "some lose the entry by eviction"


@pytest.mark.parametrize("interleaving", INTERLEAVINGS)
def test_without_a_dsb_before_the_tlbi_another_pe_may_hold_the_old_descriptor_again_for_ever(interleaving: str) -> None:
    found = _read(interleaving, before="nop", seeds=SEEDS)              # few stores are seen so soon
    assert (OLD, OLD) in found
    assert (NEW, NEW) in found


@pytest.mark.parametrize("interleaving", INTERLEAVINGS)
def test_without_a_dsb_after_the_tlbi_another_pe_uses_the_old_translation_when_the_new_one_is_made(interleaving: str) -> None:
    others = "tlbi vaale1is, x1\n" * 6                                 # so that it has to wait for the home node
    found = _read(interleaving, tlbi=others + _WHOLE["tlbi"], after="nop")
    assert any(first == OLD for first, _ in found)
    assert {later for _, later in found} == {NEW}, "the TLBI arrives in the end"


_OWN = """
main:
    bl mmu_on
    ldr x7, =PAGES_VA
    ldr x8, =LEVEL3_PA
    ldr x9, =OTHER_PA + PAGE_EL1
    lsr x4, x7, #12
    mov x0, #0
    blr x7
    mov x20, x0
    ldr x23, [x7, #32]
    str xzr, [x8]
    dsb ishst
    tlbi vae1, x4
    dsb nsh
    str x9, [x8]
    dsb ishst
    {isb}
    blr x7                                      // what is there now?
    mov x21, x0
    isb
    blr x7
    mov x22, x0
    b park
"""


def _write_code(machine: object) -> None:
    for pa, value in ((PAGES_PA, 1), (OTHER_PA, 2)):
        code = b"".join(word.to_bytes(4, "little") for word in (0xD280_0000 | value << 5, 0xD65F_03C0))     # mov x0, #value; ret
        machine.write_physical(pa, code)        # type: ignore[attr-defined]


@pytest.mark.parametrize("interleaving", INTERLEAVINGS)
def test_without_an_isb_the_pe_itself_executes_once_more_what_was_there(interleaving: str) -> None:
    found = [(ran.x(20), ran.x(21), ran.x(22)) for ran in runs(_OWN.format(isb="nop"), 1, interleaving=interleaving, prepare=_write_code)]
    assert (1, 1, 2) in found
    assert set(found) <= {(1, 1, 2), (1, 2, 2)}


@pytest.mark.parametrize("interleaving", INTERLEAVINGS)
def test_with_an_isb_it_never_does(interleaving: str) -> None:
    found = {(ran.x(20), ran.x(21), ran.x(22)) for ran in runs(_OWN.format(isb="isb"), 1, interleaving=interleaving, prepare=_write_code)}
    assert found == {(1, 2, 2)}


@pytest.mark.parametrize("synchronises", ["svc #0", "brk #0"])
def test_an_exception_synchronises_as_an_isb_does(synchronises: str) -> None:
    found = {ran.x(21) for ran in runs(_OWN.format(isb=synchronises), 1, prepare=_write_code, seeds=20)}
    assert found == {2}


_OWN_DATA = """
main:
    bl mmu_on
    ldr x7, =PAGES_VA
    ldr x8, =LEVEL3_PA
    ldr x9, =OTHER_PA + PAGE_EL1
    lsr x4, x7, #12
    ldr x20, [x7]
    str x9, [x8]
    dsb ishst
    tlbi vae1, x4
    {dsb}
    ldr x21, [x7]
    dsb nsh
    ldr x22, [x7]
    b park
"""


@pytest.mark.parametrize(("dsb", "seen"), [("nop", OLD), ("dsb ishst", OLD), ("isb", OLD), ("dsb nsh", NEW), ("dsb ish", NEW), ("dsb sy", NEW)])
def test_the_pe_itself_may_use_the_old_entry_until_a_dsb_for_loads_and_stores(dsb: str, seen: int) -> None:
    found = [ran.x(21) for ran in runs(_OWN_DATA.format(dsb=dsb), 1)]
    assert {ran.x(22) for ran in runs(_OWN_DATA.format(dsb=dsb), 1, seeds=20)} == {NEW}
    assert set(found) == {NEW} if seen == NEW else found.count(OLD) > len(found) // 2


_MAP = """
main:
    bl mmu_on
    mrs x0, mpidr_el1
    and x0, x0, #0xff
    ldr x6, =DATA_PA
    ldr x7, =PAGES_VA + 9 * 4096
    mov x1, #1
    cbnz x0, reader
    ldr x8, =LEVEL3_PA + 9 * 8
    ldr x9, =PAGES_PA + 9 * 4096 + PAGE_EL1
    mov x20, #0
    ldr x20, [x7]                               // faults: nothing is there
1:  ldr x2, [x6]
    cbz x2, 1b
    str x9, [x8]
    {between}
    ldr x20, [x7]
    dsb ish
    str x1, [x6, #64]
    b park
reader:
    mov x20, #0
    ldr x20, [x7]
    str x1, [x6]
2:  ldr x2, [x6, #64]
    cbz x2, 2b
    dmb ish
    ldr x20, [x7]
    b park
"""


def _unmap(machine: object) -> None:
    write_words(machine, LEVEL3_PA + 9 * 8, [0])         # type: ignore[arg-type]


@pytest.mark.parametrize("adversarial", [False, True])
@pytest.mark.parametrize("interleaving", INTERLEAVINGS)
def test_what_was_invalid_is_mapped_without_a_tlbi(interleaving: str, adversarial: bool) -> None:
    for ran in runs(_MAP.format(between="dsb ishst\nisb"), 2, interleaving=interleaving, adversarial=adversarial, prepare=_unmap):
        assert (ran.x(20, 0), ran.x(20, 1)) == (OLD + 9, OLD + 9)
        assert [len(ran.entries(pe)) for pe in (0, 1)] == [1, 1]


def test_without_a_dsb_the_pe_that_maps_may_itself_still_fault() -> None:
    faults = [len(ran.entries(0)) for ran in runs(_MAP.format(between="nop"), 2, prepare=_unmap)]
    assert set(faults) <= {1, 2}
    assert 2 in faults


_PROMOTE = ROLES + """
    ldr x8, =LEVEL2_PA
    ldr x9, =PAGES_PA + BLOCK
    lsr x4, x7, #12
1:  ldr x2, [x6]
    cbz x2, 1b
    str xzr, [x8]
    dsb ishst
    mov x5, #512
2:  {tlbi}
    add x4, x4, #1
    subs x5, x5, #1
    b.ne 2b
    dsb ish
    str x9, [x8]
    dsb ish
    ldr x8, =LEVEL3_PA                          // the page of the table serves another purpose: its words look like descriptors
    ldr x9, =OTHER_PA + 5 * 4096 + PAGE_EL1
    str x9, [x8, #5 * 8]
    dsb ish
    str x1, [x6, #64]
    b park
reader:
    ldr x4, [x7, #4096]
    str x1, [x6]
3:  ldr x2, [x6, #64]
    cbz x2, 3b
    dmb ish
    add x7, x7, #5 * 4096
    ldr x20, [x7]
    b park
"""


@pytest.mark.parametrize("interleaving", INTERLEAVINGS)
@pytest.mark.parametrize(("tlbi", "seen"), [("tlbi vale1is, x4", NEW + 5), ("tlbi vaale1is, x4", NEW + 5), ("tlbi vae1is, x4", OLD + 5),
                                            ("tlbi vaae1is, x4", OLD + 5)])
def test_a_promotion_that_invalidates_last_levels_only_leaves_a_pointer_to_the_table(tlbi: str, seen: int, interleaving: str) -> None:
    found = {ran.x(20, 1) for ran in runs(_PROMOTE.format(tlbi=tlbi), 2, interleaving=interleaving, adversarial=False, seeds=5)}
    assert found == {seen}


_BREAK = ROLES + """
    ldr x8, =LEVEL3_PA
    lsr x4, x7, #12
1:  ldr x2, [x6]
    cbz x2, 1b
    b broken
broken:
    str xzr, [x8]
    dsb ishst
    mov x3, #200
2:  subs x3, x3, #1
    b.ne 2b
    tlbi vae1is, x4
    dsb ish
    mov x3, #200
2:  subs x3, x3, #1
    b.ne 2b
    str x1, [x6, #64]
    b park
reader:
    ldr x4, [x7]
    str x1, [x6]
3:  ldr x4, [x7]
    b passed
passed:
    ldr x2, [x6, #64]
    cbz x2, 3b
    b park
"""


@pytest.mark.parametrize("interleaving", ["block", "quantum", "instruction"])
def test_another_pe_faults_only_once_the_tlbi_has_reached_it(interleaving: str) -> None:
    for ran in runs(_BREAK, 2, interleaving=interleaving, adversarial=False, seeds=20, marks=("broken", "passed")):
        marks = ran.events("mark")
        broken = marks["cycle"][marks["pe"] == 0][0]
        passed = ran.events("mark", 1)["cycle"]
        done, faults = ran.events("tlbi_done", 1), ran.events("fault", 1)
        assert len(done) == 1
        assert len(faults) > 0
        assert done["cycle"][0] <= faults["cycle"].min()
        assert ((passed > broken) & (passed < done["cycle"][0])).sum() > 10, "until then it goes on by the entry that it holds"


def test_the_words_written_are_where_loads_find_them_at_once() -> None:
    body = "main:\nbl mmu_on\nldr x7, =PAGES_VA\nldr x8, =LEVEL3_PA\nldr x3, [x7]\nmov x2, #0x300\nldr x4, [x8, #8]\nstr x4, [x8]\nldr x20, [x8]\n" \
        "ldxr x5, [x8]\nstxr w6, x2, [x8]\nldr x21, [x8]\nldr x9, =DATA_PA\nstr x20, [x9]\nb park\n"
    for ran in runs(body, 1, seeds=10):
        assert (ran.x(20), ran.x(21)) == (PAGES_PA + 0x1000 | PAGE_EL1, 0x300)
        assert ran.words(1, DATA_PA) == [PAGES_PA + 0x1000 | PAGE_EL1]
