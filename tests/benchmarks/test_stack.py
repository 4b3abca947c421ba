"""The stack of cycles: it adds up, by the machine's own counts, and says what it cannot tell apart."""
import numpy as np
import pytest

from sim.benchmarks.stack import COMPONENTS, ISSUE, Counters, Stack, stack
from sim.errors import SimulatorError
from sim.machine import Machine
from sim.state.dtypes import STATUS_RUNNING, STATUS_WFE, STATUS_WFI

PE = np.dtype([(name, "u8") for name in ("cycles", "instructions", "n_l2_lookups", "walk_cycles", "n_entries", "n_interrupts", "n_returns", "wait_cycles", "status")])
COSTS = np.array([(4, 30, 8, 25)], np.dtype([(name, "u8") for name in ("cost_l2_hit", "cost_entry", "cost_interrupt", "cost_return")]))[0]
ROW = (1000, 200, 3, 50, 2, 1, 2, 300, STATUS_RUNNING)


def test_components_are_counts_times_costs_and_the_rest_is_issue() -> None:
    before, after = np.zeros(2, PE), np.array([ROW, (0,) * 9], PE)
    found = stack(Counters.of(before, COSTS), Counters.of(after, COSTS), [0, 1], {"barrier wait": 40, "waking": 10})
    assert found.components == {ISSUE: 1000 - 62 - 68 - 50 - 40 - 300 - 10, "TLB misses": 3 * 4 + 50, "entry": 2 * 30 + 8, "return": 50, "barrier wait": 40,
                                "WFI and WFE": 300, "waking": 10}
    assert (found.total_cycles, found.instructions) == (1000, 200)
    assert found.unseen == ("coherence", "mispredicted", "spinning")
    assert found.share("WFI and WFE") == pytest.approx(0.3)


def test_fields_that_the_machine_has_are_preferred_to_counts() -> None:
    wider = np.dtype([*[(name, "u8") for name in PE.names or ()], ("entry_cycles", "u8"), ("coherence_cycles", "u8")])
    found = stack(Counters.of(np.zeros(1, wider), COSTS), Counters.of(np.array([(*ROW, 90, 100)], wider), COSTS), [0])
    assert found.components["entry"] == 90 and found.components["coherence"] == 100
    assert "coherence" not in found.unseen and "barrier wait" in found.unseen
    assert sum(found.components.values()) == 1000


def test_only_what_was_added_between_the_two_moments_counts_and_only_of_the_members() -> None:
    before, after = np.array([ROW, ROW], PE), np.array([ROW, tuple(2 * value for value in ROW[:-1]) + ROW[-1:]], PE)
    assert stack(Counters.of(before, COSTS), Counters.of(after, COSTS), [0]).total_cycles == 0
    assert stack(Counters.of(before, COSTS), Counters.of(after, COSTS), [0, 1]).total_cycles == 1000


def test_a_pe_that_waits_has_waited_until_now() -> None:
    rows = [(*ROW[:-1], status) for status in (STATUS_RUNNING, STATUS_WFI, STATUS_WFE)]
    found = stack(Counters.of(np.zeros(3, PE), COSTS), Counters.of(np.array(rows, PE), COSTS, now_cycles=1500), [1, 2])
    assert found.total_cycles == 3000 and found.components["WFI and WFE"] == 2 * 800
    assert stack(Counters.of(np.zeros(3, PE), COSTS), Counters.of(np.array(rows, PE), COSTS, now_cycles=1500), [0]).total_cycles == 1000
    assert stack(Counters.of(np.zeros(3, PE), COSTS), Counters.of(np.array(rows, PE), COSTS, now_cycles=900), [1]).total_cycles == 1000


def test_counters_are_copies() -> None:
    pes = np.zeros(1, PE)
    before = Counters.of(pes, COSTS)
    pes[0]["cycles"] = 5
    assert before.pes["cycles"][0] == 0


def test_more_waiting_than_time_is_an_error() -> None:
    with pytest.raises(SimulatorError, match="does not add up"):
        stack(Counters.of(np.zeros(1, PE), COSTS), Counters.of(np.array([ROW], PE), COSTS), [0], {"barrier wait": 5000})
    with pytest.raises(SimulatorError, match="does not add up"):
        Stack(10, {ISSUE: 4}, 1, ())


def test_the_fields_that_are_read_by_name_are_those_of_the_machine() -> None:
    state = Machine(pes=1, ram_bytes=1 << 24).state
    names = {*(state.pes.dtype.names or ())}
    assert {"cycles", "instructions", *COMPONENTS["WFI and WFE"]} <= names
    found = stack(Counters.of(state.pes, state.machine[0]), Counters.of(state.pes, state.machine[0]), [0])
    assert found.total_cycles == 0 and {"entry", "return", "TLB misses"} <= set(found.components)
