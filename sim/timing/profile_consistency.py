"""What no single key of a profile can say: geometries that can be built, and figures that fit each other."""
from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING

from sim.arch.id_registers import LINE_BYTES

if TYPE_CHECKING:
    from sim.timing.profile import Profile

Complaint = tuple[str, str]             # the key to change, and what is wrong


def complaints(profile: "Profile") -> Iterator[Complaint]:
    """Everything that contradicts itself, or the order in which a machine is built: what lies further away takes longer and holds more."""
    yield from _tlb_geometry(profile)
    yield from _cache_geometry(profile)
    yield from _rising(profile)
    yield from _groups(profile)
    yield from _pipeline(profile)


def _tlb_geometry(profile: "Profile") -> Iterator[Complaint]:
    """Sets must be a power of two, L1 TLBs fully associative and no larger than L2."""
    tlb = profile.tlb
    for name, geometry in (("l1i", tlb.l1i), ("l1d", tlb.l1d), ("l2", tlb.l2), ("walk_cache", tlb.walk_cache)):
        key = f"tlb.{name}.entries"
        if geometry.entries % geometry.ways or not _is_power_of_two(geometry.sets):
            yield key, f"{key} must be tlb.{name}.ways times a power of two, not {geometry.entries}"
    for name, reach in (("l1i", tlb.l1i), ("l1d", tlb.l1d), ("l2", tlb.l2)):
        key = f"tlb.{name}.max_entry_bytes"
        if not _is_power_of_two(reach.max_entry_bytes):
            yield key, f"{key} must be a power of two, not {reach.max_entry_bytes}"
    for name, first in (("l1i", tlb.l1i), ("l1d", tlb.l1d)):
        if first.sets != 1:
            yield f"tlb.{name}.ways", f"tlb.{name}.ways must equal tlb.{name}.entries: level 1 TLBs are fully associative"
        if first.entries > tlb.l2.entries:
            yield f"tlb.{name}.entries", f"tlb.{name}.entries must be at most tlb.l2.entries, {tlb.l2.entries}, not {first.entries}"


def _cache_geometry(profile: "Profile") -> Iterator[Complaint]:
    """Caches are made of whole sets, a power of two of them."""
    caches, memory = profile.caches, profile.memory
    for name, cache in (("l1i", caches.l1i), ("l1d", caches.l1d), ("l2", caches.l2)):
        key = f"caches.{name}.size_bytes"
        if not _is_whole(cache.size_bytes, cache.ways):
            yield key, f"{key} must be its ways times {LINE_BYTES} times a power of two, not {cache.size_bytes}"
    if memory.slc_bytes and not _is_whole(memory.slc_bytes, memory.slc_ways):
        yield "memory.slc_bytes", f"memory.slc_bytes must be its ways times {LINE_BYTES} times a power of two, not {memory.slc_bytes}"
    if caches.l1d.size_bytes > caches.l2.size_bytes:
        yield "caches.l2.size_bytes", f"caches.l2.size_bytes must be at least caches.l1d.size_bytes, {caches.l1d.size_bytes}"


def _rising(profile: "Profile") -> Iterator[Complaint]:
    """What lies further away takes longer."""
    memory, coherence, interconnect = profile.memory, profile.coherence, profile.interconnect
    clock = f" ({profile.cycles_of_ns(memory.dram_ns)} cycles)"
    latencies = [("memory.l1d_latency_cycles", memory.l1d_latency_cycles, ""), ("memory.l2_latency_cycles", memory.l2_latency_cycles, "")]
    if memory.slc_bytes:
        latencies.append(("memory.slc_latency_cycles", memory.slc_latency_cycles, ""))
    latencies.append(("memory.dram_ns", profile.cycles_of_ns(memory.dram_ns), clock))
    for (near, near_cycles, _), (far, far_cycles, text) in pairwise(latencies):
        if near_cycles >= far_cycles:
            given = memory.dram_ns if text else far_cycles
            yield far, f"{far} must be longer than {near}, {near_cycles} cycles, not {given}{text}"
    lines = ("line_same_cluster_ns", "line_same_socket_ns", "line_other_socket_ns")
    sgis = ("sgi_self_ns", "sgi_near_ns", "sgi_far_ns")
    messages = ("dvm_same_cluster_ns", "dvm_same_socket_ns", "dvm_other_socket_ns")
    for table, holder, names in (("coherence", coherence, lines), ("interconnect", interconnect, messages), ("interconnect", interconnect, sgis)):
        for near, far in pairwise(names):
            near_ns, far_ns = getattr(holder, near), getattr(holder, far)
            if near_ns > far_ns:
                yield f"{table}.{far}", f"{table}.{far} must be at least {table}.{near}, {near_ns} ns, not {far_ns}"
    load_cycles = profile.latency_cycles["load"]
    if load_cycles != memory.l1d_latency_cycles:
        yield "latency_cycles.load", (f"latency_cycles.load must equal memory.l1d_latency_cycles, {memory.l1d_latency_cycles}, "
                                      f"not {load_cycles}: both are a load that hits L1")


def _groups(profile: "Profile") -> Iterator[Complaint]:
    """PEs of an L2 cache are of one cluster, clusters of one socket."""
    coherence, l2_pes = profile.coherence, profile.memory.l2_pes
    if coherence.cluster_pes % l2_pes:
        yield "memory.l2_pes", f"memory.l2_pes must divide coherence.cluster_pes, {coherence.cluster_pes}, not {l2_pes}"
    if coherence.socket_pes % coherence.cluster_pes:
        yield "coherence.cluster_pes", f"coherence.cluster_pes must divide coherence.socket_pes, {coherence.socket_pes}, not {coherence.cluster_pes}"


def _pipeline(profile: "Profile") -> Iterator[Complaint]:
    """An in-order core has no window; nothing begins that cannot be issued."""
    pipeline = profile.pipeline
    if pipeline.in_order and pipeline.window_instructions != 1:
        yield "pipeline.window_instructions", f"pipeline.window_instructions must be 1 in an in-order core, not {pipeline.window_instructions}"
    for name, ports in (("load_ports", pipeline.load_ports), ("store_ports", pipeline.store_ports)):
        if ports > pipeline.issue_width:
            yield f"pipeline.{name}", f"pipeline.{name} must be at most pipeline.issue_width, {pipeline.issue_width}, not {ports}"
    if not _is_power_of_two(pipeline.predictor_entries):
        yield "pipeline.predictor_entries", f"pipeline.predictor_entries must be a power of two, not {pipeline.predictor_entries}"


def _is_whole(size_bytes: int, ways: int) -> bool:
    return size_bytes % (ways * LINE_BYTES) == 0 and _is_power_of_two(size_bytes // (ways * LINE_BYTES))


def _is_power_of_two(value: int) -> bool:
    return value > 0 and value & value - 1 == 0
