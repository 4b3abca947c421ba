"""Rows about TLB maintenance: what a missing barrier or a missing broadcast lets a PE use, and what a whole sequence never does.

The scenarios are the kernels `page_change` and `table_reuse`; T-39 is the kernel `window`.
"""
import re
from collections.abc import Callable
from functools import partial

import numpy as np
import numpy.typing as npt

from firmware.window import ACTIVITY_TOUCH, CHANGE_DEMOTE, OBJECT_DATA
from sim.experiments.row import Row, Seen, all_of, expect, over_seeds
from sim.experiments.rows_window import few
from sim.experiments.trial import Trial
from sim.experiments.window_runs import WindowTrial
from sim.machine import Machine
from sim.result import Result
from sim.state.events import BY_NAME

OLD, NEW = 1, 2                         # what the frames of page_change hold
TLBI_NONE, TLBI_BROADCAST, TLBI_LOCAL = range(3)
WHOLE = {"BREAK": 1, "DSB_BEFORE": 1, "TLBI_KIND": TLBI_BROADCAST, "DSB_AFTER": 1, "ISB_AFTER": 1}
READERS = 2
SLOW_SNOOP_CYCLES = 250                 # of PEs that take so long over a TLBI that the line with the flag that tells of the change is there before
LATE_TURNS = 100                        # of PE 0's loops between the break and the TLBI, and between the DSB and the make
_LINE = re.compile(r"readers: (\d+) old at once, (\d+) old later, (\d+) faults; PE 0: frame (\d+), then (\d+), (\d+) faults")
#: At once, later, faults of the readers; first call, second call, faults of PE 0.
Counts = tuple[int, int, int, int, int, int]
Rows = npt.NDArray[np.void]


def counts_of(result: Result) -> Counts:
    """What page_change has counted."""
    found = _LINE.search(result.console)
    expect(result.exit_status == 0 and found is not None, f"{result.verdict}: {result.console!r}")
    assert found is not None
    at_once, later, faults, first, second, own = map(int, found.groups())
    return at_once, later, faults, first, second, own


def never_old(pes: int, seeds: int, adversarial: bool) -> Seen:
    """The whole sequence: nobody uses the old frame once the new one is made."""
    trial = Trial("page_change", pes, constants=WHOLE, events=(), adversarial=adversarial)

    def judge(result: Result) -> str:
        at_once, later, _, first, second, own = counts_of(result)
        expect((at_once, later, first, second, own) == (0, 0, NEW, NEW, 0), result.console)
        return "nobody uses the old frame"

    return over_seeds(trial, judge, range(seeds))


def answer_slowly(machine: Machine, _seed: int) -> None:
    """Every PE takes SLOW_SNOOP_CYCLES over each TLBI that reaches it."""
    machine.state.machine[0]["dvm_snoop"] = SLOW_SNOOP_CYCLES


def somebody_old(what: str, pes: int, seeds: int, left_out: dict[str, int], hit: Callable[[Counts], bool], never: Callable[[Counts], bool],
                 least: int = 1, prepare: Callable[[Machine, int], None] | None = None) -> Seen:
    """A part of the sequence is missing: `hit` holds for `least` seeds, `never` for none."""
    trial = Trial("page_change", pes, constants=WHOLE | left_out, events=(), adversarial=True, prepare=prepare)
    hits = 0
    for seed in range(seeds):
        counts = counts_of(trial.run(seed))
        if never(counts):
            return Seen(False, f"seed {seed}: {counts} ({trial.command(seed)})", seed + 1, seed)
        hits += hit(counts)
    return Seen(hits >= least, f"{what} in {hits} of {seeds} seeds", seeds, None if hits >= least else seeds - 1)


def missing_barriers(seeds: int) -> Seen:
    """T-37, its four omissions and the sequence without any."""
    pes = READERS + 1
    return all_of([
        ("whole", partial(never_old, pes, seeds, True)),
        ("(a) TLBI of this PE alone", partial(somebody_old, "a reader stays on the old frame", pes, seeds, {"TLBI_KIND": TLBI_LOCAL, "BREAK": 0},
                                              lambda c: c[1] > 0, lambda c: c[3] != NEW, seeds // 2)),
        ("(b) no DSB before", partial(somebody_old, "a reader holds the old descriptor again", pes, seeds, {"DSB_BEFORE": 0},
                                      lambda c: c[1] > 0, lambda c: False)),
        ("(c) no DSB after", partial(somebody_old, "a reader is on the old frame when the new one is made, none later", pes, seeds, {"DSB_AFTER": 0},
                                     lambda c: c[0] > 0, lambda c: c[1] > 0, prepare=answer_slowly)),
        ("(d) no ISB", partial(somebody_old, "PE 0 calls the old function once more, and not again", pes, seeds, {"ISB_AFTER": 0},
                               lambda c: c[3] == OLD, lambda c: c[4] != NEW)),
    ])


def stale_until_delivered(pes: int, seeds: int) -> Seen:
    """T-05. Readers hold the entry: no fault before the TLBI reaches them, faults afterwards."""
    trial = Trial("page_change", pes, constants=WHOLE | {"DELAY_TURNS": LATE_TURNS, "MAKE_TURNS": LATE_TURNS}, marks=("mark_page_broken", "mark_read"),
                  events=("fault", "tlbi_done"))

    def judge(result: Result) -> str:
        at_once, later, faults, *_ = counts_of(result)
        expect((at_once, later) == (0, 0) and faults > 0, result.console)
        events = result.events.array()
        assert trial.machine is not None
        marks = events[events["kind"] == BY_NAME["mark"].number]
        broken = int(marks["cycle"][marks["a"] == trial.machine.watched.index("mark_page_broken")][0])
        for pe in range(1, pes):
            mine = events[(events["pe"] == pe) & (events["cycle"] > broken)]
            arrived = int(mine["cycle"][mine["kind"] == BY_NAME["tlbi_done"].number][0])
            fault_cycles = mine["cycle"][mine["kind"] == BY_NAME["fault"].number]
            reads = mine[(mine["kind"] == BY_NAME["mark"].number) & (mine["cycle"] < arrived)]
            expect(len(reads) > 0, f"PE {pe} did not read between the break and the TLBI's arrival")
            expect(not (fault_cycles < arrived).any(), f"PE {pe} faulted before the TLBI reached it")
        return "reads by the old entry until the TLBI arrives, faults only afterwards"

    return over_seeds(trial, judge, range(seeds))


def reused_table(last_level_only: int, seeds: int) -> Seen:
    """T-36. The page of a table that a promotion has freed is put to another use."""
    trial = Trial("table_reuse", 2, constants={"LAST_LEVEL_ONLY": last_level_only}, events=())

    def judge(result: Result) -> str:
        expect(result.verdict.kind == "exited" and result.exit_status == last_level_only, f"{result.verdict}: {result.console!r}")
        return "a wrong translation, by the old table" if last_level_only else "the block's translation"

    return over_seeds(trial, judge, range(seeds))


def erratum(repeat: int, seeds: int) -> Seen:
    """T-38. With the repeat-TLBI erratum: uses of the old translation after PE 0's last DSB for its TLBIs."""
    trial = Trial("page_change", READERS + 1, constants=WHOLE | {"REPEAT_TLBI": repeat}, events=("residue", "tlbi_complete"), repeat_tlbi_erratum=True)

    def judge(result: Result) -> str:
        counts_of(result)
        events = result.events.array()
        completions = events["cycle"][(events["kind"] == BY_NAME["tlbi_complete"].number) & (events["pe"] == 0)]
        expect(len(completions) == 1 + repeat, f"{len(completions)} completions")
        used = events[(events["kind"] == BY_NAME["residue"].number) & (events["b"] == trial.constants["FREE_PAGE_PA"])]
        late = [int(np.count_nonzero((used["pe"] == pe) & (used["cycle"] >= completions[-1]))) for pe in range(1, READERS + 1)]
        expect(max(late) <= 1 and (not repeat or max(late) == 0), f"late uses by reader: {late}")
        return f"{max(late)} access after the last DSB"

    return over_seeds(trial, judge, range(seeds)) if repeat else _at_least_one(over_seeds(trial, judge, range(seeds)))


def _at_least_one(seen: Seen) -> Seen:
    """The erratum must show in some run."""
    if seen.holds and "1 access" not in seen.text:
        return Seen(False, f"never: {seen.text}", seen.runs, seen.runs - 1)
    return seen


def _of_the_block(machine: Machine, pe: int, run_va: int, run_bytes: int) -> list[int]:
    """Sizes of what a PE's TLBs hold of a run beyond single pages."""
    sizes = []
    for name in ("l1i", "l1d", "l2"):
        entries = machine.pes[pe].tlb(name)
        inside = (entries["mask"] != 0) & (entries["va"] - np.uint64(run_va) < np.uint64(run_bytes))
        sizes += [int(size) for size in ~entries["mask"][inside] + np.uint64(1) if size > 4096]
    return sizes


def fragments(profile: str, l1_bytes: int, seeds: int) -> Seen:
    """T-39. Demotion with its one TLBI: what the TLBs hold of the block before and after, however a profile holds it."""
    trial = WindowTrial(2, {"CHANGE": CHANGE_DEMOTE, "ACTIVITY": ACTIVITY_TOUCH, "OBJECT": OBJECT_DATA, "WALKS_BESIDE": 1}, profile=profile)
    run_va, run_bytes = trial.constants["KMEM_VA"], trial.constants["BLOCK_BYTES"]
    most = 0
    for seed in range(seeds):
        machine = trial.start(seed)
        machine.run(trial.budget_cycles, until="mark_broken")
        before = _of_the_block(machine, 1, run_va, run_bytes)
        tlbis = int(machine.state.pes[0]["n_tlbi_issued"])
        machine.run(trial.budget_cycles, until="mark_make")
        after = [_of_the_block(machine, pe, run_va, run_bytes) for pe in range(2)]
        issued = int(machine.state.pes[0]["n_tlbi_issued"]) - tlbis
        if issued != 1 or any(after):
            return Seen(False, f"seed {seed}: {issued} TLBIs, entries of {before} bytes before, {after} after ({trial.command(seed)})", seed + 1, seed)
        most = max(most, before.count(l1_bytes))
    return Seen(most > 0, f"up to {most} entries of {l1_bytes >> 20} MB held before, none after one TLBI", seeds)


def mapped_without_tlbi(pes: int, seeds: int, adversarial: bool) -> Seen:
    """T-44. A page becomes valid: no TLBI, visible after DSB and ISB, and no fault is remembered."""
    trial = Trial("page_change", pes, constants=WHOLE | {"MAPPED": 0, "BREAK": 0, "TLBI_KIND": TLBI_NONE, "DSB_AFTER": 0}, events=("tlbi",),
                  adversarial=adversarial)

    def judge(result: Result) -> str:
        at_once, later, faults, first, second, own = counts_of(result)
        expect((at_once, later, first, second, own) == (0, 0, NEW, NEW, 0), result.console)
        expect(faults > 0, "no reader faulted before")
        return "readers fault until it is mapped, nobody afterwards"

    return over_seeds(trial, judge, range(seeds))


ROWS = (
    Row("T-05", "B has the page's entry cached and its TLBI is still on its way", "no fault until the TLBI reaches B, faults only afterwards",
        lambda seeds: all_of([("2 PEs", partial(stale_until_delivered, 2, seeds)), ("6 PEs", partial(stale_until_delivered, 6, few(seeds)))]),
        is_race=True),
    Row("T-36", "promotion with TLBI of last levels only (VAALE1IS), then the table's page is used again",
        "a stale walk-cache pointer gives a wrong translation; VAAE1IS passes",
        lambda seeds: all_of([("VAALE1IS", partial(reused_table, 1, seeds)), ("VAAE1IS", partial(reused_table, 0, seeds))]), is_race=True),
    Row("T-37", "TLBI without IS; no DSB ISHST before; no DSB ISH after; no ISB (adversarial)",
        "(a) B stale for ever (b) B holds the old descriptor again (c) B on the old entry after the make (d) A itself once more",
        missing_barriers, is_race=True),
    Row("T-38", "repeat-TLBI erratum", "one access of B completes by the old translation after the first DSB; none after TLBI; DSB; TLBI",
        lambda seeds: all_of([("TLBI; DSB", partial(erratum, 0, seeds)), ("TLBI; DSB; TLBI; DSB", partial(erratum, 1, seeds))]), is_race=True),
    Row("T-39", "demotion with one TLBI, fragments of 1 MB in L1 (A72) and the block whole (N1, whose TLBs are the A76's)", "all fragments gone",
        lambda seeds: all_of([("cortex-a72", partial(fragments, "cortex-a72", 1 << 20, few(seeds))),
                              ("neoverse-n1", partial(fragments, "neoverse-n1", 2 << 20, few(seeds)))])),
    Row("T-44", "a page that was invalid is mapped, without a TLBI", "visible after DSB and ISB; no fault is cached",
        lambda seeds: all_of([("2 PEs", partial(mapped_without_tlbi, 2, seeds, False)), ("adversarial", partial(mapped_without_tlbi, 4, seeds, True))]),
        is_race=True),
)
