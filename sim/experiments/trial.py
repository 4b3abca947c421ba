"""A kernel on a machine, run again and again with other seeds: what the rows of the matrix and the comparison of schemes are made of."""
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from firmware.kernels import ASM_DIRECTORY, kernel
from firmware.layout import LAYOUT_KEYWORDS, layout_constants
from sim.arch.memory_map import IMAGE_OFFSET_BYTES, RAM_PA
from sim.loader.image import Image
from sim.loader.load import load_image
from sim.machine import Machine
from sim.observers.verdict import PAUSED
from sim.result import Result
from sim.snapshot import Snapshot

RAM_BYTES = 32 << 20                    # enough for the kernels of asm/, and quick to put back
BUDGET_CYCLES = 20_000_000
READY = "mark_ready"                    # where nothing has depended on the seed yet


class Trial:
    """A kernel and a machine that differ from run to run in the seed alone.

    The kernel boots once: it is taken back to its label mark_ready for each run, and given the seed there. Before that the seed is 0.

    name: a built-in kernel, or the path of a source that includes asm/. constants: of its assembly, beside those of the kernel and of
    layout_constants. layout: keywords of layout_constants (stack_bytes, pcpu_offset_bytes, domains ...). marks, events: what the log keeps.
    prepare: called with the machine and the seed before each run, to inject what the guest cannot make itself; the machine stands at
    mark_ready then, see Machine.clock_cycles. serror_period_cycles, fiq_period_cycles: of those that all PEs but PE 0 take, 0 none.
    settings: of Machine.
    The seed also stands in the guest's G_SEED.
    """

    def __init__(self, name: str | Path, pes: int, *, constants: Mapping[str, int] | None = None, layout: Mapping[str, int] | None = None,
                 marks: Sequence[str] = (), events: tuple[str, ...] = ("entry", "return", "tlbi", "tlbi_done", "fault"),
                 prepare: Callable[[Machine, int], None] | None = None, budget_cycles: int = BUDGET_CYCLES, rounds: int | None = None,
                 ram_bytes: int = RAM_BYTES, profile: str = "cortex-a72", serror_period_cycles: int = 0, fiq_period_cycles: int = 0,
                 **settings: Any) -> None:
        self.name, self.pes, self.profile, self.budget_cycles, self.prepare = str(name), pes, profile, budget_cycles, prepare
        self.serror_period_cycles, self.fiq_period_cycles = serror_period_cycles, fiq_period_cycles
        self._given, self._layout = dict(constants or {}), dict(layout or {})
        built_in = kernel(name) if isinstance(name, str) else None
        rounds = rounds if rounds is not None else built_in.constants["ROUNDS"] if built_in else 1
        self.constants = layout_constants(pes, rounds, 0, ram_bytes=ram_bytes, **(layout or {}))  # type: ignore[arg-type]
        self.constants |= {**(built_in.options if built_in else {}), **self._given}
        self.marks = [*(built_in.marks if built_in else ()), *marks]
        self.settings = {"ram_bytes": ram_bytes, "events": events, **(built_in.machine if built_in else {}), **settings}
        self._path = built_in.path if built_in else Path(name)
        self.machine: Machine | None = None
        self._booted: Machine | None = None
        self._snapshot: Snapshot | None = None
        self._tried = False

    def _image(self, seed: int) -> Image:
        return load_image(self._path, origin_pa=RAM_PA + IMAGE_OFFSET_BYTES, constants=self.constants | {"SEED": seed},
                          include_dirs=[ASM_DIRECTORY])

    def _load(self, seed: int) -> Machine:
        """A machine that has run nothing yet."""
        image = self._image(seed)
        marks = [*self.marks, *([READY] if READY in image.symbols else [])]
        machine = Machine(pes=self.pes, profile=self.profile, seed=seed, **self.settings)
        return machine.load(image, marks=list(dict.fromkeys(marks)))

    def _boot(self) -> None:
        """Boot once, up to mark_ready; a kernel without it, or that does not come so far, is booted again for each run."""
        self._tried = True
        machine = self._load(seed=0)
        if READY in machine.watched and machine.run(self.budget_cycles, until=READY).verdict.kind == PAUSED:
            self._booted, self._snapshot = machine, machine.snapshot()

    def _at_ready(self, seed: int) -> Machine | None:
        if not self._tried:
            self._boot()
        if self._booted is not None and self._snapshot is not None:
            self._booted.restore(self._snapshot, seed=seed)
        return self._booted

    def at_ready(self) -> Machine | None:
        """The machine at mark_ready, to be looked at before the next run; None if the kernel does not come there."""
        return self._at_ready(seed=0)

    def run(self, seed: int) -> Result:
        """Run to the end, or until the budget is used up."""
        return self.start(seed).run(self.budget_cycles)

    def start(self, seed: int) -> Machine:
        """The machine as a run with that seed begins."""
        machine = self._at_ready(seed)
        if machine is None:
            machine = self._load(seed)
        else:
            machine.write_physical(self.constants["GLOBALS_PA"] + self.constants["G_SEED"], seed.to_bytes(8, "little"))
        self.machine = machine
        for pe in range(1, self.pes):
            if self.serror_period_cycles:
                machine.inject_serrors(pe, self.serror_period_cycles)
            if self.fiq_period_cycles:
                machine.inject_fiqs(pe, self.fiq_period_cycles)
        if self.prepare is not None:
            self.prepare(machine, seed)
        return machine

    def word(self, va: int, pe: int = 0) -> int:
        """A 64-bit word of the machine as it stands after the last run, as PE `pe` at EL1 would read it."""
        if self.machine is None:
            raise ValueError("nothing has run yet")
        return int.from_bytes(self.machine.read_virtual(pe, va, 8), "little")

    def command(self, seed: int) -> str:
        """What a person types to see such a run. It boots with the seed too, so that its cycles are not those of `run`."""
        words = [f"quiesce run {self.name} --pes {self.pes} --seed {seed} --profile {self.profile} --rounds {self.constants['ROUNDS']}",
                 f"--ram {self.settings['ram_bytes'] >> 20}M"]
        names = {keyword: name for name, keyword in LAYOUT_KEYWORDS.items()}
        defined = {names[keyword]: value for keyword, value in self._layout.items() if keyword in names} | self._given
        words += [f"--define {name}={value}" for name, value in defined.items()]
        for name, value in self.settings.items():
            option = name.removesuffix("_cycles").replace("_", "-")
            if value is True:
                words.append(f"--{option}")
            elif name not in ("ram_bytes", "events") and value is not False:
                words.append(f"--{option} {value}")
        words += [f"--{kind}-period {period}" for kind, period in (("serror", self.serror_period_cycles), ("fiq", self.fiq_period_cycles)) if period]
        return " ".join(words)
