"""The TTL hint of a TLBI by VA: nothing by default, taken at its word where that is asked for. DDI 0487 L.a, C5.5 (TLBI VAE1, TTL)."""
import pytest

from sim.arch.tlbi import compose_range_operand, compose_va_operand
from sim.observers.windows import invalidations

from .support import ALL_INTERLEAVINGS, PAGE_EL1, PAGES_PA, PAGES_VA, ROLES, Ran, machine_for, write_words

OTHER_PA = PAGES_PA + 0x20_0000         # what the changed translation gives
OLD, NEW = 100, 200
LEVEL_1, LEVEL_2, LEVEL_3 = 0b0101, 0b0110, 0b0111      # of the 4 KB granule
# What is changed: a page under its table, a block, a table that becomes a block. Where the descriptor is; what it is before and after.
PAGE = ("LEVEL3_PA", None, "OTHER_PA + PAGE_EL1")
BLOCK = ("LEVEL2_PA", "PAGES_PA + BLOCK_EL1", "OTHER_PA + BLOCK_EL1")
PROMOTED = ("LEVEL2_PA", None, "OTHER_PA + BLOCK_EL1")  # to other memory, so that what is used shows

_CHANGE = ROLES + """
    ldr x8, ={descriptor_pa}
1:  ldr x2, [x6]
    cbz x2, 1b
    str xzr, [x8]
    dsb ishst
    ldr x4, ={operand}
    {tlbi}
    dsb ish
    ldr x9, ={after}
    str x9, [x8]
    dsb ish
    str x1, [x6, #64]
    b park
reader:
    ldr x8, ={descriptor_pa}
    {before}
    ldr x19, [x7]
    str x1, [x6]
3:  ldr x2, [x6, #64]
    cbz x2, 3b
    dmb ish
    ldr x20, [x7]
    ldr x21, [x7, #4096]
    b park
"""


def change(what: tuple[str, str | None, str], operand: int, *, tlbi: str = "tlbi vae1is, x4", strict: bool = True, **options: object) -> Ran:
    """PE 1 has read page 0, PE 0 changes its translation by break-before-make; PE 1 reads pages 0 (x20) and 1 (x21) by what it then uses."""
    descriptor_pa, before, after = what
    begin = f"ldr x9, ={before}\n str x9, [x8]\n dsb ish\n tlbi vmalle1\n dsb nsh\n isb" if before else ""
    body = _CHANGE.format(descriptor_pa=descriptor_pa, operand=operand, tlbi=tlbi, after=after, before=begin)
    machine = machine_for(body, constants={"OTHER_PA": OTHER_PA, "PAGE_EL1": PAGE_EL1, "BLOCK_EL1": PAGE_EL1 & ~2}, pes=2, strict_ttl=strict,
                          **options)  # type: ignore[arg-type]
    for number in range(2):
        write_words(machine, PAGES_PA + number * 4096, [OLD + number])
        write_words(machine, OTHER_PA + number * 4096, [NEW + number])
    result = machine.run(10_000_000)
    assert result.verdict.kind == "finished", result.verdict
    ran = Ran(machine, result)
    assert ran.x(19, 1) == OLD
    return ran


@pytest.mark.parametrize("interleaving", ALL_INTERLEAVINGS)
@pytest.mark.parametrize(("what", "ttl", "first", "second"), [
    (PAGE, 0, NEW, OLD), (PAGE, LEVEL_3, NEW, OLD), (PAGE, LEVEL_2, OLD, OLD), (PAGE, LEVEL_1, OLD, OLD),
    (BLOCK, 0, NEW, NEW), (BLOCK, LEVEL_2, NEW, NEW), (BLOCK, LEVEL_3, OLD, OLD),
    # the level after the change in place of that before it: the page's entry stays, and the walk cache still leads to the old table
    (PROMOTED, LEVEL_2, OLD, OLD), (PROMOTED, LEVEL_3, NEW, NEW), (PROMOTED, 0, NEW, NEW),
    (PAGE, 0b1011, OLD, OLD), (PAGE, 0b1111, OLD, OLD),                         # level 3 of another granule
    (PAGE, 0b0001, NEW, OLD), (PAGE, 0b0011, NEW, OLD), (PAGE, 0b0100, NEW, OLD), (PAGE, 0b1001, NEW, OLD),      # without meaning here
])
def test_a_hint_is_taken_at_its_word(what: tuple[str, str | None, str], ttl: int, first: int, second: int, interleaving: str) -> None:
    ran = change(what, compose_va_operand(PAGES_VA, ttl=ttl), interleaving=interleaving)
    assert (ran.x(20, 1), ran.x(21, 1)) == (first, second + 1)


@pytest.mark.parametrize("ttl", range(16))
@pytest.mark.parametrize("what", [PAGE, BLOCK, PROMOTED])
def test_by_default_no_hint_keeps_anything(what: tuple[str, str | None, str], ttl: int) -> None:
    assert change(what, compose_va_operand(PAGES_VA, ttl=ttl), strict=False).x(20, 1) == NEW


@pytest.mark.parametrize(("what", "ttl", "first"), [(PAGE, 0, NEW), (PAGE, 3, NEW), (PAGE, 2, OLD), (BLOCK, 2, NEW), (BLOCK, 3, OLD)])
def test_a_range_has_a_hint_too(what: tuple[str, str | None, str], ttl: int, first: int) -> None:
    assert change(what, compose_range_operand(PAGES_VA, 12, 0, 0, ttl=ttl), tlbi="tlbi rvae1is, x4").x(20, 1) == first


@pytest.mark.parametrize(("tlbi", "seen"), [("tlbi vae1is, x4", OLD), ("tlbi vale1is, x4", OLD), ("tlbi vaae1is, x4", OLD), ("tlbi vaale1is, x4", OLD),
                                            ("tlbi vae1os, x4", OLD), ("tlbi vmalle1is", NEW)])
def test_every_form_by_va_has_a_hint_and_that_of_everything_none(tlbi: str, seen: int) -> None:
    assert change(PAGE, compose_va_operand(PAGES_VA, ttl=LEVEL_2), tlbi=tlbi).x(20, 1) == seen


@pytest.mark.parametrize("strict", [False, True])
def test_the_identification_register_says_whether_hints_are_heard(strict: bool) -> None:
    machine = machine_for("main:\nmrs x20, id_aa64mmfr2_el1\nb off\n", pes=1, strict_ttl=strict)
    result = machine.run(1_000_000)
    assert Ran(machine, result).x(20) >> 48 & 15 == int(strict)


@pytest.mark.parametrize(("ttl", "name"), [(LEVEL_2, "VAE1IS with a hint of level 2"), (0, "VAE1IS")])
def test_a_report_names_the_hint(ttl: int, name: str) -> None:
    ran = change(PAGE, compose_va_operand(PAGES_VA, ttl=ttl))
    before, _ = invalidations(ran.result.events.array(), 1, PAGES_VA, 1 << 40)
    assert before is not None and before.operation == name
    assert before.reached_cycle is not None, "the same TLBI is found where it arrives"
