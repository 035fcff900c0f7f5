"""What page 09 claims and its cells do not assert."""

from itertools import pairwise

import numpy as np
import pytest

from trpo_lite import lqr, mdp
from trpo_lite.course import n09 as lesson
from trpo_lite.natural_gradient import natural_step_exact
from trpo_lite.policies import TabularSoftmax
from trpo_lite.trpo import npg_update, policy_gradient_update

SPOTS = [(-0.1, 0.3), (-1.9, 0.7), (-0.588, 0.02), (-0.3, 0.1)]


@pytest.mark.parametrize("gamma", [0.5, 0.9, 0.97])
@pytest.mark.parametrize("k, sigma", SPOTS)
def test_velocities_are_the_gradients_of_the_package(gamma, k, sigma):
    world = lqr.scalar_lqr(gamma=gamma)
    for log_sigma, parameter in ((False, "std"), (True, "log_std")):
        scale = np.array([1, sigma if log_sigma else 1])
        g = np.concatenate(lqr.gradient(world, k, sigma, parameter), axis=None)
        F = lqr.fisher(world, k, sigma, parameter)
        mine = lesson.velocity(gamma, k, sigma, False, log_sigma)
        np.testing.assert_allclose(mine, scale * g, rtol=1e-10)
        mine = lesson.velocity(gamma, k, sigma, True, log_sigma)
        np.testing.assert_allclose(mine, scale * np.linalg.solve(F, g), rtol=1e-10)


def slope_and_fisher(k, sigma, parameter="std"):
    world = lqr.scalar_lqr()
    g = np.concatenate(lqr.gradient(world, k, sigma, parameter), axis=None)
    return g, lqr.fisher(world, k, sigma, parameter)


def gap(gamma, natural, log_sigma):
    return abs(lesson.paths(gamma, natural, log_sigma)[1] - lesson.best_gain(gamma))


def test_the_gaps_of_the_picture():
    assert gap(0.9, False, False) == pytest.approx(0.3135, abs=1e-4)
    assert gap(0.9, False, True) == pytest.approx(0.0004, abs=1e-4)
    for log_sigma in (False, True):
        assert gap(0.9, True, log_sigma) == pytest.approx(0.0435, abs=1e-4)
    assert gap(0.5, False, False) == pytest.approx(0.1275, abs=1e-4)
    assert gap(0.5, True, False) == pytest.approx(0.0314, abs=1e-4)


@pytest.mark.parametrize(
    "start, end, sooner, gaps",
    [(0.3, 0.1, "std", (0.3135, 0.0004)), (3.0, 1.0, "log_std", (0.003, 0.078))],
)
def test_which_parameter_loses_exploration_sooner_turns_round_at_1(
    start, end, sooner, gaps
):
    best, found = lqr.optimal_gain(lqr.scalar_lqr()).item(), {}
    for parameter in ("std", "log_std"):
        k, s, h = -0.1, start, (end - start) / 20_000
        for _ in range(20_000):  # Euler, sigma as the clock
            dk, d = lesson.velocity(0.9, k, s, False, parameter == "log_std")
            k, s = k + h * dk / d, s + h
        found[parameter] = abs(k - best)
    assert [*found.values()] == pytest.approx(gaps, abs=6e-4)
    assert max(found, key=found.get) == sooner
    natural = lesson.flow(0.9, (-0.1, start), end, True, False, 600)[-1][0]
    assert abs(natural - best) == pytest.approx(0.0435, abs=1e-4)


def test_vanilla_s_push_falls_with_a_rare_action_and_natural_s_does_not():
    world, pushes = mdp.chain(5), []
    for right in (0.2, 0.02):
        pi = np.tile([0.8, 0.2], (5, 1))
        pi[4] = 1 - right, right
        e = mdp.evaluate(world, pi)
        g = e.visitation[4] * pi[4] * e.advantage[4]
        natural = np.diff(e.advantage[4]).item() / (1 - world.gamma)
        pushes.append((e.visitation[4], np.diff(g).item(), natural))
    expected = [[0.0539, 0.0198, 11.4746], [0.0464, 0.0018, 9.8900]]
    np.testing.assert_allclose(pushes, expected, atol=6e-5)


def test_the_words_of_the_fields_tell_their_numbers():
    words = lesson.fields.words(gamma=0.5, parameter="log σ")
    assert "0.0000" in words and "0.0314" in words and "log σ" in words


def test_each_flows_own_time_says_the_other():
    reached = []
    for natural, h in ((False, 1e-5), (True, 1e-4)):
        k, sigma, time = -0.1, 0.3, 0.0
        while abs(k - lesson.best_gain(0.9)) > 0.1:
            dk, d_sigma = lesson.velocity(0.9, k, sigma, natural, False)
            k, sigma, time = k + h * dk, sigma + h * d_sigma, time + h
        reached.append(time)
    assert reached == pytest.approx([0.155, 0.643], abs=2e-3)


def test_wrong_lengths_may_be_too_long_but_for_one():
    delta = 0.01
    used = []
    for k, sigma in ((-0.1, 0.3), (-0.588, 0.02)):
        g, H = slope_and_fisher(k, sigma)
        for unit in (1, 10):  # both parameters counted in tenths: phi = 10 theta
            one, F = g / unit, H / unit**2
            gx = one @ np.linalg.solve(F, one)
            used.append([2 * delta / gx, 0.5, gx / (one @ F @ one)])
    no_root, no_two, g_h_g = np.transpose(used)
    assert no_root.min() < 1e-4 and no_root.max() == pytest.approx(106, abs=0.5)
    assert (no_two == 0.5).all()
    assert g_h_g.min() < 1e-2 and g_h_g.max() == pytest.approx(89.1, abs=0.1)


@pytest.mark.parametrize("sigma", [0.3, 0.1, 0.02, 0.001])
def test_vanilla_in_sigma_does_not_come_to_rest_at_a_fixed_stepsize(sigma):
    best = lesson.best_gain(0.9)
    g, F = slope_and_fisher(best, sigma)
    kl = 0.01**2 * np.array([g @ F @ g, g @ np.linalg.solve(F, g)]) / 2
    assert kl[0] == pytest.approx(0.236, abs=5e-4)
    assert 0.01 * g[1] / sigma == pytest.approx(-0.486, abs=5e-4)  # the same share
    assert kl[1] == pytest.approx(0.059 * sigma**4, rel=0.01)  # natural comes to rest


def test_large_damping_turns_to_the_own_vanilla_gradient():
    turns = []
    for parameter, scale in (("std", 1), ("log_std", 0.3)):
        g, F = slope_and_fisher(-0.1, 0.3, parameter)
        dk, second = np.linalg.solve(F + 1e9 * np.eye(2), g)
        turns.append(scale * second / dk)
    assert turns == pytest.approx([0.6701, 0.0603], abs=1e-4)


@pytest.mark.parametrize("gamma", lesson.fields.controls["gamma"].values)
def test_vanilla_is_worse_in_sigma_and_better_in_log_sigma(gamma):
    assert gap(gamma, False, False) > 4 * gap(gamma, True, False) > 0
    assert gap(gamma, False, True) < gap(gamma, True, True)
    # the slider's question: a smaller discount makes vanilla better
    gammas = lesson.fields.controls["gamma"].values
    assert all(gap(a, 0, 0) < gap(b, 0, 0) for a, b in pairwise(gammas))


@pytest.mark.parametrize("gamma", [0.5, 0.9, 0.97])
@pytest.mark.parametrize("natural, log_sigma", [(0, 0), (0, 1), (1, 0)])
def test_flows_are_integrated_finely_enough(gamma, natural, log_sigma):
    for start in lesson.STARTS:
        for end, steps in ((0.1, 120), (0.03, 600)):
            one, two = (
                lesson.flow(gamma, start, end, natural, log_sigma, n)[-1]
                for n in (steps, 3 * steps)
            )
            np.testing.assert_allclose(one, two, atol=1e-4)
    for curve in lesson.paths(gamma, natural, log_sigma)[0]:
        assert len(curve) < 150 and np.abs(np.diff(curve[:, 0])).max() < 0.2
        assert (np.diff(curve[:, 1]) <= 0).all()
        assert curve[-1, 1] == pytest.approx(0.02)


def test_no_arrow_is_zero_and_all_have_one_drawn_length():
    x, y = np.linspace(-1.95, -0.05, 9), np.linspace(0.02, 0.8, 7)
    for gamma in lesson.fields.controls["gamma"].values:
        for natural, log_sigma in ((0, 0), (0, 1), (1, 0)):
            field = lesson.velocity(gamma, x, y[:, None], natural, log_sigma)
            assert np.isfinite(field).all() and np.hypot(*field).min() > 1e-6
            drawn = lesson.arrows(x, y, *field)
            shaft = (drawn[:, 1] - drawn[:, 0]) / [x[1] - x[0], y[1] - y[0]]
            np.testing.assert_allclose(np.linalg.norm(shaft, axis=-1), 0.8)
            # it points the way the field goes
            way = np.stack(field, -1).reshape(-1, 2) / [x[1] - x[0], y[1] - y[0]]
            assert ((shaft * way).sum(-1) > 0).all()


def drawn(figure):
    return [
        (
            axes.get_title() or axes.get_title("left"),  # where a style puts it
            [np.nan_to_num(line.get_xydata()).round(6).tolist() for line in axes.lines],
        )
        for axes in figure.axes
    ]


def test_each_control_changes_what_it_should():
    base = drawn(lesson.draw_fields(0.9, "σ"))
    other = drawn(lesson.draw_fields(0.9, "log σ"))
    assert base[0] != other[0] and base[1] == other[1]
    assert base[0][0] == "vanilla: gap 0.3135"
    assert other[0][0] == "vanilla: gap 0.0004"
    assert base[1][0] == "natural: gap 0.0435"
    values = lesson.fields.controls["gamma"].values
    pictures = [drawn(lesson.draw_fields(gamma, "σ")) for gamma in values]
    assert all(a[0] != b[0] and a[1] != b[1] for a, b in pairwise(pictures))


def test_the_step_figure_touches_its_ellipse():
    world = lqr.scalar_lqr()
    g = np.concatenate(lqr.gradient(world, -0.1, 0.3), axis=None)
    H = lqr.fisher(world, -0.1, 0.3)
    edge = lesson.draw_step(g, H, 0.01, (-0.1, 0.3)).axes[0].lines[0].get_xydata()
    steps = edge - [-0.1, 0.3]
    np.testing.assert_allclose(np.einsum("ni,ij,nj->n", steps, H, steps) / 2, 0.01)
    best = natural_step_exact(g, H, 0.01)
    assert (steps @ g).max() <= best.predicted_surrogate * (1 + 1e-12)
    assert (steps @ g).max() > 0.999 * best.predicted_surrogate


def test_one_ellipse_in_two_parametrisations():
    world, at = lqr.scalar_lqr(), (-0.1, 0.3)
    sides = []
    for parameter in ("std", "log_std"):
        g = np.concatenate(lqr.gradient(world, *at, parameter), axis=None)
        sides.append((g, lqr.fisher(world, *at, parameter)))
    left, right = lesson.draw_ellipses(*sides[0], 0.01, at).axes
    from_right = np.diag([1, 0.3])  # d sigma = sigma d log sigma
    for axes, (_, H), low in zip((left, right), sides, (0.3, np.log(0.3))):
        edge = axes.lines[0].get_xydata() - [-0.1, low]
        assert np.einsum("ni,ij,nj->n", edge, H, edge) == pytest.approx(0.02)
        if axes is right:  # the same policies
            moved = edge @ from_right
            assert np.einsum("ni,ij,nj->n", moved, sides[0][1], moved) == pytest.approx(
                0.02
            )
    (one, g_one), (two, g_two) = (lesson.steps_to_the_edge(*x, 0.01) for x in sides)
    np.testing.assert_allclose(from_right @ two, one)
    assert np.linalg.norm(from_right @ g_two - g_one) > 0.02
    # each ring is the other's end
    ring = left.lines[1].get_xydata()[0] - [-0.1, 0.3]
    np.testing.assert_allclose(ring, from_right @ g_two)
    ring = right.lines[1].get_xydata()[0] - [-0.1, np.log(0.3)]
    np.testing.assert_allclose(from_right @ ring, g_one)
    # the shapes that the page names
    words = lesson.ellipses.words(*sides[0], 0.01, at)
    width = [np.ptp(lesson.ellipse(H, 0.01), axis=1) for _, H in sides]
    assert width[0][0] / width[0][1] == pytest.approx(1.73, abs=0.005)
    assert width[1][1] / width[1][0] == pytest.approx(1.93, abs=0.005)
    assert "1.7 times as wide as high" in words and "1.9 times as high as" in words


def test_the_multiplier_is_the_gain_per_unit_of_delta():
    world = lqr.scalar_lqr()
    g = np.concatenate(lqr.gradient(world, -0.1, 0.3), axis=None)
    H = lqr.fisher(world, -0.1, 0.3)
    price = np.sqrt(g @ np.linalg.solve(H, g) / 0.02)
    gains = [
        natural_step_exact(g, H, 0.01 + h).predicted_surrogate for h in (-1e-6, 1e-6)
    ]
    assert np.diff(gains)[0] / 2e-6 == pytest.approx(price, rel=1e-6)


def test_a_longer_way_in_log_sigma_and_in_sigma_agree_to_first_order():
    world, best = lqr.scalar_lqr(), lesson.best_gain(0.9)
    ends = []
    for delta in (1e-4, 1e-6):
        pair = []
        for parameter in ("std", "log_std"):
            g = np.concatenate(lqr.gradient(world, best, 0.3, parameter), axis=None)
            F = lqr.fisher(world, best, 0.3, parameter)
            step = natural_step_exact(g, F, delta).step[1]
            pair.append(step if parameter == "std" else 0.3 * np.expm1(step))
        ends.append(abs(pair[0] - pair[1]) / abs(pair[0]))
    assert ends[1] == pytest.approx(ends[0] / 10, rel=0.02)  # second order in the step


def test_the_tables_natural_direction_is_the_advantage_where_it_goes():
    world = mdp.chain(5)
    e = mdp.evaluate(world, np.tile([0.8, 0.2], (5, 1)))
    policy = TabularSoftmax.from_probabilities(e.pi)
    eta = 0.01
    theta = policy.theta + eta * e.advantage.ravel() / (1 - world.gamma)
    new = policy.with_theta(theta).probabilities()
    weights = e.pi * np.exp(eta * e.advantage / (1 - world.gamma))
    weights /= weights.sum(-1, keepdims=True)
    np.testing.assert_allclose(new, weights, atol=1e-14)
    # F x = g, with the Fisher product of the package over every state, weighted by d
    x = e.advantage.ravel() / (1 - world.gamma)
    each = [policy.at(np.array([s])).fisher_product(x) for s in range(5)]
    Fx = (1 - world.gamma) * e.visitation @ np.array(each)
    g = (e.visitation[:, None] * e.pi * e.advantage).ravel()
    np.testing.assert_allclose(Fx, g, atol=1e-12)


@pytest.mark.parametrize("name", ["chain", "grid"])
def test_samples_estimate_visits_and_advantages(name):
    world = lesson.worlds()[name]
    pi = mdp.random_policy(np.random.default_rng(1), world.n_states, world.n_actions)
    e = mdp.evaluate(world, pi)
    rows, advantages = lesson.sample(world, pi, 40_000, np.random.default_rng(2))
    share = np.bincount(rows.observations, minlength=world.n_states) / len(rows)
    np.testing.assert_allclose(share, 0.1 * e.visitation, atol=0.01)
    s = np.argmax(e.visitation)
    for a in range(world.n_actions):
        mine = advantages[(rows.observations == s) & (rows.actions == a)].mean()
        assert mine == pytest.approx(e.advantage[s, a], abs=0.02)


OTHERS = range(500, 508)  # seeds


def runs_of(world, update, runs=50, updates=40, seeds=OTHERS, exact=False, **options):
    """J / optimum [seeds, updates + 1]; exact: A of the table, states still sampled."""
    best = mdp.evaluate(world, mdp.optimal_policy(world)).performance
    curves = []
    for seed in seeds:
        rng = np.random.default_rng(seed)
        policy = TabularSoftmax.zeros(world.n_states, world.n_actions)
        J = []
        for _ in range(updates + 1):
            pi = policy.probabilities()
            e = mdp.evaluate(world, pi)
            J.append(e.performance / best)
            rows, A = lesson.sample(world, pi, runs, rng)
            if exact:
                A = e.advantage[rows.observations, rows.actions]
            policy, _ = update(policy, rows, A, **options)
        curves.append(J)
    return np.array(curves)


def chain():
    return lesson.worlds()["chain"]


def along_g(policy, rows, advantages, delta, damping=1e-3):
    old = policy.at(rows.observations)
    g = old.score_sum(rows.actions, advantages) / len(rows)
    squared = g @ old.fisher_product(g) + damping * g @ g
    size = np.sqrt(2 * delta / squared) if g.any() else 0
    return policy.with_theta(policy.theta + size * g), None


def test_the_verdicts_hold_for_other_seeds_too():
    vanilla, damped = policy_gradient_update, {"damping": 1e-3}
    worse = {"chain": 300, "grid": 10}
    for name, world in lesson.worlds().items():
        natural = runs_of(world, npg_update, delta=0.01, **damped)
        along = runs_of(world, along_g, delta=0.01)
        stepsize = runs_of(world, vanilla, learning_rate=worse[name])
        assert np.median(natural[:, -1]) > 0.8
        assert natural[:, -1].min() > 0.5
        assert np.median(along[:, -1]) > 0.6
        assert np.median(natural[:, 10]) > np.median(along[:, 10]) + 0.05
        assert np.median(stepsize[:, -1]) < 0.7
        large = runs_of(world, npg_update, delta=0.1, **damped)
        assert np.median(large[:, -1]) < np.median(natural[:, -1])
        assert np.median(large[:, 5]) > np.median(natural[:, 5])
        suits = runs_of(world, vanilla, learning_rate=310 - worse[name])
        assert np.median(suits[:, -1]) > np.median(natural[:, -1]) - 0.05


def damped_twice(policy, rows, advantages, delta, turn, shorten):
    """The natural step with one damping for its direction, another for its length."""
    old = policy.at(rows.observations)
    g = old.score_sum(rows.actions, advantages) / len(rows)
    F = np.array([old.fisher_product(v) for v in np.eye(len(g))])
    x = np.linalg.solve(F + turn * np.eye(len(g)), g)
    squared = x @ F @ x + shorten * x @ x
    size = np.sqrt(2 * delta / squared) if g.any() else 0
    return policy.with_theta(policy.theta + size * x), None


def test_seeds_of_the_chain_below_half_the_optimum():
    """A little damping fails natural there; a shorter step mends it, damped or not."""
    short = {"delta": 0.01, "turn": 1e-4, "shorten": 1e-3}
    ways = (
        ((policy_gradient_update, {"learning_rate": 10}), 3, None),
        ((along_g, {"delta": 0.01}), 4, 5),
        ((npg_update, {"delta": 0.01, "damping": 1e-3}), 0, 1),
        ((npg_update, {"delta": 0.01, "damping": 1e-4}), 4, 6),
        ((damped_twice, short), None, 1),
        ((npg_update, {"delta": 0.003, "damping": 1e-4}), None, 0),
        ((along_g, {"delta": 0.003}), None, 3),
    )
    for (update, options), page, thirty in ways:
        for seeds, expected in ((range(12), page), (range(2000, 2030), thirty)):
            if expected is not None:
                J = runs_of(chain(), update, seeds=seeds, **options)[:, -1]
                assert (J < 0.5).sum() == expected


@pytest.mark.parametrize("name", ["chain", "grid"])
def test_natural_s_early_lead_does_not_need_the_damping(name):
    world = lesson.worlds()[name]
    for seeds in (range(12), OTHERS):
        tenth = [
            np.median(runs_of(world, update, 50, 10, seeds, **options)[:, -1])
            for update, options in (
                (npg_update, {"delta": 0.01, "damping": 1e-4}),
                (along_g, {"delta": 0.01}),
            )
        ]
        assert tenth[0] > tenth[1]


def test_the_same_size_by_the_damped_h_is_more_kl_along_g_on_the_grid():
    world, used = lesson.worlds()["grid"], []
    for update in (npg_update, along_g):
        sizes = []
        for seed in range(12):
            rng = np.random.default_rng(seed)
            policy = TabularSoftmax.zeros(world.n_states, world.n_actions)
            for _ in range(40):
                rows, A = lesson.sample(world, policy.probabilities(), 50, rng)
                new, _ = update(policy, rows, A, delta=0.01, damping=1e-3)
                step = new.theta - policy.theta
                at = policy.at(rows.observations)
                sizes.append(step @ at.fisher_product(step) / 2)
                policy = new
        used.append(np.mean(sizes))
    assert used[1] / used[0] == pytest.approx(1.15, abs=0.03)
    assert used[1] < 0.01


@pytest.mark.parametrize("name", ["chain", "grid"])
def test_with_the_exact_advantage_a_large_delta_learns(name):
    options = {"delta": 0.1, "damping": 1e-3}
    world = lesson.worlds()[name]
    J = runs_of(world, npg_update, exact=True, **options)
    assert J[:, -1].min() > 0.99
    assert np.median(runs_of(world, npg_update, **options)[:, -1]) < 0.7


@pytest.mark.parametrize("damping", [1e-4, 1e-3])
def test_a_damped_step_is_told_that_something_is_added_to_h(damping):
    def damped(features, pi, actions, advantages, delta):
        g = lesson._mean_score_times(features, pi, actions, advantages)
        H = lesson._mean_block(features, pi) + damping * np.eye(len(g))
        return lesson._along(g, np.linalg.solve(H, g), delta, features.shape[1])

    kind, text, _ = lesson.step_from_samples.judge(damped)
    assert kind == "retry" and "is something added to H" in text


def test_the_exercise_s_step_has_the_kl_that_it_asks_for():
    """By the softmax itself, at a small limit."""
    features, pi, actions, advantages, _ = lesson.step_from_samples.case(0)
    step = lesson.step_from_samples_reference(features, pi, actions, advantages, 1e-6)
    weights = pi * np.exp(features @ step)
    new = weights / weights.sum(axis=1, keepdims=True)
    KL = np.mean(np.sum(pi * np.log(pi / new), axis=1))
    assert pytest.approx(1e-6, rel=1e-2) == KL
    taken = np.arange(len(pi)), actions
    assert np.mean((new / pi)[taken] * advantages) > np.mean(advantages)


def test_ten_times_the_runs_do_not_save_the_chain():
    J = runs_of(chain(), npg_update, runs=500, delta=0.1, damping=1e-3)
    assert np.median(J.max(1)) > 0.95 and np.median(J[:, -1]) < 0.8


def test_runs_needed_grow_without_a_baseline_or_with_noise():
    def need(noise, sigma, baseline):
        world = lqr.scalar_lqr(noise=noise)
        rng = np.random.default_rng(11)
        return lesson.runs_needed(world, -0.3, sigma, baseline, rng)

    assert 60 < need(0, 0.03, False) / need(0, 0.3, False) < 200
    assert 0.8 < need(0, 0.03, True) / need(0, 0.3, True) < 1.7
    assert 20 < need(0.1, 0.03, True) / need(0.1, 0.3, True) < 60
    assert 7 < need(0.1, 0.01, True) / need(0.1, 0.03, True) < 11  # 1 / sigma^2
    assert 8 < need(0, 0.03, 0.9) / need(0, 0.3, 0.9) < 16  # V's own error
    assert 7 < need(0, 0.01, 0.9) / need(0, 0.03, 0.9) < 11


@pytest.mark.parametrize("baseline, most", [(0, 0.4), (1, 0.1), (0.9, 0.1)])
def test_one_runs_estimate_is_right_on_average(baseline, most):
    world, rng = lqr.scalar_lqr(noise=0.1), np.random.default_rng(5)
    one = lesson.slope_estimates(world, -0.3, 0.2, baseline, rng)
    true = lqr.gradient(world, -0.3, 0.2)[0].item()
    error = one.std() / np.sqrt(len(one))
    assert abs(one.mean() - true) < 4 * error < most * abs(true)


def closed_forms(k, sigma, gamma=0.9):
    """(J, M) of the scalar world, for arrays."""
    c = 1 + k
    D = 1 - gamma * c * c
    P, noise = (1 + k * k) / D, sigma * sigma / (1 - gamma)
    return -P - noise * (1 + gamma * P), (1 + gamma * noise) / D


def gains_at_kl(limit, natural, log_sigma, gamma=0.9):
    """J gained by each of the page's 63 policies where the true KL is `limit`."""
    k, sigma = np.transpose(lesson.POLICIES)
    J, M = closed_forms(k, sigma)
    dk, d_sigma = lesson.velocity(gamma, k, sigma, natural, log_sigma)

    def moved(size):
        if log_sigma:
            return k + size * dk, sigma * np.exp(size * d_sigma / sigma)
        return k + size * dk, sigma + size * d_sigma

    low, high = np.zeros(63), np.full(63, 1e6)
    for _ in range(200):
        middle = (low + high) / 2
        new_k, new = moved(middle)
        with np.errstate(all="ignore"):
            square = sigma**2 + (1 - gamma) * M * (new_k - k) ** 2
            kl = np.log(new / sigma) + square / (2 * new**2) - 0.5
        far = ~((new > 0) & (kl <= limit))
        low, high = np.where(far, low, middle), np.where(far, middle, high)
    return closed_forms(*moved(low))[0] - J


@pytest.mark.parametrize(
    "limit, log_sigma, ahead, share",
    [
        (0.01, False, 59, 0.95),
        (0.01, True, 47, 0.99),
        (0.1, False, 54, 0.97),
        (0.1, True, 29, 1.0),
    ],
)
def test_directions_at_equal_true_kl(limit, log_sigma, ahead, share):
    vanilla, natural = (gains_at_kl(limit, way, log_sigma) for way in (False, True))
    assert vanilla.min() > 0 and natural.min() > 0
    assert (natural > vanilla).sum() == ahead
    assert np.median(vanilla / natural) == pytest.approx(share, abs=0.005)


def steps_to_a_good_J(start, natural, log_sigma):
    """Steps of KL .001, as the page walks them."""
    (k, sigma), best = start, lesson.best_gain(0.9)
    for count in range(3000):
        if closed_forms(k, sigma)[0] > closed_forms(best, 0.0)[0] - 0.1:
            return count
        dk, d_sigma = lesson.velocity(0.9, k, sigma, natural, log_sigma)
        curve = 0.1 * closed_forms(k, sigma)[1] * dk**2 + 2 * d_sigma**2
        size = sigma * np.sqrt(0.002 / curve)
        k += size * dk
        change = size * d_sigma / sigma
        sigma *= np.exp(change) if log_sigma else 1 + change
    return None


def test_the_start_says_how_many_steps_vanilla_takes():
    for start, counts in (
        ((-0.1, 0.3), (176, 62, 58, 59)),  # the page's table
        (lesson.STARTS[1], (None, 92, 90, 91)),
        ((-0.5, 0.5), (66, 66, 65, 66)),
    ):
        ways = [(n, log) for n in (False, True) for log in (False, True)]
        assert counts == tuple(steps_to_a_good_J(start, *way) for way in ways)


def test_vanilla_s_kl_at_a_fixed_stepsize_grows_on_its_own_way():
    """Its share of sigma stays; what is left of the gap in k costs more and more."""
    k, sigma, used = -0.1, 0.3, []
    for _ in range(12):
        g, F = slope_and_fisher(k, sigma)
        step = 0.01 * g
        used.append((step @ F @ step / 2, step[0] ** 2 * F[0, 0] / 2))
        k, sigma = k + step[0], sigma + step[1]
    whole, of_k = np.transpose(used)
    assert whole[1:4] == pytest.approx([0.24, 0.25, 0.26], abs=0.02)
    assert (of_k[6:] > 2 * of_k[5:-1]).all() and whole[-1] > 100
    assert (whole - of_k)[1:] == pytest.approx(np.full(11, 0.236), abs=0.03)
