"""The exception vector table: sixteen slots of 128 bytes at VBAR_EL1. DDI 0487 L.a, D1.4 (exception vectors).

    offset   taken from
    0x000    the current EL, using SP_EL0
    0x200    the current EL, using SP_ELx
    0x400    a lower EL in AArch64
    0x600    a lower EL in AArch32, never taken here
    +0x000 synchronous, +0x080 IRQ or vIRQ, +0x100 FIQ or vFIQ, +0x180 SError or vSError
"""

SLOT_BYTES = 0x80
SLOTS = 16
TABLE_BYTES = SLOTS * SLOT_BYTES            # and the table's alignment

SYNCHRONOUS, IRQ, FIQ, SERROR = 0, 1, 2, 3  # which slot of a group
CURRENT_EL_SP_EL0 = 0x000
CURRENT_EL_SP_ELX = 0x200
LOWER_EL_AARCH64 = 0x400
LOWER_EL_AARCH32 = 0x600

_KIND_NAMES = ("synchronous", "irq", "fiq", "serror")
_GROUP_NAMES = ("current_el_sp_el0", "current_el_sp_elx", "lower_el_aarch64", "lower_el_aarch32")
VECTOR_NAMES = tuple(f"{group}_{kind}" for group in _GROUP_NAMES for kind in _KIND_NAMES)       # by slot number, offset = slot * SLOT_BYTES


def vector_offset(kind: int, from_el0: bool, sp_elx_selected: bool) -> int:
    """Offset from VBAR_EL1 of an exception taken to EL1 from AArch64. kind: SYNCHRONOUS, IRQ, FIQ or SERROR; PSTATE.SP counts at EL1 only."""
    if from_el0:
        return LOWER_EL_AARCH64 + kind * SLOT_BYTES
    if sp_elx_selected:
        return CURRENT_EL_SP_ELX + kind * SLOT_BYTES
    return CURRENT_EL_SP_EL0 + kind * SLOT_BYTES


def vector_name(offset: int) -> str:
    """The name of the slot that holds an offset from VBAR_EL1, 0 <= offset < TABLE_BYTES: "current_el_sp_elx_irq". ValueError outside."""
    if not 0 <= offset < TABLE_BYTES:
        raise ValueError(f"{offset:#x} is not an offset in a vector table")
    return VECTOR_NAMES[offset // SLOT_BYTES]
