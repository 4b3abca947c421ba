"""Two entries for one VA: what each outcome gives, when the overlap is seen, and what ends it. DDI 0487 L.a, D8.16.3, D8.17.3."""
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from sim.arch.memory_map import RAM_PA
from sim.arch.tlbi import TLB_INVALIDATES, compose_va_operand
from sim.hot.tlbi import issue
from sim.hot.translate import permissions, probe, regime_changed, translate
from sim.hot.walk import FAULT_CONFLICT, FAULTED, OK
from sim.settings import MULTI_HITS, MULTI_HITS_PERMITTED
from sim.state import dtypes
from sim.state.events import EVENT_CONFLICT, EVENT_FILL

from .translation_world import BLOCK, CONTIGUOUS, EL0, FETCH, NG, NO, PAGE, READ, READ_ONLY, TABLE, WRITE, World, tcr_of, u64

MIB2 = 1 << 21
TABLE_PA, PAGES_PA, BLOCK_PA = RAM_PA + 0x1000, RAM_PA + 0x1_0000, RAM_PA + 0x20_0000
PAGE_VA, OTHER_VA = 0x3000, 0x7000
PXN, UXN = 1 << 53, 1 << 54
ABORT, OLD, NEW, AMALGAMATION, SEEDED = range(5)


@pytest.fixture
def world() -> Iterator[World]:
    world = World(l1i=4, l1d=4, l2=(16, 4), walk_cache=(0, 0), ram_bytes=8 << 20)
    settle(world)
    yield world
    world.close()


def settle(world: World) -> None:
    """The first 2 MiB by a table of pages; OTHER_VA has no page there."""
    world.pe["tcr"] = tcr_of(t0sz=34)
    world.machine["cost_l2_hit"], world.machine["cost_walk_step"] = 7, 100
    world.write(RAM_PA, TABLE_PA | TABLE)
    for page in range(512):
        world.write(TABLE_PA + 8 * page, PAGES_PA + 4096 * page | PAGE)


def access(world: World, va: int, kind: object = READ, el0: int = 0) -> int | None:
    """PA of an access, None where it takes a TLB conflict abort."""
    status = translate(world.handle, 0, u64(va), kind, u64(el0), NO)
    if status == FAULT_CONFLICT:
        return None
    assert status == OK
    return world.walked().output(va)


def conflict(world: World, block: int = BLOCK, page: int = PAGE) -> None:
    """A page in the TLBs, then the block that replaces its table."""
    world.write(TABLE_PA + 8 * (PAGE_VA >> 12), PAGES_PA + PAGE_VA | page)
    access(world, PAGE_VA)
    world.write(RAM_PA, BLOCK_PA | block)
    assert access(world, OTHER_VA) == BLOCK_PA + OTHER_VA


def flush(world: World) -> None:
    """What the run loop does before a slice."""
    if world.pe["soft_flush"]:
        world.pe["soft_flush"] = 0
        world.pe["soft_generation"] += u64(1)


def tlbi(world: World, va: int, asid: int = 0) -> None:
    issue(world.handle, 0, u64(TLB_INVALIDATES["VAE1"].key), u64(compose_va_operand(va, asid)))


@pytest.mark.parametrize(("outcome", "pa"), [
    (ABORT, None), (OLD, PAGES_PA + PAGE_VA), (NEW, BLOCK_PA + PAGE_VA), (AMALGAMATION, PAGES_PA + PAGE_VA | BLOCK_PA + PAGE_VA)])
@pytest.mark.parametrize("kind", [READ, WRITE, FETCH])
def test_an_access_that_two_entries_answer_gets_the_configured_outcome(world: World, outcome: int, pa: int | None, kind: object) -> None:
    world.machine["multi_hit"] = outcome
    conflict(world)
    walks = int(world.pe["n_walks"])
    for _ in range(3):
        assert access(world, PAGE_VA, kind) == pa
        flush(world)
    assert int(world.pe["n_walks"]) == walks
    assert access(world, OTHER_VA) == BLOCK_PA + OTHER_VA, "one entry alone answers for the rest of the block"


def test_a_conflict_is_in_the_log_with_both_descriptors_and_is_counted(world: World) -> None:
    conflict(world)
    access(world, PAGE_VA)
    (event,) = world.events(EVENT_CONFLICT)
    assert event[3:] == (ABORT, PAGE_VA, TABLE_PA + 8 * (PAGE_VA >> 12), RAM_PA)
    assert world.pe["n_conflicts"] == 1
    assert not [each for each in world.events(EVENT_FILL)[2:]], "an abort fills nothing"


def test_the_soft_tlb_loses_the_page_when_the_overlapping_entry_comes(world: World) -> None:
    access(world, PAGE_VA)
    world.write(RAM_PA, BLOCK_PA | BLOCK)
    world.pe["limit_cycles"] = 1000
    assert world.pe["soft_flush"] == 0
    access(world, OTHER_VA)
    assert (world.pe["soft_flush"], world.pe["limit_cycles"]) == (1, 0)


@pytest.mark.parametrize("outcome", range(5))
def test_what_is_decided_anew_stays_in_the_soft_tlb_for_one_block_only(world: World, outcome: int) -> None:
    world.machine["multi_hit"], world.machine["feat_bbm"] = outcome, 3 if outcome == SEEDED else 0
    conflict(world)
    flush(world)
    world.pe["limit_cycles"] = 1000
    found = access(world, PAGE_VA)
    passes = outcome in (AMALGAMATION, SEEDED)
    assert (int(world.pe["soft_flush"]), int(world.pe["limit_cycles"])) == ((1, 0) if passes else (0, 1000))
    assert (found is None) == (outcome == ABORT)


@pytest.mark.parametrize("outcome", range(5))
@pytest.mark.parametrize("va", [PAGE_VA, OTHER_VA, 0x1F_F000])
def test_a_tlbi_of_the_page_ends_the_conflict_and_one_elsewhere_in_the_block_leaves_the_page(world: World, outcome: int, va: int) -> None:
    world.machine["multi_hit"] = outcome
    conflict(world)
    tlbi(world, va)
    assert world.pe["unusual"] == 0
    assert access(world, PAGE_VA) == (BLOCK_PA if va == PAGE_VA else PAGES_PA) + PAGE_VA
    assert not world.events(EVENT_CONFLICT)


def test_the_overlap_is_remembered_as_long_as_one_is_left(world: World) -> None:
    access(world, 0x9000)
    conflict(world)
    tlbi(world, 0x40_0000)
    assert access(world, PAGE_VA) is access(world, 0x9000) is None
    for entry in world.entries("l2"):
        if entry["va"] == PAGE_VA:
            world.state.l2[0][world.state.l2[0]["va"] == PAGE_VA]["mask"] = 0
    tlbi(world, 0x9000)
    assert world.pe["unusual"] == 0 or access(world, 0x9000) is not None


def test_a_contiguous_run_over_one_of_its_pages_overlaps_it(world: World) -> None:
    access(world, PAGE_VA)
    for page in range(16):
        world.write(TABLE_PA + 8 * page, PAGES_PA + 4096 * page | PAGE | CONTIGUOUS)
    assert access(world, OTHER_VA) == PAGES_PA + OTHER_VA
    assert access(world, PAGE_VA) is None
    assert access(world, 0x1_0000) == PAGES_PA + 0x1_0000, "outside the run"


def test_entries_of_different_asids_do_not_conflict_and_a_global_one_conflicts_with_all(world: World) -> None:
    world.write(TABLE_PA + 8 * (PAGE_VA >> 12), PAGES_PA + PAGE_VA | PAGE | NG)
    for asid, leaf, second in ((1, NG, BLOCK_PA + PAGE_VA), (2, 0, BLOCK_PA + PAGE_VA)):
        world.write(RAM_PA, TABLE_PA | TABLE)
        world.pe["ttbr0"] = RAM_PA | asid << 48
        regime_changed(world.handle, 0)
        assert access(world, PAGE_VA) == PAGES_PA + PAGE_VA
        world.pe["ttbr0"] = RAM_PA | (asid + 8) << 48
        regime_changed(world.handle, 0)
        world.write(RAM_PA, BLOCK_PA | BLOCK | leaf)
        assert access(world, PAGE_VA) == second
    world.pe["ttbr0"] = RAM_PA | 1 << 48
    regime_changed(world.handle, 0)
    assert access(world, PAGE_VA) is None, "nG page of ASID 1 against the global block"
    world.pe["ttbr0"] = RAM_PA | 5 << 48
    regime_changed(world.handle, 0)
    assert access(world, PAGE_VA) == BLOCK_PA + PAGE_VA, "ASID 5 has the global block alone"


@pytest.mark.parametrize("order", ["small first", "large first"])
def test_a_global_entry_overlaps_a_non_global_one_whatever_their_sizes(world: World, order: str) -> None:
    first, second = (PAGE, BLOCK) if order == "small first" else (BLOCK, PAGE)

    def put(leaf: int) -> None:
        world.write(RAM_PA, BLOCK_PA | leaf if leaf & 2 == 0 else TABLE_PA | TABLE)
        if leaf & 2:
            world.write(TABLE_PA + 8 * (PAGE_VA >> 12), PAGES_PA + PAGE_VA | leaf)

    world.machine["multi_hit"] = OLD
    world.pe["ttbr0"] = RAM_PA | 1 << 48
    put(first | NG)
    oldest = access(world, PAGE_VA)
    world.pe["ttbr0"] = RAM_PA | 2 << 48
    regime_changed(world.handle, 0)
    put(second)
    newest = access(world, PAGE_VA)
    world.pe["ttbr0"] = RAM_PA | 1 << 48
    regime_changed(world.handle, 0)
    assert oldest != newest
    assert access(world, PAGE_VA) == oldest
    world.machine["multi_hit"] = NEW
    assert access(world, PAGE_VA) == newest


leaves = st.tuples(st.booleans(), st.booleans(), st.booleans(), st.booleans()).map(
    lambda bits: sum(flag for flag, chosen in zip((READ_ONLY, EL0, PXN, UXN), bits, strict=True) if chosen))


@given(old=leaves, new=leaves, pan=st.integers(0, 1), wxn=st.integers(0, 1))
@hypothesis_settings(deadline=None)
def test_an_amalgamation_never_permits_what_neither_entry_permits(old: int, new: int, pan: int, wxn: int) -> None:
    """Not even for writing and executing: whatever it permits, both permit, but that a page which EL0 loses may be read by EL1 under PAN."""
    allowed = {}
    for outcome in (OLD, NEW, AMALGAMATION):
        world = World(l1i=4, l1d=4, l2=(16, 4), walk_cache=(0, 0), ram_bytes=8 << 20)
        settle(world)
        world.machine["multi_hit"] = outcome
        world.pe["sctlr"] = 1 | wxn << 19
        world.write(TABLE_PA + 8 * (PAGE_VA >> 12), PAGES_PA + PAGE_VA | PAGE | old)
        access(world, PAGE_VA)
        world.write(RAM_PA, BLOCK_PA | BLOCK | new)
        access(world, OTHER_VA)
        translate(world.handle, 0, u64(PAGE_VA), READ, NO, NO)
        attributes = world.state.walked[0]["attributes"]
        allowed[outcome] = [int(permissions(attributes, world.pe["sctlr"], u64(el0), u64(pan))) for el0 in (0, 1)]
        world.close()
    for el0 in (0, 1):
        either = allowed[OLD][el0] | allowed[NEW][el0]
        assert allowed[AMALGAMATION][el0] & ~either == 0
        if not (pan or wxn):
            assert allowed[AMALGAMATION][el0] & ~(allowed[OLD][el0] & allowed[NEW][el0]) == 0


@pytest.mark.parametrize("level", range(4))
def test_seeded_gives_each_outcome_that_the_level_permits_and_no_other(world: World, level: int) -> None:
    world.machine["multi_hit"], world.machine["feat_bbm"] = SEEDED, level
    world.pe["random"] = 12345
    conflict(world)
    for _ in range(100):
        expected = probe(world.handle, 0, u64(PAGE_VA), READ, NO, NO)
        status = translate(world.handle, 0, u64(PAGE_VA), READ, NO, NO)
        assert status == expected
        flush(world)
    seen = {MULTI_HITS[event[3]] for event in world.events(EVENT_CONFLICT)}
    assert seen == set(MULTI_HITS_PERMITTED[level]) - {"seeded"}


def test_a_seeded_fetch_means_the_same_to_the_engine_and_to_the_model(world: World) -> None:
    world.machine["multi_hit"], world.machine["feat_bbm"] = SEEDED, 3
    conflict(world)
    pairs = []
    for _ in range(40):
        flush(world)
        pairs.append((access(world, PAGE_VA, FETCH), access(world, PAGE_VA, FETCH)))
    assert all(first == second for first, second in pairs)
    assert len(set(pairs)) == 2


@pytest.mark.parametrize("outcome", range(4))
def test_probe_says_what_the_next_access_gets_and_changes_nothing(world: World, outcome: int) -> None:
    world.machine["multi_hit"] = outcome
    conflict(world)
    before = world.state.pes.copy(), int(world.machine["ring_head"])
    status = probe(world.handle, 0, u64(PAGE_VA), READ, NO, NO)
    assert (world.state.pes == before[0]).all()
    assert int(world.machine["ring_head"]) == before[1]
    expected = world.walked().output(PAGE_VA)
    assert access(world, PAGE_VA) == (expected if status == OK else None)


# nT

@pytest.mark.parametrize("level", range(4))
def test_a_block_with_nt_is_held_by_no_tlb_and_walked_at_every_access_from_level_1_on(world: World, level: int) -> None:
    world.machine["feat_bbm"] = level
    world.write(RAM_PA, BLOCK_PA | BLOCK | 1 << 16)
    for _ in range(5):
        flush(world)
        world.pe["limit_cycles"] = 1000
        assert access(world, PAGE_VA) == BLOCK_PA + PAGE_VA
        assert int(world.pe["soft_flush"]) == (level > 0)
    assert int(world.pe["n_walks"]) == (5 if level else 1)
    assert len(world.entries("l2")) == len(world.entries("l1d")) == (0 if level else 1)


def test_the_engine_and_the_model_share_one_walk_of_a_fetch_through_nt(world: World) -> None:
    world.machine["feat_bbm"] = 1
    world.write(RAM_PA, BLOCK_PA | BLOCK | 1 << 16)
    for count in (1, 2, 3):
        flush(world)
        assert access(world, PAGE_VA, FETCH) == access(world, PAGE_VA, FETCH) == BLOCK_PA + PAGE_VA
        assert int(world.pe["n_walks"]) == count


@pytest.mark.parametrize("level", range(4))
def test_nt_faults_makes_an_access_through_nt_a_translation_fault_at_its_level(world: World, level: int) -> None:
    world.machine["feat_bbm"], world.machine["nt_faults"] = level, 1
    world.write(RAM_PA, BLOCK_PA | BLOCK | 1 << 16)
    expected = OK if level == 0 else int(FAULTED) | 0x06
    assert translate(world.handle, 0, u64(PAGE_VA), READ, NO, NO) == expected
    assert probe(world.handle, 0, u64(PAGE_VA), READ, NO, NO) == expected


def test_an_entry_held_before_nt_was_set_is_used_until_it_is_invalidated(world: World) -> None:
    world.machine["feat_bbm"], world.machine["nt_faults"] = 1, 1
    world.write(RAM_PA, BLOCK_PA | BLOCK)
    access(world, PAGE_VA)
    world.write(RAM_PA, BLOCK_PA | BLOCK | 1 << 16)
    assert access(world, PAGE_VA) == BLOCK_PA + PAGE_VA
    tlbi(world, 0)
    assert translate(world.handle, 0, u64(PAGE_VA), READ, NO, NO) == int(FAULTED) | 0x06


def test_a_store_through_a_clean_block_with_nt_sets_its_dirty_state(world: World) -> None:
    for name in ("feat_bbm", "hardware_af", "hardware_dirty"):
        world.machine[name] = 1
    world.pe["tcr"] = tcr_of(t0sz=34, ha=1, hd=1)
    world.write(RAM_PA, BLOCK_PA | BLOCK | 1 << 16 | READ_ONLY | 1 << 51)
    assert access(world, PAGE_VA, WRITE) == BLOCK_PA + PAGE_VA
    assert world.read(RAM_PA) == BLOCK_PA | BLOCK | 1 << 16 | 1 << 51
    assert dtypes.ATTRIBUTE_WRITABLE & int(world.state.walked[0]["attributes"])
