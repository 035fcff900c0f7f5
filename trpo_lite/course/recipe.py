"""Page 16's recipe: a safe motion, the models of five robots, environments to train in.

An environment's id says what its maker knew: `KIND/HalfCheetah-v5` for the kinds in
`GUESSES`, and with a robot's number, `KIND-robot3/HalfCheetah-v5`, for those in
`MODELS` and for `robot`, which is the robot itself. This module registers them:

    python -m trpo_lite train trpo_lite.course.recipe:both-10-robot3/HalfCheetah-v5
"""

from functools import lru_cache

import gymnasium
import numpy as np

from trpo_lite.course.data import load
from trpo_lite.legged.actuator import ActuatorModel
from trpo_lite.legged.identify import NAMES, Estimate
from trpo_lite.legged.physics import (
    MAX_STEPS,
    SLICE,
    Body,
    LeggedRobots,
    Motor,
    fixed,
)
from trpo_lite.legged.robot import SealedRobots
from trpo_lite.spaces import to_environment

ROBOTS = (1, 2, 3, 4, 5)
IDEAL = Motor()


def safe_motion(steps, rng, size=0.5):
    """Commands [steps, 6], new ones each step: normal of this size, cut at 1."""
    return np.clip(size * rng.standard_normal((steps, 6)), -1, 1)


@lru_cache
def models(number):
    """What was measured of a robot: (Estimate, that by commands, ActuatorModel).

    "By commands" takes the commands for the torques. KeyError unless in `ROBOTS`.
    """
    if number not in ROBOTS:
        raise KeyError(f"no models of robot {number}, there are {ROBOTS}")
    stored, i = load("legged_models"), ROBOTS.index(number)
    bodies = [
        Estimate(NAMES, stored[f"{by}/log_factors"][i], stored[f"{by}/covariance"][i])
        for by in ("torques", "commands")
    ]
    return *bodies, ActuatorModel(stored["weights"][i])


def about(estimate, motor, spread, torques=True):
    """A `draw`: the body within the estimate's covariance, and everything +-spread.

    spread : standard deviation of each logarithm; without `torques` the motor stays
    """

    def draw(i, rng):
        factors = np.exp(spread * rng.standard_normal(6)) if torques else 1.0
        return estimate.draw(rng, spread), motor.scaled(factors)

    return draw


def wide(i, rng):
    """What might be so, for who has measured nothing."""
    body = Body(*np.exp(0.3 * rng.standard_normal(4)).tolist())
    lag, delay = rng.uniform(0, 0.08), int(rng.integers(0, 11))
    motor = Motor(lag=lag, delay=delay, limit=rng.uniform(0.6, 1))
    return body, motor.scaled(np.exp(0.1 * rng.standard_normal(6)))


NOTHING = Estimate(NAMES, np.zeros(4), np.zeros((4, 4)))
#: draws without a robot
GUESSES = {
    "nominal": fixed(Body(), IDEAL),
    "nominal-10": about(NOTHING, IDEAL, 0.1),
    "wide": wide,
}
#: draws from the models of a robot: of what was measured, and how far around it
MODELS = {
    "body": lambda body, by_commands, motor: fixed(body.body, IDEAL),
    "body-10": lambda body, by_commands, motor: about(body, IDEAL, 0.1),
    "commands": lambda body, by_commands, motor: fixed(by_commands.body, IDEAL),
    "motor": lambda body, by_commands, motor: fixed(Body(), motor),
    "motor-10": lambda body, by_commands, motor: about(NOTHING, motor, 0.1),
    "both": lambda body, by_commands, motor: fixed(body.body, motor),
    "both-printed": lambda body, by_commands, motor: about(body, motor, 0.0),
    "both-10": lambda body, by_commands, motor: about(body, motor, 0.1),
    "both-30": lambda body, by_commands, motor: about(body, motor, 0.3),
}


def guessed(num_envs, kind, **options):
    """N robots as `GUESSES` has them."""
    return LeggedRobots(num_envs, GUESSES[kind])


def identified(num_envs, kind, number, **options):
    """N robots as `MODELS` has them, of one robot's models."""
    return LeggedRobots(num_envs, MODELS[kind](*models(number)))


def itself(num_envs, number, **options):
    """One robot N times."""
    return SealedRobots([number] * num_envs)


def deployed(act, robots, seed=0):
    """One episode on each robot: (rewards [T, N], on_back [N]).

    act : function, observations [N, 17] -> actions [N, 6], such as a policy's `mode`.
    on_back is the share of the episode in which the trunk is turned upside down.
    """
    accepted = to_environment(robots)
    rewards = np.zeros((MAX_STEPS, robots.num_envs))
    on_back = np.zeros(robots.num_envs)
    seen, _ = robots.reset(seed=seed)
    for t in range(MAX_STEPS):
        seen, rewards[t], *_ = robots.step(accepted(act(seen)))
        on_back += (np.cos(seen[:, 1]) < 0) / MAX_STEPS
    return rewards, on_back


def one_each(policies):
    """An `act` by which each of N policies plays on its own of N robots."""
    return lambda seen: np.concatenate(
        [policy.mode(row[None]) for policy, row in zip(policies, seen, strict=True)]
    )


def poses(act, robot, steps, seed=0):
    """What a film needs: MuJoCo's positions [T + 1, 9] and rewards until then [T + 1].

    robot : one robot that is measured. Where it is follows from its measured speed.
    """
    accepted = to_environment(robot)
    seen, _ = robot.reset(seed=seed)
    found, rewards = [[0.0, *seen[0, :8]]], [0.0]
    for _ in range(steps):
        seen, reward, *_, info = robot.step(accepted(act(seen)))
        way = info["velocities"][0, :, 0].sum() * SLICE
        found.append([found[-1][0] + way, *seen[0, :8]])
        rewards.append(rewards[-1] + reward[0])
    return np.array(found), np.array(rewards)


def _register():
    """{env_id: (kind, number)} of all that can be trained in, registered."""
    rows = [(kind, guessed, {"kind": kind}) for kind in GUESSES]
    for number in ROBOTS:
        rows += [
            (f"{kind}-robot{number}", identified, {"kind": kind, "number": number})
            for kind in MODELS
        ]
        rows.append((f"robot{number}", itself, {"number": number}))
    found = {}
    for name, entry, options in rows:
        env_id = f"{name}/HalfCheetah-v5"
        gymnasium.register(
            env_id,
            vector_entry_point=entry,
            max_episode_steps=MAX_STEPS,
            kwargs=options,
        )
        kind = options.get("kind", "robot")
        found[f"{__name__}:{env_id}"] = kind, options.get("number", 0)
    return found


#: {env_id: (kind, number of the robot or 0)}
TASKS = _register()
