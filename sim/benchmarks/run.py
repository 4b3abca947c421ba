"""Runs of a benchmark: one scenario on one number of PEs, over seeds; and many of those, over processes.

A run boots, goes through the warm-up, is looked at, goes through the measured rounds, and is looked at again: the stack of cycles is the
difference. Looking changes nothing of what follows. Same arguments, same result, whatever the number of processes.
"""
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass

import numpy as np

from firmware.benchmarks import ACKNOWLEDGED, SGI_INTIDS, TLBI_ARRIVED, Benchmark, Samples, benchmark, mark_array
from firmware.kernels import kernel
from sim.benchmarks.arrivals import EVENTS as ARRIVAL_EVENTS
from sim.benchmarks.arrivals import arrivals
from sim.benchmarks.atomics import has_lse
from sim.benchmarks.point import EVERYONE, INITIATOR, OTHERS, Point, Sample, point
from sim.benchmarks.rounds import Rounds
from sim.benchmarks.stack import Counters, Stack, stack
from sim.errors import SimulatorError, UserError
from sim.experiments.kernel_build import build_constants
from sim.experiments.seeded_build import SEED, seeded_build
from sim.machine import Machine
from sim.observers.verdict import EXITED, INTERRUPTED, PAUSED
from sim.result import Result
from sim.settings import BUDGET_DEFAULT_CYCLES
from sim.state.dtypes import STATUS_WFE, STATUS_WFI
from sim.state.events import EVENT_ACKNOWLEDGED, EVENT_MARK, EVENT_TLBI_COMPLETE, EVENT_WAKE
from sim.timing.profile import load_profile

ROUNDS_DEFAULT, WARMUP_DEFAULT, SEEDS_DEFAULT = 200, 10, 1
RAM_BYTES = 256 << 20
WAKING = ((STATUS_WFI, "cost_wake"), (STATUS_WFE, "cost_wake_wfe"))
EVENTS = (*ARRIVAL_EVENTS, "interrupt_acknowledged", "wake")    # besides marks, which are always kept
BUDGET_OF_A_ROUND_CYCLES, BUDGET_OF_A_PE_CYCLES = 200_000, 20_000
AFTERWARDS = ("count_right", "sum_scratch", "report_count")     # where a kernel begins to check what was done: what comes then is no round


@dataclass(frozen=True, slots=True)
class Task:
    """What one process does at a time.

    scenario: its name; family: the same without the number of issuers. values: options of the benchmark. lse: whether the kernel has single
    atomic instructions; None: if the profile's core has them.
    """

    benchmark: str
    scenario: str
    family: str
    pes: int
    values: tuple[tuple[str, int], ...] = ()
    profile: str = "neoverse-n1"
    fidelity: str = "timed"
    rounds: int = ROUNDS_DEFAULT
    warmup: int = WARMUP_DEFAULT
    seeds: tuple[int, ...] = (0,)
    lse: bool | None = None

    @property
    def uses_lse(self) -> bool:
        """Whether the kernel has single atomic instructions."""
        return has_lse(load_profile(self.profile)) if self.lse is None else self.lse

    @property
    def constants(self) -> dict[str, int]:
        """Constants of the assembly. Raises UserError for options that do not go with the number of PEs."""
        return benchmark(self.benchmark).constants(self.pes, dict(self.values))

    @property
    def issuers(self) -> int:
        """How many PEs begin an operation in each round: PE 0 and those behind it."""
        return dict(self.values).get("issuers", 1)

    @property
    def budget_cycles(self) -> int:
        """More than a run can need that comes forward at all."""
        a_round = BUDGET_OF_A_ROUND_CYCLES + self.pes * BUDGET_OF_A_PE_CYCLES
        return BUDGET_DEFAULT_CYCLES + (self.rounds + self.warmup) * a_round

    @property
    def start_mark(self) -> str:
        """What an initiator passes at the beginning of each round; of several marks of that kind the one that names the chosen variant."""
        chosen, values = benchmark(self.benchmark), dict(self.values)
        starts = [name for name in chosen.marks if name.endswith("_start")]
        words = [word for name, option in chosen.options.items() for word, value in (option.choices or {}).items() if values.get(name) == value]
        return next((name for name in starts if any(f"_{word}_" in name for word in words)), starts[0])

    def build_constants(self, seed: int) -> dict[str, int]:
        """Everything that the kernel's source can name."""
        return build_constants(kernel(benchmark(self.benchmark).kernel), pes=self.pes, ram_bytes=RAM_BYTES, seed=seed, rounds=self.rounds,
                               warmup=self.warmup, defined={**self.constants, "LSE": int(self.uses_lse)})

    def run(self) -> Point:
        """All seeds."""
        samples = [self.sample(seed) for seed in self.seeds]
        return point(self.scenario, self.pes, load_profile(self.profile).clock_hz, samples, self.rounds, self.family, self.issuers)

    def sample(self, seed: int) -> Sample:
        """One run. Raises SimulatorError unless it ends as its kernel promises, with every round in the log."""
        chosen = benchmark(self.benchmark)
        built_in = kernel(chosen.kernel)
        constants = build_constants(built_in, pes=self.pes, ram_bytes=RAM_BYTES, seed=seed, rounds=self.rounds, warmup=self.warmup, 
                                    defined={**self.constants, "LSE": int(self.uses_lse)})
        words = tuple(sorted((name, value) for name, value in constants.items() if name != SEED))
        image = seeded_build(built_in.name, True, (), words, takes_seed=True).image(seed)
        after = [name for name in AFTERWARDS if name in image.symbols][:1]
        machine = Machine(pes=self.pes, profile=self.profile, seed=seed, ram_bytes=RAM_BYTES, interleaving=self.fidelity, events=EVENTS, **built_in.machine)
        machine.load(image, marks=[*chosen.marks, *after])
        run = _Run(machine, self.label(seed), self.budget_cycles)
        for _ in range(self.warmup * self.issuers + 1):
            run.to(self.start_mark)
        before, first_event = run.counters(), run.events
        if after:
            run.to(after[0])
        counters, last_event = run.counters(), run.events
        result = run.to(None)
        return self._sample(seed, machine, result, chosen, constants, (before, counters), (first_event, last_event), run.host_seconds)

    def _sample(self, seed: int, machine: Machine, result: Result, chosen: Benchmark, constants: Mapping[str, int], counters: tuple[Counters, Counters],
                events: tuple[int, int], host_seconds: float) -> Sample:
        log = result.events.array()
        acknowledged = log[(log["kind"] == EVENT_ACKNOWLEDGED) & (log["aux"] == SGI_INTIDS[chosen.name])]
        noted = {ACKNOWLEDGED: acknowledged, TLBI_ARRIVED: arrivals(log, machine.state.machine[0], self.pes, self.issuers)}
        found = chosen.samples(mark_array(chosen, machine.watched, log[log["kind"] == EVENT_MARK], noted), constants)
        if len(found) != 1:
            raise SimulatorError(f"{self.label(seed)}: {len(found)} scenarios ran in place of one")
        stacks: dict[str, Stack] = {}
        members = {INITIATOR: range(self.issuers), OTHERS: range(self.issuers, self.pes), EVERYONE: range(self.pes)}
        for part, pes in members.items():
            during = log[events[0]:events[1]]
            during = during[np.isin(during["pe"], list(pes))]
            waited = int(during["a"][during["kind"] == EVENT_TLBI_COMPLETE].sum())
            woken = during["aux"][during["kind"] == EVENT_WAKE]
            costs = machine.state.machine[0]
            waking = sum(int(np.count_nonzero(woken == status)) * int(costs[cost]) for status, cost in WAKING)
            stacks[part] = stack(*counters, list(pes), {"barrier wait": waited, "waking": waking})
        return _as_sample(seed, found[0], stacks, host_seconds)

    def label(self, seed: int) -> str:
        """The run, in words, for messages about it."""
        constants = " ".join(f"--define {name}={value}" for name, value in {**self.constants, "LSE": int(self.uses_lse)}.items())
        return (f"bench {self.benchmark}, {self.scenario} on {self.pes} PEs (quiesce run {benchmark(self.benchmark).kernel} --pes {self.pes} --profile "
                f"{self.profile} --fidelity {self.fidelity} --seed {seed} --rounds {self.rounds} --warmup {self.warmup} {constants})")


def _as_sample(seed: int, found: Samples, stacks: dict[str, Stack], host_seconds: float) -> Sample:
    nobody = np.zeros((found.rounds, 0), np.int64)
    return Sample(seed=seed, total_cycles=found.total_cycles,
                  delivery_cycles=nobody if found.delivery_cycles is None else found.delivery_cycles[:, None],
                  operation_cycles=nobody if found.operation_cycles is None else found.operation_cycles,
                  rounds=Rounds(found.phases, found.start_cycles, found.end_cycles), stacks=stacks, host_seconds=host_seconds,
                  left_out=found.left_out)


class _Run:
    """A machine on its way through a benchmark."""

    def __init__(self, machine: Machine, label: str, budget_cycles: int) -> None:
        self._machine, self._label, self._budget_cycles = machine, label, budget_cycles
        self.host_seconds = 0.0
        self.events = 0                 # in the log so far

    def to(self, mark: str | None) -> Result:
        """Go on until a PE is about to pass a mark, or to the end. Raises SimulatorError if the run ends otherwise or lost events."""
        result = self._machine.run(self._budget_cycles, until=mark)
        self.host_seconds += result.host_seconds
        self.events = len(result.events)
        verdict = result.verdict
        if verdict.kind == INTERRUPTED:
            raise KeyboardInterrupt
        if result.events.dropped or result.events.lost:
            raise UserError(f"{self._label}: more events than a run keeps; give fewer --rounds and more --seeds")
        if not (verdict.kind == PAUSED if mark else verdict.kind == EXITED and verdict.exit_status == 0):
            raise SimulatorError(f"{self._label}: {verdict} in place of {mark or 'exit with status 0'}; no figure can be had from that")
        return result

    def counters(self) -> Counters:
        """What every PE has counted until now."""
        return Counters.of(self._machine.state.pes, self._machine.state.machine[0], self._machine.clock_cycles())


def run_all(tasks: Sequence[Task], jobs: int, show: Callable[[str], None] = lambda _label: None) -> list[Point]:
    """Every task, in the order given; `show` is told of each as it ends."""
    found: dict[int, Point] = {}
    if jobs == 1 or len(tasks) == 1:
        for number, task in enumerate(tasks):
            found[number] = task.run()
            show(found[number].label)
    else:
        with ProcessPoolExecutor(jobs) as pool:
            # the largest first, so that no process is left alone with one in the end
            waiting = {pool.submit(tasks[number].run): number for number in sorted(range(len(tasks)), key=lambda number: -tasks[number].pes)}
            try:
                for future in as_completed(waiting):
                    found[waiting[future]] = future.result()
                    show(found[waiting[future]].label)
            except BaseException:
                pool.shutdown(cancel_futures=True)          # one that failed is enough
                raise
    return [found[number] for number in range(len(tasks))]
