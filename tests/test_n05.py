"""What page 05 claims and its cells do not assert."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from trpo_lite import lqr
from trpo_lite.bound import bounds, kl, penalty_constant
from trpo_lite.course import n05 as lesson
from trpo_lite.course import n06
from trpo_lite.exact import max_kl_step, mean_kl_step, mm_step, penalized_step
from trpo_lite.mdp import (
    TabularMDP,
    evaluate,
    optimal_policy,
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
    low, p = lesson.road_ends(delta)
    assert kl([0.9, 0.1], [1 - p, p]) == pytest.approx(delta, rel=1e-9)
    if low > 0:
        assert kl([0.9, 0.1], [1 - low, low]) == pytest.approx(delta, rel=1e-6)
    old = evaluate(road_and_ice(), shared_policy(0.1))
    new = evaluate(road_and_ice(), shared_policy(p))
    assert surrogate(old, new.pi) == pytest.approx(L, abs=0.006)
    assert new.performance - old.performance == pytest.approx(gain, abs=0.006)
    x, promise, truth = lesson.road_curves()
    assert np.interp(p, x, promise) == pytest.approx(L, abs=0.006)
    assert np.interp(p, x, truth) == pytest.approx(gain, abs=0.006)
    assert lesson.road_at(p) == pytest.approx((L, gain), abs=0.006)
    # one p for both states: the largest KL is the average
    assert np.ptp(kl(old.pi, new.pi)) < 1e-12


def test_the_best_slider_step_of_the_road_is_not_the_largest():
    deltas = lesson.road.controls["delta"].values
    promise, gain = zip(*(lesson.road_at(lesson.road_ends(d)[1]) for d in deltas))
    assert np.argmax(promise) == len(deltas) - 1
    assert deltas[np.argmax(gain)] == 0.2
    assert max(gain) == pytest.approx(1.11, abs=0.005)


def test_the_largest_share_of_the_promise_is_not_the_largest_gain():
    """Closed forms: d(road), and the end of the region by Newton's method."""

    def d_road(p):
        return (1 + 0.9 * (1 - p) / 0.1) / (1 - 0.09 * p)

    def J(p):
        return p * (1.5 * d_road(p) - 5)  # 1 on the road, -.5 on the ice

    slope = (J(0.1 + 1e-6) - J(0.1 - 1e-6)) / 2e-6  # that of L
    gains, shares = [], []
    for delta in lesson.road.controls["delta"].values:
        p = 0.1 + np.sqrt(2 * delta * 0.09)
        for _ in range(60):
            size = 0.1 * np.log(0.1 / p) + 0.9 * np.log(0.9 / (1 - p))
            p = min(p - (size - delta) / (0.9 / (1 - p) - 0.1 / p), 0.99)
        gains.append(J(p) - J(0.1))
        shares.append(gains[-1] / slope / (p - 0.1))
    assert (np.diff(shares) < 0).all()
    assert shares[0] == pytest.approx(0.98, abs=0.005)
    assert gains[0] == pytest.approx(0.10, abs=0.005)
    best = np.argmax(gains)
    assert best == lesson.road.controls["delta"].values.index(0.2)
    assert gains[best] == pytest.approx(1.11, abs=0.005)
    assert 0.5 < shares[best] < 0.55


def test_kl_of_a_changed_gain_against_quadrature():
    k, new_k, sigma, s = -0.3, -0.4, 0.3, 2.0
    u = np.linspace(-6, 6, 200_001)
    log_old, log_new = (-((u - g * s) ** 2) / (2 * sigma**2) for g in (k, new_k))
    density = np.exp(log_old) / (sigma * np.sqrt(2 * np.pi))
    integral = np.sum(density * (log_old - log_new)) * (u[1] - u[0])
    assert integral == pytest.approx((new_k - k) ** 2 * s**2 / (2 * sigma**2))
    # a change of sigma alone has the same KL in every state: a limit allows some
    assert lqr.mean_kl(lqr.scalar_lqr(), (k, 0.3), (k, 0.31)) == pytest.approx(
        np.log(0.31 / 0.3) + 0.3**2 / (2 * 0.31**2) - 0.5
    )
    # any change of k: unbounded in s
    A = lqr.advantage(lqr.scalar_lqr(), k, sigma, [1e3, 1e6], [0.0, 0.0])
    assert abs(A[1]) > 1e5 * abs(A[0])


def test_in_the_linear_world_no_bound_speaks_for_a_change_of_gain():
    """E_pi A grows without bound in s, so CPO's largest |E_pi A| does too."""
    world, u = lqr.scalar_lqr(), np.linspace(-6, 6, 4001)
    density = np.exp(-(u**2) / 2) / np.sqrt(2 * np.pi) * (u[1] - u[0])
    for new_k in (-0.31, -0.4, -0.29):
        worst = []
        for s in (1e3, 1e4):
            A = lqr.advantage(
                world, -0.3, 0.3, np.full(u.shape, s), new_k * s + 0.3 * u
            )
            worst.append(abs(density @ A))
        assert worst[1] == pytest.approx(100 * worst[0], rel=1e-3) and worst[0] > 100


def on_the_lake(start=None):
    lake = TabularMDP.from_gymnasium("FrozenLake", 0.95)
    lake = lake if start is None else replace(lake, start=start)
    return lake, lesson.while_acting(lake, uniform_policy(lake))


def test_the_lake_is_averaged_over_the_cells_where_one_acts():
    """Else seventy per cent of the average were time after the end, all at KL 0."""
    lake, old = on_the_lake()
    every = evaluate(lake, old.pi)
    over = [5, 7, 11, 12, 15]
    assert not old.visitation[over].any()
    assert every.visitation[over].sum() / every.visitation.sum() == pytest.approx(
        0.699, abs=5e-4
    )
    acting = np.delete(np.arange(16), over)
    np.testing.assert_array_equal(old.visitation[acting], every.visitation[acting])
    loose = mean_kl_step(every, 0.05)
    weight = old.visitation / old.visitation.sum()
    assert weight @ loose.kl > 3 * 0.05
    assert weight @ mean_kl_step(old, 0.05).kl == pytest.approx(0.05)


def test_frozen_lake_spends_the_average_where_the_choice_matters():
    lake, old = on_the_lake()
    most, mean = max_kl_step(old, 0.05), mean_kl_step(old, 0.05)
    moves = np.ptp(old.advantage, axis=-1) > 1e-12
    np.testing.assert_allclose(most.kl[moves], 0.05)
    assert not most.kl[~moves].any()  # all actions tie: nothing to buy
    assert mean.kl[0] < 0.02 * 0.05 and mean.kl[14] > 22 * 0.05
    assert mean.surrogate > most.surrogate
    gains = [evaluate(lake, s.pi).performance for s in (most, mean)]
    assert old.performance < gains[0] < gains[1]
    ranks = [np.argsort(np.argsort(x[moves])) for x in (lesson.spread(old), mean.kl)]
    assert np.corrcoef(*ranks)[0, 1] == pytest.approx(0.98, abs=0.005)
    assert 85 < old.visitation[0] / old.visitation[14] < 95


def test_on_a_table_the_visits_cancel():
    """Whatever the start, the step at one price is the same: the spread decides."""
    _, old = on_the_lake()
    price = mean_kl_step(old, 0.05).multiplier / old.visitation.sum()
    step = penalized_step(old, price)
    for start in (np.full(16, 1 / 16), np.eye(16)[14], np.eye(16)[9]):
        _, other = on_the_lake(start)
        assert abs(other.visitation - old.visitation).max() > 0.5
        np.testing.assert_allclose(penalized_step(other, price).pi, step.pi)
        # but at one limit they set the price
        assert mean_kl_step(other, 0.05).kl[14] < 0.5 * step.kl[14]


def test_at_one_limit_a_rare_cell_moves_further():
    """The visits of the last cell before the goal alone are varied."""
    _, old = on_the_lake()
    moved = []
    for factor in (1, 10, 100):
        visits = old.visitation.copy()
        visits[14] *= factor
        other = mean_kl_step(replace(old, visitation=visits), 0.05)
        moved.append(other.kl[14] / 0.05)
    np.testing.assert_allclose(moved, [22.95, 14.14, 2.89], atol=0.01)


def test_kl_goes_like_the_spread_squared_for_small_limits_only():
    _, old = lesson.toy()
    square = lesson.spread(old) ** 2
    square /= old.visitation @ square / old.visitation.sum()
    small, large = (mean_kl_step(old, d).kl / d for d in (0.001, 0.1))
    np.testing.assert_allclose(small, square, atol=0.06)
    assert large[4] < large[5] and square[4] > 1.5 * square[5]  # states 5 and 6


def test_the_multiplier_is_a_slope_not_the_gain_of_one_unit():
    _, old = lesson.toy()
    low, here, high = (max_kl_step(old, d) for d in (1.09e-4, 1.1e-4, 1.11e-4))
    slope = (high.surrogate - low.surrogate) / 2e-6
    assert here.multiplier == pytest.approx(slope, rel=1e-3) and slope > 300
    assert max_kl_step(old, 1.00011).surrogate - here.surrogate < 6


def test_with_a_shared_parameter_a_limit_gives_steps_that_no_price_gives():
    """theta between .78 and 3.5 is best at no price; the limit .05 gives 1.60."""
    old = evaluate(road_and_ice(), shared_odds(0.0))
    d = old.visitation / old.visitation.sum()
    thetas = np.linspace(0, 8, 8001)
    L = np.array([surrogate(old, shared_odds(t)) for t in thetas])
    KL = np.array([d @ kl(old.pi, shared_odds(t)) for t in thetas])
    best = {thetas[np.argmax(L - b * KL)] for b in np.geomspace(0.1, 1000, 2000)}
    assert not [t for t in best if 0.8 < t < 3.5]
    assert [t for t in best if t <= 0.8] and [t for t in best if t >= 3.5]
    # L rises with theta: the best step within the limit is the last
    assert (np.diff(L) > 0).all()
    assert thetas[KL <= 0.05][-1] == pytest.approx(1.603, abs=0.002)


def test_no_fixed_limit_is_small_enough_near_an_optimum():
    """Exact steps on the road fall at once they pass the best p, at any delta."""
    falls = []
    for delta in (1e-2, 1e-4, 1e-6):
        p, J, count = 0.3, -np.inf, 0
        while True:
            e = evaluate(road_and_ice(), shared_policy(p))
            if e.performance < J:
                break
            J, count = e.performance, count + 1
            rise = n06.slope(e.visitation, e.advantage)
            p = n06.edge(p, delta, np.sign(rise))
        falls.append(count)
    assert falls == [2, 14, 135]


def shared_odds(theta):
    """Fast with log-odds z + theta on the road, z + 5 theta on the ice; z of .01."""
    odds = np.exp(theta * np.array([1, 5])) / 99
    return np.stack([1 / (1 + odds), odds / (1 + odds)], -1)


def test_with_a_shared_parameter_change_is_cheap_where_visits_are_rare():
    world, on_ice = road_and_ice(), []
    base = evaluate(world, shared_odds(0.0))
    thetas = np.linspace(0, 2, 20_001)
    KL = np.array([kl(base.pi, shared_odds(t)) for t in thetas])
    for share in (0, 0.1, 0.5, 1):
        e = evaluate(replace(world, start=np.array([1 - share, share])), base.pi)
        np.testing.assert_allclose(e.advantage, base.advantage)
        mean = KL @ e.visitation / e.visitation.sum()
        last = np.flatnonzero(mean <= 0.05)[-1]
        # and at one price, 10
        L = np.array([surrogate(e, shared_odds(t)) for t in thetas[::20]])
        best = 20 * np.argmax(L - 10 * mean[::20])
        on_ice.append((KL[last, 1] / 0.05, KL[best, 1] / 0.05))
    limited, priced = zip(*on_ice, strict=True)
    np.testing.assert_allclose(limited, [67.3, 40.4, 15.1, 8.5], atol=0.06)
    np.testing.assert_allclose(priced, [2.9, 0.99, 0.15, 0.038], rtol=0.02)


def test_delta_decides_whether_the_average_is_worse_than_the_largest_kl():
    old = evaluate(road_and_ice(), shared_odds(0.0))
    d = old.visitation / old.visitation.sum()
    thetas = np.linspace(0, 5.5, 5501)
    KL = np.array([kl(old.pi, shared_odds(t)) for t in thetas])
    J = np.array([evaluate(road_and_ice(), shared_odds(t)).performance for t in thetas])
    gains = J - old.performance
    assert gains.max() == pytest.approx(0.072, abs=5e-4)
    for delta, largest, average in (
        (0.005, 0.017, 0.071),
        (0.05, 0.046, -0.852),
        (1, -0.004, -3.217),
    ):
        ends = [gains[x <= delta][-1] for x in (KL.max(1), KL @ d)]
        assert ends == pytest.approx([largest, average], abs=6e-4)


def test_both_limits_keep_a_promise_for_small_steps():
    """Largest KL: Schulman's bound; average KL: CPO's, a hundred times as far."""
    world = road_and_ice()
    old = evaluate(world, shared_odds(0.0))
    C = penalty_constant(old, 0.9)
    d = old.visitation / old.visitation.sum()

    def promises(theta):
        new = shared_odds(theta)
        L, KL = surrogate(old, new), kl(old.pi, new)
        worst = np.abs((new * old.advantage).sum(-1)).max()
        cpo = np.sqrt(2 * KL @ d) * 0.9 * worst / 0.1**2
        return L - C * KL.max(), L - cpo

    found = bounds(old, shared_odds(0.1), 0.9)
    assert found["CPO KL"] == pytest.approx(promises(0.1)[1])
    assert promises(0.0021)[0] > 0 > promises(0.0023)[0]
    assert promises(0.21)[1] > 0 > promises(0.23)[1]
    for theta in (1e-4, 1e-3):
        true = evaluate(world, shared_odds(theta)).performance - old.performance
        assert 0 < max(promises(theta)) <= true


def test_guessed_advantages_harm_a_good_policy_more_than_a_poor_one():
    """Shares of worlds in which J falls, n = 1: the page's, from 800 worlds each."""
    found = []
    for good in (0.8, 0.0):
        rng, falls = np.random.default_rng(11), np.zeros(3)
        for _ in range(150):
            world = random_mdp(rng)
            mixed = good * optimal_policy(world) + (1 - good) * uniform_policy(world)
            old = evaluate(world, mixed)
            guess = one_run_advantage(world, mixed, rng)
            for i, delta in enumerate((0.01, 0.1, 1.0)):
                pi = max_kl_step(replace(old, advantage=guess), delta).pi
                fell = old.performance > evaluate(world, pi).performance
                falls[i] += fell
                if fell:  # by the identity
                    assert (pi * old.advantage).sum(-1).min() < 0
        found.append(falls / 150)
    pages = np.array([[3.4, 10.4, 27.3], [3.4, 3.4, 3.8]]) / 40
    np.testing.assert_allclose(found, pages, rtol=0, atol=0.1)
    assert found[0][2] > 4 * found[1][2]


def one_run_advantage(world, pi, rng):
    """From one run of 60 steps after each state and action, all at once."""
    q, S = np.array(world.R).ravel(), world.n_states

    def draw(chances):  # one of each row
        return (rng.random(len(q))[:, None] > chances.cumsum(-1)[:, :-1]).sum(-1)

    now = draw(world.P.reshape(-1, S))
    for t in range(1, 61):
        action = draw(pi[now])
        q += world.gamma**t * world.R[now, action]
        now = draw(world.P[now, action])
    q = q.reshape(pi.shape)
    return q - (pi * q).sum(-1, keepdims=True)


def test_the_race():
    mm = lesson.gap_closed("MM", 1, 60)
    assert mm[0] == 0 and (np.diff(mm) > 0).all() and 0.4 < mm[60] < 0.7
    for method in ("max", "mean"):
        share = lesson.gap_closed(method, 0.01, 20)
        assert np.argmax(share >= 0.99) in (14, 15)
        assert np.diff(share).min() > -1e-12 and share[-1] <= 1 + 1e-12


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
    words = " ".join(marks(lesson.draw_road(1.0))[1])
    assert "L = +5.00" in words and "J gains -0.85" in words
    words = " ".join(marks(lesson.draw_balls(0.3))[1])
    assert "0.30, 0.27, 0.43" in words and "0.28, 0.38, 0.34" in words
    assert "0.00, 0.00, 1.00" in " ".join(marks(lesson.draw_balls(3.0))[1])
