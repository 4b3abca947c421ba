"""direct-map: pcpu is used by its address in the direct map, which hardly ever changes.

Idea: the mapping that is promoted is not the one that entry code uses. Origin: FreeBSD, where the thread zone's slabs were forced through the
direct map for the same reason until D37231. Preconditions: the direct map is made of blocks from the start, and what changes it later leaves
the blocks of critical objects alone. Failure: a demotion of the direct map itself, for a memory type or a permission of some page in the block,
is a window over pcpu like any other.
"""
from firmware.schemes.scheme import Scheme

DIRECT_MAP = Scheme(
    name="direct-map",
    summary="scheme: pcpu is used through the direct map, whatever becomes of kmem's mapping",
    idea="entry code reaches pcpu by the direct map's address, so that the windows of kmem's own mapping are over a translation nobody needs",
    origin="FreeBSD/arm64, as thread structures were allocated before D37231 (UMA_MD_SMALL_ALLOC)",
    preconditions=("the direct map covers the memory in blocks that stay as they are", "no build that turns direct-map allocation off (KASAN)"),
    failure_modes=("a change of memory type or permissions in the direct map demotes the block: the handlers of whose pcpu lies there recurse",
                   "what else handlers use in kmem is not covered, and is left to be retried"),
    is_safe=True, promotes=True, number="SC-11", protects=("pcpu",))
