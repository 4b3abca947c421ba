"""What an access reaches: the fill hook's decision page by page, the observed window, and devices.

A plain page of RAM is handed to the engine as it is and runs at full speed. An observed page (`page_flags`) is handed out for
writes as its image in a window of callbacks, so that each write is seen. Devices are callbacks of their own. Nothing else answers:
an access to any other PA is an external abort, decided here, before the engine can look for itself.
"""
import numpy as np
from numba import njit

from sim.arch import instruction, memory_map, syndrome
from sim.hot import pl011, stops
from sim.hot.calls import context_save, emu_stop
from sim.hot.code_pages import COPIED, TOUCHED, code_written, look_at_code
from sim.hot.decode import instruction_flags
from sim.hot.events import emit_at
from sim.hot.exception import word_at
from sim.hot.gic_distributor import is_gic, mmio_read, mmio_write
from sim.hot.hidden_stores import TABLE, hide_store
from sim.hot.pages import ALL, LINE_SHIFT, PAGES, PRIVATE, SHARED, observe_access, sharing_of, touch
from sim.hot.registers import PC, PSTATE_EL_MASK, PSTATE_EL_SHIFT, PSTATE_PAN, general, pstate
from sim.hot.schedule import reschedule
from sim.hot.sharing import must_wait
from sim.hot.soft_tlb import empty_soft_tlb
from sim.hot.spin import not_waiting, note_read, wake_readers
from sim.hot.translate import FAULTED, OK, hand_again, permissions, probe, translate
from sim.hot.turn import hold_observed, is_out_of_turn, is_own_affair, note_observed, observed_slot
from sim.hot.walk import WAITS
from sim.state import dtypes, events
from sim.state.handle import halves_at, machine_of, page_flags_of, pe_at, pe_of, pes_of, ram_of, walked_of, words_at

u64, u8, u32 = np.uint64, np.uint8, np.uint32
ZERO, ONE = u64(0), u64(1)
NOWHERE = u64(dtypes.NOWHERE)
PAGE_SHIFT = u64(12)
PAGE_MASK = u64(0xFFFF_FFFF_FFFF_F000)
PERMISSION_R, PERMISSION_W, PERMISSION_X = u64(1), u64(2), u64(4)
ACCESS_FETCH, ACCESS_WRITE, ACCESS_READ = u64(dtypes.ACCESS_FETCH), u64(dtypes.ACCESS_WRITE), u64(dtypes.ACCESS_READ)
STATUS_EXTERNAL = u64(syndrome.EXTERNAL_ABORT)
WINDOW_PA, CODE_COPY_PA = u64(memory_map.OBSERVED_PA), u64(memory_map.CODE_COPY_PA)
PL011_PA = u64(memory_map.PL011_PA)
GRANULE_MASK = u64(0xFFFF_FFFF_FFFF_FFC0)               # exclusives reservation granule: 64 bytes, as CTR_EL0.ERG says
TAKES_LINES = u64(instruction.FLAG_ATOMIC | instruction.FLAG_EXCLUSIVE)
FLAG_UNPRIVILEGED = u64(instruction.FLAG_UNPRIVILEGED)
ATTRIBUTE_DEVICE = u64(dtypes.ATTRIBUTE_DEVICE)
EXECUTED, MONITORED, WRITTEN = u8(dtypes.PAGE_EXECUTED), u8(dtypes.PAGE_MONITORED), u8(dtypes.PAGE_HANDED_FOR_WRITE)
OBSERVED = u8(dtypes.PAGE_EXECUTED | dtypes.PAGE_MONITORED | dtypes.PAGE_TABLE)
STATUS_WFE = u64(dtypes.STATUS_WFE)
EVENT_EXCLUSIVE_LOST = u64(events.EVENT_EXCLUSIVE_LOST)
SCTLR_M, SCTLR_A = u64(1), u64(2)
STOP_EXCEPTION, STOP_ABORT, STOP_AT_BLOCK = u64(stops.STOP_EXCEPTION), u64(stops.STOP_ABORT), u64(stops.STOP_AT_BLOCK)
STOP_TURN, STOP_WAIT = u64(stops.STOP_TURN), u64(stops.STOP_WAIT)

CTL_TB_FLUSH = u32(0x4000_000A)         # UC_CTL_WRITE(UC_CTL_TB_FLUSH, 0)


@njit
def flush_soft_tlb(m, i, uc):  # type: ignore[no-untyped-def]
    """Empty the engine's soft TLB (simulator performance, not architecture) and start a new generation of handed-out entries."""
    pe = pe_of(m, i)
    empty_soft_tlb(m, i, uc)
    pe["soft_generation"] += ONE
    pe["soft_flush"] = pe["probing"] = ZERO
    pe["code_va"] = NOWHERE
    pe["n_soft_flushes"] += ONE


@njit
def is_abandoned(pe):  # type: ignore[no-untyped-def]
    """Whether the block under way has been left by `abandon_block`: nothing that the engine still does of it counts."""
    stop = pe["stop"]
    return stop == STOP_EXCEPTION or stop == STOP_ABORT or stop == STOP_WAIT


@njit
def abandon_block(m, i, stop):  # type: ignore[no-untyped-def]
    """Leave the block at the present instruction, from an instruction hook.

    The engine goes on to the end of its block whatever a hook does. So the registers are kept as they are now, for the run loop to put
    back; until it stops, every access is refused and every other hook does nothing.
    """
    pe = pe_of(m, i)
    pe["pc"] = general(m, i)[PC]
    pe["stop"] = stop
    context_save(pe["uc"], machine_of(m)["context"])
    flush_soft_tlb(m, i, pe["uc"])
    emu_stop(pe["uc"])


@njit
def update_alignment_check(m, i):  # type: ignore[no-untyped-def]
    """Whether misaligned accesses may have to fault: always with the MMU off (Device memory) or SCTLR_EL1.A = 1."""
    pe = pe_of(m, i)
    pe["align_check"] = ONE if pe["sctlr"] & SCTLR_M == ZERO or pe["sctlr"] & SCTLR_A != ZERO else ZERO


@njit
def mark_page(m, page, flag):  # type: ignore[no-untyped-def]
    """Begin to observe a page of RAM: every soft TLB is emptied, once, so that the next write of any PE is seen."""
    page_flags_of(m)[page] |= flag
    pes = pes_of(m)
    for j in range(pes.shape[0]):
        pes[j]["soft_flush"] = ONE


@njit
def _hand_out_ram(m, i, uc, page, access, allowed):  # type: ignore[no-untyped-def]
    """(PA at which the engine finds RAM for this access, permissions) for a page of RAM that may be accessed as `allowed` says."""
    flags = page_flags_of(m)
    state = flags[page]
    if access == ACCESS_FETCH:
        if state & EXECUTED == u8(0):
            if state & WRITTEN != u8(0):
                mark_page(m, page, EXECUTED)
                flush_soft_tlb(m, i, uc)
            state = look_at_code(m, page)
            flags[page] = state & ~WRITTEN
        if state & COPIED != u8(0):
            return CODE_COPY_PA, allowed & PERMISSION_X
        readable = PERMISSION_R if machine_of(m)["coherence"] == ZERO else ZERO     # else each read of data is to come by here
        return machine_of(m)["ram_pa"], allowed & (readable | PERMISSION_X)
    mode, sharing = machine_of(m)["coherence"], PRIVATE
    if mode == PAGES:
        sharing = touch(m, i, page, access == ACCESS_WRITE)
    if mode == ALL or sharing == SHARED:
        return WINDOW_PA, allowed & (PERMISSION_R | PERMISSION_W)
    if access == ACCESS_READ and (allowed & PERMISSION_W == ZERO or state & OBSERVED != u8(0) or sharing != PRIVATE):
        return machine_of(m)["ram_pa"], PERMISSION_R
    if state & OBSERVED != u8(0):
        return WINDOW_PA, allowed & (PERMISSION_R | PERMISSION_W)
    if allowed & PERMISSION_W != ZERO:
        flags[page] = state | WRITTEN | TOUCHED
    return machine_of(m)["ram_pa"], allowed & (PERMISSION_R | PERMISSION_W)


@njit
def refuse(pe, status, va, access):  # type: ignore[no-untyped-def]
    """Record the fault that an access meets; the run loop takes the abort. A later refusal for the same instruction replaces it."""
    pe["fault_pending"] = ONE
    pe["fault_status"] = status
    pe["fault_va"] = va
    pe["fault_access"] = access
    pe["fault_cache_maintenance"] = ZERO


@njit
def _stop_for_turn(pe, access):  # type: ignore[no-untyped-def]
    """Refuse an access because it is not the PE's turn. No fault: it is made later."""
    pe["stop"] = STOP_TURN
    pe["stop_a"] = access
    return False


@njit
def fill(uc, va, access, entry, data):  # type: ignore[no-untyped-def]
    """TLB-fill hook of the engine: translate `va` (page-aligned) through the modelled TLBs and tables, or refuse.

    access: 16 read, 17 write, 18 fetch. entry: address of {u64 paddr; u32 perms}. data: address of the PE record.
    """
    pe = pe_at(data)
    m, i = pe["machine"], np.int64(pe["index"])
    out = words_at(entry, 1)
    perms = halves_at(entry + u64(8), 1)
    machine = machine_of(m)
    kind = u64(access)
    if is_abandoned(pe) or pe["stop"] == STOP_TURN:
        return False
    pe["n_fills"] += ONE
    state = pstate(m, i)
    el0 = ONE if (state >> PSTATE_EL_SHIFT) & PSTATE_EL_MASK == ZERO else ZERO
    pan = ONE if state & PSTATE_PAN != ZERO else ZERO
    if kind != ACCESS_FETCH and el0 == ZERO and pe["block_flags"] & FLAG_UNPRIVILEGED != ZERO:
        # LDTR and STTR: EL0's permissions, and PAN does not apply. PC is exact inside this hook.
        if instruction_flags(word_at(m, pe, general(m, i)[PC])) & FLAG_UNPRIVILEGED != ZERO:
            el0, pan = ONE, ZERO
    generation, ordered = pe["soft_generation"], pe["turn_cycles"] != NOWHERE
    if ordered:
        if kind != ACCESS_FETCH and pe["soft_flush"] == ZERO:
            slot = observed_slot(m, i, va, el0, pan, PERMISSION_W if kind == ACCESS_WRITE else PERMISSION_R)
            if slot >= 0:
                if is_out_of_turn(pe):
                    return _stop_for_turn(pe, kind)
                hold_observed(pe, slot)
                out[0] = pe["observed_pa"][slot]
                perms[0] = u32(pe["observed_permissions"][slot])
                return True
        if is_out_of_turn(pe) and not is_own_affair(m, i, va, kind, el0, pan):
            return _stop_for_turn(pe, kind)
    status = translate(m, i, va, kind, el0, pan)
    if status == WAITS:
        return _stop_for_turn(pe, kind)
    if status != OK:
        refuse(pe, status, va, kind)
        return False
    observed_page, must_be_seen = NOWHERE, False
    walked = walked_of(m, i)
    page_pa = (walked["pa"] | (va & ~walked["mask"])) & PAGE_MASK
    if page_pa >= machine["ram_pa"] and page_pa - machine["ram_pa"] < machine["ram_bytes"]:
        allowed = permissions(walked["attributes"], pe["sctlr"], el0, pan)
        if walked["attributes"] & ATTRIBUTE_DEVICE != ZERO and pe["align_check"] == ZERO and kind != ACCESS_FETCH:
            pe["align_check"] = ONE                         # from now on; the rest of this block must be looked at too
            pe["stop"] = STOP_AT_BLOCK
            return False
        page = np.int64((page_pa - machine["ram_pa"]) >> PAGE_SHIFT)
        if kind != ACCESS_FETCH and must_wait(m, i, page, kind == ACCESS_WRITE):
            return _stop_for_turn(pe, kind)
        seen_at_pa, granted = _hand_out_ram(m, i, uc, page, kind, allowed)
        if ordered and kind != ACCESS_FETCH and sharing_of(m, page) == SHARED:
            observed_page, must_be_seen = u64(page), True
        out[0] = page_pa - machine["ram_pa"] + seen_at_pa
        perms[0] = u32(granted)
    elif kind != ACCESS_FETCH and (page_pa == PL011_PA or is_gic(m, page_pa)):
        out[0] = page_pa
        perms[0] = u32(PERMISSION_R | PERMISSION_W)
        must_be_seen = ordered
    else:
        refuse(pe, FAULTED | STATUS_EXTERNAL, va, kind)
        return False
    # A soft entry outlives this access: what it was made from has been charged, so a soft hit is an L1 hit.
    # One that is kept by nobody goes before the next block, with whatever else is to go.
    if pe["soft_flush"] != ZERO:
        if pe["transient"] == ZERO:
            flush_soft_tlb(m, i, uc)
        pe["transient"] = ZERO
    if pe["soft_generation"] != generation:
        hand_again(m, i, va, kind)
    if must_be_seen:
        note_observed(m, i, va, el0, pan, out[0], u64(perms[0]), observed_page)
    return True


@njit
def break_reservations(m, i, pa):  # type: ignore[no-untyped-def]
    """A store by PE i to `pa`: every other PE's exclusive monitor on that granule is cleared, which is an event for WFE."""
    pes = pes_of(m)
    granule = pa & GRANULE_MASK
    for j in range(pes.shape[0]):
        other = pes[j]
        if other["reserved_pa"] == granule and j != i:
            other["reserved_pa"] = NOWHERE
            words_at(other["exclusive_address"], 1)[0] = NOWHERE
            other["event_register"] = ONE
            emit_at(m, j, pes[i]["cycles"], EVENT_EXCLUSIVE_LOST, i, granule, ZERO, ZERO)
            if other["status"] == STATUS_WFE:
                other["wake_cycles"] = min(other["wake_cycles"], pes[i]["cycles"])
                reschedule(m, j)
                pes[i]["limit_cycles"] = ZERO


@njit
def window_read(uc, offset, size, data):  # type: ignore[no-untyped-def]
    """Read of an observed page; offset is that from the start of RAM, size 1 to 8 bytes."""
    pe = pe_at(data)
    m = pe["machine"]
    if machine_of(m)["coherence"] != ZERO:
        if machine_of(m)["asleep"] != ZERO and pe["block_flags"] & TAKES_LINES != ZERO:
            wake_readers(m, np.int64(pe["index"]), u64(offset))
        observe_access(m, np.int64(pe["index"]), u64(offset), u64(size), False)
        if machine_of(m)["skip_waiting"] != ZERO:
            note_read(pe, u64(offset) >> LINE_SHIFT)
    ram = ram_of(m)
    value = ZERO
    for k in range(np.int64(size)):
        value |= u64(ram[np.int64(offset) + k]) << u64(8 * k)
    return value


@njit
def window_write(uc, offset, size, value, data):  # type: ignore[no-untyped-def]
    """Write to an observed page: the bytes change, and reservations of other PEs on them are lost."""
    pe = pe_at(data)
    m = pe["machine"]
    if machine_of(m)["coherence"] != ZERO:
        if machine_of(m)["asleep"] != ZERO:
            wake_readers(m, np.int64(pe["index"]), u64(offset))
        observe_access(m, np.int64(pe["index"]), u64(offset), u64(size), True)
        not_waiting(pe)
    ram = ram_of(m)
    if page_flags_of(m)[np.int64(u64(offset) >> PAGE_SHIFT)] & TABLE != u8(0):
        hide_store(m, np.int64(pe["index"]), u64(offset), u64(size))
    for k in range(np.int64(size)):
        ram[np.int64(offset) + k] = u8((u64(value) >> u64(8 * k)) & u64(0xFF))
    code_written(m, np.int64(pe["index"]), u64(offset), u64(size))
    if page_flags_of(m)[np.int64(u64(offset) >> PAGE_SHIFT)] & MONITORED != u8(0):
        break_reservations(m, np.int64(pe["index"]), u64(offset) + machine_of(m)["ram_pa"])


@njit
def device_read(uc, pa, size, data):  # type: ignore[no-untyped-def]
    """Read of a device register at `pa`."""
    pe = pe_at(data)
    m = pe["machine"]
    not_waiting(pe)
    if pa & PAGE_MASK == PL011_PA:
        return pl011.read(m, pa - PL011_PA)
    return mmio_read(m, np.int64(pe["index"]), u64(pa), u64(size))


@njit
def device_write(uc, pa, size, value, data):  # type: ignore[no-untyped-def]
    """Write of a device register at `pa`. What it changes may concern this PE at once, so the slice ends at the next block."""
    pe = pe_at(data)
    m, i = pe["machine"], np.int64(pe["index"])
    not_waiting(pe)
    if pa & PAGE_MASK == PL011_PA:
        pl011.write(m, i, pa - PL011_PA, u64(value))
    else:
        mmio_write(m, i, u64(pa), u64(size), u64(value))
        pe["limit_cycles"] = ZERO


@njit
def note_reservation(m, i):  # type: ignore[no-untyped-def]
    """At the end of a slice: if the PE's exclusive monitor is set, note the granule and see other PEs' stores to its page from now on."""
    pe, machine = pe_of(m, i), machine_of(m)
    va = words_at(pe["exclusive_address"], 1)[0]
    if va == NOWHERE:
        pe["reserved_pa"] = NOWHERE
        pe["monitor_used"] = ZERO
        return
    from_el0 = ONE if (pstate(m, i) >> PSTATE_EL_SHIFT) & PSTATE_EL_MASK == ZERO else ZERO
    if translate_quietly(m, i, va, from_el0) != OK:
        return
    walked = walked_of(m, i)
    pa = walked["pa"] | (va & ~walked["mask"])
    offset = pa - machine["ram_pa"]
    if pa < machine["ram_pa"] or offset >= machine["ram_bytes"]:
        return
    pe["reserved_pa"] = pa & GRANULE_MASK
    page = np.int64(offset >> PAGE_SHIFT)
    if page_flags_of(m)[page] & MONITORED == u8(0):
        mark_page(m, page, MONITORED)
        machine["monitors"] += ONE


@njit
def translate_quietly(m, i, va, el0):  # type: ignore[no-untyped-def]
    """Where a read of `va` goes, without charge, fill or event; the answer is in walked_of(m, i)."""
    return probe(m, i, va, ACCESS_READ, el0, ZERO)
