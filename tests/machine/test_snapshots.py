"""Runs up to a mark, snapshots and restores: what follows is the same as if nobody had looked."""
from typing import Any

import pytest

from firmware.kernels import kernel
from sim.errors import UserError
from sim.machine import Machine
from sim.result import Result

from .support import machine_for, read_words, write_words

RAM_BYTES = 32 << 20
BUDGET_CYCLES = 20_000_000
#: kernel, PEs, rounds, mark to stop at
KERNELS = (
    ("rendezvous", 1, 2, "count_action"), ("rendezvous", 4, 2, "count_action"), ("rendezvous", 8, 2, "mark_gathered"),
    ("exclusives", 4, 4, "add_to_both"), ("self_modifying", 2, 3, "call_changed"), ("timer_tick", 1, 3, "arm_timer"),
    ("naive", 3, 2, "pmap_break_before_make"),
)
INTERLEAVINGS = ("block", "quantum", "instruction")


def built(name: str, pes: int, rounds: int, mark: str | None, interleaving: str = "block", **settings: Any) -> Machine:
    known = kernel(name)
    machine = Machine(pes=pes, ram_bytes=RAM_BYTES, interleaving=interleaving, **{**known.machine, **settings})
    marks = [*known.marks, *([mark] if mark and mark not in known.marks else [])]
    return machine.load(known.path, constants=known.build_constants(pes, rounds=rounds, warmup=0), include_dirs=known.include_directories,
                        marks=marks)


def outcome(result: Result) -> tuple[Any, ...]:
    """All that a run gives, but for how the simulator did it. Of PEs that did not end the run nobody says how far they have come."""
    statistics = [{name: value for name, value in one.items() if not name.startswith("engine_") and name not in ("slices", "spin_cycles")}
                  for one in result.statistics]
    one = result.verdict.pe
    if one is None or len(statistics) == 1:
        return result.verdict, bytes(result.events), result.registers, result.console, statistics
    return result.verdict, bytes(result.events), result.registers[one], result.console, statistics[one]


def settled(machine: Machine) -> bytes:
    """The events of the log that no other can still come before."""
    events = machine.log.array()
    return events[events["cycle"] < machine.clock_cycles()].tobytes()


@pytest.mark.parametrize("interleaving", INTERLEAVINGS)
@pytest.mark.parametrize(("name", "pes", "rounds", "mark"), KERNELS)
def test_what_follows_a_stop_a_snapshot_and_a_restore_is_what_follows_without(
        name: str, pes: int, rounds: int, mark: str, interleaving: str) -> None:
    plain = outcome(built(name, pes, rounds, mark, interleaving).run(BUDGET_CYCLES))
    machine = built(name, pes, rounds, mark, interleaving)
    paused = machine.run(BUDGET_CYCLES, until=mark)
    assert paused.verdict.kind == "paused"
    before = bytes(paused.events)
    assert plain[1].startswith(settled(machine))
    assert 0 < len(before) < len(plain[1])
    snapshot = machine.snapshot()
    assert outcome(machine.run(BUDGET_CYCLES)) == plain
    for _ in range(2):
        machine.restore(snapshot)
        assert bytes(machine.log) == before
        assert outcome(machine.run(BUDGET_CYCLES)) == plain


@pytest.mark.parametrize("interleaving", INTERLEAVINGS)
def test_stopping_at_every_pass_changes_nothing(interleaving: str) -> None:
    plain = outcome(built("rendezvous", 4, 3, None, interleaving).run(BUDGET_CYCLES))
    machine = built("rendezvous", 4, 3, None, interleaving)
    stops = 0
    while (result := machine.run(BUDGET_CYCLES, until="mark_taken")).verdict.kind == "paused":
        verdict = result.verdict
        assert verdict.pe is not None
        assert verdict.pc is not None
        assert verdict.pc <= machine.address("mark_taken") < verdict.pc + 256
        stops += 1
    assert outcome(result) == plain
    numbers = result.events.of("mark")["a"]
    assert stops == int((numbers == machine.watched.index("mark_taken")).sum()) == 3 * 3


def test_ending_budgets_change_nothing() -> None:
    plain = outcome(built("rendezvous", 3, 2, None).run(BUDGET_CYCLES))
    machine = built("rendezvous", 3, 2, None)
    budget_cycles = 1
    while (result := machine.run(budget_cycles)).verdict.kind == "budget":
        budget_cycles = machine.clock_cycles() + 97
    assert outcome(result) == plain


def test_snapshots_can_be_gone_back_to_in_any_order() -> None:
    machine = built("rendezvous", 3, 3, None)
    snapshots, texts = [], []
    for _ in range(3):
        assert machine.run(BUDGET_CYCLES, until="mark_taken").verdict.kind == "paused"
        snapshots.append(machine.snapshot())
        texts.append(machine.read_physical(0x4000_0000, RAM_BYTES))
    last = outcome(machine.run(BUDGET_CYCLES))
    for index in (1, 0, 2, 2, 0, 1):
        machine.restore(snapshots[index])
        assert machine.read_physical(0x4000_0000, RAM_BYTES) == texts[index]
        assert machine.clock_cycles() == snapshots[index].cycle
        assert outcome(machine.run(BUDGET_CYCLES)) == last
    machine.restore(snapshots[0])
    assert machine.run(BUDGET_CYCLES, until="mark_taken").verdict.kind == "paused"
    assert machine.read_physical(0x4000_0000, RAM_BYTES) == texts[1]


RACE = """
main:
    ldr x1, =DATA_PA
    b again                                     // where a PE stands among others was settled when its block before ended
again:
    ldxr x3, [x1]                               // every PE takes a number, all in the same cycle
    add x4, x3, #1
    stxr w5, x4, [x1]
    cbnz w5, again
    lsl x3, x3, #6
here:
    subs x3, x3, #1                             // and ends later the higher it is
    b.gt here
    b park
"""


def test_a_seed_given_at_a_restore_decides_what_follows() -> None:
    machine = machine_for(RACE, pes=4, marks=("main", "here"))
    machine.run(BUDGET_CYCLES, until="main")
    snapshot = machine.snapshot()
    logs: dict[int, bytes] = {}
    for seed in (1, 2, 3, 4, 1, 2, 3, 4):
        machine.restore(snapshot, seed=seed)
        log = bytes(machine.run(BUDGET_CYCLES).events)
        assert logs.setdefault(seed, log) == log
    assert len(set(logs.values())) > 1


def test_a_result_keeps_its_events_when_the_machine_goes_back() -> None:
    machine = built("rendezvous", 2, 1, None)
    machine.run(BUDGET_CYCLES, until="mark_taken")
    snapshot = machine.snapshot()
    first = machine.run(BUDGET_CYCLES)
    kept = bytes(first.events)
    machine.restore(snapshot)
    assert bytes(first.events) == kept
    assert first.console
    assert machine.run(1).verdict.kind == "budget"


CHANGES_CODE = """
main:
    adr x20, changed
    ldr w21, =0xd2800020                        // mov x0, #1
again:
    bl changed
    mov x22, x0
here:
    str w21, [x20]
    dc cvau, x20
    dsb ish
    ic ivau, x20
    dsb ish
    isb
    bl changed
    add x22, x22, x0, lsl #8
    ldr x1, =PAGES_PA
    adr x2, changed
    ldp x3, x4, [x2]
    stp x3, x4, [x1]
    blr x1                                      // code where there was none before
    add x22, x22, x0, lsl #16
    b park
.balign 4096
changed:
    mov x0, #7
    ret
    nop
    nop
    .space 4096 - 16
"""


@pytest.mark.parametrize("interleaving", INTERLEAVINGS)
def test_code_that_a_run_has_changed_is_the_old_code_again(interleaving: str) -> None:
    machine = machine_for(CHANGES_CODE, marks=("here",), interleaving=interleaving)
    assert machine.run(100_000, until="here").verdict.kind == "paused"
    snapshot = machine.snapshot()
    for value in (1, 2, 1, 3):
        machine.restore(snapshot)
        machine.pes[0].set_x(21, 0xD280_0000 | value << 5)
        assert machine.run(100_000).verdict.kind == "finished"
        assert machine.pes[0].x(22) == 7 | value << 8 | value << 16


ADDS_UP = """
main:
    ldr x1, =DATA_PA
    mov x3, #0
here:
    ldxr x2, [x1]
    fmov d0, x3
    add x3, x3, #1
    fmov x4, d0
    add x2, x2, x4
middle:
    stxr w5, x2, [x1]
    cbnz w5, here
    cmp x3, #5
    b.ne here
    b park
"""


@pytest.mark.parametrize("mark", ["here", "middle"])
def test_the_exclusive_monitor_and_vector_registers_are_kept(mark: str) -> None:
    machine = machine_for(ADDS_UP, marks=(mark,), interleaving="instruction", pes=2, start="one")
    for _ in range(3):
        machine.run(100_000, until=mark)
    snapshot = machine.snapshot()
    machine.run(100_000)
    assert (read_words(machine, 0x4300_0000, 1), machine.pes[0].x(3)) == ([10], 5)
    machine.restore(snapshot)
    machine.run(100_000)
    assert (read_words(machine, 0x4300_0000, 1), machine.pes[0].x(3)) == ([10], 5)


def test_what_python_writes_is_put_back() -> None:
    machine = machine_for(ADDS_UP, marks=("here",))
    write_words(machine, 0x4380_0000, [5])
    machine.run(100_000, until="here")
    snapshot = machine.snapshot()
    write_words(machine, 0x4380_0000, [6, 7])
    write_words(machine, 0x4390_0000, [8])
    machine.restore(snapshot)
    assert read_words(machine, 0x4380_0000, 2) + read_words(machine, 0x4390_0000, 1) == [5, 0, 0]


def test_a_mistake_of_the_user_is_one() -> None:
    machine = built("rendezvous", 2, 1, None)
    with pytest.raises(UserError, match="not among the marks"):
        machine.run(until="kernel_main")
    snapshot = machine.snapshot()
    with pytest.raises(UserError, match="another machine"):
        built("rendezvous", 2, 1, None).restore(snapshot)
    with pytest.raises(UserError, match="seed"):
        machine.restore(snapshot, seed=-1)
