"""Rows about parking: the other PEs spin while a descriptor is invalid. What the range may hold, what must not arrive, who must come."""
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial

import numpy as np

from firmware import parking
from firmware.schemes import SCHEMES
from sim.experiments.row import Row, Seen, Unexpected, all_of, expect, over_seeds
from sim.experiments.trial import Trial
from sim.experiments.window_runs import SLOT_IRQ, SLOT_SYNC, Rows, depths_of
from sim.observers.activity import describe_pes
from sim.observers.waiting import Lock, RendezvousLayout, RendezvousReport, lock_reports, rendezvous_report
from sim.result import Result
from sim.state.events import EVENT_ENTRY, EVENT_FAULT, EVENT_MARK

PES = 4
SLOT_FIQ, SLOT_SERROR = 0x300, 0x380
STATUS_UNEXPECTED = 3
PERIOD_CYCLES = 3000                    # of SErrors and FIQs: several fall into the window over all pcpus, 512 TLBIs long
STUCK_CYCLES = 1_000_000                # the changes end long before
MISSING_CYCLES = 300_000                # who comes has come by then
LATENCY_TOLERANCE = 0.1                 # of a rendezvous that parks, against one that does nothing
MARKS = ("mark_broken_touching", "mark_make_touching", "mark_round_start", "mark_gathered")


class ParkingTrial(Trial):
    """The kernel `parking` with options of firmware/parking.py, and what its log says."""

    def __init__(self, pes: int, options: Mapping[str, int], *, rounds: int = 2, serror_period_cycles: int = 0, fiq_period_cycles: int = 0,
                 budget_cycles: int = STUCK_CYCLES) -> None:
        super().__init__("parking", pes, constants=options, rounds=rounds, marks=MARKS, events=("entry", "return", "fault"),
                         serror_period_cycles=serror_period_cycles, fiq_period_cycles=fiq_period_cycles, budget_cycles=budget_cycles)

    def cycles_of(self, events: Rows, *names: str, pe: int | None = None) -> list[int]:
        """When these labels were passed, by one PE or by any."""
        assert self.machine is not None
        marks = events[events["kind"] == EVENT_MARK]
        found = marks[np.isin(marks["a"], [self.machine.watched.index(name) for name in names])]
        return [int(cycle) for cycle in (found if pe is None else found[found["pe"] == pe])["cycle"]]

    def parked(self, events: Rows) -> list[int]:
        """The PEs that are parked when the log ends."""
        return [pe for pe in range(1, self.pes)
                if len(self.cycles_of(events, "mark_parked", pe=pe)) > len(self.cycles_of(events, "mark_unparked", pe=pe))]

    def expect_order(self, events: Rows) -> None:
        """All other PEs were parked before each break, and stayed until its make."""
        broken, made = sorted(self.cycles_of(events, "mark_broken")), sorted(self.cycles_of(events, "mark_make"))
        rounds = self.constants["ROUNDS"]
        expect(len(broken) == len(made) == rounds, f"{len(broken)} breaks and {len(made)} makes in {rounds} rounds")
        for pe in range(1, self.pes):
            begun, ended = (self.cycles_of(events, name, pe=pe) for name in ("mark_parked", "mark_unparked"))
            expect(len(begun) == len(ended) == rounds, f"PE {pe} was parked {len(begun)} times")
            expect(all(first < opened for first, opened in zip(begun, broken, strict=True)), f"a break came before PE {pe} was parked")
            expect(all(closed < last for closed, last in zip(made, ended, strict=True)), f"PE {pe} went on before the make")


def _count(events: Rows, kind: int, slot: int | None = None) -> int:
    chosen = events["kind"] == kind
    return int(np.count_nonzero(chosen if slot is None else chosen & (events["aux"] == slot)))


def _expect_undisturbed(trial: ParkingTrial, result: Result) -> Rows:
    """The kernel ended well and no PE met a fault; all were parked in every window."""
    events = result.events.array()
    expect(result.exit_status == 0, f"{result.verdict}: {result.console}")
    expect(_count(events, EVENT_FAULT) == 0 and _count(events, EVENT_ENTRY, SLOT_SYNC) == 0, "a PE met an abort")
    trial.expect_order(events)
    return events


def _must_show(seen: Seen, word: str) -> Seen:
    """A hazard that must show in one run at least."""
    return seen if not seen.holds or word in seen.text else Seen(False, f"no seed showed it: {seen.text}", seen.runs)


# ---- T-22

def run_undisturbed(seeds: int, pes: int = PES) -> Seen:
    """T-22."""
    trial = ParkingTrial(pes, {"RANGE": parking.RANGE_NOBODY})

    def judge(result: Result) -> str:
        _expect_undisturbed(trial, result)
        base = trial.constants["GLOBALS_VA"] + trial.constants["G_RENDEZVOUS"]
        counts = [trial.word(base + trial.constants[f"RV_WAITERS_{number}"]) & 0xFFFF_FFFF for number in range(4)]
        expect(counts == [pes] * 4, f"the counters are {counts}")
        return f"no abort on any PE, all four counters {pes}"

    return all_of([("changes", lambda: over_seeds(trial, judge, range(seeds))), ("latency", lambda: _compare_latency(pes))])


def _compare_latency(pes: int) -> Seen:
    """How long it takes to gather idle PEs, from the call until the last one has arrived: parking, and a rendezvous that does nothing."""
    def gathered(trial: Trial) -> float:
        events = trial.run(0).events.array()
        assert trial.machine is not None
        marks = events[events["kind"] == EVENT_MARK]
        begun, arrived = (marks["cycle"][marks["a"] == trial.machine.watched.index(name)] for name in ("mark_round_start", "mark_gathered"))
        last = arrived.reshape(-1, pes).max(axis=1)
        return float(np.median(last[1:].astype(np.int64) - begun[1:].astype(np.int64)))

    plain = gathered(Trial("rendezvous", pes, rounds=20, events=(), marks=MARKS[2:]))
    parks = gathered(ParkingTrial(pes, {"TICKS_PER_SECOND": 0}, rounds=20))
    return Seen(abs(parks - plain) <= LATENCY_TOLERANCE * plain, f"gathered in {parks:.0f} cycles, {plain:.0f} without parking")


# ---- T-23

def run_flags_inside(seeds: int, pes: int = PES) -> Seen:
    """T-23."""
    inside = {"RANGE": parking.RANGE_FLAGS, "FLAG_PLACE": 2}
    retried, unanswered = ParkingTrial(pes, inside), ParkingTrial(pes, inside | {"RETRY": 0})

    def judge_retried(result: Result) -> str:
        events = result.events.array()
        expect(result.exit_status == 0, f"{result.verdict}: {result.console}")
        retried.expect_order(events)
        for pe in range(1, pes):
            depths = depths_of(events, pe)
            expect(len(depths) >= retried.constants["ROUNDS"] and set(depths) == {1}, f"PE {pe} aborted at depths {sorted(set(depths))}")
        expect(not depths_of(events, 0), "PE 0 aborted")
        return "each parked PE aborts, retries at depth 1 and goes on"

    def judge_unanswered(result: Result) -> str:
        expect(result.exit_status == STATUS_UNEXPECTED and "vector 0x0000000000000200 on PE 0" not in result.console,
               f"{result.verdict}: {result.console}")
        return "a parked PE takes an abort that nothing answers"

    load = Trial("rendezvous-park", pes, constants={"FLAG_PLACE": 2, "LOAD_WALK_BLOCKS": 0}, rounds=2)

    def judge_recursion(result: Result) -> str:
        expect(result.verdict.kind == "recursion" and result.verdict.pe != 0, f"{result.verdict}: {result.console}")
        return "recursion of a parked PE"

    return all_of([("with retry", lambda: over_seeds(retried, judge_retried, range(seeds))),
                   ("without", lambda: over_seeds(unanswered, judge_unanswered, range(seeds))),
                   ("with retry, pcpu there too", lambda: over_seeds(load, judge_recursion, range(max(1, seeds // 10))))])


# ---- T-24, T-25

def _held(pes: int, options: Mapping[str, int], kind: str, text: str) -> tuple[ParkingTrial, Callable[[Result], str]]:
    """PE 0 touches the range before the make: it never comes to the make, and the others stay parked."""
    trial = ParkingTrial(pes, options)

    def judge(result: Result) -> str:
        events = result.events.array()
        expect((result.verdict.kind, result.verdict.pe) == (kind, 0), f"{result.verdict}: {result.console}")
        broken, made = trial.cycles_of(events, "mark_broken_touching"), trial.cycles_of(events, "mark_make_touching")
        expect(len(broken) == 1 and not made, "there was a make")
        expect(trial.parked(events) == list(range(1, pes)), f"parked at the end are only {trial.parked(events)}")
        first = events[(events["kind"] == EVENT_ENTRY) & (events["pe"] == 0)][0]
        page_va = int(first["c"]) & ~(trial.constants["PAGE_BYTES"] - 1)
        low_va = trial.constants["GLOBALS_VA"] if options["RANGE"] == parking.RANGE_GLOBALS else trial.constants["STACK_RUN_VA"]
        expect(0 <= page_va - low_va < trial.constants["STACK_STRIDE_BYTES"], f"the first fault was at {page_va:#x}")
        return text
    return trial, judge


def _undisturbed(pes: int, options: Mapping[str, int], seeds: int, text: str) -> Seen:
    trial = ParkingTrial(pes, options)

    def judge(result: Result) -> str:
        _expect_undisturbed(trial, result)
        return text
    return over_seeds(trial, judge, range(seeds))


def run_globals_inside(seeds: int, pes: int = PES) -> Seen:
    """T-24."""
    inside = {"RANGE": parking.RANGE_GLOBALS}
    touched = _held(pes, inside | {"TOUCH": parking.TOUCH_GLOBALS}, "recursion",
                    "its handler needs them too: recursion, no make, all others parked")
    return all_of([("untouched", lambda: _undisturbed(pes, inside, seeds, "no abort: waiters[2] is used after the make only")),
                   ("touched by PE 0", lambda: over_seeds(*touched, range(seeds)))])


def run_stack_inside(seeds: int, pes: int = PES) -> Seen:
    """T-25."""
    inside = {"RANGE": parking.RANGE_STACK}
    touched = _held(pes, inside | {"TOUCH": parking.TOUCH_STACK}, "livelock", "PE 0 loops in its vector, no make, all others parked")
    return all_of([("registers alone", lambda: _undisturbed(pes, inside, seeds, "no abort")),
                   ("a push before the make", lambda: over_seeds(*touched, range(seeds)))])


# ---- T-26

def run_missing(seeds: int, pes: int = PES) -> Seen:
    """T-26."""
    def part(victim: int, judge_reports: Callable[[ParkingTrial, Result], str]) -> Seen:
        trial = ParkingTrial(pes, {"VICTIM": victim}, budget_cycles=MISSING_CYCLES)

        def judge(result: Result) -> str:
            expect(result.verdict.kind == "budget", f"{result.verdict}: {result.console}")
            expect(not trial.cycles_of(result.events.array(), "mark_broken"), "there was a break")
            return judge_reports(trial, result)
        return over_seeds(trial, judge, range(min(seeds, 5)))      # the same in every run

    def judge_masked(trial: ParkingTrial, result: Result) -> str:
        report = waiting_for(trial, result)
        missing = [one.pe for one in report.missing]
        expect((report.initiator, report.phase, missing) == (0, 0, [pes - 1]),
               f"PE {report.initiator} waits in phase {report.phase} for {missing}")
        expect(report.waiting == tuple(range(pes - 1)), f"PEs {report.waiting} spin")
        return "PE 0 spins at the first barrier; the missing PE is named"

    def judge_holds(trial: ParkingTrial, result: Result) -> str:
        report = _lock_waited_for(trial, result)
        expect(report == (pes - 1, (0,)), f"holder and waiting: {report}")
        return "PE 0 spins for the lock; its holder is named"

    return all_of([("masked for ever", lambda: part(parking.VICTIM_MASKED, judge_masked)),
                   ("waits, masked, for a lock of PE 0", lambda: part(parking.VICTIM_WAITS, judge_masked)),
                   ("holds a lock that PE 0 needs", lambda: part(parking.VICTIM_HOLDS, judge_holds))])


def _code(trial: Trial, first: str, behind: str) -> range:
    assert trial.machine is not None
    return range(trial.machine.address(first), trial.machine.address(behind))


def waiting_for(trial: Trial, result: Result) -> RendezvousReport:
    """The rendezvous under way at the end of a run, as the detector sees it."""
    machine, known = trial.machine, trial.constants
    assert machine is not None
    base = known["GLOBALS_VA"] + known["G_RENDEZVOUS"]
    waiters = (base + known["RV_WAITERS_0"], base + known["RV_WAITERS_1"], base + known["RV_WAITERS_2"], base + known["RV_WAITERS_3"])
    layout = RendezvousLayout(base + known["RV_NCPUS"], waiters, base + known["RV_TARGETS"], base + known["RV_IPI_MTX"],
                              _code(trial, "smp_rendezvous_cpus", "smp_rendezvous_action"),
                              _code(trial, "smp_rendezvous_action", "no_rendezvous_barrier"), _code(trial, "wait_for_all", "split_set"))
    doing = describe_pes(machine.pes, result.events.array(), machine.symbol, _code(trial, "image_start", "image_text_end").__contains__)
    report = rendezvous_report(layout, partial(machine.read_virtual_or_none, 0), machine.pes, doing, machine.symbol)
    if report is None:
        raise Unexpected("no rendezvous is under way")
    return report


def _lock_waited_for(trial: Trial, result: Result) -> tuple[int | None, tuple[int, ...]]:
    """Who holds the lock of the pmap, and who spins for it."""
    machine, known = trial.machine, trial.constants
    assert machine is not None
    lock = Lock("pmap", known["GLOBALS_VA"] + known["G_PMAP"] + known["PM_MTX"], True, _code(trial, "pmap_lock", "pmap_unlock"), 9)
    threads = {known["THREADS_VA"] + pe * known["THREAD_BYTES"]: pe for pe in range(trial.pes)}
    doing = describe_pes(machine.pes, result.events.array(), machine.symbol, _code(trial, "image_start", "image_text_end").__contains__)
    reports = lock_reports([lock], partial(machine.read_virtual_or_none, 0), machine.pes, doing, machine.symbol,
                           pe_of_thread=threads, holders={})
    expect(len(reports) == 1, f"{len(reports)} locks are waited for")
    return reports[0].holder.pe if reports[0].holder is not None else None, reports[0].waiting


# ---- T-28

def run_unmasked(seeds: int, pes: int = PES) -> Seen:
    """T-28."""
    inside = {"RANGE": parking.RANGE_PCPU}

    def part(slot: int, **more: int) -> Seen:
        options = inside | ({"UNMASK_FIQ": 1} if slot == SLOT_FIQ else {})
        trial = ParkingTrial(pes, options, **more)

        def judge(result: Result) -> str:
            events = result.events.array()
            if result.exit_status == 0:
                deepest = max(depth for pe in range(pes) for depth in (0, *depths_of(events, pe)))
                expect(not depths_of(events, 0), "PE 0 aborted")
                return "a recursion that the make ended" if deepest > 1 else "none arrived in a window"
            kinds = ("recursion", "livelock")                   # the latter where its end, in the vector, is what the detector sees
            expect(result.verdict.kind in kinds and result.verdict.pe in trial.parked(events), str(result.verdict))
            assert result.verdict.pe is not None
            _expect_recursion_from(trial, events, result.verdict.pe, slot)
            return "recursion on pcpu of a parked PE, interrupts masked"
        return _must_show(over_seeds(trial, judge, range(seeds)), "recursion on pcpu")

    def masked(seeds: int) -> Seen:
        trial = ParkingTrial(pes, inside, fiq_period_cycles=PERIOD_CYCLES)

        def judge(result: Result) -> str:
            _expect_undisturbed(trial, result)
            return "no abort"
        return over_seeds(trial, judge, range(seeds))

    return all_of([("SError", lambda: part(SLOT_SERROR, serror_period_cycles=PERIOD_CYCLES)),
                   ("FIQ, unmasked while parked", lambda: part(SLOT_FIQ, fiq_period_cycles=PERIOD_CYCLES)),
                   ("FIQ, masked", lambda: masked(max(1, seeds // 4)))])


def _expect_recursion_from(trial: ParkingTrial, events: Rows, pe: int, slot: int) -> None:
    """What came of it since the PE was parked: an SError or FIQ first, then aborts on this PE's pcpu, one inside the other, and no IRQ."""
    since = trial.cycles_of(events, "mark_parked", pe=pe)[-1]
    mine = events[(events["pe"] == pe) & (events["cycle"] >= since)]
    entries = mine[mine["kind"] == EVENT_ENTRY]
    expect(int(entries["aux"][0]) == slot, f"first came {int(entries['aux'][0]):#x}")
    expect(_count(entries, EVENT_ENTRY, SLOT_IRQ) == 0, f"PE {pe} took an interrupt")
    pcpu_va = trial.constants["PCPU_VA"] + pe * trial.constants["PCPU_BYTES"]
    aborts = entries[entries["aux"] == SLOT_SYNC]
    at_pcpu = int(np.count_nonzero((aborts["c"] >= pcpu_va) & (aborts["c"] < pcpu_va + trial.constants["PCPU_BYTES"])))
    expect(at_pcpu >= 2, f"{at_pcpu} aborts at pcpu")


# ---- T-29

def run_whole_kernel(seeds: int, pes: int = PES) -> Seen:
    """T-29."""
    ranges = {"all pcpus": parking.RANGE_PCPU, "globals": parking.RANGE_GLOBALS, "PE 0's stack": parking.RANGE_STACK,
              "pcpus, globals, threads and stacks of all": parking.RANGE_KERNEL}
    ways = {"identity map": parking.HOW_IDMAP, "own vector": parking.HOW_VECTOR}
    each = max(1, -(-seeds // (len(ranges) * len(ways))))
    schemes = [scheme.name for scheme in SCHEMES if scheme.number in ("SC-5", "SC-16")]
    return all_of([("TTBR1", lambda: _empty_ttbr1(pes)),
                   *((f"{way}, {name}", partial(_whatever_range, pes, how, inside, each))
                     for way, how in ways.items() for name, inside in ranges.items()),
                   ("identity map, the others' vectors", partial(_whatever_range, pes, parking.HOW_IDMAP, parking.RANGE_VECTORS, each)),
                   *((f"{name} under load", partial(_scheme, name, pes, max(1, seeds // 10))) for name in schemes)])


def _whatever_range(pes: int, how: int, inside: int, seeds: int) -> Seen:
    """Under interrupts and SErrors."""
    trial = ParkingTrial(pes, {"HOW": how, "RANGE": inside}, serror_period_cycles=PERIOD_CYCLES)
    taken: Counter[int] = Counter()

    def judge(result: Result) -> str:
        events = _expect_undisturbed(trial, result)
        taken.update(events["aux"][events["kind"] == EVENT_ENTRY].tolist())
        return "no fault"
    seen = over_seeds(trial, judge, range(seeds))
    return seen if not seen.holds or (taken[SLOT_SERROR] and taken[SLOT_IRQ]) else Seen(False, "nothing arrived", seen.runs)


def _empty_ttbr1(pes: int) -> Seen:
    """What TTBR1 of every other PE is when a window opens."""
    trial = ParkingTrial(pes, {"HOW": parking.HOW_IDMAP, "RANGE": parking.RANGE_KERNEL})
    machine = trial.at_ready()
    assert machine is not None
    machine.run(STUCK_CYCLES, until="mark_broken")
    table_pa = trial.constants["EMPTY_TABLE_PA"]
    seen = {machine.pes[pe].system("TTBR1_EL1") for pe in range(1, pes)}
    empty = not any(machine.read_physical(table_pa, trial.constants["PAGE_BYTES"]))
    return Seen(seen == {table_pa} and empty and machine.pes[0].system("TTBR1_EL1") != table_pa,
                "of all parked PEs an empty table" if seen == {table_pa} and empty else f"{[hex(one) for one in seen]}")


def _scheme(name: str, pes: int, seeds: int) -> Seen:
    """Under interrupts, calls from EL0 and SErrors, every pcpu but that of PE 0 in the range."""
    trial = Trial(name, pes, rounds=2, events=("entry", "fault"), constants={"LOAD_WALK_BLOCKS": 0}, serror_period_cycles=10_000)

    def judge(result: Result) -> str:
        events = result.events.array()
        expect(result.exit_status == 0, f"{result.verdict}: {result.console}")
        expect(_count(events, EVENT_FAULT) == 0 and _count(events, EVENT_ENTRY, SLOT_SYNC) == 0, "a PE met an abort")
        return "no fault"
    return over_seeds(trial, judge, range(seeds))


ROWS = (
    Row("T-22", "parked in a rendezvous, nothing of anybody's in the range",
        "no abort on any PE; the counters are all n; latency of a rendezvous", run_undisturbed, is_race=True),
    Row("T-23", "the words that parked PEs spin on lie in the range",
        "they abort: retried with a handler for it, recursion or an unexpected one else", run_flags_inside, is_race=True),
    Row("T-24", "the globals of the rendezvous lie in the range", "passes, as nobody touches them; fails if the initiator does",
        run_globals_inside, is_race=True),
    Row("T-25", "the initiator's stack lies in the range", "passes with registers alone; any access to it before the make: nobody goes on",
        run_stack_inside, is_race=True),
    Row("T-26", "a PE that masks interrupts for ever, or a spin lock in the way",
        "the initiator spins; who is missing or holds the lock is named", run_missing),
    Row("T-28", "an SError or FIQ of a parked PE, its pcpu in the range", "recursion although interrupts are masked",
        run_unmasked, is_race=True),
    Row("T-29", "parked on the identity map, TTBR1 empty, or in a vector of its own", "no fault, whatever kernel VA the range holds",
        run_whole_kernel, is_race=True),
)
