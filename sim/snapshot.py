"""Snapshots of a machine: all of its state at a stop, to go back to as often as one likes.

Taking one and going back leave the machine in the same condition: soft TLBs empty and small, code translated anew where it may have to be. So what
follows is the same whether it is the first run after the snapshot or one after a restore. Pages of RAM are shared between snapshots; only
pages that may have changed since the last one was taken or restored are copied (`page_flags`, PAGE_TOUCHED).

One liberty is taken: instructions that were changed and not yet maintained (IC IVAU) are fetched anew after a snapshot, as they may be on
hardware at any time.
"""
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sim.arch.memory_map import PAGE_BYTES
from sim.engine.instance import Context, Instance
from sim.hot.soft_tlb import reset_soft_tlb
from sim.observers.verdict import Verdict
from sim.state import dtypes
from sim.state.arrays import State
from sim.trace.log import EventLog

_ARRAYS = ("machine", "pes", "l1i", "l1d", "l2", "l2_next", "walk_cache", "walk_cache_next", "walked", "passing", "residue", "tlbi_queue",
           "hidden_stores", "own_tlbi", "stale_code", "page_flags", "heap", "heap_position", "gic", "spi", "marks", "scratch", "pl011",
           "page_sharing", "announced", "store_buffer", "l1_cache", "l2_cache", "slc",
           "predictor", "return_stack", "branch_targets", "dvm_answers")
#: PE fields that say where a second engine instance is. It may have been made since; it holds no state between slices.
_STEPPER = ("stepper", "stepper_registers_address", "stepper_invalid_address", "stepper_exclusive_address")
_NO_DATA = np.zeros(PAGE_BYTES, np.uint8)


@dataclass(frozen=True, eq=False)
class Snapshot:
    """What `Machine.snapshot` gives; only the machine that it was taken of can go back to it. It holds no copy of anything that is constant.

    cycle: `Machine.clock_cycles()` when it was taken. pages: the pages of RAM that are not all zero, by number.
    """

    keeper: "SnapshotKeeper"
    cycle: int
    arrays: dict[str, npt.NDArray[Any]]
    contexts: list[Context]
    pages: dict[int, bytes]
    page_identities: npt.NDArray[np.int64]      # which object of `pages` each page of RAM is; 0 = all zero
    lines: dict[int, npt.NDArray[np.uint64]]    # where the copies of the lines of a page are; pages without an entry: nowhere
    code_copies: dict[int, npt.NDArray[np.uint64]]
    log: EventLog
    text: bytes
    verdict: Verdict | None
    schedule_stale: bool


class SnapshotKeeper:
    """Takes and restores the snapshots of one machine, and knows which of them RAM was last equal to."""

    def __init__(self, state: State, instances: list[Instance], steppers: dict[int, Instance]) -> None:
        self._state, self._instances, self._steppers = state, instances, steppers
        self._base: Snapshot | None = None

    def take(self, cycle: int, log: EventLog, text: bytes, verdict: Verdict | None, schedule_stale: bool) -> Snapshot:
        """Keep everything. The event ring must be empty."""
        state = self._state
        contexts = [Context(instance) for instance in self._instances]
        for context, instance in zip(contexts, self._instances, strict=True):
            context.save(instance)
        pages, identities = self._pages()
        state.page_flags &= 0xFF ^ dtypes.PAGE_TOUCHED
        copied = np.flatnonzero(state.page_flags & dtypes.PAGE_COPIED)
        snapshot = Snapshot(
            self, cycle, {name: getattr(state, name).copy() for name in _ARRAYS}, contexts, pages, identities, self._lines(),
            {page: self._code_copy(page).copy() for page in copied.tolist()}, log.copy(), text, verdict, schedule_stale)
        self._base = snapshot
        self._flush_code()
        self._empty_soft_tlbs()
        return snapshot

    def restore(self, snapshot: Snapshot) -> None:
        """Put back what arrays, engine instances and RAM held. Log, text and verdict are the machine's."""
        state, changed = self._state, self._changed(snapshot)
        executed = [flags & dtypes.PAGE_EXECUTED for flags in (state.page_flags, snapshot.arrays["page_flags"])]
        code_changed = bool((executed[0] & ~executed[1]).any()) or bool((executed[0] | executed[1])[changed].any())
        words = state.ram.view(np.uint64).reshape(-1, PAGE_BYTES // 8)
        empty = _NO_DATA.view(np.uint64)
        for page in changed.tolist():
            data = snapshot.pages.get(page)
            words[page] = empty if data is None else np.frombuffer(data, np.uint64)
        self._restore_lines(snapshot)
        for page, copy in snapshot.code_copies.items():
            self._code_copy(page)[:] = copy
        steppers = state.pes[list(_STEPPER)].copy()
        for name, saved in snapshot.arrays.items():
            np.copyto(getattr(state, name), saved)
        for name in _STEPPER:
            state.pes[name] = steppers[name]
        for context, instance in zip(snapshot.contexts, self._instances, strict=True):
            context.restore(instance)
        self._base = snapshot
        if code_changed:
            self._flush_code()
        self._empty_soft_tlbs()

    def owns(self, snapshot: Snapshot) -> bool:
        """Whether a snapshot was taken here."""
        return snapshot.keeper is self

    def _touched(self) -> npt.NDArray[np.int64]:
        """Pages that may differ from the snapshot RAM was last equal to."""
        return np.flatnonzero(self._state.page_flags & dtypes.PAGE_TOUCHED)

    def _pages(self) -> tuple[dict[int, bytes], npt.NDArray[np.int64]]:
        if self._base is None:
            pages: dict[int, bytes] = {}
            identities = np.zeros(len(self._state.page_flags), np.int64)
        else:
            pages, identities = dict(self._base.pages), self._base.page_identities.copy()
        for page, data in self._contents(self._touched().tolist()):
            if data.any():
                pages[page] = data.tobytes()
                identities[page] = id(pages[page])
            else:
                pages.pop(page, None)
                identities[page] = 0
        return pages, identities

    def _contents(self, pages: Iterable[int]) -> Iterator[tuple[int, npt.NDArray[np.uint8]]]:
        return ((page, self._state.ram[page * PAGE_BYTES : (page + 1) * PAGE_BYTES]) for page in pages)

    def _changed(self, snapshot: Snapshot) -> npt.NDArray[np.int64]:
        """Pages that may have to be put back. Identities tell apart what two snapshots that are both alive hold."""
        touched = self._touched()
        if self._base is None or self._base is snapshot:
            return touched
        return np.union1d(touched, np.flatnonzero(self._base.page_identities != snapshot.page_identities))

    def _line_words(self) -> npt.NDArray[np.uint64]:
        """The lines of each page of RAM, a row of words for each page."""
        return self._state.lines.view(np.uint64).reshape(len(self._state.lines_touched), -1)

    def _lines(self) -> dict[int, npt.NDArray[np.uint64]]:
        words, lines = self._line_words(), {} if self._base is None else dict(self._base.lines)
        lines.update((page, words[page].copy()) for page in np.flatnonzero(self._state.lines_touched).tolist())
        self._state.lines_touched[:] = 0
        return lines

    def _restore_lines(self, snapshot: Snapshot) -> None:
        words, changed = self._line_words(), set(np.flatnonzero(self._state.lines_touched).tolist())
        if self._base is not None and self._base is not snapshot:
            both = self._base.lines.keys() | snapshot.lines.keys()
            changed |= {page for page in both if self._base.lines.get(page) is not snapshot.lines.get(page)}
        for page in changed:
            words[page] = snapshot.lines.get(page, 0)
        self._state.lines_touched[:] = 0

    def _code_copy(self, page: int) -> npt.NDArray[np.uint64]:
        words = PAGE_BYTES // 8
        return self._state.code_copy[page * words : (page + 1) * words]

    def _flush_code(self) -> None:
        """Translated code and what is known of blocks may describe other words than RAM now holds."""
        for instance in (*self._instances, *self._steppers.values()):
            instance.flush_code()
        self._state.facts["tag"] = 0
        self._state.schedules["tag"] = 0

    def _empty_soft_tlbs(self) -> None:
        for index, instance in enumerate(self._instances):
            reset_soft_tlb(self._state.handle, np.int64(index), np.uint64(instance.handle))
