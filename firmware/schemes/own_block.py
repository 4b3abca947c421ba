"""own-block: an L2 block for each pcpu, promoted while it is allocated.

Idea: a run that is full from the start is never filled by somebody else. Origin: FreeBSD review D35084. Preconditions: contiguous, aligned
memory for each PE. Failure: 2 MB a PE (32 MB with a granule of 16 KB), no block where frames or KVA are not as they should be, and whoever
changes a page of the block demotes it under its PE.
"""
from types import MappingProxyType

from firmware.schemes.scheme import Scheme

OWN_BLOCK = Scheme(
    name="own-block",
    summary="scheme: each pcpu in an L2 block of its own, promoted before its PE uses it",
    idea="pcpu is allocated as 2 MB of contiguous memory: promotion is over before the PE starts, and nothing is left to fill",
    origin="FreeBSD review D35084, which did not land",
    preconditions=("a contiguous and aligned 2 MB of frames for each PE", "aligned KVA, which FreeBSD's allocator does not promise",
                   "superpages enabled", "nobody changes attributes in a block that is in use"),
    failure_modes=("2 MB of memory a PE, nearly all of it wasted", "small or fragmented domains: no memory for a PE",
                   "without superpages, or with unaligned KVA, pages instead of a block: safe, but not what was asked for",
                   "a change of attributes or permissions of one page demotes the block under the PE that uses it"),
    is_safe=True, promotes=True, number="SC-1", protects=("pcpu",),
    options=MappingProxyType({
        "OWN_SUPERPAGES": 1,            # 0: superpages are off
        "OWN_KVA_ALIGNED": 1,           # 0: KVA is aligned to pages only, and lies behind a page that somebody else has
        "OWN_FRAGMENTED": 0,            # 1: a page of each 2 MB of frames is taken already
        "OWN_DOMAIN_STRICT": 0,         # 1: no memory of another domain than the PE's
    }))
