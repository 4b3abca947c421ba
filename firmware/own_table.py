"""The words of the kernel `own_table` (asm/kernels/own_table.s): its options with their defaults, and the numbers that stand for them."""
from collections.abc import Mapping
from types import MappingProxyType

# DEMOTED: which mapping of the direct map holds the table of its own descriptor
DEMOTED_BLOCK, DEMOTED_RUN = 0, 1
# RETRY: who answers the fault of PE 0's own store
RETRY_NONE, RETRY_DIRECT_MAP, RETRY_IDENTITY = range(3)

OPTIONS: Mapping[str, int] = MappingProxyType({
    "DEMOTED": DEMOTED_BLOCK,
    "TEMPORARY_MAPPING": 1,             # 0: the descriptor is changed where the direct map shows it
    "RETRY": RETRY_DIRECT_MAP,          # the handler walks the tables through the direct map, as FreeBSD's does, or the identity map
})

NUMBERS: Mapping[str, int] = MappingProxyType({
    "DEMOTED_RUN": DEMOTED_RUN, "RETRY_NONE": RETRY_NONE, "RETRY_IDENTITY": RETRY_IDENTITY,
})
