"""What page 13 claims and its cells do not assert."""

from itertools import pairwise

import numpy as np
import pytest

from tests import histories
from trpo_lite.bound import kl
from trpo_lite.course import n13 as lesson
from trpo_lite.course.data import load
from trpo_lite.exact import penalized_step
from trpo_lite.mdp import (
    TabularMDP,
    evaluate,
    random_mdp,
    random_policy,
    shared_policy,
    uniform_policy,
)
from trpo_lite.policies import TabularSoftmax
from trpo_lite.ppo import AdamState, adam_step, adapt_beta, ppo_penalty_update
from trpo_lite.surrogate import surrogate


@pytest.mark.parametrize("p", [0.1, 0.385, 0.8])
@pytest.mark.parametrize("beta", [0.03, 0.3, 3.0, 300.0])
def test_priced_p_beats_a_fine_grid(p, beta):
    old = evaluate(lesson.ROAD, shared_policy(p))

    def objective(x):
        pi = shared_policy(x)
        return 0.1 * surrogate(old, pi) - beta * kl(old.pi[0], pi[0])

    best = lesson.priced_p(p, beta)
    grid = np.linspace(1e-4, 1 - 1e-4, 4001)
    assert objective(best) >= max(map(objective, grid)) - 1e-12
    assert 0 < best < 1


def test_limited_p_is_the_better_end_of_the_region():
    for p in (0.1, 0.38, 0.6):
        new = lesson.limited_p(p, 0.05)
        assert kl([1 - p, p], [1 - new, new]) == pytest.approx(0.05, rel=1e-9)
        assert (new > p) == (lesson.road_value(p + 1e-4) > lesson.road_value(p))


def test_no_price_lowers_j_on_a_table():
    rng = np.random.default_rng(3)
    for _ in range(40):
        world = random_mdp(rng)
        old = evaluate(world, random_policy(rng, 6, 3))
        pi = penalized_step(old, 10 ** rng.uniform(-3, 1)).pi
        assert evaluate(world, pi).performance >= old.performance
        assert (pi * old.advantage).sum(-1).min() > -1e-12


def test_kl_of_a_small_step_is_half_over_beta_squared():
    world, *_ = lesson.toy_sample(10)
    old = evaluate(world, np.full((6, 3), 1 / 3))
    d = old.visitation / old.visitation.sum()
    std = np.sqrt(d @ (old.pi * old.advantage**2).sum(-1))
    size = penalized_step(old, 100 * std).mean_kl
    assert size == pytest.approx(0.5e-4, rel=0.02)


def test_the_sentence_oscillates_or_freezes():
    run = lesson.road_run(lesson.as_on_the_slide, 0.3, 30)
    assert np.allclose(run[:5, 1], [0.662, 0.121, 0.907, 0.023, 0.981], atol=6e-4)
    assert (np.diff(run[2:, 2]) > 0).all()  # ever further
    assert (run[:2, 3] > 0.9).all() and (run[2::2, 3] < -1.8).all()
    assert (run[3::2, 3] > 0).all()
    assert 0 < run[-1, 3] < 0.01 and run[-2, 3] < -3.3
    frozen = lesson.road_run(lesson.as_on_the_slide, 3.0, 30)
    assert frozen[-1, 3] == pytest.approx(1.257, abs=1e-3)
    assert frozen[-1, 2] < 1e-12


def test_no_first_beta_but_a_lucky_one_helps_the_sentence():
    for beta in lesson.rules.controls["beta"].values:
        run = lesson.road_run(lesson.as_on_the_slide, beta, 30)
        assert run[-1, 0] < 1e-5 or run[-1, 0] > 1e5  # it runs away each time
        if beta == 1.0:
            assert run[-1, 3] == pytest.approx(1.97, abs=0.005)
        else:
            assert run[-1, 3] < 1.3


def test_at_small_steps_the_formula_holds_on_the_road_and_the_lake_too():
    lake = TabularMDP.from_gymnasium("FrozenLake", 0.95)
    for world, pi, at_5, at_50 in (
        (lesson.ROAD, shared_policy(0.1), 2.15, 1.07),
        (lake, uniform_policy(lake), 0.21, 0.74),
    ):
        old = evaluate(world, pi)
        d = old.visitation / old.visitation.sum()
        std = np.sqrt(d @ (pi * old.advantage**2).sum(-1))
        for beta, share in ((5, at_5), (50, at_50)):
            size = penalized_step(old, beta * std).mean_kl
            assert 2 * beta**2 * size == pytest.approx(share, abs=0.005)


def test_the_stored_runs_say_what_the_page_says():
    stored = load("penalty_runs")
    size, returns = stored["kl"], stored["return_mean"]
    assert size.shape == returns.shape == stored["beta"].shape == (4, 10, 36)
    assert stored["beta_first"].tolist() == [0.01, 1.0, 100.0]
    price = stored["beta"][:3]
    apart = np.median(price.max(0) / price.min(0), 0)
    assert stored["beta_first"][2] == 10_000 * stored["beta_first"][0]
    assert apart[0] == pytest.approx(2500)
    assert (apart[:7] > 10).all()
    assert ((apart[9:] > 2) & (apart[9:] < 6)).all()
    assert 80 < (price.max(0) / price.min(0))[:, 9:].max() < 84  # in a single seed
    late = size[:3, :, -20:]
    band = (late > 0.05 / 1.5) & (late < 0.075)
    assert (np.median(late, (1, 2)) > 0.05 / 1.5).all()
    assert (np.median(late, (1, 2)) < 0.075).all()
    assert 0.72 < 1 - band.mean() < 0.80  # three quarters miss it
    above, below = (late >= 0.075).mean((1, 2)), (late <= 0.05 / 1.5).mean((1, 2))
    assert (abs(above - below) < 0.06).all()
    assert 14 < late.max() / 0.05 < 15 and size[3].max() <= 0.05
    arrived = np.nanmax(returns, -1) >= 475
    assert arrived.sum(1).tolist() == [10, 10, 10, 9]
    last = np.nanmean(returns[:, :, -10:], (1, 2))
    assert last.round().tolist() == [318, 363, 450, 342]
    left_out = np.isnan(returns[:, :, -10:])  # no episode ended in these batches
    assert left_out.sum((1, 2)).tolist() == [4, 7, 4, 0]
    filled = np.where(left_out, 500, returns[:, :, -10:]).mean((1, 2))
    assert (abs(filled - last) < 10).all() and (filled >= last).all()
    assert (size[0, :, 0] > 0.5).all() and (size[2, :, 0] < 0.0005).all()
    assert returns[2, :, 7].mean() < 2 * returns[2, :, 0].mean()


def test_a_stored_run_is_that_of_the_command():
    short = histories.penalty_runs(seeds=1, updates=2)
    stored = load("penalty_runs")
    assert short.keys() == stored.keys()
    np.testing.assert_allclose(short["kl"], stored["kl"][:, :1, :2], rtol=1e-3)


def test_few_epochs_stay_short_of_the_maximiser():
    world, start, batch, A = lesson.toy_sample(4000)
    old = evaluate(world, start.probabilities())
    for beta, least, most in ((1.0, 0.8, 0.9), (3.0, 0.98, 1.02), (5.0, 0.98, 1.02)):
        goal = penalized_step(old, beta * A.std()).mean_kl
        near = [
            ppo_penalty_update(
                start, batch, A, beta, epochs=count, learning_rate=0.01,
                rng=np.random.default_rng(2),
            )[1].kl / goal
            for count in (1, 3, 30)
        ]  # fmt: skip
        assert near[0] < 0.05 and near[1] < 0.3 and least < near[2] < most


def test_the_way_adam_can_go_is_epochs_times_steps_times_rate():
    _, start, batch, A = lesson.toy_sample(4000)

    def sizes(rate, epochs):
        return [
            ppo_penalty_update(
                start, batch, A, beta, epochs=epochs, learning_rate=rate,
                rng=np.random.default_rng(2),
            )[1].kl
            for beta in (1.0, 3.0, 5.0)
        ]  # fmt: skip

    assert np.ptp(sizes(0.01, 1)) < 2e-4  # the three prices give nearly the same
    assert np.round(sizes(0.1, 1), 2).tolist() == [0.05, 0.04, 0.03]
    assert np.allclose(sizes(0.001, 30), sizes(0.01, 3), rtol=0.2)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_adam_moves_by_the_rate_while_the_sign_stays(scale):
    for flips, least, most in ((False, 0.99, 1.01), (True, 0.0, 0.2)):
        adam, lengths = AdamState.zeros(1), []
        for k in range(50):
            g = np.array([scale * (-1) ** (k * flips)])
            adam, step = adam_step(adam, g, 0.01)
            lengths.append(abs(step[0]) / 0.01)
        assert least < np.mean(lengths[10:]) < most


def test_the_papers_rule_reaches_the_best_and_does_not_stay():
    best = max(lesson.road_value(p) for p in np.linspace(0, 1, 1001))
    assert best == pytest.approx(1.98476, abs=1e-5)
    for beta in lesson.rules.controls["beta"].values:
        run = lesson.road_run(adapt_beta, beta, 400)
        assert run[:20, 3].max() > best - 0.01  # it arrives
        assert run[40:, 3].min() < 0  # and leaves
        back = (run[40:, 3] > 1.9).nonzero()[0]
        assert (np.diff(back) > 1).sum() > 5  # comes back, and leaves again
        assert run[40:, 2].max() > 10 * lesson.DELTA
        long, short = run[:, 2] > 0.075, run[:, 2] < 0.05 / 1.5
        end = adapt_beta(run[-1, 0], run[-1, 2], 0.05)
        assert long.sum() - short.sum() == np.log2(end / beta)
        assert run[:, 2].mean() > 5 * lesson.DELTA
    leaving = steps_at_the_best(lesson.road_run(adapt_beta, 0.3, 600))
    assert min(leaving) > 0.9 and max(leaving) < 5  # in targets
    for first, targets in ((0.3, 0.97), (0.5, 2.18)):  # no property of the rule
        median = np.median(lesson.road_run(adapt_beta, first, 600)[:, 2])
        assert median / lesson.DELTA == pytest.approx(targets, abs=0.01)


def steps_at_the_best(run, best=0.38999):
    """KL / delta of the steps from near `best` that end far from it."""
    start = np.append(0.1, run[:-1, 1])
    away = (abs(start - best) < 0.05) & (abs(run[:, 1] - best) > 0.1)
    assert away.sum() > 5
    return run[away, 2] / lesson.DELTA


def test_the_longest_steps_start_far_from_the_best_at_a_doubled_price():
    """The run of the picture: what leaves the best p, what falls, what is longest."""
    run = lesson.road_run(adapt_beta, 0.3, 600)
    beta, _, kl, J = run[1:].T
    before, start, _, J_before = run[:-1].T
    far = kl / lesson.DELTA
    longest = far > 40
    assert far[longest] == pytest.approx(52.2, abs=0.1)
    assert (abs(start - 0.39)[longest] > 0.3).all()
    assert (beta == 2 * before)[longest].all() and (J_before < J)[longest].all()
    falls = (J < 0) & (J_before > 1)  # the step before the longest, in the cycle
    assert ((far > 25) & (far < 30))[falls].all()
    assert falls.sum() == longest.sum() > 40
    # all the while: each step from there to the best doubles the next price
    for i in np.flatnonzero(longest)[:-1]:
        back = i + (J[i:] > 1.9).argmax()
        assert (beta[i : back + 1] == 2 * before[i : back + 1]).all()
        assert back - i == 3 and beta[back + 1] == 2 * beta[back]


def test_the_lakes_adapted_steps_come_to_the_target_and_leave_it():
    lake = TabularMDP.from_gymnasium("FrozenLake", 0.95)
    pi, beta, sizes = uniform_policy(lake), 0.1, []
    for _ in range(40):
        step = penalized_step(evaluate(lake, pi), beta)
        pi, beta = step.pi, adapt_beta(beta, step.mean_kl, 0.05)
        sizes.append(step.mean_kl)
    assert max(sizes[:3]) < 0.011 and max(sizes[7:]) < 0.016
    assert sizes[3:7] == pytest.approx([0.038, 0.044, 0.031, 0.035], abs=5e-4)
    assert max(sizes[11:]) < 0.05 / 100 and beta == 1e-8


def test_near_the_best_p_a_tiny_gradient_makes_tiny_steps_at_usual_prices_only():
    p = 0.38999 + 1e-3
    sizes = []
    for beta in (3, 0.3, 0.003, 0.0003):
        new = lesson.priced_p(p, beta)
        sizes.append(kl([1 - p, p], [1 - new, new]))
    assert max(sizes[:2]) < 1e-4 and sizes[2:] == pytest.approx([0.065, 0.61], abs=0.01)


def test_the_limit_stays():
    run = lesson.road_run(None, 0.3, 200)
    assert run[:, 2].max() <= lesson.DELTA * (1 + 1e-9)
    assert run[1:, 3].min() > 1.6


def test_the_price_at_which_the_best_p_is_left():
    best, h = 0.38999, 1e-4
    J = [lesson.road_value(best + x) for x in (-h, 0, h)]
    least = 0.1 * abs(J[0] - 2 * J[1] + J[2]) / h**2 * best * (1 - best) / 2
    assert least == pytest.approx(0.32, abs=0.005)
    for beta, comes_back in ((0.9 * least, False), (1.1 * least, True)):
        p = best + 0.01
        for _ in range(200):
            p = lesson.priced_p(p, beta)
        assert (abs(p - best) < 1e-3) == comes_back


def test_many_steps_arrive_at_the_exact_policy():
    rng = np.random.default_rng(0)
    theta, A, beta = rng.normal(size=4), rng.normal(size=4), 0.8
    p = lesson.softmax(theta)
    pi = lesson.softmax(lesson.many_steps.reference(theta, A, beta, 0.5, 4000))
    lam = A + beta * p / pi  # the same lambda for every action
    assert np.ptp(lam) < 1e-8


def test_a_return_in_the_loop_is_told(capsys):
    def early(theta, A, beta, rate, steps):
        p_old = lesson.softmax(theta)
        for _ in range(steps):
            pi = lesson.softmax(theta)
            theta = theta + rate * (pi * (A - pi @ A) - beta * (pi - p_old))
            return theta

    lesson.many_steps.check(early)
    assert "`return` stands inside the loop" in capsys.readouterr().out


def test_penalised_gradient_against_differences():
    for theta, p, A, beta in lesson.gradient_cases(np.random.default_rng(1))[:4]:

        def objective(x, p=p, A=A, beta=beta):
            return lesson.softmax(x) @ A - beta * kl(p, lesson.softmax(x))

        g = lesson.penalised_gradient.reference(theta, p, A, beta)
        for i, e in enumerate(np.eye(len(theta))):
            slope = (objective(theta + 1e-6 * e) - objective(theta - 1e-6 * e)) / 2e-6
            assert g[i] == pytest.approx(slope, abs=1e-8)


def test_sample_has_the_exact_advantages():
    world, policy, rows, A = lesson.toy_sample(500)
    assert isinstance(policy, TabularSoftmax) and len(rows) == 500 == len(A)
    old = evaluate(world, policy.probabilities())
    assert np.allclose(A, old.advantage[rows.observations, rows.actions])


def test_stored_costs_say_what_the_page_says():
    cost = load("update_cost")
    small = histories.update_cost(dense=(2,), free=(2, 3), rows=12, repeats=1)
    assert small.keys() == cost.keys() and small["n_free"].tolist() == [4, 9]
    assert np.min(cost["trpo"] / cost["gradient"]) > 1.5
    assert np.max(cost["trpo"] / cost["gradient"]) < 8
    assert (cost["ppo"] > 2 * cost["trpo"]).all()
    passes = (cost["ppo"] / cost["gradient"]).round()
    assert (passes.min(), passes.max()) == (17, 36)
    forty = (40 * cost["minibatch"] / cost["gradient"]).round()
    assert (forty.min(), forty.max()) == (11, 24)
    at = cost["n_free"] == 1024
    assert 100 < cost["dense"][-1] / cost["gradient"][at][0] < 1000


def drawn(figure):
    return [
        np.asarray(line.get_xydata()).round(9).tolist()
        for axes in figure.axes
        for line in axes.lines
    ]


@pytest.mark.parametrize("widget", lesson.widgets, ids=("penalty", "rules"))
def test_every_setting_draws_another_picture(widget):
    values = widget.controls["beta"].values
    pictures = [drawn(widget.draw(beta=value)) for value in values]
    assert all(a != b for a, b in pairwise(pictures))


def test_penalty_picture_shows_the_numbers():
    words = [text.get_text() for text in lesson.draw_penalty(0.3).axes[0].texts]
    assert "──  L − β KL, β = 0.3;   ◆  best p = 0.66, KL = 0.693" in words
    assert "···  true gain;   ■  J changes by +0.08" in words
    assert "p = 0.66, where KL is 0.693" in lesson.penalty.words(beta=0.3)
    assert "J changes by -2.33" in lesson.penalty.words(beta=0.1)
    gains = {b: lesson.road_value(lesson.priced_p(0.1, b))
             for b in lesson.penalty.controls["beta"].values}  # fmt: skip
    assert max(gains, key=gains.get) == 0.6
    assert gains[0.1] < lesson.road_value(0.1)


@pytest.mark.parametrize(
    "growth, least, most", [(0.9, 0, 0.1), (0.98, 0, 0.1), (1.1, 1.5, 9)]
)
def test_adam_does_not_move_by_the_rate_where_the_gradient_shrinks_or_grows(
    growth, least, most
):
    """The sign stays: its size must, too. The root remembers ten times as long."""
    adam = AdamState.zeros(1)
    for k in range(200):
        adam, step = adam_step(adam, np.array([growth**k]), 0.01)
    assert least < step[0] / 0.01 < most


@pytest.mark.parametrize("beta", [3.0, 5.0])
def test_a_table_has_its_closed_form_on_a_sample_too(beta):
    _, policy, rows, A = lesson.toy_sample(2000)
    A = (A - A.mean()) / A.std()
    many = ppo_penalty_update(
        policy, rows, A, beta=beta, epochs=400, minibatches=1, target_kl=1.0,
        learning_rate=0.05, rng=np.random.default_rng(0),
    )[0].probabilities()  # fmt: skip
    for s in range(6):
        here = rows.observations == s
        gain = np.bincount(rows.actions[here], A[here], 3) / here.mean() / len(A)
        gain *= 3  # the old policy is uniform
        low, high = gain.max(), gain.max() + beta
        for _ in range(60):
            lam = (low + high) / 2
            total = (beta / 3 / (lam - gain)).sum()
            low, high = (lam, high) if total > 1 else (low, lam)
        assert np.abs(many[s] - beta / 3 / (lam - gain)).max() < 1e-4
