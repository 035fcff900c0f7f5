"""Policies against finite differences, scipy.stats and Monte Carlo."""

import numpy as np
import pytest
import scipy.special
import scipy.stats
from gymnasium import spaces

from trpo_lite.policies import (
    Features,
    LinearGaussian,
    LinearSoftmax,
    TabularSoftmax,
    bare,
    check_spaces,
    fourier_features,
    from_arrays,
    identity,
    linear_features,
    make_policy,
    to_arrays,
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
            policy.score_sum(observations[n : n + 1], actions[n : n + 1], [1.0])
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
        got = policy.log_prob(observations, actions)
        np.testing.assert_allclose(got, expected[n, actions], rtol=1e-12)
        np.testing.assert_allclose(
            policy.probabilities(observations), np.exp(expected), rtol=1e-12
        )


def test_tabular_log_prob_and_probabilities():
    pi = np.random.default_rng(0).dirichlet(np.ones(3), 4)
    policy = TabularSoftmax.from_probabilities(pi)
    np.testing.assert_allclose(policy.probabilities(), pi, rtol=1e-13)
    got = policy.log_prob(np.array([0, 3, 3]), np.array([2, 0, 1]))
    np.testing.assert_allclose(got, np.log([pi[0, 2], pi[3, 0], pi[3, 1]]))


def test_gaussian_log_prob_is_scipys():
    policy, _, observations, actions = make("gaussian")
    mean = policy.features(observations) @ policy.weights
    expected = [
        scipy.stats.multivariate_normal(mu, np.diag(policy.std**2)).logpdf(u)
        for mu, u in zip(mean, actions, strict=True)
    ]
    got = policy.log_prob(observations, actions)
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
    np.testing.assert_allclose(policy.entropy(observations), expected, rtol=1e-12)


def test_extreme_logits_stay_finite():
    policy = LinearSoftmax(np.array([-2000.0, 2000.0]), 2)
    rows, actions = np.ones((2, 1)), np.array([0, 1])
    np.testing.assert_allclose(policy.log_prob(rows, actions), [-4000, 0])
    opposite = policy.with_theta(-policy.theta)
    np.testing.assert_allclose(policy.kl(rows, opposite), 4000)
    assert np.array_equal(policy.entropy(rows), [0, 0])
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
    pi = np.exp(policy.log_prob(row[: len(every)], every))
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
            weights @ policy.with_theta(theta).log_prob(observations, actions)
        ),
        policy.theta,
    )
    got = policy.score_sum(observations, actions, weights)
    np.testing.assert_allclose(got, expected, atol=1e-7)
    assert np.linalg.norm(expected) > 1  # not a comparison of zeros


@EACH
def test_fisher_is_the_hessian_of_the_mean_kl(name):
    policy, _, observations, _ = make(name)
    size, h = policy.size, 1e-4

    def mean_kl(theta):
        return policy.kl(observations, policy.with_theta(theta)).mean()

    hessian = differences(lambda theta: differences(mean_kl, theta, h), policy.theta, h)
    fisher = np.array(
        [policy.fisher_vector_product(observations, e) for e in np.eye(size)]
    )
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
        p = np.exp(policy.log_prob(observations, actions))
        expected += (s * p[:, None]).T @ s / len(observations)
    fvp = policy.fisher(observations)
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
    exact = vector @ policy.fisher_vector_product(observations, vector)
    assert abs(mean - exact) < 4 * error < 0.2 * exact


def test_log_std_is_inside_theta():
    policy, _, observations, actions = make("gaussian")
    assert policy.size == policy.weights.size + 2
    assert np.array_equal(policy.theta[-2:], policy.log_std)
    assert np.abs(policy.score_sum(observations, actions, np.ones(40))[-2:]).min() > 0
    vector = np.zeros(policy.size)
    vector[-1] = 3.0
    assert np.array_equal(
        policy.fisher_vector_product(observations, vector), 2 * vector
    )


# ------------------------------------------------------------------------------- KL


@EACH
def test_kl_is_old_first_by_monte_carlo(name):
    policy, new, observations, _ = make(name, n=5)
    new = new.with_theta(policy.theta + 5 * (new.theta - policy.theta))  # far away
    rng = np.random.default_rng(4)
    many = np.repeat(observations, 20_000, axis=0)
    actions = policy.sample(many, rng)
    gain = policy.log_prob(many, actions) - new.log_prob(many, actions)
    gain = gain.reshape(5, -1)
    error = gain.std(1) / np.sqrt(gain.shape[1])
    exact, reverse = policy.kl(observations, new), new.kl(observations, policy)
    assert (np.abs(gain.mean(1) - exact) < 4.5 * error).all()
    assert (np.abs(exact - reverse) > 5 * error).any()  # the sample tells them apart


@EACH
def test_kl_is_zero_at_home_and_positive_elsewhere(name):
    policy, new, observations, _ = make(name)
    assert np.array_equal(policy.kl(observations, policy), np.zeros(40))
    assert (policy.kl(observations, new) > 0).all()


def test_kl_of_halved_noise_by_hand():
    old = LinearGaussian.zeros(1, 1, log_std=0.0)
    new = LinearGaussian.zeros(1, 1, log_std=np.log(0.8))
    rows = np.ones((1, 1))
    np.testing.assert_allclose(old.kl(rows, new), [0.0581], atol=1e-4)
    np.testing.assert_allclose(new.kl(rows, old), [0.0431], atol=1e-4)


def test_kl_against_scipy():
    policy, new, observations, _ = make("softmax4")
    p, q = policy.probabilities(observations), new.probabilities(observations)
    expected = scipy.stats.entropy(p, q, axis=1)
    np.testing.assert_allclose(policy.kl(observations, new), expected, rtol=1e-9)


def test_kl_between_different_features():
    policy, _, observations, _ = make("gaussian")
    shifted = LinearGaussian(policy.theta, 2, linear_features(3))
    mean_gap = policy.mode(observations) - shifted.mode(observations)
    expected = ((mean_gap / policy.std) ** 2).sum(1) / 2
    np.testing.assert_allclose(policy.kl(observations, shifted), expected)


@EACH
def test_kl_gradient_against_finite_differences(name):
    policy, new, observations, _ = make(name)
    expected = differences(
        lambda theta: policy.kl(observations, new.with_theta(theta)).mean(), new.theta
    )
    got = policy.kl_gradient(observations, new)
    np.testing.assert_allclose(got, expected, atol=1e-8)
    assert np.linalg.norm(expected) > 0.01
    assert np.abs(policy.kl_gradient(observations, policy)).max() < 1e-15


# ------------------------------------------------------------------------- features


def test_linear_features():
    features = Features(np.array([1.0, 0.0]), np.array([2.0, 1.0]), clip=1.5)
    rows = features(np.array([[2.0, 1.0], [9.0, -9.0]], np.float32))
    assert np.array_equal(rows, [[0.5, 1, 1], [1.5, -1.5, 1]])
    assert rows.dtype == np.float64
    assert linear_features(2, bias=False)(np.ones((3, 2))).shape == (3, 2)


def test_fourier_features():
    rng = np.random.default_rng(0)
    features = fourier_features(3, 400, 2.0, rng)
    assert features.size == 401
    z = np.ones((1, 3))
    rows = features(z)
    wave = np.sin(features.frequencies[7] @ z[0] + features.phases[7])
    np.testing.assert_allclose(rows[0, 7], wave)
    assert rows[0, -1] == 1
    np.testing.assert_allclose(features.frequencies.std(), 0.5, rtol=0.1)
    moved = features.with_moments(np.ones(3), np.full(3, 2.0))
    np.testing.assert_allclose(moved(z)[0, :-1], np.sin(features.phases))


@EACH
def test_bare_maps_features_once_and_changes_nothing(name):
    policy, new, observations, actions = make(name)
    inner, rows = bare(policy, observations)
    if name != "tabular":
        assert inner.features is identity
        assert not rows.flags.writeable
    for _ in range(2):  # the second time from memory
        expected = policy.log_prob(observations, actions)
        got = inner.log_prob(rows, actions)
        np.testing.assert_allclose(got, expected, atol=1e-14)
        got = inner.kl(rows, inner.with_theta(new.theta))
        np.testing.assert_allclose(got, policy.kl(observations, new), atol=1e-14)
    other = rows[::-1].copy()
    expected = policy.log_prob(observations[::-1], actions)
    np.testing.assert_allclose(inner.log_prob(other, actions), expected, atol=1e-14)


def test_rows_that_may_change_are_never_remembered():
    policy = LinearGaussian(np.array([2.0, 0.0]), 1)
    observations = np.ones((1, 1))
    inner, rows = bare(policy, observations)
    assert inner.log_prob(rows, [[2.0]]) == policy.log_prob(observations, [[2.0]])
    before = policy.log_prob(observations, np.array([[2.0]]))
    observations[0, 0] = 5
    assert policy.log_prob(observations, np.array([[2.0]])) < before - 10
    assert inner.log_prob(rows, np.array([[2.0]])) == before
    assert inner.log_prob(observations, np.array([[2.0]])) < before - 10


# -------------------------------------------------------------------- save and load


@EACH
def test_round_trip_through_a_file_without_pickle(name, tmp_path):
    policy, _, observations, actions = make(name)
    path = tmp_path / "policy.npz"
    np.savez(path, **to_arrays(policy))
    with np.load(path, allow_pickle=False) as arrays:
        again = from_arrays(dict(arrays))
    assert type(again) is type(policy)
    expected = policy.log_prob(observations, actions)
    assert np.array_equal(again.log_prob(observations, actions), expected)


def test_what_cannot_be_saved_or_loaded():
    with pytest.raises(TypeError, match="can be saved"):
        to_arrays(LinearGaussian.zeros(3, 1, features=lambda x: x))
    arrays = to_arrays(make("gaussian")[0])
    with pytest.raises(ValueError, match="outputs is missing"):
        from_arrays({k: v for k, v in arrays.items() if k != "outputs"})
    with pytest.raises(ValueError, match="kind is 'Other'"):
        from_arrays(arrays | {"kind": np.array("Other")})
    with pytest.raises(ValueError, match="theta must be finite"):
        from_arrays(arrays | {"theta": np.full(10, np.nan)})


# ------------------------------------------------------------- spaces and bad input

BOX = spaces.Box(-1, 1, (3,))
TWO_ACTIONS = spaces.Discrete(2)


def test_make_policy_follows_the_spaces():
    softmax = make_policy((BOX, TWO_ACTIONS))
    assert isinstance(softmax, LinearSoftmax) and softmax.weights.shape == (4, 2)
    gaussian = make_policy((BOX, BOX), fourier_features(3, 7, 1.0, RNG), log_std=-1)
    assert isinstance(gaussian, LinearGaussian) and gaussian.weights.shape == (8, 3)
    assert np.array_equal(gaussian.log_std, [-1, -1, -1])
    table = make_policy((spaces.Discrete(5), TWO_ACTIONS))
    assert isinstance(table, TabularSoftmax) and table.size == 10
    assert make_policy((BOX, TWO_ACTIONS), identity).weights.shape == (3, 2)
    for policy, actions in ((softmax, TWO_ACTIONS), (gaussian, BOX)):
        check_spaces(policy, (BOX, actions))


RNG = np.random.default_rng(0)


def test_discrete_policy_on_a_box_and_the_reverse():
    with pytest.raises(
        TypeError, match=r"LinearSoftmax can't act here.*LinearGaussian"
    ):
        make_policy((BOX, BOX), kind=LinearSoftmax)
    with pytest.raises(
        TypeError, match=r"LinearGaussian can't act here.*LinearSoftmax"
    ):
        make_policy((BOX, TWO_ACTIONS), kind=LinearGaussian)
    with pytest.raises(TypeError, match="no policy for observations Discrete"):
        make_policy((spaces.Discrete(3), BOX))
    with pytest.raises(TypeError, match="policy is a LinearSoftmax"):
        check_spaces(make("softmax2")[0], (BOX, BOX))
    with pytest.raises(TypeError, match="policy is a LinearGaussian"):
        check_spaces(make("gaussian")[0], (BOX, TWO_ACTIONS))
    with pytest.raises(TypeError, match="sizes"):
        check_spaces(make("softmax4")[0], (BOX, TWO_ACTIONS))
    softmax, _, observations, integers = make("softmax2")
    gaussian, _, _, numbers = make("gaussian")
    with pytest.raises(TypeError, match="needs a Discrete space"):
        softmax.log_prob(observations, numbers)
    with pytest.raises(TypeError, match="acts on a Box"):
        gaussian.log_prob(observations, integers)


@EACH
def test_mismatched_shapes(name):
    policy, _, observations, actions = make(name)
    with pytest.raises(ValueError, match="theta has shape"):
        policy.with_theta(np.zeros(policy.size + 1))
    with pytest.raises(ValueError, match="vector has shape"):
        policy.fisher_vector_product(observations, np.zeros(policy.size - 1))
    with pytest.raises(ValueError, match="actions has shape"):
        policy.log_prob(observations, actions[:-1])
    with pytest.raises(ValueError, match="weights has shape"):
        policy.score_sum(observations, actions, np.ones(3))
    with pytest.raises(ValueError, match="observations"):
        policy.log_prob(observations[:, None], actions)
    with pytest.raises(TypeError, match="new must be a"):
        policy.kl(
            observations, make("softmax4" if name != "softmax4" else "tabular")[0]
        )
    with pytest.raises(ValueError, match="theta must be finite"):
        policy.with_theta(np.full(policy.size, np.inf))


def test_other_bad_input():
    with pytest.raises(ValueError, match="0 to 1, got 0 to 2"):
        LinearSoftmax.zeros(1, 2).log_prob(np.ones((2, 1)), np.array([0, 2]))
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
    with pytest.raises(ValueError, match="std must be > 0"):
        Features(np.zeros(2), np.array([1.0, 0.0]))
    with pytest.raises(ValueError, match="given together"):
        Features(np.zeros(2), np.ones(2), phases=np.ones(3))
    with pytest.raises(ValueError, match="bandwidth"):
        fourier_features(2, 3, 0.0, RNG)


@EACH
def test_theta_cannot_be_changed_in_place(name):
    theta = make(name)[0].theta
    with pytest.raises(ValueError, match="read-only"):
        theta[0] = 1.0
