"""Core profiles: what a PE of a kind costs and has, read from TOML.

A profile is a file of figures; the comment of each says whether it is published, derived, fitted or an estimate. The built-in ones lie in `profiles/`; a
user writes another by copying one. Every key must be there and none may be unknown, so that a misspelt cost never counts as nothing.
"""

from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Final

from sim.arch.id_registers import HARDWARE_UPDATES, L1I_POLICIES, LINE_BYTES, PA_RANGES, Caches, Identity
from sim.arch.instruction import COST_CLASSES
from sim.errors import UserError
from sim.timing.profile_consistency import complaints
from sim.timing.profile_reader import Choice, Range, Reader

PROFILES_DIRECTORY: Final = Path(__file__).parent / "profiles"
REPLACEMENTS: Final = ("fifo", "random")
CYCLES_MOST: Final = 1_000_000                  # no single cost is longer: a slip of units, not a core
ENTRIES_MOST: Final = 65_536

Entries = Annotated[int, Range(1, ENTRIES_MOST)]
EntryBytes = Annotated[int, Range(4096, 1 << 40)]
Cycles = Annotated[int, Range(0, CYCLES_MOST)]
Nanoseconds = Annotated[int, Range(0, CYCLES_MOST)]


@dataclass(frozen=True, slots=True)
class TLBGeometry:
    """One TLB: entries in ways (ways == entries: fully associative); blocks larger than max_entry_bytes are held in pieces of that size."""

    entries: Entries
    ways: Entries
    max_entry_bytes: EntryBytes

    @property
    def sets(self) -> int:
        """Number of sets, a power of two."""
        return self.entries // self.ways


@dataclass(frozen=True, slots=True)
class WalkCacheGeometry:
    """The cache of table descriptors."""

    entries: Entries
    ways: Entries

    @property
    def sets(self) -> int:
        """Number of sets, a power of two."""
        return self.entries // self.ways


@dataclass(frozen=True, slots=True)
class TLBs:
    """The TLBs of a PE. Both L1 TLBs are fully associative; replacement is that of all of them: "fifo" or "random" (seeded)."""

    replacement: Annotated[str, Choice(REPLACEMENTS)]
    l1i: TLBGeometry
    l1d: TLBGeometry
    l2: TLBGeometry
    walk_cache: WalkCacheGeometry


@dataclass(frozen=True, slots=True)
class Costs:
    """What is charged beyond the issue of an instruction, in cycles of the PE or, for what happens outside it, in nanoseconds."""

    l2_tlb_hit_cycles: Cycles              # an L1 TLB miss that hits L2
    walk_step_cycles: Cycles               # one descriptor read in a walk
    exception_entry_cycles: Annotated[int, Range(1, CYCLES_MOST)]   # at least 1: a vector that faults on itself must use up a budget
    exception_return_cycles: Cycles
    interrupt_recognition_cycles: Cycles    # from signalled to taken, before exception entry
    wfi_wake_cycles: Cycles                # from the end of the wait to the next instruction
    wfe_wake_cycles: Cycles                # the same of WFE: nothing has been switched off
    counter_read_cycles: Cycles            # CNTVCT_EL0 or CNTPCT_EL0, beyond that of a system register: the counter is outside of the core
    dsb_completion_cycles: Cycles          # a DSB with nothing to wait for
    tlbi_issue_cycles: Cycles              # at the issuer, for each TLBI


@dataclass(frozen=True, slots=True)
class Interconnect:
    """Messages between PEs: DVM messages of broadcast TLBIs and of DSBs that complete them, SGIs through the distributor."""

    dvm_same_cluster_ns: Nanoseconds       # one way by the home node: to a PE of the same cluster,
    dvm_same_socket_ns: Nanoseconds        # of another cluster of the same socket,
    dvm_other_socket_ns: Nanoseconds       # of another socket
    dvm_snoop_ns: Nanoseconds              # from its arrival at a PE to the answer
    dvm_occupancy_ns: Nanoseconds          # from one message that the home node begins to the next
    dvm_credits: Annotated[int, Range(1, 64)]               # broadcasts that a PE may have outstanding
    sgi_self_ns: Nanoseconds               # write of ICC_SGI1R_EL1 to signalled: at the sender,
    sgi_near_ns: Nanoseconds               # at a PE of the same Aff1,
    sgi_far_ns: Nanoseconds                # at any other PE
    sgi_occupancy_ns: Nanoseconds          # from one write of ICC_SGI1R_EL1 that the distributor begins to the next, at least
    sgi_per_target_ns: Nanoseconds         # from one target of a write to the next


@dataclass(frozen=True, slots=True)
class Pipeline:
    """How instructions of a block overlap, and what a branch that was not predicted costs."""

    in_order: bool                         # an instruction waits for those before it that it depends on, and so do all behind it
    issue_width: Annotated[int, Range(1, 16)]               # instructions that may begin in one cycle
    window_instructions: Annotated[int, Range(1, 1024)]     # out of order: how far ahead of the oldest unfinished one; in order: 1
    load_ports: Annotated[int, Range(1, 8)]                 # loads that may begin in one cycle
    store_ports: Annotated[int, Range(1, 8)]                # stores that may begin in one cycle
    mispredict_cycles: Cycles              # from the branch to the first instruction of the right path
    predictor_entries: Annotated[int, Range(1, 4096)]       # two-bit counters of conditional branches, a power of two
    return_stack_entries: Annotated[int, Range(1, 64)]      # calls whose return address is predicted


@dataclass(frozen=True, slots=True)
class Memory:
    """Latency of each level of the memory hierarchy, from the load to its use."""

    l1d_latency_cycles: Cycles
    l2_latency_cycles: Cycles
    l2_pes: Annotated[int, Range(1, 256)]  # PEs that share one L2 cache
    slc_bytes: Annotated[int, Range(0, 1 << 32)]            # system-level cache, for all PEs of a socket; 0 = none
    slc_ways: Annotated[int, Range(1, 1024)]
    slc_latency_cycles: Cycles
    dram_ns: Nanoseconds
    store_buffer_entries: Annotated[int, Range(1, 256)]     # stores under way that cost nothing until there are more


@dataclass(frozen=True, slots=True)
class Coherence:
    """What it costs when a line is somewhere else, and how PEs are grouped."""

    cluster_pes: Annotated[int, Range(1, 256)]
    socket_pes: Annotated[int, Range(1, 256)]
    line_same_cluster_ns: Nanoseconds      # one way: a line that another PE has changed, of the same cluster,
    line_same_socket_ns: Nanoseconds       # of another cluster of the same socket,
    line_other_socket_ns: Nanoseconds      # of another socket
    read_occupancy_ns: Nanoseconds         # time for which a read of a shared line keeps the next request waiting
    invalidate_ns: Nanoseconds             # making a shared line one's own when others hold it, besides the transfer
    far_atomics: bool                      # atomics without a result wanted soon are done at the home of a shared line
    far_atomic_ns: Nanoseconds             # such an atomic


@dataclass(frozen=True, slots=True)
class Profile:
    """One kind of core. `issue_cycles` and `latency_cycles` have a figure for each name in COST_CLASSES."""

    name: str
    description: str
    clock_hz: Annotated[int, Range(1_000_000, 10_000_000_000)]
    cntfrq_hz: Annotated[int, Range(1_000_000, 1_000_000_000)]
    issue_cycles: MappingProxyType[str, int]
    latency_cycles: MappingProxyType[str, int]
    pipeline: Pipeline
    tlb: TLBs
    costs: Costs
    memory: Memory
    coherence: Coherence
    interconnect: Interconnect
    identity: Identity
    caches: Caches

    def cycles_of_ns(self, duration_ns: float) -> int:
        """A duration in this core's cycles, to the nearest."""
        return round(duration_ns * self.clock_hz / 1e9)

    def ns_of_cycles(self, cycles: float) -> float:
        """A number of this core's cycles in nanoseconds."""
        return cycles * 1e9 / self.clock_hz


# Rules of the fields of Identity and CacheGeometry, which belong to sim.arch and know nothing of profiles.
_ARCHITECTURE_RULES: Final[dict[str, Range | Choice]] = {
    "midr": Range(0, (1 << 32) - 1), "revidr": Range(0, (1 << 32) - 1), "pa_bits": Choice(tuple(PA_RANGES)), "bbm_level": Range(0, 3),
    "hardware_update": Choice(HARDWARE_UPDATES), "l1i_policy": Choice(tuple(L1I_POLICIES)),
    "size_bytes": Range(LINE_BYTES, 1 << 32), "ways": Range(1, 1024),
}


def profile_names() -> list[str]:
    """Names of the built-in profiles, sorted."""
    return sorted(path.stem for path in PROFILES_DIRECTORY.glob("*.toml"))


def load_profile(name_or_path: str | Path) -> Profile:
    """The built-in profile of a name, or the one in a file (anything with a `/` or ending in `.toml`).

    Raises UserError, naming the file, the line and the key, when there is no such profile or the file is not a complete and correct one.
    """
    reader, profile = _read(name_or_path)
    if profile is None:
        raise UserError(reader.texts()[0])
    return profile


def check_profile(name_or_path: str | Path) -> list[str]:
    """Everything that is wrong with a profile, a line each; none if it is complete and correct.

    A profile is held together as a whole only once each of its keys is right. Raises UserError if it is not there or no TOML.
    """
    return _read(name_or_path)[0].texts()


def _read(name_or_path: str | Path) -> tuple[Reader, Profile | None]:
    text = str(name_or_path)
    if "/" in text or text.endswith(".toml"):
        path = Path(name_or_path)
    elif text in profile_names():
        path = PROFILES_DIRECTORY / f"{text}.toml"
    else:
        raise UserError(f"unknown profile {text!r}: built in are {', '.join(profile_names())}, or give the path of a .toml file")
    reader = Reader(path, COST_CLASSES, Cycles, _ARCHITECTURE_RULES)
    profile: Profile | None = reader.read(Profile)
    if profile is not None:
        for key, message in complaints(profile):
            reader.complain(key, message)
    return reader, None if reader.problems else profile
