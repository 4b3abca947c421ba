"""Results of a sweep as figures over seeds, as CSV and as JSON."""
import csv
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sim.sweeps.plan import Plan
from sim.sweeps.run import Run
from sim.sweeps.spec import Point, Spec
from sim.sweeps.store import Row

MEASURES_USUAL = ("cycles", "instructions")
MEASURES_RENDEZVOUS = ("rendezvous.gathered.median_cycles", "rendezvous.all_done.median_cycles")
BENCHES_SHOWN = 3
Found = Sequence[tuple[Run, Row]]


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one measure over the seeds of a point: median, 90th percentile (interpolated) and the most."""

    median: float
    p90: float
    most: float


@dataclass(frozen=True, slots=True)
class PointFigures:
    """A point over its seeds. endings: how runs ended and how often. measures: None where no run has that measure."""

    point: Point
    runs: int
    endings: dict[str, int]
    measures: dict[str, Figures | None]


def measures_of(row: Row) -> dict[str, Any]:
    """Name and number of everything that was measured; nothing where the run failed."""
    return dict(row.document["measures"]) if row.document else {}


def usual_measures(found: Found) -> tuple[str, ...]:
    """What is shown where nobody chose."""
    names = dict.fromkeys(name for _, row in found for name in measures_of(row))
    benches = [name for name in names if name.endswith(".total.p50_cycles")][:BENCHES_SHOWN]
    return tuple(benches) or (("cycles", *MEASURES_RENDEZVOUS) if MEASURES_RENDEZVOUS[0] in names else MEASURES_USUAL)


def figures_of(found: Found, names: Sequence[str]) -> list[PointFigures]:
    """The figures of each point that has results, in the order of the points."""
    by_point: dict[int, list[tuple[Run, Row]]] = {}
    for run, row in found:
        by_point.setdefault(run.point.number, []).append((run, row))
    return [PointFigures(mine[0][0].point, len(mine), dict(Counter(row.ending for _, row in mine).most_common()),
                         {name: _figures([measures_of(row).get(name) for _, row in mine]) for name in names})
            for _, mine in sorted(by_point.items())]


def _figures(values: Iterable[Any]) -> Figures | None:
    sample = np.array([value for value in values if value is not None], float)
    if not len(sample):
        return None
    return Figures(float(np.median(sample)), float(np.percentile(sample, 90)), float(sample.max()))


def write_csv(path: Path, spec: Spec, found: Found) -> None:
    """One line for each run: its parameters, its seed, how it ended, all that was measured."""
    names = list(dict.fromkeys(name for _, row in found for name in measures_of(row)))
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        writer.writerow([*spec.parameters, "seed", "ending", "message", *names])
        for run, row in found:
            measured = measures_of(row)
            ended = (run.seed, row.ending, row.message)
            writer.writerow([*run.point.parameters.values(), *ended, *(measured.get(name, "") for name in names)])


def write_json(path: Path, spec: Spec, found: Found, figures: Sequence[PointFigures]) -> None:
    """Specification, figures of each point with its profile as TOML, and every run with its whole document."""
    profiles = {run.point.number: run.plan.profile_text for run, _ in found if isinstance(run.plan, Plan)}
    points = [{"number": one.point.number, "parameters": dict(one.point.parameters), "runs": one.runs, "endings": one.endings,
               "profile": profiles.get(one.point.number),
               "measures": {name: None if value is None else {"median": value.median, "p90": value.p90, "maximum": value.most}
                            for name, value in one.measures.items()}} for one in figures]
    runs = [{"point": run.point.number, "seed": run.seed, "ending": row.ending, "message": row.message, "document": row.document}
            for run, row in found]
    parameters = {name: list(values) for name, values in spec.parameters.items()}
    whole = {"run": dict(spec.run), "parameters": parameters, "seeds": list(spec.seeds),
             "simulator": found[0][0].plan.simulator if found else None, "points": points, "runs": runs}
    path.write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")
