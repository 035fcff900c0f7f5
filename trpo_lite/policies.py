"""Policies small enough to know everything about: softmax and linear-Gaussian.

A policy is a frozen dataclass over one flat `theta`. To act it has `sample` and `mode`.
To learn it is seen at the rows of a batch, `policy.at(observations)`: there it is a
distribution (module `distributions`) whose outputs are linear in theta, so the chain
rule is a matrix J and its transpose, never formed:

    log_prob(actions)            log pi(a_n|s_n), [N]
    score_sum(actions, weights)  sum_n w_n grad log pi(a_n|s_n), [size]
    kl(new)                      KL(pi(.|s_n) || new(.|s_n)), [N]
    kl_gradient(new)             of its mean, in new's theta, [size]
    fisher_product(v)            F v, F = mean_n of the Fisher matrix
    entropy()                    [N], in nats

Gradients are those of log pi itself: to climb an objective, add them.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from trpo_lite import _check
from trpo_lite.distributions import (
    Categorical,
    Gaussian,
    choices,
    integers,
    sample_choices,
)
from trpo_lite.features import identity

# ------------------------------------------------------------- a policy seen at rows


@dataclass(frozen=True, eq=False)
class PolicyAt:
    """A policy at the N rows of a batch, whose features are mapped once.

    `jacobian` is the linear map from theta to the distribution's outputs at these rows.
    """

    policy: Any
    jacobian: Any
    distribution: Categorical | Gaussian

    def __len__(self):
        return len(self.jacobian)

    def with_theta(self, theta):
        """The policy with other parameters [size] at the same rows."""
        return self.policy.with_theta(theta).at_rows(self.jacobian)

    def log_prob(self, actions):
        """log pi(a_n|s_n), [N]; in continuous actions [N, m], a log density."""
        return self.distribution.log_prob(actions)

    def score_sum(self, actions, weights):
        """sum_n w_n grad log pi(a_n|s_n), [size]; weights [N]."""
        weights = _check.shaped("weights", weights, (len(self),))
        return self.jacobian.transpose(self.distribution.score(actions, weights))

    def kl(self, new):
        """KL(pi(.|s_n) || new(.|s_n)), [N], old first; `new` at the same rows."""
        return self.distribution.kl(self._alike(new))

    def kl_gradient(self, new):
        """The gradient of the mean of `kl(new)` in new's theta, [size]."""
        gradient = self.distribution.kl_gradient(self._alike(new))
        return new.jacobian.transpose(gradient) / len(self)

    def fisher_product(self, vector):
        """F v [size], the mean over the rows: J^T (F of the outputs) J v / N.

        No damping, and F is never formed. F = E[score score^T] is also the Hessian at
        theta of the mean KL(pi || .).
        """
        vector = _check.shaped("vector", vector, self.policy.theta.shape)
        change = self.distribution.fisher_product(self.jacobian(vector))
        return self.jacobian.transpose(change) / len(self)

    def entropy(self):
        """[N], in nats."""
        return self.distribution.entropy()

    def _alike(self, new):
        """new's distribution; TypeError unless it is of the same kind and sizes."""
        if not isinstance(new, PolicyAt):
            raise TypeError(
                f"new must be a policy at rows, policy.at(...), got {new!r}"
            )
        mine, its = (
            (type(x.policy).__name__, x.policy.sizes, len(x)) for x in (self, new)
        )
        if mine != its:
            raise TypeError(
                f"new must be a {mine[0]} with sizes {mine[1]} at {mine[2]} rows, got "
                f"a {its[0]} with sizes {its[1]} at {its[2]} rows"
            )
        return new.distribution


@dataclass(frozen=True, eq=False)
class TableAt(PolicyAt):
    """A table at N rows, of which those of one state are alike.

    So `distribution` is that of the S states, and what is summed over the rows is that
    of each state times its visits.
    """

    def log_prob(self, actions):
        actions = choices(actions, self.policy.n_actions, len(self))
        return self.distribution.log_pi[actions, self.jacobian.states]

    def score_sum(self, actions, weights):
        actions = choices(actions, self.policy.n_actions, len(self))
        weights = _check.shaped("weights", weights, (len(self),))
        states, (n_states, n_actions) = self.jacobian.states, self.policy.sizes
        taken = np.bincount(states * n_actions + actions, weights, self.policy.size)
        visits = np.bincount(states, weights, n_states)
        return taken - (visits * self.distribution.pi).T.ravel()

    def kl(self, new):
        return super().kl(new)[self.jacobian.states]

    def entropy(self):
        return super().entropy()[self.jacobian.states]


@dataclass(frozen=True, eq=False)
class TableMap:
    """theta [S*A] -> logits [A, S] of all states, of which N rows visit some."""

    states: np.ndarray  #: [N]
    shape: tuple  #: (S, A)

    def __len__(self):
        return len(self.states)

    def __call__(self, theta):
        return theta.reshape(self.shape).T.copy()  # theta's own stays as it is

    def transpose(self, change):
        """The sums [S*A] over the rows, at each of which its state's change [A, S]."""
        return (self._visits * change).T.ravel()

    @cached_property
    def _visits(self):
        return np.bincount(self.states, minlength=self.shape[0])

    def take(self, which):
        return replace(self, states=self.states[which])


@dataclass(frozen=True, eq=False)
class FeatureMap:
    """theta [F*k] -> weights^T phi, [k, N]."""

    phi: np.ndarray  #: [F, N]
    outputs: int  #: k

    def __len__(self):
        return self.phi.shape[1]

    def __call__(self, theta):
        return theta.reshape(-1, self.outputs).T @ self.phi

    def transpose(self, change):
        """phi change^T [F*k] for a change [k, N]."""
        return (self.phi @ change.T).ravel()

    def take(self, which):
        """Laid out row by row in memory: from that it is fast to take again."""
        return replace(self, phi=self.phi.T.take(which, 0).T)


@dataclass(frozen=True, eq=False)
class MeanAndDeviationMap:
    """theta [F*m + m] -> (means [m, N], log_std [m])."""

    mean: FeatureMap

    def __len__(self):
        return len(self.mean)

    def __call__(self, theta):
        m = self.mean.outputs
        return self.mean(theta[:-m]), theta[-m:]

    def transpose(self, change):
        """[F*m + m] for changes [m, N] and, already summed over the rows, [m]."""
        mean, log_std = change
        return np.concatenate([self.mean.transpose(mean), log_std])

    def take(self, which):
        return replace(self, mean=self.mean.take(which))


# ------------------------------------------------------------------ the three policies


class _Policy:
    """What the three policies share."""

    @property
    def size(self):
        """The number of parameters."""
        return self.theta.size

    def with_theta(self, theta):
        """The same policy with other parameters [size]; ValueError if not finite."""
        return replace(self, theta=_check.shaped("theta", theta, self.theta.shape))

    def at(self, observations):
        """The policy seen at the rows of a batch: a `PolicyAt`."""
        return self.at_rows(self._jacobian(observations))

    def at_rows(self, jacobian):
        """The policy seen at the rows of the `jacobian` of such a `PolicyAt`."""
        outputs = jacobian(self.theta)
        return PolicyAt(self, jacobian, self._distribution.of(outputs))


@dataclass(frozen=True, eq=False)
class TabularSoftmax(_Policy):
    """pi(a|s) = exp(theta_sa) / sum_b exp(theta_sb); observations are states [N]."""

    theta: np.ndarray  #: [S*A], state by state
    n_states: int
    n_actions: int

    def __post_init__(self):
        _check.count("n_states", self.n_states)
        _check.count("n_actions", self.n_actions)
        shape = (self.n_states * self.n_actions,)
        _check.set_frozen(self, theta=_check.finite("theta", self.theta, shape))

    @classmethod
    def zeros(cls, n_states, n_actions):
        """Every action equally likely."""
        return cls(np.zeros(n_states * n_actions), n_states, n_actions)

    @classmethod
    def from_probabilities(cls, pi):
        """The policy with these probabilities pi [S, A], all > 0."""
        pi = _check.distributions("pi", pi, (None, None))
        if not (pi > 0).all():
            raise ValueError("pi must be > 0 everywhere: a softmax never reaches 0")
        return cls(np.log(pi).ravel(), *pi.shape)

    @property
    def sizes(self):
        """(S, A)."""
        return self.n_states, self.n_actions

    def probabilities(self):
        """pi(a|s) for all states, [S, A]."""
        return self._table.pi.T

    def sample(self, observations, rng):
        """Actions [N], integers."""
        states = integers("observations", observations, self.n_states)
        return sample_choices(self._table.log_pi.take(states, 1), rng)

    def mode(self, observations):
        """The most likely actions [N] (the first of equals)."""
        states = integers("observations", observations, self.n_states)
        return self._table.pi.argmax(0)[states]

    def at_rows(self, jacobian):
        return TableAt(self, jacobian, self._table)

    @cached_property
    def _table(self):
        """The distributions of all states."""
        return Categorical.of(np.ascontiguousarray(self.theta.reshape(self.sizes).T))

    def _jacobian(self, observations):
        states = integers("observations", observations, self.n_states)
        return TableMap(states.copy(), self.sizes)


class _Linear(_Policy):
    """What the two policies over features share: weights [F, k] and `features`."""

    @property
    def sizes(self):
        """(F, k): features and outputs."""
        return self.weights.shape

    def _phi(self, observations):
        """The features [F, N] of the observations."""
        rows = self.features(observations)
        if rows.ndim != 2 or rows.shape[1] != len(self.weights):
            raise ValueError(
                f"observations gave features of shape {rows.shape}, "
                f"expected (any, {len(self.weights)})"
            )
        return rows.T

    def _feature_map(self, observations):
        """From weights to outputs; what the caller changes later changes nothing."""
        phi = self._phi(observations)
        if np.may_share_memory(phi, np.asarray(observations)):
            phi = phi.copy("K")
        return FeatureMap(phi, self.sizes[1])


@dataclass(frozen=True, eq=False)
class LinearSoftmax(_Linear):
    """pi(a|s) = softmax over a of phi(s) . weights[:, a]."""

    theta: np.ndarray  #: [F*A], feature by feature
    n_actions: int
    features: Callable = identity  #: observations [N, D] -> feature rows [N, F]
    _distribution: ClassVar = Categorical

    def __post_init__(self):
        _check.count("n_actions", self.n_actions)
        theta = _check.finite("theta", self.theta, (None,))
        _check.set_frozen(self, theta=theta)
        _fit(theta.size, self.n_actions, 0, self.features)

    @classmethod
    def zeros(cls, n_features, n_actions, features=identity):
        """Every action equally likely."""
        return cls(np.zeros(n_features * n_actions), n_actions, features)

    @cached_property
    def weights(self):
        """theta as [F, A]."""
        return self.theta.reshape(-1, self.n_actions)

    def probabilities(self, observations):
        """pi(a|s_n), [N, A]."""
        return self.at(observations).distribution.pi.T

    def sample(self, observations, rng):
        """Actions [N], integers."""
        return sample_choices(self._logits(observations), rng)

    def mode(self, observations):
        """The most likely actions [N] (the first of equals)."""
        return self._logits(observations).argmax(0)

    def _logits(self, observations):
        return self.weights.T @ self._phi(observations)

    def _jacobian(self, observations):
        return self._feature_map(observations)


@dataclass(frozen=True, eq=False)
class LinearGaussian(_Linear):
    """u ~ N(phi(s) . weights, diag(exp(2 log_std))): m independent actions.

    The log standard deviations do not depend on the state and are the last m entries
    of theta: they learn like the rest.
    """

    theta: np.ndarray  #: [F*m + m]: the mean's weights feature by feature, log_std
    action_dim: int  #: m
    features: Callable = identity  #: observations [N, D] -> feature rows [N, F]
    _distribution: ClassVar = Gaussian

    def __post_init__(self):
        _check.count("action_dim", self.action_dim)
        theta = _check.finite("theta", self.theta, (None,))
        _check.set_frozen(self, theta=theta)
        _fit(theta.size, self.action_dim, 1, self.features)

    @classmethod
    def zeros(cls, n_features, action_dim, log_std=0.0, features=identity):
        """Mean zero everywhere and the given log standard deviation(s)."""
        log_std = np.broadcast_to(np.asarray(log_std, np.float64), (action_dim,))
        mean = np.zeros(n_features * action_dim)
        return cls(np.concatenate([mean, log_std]), action_dim, features)

    @cached_property
    def weights(self):
        """The mean's weights as [F, m]."""
        return self.theta[: -self.action_dim].reshape(-1, self.action_dim)

    @property
    def log_std(self):
        """[m]."""
        return self.theta[-self.action_dim :]

    @cached_property
    def std(self):
        """[m], in the action's units."""
        return np.exp(self.log_std)

    def sample(self, observations, rng):
        """Actions [N, m]."""
        mean = self.mode(observations)
        return mean + self.std * rng.standard_normal(mean.shape)

    def mode(self, observations):
        """The mean actions [N, m]."""
        return self._phi(observations).T @ self.weights

    def _jacobian(self, observations):
        return MeanAndDeviationMap(self._feature_map(observations))


def _fit(size, outputs, extra_rows, features):
    """ValueError unless `size` is (F + extra_rows) * outputs for the features' F."""
    wanted = getattr(features, "size", None)
    if size % outputs or size == extra_rows * outputs:
        raise ValueError(
            f"theta has {size} entries, expected a multiple of {outputs}"
            + (f" above {outputs}" if extra_rows else "")
        )
    if wanted is not None and size != (wanted + extra_rows) * outputs:
        raise ValueError(
            f"theta has {size} entries, expected {(wanted + extra_rows) * outputs} "
            f"for {wanted} features"
        )
