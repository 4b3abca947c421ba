"""What a block of instructions costs: issue width, ports, dependences between registers, latency and throughput by class.

A block is scheduled several times in a row, as if it were a loop of itself, and its cost is how much later each of the last rounds ends than
the one before: what a loop-carried dependence costs is in it, what only the first round costs is not. So a block that follows another is
taken to wait for results as it would wait for its own. A block ends a group of instructions that begin together, as a taken branch does.

In order, an instruction begins no earlier than those before it, at most `issue_width` in a cycle, when its operands are ready and its pipe is
free. Out of order, at most `issue_width` enter the window in a cycle, in order; each begins when operands and pipe are ready; an entry
is free again once the instruction and all before it have finished. Pipes: one for multiplication, one for division, `load_ports`,
`store_ports`, half the issue width for FP and SIMD, one for system instructions, and as many as instructions may begin for all else.
An instruction keeps its pipe for the `issue_cycles` of its class (128 at most); its result is there `latency_cycles` after it began; a base register
written back, after one cycle. ISB, DSB and what generates an exception wait for all before them, and all after wait for them; DMB does the
same for loads and stores. Memory beyond an L1 hit, TLB misses and mispredicted branches are charged elsewhere.

Not modelled: fetch and decode limits, store-to-load forwarding and its failures, memory dependences, bypasses within a class, register renaming
limits, splitting into several operations, acquire and release beyond their class.
"""
import numpy as np
import numpy.typing as npt
from numba import njit

from sim.arch import instruction as i
from sim.hot.decode import cost_class, word_at
from sim.hot.decode_memory import KIND_STORE, NO_REGISTER, U64Array, access_kind, field, memory_form
from sim.hot.operands import (
    ADDRESS_WRITTEN,
    FIRST_READ,
    FIRST_WRITTEN,
    OPERANDS_WORDS,
    READS,
    WRITES,
    operands,
)
from sim.state import dtypes
from sim.state.handle import machine_of, pipeline_work_of, ram_of, schedules_of

u64 = np.uint64
U32Array = npt.NDArray[np.uint32]
ZERO, ONE, TWO, FOUR = u64(0), u64(1), u64(2), u64(4)

# MACHINE.pipeline, indices: what a profile's `pipeline` says.
IN_ORDER, ISSUE_WIDTH, WINDOW, LOAD_PORTS, STORE_PORTS = range(5)

_POOL_ANY, _POOL_MULTIPLY, _POOL_DIVIDE, _POOL_LOAD, _POOL_STORE, _POOL_FP, _POOL_SYSTEM = range(7)
_BUSY_CYCLES = 256                      # cycles whose use of the pipes is known, of each pool: a ring
_KEEPS_MOST = u64(_BUSY_CYCLES // 2)
_BUSY_MASK, _CYCLE_SHIFT, _COUNT_MASK = u64(_BUSY_CYCLES - 1), u64(8), u64(0xFF)
# Work area: ready time of each register; how many pipes are in use, cycle << 8 | count; ring of times at which window entries are free; and these:
_BUSY = 128
_FREED = _BUSY + 7 * _BUSY_CYCLES
_NOW = _FREED + dtypes.WINDOW_MOST      # cycle in which the next instruction may begin, or enter the window
_BEGUN = _NOW + 1                       # instructions that have done so in that cycle
_NUMBER = _NOW + 2                      # instructions so far
_FINISHED = _NOW + 3                    # when everything so far has finished
_MEMORY_FINISHED = _NOW + 4             # when every load and store so far has
_MEMORY_FROM = _NOW + 5                 # loads and stores may begin, because of a DMB
_OPERANDS = _NOW + 8
WORK_WORDS = _OPERANDS + OPERANDS_WORDS

_ROUNDS_SHORT, _ROUNDS_MIDDLE, _ROUNDS_LONG = np.int64(16), np.int64(4), np.int64(2)
_SHORT, _MIDDLE = np.int64(16), np.int64(64)
PREFIXES = np.int64(dtypes.SCHEDULE_PREFIXES)
SCHEDULE_MASK = u64(dtypes.FACTS_ENTRIES - 1)
SIZE_SHIFT = u64(48)
PA_MASK = u64((1 << 48) - 1)
PAGE_OFFSET_MASK = u64(0xFFF)

_HINT_MASK, _HINT, _HINT_NUMBER_SHIFT, _HINT_NUMBER = u64(0xFFFF_F01F), u64(0xD503_201F), u64(5), u64(0x7F)
_BARRIER_MASK, _BARRIER = u64(0xFFFF_F01F), u64(0xD503_301F)
_OP2_SHIFT, _OP2_MASK, _OP2_ISB, _YIELD, _WFI = u64(5), u64(7), u64(6), u64(1), u64(3)
_BRANCHES_MASK, _BRANCHES = u64(0x1C00_0000), u64(0x1400_0000)
_REGISTER_MASK, _MSR_NZCV = u64(0xFFFF_FFE0), u64(0xD51B_4200)
_CACHE_MASK, _CACHE, _TRANSLATE_MASK, _TRANSLATE = u64(0xFFF8_F000), u64(0xD508_7000), u64(0xFFF8_FE00), u64(0xD508_7800)     # DC, IC; AT
_SYSTEM_MASK, _SYSTEM, _READ_BIT, _UDF_MASK = u64(0xFFC0_0000), u64(0xD500_0000), u64(1 << 21), u64(0xFFFF_0000)


@njit(cache=True)
def _pool(word: np.uint64, kind: np.int64) -> np.int64:
    """The pipes that an instruction of a class goes to."""
    if kind == i.COST_MULTIPLY:
        return np.int64(_POOL_MULTIPLY)
    if kind == i.COST_DIVIDE:
        return np.int64(_POOL_DIVIDE)
    if kind == i.COST_LOAD or kind == i.COST_LOAD_PAIR or kind == i.COST_ATOMIC:
        return np.int64(_POOL_LOAD)
    if kind == i.COST_STORE or kind == i.COST_STORE_PAIR:
        return np.int64(_POOL_STORE)
    if kind == i.COST_EXCLUSIVE:
        return np.int64(_POOL_STORE) if access_kind(word, memory_form(word)) == KIND_STORE else np.int64(_POOL_LOAD)
    if kind == i.COST_FP_SIMD:
        return np.int64(_POOL_FP)
    if i.COST_BARRIER_DMB <= kind <= i.COST_TLBI:
        return np.int64(_POOL_SYSTEM)
    return np.int64(_POOL_ANY)


@njit(cache=True)
def _ports(pool: np.int64, shape: U64Array) -> np.int64:
    if pool == _POOL_ANY:
        return np.int64(shape[ISSUE_WIDTH])
    if pool == _POOL_LOAD:
        return np.int64(shape[LOAD_PORTS])
    if pool == _POOL_STORE:
        return np.int64(shape[STORE_PORTS])
    if pool == _POOL_FP:
        return np.int64(max(shape[ISSUE_WIDTH] >> ONE, ONE))
    return np.int64(1)


@njit(cache=True)
def is_serialising(kind: np.int64) -> bool:
    """Whether instructions of a class wait for all before them and all after wait for them."""
    return bool(kind == i.COST_BARRIER_ISB or kind == i.COST_BARRIER_DSB or kind == i.COST_EXCEPTION_GENERATING)


@njit(cache=True)
def _is_memory(kind: np.int64) -> bool:
    return bool(i.COST_LOAD <= kind <= i.COST_STORE_PAIR or kind == i.COST_EXCLUSIVE or kind == i.COST_ATOMIC)


@njit(cache=True)
def reset(work: U64Array) -> None:
    """An empty pipeline at cycle 0."""
    for n in range(WORK_WORDS):
        work[n] = ZERO


@njit(cache=True)
def end_group(work: U64Array, shape: U64Array) -> None:
    """What comes next begins in a later cycle, as after a taken branch."""
    if work[_BEGUN] != ZERO:
        work[_BEGUN] = shape[ISSUE_WIDTH]


@njit(cache=True)
def _first_free(pool: np.int64, ready: np.uint64, keeps: np.uint64, count: np.uint64, work: U64Array) -> np.uint64:
    """The first cycle from `ready` on in which one of `count` pipes of a pool is free, and for `keeps` cycles from then on."""
    base, start, cycle = np.int64(_BUSY) + pool * np.int64(_BUSY_CYCLES), ready, ready
    while cycle < start + keeps:
        use = work[base + np.int64(cycle & _BUSY_MASK)]
        if use >> _CYCLE_SHIFT > cycle or (use >> _CYCLE_SHIFT == cycle and use & _COUNT_MASK >= count):    # a later one: no longer known
            start = cycle + ONE
        cycle += ONE
    return start


@njit(cache=True)
def _keep(pool: np.int64, start: np.uint64, keeps: np.uint64, work: U64Array) -> None:
    """One pipe of a pool is in use for `keeps` cycles."""
    base = np.int64(_BUSY) + pool * np.int64(_BUSY_CYCLES)
    for n in range(np.int64(keeps)):
        cycle = start + u64(n)
        at = base + np.int64(cycle & _BUSY_MASK)
        use = work[at]
        work[at] = (use if use >> _CYCLE_SHIFT == cycle else cycle << _CYCLE_SHIFT) + ONE


@njit(cache=True)
def _slot(earliest: np.uint64, work: U64Array, shape: U64Array) -> np.uint64:
    """The first cycle from `earliest` on in which an instruction may begin (in order), or enter the window."""
    now: np.uint64 = work[_NOW]
    if earliest > now:
        now = earliest
        work[_BEGUN] = ZERO
    elif work[_BEGUN] >= shape[ISSUE_WIDTH]:
        now += ONE
        work[_BEGUN] = ZERO
    work[_NOW] = now
    work[_BEGUN] += ONE
    return now


@njit(cache=True)
def advance(word: np.uint64, issue: U64Array, latency: U64Array, shape: U64Array, work: U64Array) -> np.uint64:
    """Put one instruction through the pipeline. Returns the cycle by which it is over: after it began, in order; finished, out of order.

    issue, latency: cycles for each class; shape: MACHINE.pipeline; work: uint64, WORK_WORDS.
    """
    kind = cost_class(word)
    out = work[_OPERANDS:]
    operands(word, out)
    ready = ZERO
    for n in range(np.int64(out[READS])):
        ready = max(ready, work[np.int64(out[FIRST_READ + n])])
    serial = is_serialising(kind)
    if serial:
        ready = max(ready, work[_FINISHED])
    elif kind == i.COST_BARRIER_DMB:
        ready = max(ready, work[_MEMORY_FINISHED])
    elif _is_memory(kind):
        ready = max(ready, work[_MEMORY_FROM])
    pool = _pool(word, kind)
    keeps, pipes = max(issue[kind], ONE), u64(_ports(pool, shape))
    short = min(keeps, _KEEPS_MOST)
    entry = np.int64(_FREED) + np.int64(work[_NUMBER] % shape[WINDOW])
    if shape[IN_ORDER] != ZERO:
        next_slot = work[_NOW] + (ONE if work[_BEGUN] >= shape[ISSUE_WIDTH] else ZERO)
        start = _slot(_first_free(pool, max(ready, next_slot), short, pipes, work), work, shape)
    else:
        start = _first_free(pool, max(_slot(work[entry], work, shape), ready), short, pipes, work)
    _keep(pool, start, short, work)
    finish: np.uint64 = start + max(latency[kind], ONE)
    if serial or kind == i.COST_BARRIER_DMB:
        finish = max(finish, start + keeps)
    for n in range(np.int64(out[WRITES])):
        work[np.int64(out[FIRST_WRITTEN + n])] = finish
    if out[ADDRESS_WRITTEN] != NO_REGISTER:
        work[np.int64(out[ADDRESS_WRITTEN])] = start + ONE
    work[_FINISHED] = max(work[_FINISHED], finish)
    if _is_memory(kind):
        work[_MEMORY_FINISHED] = max(work[_MEMORY_FINISHED], finish)
    elif kind == i.COST_BARRIER_DMB:
        work[_MEMORY_FROM] = finish
    work[_NUMBER] += ONE
    work[entry] = work[_FINISHED]
    if serial:
        work[_NOW], work[_BEGUN] = finish, ZERO
        return finish
    return start + ONE if shape[IN_ORDER] != ZERO else work[_FINISHED]


@njit(cache=True)
def block_cycles(ram: npt.NDArray[np.uint8], offset: np.int64, count: np.int64, issue: U64Array, latency: U64Array, shape: U64Array,
                 work: U64Array, prefixes: U32Array) -> np.uint64:
    """Cycles of the block of `count` instructions at byte `offset` of ram, at least 1.

    prefixes (uint32): [k] becomes those of the first k + 1 instructions, as far as it reaches: never less than before, at least 1, the last
    instruction's the whole. issue, latency, shape, work: as of `advance`.
    """
    rounds = _ROUNDS_SHORT if count <= _SHORT else _ROUNDS_MIDDLE if count <= _MIDDLE else _ROUNDS_LONG
    reset(work)
    middle, begin, end = ZERO, ZERO, ZERO
    for number in range(rounds):
        begin = end
        if number == rounds >> 1:
            middle = end
        for k in range(np.int64(count)):
            word = word_at(ram, np.int64(offset) + np.int64(4) * np.int64(k))
            end = max(end, advance(word, issue, latency, shape, work))
            if k < len(prefixes):
                prefixes[k] = np.uint32(max(end - begin, ONE))
        end_group(work, shape)
    half = u64(rounds >> 1)
    total = max((end - middle + (half >> ONE)) // half, ONE)
    for k in range(min(int(count), len(prefixes))):
        prefixes[k] = np.uint32(min(u64(prefixes[k]), total))
    if count <= len(prefixes):
        prefixes[np.int64(count) - 1] = np.uint32(total)
    return total


@njit(cache=True)
def ends_block(word: np.uint64) -> bool:
    """Whether the engine ends a block behind an instruction: branches, exceptions, ISB, YIELD, WFE, WFI, writes of system registers.

    SYS does too, but not cache maintenance; nor does a write of NZCV.
    """
    if word & _UDF_MASK == ZERO:
        return True
    if word & _BRANCHES_MASK != _BRANCHES:
        return False
    if word & _SYSTEM_MASK != _SYSTEM:
        return True
    if word & _HINT_MASK == _HINT:
        return bool(_YIELD <= field(word, _HINT_NUMBER_SHIFT, _HINT_NUMBER) <= _WFI)
    if word & _BARRIER_MASK == _BARRIER:
        return bool(field(word, _OP2_SHIFT, _OP2_MASK) >= _OP2_ISB)
    if word & _REGISTER_MASK == _MSR_NZCV or (word & _CACHE_MASK == _CACHE and word & _TRANSLATE_MASK != _TRANSLATE):
        return False
    return bool(word & _READ_BIT == ZERO)


@njit
def _bytes_to_end(m, pa):  # type: ignore[no-untyped-def]
    """Size of the block that begins at `pa`: up to an instruction that ends it, or the end of the page."""
    ram, offset = ram_of(m), np.int64(pa - machine_of(m)["ram_pa"])
    most = (PAGE_OFFSET_MASK + ONE) - (pa & PAGE_OFFSET_MASK)
    size = FOUR
    while size < most and not ends_block(word_at(ram, offset + np.int64(size - FOUR))):
        size += FOUR
    return size


@njit
def schedule_at(m, pa, size):  # type: ignore[no-untyped-def]
    """The BLOCK_SCHEDULE of the block of `size` bytes at `pa`; size 0: of that which begins there, however long it is."""
    row = schedules_of(m)[np.int64((pa >> TWO) & SCHEDULE_MASK)]
    if size == ZERO:
        if row["tag"] & PA_MASK == pa and row["tag"] != ZERO:
            return row
        size = _bytes_to_end(m, pa)
    tag = pa | size << SIZE_SHIFT
    if row["tag"] != tag:
        machine = machine_of(m)
        offset, count = np.int64(pa - machine["ram_pa"]), np.int64(size >> TWO)
        row["cycles"] = block_cycles(ram_of(m), offset, count, machine["costs"], machine["latencies"], machine["pipeline"],
                                     pipeline_work_of(m), row["prefix"])
        row["instructions"] = u64(count)
        row["tag"] = tag
    return row


@njit
def prefix_cycles(row, count):  # type: ignore[no-untyped-def]
    """Cycles of the first `count` instructions of a BLOCK_SCHEDULE; those beyond PREFIXES share what is left evenly."""
    if count >= row["instructions"]:
        return row["cycles"]
    if count == ZERO:
        return ZERO
    known = u64(PREFIXES)
    if count <= known:
        return u64(row["prefix"][np.int64(count - ONE)])
    first = u64(row["prefix"][PREFIXES - 1])
    return first + (row["cycles"] - first) * (count - known) // (row["instructions"] - known)


@njit
def forget_schedules(m):  # type: ignore[no-untyped-def]
    """Instructions may have changed: every block is scheduled anew."""
    rows = schedules_of(m)
    for k in range(rows.shape[0]):
        rows[k]["tag"] = ZERO


@njit
def step_cycles(m, pe, pa):  # type: ignore[no-untyped-def]
    """Cycles that the instruction at `pa`, run by itself, adds to its block: over a block they sum up to the block's cost.

    A block begins where the instruction does not follow the one stepped before.
    """
    if pa != pe["step_pa"] or pa - pe["schedule_pa"] >= pe["schedule_bytes"]:
        row = schedule_at(m, pa, ZERO)
        pe["schedule_pa"], pe["schedule_bytes"] = pa, row["instructions"] << TWO
    else:
        row = schedule_at(m, pe["schedule_pa"], pe["schedule_bytes"])
    pe["step_pa"] = pa + FOUR
    before = (pa - pe["schedule_pa"]) >> TWO
    return prefix_cycles(row, before + ONE) - prefix_cycles(row, before)
