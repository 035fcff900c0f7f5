"""Notebook 13: a price on KL, its maximiser, and rules that adapt the price."""

from functools import cache

import numpy as np

from trpo_lite.bound import kl
from trpo_lite.course.engine import Exercise, Progress
from trpo_lite.course.widgets import Steps, Widget
from trpo_lite.mdp import (
    evaluate,
    random_mdp,
    road_and_ice,
    shared_policy,
    uniform_policy,
)
from trpo_lite.policies import TabularSoftmax
from trpo_lite.ppo import adapt_beta
from trpo_lite.rollout import Samples
from trpo_lite.style import BLUE, GREY, INK, PURPLE, RED, VIOLET

DELTA = 0.05  # the target of the page's runs


def toy_sample(count, seed=1):
    """(world, uniform policy, Samples, exact advantages of the rows [count])."""
    world = random_mdp(np.random.default_rng(0))
    old = evaluate(world, uniform_policy(world))
    rng = np.random.default_rng(seed)
    states = rng.choice(6, count, p=old.visitation / old.visitation.sum())
    policy = TabularSoftmax.zeros(6, 3)
    actions = policy.sample(states, rng)
    return world, policy, Samples(states, actions), old.advantage[states, actions]


# the road: one shared parameter


ROAD = road_and_ice()


def road_value(p):
    """J(p) on `road_and_ice`."""
    return evaluate(ROAD, shared_policy(p)).performance


def slope(p):
    """The slope in p of (1 - gamma) L, a straight line, from the old policy p."""
    old = evaluate(ROAD, shared_policy(p))
    slow, fast = (1 - ROAD.gamma) * old.visitation @ old.advantage
    return fast - slow


def priced_p(p, beta):
    """The p' that maximises (1 - gamma) L - beta KL from the old p.

    c p' (1 - p') = beta (p' - p), with c = `slope(p)`: a quadratic with one root in
    (0, 1).
    """
    c = slope(p)
    b = c - beta
    return (b + np.sqrt(b * b + 4 * c * beta * p)) / (2 * c) if c else p


def limited_p(p, delta):
    """The p' with the largest L of those with KL <= delta from the old p."""
    c = slope(p)
    inside, outside = p, 1.0 if c > 0 else 0.0
    for _ in range(60):
        middle = (inside + outside) / 2
        near = kl([1 - p, p], [1 - middle, middle]) <= delta
        inside, outside = (middle, outside) if near else (inside, middle)
    return inside


def as_on_the_slide(beta, kl, target):
    """The sentence on the slide: further than the target, so shrink beta."""
    if kl > 1.5 * target:
        return beta / 2
    return 2 * beta if kl < target / 1.5 else beta


def fixed(beta, kl, target):
    """No rule at all."""
    return beta


@cache
def road_run(rule, beta, iterations, delta=DELTA, p=0.1):
    """Penalised steps on the road, beta by `rule`: beta, p, KL and J after each step.

    [iterations, 4]; the first row is the first step. rule = None: steps with the limit
    KL <= delta instead, and beta is NaN.
    """
    rows = []
    for _ in range(iterations):
        new = limited_p(p, delta) if rule is None else priced_p(p, beta)
        new = float(np.clip(new, 1e-12, 1 - 1e-12))
        distance = float(kl([1 - p, p], [1 - new, new]))
        rows.append((np.nan if rule is None else beta, new, distance, road_value(new)))
        p, beta = new, beta if rule is None else rule(beta, distance, delta)
    return np.array(rows)


@cache
def road_curves(p_old=0.1):
    """p [400], and from p_old: (1 - gamma) L, (1 - gamma) eta and KL, [400] each."""
    p = np.linspace(0.0025, 0.9975, 400)
    J = np.array([road_value(x) for x in p])
    promise = slope(p_old) * (p - p_old)
    truth = (1 - ROAD.gamma) * (J - road_value(p_old))
    old = np.array([1 - p_old, p_old])
    return p, promise, truth, kl(old, np.stack([1 - p, p], -1))


def draw_penalty(beta, p_old=0.1):
    """L, the truth and the penalised objective over p, with its maximiser -> Figure."""
    from matplotlib.figure import Figure

    p, promise, truth, distance = road_curves(p_old)
    best = priced_p(p_old, beta)
    KL = float(kl([1 - p_old, p_old], [1 - best, best]))
    height = slope(p_old) * (best - p_old) - beta * KL
    gain = (1 - ROAD.gamma) * (road_value(best) - road_value(p_old))
    figure = Figure(figsize=(6.8, 3.7), layout="constrained")
    axes = figure.subplots()
    axes.axhline(0, color=INK, linewidth=0.8)
    axes.plot(p, promise, "--", color=RED)
    axes.plot(p, truth, ":", color=BLUE)
    axes.plot(p, promise - beta * distance, color=PURPLE)
    axes.plot([best, best], [height, gain], color=INK, linewidth=1.2, linestyle="-.")
    axes.plot(p_old, 0, "o", color=INK, markersize=8)
    axes.plot(best, gain, "s", color=BLUE, markersize=8)
    axes.plot(best, height, "D", color=PURPLE, markersize=9)
    axes.set(xlim=(0, 1), ylim=(-0.4, 0.7))
    axes.text(0.86, 0.6, "L", color=RED, ha="right")
    axes.text(0.71, -0.2, "true gain", color=BLUE, ha="right")
    change = f"{gain / (1 - ROAD.gamma):+.2f}".replace("-", "−")
    words = (
        (f"L − β KL, β = {beta:g}", PURPLE),
        (f"best p = {best:.2f}, KL = {KL:.3f}", PURPLE),
        (f"J changes by {change}", BLUE),
    )
    for i, (text, color) in enumerate(words):
        axes.text(0.02, 0.63 - 0.085 * i, text, color=color)
    axes.set(xlabel="p, the probability of driving fast in both states")
    axes.set_ylabel("gain over p = 0.1 (reward per step)")
    return figure


penalty = Widget(
    draw_penalty,
    "Over p, L is a rising straight line and the true gain an arch. L minus beta KL "
    "touches L at p = 0.1 and bends away from it; its highest point is the penalised "
    "step. A square on the arch above or below it is the step's true gain.",
    {"beta": Steps("price β", (0.03, 0.1, 0.3, 0.6, 1.0, 3.0, 10.0), 0.3)},
)


RULES = ((adapt_beta, "algorithm", BLUE, "-", "o"),
         (as_on_the_slide, "sentence", RED, "--", "s"))  # fmt: skip


def draw_rules(beta, iterations=16):
    """beta and J over iterations under both rules, from one first beta -> Figure."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.0, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.set(yscale="log", ylim=(1e-6, 1e6))
    right.axhline(1.985, color=INK, linewidth=1.2, linestyle=(0, (4, 3)))
    right.text(iterations, 2.12, "best J", ha="right", fontsize=11)
    for i, (rule, name, color, style, marker) in enumerate(RULES):
        run = road_run(rule, beta, iterations)
        look = dict(color=color, linestyle=style, marker=marker, markersize=4.5)
        left.plot(range(1, iterations + 1), run[:, 0], **look)
        right.plot(range(1, iterations + 1), run[:, 3], **look)
        left.text(1, (1.2e5, 1.2e4)[i], name, color=color)
    left.set(xlabel="iteration", ylabel="price β")
    right.set(xlabel="iteration", ylabel="J after the step (return)")
    right.set_ylim(-3.8, 2.8)
    for axes in (left, right):
        axes.set_xlim(0, iterations + 1)
    return figure


rules = Widget(
    draw_rules,
    "Left, the price beta over iterations on a log axis: under the algorithm's rule it "
    "stays within a band, under the sentence's rule it runs away. Right, J: the first "
    "comes near the best, the second swings between good and terrible or stands still.",
    {"beta": Steps("first β", (0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0), 0.3)},
)


def draw_after(iterations=48, beta=0.3, delta=DELTA):
    """J and KL on the road over many iterations, price against limit -> Figure."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.0, 4.0), layout="constrained")
    top, bottom = figure.subplots(2, 1, sharex=True)
    looks = ((adapt_beta, "adapted price", BLUE, "-", "o"),
             (None, "limit", RED, "--", "s"))  # fmt: skip
    for rule, name, color, style, marker in looks:
        run = road_run(rule, beta, iterations, delta)
        x = np.arange(1, iterations + 1)
        look = dict(color=color, linestyle=style, marker=marker, markersize=4)
        top.plot(x, run[:, 3], label=name, **look)
        bottom.plot(x, np.maximum(run[:, 2], 1e-6), **look)
    top.set(ylabel="J (return)", ylim=(-2.5, 3.6))
    top.legend(loc="upper left", ncols=2)
    bottom.axhline(delta, color=INK, linewidth=1.2, linestyle=(0, (4, 3)))
    bottom.text(0.2, 1.5 * delta, "δ", fontsize=12)
    bottom.set(yscale="log", ylim=(5e-7, 9), xlabel="iteration")
    bottom.set(ylabel="KL of the step (nats)", xlim=(0, iterations + 1))
    return figure


def draw_cost(cost):
    """Seconds of one update over parameters, five ways -> Figure."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.0, 3.9), layout="constrained")
    axes = figure.subplots()
    axes.set(xscale="log", yscale="log", xlim=(45, 2e6), ylim=(5e-5, 3e3))
    n, free = cost["n"], cost["n_free"]
    axes.plot(n, cost["dense"], "-s", color=RED)
    far = np.array([n[-1], 3e4])
    axes.plot(far, cost["dense"][-1] * (far / n[-1]) ** 3, ":", color=RED)
    for name, style, color in (("ppo", "--^", VIOLET), ("trpo", "-o", BLUE),
                               ("gradient", "-.D", PURPLE),
                               ("minibatch", ":v", INK)):  # fmt: skip
        axes.plot(free, cost[name], style, color=color, markersize=5.5)
    axes.text(2.2e4, 1.5e2, "step with the\nmatrix inverted", color=RED)
    axes.legend(
        axes.lines[2:],
        ("PPO with 10 passes", "TRPO with CG", "one gradient", "one, on a quarter"),
        loc="upper left",
    )
    axes.set(xlabel="parameters n", ylabel="processor time (s)")
    return figure


def draw_epochs(paths, epochs):
    """PPO's L over that of a TRPO step with the same KL, by epochs -> Figure.

    paths : {beta: (KL [T], share [T])} ; epochs [T].
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.8, 3.5), layout="constrained")
    axes = figure.subplots()
    axes.set(xscale="log", xlim=(4e-4, 1), ylim=(85, 105))
    axes.axhline(100, color=INK, linewidth=1.4)
    axes.text(4.5e-4, 100.5, "TRPO", fontsize=12)
    looks = ((BLUE, "--", "o"), (RED, "-.", "s"), (VIOLET, ":", "^"))
    for (beta, (KL, share)), look in zip(paths.items(), looks, strict=True):
        color, style, marker = look
        axes.plot(KL, 100 * share, color=color, linestyle=style, marker=marker,
                  label=f"β = {beta:g}")  # fmt: skip
    KL, share = paths[min(paths)]
    for count, x, y in zip(epochs, KL, share, strict=True):
        words = f"{count} epoch" + ("s" if count > 1 else "")
        axes.annotate(words, (x, 100 * y), (8, -16), textcoords="offset points",
                      color=BLUE, fontsize=11)  # fmt: skip
    axes.legend(loc="lower right")
    axes.set(xlabel="mean KL of the step (nats)")
    axes.set_ylabel("L, in % of TRPO's at equal KL")
    return figure


def draw_run(runs, delta=DELTA):
    """beta and KL over updates of some runs; runs {label: History} -> Figure."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.0, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    looks = ((BLUE, "-"), (RED, "--"), (VIOLET, "-."), (INK, ":"))
    for (label, run), (color, style) in zip(runs.items(), looks, strict=False):
        x = np.arange(1, len(run["kl"]) + 1)
        look = dict(color=color, linestyle=style, linewidth=1.8)
        if np.isfinite(run["beta"]).any():
            left.plot(x, run["beta"], label=label, **look)
            right.plot(x, np.maximum(run["kl"], 1e-6), **look)
        else:
            right.plot(x, run["kl"], label=label, **look)
    right.axhspan(delta / 1.5, 1.5 * delta, color=GREY, alpha=0.35, linewidth=0)
    left.set(yscale="log", xlabel="update", ylabel="price β after the update")
    right.set(yscale="log", xlabel="update", ylabel="KL of the step (nats)")
    right.set_ylim(1e-6, 4)
    left.legend(loc="upper right")
    right.legend(loc="lower right")
    return figure


# exercise 1


def next_beta_stub(beta, kl, target):
    """The price of the next update, from the KL of this one."""
    if kl > 1.5 * target:
        return ...  # the step was too far
    if kl < target / 1.5:
        return ...  # the step was too short
    return beta


def next_beta_reference(beta, kl, target):
    """The price of the next update, from the KL of this one."""
    if kl > 1.5 * target:
        return 2 * beta
    if kl < target / 1.5:
        return beta / 2
    return beta


def shrinks(beta, kl, target):
    return as_on_the_slide(beta, kl, target)


def compares_penalty(beta, kl, target):
    return next_beta_reference(beta, beta * kl, target)


def no_pause(beta, kl, target):
    return 2 * beta if kl > target else beta / 2


def adds(beta, kl, target):
    if kl > 1.5 * target:
        return beta + 2
    return beta - 2 if kl < target / 1.5 else beta


def only_up(beta, kl, target):
    return 2 * beta if kl > 1.5 * target else beta


def beta_cases(rng):
    cases = []
    for share in (0.1, 0.6, 0.8, 1.0, 1.3, 1.6, 5.0, 0.65, 1.45):
        target = float(10 ** rng.uniform(-3, -1))
        cases.append((float(10 ** rng.uniform(-1, 1)), share * target, target))
    return cases


next_beta = Exercise(
    name="next_beta",
    minutes=4,
    difficulty=1,
    stub=next_beta_stub,
    reference=next_beta_reference,
    mistakes={
        "the wrong way round: a step that was too far needs a higher price": shrinks,
        "it is the KL that is compared with the target, not beta times KL": (
            compares_penalty
        ),
        "no pause: between target / 1.5 and 1.5 target the price stays": no_pause,
        "a price is multiplied or divided by 2; with + and - it can become negative": (
            adds
        ),
        "the price can rise but never fall": only_up,
    },
    hints=(
        "The price holds the policy back. When has it to hold back more?",
        "Too far: a higher price, twice as high. Too short: half the price.",
        "return 2 * beta in the first branch, return beta / 2 in the second.",
    ),
    cases=beta_cases,
)


# exercise 2


def penalised_gradient_stub(theta, p_old, A, beta):
    """Gradient [n] of pi.A - beta KL(p_old, pi); pi = softmax(theta)."""
    pi = np.exp(theta - theta.max())
    pi = pi / pi.sum()
    gain = pi * (A - pi @ A)  # the gradient of pi.A
    return gain - beta * ...  # KL(p_old, pi)'s: one difference


def penalised_gradient_reference(theta, p_old, A, beta):
    """Gradient [n] of pi.A - beta KL(p_old, pi); pi = softmax(theta)."""
    pi = np.exp(theta - theta.max())
    pi = pi / pi.sum()
    gain = pi * (A - pi @ A)  # the gradient of pi.A
    return gain - beta * (pi - p_old)


def softmax(theta):
    weights = np.exp(theta - theta.max())
    return weights / weights.sum()


def with_kl(gradient):
    """A wrong answer that uses `gradient(pi, p_old)` for KL's."""

    def wrong(theta, p_old, A, beta):
        pi = softmax(theta)
        return pi * (A - pi @ A) - beta * gradient(pi, p_old)

    return wrong


other_sign = with_kl(lambda pi, p: p - pi)
log_ratio = with_kl(lambda pi, p: np.log(pi / p))
through_p = with_kl(lambda pi, p: -p / pi)


def reverse_gradient(pi, p):
    ratio = np.log(pi / p)
    return pi * (ratio - pi @ ratio)


other_direction = with_kl(reverse_gradient)
no_penalty = with_kl(lambda pi, p: 0 * pi)


def gradient_cases(rng):
    cases = []
    for n in (2, 3, 4, 6):
        p = 0.8 * rng.dirichlet(np.ones(n)) + 0.2 / n
        theta = np.log(p) + rng.normal(size=n)
        cases.append((theta, p, rng.normal(size=n), float(rng.uniform(0.5, 3))))
    return cases


def sums_to_zero(arguments, result):
    if abs(np.sum(result)) > 1e-9:
        return "the gradient must sum to 0: a constant on all logits changes nothing"
    return None


penalised_gradient = Exercise(
    name="penalised_gradient",
    minutes=8,
    difficulty=2,
    stub=penalised_gradient_stub,
    reference=penalised_gradient_reference,
    mistakes={
        "the sign of KL's gradient: KL grows as pi moves away from p_old": other_sign,
        "that is the gradient of KL(new, old); the old policy comes first": (
            other_direction
        ),
        "log(pi / p_old) is part of KL(new, old), not a gradient": log_ratio,
        "this is the derivative by pi; the chain rule down to theta is missing": (
            through_p
        ),
        "the penalty is gone: KL's gradient is 0 at the old policy only": no_penalty,
    },
    hints=(
        "In KL(p_old, pi) only -sum p_old log pi depends on theta.",
        "log pi(a) = theta(a) - log sum exp theta. Its derivatives are 1 - pi and -pi.",
        "Everything that is left is the new probabilities minus the old: pi - p_old.",
    ),
    cases=gradient_cases,
    invariants=(sums_to_zero,),
)


# exercise 3: from nothing


def many_steps_stub(theta, A, beta, rate, steps):
    """theta [n] after some gradient steps on pi.A - beta KL(old, pi)."""
    ...  # your code


def many_steps_reference(theta, A, beta, rate, steps):
    """theta [n] after some gradient steps on pi.A - beta KL(old, pi)."""
    p_old = np.exp(theta) / np.exp(theta).sum()
    for _ in range(steps):
        pi = np.exp(theta) / np.exp(theta).sum()
        gradient = pi * (A - pi @ A) - beta * (pi - p_old)
        theta = theta + rate * gradient
    return theta


def moving_anchor(theta, A, beta, rate, steps):
    for _ in range(steps):
        pi = softmax(theta)
        theta = theta + rate * pi * (A - pi @ A)
    return theta


def one_gradient(theta, A, beta, rate, steps):
    pi = softmax(theta)
    return theta + steps * rate * pi * (A - pi @ A) + 0 * beta


def stale_gain(theta, A, beta, rate, steps):
    p_old = softmax(theta)
    for _ in range(steps):
        gain = p_old * (A - p_old @ A)
        theta = theta + rate * (gain - beta * (softmax(theta) - p_old))
    return theta


def pushes_away(theta, A, beta, rate, steps):
    p_old = softmax(theta)
    for _ in range(steps):
        pi = softmax(theta)
        theta = theta + rate * (pi * (A - pi @ A) + beta * (pi - p_old))
    return theta


def goes_down(theta, A, beta, rate, steps):
    p_old = softmax(theta)
    for _ in range(steps):
        pi = softmax(theta)
        theta = theta - rate * (pi * (A - pi @ A) - beta * (pi - p_old))
    return theta


def steps_cases(rng):
    cases = []
    for n, steps in ((2, 1), (3, 2), (3, 10), (5, 40)):
        theta, A = rng.normal(size=n), rng.normal(size=n)
        beta, rate = rng.uniform(0.3, 2), rng.uniform(0.1, 0.5)
        cases.append((theta, A, float(beta), float(rate), steps))
    return cases


many_steps = Exercise(
    name="many_steps",
    minutes=12,
    difficulty=3,
    stub=many_steps_stub,
    reference=many_steps_reference,
    mistakes={
        "the old policy moves along: then KL's gradient is always 0 and the penalty "
        "does nothing": moving_anchor,
        "the gradient is taken once, at the old policy": one_gradient,
        "the gradient of pi.A must be taken at the new policy too": stale_gain,
        "plus beta: the penalty must pull back": pushes_away,
        "downhill: the objective is maximised": goes_down,
    },
    hints=(
        "Two policies: one that stays, one that moves. Which of them changes?",
        "Keep p_old, the softmax of the first theta, before the loop begins.",
        "In each step: pi from theta; pi * (A - pi @ A) - beta * (pi - p_old); add "
        "rate times that to theta.",
    ),
    cases=steps_cases,
)


exercises = (next_beta, penalised_gradient, many_steps)
progress = Progress(exercises)
widgets = (penalty, rules)
