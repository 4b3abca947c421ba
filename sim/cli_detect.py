"""What the detectors say at the end of a run: they read the log and the machine, this module knows the kernels that they look at.

Of a kernel built on `asm/` everything is known: which address is a pcpu, a thread, a stack; where the rendezvous counts; who holds a lock. Of any
other kernel, what the registers say: TPIDR_EL1, SP, VBAR_EL1. Nothing here changes the machine or its log.
"""
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from firmware.schemes import SCHEMES
from sim.arch.memory_map import PAGE_BYTES
from sim.arch.vectors import TABLE_BYTES
from sim.observers import verdict as verdicts
from sim.observers.activity import Activity, describe_pes
from sim.observers.entries import wrapped
from sim.observers.livelock import LivelockReport, vector_livelock
from sim.observers.objects import DATA, KINDS, PCPU, STACK, THREAD, VECTOR, Suspect
from sim.observers.recursion import HealedReport, RecursionReport, explain, healed_report
from sim.observers.retries import RetryReport, retry_report
from sim.observers.stack_use import FrameLayout, Stack
from sim.observers.waiting import (
    Lock,
    LockReport,
    RendezvousLayout,
    RendezvousReport,
    StopReport,
    lock_reports,
    rendezvous_report,
    stop_report,
)

if TYPE_CHECKING:
    from sim.machine import Machine
    from sim.result import Result

SYMBOL_REACH_BYTES = 1 << 20            # an address further behind a label than this has nothing to do with it
_PES_MOST = 8                           # that are described one by one
_UPPER_HALF = 1 << 63
_EVENTS_MOST = 1_000_000                # the latest, in which what healed and what was retried is looked for
_NOTHING: range = range(0)


class _Lines(Protocol):
    def lines(self) -> Iterator[str]: ...
    def to_json(self) -> dict[str, Any]: ...


def protecting_schemes() -> dict[str, tuple[str, ...]]:
    """For each kind of object, the schemes under which no handler ever loses one."""
    return {kind: tuple(scheme.name for scheme in SCHEMES if kind in scheme.protects) for kind in KINDS}


class Knowledge:
    """What is known of the kernel in a machine that has stopped. constants: those that its source was assembled with; empty if unknown."""

    def __init__(self, machine: "Machine", constants: Mapping[str, int]) -> None:
        self.machine = machine
        self.is_ours = "GLOBALS_VA" in constants and machine.image is not None and "vector_table_el1" in machine.image.symbols
        self.constants = constants if self.is_ours else {}
        self._safe_under = protecting_schemes()
        self._pcpus = [view.system("TPIDR_EL1") for view in machine.pes]
        self._threads = [self._word(pcpu + self.constants["PC_CURTHREAD"]) if self.is_ours and pcpu else 0 for pcpu in self._pcpus]
        self._stacks = [self._stack_bounds(pe) for pe in range(len(machine.pes))]

    def symbol(self, address: int) -> str | None:
        """Nearest label at or below an address, unless it is too far away to mean anything."""
        name = self.machine.symbol(address)
        offset = int((name or "").partition("+")[2] or "0", 16)
        return name if offset < SYMBOL_REACH_BYTES else None

    def is_code(self, address: int) -> bool:
        """Whether an address lies in the image and has a label."""
        image = self.machine.image
        return image is not None and any(part.pa <= address < part.pa + len(part.data) for part in image.segments) \
            and self.symbol(address) is not None

    def read(self, va: int, size_bytes: int) -> bytes | None:
        """Memory at a VA, though its page may be in a window: what PE 0 can read, else what boot mapped there."""
        data = self.machine.read_virtual_or_none(0, va, size_bytes)
        known = self.constants
        if data is None and known and known["PCPU_RUN_VA"] <= va < known["KMEM_VA"]:
            pa = va - known["PCPU_RUN_VA"] + known["PCPU_RUN_PA"]
            if pa + size_bytes <= known["RAM_PA"] + self.machine.state.ram.nbytes:
                return self.machine.read_physical(pa, size_bytes)
        return data

    def suspect(self, address: int) -> Suspect | None:
        """What lies at an address, None where nobody knows."""
        known, page = self.constants, address & ~(PAGE_BYTES - 1)
        for pe, pcpu in enumerate(self._pcpus):
            if pcpu and 0 <= page - (pcpu & ~(PAGE_BYTES - 1)) < known.get("PCPU_BYTES", PAGE_BYTES):
                return self._suspect(PCPU, f"PE {pe}'s pcpu")
            if self._threads[pe] and 0 <= address - self._threads[pe] < known.get("THREAD_BYTES", 0):
                return self._suspect(THREAD, f"PE {pe}'s thread")
            low_va, high_va = self._stacks[pe]
            if low_va <= address < high_va:
                return self._suspect(STACK, f"PE {pe}'s stack")
            if low_va and 0 <= low_va - 1 - address < max(PAGE_BYTES, known.get("STACK_GUARD_BYTES", 0)):
                return Suspect("", f"below PE {pe}'s stack, the end of which was reached")
            if 0 <= address - int(self.machine.state.pes[pe]["vbar"]) < TABLE_BYTES:
                return self._suspect(VECTOR, f"PE {pe}'s vector table")
        if not known or not address & _UPPER_HALF:
            return None
        if known["KMEM_VA"] <= address < known["KMEM_VA"] + known["KMEM_PAGES"] * PAGE_BYTES:
            return self._suspect(DATA, "kernel memory")
        return self._suspect(DATA, "the direct map" if address >= known["DMAP_VA"] else "kernel data of boot")

    def _suspect(self, kind: str, name: str) -> Suspect:
        return Suspect(kind, name, self._safe_under[kind])

    def _stack_bounds(self, pe: int) -> tuple[int, int]:
        """The stack of a PE: what its thread says, else what its pcpu says, else that of boot; (0, 0) if SP lies in none of them."""
        known, sp = self.constants, self.machine.pes[pe].system("SP_EL1")
        if not known:
            return 0, 0
        thread = self._threads[pe]
        own = self._word(thread + known["TD_KSTACK"]) if thread and "TD_KSTACK" in known else 0
        boot = known["STACK_RUN_VA"] + pe * known["STACK_STRIDE_BYTES"] + known["STACK_GUARD_BYTES"]
        top = self._word(self._pcpus[pe] + known["PC_STACK_TOP"]) if self._pcpus[pe] else 0
        own_bytes, boot_bytes = self._word(thread + known["TD_KSTACK_BYTES"]) if own else 0, known["STACK_BYTES"]
        for low_va, size_bytes in ((own, own_bytes), (top - boot_bytes, boot_bytes), (boot, boot_bytes)):
            if low_va > 0 and low_va <= sp <= low_va + size_bytes:
                return low_va, low_va + size_bytes
        return 0, 0

    def stack(self, pe: int) -> Stack | None:
        """The kernel stack of a PE, None if its bounds are not known."""
        low_va, high_va = self._stacks[pe]
        if not high_va:
            return None
        frame = FrameLayout(self.constants["FRAME_ELR"], self.constants["FRAME_ESR"], self.constants["FRAME_BYTES"])
        view = self.machine.pes[pe]
        return Stack(low_va, high_va, view.system("SP_EL1"), int(self.machine.state.pes[pe]["vbar"]), frame, self.read)

    def _word(self, va: int) -> int:
        return int.from_bytes(self.read(va, 8) or b"", "little")

    def code(self, first: str, behind: str) -> range:
        """From one label to another; nothing where the kernel has them not."""
        symbols = self.machine.image.symbols if self.machine.image else None
        if symbols is None or first not in symbols or behind not in symbols:
            return _NOTHING
        return range(symbols.address(first), symbols.address(behind))

    def rendezvous(self) -> RendezvousLayout | None:
        """Where the rendezvous of `asm/rendezvous.inc` lies."""
        if "RV_NCPUS" not in self.constants:
            return None
        known = self.constants
        base = known["GLOBALS_VA"] + known["G_RENDEZVOUS"]
        first, second, third, fourth = (base + known[f"RV_WAITERS_{number}"] for number in range(4))
        return RendezvousLayout(
            base + known["RV_NCPUS"], (first, second, third, fourth), base + known["RV_TARGETS"], base + known["RV_IPI_MTX"],
            self.code("smp_rendezvous_cpus", "smp_rendezvous_action"), self.code("smp_rendezvous_action", "no_rendezvous_barrier"),
            self.code("wait_for_all", "split_set"))

    def locks(self) -> list[Lock]:
        """The spin locks of `asm/`: those of the pmap, of kmem, and the mutex of the rendezvous."""
        if not self.constants:
            return []
        known = self.constants
        pmap_code, mutex_code = self.code("pmap_lock", "pmap_unlock"), self.code("lock_ipi_mtx", "unlock_ipi_mtx")
        return [Lock("the lock of the kernel pmap", known["GLOBALS_VA"] + known["G_PMAP"] + known["PM_MTX"], True, pmap_code, 9),
                Lock("the lock of kmem", known["GLOBALS_VA"] + known["G_KMEM"] + known["KM_MTX"], False, mutex_code, 0),
                Lock("smp_ipi_mtx", known["GLOBALS_VA"] + known["G_RENDEZVOUS"] + known["RV_IPI_MTX"], False, mutex_code, 0)]

    def threads(self) -> dict[int, int]:
        """Address of a thread -> the PE that runs it."""
        return {thread: pe for pe, thread in enumerate(self._threads) if thread}


@dataclass(frozen=True)
class Findings:
    """What the detectors found, each None or empty where there was nothing. not_looked_at: older events, not searched for what healed."""

    recursion: RecursionReport | None = None
    livelocks: tuple[LivelockReport, ...] = ()
    healed: HealedReport | None = None
    retries: RetryReport | None = None
    rendezvous: RendezvousReport | None = None
    locks: tuple[LockReport, ...] = ()
    stop: StopReport | None = None
    doing: tuple[Activity, ...] = ()
    not_looked_at: int = 0
    symbol: Any = field(default=None, repr=False)

    def sections(self) -> Iterator[list[str]]:
        """Lines that belong together, to be printed one after the other."""
        several: list[_Lines | None] = [self.recursion, *self.livelocks, self.rendezvous, *self.locks, self.stop]
        for one in several:
            if one is not None:
                yield list(one.lines())
        said = {one.pe for report in (self.rendezvous, self.stop) if report is not None for one in report.missing}
        others = [one for one in self.doing if one.pe not in said]
        if others:
            yield [line for one in others[:_PES_MOST] for line in wrapped("", one.sentence())] + (
                [f"... and {len(others) - _PES_MOST} other PEs"] if len(others) > _PES_MOST else [])
        if self.healed is not None and self.healed.counts:
            yield list(self.healed.lines())
        if self.retries is not None and self.retries.waited:
            from sim.report import columns

            yield [*columns(self.retries.rows(), left=2), *self.retries.lines()]
        if self.not_looked_at and ((self.healed is not None and self.healed.counts) or (self.retries is not None and self.retries.waited)):
            yield [f"what healed and what was retried: of the latest {_EVENTS_MOST:,} events, {self.not_looked_at:,} older ones were left out"]

    def to_json(self) -> dict[str, Any]:
        """What was found, by detector; nothing for what was not."""
        found: dict[str, Any] = {}
        for name in ("recursion", "rendezvous", "stop"):
            one: _Lines | None = getattr(self, name)
            if one is not None:
                found["smp_rendezvous" if name == "rendezvous" else name] = one.to_json()
        for name, several in (("vector_livelocks", self.livelocks), ("locks", self.locks)):
            if several:
                found[name] = [each.to_json() for each in several]
        if self.doing:
            found["doing"] = [one.to_json(self.symbol) for one in self.doing]
        if self.healed is not None and self.healed.counts:
            found["healed_recursions"] = self.healed.to_json()
        if self.retries is not None and self.retries.waited:
            found["retries"] = self.retries.to_json()
        return found


def detect(machine: "Machine", result: "Result", constants: Mapping[str, int]) -> Findings:
    """Let every detector look at the end of a run."""
    events, verdict = result.events.array(), result.verdict
    knows = Knowledge(machine, constants)
    recursion: RecursionReport | None = None
    looked_at = range(len(machine.pes))
    if verdict.kind in (verdicts.RECURSION, verdicts.LIVELOCK) and verdict.pe is not None:
        recursion = explain(events, verdict.pe, knows.symbol, suspects=knows.suspect, stack=knows.stack(verdict.pe))
        looked_at = range(verdict.pe, verdict.pe + 1)
    livelocks = [vector_livelock(events, pe, knows.symbol, int(machine.state.pes[pe]["vbar"]), suspects=knows.suspect,
                                 sp=machine.pes[pe].system("SP_EL1")) for pe in looked_at] if verdict.kind != verdicts.EXITED or result.exit_status else []
    stuck = tuple(one for one in livelocks if one is not None)
    latest = events[-_EVENTS_MOST:]
    free = latest
    for one in stuck:                                       # what returns into its own vector has not healed
        free = free[(free["pe"] != one.pe) | (free["cycle"] < one.since_cycle)]
    healed, retries = healed_report(free, knows.symbol, knows.suspect), retry_report(free, knows.symbol, knows.suspect)
    if verdict.kind not in (verdicts.BUDGET, verdicts.DEADLOCK, verdicts.INTERRUPTED) and not _stop_timed_out(knows, result):
        return Findings(recursion, stuck, healed, retries, not_looked_at=len(events) - len(latest))
    doing = describe_pes(machine.pes, events, knows.symbol, knows.is_code)
    layout = knows.rendezvous()
    return Findings(
        recursion, stuck, healed, retries,
        rendezvous=rendezvous_report(layout, knows.read, machine.pes, doing, knows.symbol) if layout is not None else None,
        locks=tuple(lock_reports(knows.locks(), knows.read, machine.pes, doing, knows.symbol, pe_of_thread=knows.threads(), holders={
            "smp_ipi_mtx": knows.code("smp_rendezvous_cpus", "smp_rendezvous_action"),
            "the lock of kmem": knows.code("vm_page_init", "alloc_pcpu")})),
        stop=_stop(knows, result, doing), doing=tuple(doing), not_looked_at=len(events) - len(latest), symbol=knows.symbol)


def _stop_timed_out(knows: Knowledge, result: "Result") -> bool:
    return bool(knows.constants) and result.exit_status == knows.constants.get("EXIT_STOP_TIMEOUT", -1)


def _stop(knows: Knowledge, result: "Result", doing: list[Activity]) -> StopReport | None:
    """Who was told to stop and has not."""
    known = knows.constants
    code = knows.code("stop_cpus", "ipi_stop")
    if "MP_STOPPED_CPUS" not in known or not code:
        return None
    asker = next((one.pe for one in doing if not one.is_off and one.is_in(code)), None)
    if asker is None and not _stop_timed_out(knows, result):
        return None
    asker = result.verdict.pe if asker is None else asker
    asked = [one.pe for one in doing if one.pe != asker]
    return stop_report(known["MP_VA"] + known["MP_STOPPED_CPUS"], asker, asked, knows.read, doing, knows.symbol)
