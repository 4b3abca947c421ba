"""AT S1E1R, S1E1W, S1E0R, S1E0W, S1E1RP, S1E1WP: what they leave in PAR_EL1.

Uses `probe`: the PE's TLBs, then its tables; nothing is filled or charged (the engine charges the instruction).
Differs from hardware: an external abort on the walk is reported in PAR_EL1 and not taken; AT never sets the access flag.
Source: DDI 0487 L.a, C5.4 (AT instructions), D24.2 "PAR_EL1".
"""
import numpy as np
from numba import njit

from sim.hot.translate import probe
from sim.hot.walk import MAIR_SHIFT, OK, ONE, SH_SHIFT, THREE, ZERO
from sim.state import dtypes
from sim.state.handle import walked_of

u64 = np.uint64
NOT_AN_AT = u64(dtypes.NOWHERE)
_S1E1R, _S1E1W, _S1E0R, _S1E0W = (u64(1 << 14 | 7 << 7 | 8 << 3 | op2) for op2 in range(4))
_S1E1RP, _S1E1WP = (u64(1 << 14 | 7 << 7 | 9 << 3 | op2) for op2 in range(2))
_READ, _WRITE = u64(dtypes.ACCESS_READ), u64(dtypes.ACCESS_WRITE)
_RES1, _NS, _SH_SHIFT, _ATTR_SHIFT = u64(1 << 11), u64(1 << 9), u64(7), u64(56)
_PA_MASK, _FSC_MASK, _BYTE = u64(0xFFFF_FFFF_F000), u64(0x3F), u64(0xFF)
_OUTER, _NON_CACHEABLE = u64(2), u64(0x44)
_DEVICE = u64(dtypes.ATTRIBUTE_DEVICE)


@njit(cache=True)
def address_translate(m, i, key, va, pan=ONE):  # type: ignore[no-untyped-def]
    """PAR_EL1 after the AT instruction with this key (op0<<14 | op1<<11 | CRn<<7 | CRm<<3 | op2); NOT_AN_AT if it is none of EL1's.

    pan: PSTATE.PAN, which only S1E1RP and S1E1WP heed.
    F = 0: SH, NS (1: Non-secure), PA[47:12], ATTR.  F = 1: FST.  Bit 11 is RES1 either way.
    """
    key = u64(key)
    heeds_pan = key == _S1E1RP or key == _S1E1WP
    el0 = ONE if key == _S1E0R or key == _S1E0W else ZERO
    if not heeds_pan and el0 == ZERO and key != _S1E1R and key != _S1E1W:
        return NOT_AN_AT
    access = _WRITE if key & ONE != ZERO else _READ
    status = probe(m, i, va, access, el0, u64(pan) if heeds_pan else ZERO)
    if status != OK:
        return _RES1 | (status & _FSC_MASK) << ONE | ONE
    walked = walked_of(m, i)
    attributes = walked["attributes"]
    memory = attributes >> MAIR_SHIFT & _BYTE
    # Device and Non-cacheable memory is outer shareable whatever the descriptor says
    shareability = attributes >> SH_SHIFT & THREE
    if attributes & _DEVICE != ZERO or memory == _NON_CACHEABLE:
        shareability = _OUTER
    pa = walked["pa"] | va & ~walked["mask"]
    return memory << _ATTR_SHIFT | pa & _PA_MASK | _RES1 | _NS | shareability << _SH_SHIFT
