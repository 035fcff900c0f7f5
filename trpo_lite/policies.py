"""Policies small enough to know everything about: softmax and linear-Gaussian.

Each is a frozen dataclass over one flat `theta` and knows, for a batch of N rows:

    log_prob(observations, actions)             log pi(a_n|s_n), [N]
    score_sum(observations, actions, weights)   sum_n w_n grad log pi(a_n|s_n), [size]
    kl(observations, new)                       KL(pi(.|s_n) || new(.|s_n)), [N]
    kl_gradient(observations, new)              of its mean, in new.theta, [size]
    fisher_vector_product(observations, v)      F v, F = mean_n of the Fisher matrix
    entropy(observations)                       [N], in nats

Gradients are those of log pi itself: to climb an objective, add them.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from trpo_lite import _check

# ------------------------------------------------------------------- feature maps


def identity(observations):
    """The observations themselves as feature rows [N, F], in float64."""
    return np.asarray(observations, dtype=np.float64)


@dataclass(frozen=True, eq=False)
class Features:
    """phi(s) = [z, 1], or [sin(frequencies z + phases), 1], with z = (s - mean) / std.

    Parameters
    ----------
    mean, std : [D], frozen within an update; std > 0
    clip : z is kept inside [-clip, clip]; infinity for never
    frequencies, phases : [K, D] and [K], or None for the linear map
    bias : whether the constant 1 is there

    Source of the second form: Rajeswaran et al. 2017 (random Fourier features).
    """

    mean: np.ndarray
    std: np.ndarray
    clip: float = np.inf
    frequencies: np.ndarray | None = None
    phases: np.ndarray | None = None
    bias: bool = True

    def __post_init__(self):
        mean = _check.finite("mean", self.mean, (None,))
        std = _check.finite("std", self.std, mean.shape)
        if not (std > 0).all():
            raise ValueError(f"std must be > 0, got {std.min()}")
        if not self.clip > 0:
            raise ValueError(f"clip must be > 0, got {self.clip!r}")
        if (self.frequencies is None) != (self.phases is None):
            raise ValueError("frequencies and phases must be given together")
        _set(self, mean=_check.frozen(mean), std=_check.frozen(std))
        if self.frequencies is not None:
            frequencies = _check.finite(
                "frequencies", self.frequencies, (None, mean.size)
            )
            phases = _check.finite("phases", self.phases, (len(frequencies),))
            _set(self, frequencies=_check.frozen(frequencies))
            _set(self, phases=_check.frozen(phases))

    @property
    def size(self):
        """F, the number of features."""
        waves = self.mean if self.frequencies is None else self.frequencies
        return len(waves) + bool(self.bias)

    def with_moments(self, mean, std):
        """The same map, normalising with another mean [D] and std [D]."""
        return replace(self, mean=mean, std=std)

    def __call__(self, observations):
        observations = np.asarray(observations)
        if observations.ndim != 2 or observations.shape[1] != self.mean.size:
            raise ValueError(
                f"observations has shape {observations.shape}, "
                f"expected (any, {self.mean.size})"
            )
        # Filled as [F, N] and seen as [N, F]: long runs in memory are much faster.
        columns = np.empty((self.size, len(observations)))
        linear = self.frequencies is None
        z = columns[: self.mean.size] if linear else np.empty(observations.T.shape)
        z[...] = observations.T
        z -= self.mean[:, None]
        z /= self.std[:, None]
        if self.clip < np.inf:
            z.clip(-self.clip, self.clip, out=z)
        if not linear:
            waves = columns[: len(self.phases)]
            np.matmul(self.frequencies, z, out=waves)
            waves += self.phases[:, None]
            np.sin(waves, out=waves)
        if self.bias:
            columns[-1] = 1
        return columns.T


def linear_features(dim, bias=True, clip=np.inf):
    """[s, 1] for observations of `dim` numbers, not yet normalised."""
    return Features(np.zeros(dim), np.ones(dim), clip, bias=bias)


def fourier_features(dim, count, bandwidth, rng, bias=True, clip=np.inf):
    """`count` random waves: frequencies N(0, 1/bandwidth^2), phases U(-pi, pi)."""
    frequencies = rng.standard_normal((count, dim)) / _check.positive(
        "bandwidth", bandwidth
    )
    phases = rng.uniform(-np.pi, np.pi, count)
    return Features(np.zeros(dim), np.ones(dim), clip, frequencies, phases, bias)


# ----------------------------------------------------------------- the common part


class _Policy:
    """What the three policies share; each has theta [size] and fisher(observations)."""

    @property
    def size(self):
        """The number of parameters."""
        return self.theta.size

    def with_theta(self, theta):
        """The same policy at other parameters [size]; ValueError if not finite."""
        theta = np.asarray(theta)
        if theta.shape != self.theta.shape:
            raise ValueError(
                f"theta has shape {theta.shape}, expected {self.theta.shape}"
            )
        return replace(self, theta=theta)

    def fisher_vector_product(self, observations, vector):
        """F v [size]: mean over the rows, no damping, and F is never formed.

        F = E[score score^T] is also the Hessian at theta of the mean KL(pi || .).
        """
        return self.fisher(observations)(vector)

    def _vector(self, vector):
        vector = np.asarray(vector, dtype=np.float64)
        if vector.shape != self.theta.shape:
            raise ValueError(
                f"vector has shape {vector.shape}, expected {self.theta.shape}"
            )
        return vector

    def _same_kind(self, new):
        if type(new) is not type(self) or new._widths() != self._widths():
            raise TypeError(
                f"new must be a {type(self).__name__} of the same sizes, got "
                f"{type(new).__name__} with {getattr(new, 'size', 'no')} parameters"
            )


class _Linear(_Policy):
    """What the two policies over feature rows share: `features` and weights [F, k]."""

    def rows(self, observations):
        """The features [N, F] of the observations."""
        rows = self.features(observations)
        if rows.ndim != 2 or rows.shape[1] != len(self.weights):
            raise ValueError(
                f"observations gave features of shape {rows.shape}, "
                f"expected (any, {len(self.weights)})"
            )
        return rows

    _memo = None, None

    def _output(self, rows):
        """`_compute(rows)`, remembered if the rows are read-only (as from `bare`)."""
        if rows.flags.writeable:
            return self._compute(rows)
        if self._memo[0] is not rows:
            _set(self, _memo=(rows, self._compute(rows)))
        return self._memo[1]

    def _rows_of(self, new, observations, rows):
        """`rows` again if `new` has the same features."""
        return rows if new.features is self.features else new.rows(observations)


def bare(policy, observations):
    """(the same policy over feature rows, the rows): an update maps features once.

    The policy returned has features = identity; the rows are read-only.
    A TabularSoftmax has no features: it and the observations come back as they are.
    """
    if isinstance(policy, TabularSoftmax):
        return policy, observations
    rows = policy.rows(observations)
    if not isinstance(policy.features, Features):  # perhaps an array that may change
        rows = rows.copy()
    rows.flags.writeable = False  # what a policy computes from it can be remembered
    return replace(policy, features=identity), rows


# ---------------------------------------------------------------- discrete actions


@dataclass(frozen=True, eq=False)
class TabularSoftmax(_Policy):
    """pi(a|s) = exp(theta_sa) / sum_b exp(theta_sb); observations are states [N]."""

    theta: np.ndarray  #: [S*A], state by state
    n_states: int
    n_actions: int

    def __post_init__(self):
        _count("n_states", self.n_states)
        _count("n_actions", self.n_actions)
        shape = (self.n_states * self.n_actions,)
        _set(self, theta=_check.frozen(_check.finite("theta", self.theta, shape)))

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

    def probabilities(self):
        """pi(a|s) for all states, [S, A]."""
        return self._table[0]

    def sample(self, observations, rng):
        """Actions [N], integers."""
        states = self._states(observations)
        return _inverse(self._cumulative[:, states], rng.random(states.shape))

    def mode(self, observations):
        """The most likely actions [N] (the first of equals)."""
        return self._table[1].argmax(1)[self._states(observations)]

    def log_prob(self, observations, actions):
        """log pi(a|s), [N]."""
        states = self._states(observations)
        return self._table[1][states, _indices(actions, len(states), self.n_actions)]

    def score_sum(self, observations, actions, weights):
        """sum_n w_n grad log pi(a_n|s_n), [S*A]: the score is 1[a] - pi(.|s)."""
        states = self._states(observations)
        actions = _indices(actions, len(states), self.n_actions)
        weights = _weights(weights, len(states))
        taken = np.bincount(states * self.n_actions + actions, weights, self.size)
        visits = np.bincount(states, weights, self.n_states)
        return taken - (visits[:, None] * self._table[0]).ravel()

    def kl(self, observations, new):
        """KL(pi(.|s) || new(.|s)), [N], old first."""
        self._same_kind(new)
        kl = _categorical_kl(*self._table, *new._table, axis=1)
        return kl[self._states(observations)]

    def kl_gradient(self, observations, new):
        """Gradient of mean KL(pi || new) in new's theta: new - pi where visited."""
        self._same_kind(new)
        states = self._states(observations)
        share = np.bincount(states, minlength=self.n_states) / len(states)
        return (share[:, None] * (new._table[0] - self._table[0])).ravel()

    def fisher(self, observations):
        """The function v -> F v; at each state F is diag(pi) - pi pi^T."""
        states = self._states(observations)
        share = np.bincount(states, minlength=self.n_states)[:, None] / len(states)
        pi = self._table[0]

        def matvec(vector):
            weighted = pi * self._vector(vector).reshape(pi.shape)
            weighted -= pi * weighted.sum(1, keepdims=True)
            return (share * weighted).ravel()

        return matvec

    def entropy(self, observations):
        """-sum_a pi log pi, [N]."""
        pi, log_pi = self._table
        return -(pi * log_pi).sum(1)[self._states(observations)]

    @cached_property
    def _table(self):
        """(pi, log pi), each [S, A], read-only."""
        pi, log_pi = _log_softmax(self.theta.reshape(self.n_states, self.n_actions), 1)
        pi.flags.writeable = log_pi.flags.writeable = False
        return pi, log_pi

    @cached_property
    def _cumulative(self):
        return self._table[0].cumsum(1).T  # [A, S]

    def _widths(self):
        return self.n_states, self.n_actions

    def _states(self, observations):
        return _integers("observations", observations, None, self.n_states)


@dataclass(frozen=True, eq=False)
class LinearSoftmax(_Linear):
    """pi(a|s) = softmax over a of phi(s) . weights[:, a]."""

    theta: np.ndarray  #: [F*A], feature by feature
    n_actions: int
    features: object = identity

    def __post_init__(self):
        _count("n_actions", self.n_actions)
        theta = _check.finite("theta", self.theta, (None,))
        _set(self, theta=_check.frozen(theta))
        _fit("theta", theta.size, self.n_actions, 0, self.features)

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
        return self._output(self.rows(observations))[0].T

    def sample(self, observations, rng):
        """Actions [N], integers."""
        pi = self._compute(self.rows(observations))[0]
        if len(pi) == 2:
            return (rng.random(pi.shape[1]) >= pi[0]).astype(np.int64)
        return _inverse(pi.cumsum(0), rng.random(pi.shape[1]))

    def mode(self, observations):
        """The most likely actions [N] (the first of equals)."""
        return self._logits(self.rows(observations)).argmax(0)

    def log_prob(self, observations, actions):
        """log pi(a|s), [N]."""
        rows = self.rows(observations)
        actions = _indices(actions, len(rows), self.n_actions)
        return _pick(self._output(rows)[1], actions)

    def score_sum(self, observations, actions, weights):
        """sum_n w_n grad log pi(a_n|s_n), [F*A]: the score is phi (1[a] - pi)^T."""
        rows = self.rows(observations)
        actions = _indices(actions, len(rows), self.n_actions)
        weights = _weights(weights, len(rows))
        score = -weights * self._output(rows)[0]
        score[actions, np.arange(len(rows))] += weights
        return (rows.T @ score.T).ravel()

    def kl(self, observations, new):
        """KL(pi(.|s) || new(.|s)), [N], old first."""
        self._same_kind(new)
        rows = self.rows(observations)
        new_rows = self._rows_of(new, observations, rows)
        return _categorical_kl(*self._output(rows), *new._output(new_rows), axis=0)

    def kl_gradient(self, observations, new):
        """Gradient of mean KL(pi || new) in new's theta: mean of phi (new - pi)^T."""
        self._same_kind(new)
        rows = self.rows(observations)
        new_rows = self._rows_of(new, observations, rows)
        excess = new._output(new_rows)[0] - self._output(rows)[0]
        return (new_rows.T @ excess.T).ravel() / len(rows)

    def fisher(self, observations):
        """The function v -> F v; at each row F is phi phi^T x (diag(pi) - pi pi^T)."""
        rows = self.rows(observations)
        pi = self._output(rows)[0] / len(rows)

        def matvec(vector):
            change = self._vector(vector).reshape(self.weights.shape).T @ rows.T
            if len(pi) == 2:  # one number per row: both logits' shares are opposite
                share = product * (change[1] - change[0]) @ rows
                return np.stack([-share, share], 1).ravel()
            change *= pi
            change -= pi * (len(rows) * change.sum(0))
            return (rows.T @ change.T).ravel()

        product = pi[0] * pi[1] * len(rows) if len(pi) == 2 else None
        return matvec

    def entropy(self, observations):
        """-sum_a pi log pi, [N]."""
        pi, log_pi = self._output(self.rows(observations))
        return -(pi * log_pi).sum(0)

    # Inside, tables are [A, N]: sums over a few actions then run along whole rows.

    def _logits(self, rows):
        return self.weights.T @ rows.T

    def _compute(self, rows):
        """(pi, log pi), each [A, N]."""
        return _log_softmax(self._logits(rows), 0)

    def _widths(self):
        return self.weights.shape


# -------------------------------------------------------------- continuous actions


@dataclass(frozen=True, eq=False)
class LinearGaussian(_Linear):
    """u ~ N(phi(s) . weights, diag(exp(2 log_std))): m independent actions.

    The log standard deviations do not depend on the state and are the last m entries
    of theta: they learn like the rest.
    """

    theta: np.ndarray  #: [F*m + m]: the mean's weights feature by feature, log_std
    action_dim: int
    features: object = identity

    def __post_init__(self):
        _count("action_dim", self.action_dim)
        theta = _check.finite("theta", self.theta, (None,))
        _set(self, theta=_check.frozen(theta))
        _fit("theta", theta.size, self.action_dim, 1, self.features)

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
        return self._compute(self.rows(observations))

    def log_prob(self, observations, actions):
        """log density of the actions [N, m], [N]."""
        rows = self.rows(observations)
        z = (self._actions(actions, len(rows)) - self._output(rows)) / self.std
        constant = self.log_std.sum() + self.action_dim * np.log(2 * np.pi) / 2
        return -np.einsum("nm,nm->n", z, z) / 2 - constant

    def score_sum(self, observations, actions, weights):
        """sum_n w_n grad log pi(u_n|s_n): phi (u - mean) / std^2, and z^2 - 1."""
        rows = self.rows(observations)
        weights = _weights(weights, len(rows))
        z = (self._actions(actions, len(rows)) - self._output(rows)) / self.std
        mean = (rows.T @ (weights[:, None] * z)) / self.std
        log_std = weights @ (z * z) - weights.sum()
        return np.concatenate([mean.ravel(), log_std])

    def kl(self, observations, new):
        """KL(pi(.|s) || new(.|s)), [N], old first.

        log(std'/std) + (std^2 + (mean - mean')^2) / (2 std'^2) - 1/2, summed over m.
        """
        self._same_kind(new)
        rows = self.rows(observations)
        new_rows = self._rows_of(new, observations, rows)
        gap = (self._output(rows) - new._output(new_rows)) / new.std
        growth = new.log_std - self.log_std
        spread = (growth + np.expm1(-2 * growth) / 2).sum()
        return spread + np.einsum("nm,nm->n", gap, gap) / 2

    def kl_gradient(self, observations, new):
        """Gradient of mean KL(pi || new) in new's theta.

        phi (mean' - mean) / std'^2, and 1 - (std^2 + (mean - mean')^2) / std'^2.
        """
        self._same_kind(new)
        rows = self.rows(observations)
        new_rows = self._rows_of(new, observations, rows)
        gap = (new._output(new_rows) - self._output(rows)) / new.std
        mean = new_rows.T @ gap / (len(rows) * new.std)
        growth = new.log_std - self.log_std
        log_std = -np.expm1(-2 * growth) - (gap * gap).mean(0)
        return np.concatenate([mean.ravel(), log_std])

    def fisher(self, observations):
        """The function v -> F v; F is phi phi^T x diag(1/std^2), and 2 for log_std."""
        rows = self.rows(observations)
        precision = self.std**-2 / len(rows)
        split = self.weights.size

        def matvec(vector):
            vector = self._vector(vector)
            change = rows @ vector[:split].reshape(self.weights.shape)
            mean = (rows.T @ change) * precision
            return np.concatenate([mean.ravel(), 2 * vector[split:]])

        return matvec

    def entropy(self, observations):
        """sum of log_std + m/2 log(2 pi e), the same for every row, [N]."""
        each = self.log_std.sum() + self.action_dim * np.log(2 * np.pi * np.e) / 2
        return np.full(len(observations), each)

    def _compute(self, rows):
        """The means [N, m]."""
        return rows @ self.weights

    def _actions(self, actions, n):
        actions = np.asarray(actions)
        if actions.ndim == 1 and actions.dtype.kind in "iub":
            raise TypeError(
                "actions are integers [N]: a LinearGaussian acts on a Box; use a "
                "softmax policy for a Discrete space"
            )
        if actions.shape != (n, self.action_dim):
            raise ValueError(
                f"actions has shape {actions.shape}, expected ({n}, {self.action_dim})"
            )
        return actions

    def _widths(self):
        return self.weights.shape


# --------------------------------------------------- from an environment, to a file


def make_policy(env, features=None, log_std=0.0, kind=None):
    """The policy of an environment, at its start: uniform, or mean zero.

    Parameters
    ----------
    env : a Gymnasium environment, a vector one, or (observation space, action space)
    features : feature map of Box observations; None for `linear_features`
    log_std : number or [m], for Box actions only
    kind : one of the three classes to insist on it; None to choose by the spaces

    Raises TypeError if the spaces don't suit `kind`, or no policy at all.
    """
    observation_space, action_space = _spaces(env)
    fitting = _fitting(observation_space, action_space)
    if kind not in (None, fitting):
        raise TypeError(
            f"{getattr(kind, '__name__', kind)} can't act here: observations are "
            f"{observation_space}, actions {action_space}, which need "
            f"{fitting.__name__}"
        )
    if fitting is TabularSoftmax:
        if features is not None:
            raise TypeError("features: a TabularSoftmax has none; give None")
        return TabularSoftmax.zeros(int(observation_space.n), int(action_space.n))
    dim = observation_space.shape[0]
    features = linear_features(dim) if features is None else features
    size = getattr(features, "size", dim)
    if fitting is LinearSoftmax:
        return LinearSoftmax.zeros(size, int(action_space.n), features)
    return LinearGaussian.zeros(size, action_space.shape[0], log_std, features)


def check_spaces(policy, env):
    """Raise TypeError unless `policy` can act in `env` (as in `make_policy`)."""
    observation_space, action_space = _spaces(env)
    fitting = _fitting(observation_space, action_space)
    if type(policy) is not fitting:
        raise TypeError(
            f"policy is a {type(policy).__name__}, but observations {observation_space}"
            f" and actions {action_space} need a {fitting.__name__}"
        )
    if fitting is TabularSoftmax:
        sizes = (policy.n_states, policy.n_actions)
        expected = (int(observation_space.n), int(action_space.n))
    else:
        mean = getattr(policy.features, "mean", None)
        dim = len(policy.weights) if mean is None else mean.size
        outputs = action_space.n if fitting is LinearSoftmax else action_space.shape[0]
        sizes = (dim, policy.weights.shape[1])
        expected = (observation_space.shape[0], int(outputs))
    if sizes != expected:
        raise TypeError(
            f"policy has (observations, actions) sizes {sizes}, expected {expected}"
        )


def to_arrays(policy):
    """The policy as named arrays, ready for `np.savez` without pickle."""
    arrays = {"kind": np.array(type(policy).__name__), "theta": policy.theta}
    if isinstance(policy, TabularSoftmax):
        return arrays | {
            "n_states": np.array(policy.n_states),
            "n_actions": np.array(policy.n_actions),
        }
    arrays["outputs"] = np.array(policy.weights.shape[1])
    if policy.features is identity:
        return arrays
    if not isinstance(policy.features, Features):
        raise TypeError(
            f"only identity and Features can be saved, not features {policy.features!r}"
        )
    for name in _FEATURES:
        value = getattr(policy.features, name)
        if value is not None:
            arrays[f"features_{name}"] = np.asarray(value)
    return arrays


def from_arrays(arrays):
    """The policy that `to_arrays` wrote; ValueError if something is missing."""
    try:
        kind, theta = str(arrays["kind"]), arrays["theta"]
        if kind == "TabularSoftmax":
            return TabularSoftmax(
                theta, int(arrays["n_states"]), int(arrays["n_actions"])
            )
        if kind not in _LINEAR:
            raise ValueError(f"kind is {kind!r}, expected one of {sorted(_KINDS)}")
        features = identity
        if "features_mean" in arrays:
            values = {
                name: arrays[f"features_{name}"]
                for name in _FEATURES
                if f"features_{name}" in arrays
            }
            values["clip"] = float(values["clip"])
            values["bias"] = bool(values["bias"])
            features = Features(**values)
        return _LINEAR[kind](theta, int(arrays["outputs"]), features)
    except KeyError as error:
        raise ValueError(f"not a saved policy: {error.args[0]} is missing") from error


_LINEAR = {"LinearSoftmax": LinearSoftmax, "LinearGaussian": LinearGaussian}
_KINDS = _LINEAR | {"TabularSoftmax": TabularSoftmax}
_FEATURES = ("mean", "std", "clip", "frequencies", "phases", "bias")


def _spaces(env):
    if isinstance(env, tuple):
        return env
    if hasattr(env, "single_action_space"):
        return env.single_observation_space, env.single_action_space
    return env.observation_space, env.action_space


def _fitting(observation_space, action_space):
    from gymnasium.spaces import Box, Discrete

    discrete = isinstance(action_space, Discrete)
    if discrete and isinstance(observation_space, Discrete):
        return TabularSoftmax
    if isinstance(observation_space, Box) and len(observation_space.shape) == 1:
        if discrete:
            return LinearSoftmax
        if isinstance(action_space, Box) and len(action_space.shape) == 1:
            return LinearGaussian
    raise TypeError(
        f"no policy for observations {observation_space} with actions {action_space}: "
        "expected Discrete or one-dimensional Box spaces, Box observations for a Box "
        "of actions"
    )


# ------------------------------------------------------------------------- details


def _set(frozen_instance, **values):
    for name, value in values.items():
        object.__setattr__(frozen_instance, name, value)


def _count(name, value):
    if not isinstance(value, (int, np.integer)) or value < 1:
        raise ValueError(f"{name} must be an integer >= 1, got {value!r}")


def _fit(name, size, outputs, extra_rows, features):
    """ValueError unless `size` is (F + extra_rows) * outputs for the features' F."""
    wanted = getattr(features, "size", None)
    if size % outputs or size == extra_rows * outputs:
        raise ValueError(
            f"{name} has {size} entries, expected a multiple of {outputs}"
            + (f" above {outputs}" if extra_rows else "")
        )
    if wanted is not None and size != (wanted + extra_rows) * outputs:
        raise ValueError(
            f"{name} has {size} entries, expected {(wanted + extra_rows) * outputs} "
            f"for {wanted} features"
        )


def _integers(name, values, n, limit):
    """`values` as integers [n] in [0, limit)."""
    values = np.asarray(values)
    if values.dtype.kind not in "iub":
        raise TypeError(
            f"{name} must be integers below {limit}, got {values.dtype}: this policy "
            "needs a Discrete space"
        )
    if values.ndim != 1 or n not in (None, len(values)):
        expected = "(any,)" if n is None else f"({n},)"
        raise ValueError(f"{name} has shape {values.shape}, expected {expected}")
    if values.size and not (values.min() >= 0 and values.max() < limit):
        raise ValueError(
            f"{name} must be in 0 to {limit - 1}, got {values.min()} to {values.max()}"
        )
    return values.astype(np.int64, copy=False)


def _indices(actions, n, n_actions):
    return _integers("actions", actions, n, n_actions)


def _weights(weights, n):
    weights = np.asarray(weights, dtype=np.float64)
    if weights.shape != (n,):
        raise ValueError(f"weights has shape {weights.shape}, expected ({n},)")
    return weights


def _log_softmax(logits, axis):
    """(pi, log pi) over an axis."""
    log_pi = logits - logits.max(axis, keepdims=True)
    pi = np.exp(log_pi)
    total = pi.sum(axis, keepdims=True)
    pi /= total
    log_pi -= np.log(total)
    return pi, log_pi


def _categorical_kl(p, log_p, q, log_q, axis):
    """sum p log(p/q), clear of the rounding that could make it negative."""
    return np.maximum((p * (log_p - log_q)).sum(axis), 0)


def _pick(table, actions):
    """table[a_n, n] for a table [A, N]."""
    if len(table) == 2:
        return np.where(actions == 0, table[0], table[1])
    return table[actions, np.arange(len(actions))]


def _inverse(cumulative, uniform):
    """The actions at which cumulative [A, N] first exceeds uniform [N]."""
    return (uniform >= cumulative[:-1]).sum(0)
