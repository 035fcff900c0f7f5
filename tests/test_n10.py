"""What page 10 claims and its cells do not assert."""

import numpy as np
import pytest

from trpo_lite import lqr
from trpo_lite.conjugate_gradient import conjugate_gradient
from trpo_lite.course import n10 as lesson
from trpo_lite.course.data import load
from trpo_lite.natural_gradient import natural_step
from trpo_lite.policies import LinearGaussian


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


def test_the_equality_of_gx_and_xfx_fades_with_rounding():
    values, g = np.geomspace(1e-4, 1, 30), np.ones(30)
    path = lesson.rounded_path(values, g, 30)[1:]
    gap = np.abs(path @ g / np.einsum("ki,i,ki->k", path, values, path) - 1)
    assert gap[:8].max() < 1e-8 < gap.max() < 0.1


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


def test_stored_costs_say_what_the_page_says():
    cost = load("cg_cost")
    n, free, cg = cost["n"], cost["n_free"], cost["cg"]
    both = cg[np.isin(free, n)]
    assert (cost["solve"][n < 200] < both[n < 200]).all()
    assert (cost["solve"][n > 200] > both[n > 200]).all()
    assert free[-1] == 10**6 and cg[-1] < 5
    growth = np.diff(np.log(cost["inverse"][-3:])) / np.diff(np.log(n[-3:]))
    assert (growth > 2).all()


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
