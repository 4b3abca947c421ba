"""How long `quiesce run` takes to the guest's first console character, and the first compilation.  python bench/startup.py [--cold] [--json FILE]

Reference of the same run: the same interpreter importing numpy and numba, which nothing that is compiled by numba can do without.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REPETITIONS = 5
RUN = [sys.executable, "-c", "import sys; sys.argv = ['quiesce', 'run', 'hello']; from sim.cli import main; main()"]


def to_first_character(environment: dict[str, str]) -> float:
    """Seconds from the start of the process to the first byte of the guest's text."""
    started = time.perf_counter()
    with subprocess.Popen(RUN, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment) as process:
        assert process.stdout is not None
        first = process.stdout.read(1)
        seconds = time.perf_counter() - started
        rest = process.stdout.read()
    assert (first + rest).startswith(b"hello from EL1"), rest
    return seconds


def importing() -> float:
    """Seconds of an interpreter that imports numpy and numba."""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import numpy, numba"], check=True)
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cold", action="store_true", help="also compile everything anew, in a cache of its own (a minute or two)")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    to_first_character(dict(os.environ))                    # whatever has to be compiled is there afterwards
    warm = min(to_first_character(dict(os.environ)) for _ in range(REPETITIONS))
    reference = min(importing() for _ in range(REPETITIONS))
    report = {"warm_seconds": warm, "import_seconds": reference, "ratio": warm / reference}
    print(f"warm start to the guest's first character   {warm:6.2f} s   {warm / reference:.1f} times importing numpy and numba ({reference:.2f} s)")
    if options.cold:
        with tempfile.TemporaryDirectory() as cache:
            report["cold_seconds"] = to_first_character({**os.environ, "QUIESCE_CACHE": cache})
        print(f"first start, everything compiled            {report['cold_seconds']:6.2f} s")
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
