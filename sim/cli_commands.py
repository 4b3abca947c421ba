"""The words of the command line. Each command returns what is to be done; `sim.cli` does it, outside the parser's own error handling."""
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False, no_args_is_help=True,
                  help="Runs AArch64 kernels on N processing elements and shows, to the cycle, what each of them meets.")
Action = Callable[[], int]


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"quiesce {version('quiesce')}")
        raise typer.Exit


@app.callback()
def _options(version: Annotated[bool, typer.Option("--version", callback=_print_version, is_eager=True,
                                                   help="Print the version and stop.")] = False) -> None:
    del version


@app.command(name="list")
def list_kernels() -> Action:
    """List the built-in kernels, one line each."""
    from sim.cli_run import print_kernels

    return print_kernels


@app.command(short_help="List the built-in profiles, or check one of your own.")
def profiles(
    check: Annotated[str | None, typer.Option(metavar="P", help="Check this profile or .toml file instead: every wrong key, with its line.")] = None,
) -> Action:
    """List the built-in core profiles, one line each, or check one of your own."""
    from sim.cli_profiles import print_check, print_profiles

    return print_profiles if check is None else lambda: print_check(check)


@app.command(short_help="Run a kernel to its end and show what each PE met.")
def run(
    kernel: Annotated[str, typer.Argument(metavar="KERNEL", help="A built-in kernel, or the path of a .s, ELF or flat file.")],
    pes: Annotated[int | None, typer.Option(metavar="N", help="Processing elements, 1 to 256.")] = None,
    profile: Annotated[str, typer.Option(metavar="P", help="A built-in profile or the path of a .toml file.")] = "cortex-a72",
    interleaving: Annotated[str | None, typer.Option(metavar="I", help="block, quantum or instruction.")] = None,
    fidelity: Annotated[str | None, typer.Option(metavar="F", help="timed, fast or exact: the same choice by purpose.")] = None,
    quantum: Annotated[int | None, typer.Option(metavar="CYCLES", help="Length of a quantum.")] = None,
    seed: Annotated[int, typer.Option(metavar="N", help="Breaks ties, and chooses random TLB victims.")] = 0,
    budget: Annotated[int | None, typer.Option(metavar="CYCLES", help="Simulated time after which the run ends.")] = None,
    start: Annotated[str, typer.Option(metavar="WHO", help="one: PE 0, the others by PSCI; all: every PE.")] = "one",
    append: Annotated[str | None, typer.Option(metavar="TEXT", help="bootargs in the device tree.")] = None,
    ram: Annotated[str, typer.Option(metavar="SIZE", help="RAM, as 256M or 1G.")] = "256M",
    rounds: Annotated[int | None, typer.Option(metavar="N", help="Constant ROUNDS of the kernel.")] = None,
    warmup: Annotated[int | None, typer.Option(metavar="N", help="Constant WARMUP: rounds left out.")] = None,
    json: Annotated[Path | None, typer.Option(metavar="FILE", help="Write verdict, registers, statistics as JSON.")] = None,
    events: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the event log; .npy: as an array.")] = None,
    semihosting: Annotated[bool, typer.Option("--semihosting/--no-semihosting", help="Answer HLT #0xF000.")] = True,
    define: Annotated[list[str] | None, typer.Option(metavar="NAME=VALUE", help="A constant for the source.")] = None,
    include: Annotated[list[Path] | None, typer.Option(metavar="DIR", help="Where .include looks.")] = None,
    watch: Annotated[list[str] | None, typer.Option(metavar="SYMBOL", help="Say when each PE passes it.")] = None,
    registers: Annotated[bool, typer.Option("--registers", help="Print every PE's registers at the end.")] = False,
    listing: Annotated[Path | None, typer.Option(metavar="FILE", help="Write addresses, bytes, source lines.")] = None,
    recursion_limit: Annotated[int | None, typer.Option(metavar="N", help="Nested exceptions before the verdict.")] = None,
    livelock_limit: Annotated[int | None, typer.Option(metavar="N", help="Equal vector entries before the verdict.")] = None,
    serror_period: Annotated[int, typer.Option(metavar="CYCLES", help="SErrors at all PEs but PE 0, at random; mean time between.")] = 0,
    fiq_period: Annotated[int, typer.Option(metavar="CYCLES", help="The same of FIQs.")] = 0,
    adversarial: Annotated[bool, typer.Option("--adversarial", help="What only barriers guarantee comes late; TLBs gain and lose by seed.")] = False,
    feat_bbm: Annotated[int | None, typer.Option(metavar="N", help="Level of FEAT_BBM, 0 to 3; default the profile's.")] = None,
    multi_hit: Annotated[str | None, typer.Option(metavar="OUTCOME", help="Of overlapping TLB entries: abort, old, new, "
                                                  "amalgamation, seeded.")] = None,
    nt_faults: Annotated[bool, typer.Option("--nt-faults", help="Accesses through nT take a translation fault.")] = False,
    repeat_tlbi_erratum: Annotated[bool, typer.Option("--repeat-tlbi-erratum", help="One access may outlive TLBI; DSB.")] = False,
    strict_ttl: Annotated[bool, typer.Option("--strict-ttl", help="A TLBI with a TTL hint of the wrong level drops nothing.")] = False,
    coherence: Annotated[bool | None, typer.Option("--coherence/--no-coherence", help="Lines that travel between PEs cost time; "
                                                   "default unless --interleaving quantum.")] = None,
    skip_waiting: Annotated[bool | None, typer.Option("--skip-waiting/--no-skip-waiting",
                                                      help="Whether PEs that spin sleep: the same result, faster.")] = None,
    run_ahead: Annotated[bool | None, typer.Option("--run-ahead/--strict-order",
                                                   help="Whether PEs run ahead of each other where nobody can tell: the same result.")] = None,
) -> Action:
    """Run a kernel until it ends, can do nothing more, or has used up its budget."""
    from sim.cli_run import Options, execute

    options = Options(
        kernel=kernel, pes=pes, profile=profile, interleaving=interleaving, fidelity=fidelity, quantum=quantum, seed=seed, budget=budget,
        start=start, append=append, ram=ram, rounds=rounds, warmup=warmup, json=json, events=events, semihosting=semihosting,
        define=tuple(define or ()), include=tuple(include or ()), watch=tuple(watch or ()), registers=registers, listing=listing,
        recursion_limit=recursion_limit, livelock_limit=livelock_limit, serror_period=serror_period, fiq_period=fiq_period,
        feat_bbm=feat_bbm, multi_hit=multi_hit, nt_faults=nt_faults or None, repeat_tlbi_erratum=repeat_tlbi_erratum or None,
        strict_ttl=strict_ttl or None, adversarial=adversarial, coherence=coherence, run_ahead=run_ahead,
        skip_waiting=skip_waiting)
    return lambda: execute(options)


@app.command(short_help="Read exception handlers: what they touch, which schemes break.")
def lint(
    kernel: Annotated[str, typer.Argument(metavar="KERNEL", help="A built-in kernel, or the path of a .s, ELF or flat file.")],
    pes: Annotated[int | None, typer.Option(metavar="N", help="Processing elements that it is built for.")] = None,
    vbar: Annotated[str | None, typer.Option(metavar="SYMBOL", help="The vector table; default what the code writes to VBAR_EL1.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every instruction alone, those on the way to a panic too.")] = False,
    define: Annotated[list[str] | None, typer.Option(metavar="NAME=VALUE", help="A constant for the source.")] = None,
    include: Annotated[list[Path] | None, typer.Option(metavar="DIR", help="Where .include looks.")] = None,
    json: Annotated[Path | None, typer.Option(metavar="FILE", help="Write every access as JSON.")] = None,
) -> Action:
    """Read a kernel's exception handlers: what they touch before they return, and which schemes may break it."""
    from sim.cli_lint import execute_lint

    return lambda: execute_lint(kernel, pes, vbar, tuple(define or ()), tuple(include or ()), json, everything)


@app.command(short_help="List the schemes, with what a short run says of each.")
def schemes(
    pes: Annotated[int, typer.Option(metavar="N", help="Processing elements of the measured run.")] = 4,
    rounds: Annotated[int, typer.Option(metavar="N", help="Rounds of the measured run.")] = 20,
    json: Annotated[Path | None, typer.Option(metavar="FILE", help="Write everything that is known as JSON.")] = None,
    jobs: Annotated[int | None, typer.Option(metavar="N", help="Processes; default one for each processor.")] = None,
) -> Action:
    """List the schemes: idea, origin, safe or not, and what a short run says of each."""
    from sim.cli_schemes import execute_schemes

    return lambda: execute_schemes(pes, rounds, json, jobs)


@app.command(short_help="Compare schemes under one load: safety, latency, memory.")
def compare(
    pes: Annotated[str | None, typer.Option(metavar="A..B|N,N...", help="Numbers of processing elements; A..B doubles; default 4.")] = None,
    schemes: Annotated[str | None, typer.Option(metavar="S,S...", help="Names, or numbers as SC-4; default all.")] = None,
    seeds: Annotated[int, typer.Option(metavar="N", help="Runs of each, with and without SErrors.")] = 5,
    rounds: Annotated[int, typer.Option(metavar="N", help="Demotions and promotions of each run.")] = 20,
    profile: Annotated[str, typer.Option(metavar="P", help="A built-in profile or the path of a .toml file.")] = "cortex-a72",
    serror_period: Annotated[int, typer.Option(metavar="CYCLES", help="Between SErrors of a PE, on average; 0: none.")] = 20_000,
    json: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the figures as JSON.")] = None,
    csv: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the figures as CSV.")] = None,
    plot: Annotated[Path | None, typer.Option(metavar="FILE", help="Draw latency against PEs, as .png, .svg or .pdf.")] = None,
    jobs: Annotated[int | None, typer.Option(metavar="N", help="Processes; default one for each processor.")] = None,
) -> Action:
    """Compare schemes under one load: safety, latency, lost time, faults, memory, TLB misses."""
    from sim.cli_compare import CompareOptions, execute_compare

    options = CompareOptions(pes, schemes, seeds, rounds, profile, serror_period, json, csv, plot, jobs)
    return lambda: execute_compare(options)


@app.command(short_help="Run the acceptance matrix: expected, seen, whether it holds.")
def matrix(
    rows: Annotated[list[str] | None, typer.Argument(metavar="[ROW]...", help="Rows, as T-02; default all.")] = None,
    seeds: Annotated[int, typer.Option(metavar="N", help="Runs of a row that is a race.")] = 100,
    jobs: Annotated[int | None, typer.Option(metavar="N", help="Processes; default one for each processor.")] = None,
    json: Annotated[Path | None, typer.Option(metavar="FILE", help="Write what was seen as JSON.")] = None,
) -> Action:
    """Run the acceptance matrix: what is expected of each row, what was seen, whether it holds."""
    from sim.cli_matrix import execute_matrix

    return lambda: execute_matrix(rows or [], seeds, jobs, json)


@app.command(short_help="Run a kernel over parameters and seeds; resumable.")
def sweep(
    spec: Annotated[Path, typer.Argument(metavar="SPEC", help="A .toml file: what is the same, parameters, seeds.")],
    jobs: Annotated[int | None, typer.Option(metavar="N", help="Processes; default one for each processor.")] = None,
    dask: Annotated[str | None, typer.Option(metavar="ADDRESS", help="Scheduler of a Dask cluster, as tcp://host:8786.")] = None,
    store: Annotated[Path | None, typer.Option(metavar="FILE", help="Where results are kept; default beside SPEC, as .sqlite.")] = None,
    csv: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a line for each run as CSV.")] = None,
    json: Annotated[Path | None, typer.Option(metavar="FILE", help="Write figures and runs as JSON.")] = None,
) -> Action:
    """Run a kernel over parameters and seeds; what was run before is not run again."""
    from sim.cli_sweep import SweepOptions, execute_sweep

    return lambda: execute_sweep(SweepOptions(spec, jobs, dask, store, csv, json))


bench = typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=True,
                    help="Measure what a rendezvous and its parts take: percentiles, phases, skew, fit, where the cycles went.")
app.add_typer(bench, name="bench", short_help="Measure what a rendezvous and its parts take.")
BenchPes = Annotated[str, typer.Option("--pes", metavar="A..B|N,N...", help="Numbers of PEs; A..B doubles from A and includes B.")]
BenchProfile = Annotated[str, typer.Option("--profile", metavar="P", help="A built-in profile or the path of a .toml file.")]
BenchFidelity = Annotated[str, typer.Option("--fidelity", metavar="F", help="timed, fast or exact.")]
BenchRounds = Annotated[int, typer.Option("--rounds", metavar="N", help="Rounds that are measured, of each seed.")]
BenchWarmup = Annotated[int, typer.Option("--warmup", metavar="N", help="Rounds before them that are left out.")]
BenchSeed = Annotated[int, typer.Option("--seed", metavar="N", help="The first seed.")]
BenchSeeds = Annotated[int, typer.Option("--seeds", metavar="N", help="How many seeds, each a run of its own.")]
BenchJson = Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write everything as JSON.")]
BenchCsv = Annotated[Path | None, typer.Option("--csv", metavar="FILE", help="Write the percentiles as CSV.")]
BenchPlot = Annotated[Path | None, typer.Option("--plot", metavar="FILE", help="Draw it, as .png, .svg or .pdf.")]
BenchJitter = Annotated[str | None, typer.Option(metavar="N,N...", help="For how many turns of a loop these are masked, at most; default 100.")]
BenchJobs = Annotated[int | None, typer.Option("--jobs", metavar="N", help="Processes; default one for each processor.")]
BenchLse = Annotated[bool | None, typer.Option("--lse/--no-lse", help="Atomics by FEAT_LSE, or by LDXR and STXR; default what the profile's core has.")]


def _bench(benchmark: str, given: dict[str, str | None], **options: Any) -> Action:
    from sim.cli_bench import BenchOptions, execute_bench

    return lambda: execute_bench(BenchOptions(benchmark, given, **options))


@bench.command(name="ipi", short_help="The five scenarios of Linux's IPI benchmark.")
def bench_ipi(
    pes: BenchPes = "2..16", profile: BenchProfile = "neoverse-n1", fidelity: BenchFidelity = "timed", rounds: BenchRounds = 200,
    warmup: BenchWarmup = 10, seed: BenchSeed = 0, seeds: BenchSeeds = 1, json: BenchJson = None, csv: BenchCsv = None,
    plot: BenchPlot = None, jobs: BenchJobs = None, lse: BenchLse = None,
    idle: Annotated[str | None, typer.Option(metavar="wfi|busy", help="What the other PEs do meanwhile.")] = None,
    jitter: BenchJitter = None,
    target: Annotated[str | None, typer.Option(metavar="N", help="The PE that the normal IPI goes to.")] = None,
    self_: Annotated[str | None, typer.Option("--self", metavar="call|sgi", help="How PE 0 calls itself: as Linux, or by an SGI.")] = None,
) -> Action:
    """Linux's IPI benchmark: dry run, self, one target, broadcast, broadcast with lock; delivery and total."""
    return _bench("ipi", {"idle": idle, "jitter": jitter, "target": target, "self": self_}, pes=pes, profile=profile, fidelity=fidelity, rounds=rounds,
                  warmup=warmup, seed=seed, seeds=seeds, json=json, csv=csv, plot=plot, jobs=jobs, lse=lse)


@bench.command(name="rendezvous", short_help="One PE gathers all others by SGI, all act, all go on.")
def bench_rendezvous(
    pes: BenchPes = "2..16", profile: BenchProfile = "neoverse-n1", fidelity: BenchFidelity = "timed", rounds: BenchRounds = 200,
    warmup: BenchWarmup = 10, seed: BenchSeed = 0, seeds: BenchSeeds = 1, json: BenchJson = None, csv: BenchCsv = None,
    plot: BenchPlot = None, jobs: BenchJobs = None, lse: BenchLse = None,
    barrier: Annotated[str | None, typer.Option(metavar="B,B...", help="How PEs meet: counters (default), tree, wfe.")] = None,
    idle: Annotated[str | None, typer.Option(metavar="wfi|busy", help="What the other PEs do meanwhile.")] = None,
    jitter: BenchJitter = None,
) -> Action:
    """One PE gathers all others by SGI, all act, all go on."""
    return _bench("rendezvous", {"barrier": barrier, "idle": idle, "jitter": jitter}, pes=pes, profile=profile, fidelity=fidelity, rounds=rounds,
                  warmup=warmup, seed=seed, seeds=seeds, json=json, csv=csv, plot=plot, jobs=jobs, lse=lse)


@bench.command(name="shootdown", short_help="A broadcast TLBI against an IPI to every PE.")
def bench_shootdown(
    pes: BenchPes = "2..16", profile: BenchProfile = "neoverse-n1", fidelity: BenchFidelity = "timed", rounds: BenchRounds = 200,
    warmup: BenchWarmup = 10, seed: BenchSeed = 0, seeds: BenchSeeds = 1, json: BenchJson = None, csv: BenchCsv = None,
    plot: BenchPlot = None, jobs: BenchJobs = None, lse: BenchLse = None,
    how: Annotated[str | None, typer.Option(metavar="H,H...", help="tlbi: broadcast TLBI; ipi: a call of every PE; default both.")] = None,
    issuers: Annotated[str | None, typer.Option(metavar="N,N...", help="PEs that do so at once, each with a page of its own; default 1.")] = None,
    idle: Annotated[str | None, typer.Option(metavar="wfi|busy", help="What PEs do that have nothing to do.")] = None,
    jitter: BenchJitter = None,
) -> Action:
    """A translation is taken away on every PE: by a broadcast TLBI and by IPI, by one PE or by several at once."""
    return _bench("shootdown", {"how": how, "issuers": issuers, "idle": idle, "jitter": jitter}, pes=pes, profile=profile, fidelity=fidelity, rounds=rounds,
                  warmup=warmup, seed=seed, seeds=seeds, json=json, csv=csv, plot=plot, jobs=jobs, lse=lse)


@app.command(short_help="Measure what was published of hardware, and print both.")
def calibrate(
    figures: Annotated[list[str] | None, typer.Argument(metavar="[FIGURE]...", help="Keys or patterns, as line/*; default all.")] = None,
    jobs: Annotated[int | None, typer.Option(metavar="N", help="Processes; default one for each processor.")] = None,
    json: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the figures as JSON.")] = None,
    markdown: Annotated[Path | None, typer.Option(metavar="FILE", help="Replace the table in this document.")] = None,
) -> Action:
    """Measure in the simulator what was published of hardware, and print both."""
    from sim.cli_calibrate import execute_calibrate

    return lambda: execute_calibrate(figures or [], jobs, json, markdown)
