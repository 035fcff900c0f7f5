"""Notebook 12: TRPO whole, on worlds that are known exactly and on runs."""

# ruff: noqa: F841 (a stub names what its missing line needs)

from functools import cache

import numpy as np

from trpo_lite import lqr, plots
from trpo_lite.advantage import LinearValue, gae, normalize
from trpo_lite.course import n10
from trpo_lite.course.data import load
from trpo_lite.course.engine import Exercise, Progress
from trpo_lite.course.widgets import Choice, Slider, Widget
from trpo_lite.environments import make_environment
from trpo_lite.features import linear_features
from trpo_lite.line_search import line_search
from trpo_lite.natural_gradient import natural_step
from trpo_lite.policies import (
    LinearGaussian,
    LinearSoftmax,
    TabularSoftmax,
)
from trpo_lite.rollout import collect
from trpo_lite.spaces import make_policy
from trpo_lite.style import BLUE, GREY, INK, RED
from trpo_lite.trpo import trpo_update

GUARD = 2.0
SOLVED = 475  # CartPole's own threshold

# worlds


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


# runs that are stored


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


def noise_promise(delta, parameters, rows):
    """What a full step promises, typically, for advantages that are noise of sd 1."""
    return float(np.sqrt(2 * delta * parameters / rows))


# figures


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
    return plots.lines(updates, curves, "update", "share of the gap left [1]",
                       logy=True)  # fmt: skip


def draw_lake(values, policies, best):
    """Maps of v on FrozenLake with the policy's arrows, side by side -> Figure.

    values : {title: v [16]} ; policies : {title: pi [16, 4]} ; best : v* [16].
    """
    figure, cells = plots.figure(1, len(values), (3.1 * len(values), 3.3))
    letters = ["SFFF", "FHFH", "FFFH", "HFFG"]
    for axes, (title, v) in zip(cells, values.items(), strict=True):
        limits = 0, best.max()
        plots.cell_map(axes, v, (4, 4), policies[title], letters, title, limits=limits)
    return figure


def columns(store, *index):
    """One run of a stored history, as `plots.dashboard` takes it."""
    names = [name for name in store if name not in ("delta", "guard")]
    run = {name: store[name][index].astype(float) for name in names}
    run["log_residual"] = np.log10(np.maximum(run["cg_residual"], 1e-16))
    return run


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
        "mean return": (475, ""),
        "KL [nats]": (delta, "δ"),
        "promise / promise of noise": (1, ""),
    }
    return plots.dashboard(run, panels=panels, limits=limits)


def draw_after(store):
    """Return over updates, a line for each seed, one panel for each delta -> Figure."""
    figure, cells = plots.figure(1, 2, (7.2, 3.3), sharey=True)
    for axes, delta, R in zip(cells, store["delta"], store["return_mean"], strict=True):
        updates = np.arange(R.shape[1])
        axes.plot(updates, R.T, "-", color=GREY, linewidth=1.0, alpha=0.8)
        axes.plot(updates, np.median(R, 0), "-", color=BLUE)
        worst = first_then_lowest(R)[1].argmin()
        axes.plot(updates, R[worst], "--", color=RED)
        axes.axhline(475, color=INK, linewidth=1, linestyle="--")
        axes.set(title=f"δ = {delta:g}", xlabel="update", ylim=(0, 520))
    cells[0].set_ylabel("mean return of the batch")
    words = dict(fontsize=11.5)
    cells[1].text(28.5, 120, "median of ten", color=BLUE, ha="right", **words)
    cells[1].text(28.5, 75, "deepest fall", color=RED, ha="right", **words)
    cells[1].text(28.5, 30, "other seeds", color="#6e6e73", ha="right", **words)
    return figure


def first_then_lowest(R, solved=475):
    """(number of the first batch at `solved` or -1, lowest return after it), [seeds].

    R : [seeds, K], NaN where no episode ended; the lowest is NaN if never solved.
    """
    hit = np.greater_equal(R, solved)
    first = np.where(hit.any(1), hit.argmax(1), -1)
    low = [np.nanmin(r[f:]) if f >= 0 else np.nan for r, f in zip(R, first)]
    return first, np.array(low)


def draw_ablations(store, variants, title=""):
    """Median return with the middle half of the seeds, over steps -> Figure."""
    names = store["variant"].tolist()
    R = {name: store["return_mean"][names.index(name)] for name in variants}
    return plots.learning_curves(
        {name: (store["steps"], r) for name, r in R.items()},
        threshold=(475, ""),
        xlabel="environment steps",
        ylabel="mean return",
        title=title,
    )


def deepest_gaps(store, name, i, after=5):
    """The largest gap to the optimum from update `after` on, [seeds], inf if lost.

    In units of the gap at the start; i is the batch size's place in the store.
    """
    J = store[name][i]
    return ((store["optimum"] - J) / (store["optimum"] - J[0, 0]))[:, after:].max(1)


def draw_mass_search(store):
    """Deepest gaps at 20 episodes, sorted, with and without search -> Figure."""
    figure, axes = plots.figure(size=(6.6, 3.5))
    for name, label, color, mark in (
        ("trpo", "with line search", BLUE, "o"),
        ("npg", "without", RED, "s"),
    ):
        gaps = np.sort(deepest_gaps(store, name, 1))
        rank, lost = np.arange(1, len(gaps) + 1), np.isinf(gaps)
        look = dict(color=color, linestyle="none", markersize=6)
        axes.plot(rank[~lost], gaps[~lost], mark, label=label, **look)
        axes.plot(rank[lost], np.full(lost.sum(), 700.0 if name == "npg" else 250.0),
                  "X", **look | {"markersize": 9})  # fmt: skip
    axes.axhline(1, color=INK, linewidth=1, linestyle="--")
    axes.text(1, 1.15, "as bad as the start", va="bottom")
    axes.text(24, 400, "lost", ha="right", va="center")
    axes.set(yscale="log", ylim=(0.03, 1500), xlabel="runs, sorted")
    axes.set_ylabel("deepest gap after update 5\n[share of the first gap]")
    axes.legend(loc="lower right")
    return figure


def draw_acrobot(store, failed):
    """Left returns, right the promise in units of noise; a seed apart -> Figure."""
    figure, cells = plots.figure(1, 2, (7.4, 3.5))
    noise = noise_promise(0.05, 14, 8000)
    R, promise = store["return_mean"], store["predicted_surrogate"] / noise
    others = np.arange(len(R)) != failed
    steps = np.nanmedian(store["steps"], 0) / 1000
    for axes, y in zip(cells, (R, promise), strict=True):
        low, middle, high = np.nanpercentile(y[others], (25, 50, 75), axis=0)
        axes.fill_between(steps, low, high, color=BLUE, alpha=0.22, linewidth=0)
        axes.plot(steps, y[others].T, "-", color=GREY, linewidth=0.9, alpha=0.8)
        axes.plot(steps, middle, "-", color=BLUE)
        seen = np.isfinite(y[failed])  # a batch in which no episode ended has no return
        axes.plot(steps[seen], y[failed][seen], "--", color=RED)
        axes.set_xlabel("environment steps [1000]")
    cells[0].set(title="mean return", ylim=(-520, -50))
    cells[1].set(title="promise / promise of noise", ylim=(0, None))
    cells[1].axhline(1, color=INK, linewidth=1, linestyle="--")
    cells[0].text(steps[-1], -480, f"seed {failed}", color=RED, ha="right")
    cells[0].text(steps[-1], -330, "median of the others", color=BLUE, ha="right")
    return figure


def draw_guard(store):
    """CartPole's returns without and with the guard, a line for each seed -> Figure."""
    figure, cells = plots.figure(1, 2, (7.2, 3.0), sharey=True)
    factors = store["guard"].tolist()
    for axes, factor, title in zip(
        cells, (0.0, GUARD), ("every update", f"guard {GUARD:g}"), strict=True
    ):
        R = store["return_mean"][factors.index(factor)]
        updates = np.arange(R.shape[1])
        axes.plot(updates, R.T, "-", color=GREY, linewidth=1, alpha=0.9)
        axes.plot(updates, R.mean(0), "-", color=BLUE)
        axes.set(title=title, xlabel="batch", ylim=(0, 520))
    cells[0].set_ylabel("mean return")
    cells[1].text(updates[-1], 60, "mean of 12 seeds", color=BLUE, ha="right")
    return figure


# the widget: every stored run


@cache
def run_figure():
    """The widget's figure and what moves in it: built once."""
    store = load_ablations()
    figure, cells = plots.figure(1, 2, (7.2, 3.3))
    steps = store["steps"] / 1000
    others = cells[0].plot([], [], color=GREY, linewidth=0.9)[0]
    one = cells[0].plot([], [], "-o", color=BLUE, markersize=3.5, linewidth=1.8)[0]
    cells[0].axhline(475, color=INK, linewidth=1, linestyle="--")
    cells[0].set(ylabel="mean return", xlim=(0, steps[-1] * 1.02), ylim=(0, 520))
    bars = cells[1].plot([], [], "o", color=BLUE, markersize=4.5)[0]
    bad = cells[1].plot([], [], "X", color=RED, markersize=8)[0]
    cells[1].axhline(1, color=INK, linewidth=1, linestyle="--")
    cells[1].set(ylabel="KL / δ of the update", yscale="log")
    cells[1].set(xlim=(0, steps[-1] * 1.02), ylim=(1e-4, 1e3))
    for axes in cells:
        axes.set_xlabel("environment steps [1000]")
    # no title: that would be new ground at each setting
    says = cells[0].text(0, 1.03, "", transform=cells[0].transAxes, fontsize=12)
    return figure, (others, one, bars, bad, says)


def draw_run(variant, seed):
    """One stored run among its variant's ten: return, and KL in units of delta."""
    store = load_ablations()
    figure, (others, one, bars, bad, says) = run_figure()
    i = store["variant"].tolist().index(variant)
    steps, R = store["steps"] / 1000, store["return_mean"][i]
    gap = np.full((len(R), 1), np.nan)
    others.set_data(np.append(np.tile(np.append(steps, np.nan), len(R)), np.nan),
                    np.append(np.hstack([R, gap]).ravel(), np.nan))  # fmt: skip
    one.set_data(steps, R[seed])
    ratio = np.maximum(store["kl"][i, seed] / store["delta"][i], 1e-4)
    down = store["surrogate"][i, seed] <= 0
    bars.set_data(steps[~down], ratio[~down])
    bad.set_data(steps[down], ratio[down])
    says.set_text(f"{variant}: seed {seed}")
    return figure


@cache
def load_ablations():
    return load("trpo_ablations")


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

stored = Widget(
    draw_run,
    "Left the mean return over steps, one seed among ten. Right the KL of each update "
    "in units of delta on a log axis; crosses mark updates that lowered L.",
    {
        "variant": Choice("variant", VARIANTS, "δ = 1, no line search"),
        "seed": Slider("seed", 0, 9, 1, 0),
    },
)


# exercise 1


def assembled_stub(policy, s, a, A_hat, delta):
    """One TRPO update: (the new theta [n], its L on the sample)."""
    old = policy.at(s).log_prob(a)
    g = policy.at(s).score_sum(a, A_hat) / len(A_hat)
    step = natural_step(g, policy.at(s).fisher_product, delta, damping=1e-3).step

    def evaluate(theta):
        new = policy.with_theta(theta)
        L = ...  # 0 at the old policy
        return L, policy.at(s).kl(new.at(s)).mean()

    found = line_search(evaluate, policy.theta, step, delta)
    return found.theta, evaluate(found.theta)[0]


def assembled_reference(policy, s, a, A_hat, delta):
    """One TRPO update: (the new theta [n], its L on the sample)."""
    old = policy.at(s).log_prob(a)
    g = policy.at(s).score_sum(a, A_hat) / len(A_hat)
    step = natural_step(g, policy.at(s).fisher_product, delta, damping=1e-3).step

    def evaluate(theta):
        new = policy.with_theta(theta)
        L = np.mean((np.exp(new.at(s).log_prob(a) - old) - 1) * A_hat)
        return L, policy.at(s).kl(new.at(s)).mean()

    found = line_search(evaluate, policy.theta, step, delta)
    return found.theta, evaluate(found.theta)[0]


def assembled_with(surrogate):
    """`assembled` with another L: surrogate(log_prob, old, A_hat)."""

    def wrong(policy, s, a, A_hat, delta):
        old = policy.at(s).log_prob(a)
        g = policy.at(s).score_sum(a, A_hat) / len(A_hat)
        step = natural_step(g, policy.at(s).fisher_product, delta, damping=1e-3).step

        def evaluate(theta):
            new = policy.with_theta(theta)
            L = surrogate(new.at(s).log_prob(a), old, A_hat)
            return L, policy.at(s).kl(new.at(s)).mean()

        found = line_search(evaluate, policy.theta, step, delta)
        return found.theta, evaluate(found.theta)[0]

    return wrong


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


def assembled_cases(rng):
    deltas = (0.02, 0.3, 1.0)
    return [(*sample, d) for sample, d in zip(small_samples(rng), deltas, strict=True)]


def within_the_limit(arguments, result):
    policy, s, _, _, delta, *_ = arguments
    theta = result[0] if isinstance(result, tuple) else result
    kl = policy.at(s).kl(policy.with_theta(np.asarray(theta, float)).at(s)).mean()
    return f"the KL is {kl:.4f}, the limit {delta:g}" if kl > delta * 1.000001 else None


assembled = Exercise(
    name="assembled",
    minutes=5,
    difficulty=1,
    stub=assembled_stub,
    reference=assembled_reference,
    mistakes={
        "without the -1, L at the old policy is the mean of A_hat, not 0": (
            assembled_with(lambda new, old, A: np.mean(np.exp(new - old) * A))
        ),
        "the ratio is upside down: the new policy stands on top": (
            assembled_with(lambda new, old, A: np.mean((np.exp(old - new) - 1) * A))
        ),
        "this is the log of the ratio: exp is missing": (
            assembled_with(lambda new, old, A: np.mean((new - old) * A))
        ),
        "the mean over rows, not the sum": (
            assembled_with(lambda new, old, A: np.sum((np.exp(new - old) - 1) * A))
        ),
    },
    hints=(
        "L is the mean of (r - 1) A_hat, page 11.",
        "r is a ratio of probabilities; new.log_prob(s, a) and old are their logs.",
        "L = np.mean((np.exp(new.log_prob(s, a) - old) - 1) * A_hat)",
    ),
    cases=assembled_cases,
    invariants=(within_the_limit,),
)


# exercise 2


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
    return cases


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


# exercise 3


def careful_update_stub(policy, s, a, A_hat, delta, guard):
    """TRPO's new theta [n]; the old one if only noise is promised."""
    ...  # your code


def careful_update_reference(policy, s, a, A_hat, delta, guard):
    """TRPO's new theta [n]; the old one if only noise is promised."""
    N, n = len(A_hat), len(policy.theta)
    A_hat = normalize(A_hat)
    g = policy.at(s).score_sum(a, A_hat) / N
    natural = natural_step(g, policy.at(s).fisher_product, delta, damping=1e-3)
    if natural.predicted_surrogate < guard * np.sqrt(2 * delta * n / N):
        return policy.theta
    old = policy.at(s).log_prob(a)

    def evaluate(theta):
        new = policy.with_theta(theta)
        r = np.exp(new.at(s).log_prob(a) - old)
        return np.mean((r - 1) * A_hat), policy.at(s).kl(new.at(s)).mean()

    return line_search(evaluate, policy.theta, natural.step, delta).theta


def careful_with(normalized=True, searched=True, guarded=True, sign=1, flip=False):
    """`careful_update` with a part left out."""

    def wrong(policy, s, a, A_hat, delta, guard):
        N, n = len(A_hat), len(policy.theta)
        A_hat = normalize(A_hat) if normalized else A_hat
        g = sign * policy.at(s).score_sum(a, A_hat) / N
        natural = natural_step(g, policy.at(s).fisher_product, delta, damping=1e-3)
        little = natural.predicted_surrogate < guard * np.sqrt(2 * delta * n / N)
        if guarded and little != flip:
            return policy.theta
        if not searched:
            return policy.theta + natural.step
        old = policy.at(s).log_prob(a)

        def evaluate(theta):
            new = policy.with_theta(theta)
            r = np.exp(new.at(s).log_prob(a) - old)
            return np.mean((r - 1) * A_hat), policy.at(s).kl(new.at(s)).mean()

        return line_search(evaluate, policy.theta, natural.step, delta).theta

    return wrong


def careful_cases(rng):
    return [
        (policy, s, a, 3 * A_hat, delta, guard)
        for (policy, s, a, A_hat), delta in zip(
            small_samples(rng), (0.6, 3.0, 2.0), strict=True
        )
        for guard in (0.2, 3.0)
    ]


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
            careful_with(searched=False)
        ),
        "no update is left out: the guard is missing": careful_with(guarded=False),
        "the guard is the wrong way round": careful_with(flip=True),
    },
    hints=(
        "Six lines of the page and one if. normalize comes first.",
        "natural_step(g, policy.fisher(s), delta, damping=1e-3) has .step and "
        ".predicted_surrogate; the promise of noise is np.sqrt(2 * delta * n / N).",
        "Below guard times that: return policy.theta. Else line_search(evaluate, "
        "policy.theta, natural.step, delta).theta with the evaluate of exercise 1.",
    ),
    cases=careful_cases,
    invariants=(within_the_limit,),
)


exercises = (assembled, flat_advantages, careful_update)
progress = Progress(exercises)
widgets = (stored,)
