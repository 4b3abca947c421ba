"""What benchmarks compare with: guest code in bare engine instances with a plain identity fill."""
import ctypes
import struct
import time

import numpy as np
import numpy.typing as npt
from numba import cfunc, njit, types
from unicorn import UC_ARCH_ARM64, UC_HOOK_BLOCK, UC_HOOK_TLB_FILL, UC_MODE_ARM, UC_TLB_VIRTUAL, Uc, arm64_const

from sim.engine.symbols import library
from sim.hot.calls import emu_start, emu_stop
from sim.state.handle import halves_at, words_at

_RAM_PA, _RAM_BYTES, _DATA_PA = 0x4000_0000, 1 << 24, 0x4040_0000
_CODE_PERMISSIONS, _DATA_PERMISSIONS = np.uint32(5), np.uint32(3)      # data not executable: executable pages make every store slow
# add x2,x2,x0; eor x4,x2,x0; str x4,[x1]; ldr x5,[x1,#8]; add x5,x5,#1; str x5,[x1,#8]; add x0,x0,#1; sub x6,x6,#1; cbnz x6,.-32; wfi
_LOOP = struct.pack("<10I", 0x8B00_0042, 0xCA00_0044, 0xF900_0024, 0xF940_0425, 0x9100_04A5, 0xF900_0425, 0x9100_0400, 0xD100_04C6,
                    0xB5FF_FF06, 0xD503_207F)
_LOOP_INSTRUCTIONS = 9


@cfunc(types.boolean(types.uint64, types.uint64, types.int32, types.uint64, types.uint64), cache=True)
def _identity(uc, va, access, entry, data):  # type: ignore[no-untyped-def]
    words_at(entry, 1)[0] = va
    halves_at(entry + np.uint64(8), 1)[0] = _DATA_PERMISSIONS if va >= np.uint64(_DATA_PA) else _CODE_PERMISSIONS
    return True


def _loop_instance() -> tuple[npt.NDArray[np.uint8], Uc]:
    """An instance with the loop in its RAM, which must be kept alive with it. X6 is the number of times."""
    ram = np.zeros(_RAM_BYTES, np.uint8)
    ram[: len(_LOOP)] = np.frombuffer(_LOOP, np.uint8)
    uc = Uc(UC_ARCH_ARM64, UC_MODE_ARM)
    uc.ctl_set_page_size(4096)
    uc.ctl_set_cpu_model(3)
    uc.ctl_set_tcg_buffer_size(8 << 20)
    uc.mem_map_ptr(_RAM_PA, ram.nbytes, 7, ram.ctypes.data)
    uc.ctl_exits_enabled(True)
    uc.ctl_set_tlb_mode(UC_TLB_VIRTUAL)
    handle = ctypes.c_size_t()
    library.uc_hook_add(ctypes.c_void_p(uc._uch.value), ctypes.byref(handle), ctypes.c_int(UC_HOOK_TLB_FILL),
                        ctypes.c_void_p(_identity.address), ctypes.c_void_p(0), ctypes.c_uint64(1), ctypes.c_uint64(0))
    uc.reg_write(arm64_const.UC_ARM64_REG_X0, 1)
    uc.reg_write(arm64_const.UC_ARM64_REG_X1, _DATA_PA)
    return ram, uc


def ceiling_mips(loops: int) -> float:
    """Guest instructions a microsecond of host time of the nine-instruction loop, run `loops` times."""
    _ram, uc = _loop_instance()
    uc.reg_write(arm64_const.UC_ARM64_REG_X6, loops)
    started = time.perf_counter()
    uc.emu_start(_RAM_PA, 0)
    seconds = time.perf_counter() - started
    if uc.reg_read(arm64_const.UC_ARM64_REG_X0) != loops + 1:
        raise AssertionError("the ceiling loop did not run as often as it was told to")
    return loops * _LOOP_INSTRUCTIONS / seconds / 1e6

@cfunc(types.void(types.uint64, types.uint64, types.uint32, types.uint64), cache=True)
def _count_block(uc, va, size, data):  # type: ignore[no-untyped-def]
    words = words_at(data, 2)               # cycles, limit
    if words[0] >= words[1]:
        emu_stop(uc)
    else:
        words[0] += np.uint64(size) >> np.uint64(2)


@njit(cache=True)
def _run_in_turn(handles, words, rounds):  # type: ignore[no-untyped-def]
    for _ in range(rounds):
        for k in range(handles.shape[0]):
            words[k, 1] += np.uint64(_LOOP_INSTRUCTIONS)
            emu_start(handles[k], np.uint64(_RAM_PA), np.uint64(0), np.uint64(0), np.uint64(0))


def bare_slice_ns(instances: int, slices: int) -> float:
    """Host time of running one block of the loop on each of so many bare instances in turn: what changing instances costs by itself.

    No TLB, no schedule, no event: a block hook that counts, and stop and start after every block.
    """
    rams, made = [], []
    words = np.zeros((instances, 2), np.uint64)
    for k in range(instances):
        ram, uc = _loop_instance()
        rams.append(ram)
        made.append(uc)
        handle = ctypes.c_size_t()
        library.uc_hook_add(ctypes.c_void_p(uc._uch.value), ctypes.byref(handle), ctypes.c_int(UC_HOOK_BLOCK),
                            ctypes.c_void_p(_count_block.address), ctypes.c_void_p(words[k:].ctypes.data), ctypes.c_uint64(1), ctypes.c_uint64(0))
        uc.reg_write(arm64_const.UC_ARM64_REG_X6, 1 << 60)
    handles = np.array([uc._uch.value for uc in made], np.uint64)
    rounds = max(1, slices // instances)
    _run_in_turn(handles, words, 10)
    before = sum(uc.reg_read(arm64_const.UC_ARM64_REG_X0) for uc in made)
    started = time.perf_counter()
    _run_in_turn(handles, words, rounds)
    seconds = time.perf_counter() - started
    done = sum(uc.reg_read(arm64_const.UC_ARM64_REG_X0) for uc in made) - before
    if done != rounds * instances:
        raise AssertionError(f"the bare instances ran {done} blocks, not {rounds * instances}")
    return float(seconds / done * 1e9)
