"""Notebook 00: first pictures, widget and exercise, and the quiz of where to begin."""

import numpy as np

from trpo_lite import plots, style
from trpo_lite.course.engine import Exercise, Progress
from trpo_lite.course.quiz import Question, Quiz
from trpo_lite.course.table import number
from trpo_lite.course.widgets import Picture, Slider, Widget
from trpo_lite.mdp import evaluate, road_and_ice, shared_policy
from trpo_lite.surrogate import surrogate

# --- worlds

MEASUREMENTS = "cart position", "cart speed", "pole angle", "pole turning speed"


def promise_and_truth(p_old=0.1, gamma=0.9):
    """p [101], and L and J - J(p_old) [101] on `road_and_ice`, seen from p_old."""
    world = road_and_ice(gamma)
    old = evaluate(world, shared_policy(p_old))
    p = np.linspace(0, 1, 101)
    truth = [evaluate(world, shared_policy(x)).performance for x in p]
    L = [surrogate(old, shared_policy(x)) for x in p]
    return p, np.array(L), np.array(truth) - old.performance


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


def random_pushes(seed):
    """Pole angles in degrees [T] of an episode in which a coin pushes."""
    rng = np.random.default_rng(seed)
    return pole_angles(lambda observation: int(rng.integers(2)), seed)


def right_weights(policy):
    """The weight [4] with which each measurement pushes right, per deviation."""
    return policy.weights[:4, 1] - policy.weights[:4, 0]


# --- pictures


def draw_promise():
    """The promise L, the truth J - J_old, and where they touch -> Figure."""
    p, L, truth = promise_and_truth()
    figure, axes = plots.figure(size=(7, 3.6))
    axes.axhline(0, color="0.8", linewidth=1)
    axes.plot(p, L, "--", color=style.RED)
    axes.plot(p, truth, color=style.BLUE)
    axes.plot(0.1, 0, "o", color="black")
    axes.annotate("today, p = 0.1", (0.1, 0), (0.06, -1.5), ha="left")
    axes.text(0.62, L[62] + 0.35, "promise L", color=style.RED, ha="right")
    blue = style.ink(style.BLUE)
    axes.text(0.62, truth[62] + 0.3, "truth", color=blue, ha="left")
    axes.set(xlim=(0, 1), xlabel="p, the probability of driving fast")
    axes.set_ylabel("gain over p = 0.1 (return)")
    return figure


# the README shows this picture too, as notebooks/figures/promise_and_truth.png
promise = Picture(
    draw_promise,
    "Over p, the promise L is a rising straight line. The truth touches it at p = 0.1, "
    "bends away, peaks and falls below zero.",
)


def draw_learning_curve(steps, returns):
    """Mean return of each batch [K] over practice steps [K] -> Figure."""
    figure, axes = plots.figure(size=(7, 3.2))
    axes.axhline(500, color="0.4", linestyle="--", linewidth=1)
    place = dict(va="top", transform=axes.transAxes)
    axes.text(0.02, 0.92, "the limit: 500 steps", color="0.3", **place)
    axes.plot(steps / 1000, returns, "o-", color=style.BLUE)
    axes.set(xlabel="practice (thousand steps)", ylabel="mean return", ylim=(0, 530))
    return figure


learning_curve = Picture(
    draw_learning_curve,
    "The mean return climbs from about 20 to near the limit of 500, a dashed line, "
    "while the practice steps add up.",
)


def draw_behaviour(policy, seed):
    """Pole angle over time: random pushes, and the mode of `policy` -> Figure."""
    coin = random_pushes(seed)
    trained = pole_angles(lambda o: int(policy.mode(o[None])[0]), seed)
    figure, axes = plots.figure(size=(7, 3.2))
    for limit in (-12, 12):
        axes.axhline(limit, color="0.4", linestyle=":", linewidth=1)
    axes.text(199, 12.4, "falls here: 12 degrees", color="0.3", ha="right")
    axes.plot(trained, color=style.BLUE)
    axes.plot(coin, "--", color=style.RED)
    axes.plot(len(coin) - 1, coin[-1], "x", color=style.RED, markersize=10)
    axes.text(len(coin) + 3, 9, "random pushes", color=style.RED)
    axes.text(100, 2.5, "trained policy", color=style.ink(style.BLUE))
    axes.set(xlabel="step", ylabel="pole angle (degrees)", ylim=(-16, 16))
    return figure


behaviour = Picture(
    draw_behaviour,
    "Pole angle over time. With random pushes it soon passes the limit of 12 degrees; "
    "with the trained policy it stays close to zero.",
)


def draw_right_weights(policy):
    """`right_weights` of a CartPole policy as bars -> Figure."""
    figure, axes = plots.figure(size=(7, 2.6))
    axes.barh(MEASUREMENTS, right_weights(policy), color=style.BLUE)
    axes.axvline(0, color="0.4", linewidth=1)
    axes.invert_yaxis()
    axes.set_xlabel("push to the right, per typical deviation")
    return figure


def bars_words(policy):
    """What `draw_right_weights` shows, in words."""
    longest = MEASUREMENTS[int(np.argmax(np.abs(right_weights(policy))))]
    return (
        "Four bars: how strongly cart position, cart speed, pole angle and pole "
        f"turning speed push right. The longest is that of {longest}."
    )


bars = Picture(draw_right_weights, bars_words)

# --- widgets


def draw_weights(gamma, horizon):
    """The weights gamma^t over time, and the reach 1/(1 - gamma) -> Figure."""
    t, reach = np.arange(horizon), 1 / (1 - gamma)
    figure, axes = plots.figure(size=(6, 3.2))
    axes.fill_between(t, gamma**t, step="post", color=style.BLUE, alpha=0.4)
    axes.step(t, gamma**t, where="post", color=style.BLUE)
    axes.set(xlabel="step t", ylabel="weight of the reward", ylim=(0, 1.05))
    axes.set_xlim(0, horizon - 1)
    words = f"– –  reach 1/(1 − γ) = {number(reach, '.1f')}"
    if reach <= horizon - 1:
        axes.axvline(reach, color=style.RED, linestyle="--")
    else:
        words += ", beyond the picture"
    plots.words_above(axes, ("──  weight γᵗ", style.BLUE), (words, style.RED))
    return figure


def weights_words(gamma, horizon):
    """What `draw_weights` shows, in words."""
    reach = 1 / (1 - gamma)
    line = (
        f"a dashed line marks the reach, {reach:.1f} steps"
        if reach <= horizon - 1
        else f"the reach, {reach:.1f} steps, lies beyond the picture"
    )
    return (
        f"The weights {gamma:.2f} to the power t fall from 1 towards 0 over {horizon} "
        f"steps; {line}."
    )


weights = Widget(
    draw_weights,
    weights_words,
    {
        "gamma": Slider("discount γ", 0.5, 0.99, 0.01, 0.9),
        "horizon": Slider("steps shown", 10, 200, 5, 50),
    },
)

# --- exercises


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


def one_weight(rewards, gamma):
    return np.sum(gamma ** len(rewards) * rewards)


def first_reward_lost(rewards, gamma):
    return sum(gamma**t * rewards[t] for t in range(1, len(rewards)))


def reversed_discount(rewards, gamma):
    return np.sum(gamma ** np.arange(len(rewards))[::-1] * rewards)


def linear_discount(rewards, gamma):
    return np.sum(gamma * np.arange(len(rewards)) * rewards)


def return_cases(rng):
    lengths = 3, 4, 10, 1
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
        "every reward has the weight gamma ** len(rewards): the exponent is its own "
        "step t": one_weight,
        "the first reward is left out: t starts at 0": first_reward_lost,
        "gamma * t where gamma**t is meant: a power, not a product": linear_discount,
    },
    hints=(
        "The first reward has weight 1, the second gamma, the third gamma squared.",
        "t = np.arange(len(rewards)) holds the exponents; gamma**t is an array.",
        "Multiply gamma**t by rewards entry by entry and sum.",
    ),
    cases=return_cases,
)

# --- where to begin

begin = Quiz(
    "begin",
    (
        Question(
            "`x` has the shape [4, 3]. What is the shape of `x.sum(axis=1)`?",
            ("[3]", "[4]", "[4, 1]", "[1, 3]"),
            "b",
            "Axis 1 is summed away; one number for each row is left.",
            "NumPy",
        ),
        Question(
            "`pi` is [2, 3], a row of three probabilities for each of two states. With "
            "`s = np.array([0, 1, 1])` and `a = np.array([2, 0, 0])`, what is "
            "`pi[s, a]`?",
            (
                "[3]: the probability of each pair s, a",
                "[3, 3]: each s with each a",
                "[2, 3]: `pi` with rows and columns in another order",
                "an error",
            ),
            "a",
            "Two arrays of indices go in pairs: `pi[0, 2]`, `pi[1, 0]`, `pi[1, 0]`.",
            "NumPy",
        ),
        Question(
            "`d` is [5], `A` is [5, 3]. What multiplies row s of `A` by `d[s]`?",
            ("`d * A`", "`d[:, None] * A`", "`d @ A`", "`d[None, :] * A`"),
            "b",
            "`d[:, None]` is [5, 1], and its axis of length 1 is stretched to 3. "
            "`d * A` sets 5 beside 3 and fails.",
            "NumPy",
        ),
        Question(
            "The reward is 1 in each step, for ever, and $\\gamma = 0.9$. "
            "What is the discounted return?",
            ("0.9", "9", "10", "it is infinite"),
            "c",
            "$1 + \\gamma + \\gamma^2 + \\dots = 1/(1-\\gamma)$.",
            "01",
        ),
        Question(
            "Which equation holds for the value $v$ of every policy $\\pi$?",
            (
                "$v(s) = \\max_a \\big[ r(s,a) + \\gamma \\sum_{s'} P(s'|s,a)\\, "
                "v(s') \\big]$",
                "$v(s) = \\sum_a \\pi(a|s)\\, r(s,a) + \\gamma\\, v(s)$",
                "$v(s) = \\sum_a \\pi(a|s) \\big[ r(s,a) + \\gamma \\sum_{s'} "
                "P(s'|s,a)\\, v(s') \\big]$",
                "$v(s) = \\sum_a \\pi(a|s) \\big[ r(s,a) + \\sum_{s'} P(s'|s,a)\\, "
                "v(s') \\big]$",
            ),
            "c",
            "One step by the policy, then the value of where it leads, discounted. The "
            "first is the *best* policy's.",
            "01",
        ),
        Question(
            "$A(s,a) = q(s,a) - v(s)$, with $q$ and $v$ of one policy. What is its "
            "mean over that policy's own actions in $s$?",
            ("0", "$v(s)$", "above 0 for a good policy", "it depends on $s$"),
            "a",
            "$v$ is the mean of $q$ over those actions.",
            "01",
        ),
        Question(
            "$J(\\pi) - J(\\pi_{old})$ can be written with the advantages of "
            "$\\pi_{old}$. Over whose states and actions are they summed?",
            (
                "both are $\\pi_{old}$'s",
                "states of $\\pi_{old}$, actions of $\\pi$",
                "states of $\\pi$, actions of $\\pi_{old}$",
                "both are $\\pi$'s",
            ),
            "d",
            "The new policy walks, the old one judges. With the states of $\\pi_{old}$ "
            "it is an approximation.",
            "02",
        ),
        Question(
            "An action has the probability .2 under $\\pi_{old}$ and .5 under $\\pi$. "
            "In an estimate for $\\pi$ from actions of $\\pi_{old}$, how much does "
            "it count?",
            ("0.4 times", "2.5 times", "0.3 times", "once, like any other"),
            "b",
            "The ratio $\\pi/\\pi_{old}$ makes up for how rarely $\\pi_{old}$ took it.",
            "03",
        ),
        Question(
            "What has the mean $\\nabla J(\\theta)$, with paths and advantages of "
            "$\\pi_\\theta$?",
            (
                "$\\sum_t \\gamma^t\\, \\nabla \\log \\pi_\\theta(a_t|s_t)\\, "
                "A(s_t,a_t)$",
                "$\\sum_t \\gamma^t\\, \\nabla \\pi_\\theta(a_t|s_t)\\, A(s_t,a_t)$",
                "$\\sum_t \\gamma^t\\, \\log \\pi_\\theta(a_t|s_t)\\, A(s_t,a_t)$",
                "$\\sum_t \\gamma^t\\, \\nabla \\log \\pi_\\theta(a_t|s_t)$",
            ),
            "a",
            "The policy gradient theorem. The last one has the mean 0.",
            "03",
        ),
        Question(
            "A small change of $\\theta$ also changes which states are visited. Why "
            "may the policy gradient leave that out?",
            (
                "visits hardly change in a small step",
                "$\\gamma$ is below 1",
                "in each state the change is multiplied by $\\sum_a \\pi\\, A = 0$",
                "it may not: it is an approximation",
            ),
            "c",
            "By the product rule: $\\nabla d$ stands beside the mean advantage, "
            "which is 0.",
            "03",
        ),
    ),
    {
        "01": ("01 · The RL problem", "01_the_rl_problem.ipynb"),
        "02": ("02 · The advantage identity", "02_advantage_identity.ipynb"),
        "03": ("03 · The surrogate", "03_surrogate.ipynb"),
        "04": ("04 · The lower bound", "04_mm_bound.ipynb"),
    },
)

pictures = (promise, learning_curve, behaviour, bars)
widgets = (weights,)
exercises = (discounted_return,)
progress = Progress(exercises)
