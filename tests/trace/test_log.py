"""The event log is in the order of (cycle, PE), whatever order the events were drained in."""
import random

import numpy as np
import numpy.typing as npt

from sim.state.dtypes import EVENT
from sim.state.events import EVENT_ENTRY, EVENT_EXCLUSIVE_LOST, EVENT_WAIT
from sim.trace.log import EventLog


def events(*rows: tuple[int, int, int]) -> npt.NDArray[np.void]:
    """Records of (cycle, PE, operand a)."""
    return np.array([(cycle, pe, EVENT_WAIT, 0, a, 0, 0) for cycle, pe, a in rows], EVENT)


def shown(log: EventLog) -> list[tuple[int, int, int]]:
    return [(int(e["cycle"]), int(e["pe"]), int(e["a"])) for e in log.array()]


def test_events_of_two_pes_are_put_in_order_and_each_keeps_its_own() -> None:
    log = EventLog()
    log.append(events((5, 1, 0), (5, 1, 1), (9, 1, 2), (3, 0, 3), (5, 0, 4), (5, 0, 5)), 1000)
    assert shown(log) == [(3, 0, 3), (5, 0, 4), (5, 0, 5), (5, 1, 0), (5, 1, 1), (9, 1, 2)]


def test_any_way_of_draining_gives_the_same_log() -> None:
    draw = random.Random(3)
    streams = [sorted(draw.randrange(300) for _ in range(100)) for _ in range(3)]
    whole = EventLog()
    whole.append(events(*((cycle, pe, k) for pe, stream in enumerate(streams) for k, cycle in enumerate(stream))), 1 << 48)
    pieces, told, done = EventLog(), [], [0, 0, 0]
    while any(done[pe] < len(streams[pe]) for pe in range(3)):
        rows = []
        for pe in draw.sample(range(3), 2):
            count = draw.randrange(8)
            rows += [(cycle, pe, done[pe] + k) for k, cycle in enumerate(streams[pe][done[pe]: done[pe] + count])]
            done[pe] += count
        behind = min((streams[pe][done[pe]] for pe in range(3) if done[pe] < len(streams[pe])), default=1 << 48)
        told.append(pieces.append(events(*rows), behind).tobytes())
        assert shown(pieces) == [row for row in shown(whole) if row[2] < done[row[1]]]
    told.append(pieces.tell_held().tobytes())
    assert bytes(pieces) == bytes(whole) == b"".join(told)


def test_what_may_still_be_preceded_is_held_back_from_observers_and_told_once() -> None:
    log = EventLog()
    assert len(log.append(events((10, 1, 0), (20, 1, 1)), 15)) == 1
    assert [int(e["a"]) for e in log.tell_held()] == [1]
    assert len(log.tell_held()) == 0
    assert [int(e["a"]) for e in log.append(events((16, 0, 2)), 30)] == [2]
    assert shown(log) == [(10, 1, 0), (16, 0, 2), (20, 1, 1)]


def test_after_the_end_only_the_one_that_ended_it_is_shown() -> None:
    log = EventLog()
    log.append(events((10, 1, 0), (12, 0, 1), (12, 1, 2), (13, 0, 3), (13, 1, 4)), 11)
    log.end(0, 12)
    assert shown(log) == [(10, 1, 0), (12, 0, 1), (13, 0, 3)]
    assert len(log) == 3
    log.append(events((14, 0, 5)), 1000)
    assert [row[2] for row in shown(log)] == [0, 1, 2, 3, 4, 5]


def test_what_another_pe_does_to_a_pe_comes_after_its_own_events_of_that_cycle() -> None:
    log = EventLog()
    log.append(np.array([(7, 1, EVENT_EXCLUSIVE_LOST, 0, 0, 0, 0), (7, 1, EVENT_ENTRY, 0, 1, 0, 0)], EVENT), 8)
    assert [int(e["kind"]) for e in log.array()] == [EVENT_ENTRY, EVENT_EXCLUSIVE_LOST]


def test_the_oldest_go_when_there_are_too_many() -> None:
    log = EventLog(keep_most=3)
    for cycle in range(5):
        log.append(events((cycle, 0, cycle)), cycle + 1)
    assert [row[2] for row in shown(log)] == [2, 3, 4]
    assert log.dropped == 2
