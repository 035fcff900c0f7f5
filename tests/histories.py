"""Measurements that pages load: `python -m tests.histories [NAME ...]`.

Each entry of `MEASUREMENTS` returns a dict of arrays, stored without pickle as
trpo_lite/course/data/NAME.npz; `trpo_lite.course.data.load(NAME)` reads it. Everything
runs on one thread, and times are processor seconds. Neither the machine nor the date is
stored. After measuring afresh, execute the pages that use it: python -m tests.execute.
The grids of page 15 take hours. Their runs stand in the folder --runs, and those that
are there are not done again: `python -m trpo_lite experiment robots --out runs/robots`
may do them before.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import inspect
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from hashlib import sha256
from multiprocessing import get_context
from pathlib import Path

import gymnasium
import numpy as np

import trpo_lite.train as training
from tests.capstone_histories import capstone_choices, capstone_tasks
from tests.drawn_settings import FRESH, again, drawn, size_name
from tests.drawn_settings import ROBOTS as DRAWN
from tests.legged_histories import (
    legged,
    legged_bias,
    legged_break,
    legged_films,
    legged_logs,
    legged_margin,
    legged_models,
    legged_repeats,
    legged_sweep,
)
from tests.robot_runs import box_of, by_average, uninterrupted
from tests.tried_policies import robots_tried
from trpo_lite import film, lqr
from trpo_lite._terminal import Parser, run, say
from trpo_lite.conjugate_gradient import conjugate_gradient
from trpo_lite.course import n10, n12, n15
from trpo_lite.course.data import FOLDER
from trpo_lite.course.runs import Runs, compact
from trpo_lite.environments import make_environment
from trpo_lite.experiment import local_pool, read_grid, run_grid
from trpo_lite.files import load_arrays, policy_to_arrays, save_arrays
from trpo_lite.history import History, versions
from trpo_lite.policies import LinearGaussian, LinearSoftmax
from trpo_lite.ppo import penalty_gradient, ppo_penalty_update
from trpo_lite.rollout import Samples, collect
from trpo_lite.settings import Settings, preset
from trpo_lite.simulator import silence
from trpo_lite.spaces import make_policy, to_environment
from trpo_lite.train import evaluate_policy, train
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
# page 15
ROBOTS = (
    *("HalfCheetah-v5", "Hopper-v5", "Walker2d-v5", "Swimmer-v5", "Ant-v5"),
    *("Reacher-v5", "InvertedPendulum-v5", "InvertedDoublePendulum-v5"),
)
IDENTITY = ("env_id", "algorithm", "seed")  # what a history's settings hold beside
WAVES = ("features_frequencies", "features_phases")


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


def trpo_ablations(seeds=40, batches=36, batch=4096):
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


def grid(file_or_name, folder, episodes=100):
    """The compact arrays of a grid whose runs stand in `folder`; missing ones are done.

    `evaluation` is by the average action (`n15.on_average`); by_mode and, of TRPO,
    by_samples [R] are the same policies' mean returns if they act in these ways.
    largest_kl, largest_ratio [R] are those of single updates.
    """
    rows = finished(read_grid(file_or_name), folder, episodes)
    runs = [(run.label, history) for run, history, _ in rows]
    others = np.float32([others for *_, others in rows]).T
    more = dict(zip(("by_mode", "by_samples"), others))
    for name, column in (("largest_kl", "kl"), ("largest_ratio", "max_ratio")):
        more[name] = np.float32([history[column].max() for _, history in runs])
    return compact(runs) | more | swimmer_paths(runs)


def finished(runs, folder, episodes=100):
    """(run, history, others) of each, done if its file is not in `folder`.

    The history's evaluation is by the average action; others: see `played`.
    RuntimeError that names the first run that failed.
    """
    cores = os.cpu_count() or 1
    outcomes = run_grid(
        tuple(runs), folder, lambda: local_pool(cores), cores, say, episodes=episodes
    )
    for outcome in outcomes:
        if outcome.problem:
            raise RuntimeError(f"{outcome.run.name}: {outcome.problem}")
    with ProcessPoolExecutor(cores, get_context("spawn")) as pool:
        files = [outcome.file for outcome in outcomes]
        rows = [*pool.map(played, files, [episodes] * len(files))]
    return [(x.run, *row) for x, row in zip(outcomes, rows, strict=True)]


def played(file, episodes):
    """A run evaluated by its average action, and (mode's, samples') mean returns.

    Samples are played of TRPO's runs alone; the others' mean is NaN. The returns are
    kept beside the run's file, and not played again as long as that is the same.
    """
    history, kept = History.load(file), file.parent / "played" / file.name
    of = f"{episodes} episodes of {sha256(file.read_bytes()).hexdigest()}"
    ways = load_arrays(kept) if kept.exists() else {}
    if str(ways.get("of")) != of:
        ways = {"of": np.array(of), **play(history, episodes)}
        kept.parent.mkdir(exist_ok=True)
        save_arrays(kept, ways)
    means = history.evaluation.mean(), ways["samples"].mean()
    return history.with_evaluation(ways["average"]), means


def play(history, episodes):
    """Returns [episodes] by the average action, and of TRPO's runs by samples."""
    s = history.settings
    ways = {"average": by_average(history.policy, s["env_id"])}
    found = {"samples": np.array([np.nan])}
    if s["algorithm"] == "trpo":
        ways["samples"] = history.policy.sample
    for name, act in ways.items():
        found[name] = evaluate_policy(
            s["env_id"], history.policy, episodes, s["seed"], act=act
        )
    return found


def swimmer_paths(runs, seconds=40.0, every=4):
    """How TRPO's swimmers move: path/LABEL/SEED, and under it /above and /held.

    path/LABEL/SEED : [T, 5] poses each .16 s by the average action, as in `swim`, in
        whole mm and mrad
    above : [2] share of sampled actions above 0 in the second half, by motor
    held : [2, 2] metres that the centre of mass gets forward if motor i is held at -1,
        at 1; the other acts on average
    """
    found, box = {}, box_of("Swimmer-v5")
    for label, history in runs:
        s, policy = history.settings, history.policy
        if (s["env_id"], s["algorithm"]) != ("Swimmer-v5", "trpo"):
            continue
        key, act = f"path/{label}/{s['seed']}", n15.on_average(policy, box)
        poses, _ = swim(act, seconds)
        found[key] = np.int32(np.round(1000 * poses[::every]))
        rng = np.random.default_rng(0)
        _, actions = swim(lambda seen: policy.sample(seen, rng), seconds)  # noqa: B023
        found[f"{key}/above"] = np.float32(np.mean(actions[len(actions) // 2 :] > 0, 0))
        held = [
            [
                n15.forward(swim(holding(act, motor, force), seconds)[0])[1]
                for force in (-1, 1)
            ]
            for motor in (0, 1)
        ]
        found[f"{key}/held"] = np.float32(held)
    return found


def holding(act, motor, force):
    """`act` with one motor's action always `force`."""

    def forced(seen):
        actions = act(seen).copy()
        actions[:, motor] = force
        return actions

    return forced


def swim(act, seconds, seed=0):
    """(poses [T + 1, 5], actions [T, 2]) of the first `seconds` of Swimmer's episode.

    A pose is MuJoCo's `qpos`: two metres, three radians. Actions are those of `act`,
    before they are clipped.
    """
    with silence():
        env = gymnasium.make("Swimmer-v5", disable_env_checker=True).unwrapped
    accepted, (seen, _) = to_environment(env), env.reset(seed=seed)
    poses, actions = [env.data.qpos.copy()], []
    for _ in range(round(seconds / env.dt)):
        actions.append(act(seen[None])[0])
        seen, *_ = env.step(accepted(actions[-1]))
        poses.append(env.data.qpos.copy())
    env.close()
    return np.array(poses), np.array(actions)


def robots(folder):
    """Eight robots, five algorithms, five to ten seeds (page 15).

    See `compact` and `swimmer_paths`.
    """
    return grid("robots", folder)


def robots_break(folder):
    """The same with something wrong, named by each run's label (page 15)."""
    return grid("robots_break", folder)


def robots_long(folder):
    """TRPO's Walker2d with three times the steps (page 15)."""
    return grid("robots_long", folder)


def robots_search(folder):
    """TRPO's Walker2d with the settings that a later search found (page 15)."""
    return grid("robots_search", folder)


def robots_drawn(folder, episodes=20):
    """Settings drawn by lot, as many for each algorithm, and the best again (page 15).

    T tasks, A algorithms, D draws, S fresh seeds. Returns task [T]; algorithm [A];
    steps [T], of a run; size [T, A, D], the step sizes; score [T, A, D]; best [T, A],
    the draw whose score is largest; seed [S] and fresh [T, A, S], the scores of its
    settings with fresh seeds; hours, of all runs by their clocks; versions, of what
    made them. A score is the mean return of fresh episodes by the average action.
    """
    pairs = [(env_id, name) for env_id in DRAWN for name in n15.ALGORITHMS]
    shape, made_by = (len(DRAWN), len(n15.ALGORITHMS), -1), []

    def scores(runs):
        rows = finished(runs, folder, episodes)
        made_by.extend(history.versions for _, history, _ in rows)
        clocks = [history["seconds"][-1] for _, history, _ in rows]
        found = [history.evaluation.mean() for _, history, _ in rows]
        return np.reshape(found, shape), sum(clocks) / 3600

    lots = [drawn(*pair) for pair in pairs]
    score, hours = scores([run for lot in lots for run in lot])
    best = score.argmax(-1)
    chosen = [lot[i] for lot, i in zip(lots, best.ravel(), strict=True)]
    fresh, more = scores([run for x in chosen for run in again(x)])
    sizes = [
        dict(run.settings)[size_name(run.algorithm)] for lot in lots for run in lot
    ]
    return {
        "task": np.array(list(DRAWN)),
        "algorithm": np.array(list(n15.ALGORITHMS)),
        "steps": np.array([steps for steps, _ in DRAWN.values()]),
        "size": np.reshape(sizes, shape),
        "score": np.float32(score),
        "best": best,
        "seed": np.array(FRESH),
        "fresh": np.float32(fresh),
        "hours": np.array(hours + more),
        "versions": np.array(
            sorted({f"{name} {x}" for of in made_by for name, x in of.items()})
        ),
    }


def robots_floors(episodes=100, tasks=ROBOTS):
    """What is had for nothing: returns of actions that ignore what is seen (page 15).

    Returns task [T]; random (uniform in the action space) and still (all motors off):
    [T, episodes]; versions.
    """
    random = [
        blind_returns(env_id, episodes, np.random.default_rng(0)) for env_id in tasks
    ]
    still = [blind_returns(env_id, episodes) for env_id in tasks]
    both = {"random": np.float32(random), "still": np.float32(still)}
    made_by = np.array([f"{name} {x}" for name, x in versions().items()])
    return {"task": np.array(tasks), **both, "versions": made_by}


def blind_returns(env_id, episodes, rng=None):
    """Returns [episodes] of uniformly random actions, of zeros without `rng`."""
    env = make_environment(env_id, episodes)
    env.reset(seed=0)
    box, total = env.action_space, np.zeros(episodes)
    alive, action = np.ones(episodes, dtype=bool), np.zeros_like(box.low)
    while alive.any():
        if rng is not None:
            action = rng.uniform(box.low, box.high).astype(box.dtype)
        _, rewards, terminated, truncated, _ = env.step(action)
        total += rewards * alive
        alive &= ~(terminated | truncated)
    env.close()
    return total


def robots_films(tasks=ROBOTS, length=4.0, episodes=20):
    """Each robot before, half-way through and after its training (page 15).

    Trained again is TRPO's seed in the middle of a task's scores (of two the lower).
    TASK/seed is its number. Keys TASK/WHEN/NAME: the arrays of a `Film`. At the start
    all weights are zero and it shows samples; later it shows the average action of a
    policy whose arrays are TASK/WHEN/policy/NAME, those of its fixed waves
    TASK/waves/NAME; score is its mean return over fresh episodes.
    """
    stored, arrays = Runs.stored("robots"), {}
    for env_id in tasks:
        runs = stored.of(env_id, "trpo")
        middle = np.argsort(runs.scores)[(len(runs) - 1) // 2]
        settings, policies = runs.settings[middle], []
        seed = settings["seed"]
        uninterrupted(train(
            env_id, "trpo", seed=seed, progress=False,
            callback=lambda row, policy: policies.append(policy),  # noqa: B023
            **{k: v for k, v in settings.items() if k not in IDENTITY},
        ))  # fmt: skip
        blank = np.zeros_like(policies[0].theta)
        blank[-policies[0].action_dim :] = settings["log_std"]
        arrays[f"{env_id}/seed"] = np.array(seed)
        rng, box = np.random.default_rng(0), box_of(env_id)
        first = policies[0].with_theta(blank)
        for when, policy in (
            ("start", first),
            ("half-way", policies[len(policies) // 2 - 1]),
            ("end", policies[-1]),
        ):
            act = n15.on_average(policy, box)
            if policy is first:
                act = lambda seen: first.sample(seen, rng)  # noqa: B023, E731
            found = film.record(env_id, act, length).arrays()
            if policy is not first:
                for name, array in policy_to_arrays(policy).items():
                    small = np.float32(array) if array.dtype == float else array
                    if name in WAVES:
                        arrays[f"{env_id}/waves/{name}"] = small
                    else:
                        found[f"policy/{name}"] = small
                returns = evaluate_policy(
                    env_id, policy, episodes, seed,
                    act=lambda seen, rng, act=act: act(seen),
                )  # fmt: skip
                found["score"] = np.float32(returns.mean())
            arrays |= {f"{env_id}/{when}/{k}": array for k, array in found.items()}
    return arrays


def robots_cost(tasks=ROBOTS, batches=12, repeats=5, env_id="HalfCheetah-v5"):
    """Where the processor's time goes (page 15), in seconds.

    Returns task [T] and of each of its steps in the first batches of TRPO by the
    preset: simulator (the same actions played again), acting (the rest of collecting)
    and learning [T]. Of one update of 6 Gaussian actions: batch and update_of_batch,
    with 17 features, and parameters and update_of_parameters, with a batch of 4000. Of
    each step of `env_id`: environments (side by side), collecting and stepping.
    """
    shares = np.array([step_costs(task, batches) for task in tasks])
    sizes = 250 * 2 ** np.arange(8)
    features = np.array([2, 5, 10, 20, 50, 100, 200, 500, 1000])
    side = 2 ** np.arange(8)
    both = np.array([collecting_costs(env_id, n) for n in side])
    return {
        "task": np.array(tasks),
        **dict(zip(("simulator", "acting", "learning"), shares.T)),
        "batch": sizes,
        "update_of_batch": np.array([update_seconds(N, 17, repeats) for N in sizes]),
        "parameters": 6 * features + 6,
        "update_of_parameters": np.array(
            [update_seconds(4000, k, repeats) for k in features]
        ),
        "environments": side,
        "collecting": both[:, 0],
        "stepping": both[:, 1],
    }


def step_costs(env_id, batches):
    """(simulator, acting, learning) seconds a step of TRPO by the preset."""
    s = Settings(**preset(env_id, "trpo"))
    env, times = make_environment(env_id, s.environments), {"collect": 0.0}
    actions = recorded(env)

    def timed(*args):
        start = time.process_time()
        found = collect(*args)
        times["collect"] += time.process_time() - start
        return found

    policy = training.initial_policy(env, s, np.random.default_rng(1))
    rng, steps = np.random.default_rng(0), 0
    training.collect = timed
    try:
        start = time.process_time()
        run = training.iterations(env, policy, "trpo", s, rng)
        for _, (_, batch, _) in zip(range(batches), run):
            steps += len(batch)
        whole = time.process_time() - start
    finally:
        training.collect = collect
    env.close()
    seed = int(np.random.default_rng(0).integers(2**31))  # that `collect` draws first
    simulator = replayed(make_environment(env_id, s.environments), seed, actions)
    parts = simulator, times["collect"] - simulator, whole - times["collect"]
    return tuple(part / steps for part in parts)


def collecting_costs(env_id, environments, steps=4096):
    """(collecting, stepping alone) seconds a step."""
    env = make_environment(env_id, environments)
    actions, policy = recorded(env), make_policy(env)
    start = time.process_time()
    batch, _ = collect(env, policy, steps, np.random.default_rng(0))
    whole = time.process_time() - start
    env.close()
    seed = int(np.random.default_rng(0).integers(2**31))
    simulator = replayed(make_environment(env_id, environments), seed, actions)
    return whole / len(batch), simulator / len(batch)


def recorded(env):
    """A list to which `env` appends the actions of every step from now on."""
    actions, step = [], env.step

    def remembering(action):
        actions.append(action)
        return step(action)

    env.step = remembering
    return actions


def replayed(env, seed, actions):
    """Processor seconds of the same steps without anything else."""
    env.reset(seed=seed)
    start = time.process_time()
    for action in actions:
        env.step(action)
    took = time.process_time() - start
    env.close()
    return took


def update_seconds(rows, features, repeats):
    """Seconds of one TRPO update of 6 Gaussian actions."""
    rng = np.random.default_rng(0)
    policy, seen = LinearGaussian.zeros(features, 6), rng.normal(size=(rows, features))
    batch, A = Samples(seen, policy.sample(seen, rng)), rng.normal(size=rows)
    return seconds(lambda: trpo_update(policy, batch, A, 0.05, damping=1e-3), repeats)


def robots_linear(seeds=5, robots=("HalfCheetah-v5", "Reacher-v5"), **settings):
    """TRPO with a policy that is linear in the observation (page 15).

    Seeds from 20. Returns `compact` arrays: Pendulum-v1 with labels "linear" and
    "fourier" (200 waves), `robots` with "linear"; with waves they are in `robots`. And
    of Pendulum's runs in the middle map/torque [2, angles, speeds], the mode over
    map/angle and map/speed [degrees from upright, radians a second].
    """
    runs, middle = [], []
    pendulum = [("Pendulum-v1", "linear"), ("Pendulum-v1", "fourier")]
    for env_id, features in (*pendulum, *((robot, "linear") for robot in robots)):
        group = []
        for seed in range(20, 20 + seeds):
            history = uninterrupted(
                train(env_id, seed=seed, progress=False, features=features, **settings)
            )
            returns = evaluate_policy(
                env_id,
                history.policy,
                100,
                seed,
                act=by_average(history.policy, env_id),
            )
            group.append(history.with_evaluation(returns))
        order = np.argsort([x.evaluation.mean() for x in group])
        middle.append(group[order[(seeds - 1) // 2]].policy)
        runs += [(features, history) for history in group]
    angle, speed = np.linspace(-180, 180, 61), np.linspace(-8, 8, 41)
    theta, omega = np.meshgrid(np.radians(angle), speed, indexing="ij")
    seen = np.stack([np.cos(theta), np.sin(theta), omega], -1).reshape(-1, 3)
    torque = np.float32([x.mode(seen).reshape(theta.shape) for x in middle[:2]])
    shown = {"map/angle": angle, "map/speed": speed, "map/torque": torque}
    return compact(runs) | shown


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
        robots,
        robots_break,
        robots_long,
        robots_search,
        robots_tried,
        robots_drawn,
        robots_floors,
        robots_films,
        robots_linear,
        robots_cost,
        capstone_choices,
        capstone_tasks,
        legged_logs,
        legged_models,
        legged_repeats,
        legged_bias,
        legged,
        legged_break,
        legged_sweep,
        legged_films,
        legged_margin,
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
    parser.add_argument(
        "--runs", default="runs", type=Path, help="folder of the grids' runs"
    )
    options = parser.parse_args(arguments)
    names = options.names or list(MEASUREMENTS)
    unknown = set(names) - set(MEASUREMENTS)
    if unknown:
        parser.error(f"no measurement {', '.join(unknown)}; there are "
                     f"{', '.join(MEASUREMENTS)}")  # fmt: skip
    for name in names:
        measure = MEASUREMENTS[name]
        of_a_grid = "folder" in inspect.signature(measure).parameters
        arrays = measure(options.runs / name) if of_a_grid else measure()
        path = save(name, arrays)
        say(f"{name}: {path.stat().st_size} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(run(PROG, main, runs=99))
