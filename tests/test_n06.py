"""What page 06 claims and its cells do not assert."""

from itertools import pairwise

import numpy as np
import pytest

from trpo_lite import lqr
from trpo_lite.bound import kl
from trpo_lite.course import n06 as lesson
from trpo_lite.mdp import (
    evaluate,
    road_and_ice,
    sample_trajectories,
    shared_policy,
    state_distributions,
)

DEFAULTS = lesson.brute.defaults


def test_the_long_run_is_where_long_runs_are():
    for p in (0.05, 0.3, 0.6, 0.95):
        tau = state_distributions(road_and_ice(), shared_policy(p), 2000)[-1]
        np.testing.assert_allclose(lesson.long_run(p), tau, atol=1e-12)


def test_the_true_slope_is_that_of_J():
    p, true, plain, J = lesson.slopes(0.5)
    np.testing.assert_allclose(np.gradient(J, p)[1:-1], true[1:-1], atol=2e-3)
    best = p[np.argmax(J)]
    assert lesson.zero(p, true) == pytest.approx(best, abs=0.01)
    assert lesson.zero(p, plain) < best - 0.2
    i = np.argmin(abs(p - 0.6))
    assert true[i] > 0 > plain[i]  # the page's pair of signs


def test_zero_is_where_the_sign_turns():
    x = np.linspace(0, 1, 11)
    assert lesson.zero(x, 0.33 - x) == pytest.approx(0.33)
    assert lesson.zero(x, x + 1) == 1.0
    assert lesson.zero(x, -x - 1) == 0.0


def test_the_strip_closes_as_gamma_grows():
    widths = []
    for gamma in (0.5, 0.7, 0.9, 0.95):
        p, true, plain, _ = lesson.slopes(gamma)
        widths.append(lesson.zero(p, true) - lesson.zero(p, plain))
    assert all(a > b > 0 for a, b in pairwise(widths)) and widths[-1] < 0.02


def test_plain_averages_stay_wrong_and_weighted_ones_scatter_more():
    p, gamma, T = 0.6, 0.5, 50
    e = evaluate(road_and_ice(gamma), shared_policy(p))
    runs = sample_trajectories(
        road_and_ice(gamma), e.pi, 20_000, T, np.random.default_rng(0)
    )
    s, a = runs.states[:, :-1], runs.actions
    x = (a - p) * e.advantage[s, a]
    weighted = x @ (0.5 * 0.5 ** np.arange(T))
    true = 0.5 * p * (1 - p) * (e.visitation @ np.diff(e.advantage, axis=1)[:, 0])
    assert weighted.mean() == pytest.approx(true, abs=0.004)
    assert x.mean() < -0.05 < 0.03 < true
    assert 2 < weighted.std() / x.mean(1).std() < 4


def test_edges_have_kl_delta():
    for p, way in ((0.1, 1), (0.1, -1), (0.9, 1)):
        q = lesson.edge(p, 0.01, way)
        assert (q - p) * way > 0
        assert kl([1 - p, p], [1 - q, q]) == pytest.approx(0.01, rel=1e-6)


def test_the_regulator_starts_in_its_long_run():
    world = lesson.regulator()
    square = world.start.item()
    M = lqr.evaluate(world, *lesson.OLD).state_moment.item()
    assert (1 - world.gamma) * M == pytest.approx(square, rel=1e-12)
    states, _, _ = lqr.sample_trajectories(
        world, *lesson.OLD, 40_000, 30, np.random.default_rng(0)
    )
    moments = (states[..., 0] ** 2).mean(0)
    np.testing.assert_allclose(moments, square, rtol=0.03)


def test_the_exact_plane_is_the_packages():
    k, sigma = (x[::97] for x in lesson.candidates())
    L, KL = lesson.exact_plane(k, sigma)
    for i, new in enumerate(zip(k, sigma, strict=True)):
        args = lesson.regulator(), lesson.OLD, new
        assert L[i] == pytest.approx(lqr.surrogate(*args), rel=1e-10, abs=1e-12)
        assert KL[i] == pytest.approx(lqr.mean_kl(*args), rel=1e-9, abs=1e-12)


def test_the_sampled_plane_is_the_plain_average():
    k, sigma = (x[::211] for x in lesson.candidates())
    s, u, A = (x[:50] for x in lesson.run())
    L, KL = lesson.plane(k, sigma, s, u, A)

    def log_normal(k, sigma):
        return -np.log(sigma) - (u - k * s) ** 2 / (2 * sigma**2)

    for i in range(len(k)):
        ratio = np.exp(log_normal(k[i], sigma[i]) - log_normal(*lesson.OLD))
        assert L[i] == pytest.approx(np.mean((ratio - 1) * A), rel=1e-9)
        moved = (k[i] - lesson.OLD[0]) ** 2 * s**2
        rows = np.log(sigma[i] / 0.3) + (0.09 + moved) / (2 * sigma[i] ** 2) - 0.5
        assert KL[i] == pytest.approx(rows.mean(), rel=1e-9)


def test_the_region_is_where_the_mean_kl_is_at_most_delta():
    for delta, square in ((0.01, 0.5), (0.1, 0.2), (0.3, 1.3)):
        share, side = np.linspace(0, 1, 41), np.linspace(-1, 1, 41)
        x, y = (m.ravel() for m in np.meshgrid(share, side))
        k, sigma = lesson.region(delta, square, x, y)
        KL = lesson.plane_kl(k, sigma, square)
        assert KL.max() <= delta * (1 + 1e-9)
        np.testing.assert_allclose(KL[abs(y) == 1], delta, rtol=1e-6)
        # nothing allowed lies outside
        outside = lesson.region(delta, square, x, 1.01 * y)
        far = (abs(y) == 1) & (x > 0) & (x < 1)
        assert (lesson.plane_kl(*outside, square)[far] > delta).all()


def test_the_exact_best_agrees_with_a_search_along_the_edge():
    """On the edge k is a function of sigma: an independent search in one dimension."""
    for delta in (0.01, 0.1, 0.3):
        k, sigma, L = lesson.exact_best(delta)
        stds = np.linspace(0.15, 0.45, 300_001)
        room = delta + 0.5 - np.log(stds / 0.3)
        moved = (2 * stds**2 * room - 0.3**2) / lesson.regulator().start.item()
        stds, moved = stds[moved > 0], moved[moved > 0]
        L_edge, _ = lesson.exact_plane(-0.2 - np.sqrt(moved), stds)
        assert pytest.approx(L_edge.max(), rel=1e-5) == L
        assert (
            pytest.approx(lqr.surrogate(lesson.regulator(), lesson.OLD, (k, sigma)))
            == L
        )
        assert lqr.mean_kl(lesson.regulator(), lesson.OLD, (k, sigma)) <= delta + 1e-9


def test_the_sampled_best_survives_a_finer_grid():
    s, u, A = (x[:100] for x in lesson.run())

    def L(k, sigma):
        return lesson.plane(k, sigma, s, u, A)[0]

    coarse = lesson.solve(L, np.mean(s * s), 0.1)
    fine = lesson.solve(L, np.mean(s * s), 0.1, (61, 41), 5)
    np.testing.assert_allclose(coarse, fine, atol=5e-4)


def test_more_samples_make_promise_and_kl_better_but_not_the_gap_to_J():
    few, many = lesson.many_batches(30, 0.1), lesson.many_batches(1000, 0.1)
    wrong = [np.median(abs(f["promised"] - f["exact"])) for f in (few, many)]
    assert wrong[0] > 0.3 * few["exact"].mean()
    assert wrong[1] < 0.08 * many["exact"].mean()
    gaps = [np.mean(f["exact"] - f["gain"]) for f in (few, many)]
    assert min(gaps) > 0.5 and abs(gaps[0] - gaps[1]) < 0.2
    assert min(few["gain"].min(), many["gain"].min()) > 0
    # not thanks to exact advantages: TD errors do as well
    assert lesson.many_batches(30, 0.1, guessed=True)["gain"].min() > 0


def test_the_promise_of_the_chosen_step_leans_upward():
    """Fixed beforehand, a step's is right on average: the maximum picks the luck."""
    world = lesson.regulator()
    for N, lean, batches in ((30, 0.2, 2000), (300, 0.1, 1500)):
        f = lesson.many_batches(N, 0.1, batches)
        excess = f["promised"] - f["exact"]
        error = excess.std() / np.sqrt(batches)
        assert excess.mean() > 2.5 * error
        assert excess.mean() == pytest.approx(lean, abs=2.5 * error)
        if N == 30:  # the mean is that of a few: most are too low
            assert np.mean(excess < 0) > 0.5
            assert np.sort(excess)[:-20].mean() < excess.mean() - 2 * error
    k, sigma, L = lesson.exact_best(0.1)
    runs = lqr.sample_trajectories(
        world, *lesson.OLD, 20_000, 30, np.random.default_rng(3)
    )
    s, u = runs[0][:, :-1, 0].ravel(), runs[1].ravel()
    A = lqr.advantage(world, *lesson.OLD, s, u)
    promise, _ = lesson.plane(np.array([k]), np.array([sigma]), s, u, A)
    assert promise[0] / (1 - world.gamma) == pytest.approx(L, abs=0.06)


def test_small_squares_are_a_little_more_frequent_than_large_ones():
    """So is an excess of KL: 60 % at N = 30, towards a half."""
    world, shares = lesson.regulator(), []
    for N, batches in ((30, 8000), (100, 8000), (1000, 4000)):
        states, _, _ = lqr.sample_trajectories(
            world, *lesson.OLD, batches, N, np.random.default_rng(8)
        )
        square = (states[:, :-1, 0] ** 2).mean(1)
        shares.append(np.mean(square < world.start.item()))
    np.testing.assert_allclose(shares, [0.60, 0.56, 0.51], atol=0.02)


def test_an_excess_of_kl_does_not_become_rarer_only_smaller():
    expected, high = lesson.regulator().start.item(), []
    for N in (30, 100, 300, 1000):
        f = lesson.many_batches(N, 0.1)
        over = f["kl"] > 0.1
        assert 0.4 < over.mean() < 0.7
        np.testing.assert_array_equal(over, f["square"] < expected)
        high.append(np.quantile(f["kl"], 0.9) / 0.1)
    assert all(a > b for a, b in pairwise(high))
    np.testing.assert_allclose(high, [1.77, 1.40, 1.17, 1.10], atol=0.006)


def test_the_gap_to_J_closes_with_delta():
    shares = []
    for delta in (0.1, 0.01):
        k, sigma, L = lesson.exact_best(delta)
        shares.append(
            1 - lqr.improvement(lesson.regulator(), lesson.OLD, (k, sigma)) / L
        )
    assert shares == pytest.approx([0.286, 0.127], abs=0.002)


def test_kl_is_known_hardly_better_than_L():
    """Relative rms errors of 25 and 35 % from 100 samples of the regulator."""
    k, sigma, L = lesson.exact_best(0.1)
    new = np.array([k]), np.array([sigma])
    states, actions, _ = lqr.sample_trajectories(
        lesson.regulator(), *lesson.OLD, 4000, 100, np.random.default_rng(0)
    )
    found = []
    for s, u in zip(states[:, :-1, 0], actions[..., 0], strict=True):
        A = lqr.advantage(lesson.regulator(), *lesson.OLD, s, u)
        promise, KL = lesson.plane(*new, s, u, A)
        found.append((KL[0] / 0.1, promise[0] / (1 - lesson.regulator().gamma) / L))
    errors = np.sqrt(np.mean((np.array(found) - 1) ** 2, axis=0))
    np.testing.assert_allclose(errors, [0.25, 0.35], atol=0.01)


def test_one_sample_can_carry_a_batch():
    f = lesson.many_batches(300, 0.1)
    i = np.argmax(abs(f["promised"] - f["exact"]))
    assert f["term"][i] > 0.7 * f["promised"][i] and f["ratio"][i] > 40
    assert np.median(f["term"]) < 0.5
    # without that sample: sigma is .29, not .34
    states, actions, _ = lqr.sample_trajectories(
        lesson.regulator(), *lesson.OLD, 200, 300, np.random.default_rng(300)
    )
    s, u = states[i, :-1, 0], actions[i, :, 0]
    A = lqr.advantage(lesson.regulator(), *lesson.OLD, s, u)
    k, sigma, L = lesson.sampled_best(s, u, A, 0.1)
    assert pytest.approx(f["promised"][i]) == L and sigma == pytest.approx(
        0.344, abs=1e-3
    )
    ratio = np.exp(
        (u + 0.2 * s) ** 2 / (2 * 0.3**2) - (u - k * s) ** 2 / (2 * sigma**2)
    )
    others = np.arange(300) != np.argmax((0.3 / sigma * ratio - 1) * A)
    *new, _ = lesson.sampled_best(s[others], u[others], A[others], 0.1)
    assert new == pytest.approx([-0.376, 0.292], abs=1e-3)
    L = lqr.surrogate(lesson.regulator(), lesson.OLD, new)
    assert pytest.approx(2.41, abs=0.005) == L


def test_a_widened_gaussian_outruns_the_root():
    """Beyond sqrt(2) E[r^2] has no end, and four times the samples help less."""
    y = np.log(2) / 2
    assert y + (np.exp(-2 * y) - 1) / 2 == pytest.approx(0.097, abs=5e-4)
    rng, sizes = np.random.default_rng(8), (32, 512, 8192)
    for wider, low, high in ((1.2, -0.55, -0.45), (2.0, -0.35, -0.2)):
        errors = []
        for N in sizes:
            z = rng.normal(size=(400, N))
            r = np.exp(z**2 / 2 * (1 - 1 / wider**2)) / wider
            errors.append(np.median(np.abs(r.mean(1) - 1)))
        assert low < np.polyfit(np.log(sizes), np.log(errors), 1)[0] < high


def test_a_batch_without_end_does_the_same_harm():
    """The old batch's steps are those of the exact L of p = .1: the states are old."""
    world = road_and_ice(0.9)
    old = evaluate(world, shared_policy(0.1))
    assert old.visitation @ np.diff(old.advantage, axis=1)[:, 0] > 0
    p, gains = 0.1, []
    for _ in range(12):
        p = lesson.edge(p, 0.01, 1)
        new = evaluate(world, shared_policy(p))
        gains.append(new.performance - old.performance)
    assert p == pytest.approx(0.849, abs=5e-4)
    assert max(gains) == pytest.approx(1.11, abs=0.01)
    assert gains[-1] == pytest.approx(-1.88, abs=0.01)


def test_the_product_of_all_ratios_repairs_the_states():
    """It gives the true gain, where one ratio gives L; its scatter may have no end."""
    world = road_and_ice(0.9)
    old, new = (evaluate(world, shared_policy(p)) for p in (0.1, 0.2))
    runs = sample_trajectories(world, old.pi, 50_000, 40, np.random.default_rng(0))
    s, a = runs.states[:, :-1], runs.actions
    one = np.where(a == 1, 0.2 / 0.1, 0.8 / 0.9)
    terms = 0.9 ** np.arange(40) * old.advantage[s, a]
    repaired = (np.cumprod(one, axis=1) * terms).sum(1).mean()
    gain = new.performance - old.performance
    assert repaired == pytest.approx(gain, abs=0.025)
    assert (one * terms).sum(1).mean() > gain + 0.1
    # E (gamma^t R_t)^2 is the t-th power of
    growth = [0.81 * (p**2 / 0.1 + (1 - p) ** 2 / 0.9) for p in (0.24, 0.25, 0.4)]
    assert growth[0] < 1 < growth[1] < growth[2]


def test_fresh_steps_hop_because_each_spends_its_limit():
    """With the exact slope: the smaller the limit, the shorter the hops around .39."""
    widths = []
    for delta, steps in ((0.01, 60), (0.001, 120), (0.0001, 300)):
        p, path = 0.1, []
        for _ in range(steps):
            e = evaluate(road_and_ice(), shared_policy(p))
            rise = lesson.slope(e.visitation, e.advantage)
            p = lesson.edge(p, delta, np.sign(rise))
            path.append(p)
        assert min(path[-20:]) < 0.39 < max(path[-20:])
        widths.append(np.ptp(path[-20:]))
    assert widths[0] > 3 * widths[1] > 9 * widths[2]


@pytest.mark.parametrize(
    "gamma, T, ratio", [(0.5, 50, 3.1), (0.5, 200, 6.2), (0.9, 50, 1.55)]
)
def test_the_price_of_weights_falls_with_gamma_and_grows_with_the_run(gamma, T, ratio):
    p, world = 0.6, road_and_ice(gamma)
    e = evaluate(world, shared_policy(p))
    runs = sample_trajectories(world, e.pi, 8000, T, np.random.default_rng(9))
    s, a = runs.states[:, :-1], runs.actions
    x = (a - p) * e.advantage[s, a]
    weighted = x @ ((1 - gamma) * gamma ** np.arange(T))
    assert weighted.std() / x.mean(1).std() == pytest.approx(ratio, rel=0.04)


def test_the_kl_of_the_road_is_known_long_before_the_gradient():
    world, p = road_and_ice(), 0.1
    e = evaluate(world, shared_policy(p))
    careful = np.array([[0.7, 0.3], [0.95, 0.05]])
    runs = sample_trajectories(world, e.pi, 10_000, 80, np.random.default_rng(2))
    s, a = runs.states[:, :-1], runs.actions
    weights = 0.9 ** np.arange(80)

    def scatter(terms):  # of one run, as a share of the mean
        return (terms @ weights).std() / (terms @ weights).mean()

    g, KL = scatter((a - p) * e.advantage[s, a]), scatter(kl(e.pi, careful)[s])
    assert g > 10 * KL
    # a policy that is new on the ice alone, whatever it does there
    for fast in (0.05, 0.3, 0.9):
        on_ice = np.array([[0.9, 0.1], [1 - fast, fast]])
        KL = scatter(kl(e.pi, on_ice)[s])
        assert pytest.approx(0.73, abs=0.02) == KL
        assert g + 0.1 < KL


def negative_cosines(gamma, jump=0.0, stay=0.0, worlds=4000, steps=200):
    """Share of random worlds whose plain gradient points downhill."""
    rng, S, start = np.random.default_rng(1), 8, np.eye(8)[0]
    P = rng.dirichlet(np.full(S, 0.1), (worlds, S, 2))
    P = (1 - jump) * P + jump / S
    P = (1 - stay) * P + stay * np.eye(S)[:, None]
    R, phi = rng.normal(size=(worlds, S, 2)), rng.normal(size=(worlds, S, 2))
    pi = np.exp(phi @ rng.normal(size=(worlds, 2, 2)))
    pi /= pi.sum(-1, keepdims=True)
    step = np.einsum("wsa,wsax->wsx", pi, P)
    system = np.eye(S) - gamma * step
    V = np.linalg.solve(system, (pi * R).sum(-1)[..., None])[..., 0]
    A = R + gamma * np.einsum("wsax,wx->wsa", P, V) - V[..., None]
    d = np.linalg.solve(
        system.swapaxes(1, 2), np.broadcast_to(start[:, None], (worlds, S, 1))
    )[..., 0]
    tau, now = np.zeros((worlds, S)), np.broadcast_to(start, (worlds, S))
    for _ in range(steps):
        tau, now = tau + now / steps, np.einsum("ws,wsx->wx", now, step)
    true, plain = (
        np.einsum("wsf,ws,wsa->wfa", phi, w, pi * A).reshape(worlds, -1)
        for w in (d, tau)
    )
    return np.mean((true * plain).sum(-1) < 0)


def test_how_often_the_plain_gradient_points_downhill():
    base = negative_cosines(0.9)
    assert 0.014 < base < 0.023
    assert 0.16 < negative_cosines(0.5) < 0.21
    assert negative_cosines(0.97) < 0.003
    # a slow world needs a longer 1 / (1 - gamma)
    assert 0.03 < negative_cosines(0.97, stay=0.9) < 0.05
    assert 0.055 < negative_cosines(0.97, stay=0.9, steps=2000) < 0.085
    assert negative_cosines(0.997, stay=0.9) < 0.003
    # 200 steps hide a world that hardly moves: rarer again, though nothing is forgotten
    often = [negative_cosines(0.9, stay=stay) for stay in (0.9, 0.99, 0.999, 0.9999)]
    assert often[0] > 0.12 and often[-1] < 0.005
    assert all(a > 1.5 * b for a, b in pairwise(often))
    assert negative_cosines(0.9, stay=0.999, worlds=800, steps=20_000) > 0.25
    # ... much longer: two steps don't hide a start that is forgotten in one
    assert 0.1 < negative_cosines(0.5, jump=1.0) < 0.16
    # forgetting the start makes it rarer, not rare
    assert 0.4 * base < negative_cosines(0.9, 0.5) < 0.9 * base


def marks(figure):
    """All that is drawn as lines and words, by axes."""
    found = []
    for axes in figure.axes:
        lines = [np.asarray(x.get_xydata()).round(6).tolist() for x in axes.lines]
        found.append((lines, [text.get_text() for text in axes.texts]))
    return found


def test_the_words_under_the_gamma_slider_follow_it():
    assert "The true one stays positive" in lesson.dropped_words(0.2)
    words = lesson.dropped_words(0.95)
    assert "negative at p = 0.37" in words and "negative at p = 0.36" in words


@pytest.mark.parametrize("gamma", [0.2, 0.5, 0.7, 0.95])
def test_the_gamma_slider_changes_the_picture(gamma):
    other = marks(lesson.draw_dropped(gamma + (0.05 if gamma < 0.9 else -0.05)))
    assert marks(lesson.draw_dropped(gamma)) != other


@pytest.mark.parametrize("name", DEFAULTS)
def test_both_brute_sliders_change_the_picture(name):
    values = lesson.brute.controls[name].values
    drawn = [marks(lesson.draw_brute(**{**DEFAULTS, name: v})) for v in values]
    assert all(a != b for a, b in pairwise(drawn))


def test_the_brute_picture_shows_its_numbers():
    words = " ".join(marks(lesson.draw_brute(100, 0.1))[0][1])
    s, u, A = (x[:100] for x in lesson.run())
    *new, promise = lesson.sampled_best(s, u, A, 0.1)
    args = lesson.regulator(), lesson.OLD, new
    assert f"L promised {promise:+.2f}" in words
    assert f"J gains {lqr.improvement(*args):+.2f}" in words
    assert f"L exact {lqr.surrogate(*args):+.2f}" in words
    share = lqr.mean_kl(*args) / 0.1
    assert f"KL exact {share:.2f} δ" in words and f"{share:.2f}" == "1.77"
    assert np.mean(s**2) == pytest.approx(0.22, abs=0.005)
    thousand = lesson._brute_at(1000, 0.1)
    assert thousand[3] / 0.1 == pytest.approx(0.99, abs=0.005)
    off = np.abs(lesson.many_batches(1000, 0.1)["kl"] / 0.1 - 1)
    assert 0.42 < np.mean(off > 0.05) < 0.5  # in other runs


def test_the_gradient_exercise_agrees_with_the_world():
    """Intervals hold the exact gradient in about 95 % of streams, plain ones never."""
    world, p, T = road_and_ice(0.5), 0.6, 30
    e = evaluate(world, shared_policy(p))
    g = p * (1 - p) * (e.visitation @ np.diff(e.advantage, axis=1)[:, 0])
    runs = sample_trajectories(world, e.pi, 20_000, T, np.random.default_rng(0))
    s, a = runs.states[:, :-1], runs.actions
    ended = np.arange(100 * T) % T == T - 1
    inside, plain = [], []
    for rows in np.split(np.arange(20_000), 200):
        A = e.advantage[s[rows], a[rows]].ravel()
        given = (a[rows].reshape(-1, 1) - p, A, ended)
        estimate, half = lesson.discounted_gradient_reference(*given, 0.5)
        inside.append(abs(estimate[0] - g) <= half[0])
        plain.append(lesson.plain_average(*given, 0.5)[0][0])
    assert 0.9 <= np.mean(inside) <= 0.99
    assert g > 0 and np.mean(plain) < 0  # the page's two signs
