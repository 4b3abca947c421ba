"""A machine with a GIC, and what software does with it, by address and register name."""
from typing import Any

import numpy as np

from sim.arch.memory_map import GICD_PA, GICR_BYTES_PER_PE, GICR_PA
from sim.hot import gic, schedule
from sim.hot import gic_cpu_interface as icc
from sim.hot import gic_distributor as mmio
from sim.state.arrays import State

u64 = np.uint64
SELF, NEAR, FAR = 7, 20, 90
NUMERATOR, DENOMINATOR = 2, 7
PES = 18                                # two values of Aff1


def machine(pes: int = PES) -> State:
    """A machine just out of reset."""
    state = State(pes, 1 << 16, l1i=1, l1d=1, l2=(1, 1), walk_cache=(1, 1), ring_entries=1 << 13)
    values = {"count_numerator": NUMERATOR, "count_denominator": DENOMINATOR, "random": 1, "event_mask": (1 << 64) - 1, "cntfrq": 1000,
              "sgi_delay_self": SELF, "sgi_delay_near": NEAR, "sgi_delay_far": FAR}
    for name, value in values.items():
        state.machine[0][name] = value
    gic.reset(state.handle)
    schedule.rebuild(state.handle)
    return state


class Guest:
    """What software does, by address and register name."""

    def __init__(self, state: State) -> None:
        self.state, self.m = state, state.handle

    def store(self, pa: int, value: int, size: int = 4, pe: int = 0) -> None:
        mmio.mmio_write(self.m, u64(pe), u64(pa), u64(size), u64(value))

    def load(self, pa: int, size: int = 4, pe: int = 0) -> int:
        return int(mmio.mmio_read(self.m, u64(pe), u64(pa), u64(size)))

    def msr(self, pe: int, key: Any, value: int) -> None:
        icc.icc_write(self.m, u64(pe), key, u64(value))

    def mrs(self, pe: int, key: Any) -> int:
        return int(icc.icc_read(self.m, u64(pe), key))

    def signalled(self, pe: int) -> int:
        return int(gic.signalled(self.m, u64(pe), self.state.pes[pe]["cycles"]))

    def bit_register(self, pe: int, intid: int, offset: int) -> tuple[int, int]:
        """PA and bit of an INTID in a bank of one bit for each INTID."""
        if intid < 32:
            return GICR_PA + pe * GICR_BYTES_PER_PE + 0x1_0000 + offset, 1 << intid
        return GICD_PA + offset + intid // 32 * 4, 1 << intid % 32

    def set_bit(self, pe: int, intid: int, offset: int) -> None:
        pa, bit = self.bit_register(pe, intid, offset)
        self.store(pa, bit)

    def set_group(self, pe: int, intid: int, group: int) -> None:
        pa, bit = self.bit_register(pe, intid, 0x80)
        self.store(pa, (self.load(pa) & ~bit) | bit * group)

    def set_priority(self, pe: int, intid: int, priority: int) -> None:
        base = GICD_PA if intid >= 32 else GICR_PA + pe * GICR_BYTES_PER_PE + 0x1_0000
        self.store(base + 0x400 + intid, priority, 1)

    def start(self, pe: int, group: int = 1) -> None:
        """Everything enabled for a PE: both groups, all private interrupts in one group, no priority mask."""
        self.store(GICD_PA, 3)
        for intid in range(32):
            self.set_group(pe, intid, group)
        self.store(self.bit_register(pe, 0, 0x100)[0], 0xFFFF_FFFF)
        self.msr(pe, icc.PMR, 0xFF)
        self.msr(pe, icc.IGRPEN0, 1)
        self.msr(pe, icc.IGRPEN1, 1)

    def advance(self, pe: int, cycles: int) -> None:
        self.state.pes[pe]["cycles"] += u64(cycles)
