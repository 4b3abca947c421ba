"""Rows about a software bit that selects parking: on a part of a run, which then stays in pages, and on the whole of it, which does not."""
import numpy as np

from firmware.layout import DESCRIPTOR_FIELDS, PAGE_BYTES
from sim.experiments.row import Row, Seen, all_of, expect, over_seeds
from sim.experiments.trial import Trial
from sim.machine import Machine
from sim.result import Result
from sim.state.events import EVENT_ENTRY, EVENT_MARK, EVENT_TLBI

SYNC_SLOT = 0x200
ROUNDS = 3
ENTRIES, WORD_BYTES, L1_SHIFT, L2_SHIFT = 512, 8, 30, 21
PARK, TYPE, ADDRESS = (DESCRIPTOR_FIELDS[name] for name in ("DESC_SW_PARK", "DESC_TYPE", "DESC_ADDRESS"))
BLOCK, TABLE = DESCRIPTOR_FIELDS["DESC_BLOCK"], DESCRIPTOR_FIELDS["DESC_TABLE"]
SERROR_PERIOD_CYCLES = 10_000
SEEDS_FEW = 8


def _word(machine: Machine, pa: int) -> int:
    return int.from_bytes(machine.read_physical(pa, WORD_BYTES), "little")


def l2_descriptor(machine: Machine, va: int) -> int:
    """The L2 descriptor of a VA under the TTBR1_EL1 of PE 0, read from RAM."""
    table_pa = machine.pes[0].system("TTBR1_EL1") & ADDRESS
    l1 = _word(machine, table_pa + WORD_BYTES * (va >> L1_SHIFT & ENTRIES - 1))
    return _word(machine, (l1 & ADDRESS) + WORD_BYTES * (va >> L2_SHIFT & ENTRIES - 1))


def flagged_pages(machine: Machine, va: int) -> tuple[list[int], list[int]]:
    """Of the 2 MB run around a VA, mapped by a table: the numbers of the pages that are valid, and of those that carry DESC_SW_PARK."""
    table_pa = l2_descriptor(machine, va) & ADDRESS
    words = np.frombuffer(machine.read_physical(table_pa, PAGE_BYTES), "<u8")
    return np.flatnonzero(words & np.uint64(1)).tolist(), np.flatnonzero(words & np.uint64(PARK)).tolist()


def counter(trial: Trial, name: str) -> int:
    """A counter of struct pmap."""
    return trial.word(trial.constants["GLOBALS_VA"] + trial.constants["G_PMAP"] + trial.constants[name])


def changes(trial: Trial) -> tuple[int, int]:
    """How many changes of live descriptors were made with the other PEs parked, and how many without."""
    base_va = trial.constants["PARK_FLAGS_VA"]
    return trial.word(base_va + trial.constants["PARK_PARKED_COUNT"]), trial.word(base_va + trial.constants["PARK_DIRECT_COUNT"])


def expect_sound(result: Result) -> None:
    """No synchronous exception at EL1, and status 0."""
    events = result.events.array()
    expect(result.exit_status == 0, f"{result.verdict}: {result.console}")
    expect(not ((events["kind"] == EVENT_ENTRY) & (events["aux"] == SYNC_SLOT)).any(), "a synchronous exception at EL1")


def partly_flagged(pes: int, seeds: int, pages: int = 1, flag_changes: int = 0) -> Seen:
    """T-30. Each pcpu's own pages are flagged; the run is filled ROUNDS + 1 times. flag_changes: 1 has their permissions changed first."""
    trial = Trial("pte-flag", pes, rounds=ROUNDS, constants={"LOAD_WALK_BLOCKS": 0, "FLAG_CHANGES": flag_changes},
                  layout={"dpcpu_bytes": pages * PAGE_BYTES - 1024}, serror_period_cycles=SERROR_PERIOD_CYCLES)
    own = list(range(pages * (pes - 1)))

    def judge(result: Result) -> str:
        expect_sound(result)
        machine, run_va = trial.machine, trial.constants["KMEM_VA"]
        assert machine is not None
        failures, promotions = counter(trial, "PM_L2_P_FAILURES"), counter(trial, "PM_L2_PROMOTIONS")
        expect((failures, promotions) == (ROUNDS + 1, 0), f"{promotions} promotions, {failures} failures of {ROUNDS + 1}")
        expect(l2_descriptor(machine, run_va) & TYPE == TABLE, "the run ends as a block")
        valid, flagged = flagged_pages(machine, run_va)
        expect(len(valid) == ENTRIES and flagged == own, f"{len(valid)} pages, of which {flagged} are flagged")
        parked, _direct = changes(trial)
        expect(parked == 2 * len(own) * flag_changes, f"{parked} changes with PEs parked")
        if not flag_changes:
            tlbis = result.events.array()
            tlbis = tlbis[tlbis["kind"] == EVENT_TLBI]
            over = (tlbis["a"] < np.uint64(run_va + len(own) * PAGE_BYTES)) & (tlbis["a"] + tlbis["b"] > np.uint64(run_va))
            expect(not over.any(), "a window over a pcpu")
        return f"{failures} attempts, all counted as failures" + (f", {parked} changes of flagged pages parked" if flag_changes else "")

    return over_seeds(trial, judge, range(seeds))


class _Stages:
    """Looks at RAM behind the first demotion and the promotion that follows, before the rest of a run."""

    def __init__(self) -> None:
        self.trial: Trial | None = None
        self.seen: list[tuple[str, int, list[int], list[int]]] = []

    def look(self, machine: Machine, _seed: int) -> None:
        assert self.trial is not None
        run_va = self.trial.constants["KMEM_VA"]
        self.seen = [("filled", l2_descriptor(machine, run_va), [], [])]
        for label in ("mark_demote_end", "mark_promote_end"):
            machine.run(self.trial.budget_cycles, until=label)
            l2 = l2_descriptor(machine, run_va)
            self.seen.append((label, l2, *(flagged_pages(machine, run_va) if l2 & TYPE == TABLE else ([], []))))


def wholly_flagged(pes: int, seeds: int, pages: int = 1, serrors: bool = True) -> Seen:
    """T-31. The run of the pcpus is flagged when they are allocated, filled afterwards, then demoted and promoted ROUNDS times."""
    stages = _Stages()
    trial = Trial("flagged-run", pes, rounds=ROUNDS, constants={"LOAD_WALK_BLOCKS": 0}, layout={"dpcpu_bytes": pages * PAGE_BYTES - 1024},
                  serror_period_cycles=SERROR_PERIOD_CYCLES if serrors else 0, prepare=stages.look, marks=("mark_broken", "mark_make"))
    stages.trial = trial

    def judge(result: Result) -> str:
        expect_sound(result)
        (_, filled, _, _), (_, table, valid, flagged), (_, block, _, _) = stages.seen
        for when, descriptor in (("filled", filled), ("promoted again", block)):
            expect(descriptor & TYPE == BLOCK and bool(descriptor & PARK), f"when {when} the L2 descriptor is {descriptor:#x}")
        expect(table & TYPE == TABLE and bool(table & PARK), f"when demoted the L2 descriptor is {table:#x}")
        expect(len(valid) == ENTRIES - 1 and flagged == valid, f"after the demotion {len(flagged)} of {len(valid)} pages are flagged")
        promotions = counter(trial, "PM_L2_PROMOTIONS")
        expect((promotions, counter(trial, "PM_L2_P_FAILURES")) == (ROUNDS + 1, 0), f"{promotions} promotions")
        parked, direct = changes(trial)
        expect(direct == 0, f"{direct} changes without parking")
        windows = _expect_parked(trial, result)
        return f"{promotions} promotions, {windows} windows of {parked} seen, all other PEs parked in each; block, table and pages flagged"

    return over_seeds(trial, judge, range(seeds))


def _expect_parked(trial: Trial, result: Result) -> int:
    """In each window every PE but the initiator must have passed mark_parked, and not yet mark_unparked. Returns how many there were."""
    machine, events = trial.machine, result.events.array()
    assert machine is not None
    marks = events[events["kind"] == EVENT_MARK]
    marks = marks[np.argsort(marks["cycle"], kind="stable")]
    parked: set[int] = set()
    windows = 0
    for mark in marks:
        name, pe = machine.watched[int(mark["a"])], int(mark["pe"])
        if name == "mark_parked":
            parked.add(pe)
        elif name == "mark_unparked":
            parked.discard(pe)
        elif name in ("mark_broken", "mark_make"):
            windows += name == "mark_broken"
            expect(len(parked) == trial.pes - 1, f"only PEs {sorted(parked)} are parked at {name}")
    expect(windows >= 2 * ROUNDS, f"{windows} windows")
    return windows


ROWS = (
    Row("T-30", "SC-6: some pages of a run carry the bit that selects parking, and the run is filled again and again",
        "never promotes: attributes differ, and each attempt is counted",
        lambda seeds: all_of([
            ("4 PEs", lambda: partly_flagged(4, seeds)),
            ("one page of 512", lambda: partly_flagged(2, min(seeds, SEEDS_FEW))),
            ("pcpus of 3 pages", lambda: partly_flagged(6, min(seeds, SEEDS_FEW), 3)),
            ("flagged pages changed", lambda: partly_flagged(4, min(seeds, SEEDS_FEW), flag_changes=1)),
        ])),
    Row("T-31", "SC-8: all pages of a run carry the bit, later ones too; the run is filled, demoted and filled again",
        "promoted through parking; the bit is in the block, and demotion keeps it",
        lambda seeds: all_of([
            ("4 PEs, SErrors", lambda: wholly_flagged(4, seeds)),
            ("2 PEs", lambda: wholly_flagged(2, min(seeds, SEEDS_FEW), serrors=False)),
            ("pcpus of 3 pages", lambda: wholly_flagged(6, min(seeds, SEEDS_FEW), 3)),
        ]), is_race=True),
)
