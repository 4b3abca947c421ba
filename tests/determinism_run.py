"""A fixed set of runs, and the digest of each one's event log: run as a program under other settings of numba, it must print the same.

    python tests/determinism_run.py kernel[:pes[:rounds[:interleaving[:seed]]]] ...     one line for each: digest, events, verdict
"""
import hashlib
import sys
from typing import Any

from firmware.kernels import kernel
from sim.machine import Machine
from sim.result import Result

RAM_BYTES = 16 << 20
BUDGET_CYCLES = 20_000_000


def run_kernel(name: str, pes: int, rounds: int, interleaving: str = "block", seed: int = 0, **more: Any) -> Result:
    """One run of a built-in kernel on a small machine of its own."""
    built_in = kernel(name)
    machine = Machine(pes=pes, ram_bytes=RAM_BYTES, interleaving=interleaving, seed=seed, **more)
    machine.load(built_in.path, constants=built_in.build_constants(pes, rounds=rounds, warmup=0), include_dirs=built_in.include_directories,
                 marks=built_in.marks)
    return machine.run(BUDGET_CYCLES)


def digest(result: Result) -> str:
    """Short digest of the whole event log."""
    return hashlib.sha256(bytes(result.events)).hexdigest()[:24]


def main(wanted: list[str]) -> None:
    """A line for each run asked for."""
    for item in wanted:
        name, *rest = item.split(":")
        pes, rounds, interleaving, seed = (*rest, *("2", "2", "block", "0")[len(rest):])
        result = run_kernel(name, int(pes), int(rounds), interleaving, int(seed))
        print(item, digest(result), len(result.events), result.verdict, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
