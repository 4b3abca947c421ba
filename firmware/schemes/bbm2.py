"""bbm2: a block is written straight over its table, or the table over the block, and TLBIs follow.

Idea: nothing is ever invalid. Origin: FEAT_BBM level 2. Preconditions: no PE meets both sizes before the TLBIs are complete, or none answers
that by an abort. Failure: level 2 permits a TLB conflict abort; the entry code of that abort loads from pcpu and meets it again.
The load alone hardly ever makes a PE hold both, so the kernel runs on PEs that also fill their TLBs speculatively (adversarial), and has the
pcpus late in their run: a PE whose pcpu is among the first pages has dropped it before it can meet the block. (The comparison counts
the pages in front of them as memory wasted.)
"""
from types import MappingProxyType

from firmware.schemes.scheme import Scheme

BBM2 = Scheme(
    name="bbm2",
    summary="scheme: the size changes by one store; who holds both sizes may take a conflict abort",
    idea="FEAT_BBM level 2 permits a change of size without a break, and PEs see the old or the new translation until the TLBIs",
    origin="Arm architecture, FEAT_BBM level 2 (DDI 0487); what Linux calls BBML2 and does not trust without more",
    preconditions=("every PE that shares the tables has FEAT_BBM level 2 or more", "no handler meets an overlap before the TLBIs are complete",
                   "nothing but the size changes"),
    failure_modes=("a conflict abort on pcpu recurses until the TLBIs are complete, as deep as they take",
                   "FreeBSD has no handler for the conflict abort: it panics (unhandled EL1 data abort)",
                   "contiguous runs are not formed here"),
    is_safe=False, promotes=True, number="SC-14", protects=(), ends="exited", varies=True,
    options=MappingProxyType({"PAGES_BEFORE_PCPU": 448}),
    machine=MappingProxyType({"feat_bbm": 2, "multi_hit": "abort", "adversarial": True}))
