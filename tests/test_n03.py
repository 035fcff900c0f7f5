"""Notebook 03: what the page claims, against something independent."""

import json
from math import comb
from pathlib import Path

import numpy as np
import pytest

from trpo_lite import lqr
from trpo_lite.course import n00
from trpo_lite.course import n03 as lesson
from trpo_lite.mdp import (
    TabularMDP,
    evaluate,
    random_mdp,
    random_policy,
    road_and_ice,
    sample_trajectories,
    shared_policy,
)
from trpo_lite.surrogate import surrogate


def improvement(mdp, old, pi):
    return evaluate(mdp, pi).performance - old.performance


def test_price_is_the_variance_of_importance_sampling():
    rng = np.random.default_rng(0)
    A = evaluate(road_and_ice(), shared_policy(0.1)).advantage[0]
    for p in (0.05, 0.3, 0.9):
        mean, variance, share = lesson.exact_price(p)
        fast = rng.random(400_000) < 0.1
        ratio = np.where(fast, p / 0.1, (1 - p) / 0.9)
        terms = ratio * A[fast.astype(int)]
        assert mean == pytest.approx((1 - p) * A[0] + p * A[1])
        assert mean == pytest.approx(terms.mean(), abs=0.02)
        assert variance == pytest.approx(terms.var(), rel=0.02)
        assert share == pytest.approx(1 / np.mean(ratio**2), rel=0.02)
    grid = np.linspace(0, 1, 101)
    _, variance, share = np.transpose([lesson.exact_price(p) for p in grid])
    assert (np.diff(variance) > 0).all() and grid[share.argmax()] == 0.1
    assert lesson.exact_price(0.1)[2] == pytest.approx(1)
    assert lesson.exact_price(1.0)[2] == pytest.approx(0.1)


def test_the_effective_size_is_not_what_the_draws_are_worth():
    """The page's 498, 302, 134 and 15 for A, and 2250 for the share of slow.

    By their meaning: as many direct draws have a mean of the same variance.
    """
    A = evaluate(road_and_ice(), shared_policy(0.1)).advantage[0]
    n, data_sets = 1000, 200_000
    rng = np.random.default_rng(0)
    fast = rng.binomial(n, 0.1, data_sets)

    def worth(p, f):
        weighted = (fast * (p / 0.1) * f[1] + (n - fast) * ((1 - p) / 0.9) * f[0]) / n
        one_direct = (p * (1 - p)) * (f[1] - f[0]) ** 2
        return one_direct / weighted.var()

    for p, expected in ((0.2, 498), (0.3, 302), (0.5, 134), (0.9, 15)):
        assert worth(p, A) == pytest.approx(expected, rel=0.02)
        assert n * lesson.exact_price(p)[2] > 1.5 * expected
    assert n * lesson.exact_price(0.2)[2] == pytest.approx(900)
    assert worth(0.2, np.array([1.0, 0.0])) == pytest.approx(2250, rel=0.02)
    assert worth(0.05, A) == pytest.approx(1710, rel=0.02)  # the spread may pay


def test_the_interval_covers_in_about_19_of_20_data_sets():
    A = evaluate(road_and_ice(), shared_policy(0.1)).advantage[0]
    fast = np.random.default_rng(0).binomial(1000, 0.1, 20_000) / 1000
    slow_term, fast_term = 0.7 / 0.9 * A[0], 3 * A[1]
    mean = (1 - fast) * slow_term + fast * fast_term
    spread = np.sqrt(fast * (1 - fast) * 1000 / 999) * abs(fast_term - slow_term)
    covered = np.abs(mean - shared_policy(0.3)[0] @ A) < 1.96 * spread / 1000**0.5
    assert covered.mean() == pytest.approx(0.95, abs=0.01)


def test_the_paths_that_are_missing_at_p_08():
    def eight_of_ten(p):
        return sum(comb(10, k) * p**k * (1 - p) ** (10 - k) for k in (8, 9, 10))

    assert eight_of_ten(0.8) == pytest.approx(2 / 3, abs=0.02)
    assert eight_of_ten(0.1) == pytest.approx(4e-7, rel=0.1)


def test_J_with_the_old_visits_has_another_slope():
    """All three by summing over time, without a linear solve."""
    world = road_and_ice(0.9)

    def over_time(states_of, actions_of, reward, horizon=600):
        x, total = world.start, 0.0
        step = (shared_policy(states_of)[:, :, None] * world.P).sum(1)
        for t in range(horizon):
            total += 0.9**t * x @ (shared_policy(actions_of) * reward).sum(1)
            x = x @ step
        return total

    def slopes(p_old, h=1e-5):
        A = evaluate(world, shared_policy(p_old)).advantage
        up, down = p_old + h, p_old - h
        J = over_time(up, up, world.R) - over_time(down, down, world.R)
        L = over_time(p_old, up, A) - over_time(p_old, down, A)
        old = over_time(p_old, up, world.R) - over_time(p_old, down, world.R)
        return J / (2 * h), L / (2 * h), old / (2 * h)

    assert slopes(0.1) == pytest.approx((7.537, 7.537, 8.774), abs=1e-3)
    assert slopes(0.4) == pytest.approx((-0.271, -0.271, 4.959), abs=1e-3)


def test_what_the_sliders_show():
    """The folded answers of the page, on fine grids."""
    best, below = {}, {}
    for gamma in (0.5, 0.98):
        p, eta, _ = lesson.road_curves(0.1, gamma, points=1001)
        best[gamma] = p[np.argmax(eta)]
        below[gamma] = p[(p > 0.1) & (eta < 0)]
    assert best == pytest.approx({0.5: 0.70, 0.98: 0.36}, abs=5e-3)
    assert not below[0.5].size and below[0.98][0] == pytest.approx(0.61, abs=5e-3)
    p, eta, L = lesson.road_curves(0.9, 0.9, points=1001)
    assert (L[0], eta[0]) == pytest.approx((13.4, 1.7), abs=0.05)
    assert (np.diff(L) < 0).all() and eta[p < 0.899].min() > 0
    # at .5 the visits decide, at .9 they don't
    world, slow_to_fast = road_and_ice(0.9), np.array([-1, 1])
    rare = evaluate(world, shared_policy(0.1)).visitation
    half, fast = (evaluate(world, shared_policy(x)) for x in (0.5, 0.9))
    assert 0.1 * half.visitation[1] == pytest.approx(0.42, abs=0.005)
    rise = half.advantage @ slow_to_fast
    assert half.visitation @ rise < -1 and rare @ rise > 1
    assert (fast.advantage @ slow_to_fast < -0.1).all()
    p, eta, L = lesson.road_curves(0.5, 0.9, points=1001)
    assert np.interp(0.49, p, eta) > 0 and np.argmax(L) == 0
    assert (L[0], eta[0]) == pytest.approx((1.5, -1.8), abs=0.05)
    x = np.arange(0, 1.001, 0.02)
    world, start = lqr.scalar_lqr(), lesson.LQR_START
    eta = np.array([lqr.improvement(world, start, lesson.lqr_policy(y)) for y in x])
    L = np.array([lqr.surrogate(world, start, lesson.lqr_policy(y)) for y in x])
    best, fall = np.argmax(eta), np.argmax((eta < 0) & (x > 0.1))
    assert (x[best], x[fall]) == pytest.approx((0.26, 0.80))
    assert (L[best], L[fall]) == pytest.approx((16.7, 20.1), abs=0.05)


def test_without_support_the_mean_ratio_tells():
    """p_old = 0: every ratio is 1 - p, all terms are alike, and the mean is wrong."""
    old = evaluate(road_and_ice(), shared_policy(0.0))
    assert old.advantage[0] == pytest.approx([0, 1])
    assert shared_policy(0.5)[0] @ old.advantage[0] == pytest.approx(0.5)
    slow = (shared_policy(0.5)[0] / np.array([1, np.inf]))[0]
    assert slow == 0.5 and slow * old.advantage[0, 0] == 0


@pytest.mark.parametrize("N, share", [(1000, 0.05), (200, 0.073), (50, 0.122)])
def test_a_mean_ratio_is_off_by_chance_in_about_one_data_set_of_twenty(N, share):
    """Both actions are in each set of many draws, and 1 lies outside all the same."""
    fast = np.random.default_rng(0).binomial(N, 0.1, 20_000) / N
    ratio = 3 * fast + 7 / 9 * (1 - fast)
    spread = np.sqrt(fast * (1 - fast) * N / (N - 1)) * (3 - 7 / 9)
    outside = np.abs(ratio - 1) > 1.96 * spread / N**0.5
    assert outside.mean() == pytest.approx(share, abs=0.01)
    if N == 1000:
        assert (fast > 0).all()
        assert (outside & (ratio > 1)).any() and (outside & (ratio < 1)).any()


def test_the_fast_tenth_carries_p_of_the_weight():
    fast = np.random.default_rng(0).random(200_000) < 0.1
    for p in (0.2, 0.5, 0.9):
        weight = np.where(fast, p / 0.1, (1 - p) / 0.9)
        assert weight[fast].sum() / weight.sum() == pytest.approx(p, abs=0.01)


def test_a_mean_ratio_near_1_may_hide_a_catastrophe():
    """A third action, taken in 2 % of the steps and never seen in the data."""
    old, new = np.array([0.8999, 0.1, 0.0001]), np.array([0.68, 0.3, 0.02])
    f, n = np.array([0, 1, -100.0]), 1000
    counts = np.random.default_rng(0).multinomial(n, old, 20_000)
    unseen = counts[:, 2] == 0
    assert unseen.mean() == pytest.approx(0.9999**n, abs=0.01) and unseen.mean() > 0.9
    estimate = counts @ (new / old * f) / n
    spread = np.sqrt((counts @ (new / old * f) ** 2 / n - estimate**2) / (n - 1))
    assert (np.abs(estimate - new @ f) > 1.96 * spread)[unseen].all()
    mean_ratio = counts @ (new / old) / n
    assert np.median(mean_ratio) == pytest.approx(0.98, abs=0.005)


def test_product_of_ratios_loses_its_sample_geometrically():
    """Exact by enumerating all 2^T paths of actions."""
    old, new, T = np.array([0.9, 0.1]), np.array([0.7, 0.3]), 10
    paths = np.indices((2,) * T).reshape(T, -1)
    probability = old[paths].prod(0)
    ratio = (new / old)[paths].prod(0)
    share = (probability @ ratio) ** 2 / (probability @ ratio**2)
    assert share == pytest.approx((old @ (new / old) ** 2) ** -T)


def test_ratios_per_state_and_action_would_leave_half_of_the_sample():
    """With the visits in closed form."""

    def shares(p):
        road = (1 + 0.9 * (1 - p) / 0.1) / (1 - 0.09 * p) / 10
        return np.array([road, 1 - road])

    old, new = (np.outer(shares(p), [p, 1 - p]).ravel() for p in (0.1, 0.3))
    assert 1 / (old @ (new / old) ** 2) == pytest.approx(0.50, abs=0.005)


@pytest.mark.parametrize(
    ("gamma", "horizon", "p", "covers", "median"),
    [
        (0.9, 60, 0.2, (0.86, 1), (0.97, 1.03)),
        (0.9, 60, 0.3, (0.75, 1), (0.90, 1.05)),
        (0.9, 60, 0.8, (0, 0.4), (-1.0, 0.0)),  # the wrong sign
        (0.98, 300, 0.3, (0, 0.75), (0.4, 0.9)),  # late steps count: it fails
    ],
)
def test_products_serve_near_the_old_policy_if_late_steps_count_little(
    gamma, horizon, p, covers, median
):
    """Fifty data sets of 1000 drives: how many intervals hold the exact eta."""
    world, rng = road_and_ice(gamma), np.random.default_rng(0)
    old = evaluate(world, shared_policy(0.1))
    eta = improvement(world, old, shared_policy(p))
    found, covered = [], []
    for _ in range(50):
        paths = sample_trajectories(world, old.pi, 1000, horizon, rng)
        s, a = paths.states[:, :-1], paths.actions
        weights = np.cumprod(np.where(a == 1, p / 0.1, (1 - p) / 0.9), axis=1)
        x = (weights * old.advantage[s, a]) @ gamma ** np.arange(horizon)
        half = 1.96 * x.std(ddof=1) / np.sqrt(len(x))
        found.append(x.mean() / eta)
        covered.append(abs(x.mean() - eta) < half)
    assert covers[0] <= np.mean(covered) <= covers[1]
    assert median[0] <= np.median(found) <= median[1]


def test_the_picture_is_the_first_of_page_00():
    p, L, eta = n00.promise_and_truth()  # gamma = 0.9 by default
    here = lesson.road_curves(0.1, 0.9, points=101)
    np.testing.assert_allclose(here, (p, eta, L), atol=1e-12)
    d_road = (1 + 0.9 * (1 - p) / 0.1) / (1 - 0.09 * p)  # in closed form
    J = p * (1.5 * d_road - 5)
    np.testing.assert_allclose(eta, J - J[10], atol=1e-12)


def test_road_numbers():
    p, eta, L = lesson.road_curves(0.1, 0.9, points=101)
    assert p[np.argmax(eta)] == pytest.approx(0.39)
    assert eta.max() == pytest.approx(1.107, abs=1e-3)
    assert np.interp(0.67233, p, eta) == pytest.approx(0, abs=2e-3)
    assert L[-1] == pytest.approx(6.783, abs=1e-3)
    assert eta[-1] == pytest.approx(-4.229, abs=1e-3)
    assert np.allclose(np.diff(L, 2), 0, atol=1e-12)  # a straight line
    assert np.allclose(np.polyval(np.polyfit(p, L, 1), p), L)
    assert L[10] == pytest.approx(0, abs=1e-12)
    assert np.argmax(L) == 100
    # L is above the truth everywhere else
    assert (np.delete(L - eta, 10) > 1e-4).all()


@pytest.mark.parametrize("gamma", [0.5, 0.9])
def test_road_tangent(gamma):
    """dL/dp = dJ/dp at the old policy."""
    world, h = road_and_ice(gamma), 1e-5
    for p_old in (0.1, 0.5):
        old = evaluate(world, shared_policy(p_old))
        up, down = (shared_policy(p_old + x) for x in (h, -h))
        dJ = (evaluate(world, up).performance - evaluate(world, down).performance) / (
            2 * h
        )
        dL = (surrogate(old, up) - surrogate(old, down)) / (2 * h)
        assert dL == pytest.approx(dJ, rel=1e-6)


def test_gap_is_exactly_zero_where_the_page_says_so():
    rng = np.random.default_rng(0)
    one_state = random_mdp(rng, 1, 4)
    P = np.repeat(rng.dirichlet(np.ones(5), (5, 1)), 3, axis=1)
    start = rng.dirichlet(np.ones(5))
    passive = TabularMDP(P, rng.normal(size=(5, 3)), 0.9, start)
    for mdp in (one_state, passive):
        pi_old, pi = (random_policy(rng, mdp.n_states, mdp.n_actions) for _ in range(2))
        old = evaluate(mdp, pi_old)
        assert surrogate(old, pi) == pytest.approx(improvement(mdp, old, pi), abs=1e-11)
    scalar = lqr.scalar_lqr()
    old, new = (-0.4, 0.3), (-0.4, 0.7)
    L = lqr.surrogate(scalar, old, new)
    assert pytest.approx(lqr.performance(scalar, *new)) == L + lqr.performance(
        scalar, *old
    )


def test_weights_other_than_the_old_visits_have_other_slopes():
    """The slopes by theta[s, a] are w(s) pi(a|s) A(s, a): J's only for w = d."""
    rng = np.random.default_rng(1)
    mdp = random_mdp(rng, n_states=5, n_actions=3)
    theta = rng.normal(size=(5, 3))

    def softmax(theta):
        return np.exp(theta) / np.exp(theta).sum(1, keepdims=True)

    def slopes(f, h=1e-5):
        steps = h * np.eye(15).reshape(15, 5, 3)
        rises = [f(softmax(theta + x)) - f(softmax(theta - x)) for x in steps]
        return np.reshape(rises, (5, 3)) / (2 * h)

    old = evaluate(mdp, softmax(theta))
    true = slopes(lambda pi: evaluate(mdp, pi).performance)
    closed = old.pi * old.advantage
    assert np.abs(closed).min() > 1e-3
    assert true == pytest.approx(old.visitation[:, None] * closed, abs=1e-7)
    uniform = np.full(5, old.visitation.mean())
    for w in (old.visitation, uniform, rng.uniform(1, 3, 5)):
        found = slopes(lambda pi, w=w: w @ (pi * old.advantage).sum(1))
        assert found == pytest.approx(w[:, None] * closed, abs=1e-7)
        same = np.isclose(found, true, atol=1e-7).all(1)
        assert (same == np.isclose(w, old.visitation)).all()


def test_lqr_path():
    """J by summing costs over time, L by its definition with the old moments."""
    world = lqr.scalar_lqr()

    def by_time(x, horizon=2000):
        k, std = lesson.lqr_policy(x)
        moment, J = 1.0, 0.0
        for t in range(horizon):
            J -= 0.9**t * ((1 + k**2) * moment + std**2)
            moment = (1 + k) ** 2 * moment + std**2
        return J

    x, eta, L = lesson.lqr_curves()
    for i in (0, 12, 24, 32, 40):
        assert eta[i] == pytest.approx(by_time(x[i]) - by_time(0.0), abs=1e-9)
    assert eta.max() < 5 and 0.2 < x[np.argmax(eta)] < 0.35
    assert 23 < L.max() < 24 and x[np.argmax(L)] == pytest.approx(0.575)
    assert np.interp(0.52, (0, 1), (-0.055, -1.083)) == pytest.approx(
        lqr.optimal_gain(world).item(), abs=2e-3
    )
    between = (x >= 0.3) & (x <= 0.55)
    assert (np.diff(L[between]) > 0).all() and (np.diff(eta[between]) < 0).all()
    assert eta[32] < 0 < L[32]
    # equal slopes at the start
    h = 1e-6
    new = lesson.lqr_policy(h)
    slopes = [
        f(world, lesson.LQR_START, new) / h for f in (lqr.surrogate, lqr.improvement)
    ]
    assert slopes[0] == pytest.approx(slopes[1], rel=1e-4)


def test_the_lqr_s_formula_is_in_the_deeper_part_of_page_02():
    path = Path(__file__).parents[1] / "notebooks/02_advantage_identity.ipynb"
    page = json.loads(path.read_text(encoding="utf-8"))
    texts = ["".join(cell["source"]) for cell in page["cells"]]
    (formula,) = [n for n, text in enumerate(texts) if "(\\Delta k)^2 M'" in text]
    deeper, exercises = (
        next(n for n, text in enumerate(texts) if text.startswith(f"## {title}\n"))
        for title in ("Deeper than the lecture", "Exercises")
    )
    assert deeper < formula < exercises


def test_what_L_credits_and_charges_on_the_lqr_path():
    """The page's 36.1 for 7.2 and 16.0 for 7.5, step by step in time."""
    k_old, std_old = lesson.LQR_START
    k, std = lesson.lqr_policy(0.8)

    def moments(k, std, horizon=2000):
        m = [1.0]
        for _ in range(horizon):
            m.append((1 + k) ** 2 * m[-1] + std**2)
        return np.array(m)

    weights = 0.9 ** np.arange(2001)

    def J(k, std):
        return -weights @ ((1 + k**2) * moments(k, std) + std**2)

    h = -J(k_old, std_old)  # with P below: v(s) = -(P s^2 + h), from its two parts
    P = weights @ ((1 + k_old**2) * moments(k_old, 0.0))
    h -= P

    def L(k, std):  # the mean of r + gamma v(s') - v(s), over the old states
        m = moments(k_old, std_old)
        after = (1 + k) ** 2 * m + std**2
        A = -(1 + k**2) * m - std**2 - 0.9 * (P * after + h) + P * m + h
        return weights @ A

    now = J(k_old, std_old)
    credit = L(k, std_old), J(k, std_old) - now
    assert credit == pytest.approx((36.1, 7.2), abs=0.05)
    assert credit[0] / credit[1] == pytest.approx(5, abs=0.05)
    charge = credit[0] - L(k, std), credit[1] - (J(k, std) - now)
    assert charge == pytest.approx((16.0, 7.5), abs=0.05)
    # what the noise costs a policy that keeps the old gain
    assert charge[0] == pytest.approx(now - J(k_old, std), abs=1e-6)


def test_state_moments_add_up_to_M():
    world = lqr.scalar_lqr()
    for x in (0.0, 0.8):
        M = lqr.evaluate(world, *lesson.lqr_policy(x)).state_moment[0, 0]
        assert lesson.state_moments(x, 500).sum() == pytest.approx(M)


def lines(figure):
    return [np.array(a.get_ydata(), float) for axes in figure.axes for a in axes.lines]


def bars(figure):
    return [patch.get_height() for axes in figure.axes for patch in axes.patches]


def words(figure):
    return " ".join(text.get_text() for axes in figure.axes for text in axes.texts)


def test_draw_road_shows_its_numbers():
    figure = lesson.draw_road(1.0, 0.1, 0.9)
    assert bars(figure) == pytest.approx([9.1826, 0.8174, 1.0989, 8.9011], abs=1e-4)
    assert "6.78 at p = 1.00" in words(figure) and "-4.23" in words(figure)
    assert any(np.allclose(y, (6.7831, -4.2290), atol=1e-4) for y in lines(figure)[4:])


def test_draw_lqr_shows_its_numbers():
    text = words(lesson.draw_lqr(0.8))
    for number in ("20.1 at x", "-0.3 at x", "M = 11.0", "M' = 4.8"):
        assert number in text


@pytest.mark.parametrize("widget", lesson.widgets)
def test_every_control_changes_the_picture(widget):
    def seen(settings):
        figure = widget.draw(**settings)
        flat = [np.ravel(y) for y in lines(figure)]
        return np.concatenate([*flat, np.array(bars(figure))])

    default = seen(widget.defaults)
    for settings in list(widget.settings())[1:]:
        other = seen(settings)
        assert other.shape != default.shape or np.abs(other - default).max() > 0.01


def test_static_figures_draw():
    rows = [(p, p, (p, 0.1), p, (p, 0.1)) for p in (0.1, 0.5)]
    h = np.logspace(-4, -1, 5)
    figures = (
        lesson.draw_price(),
        lesson.draw_estimates(rows),
        lesson.draw_gap(h, h, h**2, h / 2),
    )
    for figure in figures:
        figure.draw_without_rendering()
        for axes in figure.axes:
            assert axes.get_xlabel() and axes.get_ylabel()


def test_the_words_say_the_numbers_of_the_pictures():
    words = lesson.road.words(p=1.0, p_old=0.1, gamma=0.9)
    for number in ("p = 0.10;", "promise is 6.78", "truth -4.23", "9.2 and 0.8"):
        assert number in words
    assert "1.1 and 8.9 at p = 1.00" in words
    words = lesson.lqr_path.words(x=0.8)
    for number in ("is 20.1", "truth -0.3", "11.0 under", "4.8 at x = 0.80"):
        assert number in words


def test_one_maximum_for_all_states_is_told_what_it_does(capsys):
    """Less the largest of all logits, a state 900 below has weights of 0 only."""

    def answer(mdp, features, theta):
        logits = features @ theta
        weights = np.exp(logits - logits.max())
        with np.errstate(invalid="ignore"):
            pi = weights / weights.sum(axis=1, keepdims=True)
        old = evaluate(mdp, pi)
        return features.T @ (old.visitation[:, None] * pi * old.advantage)

    lesson.policy_gradient.check(answer)
    told = capsys.readouterr().out
    assert told.startswith("[retry]") and "weights become 0" in told
