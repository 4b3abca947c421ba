"""A fixed run over translation, and what it leaves: run as a program under other settings of numba, it must print the same digest."""
import hashlib
import random

import numpy as np

import sim.engine.symbols  # noqa: F401  (compiled functions call the engine by name)
from sim.arch.memory_map import RAM_PA
from sim.arch.tlbi import TLB_INVALIDATES, compose_range_operand, compose_va_operand
from sim.hot.address_translate import address_translate
from sim.hot.tlb import lookup_l1, lookup_l2
from sim.hot.tlbi import apply_due, issue
from sim.hot.translate import permissions, probe, regime_changed, translate
from sim.hot.walk import canonical, walk
from sim.state import dtypes
from sim.state.arrays import State

u64 = np.uint64
NOTHING = u64(0)
AT_KEYS = tuple(1 << 14 | 7 << 7 | crm << 3 | op2 for crm, op2 in ((8, 0), (8, 1), (8, 2), (8, 3), (9, 0), (9, 1)))


def build(rng: random.Random) -> State:
    """Two PEs with small TLBs, tables of random descriptors in the first 64 KiB of RAM, every cost set."""
    state = State(2, 1 << 20, l1i=3, l1d=5, l2=(6, 3), walk_cache=(2, 2), ring_entries=1 << 15)
    for word in range(8192):
        kind = rng.choice((3, 3, 3, 1, 0))
        state.ram_words[word] = (RAM_PA + rng.randrange(16) * 4096 | kind | 1 << 10 * (rng.randrange(9) > 0) | rng.getrandbits(10) & 0x3DC
                                 | rng.randrange(2) << 11 | rng.getrandbits(5) << 51)
    machine = state.machine[0]
    machine["event_mask"] = dtypes.NOWHERE
    for name in ("hardware_af", "hardware_dirty", "feat_bbm"):
        machine[name] = 1
    machine["cost_l2_hit"], machine["cost_walk_step"], machine["cost_tlbi_issue"] = 7, 13, 3
    machine["dvm_same_socket"], machine["dvm_snoop"], machine["l2_max_entry_bytes"] = 100, 20, 1 << 20
    machine["dvm_occupancy"], machine["dvm_credits"] = 5, 2
    for pe in state.pes:
        pe["status"], pe["sctlr"], pe["mair"] = dtypes.STATUS_RUNNING, 1, 0x0044_FF04_BB00_FF44
        pe["ttbr0"], pe["ttbr1"] = RAM_PA, RAM_PA + 0x4000
    return state


def step(state: State, rng: random.Random) -> str:
    """One random call; its answer as text."""
    i, machine = rng.randrange(2), state.machine[0]
    pe = state.pes[i]
    tcr = int(pe["tcr"])
    upper = rng.randrange(2)
    va = rng.choice((rng.randrange(1 << 14), rng.randrange(1 << 39), 0x40_1000)) ^ (((1 << 64) - (1 << 39)) if upper else 0)
    access, el0, pan = u64(16 + rng.randrange(3)), u64(rng.randrange(2)), u64(rng.randrange(2))
    action = rng.randrange(20)
    if action == 0 or tcr == 0:
        granule = rng.choice((0 | 2 << 30, 1 << 14 | 3 << 30, 2 << 14 | 1 << 30))
        sizes = rng.choice((25 | 25 << 16, 16 | 16 << 16, 28 | 33 << 16))
        pe["tcr"] = granule | sizes | rng.choice((2, 5)) << 32 | rng.getrandbits(5) << 36 | 1 << 39
        pe["ttbr0"] = RAM_PA | rng.randrange(3) << 48
        regime_changed(state.handle, i)
        return "regime"
    if action == 1:
        key = rng.choice(sorted(each.key for each in TLB_INVALIDATES.values()))
        operand = rng.choice((compose_va_operand(va, rng.randrange(3)), compose_range_operand(va, 12, rng.randrange(4), 3, rng.randrange(3))))
        return f"tlbi {issue(state.handle, i, u64(key), u64(operand))}"
    if action == 2:
        pe["cycles"] += u64(60)
        return f"due {apply_due(state.handle, i, pe['cycles'])}"
    if action == 3:
        return f"at {address_translate(state.handle, i, u64(rng.choice(AT_KEYS)), u64(va), pan)}"
    if action == 4:
        asid = u64(rng.randrange(3))
        return f"lookup {lookup_l1(state.handle, i, u64(va), asid, bool(upper))} {lookup_l2(state.handle, i, u64(va), asid)}"
    if action == 5:
        return f"walk {walk(state.handle, i, u64(canonical(state.handle, i, u64(va), False)))}"
    if action == 6:
        machine["random_replacement"] ^= u64(1)
        machine["multi_hit"], machine["repeat_tlbi_erratum"] = rng.randrange(5), rng.randrange(2)
    if action == 7:                                         # a table becomes a block or a block a table, without a break
        state.ram_words[rng.randrange(16) * 512 + rng.randrange(4)] ^= u64(2)
    function = probe if action < 9 else translate
    status = function(state.handle, i, u64(va), access, el0, pan)
    if pe["soft_flush"]:
        pe["soft_flush"] = 0
        pe["soft_generation"] += u64(1)
        pe["transient"] = 0
    allowed = permissions(state.walked[i]["attributes"], pe["sctlr"], el0, pan)
    return f"{status} {allowed} {state.walked[i].tolist()}"


def run() -> str:
    """Digest of every answer, of the event log and of the final state."""
    rng = random.Random(2026)
    state = build(rng)
    digest = hashlib.sha256()
    statuses: set[str] = set()
    for _ in range(3000):
        answer = step(state, rng)
        statuses.add(answer.split()[0])
        digest.update(answer.encode())
    ring = state.ring[: int(state.machine[0]["ring_head"])]
    machine = state.machine.copy()
    machine["ram_address"] = 0
    pes = state.pes.copy()
    pes["machine"] = 0
    for array in (ring, machine, pes, state.l1i, state.l1d, state.l2, state.walk_cache, state.ram, state.tlbi_queue, state.passing,
                  state.residue):
        digest.update(array.tobytes())
    state.release()
    assert pes["n_conflicts"].all() and pes["n_residues"].all(), "no overlapping entries were met, or no residue used"
    assert len(statuses) > 8, "the run meets too few kinds of answer to prove anything"
    return f"{len(ring)} events {digest.hexdigest()}"


if __name__ == "__main__":
    print(run())
