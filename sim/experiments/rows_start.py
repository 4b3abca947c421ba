"""Rows about how PEs are started and stopped: placement, boot stacks, kernel stacks, fan-out of IPIs, the lock of the rendezvous."""
from collections.abc import Callable
from functools import partial
from itertools import groupby

import numpy as np

from sim.experiments.row import Row, Seen, all_of, expect, over_seeds
from sim.experiments.trial import Trial
from sim.observers.livelock import LivelockReport, vector_livelock
from sim.result import Result
from sim.state.events import EVENT_ENTRY, EVENT_MARK, EVENT_TLBI

IRQ_SLOT, SYNC_SLOT = 0x280, 0x200
STATUS_STOP_TIMEOUT = 5
STUCK_CYCLES = 600_000                  # the runs are filled by then; what goes on after that goes on for ever
EVERY_PE = (1 << 64) - 1


def _livelocks(trial: Trial, result: Result) -> list[LivelockReport]:
    """The PEs that ended in their own vector."""
    machine, events = trial.machine, result.events.array()
    assert machine is not None
    vbar = machine.address("vector_table_el1")
    found = (vector_livelock(events, pe, machine.symbol, vbar) for pe in range(trial.pes))
    return [one for one in found if one is not None]


def _lost_stack(report: LivelockReport, base_va: int, size_bytes: int) -> bool:
    """Whether what the vector could not write first lies on that stack."""
    return report.first is not None and report.first.far is not None and 0 <= report.first.far - base_va < size_bytes


# ---- T-42

def _judge_serialised(trial: Trial) -> Callable[[Result], str]:
    def judge(result: Result) -> str:
        promotions = 2 * trial.constants["ROUNDS"] + 2
        expect(result.exit_status == 0, str(result.verdict))
        expect(f" {promotions} promotions" in result.console, result.console)
        events = result.events.array()
        machine = trial.machine
        assert machine is not None
        broken, make = machine.address("mark_broken"), machine.address("mark_make")
        marks = events[(events["kind"] == EVENT_MARK) & np.isin(events["b"], np.array([broken, make], np.uint64))]
        marks = marks[np.argsort(marks["cycle"], kind="stable")]
        opened, closed = marks[::2], marks[1::2]
        expect(bool((opened["b"] == broken).all() and (closed["b"] == make).all() and np.array_equal(opened["pe"], closed["pe"])),
               "two windows overlap")
        expect(set(marks["pe"].tolist()) == {0, 1}, f"windows were opened by PEs {sorted(set(marks['pe'].tolist()))}, not by 0 and 1")
        entries = events[(events["kind"] == EVENT_ENTRY) & (events["aux"] == IRQ_SLOT) & (events["pe"] <= 1)]
        waiting = (entries["b"] >= machine.address("lock_ipi_mtx")) & (entries["b"] < machine.address("unlock_ipi_mtx"))
        expect(bool(waiting.any()), "nobody took an IPI while waiting for the lock")
        return f"{promotions} promotions, no two windows at once, IPIs taken while waiting for smp_ipi_mtx"
    return judge


def _run_two_promotions(seeds: int) -> Seen:
    free = Trial("two_promotions", 4, rounds=4, marks=("mark_broken", "mark_make"), events=("entry",))
    masked = Trial("two_promotions", 4, constants={"MASKED": 1}, events=("entry",), budget_cycles=3_000_000)

    def judge_masked(result: Result) -> str:
        machine = masked.machine
        assert machine is not None
        places = {(machine.symbol(registers["pc"]) or "").split("+")[0] for registers in result.registers[:2]}
        expect(result.verdict.kind == "budget", str(result.verdict))
        expect(bool(places & {"wait_for_all"}) and places <= {"wait_for_all", "lock_ipi_mtx"}, f"the two are at {sorted(places)}")
        return "one waits for the lock, the other for its answer"

    return all_of([("interrupts on while waiting", lambda: over_seeds(free, _judge_serialised(free), range(seeds))),
                   ("masked", lambda: over_seeds(masked, judge_masked, range(min(seeds, 5))))])


# ---- T-46

def _run_placement(_seeds: int) -> Seen:
    def part(from_acpi: int) -> Seen:
        trial = Trial("start_cpu", 8, constants={"DOMAINS_FROM_ACPI": from_acpi, "PES_PER_DOMAIN": 2}, layout={"domains": 4}, events=())

        def judge(result: Result) -> str:
            expect(result.exit_status == 0, f"{result.verdict}: {result.console}")
            c, machine = trial.constants, trial.machine
            assert machine is not None
            for pe in range(1, trial.pes):
                pcpu_va = trial.word(c["CPUID_TO_PCPU_VA"] + 8 * pe)
                pa = machine.translate(0, pcpu_va)
                expect(pa is not None, f"the pcpu of PE {pe} is not mapped")
                assert pa is not None
                placed, recorded = (pa - c["POOL_PA"]) // c["DOMAIN_BYTES"], trial.word(pcpu_va + c["PC_DOMAIN"])
                expect(recorded == pe // 2, f"PE {pe} is of domain {pe // 2}, recorded is {recorded}")
                expect(placed == (pe // 2 if from_acpi else 0), f"the pcpu of PE {pe} lies in domain {placed}")
            return "pcpu in the PE's domain" if from_acpi else "pcpu in domain 0, the domain recorded later"
        return over_seeds(trial, judge, [0])

    return all_of([("ACPI-like", lambda: part(1)), ("FDT-like", lambda: part(0))])


# ---- T-47

def _run_fan_out(_seeds: int) -> Seen:
    def part(pes: int, members: int) -> Seen:
        trial = Trial("fan_out", pes, constants={"SET_0": members}, events=("sgi",))
        there = [pe for pe in range(pes) if members >> pe & 1]
        groups = sum(1 for _ in groupby(there, key=lambda pe: pe // 16))      # Aff0 is PE mod 16

        def judge(result: Result) -> str:
            expect(result.exit_status == 0, f"{result.verdict}: {result.console}")
            writes = int(np.count_nonzero(result.events.array()["kind"] == EVENT_MARK))
            expect(writes == groups, f"{writes} ICC_SGI1R_EL1 writes for {groups} runs of equal Aff3.Aff2.Aff1")
            return f"{len(there)} targets, {writes} writes"
        return over_seeds(trial, judge, [0])

    sets = ((4, EVERY_PE), (16, EVERY_PE), (17, EVERY_PE), (64, EVERY_PE), (64, 0x8000_0001_0000_8001), (64, 0x0001_0001_0001_0001),
            (64, 0xFFFF_0000_0000_FFFE), (40, 0x80_0000_0000))
    seen = all_of([(f"{pes} PEs, set {members & (1 << pes) - 1:#x}", partial(part, pes, members)) for pes, members in sets])
    return Seen(True, f"{len(sets)} sets of up to 64 PEs, each with as many writes as runs", seen.runs) if seen.holds else seen


# ---- T-48

def _run_stop_timeout(seeds: int) -> Seen:
    def part(victim: int) -> Seen:
        trial = Trial("stop_cpus", 4, constants={"VICTIM": victim}, events=("entry", "tlbi"))

        def judge(result: Result) -> str:
            expect(result.exit_status == STATUS_STOP_TIMEOUT, f"{result.verdict}: {result.console}")
            expect("timeout stopping PEs" in result.console and "PE 3\n" in result.console, result.console)
            expect("stop_cpus: 2 PEs stopped of 3\nstop_cpus: going on" in result.console, result.console)
            entries = result.events.array()
            nested = np.count_nonzero((entries["kind"] == EVENT_ENTRY) & (entries["pe"] == 3) & (entries["aux"] == SYNC_SLOT))
            expect((nested > 30) == (victim == 2), f"PE 3 took {nested} synchronous exceptions")
            return "2 of 3 stop, time-out named PE 3, the initiator went on"
        return over_seeds(trial, judge, range(max(1, seeds // 10) if victim == 2 else 1))   # fewer: each run takes all of STOP_SPINS

    return all_of([("masked loop", lambda: part(1)), ("recursing victim", lambda: part(2))])


# ---- T-51

def _run_kernel_stacks(seeds: int) -> Seen:
    def part(constants: dict[str, int], lost: bool) -> Seen:
        trial = Trial("kernel_stacks", 4, constants={"TICKS_PER_SECOND": 4_000_000, "PATIENCE": 20_000, **constants})
        size_bytes = trial.constants["KSTACK_PAGES"] * trial.constants["PAGE_BYTES"]

        def judge(result: Result) -> str:
            stuck = _livelocks(trial, result)
            stacks = {pe: trial.word(trial.constants["THREADS_VA"] + pe * trial.constants["THREAD_BYTES"] + trial.constants["TD_KSTACK"])
                      for pe in range(1, trial.pes)}
            expect(all(_lost_stack(one, stacks[one.pe], size_bytes) for one in stuck), "a livelock is not about the PE's stack")
            if not lost:
                windows = result.events.array()
                windows = windows[windows["kind"] == EVENT_TLBI]
                covered = [pe for pe, va in stacks.items() if _covered(windows, va, size_bytes)]
                expect(result.exit_status == 0 and not stuck, f"{result.verdict}: {result.console}")
                expect(not covered, f"the stacks of PEs {covered} were in a window")
                return "no window over any stack, all threads go on"
            expect(bool(stuck) == (result.exit_status == 1), f"{len(stuck)} livelocks, {result.verdict}")
            return "live stacks promoted: vector livelock after the make too" if stuck else "no interrupt fell into a window"
        seen = over_seeds(trial, judge, range(seeds))
        return _some_seed(seen, "livelock") if lost else seen

    return all_of([("guard pages", lambda: part({}, False)),
                   ("no guard pages", lambda: part({"KSTACK_GUARD_PAGES": 0}, True)),
                   ("16-page alignment", lambda: part({"KSTACK_ALIGNMENT_PAGES": 16}, True))])


def _covered(tlbis: np.ndarray, base_va: int, size_bytes: int) -> bool:
    return bool(((tlbis["a"] < np.uint64(base_va + size_bytes)) & (tlbis["a"] + tlbis["b"] > np.uint64(base_va))).any())


def _some_seed(seen: Seen, word: str) -> Seen:
    """A hazard that must show in one run at least."""
    return seen if not seen.holds or word in seen.text else Seen(False, f"no seed showed it: {seen.text}", seen.runs)


# ---- T-52

def _run_boot_stacks(seeds: int) -> Seen:
    def part(pes: int, constants: dict[str, int], lost: bool, seeds: int) -> Seen:
        trial = Trial("bootstack", pes, constants=constants, budget_cycles=STUCK_CYCLES)

        def judge(result: Result) -> str:
            stuck = _livelocks(trial, result)
            if not stuck:
                expect(result.exit_status == 0, f"{result.verdict}: {result.console}")
                return "every PE had left before a window came"
            c, machine = trial.constants, trial.machine
            assert machine is not None
            expect(lost, f"PE {stuck[0].pe} ended in its vector")
            for one in stuck:
                base_va = trial.word(c["BOOTSTACKS_VA"] + 8 * one.pe)
                expect(_lost_stack(one, base_va, c["MP_BOOTSTACK_BYTES"]), f"the livelock of PE {one.pe} is not about its boot stack")
            waits = (machine.symbol(result.registers[0]["pc"]) or "").split("+")[0]
            expect(result.verdict.kind == "budget" and waits == "wait_for_all", f"PE 0 is at {waits}: {result.verdict}")
            return "vector livelock on the boot stack, PE 0 waits in the rendezvous for ever"
        seen = over_seeds(trial, judge, range(seeds))
        return _some_seed(seen, "livelock") if lost else seen

    held = {"BOOTSTACK_FIRST": 0, "BOOTSTACK_HOLD": 1}
    few = max(1, seeds // 10)
    return all_of([("filled early", lambda: part(4, {"BOOTSTACK_FIRST": 0}, True, seeds)),
                   ("held there", lambda: part(4, held, True, few)),
                   ("with the pcpus of the run flagged", lambda: part(5, held | {"PCPU_PLACE": 1}, True, few)),
                   ("filled after the rendezvous", lambda: part(4, {}, False, seeds))])


ROWS = (
    Row("T-42", "two promotions at once, each under a rendezvous", "serialised by smp_ipi_mtx; no deadlock, since who waits answers IPIs",
        _run_two_promotions, is_race=True),
    Row("T-46", "a PE's domain is known when its memory is allocated, or only later", "pcpu in the PE's domain; pcpu in domain 0",
        _run_placement),
    Row("T-47", "an IPI to PEs of several affinity groups", "one ICC_SGI1R_EL1 write for each run of equal Aff3.Aff2.Aff1", _run_fan_out),
    Row("T-48", "stop_cpus with a PE that never takes the IPI", "time-out message, the initiator goes on", _run_stop_timeout),
    Row("T-51", "the run of live kernel stacks is filled", "promoted without guard pages or at 16-page alignment: livelock; else never",
        _run_kernel_stacks, is_race=True),
    Row("T-52", "the run of boot stacks is filled while PEs may stand on them", "vector livelock, the rendezvous hangs", _run_boot_stacks,
        is_race=True),
)
