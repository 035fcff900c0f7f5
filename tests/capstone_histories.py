"""The measurements of page 18: `python -m tests.histories NAME`.

capstone_choices: one setting at a time is moved away from a base, on two tasks.
capstone_tasks: what the solution reaches on the tasks at the end. What is stored is
plain numbers.
"""

import gymnasium
import numpy as np

from trpo_lite.course.capstone import solution, tasks
from trpo_lite.environments import make_environment
from trpo_lite.rollout import collect
from trpo_lite.train import train

#: {task: (seeds, base settings)}
TASKS = {
    "CartPole-v1": (
        range(1000, 1012),
        dict(steps=81_920, batch=4096, environments=16, gamma=0.99, lam=0.97,
             delta=0.05, until=np.inf, features="linear"),
    ),
    "Pendulum-v1": (
        range(1000, 1003),
        dict(steps=245_760, batch=4096, environments=16, gamma=0.98, lam=0.95,
             delta=0.03, features="fourier", fourier_count=100, bandwidth=2.0),
    ),
}  # fmt: skip
FOURIER = dict(features="fourier", fourier_count=100, bandwidth=2.0)
#: {task: what is moved: (name of the setting, value shown, what `train` is told)}
CHOICES = {
    "CartPole-v1": (
        *(("gamma", x, dict(gamma=x)) for x in (0.8, 0.9, 0.95, 0.99, 0.995, 0.999)),
        *(("lambda", x, dict(lam=x)) for x in (0.0, 0.5, 0.8, 0.97, 1.0)),
        *(("delta", x, dict(delta=x)) for x in (0.001, 0.003, 0.01, 0.05, 0.2, 1.0)),
        *(("batch", x, dict(batch=x)) for x in (512, 1024, 4096, 16384)),
        *(("environments", x, dict(environments=x)) for x in (4, 16, 64, 256)),
        ("scaling", 0.0, dict(normalize_observations=False)),
    ),
    "Pendulum-v1": (
        *(("gamma", x, dict(gamma=x)) for x in (0.8, 0.9, 0.98, 0.995)),
        *(("lambda", x, dict(lam=x)) for x in (0.0, 0.5, 0.95, 1.0)),
        *(("delta", x, dict(delta=x)) for x in (0.003, 0.03, 0.2)),
        *(("batch", x, dict(batch=x)) for x in (2048, 4096, 16384)),
        ("features", 0.0, dict(features="linear")),
        *(("features", x, {**FOURIER, "fourier_count": x}) for x in (20, 100, 300)),
        *(("bandwidth", x, {**FOURIER, "bandwidth": x}) for x in (0.5, 2.0, 8.0)),
    ),
}


def scores(task, history):
    """(mean return of the last policy, mean return over all steps of the run)."""
    steps = np.diff(history["steps"], prepend=0)
    returns = history["return_mean"]
    known = np.isfinite(returns)
    whole = np.average(returns[known], weights=steps[known]) if known.any() else np.nan
    return float(sampled_returns(task, history.policy).mean()), float(whole)


def sampled_returns(task, policy, episodes=100, seed=0):
    """Returns [episodes] of fresh episodes with the policy's noise, one an environment.

    Every episode counts, however long: of a run's own only those count that end in it,
    and where each environment has few steps these are the short ones.
    """
    env = make_environment(task, episodes)
    rng = np.random.default_rng([seed, 1])  # no training's
    T = gymnasium.spec(task).max_episode_steps
    batch, _ = collect(env, policy, T * episodes, rng)
    env.close()
    ended = batch.to_grid(batch.terminated | batch.truncated, fill=False)
    so_far = np.cumsum(batch.to_grid(batch.rewards, fill=0.0), axis=0)
    return so_far[ended.argmax(0), np.arange(episodes)]


def capstone_tasks(chosen=tasks.TASKS, seeds=5):
    """What the solution reaches: task [K], score [K, seeds] of seeds 0, 1, ..."""
    score = [[x.run(vars(solution), seed) for seed in range(seeds)] for x in chosen]
    return {"task": np.array([x.env_id for x in chosen]), "score": np.array(score)}


def capstone_choices(tasks=TASKS):
    """For each task its names and values of settings, late and whole [C, seeds]."""
    found = {}
    for task, (seeds, base) in tasks.items():
        rows, known = [], {}
        for _, _, change in CHOICES[task]:
            settings = {**base, **change}
            key = repr(sorted(settings.items()))
            if key not in known:
                known[key] = [
                    scores(task, train(task, seed=seed, progress=False, **settings))
                    for seed in seeds
                ]
            rows.append(known[key])
        label = task.split("-")[0].lower()
        late, whole = np.moveaxis(np.array(rows, np.float32), 2, 0)
        found |= {
            f"{label}_name": np.array([name for name, _, _ in CHOICES[task]]),
            f"{label}_value": np.array([float(x) for _, x, _ in CHOICES[task]]),
            f"{label}_late": late,
            f"{label}_whole": whole,
        }
    return found
