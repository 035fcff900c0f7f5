"""PPO: its gradients, Adam, the adaptive penalty and the exact J of small worlds."""

import numpy as np
import pytest

from tests.test_trpo import (
    Samples,
    exact_lqr,
    gain,
    gaussian,
    lqr_rows,
    softmax,
    tabular,
)
from trpo_lite.mdp import evaluate
from trpo_lite.policies import LinearGaussian
from trpo_lite.ppo import (
    AdamState,
    adam_step,
    adapt_beta,
    clip_gradient,
    penalty_gradient,
    ppo_clip_update,
    ppo_penalty_update,
)
from trpo_lite.surrogate import clip_active, clipped_surrogate, probability_ratio

UPDATES = pytest.mark.parametrize(
    "update", [ppo_penalty_update, ppo_clip_update], ids=["penalty", "clip"]
)


def rng(seed=0):
    return np.random.default_rng(seed)


def away(policy, scale=0.3, seed=1):
    """A policy some way off, where many ratios leave [.8, 1.2] on both sides."""
    return policy.with_theta(
        policy.theta + scale * rng(seed).standard_normal(policy.size)
    )


def differences(objective, policy, h=1e-6):
    return [
        (
            objective(policy.with_theta(policy.theta + e))
            - objective(policy.with_theta(policy.theta - e))
        )
        / (2 * h)
        for e in h * np.eye(policy.size)
    ]


# ------------------------------------------------------------------------ gradients


@pytest.mark.parametrize("kind", [softmax, gaussian, lambda n: tabular(n=n)[1:]])
@pytest.mark.parametrize("clip", [0.05, 0.2, 0.5])
def test_clip_gradient_against_finite_differences(kind, clip):
    policy, batch, _ = kind(n=300)
    advantages = rng(2).standard_normal(300)
    new = away(policy, 0.8)
    s, a = batch.observations, batch.actions
    log_prob = policy.at(s).log_prob(a)
    ratio = probability_ratio(new.at(s).log_prob(a), log_prob)
    active = clip_active(ratio, advantages, clip)
    assert (active & (advantages > 0)).any() and (active & (advantages < 0)).any()
    outside = np.abs(ratio - 1) > clip
    assert (outside & ~active).any()  # moved the wrong way: these keep their gradient

    def objective(p):
        return clipped_surrogate(
            probability_ratio(p.at(s).log_prob(a), log_prob), advantages, clip
        )

    got = clip_gradient(new.at(s), a, log_prob, advantages, clip)
    expected = differences(objective, new)
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-7)
    assert np.linalg.norm(expected) > 1e-3


@pytest.mark.parametrize("kind", [softmax, gaussian, lambda n: tabular(n=n)[1:]])
def test_penalty_gradient_against_finite_differences(kind):
    policy, batch, advantages = kind(n=300)
    new, beta = away(policy), 3.0
    s, a = batch.observations, batch.actions
    old = policy.at(s)

    def objective(p):
        kl = old.kl(p.at(s)).mean()
        return gain(policy, p, batch, advantages) - beta * kl

    log_prob = old.log_prob(a)
    got = penalty_gradient(old, new.at(s), a, log_prob, advantages, beta)
    np.testing.assert_allclose(got, differences(objective, new), rtol=1e-5, atol=1e-7)


def test_at_home_both_gradients_are_the_policy_gradient():
    policy, batch, advantages = softmax()
    old, data = policy.at(batch.observations), (batch.actions,)
    expected = old.score_sum(*data, advantages / len(batch))
    data += old.log_prob(*data), advantages
    np.testing.assert_allclose(clip_gradient(old, *data, 0.2), expected)
    np.testing.assert_allclose(
        penalty_gradient(old, old, *data, 5.0), expected, atol=1e-15
    )


# ----------------------------------------------------------------------------- Adam


def test_adam_by_hand():
    """The textbook loop on scalars, and uphill."""
    state, theta = AdamState.zeros(2), np.array([0.0, 0.0])
    m, v, expected = [0.0, 0.0], [0.0, 0.0], [0.0, 0.0]
    for t in range(1, 8):
        g = np.array([np.sin(t) + 1, -5.0 * t])
        state, step = adam_step(state, g, 0.1)
        theta = theta + step
        for i in range(2):
            m[i] = 0.9 * m[i] + 0.1 * g[i]
            v[i] = 0.999 * v[i] + 0.001 * g[i] ** 2
            m_hat, v_hat = m[i] / (1 - 0.9**t), v[i] / (1 - 0.999**t)
            expected[i] += 0.1 * m_hat / (v_hat**0.5 + 1e-8)
        np.testing.assert_allclose(theta, expected, rtol=1e-12)
    assert theta[0] > 0 > theta[1] and state.count == 7


def test_adams_first_step_is_the_learning_rate_uphill():
    before = AdamState.zeros(3)
    _, step = adam_step(before, np.array([1e-3, -7.0, 0.0]), 0.01)
    np.testing.assert_allclose(step, [0.01, -0.01, 0.0], rtol=1e-4)
    assert not before.mean.any() and before.count == 0  # a new state is returned


def test_adam_finds_a_maximum():
    state, theta = AdamState.zeros(2), np.zeros(2)
    for _ in range(2000):
        state, step = adam_step(state, -2 * (theta - [3.0, -1.0]), 0.01)
        theta = theta + step
    np.testing.assert_allclose(theta, [3, -1], atol=1e-3)


# ------------------------------------------------------------------- adaptive penalty


def test_beta_doubles_if_kl_is_too_high_and_halves_if_too_low():
    assert adapt_beta(0.5, kl=0.016, target_kl=0.01) == 1.0
    assert adapt_beta(0.5, kl=0.006, target_kl=0.01) == 0.25
    for kl in (0.015, 0.01, 0.0067):
        assert adapt_beta(0.5, kl, target_kl=0.01) == 0.5
    assert adapt_beta(1e-8, 0.0, 0.01) == 1e-8
    assert adapt_beta(1e8, 1.0, 0.01) == 1e8


def test_the_update_reports_the_next_beta():
    policy, batch, advantages = softmax()
    far = ppo_penalty_update(
        policy, batch, advantages, 0.1, 1e-4, learning_rate=0.05, rng=rng()
    )[1]
    assert far.kl > 1.5e-4 and far.beta == 0.2
    near = ppo_penalty_update(policy, batch, advantages, 0.1, 10.0, rng=rng())[1]
    assert near.kl < 10 / 1.5 and near.beta == 0.05


def test_a_heavier_penalty_means_a_smaller_kl():
    policy, batch, advantages = softmax()
    kls = [
        ppo_penalty_update(
            policy, batch, advantages, beta, epochs=60, learning_rate=0.01, rng=rng()
        )[1].kl
        for beta in (0.1, 1.0, 10.0)
    ]
    assert kls[0] > 2 * kls[1] > 4 * kls[2] > 0


@pytest.mark.parametrize("beta", [1e-3, 1e3])
def test_beta_settles_the_kl_near_its_target(beta):
    policy, batch, advantages = softmax()
    for _ in range(25):  # the same batch, so that only beta changes
        _, diagnostics = ppo_penalty_update(
            policy, batch, advantages, beta, 0.01, learning_rate=0.02, rng=rng()
        )
        beta = diagnostics.beta
    assert 0.01 / 2 < diagnostics.kl < 0.02


# ------------------------------------------------------------------ the exact J rises


@UPDATES
@pytest.mark.parametrize("seed", range(3))
def test_j_rises_on_finite_worlds(update, seed):
    mdp, policy, batch, advantages = tabular(seed)
    before = evaluate(mdp, policy.probabilities()).performance
    new, diagnostics = update(policy, batch, advantages, rng=rng())
    assert evaluate(mdp, new.probabilities()).performance > before
    assert diagnostics.surrogate > 0
    new, _ = update(policy, batch, -advantages, rng=rng())
    assert evaluate(mdp, new.probabilities()).performance < before


@UPDATES
def test_j_rises_on_the_lqr(update):
    policy, batch, advantages = gaussian()
    new, _ = update(policy, batch, advantages, rng=rng())
    assert exact_lqr(new) > exact_lqr(policy)
    new, _ = update(policy, batch, -advantages, rng=rng())
    assert exact_lqr(new) < exact_lqr(policy)


def test_clipping_reaches_a_good_gain_on_the_lqr():
    source = rng(0)
    policy = LinearGaussian(np.array([-0.1, np.log(0.5)]), 1)
    for _ in range(25):
        policy, _ = ppo_clip_update(
            policy, *lqr_rows(policy, 1000, source), learning_rate=0.02, rng=source
        )
    assert exact_lqr(policy) > -10.0
    assert policy.weights.item() == pytest.approx(-0.588, abs=0.1)


# ---------------------------------------------------------------- what it says it did


@UPDATES
def test_diagnostics_of_the_new_policy(update):
    policy, batch, advantages = softmax()
    new, diagnostics = update(policy, batch, advantages, learning_rate=0.05, rng=rng())
    truth = gain(policy, new, batch, advantages)  # in the units that were given
    assert diagnostics.surrogate == pytest.approx(truth)
    kl = policy.at(batch.observations).kl(new.at(batch.observations)).mean()
    assert diagnostics.kl == pytest.approx(kl)
    s, a = batch.observations, batch.actions
    ratio = probability_ratio(new.at(s).log_prob(a), policy.at(s).log_prob(a))
    assert diagnostics.max_ratio == pytest.approx(ratio.max())
    if update is ppo_clip_update:
        outside = ((ratio < 0.8) | (ratio > 1.2)).mean()
        assert diagnostics.clip_fraction == pytest.approx(outside) and outside > 0
    assert diagnostics.entropy == pytest.approx(
        new.at(batch.observations).entropy().mean()
    )
    assert diagnostics.stop == "epochs" and diagnostics.epochs == 10


def test_target_kl_stops_the_epochs():
    policy, batch, advantages = softmax()
    free = ppo_clip_update(
        policy, batch, advantages, learning_rate=0.03, epochs=30, rng=rng()
    )[1]
    limit = free.kl / 4
    held = ppo_clip_update(
        policy,
        batch,
        advantages,
        learning_rate=0.03,
        epochs=30,
        rng=rng(),
        target_kl=limit,
    )[1]
    assert held.stop == "target_kl" and held.epochs < free.epochs == 30
    assert limit < held.kl < free.kl


def test_clipping_holds_back_only_what_moved_the_right_way():
    """One sample, A > 0: its ratio stops just outside 1 + eps, and so does theta."""
    policy = LinearGaussian(np.array([0.0, 0.0]), 1)
    batch = Samples(np.ones((1, 1)), np.ones((1, 1)))
    new, diagnostics = ppo_clip_update(
        policy,
        batch,
        [1.0],
        epochs=400,
        minibatches=1,
        learning_rate=1e-3,
        rng=rng(),
        normalize=False,
    )
    assert 1.2 < diagnostics.max_ratio < 1.25
    free, _ = ppo_penalty_update(
        policy,
        batch,
        [1.0],
        beta=1e-8,
        epochs=400,
        minibatches=1,
        learning_rate=1e-3,
        rng=rng(),
        normalize=False,
    )
    assert free.theta[0] > 2 * new.theta[0] > 0


@UPDATES
def test_normalize_ignores_shift_and_scale(update):
    policy, batch, advantages = softmax()
    first, _ = update(policy, batch, advantages, rng=rng())
    second, _ = update(policy, batch, 7 * advantages + 3, rng=rng())
    np.testing.assert_allclose(second.theta, first.theta, rtol=1e-9)
    raw = [
        update(policy, batch, a, rng=rng(), normalize=False)[0].theta
        for a in (advantages, advantages + 3)
    ]
    assert np.abs(raw[0] - raw[1]).max() > 1e-3


@UPDATES
def test_the_seed_decides(update):
    policy, batch, advantages = softmax()
    thetas = [update(policy, batch, advantages, rng=rng(s))[0].theta for s in (1, 1, 2)]
    assert np.array_equal(thetas[0], thetas[1])
    assert not np.array_equal(thetas[0], thetas[2])


# ----------------------------------------------------------------------- bad input


@UPDATES
def test_equal_advantages_change_nothing(update):
    policy, batch, _ = softmax()
    new, diagnostics = update(policy, batch, np.full(len(batch), 2.0), rng=rng())
    assert new is policy
    assert diagnostics.stop == "zero gradient" and diagnostics.kl == 0


@UPDATES
def test_an_update_that_is_not_finite_is_refused(update):
    for policy, batch, advantages in (softmax(), gaussian(n=50)):
        new, diagnostics = update(
            policy, batch, advantages, learning_rate=1e308, rng=rng()
        )
        assert new is policy
        assert diagnostics.refused and diagnostics.stop == "not finite"
        assert diagnostics.kl == diagnostics.step_norm == 0
        if update is ppo_penalty_update:
            assert diagnostics.beta == 1.0


@UPDATES
def test_mismatched_and_empty_batches(update):
    policy, batch, advantages = softmax()
    with pytest.raises(ValueError, match="batch is empty"):
        update(
            policy, Samples(batch.observations[:0], batch.actions[:0]), [], rng=rng()
        )
    with pytest.raises(ValueError, match="advantages has shape"):
        update(policy, batch, advantages[:-1], rng=rng())
    with pytest.raises(ValueError, match="advantages must be finite"):
        update(policy, batch, np.full(500, np.inf), rng=rng())
    with pytest.raises(TypeError, match="needs a Discrete space"):
        update(policy, Samples(batch.observations, np.ones((500, 1))), advantages)
    with pytest.raises(TypeError, match="acts on a Box"):
        update(LinearGaussian.zeros(3, 1), batch, advantages)


@UPDATES
def test_bad_settings(update):
    policy, batch, advantages = softmax()

    def call(**settings):
        update(policy, batch, advantages, **({"rng": rng()} | settings))

    with pytest.raises(TypeError, match=r"rng must be a numpy\.random\.Generator"):
        call(rng=None)
    with pytest.raises(ValueError, match="epochs must be an integer >= 1, got 0"):
        call(epochs=0)
    with pytest.raises(ValueError, match="minibatches must be in 1 to 500"):
        call(minibatches=501)
    with pytest.raises(ValueError, match="learning_rate must be"):
        call(learning_rate=-1)
    with pytest.raises(ValueError, match="target_kl must be"):
        call(target_kl=0)
    name = "clip" if update is ppo_clip_update else "beta"
    with pytest.raises(ValueError, match=f"{name} must be a finite number > 0"):
        call(**{name: 0})
