"""A kernel on a machine, run again and again with other seeds: what the rows of the matrix and the comparison of schemes are made of."""
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from firmware.kernels import ASM_DIRECTORY, kernel
from firmware.layout import layout_constants
from sim.arch.memory_map import IMAGE_OFFSET_BYTES, RAM_PA
from sim.loader.image import Image
from sim.loader.load import load_image
from sim.machine import Machine
from sim.result import Result

RAM_BYTES = 32 << 20                    # enough for the kernels of asm/, and quick to put back
BUDGET_CYCLES = 20_000_000


class Trial:
    """A kernel and a machine that differ from run to run in the seed alone.

    name: a built-in kernel, or the path of a source that includes asm/. constants: of its assembly, beside those of the kernel and of
    layout_constants. layout: keywords of layout_constants (stack_bytes, pcpu_offset_bytes, domains ...). marks, events: what the log keeps.
    prepare: called with the machine and the seed before each run, to inject what the guest cannot make itself. settings: of Machine.
    The seed also stands in the guest's G_SEED.
    """

    def __init__(self, name: str | Path, pes: int, *, constants: Mapping[str, int] | None = None, layout: Mapping[str, int] | None = None,
                 marks: Sequence[str] = (), events: tuple[str, ...] = ("entry", "return", "tlbi", "tlbi_done", "fault"),
                 prepare: Callable[[Machine, int], None] | None = None, budget_cycles: int = BUDGET_CYCLES, rounds: int | None = None,
                 ram_bytes: int = RAM_BYTES, profile: str = "cortex-a72", **settings: Any) -> None:
        self.name, self.pes, self.profile, self.budget_cycles, self.prepare = str(name), pes, profile, budget_cycles, prepare
        self._given = dict(constants or {})
        built_in = kernel(name) if isinstance(name, str) else None
        rounds = rounds if rounds is not None else built_in.constants["ROUNDS"] if built_in else 1
        self.constants = layout_constants(pes, rounds, 0, ram_bytes=ram_bytes, **(layout or {}))  # type: ignore[arg-type]
        self.constants |= {**(built_in.options if built_in else {}), **self._given}
        self.marks = [*(built_in.marks if built_in else ()), *marks]
        self.settings = {"ram_bytes": ram_bytes, "events": events, **(built_in.machine if built_in else {}), **settings}
        self._path = built_in.path if built_in else Path(name)
        self.machine: Machine | None = None

    def _image(self, seed: int) -> Image:
        return load_image(self._path, origin_pa=RAM_PA + IMAGE_OFFSET_BYTES, constants=self.constants | {"SEED": seed},
                          include_dirs=[ASM_DIRECTORY])

    def run(self, seed: int) -> Result:
        """Run to the end, or until the budget is used up."""
        self.machine = Machine(pes=self.pes, profile=self.profile, seed=seed, **self.settings)
        self.machine.load(self._image(seed), marks=list(dict.fromkeys(self.marks)))
        if self.prepare is not None:
            self.prepare(self.machine, seed)
        return self.machine.run(self.budget_cycles)

    def word(self, va: int, pe: int = 0) -> int:
        """A 64-bit word of the machine as it stands after the last run, as PE `pe` at EL1 would read it."""
        if self.machine is None:
            raise ValueError("nothing has run yet")
        return int.from_bytes(self.machine.read_virtual(pe, va, 8), "little")

    def command(self, seed: int) -> str:
        """What a person types to see one run again."""
        defines = "".join(f" --define {name}={value}" for name, value in self._given.items())
        machine = "".join(f" --{name.replace('_', '-')} {value}" for name, value in self.settings.items() if name not in ("ram_bytes", "events"))
        return f"quiesce run {self.name} --pes {self.pes} --seed {seed} --profile {self.profile}{machine}{defines}"
