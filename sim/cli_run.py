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

from firmware.kernels import Kernel, kernels
from sim.arch.memory_map import RAM_PA
from sim.benchmarks.atomics import atomics_of
from sim.errors import UserError
from sim.experiments.kernel_build import build_constants, build_image, choose_kernel, parse_size, rendezvous_of
from sim.loader.image import Image, check_segments
from sim.settings import BUDGET_DEFAULT_CYCLES, PERIOD_MOST_CYCLES, Settings
from sim.timing.profile import Profile, load_profile

if TYPE_CHECKING:
    from firmware.rendezvous import RendezvousReport
    from sim.cli_detect import Findings
    from sim.machine import Machine
    from sim.result import Result

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
    strict_ttl: bool | None = None
    adversarial: bool = False
    coherence: bool | None = None
    run_ahead: bool | None = None
    skip_waiting: bool | None = None


def print_kernels() -> int:
    """One line for each built-in kernel."""
    from sim.cli_terminal import print_named

    print_named((known.name, known.summary) for known in kernels())
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
    constants = kernel_constants(chosen, options, pes, profile)
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
    for name in ("recursion_limit", "livelock_limit", "feat_bbm", "multi_hit", "nt_faults", "repeat_tlbi_erratum", "strict_ttl", "coherence",
                 "run_ahead", "skip_waiting"):
        if getattr(options, name) is not None:
            settings[name] = getattr(options, name)
    return settings


def _check_periods(options: Options, pes: int) -> None:
    for name, period_cycles in (("--serror-period", options.serror_period), ("--fiq-period", options.fiq_period)):
        if not 0 <= period_cycles <= PERIOD_MOST_CYCLES:
            raise UserError(f"{name} {period_cycles}: it must be from 0 to 2**40 cycles")
        if period_cycles and pes == 1:
            raise UserError(f"{name} {period_cycles} concerns all PEs but PE 0, and there is no other: give --pes 2 or more")


def kernel_constants(chosen: Kernel | Path, options: Options, pes: int, profile: Profile | None = None) -> dict[str, int]:
    """As `sim.experiments.kernel_build.build_constants`, of the options. profile: what its core lacks, the kernel of a benchmark does without."""
    lacking = {} if profile is None else atomics_of(chosen, profile)
    return build_constants(chosen, pes=pes, ram_bytes=parse_size(options.ram), seed=options.seed, rounds=options.rounds, warmup=options.warmup,
                           defined={**lacking, **_defined(options.define)})


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


def load_chosen(chosen: Kernel | Path, options: Options, constants: Mapping[str, int]) -> Image:
    """The image of a kernel. Raises UserError for options that are about sources where it is none."""
    path = chosen.path if isinstance(chosen, Kernel) else chosen
    image = build_image(chosen, constants, options.include)
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
    summary = rendezvous_of(machine.watched, result, constants) if isinstance(chosen, Kernel) and chosen.name == "rendezvous" else None
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
