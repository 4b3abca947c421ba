"""What a sample of durations looks like: percentiles that were really seen, and a histogram with logarithmic buckets."""
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sim.errors import SimulatorError

Cycles = npt.NDArray[np.int64]
PERMILLE = (500, 900, 990, 999)         # whole numbers: 99.9 / 100 * 1000 is not 999
BUCKETS_A_DOUBLING = (64, 32, 16, 8, 4, 2, 1)   # fine first: the finest that shows a sample in few enough buckets is taken
BUCKETS_MOST = 12


@dataclass(frozen=True, slots=True)
class Distribution:
    """A sample in cycles. Each percentile is the least value that so many percent of the sample do not exceed, so one that was seen.

    p999 of less than 1,000 values is the maximum, p99 of less than 100 as well.
    """

    count: int
    minimum: int
    p50: int
    p90: int
    p99: int
    p999: int
    maximum: int
    mean: float

    @classmethod
    def of(cls, values: Cycles) -> "Distribution":
        """values: cycles, any order. Raises SimulatorError for an empty sample: a benchmark without samples is not a benchmark."""
        if not len(values):
            raise SimulatorError("the distribution of no values")
        ordered, count = np.sort(values), len(values)
        p50, p90, p99, p999 = (int(ordered[-(-count * permille // 1000) - 1]) for permille in PERMILLE)
        return cls(count, int(ordered[0]), p50, p90, p99, p999, int(ordered[-1]), float(values.mean()))

    @property
    def figures(self) -> tuple[tuple[str, int], ...]:
        """The figures that a table shows, by name."""
        return (("p50", self.p50), ("p90", self.p90), ("p99", self.p99), ("p99.9", self.p999), ("max", self.maximum))

    def to_json(self, clock_hz: float) -> dict[str, Any]:
        """Plain values, in cycles and in ns."""
        values = {"min": self.minimum, **dict(self.figures), "mean": self.mean}
        return {"count": self.count, "cycles": values, "ns": {name: value * 1e9 / clock_hz for name, value in values.items()}}


@dataclass(frozen=True, slots=True)
class Bucket:
    """Values from least to below bound, in cycles (bounds of a logarithmic scale, so not whole), and how many there were."""

    least: float
    bound: float
    count: int


def histogram(values: Cycles, buckets_most: int = BUCKETS_MOST) -> tuple[Bucket, ...]:
    """Buckets of equal width on a logarithmic scale, the finest division of a doubling that needs at most `buckets_most` of them.

    Buckets between the first and the last that are empty are there too. A value below 1 counts in the first bucket, which begins at 0 then.
    If one bucket for each doubling is still too much, there are more than `buckets_most`.
    """
    if not len(values):
        return ()
    whole = np.maximum(values, 1)
    for parts in BUCKETS_A_DOUBLING:
        places = _places(whole, parts)
        if places.max() - places.min() < buckets_most:
            break
    first = int(places.min())
    counts = np.bincount(places - first)
    bounds = [2.0 ** ((first + number) / parts) for number in range(len(counts) + 1)]
    if int(values.min()) < 1:
        bounds[0] = 0.0
    return tuple(Bucket(bounds[number], bounds[number + 1], int(count)) for number, count in enumerate(counts))


def _places(values: Cycles, parts: int) -> Cycles:
    """In which bucket each value lies, if a doubling has so many. Rounding errors of the logarithm are undone, so that a power of two begins one."""
    places: Cycles = np.floor(np.log2(values) * parts).astype(np.int64)
    places += values >= 2.0 ** ((places + 1) / parts)
    places -= values < 2.0 ** (places / parts)
    return places


def bar(count: int, most: int, width: int) -> str:
    """A bar of at most `width` characters; whatever is not nothing shows."""
    return "#" * (max(1, round(count * width / most)) if count else 0)


def histogram_lines(buckets: Sequence[Bucket], clock_hz: float, width: int = 60) -> Iterable[str]:
    """One line for each bucket: its bounds in ns, its count, a bar."""
    most = max((bucket.count for bucket in buckets), default=0)
    digits = max((len(str(bucket.count)) for bucket in buckets), default=1)
    for bucket in buckets:
        least, bound = (value * 1e9 / clock_hz for value in (bucket.least, bucket.bound))
        yield f"{least:>10.1f} .. {bound:<10.1f} ns {bucket.count:>{digits}} {bar(bucket.count, most, width)}".rstrip()
