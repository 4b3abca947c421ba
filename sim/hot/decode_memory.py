"""Loads and stores: what an A64 word accesses, and where. Compiled, pure, nothing allocated.

Covered: Arm ARM DDI 0487, C4.1 "Loads and Stores", Armv8.0 to 8.4, integer and SIMD&FP. Not covered: SVE, MTE (LDG, STG, STGP), LD64B and ST64B, which
count as no access.

Every number is a typed uint64: a bare literal beside a uint64 becomes int64 when compiled, and upper-half addresses break.
"""

import numpy as np
import numpy.typing as npt
from numba import njit

from sim.arch.instruction import (
    FLAG_ATOMIC,
    FLAG_EXCLUSIVE,
    FLAG_FP,
    FLAG_LDAPR,
    FLAG_LOAD,
    FLAG_MEMORY,
    FLAG_SP_BASE,
    FLAG_STORE,
    FLAG_UNPRIVILEGED,
    FLAG_WRITES_SP,
)

u64 = np.uint64
U64Array = npt.NDArray[np.uint64]

# Fields written by memory_access: indices into its `out`.
OUT_BASE = 0                            # base register; 31 = SP; NO_REGISTER for a literal
OUT_KIND = 1                            # one of KIND_
OUT_SIZE_BYTES = 2                      # whole access; 0 for a prefetch
OUT_ALIGNMENT_BYTES = 3                 # what natural alignment means here: one element; the whole of an exclusive pair or CASP; 1 for a prefetch
OUT_DISPLACEMENT = 4                    # sign-extended, added to the base (a literal: to the PC) before the access; 0 for post-index
OUT_HAS_INDEX = 5                       # 1: an index register is added as well
OUT_INDEX = 6                           # index register; 31 = XZR; NO_REGISTER without one
OUT_EXTEND = 7                          # `option` field: 2 UXTW, 3 LSL, 6 SXTW, 7 SXTX
OUT_SHIFT = 8                           # left shift of the extended index, 0..4
OUT_WRITEBACK = 9                       # one of WRITEBACK_
OUT_WRITEBACK_AMOUNT = 10               # sign-extended, added to the base for good; 0 unless WRITEBACK_IMMEDIATE
OUT_WRITEBACK_REGISTER = 11             # register added to the base after a structure access; NO_REGISTER unless WRITEBACK_REGISTER
OUT_IS_EXCLUSIVE = 12
OUT_IS_ORDERED = 13                     # ORDERED_ACQUIRE and ORDERED_RELEASE, or'ed
OUT_IS_UNPRIVILEGED = 14
OUT_IS_LITERAL = 15
OUT_RT = 16                             # first transfer register (31 = XZR), first SIMD&FP register, or the prefetch operation
OUT_RT2 = 17                            # second of a pair (CASP: Rt + 1); NO_REGISTER without one
OUT_RS = 18                             # status of a store exclusive; operand of an atomic; comparand of CAS and CASP (and Rs + 1); else NO_REGISTER
OUT_IS_FP = 19                          # transfer registers are SIMD&FP registers
OUT_FIELDS = 20                         # words that `out` must hold

KIND_LOAD, KIND_STORE, KIND_BOTH, KIND_PREFETCH = u64(1), u64(2), u64(3), u64(4)
WRITEBACK_NONE, WRITEBACK_IMMEDIATE, WRITEBACK_REGISTER = u64(0), u64(1), u64(2)
ORDERED_ACQUIRE, ORDERED_RELEASE = u64(1), u64(2)
NO_REGISTER = u64(255)

# Encoding groups of loads and stores, as memory_form tells them apart.
FORM_NONE = u64(0)
FORM_EXCLUSIVE, FORM_EXCLUSIVE_PAIR, FORM_ORDERED, FORM_COMPARE, FORM_COMPARE_PAIR = u64(1), u64(2), u64(3), u64(4), u64(5)
FORM_ATOMIC, FORM_LDAPR, FORM_ORDERED_UNSCALED, FORM_LITERAL = u64(6), u64(7), u64(8), u64(9)
FORM_UNSCALED, FORM_POST, FORM_UNPRIVILEGED, FORM_PRE = u64(10), u64(11), u64(12), u64(13)      # in the order of bits 11:10
FORM_REGISTER, FORM_UNSIGNED, FORM_AUTHENTICATED = u64(14), u64(15), u64(16)
FORM_PAIR_NON_TEMPORAL, FORM_PAIR_POST, FORM_PAIR_OFFSET, FORM_PAIR_PRE = u64(17), u64(18), u64(19), u64(20)  # in the order of bits 24:23
FORM_STRUCTURES, FORM_STRUCTURES_POST, FORM_STRUCTURE, FORM_STRUCTURE_POST = u64(21), u64(22), u64(23), u64(24)

ZERO, ONE, TWO, THREE, FOUR, FIVE, SIX, SEVEN, EIGHT = u64(0), u64(1), u64(2), u64(3), u64(4), u64(5), u64(6), u64(7), u64(8)
NINE, TEN, TWELVE, THIRTEEN, FOURTEEN, FIFTEEN, SIXTEEN = u64(9), u64(10), u64(12), u64(13), u64(14), u64(15), u64(16)
NINETEEN, TWENTY, TWENTY_ONE, TWENTY_TWO, TWENTY_THREE, TWENTY_FOUR = u64(19), u64(20), u64(21), u64(22), u64(23), u64(24)
TWENTY_SIX, TWENTY_NINE, THIRTY, THIRTY_ONE, THIRTY_TWO = u64(26), u64(29), u64(30), u64(31), u64(32)
_7_BITS, _9_BITS, _12_BITS, _19_BITS = u64(0x7F), u64(0x1FF), u64(0xFFF), u64(0x7FFFF)
_ALL_BITS, _LOW_WORD = u64(0xFFFF_FFFF_FFFF_FFFF), u64(0xFFFF_FFFF)
_I1, _I2, _I3 = np.int64(1), np.int64(2), np.int64(3)                    # index offsets
SP = THIRTY_ONE                         # as a base
XZR = THIRTY_ONE                        # as an index or a transfer register

_F_FP, _F_MEMORY, _F_LOAD, _F_STORE = u64(FLAG_FP), u64(FLAG_MEMORY), u64(FLAG_LOAD), u64(FLAG_STORE)
_F_EXCLUSIVE, _F_ATOMIC, _F_LDAPR, _F_UNPRIVILEGED = u64(FLAG_EXCLUSIVE), u64(FLAG_ATOMIC), u64(FLAG_LDAPR), u64(FLAG_UNPRIVILEGED)
_F_SP_BASE, _F_WRITES_SP = u64(FLAG_SP_BASE), u64(FLAG_WRITES_SP)


@njit(cache=True)
def add_modulo(left: np.uint64, right: np.uint64) -> np.uint64:
    """Sum modulo 2**64, in halves, because NumPy's own scalar sum warns when it wraps and negative displacements always wrap."""
    low = (left & _LOW_WORD) + (right & _LOW_WORD)
    high = (left >> THIRTY_TWO) + (right >> THIRTY_TWO) + (low >> THIRTY_TWO)
    return (high << THIRTY_TWO) | (low & _LOW_WORD)


@njit(cache=True)
def sign_extend(value: np.uint64, bits: np.uint64) -> np.uint64:
    """The low `bits` bits (1..63) of a value that has no others, extended to 64."""
    if (value >> (bits - ONE)) & ONE:
        return value | (_ALL_BITS << bits)
    return value


@njit(cache=True)
def field(word: np.uint64, low: np.uint64, mask: np.uint64) -> np.uint64:
    """The field of a word whose lowest bit is `low`, cut by the right-aligned `mask`."""
    return (word >> low) & mask


@njit(cache=True)
def word_at(ram: npt.NDArray[np.uint8], offset: np.int64) -> np.uint64:
    """The little-endian 32-bit word at a byte offset of RAM."""
    low = u64(ram[offset]) | (u64(ram[offset + _I1]) << EIGHT)
    return low | (u64(ram[offset + _I2]) << SIXTEEN) | (u64(ram[offset + _I3]) << TWENTY_FOUR)


@njit(cache=True)
def _exclusive_group_form(word: np.uint64) -> np.uint64:
    o2_o1 = (field(word, TWENTY_THREE, ONE) << ONE) | field(word, TWENTY_ONE, ONE)
    no_rt2 = field(word, TEN, THIRTY_ONE) == THIRTY_ONE
    if o2_o1 == ZERO:
        return FORM_EXCLUSIVE
    if o2_o1 == TWO:
        return FORM_ORDERED
    if o2_o1 == THREE:
        return FORM_COMPARE if no_rt2 else FORM_NONE
    if word >> THIRTY_ONE:
        return FORM_EXCLUSIVE_PAIR
    even = (word & ONE) == ZERO and field(word, SIXTEEN, ONE) == ZERO
    return FORM_COMPARE_PAIR if no_rt2 and even else FORM_NONE


@njit(cache=True)
def structures_registers(word: np.uint64) -> np.uint64:
    """Registers of LD1..LD4 (multiple structures), 0 where the opcode is not allocated."""
    opcode = field(word, TWELVE, FIFTEEN)
    if opcode == ZERO or opcode == TWO:
        return FOUR
    if opcode == FOUR or opcode == SIX:
        return THREE
    if opcode == EIGHT or opcode == TEN:
        return TWO
    return ONE if opcode == SEVEN else ZERO


@njit(cache=True)
def _structures_form(word: np.uint64) -> np.uint64:
    post = field(word, TWENTY_THREE, ONE)
    if (post == ZERO and field(word, SIXTEEN, THIRTY_ONE) != ZERO) or field(word, TWENTY_ONE, ONE):
        return FORM_NONE
    registers = structures_registers(word)
    interleaved = registers != ONE and field(word, TWELVE, TWO) == ZERO
    one_lane = field(word, TEN, THREE) == THREE and field(word, THIRTY, ONE) == ZERO       # .1D is for LD1 and ST1 only
    if registers == ZERO or (interleaved and one_lane):
        return FORM_NONE
    return FORM_STRUCTURES_POST if post else FORM_STRUCTURES


@njit(cache=True)
def _structure_form(word: np.uint64) -> np.uint64:
    post = field(word, TWENTY_THREE, ONE)
    if post == ZERO and field(word, SIXTEEN, THIRTY_ONE) != ZERO:
        return FORM_NONE
    scale = field(word, FOURTEEN, THREE)
    size = field(word, TEN, THREE)
    s = field(word, TWELVE, ONE)
    allocated = True
    if scale == ONE:
        allocated = (size & ONE) == ZERO
    elif scale == TWO:
        allocated = size == ZERO or (size == ONE and s == ZERO)
    elif scale == THREE:
        allocated = field(word, TWENTY_TWO, ONE) == ONE and s == ZERO
    if not allocated:
        return FORM_NONE
    return FORM_STRUCTURE_POST if post else FORM_STRUCTURE


@njit(cache=True)
def _pair_form(word: np.uint64) -> np.uint64:
    opc = word >> THIRTY
    mode = field(word, TWENTY_THREE, THREE)
    if opc == THREE:
        return FORM_NONE
    if opc == ONE and field(word, TWENTY_SIX, ONE) == ZERO and (mode == ZERO or field(word, TWENTY_TWO, ONE) == ZERO):
        return FORM_NONE                # LDPSW has no non-temporal form; its store side is MTE's STGP
    return FORM_PAIR_NON_TEMPORAL + mode


@njit(cache=True)
def _is_single_allocated(word: np.uint64, form: np.uint64) -> bool:
    size = word >> THIRTY
    opc = field(word, TWENTY_TWO, THREE)
    if field(word, TWENTY_SIX, ONE):
        return bool(form != FORM_UNPRIVILEGED and (opc < TWO or size == ZERO))
    if opc == THREE:
        return bool(size < TWO)
    if opc == TWO and size == THREE:    # a prefetch
        return bool(form == FORM_UNSCALED or form == FORM_REGISTER or form == FORM_UNSIGNED)
    return True


@njit(cache=True)
def _register_group_form(word: np.uint64) -> np.uint64:
    """Bits 29:27 = 111 and 25:24 = 00 with bit 21 set: atomics, register offset, LDRAA."""
    selector = field(word, TEN, THREE)
    v = field(word, TWENTY_SIX, ONE)
    if selector == TWO:
        if field(word, FOURTEEN, ONE) == ZERO or not _is_single_allocated(word, FORM_REGISTER):
            return FORM_NONE
        return FORM_REGISTER
    if v:
        return FORM_NONE
    if selector != ZERO:
        return FORM_AUTHENTICATED if (word >> THIRTY) == THREE else FORM_NONE
    o3 = field(word, FIFTEEN, ONE)
    opc = field(word, TWELVE, SEVEN)
    if o3 == ZERO or opc == ZERO:
        return FORM_ATOMIC
    return FORM_LDAPR if opc == FOUR and field(word, TWENTY_TWO, THREE) == TWO else FORM_NONE


@njit(cache=True)
def memory_form(word: np.uint64) -> np.uint64:
    """The encoding group of a load or store (one of FORM_), FORM_NONE for everything else and for what is not allocated."""
    v = field(word, TWENTY_SIX, ONE)
    group = (field(word, u64(27), SEVEN) << TWO) | field(word, TWENTY_FOUR, THREE)         # bits 29:27 and 25:24
    form = FORM_NONE
    if group == FOUR and v == ZERO:
        form = _exclusive_group_form(word)
    elif group == FOUR and word >> THIRTY_ONE == ZERO:
        form = _structures_form(word)
    elif group == FIVE and v and word >> THIRTY_ONE == ZERO:
        form = _structure_form(word)
    elif group == TWELVE:
        form = FORM_NONE if v and (word >> THIRTY) == THREE else FORM_LITERAL
    elif group == THIRTEEN and v == ZERO and field(word, TWENTY_ONE, ONE) == ZERO and field(word, TEN, THREE) == ZERO:
        form = FORM_ORDERED_UNSCALED if _is_single_allocated(word, FORM_ORDERED_UNSCALED) else FORM_NONE
    elif group == TWENTY or group == TWENTY_ONE:
        form = _pair_form(word)
    elif group == u64(28) and field(word, TWENTY_ONE, ONE):
        form = _register_group_form(word)
    elif group == u64(28):
        candidate = FORM_UNSCALED + field(word, TEN, THREE)
        form = candidate if _is_single_allocated(word, candidate) else FORM_NONE
    elif group == TWENTY_NINE:
        form = FORM_UNSIGNED if _is_single_allocated(word, FORM_UNSIGNED) else FORM_NONE
    return form


@njit(cache=True)
def _is_pair(form: np.uint64) -> bool:
    return bool(FORM_PAIR_NON_TEMPORAL <= form <= FORM_PAIR_PRE)


@njit(cache=True)
def element_scale(word: np.uint64, form: np.uint64) -> np.uint64:
    """log2 of the bytes of one element (0..4)."""
    v = field(word, TWENTY_SIX, ONE)
    opc = word >> THIRTY
    if form == FORM_LITERAL or _is_pair(form):
        if v:
            return opc + TWO
        if form == FORM_LITERAL:
            return THREE if opc == ONE else TWO
        return THREE if opc == TWO else TWO
    if form == FORM_EXCLUSIVE_PAIR or form == FORM_COMPARE_PAIR:
        return TWO + field(word, THIRTY, ONE)
    if form == FORM_STRUCTURES or form == FORM_STRUCTURES_POST:
        return field(word, TEN, THREE)
    if form == FORM_STRUCTURE or form == FORM_STRUCTURE_POST:
        scale = field(word, FOURTEEN, THREE)
        if scale == TWO:
            return TWO + field(word, TEN, ONE)
        return field(word, TEN, THREE) if scale == THREE else scale
    if v and field(word, TWENTY_THREE, ONE):
        return FOUR
    return opc                          # the size field


@njit(cache=True)
def access_size_bytes(word: np.uint64, form: np.uint64) -> np.uint64:
    """Bytes of the whole access; 0 for a prefetch."""
    element_bytes = ONE << element_scale(word, form)
    if access_kind(word, form) == KIND_PREFETCH:
        return ZERO
    if _is_pair(form) or form == FORM_EXCLUSIVE_PAIR or form == FORM_COMPARE_PAIR:
        return element_bytes << ONE
    if form == FORM_STRUCTURES or form == FORM_STRUCTURES_POST:
        return structures_registers(word) * (EIGHT << field(word, THIRTY, ONE))
    if form == FORM_STRUCTURE or form == FORM_STRUCTURE_POST:
        return element_bytes * (((field(word, THIRTEEN, ONE) << ONE) | field(word, TWENTY_ONE, ONE)) + ONE)
    return element_bytes


@njit(cache=True)
def access_alignment_bytes(word: np.uint64, form: np.uint64) -> np.uint64:
    """Natural alignment: one element, the whole of an exclusive pair or CASP, 1 for a prefetch."""
    if access_kind(word, form) == KIND_PREFETCH:
        return ONE
    if form == FORM_EXCLUSIVE_PAIR or form == FORM_COMPARE_PAIR:
        return TWO << element_scale(word, form)
    return ONE << element_scale(word, form)


@njit(cache=True)
def access_kind(word: np.uint64, form: np.uint64) -> np.uint64:
    """KIND_LOAD, KIND_STORE, KIND_BOTH (atomics) or KIND_PREFETCH."""
    if form == FORM_COMPARE or form == FORM_COMPARE_PAIR or form == FORM_ATOMIC:
        return KIND_BOTH
    if form == FORM_LDAPR or form == FORM_AUTHENTICATED:
        return KIND_LOAD
    v = field(word, TWENTY_SIX, ONE)
    if form == FORM_LITERAL:
        return KIND_PREFETCH if v == ZERO and (word >> THIRTY) == THREE else KIND_LOAD
    if FORM_ORDERED_UNSCALED <= form <= FORM_UNSIGNED:
        opc = field(word, TWENTY_TWO, THREE)
        if v:
            return KIND_LOAD if opc & ONE else KIND_STORE
        if opc == ZERO:
            return KIND_STORE
        prefetch = opc == TWO and (word >> THIRTY) == THREE
        return KIND_PREFETCH if prefetch else KIND_LOAD
    return KIND_LOAD if field(word, TWENTY_TWO, ONE) else KIND_STORE


@njit(cache=True)
def displacement(word: np.uint64, form: np.uint64) -> np.uint64:
    """What is added to the base, or to the PC for a literal, before the access; sign-extended, 0 for post-index."""
    if form == FORM_UNSIGNED:
        return field(word, TEN, _12_BITS) << element_scale(word, form)
    if form == FORM_UNSCALED or form == FORM_PRE or form == FORM_UNPRIVILEGED or form == FORM_ORDERED_UNSCALED:
        return sign_extend(field(word, TWELVE, _9_BITS), NINE)
    if form == FORM_PAIR_OFFSET or form == FORM_PAIR_PRE or form == FORM_PAIR_NON_TEMPORAL:
        return sign_extend(field(word, u64(15), _7_BITS), SEVEN) << element_scale(word, form)
    if form == FORM_LITERAL:
        return sign_extend(field(word, FIVE, _19_BITS), NINETEEN) << TWO
    if form == FORM_AUTHENTICATED:
        offset = (field(word, TWENTY_TWO, ONE) << NINE) | field(word, TWELVE, _9_BITS)
        return sign_extend(offset, TEN) << THREE
    return ZERO


@njit(cache=True)
def writeback_kind(word: np.uint64, form: np.uint64) -> np.uint64:
    """WRITEBACK_NONE, WRITEBACK_IMMEDIATE or WRITEBACK_REGISTER."""
    if form == FORM_POST or form == FORM_PRE or form == FORM_PAIR_POST or form == FORM_PAIR_PRE:
        return WRITEBACK_IMMEDIATE
    if form == FORM_STRUCTURES_POST or form == FORM_STRUCTURE_POST:
        return WRITEBACK_IMMEDIATE if field(word, SIXTEEN, THIRTY_ONE) == THIRTY_ONE else WRITEBACK_REGISTER
    if form == FORM_AUTHENTICATED and field(word, u64(11), ONE):
        return WRITEBACK_IMMEDIATE
    return WRITEBACK_NONE


@njit(cache=True)
def writeback_amount(word: np.uint64, form: np.uint64) -> np.uint64:
    """What is added to the base for good, sign-extended; 0 unless writeback_kind is WRITEBACK_IMMEDIATE."""
    if writeback_kind(word, form) != WRITEBACK_IMMEDIATE:
        return ZERO
    if form == FORM_POST:
        return sign_extend(field(word, TWELVE, _9_BITS), NINE)
    if form == FORM_PAIR_POST:
        return sign_extend(field(word, u64(15), _7_BITS), SEVEN) << element_scale(word, form)
    if form == FORM_STRUCTURES_POST or form == FORM_STRUCTURE_POST:
        return access_size_bytes(word, form)
    return displacement(word, form)


@njit(cache=True)
def ordering(word: np.uint64, form: np.uint64) -> np.uint64:
    """ORDERED_ACQUIRE and ORDERED_RELEASE, or'ed. LDAPR's weaker acquire and the LORegion forms count as what they resemble."""
    o0 = field(word, u64(15), ONE)
    load = field(word, TWENTY_TWO, ONE)
    if form == FORM_EXCLUSIVE or form == FORM_EXCLUSIVE_PAIR:
        return (ORDERED_ACQUIRE if load else ORDERED_RELEASE) if o0 else ZERO
    if form == FORM_ORDERED:
        return ORDERED_ACQUIRE if load else ORDERED_RELEASE
    if form == FORM_COMPARE or form == FORM_COMPARE_PAIR:
        return load | (o0 << ONE)
    if form == FORM_ATOMIC:             # no acquire when the loaded value is thrown away
        acquire = field(word, TWENTY_THREE, ONE) if (word & THIRTY_ONE) != XZR else ZERO
        return acquire | (load << ONE)
    if form == FORM_LDAPR:
        return ORDERED_ACQUIRE
    if form == FORM_ORDERED_UNSCALED:
        return ORDERED_RELEASE if field(word, TWENTY_TWO, THREE) == ZERO else ORDERED_ACQUIRE
    return ZERO


@njit(cache=True)
def base_register(word: np.uint64, form: np.uint64) -> np.uint64:
    """Number of the base register (31 = SP), NO_REGISTER for a literal."""
    return NO_REGISTER if form == FORM_LITERAL else field(word, FIVE, THIRTY_ONE)


@njit(cache=True)
def index_shift(word: np.uint64, form: np.uint64) -> np.uint64:
    """Left shift of the index register of a register-offset form."""
    return element_scale(word, form) if field(word, TWELVE, ONE) else ZERO


@njit(cache=True)
def _second_register(word: np.uint64, form: np.uint64) -> np.uint64:
    if _is_pair(form) or form == FORM_EXCLUSIVE_PAIR:
        return field(word, TEN, THIRTY_ONE)
    return (word & THIRTY_ONE) + ONE if form == FORM_COMPARE_PAIR else NO_REGISTER


@njit(cache=True)
def status_or_operand_register(word: np.uint64, form: np.uint64) -> np.uint64:
    """Rs: status of a store exclusive, operand of an atomic, comparand of CAS and CASP; NO_REGISTER for the rest."""
    exclusive_store = (form == FORM_EXCLUSIVE or form == FORM_EXCLUSIVE_PAIR) and field(word, TWENTY_TWO, ONE) == ZERO
    if exclusive_store or form == FORM_COMPARE or form == FORM_COMPARE_PAIR or form == FORM_ATOMIC:
        return field(word, SIXTEEN, THIRTY_ONE)
    return NO_REGISTER


@njit(cache=True)
def memory_access(word: np.uint64, out: U64Array) -> bool:
    """Decode a load, store, atomic or prefetch into `out` (uint64, at least OUT_FIELDS words); False, `out` untouched, for everything else.

    Not covered: DC ZVA (see FLAG_DC_ZVA), SVE, MTE. LDRAA and LDRAB are described with the unauthenticated base.
    """
    form = memory_form(word)
    if form == FORM_NONE:
        return False
    out[OUT_BASE] = base_register(word, form)
    out[OUT_KIND] = access_kind(word, form)
    out[OUT_SIZE_BYTES] = access_size_bytes(word, form)
    out[OUT_ALIGNMENT_BYTES] = access_alignment_bytes(word, form)
    out[OUT_DISPLACEMENT] = displacement(word, form)
    indexed = form == FORM_REGISTER
    out[OUT_HAS_INDEX] = ONE if indexed else ZERO
    out[OUT_INDEX] = field(word, SIXTEEN, THIRTY_ONE) if indexed else NO_REGISTER
    out[OUT_EXTEND] = field(word, THIRTEEN, SEVEN) if indexed else ZERO
    out[OUT_SHIFT] = index_shift(word, form) if indexed else ZERO
    writeback = writeback_kind(word, form)
    out[OUT_WRITEBACK] = writeback
    out[OUT_WRITEBACK_AMOUNT] = writeback_amount(word, form)
    out[OUT_WRITEBACK_REGISTER] = field(word, SIXTEEN, THIRTY_ONE) if writeback == WRITEBACK_REGISTER else NO_REGISTER
    out[OUT_IS_EXCLUSIVE] = ONE if form == FORM_EXCLUSIVE or form == FORM_EXCLUSIVE_PAIR else ZERO
    out[OUT_IS_ORDERED] = ordering(word, form)
    out[OUT_IS_UNPRIVILEGED] = ONE if form == FORM_UNPRIVILEGED else ZERO
    out[OUT_IS_LITERAL] = ONE if form == FORM_LITERAL else ZERO
    out[OUT_RT] = word & THIRTY_ONE
    out[OUT_RT2] = _second_register(word, form)
    out[OUT_RS] = status_or_operand_register(word, form)
    out[OUT_IS_FP] = field(word, TWENTY_SIX, ONE)
    return True


@njit(cache=True)
def effective_address(word: np.uint64, registers: U64Array, pc: np.uint64) -> np.uint64:
    """Address of the access of a load, store or prefetch, before TBI; 0 for everything else.

    registers: uint64, 32 words: x0..x30, then the SP in use; before the instruction. pc: address of the instruction.
    """
    form = memory_form(word)
    if form == FORM_NONE:
        return ZERO
    if form == FORM_LITERAL:
        return add_modulo(pc, displacement(word, form))
    base = registers[np.int64(base_register(word, form))]
    if form != FORM_REGISTER:
        return add_modulo(base, displacement(word, form))
    number = field(word, SIXTEEN, THIRTY_ONE)
    index = ZERO if number == XZR else registers[np.int64(number)]
    option = field(word, THIRTEEN, SEVEN)
    if option == TWO:
        index = index & _LOW_WORD
    elif option == SIX:
        index = sign_extend(index & _LOW_WORD, THIRTY_TWO)
    return add_modulo(base, index << index_shift(word, form))


@njit(cache=True)
def memory_flags(word: np.uint64, form: np.uint64) -> np.uint64:
    """Flags of a load, store, atomic or prefetch of the given form (not FORM_NONE)."""
    flags = _F_FP if field(word, TWENTY_SIX, ONE) else ZERO
    kind = access_kind(word, form)
    if kind == KIND_PREFETCH:
        return flags
    flags |= _F_MEMORY
    if kind & KIND_LOAD:
        flags |= _F_LOAD
    if kind & KIND_STORE:
        flags |= _F_STORE
    if form == FORM_EXCLUSIVE or form == FORM_EXCLUSIVE_PAIR:
        flags |= _F_EXCLUSIVE
    elif form == FORM_COMPARE or form == FORM_COMPARE_PAIR or form == FORM_ATOMIC:
        flags |= _F_ATOMIC
    elif form == FORM_ORDERED or form == FORM_LDAPR or form == FORM_ORDERED_UNSCALED:
        flags |= _F_LDAPR
    elif form == FORM_UNPRIVILEGED:
        flags |= _F_UNPRIVILEGED
    if base_register(word, form) == SP:
        flags |= _F_SP_BASE
        writeback = writeback_kind(word, form)
        if writeback == WRITEBACK_REGISTER or writeback_amount(word, form) & FIFTEEN:
            flags |= _F_WRITES_SP
    return flags
