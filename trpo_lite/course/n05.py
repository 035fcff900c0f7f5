"""Notebook 05: trust regions on the simplex, on the road, and against MM."""

from dataclasses import replace
from functools import cache

import numpy as np

from trpo_lite import plots, style
from trpo_lite.bound import kl, penalty_constant
from trpo_lite.course.engine import Exercise, Progress
from trpo_lite.course.table import number
from trpo_lite.course.widgets import Picture, Steps, Widget
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
from trpo_lite.surrogate import surrogate

# --- worlds

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


@cache
def road_ends(delta, p_old=0.1):
    """The two ends of {p : KL(p_old || p) <= delta}, one parameter for both states."""
    old = np.array([1 - p_old, p_old])

    def inside(p):
        return kl(old, np.array([1 - p, p])) < delta

    up = halve(inside, p_old, 1 - 1e-15)
    down = halve(lambda q: inside(p_old - q), 0.0, p_old)
    return p_old - float(down), float(up)


@cache
def road_curves(p_old=0.1, gamma=0.9):
    """p [201], L [201] and J - J(p_old) [201] on `road_and_ice` from p_old."""
    world = road_and_ice(gamma)
    old = evaluate(world, shared_policy(p_old))
    p = np.linspace(0, 1, 201)
    promise = [surrogate(old, shared_policy(x)) for x in p]
    truth = [evaluate(world, shared_policy(x)).performance for x in p]
    return p, np.array(promise), np.array(truth) - old.performance


@cache
def road_at(p, p_old=0.1, gamma=0.9):
    """L and J - J(p_old), exactly, at one p."""
    world = road_and_ice(gamma)
    old, new = (evaluate(world, shared_policy(x)) for x in (p_old, p))
    return surrogate(old, new.pi), new.performance - old.performance


def toy():
    """The page's toy world and its uniform policy's evaluation."""
    world = random_mdp(np.random.default_rng(0))
    return world, evaluate(world, uniform_policy(world))


def spread(old):
    """Standard deviation of the advantages under the old policy, per state [S]."""
    return np.sqrt((old.pi * old.advantage**2).sum(-1))


def while_acting(world, pi):
    """`evaluate`, its visits only to the states that some action can leave."""
    old = evaluate(world, pi)
    stays = np.einsum("sas->sa", world.P)  # [S, A]
    return replace(old, visitation=old.visitation * (stays < 1).any(-1))


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


# --- pictures


def draw_spending(old, steps, shape, delta):
    """KL of each step in each cell of a grid world, in units of delta -> Figure.

    old : evaluation of the old policy, whose advantages' spread stands below.
    """
    figure, cells = plots.figure(1, len(steps), (7.4, 3.6), sharey=True)
    width = spread(old).reshape(shape)
    for axes, (label, step) in zip(cells, steps.items(), strict=True):
        share = (step.kl / delta).reshape(shape)
        image = axes.imshow(np.sqrt(share), cmap="Purples", vmin=0, vmax=np.sqrt(25))
        for (row, col), value in np.ndenumerate(share):
            ground = image.cmap(image.norm(np.sqrt(value)))
            ink = max(("white", "black"), key=lambda c: style.contrast(c, ground))
            middle = dict(ha="center", va="center", color=ink)
            axes.text(col, row - 0.12, number(value, ".1f"), fontsize=13, **middle)
            if value > 0:
                words = f"A ±{width[row, col]:.4f}".replace("±0", "±")
                axes.text(col, row + 0.28, words, fontsize=9.5, **middle)
        axes.set(title=label, xlabel="column", xticks=range(shape[1]))
        axes.set_yticks(range(shape[0]))
        axes.grid(False)
    cells[0].set_ylabel("row")
    return figure


def spending_words(old, steps, shape, delta):
    """What `draw_spending` shows, in words."""
    moving = spread(old) > 1e-12
    parts = []
    for label, step in steps.items():
        share = step.kl[moving] / delta
        parts.append(f"{label}: from {share.min():.1f} to {share.max():.1f} delta.")
    return (
        f"The grid world of {shape[0]} by {shape[1]} cells, once for each limit, with "
        "each cell's KL in units of delta and the spread of its advantages below. "
        f"In the cells where advantages differ: {' '.join(parts)}"
    )


spending = Picture(draw_spending, spending_words)


def draw_two_limits(curve, limits):
    """A direction's L and true gain over theta, and where two limits stop it -> Figure.

    curve : theta [T], L [T], gain [T] ; limits : {label: theta}.
    """
    theta, promise, truth = curve
    figure, axes = plots.figure(size=(7.2, 3.7))
    axes.axhline(0, color=style.INK, linewidth=0.8)
    axes.plot(theta, promise, "--", color=style.RED)
    axes.plot(theta, truth, color=style.BLUE)
    axes.text(theta[-1], promise[-1], " L", color=style.RED, va="center")
    blue = style.ink(style.BLUE)
    axes.text(theta[-1], truth[-1], " J gains", color=blue, va="center")
    colors = style.VIOLET, style.PURPLE
    for (label, at), color in zip(limits.items(), colors, strict=True):
        axes.axvline(at, color=color, linestyle="-.", linewidth=1.6)
        axes.plot(at, np.interp(at, theta, truth), "s", color=style.BLUE, markersize=8)
        words = dict(rotation=90, ha="left", va="center", color=color, fontsize=12)
        axes.text(at + 0.015, -0.42, label, **words)
    axes.set(xlabel="θ, the shared change of the log-odds of fast")
    axes.set_ylabel("gain over the old policy (return)")
    axes.set_xlim(theta[0], theta[-1])
    return figure


two_limits = Picture(
    draw_two_limits,
    "Over theta, L rises. The true gain follows it at first, then falls below zero. "
    "The limit on the largest KL stops before the fall, the limit on the average KL "
    "far behind it.",
)


def draw_race(runs):
    """Share of the gap closed over iterations; runs {label: shares [K]} -> Figure."""
    shares = {label: 100 * share for label, share in runs.items()}
    iterations = np.arange(len(next(iter(shares.values()))))
    figure = plots.lines(
        iterations, shares, "iteration", "gap to the optimum closed (%)"
    )
    [axes] = figure.axes
    axes.set_ylim(0, 104)
    return figure


def race_words(runs):
    """What `draw_race` shows, in words."""
    ends = [f"{label} closed {share[-1]:.0%}" for label, share in runs.items()]
    last = len(next(iter(runs.values()))) - 1
    return (
        "Share of the gap to the optimum over iterations, all curves rising. "
        f"After {last} iterations {', '.join(ends)}."
    )


race = Picture(draw_race, race_words)

# --- widgets


def draw_balls(delta):
    """Both KL balls on the simplex, the way up and the two steps -> Figure."""
    figure, axes = plots.figure(size=(7.4, 4.2))
    plots.simplex_axes(axes)
    looks = (
        ("KL(old‖new)", style.BLUE, "-", "D", "◆"),
        ("KL(new‖old)", style.RED, "--", "s", "■"),
    )
    ink = style.INK
    words = [("● old: 0.60, 0.30, 0.10", ink), ("→ where L rises fastest", ink)]
    words += [("··· where L is as at the step", ink)]
    for (edge, pi, level), look in zip(both_balls(delta), looks, strict=True):
        name, color, dashes, marker, glyph = look
        xy = plots.barycentric(edge).T
        axes.fill(*xy, color=color, alpha=0.10, linewidth=0, linestyle="-", zorder=2)
        axes.plot(*xy, dashes, color=color, zorder=3)
        dotted = dict(color=color, linewidth=1.5, zorder=2)
        axes.plot(*plots.barycentric(level).T, ":", **dotted)
        mark = dict(markersize=9, zorder=6, linestyle="none")
        axes.plot(*plots.barycentric(pi), marker=marker, color=color, **mark)
        line = "solid" if dashes == "-" else "dashed"
        words += [("", ink), (f"{name} ≤ {delta:g} ({line})", color)]
        words += [(f"{glyph} step: {', '.join(f'{q:.2f}' for q in pi)}", color)]
    start = plots.barycentric(P_OLD)
    # the way up: perpendicular to the level lines
    a, b = plots.barycentric(level_line(ADVANTAGE, 0.0))
    up = np.array([a[1] - b[1], b[0] - a[0]]) / np.hypot(*(b - a))
    up *= np.sign(up @ (plots.barycentric(np.array([0, 0, 1])) - start))
    head = dict(arrowstyle="-|>", color=ink, linewidth=2, mutation_scale=16)
    axes.annotate("", start + 0.24 * up, start, arrowprops=head, zorder=5)
    axes.plot(*start, "o", color=ink, markersize=8, zorder=6)
    for i, (text, color) in enumerate(words):
        axes.text(1.12, 0.84 - 0.09 * i, text, color=style.ink(color))
    axes.set_xlim(-0.12, 2.0)
    return figure


def balls_words(delta):
    """What `draw_balls` shows, in words."""
    ours, other = (", ".join(f"{q:.2f}" for q in pi) for _, pi, _ in both_balls(delta))
    return (
        "A triangle of all distributions over three actions. Around the old policy "
        f"0.60, 0.30, 0.10 lie two KL balls of size {delta:g}; each touches a line of "
        f"equal L at its own step: {ours} with the old policy first, {other} with the "
        "new policy first."
    )


balls = Widget(
    draw_balls,
    balls_words,
    {"delta": Steps("KL limit δ", (0.01, 0.03, 0.1, 0.3, 0.5, 1.0, 2.0, 3.0), 0.3)},
)


def draw_road(delta, p_old=0.1):
    """L and the truth over p, the trust region and its best point -> Figure."""
    p, promise, truth = road_curves(p_old)
    low, high = road_ends(delta, p_old)
    L, gain = road_at(high, p_old)
    figure, axes = plots.figure(size=(7.2, 3.9))
    axes.axvspan(low, high, color=style.GREY, alpha=0.25, linewidth=0)
    axes.axhline(0, color=style.INK, linewidth=0.8)
    axes.plot(p, promise, "--", color=style.RED)
    axes.plot(p, truth, color=style.BLUE)
    axes.plot([high, high], [L, gain], ":", color=style.INK, linewidth=1.6)
    axes.plot(p_old, 0, "o", color=style.INK, markersize=8)
    axes.plot(high, L, "D", color=style.RED, markersize=9)
    axes.plot(high, gain, "s", color=style.BLUE, markersize=9)
    axes.set(xlim=(0, 1), ylim=(-3.4, 7))
    axes.set(xlabel="p, the probability of driving fast in both states")
    axes.set_ylabel("gain over p = 0.1 (return)")
    plots.words_above(
        axes,
        (f"– – ◆  L = {number(L, '+.2f')} at p = {high:.2f}", style.RED),
        (f"── ■  J gains {number(gain, '+.2f')} there", style.BLUE),
        (f"grey: trust region, δ = {delta:g};   ●  old policy", style.INK),
    )
    return figure


def road_words(delta, p_old=0.1):
    """What `draw_road` shows, in words."""
    low, high = road_ends(delta, p_old)
    L, gain = road_at(high, p_old)
    return (
        "Over p, the surrogate L is a rising straight line and the true gain an arch. "
        f"The trust region of delta = {delta:g} is shaded, from p = {low:.2f} to "
        f"{high:.2f}, around the old p = {p_old:g}. At its right end L is "
        f"{number(L, '+.2f')} and the true gain {number(gain, '+.2f')}."
    )


road = Widget(
    draw_road,
    road_words,
    {"delta": Steps("KL limit δ", (0.001, 0.01, 0.05, 0.1, 0.2, 0.5, 1.0), 1.0)},
)

# --- exercises


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


def is_distribution(arguments, result):
    pi = np.asarray(result)
    if pi.min() < 0 or abs(pi.sum() - 1) > 1e-9:
        return f"the probabilities sum to {pi.sum():.4f}, not 1"
    return None


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
    invariants=(is_distribution,),
)


def mean_kl_price_stub(old, delta):
    """The price beta at which mean KL(old, new) is delta."""
    low, high = 1e-6, 1e6
    for _ in range(40):
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
    for _ in range(40):
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
    for _ in range(40):
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
    # prices below 1 and, for the last, above
    shapes = (3, 2, 0.5), (4, 3, 0.2), (2, 4, 1.0), (3, 3, 0.005)
    for n_states, n_actions, delta in shapes:
        world = random_mdp(rng, n_states, n_actions)
        old = evaluate(world, random_policy(rng, n_states, n_actions))
        cases.append((old, delta))
    return cases


def price_binds(arguments, result):
    old, delta = arguments
    pi = penalized_step(old, float(result)).pi
    mean = old.visitation @ kl(old.pi, pi) / old.visitation.sum()
    if abs(mean - delta) > 1e-6 * delta:
        return f"at this price the mean KL(old, new) is {mean:.7g}, not {delta:g}"
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


def mirror_step_stub(p_old, A, delta):
    """The best pi [A] of one state with KL(new, old) <= delta."""
    ...  # your code


def mirror_step_reference(p_old, A, delta):
    """The best pi [A] of one state with KL(new, old) <= delta."""
    low, high = 1e-3, 1e3
    for _ in range(60):
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


def stuck_mirror(p_old, A, delta):
    low, high = 1e-3, 1e3
    for _ in range(60):
        beta = np.sqrt(low * high)
        weights = p_old * np.exp((A - A.max()) / beta)
        pi = weights / weights.sum()
        low, high = (low, beta) if kl(pi, p_old) > delta else (beta, high)
    return pi


def exp_overflows(p_old, A, delta):
    low, high = 1e-3, 1e3
    for _ in range(60):
        beta = np.sqrt(low * high)
        with np.errstate(over="ignore", invalid="ignore"):
            weights = p_old * np.exp(A / beta)
            pi = weights / weights.sum()
        low, high = (beta, high) if kl(pi, p_old) > delta else (low, beta)
    return pi


def mirror_cases(rng):
    cases = []
    for n, delta in ((2, 0.05), (3, 0.1), (3, 0.3), (5, 0.2)):
        p = 0.5 * rng.dirichlet(np.ones(n)) + 0.5 / n
        A = rng.normal(size=n)
        cases.append((p, A - p @ A, delta))
    # the same A from another zero: exp(A / beta) alone would overflow
    p, A, delta = cases[1]
    cases.append((p, A + 800, delta))
    return cases


def keeps_limit(arguments, result):
    p_old, _, delta = arguments
    pi = np.asarray(result)
    if kl(pi, p_old) > delta * (1 + 1e-6):
        return f"KL(new, old) is {kl(pi, p_old):.4f}, above {delta:g}"
    if kl(pi, p_old) < delta * (1 - 1e-4):
        return (
            f"KL(new, old) is {kl(pi, p_old):.4f}, below {delta:g}: a part of the "
            "limit is unused"
        )
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
        "the price acts the wrong way round: a step that is too far needs a higher "
        "one, and a higher price makes a shorter step": (stuck_mirror),
        "exp(A / beta) overflows where A is large: subtract the largest of A first": (
            exp_overflows
        ),
    },
    hints=(
        "Copy the page's bisection and change two things: the form of pi and the KL.",
        "weights = p_old * np.exp((A - A.max()) / beta): a high price is a small step, "
        "and what is subtracted from all of A cancels.",
        "Halve between beta = 1e-3 and 1e3 on a log scale; if kl(pi, p_old) > delta, "
        "the price is too low: low = beta, otherwise high = beta.",
    ),
    cases=mirror_cases,
    invariants=(is_distribution, keeps_limit),
    tolerance=1e-6,
)

pictures = (spending, two_limits, race)
widgets = (balls, road)
exercises = (priced_policy, mean_kl_price, mirror_step)
progress = Progress(exercises)
