"""Which DSB waits for which TLBI, and the repeat-TLBI erratum (row T-38). DDI 0487 L.a, D8.17.7."""
from typing import Any

import numpy as np
import pytest

from .support import ALL_INTERLEAVINGS, PAGE_EL1, PAGES_PA, PAGES_VA, ROLES, Ran, machine_for, run, write_words

OTHER_PA = PAGES_PA + 0x20_0000
OLD, NEW = 0x10, 0x20

_DSB = """
main:
    ldr x6, =DATA_PA
    mov x1, #1
    cbnz x0, other
    {body}
    str x1, [x6]
    b park
other:
    ldr x2, [x6]
    cbz x2, other
    b park
"""
_FULL = {"ish": 1, "osh": 2, "sy": 2}
_OTHERS = ("ishst", "ishld", "oshst", "oshld", "st", "ld", "nsh", "nshst", "nshld", "#0", "#4")


@pytest.mark.parametrize("interleaving", ALL_INTERLEAVINGS)
@pytest.mark.parametrize("tlbi", ["vmalle1is", "vmalle1os", "vmalle1"])
@pytest.mark.parametrize("dsb", [*_FULL, *_OTHERS])
def test_a_tlbi_is_completed_by_a_dsb_of_both_kinds_of_access_whose_domain_covers_it(interleaving: str, tlbi: str, dsb: str) -> None:
    text = f".inst {0xD503309F | int(dsb[1:]) << 8:#x}" if dsb.startswith("#") else f"dsb {dsb}"
    ran = run(_DSB.format(body=f"tlbi {tlbi}\n {text}\n isb\n"), pes=2, interleaving=interleaving, tables=False)
    needed = {"vmalle1is": 1, "vmalle1os": 2, "vmalle1": 9}[tlbi]
    completed = ran.events("tlbi_complete", 0)
    assert len(completed) == (_FULL.get(dsb, 0) >= needed)
    assert all(completed["a"] > 0), "it waited"


def test_a_dsb_that_covers_one_of_two_leaves_the_other_outstanding() -> None:
    ran = run(_DSB.format(body="tlbi vmalle1os\n tlbi vmalle1is\n dsb ish\n isb\n dsb ish\n isb\n dsb osh\nisb"), pes=2, tables=False)
    assert len(ran.events("tlbi_complete", 0)) == 2


# A breaks page 0, waits for its TLBI, makes it anew and writes when; B reads the page all the time.
_ERRATUM = ROLES + """
1:  ldr x2, [x6]
    cbz x2, 1b
    ldr x8, =LEVEL3_PA
    ldr x9, =OTHER_PA + PAGE_EL1
    str {broken}, [x8]
    dsb ishst
    lsr x4, x7, #12
    {tlbi}
    dsb ish
    {repeat}
    str x9, [x8]
    dsb ishst
made:
    str x1, [x6, #64]
    b park
reader:
    mov x10, #400
    ldr x20, [x7]
    str x1, [x6]
2:  mov x26, #0
    ldr x21, [x7]
read:
    subs x10, x10, #1
    b.ne 2b
    ldr x22, [x7]
    b park
"""
_REPEAT = "tlbi vaae1is, x4\n dsb ish"


def _erratum(erratum: bool, *, tlbi: str = "tlbi vaae1is, x4", repeat: str = "", broken: str = "x9", pes: int = 2, **options: Any) -> Ran:
    body = _ERRATUM.format(tlbi=tlbi, repeat=repeat, broken=broken)
    machine = machine_for(body, constants={"OTHER_PA": OTHER_PA, "PAGE_EL1": PAGE_EL1}, pes=pes, repeat_tlbi_erratum=erratum, **options)
    for pa, value in ((PAGES_PA, OLD), (OTHER_PA, NEW)):
        write_words(machine, pa, [value])
    ran = Ran(machine, machine.run(20_000_000))
    assert ran.result.verdict.kind == "finished"
    assert ran.x(22, 1) == NEW
    return ran


def _late_uses(ran: Ran, pe: int = 1) -> Any:
    """Uses of a dropped translation at or after the issuer's first completion."""
    first_completion = ran.events("tlbi_complete", 0)["cycle"].min()
    used = ran.events("residue", pe)
    return used[used["cycle"] >= first_completion]


@pytest.mark.parametrize("interleaving", ["block", "instruction"])
@pytest.mark.parametrize("broken", ["x9", "xzr"])
def test_t38_with_the_erratum_one_access_completes_by_the_old_translation_after_the_first_dsb(interleaving: str, broken: str) -> None:
    for seed in range(20):
        ran = _erratum(True, interleaving=interleaving, seed=seed, broken=broken)
        late = _late_uses(ran)
        assert len(late) == 1
        assert (int(late[0]["a"]), int(late[0]["b"]), int(late[0]["c"])) == (PAGES_VA, PAGES_PA, 0)
        held = ran.machine.pes[1].tlb("l2")
        assert PAGES_PA not in held["pa"][held["va"] == np.uint64(PAGES_VA)], "not held again"


@pytest.mark.parametrize("interleaving", ["block", "instruction"])
@pytest.mark.parametrize(("erratum", "repeat"), [(True, _REPEAT), (False, ""), (False, _REPEAT)])
def test_t38_none_does_after_the_repeated_tlbi_or_without_the_erratum(interleaving: str, erratum: bool, repeat: str) -> None:
    for seed in range(20):
        ran = _erratum(erratum, repeat=repeat, interleaving=interleaving, seed=seed)
        completions = ran.events("tlbi_complete", 0)["cycle"]
        used = ran.events("residue", 1)
        of_the_old = used[used["b"] == PAGES_PA]
        assert not len(of_the_old[of_the_old["cycle"] >= completions.max()])
        if not erratum:
            assert not len(used)


@pytest.mark.parametrize("tlbi", ["tlbi vmalle1is", "tlbi aside1is, x4", "tlbi vaae1, x4\n tlbi vmalle1is"])
def test_the_erratum_is_about_broadcasts_by_va(tlbi: str) -> None:
    body = _ERRATUM.format(tlbi=tlbi if "aside" not in tlbi else "mov x4, #0\n tlbi aside1is, x4\n tlbi vmalle1is", repeat="", broken="x9")
    machine = machine_for(body, constants={"OTHER_PA": OTHER_PA, "PAGE_EL1": PAGE_EL1}, pes=2, repeat_tlbi_erratum=True)
    assert machine.run(20_000_000).verdict.kind == "finished"
    assert not len(machine.log.of("residue"))


def test_the_residue_of_a_pe_is_gone_after_a_bounded_time() -> None:
    body = ROLES + """
1:  ldr x2, [x6]
    cbz x2, 1b
    ldr x8, =LEVEL3_PA
    ldr x9, =OTHER_PA + PAGE_EL1
    str x9, [x8]
    dsb ishst
    lsr x4, x7, #12
    tlbi vaae1is, x4
    dsb ish
    str x1, [x6, #64]
    b park
reader:
    ldr x20, [x7]
    str x1, [x6]
2:  ldr x2, [x6, #64]
    cbz x2, 2b
    mov x10, #DELAY
3:  subs x10, x10, #1
    b.ne 3b
    ldr x21, [x7]
    ldr x22, [x7]
    isb
    ldr x23, [x7]
    b park
"""
    seen = {}
    for delay in (1, 5000):
        machine = machine_for(body, constants={"OTHER_PA": OTHER_PA, "PAGE_EL1": PAGE_EL1, "DELAY": delay}, pes=2, repeat_tlbi_erratum=True)
        for pa, value in ((PAGES_PA, OLD), (OTHER_PA, NEW)):
            write_words(machine, pa, [value])
        ran = Ran(machine, machine.run(20_000_000))
        seen[delay] = [ran.x(number, 1) for number in (20, 21, 23)]
    assert seen == {1: [OLD, OLD, NEW], 5000: [OLD, NEW, NEW]}
