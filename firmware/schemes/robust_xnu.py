"""robust-xnu: xnu's entry code, which takes synchronous exceptions of the kernel on a stack of their own and checks SP before using it.

Idea: what cannot be prevented is at least said. Origin: xnu's locore.s. It ends as "panic": the check of the stack reads its bounds from pcpu,
so with pcpu in the window the check faults, its handler checks too and faults again, in place, until the make; then the kernel says that an
exception came while the exception stack was in use, and exits with EXIT_PANIC. No PE runs a thread at EL0 (LOAD_THREADS 0).
"""
from types import MappingProxyType

from firmware.schemes.scheme import Scheme

ROBUST_XNU = Scheme(
    name="robust-xnu",
    summary="scheme: xnu's exception stack and checks of SP; the recursion ends in a panic",
    idea="the kernel runs on SP_EL0, its synchronous exceptions begin on SP_EL1, and SP_EL0 is held against its bounds before it is used",
    origin="xnu osfmk/arm64/locore.s: el1_sp0_synchronous_vector_long, check_exception_stack, fleh_invalid_stack",
    preconditions=("the bounds of both stacks, which are in pcpu, can be read", "the exception stack is never in a window"),
    failure_modes=("nothing is prevented: a fault on pcpu is a panic after the make, whatever it interrupted",
                   "while pcpu is in the window the check recurses into itself, in place",
                   "an exception stack that is out of bounds is waited on for ever, on purpose"),
    is_safe=False, promotes=True, number="SC-18", protects=(), ends="panic", options=MappingProxyType({"LOAD_THREADS": 0}))
