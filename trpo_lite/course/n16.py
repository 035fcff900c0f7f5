"""Notebook 16: from a model to a robot that differs, in four steps."""

from functools import cache

import numpy as np

from trpo_lite import plots, style
from trpo_lite.course.data import load
from trpo_lite.course.engine import Exercise, Progress
from trpo_lite.course.recipe import ROBOTS
from trpo_lite.course.widgets import Picture

# --- worlds

FAILED = 300  #: a return below this is no running
#: what the table that decides compares: (kind, actuator model?, randomised?, in words)
STAGES = (
    ("nominal", "Gymnasium's model"),
    ("body", "bodies identified, ideal motor"),
    ("body-10", "the same, ± 10 %"),
    ("motor", "actuator model alone"),
    ("both", "bodies and actuator model"),
    ("both-10", "the same, ± 10 %"),
    ("wide", "a wide guess, nothing measured"),
    ("robot", "trained on the robot itself"),
)
T_95 = 2.776  # of Student's t with four degrees of freedom, for five robots


@cache
def results(name="legged"):
    """The stored runs of a grid: see `tests.histories.legged`."""
    return load(name)


def on_robots(kind, name="legged", what="deployed"):
    """[S, 5, E] of the policies of a kind: S training seeds, five robots, E episodes.

    A kind without a robot has one policy a seed for all five, others one for each.
    KeyError if there is none.
    """
    stored = results(name)
    mine = stored["kind"] == kind
    if not mine.any():
        raise KeyError(f"no stored run of kind {kind!r}")
    by_seed = []
    for seed in np.unique(stored["seed"][mine]):
        rows = mine & (stored["seed"] == seed)
        of_robot = [
            stored[what][rows & np.isin(stored["robot"], (0, number))][0, i]
            for i, number in enumerate(ROBOTS)
        ]
        by_seed.append(of_robot)
    return np.array(by_seed)


def own(kind, name="legged"):
    """[S] mean returns of a kind's policies in what they were trained in."""
    stored = results(name)
    mine = stored["kind"] == kind
    seeds = np.unique(stored["seed"][mine])
    return np.array([stored["own"][mine & (stored["seed"] == x)].mean() for x in seeds])


def mean_and_half(returns):
    """(mean, half of its 95 % interval) over robots, of returns [S, 5, E].

    The five robots' means are taken for a sample of robots: Student's t.
    """
    means = returns.mean((0, 2))
    return means.mean(), T_95 * means.std(ddof=1) / np.sqrt(len(means))


# --- pictures


def draw_deployed(name="legged"):
    """Each policy's mean return on each robot, a row a stage -> Figure."""
    figure, axes = plots.figure(size=(7.4, 4.2))
    for y, (kind, _) in enumerate(reversed(STAGES)):
        means = on_robots(kind, name).mean(2)  # [S, 5]
        for i in range(len(ROBOTS)):
            shift = 0.13 * (i - 2)
            axes.plot(
                means[:, i],
                np.full(len(means), y + shift),
                linestyle="",
                marker="os^Dv"[i],
                markersize=4.5,
                color=style.BLUE,
            )
        axes.plot(2 * [means.mean()], [y - 0.4, y + 0.4], color=style.INK)
    axes.set_yticks(range(len(STAGES)), [words for _, words in reversed(STAGES)])
    axes.axvline(FAILED, color=style.RED, linestyle="--", linewidth=1.4)
    axes.text(FAILED, len(STAGES) - 0.5, " fails", color=style.ink(style.RED))
    axes.set(xlabel="return on the robot", ylim=(-0.6, len(STAGES)))
    return figure


deployed = Picture(
    draw_deployed,
    "TODO with the results: returns on the five robots, one row for what each policy "
    "was trained in, from Gymnasium's model at the top to the robot itself.",
)


def draw_response(model, joint, limit=0.5):
    """What the actuator model says of a step of a command, slice by slice -> Figure."""
    from trpo_lite.legged.actuator import COMMANDED, command_features

    figure, axes = plots.figure(size=(6.8, 3.4))
    torque = []
    for steps in range(1, 6):
        past = np.where(np.arange(5) < steps, limit, 0.0)
        weights = model.weights[:, joint, :COMMANDED]
        torque += (weights @ command_features(past)).tolist()
    time = 10 * np.arange(1, 26)
    axes.step([0, 0, 250], [0, limit, limit], color=style.RED, linestyle="--")
    axes.plot(time, torque, "o", color=style.BLUE, markersize=5)
    plots.words_above(
        axes, ("– –  the command", style.RED), ("●  the torque that comes", style.BLUE)
    )
    axes.set(xlabel="milliseconds", ylabel="share of the torque", xlim=(-5, 255))
    return figure


response = Picture(
    draw_response,
    "A command steps from 0 to one half. The torque stays 0 for some slices of ten "
    "milliseconds, then climbs, ever slower, to the command.",
)

# --- widgets

# --- exercises


def time_constant_stub(share, seconds):
    """The lag in seconds of a motor that did this `share` of a step by then."""
    lag = ...  # your line
    return lag


def time_constant_reference(share, seconds):
    """The lag in seconds of a motor that did this `share` of a step by then."""
    lag = -seconds / np.log(1 - share)
    return lag


def of_the_rest(share, seconds):
    return -seconds / np.log(share)


def decimal(share, seconds):
    return -seconds / np.log10(1 - share)


def straight(share, seconds):
    return seconds / share


def upside_down(share, seconds):
    return -np.log(1 - share) / seconds


def rule_of_63(share, seconds):
    return 0.632 * seconds / share


def time_cases(rng):
    shares = (0.2, 0.5, 0.632, 0.9, 0.99)
    return [(share, float(rng.uniform(0.01, 0.2))) for share in shares]


time_constant = Exercise(
    name="time_constant",
    minutes=5,
    difficulty=1,
    stub=time_constant_stub,
    reference=time_constant_reference,
    mistakes={
        "what decays is the share that is still missing, 1 - share": of_the_rest,
        "the natural logarithm: the response is 1 - exp(-t / lag)": decimal,
        "the response is no straight line: it slows down": straight,
        "this is 1 / lag, a rate": upside_down,
        "at 63 % the time is the lag, but elsewhere it isn't in proportion": rule_of_63,
    },
    hints=(
        "The missing part decays: 1 - share = exp(-seconds / lag).",
        "Take the logarithm of both sides and solve for lag.",
        "lag = -seconds / np.log(1 - share)",
    ),
    cases=time_cases,
)


def fit_with_errors_stub(X, y):
    """Least squares of y [N] by X [N, p]: x [p] and its standard deviations [p]."""
    x = np.linalg.solve(X.T @ X, X.T @ y)
    left = y - X @ x
    variance = left @ left / ...  # of one error
    covariance = variance * ...  # of x
    return x, np.sqrt(np.diag(covariance))


def fit_with_errors_reference(X, y):
    """Least squares of y [N] by X [N, p]: x [p] and its standard deviations [p]."""
    x = np.linalg.solve(X.T @ X, X.T @ y)
    left = y - X @ x
    variance = left @ left / (len(y) - len(x))
    covariance = variance * np.linalg.inv(X.T @ X)
    return x, np.sqrt(np.diag(covariance))


def _errors_by(deviations):
    """A wrong answer with other standard deviations, (X, what is left) -> [p]."""

    def wrong(X, y):
        x = np.linalg.solve(X.T @ X, X.T @ y)
        return x, deviations(X, y - X @ x)

    return wrong


def _inverse_diagonal(X):
    return np.diag(np.linalg.inv(X.T @ X))


def _sum(left):
    return left @ left


too_sure = _errors_by(
    lambda X, left: np.sqrt(_sum(left) / len(left) * _inverse_diagonal(X))
)
no_variance = _errors_by(lambda X, left: np.sqrt(_inverse_diagonal(X)))
one_by_one = _errors_by(
    lambda X, left: np.sqrt(_sum(left) / (len(left) - X.shape[1]) / (X * X).sum(0))
)
one_less = _errors_by(
    lambda X, left: np.sqrt(_sum(left) / (len(left) - 1) * _inverse_diagonal(X))
)
deviation_for_variance = _errors_by(
    lambda X, left: np.sqrt(
        np.sqrt(_sum(left) / (len(left) - X.shape[1])) * _inverse_diagonal(X)
    )
)


def fit_cases(rng):
    cases = []
    for N, p in ((12, 3), (9, 4), (30, 3), (7, 5)):
        X = rng.normal(size=(N, p))
        X[:, -1] += 2 * X[:, 0]  # two columns that are alike
        y = X @ rng.normal(size=p) + rng.uniform(0.5, 3) * rng.normal(size=N)
        cases.append((X, y))
    return cases


fit_with_errors = Exercise(
    name="fit_with_errors",
    minutes=10,
    difficulty=2,
    stub=fit_with_errors_stub,
    reference=fit_with_errors_reference,
    mistakes={
        "p numbers were fitted: only N - p errors are free": too_sure,
        "how large the errors are is missing: the variance times the inverse": (
            no_variance
        ),
        "each column alone: columns that are alike make one another uncertain, so the "
        "whole matrix is inverted": one_by_one,
        "N - 1 is for one fitted number; here p are": one_less,
        "the variance of an error is a mean of squares, without a root": (
            deviation_for_variance
        ),
    },
    hints=(
        "What is left has N entries, but p of its directions were used up.",
        "variance: the sum of squares of what is left, divided by N - p.",
        "covariance = variance * np.linalg.inv(X.T @ X)",
    ),
    cases=fit_cases,
)


def draw_robot_stub(mean, covariance, z):
    """Factors [p] of a robot, from the mean and covariance of their logarithms.

    z [p] : independent normal numbers; use the lower triangular root of the covariance
    """
    ...  # your code


def draw_robot_reference(mean, covariance, z):
    """Factors [p] of a robot, from the mean and covariance of their logarithms.

    z [p] : independent normal numbers; use the lower triangular root of the covariance
    """
    root = np.linalg.cholesky(covariance)
    return np.exp(mean + root @ z)


def each_alone(mean, covariance, z):
    return np.exp(mean + np.sqrt(np.diag(covariance)) * z)


def no_root(mean, covariance, z):
    return np.exp(mean + covariance @ z)


def upper(mean, covariance, z):
    return np.exp(mean + np.linalg.cholesky(covariance).T @ z)


def no_exponential(mean, covariance, z):
    return mean + np.linalg.cholesky(covariance) @ z


def added_to_factors(mean, covariance, z):
    return np.exp(mean) + np.linalg.cholesky(covariance) @ z


def always_the_mean(mean, covariance, z):
    return np.exp(mean) + 0 * (covariance @ z)


def draw_cases(rng):
    cases = []
    for p in (3, 4, 5, 3):
        half = 0.3 * rng.normal(size=(p, p))
        covariance = half @ half.T + 0.01 * np.eye(p)
        cases.append((0.3 * rng.normal(size=p), covariance, rng.normal(size=p)))
    return cases


draw_robot = Exercise(
    name="draw_robot",
    minutes=12,
    difficulty=3,
    stub=draw_robot_stub,
    reference=draw_robot_reference,
    mistakes={
        "each factor alone: what the covariance says of pairs is lost": each_alone,
        "the covariance itself: z must be multiplied by a root of it": no_root,
        "the transposed root: L z has the covariance L L^T": upper,
        "these are logarithms still": no_exponential,
        "the errors belong to the logarithms: add them before the exponential": (
            added_to_factors
        ),
        "this is always the estimate itself": always_the_mean,
    },
    hints=(
        "If z has covariance 1, L z has covariance L L^T.",
        "np.linalg.cholesky gives the lower triangular L.",
        "np.exp(mean + L @ z)",
    ),
    cases=draw_cases,
)

pictures = (deployed, response)
widgets = ()
exercises = (time_constant, fit_with_errors, draw_robot)
progress = Progress(exercises)
