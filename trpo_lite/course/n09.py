"""Notebook 09: the natural step, Peters & Schaal's fields, and runs from samples."""

from functools import cache
from itertools import product

import numpy as np

from trpo_lite import lqr, mdp, plots, style
from trpo_lite.course.engine import Exercise, Progress
from trpo_lite.course.table import number
from trpo_lite.course.widgets import Choice, Picture, Steps, Widget
from trpo_lite.rollout import Samples

# --- worlds

START = (-0.1, 0.3)  # k and sigma: the path whose gap the page prints
STARTS = (START, (-1.85, 0.7))
LOW_SIGMA = 0.1  # where the gap |k - k*| is read off
K_RANGE, SIGMA_RANGE = (-1.95, -0.05), (0.02, 0.8)
GAINS, SIGMAS = np.linspace(*K_RANGE, 9), np.linspace(*SIGMA_RANGE, 7)
POLICIES = tuple(product(GAINS, SIGMAS))  # (k, sigma) of the arrows


def velocity(gamma, k, sigma, natural, log_sigma):
    """(dk, dsigma) of the flow at k, sigma: numbers, or arrays of one shape.

    The world is scalar and linear-quadratic with a = b = q = R = m0 = 1, no noise. The
    policy's second parameter is sigma, or log sigma; the answer is in (k, sigma) either
    way.
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


def slope_estimates(world, k, sigma, share, rng, runs=20_000, horizon=60):
    """Estimates of dJ/dk from one run each, [runs].

    The sum of score times further reward, less the baseline share * v(s) with the exact
    v; v also stands for the rewards after the horizon.
    """
    s, u, r = lqr.sample_trajectories(world, k, sigma, runs, horizon, rng)
    s, u = s[..., 0], u[..., 0]
    discount = world.gamma ** np.arange(horizon + 1)
    v = discount * lqr.value(world, k, sigma, s.ravel()).reshape(s.shape)
    r = discount[:-1] * r
    r[:, -1] += v[:, -1]
    further = r[:, ::-1].cumsum(1)[:, ::-1] - share * v[:, :-1]
    score = (u - k * s[:, :-1]) * s[:, :-1] / sigma**2
    return (score * further).sum(1)


def runs_needed(world, k, sigma, share, rng):
    """Runs whose mean estimate of dJ/dk has a standard error of 10 % of dJ/dk."""
    spread = slope_estimates(world, k, sigma, share, rng).std()
    return (spread / (0.1 * lqr.gradient(world, k, sigma)[0].item())) ** 2


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


# --- pictures


def ellipse(H, delta):
    """Steps [2, 181] with step.H step / 2 = delta, once around."""
    angle = np.linspace(0, 2 * np.pi, 181)
    circle = np.stack([np.cos(angle), np.sin(angle)])
    return np.sqrt(2 * delta) * np.linalg.solve(np.linalg.cholesky(H).T, circle)


def steps_to_the_edge(g, H, delta):
    """The natural step [2] and that along g [2], both with step.H step / 2 = delta."""
    x = np.linalg.solve(H, g)
    return tuple(np.sqrt(2 * delta / (way @ H @ way)) * way for way in (x, g))


def _arrow(axes, at, step, color, dashes):
    look = dict(color=color, linestyle=dashes, linewidth=2.4)
    head = dict(arrowstyle="-|>", mutation_scale=16, shrinkA=0, shrinkB=0)
    axes.annotate("", at + step, at, arrowprops=look | head)


def draw_step(g, H, delta, at):
    """The ellipse of KL <= delta around `at`, g's way and the natural step -> Figure.

    g [2], H [2, 2] in (k, sigma).
    """
    at, edge = np.asarray(at), ellipse(H, delta)
    natural, vanilla = steps_to_the_edge(g, H, delta)
    figure, axes = plots.figure(size=(5.6, 3.3))
    axes.fill(*(at[:, None] + edge), color=style.BLUE, alpha=0.12, linewidth=0)
    axes.plot(*(at[:, None] + edge), "-", color=style.INK, linewidth=1.5)
    along = np.array([-g[1], g[0]]) / np.hypot(*g)  # where g.step stays the same
    words = dict(textcoords="offset points", va="center")
    for step, label, color, dashes, place in (
        (natural, "natural step", style.BLUE, "-", (-24, 6)),
        (vanilla, "along g", style.RED, "--", (-48, -12)),
    ):
        ends = at[:, None] + step[:, None] + along[:, None] * [-0.035, 0.035]
        axes.plot(*ends, ":", color=color, linewidth=1.8)
        _arrow(axes, at, step, color, dashes)
        ink = style.ink(color)
        axes.annotate(label, at + step, place, color=ink, ha="right", **words)
    axes.plot(*at, "o", color=style.INK, markersize=8)
    axes.annotate("old policy", at, (9, 8), **words)
    corner = at + edge[:, 155]  # lower right
    axes.annotate(f"½ ΔᵀHΔ = {delta:g}", corner, (14, -14), **words)
    plots.words_above(axes, ("···  lines of equal gain g·Δ", style.INK))
    axes.set(xlabel="gain k", ylabel="exploration σ", aspect="equal")
    half = np.abs(edge).max(-1)
    axes.set_xlim(at[0] - 1.85 * half[0], at[0] + 1.6 * half[0])
    axes.set_ylim(at[1] - 1.35 * half[1], at[1] + 1.35 * half[1])
    axes.locator_params(nbins=6)
    return figure


step = Picture(
    draw_step,
    "An ellipse around the old policy, long in k and short in sigma. The arrow along g "
    "leaves steeply; the natural step leans towards the long side and reaches a higher "
    "line of equal gain.",
)


def draw_ellipses(g, H, delta, at):
    """The ellipse and both steps in (k, sigma) and in (k, log sigma) -> Figure.

    g [2], H [2, 2] in (k, sigma) at the policy `at`. A small step in log sigma is one
    in sigma, divided by sigma: so T = diag(1, sigma) takes the right picture's steps
    to the left. A ring is the end of the other picture's step along g.
    """
    T = np.diag([1, at[1]])
    sides = (g, H, np.eye(2)), (T @ g, T @ H @ T, T)
    ends = [back @ steps_to_the_edge(*side, delta)[1] for *side, back in sides]
    figure, both = plots.figure(1, 2, (8.0, 4.0))
    names = ("exploration σ", at[1]), ("log σ", np.log(at[1]))
    for axes, (slope, bowl, back), (name, low), other in zip(
        both, sides, names, ends[::-1], strict=True
    ):
        here, edge = np.array([at[0], low]), ellipse(bowl, delta)
        natural, vanilla = steps_to_the_edge(slope, bowl, delta)
        axes.fill(*(here[:, None] + edge), color=style.BLUE, alpha=0.12, linewidth=0)
        axes.plot(*(here[:, None] + edge), "-", color=style.INK, linewidth=1.5)
        _arrow(axes, here, vanilla, style.RED, "--")
        _arrow(axes, here, natural, style.BLUE, "-")
        ring = dict(markerfacecolor="none", markeredgecolor=style.RED)
        place = here + np.linalg.solve(back, other)
        axes.plot(*place, "o", markersize=9, markeredgewidth=2, **ring)
        axes.plot(*here, "o", color=style.INK, markersize=7)
        axes.set(xlabel="gain k", ylabel=name, aspect="equal")
        half = 1.25 * np.abs(edge).max()  # both panels are square
        axes.set_xlim(here[0] - half, here[0] + half)
        axes.set_ylim(here[1] - half, here[1] + half)
        axes.locator_params(nbins=5)
    plots.words_above(
        both[0], ("──  natural step", style.BLUE), ("– –  along g", style.RED)
    )
    plots.words_above(
        both[1],
        ("○  the other picture's end along g", style.RED),
        (f"──  ½ ΔᵀHΔ = {delta:g}", style.INK),
    )
    return figure


def ellipses_words(g, H, delta, at):
    """What `draw_ellipses` shows, in words."""
    T = np.diag([1, at[1]])
    shapes = [np.sqrt(np.diag(bowl)) for bowl in (H, T @ H @ T)]
    lies, stands = (a[1] / a[0] for a in shapes)  # width over height
    return (
        "The same small policies as an ellipse, twice. With sigma upwards it is "
        f"{number(lies, '.1f')} times as wide as high, with log sigma "
        f"{number(1 / stands, '.1f')} times as high as wide. The natural step ends at "
        "the same place of its edge in both, the step along g at two places."
    )


ellipses = Picture(draw_ellipses, ellipses_words)


def draw_learning(curves, best):
    """Exact J over updates: medians and middle halves over seeds -> Figure.

    curves : {world: {label: J [seeds, K]}} ; best : {world: optimal J}.
    """
    figure, cells = plots.figure(1, len(curves), (7.4, 3.7))
    for axes, (world, runs) in zip(cells, curves.items(), strict=True):
        axes.axhline(best[world], color=style.INK, linewidth=1)
        axes.text(1, best[world] * 1.01, "optimum", va="bottom", fontsize=11)
        for i, (label, J) in enumerate(runs.items()):
            low, middle, high = np.percentile(J, (25, 50, 75), axis=0)
            look, x = style.line(i), np.arange(len(middle))
            axes.fill_between(x, low, high, color=look["color"], alpha=0.15, lw=0)
            axes.plot(x, middle, label=label, **look)
        axes.set(title=world, xlabel="update", ylim=(0, 1.12 * best[world]))
        axes.set_xlim(0, len(middle) - 1)
    cells[0].set_ylabel("exact J (return)")
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3)
    return figure


learning = Picture(
    draw_learning,
    "Exact J over updates on the chain and the grid, medians with bands over twelve "
    "seeds. Of vanilla's stepsizes 10 does well on the chain, though not with every "
    "seed, and 300 on the grid. With delta .01 natural comes near the optimum in both; "
    "along g with the same delta does so on the grid, later and less surely on the "
    "chain. With delta .1 natural climbs faster at first and falls behind.",
)

# --- widgets

FLOWS = (("vanilla", False, style.RED, "--"), ("natural", True, style.BLUE, "-"))


def _decade_colors():
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
    left, right = (tip - slant * (way + s * side * 0.7) * cell for s in (1, -1))
    return np.stack([places - way / 2 * cell, tip, gap, left, tip, right, gap], axis=1)


def _gap_at(gamma, natural, parameter):
    """|k - k*| where the first path has sigma = .1."""
    return abs(paths(gamma, natural, parameter == "log σ")[1] - best_gain(gamma))


def draw_fields(gamma, parameter):
    """Vanilla left, natural right: unit arrows and paths over k and sigma -> Figure.

    parameter : "σ" or "log σ", the policy's own; the axes are k and sigma always.
    """
    log_sigma = parameter == "log σ"
    # fixed places: a layout engine would take a third of the time
    figure, cells = plots.figure(1, 2, (7.4, 3.7), layout=None, sharey=True)
    figure.subplots_adjust(0.09, 0.15, 0.8, 0.9, wspace=0.06)
    best, colors = best_gain(gamma), _decade_colors()
    for axes, (name, natural, color, dashes) in zip(cells, FLOWS, strict=True):
        dx, dy = velocity(gamma, GAINS, SIGMAS[:, None], natural, log_sigma)
        drawn = arrows(GAINS, SIGMAS, dx, dy)
        decade = np.rint(np.log10(np.hypot(dx, dy))).clip(-3, 3).astype(int).ravel()
        for i, shade in enumerate(colors):
            chosen = drawn[decade == i - 3].reshape(-1, 2)
            axes.plot(*chosen.T, "-", color=shade, linewidth=1.5, zorder=2)
        curves, k = paths(gamma, natural, log_sigma)
        for curve in curves:
            axes.plot(*curve.T, "-", color="white", linewidth=4.5, zorder=3)
            axes.plot(*curve.T, dashes, color=color, linewidth=2.6, zorder=4)
            axes.plot(*curve[0], "o", color=color, markersize=8, zorder=5)
        ink = dict(color=style.INK, zorder=6)
        axes.plot([best, k], [LOW_SIGMA] * 2, "-", linewidth=2, **ink)
        axes.plot(k, LOW_SIGMA, "D", markersize=6, **ink)
        axes.plot(best, SIGMA_RANGE[0], "*", markersize=15, **ink)
        gap = _gap_at(gamma, natural, parameter)
        axes.set_title(f"{name}: gap {gap:.4f}", color=style.ink(color))
        axes.set(xlim=(-2.05, 0.05), ylim=(-0.04, 0.85), xlabel="gain k")
        axes.set_xticks((-1.5, -1, -0.5))
        axes.grid(False)
    cells[0].set_ylabel("exploration σ")
    place = dict(transform=axes.transAxes, clip_on=False)
    words = dict(fontsize=11, va="center", **place)
    axes.text(1.04, 0.97, "arrow's length", **words)
    for i, shade in enumerate(colors):
        height = 0.31 + 0.09 * i
        axes.plot([1.05, 1.13], [height] * 2, "-", color=shade, **place)
        axes.text(1.17, height, f"{10.0 ** (i - 3):g}", **words)
    marks = "● start", "◆─ gap\n     at σ = .1", "★ best"
    for height, name in zip((0.22, 0.11, 0), marks, strict=True):
        axes.text(1.04, height, name, **words)
    return figure


def fields_words(gamma, parameter):
    """What `draw_fields` shows, in words."""
    vanilla, natural = (_gap_at(gamma, way, parameter) for way in (False, True))
    return (
        "Two fields of arrows over the gain k and the exploration sigma, with paths "
        f"from two starts, for discount {gamma:g} and the parameters k and {parameter}."
        f" When sigma has fallen to .1, vanilla's path is {vanilla:.4f} from the best "
        f"gain k = {best_gain(gamma):.2f} and natural's {natural:.4f}."
    )


fields = Widget(
    draw_fields,
    fields_words,
    {
        "gamma": Steps("discount γ", (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.97), 0.9),
        "parameter": Choice("second parameter", ("σ", "log σ"), "σ"),
    },
)

# --- exercises


def step_for_gain_stub(g, H, gain):
    """The step [n] with g.step = gain and the least step.H step / 2."""
    x = np.linalg.solve(H, g)
    size = ...  # the right length along x
    return size * x


def step_for_gain_reference(g, H, gain):
    """The step [n] with g.step = gain and the least step.H step / 2."""
    x = np.linalg.solve(H, g)
    size = gain / (g @ x)
    return size * x


def _gain_as_kl(g, H, gain):
    x = np.linalg.solve(H, g)
    return np.sqrt(2 * gain / (g @ x)) * x


def _gain_along_g(g, H, gain):
    return gain / (g @ g) * g


def _gain_below_gg(g, H, gain):
    return gain / (g @ g) * np.linalg.solve(H, g)


def _gain_times_h(g, H, gain):
    return gain / (g @ H @ g) * np.linalg.solve(H, g)


def _gain_by_length(g, H, gain):
    x = np.linalg.solve(H, g)
    return gain * x / np.linalg.norm(x)


def _gain_times_gx(g, H, gain):
    x = np.linalg.solve(H, g)
    return gain * (g @ x) * x


def _spread(rng, n):
    """A symmetric positive definite matrix [n, n]."""
    A = rng.normal(size=(n, n))
    return A @ A.T + 0.3 * np.eye(n)


def _gain_cases(rng):
    return [
        (3 * rng.normal(size=n), _spread(rng, n), gain)
        for n, gain in ((3, 0.1), (2, 0.7), (6, 2.5), (1, 0.3))
    ]


def _keeps_the_promise(arguments, result):
    g, _, gain = arguments
    promised = g @ np.asarray(result)
    if abs(promised - gain) > 1e-6 * gain:
        return f"g.step is {promised:.4f}, wanted is {gain:g}"
    return None


step_for_gain = Exercise(
    name="step_for_gain",
    minutes=5,
    difficulty=1,
    stub=step_for_gain_stub,
    reference=step_for_gain_reference,
    mistakes={
        "this takes the gain for a KL limit: here the gain is given, the KL is not": (
            _gain_as_kl
        ),
        "this goes along g: the cheapest way in KL goes along x": _gain_along_g,
        "g.step is g @ x times the length, not g @ g": _gain_below_gg,
        "g.step is g @ x times the length, not g @ H @ g": _gain_times_h,
        "the gain isn't the step's length: g.step must equal it": _gain_by_length,
        "multiplied by g @ x: a steeper slope needs a shorter step": _gain_times_gx,
    },
    hints=(
        "The direction is that of the boxed formula: the KKT conditions change places.",
        "Write the step as size * x. What is g.step then?",
        "size times g @ x must equal gain.",
    ),
    cases=_gain_cases,
    invariants=(_keeps_the_promise,),
)


def change_parameters_stub(g, H, B):
    """g [n], H [n, n] of theta -> those of phi = B theta; B [n, n]."""
    ...  # your code


def change_parameters_reference(g, H, B):
    """g [n], H [n, n] of theta -> those of phi = B theta; B [n, n]."""
    T = np.linalg.inv(B)  # d theta / d phi
    return T.T @ g, T.T @ H @ T


def _wrong_way(g, H, B):
    return B.T @ g, B.T @ H @ B


def _transposed(g, H, B):
    T = np.linalg.inv(B)
    return T @ g, T @ H @ T.T


def _one_sided(g, H, B):
    T = np.linalg.inv(B)
    return T.T @ g, T.T @ H


def _other_side(g, H, B):
    T = np.linalg.inv(B)
    return T.T @ g, H @ T


def _like_vectors(g, H, B):
    return B @ g, B @ H @ B.T


def _hessian_kept(g, H, B):
    return np.linalg.inv(B).T @ g, H


def _parameter_cases(rng):
    cases = []
    for n in (2, 3, 5):
        B = rng.normal(size=(n, n)) + 2 * np.eye(n)
        cases.append((rng.normal(size=n), _spread(rng, n), B))
    return cases


def _same_direction(arguments, result):
    g, H, B = arguments
    new_g, new_H = (np.asarray(part) for part in result)
    pushed = np.linalg.solve(B, np.linalg.solve(new_H, new_g))
    if not np.allclose(pushed, np.linalg.solve(H, g), rtol=1e-6, atol=1e-9):
        return "the natural gradient of phi isn't B times the one of theta"
    return None


change_parameters = Exercise(
    name="change_parameters",
    minutes=8,
    difficulty=2,
    stub=change_parameters_stub,
    reference=change_parameters_reference,
    mistakes={
        "B is d phi / d theta: the law takes d theta / d phi, its inverse": _wrong_way,
        "the inverse of B where the transpose of that inverse is meant, and the "
        "reverse": _transposed,
        "H changes on both sides: it measures a step twice": _one_sided,
        "H changes on both sides: T.T stands before it, too": _other_side,
        "this moves g like a step; g must keep g.step, the promise": _like_vectors,
        "H changes too: a unit of phi is another distance than a unit of theta": (
            _hessian_kept
        ),
    },
    hints=(
        "Which step in theta is a small step in phi? What do g and H say of it?",
        "With T = d theta / d phi the page has the law. What is T for phi = B theta?",
        "T is the inverse of B. Then T.T @ g and T.T @ H @ T.",
    ),
    cases=_parameter_cases,
    invariants=(_same_direction,),
)


def step_from_samples_stub(features, pi, actions, advantages, delta):
    """The natural step [n, A] in theta; the logits are features @ theta.

    features [N, n], pi [N, A] : each sample's state, the policy there.
    actions [N], advantages [N] : what was done there, and its advantage.
    """
    ...  # your code


def step_from_samples_reference(features, pi, actions, advantages, delta):
    """The natural step [n, A] in theta; the logits are features @ theta."""
    (N, n), A = features.shape, pi.shape[1]
    score = np.eye(A)[actions] - pi  # by the logits of the sample's state, [N, A]
    g = (features.T @ (score * advantages[:, None]) / N).ravel()
    H = np.zeros((n * A, n * A))
    for phi, p in zip(features, pi):
        block = np.diag(p) - np.outer(p, p)  # in the logits, the mean over all actions
        H += np.kron(np.outer(phi, phi), block) / N
    x = np.linalg.pinv(H) @ g
    return (np.sqrt(2 * delta / (g @ x)) * x).reshape(n, A)


def _mean_score_times(features, pi, actions, advantages):
    score = np.eye(pi.shape[1])[actions] - pi
    return (features.T @ (score * advantages[:, None]) / len(pi)).ravel()


def _mean_block(features, pi):
    blocks = np.einsum("na,ab->nab", pi, np.eye(pi.shape[1]))
    blocks -= pi[:, :, None] * pi[:, None, :]
    H = np.einsum("ni,nj,nab->iajb", features, features, blocks) / len(pi)
    size = features.shape[1] * pi.shape[1]
    return H.reshape(size, size)


def _along(g, x, delta, n):
    return (np.sqrt(2 * delta / (g @ x)) * x).reshape(n, -1)


def _other_fisher(fisher):
    """The step with the H of `fisher(features, pi, actions, advantages)`."""

    def answer(features, pi, actions, advantages, delta):
        g = _mean_score_times(features, pi, actions, advantages)
        x = np.linalg.pinv(fisher(features, pi, actions, advantages)) @ g
        return _along(g, x, delta, features.shape[1])

    return answer


def _scores(features, pi, actions):
    score = np.eye(pi.shape[1])[actions] - pi
    return np.einsum("ni,na->nia", features, score).reshape(len(pi), -1)


def _fisher_of_actions_taken(features, pi, actions, advantages):
    rows = _scores(features, pi, actions)
    return rows.T @ rows / len(rows)


def _fisher_of_actions_alike(features, pi, actions, advantages):
    number = pi.shape[1]
    rows = [_scores(features, pi, np.full(len(pi), a)) for a in range(number)]
    return sum(each.T @ each for each in rows) / (len(pi) * number)


def _fisher_of_terms(features, pi, actions, advantages):
    rows = _scores(features, pi, actions) * advantages[:, None]
    return rows.T @ rows / len(rows)


def _fisher_summed(features, pi, actions, advantages):
    return len(pi) * _mean_block(features, pi)


def _fisher_of_mean_policy(features, pi, actions, advantages):
    p = pi.mean(axis=0)
    square = features.T @ features / len(pi)
    return np.kron(square, np.diag(p) - np.outer(p, p))


def _fisher_without_outer(features, pi, actions, advantages):
    blocks = np.einsum("na,ab->nab", pi, np.eye(pi.shape[1]))
    H = np.einsum("ni,nj,nab->iajb", features, features, blocks) / len(pi)
    return H.reshape(features.shape[1] * pi.shape[1], -1)


def _fisher_of_mean_features(features, pi, actions, advantages):
    phi, block = features.mean(axis=0), _mean_block(np.ones((len(pi), 1)), pi)
    return np.kron(np.outer(phi, phi), block)


def _ones_for_scores(features, pi, actions, advantages, delta):
    g = _mean_score_times(features, 0 * pi, actions, advantages)
    x = np.linalg.pinv(_mean_block(features, pi)) @ g
    return _along(g, x, delta, features.shape[1])


def _vanilla_from_samples(features, pi, actions, advantages, delta):
    g = _mean_score_times(features, pi, actions, advantages)
    size = np.sqrt(2 * delta / (g @ _mean_block(features, pi) @ g))
    return (size * g).reshape(features.shape[1], -1)


def _no_root_from_samples(features, pi, actions, advantages, delta):
    g = _mean_score_times(features, pi, actions, advantages)
    x = np.linalg.pinv(_mean_block(features, pi)) @ g
    return (2 * delta / (g @ x) * x).reshape(features.shape[1], -1)


def _sample_cases(rng):
    cases = []
    for N, n, A, delta in ((12, 2, 3, 0.01), (30, 3, 2, 0.1), (16, 2, 4, 0.02)):
        features = rng.normal(size=(N, n))
        features[:, 0] = 1  # as most feature maps have it
        weights = np.exp(features @ rng.normal(size=(n, A)))
        pi = weights / weights.sum(axis=1, keepdims=True)
        actions = np.array([rng.choice(A, p=p) for p in pi])
        cases.append((features, pi, actions, rng.normal(size=N), delta))
    return cases


def _sample_kl(arguments, result):
    features, pi, _, _, delta = arguments
    moved = features @ np.asarray(result)
    size = np.mean((pi * moved**2).sum(1) - (pi * moved).sum(1) ** 2) / 2
    if abs(size - delta) <= 1e-6 * delta:
        return None
    text = f"the sample's step.H step / 2 is {size:.6g}, the limit is {delta:g}"
    if 0.8 * delta < size < delta:
        return text + ": is something added to H, or is it divided by N - 1?"
    return text


def _best_promise(arguments, result):
    *data, _ = arguments
    g = _mean_score_times(*data)
    best = g @ np.ravel(step_from_samples_reference(*arguments))
    promise = g @ np.ravel(result)
    if promise < (1 - 1e-6) * best:
        return f"it promises {promise:.6g}, and the limit allows {best:.6g}"
    return None


step_from_samples = Exercise(
    name="step_from_samples",
    minutes=15,
    difficulty=3,
    stub=step_from_samples_stub,
    reference=step_from_samples_reference,
    mistakes={
        "H is a sum here: it must be a mean (for g it would not matter)": (
            _other_fisher(_fisher_summed)
        ),
        "H is taken over the actions that were drawn: average over all actions of each "
        "state": _other_fisher(_fisher_of_actions_taken),
        "H weighs all actions of a state alike: weigh them by pi": (
            _other_fisher(_fisher_of_actions_alike)
        ),
        "H has the advantages in it: KL knows no advantages": (
            _other_fisher(_fisher_of_terms)
        ),
        "the block of a state is diag(p) - p p^T, and here it is made from the mean of "
        "pi: average the blocks, not the probabilities": (
            _other_fisher(_fisher_of_mean_policy)
        ),
        "the block of a state is diag(p) - p p^T: the second part is missing": (
            _other_fisher(_fisher_without_outer)
        ),
        "average phi phi^T state by state: here the mean features are multiplied": (
            _other_fisher(_fisher_of_mean_features)
        ),
        "the score of a softmax is 1 at the action taken, less pi: the pi is missing": (
            _ones_for_scores
        ),
        "this goes along g: solve with H": _vanilla_from_samples,
        "the square root is missing: the step would depend on the unit of reward": (
            _no_root_from_samples
        ),
    },
    hints=(
        "Three things: g, H and the closed form. Begin in the logits of one state: "
        "page 08 has the score and the block of H there.",
        "The logit of a is sum_i phi_i theta_ia. So the score in theta_ia is phi_i "
        "times the score in the logit, and g [n, A] is features.T @ (score * "
        "advantages[:, None]) / N.",
        "H of one state joins (i, a) and (j, b): phi_i phi_j times "
        "(diag(p) - p p^T)_ab. That is np.kron(np.outer(phi, phi), block), [n A, n A].",
        "With g.ravel() and the mean H: x = np.linalg.pinv(H) @ g, as adding a number "
        "to all actions of a feature costs nothing. Then the root, and reshape.",
    ),
    cases=_sample_cases,
    invariants=(_sample_kl, _best_promise),
    tolerance=None,  # what all actions of a feature share is free
)

pictures = (step, ellipses, learning)
widgets = (fields,)
exercises = (step_for_gain, change_parameters, step_from_samples)
progress = Progress(exercises)
