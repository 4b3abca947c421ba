"""LDSMAX, LDSMIN, STSMAX and STSMIN of bytes, halfwords and words: done here, because the engine compares them unsigned.

The engine's single-PE atomics load the old value without extending its sign, so a negative value counts as a large one; the 64-bit
forms and the unsigned ones are right. A block with one of these is run by single instructions, and this one not by the engine at all.
Source: DDI 0487 L.a, C6.2 (LDSMAX, LDSMIN), B2.2 (alignment of atomics).
"""
import numpy as np
from numba import njit

from sim.hot import stops
from sim.hot.code_pages import code_written
from sim.hot.coherence import ATOMIC
from sim.hot.exception import settle_prefix, take_abort, take_alignment_fault
from sim.hot.observe import MONITORED, PAGE_SHIFT, STATUS_EXTERNAL, break_reservations, refuse
from sim.hot.pages import observe_whole
from sim.hot.registers import PC, PSTATE_EL_MASK, PSTATE_EL_SHIFT, PSTATE_PAN, SP, general, pstate
from sim.hot.sharing import must_wait
from sim.hot.translate import FAULTED, OK, translate
from sim.hot.walk import WAITS
from sim.state import dtypes
from sim.state.handle import machine_of, page_flags_of, pe_of, ram_of, walked_of

u64, u8 = np.uint64, np.uint8
ZERO, ONE, FOUR = u64(0), u64(1), u64(4)
THIRTY_ONE = u64(31)
ACCESS_READ, ACCESS_WRITE = u64(dtypes.ACCESS_READ), u64(dtypes.ACCESS_WRITE)
STOP_ABORT = u64(stops.STOP_ABORT)
#: BLOCK_FACTS.flags, beside those of `sim.arch.instruction` and WATCHED.
FLAG_NARROW_SIGNED = u64(1 << 61)
_MASK, _VALUE = u64(0x3B20_EC00), u64(0x3820_4000)          # atomic memory operations, opc = 10x: SMAX and SMIN
_MINIMUM = u64(1 << 12)
_DOUBLEWORD = u64(3)


@njit
def narrow_signed_flag(word):  # type: ignore[no-untyped-def]
    """FLAG_NARROW_SIGNED if the instruction is one of this module, else 0."""
    return FLAG_NARROW_SIGNED if word & _MASK == _VALUE and word >> u64(30) != _DOUBLEWORD else ZERO


@njit
def _output_offset(m, i, va, access):  # type: ignore[no-untyped-def]
    """(status, offset in RAM) of an access of this PE; anything but RAM is an external abort."""
    state, machine = pstate(m, i), machine_of(m)
    el0 = ONE if (state >> PSTATE_EL_SHIFT) & PSTATE_EL_MASK == ZERO else ZERO
    status = translate(m, i, va, access, el0, ONE if state & PSTATE_PAN != ZERO else ZERO)
    if status != OK:
        return status, ZERO
    walked = walked_of(m, i)
    offset = (walked["pa"] | (va & ~walked["mask"])) - machine["ram_pa"]
    return (OK if offset < machine["ram_bytes"] else FAULTED | STATUS_EXTERNAL), offset


@njit
def _abort(m, i, status, va, access, pc):  # type: ignore[no-untyped-def]
    pe = pe_of(m, i)
    refuse(pe, status, va, access)
    pe["stop"] = STOP_ABORT                                 # the address is in the record, not in the engine
    take_abort(m, i, pc)
    pe["stop"] = ZERO
    return False


@njit
def _wait(m, i, pc):  # type: ignore[no-untyped-def]
    """The access comes later, see `sim.hot.sharing`: as if it had not been begun."""
    settle_prefix(m, pe_of(m, i), pc)
    return False


@njit
def run_narrow_signed(m, i, word, pc):  # type: ignore[no-untyped-def]
    """Do the instruction `word` at `pc`. Returns False if it took an exception instead, or has to wait."""
    registers, machine = general(m, i), machine_of(m)
    size_bytes = ONE << (word >> u64(30))
    base, operand_register, target = (word >> u64(5)) & THIRTY_ONE, (word >> u64(16)) & THIRTY_ONE, word & THIRTY_ONE
    va = registers[SP] if base == THIRTY_ONE else registers[np.int64(base)]
    if va & (size_bytes - ONE) != ZERO:
        take_alignment_fault(m, i, word, pc)
        return False
    status, offset = _output_offset(m, i, va, ACCESS_READ)
    if status == WAITS:
        return _wait(m, i, pc)
    if status != OK:
        return _abort(m, i, status, va, ACCESS_READ, pc)
    status, offset = _output_offset(m, i, va, ACCESS_WRITE)
    if status == WAITS or (status == OK and must_wait(m, i, np.int64(offset >> PAGE_SHIFT), True)):
        return _wait(m, i, pc)
    if status != OK:
        return _abort(m, i, status, va, ACCESS_WRITE, pc)
    ram, bits = ram_of(m), size_bytes << u64(3)
    sign, mask = ONE << (bits - ONE), (ONE << bits) - ONE
    operand = ZERO if operand_register == THIRTY_ONE else registers[np.int64(operand_register)] & mask
    if machine["coherence"] != ZERO:
        observe_whole(m, np.int64(i), offset, size_bytes, ATOMIC)
    old = ZERO
    for k in range(np.int64(size_bytes)):
        old |= u64(ram[np.int64(offset) + k]) << u64(8 * k)
    operand_is_less = operand ^ sign < old ^ sign           # signed order is unsigned order with the sign bits inverted
    new = operand if operand_is_less == (word & _MINIMUM != ZERO) else old
    for k in range(np.int64(size_bytes)):
        ram[np.int64(offset) + k] = u8((new >> u64(8 * k)) & u64(0xFF))
    code_written(m, np.int64(i), offset, size_bytes)
    if page_flags_of(m)[np.int64(offset >> PAGE_SHIFT)] & MONITORED != u8(0):
        break_reservations(m, np.int64(i), offset + machine["ram_pa"])
    if target != THIRTY_ONE:
        registers[np.int64(target)] = old
    registers[PC] = pc + FOUR
    return True
