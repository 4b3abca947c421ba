"""From a machine's handle to its arrays, without cost in compiled code.

A handle is the address of a table with four words for each array (`SLOTS`): address, length, length of a row, bytes of a row. Compiled functions pass only the
handle and the number of the PE and get at arrays by the functions below, which compile to one load each. Uncompiled
(NUMBA_DISABLE_JIT=1) the same functions look the arrays up in a registry of the machines that are alive.
"""
from typing import Any

import numpy as np
from numba import carray, config, njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from sim.state.dtypes import (
    ANNOUNCED,
    BLOCK_FACTS,
    BLOCK_SCHEDULE,
    EVENT,
    GIC_PE,
    GIC_SPI,
    HIDDEN_STORE,
    LINE,
    MACHINE,
    PE,
    TLB_ENTRY,
    TLBI_IN_FLIGHT,
)

u64 = np.uint64

SLOTS = (
    "machine", "pes", "l1i", "l1d", "l2", "walk_cache", "walked", "tlbi_queue", "ram", "ram_words", "page_flags", "facts", "ring",
    "heap", "heap_position", "gic", "spi", "marks", "scratch", "l2_next", "walk_cache_next",
    "policy", "id_values", "pl011", "code_copy", "passing", "residue",
    "hidden_stores", "own_tlbi", "stale_code",
    "lines", "lines_touched", "page_sharing", "store_buffer", "l1_cache", "l2_cache", "slc",
    "schedules", "pipeline_work", "predictor", "return_stack", "branch_targets",
    "dvm_answers",
    "announced",
)
TABLE_WORDS = 256
REGISTRY: dict[int, Any] = {}           # handle -> State, for uncompiled runs and for Python

_COMPILED = not config.DISABLE_JIT

if _COMPILED:

    @intrinsic
    def _pointer_at(typing_context, address):  # type: ignore[no-untyped-def]
        def code(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
            return builder.inttoptr(arguments[0], cgutils.voidptr_t)

        return types.voidptr(types.uint64), code

    @njit
    def _array(handle, slot, dtype):  # type: ignore[no-untyped-def]
        table = carray(_pointer_at(handle), (TABLE_WORDS,), dtype=np.uint64)
        return carray(_pointer_at(table[4 * slot]), (np.int64(table[4 * slot + 1]),), dtype=dtype)

    @njit
    def _row(handle, slot, dtype, index):  # type: ignore[no-untyped-def]
        """Row `index` of a 2-D array, as a 1-D array."""
        table = carray(_pointer_at(handle), (TABLE_WORDS,), dtype=np.uint64)
        address = table[4 * slot] + u64(index) * table[4 * slot + 3]
        return carray(_pointer_at(address), (np.int64(table[4 * slot + 2]),), dtype=dtype)

    @njit
    def pe_at(address):  # type: ignore[no-untyped-def]
        """The PE record that a callback was given the address of."""
        return carray(_pointer_at(address), (1,), dtype=PE)[0]

    @njit
    def words_at(address, count):  # type: ignore[no-untyped-def]
        """`count` 64-bit words at a host address (registers inside an engine instance)."""
        return carray(_pointer_at(address), (count,), dtype=np.uint64)

    @njit
    def halves_at(address, count):  # type: ignore[no-untyped-def]
        """`count` 32-bit words at a host address."""
        return carray(_pointer_at(address), (count,), dtype=np.uint32)
else:
    import ctypes

    def _array(handle, slot, dtype):  # type: ignore[no-untyped-def]
        return getattr(REGISTRY[int(handle)], SLOTS[slot]).reshape(-1)

    def _row(handle, slot, dtype, index):  # type: ignore[no-untyped-def]
        return getattr(REGISTRY[int(handle)], SLOTS[slot])[int(index)]

    def _at(address, count, ctype, dtype):  # type: ignore[no-untyped-def]
        return np.frombuffer((ctype * count).from_address(int(address)), dtype=dtype)

    def pe_at(address):  # type: ignore[no-untyped-def]
        return np.frombuffer((ctypes.c_uint8 * PE.itemsize).from_address(int(address)), dtype=PE)[0]

    def words_at(address, count):  # type: ignore[no-untyped-def]
        return _at(address, count, ctypes.c_uint64, np.uint64)

    def halves_at(address, count):  # type: ignore[no-untyped-def]
        return _at(address, count, ctypes.c_uint32, np.uint32)


(_MACHINE, _PES, _L1I, _L1D, _L2, _WALK_CACHE, _WALKED, _TLBI_QUEUE, _RAM, _RAM_WORDS, _PAGE_FLAGS, _FACTS, _RING, _HEAP,
 _HEAP_POSITION, _GIC, _SPI, _MARKS, _SCRATCH, _L2_NEXT, _WALK_CACHE_NEXT, _POLICY, _ID_VALUES,
 _PL011, _CODE_COPY, _PASSING, _RESIDUE, _HIDDEN_STORES, _OWN_TLBI,
 _STALE_CODE, _LINES, _LINES_TOUCHED, _PAGE_SHARING, _STORE_BUFFER, _L1_CACHE, _L2_CACHE, _SLC,
 _SCHEDULES, _PIPELINE_WORK, _PREDICTOR, _RETURN_STACK, _BRANCH_TARGETS,
 _DVM_ANSWERS, _ANNOUNCED) = range(len(SLOTS))
_WORD, _BYTE, _HALF = np.dtype(np.uint64), np.dtype(np.uint8), np.dtype(np.uint32)


@njit
def machine_of(m):  # type: ignore[no-untyped-def]
    """The one MACHINE record."""
    return _array(m, _MACHINE, MACHINE)[0]


@njit
def pes_of(m):  # type: ignore[no-untyped-def]
    """All PE records."""
    return _array(m, _PES, PE)


@njit
def pe_of(m, i):  # type: ignore[no-untyped-def]
    """The record of PE i."""
    return _array(m, _PES, PE)[i]


@njit
def l1i_of(m, i):  # type: ignore[no-untyped-def]
    """L1 instruction TLB of PE i (fully associative)."""
    return _row(m, _L1I, TLB_ENTRY, i)


@njit
def l1d_of(m, i):  # type: ignore[no-untyped-def]
    """L1 data TLB of PE i (fully associative)."""
    return _row(m, _L1D, TLB_ENTRY, i)


@njit
def l2_of(m, i):  # type: ignore[no-untyped-def]
    """Unified L2 TLB of PE i: entry = set * ways + way."""
    return _row(m, _L2, TLB_ENTRY, i)


@njit
def l2_next_of(m, i):  # type: ignore[no-untyped-def]
    """FIFO position of each set of the L2 TLB of PE i."""
    return _row(m, _L2_NEXT, _WORD, i)


@njit
def walk_cache_of(m, i):  # type: ignore[no-untyped-def]
    """Walk cache of PE i: entry = set * ways + way."""
    return _row(m, _WALK_CACHE, TLB_ENTRY, i)


@njit
def walk_cache_next_of(m, i):  # type: ignore[no-untyped-def]
    """FIFO position of each set of the walk cache of PE i."""
    return _row(m, _WALK_CACHE_NEXT, _WORD, i)


@njit
def walked_of(m, i):  # type: ignore[no-untyped-def]
    """Scratch of PE i: the translation that the last lookup or walk produced."""
    return _array(m, _WALKED, TLB_ENTRY)[i]


@njit
def passing_of(m, i):  # type: ignore[no-untyped-def]
    """The translation of the fetch under way on PE i that no TLB keeps, while PE.unusual has UNUSUAL_PASSING."""
    return _array(m, _PASSING, TLB_ENTRY)[i]


@njit
def residue_of(m, i):  # type: ignore[no-untyped-def]
    """What a TLBI dropped at PE i and an access begun before it may still use, while PE.unusual has UNUSUAL_RESIDUE."""
    return _array(m, _RESIDUE, TLB_ENTRY)[i]


@njit
def tlbi_queue_of(m, i):  # type: ignore[no-untyped-def]
    """TLBIs on their way to PE i: a ring of TLBI_QUEUE_ENTRIES."""
    return _row(m, _TLBI_QUEUE, TLBI_IN_FLIGHT, i)


@njit
def ram_of(m):  # type: ignore[no-untyped-def]
    """RAM as bytes; offset 0 is MACHINE.ram_pa."""
    return _array(m, _RAM, _BYTE)


@njit
def ram_words_of(m):  # type: ignore[no-untyped-def]
    """RAM as little-endian 64-bit words."""
    return _array(m, _RAM_WORDS, _WORD)


@njit
def code_copy_of(m):  # type: ignore[no-untyped-def]
    """What instructions are fetched from in place of RAM, as 64-bit words; only pages with PAGE_COPIED hold anything."""
    return _array(m, _CODE_COPY, _WORD)


@njit
def page_flags_of(m):  # type: ignore[no-untyped-def]
    """PAGE_* flags, one byte for each 4 KiB page of RAM."""
    return _array(m, _PAGE_FLAGS, _BYTE)


@njit
def facts_of(m):  # type: ignore[no-untyped-def]
    """Direct-mapped table of block facts."""
    return _array(m, _FACTS, BLOCK_FACTS)


@njit
def ring_of(m):  # type: ignore[no-untyped-def]
    """The event ring; MACHINE.ring_head and ring_tail count events, the position is modulo its size."""
    return _array(m, _RING, EVENT)


@njit
def heap_of(m):  # type: ignore[no-untyped-def]
    """Binary heap of words cycle:tie:PE, least first (see `sim.hot.schedule`)."""
    return _array(m, _HEAP, _WORD)


@njit
def heap_position_of(m):  # type: ignore[no-untyped-def]
    """Where each PE stands in the heap."""
    return _array(m, _HEAP_POSITION, _WORD)


@njit
def gic_of(m, i):  # type: ignore[no-untyped-def]
    """GICv3 redistributor and CPU interface state of PE i."""
    return _array(m, _GIC, GIC_PE)[i]


@njit
def spi_of(m):  # type: ignore[no-untyped-def]
    """Distributor state of every SPI."""
    return _array(m, _SPI, GIC_SPI)


@njit
def marks_of(m):  # type: ignore[no-untyped-def]
    """PAs of watched symbols, ascending."""
    return _array(m, _MARKS, _WORD)


@njit
def scratch_of(m):  # type: ignore[no-untyped-def]
    """Words for calls that return through memory."""
    return _array(m, _SCRATCH, _WORD)


@njit
def policy_of(m):  # type: ignore[no-untyped-def]
    """POLICY_* word of every 16-bit encoding key of a system register or operation."""
    return _array(m, _POLICY, _HALF)


@njit
def id_values_of(m):  # type: ignore[no-untyped-def]
    """Values of the identification registers, by index."""
    return _array(m, _ID_VALUES, _WORD)


@njit
def pl011_of(m):  # type: ignore[no-untyped-def]
    """Registers of the PL011, one word for each 4 bytes of its first 256 bytes."""
    return _array(m, _PL011, _WORD)


@njit
def hidden_stores_of(m):  # type: ignore[no-untyped-def]
    """Stores to descriptors that walks do not observe yet, oldest first; MACHINE.hidden_stores of them are in use."""
    return _array(m, _HIDDEN_STORES, HIDDEN_STORE)


@njit
def own_tlbi_of(m, i):  # type: ignore[no-untyped-def]
    """TLBIs of PE i that have not taken effect at itself; PE.own_tlbi_count of them are in use."""
    return _row(m, _OWN_TLBI, TLBI_IN_FLIGHT, i)


@njit
def stale_code_of(m, i):  # type: ignore[no-untyped-def]
    """Translations that fetches of PE i still use though its TLBs have dropped them; PE.stale_code_count of them are in use."""
    return _row(m, _STALE_CODE, TLB_ENTRY, i)


@njit
def lines_of(m):  # type: ignore[no-untyped-def]
    """Where the copies of each 64-byte line of RAM are, by line number."""
    return _array(m, _LINES, LINE)


@njit
def lines_touched_of(m):  # type: ignore[no-untyped-def]
    """1 for each page of RAM whose lines may have changed since the last snapshot was taken or restored."""
    return _array(m, _LINES_TOUCHED, _BYTE)


@njit
def page_sharing_of(m):  # type: ignore[no-untyped-def]
    """Which PEs access the data of each 4 KiB page of RAM: see SHARING_*."""
    return _array(m, _PAGE_SHARING, _HALF)


@njit
def store_buffer_of(m, i):  # type: ignore[no-untyped-def]
    """When each of the last stores of PE i that missed is done, a ring; PE.store_next is its oldest."""
    return _row(m, _STORE_BUFFER, _WORD, i)


@njit
def l1_cache_of(m, i):  # type: ignore[no-untyped-def]
    """Lines in the L1 data cache of PE i, number + 1, 0 = none: set * ways + way, the last used of a set first."""
    return _row(m, _L1_CACHE, _HALF, i)


@njit
def l2_cache_of(m, group):  # type: ignore[no-untyped-def]
    """Lines in the L2 cache of a group of PEs, as `l1_cache_of`."""
    return _row(m, _L2_CACHE, _HALF, group)


@njit
def slc_of(m, socket):  # type: ignore[no-untyped-def]
    """Lines in the system-level cache of a socket, as `l1_cache_of`."""
    return _row(m, _SLC, _HALF, socket)


@njit
def schedules_of(m):  # type: ignore[no-untyped-def]
    """Direct-mapped table of block schedules."""
    return _array(m, _SCHEDULES, BLOCK_SCHEDULE)


@njit
def pipeline_work_of(m):  # type: ignore[no-untyped-def]
    """Work area of the pipeline model; holds nothing between calls."""
    return _array(m, _PIPELINE_WORK, _WORD)


@njit
def predictor_of(m, i):  # type: ignore[no-untyped-def]
    """Counters of conditional branches of PE i, one byte each."""
    return _row(m, _PREDICTOR, _BYTE, i)


@njit
def return_stack_of(m, i):  # type: ignore[no-untyped-def]
    """Addresses that returns of PE i are expected to go to; PE.return_top is the last."""
    return _row(m, _RETURN_STACK, _WORD, i)


@njit
def branch_targets_of(m, i):  # type: ignore[no-untyped-def]
    """Where indirect branches of PE i went last, by PA."""
    return _row(m, _BRANCH_TARGETS, _WORD, i)


@njit
def dvm_answers_of(m, i):  # type: ignore[no-untyped-def]
    """When the last answer to each of the latest broadcasts of PE i is there: a ring of MACHINE.dvm_credits."""
    return _row(m, _DVM_ANSWERS, _WORD, i)


@njit
def announced_of(m):  # type: ignore[no-untyped-def]
    """Pages that become shared at a time to come; MACHINE.announced of them are in use."""
    return _array(m, _ANNOUNCED, ANNOUNCED)
