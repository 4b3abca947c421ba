"""naive: pcpu is kernel memory like any other, and may be promoted.

Idea: none; this is what the others are measured against. Origin: FreeBSD/arm64 before D35434. Preconditions: no exception on a PE while
the run that holds its pcpu is in a window. Failure: the entry of each exception loads curthread from pcpu and faults, so that one frame
after the other is stored until the stack ends; a short window is survived, as deep as it lasted.
"""
from firmware.schemes.scheme import Scheme

NAIVE = Scheme(
    name="naive",
    summary="scheme: pcpu in memory that is promoted; its PE's interrupts recurse in the window",
    idea="pcpu is allocated from kernel memory, and promotion takes no notice of it",
    origin="FreeBSD/arm64 before review D35434 (mp_machdep.c, start_cpu)",
    preconditions=("no exception arrives on a PE while the run of its pcpu is in a window",),
    failure_modes=("an exception in the window recurses, one frame a fault, until the stack is used up",
                   "where the window is shorter than the stack is deep, the recursion unwinds and only time is lost"),
    is_safe=False, promotes=True, number="SC-0", protects=())
