"""The benchmark kernels: what each can be told, which marks it passes, and how marks become rounds.

A run records each passing of a mark with its PE and cycle. `mark_array` brings the log into one form, `Benchmark.samples` makes rounds of it:
when the initiator began, and when each PE ended each phase. Warm-up is left out, and so are rounds that the run did not complete.

Phases, in time order, a selection for each benchmark:

    initiate      until the SGIs or the TLBI are sent
    deliver       until a target's vector is entered; of a broadcast TLBI until it takes effect at a target, which notices nothing
    enter         until the target has saved its frame and reads ICC_IAR1_EL1; of a rendezvous until its handler begins
    acknowledge   until the function that was called begins; of a rendezvous until all are known to have arrived
    act           until that function has returned
    release       until all are known to have acted
    exit          until the PE goes on: the initiator at the end of the round, a target where its handler ends

What a scenario does not have is left out, and `Samples.left_out` says why.
"""
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from firmware.layout import BENCH_CONSTANTS, DEVICE_CONSTANTS
from firmware.rendezvous import MARK_DTYPE
from sim.errors import SimulatorError, UserError

Cycles = npt.NDArray[np.int64]
ABSENT = -1
PHASES = ("initiate", "deliver", "enter", "acknowledge", "act", "release", "exit")
IPI_SCENARIOS = ("dry run", "self-IPI", "normal IPI", "broadcast IPI", "broadcast IPI with lock")
_DRY, _SELF, _NORMAL, _BROADCAST, _LOCK = range(len(IPI_SCENARIOS))
_CALL_MARKS = ("mark_taken", "mark_call_ran", "mark_queue_done")
IPI_MARKS = ("mark_call_start", "mark_single_sent", "mark_many_sent", "mark_function", "mark_function_lock", "mark_self_ran",
             "mark_single_called", "mark_many_called", "mark_call_done", *_CALL_MARKS)
_COUNTER_MARKS = ("mark_round_start", "mark_sgi_sent", "mark_gathered", "mark_acted", "mark_released", "mark_all_done")
_TREE_MARKS = ("mark_tree_start", "mark_tree_sent", "mark_tree_gathered", "mark_tree_acted", "mark_tree_released", "mark_tree_done")
RENDEZVOUS_MARKS = (*_COUNTER_MARKS, *_TREE_MARKS, "mark_taken", "mark_entered", "mark_exited")
BARRIERS = MappingProxyType({"counters": 0, "tree": BENCH_CONSTANTS["BARRIER_TREE"], "wfe": BENCH_CONSTANTS["BARRIER_WFE"]})
JITTER_DEFAULT = 100                    # a part of what an interrupt takes to get through: rounds differ, and no phase is hidden by it
JITTER_MOST = 1_000_000
RENDEZVOUS_OPTIONS = MappingProxyType({"BARRIER": BARRIERS["counters"], "IDLE": 1, "JITTER": JITTER_DEFAULT})
SHOOTDOWN_MARKS = ("mark_shootdown_start", "mark_tlbi_sent", "mark_many_sent", "mark_drop_entry", "mark_shootdown_complete", *_CALL_MARKS)
#: What is known of a PE beside its marks, where the log or the model says it: it read ICC_IAR1_EL1 for an SGI of a benchmark; the last of
#: a round's broadcast TLBIs took effect at it.
ACKNOWLEDGED, TLBI_ARRIVED = "interrupt_acknowledged", "tlbi_arrived"
NOTED = (ACKNOWLEDGED, TLBI_ARRIVED)
#: The SGI by which each benchmark interrupts its targets.
SGI_INTIDS = MappingProxyType({"ipi": DEVICE_CONSTANTS["SGI_CALL_FUNCTION"], "rendezvous": DEVICE_CONSTANTS["SGI_RENDEZVOUS"],
                               "shootdown": DEVICE_CONSTANTS["SGI_CALL_FUNCTION"]})
_WHY_LEFT_OUT = MappingProxyType({
    "dry run": "nobody is called, so all of it is exit",
    "self-IPI": "PE 0 just calls the function, so nothing is delivered, entered, acknowledged or released",
    "self-IPI by SGI": "PE 0 interrupts itself before it knows that the SGI is sent, so initiate is part of deliver",
    "tlbi": "a TLBI takes effect at a PE without its doing, so nothing is entered, acknowledged, acted or exited",
})
SHOOTDOWN_NUMBERS = MappingProxyType({"HOW_IPI": 1})
SHOOTDOWN_HOW = MappingProxyType({"tlbi": 0, "ipi": SHOOTDOWN_NUMBERS["HOW_IPI"]})
SHOOTDOWN_OPTIONS = MappingProxyType({"HOW": SHOOTDOWN_HOW["tlbi"], "ISSUERS": 1, "IDLE": 1, "JITTER": JITTER_DEFAULT})
IPI_OPTIONS = MappingProxyType({"SCENARIOS": (1 << len(IPI_SCENARIOS)) - 1, "TARGET": 1, "SELF_BY_SGI": 0, "IDLE": 1, "JITTER": JITTER_DEFAULT})


@dataclass(frozen=True, slots=True)
class Option:
    """What a benchmark can be told: the constant of its assembly, its default, and the words for its values, if it has any."""

    constant: str
    default: int
    summary: str
    choices: Mapping[str, int] | None = None


@dataclass(frozen=True, eq=False)
class Samples:
    """The measured rounds of one scenario, in the order in which they were run. All times in cycles, int64.

    start_cycles: (rounds,), when the initiator began; of several initiators, the first. end_cycles: (rounds, pes, phases), when each PE ended
    each phase, ABSENT where it has no part in it; one PE's times never decrease along the phases. delivery_cycles: (rounds,), from the start
    until what is asked for was begun at the last target, None where the scenario has no target. total_cycles: (rounds,), until the initiator
    goes on; of several, the last. operation_cycles: (rounds, issuers), of the shootdown only: what the operation of each issuer took.
    left_out: why phases are missing, "" where none is. There may be no round, if the run ended early.
    """

    scenario: str
    phases: tuple[str, ...]
    start_cycles: Cycles
    end_cycles: Cycles
    delivery_cycles: Cycles | None
    total_cycles: Cycles
    operation_cycles: Cycles | None = None
    left_out: str = ""

    @property
    def rounds(self) -> int:
        """How many rounds were measured."""
        return len(self.start_cycles)


Sampler = Callable[["Passed", Mapping[str, int]], tuple[Samples, ...]]


@dataclass(frozen=True, eq=False)
class Benchmark:
    """A benchmark of `quiesce bench`.

    kernel: name in `firmware.kernels`. options: by the name that a command line gives them. scenarios: what one run goes through, in this
    order, or one of which an option chooses. marks: what the machine must be told to watch. least_pes: fewer make no sense.
    """

    name: str
    kernel: str
    summary: str
    scenarios: tuple[str, ...]
    marks: tuple[str, ...]
    options: Mapping[str, Option]
    least_pes: int
    sampler: Sampler

    def constants(self, pes: int, values: Mapping[str, int] = MappingProxyType({})) -> dict[str, int]:
        """The constants of the assembly that these options ask for, the others at their defaults; to be laid over `Kernel.build_constants`.

        values: by the names of `options`. Raises UserError for an unknown name, for a value out of range, for too few PEs.
        """
        if pes < self.least_pes:
            raise UserError(f"bench {self.name}: {pes} PEs are too few, at least {self.least_pes} are needed")
        for name in values:
            if name not in self.options:
                raise UserError(f"bench {self.name}: there is no option {name!r}; there are {', '.join(self.options) or 'none'}")
        chosen = {option.constant: values.get(name, option.default) for name, option in self.options.items()}
        for name, option in self.options.items():
            least, most = _limits(option, pes)
            if not least <= chosen[option.constant] <= most:
                raise UserError(f"bench {self.name} on {pes} PEs: {name} is {chosen[option.constant]}, but must be {least} to {most}")
        return chosen

    def samples(self, marks: np.ndarray, constants: Mapping[str, int]) -> tuple[Samples, ...]:
        """The rounds of a run, scenario by scenario, those that ran only.

        marks: as `mark_array` gives them; without what was noted beside marks, phases that need it are left out. constants: those with which the kernel was assembled (PES, ROUNDS, WARMUP and the options).
        Raises SimulatorError if the marks name a PE or a symbol that there is not.
        """
        return self.sampler(Passed(marks, (*self.marks, *NOTED), constants["PES"]), constants)


def _limits(option: Option, pes: int) -> tuple[int, int]:
    """The least and the greatest value of an option, on so many PEs."""
    if option.choices:
        return min(option.choices.values()), max(option.choices.values())
    return {"TARGET": (1, pes - 1), "ISSUERS": (1, pes), "SCENARIOS": (1, IPI_OPTIONS["SCENARIOS"]), "JITTER": (0, JITTER_MOST)}[option.constant]


def mark_array(benchmark: Benchmark, watched: Sequence[str], events: np.ndarray, noted: Mapping[str, np.ndarray] = MappingProxyType({})) -> np.ndarray:
    """The marks of a run as `Benchmark.samples` takes them, dtype MARK_DTYPE, symbol an index in benchmark.marks + NOTED.

    watched: Machine.watched. events: the log's events of the kind "mark" (fields cycle, pe, a: index in watched). Marks that are not the
    benchmark's are left out. noted: what is known beside marks, by a name of NOTED (fields cycle, pe), each PE's in time order.
    """
    number_of = np.array([benchmark.marks.index(name) if name in benchmark.marks else len(benchmark.marks) for name in watched], np.int64)
    numbers = number_of[events["a"].astype(np.int64)]
    known = numbers < len(benchmark.marks)
    marks = np.zeros(int(known.sum()), MARK_DTYPE)
    marks["cycle"], marks["pe"], marks["symbol"] = events["cycle"][known], events["pe"][known], numbers[known]
    beside = []
    for name, times in noted.items():
        one = np.zeros(len(times), MARK_DTYPE)
        one["cycle"], one["pe"], one["symbol"] = times["cycle"], times["pe"], len(benchmark.marks) + NOTED.index(name)
        beside.append(one)
    return np.concatenate([marks, *beside])


class Passed:
    """When each PE passed each mark, in its own order."""

    def __init__(self, marks: np.ndarray, names: tuple[str, ...], pes: int) -> None:
        if marks.dtype != MARK_DTYPE or len(marks) and (marks["pe"].max() >= pes or marks["symbol"].max() >= len(names)):
            raise SimulatorError(f"marks of a benchmark with {pes} PEs and {len(names)} symbols: dtype {marks.dtype}, or one beyond these")
        self.pes = pes
        self._names = names
        order = np.lexsort((np.arange(len(marks)), marks["symbol"], marks["pe"]))
        self._cycles = marks["cycle"][order].astype(np.int64)
        keys = marks["pe"][order].astype(np.int64) * len(names) + marks["symbol"][order]
        self._first = np.searchsorted(keys, np.arange(pes * len(names) + 1))
        self._taken: dict[tuple[int, str], int] = {}

    def all(self, pe: int, name: str) -> Cycles:
        """Every passing of one mark by one PE."""
        key = pe * len(self._names) + self._names.index(name)
        return self._cycles[self._first[key]:self._first[key + 1]]

    def next(self, pe: int, name: str, count: int) -> Cycles:
        """The next `count` passings that were not asked for yet; fewer if there are no more."""
        begin = self._taken.get((pe, name), 0)
        self._taken[pe, name] = begin + count
        return self.all(pe, name)[begin:begin + count]

    def has(self, name: str) -> bool:
        """Whether any PE passed it."""
        return any(len(self.all(pe, name)) for pe in range(self.pes))

    def last_before(self, pe: int, name: str, times: Cycles) -> Cycles:
        """For each time the last passing of a mark by that PE that is not later; shorter if one has none."""
        passed = self.all(pe, name)
        places = np.searchsorted(passed, times, side="right") - 1
        found: Cycles = passed[places[places >= 0]] if (places >= 0).all() else passed[:0]
        return found


    def first_after(self, pe: int, name: str, times: Cycles) -> Cycles:
        """For each time the first passing of a mark by that PE that is not earlier; those that have none are left out."""
        passed = self.all(pe, name)
        places = np.searchsorted(passed, times, side="left")
        found: Cycles = passed[places[places < len(passed)]]
        return found


def _rounds(scenario: str, warmup: int, start: Cycles, done: Cycles, ends: Mapping[tuple[int, str], Cycles], pes: int, delivered: str | None,
            left_out: str = "") -> Samples:
    """Samples from what each PE passed: ends by PE and phase, an entry for each round; delivered: the phase at whose end a target is reached.

    Where several initiators are each other's targets, one may be through before it is reached: a PE ends no phase before the one before it.
    """
    phases = tuple(phase for phase in PHASES if any(phase == held for _, held in ends))
    complete = min(len(start), len(done), *(len(times) for times in ends.values()))
    end_cycles = np.full((complete, pes, len(phases)), ABSENT, np.int64)
    for (pe, phase), times in ends.items():
        end_cycles[:, pe, phases.index(phase)] = times[:complete]
    measured = slice(min(warmup, complete), complete)
    begun = None if delivered not in phases else end_cycles[measured, :, phases.index(str(delivered))].max(axis=1) - start[measured]
    end_cycles = np.where(end_cycles == ABSENT, ABSENT, np.maximum.accumulate(end_cycles, axis=2))
    return Samples(scenario, phases, start[measured], end_cycles[measured], begun, done[measured] - start[measured], left_out=left_out)


def _called(passed: Passed, pe: int, began: Cycles) -> dict[tuple[int, str], Cycles]:
    """The phases of a target from its vector until the function that it is interrupted for begins, at these cycles."""
    if not passed.has(ACKNOWLEDGED):
        return {(pe, "deliver"): passed.last_before(pe, "mark_taken", began), (pe, "acknowledge"): began}
    entered = passed.last_before(pe, ACKNOWLEDGED, began)
    return {(pe, "deliver"): passed.last_before(pe, "mark_taken", entered), (pe, "enter"): entered, (pe, "acknowledge"): began}


def _ipi_samples(passed: Passed, constants: Mapping[str, int]) -> tuple[Samples, ...]:
    """bench_ipi: PE 0 is the initiator; a scenario's targets pass their marks once a round."""
    pes, count = constants["PES"], constants["ROUNDS"] + constants["WARMUP"]
    found = []
    for scenario, name in enumerate(IPI_SCENARIOS):
        if not constants["SCENARIOS"] >> scenario & 1:
            continue
        start, done = passed.next(0, "mark_call_start", count), passed.next(0, "mark_call_done", count)
        ends = {(0, "exit"): done}
        by_sgi, left_out, delivered = scenario > _SELF, _WHY_LEFT_OUT.get(name, ""), "acknowledge" if scenario != _DRY else None
        if scenario == _SELF and constants["SELF_BY_SGI"]:
            by_sgi, left_out = True, _WHY_LEFT_OUT["self-IPI by SGI"]
        if by_sgi:
            sent = passed.next(0, "mark_many_sent" if scenario > _NORMAL else "mark_single_sent", count)
            ends[0, "release"] = passed.next(0, "mark_many_called" if scenario > _NORMAL else "mark_single_called", count)
            ends |= {(0, "initiate"): sent} if scenario != _SELF else {}
        for pe in {_DRY: range(0), _SELF: range(1), _NORMAL: (constants["TARGET"],)}.get(scenario, range(1, pes)):
            began = passed.next(pe, "mark_function_lock" if scenario == _LOCK else "mark_function", count)
            if by_sgi:
                ends |= _called(passed, pe, began) | {(pe, "act"): passed.next(pe, "mark_call_ran", count)}
                through = passed.next(pe, "mark_queue_done", count)
                ends |= {(pe, "exit"): through} if pe else {}
            else:
                ends |= {(0, "initiate"): began, (0, "act"): passed.next(0, "mark_self_ran", count)}
                delivered = "initiate"
        found.append(_rounds(name, constants["WARMUP"], start, done, ends, pes, delivered, left_out))
    return tuple(found)


def _rendezvous_samples(passed: Passed, constants: Mapping[str, int]) -> tuple[Samples, ...]:
    """bench_rendezvous: PE 0 is the initiator, everyone else a target; all but it leave when their handler does."""
    pes, count = constants["PES"], constants["ROUNDS"] + constants["WARMUP"]
    barrier = next(name for name, number in BARRIERS.items() if number == constants["BARRIER"])
    start, sent, gathered, acted, released, done = _TREE_MARKS if barrier == "tree" else _COUNTER_MARKS
    ends = {(0, "initiate"): passed.next(0, sent, count), (0, "exit"): passed.next(0, done, count)}
    for pe in range(pes):
        if pe:
            entered = passed.next(pe, "mark_entered", count)
            ends |= {(pe, "deliver"): passed.last_before(pe, "mark_taken", entered), (pe, "enter"): entered,
                     (pe, "exit"): passed.next(pe, "mark_exited", count)}
        ends |= {(pe, phase): passed.next(pe, mark, count) for phase, mark in (("acknowledge", gathered), ("act", acted), ("release", released))}
    return (_rounds(barrier, constants["WARMUP"], passed.next(0, start, count), ends[0, "exit"], ends, pes, "enter"),)


def _shootdown_samples(passed: Passed, constants: Mapping[str, int]) -> tuple[Samples, ...]:
    """bench_shootdown: each issuer initiates and in the end releases, when it knows that every PE has dropped the entry; all others drop it.

    Of several issuers, each is a target of the others; a target's times are those of the last operation of a round that reaches it.
    """
    count, issuers, pes = constants["ROUNDS"] + constants["WARMUP"], range(constants["ISSUERS"]), constants["PES"]
    how = next(name for name, number in SHOOTDOWN_HOW.items() if number == constants["HOW"])
    sent = "mark_many_sent" if how == "ipi" else "mark_tlbi_sent"
    ends = {(pe, phase): passed.next(pe, mark, count) for pe in issuers for phase, mark in (("initiate", sent), ("release", "mark_shootdown_complete"))}
    delivered = "acknowledge" if how == "ipi" else "deliver" if passed.has(TLBI_ARRIVED) else None
    for pe in range(pes):
        calls = len(issuers) - (pe in issuers)                  # of this PE in a round
        if not calls:
            continue
        if how == "tlbi":
            ends |= {(pe, "deliver"): passed.next(pe, TLBI_ARRIVED, count)} if delivered else {}
            continue
        began, ran = (passed.next(pe, mark, count * calls)[calls - 1::calls] for mark in ("mark_drop_entry", "mark_call_ran"))
        ends |= _called(passed, pe, began) | {(pe, "act"): ran, (pe, "exit"): passed.first_after(pe, "mark_queue_done", ran)}
    started = [passed.next(pe, "mark_shootdown_start", count) for pe in issuers]
    complete = min(len(times) for times in (*started, *ends.values()))
    starts = np.stack([times[:complete] for times in started], axis=1)
    done = np.stack([ends[pe, "release"][:complete] for pe in issuers], axis=1)
    samples = _rounds(how, constants["WARMUP"], starts.min(axis=1), done.max(axis=1), ends, pes, delivered, _WHY_LEFT_OUT.get(how, ""))
    return (replace(samples, operation_cycles=(done - starts)[min(constants["WARMUP"], complete):]),)


JITTER_OPTION = Option("JITTER", JITTER_DEFAULT, "for how many turns of a loop they are masked at most, by the seed")
IDLE_OPTION = Option("IDLE", 1, "what PEs do that have nothing to do", MappingProxyType({"busy": 0, "wfi": 1}))
IPI = Benchmark(
    "ipi", "bench_ipi", "the scenarios of Linux's IPI benchmark: delivery and total", IPI_SCENARIOS, IPI_MARKS, MappingProxyType({
        "scenarios": Option("SCENARIOS", IPI_OPTIONS["SCENARIOS"], "a bit for each scenario that is run"),
        "target": Option("TARGET", IPI_OPTIONS["TARGET"], "the PE that the normal IPI goes to"),
        "self": Option("SELF_BY_SGI", IPI_OPTIONS["SELF_BY_SGI"], "how PE 0 calls itself: as Linux, or by an SGI",
                       MappingProxyType({"call": 0, "sgi": 1})),
        "idle": IDLE_OPTION, "jitter": JITTER_OPTION}), 2, _ipi_samples)
RENDEZVOUS = Benchmark(
    "rendezvous", "bench_rendezvous", "all PEs meet, act, meet again", tuple(BARRIERS), RENDEZVOUS_MARKS, MappingProxyType({
        "barrier": Option("BARRIER", RENDEZVOUS_OPTIONS["BARRIER"], "how PEs wait for each other", BARRIERS),
        "idle": IDLE_OPTION, "jitter": JITTER_OPTION}), 2,
    _rendezvous_samples)
SHOOTDOWN = Benchmark(
    "shootdown", "bench_shootdown", "translations taken away on every PE, by TLBI or by IPI", tuple(SHOOTDOWN_HOW), SHOOTDOWN_MARKS,
    MappingProxyType({"how": Option("HOW", SHOOTDOWN_OPTIONS["HOW"], "how the other PEs are reached", SHOOTDOWN_HOW),
                      "issuers": Option("ISSUERS", SHOOTDOWN_OPTIONS["ISSUERS"], "PEs that do so at once, each with a page of its own"),
                      "idle": IDLE_OPTION, "jitter": JITTER_OPTION}), 1, _shootdown_samples)
_BENCHMARKS = (IPI, RENDEZVOUS, SHOOTDOWN)


def benchmarks() -> tuple[Benchmark, ...]:
    """All benchmarks."""
    return _BENCHMARKS


def benchmark(name: str) -> Benchmark:
    """The benchmark of that name. Raises UserError if there is none."""
    for known in _BENCHMARKS:
        if known.name == name:
            return known
    raise UserError(f"there is no benchmark {name!r}; there are {', '.join(known.name for known in _BENCHMARKS)}")
