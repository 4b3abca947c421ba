"""TLBs: against a dictionary of what walks have found, and the rules of replacement, inclusion, fractions and the soft TLB one by one."""
import inspect
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numba
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numba.core.dispatcher import Dispatcher

from sim.arch.memory_map import RAM_PA
from sim.hot import address_translate as address_translate_module
from sim.hot import tlb
from sim.hot import tlbi as tlbi_module
from sim.hot import translate as translate_module
from sim.hot import walk as walk_module
from sim.hot.tlb import invalidate, lookup_l1, lookup_l2
from sim.hot.tlbi import apply_due, issue
from sim.hot.translate import probe, regime_changed, translate
from sim.hot.walk import FAULT_CONFLICT, FAULTED, OK
from sim.state import dtypes

from ..oracle import walker as oracle
from .translation_run import run
from .translation_world import (
    ACCESS_NAMES,
    BLOCK,
    CONTIGUOUS,
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

MIB2 = 1 << 21
REGIONS, PAGES = 3, 4                   # three level 2 descriptors, four pages under each
LEAF_FLAGS = (0, NG, NG | READ_ONLY, EL0, EL0 | NG, CONTIGUOUS, CONTIGUOUS | NG)
FORMS = {"vmalle1": (0, 0, False), "vae1": (1, 1, False), "aside1": (2, 3, False), "vaae1": (3, 2, False), "vale1": (5, 1, True),
         "vaale1": (7, 2, True)}         # op2, kind, last level only


# TTL of a by-VA operand with the 4 KB granule -> levels whose leaves may be relied on to go
ALL_LEVELS = (1, 2, 3)
HINTED = {0b0000: ALL_LEVELS, 0b0001: ALL_LEVELS, 0b0011: ALL_LEVELS, 0b0100: ALL_LEVELS, 0b0101: (1,), 0b0110: (2,), 0b0111: (3,), 0b1000: ALL_LEVELS,
          0b1001: ALL_LEVELS, 0b1010: (), 0b1011: (), 0b1100: ALL_LEVELS, 0b1101: (), 0b1110: (), 0b1111: ()}


@dataclass
class Model:
    """What one PE may hold: whole translations that its walks found, and tables that they passed, less what was invalidated."""

    held: list[oracle.Translation] = field(default_factory=list)
    tables: set[tuple[int, int, int]] = field(default_factory=set)      # (ASID, region, table PA)
    handed: dict[tuple[int, int], int] = field(default_factory=dict)    # (VA of the page, access) -> ASID: the engine's soft TLB

    def invalidate(self, kind: int, va: int, size: int, asid: int, last_level: bool, levels: tuple[int, ...] = ALL_LEVELS) -> None:
        """levels: those whose leaves go by VA; the tables here are all of level 3."""
        def covered(start: int, length: int, entry_asid: int | None) -> bool:
            if kind == 0:
                return True
            if kind == 3:
                return entry_asid == asid
            return start < va + size and va < start + length and (kind == 2 or entry_asid in (None, asid))

        by_va = kind in (1, 2)
        self.held = [each for each in self.held if (by_va and (2 if each.size >= MIB2 else 3) not in levels) or not covered(each.va, each.size, each.asid)]
        if not last_level and (not by_va or 3 in levels):
            self.tables = {each for each in self.tables if not covered(each[1] * MIB2, MIB2, each[0])}


class Pair:
    """Two PEs that share tables, their models, and TLBIs on their way."""

    def __init__(self, world: World) -> None:
        self.world, self.models = world, [Model(), Model()]
        self.asids = [0, 0]
        self.in_flight: list[tuple[int, int, tuple[int, int, int, int, bool, tuple[int, ...]]]] = []         # (PE, due, operation)
        self.now = 0
        for pe in world.state.pes:
            pe["tcr"] = tcr_of(t0sz=34)

    def candidates(self, i: int, va: int, tables: list[int] | None) -> list[oracle.Translation | oracle.Fault]:
        """What walks of PE i find now: from the root, or from cached tables."""
        world, regime, entry_pa = self.world, self.world.regime(i), RAM_PA + 8 * (va // MIB2)
        if tables is None:
            return [oracle.walk(regime, va, world.read).result]
        return [oracle.walk(regime, va, lambda pa, t=table: t | TABLE if pa == entry_pa else world.read(pa)).result     # type: ignore[misc]
                for table in tables]

    def access(self, i: int, va: int, access: int, el0: int) -> None:
        world, model, pe, asid = self.world, self.models[i], self.world.state.pes[i], self.asids[i]
        walks, cached = int(pe["n_walks"]), int(pe["n_walk_cache_hits"])
        status = int(translate(world.handle, i, u64(va), u64(access), u64(el0), NO))
        if int(pe["n_walks"]) == walks:
            found: list[oracle.Translation | oracle.Fault] = [
                each for each in model.held if each.va <= va < each.va + each.size and each.asid in (None, asid)]
        elif int(pe["n_walk_cache_hits"]) > cached:
            found = self.candidates(i, va, [table for owner, region, table in model.tables if (owner, region) == (asid, va // MIB2)])
        else:
            found = self.candidates(i, va, None)
            descriptor = world.read(RAM_PA + 8 * (va // MIB2)) or 0
            if descriptor & 3 == TABLE:
                model.tables.add((asid, va // MIB2, descriptor & ~0xFFF))
        if status == FAULT_CONFLICT:
            assert int(pe["n_walks"]) == walks
            assert len(set(found)) > 1, f"PE {i} met a conflict at {va:#x}, which only {found} answer"
            self.check(i)
            return
        fitting = [each for each in found if self.outcome(each, va, access, el0) == self.actual(i, status, va)]
        assert fitting, f"PE {i} got {self.actual(i, status, va)} for {va:#x}, possible {found}"
        if int(pe["n_walks"]) > walks:
            model.held += [each for each in fitting if isinstance(each, oracle.Translation)]
        if status == OK:
            model.handed[va & ~0xFFF, access] = asid
        self.check(i)

    @staticmethod
    def outcome(found: oracle.Translation | oracle.Fault, va: int, access: int, el0: int) -> object:
        if isinstance(found, oracle.Fault):
            return int(FAULTED) | found.code
        if not oracle.permitted(found, ACCESS_NAMES[access], bool(el0), False, False):
            return int(FAULTED) | oracle.PERMISSION + found.level
        return replace(found, va=va, pa=found.output(va), size=0)

    def actual(self, i: int, status: int, va: int) -> object:
        walked = self.world.walked(i)
        return replace(walked, va=va, pa=walked.output(va), size=0) if status == OK else status

    def maintain(self, i: int, form: str, scope: int, va: int, asid: int, ttl: int = 0) -> None:
        op2, kind, last_level = FORMS[form]
        crm = (7, 3, 1)[scope]
        operation = (kind, va & ~0xFFF, 4096, asid, last_level, HINTED[ttl] if self.world.machine["strict_ttl"] else ALL_LEVELS)
        assert issue(self.world.handle, i, u64(1 << 14 | 8 << 7 | crm << 3 | op2), u64(asid << 48 | ttl << 44 | va >> 12))
        self.models[i].invalidate(*operation)
        if scope:
            self.in_flight.append((1 - i, self.now + 100, operation))
        self.check(i)

    def advance(self, cycles: int) -> None:
        self.now += cycles
        for i, pe in enumerate(self.world.state.pes):
            pe["cycles"] = self.now
            apply_due(self.world.handle, i, u64(self.now))
            for target, due, operation in self.in_flight:
                if target == i and due <= self.now:
                    self.models[i].invalidate(*operation)
            self.check(i)
        self.in_flight = [each for each in self.in_flight if each[1] > self.now]

    def switch(self, i: int, asid: int) -> None:
        self.asids[i] = asid
        self.world.state.pes[i]["ttbr0"] = RAM_PA | asid << 48
        regime_changed(self.world.handle, i)
        self.check(i)

    def check(self, i: int) -> None:
        """Inclusion; and what the engine holds is held by L2 (or by L1), unless the engine has been told to flush."""
        self.world.check_inclusion(i)
        pe, handed = self.world.state.pes[i], self.models[i].handed
        if pe["soft_flush"]:
            pe["soft_flush"] = 0
            pe["soft_generation"] += u64(1)
            handed.clear()
        for (va, access), asid in handed.items():
            assert lookup_l2(self.world.handle, i, u64(va), u64(asid)) >= 0
            assert probe(self.world.handle, i, u64(va), u64(access), NO, NO) != FAULT_CONFLICT, "the engine goes on using one of two entries"
            if self.world.machine["soft_subset_of_l1"]:
                assert lookup_l1(self.world.handle, i, u64(va), u64(asid), access == int(FETCH)) >= 0


pes, regions, pages = st.integers(0, 1), st.integers(0, REGIONS - 1), st.integers(0, PAGES - 1)
operations = st.lists(min_size=20, max_size=80, elements=st.one_of(
    st.tuples(st.just("access"), pes, regions, pages, st.sampled_from((READ, WRITE, FETCH)), st.integers(0, 1)),
    st.tuples(st.just("access"), pes, regions, pages, st.sampled_from((READ, WRITE)), st.just(0)),
    st.tuples(st.just("page"), regions, st.integers(0, 1), pages, st.integers(-1, len(LEAF_FLAGS) - 1), st.integers(0, 3)),
    st.tuples(st.just("region"), regions, st.sampled_from(("invalid", "a", "b", "block", "run")), st.integers(0, len(LEAF_FLAGS) - 1)),
    st.tuples(st.just("replace"), pes, regions, pages, pages, st.integers(0, len(LEAF_FLAGS) - 1)),
    st.tuples(st.just("tlbi"), pes, st.sampled_from(sorted(FORMS)), st.integers(0, 2), regions, pages, st.integers(0, 2),
              st.sampled_from((0, 0b0110, 0b0111, *HINTED))),
    st.tuples(st.just("asid"), pes, st.integers(0, 2)),
    st.tuples(st.just("advance"), st.sampled_from((1, 60, 200))),
))
geometries = st.fixed_dictionaries({
    "l1": st.sampled_from((1, 2, 4)), "l2": st.sampled_from(((1, 2), (2, 2), (3, 1), (8, 4))), "walk_cache": st.sampled_from(((0, 0), (1, 1), (2, 2))),
    "l1d_max_entry_bytes": st.sampled_from((4096, 1 << 16, 1 << 20, 1 << 48)), "l2_max_entry_bytes": st.sampled_from((4096, 1 << 20, 1 << 48)),
    "multi_hit": st.integers(0, 2), "strict_ttl": st.integers(0, 1),
    "random_replacement": st.integers(0, 1), "soft_subset_of_l1": st.integers(0, 1),
})


def apply_operation(pair: Pair, name: str, *rest: int | str) -> None:
    world = pair.world
    if name == "access":
        i, region, page, access, el0 = (int(each) for each in rest)
        pair.access(i, region * MIB2 + page * 4096 + 8, access, el0)
    elif name == "page":
        region, table, page, flags, output = (int(each) for each in rest)
        leaf = 0 if flags < 0 else (RAM_PA + output * 0x1_0000 + page * 4096) | PAGE | LEAF_FLAGS[flags]
        world.write(table_pa(region, table) + 8 * page, leaf)
    elif name == "region":
        region, what, flags = int(rest[0]), rest[1], LEAF_FLAGS[int(rest[2])]
        if what == "run":
            for page in range(16):
                world.write(table_pa(region, 0) + 8 * page, (RAM_PA + 0x9_0000 + page * 4096) | PAGE | CONTIGUOUS | flags)
            what = "a"
        value = {"invalid": 0, "a": table_pa(region, 0) | TABLE, "b": table_pa(region, 1) | TABLE,
                 "block": RAM_PA + 0x80_0000 + region * MIB2 | BLOCK | flags & ~CONTIGUOUS}[str(what)]
        world.write(RAM_PA + 8 * region, value)
    elif name == "replace":                                      # a block over its table without a break, and what a PE then meets
        i, region, page, other, flags = (int(each) for each in rest)
        pair.access(i, region * MIB2 + page * 4096, int(READ), 0)
        apply_operation(pair, "region", region, "block", flags)
        pair.maintain(i, "vae1", 0, region * MIB2 + other * 4096, pair.asids[i])
        pair.access(i, region * MIB2 + other * 4096, int(READ), 0)
        pair.access(i, region * MIB2 + page * 4096, int(READ), 0)
    elif name == "tlbi":
        i, form, scope, region, page, asid, ttl = rest
        pair.maintain(int(i), str(form), int(scope), int(region) * MIB2 + int(page) * 4096, int(asid), int(ttl))
    elif name == "asid":
        pair.switch(int(rest[0]), int(rest[1]))
    else:
        pair.advance(int(rest[0]))


def table_pa(region: int, table: int) -> int:
    return RAM_PA + 0x1000 * (1 + 2 * region + table)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=operations, geometry=geometries)
def test_translate_gives_the_present_translation_or_one_not_yet_invalidated(steps: list[tuple[int | str, ...]],
                                                                           geometry: dict[str, int | tuple[int, int]]) -> None:
    """A dictionary of walks: no walk, then something that a walk found earlier and no TLBI has covered; a walk, then the present tables.

    A TLB conflict abort is taken only where two of them answer.
    """
    settings_of = dict(geometry)
    entries = int(settings_of.pop("l1"))                         # type: ignore[call-overload]
    world = World(2, l1i=entries, l1d=entries, l2=settings_of.pop("l2"), walk_cache=settings_of.pop("walk_cache"))   # type: ignore[arg-type]
    for name, value in settings_of.items():
        world.machine[name] = value
    world.machine["dvm_same_socket"], world.machine["dvm_snoop"], world.machine["dvm_credits"] = 90, 10, 64
    pair = Pair(world)
    for region in range(REGIONS):
        apply_operation(pair, "region", region, "a", 0)
        for page in range(PAGES):
            apply_operation(pair, "page", region, 0, page, (region + page) % 5, page)
    for name, *rest in steps:
        apply_operation(pair, str(name), *rest)
    world.close()


# Case by case

@pytest.fixture
def world() -> Iterator[World]:
    world = World(l1i=4, l1d=4, l2=(16, 4), walk_cache=(2, 2))
    settle(world)
    yield world
    world.close()


def settle(world: World) -> None:
    """512 pages and three blocks of 2 MiB after them."""
    world.pe["tcr"] = tcr_of(t0sz=34)
    world.write(RAM_PA, RAM_PA + 0x1000 | TABLE)
    for page in range(512):
        world.write(RAM_PA + 0x1000 + 8 * page, RAM_PA + 0x1_0000 + 4096 * page | PAGE | NG)
    for block in range(1, 4):
        world.write(RAM_PA + 8 * block, 0x8000_0000 + MIB2 * block | BLOCK | NG)


def touch(world: World, *vas: int, access: object = READ) -> None:
    for va in vas:
        assert translate(world.handle, 0, u64(va), access, NO, NO) == OK


def held_vas(world: World, name: str) -> set[int]:
    return {int(entry["va"]) for entry in world.entries(name)}


def test_fifo_replaces_the_oldest_fill_whatever_was_hit_since(world: World) -> None:
    touch(world, 0x1000, 0x2000, 0x3000, 0x4000, 0x1000, 0x1000, 0x5000)
    assert held_vas(world, "l1d") == {0x2000, 0x3000, 0x4000, 0x5000}


def test_an_empty_slot_is_filled_before_anything_is_replaced(world: World) -> None:
    touch(world, 0x1000, 0x2000, 0x3000, 0x4000)
    assert invalidate(world.handle, 0, tlb.KIND_VA, u64(0x3000), u64(4096), NO, YES) == 2
    touch(world, 0x5000)
    assert held_vas(world, "l1d") == {0x1000, 0x2000, 0x4000, 0x5000}


def test_random_replacement_repeats_with_its_seed_and_changes_with_it() -> None:
    def remaining(seed: int) -> list[set[int]]:
        world = World(l1d=4, l2=(16, 4))
        settle(world)
        world.machine["random_replacement"], world.pe["random"] = 1, seed
        result = []
        for page in range(1, 40):
            touch(world, page * 4096)
            result.append(held_vas(world, "l1d"))
        world.close()
        return result

    assert remaining(7) == remaining(7)
    assert remaining(7) != remaining(8)


def test_instruction_and_data_tlbs_are_separate_and_share_l2(world: World) -> None:
    touch(world, 0x1000)
    touch(world, 0x2000, access=FETCH)
    assert (held_vas(world, "l1d"), held_vas(world, "l1i"), held_vas(world, "l2")) == ({0x1000}, {0x2000}, {0x1000, 0x2000})


def test_eviction_from_l2_takes_the_l1_entries_along_and_flushes_what_was_handed_out() -> None:
    world = World(l1i=4, l1d=4, l2=(1, 2))
    settle(world)
    touch(world, 0x1000, 0x2000)
    assert world.pe["soft_flush"] == 0
    touch(world, 0x3000)
    assert held_vas(world, "l1d") == held_vas(world, "l2") == {0x2000, 0x3000}
    assert (world.pe["soft_flush"], world.pe["n_l2_evictions"]) == (1, 1)
    world.close()


@pytest.mark.parametrize("subset_of_l1", (0, 1))
def test_eviction_from_l1_flushes_only_if_the_soft_tlb_is_a_subset_of_l1(world: World, subset_of_l1: int) -> None:
    world.machine["soft_subset_of_l1"] = subset_of_l1
    touch(world, 0x1000, 0x2000, 0x3000, 0x4000)
    assert world.pe["soft_flush"] == 0
    touch(world, 0x5000)
    assert world.pe["soft_flush"] == subset_of_l1


def test_entries_handed_out_before_the_last_flush_do_not_ask_for_another(world: World) -> None:
    touch(world, 0x1000)
    world.pe["soft_generation"] += u64(1)
    assert invalidate(world.handle, 0, tlb.KIND_ALL, NO, NO, NO, NO) == 3       # L1, L2 and the partial walk
    assert world.pe["soft_flush"] == 0


def test_l1_holds_fractions_of_a_block_that_l2_holds_whole(world: World) -> None:
    world.machine["l1d_max_entry_bytes"] = 1 << 20
    touch(world, MIB2 + 0x1000, MIB2 + 0x10_1000)
    assert held_vas(world, "l1d") == {MIB2, MIB2 + 0x10_0000}
    assert held_vas(world, "l2") == {MIB2}
    assert world.walked().pa == 0x8000_0000 + MIB2 + 0x10_0000


@pytest.mark.parametrize("name", ("l1d_max_entry_bytes", "l2_max_entry_bytes"))
def test_invalidating_any_address_of_a_block_drops_every_fraction_of_it(world: World, name: str) -> None:
    world.machine[name] = 1 << 16
    touch(world, MIB2, MIB2 + 0x1_0000, MIB2 + 0x1F_0000, 2 * MIB2, 0x1000)
    invalidate(world.handle, 0, tlb.KIND_VA, u64(MIB2 + 0x8_8000), u64(4096), NO, YES)
    assert held_vas(world, "l2") == {2 * MIB2, 0x1000}
    assert held_vas(world, "l1d") <= {2 * MIB2, 0x1000}
    invalidate(world.handle, 0, tlb.KIND_VA, u64(2 * MIB2 + 0x8_8000), u64(4096), NO, YES)
    assert (held_vas(world, "l2"), int(world.pe["l2_fractured"])) == ({0x1000}, 0)


def test_one_invalidation_drops_a_contiguous_run(world: World) -> None:
    for page in range(16):
        world.write(RAM_PA + 0x1000 + 8 * (16 + page), 0x8000_0000 + 4096 * page | PAGE | CONTIGUOUS)
    touch(world, 0x1_3000)
    assert [(int(entry["va"]), int(~entry["mask"]) + 1) for entry in world.entries("l2")] == [(0x1_0000, 0x1_0000)]
    invalidate(world.handle, 0, tlb.KIND_VA, u64(0x1_F000), u64(4096), NO, YES)
    assert not world.entries("l2")


@pytest.mark.parametrize(("kind", "asid", "last_level", "leaves", "partial"), (
    (tlb.KIND_VA, 3, 0, {0x2000}, set()), (tlb.KIND_VA, 3, 1, {0x2000}, {3}), (tlb.KIND_VA, 4, 0, {0x1000, 0x2000}, {3}),
    (tlb.KIND_VA_ALL_ASID, 9, 0, {0x2000}, set()), (tlb.KIND_VA_ALL_ASID, 9, 1, {0x2000}, {3}),
    (tlb.KIND_ASID, 3, 0, {0x2000}, set()), (tlb.KIND_ASID, 4, 0, {0x1000, 0x2000}, {3}), (tlb.KIND_ALL, 0, 0, set(), set())))
def test_each_kind_drops_its_leaves_and_partial_walks(world: World, kind: object, asid: int, last_level: int, leaves: set[int],
                                                      partial: set[int]) -> None:
    """Page 0x1000 belongs to ASID 3, page 0x2000 is global, the partial walk belongs to ASID 3."""
    world.pe["ttbr0"] = RAM_PA | 3 << 48
    world.write(RAM_PA + 0x1000 + 16, 0x8000_0000 | PAGE)
    touch(world, 0x1000, 0x2000)
    dropped = int(invalidate(world.handle, 0, kind, u64(0x1000), u64(4096), u64(asid), u64(last_level)))
    assert held_vas(world, "l2") == held_vas(world, "l1d") == leaves
    assert {int(entry["asid"]) for entry in world.entries("walk_cache")} == partial
    assert dropped == 2 * (2 - len(leaves)) + 1 - len(partial)
    assert world.pe["code_va"] == u64(dtypes.NOWHERE)
    assert world.pe["soft_flush"] == (1 if len(leaves) < 2 else 0)


def test_a_global_entry_goes_with_an_invalidation_by_va_of_any_asid(world: World) -> None:
    world.write(RAM_PA + 0x1000 + 16, 0x8000_0000 | PAGE)
    touch(world, 0x2000)
    invalidate(world.handle, 0, tlb.KIND_VA, u64(0x2000), u64(4096), u64(77), YES)
    assert not world.entries("l2")


def test_a_range_that_reaches_the_top_of_the_address_space_ends_there(world: World) -> None:
    world.pe["tcr"], world.pe["ttbr1"] = tcr_of(t0sz=34, t1sz=34), RAM_PA
    world.write(RAM_PA + 8 * 511, RAM_PA + 0x1000 | TABLE)
    touch(world, 0x1000, (1 << 64) - 0x1000)
    assert invalidate(world.handle, 0, tlb.KIND_VA, u64((1 << 64) - 0x4000), u64(1 << 30), NO, NO) == 3
    assert held_vas(world, "l2") == {0x1000}


def test_a_long_range_and_a_page_by_page_one_drop_the_same() -> None:
    def remaining(ranges: list[tuple[int, int]]) -> set[int]:
        world = World(l2=(16, 4))
        settle(world)
        touch(world, *range(0x1000, 0x3_0000, 0x1000), MIB2, 2 * MIB2)
        for va, size in ranges:
            invalidate(world.handle, 0, tlb.KIND_VA, u64(va), u64(size), NO, YES)
        world.check_inclusion()
        result = held_vas(world, "l2")
        world.close()
        return result

    whole = remaining([(0x8000, 0x1_8000)])
    assert whole == remaining([(va, 4096) for va in range(0x8000, 0x2_0000, 0x1000)])
    assert whole & set(range(0x8000, 0x2_0000, 0x1000)) == set()
    assert {0x1000, MIB2, 2 * MIB2} <= whole


# Compiled, uncompiled, with bounds checks

INDICES = {"slot", "l2_slot", "candidate", "hint", "first", "way", "ways", "which_set", "position", "i", "j"}


@pytest.mark.slow
@pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="NUMBA_DISABLE_JIT is set")
def test_no_variable_is_a_float_and_only_indices_are_signed() -> None:
    """Addresses in the upper half would come out wrong. Compiles every function anew, because the cache keeps no types of variables."""
    word, index, flag = numba.uint64, numba.int64, numba.boolean
    entries = numba.from_dtype(dtypes.TLB_ENTRY)[::1]
    kinds = {"i": index, "j": index, "slot": index, "l2_slot": index, "is_fetch": flag, "is_range": flag, "covers": flag, "entry": entries.dtype,
             "walked": entries.dtype, "to": entries.dtype, "source": entries.dtype, "pe": numba.from_dtype(dtypes.PE), "entries": entries,
             "parents": entries, "bound": index, "following": word[::1], "which_set": index, "ways": index}
    checked, signed = 0, []
    for module in (tlb, walk_module, translate_module, tlbi_module, address_translate_module):
        for name, function in vars(module).items():
            if not isinstance(function, Dispatcher) or function.py_func.__module__ != module.__name__ or name == "_move":
                continue
            fresh = numba.njit(function.py_func)
            arguments = tuple(kinds.get(each, word) for each in inspect.signature(function.py_func).parameters)
            fresh.compile(arguments)
            annotation = fresh.overloads[arguments].type_annotation
            for variable, kind in annotation.typemap.items():
                assert not isinstance(kind, numba.types.Float), (name, variable, kind)
                base = variable.split(".")[0]
                named = base and not base.startswith(("$", "arg")) and base not in INDICES | set(kinds)
                if isinstance(kind, numba.types.Integer) and kind.signed and named:
                    signed.append((name, variable, kind))
            checked += 1
    assert not signed
    assert checked > 40

def run_apart(**environment: str) -> str:
    program = Path(__file__).with_name("translation_run.py")
    done = subprocess.run([sys.executable, program], env=os.environ | environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_uncompiled_functions_leave_the_same_log_and_state() -> None:
    assert run_apart(NUMBA_DISABLE_JIT="1") == run()


@pytest.mark.slow
def test_compiled_with_bounds_checks_they_never_index_outside_an_array() -> None:
    assert run_apart(NUMBA_BOUNDSCHECK="1") == run()
