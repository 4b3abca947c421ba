"""SYS: TLBI, AT, DC and IC, done by the model instead of the engine.

Cache maintenance by VA translates its operand and may abort with CM = 1. Data caches are coherent here, so cleaning and
invalidating data has no other effect. Instruction cache maintenance is what makes changed code visible: the engine's
translations of every PE are dropped, at the issuer before its next block, at the others before their next slice.
Source: DDI 0487, C5.3 to C5.5, D7.5 (caches).
"""
import numpy as np
from numba import njit

from sim.arch.register_keys import REGISTER_KEYS
from sim.hot.address_translate import address_translate
from sim.hot.block import at_el0
from sim.hot.code_pages import code_written
from sim.hot.coherence import WRITE
from sim.hot.events import emit
from sim.hot.exception import settle_up_to
from sim.hot.hidden_stores import TABLE, hide_store
from sim.hot.observe import EXECUTED, MONITORED, STOP_ABORT, STOP_WAIT, abandon_block, break_reservations, refuse
from sim.hot.pages import observe_whole
from sim.hot.registers import PC, PSTATE_PAN, general, pstate, write_system_register
from sim.hot.sharing import must_wait
from sim.hot.spin import wake_everybody
from sim.hot.system_registers import (
    DONE,
    FOUR,
    HANDLER_SHIFT,
    is_admitted,
    key_of,
    operand_of,
    skip_instruction,
)
from sim.hot.tlbi import issue
from sim.hot.translate import FAULTED, OK, translate
from sim.hot.walk import WAITS
from sim.state import dtypes, events
from sim.state.handle import machine_of, page_flags_of, pe_at, pe_of, pes_of, policy_of, ram_of, walked_of

u64, u8 = np.uint64, np.uint8
ZERO, ONE = u64(0), u64(1)
NOWHERE = u64(dtypes.NOWHERE)
H_TLBI, H_AT, H_ZERO = u64(dtypes.HANDLER_TLBI), u64(dtypes.HANDLER_AT), u64(dtypes.HANDLER_ZERO_BLOCK)
H_DATA_VA, H_CODE_VA = u64(dtypes.HANDLER_DATA_CACHE_VA), u64(dtypes.HANDLER_CODE_VA)
H_CODE_ALL, H_NOTHING = u64(dtypes.HANDLER_CODE_ALL), u64(dtypes.HANDLER_NOTHING)
ACCESS_READ, ACCESS_WRITE = u64(dtypes.ACCESS_READ), u64(dtypes.ACCESS_WRITE)
ATTRIBUTE_DEVICE = u64(dtypes.ATTRIBUTE_DEVICE)
K_PAR = u64(REGISTER_KEYS["PAR_EL1"])
PAGE_SHIFT = u64(12)
ZERO_BLOCK_BYTES, ZERO_BLOCK_MASK = 64, u64(0xFFFF_FFFF_FFFF_FFC0)
EVENT_CODE_MAINTENANCE = u64(events.EVENT_CODE_MAINTENANCE)
STATUS_ALIGNMENT, STATUS_EXTERNAL = u64(0x21), u64(0x10)


@njit
def _abort(m, i, uc, status, va, access, maintenance):  # type: ignore[no-untyped-def]
    """Stop before the operation with the abort that its address meets, or until it may be made."""
    pe = pe_of(m, i)
    if status == WAITS:
        abandon_block(m, i, STOP_WAIT)
        return DONE
    refuse(pe, status, va, access)
    pe["fault_cache_maintenance"] = maintenance
    abandon_block(m, i, STOP_ABORT)
    return DONE


@njit
def _output_address(m, i, va, access):  # type: ignore[no-untyped-def]
    """(status, PA) of an operand, translated as an access of this PE would be."""
    el0 = ONE if at_el0(m, i) else ZERO
    pan = ONE if pstate(m, i) & PSTATE_PAN != ZERO else ZERO
    status = translate(m, i, va, access, el0, pan)
    walked = walked_of(m, i)
    return status, walked["pa"] | (va & ~walked["mask"])


@njit
def _zero_block(m, i, uc, operand):  # type: ignore[no-untyped-def]
    """DC ZVA: zero the 64 bytes that hold the operand's address."""
    va = operand & ZERO_BLOCK_MASK
    status, pa = _output_address(m, i, va, ACCESS_WRITE)
    if status != OK:
        return _abort(m, i, uc, status, operand, ACCESS_WRITE, ZERO)
    if walked_of(m, i)["attributes"] & ATTRIBUTE_DEVICE != ZERO:
        return _abort(m, i, uc, FAULTED | STATUS_ALIGNMENT, operand, ACCESS_WRITE, ZERO)
    machine = machine_of(m)
    offset = pa - machine["ram_pa"]
    if pa < machine["ram_pa"] or offset >= machine["ram_bytes"]:
        return _abort(m, i, uc, FAULTED | STATUS_EXTERNAL, operand, ACCESS_WRITE, ZERO)
    if must_wait(m, i, np.int64(offset >> PAGE_SHIFT), True):
        return _abort(m, i, uc, WAITS, operand, ACCESS_WRITE, ZERO)
    if machine["coherence"] != ZERO:
        observe_whole(m, i, offset, u64(ZERO_BLOCK_BYTES), WRITE)
    ram = ram_of(m)
    if page_flags_of(m)[np.int64(offset >> PAGE_SHIFT)] & TABLE != u8(0):
        hide_store(m, i, offset, u64(ZERO_BLOCK_BYTES))
    for k in range(ZERO_BLOCK_BYTES):
        ram[np.int64(offset) + k] = u8(0)
    code_written(m, i, offset, u64(ZERO_BLOCK_BYTES))
    if page_flags_of(m)[np.int64(offset >> PAGE_SHIFT)] & MONITORED != u8(0):
        break_reservations(m, i, pa)
    return DONE


@njit
def request_code_flush(m, i):  # type: ignore[no-untyped-def]
    """Every PE's engine translations and the block facts are to be dropped before that PE's next block."""
    pes = pes_of(m)
    for j in range(pes.shape[0]):
        pes[j]["code_flush"] = ONE
    if machine_of(m)["asleep"] != ZERO:
        wake_everybody(m, i)
    machine_of(m)["facts_stale"] = ONE
    pe_of(m, i)["limit_cycles"] = ZERO


@njit
def _code_by_va(m, i, uc, operand):  # type: ignore[no-untyped-def]
    """IC IVAU: if instructions were ever fetched from that page, they are fetched anew."""
    status, pa = _output_address(m, i, operand, ACCESS_READ)
    if status != OK:
        return _abort(m, i, uc, status, operand, ACCESS_READ, ONE)
    machine = machine_of(m)
    offset = pa - machine["ram_pa"]
    in_ram = pa >= machine["ram_pa"] and offset < machine["ram_bytes"]
    if in_ram and page_flags_of(m)[np.int64(offset >> PAGE_SHIFT)] & EXECUTED != u8(0):
        request_code_flush(m, i)
    emit(m, i, EVENT_CODE_MAINTENANCE, ZERO, pa, ZERO, ZERO)
    return DONE


@njit
def on_sys(uc, register, cp_reg, data):  # type: ignore[no-untyped-def]
    """SYS hook of the engine."""
    pe = pe_at(data)
    m, i = pe["machine"], np.int64(pe["index"])
    key = key_of(cp_reg)
    policy = u64(policy_of(m)[np.int64(key)])
    if not is_admitted(m, i, uc, register, key, policy, ZERO):
        return DONE
    handler = (policy >> HANDLER_SHIFT) & u64(15)
    operand = operand_of(cp_reg, register)
    pc = general(m, i)[PC]
    pe["fault_pending"] = ZERO
    if handler == H_ZERO:
        _zero_block(m, i, uc, operand)
    elif handler == H_DATA_VA:
        status, _ = _output_address(m, i, operand, ACCESS_READ)
        if status != OK:
            _abort(m, i, uc, status, operand, ACCESS_READ, ONE)
    elif handler == H_CODE_VA:
        _code_by_va(m, i, uc, operand)
    if pe["fault_pending"] != ZERO or pe["stop"] == STOP_WAIT:
        return DONE
    settle_up_to(m, pe, pc + FOUR)
    if handler == H_TLBI:
        issue(m, i, key, operand)
        pe["limit_cycles"] = ZERO
    elif handler == H_AT:
        write_system_register(m, i, K_PAR, address_translate(m, i, key, operand))
    elif handler == H_CODE_ALL:
        request_code_flush(m, i)
        emit(m, i, EVENT_CODE_MAINTENANCE, ONE, ZERO, ZERO, ZERO)
    return skip_instruction(m, i)
