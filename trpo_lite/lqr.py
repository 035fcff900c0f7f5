"""Linear-quadratic worlds with a linear-Gaussian policy, where everything is exact.

    s' = A s + B u + w,   w ~ (0, W),   reward -(s^T Q s + u^T R u),   u ~ N(K s, Sigma)

with Sigma = diag(std^2). In code, so as not to clash with the MDP's P and R:
A = `dynamics`, B = `control`, Q = `state_cost`, R = `action_cost`, W = `noise`,
E[s0 s0^T] = `start`, K = `gain`. The closed loop is C = A + B K, and

    v(s) = -(s^T P s + p),      P = Q + K^T R K + gamma C^T P C       `value_matrix`
    p = (tr(kappa Sigma) + gamma tr(P W)) / (1 - gamma)               `value_constant`
    kappa = R + gamma B^T P B                                         `action_curvature`
    E = R K + gamma B^T P C                                           `advantage_error`
    M = sum_t gamma^t E[s_t s_t^T]                                    `state_moment`
    A(s, u) = tr(kappa Sigma) - e^T kappa e - 2 e^T E s,  e = u - K s

All results are written for vectors; the scalar world of Peters & Schaal's picture is
n = m = 1, where gain and std may be plain numbers. The policy's parameters are ordered
theta = (gain.ravel(), std), or (gain.ravel(), log std) with `parameter="log_std"`.

A gain is stable when sqrt(gamma) times the closed loop's spectral radius is below 1.
Otherwise the performance is given as -inf (which it is wherever the growing states
occur and cost something), and what has no finite value raises ValueError.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from . import _check
from .bound import log_gap


@dataclass(frozen=True, eq=False)
class LQR:
    """A linear-quadratic world; arrays are validated and read-only.

    Parameters
    ----------
    dynamics[n, n], control[n, m] : s' = dynamics s + control u + w.
    state_cost[n, n], action_cost[m, m] : reward -(s^T Q s + u^T R u); Q positive
        semidefinite, R positive definite, both symmetric.
    noise[n, n] : covariance of w.
    start[n, n] : second moment E[s0 s0^T] of the first state.
    gamma : discount in [0, 1).
    """

    dynamics: np.ndarray
    control: np.ndarray
    state_cost: np.ndarray
    action_cost: np.ndarray
    noise: np.ndarray
    start: np.ndarray
    gamma: float

    def __post_init__(self):
        n = len(np.atleast_1d(self.dynamics))
        control = _check.finite("control", self.control, (n, None))
        m = control.shape[1]
        arrays = {
            "dynamics": _check.finite("dynamics", self.dynamics, (n, n)),
            "control": control,
            "state_cost": _symmetric("state_cost", self.state_cost, n),
            "action_cost": _symmetric(
                "action_cost", self.action_cost, m, definite=True
            ),
            "noise": _symmetric("noise", self.noise, n),
            "start": _symmetric("start", self.start, n),
        }
        _check.set_frozen(self, **arrays)
        object.__setattr__(self, "gamma", _check.discount("gamma", self.gamma))

    @property
    def n_states(self):
        """n, the dimension of the state."""
        return self.control.shape[0]

    @property
    def n_actions(self):
        """m, the dimension of the action."""
        return self.control.shape[1]


@dataclass(frozen=True, eq=False)
class LQREvaluation:
    """All that is known about one linear-Gaussian policy (letters: the module's head).

    For an unstable gain the performance is -inf and every other result NaN.
    """

    performance: float
    value_matrix: np.ndarray  # P [n, n]
    value_constant: float  # p
    state_moment: np.ndarray  # M [n, n]
    advantage_error: np.ndarray  # E [m, n]
    action_curvature: np.ndarray  # kappa [m, m]
    closed_loop: np.ndarray  # C [n, n]
    gain: np.ndarray  # K [m, n]
    std: np.ndarray  # [m]


def scalar_lqr(a=1, b=1, q=1, r=1, m0=1, noise=0, gamma=0.9):
    """The scalar world s' = a s + b u + w, reward -(q s^2 + r u^2).

    `m0` is E[s0^2] and `noise` is Var(w); the defaults are the course's picture after
    Peters & Schaal (2008), with constants of its own.
    """
    numbers = {"a": a, "b": b, "q": q, "r": r, "noise": noise, "m0": m0}
    arrays = [_check.finite(name, x, ()).reshape(1, 1) for name, x in numbers.items()]
    return LQR(*arrays, gamma)


def is_stable(lqr, gain):
    """Whether sqrt(gamma) * spectral radius(A + B K) < 1, so that J is finite."""
    gain = _gain(lqr, gain)
    return _radius(lqr.dynamics + lqr.control @ gain) * np.sqrt(lqr.gamma) < 1


def evaluate(lqr, gain, std):
    """The exact evaluation of u ~ N(gain s, diag(std^2)), by two linear solves.

    gain is [m, n] and std [m] with entries >= 0; numbers do in the scalar world.
    """
    K, std = _policy(lqr, gain, std)
    A, B, gamma = lqr.dynamics, lqr.control, lqr.gamma
    C = A + B @ K
    if _radius(C) * np.sqrt(gamma) >= 1:
        nan = [np.full(shape, np.nan) for shape in (C.shape, C.shape, K.shape)]
        kappa = np.full(lqr.action_cost.shape, np.nan)
        return LQREvaluation(-np.inf, nan[0], np.nan, nan[1], nan[2], kappa, C, K, std)
    P = _lyapunov(C.T, lqr.state_cost + K.T @ lqr.action_cost @ K, gamma)
    kappa = lqr.action_cost + gamma * B.T @ P @ B
    E = lqr.action_cost @ K + gamma * B.T @ P @ C
    p = (np.diag(kappa) @ std**2 + gamma * np.sum(P * lqr.noise)) / (1 - gamma)
    shaken = (B * std**2) @ B.T + lqr.noise
    M = _lyapunov(C, lqr.start + gamma / (1 - gamma) * shaken, gamma)
    J = -(np.sum(P * lqr.start) + p)
    return LQREvaluation(float(J), P, float(p), M, E, kappa, C, K, std)


def performance(lqr, gain, std):
    """J(pi) = -(tr(P E[s0 s0^T]) + p), or -inf for an unstable gain (see the head)."""
    return evaluate(lqr, gain, std).performance


def value(lqr, gain, std, states):
    """v(s) = -(s^T P s + p) for states [N, n] (or [N] in the scalar world) -> [N]."""
    it = _finite_evaluation(lqr, gain, std)
    states = _rows("states", states, lqr.n_states)
    return (
        -(np.einsum("ni,ij,nj->n", states, it.value_matrix, states)) - it.value_constant
    )


def advantage(lqr, gain, std, states, actions):
    """A(s, u) = tr(kappa Sigma) - e^T kappa e - 2 e^T E s with e = u - K s -> [N].

    states [N, n] and actions [N, m], or both [N] in the scalar world. Its mean under
    the policy is 0 in every state.
    """
    it = _finite_evaluation(lqr, gain, std)
    states = _rows("states", states, lqr.n_states)
    actions = _rows("actions", actions, lqr.n_actions)
    if len(states) != len(actions):
        raise ValueError(
            f"{len(states)} states but {len(actions)} actions, expected one each"
        )
    e = actions - states @ it.gain.T
    kappa, E = it.action_curvature, it.advantage_error
    return (
        np.diag(kappa) @ it.std**2
        - np.einsum("ni,ij,nj->n", e, kappa, e)
        - 2 * np.einsum("ni,ij,nj->n", e, E, states)
    )


def gradient(lqr, gain, std, parameter="std"):
    """dJ/dK = -2 E M [m, n] and dJ/dstd = -2 diag(kappa) std / (1 - gamma) [m].

    With `parameter="log_std"` the second is dJ/dlog std = std dJ/dstd.
    """
    it = _finite_evaluation(lqr, gain, std)
    d_gain = -2 * it.advantage_error @ it.state_moment
    d_std = -2 * np.diag(it.action_curvature) * it.std / (1 - lqr.gamma)
    return d_gain, d_std * _d_std(it.std, parameter)


def fisher(lqr, gain, std, parameter="std"):
    """The Fisher matrix of theta = (gain.ravel(), std), [m n + m, m n + m].

    The mean over the *normalised* visitation (1 - gamma) d, as in the mean KL, whose
    Hessian at the old policy it is: kron(Sigma^-1, (1 - gamma) M) for the gain and
    diag(2 / std^2) for std (2 I for log std).
    """
    it = _finite_evaluation(lqr, gain, _positive_std(std))
    k = it.gain.size
    matrix = np.zeros((k + it.std.size,) * 2)
    moment = (1 - lqr.gamma) * it.state_moment
    matrix[:k, :k] = np.kron(np.diag(1 / it.std**2), moment)
    matrix[k:, k:] = np.diag(2 * (_d_std(it.std, parameter) / it.std) ** 2)
    return matrix


def natural_gradient(lqr, gain, std, parameter="std"):
    """F^-1 grad J in closed form: ([m, n], [m]), finite even where M is singular.

    -2 Sigma E / (1 - gamma) for the gain and -diag(kappa) std^3 / (1 - gamma) for std
    (std^2 for log std): M cancels.
    """
    it = _finite_evaluation(lqr, gain, std)
    variance = it.std**2
    d_gain = -2 * variance[:, None] * it.advantage_error / (1 - lqr.gamma)
    d_std = -np.diag(it.action_curvature) * variance * it.std / (1 - lqr.gamma)
    if parameter == "log_std":
        d_std = -np.diag(it.action_curvature) * variance / (1 - lqr.gamma)
    else:
        _d_std(it.std, parameter)
    return d_gain, d_std


def surrogate(lqr, old, new):
    """L_old(new), exactly; old and new are pairs (gain, std).

    L = -[tr(kappa (Sigma' - Sigma)) / (1 - gamma) + tr(D^T kappa D M)] - 2 tr(D^T E M)
    with D = K' - K and the *old* policy's M. Finite even where `new` is unstable.
    """
    it = _finite_evaluation(lqr, *old)
    return _expected_advantage(lqr, it, new, it.state_moment)


def improvement(lqr, old, new):
    """J(new) - J(old) by the advantage identity: the surrogate with the *new* M.

    The whole difference between L and the truth is M' - M. -inf for an unstable `new`.
    """
    it, after = _finite_evaluation(lqr, *old), evaluate(lqr, *new)
    if after.performance == -np.inf:
        return -np.inf
    return _expected_advantage(lqr, it, new, after.state_moment)


def mean_kl(lqr, old, new):
    """E_s KL(old || new) over the old policy's normalised visitation (1 - gamma) d.

    Sum over the action's components of log(s'/s) + (s^2 + E[(D s)^2]) / (2 s'^2) - 1/2.
    The *maximum* over states is infinite for any change of gain.
    """
    it = _finite_evaluation(lqr, old[0], _positive_std(old[1], "old std"))
    gain, std = _policy(lqr, new[0], _positive_std(new[1], "new std"))
    D = gain - it.gain
    moved = (1 - lqr.gamma) * np.einsum("ij,jk,ik->i", D, it.state_moment, D)
    x = (it.std - std) * (it.std + std) / std**2  # variance ratio - 1, no cancellation
    return float(np.sum(log_gap(x) + moved / std**2) / 2)


def optimal_gain(lqr, tolerance=1e-14):
    """The gain [m, n] that maximises J, from the discounted Riccati equation.

    P = Q + gamma A^T P A - gamma^2 A^T P B (R + gamma B^T P B)^-1 B^T P A by structured
    doubling (Chu, Fan & Lin 2005): each pass doubles the horizon. The optimal std is 0.
    Raises ValueError where no gain makes the controlled world stable.
    """
    root = np.sqrt(lqr.gamma)
    A, B = root * lqr.dynamics, root * lqr.control
    G, H, eye = (
        B @ np.linalg.solve(lqr.action_cost, B.T),
        lqr.state_cost,
        np.eye(len(A)),
    )
    P = H
    with np.errstate(over="ignore", invalid="ignore"):
        for _ in range(64):
            W = eye + G @ H
            if not np.isfinite(W).all():
                break
            WA, WG = np.linalg.solve(W, A), np.linalg.solve(W, G)
            P = H + A.T @ H @ WA
            P = (P + P.T) / 2
            if np.abs(P - H).max() <= tolerance * (1 + np.abs(P).max()):
                break
            A, G, H = A @ WA, G + A @ WG @ A.T, P
    if np.isfinite(P).all():
        B = lqr.control
        curvature = lqr.action_cost + lqr.gamma * B.T @ P @ B
        gain = -lqr.gamma * np.linalg.solve(curvature, B.T @ P @ lqr.dynamics)
        if is_stable(lqr, gain):
            return gain
    raise ValueError(
        "lqr has no optimal gain: no control makes sqrt(gamma) (A + B K) stable, "
        "or state_cost does not see the unstable states"
    )


def sample_trajectories(lqr, gain, std, n, horizon, rng):
    """n rollouts: states [N, T+1, n], actions [N, T, m], rewards [N, T].

    The first state and w are Gaussian, with mean 0 and the world's second moments.
    """
    gain, std = _policy(lqr, gain, std)
    start, noise = _root(lqr.start), _root(lqr.noise)
    states = np.empty((n, horizon + 1, lqr.n_states))
    actions = np.empty((n, horizon, lqr.n_actions))
    states[:, 0] = rng.standard_normal((n, lqr.n_states)) @ start
    for t in range(horizon):
        s = states[:, t]
        u = s @ gain.T + std * rng.standard_normal((n, lqr.n_actions))
        w = rng.standard_normal((n, lqr.n_states)) @ noise
        actions[:, t] = u
        states[:, t + 1] = s @ lqr.dynamics.T + u @ lqr.control.T + w
    return states, actions, reward(lqr, states[:, :-1], actions)


def reward(lqr, states, actions):
    """-(s^T Q s + u^T R u) along the last axis of states [..., n], actions [..., m]."""
    return -(
        np.einsum("...i,ij,...j->...", states, lqr.state_cost, states)
        + np.einsum("...i,ij,...j->...", actions, lqr.action_cost, actions)
    )


def make_env(lqr, horizon=200, action_limit=1e3):
    """The same world as a `gymnasium.Env`: observation = state, reward as in `reward`.

    Episodes never terminate; they are truncated after `horizon` steps. Actions are in
    the world's own units; the Box's bounds +-`action_limit` are only declared, and wide
    enough that a policy's actions stay inside. (With `action_limit=1` Gymnasium's
    `check_env` has nothing to say; with any larger one it recommends [-1, 1].)
    """
    if not isinstance(lqr, LQR):
        raise TypeError(f"lqr must be an LQR, got {type(lqr).__name__}")
    horizon = _check.count("horizon", horizon)
    limit = _check.positive("action_limit", action_limit)
    return _env_class()(lqr, horizon, limit)


@lru_cache(maxsize=1)
def _env_class():
    """`LQREnv`, made on first use: importing this module must not import gymnasium."""
    import gymnasium as gym

    class LQREnv(gym.Env):
        metadata = {"render_modes": []}  # noqa: RUF012 (Gymnasium's own convention)

        def __init__(self, lqr, horizon, action_limit, render_mode=None):
            self.lqr, self.horizon, self.render_mode = lqr, horizon, render_mode
            n, m = lqr.n_states, lqr.n_actions
            largest = np.finfo(np.float64).max / 4  # finite, so that it can be sampled
            box = gym.spaces.Box
            self.observation_space = box(-largest, largest, (n,), np.float64)
            self.action_space = box(-action_limit, action_limit, (m,), np.float64)
            self._start, self._noise = _root(lqr.start), _root(lqr.noise)
            self._state = None
            self.spec = gym.envs.registration.EnvSpec(
                id="trpo_lite/LQR-v0",
                entry_point=LQREnv,
                kwargs={"lqr": lqr, "horizon": horizon, "action_limit": action_limit},
            )

        def reset(self, *, seed=None, options=None):
            super().reset(seed=seed)
            self._time = 0
            self._state = self.np_random.standard_normal(len(self._start)) @ self._start
            return self._state.copy(), {}

        def step(self, action):
            if self._state is None:
                raise ValueError("step called before reset")
            u = _check.finite("action", action, self.action_space.shape)
            gained = float(reward(self.lqr, self._state, u))
            w = self.np_random.standard_normal(len(self._noise)) @ self._noise
            self._state = self.lqr.dynamics @ self._state + self.lqr.control @ u + w
            self._time += 1
            return self._state.copy(), gained, False, self._time >= self.horizon, {}

    return LQREnv


def _expected_advantage(lqr, it, new, moment):
    """Sum over d of E_new[A_old], where `moment` is d's second moment."""
    gain, std = _policy(lqr, *new)
    D, kappa = gain - it.gain, it.action_curvature
    wider = np.diag(kappa) @ ((std - it.std) * (std + it.std)) / (1 - lqr.gamma)
    DM = D @ moment
    return float(
        -wider - np.sum(kappa * (DM @ D.T)) - 2 * np.sum(DM * it.advantage_error)
    )


def _finite_evaluation(lqr, gain, std):
    it = evaluate(lqr, gain, std)
    if it.performance == -np.inf:
        radius = np.sqrt(lqr.gamma) * _radius(it.closed_loop)
        raise ValueError(
            f"gain {it.gain.tolist()} is unstable, so J = -inf: sqrt(gamma) * spectral "
            f"radius is {_check.apart(radius, 1, 4)}, expected < 1"
        )
    return it


def _lyapunov(C, Q, gamma):
    """X = Q + gamma C X C^T, symmetric; one linear solve in n^2 unknowns."""
    n = len(C)
    X = np.linalg.solve(np.eye(n * n) - gamma * np.kron(C, C), Q.ravel()).reshape(n, n)
    return (X + X.T) / 2


def _radius(C):
    return np.abs(np.linalg.eigvals(C)).max()


def _root(covariance):
    """The symmetric square root, which a singular covariance has too."""
    values, vectors = np.linalg.eigh(covariance)
    return (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T


def _gain(lqr, gain):
    shape = (lqr.n_actions, lqr.n_states)
    gain = np.asarray(gain, dtype=np.float64)
    return _check.finite("gain", gain.reshape(1, 1) if gain.size == 1 else gain, shape)


def _policy(lqr, gain, std):
    std = _check.finite("std", np.atleast_1d(std), (lqr.n_actions,))
    if (std < 0).any():
        raise ValueError(f"std must be >= 0, got {std.tolist()}")
    return _gain(lqr, gain), std


def _positive_std(std, name="std"):
    if not (np.asarray(std) > 0).all():
        raise ValueError(f"{name} must be > 0, got {np.asarray(std).tolist()}")
    return std


def _d_std(std, parameter):
    """d std / d parameter, which carries results from std to log std."""
    if parameter not in ("std", "log_std"):
        raise ValueError(f"parameter must be 'std' or 'log_std', got {parameter!r}")
    return std if parameter == "log_std" else np.ones_like(std)


def _rows(name, value, width):
    value = np.asarray(value, dtype=np.float64)
    if width == 1 and value.ndim < 2:
        value = value.reshape(-1, 1)
    return _check.finite(name, value, (None, width))


def _symmetric(name, value, n, definite=False):
    """`value` [n, n], symmetric and positive semidefinite (or definite)."""
    matrix = _check.finite(name, value, (n, n))
    if np.abs(matrix - matrix.T).max() > 1e-12 * (1 + np.abs(matrix).max()):
        raise ValueError(f"{name} must be symmetric, got {matrix.tolist()}")
    least = np.linalg.eigvalsh(matrix)[0]
    if least < -1e-12 * (1 + np.abs(matrix).max()) or (definite and least <= 0):
        kind = "definite" if definite else "semidefinite"
        raise ValueError(
            f"{name} must be positive {kind}, its least eigenvalue is {least:.4g}"
        )
    return (matrix + matrix.T) / 2
