"""When broadcast TLBIs take effect: against what the log says of PEs that look all the time, and against the answers that the issuers were told."""
import numpy as np
import pytest

from firmware.kernels import kernel
from sim.benchmarks.arrivals import EVENTS, arrivals
from sim.benchmarks.run import RAM_BYTES, Task
from sim.benchmarks.variants import tasks_of
from sim.errors import SimulatorError
from sim.experiments.kernel_build import build_constants, build_image
from sim.machine import Machine
from sim.observers.verdict import PAUSED
from sim.state.events import EVENT_TLBI_COMPLETE, EVENT_TLBI_DONE

ROUNDS = 5
A_BLOCK_CYCLES = 40                     # of the loop in which busy PEs are, at most


def machine_of(profile: str, pes: int, issuers: int, fidelity: str = "timed", rounds: int = ROUNDS) -> Machine:
    """The shootdown benchmark by TLBI, everyone busy."""
    (task,) = tasks_of("shootdown", {"how": "tlbi", "issuers": str(issuers), "idle": "busy", "jitter": "0"}, (pes,), Task("", "", "", 2))
    built_in = kernel("bench_shootdown")
    constants = build_constants(built_in, pes=pes, ram_bytes=RAM_BYTES, seed=0, rounds=rounds, warmup=0, defined=task.constants)
    machine = Machine(pes=pes, profile=profile, ram_bytes=RAM_BYTES, interleaving=fidelity, events=(*EVENTS, "tlbi_done"))
    return machine.load(build_image(built_in, constants, ()), marks=built_in.marks)


@pytest.mark.parametrize(("profile", "fidelity"), [("neoverse-n1", "timed"), ("thunderx2-like", "timed"), ("cortex-a72", "exact"), ("neoverse-n1", "fast")])
def test_a_pe_that_looks_all_the_time_finds_each_tlbi_when_it_arrives(profile: str, fidelity: str) -> None:
    pes, rounds = 6, 40
    machine = machine_of(profile, pes, 1, fidelity, rounds)
    result = machine.run()
    assert result.exit_status == 0
    log = result.events.array()
    found = arrivals(log, machine.state.machine[0], pes, 1)
    done = log[log["kind"] == EVENT_TLBI_DONE]
    assert set(found["pe"].tolist()) == set(range(1, pes))
    for pe in range(1, pes):
        said, seen = found["cycle"][found["pe"] == pe], done["cycle"][done["pe"] == pe].astype(np.int64)
        assert len(said) == len(seen) == rounds
        late = (seen - said)[said > seen[1]]    # before, the PE still sleeps in the idle loop, or is on its way out of it
        assert len(late) >= 3
        slack = A_BLOCK_CYCLES if fidelity != "fast" else int(machine.state.machine[0]["quantum_cycles"])
        assert (late >= 0).all() and (late <= slack).all(), (pe, late)


@pytest.mark.parametrize(("profile", "pes", "issuers"), [("neoverse-n1", 8, 8), ("thunderx2-like", 62, 3), ("kunpeng920-like", 24, 20)])
def test_the_last_answer_of_a_round_is_the_one_that_the_issuers_were_told(profile: str, pes: int, issuers: int) -> None:
    """Stopped before each DSB, the machine knows when the answers to the TLBI will be there: the way back after its arrival."""
    machine = machine_of(profile, pes, issuers)
    log = machine.run().events.array()
    found = arrivals(log, machine.state.machine[0], pes, issuers)
    latest = np.zeros((ROUNDS, pes), np.int64)
    for pe in range(pes):
        latest[:, pe] = found["cycle"][found["pe"] == pe]
    again, told = machine_of(profile, pes, issuers), np.zeros((ROUNDS, issuers), np.int64)
    credits_ = int(again.state.machine[0]["dvm_credits"])
    while again.run(until="mark_tlbi_sent").verdict.kind == PAUSED:
        for pe in range(issuers):
            for number in range(int(again.state.pes["dvm_sent"][pe])):
                told[number, pe] = again.state.dvm_answers[pe][number % credits_]
    record = again.state.machine[0]
    one_socket = pes <= int(record["socket_pes"])
    farthest = int(record["dvm_same_socket" if one_socket else "dvm_other_socket"])
    assert ROUNDS <= credits_ and (told.max(axis=1) == latest.max(axis=1) + farthest).all()


def test_without_another_pe_nothing_arrives_anywhere() -> None:
    machine = machine_of("neoverse-n1", 1, 1)
    assert len(arrivals(machine.run().events.array(), machine.state.machine[0], 1, 1)) == 0


def test_answers_that_come_before_the_tlbi_is_everywhere_are_an_error() -> None:
    machine = machine_of("neoverse-n1", 3, 1)
    log = machine.run().events.array().copy()
    log["cycle"][log["kind"] == EVENT_TLBI_COMPLETE] -= 400
    with pytest.raises(SimulatorError, match="before that has arrived everywhere"):
        arrivals(log, machine.state.machine[0], 3, 1)
