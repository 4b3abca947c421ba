"""The words of the kernel `parking`: its options with their defaults, and the numbers that stand for what an option can be.

The kernel (asm/kernels/parking.s) names them as constants of its assembly; the rows of the matrix that run it name them from here.
"""
from collections.abc import Mapping
from types import MappingProxyType

from firmware.schemes.rendezvous_park import PARK_OPTIONS

# HOW: where the other PEs are parked: in the action of a rendezvous, there on the identity map, in a vector of its own
HOW_RENDEZVOUS, HOW_IDMAP, HOW_VECTOR = range(3)
# RANGE: what the descriptor maps that PE 0 breaks and makes: a page of nobody's, all pcpus, the page of globals, PE 0's stack, the page
# with the words of parking, everything of everybody (pcpus, globals, threads and stacks), or the vectors of the other PEs
RANGE_NOBODY, RANGE_PCPU, RANGE_GLOBALS, RANGE_STACK, RANGE_FLAGS, RANGE_KERNEL, RANGE_VECTORS = range(7)
# TOUCH: what PE 0 touches between break and make
TOUCH_NOTHING, TOUCH_STACK, TOUCH_GLOBALS = range(3)
# VICTIM: what the last PE does: it takes part, it masks interrupts for ever, it waits for the pmap lock with interrupts masked while PE 0
# holds it, or it holds that lock for ever
VICTIM_NONE, VICTIM_MASKED, VICTIM_WAITS, VICTIM_HOLDS = range(4)

OPTIONS: Mapping[str, int] = MappingProxyType({
    **PARK_OPTIONS, "HOW": HOW_RENDEZVOUS, "RANGE": RANGE_NOBODY, "TOUCH": TOUCH_NOTHING, "VICTIM": VICTIM_NONE,
    "RETRY": 1,                         # 0: nothing answers a fault of the kernel itself
    "TICKS_PER_SECOND": 400_000,        # timer interrupts of each PE but PE 0; 0 none
    "DELAY_TURNS": 4000,                # a delay before each change is seeded and shorter than that
})

NUMBERS: Mapping[str, int] = MappingProxyType({
    "HOW_RENDEZVOUS": HOW_RENDEZVOUS, "HOW_IDMAP": HOW_IDMAP, "HOW_VECTOR": HOW_VECTOR,
    "RANGE_NOBODY": RANGE_NOBODY, "RANGE_PCPU": RANGE_PCPU, "RANGE_GLOBALS": RANGE_GLOBALS,
    "RANGE_STACK": RANGE_STACK, "RANGE_FLAGS": RANGE_FLAGS, "RANGE_KERNEL": RANGE_KERNEL, "RANGE_VECTORS": RANGE_VECTORS,
    "TOUCH_NOTHING": TOUCH_NOTHING, "TOUCH_STACK": TOUCH_STACK, "TOUCH_GLOBALS": TOUCH_GLOBALS, "VICTIM_NONE": VICTIM_NONE,
    "VICTIM_WAITS": VICTIM_WAITS, "VICTIM_HOLDS": VICTIM_HOLDS,
})
