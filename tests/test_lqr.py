"""The exact LQR against finite differences, SciPy, Monte Carlo and long sums."""

import subprocess
import sys
import warnings

import numpy as np
import pytest
from scipy.linalg import solve_discrete_are

from trpo_lite import lqr as world
from trpo_lite.lqr import LQR, scalar_lqr

GAMMA = 0.9


def random_lqr(rng, n=3, m=2, gamma=GAMMA):
    """A vector world, and a stable gain of it with its std."""

    def psd(k, ridge=0.0):
        root = rng.normal(size=(k, k))
        return root @ root.T / k + ridge * np.eye(k)

    A, B = rng.normal(size=(n, n)) / np.sqrt(n), rng.normal(size=(n, m))
    lqr = LQR(A, B, psd(n), psd(m, 0.1), 0.1 * psd(n), psd(n), gamma)
    gain = world.optimal_gain(lqr)
    while True:
        candidate = gain + 0.3 * rng.normal(size=(m, n))
        if world.is_stable(lqr, candidate):
            return lqr, candidate, rng.uniform(0.2, 0.8, m)


SCALAR = (scalar_lqr(1.1, 0.7, 1.3, 0.6, 0.8, 0.09, GAMMA), [[-0.4]], [0.3])
CASES = [
    pytest.param(SCALAR, id="scalar"),
    *(
        pytest.param(random_lqr(np.random.default_rng(i)), id=f"3x2-{i}")
        for i in range(4)
    ),
    pytest.param(random_lqr(np.random.default_rng(9), n=2, m=3), id="2x3"),
]


def split(theta, lqr):
    k = lqr.n_actions * lqr.n_states
    return theta[:k].reshape(lqr.n_actions, lqr.n_states), theta[k:]


def central(f, x, h=1e-5):
    """The gradient of f at x, by central differences."""
    eye = np.eye(x.size)
    return np.array([(f(x + h * e) - f(x - h * e)) / (2 * h) for e in eye])


def summed_moments(lqr, gain, std, steps=600):
    """sum_t gamma^t E[s s^T] and J, by pushing the second moment forward in time."""
    C = lqr.dynamics + lqr.control @ gain
    S = np.diag(np.square(std))
    moment, total, J = lqr.start, 0, 0
    for t in range(steps):
        total = total + lqr.gamma**t * moment
        u = gain @ moment @ gain.T + S
        cost = np.trace(lqr.state_cost @ moment) + np.trace(lqr.action_cost @ u)
        J -= lqr.gamma**t * cost
        moment = C @ moment @ C.T + lqr.control @ S @ lqr.control.T + lqr.noise
    return total, J


# --- evaluation -----------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES)
def test_performance_and_moment_are_the_discounted_sums(case):
    lqr, gain, std = case
    M, J = summed_moments(lqr, np.asarray(gain), std)
    it = world.evaluate(lqr, gain, std)
    np.testing.assert_allclose(it.performance, J, rtol=1e-9)
    np.testing.assert_allclose(it.state_moment, M, rtol=1e-9, atol=1e-9)
    assert J < 0 and world.performance(lqr, gain, std) == it.performance


def test_the_scalar_world_is_the_published_closed_form():
    a, b, q, r, m0, noise, gamma, k, sigma = (
        1.1,
        0.7,
        1.3,
        0.6,
        0.8,
        0.09,
        0.9,
        -0.4,
        0.3,
    )
    lqr = scalar_lqr(a, b, q, r, m0, noise, gamma)
    c = a + b * k
    D = 1 - gamma * c**2
    P = (q + r * k**2) / D
    M = (m0 + gamma * (b**2 * sigma**2 + noise) / (1 - gamma)) / D
    J = -(P * m0 + (r * sigma**2 + gamma * P * (b**2 * sigma**2 + noise)) / (1 - gamma))
    E, kappa = r * k + gamma * P * b * c, r + gamma * P * b**2
    it = world.evaluate(lqr, k, sigma)
    got = [it.value_matrix, it.state_moment, it.advantage_error, it.action_curvature]
    np.testing.assert_allclose(np.ravel(got), [P, M, E, kappa], rtol=1e-13)
    np.testing.assert_allclose(it.performance, J, rtol=1e-13)
    d_gain, d_std = world.gradient(lqr, k, sigma)
    np.testing.assert_allclose(d_gain, [[-2 * E * M]], rtol=1e-13)
    np.testing.assert_allclose(d_std, [-2 * sigma * kappa / (1 - gamma)], rtol=1e-13)
    F = np.diag([(1 - gamma) * M / sigma**2, 2 / sigma**2])
    np.testing.assert_allclose(world.fisher(lqr, k, sigma), F, rtol=1e-13)
    s, u = np.array([0.7, -1.2]), np.array([-0.9, 0.1])
    A = -kappa * ((u - k * s) ** 2 - sigma**2) - 2 * E * s * (u - k * s)
    np.testing.assert_allclose(world.advantage(lqr, k, sigma, s, u), A, rtol=1e-12)


def test_performance_agrees_with_monte_carlo():
    lqr, gain, std = random_lqr(np.random.default_rng(0))
    rng = np.random.default_rng(1)
    states, actions, rewards = world.sample_trajectories(
        lqr, gain, std, 20_000, 150, rng
    )
    assert states.shape == (20_000, 151, 3) and actions.shape == (20_000, 150, 2)
    weights = lqr.gamma ** np.arange(150)
    returns = rewards @ weights
    error = 4 * returns.std() / np.sqrt(len(returns))
    J = world.performance(lqr, gain, std)
    assert abs(returns.mean() - J) < error < 0.1 * abs(J)
    np.testing.assert_allclose(
        rewards[3, 5],
        -states[3, 5] @ lqr.state_cost @ states[3, 5]
        - actions[3, 5] @ lqr.action_cost @ actions[3, 5],
    )


@pytest.mark.parametrize("case", CASES)
def test_value_and_advantage_satisfy_bellman(case):
    """q(s,u) by its own expectation over s', which knows nothing of E and kappa."""
    lqr, gain, std = case
    rng = np.random.default_rng(2)
    s = rng.normal(size=(50, lqr.n_states))
    u = rng.normal(size=(50, lqr.n_actions))
    after = s @ lqr.dynamics.T + u @ lqr.control.T
    it = world.evaluate(lqr, gain, std)
    expected = world.value(lqr, gain, std, after) - np.sum(it.value_matrix * lqr.noise)
    q = world.reward(lqr, s, u) + lqr.gamma * expected
    v = world.value(lqr, gain, std, s)
    A = world.advantage(lqr, gain, std, s, u)
    np.testing.assert_allclose(A, q - v, atol=1e-11 * np.abs(q).max())
    assert A.max() > 0 > A.min()
    # E_pi A = 0: the mean of a quadratic, exactly, from its symmetric sigma points.
    mean, m = s @ np.asarray(gain).T, lqr.n_actions
    points = np.sqrt(m) * np.asarray(std) * np.concatenate([np.eye(m), -np.eye(m)])
    mean_A = np.mean([world.advantage(lqr, gain, std, s, mean + e) for e in points], 0)
    np.testing.assert_allclose(mean_A, 0, atol=1e-11 * np.abs(q).max())
    # v is the discounted return from s: with start = s s^T it is the performance.
    from_s = LQR(
        lqr.dynamics,
        lqr.control,
        lqr.state_cost,
        lqr.action_cost,
        lqr.noise,
        np.outer(s[0], s[0]),
        lqr.gamma,
    )
    np.testing.assert_allclose(world.performance(from_s, gain, std), v[0], rtol=1e-11)


# --- gradient, Fisher, surrogate, KL --------------------------------------------------


@pytest.mark.parametrize("case", CASES)
def test_gradient_is_the_finite_difference_of_performance(case):
    lqr, gain, std = case
    theta = np.concatenate([np.ravel(gain), std])
    numeric = central(lambda x: world.performance(lqr, *split(x, lqr)), theta)
    exact = np.concatenate([np.ravel(x) for x in world.gradient(lqr, gain, std)])
    np.testing.assert_allclose(exact, numeric, rtol=1e-6, atol=1e-6)
    assert (exact[-lqr.n_actions :] < 0).all()  # exploration always costs

    def of_log(x):
        gain, log_std = split(x, lqr)
        return world.performance(lqr, gain, np.exp(log_std))

    theta = np.concatenate([np.ravel(gain), np.log(std)])
    numeric = central(of_log, theta)
    exact = world.gradient(lqr, gain, std, parameter="log_std")
    exact = np.concatenate([np.ravel(x) for x in exact])
    np.testing.assert_allclose(exact, numeric, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("parameter", ["std", "log_std"])
def test_fisher_is_the_hessian_of_mean_kl_and_the_natural_gradient_solves_it(
    case, parameter
):
    lqr, gain, std = case
    to_std = np.exp if parameter == "log_std" else np.asarray
    theta = np.concatenate(
        [np.ravel(gain), np.log(std) if parameter == "log_std" else std]
    )

    def kl(x):
        gain_new, raw = split(x, lqr)
        return world.mean_kl(lqr, (gain, std), (gain_new, to_std(raw)))

    fisher = world.fisher(lqr, gain, std, parameter)
    numeric = central(lambda x: central(kl, x, 1e-4), theta, 1e-4)
    np.testing.assert_allclose(fisher, numeric, rtol=1e-5, atol=1e-5 * fisher.max())
    assert kl(theta) < 1e-30 and np.abs(central(kl, theta)).max() < 1e-7
    gradient = np.concatenate(
        [np.ravel(x) for x in world.gradient(lqr, gain, std, parameter)]
    )
    natural = np.concatenate(
        [np.ravel(x) for x in world.natural_gradient(lqr, gain, std, parameter)]
    )
    np.testing.assert_allclose(fisher @ natural, gradient, rtol=1e-10, atol=1e-11)


def test_fisher_is_the_mean_of_score_scores():
    """Monte Carlo over the normalised visitation, with an interval per entry."""
    lqr, gain, std = random_lqr(np.random.default_rng(4))
    rng = np.random.default_rng(5)
    N = 40_000
    M = (1 - lqr.gamma) * world.evaluate(lqr, gain, std).state_moment
    s = rng.multivariate_normal(
        np.zeros(3), M, N
    )  # its second moment is all that counts
    e = rng.normal(size=(N, 2)) * std
    score_gain = (e / std**2)[:, :, None] * s[:, None, :]
    score = np.hstack([score_gain.reshape(N, -1), e**2 / std**3 - 1 / std])
    products = score[:, :, None] * score[:, None, :]
    error = 5 * products.std(0) / np.sqrt(N)
    assert (np.abs(products.mean(0) - world.fisher(lqr, gain, std)) < error).all()
    assert error[0, 0] < 0.1 * world.fisher(lqr, gain, std)[0, 0]


@pytest.mark.parametrize("case", CASES)
def test_improvement_is_the_advantage_identity(case):
    lqr, gain, std = case
    rng = np.random.default_rng(6)
    J = world.performance(lqr, gain, std)
    for _ in range(20):
        new = (
            gain + 0.1 * rng.normal(size=np.shape(gain)),
            rng.uniform(0.1, 1, len(std)),
        )
        if not world.is_stable(lqr, new[0]):
            continue
        eta = world.performance(lqr, *new) - J
        error = abs(world.improvement(lqr, (gain, std), new) - eta)
        assert error < 1e-12 / (1 - lqr.gamma) * max(1, abs(J), abs(eta + J))


@pytest.mark.parametrize("case", CASES)
def test_surrogate_is_first_order_and_its_gap_has_slope_two(case):
    lqr, gain, std = case
    old = (gain, std)
    assert world.surrogate(lqr, old, old) == 0
    theta = np.concatenate([np.ravel(gain), std])
    slope = central(lambda x: world.surrogate(lqr, old, split(x, lqr)), theta)
    exact = np.concatenate([np.ravel(x) for x in world.gradient(lqr, gain, std)])
    np.testing.assert_allclose(slope, exact, rtol=1e-6, atol=1e-6)
    direction = np.random.default_rng(7).normal(size=theta.size)
    h = np.geomspace(3e-4, 1e-2, 8)
    news = [split(theta + x * direction, lqr) for x in h]
    gap = [
        abs(world.improvement(lqr, old, new) - world.surrogate(lqr, old, new))
        for new in news
    ]
    assert min(gap) > 1e-10
    assert abs(np.polyfit(np.log(h), np.log(gap), 1)[0] - 2) < 0.1


def test_surrogate_agrees_with_monte_carlo():
    """sum_t gamma^t ratio * A over rollouts of the *old* policy."""
    lqr, gain, std = random_lqr(np.random.default_rng(8))
    rng = np.random.default_rng(9)
    new = gain + 0.02, std * 0.9
    states, actions, _ = world.sample_trajectories(lqr, gain, std, 20_000, 120, rng)
    s, u = states[:, :-1].reshape(-1, 3), actions.reshape(-1, 2)

    def log_prob(gain, std):
        return np.sum(-0.5 * ((u - s @ gain.T) / std) ** 2 - np.log(std), -1)

    ratio = np.exp(log_prob(*new) - log_prob(gain, std))
    terms = (ratio * world.advantage(lqr, gain, std, s, u)).reshape(20_000, 120)
    totals = terms @ lqr.gamma ** np.arange(120)
    error = 4 * totals.std() / np.sqrt(len(totals))
    L = world.surrogate(lqr, (gain, std), new)
    assert abs(totals.mean() - L) < error < abs(L)


def test_mean_kl_is_old_first():
    lqr = scalar_lqr()
    k, sigma = -0.5, 0.5
    for factor, forward, backward in [(0.8, 0.0581, 0.0431), (1.25, 0.0431, 0.0581)]:
        wide, narrow = (k, sigma), (k, factor * sigma)
        assert world.mean_kl(lqr, wide, narrow) == pytest.approx(forward, abs=1e-4)
        assert world.mean_kl(lqr, narrow, wide) == pytest.approx(backward, abs=1e-4)
    # Old first also in whose states are averaged, and in the variance below the line.
    M = (1 - lqr.gamma) * world.evaluate(lqr, -0.5, 0.5).state_moment[0, 0]
    expected = np.log(0.4 / 0.5) + (0.25 + 0.01 * M) / (2 * 0.16) - 0.5
    assert world.mean_kl(lqr, (-0.5, 0.5), (-0.6, 0.4)) == pytest.approx(expected)


def test_mean_kl_keeps_its_digits_for_tiny_steps():
    lqr = scalar_lqr()
    h = 1e-7
    kl = world.mean_kl(lqr, (-0.5, 0.5), (-0.5, 0.5 * (1 + h)))
    assert kl == pytest.approx(h**2, rel=1e-5)


# --- the optimum and the pictures -----------------------------------------------------


def riccati(lqr):
    root = np.sqrt(lqr.gamma)
    A, B = root * lqr.dynamics, root * lqr.control
    P = solve_discrete_are(A, B, lqr.state_cost, lqr.action_cost)
    return P, -np.linalg.solve(lqr.action_cost + B.T @ P @ B, B.T @ P @ A)


@pytest.mark.parametrize("case", CASES)
def test_optimal_gain_is_scipys_riccati_solution(case):
    lqr, gain, std = case
    P, K = riccati(lqr)
    best = world.optimal_gain(lqr)
    np.testing.assert_allclose(best, K, rtol=1e-9, atol=1e-10)
    it = world.evaluate(lqr, best, 0 * np.asarray(std))
    np.testing.assert_allclose(it.value_matrix, P, rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(it.advantage_error, 0, atol=1e-9)
    assert it.performance > world.performance(lqr, gain, 0 * np.asarray(std))
    d_gain, _ = world.gradient(lqr, best, std)
    np.testing.assert_allclose(d_gain, 0, atol=1e-7)


def test_optimal_gain_of_an_open_loop_unstable_world():
    rng = np.random.default_rng(10)
    A, B = 2 * rng.normal(size=(4, 4)), rng.normal(size=(4, 2))
    eye = np.eye(4)
    lqr = LQR(A, B, eye, 0.1 * np.eye(2), 0 * eye, eye, 0.99)
    assert not world.is_stable(lqr, np.zeros((2, 4)))
    np.testing.assert_allclose(world.optimal_gain(lqr), riccati(lqr)[1], rtol=1e-8)


def test_optimal_gain_of_the_picture_and_of_a_world_without_cost():
    assert world.optimal_gain(scalar_lqr())[0, 0] == pytest.approx(-0.5884, abs=5e-5)
    assert world.optimal_gain(scalar_lqr(a=0.5, q=0)) == 0


def test_an_uncontrollable_unstable_world_has_no_optimal_gain():
    with pytest.raises(ValueError, match="no optimal gain"):
        world.optimal_gain(scalar_lqr(a=1.2, b=0))


def test_surrogate_climbs_while_performance_falls():
    """The path (k, sigma) = (-.055, .36) -> (-1.083, .715) of facts.md."""
    lqr = scalar_lqr()
    old = (-0.055, 0.36)

    def on_path(t):
        return -0.055 + t * (-1.083 + 0.055), 0.36 + t * (0.715 - 0.36)

    t = np.linspace(0, 0.8, 81)
    L = np.array([world.surrogate(lqr, old, on_path(x)) for x in t])
    J0 = world.performance(lqr, *old)
    eta = np.array([world.performance(lqr, *on_path(x)) - J0 for x in t])
    assert L[60] == pytest.approx(23.8, abs=0.05) and np.argmax(L) in range(56, 65)
    assert (np.diff(L[:56]) > 0).all()  # L climbs ...
    assert np.argmax(eta) == 25 and eta.max() == pytest.approx(4.98, abs=0.01)
    assert (np.diff(eta[36:]) < 0).all()  # ... while J falls
    assert L[80] == pytest.approx(20.1, abs=0.05)
    assert eta[80] == pytest.approx(-0.3, abs=0.05)


def test_vanilla_loses_its_exploration_in_std_but_not_in_log_std():
    """The Peters & Schaal flows: |k - k*| when std has fallen from .3 to .1."""
    lqr = scalar_lqr()
    best = world.optimal_gain(lqr)[0, 0]

    def gap(field, parameter):
        k, sigma = -0.1, 0.3
        while sigma > 0.1:
            d_k, d_s = (x.item() for x in field(lqr, k, sigma, parameter))
            d_s = d_s * sigma if parameter == "log_std" else d_s
            h = 2e-3 / np.hypot(d_k, d_s)  # a unit-speed Euler step along the flow
            k, sigma = k + h * d_k, sigma + h * d_s
        return abs(k - best)

    assert gap(world.gradient, "std") == pytest.approx(0.313, abs=0.02)
    assert gap(world.natural_gradient, "std") == pytest.approx(0.0435, abs=0.004)
    assert gap(world.natural_gradient, "log_std") == pytest.approx(0.0435, abs=0.004)
    assert gap(world.gradient, "log_std") < 0.01


# --- edges and bad input --------------------------------------------------------------


def test_an_unstable_gain():
    lqr = scalar_lqr()  # stable for |1 + k| < 1.054
    assert world.is_stable(lqr, -1.95) and world.is_stable(lqr, 0.05)
    assert not world.is_stable(lqr, 0.06)
    assert world.performance(lqr, 0.06, 0.1) == -np.inf
    assert np.isnan(world.evaluate(lqr, 0.06, 0.1).state_moment).all()
    assert world.performance(lqr, 0.05, 0.1) > -np.inf
    for f in (world.gradient, world.fisher, world.natural_gradient):
        with pytest.raises(ValueError, match=r"gain \[\[0.06\]\] is unstable"):
            f(lqr, 0.06, 0.1)
    assert np.isfinite(world.surrogate(lqr, (-0.5, 0.1), (0.06, 0.1)))
    assert world.improvement(lqr, (-0.5, 0.1), (0.06, 0.1)) == -np.inf


def test_deterministic_policies_have_a_performance_but_no_fisher():
    lqr = scalar_lqr()
    assert np.isfinite(world.performance(lqr, -0.5, 0))
    for call in (
        lambda: world.fisher(lqr, -0.5, 0),
        lambda: world.mean_kl(lqr, (-0.5, 0.1), (-0.5, 0)),
        lambda: world.mean_kl(lqr, (-0.5, 0), (-0.5, 0.1)),
    ):
        with pytest.raises(ValueError, match="std must be > 0"):
            call()


EYE = np.eye(2)
GOOD = dict(
    dynamics=EYE,
    control=EYE[:, :1],
    state_cost=EYE,
    action_cost=[[1.0]],
    noise=EYE,
    start=EYE,
    gamma=0.9,
)


@pytest.mark.parametrize(
    "change, message",
    [
        (dict(gamma=1.0), r"gamma must be in \[0, 1\)"),
        (
            dict(dynamics=np.ones((2, 3))),
            r"dynamics has shape \(2, 3\), expected \(2, 2\)",
        ),
        (dict(control=np.ones((3, 1))), r"control has shape \(3, 1\)"),
        (dict(state_cost=[[1, 1], [0, 1]]), "state_cost must be symmetric"),
        (dict(state_cost=-EYE), "state_cost must be positive semidefinite"),
        (dict(action_cost=[[0.0]]), "action_cost must be positive definite"),
        (dict(noise=[[np.nan, 0], [0, 1]]), "noise must be finite"),
        (dict(start=[[0, 1], [1, 0]]), "start must be positive semidefinite"),
    ],
)
def test_bad_worlds_are_refused(change, message):
    LQR(**GOOD)
    with pytest.raises(ValueError, match=message):
        LQR(**(GOOD | change))


def test_bad_arguments_are_refused():
    lqr = LQR(**GOOD)
    gain = [[-0.5, -0.1]]
    with pytest.raises(ValueError, match=r"gain has shape \(2, 1\), expected \(1, 2\)"):
        world.performance(lqr, np.ones((2, 1)), 1)
    with pytest.raises(ValueError, match=r"std has shape \(2,\), expected \(1"):
        world.performance(lqr, gain, [1, 1])
    with pytest.raises(ValueError, match="std must be >= 0"):
        world.performance(lqr, gain, -1)
    with pytest.raises(ValueError, match="parameter must be 'std' or 'log_std'"):
        world.natural_gradient(scalar_lqr(), -0.5, 1, parameter="sigma")
    with pytest.raises(ValueError, match="2 states but 3 actions"):
        world.advantage(scalar_lqr(), -0.5, 1, np.zeros(2), np.zeros(3))


def test_the_world_is_read_only_and_does_not_alias_its_arguments():
    mine = EYE.copy()
    lqr = LQR(**(GOOD | dict(dynamics=mine)))
    mine[0, 0] = 7
    assert lqr.dynamics[0, 0] == 1
    with pytest.raises(ValueError, match="read-only"):
        lqr.dynamics[0, 0] = 2


# --- the environment ------------------------------------------------------------------


def test_make_env_passes_gymnasiums_checker():
    from gymnasium.utils.env_checker import check_env

    lqr, *_ = random_lqr(np.random.default_rng(0))
    check_env(world.make_env(lqr, action_limit=1))  # any warning is an error here
    check_env(world.make_env(scalar_lqr(noise=0.1), horizon=5, action_limit=1))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        check_env(world.make_env(lqr))
    messages = [str(w.message) for w in caught]
    assert len(messages) == 1 and "symmetric and normalized" in messages[0]


def test_make_env_is_the_same_world():
    lqr, gain, std = random_lqr(np.random.default_rng(0))
    env = world.make_env(lqr, horizon=7)
    state, info = env.reset(seed=3)
    assert state.shape == (3,) and state in env.observation_space and info == {}
    rng = np.random.default_rng(4)
    for t in range(7):
        u = gain @ state + std * rng.normal(size=2)
        after, gained, terminated, truncated, _ = env.step(u)
        assert gained == pytest.approx(
            -state @ lqr.state_cost @ state - u @ lqr.action_cost @ u
        )
        assert not terminated and truncated == (t == 6)
        state = after


def test_make_env_draws_the_start_and_the_noise_of_the_world():
    lqr, *_ = random_lqr(np.random.default_rng(0))
    env = world.make_env(lqr)
    env.reset(seed=0)
    starts, noises = [], []
    u = np.array([0.3, -0.2])
    for _ in range(4000):
        s = env.reset()[0]
        starts.append(s)
        noises.append(env.step(u)[0] - lqr.dynamics @ s - lqr.control @ u)
    for rows, moment in [(starts, lqr.start), (noises, lqr.noise)]:
        products = np.einsum("ni,nj->nij", rows, rows)
        error = 4.5 * products.std(0) / np.sqrt(len(rows))
        assert (np.abs(products.mean(0) - moment) < error).all()
        assert (np.abs(np.mean(rows, 0)) < 4.5 * np.std(rows, 0) / np.sqrt(4000)).all()


def test_make_env_refuses_bad_input():
    with pytest.raises(TypeError, match="lqr must be an LQR, got str"):
        world.make_env("CartPole-v1")
    with pytest.raises(ValueError, match="horizon must be an integer >= 1, got 0"):
        world.make_env(scalar_lqr(), horizon=0)
    env = world.make_env(scalar_lqr())
    with pytest.raises(ValueError, match="before reset"):
        env.step(np.zeros(1))
    env.reset(seed=0)
    with pytest.raises(ValueError, match="action must be finite"):
        env.step(np.array([np.nan]))


def test_importing_the_module_imports_numpy_alone():
    code = (
        "import sys, trpo_lite.lqr; "
        "print([m for m in ('gymnasium', 'matplotlib', 'scipy') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert out.stdout.strip() == "[]", out.stderr
