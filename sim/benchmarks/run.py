"""Runs of a benchmark: one scenario on one number of PEs, over seeds; and many of those, over processes.

A run goes to its end, and its log says when the measured rounds began and ended. Then it is made again, as far as there, and looked at when
they begin and when they end: the stack of cycles is the difference. So the machine never has to look out for a mark, which would keep PEs
from running ahead of each other and from sleeping where they spin. Same arguments, same result, whatever the number of processes.
"""
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass

import numpy as np

from firmware.benchmarks import ACKNOWLEDGED, SGI_INTIDS, TLBI_ARRIVED, Samples, benchmark, mark_array
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
from sim.observers.verdict import BUDGET, EXITED, INTERRUPTED
from sim.result import Result
from sim.settings import BUDGET_DEFAULT_CYCLES
from sim.state.dtypes import STATUS_WFE, STATUS_WFI
from sim.state.events import EVENT_ACKNOWLEDGED, EVENT_MARK, EVENT_WAKE
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
        """One run, and the same once more to look at the counters. Raises SimulatorError unless it ends as its kernel promises, with every round in the log."""
        chosen, built_in, constants = benchmark(self.benchmark), kernel(benchmark(self.benchmark).kernel), self.build_constants(seed)
        words = tuple(sorted((name, value) for name, value in constants.items() if name != SEED))
        image = seeded_build(built_in.name, True, (), words, takes_seed=True).image(seed)
        after = [name for name in AFTERWARDS if name in image.symbols][:1]

        def loaded(events: tuple[str, ...]) -> _Run:
            machine = Machine(pes=self.pes, profile=self.profile, seed=seed, ram_bytes=RAM_BYTES, interleaving=self.fidelity, events=events, **built_in.machine)
            return _Run(machine.load(image, marks=[*chosen.marks, *after]), self.label(seed))

        run = loaded(EVENTS)
        log = run.to_end(self.budget_cycles).events.array()
        marks, watched = log[log["kind"] == EVENT_MARK], run.machine.watched
        passed = [marks["cycle"][marks["a"] == watched.index(name)] for name in (self.start_mark, *after)]
        if len(passed[0]) < (self.warmup + self.rounds) * self.issuers or not all(map(len, passed)):
            raise SimulatorError(f"{self.label(seed)}: {len(passed[0])} rounds began, and then nothing was checked; no figure can be had from that")
        begin, end = int(passed[0][self.warmup * self.issuers]), int(passed[-1][0] if after else log["cycle"][-1])
        again = loaded(())
        counters = again.counters_at(begin), again.counters_at(end)
        noted = {ACKNOWLEDGED: log[(log["kind"] == EVENT_ACKNOWLEDGED) & (log["aux"] == SGI_INTIDS[chosen.name])],
                 TLBI_ARRIVED: arrivals(log, run.machine.state.machine[0], self.pes, self.issuers)}
        found = chosen.samples(mark_array(chosen, watched, marks, noted), constants)
        if len(found) != 1:
            raise SimulatorError(f"{self.label(seed)}: {len(found)} scenarios ran in place of one")
        members = {INITIATOR: range(self.issuers), OTHERS: range(self.issuers, self.pes), EVERYONE: range(self.pes)}
        woken = log[(log["kind"] == EVENT_WAKE) & (log["cycle"] >= begin) & (log["cycle"] < end)]
        costs = run.machine.state.machine[0]
        stacks = {}
        for part, pes in members.items():
            how = woken["aux"][np.isin(woken["pe"], list(pes))]
            waking = sum(int(np.count_nonzero(how == status)) * int(costs[cost]) for status, cost in WAKING)
            stacks[part] = stack(*counters, list(pes), {"waking": waking})
        return _as_sample(seed, found[0], stacks, run.host_seconds + again.host_seconds)

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

    def __init__(self, machine: Machine, label: str) -> None:
        self.machine, self._label = machine, label
        self.host_seconds = 0.0

    def to_end(self, budget_cycles: int) -> Result:
        """Go on to the end. Raises SimulatorError if that is not the kernel's own, UserError if events were lost."""
        result = self._to(budget_cycles)
        if result.events.dropped or result.events.lost:
            raise UserError(f"{self._label}: more events than a run keeps; give fewer --rounds and more --seeds")
        if result.verdict.kind != EXITED or result.verdict.exit_status != 0:
            raise SimulatorError(f"{self._label}: {result.verdict} in place of exit with status 0; no figure can be had from that")
        return result

    def counters_at(self, cycle: int) -> Counters:
        """What every PE has counted by a cycle, at which the machine stops."""
        result = self._to(cycle)
        if result.verdict.kind != BUDGET:
            raise SimulatorError(f"{self._label}: {result.verdict} before cycle {cycle}, though the same run came there before")
        return Counters.of(self.machine.state.pes, self.machine.state.machine[0], self.machine.clock_cycles())

    def _to(self, budget_cycles: int) -> Result:
        result = self.machine.run(budget_cycles)
        self.host_seconds += result.host_seconds
        if result.verdict.kind == INTERRUPTED:
            raise KeyboardInterrupt
        return result


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
