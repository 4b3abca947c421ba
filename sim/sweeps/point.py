"""One run of a sweep, in whichever process this is: from a plan and a seed to a plain document."""
import os
import threading
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from firmware.kernels import Kernel
from sim.errors import SimulatorError, UserError
from sim.sweeps.identity import simulator
from sim.sweeps.measures import Document, document_of
from sim.sweeps.plan import Plan, digest_of
from sim.sweeps.profiles import profile_of_text

_TOGETHER = threading.Lock()            # a worker of a cluster may have several threads; machines share compiled state of the process


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run came to.

    status: "ended" with a verdict, whatever it is, and a document; "failed" for what the settings cannot have; "host" for what this host
    could not give; "other": it would have run another simulator, or another image than was planned, and did not.
    message: one line about the latter three.
    """

    status: Literal["ended", "failed", "host", "other"]
    message: str = ""
    document: Document | None = None


def run_plan(plan: Plan, seed: int) -> Outcome:
    """Run a point with a seed. Raises SimulatorError, with the command that shows it, for a defect of ours."""
    with _TOGETHER:
        if simulator() != plan.simulator:
            return Outcome("other", f"process {os.getpid()} has {simulator()}, the sweep is one of {plan.simulator}")
        try:
            if _image_here(plan) != plan.image_digest:
                return Outcome("other", f"{plan.kernel} is not what it was when the sweep began")
            return _run(plan, seed)
        except UserError as error:
            return Outcome("failed", str(error))
        except Exception as error:
            raise SimulatorError(f"{type(error).__name__}: {error}; to see it: {command(plan, seed)}") from error


@lru_cache(maxsize=64)
def _image_here(plan: Plan) -> str:
    """Digest of the image as this process builds it: once for each point."""
    return digest_of(plan.build().base)


def _run(plan: Plan, seed: int) -> Outcome:
    from sim.machine import Machine

    chosen, constants = plan.chosen(), plan.constants(seed)
    image = plan.build().image(seed)
    marks = chosen.marks if isinstance(chosen, Kernel) else ()
    settings = {**dict(plan.machine), "seed": seed, "events": ()}
    try:
        machine = Machine(profile=profile_of_text(plan.profile_text, plan.profile_name), **settings)
    except (OSError, MemoryError) as error:
        return Outcome("host", f"{plan.pes} PEs and {settings['ram_bytes'] >> 20} MiB of RAM are more than the host gives: {error}")
    machine.load(image, marks=marks)
    for pe in range(1, plan.pes):
        machine.inject_serrors(pe, plan.serror_period_cycles)
        machine.inject_fiqs(pe, plan.fiq_period_cycles)
    result = machine.run(plan.budget_cycles)
    return Outcome("ended", document=document_of(chosen if isinstance(chosen, Kernel) else None, machine.watched, result, constants))


def command(plan: Plan, seed: int) -> str:
    """What a person types to see such a run. A changed profile has to be written to a file first; `quiesce sweep --json` has its text."""
    machine = dict(plan.machine)
    words = [f"quiesce run {plan.kernel} --seed {seed} --profile {plan.profile_name} --budget {plan.budget_cycles}",
             f"--ram {machine['ram_bytes']}"]
    given = {"rounds": plan.rounds, "warmup": plan.warmup, "serror-period": plan.serror_period_cycles or None,
             "fiq-period": plan.fiq_period_cycles or None}
    names = {"quantum_cycles": "quantum", "bootargs": "append"}
    given |= {names.get(name, name.replace("_", "-")): value for name, value in machine.items() if name != "ram_bytes"}
    for name, value in given.items():
        if value is True and name != "semihosting":
            words.append(f"--{name}")
        elif value is False and name == "semihosting":
            words.append("--no-semihosting")
        elif value is not None and not isinstance(value, bool):
            words.append(f"--{name} {value}")
    words += [f"--define {name}={value}" for name, value in plan.defined] + [f"--include {one}" for one in plan.include]
    return " ".join(words)
