"""fault-retry: an access that faults in a window is made again until the window has closed.

Idea: a window clears the valid bit only, so a handler that finds the rest of the descriptor knows that the address is mapped. Origin: FreeBSD
review D37231. Preconditions: nothing that the handler itself touches is ever in a window: stack and pcpu. The thread may be, since the
handler leaves it alone. Failure: where one of them is, the handler faults as the interrupted code did, which is the recursion of naive.
"""
from firmware.schemes.scheme import Scheme

FAULT_RETRY = Scheme(
    name="fault-retry",
    summary="scheme: data in memory that is promoted; its faults in the window are retried",
    idea="a translation fault on an address whose descriptor lacks nothing but the valid bit is answered by making the access again",
    origin="FreeBSD review D37231 (arm64 trap.c, data_abort; pmap.c, pmap_klookup)",
    preconditions=("a window clears the valid bit and leaves the rest of the descriptor",
                   "stack, pcpu, text and translation tables, as the handler uses them, are never in a window",
                   "the handler takes no lock of the pmap and leaves interrupts masked"),
    failure_modes=("with pcpu or stack in the window the handler recurses",
                   "where the descriptor is zeroed in the window the handler takes the address for unmapped",
                   "a PE that waits for the window makes no progress: it faults until the make"),
    is_safe=True, promotes=True, number="SC-10", protects=("thread", "data"))
