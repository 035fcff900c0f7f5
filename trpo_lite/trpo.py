"""Three whole updates: policy gradient, natural policy gradient, TRPO.

Each is (policy, batch, advantages, ...) -> (policy, Diagnostics). Of the batch only
`observations`, `actions` and `len(batch)` are read. The gradient is
g = mean of A grad log pi, of L = mean((r - 1) A), which is zero at the old policy:
without the -1, advantages with a positive mean would pass any search.
"""

from dataclasses import dataclass

import numpy as np

from trpo_lite import _check
from trpo_lite.diagnostics import Diagnostics
from trpo_lite.line_search import line_search
from trpo_lite.natural_gradient import natural_step
from trpo_lite.policies import PolicyAt
from trpo_lite.surrogate import probability_ratio, sampled_surrogate


@dataclass(frozen=True, eq=False)
class Sample:
    """A batch seen from the policy that acted in it: what an update asks of both."""

    old: PolicyAt  #: the policy at the M rows of the batch
    observations: np.ndarray  #: [M, D], or [M] integers
    actions: np.ndarray  #: [M, m], or [M] integers
    advantages: np.ndarray  #: [M]
    log_prob_old: np.ndarray  #: [M]

    @classmethod
    def of(cls, policy, batch, advantages):
        """ValueError if the batch is empty, doesn't fit or holds what isn't finite."""
        if len(batch) == 0:
            raise ValueError("batch is empty: an update needs at least one row")
        advantages = _check.finite("advantages", advantages, (len(batch),))
        for name in ("observations", "actions"):
            if len(getattr(batch, name)) != len(batch):
                raise ValueError(
                    f"batch.{name} has {len(getattr(batch, name))} rows, "
                    f"expected {len(batch)}"
                )
        _check.finite("batch.observations", batch.observations)
        old = policy.at(batch.observations)
        log_prob_old = old.log_prob(batch.actions)
        _check.finite("batch.actions (their log-probabilities)", log_prob_old)
        actions = np.asarray(batch.actions)
        return cls(old, batch.observations, actions, advantages, log_prob_old)

    def gradient(self):
        """g, [size]; may not be finite."""
        weights = self.advantages / len(self.advantages)
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            return self.old.score_sum(self.actions, weights)

    def evaluate(self, theta):
        """(L, mean KL) at theta; may not be finite."""
        return self.measure(theta)[:2]

    def measure(self, theta):
        """(L, mean KL, largest r, the policy at the rows); may not be finite."""
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            new = self.old.with_theta(theta)
            ratio = probability_ratio(new.log_prob(self.actions), self.log_prob_old)
            surrogate = sampled_surrogate(ratio - 1, self.advantages)
            kl = float(self.old.kl(new).mean())
        return surrogate, kl, float(ratio.max()), new

    def move(self, theta, stop, g, natural=None, search=None, **more):
        """(new policy, Diagnostics) at theta; the old one if anything isn't finite.

        Nor is a policy taken whose deviations' squares or inverses overflow.

        natural, search : the NaturalStep and the LineSearch that led there, if any
        """
        old = self.old.policy
        home = 0.0, 0.0, 1.0, self.old
        found = search.found if search else None
        finite = np.isfinite(g).all() and np.isfinite(theta).all()
        if finite and found is None:
            found = home if np.array_equal(theta, old.theta) else self.measure(theta)
        finite = finite and np.isfinite(found[:2]).all() and _can_act(found[3])
        surrogate, kl, max_ratio, new = found if finite else home
        with np.errstate(over="ignore"):
            step = new.policy.theta - old.theta
            norms = [float(np.linalg.norm(x)) for x in (g, step)]
        return new.policy, Diagnostics(
            stop=stop if finite else "not finite",
            kl=kl,
            surrogate=surrogate,
            entropy=float(new.entropy().mean()),
            max_ratio=max_ratio,
            gradient_norm=norms[0],
            step_norm=norms[1],
            refused=not finite,
            **(_of_natural(natural) if natural else {}),
            **({"backtracks": search.backtracks} if search else {}),
            **more,
        )


def _can_act(new):
    """Are the variances and their inverses finite, where there are some?"""
    std = getattr(new.distribution, "std", None)
    if std is None:
        return True
    with np.errstate(over="ignore", divide="ignore"):
        variance = std**2
        return bool(np.isfinite([variance, 1 / variance]).all())


def _of_natural(natural):
    """What Diagnostics tells of a NaturalStep."""
    residuals = natural.cg.residuals
    return {
        "predicted_surrogate": natural.predicted_surrogate,
        "predicted_kl": natural.predicted_kl,
        "cg_iterations": natural.cg.iterations,
        "cg_residual": float(residuals[-1] / residuals[0]) if residuals[0] else 0.0,
    }


def policy_gradient_update(policy, batch, advantages, learning_rate=0.01):
    """theta + learning_rate g: plain gradient ascent.

    stop: "full step", "zero gradient" or "not finite" (refused, policy kept).
    Source: the slide "Connection to policy gradient".
    """
    learning_rate = _check.positive("learning_rate", learning_rate)
    sample = Sample.of(policy, batch, advantages)
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
    sample = Sample.of(policy, batch, advantages)
    g = sample.gradient()
    if not np.isfinite(g).all():
        return sample.move(policy.theta, "not finite", g)
    natural = natural_step(
        g, sample.old.fisher_product, delta, damping, cg_iterations, cg_tolerance
    )
    stop = "full step" if natural.step.any() else "zero gradient"
    return sample.move(policy.theta + natural.step, stop, g, natural)


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
    sample = Sample.of(policy, batch, advantages)
    g = sample.gradient()  # item 3
    if not np.isfinite(g).all():
        return sample.move(policy.theta, "not finite", g)
    natural = natural_step(  # items 4 and 5
        g, sample.old.fisher_product, delta, damping, cg_iterations, cg_tolerance
    )
    search = line_search(  # item 6
        sample.measure, policy.theta, natural.step, delta, backtrack, max_backtracks
    )
    return sample.move(search.theta, search.stop, g, natural, search)
