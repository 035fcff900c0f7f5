"""Three whole updates: policy gradient, natural policy gradient, TRPO.

Each is (policy, batch, advantages, ...) -> (policy, Diagnostics). Of the batch only
`observations`, `actions` and `len(batch)` are read. The gradient is
g = mean of A grad log pi, of L = mean((r - 1) A), which is zero at the old policy:
without the -1, advantages with a positive mean would pass any search.
"""

import numpy as np

from trpo_lite import _check
from trpo_lite.diagnostics import Diagnostics
from trpo_lite.line_search import line_search
from trpo_lite.natural_gradient import natural_step
from trpo_lite.policies import bare
from trpo_lite.surrogate import probability_ratio, sampled_surrogate


class Sample:
    """A batch seen from the policy that acted in it: L, KL and g, features mapped once.

    ValueError if the batch is empty, holds a number that isn't finite, or doesn't
    match `advantages` [M].
    """

    def __init__(self, policy, batch, advantages):
        if len(batch) == 0:
            raise ValueError("batch is empty: an update needs at least one row")
        self.advantages = _check.finite("advantages", advantages, (len(batch),))
        self.observations, self.actions = batch.observations, batch.actions
        for name in ("observations", "actions"):
            if len(getattr(batch, name)) != len(batch):
                raise ValueError(
                    f"batch.{name} has {len(getattr(batch, name))} rows, "
                    f"expected {len(batch)}"
                )
        self.given = policy
        self.policy, self.rows = bare(policy, batch.observations)
        _check.finite("batch.observations", self.rows)
        self.log_prob = self.policy.log_prob(self.rows, self.actions)
        _check.finite("batch.actions (their log-probabilities)", self.log_prob)
        self._last = None, None

    def gradient(self):
        """g, [size]."""
        weights = self.advantages / len(self.advantages)
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            return self.policy.score_sum(self.rows, self.actions, weights)

    def at(self, theta):
        """(policy over rows, r [M], L, mean KL) at theta; the last is remembered."""
        if theta is not self._last[0]:
            with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
                new = self.policy.with_theta(theta)
                log_prob = new.log_prob(self.rows, self.actions)
                ratio = probability_ratio(log_prob, self.log_prob)
                surrogate = sampled_surrogate(ratio - 1, self.advantages)
                kl = float(self.policy.kl(self.rows, new).mean())
            self._last = theta, (new, ratio, surrogate, kl)
        return self._last[1]

    def evaluate(self, theta):
        """(L, mean KL) at theta, as the line search asks; may not be finite."""
        return self.at(theta)[2:]

    def move(self, theta, stop, g, **more):
        """(new policy, Diagnostics) at theta; the old one if that isn't finite."""
        old = self.policy.theta
        finite = np.isfinite(g).all() and np.isfinite(theta).all()
        if finite:
            new, ratio, surrogate, kl = self.at(theta)
            finite = np.isfinite(surrogate) and np.isfinite(kl)
        if not finite:
            theta, stop = old, "not finite"
            new, ratio, surrogate, kl = self.policy, np.ones(1), 0.0, 0.0
        with np.errstate(over="ignore"):
            norms = [float(np.linalg.norm(x)) for x in (g, theta - old)]
        diagnostics = Diagnostics(
            stop=stop,
            kl=kl,
            surrogate=surrogate,
            entropy=float(new.entropy(self.rows).mean()),
            max_ratio=float(ratio.max()),
            gradient_norm=norms[0],
            step_norm=norms[1],
            refused=not finite,
            **more,
        )
        kept = np.array_equal(theta, old)
        return (self.given if kept else self.given.with_theta(theta)), diagnostics


def policy_gradient_update(policy, batch, advantages, learning_rate=0.01):
    """theta + learning_rate g: plain gradient ascent.

    stop: "full step", "zero gradient" or "not finite" (refused, policy kept).
    Source: the slide "Connection to policy gradient".
    """
    learning_rate = _check.positive("learning_rate", learning_rate)
    sample = Sample(policy, batch, advantages)
    g = sample.gradient()
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        theta = policy.theta + learning_rate * g
    return sample.move(theta, "full step" if g.any() else "zero gradient", g)


def npg_update(
    policy,
    batch,
    advantages,
    delta=0.01,
    damping=1e-4,
    cg_iterations=10,
    cg_tolerance=1e-10,
):
    """theta + sqrt(2 delta / g.x) x with (F + damping) x = g, and no questions asked.

    stop: "full step", "zero gradient" or "not finite" (refused, policy kept).
    Source: the slide "Natural policy gradient".
    """
    sample = Sample(policy, batch, advantages)
    g, natural, more = _natural(sample, delta, damping, cg_iterations, cg_tolerance)
    if natural is None:
        return sample.move(policy.theta, "not finite", g)
    stop = "full step" if natural.step.any() else "zero gradient"
    return sample.move(policy.theta + natural.step, stop, g, **more)


def trpo_update(
    policy,
    batch,
    advantages,
    delta=0.01,
    damping=1e-4,
    cg_iterations=10,
    cg_tolerance=1e-10,
    backtrack=0.8,
    max_backtracks=10,
):
    """The natural step, shortened until L > 0 and mean KL(old || new) <= delta.

    Parameters
    ----------
    delta : KL limit, nats
    damping : added to the Fisher matrix's diagonal
    cg_iterations, cg_tolerance : of `conjugate_gradient`
    backtrack, max_backtracks : of `line_search`

    stop: "accepted"; or "max_backtracks", "zero step" or "not finite" (policy kept).
    Source: the slide "Full algorithm"; Schulman et al. 2015, appendix C.
    """
    sample = Sample(policy, batch, advantages)
    g, natural, more = _natural(sample, delta, damping, cg_iterations, cg_tolerance)
    if natural is None:
        return sample.move(policy.theta, "not finite", g)
    search = line_search(
        sample.evaluate, policy.theta, natural.step, delta, backtrack, max_backtracks
    )
    return sample.move(
        search.theta, search.stop, g, backtracks=search.backtracks, **more
    )


def _natural(sample, delta, damping, iterations, tolerance):
    """(g, NaturalStep or None if g isn't finite, what Diagnostics tells of them)."""
    g = sample.gradient()
    if not np.isfinite(g).all():
        return g, None, {}
    fvp = sample.policy.fisher(sample.rows)
    natural = natural_step(g, fvp, delta, damping, iterations, tolerance)
    residuals = natural.cg.residuals
    more = {
        "predicted_surrogate": natural.predicted_improvement,
        "predicted_kl": natural.predicted_kl,
        "cg_iterations": natural.cg.iterations,
        "cg_residual": float(residuals[-1] / residuals[0]) if residuals[0] else 0.0,
    }
    return g, natural, more
