"""Page 15's settings drawn by lot, ten for each of the five algorithms on each robot.

No algorithm's own tuning is used: what the algorithms share is drawn once for all five,
and a step size from two decades at the same place of its range. Whatever does best is
run again with fresh seeds.
"""

import numpy as np

from trpo_lite.experiment import Run
from trpo_lite.settings import preset

DRAWS, FIRST_SEED = 10, 1060
FRESH = (30, 31, 32, 33, 34)
#: of each robot: steps of a run, and the numbers in an observation
ROBOTS = {
    "HalfCheetah-v5": (300_000, 17),
    "Hopper-v5": (400_000, 11),
    "Walker2d-v5": (400_000, 17),
    "Swimmer-v5": (450_000, 8),
    "Reacher-v5": (200_000, 10),
    "InvertedPendulum-v5": (60_000, 4),
    "InvertedDoublePendulum-v5": (300_000, 9),
}
#: the middle of two decades of step sizes
MIDDLE = {"trpo": 0.03, "npg": 0.03, "ppo-clip": 1e-3, "ppo-penalty": 1e-3, "pg": 0.2}
#: what else an algorithm has of its own; the plain gradient has nothing
OWN = {
    "trpo": [
        dict(cg_iterations=10, damping=1e-3),
        dict(cg_iterations=10, damping=0.1),
        dict(cg_iterations=3, damping=1e-3),
    ],
    "ppo-clip": [dict(clip=x) for x in (0.1, 0.2, 0.3)],
    "ppo-penalty": [dict(target_kl=x) for x in (0.01, 0.03, 0.1)],
    "pg": [{}],
}
OWN["npg"] = OWN["trpo"]


def hypercube(rng, n, k):
    """n points of the unit cube of k sides, one in each n-th of each side."""
    cells = np.stack([rng.permutation(n) for _ in range(k)], 1)
    return (cells + rng.random((n, k))) / n


def pick(choices, u):
    return choices[int(u * len(choices))]


def settings_at(env_id, algorithm, u):
    """A run's settings at the point u [7] of the unit cube."""
    steps, dim = ROBOTS[env_id]
    known = preset(env_id)
    settings = dict(
        steps=steps,
        batch=int(known["batch"] * pick((0.5, 1, 2), u[1])),
        lam=pick((0.9, 0.95, 0.97, 0.99), u[2]),
        log_std=pick((-1.0, -0.5, 0.0), u[3]),
        decay=pick((0.0, 0.5, 0.9), u[4]),
    )
    if known["features"] == "fourier":
        settings["bandwidth"] = round(pick((1, 1.5, 2, 3), u[5]) * dim**0.5, 1)
    size = float(f"{MIDDLE[algorithm] * 10 ** (2 * u[0] - 1):.2g}")
    return {**settings, size_name(algorithm): size, **pick(OWN[algorithm], u[6])}


def size_name(algorithm):
    """The setting that is an algorithm's step size."""
    return "delta" if algorithm in ("trpo", "npg") else "learning_rate"


def drawn(env_id, algorithm):
    """The runs [DRAWS], each with a seed of its own; the same points for all five."""
    rng = np.random.default_rng([FIRST_SEED, list(ROBOTS).index(env_id)])
    return [
        Run(
            env_id, algorithm, FIRST_SEED + i,
            tuple(sorted(settings_at(env_id, algorithm, u).items())), f"draw{i}",
        )
        for i, u in enumerate(hypercube(rng, DRAWS, 7))
    ]  # fmt: skip


def again(run):
    """The same settings with fresh seeds."""
    return [
        Run(run.env_id, run.algorithm, seed, run.settings, "chosen") for seed in FRESH
    ]
