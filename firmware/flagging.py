"""The words of the kernel `flagging`: its options with their defaults, and the numbers that stand for what an option can be.

The kernel (asm/kernels/flagging.s) names them as constants of its assembly; the rows of the matrix that run it name them from here.
"""
from collections.abc import Mapping
from types import MappingProxyType

# FLAG_WHEN: when pages are flagged against promotion
FLAG_AS_ALLOCATED, FLAG_IN_A_BLOCK = 0, 1
# THEN: what is done to the first of them at the end
THEN_PROMOTE, THEN_DEMOTE, THEN_CHANGE_PROT, THEN_CHANGE_ATTR, THEN_UPDATE = range(5)
#: Where the kernel keeps what pmap_promote_l2, then pmap_promote_l3c answered, from G_SCRATCH on: 1 promoted, 0 not.
ANSWERS_OFFSET = 0

OPTIONS: Mapping[str, int] = MappingProxyType({
    "FLAG_WHEN": FLAG_AS_ALLOCATED, "THEN": THEN_PROMOTE,
    "FLAG_FIRST": 0, "FLAG_PAGES": 1,   # pages of the run
    "CONTIGUOUS_RUNS": 1,               # 0: only blocks are made
})

NUMBERS: Mapping[str, int] = MappingProxyType({
    "FLAG_AS_ALLOCATED": FLAG_AS_ALLOCATED, "THEN_DEMOTE": THEN_DEMOTE, "THEN_CHANGE_PROT": THEN_CHANGE_PROT,
    "THEN_CHANGE_ATTR": THEN_CHANGE_ATTR, "THEN_UPDATE": THEN_UPDATE, "ANSWERS_OFFSET": ANSWERS_OFFSET,
})
