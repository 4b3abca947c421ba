"""A row of the acceptance matrix: a scenario that is run, what is expected of it, and what was seen."""
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from sim.experiments.trial import Trial
from sim.result import Result

#: Judges one run. Returns a few words on what was seen; raises Unexpected if that is not what the row says.
Judge = Callable[[Result], str]


class Unexpected(Exception):
    """What was seen is not what the row expects; the text says what it was."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a row's runs showed. holds: as expected, in every run. runs: how many there were. failing_seed: of the first that was not."""

    holds: bool
    text: str
    runs: int = 1
    failing_seed: int | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One row, "T-02". run: takes the number of seeds, of which a row that is no race uses one or few. is_race: outcome varies by seed."""

    id: str
    scenario: str
    expected: str
    run: Callable[[int], Seen]
    is_race: bool = False


def expect(condition: bool, otherwise: str) -> None:
    """Raise Unexpected with `otherwise` unless the condition holds."""
    if not condition:
        raise Unexpected(otherwise)


def over_seeds(trial: Trial, judge: Judge, seeds: Iterable[int]) -> Seen:
    """Run a trial for each seed and judge each run. The text counts what was seen, the commonest first; the first failure ends it."""
    counts: Counter[str] = Counter()
    runs = 0
    for seed in seeds:
        runs += 1
        try:
            counts[judge(trial.run(seed))] += 1
        except Unexpected as unexpected:
            return Seen(False, f"seed {seed}: {unexpected} ({trial.command(seed)})", runs, seed)
    text = "; ".join(f"{text} ({count} of {runs})" if count < runs else text for text, count in counts.most_common(4))
    return Seen(True, text, runs)


def all_of(parts: Iterable[tuple[str, Callable[[], Seen]]]) -> Seen:
    """A row made of several: all must hold. Each part is a name and what runs it."""
    texts, runs = [], 0
    for name, run in parts:
        seen = run()
        runs += seen.runs
        texts.append(f"{name}: {seen.text}")
        if not seen.holds:
            return Seen(False, texts[-1], runs, seen.failing_seed)
    return Seen(True, " | ".join(texts), runs)
