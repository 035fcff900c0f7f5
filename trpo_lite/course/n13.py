"""Notebook 13: a price on KL, its maximiser, and rules that adapt the price."""

from functools import cache

import numpy as np

from trpo_lite import plots
from trpo_lite.bound import kl
from trpo_lite.course.engine import Exercise, Progress
from trpo_lite.course.table import number
from trpo_lite.course.widgets import Picture, Steps, Widget
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
from trpo_lite.style import BLUE, GREY, INK, PURPLE, RED, VIOLET, ink

# --- worlds

ROAD = road_and_ice()  # one parameter p, shared by both states
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
    if kl >= 1.5 * target:
        return beta / 2
    return 2 * beta if kl <= target / 1.5 else beta


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


# --- pictures


def draw_cost(cost):
    """Seconds of one update over parameters, five ways -> Figure."""
    figure, axes = plots.figure(size=(7.0, 3.9))
    axes.set(xscale="log", yscale="log", xlim=(45, 2e6), ylim=(5e-5, 3e3))
    n, free = cost["n"], cost["n_free"]
    axes.plot(n, cost["dense"], "-s", color=RED)
    far = np.array([n[-1], 3e4])
    axes.plot(far, cost["dense"][-1] * (far / n[-1]) ** 3, ":", color=RED)
    looks = (
        ("ppo", "PPO with 10 passes", "--^", VIOLET),
        ("trpo", "TRPO with CG", "-o", BLUE),
        ("gradient", "one gradient", "-.D", PURPLE),
        ("minibatch", "one, on a quarter", ":v", INK),
    )
    for key, label, look, color in looks:
        axes.plot(free, cost[key], look, color=color, markersize=5.5, label=label)
    axes.text(1.5e4, 1e1, "H inverted; dotted:\nif it turns into $n^3$", color=RED)
    axes.legend(loc="upper left", bbox_to_anchor=(0, 1.03), fontsize=11)
    axes.set(xlabel="parameters n", ylabel="processor time (s)")
    return figure


cost = Picture(
    draw_cost,
    "Processor time of an update over parameters, both on log axes. The step with the "
    "inverse rises steeply and ends at 1024 parameters. PPO, TRPO and single gradients "
    "rise gently, one above the other.",
)


def draw_after(iterations=48, beta=0.3, delta=DELTA):
    """J and KL on the road over many iterations, price against limit -> Figure."""
    figure, (top, bottom) = plots.figure(2, 1, (7.0, 4.0), sharex=True)
    looks = (
        (adapt_beta, "adapted price", BLUE, "-", "o"),
        (None, "limit", RED, "--", "s"),
    )
    for rule, label, color, style, marker in looks:
        run = road_run(rule, beta, iterations, delta)
        x = np.arange(1, iterations + 1)
        look = dict(color=color, linestyle=style, marker=marker, markersize=4)
        top.plot(x, run[:, 3], label=label, **look)
        bottom.plot(x, np.maximum(run[:, 2], 1e-6), **look)
    top.set(ylabel="J (return)", ylim=(-2.5, 3.6))
    top.legend(loc="upper left", ncols=2)
    bottom.axhline(delta, color=INK, linewidth=1.2, linestyle=(0, (4, 3)))
    bottom.text(iterations + 1.3, delta, "δ", fontsize=12, va="center")
    bottom.set(yscale="log", ylim=(5e-7, 9), xlabel="iteration")
    bottom.set(ylabel="KL (nats)", xlim=(0, iterations + 1))
    return figure


after = Picture(
    draw_after,
    "J and KL over 48 iterations. With the adapted price J stays near its best for "
    "some iterations, then swings down below zero and comes back, again and again; its "
    "KL lies far below the target, then far above. With the limit KL never exceeds "
    "delta and J stays above 1.6.",
)


def draw_epochs(paths, epochs):
    """PPO's L over that of a TRPO step with the same KL, by epochs -> Figure.

    paths : {beta: (KL [T], share [T])} ; epochs [T].
    """
    figure, axes = plots.figure(size=(6.8, 3.5))
    axes.set(xscale="log", xlim=(4e-4, 1), ylim=(85, 105))
    axes.axhline(100, color=INK, linewidth=1.4)
    axes.text(4.5e-4, 100.5, "TRPO", fontsize=12)
    looks = ((BLUE, "--", "o"), (RED, "-.", "s"), (VIOLET, ":", "^"))
    for (beta, (KL, share)), look in zip(paths.items(), looks, strict=True):
        look = dict(zip(("color", "linestyle", "marker"), look, strict=True))
        axes.plot(KL, 100 * share, label=f"β = {beta:g}", **look)
    KL, share = paths[min(paths)]
    for count, x, y in zip(epochs, KL, share, strict=True):
        axes.annotate(
            f"{count} epoch" + ("s" if count > 1 else ""),
            (x, 100 * y),
            (8, -16),
            textcoords="offset points",
            color=ink(BLUE),
            fontsize=11,
        )
    axes.legend(loc="lower right")
    axes.set(xlabel="mean KL of the step (nats)")
    axes.set_ylabel("L, in % of TRPO's at equal KL")
    return figure


epochs = Picture(
    draw_epochs,
    "L of PPO's steps in percent of TRPO's at equal KL, over KL. After one epoch it is "
    "near 90 percent for each beta. It rises with the epochs to 100 percent and "
    "slightly more.",
)


def draw_run(runs, seed=0, delta=DELTA):
    """Price, KL and return over the updates of one seed -> Figure.

    runs : the stored `penalty_runs`.
    """
    figure, panels = plots.figure(1, 3, (8.8, 3.5))
    columns = (
        ("beta", "price β after the update"),
        ("kl", "KL (nats)"),
        ("return_mean", "return"),
    )
    names = [f"first β = {beta:g}" for beta in runs["beta_first"]] + ["TRPO"]
    looks = ((BLUE, "-"), (RED, "--"), (VIOLET, "-."), (INK, ":"))
    x = np.arange(1, runs["kl"].shape[-1] + 1)
    for axes, (column, words) in zip(panels, columns, strict=True):
        for y, name, (color, style) in zip(
            runs[column][:, seed], names, looks, strict=True
        ):
            y = np.maximum(y, 1e-6) if column == "kl" else y
            look = dict(color=color, linestyle=style, linewidth=1.6)
            axes.plot(x, y, label=name, **look)
        axes.set(xlabel="update", ylabel=words)
    price, size, returns = panels
    band = dict(color=GREY, alpha=0.35, linewidth=0, label="β stays")
    size.axhspan(delta / 1.5, 1.5 * delta, **band)
    price.set(yscale="log")
    size.set(yscale="log", ylim=(1e-6, 4))
    returns.set(ylim=(0, 510))
    handles = size.get_legend_handles_labels()
    figure.legend(*handles, loc="outside upper center", ncols=5, handlelength=2)
    return figure


cartpole = Picture(
    draw_run,
    "Three panels over 36 updates of one seed. The price rises from .01, falls from "
    "100, and later all three move within one band. The KLs come to a grey band around "
    "the target and scatter far about it; TRPO's stays just below delta. The returns "
    "climb to about 500; those from .01 and 1 fall to 100 and stay low, that from 100 "
    "and TRPO's dip and come back.",
)

# --- widgets


def _penalty_at(beta, p_old=0.1):
    """(best p, KL, height of the objective, true gain a step) at the price beta."""
    best = float(priced_p(p_old, beta))
    KL = float(kl([1 - p_old, p_old], [1 - best, best]))
    height = slope(p_old) * (best - p_old) - beta * KL
    return best, KL, height, (1 - ROAD.gamma) * (road_value(best) - road_value(p_old))


def draw_penalty(beta, p_old=0.1):
    """L, the truth and the penalised objective over p, with its maximiser -> Figure."""
    p, promise, truth, distance = road_curves(p_old)
    best, KL, height, gain = _penalty_at(beta, p_old)
    figure, axes = plots.figure(size=(6.8, 4.2))
    axes.axhline(0, color=INK, linewidth=0.8)
    axes.plot(p, promise, "--", color=RED)
    axes.plot(p, truth, ":", color=BLUE)
    axes.plot(p, promise - beta * distance, color=PURPLE)
    axes.plot([best, best], [height, gain], color=INK, linewidth=1.2, linestyle="-.")
    axes.plot(p_old, 0, "o", color=INK, markersize=8)
    axes.plot(best, gain, "s", color=BLUE, markersize=8)
    axes.plot(best, height, "D", color=PURPLE, markersize=9)
    axes.set(xlim=(0, 1), ylim=(-0.4, 0.7))
    found = f"best p = {best:.2f}, KL = {KL:.3f}"
    change = number(gain / (1 - ROAD.gamma), "+.2f").replace("-", "−")
    plots.words_above(
        axes,
        ("●  old policy, p = 0.1", INK),
        ("– –  L", RED),
        (f"──  L − β KL, β = {beta:g};   ◆  {found}", PURPLE),
        (f"···  true gain;   ■  J changes by {change}", BLUE),
    )
    axes.set(xlabel="p, the probability of driving fast in both states")
    axes.set_ylabel("gain over p = 0.1 (reward per step)")
    return figure


def penalty_words(beta):
    """What `draw_penalty` shows, in words."""
    best, KL, _, gain = _penalty_at(beta)
    return (
        "Over p, L is a rising straight line and the true gain an arch. "
        f"L minus {beta:g} KL touches L at p = 0.1 and bends away from it; its highest "
        f"point, a diamond, is at p = {best:.2f}, where KL is {KL:.3f}. A square on "
        f"the arch at the same p says that J changes by "
        f"{number(gain / (1 - ROAD.gamma), '.2f')}."
    )


penalty = Widget(
    draw_penalty,
    penalty_words,
    {"beta": Steps("price β", (0.03, 0.1, 0.3, 0.6, 1.0, 3.0, 10.0), 0.3)},
)


RULES = (
    (adapt_beta, "──  algorithm", BLUE, "-", "o"),
    (as_on_the_slide, "– –  sentence", RED, "--", "s"),
)


def draw_rules(beta, iterations=16):
    """beta and J over iterations under both rules, from one first beta -> Figure."""
    figure, (left, right) = plots.figure(1, 2, (7.0, 3.6))
    left.set(yscale="log", ylim=(1e-6, 1e6))
    right.axhline(1.985, color=INK, linewidth=1.2, linestyle=(0, (4, 3)))
    right.text(iterations, 2.12, "best J", ha="right", fontsize=11)
    for rule, _, color, style, marker in RULES:
        run = road_run(rule, beta, iterations)
        look = dict(color=color, linestyle=style, marker=marker, markersize=4.5)
        left.plot(range(1, iterations + 1), run[:, 0], **look)
        right.plot(range(1, iterations + 1), run[:, 3], **look)
    plots.words_above(left, *((words, color) for _, words, color, *_ in RULES))
    left.set(xlabel="iteration", ylabel="price β")
    right.set(xlabel="iteration", ylabel="J after the step (return)")
    right.set_ylim(-3.8, 2.8)
    for axes in (left, right):
        axes.set_xlim(0, iterations + 1)
    return figure


def rules_words(beta, iterations=16):
    """What `draw_rules` shows, in words."""
    good, bad = (road_run(rule, beta, iterations) for rule, *_ in RULES)
    return (
        f"From the first price {beta:g}, over {iterations} iterations. Left, the price "
        f"on a log axis: by the algorithm's rule it ends at {good[-1, 0]:.2g}, by the "
        f"sentence's at {bad[-1, 0]:.2g}. Right, J: by the algorithm the highest is "
        f"{number(good[:, 3].max(), '.2f')} and the last {number(good[-1, 3], '.2f')}, "
        f"by the sentence {number(bad[:, 3].max(), '.2f')} and "
        f"{number(bad[-1, 3], '.2f')}."
    )


rules = Widget(
    draw_rules,
    rules_words,
    {"beta": Steps("first β", (0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0), 0.3)},
)

# --- exercises


def next_beta_stub(beta, kl, target):
    """The price of the next update, from the KL of this one."""
    if kl >= 1.5 * target:
        return ...  # the step was too far
    if kl <= target / 1.5:
        return ...  # the step was too short
    return beta


def next_beta_reference(beta, kl, target):
    """The price of the next update, from the KL of this one."""
    if kl >= 1.5 * target:
        return 2 * beta
    if kl <= target / 1.5:
        return beta / 2
    return beta


def shrinks(beta, kl, target):
    return as_on_the_slide(beta, kl, target)


def compares_penalty(beta, kl, target):
    return next_beta_reference(beta, beta * kl, target)


def no_pause(beta, kl, target):
    return 2 * beta if kl > target else beta / 2


def adds(beta, kl, target):
    if kl >= 1.5 * target:
        return beta + 2
    return beta - 2 if kl <= target / 1.5 else beta


def only_up(beta, kl, target):
    return 2 * beta if kl >= 1.5 * target else beta


def strictly(beta, kl, target):
    if kl > 1.5 * target:
        return 2 * beta
    return beta / 2 if kl < target / 1.5 else beta


def beta_cases(rng):
    cases = []
    for share in (0.1, 0.6, 0.8, 1.0, 1.3, 1.6, 5.0, 0.65, 1.45, 0.7):
        target = float(10 ** rng.uniform(-3, -1))
        cases.append((float(10 ** rng.uniform(-1, 1)), share * target, target))
    for kl_of in (lambda x: 1.5 * x, lambda x: x / 1.5):  # on the limits themselves
        target = float(2.0 ** rng.integers(-8, -3))
        cases.append((float(rng.uniform(1, 9)), kl_of(target), target))
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
        "at 1.5 target and at target / 1.5 themselves the lecture's rule acts": (
            strictly
        ),
    },
    hints=(
        "The price holds the policy back. When has it to hold back more?",
        "Too far: a higher price, twice as high. Too short: half the price.",
        "return 2 * beta in the first branch, return beta / 2 in the second.",
    ),
    cases=beta_cases,
)


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


def reverse_gradient(pi, p):
    ratio = np.log(pi / p)
    return pi * (ratio - pi @ ratio)


other_sign = with_kl(lambda pi, p: p - pi)
log_ratio = with_kl(lambda pi, p: np.log(pi / p))
through_p = with_kl(lambda pi, p: -p / pi)
other_direction = with_kl(reverse_gradient)
own_logit = with_kl(lambda pi, p: -p * (1 - pi))
no_penalty = with_kl(lambda pi, p: 0 * pi)


def diagonal_only(theta, p_old, A, beta):
    pi = softmax(theta)
    return pi * A - beta * (pi - p_old)


def no_brackets(theta, p_old, A, beta):
    pi = softmax(theta)
    return pi * (A - pi @ A) - beta * pi - p_old


def gradient_cases(rng):
    cases = []
    for n in (2, 3, 4, 6):
        p = 0.8 * rng.dirichlet(np.ones(n)) + 0.2 / n
        theta = np.log(p) + rng.normal(size=n)
        cases.append((theta, p, rng.normal(size=n), float(rng.uniform(0.5, 3))))
    theta, p, A, beta = cases[2]
    far = theta + np.array([0, 800, 0, 801])  # exp(800) is infinite
    return [*cases, (far, p, A, beta), (theta - 800, p, A, beta)]


def sums_to_zero(arguments, result):
    if abs(np.sum(result)) > 1e-5:
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
        "-p_old (1 - pi) is the own action's term only: each logit moves every "
        "probability, so sum over the actions": own_logit,
        "the penalty is gone: KL's gradient is 0 at the old policy only": no_penalty,
        "each logit moves every probability: subtract the mean, pi @ A": diagonal_only,
        "brackets: beta multiplies the whole difference": no_brackets,
    },
    hints=(
        "In KL(p_old, pi) only -sum p_old log pi depends on theta.",
        "log pi(a) = theta(a) - log sum exp theta. Its derivatives are 1 - pi and -pi.",
        "Everything that is left is the new probabilities minus the old: pi - p_old.",
    ),
    cases=gradient_cases,
    invariants=(sums_to_zero,),
    tolerance=1e-5,  # central differences pass
)


def many_steps_stub(theta, A, beta, rate, steps):
    """theta [n] after some gradient steps on pi.A - beta KL(old, pi)."""
    ...  # your code


def many_steps_reference(theta, A, beta, rate, steps):
    """theta [n] after some gradient steps on pi.A - beta KL(old, pi)."""

    def softmax(theta):
        weights = np.exp(theta - theta.max())
        return weights / weights.sum()

    p_old = softmax(theta)
    for _ in range(steps):
        pi = softmax(theta)
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


def climbs(gradient):
    """A wrong answer whose steps go along gradient(pi, p_old, A, beta)."""

    def wrong(theta, A, beta, rate, steps):
        p_old = softmax(theta)
        for _ in range(steps):
            theta = theta + rate * gradient(softmax(theta), p_old, A, beta)
        return theta

    return wrong


without_mean = climbs(lambda pi, p, A, beta: pi * A - beta * (pi - p))
own_logits = climbs(lambda pi, p, A, beta: pi * (1 - pi) * A - beta * (pi - p))
new_first = climbs(
    lambda pi, p, A, beta: pi * (A - pi @ A) - beta * reverse_gradient(pi, p)
)


def probabilities(theta, A, beta, rate, steps):
    return softmax(many_steps_reference(theta, A, beta, rate, steps))


def overflows(theta, A, beta, rate, steps):
    weights = np.exp(theta)
    p_old = weights / weights.sum()
    for _ in range(steps):
        weights = np.exp(theta)
        pi = weights / weights.sum()
        theta = theta + rate * (pi * (A - pi @ A) - beta * (pi - p_old))
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


def returns_in_the_loop(theta, A, beta, rate, steps):
    return many_steps_reference(theta, A, beta, rate, 1) if steps else None


def steps_cases(rng):
    cases = []
    for n, steps in ((3, 2), (3, 10), (5, 40), (2, 1), (4, 0)):
        theta, A = rng.normal(size=n), rng.normal(size=n)
        beta, rate = rng.uniform(0.3, 2), rng.uniform(0.1, 0.5)
        cases.append((theta, A, float(beta), float(rate), steps))
    _, A, beta, rate, _ = cases[1]
    far = np.array([0.0, 800.0, 801.0])  # exp(800) is infinite
    return [*cases, (far, A, beta, rate, 3)]


many_steps = Exercise(
    name="many_steps",
    minutes=12,
    difficulty=3,
    stub=many_steps_stub,
    reference=many_steps_reference,
    mistakes={
        "the penalty does nothing: it is missing, or the old policy moves along, and "
        "KL's gradient is 0 there": moving_anchor,
        "the gradient is taken once, at the old policy": one_gradient,
        "the gradient of pi.A must be taken at the new policy too": stale_gain,
        "each logit moves every probability: subtract the mean, pi @ A": without_mean,
        "pi (1 - pi) is only the diagonal of the softmax's derivative: each logit "
        "moves every probability": own_logits,
        "the penalty is KL(new, old)'s: the old policy comes first": new_first,
        "exp(800) is infinite: subtract the largest logit first": overflows,
        "these are probabilities: return theta, the logits": probabilities,
        "plus beta: the penalty must pull back": pushes_away,
        "downhill: the objective is maximised": goes_down,
        "a `return` stands inside the loop, which so ends in its first turn": (
            returns_in_the_loop
        ),
    },
    hints=(
        "Two policies: one that stays, one that moves. Which of them changes?",
        "Keep p_old, the softmax of the first theta, before the loop begins.",
        "In each step: pi from theta; pi * (A - pi @ A) - beta * (pi - p_old); add "
        "rate times that to theta.",
    ),
    cases=steps_cases,
)

pictures = (cost, after, epochs, cartpole)
widgets = (penalty, rules)
exercises = (next_beta, penalised_gradient, many_steps)
progress = Progress(exercises)
