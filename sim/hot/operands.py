"""Which registers an A64 word reads and writes, by encoding group. Compiled, pure, nothing allocated.

Registers have numbers: 0..30 X (W counts as X), STACK_POINTER, NZCV as one, VECTORS + n for V (B, H, S, D, Q count as V). XZR has none.
Approximate where it hardly matters: one lane of a vector counts as all of it, and of the SIMD operations that read their destination those
that accumulate or insert are known. FPCR, FPSR, memory and system registers other than NZCV are no operands.
Encodings: Arm ARM DDI 0487, C4.1 "A64 instruction set encoding".
"""

import numpy as np
from numba import njit

from sim.hot.decode_memory import (
    FORM_COMPARE,
    FORM_COMPARE_PAIR,
    FORM_NONE,
    FORM_STRUCTURE,
    FORM_STRUCTURE_POST,
    FORM_STRUCTURES,
    FORM_STRUCTURES_POST,
    KIND_BOTH,
    KIND_LOAD,
    KIND_PREFETCH,
    KIND_STORE,
    NO_REGISTER,
    OUT_BASE,
    OUT_FIELDS,
    OUT_INDEX,
    OUT_IS_FP,
    OUT_KIND,
    OUT_RS,
    OUT_RT,
    OUT_RT2,
    OUT_WRITEBACK,
    OUT_WRITEBACK_REGISTER,
    WRITEBACK_NONE,
    U64Array,
    field,
    memory_access,
    memory_form,
    structures_registers,
)

u64 = np.uint64
ZERO, ONE, TWO, THREE, SEVEN, THIRTY_ONE = u64(0), u64(1), u64(2), u64(3), u64(7), u64(31)
STACK_POINTER, NZCV, VECTORS = u64(31), u64(32), u64(33)
REGISTERS = 65                          # so many numbers

# Fields written by `operands`: indices into its `out`.
READS, WRITES, ADDRESS_WRITTEN = 0, 1, 2    # how many are read and written; the base register written back, NO_REGISTER if none
FIRST_READ, FIRST_WRITTEN = 3, 13           # up to 10 registers each
_ACCESS = 23                                # words for memory_access
OPERANDS_WORDS = _ACCESS + OUT_FIELDS       # words that `out` must hold

_CASP_REGISTERS = u64(2)
_RD, _RN, _RM, _RA = u64(0), u64(5), u64(16), u64(10)       # lowest bits of the register fields
_26, _27, _28, _29, _30, _21, _24, _23, _12, _11 = (u64(n) for n in (26, 27, 28, 29, 30, 21, 24, 23, 12, 11))
_MRS_NZCV, _MSR_NZCV, _REGISTER_MASK = u64(0xD53B_4200), u64(0xD51B_4200), u64(0xFFFF_FFE0)
#: SIMD three same, by opcode (15:11): SABA, MLA/MLS, FMLA/FMLS read Rd; and with U, opcode 3: BSL, BIT, BIF.
_ACCUMULATES = u64(1 << 0b01111 | 1 << 0b10010 | 1 << 0b11001)
#: SIMD three different, by opcode (15:12): ABAL, MLAL, SQDMLAL, MLSL, SQDMLSL; by element: FMLA, MLA/MLAL, SQDMLAL and the subtracting ones.
_WIDE_ACCUMULATES = u64(1 << 5 | 1 << 8 | 1 << 9 | 1 << 10 | 1 << 11)
_ELEMENT_ACCUMULATES = u64(1 << 0 | 1 << 1 | 1 << 2 | 1 << 3 | 1 << 4 | 1 << 5 | 1 << 6 | 1 << 7 | 1 << 14)


@njit(cache=True)
def _read(out: U64Array, register: np.uint64) -> None:
    out[FIRST_READ + np.int64(out[READS])] = register
    out[READS] += ONE


@njit(cache=True)
def _written(out: U64Array, register: np.uint64) -> None:
    out[FIRST_WRITTEN + np.int64(out[WRITES])] = register
    out[WRITES] += ONE


@njit(cache=True)
def _read_x(out: U64Array, word: np.uint64, low: np.uint64) -> None:
    """The general register in a field is read, unless it is XZR."""
    number = field(word, low, THIRTY_ONE)
    if number != THIRTY_ONE:
        _read(out, number)


@njit(cache=True)
def _write_x(out: U64Array, word: np.uint64) -> None:
    number = word & THIRTY_ONE
    if number != THIRTY_ONE:
        _written(out, number)


@njit(cache=True)
def _read_v(out: U64Array, word: np.uint64, low: np.uint64) -> None:
    _read(out, VECTORS + field(word, low, THIRTY_ONE))


@njit(cache=True)
def _transfer_registers(word: np.uint64, form: np.uint64) -> np.uint64:
    """How many registers, from Rt on, a structure access moves; 1 for the rest (Rt2 counts apart)."""
    if form == FORM_STRUCTURES or form == FORM_STRUCTURES_POST:
        return structures_registers(word)
    if form == FORM_STRUCTURE or form == FORM_STRUCTURE_POST:
        return ((field(word, u64(13), ONE) << ONE) | field(word, _21, ONE)) + ONE
    return _CASP_REGISTERS if form == FORM_COMPARE_PAIR else ONE


@njit(cache=True)
def _transfer(out: U64Array, number: np.uint64, vector: bool, written: bool) -> None:
    if vector:
        number = VECTORS + number
    elif number == THIRTY_ONE:
        return
    if written:
        _written(out, number)
    else:
        _read(out, number)


@njit(cache=True)
def _memory_operands(word: np.uint64, form: np.uint64, out: U64Array) -> None:
    access = out[_ACCESS:]
    memory_access(word, access)
    kind, vector = access[OUT_KIND], bool(access[OUT_IS_FP] != ZERO)
    if access[OUT_BASE] != NO_REGISTER:
        _read(out, access[OUT_BASE])
        if access[OUT_WRITEBACK] != WRITEBACK_NONE:
            out[ADDRESS_WRITTEN] = access[OUT_BASE]
    if access[OUT_INDEX] != NO_REGISTER and access[OUT_INDEX] != THIRTY_ONE:
        _read(out, access[OUT_INDEX])
    if access[OUT_WRITEBACK_REGISTER] != NO_REGISTER:
        _read(out, access[OUT_WRITEBACK_REGISTER])
    if kind == KIND_PREFETCH:
        return
    compares = form == FORM_COMPARE or form == FORM_COMPARE_PAIR
    count = _transfer_registers(word, form)
    for n in range(np.int64(count)):
        _transfer(out, (access[OUT_RT] + u64(n)) & THIRTY_ONE, vector, bool(kind == KIND_LOAD or (kind == KIND_BOTH and not compares)))
    if access[OUT_RT2] != NO_REGISTER and form != FORM_COMPARE_PAIR:
        _transfer(out, access[OUT_RT2], vector, bool(kind == KIND_LOAD))
    if access[OUT_RS] == NO_REGISTER:
        return
    if kind == KIND_STORE:              # status
        _transfer(out, access[OUT_RS], False, True)
        return
    for n in range(np.int64(count)):
        _transfer(out, (access[OUT_RS] + u64(n)) & THIRTY_ONE, False, False)
        if compares:
            _transfer(out, (access[OUT_RS] + u64(n)) & THIRTY_ONE, False, True)


@njit(cache=True)
def _branch_operands(word: np.uint64, out: U64Array) -> None:
    """Branches, system instructions; exception generation has no operands."""
    if word & u64(0x7C00_0000) == u64(0x1400_0000):                     # B, BL
        if word >> THIRTY_ONE:
            _written(out, _30)
    elif word & u64(0xFE00_0000) == u64(0x5400_0000):                   # B.cond
        _read(out, NZCV)
    elif word & u64(0x7C00_0000) == u64(0x3400_0000):                   # CBZ, CBNZ, TBZ, TBNZ
        _read_x(out, word, _RD)
    elif word & u64(0xFE00_0000) == u64(0xD600_0000):                   # by register
        _read_x(out, word, _RN)
        if field(word, _21, SEVEN) == ONE:
            _written(out, _30)
    elif word & u64(0xFFC0_0000) == u64(0xD500_0000) and field(word, u64(19), THREE):
        if word & _REGISTER_MASK == _MRS_NZCV:
            _read(out, NZCV)
        elif word & _REGISTER_MASK == _MSR_NZCV:
            _written(out, NZCV)
        if field(word, _21, ONE):
            _write_x(out, word)
        else:
            _read_x(out, word, _RD)


@njit(cache=True)
def _immediate_operands(word: np.uint64, out: U64Array) -> None:
    """Data processing with an immediate."""
    group = field(word, _23, SEVEN)
    if group < TWO:                                                     # ADR, ADRP
        _write_x(out, word)
    elif group == TWO:                                                  # ADD, SUB: 31 is SP
        _read(out, field(word, _RN, THIRTY_ONE))
        if field(word, _29, ONE):
            _written(out, NZCV)
            _write_x(out, word)
        else:
            _written(out, word & THIRTY_ONE)
    elif group == u64(4):                                               # AND, ORR, EOR, ANDS
        _read_x(out, word, _RN)
        if field(word, _29, THREE) == THREE:
            _written(out, NZCV)
            _write_x(out, word)
        else:
            _written(out, word & THIRTY_ONE)
    elif group >= u64(5):
        operation = field(word, _29, THREE)
        if group == u64(5):
            if operation == THREE:                                      # MOVK
                _read_x(out, word, _RD)
        elif group == u64(6):
            _read_x(out, word, _RN)
            if operation == ONE:                                        # BFM
                _read_x(out, word, _RD)
        else:
            _read_x(out, word, _RN)                                     # EXTR
            _read_x(out, word, _RM)
        _write_x(out, word)


@njit(cache=True)
def _register_operands(word: np.uint64, out: U64Array) -> None:
    """Data processing with registers."""
    sets_flags = field(word, _29, ONE)
    if field(word, _28, ONE) == ZERO:
        arithmetic = field(word, _24, ONE)
        if arithmetic == ZERO:
            sets_flags = ONE if field(word, _29, THREE) == THREE else ZERO
        extended = arithmetic and field(word, _21, ONE)
        if extended:
            _read(out, field(word, _RN, THIRTY_ONE))
        else:
            _read_x(out, word, _RN)
        _read_x(out, word, _RM)
        if sets_flags:
            _written(out, NZCV)
        if extended and sets_flags == ZERO:
            _written(out, word & THIRTY_ONE)
        else:
            _write_x(out, word)
        return
    group = field(word, _21, u64(15))
    _read_x(out, word, _RN)
    if group >= u64(8):                                                 # MADD and its kin
        _read_x(out, word, _RM)
        _read_x(out, word, _RA)
        _write_x(out, word)
    elif group == u64(6):                                               # two sources, or one with bit 30
        if field(word, _30, ONE) == ZERO:
            _read_x(out, word, _RM)
        _write_x(out, word)
    elif group == TWO:                                                  # CCMP, CCMN
        if field(word, _11, ONE) == ZERO:
            _read_x(out, word, _RM)
        _read(out, NZCV)
        _written(out, NZCV)
    else:                                                               # ADC, SBC; CSEL and its kin
        _read_x(out, word, _RM)
        _read(out, NZCV)
        if group == ZERO and sets_flags:
            _written(out, NZCV)
        _write_x(out, word)


@njit(cache=True)
def _scalar_fp_operands(word: np.uint64, out: U64Array) -> None:
    """Scalar FP, with one, two or three sources, and conversions from and to general registers."""
    if field(word, _24, ONE):
        for low in (_RN, _RM, _RA):
            _read_v(out, word, low)
        _written(out, VECTORS + (word & THIRTY_ONE))
        return
    integer = field(word, u64(10), u64(63)) == ZERO
    if field(word, _21, ONE) == ZERO or integer:
        operation = field(word, _RM, SEVEN)
        to_vector = operation == TWO or operation == THREE or (operation == SEVEN and integer)
        if to_vector:
            _read_x(out, word, _RN)
            _written(out, VECTORS + (word & THIRTY_ONE))
        else:
            _read_v(out, word, _RN)
            _write_x(out, word)
        return
    selector = field(word, u64(10), THREE)
    if selector == ZERO and field(word, _12, ONE):                      # FMOV immediate
        _written(out, VECTORS + (word & THIRTY_ONE))
        return
    _read_v(out, word, _RN)
    if selector == ZERO and field(word, u64(13), ONE):                  # FCMP; with zero if bit 3
        if field(word, THREE, ONE) == ZERO:
            _read_v(out, word, _RM)
        _written(out, NZCV)
        return
    if selector != ZERO:
        _read_v(out, word, _RM)
    if selector == ONE or selector == THREE:                            # FCCMP, FCSEL
        _read(out, NZCV)
    if selector == ONE:
        _written(out, NZCV)
    else:
        _written(out, VECTORS + (word & THIRTY_ONE))


@njit(cache=True)
def _simd_operands(word: np.uint64, out: U64Array) -> None:
    """Advanced SIMD and cryptography: Vd of Vn and, where the group has one, Vm; Vd too where it accumulates."""
    reads_destination = False
    if word & u64(0x9FE0_8400) == u64(0x0E00_0400):                     # copies: DUP, INS, SMOV, UMOV
        operation = field(word, _11, u64(15))
        inserts = field(word, _29, ONE) or operation == THREE
        if field(word, _29, ONE) == ZERO and (operation == ONE or operation == THREE):
            _read_x(out, word, _RN)
        else:
            _read_v(out, word, _RN)
        if inserts:
            _read_v(out, word, _RD)
        if not inserts and (operation == u64(5) or operation == SEVEN):
            _write_x(out, word)
        else:
            _written(out, VECTORS + (word & THIRTY_ONE))
        return
    opcode4, opcode5 = field(word, _12, u64(15)), field(word, _11, THIRTY_ONE)
    if word & u64(0x9FF8_0400) == u64(0x0F00_0400):                     # modified immediate: no source
        _written(out, VECTORS + (word & THIRTY_ONE))
        return
    _read_v(out, word, _RN)
    if word & u64(0x0F00_0400) == u64(0x0F00_0400):                     # shift by immediate; three sources were scalar
        pass
    elif word & u64(0x0F00_0000) == u64(0x0F00_0000):                   # by element
        _read_v(out, word, _RM)
        reads_destination = (_ELEMENT_ACCUMULATES >> opcode4) & ONE != ZERO
    elif word & u64(0x0E3E_0C00) == u64(0x0E20_0800) or word & u64(0x0E3E_0C00) == u64(0x0E30_0800):
        pass                                                            # two registers, across lanes
    elif word & u64(0x0E3E_0C00) == u64(0x0E28_0800):                   # AES, SHA with two registers
        reads_destination = True
    else:
        _read_v(out, word, _RM)
        selects = field(word, _29, ONE) != ZERO and field(word, u64(22), THREE) != ZERO
        if word & u64(0x0F20_0400) == u64(0x0E20_0400):
            reads_destination = (_ACCUMULATES >> opcode5) & ONE != ZERO or (opcode5 == THREE and selects)
        elif word & u64(0x0F20_0C00) == u64(0x0E20_0000):
            reads_destination = (_WIDE_ACCUMULATES >> opcode4) & ONE != ZERO
    if reads_destination:
        _read_v(out, word, _RD)
    _written(out, VECTORS + (word & THIRTY_ONE))


@njit(cache=True)
def operands(word: np.uint64, out: U64Array) -> None:
    """Registers that an A64 word reads and writes, into `out` (uint64, OPERANDS_WORDS words).

    out[READS] numbers from FIRST_READ on, some perhaps twice; out[WRITES] from FIRST_WRITTEN on; ADDRESS_WRITTEN comes besides.
    """
    out[READS], out[WRITES], out[ADDRESS_WRITTEN] = ZERO, ZERO, NO_REGISTER
    form = memory_form(word)
    if form != FORM_NONE:
        _memory_operands(word, form, out)
        return
    group = field(word, _26, SEVEN)
    if field(word, u64(25), SEVEN) == SEVEN:
        if word & u64(0x5E00_0000) == u64(0x1E00_0000):
            _scalar_fp_operands(word, out)
        else:
            _simd_operands(word, out)
    elif group == u64(5):
        _branch_operands(word, out)
    elif group == u64(4):
        _immediate_operands(word, out)
    elif field(word, u64(25), SEVEN) == u64(5):
        _register_operands(word, out)
