"""Notebook 18: a file of one's own, random Fourier features, and how to choose."""

from functools import cache

import numpy as np

from trpo_lite import plots, style
from trpo_lite.course.capstone import solution
from trpo_lite.course.capstone.tasks import TASKS
from trpo_lite.course.capstone.world import World
from trpo_lite.course.data import load
from trpo_lite.course.engine import Exercise, Progress
from trpo_lite.course.table import number
from trpo_lite.course.widgets import Picture, Steps, Widget

# --- worlds

COUNTS, BANDWIDTHS = (5, 20, 100, 400), (0.1, 0.3, 1.0, 3.0, 10.0)


def reset_rows(same_step, T=6):
    """One environment whose episodes have three steps: rows for a table."""
    env = World(([[3]], [[0]]), 0, same_step)
    batch, _ = solution.collect(env, lambda s: np.ones(1, int), T, None)
    start = batch["s"][:, 0, 1]
    return [
        (k, start[k] * 10, batch["t"][k, 0], batch["r"][k, 0] if ok else 0.0,
         "end" if batch["terminated"][k, 0] else "", batch["next_s"][k, 0, 1] * 10,
         "yes" if ok else "no")
        for k, ok in enumerate(batch["valid"][:, 0])
    ]  # fmt: skip


def clipped_slope():
    """The mean slope of log pi in log sigma if actions of N(0, 1) are cut at -1 and 1.

    E[min(z^2, 1)] - 1 in closed form.
    """
    from math import erf, exp, pi, sqrt

    inside = erf(1 / sqrt(2))  # P(|z| < 1)
    return inside - 2 * exp(-0.5) / sqrt(2 * pi) + (1 - inside) - 1


def true_value(x):
    """What the waves have to learn: smooth on the left, an edge, a slope, [N]."""
    return np.where(x < 0.5, np.sin(2.5 * x), 0.4 * x - 1)


@cache
def samples():
    """(x [60], y [60]): the function with noise of deviation .2."""
    rng = np.random.default_rng(0)
    x = rng.uniform(-3, 3, 60)
    return x, true_value(x) + 0.2 * rng.standard_normal(60)


@cache
def random_waves(count, bandwidth, draw=3):
    """(frequencies [count, 1], phases [count]); another draw is other waves."""
    rng = np.random.default_rng(draw)
    frequencies = rng.standard_normal((count, 1)) / bandwidth
    return frequencies, rng.uniform(-np.pi, np.pi, count)


def wave_features(x, count, bandwidth, draw=3):
    """phi [N, count + 1] of numbers x [N]."""
    found = random_waves(count, bandwidth, draw)
    return solution.features(x[:, None], np.zeros(1), np.ones(1), found)


def ridge_fit(phi, y, ridge=1e-3):
    """The weights of the least squares fit with a small ridge, [F]."""
    gram = phi.T @ phi / len(y) + ridge * np.eye(phi.shape[1])
    return np.linalg.solve(gram, phi.T @ y / len(y))


@cache
def wave_fit(count, bandwidth):
    """(grid [G], the waves' fit [G], the straight line's fit [G], both rms errors)."""
    x, y = samples()
    grid = np.linspace(-3, 3, 241)
    fit = wave_features(grid, count, bandwidth) @ ridge_fit(
        wave_features(x, count, bandwidth), y
    )
    line = np.polyval(np.polyfit(x, y, 1), grid)
    truth = true_value(grid)
    errors = [float(np.sqrt(np.mean((f - truth) ** 2))) for f in (fit, line)]
    return grid, fit, line, errors


def likeness(d, count, bandwidth, draw=3):
    """(2/K) w(0) . w(d) of K waves, and what it tends to, exp(-d^2 / 2 b^2), [N]."""
    w = wave_features(np.append(0.0, d), count, bandwidth, draw)[:, :-1]
    return 2 / count * w[1:] @ w[0], np.exp(-(d**2) / (2 * bandwidth**2))


def choices(task):
    """{setting: (values [C], late [C, seeds], whole [C, seeds])} of a task."""
    found, task = load("capstone_choices"), task.lower()
    names = found[f"{task}_name"]
    parts = [found[f"{task}_{x}"] for x in ("value", "late", "whole")]
    return {
        str(name): tuple(part[names == name] for part in parts)
        for name in dict.fromkeys(names)
    }


def choice_rows(task, settings):
    """Rows for a table: setting, value, mean return at the end, over all, worst."""
    found = choices(task)
    return [
        (name if k == 0 else "", float(value), one.mean(), all_.mean(), one.min())
        for name in settings
        for k, (value, one, all_) in enumerate(zip(*found[name], strict=True))
    ]


def task_rows():
    """Of each task at the end: (name, score to beat, lowest, median, highest)."""
    found, goals = load("capstone_tasks"), {task.env_id: task.goal for task in TASKS}
    return [
        (task.split("-")[0], goals[task], *np.quantile(score, (0, 0.5, 1)).round(1))
        for task, score in zip(found["task"].tolist(), found["score"], strict=True)
    ]


# --- pictures

PANELS = ("gamma", "lambda", "delta", "batch", "environments", "features", "bandwidth")
LABELS = {
    "gamma": "discount γ", "lambda": "GAE's λ", "delta": "limit δ",
    "batch": "steps in a batch", "environments": "environments",
    "features": "Fourier features (0: linear)", "bandwidth": "bandwidth",
}  # fmt: skip


def draw_choices(task):
    """Return of a run's last policy against each setting, others at the base."""
    found = choices(task)
    shown = [name for name in PANELS if name in found]
    figure, panels = plots.figure(2, -(-len(shown) // 2), (7.5, 4.6), sharey=True)
    panels = panels.ravel()
    for axes, name in zip(panels, shown):
        values, late, _ = found[name]
        at = np.arange(len(values))
        mean = axes.plot(at, late.mean(1), **style.line(0), label="mean")
        for seed in late.T:
            dots = axes.plot(
                at, seed, "o", color=style.GREY, markersize=3.5, label="a seed"
            )
        ticks = [f"{v:g}".removeprefix("0") or "0" for v in values]
        axes.set_xticks(at, ticks, fontsize=9)
        axes.set_xlabel(LABELS[name])
    for axes in panels[len(shown) :]:
        axes.set_axis_off()
    for axes in panels[:: -(-len(shown) // 2)]:
        axes.set_ylabel("mean return")
    figure.legend(handles=mean + dots, loc="outside upper center", ncols=2)
    return figure


def choices_words(task):
    parts = []
    for name, (values, late, _) in choices(task).items():
        if name in PANELS:
            k = int(late.mean(1).argmax())
            parts.append(
                f"{LABELS[name]} {values[k]:g} ({number(late[k].mean(), '.0f')})"
            )
    return (
        f"{task}: mean return of the last policy against each setting alone, a dot a "
        f"seed. Best: {', '.join(parts)}."
    )


choice = Picture(draw_choices, choices_words)

# --- widgets


def draw_waves(count, bandwidth):
    """Left, the fit to the samples; right, how alike two points are."""
    figure, (left, right) = plots.figure(1, 2, (7.5, 3.7), width_ratios=(3, 2))
    x, y = samples()
    grid, fit, line, _ = wave_fit(count, bandwidth)
    left.plot(x, y, "o", color=style.GREY, markersize=4)
    left.plot(grid, true_value(grid), color=style.INK, linewidth=1.2)
    left.plot(grid, fit, **style.line(0))
    left.plot(grid, line, **style.line(1))
    left.set(xlabel="observation z", ylabel="value", ylim=(-2.2, 2.2))
    plots.words_above(
        left,
        (f"{count} waves", style.BLUE),
        ("a straight line", style.RED),
        ("grey: samples, thin: the truth", style.INK),
    )
    d = np.linspace(-6, 6, 241)
    mine, limit = likeness(d, count, bandwidth)
    right.plot(d, mine, **style.line(0))
    right.plot(d, limit, color=style.INK, linestyle=":")
    right.set(xlabel="distance", ylabel="likeness", ylim=(-1.1, 2.1))
    plots.words_above(right, ("2/K w(0)·w(d)", style.BLUE), ("its limit", style.INK))
    return figure


def waves_words(count, bandwidth):
    *_, (error, straight) = wave_fit(count, bandwidth)
    return (
        f"{count} random waves of bandwidth {bandwidth:g}. Left, their fit to 60 noisy "
        f"samples has an error of {error:.2f}, the straight line's is {straight:.2f}. "
        "Right, how alike two points are to the waves, over their distance."
    )


waves = Widget(
    draw_waves,
    waves_words,
    {
        "count": Steps("waves K", COUNTS, 100),
        "bandwidth": Steps("bandwidth b", BANDWIDTHS, 1.0),
    },
)

# --- exercises


def discount_for_stub(steps, share):
    """The gamma at which a reward so many steps later has this share."""
    gamma = ...  # your line
    return gamma


def discount_for_reference(steps, share):
    """The gamma at which a reward so many steps later has this share."""
    gamma = share ** (1 / steps)
    return gamma


def one_minus_share(steps, share):
    return 1 - (1 - share) / steps


def share_to_the_steps(steps, share):
    return share**steps


def power_first(steps, share):
    return share**1 / steps


def effective_horizon(steps, share):
    return 1 - 1 / steps


def discount_cases(rng):
    cases = [(100, 0.5), (20, 0.1), (1, 0.9), (250, 0.05)]
    return [*cases, (int(rng.integers(2, 400)), float(rng.uniform(0.05, 0.9)))]


discount_for = Exercise(
    name="discount_for",
    minutes=5,
    difficulty=1,
    stub=discount_for_stub,
    reference=discount_for_reference,
    mistakes={
        "this loses the share evenly: discounting multiplies at each step": (
            one_minus_share
        ),
        "this is what share, as a discount, leaves after so many steps": (
            share_to_the_steps
        ),
        "this is the gamma whose weights add up to steps; share is not used": (
            effective_horizon
        ),
        "brackets: ** comes before /": power_first,
    },
    hints=(
        "After n steps a reward counts by gamma to the power n.",
        "gamma^n = share. Take the n-th root.",
    ),
    cases=discount_cases,
)


def real_steps_stub(terminated, truncated, resets_first):
    """Which rows [T, N] of a NEXT_STEP environment are steps, [T, N] bool.

    terminated, truncated [T, N] bool; resets_first [N] bool: environments
    whose first row only resets, as their run ended in the last batch.
    """
    done = terminated | truncated
    return ~done


def real_steps_reference(terminated, truncated, resets_first):
    """Which rows [T, N] of a NEXT_STEP environment are steps, [T, N] bool.

    terminated, truncated [T, N] bool; resets_first [N] bool: environments
    whose first row only resets, as their run ended in the last batch.
    """
    done = terminated | truncated
    return ~np.vstack([resets_first, done[:-1]])


def first_row_forgotten(terminated, truncated, resets_first):
    valid = real_steps_reference(terminated, truncated, resets_first)
    valid[0] = True
    return valid


def only_terminated(terminated, truncated, resets_first):
    return real_steps_reference(terminated, terminated, resets_first)


def row_before(terminated, truncated, resets_first):
    done = terminated | truncated
    return np.vstack([~done[1:], ~resets_first[None]])


def real_steps_cases(rng):
    cases = []
    for T, N in ((6, 3), (5, 4), (7, 2), (1, 3)):
        ended, which = rng.random((T, N)) < 0.3, rng.random((T, N)) < 0.5
        terminated, truncated = ended & which, ended & ~which
        truncated[T // 2, 0] = True
        terminated[0, 1] = truncated[0, 1] = True  # both at once
        first = rng.random(N) < 0.5
        first[:2] = True, False
        # a row that only resets ends nothing
        rows = [terminated[0] & ~first], [truncated[0] & ~first]
        for t in range(1, T):
            going = ~(rows[0][-1] | rows[1][-1])
            rows[0].append(terminated[t] & going)
            rows[1].append(truncated[t] & going)
        cases.append((np.array(rows[0]), np.array(rows[1]), first))
    return cases


real_steps = Exercise(
    name="real_steps",
    minutes=8,
    difficulty=2,
    stub=real_steps_stub,
    reference=real_steps_reference,
    mistakes={
        "the first row is forgotten: resets_first says who only resets there": (
            first_row_forgotten
        ),
        "a truncated episode is followed by a reset as well": only_terminated,
        "it is the row after the end that resets, not the one before": row_before,
    },
    hints=(
        "The row that ends an episode is a step. The one after it is not.",
        "Row 1 and later follow from done[:-1], row 0 from resets_first.",
        "return ~np.vstack([resets_first, done[:-1]])",
    ),
    cases=real_steps_cases,
)


def same_policy_stub(weights, mean, std, new_mean, new_std):
    """New weights with which the policy on the new scale acts as before.

    weights [D + 1, k] for the features [z, 1], z = (s - mean) / std; their
    last row belongs to the 1. mean, std, new_mean, new_std [D].
    """
    ...  # your code


def same_policy_reference(weights, mean, std, new_mean, new_std):
    """New weights with which the policy on the new scale acts as before.

    weights [D + 1, k] for the features [z, 1], z = (s - mean) / std; their
    last row belongs to the 1. mean, std, new_mean, new_std [D].
    """
    slope = weights[:-1] / std[:, None]  # on the observations as they are
    bias = weights[-1] + (new_mean - mean) @ slope
    return np.vstack([slope * new_std[:, None], bias])


def bias_kept(weights, mean, std, new_mean, new_std):
    new = same_policy_reference(weights, mean, std, new_mean, new_std)
    return np.vstack([new[:-1], weights[-1]])


def ratio_upside_down(weights, mean, std, new_mean, new_std):
    slope = weights[:-1] * std[:, None] / new_std[:, None]
    return np.vstack([slope, weights[-1] + ((new_mean - mean) / std) @ weights[:-1]])


def shift_turned(weights, mean, std, new_mean, new_std):
    return same_policy_reference(weights, new_mean, std, mean, new_std)


def shift_on_new_scale(weights, mean, std, new_mean, new_std):
    new = same_policy_reference(weights, mean, std, new_mean, new_std)
    bias = weights[-1] + ((new_mean - mean) / new_std) @ weights[:-1]
    return np.vstack([new[:-1], bias])


def scaled_too_early(weights, mean, std, new_mean, new_std):
    new = same_policy_reference(weights, mean, std, new_mean, new_std)
    return np.vstack([new[:-1], weights[-1] + ((new_mean - mean) / std) @ new[:-1]])


def way_back(weights, mean, std, new_mean, new_std):
    return same_policy_reference(weights, new_mean, new_std, mean, std)


def same_policy_cases(rng):
    cases = []
    for D, k in ((3, 2), (2, 3), (4, 1), (1, 2)):
        mean, new_mean = rng.standard_normal((2, D))
        std, new_std = rng.uniform(0.3, 3, (2, D))
        cases.append((rng.standard_normal((D + 1, k)), mean, std, new_mean, new_std))
    return cases


same_policy = Exercise(
    name="same_policy",
    minutes=15,
    difficulty=3,
    stub=same_policy_stub,
    reference=same_policy_reference,
    mistakes={
        "the row of the 1 must take up what the mean has moved": bias_kept,
        "the ratio of the deviations is upside down": ratio_upside_down,
        "the mean's move has the wrong sign": shift_turned,
        "the mean's move must be divided by the old std": (shift_on_new_scale),
        "the weights were scaled before the last row used them": scaled_too_early,
        "this is the way back, from the new scale to the old": way_back,
    },
    hints=(
        "Write the outputs as slope . s + constant, on the observations as they are.",
        "slope = weights[:-1] / std must stay: the new weights are slope * new_std.",
        "The constant must stay too: bias - mean . slope = bias' - new_mean . slope.",
    ),
    cases=same_policy_cases,
)

pictures = (choice,)
widgets = (waves,)
exercises = (discount_for, real_steps, same_policy)
progress = Progress(exercises)
