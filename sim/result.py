"""What a run gives back."""
from dataclasses import dataclass, field
from typing import Any

from sim.observers.verdict import Verdict
from sim.state.arrays import State
from sim.trace.log import EventLog

#: Statistics of a PE: our name -> field of the PE record.
STATISTICS = {
    "cycles": "cycles", "instructions": "instructions", "blocks": "blocks", "slices": "slices", "wait_cycles": "wait_cycles", "spin_cycles": "spin_cycles",
    "l1i_misses": "n_l1i_misses", "l1d_misses": "n_l1d_misses", "l2_lookups": "n_l2_lookups", "l2_misses": "n_l2_misses",
    "l2_evictions": "n_l2_evictions", "walks": "n_walks", "walk_reads": "n_walk_reads", "walk_cache_hits": "n_walk_cache_hits",
    "walk_cycles": "walk_cycles", "faults": "n_faults", "exceptions": "n_entries", "returns": "n_returns",
    "interrupts": "n_interrupts", "sgis_sent": "n_sgi_sent", "tlbis_issued": "n_tlbi_issued", "tlbis_received": "n_tlbi_received",
    "tlb_conflicts": "n_conflicts", "residues_used": "n_residues", "engine_fills": "n_fills", "engine_flushes": "n_soft_flushes",
    "single_steps": "n_steps", "coherence_cycles": "coherence_cycles", "line_transfers": "n_line_transfers",
    "line_invalidations": "n_invalidations", "far_atomics": "n_far_atomics", "l1_cache_misses": "n_l1_cache_misses",
    "l2_cache_misses": "n_l2_cache_misses", "memory_reads": "n_memory_reads",
    "branches": "n_branches", "mispredicts": "n_mispredicts", "mispredict_cycles": "mispredict_cycles",
    "tlb_cycles": "tlb_cycles", "entry_cycles": "entry_cycles", "return_cycles": "return_cycles", "dsb_cycles": "dsb_cycles",
    "dvm_waits": "n_dvm_waits", "dvm_wait_cycles": "dvm_wait_cycles",
}


def pe_statistics(state: State, index: int) -> dict[str, int]:
    """Counts of one PE since it was built, by the names of STATISTICS."""
    record = state.pes[index]
    return {name: int(record[field_name]) for name, field_name in STATISTICS.items()}


@dataclass(frozen=True)
class Result:
    """The end of a run of a machine.

    registers, statistics: one dictionary for each PE. console: all text since the machine was built. events: the log of it all.
    """

    verdict: Verdict
    registers: list[dict[str, int]]
    statistics: list[dict[str, int]]
    console: str
    events: EventLog
    clock_hz: int
    host_seconds: float
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def exit_status(self) -> int | None:
        """The guest's own exit status, if it gave one."""
        return self.verdict.exit_status

    @property
    def cycles(self) -> int:
        """Simulated time of the PE that is furthest ahead, in cycles."""
        return max(one["cycles"] for one in self.statistics)

    @property
    def instructions(self) -> int:
        """Instructions executed by all PEs together."""
        return sum(one["instructions"] for one in self.statistics)

    def to_json(self) -> dict[str, Any]:
        """Everything but the events, as plain values; registers in hexadecimal."""
        return {
            "verdict": {"kind": self.verdict.kind, "reason": self.verdict.reason, "pe": self.verdict.pe, "pc": self.verdict.pc,
                        "symbol": self.verdict.symbol, "exit_status": self.verdict.exit_status},
            "settings": self.settings, "clock_hz": self.clock_hz, "cycles": self.cycles, "instructions": self.instructions,
            "host_seconds": self.host_seconds, "console": self.console,
            "events": {"kept": len(self.events), "dropped": self.events.dropped, "lost": self.events.lost},
            "pes": [{"registers": {name: hex(value) for name, value in registers.items()}, "statistics": statistics}
                    for registers, statistics in zip(self.registers, self.statistics, strict=True)],
        }
