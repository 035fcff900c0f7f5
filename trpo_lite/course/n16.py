"""Notebook 16: from a model to a robot that differs, in four steps."""

from functools import cache

import numpy as np

from trpo_lite import film, plots, style
from trpo_lite.course.data import load
from trpo_lite.course.engine import Exercise, Progress
from trpo_lite.course.recipe import ROBOTS
from trpo_lite.course.robots import missing  # noqa: F401 (the page's)
from trpo_lite.course.table import number
from trpo_lite.course.widgets import Choice, Frames, Picture, Slider, Widget
from trpo_lite.legged.actuator import COMMANDED, command_features
from trpo_lite.legged.identify import NAMES
from trpo_lite.legged.physics import Log
from trpo_lite.mdp import TabularMDP, evaluate, road_and_ice, shared_policy

# --- worlds

FAILED = 300  #: a return below this is no running
#: what the table that decides compares: (kind, in words)
STAGES = (
    ("nominal", "Gymnasium's model"),
    ("body", "bodies identified"),
    ("body-10", "bodies, ± 10 %"),
    ("motor", "actuator model"),
    ("both", "both"),
    ("both-10", "both, ± 10 %"),
    ("wide", "a wide guess"),
    ("robot", "the robot itself"),
)
#: the table of the page's mistakes
WRONG = (
    ("nominal-10", "Gymnasium's model, ± 10 %"),
    ("commands", "bodies by commands"),
    ("motor-10", "actuator model, ± 10 %"),
    ("both-printed", "both, ± what is printed"),
    ("both-30", "both, ± 30 %"),
)
WORDS = dict(STAGES + WRONG)
T_95 = 2.776  # of Student's t with four degrees of freedom, for five robots
#: of the numbers in a stored log: shares of a torque, metres or radians, a second's
UNITS = {"commands": 1e-4, "positions": 2e-4, "velocities": 1e-3, "torques": 1e-4}


@cache
def log(name="log"):
    """Robot 1's Log of a safe motion, or the one "held_out" (`tests.histories`)."""
    stored = load("legged_logs")
    return Log(**{k: stored[f"{name}/{k}"] * unit for k, unit in UNITS.items()})


@cache
def repeats():
    """The stored repetitions of step 1: see `tests.histories legged_repeats`."""
    return load("legged_repeats")


@cache
def causes():
    """Errors of step 1 with causes taken away: see `tests.histories legged_bias`."""
    return load("legged_bias")


@cache
def results(name="legged"):
    """The stored runs of a grid: see `tests.histories legged`."""
    return load(name)


def on_robots(kind, what="deployed"):
    """[S, 5, E] of the policies of a kind: S training seeds, five robots, E episodes.

    A kind without a robot has one policy a seed for all five, others one for each.
    KeyError if there is none.
    """
    stored, mine = _of(kind)
    by_seed = []
    for seed in np.unique(stored["seed"][mine]):
        rows = mine & (stored["seed"] == seed)
        of_robot = [
            stored[what][rows & np.isin(stored["robot"], (0, number))][0, i]
            for i, number in enumerate(ROBOTS)
        ]
        by_seed.append(of_robot)
    return np.array(by_seed)


def own(kind, what="own"):
    """[S] mean returns of a kind's policies in what they were trained in.

    what : "own_discounted" for the discounted ones.
    """
    stored, mine = _of(kind)
    seeds = np.unique(stored["seed"][mine])
    return np.array([stored[what][mine & (stored["seed"] == x)].mean() for x in seeds])


def _of(kind):
    """(the grid that has the kind, which of its runs)."""
    for name in ("legged", "legged_break"):
        stored = results(name)
        if (mine := stored["kind"] == kind).any():
            return stored, mine
    raise KeyError(f"no stored run of kind {kind!r}")


def of_five(means):
    """(mean, half of its 95 % interval) of the numbers [5] of robots, or of seeds.

    The five are taken for a sample of all there could be: Student's t.
    """
    means = np.asarray(means)
    return means.mean(), T_95 * means.std(ddof=1) / np.sqrt(len(means))


def gained(one, other, of="robots"):
    """[5] what the kind `one` earns more than `other`.

    of : "robots", on each of them in the mean of the seeds, or "seeds" [S].
    """
    both = on_robots(one), on_robots(other)
    seeds, over = min(map(len, both)), (0, 2) if of == "robots" else (1, 2)
    return np.subtract(*(R[:seeds].mean(over) for R in both))


def gaps(kind):
    """[5] return on each robot less the return at home of the policies made for it."""
    stored, mine = _of(kind)
    found = []
    for i, robot in enumerate(ROBOTS):
        rows = mine & np.isin(stored["robot"], (0, robot))
        found.append(stored["deployed"][rows, i].mean() - stored["own"][rows].mean())
    return np.array(found)


def grip(q):
    """Road and ice, believed to lead to the ice with probability q (the truth: .9)."""
    world = road_and_ice()
    P = world.P.copy()
    P[0, 1] = 1 - q, q
    return TabularMDP(P, world.R, world.gamma, world.start, "road and ice")


# --- pictures


def draw_deployed(kinds=tuple(kind for kind, _ in STAGES)):
    """Each policy's mean return on each robot, a row a kind -> Figure."""
    figure, axes = plots.figure(size=(8.2, 0.9 + 0.52 * len(kinds)))
    for y, kind in enumerate(reversed(kinds)):
        means = on_robots(kind).mean(2)  # [S, 5]
        for i in range(len(ROBOTS)):
            shift = np.full(len(means), y + 0.14 * (2 - i))
            look = dict(linestyle="", marker="os^Dv"[i], markersize=5)
            axes.plot(means[:, i], shift, color=style.BLUE, **look)
        axes.plot(2 * [means.mean()], [y - 0.42, y + 0.42], "-", color=style.INK)
    axes.set_yticks(range(len(kinds)), [WORDS[kind] for kind in reversed(kinds)])
    axes.axvline(FAILED, color=style.RED, linestyle="--", linewidth=1.4)
    axes.set(xlabel="return on the robot", ylim=(-0.6, len(kinds) - 0.4))
    marks = "  ".join(f"{mark} {i}" for mark, i in zip("●■▲◆▼", ROBOTS))
    plots.words_above(
        axes,
        (f"a policy's mean on robot  {marks};  | mean of all", style.BLUE),
        ("– –  below 300 it does not run", style.RED),
    )
    return figure


def deployed_words(kinds=tuple(kind for kind, _ in STAGES)):
    """What `draw_deployed` shows, in words."""
    said = []
    for kind in kinds:
        R = on_robots(kind)
        low, high = R.mean(2).min(), R.mean(2).max()
        said.append(
            f"{WORDS[kind]}: mean {number(R.mean(), '.0f')}, policies from "
            f"{number(low, '.0f')} to {number(high, '.0f')}"
        )
    return (
        "Returns on the five robots, a row for what the policies were trained in, a "
        f"mark for each policy. {'. '.join(said)}."
    )


deployed = Picture(draw_deployed, deployed_words)


def response_of(model, joint, limit):
    """[25] the torques that a model expects in the slices after a step of a command."""
    torque = []
    for steps in range(1, 6):
        past = np.where(np.arange(5) < steps, limit, 0.0)
        weights = model.weights[:, joint, :COMMANDED]
        torque += (weights @ command_features(past)).tolist()
    return np.array(torque)


def draw_response(model, joint, limits=(0.5, 1.0)):
    """What the actuator model says of a step of a command, slice by slice -> Figure."""
    figure, cells = plots.figure(1, len(limits), size=(8.6, 3.2), sharey=True)
    for axes, limit in zip(np.ravel(cells), limits):
        axes.plot([-10, 0, 0, 250], [0, 0, limit, limit], "--", color=style.RED)
        torque = response_of(model, joint, limit)
        axes.plot(10 * np.arange(1, 26), torque, "o", color=style.BLUE, markersize=5)
        axes.set(xlabel="milliseconds since the command", xlim=(-10, 255))
    np.ravel(cells)[0].set(ylabel="share of the torque", ylim=(-0.06, 1.1))
    plots.words_above(
        np.ravel(cells)[0],
        ("– –  the command, from 0", style.RED),
        ("●  the torque that comes", style.BLUE),
    )
    return figure


def response_words(model, joint, limits=(0.5, 1.0)):
    """What `draw_response` shows, in words."""
    said = []
    for limit in limits:
        torque = response_of(model, joint, limit)
        half = 10 * (1 + np.argmax(torque > torque[-1] / 2))
        said.append(
            f"for a command of {limit:g} it is half way after {half} milliseconds "
            f"and ends at "
            f"{torque[-1]:.2f}"
        )
    return (
        "A command steps up from 0. The torque stays 0 for some slices of ten "
        f"milliseconds, then climbs, ever slower: {'; '.join(said)}."
    )


response = Picture(draw_response, response_words)


def draw_twins(truth=None):
    """What repeated logs say of torso and legs, and of damping and friction -> Figure.

    truth : {name: its true factor}, once it is known.
    """
    stored = repeats()
    figure, cells = plots.figure(1, 2, size=(8.6, 3.9))
    for axes, pair in zip(cells, (("torso", "legs"), ("damping", "friction"))):
        at = [NAMES.index(name) for name in pair]
        for x, look in zip(
            stored["log_factors"],
            (
                dict(marker="o", color=style.VIOLET, fillstyle="none"),
                dict(marker="s", color=style.BLUE),
            ),
        ):
            factors = np.exp(x[:, at])
            axes.plot(*factors.T, linestyle="", markersize=6, **look)
        if truth is not None:
            cross = dict(marker="+", markersize=16, markeredgewidth=2.4)
            axes.plot(*[truth[x] for x in pair], color=style.RED, **cross)
        axes.set(xlabel=f"factor on {pair[0]}", ylabel=f"factor on {pair[1]}")
    short, long = stored["steps"] * 0.05
    plots.words_above(
        cells[0],
        (f"○  16 logs of {short:g} s", style.VIOLET),
        (f"■  16 logs of {long:g} s", style.BLUE),
    )
    if truth is not None:
        plots.words_above(cells[1], ("+  the truth (means)", style.RED))
    return figure


def twins_words(truth=None):
    """What `draw_twins` shows, in words."""
    said = []
    for x, steps in zip(repeats()["log_factors"], repeats()["steps"]):
        r = np.corrcoef(x.T)
        said.append(
            f"logs of {steps * 0.05:g} s: torso and legs have the correlation "
            f"{r[0, 1]:.2f}, damping and friction {r[2, 3]:.2f}"
        )
    end = "" if truth is None else " Crosses mark the truth, beside the clouds."
    return (
        f"Estimates from repeated logs as two clouds of points. {'; '.join(said)}.{end}"
    )


twins = Picture(draw_twins, twins_words)


def draw_beliefs(q=0.2, p=0.5):
    """J over the chance p of driving fast, believed and true -> Figure."""
    figure, axes = plots.figure(size=(6.8, 3.7))
    chances = np.linspace(0, 1, 101)
    for world, look in (
        (grip(q), dict(color=style.BLUE, linestyle="-")),
        (road_and_ice(), dict(color=style.RED, linestyle="--")),
    ):
        J = [evaluate(world, shared_policy(x)).performance for x in chances]
        axes.plot(chances, J, **look)
        axes.plot(p, J[round(100 * p)], "o", color=style.INK, markersize=8)
        near = J[round(100 * p) + 12]
        axes.annotate(
            "", (p + 0.12, near), (p, J[round(100 * p)]),
            arrowprops=dict(arrowstyle="-|>", color=style.INK, linewidth=1.6),
        )  # fmt: skip
    axes.set(xlabel="chance p of driving fast", ylabel="J", xlim=(0, 1))
    plots.words_above(
        axes,
        (f"──  in the model (ice follows with {q:g})", style.BLUE),
        ("– –  on the road itself (with .9)", style.RED),
    )
    return figure


def beliefs_words(q=0.2, p=0.5):
    """What `draw_beliefs` shows, in words."""
    tops = [
        max(range(101), key=lambda x: evaluate(w, shared_policy(x / 100)).performance)
        for w in (grip(q), road_and_ice())
    ]
    return (
        "Two curves of J over the chance of driving fast. The model's has its top at "
        f"{tops[0] / 100:g}, the true one at {tops[1] / 100:g}. An arrow from {p:g} "
        "to the right goes up on the first and down on the second."
    )


beliefs = Picture(draw_beliefs, beliefs_words)


@cache
def film_of(kind):
    """(the Film of a kind's policy on the robot, its return in the whole episode)."""
    stored, prefix = load("legged_films"), f"{kind}/"
    found = {k[len(prefix) :]: v for k, v in stored.items() if k.startswith(prefix)}
    return film.Film.from_arrays(found), float(found["return"])


@cache
def _box():
    """The limits of all films' pictures."""
    return film.window([film_of(kind)[0] for kind, _ in STAGES])


def _caption(kind):
    return f"trained in: {WORDS[kind]}; return {number(film_of(kind)[1], '.0f')}"


def draw_strip(kinds, count=6):
    """Films of policies on one robot, a row each -> Figure."""
    left, right, low, high = _box()
    tall = 8.6 / count * (high - low) / (right - left)
    size = 8.6, len(kinds) * (tall + 0.5) + 0.2
    figure, cells = plots.figure(len(kinds), 1, size, squeeze=False)
    for axes, kind in zip(cells[:, 0], kinds):
        film.draw_row(axes, film_of(kind)[0], _box(), count)
        axes.set_title(_caption(kind), fontsize=11)
    return figure


def strip_words(kinds, count=6):
    """What `draw_strip` shows, in words."""
    said = []
    for kind in kinds:
        shown = film_of(kind)[0]
        way = shown.camera[-1, 0] - shown.camera[0, 0]
        seconds = (len(shown) - 1) * shown.interval
        said.append(f"{_caption(kind)}, moves {way:.1f} m in {seconds:g} s")
    robot = int(load("legged_films")["robot"])
    return (
        f"Stick figures, {count} frames in a row, all of robot {robot}. "
        f"{'. '.join(said)}."
    )


strip = Picture(draw_strip, strip_words)

# --- widgets

SWEPT = ("nominal", "wide", "motor", "both", "both-10", "robot")
LOOKS = (
    ("– –", dict(color=style.RED, linestyle="--")),
    ("···", dict(color=style.PURPLE, linestyle=":")),
    ("–·–", dict(color=style.VIOLET, linestyle="-.")),
    ("- - -", dict(color=style.BLUE, linestyle=(0, (2, 1)))),
    ("──", dict(color=style.BLUE, linestyle="-")),
    ("–··–", dict(color=style.INK, linestyle=(0, (6, 1.5, 1, 1.5, 1, 1.5)))),
)


@cache
def swept():
    """{kind: (by_load [5, 11], by_wait [5, 11])}, means of the seeds, and the knobs."""
    stored = load("legged_sweep")
    kinds = stored["kind"].tolist()
    means = [stored[x].mean(1) for x in ("by_load", "by_wait")]
    both = {kind: tuple(x[i] for x in means) for i, kind in enumerate(kinds)}
    return both, (stored["load"], 10 * stored["wait"])


def draw_worked_on(policy, mass, late):
    """Returns over the torso's mass and over a delay, on five robots -> Figure."""
    kind = next(kind for kind in SWEPT if WORDS[kind] == policy)
    returns, knobs = swept()
    figure, cells = plots.figure(1, 2, (8.6, 4.4), sharey=True)
    marks = (0.82, 1.22), (-2, 2)  # two standard deviations of a torso by +- 10 %
    for which, (axes, at) in enumerate(zip(cells, (mass, late))):
        axes.axvspan(*marks[which], color=style.ORANGE, alpha=0.25, linewidth=0)
        for name, (_, look) in zip(SWEPT, LOOKS):
            wide = 3.2 if name == kind else 1.3
            curve = returns[name][which].mean(0)
            axes.plot(knobs[which], curve, **{**look, "linewidth": wide})
        k = int(np.argmin(np.abs(knobs[which] - at)))
        axes.axvline(at, color=style.INK, linewidth=1)
        dots = returns[kind][which][:, k]
        axes.plot(np.full(5, at), dots, "o", color=style.INK, markersize=6)
        for robot, y in zip(ROBOTS, dots):
            axes.annotate(f"{robot}", (at, y), (7, 0), textcoords="offset points",
                          va="center", fontsize=10.5)  # fmt: skip
        said = f"{number(dots.mean(), '.0f')}, robots {number(dots.min(), '.0f')} to "
        plots.words_above(axes, (said + number(dots.max(), ".0f"), style.INK))
    met = "\n(orange: what ± 10 % has met)"
    cells[0].set(ylabel="return on the robot")
    cells[0].set(xlabel="torso's mass, times its own" + met)
    cells[1].set(xlabel="commands later by [ms]" + met)
    for row, (name, (dash, look)) in enumerate(zip(SWEPT, LOOKS)):
        cells[1].annotate(
            f"{dash}  {WORDS[name]}",
            (0.44, 0.97),
            (0, -15 * row),
            xycoords="axes fraction",
            textcoords="offset points",
            va="top",
            fontsize=10.5,
            color=style.ink(look["color"]),
        )
    return figure


def worked_on_words(policy, mass, late):
    """What `draw_worked_on` shows, in words."""
    kind = next(kind for kind in SWEPT if WORDS[kind] == policy)
    returns, knobs = swept()
    said = []
    for which, (at, words) in enumerate(
        (
            (mass, f"a torso of {mass:g} times its mass"),
            (late, f"{late:g} milliseconds later"),
        )
    ):
        dots = returns[kind][which][:, int(np.argmin(np.abs(knobs[which] - at)))]
        said.append(
            f"with {words} it earns {number(dots.mean(), '.0f')} (mean), on single "
            f"robots {number(dots.min(), '.0f')} to {number(dots.max(), '.0f')}"
        )
    return (
        "Returns of six policies over the torso's mass, left, and over a delay of the "
        f"commands, right; marked: {policy}: {'; '.join(said)}."
    )


worked_on = Widget(
    draw_worked_on,
    worked_on_words,
    {
        "policy": Choice("trained in", tuple(WORDS[x] for x in SWEPT), "both, ± 10 %"),
        "mass": Slider("torso's mass", 0.6, 1.6, 0.1, 1.0),
        "late": Slider("delay [ms]", 0, 100, 10, 0),
    },
)


def draw_run(policy, frame):
    """One frame of a policy's film on the robot -> Figure."""
    kind = next(kind for kind, words in STAGES if words == policy)
    shown = film_of(kind)[0]
    figure, axes = plots.figure(size=(6.8, 4.2))
    film.draw_alone(axes, shown, frame, _box())
    x = shown.camera[frame, 0] - shown.camera[0, 0]
    plots.words_above(
        axes,
        (_caption(kind), style.INK),
        (
            f"{frame * shown.interval:.2f} s, {number(x, '.2f')} m forward, return so "
            f"far {number(float(shown.rewards[frame]), '.1f')}",
            style.INK,
        ),
    )
    return figure


def run_words(policy, frame):
    """What `draw_run` shows, in words."""
    kind = next(kind for kind, words in STAGES if words == policy)
    shown = film_of(kind)[0]
    x = shown.camera[frame, 0] - shown.camera[0, 0]
    return (
        f"A stick figure. {_caption(kind)}. Frame {frame} of {len(shown) - 1}, "
        f"{frame * shown.interval:.2f} s after the start, {number(x, '.2f')} m "
        f"forward, return so far {number(float(shown.rewards[frame]), '.1f')}."
    )


run = Widget(
    draw_run,
    run_words,
    {
        "policy": Choice("trained in", tuple(x for _, x in STAGES), "both, ± 10 %"),
        "frame": Frames("frame", 101),
    },
)

# --- exercises


def time_constant_stub(share, seconds):
    """The lag [s] of a motor that did this `share` of a step by then."""
    lag = ...  # your line
    return lag


def time_constant_reference(share, seconds):
    """The lag [s] of a motor that did this `share` of a step by then."""
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
    """Least squares, y [N] by X [N, p]: x [p] and its deviations [p]."""
    x = np.linalg.solve(X.T @ X, X.T @ y)
    left = y - X @ x
    variance = left @ left / ...  # of one error
    covariance = variance * ...  # of x
    return x, np.sqrt(np.diag(covariance))


def fit_with_errors_reference(X, y):
    """Least squares, y [N] by X [N, p]: x [p] and its deviations [p]."""
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
not_inverted = _errors_by(
    lambda X, left: np.sqrt(_sum(left) / (len(left) - X.shape[1]) * (X * X).sum(0))
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
        "the inverse of X.T @ X is meant: more data, less doubt": not_inverted,
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
    """Factors [p], from mean and covariance of their logarithms.

    z [p] : independent normal numbers; use the lower triangular root of
        the covariance
    """
    ...  # your code


def draw_robot_reference(mean, covariance, z):
    """Factors [p], from mean and covariance of their logarithms.

    z [p] : independent normal numbers; use the lower triangular root of
        the covariance
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

pictures = (deployed, response, twins, beliefs, strip)
widgets = (worked_on, run)
exercises = (time_constant, fit_with_errors, draw_robot)
progress = Progress(exercises)
