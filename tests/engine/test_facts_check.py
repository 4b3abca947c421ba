"""The start-up check passes on this engine, is quick, and names the fact that a different engine would not keep."""
import time
from collections.abc import Callable

import pytest
from unicorn import Uc

from sim.engine import facts_check
from sim.errors import SimulatorError


@pytest.fixture(autouse=True)
def uncached() -> None:
    facts_check.check_engine.cache_clear()


def test_this_engine_passes() -> None:
    facts_check.check_engine()


def test_the_check_takes_less_than_30_ms_at_best() -> None:
    best_seconds = 1.0
    for _ in range(5):
        facts_check.check_engine.cache_clear()
        started = time.process_time()
        facts_check.check_engine()
        best_seconds = min(best_seconds, time.process_time() - started)
    assert best_seconds < 0.030


def test_the_check_is_made_once_for_each_process(monkeypatch: pytest.MonkeyPatch) -> None:
    facts_check.check_engine()
    monkeypatch.setattr(facts_check, "PINNED_VERSION", "0")
    facts_check.check_engine()


def test_another_version_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unicorn.__version__", "2.2.0")
    with pytest.raises(SimulatorError, match=r"2\.2\.0.*version 2\.1\.4"):
        facts_check.check_engine()


def _move_pc(change: Callable[[int], int]) -> Callable[[Uc, int], int]:
    original = Uc.reg_read

    def reg_read(self: Uc, register: int, *more: object) -> int:
        value = original(self, register, *more)
        return change(value) if register == 260 else value

    return reg_read


def test_an_engine_with_a_stale_pc_after_a_refused_access_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Uc, "reg_read", _move_pc(lambda pc: pc - 4))
    with pytest.raises(SimulatorError, match="PC at the instruction"):
        facts_check.check_engine()


def test_an_engine_whose_callbacks_get_8_bytes_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def joined(self: facts_check._Scratch, _uc: Uc, _offset: int, size: int, value: int, _data: object) -> None:
        self.writes[:] = [(0, 2 * size, value)]

    monkeypatch.setattr(facts_check._Scratch, "_write", joined)
    with pytest.raises(SimulatorError, match="two callbacks of 4 bytes"):
        facts_check.check_engine()


def test_an_engine_with_other_exception_numbers_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def other(self: facts_check._Scratch, uc: Uc, number: int, _data: object) -> None:
        self.interrupts.append(number + 1)
        uc.emu_stop()

    monkeypatch.setattr(facts_check._Scratch, "_interrupt", other)
    with pytest.raises(SimulatorError, match="SVC is exception number 2"):
        facts_check.check_engine()


def test_an_engine_that_runs_the_block_whose_hook_stops_it_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facts_check._Scratch, "_block", lambda *_: None)
    with pytest.raises(SimulatorError, match="has not run"):
        facts_check.check_engine()
