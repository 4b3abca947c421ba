"""walk() against the oracle's walker over random tables, registers and granules, and case by case where a number is worth reading."""
import random
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sim.arch.memory_map import RAM_PA
from sim.hot.walk import FAULTED, OK, canonical, walk
from sim.state.events import EVENT_WALK

from ..oracle import walker as oracle
from .translation_world import BLOCK, NG, PAGE, TABLE, World, tcr_of, u64

RAM_BYTES = 1 << 20


@pytest.fixture(scope="module")
def shared() -> Iterator[World]:
    world = World(ram_bytes=RAM_BYTES)
    yield world
    world.close()


@pytest.fixture
def world() -> Iterator[World]:
    world = World(walk_cache=(0, 0))
    yield world
    world.close()


def random_descriptor(rng: random.Random) -> int:
    """A descriptor: mostly a table or leaf that leads on, with every bit that means something set now and then."""
    kind = rng.choice((3, 3, 3, 3, 3, 3, 1, 1, 0, 2))
    in_ram = RAM_PA + rng.randrange(RAM_BYTES) // 4096 * 4096
    address = rng.choice((in_ram,) * 8 + (RAM_PA, RAM_PA, rng.randrange(1 << 48), 1 << rng.randrange(30, 48)))
    value = kind | address
    for bit, odds in ((2, 2), (3, 2), (4, 2), (6, 2), (7, 2), (8, 2), (9, 2), (11, 2), (51, 2), (52, 2), (53, 3), (54, 3), (59, 6), (60, 6),
                      (61, 6), (62, 6), (63, 6)):
        value |= (rng.randrange(odds) == 0) << bit
    return value | (rng.randrange(8) != 0) << 10


def random_tcr(rng: random.Random) -> int:
    """Reserved sizes, granules and output sizes included, but rarely."""
    value = rng.getrandbits(64) & ~(0x3F | 0x3F << 16 | 1 << 7 | 1 << 23)
    for shift in (0, 16):
        value |= (rng.randrange(64) if rng.randrange(12) == 0 else rng.choice((16, 16, 17, 22, 24, 25, 28, 33, 34, 39))) << shift
        value |= (rng.randrange(12) == 0) << shift + 7
    return value


def random_va(rng: random.Random, regime: oracle.Regime) -> int:
    upper = rng.randrange(2)
    region = 1 << 64 - (regime.tcr >> 16 * upper & 0x3F)
    offset = rng.choice((rng.randrange(region), rng.randrange(1 << 21), region - 1 - rng.randrange(1 << 13))) % region
    va = (1 << 64) - region + offset if upper else offset
    return va ^ (1 << rng.randrange(64) if rng.randrange(10) == 0 else 0)


def regime_and_memory(rng: random.Random, world: World) -> tuple[oracle.Regime, dict[int, int]]:
    pe, machine = world.pe, world.machine
    pe["tcr"], pe["mair"] = random_tcr(rng), rng.getrandbits(64)
    for name in ("ttbr0", "ttbr1"):
        base = RAM_PA + rng.randrange(RAM_BYTES) if rng.randrange(10) else rng.randrange(1 << 48)
        pe[name] = rng.randrange(1 << 16) << 48 | base
    machine["pa_bits"] = rng.choice((32, 36, 40, 44, 48))
    machine["hardware_af"], machine["hardware_dirty"], machine["feat_bbm"] = rng.randrange(2), rng.randrange(2), rng.randrange(3)
    return world.regime(), {}


def lazy_memory(rng: random.Random, world: World, memory: dict[int, int], pa: int, without: int = 0) -> int | None:
    """RAM whose words are made up, less the bits `without`, when they are first read; what no oracle walk has read stays 0."""
    if not RAM_PA <= pa < RAM_PA + RAM_BYTES:
        return None
    if pa not in memory:
        memory[pa] = random_descriptor(rng) & ~without
        world.write(pa, memory[pa])
    return memory[pa]


def compare(world: World, regime: oracle.Regime, va: int, expected: oracle.Walk) -> None:
    status = walk(world.handle, 0, u64(va))
    if isinstance(expected.result, oracle.Fault):
        assert status == int(FAULTED) | expected.result.code
    else:
        assert status == OK
        assert world.walked() == expected.result


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**64 - 1))
def test_walk_over_random_tables_agrees_with_the_oracle(shared: World, seed: int) -> None:
    rng, world = random.Random(seed), shared
    world.state.ram[:] = 0
    world.state.walk_cache[:] = 0
    world.machine["ring_head"] = world.machine["ring_tail"] = 0
    world.machine["cost_walk_step"], world.machine["walk_cache_sets"] = rng.randrange(50), rng.choice((0, 2))
    regime, memory = regime_and_memory(rng, world)
    for _ in range(6):
        va = random_va(rng, regime)
        va = oracle.strip_tag(regime, va, False)
        assert canonical(world.handle, 0, u64(va), False) == va
        expected = oracle.walk(regime, va, lambda pa: lazy_memory(rng, world, memory, pa))
        before = {name: int(world.pe[name]) for name in ("cycles", "n_walk_reads", "n_walk_cache_hits")}
        compare(world, regime, va, expected)
        memory.update(expected.writes)
        reads = int(world.pe["n_walk_reads"]) - before["n_walk_reads"]
        assert int(world.pe["cycles"]) - before["cycles"] == reads * int(world.machine["cost_walk_step"])
        if int(world.pe["n_walk_cache_hits"]) == before["n_walk_cache_hits"]:
            assert reads == len(expected.reads)
        else:
            assert 0 < reads < len(expected.reads)
        for pa, value in memory.items():
            assert world.read(pa) == value
        again = oracle.walk(regime, va, memory.get)                # nothing has changed but access flags
        compare(world, regime, va, again)
        assert not again.writes


@given(va=st.integers(0, 2**64 - 1), bits=st.integers(0, 15), is_fetch=st.booleans())
def test_canonical_va_follows_top_byte_ignore_of_its_half(shared: World, va: int, bits: int, is_fetch: bool) -> None:
    shared.pe["tcr"] = tcr_of(tbi0=bits & 1, tbi1=bits >> 1 & 1, tbid0=bits >> 2 & 1, tbid1=bits >> 3)
    assert canonical(shared.handle, 0, u64(va), is_fetch) == oracle.strip_tag(shared.regime(), va, is_fetch)


def four_levels(world: World, va: int, leaf: int) -> list[int]:
    """Four tables, one after the other from RAM's start, that lead from TTBR0 to a level 3 descriptor. Returns the descriptors' PAs."""
    places = [RAM_PA + 4096 * n + 8 * (va >> 39 - 9 * n & 511) for n in range(4)]
    for n, pa in enumerate(places[:3]):
        world.write(pa, RAM_PA + 4096 * (n + 1) | TABLE)
    world.write(places[3], leaf)
    return places


def test_walk_of_four_levels_is_charged_counted_and_reported_once(world: World) -> None:
    va = 0x1234_5678_9ABC
    places = four_levels(world, va, 0x4008_7000 | PAGE | NG)
    world.machine["cost_walk_step"] = 11
    world.pe["cycles"] = 100
    assert walk(world.handle, 0, u64(va)) == OK
    assert world.walked().output(va) == 0x4008_7ABC
    assert (world.pe["cycles"], world.pe["walk_cycles"], world.pe["n_walks"], world.pe["n_walk_reads"]) == (144, 44, 1, 4)
    assert world.events() == [(144, 0, EVENT_WALK, 3, va, places[3], 0x4008_7000 | PAGE | NG)]


@pytest.mark.parametrize("level", range(4))
def test_walk_to_an_invalid_descriptor_gives_a_translation_fault_at_its_level(world: World, level: int) -> None:
    places = four_levels(world, 0x1000, 0x4008_7000 | PAGE)
    world.write(places[level], world.read(places[level]) & ~1)    # type: ignore[operator]
    assert walk(world.handle, 0, u64(0x1000)) == 0x104 + level


@pytest.mark.parametrize("level", range(4))
def test_walk_to_a_table_outside_ram_gives_an_external_abort_on_walk_at_its_level(world: World, level: int) -> None:
    places = four_levels(world, 0x1000, 0x4008_7000 | PAGE)
    if level == 0:
        world.pe["ttbr0"] = 0x0900_0000
    else:
        world.write(places[level - 1], 0x0900_0000 | TABLE)
    assert walk(world.handle, 0, u64(0x1000)) == 0x114 + level


@pytest.mark.parametrize("level", range(4))
def test_output_address_beyond_ips_gives_an_address_size_fault_at_its_level(world: World, level: int) -> None:
    places = four_levels(world, 0x1000, 0x4008_7000 | PAGE)
    world.pe["tcr"] = tcr_of(ips=1)
    world.write(places[level], world.read(places[level]) | 1 << 36)    # type: ignore[operator]
    assert walk(world.handle, 0, u64(0x1000)) == 0x100 + level


def test_table_base_beyond_the_implemented_address_size_gives_an_address_size_fault_level_0(world: World) -> None:
    world.machine["pa_bits"], world.pe["ttbr0"] = 36, 1 << 40
    assert walk(world.handle, 0, u64(0x1000)) == 0x100


def test_walk_cache_leaves_one_descriptor_read_for_a_neighbouring_page() -> None:
    world = World()
    four_levels(world, 0x1000, 0x4008_7000 | PAGE)
    world.write(RAM_PA + 4096 * 3 + 8 * 2, 0x4008_8000 | PAGE)
    assert walk(world.handle, 0, u64(0x1000)) == OK
    assert walk(world.handle, 0, u64(0x2000)) == OK
    assert (world.pe["n_walk_reads"], world.pe["n_walk_cache_hits"]) == (5, 1)
    world.close()


def test_walk_cache_entry_of_another_asid_is_not_used() -> None:
    world = World()
    four_levels(world, 0x1000, 0x4008_7000 | PAGE)
    walk(world.handle, 0, u64(0x1000))
    world.pe["ttbr0"] |= u64(5 << 48)
    walk(world.handle, 0, u64(0x1000))
    assert (world.pe["n_walk_reads"], world.pe["n_walk_cache_hits"]) == (8, 0)
    world.close()


def test_block_of_level_0_is_reserved(world: World) -> None:
    world.write(RAM_PA, BLOCK)
    assert walk(world.handle, 0, u64(0x1000)) == 0x104
