"""The robots' true numbers. This module runs in a process of its own and no other.

`python -m trpo_lite.legged._sealed MEASURE LOAD WAIT NUMBER ...` obeys what
`robot.SealedRobots` writes on its standard input. A robot is drawn from its number
alone. It has what no body of `identify` has: limbs and joints that differ one by one.
"""

if __name__ != "__main__":
    raise ImportError(
        "the robots' numbers are sealed: act on a robot and measure it, with "
        "trpo_lite.legged.robot.SealedRobots"
    )

import os
import pickle
import signal
import sys

import numpy as np

from trpo_lite.legged.physics import Body, LeggedRobots, Motor

NOISE = {"positions": 0.003, "velocities": 0.05, "torques": 0.01}


def truth(number):
    """The true numbers of a robot, a dict of the fields of Body and Motor."""
    rng = np.random.default_rng([16, number])

    def factor(low, high):
        return float(np.exp(rng.uniform(np.log(low), np.log(high))))

    def each(share):
        return rng.uniform(1 - share, 1 + share, 6)

    return {
        "torso": factor(0.75, 1.4),
        "legs": factor(0.75, 1.4) * each(0.15),
        "damping": factor(0.6, 1.8) * each(0.2),
        "friction": factor(0.6, 1.1),
        "lag": rng.uniform(0.025, 0.06) * each(0.2),
        "delay": int(rng.integers(3, 7)),
        "limit": float(rng.uniform(0.7, 0.95)),
        "dry": float(rng.uniform(0.01, 0.03)),
    }


def parts(numbers):
    body = {name: numbers[name] for name in ("torso", "legs", "damping", "friction")}
    motor = {name: numbers[name] for name in ("lag", "delay", "limit", "dry")}
    return Body(**body), Motor(**motor)


class Service:
    """Answers to requests: what `LeggedRobots` gives, with the sensors' noise."""

    def __init__(self, numbers, measure, load, wait):
        self.drawn = [truth(number) for number in numbers]
        for numbers in self.drawn:
            numbers["torso"] *= load
            numbers["delay"] += wait
        drawn = [parts(numbers) for numbers in self.drawn]
        self.robots = LeggedRobots(len(drawn), lambda i, rng: drawn[i], measure)

    def spaces(self):
        return self.robots.single_observation_space, self.robots.single_action_space

    def reset(self, seed):
        self.noise = np.random.default_rng(None if seed is None else [seed, 2])
        self.done = np.zeros(self.robots.num_envs, dtype=bool)
        observations, _ = self.robots.reset(seed=seed)
        return self.seen(observations)

    def seen(self, observations):
        positions = self.noisy("positions", observations[:, :8])
        velocities = self.noisy("velocities", observations[:, 8:])
        return np.concatenate([positions, velocities], 1)

    def noisy(self, name, values):
        return values + NOISE[name] * self.noise.standard_normal(values.shape)

    def step(self, actions):
        observations, *result, info = self.robots.step(actions)
        info = {name: self.noisy(name, values) for name, values in info.items()}
        if info and not self.done.any():  # all episodes are of one length
            last = [info[name][:, -1] for name in ("positions", "velocities")]
            seen = np.concatenate(last, 1)  # by the same sensors
        else:
            seen = self.seen(observations)
        self.done = result[1] | result[2]
        return seen, *result, info

    def numbers(self):
        return self.drawn


def main(measure, load, wait, *numbers):
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it ends when its user does
    requests, replies = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # nothing else is written between the replies
    service = Service(
        [int(number) for number in numbers], measure == "1", float(load), int(wait)
    )
    while True:
        try:
            name, *arguments = pickle.load(requests)
        except EOFError:
            return
        pickle.dump(getattr(service, name)(*arguments), replies)
        replies.flush()


main(*sys.argv[1:])
