"""Notebook 02: J(pi) - J(pi_old) as advantages of the old policy, line by line."""

from functools import lru_cache

import numpy as np

from trpo_lite import lqr, plots, style
from trpo_lite.course.engine import Exercise, Progress
from trpo_lite.course.table import number
from trpo_lite.course.widgets import Choice, Picture, Slider, Widget
from trpo_lite.mdp import (
    TabularMDP,
    evaluate,
    random_mdp,
    random_policy,
    road_and_ice,
    shared_policy,
)

# --- worlds

LINES = (
    "J - J_old, two linear solves",
    "1  J - E v(s_0)",
    "2  J - (sum from 0 - sum from 1)",
    "3  rewards + changes of v",
    "4  the bracket",
    "5  advantages",
)
LEFT = dict(color=style.BLUE, linestyle="-")
RIGHT = dict(color=style.RED, linestyle="--")
TERMS = ("road,\nslow", "road,\nfast", "ice,\nslow", "ice,\nfast")
ROAD_ONLY, ICE_ONLY = "fast on the road only", "fast on the ice only"
TARGETS = {
    ROAD_ONLY: np.array([[0.0, 1.0], [1.0, 0.0]]),
    ICE_ONLY: np.array([[1.0, 0.0], [0.0, 1.0]]),
}
NEW, OLD = "d of the new policy", "d of the old policy"


@lru_cache(maxsize=1)
def _road():
    world = road_and_ice()
    return world, evaluate(world, shared_policy(0.1))


def mixed_policy(alpha, target):
    """(1 - alpha) pi_old + alpha * the target, [S, A]; pi_old drives at p = .1."""
    return (1 - alpha) * shared_policy(0.1) + alpha * TARGETS[target]


def mixture_numbers(alpha, target, visits=NEW):
    """(J(pi) - J(pi_old), terms [S, A]) at the mixed policy."""
    world, old = _road()
    pi = mixed_policy(alpha, target)
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
def frozen_lake():
    """FrozenLake at gamma = .99 as a `TabularMDP`, and its letters."""
    import gymnasium

    env = gymnasium.make("FrozenLake-v1")
    letters = env.unwrapped.desc
    world = TabularMDP.from_gymnasium(env, 0.99)
    env.close()
    return world, letters


# --- pictures


def draw_rollouts(estimates):
    """Estimated over exact improvements -> Figure.

    estimates : rows (exact, mean, half-width), one a policy.
    """
    figure, axes = plots.figure(size=(7.2, 3.8))
    exact, mean, half = np.transpose(estimates)
    ends = [exact.min() - 0.4, exact.max() + 0.4]
    axes.plot(ends, ends, **LEFT)
    axes.errorbar(exact, mean, half, fmt="o", color=style.RED, capsize=5, markersize=5)
    axes.axhline(0, color=style.INK, linewidth=0.8)
    axes.axvline(0, color=style.INK, linewidth=0.8)
    axes.set(xlabel="exact improvement (reward units)", ylabel="estimate", xlim=ends)
    plots.words_above(
        axes,
        ("──  estimate = exact", style.BLUE),
        ("●  mean over 2000 paths of a new policy, 95 % interval", style.RED),
    )
    return figure


rollouts = Picture(
    draw_rollouts,
    "Estimated over exact improvements of ten new policies, some better than the old "
    "one, some worse. All lie on the diagonal, within their small intervals or close.",
)


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


def lake_words(with_new, with_old, policy):
    """What `draw_lake` shows, in words."""
    return (
        "Two maps of the lake. With the new visits the shares grow towards the goal, "
        f"up to {1000 * with_new.max():.0f} thousandths. With the old visits the "
        f"largest is {1000 * with_old.max():.0f}."
    )


lake_shares = Picture(draw_lake, lake_words)


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
    figure, (left, right) = plots.figure(1, 2, (8.0, 3.9), width_ratios=(1.25, 1))
    left.plot(k, truth, **LEFT)
    ring = dict(markerfacecolor="none", markeredgecolor=style.INK, markersize=7)
    left.plot(k[::8], identity[::8], "o", **ring)
    left.plot(k, wrong, **RIGHT)
    left.axhline(0, color=style.INK, linewidth=0.8)
    right.plot(k, M_new, **LEFT)
    right.axhline(M, **RIGHT)
    for axes in (left, right):
        axes.axvline(old[0], color=style.INK, linestyle=":", linewidth=1.5)
        axes.set(xlabel="new gain k' (dotted: old k)", xlim=(-1.63, -0.07))
    left.set(ylabel="improvement (reward units)", ylim=(-6.5, 4.5))
    right.set(ylabel="state units squared", ylim=(0, 9))
    plots.words_above(
        left,
        ("──  J' − J, exact", style.BLUE),
        ("○  identity, new M'", style.INK),
        ("– –  the same with the old M", style.RED),
    )
    plots.words_above(right, ("──  M', new", style.BLUE), ("– –  M, old", style.RED))
    return figure


moments = Picture(
    draw_lqr,
    "Left: over the new gain, the true improvement is a hill, circles of the identity "
    "with M' lie on it. The dashed curve with the old M touches it at the old gain, is "
    "above it from there to gain -1.18 and below it beyond. Right: M' falls and rises "
    "again over the gain, and the old M is a level line.",
)

# --- widgets


@lru_cache(maxsize=1)
def _mixture_figure():
    """(figure, what moves in it): built once, for both widgets."""
    figure, (bars, curves) = plots.figure(1, 2, (8.0, 3.9), width_ratios=(1.55, 1))
    colors = [style.GREY] * 4 + [style.RED, style.BLUE]
    moves = {"bars": bars.bar(range(6), 0, color=colors, edgecolor="white", width=0.75)}
    moves["bars"][4].set_hatch("//")
    moves["heights"] = [bars.text(x, 0, "", ha="center", size=11) for x in range(6)]
    bars.axhline(0, color=style.INK, linewidth=0.8)
    bars.set_xticks(range(6), (*TERMS, "sum", "J(π) −\nJ(π_old)"))
    bars.tick_params(axis="x", labelsize=10.5, length=0)
    bars.grid(False, axis="x")
    bars.set(xlabel="term: state, action", ylabel="reward units", ylim=(-2, 8.4))
    moves["left"] = curves.plot([], [], linewidth=4, alpha=0.75, **LEFT)[0]
    moves["right"] = curves.plot([], [], **RIGHT)[0]
    moves["dots"] = curves.plot([], [], "o", color=style.INK, markersize=6)[0]
    curves.axhline(0, color=style.INK, linewidth=0.8)
    curves.set(xlabel="mixing weight α", ylim=(-2, 8.4), xlim=(-0.04, 1.04))
    curves.set_xticks((0, 0.5, 1))
    for axes in (bars, curves):  # few ticks: they are most of the drawing time
        axes.set_yticks((0, 4, 8))
    plots.words_above(
        curves,
        ("──  J(π) − J(π_old)", style.BLUE),
        ("– –  sum of the terms", style.RED),
    )
    moves["says"] = plots.words_above(bars, (" ", style.INK), (" ", style.INK))
    return figure, moves


def draw_mixture(alpha, target, visits=NEW):
    """The four terms, their sum and the true improvement; both sides over alpha."""
    figure, moves = _mixture_figure()
    improvement, terms = mixture_numbers(alpha, target, visits)
    heights = [*terms.ravel(), terms.sum(), improvement]
    columns = zip(moves["bars"], moves["heights"], heights, strict=True)
    for x, (bar, words, height) in enumerate(columns):
        up = height >= -0.005
        bar.set_height(height)
        words.set_text(number(height, ".2f").replace("-", "−"))
        words.set(va="bottom" if up else "top")
        words.set_position((x, height + 0.1 if up else height - 0.25))
    grid, left, right = mixture_curves(target, visits)
    moves["left"].set_data(grid, left)
    moves["right"].set_data(grid, right)
    moves["dots"].set_data([alpha] * 2, heights[4:])
    moves["says"][0].set_text(f"α = {alpha:.2f} towards “{target}”")
    moves["says"][1].set_text(f"states weighted by {visits}")
    return figure


def mixture_words(alpha, target, visits=NEW):
    """What `draw_mixture` shows, in words."""
    improvement, terms = mixture_numbers(alpha, target, visits)
    names = ("road slow", "road fast", "ice slow", "ice fast")
    bars = ", ".join(
        f"{name} {number(x, '.2f')}" for name, x in zip(names, terms.ravel())
    )
    both = (
        "the two curves lie on each other"
        if visits == NEW
        else "the sum is a straight line that leaves the true curve"
    )
    return (
        f"Left, at alpha {alpha:.2f} towards {target}, states weighted by {visits}: "
        f"bars {bars}; their sum {number(terms.sum(), '.2f')} beside the true "
        f"improvement {number(improvement, '.2f')}. Right, over alpha: {both}."
    )


def _alpha():
    return Slider("mixing weight α", 0.0, 1.0, 0.02, 0.8)


def _target():
    return Choice("π moves towards", tuple(TARGETS), ROAD_ONLY)


mixture = Widget(draw_mixture, mixture_words, {"alpha": _alpha(), "target": _target()})
swapped = Widget(
    draw_mixture,
    mixture_words,
    {
        "alpha": _alpha(),
        "visits": Choice("states weighted by", (NEW, OLD), OLD),
        "target": _target(),
    },
)

# --- exercises


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
    for n, n_states, gamma in ((5, 3, 0.9), (30, 6, 0.99), (1, 2, 0.6)):
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


def improvement_estimate_stub(rewards, values, lengths, gamma):
    """Gain of pi to the cut and pi_old after it: estimate, half width.

    rewards : [n, T], of paths of the new policy; 0 after a path's cut.
    values : [n, T + 1], v_old at each path's states; any number after it.
    lengths : int [n]; path i was cut after lengths[i] steps.
    """
    ...  # your code


def improvement_estimate_reference(rewards, values, lengths, gamma):
    """Gain of pi to the cut and pi_old after it: estimate, half width."""
    n, T = rewards.shape
    returns = rewards @ gamma ** np.arange(T)
    tail = gamma**lengths * values[np.arange(n), lengths]
    each = returns + tail - values[:, 0]
    return each.mean(), 1.96 * each.std(ddof=1) / np.sqrt(n)


def _interval(each, scale=1.96, ddof=1):
    return each.mean(), scale * each.std(ddof=ddof) / np.sqrt(len(each))


def _each(rewards, values, lengths, gamma, first=0, tail=None):
    n, T = rewards.shape
    at = values[np.arange(n), lengths]
    tail = gamma**lengths * at if tail is None else tail
    return rewards @ gamma ** np.arange(first, T + first) + tail - values[:, 0]


def without_tail(rewards, values, lengths, gamma):
    return _interval(_each(rewards, values, lengths, gamma, tail=0))


def undiscounted_tail(rewards, values, lengths, gamma):
    at = values[np.arange(len(values)), lengths]
    return _interval(_each(rewards, values, lengths, gamma, tail=at))


def tail_too_early(rewards, values, lengths, gamma):
    at = values[np.arange(len(values)), lengths]
    return _interval(
        _each(rewards, values, lengths, gamma, tail=gamma ** (lengths - 1) * at)
    )


def tail_of_the_last_but_one(rewards, values, lengths, gamma):
    at = values[np.arange(len(values)), lengths - 1]
    return _interval(_each(rewards, values, lengths, gamma, tail=gamma**lengths * at))


def tail_of_the_last_column(rewards, values, lengths, gamma):
    tail = gamma ** rewards.shape[1] * values[:, -1]
    return _interval(_each(rewards, values, lengths, gamma, tail=tail))


def value_of_the_last_column(rewards, values, lengths, gamma):
    tail = gamma**lengths * values[:, -1]
    return _interval(_each(rewards, values, lengths, gamma, tail=tail))


def all_cut_at_the_end(rewards, values, lengths, gamma):
    at = values[np.arange(len(values)), lengths]
    tail = gamma ** rewards.shape[1] * at
    return _interval(_each(rewards, values, lengths, gamma, tail=tail))


def undiscounted_rewards(rewards, values, lengths, gamma):
    late = _each(0 * rewards, values, lengths, gamma)
    return _interval(rewards.sum(axis=1) + late)


def rewards_a_step_late(rewards, values, lengths, gamma):
    return _interval(_each(rewards, values, lengths, gamma, first=1))


def start_kept(rewards, values, lengths, gamma):
    return _interval(_each(rewards, values, lengths, gamma) + values[:, 0])


def tail_subtracted(rewards, values, lengths, gamma):
    at = values[np.arange(len(values)), lengths]
    return _interval(
        _each(rewards, values, lengths, gamma, tail=-(gamma**lengths) * at)
    )


def one_standard_error(*given):
    return _interval(_each(*given), scale=1.0)


def divided_by_n(*given):
    return _interval(_each(*given), ddof=0)


def of_one_path(*given):
    each = _each(*given)
    return each.mean(), 1.96 * each.std(ddof=1)


def improvement_estimate_cases(rng):
    cases = []
    for n, T, gamma in ((4, 6, 0.9), (7, 12, 0.8), (2, 3, 0.6)):
        lengths = rng.integers(1, T + 1, size=n)
        lengths[-1] = T  # one that isn't cut has its tail, too
        lengths[0] = T - 1
        rewards = rng.normal(size=(n, T)) * (np.arange(T) < lengths[:, None])
        cases.append((rewards, rng.normal(size=(n, T + 1)), lengths, gamma))
    return cases


def telescopes(arguments, result):
    """The estimate is the mean sum of discounted TD errors up to each path's cut."""
    rewards, values, lengths, gamma = arguments
    t = np.arange(rewards.shape[1])
    delta = rewards + gamma * values[:, 1:] - values[:, :-1]
    total = (delta * gamma**t * (t < lengths[:, None])).sum(axis=1)
    if abs(result[0] - total.mean()) > 1e-4 * abs(total).max():
        return "the first is not the mean over paths of the sum of gamma^t TD errors"
    return None


improvement_estimate = Exercise(
    name="improvement_estimate",
    minutes=10,
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
        "the tail is taken one state too early: after 3 rewards comes values[:, 3]": (
            tail_of_the_last_but_one
        ),
        "the tail is taken from the last column: a path ends in column lengths[i]": (
            tail_of_the_last_column
        ),
        "the tail's value is taken from the last column: a path ends in column "
        "lengths[i]": value_of_the_last_column,
        "every tail is discounted by the longest path: its own length counts": (
            all_cut_at_the_end
        ),
        "the rewards are not discounted": undiscounted_rewards,
        "every reward is discounted one step too much: the first counts in full": (
            rewards_a_step_late
        ),
        "the tail has the wrong sign": tail_subtracted,
        "v of the first state isn't subtracted: that much the old policy has, too": (
            start_kept
        ),
        "this is one standard error: the interval takes 1.96 of them": (
            one_standard_error
        ),
        "the scatter of a few paths: std with ddof=1, as on the page": divided_by_n,
        "this is the scatter of one path: the mean of n paths scatters less": (
            of_one_path
        ),
    },
    hints=(
        "One number per path first. Write the sum of gamma^t times the TD errors for a "
        "path of 2 steps, and cancel.",
        "What is left of the values are the first and the last. The last one is at "
        "time lengths[i], in row i.",
        "values[np.arange(n), lengths] picks one entry of each row; its weight is "
        "gamma**lengths. The half width is 1.96 * each.std(ddof=1) / np.sqrt(n).",
    ),
    cases=improvement_estimate_cases,
    invariants=(telescopes,),
    tolerance=5e-5,  # 1.959964 is as right as 1.96
)


def improvement_terms_stub(mdp, pi_old, pi):
    """Terms [S, A] in the new policy's advantages; sum: J(pi) - J(pi_old).

    Each is a weight, made from pi_old alone, times pi's advantage of the
    state and action; pi_old and pi are [S, A].
    """
    ...  # your code; returns an array [S, A]


def improvement_terms_reference(mdp, pi_old, pi):
    """Terms [S, A] in the new policy's advantages; sum: J(pi) - J(pi_old)."""
    old, new = evaluate(mdp, pi_old), evaluate(mdp, pi)
    return -old.visitation[:, None] * pi_old * new.advantage


def judged_by_the_old(mdp, pi_old, pi):
    old, new = evaluate(mdp, pi_old), evaluate(mdp, pi)
    return new.visitation[:, None] * pi * old.advantage


def new_visitation(mdp, pi_old, pi):
    new = evaluate(mdp, pi)
    return -new.visitation[:, None] * pi_old * new.advantage


def new_actions(mdp, pi_old, pi):
    old, new = evaluate(mdp, pi_old), evaluate(mdp, pi)
    return -old.visitation[:, None] * pi * new.advantage


def all_of_the_new(mdp, pi_old, pi):
    new = evaluate(mdp, pi)
    return -new.visitation[:, None] * pi * new.advantage


def q_for_advantage(mdp, pi_old, pi):
    old, new = evaluate(mdp, pi_old), evaluate(mdp, pi)
    return -old.visitation[:, None] * pi_old * new.q


def weighted_by_the_difference(mdp, pi_old, pi):
    old, new = evaluate(mdp, pi_old), evaluate(mdp, pi)
    return old.visitation[:, None] * (pi - pi_old) * new.advantage


def no_visitation(mdp, pi_old, pi):
    return -pi_old * evaluate(mdp, pi).advantage


def no_policy(mdp, pi_old, pi):
    return -evaluate(mdp, pi_old).visitation[:, None] * evaluate(mdp, pi).advantage


def improvement_terms_cases(rng):
    cases = []
    for n_states, n_actions, gamma in ((4, 3, 0.9), (3, 5, 0.8), (2, 4, 0.6)):
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
        "these are the page's terms: the right sum, but the old policy judges": (
            judged_by_the_old
        ),
        "the new visits: the new policy judges here, so the old one walks": (
            new_visitation
        ),
        "pi in place of pi_old: these terms add up to 0": new_actions,
        "visits, actions and advantages are all the new policy's: these terms add up "
        "to 0": all_of_the_new,
        "the right sum, but pi stands in the weights too: its part of each state adds "
        "up to 0, so leave it out": weighted_by_the_difference,
        "q where the advantage is meant: v must be subtracted": q_for_advantage,
        "the visitation is missing: every state counts the same": no_visitation,
        "the policy's probabilities are missing: every action counts the same": (
            no_policy
        ),
    },
    hints=(
        "The identity holds for any two policies. Call today's old one the new one.",
        "With the roles exchanged it gives J(pi_old) - J(pi). You want the other sign.",
        "With old and new from evaluate: minus the visitation of old as a column, "
        "old.visitation[:, None], times pi_old times new.advantage.",
    ),
    cases=improvement_terms_cases,
    invariants=(adds_up,),
)

pictures = (rollouts, lake_shares, moments)
widgets = (mixture, swapped)
exercises = (td_error, improvement_estimate, improvement_terms)
progress = Progress(exercises)
