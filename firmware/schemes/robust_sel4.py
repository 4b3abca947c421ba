"""robust-sel4: seL4's entry code, for which a synchronous exception of the kernel is the end.

Idea: a kernel that never faults by design needs no handler for its own faults, only one that cannot fault. Origin: seL4's traps.S. It ends as
"panic": the first fault in a window is reported, by registers and the console alone, and the kernel exits with EXIT_PANIC. Failure: windows
that other schemes survive, such as that of a demotion, are fatal too.
"""
from firmware.schemes.scheme import Scheme

ROBUST_SEL4 = Scheme(
    name="robust-sel4",
    summary="scheme: seL4's reload of SP by value; the first fault is reported and the last",
    idea="the handler of the kernel's own faults makes SP of a register's value and loads and stores nothing before it has reported",
    origin="seL4 src/arch/arm/64/traps.S, cur_el_sync",
    preconditions=("the console is mapped", "the kernel needs no fault of its own to go on"),
    failure_modes=("nothing is prevented, and nothing is retried: every access in a window is fatal",),
    is_safe=False, promotes=True, number="SC-18", protects=(), ends="panic")
