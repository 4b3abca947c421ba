"""The arrays of one machine, allocated and wired to a handle."""
import mmap
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from sim.arch.memory_map import PAGE_BYTES, RAM_PA
from sim.errors import SimulatorError
from sim.state import dtypes
from sim.state.handle import REGISTRY, SLOTS, TABLE_WORDS

EVENT_RING_ENTRIES = 1 << 17
CACHE_LINE_BYTES = 64


def _aligned(count: int, dtype: np.dtype[np.void]) -> npt.NDArray[np.void]:
    """Records that begin on a cache line of the host."""
    if dtype.itemsize % CACHE_LINE_BYTES:
        raise SimulatorError(f"a record of {dtype.itemsize} bytes does not fill cache lines: adjust its padding")
    raw = np.zeros(count * dtype.itemsize + CACHE_LINE_BYTES, np.uint8)
    start = -raw.ctypes.data % CACHE_LINE_BYTES
    return raw[start : start + count * dtype.itemsize].view(dtype)


class CacheShapes(NamedTuple):
    """What the coherence model needs room for. l1, l2, slc: tags of each cache; l2_count, slc_count: how many of those there are."""

    l1: int = 1
    l2: int = 1
    l2_count: int = 1
    slc: int = 1
    slc_count: int = 1
    store_buffer: int = 1


class State:
    """Everything mutable of a machine of `pes` PEs that is not inside an engine instance.

    pes: 1..256.  ram_bytes: multiple of PAGE_BYTES.  TLB geometry: `l1i`, `l1d` entries; `l2`, `walk_cache` as (sets, ways).
    Attributes are the arrays named in `handle.SLOTS`; `handle` (np.uint64) is what compiled functions take.
    caches: None = coherence is not modelled, and there is no room for it.
    A State must stay alive as long as anything compiled uses its handle.
    """

    def __init__(self, pes: int, ram_bytes: int, *, l1i: int, l1d: int, l2: tuple[int, int], walk_cache: tuple[int, int],
                 predictor_entries: int = 1, ring_entries: int = EVENT_RING_ENTRIES, caches: CacheShapes | None = None) -> None:
        self.machine = np.zeros(1, dtypes.MACHINE)
        self.pes = _aligned(pes, dtypes.PE)
        self.l1i = np.zeros((pes, l1i), dtypes.TLB_ENTRY)
        self.l1d = np.zeros((pes, l1d), dtypes.TLB_ENTRY)
        self.l2 = np.zeros((pes, l2[0] * l2[1]), dtypes.TLB_ENTRY)
        self.l2_next = np.zeros((pes, l2[0]), np.uint64)
        self.walk_cache = np.zeros((pes, walk_cache[0] * walk_cache[1]), dtypes.TLB_ENTRY)
        self.walk_cache_next = np.zeros((pes, walk_cache[0]), np.uint64)
        self.walked = np.zeros(pes, dtypes.TLB_ENTRY)
        self.passing = np.zeros(pes, dtypes.TLB_ENTRY)
        self.residue = np.zeros(pes, dtypes.TLB_ENTRY)
        self.hidden_stores = np.zeros(dtypes.HIDDEN_STORES, dtypes.HIDDEN_STORE)
        self.own_tlbi = np.zeros((pes, dtypes.OWN_TLBI_ENTRIES), dtypes.TLBI_IN_FLIGHT)
        self.stale_code = np.zeros((pes, dtypes.STALE_CODE_ENTRIES), dtypes.TLB_ENTRY)
        self.tlbi_queue = np.zeros((pes, dtypes.TLBI_QUEUE_ENTRIES), dtypes.TLBI_IN_FLIGHT)
        self._ram_map = mmap.mmap(-1, ram_bytes)                 # page-aligned, and untouched pages cost nothing
        self.ram = np.frombuffer(self._ram_map, np.uint8)
        self.ram_words = self.ram.view(np.uint64)
        self._copy_map = mmap.mmap(-1, ram_bytes)
        self.code_copy = np.frombuffer(self._copy_map, np.uint64)
        self.page_flags = np.zeros(ram_bytes // PAGE_BYTES, np.uint8)
        self.facts = np.zeros(dtypes.FACTS_ENTRIES, dtypes.BLOCK_FACTS)
        self.schedules = np.zeros(dtypes.FACTS_ENTRIES, dtypes.BLOCK_SCHEDULE)
        self.pipeline_work = np.zeros(dtypes.PIPELINE_WORK_WORDS, np.uint64)
        self.predictor = np.zeros((pes, predictor_entries), np.uint8)
        self.return_stack = np.full((pes, dtypes.RETURN_STACK_MOST), dtypes.NOWHERE, np.uint64)
        self.dvm_answers = np.zeros((pes, dtypes.DVM_CREDITS_MOST), np.uint64)
        self.branch_targets = np.full((pes, dtypes.BRANCH_TARGETS), dtypes.NOWHERE, np.uint64)
        self.ring = np.zeros(ring_entries, dtypes.EVENT)
        self.heap = np.zeros(pes, np.uint64)
        self.heap_position = np.zeros(pes, np.uint64)
        self.gic = np.zeros(pes, dtypes.GIC_PE)
        self.spi = np.zeros(dtypes.SPI_COUNT, dtypes.GIC_SPI)
        self.marks = np.zeros(256, np.uint64)
        self.scratch = np.zeros(256, np.uint64)
        self.policy = np.zeros(1 << 16, np.uint32)
        self.id_values = np.zeros(dtypes.ID_VALUES, np.uint64)
        self.pl011 = np.zeros(64, np.uint64)
        self._make_caches(pes, ram_bytes, caches)
        self._table = np.zeros(TABLE_WORDS, np.uint64)
        for slot, name in enumerate(SLOTS):
            array = getattr(self, name)
            self._table[4 * slot : 4 * slot + 4] = array.ctypes.data, array.size, array.shape[-1], array.shape[-1] * array.itemsize
        self.handle = np.uint64(self._table.ctypes.data)
        REGISTRY[int(self.handle)] = self
        self._settle(pes, ram_bytes, l1i, l1d, l2, walk_cache, ring_entries)

    def _make_caches(self, pes: int, ram_bytes: int, caches: CacheShapes | None) -> None:
        """Arrays of the coherence model; what is not needed has one element."""
        shapes = caches or CacheShapes()
        pages = ram_bytes // PAGE_BYTES if caches else 1
        self._lines_map = mmap.mmap(-1, pages * (PAGE_BYTES // CACHE_LINE_BYTES) * dtypes.LINE.itemsize)
        self.lines = np.frombuffer(self._lines_map, dtypes.LINE)
        self.announced = np.zeros(dtypes.ANNOUNCED_ENTRIES, dtypes.ANNOUNCED)
        self.lines_touched = np.zeros(pages, np.uint8)
        self.page_sharing = np.zeros(pages, np.uint32)
        self.store_buffer = np.zeros((pes, shapes.store_buffer), np.uint64)
        self.l1_cache = np.zeros((pes, shapes.l1), np.uint32)
        self.l2_cache = np.zeros((shapes.l2_count, shapes.l2), np.uint32)
        self.slc = np.zeros((shapes.slc_count, shapes.slc), np.uint32)

    def _settle(self, pes: int, ram_bytes: int, l1i: int, l1d: int, l2: tuple[int, int], walk_cache: tuple[int, int],
                ring_entries: int) -> None:
        """Fill in what follows from the shapes; the rest of MACHINE is the builder's."""
        values: dict[str, Any] = {
            "pes": pes, "ram_address": self.ram.ctypes.data, "ram_pa": RAM_PA, "ram_bytes": ram_bytes,
            "l1i_entries": l1i, "l1d_entries": l1d, "l2_sets": l2[0], "l2_ways": l2[1],
            "walk_cache_sets": walk_cache[0], "walk_cache_ways": walk_cache[1], "ring_mask": ring_entries - 1,
            "predictor_mask": self.predictor.shape[1] - 1, "return_stack_entries": 1, "dvm_credits": 1, "cluster_pes": 1, "socket_pes": pes,
            "pa_bits": 48, "l1i_max_entry_bytes": 1 << 48, "l1d_max_entry_bytes": 1 << 48, "l2_max_entry_bytes": 1 << 48,
        }
        for name, value in values.items():
            self.machine[0][name] = value
        for index in range(pes):
            pe = self.pes[index]
            pe["machine"], pe["index"], pe["soft_generation"] = self.handle, index, 1
            for name in ("code_va", "code_pa", "reserved_pa", "tlbi_due_cycles", "irq_due_cycles", "wake_cycles", "timer_due_cycles",
                         "serror_due_cycles", "fiq_pulse_due_cycles", "step_pa", "turn_cycles",
                         "share_due_cycles"):
                pe[name] = dtypes.NOWHERE
            pe["random"] = 0x9E37_79B9_7F4A_7C15 ^ (index + 1)
            self.gic[index]["sgi_due_cycles"][:] = dtypes.NOWHERE

    def release(self) -> None:
        """Forget the handle. The arrays live on while somebody holds them."""
        REGISTRY.pop(int(self.handle), None)
