"""Stopping PEs: where each stood, who goes on afterwards, and what the initiator does about one that never stops."""
import pytest

from firmware.kernels import kernel
from firmware.layout import PCB_OFFSETS, layout_constants
from sim.machine import Machine
from sim.result import Result
from sim.state.events import BY_NAME

SGI_STOP = 4
BUDGET_CYCLES = 5_000_000_000


def run(pes: int, *, seed: int = 0, interleaving: str = "block", quantum_cycles: int | None = None,
        **constants: int) -> tuple[Machine, dict[str, int], Result]:
    built_in = kernel("stop_cpus")
    all_constants = layout_constants(pes) | dict(built_in.options) | {"SEED": seed} | constants
    machine = Machine(pes=pes, seed=seed, events=("entry", "interrupt_acknowledged"), interleaving=interleaving,
                      quantum_cycles=quantum_cycles, **built_in.machine)
    machine.load(built_in.path, constants=all_constants, include_dirs=built_in.include_directories,
                 marks=["mark_stopping", "mark_stop_done"])
    return machine, all_constants, machine.run(BUDGET_CYCLES)


@pytest.mark.parametrize("pes", [2, 4, 17, 70])
def test_all_stop_each_with_its_registers_saved_and_all_go_on(pes: int) -> None:
    machine, c, result = run(pes)
    assert result.exit_status == 0
    assert result.console == f"stop_cpus: {pes - 1} PEs stopped of {pes - 1}\nstop_cpus: all run again\n"
    for pe in range(1, pes):
        pcb = c["STOPPCBS_VA"] + pe * c["PCB_BYTES"]
        sp = int.from_bytes(machine.read_virtual(0, pcb + PCB_OFFSETS["PCB_SP"], 8), "little")
        lr = int.from_bytes(machine.read_virtual(0, pcb + PCB_OFFSETS["PCB_X"] + 11 * 8, 8), "little")
        stack_top = c["STACK_RUN_VA"] + (pe + 1) * c["STACK_STRIDE_BYTES"]
        assert 0 < stack_top - sp < c["STACK_PAGES"] * 4096
        assert (machine.symbol(lr) or "").startswith("ipi_stop")
    acknowledged = result.events.of("interrupt_acknowledged")
    assert sorted(acknowledged[acknowledged["aux"] == SGI_STOP]["pe"].tolist()) == list(range(1, pes))
    for name, size_bytes in (("MP_STOPPED_CPUS", 32), ("MP_STARTED_CPUS", 32), ("MP_STOPPING_CPU", 4)):
        assert machine.read_virtual(0, c["MP_VA"] + c[name], size_bytes) == bytes(size_bytes)


@pytest.mark.parametrize("pes", [2, 5])
@pytest.mark.parametrize("spins", [1000, 10000])
def test_the_initiator_looks_so_often_and_then_goes_on(spins: int, pes: int) -> None:
    _, c, result = run(pes, VICTIM=1, STOP_SPINS=spins)
    assert result.exit_status == c["EXIT_STOP_TIMEOUT"] == 5
    assert result.console == (f"timeout stopping PEs, the first that has not stopped is PE {pes - 1}\n"
                              f"stop_cpus: {pes - 2} PEs stopped of {pes - 1}\nstop_cpus: going on without the others\n")
    acknowledged = result.events.of("interrupt_acknowledged")
    assert sorted(acknowledged[acknowledged["aux"] == SGI_STOP]["pe"].tolist()) == list(range(1, pes - 1))
    twice = run(pes, VICTIM=1, STOP_SPINS=2 * spins)[2]
    assert waited(twice) / waited(result) == pytest.approx(2, rel=0.2)


def waited(result: Result) -> int:
    """Cycles from the call of stop_cpus to its return."""
    marks = result.events.array()
    marks = marks[marks["kind"] == BY_NAME["mark"].number]
    assert len(marks) == 2
    return int(marks["cycle"][1] - marks["cycle"][0])


@pytest.mark.parametrize("seed", range(3))
def test_a_pe_whose_handler_recurses_never_stops(seed: int) -> None:
    """Its last exceptions are faults of the vector's own first store, on the guard below its stack."""
    machine, c, result = run(4, seed=seed, VICTIM=2, STOP_SPINS=20_000)
    assert result.exit_status == c["EXIT_STOP_TIMEOUT"]
    entries = result.events.of("entry")
    mine = entries[entries["pe"] == 3]
    assert mine["aux"][-1] == 0x200 and mine["b"][-1] == machine.address("vector_table_el1") + 0x200
    guard_va = c["STACK_RUN_VA"] + 3 * c["STACK_STRIDE_BYTES"]
    assert guard_va <= mine["c"][-1] < guard_va + c["STACK_GUARD_PAGES"] * 4096
    assert {int(pe) for pe in entries[entries["aux"] == 0x200]["pe"]} == {3}


def test_freebsds_limit_is_the_default() -> None:
    assert layout_constants(2)["STOP_SPINS"] == 100_000_000


@pytest.mark.slow
def test_freebsds_limit_is_reached() -> None:
    _, c, result = run(2, VICTIM=1, STOP_SPINS=100_000_000, interleaving="quantum", quantum_cycles=1 << 22)
    assert result.exit_status == c["EXIT_STOP_TIMEOUT"] and waited(result) > 100_000_000
