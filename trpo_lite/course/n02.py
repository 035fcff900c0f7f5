"""Notebook 02: J(pi) - J(pi_old) as advantages of the old policy, line by line."""

from functools import lru_cache

import numpy as np

from trpo_lite import lqr, plots, style
from trpo_lite.course.engine import Exercise, Progress
from trpo_lite.course.widgets import Choice, Slider, Widget
from trpo_lite.mdp import (
    TabularMDP,
    evaluate,
    random_mdp,
    random_policy,
    road_and_ice,
    shared_policy,
)

# --------------------------------------------------------------------- exercises


def td_error_stub(rewards, v, states, next_states, gamma):
    """The TD error of each sampled step, [N].

    rewards : [N]. v : [S], the old policy's values.
    states, next_states : int [N], before and after each step.
    """
    sample_of_q = ...  # your line: what stands above the brace "Q", [N]
    return sample_of_q - v[states]


def td_error_reference(rewards, v, states, next_states, gamma):
    """The TD error of each sampled step, [N]."""
    sample_of_q = rewards + gamma * v[next_states]
    return sample_of_q - v[states]


def td_without_discount(rewards, v, states, next_states, gamma):
    return rewards + v[next_states] - v[states]


def td_without_reward(rewards, v, states, next_states, gamma):
    return gamma * v[next_states] - v[states]


def td_reward_discounted(rewards, v, states, next_states, gamma):
    return gamma * (rewards + v[next_states]) - v[states]


def td_of_this_state(rewards, v, states, next_states, gamma):
    return rewards + gamma * v[states] - v[states]


def td_reward_only(rewards, v, states, next_states, gamma):
    return rewards - v[states]


def td_subtracted_twice(rewards, v, states, next_states, gamma):
    return rewards + gamma * v[next_states] - 2 * v[states]


def td_error_cases(rng):
    cases = []
    for n, n_states, gamma in ((1, 2, 0.5), (5, 3, 0.9), (30, 6, 0.99)):
        states, others = rng.integers(n_states, size=(2, n))
        others = np.where(others == states, (others + 1) % n_states, others)
        cases.append(
            (rng.normal(size=n), rng.normal(size=n_states), states, others, gamma)
        )
    return cases


td_error = Exercise(
    name="td_error",
    minutes=4,
    difficulty=1,
    stub=td_error_stub,
    reference=td_error_reference,
    mistakes={
        "the next state's value is not discounted: it is worth gamma v(s')": (
            td_without_discount
        ),
        "the reward of the step is missing": td_without_reward,
        "the reward is discounted too: it comes now, only v(s') comes a step later": (
            td_reward_discounted
        ),
        "v of the state itself where v of the next state belongs": td_of_this_state,
        "the next state's value is missing: the future counts too": td_reward_only,
        "v(s) is subtracted twice: the last line does it already": td_subtracted_twice,
    },
    hints=(
        "What do you get for this step, and what is the rest worth from where you are?",
        "The rest starts one step later, so its worth v(s') counts gamma times.",
        "rewards + gamma * v[next_states]; v [S] takes an array of states as an index.",
    ),
    cases=td_error_cases,
)


def improvement_estimate_stub(rewards, values, gamma):
    """Each path's estimate of J(pi) - J(pi_old), with no TD error: [n].

    rewards : [n, T], of paths of the new policy.
    values : [n, T + 1], v_old at each path's states, also at the last.
    """
    returns = ...  # your line: the discounted return of each path, [n]
    tail = ...  # your line: what the cut after T steps leaves over, [n]
    return returns + tail - values[:, 0]


def improvement_estimate_reference(rewards, values, gamma):
    """Each path's estimate of J(pi) - J(pi_old), with no TD error: [n]."""
    T = rewards.shape[1]
    returns = rewards @ gamma ** np.arange(T)
    tail = gamma**T * values[:, -1]
    return returns + tail - values[:, 0]


def _estimate(rewards, values, discount, tail):
    T = rewards.shape[1]
    return rewards @ discount(T) + tail(T) * values[:, -1] - values[:, 0]


def without_tail(rewards, values, gamma):
    return _estimate(rewards, values, lambda T: gamma ** np.arange(T), lambda T: 0)


def undiscounted_tail(rewards, values, gamma):
    return _estimate(rewards, values, lambda T: gamma ** np.arange(T), lambda T: 1)


def tail_too_early(rewards, values, gamma):
    return _estimate(
        rewards, values, lambda T: gamma ** np.arange(T), lambda T: gamma ** (T - 1)
    )


def tail_of_the_last_but_one(rewards, values, gamma):
    T = rewards.shape[1]
    returns = rewards @ gamma ** np.arange(T)
    return returns + gamma**T * values[:, -2] - values[:, 0]


def undiscounted_rewards(rewards, values, gamma):
    return _estimate(rewards, values, np.ones, lambda T: gamma**T)


def rewards_a_step_late(rewards, values, gamma):
    return _estimate(
        rewards, values, lambda T: gamma ** np.arange(1, T + 1), lambda T: gamma**T
    )


def tail_subtracted(rewards, values, gamma):
    return _estimate(
        rewards, values, lambda T: gamma ** np.arange(T), lambda T: -(gamma**T)
    )


def improvement_estimate_cases(rng):
    cases = []
    for n, T, gamma in ((1, 2, 0.5), (4, 5, 0.9), (6, 12, 0.8)):
        cases.append((rng.normal(size=(n, T)), rng.normal(size=(n, T + 1)), gamma))
    return cases


def telescopes(arguments, result):
    """It must be the sum of discounted TD errors."""
    rewards, values, gamma = arguments
    delta = rewards + gamma * values[:, 1:] - values[:, :-1]
    total = delta @ gamma ** np.arange(rewards.shape[1])
    if np.abs(np.asarray(result) - total).max() > 1e-9:
        return "it is not the sum of gamma^t times the TD errors of the path"
    return None


improvement_estimate = Exercise(
    name="improvement_estimate",
    minutes=7,
    difficulty=2,
    stub=improvement_estimate_stub,
    reference=improvement_estimate_reference,
    mistakes={
        "the tail is missing: a path that is cut after T steps still is worth "
        "gamma^T v(s_T)": without_tail,
        "the tail is not discounted: s_T lies T steps ahead": undiscounted_tail,
        "the tail is discounted one step too little: s_T comes after T rewards": (
            tail_too_early
        ),
        "the tail is taken at s_(T-1): values has T + 1 columns": (
            tail_of_the_last_but_one
        ),
        "the rewards are not discounted": undiscounted_rewards,
        "every reward is discounted one step too much: the first counts in full": (
            rewards_a_step_late
        ),
        "the tail has the wrong sign": tail_subtracted,
    },
    hints=(
        "Write the sum of gamma^t times the TD errors for T = 2, and cancel.",
        "What is left of the values are the first and the last. The last one is at "
        "time T.",
        "rewards @ gamma ** np.arange(T) is the return; the tail is gamma**T times "
        "values[:, -1].",
    ),
    cases=improvement_estimate_cases,
    invariants=(telescopes,),
)


def improvement_terms_stub(mdp, pi_old, pi):
    """The terms [S, A] whose sum is J(pi) - J(pi_old).

    One term per state and action; pi_old and pi are [S, A].
    """
    ...  # your code; returns an array [S, A]


def improvement_terms_reference(mdp, pi_old, pi):
    """The terms [S, A] whose sum is J(pi) - J(pi_old)."""
    old, new = evaluate(mdp, pi_old), evaluate(mdp, pi)
    return new.visitation[:, None] * pi * old.advantage


def old_visitation(mdp, pi_old, pi):
    old = evaluate(mdp, pi_old)
    return old.visitation[:, None] * pi * old.advantage


def normalised_visitation(mdp, pi_old, pi):
    return (1 - mdp.gamma) * improvement_terms_reference(mdp, pi_old, pi)


def new_advantage(mdp, pi_old, pi):
    new = evaluate(mdp, pi)
    return new.visitation[:, None] * pi * new.advantage


def old_actions(mdp, pi_old, pi):
    old, new = evaluate(mdp, pi_old), evaluate(mdp, pi)
    return new.visitation[:, None] * pi_old * old.advantage


def roles_exchanged(mdp, pi_old, pi):
    return improvement_terms_reference(mdp, pi, pi_old)


def negated(mdp, pi_old, pi):
    return -improvement_terms_reference(mdp, pi_old, pi)


def q_for_advantage(mdp, pi_old, pi):
    old, new = evaluate(mdp, pi_old), evaluate(mdp, pi)
    return new.visitation[:, None] * pi * old.q


def no_visitation(mdp, pi_old, pi):
    return pi * evaluate(mdp, pi_old).advantage


def no_policy(mdp, pi_old, pi):
    return evaluate(mdp, pi).visitation[:, None] * evaluate(mdp, pi_old).advantage


def improvement_terms_cases(rng):
    cases = []
    for n_states, n_actions, gamma in ((2, 2, 0.5), (4, 3, 0.9), (3, 5, 0.8)):
        mdp = random_mdp(rng, n_states, n_actions, gamma)
        policies = (random_policy(rng, n_states, n_actions) for _ in range(2))
        cases.append((mdp, *policies))
    return cases


def adds_up(arguments, result):
    """The sum of the terms must be the improvement."""
    mdp, pi_old, pi = arguments
    true = evaluate(mdp, pi).performance - evaluate(mdp, pi_old).performance
    if abs(np.sum(result) - true) > 1e-9:
        return "the terms do not add up to J(pi) - J(pi_old)"
    return None


improvement_terms = Exercise(
    name="improvement_terms",
    minutes=9,
    difficulty=3,
    stub=improvement_terms_stub,
    reference=improvement_terms_reference,
    mistakes={
        "the old visitation: these terms add up to L, not to the improvement": (
            old_visitation
        ),
        "the visitation is normalised: a factor 1 - gamma too many": (
            normalised_visitation
        ),
        "the advantage of the new policy: these terms add up to 0": new_advantage,
        "pi_old in place of pi: these terms add up to 0": old_actions,
        "the roles are exchanged: these terms add up to J(pi_old) - J(pi)": (
            roles_exchanged
        ),
        "negated: advantages are q - v, and everything is maximised": negated,
        "q where the advantage is meant: v must be subtracted": q_for_advantage,
        "the visitation is missing: every state counts the same": no_visitation,
        "the policy's probabilities are missing: every action counts the same": (
            no_policy
        ),
    },
    hints=(
        "Three factors for each state and action: how often the state is visited, "
        "how likely the action is, how good it is. Whose is each?",
        "The new policy walks, the old policy judges: visits and probabilities are "
        "the new policy's, the advantage is the old one's.",
        "With old and new from evaluate: visitation of new as a column, "
        "new.visitation[:, None], times pi times old.advantage.",
    ),
    cases=improvement_terms_cases,
    invariants=(adds_up,),
)

exercises = (td_error, improvement_estimate, improvement_terms)
progress = Progress(exercises)

# ----------------------------------------------------------------------- figures

LEFT = dict(color=style.BLUE, linestyle="-")
RIGHT = dict(color=style.RED, linestyle="--")
TERMS = ("road,\nslow", "road,\nfast", "ice,\nslow", "ice,\nfast")
EVERYWHERE, ROAD_ONLY = "fast everywhere", "fast on the road only"
TARGETS = {
    EVERYWHERE: shared_policy(1.0),
    ROAD_ONLY: np.array([[0.0, 1.0], [1.0, 0.0]]),
}
NEW, OLD = "d of the new policy", "d of the old policy"


def _figure(columns=1, size=(7.2, 3.8), **options):
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    return figure, figure.subplots(1, columns, **options)


def _words_above(axes, *lines):
    """Coloured words over the axes, first line on top; cheaper than a legend."""
    look = dict(transform=axes.transAxes, size=12)
    return [
        axes.text(0, 1.03 + 0.09 * i, words, color=color, **look)
        for i, (words, color) in enumerate(reversed(lines))
    ][::-1]


@lru_cache(maxsize=1)
def _road():
    world = road_and_ice()
    return world, evaluate(world, shared_policy(0.1))


def mixture_numbers(alpha, target, visits=NEW):
    """(J(pi) - J(pi_old), terms [S, A]) at (1 - alpha) pi_old + alpha * the target."""
    world, old = _road()
    pi = (1 - alpha) * old.pi + alpha * TARGETS[target]
    new = evaluate(world, pi)
    d = {NEW: new, OLD: old}[visits].visitation
    return new.performance - old.performance, d[:, None] * pi * old.advantage


@lru_cache(maxsize=8)
def mixture_curves(target, visits=NEW, points=51):
    """(alpha, left side, right side), each [points]."""
    alpha = np.linspace(0, 1, points)
    sides = [mixture_numbers(x, target, visits) for x in alpha]
    return alpha, np.array([s[0] for s in sides]), np.array([s[1].sum() for s in sides])


@lru_cache(maxsize=1)
def _mixture_figure():
    """(figure, what moves in it): built once, for both widgets."""
    figure, (bars, curves) = _figure(2, (8.0, 3.9), width_ratios=(1.55, 1))
    colors = [style.GREY] * 4 + [style.RED, style.BLUE]
    moves = {"bars": bars.bar(range(6), 0, color=colors, edgecolor="white", width=0.75)}
    moves["bars"][4].set_hatch("//")
    moves["heights"] = [bars.text(x, 0, "", ha="center", size=11) for x in range(6)]
    bars.axhline(0, color=style.INK, linewidth=0.8)
    bars.set_xticks(range(6), (*TERMS, "sum", "J(π) −\nJ(π_old)"))
    bars.tick_params(axis="x", labelsize=10.5, length=0)
    bars.grid(False, axis="x")
    bars.set(xlabel="term: state, action", ylabel="reward units", ylim=(-6.2, 8.4))
    moves["left"] = curves.plot([], [], linewidth=4, alpha=0.75, **LEFT)[0]
    moves["right"] = curves.plot([], [], **RIGHT)[0]
    moves["dots"] = curves.plot([], [], "o", color=style.INK, markersize=6)[0]
    curves.axhline(0, color=style.INK, linewidth=0.8)
    curves.set(xlabel="mixing weight α", ylim=(-6.2, 8.4), xlim=(-0.04, 1.04))
    curves.set_xticks((0, 0.5, 1))
    for axes in (bars, curves):  # few ticks: they are most of the drawing time
        axes.set_yticks((-5, 0, 5))
    _words_above(
        curves,
        ("──  J(π) − J(π_old)", style.BLUE),
        ("– –  sum of the terms", style.RED),
    )
    moves["says"] = _words_above(bars, (" ", style.INK), (" ", style.INK))
    return figure, moves


def draw_mixture(alpha, target, visits=NEW):
    """The four terms, their sum and the true improvement; both sides over alpha."""
    figure, moves = _mixture_figure()
    improvement, terms = mixture_numbers(alpha, target, visits)
    heights = np.round([*terms.ravel(), terms.sum(), improvement], 12) + 0.0
    columns = zip(moves["bars"], moves["heights"], heights, strict=True)
    for x, (bar, words, height) in enumerate(columns):
        up = height >= 0
        bar.set_height(height)
        words.set_text(f"{height:.2f}".replace("-0.00", "0.00").replace("-", "−"))
        words.set(va="bottom" if up else "top")
        words.set_position((x, height + (0.15 if up else -0.15)))
    grid, left, right = mixture_curves(target, visits)
    moves["left"].set_data(grid, left)
    moves["right"].set_data(grid, right)
    moves["dots"].set_data([alpha] * 2, heights[4:])
    moves["says"][0].set_text(f"α = {alpha:.2f} towards “{target}”")
    moves["says"][1].set_text(f"states weighted by {visits}")
    return figure


MIXTURE_ALT = (
    "Left: one bar for each of the four terms, then their sum beside the true "
    "improvement. Right: both sides as curves over the mixing weight alpha. "
)
mixture = Widget(
    draw_mixture,
    MIXTURE_ALT + "The two last bars are equal, and the two curves lie on each other: "
    "for fast everywhere they rise to about 1 and fall to about minus 4.",
    {
        "alpha": Slider("mixing weight α", 0.0, 1.0, 0.02, 0.8),
        "target": Choice("π moves towards", tuple(TARGETS), EVERYWHERE),
    },
)
swapped = Widget(
    draw_mixture,
    MIXTURE_ALT + "With the old visitation the sum is a straight line that leaves the "
    "true curve: at alpha 0.8 it promises 5.4 and the truth is minus 1.5.",
    {
        "alpha": Slider("mixing weight α", 0.0, 1.0, 0.02, 0.8),
        "visits": Choice("states weighted by", (NEW, OLD), OLD),
        "target": Choice("π moves towards", tuple(TARGETS), EVERYWHERE),
    },
)


def improvement_curve(points=101):
    """(p, J(p) - J(.1)) on `road_and_ice`, each [points]."""
    world, old = _road()
    p = np.linspace(0, 1, points)
    J = np.array([evaluate(world, shared_policy(x)).performance for x in p])
    return p, J - old.performance


def draw_rollouts(estimates):
    """Exact improvement over p, and estimates (rows p, mean, half-width) -> Figure."""
    figure, axes = _figure()
    axes.plot(*improvement_curve(), **LEFT)
    at, mean, half = np.transpose(estimates)
    axes.errorbar(at, mean, half, fmt="o", color=style.RED, capsize=5, markersize=5)
    axes.axhline(0, color=style.INK, linewidth=0.8)
    axes.axvline(0.1, color=style.INK, linestyle=":", linewidth=1.5)
    axes.set(xlabel="p of the new policy (dotted: p of the old one)")
    axes.set(ylabel="improvement (reward units)", xlim=(-0.02, 1.02))
    _words_above(
        axes,
        ("──  J(π) − J(π_old), exact", style.BLUE),
        ("●  mean over 2000 paths of π, 95 % interval", style.RED),
    )
    return figure


def draw_lqr(old, std):
    """Improvement by both moments, and the moments, over the new gain -> Figure.

    old : (gain, std) of the old policy; std : of every new one.
    """
    world = lqr.scalar_lqr()
    k = np.linspace(-1.6, -0.1, 121)
    truth = [lqr.performance(world, x, std) - lqr.performance(world, *old) for x in k]
    identity = [lqr.improvement(world, old, (x, std)) for x in k]
    wrong = [lqr.surrogate(world, old, (x, std)) for x in k]
    M = float(lqr.evaluate(world, *old).state_moment[0, 0])
    M_new = [float(lqr.evaluate(world, x, std).state_moment[0, 0]) for x in k]
    figure, (left, right) = _figure(2, (8.0, 3.9), width_ratios=(1.25, 1))
    left.plot(k, truth, **LEFT)
    left.plot(
        k[::8],
        identity[::8],
        linestyle="none",
        marker="o",
        markersize=7,
        markerfacecolor="none",
        markeredgecolor=style.INK,
    )
    left.plot(k, wrong, **RIGHT)
    left.axhline(0, color=style.INK, linewidth=0.8)
    right.plot(k, M_new, **LEFT)
    right.axhline(M, **RIGHT)
    for axes in (left, right):
        axes.axvline(old[0], color=style.INK, linestyle=":", linewidth=1.5)
        axes.set(xlabel="new gain k' (dotted: old k)", xlim=(-1.63, -0.07))
    left.set(ylabel="improvement (reward units)", ylim=(-6.5, 4.5))
    right.set(ylabel="state units squared", ylim=(0, 9))
    _words_above(
        left,
        ("──  J' − J, exact", style.BLUE),
        ("○  identity, new M'", style.INK),
        ("– –  the same with the old M", style.RED),
    )
    _words_above(right, ("──  M', new", style.BLUE), ("– –  M, old", style.RED))
    return figure


@lru_cache(maxsize=1)
def frozen_lake():
    """FrozenLake at gamma = .99 as a `TabularMDP`, and its letters."""
    import gymnasium

    env = gymnasium.make("FrozenLake-v1")
    letters = env.unwrapped.desc
    world = TabularMDP.from_gymnasium(env, 0.99)
    env.close()
    return world, letters


def draw_lake(with_new, with_old, policy):
    """Terms per state [S], with the new visits and with the old ones -> Figure.

    policy : [S, A], the new policy, drawn as arrows on the first map.
    """
    maps = 1000 * np.asarray(with_new), 1000 * np.asarray(with_old)
    return plots.two_maps(
        *maps,
        (4, 4),
        policy=policy,
        letters=frozen_lake()[1],
        titles=("with $d_\\pi$: the gain", "with the old $d$"),
        labels=("", "0.001 reward units"),
        numbers=("{:.0f}", "{:.0f}"),
        limits=(0, max(map_.max() for map_ in maps)),
    )


widgets = (mixture, swapped)
