"""TLB maintenance: every operation by its encoding, what operands cover, and when a broadcast takes effect elsewhere and is complete."""
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.arch.memory_map import RAM_PA
from sim.arch.tlbi import TLB_INVALIDATES, TLB_INVALIDATES_BY_KEY, compose_range_operand, compose_va_operand, decode_range, operand_va
from sim.hot.tlbi import AUX_LAST_LEVEL, AUX_SCOPE_SHIFT, apply_due, issue
from sim.hot.translate import translate
from sim.hot.walk import OK
from sim.state import dtypes
from sim.state.events import EVENT_TLBI, EVENT_TLBI_DONE

from .translation_world import NG, NO, PAGE, READ, TABLE, World, tcr_of, u64

# What is held before each operation: name -> (VA, ASID of the translation, global)
PAGES = {"page of 5": 0x1000, "next page of 5": 0x2000, "far page of 5": 0x40_0000, "global": 0x3000}
EVERYTHING = {"page of 5", "next page of 5", "far page of 5", "global", "page of 6", "partial walks of 5", "partial walks of 6"}


@pytest.fixture
def world() -> Iterator[World]:
    world = World(pes=3, l1i=8, l1d=8, l2=(16, 4), walk_cache=(4, 4))
    world.write(RAM_PA, RAM_PA + 0x1000 | TABLE)
    world.write(RAM_PA + 16, RAM_PA + 0x2000 | TABLE)
    for page in (1, 2):
        world.write(RAM_PA + 0x1000 + 8 * page, 0x8000_0000 + 4096 * page | PAGE | NG)
    world.write(RAM_PA + 0x1000 + 8 * 3, 0x8000_0000 | PAGE)
    world.write(RAM_PA + 0x2000, 0x8000_0000 | PAGE | NG)
    for i, pe in enumerate(world.state.pes):
        pe["tcr"] = tcr_of(t0sz=34)
        for asid, vas in ((6, [0x1000]), (5, list(PAGES.values()))):
            pe["ttbr0"] = RAM_PA | asid << 48
            for va in vas:
                assert translate(world.handle, i, u64(va), READ, NO, NO) == OK
    world.machine["ring_head"] = world.machine["ring_tail"] = 0
    values = {"cluster_pes": 2, "dvm_same_cluster": 100, "dvm_same_socket": 110, "dvm_snoop": 10, "dvm_credits": 64, "cost_tlbi_issue": 4}
    for name, value in values.items():
        world.machine[name] = value
    yield world
    world.close()


def holds(world: World, i: int = 0) -> set[str]:
    result = {"partial walks of " + str(int(entry["asid"])) for entry in world.entries("walk_cache", i)}
    by_tag = {(0x1000, 5): "page of 5", (0x2000, 5): "next page of 5", (0x40_0000, 5): "far page of 5", (0x1000, 6): "page of 6",
              (0x3000, dtypes.ASID_GLOBAL): "global"}
    for entry in world.entries("l2", i):
        result.add(by_tag[int(entry["va"]), int(entry["asid"])])
    world.check_inclusion(i)
    return result


# Operand: page 0x1000 and ASID 5; the range forms cover 0x1000 to 0x2FFF. What goes besides.
DROPPED = {
    "VMALLE1": EVERYTHING,
    "VAE1": {"page of 5", "partial walks of 5"},
    "VALE1": {"page of 5"},
    "VAAE1": {"page of 5", "page of 6", "partial walks of 5", "partial walks of 6"},
    "VAALE1": {"page of 5", "page of 6"},
    "ASIDE1": {"page of 5", "next page of 5", "far page of 5", "partial walks of 5"},
    "RVAE1": {"page of 5", "next page of 5", "partial walks of 5"},
    "RVALE1": {"page of 5", "next page of 5"},
    "RVAAE1": {"page of 5", "next page of 5", "page of 6", "partial walks of 5", "partial walks of 6"},
    "RVAALE1": {"page of 5", "next page of 5", "page of 6"},
}


@pytest.mark.parametrize("suffix", ("", "IS", "OS"))
@pytest.mark.parametrize("form", sorted(DROPPED))
def test_operation_drops_what_it_names_here_at_once_and_there_when_due(world: World, form: str, suffix: str) -> None:
    operand = compose_range_operand(0x1000, 12, 0, 0, 5) if form.startswith("R") else compose_va_operand(0x1000, 5)
    for i in range(3):
        assert holds(world, i) == EVERYTHING
    assert issue(world.handle, 1, u64(TLB_INVALIDATES[form + suffix].key), u64(operand))
    left = EVERYTHING - DROPPED[form]
    if form in ("VAE1", "RVAE1", "VAAE1", "RVAAE1"):
        left |= {name for name in DROPPED[form] if name.startswith("partial")}      # those of the far page do not cover the operand
        far = {int(entry["va"]) for entry in world.entries("walk_cache", 1) if entry["asid"] == 5}
        assert far == {0x40_0000}
        left -= {"partial walks of 6"} if "VAA" in form else set()
    assert holds(world, 1) == left
    for i, due in ((0, 110), (2, 120)):                     # in its cluster, and in another one
        assert holds(world, i) == EVERYTHING
        assert apply_due(world.handle, i, u64(due - 1)) == 0
        assert holds(world, i) == EVERYTHING
        apply_due(world.handle, i, u64(due))
        assert holds(world, i) == (left if suffix else EVERYTHING)


@pytest.mark.parametrize("name", sorted(TLB_INVALIDATES))
def test_issue_charges_counts_and_emits(world: World, name: str) -> None:
    operation = TLB_INVALIDATES[name]
    operand = compose_range_operand(0x1000, 12, 0, 0, 5) if operation.is_range else compose_va_operand(0x1000, 5)
    assert issue(world.handle, 0, u64(operation.key), u64(operand))
    assert (world.pe["cycles"], world.pe["n_tlbi_issued"]) == (4, 1)
    aux = operation.kind | (int(AUX_LAST_LEVEL) if operation.last_level else 0) | operation.scope << int(AUX_SCOPE_SHIFT)
    by_va = operation.kind in (1, 2)
    expected = (0, 0, EVENT_TLBI, aux, 0x1000 if by_va else 0, (8192 if operation.is_range else 4096) if by_va else 0,
                5 if operation.kind in (1, 3) else 0)
    assert world.events() == [expected]
    assert (world.pe["tlbi_outstanding"], world.pe["tlbi_complete_cycles"]) == (operation.scope, 230 if operation.scope else 0)


@given(key=st.one_of(st.integers(0, 0xFFFF), st.integers(0, 127).map(lambda low: 1 << 14 | 8 << 7 | low)))
def test_issue_answers_exactly_the_operations_of_el1(key: int) -> None:
    world = World()
    assert bool(issue(world.handle, 0, u64(key), NO)) == (key in TLB_INVALIDATES_BY_KEY)
    world.close()


def issued(world: World, name: str, operand: int) -> tuple[int, ...]:
    """(VA, size, ASID) of the event of an operation."""
    world.machine["ring_head"] = world.machine["ring_tail"] = 0
    assert issue(world.handle, 0, u64(TLB_INVALIDATES[name].key), u64(operand))
    return world.events(EVENT_TLBI)[0][4:]


@given(operand=st.integers(0, 2**64 - 1))
def test_range_operand_is_read_as_the_architecture_says(operand: int) -> None:
    world = World()
    world.pe["tcr"] = tcr_of(as_=1)
    expected = decode_range(operand)
    va, size, asid = issued(world, "RVAE1", operand)
    assert (size, asid) == (expected.size_bytes, expected.asid)
    if size:
        assert va == expected.start_va
    world.close()


@pytest.mark.parametrize("granule", (12, 14, 16))
@given(operand=st.integers(0, 2**64 - 1))
def test_va_operand_is_rounded_down_to_the_granule_of_its_half(granule: int, operand: int) -> None:
    world = World()
    world.pe["tcr"] = tcr_of(granule, as_=operand & 1)
    size = 1 << granule
    asid = operand >> 48 if operand & 1 else operand >> 48 & 0xFF
    assert issued(world, "VAE1IS", operand) == (operand_va(operand) // size * size, size, asid)
    world.close()


def test_range_with_the_reserved_granule_drops_nothing_anywhere(world: World) -> None:
    operand = compose_range_operand(0x1000, 12, 0, 0, 5) & ~(3 << 46)
    assert issue(world.handle, 0, u64(TLB_INVALIDATES["RVAAE1IS"].key), u64(operand))
    assert holds(world, 0) == EVERYTHING
    assert world.state.pes[1]["tlbi_count"] == 0


def test_a_pe_that_is_off_gets_nothing_and_is_not_waited_for(world: World) -> None:
    world.state.pes[2]["status"] = dtypes.STATUS_OFF
    issue(world.handle, 0, u64(TLB_INVALIDATES["VMALLE1IS"].key), NO)
    assert [int(pe["tlbi_count"]) for pe in world.state.pes] == [0, 1, 0]
    assert world.pe["tlbi_complete_cycles"] == 210


def test_delay_grows_with_distance_and_the_last_answer_completes(world: World) -> None:
    world.pe["cycles"] = 1000
    issue(world.handle, 0, u64(TLB_INVALIDATES["VMALLE1IS"].key), NO)
    assert [int(pe["tlbi_due_cycles"]) for pe in world.state.pes] == [dtypes.NOWHERE, 1110, 1120]
    assert (world.pe["tlbi_complete_cycles"], world.pe["tlbi_outstanding"]) == (1230, 1)


def test_completion_of_an_earlier_broadcast_is_not_forgotten(world: World) -> None:
    issue(world.handle, 0, u64(TLB_INVALIDATES["VMALLE1IS"].key), NO)
    world.machine["dvm_same_cluster"] = world.machine["dvm_same_socket"] = 0
    issue(world.handle, 0, u64(TLB_INVALIDATES["VMALLE1IS"].key), NO)
    assert world.pe["tlbi_complete_cycles"] == 230


def test_what_is_due_is_applied_in_order_and_the_rest_stays(world: World) -> None:
    for travel, va in ((100, 0x1000), (150, 0x2000), (100, 0x40_0000)):
        world.pe["cycles"], world.machine["dvm_same_cluster"] = 0, travel
        issue(world.handle, 0, u64(TLB_INVALIDATES["VALE1IS"].key), u64(compose_va_operand(va, 5)))
    target = world.state.pes[1]
    assert target["tlbi_due_cycles"] == 110
    target["cycles"] = 130
    assert apply_due(world.handle, 1, u64(130)) == 4
    assert holds(world, 1) == EVERYTHING - {"page of 5", "far page of 5"}
    assert [(event[1], event[4], event[5], event[6]) for event in world.events(EVENT_TLBI_DONE)] == [(1, 0x1000, 0, 2), (1, 0x40_0000, 0, 2)]
    assert (target["tlbi_due_cycles"], target["tlbi_count"], target["n_tlbi_received"]) == (160, 1, 2)
    apply_due(world.handle, 1, u64(160))
    assert (target["tlbi_due_cycles"], target["tlbi_count"]) == (dtypes.NOWHERE, 0)
    assert holds(world, 1) == EVERYTHING - {"page of 5", "far page of 5", "next page of 5"}


def test_a_full_queue_becomes_one_invalidation_of_everything_that_is_never_late(world: World) -> None:
    for n in range(dtypes.TLBI_QUEUE_ENTRIES + 1):
        world.pe["cycles"] = 1000 + n
        issue(world.handle, 0, u64(TLB_INVALIDATES["VALE1IS"].key), u64(compose_va_operand(0x7000, 9)))
    target = world.state.pes[1]
    assert (target["tlbi_count"], target["tlbi_due_cycles"]) == (1, 1110)
    apply_due(world.handle, 1, u64(1110))
    assert holds(world, 1) == set()


def test_maintenance_forgets_the_page_of_instructions_and_asks_for_a_flush(world: World) -> None:
    for pe in world.state.pes:
        pe["code_va"], pe["soft_flush"] = 0x1000, 0
    issue(world.handle, 0, u64(TLB_INVALIDATES["VAE1IS"].key), u64(compose_va_operand(0x1000, 5)))
    apply_due(world.handle, 1, u64(1000))
    for i in (0, 1):
        assert (world.state.pes[i]["code_va"], world.state.pes[i]["soft_flush"]) == (dtypes.NOWHERE, 1)
    assert (world.state.pes[2]["code_va"], world.state.pes[2]["soft_flush"]) == (0x1000, 0)
