"""Notebook 04: KL and TV, the lower bound on many pairs, and the MM staircase."""

from functools import cache, lru_cache

import numpy as np

from trpo_lite import bound, style
from trpo_lite.course.engine import Exercise, Progress
from trpo_lite.course.widgets import Slider, Widget
from trpo_lite.mdp import evaluate, road_and_ice, shared_policy

# the three exercises


def max_kl_stub(old, new):
    """The largest KL(old || new) over the states, from two [S, A]."""
    terms = ...  # your line: the terms of the sum, [S, A]
    return terms.sum(-1).max()


def max_kl_reference(old, new):
    """The largest KL(old || new) over the states, from two [S, A]."""
    terms = old * np.log(old / new)
    return terms.sum(-1).max()


def kl_weighted_by_new(old, new):
    return (new * np.log(old / new)).sum(-1).max()


def kl_of_turned_ratio(old, new):
    return (old * np.log(new / old)).sum(-1).max()


def kl_without_weights(old, new):
    return np.log(old / new).sum(-1).max()


def kl_in_bits(old, new):
    return (old * np.log2(old / new)).sum(-1).max()


def kl_summed_over_states(old, new):
    return (old * np.log(old / new)).sum()


def kl_averaged_over_states(old, new):
    return (old * np.log(old / new)).sum(-1).mean()


def kl_of_absolute_terms(old, new):
    return np.abs(old * np.log(old / new)).sum(-1).max()


def policy_pairs(rng):
    shapes = (2, 3), (4, 2), (6, 3), (5, 4)
    return [tuple(rng.dirichlet(np.ones(a), (2, s))) for s, a in shapes]


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
        "the weight in front of the logarithm is missing: each term counts as often "
        "as the old policy takes that action": kl_without_weights,
        "this is in bits: the lecture's log is the natural one": kl_in_bits,
        "the KLs of all states are added up: take the largest": kl_summed_over_states,
        "this is the plain mean over states: take the largest": kl_averaged_over_states,
        "the terms lost their signs: KL has negative terms and is >= 0 all the same": (
            kl_of_absolute_terms
        ),
    },
    hints=(
        "Write the lecture's formula for one state: p is the old row, q the new one.",
        "Each term is p_i log(p_i / q_i): a weight times the log of a ratio.",
        "NumPy works on whole tables: old * np.log(old / new) is [S, A] at once.",
    ),
    cases=policy_pairs,
    invariants=(a_divergence,),
)


def lower_bound_stub(surrogate, divergence, advantage, gamma):
    """M = L - C max_s KL; divergence [S] has KLs, advantage [S, A]."""
    # 1. epsilon, the size of the largest advantage
    # 2. C, the lecture's constant
    # 3. M
    ...


def lower_bound_reference(surrogate, divergence, advantage, gamma):
    """M = L - C max_s KL; divergence [S] has KLs, advantage [S, A]."""
    epsilon = np.abs(advantage).max()
    C = 4 * epsilon * gamma / (1 - gamma) ** 2
    return surrogate - C * np.max(divergence)


def bound_with_plus(surrogate, divergence, advantage, gamma):
    C = 4 * np.abs(advantage).max() * gamma / (1 - gamma) ** 2
    return surrogate + C * np.max(divergence)


def bound_without_absolute(surrogate, divergence, advantage, gamma):
    C = 4 * advantage.max() * gamma / (1 - gamma) ** 2
    return surrogate - C * np.max(divergence)


def bound_with_mean_kl(surrogate, divergence, advantage, gamma):
    C = 4 * np.abs(advantage).max() * gamma / (1 - gamma) ** 2
    return surrogate - C * np.mean(divergence)


def bound_with_summed_kl(surrogate, divergence, advantage, gamma):
    C = 4 * np.abs(advantage).max() * gamma / (1 - gamma) ** 2
    return surrogate - C * np.sum(divergence)


def bound_with_one_horizon(surrogate, divergence, advantage, gamma):
    C = 4 * np.abs(advantage).max() * gamma / (1 - gamma)
    return surrogate - C * np.max(divergence)


def bound_with_gamma_squared(surrogate, divergence, advantage, gamma):
    C = 4 * np.abs(advantage).max() * gamma / (1 - gamma**2)
    return surrogate - C * np.max(divergence)


def bound_without_gamma(surrogate, divergence, advantage, gamma):
    C = 4 * np.abs(advantage).max() / (1 - gamma) ** 2
    return surrogate - C * np.max(divergence)


def bound_with_pinsker(surrogate, divergence, advantage, gamma):
    C = 2 * np.abs(advantage).max() * gamma / (1 - gamma) ** 2
    return surrogate - C * np.max(divergence)


def bound_cases(rng):
    cases = []
    for n_states, gamma in ((2, 0.5), (4, 0.9), (6, 0.7), (3, 0.95)):
        advantage = rng.normal(size=(n_states, 3))
        advantage[0, 0] = -3.5  # the largest in size is negative
        divergence = rng.uniform(0, 0.1, n_states)
        cases.append((float(rng.normal()), divergence, advantage, gamma))
    return cases


lower_bound = Exercise(
    name="lower_bound",
    minutes=6,
    difficulty=2,
    stub=lower_bound_stub,
    reference=lower_bound_reference,
    mistakes={
        "plus C max KL is the upper bound, the slip on one slide: the minorizer has "
        "a minus": bound_with_plus,
        "epsilon is the largest |A|: here the largest in size is negative": (
            bound_without_absolute
        ),
        "the KL is averaged over states: this bound takes the largest": (
            bound_with_mean_kl
        ),
        "the KLs of all states are added up: this bound takes the largest": (
            bound_with_summed_kl
        ),
        "the horizon 1/(1 - gamma) enters squared: once for the visits, once for how "
        "their change adds up": bound_with_one_horizon,
        "(1 - gamma)**2 is meant, not 1 - gamma**2": bound_with_gamma_squared,
        "the factor gamma is missing: at gamma = 0 nothing is to be paid": (
            bound_without_gamma
        ),
        "2 in place of 4 is the sharper constant by Pinsker, also true: this exercise "
        "asks for the lecture's 4": bound_with_pinsker,
    },
    hints=(
        "epsilon is one number: the largest |A_old(s, a)| over all states and actions.",
        "C = 4 epsilon gamma / (1 - gamma)^2. Mind the square and what it is on.",
        "np.abs(advantage).max() is epsilon; the last line is surrogate - C * the "
        "largest entry of divergence.",
    ),
    cases=bound_cases,
)


def mm_step_stub(p, slope, penalty):
    """The q with the largest slope * (q - p) - penalty * KL(p || q)."""
    ...  # your code


def mm_step_reference(p, slope, penalty):
    """The q with the largest slope * (q - p) - penalty * KL(p || q)."""
    # derivative 0:  slope + penalty * (p / q - (1 - p) / (1 - q)) = 0,
    # times q (1 - q):  slope * q**2 + (penalty - slope) * q - penalty * p = 0
    b = penalty - slope
    return 2 * penalty * p / (b + np.sqrt(b**2 + 4 * slope * penalty * p))


def gradient_step(p, slope, penalty):
    return p + slope / penalty


def small_step_formula(p, slope, penalty):
    return p + slope / penalty * p * (1 - p)


def reverse_kl_step(p, slope, penalty):
    odds = p / (1 - p) * np.exp(slope / penalty)
    return odds / (1 + odds)


def downhill_step(p, slope, penalty):
    return mm_step_reference(p, -slope, penalty)


def greedy_step(p, slope, penalty):
    return float(slope > 0)


def step_cases(rng):
    return [
        (0.1, 1.72, 6.71),
        (0.5, -2.0, 3.0),
        (0.8, 4.0, 9.0),
        (0.3, 5.0, 2.0),
        (0.6, 0.0, 4.0),
    ]


def inside(arguments, result):
    if not 0 < np.asarray(result) < 1:
        return "q must stay between 0 and 1, where the KL is finite."


def not_below_zero(arguments, result):
    p, slope, penalty = arguments
    M = slope * (result - p) - penalty * bound.kl([1 - p, p], [1 - result, result])
    if M < -1e-9:
        return "M is below 0 there, and it is 0 at q = p: that isn't its maximum."


mm_step = Exercise(
    name="mm_step",
    minutes=10,
    difficulty=3,
    stub=mm_step_stub,
    reference=mm_step_reference,
    mistakes={
        "this is a gradient step, p + slope / penalty: it can leave (0, 1), and KL "
        "isn't the squared distance": gradient_step,
        "this is the formula for tiny steps: solve for q without approximating KL": (
            small_step_formula
        ),
        "this maximises with KL(q || p), new first: the lecture has the old one first, "
        "KL(p || q)": reverse_kl_step,
        "the step goes downhill: with a positive slope q is above p": downhill_step,
        "this is greedy: at q = 0 or 1 the KL is infinite": greedy_step,
    },
    hints=(
        "The objective is concave in q: set its derivative to zero. What is the "
        "derivative of KL(p || q) with respect to q?",
        "That derivative is (1 - p) / (1 - q) - p / q. Multiply the equation by "
        "q (1 - q): what kind of equation in q is left?",
        "slope q^2 + (penalty - slope) q - penalty p = 0. Take the root in (0, 1), "
        "written so that slope = 0 divides by nothing: 2 penalty p / (b + sqrt(...)), "
        "b = penalty - slope. A fine grid or bisection is accepted too.",
    ),
    cases=step_cases,
    invariants=(inside, not_below_zero),
    tolerance=5e-4,  # lets the page's grid of 10,000 steps pass
)

exercises = (max_kl, lower_bound, mm_step)
progress = Progress(exercises)


# KL and TV


def draw_divergences(p):
    """KL in both directions and its floor 2 TV^2, over the second policy -> Figure."""
    q = np.linspace(0.004, 0.996, 249)
    old, new = np.array([1 - p, p]), np.stack([1 - q, q], -1)
    figure, axes = _figure(6.6, 3.6)
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


divergences = Widget(
    draw_divergences,
    "Over q, both KLs touch zero at q = p and curve upwards at different rates; only "
    "KL(p, q) shoots up at both ends. The parabola 2 TV squared stays below both.",
    {"p": Slider("old probability p", 0.05, 0.95, 0.05, 0.1)},
)


def draw_pinsker(distance, divergence):
    """Pairs as dots, TV across and KL up, above the curve KL = 2 TV^2 -> Figure."""
    figure, axes = _figure(6.6, 3.7)
    x = np.linspace(0, 1, 101)
    axes.plot(distance, divergence, ".", color=style.BLUE, markersize=3)
    axes.plot(x, 2 * x**2, color=style.RED, label="KL = 2 TV² (Pinsker)")
    axes.plot(x, x**2, color=style.VIOLET, linestyle="--", label="KL = TV² (the proof)")
    axes.set(
        xlabel="total variation TV",
        ylabel="KL (nats)",
        xlim=(0, 1),
        ylim=(0, 3.2),
    )
    axes.legend(loc="upper left")
    return figure


# MM in one dimension


def draw_minorizers(f, path, minorizers):
    """f, the points of an MM run, and the minorizer at each -> Figure.

    path : [K + 1] points; minorizers : K functions, the k-th touching f at path[k].
    """
    x = np.linspace(-0.6, 2.1, 271)
    figure, axes = _figure(6.8, 3.6)
    axes.plot(x, f(x), color=style.INK, linewidth=2.6)
    axes.text(-0.58, 0.94, "f(x)", color=style.INK)
    for k, minorizer in enumerate(minorizers):
        here, there = path[k], path[k + 1]
        line = style.line(k)
        axes.plot(x, minorizer(x), linewidth=1.8, **line)
        axes.plot([here], [f(here)], "o", color=line["color"], markersize=8, zorder=4)
        rise = [minorizer(there), f(there)]
        axes.plot([there, there], rise, color=line["color"], linewidth=1.3)
        axes.plot([there], rise[:1], "^", color=line["color"], zorder=4)
        axes.text(
            here + 0.05, f(here) + 0.03, f"$x_{k}$", color=line["color"], fontsize=13
        )
    axes.set(xlabel="x", ylabel="f and its minorizers", xlim=(-0.6, 2.1))
    axes.set_ylim(-0.1, 1.06)
    return figure


# how loose the bounds are


def draw_looseness(ratios):
    """How often each ratio of penalty to true gap occurs, on a log axis -> Figure.

    ratios : {name of the bound: [N]}
    """
    edges = np.geomspace(10, 1e7, 61)
    figure, axes = _figure(6.8, 3.7)
    for i, (name, ratio) in enumerate(ratios.items()):
        line = style.line(i)
        height, _ = np.histogram(np.clip(ratio, edges[0], edges[-1]), edges)
        axes.stairs(height, edges, fill=True, color=line["color"], alpha=0.2)
        label = f"{name}, median {np.median(ratio):,.0f}"
        axes.stairs(height, edges, label=label, linewidth=1.8, **line)
    axes.set(
        xscale="log",
        xlabel="penalty ÷ true gap |η − L| (times too large)",
        ylabel="pairs (of 10,000)",
        xlim=(edges[0], edges[-1]),
    )
    axes.set_ylim(0, 1.35 * axes.get_ylim()[1])
    axes.legend(loc="upper right")
    return figure


# the staircase on road and ice


def bound_on_road_and_ice(p, p_k, gamma):
    """M at each p [N] for the bound that touches J at p_k, C and dL/dp there."""
    old = evaluate(road_and_ice(gamma), shared_policy(p_k))
    C = bound.penalty_constant(old, gamma)
    slope = float(old.visitation @ (old.advantage[:, 1] - old.advantage[:, 0]))
    new = np.stack([1 - p, p], -1)
    return slope * (p - p_k) - C * bound.kl(old.pi[0], new), C, slope


@lru_cache(maxsize=256)
def staircase(gamma, p_0=0.1, steps=8):
    """The points p_0, p_1, ... of the exact MM run on road_and_ice, and J at each."""
    points, mdp = [p_0], road_and_ice(gamma)
    for _ in range(steps):
        p = points[-1]
        _, C, slope = bound_on_road_and_ice(np.array([p]), p, gamma)
        points.append(float(mm_step_reference(p, slope, C)))
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


BOUNDS = 8, 2  # how many bounds the two panels show


@cache
def _stairs_figure():
    """(figure, lines of both panels by name): built once, as that takes longest."""
    figure, panels = _figure(8.0, 3.6, columns=2)
    parts = []
    for axes, shown in zip(panels, BOUNDS, strict=True):
        thick = dict(color=style.INK, linestyle="-", linewidth=2.6)
        part = {"J": axes.plot([], [], label="J(p)", **thick)[0]}
        for k in range(shown):
            line = style.line(k % 3)
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
    zoom.set_title("zoom on two steps")
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


stairs = Widget(
    draw_staircase,
    "Left: the curve J(p) with eight lower bounds that each touch it at one dot and "
    "whose peaks give the next dot, climbing like stairs. Right: the first two, "
    "enlarged; a vertical line joins each bound's peak to the curve above it.",
    {"gamma": Slider("discount γ", 0.3, 0.9, 0.05, 0.5)},
)

widgets = (divergences, stairs)


# MM on a whole table, and a maximum over sampled states


def draw_climb(runs, optimum):
    """J over iterations, one line per method; `optimum` dashed -> Figure.

    runs : {label: J [K + 1]}
    """
    figure, axes = _figure(6.8, 3.7)
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


def draw_sampled_max(counts, seen):
    """The sampled maximum as a share of the true one, over the samples -> Figure.

    counts : [K] numbers of sampled states; seen : [K, repetitions]
    """
    figure, axes = _figure(6.6, 3.5)
    low, high = np.percentile(seen, (5, 95), axis=1)
    axes.fill_between(counts, low, high, color=style.BLUE, alpha=0.2, linewidth=0)
    axes.plot(counts, seen.mean(1), marker="o", **style.line(0))
    axes.axhline(1, color=style.INK, linestyle="--", linewidth=1.5)
    axes.text(counts[0], 1.02, "the true maximum", va="bottom")
    axes.set(
        xscale="log",
        ylim=(0, 1.15),
        xlabel="sampled states N",
        ylabel="sampled max KL ÷ true max KL",
    )
    return figure


def _figure(width, height, columns=1):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(1, columns)
