"""Notebook 05: trust regions on the simplex, on the road, and against MM."""

from functools import cache

import numpy as np

from trpo_lite.bound import kl, penalty_constant
from trpo_lite.course.engine import Exercise, Progress
from trpo_lite.course.widgets import Steps, Widget
from trpo_lite.exact import max_kl_step, mean_kl_step, mm_step, penalized_step
from trpo_lite.mdp import (
    evaluate,
    optimal_policy,
    random_mdp,
    random_policy,
    road_and_ice,
    shared_policy,
    uniform_policy,
)
from trpo_lite.plots import barycentric, simplex_axes
from trpo_lite.style import BLUE, GREY, INK, PURPLE, RED, VIOLET, line
from trpo_lite.surrogate import surrogate

# one state, three actions: the old probabilities, and advantages whose mean is 0
P_OLD = np.array([0.6, 0.3, 0.1])
ADVANTAGE = np.array([-0.5, 0.5, 1.5])


def halve(goes_on, low, high, steps=60):
    """Bisection, array-wise: low moves up where `goes_on(middle)`."""
    for _ in range(steps):
        middle = (low + high) / 2
        up = goes_on(middle)
        low, high = np.where(up, middle, low), np.where(up, high, middle)
    return low


def lecture_step(p, A, delta):
    """max sum pi A with KL(p || pi) <= delta in one state: pi [A]."""

    def policy(log_t):
        weights = p / (np.exp(log_t) + A.max() - A)
        return weights / weights.sum()

    return policy(halve(lambda u: kl(p, policy(u)) > delta, -60.0, 60.0))


def reverse_step(p, A, delta):
    """max sum pi A with KL(pi || p) <= delta in one state: pi [A]."""

    def policy(log_beta):
        weights = p * np.exp((A - A.max()) / np.exp(log_beta))
        return weights / weights.sum()

    return policy(halve(lambda u: kl(policy(u), p) > delta, -20.0, 20.0))


def ball(p, delta, reverse=False, count=240):
    """The edge of the KL ball around p [3], as points [T, 3] of the simplex.

    KL(p || pi) <= delta, or KL(pi || p) <= delta with `reverse`; where the ball goes
    over the triangle's side, the side is the edge.
    """
    angle = np.linspace(0, 2 * np.pi, count + 1)[:-1, None]
    # two orthogonal directions in which probabilities still sum to 1
    east = np.array([-1, 1, 0]) / np.sqrt(2)
    north = np.array([-1, -1, 2]) / np.sqrt(6)
    way = np.cos(angle) * east + np.sin(angle) * north
    with np.errstate(divide="ignore"):
        side = np.where(way < 0, -p / way, np.inf).min(-1)

    def inside(radius):
        q = np.maximum(p + radius[:, None] * way, 0)
        q /= q.sum(-1, keepdims=True)
        return (kl(q, p) if reverse else kl(p, q)) <= delta

    radius = halve(inside, np.zeros(count), side, 40)
    edge = np.maximum(p + radius[:, None] * way, 0)
    edge /= edge.sum(-1, keepdims=True)
    return np.vstack([edge, edge[:1]])


def level_line(A, level):
    """The two ends [2, 3] of {pi : sum pi A = level} in the triangle, A distinct."""
    ends = []
    for i, j in ((0, 1), (1, 2), (2, 0)):
        share = (level - A[j]) / (A[i] - A[j])
        if 0 <= share <= 1:
            q = np.zeros(3)
            q[i], q[j] = share, 1 - share
            ends.append(q)
    return np.array(ends[:2])


@cache
def both_balls(delta):
    """Both directions' (edge [T, 3], step [3], level line [2, 3]), computed once."""
    found = []
    for solve, reverse in ((lecture_step, False), (reverse_step, True)):
        pi = solve(P_OLD, ADVANTAGE, delta)
        edge = ball(P_OLD, delta, reverse)
        found.append((edge, pi, level_line(ADVANTAGE, pi @ ADVANTAGE)))
    return found


def draw_balls(delta):
    """Both KL balls on the simplex, the way up and the two steps -> Figure."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.4, 4.2), layout="constrained")
    axes = simplex_axes(figure.subplots())
    looks = (("KL(old‖new)", BLUE, "-", "D", "◆"), ("KL(new‖old)", RED, "--", "s", "■"))
    words = [("● old: 0.60, 0.30, 0.10", INK), ("→ where L rises fastest", INK)]
    for (edge, pi, level), look in zip(both_balls(delta), looks, strict=True):
        name, color, style, marker, glyph = look
        xy = barycentric(edge).T
        axes.fill(*xy, color=color, alpha=0.10, linewidth=0, linestyle="-", zorder=2)
        axes.plot(*xy, style, color=color, zorder=3)
        axes.plot(*barycentric(level).T, ":", color=color, linewidth=1.5, zorder=2)
        mark = dict(markersize=9, zorder=6, linestyle="none")
        axes.plot(*barycentric(pi), marker=marker, color=color, **mark)
        line = "solid" if style == "-" else "dashed"
        words += [("", INK), (f"{name} ≤ {delta:g} ({line})", color)]
        words += [(f"{glyph} step: {', '.join(f'{q:.2f}' for q in pi)}", color)]
    start = barycentric(P_OLD)
    # the way up: perpendicular to the level lines
    a, b = barycentric(level_line(ADVANTAGE, 0.0))
    up = np.array([a[1] - b[1], b[0] - a[0]]) / np.hypot(*(b - a))
    up *= np.sign(up @ (barycentric(np.array([0, 0, 1])) - start))
    head = dict(arrowstyle="-|>", color=INK, linewidth=2, mutation_scale=16)
    axes.annotate("", start + 0.24 * up, start, arrowprops=head, zorder=5)
    axes.plot(*start, "o", color=INK, markersize=8, zorder=6)
    for i, (text, color) in enumerate(words):
        axes.text(1.12, 0.8 - 0.09 * i, text, color=color)
    axes.set_xlim(-0.12, 2.0)
    return figure


balls = Widget(
    draw_balls,
    "A triangle of all distributions over three actions. Around the old policy two KL "
    "balls of the same size; each touches a line of equal L at its own step. The ball "
    "of KL(old to new) stays inside the triangle, the other one reaches its side.",
    {"delta": Steps("KL limit δ", (0.01, 0.03, 0.1, 0.3, 0.5, 1.0, 2.0, 3.0), 0.3)},
)


# the road: one shared parameter


def road_step(delta, p_old=0.1):
    """The p at the upper edge of {p : KL(p_old || p) <= delta}, p_old <= p < 1."""
    old = np.array([1 - p_old, p_old])
    return float(
        halve(lambda p: kl(old, np.array([1 - p, p])) < delta, p_old, 1 - 1e-15)
    )


@cache
def road_curves(p_old=0.1, gamma=0.9):
    """p [201], L [201] and J - J(p_old) [201] on `road_and_ice` from p_old."""
    world = road_and_ice(gamma)
    old = evaluate(world, shared_policy(p_old))
    p = np.linspace(0, 1, 201)
    promise = [surrogate(old, shared_policy(x)) for x in p]
    truth = [evaluate(world, shared_policy(x)).performance for x in p]
    return p, np.array(promise), np.array(truth) - old.performance


def draw_road(delta, p_old=0.1):
    """L and the truth over p, the trust region and its best point -> Figure."""
    from matplotlib.figure import Figure

    p, promise, truth = road_curves(p_old)
    high = road_step(delta, p_old)
    low = float(
        halve(
            lambda q: kl([1 - p_old, p_old], [1 - p_old + q, p_old - q]) < delta,
            0.0,
            p_old,
        )
    )
    figure = Figure(figsize=(7.2, 3.9), layout="constrained")
    axes = figure.subplots()
    axes.axvspan(p_old - low, high, color=GREY, alpha=0.25, linewidth=0)
    axes.axhline(0, color=INK, linewidth=0.8)
    axes.plot(p, promise, "--", color=RED)
    axes.plot(p, truth, color=BLUE)
    L, gain = np.interp(high, p, promise), np.interp(high, p, truth)
    axes.plot([high, high], [L, gain], ":", color=INK, linewidth=1.6)
    axes.plot(p_old, 0, "o", color=INK, markersize=8)
    axes.plot(high, L, "D", color=RED, markersize=9)
    axes.plot(high, gain, "s", color=BLUE, markersize=9)
    left = high > 0.55
    place = dict(textcoords="offset points", ha="right" if left else "left")
    shift = -10 if left else 10
    minus = f"{gain:+.2f}".replace("-", "−")
    axes.annotate(f"L = {L:+.2f}", (high, L), (shift, 4), color=RED, **place)
    axes.annotate(f"J gains {minus}", (high, gain), (shift, -18), color=BLUE,
                  **place)  # fmt: skip
    axes.text(0.01, 6.3, f"trust region, δ = {delta:g}", ha="left", fontsize=12)
    axes.set(xlim=(0, 1), ylim=(-3.4, 7))
    axes.set(xlabel="p, the probability of driving fast in both states")
    axes.set_ylabel("gain over p = 0.1 (return)")
    return figure


road = Widget(
    draw_road,
    "Over p, the surrogate L is a rising straight line and the true gain an arch. The "
    "trust region is a shaded interval around p = 0.1. At its right end L is highest; "
    "for delta = 1 the true gain there is negative.",
    {"delta": Steps("KL limit δ", (0.001, 0.01, 0.05, 0.1, 0.2, 0.5, 1.0), 1.0)},
)


# many iterations


def toy():
    """The page's toy world and its uniform policy's evaluation."""
    world = random_mdp(np.random.default_rng(0))
    return world, evaluate(world, uniform_policy(world))


@cache
def gap_closed(method, size, iterations):
    """Share of J* - J_0 closed after 0, 1, ... iterations on `toy`, [iterations + 1].

    method : "MM" (size divides Schulman's C), "max" or "mean" (size is delta).
    """
    world, old = toy()
    best = evaluate(world, optimal_policy(world)).performance
    path = [old]
    for _ in range(iterations):
        last = path[-1]
        if method == "MM":
            penalty = penalty_constant(last, world.gamma) / size
            step = mm_step(last, world.gamma, penalty)
        else:
            step = {"max": max_kl_step, "mean": mean_kl_step}[method](last, size)
        path.append(evaluate(world, step.pi))
    J = np.array([e.performance for e in path])
    return (J - J[0]) / (best - J[0])


def draw_race(runs):
    """Share of the gap closed over iterations; runs {label: shares [K]} -> Figure."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 3.8), layout="constrained")
    axes = figure.subplots()
    axes.axhline(100, color=INK, linewidth=0.8)
    for i, (label, share) in enumerate(runs.items()):
        axes.plot(100 * share, label=label, **line(i))
    axes.set(xlabel="iteration", ylabel="gap to the optimum closed (%)")
    axes.set(xlim=(0, 60), ylim=(0, 105))
    axes.legend(loc="upper right", bbox_to_anchor=(1, 0.93))
    return figure


def draw_spending(old, steps, shape, delta):
    """KL of each step in each cell of a grid world, in units of delta -> Figure."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.4, 3.6), layout="constrained")
    cells = figure.subplots(1, len(steps), sharey=True)
    for axes, (label, step) in zip(cells, steps.items(), strict=True):
        share = (step.kl / delta).reshape(shape)
        axes.imshow(np.sqrt(share), cmap="Purples", vmin=0, vmax=np.sqrt(40))
        for (row, col), value in np.ndenumerate(share):
            ink = "white" if value > 14 else INK
            axes.text(col, row - 0.12, f"{value:.1f}", ha="center", va="center",
                      color=ink, fontsize=13)  # fmt: skip
            visits = old.visitation.reshape(shape)[row, col]
            axes.text(col, row + 0.28, f"d {visits:.2f}", ha="center", va="center",
                      color=ink, fontsize=10)  # fmt: skip
        axes.set(title=label, xlabel="column", xticks=range(shape[1]))
        axes.set_yticks(range(shape[0]))
        axes.grid(False)
    cells[0].set_ylabel("row")
    return figure


def draw_two_limits(curve, limits):
    """A direction's L and true gain over theta, and where two limits stop it -> Figure.

    curve : theta [T], L [T], gain [T] ; limits : {label: theta}.
    """
    from matplotlib.figure import Figure

    theta, promise, truth = curve
    figure = Figure(figsize=(7.2, 3.7), layout="constrained")
    axes = figure.subplots()
    axes.axhline(0, color=INK, linewidth=0.8)
    axes.plot(theta, promise, "--", color=RED)
    axes.plot(theta, truth, color=BLUE)
    axes.text(theta[-1], promise[-1], " L", color=RED, va="center")
    axes.text(theta[-1], truth[-1], " J gains", color=BLUE, va="center")
    for (label, at), color in zip(limits.items(), (VIOLET, PURPLE), strict=True):
        axes.axvline(at, color=color, linestyle="-.", linewidth=1.6)
        axes.plot(at, np.interp(at, theta, truth), "s", color=BLUE, markersize=8)
        words = dict(rotation=90, ha="left", va="center", color=color, fontsize=12)
        axes.text(at + 0.015, -0.42, label, **words)
    axes.set(xlabel="θ, the shared change of the log-odds of fast")
    axes.set_ylabel("gain over the old policy (return)")
    axes.set_xlim(theta[0], theta[-1])
    return figure


# exercise 1


def priced_policy_stub(p_old, A, lam):
    """pi(a) = beta p_old(a) / (lam - A(a)), [A]; lam > max A."""
    weights = ...  # beta is the number that makes the result sum to 1
    return weights / weights.sum()


def priced_policy_reference(p_old, A, lam):
    """pi(a) = beta p_old(a) / (lam - A(a)), [A]; lam > max A."""
    weights = p_old / (lam - A)
    return weights / weights.sum()


def without_old(p_old, A, lam):
    weights = 1 / (lam - A)
    return weights / weights.sum()


def exponential(p_old, A, lam):
    weights = p_old * np.exp(A / lam)
    return weights / weights.sum()


def upside_down(p_old, A, lam):
    weights = p_old * (lam - A)
    return weights / weights.sum()


def plus_advantage(p_old, A, lam):
    weights = p_old / (lam + A)
    return weights / weights.sum()


def priced_cases(rng):
    cases = []
    for n in (2, 3, 4, 6):
        p = rng.dirichlet(np.ones(n))
        A = rng.normal(size=n)
        A -= p @ A
        # beyond every |A|, so that a wrong sign too gives numbers
        cases.append((p, A, float(np.abs(A).max() + rng.uniform(0.1, 2))))
    return cases


priced_policy = Exercise(
    name="priced_policy",
    minutes=5,
    difficulty=1,
    stub=priced_policy_stub,
    reference=priced_policy_reference,
    mistakes={
        "the old probabilities are missing: they are the numerator": without_old,
        "this is the exponential form, which belongs to KL(new, old)": exponential,
        "upside down: lam - A divides": upside_down,
        "lam + A where lam - A is meant: the best action must gain": plus_advantage,
    },
    hints=(
        "The formula stands in the text above the function, without its beta.",
        "An action with a large advantage has a small lam - A, and gains by it.",
        "One array over another: p_old on top, lam - A below.",
    ),
    cases=priced_cases,
)


# exercise 2: the bug hunt


def mean_kl_price_stub(old, delta):
    """The price beta at which mean KL(old, new) is delta."""
    low, high = 1e-6, 1e6
    for _ in range(100):
        beta = np.sqrt(low * high)
        pi = penalized_step(old, beta).pi
        d = old.visitation / old.visitation.sum()
        if d @ kl(pi, old.pi) > delta:  # too far
            low = beta
        else:
            high = beta
    return beta


def mean_kl_price_reference(old, delta):
    """The price beta at which mean KL(old, new) is delta."""
    low, high = 1e-6, 1e6
    for _ in range(100):
        beta = np.sqrt(low * high)
        pi = penalized_step(old, beta).pi
        d = old.visitation / old.visitation.sum()
        if d @ kl(old.pi, pi) > delta:  # too far: the old policy comes first
            low = beta
        else:
            high = beta
    return beta


def search_price(old, delta, measure):
    low, high = 1e-6, 1e6
    for _ in range(100):
        beta = np.sqrt(low * high)
        pi = penalized_step(old, beta).pi
        low, high = (beta, high) if measure(old, pi) > delta else (low, beta)
    return beta


def unnormalised_price(old, delta):
    return search_price(old, delta, lambda old, pi: old.visitation @ kl(old.pi, pi))


def plain_mean_price(old, delta):
    return search_price(old, delta, lambda old, pi: kl(old.pi, pi).mean())


def max_price(old, delta):
    return search_price(old, delta, lambda old, pi: kl(old.pi, pi).max())


def stuck_price(old, delta):
    return search_price(old, delta, lambda old, pi: 2 * delta - kl(old.pi, pi).mean())


def price_cases(rng):
    cases = []
    for n_states, n_actions, delta in ((3, 2, 0.5), (4, 3, 0.2), (2, 4, 1.0)):
        world = random_mdp(rng, n_states, n_actions)
        old = evaluate(world, random_policy(rng, n_states, n_actions))
        cases.append((old, delta))
    return cases


def price_binds(arguments, result):
    old, delta = arguments
    pi = penalized_step(old, float(result)).pi
    mean = old.visitation @ kl(old.pi, pi) / old.visitation.sum()
    if abs(mean - delta) > 1e-6 * delta:
        return f"at this price the mean KL(old, new) is {mean:.3f}, not {delta:g}"
    return None


mean_kl_price = Exercise(
    name="mean_kl_price",
    minutes=8,
    difficulty=2,
    stub=mean_kl_price_stub,
    reference=mean_kl_price_reference,
    mistakes={
        "the weights are gone: this is not a mean but a sum over visits": (
            unnormalised_price
        ),
        "every state counts alike: weigh it by how often it is visited": (
            plain_mean_price
        ),
        "this limits the largest KL, not the mean": max_price,
        "low and high are exchanged: a step that is too far needs a higher price": (
            stuck_price
        ),
    },
    hints=(
        "Compute the mean KL of the step at the price that comes out. Is it delta?",
        "Five lines do something; one of them measures. What does it measure?",
        "kl takes the old policy first, everywhere in this course: kl(old.pi, pi).",
    ),
    cases=price_cases,
    invariants=(price_binds,),
    tolerance=1e-6,
)


# exercise 3: from nothing


def mirror_step_stub(p_old, A, delta):
    """The best pi [A] of one state with KL(new, old) <= delta."""
    ...  # your code


def mirror_step_reference(p_old, A, delta):
    """The best pi [A] of one state with KL(new, old) <= delta."""
    low, high = 1e-3, 1e3
    for _ in range(100):
        beta = np.sqrt(low * high)
        weights = p_old * np.exp((A - A.max()) / beta)
        pi = weights / weights.sum()
        if kl(pi, p_old) > delta:  # too far: raise the price
            low = beta
        else:
            high = beta
    return pi


def lecture_direction(p_old, A, delta):
    return lecture_step(p_old, A, delta)


def old_first(p_old, A, delta):
    def policy(u):
        weights = p_old * np.exp((A - A.max()) / np.exp(u))
        return weights / weights.sum()

    return policy(halve(lambda u: kl(p_old, policy(u)) > delta, -6.0, 7.0))


def uniform_base(p_old, A, delta):
    def policy(u):
        weights = np.exp((A - A.max()) / np.exp(u))
        return weights / weights.sum()

    return policy(halve(lambda u: kl(policy(u), p_old) > delta, -6.0, 7.0))


def fixed_price(p_old, A, delta):
    weights = p_old * np.exp((A - A.max()) / delta)
    return weights / weights.sum()


def mirror_cases(rng):
    cases = []
    for n, delta in ((2, 0.05), (3, 0.1), (3, 0.3), (5, 0.2)):
        p = 0.5 * rng.dirichlet(np.ones(n)) + 0.5 / n
        A = rng.normal(size=n)
        cases.append((p, A - p @ A, delta))
    return cases


def is_distribution(arguments, result):
    pi = np.asarray(result)
    if pi.min() < 0 or abs(pi.sum() - 1) > 1e-9:
        return f"the probabilities sum to {pi.sum():.4f}, not 1"
    return None


def keeps_limit(arguments, result):
    p_old, _, delta = arguments
    pi = np.asarray(result)
    if kl(pi, p_old) > delta * (1 + 1e-6):
        return f"KL(new, old) is {kl(pi, p_old):.4f}, above {delta:g}"
    return None


mirror_step = Exercise(
    name="mirror_step",
    minutes=12,
    difficulty=3,
    stub=mirror_step_stub,
    reference=mirror_step_reference,
    mistakes={
        "this solves the lecture's direction, KL(old, new)": lecture_direction,
        "right form, but the limit is put on KL(old, new)": old_first,
        "the old probabilities are missing from pi": uniform_base,
        "delta is used as the price: the price must be searched for": fixed_price,
    },
    hints=(
        "Copy the page's bisection and change two things: the form of pi and the KL.",
        "weights = p_old * np.exp((A - A.max()) / beta): a high price is a small step.",
        "Halve between beta = 1e-3 and 1e3 on a log scale; if kl(pi, p_old) > delta, "
        "the price is too low: low = beta, otherwise high = beta.",
    ),
    cases=mirror_cases,
    invariants=(is_distribution, keeps_limit),
    tolerance=1e-6,
)

exercises = (priced_policy, mean_kl_price, mirror_step)
progress = Progress(exercises)
widgets = (balls, road)
