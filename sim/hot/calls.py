"""The C functions of the engine that compiled code calls, by name.

Compiled, each is an external symbol that `sim.engine.symbols` gives an address to before anything is linked; so compiled code can
be cached (numba refuses to cache raw pointers). Uncompiled, the same names are looked up in `BOUND`, which the engine fills in.
All handles and pointers are plain 64-bit addresses. Every function returns the engine's error number, 0 = fine.
"""
from collections.abc import Callable
from typing import Any

from numba import config, types
from numba.core.types import ExternalFunction

BOUND: dict[str, Callable[..., Any]] = {}

_u64, _i32, _u32 = types.uint64, types.int32, types.uint32
SIGNATURES = {
    "uc_emu_start": _i32(_u64, _u64, _u64, _u64, _u64),     # instance, begin PC, until, timeout, count
    "uc_emu_stop": _i32(_u64),
    "uc_reg_read": _i32(_u64, _i32, _u64),                  # instance, register, address of the value
    "uc_reg_write": _i32(_u64, _i32, _u64),
    "uc_ctl": _i32(_u64, _u32),
    "uc_context_save": _i32(_u64, _u64),
    "uc_context_restore": _i32(_u64, _u64),
}


def _declare(name: str) -> Any:
    if not config.DISABLE_JIT:
        return ExternalFunction(name, SIGNATURES[name])
    return lambda *arguments: BOUND[name](*(int(argument) for argument in arguments))


emu_start = _declare("uc_emu_start")
emu_stop = _declare("uc_emu_stop")
reg_read = _declare("uc_reg_read")
reg_write = _declare("uc_reg_write")
uc_ctl = _declare("uc_ctl")
context_save = _declare("uc_context_save")
context_restore = _declare("uc_context_restore")
