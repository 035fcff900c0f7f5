"""L against its own definition, its gradient, and samples; the clip, case by case."""

import numpy as np
import pytest

from trpo_lite import mdp as world
from trpo_lite.surrogate import (
    clip_active,
    clipped_surrogate,
    clipped_terms,
    effective_sample_size,
    probability_ratio,
    sampled_surrogate,
    surrogate,
)


@pytest.fixture
def random_case():
    rng = np.random.default_rng(3)
    mdp = world.random_mdp(rng, 5, 3)
    old = world.evaluate(mdp, world.random_policy(rng, 5, 3))
    return mdp, old, world.random_policy(rng, 5, 3)


def test_surrogate_is_zero_at_the_old_policy_and_weighs_by_the_old_visitation(
    random_case,
):
    _, old, pi = random_case
    assert abs(surrogate(old, old.pi)) < 1e-12
    total = 0.0
    for s in range(5):
        for a in range(3):
            total += old.visitation[s] * pi[s, a] * old.advantage[s, a]
    assert surrogate(old, pi) == pytest.approx(total, abs=1e-12)
    assert abs(total) > 0.1


def test_the_gradient_of_the_surrogate_is_the_gradient_of_performance(random_case):
    mdp, old, pi = random_case
    direction, h = pi - old.pi, 1e-6
    ahead, behind = old.pi + h * direction, old.pi - h * direction
    slope_J = (
        world.evaluate(mdp, ahead).performance - world.evaluate(mdp, behind).performance
    ) / (2 * h)
    slope_L = (surrogate(old, ahead) - surrogate(old, behind)) / (2 * h)
    assert abs(slope_J) > 0.1
    assert slope_L == pytest.approx(slope_J, rel=1e-6)


def test_the_gap_to_the_improvement_is_of_second_order(random_case):
    mdp, old, pi = random_case
    steps = np.logspace(-4, -1, 13)
    gaps = []
    for h in steps:
        new = old.pi + h * (pi - old.pi)
        gain = world.evaluate(mdp, new).performance - old.performance
        gaps.append(abs(gain - surrogate(old, new)))
    assert min(gaps) > 1e-10
    slope = np.polyfit(np.log(steps), np.log(gaps), 1)[0]
    assert slope == pytest.approx(2, abs=0.05)


def test_road_and_ice_has_a_surrogate_that_climbs_while_performance_falls():
    mdp = world.road_and_ice(0.9)
    old = world.evaluate(mdp, world.shared_policy(0.1))
    found = []
    for delta in (0.2, 0.5, 1.0):
        low, high = 0.1, 1 - 1e-9
        for _ in range(80):  # KL grows with p
            p = (low + high) / 2
            kl = 0.1 * np.log(0.1 / p) + 0.9 * np.log(0.9 / (1 - p))
            low, high = (p, high) if kl < delta else (low, p)
        pi = world.shared_policy(low)
        gain = world.evaluate(mdp, pi).performance - old.performance
        found.append((surrogate(old, pi), gain))
    expected = [(2.10, 1.11), (3.58, 0.64), (5.00, -0.85)]
    assert np.abs(np.array(found) - expected).max() < 0.005


def test_the_sampled_surrogate_estimates_one_minus_gamma_times_the_exact_one(
    random_case,
):
    mdp, old, pi = random_case
    rng = np.random.default_rng(0)
    n = 200_000
    states = rng.choice(5, n, p=old.visitation / old.visitation.sum())
    u = rng.random((n, 1))
    actions = (old.pi[states].cumsum(-1) <= u).sum(-1).clip(max=2)
    ratio = probability_ratio(
        np.log(pi)[states, actions], np.log(old.pi)[states, actions]
    )
    A = old.advantage[states, actions]
    error = np.std(ratio * A) / np.sqrt(n)
    exact = (1 - mdp.gamma) * surrogate(old, pi)
    assert abs(exact) > 20 * error
    assert abs(sampled_surrogate(ratio, A) - exact) < 4 * error
    assert abs(ratio.mean() - 1) < 4 * ratio.std() / np.sqrt(n)


def test_the_ratio_puts_the_new_policy_on_top():
    ratio = probability_ratio(np.log([0.6, 0.1, 0.0 + 1e-300]), np.log([0.2, 0.4, 0.5]))
    assert ratio == pytest.approx([3, 0.25, 2e-300])
    assert probability_ratio([800.0], [-800.0])[0] == np.inf
    assert probability_ratio([-np.inf], [0.0])[0] == 0


@pytest.mark.parametrize(
    ("r", "A", "term", "slope"),
    [
        (1.1, 2.0, 2.2, 2.0),  # inside: r A
        (1.5, 2.0, 2.4, 0.0),  # A > 0, r > 1 + eps: held at (1 + eps) A
        (0.5, 2.0, 1.0, 2.0),  # A > 0, moved the wrong way: still pulled back
        (0.9, -2.0, -1.8, -2.0),
        (0.5, -2.0, -1.6, 0.0),  # A < 0, r < 1 - eps: held at (1 - eps) A
        (1.5, -2.0, -3.0, -2.0),
        (1.5, 0.0, 0.0, 0.0),
    ],
)
def test_each_case_of_the_clip(r, A, term, slope):
    r, A = np.array([r]), np.array([A])
    assert clipped_terms(r, A, 0.2)[0] == pytest.approx(term)
    h = 1e-6
    difference = clipped_terms(r + h, A, 0.2) - clipped_terms(r - h, A, 0.2)
    assert difference[0] / (2 * h) == pytest.approx(slope, abs=1e-6)
    if A[0]:
        assert clip_active(r, A, 0.2)[0] == (slope == 0)


def test_the_clip_is_active_exactly_where_finite_differences_vanish():
    rng = np.random.default_rng(1)
    ratio, A = rng.lognormal(0, 0.5, 20_000), rng.standard_normal(20_000)
    h = 1e-9
    away = np.minimum(np.abs(ratio - 0.7), np.abs(ratio - 1.3)) > 2 * h
    flat = clipped_terms(ratio + h, A, 0.3) == clipped_terms(ratio - h, A, 0.3)
    active = clip_active(ratio, A, 0.3)
    assert (active == flat)[away & (np.abs(A) > 1e-3)].all()
    assert 0.1 < active.mean() < 0.9


def test_the_clipped_surrogate_is_never_above_the_surrogate():
    rng = np.random.default_rng(2)
    ratio, A = rng.lognormal(0, 0.5, 10_000), rng.standard_normal(10_000)
    assert (clipped_terms(ratio, A, 0.2) <= ratio * A).all()
    assert clipped_surrogate(ratio, A, 0.2) < sampled_surrogate(ratio, A) - 0.01
    assert clipped_surrogate(ratio, A, 0.2) == clipped_terms(ratio, A, 0.2).mean()
    assert clipped_surrogate(ratio, A, 1e9) == pytest.approx(
        sampled_surrogate(ratio, A)
    )


def test_effective_sample_size():
    assert effective_sample_size(np.full(7, 3.0)) == pytest.approx(7)
    assert effective_sample_size([0.0, 0.0, 5.0]) == pytest.approx(1)
    assert effective_sample_size([1e200, 1e200]) == pytest.approx(2)
    # lognormal weights: N / exp(sigma^2)
    ratio = np.random.default_rng(0).lognormal(0, 0.5, 400_000)
    assert effective_sample_size(ratio) / 400_000 == pytest.approx(
        np.exp(-0.25), rel=0.02
    )


def test_one_bad_ratio_shows_and_does_not_raise():
    assert np.isnan(sampled_surrogate([1.0, np.nan], [1.0, 1.0]))
    assert not np.isfinite(sampled_surrogate([1.0, np.inf], [1.0, 0.0]))
    assert np.isnan(clipped_surrogate([1.0, np.nan], [1.0, 1.0]))


def test_bad_input_is_named(random_case):
    _, old, pi = random_case
    with pytest.raises(ValueError, match=r"pi has shape \(5, 2\), expected \(5, 3\)"):
        surrogate(old, pi[:, :2])
    with pytest.raises(ValueError, match="of pi sums to 2"):
        surrogate(old, 2 * pi)
    with pytest.raises(ValueError, match=r"ratio \(2,\) and advantages \(3,\)"):
        sampled_surrogate(np.ones(2), np.ones(3))
    with pytest.raises(ValueError, match=r"ratio \(2, 1\)"):
        clipped_terms(np.ones((2, 1)), np.ones((2, 1)))
    with pytest.raises(ValueError, match="ratio and advantages must hold at least one"):
        sampled_surrogate([], [])
    with pytest.raises(
        ValueError, match=r"clip must be a finite number > 0, got -0\.2"
    ):
        clipped_surrogate([1.0], [1.0], -0.2)
    with pytest.raises(ValueError, match="clip must be"):
        clip_active([1.0], [1.0], 0)
    with pytest.raises(ValueError, match="log_prob_old must be finite, found -inf"):
        probability_ratio([0.0], [-np.inf])
    with pytest.raises(ValueError, match="ratio must be >= 0"):
        effective_sample_size([1.0, -1.0])
