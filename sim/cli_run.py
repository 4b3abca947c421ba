"""`quiesce run`: from options to a machine, its console as it appears, then tables, files and the verdict.

Everything that can be wrong with what the user gave is found before anything is compiled or started.
"""
import json
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from firmware.kernels import ASM_DIRECTORY, Kernel, kernel, kernels
from firmware.layout import BLOCK_BYTES, LAYOUT_KEYWORDS, LAYOUT_RAM_BYTES_MOST, layout_constants
from sim.arch.memory_map import IMAGE_OFFSET_BYTES, RAM_PA
from sim.errors import UserError
from sim.loader.image import Image, check_segments
from sim.loader.load import SOURCE_SUFFIXES, load_image
from sim.settings import BUDGET_DEFAULT_CYCLES, PERIOD_MOST_CYCLES, Settings
from sim.timing.profile import Profile, load_profile, profile_names

if TYPE_CHECKING:
    from firmware.rendezvous import RendezvousReport
    from sim.cli_detect import Findings
    from sim.machine import Machine
    from sim.result import Result

_SIZE = re.compile(r"(\d+)\s*(?:([KMG])(?:i?B)?)?", re.IGNORECASE)
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
_INCLUDE = re.compile(r'^\s*\.include\s+"([^"]+)"', re.MULTILINE)
_NAME = re.compile(r"[A-Za-z_.$][\w.$]*")
#: Kinds of event recorded when nobody asks for the log: what the detectors of sim.observers read. Marks and console always are.
EVENTS = ("entry", "return", "tlbi")


@dataclass(frozen=True, slots=True)
class Options:
    """The command line of `quiesce run`, word for word; None where nothing was said."""

    kernel: str
    pes: int | None = None
    profile: str = "cortex-a72"
    interleaving: str | None = None
    fidelity: str | None = None
    quantum: int | None = None
    seed: int = 0
    budget: int | None = None
    start: str = "one"
    append: str | None = None
    ram: str = "256M"
    rounds: int | None = None
    warmup: int | None = None
    json: Path | None = None
    events: Path | None = None
    semihosting: bool = True
    define: tuple[str, ...] = ()
    include: tuple[Path, ...] = ()
    watch: tuple[str, ...] = ()
    registers: bool = False
    listing: Path | None = None
    recursion_limit: int | None = None
    livelock_limit: int | None = None
    serror_period: int = 0
    fiq_period: int = 0
    feat_bbm: int | None = None
    multi_hit: str | None = None
    nt_faults: bool | None = None
    repeat_tlbi_erratum: bool | None = None
    adversarial: bool = False


def print_kernels() -> int:
    """One line for each built-in kernel."""
    width = max(len(known.name) for known in kernels())
    for known in kernels():
        print(f"{known.name:{width}}  {known.summary}")
    return 0


def print_profiles() -> int:
    """One line for each built-in profile."""
    width = max(map(len, profile_names()))
    for name in profile_names():
        print(f"{name:{width}}  {load_profile(name).description}")
    return 0


def execute(options: Options) -> int:
    """Run what the options say. Returns the exit code of the verdict; raises UserError for anything wrong with the options."""
    chosen = choose_kernel(options.kernel)
    pes = options.pes if options.pes is not None else chosen.default_pes if isinstance(chosen, Kernel) else 1
    settings = machine_settings(options, pes)
    if isinstance(chosen, Kernel):
        settings = {**chosen.machine, **settings}
    budget_cycles = BUDGET_DEFAULT_CYCLES if options.budget is None else options.budget
    if budget_cycles < 1:
        raise UserError(f"--budget {budget_cycles}: it must be at least 1 cycle")
    checked, profile = Settings(**settings), load_profile(options.profile)
    checked.bbm_level(profile.identity.bbm_level)
    for path in (options.json, options.events, options.listing):
        check_writable(path)
    _check_periods(options, pes)
    constants = kernel_constants(chosen, options, pes)
    image = load_chosen(chosen, options, constants)
    check_segments(image, RAM_PA, settings["ram_bytes"])
    marks = [*(chosen.marks if isinstance(chosen, Kernel) else ()), *options.watch]
    _check_marks(image, marks)
    _write_listing(image, options.listing)

    from sim.cli_compile import prepare

    prepare()
    machine = _build(profile, settings, image, marks)
    for pe in range(1, pes):
        machine.inject_serrors(pe, options.serror_period)
        machine.inject_fiqs(pe, options.fiq_period)
    result = machine.run(budget_cycles)
    return _finish(machine, result, chosen, constants, options)


def choose_kernel(argument: str) -> Kernel | Path:
    """A built-in kernel wins unless the argument has a slash or a suffix; else a file of that name, if there is one."""
    path = Path(argument)
    if "/" in argument or path.suffix:
        return path
    if argument not in {known.name for known in kernels()} and path.exists():
        return path
    return kernel(argument)


def parse_size(text: str) -> int:
    """Bytes of a size like 256M. Raises UserError for anything else."""
    match = _SIZE.fullmatch(text.strip())
    if not match:
        raise UserError(f"--ram {text!r} is not a size: write it as 256M or 1G")
    return int(match[1]) * _UNITS[(match[2] or "").upper()]


def machine_settings(options: Options, pes: int) -> dict[str, Any]:
    """Keywords of a Machine. Raises UserError where two options contradict each other."""
    if options.interleaving is not None and options.fidelity is not None:
        raise UserError(f"--interleaving {options.interleaving} and --fidelity {options.fidelity} say the same thing twice: give one of them")
    if options.quantum is not None and options.quantum < 1:
        raise UserError(f"--quantum {options.quantum}: it must be at least 1 cycle")
    settings: dict[str, Any] = {
        "pes": pes, "ram_bytes": parse_size(options.ram), "interleaving": options.interleaving or options.fidelity or "block",
        "quantum_cycles": options.quantum, "seed": options.seed, "start": options.start, "bootargs": options.append,
        "semihosting": options.semihosting, "adversarial": options.adversarial, "events": None if options.events else EVENTS,
    }
    for name in ("recursion_limit", "livelock_limit", "feat_bbm", "multi_hit", "nt_faults", "repeat_tlbi_erratum"):
        if getattr(options, name) is not None:
            settings[name] = getattr(options, name)
    return settings


def _check_periods(options: Options, pes: int) -> None:
    for name, period_cycles in (("--serror-period", options.serror_period), ("--fiq-period", options.fiq_period)):
        if not 0 <= period_cycles <= PERIOD_MOST_CYCLES:
            raise UserError(f"{name} {period_cycles}: it must be from 0 to 2**40 cycles")
        if period_cycles and pes == 1:
            raise UserError(f"{name} {period_cycles} concerns all PEs but PE 0, and there is no other: give --pes 2 or more")


def kernel_constants(chosen: Kernel | Path, options: Options, pes: int) -> dict[str, int]:
    """What the source can name: the layout of `asm/` if it is built on it, ROUNDS and WARMUP, and what was defined by hand.

    A constant from which others follow (LAYOUT_KEYWORDS) takes those with it.
    """
    defined = _defined(options.define)
    keywords: dict[str, Any] = {LAYOUT_KEYWORDS[name]: value for name, value in defined.items() if name in LAYOUT_KEYWORDS}
    keywords.setdefault("ram_bytes", min(parse_size(options.ram), LAYOUT_RAM_BYTES_MOST) // BLOCK_BYTES * BLOCK_BYTES)
    constants: dict[str, int] = {}
    if isinstance(chosen, Kernel):
        constants = chosen.build_constants(pes, options.rounds, options.warmup, layout=keywords) | {"SEED": options.seed}
    else:
        given = {"ROUNDS": options.rounds, "WARMUP": options.warmup}
        constants = layout_constants(pes, **keywords) | {"SEED": options.seed} if _builds_on_asm(chosen) else {}
        constants |= {name: value for name, value in given.items() if value is not None}
    return constants | defined


def _defined(texts: tuple[str, ...]) -> dict[str, int]:
    """What --define says, by name."""
    constants: dict[str, int] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not _NAME.fullmatch(name):
            raise UserError(f"--define {text!r}: write it as NAME=VALUE")
        try:
            constants[name] = int(value, 0) if equals else 1
        except ValueError:
            raise UserError(f"--define {text!r}: {value!r} is not a number") from None
        if not -(1 << 63) <= constants[name] < 1 << 64:
            raise UserError(f"--define {text!r}: the value does not fit 64 bits")
    return constants


def _builds_on_asm(path: Path) -> bool:
    """Whether a source includes a part of `asm/` that does not lie beside it."""
    if path.suffix not in SOURCE_SUFFIXES or not path.is_file():
        return False
    names = _INCLUDE.findall(path.read_text(encoding="utf-8", errors="replace"))
    return any((ASM_DIRECTORY / name).is_file() and not (path.parent / name).exists() for name in names)


def load_chosen(chosen: Kernel | Path, options: Options, constants: Mapping[str, int]) -> Image:
    """The image of a kernel. Raises UserError for options that are about sources where it is none."""
    path = chosen.path if isinstance(chosen, Kernel) else chosen
    for directory in options.include:
        if not directory.is_dir():
            raise UserError(f"--include {directory}: is not a directory")
    image = load_image(path, origin_pa=RAM_PA + IMAGE_OFFSET_BYTES, constants=constants, include_dirs=[*options.include, ASM_DIRECTORY])
    if image.kind != "source":
        given = {"--define": options.define, "--include": options.include, "--listing": options.listing,
                 "--rounds": options.rounds, "--warmup": options.warmup}
        for name, value in given.items():
            if value not in (None, ()):
                raise UserError(f"{name} is about sources, but {path} is {'an ELF' if image.kind == 'elf' else 'a flat'} image")
    return image


def check_writable(path: Path | None) -> None:
    """Find out before a long run, not after it."""
    if path is None:
        return
    try:
        with path.open("ab"):
            pass
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror}") from None


def _check_marks(image: Image, marks: list[str]) -> None:
    for name in marks:
        if name not in image.symbols:
            raise UserError(f"{image.name}: no symbol {name!r} to watch")


def _build(profile: Profile, settings: dict[str, Any], image: Image, marks: list[str]) -> "Machine":
    from sim.machine import Machine

    def show(text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()

    try:
        return Machine(profile=profile, console=show, **settings).load(image, marks=list(dict.fromkeys(marks)))
    except (OSError, MemoryError) as error:
        if isinstance(error, BrokenPipeError):
            raise
        raise UserError(f"{settings['pes']} PEs and {settings['ram_bytes'] >> 20} MiB of RAM are more than this host gives: {error}") from None


def _finish(machine: "Machine", result: "Result", chosen: Kernel | Path, constants: Mapping[str, int], options: Options) -> int:
    """Tables and files; the verdict is the last line."""
    from sim import report
    from sim.cli_detect import detect

    if result.console and not result.console.endswith("\n"):
        print()
    console = report.console()
    summary = _rendezvous(machine, result, constants) if isinstance(chosen, Kernel) and chosen.name == "rendezvous" else None
    if summary is not None:
        report.print_rendezvous(console, summary)
    if options.watch:
        report.print_passed(console, machine.watched, result, options.watch)
    if options.registers:
        report.print_registers(console, result)
    report.print_statistics(console, result)
    findings = detect(machine, result, constants)
    report.print_sections(console, findings.sections())
    write_file(options.json, lambda path: _write_json(path, result, summary, findings))
    write_file(options.events, lambda path: report.write_events(path, result))
    report.print_verdict(console, result.verdict)
    return result.verdict.exit_code


def _rendezvous(machine: "Machine", result: "Result", constants: Mapping[str, int]) -> "RendezvousReport":
    """The statistics of the rounds, from the marks in the event log."""
    import numpy as np

    from firmware.rendezvous import MARK_DTYPE, MARK_NAMES, rendezvous_report

    events = result.events.of("mark")
    number_of = np.array([MARK_NAMES.index(name) if name in MARK_NAMES else len(MARK_NAMES) for name in machine.watched])
    numbers = number_of[events["a"].astype(np.int64)]
    known = numbers < len(MARK_NAMES)
    marks = np.zeros(int(known.sum()), MARK_DTYPE)
    marks["cycle"], marks["pe"], marks["symbol"] = events["cycle"][known], events["pe"][known], numbers[known]
    return rendezvous_report(marks, len(result.statistics), constants["ROUNDS"], constants["WARMUP"], result.clock_hz)


def write_file(path: Path | None, writer: Callable[[Path], None]) -> None:
    """Let `writer` write a file, if one was asked for. Raises UserError where it cannot be."""
    if path is None:
        return
    try:
        writer(path)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror}") from None


def _write_json(path: Path, result: "Result", summary: "RendezvousReport | None", findings: "Findings") -> None:
    document = result.to_json()
    if summary is not None:
        document["rendezvous"] = summary.to_json()
    document |= findings.to_json()
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def _write_listing(image: Image, path: Path | None) -> None:
    def write(where: Path) -> None:
        where.write_text("".join(f"{line}\n" for line in image.listing), encoding="utf-8")

    write_file(path, write)
