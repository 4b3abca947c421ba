"""The memory-mapped GIC: the distributor (GICD) and one redistributor for each PE (GICR), as `virt` places them.

Accesses are 1, 2 or 4 bytes; a 64-bit register arrives as two halves. Only the priority registers can be accessed by bytes; other
accesses of 1 or 2 bytes, and all reserved addresses, are RAZ/WI. Register writes take effect at once, so RWP reads as 0.
An access to the redistributor of another PE sees it at the time of the PE that accesses.
Identification values are those of a GIC-500 as QEMU gives them. Source: IHI 0069 H, 12.9 (GICD), 12.10 and 12.11 (GICR).
"""
import numpy as np
from numba import njit

from sim.arch import memory_map
from sim.hot.gic import (
    INTIDS,
    NOWHERE,
    PRIVATE,
    arrived,
    clock_for,
    fold,
    pending_at,
    refresh,
    refresh_all,
    refresh_participants,
    settle_spi,
    spi_pending,
    waiting_target,
)
from sim.state.handle import gic_of, machine_of, pe_of, spi_of

u64 = np.uint64
ZERO, ONE, TWO, FOUR = u64(0), u64(1), u64(2), u64(4)
GICD_PA, GICD_BYTES = u64(memory_map.GICD_PA), u64(memory_map.GICD_BYTES)
GICR_PA, GICR_HIGH_PA = u64(memory_map.GICR_PA), u64(memory_map.GICR_HIGH_PA)
GICR_BYTES, GICR_LOW_PES = u64(memory_map.GICR_BYTES_PER_PE), u64(memory_map.GICR_LOW_PES)

GICD_CTLR, GICD_TYPER, GICD_IIDR = u64(0), u64(4), u64(8)
GICR_CTLR, GICR_IIDR, GICR_TYPER, GICR_TYPER_HIGH, GICR_WAKER = u64(0), u64(4), u64(8), u64(0xC), u64(0x14)
_CTLR_ENABLES, _CTLR_FIXED = u64(3), u64(0x50)          # DS and ARE are RAO/WI
_TYPER = u64(0xF << 19 | 1 << 24) | (INTIDS // u64(32) - ONE)   # 16 bits of INTID, A3V, ITLinesNumber; 1 of N is supported, RSS is not
_IIDR = u64(0x43B)                                      # implementer Arm
_SGI_FRAME = u64(0x1_0000)                              # offset of SGI_base from RD_base
_WAKER_PROCESSOR_SLEEP, _WAKER_ASLEEP = u64(2), u64(6)  # ChildrenAsleep follows ProcessorSleep
_TYPER_LAST, _TYPER_NUMBER_SHIFT, _TYPER_AFF1_SHIFT = u64(1 << 4), u64(8), u64(8)
_AFF0_BITS, _AFF1_SHIFT = u64(15), u64(4)

# Banks of one bit, eight bits, two bits and 64 bits for each INTID: first offset; the next bank's is the end
IGROUPR, ISENABLER, ICENABLER, ISPENDR, ICPENDR = u64(0x80), u64(0x100), u64(0x180), u64(0x200), u64(0x280)
ISACTIVER, ICACTIVER, IPRIORITYR, PRIORITY_END = u64(0x300), u64(0x380), u64(0x400), u64(0x800)
ICFGR, ICFGR_END, IROUTER, IROUTER_END = u64(0xC00), u64(0xD00), u64(0x6100), u64(0x8000)
ICFGR1 = u64(0xC04)
ID_FIRST, ID_END = u64(0xFFD0), u64(0x1_0000)
_PIDR0, _GICR_PIDR0 = u64(0xFFE0), u64(0x93)
_ID_VALUES = u64(0x3B_B4_92_00_00_00_44), u64(0xB1_05_F0_0D_00)     # a byte for each register, 0xFFD0 first
_BANK_BYTES, _BANK_SHIFT, _BITS_PER_BANK_BYTE = u64(0x80), u64(7), u64(8)
_ROUTE_LOW, _ROUTE_HIGH = u64(0x80FF_FFFF), u64(0xFF)
_LOW_HALF, _BYTE, _EDGE_BITS = u64(0xFFFF_FFFF), u64(0xFF), u64(0xAAAA_AAAA)
_THIRTY_TWO, _SEVEN, _EIGHT, _THREE = u64(32), u64(7), u64(8), u64(3)


@njit
def _redistributor(m, pa):  # type: ignore[no-untyped-def]
    """Number of the PE whose redistributor lies at a PA, NOWHERE if none does."""
    pes = machine_of(m)["pes"]
    if pa >= GICR_HIGH_PA:
        number = (pa - GICR_HIGH_PA) // GICR_BYTES + GICR_LOW_PES
    elif pa >= GICR_PA and pa - GICR_PA < GICR_LOW_PES * GICR_BYTES:
        number = (pa - GICR_PA) // GICR_BYTES
    else:
        return NOWHERE
    return number if number < pes else NOWHERE


@njit(cache=True)
def is_gic(m, pa):  # type: ignore[no-untyped-def]
    """Whether the distributor or the redistributor of an existing PE answers at a PA."""
    return GICD_PA <= pa < GICD_PA + GICD_BYTES or _redistributor(m, pa) != NOWHERE


@njit
def _identification(offset):  # type: ignore[no-untyped-def]
    """PIDR4..7, PIDR0..3, CIDR0..3 of the distributor."""
    number = (offset - ID_FIRST) // FOUR
    if number < _SEVEN:
        return (_ID_VALUES[0] >> (number * _EIGHT)) & _BYTE
    return (_ID_VALUES[1] >> ((number - _SEVEN) * _EIGHT)) & _BYTE


# --- private interrupts: the SGI_base frame of a redistributor -----------------------------------------------------------------

@njit
def _read_private(m, i, j, offset):  # type: ignore[no-untyped-def]
    """32 bits of PE j's SGI_base frame, as PE i reads them."""
    g = gic_of(m, j)
    if offset == IGROUPR:
        return g["group"]
    if offset == ISENABLER or offset == ICENABLER:
        return g["enabled"]
    if offset == ISPENDR or offset == ICPENDR:
        return pending_at(m, j, pe_of(m, i)["cycles"])
    if offset == ISACTIVER or offset == ICACTIVER:
        return g["active"]
    if offset == ICFGR:
        return g["configuration0"]
    if offset == ICFGR1:
        return g["configuration1"]
    return ZERO


@njit
def _clear_pending(m, i, j, bits):  # type: ignore[no-untyped-def]
    """PE i writes PE j's ICPENDR0: what has arrived is cleared, an SGI still on its way is not."""
    g = gic_of(m, j)
    due = g["sgi_due_cycles"]
    here = arrived(g, pe_of(m, i)["cycles"]) & bits
    for n in range(16):
        if (here >> u64(n)) & ONE != ZERO:
            due[n] = NOWHERE
    g["pending"] &= ~bits


@njit
def _write_private(m, i, j, offset, value):  # type: ignore[no-untyped-def]
    """PE i writes 32 bits of PE j's SGI_base frame."""
    g = gic_of(m, j)
    fold(m, j, clock_for(m, j))
    if offset == IGROUPR:
        g["group"] = value
    elif offset == ISENABLER:
        g["enabled"] |= value
    elif offset == ICENABLER:
        g["enabled"] &= ~value
    elif offset == ISPENDR:
        g["pending"] |= value
    elif offset == ICPENDR:
        _clear_pending(m, i, j, value)
    elif offset == ISACTIVER:
        g["active"] |= value
    elif offset == ICACTIVER:
        g["active"] &= ~value
    elif offset == ICFGR1:
        g["configuration1"] = value & _EDGE_BITS
    refresh(m, j)


# --- SPIs: the distributor -----------------------------------------------------------------------------------------------------

@njit
def _spi_bit(m, index, bank):  # type: ignore[no-untyped-def]
    """What a one-bit bank of the distributor, named by its first offset, says of SPI 32 + index."""
    spi = spi_of(m)[index]
    if bank == IGROUPR:
        return spi["group"]
    if bank == ISENABLER or bank == ICENABLER:
        return spi["enabled"]
    if bank == ISPENDR or bank == ICPENDR:
        return ONE if spi_pending(spi) else ZERO
    return spi["active"]


@njit
def _write_spi_bit(m, index, bank, bit):  # type: ignore[no-untyped-def]
    """Write one bit of a one-bit bank: a 1 sets or clears; a 0 means something to IGROUPR only."""
    if bank != IGROUPR and bit == ZERO:
        return
    before = waiting_target(m, index)
    spi = spi_of(m)[index]
    if bank == IGROUPR:
        spi["group"] = bit
    elif bank == ISENABLER:
        spi["enabled"] = ONE
    elif bank == ICENABLER:
        spi["enabled"] = ZERO
    elif bank == ISPENDR:
        spi["pending"] = ONE
    elif bank == ICPENDR:
        spi["pending"] = ZERO
    elif bank == ISACTIVER:
        spi["active"] = ONE
    else:
        spi["active"] = ZERO
    settle_spi(m, index, before)


@njit
def _read_spi_bits(m, bank, first):  # type: ignore[no-untyped-def]
    result = ZERO
    for n in range(32):
        intid = first + u64(n)
        if PRIVATE <= intid < INTIDS:
            result |= _spi_bit(m, np.int64(intid - PRIVATE), bank) << u64(n)
    return result


@njit
def _write_spi_bits(m, bank, first, value):  # type: ignore[no-untyped-def]
    for n in range(32):
        intid = first + u64(n)
        if PRIVATE <= intid < INTIDS:
            _write_spi_bit(m, np.int64(intid - PRIVATE), bank, (value >> u64(n)) & ONE)


@njit
def _read_configuration(m, first):  # type: ignore[no-untyped-def]
    result = ZERO
    for n in range(16):
        intid = first + u64(n)
        if PRIVATE <= intid < INTIDS:
            result |= spi_of(m)[np.int64(intid - PRIVATE)]["configuration"] << (TWO * u64(n))
    return result


@njit
def _write_configuration(m, first, value):  # type: ignore[no-untyped-def]
    """Two bits for each SPI, of which the lower is RES0: 2 is edge-triggered, 0 level-sensitive."""
    for n in range(16):
        intid = first + u64(n)
        if PRIVATE <= intid < INTIDS:
            index = np.int64(intid - PRIVATE)
            before = waiting_target(m, index)
            spi_of(m)[index]["configuration"] = (value >> (TWO * u64(n))) & TWO
            settle_spi(m, index, before)


@njit
def _access_route(m, offset, is_write, value):  # type: ignore[no-untyped-def]
    """One half of IROUTER<n>: low has Aff2..Aff0 and IRM, high has Aff3. A read returns it."""
    intid = (offset - IROUTER) // _EIGHT + PRIVATE
    if intid >= INTIDS:
        return ZERO
    index = np.int64(intid - PRIVATE)
    spi = spi_of(m)[index]
    high = offset & FOUR != ZERO
    if is_write != ZERO:
        before = waiting_target(m, index)
        if high:
            spi["route"] = (spi["route"] & _LOW_HALF) | ((value & _ROUTE_HIGH) << _THIRTY_TWO)
        else:
            spi["route"] = (spi["route"] & ~_LOW_HALF) | (value & _ROUTE_LOW)
        settle_spi(m, index, before)
    return spi["route"] >> _THIRTY_TWO if high else spi["route"] & _LOW_HALF


@njit
def _read_distributor(m, offset):  # type: ignore[no-untyped-def]
    if offset == GICD_CTLR:
        return machine_of(m)["gicd_ctlr"] | _CTLR_FIXED
    if offset == GICD_TYPER:
        return _TYPER
    if offset == GICD_IIDR:
        return _IIDR
    if IGROUPR <= offset < IPRIORITYR:
        return _read_spi_bits(m, (offset >> _BANK_SHIFT) << _BANK_SHIFT, (offset & (_BANK_BYTES - ONE)) * _BITS_PER_BANK_BYTE)
    if ICFGR <= offset < ICFGR_END:
        return _read_configuration(m, (offset - ICFGR) * FOUR)
    if IROUTER <= offset < IROUTER_END:
        return _access_route(m, offset, ZERO, ZERO)
    if offset >= ID_FIRST:
        return _identification(offset)
    return ZERO


@njit
def _write_distributor(m, offset, value):  # type: ignore[no-untyped-def]
    if offset == GICD_CTLR:
        machine_of(m)["gicd_ctlr"] = value & _CTLR_ENABLES
        refresh_all(m)
    elif IGROUPR <= offset < IPRIORITYR:
        _write_spi_bits(m, (offset >> _BANK_SHIFT) << _BANK_SHIFT, (offset & (_BANK_BYTES - ONE)) * _BITS_PER_BANK_BYTE, value)
    elif ICFGR <= offset < ICFGR_END:
        _write_configuration(m, (offset - ICFGR) * FOUR, value)
    elif IROUTER <= offset < IROUTER_END:
        _access_route(m, offset, ONE, value)


# --- priorities: the one bank with byte access ---------------------------------------------------------------------------------

@njit
def _priority(m, j, intid):  # type: ignore[no-untyped-def]
    """Priority of an SPI (j = NOWHERE), or of a private interrupt of PE j; 0 for what does not exist."""
    if j != NOWHERE:
        return u64(gic_of(m, j)["priority"][np.int64(intid)]) if intid < PRIVATE else ZERO
    return spi_of(m)[np.int64(intid - PRIVATE)]["priority"] if PRIVATE <= intid < INTIDS else ZERO


@njit
def _set_priority(m, j, intid, priority):  # type: ignore[no-untyped-def]
    """Set the priority of an SPI (j = NOWHERE), or of a private interrupt of PE j."""
    if j != NOWHERE:
        if intid < PRIVATE:
            gic_of(m, j)["priority"][np.int64(intid)] = np.uint8(priority)
    elif PRIVATE <= intid < INTIDS:
        index = np.int64(intid - PRIVATE)
        before = waiting_target(m, index)
        spi_of(m)[index]["priority"] = priority
        settle_spi(m, index, before)


@njit
def _read_priorities(m, j, offset, size):  # type: ignore[no-untyped-def]
    result = ZERO
    for n in range(np.int64(size)):
        result |= _priority(m, j, offset - IPRIORITYR + u64(n)) << (_EIGHT * u64(n))
    return result


@njit
def _write_priorities(m, j, offset, size, value):  # type: ignore[no-untyped-def]
    for n in range(np.int64(size)):
        _set_priority(m, j, offset - IPRIORITYR + u64(n), (value >> (_EIGHT * u64(n))) & _BYTE)
    if j != NOWHERE:
        refresh(m, j)


# --- redistributors ------------------------------------------------------------------------------------------------------------

@njit
def _read_control_frame(m, j, offset):  # type: ignore[no-untyped-def]
    """32 bits of PE j's RD_base frame."""
    if offset == GICR_IIDR:
        return _IIDR
    if offset == GICR_TYPER:
        last = j + ONE == machine_of(m)["pes"] or j + ONE == GICR_LOW_PES
        return (j << _TYPER_NUMBER_SHIFT) | (_TYPER_LAST if last else ZERO)
    if offset == GICR_TYPER_HIGH:
        return ((j >> _AFF1_SHIFT) << _TYPER_AFF1_SHIFT) | (j & _AFF0_BITS)
    if offset == GICR_WAKER:
        return gic_of(m, j)["waker"]
    if offset == _PIDR0:
        return _GICR_PIDR0
    if offset >= ID_FIRST:
        return _identification(offset)
    return ZERO


@njit
def _write_control_frame(m, j, offset, value):  # type: ignore[no-untyped-def]
    """PE j's RD_base frame: only WAKER can be written. LPIs do not exist, so GICR_CTLR has nothing to control."""
    if offset == GICR_WAKER:
        gic_of(m, j)["waker"] = _WAKER_ASLEEP if value & _WAKER_PROCESSOR_SLEEP != ZERO else ZERO
        refresh_participants(m, j)


@njit
def _is_priority(offset, size):  # type: ignore[no-untyped-def]
    """Whether an access is to the priority bank and of a size that it takes."""
    return IPRIORITYR <= offset < PRIORITY_END and (size == ONE or (size == FOUR and offset & _THREE == ZERO))


@njit(cache=True)
def mmio_read(m, i, pa, size):  # type: ignore[no-untyped-def]
    """PE i loads `size` bytes (1, 2 or 4) from a PA for which `is_gic` holds."""
    i = u64(i)
    j = _redistributor(m, pa)
    offset = pa - GICD_PA if j == NOWHERE else (pa - GICR_PA if pa < GICR_HIGH_PA else pa - GICR_HIGH_PA) % GICR_BYTES
    if j != NOWHERE and offset >= _SGI_FRAME:
        offset -= _SGI_FRAME
        if _is_priority(offset, size):
            return _read_priorities(m, j, offset, size)
        return _read_private(m, i, j, offset) if size == FOUR else ZERO
    if j == NOWHERE and _is_priority(offset, size):
        return _read_priorities(m, j, offset, size)
    if size != FOUR:
        return ZERO
    return _read_distributor(m, offset) if j == NOWHERE else _read_control_frame(m, j, offset)


@njit(cache=True)
def mmio_write(m, i, pa, size, value):  # type: ignore[no-untyped-def]
    """PE i stores `size` bytes (1, 2 or 4) to a PA for which `is_gic` holds."""
    i = u64(i)
    j = _redistributor(m, pa)
    value &= _LOW_HALF
    offset = pa - GICD_PA if j == NOWHERE else (pa - GICR_PA if pa < GICR_HIGH_PA else pa - GICR_HIGH_PA) % GICR_BYTES
    if j != NOWHERE and offset >= _SGI_FRAME:
        offset -= _SGI_FRAME
        if _is_priority(offset, size):
            _write_priorities(m, j, offset, size, value)
        elif size == FOUR:
            _write_private(m, i, j, offset, value)
    elif j == NOWHERE and _is_priority(offset, size):
        _write_priorities(m, j, offset, size, value)
    elif size == FOUR:
        if j == NOWHERE:
            _write_distributor(m, offset, value)
        else:
            _write_control_frame(m, j, offset, value)
