"""Percentiles and histograms, against sorting and counting in plain Python."""
import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.benchmarks.distribution import BUCKETS_MOST, Distribution, histogram, histogram_lines
from sim.errors import SimulatorError

SAMPLES = st.lists(st.integers(0, 10_000_000), min_size=1, max_size=300)


def rank(values: list[int], percent: float) -> int:
    """The value that at least so many percent of the sample do not exceed, by sorting."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(round(len(values) * percent / 100, 9)) - 1)]


@given(SAMPLES)
def test_every_percentile_is_the_least_value_that_so_many_do_not_exceed(values: list[int]) -> None:
    found = Distribution.of(np.array(values, np.int64))
    assert (found.count, found.minimum, found.maximum) == (len(values), min(values), max(values))
    assert (found.p50, found.p90, found.p99, found.p999) == tuple(rank(values, percent) for percent in (50, 90, 99, 99.9))
    assert found.mean == pytest.approx(sum(values) / len(values))


def test_of_one_to_a_thousand_the_percentiles_are_themselves() -> None:
    found = Distribution.of(np.arange(1, 1001))
    assert [value for _, value in found.figures] == [500, 900, 990, 999, 1000]


def test_no_samples_are_an_error_and_not_a_zero() -> None:
    with pytest.raises(SimulatorError, match="no values"):
        Distribution.of(np.zeros(0, np.int64))


def test_json_has_cycles_and_nanoseconds() -> None:
    found = Distribution.of(np.array([2500, 5000])).to_json(2.5e9)
    assert found["cycles"]["max"] == 5000 and found["ns"]["max"] == pytest.approx(2000.0)


@given(SAMPLES)
def test_every_value_lies_in_the_bucket_that_counts_it(values: list[int]) -> None:
    buckets = histogram(np.array(values, np.int64))
    assert sum(bucket.count for bucket in buckets) == len(values)
    for bucket in buckets:
        assert bucket.count == sum(bucket.least <= value < bucket.bound for value in values)
    assert buckets[0].count and buckets[-1].count


@given(SAMPLES)
def test_buckets_adjoin_and_are_equally_wide_on_a_logarithmic_scale(values: list[int]) -> None:
    buckets = histogram(np.array([value + 1 for value in values], np.int64))
    ratios = [bucket.bound / bucket.least for bucket in buckets]
    assert ratios == pytest.approx([ratios[0]] * len(ratios))
    assert all(left.bound == right.least for left, right in itertools.pairwise(buckets))
    assert len(buckets) <= BUCKETS_MOST or ratios[0] == pytest.approx(2.0)


def test_a_power_of_two_begins_a_bucket() -> None:
    for exponent in range(1, 50):
        below, at = (histogram(np.array([value]))[0] for value in (2**exponent - 1, 2**exponent))
        assert below.bound <= 2**exponent and at.least == 2**exponent


def test_nothing_has_no_histogram() -> None:
    assert histogram(np.zeros(0, np.int64)) == ()


def test_the_fullest_bucket_has_the_longest_bar_and_no_line_is_too_long() -> None:
    lines = list(histogram_lines(histogram(np.array([100] * 1000 + [200])), 1e9))
    bars = [line.count("#") for line in lines]
    assert bars[0] == 60 and bars[-1] == 1
    assert all(len(line) <= 120 for line in lines)
    assert all("ns" in line for line in lines) and "1000" in lines[0]
