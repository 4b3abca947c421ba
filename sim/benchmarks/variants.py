"""What a benchmark is asked to run: each scenario, each value of each option, each number of PEs."""
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product

from firmware.benchmarks import Benchmark, Option, benchmark
from sim.benchmarks.run import Task
from sim.errors import UserError

SCENARIOS = "scenarios"                 # the option that has a bit for each scenario
ISSUERS = "issuers"
SIDE_BY_SIDE = ("shootdown",)           # benchmarks all of whose scenarios are run unless one is asked for


def tasks_of(name: str, given: Mapping[str, str | None], numbers: Sequence[int], like: Task) -> list[Task]:
    """Tasks, by number of PEs, then by scenario. given: texts by option, several values with commas between; None: not said. like: the rest.

    Raises UserError for a value that an option does not have, or that does not go with a number of PEs.
    """
    chosen = benchmark(name)
    values = {option: _values(chosen, option, text) for option, text in given.items() if text is not None}
    chooser = _chooser(chosen)
    if chooser is not None and chooser not in values:
        option, side_by_side = chosen.options[chooser], name in SIDE_BY_SIDE
        values[chooser] = [(word, value) for word, value in (option.choices or {}).items() if side_by_side or value == option.default]
    variants = [dict(zip(values, combination, strict=True)) for combination in product(*values.values())]
    shown = [option for option in sorted(values, key=lambda option: option != chooser) if len(values[option]) > 1 or option == chooser]
    tasks = []
    for pes in numbers:
        for number, scenario in enumerate(chosen.scenarios if chooser is None else ("",)):
            for variant in variants:
                options = {option: value for option, (_, value) in variant.items()}
                if chooser is None:
                    options[SCENARIOS] = 1 << number
                words = {"": scenario, **{option: _word(chosen, option, variant[option][0]) for option in shown}}
                label, family = (", ".join(word for option, word in words.items() if word and option != left_out) for left_out in (None, ISSUERS))
                task = replace(like, benchmark=name, scenario=label, family=family, pes=pes, values=tuple(options.items()))
                _ = task.constants                          # complains about what does not go together, before anything runs
                tasks.append(task)
    return tasks


def _chooser(chosen: Benchmark) -> str | None:
    """The option that says which scenario is run; None if one run goes through those whose bit in SCENARIOS is set."""
    if SCENARIOS in chosen.options:
        return None
    return next(name for name, option in chosen.options.items() if tuple(option.choices or ()) == chosen.scenarios)


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


def _word(chosen: Benchmark, option: str, text: str) -> str:
    """A value as part of a scenario's name."""
    if chosen.options[option].choices:
        return text
    return f"{text} {option.removesuffix('s') if text == '1' else option}"
