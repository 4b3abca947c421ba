"""The published figures, and what of ours stands beside each."""
import math
from dataclasses import dataclass

from sim.calibration.measurement import Broadcast, Call, Line, Load, Measurement, Shootdown, TLBMiss

GIVEN, FITTED, PREDICTED = "given", "fitted", "predicted"
CALL_SOURCE = "L4Re performance page, l4re.org/performance"
LINE_SOURCE = "github.com/nviennot/core-to-core-latency, README"
PI_SOURCE = "github.com/nviennot/core-to-core-latency, issue 44: Raspberry Pi 4"
IPI_SOURCE = "Y. Norov, IPI performance benchmark, linux-arm-kernel, 2017-12-19"
A53_SOURCE = "J. Hennessy, D. Patterson, Computer Architecture, 6th edition, 2.6; L1: github.com/ocxtal/insn_bench_aarch64, Raspberry Pi 3"
A72_SOURCE = "LLVM AArch64SchedA57.td (L1); chipsandcheese.com, Cortex-A72 article (L2)"
A76_SOURCE = "Cortex-A76 TRM (100798), A5.2.3"
N1_SOURCE = "WikiChip, Neoverse N1 (L1, L2); Arm learning path Memory Subsystem, ASCT latency-sweep on AWS Graviton2 (SLC, memory)"
ROCK_SOURCE = "github.com/ThomasKaiser/sbc-bench, results/41BH: ramlat on the Cortex-A55 and Cortex-A76 of an RK3588"
V1_SOURCE = "github.com/ocxtal/insn_bench_aarch64, results of AWS Graviton3"
N2_SOURCE = "LLVM AArch64SchedNeoverseN2.td, LoadLatency"
TLBI_SOURCE = "A. Arcangeli, arm64 TLBI broadcast, commit 78e8089e: almost linear in the CPUs that issue TLBIs"
TX2 = "thunderx2-like"


@dataclass(frozen=True, slots=True)
class Figure:
    """One published figure.

    least, most: equal unless a range was published; most may be infinite. tolerance: share of them by which ours may lie outside.
    how: GIVEN, the profile has the published figure itself, and the model, measured from inside, must give it back; FITTED, a figure of the
    profile for which nothing was published was chosen by this one; PREDICTED, nothing was. parameter: what was given or fitted.
    """

    key: str
    what: str
    profile: str
    unit: str
    least: float
    most: float
    tolerance: float
    how: str
    parameter: str
    source: str
    measurement: Measurement
    part: str = ""

    def error(self, ours: float) -> float:
        """By which share of the published figure ours is too large, or, negative, too small; 0 inside a range."""
        if ours > self.most:
            return ours / self.most - 1
        return ours / self.least - 1 if ours < self.least else 0.0

    def holds(self, ours: float) -> bool:
        """Whether ours is within the tolerance."""
        return abs(self.error(ours)) <= self.tolerance

    @property
    def published(self) -> str:
        """The figure as text: a number, a range, or a least."""
        if math.isinf(self.most):
            return f"> {self.least:g}"
        return f"{self.least:g}" if self.least == self.most else f"{self.least:g} to {self.most:g}"


def _call(profile: str, cycles: float, how: str, parameter: str = "") -> Figure:
    return Figure(f"call/{profile}", "call of the kernel and back (SVC)", profile, "cycles", cycles, cycles, 0.10, how, parameter, CALL_SOURCE,
                  Call(profile))


def _line(profile: str, last_pe: int, ns: float, how: str, parameter: str = "") -> Figure:
    return Figure(f"line/{profile}", "line to another PE, one way", profile, "ns", ns, ns, 0.10, how, parameter, LINE_SOURCE,
                  Line(profile, last_pe))


def _line_by_exclusives(profile: str, last_pe: int, ns: float, how: str, parameter: str) -> Figure:
    return Figure(f"line/{profile}", "line to another PE, one way, by exclusives", profile, "ns", ns, ns, 0.10, how, parameter, PI_SOURCE,
                  Line(profile, last_pe, lse=False))


def _load(profile: str, level: str, least: float, most: float, source: str, parameter: str, unit: str = "cycles") -> Figure:
    what = "load from memory" if level == "dram" else f"load that hits {level.upper()}"
    return Figure(f"{level}/{profile}", what, profile, unit, least, most, 0.10, GIVEN, parameter, source, Load(profile, level, unit))


def _tlb(key: str, what: str, profile: str, pages: int, cycles: float, how: str, parameter: str, source: str) -> Figure:
    return Figure(f"{key}/{profile}", what, profile, "cycles", cycles, cycles, 0.10, how, parameter, source, TLBMiss(profile, pages))


def _ipi(scenario: str, part: str, ns: float, how: str, parameter: str = "") -> Figure:
    return Figure(f"ipi/{scenario}/{part}".replace(" ", "-"), f"{scenario}: {part}", TX2, "ns", ns, ns, 0.25, how, parameter, IPI_SOURCE,
                  Broadcast(TX2, scenario), part)


FIGURES = (
    _call("cortex-a76", 138, FITTED, "costs.exception_entry_cycles"),
    _call("neoverse-n1", 142, PREDICTED),
    _call("cortex-a53", 230, FITTED, "costs.exception_entry_cycles"),
    _line("graviton2-like", 1, 47, GIVEN, "coherence.line_same_socket_ns"),
    _line("neoverse-v1", 1, 46, PREDICTED),
    _line_by_exclusives("cortex-a72", 1, 89.6, FITTED, "coherence.line_same_cluster_ns"),
    _line("kunpeng920-like", 4, 72, GIVEN, "coherence.line_same_socket_ns"),
    _load("cortex-a53", "l1", 3, 3, A53_SOURCE, "memory.l1d_latency_cycles"),
    _load("cortex-a53", "l2", 13, 13, A53_SOURCE, "memory.l2_latency_cycles"),
    _tlb("micro-tlb-miss", "micro TLB missed, main TLB hit", "cortex-a53", 64, 2, GIVEN, "costs.l2_tlb_hit_cycles", A53_SOURCE),
    _tlb("main-tlb-miss", "main TLB missed", "cortex-a53", 2048, 20, FITTED, "costs.walk_step_cycles", A53_SOURCE),
    _load("cortex-a72", "l1", 4, 4, A72_SOURCE, "memory.l1d_latency_cycles"),
    _load("cortex-a72", "l2", 18, 21, A72_SOURCE, "memory.l2_latency_cycles"),
    _load("cortex-a55", "l1", 2, 3, ROCK_SOURCE, "memory.l1d_latency_cycles"),
    _load("cortex-a55", "slc", 29, 31, ROCK_SOURCE, "memory.slc_latency_cycles"),
    _load("cortex-a76", "l1", 4, 4, ROCK_SOURCE, "memory.l1d_latency_cycles"),
    _load("cortex-a76", "l2", 12, 12, ROCK_SOURCE, "memory.l2_latency_cycles"),
    _tlb("l1-tlb-miss", "L1 TLB missed, L2 TLB hit", "cortex-a76", 256, 3, GIVEN, "costs.l2_tlb_hit_cycles", A76_SOURCE),
    _load("neoverse-n1", "l1", 4, 4, N1_SOURCE, "memory.l1d_latency_cycles"),
    _load("neoverse-n1", "l2", 9, 11, N1_SOURCE, "memory.l2_latency_cycles"),
    _load("neoverse-n1", "slc", 72, 72, N1_SOURCE, "memory.slc_latency_cycles"),
    _load("neoverse-n1", "dram", 95, 95, N1_SOURCE, "memory.dram_ns", "ns"),
    _load("neoverse-n2", "l1", 4, 4, N2_SOURCE, "memory.l1d_latency_cycles"),
    _load("neoverse-v1", "l1", 4, 4, V1_SOURCE, "memory.l1d_latency_cycles"),
    _ipi("dry run", "total", 30, FITTED, "issue_cycles.system_read"),
    _ipi("self-IPI", "delivery", 304, FITTED, "costs.counter_read_cycles"),
    _ipi("self-IPI", "total", 656, PREDICTED),
    _ipi("normal IPI", "delivery", 5_670, FITTED, "costs.wfi_wake_cycles"),
    _ipi("normal IPI", "total", 6_310, PREDICTED),
    _ipi("broadcast IPI", "total", 23_200, PREDICTED),
    _ipi("broadcast IPI with lock", "total", 24_500, FITTED, "interconnect.sgi_per_target_ns"),
    Figure("tlbi/slope", "broadcast TLBI: more an issuer", "neoverse-n1", "ns", 1, math.inf, 0.0, PREDICTED, "", TLBI_SOURCE,
           Shootdown("neoverse-n1"), "slope"),
    Figure("tlbi/linear", "the same: R2 of a straight line", "neoverse-n1", "", 0.95, 1.0, 0.0, PREDICTED, "", TLBI_SOURCE,
           Shootdown("neoverse-n1"), "r2"),
)
