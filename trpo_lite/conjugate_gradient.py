"""A x = b by conjugate gradients, from products A v alone."""

import math
from dataclasses import dataclass

import numpy as np

from trpo_lite import _check


@dataclass(frozen=True)
class CGResult:
    """The solution and how it was reached."""

    x: np.ndarray  #: [n]
    residuals: np.ndarray  #: |b - A x_k| for k = 0, 1, ..., iterations
    iterations: int
    stop: str  #: "converged" or "iterations"


def conjugate_gradient(matvec, b, iterations=10, tolerance=1e-10, callback=None):
    """Solve A x = b for a symmetric positive (semi)definite A, starting at x = 0.

    Parameters
    ----------
    matvec : function v [n] -> A v [n]
    b : [n], finite; if A is singular, b must lie in its range, and x then does too
    iterations : at most so many products A v
    tolerance : stop when |b - A x| <= tolerance |b|; or when it is below the rounding
        errors of A x, beyond which directions that A maps to 0 would spoil x
    callback : called with a copy of x after each iteration

    Because x starts at 0, b.x = x.A x holds at every iteration, not only at the end
    (until rounding costs the residuals their orthogonality).
    Raises ValueError where a direction p has p.A p <= 0: A isn't positive definite.
    Source: Hestenes and Stiefel 1952; the slide "Full algorithm", item 4.
    """
    b = _check.finite("b", b, (None,))
    iterations = _check.count("iterations", iterations)
    tolerance = _check.not_negative("tolerance", tolerance)
    size = _power_of_2(b)  # solved for b / size: r.r neither overflows nor vanishes
    x = np.zeros_like(b)
    r = b / size
    p = r.copy()
    rr = float(r.dot(r))
    residuals = [math.sqrt(rr)]
    enough, largest = tolerance * residuals[0], 0.0
    while residuals[-1] > enough and len(residuals) <= iterations:
        ap = np.asarray(matvec(p.copy()), np.float64)  # p is ours: matvec may write
        if ap.shape != b.shape:
            raise ValueError(f"matvec returned shape {ap.shape}, expected {b.shape}")
        curvature = float(np.vdot(p, ap))  # unlike p @ ap, it may overflow in silence
        if not curvature > 0:  # written so that not-a-number is caught as well
            raise ValueError(
                "the matrix is not positive definite: p.A p = "
                f"{curvature * size * size:.3g} in iteration {len(residuals)}, "
                "expected > 0; add damping, or check matvec"
            )
        if curvature == np.inf:
            raise ValueError(f"p.A p = inf in iteration {len(residuals)}: check matvec")
        alpha = rr / curvature
        x += alpha * p
        r -= alpha * ap
        largest = max(largest, _length(ap) / _length(p))  # at most A's norm
        enough = max(enough, 2e-15 * largest * _length(x))
        rr, rr_old = float(r.dot(r)), rr
        p *= rr / rr_old
        p += r
        residuals.append(math.sqrt(rr))
        if callback is not None:
            callback(size * x)
    stop = "converged" if residuals[-1] <= enough else "iterations"
    with np.errstate(over="ignore"):
        x, residuals = size * x, size * np.array(residuals)
    if not np.isfinite(x).all():
        raise ValueError("x is larger than any number: b is too large for such an A")
    return CGResult(x, residuals, len(residuals) - 1, stop)


def _length(v):
    """|v|, also where v.v overflows or vanishes."""
    squared = float(np.vdot(v, v))
    if 1e-280 < squared < np.inf:
        return math.sqrt(squared)
    size = _power_of_2(v)
    return size * math.sqrt(np.vdot(v / size, v / size))


def _power_of_2(b):
    """The largest one that is <= max |b|, or 1: dividing by it costs no digit."""
    largest = float(np.abs(b).max(initial=0))
    return 2.0 ** (np.frexp(largest)[1] - 1) if largest else 1.0
