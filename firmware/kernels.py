"""The built-in kernels: which there are, what each shows, how each is expected to end."""
import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from firmware import benchmarks, boot_pcpu, flagging, own_table, parking
from firmware.calibration import CHASE_OPTIONS, LINE_OPTIONS, SVC_OPTIONS
from firmware.layout import layout_constants
from firmware.rendezvous import MARK_NAMES
from firmware.schemes import SCHEMES
from firmware.schemes.own_block import OWN_BLOCK
from firmware.window import NUMBERS, OPTIONS
from sim.errors import UserError

ASM_DIRECTORY = Path(__file__).resolve().parent.parent / "asm"
VerdictKind = Literal["exited", "deadlock", "recursion", "livelock", "panic"]


@dataclass(frozen=True, slots=True)
class Kernel:
    """A built-in kernel.

    constants: what `build_constants` takes unless told otherwise, ROUNDS and WARMUP (counts). verdict: how a run on a sound machine ends;
    "exited" means with status 0. marks: labels whose passing, PE by PE, the run records. options: further constants of its assembly, with
    their defaults. machine: settings of the machine that it needs (keywords of Machine), unless told otherwise. least_pes: with fewer PEs
    there is nobody to do what it is about.
    """

    name: str
    summary: str
    default_pes: int = 1
    verdict: VerdictKind = "exited"
    constants: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({"ROUNDS": 100, "WARMUP": 0}))
    marks: tuple[str, ...] = ()
    options: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    machine: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    least_pes: int = 1

    @property
    def path(self) -> Path:
        """The top file of its source."""
        return ASM_DIRECTORY / "kernels" / f"{self.name}.s"

    @property
    def include_directories(self) -> tuple[Path, ...]:
        """Where its `.include` lines look."""
        return (ASM_DIRECTORY,)

    def build_constants(self, pes: int | None = None, rounds: int | None = None, warmup: int | None = None, *,
                        lse: bool = True, layout: Mapping[str, int] | None = None) -> dict[str, int]:
        """Every constant its assembly needs; None takes the kernel's own value. layout: further keywords of `layout_constants`.

        Raises UserError for a value out of range.
        """
        if pes is not None and 0 < pes < self.least_pes:
            raise UserError(f"{self.name} needs {self.least_pes} PEs or more, not {pes}")
        return layout_constants(self.default_pes if pes is None else pes, self.constants["ROUNDS"] if rounds is None else rounds,
                                self.constants["WARMUP"] if warmup is None else warmup, lse=lse, **(layout or {})) | dict(self.options)


_KERNELS = (
    Kernel("hello", "one PE boots and writes a line on the console"),
    Kernel("rendezvous", "PE 0 gathers the others by SGI, all act, all go on; every phase is timed", 4,
           constants=MappingProxyType({"ROUNDS": 100, "WARMUP": 10}), marks=MARK_NAMES),
    Kernel("sgi_pingpong", "an SGI goes from PE to PE and back while everyone else sleeps", 2),
    Kernel("timer_tick", "the virtual timer interrupts, never early"),
    Kernel("el0_svc", "a thread at EL0 calls the kernel by SVC"),
    Kernel("exclusives", "all PEs add to one word by LDXR/STXR and to another by LDADD", 4),
    Kernel("tlbi_shootdown", "PE 0 changes a page by break-before-make, all PEs read it", 4),
    Kernel("self_modifying", "PE 0 rewrites an instruction, all PEs call it", 4),
    Kernel("promote", "runs of kernel memory fill and become blocks, are demoted, and checked at each step", 4),
    Kernel("start_cpu", "the other PEs start on memory of their domain; a start that fails takes nothing", 4),
    Kernel("bootstack", "the run of the boot stacks is promoted while PEs may stand on them", 4, options=MappingProxyType(
        {"BOOTSTACK_WORK": 5000, "BOOTSTACK_HOLD": 0, "BOOTSTACK_FIRST": 1, "PCPU_PLACE": 2, "KSTACKS_FROM_KMEM": 0,
         "DOMAINS_FROM_ACPI": 0})),
    Kernel("kernel_stacks", "the run of the threads' stacks is filled; guard pages keep it from promotion", 4, options=MappingProxyType(
        {"PCPU_PLACE": 2, "DOMAINS_FROM_ACPI": 0, "PES_PER_DOMAIN": 256, "SEED_DELAY": 2000, "TICKS_PER_SECOND": 20_000,
         "PATIENCE": 10_000_000})),
    Kernel("window", "a run is promoted or demoted while the other PEs take interrupts, call, or touch it", 2,
           constants=MappingProxyType({"ROUNDS": 4, "WARMUP": 0}), options=MappingProxyType({**NUMBERS, **OPTIONS})),
    Kernel("boot_pcpu", "PE 0 keeps the pcpu of boot in a block, and PE 1 changes a page beside it", 2, options=boot_pcpu.OPTIONS,
           constants=MappingProxyType({"ROUNDS": 1, "WARMUP": 0}), least_pes=2),
    Kernel("own_table", "a mapping of the direct map is demoted that holds its own table", options=MappingProxyType(
        {**own_table.NUMBERS, **own_table.OPTIONS}), constants=MappingProxyType({"ROUNDS": 1, "WARMUP": 0})),
    Kernel("flagging", "pages are flagged against promotion, before or after their run is filled", options=MappingProxyType(
        {**flagging.NUMBERS, **flagging.OPTIONS}), constants=MappingProxyType({"ROUNDS": 1, "WARMUP": 0})),
    Kernel("own_block_change", "a page is changed in the block of a pcpu, whose PE may be interrupted meanwhile", 4,
           constants=MappingProxyType({"ROUNDS": 4, "WARMUP": 0}), options=MappingProxyType(
        {"INTERRUPTS": 0, "DELAY_TURNS": 200, "ANSWER_TURNS": 4_000_000, "WINDOW_TLBIS": 0, **OWN_BLOCK.options})),
    Kernel("own_block_16k", "with a granule of 16 KB each pcpu has a block of 32 MB, promoted before its PE starts", 4,
           constants=MappingProxyType({"ROUNDS": 3, "WARMUP": 0}), options=MappingProxyType({"RAM_MEGABYTES": 256})),
    Kernel("stop_cpus", "PE 0 stops the others by IPI; one whose interrupts stay masked makes it give up", 4, options=MappingProxyType(
        {"VICTIM": 0, "PCPU_PLACE": 0, "KSTACKS_FROM_KMEM": 0, "DOMAINS_FROM_ACPI": 0, "STOP_SPINS": 100_000, "SEED_DELAY": 2000,
         "TICKS_PER_SECOND": 2_000_000}), machine=MappingProxyType({"recursion_limit": 1 << 32, "livelock_limit": 1 << 32})),
    Kernel("fan_out", "one SGI to every PE of a set, a write for each affinity group", 20, marks=("mark_group_sent",),
           options=MappingProxyType({f"SET_{word}": (1 << 64) - 1 for word in range(4)})),
    Kernel("two_promotions", "PEs 0 and 1 promote a run each, both under a rendezvous, at the same time", 4, options=MappingProxyType(
        {"MASKED": 0, "SEED_DELAY": 400, "KSTACKS_FROM_KMEM": 0}), constants=MappingProxyType({"ROUNDS": 10, "WARMUP": 0}), least_pes=2),
    Kernel("page_change", "a page gets another frame, any part of break-before-make left out; the others read it", 3,
           options=MappingProxyType({"MAPPED": 1, "BREAK": 1, "DSB_BEFORE": 1, "TLBI_KIND": 1, "DSB_AFTER": 1, "ISB_AFTER": 1, "REPEAT_TLBI": 0, "TTL": 0,
                                     "DELAY_TURNS": 0, "MAKE_TURNS": 0})),
    Kernel("table_reuse", "a table's page is used again after a promotion whose TLBIs may spare the walk caches", 2,
           options=MappingProxyType({"LAST_LEVEL_ONLY": 0}), least_pes=2),
    Kernel("parking", "a descriptor is broken and made while the others are parked; options say what it maps", 4,
           options=MappingProxyType({**parking.NUMBERS, **parking.OPTIONS}), constants=MappingProxyType({"ROUNDS": 4, "WARMUP": 0}),
           marks=("mark_parked", "mark_unparked", "mark_broken", "mark_make")),
    Kernel("bench_ipi", "functions are called on other PEs as Linux does it, in the scenarios of its IPI benchmark", 4,
           options=benchmarks.IPI_OPTIONS, marks=benchmarks.IPI_MARKS, constants=MappingProxyType({"ROUNDS": 100, "WARMUP": 10}), least_pes=2),
    Kernel("bench_rendezvous", "PE 0 gathers the others, which meet at counters or in a tree, looking or sleeping", 4,
           options=benchmarks.RENDEZVOUS_OPTIONS, marks=benchmarks.RENDEZVOUS_MARKS, constants=MappingProxyType({"ROUNDS": 100, "WARMUP": 10})),
    Kernel("measure_svc", "a thread at EL0 calls a kernel that does nothing: cycles of a call", options=SVC_OPTIONS,
           constants=MappingProxyType({"ROUNDS": 50, "WARMUP": 0})),
    Kernel("measure_chase", "a PE follows a ring of pointers: cycles of a load, wherever the ring is held", options=CHASE_OPTIONS,
           constants=MappingProxyType({"ROUNDS": 1, "WARMUP": 0})),
    Kernel("measure_line", "PE 0 and the last PE compare and swap in turn: cycles for a line to travel", 2, options=LINE_OPTIONS,
           constants=MappingProxyType({"ROUNDS": 200, "WARMUP": 0}), least_pes=2),
    Kernel("bench_shootdown", "translations are taken away on every PE, by a broadcast TLBI or by calling all PEs", 4,
           options=MappingProxyType({**benchmarks.SHOOTDOWN_NUMBERS, **benchmarks.SHOOTDOWN_OPTIONS}), marks=benchmarks.SHOOTDOWN_MARKS,
           constants=MappingProxyType({"ROUNDS": 100, "WARMUP": 10})),
    Kernel("fault_recursion", "an exception handler stands on a pcpu page that is not mapped", verdict="recursion"),
    Kernel("vector_livelock", "a vector's first store faults into the same vector", verdict="livelock"),
    Kernel("deadlock", "all PEs sleep and nothing can wake them", 2, verdict="deadlock"),
    *(Kernel(scheme.name, scheme.summary, 4, scheme.verdict, MappingProxyType({"ROUNDS": 20, "WARMUP": 0}), scheme.marks, scheme.options,
             scheme.machine) for scheme in SCHEMES),
)


def kernels() -> tuple[Kernel, ...]:
    """All built-in kernels, the simplest first within each subject."""
    return _KERNELS


def kernel(name: str) -> Kernel:
    """The built-in kernel of that name. Raises UserError, with the names that come near, if there is none."""
    names = [known.name for known in _KERNELS]
    if name in names:
        return _KERNELS[names.index(name)]
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(names)}"
    raise UserError(f"there is no built-in kernel {name!r}; {hint}")
