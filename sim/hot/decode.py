"""Instruction facts of A64 words: flags, cost classes, and the sums over a block. Compiled, pure, nothing allocated.

Loads and stores are in `sim.hot.decode_memory`, alignment proofs in `sim.hot.decode_alignment`; their public names are here as well.
Words that are not allocated get some answer, never an error: flags of the encoding group that they would belong to, and COST_ALU or that group's class.
Encodings: Arm ARM DDI 0487, C4.1 "A64 instruction set encoding".
"""

import numpy as np
import numpy.typing as npt
from numba import njit

from sim.arch import instruction as i
from sim.hot.decode_alignment import ALIGNMENT_OUT_WORDS, REQUIREMENTS_MAX, alignment_requirements
from sim.hot.decode_memory import (
    FIVE,
    FORM_ATOMIC,
    FORM_COMPARE,
    FORM_COMPARE_PAIR,
    FORM_EXCLUSIVE,
    FORM_EXCLUSIVE_PAIR,
    FORM_NONE,
    FORM_PAIR_NON_TEMPORAL,
    FORM_PAIR_PRE,
    FOUR,
    KIND_STORE,
    NO_REGISTER,
    ONE,
    OUT_ALIGNMENT_BYTES,
    OUT_BASE,
    OUT_DISPLACEMENT,
    OUT_EXTEND,
    OUT_FIELDS,
    OUT_HAS_INDEX,
    OUT_INDEX,
    OUT_IS_EXCLUSIVE,
    OUT_IS_FP,
    OUT_IS_LITERAL,
    OUT_IS_ORDERED,
    OUT_IS_UNPRIVILEGED,
    OUT_KIND,
    OUT_RS,
    OUT_RT,
    OUT_RT2,
    OUT_SHIFT,
    OUT_SIZE_BYTES,
    OUT_WRITEBACK,
    OUT_WRITEBACK_AMOUNT,
    OUT_WRITEBACK_REGISTER,
    SEVEN,
    SIX,
    SIXTEEN,
    SP,
    THIRTY_ONE,
    THREE,
    TWO,
    ZERO,
    U64Array,
    access_kind,
    effective_address,
    field,
    memory_access,
    memory_flags,
    memory_form,
    u64,
    word_at,
)

__all__ = [
    "ALIGNMENT_OUT_WORDS", "FACTS_FIELDS", "FACTS_FIRST_FP", "FACTS_FLAGS", "FACTS_INSTRUCTIONS", "FACTS_LAST_FLAGS",
    "NO_REGISTER", "OUT_ALIGNMENT_BYTES", "OUT_BASE", "OUT_DISPLACEMENT", "OUT_EXTEND", "OUT_FIELDS", "OUT_HAS_INDEX", "OUT_INDEX",
    "OUT_IS_EXCLUSIVE", "OUT_IS_FP", "OUT_IS_LITERAL", "OUT_IS_ORDERED", "OUT_IS_UNPRIVILEGED", "OUT_KIND", "OUT_RS", "OUT_RT", "OUT_RT2",
    "OUT_SHIFT", "OUT_SIZE_BYTES", "OUT_WRITEBACK", "OUT_WRITEBACK_AMOUNT", "OUT_WRITEBACK_REGISTER", "REQUIREMENTS_MAX",
    "alignment_requirements", "block_facts", "cost_class", "effective_address", "instruction_flags", "memory_access",
]

# Fields written by block_facts: indices into its `out`.
FACTS_FLAGS = 0                         # FLAG_ bits of all instructions, or'ed
FACTS_LAST_FLAGS = 1                    # FLAG_ bits of the last instruction
FACTS_FIRST_FP = 2                      # index of the first instruction with FLAG_FP; the instruction count where there is none
FACTS_INSTRUCTIONS = 3                  # instruction count
FACTS_FIELDS = 4                        # words that `out` must hold

_DSB, _DMB, _ISB, _CLREX = u64(i.FLAG_DSB), u64(i.FLAG_DMB), u64(i.FLAG_ISB), u64(i.FLAG_CLREX)
_YIELD, _WFE, _WFI, _SEV, _SEVL = u64(i.FLAG_YIELD), u64(i.FLAG_WFE), u64(i.FLAG_WFI), u64(i.FLAG_SEV), u64(i.FLAG_SEVL)
_SVC, _HVC, _SMC, _BRK, _HALT = u64(i.FLAG_SVC), u64(i.FLAG_HVC), u64(i.FLAG_SMC), u64(i.FLAG_BRK), u64(i.FLAG_HALT)
_BRANCH, _BRANCH_ERET, _FP = u64(i.FLAG_BRANCH), u64(i.FLAG_BRANCH | i.FLAG_ERET), u64(i.FLAG_FP)
_SYSTEM, _SYSTEM_TLBI, _SYSTEM_FP = u64(i.FLAG_SYSTEM), u64(i.FLAG_SYSTEM | i.FLAG_TLBI), u64(i.FLAG_SYSTEM | i.FLAG_FP)
_SYSTEM_DAIF, _SYSTEM_SPSEL = u64(i.FLAG_SYSTEM | i.FLAG_DAIF), u64(i.FLAG_SYSTEM | i.FLAG_SPSEL)
_SYSTEM_PAN, _SYSTEM_UAO = u64(i.FLAG_SYSTEM | i.FLAG_PAN), u64(i.FLAG_SYSTEM | i.FLAG_UAO)
_SYSTEM_DC_ZVA = u64(i.FLAG_SYSTEM | i.FLAG_MEMORY | i.FLAG_STORE | i.FLAG_DC_ZVA)
_WRITES_SP, _UNANNOUNCED = u64(i.FLAG_WRITES_SP), u64(i.FLAG_UNANNOUNCED)

# (mask, value) pairs: `word & mask == value` names a group or an instruction.
_HINT_MASK, _HINT = u64(0xFFFF_F01F), u64(0xD503_201F)
_BARRIER_MASK, _BARRIER = u64(0xFFFF_F01F), u64(0xD503_301F)
_PSTATE_MASK, _PSTATE = u64(0xFFF8_F01F), u64(0xD500_401F)               # MSR (immediate), CFINV, XAFLAG, AXFLAG
_SYSTEM_MASK, _SYSTEM_GROUP = u64(0xFFC0_0000), u64(0xD500_0000)
_BRANCHES_MASK, _BRANCHES = u64(0x1C00_0000), u64(0x1400_0000)           # branches, exception generation, system: bits 28:26 = 101
_INDIRECT_MASK, _INDIRECT = u64(0xFE00_0000), u64(0xD600_0000)
_ERET_MASK, _ERET_GROUP = u64(0xFFFF_F000), u64(0xD69F_0000)
_GENERATE_MASK, _GENERATE = u64(0xFF00_0000), u64(0xD400_0000)
_UDF_MASK = u64(0xFFFF_0000)
_FP_MASK = u64(0x0E00_0000)                                              # data processing, SIMD and FP: bits 27:25 = 111
_TLBI_MASK, _TLBI, _TLBI_NXS = u64(0xFFF8_F000), u64(0xD508_8000), u64(0xD508_9000)
_SYS_C7_MASK, _SYS_C7 = u64(0xFFF8_F000), u64(0xD508_7000)
_AT_MASK, _AT = u64(0xFFF8_FE00), u64(0xD508_7800)                       # SYS with CRn = 7, CRm = 8 or 9
_REGISTER_MASK = u64(0xFFFF_FFE0)
_DC_ZVA = u64(0xD50B_7420)
_MSR_DAIF, _MSR_SPSEL, _MSR_PAN, _MSR_UAO = u64(0xD51B_4220), u64(0xD518_4200), u64(0xD518_4260), u64(0xD518_4280)
_FPCR_FPSR_MASK, _FPCR_FPSR = u64(0xFFDF_FFC0), u64(0xD51B_4400)         # both directions, both registers
_READ = u64(1 << 21)
_OP0_REGISTER = u64(1 << 20)                                             # MRS, MSR (register), against SYS, SYSL
_SVE_MASK, _SVE = u64(0x1E00_0000), u64(0x0400_0000)
_TAGS_MEMORY_MASK, _TAGS_MEMORY = u64(0xFF20_0000), u64(0xD920_0000)
_TAGS_PAIR_MASK, _TAGS_PAIR = u64(0xFE40_0000), u64(0x6800_0000)         # STGP
_TAGS_PAIR_MODE = u64(0x0180_0000)                                       # bits 24:23; zero is not allocated
_TAGS_IMMEDIATE_MASK, _TAGS_IMMEDIATE = u64(0x9F80_0000), u64(0x9180_0000)
_TAGS_REGISTER_MASK = u64(0xFFE0_FC00)
_SUBP, _SUBPS, _IRG, _GMI = u64(0x9AC0_0000), u64(0xBAC0_0000), u64(0x9AC0_1000), u64(0x9AC0_1400)
_ADD_IMMEDIATE_MASK, _ADD_IMMEDIATE = u64(0x3F80_0000), u64(0x1100_0000)  # ADD and SUB that set no flags
_ADD_EXTENDED_MASK, _ADD_EXTENDED = u64(0x3FE0_0000), u64(0x0B20_0000)
_LOGICAL_IMMEDIATE_MASK, _LOGICAL_IMMEDIATE = u64(0x1F80_0000), u64(0x1200_0000)
_SHIFT_12 = u64(1 << 22)
_IMM12_LOW_MASK = u64(0xF << 10)                                         # immediate modulo 16
_THREE_SOURCE_MASK, _THREE_SOURCE = u64(0x7F00_0000), u64(0x1B00_0000)
_TWO_SOURCE_MASK, _TWO_SOURCE = u64(0x7FE0_0000), u64(0x1AC0_0000)
_DIVIDE_OPCODES, _CRC_OPCODES = ONE, TWO                                 # opcode<5:1> = 00001, opcode<5:3> = 010
_29, _21, _10, _11, _13, _127 = u64(29), u64(21), u64(10), u64(11), u64(13), u64(127)

_ALU, _MULTIPLY, _DIVIDE, _FP_SIMD = np.int64(i.COST_ALU), np.int64(i.COST_MULTIPLY), np.int64(i.COST_DIVIDE), np.int64(i.COST_FP_SIMD)
_LOAD, _STORE, _LOAD_PAIR, _STORE_PAIR = np.int64(i.COST_LOAD), np.int64(i.COST_STORE), np.int64(i.COST_LOAD_PAIR), np.int64(i.COST_STORE_PAIR)
_COST_BRANCH, _COST_INDIRECT, _COST_HINT = np.int64(i.COST_BRANCH), np.int64(i.COST_BRANCH_INDIRECT), np.int64(i.COST_HINT)
_EXCLUSIVE, _ATOMIC = np.int64(i.COST_EXCLUSIVE), np.int64(i.COST_ATOMIC)
_COST_DMB, _COST_DSB, _COST_ISB = np.int64(i.COST_BARRIER_DMB), np.int64(i.COST_BARRIER_DSB), np.int64(i.COST_BARRIER_ISB)
_SYSTEM_READ, _SYSTEM_WRITE, _MAINTENANCE = np.int64(i.COST_SYSTEM_READ), np.int64(i.COST_SYSTEM_WRITE), np.int64(i.COST_CACHE_MAINTENANCE)
_COST_TLBI, _EXCEPTION = np.int64(i.COST_TLBI), np.int64(i.COST_EXCEPTION_GENERATING)


@njit(cache=True)
def _hint_flags(word: np.uint64) -> np.uint64:
    number = field(word, FIVE, _127)
    if number == ONE:
        return _YIELD
    if number == TWO:
        return _WFE
    if number == THREE:
        return _WFI
    if number == FOUR:
        return _SEV
    return _SEVL if number == FIVE else ZERO


@njit(cache=True)
def _barrier_flags(word: np.uint64) -> np.uint64:
    op2 = field(word, FIVE, SEVEN)
    if op2 == TWO:
        return _CLREX
    if op2 == FOUR:
        return _DSB
    if op2 == FIVE:
        return _DMB
    return _ISB if op2 == SIX else ZERO


@njit(cache=True)
def _pstate_flags(word: np.uint64) -> np.uint64:
    """MSR (immediate), by op1 and op2; CFINV, XAFLAG and AXFLAG share the group and are no system accesses."""
    op1 = field(word, SIXTEEN, SEVEN)
    op2 = field(word, FIVE, SEVEN)
    if op1 == THREE and op2 >= SIX:
        return _SYSTEM_DAIF
    if op1 != ZERO:
        return _SYSTEM
    if op2 == THREE:
        return _SYSTEM_UAO
    if op2 == FOUR:
        return _SYSTEM_PAN
    if op2 == FIVE:
        return _SYSTEM_SPSEL
    return ZERO if op2 <= TWO else _SYSTEM


@njit(cache=True)
def _system_flags(word: np.uint64) -> np.uint64:
    if word & _HINT_MASK == _HINT:
        return _hint_flags(word)
    if word & _BARRIER_MASK == _BARRIER:
        return _barrier_flags(word)
    if word & _PSTATE_MASK == _PSTATE:
        return _pstate_flags(word)
    tlbi = word & _TLBI_MASK
    if tlbi == _TLBI or tlbi == _TLBI_NXS:
        return _SYSTEM_TLBI
    named = word & _REGISTER_MASK
    if named == _MSR_DAIF:
        return _SYSTEM_DAIF
    if named == _MSR_SPSEL:
        return _SYSTEM_SPSEL
    if named == _MSR_PAN:
        return _SYSTEM_PAN
    if named == _MSR_UAO:
        return _SYSTEM_UAO
    if named == _DC_ZVA:
        return _SYSTEM_DC_ZVA
    if word & _FPCR_FPSR_MASK == _FPCR_FPSR:
        return _SYSTEM_FP
    return _SYSTEM if field(word, u64(19), THREE) else ZERO


@njit(cache=True)
def _generated_exception_flags(word: np.uint64) -> np.uint64:
    """SVC, HVC, SMC, BRK, HLT by opc (23:21) and op2:LL (4:0)."""
    opc = field(word, _21, SEVEN)
    op2_ll = word & THIRTY_ONE
    if opc == ONE and op2_ll == ZERO:
        return _BRK
    if opc == TWO and op2_ll == ZERO:
        return _HALT
    if opc != ZERO:
        return ZERO
    if op2_ll == ONE:
        return _SVC
    if op2_ll == TWO:
        return _HVC
    return _SMC if op2_ll == THREE else ZERO


@njit(cache=True)
def _branch_group_flags(word: np.uint64) -> np.uint64:
    """Bits 28:26 = 101: branches, exception generation, system."""
    if word & _SYSTEM_MASK == _SYSTEM_GROUP:
        return _system_flags(word)
    if word & _GENERATE_MASK == _GENERATE:
        return _generated_exception_flags(word)
    return _BRANCH_ERET if word & _ERET_MASK == _ERET_GROUP else _BRANCH


@njit(cache=True)
def _data_flags(word: np.uint64) -> np.uint64:
    """Integer data processing, and extensions that no profile announces."""
    if word & _SVE_MASK == _SVE or word & _TAGS_MEMORY_MASK == _TAGS_MEMORY or word & _TAGS_IMMEDIATE_MASK == _TAGS_IMMEDIATE:
        return _UNANNOUNCED
    if word & _TAGS_PAIR_MASK == _TAGS_PAIR and word & _TAGS_PAIR_MODE:
        return _UNANNOUNCED
    tags = word & _TAGS_REGISTER_MASK
    if tags == _SUBP or tags == _SUBPS or tags == _IRG or tags == _GMI:
        return _UNANNOUNCED
    if word & THIRTY_ONE != SP:
        return ZERO
    if word & _ADD_IMMEDIATE_MASK == _ADD_IMMEDIATE:
        from_sp = field(word, FIVE, THIRTY_ONE) == SP and word >> THIRTY_ONE
        by_16 = word & _SHIFT_12 or word & _IMM12_LOW_MASK == ZERO
        return ZERO if from_sp and by_16 else _WRITES_SP
    if word & _ADD_EXTENDED_MASK == _ADD_EXTENDED:
        return _WRITES_SP
    if word & _LOGICAL_IMMEDIATE_MASK == _LOGICAL_IMMEDIATE and field(word, _29, THREE) != THREE:
        return _WRITES_SP
    return ZERO


@njit(cache=True)
def instruction_flags(word: np.uint64) -> np.uint64:
    """FLAG_ bits (`sim.arch.instruction`) of an A64 word."""
    form = memory_form(word)
    if form != FORM_NONE:
        return memory_flags(word, form)
    if word & _FP_MASK == _FP_MASK:
        return _FP
    if word & _BRANCHES_MASK == _BRANCHES:
        return _branch_group_flags(word)
    return _data_flags(word)


@njit(cache=True)
def _memory_cost_class(word: np.uint64, form: np.uint64) -> np.int64:
    if form == FORM_EXCLUSIVE or form == FORM_EXCLUSIVE_PAIR:
        return _EXCLUSIVE
    if form == FORM_COMPARE or form == FORM_COMPARE_PAIR or form == FORM_ATOMIC:
        return _ATOMIC
    store = access_kind(word, form) == KIND_STORE
    if FORM_PAIR_NON_TEMPORAL <= form <= FORM_PAIR_PRE:
        return _STORE_PAIR if store else _LOAD_PAIR
    return _STORE if store else _LOAD


@njit(cache=True)
def _barrier_cost_class(word: np.uint64) -> np.int64:
    op2 = field(word, FIVE, SEVEN)
    if op2 == TWO:
        return _EXCLUSIVE               # CLREX
    if op2 == FIVE:
        return _COST_DMB
    if op2 == SIX:
        return _COST_ISB
    return _COST_DSB if op2 == FOUR or op2 == SEVEN else _ALU


@njit(cache=True)
def _system_cost_class(word: np.uint64) -> np.int64:
    if word & _HINT_MASK == _HINT:
        return _COST_HINT
    if word & _BARRIER_MASK == _BARRIER:
        return _barrier_cost_class(word)
    if word & _PSTATE_MASK == _PSTATE:
        return _SYSTEM_WRITE if _pstate_flags(word) else _ALU
    if word & _READ:
        return _SYSTEM_READ
    tlbi = word & _TLBI_MASK
    if tlbi == _TLBI or tlbi == _TLBI_NXS:
        return _COST_TLBI
    if word & _SYS_C7_MASK == _SYS_C7 and word & _AT_MASK != _AT:
        return _MAINTENANCE
    return _SYSTEM_WRITE


@njit(cache=True)
def _branch_group_cost_class(word: np.uint64) -> np.int64:
    if word & _SYSTEM_MASK == _SYSTEM_GROUP:
        return _system_cost_class(word)
    if word & _GENERATE_MASK == _GENERATE:
        return _EXCEPTION
    return _COST_INDIRECT if word & _INDIRECT_MASK == _INDIRECT else _COST_BRANCH


@njit(cache=True)
def cost_class(word: np.uint64) -> np.int64:
    """Cost class of an A64 word: one of the COST_ constants of `sim.arch.instruction`, an index into a profile's cost table."""
    form = memory_form(word)
    if form != FORM_NONE:
        return _memory_cost_class(word, form)
    if word & _FP_MASK == _FP_MASK:
        return _FP_SIMD
    if word & _BRANCHES_MASK == _BRANCHES:
        return _branch_group_cost_class(word)
    if word & _THREE_SOURCE_MASK == _THREE_SOURCE:
        return _MULTIPLY
    if word & _TWO_SOURCE_MASK == _TWO_SOURCE:
        if field(word, _11, THIRTY_ONE) == _DIVIDE_OPCODES:
            return _DIVIDE
        return _MULTIPLY if field(word, _13, SEVEN) == _CRC_OPCODES else _ALU
    return _EXCEPTION if word & _UDF_MASK == ZERO else _ALU


@njit(cache=True)
def block_facts(ram: npt.NDArray[np.uint8], offset: np.int64, count: np.int64, out: U64Array) -> None:
    """Facts of the block of `count` instructions at byte `offset` of ram, written into `out` (uint64, FACTS_FIELDS words).

    ram: uint8; offset: a multiple of 4, the whole block inside ram (not checked).
    """
    start = np.int64(offset)
    flags = ZERO
    last = ZERO
    first_fp = u64(count)
    for index in range(np.int64(count)):
        word = word_at(ram, start + np.int64(4) * np.int64(index))
        last = instruction_flags(word)
        if last & _FP and flags & _FP == ZERO:
            first_fp = u64(index)
        flags |= last
    out[FACTS_FLAGS] = flags
    out[FACTS_LAST_FLAGS] = last
    out[FACTS_FIRST_FP] = first_fp
    out[FACTS_INSTRUCTIONS] = u64(count)
