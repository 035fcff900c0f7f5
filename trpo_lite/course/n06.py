"""Notebook 06: sampled estimators, the dropped discount, reuse, and brute force."""

from functools import cache

import numpy as np

from trpo_lite import lqr, plots, style
from trpo_lite.bound import kl
from trpo_lite.course.engine import Exercise, Progress
from trpo_lite.course.table import number
from trpo_lite.course.widgets import Picture, Slider, Steps, Widget
from trpo_lite.mdp import evaluate, road_and_ice, shared_policy

# --- worlds

# the dropped discount on the road


def slope(weights, advantage):
    """sum_s w(s) (A(s, fast) - A(s, slow)): the slope in p if states weigh w [S]."""
    return float(weights @ (advantage[:, 1] - advantage[:, 0]))


def long_run(p):
    """Where a long run of `road_and_ice` spends its time: shares [2]."""
    ice = 0.9 * p / (1 - 0.1 * p)
    return np.array([1 - ice, ice])


@cache
def slopes(gamma):
    """p [99], both slopes [99] and (1 - gamma) J [99] on `road_and_ice`."""
    world = road_and_ice(gamma)
    p = np.linspace(0.01, 0.99, 99)
    rows = []
    for x in p:
        e = evaluate(world, shared_policy(x))
        true = slope((1 - gamma) * e.visitation, e.advantage)
        plain = slope(long_run(x), e.advantage)
        rows.append((true, plain, (1 - gamma) * e.performance))
    return p, *np.array(rows).T


def zero(p, values):
    """Where `values` first turn from positive to negative; 1 if they never do."""
    below = np.flatnonzero(values < 0)
    if len(below) == 0:
        return 1.0
    i = below[0]
    if i == 0:
        return float(p[0])
    return float(np.interp(0, -values[i - 1 : i + 1], p[i - 1 : i + 1]))


# reuse


def edge(p, delta, way):
    """The p' above p (way > 0) or below it (way < 0) with KL(p || p') = delta."""
    p, old = float(p), np.array([1 - p, p])
    end = 1 - 1e-12 if way > 0 else 1e-12
    low, high = 0.0, 1.0
    for _ in range(60):
        share = (low + high) / 2
        q = p + share * (end - p)
        low, high = (share, high) if kl(old, [1 - q, q]) < delta else (low, share)
    return p + low * (end - p)


# brute force in the plane of gain and standard deviation

OLD = (-0.2, 0.3)  # gain k and standard deviation sigma
RUN = 3000  # steps of the run behind the picture


@cache
def regulator():
    """A scalar world whose start is already the long run's, under the old policy.

    So E s_t^2 is the same at each t, and it makes no difference that plain averages
    drop gamma^t.
    """
    k, sigma = OLD
    spread = (0.3**2 + sigma**2) / (1 - (1 + k) ** 2)
    return lqr.scalar_lqr(m0=spread, noise=0.3**2)


def candidates(gains=61, stds=51):
    """The picture's grid: gains k [G] and standard deviations sigma [G], flat."""
    k, sigma = np.linspace(-0.7, 0.2, gains), np.linspace(0.1, 0.6, stds)
    return tuple(x.ravel() for x in np.meshgrid(k, sigma, indexing="ij"))


def plane(k, sigma, s, u, A):
    """Sampled L [G] and mean KL [G] at candidates [G] from samples [N].

    L is the mean of (ratio - 1) A: without the 1 it would not be 0 at the old policy.
    """
    k0, sigma0 = OLD
    rows = np.stack([u * u, u * s, s * s])  # log r is quadratic in u and s
    columns = [1 / sigma0**2 - 1 / sigma**2]
    columns += [2 * (k / sigma**2 - k0 / sigma0**2)]
    columns += [k0**2 / sigma0**2 - k**2 / sigma**2]
    log_ratio = np.stack(columns, 1) @ rows / 2
    log_ratio += np.log(sigma0 / sigma)[:, None]
    L = np.exp(log_ratio, out=log_ratio) @ A / len(s) - A.mean()
    return L, plane_kl(k, sigma, np.mean(s * s))


def _log_normal(k, sigma, s, u):
    """log N(u; k s, sigma^2) but for its constant."""
    return -np.log(sigma) - (u - k * s) ** 2 / (2 * sigma**2)


def plane_kl(k, sigma, square):
    """Mean KL(old || candidate) [G], where the mean of s^2 is `square`."""
    k0, sigma0 = OLD
    moved = (k - k0) ** 2 * square
    return np.log(sigma / sigma0) + (sigma0**2 + moved) / (2 * sigma**2) - 0.5


def exact_plane(k, sigma):
    """L [G] (return) and mean KL [G], exactly."""
    e = lqr.evaluate(regulator(), *OLD)
    M, E = e.state_moment.item(), e.advantage_error.item()
    kappa = e.action_curvature.item()
    change = k - OLD[0]
    wider = (sigma**2 - OLD[1] ** 2) / (1 - regulator().gamma)
    L = -kappa * (wider + change**2 * M) - 2 * E * change * M
    return L, plane_kl(k, sigma, (1 - regulator().gamma) * M)


@cache
def _stds(delta):
    """The smallest and the largest sigma with KL <= delta at the old gain."""
    ends = []
    for far in (1e-3, 10.0):
        inside, outside = OLD[1], far
        for _ in range(80):
            middle = (inside + outside) / 2
            if plane_kl(OLD[0], middle, 0.0) < delta:
                inside = middle
            else:
                outside = middle
        ends.append(inside)
    return ends


def region(delta, square, share, side):
    """Points (k [G], sigma [G]) with mean KL <= delta, if the mean of s^2 is `square`.

    share [G] in [0, 1] goes from the smallest sigma to the largest, side [G] in
    [-1, 1] from the edge of small k to that of large k: the KL is solved for k.
    """
    low, high = _stds(delta)
    sigma = low + (high - low) * (1 - np.cos(np.pi * share)) / 2
    room = delta - plane_kl(OLD[0], sigma, 0.0)
    width = sigma * np.sqrt(2 * np.maximum(room, 0) / square)
    return OLD[0] + side * width, sigma


def solve(surrogate, square, delta, grid=(31, 21), zooms=3):
    """(k, sigma, L) of the largest L with mean KL <= delta.

    A grid that fits the region, then ever finer ones around the best point.
    """
    share, side = np.linspace(0, 1, grid[0]), np.linspace(-1, 1, grid[1])
    for _ in range(zooms):
        x, y = (m.ravel() for m in np.meshgrid(share, side, indexing="ij"))
        k, sigma = region(delta, square, x, y)
        L = surrogate(k, sigma)
        i = np.argmax(L)
        dx, dy = share[1] - share[0], side[1] - side[0]
        share = np.linspace(max(0, x[i] - dx), min(1, x[i] + dx), 11)
        side = np.linspace(max(-1, y[i] - dy), min(1, y[i] + dy), 11)
    return float(k[i]), float(sigma[i]), float(L[i])


@cache
def exact_best(delta):
    """(k, sigma, L) of the exact problem."""
    square = regulator().start.item()
    return solve(lambda k, sigma: exact_plane(k, sigma)[0], square, delta)


def sampled_best(s, u, A, delta):
    """(k, sigma, L) of the sampled problem, L in units of return."""
    k, sigma, L = solve(
        lambda k, sigma: plane(k, sigma, s, u, A)[0], np.mean(s * s), delta
    )
    return k, sigma, L / (1 - regulator().gamma)


@cache
def many_batches(N, delta, batches=200, guessed=False):
    """The sampled problem solved for many batches of N steps: dict of arrays [batches].

    promised, exact : the chosen policy's sampled and exact L ; gain : its true gain ;
    kl : its exact mean KL ; square : the sample's mean of s^2 ; term, ratio : the
    sample that adds most to the promise, by how much, and its ratio. Promises, L and
    gains in units of return. With `guessed`, TD errors stand for the advantages.
    """
    world, rng = regulator(), np.random.default_rng(N)
    runs = lqr.sample_trajectories(world, *OLD, batches, N, rng)
    names = "promised", "exact", "gain", "kl", "square", "term", "ratio"
    found = {name: [] for name in names}
    for states, actions, rewards in zip(*runs, strict=True):
        s, u = states[:-1, 0], actions[:, 0]
        A = lqr.advantage(world, *OLD, s, u)
        if guessed:
            v = lqr.value(world, *OLD, states)
            A = rewards + world.gamma * v[1:] - v[:-1]
        k, sigma, L = sampled_best(s, u, A, delta)
        ratio = np.exp(_log_normal(k, sigma, s, u) - _log_normal(*OLD, s, u))
        terms = (ratio - 1) * A / N / (1 - world.gamma)
        L_exact, KL_exact = exact_plane(k, sigma)
        gain = lqr.improvement(world, OLD, (k, sigma))
        i = terms.argmax()
        row = L, L_exact, gain, KL_exact, np.mean(s * s), terms[i], ratio[i]
        for name, value in zip(names, row, strict=True):
            found[name].append(value)
    return {name: np.array(values) for name, values in found.items()}


@cache
def run():
    """One run of the old policy: states, actions, advantages, each [RUN]."""
    rng = np.random.default_rng(1)
    states, actions, _ = lqr.sample_trajectories(regulator(), *OLD, 1, RUN, rng)
    s, u = states[0, :-1, 0], actions[0, :, 0]
    return s, u, lqr.advantage(regulator(), *OLD, s, u)


@cache
def sampled_plane(N):
    """L (return) and mean KL over the grid [G] from the first N steps of `run`."""
    s, u, A = run()
    # few candidates at a time: [G, N] for all of them is slow, as it fits no cache
    parts = zip(*(np.array_split(x, 61) for x in candidates()), strict=True)
    found = [plane(*part, s[:N], u[:N], A[:N]) for part in parts]
    L, KL = np.concatenate(found, axis=1)
    return L / (1 - regulator().gamma), KL


# --- pictures


def draw_errors(sizes, errors):
    """Relative errors over the number of runs, log axes -> Figure.

    sizes [K] ; errors {label: [K]}, as shares of the exact value.
    """
    figure, axes = plots.figure(size=(7.2, 4.0))
    for i, (label, error) in enumerate(errors.items()):
        axes.loglog(sizes, 100 * np.asarray(error), label=label, **style.line(i))
    sizes = np.asarray(sizes)
    least = min(100 * e[0] for e in errors.values())
    half = 0.55 * least * np.sqrt(sizes[0] / sizes)
    axes.loglog(sizes, half, color=style.INK, lw=1.2)
    axes.text(sizes[3], 0.76 * half[3], "slope −1/2", ha="right", va="top")
    axes.set(xlabel="n, the number of runs", ylabel="error (% of the exact value)")
    axes.set_xticks(sizes, [f"{n}" for n in sizes])
    axes.minorticks_off()
    axes.set_yticks([1, 10, 100], ["1", "10", "100"])
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1))
    return figure


errors = Picture(
    draw_errors,
    "Relative error over the number of runs on log axes: four nearly straight falling "
    "lines, parallel to a line of slope minus one half.",
)


def draw_cosines(shared, table):
    """Histogram of the cosines [M] of shared and of tabular policies -> Figure."""
    figure, axes = plots.figure(size=(7.2, 3.7))
    edges = np.linspace(-1, 1, 41)
    axes.hist(shared, edges, color=style.RED, alpha=0.8)
    axes.hist(table, edges, histtype="step", color=style.BLUE, linewidth=2.2)
    axes.axvline(0, color=style.INK, linewidth=1)
    axes.set(yscale="log", xlim=(-1, 1), ylim=(0.7, 2.5 * len(shared)))
    axes.set(xlabel="cosine between true and plain gradient", ylabel="worlds")
    axes.set_yticks([1, 10, 100, 1000], ["1", "10", "100", "1000"])
    axes.text(-0.95, 200, "shared features (filled)", color=style.RED)
    axes.text(-0.95, 500, "table (outline)", color=style.ink(style.BLUE))
    axes.text(-0.03, 30, "uphill becomes\ndownhill", ha="right", color=style.INK)
    return figure


cosines = Picture(
    draw_cosines,
    "Histogram of cosines with a log count. Nearly all worlds are close to 1. With "
    "shared features a thin tail reaches below zero, with a table it ends well above "
    "zero.",
)


def draw_reuse(share, claim, stale, fresh):
    """Effective share over updates, and what was promised and true -> Figure.

    All [K + 1]: the old batch's effective share, its L, and both true gains.
    """
    figure, (left, right) = plots.figure(1, 2, (7.6, 3.7))
    left.plot(100 * np.asarray(share), color=style.PURPLE, marker="o", markersize=4)
    left.set(ylabel="effective share of the batch (%)", ylim=(0, 104))
    right.axhline(0, color=style.INK, linewidth=0.8)
    right.plot(claim, "--", color=style.RED)
    right.plot(stale, ":", color=style.RED, linewidth=2.6)
    right.plot(fresh, color=style.BLUE)
    k = len(share) - 1
    red = dict(color=style.RED, ha="right")
    right.text(k * 0.62, claim[-1], "L, old batch", va="center", **red)
    blue = dict(color=style.ink(style.BLUE), ha="right")
    right.text(k * 0.83, fresh[-1] + 0.25, "true, fresh", **blue)
    right.text(k * 0.72, stale[-1], "true, old batch", **red)
    right.set(ylabel="gain over the first policy (return)")
    for axes in (left, right):
        axes.set(xlabel="updates", xlim=(0, k))
        axes.set_xticks(range(0, k + 1, 3))
    return figure


reuse = Picture(
    draw_reuse,
    "Left: the effective share of the old batch falls with every update. Right: the L "
    "of the old batch climbs steadily, the true gain of the reused batch rises and "
    "falls below zero, that of fresh batches rises and stays.",
)


def draw_promises(sizes, found, top):
    """Median and middle 80 % of promised, exact L and true gain over N -> Figure.

    sizes [K] ; found: the K dicts of `many_batches` ; top: the best exact L.
    """
    figure, axes = plots.figure(size=(7.2, 3.8))
    looks = (
        ("promised", "promised: sampled L", style.RED, "--"),
        ("exact", "exact L of the same step", style.VIOLET, "-."),
        ("gain", "true gain of the same step", style.BLUE, "-"),
    )
    for shift, (name, label, color, dashes) in zip((0.94, 1, 1.06), looks, strict=True):
        values = [f[name] for f in found]
        low, middle, high = np.quantile(values, (0.1, 0.5, 0.9), axis=1)
        x = np.asarray(sizes) * shift
        dots = dict(marker="o", markersize=5)
        axes.plot(x, middle, dashes, color=color, label=label, **dots)
        axes.vlines(x, low, high, color=color, linewidth=1.6)
    axes.axhline(top, color=style.INK, linewidth=1, linestyle=":")
    axes.axhline(0, color=style.INK, linewidth=0.8)
    axes.text(sizes[-1] * 1.15, top + 0.06, "best exact L", va="bottom")
    axes.set_xlim(sizes[0] * 0.75, sizes[-1] * 2.2)
    axes.set(xscale="log", xlabel="N, samples in the batch", ylabel="gain (return)")
    axes.set_xticks(sizes, [f"{n}" for n in sizes])
    axes.minorticks_off()
    axes.legend(loc="upper right")
    return figure


promises = Picture(
    draw_promises,
    "Promised L, exact L and true gain of the chosen step over the number of samples: "
    "medians with bars for the middle 80 percent. The bars of the promise are the "
    "longest and shrink with N.",
)

# --- widgets


def _ends(gamma):
    """The p at which the true slope and the plain average's turn negative."""
    p, true, plain, _ = slopes(round(gamma, 3))
    return zero(p, true), zero(p, plain)


def draw_dropped(gamma):
    """The true slope and the plain average's over p, and J with both ends -> Figure."""
    p, true, plain, J = slopes(round(gamma, 3))
    ends = _ends(gamma)
    figure, (left, right) = plots.figure(1, 2, (7.6, 3.7))
    left.axhline(0, color=style.INK, linewidth=0.8)
    for axes in (left, right):
        if ends[0] > ends[1]:
            strip = dict(color=style.GREY, alpha=0.25, linewidth=0)
            axes.axvspan(ends[1], ends[0], **strip)
            plots.words_above(axes, ("grey: slopes of two signs", style.INK))
        axes.set_xlabel("p, probability of fast")
    left.plot(p, true, color=style.BLUE)
    left.plot(p, plain, "--", color=style.RED)
    blue, low = style.ink(style.BLUE), left.transAxes
    left.text(0.03, 0.14, "── true slope", color=blue, transform=low)
    left.text(0.03, 0.05, "– – plain average", color=style.RED, transform=low)
    left.set(ylabel="slope in p (reward per step)", xlim=(0, 1), ylim=(-2, 1.3))
    right.plot(p, J, color=style.BLUE)
    colors, names = (style.BLUE, style.RED), ("■ true", "◆ plain")
    marks = zip(ends, ("s", "D"), colors, names, strict=True)
    for i, (x, marker, color, name) in enumerate(marks):
        mark = dict(color=color, markersize=9, zorder=5)
        right.plot(x, np.interp(x, p, J), marker, **mark)
        words = dict(color=style.ink(color), ha="center", transform=right.transAxes)
        right.text(0.5, 0.14 - 0.09 * i, f"{name}: stops at {x:.2f}", **words)
    right.set(ylabel="(1−γ) J (reward per step)", xlim=(0, 1), ylim=(-0.55, 0.95))
    return figure


def dropped_words(gamma):
    """What `draw_dropped` shows, in words."""
    true, plain = _ends(gamma)
    turns = f"turns negative at p = {true:.2f}" if true < 1 else "stays positive"
    return (
        "Left: over p, the true slope of J and the slope from plain averages, at gamma "
        f"= {gamma:.2f}. The true one {turns}, the plain one turns negative at p = "
        f"{plain:.2f}; between the two, shaded, their signs differ. Right: J, with "
        "the p where each of them stops; the true one is on the top."
    )


dropped = Widget(
    draw_dropped,
    dropped_words,
    {"gamma": Slider("discount γ", 0.2, 0.95, 0.05, 0.5)},
)


@cache
def _brute_at(N, delta):
    """(sampled best, its exact L, gain and KL, exact best, its gain) of the picture."""
    s, u, A = (x[:N] for x in run())
    ours, top = sampled_best(s, u, A, delta), exact_best(delta)
    L, KL = exact_plane(*ours[:2])
    gains = [lqr.improvement(regulator(), OLD, x[:2]) for x in (ours, top)]
    return ours, L, gains[0], KL, top, gains[1]


def draw_brute(N, delta):
    """The sampled problem in the (k, sigma) plane beside the exact one -> Figure."""
    k, sigma = candidates()
    shape = 61, 51
    L, KL = (x.reshape(shape) for x in sampled_plane(N))
    KL_exact = exact_plane(k, sigma)[1].reshape(shape)
    ours, L_exact, gain, KL_ours, top, top_gain = _brute_at(N, delta)
    figure, axes = plots.figure(size=(7.6, 4.2))
    x, y = k.reshape(shape), sigma.reshape(shape)
    thin = dict(colors=style.GREY, linewidths=1.2, linestyles="solid")
    axes.contour(x, y, L, np.arange(-12, 13, 2), **thin)
    axes.contourf(x, y, KL, [-1, delta], colors=[style.RED], alpha=0.18)
    axes.contour(x, y, KL, [delta], colors=style.RED, linewidths=2)
    dashed = dict(colors=style.BLUE, linewidths=2, linestyles="--")
    axes.contour(x, y, KL_exact, [delta], **dashed)
    axes.plot(*OLD, "o", color=style.INK, markersize=8)
    axes.plot(*top[:2], "s", color=style.BLUE, markersize=10)
    axes.plot(*ours[:2], "D", color=style.RED, markersize=8)
    axes.set(xlabel="gain k (action per state)", ylabel="standard deviation σ")
    axes.set(xlim=(-0.7, 0.2), ylim=(0.1, 0.6))
    words = [
        (f"{N} samples, δ = {delta:g}", style.INK),
        ("● old policy", style.INK),
        ("grey: sampled L, every 2", style.INK),
        ("", style.INK),
        ("◆ sampled (solid)", style.RED),
        (f"L promised {number(ours[2], '+.2f')}", style.RED),
        (f"L exact {number(L_exact, '+.2f')}", style.RED),
        (f"J gains {number(gain, '+.2f')}", style.RED),
        (f"KL exact {KL_ours / delta:.2f} δ", style.RED),
        ("", style.INK),
        ("■ exact (dashed)", style.BLUE),
        (f"L exact {number(top[2], '+.2f')}", style.BLUE),
        (f"J gains {number(top_gain, '+.2f')}", style.BLUE),
    ]
    for row, (text, color) in enumerate(words):
        place = dict(color=style.ink(color), transform=axes.transAxes)
        axes.text(1.03, 0.95 - 0.075 * row, text, **place)
    return figure


def brute_words(N, delta):
    """What `draw_brute` shows, in words."""
    ours, L_exact, gain, KL_ours, top, top_gain = _brute_at(N, delta)
    return (
        "The plane of gain k and standard deviation. Around the old policy lie the "
        f"trust region of {N} samples at delta = {delta:g}, filled, and the exact one, "
        "dashed. Each holds a mark on its edge where its L is largest: the sampled one "
        f"at k = {ours[0]:.2f}, sigma = {ours[1]:.2f}, with a promised L of "
        f"{number(ours[2], '.2f')}, an exact L of {number(L_exact, '.2f')}, a gain of "
        f"{number(gain, '.2f')} and an exact KL of {KL_ours / delta:.2f} delta; the "
        f"exact one at k = {top[0]:.2f}, sigma = {top[1]:.2f}, with L = {top[2]:.2f} "
        f"and a gain of {top_gain:.2f}."
    )


brute = Widget(
    draw_brute,
    brute_words,
    {
        "N": Steps("samples N", (30, 100, 300, 1000, 3000), 100),
        "delta": Steps("KL limit δ", (0.01, 0.03, 0.1, 0.3), 0.1),
    },
)

# --- exercises


def discounted_average_stub(x, gamma):
    """What x [n, T] adds up to, discounted, on average over the n runs."""
    weight = ...  # one number per time step, [T]
    total = (weight * x).sum(axis=1)  # one number per run, [n]
    return total.mean()


def discounted_average_reference(x, gamma):
    """What x [n, T] adds up to, discounted, on average over the n runs."""
    weight = gamma ** np.arange(x.shape[1])
    total = (weight * x).sum(axis=1)  # one number per run, [n]
    return total.mean()


def undiscounted(x, gamma):
    return x.sum(axis=1).mean()


def plain_mean(x, gamma):
    return x.mean()


def one_step_late(x, gamma):
    return (gamma ** np.arange(1, x.shape[1] + 1) * x).sum(axis=1).mean()


def mean_over_time(x, gamma):
    return (gamma ** np.arange(x.shape[1]) * x).mean()


def last_weight_only(x, gamma):
    return (gamma ** x.shape[1] * x).sum(axis=1).mean()


def weight_of_the_runs(x, gamma):
    return (gamma ** len(x) * x).sum(axis=1).mean()


def growing(x, gamma):
    return (gamma ** -np.arange(x.shape[1]) * x).sum(axis=1).mean()


def discounted_cases(rng):
    return [
        (rng.normal(size=(n, T)), gamma)
        for n, T, gamma in ((3, 4, 0.9), (5, 2, 0.5), (2, 6, 0.8))
    ]


discounted_average = Exercise(
    name="discounted_average",
    minutes=5,
    difficulty=1,
    stub=discounted_average_stub,
    reference=discounted_average_reference,
    mistakes={
        "gamma ** t is missing: this is the sum without discount": undiscounted,
        "this is the plain average, which drops gamma ** t and 1/(1 - gamma)": (
            plain_mean
        ),
        "time begins at 0: the first step has weight 1, not gamma": one_step_late,
        "add up over time, do not average: only the runs are averaged": mean_over_time,
        "every step has the weight gamma ** T: the exponent is its own time, t": (
            last_weight_only
        ),
        "every step has the weight gamma ** len(x), and len(x) counts the runs: the "
        "exponent is the step's own time, t": weight_of_the_runs,
        "gamma is raised to -t: later steps must count less": growing,
    },
    hints=(
        "Each run gives one number. Which of the two axes is time?",
        "Weigh the step at time t with gamma ** t; x has time along its rows.",
        "Multiply x by gamma ** t and sum along axis 1.",
    ),
    cases=discounted_cases,
)


def brute_force_stub(ratio, A, kl, delta):
    """Index of the candidate that solves the sampled problem."""
    ...  # your code: ratio [G, N], A [N], kl [G, N]


def brute_force_reference(ratio, A, kl, delta):
    """Index of the candidate that solves the sampled problem."""
    L = (ratio * A).mean(axis=1)
    allowed = kl.mean(axis=1) <= delta
    return int(np.argmax(np.where(allowed, L, -np.inf)))


def no_limit(ratio, A, kl, delta):
    return int(np.argmax((ratio * A).mean(axis=1)))


def largest_kl(ratio, A, kl, delta):
    L = (ratio * A).mean(axis=1)
    return int(np.argmax(np.where(kl.max(axis=1) <= delta, L, -np.inf)))


def index_of_the_allowed(ratio, A, kl, delta):
    L = (ratio * A).mean(axis=1)
    return int(np.argmax(L[kl.mean(axis=1) <= delta]))


def zero_if_forbidden(ratio, A, kl, delta):
    L = (ratio * A).mean(axis=1)
    return int(np.argmin(np.where(kl.mean(axis=1) <= delta, L, np.inf)))


def summed_kl(ratio, A, kl, delta):
    L = (ratio * A).mean(axis=1)
    return int(np.argmax(np.where(kl.sum(axis=1) <= delta, L, -np.inf)))


def masked_product(ratio, A, kl, delta):
    L = (ratio * A).mean(axis=1)
    return int(np.argmax(L * (kl.mean(axis=1) <= delta)))


def best_from_zero(ratio, A, kl, delta):
    best, index = 0.0, 0
    for i in range(len(ratio)):
        L = (ratio[i] * A).mean()
        if kl[i].mean() <= delta and best < L:
            best, index = L, i
    return index


def none_from_zero(ratio, A, kl, delta):
    best, index = 0.0, None
    for i in range(len(ratio)):
        L = (ratio[i] * A).mean()
        if kl[i].mean() <= delta and best < L:
            best, index = L, i
    return index


def largest_value(ratio, A, kl, delta):
    return (ratio * A).mean(axis=1)[kl.mean(axis=1) <= delta].max()


def first_allowed(ratio, A, kl, delta):
    return int(np.argmax(kl.mean(axis=1) <= delta))


def strictly_below(ratio, A, kl, delta):
    L = (ratio * A).mean(axis=1)
    return int(np.argmax(np.where(kl.mean(axis=1) < delta, L, -np.inf)))


def brute_cases(rng):
    cases = []
    for G, N, shift in ((30, 6, 0.0), (40, 5, 0.0), (50, 8, -3.0), (60, 4, 0.0)):
        ratio = np.exp(rng.normal(size=(G, N)) * rng.uniform(0, 0.8, (G, 1)))
        size = rng.uniform(0, 0.25, (G, 1)) * rng.uniform(0.2, 1.8, (G, N))
        # the third case: no allowed candidate has a positive L
        A = rng.normal(size=N) + shift
        order = rng.permutation(G)
        cases.append((ratio[order], A, size[order], 0.1))
    # the best candidate has a mean KL of exactly delta
    ratio, A = np.exp(0.5 * rng.normal(size=(20, 4))), rng.normal(size=4)
    size = rng.uniform(0.01, 0.1, (20, 4))
    ratio[13] = 1 + 3 * (A > 0)
    size[13] = 0.125, 0.375, 0.0, 0.0
    cases.append((ratio, A, size, 0.125))
    # the best is just too far, by its last sample; all L lie far below any number that
    # a forbidden one might get
    ratio, A = np.exp(0.3 * rng.normal(size=(25, 5))), rng.normal(size=5) - 300
    size = rng.uniform(0.01, 0.09, (25, 5))
    ratio[7], size[7] = 0.01, (0.03, 0.04, 0.05, 0.06, 0.33)
    cases.append((ratio, A, size, 0.1))
    return cases


def keeps_the_limit(arguments, result):
    _, _, kl, delta = arguments
    i = int(result)
    if kl[i].mean() > delta:
        return f"the mean KL of the candidate is {kl[i].mean():.3f}, above {delta:g}"
    return None


brute_force = Exercise(
    name="brute_force",
    minutes=8,
    difficulty=2,
    stub=brute_force_stub,
    reference=brute_force_reference,
    mistakes={
        "the limit is ignored: the mean KL must be at most delta": no_limit,
        "this limits the largest KL, the lecture's sample problem the mean": largest_kl,
        "this counts among the allowed candidates only: return the index among all": (
            index_of_the_allowed
        ),
        "this is the worst allowed candidate: the problem is a maximum": (
            zero_if_forbidden
        ),
        "the KL is summed over the samples: the limit is on the mean": summed_kl,
        "forbidden candidates get a number that may win, such as 0: give them "
        "-infinity": masked_product,
        "the search starts from L = 0: all allowed candidates may be below it": (
            best_from_zero
        ),
        "the search starts from L = 0 and finds none where all allowed candidates are "
        "below it": none_from_zero,
        "this is the largest L: return the candidate's index": largest_value,
        "this is the first allowed candidate, whatever its L": first_allowed,
        "a mean KL of exactly delta is allowed": strictly_below,
    },
    hints=(
        "Two arrays [G]: L of each candidate, and its mean KL.",
        "np.argmax needs a number for the forbidden candidates that can't win.",
        "np.where(allowed, L, -np.inf), then np.argmax; no filtering, or the index "
        "counts in the shorter array.",
    ),
    cases=brute_cases,
    invariants=(keeps_the_limit,),
)


def discounted_gradient_stub(score, A, ended, gamma):
    """g [n] and the half widths [n] of its 95 % intervals.

    score : [N, n], A : [N], of N steps in a row.
    ended : bool [N]; an episode ended with that step.
    """
    ...  # your code


def discounted_gradient_reference(score, A, ended, gamma):
    """g [n] and the half widths [n] of its 95 % intervals."""
    totals, total, weight = [], 0.0, 1.0
    for t in range(len(A)):
        total = total + weight * A[t] * score[t]
        weight = gamma * weight
        if ended[t] or t == len(A) - 1:
            totals.append(total)
            total, weight = 0.0, 1.0  # the next step is the first of an episode
    half = 1.96 * np.std(totals, axis=0, ddof=1) / np.sqrt(len(totals))
    return np.mean(totals, axis=0), half


def episodes(score, A, ended, gamma):
    """One total [n] for each episode, the last one as far as it went: [episodes, n]."""
    cuts = np.flatnonzero(ended[:-1]) + 1
    return np.array(
        [
            gamma ** np.arange(len(rows)) * A[rows] @ score[rows]
            for rows in np.split(np.arange(len(A)), cuts)
        ]
    )


def estimate(totals):
    n = len(totals)
    return totals.mean(axis=0), 1.96 * totals.std(axis=0, ddof=1) / np.sqrt(n)


def without_discount(score, A, ended, gamma):
    return estimate(episodes(score, A, ended, 1.0))


def plain_average(score, A, ended, gamma):
    return estimate(score * A[:, None])


def one_clock(score, A, ended, gamma):
    late = A * gamma ** np.arange(len(A))
    return estimate(episodes(score, late, ended, 1.0))


def clock_from_one(score, A, ended, gamma):
    return estimate(gamma * episodes(score, A, ended, gamma))


def never_emptied(score, A, ended, gamma):
    return estimate(np.cumsum(episodes(score, A, ended, gamma), axis=0))


def last_step_next(score, A, ended, gamma):
    parts = np.split(np.arange(len(A)), np.flatnonzero(ended))
    each = [gamma ** np.arange(len(part)) * A[part] @ score[part] for part in parts]
    return estimate(np.array(each))


def end_counted_next(score, A, ended, gamma):
    episode = np.cumsum(ended)
    parts = [np.flatnonzero(episode == k) for k in np.unique(episode)]
    each = [gamma ** np.arange(len(part)) * A[part] @ score[part] for part in parts]
    return estimate(np.array(each))


def first_step_before(score, A, ended, gamma):
    return estimate(episodes(score, A, np.append(False, ended[:-1]), gamma))


def without_the_rest(score, A, ended, gamma):
    totals = episodes(score, A, ended, gamma)
    return estimate(totals if ended[-1] else totals[:-1])


def empty_episode(score, A, ended, gamma):
    totals = episodes(score, A, ended, gamma)
    more = np.zeros((int(ended[-1]), totals.shape[1]))
    return estimate(np.vstack([totals, more]))


def spread_of_one(score, A, ended, gamma):
    totals = episodes(score, A, ended, gamma)
    return totals.mean(axis=0), 1.96 * totals.std(axis=0, ddof=1)


def without_factor(score, A, ended, gamma):
    g, half = estimate(episodes(score, A, ended, gamma))
    return g, half / 1.96


def spread_by_n(score, A, ended, gamma):
    totals = episodes(score, A, ended, gamma)
    half = 1.96 * totals.std(axis=0) / np.sqrt(len(totals))
    return totals.mean(axis=0), half


def too_sure(score, A, ended, gamma):
    totals = episodes(score, A, ended, gamma)
    half = 1.96 * totals.std(axis=0, ddof=1) / np.sqrt(len(A))
    return totals.mean(axis=0), half


def stream_cases(rng):
    cases = []
    # the batch ends with an episode's end; two episodes of one step; a cut at the end;
    # one parameter
    for N, n, ends, gamma in (
        (9, 2, (2, 6, 8), 0.9),
        (8, 3, (0, 1, 4, 7), 0.5),
        (10, 2, (3, 7), 0.8),
        (6, 1, (1,), 0.7),
    ):
        ended = np.isin(np.arange(N), ends)
        cases.append((rng.normal(size=(N, n)), rng.normal(size=N), ended, gamma))
    return cases


discounted_gradient = Exercise(
    name="discounted_gradient",
    minutes=12,
    difficulty=3,
    stub=discounted_gradient_stub,
    reference=discounted_gradient_reference,
    mistakes={
        "this is the plain average over the steps: gamma^t is missing, and one number "
        "per episode": plain_average,
        "the discount is missing": without_discount,
        "t counts on from the batch's first step: with each episode it starts anew": (
            one_clock
        ),
        "the first step of an episode has the weight gamma^0 = 1, not gamma": (
            clock_from_one
        ),
        "the sum is not emptied where an episode ends": never_emptied,
        "the step that ends an episode still belongs to it, not to the next": (
            last_step_next
        ),
        "np.cumsum(ended) counts a step's own end already: the step that ends an "
        "episode still belongs to it": end_counted_next,
        "the step after an episode's end is the first of the next, not one more of "
        "the old": first_step_before,
        "the last episode is left out where the batch cuts it: it counts as it is": (
            without_the_rest
        ),
        "an empty episode too many, where the batch ends with an episode's end": (
            empty_episode
        ),
        "this is the scatter of one episode: the mean of many scatters less": (
            spread_of_one
        ),
        "this is one standard error: the interval takes 1.96 of them": without_factor,
        "the scatter of a few episodes: std with ddof=1, as on the page": spread_by_n,
        "divide by the root of the number of episodes, not of steps": too_sure,
    },
    hints=(
        "First one vector [n] per episode. Then forget the steps: it is a mean with "
        "its interval.",
        "Go through the steps with a running sum and a running weight. The weight is "
        "multiplied by gamma after each step. What happens to both at an end?",
        "After step t: if ended[t], or if it is the last of the batch, append the sum "
        "to a list and begin again with sum 0 and weight 1.",
        "half = 1.96 * np.std(totals, axis=0, ddof=1) / np.sqrt(len(totals))",
    ),
    cases=stream_cases,
    tolerance=5e-5,  # 1.959964 is as right as 1.96
)

pictures = (errors, cosines, reuse, promises)
widgets = (dropped, brute)
exercises = (discounted_average, brute_force, discounted_gradient)
progress = Progress(exercises)
