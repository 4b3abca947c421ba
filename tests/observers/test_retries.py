"""Spinning by faulting: logs with known answers, and the scheme that lives by it."""
import json
from pathlib import Path

import pytest

from firmware.kernels import kernel
from sim.cli import run_command
from sim.machine import Machine
from sim.observers.objects import Suspect
from sim.observers.retries import GAP_MOST_CYCLES, Spin, retry_report, spins

from .logs import PAGE, Record, entry, eret, invalidate, irq, log, no_symbol


def faults(first_cycle: int, times: int, step: int = 100) -> list[Record]:
    return [one for n in range(times) for one in (entry(first_cycle + step * n), eret(first_cycle + step * n + 40))]


def seen(*records: Record) -> list[tuple[int, int, int]]:
    return [(one.entry.cycle, one.faults, one.end_cycle) for one in spins(log(*records), 1)]


def test_faults_at_one_instruction_for_one_address_are_one_spin() -> None:
    assert seen(*faults(1000, 7)) == [(1000, 7, 1640)]


def test_another_handler_another_instruction_and_a_long_pause_begin_a_new_spin() -> None:
    assert seen(irq(10), *faults(20, 3), eret(400, 0x2000), irq(410), *faults(420, 2), eret(800, 0x2000)) == [(20, 3, 260), (420, 2, 560)]
    assert seen(*faults(1000, 2), entry(1200, elr=0x5000), eret(1240, 0x5000)) == [(1000, 2, 1140), (1200, 1, 1240)]
    assert seen(*faults(1000, 2), *faults(1140 + GAP_MOST_CYCLES + 1, 1)) == [(1000, 2, 1140), (1141 + GAP_MOST_CYCLES, 1, 1181 + GAP_MOST_CYCLES)]


def test_an_interrupt_between_two_faults_does_not_end_a_spin() -> None:
    assert seen(entry(100), eret(140), irq(150), eret(180, 0x2000), entry(200), eret(240)) == [(100, 2, 240)]


def test_a_spin_that_is_not_over_ends_with_its_last_entry() -> None:
    spin, = spins(log(*faults(100, 2), entry(300)), 1)
    assert (spin.faults, spin.end_cycle, spin.is_over, spin.cycles) == (3, 300, False, 200)


def test_what_nests_is_a_recursion_and_no_retry() -> None:
    nested = log(entry(100), entry(150, elr=0x3000), eret(200, 0x3000), eret(250))
    assert [(one.entry.cycle, one.nested) for one in spins(nested, 1)] == [(150, False), (100, True)]
    assert [one.longest.entry.cycle for one in retry_report(nested, no_symbol).waited] == [150]
    assert retry_report(log(entry(100)), no_symbol).waited == ()                       # under way, neither returned nor repeated


def test_spins_at_one_place_add_up_and_the_longest_names_its_window() -> None:
    windows = [invalidate(10, PAGE), invalidate(20, PAGE + 0x1000), invalidate(2005, PAGE)]
    events = log(*windows[:2], *faults(100, 5), windows[2], *faults(5000, 2))
    one, = retry_report(events, no_symbol).waited
    assert (one.spins, one.faults, one.cycles, one.longest.faults) == (2, 7, 440 + 140, 5)
    assert one.window is not None and (one.window.issuer, one.window.run_first_cycle, one.window.run_last_cycle) == (0, 10, 20)


def test_the_report_says_address_object_pe_and_window() -> None:
    report = retry_report(log(invalidate(10), *faults(100, 5)), lambda _: "reader+0x4", lambda _: Suspect("thread", "PE 3's thread", ("one",)))
    assert report.rows()[1] == [f"{PAGE + 8:#x} thread", "reader+0x4", "1", "1", "5", "440", "440"]
    text = " ".join(" ".join(report.lines()).split())
    assert "PE 1 faulted 5 times" in text and "it waited for PE 0" in text and "PE 3's thread" in text
    assert json.dumps(report.to_json())


def test_a_tlbi_by_nobody_is_said_too() -> None:
    assert "no TLBI had covered the address" in " ".join(retry_report(log(*faults(100, 2)), no_symbol).lines())


def test_under_fault_retry_every_promotion_makes_those_wait_who_meet_it() -> None:
    built_in = kernel("fault-retry")
    machine = Machine(pes=3, events=("entry", "return", "tlbi"))
    machine.load(built_in.path, constants=built_in.build_constants(3, 4), include_dirs=built_in.include_directories)
    result = machine.run()
    report = retry_report(result.events.array(), machine.symbol)
    healed = int(next(word for word in result.console.split(", ") if "faults healed" in word).split()[0])
    assert sum(one.faults for one in report.waited) == healed > 0                       # what the guest itself counts
    for one in report.waited[:8]:
        assert one.window is not None and one.window.issuer == 0
        assert one.window.run_first_cycle <= one.longest.end_cycle and one.longest.is_over


def test_the_command_prints_the_table_and_writes_it(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert run_command(["run", "fault-retry", "--pes", "2", "--rounds", "3", "--json", str(tmp_path / "result.json")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("address ") and line.split()[-1] == "longest" for line in lines) and lines[-1].startswith("verdict: exited")
    retries = json.loads((tmp_path / "result.json").read_text(encoding="utf-8"))["retries"]
    assert retries[0]["window"]["issuer"] == 0 and retries[0]["faults"] >= retries[0]["spins"]


def test_a_spin_is_a_value() -> None:
    assert Spin(1, spins(log(*faults(1, 1)), 1)[0].entry, 1, 41) == spins(log(*faults(1, 1)), 1)[0]
