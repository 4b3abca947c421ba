"""Powering a PE on: the reset state of EL1 in AArch64, as firmware hands it over. DDI 0487, D1.9 (reset), DEN 0022 CPU_ON."""
import ctypes

from sim.arch.register_keys import REGISTER_KEYS, key_encoding
from sim.engine.instance import Instance
from sim.hot import gic, timer
from sim.state import dtypes
from sim.state.arrays import State

PSTATE_RESET = 0x3C5                    # EL1h, DAIF masked
SCTLR_RESET = 0x00C5_0838               # as Cortex-A57 and A72 come up (TRM): MMU, caches and alignment checks off, SA, SA0, nTWI, nTWE
_ENGINE_PSTATE = 265
_ZEROED = ("TCR_EL1", "TTBR0_EL1", "TTBR1_EL1", "MAIR_EL1", "VBAR_EL1", "CNTKCTL_EL1", "MDSCR_EL1", "CPACR_EL1")
_FIELDS = {"TCR_EL1": "tcr", "TTBR0_EL1": "ttbr0", "TTBR1_EL1": "ttbr1", "MAIR_EL1": "mair", "VBAR_EL1": "vbar",
           "CNTKCTL_EL1": "cntkctl", "MDSCR_EL1": "mdscr", "CPACR_EL1": "cpacr"}


def power_on(state: State, instance: Instance, index: int, entry_pa: int, x0: int, at_cycle: int) -> None:
    """Reset PE `index` and let it start at `entry_pa` with x0 at a cycle. TLBs come up empty."""
    pe = state.pes[index]
    registers = instance.registers()
    for number in range(32):
        registers[number] = 0
    registers[0], registers[32] = x0 & dtypes.NOWHERE, entry_pa
    instance.write(_ENGINE_PSTATE, PSTATE_RESET)
    for name in _ZEROED:
        instance.write_system(*key_encoding(REGISTER_KEYS[name]), 0)
        pe[_FIELDS[name]] = 0
    instance.write_system(*key_encoding(REGISTER_KEYS["SCTLR_EL1"]), SCTLR_RESET)
    pe["sctlr"], pe["fp_trapped"], pe["align_check"] = SCTLR_RESET, 2, 1
    for array in (state.l1i, state.l1d, state.l2, state.walk_cache):
        array[index] = 0
    pe["tlbi_count"], pe["tlbi_due_cycles"], pe["tlbi_outstanding"] = 0, dtypes.NOWHERE, 0
    pe["l1i_used"], pe["l1d_used"], pe["unusual"] = 0, 0, 0
    pe["soft_flush"], pe["code_va"], pe["previous_flags"] = 1, dtypes.NOWHERE, 0
    pe["own_tlbi_count"], pe["stale_code_count"] = 0, 0
    pe["share_due_cycles"], pe["hold_cycles"], pe["held"] = dtypes.NOWHERE, 0, 0
    pe["spin_va"], pe["spin_rounds"], pe["probing"] = dtypes.NOWHERE, 0, 0
    pe["event_register"], pe["reserved_pa"], pe["nested_entries"], pe["same_entries"] = 0, dtypes.NOWHERE, 0, 0
    pe["irq_waiting"], pe["repeatable"], pe["saved_spsr"], pe["wake_cycles"] = 0, 0, 0, dtypes.NOWHERE
    ctypes.c_uint64.from_address(instance.exclusive_address).value = dtypes.NOWHERE
    pe["status"], pe["pc"] = dtypes.STATUS_RUNNING, entry_pa
    pe["cycles"] = max(int(pe["cycles"]), at_cycle)
    gic.reset_cpu_interface(state.handle, index)
    timer.reset_timers(state.handle, index)
