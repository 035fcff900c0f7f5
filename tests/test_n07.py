"""What page 07 claims and its cells do not assert."""

from dataclasses import replace
from itertools import islice

import numpy as np
import pytest

from trpo_lite import lqr
from trpo_lite.advantage import (
    LinearValue,
    discounted_sum,
    gae,
    normalize,
    value_targets,
)
from trpo_lite.course import n07 as lesson
from trpo_lite.exact import mean_kl_step, penalized_step
from trpo_lite.mdp import (
    TabularMDP,
    chain,
    evaluate,
    random_mdp,
    random_policy,
    road_and_ice,
    sample_trajectories,
    shared_policy,
)
from trpo_lite.rollout import collect


def bold():
    world, pi = road_and_ice(), shared_policy(lesson.FAST)
    return world, pi, evaluate(world, pi)


def stale():
    return evaluate(road_and_ice(), shared_policy(lesson.CAREFUL)).v


def transitions(world, pi):
    return np.einsum("sa,sax->sx", pi, world.P)


@pytest.mark.parametrize("lam", [0, 0.3, 0.9, 1])
def test_expected_gae_is_the_sum_of_expected_td_errors(lam):
    rng = np.random.default_rng(0)
    world, pi = random_mdp(rng), random_policy(rng, 6, 3)
    V = rng.normal(size=6)
    delta = world.R + world.gamma * world.P @ V - V[:, None]
    found, chance = np.array(delta), np.array(world.P)  # [S, A, S], s_{t+l}
    for power in range(1, 400):
        mean = chance @ (pi * delta).sum(-1)
        found += (world.gamma * lam) ** power * mean
        chance = chance @ transitions(world, pi)
    np.testing.assert_allclose(
        lesson.expected_gae(world, pi, V, lam), found, atol=1e-10
    )
    exact = evaluate(world, pi)
    np.testing.assert_allclose(
        lesson.expected_gae(world, pi, exact.v, lam), exact.advantage, atol=1e-11
    )


def test_at_lambda_one_any_value_is_only_a_baseline():
    rng = np.random.default_rng(1)
    world, pi = random_mdp(rng), random_policy(rng, 6, 3)
    exact, V = evaluate(world, pi), rng.normal(size=6)
    off = lesson.expected_gae(world, pi, V, 1) - exact.advantage
    np.testing.assert_allclose(off, np.tile((exact.v - V)[:, None], 3), atol=1e-11)
    np.testing.assert_allclose(
        lesson.centred(pi, lesson.expected_gae(world, pi, V, 1)),
        exact.advantage,
        atol=1e-11,
    )


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_before_a_cut_the_error_of_V_at_the_cut_is_left(steps):
    rng = np.random.default_rng(2)
    world, pi = random_mdp(rng), random_policy(rng, 6, 3)
    exact, V, gamma = evaluate(world, pi), rng.normal(size=6), world.gamma
    delta = world.R + gamma * world.P @ V - V[:, None]
    found, chance = np.array(delta), np.array(world.P)  # [S, A, S], s_{t+l}
    for power in range(1, steps):
        found += gamma**power * chance @ (pi * delta).sum(-1)
        chance = chance @ transitions(world, pi)
    at_the_cut = gamma**steps * chance @ (V - exact.v)
    np.testing.assert_allclose(
        found - exact.advantage, (exact.v - V)[:, None] + at_the_cut, atol=1e-11
    )
    if steps == 1:
        np.testing.assert_allclose(found, lesson.expected_gae(world, pi, V, 0))


def centred_errors_before_a_cut(world, pi, error, steps):
    """Centred E[GAE(1)] - A, 1 ... steps rows before the cut, [steps, S, A]."""
    exact, gamma = evaluate(world, pi), world.gamma
    V, found = exact.v + error, []
    delta = world.R + gamma * world.P @ V - V[:, None]
    mean = delta
    for _ in range(steps):
        found.append(lesson.centred(pi, mean) - exact.advantage)
        mean = delta + gamma * world.P @ (pi * mean).sum(-1)
    return np.array(found)


def test_before_a_cut_the_bias_is_bounded_and_need_not_fall():
    rng = np.random.default_rng(3)
    for _ in range(20):
        world, pi, error = random_mdp(rng), random_policy(rng, 6, 3), rng.normal(size=6)
        off = centred_errors_before_a_cut(world, pi, error, 12)
        bound = world.gamma ** np.arange(1, 13) * np.ptp(error)
        assert (np.abs(off).max((1, 2)) <= bound).all()
    world, pi = chain(6), np.full((6, 2), 0.5)
    off = centred_errors_before_a_cut(world, pi, np.eye(6)[5], 3)
    in_state_3 = np.abs(off[:, 3]).max(1)
    np.testing.assert_allclose(in_state_3, (0, 0.162, 0.073), atol=5e-4)


def test_with_0_at_the_cut_the_slope_is_4_percent_too_small():
    world, steps = lqr.scalar_lqr(), 50
    it = lqr.evaluate(world, lesson.GAIN, lesson.STD)
    closed, P = 1 + lesson.GAIN, it.value_matrix.item()
    square = np.ones(steps)  # E[s_t^2]
    for t in range(1, steps):
        square[t] = closed**2 * square[t - 1] + lesson.STD**2
    left = steps - np.arange(steps)
    slope = (-2 * it.advantage_error.item() * square).mean()
    # E[score v(s_{t + h})] through the first action alone
    at_the_cut = (-2 * P * world.gamma**left * closed ** (2 * left - 1) * square).mean()
    assert slope < 0 and at_the_cut / slope == pytest.approx(0.04, abs=1e-3)


def test_nearer_to_v_may_be_more_biased_and_a_common_error_is_harmless():
    world, pi, old = bold()
    share = 0.1 * old.visitation[:, None] * pi

    def bias(V, lam):
        mean = world.R + world.gamma * world.P @ V - V[:, None]  # lambda 0
        if lam:
            mean = lesson.expected_gae(world, pi, V, lam)
        off = lesson.centred(pi, mean) - old.advantage
        return np.sqrt((share * off**2).sum())

    half = np.array([old.v[0], stale()[1]])
    assert ((half - old.v) ** 2).sum() < ((stale() - old.v) ** 2).sum()
    assert bias(stale(), 0) == pytest.approx(0.349, abs=5e-4)
    assert bias(half, 0) == pytest.approx(1.03, abs=5e-3)
    for lam in (0, 0.5, 0.9):
        assert bias(old.v + 100, lam) < 1e-10


def test_a_common_error_does_harm_where_an_action_ends_the_world():
    """The end has value 0 and so lacks the error: from -5 on, ending looks good."""
    world, pi = lesson.ride(off=0.2)
    old = evaluate(world, pi)
    alive = np.arange(world.n_states) < world.n_states - 1

    def off(error, lam):
        A = lesson.expected_gae(world, pi, old.v + error * alive, lam)
        return lesson.centred(pi, A)[0, 2]

    assert old.advantage[0, 2] == pytest.approx(off(0, 0))
    assert off(0, 0) == pytest.approx(-2.86, abs=5e-3)
    assert off(-5, 0) == pytest.approx(0.74, abs=5e-3)
    assert off(-5, 1) == pytest.approx(old.advantage[0, 2])


def test_a_poor_baseline_scatters_more_than_none():
    world, pi, old = bold()
    runs = sample_trajectories(world, pi, 20_000, 80, np.random.default_rng(6))
    s, a = runs.states, runs.actions
    weights = 0.9 ** np.arange(80)
    slope = old.visitation @ (old.advantage[:, 1] - old.advantage[:, 0]) * 0.09
    spread = []
    for V in (old.v, np.zeros(2), stale()):
        delta = runs.rewards + 0.9 * V[s[:, 1:]] - V[s[:, :-1]]
        A_hat = discounted_sum_of(delta, 0.9)
        g = ((a - lesson.FAST) * A_hat) @ weights
        half = 1.96 * g.std() / np.sqrt(len(g))
        assert g.mean() == pytest.approx(slope, abs=2 * half)  # no bias
        spread.append(g.var())
    good, none, poor = spread
    assert good < 0.5 * none
    assert poor / none == pytest.approx(1.7, abs=0.1)


def discounted_sum_of(x, factor):  # [n, T], backwards in time
    found, later = np.zeros_like(x), 0.0
    for t in reversed(range(x.shape[1])):
        found[:, t] = later = x[:, t] + factor * later
    return found


def test_the_sign_on_the_road_turns_between_08_and_09():
    world, pi, old = bold()
    assert old.advantage[0, 1] < 0
    for lam, sign in ((0, 1), (0.8, 1), (0.9, -1), (1, -1)):
        mean = lesson.centred(pi, lesson.expected_gae(world, pi, stale(), lam))
        assert np.sign(mean[0, 1]) == sign


def exact_spread(world, pi, V, lam):
    """sd of GAE(lam) given s, a, [S, A]: the second moment by a linear solve."""
    factor = world.gamma * lam
    delta = world.R[:, :, None] + world.gamma * V - V[:, None, None]
    mean = lesson.expected_gae(world, pi, V, lam)
    w = (pi * mean).sum(-1)
    known = (world.P * (delta**2 + 2 * factor * delta * w)).sum(-1)
    system = np.eye(len(V)) - factor**2 * transitions(world, pi)
    second = np.linalg.solve(system, (pi * known).sum(-1))
    square = known + factor**2 * world.P @ second
    return np.sqrt(np.maximum(square - mean**2, 0))


@pytest.mark.parametrize("values", lesson.tradeoff.controls["values"].options)
def test_sampled_spread_agrees_with_the_exact_one(values):
    world, pi, old = bold()
    V = {"exact": old.v, "zero": np.zeros(2), "careful driver's": stale()}[values]
    A, mean, spread, share = lesson.tables(values)
    assert share.sum() == pytest.approx(1)
    np.testing.assert_allclose(A, old.advantage.ravel())
    for i in (0, 20, 36, 40):
        sd = exact_spread(world, pi, V, lesson.LAMBDAS[i]).ravel()
        np.testing.assert_allclose(spread[i], sd, rtol=0.12, atol=1e-6)
        expected = lesson.expected_gae(world, pi, V, lesson.LAMBDAS[i])
        np.testing.assert_allclose(mean[i], lesson.centred(pi, expected).ravel())


def test_the_best_lambda_grows_with_the_number_of_samples():
    sizes = lesson.tradeoff.controls["n"].values
    best = [np.argmin(lesson.errors("careful driver's", n)[2]) for n in sizes]
    assert best == sorted(best) and best[0] < 25 and best[-1] == 40
    said = (0.4, 0.7, 0.875, 0.975, 1)  # in the page's answer
    np.testing.assert_allclose(lesson.LAMBDAS[best], said)
    for n in sizes:
        bias, _, both = lesson.errors("exact", n)
        assert bias.max() < 1e-12 and np.argmin(both) == 0


def test_bias_falls_and_scatter_rises_with_lambda_whatever_the_value():
    world, pi, old = bold()
    share = 0.1 * old.visitation[:, None] * pi
    for V in (stale(), np.zeros(2), old.v):
        found = []
        for lam in np.linspace(0, 1, 21):
            mean = lesson.centred(pi, lesson.expected_gae(world, pi, V, lam))
            variance = exact_spread(world, pi, V, lam) ** 2
            found.append(
                [(share * x).sum() for x in ((mean - old.advantage) ** 2, variance)]
            )
        bias, variance = np.transpose(found)
        assert (np.diff(bias) < 1e-12).all() and (np.diff(variance) > -1e-12).all()


def test_elsewhere_only_a_lambda_near_1_lowers_the_bias():
    """Two ways of two steps, V wrong in their middle: GAE(0) does not see it, .5 does.

    The ways part in state 0 and meet again there: 0 -> 1 -> 3 -> 0, 0 -> 2 -> 4 -> 0.
    """
    P = np.zeros((5, 2, 5))
    P[0, 0, 1] = P[0, 1, 2] = 1
    for now, then in ((1, 3), (2, 4), (3, 0), (4, 0)):
        P[now, :, then] = 1
    world = TabularMDP(P, np.zeros((5, 2)), 0.9, np.eye(5)[0])
    pi, V, found = np.full((5, 2), 0.5), np.array([0, 0, 0, 1.0, -1.0]), []
    for lam in (0, 0.5, 0.9, 1):  # all true values are 0
        mean = lesson.centred(pi, lesson.expected_gae(world, pi, V, lam))
        found.append(np.abs(mean).max())
    # gamma lambda times the TD error gamma V, less gamma^2 lambda^2 V
    expected = [0.81 * lam * (1 - lam) for lam in (0, 0.5, 0.9, 1)]
    np.testing.assert_allclose(found, expected, atol=1e-12)
    assert found[1] > found[2] > found[0]


def test_tradeoff_draws_its_numbers():
    figure = lesson.draw_tradeoff(lam=0.5, n=100, values="zero")
    left, right = figure.axes
    curves = [line.get_ydata() for line in left.lines if len(line.get_ydata()) == 41]
    np.testing.assert_allclose(curves, lesson.errors("zero", 100))
    drawn = [line.get_ydata() for line in right.lines if len(line.get_ydata()) == 4]
    assert any(np.allclose(y, lesson.tables("zero")[0]) for y in drawn)
    assert any(np.allclose(y, lesson.tables("zero")[1][20]) for y in drawn)


def test_as_batch_keeps_paths_apart():
    world, pi, old = bold()
    runs = sample_trajectories(world, pi, 7, 11, np.random.default_rng(0))
    batch = lesson.as_batch(runs)
    assert (runs.states[:, :-1] == batch.to_grid(batch.observations).T).all()
    assert (runs.states[:, 1:] == batch.to_grid(batch.next_observations).T).all()
    assert (np.arange(11) == batch.to_grid(batch.time).T).all()
    assert batch.truncated.sum() == 7 and not batch.terminated.any()
    hand = runs.rewards + 0.9 * old.v[runs.states[:, 1:]] - old.v[runs.states[:, :-1]]
    got = gae(batch, old.v[batch.observations], old.v[batch.next_observations], 0.9, 1)
    np.testing.assert_allclose(batch.to_grid(got).T, discounted_sum(hand.T, 0.9).T)


@pytest.mark.parametrize("gamma", [0.5, 0.9, 0.99])
def test_wrong_values_are_means_of_returns_that_stop_at_the_limit(gamma):
    world, pi = road_and_ice(gamma), shared_policy(lesson.FAST)
    limit = 12
    wrong = lesson.wrong_values(gamma, limit)
    assert wrong.shape == (limit - 1, 2)
    runs = sample_trajectories(world, pi, 20_000, limit, np.random.default_rng(0))
    returns = discounted_sum(runs.rewards.T, gamma).T
    for s in (0, 1):
        x = returns[runs.states[:, :-1] == s]
        assert abs(x.mean() - wrong[-1, s]) < 0.06
    far = lesson.wrong_values(gamma, 3000)[-1]
    np.testing.assert_allclose(far, evaluate(world, pi).v, rtol=0.05)


def test_short_limits_are_harmless_at_a_small_gamma_only():
    exact, wrong = lesson.limit_curves(0.5)
    np.testing.assert_allclose(wrong[20 - 2], exact, rtol=0.05)
    exact, wrong = lesson.limit_curves(0.99)
    np.testing.assert_allclose(wrong[-1] / exact, 0.37, atol=0.005)
    figure = lesson.draw_limit(0.99)
    drawn = [line.get_ydata() for line in figure.axes[0].lines]
    assert any(np.array_equal(y, wrong[:, 0]) for y in drawn)
    assert any(np.array_equal(y, wrong[:, 1]) for y in drawn)


@pytest.mark.parametrize("seed", [1, 3, 7])
def test_better_baselines_scatter_less_and_all_runs_are_truncated(seed):
    world, env, policy = lesson.lqr_world(episodes=200, horizon=50)
    rng = np.random.default_rng(seed)
    first, state = collect(env, policy, 200 * 51, rng)
    batch, _ = collect(env, policy, 200 * 51, rng, state)
    assert batch.truncated.sum() == 200 and not batch.terminated.any()
    V = LinearValue(time_degree=0)

    def values(b):
        return V.predict(b.observations, b.time), V.predict(b.next_observations, b.time)

    for _ in range(5):
        V = V.fit(
            first.observations, first.time, value_targets(first, *values(first), 0.9)
        )
    fitted, after = values(batch)
    v = lqr.value(world, lesson.GAIN, lesson.STD, batch.observations)
    assert np.sqrt(np.mean((fitted - v) ** 2)) < 0.2
    y = fitted + gae(batch, fitted, after, 0.9, 1.0)
    assert 0.3 < 1 - np.var(y - v) / np.var(y) < 0.5
    s, u = batch.observations[:, 0], batch.actions[:, 0]
    score = (u - lesson.GAIN * s) * s / lesson.STD**2
    shorter = (gae(batch, fitted, after, 0.9, lam) for lam in (0.9, 0.0))
    kinds = (y, y - y.mean(), y - fitted, *shorter)
    spread = [batch.to_grid(score * x, 0.0).sum(0).var() for x in kinds]
    constant, parabola, long, short = np.divide(spread[1:], spread[0])
    assert 0.3 < constant < 0.58 and 0.08 < parabola < 0.2
    assert short < long < parabola


def test_what_baselines_save_over_many_episodes():
    """The last column, where 200 episodes are too few to know it well."""
    _, env, policy = lesson.lqr_world(episodes=200, horizon=50)
    first, _ = collect(env, policy, 200 * 51, np.random.default_rng(0))
    V = LinearValue(time_degree=0)
    for _ in range(5):  # the page's own V
        now, after = (
            V.predict(s, first.time)
            for s in (first.observations, first.next_observations)
        )
        y = value_targets(first, now, after, 0.9)
        V = V.fit(first.observations, first.time, y)
    n, k, std, rng = 50_000, lesson.GAIN, lesson.STD, np.random.default_rng(20)
    s, u = np.empty((51, n)), std * rng.normal(size=(50, n))  # runs of our own
    s[0] = rng.normal(size=n)
    for t in range(50):
        u[t] += k * s[t]
        s[t + 1] = s[t] + u[t]
    r, rows = -(s[:-1] ** 2 + u**2), s.reshape(-1, 1)
    v = lqr.value(lqr.scalar_lqr(), k, std, rows).reshape(s.shape)
    fitted = V.predict(rows, np.zeros(s.size)).reshape(s.shape)
    y = discounted_sum_of(np.vstack([r, fitted[-1:]]).T, 0.9).T[:-1]
    delta = r + 0.9 * fitted[1:] - fitted[:-1]
    kinds = (y, y - y.mean(), y - fitted[:-1], y - v[:-1])
    kinds += (discounted_sum_of(delta.T, 0.81).T, delta)
    score = (u - k * s[:-1]) * s[:-1] / std**2
    spread = np.array([(score * x).sum(0).var() for x in kinds])
    needs = 1000 * spread[1:] / spread[0]
    np.testing.assert_allclose(needs, (400, 130, 115, 115, 70), rtol=0.06)


def test_a_limit_ignores_scale_and_shift_and_a_price_the_shift():
    rng = np.random.default_rng(4)
    old = evaluate(random_mdp(rng), random_policy(rng, 6, 3))
    A = old.advantage
    limited, priced = (
        [step(replace(old, advantage=x), 0.3).pi for x in (A, 100 * A, A - 3)]
        for step in (mean_kl_step, penalized_step)
    )
    np.testing.assert_allclose(limited[1], limited[0], atol=1e-8)
    np.testing.assert_allclose(limited[2], limited[0], atol=1e-8)
    np.testing.assert_allclose(priced[2], priced[0], atol=1e-8)
    assert np.abs(priced[1] - priced[0]).max() > 0.05


def table_of(pi, s, a, advantages):
    """By definition: sum_a pi'(a|s) table(s, a) is the mean of ratio * A in s."""
    table = np.zeros(pi.shape)
    for state, action in np.ndindex(*pi.shape):
        here = s == state
        if here.any():
            x = np.where(here & (a == action), advantages, 0).sum() / here.sum()
            table[state, action] = x / pi[state, action]
    return table - (pi * table).sum(-1, keepdims=True)


def noisy_rides(noise, seed):
    """The ride and its policy, evaluated; then (V, states, actions, sums of TD errors).

    Endless; of 50 runs each, in which `off` was never tried, with V wrong by `noise`.
    """
    ride, pi = lesson.ride()
    now, rng = evaluate(ride, pi), np.random.default_rng(seed)

    def batches():
        while True:
            runs = sample_trajectories(ride, pi, 50, 20, rng)
            s, a = runs.states[:, :-1], runs.actions
            if (a == 2).any():
                continue
            V = now.v + noise * np.append(rng.normal(size=4), 0)
            delta = runs.rewards + 0.9 * V[runs.states[:, 1:]] - V[s]
            yield V, s, a, discounted_sum(delta.T, 0.9 * 0.97).T

    return ride, now, batches()


@pytest.mark.parametrize("noise", [1.0, 1e-3])
def test_normalised_noise_takes_a_full_step_towards_what_was_never_tried(noise):
    ride, now, batches = noisy_rides(noise, 5)
    pi, changes = now.pi, []
    assert np.ptp(now.advantage[:4, :2]) < 1e-12 and now.advantage[0, 2] < -9
    for V, s, a, sums in islice(batches, 10):
        advantages = normalize(sums)
        old = replace(now, advantage=table_of(pi, s, a, advantages))
        step = mean_kl_step(old, 0.01)
        assert step.mean_kl == pytest.approx(0.01, rel=1e-6)
        assert step.pi[:4, 2].max() > pi[0, 2]
        tried = np.array([advantages[s == i].mean() for i in range(4)])
        assert (tried[step.pi[:4, 2] > pi[0, 2]] < 0).all()  # off gains only there
        assert np.corrcoef(tried, now.v[:4] - V[:4])[0, 1] > 0.9  # it is V's error
        changes.append(evaluate(ride, step.pi).performance - now.performance)
    assert np.mean(np.array(changes) < 0) >= 0.9 and np.mean(changes) < -0.05


def test_small_noise_alone_moves_away_from_what_was_never_tried():
    _, now, batches = noisy_rides(1e-3, 6)
    pi = now.pi
    for _, s, a, x in islice(batches, 5):
        assert min(x[s == i].mean() for i in range(4)) > 0
        plain, less, normal = (
            mean_kl_step(replace(now, advantage=table_of(pi, s, a, y)), 0.01).pi
            for y in (x, x - x.mean(), normalize(x))
        )
        assert (plain[:4, 2] < pi[0, 2]).all()
        np.testing.assert_allclose(less, normal, atol=1e-9)  # the mean, not the scale


@pytest.mark.parametrize(
    ("noise", "low", "high", "falls"),
    [(1e-6, 0, 0.01, (0.2, 0.6)), (1e-3, 0.22, 0.42, (0.95, 1))],
)
def test_how_much_of_the_step_goes_into_what_was_never_tried(noise, low, high, falls):
    ride, now, batches = noisy_rides(noise, 5)
    pi, shares, changes = now.pi, [], []
    for _, s, a, sums in islice(batches, 60):
        x = normalize(sums)
        old = replace(now, advantage=table_of(pi, s, a, x))
        new = mean_kl_step(old, 0.01).pi
        # terms p log(p / q) - p + q >= 0: they add up to the KL
        terms = (pi * np.log(pi / new) - pi + new)[:4].sum(0)
        shares.append(terms[2] / terms.sum())
        changes.append(evaluate(ride, new).performance - now.performance)
    assert low < np.mean(shares) < high
    assert falls[0] <= np.mean(np.array(changes) < 0) <= falls[1]
    if noise == 1e-6:  # next to nothing: J is 9.99
        assert abs(np.mean(changes)) < 1e-3 and min(changes) > -0.05
