"""Policies against finite differences, scipy.stats and Monte Carlo."""

import decimal

import numpy as np
import pytest
import scipy.special
import scipy.stats

from trpo_lite.features import (
    fourier_features,
    linear_features,
)
from trpo_lite.policies import (
    LinearGaussian,
    LinearSoftmax,
    TabularSoftmax,
)


def make(name, seed=0, n=40):
    """(policy, another of its kind, observations, actions) drawn at random."""
    rng = np.random.default_rng(seed)
    if name == "tabular":
        policy = TabularSoftmax.zeros(5, 3)
        observations = rng.integers(4, size=n)  # state 4 is never visited
    else:
        observations = rng.standard_normal((n, 3))
        kind, outputs = {
            "softmax2": (LinearSoftmax, 2),
            "softmax4": (LinearSoftmax, 4),
            "gaussian": (LinearGaussian, 2),
            "fourier": (LinearGaussian, 1),
        }[name]
        features = (
            fourier_features(3, 6, 2.0, rng)
            if name == "fourier"
            else linear_features(3).with_moments(np.full(3, 0.1), np.full(3, 1.3))
        )
        policy = kind.zeros(features.size, outputs, features=features)
    policy = policy.with_theta(0.5 * rng.standard_normal(policy.size))
    new = policy.with_theta(policy.theta + 0.3 * rng.standard_normal(policy.size))
    return policy, new, observations, policy.sample(observations, rng)


EACH = pytest.mark.parametrize(
    "name", ["tabular", "softmax2", "softmax4", "gaussian", "fourier"]
)


def differences(function, theta, h=1e-6):
    """Central differences of function(theta) -> [...], as [size, ...]."""
    steps = h * np.eye(theta.size)
    return np.array([function(theta + e) - function(theta - e) for e in steps]) / (
        2 * h
    )


def scores(policy, observations, actions):
    """One score per row, [N, size], from score_sum on single rows."""
    return np.array(
        [
            policy.at(observations[n : n + 1]).score_sum(actions[n : n + 1], [1.0])
            for n in range(len(actions))
        ]
    )


# ------------------------------------------------- log_prob, against other libraries


def test_softmax_log_prob_is_scipys_log_softmax():
    for name in ("softmax2", "softmax4"):
        policy, _, observations, actions = make(name)
        logits = policy.features(observations) @ policy.weights
        expected = scipy.special.log_softmax(logits, 1)
        n = np.arange(len(actions))
        got = policy.at(observations).log_prob(actions)
        np.testing.assert_allclose(got, expected[n, actions], rtol=1e-12)
        np.testing.assert_allclose(
            policy.probabilities(observations), np.exp(expected), rtol=1e-12
        )


def test_tabular_log_prob_and_probabilities():
    pi = np.random.default_rng(0).dirichlet(np.ones(3), 4)
    policy = TabularSoftmax.from_probabilities(pi)
    np.testing.assert_allclose(policy.probabilities(), pi, rtol=1e-13)
    got = policy.at(np.array([0, 3, 3])).log_prob(np.array([2, 0, 1]))
    np.testing.assert_allclose(got, np.log([pi[0, 2], pi[3, 0], pi[3, 1]]))


def test_gaussian_log_prob_is_scipys():
    policy, _, observations, actions = make("gaussian")
    mean = policy.features(observations) @ policy.weights
    expected = [
        scipy.stats.multivariate_normal(mu, np.diag(policy.std**2)).logpdf(u)
        for mu, u in zip(mean, actions, strict=True)
    ]
    got = policy.at(observations).log_prob(actions)
    np.testing.assert_allclose(got, expected, rtol=1e-12)


@EACH
def test_entropy_against_scipy(name):
    policy, _, observations, _ = make(name)
    if isinstance(policy, LinearGaussian):
        covariance = np.diag(policy.std**2)
        each = scipy.stats.multivariate_normal(cov=covariance).entropy()
        expected = np.full(len(observations), each)
    elif isinstance(policy, TabularSoftmax):
        pi = policy.probabilities()[observations]
        expected = scipy.stats.entropy(pi, axis=1)
    else:
        expected = scipy.stats.entropy(policy.probabilities(observations), axis=1)
    np.testing.assert_allclose(policy.at(observations).entropy(), expected, rtol=1e-12)


def test_extreme_logits_stay_finite():
    policy = LinearSoftmax(np.array([-2000.0, 2000.0]), 2)
    rows, actions = np.ones((2, 1)), np.array([0, 1])
    np.testing.assert_allclose(policy.at(rows).log_prob(actions), [-4000, 0])
    opposite = policy.with_theta(-policy.theta)
    np.testing.assert_allclose(policy.at(rows).kl(opposite.at(rows)), 4000)
    assert np.array_equal(policy.at(rows).entropy(), [0, 0])
    assert np.array_equal(policy.sample(rows, np.random.default_rng(0)), [1, 1])


# ------------------------------------------------------------------------- sampling


@pytest.mark.parametrize("name", ["tabular", "softmax2", "softmax4"])
def test_discrete_samples_have_the_right_frequencies(name):
    policy, _, observations, _ = make(name)
    n = 40_000
    row = np.repeat(observations[:1], n, axis=0)
    actions = policy.sample(row, np.random.default_rng(1))
    counts = np.bincount(actions, minlength=policy.n_actions)
    every = np.arange(policy.n_actions)
    pi = np.exp(policy.at(row[: len(every)]).log_prob(every))
    assert scipy.stats.chisquare(counts, n * pi).pvalue > 1e-3
    assert (policy.mode(row) == pi.argmax()).all()


def test_gaussian_samples_have_the_right_distribution():
    policy, _, observations, _ = make("gaussian")
    row = np.repeat(observations[:1], 20_000, axis=0)
    actions = policy.sample(row, np.random.default_rng(1))
    for i in range(2):
        expected = scipy.stats.norm(policy.mode(row)[0, i], policy.std[i])
        assert scipy.stats.kstest(actions[:, i], expected.cdf).pvalue > 1e-3
    assert abs(np.corrcoef(actions.T)[0, 1]) < 4 / np.sqrt(len(actions))


@EACH
def test_the_same_seed_gives_the_same_actions(name):
    policy, _, observations, _ = make(name)
    rng = [np.random.default_rng(3) for _ in range(2)]
    first, second = (policy.sample(observations, r) for r in rng)
    assert np.array_equal(first, second)


# ------------------------------------------------------------- gradients and Fisher


@EACH
def test_score_sum_is_the_gradient_of_log_prob(name):
    policy, _, observations, actions = make(name)
    weights = np.random.default_rng(1).standard_normal(len(actions))
    expected = differences(
        lambda theta: (
            weights @ policy.with_theta(theta).at(observations).log_prob(actions)
        ),
        policy.theta,
    )
    got = policy.at(observations).score_sum(actions, weights)
    np.testing.assert_allclose(got, expected, atol=1e-7)
    assert np.linalg.norm(expected) > 1  # not a comparison of zeros


@EACH
def test_fisher_is_the_hessian_of_the_mean_kl(name):
    policy, _, observations, _ = make(name)
    size, h = policy.size, 1e-4

    def mean_kl(theta):
        return (
            policy.at(observations).kl(policy.with_theta(theta).at(observations)).mean()
        )

    hessian = differences(lambda theta: differences(mean_kl, theta, h), policy.theta, h)
    fisher = np.array([policy.at(observations).fisher_product(e) for e in np.eye(size)])
    np.testing.assert_allclose(fisher, hessian, atol=1e-6)
    np.testing.assert_allclose(fisher, fisher.T, atol=1e-15)
    assert np.linalg.eigvalsh(fisher).min() > -1e-12
    assert np.abs(differences(mean_kl, policy.theta)).max() < 1e-9  # KL is flat here


@pytest.mark.parametrize("name", ["tabular", "softmax2", "softmax4"])
def test_fisher_is_the_expected_outer_product_of_scores(name):
    policy, _, observations, _ = make(name)
    expected = np.zeros((policy.size, policy.size))
    for a in range(policy.n_actions):
        actions = np.full(len(observations), a)
        s = scores(policy, observations, actions)
        p = np.exp(policy.at(observations).log_prob(actions))
        expected += (s * p[:, None]).T @ s / len(observations)
    fvp = policy.at(observations).fisher_product
    fisher = np.array([fvp(e) for e in np.eye(policy.size)])
    np.testing.assert_allclose(fisher, expected, atol=1e-14)


def test_gaussian_fisher_against_sampled_scores():
    policy, _, observations, _ = make("gaussian", n=4)
    rng = np.random.default_rng(2)
    vector = rng.standard_normal(policy.size)
    total = []
    for _ in range(3000):
        s = scores(policy, observations, policy.sample(observations, rng))
        total.append(((s @ vector) ** 2).mean())
    mean, error = np.mean(total), np.std(total) / np.sqrt(len(total))
    exact = vector @ policy.at(observations).fisher_product(vector)
    assert abs(mean - exact) < 4 * error < 0.2 * exact


def test_log_std_is_inside_theta():
    policy, _, observations, actions = make("gaussian")
    assert policy.size == policy.weights.size + 2
    assert np.array_equal(policy.theta[-2:], policy.log_std)
    assert (
        np.abs(policy.at(observations).score_sum(actions, np.ones(40))[-2:]).min() > 0
    )
    vector = np.zeros(policy.size)
    vector[-1] = 3.0
    assert np.array_equal(policy.at(observations).fisher_product(vector), 2 * vector)


# ------------------------------------------------------------------------------- KL


@EACH
def test_kl_is_old_first_by_monte_carlo(name):
    policy, new, observations, _ = make(name, n=5)
    new = new.with_theta(policy.theta + 5 * (new.theta - policy.theta))  # far away
    rng = np.random.default_rng(4)
    many = np.repeat(observations, 20_000, axis=0)
    actions = policy.sample(many, rng)
    gain = policy.at(many).log_prob(actions) - new.at(many).log_prob(actions)
    gain = gain.reshape(5, -1)
    error = gain.std(1) / np.sqrt(gain.shape[1])
    exact, reverse = (
        policy.at(observations).kl(new.at(observations)),
        new.at(observations).kl(policy.at(observations)),
    )
    assert (np.abs(gain.mean(1) - exact) < 4.5 * error).all()
    assert (np.abs(exact - reverse) > 5 * error).any()  # the sample tells them apart


@EACH
def test_kl_is_zero_at_home_and_positive_elsewhere(name):
    policy, new, observations, _ = make(name)
    assert np.array_equal(
        policy.at(observations).kl(policy.at(observations)), np.zeros(40)
    )
    assert (policy.at(observations).kl(new.at(observations)) > 0).all()


def test_kl_of_halved_noise_by_hand():
    old = LinearGaussian.zeros(1, 1, log_std=0.0)
    new = LinearGaussian.zeros(1, 1, log_std=np.log(0.8))
    rows = np.ones((1, 1))
    np.testing.assert_allclose(old.at(rows).kl(new.at(rows)), [0.0581], atol=1e-4)
    np.testing.assert_allclose(new.at(rows).kl(old.at(rows)), [0.0431], atol=1e-4)


@EACH
@pytest.mark.parametrize("length", [1e-3, 1e-6, 1e-9])
def test_kl_keeps_its_digits_for_tiny_steps(name, length):
    policy, new, observations, _ = make(name)
    step = length * (new.theta - policy.theta)
    old = policy.at(observations)
    quadratic = step @ old.fisher_product(step) / 2
    kl = old.kl(old.with_theta(policy.theta + step)).mean()
    # the third order is left, and theta + step rounds the step itself
    assert kl == pytest.approx(quadratic, rel=2 * length + 4e-16 / length)


@pytest.mark.parametrize("large", [1.0, 30.0, 800.0])
def test_kl_of_far_policies_by_long_arithmetic(large):
    old = LinearSoftmax(np.array([0.0, 0.5, large]), 3).at(np.ones((1, 1)))
    new = old.with_theta(np.array([large, 0.2, 0.0]))
    with decimal.localcontext(decimal.Context(prec=50)):
        logits = [[decimal.Decimal(t) for t in x.policy.theta] for x in (old, new)]
        logs = [[t - sum(u.exp() for u in row).ln() for t in row] for row in logits]
        expected = sum(p.exp() * (p - q) for p, q in zip(*logs, strict=True))
    np.testing.assert_allclose(old.kl(new), [float(expected)], rtol=1e-13)


def test_kl_against_scipy():
    policy, new, observations, _ = make("softmax4")
    p, q = policy.probabilities(observations), new.probabilities(observations)
    expected = scipy.stats.entropy(p, q, axis=1)
    np.testing.assert_allclose(
        policy.at(observations).kl(new.at(observations)), expected, rtol=1e-9
    )


def test_kl_between_different_features():
    policy, _, observations, _ = make("gaussian")
    shifted = LinearGaussian(policy.theta, 2, linear_features(3))
    mean_gap = policy.mode(observations) - shifted.mode(observations)
    expected = ((mean_gap / policy.std) ** 2).sum(1) / 2
    np.testing.assert_allclose(
        policy.at(observations).kl(shifted.at(observations)), expected
    )


@EACH
def test_kl_gradient_against_finite_differences(name):
    policy, new, observations, _ = make(name)
    expected = differences(
        lambda theta: (
            policy.at(observations).kl(new.with_theta(theta).at(observations)).mean()
        ),
        new.theta,
    )
    got = policy.at(observations).kl_gradient(new.at(observations))
    np.testing.assert_allclose(got, expected, atol=1e-8)
    assert np.linalg.norm(expected) > 0.01
    assert (
        np.abs(policy.at(observations).kl_gradient(policy.at(observations))).max()
        < 1e-15
    )


# ------------------------------------------------------------------ no hidden memory


@EACH
def test_a_policy_at_rows_moves_with_theta_and_with_nothing_else(name):
    policy, new, observations, actions = make(name)
    old = policy.at(observations)
    moved = old.with_theta(new.theta)
    expected = new.at(observations).log_prob(actions)
    assert np.array_equal(moved.log_prob(actions), expected)
    assert np.array_equal(old.kl(moved), old.kl(new.at(observations)))
    assert len(old) == len(actions)


@EACH
def test_what_the_caller_changes_afterwards_changes_nothing(name):
    policy, _, observations, actions = make(name)
    theta, seen = policy.theta.copy(), observations.copy()
    policy = policy.with_theta(theta)
    old = policy.at(seen)
    before = old.log_prob(actions), old.fisher_product(np.ones(policy.size))
    theta += 1
    seen[:] = 0
    assert np.array_equal(old.log_prob(actions), before[0])
    assert np.array_equal(old.fisher_product(np.ones(policy.size)), before[1])
    assert not np.array_equal(policy.at(seen).log_prob(actions), before[0])


def test_features_that_are_the_observations_themselves_are_copied():
    rng = np.random.default_rng(0)
    policy = LinearGaussian(
        rng.standard_normal(4), 1, lambda observations: observations
    )
    seen, v = rng.standard_normal((9, 3)), np.ones(4)
    old = policy.at(seen)
    before = old.fisher_product(v)
    seen[:] = 0
    assert np.array_equal(old.fisher_product(v), before)
    assert np.array_equal(old.with_theta(policy.theta).fisher_product(v), before)


@EACH
def test_nothing_is_written_into_what_was_given(name):
    policy, new, observations, actions = make(name)
    given = observations, actions, np.linspace(1, 2, policy.size), np.full(40, 0.5)
    before = [x.copy() for x in given]
    old, new = policy.at(observations), new.at(observations)
    first, second = (
        [
            old.log_prob(actions),
            old.score_sum(actions, given[3]),
            old.kl(new),
            old.kl_gradient(new),
            old.fisher_product(given[2]),
        ]
        for _ in range(2)
    )
    for one, other in zip([*first, *given], [*second, *before], strict=True):
        assert np.array_equal(one, other)


def test_a_read_only_view_whose_base_changes_gives_new_numbers():
    policy = LinearGaussian(np.array([2.0, 0.0]), 1)
    base = np.ones((1, 1))
    view = base.view()
    view.flags.writeable = False
    before = policy.at(view).log_prob(np.array([[2.0]]))
    base[0, 0] = 5
    assert policy.at(view).log_prob(np.array([[2.0]])) < before - 10


# ------------------------------------------------------------------------ bad input


def test_actions_of_the_other_kind():
    softmax, _, observations, integers = make("softmax2")
    gaussian, _, _, numbers = make("gaussian")
    with pytest.raises(TypeError, match="needs a Discrete space"):
        softmax.at(observations).log_prob(numbers)
    with pytest.raises(TypeError, match="acts on a Box"):
        gaussian.at(observations).log_prob(integers)


@EACH
def test_mismatched_shapes(name):
    policy, _, observations, actions = make(name)
    with pytest.raises(ValueError, match="theta has shape"):
        policy.with_theta(np.zeros(policy.size + 1))
    with pytest.raises(ValueError, match="vector has shape"):
        policy.at(observations).fisher_product(np.zeros(policy.size - 1))
    with pytest.raises(ValueError, match="actions has shape"):
        policy.at(observations).log_prob(actions[:-1])
    with pytest.raises(ValueError, match="weights has shape"):
        policy.at(observations).score_sum(actions, np.ones(3))
    with pytest.raises(ValueError, match="observations"):
        policy.at(observations[:, None]).log_prob(actions)
    other, _, seen, _ = make("softmax4" if name != "softmax4" else "tabular")
    for wrong in (other.at(seen), other, policy.at(observations[:3])):
        with pytest.raises(TypeError, match="new must be a"):
            policy.at(observations).kl(wrong)
    with pytest.raises(ValueError, match="theta must be finite"):
        policy.with_theta(np.full(policy.size, np.inf))


def test_other_bad_input():
    with pytest.raises(ValueError, match="0 to 1, got 0 to 2"):
        LinearSoftmax.zeros(1, 2).at(np.ones((2, 1))).log_prob(np.array([0, 2]))
    with pytest.raises(ValueError, match="0 to 2, got -1"):
        TabularSoftmax.zeros(3, 2).mode(np.array([-1]))
    with pytest.raises(ValueError, match="never reaches 0"):
        TabularSoftmax.from_probabilities([[1.0, 0.0]])
    with pytest.raises(ValueError, match="multiple of 2"):
        LinearSoftmax(np.zeros(5), 2)
    with pytest.raises(ValueError, match="expected 8 for 4 features"):
        LinearSoftmax(np.zeros(6), 2, linear_features(3))
    with pytest.raises(ValueError, match="n_actions must be an integer >= 1"):
        LinearSoftmax(np.zeros(6), 0)


@EACH
def test_theta_cannot_be_changed_in_place(name):
    theta = make(name)[0].theta
    with pytest.raises(ValueError, match="read-only"):
        theta[0] = 1.0
