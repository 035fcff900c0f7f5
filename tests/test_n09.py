"""What page 09 claims and its cells do not assert."""

from itertools import pairwise

import numpy as np
import pytest

from trpo_lite import lqr, mdp
from trpo_lite.course import n09 as lesson
from trpo_lite.natural_gradient import natural_step_exact
from trpo_lite.policies import TabularSoftmax
from trpo_lite.trpo import npg_update, policy_gradient_update

SPOTS = [(-0.1, 0.3), (-1.9, 0.7), (-0.588, 0.02), (-0.3, 0.1)]


@pytest.mark.parametrize("gamma", [0.5, 0.9, 0.97])
@pytest.mark.parametrize("k, sigma", SPOTS)
def test_velocities_are_the_gradients_of_the_package(gamma, k, sigma):
    world = lqr.scalar_lqr(gamma=gamma)
    for log_sigma, parameter in ((False, "std"), (True, "log_std")):
        scale = np.array([1, sigma if log_sigma else 1])
        g = np.concatenate(lqr.gradient(world, k, sigma, parameter), axis=None)
        F = lqr.fisher(world, k, sigma, parameter)
        mine = lesson.velocity(gamma, k, sigma, False, log_sigma)
        np.testing.assert_allclose(mine, scale * g, rtol=1e-10)
        mine = lesson.velocity(gamma, k, sigma, True, log_sigma)
        np.testing.assert_allclose(mine, scale * np.linalg.solve(F, g), rtol=1e-10)


def gap(gamma, natural, log_sigma):
    return abs(lesson.paths(gamma, natural, log_sigma)[1] - lesson.best_gain(gamma))


def test_the_gaps_of_the_picture():
    assert gap(0.9, False, False) == pytest.approx(0.3135, abs=1e-4)
    assert gap(0.9, False, True) == pytest.approx(0.0004, abs=1e-4)
    for log_sigma in (False, True):
        assert gap(0.9, True, log_sigma) == pytest.approx(0.0435, abs=1e-4)


@pytest.mark.parametrize("gamma", lesson.fields.controls["gamma"].values)
def test_vanilla_is_worse_in_sigma_and_better_in_log_sigma(gamma):
    assert gap(gamma, False, False) > 3 * gap(gamma, True, False) > 0
    assert gap(gamma, False, True) < gap(gamma, True, True)
    # the slider's question: a smaller discount makes vanilla better
    gammas = lesson.fields.controls["gamma"].values
    assert all(gap(a, 0, 0) < gap(b, 0, 0) for a, b in pairwise(gammas))


@pytest.mark.parametrize("gamma", [0.5, 0.9, 0.97])
@pytest.mark.parametrize("natural, log_sigma", [(0, 0), (0, 1), (1, 0)])
def test_flows_are_integrated_finely_enough(gamma, natural, log_sigma):
    for start in lesson.STARTS:
        for end, steps in ((0.1, 120), (0.03, 600)):
            one, two = (
                lesson.flow(gamma, start, end, natural, log_sigma, n)[-1]
                for n in (steps, 3 * steps)
            )
            np.testing.assert_allclose(one, two, atol=1e-4)
    for curve in lesson.paths(gamma, natural, log_sigma)[0]:
        assert len(curve) < 150 and np.abs(np.diff(curve[:, 0])).max() < 0.2
        assert (np.diff(curve[:, 1]) <= 0).all()
        assert curve[-1, 1] == pytest.approx(0.02)


def test_no_arrow_is_zero_and_all_have_one_drawn_length():
    x, y = np.linspace(-1.95, -0.05, 9), np.linspace(0.02, 0.8, 7)
    for gamma in lesson.fields.controls["gamma"].values:
        for natural, log_sigma in ((0, 0), (0, 1), (1, 0)):
            field = lesson.velocity(gamma, x, y[:, None], natural, log_sigma)
            assert np.isfinite(field).all() and np.hypot(*field).min() > 1e-6
            drawn = lesson.arrows(x, y, *field)
            shaft = (drawn[:, 1] - drawn[:, 0]) / [x[1] - x[0], y[1] - y[0]]
            np.testing.assert_allclose(np.linalg.norm(shaft, axis=-1), 0.8)
            # it points the way the field goes
            way = np.stack(field, -1).reshape(-1, 2) / [x[1] - x[0], y[1] - y[0]]
            assert ((shaft * way).sum(-1) > 0).all()


def drawn(figure):
    return [
        (
            axes.get_title(),
            [np.nan_to_num(line.get_xydata()).round(6).tolist() for line in axes.lines],
        )
        for axes in figure.axes
    ]


def test_each_control_changes_what_it_should():
    base = drawn(lesson.draw_fields(0.9, "σ"))
    other = drawn(lesson.draw_fields(0.9, "log σ"))
    assert base[0] != other[0] and base[1] == other[1]
    assert base[0][0] == "vanilla: gap 0.3135 at σ = .1"
    assert other[0][0] == "vanilla: gap 0.0004 at σ = .1"
    assert base[1][0] == "natural: gap 0.0435 at σ = .1"
    values = lesson.fields.controls["gamma"].values
    pictures = [drawn(lesson.draw_fields(gamma, "σ")) for gamma in values]
    assert all(a[0] != b[0] and a[1] != b[1] for a, b in pairwise(pictures))


def test_the_step_figure_touches_its_ellipse():
    world = lqr.scalar_lqr()
    g = np.concatenate(lqr.gradient(world, -0.1, 0.3), axis=None)
    H = lqr.fisher(world, -0.1, 0.3)
    edge = lesson.draw_step(g, H, 0.01, (-0.1, 0.3)).axes[0].lines[0].get_xydata()
    steps = edge - [-0.1, 0.3]
    np.testing.assert_allclose(np.einsum("ni,ij,nj->n", steps, H, steps) / 2, 0.01)
    best = natural_step_exact(g, H, 0.01)
    assert (steps @ g).max() <= best.predicted_surrogate * (1 + 1e-12)
    assert (steps @ g).max() > 0.999 * best.predicted_surrogate


def test_the_multiplier_is_the_gain_per_unit_of_delta():
    world = lqr.scalar_lqr()
    g = np.concatenate(lqr.gradient(world, -0.1, 0.3), axis=None)
    H = lqr.fisher(world, -0.1, 0.3)
    price = np.sqrt(g @ np.linalg.solve(H, g) / 0.02)
    gains = [
        natural_step_exact(g, H, 0.01 + h).predicted_surrogate for h in (-1e-6, 1e-6)
    ]
    assert np.diff(gains)[0] / 2e-6 == pytest.approx(price, rel=1e-6)


def test_a_longer_way_in_log_sigma_and_in_sigma_agree_to_first_order():
    world, best = lqr.scalar_lqr(), lesson.best_gain(0.9)
    ends = []
    for delta in (1e-4, 1e-6):
        pair = []
        for parameter in ("std", "log_std"):
            g = np.concatenate(lqr.gradient(world, best, 0.3, parameter), axis=None)
            F = lqr.fisher(world, best, 0.3, parameter)
            step = natural_step_exact(g, F, delta).step[1]
            pair.append(step if parameter == "std" else 0.3 * np.expm1(step))
        ends.append(abs(pair[0] - pair[1]) / abs(pair[0]))
    assert ends[1] == pytest.approx(ends[0] / 10, rel=0.02)  # second order in the step


def test_the_tables_natural_direction_is_the_advantage_where_it_goes():
    world = mdp.chain(5)
    e = mdp.evaluate(world, np.tile([0.8, 0.2], (5, 1)))
    policy = TabularSoftmax.from_probabilities(e.pi)
    eta = 0.01
    theta = policy.theta + eta * e.advantage.ravel() / (1 - world.gamma)
    new = policy.with_theta(theta).probabilities()
    weights = e.pi * np.exp(eta * e.advantage / (1 - world.gamma))
    weights /= weights.sum(-1, keepdims=True)
    np.testing.assert_allclose(new, weights, atol=1e-14)
    # F x = g, with the Fisher product of the package over every state, weighted by d
    x = e.advantage.ravel() / (1 - world.gamma)
    each = [policy.at(np.array([s])).fisher_product(x) for s in range(5)]
    Fx = (1 - world.gamma) * e.visitation @ np.array(each)
    g = (e.visitation[:, None] * e.pi * e.advantage).ravel()
    np.testing.assert_allclose(Fx, g, atol=1e-12)


@pytest.mark.parametrize("name", ["chain", "grid"])
def test_samples_estimate_visits_and_advantages(name):
    world = lesson.worlds()[name]
    pi = mdp.random_policy(np.random.default_rng(1), world.n_states, world.n_actions)
    e = mdp.evaluate(world, pi)
    rows, advantages = lesson.sample(world, pi, 40_000, np.random.default_rng(2))
    share = np.bincount(rows.observations, minlength=world.n_states) / len(rows)
    np.testing.assert_allclose(share, 0.1 * e.visitation, atol=0.01)
    s = np.argmax(e.visitation)
    for a in range(world.n_actions):
        mine = advantages[(rows.observations == s) & (rows.actions == a)].mean()
        assert mine == pytest.approx(e.advantage[s, a], abs=0.02)


def median_end(world, update, seeds=8, **size):
    ends = []
    for seed in range(seeds):
        rng = np.random.default_rng(500 + seed)
        policy = TabularSoftmax.zeros(world.n_states, world.n_actions)
        for _ in range(40):
            rows, A = lesson.sample(world, policy.probabilities(), 50, rng)
            policy, _ = update(policy, rows, A, **size)
        ends.append(mdp.evaluate(world, policy.probabilities()).performance)
    best = mdp.evaluate(world, mdp.optimal_policy(world)).performance
    return np.median(ends) / best


def test_the_verdicts_hold_for_other_seeds_too():
    chain, grid = lesson.worlds().values()
    natural = {"delta": 0.01, "damping": 1e-3}
    assert median_end(chain, npg_update, **natural) > 0.8
    assert median_end(grid, npg_update, **natural) > 0.8
    assert median_end(chain, policy_gradient_update, learning_rate=300) < 0.7
    assert median_end(grid, policy_gradient_update, learning_rate=10) < 0.7
    assert median_end(grid, npg_update, delta=0.1, damping=1e-3) < 0.8


def test_less_exploration_makes_the_slope_harder_to_find():
    world, found = lqr.scalar_lqr(), []
    for sigma in (0.3, 0.03):
        s, u, r = lqr.sample_trajectories(
            world, -0.3, sigma, 20_000, 60, np.random.default_rng(11)
        )
        s, u = s[:, :-1, 0], u[..., 0]
        further = (0.9 ** np.arange(60) * r)[:, ::-1].cumsum(1)[:, ::-1]
        one = ((u + 0.3 * s) * s / sigma**2 * further).sum(1)
        true = lqr.gradient(world, -0.3, sigma)[0].item()
        assert abs(one.mean() - true) < 4 * one.std() / np.sqrt(len(one))
        found.append(one.std() / abs(true))
    assert found[1] > 5 * found[0]
