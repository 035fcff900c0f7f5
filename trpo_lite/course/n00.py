"""Notebook 00: the first figures, the warm-up exercise and the first widget."""

import numpy as np

from trpo_lite.course.engine import Exercise, Progress
from trpo_lite.course.widgets import Slider, Widget
from trpo_lite.mdp import evaluate, road_and_ice, shared_policy
from trpo_lite.style import BLUE, RED
from trpo_lite.surrogate import surrogate


def promise_and_truth(p_old=0.1, gamma=0.9):
    """p [101], and L and J - J(p_old) [101] on `road_and_ice`, seen from p_old."""
    world = road_and_ice(gamma)
    old = evaluate(world, shared_policy(p_old))
    p = np.linspace(0, 1, 101)
    truth = [evaluate(world, shared_policy(x)).performance for x in p]
    promise = [surrogate(old, shared_policy(x)) for x in p]
    return p, np.array(promise), np.array(truth) - old.performance


def draw_promise_and_truth():
    """The promise L, the truth J - J_old, and where they touch -> Figure."""
    from matplotlib.figure import Figure

    p, promise, truth = promise_and_truth()
    figure = Figure(figsize=(7, 3.6), layout="constrained")
    axes = figure.subplots()
    axes.axhline(0, color="0.8", linewidth=1)
    axes.plot(p, promise, "--", color=RED)
    axes.plot(p, truth, color=BLUE)
    axes.plot(0.1, 0, "o", color="black")
    axes.annotate("today, p = 0.1", (0.1, 0), (0.06, -1.5), ha="left")
    axes.text(0.62, promise[62] + 0.35, "promise L", color=RED, ha="right")
    axes.text(0.62, truth[62] + 0.3, "truth", color=BLUE, ha="left")
    axes.set(xlim=(0, 1), xlabel="p, the probability of driving fast")
    axes.set_ylabel("gain over p = 0.1 (return)")
    return figure


def draw_learning_curve(steps, returns):
    """Mean return of each batch [K] over practice steps [K] -> Figure."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 3.2), layout="constrained")
    axes = figure.subplots()
    axes.axhline(500, color="0.4", linestyle="--", linewidth=1)
    axes.text(
        0.02,
        0.92,
        "the limit: 500 steps",
        color="0.3",
        va="top",
        transform=axes.transAxes,
    )
    axes.plot(steps / 1000, returns, "o-", color=BLUE)
    axes.set(xlabel="practice (thousand steps)", ylabel="mean return", ylim=(0, 530))
    return figure


def pole_angles(act, seed, limit=200):
    """Pole angles in degrees [T] of a CartPole episode; act(observation) -> action."""
    import gymnasium

    env = gymnasium.make("CartPole-v1")
    observation, _ = env.reset(seed=seed)
    angles, ended = [observation[2]], False
    while not ended and len(angles) < limit:
        observation, _, terminated, truncated, _ = env.step(act(observation))
        angles.append(observation[2])
        ended = terminated or truncated
    env.close()
    return np.degrees(angles)


def draw_behaviour(policy, seed):
    """Pole angle over time: random pushes, and the mode of `policy` -> Figure."""
    from matplotlib.figure import Figure

    rng = np.random.default_rng(seed)
    coin = pole_angles(lambda observation: int(rng.integers(2)), seed)
    trained = pole_angles(lambda o: int(policy.mode(o[None])[0]), seed)
    figure = Figure(figsize=(7, 3.2), layout="constrained")
    axes = figure.subplots()
    for limit in (-12, 12):
        axes.axhline(limit, color="0.4", linestyle=":", linewidth=1)
    axes.text(199, 12.4, "falls here: 12 degrees", color="0.3", ha="right")
    axes.plot(trained, color=BLUE)
    axes.plot(coin, "--", color=RED)
    axes.plot(len(coin) - 1, coin[-1], "x", color=RED, markersize=10)
    axes.text(len(coin) + 3, 9, "random pushes", color=RED)
    axes.text(100, 2.5, "trained policy", color=BLUE)
    axes.set(xlabel="step", ylabel="pole angle (degrees)", ylim=(-16, 16))
    return figure


MEASUREMENTS = "cart position", "cart speed", "pole angle", "pole turning speed"


def right_weights(policy):
    """The weight [4] with which each measurement pushes right, per deviation."""
    return policy.weights[:4, 1] - policy.weights[:4, 0]


def draw_right_weights(policy):
    """`right_weights` of a CartPole policy as bars -> Figure."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 2.6), layout="constrained")
    axes = figure.subplots()
    axes.barh(MEASUREMENTS, right_weights(policy), color=BLUE)
    axes.axvline(0, color="0.4", linewidth=1)
    axes.invert_yaxis()
    axes.set_xlabel("push to the right, per typical deviation")
    return figure


def discounted_return_stub(rewards, gamma):
    """Sum over t of gamma^t rewards[t]."""
    ...  # your code


def discounted_return_reference(rewards, gamma):
    """Sum over t of gamma^t rewards[t]."""
    t = np.arange(len(rewards))
    return np.sum(gamma**t * rewards)


def no_discount(rewards, gamma):
    return np.sum(rewards)


def late_discount(rewards, gamma):
    return np.sum(gamma ** np.arange(1, len(rewards) + 1) * rewards)


def reversed_discount(rewards, gamma):
    return np.sum(gamma ** np.arange(len(rewards))[::-1] * rewards)


def linear_discount(rewards, gamma):
    return np.sum(gamma * np.arange(len(rewards)) * rewards)


def return_cases(rng):
    lengths = 1, 3, 4, 10
    return [(rng.normal(size=n), float(rng.uniform(0.5, 0.99))) for n in lengths]


discounted_return = Exercise(
    name="discounted_return",
    minutes=5,
    difficulty=1,
    stub=discounted_return_stub,
    reference=discounted_return_reference,
    mistakes={
        "gamma is not used: this is the undiscounted sum": no_discount,
        "the exponent starts at 1: the first reward counts in full, gamma^0 = 1": (
            late_discount
        ),
        "the weights run backwards: the last reward counts in full": reversed_discount,
        "gamma * t where gamma**t is meant: a power, not a product": linear_discount,
    },
    hints=(
        "The first reward has weight 1, the second gamma, the third gamma squared.",
        "t = np.arange(len(rewards)) holds the exponents; gamma**t is an array.",
        "Multiply gamma**t by rewards entry by entry and sum.",
    ),
    cases=return_cases,
)

exercises = (discounted_return,)
progress = Progress(exercises)


def draw_weights(gamma, horizon):
    """The weights gamma^t over time, and the reach 1/(1 - gamma) -> Figure."""
    from matplotlib.figure import Figure

    t = np.arange(horizon)
    figure = Figure(figsize=(6, 3.2), layout="constrained")
    axes = figure.subplots()
    axes.fill_between(t, gamma**t, step="post", color="#5790fc", alpha=0.4)
    axes.step(t, gamma**t, where="post", color="#5790fc", label="weight γᵗ")
    reach = 1 / (1 - gamma)
    if reach <= horizon:
        label = f"reach 1/(1 - γ) = {reach:.1f}"
        axes.axvline(reach, color="#e42536", linestyle="--", label=label)
    axes.set(xlabel="step t", ylabel="weight of the reward", ylim=(0, 1.05))
    axes.set_xlim(0, horizon - 1)
    axes.legend(loc="upper right")
    return figure


weights = Widget(
    draw_weights,
    "The weights gamma to the power t fall from 1 towards 0; a dashed line marks the "
    "reach 1/(1 - gamma), after which little is left.",
    {
        "gamma": Slider("discount γ", 0.5, 0.99, 0.01, 0.9),
        "horizon": Slider("steps shown", 10, 200, 5, 50),
    },
)

widgets = (weights,)
