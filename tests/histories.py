"""Measurements that pages load: `python -m tests.histories [NAME ...]`.

Each entry of `MEASUREMENTS` returns a dict of arrays, stored without pickle as
trpo_lite/course/data/NAME.npz; `trpo_lite.course.data.load(NAME)` reads it. Everything
runs on one thread, and times are processor seconds. Neither the machine nor the date is
stored. After measuring afresh, execute the pages that use it: python -m tests.execute.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import sys
import time

import numpy as np

from tests.capstone_histories import capstone_choices
from trpo_lite import lqr
from trpo_lite._terminal import Parser, run, say
from trpo_lite.conjugate_gradient import conjugate_gradient
from trpo_lite.course import n10, n12, recipe
from trpo_lite.course.data import FOLDER
from trpo_lite.files import save_arrays
from trpo_lite.legged.actuator import fit_actuator
from trpo_lite.legged.identify import identify
from trpo_lite.legged.physics import record
from trpo_lite.legged.robot import SealedRobots
from trpo_lite.policies import LinearSoftmax
from trpo_lite.ppo import penalty_gradient, ppo_penalty_update
from trpo_lite.rollout import Samples
from trpo_lite.train import train
from trpo_lite.trpo import npg_update, trpo_update

PROG = "python -m tests.histories"
# page 12: what is exchanged in TRPO, and how
RAW = dict(normalize_observations=False)
ABLATIONS = {
    "TRPO": ("trpo", {}),
    "no line search": ("npg", {}),
    "one CG iteration": ("trpo", dict(cg_iterations=1)),
    "raw inputs": ("trpo", RAW),
    "raw, one CG iteration": ("trpo", dict(cg_iterations=1, **RAW)),
    "plain gradient, .3": ("pg", dict(learning_rate=0.3)),
    "plain gradient, 3": ("pg", dict(learning_rate=3.0)),
    "plain gradient, 30": ("pg", dict(learning_rate=30.0)),
    "δ = 1": ("trpo", dict(delta=1.0)),
    "δ = 1, no line search": ("npg", dict(delta=1.0)),
}


def seconds(function, repeats=7):
    """Median processor seconds of a call, after one call that doesn't count."""
    function()
    times = []
    for _ in range(repeats):
        start = time.process_time()
        function()
        times.append(time.process_time() - start)
    return float(np.median(times))


def cg_cost(
    dense=(8, 12, 16, 24, 32, 45),
    free=(8, 12, 16, 24, 32, 45, 100, 316, 1000),
    rows=1000,
    iterations=10,
):
    """x = (F + .1)^-1 g three ways; a softmax with k features and k actions (page 10).

    dense, free : the k of the two dense ways and of CG; n = k^2 parameters.
    Returns n, inverse, solve (of the matrix, once it is there), build (of the matrix,
    from n products) and n_free, cg (`iterations` products), all in seconds.
    """
    rng = np.random.default_rng(0)

    def world(k):
        policy = LinearSoftmax(0.1 * rng.standard_normal(k * k), k)
        product = policy.at(rng.standard_normal((rows, k))).fisher_product
        return (lambda v: product(v) + 0.1 * v), rng.standard_normal(k * k)

    times = {name: [] for name in ("build", "inverse", "solve", "cg")}
    for k in dense:
        product, g = world(k)
        start = time.process_time()
        matrix = np.array([product(e) for e in np.eye(k * k)])
        times["build"].append(time.process_time() - start)
        times["inverse"].append(seconds(lambda: np.linalg.inv(matrix) @ g))  # noqa: B023
        times["solve"].append(seconds(lambda: np.linalg.solve(matrix, g)))  # noqa: B023
    for k in free:
        product, g = world(k)
        times["cg"].append(
            seconds(lambda: conjugate_gradient(product, g, iterations, 0.0))  # noqa: B023
        )
    return {
        "n": np.square(dense),
        "n_free": np.square(free),
        "rows": np.array(rows),
        "iterations": np.array(iterations),
        **{name: np.array(values) for name, values in times.items()},
    }


def update_cost(
    dense=(8, 12, 16, 24, 32), free=(8, 16, 32, 100, 316, 1000), rows=1000, repeats=7
):
    """One update of a softmax with k features and k actions, several ways (page 13).

    dense, free : the k of the way with a matrix and of the others; n = k^2 parameters.
    Returns n, dense (the matrix from n products, its inverse, the step) and n_free,
    gradient (of L - beta KL on all rows), minibatch (on a quarter), product (F v), trpo
    (10 products and the line search), ppo (10 epochs of 4 minibatches), in seconds.
    """
    rng = np.random.default_rng(0)

    def world(k):
        policy = LinearSoftmax(0.1 * rng.standard_normal(k * k) / np.sqrt(k), k)
        seen = rng.standard_normal((rows, k))
        batch = Samples(seen, policy.sample(seen, rng))
        return policy.at(seen), batch, rng.standard_normal(rows)

    times = {
        x: [] for x in ("dense", "gradient", "minibatch", "product", "trpo", "ppo")
    }

    def measure(name, function):
        times[name].append(seconds(function, repeats))

    for k in dense:
        product, g = world(k)[0].fisher_product, rng.standard_normal(k * k)

        def with_matrix(product=product, g=g):
            matrix = np.array([product(e) for e in np.eye(len(g))])
            x = np.linalg.inv(matrix + 0.1 * np.eye(len(g))) @ g
            return np.sqrt(0.02 / (g @ x)) * x

        measure("dense", with_matrix)
    for k in free:
        old, batch, A = world(k)
        theta = old.policy.theta + 1e-3 * rng.standard_normal(k * k)
        log_prob = old.log_prob(batch.actions)

        def first_order(m, old=old, batch=batch, A=A, log_prob=log_prob,
                        theta=theta):  # fmt: skip
            old = old.policy.at(batch.observations[:m])
            new, actions = old.with_theta(theta), batch.actions[:m]
            return penalty_gradient(old, new, actions, log_prob[:m], A[:m], 1)

        measure("gradient", lambda f=first_order: f(rows))
        measure("minibatch", lambda f=first_order: f(rows // 4))
        product, v = old.fisher_product, rng.standard_normal(k * k)
        measure("product", lambda F=product, v=v: F(v))
        args = old.policy, batch, A
        measure("trpo", lambda a=args: trpo_update(*a, damping=0.1, cg_tolerance=0.0))
        measure("ppo", lambda a=args: ppo_penalty_update(*a, rng=rng))
    return {
        "n": np.square(dense),
        "n_free": np.square(free),
        "rows": np.array(rows),
        **{name: np.array(values) for name, values in times.items()},
    }


def runs(env_id, algorithm, seeds, columns, **settings):
    """Runs of `train`: {column: [seeds, K] float32}, K batches each."""
    rows = {name: [] for name in columns}
    batches = settings["steps"] // settings["batch"]  # all runs have at least so many
    for seed in range(seeds):
        history = train(env_id, algorithm, seed=seed, progress=False, **settings)
        if history.stopped == "interrupted":
            raise KeyboardInterrupt
        for name in columns:
            rows[name].append(history[name][:batches])
    return {name: np.float32(values) for name, values in rows.items()}


RETURN_AND_STEP = ("return_mean", "kl", "surrogate")
DASHBOARD = (
    *("return_mean", "kl", "surrogate", "predicted_surrogate", "backtracks"),
    *("cg_residual", "entropy", "explained_variance", "max_ratio"),
)


def trpo_acrobot(seeds=10, batches=20, batch=8000):
    """TRPO on Acrobot by its preset (page 12); columns [seeds, K]."""
    columns = ("steps", *DASHBOARD, "episodes")
    settings = dict(batch=batch, steps=batches * batch)
    return runs("Acrobot-v1", "trpo", seeds, columns, **settings)


def trpo_ablations(seeds=10, batches=36, batch=4096):
    """TRPO on CartPole with a part exchanged (page 12): [variants, seeds, K].

    Returns variant (names), delta [variants], steps [K], and the columns.
    """
    same = dict(batch=batch, environments=16, steps=batches * batch, until=np.inf)
    found = [
        runs(
            "CartPole-v1", algorithm, seeds, ("steps", *RETURN_AND_STEP),
            **{**same, "delta": 0.05, **changed},
        )
        for algorithm, changed in ABLATIONS.values()
    ]  # fmt: skip
    return {
        "variant": np.array(list(ABLATIONS)),
        "delta": np.float32([c.get("delta", 0.05) for _, c in ABLATIONS.values()]),
        "steps": found[0]["steps"][0],
        **{name: np.stack([x[name] for x in found]) for name in RETURN_AND_STEP},
    }


def trpo_after(seeds=10, batches=30):
    """TRPO on CartPole that goes on after 500, for two delta (page 12).

    Returns delta [2] and the dashboard's columns [2, seeds, K].
    """
    deltas, batch = (0.1, 0.01), 16384
    settings = dict(batch=batch, steps=batches * batch, until=np.inf)
    columns = ("steps", *DASHBOARD)
    found = [
        runs("CartPole-v1", "trpo", seeds, columns, delta=delta, **settings)
        for delta in deltas
    ]
    stacked = {name: np.stack([x[name] for x in found]) for name in columns}
    return {"delta": np.array(deltas), **stacked}


def trpo_mass(seeds=30, updates=25, episodes=(5, 10, 20, 40), delta=0.5):
    """Exact J on the mass of page 10, with and without line search (page 12).

    Returns episodes (in a batch), trpo, npg [len(episodes), seeds, updates + 1] (-inf
    from where the gain is unstable), and the optimum.
    """
    world, _ = n10.mass()
    J = {
        update.__name__.split("_")[0]: np.float32(
            [
                [n12.mass_run(update, i, updates, n, delta) for i in range(seeds)]
                for n in episodes
            ]
        )
        for update in (trpo_update, npg_update)
    }
    best = lqr.performance(world, lqr.optimal_gain(world), 0.0)
    return {"episodes": np.array(episodes), **J, "optimum": np.array(best)}


def trpo_guard(seeds=20, updates=28, guards=(0.0, 1.0, 2.0, 3.0)):
    """CartPole with guards against noise; 0 is none (page 12).

    Each guard has a control: a coin that makes the same share of the updates, before
    and after the first batch at 475. Returns guard [G]; return_mean, made, coin_return
    [G, seeds, updates]; share [G, 2], before and after.
    """
    found = {name: [] for name in ("return_mean", "made", "share", "coin_return")}
    for guard in guards:
        guarded = [
            n12.cartpole_run(seed, updates, lambda promise, _, g=guard: promise >= g)
            for seed in range(seeds)
        ]
        R, made = map(np.array, zip(*guarded, strict=True))
        solved = np.maximum.accumulate(R >= n12.SOLVED, 1)
        share = [made[x].mean() if x.any() else 1.0 for x in (~solved, solved)]
        found["return_mean"].append(R)
        found["made"].append(made)
        found["share"].append(share)
        found["coin_return"].append(
            [_coin_run(seed, updates, share) for seed in range(seeds)]
        )
    exact = {"made": np.array(found.pop("made"))}
    return {"guard": np.array(guards), **exact,
            **{name: np.float32(x) for name, x in found.items()}}  # fmt: skip


def _coin_run(seed, updates, share):
    """Returns of a run that makes each update with probability share[475 reached]."""
    coin = np.random.default_rng([seed, 1])
    return n12.cartpole_run(
        seed, updates, lambda _, solved: coin.random() < share[int(solved)]
    )[0]


def penalty_runs(seeds=10, updates=36, batch=8192, first=(0.01, 1.0, 100.0)):
    """PPO with an adaptive penalty from some first beta, and TRPO, on CartPole (13).

    Target and limit are .05. Returns beta_first [3], and kl, beta (after the update),
    return_mean [4, seeds, updates]: the first three by price, then TRPO.
    """
    same = dict(batch=batch, steps=updates * batch, until=np.inf)
    columns = ("kl", "beta", "return_mean")
    found = [
        runs("CartPole-v1", "ppo-penalty", seeds, columns, beta=x, target_kl=0.05,
             **same)
        for x in first
    ]  # fmt: skip
    found.append(runs("CartPole-v1", "trpo", seeds, columns, delta=0.05, **same))
    stacked = {name: np.stack([x[name] for x in found]) for name in columns}
    return {"beta_first": np.array(first), **stacked}


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


MEASUREMENTS = {
    f.__name__: f
    for f in (
        cg_cost,
        update_cost,
        trpo_acrobot,
        trpo_ablations,
        trpo_after,
        trpo_mass,
        trpo_guard,
        penalty_runs,
        capstone_choices,
        legged_models,
    )
}


def save(name, arrays, folder=FOLDER):
    """Write the arrays to NAME.npz, whole or not at all; the path."""
    arrays = {key: np.asarray(value) for key, value in arrays.items()}
    for key, value in arrays.items():
        if value.dtype.kind not in "biufU":
            raise TypeError(
                f"{name}: {key} has dtype {value.dtype}, expected numbers or text"
            )
    path = folder / f"{name}.npz"
    save_arrays(path, arrays, compressed=True)
    return path


def main(arguments=None):
    parser = Parser(PROG, description=__doc__.split("\n")[0])
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=", ".join(MEASUREMENTS)
    )
    names = parser.parse_args(arguments).names or list(MEASUREMENTS)
    unknown = set(names) - set(MEASUREMENTS)
    if unknown:
        parser.error(f"no measurement {', '.join(unknown)}; there are "
                     f"{', '.join(MEASUREMENTS)}")  # fmt: skip
    for name in names:
        path = save(name, MEASUREMENTS[name]())
        say(f"{name}: {path.stat().st_size} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(run(PROG, main, runs=99))
