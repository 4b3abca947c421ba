"""The fit, against data whose law is known and against leaving each point out by hand."""
import numpy as np
import pytest

from sim.benchmarks.fit import fits
from sim.errors import SimulatorError

PES = (2, 4, 8, 16, 32, 64, 128)


@pytest.mark.parametrize(("shape", "law", "factors"), [
    ("linear", lambda n: 300 + 12.5 * n, (300, 12.5)),
    ("log n", lambda n: 300 + 45 * np.log2(n), (300, 45)),
    ("n log n", lambda n: 300 + 2 * n + 5 * n * np.log2(n), (300, 2, 5)),
    ("quadratic", lambda n: 300 + 2 * n + 0.5 * n * n, (300, 2, 0.5)),
])
def test_data_of_a_law_get_that_law(shape: str, law: object, factors: tuple[float, ...]) -> None:
    best = fits(PES, [law(n) for n in PES])[0]          # type: ignore[operator]
    assert best.shape == shape
    assert best.coefficients == pytest.approx(factors, rel=1e-6)
    assert best.r_squared == pytest.approx(1.0)
    assert best.at(256) == pytest.approx(law(256))      # type: ignore[operator]


def test_noise_does_not_buy_a_bend() -> None:
    noise = np.random.default_rng(5).normal(0, 20, len(PES))
    found = fits(PES, [300 + 12.5 * n + error for n, error in zip(PES, noise, strict=True)])
    assert found[0].shape == "linear"
    assert found[0].r_squared < max(fit.r_squared for fit in found[1:])     # although the others fit what they were given better


def test_a_bend_that_explains_next_to_nothing_is_left_out() -> None:
    best = fits(PES, [10_000 + 50 * n - 0.002 * n * n for n in PES])[0]
    assert best.shape == "linear" and best.r_squared > 0.9999
    assert best.text(1e9) == "10,003 + 49.75 n"


def test_the_error_is_that_of_leaving_each_point_out() -> None:
    cycles = [410.0, 395, 480, 700, 1250, 2600, 5400]
    for fit in fits(PES, cycles):
        errors = []
        for place, pes in enumerate(PES):
            others = [n for n in PES if n != pes]
            left = next(one for one in fits(others, cycles[:place] + cycles[place + 1:]) if one.shape == fit.shape)
            errors.append(cycles[place] - left.at(pes))
        assert fit.error_cycles == pytest.approx(np.sqrt(np.mean(np.square(errors))), rel=1e-6)


def test_two_points_have_no_fit_and_three_only_lines_that_mean_something() -> None:
    assert fits((2, 4), (1.0, 2.0)) == ()
    three = fits((2, 4, 8), (10.0, 21.0, 39.0))
    assert [fit.shape for fit in three[:3]] == ["linear", "log n", "constant"]
    assert three[0].error_cycles is not None
    assert [fit.error_cycles for fit in three[3:]] == [None, None]


def test_what_does_not_grow_is_constant() -> None:
    best = fits(PES, [750.0] * len(PES))[0]
    assert best.shape == "constant" and best.r_squared == 1.0
    assert best.coefficients == pytest.approx((750,))
    assert best.text(1e9) == "750"


def test_the_text_is_in_nanoseconds() -> None:
    best = fits(PES, [300 - 2 * n for n in PES])[0]
    assert best.text(2e9) == "150 - 1 n"


def test_numbers_that_do_not_belong_together_are_an_error() -> None:
    with pytest.raises(SimulatorError):
        fits((2, 4, 8), (1.0, 2.0))
    with pytest.raises(SimulatorError):
        fits((2, 2, 8), (1.0, 2.0, 3.0))
