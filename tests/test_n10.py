"""What page 10 claims and its cells do not assert."""

import inspect

import numpy as np
import pytest

from tests import histories
from trpo_lite import lqr
from trpo_lite.bound import kl
from trpo_lite.conjugate_gradient import conjugate_gradient
from trpo_lite.course import n10 as lesson
from trpo_lite.course.data import load
from trpo_lite.exact import mean_kl_step
from trpo_lite.mdp import evaluate
from trpo_lite.natural_gradient import natural_step
from trpo_lite.policies import LinearGaussian, TabularSoftmax


@pytest.mark.parametrize("n, spread", [(10, 1e2), (20, 1e4), (30, 1e4)])
def test_orthogonal_path_ends_after_n_iterations(n, spread):
    values, g = np.geomspace(1 / spread, 1, n), np.ones(n)
    error = lesson.errors(lesson.orthogonal_path(values, g, n), g / values)
    assert error[n] < 1e-12 < 1e-3 < error[n - 1]


def test_orthogonal_and_rounded_paths_agree_at_first():
    values, g = np.geomspace(1e-4, 1, 30), np.ones(30)
    exact = lesson.orthogonal_path(values, g, 8)
    np.testing.assert_allclose(lesson.rounded_path(values, g, 8), exact, rtol=1e-8)


def test_rounding_costs_about_twice_the_iterations():
    values, g = np.geomspace(1e-4, 1, 30), np.ones(30)
    error = lesson.errors(lesson.rounded_path(values, g, 90), g / values)
    assert error[30] > 0.1
    assert 50 < np.argmax(error < 1e-6) < 75


def largest_gaps(n, spread):
    """How far g.x is from x.F x, at worst over 40 sampled g: (after 10, after 30).

    A sampled gradient has a covariance like F: parts as the root of the eigenvalue.
    """
    values, gaps = np.geomspace(1 / spread, 1, n), []
    for seed in range(40):
        g = np.random.default_rng(seed).normal(size=n) * np.sqrt(values)
        path = lesson.rounded_path(values, g, 30)[1:]
        gap = np.abs(path @ g / np.einsum("ki,i,ki->k", path, values, path) - 1)
        gaps.append((gap[:10].max(), gap.max()))
    return np.max(gaps, axis=0)


@pytest.mark.parametrize("n", [30, 100, 300])
@pytest.mark.parametrize("spread", [1e2, 1e3, 1e4])
def test_rounding_hardly_touches_the_equality_of_gx_and_xfx(n, spread):
    ten, thirty = largest_gaps(n, spread)
    assert ten < 1e-9 and thirty < 0.07


def test_rounding_touches_it_at_many_iterations_or_a_wide_spread():
    assert largest_gaps(30, 1e4)[1] > 0.03
    assert largest_gaps(12, 1e4)[0] > 1e-3  # ten iterations for twelve parameters
    assert 0.05 < largest_gaps(30, 1e10)[0] < 0.2


def solve_with_residual(product, g, x, iterations):
    """x_k and the residual that CG itself keeps."""
    r = g - product(x)
    p = r
    for _ in range(iterations):
        ap, rr = product(p), r @ r
        x, r = x + rr / (p @ ap) * p, r - rr / (p @ ap) * ap
        p = r + (r @ r) / rr * p
    return x, r


@pytest.mark.parametrize("spread", [1e2, 1e4, 1e10])
@pytest.mark.parametrize("start", [0.0, 1e-4])
def test_the_residual_holds_xfx_at_any_spread_and_from_any_start(spread, start):
    values, apart = np.geomspace(1 / spread, 1, 30) + 1e-12, []  # damped a little
    for seed in range(20):
        rng = np.random.default_rng(seed)
        g = 1e-3 * rng.normal(size=30) * np.sqrt(values)
        x0 = start * rng.normal(size=30)
        for k in (1, 2, 10, 30):
            x, r = solve_with_residual(values.__mul__, g, x0, k)
            apart.append(abs(x @ (g - r) / (x @ (values * x)) - 1))
    assert max(apart) < 1e-12


def test_the_lakes_residual_holds_xfx_after_a_random_start():
    product, g, _ = lake()
    x0 = 1e-4 * np.random.default_rng(0).standard_normal(64)
    x, r = solve_with_residual(product, g / 10_000, x0, 4)
    assert x @ product(x) > 5 * (x @ g / 10_000)
    assert x @ (g / 10_000 - r) == pytest.approx(x @ product(x), rel=1e-10)


def test_gx_tells_how_far_cg_has_come_and_the_residual_does_not():
    product, g, _ = lake()
    x = [conjugate_gradient(product, g, iterations=k).x for k in range(1, 12)]
    gx = np.array([one @ g for one in x])
    assert (np.diff(gx) > 0).all()
    f = [one @ product(one) / 2 - one @ g for one in x]
    np.testing.assert_allclose(f, -gx / 2, rtol=1e-6)
    residuals = conjugate_gradient(product, g, iterations=11).residuals
    assert residuals[5] > residuals[4] and residuals[5] > 0.4 * residuals[0]
    assert gx[4] > 0.94 * gx[-1]


def test_a_gradient_without_kl_is_noticed_only_where_the_zero_is_exact():
    """Else by its sign alone: half of the roundings are negative, and none is large."""
    d = lesson.lake()[1].visitation
    rng, sizes, left = np.random.default_rng(1), [], []
    for _ in range(200):
        pi, g = rng.dirichlet(np.ones(4), 16), np.repeat(rng.normal(size=16), 4)
        product = fisher(pi, d / d.sum())
        left.append(g @ product(g))
        try:
            x = conjugate_gradient(product, g).x
        except ValueError:
            assert left[-1] < 1e-18
        else:
            assert left[-1] > -1e-18
            sizes.append(np.linalg.norm(x))
    left = np.array(left)
    assert abs(left).max() < 1e-14 and 1e-18 < np.median(abs(left)) < 1e-15
    assert 0.25 < (left < 0).mean() < 0.75
    assert 17 < np.log10(np.median(sizes)) < 20


def test_a_random_start_makes_a_step_many_times_too_long():
    product, g, _ = lake()
    small, shares = g / 10_000, {1: [], 8: []}
    for seed in range(200):
        x0 = 1e-4 * np.random.default_rng(seed).standard_normal(64)
        for k, found in shares.items():
            x = lesson.solve_from.reference(product, small, x0, k)
            if small @ x > 0:
                found.append(x @ product(x) / (small @ x))
    assert 50 < len(shares[1]) < 150  # the others have no root
    assert np.median(shares[1]) == pytest.approx(100, rel=0.1)
    assert np.median(shares[8]) == pytest.approx(0.93, abs=0.01)


@pytest.mark.parametrize("damping", [0.0, 0.1])
def test_fifteen_iterations_forget_the_start_and_a_stop_before_them_does_not(damping):
    product, g, _ = lake()
    small, shares, used = g / 10_000, {"all": [], "stopped": []}, []

    def damped(v):
        return product(v) + damping * v

    for seed in range(200):
        x0 = 1e-4 * np.random.default_rng(seed).standard_normal(64)
        path = [lesson.solve_from.reference(damped, small, x0, k) for k in range(16)]
        residuals = [small - damped(x) for x in path]
        stop = next((k for k, r in enumerate(residuals) if r @ r < 1e-10), 15)
        used.append(stop)
        for name, x in (("all", path[15]), ("stopped", path[stop])):
            if small @ x > 0:
                shares[name].append(x @ damped(x) / (small @ x))
    assert len(shares["all"]) == 200 and max(used) <= 3
    np.testing.assert_allclose(shares["all"], 1, atol=0.005)
    assert np.median(shares["stopped"]) > 50


def test_conjugate_directions_are_perpendicular_once_the_bowl_is_round():
    F, g = np.array([[2.0, 0.3], [0.3, 0.2]]), np.array([1.0, -0.7])
    S = lesson.stretch(F)
    np.testing.assert_allclose(S @ S, F / np.linalg.eigvalsh(F)[-1], atol=1e-14)
    x = [conjugate_gradient(F.__matmul__, g, k).x for k in (1, 2)]
    one, two = x[0], x[1] - x[0]
    assert lesson.angle(S @ one, S @ two) == pytest.approx(90)
    assert abs(lesson.angle(one, two) - 90) > 5
    path = lesson.steepest_path(F, g, 2)
    one, two = path[1], path[2] - path[1]
    assert lesson.angle(one, two) == pytest.approx(90)
    assert lesson.angle(S @ one, S @ two) > 95


def fisher(pi, d):
    """v -> F v of softmax on a table, the page's two lines."""

    def product(v):
        surplus = v.reshape(pi.shape)
        surplus = surplus - (pi * surplus).sum(-1, keepdims=True)
        return (d[:, None] * pi * surplus).ravel()

    return product


def lake():
    """(policy, product, g, d, the rise of J, L and mean KL at theta)."""
    world, old = lesson.lake()
    d = old.visitation / old.visitation.sum()
    policy = TabularSoftmax.from_probabilities(old.pi)
    at_cells = policy.at(np.arange(16))
    g = (old.visitation[:, None] * old.pi * old.advantage).ravel()
    product = fisher(old.pi, d)

    def measure(step):
        new = at_cells.with_theta(policy.theta + step)
        pi = new.policy.probabilities()
        J = evaluate(world, pi).performance - old.performance
        L = (old.visitation[:, None] * pi * old.advantage).sum()
        return J, L, d @ at_cells.kl(new)

    return product, g, measure


def test_no_search_notices_that_cg_stopped_early():
    product, g, measure = lake()
    for limit in (0.001, 0.05):
        for k in (1, 2, 3, 5, 8, 12):
            step = natural_step(g, product, limit, iterations=k).step
            _, L, kl = measure(step)
            assert L > 0 and kl <= limit  # passes at the first try


def step_of_kl(limit, iterations):
    """CG's direction after so many iterations, at this true mean KL."""
    product, g, measure = lake()
    x = conjugate_gradient(product, g, iterations=iterations).x
    low, high = 0, 1e4
    for _ in range(80):
        middle = (low + high) / 2
        far = measure(middle * x)[2] > limit
        low, high = (low, middle) if far else (middle, high)
    assert measure(low * x)[2] == pytest.approx(limit)
    return low * x


def test_at_equal_kl_more_iterations_gain_more_than_one():
    measure = lake()[2]
    for limit in (0.001, 0.05):
        gains = {k: measure(step_of_kl(limit, k))[0] for k in (1, 5, 12)}
        assert 0.5 < gains[1] / gains[12] < 0.86
        assert gains[5] > 0.95 * gains[12]


def test_where_the_plain_and_the_natural_step_spend_their_kl():
    old = lesson.lake()[1]
    policy, shares = TabularSoftmax.from_probabilities(old.pi), []
    at_cells, d = policy.at(np.arange(16)), old.visitation / old.visitation.sum()
    for k in (1, 12):
        new = at_cells.with_theta(policy.theta + step_of_kl(0.001, k))
        spent = d * at_cells.kl(new) / 0.001
        shares.append([spent[cells].sum() for cells in ([0, 1, 2, 4, 8], [10, 13, 14])])
    np.testing.assert_allclose(shares, [[0.90, 0.06], [0.06, 0.83]], atol=0.005)
    # page 05's step of average KL .05: that counts the cells without holes and goal
    pi = mean_kl_step(old, 0.05 * d[np.ptp(old.advantage, axis=1) > 1e-12].sum()).pi
    assert set(np.argsort(kl(old.pi, pi))[-3:]) == {10, 13, 14}


def test_damping_never_raises_the_promise_of_the_mass():
    for unit in (1, 10, 1000):
        world, gain = lesson.mass(unit)
        g = np.concatenate(lqr.gradient(world, gain, 0.5, "log_std"), axis=None)
        F = lqr.fisher(world, gain, 0.5, "log_std")
        for k in (1, 2, 3):
            promises = [
                natural_step(g, F.__matmul__, 0.01, c, k).predicted_surrogate
                for c in (0.0, 1e-3, 0.1, 1.0, 10.0)
            ]
            assert (np.diff(promises) <= 1e-12).all()


def test_what_a_dense_solver_makes_of_the_lakes_singular_matrix():
    """It raises. Or x is right but for a constant in each cell, and the inverse is not.

    Which of the two depends on rounding, so on the processor: random policies of both.
    """
    world, uniform = lesson.lake()
    rng, solved = np.random.default_rng(0), 0
    for pi in [uniform.pi, *rng.dirichlet(np.ones(4), (150, 16))]:
        old = evaluate(world, pi)
        d = old.visitation / old.visitation.sum()
        g = (old.visitation[:, None] * pi * old.advantage).ravel()
        F = np.array([fisher(pi, d)(unit) for unit in np.eye(64)])
        try:
            x, inverse = np.linalg.solve(F, g), np.linalg.inv(F)
        except np.linalg.LinAlgError:
            continue
        solved += 1
        np.testing.assert_allclose(F @ x, g, rtol=0, atol=1e-9)
        off = x.reshape(16, 4) - old.advantage / (1 - world.gamma)
        assert np.ptp(off, axis=1).max() < 1e-9
        assert np.abs(off).max() > 0.1  # the constants
        assert np.abs(F @ inverse @ g - g).max() > 0.01 * np.abs(g).max()
    assert 0 < solved < 151


def test_the_widgets_curves_stay_in_its_picture():
    for settings in lesson.convergence.settings():
        _, residuals, error = lesson.convergence_curves(**settings)
        assert max(residuals.max(), error.max()) < 100


@pytest.mark.parametrize("spacing", lesson.SPACINGS)
@pytest.mark.parametrize("kappa", [10.0, 1e4])
@pytest.mark.parametrize("damping", [0.0, 1e-2])
def test_curves_of_the_widget(spacing, kappa, damping):
    values, residuals, error = lesson.convergence_curves(kappa, damping, spacing)
    assert len(values) == 30 and len(residuals) == len(error) == 61
    assert values.max() / values.min() == pytest.approx(kappa)
    assert [residuals[0], error[0]] == pytest.approx([1, 1])
    g = np.ones(30)
    x = conjugate_gradient(lambda v: (values + damping) * v, g, iterations=5).x
    left = np.linalg.norm(g - (values + damping) * x) / np.linalg.norm(g)
    assert residuals[5] == pytest.approx(left)
    off = np.linalg.norm(x - g / values) / np.linalg.norm(g / values)
    assert error[5] == pytest.approx(off)
    if spacing == "five values":
        assert residuals[5] < 1e-6  # five eigenvalues, five iterations
    if damping and residuals[60] < 1e-10:  # the other system's solution
        away = damping * g / (values * (values + damping))
        floor = np.linalg.norm(away) / np.linalg.norm(g / values)
        assert error[60] == pytest.approx(floor)


def test_what_the_widget_asks():
    reach = {
        damping: lesson.convergence_curves(1e4, damping, "log-spaced")
        for damping in lesson.convergence.controls["damping"].values
    }
    for damping, (_, residuals, error) in reach.items():
        assert (residuals[10] < 1e-2) == (damping >= 0.1)
        assert damping < 0.1 or error[10] > 0.99


@pytest.mark.parametrize("name", lesson.convergence.controls)
def test_each_control_changes_the_curves(name):
    control = lesson.convergence.controls[name]
    settings = lesson.convergence.defaults
    curves = [
        lesson.convergence_curves(**{**settings, name: value})[1]
        for value in (control.default, control.ends[-1])
    ]
    assert not np.allclose(*curves)


def test_the_classical_bound_in_the_norm_of_f():
    for kappa in (10.0, 100.0):
        values, g = lesson.spectrum(kappa, "log-spaced"), np.ones(30)
        gap = lesson.rounded_path(values, g, 25) - g / values
        norm = np.sqrt(np.einsum("ki,i,ki->k", gap, values, gap))
        rate = (np.sqrt(kappa) - 1) / (np.sqrt(kappa) + 1)
        assert (norm <= 2 * rate ** np.arange(26) * norm[0] + 1e-12).all()
        assert (np.diff(norm[:12]) < 0).all()  # f falls in each iteration


def test_the_mass_is_the_same_world_in_all_units():
    steps = []
    for unit in (1, 1000):
        world, gain = lesson.mass(unit)
        d_gain, d_std = lqr.gradient(world, gain, 0.5, parameter="log_std")
        g = np.concatenate([d_gain.ravel(), d_std])
        fisher = lqr.fisher(world, gain, 0.5, parameter="log_std")
        step = natural_step(g, fisher.__matmul__, 0.01, iterations=3).step
        new = gain + step[:2] * 1.0
        steps.append(
            (lqr.performance(world, gain, 0.5), new @ np.diag([unit, 1]), step[2])
        )
    for one, other in zip(*steps):
        np.testing.assert_allclose(one, other, rtol=1e-4)


def test_the_mixed_up_hessian_by_hand():
    # KL(N(0,1) || N(m, e^2u)) has the Hessian e^-2u [[1, -2m], [-2m, 2(1 + m^2)]]
    for mean in (0.0, 1.5):
        old = LinearGaussian(np.zeros(2), 1)

        def gradient(theta, old=old):
            return old.at(np.ones((4, 1))).kl_gradient(
                old.with_theta(theta).at(np.ones((4, 1)))
            )

        theta, h = np.array([mean, 0.0]), 1e-5
        numeric = [
            (gradient(theta + h * e) - gradient(theta - h * e)) / (2 * h)
            for e in np.eye(2)
        ]
        exact = [[1, -2 * mean], [-2 * mean, 2 * (1 + mean**2)]]
        np.testing.assert_allclose(numeric, exact, atol=1e-8)
    # the damping that would hide the bug
    assert 0.31 < -np.linalg.eigvalsh(exact)[0] < 0.33


def test_the_hessian_of_a_tables_softmax_is_its_fisher_matrix_everywhere():
    rng = np.random.default_rng(0)
    old = TabularSoftmax(rng.normal(size=6), 2, 3).at(np.array([0, 0, 1]))
    new = old.with_theta(old.policy.theta + 2 * rng.normal(size=6))
    assert old.kl(new).mean() > 0.5
    theta, h = new.policy.theta, 1e-5
    for e in np.eye(6):
        up, down = (old.with_theta(theta + way * e) for way in (h, -h))
        bent = (old.kl_gradient(up) - old.kl_gradient(down)) / (2 * h)
        np.testing.assert_allclose(bent, new.fisher_product(e), atol=1e-9)


def test_the_times_are_medians_of_seven_but_that_of_building_the_matrix(monkeypatch):
    assert inspect.signature(histories.seconds).parameters["repeats"].default == 7
    timed = []
    monkeypatch.setattr(histories, "seconds", lambda *way: timed.append(way) or 0.0)
    histories.cg_cost(dense=(2, 3), free=(2,), rows=5)
    assert [len(way) for way in timed] == [1] * 5  # inverse and solve, twice, and CG


def test_stored_costs_say_what_the_page_says():
    cost = load("cg_cost")
    n, free, cg = cost["n"], cost["n_free"], cost["cg"]
    both = cg[np.isin(free, n)]
    assert (cost["solve"][n < 200] < both[n < 200]).all()
    assert (cost["solve"][n > 200] > both[n > 200]).all()
    assert (cost["build"] > 2 * both).all()  # before any dense way can begin
    assert free[-1] == 10**6 and cg[-1] < 5
    growth = np.diff(np.log(cost["inverse"][-3:])) / np.diff(np.log(n[-3:]))
    assert (growth > 2).all()
    power, _ = np.polyfit(np.log(n[-4:]), np.log(cost["inverse"][-4:]), 1)
    far = cost["inverse"][-1] * (1e6 / n[-1]) ** np.array([power, 3]) / 86400
    assert far == pytest.approx([44, 972], abs=1)  # days; 972 are 2.7 years
    for name in ("inverse", "solve"):
        power, _ = np.polyfit(np.log(n[n > 100]), np.log(cost[name][n > 100]), 1)
        assert 2 < power < 3
    large = free > 500
    power, _ = np.polyfit(np.log(free[large]), np.log(cg[large]), 1)
    assert power == pytest.approx(1, abs=0.12)


def test_steepest_descent_goes_down_and_arrives_late():
    F, g = np.diag([1.0, 0.1]), np.array([1.0, 1.0])
    path = lesson.steepest_path(F, g, 20)
    f = np.einsum("ki,ij,kj->k", path, F, path) / 2 - path @ g
    assert (np.diff(f) < 0).all()
    error = lesson.errors(path, np.linalg.solve(F, g))
    assert error[2] > 0.1 and error[20] > 1e-3


def test_figures_of_the_page_draw():
    F, g = np.diag([1.0, 0.1]), np.array([1.0, 1.0])
    paths = {"a": lesson.steepest_path(F, g, 3), "b": np.zeros((3, 2))}
    assert lesson.draw_paths(F, g, paths).axes
    assert lesson.draw_cost(load("cg_cost")).axes
    assert len(lesson.draw_cells({"x": np.ones(16)}, 0.5).axes) == 1


def test_the_share_of_the_visits_that_holes_and_the_goal_have():
    world, old = lesson.lake()
    ends = np.isclose(world.P[np.arange(16), :, np.arange(16)], 1).all(1)
    assert ends.sum() == 5
    d = old.visitation / old.visitation.sum()
    assert d[ends].sum() == pytest.approx(0.70, abs=5e-3)
    # each cell's eigenvalue is d/4; those that matter are below the damping of .1
    assert d[ends].max() / 4 > 0.1 > 0.036 > d[~ends].max() / 4
