"""Page 16's measurements: `python -m tests.histories legged legged_break ...`.

What is stored is plain numbers, in trpo_lite/course/data/.
"""

import os

import numpy as np

from trpo_lite._terminal import say
from trpo_lite.course import recipe
from trpo_lite.experiment import local_pool, read_grid, run_grid
from trpo_lite.history import History
from trpo_lite.legged.actuator import fit_actuator
from trpo_lite.legged.identify import identify
from trpo_lite.legged.physics import record
from trpo_lite.legged.robot import SealedRobots


def legged_models(numbers=recipe.ROBOTS, steps=500):
    """What is known of the sealed robots from 25 s of a safe motion (page 16).

    Returns robot [R]; torques/NAME and commands/NAME, the arrays of an `Estimate` from
    the measured torques and from commands taken for torques; weights [R, 5, 6, 28] of
    the `ActuatorModel`; upright [R], the share of the time not on the back.
    """
    robots = SealedRobots(numbers, measure=True)
    motion = recipe.safe_motion(steps, np.random.default_rng(0))
    logs = record(robots, motion, seed=0)
    robots.close()
    arrays = {"robot": np.array(numbers)}
    for by in ("torques", "commands"):
        found = [
            identify(log, torques=log.held() if by == "commands" else None)
            for log in logs
        ]
        arrays[f"{by}/log_factors"] = np.array([x.log_factors for x in found])
        arrays[f"{by}/covariance"] = np.array([x.covariance for x in found])
    weights = [fit_actuator(log).weights for log in logs]
    upright = [(np.cos(log.positions[:, 1]) > 0).mean() for log in logs]
    return arrays | {"weights": np.float32(weights), "upright": np.array(upright)}


def deployments(grid, folder, episodes=8):
    """What the policies of a grid, whose runs stand in `folder`, earn on the robots.

    Missing runs are done. R runs, E = `episodes`; a policy made for one robot is
    deployed on that one, others on all of `recipe.ROBOTS`, each once.

    Returns
    -------
    kind, robot (0: made for none), seed : [R]
    own : [R] mean return of fresh episodes in what it was trained in
    deployed, on_back : [R, 5, E] returns, and shares of the time on the back; NaN
    still : [5, E] returns of motors that are off
    """
    cores = os.cpu_count() or 1
    outcomes = run_grid(
        read_grid(grid), folder, lambda: local_pool(cores), cores, say, episodes=20
    )
    robots = {n: SealedRobots([n] * episodes) for n in recipe.ROBOTS}
    rows = []
    for outcome in outcomes:
        if outcome.problem:
            raise RuntimeError(f"{outcome.run.name}: {outcome.problem}")
        history = History.load(outcome.file)
        kind, number = recipe.TASKS[history.settings["env_id"]]
        found = np.full((2, len(robots), episodes), np.nan)
        for i, (robot, copies) in enumerate(robots.items()):
            if number in (0, robot):
                found[:, i] = recipe.deployed(history.policy, copies)
        own = history.evaluation.mean()
        rows.append((kind, number, history.settings["seed"], own, *found))
    names = ("kind", "robot", "seed", "own", "deployed", "on_back")
    arrays = {k: np.array(v) for k, v in zip(names, zip(*rows))}
    off = history.policy.with_theta(np.zeros_like(history.policy.theta))
    still = [recipe.deployed(off, copies)[0] for copies in robots.values()]
    for copies in robots.values():
        copies.close()
    small = {k: np.float32(arrays[k]) for k in names[3:]}
    return arrays | small | {"still": np.float32(still)}


def legged(folder):
    """Page 16's table: see `deployments`."""
    return deployments("legged", folder)


def legged_break(folder):
    """Page 16's mistakes: see `deployments`."""
    return deployments("legged_break", folder)
