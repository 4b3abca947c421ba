"""Branch prediction: what a block that ends with a branch costs more when the next one is not where it was expected.

Conditional branches have two-bit counters, indexed by PA and without tags; one not met before is expected to go back, but not forward. RET
is expected to return behind the last BL or BLR, from a stack that forgets the oldest; BR and BLR to go where they went last, by PA.
B, BL and ERET are never wrong. A wrong one costs `mispredict_cycles` before the next block begins. Each PE has its own tables.

A loop of one block is accounted for when it is left: rounds are counted by the block hook, which does nothing else for them.
Not modelled: history, confidence, targets unknown at decode, wrong-path fetches and their TLB misses, what is shared by address spaces.
"""
import numpy as np
from numba import njit

from sim.state import dtypes
from sim.state.handle import branch_targets_of, machine_of, pe_of, predictor_of, return_stack_of

u64, u8 = np.uint64, np.uint8
ZERO, ONE, TWO, FOUR, THIRTY_ONE = u64(0), u64(1), u64(2), u64(4), u64(31)
NOWHERE = u64(dtypes.NOWHERE)
#: BLOCK_FACTS.branch, PE.branch: how a block ends.
NO_BRANCH, FORWARD, BACKWARD, CALL, INDIRECT, INDIRECT_CALL, RETURN = u64(0), u64(1), u64(2), u64(3), u64(4), u64(5), u64(6)
_TARGETS_MASK = u64(dtypes.BRANCH_TARGETS - 1)
_UNSEEN, _LEAST, _NOT_TAKEN, _TAKEN, _MOST = u8(0), u8(1), u8(2), u8(3), u8(4)
_TRAINED = u64(3)                       # after so many rounds alike a counter cannot change
_CONDITION_MASK, _CONDITION = u64(0xFF00_0010), u64(0x5400_0000)
_COMPARE_MASK, _COMPARE, _TEST = u64(0x7E00_0000), u64(0x3400_0000), u64(0x3600_0000)
_IMMEDIATE_SIGN, _TEST_SIGN = u64(1 << 23), u64(1 << 18)
_CALL_MASK, _CALL = u64(0xFC00_0000), u64(0x9400_0000)
_REGISTER_MASK, _REGISTER, _OPERATION_SHIFT, _OPERATION_MASK = u64(0xFE00_0000), u64(0xD600_0000), u64(21), u64(7)


@njit(cache=True)
def branch_kind(word):  # type: ignore[no-untyped-def]
    """How an A64 word branches: one of the kinds above; NO_BRANCH also for B, ERET and exceptions."""
    if word & _CONDITION_MASK == _CONDITION or word & _COMPARE_MASK == _COMPARE:
        return BACKWARD if word & _IMMEDIATE_SIGN != ZERO else FORWARD
    if word & _COMPARE_MASK == _TEST:
        return BACKWARD if word & _TEST_SIGN != ZERO else FORWARD
    if word & _CALL_MASK == _CALL:
        return CALL
    if word & _REGISTER_MASK != _REGISTER:
        return NO_BRANCH
    operation = (word >> _OPERATION_SHIFT) & _OPERATION_MASK
    if operation == ZERO:
        return INDIRECT
    if operation == ONE:
        return INDIRECT_CALL
    return RETURN if operation == TWO else NO_BRANCH


@njit
def _conditional(m, i, pa, backward, rounds, taken):  # type: ignore[no-untyped-def]
    """A conditional branch was taken `rounds` times, then went as `taken` says. Returns how often its counter was wrong."""
    counters = predictor_of(m, i)
    k = np.int64((pa >> TWO) & machine_of(m)["predictor_mask"])
    state, wrong = counters[k], ZERO
    for n in range(np.int64(min(rounds, _TRAINED)) + 1):
        goes = taken if n == np.int64(min(rounds, _TRAINED)) else True
        if state == _UNSEEN:
            expected = backward
            state = _TAKEN if goes else _NOT_TAKEN
        else:
            expected = state >= _TAKEN
            if goes:
                state = u8(min(state + u8(1), _MOST))
            else:
                state = u8(max(state - u8(1), _LEAST))
        if expected != goes:
            wrong += ONE
    counters[k] = state
    return wrong


@njit
def _push(m, i, va):  # type: ignore[no-untyped-def]
    pe = pe_of(m, i)
    top = (pe["return_top"] + ONE) % machine_of(m)["return_stack_entries"]
    return_stack_of(m, i)[np.int64(top)] = va
    pe["return_top"] = top


@njit
def _pop(m, i):  # type: ignore[no-untyped-def]
    """The address that a return is expected to go to."""
    pe, stack, entries = pe_of(m, i), return_stack_of(m, i), machine_of(m)["return_stack_entries"]
    top = pe["return_top"]
    va = stack[np.int64(top)]
    stack[np.int64(top)] = NOWHERE
    pe["return_top"] = (top + entries - ONE) % entries
    return va


@njit
def resolve_branch(m, i, target):  # type: ignore[no-untyped-def]
    """The block under way of PE i has run to its end, and the branch there (PE.branch, not NO_BRANCH) has gone to `target`."""
    pe = pe_of(m, i)
    kind, rounds = pe["branch"], pe["blocks"] - pe["round_blocks"]
    behind, pa = pe["block_va"] + pe["block_bytes"], pe["block_pa"] + pe["block_bytes"] - FOUR
    pe["branch"] = NO_BRANCH
    wrong = ZERO
    if kind == FORWARD or kind == BACKWARD:
        wrong = _conditional(m, i, pa, kind == BACKWARD, rounds, target != behind)
    elif kind == RETURN:
        if _pop(m, i) != target:
            wrong = ONE
    elif kind == INDIRECT or kind == INDIRECT_CALL:
        targets = branch_targets_of(m, i)
        k = np.int64((pa >> TWO) & _TARGETS_MASK)
        if targets[k] != target:
            targets[k] = target
            wrong = ONE
    if kind == CALL or kind == INDIRECT_CALL:
        _push(m, i, behind)
    pe["n_branches"] += rounds + ONE
    pe["round_blocks"] = pe["blocks"]
    if wrong != ZERO:
        cycles = wrong * machine_of(m)["cost_mispredict"]
        pe["n_mispredicts"] += wrong
        pe["mispredict_cycles"] += cycles
        pe["cycles"] += cycles


@njit
def drop_branch(pe):  # type: ignore[no-untyped-def]
    """The block under way was left before its end: its branch has not happened; rounds before it have."""
    if pe["branch"] != NO_BRANCH:
        pe["branch"] = NO_BRANCH
        pe["n_branches"] += pe["blocks"] - pe["round_blocks"]
        pe["round_blocks"] = pe["blocks"]
