"""Notebook 08: Taylor's line and bowl, ellipses in KL, and Fisher from samples."""

from functools import cache

import numpy as np

from trpo_lite import lqr, plots
from trpo_lite.bound import kl
from trpo_lite.course.engine import Exercise, Progress
from trpo_lite.course.table import number
from trpo_lite.course.widgets import Choice, Picture, Steps, Widget
from trpo_lite.mdp import evaluate, road_and_ice, shared_policy
from trpo_lite.policies import (
    LinearGaussian,
    LinearSoftmax,
    TabularSoftmax,
)
from trpo_lite.style import BLUE, GREY, INK, PURPLE, RED, VIOLET, ink, line
from trpo_lite.surrogate import surrogate

# --- worlds

# one state, three actions: page 05's old probabilities
P_OLD = np.array([0.6, 0.3, 0.1])

# page 05's linear-quadratic world and its old policy
WORLD, GAIN, STD = lqr.scalar_lqr(), -0.3, 0.3

# which logits rise together
MOVES = {
    "action 1": np.array([1.0, 0, 0]),
    "action 2": np.array([0, 1.0, 0]),
    "action 3": np.array([0, 0, 1.0]),
    "all three": np.ones(3),
}


def softmax(theta):
    """Probabilities along the last axis of the logits theta [..., A]."""
    weights = np.exp(theta - theta.max(-1, keepdims=True))
    return weights / weights.sum(-1, keepdims=True)


@cache
def road_curves(p_old=0.1):
    """t [T], L and mean KL along the shared log-odds of `road_and_ice`, g and H."""
    old = evaluate(road_and_ice(), shared_policy(p_old))
    t = np.linspace(-2.5, 2.5, 101)
    p = 1 / (1 + np.exp(-(np.log(p_old / (1 - p_old)) + t)))
    L = np.array([surrogate(old, shared_policy(x)) for x in p])
    bowl = np.array([kl([1 - p_old, p_old], [1 - x, x]) for x in p])
    H = p_old * (1 - p_old)
    g = H * float(old.visitation @ (old.advantage[:, 1] - old.advantage[:, 0]))
    return t, L, bowl, g, H


def kl_terms(direction, t):
    """-p(a) log(pi_t(a) / p(a)) for logits moved by t [T] along direction [3]: [T, 3].

    Their sum over a is KL(p || pi_t), with p = `P_OLD`.
    """
    pi = softmax(np.log(P_OLD) + np.multiply.outer(t, direction))
    return -P_OLD * np.log(pi / P_OLD)


@cache
def here():
    """g [2], H [2, 2] and the state's second moment (normalised) at (GAIN, STD)."""
    it = lqr.evaluate(WORLD, GAIN, STD)
    d_gain, d_log_std = lqr.gradient(WORLD, GAIN, STD, "log_std")
    g = np.array([d_gain.item(), d_log_std.item()])
    H = lqr.fisher(WORLD, GAIN, STD, "log_std")
    return g, H, (1 - WORLD.gamma) * it.state_moment.item()


def kl_at(step):
    """Mean KL(old || old + step) of steps [..., 2] in (k, log sigma)."""
    step = np.asarray(step)
    x, y = step[..., 0], step[..., 1]
    grown = (1 + x**2 * here()[2] / STD**2) * np.exp(-2 * y)
    return y + (grown - 1) / 2


def surrogate_at(step):
    """L of steps [..., 2] in (k, log sigma), exactly."""
    it = lqr.evaluate(WORLD, GAIN, STD)
    kappa, E = it.action_curvature.item(), it.advantage_error.item()
    moment = it.state_moment.item()
    x, y = np.asarray(step)[..., 0], np.asarray(step)[..., 1]
    wider = STD**2 * np.expm1(2 * y) / (1 - WORLD.gamma)
    return -kappa * (wider + x**2 * moment) - 2 * x * E * moment


def contour(delta, count=200):
    """The curve mean KL = delta, as points [T, 2] (x, y) round the old policy.

    Given y, the change of log sigma, x follows in closed form.
    """
    ends = []
    for way in (-1.0, 1.0):  # where x = 0: y + (e^-2y - 1) / 2 = delta
        low, high = 0.0, 2 * delta + 2
        for _ in range(60):
            y = (low + high) / 2
            inside = kl_at([0.0, way * y]) < delta
            low, high = (y, high) if inside else (low, y)
        ends.append(way * low)
    angle = np.linspace(-np.pi / 2, np.pi / 2, count // 2)
    y = np.mean(ends) + (ends[1] - ends[0]) / 2 * np.sin(angle)
    square = np.exp(2 * y) * (2 * delta + 1 - 2 * y) - 1
    x = STD * np.sqrt(np.maximum(square, 0) / here()[2])
    return np.concatenate([np.stack([x, y], 1), np.stack([-x, y], 1)[::-1]])


def ellipse(delta, count=200):
    """The curve step.H.step / 2 = delta, as points [T, 2]."""
    angle = np.linspace(0, 2 * np.pi, count)
    circle = np.stack([np.cos(angle), np.sin(angle)], 1)
    return np.sqrt(2 * delta) * circle / np.sqrt(np.diag(here()[1]))


@cache
def big_world(n=13, m=3):
    """(LQR, LinearGaussian, g, H): n states, m actions; theta as the policy's.

    g is the exact gradient of J, and of L, and H the exact Hessian of mean KL.
    """
    rng = np.random.default_rng(0)
    dynamics = rng.normal(size=(n, n))
    dynamics *= 0.8 / np.abs(np.linalg.eigvals(dynamics)).max()
    control = rng.normal(size=(n, m)) / np.sqrt(n)
    world = lqr.LQR(
        dynamics, control, np.eye(n), np.eye(m), 0.1 * np.eye(n), np.eye(n), 0.9
    )
    policy = LinearGaussian.zeros(n, m, np.log(0.5))
    gain, std = policy.weights.T, policy.std
    g = np.concatenate([x.ravel() for x in lqr.gradient(world, gain, std, "log_std")])
    H = lqr.fisher(world, gain, std, "log_std")
    # lqr orders the gain [m, n], the policy its weights [n, m]
    order = np.arange(n * m).reshape(m, n).T.ravel()
    order = np.concatenate([order, np.arange(n * m, n * m + m)])
    return world, policy, g[order], H[np.ix_(order, order)]


def visits(world, policy, N, rng):
    """N states [N, n] of the normalised visitation, and the policy's actions [N, m].

    Each state is the last of a run that ends with chance 1 - gamma at every step.
    """
    last = rng.geometric(1 - world.gamma, N) - 1
    root, noise = (np.linalg.cholesky(x) for x in (world.start, world.noise))
    s = rng.standard_normal((N, world.n_states)) @ root.T
    for t in range(last.max()):
        go = last > t
        u = policy.sample(s[go], rng)
        w = rng.standard_normal((go.sum(), world.n_states)) @ noise.T
        s[go] = s[go] @ world.dynamics.T + u @ world.control.T + w
    return s, policy.sample(s, rng)


# --- pictures


def draw_taylor():
    """L with its tangent, and mean KL with its parabola, on the road -> Figure."""
    t, L, bowl, g, H = road_curves()
    figure, (left, right) = plots.figure(1, 2, (7.6, 3.6))
    left.plot(t, L, color=BLUE)
    left.plot(t, g * t, "--", color=RED)
    left.text(1.25, 2.6, "L", color=ink(BLUE), ha="right")
    left.text(1.5, 0.1, "line  g t", color=RED, ha="left")
    right.plot(t, bowl, color=BLUE)
    right.plot(t, H * t**2 / 2, "--", color=RED)
    right.text(1.5, 0.3, "mean KL", color=ink(BLUE), ha="right")
    right.text(-1.75, 0.25, "bowl  H t²/2", color=RED, ha="left")
    left.set(ylabel="surrogate (return)", ylim=(-2, 3.6))
    right.set(ylabel="mean KL (nats)", ylim=(-0.02, 0.5))
    for axes in (left, right):
        axes.plot(0, 0, "o", color=INK, zorder=5)
        axes.set_xlabel("t, change of the log-odds of fast")
        axes.axhline(0, color=INK, linewidth=0.8)
    return figure


taylor = Picture(
    draw_taylor,
    "Left: L over t with its tangent line at the old policy. Right: the mean KL, which "
    "touches zero at the old policy, with its parabola. Both pairs agree near t = 0 "
    "and part further out.",
)


def draw_both(change, forward, reverse, parabola):
    """Both KLs, H t^2 / 2 and their difference over |t|, log axes -> Figure."""
    figure, axes = plots.figure(size=(7.2, 3.9))
    axes.loglog(change, parabola, color=GREY, linewidth=7, alpha=0.7)
    axes.loglog(change, forward, "-", color=BLUE)
    axes.loglog(change, reverse, "--", color=RED)
    axes.loglog(change, forward - reverse, "-.", color=VIOLET)
    words = (
        ("KL(old‖new) solid, slope 2", BLUE),
        ("KL(new‖old) dashed, slope 2", RED),
        ("H t²/2 wide grey, slope 2", INK),
        ("their difference, dash-dotted: slope 3", VIOLET),
    )
    for i, (text, color) in enumerate(words):
        x, y = (0.03, 0.93 - 0.08 * i) if i < 3 else (0.45, 0.2)
        axes.text(x, y, text, color=ink(color), transform=axes.transAxes)
    axes.set_xlabel("|t|, by how much log σ falls")
    axes.set_ylabel("KL (nats)")
    axes.minorticks_off()
    return figure


both_directions = Picture(
    draw_both,
    "On log axes both KLs follow the parabola with slope 2 and part for large t. Their "
    "difference is a line with slope 3, far below.",
)


def draw_samples(sizes, results):
    """True KL of the step over N, and its cosine, for both estimates -> Figure.

    results : {label: [N sizes, repetitions, 2]}, (KL / delta, cosine).
    """
    figure, (left, right) = plots.figure(1, 2, (7.6, 3.7))
    left.axhline(1, color=INK, linewidth=1)
    right.axhline(1, color=INK, linewidth=1)
    for i, (label, both) in enumerate(results.items()):
        low, middle, high = np.quantile(both, [0.1, 0.5, 0.9], axis=1)
        look = line(i)
        band = dict(color=look["color"], alpha=0.18, linewidth=0)
        for j, axes in enumerate((left, right)):
            axes.fill_between(sizes, low[:, j], high[:, j], **band)
            axes.plot(sizes, middle[:, j], label=label, **look)
    left.set(xscale="log", yscale="log", ylabel="true quadratic KL of the step (δ)")
    right.set(xscale="log", ylabel="cosine with the exact step", ylim=(0, 1.05))
    left.set_yticks([1, 3, 10, 30], ["1", "3", "10", "30"])
    for axes in (left, right):
        axes.set_xticks(sizes, [f"{n}" for n in sizes])
        axes.minorticks_off()
        axes.set_xlabel("N, the number of samples")
    right.legend(loc="lower right")
    return figure


few_samples = Picture(
    draw_samples,
    "Left: the true quadratic KL of the step over N. With the empirical Fisher it "
    "starts near 20 delta and comes down to 1 slowly; with the analytic one it is near "
    "1 throughout. Right: the cosine with the exact step starts near .4 and near .85, "
    "and rises to 1.",
)

# --- widgets


def _slopes(which):
    """The slopes at the old policy of the three terms of KL, [3]."""
    direction = MOVES[which]
    return -P_OLD * (direction - P_OLD @ direction)


def draw_terms(which):
    """The three terms of KL and their sum as one logit moves -> Figure."""
    t, slopes = np.linspace(-1.5, 1.5, 61), _slopes(which)
    terms = kl_terms(MOVES[which], t)
    figure, axes = plots.figure(size=(7.4, 3.9))
    axes.axhline(0, color=INK, linewidth=0.8)
    looks = ((RED, "--"), (VIOLET, "-."), (PURPLE, ":"))
    for a, (color, dashes) in enumerate(looks):
        name = f"action {a + 1}: slope {number(slopes[a], '+.2f')}".replace("-", "−")
        axes.plot(t, terms[:, a], dashes, color=color, label=name)
    label = f"sum = KL: slope {number(slopes.sum(), '.2f')}"
    axes.plot(t, terms.sum(1), "-", color=BLUE, linewidth=4, label=label)
    axes.plot(0, 0, "o", color=INK, zorder=5)
    axes.set(xlim=(-1.5, 1.5), ylim=(-0.3, 0.4))
    axes.set_xlabel("t, how far the logit moves")
    axes.set_ylabel("term of KL (nats)")
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1))
    return figure


def terms_words(which):
    """What `draw_terms` shows, in words."""
    slopes, direction = _slopes(which), MOVES[which]
    curvature = P_OLD @ direction**2 - (P_OLD @ direction) ** 2
    if abs(curvature) < 1e-12:
        return (
            "All three logits rise together: the three terms of KL and their sum are "
            "flat lines at zero."
        )
    words = ", ".join(number(x, ".2f") for x in slopes)
    return (
        f"The logit of {which} moves. Three tilted curves, one for each action, cross "
        f"zero at the old policy with slopes {words}. The slopes cancel, and the sum, "
        f"the KL, is a bowl of curvature {curvature:.2f} that touches zero there."
    )


terms = Widget(
    draw_terms,
    terms_words,
    {"which": Choice("logit that moves", tuple(MOVES), "action 3")},
)


def _best_in_ellipse(delta):
    """The step that makes g . step largest in the ellipse, [2]."""
    g, H, _ = here()
    x = np.linalg.solve(H, g)
    return np.sqrt(2 * delta / (g @ x)) * x


def draw_ellipse(delta):
    """KL's contour and its ellipse round the old (k, log sigma) -> Figure."""
    real, guess, step = contour(delta), ellipse(delta), _best_in_ellipse(delta)
    best = real[surrogate_at(real).argmax()]
    on_it = kl_at(guess) / delta
    figure, axes = plots.figure(size=(7.4, 4.0))
    old = np.array([GAIN, np.log(STD)])
    axes.fill(*(old + real).T, color=BLUE, alpha=0.10, linewidth=0, linestyle="-")
    axes.plot(*(old + real).T, color=BLUE)
    axes.plot(*(old + guess).T, "--", color=RED)
    axes.plot(*old, "o", color=INK)
    axes.plot(*(old + best), "s", color=BLUE, markersize=9)
    axes.plot(*(old + step), "D", color=RED, markersize=9)
    words = (
        ("● old policy", INK),
        ("", INK),
        ("mean KL = δ (solid)", BLUE),
        ("■ best L inside", BLUE),
        ("", INK),
        ("ellipse (dashed)", RED),
        ("◆ best g·step inside", RED),
        (f"   its KL: {kl_at(step) / delta:.2f} δ", RED),
        (f"KL on it: {on_it.min():.2f} to {on_it.max():.2f} δ", RED),
    )
    for i, (text, color) in enumerate(words):
        place = dict(color=ink(color), transform=axes.transAxes)
        axes.text(1.03, 0.93 - 0.1 * i, text, **place)
    # the window grows with the region, so that only its shape changes
    wide, high = 2.6 * np.sqrt(delta / 3.6), 2.4 * np.sqrt(delta)
    axes.set_xlim(old[0] - wide, old[0] + wide)
    axes.set_ylim(old[1] - 0.7 * high, old[1] + high)
    axes.set(xlabel="k, gain of the policy", ylabel="log σ, spread of the policy")
    return figure


def ellipse_words(delta):
    """What `draw_ellipse` shows, in words."""
    on_it = kl_at(ellipse(delta)) / delta
    return (
        "Around the old policy in gain and log spread: the curve on which the mean KL "
        f"is delta = {delta:g}, and the ellipse from its Hessian, on which the KL goes "
        f"from {on_it.min():.2f} delta at its top, inside the curve, to "
        f"{on_it.max():.2f} delta near its bottom, outside of it. The best step in the "
        f"ellipse has a KL of {kl_at(_best_in_ellipse(delta)) / delta:.2f} delta."
    )


regions = Widget(
    draw_ellipse,
    ellipse_words,
    {"delta": Steps("KL limit δ", (0.0001, 0.001, 0.01, 0.03, 0.1, 0.3, 1.0), 0.1)},
)

# --- exercises


def softmax_fisher_product_stub(p, v):
    """H v [A] of one softmax state with probabilities p [A], without H."""
    return ...  # (diag(p) - p p^T) v, as one line of vectors


def softmax_fisher_product_reference(p, v):
    """H v [A] of one softmax state with probabilities p [A], without H."""
    return p * (v - p @ v)


def without_outer(p, v):
    return p * v


def diagonal_only(p, v):
    return p * (1 - p) * v


def plain_mean(p, v):
    return p * (v - v.mean())


def not_weighed(p, v):
    return v - p @ v


def weighed_once(p, v):
    return p * v - p @ v


def bare_sum(p, v):
    return p * (v - v.sum())


def weighed_twice(p, v):
    return p * (p * v - p @ v)


def product_cases(rng):
    return [
        (0.9 * rng.dirichlet(np.ones(n)) + 0.1 / n, rng.normal(1, 1, size=n))
        for n in (3, 4, 6, 2)
    ]


softmax_fisher_product = Exercise(
    name="softmax_fisher_product",
    minutes=5,
    difficulty=1,
    stub=softmax_fisher_product_stub,
    reference=softmax_fisher_product_reference,
    mistakes={
        "this is diag(p) v: the part -p p^T is missing": without_outer,
        "only the diagonal of H is used": diagonal_only,
        "every action counts alike in the mean: weigh v[a] by p[a]": plain_mean,
        "the outer p is missing: action a's entry is weighed by p[a]": not_weighed,
        "the mean is not weighed: p stands before both terms": weighed_once,
        "p^T v is a mean over actions, not a sum of v": bare_sum,
        "v is weighed twice by p: once is enough": weighed_twice,
    },
    hints=(
        "H = diag(p) - p p^T. What is p p^T v? Work out p^T v first: it is one number.",
        "diag(p) v is p * v, and p p^T v is p times the number p @ v.",
        "p * (v - p @ v)",
    ),
    cases=product_cases,
)


def kl_hessian_stub(theta):
    """Hessian [A, A] at theta [A] of the KL of one softmax state."""
    h = 1e-3
    old = theta

    def softmax(x):
        return np.exp(x) / np.exp(x).sum()

    def f(x):
        old = x
        return kl(softmax(old), softmax(x))

    def second(a, b):
        up = f(old + a + b) - f(old + a - b)
        low = f(old - a + b) - f(old - a - b)
        return (up - low) / (4 * h**2)

    steps = h * np.eye(len(theta))
    return np.array([[second(a, b) for b in steps] for a in steps])


def kl_hessian_reference(theta):
    """Hessian [A, A] at theta [A] of the KL of one softmax state."""
    h = 1e-3
    old = theta

    def softmax(x):
        return np.exp(x) / np.exp(x).sum()

    def f(x):
        return kl(softmax(old), softmax(x))  # old stays where it is

    def second(a, b):
        up = f(old + a + b) - f(old + a - b)
        low = f(old - a + b) - f(old - a - b)
        return (up - low) / (4 * h**2)

    steps = h * np.eye(len(theta))
    return np.array([[second(a, b) for b in steps] for a in steps])


def from_uniform(theta):
    return kl_hessian_reference(0 * theta)


def twice_softmax(theta):
    return kl_hessian_reference(softmax(theta))


def symmetric(arguments, result):
    result = np.asarray(result)
    if np.abs(result - result.T).max() > 1e-9:
        return "the matrix is not symmetric"
    return None


def not_zero(arguments, result):
    if np.abs(np.asarray(result)).max() < 1e-9:
        return "the Hessian is 0: one side of the KL must stay frozen at theta"
    return None


kl_hessian = Exercise(
    name="kl_hessian",
    minutes=8,
    difficulty=2,
    stub=kl_hessian_stub,
    reference=kl_hessian_reference,
    mistakes={
        "this is the Hessian of the uniform policy: freeze theta, not zeros": (
            from_uniform
        ),
        "softmax was taken twice: old must stay logits, as theta is": twice_softmax,
    },
    hints=(
        "What does f return at theta? And at any other x?",
        "f compares a policy with itself. Which of its lines makes old move along?",
        "Delete the line old = x: then old is the theta from above, and stays there.",
    ),
    cases=lambda rng: [(rng.normal(size=n),) for n in (3, 4, 2)],
    invariants=(symmetric, not_zero),
    tolerance=1e-4,
)


def two_lengths_stub(policy, observations, x, delta):
    """Steps along x [size] of cost delta: by the bowl, by the true KL."""
    ...  # your code


def two_lengths_reference(policy, observations, x, delta):
    """Steps along x [size] of cost delta: by the bowl, by the true KL."""
    h, old = 1e-4, policy.at(observations)

    def at(size):
        return old.with_theta(policy.theta + size * x)

    Hx = (old.kl_gradient(at(h)) - old.kl_gradient(at(-h))) / (2 * h)
    bowl = np.sqrt(2 * delta / (x @ Hx))
    short, long = 0.0, bowl
    while np.mean(old.kl(at(long))) < delta:  # the bowl was too careful
        short, long = long, 2 * long
    for _ in range(50):
        middle = (short + long) / 2
        if np.mean(old.kl(at(middle))) < delta:
            short = middle
        else:
            long = middle
    return bowl * x, short * x


def _lengths(policy, observations, x, delta, true_kl=None, bowl=None, reach=8.0):
    """The reference with another KL(old, new) -> number, bowl or end of its search."""
    old = policy.at(observations)
    true_kl = true_kl or (lambda old, new: np.mean(old.kl(new)))
    if bowl is None:
        bowl = np.sqrt(2 * delta / (x @ old.fisher_product(x)))
    short, long = 0.0, reach * bowl
    for _ in range(60):
        middle = (short + long) / 2
        new = old.with_theta(policy.theta + middle * x)
        short, long = (middle, long) if true_kl(old, new) < delta else (short, middle)
    return bowl * x, short * x


def same_length(*given):
    return (_lengths(*given)[0],) * 2


def never_longer(*given):
    return _lengths(*given, reach=1.0)


def exchanged(*given):
    return _lengths(*given)[::-1]


def new_first(*given):
    return _lengths(*given, true_kl=lambda old, new: np.mean(new.kl(old)))


def summed_kl(*given):
    return _lengths(*given, true_kl=lambda old, new: np.sum(old.kl(new)))


def largest_kl(*given):
    return _lengths(*given, true_kl=lambda old, new: np.max(old.kl(new)))


def other_bowl(size):
    """A wrong first length `size(cost, delta)`, cost = x.H x; the second is right."""

    def answer(policy, observations, x, delta):
        _, true = _lengths(policy, observations, x, delta)
        cost = x @ policy.at(observations).fisher_product(x)
        return size(cost, delta) * x, true

    return answer


def whole_gradient(policy, observations, x, delta):
    """With the gradient of the KL one whole x away for H x."""
    old = policy.at(observations)
    Hx = old.kl_gradient(old.with_theta(policy.theta + x))
    return np.sqrt(2 * delta / (x @ Hx)) * x, _lengths(policy, observations, x, delta)[
        1
    ]


def new_parameters(policy, *given):
    bowl, true = _lengths(policy, *given)
    return policy.theta + bowl, policy.theta + true


def corrected_once(policy, observations, x, delta):
    step, _ = _lengths(policy, observations, x, delta)
    old = policy.at(observations)
    KL = np.mean(old.kl(old.with_theta(policy.theta + step)))
    return step, np.sqrt(delta / KL) * step


def lengths_cases(rng):
    table = TabularSoftmax(rng.normal(size=6), 2, 3)
    logits = LinearSoftmax(rng.normal(size=9), 3)
    gauss = LinearGaussian(0.5 * rng.normal(size=8), 2)
    rows = rng.normal(size=(9, 3))
    wider = np.append(0.1 * rng.normal(size=6), [1.0, 0.7])  # both log sigma grow
    sigma = np.append(np.zeros(6), [1.0, 1.0])  # KL soon grows like the length alone
    return [
        (table, rng.integers(2, size=7), rng.normal(size=6), 0.1),
        (logits, rng.normal(size=(8, 3)), rng.normal(size=9), 0.3),
        (gauss, rows, 0.1 * wider, 0.3),
        (gauss, rows, -wider, 0.3),
        (gauss, rows[:4], -wider, 1e-4),
        (gauss, rows, sigma, 8.0),  # more than twice the bowl's
    ]


two_lengths = Exercise(
    name="two_lengths",
    minutes=15,
    difficulty=3,
    stub=two_lengths_stub,
    reference=two_lengths_reference,
    mistakes={
        "both steps have the bowl's length: the second asks for the true KL": (
            same_length
        ),
        "the true length is searched below the bowl's only: where sigma grows it is "
        "longer": never_longer,
        "the two are exchanged: first the bowl's": exchanged,
        "the true KL has the new policy first: old.kl(new) is KL(old, new)": new_first,
        "the KL is summed over the states: it is the mean that may be delta": summed_kl,
        "the largest KL of a state is held at delta: it is the mean that may be": (
            largest_kl
        ),
        "one correction by the root of delta / KL is not enough: KL is no parabola": (
            corrected_once
        ),
        "these are new parameters: return the steps alone": new_parameters,
        "the 2 is missing: the bowl is x.H x / 2": other_bowl(
            lambda cost, delta: np.sqrt(delta / cost)
        ),
        "the root is missing: along x the bowl grows with the square of the length": (
            other_bowl(lambda cost, delta: 2 * delta / cost)
        ),
        "a step of length 1 is far too long for H x: step h x and divide by h": (
            whole_gradient
        ),
    },
    hints=(
        "The Hessian is the derivative of the gradient. Along x, that is H x: two "
        "gradients of the KL, at theta + h x and theta - h x.",
        "H x = (gradient ahead - gradient behind) / (2 h), with h = 1e-4. The first "
        "length solves size**2 * (x @ Hx) / 2 = delta.",
        "For the second, find two lengths with delta between their KLs: 0, and the "
        "bowl's, doubled until it is enough. Halve 50 times between them.",
    ),
    cases=lengths_cases,
    tolerance=1e-4,
)

pictures = (taylor, both_directions, few_samples)
widgets = (terms, regions)
exercises = (softmax_fisher_product, kl_hessian, two_lengths)
progress = Progress(exercises)
