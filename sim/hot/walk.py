"""The stage 1 translation table walk of EL1&0: VMSAv8-64, granules of 4, 16 and 64 KiB, VAs and output addresses of up to 48 bits.

A status is OK, or FAULTED with the six-bit fault status code of ESR_ELx (DFSC, IFSC) in its low bits. Faults are values.

Choices that DDI 0487 leaves open: TxSZ outside 16..39 gives a translation fault at level 0; a reserved TG is 4 KiB; a reserved IPS
is 48 bits; a contiguous run is used as one entry when it fits the VA range and its output address is aligned to it, else the
contiguous bit is ignored. Hierarchical permissions are off under TCR.HPDn. The access flag is set by the walk if the machine has that
(`hardware_af`) and TCR.HA asks for it; the dirty state is updated by `translate`.

Not modelled: stage 2, big-endian tables (SCTLR.EE), FEAT_LPA, FEAT_LPA2, FEAT_LVA, FEAT_TTST, E0PD, NFD.
Source: DDI 0487 L.a, D8.2 (translation process), D8.3 (descriptor formats), D8.4 (access control), D8.5 (access flag, dirty state).
"""
import numpy as np
from numba import njit

from sim.arch import descriptor as d
from sim.hot.code_pages import code_written
from sim.hot.events import emit
from sim.hot.hidden_stores import descriptor_seen
from sim.hot.pages import observe_walk
from sim.hot.sharing import must_wait
from sim.hot.spin import wake_everybody
from sim.hot.tlb import ASID_GLOBAL, MISS, insert_walk_cache, lookup_walk_cache
from sim.state import dtypes
from sim.state.events import EVENT_WALK
from sim.state.handle import machine_of, pe_of, ram_words_of, walk_cache_of, walked_of

u64 = np.uint64
ZERO, ONE, TWO, THREE, FOUR, FIVE, EIGHT = u64(0), u64(1), u64(2), u64(3), u64(4), u64(5), u64(8)
TWELVE, FOURTEEN, SIXTEEN, SIXTY_FOUR = u64(12), u64(14), u64(16), u64(64)
_BIT_55 = u64(55)
_TOP_BYTE = u64(0xFF << 56)

OK, FAULTED = u64(0), u64(0x100)
WAITS = u64(0x200)                      # neither: the walk is to be made again later (`sim.hot.sharing`)
FAULT_ADDRESS_SIZE, FAULT_TRANSLATION, FAULT_ACCESS_FLAG, FAULT_PERMISSION = u64(0x00), u64(0x04), u64(0x08), u64(0x0C)
FAULT_CONFLICT = FAULTED | u64(0x30)      # TLB conflict abort; has no level
FAULT_EXTERNAL, FAULT_EXTERNAL_ON_WALK = u64(0x10), u64(0x14)

# TCR_EL1
_TCR_EPD, _TCR_A1, _TCR_IPS, _TCR_AS, _TCR_TBI0, _TCR_HA, _TCR_HPD0, _TCR_TBID0 = (u64(n) for n in (7, 22, 32, 36, 37, 39, 41, 51))
_TCR_HD = u64(40)
_MIN_TNSZ, _MAX_TNSZ, _TNSZ_MASK = u64(16), u64(39), u64(0x3F)
_OUTPUT_BITS = (u64(32), u64(36), u64(40), u64(42), u64(44), u64(48), u64(48), u64(48))     # by IPS
_ASID_SHIFT, _ASID_MASK, _ASID_MASK_8 = u64(48), u64(0xFFFF), u64(0xFF)

# Descriptors
_VALID, _TABLE, _AF, _NG, _NT = u64(d.VALID), u64(d.TABLE), u64(d.AF), u64(d.NG), u64(d.NT)
_AP_EL0, _AP_READ_ONLY, _DBM, _CONTIGUOUS = u64(d.AP_EL0), u64(d.AP_READ_ONLY), u64(d.DBM), u64(d.CONTIGUOUS)
_PXN, _UXN, _ADDRESS_MASK = u64(d.PXN), u64(d.UXN), u64(d.ADDRESS_MASK)
_ATTR_INDX_SHIFT, _SH_SHIFT, _SEVEN, _BYTE = u64(d.ATTR_INDX_SHIFT), u64(d.SH_SHIFT), u64(7), u64(0xFF)
_TABLE_BITS = u64(d.AP_TABLE_SHIFT), u64(d.PXN_TABLE), u64(d.UXN_TABLE)
_BASE_MASK = u64(0xFFFF_FFFF_FFFE)      # TTBRn_EL1.BADDR

# Held attributes
_WRITABLE, _EL0, _HELD_PXN, _HELD_UXN = (u64(n) for n in (dtypes.ATTRIBUTE_WRITABLE, dtypes.ATTRIBUTE_EL0, dtypes.ATTRIBUTE_PXN,
                                                          dtypes.ATTRIBUTE_UXN))
_HELD_DBM, _DEVICE, _HELD_CONTIGUOUS, _HELD_NT = (u64(n) for n in (dtypes.ATTRIBUTE_DBM, dtypes.ATTRIBUTE_DEVICE,
                                                                    dtypes.ATTRIBUTE_CONTIGUOUS, dtypes.ATTRIBUTE_NT))
LEVEL_SHIFT, SH_SHIFT, MAIR_SHIFT = u64(dtypes.ATTRIBUTE_LEVEL_SHIFT), u64(dtypes.ATTRIBUTE_SH_SHIFT), u64(dtypes.ATTRIBUTE_MAIR_SHIFT)
_TABLE_AP_SHIFT = u64(dtypes.ATTRIBUTE_TABLE_AP_SHIFT)
_TABLE_NO_EL0, _TABLE_READ_ONLY = ONE << _TABLE_AP_SHIFT, TWO << _TABLE_AP_SHIFT
_TABLE_PXN, _TABLE_UXN = u64(dtypes.ATTRIBUTE_TABLE_PXN), u64(dtypes.ATTRIBUTE_TABLE_UXN)
_TABLE_PERMISSIONS = _TABLE_NO_EL0 | _TABLE_READ_ONLY | _TABLE_PXN | _TABLE_UXN


@njit(cache=True)
def canonical(m, i, va, is_fetch):  # type: ignore[no-untyped-def]
    """`va` with its top byte made a copy of bit 55 where TCR_EL1.TBIn ignores it (for fetches: unless TBIDn); else `va` itself."""
    tcr, upper = pe_of(m, i)["tcr"], va >> _BIT_55 & ONE
    if tcr >> (_TCR_TBI0 + upper) & ONE == ZERO or (is_fetch and tcr >> (_TCR_TBID0 + upper) & ONE != ZERO):
        return va
    return va | _TOP_BYTE if upper != ZERO else va & ~_TOP_BYTE


@njit
def current_asid(m, i):  # type: ignore[no-untyped-def]
    """The ASID of PE i: that of TTBR0 or TTBR1 by TCR.A1, 8 or 16 bits by TCR.AS."""
    pe = pe_of(m, i)
    tcr = pe["tcr"]
    base = pe["ttbr1"] if tcr >> _TCR_A1 & ONE != ZERO else pe["ttbr0"]
    return base >> _ASID_SHIFT & asid_mask(tcr)


@njit
def asid_mask(tcr):  # type: ignore[no-untyped-def]
    """Mask of the implemented bits of an ASID: 16 with TCR.AS, else 8."""
    return _ASID_MASK if tcr >> _TCR_AS & ONE != ZERO else _ASID_MASK_8


@njit
def granule_shift(tcr, upper):  # type: ignore[no-untyped-def]
    """log2 of the granule of the lower (`upper` = 0, TG0) or upper (1, TG1) VA range: 12, 14 or 16."""
    if upper != ZERO:
        field = tcr >> u64(30) & THREE
        return FOURTEEN if field == ONE else (SIXTEEN if field == THREE else TWELVE)
    field = tcr >> FOURTEEN & THREE
    return FOURTEEN if field == TWO else (SIXTEEN if field == ONE else TWELVE)


@njit
def output_bits(m, i):  # type: ignore[no-untyped-def]
    """Width of output addresses: the smaller of TCR.IPS and what the machine implements."""
    bits = _OUTPUT_BITS[np.int64(pe_of(m, i)["tcr"] >> _TCR_IPS & _SEVEN)]
    implemented = machine_of(m)["pa_bits"]
    return min(implemented, bits)


@njit(cache=True)
def walk(m, i, va):  # type: ignore[no-untyped-def]
    """Walk the tables of PE i for `va` (see `canonical`). Returns OK with the translation in walked_of(m, i), or a fault status.

    The translation is that of the whole block, page or contiguous run. Permissions are not checked here.
    Charges cost_walk_step for each descriptor read, emits EVENT_WALK, counts, fills the walk cache, may set the access flag.
    WAITS: nothing of that has been done; the PE is to come again at PE.hold_cycles (`sim.hot.sharing`).
    """
    return walk_tables(m, i, va, ZERO)


@njit
def walk_tables(m, i, va, quiet):  # type: ignore[no-untyped-def]
    """`walk`; with `quiet` non-zero it leaves no trace: nothing charged, counted, emitted, cached or written to a descriptor."""
    status, base, level, shift, index_bits, collected = _start(m, i, va, quiet)
    if status != OK:
        return status
    machine, pe = machine_of(m), pe_of(m, i)
    upper = va >> _BIT_55 & ONE
    granule, limit, asid = granule_shift(pe["tcr"], upper), ONE << output_bits(m, i), current_asid(m, i)
    ram_pa, ram_bytes, words = machine["ram_pa"], machine["ram_bytes"], ram_words_of(m)
    descriptor_pa, descriptor, reads = ZERO, ZERO, ZERO
    while True:
        descriptor_pa = base + ((va >> shift & ((ONE << index_bits) - ONE)) << THREE)
        reads += ONE
        if descriptor_pa < ram_pa or descriptor_pa - ram_pa >= ram_bytes:
            status, descriptor = FAULTED | FAULT_EXTERNAL_ON_WALK | level, ZERO
            break
        if quiet == ZERO and must_wait(m, i, np.int64((descriptor_pa - ram_pa) >> TWELVE), False):
            return WAITS
        descriptor = words[np.int64((descriptor_pa - ram_pa) >> THREE)]
        if quiet == ZERO and machine["coherence"] != ZERO:
            observe_walk(m, i, descriptor_pa - ram_pa)
        if machine["adversarial"] != ZERO:
            descriptor = descriptor_seen(m, i, descriptor_pa, descriptor, quiet)
        if descriptor & _VALID == ZERO:
            status = FAULTED | FAULT_TRANSLATION | level
            break
        if level == THREE or descriptor & _TABLE == ZERO:
            status = _leaf(m, i, va, level, shift, descriptor, descriptor_pa, collected, limit, quiet)
            break
        base = descriptor & _ADDRESS_MASK & ~((ONE << granule) - ONE)
        if base >= limit:
            status = FAULTED | FAULT_ADDRESS_SIZE | level
            break
        collected |= _table_permissions(descriptor)
        level += ONE
        if quiet == ZERO and machine["walk_cache_sets"] != ZERO:
            insert_walk_cache(m, i, va, asid, shift, base, collected | level << LEVEL_SHIFT, descriptor_pa)
        shift -= granule - THREE
        index_bits = granule - THREE
    if quiet == ZERO:
        cycles = reads * machine["cost_walk_step"]
        pe["cycles"] += cycles
        pe["walk_cycles"] += cycles
        pe["tlb_cycles"] += cycles
        pe["n_walks"] += ONE
        pe["n_walk_reads"] += reads
        emit(m, i, EVENT_WALK, level, va, descriptor_pa, descriptor)
    return status


@njit
def _start(m, i, va, quiet):  # type: ignore[no-untyped-def]
    """Where the walk begins: status, PA of the first table, its level, log2 of what a descriptor maps, index bits, permissions so far."""
    pe = pe_of(m, i)
    upper = va >> _BIT_55 & ONE
    half = pe["tcr"] >> (upper << FOUR)                          # TnSZ and EPDn lie 16 bits higher for the upper range
    tnsz, granule = half & _TNSZ_MASK, granule_shift(pe["tcr"], upper)
    translation_fault = FAULTED | FAULT_TRANSLATION, ZERO, ZERO, ZERO, ZERO, ZERO
    if tnsz < _MIN_TNSZ or tnsz > _MAX_TNSZ or half >> _TCR_EPD & ONE != ZERO:
        return translation_fault
    input_bits = SIXTY_FOUR - tnsz
    if va >> input_bits != (((ONE << tnsz) - ONE) if upper != ZERO else ZERO):
        return translation_fault
    stride = granule - THREE
    if machine_of(m)["walk_cache_sets"] != ZERO:
        shift, level = granule, THREE
        while shift + stride < input_bits:                       # the deepest table first; its index is of full width
            slot = lookup_walk_cache(m, i, va, current_asid(m, i), shift + stride)
            if slot != MISS:
                if quiet == ZERO:
                    pe["n_walk_cache_hits"] += ONE
                held = walk_cache_of(m, i)[slot]
                return OK, held["pa"], level, shift, stride, held["attributes"] & _TABLE_PERMISSIONS
            shift += stride
            level -= ONE
    below = (input_bits - granule - ONE) // stride               # levels after the first
    shift = granule + below * stride
    base = (pe["ttbr1"] if upper != ZERO else pe["ttbr0"]) & _BASE_MASK
    base &= ~((ONE << (input_bits - shift + THREE)) - ONE)       # a table is aligned to its size
    if base >> output_bits(m, i) != ZERO:
        return FAULTED | FAULT_ADDRESS_SIZE, ZERO, ZERO, ZERO, ZERO, ZERO
    return OK, base, THREE - below, shift, input_bits - shift, ZERO


@njit
def _table_permissions(descriptor):  # type: ignore[no-untyped-def]
    """APTable, PXNTable and UXNTable of a table descriptor as ATTRIBUTE_TABLE_* bits."""
    ap_shift, pxn, uxn = _TABLE_BITS
    result = (descriptor >> ap_shift & THREE) << _TABLE_AP_SHIFT
    if descriptor & pxn != ZERO:
        result |= _TABLE_PXN
    if descriptor & uxn != ZERO:
        result |= _TABLE_UXN
    return result


@njit
def _leaf(m, i, va, level, shift, descriptor, descriptor_pa, collected, limit, quiet):  # type: ignore[no-untyped-def]
    """Judge a block or page descriptor; on OK the translation is in walked_of(m, i)."""
    machine, pe, walked = machine_of(m), pe_of(m, i), walked_of(m, i)
    tcr, upper = pe["tcr"], va >> _BIT_55 & ONE
    granule = granule_shift(tcr, upper)
    if level == THREE:
        if descriptor & _TABLE == ZERO:
            return FAULTED | FAULT_TRANSLATION | level
    elif level != TWO and (level != ONE or granule != TWELVE):
        return FAULTED | FAULT_TRANSLATION | level
    mask = ~((ONE << shift) - ONE)
    pa = descriptor & _ADDRESS_MASK & mask
    if pa >= limit:
        return FAULTED | FAULT_ADDRESS_SIZE | level
    if level != THREE and machine["nt_faults"] != ZERO and machine["feat_bbm"] != ZERO and descriptor & _NT != ZERO:
        return FAULTED | FAULT_TRANSLATION | level
    if descriptor & _AF == ZERO:
        if machine["hardware_af"] == ZERO or tcr >> _TCR_HA & ONE == ZERO:
            return FAULTED | FAULT_ACCESS_FLAG | level
        word = (descriptor_pa - machine["ram_pa"]) >> THREE
        if quiet == ZERO and ram_words_of(m)[np.int64(word)] == descriptor:     # else a store that walks do not observe yet has replaced it
            ram_words_of(m)[np.int64(word)] = descriptor | _AF
            if machine["asleep"] != ZERO:
                wake_everybody(m, i)
            code_written(m, i, descriptor_pa - machine["ram_pa"], EIGHT)
    if tcr >> (_TCR_HPD0 + upper) & ONE != ZERO:
        collected = ZERO
    attributes = _attributes(m, i, descriptor, level, collected)
    if descriptor & _CONTIGUOUS != ZERO:
        run_shift = shift + _run_bits(granule, level)
        run_mask = ~((ONE << run_shift) - ONE)
        if run_shift <= SIXTY_FOUR - (tcr >> (upper << FOUR) & _TNSZ_MASK) and (pa ^ va) & ~run_mask & mask == ZERO:
            mask, pa, attributes = run_mask, pa & run_mask, attributes | _HELD_CONTIGUOUS
    walked["va"], walked["mask"], walked["pa"] = va & mask, mask, pa
    walked["asid"] = current_asid(m, i) if descriptor & _NG != ZERO else ASID_GLOBAL
    walked["attributes"], walked["descriptor_pa"], walked["handed"], walked["spare"] = attributes, descriptor_pa, ZERO, mask
    return OK


@njit
def _run_bits(granule, level):  # type: ignore[no-untyped-def]
    """log2 of the descriptors in a contiguous run."""
    if granule == TWELVE:
        return FOUR
    return _SEVEN if granule == FOURTEEN and level == THREE else FIVE


@njit
def _attributes(m, i, descriptor, level, collected):  # type: ignore[no-untyped-def]
    """ATTRIBUTE_* bits of a leaf under the hierarchical permissions `collected`."""
    machine, pe = machine_of(m), pe_of(m, i)
    result = level << LEVEL_SHIFT | (descriptor >> _SH_SHIFT & THREE) << SH_SHIFT
    memory = pe["mair"] >> ((descriptor >> _ATTR_INDX_SHIFT & _SEVEN) << THREE) & _BYTE
    result |= memory << MAIR_SHIFT
    if memory >> FOUR == ZERO:
        result |= _DEVICE
    if collected & _TABLE_READ_ONLY == ZERO:
        if descriptor & _AP_READ_ONLY == ZERO:
            result |= _WRITABLE
        if descriptor & _DBM != ZERO and hardware_dirty(m, i):
            result |= _HELD_DBM
    if descriptor & _AP_EL0 != ZERO and collected & _TABLE_NO_EL0 == ZERO:
        result |= _EL0
    if descriptor & _PXN != ZERO or collected & _TABLE_PXN != ZERO:
        result |= _HELD_PXN
    if descriptor & _UXN != ZERO or collected & _TABLE_UXN != ZERO:
        result |= _HELD_UXN
    if level != THREE and machine["feat_bbm"] != ZERO and descriptor & _NT != ZERO:
        result |= _HELD_NT
    return result


@njit
def hardware_dirty(m, i):  # type: ignore[no-untyped-def]
    """Whether hardware manages the dirty state: the machine has it, TCR.HA and TCR.HD ask for it."""
    machine, tcr = machine_of(m), pe_of(m, i)["tcr"]
    both = machine["hardware_af"] & machine["hardware_dirty"]
    return both != ZERO and tcr >> _TCR_HA & tcr >> _TCR_HD & ONE != ZERO
