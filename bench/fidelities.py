"""How far `timed` is from `exact`: cycles of a round, warm, by blocks against by single instructions.  python bench/fidelities.py [--json FILE]

A round is what each of some more rounds takes, so boot and report are not in it. The reference is `exact` in the same run.
"""
import argparse
import json
from pathlib import Path

from firmware.kernels import kernel
from sim.machine import Machine

KERNELS = ("bench_ipi", "bench_rendezvous", "bench_shootdown", "rendezvous", "tlbi_shootdown")
PROFILES = ("cortex-a72", "neoverse-n1")
PES = (2, 4, 8, 16)
FEW_ROUNDS, MORE_ROUNDS = 10, 40
BUDGET_CYCLES = 1 << 40
LIMIT = 0.05


def run_cycles(name: str, profile: str, pes: int, fidelity: str, rounds: int) -> int:
    """The whole run, boot and report included."""
    known = kernel(name)
    machine = Machine(pes=pes, profile=profile, ram_bytes=64 << 20, interleaving=fidelity, events=())
    machine.load(known.path, constants=known.build_constants(pes, rounds=rounds, warmup=0), include_dirs=known.include_directories, marks=known.marks)
    result = machine.run(BUDGET_CYCLES)
    assert result.exit_status == 0, (name, profile, pes, fidelity, result.verdict)
    return result.cycles


def round_cycles(name: str, profile: str, pes: int, fidelity: str) -> float:
    """One round of many."""
    longer, shorter = (run_cycles(name, profile, pes, fidelity, rounds) for rounds in (FEW_ROUNDS + MORE_ROUNDS, FEW_ROUNDS))
    assert longer > shorter
    return (longer - shorter) / MORE_ROUNDS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    report: list[dict[str, object]] = []
    off: list[float] = []
    print("| kernel | profile | " + " | ".join(f"{pes} PEs" for pes in PES) + " |\n| --- | --- |" + " --- |" * len(PES))
    for name in KERNELS:
        for profile in PROFILES:
            row = []
            for pes in PES:
                timed, exact = (round_cycles(name, profile, pes, fidelity) for fidelity in ("timed", "exact"))
                row.append(timed / exact - 1)
                report.append({"kernel": name, "profile": profile, "pes": pes, "timed_cycles": timed, "exact_cycles": exact, "difference": row[-1]})
            off += row
            print(f"| `{name}` | {profile} | " + " | ".join(f"{each:+.1%}" for each in row) + " |", flush=True)
    print(f"{sum(map(abs, off)) / len(off):.1%} on average, above {LIMIT:.0%} in {sum(abs(each) > LIMIT for each in off)} of {len(off)}")
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
