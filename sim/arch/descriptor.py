"""Stage 1 descriptors of VMSAv8-64: what each bit is. Plain ints throughout, so that compiled code freezes them.

48-bit output addresses (no FEAT_LPA, no FEAT_LPA2), no Realm and no permission indirection. A granule is given as its shift: 12, 14 or 16.
Source: DDI 0487 L.a, D8.3 (translation table descriptor formats), D8.4 (memory access control), D8.7 (contiguous bit).
"""

VALID = 1 << 0
TABLE = 1 << 1                          # with VALID: a table at levels 0 to 2, a page at level 3; else a block, or at level 3 invalid

# Leaf (block and page) descriptors
ATTR_INDX_SHIFT = 2
ATTR_INDX_MASK = 0x7 << ATTR_INDX_SHIFT
NS = 1 << 5
AP_SHIFT = 6
AP_EL0 = 1 << 6                         # AP[1]: EL0 may access
AP_READ_ONLY = 1 << 7                   # AP[2]: nobody may write
AP_MASK = AP_EL0 | AP_READ_ONLY
SH_SHIFT = 8
SH_MASK = 0x3 << SH_SHIFT
SH_NON, SH_OUTER, SH_INNER = 0, 2, 3
AF = 1 << 10
NG = 1 << 11
NT = 1 << 16                            # block descriptors only, FEAT_BBM level 1 and 2
DBM = 1 << 51                           # with AP_READ_ONLY: writable, clean
CONTIGUOUS = 1 << 52
PXN = 1 << 53
UXN = 1 << 54
SOFTWARE_SHIFT = 55
SOFTWARE_MASK = 0xF << SOFTWARE_SHIFT   # bits [58:55], left to software
SOFTWARE_BITS = (1 << 55, 1 << 56, 1 << 57, 1 << 58)

# Table descriptors
PXN_TABLE = 1 << 59
UXN_TABLE = 1 << 60
AP_TABLE_SHIFT = 61
AP_TABLE_NO_EL0 = 1 << 61               # APTable[0]: EL0 may not access what lies below
AP_TABLE_READ_ONLY = 1 << 62            # APTable[1]: nobody may write what lies below
AP_TABLE_MASK = AP_TABLE_NO_EL0 | AP_TABLE_READ_ONLY
NS_TABLE = 1 << 63

OUTPUT_ADDRESS_BITS = 48
GRANULE_SHIFTS = (12, 14, 16)
ADDRESS_MASK = (1 << OUTPUT_ADDRESS_BITS) - 1

INVALID_KIND, TABLE_KIND, BLOCK_KIND, PAGE_KIND = 0, 1, 2, 3
_KIND_NAMES = ("invalid", "table", "block", "page")
_SH_NAMES = ("non-shareable", "shareability reserved", "outer shareable", "inner shareable")


def level_shift(level: int, granule_shift: int) -> int:
    """log2 of the bytes that one descriptor of a level translates: 12 for a 4 KiB page, 21 for its level 2."""
    return granule_shift + (3 - level) * (granule_shift - 3)


def block_allowed(level: int, granule_shift: int) -> bool:
    """Whether a level may hold block descriptors: level 2 of every granule, and level 1 of the 4 KiB granule."""
    return level == 2 or level == 1 and granule_shift == 12


def contiguous_entries(level: int, granule_shift: int) -> int:
    """Descriptors in one contiguous run: 16 for 4 KiB, 128 pages or 32 blocks for 16 KiB, 32 for 64 KiB."""
    if granule_shift == 12:
        return 16
    return 128 if granule_shift == 14 and level == 3 else 32


def descriptor_kind(value: int, level: int, granule_shift: int) -> int:
    """INVALID_KIND, TABLE_KIND, BLOCK_KIND or PAGE_KIND: what the walk makes of a descriptor at a level, 0..3."""
    if not value & VALID:
        return INVALID_KIND
    if level == 3:
        return PAGE_KIND if value & TABLE else INVALID_KIND
    if value & TABLE:
        return TABLE_KIND
    return BLOCK_KIND if block_allowed(level, granule_shift) else INVALID_KIND


def table_pa(value: int, granule_shift: int) -> int:
    """PA of the next-level table that a table descriptor names, and likewise of the table that TTBRn_EL1.BADDR names if that is full-sized."""
    return value & ADDRESS_MASK & ~((1 << granule_shift) - 1)


def output_pa(value: int, level: int, granule_shift: int) -> int:
    """PA at which the block or page of a leaf descriptor begins."""
    return value & ADDRESS_MASK & ~((1 << level_shift(level, granule_shift)) - 1)


def describe_descriptor(value: int, level: int, granule_shift: int) -> str:
    """A descriptor in one line: "block 2 MiB at 0x40200000, EL1 read-write, AttrIndx 0, inner shareable, AF, UXN". Takes any 64-bit value."""
    kind = descriptor_kind(value, level, granule_shift)
    if kind == INVALID_KIND:
        if not value & VALID:
            return "invalid" if value == 0 else f"invalid, {value:#018x}"
        return f"invalid, reserved encoding {value:#018x} at level {level}"
    if kind == TABLE_KIND:
        flags = [name for bit, name in ((PXN_TABLE, "PXNTable"), (UXN_TABLE, "UXNTable"), (AP_TABLE_NO_EL0, "APTable no EL0"),
                                        (AP_TABLE_READ_ONLY, "APTable read-only"), (NS_TABLE, "NSTable")) if value & bit]
        return ", ".join([f"table at {table_pa(value, granule_shift):#x}", *flags])
    who = "EL1 and EL0" if value & AP_EL0 else "EL1"
    how = "read-write" if not value & AP_READ_ONLY else "read-only until dirty" if value & DBM else "read-only"
    parts = [f"{_KIND_NAMES[kind]} {_size_text(1 << level_shift(level, granule_shift))} at {output_pa(value, level, granule_shift):#x}",
             f"{who} {how}", f"AttrIndx {(value & ATTR_INDX_MASK) >> ATTR_INDX_SHIFT}", _SH_NAMES[(value & SH_MASK) >> SH_SHIFT]]
    parts.append("AF" if value & AF else "no AF")
    named = [(NG, "nG"), (NS, "NS"), (DBM, "DBM"), (CONTIGUOUS, "contiguous"), (PXN, "PXN"), (UXN, "UXN")]
    if kind == BLOCK_KIND:
        named.append((NT, "nT"))
    parts += [name for bit, name in named if value & bit]
    if value & SOFTWARE_MASK:
        parts.append(f"software {(value & SOFTWARE_MASK) >> SOFTWARE_SHIFT:#x}")
    return ", ".join(parts)


def _size_text(size_bytes: int) -> str:
    for shift, unit in ((30, "GiB"), (20, "MiB")):
        if size_bytes >> shift:
            return f"{size_bytes >> shift} {unit}"
    return f"{size_bytes >> 10} KiB"
