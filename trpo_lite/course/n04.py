"""Notebook 04: KL and TV, the lower bound on many pairs, and the MM staircase."""

from functools import cache, lru_cache
from itertools import pairwise

import numpy as np

from trpo_lite import bound, plots, style
from trpo_lite.course.engine import Exercise, Progress
from trpo_lite.course.table import number
from trpo_lite.course.widgets import Picture, Slider, Widget
from trpo_lite.mdp import (
    TabularMDP,
    evaluate,
    random_mdp,
    random_policy,
    road_and_ice,
    shared_policy,
)

# --- worlds


def bound_on_road_and_ice(p, p_k, gamma):
    """M at each p [N] for the bound that touches J at p_k, C and dL/dp there."""
    old = evaluate(road_and_ice(gamma), shared_policy(p_k))
    C = bound.penalty_constant(old, gamma)
    slope = float(old.visitation @ (old.advantage[:, 1] - old.advantage[:, 0]))
    new = np.stack([1 - p, p], -1)
    return slope * (p - p_k) - C * bound.kl(old.pi[0], new), C, slope


def top(p, slope, penalty):
    """The q in (0, 1) with the largest slope * (q - p) - penalty * KL(p || q)."""
    # derivative 0:  slope + penalty * (p / q - (1 - p) / (1 - q)) = 0,
    # times q (1 - q):  slope * q**2 + (penalty - slope) * q - penalty * p = 0
    b = penalty - slope
    return 2 * penalty * p / (b + np.sqrt(b**2 + 4 * slope * penalty * p))


@lru_cache(maxsize=256)
def staircase(gamma, p_0=0.1, steps=8):
    """The points p_0, p_1, ... of the exact MM run on road_and_ice, and J at each."""
    points, mdp = [p_0], road_and_ice(gamma)
    for _ in range(steps):
        p = points[-1]
        _, C, slope = bound_on_road_and_ice(np.array([p]), p, gamma)
        points.append(float(top(p, slope, C)))
    J = [evaluate(mdp, shared_policy(p)).performance for p in points]
    return np.array(points), np.array(J)


@lru_cache(maxsize=256)
def truth(gamma, low=0.0, high=1.0, n=81):
    """J(p) on n points of [low, high]: (p [n], J [n])."""
    p, mdp = np.linspace(low, high, n), road_and_ice(gamma)
    pi = np.stack([1 - p, p], -1)  # the same in both states
    P, r = np.einsum("na,sat->nst", pi, mdp.P), pi @ mdp.R.T
    v = np.linalg.solve(np.eye(mdp.n_states) - gamma * P, r[..., None])
    return p, v[..., 0] @ mdp.start


# --- pictures


def draw_pinsker(distance, divergence):
    """Pairs as dots, TV across and KL up, above the curve KL = 2 TV^2 -> Figure."""
    figure, axes = plots.figure(size=(6.6, 3.7))
    x = np.linspace(0, 1, 101)
    axes.plot(distance, divergence, ".", color=style.BLUE, markersize=3, label="pairs")
    axes.plot(x, 2 * x**2, color=style.RED, label="KL = 2 TV² (Pinsker)")
    axes.plot(x, x**2, color=style.VIOLET, linestyle="--", label="KL = TV² (the proof)")
    axes.set(xlabel="total variation TV", ylabel="KL (nats)", xlim=(0, 1), ylim=(0, 3))
    axes.legend(loc="upper left")
    return figure


pinsker = Picture(
    draw_pinsker,
    "1,000 of the pairs, TV across and KL up. All dots lie above the parabola KL = 2 "
    "TV squared, some almost on it; the parabola KL = TV squared lies clearly below.",
)


def draw_minorizers(f, slope, path, bend=2.0):
    """f, the points of an MM run, and the parabola under f at each -> Figure.

    f, slope : functions of x; path : [K + 1] points, each the top of the parabola of
    second derivative -bend that touches f at the point before.
    """
    x = np.linspace(-0.6, 2.1, 271)
    figure, axes = plots.figure(size=(6.8, 3.6))
    axes.plot(x, f(x), color=style.INK, linewidth=2.6)
    axes.text(-0.58, 0.94, "f(x)")
    for k, (here, there) in enumerate(pairwise(path)):

        def below(x, a=here):
            return f(a) + slope(a) * (x - a) - bend / 2 * (x - a) ** 2

        line = style.line(k)
        color = line["color"]
        axes.plot(x, below(x), linewidth=1.8, **line)
        axes.plot([here], [f(here)], "o", color=color, markersize=8, zorder=4)
        rise = [below(there), f(there)]
        axes.plot([there, there], rise, "-", color=color, linewidth=1.3)
        axes.plot([there], rise[:1], "^", color=color, zorder=4)
        words = dict(color=style.ink(color), fontsize=13)
        axes.text(here + 0.05, f(here) + 0.03, f"$x_{k}$", **words)
        foot = there - np.sqrt((rise[0] + 0.06) * 2 / bend)  # where it is at -0.06
        axes.text(foot - 0.03, -0.06, f"$m_{k}$", ha="right", **words)
    axes.set(xlabel="x", ylabel="f and its minorizers", xlim=(-0.6, 2.1))
    axes.set_ylim(-0.1, 1.06)
    return figure


minorizers = Picture(
    draw_minorizers,
    "The bell curve f with three parabolas under it. Each touches f at one point, and "
    "its top lies under the next, higher on the bell.",
)


def draw_sampled_max(steps, seen):
    """The sampled maximum as a share of the true one, over the samples -> Figure.

    steps : [K] numbers of sampled steps; seen : [K, repetitions].
    """
    figure, axes = plots.figure(size=(6.6, 3.5))
    low, high = np.percentile(seen, (5, 95), axis=1)
    band = dict(color=style.BLUE, alpha=0.2, linewidth=0)
    axes.fill_between(steps, low, high, label="90 % of the learners", **band)
    axes.plot(steps, np.mean(seen, 1), marker="o", label="mean", **style.line(0))
    axes.axhline(1, color=style.INK, linestyle="--", linewidth=1.5)
    axes.text(steps[0], 1.02, "the true maximum", va="bottom")
    axes.set(
        xscale="log",
        ylim=(0, 1.15),
        xlabel="steps of each learner",
        ylabel="sampled max KL ÷ true max KL",
    )
    axes.legend(loc="center left")
    return figure


sampled_max = Picture(
    draw_sampled_max,
    "The mean of the sampled maximum, as a share of the true one, rises from near 0 at "
    "ten steps to about 0.2 at a thousand and 0.8 at ten thousand. It never lies above "
    "1; the band of 90 % of the learners reaches from a fifth to 1 at the end.",
)


def draw_climb(runs, optimum):
    """J over iterations, one line per method; `optimum` dashed -> Figure.

    runs : {label: J [K + 1]}
    """
    figure, axes = plots.figure(size=(6.8, 3.7))
    last = max(len(J) for J in runs.values()) - 1
    for i, (label, J) in enumerate(runs.items()):
        dots = {"marker": "o"} if len(J) < 10 else {}
        J = np.append(J, [J[-1]] * (last + 1 - len(J)))
        axes.plot(J, label=label, **style.line(i), **dots, markevery=slice(0, 3))
    axes.axhline(optimum, color=style.GREY, linestyle="--", linewidth=1.5, zorder=1)
    axes.text(last, optimum, "optimum ", ha="right", va="bottom")
    low, high = axes.get_ylim()
    axes.set(
        xlabel="iteration k",
        ylabel="discounted return J",
        xlim=(0, last),
        ylim=(low, high + 0.12 * (high - low)),
    )
    axes.legend(loc="center right", bbox_to_anchor=(1, 0.62))
    return figure


climb = Picture(
    draw_climb,
    "J over 40 iterations. Policy iteration jumps to the optimum in two steps. MM with "
    "half the constant rises steadily, more than half of the way, and MM with the full "
    "constant a little over a third.",
)

# --- widgets


def draw_divergences(p):
    """KL in both directions and its floor 2 TV^2, over the second policy -> Figure."""
    q = np.linspace(0.004, 0.996, 249)
    old, new = np.array([1 - p, p]), np.stack([1 - q, q], -1)
    figure, axes = plots.figure(size=(6.6, 3.6))
    axes.plot(q, bound.kl(old, new), label="KL(p ‖ q)", **style.line(0))
    axes.plot(q, bound.kl(new, old), label="KL(q ‖ p)", **style.line(1))
    floor = 2 * bound.total_variation(old, new) ** 2
    axes.plot(q, floor, label="2 TV²", **style.line(3))
    axes.plot([p], [0], "o", color=style.INK, markersize=8, clip_on=False, zorder=4)
    axes.text(p, 0.09, "q = p", ha="center")
    axes.set(
        xlabel="q, probability of the second action under the new policy",
        ylabel="divergence (nats)",
        xlim=(0, 1),
        ylim=(0, 2.2),
    )
    axes.legend(loc="upper center")
    return figure


def divergences_words(p):
    """What `draw_divergences` shows, in words."""
    old, new = np.array([1 - p, p]), np.array([0.5, 0.5])
    there, back = number(bound.kl(old, new), ".2f"), number(bound.kl(new, old), ".2f")
    return (
        f"Over q, both KLs touch zero at q = p = {p:.2f} and curve upwards; at q = 0.5 "
        f"KL(p, q) is {there} and KL(q, p) is {back}. Only KL(p, q) shoots up at both "
        "ends. The parabola 2 TV squared stays below both."
    )


divergences = Widget(
    draw_divergences,
    divergences_words,
    {"p": Slider("old probability p", 0.05, 0.95, 0.05, 0.1)},
)


BOUNDS = 8, 2  # how many bounds the two panels show


@cache
def _stairs_figure():
    """(figure, lines of both panels by name): built once, as that takes longest."""
    figure, panels = plots.figure(1, 2, (8.0, 3.6))
    parts = []
    for axes, shown in zip(panels, BOUNDS, strict=True):
        thick = dict(color=style.INK, linestyle="-", linewidth=2.6)
        part = {"J": axes.plot([], [], label="J(p)", **thick)[0]}
        for k in range(shown):
            line = style.line(k % 2)  # the legend names these two
            label = f"bound at p{'₀₁₂₃₄₅₆₇'[k]}"
            part["M", k] = axes.plot([], [], linewidth=1.5, label=label, **line)[0]
            look = dict(color=line["color"])
            part["rise", k] = axes.plot([], [], linewidth=1.5, **look)[0]
            if axes is panels[1]:
                part["top", k] = axes.plot([], [], "^", zorder=4, **look)[0]
        dots = dict(color=style.INK, markersize=5, zorder=4)
        part["dots"] = axes.plot([], [], "o", **dots)[0]
        axes.set_xlabel("p = Pr(fast)")
        parts.append(part)
    whole, zoom = panels
    whole.set(ylabel="discounted return J", title="J and its lower bounds")
    thin = dict(color=style.INK, linestyle="-", linewidth=0.9)
    parts[0]["box"] = whole.plot([], [], **thin)[0]
    zoom.set_title("zoom on two steps (box)")
    zoom.locator_params(axis="x", nbins=4)
    zoom.locator_params(axis="y", nbins=5)
    zoom.legend(loc="lower right", fontsize=11)
    return figure, parts


def draw_staircase(gamma):
    """J(p), the bounds that touch it, a zoom on two steps -> the one, moved, Figure."""
    points, J_at = staircase(gamma)
    figure, parts = _stairs_figure()
    whole, zoom = figure.axes
    first = points[1] - points[0]
    low, high = points[0] - 0.5 * first, points[2] + 0.5 * first
    windows = (0.0, 1.0, 81), (low, high, 41)
    for part, shown, window in zip(parts, BOUNDS, windows, strict=True):
        p, J = truth(gamma, *window)
        part["J"].set_data(p, J)
        near = p[(p > 0) & (p < 1)]
        for k in range(shown):
            there = points[k + 1]
            M, *_ = bound_on_road_and_ice(np.append(near, there), points[k], gamma)
            M += J_at[k]
            part["M", k].set_data(near, M[:-1])
            part["rise", k].set_data([there, there], [M[-1], J_at[k + 1]])
            if part is parts[1]:
                part["top", k].set_data([there], M[-1:])
        part["dots"].set_data(points, J_at)
    peak = truth(gamma)[1].max()
    whole.set(xlim=(0, 1), ylim=(-0.3 * peak, 1.12 * peak))
    rise = J_at[2] - J_at[0]
    bottom, top = J_at[0] - 1.7 * rise, J_at[2] + 0.3 * rise
    zoom.set(xlim=(low, high), ylim=(bottom, top))
    corners = [low, high, high, low, low], [bottom, bottom, top, top, bottom]
    parts[0]["box"].set_data(*corners)
    return figure


def stairs_words(gamma):
    """What `draw_staircase` shows, in words."""
    points, J_at = staircase(gamma)
    return (
        "Left: the curve J(p) with eight lower bounds that each touch it at one dot "
        f"and whose peaks give the next dot, from p = {points[0]:.2f} to "
        f"{points[8]:.2f}; J climbs from {number(J_at[0], '.2f')} to "
        f"{number(J_at[8], '.2f')}. Right: the first two bounds, enlarged; a vertical "
        "line joins each bound's peak to the curve above it."
    )


stairs = Widget(
    draw_staircase, stairs_words, {"gamma": Slider("discount γ", 0.3, 0.9, 0.05, 0.5)}
)

# --- exercises


def max_kl_stub(log_old, log_new):
    """The largest KL(old || new) over the states.

    log_old, log_new : [S, A], the logarithms of the two policies.
    """
    terms = ...  # your line: the terms of the sum, [S, A]
    return np.max(np.sum(terms, axis=1))


def max_kl_reference(log_old, log_new):
    """The largest KL(old || new) over the states."""
    terms = np.exp(log_old) * (log_old - log_new)
    return np.max(np.sum(terms, axis=1))


def kl_weighted_by_new(log_old, log_new):
    return np.max(np.sum(np.exp(log_new) * (log_old - log_new), axis=1))


def kl_of_turned_ratio(log_old, log_new):
    return np.max(np.sum(np.exp(log_old) * (log_new - log_old), axis=1))


def kl_reversed(log_old, log_new):
    return np.max(np.sum(np.exp(log_new) * (log_new - log_old), axis=1))


def kl_without_weights(log_old, log_new):
    return np.max(np.sum(log_old - log_new, axis=1))


def kl_weighted_by_logs(log_old, log_new):
    return np.max(np.sum(log_old * (log_old - log_new), axis=1))


def kl_of_divided_logs(log_old, log_new):
    return np.max(np.sum(np.exp(log_old) * (log_old / log_new), axis=1))


def kl_of_ratios(log_old, log_new):
    return np.max(np.sum(np.exp(log_old) * np.exp(log_old - log_new), axis=1))


def kl_of_absolute_terms(log_old, log_new):
    return np.max(np.sum(np.abs(np.exp(log_old) * (log_old - log_new)), axis=1))


def kl_summed_over_states(log_old, log_new):
    return np.sum(np.exp(log_old) * (log_old - log_new))


def kl_averaged_over_states(log_old, log_new):
    return np.mean(np.sum(np.exp(log_old) * (log_old - log_new), axis=1))


def kl_summed_over_states_of_actions(log_old, log_new):
    return np.max(np.sum(np.exp(log_old) * (log_old - log_new), axis=0))


def policy_pairs(rng):
    shapes = (4, 3), (3, 5), (6, 4), (5, 2)
    return [tuple(np.log(rng.dirichlet(np.ones(a), (2, s)))) for s, a in shapes]


def a_divergence(arguments, result):
    if not np.all(np.asarray(result) >= 0):
        return "a KL is never negative."


max_kl = Exercise(
    name="max_kl",
    minutes=4,
    difficulty=1,
    stub=max_kl_stub,
    reference=max_kl_reference,
    mistakes={
        "the terms are weighted by the new policy: the mean is over the old one's "
        "actions": kl_weighted_by_new,
        "the ratio is upside down: old over new": kl_of_turned_ratio,
        "this is KL(new || old): the old policy comes first": kl_reversed,
        "the weight in front of the logarithm is missing: each term counts as often "
        "as the old policy takes that action": kl_without_weights,
        "the weight is the logarithm of the probability: exp is missing": (
            kl_weighted_by_logs
        ),
        "the logarithms are divided: the logarithm of a ratio is a difference": (
            kl_of_divided_logs
        ),
        "this averages the ratio: KL averages its logarithm": kl_of_ratios,
        "the terms lost their signs: KL has negative terms and is >= 0 all the same": (
            kl_of_absolute_terms
        ),
        "the KLs of all states are added up: take the largest": kl_summed_over_states,
        "this is the plain mean over states: take the largest": kl_averaged_over_states,
        "the sum runs over the states: one KL is a sum over actions": (
            kl_summed_over_states_of_actions
        ),
    },
    hints=(
        "Write the lecture's formula for one state: p is the old row, q the new one.",
        "Each term is p_i log(p_i / q_i). Which of the two factors are you given?",
        "log(p / q) is log p - log q, and p is exp(log p). NumPy does whole tables.",
    ),
    cases=policy_pairs,
    invariants=(a_divergence,),
)


def lower_bound_stub(mdp, pi_old, pi):
    """M = L - C max_s KL for the policy pi [S, A] seen from pi_old [S, A].

    evaluate(mdp, policy) has .visitation [S] and .advantage [S, A].
    """
    # 1. L
    # 2. epsilon, the size of the largest advantage, and C
    # 3. the largest KL over the states
    ...


def lower_bound_reference(mdp, pi_old, pi):
    """M = L - C max_s KL for the policy pi [S, A] seen from pi_old [S, A]."""
    old = evaluate(mdp, pi_old)
    L = np.sum(old.visitation * np.sum(pi * old.advantage, axis=1))
    C = 4 * np.abs(old.advantage).max() * mdp.gamma / (1 - mdp.gamma) ** 2
    return L - C * np.max(np.sum(pi_old * np.log(pi_old / pi), axis=1))


def _parts(mdp, pi_old, pi):
    """(L, A of the old policy [S, A], 1 - gamma, gamma, KL of each state [S])."""
    old = evaluate(mdp, pi_old)
    L = old.visitation @ (pi * old.advantage).sum(1)
    return L, old.advantage, 1 - mdp.gamma, mdp.gamma, bound.kl(pi_old, pi)


def bound_with_plus(mdp, pi_old, pi):
    L, A, left, gamma, kl = _parts(mdp, pi_old, pi)
    return L + 4 * np.abs(A).max() * gamma / left**2 * kl.max()


def bound_of_largest_advantage(mdp, pi_old, pi):
    L, A, left, gamma, kl = _parts(mdp, pi_old, pi)
    return L - 4 * A.max() * gamma / left**2 * kl.max()


def bound_of_smallest_advantage(mdp, pi_old, pi):
    L, A, left, gamma, kl = _parts(mdp, pi_old, pi)
    return L - 4 * A.min() * gamma / left**2 * kl.max()


def bound_of_mean_advantage(mdp, pi_old, pi):
    L, A, left, gamma, kl = _parts(mdp, pi_old, pi)
    return L - 4 * np.abs(A).mean() * gamma / left**2 * kl.max()


def bound_with_mean_kl(mdp, pi_old, pi):
    L, A, left, gamma, kl = _parts(mdp, pi_old, pi)
    return L - 4 * np.abs(A).max() * gamma / left**2 * kl.mean()


def bound_with_summed_kl(mdp, pi_old, pi):
    L, A, left, gamma, kl = _parts(mdp, pi_old, pi)
    return L - 4 * np.abs(A).max() * gamma / left**2 * kl.sum()


def bound_with_reversed_kl(mdp, pi_old, pi):
    L, A, left, gamma, _ = _parts(mdp, pi_old, pi)
    return L - 4 * np.abs(A).max() * gamma / left**2 * bound.kl(pi, pi_old).max()


def bound_with_one_horizon(mdp, pi_old, pi):
    L, A, left, gamma, kl = _parts(mdp, pi_old, pi)
    return L - 4 * np.abs(A).max() * gamma / left * kl.max()


def bound_with_gamma_squared(mdp, pi_old, pi):
    L, A, _, gamma, kl = _parts(mdp, pi_old, pi)
    return L - 4 * np.abs(A).max() * gamma / (1 - gamma**2) * kl.max()


def bound_without_gamma(mdp, pi_old, pi):
    L, A, left, _, kl = _parts(mdp, pi_old, pi)
    return L - 4 * np.abs(A).max() / left**2 * kl.max()


def bound_with_pinsker(mdp, pi_old, pi):
    L, A, left, gamma, kl = _parts(mdp, pi_old, pi)
    return L - 2 * np.abs(A).max() * gamma / left**2 * kl.max()


def bound_of_improvement(mdp, pi_old, pi):
    _, A, left, gamma, kl = _parts(mdp, pi_old, pi)
    eta = evaluate(mdp, pi).performance - evaluate(mdp, pi_old).performance
    return eta - 4 * np.abs(A).max() * gamma / left**2 * kl.max()


def bound_with_normalised_visits(mdp, pi_old, pi):
    L, A, left, gamma, kl = _parts(mdp, pi_old, pi)
    return left * L - 4 * np.abs(A).max() * gamma / left**2 * kl.max()


def bound_cases(rng):
    cases = []
    for n_states, n_actions, gamma in ((4, 3, 0.9), (3, 5, 0.6), (6, 4, 0.8)):
        mdp = random_mdp(rng, n_states, n_actions, gamma)
        pi_old, other = (random_policy(rng, n_states, n_actions) for _ in range(2))
        pi_old = 0.8 * pi_old + 0.2 / n_actions
        pi = 0.9 * pi_old + 0.1 * other
        A = evaluate(mdp, pi_old).advantage
        if A.max() > -A.min():  # with the rewards turned the largest |A| is negative
            mdp = TabularMDP(mdp.P, -mdp.R, gamma, mdp.start)
        turned = TabularMDP(mdp.P, -mdp.R, gamma, mdp.start)
        cases += [(mdp, pi_old, pi), (turned, pi_old, pi)]
    return cases


lower_bound = Exercise(
    name="lower_bound",
    minutes=8,
    difficulty=2,
    stub=lower_bound_stub,
    reference=lower_bound_reference,
    mistakes={
        "plus C max KL is the upper bound, the slip on one slide: the minorizer has "
        "a minus": bound_with_plus,
        "epsilon is the largest |A|, and the largest in size may be negative": (
            bound_of_largest_advantage
        ),
        "epsilon is the largest |A|, not the smallest A": bound_of_smallest_advantage,
        "epsilon is the largest |A|, not its mean": bound_of_mean_advantage,
        "the KL is averaged over states: this bound takes the largest": (
            bound_with_mean_kl
        ),
        "the KLs of all states are added up: this bound takes the largest": (
            bound_with_summed_kl
        ),
        "the KL is the wrong way round: the old policy comes first": (
            bound_with_reversed_kl
        ),
        "the horizon 1/(1 - gamma) enters squared: once for the visits, once for how "
        "their change adds up": bound_with_one_horizon,
        "(1 - gamma)**2 is meant, not 1 - gamma**2": bound_with_gamma_squared,
        "the factor gamma is missing: at gamma = 0 nothing is to be paid": (
            bound_without_gamma
        ),
        "2 in place of 4 is the sharper constant by Pinsker, also true: this exercise "
        "asks for the paper's 4": bound_with_pinsker,
        "this starts from the true improvement: M starts from L": bound_of_improvement,
        "the visitation is normalised: a factor 1 - gamma too many in L": (
            bound_with_normalised_visits
        ),
    },
    hints=(
        "Two numbers of the old policy, epsilon and C; two of the pair, L and max KL.",
        "C = 4 epsilon gamma / (1 - gamma)^2. Mind the square and what it is on.",
        "With old = evaluate(mdp, pi_old): L is page 03's, epsilon is "
        "np.abs(old.advantage).max(), and the KL of a state is the sum of "
        "pi_old * log(pi_old / pi) over its actions.",
    ),
    cases=bound_cases,
)


def mm_step_stub(p_old, A, penalty):
    """The pi [A] with the largest pi @ A - penalty * KL(p_old, pi).

    One state: p_old [A], all above 0, and A [A], the advantages.
    """
    ...  # your code


def mm_step_reference(p_old, A, penalty):
    """The pi [A] with the largest pi @ A - penalty * KL(p_old, pi)."""
    # at the top every action has one slope:  A + penalty * p_old / pi = price
    low, high = A.max(), A.max() + penalty
    for _ in range(100):
        price = (low + high) / 2
        pi = penalty * p_old / (price - A)
        if pi.sum() > 1:  # too much in all: each must cost more
            low = price
        else:
            high = price
    return pi


def normalised(weights):
    return weights / weights.sum()


def gradient_step(p_old, A, penalty):
    return p_old + (A - A.mean()) / penalty


def small_step_formula(p_old, A, penalty):
    return p_old * (1 + (A - p_old @ A) / penalty)


def reverse_kl_step(p_old, A, penalty):
    return normalised(p_old * np.exp((A - A.max()) / penalty))


def downhill_step(p_old, A, penalty):
    return mm_step_reference(p_old, -A, penalty)


def greedy_step(p_old, A, penalty):
    return np.eye(len(A))[np.argmax(A)]


def no_search(p_old, A, penalty):
    return normalised(p_old / (A.max() + penalty - A))


def at_the_upper_end(p_old, A, penalty):
    return penalty * p_old / (A.max() + penalty - A)


def penalty_for_price(p_old, A, penalty):
    return normalised(p_old / (penalty - A))


def wrong_half(p_old, A, penalty):
    low, high = A.max(), A.max() + penalty
    for _ in range(100):
        price = (low + high) / 2
        if np.sum(penalty * p_old / (price - A)) > 1:
            high = price
        else:
            low = price
    return penalty * p_old / (price - A)


def step_cases(rng):
    drawn = [
        (0.9 * rng.dirichlet(np.ones(n)) + 0.1 / n, rng.normal(size=n), penalty)
        for n, penalty in ((4, 0.4), (6, 2.0), (3, 9.0))
    ]
    return [
        (np.array([0.85, 0.15]), np.array([-0.26, 1.46]), 6.71),
        (np.array([0.6, 0.3, 0.1]), np.array([-0.5, 0.5, 1.5]), 1.0),
        (np.array([0.2, 0.5, 0.3]), np.array([-7.0, -9.0, -8.0]), 2.0),
        (np.array([0.1, 0.2, 0.7]), np.array([52.0, 51.0, 50.0]), 0.5),
        (np.array([0.3, 0.4, 0.3]), np.zeros(3), 4.0),
        *drawn,
    ]


def probabilities(arguments, result):
    if not (np.asarray(result) > 0).all():
        return "every probability must stay above 0: KL is infinite where it isn't"
    if abs(np.sum(result) - 1) > 1e-3:
        return f"the probabilities sum to {np.sum(result):.4g}, not to 1"


def not_below_the_old(arguments, result):
    p_old, A, penalty = arguments
    M = (result - p_old) @ A - penalty * bound.kl(p_old, normalised(result))
    if M < -1e-6:
        return "it is lower there than at p_old itself: that isn't the maximum"


mm_step = Exercise(
    name="mm_step",
    minutes=12,
    difficulty=3,
    stub=mm_step_stub,
    reference=mm_step_reference,
    mistakes={
        "this is a gradient step in the probabilities: it can leave the simplex, and "
        "KL isn't the squared distance": gradient_step,
        "this is the formula for tiny steps: solve for pi without approximating KL": (
            small_step_formula
        ),
        "this maximises with KL(pi, p_old), new first: the lecture has the old one "
        "first": reverse_kl_step,
        "the step goes downhill: better actions must become likelier": downhill_step,
        "this is greedy: where a probability is 0 the KL is infinite": greedy_step,
        "the shape is right and nothing was searched: divided by its sum, this is the "
        "best pi for another penalty": no_search,
        "the price still stands at its upper end: lower it until the probabilities "
        "sum to 1": at_the_upper_end,
        "the price is not the penalty: it is the number that makes the sum 1": (
            penalty_for_price
        ),
        "the wrong half is kept: where the sum is above 1 the price must rise": (
            wrong_half
        ),
    },
    hints=(
        "Raise pi(a) a little: what does the objective gain? At the maximum all "
        "actions gain the same, or one could lend to another. Call this the price.",
        "A(a) + penalty p_old(a) / pi(a) = price, so "
        "pi(a) = penalty p_old(a) / (price - A(a)). Which price makes the sum 1?",
        "The sum falls as the price rises. At max A it is infinite, at max A + penalty "
        "it is at most 1.",
        "Bisection: halve between those two ends 100 times; where the sum is above 1, "
        "the middle becomes the lower end.",
    ),
    cases=step_cases,
    invariants=(probabilities, not_below_the_old),
    tolerance=1e-4,
)

pictures = (pinsker, minorizers, sampled_max, climb)
widgets = (divergences, stairs)
exercises = (max_kl, lower_bound, mm_step)
progress = Progress(exercises)
