"""Quiesce: a cycle-approximate multicore AArch64 simulator. The public object is `sim.machine.Machine`.

Importing this package settles where numba keeps compiled code, before numba is imported: see `sim.compiled_cache`.
"""
from sim.compiled_cache import settle_cache_directory

settle_cache_directory()
