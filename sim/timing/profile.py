"""Core profiles: what a PE of a kind costs and has, read from TOML.

A profile is a file of facts, each with its source or the word `estimate` beside it. The built-in ones lie in `profiles/`; a user writes another by
copying one. Every key must be there and none may be unknown, so that a misspelt cost never counts as nothing.
"""

import tomllib
from dataclasses import dataclass, fields, is_dataclass
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Final, NamedTuple, get_args, get_origin, get_type_hints

from sim.arch.id_registers import HARDWARE_UPDATES, L1I_POLICIES, LINE_BYTES, PA_RANGES, Caches, Identity
from sim.arch.instruction import COST_CLASSES
from sim.errors import UserError

PROFILES_DIRECTORY: Final = Path(__file__).parent / "profiles"
REPLACEMENTS: Final = ("fifo", "random")
CYCLES_MOST: Final = 1_000_000                  # no single cost is longer: a slip of units, not a core
ENTRIES_MOST: Final = 65_536


class Range(NamedTuple):
    """A whole number's least and most, both allowed."""

    least: int
    most: int


class Choice(NamedTuple):
    """The values allowed."""

    allowed: tuple[object, ...]


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
    wfi_wake_cycles: Cycles                # from the event to the next instruction
    dsb_completion_cycles: Cycles          # a DSB with nothing to wait for
    tlbi_issue_cycles: Cycles              # at the issuer, for each TLBI
    tlbi_remote_base_cycles: Cycles        # broadcast TLBI to its arrival at another PE: base +
    tlbi_remote_per_pe_cycles: Cycles      # this for each PE that lies between (difference of their numbers)
    sgi_self_ns: Nanoseconds               # write of ICC_SGI1R_EL1 to signalled: at the sender,
    sgi_near_ns: Nanoseconds               # at a PE of the same Aff1,
    sgi_far_ns: Nanoseconds                # at any other PE


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

    Raises UserError, naming the file and the key, when there is no such profile or the file is not a complete and correct one.
    """
    text = str(name_or_path)
    if "/" in text or text.endswith(".toml"):
        path = Path(name_or_path)
    elif text in profile_names():
        path = PROFILES_DIRECTORY / f"{text}.toml"
    else:
        raise UserError(f"unknown profile {text!r}: built in are {', '.join(profile_names())}, or give the path of a .toml file")
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"profile {path}: {error.strerror or error}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"profile {path}: not TOML: {error}") from None
    reader = _Reader(str(path))
    profile: Profile = reader.build(Profile, table, "")
    reader.check_geometry(profile)
    return profile


class _Reader:
    """Turns tables into dataclasses; knows the file, so that every complaint names it."""

    def __init__(self, file: str) -> None:
        self.file = file

    def fail(self, message: str) -> UserError:
        return UserError(f"profile {self.file}: {message}")

    def build(self, kind: type[Any], table: object, where: str) -> Any:
        """An instance of a dataclass from a table whose keys are its fields; where is "" or ends in a dot."""
        if not isinstance(table, dict):
            raise self.fail(f"{where.rstrip('.')} must be a table")
        self.check_keys(table, [item.name for item in fields(kind)], where)
        hints = get_type_hints(kind, include_extras=True)
        return kind(**{name: self.value(hints[name], table[name], where + name) for name in hints})

    def check_keys(self, table: dict[str, object], expected: list[str], where: str) -> None:
        """Refuse what is unknown, with what was probably meant, then what is missing."""
        for key in table:
            if key not in expected:
                close = get_close_matches(key, expected, n=1)
                raise self.fail(f"unknown key {where}{key}" + (f" (did you mean {close[0]}?)" if close else ""))
        for key in expected:
            if key not in table:
                raise self.fail(f"missing key {where}{key}")

    def value(self, hint: Any, given: object, key: str) -> Any:
        """One value, checked against its type and its rule."""
        rule: object = _ARCHITECTURE_RULES.get(key.rpartition(".")[2])
        if get_origin(hint) is Annotated:
            hint, rule = get_args(hint)
        if isinstance(hint, type) and is_dataclass(hint):
            return self.build(hint, given, key + ".")
        if get_origin(hint) is MappingProxyType:
            return self.by_class(given, key)
        if type(given) is not hint:                         # type(), not isinstance(): true is no number
            raise self.fail(f"{key} must be {_TYPE_TEXT[hint]}, not {given!r}")
        if isinstance(rule, Choice) and given not in rule.allowed:
            raise self.fail(f"{key} must be one of {', '.join(str(choice) for choice in rule.allowed)}, not {given!r}")
        if isinstance(rule, Range) and isinstance(given, int) and not rule.least <= given <= rule.most:
            raise self.fail(f"{key} must be from {rule.least} to {rule.most}, not {given}")
        return given

    def by_class(self, given: object, key: str) -> MappingProxyType[str, int]:
        """A table of costs, one for each class of instruction."""
        if not isinstance(given, dict):
            raise self.fail(f"{key} must be a table")
        self.check_keys(given, list(COST_CLASSES), key + ".")
        return MappingProxyType({name: self.value(Cycles, given[name], f"{key}.{name}") for name in COST_CLASSES})

    def check_geometry(self, profile: Profile) -> None:
        """What no single key can say: sets must be a power of two, L1 TLBs fully associative, caches made of whole sets."""
        tlb = profile.tlb
        for name, geometry in (("l1i", tlb.l1i), ("l1d", tlb.l1d), ("l2", tlb.l2), ("walk_cache", tlb.walk_cache)):
            if geometry.entries % geometry.ways or not _is_power_of_two(geometry.sets):
                raise self.fail(f"tlb.{name}.entries must be tlb.{name}.ways times a power of two, not {geometry.entries}")
            if isinstance(geometry, TLBGeometry) and not _is_power_of_two(geometry.max_entry_bytes):
                raise self.fail(f"tlb.{name}.max_entry_bytes must be a power of two, not {geometry.max_entry_bytes}")
        for name, geometry in (("l1i", tlb.l1i), ("l1d", tlb.l1d)):
            if geometry.sets != 1:
                raise self.fail(f"tlb.{name}.ways must equal tlb.{name}.entries: level 1 TLBs are fully associative")
        for name, cache in (("l1i", profile.caches.l1i), ("l1d", profile.caches.l1d), ("l2", profile.caches.l2)):
            if cache.size_bytes % (cache.ways * LINE_BYTES) or not _is_power_of_two(cache.sets):
                raise self.fail(f"caches.{name}.size_bytes must be its ways times {LINE_BYTES} times a power of two, not {cache.size_bytes}")


_TYPE_TEXT: Final = {int: "a whole number", str: "a string", bool: "true or false"}


def _is_power_of_two(value: int) -> bool:
    return value > 0 and value & value - 1 == 0
