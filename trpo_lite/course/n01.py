"""Notebook 01: J three ways, the curve that comes back, the frozen lake, the LQR."""

from functools import lru_cache

import numpy as np

from trpo_lite import lqr, plots, style
from trpo_lite.course.engine import Exercise, Progress
from trpo_lite.course.table import number
from trpo_lite.course.widgets import Choice, Picture, Slider, Widget
from trpo_lite.mdp import (
    TabularMDP,
    evaluate,
    optimal_policy,
    random_mdp,
    road_and_ice,
    sample_trajectories,
    shared_policy,
    uniform_policy,
)

# --- worlds

LAKE = "SFFF", "FHFH", "FFFH", "HFFG"
ENDS = np.array([c in "HG" for row in LAKE for c in row])
OPTIMAL, UNIFORM = "best for this γ", "all directions alike"


@lru_cache(maxsize=256)
def lake_evaluation(gamma, policy=OPTIMAL):
    """The Evaluation of the best or the uniform policy on slippery FrozenLake."""
    table = _lake_table()
    lake = TabularMDP(table.P, table.R, gamma, table.start, table.name)
    make = optimal_policy if policy == OPTIMAL else uniform_policy
    return evaluate(lake, make(lake))


@lru_cache(maxsize=1)
def _lake_table():
    return TabularMDP.from_gymnasium("FrozenLake", gamma=0.9)


@lru_cache(maxsize=128)
def road_parts(gamma, points=101):
    """p, what the road earns, what the ice costs, J = earned - cost; each [points]."""
    world, p = road_and_ice(gamma), np.linspace(0, 1, points)
    d = np.array([evaluate(world, shared_policy(x)).visitation for x in p])
    earned, cost = d[:, 0] * p * world.R[0, 1], -d[:, 1] * p * world.R[1, 1]
    return p, earned, cost, earned - cost


def covered(gamma=0.9, p=0.1, sets=400, n=200, horizon=150, seed=1):
    """How many of `sets` data sets of n paths have a 95 % interval that covers J."""
    world, pi = road_and_ice(gamma), shared_policy(p)
    rng = np.random.default_rng(seed)
    paths = sample_trajectories(world, pi, sets * n, horizon, rng)
    returns = (paths.rewards @ gamma ** np.arange(horizon)).reshape(sets, n)
    half = 1.96 * returns.std(axis=1, ddof=1) / np.sqrt(n)
    J = evaluate(world, pi).performance
    return int(np.sum(np.abs(returns.mean(axis=1) - J) <= half))


# --- pictures


def draw_world():
    """The two states of `road_and_ice`, with what each action does -> Figure."""
    figure, axes = plots.figure(size=(7.2, 3.0))
    axes.set(xlim=(0, 10), ylim=(0.3, 4.2))
    axes.set_axis_off()
    for x, name in ((3.0, "road"), (7.0, "ice")):
        disc = dict(markersize=62, markerfacecolor="white", markeredgecolor=style.INK)
        axes.plot(x, 2.2, "o", **disc)
        axes.text(x, 2.2, name, size=16, ha="center", va="center")
    for start, end, rad, color, line in (
        ((3.6, 2.65), (6.45, 2.65), -0.25, style.RED, "--"),
        ((6.45, 1.75), (3.6, 1.75), -0.25, style.BLUE, "-"),
        ((2.4, 1.75), (2.4, 2.65), -1.6, style.BLUE, "-"),
        ((2.75, 2.95), (3.25, 2.95), -2.2, style.RED, "--"),
        ((7.55, 2.65), (7.55, 1.75), -1.6, style.RED, "--"),
    ):
        axes.annotate(
            "",
            end,
            start,
            arrowprops=dict(
                arrowstyle="-|>",
                connectionstyle=f"arc3,rad={rad}",
                color=color,
                linestyle=line,
                linewidth=2,
                mutation_scale=18,
                shrinkA=0,
                shrinkB=0,
            ),
        )
    for x, y, words, color, ha in (
        (5.0, 3.25, "fast (.9): +1", style.RED, "center"),
        (5.0, 0.95, "slow: 0", style.BLUE, "center"),
        (1.4, 2.2, "slow: 0", style.BLUE, "right"),
        (3.0, 3.85, "fast (.1): +1", style.RED, "center"),
        (8.6, 2.2, "fast: −0.5", style.RED, "left"),
    ):
        axes.text(x, y, words, color=style.ink(color), ha=ha, va="center", size=12.5)
    return figure


world = Picture(
    draw_world,
    "Two states. Fast on the road earns 1 and leads to the ice with probability .9, "
    "else back to the road. Fast on the ice stays there and costs .5. Slow earns 0 and "
    "leads to the road from both.",
)


def draw_running_mean(returns, J):
    """Mean and 95 % interval of the first n returns over n, and exact J -> Figure."""
    figure, axes = plots.figure(size=(7.2, 3.6))
    n = np.unique(np.geomspace(10, len(returns), 200).astype(int))
    mean = np.array([returns[:k].mean() for k in n])
    half = np.array([1.96 * returns[:k].std(ddof=1) / np.sqrt(k) for k in n])
    axes.fill_between(n, mean - half, mean + half, color=style.GREY, alpha=0.35)
    axes.plot(n, mean, color=style.BLUE)
    axes.axhline(J, color=style.RED, linestyle="--")
    axes.set(
        xscale="log", xlabel="number of paths n", ylabel="return", xlim=(n[0], n[-1])
    )
    plots.words_above(
        axes,
        ("──  mean of n returns, grey: its 95 % interval", style.BLUE),
        ("– –  exact J", style.RED),
    )
    return figure


def running_mean_words(returns, J):
    """What `draw_running_mean` shows, in words."""
    few, all_ = (
        3.92 * returns[:n].std(ddof=1) / np.sqrt(n) for n in (10, len(returns))
    )
    return (
        f"The mean of n returns wanders and settles on the exact J, {J:.3f}, while its "
        f"95 % interval narrows, from {few:.2f} wide at ten drives to {all_:.3f} at "
        f"{len(returns)}."
    )


running_mean = Picture(draw_running_mean, running_mean_words)


def draw_lqr(estimates, std=0.3):
    """J over the gain k, with Monte Carlo intervals -> Figure.

    estimates : rows (k, J, mean, half-width).
    """
    world = lqr.scalar_lqr()
    k = np.linspace(-1.9, -0.02, 190)
    J = [lqr.performance(world, x, std) for x in k]
    best = float(lqr.optimal_gain(world)[0, 0])
    figure, axes = plots.figure(size=(7.2, 3.8))
    axes.plot(k, J, color=style.BLUE)
    axes.axvline(best, color=style.INK, linestyle=":", linewidth=1.5)
    at, _, mean, half = np.transpose(estimates)
    axes.errorbar(at, mean, half, fmt="o", color=style.RED, capsize=5, markersize=5)
    axes.set(xlabel="gain k (action per unit of state)", ylim=(-34, 0))
    axes.set_ylabel("J (reward units)")
    plots.words_above(
        axes,
        ("──  closed form, dotted: the best k", style.BLUE),
        ("●  mean of 2000 sampled returns, 95 % interval", style.RED),
    )
    return figure


hill = Picture(
    draw_lqr,
    "J over the gain k: a hill with its top near -0.59 that falls steeply at both "
    "ends. The sampled means sit on it; their intervals are smallest near the top.",
)

# --- widgets


def draw_curve(gamma):
    """J(p), and its two parts, what the road earns and the ice costs -> Figure."""
    p, earned, cost, J = road_parts(gamma)
    figure, axes = plots.figure(size=(7.2, 4.4))
    axes.axhline(0, color=style.INK, linewidth=0.8)
    axes.plot(p, earned, **style.line(2))
    axes.plot(p, cost, **style.line(1))
    axes.plot(p, J, **style.line(0))
    best = np.argmax(J)
    axes.plot(p[best], J[best], "o", color=style.INK, markersize=8)
    axes.set(xlabel="p, the probability of driving fast", xlim=(0, 1))
    axes.set_ylabel("discounted reward")
    plots.words_above(
        axes,
        (f"──  J, best at p = {p[best]:.2f} with J = {J[best]:.2f}", style.BLUE),
        ("–·–  earned on the road, d(road) · p · 1", style.VIOLET),
        ("– –  paid on the ice, d(ice) · p · 0.5", style.RED),
    )
    return figure


def curve_words(gamma):
    """What `draw_curve` shows, in words."""
    p, earned, cost, J = road_parts(gamma)
    top, most = np.argmax(J), np.argmax(earned)
    return (
        f"Over p at gamma = {gamma:.2f}: what the road earns is largest at p = "
        f"{p[most]:.2f} and {number(earned[-1], '.2f')} at p = 1; what the ice costs "
        f"is {number(cost[-1], '.2f')} at p = 1; their difference J is largest at p = "
        f"{p[top]:.2f} with {J[top]:.2f} and ends at {number(J[-1], '.2f')}."
    )


curve = Widget(
    draw_curve, curve_words, {"gamma": Slider("discount γ", 0.0, 0.98, 0.02, 0.8)}
)


def _ink_on(ground):
    """Black or white, whichever is easier to read on the colour `ground`."""
    return max(("black", "white"), key=lambda ink: style.contrast(ink, ground))


def draw_lake(gamma, policy):
    """FrozenLake's values with arrows, and its visits, side by side -> Figure.

    One axes for both maps: a second one would double the time of a slider's move.
    """
    from matplotlib import colormaps

    it = lake_evaluation(gamma, policy)
    v = it.v.reshape(4, 4)
    d = it.visitation.reshape(4, 4)
    over = ENDS.reshape(4, 4)
    most = d[~over].max()
    colours = np.ones((4, 9, 4))
    viridis = colormaps["viridis"]
    colours[:, :4], colours[:, 5:] = viridis(v), viridis(d / most)
    for left in (0, 5):
        colours[:, left : left + 4][over] = (0.85, 0.85, 0.87, 1)
    figure, axes = plots.figure(size=(7.4, 3.85), layout=None)
    axes.set_position((0, 0, 1, 1))
    axes.imshow(colours, interpolation="none")
    axes.set(xlim=(-0.55, 8.55), ylim=(3.6, -1.3))
    for left in (-0.5, 4.5):
        between, width = np.arange(3) + 0.5, dict(color="white", linewidth=1.5)
        axes.hlines(between, left, left + 4, **width)
        axes.vlines(between + left + 0.5, -0.5, 3.5, **width)
    for row, col in np.ndindex(4, 4):
        end, kind = over[row, col], LAKE[row][col].replace("F", "")
        for x, words in (
            (col, number(v[row, col], ".3f")),
            (col + 5, number(d[row, col], ".2f")),
        ):
            gap = " " if kind == "S" else "\n"
            words = f"{kind}{gap}{words}" if kind else words
            ink = _ink_on(colours[row, x])
            y = row + (0.22 if x < 4 and not end else 0)
            axes.text(x, y, words, color=ink, ha="center", va="center", size=11)
    if policy == OPTIMAL:
        rows, cols = np.divmod(np.flatnonzero(~ENDS), 4)
        dy, dx = np.array([(0, -1), (1, 0), (0, 1), (-1, 0)])[it.pi.argmax(1)[~ENDS]].T
        inks = [_ink_on(ground) for ground in colours[rows, cols]]
        axes.quiver(
            cols - 0.2 * dx,
            rows - 0.28 - 0.13 * dy,
            0.4 * dx,
            0.26 * dy,
            color=inks,
            angles="xy",
            scale_units="xy",
            scale=1,
            width=0.005,
        )
    axes.set_axis_off()
    for x, title, unit in (
        (-0.5, "value v(s)", "discounted return"),
        (
            4.5,
            f"visits d(s), {d.sum():.1f} in all",
            f"{d[~over].sum():.1f} of them before the end",
        ),
    ):
        axes.text(x, -0.93, title, size=13, va="bottom")
        axes.text(x, -0.6, unit, size=11.5, va="bottom")
    return figure


def lake_words(gamma, policy):
    """What `draw_lake` shows, in words."""
    it = lake_evaluation(gamma, policy)
    d = it.visitation
    arrows = ", with the best direction as an arrow" if policy == OPTIMAL else ""
    return (
        f"Two maps of the four by four lake at gamma = {gamma:.2f}, policy: {policy}. "
        f"Left, the values{arrows}: {number(it.v[0], '.3f')} at the start, "
        f"{it.v[14]:.3f} left of the goal. Right, the discounted visits: {d[0]:.2f} at "
        f"the start, {d[~ENDS].sum():.1f} of {d.sum():.1f} before the end."
    )


lake = Widget(
    draw_lake,
    lake_words,
    {
        "gamma": Slider("discount γ", 0.5, 0.99, 0.01, 0.9),
        "policy": Choice("policy", (OPTIMAL, UNIFORM), OPTIMAL),
    },
)

# --- exercises


def action_values_stub(P, R, gamma, v):
    """q [S, A] of rewards that depend on the next state, too: R [S, A, S].

    P : [S, A, S], v : [S], as on the page.
    """
    worth = ...  # your line: reward and rest by next state, [S, A, S]
    return (P * worth).sum(axis=2)


def action_values_reference(P, R, gamma, v):
    """q [S, A] of rewards that depend on the next state, too: R [S, A, S]."""
    worth = R + gamma * v
    return (P * worth).sum(axis=2)


def value_of_here(P, R, gamma, v):
    return (P * (R + gamma * v[:, None, None])).sum(axis=2)


def mean_reward_only(P, R, gamma, v):
    return (P * (P * R + gamma * v)).sum(axis=2)


def weighed_twice(P, R, gamma, v):
    return (P * P * (R + gamma * v)).sum(axis=2)


def best_next_state(P, R, gamma, v):
    return np.where(P > 0, R + gamma * v, -np.inf).max(axis=2)


def no_reward(P, R, gamma, v):
    return (P * (gamma * v)).sum(axis=2)


def no_gamma(P, R, gamma, v):
    return (P * (R + v)).sum(axis=2)


def gamma_on_both(P, R, gamma, v):
    return (P * gamma * (R + v)).sum(axis=2)


def advantage_for_q(P, R, gamma, v):
    return (P * (R + gamma * v)).sum(axis=2) - v[:, None]


def action_values_cases(rng):
    cases = []
    for n_states, n_actions, gamma in ((4, 3, 0.9), (5, 2, 0.8), (2, 3, 0.6)):
        P = random_mdp(rng, n_states, n_actions, gamma).P
        R = rng.normal(size=(n_states, n_actions, n_states))
        cases.append((P, R, gamma, rng.normal(size=n_states)))
    return cases


action_values = Exercise(
    name="action_values",
    minutes=4,
    difficulty=1,
    stub=action_values_stub,
    reference=action_values_reference,
    mistakes={
        "the value of the state you leave: v must be that of the next state": (
            value_of_here
        ),
        "the reward is multiplied by P already: the last line does that": (
            mean_reward_only
        ),
        "multiplied by P already: the last line does that": weighed_twice,
        "the best next state: the world draws it, you don't choose; take the mean": (
            best_next_state
        ),
        "the reward is missing": no_reward,
        "gamma is missing: the next state's value comes one step later": no_gamma,
        "gamma multiplies the reward too: the reward comes now": gamma_on_both,
        "this is the advantage: q does not subtract v": advantage_for_q,
    },
    hints=(
        "If the next state were known, what would this step and the rest be worth?",
        "The last axis of R is the next state, and v has one number for each.",
        "R + gamma * v: NumPy lays v [S] along the last axis of R [S, A, S].",
    ),
    cases=action_values_cases,
)


def count_visits_stub(states, gamma, n_states):
    """Estimate d [n_states] by counting in paths: states [n, T]."""
    ...  # your code


def count_visits_reference(states, gamma, n_states):
    """Estimate d [n_states] by counting in paths: states [n, T]."""
    d = np.zeros(n_states)
    for t in range(states.shape[1]):
        share = np.bincount(states[:, t], minlength=n_states) / len(states)
        d = d + gamma**t * share
    return d


def repeated_index(states, gamma, n_states):
    d = np.zeros(n_states)
    for t in range(states.shape[1]):
        d[states[:, t]] += gamma**t / len(states)
    return d


def repeated_index_by_path(states, gamma, n_states):
    d, weights = np.zeros(n_states), gamma ** np.arange(states.shape[1])
    for path in states:
        d[path] += weights / len(states)
    return d


def counts_not_shares(states, gamma, n_states):
    return len(states) * count_visits_reference(states, gamma, n_states)


def divided_by_steps(states, gamma, n_states):
    n, T = states.shape
    return n / T * count_visits_reference(states, gamma, n_states)


def undiscounted_visits(states, gamma, n_states):
    return np.bincount(states.ravel(), minlength=n_states) / len(states)


def normalised_visits(states, gamma, n_states):
    return (1 - gamma) * count_visits_reference(states, gamma, n_states)


def without_room(states, gamma, n_states):
    return count_visits_reference(states, gamma, states.max() + 1)


def divided_by_its_sum(states, gamma, n_states):
    d = count_visits_reference(states, gamma, n_states)
    return d / d.sum()


def in_order_of_occurrence(states, gamma, n_states):
    d, right = np.zeros(n_states), count_visits_reference(states, gamma, n_states)
    for i, s in enumerate(np.unique(states)):
        d[i] = right[s]
    return d


def first_path_only(states, gamma, n_states):
    return count_visits_reference(states[:1], gamma, n_states)


def count_visits_cases(rng):
    sizes = (8, 5, 3, 0.9), (30, 12, 4, 0.8), (50, 4, 6, 0.95)
    cases = [(rng.integers(k - 1, size=(n, T)), gamma, k) for n, T, k, gamma in sizes]
    # a state in the middle is never visited, the last one is; in every column
    column = np.array([0, 0, 0, 2, 2, 3])[:, None]
    states = rng.permuted(np.repeat(column, 7, axis=1), axis=0)
    return [*cases, (states, 0.7, 4)]


count_visits = Exercise(
    name="count_visits",
    minutes=10,
    difficulty=2,
    stub=count_visits_stub,
    reference=count_visits_reference,
    mistakes={
        "d[states] += ... adds only once where an index repeats: use np.bincount or "
        "np.add.at": repeated_index,
        "d[path] += ... adds only once where a path comes back to a state: use "
        "np.add.at or np.bincount": repeated_index_by_path,
        "counts, not shares: divide by the number of paths": counts_not_shares,
        "divided by the number of steps: a share of the paths is a count over n": (
            divided_by_steps
        ),
        "the weight gamma**t is missing: these are plain visits": undiscounted_visits,
        "normalised: d sums to 1/(1 - gamma), not to 1": normalised_visits,
        "divided by its sum: d is no distribution, it sums to 1/(1 - gamma)": (
            divided_by_its_sum
        ),
        "only the first path is counted": first_path_only,
        "the numbers stand in the order of the states that occur, not each at its own "
        "state's index": in_order_of_occurrence,
        "a state that occurs in no path is missing: minlength=n_states leaves room": (
            without_room
        ),
    },
    hints=(
        "states[:, t] [n] says where each path is at time t. Count, then divide.",
        "np.bincount(x) counts how often each whole number occurs in x; minlength "
        "keeps room for states that do not occur.",
        "share = np.bincount(states[:, t], minlength=n_states) / len(states)",
    ),
    cases=count_visits_cases,
)


def windy_performance_stub(k, std, noise, m0, gamma):
    """J of u ~ N(k s, std^2) where s' = s + u + w, reward -(s^2 + u^2).

    E[w] = 0, E[w^2] = noise, E[s_0^2] = m0 > 0; all are numbers.
    J is a number, or -inf.
    """
    ...  # your code


def windy_performance_reference(k, std, noise, m0, gamma):
    """J of u ~ N(k s, std^2) where s' = s + u + w, reward -(s^2 + u^2)."""
    kept = gamma * (1 + k) ** 2  # of E[s^2], from step to step
    if kept >= 1:
        return -np.inf
    shaken = gamma * (std**2 + noise) / (1 - gamma)
    M = (m0 + shaken) / (1 - kept)  # sum of gamma^t E[s_t^2]
    return -(M + k**2 * M + std**2 / (1 - gamma))


def _windy(k, std, noise, m0, gamma, action=1.0, shaken=None, power=2, cost=1.0):
    if gamma * (1 + k) ** 2 >= 1:
        return -np.inf
    pushed = gamma * (std**2 + noise) if shaken is None else shaken
    M = (m0 + pushed / (1 - gamma)) / (1 - gamma * (1 + k) ** power)
    return -(M + cost * (k**2 * M + action * std**2 / (1 - gamma)))


def action_noise_free(k, std, noise, m0, gamma):
    return _windy(k, std, noise, m0, gamma, action=0)


def states_not_shaken(k, std, noise, m0, gamma):
    return _windy(k, std, noise, m0, gamma, shaken=0)


def start_forgotten(k, std, noise, m0, gamma):
    return _windy(k, std, noise, 0.0, gamma)


def start_of_one(k, std, noise, m0, gamma):
    return _windy(k, std, noise, 1.0, gamma)


def no_wind(k, std, noise, m0, gamma):
    return _windy(k, std, 0.0, m0, gamma)


def wind_paid_for(k, std, noise, m0, gamma):
    return _windy(k, std, noise, m0, gamma) - noise / (1 - gamma)


def noise_squared(k, std, noise, m0, gamma):
    return _windy(k, std, noise**2, m0, gamma)


def only_wind_shakes(k, std, noise, m0, gamma):
    return _windy(k, std, noise, m0, gamma, shaken=gamma * noise)


def shaken_at_once(k, std, noise, m0, gamma):
    return _windy(k, std, noise, m0, gamma, shaken=std**2 + noise)


def shaken_once(k, std, noise, m0, gamma):
    return _windy(
        k, std, noise, m0, gamma, shaken=gamma * (1 - gamma) * (std**2 + noise)
    )


def action_noise_once(k, std, noise, m0, gamma):
    return _windy(k, std, noise, m0, gamma, action=1 - gamma)


def loop_not_squared(k, std, noise, m0, gamma):
    return _windy(k, std, noise, m0, gamma, power=1)


def std_not_squared(k, std, noise, m0, gamma):
    return _windy(k, np.sqrt(std), noise, m0, gamma)


def action_cost_free(k, std, noise, m0, gamma):
    return _windy(k, std, noise, m0, gamma, cost=0)


def never_infinite(k, std, noise, m0, gamma):
    shaken = gamma * (std**2 + noise) / (1 - gamma)
    M = (m0 + shaken) / (1 - gamma * (1 + k) ** 2)
    return -(M + k**2 * M + std**2 / (1 - gamma))


def infinite_too_soon(k, std, noise, m0, gamma):
    return _windy(k, std, noise, m0, gamma) if abs(1 + k) < 1 else -np.inf


def windy_cases(rng):
    rows = (-0.5, 0.3, 0.1, 1.0, 0.9), (-1.2, 0.7, 0.5, 2.0, 0.8)
    low, high = (-1.5, 0.1, 0, 0.5, 0.5), (0, 1, 1, 3, 0.9)
    free = [tuple(map(float, rng.uniform(low, high))) for _ in range(3)]
    # costs that grow, towards either side, and costs that stay: gamma (1 + k)^2 = 1
    endless = (0.1, 0.3, 0.0, 1.0, 0.9), (-2.2, 0.3, 0.2, 1.5, 0.8)
    # states that grow while their discounted costs die out
    growing = (0.04, 0.3, 0.1, 1.0, 0.9), (-2.05, 0.3, 0.1, 1.0, 0.9)
    return [*rows, *free, *endless, (1.0, 0.4, 0.3, 2.0, 0.25), *growing]


windy_performance = Exercise(
    name="windy_performance",
    minutes=12,
    difficulty=3,
    stub=windy_performance_stub,
    reference=windy_performance_reference,
    mistakes={
        "the action's own noise costs nothing here: E[u^2] = k^2 E[s^2] + std^2": (
            action_noise_free
        ),
        "nothing shakes the state after the start: std^2 + noise adds to E[s^2] at "
        "every step": states_not_shaken,
        "the start is missing: E[s_0^2] = m0 is the first term of M": start_forgotten,
        "the start counts as 1: E[s_0^2] = m0": start_of_one,
        "where gamma (1 + k)^2 >= 1 the costs never die out: J is -inf": (
            never_infinite
        ),
        "J is still finite where |1 + k| >= 1, as long as gamma (1 + k)^2 < 1": (
            infinite_too_soon
        ),
        "the wind is missing: E[s'^2] = (1 + k)^2 E[s^2] + std^2 + noise": no_wind,
        "only the wind shakes the state: the action's noise does so too": (
            only_wind_shakes
        ),
        "shaken from the start: the first push shows in s_1, so it counts gamma": (
            shaken_at_once
        ),
        "shaken once only: every step pushes, which sums to gamma/(1 - gamma)": (
            shaken_once
        ),
        "std^2 counted once: every action costs it, 1/(1 - gamma) in all": (
            action_noise_once
        ),
        "1 + k is not squared: s' = (1 + k) s, so E[s'^2] has (1 + k)^2": (
            loop_not_squared
        ),
        "std is not squared: the variance is std^2": std_not_squared,
        "the wind costs nothing itself: E[u^2] = k^2 E[s^2] + std^2": wind_paid_for,
        "noise is squared: it is E[w^2] already": noise_squared,
        "the actions cost nothing here: the reward is -(s^2 + u^2)": action_cost_free,
    },
    hints=(
        "Go by visits: all that J needs is M, the sum of gamma^t E[s_t^2].",
        "E[s_(t+1)^2] = (1 + k)^2 E[s_t^2] + std^2 + noise. Multiply by gamma^(t+1) "
        "and sum over t: one equation for M.",
        "M = (m0 + gamma (std^2 + noise)/(1 - gamma)) / (1 - gamma (1 + k)^2), and "
        "J = -(M + k^2 M + std^2/(1 - gamma)), or -inf where gamma (1 + k)^2 >= 1.",
    ),
    cases=windy_cases,
)

pictures = (world, running_mean, hill)
widgets = (curve, lake)
exercises = (action_values, count_visits, windy_performance)
progress = Progress(exercises)
