"""Page 04: what its widgets draw, and the claims that no cell asserts."""

import numpy as np
import pytest
from scipy import optimize

from trpo_lite import bound, exact
from trpo_lite.course import n04 as lesson
from trpo_lite.mdp import evaluate, road_and_ice, shared_policy

KL = {0.3: [0.1, 0.199], 0.5: [0.1, 0.129, 0.164, 0.208, 0.258, 0.315]}


def J(gamma, p):
    return evaluate(road_and_ice(gamma), shared_policy(p)).performance


@pytest.mark.parametrize("gamma", [0.3, 0.5, 0.9])
def test_the_staircase_is_mm_and_climbs(gamma):
    points, values = lesson.staircase(gamma)
    assert points[: len(KL.get(gamma, []))] == pytest.approx(
        KL.get(gamma, []), abs=6e-4
    )
    assert (np.diff(values) > 0).all()
    grid = np.linspace(0.001, 0.999, 1500)
    for k in range(len(points) - 1):
        old = evaluate(road_and_ice(gamma), shared_policy(points[k]))
        # the closed form against a search that knows nothing but the package's bound
        found = optimize.minimize_scalar(
            lambda p, old=old: -bound.lower_bound(old, shared_policy(p), gamma),
            bounds=(1e-6, 1 - 1e-6),
            method="bounded",
            options={"xatol": 1e-10},
        )
        assert points[k + 1] == pytest.approx(found.x, abs=1e-6)
        M, C, slope = lesson.bound_on_road_and_ice(grid, points[k], gamma)
        theirs = bound.lower_bound(old, shared_policy(grid[700]), gamma)
        assert M[700] == pytest.approx(theirs, rel=1e-9)
        assert pytest.approx(bound.penalty_constant(old, gamma)) == C
        h = 1e-6
        rise = (J(gamma, points[k] + h) - J(gamma, points[k] - h)) / (2 * h)
        assert slope == pytest.approx(rise, rel=1e-6)
        # it minorizes J
        truth = np.array([J(gamma, p) for p in grid[::50]])
        assert (values[k] + M[::50] <= truth + 1e-10).all()


def test_the_picture_shows_the_touching_points_and_the_curve():
    figure = lesson.draw_staircase(0.5)
    whole, zoom = figure.axes
    points, values = lesson.staircase(0.5)
    for axes in (whole, zoom):
        dots = next(x for x in axes.lines if len(x.get_xdata()) == len(points))
        assert np.array(dots.get_xdata()) == pytest.approx(points)
        assert np.array(dots.get_ydata()) == pytest.approx(values)
    assert zoom.get_xlim()[0] < points[0] < points[2] < zoom.get_xlim()[1]
    curve = whole.lines[0]
    assert curve.get_ydata()[40] == pytest.approx(J(0.5, 0.5))


def test_the_divergences_are_kl_both_ways_above_pinskers_parabola():
    one, other, floor = lesson.draw_divergences(0.3).axes[0].lines[:3]
    q = one.get_xdata()
    i = 100
    p = np.array([0.7, 0.3])
    r = np.array([1 - q[i], q[i]])
    assert one.get_ydata()[i] == pytest.approx((p * np.log(p / r)).sum())
    assert other.get_ydata()[i] == pytest.approx((r * np.log(r / p)).sum())
    assert floor.get_ydata()[i] == pytest.approx(2 * (q[i] - 0.3) ** 2)
    for line in (one, other):
        assert (line.get_ydata() >= floor.get_ydata() - 1e-12).all()


def test_at_one_half_the_two_directions_lie_closest():
    def apart(p):
        one, other = lesson.draw_divergences(p).axes[0].lines[:2]
        near = np.abs(one.get_xdata() - p) < 0.045
        return np.abs(one.get_ydata() - other.get_ydata())[near].max()

    gaps = {p: apart(p) for p in (0.1, 0.25, 0.5, 0.75, 0.9)}
    assert min(gaps, key=gaps.get) == 0.5


@pytest.mark.parametrize("widget", lesson.widgets, ids=lambda w: w.draw.__name__)
def test_every_control_changes_the_picture(widget):
    pictures = set()
    for settings in widget.settings():
        axes = widget.draw(**settings).axes
        curves = [line.get_xydata() for one in axes for line in one.lines]
        pictures.add(b"".join(np.ascontiguousarray(c).tobytes() for c in curves))
    assert len(pictures) == len(list(widget.settings()))


def test_too_small_a_penalty_breaks_the_promise_and_the_right_one_keeps_it():
    old = evaluate(road_and_ice(0.9), shared_policy(0.1))
    C = bound.penalty_constant(old, 0.9)
    slope = float(old.visitation @ (old.advantage[:, 1] - old.advantage[:, 0]))

    def kept(divide):
        p = lesson.mm_step_reference(0.1, slope, C / divide)
        promise = bound.lower_bound(old, shared_policy(p), 0.9, C / divide)
        return J(0.9, p) - old.performance >= promise

    assert [kept(d) for d in (1, 10, 30, 100, 300)] == [True] * 3 + [False] * 2


def test_the_law_of_small_steps_is_the_top_of_its_parabola():
    for gamma in (0.5, 0.9, 0.99):
        epsilon = 1.7
        x = np.linspace(0, (1 - gamma) / (4 * gamma), 100_001)
        M = 2 * epsilon * x / (1 - gamma)
        M = M - 8 * epsilon * gamma * x**2 / (1 - gamma) ** 2
        assert M.max() == pytest.approx(epsilon / (8 * gamma), rel=1e-8)
        assert (M >= -1e-12).all() and M[-1] == pytest.approx(0, abs=1e-12)


def test_the_exercise_step_is_the_package_step_in_one_state():
    """One state, two actions: the exact MM step and exercise 3 are one problem."""
    from trpo_lite.mdp import TabularMDP

    mdp = TabularMDP(np.ones((1, 2, 1)), [[0.0, 1.0]], 0.9, [1.0])
    old = evaluate(mdp, [[0.7, 0.3]])
    slope = float(old.visitation[0] * (old.advantage[0, 1] - old.advantage[0, 0]))
    step = exact.mm_step(old, 0.9, penalty=20.0)
    mine = lesson.mm_step_reference(0.3, slope, 20.0)
    assert step.pi[0, 1] == pytest.approx(mine, abs=1e-9)


def test_minorizers_and_figures_of_given_arrays():
    figure = lesson.draw_minorizers(np.cos, [0.5, 0.2], [lambda x: np.cos(0.5) - x**2])
    assert figure.axes[0].lines[0].get_ydata()[0] == pytest.approx(np.cos(-0.6))
    figure = lesson.draw_looseness({"a": np.array([20.0, 30.0, 1e9])})
    assert "median 30" in figure.axes[0].get_legend().get_texts()[0].get_text()
    figure = lesson.draw_climb({"short": [0, 2], "long": [0, 1, 1.5, 1.7]}, 2)
    assert list(figure.axes[0].lines[0].get_ydata()) == [0, 2, 2, 2]
    seen = np.array([[0.1, 0.3], [0.9, 1.0]])
    figure = lesson.draw_sampled_max(np.array([10, 100]), seen)
    assert figure.axes[0].lines[0].get_ydata() == pytest.approx([0.2, 0.95])
    tv, kl = np.array([0.1, 0.2]), np.array([0.05, 0.3])
    assert list(lesson.draw_pinsker(tv, kl).axes[0].lines[0].get_ydata()) == [0.05, 0.3]
