"""KL and TV against SciPy; every bound against the truth on thousands of worlds."""

import decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from trpo_lite import mdp as world
from trpo_lite.bound import (
    bounds,
    kl,
    log_gap,
    lower_bound,
    penalty_constant,
    total_variation,
)
from trpo_lite.mdp import evaluate
from trpo_lite.surrogate import surrogate

NAMES = [
    "Schulman KL",
    "half Pinsker",
    "Schulman TV",
    "sharp TV",
    "CPO TV",
    "CPO KL",
]


@st.composite
def pairs(draw):
    """A random world and two policies, near or far from each other."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n_states, n_actions = draw(st.integers(2, 8)), draw(st.integers(2, 5))
    gamma = draw(st.sampled_from([0.0, 0.3, 0.7, 0.9, 0.99]))
    mdp = world.random_mdp(rng, n_states, n_actions, gamma)
    pi_old = world.random_policy(rng, n_states, n_actions)
    share = draw(st.sampled_from([1e-4, 1e-2, 0.1, 0.5, 1.0]))
    pi = world.random_policy(rng, n_states, n_actions)
    if draw(st.booleans()):
        pi = np.eye(n_actions)[rng.integers(n_actions, size=n_states)]
    return mdp, pi_old, (1 - share) * pi_old + share * pi


@settings(max_examples=2000, deadline=None, derandomize=True)
@given(pairs())
def test_every_bound_is_below_the_truth(case):
    mdp, pi_old, pi = case
    old = evaluate(mdp, pi_old)
    gain = evaluate(mdp, pi).performance - old.performance
    tolerance = 1e-12 / (1 - mdp.gamma) * max(1, np.abs(old.q).max())
    found = bounds(old, pi, mdp.gamma)
    assert list(found) == NAMES
    for name, bound in found.items():
        assert bound <= gain + tolerance, name
    # and L plus the penalty is an upper bound
    C, worst = penalty_constant(old, mdp.gamma), kl(pi_old, pi).max()
    assert gain <= surrogate(old, pi) + (C * worst if C else 0) + tolerance
    # the sharper ones are sharper
    slack = 1e-12 * (1 + C)
    assert found["Schulman KL"] <= found["half Pinsker"] + slack
    assert found["half Pinsker"] <= found["Schulman TV"] + slack
    assert found["Schulman TV"] <= found["sharp TV"] + slack
    assert found["CPO KL"] <= found["CPO TV"] + slack


@settings(max_examples=200, deadline=None, derandomize=True)
@given(pairs())
def test_every_bound_touches_at_the_old_policy_and_follows_its_formula(case):
    mdp, pi_old, pi = case
    gamma = mdp.gamma
    old = evaluate(mdp, pi_old)
    size = max(1, np.abs(old.q).max()) / (1 - gamma)
    assert all(abs(b) < 1e-10 * size for b in bounds(old, pi_old, gamma).values())
    eps = max(abs(x) for row in old.advantage for x in row)
    assert penalty_constant(old, gamma) == pytest.approx(
        4 * eps * gamma / (1 - gamma) ** 2
    )
    assert penalty_constant(old, gamma, pinsker=True) == pytest.approx(
        2 * eps * gamma / (1 - gamma) ** 2
    )
    found = bounds(old, pi, gamma)
    for name, penalty in (
        ("Schulman KL", penalty_constant(old, gamma)),
        ("half Pinsker", penalty_constant(old, gamma, pinsker=True)),
    ):
        assert found[name] == pytest.approx(lower_bound(old, pi, gamma, penalty))
    assert lower_bound(old, pi, gamma) == pytest.approx(found["Schulman KL"])


def test_bounds_against_numbers_worked_by_hand():
    # one state: A = (-1, 1) under the uniform policy, d = 2, gamma = 1/2
    mdp = world.TabularMDP(np.ones((1, 2, 1)), [[-1.0, 1.0]], 0.5, [1.0])
    old = evaluate(mdp, [[0.5, 0.5]])
    pi = np.array([[0.25, 0.75]])
    L, tv = 2 * 0.5, 0.25
    divergence = 0.5 * np.log(0.5 / 0.25) + 0.5 * np.log(0.5 / 0.75)
    expected = {
        "Schulman KL": L - 8 * divergence,
        "half Pinsker": L - 4 * divergence,
        "Schulman TV": L - 8 * tv**2,
        "sharp TV": L - 2 * tv**2 / (0.5 * (1 - 0.5 * 0.75)),
        # eps' = 1/2: sum_s d (.5 - 2 * .5 * .5 / .5 * TV)
        "CPO TV": 2 * (0.5 - 1.0 * tv),
        "CPO KL": L - np.sqrt(2) * 0.5 * 0.5 * np.sqrt(divergence) / 0.25,
    }
    assert bounds(old, pi, 0.5) == pytest.approx(expected, abs=1e-14)
    assert evaluate(mdp, pi).performance - old.performance == pytest.approx(1.0)


def test_the_promised_gain_of_the_bound_is_small():
    """The one-line law: M never promises more than eps / (8 gamma)."""
    rng = np.random.default_rng(0)
    best = 0
    for _ in range(300):
        mdp = world.random_mdp(rng, 4, 3, 0.9)
        old = evaluate(mdp, world.random_policy(rng, 4, 3))
        eps = np.abs(old.advantage).max()
        target = world.optimal_policy(mdp)
        for share in np.logspace(-5, -1, 15):
            pi = (1 - share) * old.pi + share * target
            promise = lower_bound(old, pi, 0.9)
            assert promise <= eps / (8 * 0.9)
            best = max(best, promise)
    assert best > 1e-3


def test_the_staircase_of_the_bound_on_road_and_ice():
    """Maximise M over the one shared parameter, again and again."""
    grid = np.linspace(0.1, 0.4, 3001)
    policies = [world.shared_policy(p) for p in grid]
    for gamma, expected in (
        (0.5, [0.129, 0.164, 0.208, 0.258, 0.315]),
        (0.9, [0.103, 0.105]),
    ):
        mdp, p, path = world.road_and_ice(gamma), 0.1, []
        for _ in expected:
            old = evaluate(mdp, world.shared_policy(p))
            p = grid[np.argmax([lower_bound(old, pi, gamma) for pi in policies])]
            path.append(p)
        assert path == pytest.approx(expected, abs=6e-4)


# KL and total variation


def test_kl_agrees_with_scipy_and_puts_the_old_policy_first():
    rng = np.random.default_rng(1)
    p, q = rng.dirichlet(np.ones(4), 500), rng.dirichlet(np.ones(4), 500)
    expected = [stats.entropy(a, b) for a, b in zip(p, q, strict=True)]
    assert kl(p, q) == pytest.approx(np.array(expected), rel=1e-12)
    assert kl([0.9, 0.1], [0.5, 0.5]) == pytest.approx(0.3680642, abs=1e-7)
    assert kl([0.5, 0.5], [0.9, 0.1]) == pytest.approx(0.5108256, abs=1e-7)


def test_kl_is_the_mean_log_ratio_under_the_old_policy():
    rng = np.random.default_rng(2)
    p, q = rng.dirichlet(np.ones(5)), rng.dirichlet(np.ones(5))
    actions = rng.choice(5, 200_000, p=p)
    terms = np.log(p / q)[actions]
    error = terms.std() / np.sqrt(len(terms))
    assert abs(terms.mean() - kl(p, q)) < 4 * error
    assert abs(kl(q, p) - kl(p, q)) > 8 * error


def test_kl_of_a_tiny_step_keeps_its_digits():
    p = np.array([0.2, 0.3, 0.5])
    direction = np.array([1.0, 1.0, -2.0])
    for h in (1e-3, 1e-6, 1e-9):
        q = p + h * direction
        x = (q - p) / p  # the steps that were really made
        series = (p * (x**2 / 2 - x**3 / 3 + x**4 / 4)).sum()
        assert kl(p, q) == pytest.approx(series, rel=1e-6)


def test_x_minus_log_one_plus_x_keeps_every_digit():
    sizes = [*np.geomspace(1e-100, 1e-3, 25), *np.linspace(0.01, 0.99, 99)]
    xs = np.array([sign * size for size in sizes for sign in (1, -1)])
    with decimal.localcontext() as context:
        context.prec = 250
        exact = [float(x - (1 + x).ln()) for x in map(decimal.Decimal, xs.tolist())]
    np.testing.assert_allclose(log_gap(xs), exact, rtol=2e-14)


def test_kl_without_support():
    assert kl([0.0, 1.0], [0.5, 0.5]) == pytest.approx(np.log(2))
    assert kl([0.5, 0.5], [0.0, 1.0]) == np.inf
    assert kl([0.0, 1.0], [0.0, 1.0]) == 0
    assert kl([1.0, 0.0], [1 - 1e-12, 1e-12]) == pytest.approx(1e-12, rel=1e-3)
    assert kl([1e-300, 1.0], [1.0, 1e-300]) == pytest.approx(300 * np.log(10))
    assert kl([1.0 - 1e-16, 1e-320], [0.5, 0.5]) == pytest.approx(np.log(2))


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.integers(0, 2**32 - 1), st.floats(1e-9, 1))
def test_pinsker(seed, share):
    p, q = np.random.default_rng(seed).dirichlet(np.ones(4), 2)
    q = (1 - share) * p + share * q
    tv = total_variation(p, q)
    assert 0 <= tv <= 1
    assert kl(p, q) >= 2 * tv**2 * (1 - 1e-6)
    assert kl(p, q) >= 0
    # the largest difference in probability over all events
    events = np.array(np.meshgrid(*[[0, 1]] * 4)).reshape(4, -1)
    assert tv == pytest.approx((p @ events - q @ events).max(), abs=1e-15)


def test_kl_broadcasts_over_rows():
    p, q = np.array([0.2, 0.8]), np.array([[0.2, 0.8], [0.5, 0.5]])
    assert kl(p, q).shape == (2,)
    assert kl(p, q)[0] == 0 and kl(p, q)[1] == pytest.approx(kl(p, q[1]))
    assert kl(np.tile(p, (3, 2, 1)), q).shape == (3, 2)
    assert total_variation(p, q) == pytest.approx([0, 0.3])


def test_no_support_makes_the_kl_bounds_minus_infinity_and_not_the_others():
    rng = np.random.default_rng(3)
    mdp = world.random_mdp(rng, 4, 3, 0.9)
    old = evaluate(mdp, world.uniform_policy(mdp))
    found = bounds(old, world.optimal_policy(mdp), 0.9)
    assert found["Schulman KL"] == found["half Pinsker"] == found["CPO KL"] == -np.inf
    assert np.isfinite([found["Schulman TV"], found["sharp TV"], found["CPO TV"]]).all()
    # with gamma = 0 there is no mismatch to pay for
    still = world.TabularMDP(mdp.P, mdp.R, 0.0, mdp.start)
    old = evaluate(still, old.pi)
    pi = world.optimal_policy(still)
    gain = evaluate(still, pi).performance - old.performance
    assert list(bounds(old, pi, 0.0).values()) == pytest.approx([gain] * 6)


def test_bad_input_is_named():
    mdp = world.chain()
    old = evaluate(mdp, world.uniform_policy(mdp))
    with pytest.raises(ValueError, match=r"new sums to 1\.1"):
        kl([0.5, 0.5], [0.5, 0.6])
    with pytest.raises(ValueError, match="old has a negative probability"):
        kl([1.5, -0.5], [0.5, 0.5])
    with pytest.raises(ValueError, match=r"old has shape \(2,\) and new \(3,\)"):
        total_variation([0.5, 0.5], [0.5, 0.25, 0.25])
    with pytest.raises(ValueError, match=r"gamma must be in \[0, 1\), got 1"):
        penalty_constant(old, 1)
    with pytest.raises(ValueError, match="penalty must be >= 0, got -1"):
        lower_bound(old, old.pi, 0.9, -1)
    with pytest.raises(ValueError, match="pi has shape"):
        bounds(old, old.pi[:2], 0.9)
