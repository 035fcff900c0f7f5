"""Notebook 03: importance sampling, the surrogate L and where it stops being J."""

from functools import lru_cache

import numpy as np

from trpo_lite import lqr, plots, style
from trpo_lite.course.engine import Exercise, Progress
from trpo_lite.course.table import number
from trpo_lite.course.widgets import Picture, Slider, Widget
from trpo_lite.mdp import (
    evaluate,
    random_mdp,
    random_policy,
    road_and_ice,
    shared_policy,
)
from trpo_lite.surrogate import effective_sample_size
from trpo_lite.surrogate import surrogate as exact_surrogate

# --- worlds

LQR_START, LQR_END = np.array([-0.055, 0.36]), np.array([-1.083, 0.715])


def exact_price(p, p_old=0.1, gamma=0.9):
    """(mean, variance of one term, share of the draws that count), exact, on the road.

    One term is r A(road, a) with a drawn from p_old; the share is 1 / E[r^2].
    """
    old = evaluate(road_and_ice(gamma), shared_policy(p_old))
    A, new, before = old.advantage[0], shared_policy(p)[0], shared_policy(p_old)[0]
    ratio = new / before
    mean = new @ A
    return mean, before @ (ratio * A) ** 2 - mean**2, 1 / (before @ ratio**2)


@lru_cache(maxsize=64)
def road_curves(p_old, gamma, points=51):
    """(p, eta(p), L(p)) on the road and ice world; each [points]."""
    world, p = road_and_ice(gamma), np.linspace(0, 1, points)
    old = evaluate(world, shared_policy(p_old))
    policies = [shared_policy(x) for x in p]
    eta = [evaluate(world, pi).performance - old.performance for pi in policies]
    return p, np.array(eta), np.array([exact_surrogate(old, pi) for pi in policies])


def lqr_policy(x):
    """(k, sigma) at position x in [0, 1] of the page's straight path."""
    return (1 - x) * LQR_START + x * LQR_END


@lru_cache(maxsize=1)
def lqr_curves(points=41):
    """(x, eta(x), L(x)) along the path, gamma = .9, no state noise; each [points]."""
    world, x = lqr.scalar_lqr(), np.linspace(0, 1, points)
    eta = [lqr.improvement(world, LQR_START, lqr_policy(at)) for at in x]
    L = [lqr.surrogate(world, LQR_START, lqr_policy(at)) for at in x]
    return x, np.array(eta), np.array(L)


def state_moments(x, horizon=30):
    """gamma^t E[s_t^2] for t = 0 ... horizon, at position x; its sum tends to M."""
    gain, std = lqr_policy(x)
    moment = np.ones(horizon + 1)  # E[s_0^2] = 1
    for t in range(horizon):
        moment[t + 1] = (1 + gain) ** 2 * moment[t] + std**2
    return 0.9 ** np.arange(horizon + 1) * moment


# --- pictures

TRUTH = dict(color=style.BLUE, linestyle="-")
PROMISE = dict(color=style.RED, linestyle="--")


def _legend_above(axes, columns=1):
    axes.legend(
        loc="lower left",
        bbox_to_anchor=(0, 1),
        ncol=columns,
        borderaxespad=0.2,
        columnspacing=1.2,
    )


def draw_price(n=200, seed=0, p_old=0.1):
    """Estimates with intervals, and the effective share, over p -> Figure."""
    figure, (left, right) = plots.figure(1, 2, (7.6, 3.6))
    grid = np.linspace(0, 1, 101)
    exact = np.array([exact_price(p, p_old) for p in grid])
    A = evaluate(road_and_ice(), shared_policy(p_old)).advantage[0]
    rng = np.random.default_rng(seed)
    for i, p in enumerate(np.linspace(0.05, 0.95, 10)):
        taken = (rng.random(n) < p_old).astype(int)  # fresh draws for every dot
        ratio = (shared_policy(p) / shared_policy(p_old))[0, taken]
        terms = ratio * A[taken]
        half = 1.96 * terms.std(ddof=1) / np.sqrt(n)
        words = f"{n} draws, 95 % interval" if i == 0 else None
        left.errorbar(
            p, terms.mean(), half, fmt="o", color=style.RED, capsize=3, label=words
        )
        words = f"{n} draws" if i == 0 else None
        share = effective_sample_size(ratio) / n
        right.plot(p, share, "o", color=style.RED, label=words)
    left.plot(grid, exact[:, 0], label="exact", **TRUTH)
    right.plot(grid, exact[:, 2], label=r"exact, 1/E[$r^2$]", **TRUTH)
    for axes, height in ((left, 0.93), (right, 0.04)):
        axes.axvline(p_old, color=style.INK, linestyle=":", linewidth=1.5)
        place = axes.get_xaxis_transform()
        axes.text(p_old + 0.02, height, "old policy", size=11, transform=place)
        axes.set(xlabel="p of the new policy", xlim=(-0.02, 1.02))
        _legend_above(axes)
    left.set_ylabel("mean of A(road, a) under p")
    right.set(ylabel="effective share of the draws", ylim=(0, 1.08))
    return figure


price = Picture(
    draw_price,
    "Left: estimates from 200 draws around the exact line; the intervals grow with p, "
    "but for chance. Right: the effective share of the draws is 1 at p = 0.1 and falls "
    "towards 0.1 at p = 1.",
)


def draw_estimates(rows):
    """L and eta of the old driver p = .1 with estimates from his paths -> Figure.

    rows : (p, L, its estimate, eta, its estimate), the estimates as (mean, half-width).
    """
    figure, axes = plots.figure(size=(7.2, 3.9))
    grid, truth, promise = road_curves(0.1, 0.9)
    axes.plot(grid, promise, **PROMISE)
    axes.plot(grid, truth, **TRUTH)
    flat = [(p, *L, *eta) for p, _, L, _, eta in rows]
    at, L, L_half, eta, eta_half = np.transpose(flat)
    axes.errorbar(
        at - 0.006, L, L_half, fmt="s", color=style.RED, capsize=4, markersize=5
    )
    axes.errorbar(
        at + 0.006, eta, eta_half, fmt="o", color=style.BLUE, capsize=4, markersize=6
    )
    axes.axhline(0, color=style.INK, linewidth=0.8)
    axes.text(0.66, 5.2, "L, one ratio", color=style.RED, ha="right")
    blue = dict(color=style.ink(style.BLUE), ha="right")
    axes.text(0.64, -1.7, "exact η", **blue)
    axes.text(1.0, 1.55, "η estimated,\nall ratios", **blue)
    axes.set(xlabel="p of the new policy", ylabel="improvement (reward units)")
    return figure


estimates = Picture(
    draw_estimates,
    "L is a rising line and its estimates sit on it with small intervals. The truth "
    "bends down below zero, while its estimates from products of ratios stay above "
    "zero and miss it clearly at p = 0.8.",
)


def draw_gap(h, promise, gap, wrong_gap):
    """Sizes of L, of its gap and of a wrong surrogate's gap over h -> Figure."""
    figure, axes = plots.figure(size=(7.0, 3.9))
    curves = (  # with a place for the words, as shares of the picture
        (promise, "|L|: slope 1", style.LINES[1], (0.03, 0.8)),
        (wrong_gap, "gap with uniform visits: slope 1", style.LINES[3], (0.03, 0.42)),
        (gap, "gap |η − L|: slope 2", style.LINES[0], (0.45, 0.2)),
    )
    for y, words, line, place in curves:
        axes.loglog(h, y, marker="o", markersize=4, **line)
        axes.text(
            *place, words, color=style.ink(line["color"]), transform=axes.transAxes
        )
    axes.set(xlabel="step size h", ylabel="size (reward units)")
    return figure


gap = Picture(
    draw_gap,
    "Three straight lines on logarithmic axes: the size of L with slope 1, the gap "
    "between truth and L with slope 2, far below it for small steps, and the gap with "
    "uniform visits with slope 1.",
)

# --- widgets


def _road_at(p, p_old, gamma):
    """(evaluation of the old policy, of the new, L, eta) on the road and ice."""
    world = road_and_ice(gamma)
    old, new = (evaluate(world, shared_policy(x)) for x in (p_old, p))
    return old, new, exact_surrogate(old, new.pi), new.performance - old.performance


def draw_road(p, p_old, gamma):
    """L and eta over p with both visitations at the chosen p -> Figure."""
    figure, (left, right) = plots.figure(1, 2, (7.6, 3.6), width_ratios=(1.7, 1))
    grid, eta, L = road_curves(p_old, gamma)
    left.plot(grid, L, **PROMISE)
    left.plot(grid, eta, **TRUTH)
    left.axvline(p_old, color=style.INK, linestyle=":", linewidth=1.5)
    left.axhline(0, color=style.INK, linewidth=0.8)
    old, new, *here = _road_at(p, p_old, gamma)
    left.plot([p, p], here, "o", color=style.INK, markersize=7)
    left.set(xlabel="p of the new policy", ylabel="reward units", xlim=(-0.02, 1.02))
    left.set_xticks((0, 0.5, 1))
    left.locator_params(axis="y", nbins=5)
    plots.words_above(
        left,
        (f"– –  L, the promise: {number(here[0], '.2f')} at p = {p:.2f}", style.RED),
        (f"──  η, the truth: {number(here[1], '.2f')} at p = {p:.2f}", style.BLUE),
        (f"···  old policy, p = {p_old:.2f};   ●  at p", style.INK),
    )
    places, width = np.arange(2), 0.4
    edge = dict(edgecolor=style.INK, linewidth=1)
    right.bar(places - 0.2, old.visitation, width, color=style.GREY, **edge)
    right.bar(
        places + 0.2, new.visitation, width, color=style.ORANGE, hatch="//", **edge
    )
    right.set_xticks(places, ("road", "ice"))
    right.set(ylabel="discounted visits d", ylim=(0, 1.05 / (1 - gamma)))
    right.locator_params(axis="y", nbins=4)
    right.grid(False, axis="x")
    plots.words_above(
        right,
        ("grey: old visits, used by L", style.INK),
        ("hatched: visits at p", style.INK),
    )
    return figure


def road_words(p, p_old, gamma):
    """What `draw_road` shows, in words."""
    old, new, L, eta = _road_at(p, p_old, gamma)
    (old_road, old_ice), (road, ice) = old.visitation, new.visitation
    return (
        "Left: over p, the promise L is a straight line that touches the truth at the "
        f"old policy, p = {p_old:.2f}; the truth bends away from it. At p = {p:.2f} "
        f"the promise is {number(L, '.2f')} and the truth {number(eta, '.2f')}. "
        "Right: bars of the discounted visits to road and ice, "
        f"{old_road:.1f} and {old_ice:.1f} under the old policy, "
        f"{road:.1f} and {ice:.1f} at p = {p:.2f}."
    )


road = Widget(
    draw_road,
    road_words,
    {
        "p": Slider("new policy p", 0.0, 1.0, 0.02, 0.8),
        "p_old": Slider("old policy p_old", 0.02, 0.98, 0.02, 0.1),
        "gamma": Slider("discount γ", 0.5, 0.98, 0.02, 0.9),
    },
)


def _lqr_at(x):
    """(L, eta, M of the old policy, M of the new) at position x of the path."""
    world, new = lqr.scalar_lqr(), lqr_policy(x)
    moments = (
        float(lqr.evaluate(world, *policy).state_moment[0, 0])
        for policy in (LQR_START, new)
    )
    values = (f(world, LQR_START, new) for f in (lqr.surrogate, lqr.improvement))
    return *values, *moments


def draw_lqr(x):
    """L and eta along the LQR path, and the state's size at x -> Figure."""
    figure, (left, right) = plots.figure(1, 2, (7.6, 3.6), width_ratios=(1.4, 1))
    grid, eta, L = lqr_curves()
    left.plot(grid, L, **PROMISE)
    left.plot(grid, eta, **TRUTH)
    left.axhline(0, color=style.INK, linewidth=0.8)
    *here, M, M_new = _lqr_at(x)
    left.plot([x, x], here, "o", color=style.INK, markersize=7)
    left.set(xlabel="position x on the path", ylabel="reward units", ylim=(-7, 26))
    left.set_xticks((0, 0.5, 1))
    left.set_yticks((0, 10, 20))
    plots.words_above(
        left,
        (f"– –  L, the promise: {number(here[0], '.1f')} at x = {x:.2f}", style.RED),
        (f"──  η, the truth: {number(here[1], '.1f')} at x = {x:.2f}", style.BLUE),
    )
    before, after = state_moments(0.0), state_moments(x)
    t = np.arange(len(before))
    right.fill_between(t, before, color=style.GREY, alpha=0.6)
    right.plot(t, after, **TRUTH)
    right.set(xlabel="time t (steps)", ylabel=r"$\gamma^t$ E[$s_t^2$]")
    right.set(ylim=(0, 1.1), xlim=(0, t[-1]))
    right.set_xticks((0, 15, 30))
    right.set_yticks((0, 0.5, 1))
    plots.words_above(
        right,
        (f"grey: old, used by L, M = {M:.1f}", style.INK),
        (f"──  at x: M' = {M_new:.1f}", style.BLUE),
    )
    return figure


def lqr_words(x):
    """What `draw_lqr` shows, in words."""
    L, eta, M, M_new = _lqr_at(x)
    return (
        "Left: along the path the promise L climbs to about 24 and falls back to 11, "
        "while the truth peaks near 5 early and falls below zero. "
        f"At x = {x:.2f} the promise is {number(L, '.1f')} and the truth "
        f"{number(eta, '.1f')}. Right: the discounted mean square of the state over "
        f"time; its sum is {M:.1f} under the old policy and {M_new:.1f} at x = {x:.2f}."
    )


lqr_path = Widget(draw_lqr, lqr_words, {"x": Slider("position x", 0.0, 1.0, 0.02, 0.8)})

# --- exercises


def judged_by_old_stub(f, log_prob, log_prob_old):
    """(mean, half width, worth) of f under pi, from N actions of pi_old.

    f [N] has each drawn action's value, log_prob and log_prob_old [N] its
    log pi and log pi_old.
    """
    ...  # your code


def judged_by_old_reference(f, log_prob, log_prob_old):
    """(mean, half width, worth) of f under pi, from N actions of pi_old."""
    ratio, root = np.exp(log_prob - log_prob_old), np.sqrt(len(f))
    terms = ratio * f
    mean, half = terms.mean(), 1.96 * terms.std(ddof=1) / root
    if abs(ratio.mean() - 1) > 1.96 * ratio.std(ddof=1) / root:
        return mean, half, 0.0  # these draws don't stand for pi
    direct = np.mean(ratio * (f - mean) ** 2)  # the variance of f under pi
    return mean, half, len(f) * direct / terms.var()


def judgement(f, ratio, direct=None, scale=1.96):
    """The reference's three numbers, from other ratios or another direct variance."""
    n, terms = len(f), ratio * f
    mean, half = terms.mean(), scale * terms.std(ddof=1) / np.sqrt(n)
    if abs(ratio.mean() - 1) > 1.96 * ratio.std(ddof=1) / np.sqrt(n):
        return mean, half, 0.0
    if direct is None:
        direct = np.mean(ratio * (f - mean) ** 2)
    return mean, half, n * direct / terms.var()


def inverted_ratio(f, log_prob, log_prob_old):
    return judgement(f, np.exp(log_prob_old - log_prob))


def no_ratio(f, log_prob, log_prob_old):
    return judgement(f, np.ones(len(f)))


def ratio_of_logs(f, log_prob, log_prob_old):
    return judgement(f, log_prob / log_prob_old)


def self_normalised(f, log_prob, log_prob_old):
    ratio = np.exp(log_prob - log_prob_old)
    return judgement(f, ratio / ratio.mean())


def underflowing(f, log_prob, log_prob_old):
    with np.errstate(invalid="ignore"):
        return judgement(f, np.exp(log_prob) / np.exp(log_prob_old))


def one_standard_error(f, log_prob, log_prob_old):
    return judgement(f, np.exp(log_prob - log_prob_old), scale=1.0)


def effective_size(f, log_prob, log_prob_old):
    ratio = np.exp(log_prob - log_prob_old)
    mean, half, worth = judgement(f, ratio)
    return mean, half, worth and ratio.sum() ** 2 / np.sum(ratio**2)


def old_variance(f, log_prob, log_prob_old):
    return judgement(f, np.exp(log_prob - log_prob_old), f.var())


def unweighted_squares(f, log_prob, log_prob_old):
    ratio = np.exp(log_prob - log_prob_old)
    return judgement(f, ratio, np.mean((f - (ratio * f).mean()) ** 2))


def at_most_n(f, log_prob, log_prob_old):
    mean, half, worth = judged_by_old_reference(f, log_prob, log_prob_old)
    return mean, half, min(worth, len(f))


def ratio_twice(f, log_prob, log_prob_old):
    ratio = np.exp(log_prob - log_prob_old)
    return judgement(f, ratio, np.mean(ratio * (ratio * f - (ratio * f).mean()) ** 2))


def around_the_old_mean(f, log_prob, log_prob_old):
    ratio = np.exp(log_prob - log_prob_old)
    return judgement(f, ratio, np.mean(ratio * (f - f.mean()) ** 2))


def by_squares(f, log_prob, log_prob_old):
    ratio = np.exp(log_prob - log_prob_old)
    return judgement(f, ratio, np.mean(ratio * f**2) - np.mean(ratio * f) ** 2)


def open_interval(f, log_prob, log_prob_old):
    mean, half, worth = judged_by_old_reference(f, log_prob, log_prob_old)
    return mean, half, 0.0 if (log_prob == log_prob_old).all() else worth


def always_believed(f, log_prob, log_prob_old):
    ratio = np.exp(log_prob - log_prob_old)
    mean, half, _ = judgement(f, ratio)
    direct = np.mean(ratio * (f - mean) ** 2)
    return mean, half, len(f) * direct / (ratio * f).var()


def only_too_low(f, log_prob, log_prob_old):
    ratio = np.exp(log_prob - log_prob_old)
    if ratio.mean() > 1:
        return always_believed(f, log_prob, log_prob_old)
    return judgement(f, ratio)


def judged_cases(rng):
    def drawn(n, level, spread, off=None):
        """Logarithms near `level`; the mean ratio lies `off` standard errors above 1.

        If that is None, where chance puts it.
        """
        log_prob_old = level - rng.uniform(0, 1.5, n)
        log_ratio = spread * rng.normal(size=n) - spread**2 / 2
        if off is not None:
            ratio = np.exp(log_ratio)
            error = ratio.std(ddof=1) / np.sqrt(n)
            log_ratio = log_ratio - np.log(ratio.mean() - off * error)
        return rng.normal(1, 1, n), log_prob_old + log_ratio, log_prob_old

    f, _, same = drawn(6, -1.0, 0.0)
    two = np.log([[0.7, 0.3], [0.9, 0.1]])[:, [0] * 9 + [1] * 2]  # slow and fast
    cases = [
        (f, same, same),  # pi is pi_old: N draws are worth N
        (np.array([-0.1] * 9 + [0.8] * 2), *two),
        drawn(40, -3.0, 0.6, off=0.4),
        drawn(20, -800.0, 0.5, off=-0.7),
        # on both sides of 1.96 standard errors, below and above 1
        drawn(8, -1.0, 0.5, off=-1.9),
        drawn(8, -1.0, 0.5, off=-2.02),
        drawn(8, -2.0, 0.4, off=1.9),
        drawn(8, -2.0, 0.4, off=2.02),
    ]
    # the page's case of 20 draws that are worth 45, and one ratio of 15
    rare = np.log([[0.8, 0.2], [0.9, 0.1]])[:, [0] * 18 + [1] * 2]
    cases.append((np.array([1.0] * 18 + [0.0] * 2), *rare))
    ratio = np.append(np.full(49, 35 / 49), 15.0)
    f, log_prob_old = rng.normal(1, 1, 50), -2 - rng.uniform(0, 1.5, 50)
    f[-1] = 0.05
    cases.append((f, log_prob_old + np.log(ratio), log_prob_old))
    return cases


judged_by_old = Exercise(
    name="judged_by_old",
    minutes=10,
    difficulty=2,
    stub=judged_by_old_stub,
    reference=judged_by_old_reference,
    mistakes={
        "the ratio is upside down: new over old, pi / pi_old": inverted_ratio,
        "no ratio: this is all under pi_old": no_ratio,
        "this divides the logarithms: the logarithm of a ratio is a difference": (
            ratio_of_logs
        ),
        "the ratios are divided by their mean: close, but biased, and what says that a "
        "part of pi is missing is gone": self_normalised,
        "each exp is taken by itself, and both are 0 at logarithms of -800: subtract "
        "first": underflowing,
        "this is one standard error: the interval takes 1.96 of them": (
            one_standard_error
        ),
        "this worth is N_eff, which knows nothing of f": effective_size,
        "the direct variance is of f under pi, and this is its variance under pi_old: "
        "use the ratio": old_variance,
        "the direct variance is of f under pi, and these squares are averaged under "
        "pi_old: use the ratio": unweighted_squares,
        "the worth may exceed N: pi_old can draw better than pi itself": at_most_n,
        "the direct variance is of f itself: the ratio weighs the squares, and belongs "
        "nowhere within them": ratio_twice,
        "the direct variance is around the mean under pi, not that of the draws": (
            around_the_old_mean
        ),
        "mean square less squared mean is another number where the mean ratio isn't 1: "
        "take the mean of (f - mean)^2": by_squares,
        "where all ratios are 1 the interval has no width, and 1 lies in it": (
            open_interval
        ),
        "the worth is 0 where 1 lies outside the interval of the mean ratio": (
            always_believed
        ),
        "a mean ratio too far above 1 is as wrong as one below": only_too_low,
    },
    hints=(
        "One number per draw: its ratio, from a difference of logarithms. Mean and "
        "half width are those of ratio * f.",
        "The ratio has a mean and a half width, too. Is 1 between its ends?",
        "Var_pi[f] is itself a mean under pi, that of (f - mean)^2: the same ratio "
        "estimates it from the same draws.",
        "worth = N * np.mean(ratio * (f - mean) ** 2) / np.var(ratio * f); half widths "
        "take std(ddof=1).",
    ),
    cases=judged_cases,
    tolerance=1e-4,  # 1.959964 is as right as 1.96
)


def mismatch_stub(mdp, pi_old, pi):
    """eta - L, what L ignores, for pi [S, A] seen from pi_old [S, A].

    evaluate(mdp, policy) has .visitation [S] and .advantage [S, A].
    """
    weights = ...  # your line: one weight per state, [S]
    advantages = ...  # your line: one mean advantage per state, [S]
    return np.sum(weights * advantages)


def mismatch_reference(mdp, pi_old, pi):
    """eta - L, what L ignores, for pi [S, A] seen from pi_old [S, A]."""
    old, new = evaluate(mdp, pi_old), evaluate(mdp, pi)
    weights = new.visitation - old.visitation
    advantages = np.sum(pi * old.advantage, axis=1)
    return np.sum(weights * advantages)


def surrogate_alone(mdp, pi_old, pi):
    old = evaluate(mdp, pi_old)
    return old.visitation @ np.sum(pi * old.advantage, axis=1)


def improvement_alone(mdp, pi_old, pi):
    old, new = evaluate(mdp, pi_old), evaluate(mdp, pi)
    return new.visitation @ np.sum(pi * old.advantage, axis=1)


def both_added(mdp, pi_old, pi):
    old, new = evaluate(mdp, pi_old), evaluate(mdp, pi)
    weights = new.visitation + old.visitation
    return weights @ np.sum(pi * old.advantage, axis=1)


def ratio_in_excess(mdp, pi_old, pi):
    old, new = evaluate(mdp, pi_old), evaluate(mdp, pi)
    weights = new.visitation - old.visitation
    return weights @ np.sum(pi * (pi / pi_old) * old.advantage, axis=1)


def q_for_advantage(mdp, pi_old, pi):
    old, new = evaluate(mdp, pi_old), evaluate(mdp, pi)
    return (new.visitation - old.visitation) @ np.sum(pi * old.q, axis=1)


def unweighted_advantages(mdp, pi_old, pi):
    old, new = evaluate(mdp, pi_old), evaluate(mdp, pi)
    return (new.visitation - old.visitation) @ np.sum(old.advantage, axis=1)


def mismatch_cases(rng):
    cases = []
    for n_states, n_actions, gamma in ((4, 3, 0.9), (6, 2, 0.8), (2, 5, 0.6)):
        mdp = random_mdp(rng, n_states, n_actions, gamma)
        policies = (random_policy(rng, n_states, n_actions) for _ in range(2))
        mix = (0.9 * pi + 0.1 / n_actions for pi in policies)
        cases.append((mdp, *mix))
    return cases


def not_the_own_actions(arguments, result):
    if abs(result) < 1e-12:
        return (
            "0: a policy's advantages average to 0 over its own actions; the old "
            "policy judges, pi draws"
        )
    return None


mismatch = Exercise(
    name="mismatch",
    minutes=8,
    difficulty=2,
    stub=mismatch_stub,
    reference=mismatch_reference,
    mistakes={
        "this is L alone: subtract it from the improvement": surrogate_alone,
        "this is the improvement alone: L is still to be subtracted": (
            improvement_alone
        ),
        "the two visitations are added: L is subtracted": both_added,
        "the ratio is used twice: pi already is pi_old times the ratio": (
            ratio_in_excess
        ),
        "q where the advantage is meant: the v of each state doesn't cancel here": (
            q_for_advantage
        ),
        "the advantages of all actions are added: weight them by pi": (
            unweighted_advantages
        ),
    },
    hints=(
        "Write the improvement and L as sums over states. What do they share?",
        "Both have sum_a pi(a|s) A_old(s, a). Only the visitation in front differs.",
        "weights is the visitation of pi less that of pi_old; pi times the old "
        "advantage, summed over axis 1, is the rest.",
    ),
    cases=mismatch_cases,
    invariants=(not_the_own_actions,),
)


def policy_gradient_stub(mdp, features, theta):
    """The gradient [n, A] of J: a softmax of the logits features @ theta.

    features : [S, n], one row per state; theta : [n, A].
    """
    ...  # your code


def policy_gradient_reference(mdp, features, theta):
    """The gradient [n, A] of J: a softmax of the logits features @ theta."""
    logits = features @ theta
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    pi = weights / weights.sum(axis=1, keepdims=True)
    old = evaluate(mdp, pi)
    return features.T @ (old.visitation[:, None] * pi * old.advantage)


def _softmax(logits):
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)


def gradient_without_pi(mdp, features, theta):
    old = evaluate(mdp, _softmax(features @ theta))
    return features.T @ (old.visitation[:, None] * old.advantage)


def gradient_without_visits(mdp, features, theta):
    old = evaluate(mdp, _softmax(features @ theta))
    return features.T @ (old.pi * old.advantage)


def gradient_of_q(mdp, features, theta):
    old = evaluate(mdp, _softmax(features @ theta))
    return features.T @ (old.visitation[:, None] * old.pi * old.q)


def gradient_of_own_logit(mdp, features, theta):
    old = evaluate(mdp, _softmax(features @ theta))
    diagonal = old.pi * (1 - old.pi)
    return features.T @ (old.visitation[:, None] * diagonal * old.advantage)


def gradient_of_own_logit_by_q(mdp, features, theta):
    old = evaluate(mdp, _softmax(features @ theta))
    diagonal = old.pi * (1 - old.pi)
    return features.T @ (old.visitation[:, None] * diagonal * old.q)


def gradient_of_start(mdp, features, theta):
    old = evaluate(mdp, _softmax(features @ theta))
    return features.T @ (mdp.start[:, None] * old.pi * old.advantage)


def gradient_of_one_table(mdp, features, theta):
    old = evaluate(mdp, _softmax(features @ theta))
    return old.visitation[:, None] * old.pi * old.advantage


def gradient_overflowing(mdp, features, theta):
    with np.errstate(over="ignore", invalid="ignore"):
        weights = np.exp(features @ theta)
        pi = weights / weights.sum(axis=1, keepdims=True)
    old = evaluate(mdp, pi)  # ValueError where pi is not a number
    return features.T @ (old.visitation[:, None] * pi * old.advantage)


def gradient_cases(rng):
    cases = []
    for n_states, n_actions, n in ((4, 3, 2), (5, 2, 3), (3, 4, 6)):
        mdp = random_mdp(rng, n_states, n_actions, gamma=rng.uniform(0.5, 0.9))
        features = rng.normal(size=(n_states, n))
        cases.append((mdp, features, rng.normal(size=(n, n_actions))))
    # logits of 800, of -800, and two that lie 900 apart
    features = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0]])
    theta = np.array([[800.0, 801.0], [700.0, -200.0]])
    return [*cases, (random_mdp(rng, 3, 2, 0.7), features, theta)]


def rows_sum_to_zero(arguments, result):
    if np.abs(np.sum(result, axis=1)).max() > 1e-9:
        return (
            "each row must sum to 0: the same constant added to all parameters of a "
            "feature changes nothing"
        )
    return None


policy_gradient = Exercise(
    name="policy_gradient",
    minutes=10,
    difficulty=3,
    stub=policy_gradient_stub,
    reference=policy_gradient_reference,
    mistakes={
        "the factor pi(a|s) of the softmax's derivative is missing": (
            gradient_without_pi
        ),
        "the visitation is missing: every state counts the same": (
            gradient_without_visits
        ),
        "q where the advantage is meant: the softmax's derivative subtracts v": (
            gradient_of_q
        ),
        "pi (1 - pi) is only the diagonal of the softmax's derivative: a logit moves "
        "the other actions' probabilities, too": gradient_of_own_logit,
        "pi (1 - pi) q is only the diagonal of the softmax's derivative: a logit moves "
        "the other actions' probabilities, too": gradient_of_own_logit_by_q,
        "the start distribution stands where the visitation belongs: only the first "
        "step counts": gradient_of_start,
        "this is the gradient by the logits, [S, A]: the chain rule multiplies by "
        "features.T": gradient_of_one_table,
        "at logits of 800 exp overflows, or all of a state's weights become 0: "
        "subtract each state's own largest logit first": gradient_overflowing,
    },
    hints=(
        "Differentiate L, not J: the old visits and advantages are constants.",
        "By the logits it is the page's closed form, [S, A]. Each logit is a sum over "
        "features, so the chain rule adds up over the states.",
        "pi is the softmax of features @ theta along axis 1, less each row's maximum; "
        "multiply features.T by visitation (as a column) times pi times advantage.",
    ),
    cases=gradient_cases,
    invariants=(rows_sum_to_zero,),
    tolerance=1e-5,  # central differences of J pass
)

pictures = (price, estimates, gap)
widgets = (road, lqr_path)
exercises = (judged_by_old, mismatch, policy_gradient)
progress = Progress(exercises)
