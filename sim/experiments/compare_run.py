"""One run of a scheme under the load of asm/scheme_load.inc: what it cost and whether it went well, from the event log and from memory.

Durations are in cycles of the profile's clock. A change is what PE 0 does between mark_demote_begin and mark_demote_end or the like:
allocator and pmap included, since a scheme may put its cost anywhere in there.
"""
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from firmware.layout import BLOCK_BYTES, DESCRIPTOR_FIELDS, PAGE_BYTES, VM_PAGE_BYTES, VM_PAGE_FLAGS
from sim.arch.vectors import TABLE_BYTES
from sim.errors import UserError
from sim.experiments.trial import READY, Trial
from sim.machine import Machine
from sim.observers.entries import Events
from sim.result import Result
from sim.state.events import EVENT_ENTRY, EVENT_FILL, EVENT_MARK, EVENT_RETURN, EVENT_TLBI, EVENT_WALK
from sim.tables import mapped_leaves

EVENTS = ("entry", "return", "tlbi", "fill", "walk")
SYNC_EL1, LOWER_EL = 0x200, 0x400
RAM_BYTES, RAM_OF_A_PE_BYTES, RAM_MOST_BYTES = 32 << 20, 4 << 20, 1 << 30       # a PE may want a block of its own, whole and aligned
BUDGET_CYCLES, BUDGET_OF_A_ROUND_CYCLES = 20_000_000, 600_000
EXIT_PANIC = 4
CONTIGUOUS, CONTIGUOUS_ENTRIES = DESCRIPTOR_FIELDS["DESC_CONTIGUOUS"], 16


@dataclass(frozen=True, slots=True)
class Memory:
    """What a scheme has taken from the pool of frames when the load begins, and what that means for a TLB.

    used_bytes: for the pages of all PEs but PE 0, with what the scheme needs beside them, tables included. wasted_bytes: the part of it that
    is beyond one pcpu for each of them. pcpu_vas: VA of the pcpu of each PE but PE 0.
    """

    used_bytes: int
    wasted_bytes: int
    pcpu_vas: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Walk:
    """The walk of kernel memory in the end: reads, how many missed L1 and L2; bytes that one mapping covers on average."""

    reads: int
    l1_misses: int
    l2_misses: int
    entry_bytes: float


@dataclass(frozen=True, slots=True)
class Measured:
    """One run. outcome: "ok", or in a word what went wrong. lost_*: of each change, the cycles that the other PEs together lost by it.

    faults: synchronous exceptions from EL1, but for those of a vector itself, which are the end; healed: those that a handler answered by a retry. window_tlbis: the most TLBIs in a window over a pcpu.
    """

    seed: int
    outcome: str
    promote_cycles: tuple[int, ...]
    demote_cycles: tuple[int, ...]
    lost_promote_cycles: tuple[int, ...]
    lost_demote_cycles: tuple[int, ...]
    faults: int
    healed: int
    counts: dict[str, int]
    window_tlbis: int
    walk: Walk | None
    load_cycles: int
    host_seconds: float


def scheme_trial(name: str, pes: int, rounds: int, profile: str, serror_period_cycles: int = 0, **constants: int) -> Trial:
    """A scheme under its load. serror_period_cycles: of the SErrors that each PE but PE 0 takes, 0 none. constants: of the assembly."""
    return Trial(name, pes, rounds=rounds, profile=profile, events=EVENTS, constants=constants,
                 ram_bytes=min(RAM_BYTES + (pes * RAM_OF_A_PE_BYTES if pes > 1 else 0), RAM_MOST_BYTES), serror_period_cycles=serror_period_cycles,
                 budget_cycles=BUDGET_CYCLES + rounds * BUDGET_OF_A_ROUND_CYCLES)


def load_word(trial: Trial, machine: Machine, name: str) -> int:
    """What the load has counted under one of the names of LOAD_OFFSETS."""
    place = trial.constants["GLOBALS_PA"] + trial.constants["G_LOAD"] + trial.constants[name]
    return int.from_bytes(machine.read_physical(place, 8), "little")


def memory_at_ready(trial: Trial) -> Memory | None:
    """What the scheme has allocated; None if it does not come so far."""
    machine = trial.at_ready()
    if machine is None:
        return None
    known = trial.constants
    array_pa = known["VM_PAGE_ARRAY_VA"] - known["DMAP_OFFSET"]
    flags = np.frombuffer(machine.read_physical(array_pa, known["POOL_FRAMES"] * VM_PAGE_BYTES), "<u4")
    allocated = int(np.count_nonzero(flags & VM_PAGE_FLAGS["PG_ALLOCATED"]))
    blocks = known["LOAD_WALK_BLOCKS"]
    others = load_word(trial, machine, "LD_FILL_PAGES") + blocks * (BLOCK_BYTES // PAGE_BYTES)
    others += 1 + blocks + (load_word(trial, machine, "LD_WALK_PROMOTIONS") > 0)    # a table for each 2 MB, a page of the radix for those kept
    used_bytes = (allocated - others) * PAGE_BYTES
    return Memory(used_bytes, used_bytes - (trial.pes - 1) * known["PCPU_BYTES"],
                  tuple(view.system("TPIDR_EL1") for view in machine.pes[1:]))


def measure(trial: Trial, memory: Memory | None, seed: int) -> Measured:
    """Run once and look at what happened after mark_ready."""
    result = trial.run(seed)
    machine = trial.machine
    if machine is None:
        raise ValueError("a run leaves its machine")
    events = result.events.array()
    log = _Log(events, machine.watched)
    aborts = (events["kind"] == EVENT_ENTRY) & (events["aux"] == SYNC_EL1) & ~_in_vectors(machine, events["b"])
    lost = lost_intervals(events, machine.watched, trial.pes)
    promote, demote = log.changes("mark_promote_begin", "mark_promote_end"), log.changes("mark_demote_begin", "mark_demote_end")
    counts = {name: load_word(trial, machine, name) for name in ("LD_TICKS", "LD_SYSCALLS", "LD_SERRORS", "LD_LOST")}
    return Measured(
        seed, outcome(result, counts["LD_LOST"]), _durations(promote), _durations(demote), lost_by(promote, demote, lost), lost_by(demote, promote, lost),
        int(np.count_nonzero(aborts)), load_word(trial, machine, "LD_HEALED"), counts,
        window_tlbis(events, log, memory.pcpu_vas if memory else ()), _walk(trial, machine, events, log),
        result.cycles - log.ready_cycle, result.host_seconds)


def outcome(result: Result, registers_lost: int) -> str:
    """How a run ended, in a word or two; "ok" if nothing was lost."""
    kind, status = result.verdict.kind, result.exit_status
    if kind != "exited":
        return kind
    if registers_lost:
        return "register lost"
    if status == EXIT_PANIC:
        return "panic"
    return "ok" if status == 0 else f"status {status}"


def _in_vectors(machine: Machine, elr: npt.NDArray[np.uint64]) -> npt.NDArray[np.bool_]:
    """Which of these return addresses lie in the vector table."""
    inside: npt.NDArray[np.bool_] = elr - np.uint64(machine.address("vector_table_el1")) < np.uint64(TABLE_BYTES)
    return inside


class _Log:
    """The marks of PE 0 in an event log, from mark_ready on."""

    def __init__(self, events: Events, watched: Sequence[str]) -> None:
        self._numbers = {name: number for number, name in enumerate(watched)}
        self._marks = events[(events["kind"] == EVENT_MARK) & (events["pe"] == 0)]
        ready = self._cycles(READY)
        self.ready_cycle = int(ready[0]) if len(ready) else 0

    def _cycles(self, name: str) -> npt.NDArray[np.int64]:
        if name not in self._numbers:
            return np.zeros(0, np.int64)
        found: npt.NDArray[np.int64] = self._marks["cycle"][self._marks["a"] == self._numbers[name]].astype(np.int64)
        return found

    def changes(self, begin: str, end: str) -> npt.NDArray[np.int64]:
        """(n, 2): when each change began and ended; one that did not end is left out."""
        first, last = (cycles[cycles >= self.ready_cycle] for cycles in (self._cycles(begin), self._cycles(end)))
        return np.stack([first[:len(last)], last], axis=1)


def _durations(changes: npt.NDArray[np.int64]) -> tuple[int, ...]:
    return tuple((changes[:, 1] - changes[:, 0]).tolist())


def lost_intervals(events: Events, watched: Sequence[str], pes: int) -> npt.NDArray[np.int64]:
    """(n, 2): the times in which a PE but PE 0 was parked, or in a handler of a synchronous exception from EL1; of one PE they do not overlap."""
    parked = {watched.index(name): name == "mark_parked" for name in ("mark_parked", "mark_unparked") if name in watched}
    found = []
    for pe in range(1, pes):
        mine = events[(events["pe"] == pe) & np.isin(events["kind"], (EVENT_ENTRY, EVENT_RETURN, EVENT_MARK))]
        slots: list[int] = []
        depth, is_parked, since = 0, False, 0
        for cycle, _pe, kind, aux, a, _b, _c in mine.tolist():
            before = depth > 0 or is_parked
            if kind == EVENT_MARK:
                is_parked = parked.get(a, is_parked)
            elif kind == EVENT_ENTRY:
                if aux >= LOWER_EL:
                    slots.clear()
                slots.append(aux)
            elif slots:
                slots.pop()
            depth = slots.count(SYNC_EL1)
            after = depth > 0 or is_parked
            if after and not before:
                since = cycle
            elif before and not after:
                found.append((since, cycle))
    return np.array(sorted(found), np.int64).reshape(-1, 2)


def lost_by(changes: npt.NDArray[np.int64], others: npt.NDArray[np.int64], lost: npt.NDArray[np.int64]) -> tuple[int, ...]:
    """Of each change, the cycles lost in intervals that began from its begin until the next change's."""
    if not len(changes):
        return ()
    begins = np.sort(np.concatenate([changes[:, 0], others[:, 0]]))
    owner = np.searchsorted(begins, lost[:, 0], side="right") - 1
    sums = np.zeros(len(begins), np.int64)
    np.add.at(sums, owner[owner >= 0], (lost[:, 1] - lost[:, 0])[owner >= 0])
    return tuple(sums[np.searchsorted(begins, changes[:, 0])].tolist())


def window_tlbis(events: Events, log: _Log, pcpu_vas: Sequence[int]) -> int:
    """The most TLBIs that were issued between a break and its make, of those windows over any of these VAs."""
    most = 0
    windows = log.changes("mark_broken", "mark_make")
    issued = events[(events["kind"] == EVENT_TLBI) & (events["pe"] == 0)]
    for begin, end in windows.tolist():
        inside = issued[(issued["cycle"] >= begin) & (issued["cycle"] <= end)]
        if any(bool(((np.uint64(va) - inside["a"]) < inside["b"]).any()) for va in pcpu_vas):
            most = max(most, len(inside))
    return most


def _walk(trial: Trial, machine: Machine, events: Events, log: _Log) -> Walk | None:
    """What the walk did to the TLBs of PE 0; None if the run did not come so far."""
    spans = log.changes("mark_walk_begin", "mark_walk_end")
    if not len(spans):
        return None
    blocks = trial.constants["LOAD_WALK_BLOCKS"]
    run_va = load_word(trial, machine, "LD_LAST_VA") & ~(BLOCK_BYTES - 1)
    ranges = [(run_va, BLOCK_BYTES), *([(load_word(trial, machine, "LD_WALK_VA"), blocks * BLOCK_BYTES)] if blocks else [])]
    during = events[(events["pe"] == 0) & (events["cycle"] >= spans[0, 0]) & (events["cycle"] <= spans[0, 1])]
    fills, walks = (during[during["kind"] == kind] for kind in (EVENT_FILL, EVENT_WALK))
    size_bytes = sum(size for _, size in ranges)
    l1_misses, l2_misses = (int(np.count_nonzero(_inside(one["a"], ranges))) for one in (fills, walks))
    return Walk(size_bytes // PAGE_BYTES * trial.constants["LOAD_WALK_PASSES"], l1_misses, l2_misses,
                size_bytes / sum(_entries(machine, va, size) for va, size in ranges))


def _entries(machine: Machine, va: int, size_bytes: int) -> int:
    """How many blocks, contiguous runs and pages map a range now: as many entries a TLB needs for it."""
    view = machine.pes[0]
    leaves = mapped_leaves(lambda pa, count: _table(machine, pa, count), view.system("TCR_EL1"), view.system("TTBR1_EL1"), upper=True)
    inside = [leaf for leaf in leaves if va <= leaf.va < va + size_bytes]
    contiguous = sum(bool(leaf.descriptor & CONTIGUOUS) for leaf in inside)
    return len(inside) - contiguous + contiguous // CONTIGUOUS_ENTRIES


def _table(machine: Machine, pa: int, count: int) -> list[int] | None:
    try:
        data = machine.read_physical(pa, 8 * count)
    except UserError:                           # a table outside RAM maps nothing that is known
        return None
    return [int(word) for word in np.frombuffer(data, "<u8")]


def _inside(vas: npt.NDArray[Any], ranges: Sequence[tuple[int, int]]) -> npt.NDArray[np.bool_]:
    inside = np.zeros(len(vas), bool)
    for va, size_bytes in ranges:
        inside |= (vas - np.uint64(va)) < np.uint64(size_bytes)
    return inside
