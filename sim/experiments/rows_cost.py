"""Rows of the matrix about cost: what schemes cost with more PEs, and the shape of figures that are calibrated elsewhere."""
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from firmware.schemes import SCHEMES
from sim.experiments.compare_run import Measured, measure, memory_at_ready, scheme_trial
from sim.experiments.measure import call_cycles, line_ns
from sim.experiments.row import Row, Seen, Unexpected, expect
from sim.experiments.trial import Trial

COST_PES = (2, 4, 8, 16, 32, 64)
COST_ROUNDS = 2
LINEAR_R2 = 0.99
RENDEZVOUS_PES = (2, 8, 32, 112)
#: Published: cycles of a call of the kernel and back (l4re.org/performance), ns of a line to another PE and the last of the two PEs
#: (github.com/nviennot/core-to-core-latency); and by which share ours may differ. `quiesce calibrate` has all that was published.
CALL_CYCLES = {"cortex-a76": 138, "neoverse-n1": 142, "cortex-a53": 230}
LINE_NS = {"graviton2-like": (47, 1), "neoverse-v1": (46, 1), "kunpeng920-like": (72, 4)}
CALIBRATED_SHARE = 0.10


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one scheme, by number of PEs: cycles of a promotion on PE 0, cycles that all others lost by it, SGIs that PE 0 sent beyond the load's."""

    promote: npt.NDArray[np.float64]
    lost: npt.NDArray[np.float64]
    sgis: tuple[int, ...]
    window_tlbis: tuple[int, ...]
    faults: tuple[int, ...]


def cost_of(number: str) -> Cost:
    """Measure the scheme of that number, "SC-4", the first one if several have it, on each of COST_PES. Raises Unexpected if it is not sound there."""
    names = [scheme.name for scheme in SCHEMES if scheme.number == number]
    expect(bool(names), f"there is no scheme {number}")
    found: list[Measured] = []
    sgis = []
    for pes in COST_PES:
        trial = scheme_trial(names[0], pes, COST_ROUNDS, "cortex-a72", LOAD_WALK_BLOCKS=0)
        ready = trial.at_ready()
        expect(ready is not None, f"{names[0]} on {pes} PEs does not come to its load")
        before = int(ready.state.pes[0]["n_sgi_sent"]) if ready is not None else 0
        one = measure(trial, memory_at_ready(trial), seed=pes)
        expect(one.outcome == "ok", f"{names[0]} on {pes} PEs: {one.outcome}")
        found.append(one)
        machine = trial.machine
        sgis.append(int(machine.state.pes[0]["n_sgi_sent"]) - before - (pes - 1) if machine is not None else 0)
    return Cost(np.array([np.mean(one.promote_cycles) for one in found]), np.array([np.mean(one.lost_promote_cycles) for one in found]),
                tuple(sgis), tuple(one.window_tlbis for one in found), tuple(one.faults for one in found))


def line(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Slope of the line through points by least squares, and the share r2 of the variance that it explains."""
    slope, base = np.polyfit(x, y, 1)
    rest = y - (slope * x + base)
    return float(slope), float(1 - (rest @ rest) / ((y - y.mean()) @ (y - y.mean())))


def cost_table(_seeds: int) -> Seen:
    """T-49. Parking costs every PE its time, a flag costs nothing when the kernel runs, a change without a window is a store and TLBIs."""
    pes = np.array(COST_PES, np.float64)
    try:
        park, flag, direct = cost_of("SC-4"), cost_of("SC-9"), cost_of("SC-15")
        each = park.lost / (pes - 1)
        slope, r2 = line(pes, each)
        expect(slope > 0 and r2 > LINEAR_R2, f"SC-4: the time that each of the others loses grows by {slope:.0f} cycles a PE with r2 {r2:.4f}")
        expect(all(count > 0 for count in park.sgis), f"SC-4: SGIs sent by the initiator: {park.sgis}")
        for name, cost in (("SC-9", flag), ("SC-15", direct)):
            expect(not cost.lost.any() and not any(cost.faults), f"{name}: the others lose {cost.lost.tolist()} cycles, faults {cost.faults}")
            expect(not any(cost.sgis), f"{name}: SGIs {cost.sgis}")
            expect(not any(cost.window_tlbis), f"{name}: TLBIs in a window over a pcpu: {cost.window_tlbis}")
        expect(bool((flag.promote < direct.promote).all() and (direct.promote < park.promote).all()),
               f"a promotion on PE 0: SC-9 {flag.promote.tolist()}, SC-15 {direct.promote.tolist()}, SC-4 {park.promote.tolist()} cycles")
    except Unexpected as unexpected:
        return Seen(False, str(unexpected))
    shown = [f"n={count}: {cycles:.0f} + {lost:.0f}" for count, cycles, lost in zip(COST_PES, park.promote, each, strict=True)]
    return Seen(True, f"SC-4 (PE 0 + lost by each of the others, cycles a promotion): {', '.join(shown)}; {slope:.0f} a PE, r2 {r2:.4f} | "
                      f"SC-9: nothing lost, no SGI, no window | SC-15: {direct.promote[0]:.0f} to {direct.promote[-1]:.0f} cycles on PE 0, "
                      "nothing lost, no SGI, no window", 3 * len(COST_PES))


def rendezvous_cycles(pes: int) -> float:
    """From the SGIs until everybody is through, on PE 0."""
    trial = Trial("rendezvous", pes, rounds=5, events=())
    events = trial.run(0).events.of("mark")
    watched = trial.machine.watched if trial.machine is not None else []
    sent, done = (events["cycle"][events["a"] == watched.index(name)].astype(np.int64) for name in ("mark_sgi_sent", "mark_all_done"))
    return float(np.median(done - sent))


def calibration_in_shape(_seeds: int) -> Seen:
    """T-50. Calls of the kernel and lines between PEs take what was measured on hardware; gathering more PEs takes longer."""
    calls = {profile: call_cycles(profile) for profile in CALL_CYCLES}
    lines = {profile: line_ns(profile, last_pe) for profile, (_, last_pe) in LINE_NS.items()}
    gathered = [rendezvous_cycles(pes) for pes in RENDEZVOUS_PES]
    try:
        for profile, cycles in calls.items():
            known = CALL_CYCLES[profile]
            expect(abs(cycles / known - 1) <= CALIBRATED_SHARE, f"{profile}: {cycles:.0f} cycles a call, {known} published")
        for profile, ns in lines.items():
            known = LINE_NS[profile][0]
            expect(abs(ns / known - 1) <= CALIBRATED_SHARE, f"{profile}: a line takes {ns:.1f} ns, {known} published")
        expect(gathered == sorted(gathered) and gathered[-1] > gathered[0], f"cycles of a rendezvous on {RENDEZVOUS_PES} PEs: {gathered}")
    except Unexpected as unexpected:
        return Seen(False, str(unexpected))
    shown = [*(f"{profile} {cycles:.0f} cycles a call" for profile, cycles in calls.items()),
             *(f"{profile} {ns:.1f} ns a line" for profile, ns in lines.items())]
    return Seen(True, f"{'; '.join(shown)}; rendezvous of {', '.join(map(str, RENDEZVOUS_PES))} PEs: "
                      f"{', '.join(f'{cycles:.0f}' for cycles in gathered)} cycles", len(calls) + len(lines) + len(gathered))


ROWS = (
    Row("T-49", "cost of SC-4, SC-9 and SC-15 on 2 to 64 PEs", "SC-9 nothing at run time; SC-4 about linear in n; SC-15 a plain store and TLBIs", cost_table),
    Row("T-50", "call of the kernel and back, line transfer, broadcast",
        "138 (A76), 142 (N1), 230 (A53) cycles a call, 47, 46, 72 ns a line, each within 10 %; a broadcast grows with n", calibration_in_shape),
)
