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


def test_brute_force_agrees_with_a_finer_search_along_the_edge():
    k, sigma = lesson.candidates()
    L, KL = lesson.exact_plane(k, sigma)
    i = lesson.best(L, KL, 0.1)
    assert 0.08 < KL[i] <= 0.1  # on the edge, but for the grid
    fine = np.meshgrid(np.linspace(-0.6, 0, 601), np.linspace(0.15, 0.45, 601))
    L_fine, KL_fine = lesson.exact_plane(*(x.ravel() for x in fine))
    top = L_fine[KL_fine <= 0.1].max()
    assert 0.95 * top < L[i] <= top + 1e-9


def test_more_samples_mend_promise_and_kl_but_not_the_gap_to_J():
    few, many = lesson.many_batches(30, 0.1), lesson.many_batches(1000, 0.1)
    wrong = [np.median(abs(f["promised"] - f["exact"])) for f in (few, many)]
    assert wrong[0] > 3 * wrong[1]
    assert np.mean(few["kl"] > 0.1) > 0.3 > 0.15 > np.mean(many["kl"] > 0.1)
    gaps = [np.mean(f["exact"] - f["gain"]) for f in (few, many)]
    assert min(gaps) > 0.5 and abs(gaps[0] - gaps[1]) < 0.2
    assert min(few["gain"].min(), many["gain"].min()) > 0


def test_one_sample_can_carry_a_batch():
    f = lesson.many_batches(1000, 0.1)
    i = np.argmax(abs(f["promised"] - f["exact"]))
    assert f["term"][i] > 0.8 * f["promised"][i] and f["ratio"][i] > 50
    assert np.median(f["term"]) < 0.2


def marks(figure):
    """All that is drawn as lines and words, by axes."""
    found = []
    for axes in figure.axes:
        lines = [np.asarray(x.get_xydata()).round(6).tolist() for x in axes.lines]
        found.append((lines, [text.get_text() for text in axes.texts]))
    return found


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
    k, sigma = lesson.candidates()
    L, KL = lesson.sampled_plane(100)
    i = lesson.best(L, KL, 0.1)
    new = k[i], sigma[i]
    args = lesson.regulator(), lesson.OLD, new
    assert f"J gains {lqr.improvement(*args):+.2f}" in words
    assert f"L exact {lqr.surrogate(*args):+.2f}" in words
    share = lqr.mean_kl(*args) / 0.1
    assert share > 1 and f"KL exact {share:.2f} δ" in words


def test_the_gradient_exercise_agrees_with_the_world():
    """The reference's interval holds the exact gradient in about 95 % of data sets."""
    world, p = road_and_ice(0.8), 0.3
    e = evaluate(world, shared_policy(p))
    g = p * (1 - p) * (e.visitation @ np.diff(e.advantage, axis=1)[:, 0])
    runs = sample_trajectories(world, e.pi, 20_000, 60, np.random.default_rng(0))
    s, a = runs.states[:, :-1], runs.actions
    inside = []
    for rows in np.split(np.arange(20_000), 200):
        x = e.advantage[s[rows], a[rows]]
        estimate, half = lesson.gradient_estimate_reference(a[rows] - p, x, 0.8)
        inside.append(abs(estimate - g) <= half)
    assert 0.9 <= np.mean(inside) <= 0.99
