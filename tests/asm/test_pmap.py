"""The kernel pmap and its allocators: windows as the simulator's events show them, tables as read from RAM, panics, and other sizes."""
import re
import struct
from collections.abc import Callable
from pathlib import Path

import capstone
import pytest

from firmware.kernels import ASM_DIRECTORY, kernel
from firmware.layout import layout_constants
from sim.machine import Machine
from sim.result import Result
from sim.state.events import BY_NAME

from .conftest import Build
from .test_under_qemu import CONSOLE, run

PAGE, RUN, BLOCK = 0x1000, 0x1_0000, 0x20_0000
KMEM_VA = 0xFFFF_FF80_4000_0000         # one GB behind the kernel's first VA
CONTIGUOUS, NO_PROMOTE, READ_ONLY, AF, DBM = 1 << 52, 1 << 57, 1 << 7, 1 << 10, 1 << 51
PA_BITS = 0x0000_FFFF_FFFF_F000

TOP = """
        .include "kernel.inc"
        .include "report.inc"
        .include "pmap.inc"
        .include "check.inc"
        .include "pmap_check.inc"
.macro set_word place, value
        load_constant x0, GLOBALS_VA+\\place
        load_constant x1, \\value
        str     x1, [x0]
.endm
.macro fill_run bytes
        mov     x0, #DOMAIN_0_ONLY
        load_constant x1, \\bytes
        bl      kmem_malloc_domainset
.endm
.macro change_prot va, bytes, bits
        load_constant x0, \\va
        load_constant x1, \\bytes
        mov     x2, #\\bits
        bl      pmap_change_prot
.endm
kernel_main:
        bl      pmap_bootstrap
{body}
        mov     x0, #0
        b       exit_with_status
        .balign PAGE_BYTES, 0
image_text_end:
"""

Try = Callable[..., tuple[Machine, Result]]


@pytest.fixture
def attempt(tmp_path: Path) -> Try:
    """Runs a few lines of assembler behind pmap_bootstrap on one PE."""
    def attempt_one(body: str, **layout: int) -> tuple[Machine, Result]:
        source = tmp_path / "attempt.s"
        source.write_text(TOP.replace("{body}", body))
        machine = Machine(events=("tlbi",))
        machine.load(source, constants=layout_constants(1, **layout), include_dirs=[ASM_DIRECTORY])  # type: ignore[arg-type]
        return machine, machine.run()

    return attempt_one


def tlbis(result: Result) -> list[tuple[int, int]]:
    """VA and size of every TLBI by VA, in order."""
    events = result.events.array()
    return [(int(event["a"]), int(event["b"])) for event in events if event["kind"] == BY_NAME["tlbi"].number and event["a"]]


def pages(first_va: int, count: int) -> list[tuple[int, int]]:
    return [(first_va + n * PAGE, PAGE) for n in range(count)]


def word(machine: Machine, pa: int) -> int:
    return int(struct.unpack("<Q", machine.read_physical(pa, 8))[0])


def counters(machine: Machine) -> dict[str, int]:
    c = layout_constants(1)
    names = ("L2_PROMOTIONS", "L2_P_FAILURES", "L2_DEMOTIONS", "L3C_PROMOTIONS", "L3C_P_FAILURES", "L3C_DEMOTIONS")
    return {name: word(machine, c["GLOBALS_PA"] + c["G_PMAP"] + c["PM_" + name]) for name in names}


def descriptors(machine: Machine, chunk: int = 0) -> int | list[int]:
    """The L2 descriptor of a 2 MB chunk of kmem if it is a block, else the 512 descriptors of its table."""
    l2 = word(machine, layout_constants(1)["KMEM_L2_PA"] + 8 * chunk)
    return [word(machine, (l2 & PA_BITS) + 8 * n) for n in range(512)] if l2 & 3 == 3 else l2


def test_an_l2_promotion_invalidates_each_of_its_512_pages_and_a_demotion_one(attempt: Try) -> None:
    machine, result = attempt("""
        set_word G_PMAP+PM_CONTIGUOUS_RUNS, 0
        fill_run BLOCK_BYTES
        change_prot KMEM_VA+7*PAGE_BYTES, PAGE_BYTES, DESC_READ_ONLY
    """)
    assert result.exit_status == 0
    assert tlbis(result) == [*pages(KMEM_VA, 512), (KMEM_VA, PAGE), (KMEM_VA + 7 * PAGE, PAGE)]
    table = descriptors(machine)
    assert isinstance(table, list)
    assert [n for n, descriptor in enumerate(table) if descriptor & READ_ONLY] == [7]
    assert not any(descriptor & CONTIGUOUS for descriptor in table)


def test_each_contiguous_run_has_a_window_of_16_before_the_blocks_window_of_512(attempt: Try) -> None:
    machine, result = attempt("fill_run BLOCK_BYTES")
    windows = [one for first in range(0, 512, 16) for one in pages(KMEM_VA + first * PAGE, 16)]
    assert tlbis(result) == [*windows, *pages(KMEM_VA, 512)]
    block = descriptors(machine)
    assert isinstance(block, int) and block & 3 == 1 and not block & CONTIGUOUS


@pytest.mark.parametrize(("tlbi_count", "start"), [(1, 0), (3, 0), (5, 510), (700, 0)])
def test_a_window_of_chosen_length_has_that_many_tlbis_and_the_rest_come_after_the_make(tlbi_count: int, start: int, attempt: Try) -> None:
    _, result = attempt(f"""
        set_word G_PMAP+PM_CONTIGUOUS_RUNS, 0
        set_word G_PMAP+PM_WINDOW_TLBIS, {tlbi_count}
        set_word G_PMAP+PM_WINDOW_START, {start}
        fill_run BLOCK_BYTES
    """)
    window = [(KMEM_VA + (start + n) % 512 * PAGE, PAGE) for n in range(tlbi_count)]
    assert tlbis(result) == [*window, *pages(KMEM_VA, 512)]


@pytest.mark.parametrize("page", [0, 1, 16, 100, 511])
def test_a_flagged_page_keeps_its_block_and_its_contiguous_run_from_promotion(page: int, attempt: Try) -> None:
    """Flagged when it is allocated; only where it is not the first page of a run is the refusal counted as a failure."""
    before = f"fill_run {page}*PAGE_BYTES" if page else ""
    behind = f"fill_run {511 - page}*PAGE_BYTES" if page < 511 else ""
    machine, result = attempt(f"""
        {before}
        fill_run PAGE_BYTES
        load_constant x0, KMEM_VA+{page}*PAGE_BYTES
        mov     x1, #PAGE_BYTES
        bl      pmap_disable_promotion
        {behind}
    """)
    assert result.exit_status == 0
    table = descriptors(machine)
    if page == 511:                     # the run was full, and promoted, before the flag was set
        assert counters(machine)["L2_PROMOTIONS"] == counters(machine)["L2_DEMOTIONS"] == 1
    else:
        assert counters(machine)["L2_PROMOTIONS"] == 0
        assert counters(machine)["L2_P_FAILURES"] == (1 if page else 0)
        assert counters(machine)["L3C_P_FAILURES"] == (1 if page % 16 else 0)
    assert isinstance(table, list)
    assert [n for n, descriptor in enumerate(table) if descriptor & NO_PROMOTE] == [page]
    assert [n for n in range(512) if not table[n] & CONTIGUOUS] == list(range(page & ~15, (page | 15) + 1))
    assert [descriptor & PA_BITS for descriptor in table] == [(table[0] & PA_BITS) + n * PAGE for n in range(512)]


@pytest.mark.parametrize(("place", "change", "promoted"), [
    ("the access flag of one page is clear", f"and x1, x1, #{~AF & (1 << 64) - 1}", True),
    ("one page is read-only", f"orr x1, x1, #{READ_ONLY}", False),
    ("one page is clean but writable", f"orr x1, x1, #{READ_ONLY}\n orr x1, x1, #{DBM}", False),
    ("one page is invalid", "and x1, x1, #0xfffffffffffffffe", False),
    ("one page has another frame", "eor x1, x1, #PAGE_BYTES", False),
])
def test_a_run_is_promoted_only_if_its_pages_agree(place: str, change: str, promoted: bool, attempt: Try) -> None:
    machine, result = attempt(f"""
        set_word G_PMAP+PM_CONTIGUOUS_RUNS, 0
        fill_run 511*PAGE_BYTES
        load_constant x0, KMEM_VA+77*PAGE_BYTES
        bl      pmap_pte
        {change}
        str     x1, [x0]
        fill_run PAGE_BYTES
    """)
    assert result.exit_status == 0, place
    found = descriptors(machine)
    assert isinstance(found, int) is promoted
    assert counters(machine)["L2_P_FAILURES"] == (not promoted)
    if isinstance(found, int):
        assert not found & AF           # the block is accessed only if all its pages were
    elif "clean" in place:
        assert not found[77] & DBM      # write-protected in earnest before the comparison


def test_a_run_whose_frames_are_not_aligned_is_never_promoted(attempt: Try) -> None:
    machine, result = attempt("""
        set_word G_KMEM+KM_RESERVATIONS, 0
        fill_run PAGE_BYTES
        fill_run BLOCK_BYTES-PAGE_BYTES
    """)
    assert result.exit_status == 0 and isinstance(descriptors(machine), list)
    assert counters(machine)["L2_PROMOTIONS"] == counters(machine)["L3C_PROMOTIONS"] == 0


@pytest.mark.parametrize(("body", "reason"), [
    ("bl pmap_lock\n bl pmap_lock", "the pmap lock is taken by its owner"),
    ("fill_run PAGE_BYTES\n mov x1, #PAGE_BYTES\n bl pmap_disable_promotion\n change_prot KMEM_VA, PAGE_BYTES, DESC_READ_ONLY",
     "the attributes of a page are changed that carries the no-promote flag"),
    (("fill_run BLOCK_BYTES\n load_constant x1, BLOCK_BYTES\n bl pmap_disable_promotion\n bl pmap_lock\n load_constant x0, KMEM_VA\n"
      " bl pmap_l2_entry\n mov x1, x0\n load_constant x0, KMEM_VA\n bl pmap_demote_l2"), "a block that carries the no-promote flag is demoted"),
    (("fill_run PAGE_BYTES\n load_constant x0, KMEM_VA\n bl pmap_pte\n load_constant x2, DESC_SW_NO_PROMOTE\n orr x2, x1, x2\n"
      " mov x1, x0\n bl pmap_lock\n load_constant x0, KMEM_VA\n mov x3, #PAGE_BYTES\n bl pmap_change_entry"),
     "the new descriptor carries the no-promote flag"),
    ("bl pmap_change_entry", "a descriptor is changed while the pmap is not locked"),
    ("load_constant x0, POOL_PA\n mov x1, #PAGE_BYTES\n bl vm_page_free", "a frame is freed that is not allocated"),
    ("load_constant x0, KMEM_VA\n mov x1, #PAGE_BYTES\n bl kmem_free", "a page of kernel memory that is freed is not mapped"),
    ("load_constant x0, KMEM_VA+1\n mov x1, #PAGE_BYTES\n bl pmap_disable_promotion",
     "software bits are set on a range that is not made of pages"),
], ids=["locked twice", "attributes of a flagged page", "flagged block", "flagged descriptor", "not locked", "freed frame", "freed page",
        "unaligned range"])
def test_what_freebsd_asserts_panics(body: str, reason: str, attempt: Try) -> None:
    _, result = attempt(body)
    assert (result.console, result.exit_status) == (f"panic: {reason}\n", 4)


def test_memory_of_every_domain_comes_from_its_own_frames(attempt: Try) -> None:
    machine, result = attempt("""
        mov     x19, #0
next:   orr     x0, x19, #(1<<DOMAINSET_STRICT_BIT)
        mov     x1, #PAGE_BYTES
        bl      kmem_malloc_domainset
        bl      pmap_kextract
        load_constant x1, GLOBALS_VA+G_SCRATCH
        str     x0, [x1, x19, lsl #3]
        add     x19, x19, #1
        cmp     x19, #DOMAINS
        b.lo    next
    """, domains=5, domain_blocks=4)
    c = layout_constants(1, domains=5, domain_blocks=4)
    places = [word(machine, c["GLOBALS_PA"] + c["G_SCRATCH"] + 8 * domain) - c["POOL_PA"] for domain in range(5)]
    assert result.exit_status == 0
    assert [place // (4 * BLOCK) for place in places] == list(range(5))


@pytest.mark.parametrize(("low", "high", "boundary", "expected"), [
    (0, 0, 0, 0), (0x30_0000, 0, 0, 0x30_0000), (0, 0x5000, 0, None), (0x1000, 0, 0x8000, 0x8000), (0, 0, 0x4000, None),
    (0x7f_f000, 0x80_8000, 0x1_0000, 0x80_0000), (0xff_ffff_f000, 0, 0, None),
])
def test_a_run_of_frames_keeps_to_its_bounds(low: int, high: int, boundary: int, expected: int | None, attempt: Try) -> None:
    """Eight pages from an empty domain; bounds relative to the pool."""
    machine, _ = attempt(f"""
        mov     x0, #0
        mov     x1, #(8*PAGE_BYTES)
        mov     x2, #PAGE_BYTES
        load_constant x3, POOL_PA*{int(low > 0)}+{low}
        load_constant x4, POOL_PA*{int(high > 0)}+{high}
        load_constant x5, {boundary}
        bl      vm_page_alloc_contig
        load_constant x1, GLOBALS_VA+G_SCRATCH
        str     x0, [x1]
    """)
    c = layout_constants(1)
    assert word(machine, c["GLOBALS_PA"] + c["G_SCRATCH"]) == (0 if expected is None else c["POOL_PA"] + expected)


@pytest.mark.gnu
def test_the_order_of_a_change_is_that_of_freebsd(build: Build) -> None:
    """Read from the assembled function: mask, clear the valid bit, DSB ISHST, TLBI, DSB ISH, ISB, store, DSB ISHST, restore."""
    built_in = kernel("promote")
    image = build(built_in, built_in.build_constants())
    data, origin = image.path.read_bytes(), image.symbols["image_start"]
    start, end = image.symbols["pmap_break_before_make"] - origin, image.symbols["panic_flagged_update"] - origin
    found = []
    for instruction in capstone.Cs(capstone.CS_ARCH_ARM64, capstone.CS_MODE_ARM).disasm(data[start:end], origin + start):
        text = f"{instruction.mnemonic} {instruction.op_str}".strip()
        if re.match(r"(msr|dsb|isb|tlbi|stxr|str|ret)\b", text):
            found.append(text)
        if text == "ret":
            break
    counted_window, repeated = found[4], found[5:7]
    assert counted_window == "tlbi vaae1is, x13" and repeated == ["dsb ish", "tlbi vale1is, xzr"]
    after_window = found[11:14]
    assert after_window == ["tlbi vaae1is, x5", "dsb ish", "isb"]
    assert found[:4] + found[7:11] + found[14:] == [
        "msr daifset, #3", "stxr w6, x4, [x1]", "dsb ishst", "tlbi vaae1is, x13", "dsb ish", "isb", "str x2, [x1]", "dsb ishst",
        "msr daif, x7", "ret"]


@pytest.mark.parametrize(("pes", "interleaving"), [(1, "block"), (4, "block"), (3, "quantum"), (2, "instruction")])
def test_the_kernel_promote_passes_on_the_simulator(pes: int, interleaving: str) -> None:
    built_in = kernel("promote")
    machine = Machine(pes=pes, interleaving=interleaving, events=())
    machine.load(built_in.path, constants=built_in.build_constants(pes, rounds=2), include_dirs=built_in.include_directories)
    result = machine.run()
    assert (result.console, result.exit_status) == (CONSOLE["promote"], 0)


@pytest.mark.gnu
@pytest.mark.qemu
@pytest.mark.parametrize(("pes", "place"), [
    (1, {"domains": 1}), (2, {"domains": 3, "domain_blocks": 6}), (8, {"stack_bytes": 32768}), (4, {"ram_bytes": 64 << 20}),
], ids=["one-domain", "small-domains", "other-stacks", "less-ram"])
def test_the_kernel_promote_passes_under_qemu_with_other_sizes(pes: int, place: dict[str, int], build: Build) -> None:
    image = build(kernel("promote"), layout_constants(pes, 3, 0, **place))  # type: ignore[arg-type]
    assert run(image, pes) == (CONSOLE["promote"], 0)
