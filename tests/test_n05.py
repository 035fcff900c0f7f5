"""What page 05 claims and its cells do not assert."""

from itertools import pairwise

import numpy as np
import pytest

from trpo_lite import lqr
from trpo_lite.bound import kl, penalty_constant
from trpo_lite.course import n05 as lesson
from trpo_lite.exact import max_kl_step, mean_kl_step, mirror_descent_step, mm_step
from trpo_lite.mdp import (
    TabularMDP,
    evaluate,
    random_mdp,
    random_policy,
    road_and_ice,
    shared_policy,
    uniform_policy,
)
from trpo_lite.surrogate import surrogate


def test_schulmans_price_falls_tenfold_and_the_kl_grows_a_hundredfold():
    world, old = lesson.toy()
    C = penalty_constant(old, world.gamma)
    ratio = mm_step(old, 0.9, C / 10).max_kl / mm_step(old, 0.9, C).max_kl
    assert 90 < ratio < 110


@pytest.mark.parametrize("delta", [0.01, 0.1, 1.0, 10.0])
def test_mean_kl_steps_on_a_table_never_fall(delta):
    rng = np.random.default_rng(3)
    for _ in range(8):
        world = random_mdp(rng)
        old = evaluate(world, random_policy(rng, 6, 3))
        pi = mean_kl_step(old, delta).pi
        assert (pi * old.advantage).sum(-1).min() > -1e-12
        assert evaluate(world, pi).performance > old.performance


def best_of_many(p, A, delta, inside, rng):
    """The largest p.A over random points pulled onto the ball's edge."""
    q = rng.dirichlet(np.full(len(p), 0.5), 20_000)
    share = lesson.halve(
        lambda x: inside(p + x[:, None] * (q - p)) <= delta,
        np.zeros(len(q)),
        np.ones(len(q)),
        40,
    )
    return ((p + share[:, None] * (q - p)) @ A).max()


@pytest.mark.parametrize("delta", lesson.balls.controls["delta"].values)
def test_steps_of_one_state_beat_every_other_point_of_their_ball(delta):
    p, A = lesson.P_OLD, lesson.ADVANTAGE
    assert abs(p @ A) < 1e-15
    rng = np.random.default_rng(0)
    ours, other = (f(p, A, delta) for f in (lesson.lecture_step, lesson.reverse_step))
    assert kl(p, ours) == pytest.approx(delta, rel=1e-6)
    greedy = delta > -np.log(p[2])
    assert kl(other, p) == pytest.approx(-np.log(p[2]) if greedy else delta, rel=1e-6)
    best = best_of_many(p, A, delta, lambda q: kl(p, q), rng)
    assert best <= ours @ A + 1e-9 and best > ours @ A - 0.02
    best = best_of_many(p, A, delta, lambda q: kl(q, p), rng)
    assert best <= other @ A + 1e-9 and best > other @ A - 0.02


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("delta", [0.01, 0.3, 1.0, 3.0])
def test_the_drawn_edge_has_kl_delta_or_is_a_side(delta, reverse):
    p = lesson.P_OLD
    edge = lesson.ball(p, delta, reverse)
    size = kl(edge, p) if reverse else kl(p, edge)
    on_side = edge.min(-1) < 1e-6
    np.testing.assert_allclose(size[~on_side], delta, rtol=1e-4)
    if reverse:
        assert (size[on_side] <= delta * (1 + 1e-6)).all()
        assert on_side.all() == (delta > -np.log(p.min()))
    else:
        assert edge.min() > 0  # however near the side comes


def test_small_balls_agree_and_large_ones_differ():
    p = lesson.P_OLD
    close = np.abs(lesson.ball(p, 1e-6) - lesson.ball(p, 1e-6, True)).max()
    assert close < 1e-2 * np.abs(lesson.ball(p, 1e-6) - p).max()
    assert np.abs(lesson.ball(p, 0.3) - lesson.ball(p, 0.3, True)).max() > 0.05


def test_level_lines_hold_the_level_inside_the_triangle():
    for level in (-0.4, 0.0, 0.7, 1.4):
        ends = lesson.level_line(lesson.ADVANTAGE, level)
        assert ends.shape == (2, 3) and ends.min() >= 0
        np.testing.assert_allclose(ends @ lesson.ADVANTAGE, level, atol=1e-12)


@pytest.mark.parametrize(
    "delta, L, gain", [(0.2, 2.10, 1.11), (0.5, 3.58, 0.64), (1.0, 5.00, -0.85)]
)
def test_the_road(delta, L, gain):
    p = lesson.road_step(delta)
    assert kl([0.9, 0.1], [1 - p, p]) == pytest.approx(delta, rel=1e-9)
    old = evaluate(road_and_ice(), shared_policy(0.1))
    new = evaluate(road_and_ice(), shared_policy(p))
    assert surrogate(old, new.pi) == pytest.approx(L, abs=0.006)
    assert new.performance - old.performance == pytest.approx(gain, abs=0.006)
    x, promise, truth = lesson.road_curves()
    assert np.interp(p, x, promise) == pytest.approx(L, abs=0.006)
    assert np.interp(p, x, truth) == pytest.approx(gain, abs=0.006)


def test_the_best_slider_step_of_the_road_is_not_the_largest():
    x, promise, truth = lesson.road_curves()
    at = [lesson.road_step(d) for d in lesson.road.controls["delta"].values]
    assert np.argmax(np.interp(at, x, promise)) == len(at) - 1
    assert lesson.road.controls["delta"].values[np.argmax(np.interp(at, x, truth))] == (
        0.2
    )


def test_kl_of_a_changed_gain_against_quadrature():
    k, new_k, sigma, s = -0.3, -0.4, 0.3, 2.0
    u = np.linspace(-6, 6, 200_001)
    log_old, log_new = (-((u - g * s) ** 2) / (2 * sigma**2) for g in (k, new_k))
    density = np.exp(log_old) / (sigma * np.sqrt(2 * np.pi))
    integral = np.sum(density * (log_old - log_new)) * (u[1] - u[0])
    assert integral == pytest.approx((new_k - k) ** 2 * s**2 / (2 * sigma**2))
    # no change of sigma, any change of k: unbounded in s
    A = lqr.advantage(lqr.scalar_lqr(), k, sigma, [1e3, 1e6], [0.0, 0.0])
    assert abs(A[1]) > 1e5 * abs(A[0])


def test_frozen_lake_spends_the_average_where_visits_are_rare():
    lake = TabularMDP.from_gymnasium("FrozenLake", 0.95)
    old = evaluate(lake, uniform_policy(lake))
    most, mean = max_kl_step(old, 0.05), mean_kl_step(old, 0.05)
    moves = np.ptp(old.advantage, axis=-1) > 1e-12
    np.testing.assert_allclose(most.kl[moves], 0.05)
    assert not most.kl[~moves].any()
    assert mean.kl[0] < 0.2 * 0.05 and mean.kl[14] > 30 * 0.05
    assert mean.surrogate > most.surrogate
    gains = [evaluate(lake, s.pi).performance for s in (most, mean)]
    assert old.performance < gains[0] < gains[1]


def test_the_race():
    mm = lesson.gap_closed("MM", 1, 60)
    assert mm[0] == 0 and (np.diff(mm) > 0).all() and 0.4 < mm[60] < 0.7
    for method in ("max", "mean"):
        share = lesson.gap_closed(method, 0.01, 20)
        assert np.argmax(share >= 0.99) in (14, 15)
        assert np.diff(share).min() > -1e-12 and share[-1] <= 1 + 1e-12


def test_mirror_step_is_the_packages_mirror_descent_at_its_price():
    world = random_mdp(np.random.default_rng(1))
    old = evaluate(world, uniform_policy(world))
    for beta in (0.3, 1.0, 5.0):
        step = mirror_descent_step(old, beta)
        for s in range(world.n_states):
            delta = float(kl(step.pi[s], old.pi[s]))
            mine = lesson.mirror_step.reference(old.pi[s], old.advantage[s], delta)
            np.testing.assert_allclose(mine, step.pi[s], atol=1e-6)


def marks(figure):
    """All that is drawn, as numbers and words."""
    axes = figure.axes[0]
    lines = [np.asarray(line.get_xydata()).round(6).tolist() for line in axes.lines]
    return lines, [text.get_text() for text in axes.texts]


@pytest.mark.parametrize("widget", lesson.widgets, ids=("balls", "road"))
def test_every_setting_draws_another_picture(widget):
    (name, control), *_ = widget.controls.items()
    pictures = [marks(widget.draw(**{name: value})) for value in control.values]
    assert all(a != b for a, b in pairwise(pictures))


def test_pictures_show_the_numbers():
    words = marks(lesson.draw_road(1.0))[1]
    assert "L = +5.00" in words and "J gains −0.85" in words
    words = " ".join(marks(lesson.draw_balls(0.3))[1])
    assert "0.30, 0.27, 0.43" in words and "0.28, 0.38, 0.34" in words
    assert "0.00, 0.00, 1.00" in " ".join(marks(lesson.draw_balls(3.0))[1])
