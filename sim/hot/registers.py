"""Registers of a PE's engine instance, from compiled code.

X0..X30, SP and PC are read where the engine keeps them (the address is found and proved at start-up, `sim.engine.offsets`);
everything else goes through the engine's register calls. All functions act on the instance that is active for the PE.
"""
import numpy as np
from numba import njit

from sim.hot.calls import reg_read, reg_write
from sim.state.handle import pe_of, scratch_of, words_at

u64, i32 = np.uint64, np.int32
ZERO, ONE = u64(0), u64(1)
SP, PC = 31, 32                         # positions in the engine's array of registers

# Register numbers of unicorn 2.1.4 (arm64.h); `tests/engine` compares them with the binding's.
ID_PC, ID_PSTATE, ID_SP_EL0, ID_SP_EL1 = i32(260), i32(265), i32(270), i32(271)
ID_ELR_EL1, ID_ESR_EL1, ID_FAR_EL1, ID_VBAR_EL1, ID_CP_REG = i32(267), i32(277), i32(281), i32(287), i32(290)

PSTATE_M_MASK, PSTATE_EL1H, PSTATE_SPSEL = u64(0x1F), u64(0x5), u64(1)
PSTATE_EL_SHIFT, PSTATE_EL_MASK = u64(2), u64(3)
PSTATE_F, PSTATE_I, PSTATE_A, PSTATE_D = u64(1 << 6), u64(1 << 7), u64(1 << 8), u64(1 << 9)
PSTATE_DAIF = u64(0xF << 6)
PSTATE_IL, PSTATE_SS, PSTATE_PAN, PSTATE_UAO = u64(1 << 20), u64(1 << 21), u64(1 << 22), u64(1 << 23)
PSTATE_NZCV = u64(0xF << 28)

_VALUE = 0                              # scratch words: a value for the calls below, then an encoded system register
_ENCODED = 8


@njit
def general(m, i):  # type: ignore[no-untyped-def]
    """X0..X30, then the live SP, then PC: 33 words, written in place."""
    return words_at(pe_of(m, i)["registers_address"], 33)


@njit
def read_register(m, i, register):  # type: ignore[no-untyped-def]
    """Value of the register with an engine number."""
    scratch = scratch_of(m)
    scratch[_VALUE] = ZERO
    reg_read(pe_of(m, i)["uc"], register, u64(scratch[_VALUE:].ctypes.data))
    return scratch[_VALUE]


@njit
def write_register(m, i, register, value):  # type: ignore[no-untyped-def]
    """Set the register with an engine number."""
    scratch = scratch_of(m)
    scratch[_VALUE] = value
    reg_write(pe_of(m, i)["uc"], register, u64(scratch[_VALUE:].ctypes.data))


@njit
def _encode(m, key):  # type: ignore[no-untyped-def]
    """Lay out uc_arm64_cp_reg {u32 crn, crm, op0, op1, op2; u64 val} for a 16-bit encoding key; returns its address."""
    scratch = scratch_of(m)
    crn, crm = (key >> u64(7)) & u64(15), (key >> u64(3)) & u64(15)
    op0, op1, op2 = (key >> u64(14)) & u64(3), (key >> u64(11)) & u64(7), key & u64(7)
    scratch[_ENCODED] = crn | (crm << u64(32))
    scratch[_ENCODED + 1] = op0 | (op1 << u64(32))
    scratch[_ENCODED + 2] = op2
    return u64(scratch[_ENCODED:].ctypes.data)


@njit
def read_system_register(m, i, key):  # type: ignore[no-untyped-def]
    """Value of the system register with encoding key op0:op1:CRn:CRm:op2."""
    address = _encode(m, key)
    scratch_of(m)[_ENCODED + 3] = ZERO
    reg_read(pe_of(m, i)["uc"], ID_CP_REG, address)
    return scratch_of(m)[_ENCODED + 3]


@njit
def write_system_register(m, i, key, value):  # type: ignore[no-untyped-def]
    """Set the system register with encoding key op0:op1:CRn:CRm:op2. Also makes the engine take in a new PSTATE."""
    address = _encode(m, key)
    scratch_of(m)[_ENCODED + 3] = value
    reg_write(pe_of(m, i)["uc"], ID_CP_REG, address)


@njit
def pstate(m, i):  # type: ignore[no-untyped-def]
    """PSTATE in the layout of SPSR_EL1."""
    return read_register(m, i, ID_PSTATE)
