"""Whole updates: the constraint, the sample's gain and the exact J of small worlds."""

import numpy as np
import pytest

from trpo_lite import lqr
from trpo_lite.features import linear_features
from trpo_lite.mdp import evaluate, optimal_policy, random_mdp
from trpo_lite.policies import (
    LinearGaussian,
    LinearSoftmax,
    TabularSoftmax,
)
from trpo_lite.rollout import Samples
from trpo_lite.trpo import Sample, npg_update, policy_gradient_update, trpo_update

UPDATES = pytest.mark.parametrize(
    "update",
    [policy_gradient_update, npg_update, trpo_update],
    ids=["pg", "npg", "trpo"],
)


def tabular(seed=0, n=4000, concentration=1.0):
    """(mdp, policy, batch from its normalised visitation, exact advantages)."""
    rng = np.random.default_rng(seed)
    mdp = random_mdp(rng)
    pi = rng.dirichlet(np.full(mdp.n_actions, concentration), mdp.n_states)
    policy = TabularSoftmax.from_probabilities(pi)
    return mdp, policy, *rows_of(mdp, policy, n, rng)


def rows_of(mdp, policy, n, rng):
    old = evaluate(mdp, policy.probabilities())
    states = rng.choice(mdp.n_states, n, p=old.visitation * (1 - mdp.gamma))
    actions = policy.sample(states, rng)
    return Samples(states, actions), old.advantage[states, actions]


WORLD = lqr.scalar_lqr(noise=0.3)


def gaussian(seed=0, n=4000, gain=-0.2, std=0.5):
    """(policy u ~ N(gain s, std^2), batch, exact advantages) on the scalar LQR."""
    policy = LinearGaussian(np.array([gain, np.log(std)]), 1)
    return policy, *lqr_rows(policy, n, np.random.default_rng(seed))


def lqr_rows(policy, n, rng):
    gain, std = policy.weights.item(), policy.std.item()
    states, actions, _ = lqr.sample_trajectories(WORLD, gain, std, n, 80, rng)
    t = np.minimum(rng.geometric(1 - WORLD.gamma, n) - 1, 79)
    s, u = states[np.arange(n), t], actions[np.arange(n), t]
    return Samples(s, u), lqr.advantage(WORLD, gain, std, s, u)


def exact_lqr(policy):
    return lqr.performance(WORLD, policy.weights.item(), policy.std.item())


def softmax(seed=0, n=500):
    """(policy on random features, batch, arbitrary advantages with a mean)."""
    rng = np.random.default_rng(seed)
    features = linear_features(3)
    policy = LinearSoftmax(0.5 * rng.standard_normal(4 * 3), 3, features)
    observations = rng.standard_normal((n, 3))
    batch = Samples(observations, policy.sample(observations, rng))
    return policy, batch, rng.standard_normal(n) + 0.5


def gain(policy, new, batch, advantages):
    """mean((r - 1) A) written out."""
    s, a = batch.observations, batch.actions
    difference = new.at(s).log_prob(a) - policy.at(s).log_prob(a)
    return np.mean(np.expm1(difference) * advantages)


# ------------------------------------------------------------------ the exact J rises


@UPDATES
@pytest.mark.parametrize("seed", range(5))
def test_j_rises_on_finite_worlds(update, seed):
    mdp, policy, batch, advantages = tabular(seed)
    new, _ = update(policy, batch, advantages)
    before, after = (
        evaluate(mdp, p.probabilities()).performance for p in (policy, new)
    )
    assert after > before
    new, _ = update(policy, batch, -advantages)  # and falls if A is negated
    assert evaluate(mdp, new.probabilities()).performance < before


@UPDATES
def test_j_rises_on_the_lqr(update):
    policy, batch, advantages = gaussian()
    new, _ = update(policy, batch, advantages)
    assert exact_lqr(new) > exact_lqr(policy)
    new, _ = update(policy, batch, -advantages)
    assert exact_lqr(new) < exact_lqr(policy)


def test_trpo_reaches_the_optimal_policy_of_a_finite_world():
    rng = np.random.default_rng(3)
    mdp, policy, *_ = tabular(3)
    start = evaluate(mdp, policy.probabilities()).performance
    best = evaluate(mdp, optimal_policy(mdp)).performance
    for _ in range(40):
        policy, _ = trpo_update(policy, *rows_of(mdp, policy, 2000, rng), delta=0.1)
    reached = evaluate(mdp, policy.probabilities()).performance
    assert best - reached < 0.01 * (best - start)


def test_trpo_comes_close_to_the_riccati_gain():
    rng = np.random.default_rng(0)
    policy = LinearGaussian(np.array([-0.2, np.log(0.5)]), 1)
    for _ in range(60):
        policy, _ = trpo_update(policy, *lqr_rows(policy, 1000, rng), delta=0.05)
    best = lqr.optimal_gain(WORLD).item()
    assert policy.weights.item() == pytest.approx(best, abs=0.05)
    assert policy.std.item() < 0.1  # the optimum is deterministic


# -------------------------------------------------------------------- the constraint


@pytest.mark.parametrize("delta", [1e-4, 0.01, 0.1, 1.0])
@pytest.mark.parametrize("kind", [softmax, gaussian])
def test_kl_within_delta_and_a_gain(delta, kind):
    for seed in range(5):
        policy, batch, advantages = kind(seed, n=200)
        new, diagnostics = trpo_update(policy, batch, advantages, delta=delta)
        assert diagnostics.stop == "accepted"
        kl = policy.at(batch.observations).kl(new.at(batch.observations)).mean()
        assert kl == pytest.approx(diagnostics.kl, rel=1e-6)
        assert 0 < kl <= delta * (1 + 1e-12)
        truth = gain(policy, new, batch, advantages)
        assert truth == pytest.approx(diagnostics.surrogate, rel=1e-6) and truth > 0


def test_npg_takes_the_full_step_of_about_delta():
    policy, batch, advantages = softmax(n=5000)
    new, diagnostics = npg_update(policy, batch, advantages, delta=1e-6)
    assert diagnostics.kl == pytest.approx(1e-6, rel=0.01)
    assert diagnostics.predicted_kl == pytest.approx(1e-6, rel=0.01)
    assert diagnostics.surrogate == pytest.approx(
        diagnostics.predicted_surrogate, rel=0.01
    )
    assert gain(policy, new, batch, advantages) > 0


def failing_step():
    """A batch whose full natural step breaks the KL limit by far."""
    policy, batch, advantages = gaussian(n=40, std=0.5)
    _, diagnostics = npg_update(policy, batch, -np.abs(advantages), delta=2.0)
    assert diagnostics.kl > 2.0
    return policy, batch, -np.abs(advantages)


def test_the_line_search_has_the_last_word():
    policy, batch, advantages = failing_step()
    full, _ = npg_update(policy, batch, advantages, delta=2.0)
    new, diagnostics = trpo_update(policy, batch, advantages, delta=2.0)
    j = diagnostics.backtracks
    assert diagnostics.stop == "accepted" and j > 0
    assert policy.at(batch.observations).kl(new.at(batch.observations)).mean() <= 2.0
    expected = policy.theta + 0.8**j * (full.theta - policy.theta)
    np.testing.assert_allclose(new.theta, expected, rtol=1e-12)


def test_the_policy_is_kept_if_the_search_fails():
    policy, batch, advantages = failing_step()
    new, diagnostics = trpo_update(
        policy, batch, advantages, delta=2.0, max_backtracks=0
    )
    assert new is policy
    assert diagnostics.stop == "max_backtracks" and not diagnostics.refused
    assert diagnostics.kl == diagnostics.surrogate == diagnostics.step_norm == 0
    assert diagnostics.max_ratio == 1


def test_kl_is_old_first():
    """Halving the noise costs more one way: only KL(old || new) is reported."""
    policy, batch, advantages = failing_step()
    new, diagnostics = trpo_update(policy, batch, advantages, delta=2.0)
    reverse = new.at(batch.observations).kl(policy.at(batch.observations)).mean()
    assert diagnostics.kl == pytest.approx(
        policy.at(batch.observations).kl(new.at(batch.observations)).mean()
    )
    assert abs(reverse - diagnostics.kl) > 0.1


def test_a_positive_mean_of_a_passes_nothing_by_itself():
    """mean(r A) > 0 at a step that loses; mean((r - 1) A) is what must be > 0."""
    policy, batch, advantages = softmax()
    sample = Sample.of(policy, batch, advantages + 10)
    assert sample.evaluate(policy.theta) == (0.0, 0.0)
    surrogate, _ = sample.evaluate(policy.theta - 0.01 * sample.gradient())
    assert surrogate < 0


def test_a_sample_remembers_no_theta():
    """A search that moves one array along in place still gets the numbers of each."""
    policy, batch, advantages = softmax()
    sample = Sample.of(policy, batch, advantages)
    theta, step = policy.theta.copy(), 0.01 * sample.gradient()
    sample.evaluate(theta)
    theta += step
    moved = sample.evaluate(theta)
    assert moved == Sample.of(policy, batch, advantages).evaluate(policy.theta + step)
    assert moved[0] > 0 and moved[1] > 0


# ---------------------------------------------------------------------- the numbers


@pytest.mark.parametrize("kind", [softmax, gaussian])
def test_the_gradient_is_that_of_the_gain(kind):
    policy, batch, advantages = kind(n=300)
    expected = [
        gain(policy, policy.with_theta(policy.theta + e), batch, advantages) / 2e-6
        - gain(policy, policy.with_theta(policy.theta - e), batch, advantages) / 2e-6
        for e in 1e-6 * np.eye(policy.size)
    ]
    g = Sample.of(policy, batch, advantages).gradient()
    np.testing.assert_allclose(g, expected, atol=1e-8)
    new, diagnostics = policy_gradient_update(policy, batch, advantages, 0.1)
    np.testing.assert_allclose(new.theta - policy.theta, 0.1 * g, rtol=1e-12)
    assert diagnostics.gradient_norm == pytest.approx(np.linalg.norm(expected))
    assert diagnostics.step_norm == pytest.approx(0.1 * np.linalg.norm(expected))


def test_the_step_solves_the_damped_system():
    policy, batch, advantages = softmax()
    g = Sample.of(policy, batch, advantages).gradient()
    columns = [
        policy.at(batch.observations).fisher_product(e) for e in np.eye(policy.size)
    ]
    damped = np.array(columns) + 0.05 * np.eye(policy.size)
    x = np.linalg.solve(damped, g)
    new, diagnostics = npg_update(
        policy, batch, advantages, delta=0.02, damping=0.05, cg_iterations=50
    )
    expected = np.sqrt(2 * 0.02 / (g @ x)) * x
    np.testing.assert_allclose(new.theta - policy.theta, expected, rtol=1e-7)
    assert diagnostics.cg_residual < 1e-10
    few = npg_update(policy, batch, advantages, cg_iterations=1)[1]
    assert few.cg_iterations == 1 and few.cg_residual > 1e-3


@UPDATES
def test_diagnostics_of_the_new_policy(update):
    policy, batch, advantages = softmax()
    new, diagnostics = update(policy, batch, advantages)
    entropy = new.at(batch.observations).entropy().mean()
    assert diagnostics.entropy == pytest.approx(entropy)
    both = (p.at(batch.observations).log_prob(batch.actions) for p in (new, policy))
    ratio = np.exp(np.subtract(*both))
    assert diagnostics.max_ratio == pytest.approx(ratio.max())
    assert new.features is policy.features
    assert not diagnostics.refused


@UPDATES
def test_the_same_input_gives_the_same_update(update):
    policy, batch, advantages = softmax()
    thetas = [update(policy, batch, advantages)[0].theta for _ in range(2)]
    assert np.array_equal(*thetas)


# ----------------------------------------------------------------------- bad input


@UPDATES
def test_zero_advantages_change_nothing(update):
    policy, batch, _ = softmax()
    new, diagnostics = update(policy, batch, np.zeros(len(batch)))
    assert new is policy
    assert diagnostics.step_norm == diagnostics.kl == 0
    assert diagnostics.stop in ("zero gradient", "zero step")


def test_an_update_that_is_not_finite_is_refused():
    policy, batch, advantages = softmax()
    for scale, rate in ((100.0, 1e308), (1e300, 1e300)):
        new, diagnostics = policy_gradient_update(
            policy, batch, scale * advantages, learning_rate=rate
        )
        assert new is policy
        assert diagnostics.refused and diagnostics.stop == "not finite"
        assert diagnostics.kl == diagnostics.step_norm == 0
    # a KL of infinity is no policy to go on from either
    gaussian_policy, rows, a = gaussian(n=50)
    new, diagnostics = policy_gradient_update(
        gaussian_policy, rows, -np.abs(a), learning_rate=1e6
    )
    assert new is gaussian_policy and diagnostics.refused


@pytest.mark.parametrize("update", [npg_update, trpo_update])
def test_natural_updates_survive_advantages_of_any_size(update):
    policy, batch, advantages = softmax()
    expected = update(policy, batch, advantages)[0].theta
    for scale in (1e-200, 1e200):
        new, _ = update(policy, batch, scale * advantages)
        np.testing.assert_allclose(new.theta, expected, rtol=1e-6)


@UPDATES
def test_mismatched_and_empty_batches(update):
    policy, batch, advantages = softmax()
    with pytest.raises(ValueError, match="batch is empty"):
        update(policy, Samples(batch.observations[:0], batch.actions[:0]), [])
    with pytest.raises(ValueError, match=r"advantages has shape \(499,\).*\(500,\)"):
        update(policy, batch, advantages[:-1])
    with pytest.raises(ValueError, match="observations has 499 rows, expected 500"):
        update(policy, Samples(batch.observations[1:], batch.actions), advantages)
    with pytest.raises(ValueError, match="advantages must be finite"):
        update(policy, batch, np.full(500, np.nan))
    with pytest.raises(ValueError, match=r"batch.observations must be finite"):
        update(policy, Samples(np.nan * batch.observations, batch.actions), advantages)


@UPDATES
def test_discrete_policy_on_box_rows_and_the_reverse(update):
    policy, batch, advantages = softmax()
    numbers = Samples(batch.observations, np.ones((500, 1)))
    with pytest.raises(TypeError, match="needs a Discrete space"):
        update(policy, numbers, advantages)
    gaussian_policy = LinearGaussian.zeros(3, 1)
    with pytest.raises(TypeError, match="acts on a Box"):
        update(gaussian_policy, batch, advantages)


def test_bad_settings():
    policy, batch, advantages = softmax()
    for update in (npg_update, trpo_update):
        for delta in (0, -1, np.nan):
            with pytest.raises(ValueError, match="delta must be a finite number > 0"):
                update(policy, batch, advantages, delta=delta)
        with pytest.raises(ValueError, match="damping must be"):
            update(policy, batch, advantages, damping=-1)
    with pytest.raises(ValueError, match="learning_rate must be"):
        policy_gradient_update(policy, batch, advantages, learning_rate=0)
    with pytest.raises(ValueError, match="backtrack must be"):
        trpo_update(policy, batch, advantages, backtrack=2)
