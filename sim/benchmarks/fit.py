"""How latency grows with the number of PEs: least squares over five shapes, and which of them predicts best.

A shape is judged by what it says of each point when it is fitted to the others (leave-one-out), not by R² alone, which never falls when a
term is added. Fitted by numpy.linalg.lstsq. Leave-one-out residual = residual / (1 - leverage): D. M. Allen, Technometrics 16 (1974).
"""
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sim.errors import SimulatorError

Values = npt.NDArray[np.float64]
#: Terms of each shape, simplest first, as text with n for the number of PEs.
SHAPES = {"constant": ("1",), "linear": ("1", "n"), "log n": ("1", "log2 n"), "n log n": ("1", "n", "n log2 n"), "quadratic": ("1", "n", "n^2")}
_TERMS: Mapping[str, Callable[[Values], Values]] = {"1": np.ones_like, "n": lambda n: n, "log2 n": np.log2, "n log2 n": lambda n: n * np.log2(n),
                                                    "n^2": np.square}
POINTS_LEAST = 3                        # through two points there is always a line
NEAR = 0.005
_TEXT_DECIMALS = 6                      # of a nanosecond: what is smaller is rounding
_WHOLE_FROM = 1000
_LEVERAGE_MOST = 1.0 - 1e-9


@dataclass(frozen=True, slots=True)
class Fit:
    """One shape. coefficients: of each term, in cycles. r_squared: of the fit; error_cycles: root mean square of the leave-one-out residuals.

    error_cycles is None where the shape has as many terms as there are points: then it meets them all and says nothing.
    """

    shape: str
    coefficients: tuple[float, ...]
    r_squared: float
    error_cycles: float | None

    @property
    def terms(self) -> tuple[str, ...]:
        """Its terms, in the order of the coefficients."""
        return SHAPES[self.shape]

    def at(self, pes: float) -> float:
        """Cycles that it says for a number of PEs."""
        number = np.array([pes], np.float64)
        return float(sum(factor * _TERMS[term](number)[0] for factor, term in zip(self.coefficients, self.terms, strict=True)))

    def text(self, clock_hz: float) -> str:
        """The formula in ns, as "105.2 + 14.25 n"."""
        text = ""
        for factor, term in zip(self.coefficients, self.terms, strict=True):
            value = round(factor * 1e9 / clock_hz, _TEXT_DECIMALS)
            if not value:
                continue
            sign = ("-" if value < 0 else "") if not text else (" - " if value < 0 else " + ")
            text += sign + (f"{abs(value):,.0f}" if abs(value) >= _WHOLE_FROM else f"{abs(value):.4g}") + (f" {term}" if term != "1" else "")
        return text or "0"

    def to_json(self, clock_hz: float) -> dict[str, Any]:
        """Plain values."""
        return {"shape": self.shape, "terms": list(self.terms), "cycles": list(self.coefficients),
                "ns": [factor * 1e9 / clock_hz for factor in self.coefficients], "r_squared": self.r_squared,
                "leave_one_out_cycles": self.error_cycles}


def fits(pes: Sequence[int], cycles: Sequence[float]) -> tuple[Fit, ...]:
    """Every shape that the points suffice for, best first: the simplest whose leave-one-out error comes near the least, then by that error.

    Near: NEAR of the largest duration, for what a term explains below that is no growth. pes: numbers of PEs, each once. Empty if there are less than POINTS_LEAST points. Raises SimulatorError if the two do not belong together.
    """
    if len(pes) != len(cycles) or len(set(pes)) != len(pes):
        raise SimulatorError(f"a fit of {len(cycles)} durations to {len(pes)} numbers of PEs, {len(set(pes))} of them different")
    if len(pes) < POINTS_LEAST:
        return ()
    number, values = np.array(pes, np.float64), np.array(cycles, np.float64)
    found = [_fit(shape, number, values) for shape, terms in SHAPES.items() if len(terms) <= len(pes)]
    judged = sorted((fit for fit in found if fit.error_cycles is not None), key=_error)
    near = _error(judged[0]) + NEAR * float(np.abs(values).max())
    best = min((fit for fit in judged if _error(fit) <= near), key=lambda fit: len(fit.terms))
    return (best, *(fit for fit in judged if fit is not best), *(fit for fit in found if fit.error_cycles is None))


def _error(fit: Fit) -> float:
    return fit.error_cycles or 0.0


def _fit(shape: str, number: Values, values: Values) -> Fit:
    """Least squares; columns scaled to their largest value, so that n² does not swamp the constant."""
    design = np.stack([_TERMS[term](number) for term in SHAPES[shape]], axis=1)
    scale = np.abs(design).max(axis=0)
    scaled, *_ = np.linalg.lstsq(design / scale, values, rcond=None)
    residuals = values - design / scale @ scaled
    around = values - values.mean()
    total, left = float(around @ around), float(residuals @ residuals)
    orthogonal, _ = np.linalg.qr(design / scale)
    leverage = np.minimum((orthogonal**2).sum(axis=1), _LEVERAGE_MOST)
    error = float(np.sqrt(((residuals / (1 - leverage)) ** 2).mean())) if len(number) > len(scale) else None
    return Fit(shape, tuple(float(factor) for factor in scaled / scale), 1.0 - left / total if total > 0 else 1.0, error)
