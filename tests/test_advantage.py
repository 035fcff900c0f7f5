"""Advantages against their definitions, summed term by term."""

import tracemalloc

import numpy as np
import pytest

from trpo_lite.advantage import (
    LinearValue,
    discounted_sum,
    explained_variance,
    gae,
    normalize,
    value_targets,
)
from trpo_lite.mdp import evaluate, random_mdp, random_policy
from trpo_lite.rollout import Batch


def random_batch(rng, t_max=12, n=3, reset_rows=True):
    """A batch with random endings; rows after an ending are resets, if asked."""
    terminated = rng.random((t_max, n)) < 0.15
    truncated = rng.random((t_max, n)) < 0.15
    valid = np.ones((t_max, n), dtype=bool)
    if reset_rows:
        for i in range(n):
            for t in range(1, t_max):
                ended = terminated[t - 1, i] or truncated[t - 1, i]
                if valid[t - 1, i] and ended:
                    valid[t, i] = terminated[t, i] = truncated[t, i] = False
    m = valid.sum()
    return Batch(
        observations=rng.standard_normal((m, 2)),
        actions=rng.integers(2, size=m),
        rewards=rng.standard_normal(m),
        next_observations=rng.standard_normal((m, 2)),
        terminated=terminated[valid],
        truncated=truncated[valid],
        time=np.zeros(m, dtype=int),
        valid=valid,
        episode_returns=np.zeros(0),
        episode_lengths=np.zeros(0, dtype=int),
    )


def gae_by_definition(batch, v, next_v, gamma, lam):
    """Sum of (gamma lam)^l delta over the rest of each row's episode, one by one."""
    row = np.full(batch.valid.shape, -1)
    row[batch.valid] = np.arange(len(batch))
    advantages = np.zeros(len(batch))
    for t, i in np.argwhere(batch.valid):
        for k in range(t, len(row)):
            j = row[k, i]
            bootstrap = 0 if batch.terminated[j] else gamma * next_v[j]
            delta = batch.rewards[j] + bootstrap - v[j]
            advantages[row[t, i]] += (gamma * lam) ** (k - t) * delta
            if batch.terminated[j] or batch.truncated[j]:
                break
    return advantages


@pytest.mark.parametrize("reset_rows", [True, False])
@pytest.mark.parametrize("seed", range(10))
def test_gae_is_its_definition(seed, reset_rows):
    rng = np.random.default_rng(seed)
    batch = random_batch(rng, reset_rows=reset_rows)
    v, next_v = rng.standard_normal((2, len(batch)))
    for gamma, lam in [(0.9, 0.8), (0.99, 1.0), (0.5, 0.0), (0.0, 0.5)]:
        got = gae(batch, v, next_v, gamma, lam)
        np.testing.assert_allclose(
            got, gae_by_definition(batch, v, next_v, gamma, lam), atol=1e-13
        )


def one_row(terminated, truncated):
    return Batch(
        *(np.zeros((1, 1)), np.zeros(1, int), np.array([2.0]), np.zeros((1, 1))),
        *(np.array([terminated]), np.array([truncated]), np.zeros(1, int)),
        *(np.ones((1, 1), bool), np.zeros(0), np.zeros(0, int)),
    )


@pytest.mark.parametrize(
    ("terminated", "truncated", "expected"),
    [
        (True, False, 2 - 1),
        (True, True, 2 - 1),
        (False, True, 2 + 0.5 * 8 - 1),
        (False, False, 2 + 0.5 * 8 - 1),
    ],
)
def test_bootstrap_at_truncation_and_at_the_end_but_not_at_termination(
    terminated, truncated, expected
):
    batch = one_row(terminated, truncated)
    for lam in (0, 0.7, 1):
        a = gae(batch, np.array([1.0]), np.array([8.0]), 0.5, lam)
        np.testing.assert_allclose(a, [expected])
        target = value_targets(batch, np.array([1.0]), np.array([8.0]), 0.5, lam)
        np.testing.assert_allclose(target, [expected + 1])


def test_with_lam_one_the_target_does_not_depend_on_v():
    rng = np.random.default_rng(1)
    batch = random_batch(rng)
    next_v = rng.standard_normal(len(batch))
    inside = batch.to_grid(~(batch.terminated | batch.truncated), fill=False)
    # v(s_{t+1}) and next_v are the same number where the episode goes on
    targets = []
    for v in rng.standard_normal((2, *batch.valid.shape)):
        following = batch.to_grid(next_v, fill=0.0)
        following[:-1] = np.where(inside[:-1], v[1:], following[:-1])
        at_rows = v[batch.valid], following[batch.valid]
        targets.append(value_targets(batch, *at_rows, 0.9, lam=1))
    np.testing.assert_allclose(*targets, atol=1e-12)


def test_mean_gae_with_the_true_value_is_the_true_advantage():
    mdp = random_mdp(np.random.default_rng(0), 3, 2, gamma=0.8)
    pi = random_policy(np.random.default_rng(1), 3, 2)
    world = evaluate(mdp, pi)
    rng = np.random.default_rng(2)
    t_max, n = 12, 60_000
    states = np.empty((t_max + 1, n), dtype=int)
    actions = np.empty((t_max, n), dtype=int)
    states[0], actions[0] = 1, 1  # one pair, so that every sample estimates A(1, 1)
    for t in range(t_max):
        u = rng.random((n, 1))
        if t:
            actions[t] = (u > pi[states[t]].cumsum(1)[:, :-1]).sum(1)
        u = rng.random((n, 1))
        p = mdp.P[states[t], actions[t]]
        states[t + 1] = (u > p.cumsum(1)[:, :-1]).sum(1)
    m = t_max * n
    no = np.zeros(m, dtype=bool)
    s, following, a = states[:-1].ravel(), states[1:].ravel(), actions.ravel()
    batch = Batch(
        *(s, a, mdp.R[s, a], following, no, no, np.zeros(m, int)),
        *(np.ones((t_max, n), bool), np.zeros(0), np.zeros(0, int)),
    )
    for lam in (0.0, 0.7, 1.0):
        got = gae(batch, world.v[s], world.v[following], 0.8, lam)[:n]
        error = 4 * got.std() / np.sqrt(n)
        assert abs(got.mean() - world.advantage[1, 1]) < error
    assert abs(world.advantage[1, 1]) > 2 * error


def test_discounted_sum():
    x = np.array([1.0, 2.0, 4.0])
    np.testing.assert_allclose(discounted_sum(x, 0.5), [3, 4, 4])
    np.testing.assert_allclose(
        discounted_sum(x, 0.5, np.array([True, False, True])), [2, 2, 4]
    )
    np.testing.assert_array_equal(x, [1, 2, 4])
    with pytest.raises(ValueError, match="continues has shape"):
        discounted_sum(x, 0.5, np.ones(2))


def test_normalize_and_explained_variance():
    x = np.array([1.0, 2.0, 6.0])
    assert abs(normalize(x).mean()) < 1e-15 and abs(normalize(x).std() - 1) < 1e-15
    np.testing.assert_array_equal(normalize(np.full(4, 0.1)), np.zeros(4))
    assert explained_variance(x, x) == 1
    assert explained_variance(np.zeros(3), x) == 0
    assert explained_variance(-x, x) < 0
    assert np.isnan(explained_variance(x, np.ones(3)))


def test_linear_value_recovers_a_quadratic_in_the_state_and_a_cubic_in_time():
    rng = np.random.default_rng(0)
    s, t = rng.uniform(-1, 1, (2000, 3)), rng.integers(100, size=2000)
    truth = 3 + s[:, 0] - 2 * s[:, 1] * s[:, 2] + s[:, 0] ** 2 + (t / 50 - 1) ** 3
    value = LinearValue(ridge=1e-12)
    np.testing.assert_array_equal(value.predict(s, t), np.zeros(2000))
    fitted = value.fit(s, t, truth)
    assert value.weights is None  # the first one is as it was
    np.testing.assert_allclose(fitted.predict(s, t), truth, atol=1e-6)


def test_linear_value_of_integer_states_is_the_mean_of_each():
    states, targets = np.array([0, 0, 2, 2]), np.array([1.0, 3.0, 5.0, 5.0])
    value = LinearValue(n_states=4, ridge=1e-9).fit(states, states, targets)
    np.testing.assert_allclose(
        value.predict(np.arange(4), np.zeros(4)), [2, 0, 5, 0], atol=1e-6
    )


def test_linear_value_does_not_explode_far_from_its_data():
    rng = np.random.default_rng(0)
    s, t = rng.standard_normal((500, 2)), np.arange(500)
    value = LinearValue().fit(s, t, rng.standard_normal(500))
    far = np.array([[1e6, -1e6]])
    assert abs(value.predict(far, np.array([10**6]))[0]) < 1e3
    constant = LinearValue().fit(np.ones((5, 2)), np.zeros(5), np.full(5, 3.0))
    np.testing.assert_allclose(constant.predict(np.ones((1, 2)), [0]), 3, rtol=1e-4)


def test_a_table_of_many_states_needs_no_matrix():
    rng, n_states = np.random.default_rng(0), 50_000
    states, targets = rng.integers(40, size=300), rng.standard_normal(300)
    tracemalloc.start()
    value = LinearValue(n_states=n_states, ridge=0.02).fit(states, None, targets)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 * 20 * n_states  # a few vectors; one row for each state is 120 MB
    # the ridge regression on one-hot rows, written out for the states that occur
    rows = np.eye(40)[states]
    gram = rows.T @ rows / 300 + 0.02 * np.eye(40)
    expected = np.linalg.solve(gram, rows.T @ targets / 300)
    np.testing.assert_allclose(value.weights[:40], expected, atol=1e-12)
    assert not value.weights[40:].any()
    np.testing.assert_array_equal(value.predict(states, None), value.weights[states])


def test_without_ridge_an_unvisited_state_is_worth_0():
    value = LinearValue(n_states=3, ridge=0.0)
    value = value.fit(np.array([0, 0, 2]), None, np.array([1.0, 2.0, 5.0]))
    np.testing.assert_allclose(value.weights, [1.5, 0, 5])


@pytest.mark.parametrize("size, count", [(17, 4 + 17 + 153), (348, 4 + 348 + 348)])
def test_products_of_few_inputs_and_squares_of_many(size, count):
    rng = np.random.default_rng(0)
    seen, time = rng.standard_normal((900, size)), np.arange(900.0)
    target = seen[:, 0] ** 2 - 2 * seen[:, 1] * seen[:, 2]
    value = LinearValue(ridge=1e-9).fit(seen, time, target)
    assert value.weights.size == count
    left = np.mean((value.predict(seen, time) - target) ** 2)
    # a product of two inputs is learnt where there are few, squares always
    assert left < 0.2 if size == 17 else 0.2 < left < 4.5


@pytest.mark.parametrize("size", [105, 348])  # Ant-v5's inputs, and Humanoid-v5's
def test_a_batch_of_many_inputs_needs_little_memory(size):
    rng, rows = np.random.default_rng(0), 4096
    seen, time = rng.standard_normal((rows, size)), np.arange(float(rows))
    tracemalloc.start()
    LinearValue().fit(seen, time, seen[:, 0]).predict(seen, time)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # a few times the inputs; all products of 348 would be two gigabytes
    assert peak < 6 * seen.nbytes < 70e6


def test_bad_input_is_refused():
    batch = random_batch(np.random.default_rng(0))
    v = np.zeros(len(batch))
    with pytest.raises(ValueError, match=r"gamma must be in \[0, 1\), got 1"):
        gae(batch, v, v, 1, 0.9)
    with pytest.raises(ValueError, match=r"lam must be in \[0, 1\], got 1.5"):
        gae(batch, v, v, 0.9, 1.5)
    with pytest.raises(ValueError, match="next_v has shape"):
        gae(batch, v, v[:-1], 0.9, 0.9)
    with pytest.raises(ValueError, match="v must be finite"):
        gae(batch, v + np.nan, v, 0.9, 0.9)
    with pytest.raises(ValueError, match="targets has shape"):
        LinearValue().fit(np.zeros((4, 2)), np.zeros(4), np.zeros(3))
    empty = Batch(
        *(np.zeros((0, 2)), np.zeros(0, int), np.zeros(0), np.zeros((0, 2))),
        *(np.zeros(0, bool), np.zeros(0, bool), np.zeros(0, int)),
        *(np.zeros((2, 1), bool), np.zeros(0), np.zeros(0, int)),
    )
    with pytest.raises(ValueError, match="batch is empty"):
        gae(empty, np.zeros(0), np.zeros(0), 0.9, 0.9)
