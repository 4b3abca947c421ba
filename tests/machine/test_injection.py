"""SErrors and FIQs that come again and again: how often, under which masks, and the same every time."""
from typing import Any

import pytest

from sim.errors import UserError
from sim.machine import Machine

from .support import Ran, machine_for

PERIOD_CYCLES, RUN_CYCLES = 5000, 1_000_000
SPINS = """
main:
    msr daifclr, #{unmask}
spin:
    add x20, x20, #1
    b spin
"""
SLEEPS = """
main:
    msr daifclr, #{unmask}
sleep:
    wfi
    add x20, x20, #1
    b sleep
"""
UNMASK_SERROR, UNMASK_FIQ, UNMASK_NOTHING = 4, 1, 0
SERROR_SLOT, FIQ_SLOT = 0x380, 0x300
SPURIOUS = 1023


def started(body: str, unmask: int, *, pes: int = 2, **settings: Any) -> Machine:
    text = body.replace("{unmask}", str(unmask)) if unmask else body.replace("    msr daifclr, #{unmask}\n", "")
    return machine_for(text, pes=pes, ram_bytes=96 << 20, **settings)


def inject(machine: Machine, kind: str, pe: int, period_cycles: int) -> None:
    if kind == "serror":
        machine.inject_serrors(pe, period_cycles, syndrome=0x123)
    else:
        machine.inject_fiqs(pe, period_cycles)


@pytest.mark.parametrize("interleaving", ["block", "quantum"])
@pytest.mark.parametrize("body", [SPINS, SLEEPS], ids=["spins", "sleeps"])
@pytest.mark.parametrize(("kind", "unmask", "slot"), [("serror", UNMASK_SERROR, SERROR_SLOT), ("fiq", UNMASK_FIQ, FIQ_SLOT)])
def test_they_come_half_a_period_to_one_and_a_half_apart(kind: str, unmask: int, slot: int, body: str, interleaving: str) -> None:
    machine = started(body, unmask, interleaving=interleaving)
    inject(machine, kind, 1, PERIOD_CYCLES)
    ran = Ran(machine, machine.run(RUN_CYCLES))
    injected, entries = ran.events("injected", 1), ran.entries(1)
    assert not len(ran.events("injected", 0))
    assert abs(len(injected) - RUN_CYCLES / PERIOD_CYCLES) < 0.1 * RUN_CYCLES / PERIOD_CYCLES
    assert len(entries) in (len(injected), len(injected) - 1)
    assert {entry.slot for entry in entries} == {slot}
    gaps = injected["cycle"][1:] - injected["cycle"][:-1]
    late = 1100 if interleaving == "quantum" else 100
    assert PERIOD_CYCLES // 2 - late <= gaps.min() < 0.6 * PERIOD_CYCLES
    assert 1.4 * PERIOD_CYCLES < gaps.max() < 1.5 * PERIOD_CYCLES + late
    if kind == "serror":
        assert {entry.esr for entry in entries} == {0x2F << 26 | 1 << 25 | 0x123}
    else:
        assert {entry.intid for entry in entries} == {SPURIOUS}


@pytest.mark.parametrize("kind", ["serror", "fiq"])
def test_the_mask_keeps_them_out(kind: str) -> None:
    machine = started(SPINS, UNMASK_NOTHING)
    inject(machine, kind, 1, PERIOD_CYCLES)
    ran = Ran(machine, machine.run(RUN_CYCLES))
    assert ran.entries(1) == []
    assert ran.x(20, 1) == pytest.approx(ran.x(20, 0), rel=0.01)


@pytest.mark.parametrize("kind", ["serror", "fiq"])
def test_one_that_waited_is_taken_when_the_mask_goes_and_only_one(kind: str) -> None:
    bit = UNMASK_SERROR if kind == "serror" else UNMASK_FIQ
    body = f"""
main:
    mov x20, #20000
.L_masked:
    subs x20, x20, #1
    b.ne .L_masked
    msr daifclr, #{bit}
    nop
    b .L_next
.L_next:
    msr daifset, #{bit}
    b park
"""
    machine = started(body, UNMASK_NOTHING, pes=1)
    inject(machine, kind, 0, 1000)
    ran = Ran(machine, machine.run(RUN_CYCLES))
    assert ran.result.verdict.kind == "finished"
    assert len(ran.entries(0)) == 1


@pytest.mark.parametrize("kind", ["serror", "fiq"])
def test_a_period_of_zero_stops_them(kind: str) -> None:
    machine = started(SPINS, UNMASK_SERROR | UNMASK_FIQ)
    inject(machine, kind, 1, PERIOD_CYCLES)
    before = len(machine.run(RUN_CYCLES // 2).events.of("injected"))
    assert before > 50
    inject(machine, kind, 1, 0)
    assert len(machine.run(RUN_CYCLES).events.of("injected")) == before


def test_they_are_the_same_every_time_and_differ_by_seed() -> None:
    logs = []
    for seed in (5, 5, 6):
        machine = started(SLEEPS, UNMASK_SERROR | UNMASK_FIQ, seed=seed)
        for kind in ("serror", "fiq"):
            inject(machine, kind, 1, PERIOD_CYCLES)
        logs.append(bytes(machine.run(RUN_CYCLES).events))
    assert logs[0] == logs[1] != logs[2]


def test_they_are_part_of_a_snapshot() -> None:
    machine = started(SLEEPS, UNMASK_SERROR | UNMASK_FIQ)
    for kind in ("serror", "fiq"):
        inject(machine, kind, 1, PERIOD_CYCLES)
    machine.run(RUN_CYCLES // 2)
    snapshot = machine.snapshot()
    log = bytes(machine.run(RUN_CYCLES).events)
    machine.restore(snapshot)
    assert bytes(machine.run(RUN_CYCLES).events) == log
    machine.restore(snapshot, seed=9)
    assert bytes(machine.run(RUN_CYCLES).events) != log


def test_periods_and_pes_that_cannot_be_are_refused() -> None:
    machine = started(SPINS, UNMASK_NOTHING)
    for pe, period_cycles in ((2, 100), (-1, 100), (0, -1), (0, 1 << 41)):
        for kind in ("serror", "fiq"):
            with pytest.raises(UserError):
                inject(machine, kind, pe, period_cycles)
