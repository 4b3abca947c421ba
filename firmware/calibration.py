"""The kernels that measure: the numbers they share with whoever reads their results, and their options with their defaults.

Each keeps its result in the globals: so many cycles (PMCCNTR_EL0) for so many of what it counts.
"""
from collections.abc import Mapping
from types import MappingProxyType

from firmware.layout import KERNEL_VA
from sim.arch.memory_map import RAM_PA

#: From GLOBALS_VA on, in lines of their own: the word that is passed to and fro; then what was measured.
NUMBERS: Mapping[str, int] = MappingProxyType({"G_TURN": 512, "G_MEASURED_CYCLES": 640, "G_MEASURED_COUNT": 648, "CALLS_UNROLLED": 8,
                                               "CHASE_UNROLLED": 16})

CHASE_TABLES_PA = RAM_PA + (24 << 20)                   # an L2 table, then L3 tables
CHASE_PA = RAM_PA + (32 << 20)                          # the lines
CHASE_L1_INDEX = 12                                     # a descriptor of TTBR1's first table that nothing else uses

CHASE_OPTIONS: Mapping[str, int] = MappingProxyType({
    **NUMBERS,
    "CHASE_TABLES_PA": CHASE_TABLES_PA, "CHASE_PA": CHASE_PA,
    "CHASE_L1_INDEX": CHASE_L1_INDEX, "CHASE_PAGED_VA": KERNEL_VA + (CHASE_L1_INDEX << 30),
    "CHASE_LINES": 16,                  # lines of the ring, each holds the address of the next
    "CHASE_STRIDE_BYTES": 64,           # from each to the next, a multiple of 8
    "CHASE_LOADS": 4096,                # that are measured, a multiple of CHASE_UNROLLED
    "CHASE_PAGED": 0,                   # 0: through the identity map's blocks of 2 MB; 1: through pages of 4 KB
})
LINE_OPTIONS: Mapping[str, int] = MappingProxyType({**NUMBERS, "WARMUP_TURNS": 20})
SVC_OPTIONS: Mapping[str, int] = NUMBERS
