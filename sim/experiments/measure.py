"""What a guest measures of its own PE by its cycle counter: a call of the kernel, a load wherever it hits, a line on its way to another PE."""
from dataclasses import dataclass

from firmware.calibration import CHASE_PA, NUMBERS
from sim.arch.id_registers import LINE_BYTES
from sim.arch.memory_map import PAGE_BYTES, RAM_PA
from sim.errors import SimulatorError, UserError
from sim.experiments.trial import Trial
from sim.observers.verdict import EXITED
from sim.timing.profile import Profile, load_profile

LEVELS = ("l1", "l2", "slc", "dram")
CALLS, TURNS = 50, 200
LOADS_LEAST = 2048
RING_RAM_BYTES = 256 << 20
BUDGET_CYCLES = 200_000_000


@dataclass(frozen=True, slots=True)
class Ring:
    """Pointers that lead to each other: how many, bytes from one to the next, and whether they are mapped in pages of 4 KB."""

    lines: int
    stride_bytes: int
    paged: bool = False


def ring_of_level(profile: Profile, level: str) -> Ring:
    """A ring that a level of the memory hierarchy holds, and none that is nearer. Raises UserError if the profile has no such level.

    level: one of LEVELS. Each ring but the first leads to one set of the caches before its level, more often than these have ways.
    """
    caches, memory = profile.caches, profile.memory
    if level == "l1":
        return Ring(LINE_BYTES // 4, LINE_BYTES)
    held = [("l1", caches.l1d.size_bytes, caches.l1d.ways), ("l2", caches.l2.size_bytes, caches.l2.ways)]
    if memory.slc_bytes:
        held.append(("slc", memory.slc_bytes, memory.slc_ways))
    levels = [name for name, _, _ in held] + ["dram"]
    if level in levels:
        before = held[:levels.index(level)]
        _, size_bytes, ways = before[-1]
        ring = Ring(2 * max(ways for _, _, ways in before), size_bytes // ways)
        if CHASE_PA - RAM_PA + ring.lines * ring.stride_bytes > RING_RAM_BYTES:
            raise UserError(f"profile {profile.name}: a ring for {level} does not fit in RAM")
        return ring
    raise UserError(f"profile {profile.name} has no {level}")


def ring_of_pages(pages: int, paged: bool) -> Ring:
    """A line of each of so many pages, each in another set of the caches; the same lines without pages for comparison."""
    return Ring(pages, PAGE_BYTES + LINE_BYTES, paged)


def load_cycles(profile: str, ring: Ring, seed: int = 0) -> float:
    """Cycles from a load to the next, each of which needs the one before; every access goes through the caches."""
    loads = max(LOADS_LEAST, ring.lines)
    unrolled = NUMBERS["CHASE_UNROLLED"]
    constants = {"CHASE_LINES": ring.lines, "CHASE_STRIDE_BYTES": ring.stride_bytes, "CHASE_PAGED": int(ring.paged),
                 "CHASE_LOADS": -(-loads // unrolled) * unrolled}
    return _measured("measure_chase", profile, 1, seed, constants, interleaving="instruction", ram_bytes=RING_RAM_BYTES)


def tlb_cycles(profile: str, pages: int) -> float:
    """What a load costs more because the TLBs do not hold its page: a ring of so many pages against the same lines in blocks of 2 MB."""
    return load_cycles(profile, ring_of_pages(pages, True)) - load_cycles(profile, ring_of_pages(pages, False))


def call_cycles(profile: str, interleaving: str = "block") -> float:
    """Cycles of an SVC from EL0 to a kernel that saves all registers, finds the handler, and returns."""
    return _measured("measure_svc", profile, 1, 0, {}, rounds=CALLS, interleaving=interleaving)


def line_ns(profile: str, last_pe: int, interleaving: str = "block", lse: bool = True) -> float:
    """Nanoseconds for a line to travel one way between PE 0 and another, both of which compare and swap: by CASAL, or by LDAXR and STLXR."""
    cycles = _measured("measure_line", profile, last_pe + 1, 0, {"LSE": int(lse)}, rounds=TURNS, interleaving=interleaving)
    return load_profile(profile).ns_of_cycles(cycles)


def _measured(kernel: str, profile: str, pes: int, seed: int, constants: dict[str, int], *, rounds: int = 1, interleaving: str,
              ram_bytes: int = 64 << 20) -> float:
    """What a measuring kernel found: cycles for one of what it counts. Raises SimulatorError unless it ends as it promises."""
    trial = Trial(kernel, pes, rounds=rounds, constants=constants, profile=profile, interleaving=interleaving, events=(), ram_bytes=ram_bytes,
                  budget_cycles=BUDGET_CYCLES)
    verdict = trial.run(seed).verdict
    if verdict.kind != EXITED or verdict.exit_status != 0:
        raise SimulatorError(f"{kernel} on {profile}: {verdict} in place of exit with status 0 ({trial.command(seed)})")
    cycles, count = (trial.word(trial.constants["GLOBALS_VA"] + NUMBERS[name]) for name in ("G_MEASURED_CYCLES", "G_MEASURED_COUNT"))
    return cycles / count
