"""What the pipeline and branch prediction do to the clock, end to end."""
import pytest

from sim.timing.profile import load_profile

from .support import ALL_INTERLEAVINGS, run

PROFILE = load_profile("cortex-a72")
CODE = """
main:
    cbnz x0, park
    mov x19, #60
outer:
    mov x8, #50
inner:
    ldr x1, [sp]
    add x2, x2, x1
    mul x3, x3, x2
    str x3, [sp]
    eor x4, x4, x3, lsl #3
    madd x5, x4, x2, x5
    subs x8, x8, #1
    b.ne inner
    bl function
    mrs x9, tpidr_el1
    cmp x9, x5
    csel x6, x9, x5, ne
    ldp x7, x10, [sp]
    msr tpidr_el1, x6
    add x6, x6, x7
    cbz x6, 1f
    udiv x6, x6, x7
1:  sub x19, x19, #1
    cbnz x19, outer
    b off
function:
    ldr x11, [sp]
    ldr x12, [sp, #8]
    add x11, x11, x12
    ret
"""


@pytest.mark.parametrize("profile", ["cortex-a53", "cortex-a72", "neoverse-n1"])
def test_single_instructions_add_up_to_what_whole_blocks_cost(profile: str) -> None:
    timed, exact = (run(CODE, interleaving=interleaving, profile=profile, coherence=False).result.statistics[0] for interleaving in ("block", "instruction"))
    for name in ("instructions", "branches", "mispredicts"):
        assert timed[name] == exact[name], name
    assert abs(timed["cycles"] - exact["cycles"]) <= 0.01 * exact["cycles"]


def mispredicts(text: str, interleaving: str = "block") -> tuple[int, int]:
    """(branches, mispredicted) of a run."""
    counts = run(text, interleaving=interleaving).result.statistics[0]
    assert counts["mispredict_cycles"] == counts["mispredicts"] * PROFILE.pipeline.mispredict_cycles
    return counts["branches"], counts["mispredicts"]


LOOP = "main:\nmov x1, #{outer}\n1: mov x2, #{inner}\n2: add x3, x3, #1\nsub x2, x2, #1\ncbnz x2, 2b\nsub x1, x1, #1\ncbnz x1, 1b\nb off\n"


@pytest.mark.parametrize("interleaving", ALL_INTERLEAVINGS)
def test_a_loop_is_mispredicted_once_each_time_it_is_left(interleaving: str) -> None:
    few, many = (mispredicts(LOOP.format(outer=outer, inner=9), interleaving) for outer in (10, 30))
    assert many[1] - few[1] == 20
    assert many[0] - few[0] == 20 * 10
    longer = mispredicts(LOOP.format(outer=10, inner=1000), interleaving)
    assert longer == (few[0] + 10 * 991, few[1])


CALLS = "main:\nmov x1, #20\n1: bl 3f\nbl 3f\nbl 4f\nsub x1, x1, #1\ncbnz x1, 1b\nb off\n3: ret\n4: mov x20, x30\n{inside}\nmov x30, x20\nret\n"


@pytest.mark.parametrize("interleaving", ALL_INTERLEAVINGS)
def test_returns_go_where_the_call_came_from_and_are_not_mispredicted(interleaving: str) -> None:
    nothing = mispredicts(LOOP.format(outer=20, inner=1), interleaving)[1]
    assert mispredicts(CALLS.format(inside="bl 3b"), interleaving)[1] - nothing <= 1


@pytest.mark.parametrize("interleaving", ALL_INTERLEAVINGS)
def test_a_return_to_elsewhere_is_mispredicted_each_time(interleaving: str) -> None:
    plain = mispredicts(CALLS.format(inside="nop"), interleaving)[1]
    assert mispredicts(CALLS.format(inside="adr x30, 5f\nret\n5: nop"), interleaving)[1] - plain == 40, "the odd return, and the one whose place it took"


@pytest.mark.parametrize("interleaving", ALL_INTERLEAVINGS)
def test_an_indirect_branch_is_expected_where_it_went_last(interleaving: str) -> None:
    text = "main:\nmov x1, #40\nadr x4, 3f\nadr x5, 4f\n1: {choose}\nbr x6\n3: nop\n4: sub x1, x1, #1\ncbnz x1, 1b\nb off\n"
    same = mispredicts(text.format(choose="mov x6, x4"), interleaving)[1]
    turns = mispredicts(text.format(choose="tst x1, #1\ncsel x6, x4, x5, eq"), interleaving)[1]
    assert turns - same == 39


def test_a_loop_interrupted_by_its_own_faults_still_counts_its_rounds() -> None:
    text = "main:\nmov x1, #30\n1: svc #0\nmov x2, #5\n2: sub x2, x2, #1\ncbnz x2, 2b\nsub x1, x1, #1\ncbnz x1, 1b\nb off\n"
    branches, wrong = mispredicts(text)
    assert branches >= 30 * 6
    assert wrong <= 30 + 10


def test_the_parts_of_the_time_are_no_more_than_the_whole() -> None:
    counts = run(CODE.replace("mov x19, #60", "bl mmu_on\n    mov x19, #60")).result.statistics[0]
    parts = ("tlb_cycles", "entry_cycles", "return_cycles", "dsb_cycles", "mispredict_cycles", "wait_cycles")
    assert 0 < sum(counts[name] for name in parts) < counts["cycles"]
    assert counts["tlb_cycles"] >= counts["walk_cycles"] > 0
