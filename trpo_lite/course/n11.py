"""Notebook 11: real updates that fail, the line search, and its bugs."""

# ruff: noqa: SIM300 (L is the surrogate, no constant)

from dataclasses import dataclass
from functools import cache
from math import exp, log

import numpy as np

from trpo_lite import lqr, plots, style
from trpo_lite.course.engine import Exercise, Progress
from trpo_lite.course.table import number
from trpo_lite.course.widgets import Choice, Picture, Slider, Steps, Widget
from trpo_lite.line_search import line_search
from trpo_lite.natural_gradient import natural_step
from trpo_lite.policies import LinearGaussian
from trpo_lite.rollout import Samples
from trpo_lite.trpo import Sample

# --- worlds

WORLD = lqr.scalar_lqr(noise=0.3)  # Var w = .3
GAIN, STD, DELTA = -0.58, 0.1, 0.1
POLICY = LinearGaussian(np.array([GAIN, log(STD)]), 1)
STEPS = 25  # of one run

# numbers of updates of `samples(1000)`: one for each way to fail
CASES = {"KL violated": 0, "L down": 993, "J down": 59}


def draw_samples(policy, count, rows, rng):
    """`count` independent samples of `rows` steps of `policy`, with TD errors.

    Runs of 25 steps; A = r + gamma v(s') - v(s) with the exact v: right on average.
    """
    k, sigma = float(policy.theta[0]), exp(policy.theta[1])
    runs = count * rows // STEPS
    s, u, r = lqr.sample_trajectories(WORLD, k, sigma, runs, STEPS, rng)
    v = lqr.value(WORLD, k, sigma, s.reshape(-1, 1)).reshape(runs, STEPS + 1)
    A = (r + WORLD.gamma * v[:, 1:] - v[:, :-1]).reshape(count, rows)
    s, u = (x.reshape(count, rows, 1) for x in (s[:, :-1], u))
    return [Sample.of(policy, Samples(s[i], u[i]), A[i]) for i in range(count)]


@cache
def samples(count, rows=250, seed=0):
    """`draw_samples` of the page's policy, drawn once."""
    return draw_samples(POLICY, count, rows, np.random.default_rng(seed))


def full_step(sample, delta):
    """The natural step from this sample, [2]."""
    return natural_step(sample.gradient(), sample.old.fisher_product, delta).step


def gain(theta):
    """J(theta) - J(old), exactly; theta = (k, log sigma)."""
    return lqr.improvement(WORLD, (GAIN, STD), (theta[0], exp(theta[1])))


def interval(hits):
    """A share and its 95 % interval after Wilson, which works near 0 and 1 too."""
    hits = np.asarray(hits, bool)
    n, p, z = hits.size, hits.mean(), 1.96
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return float(p), float(max(0, middle - half)), float(min(1, middle + half))


@cache
def ray(case, delta, points=61, end=1.1):
    """(t [T], L [T], KL [T], gain of J [T]) at theta_k + t step for one of `CASES`."""
    sample = samples(1000)[CASES[case]]
    step = full_step(sample, delta)
    t = np.linspace(0, end, points)
    thetas = [POLICY.theta + x * step for x in t]
    L, kl = np.array([sample.evaluate(theta) for theta in thetas]).T
    return t, L, kl, np.array([gain(theta) for theta in thetas])


# the bug hunt: searches that are wrong in one place each
# (sample, step, delta, backtrack, max_backtracks) -> (theta, what the log says of it)


def right_search(sample, step, delta, backtrack, max_backtracks):
    """As on the page."""
    for j in range(max_backtracks + 1):
        theta = POLICY.theta + backtrack**j * step
        L, kl = sample.evaluate(theta)
        if L > 0 and kl <= delta:
            return theta, (L, kl, j + 1)
    return POLICY.theta, (0.0, 0.0, j + 1)


def overwritten(sample, step, delta, backtrack, max_backtracks):
    """The full step is assigned after the search."""
    theta, log_line = right_search(sample, step, delta, backtrack, max_backtracks)
    theta = POLICY.theta + step
    return theta, log_line


def not_restored(sample, step, delta, backtrack, max_backtracks):
    """No "else theta_k": the last try stays in the policy."""
    for j in range(max_backtracks + 1):
        theta = POLICY.theta + backtrack**j * step
        L, kl = sample.evaluate(theta)
        if L > 0 and kl <= delta:
            break
    return theta, (L, kl, j + 1)


def accumulating(sample, step, delta, backtrack, max_backtracks):
    """An accepted try becomes the new start; the loop goes on, for a larger L."""
    theta, best, shown = POLICY.theta, 0.0, 0.0
    for j in range(max_backtracks + 1):
        candidate = theta + backtrack**j * step
        L, kl = sample.evaluate(candidate)
        if L > best and kl <= delta:
            theta, best, shown = candidate, L, kl
    return theta, (best, shown, j + 1)


def no_kl_test(sample, step, delta, backtrack, max_backtracks):
    """Only L is tested."""
    for j in range(max_backtracks + 1):
        theta = POLICY.theta + backtrack**j * step
        L, kl = sample.evaluate(theta)
        if L > 0:
            return theta, (L, kl, j + 1)
    return POLICY.theta, (0.0, 0.0, j + 1)


def other_direction(sample, step, delta, backtrack, max_backtracks):
    """KL(new || old) is tested, and logged."""
    for j in range(max_backtracks + 1):
        theta = POLICY.theta + backtrack**j * step
        L, _ = sample.evaluate(theta)
        kl = reverse_kl(sample, theta)
        if L > 0 and kl <= delta:
            return theta, (L, kl, j + 1)
    return POLICY.theta, (0.0, 0.0, j + 1)


def reverse_kl(sample, theta):
    """Mean KL(new || old) over the sample's states."""
    return float(sample.old.with_theta(theta).kl(sample.old).mean())


suspects = {
    "A": no_kl_test,
    "B": accumulating,
    "C": right_search,
    "D": not_restored,
    "E": overwritten,
    "F": other_direction,
}


def symptoms(search, count=400, delta=1.0, backtrack=0.8, max_backtracks=2):
    """What one search does to the same updates: a dict of shares and means."""
    rows = []
    for sample in samples(1000)[:count]:
        theta, (_, said, used) = search(
            sample, full_step(sample, delta), delta, backtrack, max_backtracks
        )
        L, kl = sample.evaluate(theta)
        kept = np.array_equal(theta, POLICY.theta)
        rows.append((said <= delta, kl > delta, kl / delta, L <= 0 and not kept,
                     kept, used))  # fmt: skip
    said, over, ratio, down, kept, used = np.array(rows, float).T
    return {"log": said.mean(), "over": over.mean(), "mean": ratio.mean(),
            "max": ratio.max(), "down": down.mean(), "kept": kept.mean(),
            "tries": used.mean()}  # fmt: skip


def with_and_without(delta, rows, count=200):
    """What full and searched steps do, from `count` samples of `rows` steps: a dict."""
    found = []
    for sample in samples(count, rows, seed=1):
        step = full_step(sample, delta)
        end = line_search(sample.evaluate, POLICY.theta, step, delta)
        first = end.tried[0]
        gains = gain(POLICY.theta + step), gain(end.theta)
        found.append((first.kl / delta, first.surrogate <= 0, *gains))
    ratio, down, full, searched = np.array(found, float).T
    return {"over": (ratio > 1).mean(), "max": ratio.max(), "down": down.mean(),
            "J full": (full < 0).mean(), "J searched": (searched < 0).mean(),
            "gain full": full.mean(), "gain searched": searched.mean()}  # fmt: skip


# --- pictures


def draw_gallery():
    """L of the sample and true J along the full step, for the three cases -> Figure."""
    from matplotlib.legend_handler import HandlerTuple

    figure, panels = plots.figure(1, 3, (7.5, 3.9), sharex=True)
    for axes, case in zip(panels, CASES, strict=True):
        t, L, kl, J = ray(case, DELTA)
        outside = t[kl > DELTA]
        if outside.size:
            grey = axes.axvspan(outside[0], t[-1], color=style.GREY, alpha=0.3, lw=0)
        L = L / (1 - WORLD.gamma)
        axes.axhline(0, color=style.INK, linewidth=1)
        (promised,) = axes.plot(t, L, color=style.BLUE)
        (true,) = axes.plot(t, J, "--", color=style.RED)
        full = np.argmin(np.abs(t - 1))
        (dot,) = axes.plot(t[full], L[full], "o", color=style.BLUE, markersize=8)
        (square,) = axes.plot(t[full], J[full], "s", color=style.RED, markersize=8)
        low, high = min(L.min(), J.min()), max(L.max(), J.max())
        pad = 0.12 * (high - low)
        axes.set(xlim=(0, 1.1), ylim=(low - pad, high + pad), title=case)
        axes.set_xticks([0, 0.5, 1])
        axes.locator_params(axis="y", nbins=5)
        axes.set_xlabel("share of the full step")
    panels[0].set_ylabel("gain (reward units)")
    figure.legend(
        [promised, true, (dot, square), grey],
        ["L of the sample", "true J", "full step", "KL > δ"],
        handler_map={tuple: HandlerTuple(None)},
        loc="outside lower center",
        ncols=4,
    )
    return figure


gallery = Picture(
    draw_gallery,
    "Three panels over the share of the full step. First: L and J rise, and the end "
    "lies in the grey zone where KL exceeds delta. Second: both rise a little, then "
    "fall below 0. Third: L rises and J falls from the very start, inside the limit.",
)

# --- widgets

LOWEST = -1.6  # where the left picture ends


def _ray_at(case, delta, backtrack):
    """(promise of the full step, the search on its ray) for one of `CASES`."""
    sample = samples(1000)[CASES[case]]
    step = full_step(sample, delta)
    search = line_search(sample.evaluate, POLICY.theta, step, delta, backtrack)
    return sample.gradient() @ step, search


def draw_ray(case, delta, backtrack):
    """Left L, right KL, over the share of the full step, with every try -> Figure.

    L is drawn as a share of what the full step promises, KL in units of delta: so the
    axes stay. Tries below the left picture's end are drawn at its edge.
    """
    promise, search = _ray_at(case, delta, backtrack)
    t, L, kl, _ = ray(case, delta)
    figure, (left, right) = plots.figure(1, 2, (7.5, 4.1))
    curves = (left, t, L / promise), (right, t**2, kl / delta)
    tried = np.array([(x.scale, x.surrogate / promise, x.kl / delta)
                      for x in search.tried]).T  # fmt: skip
    tried[1] = np.maximum(tried[1], LOWEST + 0.06)
    last = len(search.tried) - search.accepted  # crosses before, a dot from here on
    for (axes, taylor, true), y in zip(curves, tried[1:], strict=True):
        axes.plot(t, taylor, ":", color=style.INK, linewidth=1.5)
        axes.plot(t, true, color=style.INK, linewidth=1.7)
        axes.plot(tried[0, :last], y[:last], "X", color=style.RED, markersize=9)
        axes.plot(tried[0, last:], y[last:], "o", color=style.BLUE, markersize=11)
        axes.set(xlim=(0, 1.1), xlabel="share of the full step")
    left.axhline(0, color=style.GREY, linewidth=2)
    right.axhline(1, color=style.GREY, linewidth=2)
    left.set(ylim=(LOWEST, 1.15), ylabel="L / promise of the full step")
    right.set(ylim=(0, 2.3), ylabel="mean KL / δ")
    j = search.backtracks
    ending = f"●  accepted at j = {j}" if search.accepted else "none accepted"
    plots.words_above(
        left,
        (f"✖  tried and failed: {last}", style.RED),
        (ending, style.BLUE),
        ("──  L    ···  its line    grey: 0", style.INK),
    )
    J = number(gain(search.theta), "+.4f")
    plots.words_above(
        right,
        (f"true gain of J: {J}", style.INK),
        ("──  KL    ···  its bowl    grey: δ", style.INK),
    )
    return figure


def ray_words(case, delta, backtrack):
    """What `draw_ray` shows, in words."""
    promise, search = _ray_at(case, delta, backtrack)
    end = search.tried[-1]
    found = (
        f"L is {number(end.surrogate / promise, '.2f')} of the full step's promise and "
        f"the KL {number(end.kl / delta, '.2f')} delta"
    )
    ending = (
        f"The blue dot at share {end.scale:.2f} is accepted: there {found}."
        if search.accepted
        else f"No try is accepted; at the last one, share {end.scale:.2f}, {found}."
    )
    failed = len(search.tried) - search.accepted
    return (
        "Left the sample's L beside its line, right its KL beside its bowl, over the "
        f"share of the full step, for the update '{case}' at delta {delta:g}. "
        f"{failed} red crosses are tries that failed a test. {ending} "
        f"The true gain of J is {number(gain(search.theta), '+.4f')}."
    )


along = Widget(
    draw_ray,
    ray_words,
    {
        "case": Choice("update", tuple(CASES), "L down"),
        "delta": Steps("limit δ", (0.001, 0.01, 0.03, 0.1, 0.3, 1.0), 0.1),
        "backtrack": Slider("backtrack α", 0.3, 0.95, 0.05, 0.8),
    },
)

# --- exercises


@dataclass(frozen=True)
class Tries:
    """A made-up world to search in: what evaluate says of each try, (L, KL) in turn.

    Anywhere else, and after the last of `values`, `elsewhere`.
    """

    old: np.ndarray
    step: np.ndarray
    backtrack: float
    values: tuple
    elsewhere: tuple = (-1.0, 9.0)

    def __call__(self, theta):
        for j, found in enumerate(self.values):
            if np.allclose(theta, self.old + self.backtrack**j * self.step, rtol=0):
                return found
        return self.elsewhere


def accepted_stub(L, kl, delta):
    """Which candidates pass both tests: L, kl [N] -> bool [N]."""
    finite = np.isfinite(L) & np.isfinite(kl)
    return finite & ...


def accepted_reference(L, kl, delta):
    """Which candidates pass both tests: L, kl [N] -> bool [N]."""
    finite = np.isfinite(L) & np.isfinite(kl)
    return finite & (L > 0) & (kl <= delta)


def accepts_zero(L, kl, delta):
    return np.isfinite(L) & np.isfinite(kl) & (L >= 0) & (kl <= delta)


def strict_limit(L, kl, delta):
    return np.isfinite(L) & np.isfinite(kl) & (L > 0) & (kl < delta)


def only_kl(L, kl, delta):
    return np.isfinite(L) & np.isfinite(kl) & (kl <= delta)


def only_l(L, kl, delta):
    return np.isfinite(L) & np.isfinite(kl) & (L > 0)


def either(L, kl, delta):
    return np.isfinite(L) & np.isfinite(kl) & ((L > 0) | (kl <= delta))


def loose_limit(L, kl, delta):
    return np.isfinite(L) & np.isfinite(kl) & (L > 0) & (kl <= 1.5 * delta)


def a_loss(L, kl, delta):
    return np.isfinite(L) & np.isfinite(kl) & (L < 0) & (kl <= delta)


def accepted_cases(rng):
    first = [0.3, 0.0, -0.2, 0.1, np.nan, 0.2, np.inf, 0.2, 0.4, 0.0, 0.02]
    kl = [0.3, 0.05, 0.05, 0.1, 0.02, np.nan, 0.01, 0.01, 0.13, 0.3, 0.05]
    L = rng.standard_normal(12)
    return [
        (np.array(first), np.array(kl), 0.1),
        (L, rng.uniform(0, 0.02, 12), 0.01),
    ]


accepted = Exercise(
    name="accepted",
    minutes=4,
    difficulty=1,
    stub=accepted_stub,
    reference=accepted_reference,
    mistakes={
        "L = 0 is accepted: that is the slide's test, which also passes a step "
        "that gains nothing": accepts_zero,
        "KL = delta is rejected, and the limit allows it": strict_limit,
        "the test of L is missing": only_kl,
        "the test of KL is missing": only_l,
        "one test is enough here: both must pass": either,
        "1.5 delta is Baselines' limit; here it is delta": loose_limit,
        "L is maximised here, it is not a loss": a_loss,
    },
    hints=(
        "Two comparisons, joined as arrays.",
        "L must be above 0, KL at most delta; & joins arrays and needs brackets.",
        "finite & (L > 0) & (kl <= delta)",
    ),
    cases=accepted_cases,
)


def searched_stub(evaluate, theta, step, delta, backtrack, max_backtracks):
    """theta_{k+1} after a line search from theta, [n]."""
    for j in range(max_backtracks + 1):
        theta = theta + backtrack**j * step
        L, kl = evaluate(theta)
        if L > 0 and kl <= delta:
            return theta
    return theta


def searched_reference(evaluate, theta, step, delta, backtrack, max_backtracks):
    """theta_{k+1} after a line search from theta, [n]."""
    for j in range(max_backtracks + 1):
        candidate = theta + backtrack**j * step
        L, kl = evaluate(candidate)
        if L > 0 and kl <= delta:
            return candidate
    return theta


def last_try_kept(evaluate, theta, step, delta, backtrack, max_backtracks):
    for j in range(max_backtracks + 1):
        candidate = theta + backtrack**j * step
        L, kl = evaluate(candidate)
        if L > 0 and kl <= delta:
            break
    return candidate


def still_adds_up(evaluate, theta, step, delta, backtrack, max_backtracks):
    candidate = theta
    for j in range(max_backtracks + 1):
        candidate = candidate + backtrack**j * step
        L, kl = evaluate(candidate)
        if L > 0 and kl <= delta:
            return candidate
    return theta


def full_on_failure(evaluate, theta, step, delta, backtrack, max_backtracks):
    for j in range(max_backtracks + 1):
        candidate = theta + backtrack**j * step
        L, kl = evaluate(candidate)
        if L > 0 and kl <= delta:
            return candidate
    return theta + step


def same_shrink(evaluate, theta, step, delta, backtrack, max_backtracks):
    for _ in range(max_backtracks + 1):
        candidate = theta + backtrack * step
        L, kl = evaluate(candidate)
        if L > 0 and kl <= delta:
            return candidate
    return theta


def only_kl_tested(evaluate, theta, step, delta, backtrack, max_backtracks):
    for j in range(max_backtracks + 1):
        candidate = theta + backtrack**j * step
        if evaluate(candidate)[1] <= delta:
            return candidate
    return theta


def only_l_tested(evaluate, theta, step, delta, backtrack, max_backtracks):
    for j in range(max_backtracks + 1):
        candidate = theta + backtrack**j * step
        if evaluate(candidate)[0] > 0:
            return candidate
    return theta


def only_full(evaluate, theta, step, delta, backtrack, max_backtracks):
    return searched_reference(evaluate, theta, step, delta, backtrack, 0)


def never_full(evaluate, theta, step, delta, backtrack, max_backtracks):
    for j in range(1, max_backtracks + 2):
        candidate = theta + backtrack**j * step
        L, kl = evaluate(candidate)
        if L > 0 and kl <= delta:
            return candidate
    return theta


def last_try_missing(evaluate, theta, step, delta, backtrack, max_backtracks):
    fewer = max_backtracks - 1
    return searched_reference(evaluate, theta, step, delta, backtrack, fewer)


def best_try(evaluate, theta, step, delta, backtrack, max_backtracks):
    best, highest = theta, 0.0
    for j in range(max_backtracks + 1):
        candidate = theta + backtrack**j * step
        L, kl = evaluate(candidate)
        if L > highest and kl <= delta:
            best, highest = candidate, L
    return best


def goes_on_from_there(evaluate, theta, step, delta, backtrack, max_backtracks):
    for j in range(max_backtracks + 1):
        candidate = theta + backtrack**j * step
        L, kl = evaluate(candidate)
        if L > 0 and kl <= delta:
            theta = candidate
    return theta


def goes_on_if_better(evaluate, theta, step, delta, backtrack, max_backtracks):
    highest = 0.0
    for j in range(max_backtracks + 1):
        candidate = theta + backtrack**j * step
        L, kl = evaluate(candidate)
        if L > highest and kl <= delta:
            theta, highest = candidate, L
    return theta


def nan_taken(evaluate, theta, step, delta, backtrack, max_backtracks):
    for j in range(max_backtracks + 1):
        candidate = theta + backtrack**j * step
        L, kl = evaluate(candidate)
        if L <= 0 or kl > delta:
            continue
        return candidate
    return theta


def searched_cases(rng):
    """In each, one thing decides; delta = .1 in all but the last."""
    good = 0.2, 0.05
    tables = {
        "the full step passes": ((good, good), 3),
        "only L fails": (((-0.1, 0.05), good), 3),
        "only KL fails": (((0.3, 0.2), (0.2, 0.11), good), 3),
        "L = 0 is no gain": (((0.0, 0.05), good), 3),
        "KL = delta is allowed": (((0.2, 0.1), good), 3),
        "the last try passes": (((0.3, 0.2), (-0.1, 0.05), good), 2),
        "the next would have passed": (((0.3, 0.2), (-0.1, 0.05), good), 1),
        "none passes": (((-0.1, 0.2),) * 5, 4),
        "a later try is better": (((0.2, 0.05), (0.4, 0.05)), 3),
        "better from there on": ((good,), 3, (0.3, 0.05)),
        "what is no try would pass": (((-0.1, 0.05), good), 3, (0.3, 0.05)),
        "what is no try would pass, no try does": (((-0.1, 0.2),) * 5, 4, good),
        "NaN passes no test": (((np.nan, np.nan), good), 3),
    }
    cases = []
    for values, limit, *elsewhere in tables.values():
        old, step = rng.standard_normal((2, len(cases) % 3 + 2))
        world = Tries(old, step, 0.7, values, *elsewhere)
        cases.append((world, old, step, 0.1, 0.7, limit))
    # another delta, another backtrack
    old, step = rng.standard_normal((2, 3))
    world = Tries(old, step, 0.4, ((0.2, 0.06), (0.2, 0.03), good))
    return [*cases, (world, old, step, 0.04, 0.4, 3)]


searched = Exercise(
    name="searched",
    minutes=8,
    difficulty=2,
    stub=searched_stub,
    reference=searched_reference,
    mistakes={
        "one bug is left: if no try passes, the last one is returned": last_try_kept,
        "one bug is left: each try starts from the one before": still_adds_up,
        "if no try passes, this takes the full step, untested": full_on_failure,
        "every try is backtrack times the step: the power j is missing": same_shrink,
        "the test of L is missing": only_kl_tested,
        "the test of KL is missing": only_l_tested,
        "the full step is never tried: j starts at 0": never_full,
        "only the full step is tried: if it fails, shorter ones follow": only_full,
        "one try is missing: j = 0, ..., max_backtracks": last_try_missing,
        "the first try that passes is taken, not the best": best_try,
        "the first try that passes ends the search; this one goes on from it": (
            goes_on_from_there
        ),
        "the first try that passes ends the search; this one goes on while L rises": (
            goes_on_if_better
        ),
        "NaN passes: ask whether L > 0 and KL <= delta, not whether they fail": (
            nan_taken
        ),
    },
    hints=(
        "Follow the name theta through the loop. What does it mean at j = 1?",
        "A try needs a name of its own; theta must still be theta_k at the end.",
        "candidate = theta + backtrack**j * step; test and return candidate; after the "
        "loop return theta.",
    ),
    cases=searched_cases,
)


@dataclass(frozen=True)
class Ray:
    """A made-up world along a step: evaluate(old + share * step) -> (L, KL).

    L is above 0 for shares below `gain`, KL at most `delta` for those up to `near`;
    beyond `known` both are NaN. Off the ray both are bad.
    """

    old: np.ndarray
    step: np.ndarray
    gain: float
    near: float
    known: float = np.inf
    delta: float = 0.125

    def __call__(self, theta):
        moved = np.asarray(theta) - self.old
        share = round(float(moved @ self.step / (self.step @ self.step)), 12)
        if not np.allclose(moved, share * self.step, rtol=0):
            return -1.0, 9.0
        if share > self.known:
            return np.nan, np.nan
        return self.gain - share, self.delta * share / self.near


def refined_stub(evaluate, theta, step, delta, backtrack, tries, halvings):
    """The longest try that passes both tests, else theta, [n].

    evaluate(theta) -> L, KL, as on the page.
    """
    ...  # your code


def refined_reference(evaluate, theta, step, delta, backtrack, tries, halvings):
    """The longest try that passes both tests, else theta, [n]."""

    def passes(share):
        L, kl = evaluate(theta + share * step)
        return L > 0 and kl <= delta

    if passes(1.0):
        return theta + step
    for j in range(1, tries):
        short, long = backtrack**j, backtrack ** (j - 1)  # long has failed
        if passes(short):
            for _ in range(halvings):
                middle = (short + long) / 2
                if passes(middle):
                    short = middle
                else:
                    long = middle
            return theta + short * step
    return theta


def bracket(passes, backtrack, tries):
    """(share that passes, the one before); the latter None at once, both if none."""
    long = None
    for j in range(tries):
        if passes(backtrack**j):
            return backtrack**j, long
        long = backtrack**j
    return None, None


def refined_by(narrow, beyond=False, lost=0.0):
    """A search whose halvings `narrow(passes, short, long, halvings) -> share`."""

    def answer(evaluate, theta, step, delta, backtrack, tries, halvings):
        def passes(share):
            L, kl = evaluate(theta + share * step)
            return L > 0 and kl <= delta

        short, long = bracket(passes, backtrack, tries)
        if short is None:
            return theta + lost * backtrack ** (tries - 1) * step
        if long is None and not beyond:
            return theta + step
        long = 1 / backtrack if long is None else long
        return theta + narrow(passes, short, long, halvings) * step

    return answer


def ends(passes, short, long, halvings, turned=False):
    """(short, long, the last middle) after the halvings; `turned` keeps the other."""
    middle = short
    for _ in range(halvings):
        middle = (short + long) / 2
        if passes(middle) != turned:
            short = middle
        else:
            long = middle
    return short, long, middle


def halved(*given):
    return ends(*given)[0]


def failed_end(*given):
    return ends(*given)[1]


def last_middle(*given):
    return ends(*given)[2]


def wrong_half(*given):
    return ends(*given, turned=True)[0]


def from_the_full_step(passes, short, long, halvings):
    return halved(passes, short, 1.0, halvings)


def first_middle(passes, short, long, halvings):
    middle = (short + long) / 2
    return middle if halvings and passes(middle) else short


def untested(test):
    """The reference, with only one of the two tests in its halvings."""

    def answer(evaluate, theta, step, delta, backtrack, tries, halvings):
        def narrow(passes, short, long, halvings):
            def one(share):
                L, kl = evaluate(theta + share * step)
                return L > 0 if test == "L" else kl <= delta

            return halved(one, short, long, halvings)

        return refined_by(narrow)(
            evaluate, theta, step, delta, backtrack, tries, halvings
        )

    return answer


def nan_passes(evaluate, theta, step, delta, backtrack, tries, halvings):
    """The reference, with tests that only refuse what is too small or too large."""

    def hopeful(theta):
        L, kl = evaluate(theta)
        return (1.0, 0.0) if not (L <= 0 or kl > delta) else (-1.0, 0.0)

    return refined_reference(hopeful, theta, step, delta, backtrack, tries, halvings)


def from_zero(evaluate, theta, step, delta, backtrack, tries, halvings):
    def passes(share):
        L, kl = evaluate(theta + share * step)
        return L > 0 and kl <= delta

    return theta + (1 if passes(1) else halved(passes, 0, 1, halvings)) * step


def refined_cases(rng):
    """In each, one thing decides; delta = .125 in all but the last."""
    tables = {
        "the full step passes, and more would": (9.0, 1.3, 0.5, 4, 3),
        "the full step just passes": (9.0, 1.05, 0.5, 4, 3),
        "only KL fails": (9.0, 0.6, 0.5, 4, 4),
        "only L fails": (0.6, 9.0, 0.5, 4, 4),
        "KL = delta is allowed": (9.0, 0.75, 0.5, 4, 3),
        "L = 0 is no gain": (0.625, 9.0, 0.5, 4, 3),
        "the second backtrack passes": (9.0, 0.4, 0.5, 5, 3),
        "the last try passes": (9.0, 0.26, 0.5, 3, 3),
        "the next would have passed": (9.0, 0.2, 0.5, 3, 3),
        "nothing passes": (-1.0, 9.0, 0.7, 6, 2),
        "no halvings": (9.0, 0.9, 0.8, 4, 0),
        "another backtrack": (0.79, 9.0, 0.8, 10, 5),
        "one try": (9.0, 0.9, 0.5, 1, 3),
        "the full step gives NaN": (9.0, 9.0, 0.5, 4, 3, 0.6),
        "all tries give NaN": (9.0, 9.0, 0.5, 3, 3, 0.1),
    }
    cases = []
    for gain, near, backtrack, tries, halvings, *known in tables.values():
        old, step = rng.standard_normal((2, len(cases) % 3 + 2))
        world = Ray(old, step, gain, near, *known)
        cases.append((world, old, step, 0.125, backtrack, tries, halvings))
    old, step = rng.standard_normal((2, 3))
    world = Ray(old, step, 9.0, 0.6, delta=0.5)
    return [*cases, (world, old, step, 0.5, 0.5, 4, 4)]


refined = Exercise(
    name="refined",
    minutes=15,
    difficulty=3,
    stub=refined_stub,
    reference=refined_reference,
    mistakes={
        "this is the page's search: the halvings between the last failure and the "
        "first success are missing": refined_by(lambda passes, short, *_: short),
        "the last middle is returned, passed or not: keep the longest that passed": (
            refined_by(last_middle)
        ),
        "the wrong half is kept: where the middle passes, look above it": refined_by(
            wrong_half
        ),
        "this returns the end that failed": refined_by(failed_end),
        "the upper end is the last try that failed, not the full step": refined_by(
            from_the_full_step
        ),
        "one halving only: `halvings` says how many": refined_by(first_middle),
        "where the full step passes it is taken: nothing beyond it is tried": (
            refined_by(halved, beyond=True)
        ),
        "if no try passes, theta must come back, not the last try": refined_by(
            halved, lost=1.0
        ),
        "the halvings test KL only: L must stay above 0, too": untested("kl"),
        "the halvings test L only: KL must stay within delta, too": untested("L"),
        "NaN passes: ask whether L > 0 and KL <= delta, not whether they fail": (
            nan_passes
        ),
        "this halves between 0 and the full step: first shrink by backtrack, at most "
        "as often as it takes": from_zero,
    },
    hints=(
        "Two searches, one after the other. The first is the page's. What do you know "
        "about the step just before the one that passes?",
        "Work with shares of the step: short passes, long fails. Halve between them; a "
        "middle that passes is the new short, one that fails the new long.",
        "A helper passes(share) keeps it short. First: does the full step pass? Then "
        "for j = 1, 2, ...: short = backtrack**j, long = backtrack ** (j - 1).",
        "When passes(short): halve `halvings` times and return theta + short * step. "
        "After the loop over j: return theta.",
    ),
    cases=refined_cases,
)


pictures = (gallery,)
widgets = (along,)
exercises = (accepted, searched, refined)
progress = Progress(exercises)
