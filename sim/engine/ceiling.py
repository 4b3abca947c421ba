"""The ceiling that benchmarks compare with: guest code in one engine instance with a plain identity fill and no other hook."""
import ctypes
import struct
import time

import numpy as np
from numba import cfunc, types
from unicorn import UC_ARCH_ARM64, UC_HOOK_TLB_FILL, UC_MODE_ARM, UC_TLB_VIRTUAL, Uc, arm64_const

from sim.engine.symbols import library
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


def ceiling_mips(loops: int) -> float:
    """Guest instructions a microsecond of host time of the nine-instruction loop, run `loops` times."""
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
    uc.reg_write(arm64_const.UC_ARM64_REG_X6, loops)
    started = time.perf_counter()
    uc.emu_start(_RAM_PA, 0)
    seconds = time.perf_counter() - started
    if uc.reg_read(arm64_const.UC_ARM64_REG_X0) != loops + 1:
        raise AssertionError("the ceiling loop did not run as often as it was told to")
    return loops * _LOOP_INSTRUCTIONS / seconds / 1e6
