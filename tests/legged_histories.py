"""Page 16's measurements: `python -m tests.histories legged legged_break ...`.

What is stored is plain numbers, in trpo_lite/course/data/.
"""

import os
from dataclasses import replace

import numpy as np

from trpo_lite import film
from trpo_lite._terminal import say
from trpo_lite.course import n16, recipe
from trpo_lite.environments import make_environment
from trpo_lite.experiment import local_pool, read_grid, run_grid
from trpo_lite.history import History
from trpo_lite.legged.actuator import fit_actuator
from trpo_lite.legged.identify import NAMES, identify
from trpo_lite.legged.physics import (
    MAX_STEPS,
    SLICE,
    SLICES,
    Body,
    LeggedRobots,
    Motor,
    fixed,
    record,
)
from trpo_lite.legged.robot import SealedRobots


def measured(numbers, steps):
    """Logs of the robots from a safe motion, and from the same motion backwards."""
    robots = SealedRobots(numbers, measure=True)
    motion = recipe.safe_motion(steps, np.random.default_rng(0))
    logs = record(robots, motion, seed=0), record(robots, motion[::-1], seed=1)
    robots.close()
    return logs


def legged_logs(numbers=recipe.ROBOTS, steps=500):
    """The first robot's two logs (page 16), rounded: see `n16.log`."""
    return {
        f"{name}/{field}": np.int16(np.round(getattr(log, field) / unit))
        for name, (log, *_) in zip(("log", "held_out"), measured(numbers, steps))
        for field, unit in n16.UNITS.items()
    }


def legged_models(numbers=recipe.ROBOTS, steps=500):
    """What is known of the sealed robots from 25 s of a safe motion (page 16).

    Returns robot [R]; torques/NAME and commands/NAME, the arrays of an `Estimate` from
    the measured torques and from commands taken for torques; weights [R, 5, 6, 28] of
    the `ActuatorModel`; upright [R], the share of the time not on the back.
    """
    logs, _ = measured(numbers, steps)
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


def legged_repeats(number=1, times=16, lengths=(100, 500)):
    """The same robot identified again and again, each time by another motion (page 16).

    Returns steps [L] of a log; log_factors and sd [L, times, 4].
    """
    found = [[estimate_of(number, steps, i) for i in range(times)] for steps in lengths]
    return {
        "steps": lengths,
        "log_factors": [[x.log_factors for x in row] for row in found],
        "sd": [[x.sd for x in row] for row in found],
    }


def estimate_of(number, steps, seed):
    """What `identify` says of a robot after a motion and an episode of this seed."""
    robot = SealedRobots([number], measure=True)
    motion = recipe.safe_motion(steps, np.random.default_rng([7, seed]))
    (log,) = record(robot, motion, seed=seed)
    robot.close()
    return identify(log)


def legged_bias(number=1, times=8, steps=500):
    """Where the error of step 1 comes from: causes taken away (page 16).

    The seal is broken, and the same logs are made in the open. Returns noise and limbs
    [4], whether the sensors have noise and limbs and joints differ one by one;
    log_errors [4, times, 4], estimates less the truth (its mean over the limbs).
    """
    robot = SealedRobots([number])
    (truth,) = robot.reveal()
    robot.close()
    motor = Motor(**{k: truth[k] for k in ("lag", "delay", "limit", "dry")})
    rows = [(noise, limbs) for noise in (True, False) for limbs in (True, False)]
    errors = []
    for noise, limbs in rows:
        body = {k: truth[k] if limbs else float(np.mean(truth[k])) for k in NAMES}
        true = np.log([np.mean(x) for x in body.values()])
        robots = LeggedRobots(1, fixed(Body(**body), motor), measure=True)
        row = []
        for i in range(times):
            rng = np.random.default_rng([8, i])
            (log,) = record(robots, recipe.safe_motion(steps, rng), seed=i)
            row.append(identify(noisy(log, rng) if noise else log).log_factors - true)
        errors.append(row)
    return {"noise": [x for x, _ in rows], "limbs": [x for _, x in rows],
            "log_errors": errors}  # fmt: skip


def noisy(log, rng):
    """What the robots' sensors would have seen of a Log."""
    sizes = {"positions": 0.003, "velocities": 0.05, "torques": 0.01}
    seen = {k: getattr(log, k) for k in sizes}
    seen = {k: v + sizes[k] * rng.standard_normal(v.shape) for k, v in seen.items()}
    return replace(log, **seen)


def deployments(grid, folder, episodes=8):
    """What the policies of a grid, whose runs stand in `folder`, earn on the robots.

    Missing runs are done. R runs, E = `episodes`; a policy made for one robot is
    deployed on that one, others on all of `recipe.ROBOTS`, each once.

    Returns
    -------
    kind, robot (0: made for none), seed : [R]
    own, own_discounted : [R] mean of E fresh episodes in what it was trained in
    deployed, discounted, on_back : [R, 5, E], the last the share of the time; NaN
        where it is not deployed
    still : [5, E] returns of motors that are off
    largest : the largest reward of a step, in size
    gamma : that of `discounted` and of the training
    """
    rows, largest = [], 0.0
    robots = {n: SealedRobots([n] * episodes) for n in recipe.ROBOTS}
    for history in finished(grid, folder):
        kind, number = recipe.TASKS[history.settings["env_id"]]
        weights = history.settings["gamma"] ** np.arange(MAX_STEPS)
        made = make_environment(history.settings["env_id"], episodes)
        rewards, _ = recipe.deployed(history.policy.mode, made)
        made.close()
        largest = max(largest, np.abs(rewards).max())
        own = rewards.sum(0).mean(), (weights @ rewards).mean()
        found = np.full((3, len(robots), episodes), np.nan)
        for i, (robot, copies) in enumerate(robots.items()):
            if number in (0, robot):
                rewards, on_back = recipe.deployed(history.policy.mode, copies)
                found[:, i] = rewards.sum(0), weights @ rewards, on_back
                largest = max(largest, np.abs(rewards).max())
        rows.append((kind, number, history.settings["seed"], *own, *found))
    names = ("kind", "robot", "seed", "own", "own_discounted")
    names += ("deployed", "discounted", "on_back")
    arrays = {k: np.array(v) for k, v in zip(names, zip(*rows))}
    still = [
        recipe.deployed(lambda seen: np.zeros((len(seen), 6)), copies)[0].sum(0)
        for copies in robots.values()
    ]
    for copies in robots.values():
        copies.close()
    small = {k: np.float32(arrays[k]) for k in names[3:]} | {"still": np.float32(still)}
    gamma = np.array(history.settings["gamma"])
    return arrays | small | {"largest": np.float32(largest), "gamma": gamma}


def finished(grid, folder):
    """The histories of a grid's runs, missing ones done; RuntimeError if one failed."""
    cores = os.cpu_count() or 1
    outcomes = run_grid(
        read_grid(grid), folder, lambda: local_pool(cores), cores, say, episodes=20
    )
    for outcome in outcomes:
        if outcome.problem:
            raise RuntimeError(f"{outcome.run.name}: {outcome.problem}")
        yield History.load(outcome.file)


def legged(folder):
    """Page 16's table: see `deployments`."""
    return deployments("legged", folder)


def legged_break(folder):
    """Page 16's mistakes: see `deployments`."""
    return deployments("legged_break", folder)


def legged_sweep(folder):
    """What policies earn on robots that somebody works on (page 16).

    The runs are those of `legged` beside `folder`, K = 6 of its kinds, S seeds. One
    episode each. Returns kind [K], seed [S]; load [11], factors on the torso's mass,
    and wait [11], slices of 10 ms by which commands come later; by_load and by_wait
    [K, S, 5, 11].
    """
    kinds = ("nominal", "wide", "motor", "both", "both-10", "robot")
    policies, seeds = {}, set()
    for history in finished("legged", folder.with_name("legged")):
        kind, number = recipe.TASKS[history.settings["env_id"]]
        seeds.add(history.settings["seed"])
        for robot in (number,) if number else recipe.ROBOTS:
            policies[kind, history.settings["seed"], robot] = history.policy
    seeds = sorted(seeds)
    load, wait = np.linspace(0.6, 1.6, 11).round(2), np.arange(11)
    shape = len(kinds), len(seeds), len(recipe.ROBOTS), 11
    found = {"by_load": np.zeros(shape), "by_wait": np.zeros(shape)}
    for i, robot in enumerate(recipe.ROBOTS):
        mine = [policies[kind, seed, robot] for kind in kinds for seed in seeds]
        for name, values in (("load", load), ("wait", wait)):
            for k, value in enumerate(values.tolist()):
                robots = SealedRobots([robot] * len(mine), **{name: value})
                rewards, _ = recipe.deployed(recipe.one_each(mine), robots)
                robots.close()
                found[f"by_{name}"][:, :, i, k] = rewards.sum(0).reshape(shape[:2])
    small = {k: np.float32(v) for k, v in found.items()}
    return {"kind": kinds, "seed": seeds, "load": load, "wait": wait, **small}


def legged_margin(folder, episodes=8):
    """What policies trained over a margin earn in the measured model alone (page 16).

    The runs are those of `legged` and `legged_break` beside `folder`. R policies of
    the kinds both-10 and both-30, each in the `both` of the robot it was made for.
    Returns kind, robot, seed, earned [R], the last a mean of E = `episodes`.
    """
    rows = []
    for grid in ("legged", "legged_break"):
        for history in finished(grid, folder.with_name(grid)):
            kind, number = recipe.TASKS[history.settings["env_id"]]
            if kind in ("both-10", "both-30"):
                env_id = f"{recipe.__name__}:both-robot{number}/HalfCheetah-v5"
                made = make_environment(env_id, episodes)
                rewards, _ = recipe.deployed(history.policy.mode, made)
                made.close()
                seed, mean = history.settings["seed"], np.float32(rewards.sum(0).mean())
                rows.append((kind, number, seed, mean))
    names = ("kind", "robot", "seed", "earned")
    return {k: np.array(v) for k, v in zip(names, zip(*rows))}


def legged_films(folder, robot=1, seconds=5.0):
    """Policies of the first seed on one robot (page 16).

    The runs are those of `legged` beside `folder`. Keys KIND/NAME: the arrays of a
    `Film`; KIND/return: of the whole episode; robot: its number.
    """
    arrays, steps = {"robot": np.array(robot)}, round(seconds / (SLICES * SLICE))
    for history in finished("legged", folder.with_name("legged")):
        kind, number = recipe.TASKS[history.settings["env_id"]]
        if number not in (0, robot) or f"{kind}/return" in arrays:
            continue
        machine = SealedRobots([robot], measure=True)
        seen = recipe.poses(history.policy.mode, machine, steps)
        rewards, _ = recipe.deployed(history.policy.mode, machine)
        machine.close()
        made = film.of_poses("HalfCheetah-v5", *seen, SLICES * SLICE).arrays()
        arrays |= {f"{kind}/{name}": array for name, array in made.items()}
        arrays[f"{kind}/return"] = np.float32(rewards.sum())
    return arrays
