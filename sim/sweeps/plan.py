"""What has to be known of a point to run it, here or elsewhere, and the key under which its results are kept."""
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from firmware.kernels import Kernel, kernel, kernels
from firmware.layout import LAYOUT_KEYWORDS
from sim.arch.memory_map import RAM_PA
from sim.benchmarks.atomics import atomics_of
from sim.errors import UserError
from sim.experiments.kernel_build import build_constants, build_image, parse_size
from sim.experiments.seeded_build import SEED, SeededBuild, seeded_build
from sim.loader.image import Image, check_segments
from sim.settings import FIDELITIES, PERIOD_MOST_CYCLES, Settings
from sim.sweeps.identity import simulator
from sim.sweeps.profiles import profile_of_text, profile_path, profile_text
from sim.sweeps.spec import KEYS, MACHINE_KEYS, Point, Spec

Words = tuple[tuple[str, Any], ...]     # a mapping that can be a key


@dataclass(frozen=True, slots=True)
class Plan:
    """A point, complete: everything but the seed.

    kernel: a built-in name or an absolute path. defined: constants given by hand. machine: keywords of Machine. profile_name, profile_text:
    the profile as TOML. settings: every key of a specification with its value, in text the same for the same run. image_digest: of the
    image as it is built for seed 0. simulator: which one is to run it.
    """

    kernel: str
    is_built_in: bool
    include: tuple[str, ...]
    rounds: int | None
    warmup: int | None
    defined: Words
    machine: Words
    profile_name: str
    profile_text: str
    budget_cycles: int
    serror_period_cycles: int
    fiq_period_cycles: int
    settings: str
    image_digest: str
    simulator: str

    @property
    def pes(self) -> int:
        """Processing elements."""
        return int(dict(self.machine)["pes"])

    def chosen(self) -> Kernel | Path:
        """The kernel, as the other rooms take it."""
        return kernel(self.kernel) if self.is_built_in else Path(self.kernel)

    def constants(self, seed: int) -> dict[str, int]:
        """Of the assembly."""
        chosen = self.chosen()
        lacking = atomics_of(chosen, profile_of_text(self.profile_text, self.profile_name))
        return build_constants(chosen, pes=self.pes, ram_bytes=dict(self.machine)["ram_bytes"], seed=seed, rounds=self.rounds,
                               warmup=self.warmup, defined={**lacking, **dict(self.defined)})

    def build(self) -> SeededBuild:
        """The kernel, assembled once in a process for all its seeds."""
        constants = self.constants(0)
        takes_seed = SEED in constants and SEED not in dict(self.defined)
        words = tuple(sorted((name, value) for name, value in constants.items() if name != SEED or not takes_seed))
        return seeded_build(self.kernel, self.is_built_in, self.include, words, takes_seed, self.image_digest)

    def key(self, seed: int) -> str:
        """What results of this point and seed are kept under: equal keys have equal results."""
        chosen = self.chosen()
        marks = " ".join(chosen.marks) if isinstance(chosen, Kernel) else ""
        profile = repr(profile_of_text(self.profile_text, self.profile_name))
        return _digest(self.settings, str(seed), self.image_digest, marks, profile, self.simulator)


@dataclass(frozen=True, slots=True)
class Refused:
    """A point that cannot be run, and why."""

    settings: str
    message: str
    simulator: str

    def key(self, seed: int) -> str:
        """As that of a Plan."""
        return _digest(self.settings, str(seed), self.message, self.simulator)


def plans_of(spec: Spec, points: Iterable[Point], show: Callable[[], None] = lambda: None) -> list[Plan | Refused]:
    """A plan for each point; `show` is told of each. What only this combination of values cannot have is `Refused`.

    Raises UserError, naming the key, for a value with which no point can be run.
    """
    points = list(points)
    _profile_text.cache_clear()         # files may have changed since
    _image_digest.cache_clear()
    for build in (False, True):         # all that is quick to find out first
        found: list[Plan | Refused] = []
        for point in points:
            found.append(_plan_or_refused(spec, point, build))
            if build:
                show()
        _blame(spec, points, found)
    return found


def _plan_or_refused(spec: Spec, point: Point, build: bool) -> Plan | Refused:
    try:
        return _plan(spec, point, build)
    except UserError as error:
        return Refused(_settings_text(point.given), str(error), simulator())


def _blame(spec: Spec, points: list[Point], found: list[Plan | Refused]) -> None:
    """Refuse a specification in which a value is wrong, whatever the others are."""
    refused = [(point, plan) for point, plan in zip(points, found, strict=True) if isinstance(plan, Refused)]
    if len(refused) == len(points):
        raise UserError(f"{spec.path}: no point can be run: {refused[0][1].message}")
    for name, values in spec.parameters.items() if refused else ():
        for value in values:
            mine = [plan for point, plan in zip(points, found, strict=True) if point.parameters[name] == value]
            if all(isinstance(plan, Refused) for plan in mine):
                first = next(plan for plan in mine if isinstance(plan, Refused))
                raise UserError(f"{spec.path}: parameters.{name}: no point with {value!r} can be run: {first.message}")


def _plan(spec: Spec, point: Point, build: bool) -> Plan:
    given = point.given
    chosen = _kernel(str(given["kernel"]), spec.directory)
    defaults = {name: default for name, (_, default) in KEYS.items()}
    if isinstance(chosen, Kernel):
        defaults |= {"pes": chosen.default_pes, **{name: chosen.constants[name.upper()] for name in ("rounds", "warmup")}, **chosen.machine}
    full = {**defaults, **given}
    full["interleaving"] = FIDELITIES.get(full["interleaving"], full["interleaving"])
    machine = {name: full[name] for name in MACHINE_KEYS} | {"ram_bytes": parse_size(full["ram"], "ram")}
    defined = {name.removeprefix("define."): value for name, value in full.items() if name.startswith("define.")}
    changes = {name.removeprefix("profile."): value for name, value in full.items() if name.startswith("profile.")}
    path = profile_path(full["profile"], spec.directory)
    text = _profile_text(path, tuple(changes.items()))
    checked = Settings(**machine)
    checked.bbm_level(profile_of_text(text, path.stem).identity.bbm_level)
    _check_numbers(full)
    plan = Plan(
        kernel=chosen.name if isinstance(chosen, Kernel) else str(chosen), is_built_in=isinstance(chosen, Kernel),
        include=tuple(str(one) for one in spec.include), rounds=full["rounds"], warmup=full["warmup"],
        defined=tuple(sorted(defined.items())),
        machine=tuple(sorted(machine.items())), profile_name=path.stem, profile_text=text, budget_cycles=full["budget"],
        serror_period_cycles=full["serror_period"], fiq_period_cycles=full["fiq_period"],
        settings=_settings_text(full), image_digest="", simulator=simulator())
    _check_defined(plan, defined)
    if not build:
        return plan
    digest = _image_digest(plan.kernel, plan.is_built_in, plan.include, tuple(sorted(plan.constants(0).items())), machine["ram_bytes"])
    return replace(plan, image_digest=digest)


def _kernel(text: str, directory: Path) -> Kernel | Path:
    """A built-in kernel by its name, else a file, relative to the specification."""
    if "/" not in text and not Path(text).suffix and (text in {known.name for known in kernels()} or not (directory / text).exists()):
        return kernel(text)
    return directory / text


def _check_numbers(full: Mapping[str, Any]) -> None:
    if full["budget"] < 1:
        raise UserError(f"budget {full['budget']}: it must be at least 1 cycle")
    for name in ("serror_period", "fiq_period"):
        if not 0 <= full[name] <= PERIOD_MOST_CYCLES:
            raise UserError(f"{name} {full[name]}: it must be from 0 to 2**40 cycles")


def _check_defined(plan: Plan, defined: Mapping[str, int]) -> None:
    """A constant that a built-in kernel does not have would change nothing, point by point."""
    chosen = plan.chosen()
    for name, value in defined.items():
        if not -(1 << 63) <= value < 1 << 64:
            raise UserError(f"define.{name} {value}: the value does not fit 64 bits")
        if isinstance(chosen, Kernel) and name not in LAYOUT_KEYWORDS and name not in chosen.build_constants(plan.pes):
            raise UserError(f"define.{name}: {chosen.name} has no such constant; its own are {', '.join(chosen.options) or 'none'}")


@lru_cache(maxsize=4096)
def _profile_text(path: Path, changes: Words) -> str:
    return profile_text(path, dict(changes))


@lru_cache(maxsize=4096)
def _image_digest(name: str, is_built_in: bool, include: tuple[str, ...], constants: Words, ram_bytes: int) -> str:
    """Digest of an image's segments and entry. Raises UserError if it cannot be built, or does not fit RAM."""
    image = build_image(kernel(name) if is_built_in else Path(name), dict(constants), [Path(one) for one in include])
    if image.kind != "source" and constants:
        raise UserError(f"{name}: rounds, warmup and define are about sources, and this is none")
    check_segments(image, RAM_PA, ram_bytes)
    return digest_of(image)


def digest_of(image: Image) -> str:
    """Of its segments and its entry."""
    digest = hashlib.sha256(f"{image.kind} {image.entry_pa:#x}".encode())
    for segment in image.segments:
        digest.update(f" {segment.pa:#x} {segment.size_bytes} ".encode() + segment.data)
    return digest.hexdigest()


def _settings_text(full: Mapping[str, Any]) -> str:
    return json.dumps(dict(sorted(full.items())))


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]
