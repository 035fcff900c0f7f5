"""What page 01 claims beyond its own cells, against something independent."""

import dataclasses

import numpy as np
import pytest

from trpo_lite import lqr
from trpo_lite.bound import penalty_constant
from trpo_lite.course import n01 as lesson
from trpo_lite.exact import mm_step
from trpo_lite.mdp import (
    TabularMDP,
    evaluate,
    optimal_policy,
    road_and_ice,
    sample_trajectories,
    shared_policy,
)


def by_time(world, pi, T=5000):
    """(d, J) by stepping the distribution of the state."""
    P_pi, r_pi = np.einsum("sa,sat->st", pi, world.P), (pi * world.R).sum(1)
    now, d = world.start, np.zeros(world.n_states)
    for t in range(T):
        d = d + world.gamma**t * now
        now = now @ P_pi
    return d, d @ r_pi


@pytest.mark.parametrize("gamma", [0.0, 0.5, 0.9, 0.98])
def test_the_parts_of_the_curve_add_up_to_J(gamma):
    p, earned, cost, J = lesson.road_parts(gamma, points=11)
    for i, x in enumerate(p):
        d, by_steps = by_time(road_and_ice(gamma), shared_policy(x))
        assert J[i] == pytest.approx(by_steps, abs=1e-9)
        assert earned[i] == pytest.approx(d[0] * x, abs=1e-9)
        assert cost[i] == pytest.approx(d[1] * x * 0.5, abs=1e-9)


def test_the_curve_comes_back_and_the_best_p_falls_with_gamma():
    tops = []
    for gamma in (0.0, 0.5, 0.9, 0.98):
        p, earned, cost, J = lesson.road_parts(gamma)
        assert (np.diff(np.sign(np.diff(J))) != 0).sum() <= 1  # one hill
        tops.append(p[J.argmax()])
    assert tops == sorted(tops, reverse=True) and tops[0] == 1
    p, earned, cost, J = lesson.road_parts(0.9)
    assert p[J.argmax()] == pytest.approx(0.39) and J[-1] < 0
    assert earned[-1] < earned[50] and (np.diff(cost) > 0).all()


def test_the_best_p_falls_along_the_whole_slider():
    """At the fastest up to gamma = .35, and from there on ever slower."""
    gammas = np.arange(0, 0.985, 0.02).round(2)
    tops = [lesson.road_parts(g)[3].argmax() for g in gammas]
    assert (np.diff(tops) <= 0).all() and tops[0] > tops[-1]

    def rise(gamma, h=1e-6):  # of J at p = 1, by steps in time
        world = road_and_ice(gamma)
        return (
            by_time(world, shared_policy(1))[1]
            - by_time(world, shared_policy(1 - h))[1]
        )

    assert rise(0.345) > 0 > rise(0.355)
    fine = [lesson.road_parts(g, points=2001)[3].argmax() for g in gammas]
    assert (np.diff(np.array(fine)[gammas > 0.35]) < 0).all()


def test_how_much_more_a_table_earns():
    """Fast on the road and slow on the ice against the best shared p, by steps."""
    for gamma, expected in ((0.5, 1.9), (0.8, 2.6)):
        world = road_and_ice(gamma)
        table = by_time(world, np.array([[0.0, 1.0], [1.0, 0.0]]))[1]
        shared = [
            by_time(world, shared_policy(p), 200)[1] for p in np.arange(101) / 100
        ]
        assert table / max(shared) == pytest.approx(expected, abs=0.05)


def test_the_curve_of_the_page_at_point_eight():
    p, earned, _, J = lesson.road_parts(0.8)
    assert J[-1] < 0 < J[0] + J.max() and 0.3 < p[J.argmax()] < 0.6
    assert earned[-1] < earned[50]
    now = np.array([1.0, 0.0])
    for _ in range(2):  # at p = 1
        now = now @ road_and_ice().P[:, 1]
    assert now[1] == pytest.approx(0.99)


def test_a_slip_in_the_table_fools_values_and_visits_but_not_the_drives():
    world, pi = road_and_ice(), shared_policy(0.1)
    P = world.P.copy()
    P[0, 1] = P[0, 1, ::-1]
    _, J = by_time(dataclasses.replace(world, P=P), pi)
    assert pytest.approx(0.9853, abs=1e-4) == J
    paths = sample_trajectories(world, pi, 10_000, 150, np.random.default_rng(5))
    returns = paths.rewards @ 0.9 ** np.arange(150)
    off = abs(returns.mean() - J) / (returns.std(ddof=1) / 100)
    assert off > 6  # standard errors


def test_how_many_drives_meet_the_ice():
    """Exactly: on the road, a step stays there with 1 - .9 p."""
    world, pi = road_and_ice(), shared_policy(0.1)
    P_pi = np.einsum("sa,sat->st", pi, world.P)
    for steps, share in ((6, 0.38), (20, 0.83)):
        assert 1 - P_pi[0, 0] ** (steps - 1) == pytest.approx(share, abs=0.005)
    for p, share in ((0.1, 0.08), (1.0, 0.89)):
        d, _ = by_time(world, shared_policy(p))
        assert 0.1 * d[1] == pytest.approx(share, abs=0.005)


def test_about_95_percent_of_the_intervals_cover_J():
    assert abs(lesson.covered() / 400 - 0.95) < 0.03


def test_the_lake_is_gymnasiums():
    import gymnasium

    env = gymnasium.make("FrozenLake-v1")
    assert [b"".join(row).decode() for row in env.unwrapped.desc] == [*lesson.LAKE]
    env.close()
    it = lesson.lake_evaluation(0.9)
    assert np.abs(it.v[lesson.ENDS]).max() < 1e-12
    assert it.visitation.sum() == pytest.approx(10)
    left_of_the_hole = it.pi[4]
    assert left_of_the_hole.tolist() == [1, 0, 0, 0]  # left, into the wall
    assert not lesson._lake_table().P[4, 0, 5]  # from there no slip reaches the hole
    # the best policy keeps to the left edge
    d = it.visitation.reshape(4, 4)
    assert d[:3, 0].sum() > 0.8 * it.visitation[~lesson.ENDS].sum()


def test_the_uniform_policy_falls_soon():
    """Some seven of a hundred visits on the ice, nearly all others in a hole."""
    lake = TabularMDP.from_gymnasium("FrozenLake", gamma=0.99)
    d = evaluate(lake, np.full((16, 4), 0.25)).visitation
    walking, goal = d[~lesson.ENDS].sum(), d[15]
    assert d.sum() == pytest.approx(100) and walking == pytest.approx(7.28, abs=0.01)
    assert goal < 2 and d[lesson.ENDS].sum() - goal > 90


def test_only_slow_driving_gets_off_the_ice():
    world = road_and_ice()  # states road, ice; actions slow, fast
    assert world.P[1, 0, 0] == 1 and world.P[1, 1, 1] == 1 and world.R[1, 1] < 0
    assert world.P[0, 1, 1] > 0.5 and world.R[0, 1] > world.R[0, 0]


def test_the_lake_s_J_by_gymnasium_s_own_steps():
    """The page samples from the table; this doesn't."""
    import gymnasium

    env = gymnasium.make("FrozenLake-v1")
    best, returns = lesson.lake_evaluation(0.9).pi.argmax(1), []
    env.reset(seed=0)
    for _ in range(2000):
        (state, _), weight, total, ended = env.reset(), 1.0, 0.0, False
        while not ended:
            state, reward, terminated, truncated, _ = env.step(int(best[state]))
            total, weight = total + weight * reward, weight * 0.9
            ended = terminated or truncated
        returns.append(total)
    env.close()
    error = np.std(returns) / np.sqrt(len(returns))
    assert abs(np.mean(returns) - lesson.lake_evaluation(0.9).v[0]) < 3.5 * error


def test_slips_and_not_the_distance_make_the_start_worthless_at_gamma_one_half():
    firm = TabularMDP.from_gymnasium("FrozenLake", gamma=0.5, is_slippery=False)
    assert evaluate(firm, optimal_policy(firm)).v[0] == pytest.approx(0.5**5)
    assert lesson.lake_evaluation(0.5).v[0] < 0.02 * 0.5**5


def test_the_best_gain_goes_all_the_way_if_pushing_is_free():
    def cost(k, r):  # P of v = -(P s^2 + h), which the best gain makes smallest
        return (1 + r * k**2) / (1 - 0.9 * (1 + k) ** 2)

    k = np.linspace(-1.9, -0.1, 18_001)
    assert k[cost(k, 1).argmin()] == pytest.approx(-0.5884, abs=1e-4)
    assert k[cost(k, 1e-9).argmin()] == pytest.approx(-1, abs=1e-4)


def test_tied_actions_on_the_lake():
    it = lesson.lake_evaluation(0.99)
    tied = (it.advantage > -1e-10).sum(1)[~lesson.ENDS]
    assert (tied > 1).sum() == 1 and tied.max() == 2


def test_lqr_closed_form_by_stepping_the_second_moment():
    for k, std in ((-1.0, 0.3), (-0.2, 0.5), (-1.9, 0.3)):
        moment, J = 1.0, 0.0
        for t in range(5000):
            J -= 0.9**t * ((1 + k**2) * moment + std**2)
            moment = (1 + k) ** 2 * moment + std**2
        assert lqr.performance(lqr.scalar_lqr(), k, std) == pytest.approx(J)


def test_solutions_agree_with_the_package():
    rng = np.random.default_rng(3)
    for _ in range(20):
        k, std, noise, m0 = rng.uniform((-1.5, 0.1, 0, 0.5), (0, 1, 1, 3))
        world = lqr.scalar_lqr(noise=noise, m0=m0, gamma=0.9)
        expected = lqr.performance(world, k, std)
        came = lesson.windy_performance_reference(k, std, noise, m0, 0.9)
        assert came == pytest.approx(expected, rel=1e-12)
    world, pi = road_and_ice(), shared_policy(0.3)
    it = evaluate(world, pi)
    # rewards by next state whose mean is the world's R give the world's q
    R = np.random.default_rng(0).normal(size=world.P.shape)
    R += (world.R - (world.P * R).sum(axis=2))[:, :, None]
    q = lesson.action_values_reference(world.P, R, world.gamma, it.v)
    assert np.allclose(q, it.q)
    paths = sample_trajectories(world, pi, 20_000, 150, np.random.default_rng(0))
    d = lesson.count_visits_reference(paths.states[:, :-1], 0.9, 2)
    assert np.abs(d - it.visitation).max() < 0.05


def words(figure):
    return " ".join(text.get_text() for axes in figure.axes for text in axes.texts)


def test_the_widgets_show_their_numbers():
    assert "best at p = 0.44 with J = 1.12" in words(lesson.draw_curve(0.8))
    assert "largest at p = 0.44 with 1.12" in lesson.curve.words(gamma=0.8)
    assert "7.3 of 100.0 before" in lesson.lake.words(0.99, lesson.UNIFORM)
    assert "best at p = 0.70 with J = 0.71" in words(lesson.draw_curve(0.5))
    text = words(lesson.draw_lake(0.9, lesson.OPTIMAL))
    it = lesson.lake_evaluation(0.9)
    for number in (f"{it.v[0]:.3f}", f"{it.v[14]:.3f}", f"{it.visitation[0]:.2f}"):
        assert number in text
    assert "10.0 in all" in text and "-0.000" not in text
    assert "7.3 of them before" in words(lesson.draw_lake(0.99, lesson.UNIFORM))


def arrows(figure):
    from matplotlib.quiver import Quiver

    (axes,) = figure.axes
    return [c for c in axes.collections if isinstance(c, Quiver)]


def test_arrows_point_where_the_best_action_does():
    assert not arrows(lesson.draw_lake(0.9, lesson.UNIFORM))
    (quiver,) = arrows(lesson.draw_lake(0.9, lesson.OPTIMAL))
    moves = np.array([(-1, 0), (0, 1), (1, 0), (0, -1)])  # left, down, right, up
    best = lesson.lake_evaluation(0.9).pi.argmax(1)[~lesson.ENDS]
    assert np.array_equal(np.sign(np.c_[quiver.U, quiver.V]), moves[best])


def test_static_figures_draw():
    returns = np.random.default_rng(0).normal(size=1000)
    for figure in (
        lesson.draw_world(),
        lesson.draw_running_mean(returns, 0.0),
        lesson.draw_lqr([(-1.0, -4.5, -4.5, 0.1), (-0.2, -5.3, -5.3, 0.2)]),
    ):
        figure.draw_without_rendering()


def test_costs_die_out_although_the_states_grow():
    """Where |1 + k| > 1 and gamma (1 + k)^2 < 1: by steps in time."""
    k, std, noise, m0, gamma = 0.04, 0.3, 0.1, 1.0, 0.9
    second, J = m0, 0.0
    for t in range(3000):
        J -= gamma**t * (second + k**2 * second + std**2)
        second = (1 + k) ** 2 * second + std**2 + noise
    exercise = lesson.windy_performance
    assert pytest.approx(-103.096, abs=1e-3) == J
    assert exercise.reference(k, std, noise, m0, gamma) == pytest.approx(J)

    def ends_at(limit):
        def answer(k, std, noise, m0, gamma):
            if gamma * (1 + k) ** 2 >= limit:
                return -np.inf
            return exercise.reference(k, std, noise, m0, gamma)

        return answer

    assert exercise.accepts(ends_at(1))
    for limit in (0.9, 0.95, 0.97):
        assert not exercise.accepts(ends_at(limit)), limit


def test_what_an_unscaled_penalty_does_to_a_scaled_L():
    """Page 04's step is a tenth as long, and J rises all the same."""
    world = road_and_ice(0.9)
    old = evaluate(world, shared_policy(0.1))
    C = penalty_constant(old, 0.9)
    right, wrong = (mm_step(old, 0.9, penalty) for penalty in (C, C / (1 - 0.9)))
    lengths = [np.abs(x.pi - old.pi).max() for x in (right, wrong)]
    assert lengths[1] / lengths[0] == pytest.approx(0.1, abs=0.01)
    assert evaluate(world, wrong.pi).performance > old.performance
