"""Where copies of lines are and when requests are done, on paper: sets and dictionaries, written from the rules of MESI with times."""
from dataclasses import dataclass, field


@dataclass
class Times:
    """Cycles: a line from another PE by distance, of a clean one from outside, what a clean copy or an invalidation adds, what atomics take."""

    cluster: int
    socket: int
    far: int
    memory: int
    read: int
    invalidate: int
    home: int
    cluster_pes: int
    socket_pes: int
    far_atomics: bool
    buffer: int


@dataclass
class Line:
    """One line: its copies, whether one of them may be written, when it is free, who still has it until when."""

    copies: set[int] = field(default_factory=set)
    is_writable: bool = False
    is_home: bool = False
    free: int = 0
    leaving: tuple[int, int] | None = None


class Lines:
    """All lines and the clocks of all PEs. `access` gives for how long the PE waits, and lets it wait."""

    def __init__(self, pes: int, times: Times) -> None:
        self.times = times
        self.clock = [0] * pes
        self.lines: dict[int, Line] = {}
        self.stores: list[list[int]] = [[0] * times.buffer for _ in range(pes)]
        self.transfers = [0] * pes
        self.invalidations = [0] * pes

    def distance(self, one: int, other: int) -> int:
        times = self.times
        if one // times.cluster_pes == other // times.cluster_pes:
            return times.cluster
        return times.socket if one // times.socket_pes == other // times.socket_pes else times.far

    def access(self, pe: int, number: int, kind: str, release: bool = False) -> int:
        """kind: read, write, atomic, far (an atomic without a result)."""
        line = self.lines.setdefault(number, Line())
        stall = self._stall(pe, line, kind, release)
        self.clock[pe] += stall
        return stall

    def barrier(self, pe: int) -> None:
        self.clock[pe] = max(self.clock[pe], *self.stores[pe])

    def _stall(self, pe: int, line: Line, kind: str, release: bool) -> int:
        now, times = self.clock[pe], self.times
        stored = max(self.stores[pe]) if release else 0
        if line.copies == {pe} and line.is_writable:
            if kind == "read" or stored <= now:
                return 0
            line.free = max(line.free, stored)
            return self._later(pe, stored) if kind == "write" else stored - now
        if kind == "read" and pe in line.copies:
            return 0
        if line.leaving is not None and line.leaving[0] == pe and now < line.leaving[1]:
            return 0
        begin = max(now, line.free, stored)
        if kind == "read":
            return self._read(pe, line, begin) - now
        if kind == "write" or (kind == "far" and times.far_atomics and (line.copies or line.is_home)):
            begin = max(begin, self.stores[pe][0])          # when there is room in the buffer
        return self._take(pe, line, kind, begin, now)

    def _read(self, pe: int, line: Line, begin: int) -> int:
        times, others = self.times, line.copies
        line.leaving = None
        if not others:
            line.copies, line.is_writable, line.is_home = {pe}, True, False
            line.free = begin + times.read
            return begin + times.memory
        nearest = min(self.distance(pe, other) for other in others)
        line.free = begin + (nearest if line.is_writable else times.read)
        self.transfers[pe] += line.is_writable
        line.copies, line.is_writable = others | {pe}, False
        return begin + nearest

    def _take(self, pe: int, line: Line, kind: str, begin: int, now: int) -> int:
        times = self.times
        if kind == "far" and times.far_atomics and (line.copies or line.is_home):
            line.copies, line.is_writable, line.is_home, line.leaving = set(), False, True, None
            line.free = begin + times.home
            return self._later(pe, line.free)
        others = line.copies - {pe}
        cycles = 0
        if pe not in line.copies:
            cycles = min((self.distance(pe, other) for other in others), default=times.memory)
        if others and not line.is_writable:
            cycles += times.invalidate
            self.invalidations[pe] += 1
        self.transfers[pe] += line.is_writable
        line.leaving = (next(iter(others)), begin) if line.is_writable else None
        line.copies, line.is_writable, line.is_home = {pe}, True, False
        done = begin + cycles
        line.free = done
        return self._later(pe, done) if kind == "write" else done - now

    def _later(self, pe: int, done: int) -> int:
        """A store under way: how long until there is room for it."""
        now, stores = self.clock[pe], self.stores[pe]
        if done <= now:
            return 0
        return max(stores.pop(0) - now, 0) if not stores.append(done) else 0
