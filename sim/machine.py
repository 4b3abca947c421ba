"""The public object: a machine of N PEs that loads an image and runs it.

    from sim.machine import Machine
    result = Machine(pes=4, profile="cortex-a72").load("kernel.s").run()
"""
import signal
import time
import weakref
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
import numpy.typing as npt

from sim.arch.memory_map import IMAGE_OFFSET_BYTES, PAGE_BYTES, RAM_PA
from sim.build import build_state, set_seed
from sim.devices import psci, semihosting
from sim.devices.device_tree import build_device_tree
from sim.devices.host_signal import catch_interrupt
from sim.engine import power
from sim.engine.instance import Context, Instance, attach
from sim.engine.memory import output_address, read_virtual
from sim.errors import SimulatorError, UserError
from sim.hot import gic, stops
from sim.hot.exception import settle_step
from sim.hot.injection import next_due_cycles
from sim.hot.loop import run as run_compiled
from sim.hot.schedule import rebuild
from sim.hot.spin import end_waiting
from sim.loader.image import Image, check_segments
from sim.loader.load import load_image
from sim.observers import verdict as verdicts
from sim.observers.verdict import Verdict, describe_recursion
from sim.result import Result, pe_statistics
from sim.settings import BUDGET_DEFAULT_CYCLES, PERIOD_MOST_CYCLES, Settings
from sim.snapshot import Snapshot, SnapshotKeeper
from sim.state import dtypes
from sim.state.events import BY_NAME, EVENT_CONSOLE
from sim.timing.profile import Profile, load_profile
from sim.trace.log import EventLog
from sim.view import PEView

CHUNK_CYCLES = 8_000_000                # of simulated time, and
BUDGET_MOST_CYCLES = 1 << 47          # a word of the schedule holds 48 bits of time
HEAP_CYCLE_SHIFT = 16                   # see sim.hot.schedule
CHUNK_SLICES = 200_000                  # slices, after which the loop lets Python look; fixed numbers, so that they cannot change a result
MARKS_MOST = 256
_MAY_END = (stops.REASON_PSCI, stops.REASON_SEMIHOSTING, stops.REASON_RECURSION, stops.REASON_LIVELOCK, stops.REASON_ENGINE)
_ENDED_BY_ONE = (verdicts.EXITED, verdicts.FINISHED, verdicts.RECURSION, verdicts.LIVELOCK, verdicts.ENGINE)


class Observer(Protocol):
    """Listens to events. It cannot change the machine, and its presence changes no timing."""

    def events(self, chunk: npt.NDArray[np.void]) -> None:
        """A chunk of events (dtype `sim.state.dtypes.EVENT`), in the order of the log."""


class Machine:
    """N PEs with modelled TLBs over one shared RAM, on QEMU's `virt` platform.

    pes: 1..256. profile: a built-in name, a path of a TOML file, or a Profile. The other keywords are those of `Settings`.
    observers: told of every event, in order. console: called with each piece of console text as it appears.
    Raises UserError for settings that make no sense.
    """

    def __init__(self, pes: int = 1, profile: str | Path | Profile = "cortex-a72", *, observers: Sequence[Observer] = (),
                 console: Callable[[str], None] | None = None, **settings: Any) -> None:
        self.settings = Settings(pes=pes, **settings)
        self.profile = profile if isinstance(profile, Profile) else load_profile(profile)
        self.state = build_state(self.profile, self.settings)
        weakref.finalize(self, self.state.release)
        self.image: Image | None = None
        self._instances = [Instance(self.state, index) for index in range(pes)]
        self._steppers: dict[int, Instance] = {}
        self._context = Context(self._instances[0])
        self.state.machine[0]["context"] = self._context.address
        for index, instance in enumerate(self._instances):
            attach(self.state, index, instance)
        self.pes = [PEView(self.state, instance, index) for index, instance in enumerate(self._instances)]
        self.log = EventLog()
        self.watched: list[str] = []
        self._observers, self._console = list(observers), console
        self._text = bytearray()
        self._schedule_stale = True
        self._verdict: Verdict | None = None
        self._interrupted = False
        self._snapshots = SnapshotKeeper(self.state, self._instances, self._steppers)

    # ---- loading

    def load(self, source: str | Path | Image, *, constants: Mapping[str, int] | None = None, include_dirs: Sequence[str | Path] = (),
             marks: Sequence[str] = ()) -> Self:
        """Put an image into RAM and power on PE 0 (or all PEs with start="all") at its entry.

        source: path of a .s, ELF or flat file, or an Image. constants, include_dirs: for assembler sources. marks: symbols whose
        passing is recorded. Flat images and sources start with x0 = device tree; an ELF with x0 = 0 and the device tree at the
        start of RAM if it loads nothing there. Raises UserError for anything wrong with the image.
        """
        origin_pa = RAM_PA + IMAGE_OFFSET_BYTES
        image = source if isinstance(source, Image) else load_image(
            source, origin_pa=origin_pa, constants=dict(constants or {}), include_dirs=[Path(path) for path in include_dirs])
        check_segments(image, RAM_PA, self.state.ram.nbytes)
        self.image = image
        for segment in image.segments:
            self.write_physical(segment.pa, segment.data + bytes(segment.size_bytes - len(segment.data)))
        x0 = self._place_device_tree(image)
        self._watch(marks)
        for index in range(self.settings.pes if self.settings.start == "all" else 1):
            power.power_on(self.state, self._instances[index], index, image.entry_pa, x0, at_cycle=0)
        self._disturb()
        return self

    def _place_device_tree(self, image: Image) -> int:
        """Write the device tree where the image leaves room; returns x0."""
        tree = build_device_tree(self.settings.pes, self.state.ram.nbytes, self.settings.bootargs)
        ram_end_pa = RAM_PA + self.state.ram.nbytes
        occupied = sorted((segment.pa, segment.pa + segment.size_bytes) for segment in image.segments if segment.size_bytes)
        candidates = [RAM_PA]
        if image.kind != "elf":                             # as `virt`: behind the image, 2 MiB aligned, if there is room
            candidates = [-(-max(end for _, end in occupied) // (2 << 20)) * (2 << 20), RAM_PA]
        for pa in candidates:
            if pa + len(tree) <= ram_end_pa and all(end <= pa or start >= pa + len(tree) for start, end in occupied):
                self.write_physical(pa, tree)
                return pa if image.kind != "elf" else 0
        if image.kind == "elf":
            return 0
        raise UserError(f"{image.name}: no room in {self.state.ram.nbytes >> 20} MiB of RAM for the device tree of {len(tree)} bytes")

    def _watch(self, marks: Sequence[str]) -> None:
        """Record when each symbol is passed. Symbols are physical addresses here, or identity-mapped ones."""
        if len(marks) > MARKS_MOST:
            raise UserError(f"{len(marks)} watched symbols: at most {MARKS_MOST}")
        symbols: Container[str] = self.image.symbols if self.image else ()
        for name in (name for name in marks if name not in symbols):
            raise UserError(f"{self.image.name if self.image else 'image'}: no symbol {name!r} to watch")
        self.watched = sorted(marks, key=lambda name: self.address(name))
        for index, name in enumerate(self.watched):
            self.state.marks[index] = self.address(name)
        self.state.machine[0]["mark_count"] = len(self.watched)

    def address(self, symbol: str) -> int:
        """Address of a symbol of the loaded image. Raises UserError if there is none."""
        found = self.image.symbols.get(symbol) if self.image else None
        if found is None:
            raise UserError(f"no symbol {symbol!r} in the loaded image")
        return found

    def symbol(self, address: int) -> str | None:
        """Nearest symbol at or below an address, `name+0x10`."""
        return self.image.symbols.find(address) if self.image else None

    # ---- memory

    def read_physical(self, pa: int, size_bytes: int) -> bytes:
        """Bytes of RAM. Raises UserError outside RAM."""
        offset = self._offset(pa, size_bytes)
        return self.state.ram[offset : offset + size_bytes].tobytes()

    def write_physical(self, pa: int, data: bytes) -> None:
        """Change RAM; code that was executed there is fetched anew. Raises UserError outside RAM."""
        offset = self._offset(pa, len(data))
        if not data:
            return
        self.state.ram[offset : offset + len(data)] = np.frombuffer(data, np.uint8)
        pages = self.state.page_flags[offset // PAGE_BYTES : (offset + len(data) - 1) // PAGE_BYTES + 1]
        pages |= dtypes.PAGE_TOUCHED
        self.state.machine[0]["hidden_stores"] = 0          # walks see what Python writes, and what was stored before
        if (pages & dtypes.PAGE_EXECUTED).any():
            pages &= 0xFF ^ (dtypes.PAGE_EXECUTED | dtypes.PAGE_COPIED)     # the next fetch looks at the page anew (sim.hot.code_pages)
            self.state.pes["soft_flush"] = self.state.pes["code_flush"] = 1
            self.state.machine[0]["facts_stale"], self.state.machine[0]["resuming"] = 1, 0

    def _offset(self, pa: int, size_bytes: int) -> int:
        if not RAM_PA <= pa <= RAM_PA + self.state.ram.nbytes - size_bytes:
            raise UserError(f"physical address {pa:#x} (+{size_bytes} bytes) is outside RAM")
        return pa - RAM_PA

    def read_virtual(self, pe: int, va: int, size_bytes: int) -> bytes:
        """Memory as a load of that PE at EL1 would see it. Raises UserError where it would fault."""
        data = read_virtual(self.state, pe, va, size_bytes)
        if data is None:
            raise UserError(f"PE {pe} has no readable translation for all of {va:#x} (+{size_bytes} bytes)")
        return data

    def read_virtual_or_none(self, pe: int, va: int, size_bytes: int) -> bytes | None:
        """As read_virtual, None instead of an error."""
        return read_virtual(self.state, pe, va, size_bytes)

    def translate(self, pe: int, va: int) -> int | None:
        """PA that a read of that PE at EL1 would reach, None where it would fault."""
        return output_address(self.state, pe, va)

    # ---- running

    def inject_serror(self, pe: int, at_cycle: int, syndrome: int = 0) -> None:
        """An SError interrupt becomes pending at PE `pe` at a cycle of its clock. syndrome: ISS, 25 bits."""
        self._disturb()
        self.state.pes[pe]["serror_due_cycles"] = at_cycle
        self.state.pes[pe]["serror_syndrome"] = syndrome & 0x1FF_FFFF

    def inject_line(self, pe: int, line: str, asserted: bool = True) -> None:
        """Raise or lower a raw "irq" or "fiq" line of a PE, beside what the GIC signals."""
        if line not in ("irq", "fiq"):
            raise UserError(f"there is no interrupt line {line!r}: irq or fiq")
        self.state.pes[pe][f"{line}_injected"] = int(asserted)
        self._signal(pe)

    def inject_serrors(self, pe: int, period_cycles: int, syndrome: int = 0) -> None:
        """SErrors become pending at PE `pe` again and again, the next always 0.5 to 1.5 periods after the last, by seed; 0: no more do.

        Each is an event "injected"; while one is pending and masked by PSTATE.A, further ones change nothing. syndrome: ISS, 25 bits.
        Raises UserError for a PE that does not exist or a period outside 0..2**40.
        """
        record, due_cycles = self._first_due(pe, period_cycles)
        record["serror_period_cycles"], record["serror_due_cycles"] = period_cycles, due_cycles
        record["serror_syndrome"] = syndrome & 0x1FF_FFFF
        self._disturb()

    def inject_fiqs(self, pe: int, period_cycles: int) -> None:
        """A FIQ is signalled to PE `pe` again and again, at such times as SErrors are, and with such errors, by inject_serrors; 0: no more are.

        Each stays signalled, beside what the GIC signals, until the PE takes a FIQ, which PSTATE.F may mask; then it is gone, and reading
        ICC_IAR0_EL1 finds nothing of it. Each is an event "injected"; one that is due while another is signalled changes nothing.
        """
        record, due_cycles = self._first_due(pe, period_cycles)
        record["fiq_period_cycles"], record["fiq_pulse_due_cycles"] = period_cycles, due_cycles
        self._signal(pe)

    def _first_due(self, pe: int, period_cycles: int) -> tuple[Any, int]:
        if not 0 <= pe < self.settings.pes:
            raise UserError(f"there is no PE {pe}: the machine has {self.settings.pes}")
        if not 0 <= period_cycles <= PERIOD_MOST_CYCLES:
            raise UserError(f"a period of {period_cycles} cycles: it must be from 0 to 2**40")
        record = self.state.pes[pe]
        now_cycles = np.uint64(max(int(record["cycles"]), self._next_cycle()))      # the clock of a PE that sleeps stands still
        with np.errstate(over="ignore"):
            return record, int(next_due_cycles(self.state.handle, pe, np.uint64(period_cycles), now_cycles))

    def _signal(self, pe: int) -> None:
        """What is signalled to a PE has changed from outside."""
        rebuild(self.state.handle)
        gic.refresh(self.state.handle, pe)
        self._disturb()

    def _disturb(self) -> None:
        """Something was changed from outside that a PE must be scheduled anew for: an interrupted slice is over."""
        self._schedule_stale = True
        self.state.machine[0]["resuming"] = 0

    def run(self, budget_cycles: int = BUDGET_DEFAULT_CYCLES, until: str | None = None) -> Result:
        """Run until the guest ends, nothing can happen any more, or `budget_cycles` of simulated time in total are used up.

        until: one of the marks given to load(). The run then stops, with the verdict "paused", when a PE is about to run the block of
        instructions in which that symbol lies (instruction interleaving: the instruction itself), before its event "mark".
        Calling it again goes on where it stopped, as if it had not. Ctrl-C ends it with the verdict so far.
        """
        if self.image is None:
            raise UserError("nothing is loaded: call load() first")
        if not 1 <= budget_cycles < BUDGET_MOST_CYCLES:
            raise UserError(f"budget of {budget_cycles} cycles: it must be from 1 to 2**47")
        machine, started = self.state.machine[0], time.perf_counter()
        if until is not None and until not in self.watched:
            raise UserError(f"{until!r} is not among the marks given to load(): {', '.join(self.watched) or 'there are none'}")
        machine["budget_cycles"] = budget_cycles
        machine["until"] = 0 if until is None else self.watched.index(until) + 1
        self._verdict = self._verdict if self._verdict and self._verdict.kind == verdicts.EXITED else None
        self._interrupted = False
        if self._schedule_stale:                            # else a slice that paused goes on as if it had not
            rebuild(self.state.handle)
            self._schedule_stale = False
        previous = catch_interrupt(self._on_interrupt)
        try:
            while self._verdict is None:
                begun = self._next_cycle()
                machine["chunk_end_cycles"] = begun + CHUNK_CYCLES
                machine["slice_end"] = int(machine["slices"]) + CHUNK_SLICES
                with np.errstate(over="ignore"):
                    reason = int(run_compiled(self.state.handle))
                self._drain()
                if reason == stops.REASON_CHUNK and int(machine["slices"]) >= int(machine["slice_end"]) and self._next_cycle() == begun:
                    raise SimulatorError(f"{CHUNK_SLICES} slices did not advance time beyond cycle {begun} (seed {self.settings.seed}, "
                                         f"image {self.image.name}): no guest can do that, the simulator did")
                self._answer(reason)
                if self._interrupted and self._verdict is None:
                    self._verdict = self._at(verdicts.INTERRUPTED, "stopped by the user")
            self._close()
        finally:
            if previous is not None:
                signal.signal(signal.SIGINT, previous)
        return self._result(time.perf_counter() - started)

    def snapshot(self) -> Snapshot:
        """All state as it is now, for restore(): arrays, registers, RAM, event log, console text, verdict. The machine can go on.

        What follows is the same, byte for byte of the event log, after this and after every restore of it; and the same as if no snapshot
        had been taken, as long as the L1 TLBs hold what the engine's soft TLB held, and no instructions wait for IC IVAU.
        """
        self._drain()
        return self._snapshots.take(self._next_cycle(), self.log, bytes(self._text), self._verdict, self._schedule_stale)

    def restore(self, snapshot: Snapshot, seed: int | None = None) -> None:
        """Put everything back as it was when snapshot() gave this; the event log goes on from there. As often as one likes.

        seed: what is drawn from now on follows from it, as in a machine built with it, and no longer from what was drawn before. Results
        given earlier keep their events; observers are told of what happens again. Raises UserError for another machine's snapshot.
        """
        if not self._snapshots.owns(snapshot):
            raise UserError("this snapshot was taken of another machine")
        settings = replace(self.settings, seed=int(snapshot.arrays["machine"][0]["seed"]) if seed is None else seed)
        self._snapshots.restore(snapshot)
        self.log, self._text = snapshot.log.copy(), bytearray(snapshot.text)
        self._verdict, self._schedule_stale, self.settings = snapshot.verdict, snapshot.schedule_stale, settings
        if seed is not None:
            set_seed(self.state, seed)

    def clock_cycles(self) -> int:
        """Cycle at which the PE that is furthest behind next has something to do."""
        return self._next_cycle()

    def _on_interrupt(self, _signal: int, _frame: object) -> None:
        self._interrupted = True

    def _next_cycle(self) -> int:
        first = self.state.pes[int(self.state.heap[0]) & 0xFF]
        scheduled = int(self.state.heap[0]) >> HEAP_CYCLE_SHIFT
        return max(scheduled, int(first["cycles"])) if first["status"] == dtypes.STATUS_RUNNING else scheduled

    def _drain(self) -> None:
        """Take events out of the ring: to the log and, once nothing can come before them, to the observers and the console."""
        machine, ring = self.state.machine[0], self.state.ring
        head, tail, mask = int(machine["ring_head"]), int(machine["ring_tail"]), int(machine["ring_mask"])
        first, last = tail & mask, head & mask
        chunk = ring[first:last].copy() if first < last or head == tail else np.concatenate([ring[first:], ring[:last]])
        machine["ring_tail"] = head
        before_cycle = min(self._next_cycle(), int(self.state.heap[1:3].min(initial=dtypes.NOWHERE)) >> HEAP_CYCLE_SHIFT)
        if int(machine["reason"]) in _MAY_END:              # what others did from here on is not shown if it ends the run
            before_cycle = min(before_cycle, int(self.state.pes[int(machine["reason_pe"])]["block_key_cycles"]))
        self._tell(self.log.append(chunk, before_cycle))
        self.log.lost = int(machine["ring_lost"])
        machine["stop_request"] = 0

    def _tell(self, chunk: npt.NDArray[np.void]) -> None:
        """Give events to the observers and the console."""
        if not len(chunk):
            return
        for observer in self._observers:
            observer.events(chunk)
        written = chunk[chunk["kind"] == EVENT_CONSOLE]["aux"]
        if len(written):
            self._print(written.astype(np.uint8).tobytes())

    def _close(self) -> None:
        """A run is over, or pauses: tell the rest of the events. If one PE ended it, others may have got farther than it or not."""
        self._drain()
        end_waiting(self.state.handle)
        if self._verdict is not None and self._verdict.kind in _ENDED_BY_ONE and self._verdict.pe is not None:
            self.log.end(self._verdict.pe, int(self.state.pes[self._verdict.pe]["block_key_cycles"]))
        self._tell(self.log.tell_held())

    def _print(self, data: bytes) -> None:
        self._text += data
        if self._console is not None:
            self._console(data.decode("utf-8", "replace"))

    # ---- what the loop came back for

    def _answer(self, reason: int) -> None:
        pe = int(self.state.machine[0]["reason_pe"])
        if reason in (stops.REASON_CHUNK, stops.REASON_DRAIN):
            return
        if reason == stops.REASON_PSCI:
            self._psci(pe)
        elif reason == stops.REASON_SEMIHOSTING:
            self._semihosting(pe)
        elif reason == stops.REASON_STEPPER:
            self._steppers[pe] = Instance(self.state, pe)
            attach(self.state, pe, self._steppers[pe], as_stepper=True)
        else:
            self._verdict = self._judge(reason, pe)

    def _judge(self, reason: int, pe: int) -> Verdict:
        if reason == stops.REASON_BUDGET:
            return self._at(verdicts.BUDGET, f"{int(self.state.machine[0]['budget_cycles']):,} cycles used up", pe)
        if reason == stops.REASON_DEADLOCK:
            asleep = np.flatnonzero(np.isin(self.state.pes["status"], (dtypes.STATUS_WFI, dtypes.STATUS_WFE)))
            return self._at(verdicts.DEADLOCK, f"{len(asleep)} of {self.settings.pes} PEs wait and nothing can wake them", int(asleep[0]))
        if reason == stops.REASON_ALL_OFF:
            return Verdict(verdicts.FINISHED, "every PE is powered off")
        record = self.state.pes[pe]
        if reason == stops.REASON_RECURSION:
            return self._at(verdicts.RECURSION, describe_recursion(record, self._named), pe)
        if reason == stops.REASON_LIVELOCK:
            return self._at(verdicts.LIVELOCK, f"the vector faults on itself, SP constant at {int(record['entry_sp']):#x}: "
                            f"{int(record['same_entries'])} entries with ELR {int(record['entry_elr']):#x}"
                            f"{self._named(int(record['entry_elr']))}", pe)
        if reason == stops.REASON_MARK:
            return self._at(verdicts.PAUSED, f"about to pass {self.watched[int(self.state.machine[0]['until']) - 1]}", pe)
        if reason == stops.REASON_ENGINE:
            return self._at(verdicts.ENGINE, f"the engine stopped with error {int(record['stop_a'])}, which has no architectural meaning", pe)
        raise SimulatorError(f"the run loop returned reason {reason} (seed {self.settings.seed})")

    def _named(self, address: int) -> str:
        return f" <{name}>" if (name := self.symbol(address)) else ""

    def _at(self, kind: str, reason: str, pe: int | None = None, exit_status: int | None = None) -> Verdict:
        if pe is None:
            pe = int(self.state.machine[0]["reason_pe"])
        pc = self.pes[pe].pc
        return Verdict(kind, reason, pe, pc, self.symbol(pc), exit_status)

    def _psci(self, pe: int) -> None:
        view = self.pes[pe]
        arguments = (view.x(0), view.x(1), view.x(2), view.x(3))
        self._emit("psci", pe, *arguments)
        view.pc += 4
        settle_step(self.state.handle, pe)
        answer = psci.call(self, pe, arguments)
        if answer is not None:
            view.set_x(0, answer)
        rebuild(self.state.handle)

    def _semihosting(self, pe: int) -> None:
        view = self.pes[pe]
        self._emit("semihosting", pe, view.x(0), view.x(1))
        answer = semihosting.call(self, pe, view.x(0), view.x(1))
        if answer.text:
            for byte in answer.text:
                self._emit("console", pe, byte)
            self._drain()
        if answer.exit_status is not None:
            reason = f"the guest exited with status {answer.exit_status}"
            self._verdict = self._at(verdicts.EXITED, reason, pe, answer.exit_status)
            return
        view.set_x(0, answer.x0)
        view.pc += 4
        settle_step(self.state.handle, pe)

    def _emit(self, kind: str, pe: int, aux: int, a: int = 0, b: int = 0, c: int = 0) -> None:
        """An event that Python makes, in its place in the log."""
        machine = self.state.machine[0]
        number = BY_NAME[kind].number
        if not int(machine["event_mask"]) >> number & 1:
            return
        if int(machine["ring_head"]) - int(machine["ring_tail"]) > int(machine["ring_mask"]):
            self._drain()
        head = int(machine["ring_head"])
        self.state.ring[head & int(machine["ring_mask"])] = (self.state.pes[pe]["cycles"], pe, number, aux & 0xFFFF_FFFF, a, b, c)
        machine["ring_head"] = head + 1

    # ---- what PSCI needs (sim.devices.psci.Firmware)

    def pe_of_mpidr(self, affinity: int) -> int | None:
        """PE with these affinity fields (Aff0 = PE mod 16, Aff1 = PE / 16), None if there is none."""
        if affinity & ~0xFFFF or affinity & 0xFF > 15:
            return None
        index = (affinity >> 8) * 16 + (affinity & 0xFF)
        return index if index < self.settings.pes else None

    def is_on(self, pe: int) -> bool:
        """Whether a PE is powered on."""
        return int(self.state.pes[pe]["status"]) != dtypes.STATUS_OFF

    def power_on(self, pe: int, entry_pa: int, context: int, caller: int) -> None:
        """CPU_ON: the target starts with its MMU off at `entry_pa`, x0 = context."""
        cycle = int(self.state.pes[caller]["cycles"])
        power.power_on(self.state, self._instances[pe], pe, entry_pa, context, at_cycle=cycle)
        self._emit("power", pe, 1, entry_pa)

    def power_off(self, pe: int) -> None:
        """CPU_OFF."""
        self.state.pes[pe]["status"] = dtypes.STATUS_OFF
        self._emit("power", pe, 0)

    def system_off(self, pe: int) -> None:
        """SYSTEM_OFF."""
        self._verdict = self._at(verdicts.FINISHED, "PSCI SYSTEM_OFF", pe)

    def system_reset(self, pe: int) -> None:
        """SYSTEM_RESET: a run ends there; nothing is started again."""
        self._verdict = self._at(verdicts.FINISHED, "PSCI SYSTEM_RESET", pe)

    def suspend(self, pe: int) -> None:
        """CPU_SUSPEND: a standby state, ended as WFI is."""
        self.state.pes[pe]["status"] = dtypes.STATUS_WFI

    # ---- the end

    def _result(self, seconds: float) -> Result:
        if self._verdict is None:
            raise SimulatorError("a run ended without a verdict")
        count = range(self.settings.pes)
        return Result(
            self._verdict, [view.registers() for view in self.pes], [pe_statistics(self.state, index) for index in count],
            self._text.decode("utf-8", "replace"), self.log, self.profile.clock_hz, seconds,
            {"profile": self.profile.name, "image": self.image.name if self.image else None}
            | self.settings.summary(self.profile.identity.bbm_level),
        )
