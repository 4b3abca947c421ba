"""curthread-register: the current thread is held in SP_EL0 while the PE is at EL1, so that entry code loads nothing from pcpu.

Idea: what the entry does not touch cannot make it recurse; pcpu is then data whose faults are retried. Origin: Linux holds its current thread
so; as an answer to this problem it is our own derivation. Preconditions: those of fault-retry, but for pcpu. Failure: a stack in the window.
"""
from firmware.schemes.scheme import Scheme

CURTHREAD_REGISTER = Scheme(
    name="curthread-register",
    summary="scheme: the current thread in a register; pcpu's faults in the window are retried too",
    idea="entry from EL1 finds the current thread in SP_EL0 instead of loading it from pcpu, so that a fault on pcpu reaches its handler",
    origin="derived from Linux arm64, which holds the current task in SP_EL0; retry as in FreeBSD review D37231",
    preconditions=("a window clears the valid bit and leaves the rest of the descriptor",
                   "stack, text and translation tables, as the handler uses them, are never in a window",
                   "the handler of faults uses neither pcpu nor the thread, takes no lock of the pmap and leaves interrupts masked"),
    failure_modes=("with the stack in the window the handler recurses",
                   "a PE that waits for the window makes no progress: it faults until the make",
                   "the register is the thread's own SP at EL0: every entry from EL0 must save it and load another"),
    is_safe=True, promotes=True, number="SC-19", protects=("pcpu", "thread", "data"))
