"""Notebook 00: the warm-up exercise and the first widget."""

import numpy as np

from trpo_lite.course.engine import Exercise, Progress
from trpo_lite.course.widgets import Slider, Widget


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
    axes.step(t, gamma**t, where="post", color="#5790fc", label="weight $\\gamma^t$")
    reach = 1 / (1 - gamma)
    if reach <= horizon:
        label = f"reach $1/(1-\\gamma)$ = {reach:.1f}"
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
