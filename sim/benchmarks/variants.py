"""What a benchmark is asked to run: each scenario, each value of each option, each number of PEs."""
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product

from firmware.benchmarks import Benchmark, Option, benchmark
from sim.benchmarks.run import Task
from sim.errors import UserError

SCENARIOS = "scenarios"                 # the option that has a bit for each scenario
SIDE_BY_SIDE = {"shootdown": ("how",)}  # options whose values are all run unless one is asked for


def tasks_of(name: str, given: Mapping[str, str | None], numbers: Sequence[int], like: Task) -> list[Task]:
    """Tasks, by number of PEs, then by scenario. given: texts by option, several values with commas between; None: not said. like: the rest.

    Raises UserError for a value that an option does not have, or that does not go with a number of PEs.
    """
    chosen = benchmark(name)
    values = {option: _values(chosen, option, text) for option, text in given.items() if text is not None}
    for option in SIDE_BY_SIDE.get(name, ()):
        values.setdefault(option, [(word, value) for word, value in (chosen.options[option].choices or {}).items()])
    variants = [dict(zip(values, combination, strict=True)) for combination in product(*values.values())]
    several = [option for option, possible in values.items() if len(possible) > 1]
    tasks = []
    for pes in numbers:
        for number, scenario in enumerate(chosen.scenarios):
            for variant in variants:
                options = {option: value for option, (_, value) in variant.items()}
                if SCENARIOS in chosen.options:
                    options[SCENARIOS] = 1 << number
                task = replace(like, benchmark=name, scenario=_label(chosen, scenario, variant, several), pes=pes, values=tuple(options.items()))
                _ = task.constants                          # complains about what does not go together, before anything runs
                tasks.append(task)
    return tasks


def _values(chosen: Benchmark, option: str, text: str) -> list[tuple[str, int]]:
    """Word and value of each value that a text names."""
    known = chosen.options[option]
    return [(word, _value(known, option, word)) for word in dict.fromkeys(part.strip() for part in text.split(","))]


def _value(known: Option, option: str, word: str) -> int:
    if known.choices is not None:
        if word not in known.choices:
            raise UserError(f"--{option} {word!r}: choose {', '.join(known.choices)}")
        return known.choices[word]
    try:
        return int(word)
    except ValueError:
        raise UserError(f"--{option} {word!r}: it must be a whole number") from None


def _label(chosen: Benchmark, scenario: str, variant: Mapping[str, tuple[str, int]], several: Sequence[str]) -> str:
    """The scenario where there are several, and the values of the options of which several were asked for."""
    words = [variant[option][0] if chosen.options[option].choices else f"{variant[option][0]} {option}" for option in several]
    return ", ".join([scenario, *words] if len(chosen.scenarios) > 1 or not words else words)
