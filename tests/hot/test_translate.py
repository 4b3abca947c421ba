"""translate(), permissions(), probe() and AT: the manual's permission tables written out, the MMU off, dirty state, no trace from probes."""
import random
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sim.arch.memory_map import RAM_PA
from sim.hot.address_translate import NOT_AN_AT, address_translate
from sim.hot.translate import EXECUTE, permissions, probe, regime_changed, translate
from sim.hot.translate import READ as MAY_READ
from sim.hot.translate import WRITE as MAY_WRITE
from sim.hot.walk import FAULTED, OK
from sim.state import dtypes
from sim.state.events import EVENT_FILL

from ..oracle import walker as oracle
from .test_walk import RAM_BYTES, lazy_memory, random_va, regime_and_memory
from .translation_world import (
    ACCESS_NAMES,
    BLOCK,
    CONTIGUOUS,
    DBM,
    EL0,
    FETCH,
    NG,
    NO,
    PAGE,
    READ,
    READ_ONLY,
    TABLE,
    WRITE,
    YES,
    World,
    tcr_of,
    u64,
)

WXN = 1 << 19

# DDI 0487, D8.4: access of stage 1 EL1&0 translations by UXN, PXN, AP[2:1] and WXN. Columns: EL1, EL0.
PERMISSION_TABLE = """
UXN PXN AP  WXN  EL1  EL0
0   0   00  0    RWX  --X
0   0   00  1    RW-  --X
0   0   01  0    RW-  RWX
0   0   01  1    RW-  RW-
0   0   10  0    R-X  --X
0   0   10  1    R-X  --X
0   0   11  0    R-X  R-X
0   0   11  1    R-X  R-X
0   1   00  0    RW-  --X
0   1   00  1    RW-  --X
0   1   01  0    RW-  RWX
0   1   01  1    RW-  RW-
0   1   10  0    R--  --X
0   1   10  1    R--  --X
0   1   11  0    R--  R-X
0   1   11  1    R--  R-X
1   0   00  0    RWX  ---
1   0   00  1    RW-  ---
1   0   01  0    RW-  RW-
1   0   01  1    RW-  RW-
1   0   10  0    R-X  ---
1   0   10  1    R-X  ---
1   0   11  0    R-X  R--
1   0   11  1    R-X  R--
1   1   00  0    RW-  ---
1   1   00  1    RW-  ---
1   1   01  0    RW-  RW-
1   1   01  1    RW-  RW-
1   1   10  0    R--  ---
1   1   10  1    R--  ---
1   1   11  0    R--  R--
1   1   11  1    R--  R--
"""
ROWS = [line.split() for line in PERMISSION_TABLE.split("\n")[2:-1]]


@pytest.fixture
def world() -> Iterator[World]:
    world = World()
    yield world
    world.close()


def map_page(world: World, va: int, leaf: int, table_bits: int = 0) -> int:
    """Three levels of 4 KiB tables at RAM's start for a 39-bit VA in the lower half. Returns the leaf descriptor's PA."""
    for pe in world.state.pes:
        pe["tcr"] = pe["tcr"] & ~u64(0x3F) | u64(25)
    world.write(RAM_PA + 8 * (va >> 30), RAM_PA + 0x1000 | TABLE)
    world.write(RAM_PA + 0x1000 + 8 * (va >> 21 & 511), RAM_PA + 0x2000 | TABLE | table_bits)
    descriptor_pa = RAM_PA + 0x2000 + 8 * (va >> 12 & 511)
    world.write(descriptor_pa, leaf)
    return descriptor_pa


def text(allowed: int) -> str:
    return "".join(letter if allowed & int(bit) else "-" for letter, bit in (("R", MAY_READ), ("W", MAY_WRITE), ("X", EXECUTE)))


@pytest.mark.parametrize("row", ROWS, ids="-".join)
@pytest.mark.parametrize("pan", (0, 1))
def test_permissions_of_a_page_are_those_of_the_manual(world: World, row: list[str], pan: int) -> None:
    uxn, pxn, ap, wxn, el1, el0 = row
    map_page(world, 0x1000, 0x4008_0000 | PAGE | int(ap, 2) << 6 | int(pxn) << 53 | int(uxn) << 54)
    world.pe["sctlr"] = 1 | int(wxn) * WXN
    if pan and ap[1] == "1":
        el1 = "--" + el1[2]                                      # PAN: EL1 may not touch data that EL0 may
    for who, allowed in ((NO, el1), (YES, el0)):
        for access, letter in ((READ, "R"), (WRITE, "W"), (FETCH, "X")):
            status = translate(world.handle, 0, u64(0x1000), access, who, u64(pan))
            assert status == (OK if letter in allowed else 0x10F), (who, letter)
            assert status == probe(world.handle, 0, u64(0x1000), access, who, u64(pan))
        held = world.entries("l2")[0]
        assert text(int(permissions(held["attributes"], world.pe["sctlr"], who, u64(pan)))) == allowed


@pytest.mark.parametrize("hpd", (0, 1))
@pytest.mark.parametrize("table_bits", range(16))
@pytest.mark.parametrize("ap", range(4))
def test_hierarchical_bits_only_take_permissions_away(world: World, ap: int, table_bits: int, hpd: int) -> None:
    """APTable[0] as AP[1] = 0, APTable[1] as AP[2] = 1, PXNTable and UXNTable as PXN and UXN of the page; TCR.HPD0 turns them off."""
    map_page(world, 0x1000, 0x4008_0000 | PAGE | ap << 6, table_bits << 59)
    world.pe["tcr"] |= u64(hpd << 41)
    if hpd:
        table_bits = 0
    pxn, uxn, no_el0, read_only = (table_bits >> n & 1 for n in range(4))
    effective = ap & ~no_el0 | read_only << 1
    row = next(row for row in ROWS if row[:4] == [str(uxn), str(pxn), f"{effective:02b}", "0"])
    for who, allowed in ((NO, row[4]), (YES, row[5])):
        for access, letter in ((READ, "R"), (WRITE, "W"), (FETCH, "X")):
            assert translate(world.handle, 0, u64(0x1000), access, who, NO) == (OK if letter in allowed else 0x10F)


def test_changing_wxn_needs_no_invalidation(world: World) -> None:
    map_page(world, 0x1000, 0x4008_0000 | PAGE)
    assert translate(world.handle, 0, u64(0x1000), FETCH, NO, NO) == OK
    world.pe["sctlr"] |= u64(WXN)
    assert translate(world.handle, 0, u64(0x1000), FETCH, NO, NO) == 0x10F


@pytest.mark.parametrize(("sctlr", "memory"), ((0, 0x44), (1 << 12, 0xAA)))
def test_with_the_mmu_off_va_is_pa_for_everyone(world: World, sctlr: int, memory: int) -> None:
    world.pe["sctlr"] = sctlr
    for access in (READ, WRITE, FETCH):
        assert translate(world.handle, 0, u64(0x4000_1234), access, YES, YES) == OK
        assert world.walked().output(0x4000_1234) == 0x4000_1234
        assert world.walked().memory == (memory if access == FETCH else 0)
        assert text(int(permissions(world.state.walked[0]["attributes"], world.pe["sctlr"], NO, YES))) == "RWX"
    assert bool(world.state.walked[0]["attributes"] & dtypes.ATTRIBUTE_DEVICE) is False
    translate(world.handle, 0, u64(0x4000_1234), READ, NO, NO)
    assert world.state.walked[0]["attributes"] & dtypes.ATTRIBUTE_DEVICE
    assert not world.entries("l2")
    assert world.pe["cycles"] == 0


@pytest.mark.parametrize(("va", "tbi0", "status"), ((1 << 40, 0, 0x100), ((1 << 40) - 1, 0, 0), (0xAB << 56 | 0x1000, 0, 0x100),
                                                    (0xAB << 56 | 0x1000, 1, 0), (0xFFFF << 48, 1, 0x100)))
def test_with_the_mmu_off_an_address_beyond_the_implemented_size_is_an_address_size_fault_level_0(
        world: World, va: int, tbi0: int, status: int) -> None:
    world.pe["sctlr"], world.machine["pa_bits"], world.pe["tcr"] = 0, 40, tcr_of(tbi0=tbi0)
    assert translate(world.handle, 0, u64(va), READ, NO, NO) == status


def test_a_miss_is_charged_for_l2_and_the_walk_and_a_hit_for_nothing(world: World) -> None:
    map_page(world, 0x1000, 0x4008_0000 | PAGE)
    world.machine["cost_l2_hit"], world.machine["cost_walk_step"] = 5, 20
    assert translate(world.handle, 0, u64(0x1000), READ, NO, NO) == OK
    assert world.pe["cycles"] == 65
    assert translate(world.handle, 0, u64(0x1008), READ, NO, NO) == OK
    assert world.pe["cycles"] == 65
    assert translate(world.handle, 0, u64(0x1000), FETCH, NO, NO) == OK         # L1 I misses, L2 hits
    assert world.pe["cycles"] == 70
    names = ("n_l1d_lookups", "n_l1d_misses", "n_l1i_lookups", "n_l1i_misses", "n_l2_lookups", "n_l2_misses", "n_walks", "n_walk_reads")
    assert [int(world.pe[name]) for name in names] == [2, 1, 1, 1, 2, 1, 1, 3]
    assert [event[3:] for event in world.events(EVENT_FILL)] == [(16, 0x1000, 0x4008_0000, 4096), (18, 0x1000, 0x4008_0000, 4096)]


def test_faults_are_not_cached(world: World) -> None:
    descriptor_pa = map_page(world, 0x1000, 0)
    for leaf, status in ((0, 0x107), (0x4008_0000 | PAGE & ~(1 << 10), 0x10B), (1 << 47 | PAGE, 0x103), (0x4008_0000 | PAGE, 0)):
        world.pe["tcr"] = world.pe["tcr"] & ~u64(7 << 32) | u64(2 << 32)
        world.write(descriptor_pa, leaf)
        assert translate(world.handle, 0, u64(0x1000), READ, NO, NO) == status


def test_a_permission_fault_leaves_the_entry_held(world: World) -> None:
    map_page(world, 0x1000, 0x4008_0000 | PAGE)
    assert translate(world.handle, 0, u64(0x1000), READ, YES, NO) == 0x10F
    assert len(world.entries("l1d")) == len(world.entries("l2")) == 1


# Access flag and dirty state by hardware

def managed(world: World, leaf: int) -> int:
    world.machine["hardware_af"] = world.machine["hardware_dirty"] = 1
    world.pe["tcr"] = tcr_of(ha=1, hd=1)
    return map_page(world, 0x1000, leaf)


def test_hardware_sets_the_access_flag_only_if_machine_and_tcr_want_it(world: World) -> None:
    descriptor_pa = managed(world, 0x4008_0003)
    world.machine["hardware_af"] = 0
    assert translate(world.handle, 0, u64(0x1000), READ, NO, NO) == 0x10B
    world.machine["hardware_af"], world.pe["tcr"] = 1, tcr_of(t0sz=25)
    assert translate(world.handle, 0, u64(0x1000), READ, NO, NO) == 0x10B
    world.pe["tcr"] = tcr_of(t0sz=25, ha=1)
    assert translate(world.handle, 0, u64(0x1000), READ, NO, NO) == OK
    assert world.read(descriptor_pa) == 0x4008_0403


def test_first_write_to_a_clean_page_clears_its_read_only_bit_and_reads_do_not(world: World) -> None:
    descriptor_pa = managed(world, 0x4008_0000 | PAGE | READ_ONLY | DBM)
    assert translate(world.handle, 0, u64(0x1000), READ, NO, NO) == OK
    walked = world.state.walked[0]
    assert text(int(permissions(walked["attributes"], world.pe["sctlr"], NO, NO))) == "R-X"
    assert probe(world.handle, 0, u64(0x1000), WRITE, NO, NO) == OK
    assert world.read(descriptor_pa) == 0x4008_0000 | PAGE | READ_ONLY | DBM
    assert translate(world.handle, 0, u64(0x1000), WRITE, NO, NO) == OK
    assert world.read(descriptor_pa) == 0x4008_0000 | PAGE | DBM
    assert text(int(permissions(walked["attributes"], world.pe["sctlr"], NO, NO))) == "RWX"
    walks = int(world.pe["n_walks"])
    assert translate(world.handle, 0, u64(0x1000), WRITE, NO, NO) == OK
    assert world.pe["n_walks"] == walks
    assert world.pe["soft_flush"] == 0


def test_a_write_that_is_refused_anyway_leaves_the_page_clean(world: World) -> None:
    descriptor_pa = managed(world, 0x4008_0000 | PAGE | READ_ONLY | DBM)
    assert translate(world.handle, 0, u64(0x1000), WRITE, YES, NO) == 0x10F
    assert world.read(descriptor_pa) == 0x4008_0000 | PAGE | READ_ONLY | DBM


@pytest.mark.parametrize(("leaf", "status"), ((0, 0x107), (0x4008_0000 | PAGE | READ_ONLY, 0x10F), (0x4009_0000 | PAGE | READ_ONLY | DBM, 0)))
def test_dirty_update_uses_the_descriptor_as_it_is_now(world: World, leaf: int, status: int) -> None:
    """The entry was filled clean, the descriptor has been changed since without a TLBI: no dead descriptor is made dirty."""
    descriptor_pa = managed(world, 0x4008_0000 | PAGE | READ_ONLY | DBM)
    assert translate(world.handle, 0, u64(0x1000), READ, NO, NO) == OK
    world.write(descriptor_pa, leaf)
    assert translate(world.handle, 0, u64(0x1000), WRITE, NO, NO) == status
    assert world.read(descriptor_pa) == (leaf & ~READ_ONLY if status == 0 else leaf)
    if status == 0:
        assert world.walked().output(0x1234) == 0x4009_0234
    assert world.pe["soft_flush"] == 1                           # the old entry was handed out
    world.check_inclusion()


def test_wxn_counts_a_clean_page_as_writable(world: World) -> None:
    managed(world, 0x4008_0000 | PAGE | READ_ONLY | DBM)
    world.pe["sctlr"] |= u64(WXN)
    assert translate(world.handle, 0, u64(0x1000), FETCH, NO, NO) == 0x10F


def test_a_clean_page_that_el0_may_write_is_not_executable_at_el1(world: World) -> None:
    managed(world, 0x4008_0000 | PAGE | READ_ONLY | DBM | EL0)
    assert translate(world.handle, 0, u64(0x1000), FETCH, NO, NO) == 0x10F
    assert translate(world.handle, 0, u64(0x1000), FETCH, YES, NO) == OK


# Any tables, any registers

@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**64 - 1))
def test_translate_and_probe_over_random_tables_agree_with_the_oracle(seed: int) -> None:
    """Tiny TLBs, so that everything is evicted and refilled; the tables do not change but by access flag and dirty state.

    Without the contiguous bit: random tables would use it where neighbours differ, and then a TLB may answer otherwise than a walk.
    """
    rng = random.Random(seed)
    world = World(ram_bytes=RAM_BYTES, l1i=2, l1d=3, l2=(rng.choice((1, 2, 3)), 2), walk_cache=rng.choice(((0, 0), (1, 1), (2, 2))))
    world.machine["random_replacement"] = rng.randrange(2)
    for name in ("l1i_max_entry_bytes", "l1d_max_entry_bytes", "l2_max_entry_bytes"):
        world.machine[name] = 1 << rng.choice((12, 14, 16, 20, 21, 29, 48))
    regime, memory = regime_and_memory(rng, world)
    wxn = rng.randrange(2)
    world.pe["sctlr"] = 1 | wxn * WXN
    vas = [random_va(rng, regime) for _ in range(5)]
    made_dirty: set[int] = set()
    for _ in range(25):
        va = rng.choice(vas) ^ rng.choice((0, 8, 0x1000, 0x20_0000))
        access, el0, pan = rng.choice((READ, WRITE, FETCH)), rng.randrange(2), rng.randrange(2)
        stripped = oracle.strip_tag(regime, va, bool(access == FETCH))
        expected = oracle.walk(regime, stripped, lambda pa: lazy_memory(rng, world, memory, pa, CONTIGUOUS)).result
        wanted, output = int(OK), 0
        if isinstance(expected, oracle.Fault):
            wanted = int(FAULTED) | expected.code
        elif not oracle.permitted(expected, ACCESS_NAMES[int(access)], bool(el0), bool(pan), bool(wxn)):
            wanted = int(FAULTED) | oracle.PERMISSION + expected.level
        else:
            output = expected.output(stripped)
        trace = snapshot(world)
        assert probe(world.handle, 0, u64(va), access, u64(el0), u64(pan)) == wanted
        if wanted == OK:
            assert world.walked().output(stripped) == output
        assert snapshot(world) == trace
        assert translate(world.handle, 0, u64(va), access, u64(el0), u64(pan)) == wanted
        if wanted == OK:
            assert world.walked().output(stripped) == output
            if access == WRITE:
                made_dirty.add(expected.descriptor_pa)           # type: ignore[union-attr]
        world.check_inclusion()
        if set_aside := [pa for pa, value in memory.items() if world.read(pa) != value]:
            for pa in set_aside:                                 # hardware wrote: only AF, or AP[2] of a page that was written
                change = world.read(pa) ^ memory[pa]             # type: ignore[operator]
                assert change & ~(1 << 10 | (1 << 7 if pa in made_dirty else 0)) == 0
                memory[pa] = world.read(pa)                      # type: ignore[assignment]
    world.close()


def snapshot(world: World) -> list[bytes]:
    """Everything that a probe must leave alone: all of state but its answer, and the hints that only spare a search."""
    state = world.state
    pes = state.pes.copy()
    pes["l1i_hint"] = pes["l1d_hint"] = 0
    return [array.tobytes() for array in (pes, state.machine, state.l1i, state.l1d, state.l2, state.l2_next, state.walk_cache,
                                          state.walk_cache_next, state.ram, state.tlbi_queue)]


# AT

S1E1R, S1E1W, S1E0R, S1E0W, S1E1RP, S1E1WP = (1 << 14 | 7 << 7 | crm << 3 | op2 for crm, op2 in ((8, 0), (8, 1), (8, 2), (8, 3), (9, 0), (9, 1)))


@pytest.mark.parametrize(("ap", "results"), ((0b00, (1, 1, 0, 0, 1, 1)), (0b01, (1, 1, 1, 1, 0, 0)), (0b10, (1, 0, 0, 0, 1, 0)),
                                             (0b11, (1, 0, 1, 0, 0, 0))))
def test_at_refuses_what_the_access_would_be_refused(world: World, ap: int, results: tuple[int, ...]) -> None:
    map_page(world, 0x1000, 0x4008_0000 | PAGE | ap << 6 | 3 << 8 | 1 << 2)
    world.pe["mair"] = 0xFF00
    trace = snapshot(world)
    for key, allowed in zip((S1E1R, S1E1W, S1E0R, S1E0W, S1E1RP, S1E1WP), results, strict=True):
        par = int(address_translate(world.handle, 0, u64(key), u64(0x1ABC), YES))
        assert par == (0xFF << 56 | 0x4008_0000 | 1 << 11 | 1 << 9 | 3 << 7 if allowed else 1 << 11 | 0x0F << 1 | 1), hex(key)
    assert int(address_translate(world.handle, 0, u64(S1E1RP), u64(0x1000), NO)) & 1 == 0
    assert snapshot(world) == trace


def test_at_reports_device_and_non_cacheable_memory_as_outer_shareable(world: World) -> None:
    map_page(world, 0x1000, 0x4008_0000 | PAGE)
    for memory, shareability in ((0x04, 2), (0x44, 2), (0xFF, 0)):
        world.pe["mair"] = memory
        par = int(address_translate(world.handle, 0, u64(S1E1R), u64(0x1000), NO))
        assert (par >> 56, par >> 7 & 3) == (memory, shareability)


def test_at_of_an_unmapped_address_gives_the_fault_status(world: World) -> None:
    map_page(world, 0x1000, 0)
    assert address_translate(world.handle, 0, u64(S1E1R), u64(0x1000), NO) == 1 << 11 | 0b000111 << 1 | 1
    assert address_translate(world.handle, 0, u64(S1E1R), u64(0x20_0000), NO) == 1 << 11 | 0b000110 << 1 | 1
    assert address_translate(world.handle, 0, u64(S1E1R), u64(1 << 50), NO) == 1 << 11 | 0b000100 << 1 | 1


def test_at_with_the_mmu_off_gives_the_address_itself_as_device(world: World) -> None:
    world.pe["sctlr"] = 0
    assert address_translate(world.handle, 0, u64(S1E0W), u64(0x1234_5678), NO) == 0x1234_5000 | 1 << 11 | 1 << 9 | 2 << 7


@pytest.mark.parametrize("key", (1 << 14 | 7 << 7 | 8 << 3 | 4, 1 << 14 | 4 << 11 | 7 << 7 | 8 << 3, 1 << 14 | 7 << 7 | 9 << 3 | 2))
def test_at_of_another_stage_or_level_is_not_answered(world: World, key: int) -> None:
    assert address_translate(world.handle, 0, u64(key), u64(0), NO) == NOT_AN_AT


def test_at_uses_what_the_tlb_holds(world: World) -> None:
    descriptor_pa = map_page(world, 0x1000, 0x4008_0000 | PAGE)
    translate(world.handle, 0, u64(0x1000), READ, NO, NO)
    world.write(descriptor_pa, 0)
    assert int(address_translate(world.handle, 0, u64(S1E1R), u64(0x1000), NO)) & 0xFFFF_FFFF_F001 == 0x4008_0000


def test_a_block_and_its_asid_are_held_whole(world: World) -> None:
    map_page(world, 0x1000, 0)
    world.pe["ttbr0"] |= u64(9 << 48)
    world.write(RAM_PA + 0x1000 + 8, 0x4020_0000 | BLOCK | NG | EL0)
    assert translate(world.handle, 0, u64(0x2F_FFFF), READ, YES, NO) == OK
    walked = world.walked()
    assert (walked.va, walked.size, walked.pa, walked.asid, walked.level) == (0x20_0000, 0x20_0000, 0x4020_0000, 9, 2)
    fills = world.fills()
    assert translate(world.handle, 0, u64(0x20_0000), READ, YES, NO) == OK
    assert world.fills() == fills


def test_regime_changed_makes_the_engine_forget_and_the_tlbs_keep(world: World) -> None:
    map_page(world, 0x1000, 0x4008_0000 | PAGE)
    translate(world.handle, 0, u64(0x1000), READ, NO, NO)
    world.pe["code_va"] = 0x1000
    regime_changed(world.handle, 0)
    assert (world.pe["soft_flush"], world.pe["code_va"]) == (1, np.uint64(dtypes.NOWHERE))
    assert len(world.entries("l2")) == 1
