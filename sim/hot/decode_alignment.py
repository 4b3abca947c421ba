"""Proving that a block makes no misaligned access, from the registers at its entry. Compiled, pure, nothing allocated.

Unicorn checks neither SCTLR.A nor the alignment of LDAR; so a block is proved aligned once, as a short list of conditions on entry registers, and the
conditions are tested at each visit. Only the low four bits of an address matter: the widest natural alignment is 16 bytes.

Each register is followed through the block as (origin, delta): its value is congruent to the entry value of `origin` plus delta, modulo 16.
"""

import numpy as np
import numpy.typing as npt
from numba import njit

from sim.hot.decode_memory import (
    EIGHT,
    FIFTEEN,
    FIVE,
    FORM_ATOMIC,
    FORM_COMPARE_PAIR,
    FORM_EXCLUSIVE_PAIR,
    FORM_LITERAL,
    FORM_NONE,
    FORM_PAIR_NON_TEMPORAL,
    FORM_PAIR_PRE,
    FORM_REGISTER,
    FOUR,
    KIND_LOAD,
    KIND_PREFETCH,
    NO_REGISTER,
    ONE,
    SIXTEEN,
    SP,
    TEN,
    THIRTY,
    THIRTY_ONE,
    THREE,
    TWENTY_NINE,
    TWENTY_SIX,
    TWENTY_TWO,
    TWO,
    WRITEBACK_IMMEDIATE,
    WRITEBACK_REGISTER,
    XZR,
    ZERO,
    U64Array,
    access_alignment_bytes,
    access_kind,
    base_register,
    displacement,
    field,
    index_shift,
    memory_form,
    status_or_operand_register,
    u64,
    word_at,
    writeback_amount,
    writeback_kind,
)

REQUIREMENTS_MAX = 8
ALIGNMENT_OUT_WORDS = REQUIREMENTS_MAX + 32     # words that `out` must hold: the requirements, then the working state of x0..x30 and SP

_MAX = np.int64(REQUIREMENTS_MAX)
_UNPROVABLE = np.int64(-1)
_I0, _I1, _I4 = np.int64(0), np.int64(1), np.int64(4)

# A register's state: origin | delta << 8. Origins 0..31 are entry registers (31 = SP).
_ORIGIN_CONSTANT, _ORIGIN_UNKNOWN = u64(254), u64(255)
_ORIGIN_MASK = u64(0xFF)

_GROUP_MASK = u64(0x1E00_0000)
_SVE = u64(0x0400_0000)
_LOADS_MASK, _LOADS = u64(0x0A00_0000), u64(0x0800_0000)                # bits 27 and 25 = 1, 0
_IMMEDIATE_MASK, _IMMEDIATE = u64(0x1C00_0000), u64(0x1000_0000)        # data processing, immediate
_REGISTER_MASK, _REGISTER = u64(0x0E00_0000), u64(0x0A00_0000)          # data processing, register
_BRANCHES_MASK, _BRANCHES = u64(0x1C00_0000), u64(0x1400_0000)
_ADR_MASK, _ADR, _ADRP = u64(0x9F00_0000), u64(0x1000_0000), u64(0x9000_0000)
_ADD_IMMEDIATE_MASK, _ADD_IMMEDIATE = u64(0x1F80_0000), u64(0x1100_0000)
_LOGICAL_MASK, _LOGICAL = u64(0x1F80_0000), u64(0x1200_0000)
_WIDE_MASK, _WIDE = u64(0x1F80_0000), u64(0x1280_0000)
_ADD_REGISTER_MASK, _ADD_REGISTER = u64(0x1FE0_0000), u64(0x0B00_0000)  # ADD and SUB, shifted by LSL
_ADD_EXTENDED_MASK, _ADD_EXTENDED = u64(0x3FE0_0000), u64(0x0B20_0000)  # without setting flags: 31 is SP
_MOVE_MASK, _MOVE = u64(0x7FE0_FFE0), u64(0x2A00_03E0)                  # ORR Rd, XZR, Rm
_CONDITIONAL_COMPARE_MASK, _CONDITIONAL_COMPARE = u64(0x1FE0_0000), u64(0x1A40_0000)
_FP_FIXED_MASK, _FP_FIXED = u64(0x5F20_0000), u64(0x1E00_0000)          # conversions between FP and fixed point
_FP_INTEGER_MASK, _FP_INTEGER = u64(0x5F20_FC00), u64(0x1E20_0000)      # conversions between FP and integer, FMOV
_SIMD_COPY_MASK, _SIMD_COPY = u64(0x9FE0_8400), u64(0x0E00_0400)        # SMOV, UMOV and neighbours
_SYSTEM_MASK, _SYSTEM = u64(0xFFC0_0000), u64(0xD500_0000)
_HINT_MASK, _HINT = u64(0xFFFF_F01F), u64(0xD503_201F)
_PSTATE_SPSEL_MASK, _PSTATE_SPSEL = u64(0xFFFF_F0FF), u64(0xD500_40BF)
_MSR_SPSEL_MASK, _MSR_SPSEL = u64(0xFFFF_FFE0), u64(0xD518_4200)
_READ = u64(1 << 21)
_SUBTRACT = u64(1 << 30)
_SET_FLAGS = u64(1 << 29)
_SHIFT_12 = u64(1 << 22)
_6_BITS, _127, _64 = u64(63), u64(127), u64(64)
_LINK, _X17 = THIRTY, u64(17)
_21, _SIX = u64(21), u64(6)


@njit(cache=True)
def _state(out: U64Array, register: np.uint64) -> np.uint64:
    return u64(out[_MAX + np.int64(register)])


@njit(cache=True)
def _set_state(out: U64Array, register: np.uint64, state: np.uint64) -> None:
    out[_MAX + np.int64(register)] = state


@njit(cache=True)
def _forget(out: U64Array, register: np.uint64) -> None:
    """A general-purpose register (31 = XZR, nothing to do) gets a value that cannot be followed."""
    if register != XZR:
        out[_MAX + np.int64(register)] = _ORIGIN_UNKNOWN


@njit(cache=True)
def _plus(state: np.uint64, delta: np.uint64) -> np.uint64:
    """State of a register after adding delta, of which only the low four bits matter."""
    origin = state & _ORIGIN_MASK
    if origin == _ORIGIN_UNKNOWN:
        return state
    return origin | ((((state >> EIGHT) + (delta & FIFTEEN)) & FIFTEEN) << EIGHT)


@njit(cache=True)
def _constant(delta: np.uint64) -> np.uint64:
    return _ORIGIN_CONSTANT | ((delta & FIFTEEN) << EIGHT)


@njit(cache=True)
def _negated(nibble: np.uint64) -> np.uint64:
    return (SIXTEEN - (nibble & FIFTEEN)) & FIFTEEN


@njit(cache=True)
def _require(out: U64Array, number: np.int64, state: np.uint64, delta: np.uint64, mask: np.uint64) -> np.int64:
    """Demand that (state + delta) & mask is 0; the new number of requirements, or -1 if that cannot be promised."""
    if mask == ZERO:
        return number
    value = _plus(state, delta)
    origin = value & _ORIGIN_MASK
    delta = (value >> EIGHT) & mask
    if origin == _ORIGIN_UNKNOWN:
        return _UNPROVABLE
    if origin == _ORIGIN_CONSTANT:
        return number if delta == ZERO else _UNPROVABLE
    for k in range(number):
        held_delta = (out[k] >> EIGHT) & _ORIGIN_MASK
        held_mask = out[k] >> SIXTEEN
        if out[k] & _ORIGIN_MASK != origin:
            continue
        if mask <= held_mask and held_delta & mask == delta:
            return number               # implied by one that is there
        if held_mask < mask and delta & held_mask == held_delta:
            out[k] = origin | (delta << EIGHT) | (mask << SIXTEEN)
            return number
    if number == _MAX:
        return _UNPROVABLE
    out[number] = origin | (delta << EIGHT) | (mask << SIXTEEN)
    return number + _I1


@njit(cache=True)
def _follow_memory(word: np.uint64, form: np.uint64, out: U64Array) -> None:
    """What a load or store writes into general-purpose registers: write-back, then loaded values and status."""
    base = base_register(word, form)
    writeback = writeback_kind(word, form)
    if writeback == WRITEBACK_IMMEDIATE:
        _set_state(out, base, _plus(_state(out, base), writeback_amount(word, form)))
    elif writeback == WRITEBACK_REGISTER:
        _set_state(out, base, _ORIGIN_UNKNOWN)
    operand = status_or_operand_register(word, form)
    if operand != NO_REGISTER and form != FORM_ATOMIC:
        _forget(out, operand)           # status of a store exclusive; what CAS and CASP found
        if form == FORM_COMPARE_PAIR:
            _forget(out, operand + ONE)
    loads = access_kind(word, form) == KIND_LOAD and field(word, TWENTY_SIX, ONE) == ZERO
    if loads or form == FORM_ATOMIC:
        _forget(out, word & THIRTY_ONE)
        if FORM_PAIR_NON_TEMPORAL <= form <= FORM_PAIR_PRE or form == FORM_EXCLUSIVE_PAIR:
            _forget(out, field(word, TEN, THIRTY_ONE))


@njit(cache=True)
def _bitmask_nibble(word: np.uint64) -> np.uint64:
    """Low four bits of the bitmask immediate of a logical instruction (DecodeBitMasks)."""
    n = field(word, TWENTY_TWO, ONE)
    imms = field(word, TEN, _6_BITS)
    pattern = (n << _SIX) | (imms ^ _6_BITS)
    element_bits = _64
    while element_bits > TWO and pattern & element_bits == ZERO:
        element_bits = element_bits >> ONE
    levels = element_bits - ONE
    last = imms & levels
    rotation = field(word, SIXTEEN, _6_BITS) & levels
    nibble = ZERO
    bit = ZERO
    while bit < FOUR:
        if (bit + rotation) & levels <= last:
            nibble |= ONE << bit
        bit += ONE
    return nibble


@njit(cache=True)
def _follow_logical(word: np.uint64, out: U64Array) -> None:
    """AND that clears or keeps the low four bits, and ORR into XZR (MOV of a bitmask)."""
    opc = field(word, TWENTY_NINE, THREE)
    source = field(word, FIVE, THIRTY_ONE)
    destination = word & THIRTY_ONE
    nibble = _bitmask_nibble(word)
    state = _ORIGIN_UNKNOWN
    if opc == ZERO or opc == THREE:
        if nibble == ZERO:
            state = _constant(ZERO)
        elif nibble == FIFTEEN and source != XZR:
            state = _state(out, source)
    elif opc == ONE and source == XZR:
        state = _constant(nibble)
    if opc != THREE or destination != XZR:      # ANDS writes XZR, the others SP
        _set_state(out, destination, state)


@njit(cache=True)
def _follow_wide(word: np.uint64, out: U64Array) -> None:
    """MOVN, MOVZ, MOVK."""
    destination = word & THIRTY_ONE
    if destination == XZR:
        return
    opc = field(word, TWENTY_NINE, THREE)
    low_half = field(word, _21, THREE) == ZERO
    nibble = field(word, FIVE, FIFTEEN) if low_half else ZERO
    if opc == ZERO:
        _set_state(out, destination, _constant(nibble ^ FIFTEEN))
    elif opc == TWO or low_half:
        _set_state(out, destination, _constant(nibble))


@njit(cache=True)
def _follow_immediate(word: np.uint64, offset: np.int64, out: U64Array) -> None:
    """Data processing with an immediate. Offsets in RAM and virtual addresses agree modulo 16, so ADR is a constant."""
    destination = word & THIRTY_ONE
    address = word & _ADR_MASK
    if address == _ADR or address == _ADRP:
        if destination != XZR:
            immediate = field(word, TWENTY_NINE, THREE) | (field(word, FIVE, THREE) << TWO)
            _set_state(out, destination, _constant(u64(offset) + immediate) if address == _ADR else _constant(ZERO))
    elif word & _ADD_IMMEDIATE_MASK == _ADD_IMMEDIATE:
        amount = ZERO if word & _SHIFT_12 else field(word, TEN, FIFTEEN)
        if word & _SUBTRACT:
            amount = _negated(amount)
        if destination != XZR or word & _SET_FLAGS == ZERO:
            _set_state(out, destination, _plus(_state(out, field(word, FIVE, THIRTY_ONE)), amount))
    elif word & _LOGICAL_MASK == _LOGICAL:
        _follow_logical(word, out)
    elif word & _WIDE_MASK == _WIDE:
        _follow_wide(word, out)
    else:
        _set_state(out, destination, _ORIGIN_UNKNOWN)


@njit(cache=True)
def _follow_register(word: np.uint64, out: U64Array) -> None:
    """Data processing with registers: MOV, ADD and SUB are followed, all else is forgotten."""
    destination = word & THIRTY_ONE
    first = field(word, FIVE, THIRTY_ONE)
    second = field(word, SIXTEEN, THIRTY_ONE)
    if word & _CONDITIONAL_COMPARE_MASK == _CONDITIONAL_COMPARE:
        return
    if word & _ADD_EXTENDED_MASK == _ADD_EXTENDED:
        _set_state(out, destination, _ORIGIN_UNKNOWN)
        return
    state = _ORIGIN_UNKNOWN
    if word & _MOVE_MASK == _MOVE:
        state = _constant(ZERO) if second == XZR else _state(out, second)
    elif word & _ADD_REGISTER_MASK == _ADD_REGISTER:
        left = _constant(ZERO) if first == XZR else _state(out, first)
        right = _constant(ZERO) if second == XZR else _state(out, second)
        shift = field(word, TEN, _6_BITS)
        if shift >= FOUR:
            state = left
        elif right & _ORIGIN_MASK == _ORIGIN_CONSTANT:
            amount = (right >> EIGHT) << shift
            state = _plus(left, _negated(amount) if word & _SUBTRACT else amount)
        elif left & _ORIGIN_MASK == _ORIGIN_CONSTANT and shift == ZERO and word & _SUBTRACT == ZERO:
            state = _plus(right, left >> EIGHT)
    if destination != XZR:
        _set_state(out, destination, state)


@njit(cache=True)
def _follow_branch_or_system(word: np.uint64, out: U64Array) -> None:
    if word & _SYSTEM_MASK != _SYSTEM:
        _forget(out, _LINK)             # perhaps a BL; the block ends here anyway
    elif word & _HINT_MASK == _HINT:
        if field(word, FIVE, _127) > FIVE:      # PACIA1716, PACIASP, XPACLRI and their kin
            _forget(out, _LINK)
            _forget(out, _X17)
    elif word & _PSTATE_SPSEL_MASK == _PSTATE_SPSEL or word & _MSR_SPSEL_MASK == _MSR_SPSEL:
        _set_state(out, SP, _ORIGIN_UNKNOWN)
    elif word & _READ:
        _forget(out, word & THIRTY_ONE)


@njit(cache=True)
def _follow_other(word: np.uint64, offset: np.int64, out: U64Array) -> bool:
    """What an instruction that is no load or store does to the registers; False where it may access memory in ways not decoded."""
    if word & _LOADS_MASK == _LOADS or word & _GROUP_MASK == _SVE:
        return False
    if word & _IMMEDIATE_MASK == _IMMEDIATE:
        _follow_immediate(word, offset, out)
    elif word & _REGISTER_MASK == _REGISTER:
        _follow_register(word, out)
    elif word & _BRANCHES_MASK == _BRANCHES:
        _follow_branch_or_system(word, out)
    elif word & _FP_FIXED_MASK == _FP_FIXED or word & _FP_INTEGER_MASK == _FP_INTEGER or word & _SIMD_COPY_MASK == _SIMD_COPY:
        _forget(out, word & THIRTY_ONE)         # perhaps into a general-purpose register
    return True


@njit(cache=True)
def _require_access(word: np.uint64, form: np.uint64, offset: np.int64, out: U64Array, number: np.int64) -> np.int64:
    """Add the requirements of one access; their new number or -1."""
    mask = access_alignment_bytes(word, form) - ONE
    if access_kind(word, form) == KIND_PREFETCH or mask == ZERO:
        return number
    if form == FORM_LITERAL:            # words always are aligned, doublewords and quadwords need not be
        return _require(out, number, _constant(u64(offset)), displacement(word, form), mask)
    number = _require(out, number, _state(out, base_register(word, form)), displacement(word, form), mask)
    index = field(word, SIXTEEN, THIRTY_ONE)
    if number == _UNPROVABLE or form != FORM_REGISTER or index == XZR:
        return number
    return _require(out, number, _state(out, index), ZERO, mask >> index_shift(word, form))


@njit(cache=True)
def alignment_requirements(ram: npt.NDArray[np.uint8], offset: np.int64, count: np.int64, out: U64Array) -> np.int64:
    """Conditions on the registers at entry under which no access of a block is misaligned; how many, or -1 if that cannot be proved.

    ram, offset, count: as of `sim.hot.decode.block_facts`; RAM starts on a page boundary. out: uint64, ALIGNMENT_OUT_WORDS words, of which the first
    REQUIREMENTS_MAX receive the conditions: register (0..30, 31 = SP) | delta << 8 | mask << 16, meaning (value + delta) & mask == 0, mask 1, 3, 7 or 15.
    Register-offset forms ask for base and scaled index to be aligned each by itself: sufficient, not necessary.
    """
    start = np.int64(offset)
    number = _I0
    for register in range(32):
        out[_MAX + np.int64(register)] = u64(register)
    for index in range(np.int64(count)):
        at = start + _I4 * np.int64(index)
        word = word_at(ram, at)
        form = memory_form(word)
        if form == FORM_NONE:
            if not _follow_other(word, at, out):
                return _UNPROVABLE
            continue
        number = _require_access(word, form, at, out, number)
        if number == _UNPROVABLE:
            return number
        _follow_memory(word, form, out)
    return number
