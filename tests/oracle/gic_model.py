"""GICv3 and the EL1 timers as a person would keep them on paper: interrupts by INTID, priorities running as a list.

Written from IHI 0069 H, 4.1 and 4.8, and DDI 0487 L.a, D12; imports nothing of the simulator.
"""
from dataclasses import dataclass, field

NEVER = (1 << 64) - 1


@dataclass
class Interrupt:
    """One interrupt, or one PE's copy of a private one."""

    enabled: bool = False
    group: int = 0
    priority: int = 0
    latched: bool = False
    active: bool = False
    edge: bool = False
    high: bool = False
    route: int | None = 0               # PE, or None for 1 of N
    arrives: int | None = None          # SGIs


@dataclass
class Interface:
    """One PE's CPU interface and private interrupts. `running` is a list of (group priority, group), the latest last."""

    private: dict[int, Interrupt] = field(default_factory=lambda: {n: Interrupt() for n in range(32)})
    pmr: int = 0
    binary_point: list[int] = field(default_factory=lambda: [2, 3])
    group_enable: list[int] = field(default_factory=lambda: [0, 0])
    running: list[tuple[int, int]] = field(default_factory=list)
    now: int = 0
    split_eoi: bool = False
    common_bpr: bool = False
    asleep: bool = True
    control: dict[int, int] = field(default_factory=lambda: {27: 0, 30: 0})
    compare: dict[int, int] = field(default_factory=lambda: {27: 0, 30: 0})


class Model:
    """GICv3 as a person would keep it on paper. IHI 0069 H, 4.1 and 4.8."""

    def __init__(self, pes: int, spis: tuple[int, ...], delays: tuple[int, int, int], counts: int, cycles: int) -> None:
        """`spis`: INTIDs that are kept.  `delays`: of an SGI to oneself, within one Aff1, beyond.  The counter makes `counts` in `cycles`."""
        self.pes = [Interface() for _ in range(pes)]
        self.spis = {n: Interrupt() for n in spis}
        self.enable = [0, 0]
        self.delays, self.counts, self.cycles = delays, counts, cycles

    def find(self, pe: int, intid: int) -> Interrupt:
        return self.pes[pe].private[intid] if intid < 32 else self.spis[intid]

    def goes_to(self, interrupt: Interrupt) -> int | None:
        if interrupt.route is not None:
            return interrupt.route
        takers = [n for n, each in enumerate(self.pes) if not each.asleep and each.group_enable[interrupt.group]]
        return takers[0] if takers else None

    def is_pending(self, pe: int, intid: int, now: int) -> bool:
        interrupt, own = self.find(pe, intid), self.pes[pe]
        high = interrupt.high
        if intid in own.control:
            high = own.control[intid] & 3 == 1 and now * self.counts // self.cycles >= own.compare[intid]
        return interrupt.latched or (high and not interrupt.edge) or (interrupt.arrives is not None and interrupt.arrives <= now)

    def best(self, pe: int, now: int) -> int | None:
        own = self.pes[pe]
        chosen = []
        for intid in [*range(32), *self.spis]:
            interrupt = self.find(pe, intid)
            if intid >= 32 and self.goes_to(interrupt) != pe:
                continue
            if not (self.enable[interrupt.group] and own.group_enable[interrupt.group]):
                continue
            if interrupt.enabled and not interrupt.active and self.is_pending(pe, intid, now):
                chosen.append((interrupt.priority, intid))
        return min(chosen)[1] if chosen else None

    def group_bits(self, pe: int, group: int, priority: int) -> int:
        own = self.pes[pe]
        ignored = own.binary_point[1] if group == 1 and not own.common_bpr else own.binary_point[0] + 1
        return priority >> ignored << ignored

    def goes_through(self, pe: int, intid: int) -> bool:
        interrupt, own = self.find(pe, intid), self.pes[pe]
        if interrupt.priority >= own.pmr:
            return False
        if not own.running:
            return True
        return self.group_bits(pe, interrupt.group, interrupt.priority) < self.group_bits(pe, interrupt.group, own.running[-1][0])

    def signalled(self, pe: int, now: int) -> int:
        intid = self.best(pe, now)
        if intid is None or not self.goes_through(pe, intid):
            return 0
        return 1 if self.find(pe, intid).group else 2

    def next_due(self, pe: int) -> int:
        own = self.pes[pe]
        instants = [own.now]
        instants += [each.arrives for each in own.private.values() if each.arrives is not None]
        instants += [-(-own.compare[n] * self.cycles // self.counts) for n in own.control]
        return min((t for t in instants if t >= own.now and self.signalled(pe, t)), default=NEVER)

    def acknowledge(self, pe: int, group: int) -> int:
        own = self.pes[pe]
        intid = self.best(pe, own.now)
        if intid is None or self.find(pe, intid).group != group or not self.goes_through(pe, intid):
            return 1023
        interrupt = self.find(pe, intid)
        own.running.append((self.group_bits(pe, group, interrupt.priority) & 0xF8, group))
        interrupt.active, interrupt.latched = True, False
        if interrupt.arrives is not None and interrupt.arrives <= own.now:
            interrupt.arrives = None
        return intid

    def end(self, pe: int, group: int, intid: int) -> None:
        own = self.pes[pe]
        if own.running and own.running[-1][1] == group:
            own.running.pop()
            if not own.split_eoi:
                self.find(pe, intid).active = False

    def send(self, sender: int, intid: int, group: int, targets: list[int]) -> None:
        for target in targets:
            interrupt = self.pes[target].private[intid]
            if interrupt.group == group:
                if interrupt.arrives is not None and interrupt.arrives <= self.pes[target].now:
                    interrupt.latched, interrupt.arrives = True, None
                delay = self.delays[0 if target == sender else 1 if target // 16 == sender // 16 else 2]
                due = self.pes[sender].now + delay
                interrupt.arrives = due if interrupt.arrives is None else min(due, interrupt.arrives)
