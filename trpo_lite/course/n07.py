"""Notebook 07: what samples say about A, baselines, time limits, normalising."""

from dataclasses import replace
from functools import cache

import numpy as np

from trpo_lite import lqr, plots
from trpo_lite.course.engine import Exercise, Progress
from trpo_lite.course.table import number
from trpo_lite.course.widgets import Choice, Picture, Slider, Steps, Widget
from trpo_lite.mdp import (
    TabularMDP,
    evaluate,
    road_and_ice,
    sample_trajectories,
    shared_policy,
    state_distributions,
)
from trpo_lite.policies import LinearGaussian
from trpo_lite.rollout import Batch
from trpo_lite.style import BLUE, INK, PURPLE, RED, VIOLET, ink

# --- worlds

PAIRS = tuple(np.ndindex(2, 2))
NAMES = ("road, slow", "road, fast", "ice, slow", "ice, fast")
FAST, CAREFUL = 0.9, 0.1  # the driver of this page, and the one whose values are stale
LAMBDAS = np.linspace(0, 1, 41)
GAIN, STD = -0.3, 0.3  # the policy of the linear-quadratic world


def as_batch(runs):
    """`Trajectories` as a Batch: n environments, every path truncated at its end."""
    n, steps = runs.actions.shape
    truncated = np.zeros((steps, n), dtype=bool)
    truncated[-1] = True
    return Batch(
        observations=runs.states[:, :-1].T.ravel(),
        actions=runs.actions.T.ravel(),
        rewards=runs.rewards.T.ravel(),
        next_observations=runs.states[:, 1:].T.ravel(),
        terminated=np.zeros(n * steps, dtype=bool),
        truncated=truncated.ravel(),
        time=np.repeat(np.arange(steps), n),
        valid=np.ones((steps, n), dtype=bool),
        episode_returns=runs.rewards.sum(1),
        episode_lengths=np.full(n, steps),
    )


def expected_gae(world, pi, V, lam):
    """E[GAE(lambda) | s, a], [S, A], with any value function V [S]: a linear solve."""
    delta = world.R + world.gamma * world.P @ V - V[:, None]
    P_pi = np.einsum("sa,sax->sx", pi, world.P)
    system = np.eye(len(V)) - world.gamma * lam * P_pi
    w = np.linalg.solve(system, (pi * delta).sum(-1))
    return delta + world.gamma * lam * world.P @ w


def centred(pi, x):
    """x [S, A] less its mean over the policy's actions, per state."""
    return x - (pi * x).sum(-1, keepdims=True)


@cache
def pair_runs(gamma, n, steps):
    """(states [n, T + 2], rewards [n, T + 1]) of runs from each of `PAIRS`, a list."""
    world, rng, found = road_and_ice(gamma), np.random.default_rng(0), []
    for s, a in PAIRS:
        after = replace(world, start=world.P[s, a])
        runs = sample_trajectories(after, shared_policy(FAST), n, steps, rng)
        states = np.column_stack([np.full(n, s), runs.states])
        rewards = np.column_stack([np.full(n, world.R[s, a]), runs.rewards])
        found.append((states, rewards))
    return found


@cache
def tables(values, gamma=0.9, n=1000, steps=120):
    """(A [4], centred E[GAE] [K, 4], sampled sd [K, 4], pair weights [4]) over LAMBDAS.

    values : the value function's name, one of the widget's options.
    """
    world, pi = road_and_ice(gamma), shared_policy(FAST)
    old = evaluate(world, pi)
    V = {
        "exact": old.v,
        "careful driver's": evaluate(world, shared_policy(CAREFUL)).v,
        "zero": np.zeros(2),
    }[values]
    mean = [centred(pi, expected_gae(world, pi, V, lam)).ravel() for lam in LAMBDAS]
    weights = np.ones((steps + 1, len(LAMBDAS)))
    weights[1:] = (gamma * LAMBDAS) ** np.arange(1, steps + 1)[:, None]
    spread = []
    for states, rewards in pair_runs(gamma, n, steps):
        delta = rewards + gamma * V[states[:, 1:]] - V[states[:, :-1]]
        spread.append((delta @ weights).std(0))
    share = (old.visitation[:, None] * pi).ravel() * (1 - gamma)
    return old.advantage.ravel(), np.array(mean), np.array(spread).T, share


def errors(values, n):
    """RMS over visits of bias, spread / sqrt(n) and both together, [3, K]."""
    exact, mean, spread, share = tables(values)
    bias = (mean - exact) ** 2 @ share
    variance = spread**2 @ share / n
    return np.sqrt(np.array([bias, variance, bias + variance]))


def lqr_world(episodes=200, horizon=50):
    """The scalar LQR, a vector environment of it and the policy (GAIN, STD)."""
    from gymnasium.vector import AutoresetMode, SyncVectorEnv

    world = lqr.scalar_lqr()
    one = [lambda: lqr.make_env(world, horizon)]
    env = SyncVectorEnv(one * episodes, autoreset_mode=AutoresetMode.NEXT_STEP)
    return world, env, LinearGaussian(np.array([GAIN, np.log(STD)]), 1)


def value_with_limit(gamma, limit, p=FAST):
    """Exact v of the first h = 0 ... limit steps only, [limit + 1, 2]."""
    world, pi = road_and_ice(gamma), shared_policy(p)
    P_pi = np.einsum("sa,sax->sx", pi, world.P)
    r = (pi * world.R).sum(-1)
    v = np.zeros((limit + 1, 2))
    for h in range(limit):
        v[h + 1] = r + gamma * P_pi @ v[h]
    return v


def wrong_values(gamma, limit, p=FAST):
    """What a table learns if truncation counts as termination, after H = 2 ... limit.

    At time t of H the target is the value of the H - t steps left; the table averages
    it over all t at which a state is met. [limit - 1, 2]
    """
    left = value_with_limit(gamma, limit, p)
    chance = state_distributions(road_and_ice(gamma), shared_policy(p), limit)
    found = [
        (chance[:H] * left[H:0:-1]).sum(0) / chance[:H].sum(0)
        for H in range(2, limit + 1)
    ]
    return np.array(found)


@cache
def limit_curves(gamma):
    """Exact v [2] and `wrong_values` up to a limit of 100."""
    exact = evaluate(road_and_ice(gamma), shared_policy(FAST)).v
    return exact, wrong_values(gamma, 100)


def ride(off=1e-4, n=4, gamma=0.9):
    """A ride in one of n kinds of weather (uniform each step), and a good policy.

    Actions left and right earn 1 and are equally good; `off` ends the ride, for
    nothing. State n is the end. Returns (TabularMDP, pi [n + 1, 3]).
    """
    P = np.zeros((n + 1, 3, n + 1))
    P[:n, :2, :n] = 1 / n
    P[:n, 2, n] = P[n, :, n] = 1
    R = np.zeros((n + 1, 3))
    R[:n, :2] = 1
    start = np.append(np.full(n, 1 / n), 0)
    pi = np.tile([(1 - off) / 2, (1 - off) / 2, off], (n + 1, 1))
    return TabularMDP(P, R, gamma, start, "ride"), pi


# --- pictures


def draw_two_samples(monte_carlo, td, exact):
    """Samples of A for the four pairs, by both estimators -> Figure.

    monte_carlo, td : four arrays [n] each ; exact : A [4].
    """
    figure, axes = plots.figure(size=(7.2, 3.8))
    axes.axhline(0, color=INK, linewidth=0.8)
    rng = np.random.default_rng(0)
    for samples, shift, color, mark, label in (
        (monte_carlo, -0.2, BLUE, "o", "Monte Carlo"),
        (td, 0.2, RED, "s", "one TD error"),
    ):
        look = dict(color=color, alpha=0.35, markersize=4, markeredgewidth=0)
        for i, x in enumerate(samples):
            at = i + shift + rng.uniform(-0.13, 0.13, 150)
            words = label if i == 0 else None
            axes.plot(at, x[:150], mark, label=words, **look)
    for i, A in enumerate(exact):
        words = "exact A" if i == 0 else None
        axes.plot(
            [i - 0.4, i + 0.4], [A, A], "-", color=INK, linewidth=2.5, label=words
        )
    axes.set_xticks(range(4), NAMES)
    axes.set(xlabel="state, action", ylabel="sample of A (return)", xlim=(-0.6, 3.6))
    axes.set_ylim(-2.6, 6.2)
    axes.legend(loc="upper center", ncols=3, markerscale=2)
    return figure


two_samples = Picture(
    draw_two_samples,
    "For each of four state-action pairs a cloud of Monte Carlo samples, "
    "several units tall, and the TD errors, which lie on one or two "
    "points. Both have the exact advantage as their mean.",
)


def draw_baseline(states, returns, fitted, exact):
    """Returns over states [N], the fitted values and the exact ones -> Figure."""
    figure, axes = plots.figure(size=(7.2, 3.8))
    look = dict(color=PURPLE, alpha=0.35, markersize=5, markeredgewidth=0)
    axes.plot(states[::4], returns[::4], ".", label="sampled returns", **look)
    order = np.argsort(states)
    axes.plot(states[order], exact[order], color=INK, label="exact v")
    axes.plot(states[order], fitted[order], "--", color=RED, label="fitted V")
    axes.set(xlabel="state s", ylabel="return from s on", xlim=(-2, 2))
    axes.set_ylim(-15, 1)
    axes.legend(loc="lower center", markerscale=3)
    return figure


baseline = Picture(
    draw_baseline,
    "Sampled returns over the state as a wide cloud below zero. The "
    "exact value is a parabola that opens downwards, and the fitted one "
    "lies almost on it.",
)


def draw_ends(kept, confused):
    """Mean estimated advantage of each step [T], by both recipes -> Figure."""
    figure, axes = plots.figure(size=(7.2, 3.4))
    axes.plot(kept, "o-", color=BLUE)
    axes.plot(confused, "s--", color=RED)
    axes.text(7, 0.12, "truncation kept apart", color=ink(BLUE))
    axes.text(14.5, 0.85, "truncation as termination", color=RED, ha="right")
    axes.set(xlabel="step of the episode", ylabel="mean of the estimates (return)")
    axes.set_xticks(range(0, len(kept), 2))
    return figure


ends = Picture(
    draw_ends,
    "Mean estimated advantage over the step of the episode. Kept apart, "
    "it stays near zero. Confused, it is below zero early and rises "
    "steeply above zero in the last steps.",
)


def draw_nothing(raw, normalised):
    """Change of J [n] of each batch's step, raw and normalised -> Figure."""
    figure, axes = plots.figure(size=(7.2, 3.4))
    axes.axhline(0, color=INK, linewidth=0.8)
    axes.plot(raw, "o", color=BLUE, markersize=5)
    axes.plot(normalised, "s", color=RED, markersize=5)
    middle, low = len(raw) / 2, min(normalised)
    axes.text(middle, 0.08, "● as they are", color=ink(BLUE), ha="center")
    axes.text(middle, low - 0.06, "■ normalised", color=RED, ha="center", va="top")
    axes.set(xlabel="batch", ylabel="change of J (return)", ylim=(low - 0.25, 0.3))
    return figure


nothing = Picture(
    draw_nothing,
    "Change of J in each of the batches with noise .001. As they are: all just "
    "above zero. Normalised: all below, from just below to about -.9.",
)

# --- widgets


def draw_tradeoff(lam, n, values):
    """Errors over lambda, and the four estimates at one lambda -> Figure."""
    exact, mean, spread, _ = tables(values)
    i = int(np.argmin(np.abs(LAMBDAS - lam)))
    figure, (left, right) = plots.figure(1, 2, (7.4, 3.9), width_ratios=(1.1, 1))
    looks = (
        ("──  bias", BLUE, "-"),
        ("– –  scatter/√N", RED, "--"),
        ("– ·  both", VIOLET, "-."),
    )
    words, top = [], 0.4 if n > 1 else 1.2  # fixed, so that settings can be compared
    for (label, color, dashes), y in zip(looks, errors(values, n)):
        left.plot(LAMBDAS, y, dashes, color=color, marker="o", markevery=[i])
        words.append((f"{label}: {number(y[i], '.3f')}", color))
    plots.words_above(left, *words)
    left.axvline(LAMBDAS[i], color=INK, linewidth=0.8)
    left.set(xlabel="λ", ylabel="error of an estimated A (return)")
    left.set(xlim=(-0.03, 1.03), ylim=(-0.015 * top, top))
    at = np.arange(4)
    half = spread[i] / np.sqrt(n)
    right.axhline(0, color=INK, linewidth=0.8)
    right.plot(at, exact, "_", color=INK, markersize=34, markeredgewidth=3)
    right.vlines(at, mean[i] - half, mean[i] + half, color=RED, linewidth=2.5)
    right.plot(at, mean[i], "D", color=BLUE)
    right.set_xticks(at, ("road\nslow", "road\nfast", "ice\nslow", "ice\nfast"))
    right.set(xlabel="state and action", ylabel="A (return)", xlim=(-0.6, 3.6))
    right.set_ylim(-1.6, 3.0)
    plots.words_above(
        right, ("▬  exact A", INK), ("◆  expected estimate", BLUE), ("│  ± sd/√N", RED)
    )
    return figure


def tradeoff_words(lam, n, values):
    """What `draw_tradeoff` shows, in words."""
    i = int(np.argmin(np.abs(LAMBDAS - lam)))
    bias, scatter, both = errors(values, n)
    falls = "is zero" if values == "exact" else "falls to zero"
    return (
        f"Left: over lambda the bias {falls} and the scatter of the mean of {n} "
        f"samples rises; both together are least at lambda = "
        f"{LAMBDAS[both.argmin()]:g}. At lambda = {LAMBDAS[i]:g} the bias is "
        f"{number(bias[i], '.3f')}, the scatter {scatter[i]:.3f}, both {both[i]:.3f}. "
        "Right: for four state-action pairs the exact advantage and the expected "
        f"estimate with its spread, with the value function: {values}."
    )


tradeoff = Widget(
    draw_tradeoff,
    tradeoff_words,
    {
        "lam": Slider("λ", 0.0, 1.0, 0.025, 0.8),
        "n": Steps("samples averaged N", (1, 10, 100, 1000, 10000), 10),
        "values": Choice(
            "value function V",
            ("careful driver's", "zero", "exact"),
            "careful driver's",
        ),
    },
)


def draw_limit(gamma):
    """Values learned with both recipes over the time limit -> Figure."""
    exact, wrong = limit_curves(gamma)
    H = np.arange(2, 101)
    figure, axes = plots.figure(size=(7.2, 3.8))
    axes.axhline(0, color=INK, linewidth=0.8)
    for i, (name, color) in enumerate((("road", BLUE), ("ice", RED))):
        axes.axhline(exact[i], color=color, label=f"{name}, right: the exact v")
        axes.plot(H, wrong[:, i], "--", color=color, label=f"{name}, wrong")
    low = min(exact.min(), wrong.min())
    axes.set(xlabel="time limit (steps)", ylabel="learned value (return)")
    axes.set(xlim=(0, 100), ylim=(1.1 * low, max(1.6, -0.75 * low)))
    axes.legend(loc="upper right", ncols=2)
    return figure


def limit_words(gamma):
    """What `draw_limit` shows, in words."""
    exact, wrong = limit_curves(gamma)
    (road, ice), (near_road, near_ice), (far_road, far_ice) = exact, wrong[8], wrong[-1]
    return (
        "Over the time limit, the right values of road and ice are two flat lines, at "
        f"{number(road, '.2f')} and {number(ice, '.2f')} for gamma = {gamma:.2f}. "
        "The wrong ones approach them as the limit grows: "
        f"{number(near_road, '.2f')} and {number(near_ice, '.2f')} at 10 steps, "
        f"{number(far_road, '.2f')} and {number(far_ice, '.2f')} at 100."
    )


limit = Widget(
    draw_limit,
    limit_words,
    {"gamma": Slider("discount γ", 0.5, 0.99, 0.01, 0.9)},
)

# --- exercises


def td_errors_with_ends_stub(rewards, v, next_v, terminated, gamma):
    """TD errors [N]; a step that terminated has no next value."""
    delta = ...  # np.where(terminated, 0.0, x) is x, but 0 after the end
    return delta


def td_errors_with_ends_reference(rewards, v, next_v, terminated, gamma):
    """TD errors [N]; a step that terminated has no next value."""
    delta = rewards + gamma * np.where(terminated, 0.0, next_v) - v
    return delta


def td_through_the_end(rewards, v, next_v, terminated, gamma):
    return rewards + gamma * next_v - v


def td_no_discount(rewards, v, next_v, terminated, gamma):
    return rewards + np.where(terminated, 0.0, next_v) - v


def td_target(rewards, v, next_v, terminated, gamma):
    return rewards + gamma * np.where(terminated, 0.0, next_v)


def td_discounts_both(rewards, v, next_v, terminated, gamma):
    return rewards + gamma * (np.where(terminated, 0.0, next_v) - v)


def td_drops_row(rewards, v, next_v, terminated, gamma):
    return np.where(terminated, 0.0, rewards + gamma * next_v - v)


def td_keeps_v_only(rewards, v, next_v, terminated, gamma):
    return np.where(terminated, 0.0, rewards + gamma * next_v) - v


def td_other_way(rewards, v, next_v, terminated, gamma):
    return rewards + gamma * np.where(terminated, next_v, 0.0) - v


# (steps, the rows on which an episode ends): middle, last, two in turn, first, none
FLAGS = ((7, (3,)), (6, (5,)), (8, (4, 5)), (5, (0, 4)), (9, ()))


def _flags(steps, rows):
    flags = np.zeros(steps, dtype=bool)
    flags[list(rows)] = True
    return flags


def td_cases(rng):
    return [
        (*rng.normal(size=(3, n)), _flags(n, rows), float(rng.uniform(0.6, 0.95)))
        for n, rows in FLAGS
    ]


td_errors_with_ends = Exercise(
    name="td_errors_with_ends",
    minutes=5,
    difficulty=1,
    stub=td_errors_with_ends_stub,
    reference=td_errors_with_ends_reference,
    mistakes={
        "a terminated step has no next value: 0 takes its place": td_through_the_end,
        "gamma is missing: the next value is one step away": td_no_discount,
        "this is the target r + gamma v(s'); subtract v(s)": td_target,
        "v(s) is discounted too: only the next value is": td_discounts_both,
        "a terminated step still has its reward and its v(s)": td_drops_row,
        "a terminated step still has its reward": td_keeps_v_only,
        "the two cases are exchanged: 0 takes the next value's place where the world "
        "ended": td_other_way,
    },
    hints=(
        "The formula is page 02's TD error: reward, next value, value.",
        "delta = r + gamma v(s') - v(s), with 0 for v(s') where the world ended.",
        "rewards + gamma * np.where(terminated, 0.0, next_v), less v.",
    ),
    cases=td_cases,
)


def gae_with_ends_stub(delta, ended, gamma, lam):
    """GAE [T] from TD errors [T]; ended[t]: an episode ended at t."""
    advantages = np.zeros(len(delta))
    later = 0.0  # what the step after t has added up
    for t in reversed(range(len(delta))):
        later = ...  # two cases: has an episode ended with step t?
        advantages[t] = later
    return advantages


def gae_with_ends_reference(delta, ended, gamma, lam):
    """GAE [T] from TD errors [T]; ended[t]: an episode ended at t."""
    advantages = np.zeros(len(delta))
    later = 0.0  # what the step after t has added up
    for t in reversed(range(len(delta))):
        later = delta[t] + gamma * lam * later * (not ended[t])
        advantages[t] = later
    return advantages


def backwards(delta, ended, factor, shift=0):
    advantages, later = np.zeros(len(delta)), 0.0
    for t in reversed(range(len(delta))):
        stop = ended[t + shift] if t + shift < len(delta) else True
        later = delta[t] + factor * later * (not stop)
        advantages[t] = later
    return advantages


def gae_across(delta, ended, gamma, lam):
    return backwards(delta, np.zeros(len(delta), dtype=bool), gamma * lam)


def gae_no_lambda(delta, ended, gamma, lam):
    return backwards(delta, ended, gamma)


def gae_no_gamma(delta, ended, gamma, lam):
    return backwards(delta, ended, lam)


def gae_early(delta, ended, gamma, lam):
    return backwards(delta, ended, gamma * lam, shift=1)


def gae_other_way(delta, ended, gamma, lam):
    return backwards(delta, ~ended, gamma * lam)


def gae_mixed(delta, ended, gamma, lam):
    advantages, later = np.zeros(len(delta)), 0.0
    for t in reversed(range(len(delta))):
        later = (1 - lam) * delta[t] + gamma * lam * later * (not ended[t])
        advantages[t] = later
    return advantages


def gae_drops(delta, ended, gamma, lam):
    advantages, later = np.zeros(len(delta)), 0.0
    for t in reversed(range(len(delta))):
        later = (delta[t] + gamma * lam * later) * (not ended[t])
        advantages[t] = later
    return advantages


def gae_cases(rng):
    cases = []
    for n, rows in FLAGS:
        gamma, lam = (float(x) for x in rng.uniform(0.6, 0.95, 2))
        cases.append((rng.normal(size=n), _flags(n, rows), gamma, lam))
    return cases


gae_with_ends = Exercise(
    name="gae_with_ends",
    minutes=8,
    difficulty=2,
    stub=gae_with_ends_stub,
    reference=gae_with_ends_reference,
    mistakes={
        "it runs across the ends: the next episode's luck is not this step's merit": (
            gae_across
        ),
        "lambda is missing: this is GAE(1)": gae_no_lambda,
        "gamma is missing: each further TD error counts gamma lambda times as much": (
            gae_no_gamma
        ),
        "the two cases are exchanged: `later` counts where no episode ended with step "
        "t": gae_other_way,
        "off by one: ended[t] cuts between t and t + 1, not before t": gae_early,
        "delta counts in full, not (1 - lambda) of it": gae_mixed,
        "the last step of an episode keeps its own delta": gae_drops,
    },
    hints=(
        "Step t hands back its own delta and a part of what step t + 1 handed back.",
        "The part is gamma * lam, or nothing if an episode ended with step t.",
        "later = delta[t] + gamma * lam * later, with `* (not ended[t])` on `later`.",
    ),
    cases=gae_cases,
)


def targets_stub(rewards, next_v, terminated, truncated, gamma):
    """Returns [T] of the steps of one environment, as targets for V."""
    ...  # your code


def targets_reference(rewards, next_v, terminated, truncated, gamma):
    """Returns [T] of the steps of one environment, as targets for V."""
    y = np.zeros(len(rewards))
    for t in reversed(range(len(rewards))):
        if terminated[t]:
            following = 0.0  # the world ended
        elif truncated[t] or t == len(rewards) - 1:
            following = next_v[t]  # only the watching ended
        else:
            following = y[t + 1]
        y[t] = rewards[t] + gamma * following
    return y


def targets_by(rewards, gamma, following):
    y = np.zeros(len(rewards))
    for t in reversed(range(len(rewards))):
        y[t] = rewards[t] + gamma * following(t, y)
    return y


def targets_truncation_ends(rewards, next_v, terminated, truncated, gamma):
    last = len(rewards) - 1

    def following(t, y):
        ended = terminated[t] or truncated[t]
        return 0.0 if ended else next_v[t] if t == last else y[t + 1]

    return targets_by(rewards, gamma, following)


def targets_nothing_after(rewards, next_v, terminated, truncated, gamma):
    last = len(rewards) - 1

    def following(t, y):
        ended = terminated[t] or truncated[t] or t == last
        return 0.0 if ended else y[t + 1]

    return targets_by(rewards, gamma, following)


def targets_last_row(rewards, next_v, terminated, truncated, gamma):
    last = len(rewards) - 1

    def following(t, y):
        if terminated[t]:
            return 0.0
        return next_v[t] if truncated[t] else 0.0 if t == last else y[t + 1]

    return targets_by(rewards, gamma, following)


def targets_never_end(rewards, next_v, terminated, truncated, gamma):
    last = len(rewards) - 1

    def following(t, y):
        ended = terminated[t] or truncated[t] or t == last
        return next_v[t] if ended else y[t + 1]

    return targets_by(rewards, gamma, following)


def targets_one_step(rewards, next_v, terminated, truncated, gamma):
    return rewards + gamma * np.where(terminated, 0.0, next_v)


def targets_across(rewards, next_v, terminated, truncated, gamma):
    last = len(rewards) - 1

    def following(t, y):
        return 0.0 if terminated[t] else next_v[t] if t == last else y[t + 1]

    return targets_by(rewards, gamma, following)


def targets_truncated_first(rewards, next_v, terminated, truncated, gamma):
    last = len(rewards) - 1

    def following(t, y):
        if truncated[t]:
            return next_v[t]
        return 0.0 if terminated[t] else next_v[t] if t == last else y[t + 1]

    return targets_by(rewards, gamma, following)


def targets_terminated_last(rewards, next_v, terminated, truncated, gamma):
    last = len(rewards) - 1

    def following(t, y):
        if truncated[t] or t == last:
            return next_v[t]
        return 0.0 if terminated[t] else y[t + 1]

    return targets_by(rewards, gamma, following)


def targets_forwards(rewards, next_v, terminated, truncated, gamma):
    last = len(rewards) - 1

    def following(t, y):  # y[t + 1] is not known yet
        cut = truncated[t] or t == last
        return next_v[t] if cut and not terminated[t] else 0.0

    return targets_by(rewards, gamma, following)


def target_cases(rng):
    """In each, the rows of one ending decide; with both flags the world ended."""
    tables = (  # steps, terminated rows, truncated rows
        (9, (2,), (5,)),
        (7, (), (3,)),
        (8, (4,), ()),
        (6, (5,), (2,)),
        (5, (1,), (4,)),
        (10, (4, 5), (1, 2)),
        (11, (3, 4), (4, 5)),
        (12, (), ()),
    )
    return [
        (
            *rng.normal(size=(2, n)),
            _flags(n, ended),
            _flags(n, cut),
            float(rng.uniform(0.6, 0.95)),
        )
        for n, ended, cut in tables
    ]


targets = Exercise(
    name="targets",
    minutes=12,
    difficulty=3,
    stub=targets_stub,
    reference=targets_reference,
    mistakes={
        "truncation is treated as termination: the world went on": (
            targets_truncation_ends
        ),
        "0 after truncation and after the last row: the world went on in both": (
            targets_nothing_after
        ),
        "the last row is unfinished, not ended: it continues with next_v": (
            targets_last_row
        ),
        "termination is treated as truncation: after the end there is nothing": (
            targets_never_end
        ),
        "one-step targets: within an episode the next row's target follows": (
            targets_one_step
        ),
        "it runs across a truncation: the next row belongs to another episode": (
            targets_across
        ),
        "where both flags are set the world ended: ask for terminated first": (
            targets_truncated_first
        ),
        "a truncated or last row that terminated has ended: ask for terminated first": (
            targets_terminated_last
        ),
        "go backwards: y[t] needs y[t + 1], which is still 0": targets_forwards,
    },
    hints=(
        "Go backwards. Three kinds of step differ in what follows their reward.",
        "Nothing follows a terminated step, whatever else is true of it; next_v[t] "
        "follows a truncated one and the last row; y[t + 1] all others.",
        "y[t] = rewards[t] + gamma * following, in a loop over reversed(range(T)), "
        "with if terminated[t]: 0.0, elif truncated[t] or t == T - 1: next_v[t], "
        "else: y[t + 1].",
    ),
    cases=target_cases,
)

pictures = (two_samples, baseline, ends, nothing)
widgets = (tradeoff, limit)
exercises = (td_errors_with_ends, gae_with_ends, targets)
progress = Progress(exercises)
