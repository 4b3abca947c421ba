"""The kernels that measure: rings that hit the level they are for, by the arithmetic of the caches; loads that take what the profile says."""
import pytest

from sim.errors import UserError
from sim.experiments.measure import LEVELS, Ring, call_cycles, line_ns, load_cycles, ring_of_level, ring_of_pages, tlb_cycles
from sim.timing.profile import load_profile, profile_names

LINE_BYTES = 64


def lines_of(ring: Ring) -> list[int]:
    return [number * ring.stride_bytes // LINE_BYTES for number in range(ring.lines)]


def is_held(lines: list[int], size_bytes: int, ways: int) -> bool:
    """Whether a cache of that geometry holds all the lines at once."""
    sets = size_bytes // ways // LINE_BYTES
    return max(sum(line % sets == other % sets for other in lines) for line in lines) <= ways


def is_never_hit(lines: list[int], size_bytes: int, ways: int) -> bool:
    """Whether going round the ring misses every time under true LRU: each set that is used gets more lines than it has ways."""
    sets = size_bytes // ways // LINE_BYTES
    return min(sum(line % sets == other % sets for other in lines) for line in lines) > ways


@pytest.mark.parametrize("name", profile_names())
@pytest.mark.parametrize("level", LEVELS)
def test_a_ring_misses_every_cache_before_its_level_and_fits_into_that(name: str, level: str) -> None:
    profile = load_profile(name)
    memory, caches = profile.memory, profile.caches
    if level == "slc" and not memory.slc_bytes:
        with pytest.raises(UserError, match="has no slc"):
            ring_of_level(profile, level)
        return
    lines = lines_of(ring_of_level(profile, level))
    hierarchy = [("l1", caches.l1d.size_bytes, caches.l1d.ways), ("l2", caches.l2.size_bytes, caches.l2.ways)]
    if memory.slc_bytes:
        hierarchy.append(("slc", memory.slc_bytes, memory.slc_ways))
    for one, size_bytes, ways in hierarchy:
        if one == level:
            assert is_held(lines, size_bytes, ways)
            break
        assert is_never_hit(lines, size_bytes, ways)


def test_a_ring_of_pages_has_a_line_of_each_page_in_a_set_of_its_own() -> None:
    ring = ring_of_pages(64, True)
    addresses = [number * ring.stride_bytes for number in range(ring.lines)]
    assert len({address // 4096 for address in addresses}) == 64 and len({address // LINE_BYTES % 128 for address in addresses}) == 64


@pytest.mark.parametrize(("name", "level"), [("cortex-a53", "l1"), ("cortex-a53", "l2"), ("cortex-a55", "slc"), ("neoverse-v1", "dram")])
def test_a_load_takes_what_the_profile_says_of_its_level(name: str, level: str) -> None:
    profile = load_profile(name)
    memory = profile.memory
    expected = {"l1": memory.l1d_latency_cycles, "l2": memory.l2_latency_cycles, "slc": memory.slc_latency_cycles,
                "dram": profile.cycles_of_ns(memory.dram_ns)}[level]
    assert load_cycles(name, ring_of_level(profile, level)) == pytest.approx(expected, rel=0.02)


def test_pages_that_the_tlbs_hold_cost_nothing_and_others_a_lookup() -> None:
    costs = load_profile("cortex-a53").costs
    assert tlb_cycles("cortex-a53", 8) == pytest.approx(0, abs=0.01)
    assert tlb_cycles("cortex-a53", 64) == pytest.approx(costs.l2_tlb_hit_cycles, rel=0.05)


def test_a_line_takes_longer_from_another_cluster_and_longest_from_another_socket() -> None:
    coherence = load_profile("kunpeng920-like").coherence
    near, far, farthest = (line_ns("kunpeng920-like", last_pe) for last_pe in (1, coherence.cluster_pes, coherence.socket_pes))
    assert near < far < farthest
    for ns, known in ((near, coherence.line_same_cluster_ns), (far, coherence.line_same_socket_ns), (farthest, coherence.line_other_socket_ns)):
        assert ns == pytest.approx(known, rel=0.10)


def test_single_instructions_and_blocks_agree_on_a_call_and_a_line() -> None:
    assert call_cycles("neoverse-n1", "instruction") == pytest.approx(call_cycles("neoverse-n1"), rel=0.30)
    assert line_ns("neoverse-n1", 1, "instruction") == pytest.approx(line_ns("neoverse-n1", 1), rel=0.05)
