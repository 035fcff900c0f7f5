"""Notebook 09: the natural step, Peters & Schaal's fields, and runs from samples."""

from functools import cache
from math import hypot

import numpy as np

from trpo_lite import lqr, mdp
from trpo_lite.course.engine import Exercise, Progress
from trpo_lite.course.widgets import Choice, Steps, Widget
from trpo_lite.rollout import Samples
from trpo_lite.style import BLUE, INK, RED, line

START = (-0.1, 0.3)  # k and sigma: the path whose gap the page prints
STARTS = (START, (-1.85, 0.7))
LOW_SIGMA = 0.1  # where the gap |k - k*| is read off
K_RANGE, SIGMA_RANGE = (-1.95, -0.05), (0.02, 0.8)


# the two fields on the scalar linear-quadratic world (a = b = q = R = m0 = 1, no noise)


def velocity(gamma, k, sigma, natural, log_sigma):
    """(dk, dsigma) of the flow at k, sigma: numbers, or arrays of one shape.

    The policy's second parameter is sigma, or log sigma; the answer is in (k, sigma)
    either way.
    """
    c = 1 + k
    D = 1 - gamma * c * c
    P = (1 + k * k) / D
    E, kappa = k + gamma * P * c, 1 + gamma * P
    if natural:  # the same in both parametrisations
        factor = sigma * sigma / (1 - gamma)
        return -2 * E * factor, -kappa * sigma * factor
    M = (1 + gamma * sigma * sigma / (1 - gamma)) / D
    d_sigma = -2 * sigma * kappa / (1 - gamma)
    return -2 * E * M, d_sigma * (sigma * sigma if log_sigma else 1)


def flow(gamma, start, end, natural, log_sigma, steps):
    """[(k, sigma)] along the flow from `start` down to sigma = `end`, by RK4.

    sigma falls everywhere, so 1 / sigma can be the clock: small steps where sigma is
    small, which is where k moves stiffly.
    """

    def rate(clock, k):
        dk, d_sigma = velocity(gamma, k, 1 / clock, natural, log_sigma)
        return -dk / d_sigma / clock**2

    k, clock = start[0], 1 / start[1]
    h = (1 / end - clock) / steps
    points = [start]
    for _ in range(steps):
        k1 = rate(clock, k)
        k2 = rate(clock + h / 2, k + h / 2 * k1)
        k3 = rate(clock + h / 2, k + h / 2 * k2)
        k4 = rate(clock + h, k + h * k3)
        k, clock = k + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4), clock + h
        points.append((k, 1 / clock))
    return points


@cache
def paths(gamma, natural, log_sigma):
    """The paths [T, 2] from `STARTS`, and the k at which the first has sigma = .1."""
    stiff = log_sigma and not natural
    found = []
    for start in STARTS:
        above = flow(gamma, start, LOW_SIGMA, natural, log_sigma, 120)
        middle = above[-1][0], LOW_SIGMA
        steps = 480 if stiff else 60
        below = flow(gamma, middle, SIGMA_RANGE[0], natural, log_sigma, steps)
        found.append((np.array(above + below[:: steps // 20]), middle[0]))
    return [curve for curve, _ in found], found[0][1]


@cache
def best_gain(gamma):
    """k*, from the Riccati equation."""
    return lqr.optimal_gain(lqr.scalar_lqr(gamma=gamma)).item()


def decade_colors():
    """One dark colour per power of ten of an arrow's length, 10^-3 ... 10^3."""
    import matplotlib

    return matplotlib.colormaps["viridis"](np.linspace(0, 0.74, 7))


def arrows(x, y, dx, dy, share=0.8, slant=0.32):
    """Arrows of one drawn length as broken lines, [n, 7, 2] with gaps of NaN.

    x [X], y [Y] : the places ; dx, dy [Y, X] : the directions.
    """
    cell = np.array([np.ptp(x) / (len(x) - 1), np.ptp(y) / (len(y) - 1)])
    places = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    way = np.stack([dx, dy], axis=-1).reshape(-1, 2) / cell
    way *= share / np.linalg.norm(way, axis=-1, keepdims=True)
    side = way[:, ::-1] * [-1, 1]  # a quarter turn
    tip = places + way / 2 * cell
    gap = np.full_like(tip, np.nan)
    barbs = [tip - slant * (way + s * side * 0.7) * cell for s in (1, -1)]
    return np.stack([places - way / 2 * cell, tip, gap, barbs[0], tip, barbs[1], gap],
                    axis=1)  # fmt: skip


def draw_fields(gamma, parameter):
    """Vanilla left, natural right: unit arrows and paths over k and sigma -> Figure.

    parameter : "σ" or "log σ", the policy's own; the axes are k and sigma always.
    """
    from matplotlib.figure import Figure

    log_sigma = parameter == "log σ"
    x, y = np.linspace(*K_RANGE, 9), np.linspace(*SIGMA_RANGE, 7)
    figure = Figure(figsize=(7.0, 3.4), layout="constrained")
    cells = figure.subplots(1, 2, sharey=True)
    best, colors = best_gain(gamma), decade_colors()
    looks = (("vanilla", False, RED, "--"), ("natural", True, BLUE, "-"))
    for axes, (name, natural, color, style) in zip(cells, looks, strict=True):
        dx, dy = velocity(gamma, x, y[:, None], natural, log_sigma)
        drawn = arrows(x, y, dx, dy)
        decade = np.rint(np.log10(np.hypot(dx, dy))).clip(-3, 3).astype(int).ravel()
        for i, shade in enumerate(colors):
            chosen = drawn[decade == i - 3].reshape(-1, 2)
            axes.plot(*chosen.T, "-", color=shade, linewidth=1.5, zorder=2)
        curves, k = paths(gamma, natural, log_sigma)
        for curve in curves:
            axes.plot(*curve.T, "-", color="white", linewidth=4.5, zorder=3)
            axes.plot(*curve.T, style, color=color, linewidth=2.6, zorder=4)
            axes.plot(*curve[0], "o", color=color, markersize=8, zorder=5)
        axes.plot([best, k], [LOW_SIGMA] * 2, "-", color=INK, linewidth=2, zorder=6)
        axes.plot(k, LOW_SIGMA, "D", color=INK, markersize=6, zorder=6)
        axes.plot(best, SIGMA_RANGE[0], "*", color=INK, markersize=15, zorder=6)
        axes.set_title(f"{name}: gap {abs(k - best):.4f} at σ = .1")
        axes.set(xlim=(-2.05, 0.05), ylim=(-0.04, 0.85), xlabel="gain k")
        axes.grid(False)
    cells[0].set_ylabel("exploration σ")
    words = dict(transform=axes.transAxes, fontsize=11)
    axes.text(1.03, 0.93, "length", **words)
    for i, shade in enumerate(colors):
        axes.text(1.03, 0.22 + 0.1 * i, f"— {10.0 ** (i - 3):g}", color=shade, **words)
    axes.text(1.03, 0.02, "★ best", **words)
    return figure


fields = Widget(
    draw_fields,
    "Two fields of arrows over the gain k and the exploration sigma. In sigma, vanilla "
    "arrows point steeply down wherever sigma is not small: its paths lose their "
    "exploration far from the best gain. Natural arrows bend towards the best gain "
    "first. In log sigma only the vanilla field is another one.",
    {
        "gamma": Steps("discount γ", (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.97), 0.9),
        "parameter": Choice("second parameter", ("σ", "log σ"), "σ"),
    },
)


def draw_step(g, H, delta, at):
    """The ellipse of KL <= delta around `at`, g's way and the natural step -> Figure.

    g [2], H [2, 2] in (k, sigma).
    """
    from matplotlib.figure import Figure

    at = np.asarray(at)
    angle = np.linspace(0, 2 * np.pi, 181)
    circle = np.stack([np.cos(angle), np.sin(angle)])
    edge = np.sqrt(2 * delta) * np.linalg.solve(np.linalg.cholesky(H).T, circle)
    x = np.linalg.solve(H, g)
    natural = np.sqrt(2 * delta / (g @ x)) * x
    vanilla = np.sqrt(2 * delta / (g @ H @ g)) * g
    figure = Figure(figsize=(5.6, 3.1), layout="constrained")
    axes = figure.subplots()
    axes.fill(*(at[:, None] + edge), color=BLUE, alpha=0.12, linewidth=0, linestyle="-")
    axes.plot(*(at[:, None] + edge), "-", color=INK, linewidth=1.5)
    along = np.array([-g[1], g[0]]) / hypot(*g)  # where g.step stays the same
    words = dict(textcoords="offset points", va="center")
    for step, label, color, style, place in (
        (natural, "natural step", BLUE, "-", (-24, 6)),
        (vanilla, "along g", RED, "--", (-48, -12)),
    ):
        ends = at[:, None] + step[:, None] + along[:, None] * [-0.035, 0.035]
        axes.plot(*ends, ":", color=color, linewidth=1.8)
        head = dict(arrowstyle="-|>", color=color, linewidth=2.4, linestyle=style,
                    mutation_scale=16, shrinkA=0, shrinkB=0)  # fmt: skip
        axes.annotate("", at + step, at, arrowprops=head)
        axes.annotate(label, at + step, place, color=color, ha="right", **words)
    axes.plot(*at, "o", color=INK, markersize=8)
    axes.annotate("old policy", at, (9, 8), **words)
    corner = at + edge[:, 155]  # lower right
    axes.annotate(f"½ ΔᵀHΔ = {delta:g}", corner, (14, -14), **words)
    axes.set(xlabel="gain k", ylabel="exploration σ", aspect="equal")
    half = np.abs(edge).max(-1)
    axes.set_xlim(at[0] - 1.85 * half[0], at[0] + 1.6 * half[0])
    axes.set_ylim(at[1] - 1.35 * half[1], at[1] + 1.35 * half[1])
    axes.locator_params(nbins=6)
    return figure


# runs from samples


def sample(world, pi, runs, rng, horizon=60):
    """(Samples, estimated advantages [N]); runs end with probability 1 - gamma.

    Then plain sums of rewards have discounted means, and rows are spread as d is.
    The estimate is the run's further reward minus its mean over the state's rows.
    """
    path = mdp.sample_trajectories(world, pi, runs, horizon, rng)
    goes_on = rng.random((runs, horizon - 1)) < world.gamma
    alive = np.ones((runs, horizon), dtype=bool)
    alive[:, 1:] = np.logical_and.accumulate(goes_on, axis=1)
    rewards = np.where(alive, path.rewards, 0)
    further = rewards[:, ::-1].cumsum(1)[:, ::-1][alive]
    states, actions = path.states[:, :-1][alive], path.actions[alive]
    count = np.bincount(states, minlength=world.n_states)
    total = np.bincount(states, further, world.n_states)
    mean = total / np.maximum(count, 1)
    return Samples(states, actions), further - mean[states]


def worlds():
    """The two small worlds of the comparison: {name: TabularMDP}."""
    return {"chain": mdp.chain(8), "grid": mdp.grid(4, 4, slip=0.1)}


def draw_learning(curves, best):
    """Exact J over updates: medians and middle halves over seeds -> Figure.

    curves : {world: {label: J [seeds, K]}} ; best : {world: optimal J}.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.0, 3.3), layout="constrained")
    cells = figure.subplots(1, len(curves))
    for axes, (world, runs) in zip(cells, curves.items(), strict=True):
        axes.axhline(best[world], color=INK, linewidth=1)
        axes.text(1, best[world] * 1.01, "optimum", va="bottom", fontsize=11)
        for i, (label, J) in enumerate(runs.items()):
            low, middle, high = np.percentile(J, (25, 50, 75), axis=0)
            look = line(i)
            x = np.arange(len(middle))
            axes.fill_between(x, low, high, color=look["color"], alpha=0.18,
                              linewidth=0)  # fmt: skip
            axes.plot(x, middle, label=label, **look)
        axes.set(title=world, xlabel="update", ylim=(0, 1.12 * best[world]))
        axes.set_xlim(0, len(middle) - 1)
    cells[0].set_ylabel("exact J (return)")
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2)
    return figure


# exercise 1


def natural_step_stub(g, H, delta):
    """sqrt(2 delta / g.H^-1 g) H^-1 g, [n]."""
    x = np.linalg.solve(H, g)
    alpha = ...  # the right length along x
    return alpha * x


def natural_step_reference(g, H, delta):
    """sqrt(2 delta / g.H^-1 g) H^-1 g, [n]."""
    x = np.linalg.solve(H, g)
    return np.sqrt(2 * delta / (g @ x)) * x


def without_root(g, H, delta):
    x = np.linalg.solve(H, g)
    return 2 * delta / (g @ x) * x


def without_two(g, H, delta):
    x = np.linalg.solve(H, g)
    return np.sqrt(delta / (g @ x)) * x


def times_h(g, H, delta):
    return np.sqrt(2 * delta / (g @ H @ g)) * np.linalg.solve(H, g)


def along_g(g, H, delta):
    return np.sqrt(2 * delta / (g @ H @ g)) * g


def downhill(g, H, delta):
    return -natural_step_reference(g, H, delta)


def spread(rng, n):
    """A symmetric positive definite matrix [n, n]."""
    A = rng.normal(size=(n, n))
    return A @ A.T + 0.3 * np.eye(n)


def step_cases(rng):
    return [
        (rng.normal(size=n), spread(rng, n), delta)
        for n, delta in ((1, 0.1), (2, 0.01), (3, 0.5), (6, 0.05))
    ]


def uses_the_limit(arguments, result):
    _, H, delta = arguments
    size = np.asarray(result) @ H @ np.asarray(result) / 2
    if abs(size - delta) > 1e-6 * delta:
        return f"half of step.H step is {size:.4f}, the limit is {delta:g}"
    return None


natural_step = Exercise(
    name="natural_step",
    minutes=5,
    difficulty=1,
    stub=natural_step_stub,
    reference=natural_step_reference,
    mistakes={
        "the square root is missing: the step would depend on the unit of reward": (
            without_root
        ),
        "the 2 is missing: half of the limit is left unused": without_two,
        "below the root stands g.H^-1 g, which is g @ x, not g @ H @ g": times_h,
        "this goes along g itself: the natural step goes along x": along_g,
        "the sign is wrong: the course climbs": downhill,
    },
    hints=(
        "The boxed formula of the page, with x = H^-1 g already computed.",
        "g.H^-1 g is g @ x: one number.",
        "np.sqrt(2 * delta / (g @ x)) times x.",
    ),
    cases=step_cases,
    invariants=(uses_the_limit,),
)


# exercise 2


def change_parameters_stub(g, H, T):
    """g [n], H [n, n] of theta -> those of phi; T = d theta / d phi."""
    ...  # your code


def change_parameters_reference(g, H, T):
    """g [n], H [n, n] of theta -> those of phi; T = d theta / d phi."""
    return T.T @ g, T.T @ H @ T


def transposed(g, H, T):
    return T @ g, T @ H @ T.T


def one_sided(g, H, T):
    return T.T @ g, T.T @ H


def like_vectors(g, H, T):
    return np.linalg.solve(T, g), np.linalg.solve(T, np.linalg.solve(T, H).T).T


def hessian_kept(g, H, T):
    return T.T @ g, H


def parameter_cases(rng):
    cases = []
    for n in (2, 3, 5):
        T = rng.normal(size=(n, n)) + 2 * np.eye(n)
        cases.append((rng.normal(size=n), spread(rng, n), T))
    return cases


def same_direction(arguments, result):
    g, H, T = arguments
    new_g, new_H = (np.asarray(part) for part in result)
    pushed = T @ np.linalg.solve(new_H, new_g)
    if not np.allclose(pushed, np.linalg.solve(H, g), rtol=1e-6, atol=1e-9):
        return "T times the natural gradient of phi isn't the one of theta"
    return None


change_parameters = Exercise(
    name="change_parameters",
    minutes=8,
    difficulty=2,
    stub=change_parameters_stub,
    reference=change_parameters_reference,
    mistakes={
        "T where its transpose is meant, and the reverse": transposed,
        "H takes T on both sides: it measures a step twice": one_sided,
        "this moves g like a step; a slope takes T's transpose, not its inverse": (
            like_vectors
        ),
        "H changes too: a unit of phi is another distance than a unit of theta": (
            hessian_kept
        ),
    },
    hints=(
        "A small step in phi is the step T @ step in theta. What do g and H say of it?",
        "g @ (T @ step) must be new_g @ step for every step.",
        "step.T' H T.step must be step.new_H step: T.T @ g and T.T @ H @ T.",
    ),
    cases=parameter_cases,
    invariants=(same_direction,),
)


# exercise 3


def step_from_samples_stub(scores, advantages, delta):
    """The natural step [n] from scores [N, n] and advantages [N]."""
    ...  # your code


def step_from_samples_reference(scores, advantages, delta):
    """The natural step [n] from scores [N, n] and advantages [N]."""
    N = len(advantages)
    g = scores.T @ advantages / N
    F = scores.T @ scores / N
    x = np.linalg.solve(F, g)
    return np.sqrt(2 * delta / (g @ x)) * x


def _sampled(scores, advantages, delta, fisher):
    g = scores.T @ advantages / len(advantages)
    x = np.linalg.solve(fisher, g)
    return np.sqrt(2 * delta / (g @ x)) * x


def fisher_summed(scores, advantages, delta):
    return _sampled(scores, advantages, delta, scores.T @ scores)


def fisher_of_terms(scores, advantages, delta):
    terms = scores * advantages[:, None]
    return _sampled(scores, advantages, delta, terms.T @ terms / len(terms))


def fisher_weighted(scores, advantages, delta):
    weighted = scores.T @ (scores * np.abs(advantages)[:, None]) / len(scores)
    return _sampled(scores, advantages, delta, weighted)


def fisher_centred(scores, advantages, delta):
    return _sampled(scores, advantages, delta, np.cov(scores.T))


def vanilla_from_samples(scores, advantages, delta):
    g = scores.T @ advantages / len(advantages)
    F = scores.T @ scores / len(advantages)
    return np.sqrt(2 * delta / (g @ F @ g)) * g


def sample_cases(rng):
    cases = []
    for N, n, delta in ((40, 2, 0.01), (60, 3, 0.1), (200, 5, 0.02)):
        scores = rng.normal(size=(N, n)) @ rng.normal(size=(n, n))
        advantages = scores @ rng.normal(size=n) + rng.normal(size=N)
        cases.append((scores, advantages, delta))
    return cases


def sample_kl(arguments, result):
    scores, _, delta = arguments
    size = ((scores @ np.asarray(result)) ** 2).mean() / 2
    if abs(size - delta) > 1e-6 * delta:
        return f"the sample's step.F step / 2 is {size:.4f}, the limit is {delta:g}"
    return None


step_from_samples = Exercise(
    name="step_from_samples",
    minutes=12,
    difficulty=3,
    stub=step_from_samples_stub,
    reference=step_from_samples_reference,
    mistakes={
        "F is a sum here: it must be a mean (for g it would not matter)": fisher_summed,
        "F has the advantages in it: KL knows no advantages, F is mean score score^T": (
            fisher_of_terms
        ),
        "F is weighted by the advantages: every row counts alike": fisher_weighted,
        "F is the covariance here: the scores' mean is 0, don't subtract the sample's":
            fisher_centred,
        "this goes along g: solve with F": vanilla_from_samples,
    },
    hints=(
        "Three things: g, F and the closed form. Each row's score is a row of scores.",
        "g is the mean of score times advantage; F the mean of score score^T.",
        "g = scores.T @ advantages / N, F = scores.T @ scores / N, then exercise 1.",
    ),
    cases=sample_cases,
    invariants=(sample_kl,),
)  # fmt: skip

exercises = (natural_step, change_parameters, step_from_samples)
progress = Progress(exercises)
widgets = (fields,)
