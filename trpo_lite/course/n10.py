"""Notebook 10: conjugate gradients on exact Fisher matrices, and what they cost."""

from functools import cache

import numpy as np

from trpo_lite import plots, style
from trpo_lite.conjugate_gradient import conjugate_gradient
from trpo_lite.course.engine import Exercise, Progress
from trpo_lite.course.table import number
from trpo_lite.course.widgets import Choice, Picture, Steps, Widget
from trpo_lite.lqr import LQR
from trpo_lite.mdp import TabularMDP, evaluate, uniform_policy
from trpo_lite.policies import LinearGaussian

# --- worlds


@cache
def lake():
    """FrozenLake with discount .95, and the uniform policy's evaluation."""
    world = TabularMDP.from_gymnasium("FrozenLake", 0.95)
    return world, evaluate(world, uniform_policy(world))


def mass(unit=1.0):
    """A mass on a line, pushed: state (position, speed) and a gain on it.

    The position is counted in 1/unit metres; everything else stays the same world.
    """
    S, back = np.diag([unit, 1.0]), np.diag([1 / unit, 1.0])
    world = LQR(
        dynamics=S @ [[1, 0.1], [0, 1]] @ back,
        control=S @ [[0], [0.1]],
        state_cost=back @ np.diag([1, 0.1]) @ back,
        action_cost=[[0.1]],
        noise=np.zeros((2, 2)),
        start=S @ S,
        gamma=0.95,
    )
    return world, np.array([[-0.5, -0.5]]) @ back


def with_eigenvalues(eigenvalues, seed=0):
    """(a symmetric matrix with these eigenvalues, a right-hand side)."""
    rng = np.random.default_rng(seed)
    q = np.linalg.qr(rng.standard_normal((len(eigenvalues),) * 2))[0]
    return (q * eigenvalues) @ q.T, rng.standard_normal(len(eigenvalues))


def orthogonal_path(eigenvalues, g, iterations):
    """CG's x_k as in exact arithmetic, [iterations + 1, n], for a diagonal matrix.

    Each residual is made orthogonal to all earlier ones again, and each direction
    conjugate; that costs n numbers an iteration, and rounding has no say.
    """
    x, r = np.zeros_like(g), g.copy()
    path, residuals, directions = [x], [], []
    for _ in range(iterations):
        if np.linalg.norm(r) <= 1e-15 * np.linalg.norm(g):
            path.append(x)
            continue
        residuals.append(r / np.linalg.norm(r))
        p = r
        for _ in range(2):
            for q in directions:
                p = p - (q @ (eigenvalues * p)) / (q @ (eigenvalues * q)) * q
        directions.append(p)
        alpha = (r @ p) / (p @ (eigenvalues * p))
        x, r = x + alpha * p, r - alpha * eigenvalues * p
        for _ in range(2):
            for q in residuals:
                r = r - (q @ r) * q
        path.append(x)
    return np.array(path)


def rounded_path(eigenvalues, g, iterations, damping=0.0):
    """CG's x_k in floating point, [iterations + 1, n], for a diagonal matrix."""
    path = [np.zeros_like(g)]
    diagonal = eigenvalues + damping
    conjugate_gradient(lambda v: diagonal * v, g, iterations, 1e-16, path.append)
    path += [path[-1]] * (iterations + 1 - len(path))
    return np.array(path)


def errors(path, target):
    """|x_k - target| / |target| for a path [K + 1, n], [K + 1]."""
    return np.linalg.norm(path - target, axis=1) / np.linalg.norm(target)


def steepest_path(F, g, iterations):
    """x_0 = 0, x_1, ... of steepest descent on x.F x / 2 - g.x, at the best lengths."""
    path = [np.zeros_like(g)]
    for _ in range(iterations):
        r = g - F @ path[-1]
        path.append(path[-1] + (r @ r) / (r @ F @ r) * r)
    return np.array(path)


def stretch(F):
    """The symmetric root of F / (its largest eigenvalue): it makes the bowl round."""
    values, vectors = np.linalg.eigh(F)
    return (vectors * np.sqrt(values / values[-1])) @ vectors.T


def angle(one, other):
    """Degrees between two directions."""
    cosine = one @ other / np.linalg.norm(one) / np.linalg.norm(other)
    return np.degrees(np.arccos(np.clip(cosine, -1, 1)))


SPACINGS = ("log-spaced", "evenly spaced", "five values")


def spectrum(kappa, spacing, n=30):
    """n eigenvalues from 1/kappa to 1."""
    if spacing == "evenly spaced":
        return np.linspace(1 / kappa, 1, n)
    if spacing == "five values":
        return np.repeat(np.geomspace(1 / kappa, 1, 5), n // 5)
    return np.geomspace(1 / kappa, 1, n)


def convergence_curves(kappa, damping, spacing, iterations=60):
    """(eigenvalues [n], residuals [K+1] of the damped system, errors [K+1])."""
    eigenvalues = spectrum(kappa, spacing)
    g = np.ones(len(eigenvalues))
    path = rounded_path(eigenvalues, g, iterations, damping)
    left = g - path * (eigenvalues + damping)
    residuals = np.linalg.norm(left, axis=1) / np.linalg.norm(g)
    return eigenvalues, residuals, errors(path, g / eigenvalues)


# --- pictures

DASHES = (0, (4, 3))


def draw_paths(F, g, paths):
    """The bowl x.F x / 2 - g.x and paths {label: [K, 2]}, as it is and made round.

    On the right every x is replaced by `stretch(F)` x: level lines become circles, and
    conjugate directions perpendicular.
    """
    figure, (left, right) = plots.figure(1, 2, (7.4, 4.0))
    names = "the valley", "stretched until it is round"
    for axes, map_, name in zip((left, right), (np.eye(2), stretch(F)), names):
        x_star = map_ @ np.linalg.solve(F, g)
        back = np.linalg.inv(map_)
        bowl = back.T @ F @ back
        moved = {label: path @ map_.T for label, path in paths.items()}
        points = np.concatenate([*moved.values(), [x_star]])
        low, high = points.min(0) - 1.6, points.max(0) + 1.6
        grid = np.meshgrid(*(np.linspace(*ends, 121) for ends in zip(low, high)))
        X = np.stack(grid, -1) - x_star
        height = np.einsum("...i,ij,...j", X, bowl, X) / 2
        start = x_star @ bowl @ x_star / 2
        levels = start * np.array([0.01, 0.1, 0.25, 0.45, 0.7, 1.0, 1.4])
        # the second parameter to the right, as it is the longer one
        axes.contour(*grid[::-1], height, levels, colors=style.GREY, linewidths=1.2)
        looks = ((style.RED, "--", "s"), (style.BLUE, "-", "o"))
        for path, (color, dashes, marker) in zip(moved.values(), looks, strict=True):
            axes.plot(*path.T[::-1], dashes, marker=marker, color=color)
        axes.plot(*x_star[::-1], "*", color=style.INK, markersize=15, zorder=5)
        axes.set(xlim=(low[1], high[1]), ylim=(low[0], high[0]), aspect="equal")
        axes.set_title(name)
        axes.set_xlabel("x, ice (change of log-odds, nats)")
        axes.grid(False)
    left.set_ylabel("x, road (change of log-odds, nats)")
    right.set_xlabel("the same, stretched")
    marks = (("■ – –  ", style.RED), ("● ──  ", style.BLUE))
    words = [(mark + name, color) for (mark, color), name in zip(marks, paths)]
    words += [("★  F⁻¹g", style.INK), ("grey: level lines", style.INK)]
    for i, (text, color) in enumerate(words):
        place = 0.08 + 0.5 * (i % 2), 0.08 - 0.055 * (i // 2)
        figure.text(*place, text, color=style.ink(color))
    figure.get_layout_engine().set(rect=(0, 0.13, 1, 0.87))
    return figure


valley = Picture(
    draw_paths,
    "Left: level lines of a long valley. Steepest descent zigzags towards the bottom, "
    "with right angles. Conjugate gradients take the same first step, turn by less "
    "and end at the bottom with the second. Right: stretched, the level lines are "
    "circles, and now it is conjugate gradients that turn by a right angle.",
)


def draw_rounding(n=30, spread=1e4, iterations=90):
    """Error per iteration, log-spaced: floating point against exact arithmetic."""
    eigenvalues, g = np.geomspace(1 / spread, 1, n), np.ones(n)
    target = g / eigenvalues
    figure, axes = plots.figure(size=(7.2, 3.7))
    exact = errors(orthogonal_path(eigenvalues, g, n), target)
    rounded = errors(rounded_path(eigenvalues, g, iterations), target)
    axes.semilogy(exact, color=style.BLUE)
    axes.semilogy(rounded, "--", color=style.RED)
    axes.axvline(n, color=style.INK, linewidth=1.2, linestyle=DASHES)
    blue = style.ink(style.BLUE)
    axes.text(n - 3, 1e-9, "exact\narithmetic", color=blue, ha="right")
    axes.text(n + 26, 3e-4, "floating point", color=style.RED, ha="left")
    axes.text(n + 1, 5e-15, f"{n} iterations", ha="left")
    axes.set(xlabel="iteration k", ylabel=r"error $|x_k - x| \, / \, |x|$")
    axes.set(xlim=(0, iterations), ylim=(1e-16, 10))
    return figure


rounding = Picture(
    draw_rounding,
    "Error over iterations on a log axis. In exact arithmetic the error drops to "
    "nothing at iteration 30. In floating point it is still above a tenth there, and "
    "vanishes after about twice as many.",
)


def draw_cells(steps, limit):
    """KL of each step in each cell of FrozenLake, in units of the limit -> Figure.

    steps : {label: KL [S]}.
    """
    figure, cells = plots.figure(1, len(steps), (7.4, 3.1), sharey=True, squeeze=False)
    for axes, (label, kl) in zip(cells[0], steps.items(), strict=True):
        share = (kl / limit).reshape(4, 4)
        image = axes.imshow(np.sqrt(share), cmap="Purples", vmin=0, vmax=11)
        for (row, col), value in np.ndenumerate(share):
            ground = image.cmap(image.norm(np.sqrt(value)))
            ink = max(("white", "black"), key=lambda c: style.contrast(c, ground))
            word = number(value, ".0f" if value >= 9.95 else ".1f")
            axes.text(col, row, word, ha="center", va="center", fontsize=13, color=ink)
        axes.set(title=label, xlabel="column", xticks=range(4), yticks=range(4))
        axes.grid(False)
    cells[0, 0].set_ylabel("row")
    return figure


cells = Picture(
    draw_cells,
    "KL per cell of FrozenLake for three steps of equal mean KL. After one iteration "
    "it is spread over the lake. After four and twelve it gathers in the cells near "
    "the goal.",
)


def draw_cost(cost):
    """Seconds over parameters: inverse, solve and CG, and the n^3 line -> Figure."""
    figure, axes = plots.figure(size=(7.2, 4.2))
    axes.set(xscale="log", yscale="log", xlim=(40, 2e6), ylim=(1e-5, 3e9))
    n, free = cost["n"], cost["n_free"]
    axes.plot(n, cost["inverse"], "-s", color=style.RED)
    axes.plot(n, cost["solve"], "--^", color=style.VIOLET)
    axes.plot(free, cost["cg"], "-o", color=style.BLUE)
    far = np.array([n[-1], 1e6])
    axes.plot(far, cost["inverse"][-1] * (far / n[-1]) ** 3, ":", color=style.RED)
    axes.text(3e4, 3e5, "inverse, if it\nturns into n³", color=style.RED, ha="right")
    axes.text(420, 0.06, "inverse", color=style.RED, ha="right")
    axes.text(2500, 0.1, "solve", color=style.VIOLET, ha="left")
    blue = style.ink(style.BLUE)
    axes.text(2.2e4, 3e-4, "10 iterations of CG", color=blue, ha="left")
    for seconds, word in ((60, "a minute"), (86400, "a day"), (3.156e7, "a year")):
        axes.axhline(seconds, color=style.INK, linewidth=0.9, linestyle=DASHES)
        axes.text(45, 1.3 * seconds, word, fontsize=11)
    axes.set(xlabel="parameters n", ylabel="processor time (s)")
    return figure


costs = Picture(
    draw_cost,
    "Processor time over parameters, both on log axes. Inverse and solve rise steeply "
    "and end near 2000 parameters; a dotted line continues the inverse, with n^3, to "
    "years. CG rises gently and takes about a second at a million parameters.",
)

# --- widgets


def draw_convergence(kappa, damping, spacing):
    """Eigenvalues before and after damping; residual and error over k -> Figure."""
    eigenvalues, residuals, error = convergence_curves(kappa, damping, spacing)
    damped = eigenvalues + damping
    figure, (strip, axes) = plots.figure(2, 1, (7.2, 4.4), height_ratios=(1, 4.2))
    # logarithms on linear axes with plain ticks: log axes draw three times as slowly
    for height, values, color in (
        (1.5, eigenvalues, style.INK),
        (0.5, damped, style.BLUE),
    ):
        x = np.log10(values)
        strip.plot(x, np.full(30, height), "|", color=color, markersize=13)
    strip.set(xlim=(-6.3, 0.4), ylim=(0, 2), yticks=[])
    strip.set_xticks((-6, -4, -2, 0), ("10⁻⁶", "10⁻⁴", "10⁻²", "1"))
    strip.set_xlabel("eigenvalues: above of F, below with the damping", labelpad=1)
    strip.grid(False)
    k, low = np.arange(len(residuals)), 1e-30  # below the picture
    axes.plot(k, np.log10(residuals + low), color=style.BLUE)
    axes.plot(k, np.log10(error + low), "--", color=style.RED)
    axes.plot([10, 10], [-15, 2], color=style.INK, linewidth=1.2, linestyle=DASHES)
    axes.text(10.7, -14.4, "10 iterations")
    axes.set(xlim=(0, 60), ylim=(-15, 2))
    axes.set_yticks((-12, -8, -4, 0), ("10⁻¹²", "10⁻⁸", "10⁻⁴", "1"))
    axes.set(xlabel="iteration k", ylabel="relative to the start")
    plots.words_above(
        axes,
        (f"──  residual |g − (F + λI)x|, {_small(residuals[10])}", style.BLUE),
        (f"– –  error |x − F⁻¹g|, {_small(error[10])}", style.RED),
    )
    return figure


def _small(value):
    """The words for a value after ten iterations."""
    return f"after 10: {number(value, '.2g') if value > 1e-12 else 'below 10⁻¹²'}"


def convergence_words(kappa, damping, spacing):
    """What `draw_convergence` shows, in words."""
    _, residuals, error = convergence_curves(kappa, damping, spacing)
    return (
        f"Above, thirty eigenvalues with spread {kappa:g}, {spacing}, as ticks on a "
        f"log axis, without and with damping {damping:g}. Below, residual and error of "
        "conjugate gradients over 60 iterations on a log axis. Residual, "
        f"{_small(residuals[10])}; error, {_small(error[10])}."
    )


convergence = Widget(
    draw_convergence,
    convergence_words,
    {
        "kappa": Steps("spread κ", (1.0, 10.0, 100.0, 1e3, 1e4, 1e5, 1e6), 1e4),
        "damping": Steps("damping λ", (0.0, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1.0), 0.0),
        "spacing": Choice("spacing", SPACINGS, "log-spaced"),
    },
)

# --- exercises


def gaussian_product_stub(phi, std, v):
    """F v [k] for u ~ N(phi @ w, std^2), one action; phi [N, k]."""
    change = phi @ v  # how each row's mean moves, [N]
    weights = change / ...  # the mean over rows, and the variance
    return phi.T @ weights


def gaussian_product_reference(phi, std, v):
    """F v [k] for u ~ N(phi @ w, std^2), one action; phi [N, k]."""
    change = phi @ v  # how each row's mean moves, [N]
    weights = change / (len(phi) * std**2)
    return phi.T @ weights


def forgets_variance(phi, std, v):
    return phi.T @ (phi @ v) / len(phi)


def divides_by_std(phi, std, v):
    return phi.T @ (phi @ v) / (len(phi) * std)


def times_variance(phi, std, v):
    return phi.T @ (phi @ v) * std**2 / len(phi)


def by_all_entries(phi, std, v):
    return phi.T @ (phi @ v) / (phi.size * std**2)


def rows_squared(phi, std, v):
    return phi.T @ (phi @ v) / (len(phi) * std) ** 2


def only_the_diagonal(phi, std, v):
    return (phi**2).mean(0) * v / std**2


def mean_row(phi, std, v):
    return phi.mean(0) * (phi @ v).mean() / std**2


def product_cases(rng):
    cases = []
    for n, k in ((5, 2), (8, 3), (20, 6)):
        phi = rng.standard_normal((n, k))
        cases.append((phi, float(rng.uniform(0.3, 2)), rng.standard_normal(k)))
    return cases


def not_negative(arguments, result):
    if np.asarray(arguments[2]) @ result < 0:
        return "v.F v is negative, and a Fisher matrix never has that"
    return None


gaussian_product = Exercise(
    name="gaussian_product",
    minutes=5,
    difficulty=1,
    stub=gaussian_product_stub,
    reference=gaussian_product_reference,
    mistakes={
        "the variance is missing: a wide Gaussian notices a change less": (
            forgets_variance
        ),
        "divided by std once: the KL of a shifted mean has std squared": divides_by_std,
        "the variance multiplies: it must divide": times_variance,
        "divided by all entries of phi: it is a mean over the rows": by_all_entries,
        "N is squared as well: only std is": rows_squared,
        "this is the diagonal of F only": only_the_diagonal,
        "mean of a product, not product of the means": mean_row,
    },
    hints=(
        "The KL of moving the mean by c is c^2 / (2 std^2), averaged over the rows.",
        "F = mean of row row^T / std^2. Put v behind it: row (row.v) / std^2.",
        "phi.T @ weights sums over the rows; so change is divided by N and by std**2.",
    ),
    cases=product_cases,
    invariants=(not_negative,),
)


def damped_direction_stub(policy, observations, g, damping):
    """x with (F + damping I) x = g, [size]."""

    def fisher_product(v):
        Fv = policy.at(observations).fisher_product(v)
        return Fv + damping * policy.theta

    return conjugate_gradient(fisher_product, g, len(g)).x


def damped_direction_reference(policy, observations, g, damping):
    """x with (F + damping I) x = g, [size]."""

    def fisher_product(v):
        Fv = policy.at(observations).fisher_product(v)
        return Fv + damping * v

    return conjugate_gradient(fisher_product, g, len(g)).x


def solved_with(policy, observations, g, term):
    def fisher_product(v):
        return term(policy.at(observations).fisher_product(v), v)

    return conjugate_gradient(fisher_product, g, len(g)).x


def no_damping(policy, observations, g, damping):
    return solved_with(policy, observations, g, lambda Fv, v: Fv)


def damps_with_gradient(policy, observations, g, damping):
    return solved_with(policy, observations, g, lambda Fv, v: Fv + damping * g)


def damps_in_proportion(policy, observations, g, damping):
    return solved_with(policy, observations, g, lambda Fv, v: (1 + damping) * Fv)


def damps_every_entry(policy, observations, g, damping):
    return solved_with(policy, observations, g, lambda Fv, v: Fv + damping * v.sum())


def damps_downwards(policy, observations, g, damping):
    return solved_with(policy, observations, g, lambda Fv, v: Fv - damping * v)


def damping_cases(rng):
    cases = []
    for n, k in ((30, 2), (40, 3), (60, 4)):
        policy = LinearGaussian(0.3 * rng.standard_normal(k + 1), 1)
        phi = rng.standard_normal((n, k))
        cases.append((policy, phi, rng.standard_normal(k + 1), 0.2))
    policy, phi, g, _ = cases[1]
    return [*cases, (policy, phi, g, 1.5), (policy, phi, g, 0.0)]


def solves(arguments, result):
    policy, phi, g, damping = arguments
    left = policy.at(phi).fisher_product(result) + damping * np.asarray(result) - g
    if np.linalg.norm(left) > 1e-6 * np.linalg.norm(g):
        return "(F + damping I) x is not g"
    return None


damped_direction = Exercise(
    name="damped_direction",
    minutes=8,
    difficulty=2,
    stub=damped_direction_stub,
    reference=damped_direction_reference,
    mistakes={
        "the damping is gone: this solves F x = g": no_damping,
        "the gradient is no part of the matrix: only v may be damped": (
            damps_with_gradient
        ),
        "this scales F; damping adds the same number to every eigenvalue": (
            damps_in_proportion
        ),
        "damping * I acts entry by entry: v, not its sum": damps_every_entry,
        "the damping is subtracted: it must push the eigenvalues up": damps_downwards,
    },
    hints=(
        "A product with a matrix is 0 for v = 0. Is this one?",
        "(F + damping I) v = F v + damping I v. What is I v?",
        "One word changes: damping multiplies v, not policy.theta.",
    ),
    cases=damping_cases,
    invariants=(solves,),
    tolerance=1e-6,
)


def solve_from_stub(matvec, b, x0, iterations):
    """x_k of conjugate gradients for A x = b that start at x0, [n]."""
    ...  # your code


def solve_from_reference(matvec, b, x0, iterations):
    """x_k of conjugate gradients for A x = b that start at x0, [n]."""
    x = x0
    r = b - matvec(x0)
    p = r
    for _ in range(iterations):
        Ap = matvec(p)
        alpha = (r @ r) / (p @ Ap)
        x = x + alpha * p
        new_r = r - alpha * Ap
        p = new_r + (new_r @ new_r) / (r @ r) * p
        r = new_r
    return x


def run_cg(matvec, x, r, iterations, beta):
    p = r
    for _ in range(iterations):
        Ap = matvec(p)
        alpha = (r @ r) / (p @ Ap)
        x, new_r = x + alpha * p, r - alpha * Ap
        p, r = new_r + beta(new_r @ new_r, r @ r) * p, new_r
    return x


def ratio(new, old):
    return new / old


def ignores_start(matvec, b, x0, iterations):
    return run_cg(matvec, np.zeros_like(b), b, iterations, ratio)


def residual_of_zero(matvec, b, x0, iterations):
    return run_cg(matvec, x0, b, iterations, ratio)


def residual_negated(matvec, b, x0, iterations):
    return run_cg(matvec, x0, matvec(x0) - b, iterations, ratio)


def only_the_change(matvec, b, x0, iterations):
    return run_cg(matvec, 0 * b, b - matvec(x0), iterations, ratio)


def steepest(matvec, b, x0, iterations):
    r = b - matvec(x0)
    return run_cg(matvec, x0, r, iterations, lambda new, old: 0.0)


def overwritten(matvec, b, x0, iterations):
    r = b - matvec(x0)
    return run_cg(matvec, x0, r, iterations, lambda new, old: 1.0)


def upside_down(matvec, b, x0, iterations):
    r = b - matvec(x0)
    return run_cg(matvec, x0, r, iterations, lambda new, old: old / new)


def aliased(matvec, b, x0, iterations):
    x = x0
    r = b - matvec(x0)
    p = r
    for _ in range(iterations):
        Ap = matvec(p)
        rr = r @ r
        alpha = rr / (p @ Ap)
        x = x + alpha * p
        r -= alpha * Ap  # p is the same array: it moves as well, the first time
        p = r + (r @ r) / rr * p
    return x


def aliased_before_x(matvec, b, x0, iterations):
    x = x0
    p = r = b - matvec(x0)
    for _ in range(iterations):
        Ap = matvec(p)
        rr = r @ r
        alpha = rr / (p @ Ap)
        r -= alpha * Ap  # in the first turn x moves by the changed p
        x = x + alpha * p
        p = r + (r @ r) / rr * p
    return x


def aliased_for_good(matvec, b, x0, iterations):
    x = x0
    p = r = b - matvec(x0)
    for _ in range(iterations):
        Ap = matvec(p)
        rr = r @ r
        alpha = rr / (p @ Ap)
        x = x + alpha * p
        r -= alpha * Ap
        p *= (r @ r) / rr  # and p stays the same array
        p += r
    return x


def one_less(matvec, b, x0, iterations):
    return run_cg(matvec, x0, b - matvec(x0), iterations - 1, ratio)


class Matrix:
    """A matrix as a function v -> A v."""

    def __init__(self, matrix):
        self.matrix = matrix

    def __call__(self, v):
        return self.matrix @ v


def start_cases(rng):
    cases = []
    for n, iterations in ((3, 2), (5, 3), (8, 4)):
        matrix, b = with_eigenvalues(np.linspace(1, 20, n), seed=n)
        cases.append((Matrix(matrix), b, rng.standard_normal(n), iterations))
    # all numbers are small: there is no limit below which a residual is 0
    matrix, b = with_eigenvalues(np.linspace(1, 20, 6), seed=6)
    start = 1e-4 * rng.standard_normal(6)
    return [*cases, (Matrix(matrix), 1e-4 * b, start, 3)]


solve_from = Exercise(
    name="solve_from",
    minutes=12,
    difficulty=3,
    stub=solve_from_stub,
    reference=solve_from_reference,
    mistakes={
        "this starts at 0: x0 is not used": ignores_start,
        "the first residual is b - A x0, not b": residual_of_zero,
        "the first residual is b - A x0, not A x0 - b: this goes uphill": (
            residual_negated
        ),
        "this is x - x0: the start is missing from the answer": only_the_change,
        "every direction is the residual: this is steepest descent": steepest,
        "the factor on p is always 1: r.r was overwritten too early": overwritten,
        "the factor on p is upside down: new r.r over old r.r": upside_down,
        "`p = r` is one array with two names: `r -= ...` changes p as well": (aliased),
        "`p = r` is one array with two names: `r -= ...` changes p before x moves": (
            aliased_before_x
        ),
        "`p = r` is one array with two names: `p *= ...` changes r as well": (
            aliased_for_good
        ),
        "one iteration too few": one_less,
    },
    hints=(
        "Only the first lines of the page's cg know that it starts at 0.",
        "The residual is what is left of b: r = b - matvec(x0), and p = r.",
        "x = x0; r = b - matvec(x0); p = r; then the page's loop, unchanged, with "
        "Ap = matvec(p).",
    ),
    cases=start_cases,
)

pictures = (valley, rounding, cells, costs)
widgets = (convergence,)
exercises = (gaussian_product, damped_direction, solve_from)
progress = Progress(exercises)
