"""A robot's body from its log: robust nonlinear least squares on short forecasts.

From each logged state the simulator, given the torques that really came, forecasts the
next three steps; x holds the logarithms of a `Body`'s factors, r(x) what was measured
less what was forecast. `robust_fit` finds the x with the least

    sum_i rho(r_i(x)) + |x|^2 / (2 prior^2),   rho(r) = r^2/2,  k |r| - k^2/2 beyond k

each r in units of its usual size (1.4826 times the median of |r|), by Gauss-Newton
steps with Huber's weights w = min(1, k / |r|), k = 1.345,

    A d = J^T W r - x / prior^2,   A = J^T W J + 1 / prior^2,   J = -dr/dx,

halved until the sum falls. Neighbouring forecasts share their errors, so the covariance
is not H^-1 but H^-1 (B + 1 / prior^2) H^-1: H the sum's Hessian, A without the terms
beyond k, and B the sum of g g^T over blocks of a second, g the gradient of a block's
terms (a "sandwich"; Huber 1967). It knows of the errors that it sees, not of what the
model leaves out, nor of the noise in the logged states from which forecasts start: with
the robots' sensors that moves factors by some percent (tests/test_legged_models.py).
"""

from dataclasses import dataclass, fields

import numpy as np

from trpo_lite import _check
from trpo_lite.legged.physics import SLICES, Body, LeggedRobots, Motor, fixed

STEPS = 3  #: of a forecast
BLOCK = 20  #: steps in a second
HUBER = 1.345
NAMES = tuple(field.name for field in fields(Body))


@dataclass(frozen=True)
class Estimate:
    """What a log says of some of a body's factors; the others are taken for 1."""

    names: tuple  #: p of the factors' names
    log_factors: np.ndarray  #: [p]
    covariance: np.ndarray  #: [p, p] of the log factors: relative errors

    @property
    def body(self):
        """The Body with these factors."""
        return _body(self.names, self.log_factors)

    @property
    def sd(self):
        """[p] standard deviations of the log factors, about relative errors."""
        return np.sqrt(np.diag(self.covariance))

    def draw(self, rng, wider=0.0):
        """A Body from N(log_factors, covariance + wider^2)."""
        covariance = self.covariance + wider**2 * np.eye(len(self.names))
        return _body(self.names, rng.multivariate_normal(self.log_factors, covariance))


def _body(names, log_factors):
    factors = np.exp(log_factors).tolist()
    return Body(**dict(zip(names, factors, strict=True)))


class Forecasts:
    """Three-step forecasts of a log from each of its states, by any Body.

    torques : [5 T, 6] to use instead of the measured ones
    ValueError if the log is shorter than a second or the torques don't fit.
    """

    def __init__(self, log, torques=None):
        if len(log) < BLOCK:
            raise ValueError(f"log has {len(log)} steps, at least {BLOCK} expected")
        torques = log.torques if torques is None else torques
        self._torques = _check.finite("torques", torques, (SLICES * len(log), 6))
        self._positions, self._velocities = log.positions, log.velocities
        self._starts = SLICES * np.arange(len(log) - STEPS + 1)
        self._robots = LeggedRobots(1, fixed(Body(), Motor()))
        self._robots.reset(seed=0)
        rows = self._starts[:, None] + SLICES * np.arange(1, STEPS + 1)
        measured = np.concatenate([log.positions, log.velocities], 1)
        self.measured = measured[rows]  #: [W, 3, 17] what came, W = T - 2

    def of(self, body):
        """[W, 3, 17] positions but the first, and velocities, after 1, 2, 3 steps."""
        import mujoco

        self._robots.change(0, body)
        env = self._robots.envs[0]
        model, data, step = env.model, env.data, mujoco.mj_step
        found = np.empty_like(self.measured)
        for w, start in enumerate(self._starts):
            mujoco.mj_resetData(model, data)
            data.qpos[1:] = self._positions[start]
            data.qvel[:] = self._velocities[start]
            for i in range(STEPS):
                for torque in self._torques[start + SLICES * i :][:SLICES]:
                    data.ctrl[:] = torque
                    step(model, data)
                found[w, i, :8], found[w, i, 8:] = data.qpos[1:], data.qvel
        return found


def identify(log, names=NAMES, torques=None, prior=1.0):
    """The Estimate of a Body's factors `names` from a Log.

    Parameters
    ----------
    torques : as in `Forecasts`: what the motors are taken to have given
    prior : standard deviation of the log factors before the log is seen; what it does
        not tell keeps this
    """
    for name in names:
        _check.one_of("names", name, NAMES)
    forecasts = Forecasts(log, torques)

    def residuals(x):
        missed = forecasts.measured - forecasts.of(_body(names, x))
        return missed.reshape(len(missed), -1)

    return Estimate(tuple(names), *robust_fit(residuals, len(names), BLOCK, prior))


def robust_fit(residuals, p, block, prior=1.0, tolerance=1e-3, iterations=20):
    """(x [p], covariance [p, p]) of the formulas above, from x = 0 on.

    Parameters
    ----------
    residuals : function x -> [W, K], K numbers of each of W windows in order of time
    p : entries of x
    block : windows whose errors may depend on one another
    tolerance : it ends when no entry of x moves further, or after `iterations`

    ValueError for a prior that is not > 0.
    """
    ridge = np.eye(p) / _check.positive("prior", prior) ** 2

    def total(r, x):
        beyond = np.abs(r)
        rho = np.where(beyond < HUBER, r**2 / 2, HUBER * beyond - HUBER**2 / 2)
        return rho.sum() + x @ ridge @ x / 2

    x = np.zeros(p)
    r = residuals(x)
    for _ in range(iterations):
        scale = np.maximum(1.4826 * np.median(np.abs(r), 0), 1e-9)
        J = _jacobian(residuals, x, r) / scale[:, None]
        size = np.maximum(np.abs(r / scale), 1e-12)
        weights = np.minimum(1, HUBER / size)
        A = np.einsum("wip,wi,wiq->pq", J, weights, J) + ridge
        g = np.einsum("wip,wi->wp", J, weights * r / scale)
        step = np.linalg.solve(A, g.sum(0) - ridge @ x)
        for _ in range(10):
            new = residuals(x + step)
            if total(new / scale, x + step) < total(r / scale, x):
                x, r = x + step, new
                break
            step = step / 2
        if np.abs(step).max() < tolerance:
            break
    g = np.add.reduceat(g, np.arange(0, len(g), block))
    H = np.einsum("wip,wi,wiq->pq", J, size < HUBER, J) + ridge
    inverse = np.linalg.inv(H)
    return x, inverse @ (g.T @ g + ridge) @ inverse


def _jacobian(residuals, x, r, h=0.01):
    """J [W, K, p] by differences."""
    changed = [residuals(x + h * one) for one in np.eye(len(x))]
    return -np.stack([new - r for new in changed], -1) / h
