"""Words for instructions: Keystone in a process of its own, started once for a source."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from sim.errors import SimulatorError

_WORKER = Path(__file__).with_name("keystone_worker.py")
_REASONS = {"invalid mnemonic": "unknown instruction", "invalid operand": "an operand is of the wrong kind or out of range",
            "unknown error": "an operand is out of range or not allowed there"}
CRASHES_MAX = 20                        # instructions in one source on which Keystone may die before the rest is given up


class EncodeError(str):
    """Why an instruction has no encoding."""


def encode_with_keystone(instructions: Sequence[str], timeout_seconds: float = 20.0) -> list[int | EncodeError]:
    """The word of each instruction, or why there is none.

    Each instruction is one line without symbols or directives. An instruction on which the process dies, or is not done when the
    time is up, is told so; the ones after it are tried in a new process.
    """
    results: list[int | EncodeError] = []
    crashes = 0
    while len(results) < len(instructions):
        rest = instructions[len(results):]
        if crashes > CRASHES_MAX:
            results.extend([EncodeError("not tried: Keystone failed too often before it")] * len(rest))
            break
        lines, failure = _run_worker(rest, timeout_seconds, one_by_one=crashes > 0)
        answers = _read_answers(lines, len(rest))
        results.extend(answers)
        if len(answers) < len(rest):
            crashes += 1
            # The first run tries all at once: which instruction it died on is known only when each has been answered by itself.
            if answers or crashes > 1:
                results.append(EncodeError(failure))
    return results


def _run_worker(instructions: Sequence[str], timeout_seconds: float, one_by_one: bool) -> tuple[list[str], str]:
    command = [sys.executable, "-P", str(_WORKER), *(["--one-by-one"] if one_by_one else [])]
    try:
        done = subprocess.run(command, input=json.dumps(list(instructions)), capture_output=True, text=True,
                              timeout=timeout_seconds, check=False)
    except subprocess.TimeoutExpired as expired:
        output = expired.stdout or b""
        text = output.decode("ascii", "replace") if isinstance(output, bytes) else output
        return text.splitlines(), f"Keystone was not done after {timeout_seconds:g} seconds"
    except OSError as error:
        raise SimulatorError(f"the assembler process cannot be started: {error}") from error
    if done.returncode == 1 and not done.stdout:        # a Python error before the first answer: nothing of the user's
        raise SimulatorError(f"the assembler process failed: {done.stderr.strip()[-400:]}")
    return done.stdout.splitlines(), "Keystone ended abnormally on it"


def _read_answers(lines: Sequence[str], expected: int) -> list[int | EncodeError]:
    answers: list[int | EncodeError] = []
    for line in lines:
        kind, _, rest = line.partition(" ")
        if kind == "all" and len(rest) == 8 * expected:
            data = bytes.fromhex(rest)
            return [int.from_bytes(data[i:i + 4], "little") for i in range(0, len(data), 4)]
        if kind == "ok" and len(rest) == 8:
            answers.append(int.from_bytes(bytes.fromhex(rest), "little"))
        elif kind == "bad":
            answers.append(EncodeError(_REASONS.get(rest, rest)))
    return answers
