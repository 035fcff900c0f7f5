"""Page 04: what its widgets draw, and the claims that no cell asserts."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import optimize

from trpo_lite import bound, exact
from trpo_lite.course import n04 as lesson
from trpo_lite.mdp import (
    TabularMDP,
    evaluate,
    road_and_ice,
    shared_policy,
    uniform_policy,
)

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


def test_at_one_half_the_two_directions_stay_together_longest():
    def apart(p):
        one, other = lesson.draw_divergences(p).axes[0].lines[:2]
        near = np.abs(one.get_xdata() - p) < 0.045
        return np.abs(one.get_ydata() - other.get_ydata())[near].max()

    gaps = {p: apart(p) for p in (0.1, 0.25, 0.5, 0.75, 0.9)}
    assert min(gaps, key=gaps.get) == 0.5


def test_the_two_directions_meet_once_more_at_one_minus_p():
    q = np.linspace(0.001, 0.999, 9981)

    def meetings(p):  # beside q = p, where the difference is of third order
        one, other = (1 - p) * np.log((1 - p) / (1 - q)), p * np.log(p / q)
        back = (1 - q) * np.log((1 - q) / (1 - p)) + q * np.log(q / p)
        apart = one + other - back
        return [x for x in q[:-1][np.diff(np.sign(apart)) != 0] if abs(x - p) > 0.02]

    for p in (0.1, 0.3, 0.45, 0.8):
        assert meetings(p) == pytest.approx([1 - p] * len(meetings(p)), abs=2e-3)
        assert 1 <= len(meetings(p)) <= 2  # two signs change if q is exactly there
    assert not meetings(0.5)


def test_the_first_inequality_needs_the_maximiser():
    """At p = 0.11 the bound holds, and J gains less than M's maximum."""
    old = evaluate(road_and_ice(0.5), shared_policy(0.1))
    gain = J(0.5, 0.11) - old.performance
    bounds = [bound.lower_bound(old, shared_policy(p), 0.5) for p in (0.11, 0.13)]
    assert gain == pytest.approx(0.017, abs=5e-4)
    assert bounds[0] < gain < bounds[1]


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
        p = lesson.top(0.1, slope, C / divide)
        promise = bound.lower_bound(old, shared_policy(p), 0.9, C / divide)
        return J(0.9, p) - old.performance >= promise

    assert [kept(d) for d in (1, 10, 30, 100, 300)] == [True] * 3 + [False] * 2


def test_a_best_penalty_belongs_to_the_shared_p():
    """From any p nearly the same one is best; with free states ever smaller ones."""
    best_p = 0.389
    assert J(0.9, best_p) > max(J(0.9, best_p + x) for x in (-0.002, 0.002))
    for p in (0.02, 0.1, 0.3, 0.5, 0.8, 0.95):
        old = evaluate(road_and_ice(0.9), shared_policy(p))
        slope = float(old.visitation @ (old.advantage[:, 1] - old.advantage[:, 0]))
        # the penalty whose step ends at the best p
        best = optimize.brentq(
            lambda c, p=p, slope=slope: lesson.top(p, slope, c) - best_p, 1, 100
        )
        assert 6 < best < 7
    old = evaluate(road_and_ice(0.9), shared_policy(0.1))
    C = bound.penalty_constant(old, 0.9)
    assert C / 100 < 3 and C / 30 > 9
    gains = []
    for divide in (1, 10, 100, 1000, 10_000):
        step = exact.mm_step(old, 0.9, C / divide)
        gains.append(evaluate(road_and_ice(0.9), step.pi).performance)
    assert (np.diff([old.performance, *gains]) > 0).all()
    assert gains[-1] - old.performance == pytest.approx(4.638, abs=5e-4)


def test_shares_of_the_visits_in_place_of_d_shorten_the_steps():
    """As page 01 says: (1 - gamma) L less the whole penalty."""
    for gamma, steps in ((0.5, (0.1289, 0.1129)), (0.9, (0.1024, 0.1002))):
        old = evaluate(road_and_ice(gamma), shared_policy(0.1))
        C = bound.penalty_constant(old, gamma)
        slope = float(old.visitation @ (old.advantage[:, 1] - old.advantage[:, 0]))
        found = [lesson.top(0.1, part * slope, C) for part in (1, 1 - gamma)]
        assert found == pytest.approx(steps, abs=1e-4)
        assert J(gamma, 0.1) < J(gamma, found[1]) < J(gamma, found[0])


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
    mdp = TabularMDP(np.ones((1, 2, 1)), [[0.0, 1.0]], 0.9, [1.0])
    old = evaluate(mdp, [[0.7, 0.3]])
    step = exact.mm_step(old, 0.9, penalty=20.0)
    slopes = old.visitation[0] * old.advantage[0]
    mine = lesson.mm_step_reference(old.pi[0], slopes, 20.0)
    assert step.pi[0] == pytest.approx(mine, abs=1e-9)
    assert mine[1] == pytest.approx(lesson.top(0.3, slopes[1] - slopes[0], 20.0))


@pytest.mark.parametrize("n", [3, 4, 5, 7])
def test_the_price_of_the_exercise_is_a_root_of_degree_n(n):
    """Three and four actions have a formula, then: no such one from degree 5 on."""
    rng = np.random.default_rng(n)
    p_old, A = rng.dirichlet(np.ones(n)), rng.normal(size=n)
    polynomial = np.poly(A)  # times (price - A(a)) for all a: sum of pi = 1
    for a in range(n):
        polynomial = np.polysub(polynomial, 2 * p_old[a] * np.poly(np.delete(A, a)))
    price = np.roots(polynomial).real.max()
    assert len(polynomial) == n + 1
    mine = lesson.mm_step_reference(p_old, A, 2.0)
    assert 2 * p_old / (price - A) == pytest.approx(mine, abs=1e-6)


def test_figures_of_given_arrays():
    figure = lesson.draw_minorizers(np.cos, lambda x: -np.sin(x), [0.5, 0.2], bend=1.0)
    curve, below, *_ = figure.axes[0].lines
    x = below.get_xdata()
    assert curve.get_ydata() == pytest.approx(np.cos(x))
    assert (below.get_ydata() <= curve.get_ydata() + 1e-12).all()
    assert np.interp(0.5, x, below.get_ydata()) == pytest.approx(np.cos(0.5), abs=1e-3)
    figure = lesson.draw_climb({"short": [0, 2], "long": [0, 1, 1.5, 1.7]}, 2)
    assert list(figure.axes[0].lines[0].get_ydata()) == [0, 2, 2, 2]
    figure = lesson.draw_sampled_max([10, 100], [[0.1, 0.3], [0.9, 1.0]])
    assert figure.axes[0].lines[0].get_ydata() == pytest.approx([0.2, 0.95])
    tv, kl = np.array([0.1, 0.2]), np.array([0.05, 0.3])
    assert list(lesson.draw_pinsker(tv, kl).axes[0].lines[0].get_ydata()) == [0.05, 0.3]


def test_the_words_say_the_numbers_of_the_pictures():
    words = lesson.divergences.words(p=0.3)
    p, q = np.array([0.7, 0.3]), np.array([0.5, 0.5])
    for one, other in ((p, q), (q, p)):
        assert f"{(one * np.log(one / other)).sum():.2f}" in words
    assert "q = p = 0.30" in words
    words = lesson.stairs.words(gamma=0.5)
    assert "from p = 0.10 to 0.49" in words
    assert f"from {J(0.5, 0.1):.2f} to {J(0.5, 0.4905):.2f}" in words


def test_the_page_s_grid_does_not_show_in_its_numbers():
    """Steps to two digits, their number, and the rows of C / number, exactly."""
    points, _ = lesson.staircase(0.5, steps=25)
    assert list(points[:7].round(2)) == [0.1, 0.13, 0.16, 0.21, 0.26, 0.31, 0.38]
    p, values = lesson.truth(0.5, n=100_001)
    best = p[values.argmax()]
    assert best == pytest.approx(0.702, abs=5e-4)
    assert np.argmax(np.abs(points - best) <= 0.02) == 24
    old = evaluate(road_and_ice(0.9), shared_policy(0.1))
    C = bound.penalty_constant(old, 0.9)
    slope = float(old.visitation @ (old.advantage[:, 1] - old.advantage[:, 0]))
    rows = {}
    for divide in (1, 10, 30, 100, 300):
        p = lesson.top(0.1, slope, C / divide)
        M = bound.lower_bound(old, shared_policy(p), 0.9, C / divide)
        rows[divide] = [f"{p:.3f}", f"{M:.2f}", f"{J(0.9, p) - old.performance:.2f}"]
    assert rows == {
        1: ["0.102", "0.01", "0.02"],
        10: ["0.130", "0.10", "0.21"],
        30: ["0.249", "0.44", "0.84"],
        100: ["0.678", "2.27", "-0.05"],
        300: ["0.888", "4.37", "-2.42"],
    }


def lake_divergence():
    lake = TabularMDP.from_gymnasium("FrozenLake", 0.99, map_name="8x8")
    old = evaluate(lake, uniform_policy(lake))
    new = old.pi * np.exp(old.advantage / 0.1)
    return lake, old, bound.kl(old.pi, new / new.sum(-1, keepdims=True))


def test_where_the_worst_state_is_in_real_episodes():
    """By linear equations: its share of the steps before an episode's end."""
    lake, old, per_state = lake_divergence()
    step = lake.P.mean(1)  # the uniform policy's
    ends = np.isclose(step.diagonal(), 1)
    assert ends.sum() == 11
    inside = np.where(ends, 0, step) * ~ends[:, None]
    visits = np.linalg.solve(np.eye(64) - inside.T, lake.start)
    share = visits / visits.sum()
    assert per_state.argmax() == 55
    assert share[55] == pytest.approx(0.00023, abs=1e-5)
    # the visitation of page 01 goes on in the end states, which no batch holds
    assert old.visitation[ends].sum() / old.visitation.sum() > 0.7


def test_the_sampled_maximum_of_learners_one_by_one():
    lake, _, per_state = lake_divergence()
    cumulative = lake.P.cumsum(-1)
    rng = np.random.default_rng(5)
    seen = []
    for _ in range(60):
        s, largest = 0, 0.0
        actions, draws = rng.integers(4, size=10_000), rng.random(10_000)
        for n, (a, u) in enumerate(zip(actions, draws, strict=True), 1):
            largest = max(largest, per_state[s])
            s = int(np.searchsorted(cumulative[s, a], u, side="right"))
            if lake.P[s, 0, s] == 1 and lake.P[s, 1, s] == 1:
                s = 0
            if n == 1000:
                early = largest
        seen.append((early, largest))
    early, late = np.mean(seen, 0) / per_state.max()
    assert early == pytest.approx(0.20, abs=0.12)
    assert late == pytest.approx(0.80, abs=0.12)


def test_noise_may_make_the_largest_advantage_too_large():
    """The largest |TD error| of visited steps, in place of |A|, over epsilon."""
    lake, old, _ = lake_divergence()
    cumulative, n = lake.P.cumsum(-1), 300
    ends = np.isclose(np.einsum("sas->sa", lake.P), 1).all(1)
    rng = np.random.default_rng(0)
    s, noisy, exact_A = np.zeros(n, int), np.zeros(n), np.zeros(n)
    for _ in range(3000):
        a, u = rng.integers(4, size=n), rng.random(n)
        after = np.minimum((u[:, None] > cumulative[s, a]).sum(1), 63)
        delta = (after == 63) + 0.99 * old.v[after] - old.v[s]
        noisy = np.maximum(noisy, np.abs(delta))
        exact_A = np.maximum(exact_A, np.abs(old.advantage[s, a]))
        s = np.where(ends[after], 0, after)
    epsilon = np.abs(old.advantage).max()
    assert (exact_A <= epsilon).all() and np.mean(exact_A < 0.9 * epsilon) > 0.5
    assert np.mean(noisy > epsilon) == pytest.approx(0.45, abs=0.1)


def random_gaps(concentration, n=10_000, gamma=0.9):
    """The page's recipe: true gaps, [n], and old, new, A, d; Dirichlet transitions."""
    rng = np.random.default_rng(0)
    P = rng.dirichlet(np.full(6, concentration), (n, 6, 3))
    R, start = rng.standard_normal((n, 6, 3)), rng.dirichlet(np.ones(6), n)
    old, target = (rng.dirichlet(np.ones(3), (n, 6)) for _ in range(2))
    share = 10 ** rng.uniform(-3, 0, (n, 1, 1))
    new = (1 - share) * old + share * target

    def solved(pi):
        system = np.eye(6) - gamma * np.einsum("nsa,nsat->nst", pi, P)
        v = np.linalg.solve(system, (pi * R).sum(-1)[..., None])[..., 0]
        d = np.linalg.solve(system.swapaxes(1, 2), start[..., None])[..., 0]
        A = R + gamma * np.einsum("nsat,nt->nsa", P, v) - v[..., None]
        return (start * v).sum(-1), A, d

    J_old, A, d = solved(old)
    gap = np.abs(solved(new)[0] - J_old - (d * (new * A).sum(-1)).sum(-1))
    return gap, old, new, A, d


def looseness(concentration, gamma=0.9):
    """This page's penalty over the true gap, [n]."""
    gap, old, new, A, _ = random_gaps(concentration)
    C = 4 * np.abs(A).max((1, 2)) * gamma / (1 - gamma) ** 2
    return C * (old * np.log(old / new)).sum(-1).max(-1) / gap


def test_the_looseness_belongs_to_the_ensemble():
    medians = {1: 8218, 0.1: 3174, 10: 26_109}
    for concentration, expected in medians.items():
        times = looseness(concentration)
        assert np.median(times) == pytest.approx(expected, rel=1e-3)
        assert times.min() > 25


def test_what_each_sharper_penalty_wins():
    """2 by Pinsker, a further 3 by TV, 3 by epsilon' and 1.7 by the average."""
    gap, old, new, A, d = random_gaps(1)
    TV = 0.5 * np.abs(new - old).sum(-1)
    epsilon, mine = np.abs(A).max((1, 2)), np.abs((new * A).sum(-1)).max(-1)
    alpha, average = TV.max(-1), (d * TV).sum(-1) / 10
    in_order = (
        2 * epsilon * (old * np.log(old / new)).sum(-1).max(-1),
        4 * epsilon * alpha**2,
        2 * mine * alpha,
        2 * mine * average,
    )
    medians = [np.median(x * 0.9 / 0.1**2 / gap) for x in in_order]
    assert medians == pytest.approx([4109, 1311, 440, 263], rel=2e-3)
    won = np.divide(medians[:-1], medians[1:])
    assert won == pytest.approx([3.1, 3.0, 1.7], abs=0.05)


def test_a_minorizer_s_top_gains_twice_its_promise_for_small_steps():
    """At the top of a x - b x^2 / 2 the penalty is half of the line."""
    old = evaluate(road_and_ice(0.9), shared_policy(0.1))
    C = bound.penalty_constant(old, 0.9)
    for factor, expected in ((1, 2.0), (100, 2.0)):
        slope = float(old.visitation @ (old.advantage[:, 1] - old.advantage[:, 0]))
        p = lesson.top(0.1, slope, factor * C)
        promise = bound.lower_bound(old, shared_policy(p), 0.9, factor * C)
        gain = J(0.9, p) - old.performance
        assert gain / promise == pytest.approx(expected, rel=0.05)


def test_later_ledgers_hold_their_own_rows_and_some_older_ones_in_fewer_words():
    def rows(page):
        (path,) = (Path(__file__).parents[1] / "notebooks").glob(f"{page}_*.ipynb")
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        (text,) = [
            "".join(cell["source"])
            for cell in cells
            if "## Guarantee ledger" in "".join(cell["source"])
        ]
        plain = text.replace("$", "").replace("**", "").replace("\\delta", "δ")
        return [line for line in plain.splitlines() if line.startswith("| ")][2:]

    here = rows("04")
    assert len(here) == 2
    for n in range(5, 19):
        first, *others = rows(f"{n:02d}")
        assert first.startswith(here[0].split(", on any finite world")[0])
        assert len(first) < len(here[0])
        assert not {here[1]} & {*others}
        earlier = {row for m in range(4, n) for row in rows(f"{m:02d}")}
        assert {*others} - earlier, "no row of its own"
