"""Notebook 12: TRPO whole, on worlds that are known exactly and on runs."""

from functools import cache

import numpy as np

from trpo_lite import lqr, plots, style
from trpo_lite.advantage import LinearValue, gae, normalize
from trpo_lite.course import n10
from trpo_lite.course.data import load
from trpo_lite.course.engine import Exercise, Progress
from trpo_lite.course.widgets import Choice, Picture, Slider, Widget
from trpo_lite.environments import make_environment
from trpo_lite.features import linear_features
from trpo_lite.line_search import line_search
from trpo_lite.natural_gradient import natural_step
from trpo_lite.policies import (
    LinearGaussian,
    LinearSoftmax,
    TabularSoftmax,
)
from trpo_lite.rollout import Samples, collect
from trpo_lite.spaces import make_policy
from trpo_lite.trpo import Sample, trpo_update

# --- worlds

SOLVED = 475  # CartPole's own threshold
VARIANTS = (
    "TRPO",
    "no line search",
    "one CG iteration",
    "raw inputs",
    "raw, one CG iteration",
    "plain gradient, .3",
    "plain gradient, 3",
    "plain gradient, 30",
    "δ = 1",
    "δ = 1, no line search",
)


def mass():
    """Page 10's mass on a line, and theta = (gain, log sigma) to start from, [3]."""
    world, gain = n10.mass()
    return world, np.append(gain.ravel(), np.log(0.5))


def mass_environment(environments=20, horizon=60):
    """A vector environment of the mass."""
    world, _ = n10.mass()
    return make_environment(lambda: lqr.make_env(world, horizon), environments)


def mass_policy():
    """The policy on the mass to start from."""
    return LinearGaussian(mass()[1], 1)


def estimate(batch, V, gamma, lam):
    """The page's item 2, not normalised: (advantages [M], the refitted baseline)."""
    v = V.predict(batch.observations, batch.time)
    after = V.predict(batch.next_observations, batch.time + 1)
    A_hat = gae(batch, v, after, gamma, lam)
    return A_hat, V.fit(batch.observations, batch.time, v + A_hat)


def mass_run(update, seed, updates, episodes, delta):
    """Exact J [updates + 1] of a run on the mass; -inf once the gain is unstable."""
    world, _ = n10.mass()
    env, rng = mass_environment(episodes), np.random.default_rng(seed)
    rows = 61 * episodes  # whole episodes: 60 steps and the reset
    policy, V, state = mass_policy(), LinearValue(time_degree=0), None
    J = np.full(updates + 1, -np.inf)
    for k in range(updates + 1):
        J[k] = lqr.performance(world, policy.weights.T, policy.std)
        if k == updates or J[k] == -np.inf:
            break
        batch, state = collect(env, policy, rows, rng, state)
        A_hat, V = estimate(batch, V, world.gamma, 0.97)
        policy, _ = update(policy, batch, normalize(A_hat), delta)
    env.close()
    return J


def cartpole_run(seed, updates, makes, delta=0.1, steps=16384):
    """(mean returns [updates], which updates were made [updates]) on CartPole.

    makes : function (promise in units of noise, 475 was reached) -> make the update?
    """
    env, rng = make_environment("CartPole-v1", 64), np.random.default_rng(seed)
    policy, V, state = make_policy(env, linear_features(4)), LinearValue(), None
    returns, made = np.empty(updates), np.zeros(updates, bool)
    for k in range(updates):
        batch, state = collect(env, policy, steps, rng, state)
        returns[k] = batch.episode_returns.mean()
        A_hat, V = estimate(batch, V, 0.995, 0.97)
        new, said = trpo_update(policy, batch, normalize(A_hat), delta, 1e-3)
        promise = said.predicted_surrogate / noise_promise(delta, 5, len(batch))
        made[k] = makes(promise, (returns[: k + 1] >= SOLVED).any())
        policy = new if made[k] else policy
    env.close()
    return returns, made


def noise_promise(delta, parameters, steps):
    """What a full step promises, typically, for advantages that are noise of sd 1."""
    return float(np.sqrt(2 * delta * parameters / steps))


@cache
def load_ablations():
    return load("trpo_ablations")


def columns(store, *index):
    """One run of a stored history, as `plots.dashboard` takes it."""
    names = [name for name in store if name not in ("delta", "guard")]
    run = {name: store[name][index].astype(float) for name in names}
    run["log_residual"] = np.log10(np.maximum(run["cg_residual"], 1e-16))
    return run


def first_then_lowest(R, solved=SOLVED):
    """(number of the first batch at `solved` or -1, lowest return after it), [seeds].

    R : [seeds, K], NaN where no episode ended; the lowest is NaN if never solved.
    """
    hit = np.greater_equal(R, solved)
    first = np.where(hit.any(1), hit.argmax(1), -1)
    low = [np.nanmin(r[f:]) if f >= 0 else np.nan for r, f in zip(R, first)]
    return first, np.array(low)


def deepest_gaps(store, name, episodes, after=5):
    """The largest gap to the optimum from update `after` on, [seeds], inf if lost.

    In units of the gap at the start.
    """
    J = store[name][store["episodes"].tolist().index(episodes)]
    return ((store["optimum"] - J) / (store["optimum"] - J[0, 0]))[:, after:].max(1)


# --- pictures


def draw_mass(J, optimum, start):
    """The share of the gap to the optimum that is left, over updates -> Figure.

    J : {label: [K]}.
    """
    updates = np.arange(max(map(len, J.values())))
    curves = {}
    for label, values in J.items():
        gap = np.full(len(updates), np.nan)
        gap[: len(values)] = (optimum - np.asarray(values)) / (optimum - start)
        curves[label] = gap
    return plots.lines(
        updates, curves, "update", "share of the gap left [1]", logy=True
    )


gaps = Picture(
    draw_mass,
    "The gap to the optimum over updates, on a log axis. The exact run falls without "
    "end. The sampled one follows for ten updates, then wanders between about one and "
    "four percent of the first gap.",
)


def draw_lake(path, updates, best):
    """Maps of v on FrozenLake with the policy's arrows, side by side -> Figure.

    path : evaluations, one an update ; updates : which of them ; best : v* [16].
    """
    figure, cells = plots.figure(1, len(updates), (3.1 * len(updates), 3.3))
    letters = ["SFFF", "FHFH", "FFFH", "HFFG"]
    for axes, k in zip(cells, updates, strict=True):
        title = f"{k} updates" if k else "start"
        limits = 0, best.max()
        plots.cell_map(axes, path[k].v, (4, 4), path[k].pi, letters, title,
                       limits=limits)  # fmt: skip
    return figure


lake_maps = Picture(
    draw_lake,
    "Three maps of the lake with values and arrows. At the start all values are near 0 "
    "and the arrows point everywhere. After 5 updates values have grown from the goal. "
    "After 25 a single arrow is left in nearly every cell, and the values are the "
    "optimal ones.",
)


def draw_dashboard(run, delta, noise):
    """Nine panels of one run, with the limit and the promise of noise -> Figure."""
    run = run | {"over_noise": run["predicted_surrogate"] / noise}
    panels = {
        "mean return": {"return": "return_mean"},
        "KL [nats]": {"KL": "kl"},
        "gain of L: actual, predicted": {
            "actual": "surrogate",
            "predicted": "predicted_surrogate",
        },
        "backtracks": {"backtracks": "backtracks"},
        "CG residual [log10]": {"log10": "log_residual"},
        "largest ratio r": {"ratio": "max_ratio"},
        "entropy [nats]": {"entropy": "entropy"},
        "explained variance": {"V": "explained_variance"},
        "promise / promise of noise": {"ratio": "over_noise"},
    }
    limits = {
        "mean return": (SOLVED, "475"),
        "KL [nats]": (delta, "δ"),
        "promise / promise of noise": (1, "1"),
    }
    return plots.dashboard(run, panels=panels, limits=limits)


def dashboard_words(run, delta, noise):
    """What `draw_dashboard` shows, in words."""
    R, kl = run["return_mean"], run["kl"] / delta
    first = int(np.argmax(R >= SOLVED))
    ratio = run["predicted_surrogate"] / noise
    return (
        f"Nine panels over steps. The return reaches {SOLVED} at batch {first + 1}, "
        f"falls to {R[first:].min():.0f} and recovers. KL stays between {kl.min():.2f} "
        f"and {kl.max():.2f} delta. Entropy and explained variance drop in the batch "
        "in which the return falls. The promise over that of noise starts at "
        f"{ratio[0]:.0f} and has a median of {np.median(ratio[-15:]):.1f} in the last "
        "fifteen updates."
    )


dashboard = Picture(draw_dashboard, dashboard_words)


def _seeds(axes, R, color, dashes="-"):
    """A grey line for each seed, and the median over them -> the updates [K]."""
    updates = np.arange(1, R.shape[1] + 1)
    axes.plot(updates, R.T, "-", color=style.GREY, linewidth=0.9)
    axes.plot(updates, np.median(R, 0), dashes, color=color)
    return updates


def draw_after(store):
    """Return over updates, a line for each seed, one panel for each delta -> Figure."""
    figure, cells = plots.figure(1, 2, (6.4, 3.1), sharey=True)
    for axes, delta, R in zip(cells, store["delta"], store["return_mean"], strict=True):
        updates = _seeds(axes, R, style.BLUE)
        worst = first_then_lowest(R)[1].argmin()
        axes.plot(updates, R[worst], "--", color=style.RED)
        axes.axhline(SOLVED, color=style.INK, linewidth=1, linestyle=":")
        axes.set(xlabel="batch", ylim=(0, 520))
        axes.text(updates[-1], 20, f"δ = {delta:g}", ha="right")
    cells[0].set_ylabel("mean return of the batch")
    plots.words_above(
        cells[0],
        ("──  median of ten seeds", style.BLUE),
        ("grey: other seeds", style.INK),
    )
    plots.words_above(
        cells[1], ("– –  deepest fall", style.RED), ("···  475", style.INK)
    )
    return figure


def after_words(store):
    """What `draw_after` shows, in words."""
    falls = [first_then_lowest(R)[1] for R in store["return_mean"]]
    return (
        "Return over batches for ten seeds, left delta .1, right .01. All reach 475. "
        f"With .1 {np.sum(falls[0] < 400)} of them fall below 400 later, the deepest "
        f"to {falls[0].min():.0f}; with .01 they rise later, {np.sum(falls[1] < 400)} "
        f"fall, the deepest to {falls[1].min():.0f}."
    )


after_500 = Picture(draw_after, after_words)


def draw_ablations(store, variants):
    """Median return with the middle half of the seeds, over steps -> Figure."""
    names = store["variant"].tolist()
    R = {name: store["return_mean"][names.index(name)] for name in variants}
    return plots.learning_curves(
        {name: (store["steps"], r) for name, r in R.items()},
        threshold=(SOLVED, "475"),
        xlabel="environment steps",
        ylabel="mean return",
    )


def ablations_words(store, variants):
    """What `draw_ablations` shows, in words."""
    names, R = store["variant"].tolist(), store["return_mean"]
    ends = [np.median(R[names.index(x), :, -1]) for x in variants]
    said = ", ".join(f"{x} {end:.0f}" for x, end in zip(variants, ends))
    return (
        f"Median return over steps as lines, the middle half of {R.shape[1]} seeds as "
        f"bands. At the last batch the medians are: {said}."
    )


ablations = Picture(draw_ablations, ablations_words)


def draw_mass_search(store, episodes):
    """Deepest gaps, sorted, with and without search -> Figure."""
    figure, axes = plots.figure(size=(6.6, 3.5))
    for name, label, color, mark in (
        ("trpo", "with line search", style.BLUE, "o"),
        ("npg", "without", style.RED, "s"),
    ):
        gaps = np.sort(deepest_gaps(store, name, episodes))
        rank, lost = np.arange(1, len(gaps) + 1), np.isinf(gaps)
        look = dict(color=color, linestyle="none", markersize=6)
        axes.plot(rank[~lost], gaps[~lost], mark, label=label, **look)
        height = 700.0 if name == "npg" else 250.0
        axes.plot(rank[lost], np.full(lost.sum(), height), "X", **look)
    axes.axhline(1, color=style.INK, linewidth=1, linestyle="--")
    axes.text(1, 1.15, "– –  as bad as the start", va="bottom")
    axes.text(24, 400, "✖  lost", ha="right", va="center")
    axes.set(yscale="log", ylim=(0.03, 1500), xlabel="runs, sorted")
    axes.set_ylabel("deepest gap after update 5\n[share of the first gap]")
    axes.legend(loc="lower right")
    return figure


def mass_search_words(store, episodes):
    """What `draw_mass_search` shows, in words."""
    searched, free = (deepest_gaps(store, x, episodes) for x in ("trpo", "npg"))
    return (
        f"The deepest gap after update 5 of each of 30 runs with {episodes} episodes a "
        "batch, sorted. "
        f"With line search {np.sum(searched > 1)} lie above the start's level, "
        f"{np.sum(np.isinf(searched))} of them lost. Without it {np.sum(free > 1)} do, "
        f"{np.sum(np.isinf(free))} of them lost."
    )


mass_search = Picture(draw_mass_search, mass_search_words)


def draw_acrobot(store, failed):
    """Left returns, right the promise in units of noise; a seed apart -> Figure."""
    figure, cells = plots.figure(1, 2, (6.4, 3.6))
    noise = noise_promise(0.05, 14, 8000)
    R, promise = store["return_mean"], store["predicted_surrogate"] / noise
    others = np.arange(len(R)) != failed
    steps = np.nanmedian(store["steps"], 0) / 1000
    for axes, y in zip(cells, (R, promise), strict=True):
        low, middle, high = np.nanpercentile(y[others], (25, 50, 75), axis=0)
        axes.fill_between(steps, low, high, color=style.BLUE, alpha=0.22, linewidth=0)
        axes.plot(steps, y[others].T, "-", color=style.GREY, linewidth=0.9)
        axes.plot(steps, middle, "-", color=style.BLUE)
        seen = np.isfinite(y[failed])  # a batch in which no episode ended has no return
        axes.plot(steps[seen], y[failed][seen], "--", color=style.RED)
        axes.set_xlabel("environment steps [1000]")
    cells[0].set(ylabel="mean return", ylim=(-520, -50))
    cells[1].set(ylabel="promise / promise of noise", ylim=(0, None))
    cells[1].axhline(1, color=style.INK, linewidth=1, linestyle=":")
    plots.words_above(
        cells[0],
        ("──  median of the others", style.BLUE),
        ("blue area: their middle half", style.BLUE),
        ("grey: each of the others", style.INK),
    )
    plots.words_above(
        cells[1], (f"– –  seed {failed}", style.RED), ("···  noise", style.INK)
    )
    return figure


acrobot = Picture(
    draw_acrobot,
    "Left returns over steps: nine seeds climb from -500 to about -90, one stays at "
    "-500. Right the promise in units of noise: mostly between 1 and 2 while the "
    "others learn, from 1.4 down to a third for the one that fails.",
)


def draw_guard(store, guard):
    """CartPole's returns with a guard and with its coin; the seeds -> Figure."""
    figure, cells = plots.figure(1, 2, (6.4, 2.9), sharey=True)
    g = store["guard"].tolist().index(guard)
    for axes, name in zip(cells, ("return_mean", "coin_return"), strict=True):
        _seeds(axes, store[name][g], style.BLUE)
        axes.axhline(SOLVED, color=style.INK, linewidth=1, linestyle=":")
        axes.set(xlabel="batch", ylim=(0, 520))
    cells[0].set_ylabel("mean return")
    cells[0].set_title(f"guard {guard:g}")
    cells[1].set_title("a coin, as many updates")
    for y, words, color in (
        (120, "──  median", style.ink(style.BLUE)),
        (70, "grey: a seed", style.INK),
        (20, "···  475", style.INK),
    ):
        cells[0].text(28, y, words, color=color, ha="right")
    return figure


def guard_words(store, guard):
    """What `draw_guard` shows, in words."""
    g = store["guard"].tolist().index(guard)
    runs = store["return_mean"][g], store["coin_return"][g]
    falls = [int(np.sum(first_then_lowest(R)[1] < 400)) for R in runs]
    return (
        f"Returns of {len(runs[0])} seeds over 28 batches, left with guard {guard:g}, "
        "right with a coin that makes as many updates. Of the runs that reach 475, "
        f"{falls[0]} fall below 400 later with the guard, {falls[1]} with the coin."
    )


guards = Picture(draw_guard, guard_words)

# --- widgets


@cache
def run_figure():
    """The widget's figure and what moves in it: built once."""
    store = load_ablations()
    figure, cells = plots.figure(1, 2, (7.0, 3.6))
    steps = store["steps"] / 1000
    others = cells[0].plot([], [], color=style.GREY, linewidth=0.9)[0]
    look = dict(color=style.BLUE, markersize=3.5, linewidth=1.8)
    one = cells[0].plot([], [], "-o", **look)[0]
    cells[0].axhline(SOLVED, color=style.INK, linewidth=1, linestyle="--")
    cells[0].set(ylabel="mean return", xlim=(0, steps[-1] * 1.02), ylim=(0, 520))
    good = cells[1].plot([], [], "o", color=style.BLUE, markersize=4.5)[0]
    bad = cells[1].plot([], [], "X", color=style.RED, markersize=8)[0]
    cells[1].axhline(1, color=style.INK, linewidth=1, linestyle="--")
    cells[1].set(ylabel="KL / δ of the update", yscale="log")
    cells[1].set(xlim=(0, steps[-1] * 1.02), ylim=(1e-4, 1e3))
    for axes in cells:
        axes.set_xlabel("environment steps [1000]")
    says, *_ = plots.words_above(
        cells[0],
        ("●  seed", style.BLUE),
        ("grey: the other nine", style.INK),
        ("– –  475", style.INK),
    )
    plots.words_above(
        cells[1],
        ("●  L rose on the sample", style.BLUE),
        ("✖  L fell or stood still", style.RED),
        ("– –  KL = δ", style.INK),
    )
    return figure, (others, one, good, bad, says)


def _run_at(variant, seed):
    """(returns [10, K] of the first ten seeds, KL / delta [K], did L rise [K])."""
    store = load_ablations()
    i = VARIANTS.index(variant)
    ratio = store["kl"][i, seed] / store["delta"][i]
    return store["return_mean"][i, :10], ratio, store["surrogate"][i, seed] > 0


def draw_run(variant, seed):
    """One stored run among the first ten: return, and KL in units of delta."""
    figure, (others, one, good, bad, says) = run_figure()
    R, ratio, rose = _run_at(variant, seed)
    steps = load_ablations()["steps"] / 1000
    rest = np.delete(R, seed, 0)
    gap = np.full((len(rest), 1), np.nan)  # lifts the pen between two seeds
    others.set_data(
        np.tile(np.append(steps, np.nan), len(rest)), np.hstack([rest, gap]).ravel()
    )
    one.set_data(steps, R[seed])
    drawn = np.maximum(ratio, 1e-4)
    good.set_data(steps[rose], drawn[rose])
    bad.set_data(steps[~rose], drawn[~rose])
    says.set_text(f"●  {variant}: seed {seed}")
    return figure


def run_words(variant, seed):
    """What `draw_run` shows, in words."""
    R, ratio, rose = _run_at(variant, seed)
    return (
        f"{variant}, seed {seed}. Left its mean return over steps among the other nine "
        f"seeds; its mean over the last ten batches is {np.nanmean(R[seed, -10:]):.0f}."
        " Right the KL of each update in units of delta, on a log axis, from "
        f"{ratio.min():.2g} to {ratio.max():.2g}; {np.sum(~rose)} of {len(rose)} "
        "updates, marked by crosses, did not raise L on their own sample."
    )


stored = Widget(
    draw_run,
    run_words,
    {
        "variant": Choice("variant", VARIANTS, "δ = 1, no line search"),
        "seed": Slider("seed", 0, 9, 1, 0),
    },
)

# --- exercises


def enough_steps_stub(promise, delta, n, guard):
    """The fewest steps for which `promise` is `guard` times noise's."""
    N = ...  # your line: where the two are equal
    return int(np.ceil(N))


def enough_steps_reference(promise, delta, n, guard):
    """The fewest steps for which `promise` is `guard` times noise's."""
    N = 2 * delta * n * (guard / promise) ** 2
    return int(np.ceil(N))


def only_one_noise(promise, delta, n, guard):
    return int(np.ceil(2 * delta * n / promise**2))


def guard_not_squared(promise, delta, n, guard):
    return int(np.ceil(guard * 2 * delta * n / promise**2))


def not_squared(promise, delta, n, guard):
    return int(np.ceil(np.sqrt(2 * delta * n) * guard / promise))


def one_delta(promise, delta, n, guard):
    return int(np.ceil(delta * n * (guard / promise) ** 2))


def promise_of_noise(promise, delta, n, guard):
    return int(np.ceil(guard * np.sqrt(2 * delta * n)))


def enough_cases(rng):
    # N just below 64 and 256; not these themselves, which rounding may exceed
    near = [(0.5001, 0.25, 8, 2), (0.25001, 0.5, 4, 2)]
    return [
        (0.06, 0.1, 5, 2.0),
        *near,
        (rng.uniform(0.1, 0.3), rng.uniform(0.02, 0.1), 14, 1.5),
        (0.2, rng.uniform(0.3, 0.6), 7, rng.uniform(2, 4)),
    ]


enough_steps = Exercise(
    name="enough_steps",
    minutes=5,
    difficulty=1,
    stub=enough_steps_stub,
    reference=enough_steps_reference,
    mistakes={
        "the promise equals that of noise there; it must be guard times as large": (
            only_one_noise
        ),
        "guard stands outside of the root: inside it is squared": guard_not_squared,
        "this is the root of N": not_squared,
        "the 2 of 2 delta is missing": one_delta,
        "this is guard times the noise of a single step": promise_of_noise,
    },
    hints=(
        "Where does N stand in the promise of noise?",
        "Square both sides of promise = guard * np.sqrt(2 * delta * n / N).",
        "N = 2 * delta * n * (guard / promise) ** 2",
    ),
    cases=enough_cases,
)


def flat_advantages_stub(td, continues, gamma, lam):
    """GAE from TD errors [T, N], flat in the batch's order, [T * N]."""
    lanes = []
    for n in range(td.shape[1]):  # one environment after the other
        A, lane = 0.0, []
        for t in reversed(range(len(td))):
            A = td[t, n] + gamma * lam * continues[t, n] * A
            lane.append(A)
        lanes.append(lane[::-1])
    return np.ravel(lanes)


def flat_advantages_reference(td, continues, gamma, lam):
    """GAE from TD errors [T, N], flat in the batch's order, [T * N]."""
    lanes = []
    for n in range(td.shape[1]):  # one environment after the other
        A, lane = 0.0, []
        for t in reversed(range(len(td))):
            A = td[t, n] + gamma * lam * continues[t, n] * A
            lane.append(A)
        lanes.append(lane[::-1])
    return np.ravel(np.transpose(lanes))


def lanes_backwards(td, continues, gamma, lam):
    right = flat_advantages_reference(td, continues, gamma, lam)
    return right.reshape(td.shape)[::-1].ravel()


def through_the_ends(td, continues, gamma, lam):
    return flat_advantages_reference(td, np.ones_like(continues), gamma, lam)


def without_lambda(td, continues, gamma, lam):
    return flat_advantages_reference(td, continues, gamma, 1.0)


def still_a_grid(td, continues, gamma, lam):
    right = flat_advantages_reference(td, continues, gamma, lam)
    return right.reshape(td.shape)


def flat_cases(rng):
    cases = []
    for T, N in ((5, 3), (4, 6), (7, 2)):
        continues = rng.random((T, N)) < 0.8
        cases.append((rng.normal(size=(T, N)), continues, 0.9, 0.95))
    td, continues, *_ = cases[0]
    return [*cases, (td, continues, 0.7, 0.8)]


flat_advantages = Exercise(
    name="flat_advantages",
    minutes=8,
    difficulty=2,
    stub=flat_advantages_stub,
    reference=flat_advantages_reference,
    mistakes={
        "each lane runs backwards in time now: keep [::-1]": lanes_backwards,
        "an advantage must not leak through an episode's end": through_the_ends,
        "lambda has got lost": without_lambda,
        "right as a grid [T, N]; the batch's rows are flat": still_a_grid,
    },
    hints=(
        "Each number is right. Who gets it?",
        "The batch's rows: all environments at t = 0, then all at t = 1, and so on.",
        "lanes is [N, T]; the rows are a flat [T, N]: np.ravel(np.transpose(lanes)).",
    ),
    cases=flat_cases,
)


def careful_update_stub(policy, s, a, A_hat, delta, guard, n):
    """TRPO's new theta; the old one if only noise is promised.

    n : the parameters that count in the promise of noise.
    """
    ...  # your code


def careful_update_reference(policy, s, a, A_hat, delta, guard, n):
    """TRPO's new theta; the old one if only noise is promised."""
    old, N = policy.at(s), len(A_hat)
    A_hat = normalize(A_hat)
    g = old.score_sum(a, A_hat) / N
    natural = natural_step(g, old.fisher_product, delta, damping=1e-3)
    if natural.predicted_surrogate < guard * np.sqrt(2 * delta * n / N):
        return policy.theta

    def evaluate(theta):
        new = old.with_theta(theta)
        r = np.exp(new.log_prob(a) - old.log_prob(a))
        return np.mean((r - 1) * A_hat), np.mean(old.kl(new))

    return line_search(evaluate, policy.theta, natural.step, delta).theta


def careful_with(
    normalized=True,
    mean=True,
    test_L=True,
    test_kl=True,
    old_first=True,
    restored=True,
    noise=None,
    little=None,
):
    """`careful_update` with a part exchanged.

    mean : is g a mean over the batch? ; restored : is the old theta kept on failure?
    noise : function (delta, n, N, size of theta) -> what noise promises
    little : function (promise, least) -> leave the update out?
    """

    def wrong(policy, s, a, A_hat, delta, guard, n):
        old, N = policy.at(s), len(A_hat)
        A_hat = normalize(A_hat) if normalized else A_hat
        g = old.score_sum(a, A_hat) / (N if mean else 1)
        natural = natural_step(g, old.fisher_product, delta, damping=1e-3)
        least = guard * (noise or _noise)(delta, n, N, policy.theta.size)
        if (little or np.less)(natural.predicted_surrogate, least):
            return policy.theta

        def evaluate(theta):
            new = old.with_theta(theta)
            r = np.exp(new.log_prob(a) - old.log_prob(a))
            L = np.mean((r - 1) * A_hat)
            kl = np.mean(old.kl(new) if old_first else new.kl(old))
            return L if test_L else 1.0, kl if test_kl else 0.0

        search = line_search(evaluate, policy.theta, natural.step, delta)
        if restored or not search.tried:
            return search.theta
        return policy.theta + search.tried[-1].scale * natural.step

    return wrong


def _noise(delta, n, N, size):
    return noise_promise(delta, n, N)


def small_samples(rng):
    """(policy, observations, actions, advantages) of all three kinds of policy."""
    found = []
    for policy, seen in (
        (TabularSoftmax(0.3 * rng.normal(size=12), 4, 3), rng.integers(4, size=30)),
        (LinearSoftmax(0.3 * rng.normal(size=6), 2), rng.normal(size=(40, 3))),
        (
            LinearGaussian(np.append(0.3 * rng.normal(size=2), -0.5), 1),
            rng.normal(size=(25, 2)),
        ),
    ):
        actions = policy.sample(seen, rng)
        A_hat = rng.normal(size=len(actions)) + 0.2
        if isinstance(policy, LinearGaussian):  # a reason to shrink sigma
            A_hat -= 2 * np.abs(actions - policy.mode(seen))[:, 0]
        found.append((policy, seen, actions, A_hat))
    return found


def _searched(policy, s, a, A_hat, delta):
    """(the full step's promise, the reasons of the tries, does it widen sigma?)."""
    sample = Sample.of(policy, Samples(s, a), normalize(A_hat))
    natural = natural_step(sample.gradient(), sample.old.fisher_product, delta, 1e-3)
    search = line_search(sample.evaluate, policy.theta, natural.step, delta)
    reasons = [trial.reason for trial in search.tried]
    return natural.predicted_surrogate, reasons, natural.step[-1] > 0


def careful_cases(rng):
    """The guard about the promise and far above it; searches that end in each way."""
    cases = []

    def add(sample, delta, n, share):
        policy, s, a, A_hat = sample
        promise = _searched(policy, s, a, A_hat, delta)[0]
        guard = share * promise / noise_promise(delta, n, len(A_hat))
        cases.append((policy, s, a, 3 * A_hat, delta, guard, n))

    samples = small_samples(rng)
    for sample, delta, n in zip(samples, (0.6, 0.2, 2.0), (8, 3, 4), strict=True):
        for share in (0.5, 0.9, 1.1, 5.0, 100.0):  # 100: more than N
            add(sample, delta, n, share)

    def only(reason):  # this one alone shortens the step
        return lambda tries, _: {*tries[:-1]} == {reason} and tries[-1] == "accepted"

    for delta, wanted in (
        (2.0, only("KL > delta")),
        *((delta, only("L <= 0")) for delta in (1, 2, 3, 4)),
        (1.0, lambda tries, wider: wider and tries == ["accepted"]),  # not new||old
        (30.0, lambda tries, _: len(tries) == 11 and tries[-1] == "accepted"),
        (30.0, lambda tries, _: tries[-1] != "accepted"),
    ):
        while True:
            policy = LinearGaussian(np.append(0.3 * rng.normal(size=2), -0.5), 1)
            seen = rng.normal(size=(12, 2))
            sample = policy, seen, policy.sample(seen, rng), rng.normal(size=12)
            if wanted(*_searched(*sample, delta)[1:]):
                break
        add(sample, delta, 5, 0.7)
    policy, s, a, A_hat = samples[0]  # equal advantages promise nothing
    cases.append((policy, s, a, np.ones_like(A_hat), 0.6, 1.0, 8))
    return cases


def within_the_limit(arguments, theta):
    policy, s, delta = arguments[0], arguments[1], arguments[4]
    old = policy.at(s)
    kl = old.kl(old.with_theta(np.asarray(theta, float))).mean()
    return f"the KL is {kl:.4f}, the limit {delta:g}" if kl > delta * 1.000001 else None


careful_update = Exercise(
    name="careful_update",
    minutes=15,
    difficulty=3,
    stub=careful_update_stub,
    reference=careful_update_reference,
    mistakes={
        "A_hat must have sd 1 first, or the promise is in another unit than noise": (
            careful_with(normalized=False)
        ),
        "the full step is taken: the line search is missing": (
            careful_with(test_L=False, test_kl=False)
        ),
        "a step that lowers L passes: the test of L is missing": (
            careful_with(test_L=False)
        ),
        "the test of KL is missing": careful_with(test_kl=False),
        "KL has the wrong order: the old policy stands first": (
            careful_with(old_first=False)
        ),
        "if no try passes, the old theta must stay": careful_with(restored=False),
        "g is a mean: divide by N": careful_with(mean=False),
        "no update is left out: the guard is missing": (
            careful_with(little=lambda promise, least: False)
        ),
        "the guard is the wrong way round": careful_with(little=np.greater_equal),
        "guard counts in units of noise: np.sqrt(2 * delta * n / N) is missing": (
            careful_with(noise=lambda delta, n, N, size: 1.0)
        ),
        "n is the argument, not the length of theta: some weights change no "
        "probability": careful_with(
            noise=lambda delta, n, N, size: noise_promise(delta, size, N)
        ),
    },
    hints=(
        "Six lines of the page and one if. normalize comes first.",
        "natural_step(g, old.fisher_product, delta, damping=1e-3) has .step and "
        ".predicted_surrogate; the promise of noise is np.sqrt(2 * delta * n / N).",
        "Below guard times that: return policy.theta. Else line_search(evaluate, "
        "policy.theta, natural.step, delta).theta; evaluate(theta) is (L, mean KL).",
    ),
    cases=careful_cases,
    invariants=(within_the_limit,),
)

pictures = (
    gaps,
    lake_maps,
    dashboard,
    after_500,
    ablations,
    mass_search,
    acrobot,
    guards,
)
widgets = (stored,)
exercises = (enough_steps, flat_advantages, careful_update)
progress = Progress(exercises)
