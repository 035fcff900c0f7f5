"""Notebook 14: the clipped objective, its gradient, and what it does not limit."""

from dataclasses import replace
from functools import cache

import numpy as np

from trpo_lite.advantage import LinearValue, gae, normalize
from trpo_lite.course.engine import Exercise, Progress
from trpo_lite.course.widgets import Choice, Slider, Widget
from trpo_lite.mdp import evaluate, road_and_ice, shared_policy
from trpo_lite.ppo import AdamState, adam_step
from trpo_lite.style import BLUE, GREY, INK, PURPLE, RED, VIOLET

# one term, drawn


@cache
def _clipped_figure():
    """(figure, artists of the left and of the right panel): built once, then moved."""
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

    figure = Figure(figsize=(7.4, 3.7), layout="constrained")
    panels = []
    for axes, sign in zip(figure.subplots(1, 2), (1, -1), strict=True):
        low, high = (-0.45, 3.1) if sign > 0 else (-3.1, 0.45)
        axes.grid(False)
        axes.set(xlim=(0, 2.06), ylim=(low, high), xticks=(0, 1, 2))
        axes.set(title="A > 0" if sign > 0 else "A < 0", xlabel="ratio r (no unit)")
        axes.axhline(0, color=GREY, linewidth=0.9)
        part = {"span": axes.add_patch(Rectangle((0, low), 1, 9, color="#ececef"))}
        part["unclipped"] = axes.plot([], [], "--", color=RED, label="r A")[0]
        part["clipped"] = axes.plot([], [], ":", color=VIOLET, label="clip(r) A")[0]
        part["min"] = axes.plot([], [], color=BLUE, linewidth=4, label="the minimum")[0]
        part["start"] = axes.plot([1], [0], "o", color="#e00000", markersize=10)[0]
        part["arrow"] = axes.plot(
            [], [], "-", color=INK, linewidth=3, markersize=12, markevery=[1]
        )[0]
        part["at"] = axes.plot([], [], "s", color=INK, markersize=9)[0]
        text = ("1 + ε", "left") if sign > 0 else ("1 − ε", "right")
        y = low + 0.1 if sign > 0 else high - 0.32
        part["kink"] = axes.text(0, y, text[0], ha=text[1])
        y = high - 0.3 if sign > 0 else low + 0.12
        part["says"] = axes.text(0.06, y, "", fontweight="bold")
        panels.append(part)
    axes = figure.axes
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


clipped = Widget(
    draw_clipped,
    "One term of the clipped objective over the ratio r. Left, A > 0: the minimum "
    "rises with r and is flat beyond 1 + epsilon. Right, A < 0: it is flat below "
    "1 - epsilon and falls beyond. A red circle marks r = 1. At r = 1.5 the left "
    "panel has no arrow, the right one an arrow back towards smaller r.",
    {
        "clip": Slider("clip range ε", 0.05, 0.5, 0.05, 0.2),
        "size": Slider("size of A", 0.25, 1.5, 0.25, 1.0),
        "ratio": Slider("ratio r", 0.0, 2.0, 0.05, 1.5),
    },
)


# the road, exactly


def draw_road(p, curves, gain, marks, ylim):
    """Curves {label: [N]} and the true gain [N] over p; marks [(p, text, y)]."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 4.0), layout="constrained")
    axes = figure.subplots()
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


def draw_far(start, ratio, kl, limit):
    """Ratio and KL at the top of L^CLIP over the old probability [N] -> Figure."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.4, 3.5), layout="constrained")
    left, right = figure.subplots(1, 2)
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


# real samples


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
    log_old, new, ratios = policy.at(s).log_prob(a), policy, [np.ones(len(A))]
    for _ in range(epochs):
        for n in np.array_split(rng.permutation(len(A)), parts):
            r = np.exp(new.at(s[n]).log_prob(a[n]) - log_old[n])
            weights = KEEP[objective](r, A[n], clip) * r * A[n] / len(n)
            adam, step = adam_step(adam, new.at(s[n]).score_sum(a[n], weights), rate)
            new = new.with_theta(new.theta + step)
        ratios.append(np.exp(new.at(s).log_prob(a) - log_old))
    return np.array(ratios)


def shares(r, A, keep, clip=0.2):
    """Shares of samples: without a gradient; moved the wrong way beyond clip."""
    wrong = ((A > 0) & (r < 1 - clip)) | ((A < 0) & (r > 1 + clip))
    return float((~keep(r, A, clip)).mean()), float(wrong.mean())


@cache
def _cloud_figure(clip=0.2):
    """(figure, its artists by name): built once, then moved."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 4.0), layout="constrained")
    axes = figure.subplots()
    part = {"corners": []}
    for x, width in ((0, 1 - clip), (1 + clip, 1)):
        for sign in (1, -1):
            corner = axes.fill([x, x + width, x + width, x], [0, 0, 4 * sign, 4 * sign],
                               color="#e4e4e9", linestyle="-")[0]  # fmt: skip
            inside = np.array([x + width / 2]), np.array([float(sign)])
            part["corners"].append((corner, inside))
    look = dict(color=RED, markersize=6, markeredgewidth=1.6)
    part["alive"] = axes.plot([], [], "o", color=BLUE, markersize=4.5,
                              label="with a gradient")[0]  # fmt: skip
    part["dead"] = axes.plot([], [], "x", label="without", **look)[0]
    axes.axhline(0, color=INK, linewidth=0.9)
    axes.axvline(1, color=INK, linewidth=0.9)
    axes.set(xlim=(0, 2), ylim=(-3.5, 4.1), xlabel="ratio r (no unit)")
    axes.set(ylabel="Â (standard deviations)", xticks=np.arange(0, 2.01, 0.2))
    axes.legend(loc="lower right", frameon=True, framealpha=0.9, edgecolor="none")
    part["says"] = axes.text(0.03, 3.5, "", backgroundcolor="#ffffffcc")
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
    part["says"].set_text(f"without a gradient {flat:.0%}, moved wrong {wrong:.0%}")
    return figure


samples = Widget(
    draw_cloud,
    "Real samples as points: ratio r across, estimated advantage up. After ten epochs "
    "many with a positive advantage and a ratio above 1.2, or a negative one and a "
    "ratio below 0.8, lie in shaded corners and are drawn as crosses: no gradient.",
    {
        "epoch": Slider("epoch", 0, 10, 1, 10),
        "objective": Choice("objective", tuple(KEEP), "min, as on the slide"),
    },
)


# whole runs


def cartpole():
    """(eight carts, a coin that sees them scaled by what `first_batch` saw)."""
    from trpo_lite.environments import make_environment

    return make_environment("CartPole-v1", 8), first_batch()[0]


def measure(policy, new, batch):
    """The old policy's mean return; largest ratio, mean KL and entropy of the step."""
    s, a = batch.observations, batch.actions
    r = np.exp(new.at(s).log_prob(a) - policy.at(s).log_prob(a))
    return {
        "return": float(batch.episode_returns.mean()),
        "max_ratio": float(r.max()),
        "kl": float(policy.at(s).kl(new.at(s)).mean()),
        "entropy": float(new.at(s).entropy().mean()),
    }


def draw_symptoms(logs):
    """Mean return and largest ratio over updates, {label: [measures]} -> Figure."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 3.3), layout="constrained")
    left, right = figure.subplots(1, 2)
    looks = ((BLUE, "-"), (PURPLE, "--"), (VIOLET, "-."), (RED, ":"))
    for (label, log), (color, style) in zip(logs.items(), looks, strict=True):
        left.plot([x["return"] for x in log], style, color=color)
        right.plot([x["max_ratio"] for x in log], style, color=color, label=label)
    left.axhline(475, color=INK, linewidth=1.1, linestyle=(0, (4, 3)))
    left.set(xlabel="update", ylabel="mean return (reward)", ylim=(0, 520))
    right.set(xlabel="update", ylabel="largest ratio (no unit)", yscale="log")
    right.set(ylim=(1, 900), yticks=(1, 10, 100), yticklabels=("1", "10", "100"))
    right.minorticks_off()
    for axes in (left, right):
        axes.set_xticks((0, 3, 6, 9))
    right.legend(loc="upper right", ncols=2)
    return figure


def draw_beside(logs, clip=0.2):
    """Largest ratio and mean KL over updates: median and range over seeds -> Figure.

    logs : {label: [History, ...]}.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 3.3), layout="constrained")
    panels = figure.subplots(1, 2)
    looks = ((BLUE, "-"), (RED, "--"))
    for axes, column in zip(panels, ("max_ratio", "kl"), strict=True):
        for (label, seeds), (color, style) in zip(logs.items(), looks, strict=True):
            y = np.array([log[column] for log in seeds])
            x = np.arange(y.shape[1])
            axes.fill_between(x, y.min(0), y.max(0), color=color, alpha=0.2, lw=0)
            axes.plot(x, np.median(y, 0), style, color=color, label=label)
        axes.set(xlabel="update", xticks=(0, 3, 6, 9))
    left, right = panels
    left.axhline(1 + clip, color=INK, linewidth=1.4, linestyle=(0, (4, 3)))
    left.text(11, 1 + clip - 0.06, "1 + ε", va="top", ha="right")
    left.set(ylabel="largest ratio (no unit)", ylim=(0.8, 3.5))
    right.set(ylabel="mean KL (nats)", ylim=(0, 0.034))
    right.legend(loc="upper right")
    return figure


# exercise 1


def gradient_factor_stub(ratio, advantage, clip):
    """d/dr of min(r A, clip(r) A), [N]; ratio and advantage [N]."""
    gone_up = (advantage > 0) & (ratio > 1 + clip)
    gone_down = ...  # the other case in which the term is flat
    return np.where(gone_up | gone_down, 0.0, advantage)


def gradient_factor_reference(ratio, advantage, clip):
    """d/dr of min(r A, clip(r) A), [N]; ratio and advantage [N]."""
    gone_up = (advantage > 0) & (ratio > 1 + clip)
    gone_down = (advantage < 0) & (ratio < 1 - clip)
    return np.where(gone_up | gone_down, 0.0, advantage)


def flat_on_wrong_side(ratio, advantage, clip):
    flat = (advantage > 0) & (ratio > 1 + clip) | (advantage < 0) & (ratio > 1 + clip)
    return np.where(flat, 0.0, advantage)


def flat_for_all_low(ratio, advantage, clip):
    flat = (advantage > 0) & (ratio > 1 + clip) | (ratio < 1 - clip)
    return np.where(flat, 0.0, advantage)


def flat_for_positive_only(ratio, advantage, clip):
    return np.where((advantage > 0) & (ratio > 1 + clip), 0.0, advantage)


def flat_for_positive_low(ratio, advantage, clip):
    flat = (advantage > 0) & ((ratio > 1 + clip) | (ratio < 1 - clip))
    return np.where(flat, 0.0, advantage)


def clip_as_bound(ratio, advantage, clip):
    flat = (advantage > 0) & (ratio > 1 + clip) | (advantage < 0) & (ratio < clip)
    return np.where(flat, 0.0, advantage)


def ratio_cases(rng):
    return [
        (rng.uniform(0, 2, n), rng.standard_normal(n), clip)
        for n, clip in ((12, 0.2), (20, 0.1), (40, 0.3))
    ]


gradient_factor = Exercise(
    name="gradient_factor",
    minutes=5,
    difficulty=1,
    stub=gradient_factor_stub,
    reference=gradient_factor_reference,
    mistakes={
        "for A < 0 and r > 1 + eps the sample moved the wrong way: it must keep its "
        "gradient": flat_on_wrong_side,
        "r < 1 - eps is flat only if A < 0: with A > 0 the sample must come back": (
            flat_for_all_low
        ),
        "A > 0 is handled, A < 0 never loses its gradient": flat_for_positive_only,
        "the second case belongs to A < 0, not to A > 0": flat_for_positive_low,
        "the lower edge is 1 - eps, not eps": clip_as_bound,
    },
    hints=(
        "Look at the right panel of the interactive plot: where is the line flat?",
        "A < 0: the sample has moved the right way when its action is rarer, so r < 1.",
        "gone_down = (advantage < 0) & (ratio < 1 - clip)",
    ),
    cases=ratio_cases,
)


# exercise 2: the bug hunt


def pessimistic_stub(ratio, advantage, clip):
    """min(r A, clip(r, 1-eps, 1+eps) A), [N]; ratio and advantage [N]."""
    inside = np.clip(ratio, 1 - clip, 1 + clip)
    return np.minimum(ratio, inside) * advantage


def pessimistic_reference(ratio, advantage, clip):
    """min(r A, clip(r, 1-eps, 1+eps) A), [N]; ratio and advantage [N]."""
    inside = np.clip(ratio, 1 - clip, 1 + clip)
    return np.minimum(ratio * advantage, inside * advantage)


def no_minimum(ratio, advantage, clip):
    return np.clip(ratio, 1 - clip, 1 + clip) * advantage


def maximum(ratio, advantage, clip):
    inside = np.clip(ratio, 1 - clip, 1 + clip)
    return np.maximum(ratio * advantage, inside * advantage)


def of_the_size(ratio, advantage, clip):
    inside = np.clip(ratio, 1 - clip, 1 + clip)
    size = np.abs(advantage)
    return np.sign(advantage) * np.minimum(ratio * size, inside * size)


def clips_the_product(ratio, advantage, clip):
    return np.minimum(ratio * advantage, np.clip(ratio * advantage, 1 - clip, 1 + clip))


def only_caps(ratio, advantage, clip):
    return np.minimum(ratio * advantage, (1 + clip) * advantage)


def never_above(arguments, result):
    ratio, advantage, _ = arguments
    if np.max(np.asarray(result) - ratio * advantage) > 1e-12:
        return "a term lies above r A: that is no pessimistic bound"
    return None


pessimistic = Exercise(
    name="pessimistic",
    minutes=6,
    difficulty=2,
    stub=pessimistic_stub,
    reference=pessimistic_reference,
    mistakes={
        "the minimum is gone: samples that moved the wrong way lose their gradient": (
            no_minimum
        ),
        "the larger one is optimistic: the improving side has no limit": maximum,
        "clip the ratio, not the product r A": clips_the_product,
        "one cap for both signs: for A < 0 the flat part is below 1 - eps": only_caps,
    },
    hints=(
        "With A > 0 all is well. Try r = 1.5 and r = .5 with A = -1.",
        "Times a negative number, the smaller of two becomes the larger.",
        "Multiply both by the advantage first, then take the minimum.",
    ),
    cases=ratio_cases,
    invariants=(never_above,),
)


# exercise 3


def clip_slope_stub(theta, theta_old, actions, advantages, clip):
    """The slope of L^CLIP in theta: one number.

    One parameter: P(fast) = 1 / (1 + exp(-theta)). Actions [N] are 1
    (fast) or 0 (slow), drawn at theta_old. The score is
    d log pi(a) / d theta = a - P(fast).
    """
    ...


def clip_slope_reference(theta, theta_old, actions, advantages, clip):
    """The slope of L^CLIP in theta: one number.

    One parameter: P(fast) = 1 / (1 + exp(-theta)). Actions [N] are 1
    (fast) or 0 (slow), drawn at theta_old. The score is
    d log pi(a) / d theta = a - P(fast).
    """
    p, p_old = 1 / (1 + np.exp(-theta)), 1 / (1 + np.exp(-theta_old))
    ratio = np.where(actions == 1, p / p_old, (1 - p) / (1 - p_old))
    flat = (advantages > 0) & (ratio > 1 + clip)
    flat = flat | (advantages < 0) & (ratio < 1 - clip)
    terms = ratio * advantages * (actions - p)  # grad r = r grad log pi
    return float(np.mean(np.where(flat, 0.0, terms)))


def _slope(theta, theta_old, actions, advantages, keep, weight=None, at=None):
    p, p_old = 1 / (1 + np.exp(-theta)), 1 / (1 + np.exp(-theta_old))
    ratio = np.where(actions == 1, p / p_old, (1 - p) / (1 - p_old))
    factor = ratio if weight is None else weight(ratio)
    terms = factor * advantages * (actions - (p if at is None else p_old))
    return terms, keep(ratio)


def without_ratio(theta, theta_old, actions, advantages, clip):
    terms, keep = _slope(theta, theta_old, actions, advantages,
                         lambda r: KEEP["min, as on the slide"](r, advantages, clip),
                         np.ones_like)  # fmt: skip
    return float(np.mean(terms * keep))


def without_clipping(theta, theta_old, actions, advantages, clip):
    terms, _ = _slope(theta, theta_old, actions, advantages, np.ones_like)
    return float(np.mean(terms))


def without_min(theta, theta_old, actions, advantages, clip):
    terms, keep = _slope(theta, theta_old, actions, advantages,
                         lambda r: KEEP["no min"](r, advantages, clip))  # fmt: skip
    return float(np.mean(terms * keep))


def mean_of_the_rest(theta, theta_old, actions, advantages, clip):
    terms, keep = _slope(theta, theta_old, actions, advantages,
                         lambda r: KEEP["min, as on the slide"](r, advantages, clip),
                         )  # fmt: skip
    return float(terms[keep].mean())


def old_score(theta, theta_old, actions, advantages, clip):
    terms, keep = _slope(theta, theta_old, actions, advantages,
                         lambda r: KEEP["min, as on the slide"](r, advantages, clip),
                         at="old")  # fmt: skip
    return float(np.mean(terms * keep))


def clipped_ratio_as_factor(theta, theta_old, actions, advantages, clip):
    terms, keep = _slope(theta, theta_old, actions, advantages, np.ones_like,
                         lambda r: np.clip(r, 1 - clip, 1 + clip))  # fmt: skip
    return float(np.mean(terms * keep))


def slope_cases(rng):
    cases = []
    for n, old, move, clip in (
        (60, -2.0, 0.6, 0.2), (80, 0.0, -0.7, 0.1), (100, -1.0, 0.9, 0.2),
        (40, 0.5, 0.05, 0.2),
    ):  # fmt: skip
        actions = (rng.random(n) < 1 / (1 + np.exp(-old))).astype(int)
        cases.append((old + move, old, actions, rng.standard_normal(n), clip))
    return cases


def objective_of(theta, theta_old, actions, advantages, clip):
    """L^CLIP of the one-parameter driver."""
    p, p_old = 1 / (1 + np.exp(-theta)), 1 / (1 + np.exp(-theta_old))
    ratio = np.where(actions == 1, p / p_old, (1 - p) / (1 - p_old))
    return pessimistic_reference(ratio, advantages, clip).mean()


def is_the_slope(arguments, result):
    theta, *rest = arguments
    h = 1e-6
    slope = (objective_of(theta + h, *rest) - objective_of(theta - h, *rest)) / (2 * h)
    if abs(slope - result) > 1e-6:
        return f"finite differences of L^CLIP give {slope:.6f}"
    return None


clip_slope = Exercise(
    name="clip_slope",
    minutes=12,
    difficulty=3,
    stub=clip_slope_stub,
    reference=clip_slope_reference,
    mistakes={
        "grad r = r grad log pi: the factor r is missing": without_ratio,
        "nothing is clipped: this is the slope of L": without_clipping,
        "samples that moved the wrong way have lost their gradient": without_min,
        "divide by all N, also by those without a gradient": mean_of_the_rest,
        "the score belongs to the new policy: a - P(fast) at theta": old_score,
        "a clipped ratio has slope 0, not the slope of a smaller ratio": (
            clipped_ratio_as_factor
        ),
    },
    hints=(
        "Three parts: the ratio of each action, which samples are flat, the mean.",
        "A sample that is not flat gives A times the slope of r, and r' = r (a - p).",
        "mean(where(flat, 0, ratio * advantages * (actions - p))), p at theta.",
    ),
    cases=slope_cases,
    invariants=(is_the_slope,),
)

exercises = (gradient_factor, pessimistic, clip_slope)
progress = Progress(exercises)
widgets = (clipped, samples)


def road():
    """road_and_ice (gamma .9) and its evaluation at p = .1."""
    world = road_and_ice(gamma=0.9)
    return world, evaluate(world, shared_policy(0.1))
