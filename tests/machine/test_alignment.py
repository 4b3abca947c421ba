"""Alignment faults: which accesses must be aligned under which memory type and SCTLR_EL1.A. DDI 0487 L.a, B2.8 (alignment of data accesses)."""
import pytest

from .support import ALL_INTERLEAVINGS, DATA_PA, DEVICE, LEVEL3_PA, PAGE_EL1, PAGES_PA, PAGES_VA, Ran, machine_for, run, write_words

WNR = 1 << 6
# WnR of a misaligned atomic is 0: a read of that address would have been refused as well.
ALWAYS = [(text, offset, wnr) for text, offset, wnr in (
    ("ldxr x1, [x2]", 4, 0), ("ldxr w1, [x2]", 2, 0), ("ldaxrh w1, [x2]", 1, 0),
    ("ldxp x1, x3, [x2]", 8, 0), ("ldadd x1, x3, [x2]", 4, 0), ("ldaddal w1, w3, [x2]", 2, 0), ("swp x1, x3, [x2]", 1, 0),
    ("cas x1, x3, [x2]", 4, 0), ("casp x0, x1, x4, x5, [x2]", 8, 0), ("stset x1, [x2]", 2, 0), ("ldsmaxh w1, w3, [x2]", 1, 0),
    ("ldar x1, [x2]", 4, 0), ("ldar w1, [x2]", 2, 0), ("ldarh w1, [x2]", 1, 0), ("stlr x1, [x2]", 1, WNR), ("stlrh w1, [x2]", 1, WNR),
)]
WHEN_CHECKED = [
    ("ldr x1, [x2]", 4, 0), ("ldr w1, [x2]", 1, 0), ("ldrsh x1, [x2]", 1, 0), ("str x1, [x2]", 2, WNR), ("strh w1, [x2]", 1, WNR),
    ("ldp x1, x3, [x2]", 4, 0), ("stp x1, x3, [x2]", 4, WNR), ("stp w1, w3, [x2]", 2, WNR), ("ldr q0, [x2]", 8, 0), ("str q0, [x2]", 4, WNR),
    ("ldur x1, [x2, #1]", 0, 0), ("str x1, [x2, #8]!", 4, WNR), ("ldr x1, [x2], #8", 4, 0), ("ldp q0, q1, [x2], #32", 8, 0),
]
NEVER = [("ldrb w1, [x2]", 1, 0), ("strb w1, [x2]", 3, 0), ("ldr x1, [x2]", 8, 0), ("ldp x1, x3, [x2]", 8, 0), ("ldar x1, [x2]", 8, 0),
         ("ldadd x1, x3, [x2]", 8, 0), ("ldxp x1, x3, [x2]", 16, 0), ("prfm pldl1keep, [x2]", 1, 0), ("ldaddb w1, w3, [x2]", 3, 0)]


def _run(probes: list[tuple[str, int, int]], base: int, start: str, interleaving: str, device_page: bool = False) -> Ran:
    body = f"main:\n{start}\nmov x1, #0\nmov x3, #0\nmov x4, #0\nmov x5, #0\nmov x0, #0\nmov x24, #0\n"
    for number, (text, offset, _) in enumerate(probes):
        body += f"ldr x2, ={base + offset:#x}\nmov x22, x2\nprobe_{number}:\n{text}\n"
        if "]!" not in text and "]," not in text:
            body += "sub x22, x2, x22\norr x24, x24, x22\n"
    machine = machine_for(body + "b off\n", interleaving=interleaving)
    if device_page:
        write_words(machine, LEVEL3_PA, [PAGES_PA | PAGE_EL1 | DEVICE])
    result = machine.run(10_000_000)
    assert result.verdict.kind == "finished", result.verdict
    return Ran(machine, result)


def _check(ran: Ran, probes: list[tuple[str, int, int]], base: int) -> None:
    got = [(hex(entry.esr), hex(entry.far), hex(entry.elr)) for entry in ran.entries()]
    extra = {"ldur x1, [x2, #1]": 1, "str x1, [x2, #8]!": 8}
    expected = [(hex(0x25 << 26 | 1 << 25 | 0x21 | wnr), hex(base + offset + extra.get(text, 0)), hex(ran.address(f"probe_{number}")))
                for number, (text, offset, wnr) in enumerate(probes)]
    assert [(probe[0], *row) for probe, row in zip(probes, got, strict=False)] == [
        (probe[0], *row) for probe, row in zip(probes, expected, strict=True)]
    assert len(got) == len(probes)
    assert ran.x(24) == 0, "a base register changed"


SET_A = "bl mmu_on\nldr x1, =SCTLR_ON | 2\nmsr sctlr_el1, x1\nisb"


@pytest.mark.parametrize("interleaving", ALL_INTERLEAVINGS)
def test_exclusives_atomics_and_ordered_accesses_must_be_aligned_even_in_normal_memory(interleaving: str) -> None:
    _check(_run(ALWAYS, DATA_PA, "bl mmu_on", interleaving), ALWAYS, DATA_PA)


@pytest.mark.parametrize("interleaving", ALL_INTERLEAVINGS)
def test_all_other_accesses_to_normal_memory_may_be_misaligned_while_sctlr_a_is_0(interleaving: str) -> None:
    assert _run([*WHEN_CHECKED, *NEVER], DATA_PA, "bl mmu_on", interleaving).entries() == []


@pytest.mark.parametrize("interleaving", ALL_INTERLEAVINGS)
def test_sctlr_a_makes_every_misaligned_access_fault(interleaving: str) -> None:
    probes = ALWAYS + WHEN_CHECKED
    _check(_run(probes, DATA_PA, SET_A, interleaving), probes, DATA_PA)


@pytest.mark.parametrize("interleaving", ALL_INTERLEAVINGS)
def test_with_the_mmu_off_memory_is_device_and_misaligned_accesses_fault(interleaving: str) -> None:
    probes = WHEN_CHECKED
    _check(_run(probes, DATA_PA, "", interleaving), probes, DATA_PA)


@pytest.mark.parametrize("interleaving", ALL_INTERLEAVINGS)
def test_a_page_mapped_as_device_memory_must_be_accessed_aligned(interleaving: str) -> None:
    probes = WHEN_CHECKED
    _check(_run(probes, PAGES_VA, "bl mmu_on", interleaving, device_page=True), probes, PAGES_VA)


@pytest.mark.parametrize("interleaving", ALL_INTERLEAVINGS)
@pytest.mark.parametrize("start", ["", SET_A], ids=["MMU off", "SCTLR.A"])
def test_aligned_accesses_and_single_bytes_never_fault(interleaving: str, start: str) -> None:
    probes = [probe for probe in NEVER if "prfm" not in probe[0]]
    assert _run(probes, DATA_PA, start, interleaving).entries() == []


def test_the_first_misaligned_access_to_a_device_page_faults_also_when_it_is_the_first_access_of_all() -> None:
    """One instruction in a block of its own, no access to the page before: nothing has told the simulator yet that the page is Device."""
    probes = [("ldr x1, [x2]", 4, 0)]
    _check(_run(probes, PAGES_VA, "bl mmu_on", "block", device_page=True), probes, PAGES_VA)


def test_dc_zva_to_device_memory_is_an_alignment_fault() -> None:
    ran = run("main:\nldr x2, =DATA_PA + 8\nprobe_0: dc zva, x2\nb off\n")
    assert [(entry.esr, entry.far, entry.elr) for entry in ran.entries()] == [
        (0x25 << 26 | 1 << 25 | 0x21 | WNR, DATA_PA + 8, ran.address("probe_0"))]


def test_alignment_is_checked_again_after_sctlr_a_goes_back_to_0_and_1() -> None:
    ran = run(f"""
    main:
        {SET_A}
        ldr x2, =DATA_PA + 1
        ldr x3, [x2]
        ldr x1, =SCTLR_ON
        msr sctlr_el1, x1
        isb
        ldr x3, [x2]
        ldr x1, =SCTLR_ON | 2
        msr sctlr_el1, x1
        isb
    probe_0:
        ldr x3, [x2]
        b off
    """)
    first, second = ran.entries()
    assert (first.iss, second.iss, second.elr) == (0x21, 0x21, ran.address("probe_0"))
