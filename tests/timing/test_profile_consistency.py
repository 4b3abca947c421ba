"""Figures that contradict each other are named, with the key to change."""
import re
from pathlib import Path

import pytest

from sim.timing.profile import PROFILES_DIRECTORY, check_profile

N1 = (PROFILES_DIRECTORY / "neoverse-n1.toml").read_text(encoding="utf-8")
A53 = (PROFILES_DIRECTORY / "cortex-a53.toml").read_text(encoding="utf-8")
CASES = [
    (N1, "l2_latency_cycles = 4", "memory.l2_latency_cycles must be longer than memory.l1d_latency_cycles, 4 cycles, not 4"),
    (N1, "slc_latency_cycles = 11", "memory.slc_latency_cycles must be longer than memory.l2_latency_cycles, 11 cycles, not 11"),
    (N1, "dram_ns = 28", "memory.dram_ns must be longer than memory.slc_latency_cycles, 72 cycles, not 28 (70 cycles)"),
    (A53, "dram_ns = 9", "memory.dram_ns must be longer than memory.l2_latency_cycles, 13 cycles, not 9 (13 cycles)"),
    (N1, "line_same_socket_ns = 46", "coherence.line_same_socket_ns must be at least coherence.line_same_cluster_ns, 47 ns, not 46"),
    (N1, "line_other_socket_ns = 46", "coherence.line_other_socket_ns must be at least coherence.line_same_socket_ns, 47 ns, not 46"),
    (N1, "dvm_same_socket_ns = 1", "interconnect.dvm_same_socket_ns must be at least interconnect.dvm_same_cluster_ns"),
    (N1, "sgi_far_ns = 1", "interconnect.sgi_far_ns must be at least interconnect.sgi_near_ns"),
    (N1, "l2_pes = 2", "memory.l2_pes must divide coherence.cluster_pes, 1, not 2"),
    (A53, "cluster_pes = 12", "coherence.cluster_pes must divide coherence.socket_pes, 256, not 12"),
    (A53, "window_instructions = 2", "pipeline.window_instructions must be 1 in an in-order core, not 2"),
    (N1, "store_ports = 5", "pipeline.store_ports must be at most pipeline.issue_width, 4, not 5"),
    (N1, "predictor_entries = 1000", "pipeline.predictor_entries must be a power of two, not 1000"),
    (N1, "slc_ways = 24", "memory.slc_bytes must be its ways times 64 times a power of two, not 33554432"),
    (N1, "l1d_latency_cycles = 5", "latency_cycles.load must equal memory.l1d_latency_cycles, 5, not 4: both are a load that hits L1"),
]


@pytest.mark.parametrize(("text", "given", "said"), CASES, ids=[case[1] for case in CASES])
def test_figures_that_contradict_each_other_are_named_with_the_line(tmp_path: Path, text: str, given: str, said: str) -> None:
    key = given.split()[0]
    changed, count = re.subn(rf"^{key} = \w+", given, text, count=1, flags=re.MULTILINE)
    assert count == 1
    path = tmp_path / "mine.toml"
    path.write_text(changed, encoding="utf-8")
    found = check_profile(path)
    assert len(found) == 1 and said in found[0]
    number = int(found[0].removeprefix(f"{path}:").split(":")[0])
    assert changed.splitlines()[number - 1].startswith(said.split()[0].rpartition(".")[2])


def test_an_l2_cache_smaller_than_l1_and_a_tlb_larger_than_its_second_level_are_named(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(N1.replace("size_bytes = 1_048_576", "size_bytes = 32_768").replace("entries = 1280", "entries = 40"), encoding="utf-8")
    said = "\n".join(check_profile(path))
    assert "caches.l2.size_bytes must be at least caches.l1d.size_bytes, 65536" in said
    assert "tlb.l1d.entries must be at most tlb.l2.entries, 40, not 48" in said
