"""robust-linux: Linux's entry code, which finds a stack overflow by one bit of SP before it stores anything.

Idea: what cannot be prevented is at least said. Origin: Linux arm64, kernel_ventry. It ends as "panic": the kernel says that the stack is
used up and exits with EXIT_PANIC, on an overflow stack. Linux has it in per-CPU memory, which is never in a window there. Here pcpu is what
the window is about, so the overflow stack lies below the stack's guard; OVERFLOW_BELOW_STACK 0 puts it where Linux has it, behind pcpu, and
a PE then comes to its panic by luck, or to none. Failure: the window's damage is done.
"""
from types import MappingProxyType

from firmware.schemes.scheme import Scheme

ROBUST_LINUX = Scheme(
    name="robust-linux",
    summary="scheme: Linux's overflow bit and overflow stack; the recursion ends in a panic",
    idea="SP is moved before anything is stored and one bit of it tells an overflow, whose handler has a stack of its own",
    origin="Linux arm64 entry.S, kernel_ventry and __bad_stack; traps.c, panic_bad_stack",
    preconditions=("stacks are aligned to twice their size", "the overflow stack is never in a window"),
    failure_modes=("nothing is prevented: a recursion that uses up the stack is a panic",
                   "an overflow stack in the window is no better than the stack that overflowed",
                   "a stack page that is mapped again halfway leaves a PE that returns into its vector for ever"),
    is_safe=False, promotes=True, number="SC-18", protects=(), ends="panic",
    options=MappingProxyType({"OVERFLOW_BELOW_STACK": 1}))
