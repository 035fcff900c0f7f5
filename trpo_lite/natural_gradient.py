"""The natural step: the longest climb along F^-1 g that the KL limit allows."""

from dataclasses import dataclass, replace

import numpy as np

from trpo_lite import _check
from trpo_lite.conjugate_gradient import CGResult, conjugate_gradient


@dataclass(frozen=True)
class NaturalStep:
    """A step with step.(F + damping).step / 2 = delta; 0 if g = 0.

    g.step is the largest possible once CG has converged, and less before.
    """

    step: np.ndarray  #: sqrt(2 delta / g.x) x, [n]
    direction: np.ndarray  #: x, the solution of (F + damping) x = g, [n]
    gx: float  #: g.x
    predicted_surrogate: float  #: g.step
    predicted_kl: float  #: step.F step / 2, without the damping
    cg: CGResult | None  #: None from `natural_step_exact`


def natural_step(
    g,
    fisher_product,
    delta,
    damping=0.0,
    iterations=10,
    tolerance=1e-10,
    solve=conjugate_gradient,
):
    """theta_new - theta_old = sqrt(2 delta / g.x) x with (F + damping) x = g.

    Parameters
    ----------
    g : [n], the gradient of the surrogate; g = 0 gives the step 0
    fisher_product : function v [n] -> F v [n]
    delta : KL limit in nats, > 0
    damping : added to the diagonal of F, >= 0; step.F step / 2 is then below delta
    iterations, tolerance : of `solve`, which has conjugate_gradient's signature

    With x from conjugate gradients started at 0, g.x = x.(F + damping) x at every
    iteration, so the length is right even when x is not yet.
    Source: the slides "Natural policy gradient" and "Full algorithm", item 5.
    """
    g = _check.finite("g", g, (None,))
    delta = _check.positive("delta", delta)
    damping = _check.not_negative("damping", damping)

    def damped(v):
        return damping * v + fisher_product(v)  # in this order: it may write into v

    size = _size(g)
    cg = solve(damped, g / size, iterations, tolerance)
    cg_of_g = replace(cg, x=size * cg.x, residuals=size * cg.residuals)
    return _scaled(g, size, cg.x, delta, damping, cg_of_g)


def natural_step_exact(g, fisher, delta):
    """The same step from the matrix F [n, n], symmetric and positive semidefinite.

    A singular F is fine if g lies in its range (x is then the pseudo-inverse's);
    otherwise some direction gains for no KL at all and ValueError is raised.
    """
    g = _check.finite("g", g, (None,))
    fisher = _check.finite("fisher", fisher, (g.size, g.size))
    delta = _check.positive("delta", delta)
    largest = np.abs(fisher).max(initial=0)
    if np.abs(fisher - fisher.T).max(initial=0) > 1e-9 * largest:
        raise ValueError("fisher must be symmetric")
    unit = g / _size(g)
    x = np.linalg.lstsq(fisher, unit, rcond=1e-12)[0]
    if np.abs(fisher @ x - unit).max(initial=0) > 1e-6:
        raise ValueError(
            "g has a part outside the range of fisher: the step would be unbounded"
        )
    if g.any() and not unit @ x > 0:
        raise ValueError(
            f"fisher is not positive definite: g.F^-1 g has the sign of {unit @ x:.3g}"
        )
    return _scaled(g, _size(g), x, delta, 0.0, None)


def _size(g):
    """max |g|, or 1. The step is that of g / size; without this, g.x may overflow."""
    return float(np.abs(g).max(initial=0)) or 1.0


def _scaled(g, size, x, delta, damping, cg):
    """The NaturalStep of g from the solution x for g / size."""
    gx = float(g / size @ x)
    if gx == 0:
        return NaturalStep(np.zeros_like(g), x, 0.0, 0.0, 0.0, cg)
    scale = float(np.sqrt(2 * delta / gx))
    predicted_kl = scale**2 * (gx - damping * float(x @ x)) / 2
    return NaturalStep(
        step=scale * x,
        direction=size * x,
        gx=gx * size * size,
        predicted_surrogate=scale * gx * size,
        predicted_kl=predicted_kl,
        cg=cg,
    )
