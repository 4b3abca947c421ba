"""All figures measured, each measurement once, over processes."""
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from typing import Any

from sim.calibration.figures import Figure
from sim.calibration.measurement import Measurement


@dataclass(frozen=True, slots=True)
class Compared:
    """A published figure and ours."""

    figure: Figure
    ours: float

    @property
    def error(self) -> float:
        """As a share of the published figure; see Figure.error."""
        return self.figure.error(self.ours)

    @property
    def holds(self) -> bool:
        """Whether ours is within the tolerance."""
        return self.figure.holds(self.ours)

    def to_json(self) -> dict[str, Any]:
        """The same as plain values; published_most null: no upper bound was published."""
        figure = self.figure
        most = None if figure.most == float("inf") else figure.most
        return {"key": figure.key, "what": figure.what, "profile": figure.profile, "unit": figure.unit, "published_least": figure.least,
                "published_most": most, "ours": self.ours, "error": self.error, "tolerance": figure.tolerance, "how": figure.how,
                "parameter": figure.parameter, "source": figure.source, "holds": self.holds}


def compare(figures: Sequence[Figure], jobs: int, show: Callable[[Compared], None] = lambda _compared: None) -> list[Compared]:
    """Measure and compare, in the order given; `show` is told of each in that order, as soon as it and all before it are known."""
    found: dict[Measurement, dict[str, float]] = {}
    shown: list[Compared] = []

    def show_known() -> None:
        for figure in figures[len(shown):]:
            if figure.measurement not in found:
                return
            shown.append(Compared(figure, found[figure.measurement][figure.part]))
            show(shown[-1])

    wanted = list(dict.fromkeys(figure.measurement for figure in figures))
    if jobs == 1 or len(wanted) == 1:
        for measurement in wanted:
            found[measurement] = dict(measurement.run())
            show_known()
        return shown
    with ProcessPoolExecutor(jobs) as pool:
        # the longest first, so that no process is left alone with one in the end
        waiting = {pool.submit(measurement.run): measurement for measurement in sorted(wanted, key=lambda one: -one.weight)}
        try:
            for future in as_completed(waiting):
                found[waiting[future]] = dict(future.result())
                show_known()
        except BaseException:
            pool.shutdown(cancel_futures=True)          # one that failed is enough
            raise
    return shown
