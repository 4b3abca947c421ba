"""Run a hostile guest by name and seed: `python tests/hostile_run.py NAME SEED`.

Given `-` instead of a name, names and seeds are read from the standard input, a line each; every guest then runs in a process of
its own, forked after the compiled functions were loaded, and one JSON line says how it ended.
"""
import hashlib
import json
import os
import random
import resource
import signal
import sys
from typing import Any

import hostile_garbage  # noqa: F401  (these three register their guests)
import hostile_nowhere  # noqa: F401
import hostile_storms  # noqa: F401
from hostile_guest import GUESTS, RAM_BYTES

from sim.machine import Machine

CPU_SECONDS, WALL_SECONDS = 20, 120     # of the host, for one guest


def run_guest(name: str, seed: int) -> dict[str, Any]:
    """Run one guest here; how it ended, and whether that is right."""
    guest = GUESTS[name](random.Random(f"{name} {seed}"))
    machine = Machine(ram_bytes=RAM_BYTES, **guest.settings)
    result = machine.load(guest.image()).run(guest.budget_cycles)
    kind = result.verdict.kind
    right = kind != "engine" and (not guest.verdicts or kind in guest.verdicts)
    return {"name": name, "seed": seed, "verdict": str(result.verdict), "kind": kind, "right": right, "instructions": result.instructions,
            "events": hashlib.sha256(bytes(result.events)).hexdigest()[:24]}


def run_apart(name: str, seed: int) -> dict[str, Any]:
    """Run one guest in a child process; how it ended, also if it took the process with it."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        signal.alarm(WALL_SECONDS)
        resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        try:
            answer = run_guest(name, seed)
        except BaseException as error:  # noqa: BLE001      the child must answer, whatever it is
            answer = {"name": name, "seed": seed, "verdict": f"{type(error).__name__}: {error}", "kind": "exception", "right": False}
        os.write(writing, json.dumps(answer).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        answer = pipe.read()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        killer = signal.Signals(os.WTERMSIG(status)).name
        kind = "hang" if killer in ("SIGALRM", "SIGXCPU", "SIGKILL") else "crash"
        return {"name": name, "seed": seed, "verdict": killer, "kind": kind, "right": False}
    result: dict[str, Any] = json.loads(answer)
    return result


def main(arguments: list[str]) -> None:
    """One guest by name and seed in this process, or all that are asked for on the standard input, each in one of its own."""
    if arguments and arguments[0] != "-":
        print(json.dumps(run_guest(arguments[0], int(arguments[1]))))
        return
    for name in ("trapped_in_mid_block", "loop_for_ever"):  # loads everything that is compiled, the stepping instance too
        run_guest(name, 0)
    for line in sys.stdin:
        name, seed = line.split()
        print(json.dumps(run_apart(name, int(seed))), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
