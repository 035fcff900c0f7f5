"""Exact steps against their KKT conditions, random candidates and finite differences.

Each step solves a concave problem, so a policy that satisfies KKT is the maximiser;
the random candidates say so once more without any of that theory.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trpo_lite import mdp as world
from trpo_lite.bound import kl, lower_bound, penalty_constant
from trpo_lite.exact import (
    max_kl_step,
    mean_kl_step,
    mm_step,
    penalized_step,
)
from trpo_lite.mdp import TabularMDP, evaluate
from trpo_lite.surrogate import surrogate

GAMMA = 0.9


def case(seed, n_states=5, n_actions=3, gamma=GAMMA):
    rng = np.random.default_rng(seed)
    mdp = world.random_mdp(rng, n_states, n_actions, gamma)
    return mdp, evaluate(mdp, world.random_policy(rng, n_states, n_actions))


def prices(old, pi):
    """beta_s [S] from KKT, A + beta_s pi_old / pi = lambda_s; and by how much it fails.

    Least squares over the actions of each state: nothing of the solver's own formula.
    The failure is relative to beta_s max pi_old / pi.
    """
    A = old.advantage - old.advantage.mean(-1, keepdims=True)
    ratio = old.pi / pi
    slope = ratio - ratio.mean(-1, keepdims=True)
    beta = -(A * slope).sum(-1) / (slope**2).sum(-1)
    failure = np.abs(A + beta[:, None] * slope).max(-1)
    return beta, failure / (beta * ratio.max(-1))


def mean_kl(old, pi):
    return old.visitation @ kl(old.pi, pi) / old.visitation.sum()


seeds = st.integers(0, 2**32 - 1)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(seeds, st.sampled_from([1e-6, 1e-3, 0.01, 0.1, 1.0, 5.0]))
def test_max_kl_step_binds_everywhere_and_satisfies_kkt(seed, delta):
    _, old = case(seed)
    step = max_kl_step(old, delta)
    assert step.kl == pytest.approx(delta, rel=1e-9, abs=1e-14)
    assert step.kl == pytest.approx(kl(old.pi, step.pi), rel=1e-12)
    assert step.max_kl == step.kl.max()
    assert step.surrogate == pytest.approx(surrogate(old, step.pi), rel=1e-12)
    if delta >= 1e-3:  # smaller steps leave too few digits in pi_old / pi
        beta, failure = prices(old, step.pi)
        assert (beta > 0).all()
        assert (np.abs(failure) < 1e-14).all()
        assert step.multiplier == pytest.approx(old.visitation @ beta, rel=1e-8)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(seeds, st.sampled_from([1e-3, 0.01, 0.1, 1.0]))
def test_mean_kl_step_binds_and_shares_one_price(seed, delta):
    _, old = case(seed)
    step = mean_kl_step(old, delta)
    assert mean_kl(old, step.pi) == pytest.approx(delta, rel=1e-9)
    assert step.mean_kl == pytest.approx(delta, rel=1e-9)
    beta, failure = prices(old, step.pi)
    assert beta == pytest.approx(beta[0] * np.ones(5), rel=1e-7)
    assert (np.abs(failure) < 1e-14).all()
    assert step.multiplier == pytest.approx(beta[0] / (1 - GAMMA), rel=1e-7)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(seeds, st.sampled_from([0.03, 0.3, 3.0, 30.0]))
def test_penalized_step_satisfies_kkt(seed, beta):
    _, old = case(seed)
    step = penalized_step(old, beta)
    found, failure = prices(old, step.pi)
    assert found == pytest.approx(beta, rel=1e-7)
    assert (np.abs(failure) < 1e-14).all()
    assert step.multiplier == pytest.approx(beta / (1 - GAMMA))


@settings(max_examples=30, deadline=None, derandomize=True)
@given(seeds, st.sampled_from([None, 1.0, 20.0]))
def test_mm_step_balances_the_gain_and_the_penalty(seed, penalty):
    _, old = case(seed)
    step = mm_step(old, GAMMA, penalty)
    C = penalty_constant(old, GAMMA) if penalty is None else penalty
    assert step.multiplier == C
    # every state is at the largest KL, and sum_s d beta_s = C
    assert step.kl == pytest.approx(step.max_kl, rel=1e-8)
    beta, _ = prices(old, step.pi)
    assert old.visitation @ beta == pytest.approx(C, rel=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_the_multiplier_is_the_slope_of_the_best_surrogate(seed):
    _, old = case(seed)
    for step in (max_kl_step, mean_kl_step):
        for delta in (0.01, 0.5):
            h = 1e-4 * delta
            ahead, behind = step(old, delta + h), step(old, delta - h)
            slope = (ahead.surrogate - behind.surrogate) / (2 * h)
            assert slope > 0
            assert step(old, delta).multiplier == pytest.approx(slope, rel=1e-6)


def candidates(old, step, rng, n=4000):
    """Policies all over the simplex, and close around the step."""
    S, A = old.pi.shape
    wide = rng.dirichlet(np.ones(A), (n // 2, S))
    noise = rng.standard_normal((n // 2, S, A))
    size = 10 ** rng.uniform(-5, -0.3, (n // 2, 1, 1))
    near = step.pi * np.exp(size * noise)
    return np.concatenate([wide, near / near.sum(-1, keepdims=True)])


def objectives(old, pis, d=None):
    L = (old.visitation * (pis * old.advantage).sum(-1)).sum(-1)
    divergence = kl(old.pi, pis)
    return L, divergence, divergence @ old.visitation / old.visitation.sum()


@pytest.mark.parametrize("seed", range(6))
def test_no_random_candidate_is_better(seed):
    _, old = case(seed, 4, 3)
    rng = np.random.default_rng(seed)
    slack = 1e-10

    step = penalized_step(old, 0.4)
    L, _, mean = objectives(old, candidates(old, step, rng))
    best = (1 - GAMMA) * step.surrogate - 0.4 * step.mean_kl
    assert ((1 - GAMMA) * L - 0.4 * mean).max() <= best + slack
    assert best > 0

    step = mm_step(old, GAMMA, 15.0)
    L, divergence, _ = objectives(old, candidates(old, step, rng))
    best = step.surrogate - 15.0 * step.max_kl
    assert (L - 15.0 * divergence.max(-1)).max() <= best + slack
    assert best == pytest.approx(lower_bound(old, step.pi, GAMMA, 15.0))
    assert best > 0

    # candidates outside the region are pulled back towards pi_old until they fit
    for solve, largest in ((max_kl_step, True), (mean_kl_step, False)):
        step = solve(old, 0.05)
        pis = candidates(old, step, rng)
        low, high = np.zeros(len(pis)), np.ones(len(pis))
        for _ in range(40):
            share = (low + high) / 2
            mixed = old.pi + share[:, None, None] * (pis - old.pi)
            _, divergence, mean = objectives(old, mixed)
            fits = (divergence.max(-1) if largest else mean) <= 0.05
            low, high = np.where(fits, share, low), np.where(fits, high, share)
        L, _, _ = objectives(old, old.pi + low[:, None, None] * (pis - old.pi))
        assert L.max() <= step.surrogate + slack
        assert L.max() > 0.9 * step.surrogate > 0


@settings(max_examples=30, deadline=None, derandomize=True)
@given(seeds, st.sampled_from([0.01, 0.3, 3.0, 30.0]))
def test_tabular_steps_never_lower_performance(seed, delta):
    mdp, old = case(seed)
    for step in (max_kl_step(old, delta), mean_kl_step(old, delta)):
        assert ((step.pi * old.advantage).sum(-1) > -1e-12).all()
        gain = evaluate(mdp, step.pi).performance - old.performance
        assert gain > -1e-10


def test_shared_parameters_do_lower_performance():
    # the same delta that a table survives: the road's best step on the ice as well
    mdp = world.road_and_ice(0.9)
    old = evaluate(mdp, world.shared_policy(0.1))
    exact = max_kl_step(old, 1.0)
    assert evaluate(mdp, exact.pi).performance > old.performance
    low, high = 0.1, 1 - 1e-9
    for _ in range(80):
        p = (low + high) / 2
        fits = kl(old.pi, world.shared_policy(p)).max() <= 1
        low, high = (p, high) if fits else (low, p)
    pi = world.shared_policy(low)
    assert surrogate(old, pi) == pytest.approx(5.00, abs=0.01)
    assert evaluate(mdp, pi).performance - old.performance < -0.8


def test_mm_climbs_monotonically_and_keeps_its_promise():
    rng = np.random.default_rng(0)
    mdp = world.random_mdp(rng)
    old = evaluate(mdp, world.uniform_policy(mdp))
    constants = []
    for _ in range(20):
        step = mm_step(old, GAMMA)
        constants.append(step.multiplier)
        promise = step.surrogate - step.multiplier * step.max_kl
        new = evaluate(mdp, step.pi)
        gain = new.performance - old.performance
        assert 0 < promise < gain
        assert promise <= np.abs(old.advantage).max() / (8 * GAMMA)
        assert gain == pytest.approx(2 * promise, rel=0.1)  # small steps
        old = new
    assert len(set(constants)) == 20  # recomputed at each policy


def test_constrained_steps_reach_the_optimum():
    mdp, old = case(3)
    goal = evaluate(mdp, world.optimal_policy(mdp)).performance
    for solve in (max_kl_step, mean_kl_step):
        now = old
        for _ in range(40):
            now = evaluate(mdp, solve(now, 0.5).pi)
        assert goal - 1e-6 < now.performance <= goal + 1e-10


def test_a_large_mean_can_hide_a_large_maximum():
    _, old = case(1, 8)
    mean, largest = mean_kl_step(old, 0.05), max_kl_step(old, 0.05)
    assert mean.max_kl > 0.06 > largest.max_kl
    assert mean.surrogate > largest.surrogate  # its region holds the other


def test_states_without_a_choice_stay_put():
    # FrozenLake: terminal states, and states where slipping makes actions equal
    mdp = TabularMDP.from_gymnasium("FrozenLake", 0.99)
    old = evaluate(mdp, world.uniform_policy(mdp))
    flat = np.ptp(old.advantage, axis=-1) <= 1e-12
    assert flat.sum() >= 5
    for step in (
        max_kl_step(old, 0.1),
        mean_kl_step(old, 0.1),
        penalized_step(old, 1e-3),
        mm_step(old, 0.99),
    ):
        assert (step.pi[flat] == old.pi[flat]).all()
        assert (step.kl[flat] == 0).all()
        assert step.surrogate > 0
    assert max_kl_step(old, 0.1).kl[~flat] == pytest.approx(0.1, rel=1e-9)
    idle = TabularMDP(np.ones((1, 2, 1)), [[1.0, 1.0]], 0.5, [1.0])
    still = evaluate(idle, [[0.3, 0.7]])
    for step in (
        mm_step(still, 0.5),
        max_kl_step(still, 1.0),
        mean_kl_step(still, 1.0),
        penalized_step(still, 0.1),
    ):
        assert step.pi == pytest.approx(np.array([[0.3, 0.7]]), abs=1e-15)
        assert step.surrogate == pytest.approx(0, abs=1e-15)


def test_two_actions_by_hand():
    # one state, uniform, A = (-1, 1): A + beta p / pi equal for both actions
    mdp = TabularMDP(np.ones((1, 2, 1)), [[-1.0, 1.0]], 0.5, [1.0])
    old = evaluate(mdp, [[0.5, 0.5]])
    beta = 0.5
    # lambda^2 - beta lambda - 1 = 0
    price = (beta + np.sqrt(beta**2 + 4)) / 2
    expected = beta * 0.5 / (price - np.array([-1.0, 1.0]))
    assert penalized_step(old, beta).pi[0] == pytest.approx(expected, abs=1e-14)
    # KL = delta: -(log 4 p (1 - p)) / 2 = delta
    delta = 0.2
    p = (1 + np.sqrt(1 - np.exp(-2 * delta))) / 2
    assert max_kl_step(old, delta).pi[0] == pytest.approx([1 - p, p], abs=1e-13)
    assert mean_kl_step(old, delta).pi[0] == pytest.approx([1 - p, p], abs=1e-13)


def test_extremes_stay_finite():
    _, old = case(7)
    best = old.advantage.argmax(-1)
    for step in (
        max_kl_step(old, 1e4),
        mean_kl_step(old, 1e4),
        penalized_step(old, 1e-300),
        mm_step(old, GAMMA, 1e-250),
    ):
        assert np.isfinite(step.pi).all()
        assert step.pi[np.arange(5), best] == pytest.approx(1)
    for step in (
        max_kl_step(old, 1e-14),
        mean_kl_step(old, 1e-14),
        penalized_step(old, 1e9),
        mm_step(old, GAMMA, 1e9),
    ):
        assert step.pi == pytest.approx(old.pi, abs=1e-6)
        assert step.surrogate > 0
    tiny = max_kl_step(old, 1e-14)
    assert tiny.kl == pytest.approx(1e-14, rel=1e-4)


def test_unvisited_states_cost_nothing_on_average():
    P = np.zeros((3, 2, 3))
    P[..., 0] = 1  # states 1 and 2 are never seen
    mdp = TabularMDP(P, [[0.0, 1.0], [2.0, 0.0], [0.0, 0.0]], 0.9, [1, 0, 0])
    old = evaluate(mdp, [[0.5, 0.5]] * 3)
    assert old.visitation[1] == 0
    step = mean_kl_step(old, 0.1)
    assert step.kl[0] == pytest.approx(0.1, rel=1e-9)
    assert step.mean_kl == pytest.approx(0.1, rel=1e-9)
    assert step.pi[1, 0] > 0.5  # and still improve
    assert mm_step(old, 0.9).surrogate > 0


def test_actions_of_probability_zero():
    mdp = TabularMDP(np.ones((1, 3, 1)), [[0.0, 1.0, -1.0]], 0.5, [1.0])
    old = evaluate(mdp, [[0.5, 0.5, 0.0]])  # the unsupported action is the worst
    for step in (max_kl_step(old, 0.1), penalized_step(old, 0.5)):
        assert step.pi[0, 2] == 0 and step.pi[0, 1] > 0.5
    missing = evaluate(mdp, [[1.0, 0.0, 0.0]])  # here it is the best
    message = "old.pi gives probability 0 to action 1 in state 0"
    for solve in (max_kl_step, mean_kl_step, penalized_step):
        with pytest.raises(ValueError, match=message):
            solve(missing, 0.1)
    # a deterministic optimal policy has nothing to gain
    done = evaluate(mdp, [[0.0, 1.0, 0.0]])
    assert max_kl_step(done, 0.1).pi.tolist() == [[0, 1, 0]]


def test_bad_input_is_named():
    _, old = case(0)
    for solve in (max_kl_step, mean_kl_step):
        for delta in (0, -1, np.nan, np.inf):
            with pytest.raises(ValueError, match="delta must be a finite number > 0"):
                solve(old, delta)
    with pytest.raises(ValueError, match="beta must be a finite number > 0, got 0"):
        penalized_step(old, 0)
    with pytest.raises(ValueError, match="penalty must be a finite number > 0"):
        mm_step(old, GAMMA, -3)
    with pytest.raises(ValueError, match=r"gamma must be in \[0, 1\), got 1.0"):
        mm_step(old, 1.0)
    step = max_kl_step(old, 0.1)
    with pytest.raises(ValueError, match="read-only"):
        step.pi[0] = 0
