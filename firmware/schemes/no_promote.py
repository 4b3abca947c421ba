"""no-promote: the pages of pcpu carry a software bit that keeps their run from being promoted.

Idea: no promotion, no window. Origin: FreeBSD review D35434, landed as pmap_disable_promotion. Preconditions: the pages are flagged before
the PE uses them. Failure: what is not flagged is not protected, flagging inside a block demotes it, and the run stays in pages.
"""
from firmware.schemes.scheme import Scheme

NO_PROMOTE = Scheme(
    name="no-promote",
    summary="scheme: pcpu's pages are flagged before use, and their run is never promoted",
    idea="a software bit in the descriptors of pcpu's pages keeps the run that holds them in pages, so that no window opens over it",
    origin="FreeBSD review D35434 (arm64 pmap.c, pmap_disable_promotion)",
    preconditions=("pcpu is flagged before its PE uses it", "every kind of promotion asks for the flag"),
    failure_modes=("other memory that handlers need, such as stacks, is not covered",
                   "flagging a page of a block demotes the block: a window of its own if the PE already runs",
                   "the run never becomes a block, which costs TLB reach"),
    is_safe=True, promotes=False, number="SC-9", protects=("pcpu",))
