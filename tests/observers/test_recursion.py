"""The explanation of a recursion: hand-made logs with known answers, and the built-in kernels that end in one."""
import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from firmware.kernels import kernel
from sim.arch.syndrome import FaultStatus, compose_esr, esr_call, esr_data_abort, esr_instruction_abort, esr_unknown
from sim.arch.tlbi import KIND_ASID, KIND_VA, KIND_VAA, KIND_VMALL, SCOPE_INNER, SCOPE_LOCAL
from sim.cli import run_command
from sim.machine import Machine
from sim.observers.entries import COLUMNS
from sim.observers.recursion import Healed, RecursionReport, explain, healed_recursions
from sim.state.dtypes import EVENT, NOWHERE
from sim.state.events import BY_NAME

Record = tuple[int, int, str, int, int, int, int]      # as EVENT, with the name of the kind
EL0, EL1 = 0b0000, 0b0101
SYNC, IRQ, FIQ, EL0_SYNC = 0x200, 0x280, 0x300, 0x400
ABORT = esr_data_abort(from_el0=False, status=FaultStatus.TRANSLATION_LEVEL_3, write=False)
PCPU = 0xFFFF_FF80_0000_3008


def log(*records: Record) -> npt.NDArray[np.void]:
    return np.array([(cycle, pe, BY_NAME[kind].number, aux, a, b, c) for cycle, pe, kind, aux, a, b, c in records], EVENT)


def entry(cycle: int, esr: int = ABORT, elr: int = 0x1000, far: int = PCPU, slot: int = SYNC, pe: int = 1) -> Record:
    return cycle, pe, "entry", slot, esr, elr, far


def eret(cycle: int, spsr: int = EL1, pe: int = 1) -> Record:
    return cycle, pe, "return", 1, 0x1000, spsr, 0


def invalidate(cycle: int, va: int = 0, size_bytes: int = 0, kind: int = KIND_VAA, scope: int = SCOPE_INNER, pe: int = 0, asid: int = 0) -> Record:
    return cycle, pe, "tlbi", kind | scope << 12, va, size_bytes, asid


def irq(cycle: int) -> Record:
    return entry(cycle, esr=0, elr=0x2000, far=NOWHERE, slot=IRQ)


def no_symbol(_address: int) -> str | None:
    return None


def explained(*records: Record) -> RecursionReport:
    report = explain(log(*records), 1, no_symbol)
    assert report is not None
    return report


def text(report: RecursionReport) -> str:
    return " ".join(" ".join(report.lines()).split())


def test_an_interrupt_whose_handler_aborts_again_and_again_is_told_from_the_interrupt_on() -> None:
    report = explained(irq(10), *(entry(20 + 5 * n) for n in range(37)))
    assert (report.depth, report.began.what, report.began.cycle) == (38, "IRQ", 10)
    assert [(len(group.entries), group.times, group.last_cycle) for group in report.chain] == [(1, 1, 10), (1, 37, 200)]
    assert report.bad is not None and (report.bad.cycle, report.bad.depth, report.bad.far) == (20, 2, PCPU)
    assert "... 36 more like it, the last at cycle 200" in text(report)


@pytest.mark.parametrize(("slot", "esr", "what"), [
    (FIQ, ABORT, "FIQ"), (0x80, ABORT, "IRQ"), (0x680, ABORT, "IRQ"), (SYNC, esr_call(0x15, 7), "SVC #0x7"),
    (SYNC, ABORT, "data abort from the same EL, translation fault level 3, read"),
])
def test_what_began_it_is_said_by_its_slot_first(slot: int, esr: int, what: str) -> None:
    assert explained(entry(1, esr=esr, slot=slot), entry(2), entry(3)).began.what == what


def test_what_has_returned_is_no_part_of_the_chain() -> None:
    report = explained(irq(1), entry(2), eret(3), eret(4), irq(10), entry(11, elr=0x30), entry(12, elr=0x30))
    assert report.depth == 3 and report.began.cycle == 10


def test_an_entry_from_el0_and_a_return_to_el0_begin_anew() -> None:
    report = explained(irq(1), irq(2), entry(3, esr=esr_call(0x15, 0), slot=EL0_SYNC), entry(4), entry(5))
    assert report.depth == 3 and report.began.cycle == 3
    assert explain(log(irq(1), irq(2), eret(3, EL0), entry(9)), 1, no_symbol) is None


def test_other_pes_and_a_single_exception_are_not_a_recursion() -> None:
    assert explain(log(entry(1, pe=0), entry(2, pe=0), entry(3)), 1, no_symbol) is None
    assert explain(log(), 1, no_symbol) is None


def test_two_exceptions_in_turn_are_collapsed_as_a_pair() -> None:
    pairs = [entry(10 * n + k, elr=0x100 * k) for n in range(5) for k in (1, 2)]
    report = explained(irq(0), *pairs)
    assert [(len(group.entries), group.times) for group in report.chain] == [(1, 1), (2, 5)]
    assert "... these 2 again 4 times, the last at cycle 42" in text(report)


def test_nothing_of_the_chain_is_lost_by_collapsing_it() -> None:
    elrs = [1, 1, 1, 2, 3, 2, 3, 2, 4, 5, 6, 4, 5, 6, 4, 5, 7, 7]
    report = explained(*(entry(n, elr=elr) for n, elr in enumerate(elrs)))
    spread = [one.elr for group in report.chain for _ in range(group.times) for one in group.entries]
    assert spread == elrs


def test_a_chain_of_unlike_exceptions_is_cut_and_the_rest_is_counted() -> None:
    report = explained(*(entry(n, elr=4 * n) for n in range(30)))
    assert "... 22 others" in text(report)
    assert "depth 30, cycle 29" in text(report)


def test_the_tlbi_that_opened_the_window_is_named_with_the_run_it_belongs_to() -> None:
    pages = [invalidate(100 + 10 * n, 0xFFFF_FF80_0000_0000 + 0x1000 * n, 0x1000) for n in range(512)]
    records = sorted([*pages, irq(455), *(entry(465 + n) for n in range(3))])
    report = explain(log(*records), 1, no_symbol)
    assert report is not None and report.before is not None
    before = report.before
    assert (before.operation, before.issuer, before.cycle, before.by_address) == ("VAAE1IS", 0, 130, True)
    assert (before.run, before.run_before, before.run_first_cycle, before.run_last_cycle) == (512, 37, 100, 5210)
    assert "PE 0 had invalidated this VA by TLBI VAAE1IS at cycle 130, 335 cycles earlier" in text(report)
    assert "one of 512 TLBIs of adjoining addresses, cycles 100 to 5210, 37 of them before the fault" in text(report)


def test_the_latest_of_several_tlbis_counts_and_its_arrival_is_said_where_the_log_has_it() -> None:
    done = (70, 1, "tlbi_done", KIND_VAA, PCPU & ~0xFFF, 2, 1)
    report = explained(invalidate(40, PCPU & ~0xFFF, 0x1000), invalidate(50, PCPU & ~0xFFF, 0x1000, pe=2), done, irq(90), entry(100), entry(110))
    assert report.before is not None
    assert (report.before.issuer, report.before.cycle, report.before.reached_cycle, report.before.run) == (2, 50, 70, 1)
    assert "it reached PE 1 at cycle 70" in text(report)


@pytest.mark.parametrize("other", [
    invalidate(50, 0xFFFF_FF80_0000_4000, 0x1000),                              # the next page
    invalidate(50, 0xFFFF_FF80_0000_2000, 0x1000),                              # the page before
    invalidate(50, PCPU & ~0xFFF, 0x1000, scope=SCOPE_LOCAL),                   # stays at PE 0
    invalidate(50, kind=KIND_ASID, asid=3),                                     # leaves global entries, and so the upper half
    invalidate(50, PCPU & ~0xFFF, 0),                                           # a range with a reserved granule covers nothing
])
def test_a_tlbi_that_does_not_cover_the_address_here_is_not_blamed(other: Record) -> None:
    report = explained(other, irq(90), entry(100), entry(110))
    assert report.before is None and report.after is None
    assert "no TLBI had covered this VA: it was not mapped" in text(report)


@pytest.mark.parametrize(("one", "operation"), [
    (invalidate(50, 0xFFFF_FF80_0000_0000, 0x20_0000, kind=KIND_VA), "RVAE1IS"),
    (invalidate(50, PCPU & ~0xFFF, 0x1000, kind=KIND_VA | 1 << 8, scope=SCOPE_LOCAL, pe=1), "VALE1"),
    (invalidate(50, PCPU & ~0xFFFF, 0x10000), "VAAE1IS"),
])
def test_a_tlbi_is_called_by_its_name(one: Record, operation: str) -> None:
    before = explained(one, irq(90), entry(100), entry(110)).before
    assert before is not None and before.operation == operation


def test_a_tagged_address_is_covered_without_its_tag() -> None:
    lower = 0x7F_0000_3000
    report = explained(invalidate(50, lower, 0x1000), irq(90), entry(100, far=0x5A << 56 | lower), entry(110))
    assert report.before is not None and report.before.cycle == 50


def test_a_tlbi_of_everything_is_named_but_not_as_one_of_this_address() -> None:
    report = explained(invalidate(50, kind=KIND_VMALL), irq(90), entry(100), entry(110))
    assert report.before is not None and not report.before.by_address
    assert "no TLBI by address had covered this VA; the last one of everything or of an ASID was PE 0's TLBI VMALLE1IS at cycle 50" in text(report)


def test_a_tlbi_after_the_fault_says_that_the_descriptor_may_have_been_invalid_already() -> None:
    report = explained(irq(90), entry(100), entry(110), invalidate(130, PCPU & ~0xFFF, 0x1000))
    assert report.before is None and report.after is not None and report.after.cycle == 130
    assert "at cycle 130, 30 cycles after the fault: the descriptor may have been invalid already" in text(report)


def test_a_recursion_without_an_abort_blames_no_address() -> None:
    report = explained(*(entry(n, esr=esr_unknown(), far=NOWHERE) for n in range(5)))
    assert report.bad is None and report.before is None
    assert "no data or instruction abort among them" in text(report)


def test_an_instruction_abort_at_the_vector_is_the_bad_dereference() -> None:
    esr = esr_instruction_abort(from_el0=False, status=FaultStatus.TRANSLATION_LEVEL_1)
    report = explained(entry(1, esr=esr_call(0x15, 0), far=NOWHERE), *(entry(n, esr=esr, elr=0x8200, far=0x8200) for n in (2, 3, 4)))
    assert report.bad is not None and (report.bad.elr, report.bad.far) == (0x8200, 0x8200)


def test_lines_keep_to_their_width_and_have_no_trailing_space() -> None:
    report = explain(log(invalidate(5, PCPU & ~0xFFF, 0x1000), irq(10), *(entry(20 + n) for n in range(9)),
                         *(entry(90 + n, esr=compose_esr(0x3F, 0x1FFFFFF)) for n in range(3))), 1, lambda _address: "a_symbol_of_some_length+0x123456")
    assert report is not None
    for line in report.lines():
        assert 0 < len(line) <= COLUMNS and line == line.rstrip()


def test_a_recursion_that_heals_has_its_depth_and_its_cycles() -> None:
    records = [entry(1, esr=esr_call(0x15, 0), far=NOWHERE), *(entry(10 + n) for n in range(4)), *(eret(20 + n) for n in range(4)), eret(30)]
    assert healed_recursions(log(*records), 1) == [Healed(depth=4, begin_cycle=10, end_cycle=23)]
    assert healed_recursions(log(*records), 0) == []
    assert healed_recursions(log(*records[:-2]), 1) == []              # its outermost abort has not returned
    assert explain(log(*records), 1, no_symbol) is None


def test_an_abort_that_comes_again_within_one_recursion_is_part_of_it() -> None:
    records = [entry(1), entry(2), eret(3), entry(4), entry(5), eret(6), eret(7), eret(8), entry(20), entry(21), eret(22), eret(23)]
    assert healed_recursions(log(*records), 1) == [Healed(3, 1, 8), Healed(2, 20, 23)]


def test_a_single_abort_is_no_recursion_unless_it_is_asked_for() -> None:
    records = [irq(1), entry(2), eret(3), eret(4)]
    assert healed_recursions(log(*records), 1) == []
    assert healed_recursions(log(*records), 1, depth_least=1) == [Healed(1, 2, 3)]


def test_a_recursion_that_is_left_for_el0_has_not_healed() -> None:
    assert healed_recursions(log(entry(1), entry(2), eret(3, EL0)), 1) == []
    again = log(entry(1), entry(2), entry(3, esr=esr_call(0x15, 0), slot=EL0_SYNC), entry(4), entry(5), eret(6), eret(7))
    assert healed_recursions(again, 1) == [Healed(2, 4, 7)]


def run_built_in(name: str) -> tuple[RecursionReport, Machine]:
    built_in = kernel(name)
    machine = Machine(pes=1, ram_bytes=64 << 20)
    machine.load(built_in.path, constants=built_in.build_constants(1), include_dirs=built_in.include_directories, marks=built_in.marks)
    result = machine.run()
    report = explain(result.events.array(), 0, machine.symbol)
    assert report is not None
    assert healed_recursions(result.events.array(), 0) == []
    return report, machine


def test_the_kernel_without_its_pcpu_page_is_explained_by_its_own_tlbi() -> None:
    report, machine = run_built_in("fault_recursion")
    assert report.began.what == "SVC #0x0"
    assert machine.symbol(report.began.elr - 4) == "mark_taking_svc"
    assert [group.times for group in report.chain] == [1, 39, 1001]     # the frames that the stack holds; then the vector itself
    assert report.bad is not None and report.bad.far == machine.pes[0].system("TPIDR_EL1")
    assert str(machine.symbol(report.bad.elr)).partition("+")[0] == "handle_el1h_sync"
    assert machine.translate(0, report.bad.far) is None
    assert report.before is not None and (report.before.operation, report.before.by_address) == ("VAAE1IS", True)
    assert report.began.cycle > report.before.cycle


def test_the_kernel_whose_vector_faults_on_itself_is_explained_by_its_stack_page() -> None:
    report, machine = run_built_in("vector_livelock")
    assert [group.times for group in report.chain] == [1, 1001]
    vector = machine.pes[0].system("VBAR_EL1") + SYNC
    assert report.bad is not None and report.bad.elr == vector
    assert report.before is not None and report.before.operation == "VAAE1IS"


@pytest.mark.parametrize("name", ["fault_recursion", "vector_livelock"])
def test_the_command_explains_before_the_verdict_and_in_the_json(name: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    run_command(["run", name, "--json", str(tmp_path / "result.json")])
    lines = capsys.readouterr().out.splitlines()
    found = next(number for number, line in enumerate(lines) if line.startswith("first bad dereference"))
    assert next(number for number, line in enumerate(lines) if line.startswith("simulated ")) < found < len(lines) - 1
    assert lines[-1].startswith("verdict: ")
    recursion = json.loads((tmp_path / "result.json").read_text(encoding="utf-8"))["recursion"]
    assert recursion["began"]["what"] == "SVC #0x0" and recursion["tlbi_before"]["operation"] == "VAAE1IS"
    assert recursion["depth"] == sum(len(group["entries"]) * group["times"] for group in recursion["chain"])
    assert "<" not in recursion["first_bad_dereference"]["far"] and recursion["first_bad_dereference"]["far_symbol"] is None


def test_a_run_that_ends_otherwise_explains_nothing(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    run_command(["run", "hello", "--json", str(tmp_path / "result.json")])
    assert "exceptions not returned" not in capsys.readouterr().out
    assert "recursion" not in json.loads((tmp_path / "result.json").read_text(encoding="utf-8"))
