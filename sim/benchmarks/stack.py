"""A CPI-style stack: into which of these the cycles of the PEs went, from what the machine counts of each PE.

A component is the sum of fields of the PE record (cycles), or, where the machine counts occurrences only, the count times its cost in the
profile. What is left after all of them is the issue of instructions. A machine that counts a cause of its own beside issue has a field for it
by the name in COMPONENTS; where it has none, that cause is part of the issue, and `unseen` says so.
"""
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sim.errors import SimulatorError
from sim.state.dtypes import STATUS_WFE, STATUS_WFI

ISSUE = "issue"
CYCLES, WAITED = "cycles", "wait_cycles"
#: Component -> fields of the PE record that count its cycles, all of those that there are added up.
COMPONENTS: Mapping[str, tuple[str, ...]] = {
    "TLB misses": ("tlb_cycles",), "coherence": ("coherence_cycles",), "mispredicted": ("mispredict_cycles",), "entry": ("entry_cycles",),
    "return": ("return_cycles",), "barrier wait": ("dsb_cycles",), "spinning": ("spin_cycles",), "WFI and WFE": (WAITED,),
    "waking": ("wake_cost_cycles",),
}
#: Where there is no such field: (count in the PE record, cost in the machine record) whose products add up to it, and fields of cycles.
_COUNTED: Mapping[str, tuple[tuple[str, str], ...]] = {
    "TLB misses": (("n_l2_lookups", "cost_l2_hit"),), "entry": (("n_entries", "cost_entry"), ("n_interrupts", "cost_interrupt")),
    "return": (("n_returns", "cost_return"),),
}
_BESIDE: Mapping[str, tuple[str, ...]] = {"TLB misses": ("walk_cycles",)}
Record = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Stack:
    """Cycles of each component, added up over PEs; they add up to total_cycles. unseen: components that the machine does not tell from issue."""

    total_cycles: int
    components: Mapping[str, int]
    instructions: int
    unseen: tuple[str, ...]

    def __post_init__(self) -> None:
        if sum(self.components.values()) != self.total_cycles or min(self.components.values()) < 0:
            raise SimulatorError(f"a stack of {dict(self.components)} does not add up to {self.total_cycles} cycles")

    def share(self, component: str) -> float:
        """Its part of all cycles, 0 to 1."""
        return self.components[component] / self.total_cycles if self.total_cycles else 0.0

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"cycles": self.total_cycles, "instructions": self.instructions, "components": dict(self.components), "within_issue": list(self.unseen)}


@dataclass(frozen=True, slots=True)
class Counters:
    """What the stack needs of a machine at one moment, of each PE. pes, machine: copies of the two records."""

    pes: Record
    machine: Record

    @classmethod
    def of(cls, pes: Record, machine: Record, now_cycles: int = 0) -> "Counters":
        """Copy what is there now. pes: (n,) of dtype PE; machine: one record of dtype MACHINE.

        The clock of a PE that waits stands still until it wakes: until now_cycles it has waited, which is added here.
        """
        copied = pes.copy()
        waits = np.isin(copied["status"], (STATUS_WFI, STATUS_WFE))
        waited = np.maximum(np.int64(now_cycles) - copied[CYCLES].astype(np.int64), 0).astype(np.uint64) * waits
        copied[CYCLES] += waited
        copied[WAITED] += waited
        return cls(copied, machine.copy())


def stack(before: Counters, after: Counters, members: Sequence[int], from_events: Mapping[str, int] | None = None) -> Stack:
    """What these PEs did between two moments. from_events: cycles of a component that no field counts, as the event log tells them.

    Raises SimulatorError if the components do not add up.
    """
    chosen = np.array(members, np.int64)

    def grown(name: str) -> int:
        return int((after.pes[name][chosen].astype(np.int64) - before.pes[name][chosen].astype(np.int64)).sum())

    names = after.pes.dtype.names or ()
    total, components, unseen = grown(CYCLES), {}, []
    for component, fields in COMPONENTS.items():
        there = [name for name in fields if name in names]
        if there:
            components[component] = sum(grown(name) for name in there)
        elif component in _COUNTED:
            components[component] = sum(grown(count) * int(after.machine[cost]) for count, cost in _COUNTED[component])
            components[component] += sum(grown(name) for name in _BESIDE.get(component, ()))
        elif component in (from_events or {}):
            components[component] = (from_events or {})[component]
        else:
            unseen.append(component)
    return Stack(total, {ISSUE: total - sum(components.values()), **components}, grown("instructions"), tuple(unseen))
