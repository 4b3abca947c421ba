"""The lint against a second source: pages that handlers really fill TLBs for, with a data TLB of one entry, and sizes of the layout."""
import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from firmware.kernels import kernel
from firmware.layout import FRAME_BYTES, FRAME_GAP_BYTES, PAGE_BYTES
from sim.arch.memory_map import IMAGE_OFFSET_BYTES, RAM_PA
from sim.cli import run_command
from sim.cli_lint import LintReport, lint_image
from sim.errors import UserError
from sim.loader.image import Image
from sim.loader.load import load_image
from sim.machine import Machine
from sim.observers.entry_step import Known
from sim.observers.entry_values import NUMBER, PCPU_BASE, STACK_BASE, Value
from sim.observers.pcpu_lint import Code, lint_vectors
from sim.state.dtypes import ACCESS_READ, ACCESS_WRITE
from sim.state.events import BY_NAME
from sim.timing.profile import load_profile

PES = 2
SYNC, IRQ, EL0_SYNC = 0x200, 0x280, 0x400
#: What an object of the lint is, as a place that a page can be in.
PLACES = {"stack": "stack", "pcpu": "pcpu", "thread": "thread", "globals": "globals", "globals of start and stop": "start and stop",
          "translation tables": "direct map", "the direct map": "direct map", "*PC_SCRATCH+0x280": "kernel memory", "kernel memory": "kernel memory",
          "*PC_STACK_TOP": "stack", "device": "device", "image": "image"}


def image_of(name: str, pes: int = PES) -> tuple[Image, dict[str, int]]:
    built_in = kernel(name)
    constants = built_in.build_constants(pes, 3)
    return load_image(built_in.path, origin_pa=RAM_PA + IMAGE_OFFSET_BYTES, constants=constants,
                      include_dirs=built_in.include_directories), constants


@cache
def linted(name: str, pes: int = PES) -> LintReport:
    image, constants = image_of(name, pes)
    return lint_image(image, constants, pes)


@cache
def touched(name: str) -> dict[int, set[str]]:
    """By slot, where PE 1's handlers really loaded and stored: every change of page fills a data TLB that has one entry."""
    image, known = image_of(name)
    profile = load_profile("cortex-a72")
    profile = replace(profile, tlb=replace(profile.tlb, l1d=replace(profile.tlb.l1d, entries=1)))
    machine = Machine(pes=PES, profile=profile, interleaving="instruction", events=("entry", "return", "fill"), recursion_limit=100,
                      livelock_limit=100)
    events = machine.load(image).run(20_000_000).events.array()
    handlers: list[int] = []
    found: dict[int, set[str]] = {}
    for _, _, kind, aux, a, *_ in events[events["pe"] == 1].tolist():
        if kind == BY_NAME["entry"].number:
            handlers.append(aux)
        elif kind == BY_NAME["return"].number:
            handlers = handlers[:-1]                        # boot returns to where it never came from
        elif handlers and aux in (ACCESS_READ, ACCESS_WRITE):
            found.setdefault(handlers[-1], set()).add(place_of(a, known))
    return found


def place_of(va: int, known: dict[str, int]) -> str:
    places = {"pcpu": (known["PCPU_VA"], PES * known["PCPU_BYTES"]), "stack": (known["STACK_RUN_VA"], PES * known["STACK_STRIDE_BYTES"]),
              "globals": (known["GLOBALS_VA"], PAGE_BYTES), "start and stop": (known["MP_VA"], PAGE_BYTES), "thread": (known["THREADS_VA"], PAGE_BYTES),
              "kernel memory": (known["KMEM_VA"], 1 << 30), "direct map": (known["DMAP_VA"], 1 << 30), "device": (0, RAM_PA)}
    return next(name for name, (first, size_bytes) in places.items() if first <= va < first + size_bytes)


def places(report: LintReport, slot: int, table: int | None = None) -> set[str]:
    return {PLACES[row.object] for row in report.used() if row.slot == slot and table in (None, row.table)}


def test_what_a_fault_needs_is_what_the_lint_says_to_the_page() -> None:
    assert touched("fault-retry")[SYNC] == places(linted("fault-retry"), SYNC) == {"stack", "pcpu", "globals", "direct map"}


@pytest.mark.parametrize(("name", "slot"), [("fault-retry", IRQ), ("fault-retry", EL0_SYNC), ("rendezvous", IRQ), ("sgi_pingpong", IRQ)])
def test_no_handler_touches_a_place_that_the_lint_does_not_know(name: str, slot: int) -> None:
    assert touched(name)[slot] >= {"stack", "pcpu", "thread"}
    assert touched(name)[slot] <= places(linted(name), slot)


def test_a_scheme_without_pcpu_in_its_entry_has_none_in_the_lint_or_in_the_run() -> None:
    image, _ = image_of("curthread-register")
    table = image.symbols.address("vector_table_register")
    assert "pcpu" not in places(linted("curthread-register"), SYNC, table)
    assert touched("curthread-register")[SYNC] <= places(linted("curthread-register"), SYNC, table)


@pytest.mark.parametrize("pes", [1, 4, 16])
def test_the_vector_stores_exactly_one_frame_below_the_gap(pes: int) -> None:
    report = linted("naive", pes)
    stores = [row for row in report.used() if row.slot == SYNC and row.place.startswith("vector_table_el1") and row.how == "write"]
    assert {row.object for row in stores} == {"stack"}
    covered = sorted(row.offset + byte for row in stores for byte in range(row.size_bytes) if row.offset is not None)
    assert covered == list(range(-FRAME_BYTES - FRAME_GAP_BYTES, -FRAME_GAP_BYTES))
    from_el0 = [row for row in report.used() if row.slot == EL0_SYNC and row.place.startswith("vector_table_el1") and row.how == "write"]
    assert min(row.offset for row in from_el0 if row.offset is not None) == -FRAME_BYTES


def test_the_load_of_curthread_is_the_first_access_behind_the_frame() -> None:
    _, constants = image_of("naive")
    rows = [row for row in linted("naive").used() if row.slot == SYNC]
    first = next(row for row in rows if row.object != "stack")
    assert (first.object, first.offset, first.name, first.how) == ("pcpu", constants["PC_CURTHREAD"], "PC_CURTHREAD", "read")
    assert all(row.place.startswith("vector_table_el1") for row in rows[:rows.index(first)])


def test_the_frame_is_noted_in_the_thread_by_a_system_call() -> None:
    _, constants = image_of("el0_svc")
    noted = [row for row in linted("el0_svc").rows if row.slot == EL0_SYNC and row.object == "thread" and row.how == "write"]
    assert (constants["TD_FRAME"], "TD_FRAME") in {(row.offset, row.name) for row in noted}


def test_every_row_says_which_schemes_lose_its_object() -> None:
    report = linted("naive")
    assert "no-promote" not in report.losing("pcpu") and "no-promote" in report.losing("stack")
    assert "naive" in report.losing("pcpu") and report.losing("") == ()
    assert all(set(report.losing(kind)).isdisjoint(report.protects[kind]) for kind in report.protects)


WORDS = {
    "stp x0, x1, [sp, #-16]!": 0xA9BF07E0, "mrs x18, TPIDR_EL1": 0xD538D092, "ldr x1, [x18, #8]": 0xF9400641, "cbz x1, .+8": 0xB4000041,
    "blr x1": 0xD63F0020, "eret": 0xD69F03E0, "hlt #0": 0xD4400000, "b .": 0x14000000, "str x2, [x18, #16]": 0xF9000A42,
}


def lint_words(*lines: str) -> list[tuple[int, str, Value]]:
    """The first slot of a table that begins with these instructions: (address, how, where) of each access on a way to ERET."""
    code = {4 * place: WORDS[line] for place, line in enumerate(lines)}
    report = lint_vectors(Code(code.get, lambda address: address in code, Known({}, {}, {})), 0)[0]
    return [(pc, access.how, access.place) for pc, access in report.used()]


def test_accesses_are_those_up_to_the_return() -> None:
    assert lint_words("stp x0, x1, [sp, #-16]!", "mrs x18, TPIDR_EL1", "ldr x1, [x18, #8]", "eret", "str x2, [x18, #16]") == [
        (0, "write", Value(STACK_BASE, -16)), (8, "read", Value(PCPU_BASE, 8))]


def test_both_ways_of_a_branch_are_read_and_one_that_never_returns_is_left_out() -> None:
    lines = ("mrs x18, TPIDR_EL1", "ldr x1, [x18, #8]", "cbz x1, .+8", "eret", "str x2, [x18, #16]", "eret")
    assert [pc for pc, _, _ in lint_words(*lines)] == [4, 16]
    assert [pc for pc, _, _ in lint_words(*lines[:-1], "hlt #0")] == [4]
    assert [pc for pc, _, _ in lint_words(*lines[:-1], "b .")] == [4]


def test_a_call_that_cannot_be_followed_is_named_and_reading_goes_on_behind_it() -> None:
    code = {0: WORDS["blr x1"], 4: WORDS["str x2, [x18, #16]"], 8: WORDS["eret"]}
    report = lint_vectors(Code(code.get, lambda address: address in code, Known({}, {}, {})), 0)[0]
    assert report.unresolved == {0} and report.returns and [pc for pc, _ in report.used()] == [4]


def test_a_function_whose_address_the_code_stores_is_followed_through_the_pointer() -> None:
    report = linted("fault-retry")
    assert any(row.place.startswith("count_tick") for row in report.used() if row.slot == IRQ)
    assert any(row.place.startswith("pmap_walk_software") for row in report.used() if row.slot == SYNC)
    assert not any("answer_el1h_sync" in place for _, place in report.unresolved)
    assert any("answer_el1h_sync" in place for _, place in linted("hello").unresolved)      # hello never sets the seam


def test_the_command_prints_rows_and_objects_and_writes_them(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert run_command(["lint", "naive", "--json", str(tmp_path / "lint.json")]) == 0
    out = capsys.readouterr().out
    assert "slot 0x200 of vector_table_el1" in out and "PC_CURTHREAD" in out and "naive does not keep: " in out
    document = json.loads((tmp_path / "lint.json").read_text(encoding="utf-8"))
    row = next(row for row in document["rows"] if row["field"] == "PC_CURTHREAD")
    assert (row["kind"], row["access"], row["may_return"]) == ("pcpu", "read", True) and "naive" in row["in_window_under"]
    assert not any(row["may_return"] for row in document["rows"] if row["instruction"].startswith("unexpected_vector"))


def test_mistakes_of_the_user_are_one_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert run_command(["lint", "naive", "--vbar", "nowhere"]) == 2
    (tmp_path / "none.s").write_text("_start: b .\n", encoding="utf-8")
    assert run_command(["lint", str(tmp_path / "none.s")]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2 and "no symbol 'nowhere'" in lines[0] and "--vbar" in lines[1]
    with pytest.raises(UserError):
        lint_image(image_of("naive")[0], {}, 1, "nowhere")


def test_a_kernel_of_its_own_needs_no_layout(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "own.s").write_text("""
_start: adr     x0, table
        msr     VBAR_EL1, x0
        b       .
        .balign 2048
table:  .space  0x200
        str     x0, [sp, #-16]!
        mrs     x0, TPIDR_EL1
        ldr     x0, [x0, #0x18]
        ldr     x0, [x0, #0x20]
        ldr     x0, [sp], #16
        eret
""", encoding="utf-8")
    assert run_command(["lint", str(tmp_path / "own.s"), "--json", str(tmp_path / "own.json")]) == 0
    rows = json.loads((tmp_path / "own.json").read_text(encoding="utf-8"))["rows"]
    seen = [(row["object"], row["offset"], row["access"]) for row in rows if row["may_return"]]
    assert seen == [("stack", -16, "write"), ("pcpu", 0x18, "read"), ("*pcpu+0x18", 0x20, "read"), ("stack", -16, "read")]
    assert NUMBER not in capsys.readouterr().out
