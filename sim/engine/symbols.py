"""The engine's C functions, given to compiled code by name and to uncompiled code as ctypes functions.

Import this before any function that calls them is compiled or loaded from the cache.
"""
import ctypes

import llvmlite.binding as llvm
from unicorn.unicorn_py3 import unicorn as binding

from sim.hot.calls import BOUND, SIGNATURES

library = binding.uclib
_C_TYPES = {"uint64": ctypes.c_uint64, "int32": ctypes.c_int32, "uint32": ctypes.c_uint32}


def _bind() -> None:
    for name, signature in SIGNATURES.items():
        function = getattr(library, name)
        llvm.add_symbol(name, ctypes.cast(function, ctypes.c_void_p).value)
        # A pointer of its own: the binding has set other argument types on the shared function object.
        prototype = ctypes.CFUNCTYPE(ctypes.c_int32, *(_C_TYPES[str(argument)] for argument in signature.args))
        BOUND[name] = prototype(ctypes.cast(function, ctypes.c_void_p).value or 0)


_bind()
