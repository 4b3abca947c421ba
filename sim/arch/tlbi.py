"""The TLB invalidate operations of EL1, as data, and what their operand means.

Every form that an EL1 without EL2 has: by VA, ASID, VA for all ASIDs and everything; last level only; local, inner and outer shareable;
by range. The nXS forms (FEAT_XS) are not modelled: ID_AA64ISAR1_EL1.XS is 0. Source: DDI 0487 L.a, C5.5, and D8 (TLB maintenance).
"""

from dataclasses import dataclass
from typing import Final, NamedTuple

from sim.arch.register_keys import encoding_key

SCOPE_LOCAL, SCOPE_INNER, SCOPE_OUTER = 0, 1, 2                 # which PEs: this one, the inner shareable, the outer shareable domain
KIND_VMALL, KIND_VA, KIND_VAA, KIND_ASID = 0, 1, 2, 3           # by what: everything, VA and ASID, VA of all ASIDs, ASID

ASID_SHIFT = 48
TTL_SHIFT, TTL_MASK = 44, 0xF
VA_OPERAND_MASK = (1 << 44) - 1                                 # VA[55:12]
RANGE_TG_SHIFT, RANGE_SCALE_SHIFT, RANGE_NUM_SHIFT, RANGE_TTL_SHIFT = 46, 44, 39, 37
RANGE_BASE_BITS = 37                                            # BaseADDR, in granules
_ALL_ONES = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class TLBInvalidate:
    """One operation. key: encoding_key of its SYS instruction; scope and kind as the constants above; last_level: final level entries only."""

    name: str
    key: int
    scope: int
    kind: int
    last_level: bool
    is_range: bool


# name, op2, kind, last level only
_FORMS = (("VMALLE1", 0, KIND_VMALL, False), ("VAE1", 1, KIND_VA, False), ("ASIDE1", 2, KIND_ASID, False),
          ("VAAE1", 3, KIND_VAA, False), ("VALE1", 5, KIND_VA, True), ("VAALE1", 7, KIND_VAA, True))
# suffix, scope, CRm of the single forms, CRm of the range forms
_SCOPES = (("", SCOPE_LOCAL, 7, 6), ("IS", SCOPE_INNER, 3, 2), ("OS", SCOPE_OUTER, 1, 5))


def _operations() -> list[TLBInvalidate]:
    operations = []
    for suffix, scope, crm, range_crm in _SCOPES:
        for form, op2, kind, last_level in _FORMS:
            operations.append(TLBInvalidate(form + suffix, encoding_key(1, 0, 8, crm, op2), scope, kind, last_level, False))
            if kind in (KIND_VA, KIND_VAA):
                operations.append(TLBInvalidate("R" + form + suffix, encoding_key(1, 0, 8, range_crm, op2), scope, kind, last_level, True))
    return operations


TLB_INVALIDATES: Final[dict[str, TLBInvalidate]] = {operation.name: operation for operation in _operations()}       # "VAE1IS" -> ...
TLB_INVALIDATES_BY_KEY: Final[dict[int, TLBInvalidate]] = {operation.key: operation for operation in TLB_INVALIDATES.values()}


def operand_asid(operand: int) -> int:
    """ASID of any operand that has one, 0..65535; with TCR_EL1.AS = 0 only the low 8 bits count."""
    return operand >> ASID_SHIFT & 0xFFFF


def operand_va(operand: int) -> int:
    """VA of a by-VA operand: 64 bits, page-aligned to 4 KiB, bits [63:56] copied from bit 55. Larger granules ignore its low bits."""
    return _sign_extended((operand & VA_OPERAND_MASK) << 12, 55)


def operand_ttl(operand: int) -> int:
    """TTL hint of a by-VA operand, 0..15; 0 says nothing. Without FEAT_TTL the field is RES0 and ignored."""
    return operand >> TTL_SHIFT & TTL_MASK


def compose_va_operand(va: int, asid: int = 0, ttl: int = 0) -> int:
    """The operand that invalidates the page of va."""
    return asid << ASID_SHIFT | ttl << TTL_SHIFT | va >> 12 & VA_OPERAND_MASK


class TLBIRange(NamedTuple):
    """What a range operand covers: start_va (64-bit, sign-extended), size_bytes (0: TG is reserved, nothing is covered), granule_shift."""

    asid: int
    start_va: int
    size_bytes: int
    granule_shift: int


def decode_range(operand: int) -> TLBIRange:
    """A range operand: ASID, TG, SCALE, NUM, TTL, BaseADDR. size = (NUM + 1) * 2**(5 * SCALE + 1) granules.

    BaseADDR is VA[48:12], VA[50:14] or VA[52:16] by granule, and the bits above are copies of its top bit (FEAT_LPA2 is not modelled).
    TG = 0 is reserved; the operation may then be treated as a NOP, and size_bytes is 0 and granule_shift 12.
    """
    tg = operand >> RANGE_TG_SHIFT & 3
    granule_shift = 10 + 2 * tg if tg else 12
    scale, num = operand >> RANGE_SCALE_SHIFT & 3, operand >> RANGE_NUM_SHIFT & 0x1F
    base = operand & (1 << RANGE_BASE_BITS) - 1
    start_va = _sign_extended(base << granule_shift, RANGE_BASE_BITS - 1 + granule_shift)
    size_bytes = (num + 1 << 5 * scale + 1) << granule_shift if tg else 0
    return TLBIRange(operand_asid(operand), start_va, size_bytes, granule_shift)


def compose_range_operand(start_va: int, granule_shift: int, scale: int, num: int, asid: int = 0, ttl: int = 0) -> int:
    """The operand of a range operation. granule_shift 12, 14 or 16; scale 0..3; num 0..31; ttl 0..3."""
    base = start_va >> granule_shift & (1 << RANGE_BASE_BITS) - 1
    tg = (granule_shift - 10) // 2
    upper = asid << ASID_SHIFT | tg << RANGE_TG_SHIFT | scale << RANGE_SCALE_SHIFT
    return upper | num << RANGE_NUM_SHIFT | ttl << RANGE_TTL_SHIFT | base


def _sign_extended(value: int, top_bit: int) -> int:
    if value >> top_bit & 1:
        return value | _ALL_ONES & ~((1 << top_bit + 1) - 1)
    return value
