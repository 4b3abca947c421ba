"""The callbacks that Unicorn calls, made of the hot functions in one place.

Compiled they are numba cfuncs; uncompiled (NUMBA_DISABLE_JIT=1) they are ctypes functions around the same hot functions. All
pointers are plain 64-bit addresses; the user data of every callback is the address of the PE record.
"""
import ctypes
import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numba import cfunc, config, types

import sim.engine.symbols  # noqa: F401  (binds the C functions that the hot functions call)
from sim.arch.memory_map import GICD_PA, GICR_HIGH_PA
from sim.hot.block import on_block
from sim.hot.loop import on_interrupt
from sim.hot.observe import device_read, device_write, fill, window_read, window_write
from sim.hot.system_operations import on_sys
from sim.hot.system_registers import on_mrs, on_msr

_u64, _u32, _i32, _void, _bool = types.uint64, types.uint32, types.int32, types.void, types.boolean
_C: dict[Any, Any] = {_u64: ctypes.c_uint64, _u32: ctypes.c_uint32, _i32: ctypes.c_int32, _void: None, _bool: ctypes.c_bool}
_LOW_PA, _HIGH_PA = np.uint64(GICD_PA), np.uint64(GICR_HIGH_PA)
LOW_DEVICES_PA, LOW_DEVICES_BYTES = GICD_PA, 0x0200_0000


class Callback(NamedTuple):
    """A C function: its address, and the object that keeps it alive."""

    address: int
    owner: Any


def _make(signature: Any, function: Callable[..., Any]) -> Callback:
    if not config.DISABLE_JIT:
        # The Python function under an @njit one is compiled into the callback itself: one call less for every block and fill.
        compiled = cfunc(signature, cache=True)(getattr(function, "py_func", function))
        return Callback(int(compiled.address or 0), compiled)
    prototype = ctypes.CFUNCTYPE(_C[signature.return_type], *(_C[argument] for argument in signature.args))
    owner = prototype(_as_numpy(signature, function))
    return Callback(ctypes.cast(owner, ctypes.c_void_p).value or 0, owner)


def _as_numpy(signature: Any, function: Callable[..., Any]) -> Callable[..., Any]:
    """Arguments as the numpy scalars that compiled code would have."""
    scalar = {_u64: np.uint64, _u32: np.uint32, _i32: np.int32}

    def call(*arguments: int) -> Any:
        with np.errstate(over="ignore"):
            result = function(*(scalar[kind](value) for kind, value in zip(signature.args, arguments, strict=True)))
        return None if result is None else int(result)

    return call


def _low_device_read(uc, offset, size, data):  # type: ignore[no-untyped-def]
    return device_read(uc, offset + _LOW_PA, size, data)


def _low_device_write(uc, offset, size, value, data):  # type: ignore[no-untyped-def]
    device_write(uc, offset + _LOW_PA, size, value, data)


def _high_device_read(uc, offset, size, data):  # type: ignore[no-untyped-def]
    return device_read(uc, offset + _HIGH_PA, size, data)


def _high_device_write(uc, offset, size, value, data):  # type: ignore[no-untyped-def]
    device_write(uc, offset + _HIGH_PA, size, value, data)


_READ, _WRITE = _u64(_u64, _u64, _u32, _u64), _void(_u64, _u64, _u32, _u64, _u64)
_SYSTEM = _u32(_u64, _i32, _u64, _u64)
_ALL: dict[str, tuple[Any, Callable[..., Any]]] = {
    "block": (_void(_u64, _u64, _u32, _u64), on_block),
    "fill": (_bool(_u64, _u64, _i32, _u64, _u64), fill),
    "interrupt": (_void(_u64, _u32, _u64), on_interrupt),
    "mrs": (_SYSTEM, on_mrs),
    "msr": (_SYSTEM, on_msr),
    "sys": (_SYSTEM, on_sys),
    "window_read": (_READ, window_read),
    "window_write": (_WRITE, window_write),
    "low_device_read": (_READ, _low_device_read),
    "low_device_write": (_WRITE, _low_device_write),
    "high_device_read": (_READ, _high_device_read),
    "high_device_write": (_WRITE, _high_device_write),
}
NAMES = tuple(_ALL)


@functools.cache
def callback(name: str) -> Callback:
    """The C function of one of NAMES; compiled at the first call, or taken from the cache."""
    return _make(*_ALL[name])
