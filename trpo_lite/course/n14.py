"""Notebook 14: the clipped objective, its gradient, and what it does not limit."""

from dataclasses import replace
from functools import cache

import numpy as np

from trpo_lite import plots
from trpo_lite.advantage import LinearValue, gae, normalize
from trpo_lite.course.engine import Exercise, Progress
from trpo_lite.course.widgets import Choice, Picture, Slider, Widget
from trpo_lite.mdp import evaluate, road_and_ice, shared_policy
from trpo_lite.natural_gradient import natural_step
from trpo_lite.ppo import AdamState, adam_step
from trpo_lite.style import BLUE, GREY, INK, PURPLE, RED, VIOLET

# --- worlds


def road():
    """road_and_ice (gamma .9) and its evaluation at p = .1."""
    world = road_and_ice(gamma=0.9)
    return world, evaluate(world, shared_policy(0.1))


@cache
def first_batch(seed=0):
    """(policy, Batch, A_hat) of the coin on CartPole: 8 carts, 4096 steps."""
    from trpo_lite.environments import make_environment
    from trpo_lite.features import linear_features
    from trpo_lite.rollout import collect
    from trpo_lite.spaces import make_policy

    rng, env = np.random.default_rng(seed), make_environment("CartPole-v1", 8)
    policy = make_policy(env, linear_features(4))
    batch, state = collect(env, policy, 4096, rng)
    env.close()
    features = policy.features.with_moments(state.moments.mean, state.moments.std)
    policy = replace(policy, features=features)
    zero = np.zeros(len(batch))
    value = LinearValue().fit(
        batch.observations, batch.time, gae(batch, zero, zero, 0.995, 1.0)
    )
    v = value.predict(batch.observations, batch.time)
    next_v = value.predict(batch.next_observations, batch.time + 1)
    return policy, batch, normalize(gae(batch, v, next_v, 0.995, 0.97))


# which samples keep a gradient, under each objective; r and A [N] -> bool [N]
KEEP = {
    "min, as on the slide": lambda r, A, e=0.2: (
        ~(((A > 0) & (r > 1 + e)) | ((A < 0) & (r < 1 - e)))
    ),
    "no min": lambda r, A, e=0.2: np.abs(r - 1) <= e,
    "max for min": lambda r, A, e=0.2: (
        ~(((A > 0) & (r < 1 - e)) | ((A < 0) & (r > 1 + e)))
    ),
}


@cache
def cloud(objective, clip=0.2, epochs=10, parts=8, rate=0.01, seed=0):
    """Ratios [epochs + 1, N] of the first batch, before and after each epoch."""
    policy, batch, A = first_batch()
    rng, adam = np.random.default_rng(seed), AdamState.zeros(policy.size)
    s, a = policy.features(batch.observations), batch.actions
    policy = type(policy)(policy.theta, policy.n_actions)
    old = policy.at(s)
    log_old, new, ratios = old.log_prob(a), policy, [np.ones(len(A))]
    for _ in range(epochs):
        for n in np.array_split(rng.permutation(len(A)), parts):
            seen = new.at(s[n])
            r = np.exp(seen.log_prob(a[n]) - log_old[n])
            weights = KEEP[objective](r, A[n], clip) * r * A[n] / len(n)
            adam, step = adam_step(adam, seen.score_sum(a[n], weights), rate)
            new = new.with_theta(new.theta + step)
        ratios.append(np.exp(old.with_theta(new.theta).log_prob(a) - log_old))
    return np.array(ratios)


def shares(r, A, keep, clip=0.2):
    """Shares of samples: without a gradient; moved the wrong way beyond clip."""
    wrong = ((A > 0) & (r < 1 - clip)) | ((A < 0) & (r > 1 + clip))
    return float((~keep(r, A, clip)).mean()), float(wrong.mean())


def cartpole():
    """(eight carts, a coin that sees them scaled by what `first_batch` saw)."""
    from trpo_lite.environments import make_environment

    return make_environment("CartPole-v1", 8), first_batch()[0]


def trpo_at(old, a, A, size):
    """The policy at old's rows that TRPO's direction leads to at the mean KL `size`.

    old : the policy at the rows of the batch; a, A [N] ; size > 0 in nats.
    """
    g = old.score_sum(a, A / len(A))
    step = natural_step(g, old.fisher_product, size, 1e-4).step
    low, high = 0.0, 4.0
    for _ in range(40):
        middle = (low + high) / 2
        new = old.with_theta(old.policy.theta + middle * step)
        near = old.kl(new).mean() <= size
        low, high = (middle, high) if near else (low, middle)
    return new


def measure(policy, new, batch, A):
    """What one update did, and TRPO's step with the same mean KL on the same batch.

    The old policy's mean return; mean KL and entropy of the step; the largest ratio,
    L and the share of ratios outside of [.8, 1.2], of both ("trpo_...").
    """
    a, old = batch.actions, policy.at(batch.observations)
    now = old.with_theta(new.theta)
    size = float(old.kl(now).mean())
    found = {
        "return": float(batch.episode_returns.mean()),
        "kl": size,
        "entropy": float(now.entropy().mean()),
    }
    for name, at in (("", now), ("trpo_", trpo_at(old, a, A, size))):
        r = np.exp(at.log_prob(a) - old.log_prob(a))
        found[name + "max_ratio"] = float(r.max())
        found[name + "L"] = float(((r - 1) * A).mean())
        found[name + "outside"] = float((np.abs(r - 1) > 0.2).mean())
    return found


# --- pictures


def draw_road(p, curves, gain, marks, ylim):
    """Curves {label: [N]} and the true gain [N] over p; marks [(p, text, y)]."""
    figure, axes = plots.figure(size=(7.2, 4.0))
    looks = ((RED, "--"), (BLUE, "-"), (VIOLET, "-."), (PURPLE, ":"))
    for (label, curve), (color, style) in zip(curves.items(), looks, strict=False):
        axes.plot(p, curve, style, color=color, label=label)
    if gain is not None:
        axes.plot(p, gain, color=INK, linewidth=1.6, label="true gain of J")
    for at, text, y in marks:
        axes.axvline(at, color=INK, linewidth=1, linestyle=(0, (2, 2)))
        axes.text(at + 0.01, y, text)
    axes.axhline(0, color=GREY, linewidth=0.9)
    axes.set(xlim=(0, 1), ylim=ylim)
    axes.set(xlabel="p, probability of fast", ylabel="objective (unit of reward)")
    axes.legend(loc="lower left", bbox_to_anchor=(0.34, 0.0))
    return figure


def draw_pessimistic(p, L, L_clip, gain):
    """L, L^CLIP and the true gain of J over p, each [N] -> Figure."""
    marks = [(0.12, "r fast = 1.2", 1.5), (0.28, "r slow = .8", 1.25)]
    return draw_road(p, {"L": L, "L_CLIP": L_clip}, gain, marks, (-0.95, 1.7))


pessimistic_road = Picture(
    draw_pessimistic,
    "L rises as a straight line. L_CLIP leaves it at p = 0.12, rises more gently to p "
    "= 0.28 and then falls slowly. The true gain peaks near 0.4 and falls below zero "
    "at the right.",
)


def draw_broken(p, curves):
    """The objective with min, without, and with max over p; {kind: [N]} -> Figure."""
    shown = {kind: curves[kind] for kind in ("max", "min", "no min")}
    marks = [(0.28, "r slow = .8", 0.85), (0.6, "start too far", 0.85)]
    return draw_road(p, shown, None, marks, (-0.95, 1.2))


broken = Picture(
    draw_broken,
    "Three objectives over p. The minimum peaks at 0.28 and falls. Without it the "
    "curve is flat from 0.28 on. The maximum rises steeply without end.",
)


def draw_symptoms(logs):
    """Mean return and largest ratio over updates, {label: [measures]} -> Figure."""
    figure, (left, right) = plots.figure(1, 2, (7.2, 3.3))
    looks = ((BLUE, "-"), (PURPLE, "--"), (VIOLET, "-."), (RED, ":"))
    for (label, log), (color, style) in zip(logs.items(), looks, strict=True):
        left.plot([x["return"] for x in log], style, color=color)
        right.plot([x["max_ratio"] for x in log], style, color=color, label=label)
    left.axhline(475, color=INK, linewidth=1.1, linestyle=(0, (4, 3)))
    left.text(0, 484, "475", fontsize=11)
    left.set(xlabel="update", ylabel="mean return (reward)", ylim=(0, 530))
    right.set(xlabel="update", ylabel="largest ratio (no unit)", yscale="log")
    right.set(ylim=(1, 900), yticks=(1, 10, 100), yticklabels=("1", "10", "100"))
    right.minorticks_off()
    for axes in (left, right):
        axes.set_xticks((0, 3, 6, 9))
    right.legend(loc="upper right", ncols=2)
    return figure


symptoms = Picture(
    draw_symptoms,
    "Two panels over twelve updates, one seed. Return: PPO climbs to 475 and stays; no "
    "min and max climb and fall back, sign stays at about ten. Largest ratio: PPO and "
    "sign stay below 2, no min passes 10, max 50.",
)


def draw_far(start, ratio, kl, limit):
    """Ratio and KL at the top of L^CLIP over the old probability [N] -> Figure."""
    figure, (left, right) = plots.figure(1, 2, (7.4, 3.5))
    left.plot(start, ratio, "o-", color=RED)
    left.axhspan(0.8, 1.2, color="#dcdce2")
    left.text(0.0011, 1.3, "[1 − ε, 1 + ε]")
    left.set(yscale="log", ylabel="ratio of fast (no unit)")
    right.plot(start, kl, "s-", color=BLUE)
    right.axhline(limit, color=INK, linewidth=1.4, linestyle="--")
    right.text(0.0011, limit + 0.006, "−log(1 − ε)")
    right.set(ylim=(0, 0.28), ylabel="KL (nats)")
    for axes in (left, right):
        axes.set(xscale="log", xlabel="old probability of fast")
    return figure


far = Picture(
    draw_far,
    "Over the old probability of fast, on log axes: the ratio at the top of L_CLIP "
    "rises to 200 as fast gets rarer, far above the grey band of the interval. The KL "
    "stays below a dashed line at 0.223.",
)


def draw_beside(logs, clip=0.2):
    """PPO's largest ratio beside TRPO's at equal KL; the KL over updates -> Figure.

    logs : [seeds] lists of what `measure` found.
    """
    figure, (left, right) = plots.figure(1, 2, (7.4, 3.5))
    found = {
        key: np.array([[x[key] for x in log] for log in logs])
        for key in ("max_ratio", "trpo_max_ratio", "kl")
    }
    ends = (0.95, 2.25)
    left.plot(ends, ends, color=INK, linewidth=1.2, label="equal")
    left.plot(
        found["max_ratio"].ravel(),
        found["trpo_max_ratio"].ravel(),
        "o",
        color=RED,
        markersize=5,
        label="an update",
    )
    for draw in (left.axvline, left.axhline):
        draw(1 + clip, color=GREY, linewidth=1.2, linestyle=(0, (4, 3)))
    left.text(2.2, 1 + clip - 0.03, "1 + ε", va="top", ha="right")
    left.set(xlim=ends, ylim=ends, aspect="equal")
    left.set(xlabel="largest ratio, PPO", ylabel="largest ratio, TRPO")
    left.legend(loc="lower right", bbox_to_anchor=(1, 0.15))
    for i, size in enumerate(found["kl"]):
        label = "one seed" if i == 0 else None
        right.plot(size, color=BLUE, linewidth=1.4, label=label)
    right.set(xlabel="update", xticks=(0, 3, 6, 9))
    right.set(ylabel="mean KL of both (nats)", ylim=(0, 0.03))
    right.legend(loc="upper right")
    return figure


beside = Picture(
    draw_beside,
    "Left: each dot is an update, PPO's largest ratio across, that of TRPO's step with "
    "the same KL up. The dots lie about the diagonal, most beyond 1.2 both ways. "
    "Right: the mean KL over twelve updates of each seed rises to 0.015 to 0.02 and "
    "then falls.",
)

# --- widgets


@cache
def _clipped_figure():
    """(figure, artists of the left and of the right panel): built once, then moved."""
    from matplotlib.patches import Rectangle

    figure, axes = plots.figure(1, 2, (7.4, 3.7))
    panels = []
    for ax, sign in zip(axes, (1, -1), strict=True):
        low, high = (-0.45, 3.1) if sign > 0 else (-3.1, 0.45)
        ax.grid(False)
        ax.set(xlim=(0, 2.06), ylim=(low, high), xticks=(0, 1, 2))
        ax.set(title="A > 0" if sign > 0 else "A < 0", xlabel="ratio r (no unit)")
        ax.axhline(0, color=GREY, linewidth=0.9)
        part = {"span": ax.add_patch(Rectangle((0, low), 1, 9, color="#ececef"))}
        part["unclipped"] = ax.plot([], [], "--", color=RED, label="r A")[0]
        part["clipped"] = ax.plot([], [], ":", color=VIOLET, label="clip(r) A")[0]
        part["min"] = ax.plot([], [], color=BLUE, linewidth=4, label="the minimum")[0]
        look = dict(color="#e00000", markersize=10, label="start, r = 1")
        part["start"] = ax.plot([1], [0], "o", **look)[0]
        part["arrow"] = ax.plot(
            [], [], "-", color=INK, linewidth=3, markersize=12, markevery=[1]
        )[0]
        part["at"] = ax.plot([], [], "s", color=INK, markersize=9)[0]
        text = ("1 + ε", "left") if sign > 0 else ("1 − ε", "right")
        y = low + 0.1 if sign > 0 else high - 0.32
        part["kink"] = ax.text(0, y, text[0], ha=text[1])
        y = high - 0.3 if sign > 0 else low + 0.12
        part["says"] = ax.text(0.06, y, "", fontweight="bold")
        panels.append(part)
    axes[0].set_ylabel("one term (unit of A)")
    axes[1].legend(loc="lower left", bbox_to_anchor=(0, 0.1), handlelength=2.2)
    return figure, panels


def clipped_slope(ratio, advantage, clip):
    """d/dr of min(r A, clip(r) A); at a kink, of the side towards r = 1."""
    r, edge = ratio, 1e-9  # sliders move in steps of .05, which floats only nearly are
    if advantage > 0:
        return 0.0 if r > 1 + clip + edge else advantage
    return 0.0 if r < 1 - clip - edge else advantage


def draw_clipped(clip, size, ratio):
    """One term over r, for A = size and for A = -size -> the one, moved, Figure."""
    figure, panels = _clipped_figure()
    grid = np.array([0, 1 - clip, 1 + clip, 2.06])
    for part, advantage in zip(panels, (size, -size), strict=True):
        clipped = np.clip(grid, 1 - clip, 1 + clip) * advantage
        part["span"].set(x=1 - clip, width=2 * clip)
        part["unclipped"].set_data(grid, grid * advantage)
        part["clipped"].set_data(grid, clipped)
        part["min"].set_data(grid, np.minimum(grid * advantage, clipped))
        part["start"].set_data([1], [advantage])
        y = min(ratio * advantage, np.clip(ratio, 1 - clip, 1 + clip) * advantage)
        slope = clipped_slope(ratio, advantage, clip)
        end = ratio + 0.4 * slope
        part["at"].set_data([ratio], [y])
        part["arrow"].set_data([ratio, end], [y, y])
        part["arrow"].set(marker=">" if slope > 0 else "<", visible=slope != 0)
        part["kink"].set_x(1 + np.sign(advantage) * (clip + 0.02))
        says = f"slope {slope:+.2f}".replace("-", "−") if slope else "slope 0: no arrow"
        part["says"].set_text(says)
    return figure


def clipped_words(clip, size, ratio):
    """What `draw_clipped` shows, in words."""
    arrows = []
    for panel, advantage in (("left", size), ("right", -size)):
        slope = clipped_slope(ratio, advantage, clip)
        way = "larger" if slope > 0 else "smaller"
        says = f"an arrow towards {way} r, slope {slope:.2f}" if slope else "no arrow"
        arrows.append(f"the {panel} panel has {says}")
    return (
        "One term of the clipped objective over the ratio r. Left, A > 0: the minimum "
        f"rises with r and is flat beyond {1 + clip:.2f}. Right, A < 0: it is flat "
        f"below {1 - clip:.2f} and falls beyond. A red circle marks r = 1. At r = "
        f"{ratio:.2f} {' and '.join(arrows)}."
    )


clipped = Widget(
    draw_clipped,
    clipped_words,
    {
        "clip": Slider("clip range ε", 0.05, 0.5, 0.05, 0.2),
        "size": Slider("size of A", 0.25, 1.5, 0.25, 1.0),
        "ratio": Slider("ratio r", 0.0, 2.0, 0.05, 1.5),
    },
)


@cache
def _cloud_figure(clip=0.2):
    """(figure, its artists by name): built once, then moved."""
    figure, axes = plots.figure(size=(7.2, 4.2))
    part = {"corners": []}
    for x, width in ((0, 1 - clip), (1 + clip, 1)):
        for sign in (1, -1):
            edges = [x, x + width, x + width, x], [0, 0, 4 * sign, 4 * sign]
            corner = axes.fill(*edges, color="#e4e4e9", linestyle="-")[0]
            inside = np.array([x + width / 2]), np.array([float(sign)])
            part["corners"].append((corner, inside))
    look = dict(color=RED, markersize=6, markeredgewidth=1.6)
    part["alive"] = axes.plot([], [], "o", color=BLUE, markersize=4.5)[0]
    part["dead"] = axes.plot([], [], "x", **look)[0]
    axes.axhline(0, color=INK, linewidth=0.9)
    axes.axvline(1, color=INK, linewidth=0.9)
    axes.set(xlim=(0, 2), ylim=(-3.5, 4.1), xlabel="ratio r (no unit)")
    axes.set(ylabel="Â (standard deviations)", xticks=np.arange(0, 2.01, 0.2))
    part["says"] = plots.words_above(axes, ("", BLUE), ("", RED))
    return figure, part


def draw_cloud(epoch, objective, clip=0.2):
    """Every twelfth sample (r, A) after an epoch -> the one, moved, Figure."""
    figure, part = _cloud_figure()
    A = first_batch()[2]
    r, keep = cloud(objective)[epoch], KEEP[objective]
    flat, wrong = shares(r, A, keep)
    for corner, inside in part["corners"]:
        corner.set_visible(not keep(*inside, clip)[0])
    r, A = r[::12], A[::12]
    alive = keep(r, A, clip)
    part["alive"].set_data(r[alive], A[alive])
    part["dead"].set_data(r[~alive], A[~alive])
    above, below = part["says"]
    above.set_text(
        f"●  with a gradient;   moved the wrong way by more than ε: {wrong:.0%}"
    )
    below.set_text(f"×  without, in the shaded corners: {flat:.0%}")
    return figure


def cloud_words(epoch, objective):
    """What `draw_cloud` shows, in words."""
    flat, wrong = shares(cloud(objective)[epoch], first_batch()[2], KEEP[objective])
    return (
        "Real samples as points: ratio r across, estimated advantage up. After "
        f"{epoch} epochs with the objective '{objective}', {flat:.0%} of them lie in "
        f"shaded corners and are drawn as crosses: no gradient. {wrong:.0%} have moved "
        "the wrong way by more than 0.2."
    )


samples = Widget(
    draw_cloud,
    cloud_words,
    {
        "epoch": Slider("epoch", 0, 10, 1, 10),
        "objective": Choice("objective", tuple(KEEP), "min, as on the slide"),
    },
)

# --- exercises


def kl_of_ratios_stub(ratio):
    """KL(old, new), estimated from the ratios r [N] of old samples."""
    terms = ...  # your line: one number for each sample, [N]
    return np.mean(terms)


def kl_of_ratios_reference(ratio):
    """KL(old, new), estimated from the ratios r [N] of old samples."""
    terms = -np.log(ratio)
    return np.mean(terms)


def other_direction(ratio):
    return np.mean(ratio * np.log(ratio))


def mean_zero(ratio):
    return np.mean(ratio - 1)


def half_square(ratio):
    return np.mean((ratio - 1) ** 2) / 2


def less_noisy(ratio):
    return np.mean(ratio - 1 - np.log(ratio))


def other_less_noisy(ratio):
    return np.mean(ratio * np.log(ratio) - (ratio - 1))


def half_log_square(ratio):
    return np.mean(np.log(ratio) ** 2) / 2


def log_of_the_mean(ratio):
    return -np.log(np.mean(ratio))


def kl_cases(rng):
    return [
        (np.exp(spread * rng.standard_normal(n)),)
        for n, spread in ((7, 0.3), (20, 0.6), (50, 0.15), (1, 0.5))
    ]


kl_of_ratios = Exercise(
    name="kl_of_ratios",
    minutes=4,
    difficulty=1,
    stub=kl_of_ratios_stub,
    reference=kl_of_ratios_reference,
    mistakes={
        "r log r is for the other direction, KL(new, old): the samples are the old "
        "policy's already": other_direction,
        "r - 1 has the mean 0 for every new policy, if the old one can take every "
        "action": mean_zero,
        "half of (r - 1)^2 is the first term of a Taylor series, good near r = 1": (
            half_square
        ),
        "this is an estimate as well, of less noise near r = 1; asked is the plain "
        "mean of log(old / new)": less_noisy,
        "r log r - (r - 1) is for the other direction, KL(new, old)": other_less_noisy,
        "half of (log r)^2 is near KL for small steps only; asked is the plain mean of "
        "log(old / new)": half_log_square,
        "the log of each ratio first, then the mean": log_of_the_mean,
    },
    hints=(
        "KL(old, new) is the mean of log(old / new) under the old policy.",
        "r is new / old, so log(old / new) is minus log r.",
        "terms = -np.log(ratio)",
    ),
    cases=kl_cases,
)


def clip_gradient_stub(ratio, score, A, low, high):
    """Gradient [n] of L^CLIP, with r clipped to [1 - low, 1 + high].

    ratio, A [N]; score [N, n] has the rows' grad log pi.
    """
    flat = ratio > 1 + high
    weights = np.where(flat, 0, ratio * A)
    return weights @ score / len(ratio)


def clip_gradient_reference(ratio, score, A, low, high):
    """Gradient [n] of L^CLIP, with r clipped to [1 - low, 1 + high].

    ratio, A [N]; score [N, n] has the rows' grad log pi.
    """
    flat = np.where(A > 0, ratio > 1 + high, ratio < 1 - low)
    weights = np.where(flat, 0, ratio * A)
    return weights @ score / len(ratio)


def _flat_where(flat_of):
    """A wrong answer; `flat_of(r, A, low, high)`: the samples without a gradient."""

    def wrong(ratio, score, A, low, high):
        weights = np.where(flat_of(ratio, A, low, high), 0, ratio * A)
        return weights @ score / len(ratio)

    return wrong


only_good_actions = _flat_where(lambda r, A, low, high: (A > 0) & (r > 1 + high))
one_width = _flat_where(
    lambda r, A, low, high: np.where(A > 0, r > 1 + high, r < 1 - high)
)
exchanged_widths = _flat_where(
    lambda r, A, low, high: np.where(A > 0, r > 1 + low, r < 1 - high)
)
without_min = _flat_where(lambda r, A, low, high: (r > 1 + high) | (r < 1 - low))
max_for_min = _flat_where(
    lambda r, A, low, high: np.where(A > 0, r < 1 - low, r > 1 + high)
)
inside_too = _flat_where(
    lambda r, A, low, high: np.clip(r, 1 - low, 1 + high) * A <= r * A
)
without_clip = _flat_where(lambda r, A, low, high: np.zeros(len(r), bool))


def mean_of_the_rest(ratio, score, A, low, high):
    keep = ~np.where(A > 0, ratio > 1 + high, ratio < 1 - low)
    return (ratio * A)[keep] @ score[keep] / keep.sum()


def without_ratio(ratio, score, A, low, high):
    flat = np.where(A > 0, ratio > 1 + high, ratio < 1 - low)
    return np.where(flat, 0, A) @ score / len(ratio)


def gradient_cases(rng):
    cases = []
    for N, n, low, high in ((12, 3, 0.2, 0.3), (25, 2, 0.3, 0.1), (60, 4, 0.1, 0.45)):
        # both signs of A on each side of all edges, close to them and far away
        edges = rng.choice([1 - low, 1 - high, 1 + low, 1 + high], N)
        near = edges * rng.uniform(0.97, 1.03, N)
        ratio = np.where(rng.random(N) < 0.6, near, rng.uniform(0, 2, N))
        A = rng.standard_normal(N) * np.where(rng.random(N) < 0.5, 0.3, 2)
        A[-1] = 0.0
        cases.append((ratio, rng.standard_normal((N, n)), A, low, high))
    return cases


clip_gradient = Exercise(
    name="clip_gradient",
    minutes=8,
    difficulty=2,
    stub=clip_gradient_stub,
    reference=clip_gradient_reference,
    mistakes={
        "A > 0 is handled, but with A < 0 no sample ever loses its gradient": (
            only_good_actions
        ),
        "the lower edge is 1 - low, not 1 - high": one_width,
        "low and high are exchanged: high is for A > 0, above 1": exchanged_widths,
        "the minimum is gone: samples that moved the wrong way lose their gradient": (
            without_min
        ),
        "max for min: the samples that moved the right way must stop": max_for_min,
        "inside the interval both terms are equal: such a row keeps its gradient": (
            inside_too
        ),
        "nothing is clipped: this is the gradient of L": without_clip,
        "divide by all N, also by those without a gradient": mean_of_the_rest,
        "grad r = r grad log pi: the factor r is missing": without_ratio,
    },
    hints=(
        "Try one sample with A = -1 and r = 1.5, then one with r = .5: which is flat?",
        "Which edge counts depends on the sign of A: np.where chooses row by row.",
        "flat = np.where(A > 0, ratio > 1 + high, ratio < 1 - low)",
    ),
    cases=gradient_cases,
)


def resting_place_stub(p_old, A, clip):
    """The p at which a climb on the exact L^CLIP from p_old ends.

    One state, two actions: p is the probability of action 1, and
    A = (A(0), A(1)) are the advantages. Equal ones: nobody moves.
    """
    ...


def resting_place_reference(p_old, A, clip):
    """The p at which a climb on the exact L^CLIP from p_old ends.

    One state, two actions: p is the probability of action 1, and
    A = (A(0), A(1)) are the advantages. Equal ones: nobody moves.
    """
    if A[0] == A[1]:
        return p_old
    up = int(A[1] > A[0])  # the action that becomes likelier
    old = p_old if up else 1 - p_old
    own = min((1 + clip) * old, 1.0)  # where its own term goes flat
    others = 1 - (1 - clip) * (1 - old)  # where the other one's does
    if A[1 - up] >= 0:
        q = own
    elif A[up] <= 0:
        q = others
    else:
        q = max(own, others)
    return q if up else 1 - q


def _rest(choose):
    """A wrong answer that stops at `choose(own, others)`, whatever the signs are."""

    def wrong(p_old, A, clip):
        if A[0] == A[1]:
            return p_old
        up = int(A[1] > A[0])
        old = p_old if up else 1 - p_old
        q = choose(min((1 + clip) * old, 1.0), 1 - (1 - clip) * (1 - old))
        return q if up else 1 - q

    return wrong


own_edge = _rest(lambda own, others: own)
others_edge = _rest(lambda own, others: others)
first_edge = _rest(min)
last_edge = _rest(max)
no_edge = _rest(lambda own, others: 1.0)


def one_way(p_old, A, clip):
    return resting_place_reference(p_old, (min(A), max(A)), clip)


def beyond_one(p_old, A, clip):
    if A[0] >= 0 and A[1] > A[0]:
        return (1 + clip) * p_old
    if A[1] >= 0 and A[0] > A[1]:
        return 1 - (1 + clip) * (1 - p_old)
    return resting_place_reference(p_old, A, clip)


def first_top(p_old, A, clip):
    """The first of all tops on a grid."""
    if A[0] == A[1]:
        return p_old
    p, old = np.linspace(0, 1, 10_001), np.array([[1 - p_old], [p_old]])
    r, A = np.stack([1 - p, p]) / old, np.reshape(A, (2, 1))
    terms = np.minimum(r * A, np.clip(r, 1 - clip, 1 + clip) * A)
    return p[(old * terms).sum(0).argmax()]


def resting_cases(rng):
    """The better action rare or common, and both signs or one; either may be it."""
    signs = [(-1, 1), (1, 2), (-2, -1), (0, 1), (-1, 0)]
    cases = []
    for low, high in signs:
        for p_old, first in ((0.15, 1), (0.75, 1), (0.3, 0), (0.85, 0)):
            size = float(rng.uniform(0.5, 2))
            A = (low * size, high * size)[:: 1 if first else -1]
            cases.append((p_old, A, float(rng.uniform(0.1, 0.3))))
    return [*cases, (0.95, (0.5, 1.0), 0.2), (0.4, (0.7, 0.7), 0.2)]


resting_place = Exercise(
    name="resting_place",
    minutes=15,
    difficulty=3,
    stub=resting_place_stub,
    reference=resting_place_reference,
    mistakes={
        "the climb goes on while the other action's term still has a slope": own_edge,
        "the better action's own term can go flat later, or be the only one": (
            others_edge
        ),
        "one flat term is not the end if the other one still pulls": first_edge,
        "a term goes flat only with A > 0 above 1 + eps or A < 0 below 1 - eps: look "
        "at the signs": last_edge,
        "nothing is clipped: this is the top of L": no_edge,
        "the action with the larger advantage may be action 0: then p falls": one_way,
        "a probability beyond 1": beyond_one,
        "the top is a plateau: the climb ends at its near edge, where it turns flat": (
            first_top
        ),
    },
    hints=(
        "The slope in p is A(1) - A(0) at first. Which term goes flat, and where?",
        "The term of the action that becomes likelier can go flat at (1 + eps) times "
        "its old probability, if its A > 0; the other's at (1 - eps) times its own, "
        "if its A < 0.",
        "Signs alike: only one of the two can go flat, and then the other turns the "
        "climb around. Different signs: the climb ends where both are flat.",
    ),
    cases=resting_cases,
    tolerance=1e-2,
)

pictures = (pessimistic_road, broken, symptoms, far, beside)
widgets = (clipped, samples)
exercises = (kl_of_ratios, clip_gradient, resting_place)
progress = Progress(exercises)
