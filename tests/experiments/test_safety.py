"""A scheme that is called safe loses nothing in ten thousand demotions and as many promotions, under interrupts, calls and SErrors, by seed."""
from collections import Counter

import numpy as np
import pytest

from firmware.schemes import SCHEMES
from sim.experiments.compare_run import load_word
from sim.experiments.trial import Trial
from sim.observers.entries import Events
from sim.state.events import EVENT_ENTRY, EVENT_MARK

PES, SEEDS, ROUNDS = 3, 20, 500
SERROR_PERIOD_CYCLES = 10_000
SYNC_EL1 = 0x200
#: Slots by what arrives there; the offsets are those of DDI 0487, "Exception vectors".
INTERRUPT, CALL, SERROR = (0x280, 0x480), (0x400,), (0x380, 0x580)
HITS_LEAST = 1000                       # of each kind in the windows of a scheme's runs together


def inside_windows(events: Events, watched: list[str]) -> Counter[int]:
    """How many exceptions of the other PEs were taken between a break and its make, by slot."""
    marks = events[(events["kind"] == EVENT_MARK) & (events["pe"] == 0)]
    begins, ends = (marks["cycle"][marks["a"] == watched.index(name)].astype(np.int64) for name in ("mark_broken", "mark_make"))
    entries = events[(events["kind"] == EVENT_ENTRY) & (events["pe"] != 0)]
    if not len(begins):
        return Counter()
    window = np.searchsorted(begins, entries["cycle"].astype(np.int64), side="right") - 1
    inside = (window >= 0) & (entries["cycle"].astype(np.int64) <= ends[np.maximum(window, 0)])
    return Counter(entries["aux"][inside].tolist())


@pytest.mark.slow
@pytest.mark.parametrize("name", [scheme.name for scheme in SCHEMES if scheme.is_safe])
def test_no_fault_is_left_unhealed_in_ten_thousand_rounds(name: str) -> None:
    trial = Trial(name, PES, rounds=ROUNDS, serror_period_cycles=SERROR_PERIOD_CYCLES, events=("entry",), constants={"LOAD_WALK_BLOCKS": 0},
                  budget_cycles=1_000_000_000)
    hits: Counter[int] = Counter()
    counted: Counter[str] = Counter()
    for seed in range(SEEDS):
        result = trial.run(seed)
        assert result.exit_status == 0, f"{result.verdict} ({trial.command(seed)})"
        machine = trial.machine
        assert machine is not None and result.events.dropped == result.events.lost == 0
        events = result.events.array()
        faults = int(np.count_nonzero((events["kind"] == EVENT_ENTRY) & (events["aux"] == SYNC_EL1)))
        assert load_word(trial, machine, "LD_HEALED") == faults and load_word(trial, machine, "LD_LOST") == 0
        hits.update(inside_windows(events, machine.watched))
        counted.update({what: load_word(trial, machine, what) for what in ("LD_TICKS", "LD_SYSCALLS", "LD_SERRORS")})
    assert counted["LD_TICKS"] > 2 * SEEDS * ROUNDS * (PES - 1)      # a round waits for two of each PE
    assert counted["LD_SYSCALLS"] > counted["LD_TICKS"] and counted["LD_SERRORS"] > SEEDS * ROUNDS
    scheme = next(scheme for scheme in SCHEMES if scheme.name == name)
    if "mark_parked" in scheme.marks:
        assert hits[SYNC_EL1] == 0                                  # nobody is there to meet the window
    elif hits:
        for slots in (INTERRUPT, CALL, SERROR):
            assert sum(hits[slot] for slot in slots) > HITS_LEAST, f"in windows: {hits}"


def test_what_is_counted_inside_windows_is_inside() -> None:
    """naive falls into the window: the count must see it, or the test above says nothing."""
    trial = Trial("naive", PES, rounds=4, events=("entry",), constants={"LOAD_WALK_BLOCKS": 0})
    result = trial.run(1)
    assert result.verdict.kind == "recursion" and trial.machine is not None
    events = result.events.array()
    hits = inside_windows(events, trial.machine.watched)
    faults = int(np.count_nonzero((events["kind"] == EVENT_ENTRY) & (events["aux"] == SYNC_EL1)))
    assert 30 < hits[SYNC_EL1] <= faults
