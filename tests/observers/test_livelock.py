"""Vectors that fault on themselves: logs with known answers, and the built-in kernel that ends so."""
import json
from pathlib import Path

import pytest

from sim.arch.syndrome import esr_call
from sim.cli import run_command
from sim.observers.livelock import LivelockReport, vector_livelock
from sim.observers.objects import Suspect
from sim.state.dtypes import NOWHERE

from .logs import FETCH, PAGE, VBAR, WRITE, Record, entry, eret, invalidate, irq, log, no_symbol

STACK = PAGE + 0xE90


def livelock(*records: Record) -> LivelockReport | None:
    return vector_livelock(log(*records), 1, no_symbol, VBAR, suspects=lambda _: Suspect("stack", "PE 1's stack", ("kept",)), sp=0x5000)


def storm(first_cycle: int, times: int, esr: int = WRITE, far: int = STACK, elr: int = VBAR + 0x200) -> list[Record]:
    return [entry(first_cycle + 50 * n, esr, elr, far) for n in range(times)]


def text(report: LivelockReport) -> str:
    return " ".join(" ".join(report.lines()).split())


def test_the_slot_the_store_and_what_was_lost_are_named() -> None:
    report = livelock(invalidate(80), irq(100, 0x2000), entry(150, WRITE, VBAR + 0x280, STACK - 0x50), *storm(200, 9))
    assert report is not None
    assert (report.slot, report.elr, report.since_cycle, report.entries, report.returns) == (0x200, VBAR + 0x200, 150, 10, 0)
    assert report.first is not None and report.first.access == "write" and report.lost is not None and report.lost.elr == 0x2000
    assert report.before is not None and (report.before.issuer, report.before.cycle) == (0, 80)
    assert "vector livelock in slot 0x200" in text(report) and "SP constant at 0x5000" in text(report)
    assert "the vector cannot do its write of" in text(report) and "under kept" in text(report)


def test_a_vector_page_that_is_away_fails_at_its_own_fetch() -> None:
    report = livelock(entry(10, esr_call(0x15, 0), 0x3000, NOWHERE), *storm(20, 5, FETCH, VBAR + 0x200))
    assert report is not None and report.first is not None and report.first.access == "fetch"
    assert "the vector cannot do its own instruction fetch" in text(report)
    assert report.lost is not None and report.lost.elr == 0x3000


def test_a_livelock_that_outlives_its_window_returns_into_the_vector_for_ever() -> None:
    returns = [eret(1000 + 150 * n, VBAR + 0x200) for n in range(6)]
    report = livelock(irq(100), *storm(200, 4), *returns)
    assert report is not None and (report.entries, report.returns) == (4, 6)
    assert "the page came back, the livelock did not end: 6 ERETs into the vector itself" in text(report)
    only_returns = livelock(*returns)                       # the log has forgotten how it began
    assert only_returns is not None and (only_returns.first, only_returns.lost, only_returns.returns) == (None, None, 6)
    assert json.dumps(only_returns.to_json()) and text(only_returns)


def test_what_has_left_the_vector_is_no_livelock() -> None:
    assert livelock() is None and livelock(irq(1), entry(2), entry(3)) is None
    assert livelock(irq(1), *storm(10, 5), entry(900, WRITE, 0x7000)) is None
    assert livelock(irq(1), *storm(10, 1)) is None


def test_the_built_in_kernel_is_told_as_such_by_the_command(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    run_command(["run", "vector_livelock", "--json", str(tmp_path / "result.json")])
    out = " ".join(capsys.readouterr().out.split())
    assert "PE 0: vector livelock in slot 0x200" in out and "it is PE 0's stack" in out and "lost: where exception SVC #0x0" in out
    one, = json.loads((tmp_path / "result.json").read_text(encoding="utf-8"))["vector_livelocks"]
    assert (one["access"], one["entries"], one["object"]["kind"]) == ("write", 1001, "stack")
    assert one["tlbi_before"]["issuer"] == 0 and one["lost"]["elr_symbol"].startswith("mark_taking_svc")


def test_a_stack_page_that_comes_back_leaves_the_pe_in_its_vector(tmp_path: Path) -> None:
    """T-06: the PE's stack lies in the run that is promoted, and its handler retries."""
    run_command(["run", "window", "--define", "OBJECT=2", "--define", "ACTIVITY=1", "--budget", "1500000", "--json", str(tmp_path / "result.json")])
    document = json.loads((tmp_path / "result.json").read_text(encoding="utf-8"))
    one, = document["vector_livelocks"]
    assert document["verdict"]["kind"] == "budget" and document["doing"][1]["doing"].startswith("is in its own vector")
    assert (one["pe"], one["object"]["kind"]) == (1, "stack") and one["entries"] > 10 and one["returns"] > 100
    assert one["tlbi_before"]["issuer"] == 0 and one["tlbi_before"]["run"] == 512
    assert "healed_recursions" not in document
