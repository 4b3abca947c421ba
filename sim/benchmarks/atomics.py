"""By which instructions the kernels of the benchmarks change a word that PEs share."""
from pathlib import Path

from firmware.benchmarks import benchmarks
from firmware.kernels import Kernel
from sim.timing.profile import Profile


def has_lse(profile: Profile) -> bool:
    """Whether the core of a profile has FEAT_LSE.

    A profile does not say so itself, since the simulator has the instructions on every one. It says whether the core has FEAT_RDM, and both
    are part of Armv8.1 and of what came after it: DDI 0487, "Architecture extensions".
    """
    return profile.identity.rdm


def atomics_of(chosen: Kernel | Path, profile: Profile) -> dict[str, int]:
    """The constant LSE of a benchmark's kernel, as the profile's core has it; nothing for any other kernel."""
    if isinstance(chosen, Kernel) and any(chosen.name == benchmark.kernel for benchmark in benchmarks()):
        return {"LSE": int(has_lse(profile))}
    return {}
