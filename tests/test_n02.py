"""Notebook 02: what the page claims, against something independent."""

from itertools import product

import numpy as np
import pytest

from trpo_lite import lqr
from trpo_lite.course import n02 as lesson
from trpo_lite.course.table import number
from trpo_lite.mdp import (
    evaluate,
    policy_iteration,
    random_mdp,
    random_policy,
    road_and_ice,
    sample_trajectories,
    shared_policy,
)
from trpo_lite.surrogate import surrogate

WORLD = road_and_ice()
OLD = evaluate(WORLD, shared_policy(0.1))
NEW = evaluate(WORLD, shared_policy(0.4))


def by_time(mdp, pi, horizon=600):
    """J by adding expected rewards over time: no linear solve."""
    at, J = mdp.start.copy(), 0.0
    for t in range(horizon):
        J += mdp.gamma**t * (at[:, None] * pi * mdp.R).sum()
        at = np.einsum("s,sa,sax->x", at, pi, mdp.P)
    return J


def test_terms_add_up_to_the_improvement_over_time():
    rng = np.random.default_rng(0)
    for _ in range(20):
        mdp = random_mdp(rng, 5, 3)
        pi_old, pi = random_policy(rng, 5, 3), random_policy(rng, 5, 3)
        eta = by_time(mdp, pi) - by_time(mdp, pi_old)
        terms = lesson.improvement_terms_reference(mdp, pi_old, pi)
        assert terms.sum() == pytest.approx(eta, abs=1e-10)
        # the page's terms have the same sum and are others
        pages = lesson.judged_by_the_old(mdp, pi_old, pi)
        assert pages.sum() == pytest.approx(eta, abs=1e-10)
        assert np.abs(pages - terms).max() > 1e-3


def test_mean_td_error_is_the_advantage_by_trying():
    """Road, fast: two TD errors, neither of them A; their sampled mean is near A."""
    rng = np.random.default_rng(0)
    following = (rng.random(200_000) < 0.9).astype(int)  # to the ice with .9
    ones = np.ones(len(following))
    delta = lesson.td_error_reference(
        ones, OLD.v, np.zeros(len(ones), int), following, 0.9
    )
    assert len(set(np.round(delta, 9))) == 2
    assert np.abs(delta - OLD.advantage[0, 1]).min() > 0.01
    assert delta.mean() == pytest.approx(OLD.advantage[0, 1], abs=1e-3)


def test_believing_the_brace_picks_badly():
    """By simulation, where the page enumerates 81 outcomes."""
    lake, _ = lesson.frozen_lake()
    coin = policy_iteration(lake)[0]
    rng = np.random.default_rng(0)
    n, s = 100_000, 10
    samples = np.stack(
        [
            lake.R[s, a] + 0.99 * coin.v[rng.choice(16, n, p=lake.P[s, a])]
            for a in range(4)
        ],
        axis=1,
    )
    top = np.isclose(samples, samples.max(1, keepdims=True))
    chosen = (top / top.sum(1, keepdims=True))[:, coin.q[s].argmax()].mean()
    assert chosen == pytest.approx(0.358, abs=0.01)
    assert samples.max(1).mean() == pytest.approx(0.3246, abs=0.005)
    assert coin.q[s].max() == pytest.approx(0.1837, abs=1e-4)
    # state 10 touches the goal, the last of 4 x 4 cells, at a corner only
    assert lake.P[s, :, 15].max() == 0 and divmod(10, 4) == (2, 2)


@pytest.mark.parametrize("T", [1, 5, 40])
def test_paths_telescope(T):
    rng = np.random.default_rng(T)
    paths = sample_trajectories(WORLD, NEW.pi, 50, T, rng)
    lengths = rng.integers(1, T + 1, size=50)
    s, r = paths.states, paths.rewards * (np.arange(T) < lengths[:, None])
    total = np.zeros(50)
    for i in range(50):
        for t in range(lengths[i]):
            delta = r[i, t] + 0.9 * OLD.v[s[i, t + 1]] - OLD.v[s[i, t]]
            total[i] += 0.9**t * delta
    estimate, half = lesson.improvement_estimate_reference(r, OLD.v[s], lengths, 0.9)
    assert estimate == pytest.approx(total.mean(), abs=1e-12)
    assert half == pytest.approx(1.96 * total.std() / np.sqrt(49))


def test_of_a_single_path_only_lines_3_and_4_are_equal():
    """By a loop over time; and their spread, which the page states as .8."""
    paths = sample_trajectories(WORLD, NEW.pi, 4000, 100, np.random.default_rng(3))
    s, a, r = paths.states, paths.actions, paths.rewards
    line3, line4, line5 = (np.zeros(4000) for _ in range(3))
    for t in range(100):
        here, then = OLD.v[s[:, t]], OLD.v[s[:, t + 1]]
        line3 += 0.9**t * r[:, t] + 0.9**t * (0.9 * then - here)
        line4 += 0.9**t * (r[:, t] + 0.9 * then - here)
        line5 += 0.9**t * OLD.advantage[s[:, t], a[:, t]]
    assert np.abs(line3 - line4).max() < 1e-12
    assert np.abs(line4 - line5).max() > 0.1
    for line in (line4, line5):
        assert line.std() == pytest.approx(0.82, abs=0.03)
        assert line.mean() == pytest.approx(1.106, abs=4 * 0.82 / np.sqrt(4000))


def test_a_cut_path_with_its_tail_is_t_steps_of_pi_and_then_pi_old():
    T = 5
    at, J, tail = WORLD.start.copy(), 0.0, 0.0
    for t in range(T):
        J += 0.9**t * (at[:, None] * NEW.pi * WORLD.R).sum()
        at = np.einsum("s,sa,sax->x", at, NEW.pi, WORLD.P)
    for t in range(T, 600):
        tail += 0.9**t * (at[:, None] * OLD.pi * WORLD.R).sum()
        at = np.einsum("s,sa,sax->x", at, OLD.pi, WORLD.P)
    paths = sample_trajectories(WORLD, NEW.pi, 100_000, T, np.random.default_rng(0))
    estimate, half = lesson.improvement_estimate_reference(
        paths.rewards, OLD.v[paths.states], np.full(100_000, T), 0.9
    )
    exact = J + tail - OLD.performance
    assert exact == pytest.approx(0.557, abs=1e-3)
    assert estimate == pytest.approx(exact, abs=2 * half) and half < 0.01
    assert estimate + 10 * half < 1.106  # so it is no interval for J - J_old
    assert J - OLD.performance < 0.1 * 1.106  # without the tail: "hardly better"


@pytest.mark.parametrize(
    ("p", "seems_better", "digits"), [(0.9, 1.8, 1), (0.74, 0.34, 2)]
)
def test_without_its_tail_a_driver_of_negative_values_beats_himself(
    p, seems_better, digits
):
    bold = evaluate(WORLD, shared_policy(p))
    at, J = WORLD.start.copy(), 0.0
    for t in range(5):
        J += 0.9**t * (at[:, None] * bold.pi * WORLD.R).sum()
        at = np.einsum("s,sa,sax->x", at, bold.pi, WORLD.P)
    assert list(bold.v < 0) == [p == 0.9, True]
    assert round(J - bold.performance, digits) == seems_better


def test_lqr_advantage_is_the_mean_td_error():
    """E[delta | s, u] with v = -(P s^2 + h), then its mean by summing in time."""
    k, std, g = -0.2, 0.3, 0.9
    D = 1 - g * (1 + k) ** 2
    P = (1 + k**2) / D
    h = (1 + g * P) * std**2 / (1 - g)
    kappa, E = 1 + g * P, k + g * P * (1 + k)
    s, u = np.random.default_rng(0).normal(size=(2, 50))
    delta = -(s**2 + u**2) - g * (P * (s + u) ** 2 + h) + P * s**2 + h
    e = u - k * s
    np.testing.assert_allclose(delta, -kappa * (e**2 - std**2) - 2 * E * s * e)
    world = lqr.scalar_lqr()
    for k_new, std_new in ((-0.59, 0.1), (-1.2, 0.3), (-0.2, 0.1)):
        moment, total = 1.0, 0.0
        dk = k_new - k
        for t in range(1000):
            mean = -kappa * (std_new**2 - std**2 + dk**2 * moment) - 2 * E * dk * moment
            total += g**t * mean
            moment = (1 + k_new) ** 2 * moment + std_new**2
        J = lqr.performance(world, k_new, std_new) - lqr.performance(world, k, std)
        assert total == pytest.approx(J, abs=1e-10)


def test_lqr_error_is_all_in_the_moment():
    world, old = lqr.scalar_lqr(), (-0.2, 0.3)
    it = lqr.evaluate(world, *old)
    kappa, E, M = (
        float(x[0, 0])
        for x in (it.action_curvature, it.advantage_error, it.state_moment)
    )
    signs = set()
    for new in ((-0.59, 0.1), (-0.59, 0.3), (-0.1, 0.3), (-1.2, 0.1), (-1.2, 0.3)):
        dk = new[0] - old[0]
        M_new = float(lqr.evaluate(world, *new).state_moment[0, 0])
        eta = lqr.performance(world, *new) - it.performance
        gap = eta - lqr.surrogate(world, old, new)
        assert gap == pytest.approx(-(kappa * dk**2 + 2 * E * dk) * (M_new - M))
        signs.add((new[0] < -1, gap > 0))
    assert signs == {(False, False), (True, True)}
    # the three ways to be exact: no change of k; one gain; the same moment
    noise = np.sqrt(((1 - 0.9 * 0.7**2) * M - 1) / 9)  # of M' = M at k' = -0.3
    assert noise == pytest.approx(0.392, abs=5e-4)
    one_gain = -0.2 - 2 * E / kappa
    assert one_gain == pytest.approx(-1.1765, abs=1e-4)
    for new, same in (
        ((-0.2, 0.1), False),
        ((one_gain, 0.1), False),
        ((-1.8, 0.3), True),
        ((-0.3, noise), True),
    ):
        eta = lqr.performance(world, *new) - it.performance
        assert lqr.surrogate(world, old, new) == pytest.approx(eta)
        change = float(lqr.evaluate(world, *new).state_moment[0, 0]) - M
        assert (abs(change) < 1e-9) if same else (abs(change) > 1)


def test_eight_formulas():
    sums = {}
    for d, pi, A in product((OLD, NEW), repeat=3):
        key = "".join("no"[x is OLD] for x in (d, pi, A))
        sums[key] = d.visitation @ (pi.pi * A.advantage).sum(1)
    eta = by_time(WORLD, NEW.pi) - by_time(WORLD, OLD.pi)
    for zero in ("nnn", "ono", "noo", "ooo", "onn"):
        assert (abs(sums[zero]) < 1e-12) == (zero != "ono")
    assert sums["nno"] == pytest.approx(eta)
    assert sums["oon"] == pytest.approx(-eta)
    assert sums["ono"] == pytest.approx(surrogate(OLD, NEW.pi))
    assert sums["non"] == pytest.approx(surrogate(NEW, OLD.pi))


def test_lake_numbers():
    lake, letters = lesson.frozen_lake()
    coin, greedy = policy_iteration(lake)[:2]
    shares = (greedy.pi * coin.advantage).sum(1)
    eta = by_time(lake, greedy.pi, 4000) - by_time(lake, coin.pi, 4000)
    assert shares @ greedy.visitation == pytest.approx(eta, abs=1e-10)
    assert shares @ coin.visitation < 0.1 * eta
    assert shares.min() > -1e-12 and min(greedy.visitation) >= 0
    before = [9, 10, 13, 14]
    made = (greedy.visitation * shares)[before].sum() / eta
    assert made == pytest.approx(0.79, abs=0.01)  # four fifths
    now, visits = lake.start, np.zeros(16)  # of the coin, by time
    for t in range(3000):
        visits, now = visits + 0.99**t * now, now @ lake.P.mean(1)
    assert visits[before].sum() == pytest.approx(0.34, abs=0.005)
    assert shares.min() > -1e-12
    assert letters.shape == (4, 4)
    # the new policy takes the largest advantage wherever there is a choice
    choice = np.ptp(coin.advantage, axis=1) > 1e-12
    taken = greedy.pi[choice].argmax(1)
    np.testing.assert_allclose(
        coin.advantage[choice, taken], coin.advantage[choice].max(1)
    )


@pytest.mark.parametrize("target", lesson.TARGETS)
@pytest.mark.parametrize("alpha", [0.0, 0.04, 0.5, 0.8, 1.0])
def test_mixture_numbers(alpha, target):
    pi = (1 - alpha) * OLD.pi + alpha * lesson.TARGETS[target]
    eta = by_time(WORLD, pi) - by_time(WORLD, OLD.pi)
    left, terms = lesson.mixture_numbers(alpha, target)
    assert left == pytest.approx(eta, abs=1e-10)
    assert terms.sum() == pytest.approx(eta, abs=1e-10)
    left, swapped = lesson.mixture_numbers(alpha, target, lesson.OLD)
    assert left == pytest.approx(eta, abs=1e-10)
    assert swapped.sum() == pytest.approx(surrogate(OLD, pi), abs=1e-12)


def test_claims_about_the_mixture():
    alpha, left, right = lesson.mixture_curves(lesson.ROAD_ONLY, lesson.OLD)
    assert right[40] == pytest.approx(5.84, abs=0.01) and alpha[40] == 0.8
    assert left[40] == pytest.approx(3.97, abs=0.01)
    np.testing.assert_allclose(np.diff(right, 2), 0, atol=1e-12)  # a straight line
    slope, terms = lesson.mixture_numbers(1e-6, lesson.ROAD_ONLY, lesson.OLD)
    assert slope == pytest.approx(terms.sum(), rel=1e-4)
    # the visits to the ice that the page names
    pi = lesson.mixed_policy(0.8, lesson.ROAD_ONLY)
    assert evaluate(WORLD, pi).visitation[1] == pytest.approx(4.0, abs=0.05)
    assert OLD.visitation[1] == pytest.approx(0.8, abs=0.05)
    # fast on the road only: too high, with the right sign
    assert (right[1:] > left[1:]).all() and (left[1:] > 0).all()
    assert right[2] - left[2] == pytest.approx(0.0075, abs=5e-5)
    # fast on the ice only: too low, with the right sign; one term is left
    alpha, left, right = lesson.mixture_curves(lesson.ICE_ONLY, lesson.OLD)
    assert (right[1:] < left[1:]).all() and (left[1:] < 0).all()
    assert right[40] == pytest.approx(-1.02, abs=0.01)
    assert left[40] == pytest.approx(-0.93, abs=0.01)
    # the four terms at both ends, towards fast on the road only
    _, terms = lesson.mixture_numbers(0.0, lesson.ROAD_ONLY)
    by_hand = OLD.visitation[:, None] * OLD.pi * OLD.advantage
    assert terms == pytest.approx(by_hand)
    assert terms == pytest.approx(np.array([[-0.73, 0.73], [0.05, -0.05]]), abs=0.005)
    eta, terms = lesson.mixture_numbers(1.0, lesson.ROAD_ONLY)
    assert terms.argmax() == 1 and np.abs(terms).max() == terms[0, 1]
    assert (terms[0, 1], eta) == pytest.approx((4.36, 4.65), abs=0.005)
    _, terms = lesson.mixture_numbers(1.0, lesson.ICE_ONLY)
    assert (np.abs(terms) > 1e-12).tolist() == [[True, False], [False, False]]


def test_the_words_of_the_mixture_follow_its_settings():
    for widget in lesson.widgets:
        for settings in widget.settings():
            eta, terms = lesson.mixture_numbers(**settings)
            words = widget.words(**settings)
            assert f"improvement {number(eta, '.2f')}" in words
            assert f"sum {number(terms.sum(), '.2f')}" in words


def heights(figure):
    return [bar.get_height() for bar in figure.axes[0].patches]


def test_drawn_bars_are_the_terms_the_sum_and_the_truth():
    for visits in (lesson.NEW, lesson.OLD):
        eta, terms = lesson.mixture_numbers(0.4, lesson.ROAD_ONLY, visits)
        drawn = heights(lesson.draw_mixture(0.4, lesson.ROAD_ONLY, visits))
        assert drawn == pytest.approx([*terms.ravel(), terms.sum(), eta])
        assert (drawn[4] == pytest.approx(drawn[5])) == (visits == lesson.NEW)


@pytest.mark.parametrize("widget", lesson.widgets)
def test_every_control_changes_the_bars(widget):
    default = heights(widget.draw(**widget.defaults))
    for settings in list(widget.settings())[1:]:
        if settings != widget.defaults:
            other = heights(widget.draw(**settings))
            assert np.abs(np.subtract(other, default)).max() > 0.01


def test_every_bar_stays_in_the_picture():
    for widget in lesson.widgets:
        for settings in widget.settings():
            figure = widget.draw(**settings)
            low, high = figure.axes[0].get_ylim()
            assert low + 0.4 < min(heights(figure)) < max(heights(figure)) < high - 0.5


def test_static_figures_draw():
    figures = (
        lesson.draw_rollouts([(0.1, 0, 0.1), (1.5, 1, 0.2)]),
        lesson.draw_lqr((-0.2, 0.3), 0.3),
    )
    for figure in figures:
        figure.draw_without_rendering()
        for axes in figure.axes:
            assert axes.get_xlabel() and axes.get_ylabel()
    maps = lesson.draw_lake(
        np.arange(16) / 100, np.arange(16) / 1000, np.eye(4)[[0] * 16]
    )
    images = [axes.images[0] for axes in maps.axes[:2]]
    assert images[0].get_clim() == images[1].get_clim()
