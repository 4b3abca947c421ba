"""What travels between PEs besides lines: DVM messages of broadcast TLBIs and of DSBs, and SGIs on their way through the GIC.

A broadcast TLBI is one DVM message. It waits at the issuer while `dvm_credits` of that PE's are outstanding, goes to the home node, which begins
one message every `dvm_occupancy` cycles, travels to every other PE by distance, is handled there in `dvm_snoop`, and its answer travels back. A
DSB that completes broadcasts sends one message more, DVM Sync, by the same way, and waits for all answers. So n PEs that issue at once take about
n times as long. An SGI is a write to the distributor, which begins one write every `sgi_occupancy` cycles and takes `sgi_per_target` for
each target that it names before the next: a broadcast reaches one PE after the other, in the order of their numbers.

Messages come to the home node and to the distributor in the order in which the simulator runs PEs, which within a block is not
quite that of cycles. An occupancy of 0 means that nothing waits: so it is under a quantum, where that order says little. Not modelled: several home nodes, filters that spare PEs a message, messages lost to retries, the work of a PE that
is snooped, different TLBIs taking different time, lines and messages in each other's way.
Source of the shape: IHI 0050 F.b, B8 (DVM operations); that cost grows with issuers: A. Arcangeli, arm64 TLBI broadcast, commit 78e8089e.
"""
import numpy as np
from numba import njit

from sim.state import dtypes
from sim.state.handle import dvm_answers_of, machine_of, pe_of, pes_of

u64 = np.uint64
ZERO, ONE = u64(0), u64(1)
OFF = u64(dtypes.STATUS_OFF)
_NEAR_SHIFT = u64(4)                    # PEs with the same Aff1 differ in the low four bits of their number


@njit
def dvm_travel(m, i, j):  # type: ignore[no-untyped-def]
    """Cycles that a message takes from PE i by the home node to PE j, or its answer back."""
    machine = machine_of(m)
    i, j = u64(i), u64(j)
    if i // machine["cluster_pes"] == j // machine["cluster_pes"]:
        return machine["dvm_same_cluster"]
    if i // machine["socket_pes"] == j // machine["socket_pes"]:
        return machine["dvm_same_socket"]
    return machine["dvm_other_socket"]


@njit
def at_home_node(m, now):  # type: ignore[no-untyped-def]
    """Cycle at which the home node begins a message sent at `now`; it is kept busy from then on."""
    machine = machine_of(m)
    if machine["dvm_occupancy"] == ZERO:
        return now
    begins = max(now, machine["dvm_free_cycles"])
    machine["dvm_free_cycles"] = begins + machine["dvm_occupancy"]
    return begins


@njit
def await_credit(m, i):  # type: ignore[no-untyped-def]
    """PE i is about to broadcast: it waits for the answer to the oldest of its messages if too many are outstanding."""
    pe, answers = pe_of(m, i), dvm_answers_of(m, i)
    oldest = answers[np.int64(pe["dvm_sent"] % machine_of(m)["dvm_credits"])]
    if oldest > pe["cycles"]:
        pe["n_dvm_waits"] += ONE
        pe["dvm_wait_cycles"] += oldest - pe["cycles"]
        pe["cycles"] = oldest


@njit
def note_answer(m, i, cycles):  # type: ignore[no-untyped-def]
    """The last answer to the message that PE i has just sent will be there at a cycle: then its credit is free."""
    pe = pe_of(m, i)
    dvm_answers_of(m, i)[np.int64(pe["dvm_sent"] % machine_of(m)["dvm_credits"])] = cycles
    pe["dvm_sent"] += ONE


@njit
def synchronised(m, i):  # type: ignore[no-untyped-def]
    """PE i sends DVM Sync for a DSB now. Returns when the last answer is there; now, if no other PE is on."""
    pes, machine = pes_of(m), machine_of(m)
    farthest, others = ZERO, False
    for j in range(len(pes)):
        if j != np.int64(i) and pes[j]["status"] != OFF:
            others = True
            farthest = max(farthest, dvm_travel(m, i, j))
    if not others:
        return pes[i]["cycles"]
    return at_home_node(m, pes[i]["cycles"]) + farthest + machine["dvm_snoop"] + farthest


@njit
def at_distributor(m, now):  # type: ignore[no-untyped-def]
    """Cycle at which the distributor begins a write that was made at `now`."""
    return max(now, machine_of(m)["gic_free_cycles"])


@njit
def leave_distributor(m, begun, targets):  # type: ignore[no-untyped-def]
    """A write begun at a cycle has reached so many targets: the distributor is busy with it until then."""
    machine = machine_of(m)
    if machine["sgi_occupancy"] != ZERO:
        machine["gic_free_cycles"] = begun + max(machine["sgi_occupancy"], machine["sgi_per_target"] * targets)


@njit
def sgi_delay(m, i, j):  # type: ignore[no-untyped-def]
    """Cycles from the distributor's turn to the signal at PE j of an SGI that PE i sent."""
    machine = machine_of(m)
    i, j = u64(i), u64(j)
    if i == j:
        return machine["sgi_delay_self"]
    return machine["sgi_delay_near"] if i >> _NEAR_SHIFT == j >> _NEAR_SHIFT else machine["sgi_delay_far"]
