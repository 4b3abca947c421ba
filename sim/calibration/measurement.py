"""What is measured in guests, each in its own process if need be: immutable descriptions that can be pickled and compared."""
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from firmware.benchmarks import IPI_SCENARIOS, SHOOTDOWN_HOW
from sim.benchmarks.run import Task
from sim.experiments.measure import call_cycles, line_ns, load_cycles, ring_of_level, tlb_cycles
from sim.timing.profile import load_profile

IPI_PES = 112                           # the CPUs of the published benchmark
IPI_ROUNDS, IPI_WARMUP = 20, 5
ISSUERS, SHOOTDOWN_PES, SHOOTDOWN_ROUNDS = (1, 2, 4, 8, 16, 32), 32, 10


class Measurement(Protocol):
    """One measurement: hashable, so that figures that share it share its run. weight: about how many seconds it takes."""

    @property
    def weight(self) -> float: ...

    def run(self) -> Mapping[str, float]:
        """What was found, by part; the part of a measurement that finds one figure alone is ""."""
        ...


@dataclass(frozen=True, slots=True)
class Call:
    """A call of the kernel, in cycles."""

    profile: str

    @property
    def weight(self) -> float:
        """See Measurement."""
        return 1

    def run(self) -> Mapping[str, float]:
        """See Measurement."""
        return {"": call_cycles(self.profile)}


@dataclass(frozen=True, slots=True)
class Line:
    """A line between PE 0 and another, one way, in ns. lse: by compare and swap, else by exclusives."""

    profile: str
    last_pe: int
    lse: bool = True

    @property
    def weight(self) -> float:
        """See Measurement."""
        return 1

    def run(self) -> Mapping[str, float]:
        """See Measurement."""
        return {"": line_ns(self.profile, self.last_pe, lse=self.lse)}


@dataclass(frozen=True, slots=True)
class Load:
    """A load that hits a level, in cycles or ns."""

    profile: str
    level: str
    unit: str

    @property
    def weight(self) -> float:
        """See Measurement."""
        return 1

    def run(self) -> Mapping[str, float]:
        """See Measurement."""
        profile = load_profile(self.profile)
        cycles = load_cycles(self.profile, ring_of_level(profile, self.level))
        return {"": profile.ns_of_cycles(cycles) if self.unit == "ns" else cycles}


@dataclass(frozen=True, slots=True)
class TLBMiss:
    """What a load takes longer that misses TLBs with fewer entries than pages, in cycles."""

    profile: str
    pages: int

    @property
    def weight(self) -> float:
        """See Measurement."""
        return 3

    def run(self) -> Mapping[str, float]:
        """See Measurement."""
        return {"": tlb_cycles(self.profile, self.pages)}


@dataclass(frozen=True, slots=True)
class Broadcast:
    """A scenario of the IPI benchmark on as many PEs as the published one had: means over rounds, in ns, as published.

    The normal IPI goes to the first PE of the next core: the benchmark takes any online CPU but its own.
    """

    profile: str
    scenario: str

    @property
    def weight(self) -> float:
        """See Measurement."""
        return 4

    def run(self) -> Mapping[str, float]:
        """See Measurement."""
        profile = load_profile(self.profile)
        values = (("scenarios", 1 << IPI_SCENARIOS.index(self.scenario)), ("target", profile.coherence.cluster_pes), ("jitter", 0))
        sample = Task(benchmark="ipi", scenario=self.scenario, family=self.scenario, pes=IPI_PES, values=values,
                      profile=self.profile, rounds=IPI_ROUNDS, warmup=IPI_WARMUP).sample(0)
        found = {"total": profile.ns_of_cycles(float(np.mean(sample.total_cycles)))}
        if sample.delivery_cycles.size:
            found["delivery"] = profile.ns_of_cycles(float(np.mean(sample.delivery_cycles)))
        return found


@dataclass(frozen=True, slots=True)
class Shootdown:
    """Broadcast TLBIs by more and more PEs at once: the line through what each issuer waits on average, in ns."""

    profile: str

    @property
    def weight(self) -> float:
        """See Measurement."""
        return 5

    def run(self) -> Mapping[str, float]:
        """See Measurement."""
        profile = load_profile(self.profile)
        waited_ns = []
        for issuers in ISSUERS:
            values = (("how", SHOOTDOWN_HOW["tlbi"]), ("issuers", issuers), ("jitter", 0))
            sample = Task(benchmark="shootdown", scenario="tlbi", family="tlbi", pes=SHOOTDOWN_PES, values=values, profile=self.profile,
                          rounds=SHOOTDOWN_ROUNDS, warmup=2).sample(0)
            waited_ns.append(profile.ns_of_cycles(float(np.mean(sample.operation_cycles))))
        x, y = np.array(ISSUERS, np.float64), np.array(waited_ns)
        slope, base = np.polyfit(x, y, 1)
        rest, spread = y - (slope * x + base), y - y.mean()
        return {"slope": float(slope), "r2": float(1 - (rest @ rest) / (spread @ spread)) if spread.any() else 0.0}
