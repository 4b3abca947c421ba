"""From a profile and the user's settings to the arrays of a machine."""
import math
from dataclasses import replace

from sim.arch.id_registers import LINE_BYTES, ccsidr_value, id_register_values
from sim.arch.instruction import COST_BARRIER_DSB
from sim.engine.policy import fill_policy
from sim.errors import UserError
from sim.hot import gic, pipeline, pl011
from sim.settings import Settings
from sim.state import dtypes
from sim.state.arrays import CacheShapes, State
from sim.timing.profile import Profile

COUNT_NUMERATOR_MOST = 1 << 16          # cycles * numerator must not overflow 64 bits in any run


def build_state(profile: Profile, settings: Settings) -> State:
    """Allocate the arrays of a machine and fill in all that is constant."""
    tlb, identity = profile.tlb, replace(profile.identity, bbm_level=settings.bbm_level(profile.identity.bbm_level))
    state = State(
        settings.pes, settings.ram_bytes, l1i=tlb.l1i.entries, l1d=tlb.l1d.entries, l2=(tlb.l2.sets, tlb.l2.ways),
        walk_cache=(tlb.walk_cache.sets, tlb.walk_cache.ways), caches=_cache_shapes(profile, settings),
        predictor_entries=profile.pipeline.predictor_entries,
    )
    _set(state, {
        "l1i_max_entry_bytes": tlb.l1i.max_entry_bytes, "l1d_max_entry_bytes": tlb.l1d.max_entry_bytes,
        "l2_max_entry_bytes": tlb.l2.max_entry_bytes, "random_replacement": int(tlb.replacement == "random"),
        "pa_bits": identity.pa_bits, "feat_bbm": identity.bbm_level, "multi_hit": settings.multi_hit_number(identity.bbm_level),
        "nt_faults": int(settings.nt_faults), "repeat_tlbi_erratum": int(settings.repeat_tlbi_erratum),
        "strict_ttl": int(settings.strict_ttl),
        "hardware_af": int(identity.hardware_update != "none"),
        "hardware_dirty": int(identity.hardware_update == "access-flag-and-dirty"),
    })
    _set_costs(state, profile)
    _set_interconnect(state, profile, settings.interleaving != "quantum")
    _set_coherence(state, profile, _coherence_mode(settings))
    _set_run(state, settings)
    identification = id_register_values(identity, 0, settings.pes, has_ttl=settings.strict_ttl)
    fill_policy(state.policy, state.id_values, identification)
    for selector in range(16):
        state.id_values[dtypes.CACHE_SIZES_INDEX + selector] = ccsidr_value(profile.caches, selector)
    gic.reset(state.handle)
    for register, value in pl011.RESET_REGISTERS.items():
        state.pl011[register] = value
    return state


def _set(state: State, values: dict[str, int]) -> None:
    for name, value in values.items():
        state.machine[0][name] = value


def _set_costs(state: State, profile: Profile) -> None:
    costs = profile.costs
    divisor = math.gcd(profile.clock_hz, profile.cntfrq_hz)
    numerator, denominator = profile.cntfrq_hz // divisor, profile.clock_hz // divisor
    if numerator > COUNT_NUMERATOR_MOST:
        raise UserError(f"profile {profile.name}: cntfrq_hz and clock_hz have too small a common divisor ({divisor}); choose rounder numbers")
    _set(state, {
        "cost_l2_hit": costs.l2_tlb_hit_cycles, "cost_walk_step": costs.walk_step_cycles, "cost_entry": costs.exception_entry_cycles,
        "cost_return": costs.exception_return_cycles, "cost_interrupt": costs.interrupt_recognition_cycles,
        "cost_wake": costs.wfi_wake_cycles, "cost_tlbi_issue": costs.tlbi_issue_cycles,
        "cost_wake_wfe": costs.wfe_wake_cycles, "cost_counter_read": costs.counter_read_cycles,
        "count_numerator": numerator, "count_denominator": denominator, "cntfrq": profile.cntfrq_hz,
    })
    for index, cycles in enumerate(profile.issue_cycles.values()):
        state.machine[0]["costs"][index] = cycles
    state.machine[0]["costs"][COST_BARRIER_DSB] += costs.dsb_completion_cycles
    for index, cycles in enumerate(profile.latency_cycles.values()):
        state.machine[0]["latencies"][index] = cycles
    shape, made = profile.pipeline, state.machine[0]["pipeline"]
    made[pipeline.IN_ORDER], made[pipeline.ISSUE_WIDTH], made[pipeline.WINDOW] = shape.in_order, shape.issue_width, shape.window_instructions
    made[pipeline.LOAD_PORTS], made[pipeline.STORE_PORTS] = shape.load_ports, shape.store_ports
    _set(state, {"cost_mispredict": shape.mispredict_cycles, "return_stack_entries": shape.return_stack_entries})


def _coherence_mode(settings: Settings) -> int:
    """MACHINE.coherence. One PE shares nothing with anybody, so only its caches could matter."""
    if not settings.has_coherence:
        return dtypes.COHERENCE_OFF
    if settings.interleaving == "instruction":
        return dtypes.COHERENCE_ALL
    return dtypes.COHERENCE_PAGES if settings.pes > 1 else dtypes.COHERENCE_OFF


def _slc_sets(profile: Profile) -> int:
    return profile.memory.slc_bytes // (profile.memory.slc_ways * LINE_BYTES)


def _cache_shapes(profile: Profile, settings: Settings) -> CacheShapes | None:
    memory, mode = profile.memory, _coherence_mode(settings)
    if mode == dtypes.COHERENCE_OFF:
        return None
    shapes = CacheShapes(store_buffer=memory.store_buffer_entries)
    if mode == dtypes.COHERENCE_PAGES:
        return shapes
    l1, l2 = profile.caches.l1d, profile.caches.l2
    return shapes._replace(
        l1=l1.sets * l1.ways, l2=l2.sets * l2.ways, l2_count=-(-settings.pes // memory.l2_pes),
        slc=max(_slc_sets(profile) * memory.slc_ways, 1), slc_count=-(-settings.pes // profile.coherence.socket_pes))


def _set_coherence(state: State, profile: Profile, mode: int) -> None:
    memory, coherence = profile.memory, profile.coherence
    l1, l2, in_cycles = profile.caches.l1d, profile.caches.l2, profile.cycles_of_ns
    _set(state, {
        "coherence": mode, "l1_cache_sets": l1.sets, "l1_cache_ways": l1.ways, "l2_cache_sets": l2.sets, "l2_cache_ways": l2.ways,
        "l2_cache_pes": memory.l2_pes, "slc_sets": _slc_sets(profile), "slc_ways": memory.slc_ways,
        "latency_l2": _beyond(memory.l2_latency_cycles, profile), "latency_slc": _beyond(memory.slc_latency_cycles, profile),
        "latency_memory": _beyond(in_cycles(memory.dram_ns), profile), "cluster_pes": coherence.cluster_pes,
        "socket_pes": coherence.socket_pes, "line_same_cluster": in_cycles(coherence.line_same_cluster_ns),
        "line_same_socket": in_cycles(coherence.line_same_socket_ns), "line_other_socket": in_cycles(coherence.line_other_socket_ns),
        "line_read": in_cycles(coherence.read_occupancy_ns), "line_invalidate": in_cycles(coherence.invalidate_ns),
        "far_atomics": int(coherence.far_atomics), "line_far_atomic": in_cycles(coherence.far_atomic_ns),
    })


def _beyond(latency_cycles: int, profile: Profile) -> int:
    """What a load waits beyond an L1 hit, which is in the cost of its class."""
    return max(latency_cycles - profile.memory.l1d_latency_cycles, 0)


def _set_interconnect(state: State, profile: Profile, queues: bool) -> None:
    """queues: whether messages wait for each other, which means something only where PEs run in the order of cycles."""
    given, cycles = profile.interconnect, profile.cycles_of_ns
    travel = {"dvm_same_cluster": cycles(given.dvm_same_cluster_ns), "dvm_same_socket": cycles(given.dvm_same_socket_ns),
              "dvm_other_socket": cycles(given.dvm_other_socket_ns)}
    delays = {"sgi_delay_near": cycles(given.sgi_near_ns), "sgi_delay_far": cycles(given.sgi_far_ns)}
    snoop = cycles(given.dvm_snoop_ns)
    _set(state, travel | delays | {
        "dvm_snoop": snoop,
        "dvm_occupancy": cycles(given.dvm_occupancy_ns) * queues, "dvm_credits": given.dvm_credits,
        "sgi_delay_self": cycles(given.sgi_self_ns), "sgi_occupancy": cycles(given.sgi_occupancy_ns) * queues,
        "sgi_per_target": cycles(given.sgi_per_target_ns),
        "lookahead_cycles": min(*(way + snoop for way in travel.values()), *delays.values()),
    })


def _set_run(state: State, settings: Settings) -> None:
    interleaving = {"block": dtypes.INTERLEAVE_BLOCK, "quantum": dtypes.INTERLEAVE_QUANTUM,
                    "instruction": dtypes.INTERLEAVE_INSTRUCTION}[settings.interleaving]
    _set(state, {
        "interleaving": interleaving, "quantum_cycles": settings.quantum_cycles or 0,
        "soft_subset_of_l1": int(settings.interleaving == "instruction"),
        "event_mask": settings.event_mask, "recursion_limit": settings.recursion_limit, "livelock_limit": settings.livelock_limit,
        "semihosting": int(settings.semihosting), "adversarial": int(settings.adversarial),
    })
    machine = state.machine[0]
    machine["ordered"] = int(machine["coherence"] == dtypes.COHERENCE_PAGES and machine["lookahead_cycles"] > 0
                             and not settings.adversarial and not settings.repeat_tlbi_erratum)
    machine["run_ahead"] = machine["ordered"] and int(settings.run_ahead)
    machine["skip_waiting"] = machine["ordered"] and int(settings.skip_waiting)
    set_seed(state, settings.seed)


def set_seed(state: State, seed: int) -> None:
    """Every number that the model draws from now on follows from `seed`, 64 bits."""
    _set(state, {"seed": seed, "random": (seed * 0x9E37_79B9_7F4A_7C15 + 0x2545_F491_4F6C_DD1D) & dtypes.NOWHERE or 1})
    for index in range(len(state.pes)):
        mixed = (seed + 1) * 0xD1B5_4A32_D192_ED03 + (index + 1) * 0x9E37_79B9_7F4A_7C15
        state.pes[index]["random"] = mixed & dtypes.NOWHERE or 1
        state.pes[index]["adversary_random"] = mixed * 0x94D0_49BB_1331_11EB & dtypes.NOWHERE or 1
        state.pes[index]["injection_random"] = mixed * 0xBF58_476D_1CE4_E5B9 & dtypes.NOWHERE or 1
