"""Instructions that the engine's CPU model executes although no profile announces them: UNDEFINED here.

The identification registers say what a PE implements; the engine's model ("max") implements more. SVE and MTE are found by
`sim.hot.decode`; this module knows the rest: FEAT_PAuth, FEAT_FlagM and FlagM2, FEAT_JSCVT, FEAT_FCMA, FEAT_FHM, FEAT_FRINTTS,
FEAT_SHA512, SHA3, SM3 and SM4, FEAT_SB, FEAT_LRCPC2. Those in the hint space (PACIASP, BTI) are NOPs and not listed.
Registers and SYS operations are refused by the policy table instead. Source: DDI 0487 L.a, C4.1 (A64 instruction set encoding).
"""
import numpy as np
from numba import njit

from sim.arch import instruction

u64 = np.uint64
ZERO = u64(0)
UNANNOUNCED = u64(instruction.FLAG_UNANNOUNCED)

# (mask, value) by group of encodings
_AUTHENTICATE_ONE, _AUTHENTICATE_ONE_VALUE = u64(0xFFFF_0000), u64(0xDAC1_0000)         # PACIA to XPACD
_AUTHENTICATE_GENERIC, _AUTHENTICATE_GENERIC_VALUE = u64(0xFFE0_FC00), u64(0x9AC0_3000)  # PACGA
_AUTHENTICATED_BRANCH, _AUTHENTICATED_BRANCH_VALUE = u64(0xFE00_0800), u64(0xD600_0800)  # BRAA, BLRAA, RETAA, ERETAA and Z forms
_AUTHENTICATED_LOAD, _AUTHENTICATED_LOAD_VALUE = u64(0xFF20_0400), u64(0xF820_0400)     # LDRAA, LDRAB
_FLAGS_PSTATE, _FLAGS_PSTATE_VALUE = u64(0xFFFF_F01F), u64(0xD500_401F)                 # CFINV, XAFLAG, AXFLAG: op2 = 0, 1, 2
_ROTATE_FLAGS, _ROTATE_FLAGS_VALUE = u64(0xFFE0_7C10), u64(0xBA00_0400)                 # RMIF
_SET_FLAGS, _SET_FLAGS_VALUE = u64(0xFFFF_BC1F), u64(0x3A00_080D)                       # SETF8, SETF16
_BARRIER, _BARRIER_VALUE = u64(0xFFFF_F0FF), u64(0xD503_30FF)                           # SB
_JAVASCRIPT, _JAVASCRIPT_VALUE = u64(0xFFFF_FC00), u64(0x1E7E_0000)                     # FJCVTZS
_ROUND, _ROUND_VALUE = u64(0xFFBE_7C00), u64(0x1E28_4000)                               # FRINT32Z, 32X, 64Z, 64X, scalar
_ROUND_VECTOR, _ROUND_VECTOR_VALUE = u64(0x9FBF_EC00), u64(0x0E21_E800)
_COMPLEX, _COMPLEX_VALUE = u64(0xBF20_E400), u64(0x2E00_C400)                           # FCMLA, vector
_COMPLEX_ADD, _COMPLEX_ADD_VALUE = u64(0xBF20_EC00), u64(0x2E00_E400)                   # FCADD
_COMPLEX_ELEMENT, _COMPLEX_ELEMENT_VALUE = u64(0xBF00_9400), u64(0x2F00_1000)           # FCMLA, by element
_WIDEN, _WIDEN_VALUE = u64(0xBF60_FC00), u64(0x0E20_EC00)                               # FMLAL, FMLSL
_WIDEN_UPPER, _WIDEN_UPPER_VALUE = u64(0xBF60_FC00), u64(0x2E20_CC00)                   # FMLAL2, FMLSL2
_WIDEN_ELEMENT, _WIDEN_ELEMENT_VALUE = u64(0xBFC0_B400), u64(0x0F80_0000)               # by element
_WIDEN_ELEMENT_UPPER, _WIDEN_ELEMENT_UPPER_VALUE = u64(0xBFC0_B400), u64(0x2F80_8000)
_CRYPTOGRAPHY, _CRYPTOGRAPHY_VALUE = u64(0xFE00_0000), u64(0xCE00_0000)                 # SHA512, SHA3, SM3, SM4
_ORDERED_OFFSET, _ORDERED_OFFSET_VALUE = u64(0x3F20_0C00), u64(0x1900_0000)             # LDAPUR, STLUR


@njit
def _in_branches(word):  # type: ignore[no-untyped-def]
    if word & _AUTHENTICATED_BRANCH == _AUTHENTICATED_BRANCH_VALUE or word & _BARRIER == _BARRIER_VALUE:
        return True
    return word & _FLAGS_PSTATE == _FLAGS_PSTATE_VALUE and word >> u64(5) & u64(7) < u64(3)


@njit
def _in_registers(word):  # type: ignore[no-untyped-def]
    return (word & _AUTHENTICATE_ONE == _AUTHENTICATE_ONE_VALUE or word & _AUTHENTICATE_GENERIC == _AUTHENTICATE_GENERIC_VALUE
            or word & _ROTATE_FLAGS == _ROTATE_FLAGS_VALUE or word & _SET_FLAGS == _SET_FLAGS_VALUE)


@njit
def _in_vectors(word):  # type: ignore[no-untyped-def]
    if word & _CRYPTOGRAPHY == _CRYPTOGRAPHY_VALUE:
        return True
    if word & _JAVASCRIPT == _JAVASCRIPT_VALUE or word & _ROUND == _ROUND_VALUE or word & _ROUND_VECTOR == _ROUND_VECTOR_VALUE:
        return True
    if word & _COMPLEX == _COMPLEX_VALUE or word & _COMPLEX_ADD == _COMPLEX_ADD_VALUE or word & _COMPLEX_ELEMENT == _COMPLEX_ELEMENT_VALUE:
        return True
    return (word & _WIDEN == _WIDEN_VALUE or word & _WIDEN_UPPER == _WIDEN_UPPER_VALUE
            or word & _WIDEN_ELEMENT == _WIDEN_ELEMENT_VALUE or word & _WIDEN_ELEMENT_UPPER == _WIDEN_ELEMENT_UPPER_VALUE)


@njit
def unannounced_flag(word):  # type: ignore[no-untyped-def]
    """FLAG_UNANNOUNCED if the instruction belongs to an extension of this module, else 0."""
    group = word >> u64(25) & u64(15)                       # op0 of the top-level encoding table
    if group == u64(10) or group == u64(11):
        found = _in_branches(word)
    elif group == u64(5) or group == u64(13):
        found = _in_registers(word)
    elif group == u64(7) or group == u64(15):
        found = _in_vectors(word)
    else:
        found = word & _AUTHENTICATED_LOAD == _AUTHENTICATED_LOAD_VALUE or word & _ORDERED_OFFSET == _ORDERED_OFFSET_VALUE
    return UNANNOUNCED if found else ZERO
