"""When each broadcast TLBI took effect at each PE, from the log and from what the profile says of the interconnect.

The log has what a PE drops when it next looks, which one that sleeps does only when it wakes. But a message's way is known: the home node
begins it at once, or as soon as it has done with the one before, and it takes effect at a PE after the way there and the snoop
(`sim.hot.interconnect`). The log has the cycle of each TLBI, and that at which its DSB had all answers; the DSB's own message was begun
twice the longest way and a snoop before. So both kinds of message can be put in their order at the home node.

Where two PEs send in the same few cycles, which of the two came first is not in the log, and here the earlier one does. What a set of
messages takes altogether is the same either way.
"""
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from sim.benchmarks.rounds import ABSENT, Cycles
from sim.errors import SimulatorError
from sim.hot.tlbi import AUX_SCOPE_SHIFT
from sim.state.events import EVENT_TLBI, EVENT_TLBI_COMPLETE

EVENTS = ("tlbi", "tlbi_complete")      # that the log must have
ARRIVAL = np.dtype([("cycle", "<i8"), ("pe", "<i8")])
Record = npt.NDArray[np.void]


def arrivals(log: Record, machine: Record, pes: int, issuers: int) -> Record:
    """The last arrival of each round at each PE that is a target, dtype ARRIVAL, round by round.

    log: events in order of cycles, of a run in which PEs 0 to issuers - 1 send one broadcast TLBI a round and complete it by a DSB.
    machine: the machine's record. Raises SimulatorError if an arrival would come after the DSB that waits for it.
    """
    if pes == 1:
        return np.zeros(0, ARRIVAL)
    issued = log[(log["kind"] == EVENT_TLBI) & (log["aux"] >> int(AUX_SCOPE_SHIFT) != 0)]
    completed = log[log["kind"] == EVENT_TLBI_COMPLETE]
    ways, snoop = _ways(machine, pes), int(machine["dvm_snoop"])
    longest = ways.max(axis=1)
    rounds = len(completed) // issuers
    last = np.full((rounds, pes), ABSENT, np.int64)
    done = [completed["cycle"][completed["pe"] == pe].astype(np.int64) for pe in range(issuers)]
    sent = [0] * issuers
    syncs = np.sort(completed["cycle"].astype(np.int64) - 2 * longest[completed["pe"]] - snoop)
    for issuer, begun in zip(issued["pe"].tolist(), _begun(issued["cycle"].tolist(), syncs.tolist(), int(machine["dvm_occupancy"])), strict=True):
        number = sent[issuer]
        sent[issuer] += 1
        if number >= rounds:
            continue                                                    # the run ended before its DSB did
        there = begun + snoop + ways[issuer]
        if (there + ways[issuer]).max() > done[issuer][number]:
            raise SimulatorError(f"PE {issuer} has the answers to its TLBI number {number} before that has arrived everywhere")
        there[issuer] = ABSENT
        last[number] = np.maximum(last[number], there)
    places = np.argwhere(last != ABSENT)
    found = np.zeros(len(places), ARRIVAL)
    found["cycle"], found["pe"] = last[places[:, 0], places[:, 1]], places[:, 1]
    return found


def _ways(machine: Record, pes: int) -> Cycles:
    """(pes, pes): cycles from each PE by the home node to each other one; 0 to itself."""
    number = np.arange(pes)
    clusters, sockets = number // int(machine["cluster_pes"]), number // int(machine["socket_pes"])
    far, near, nearest = (int(machine[f"dvm_{name}"]) for name in ("other_socket", "same_socket", "same_cluster"))
    ways: Cycles = np.where(sockets[:, None] == sockets, np.where(clusters[:, None] == clusters, nearest, near), far).astype(np.int64)
    np.fill_diagonal(ways, 0)
    return ways


def _begun(sent_cycles: list[int], syncs: list[int], occupancy: int) -> Iterator[int]:
    """When the home node begins each TLBI. sent_cycles: when they were sent, in order; syncs: when it began the DSBs' messages, in order."""
    free, following = 0, 0
    for cycle in sent_cycles:
        begun = max(cycle, free)
        while occupancy and following < len(syncs) and syncs[following] < begun + occupancy:       # too early to have come after it
            free = syncs[following] + occupancy
            following += 1
            begun = max(cycle, free)
        free = begun + occupancy if occupancy else 0
        yield begun
