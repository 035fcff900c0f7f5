"""Page 15: a Walker2d's last policy, and the best of ten that are tried."""

import json
import os
import time
from dataclasses import asdict
from functools import partial

import mujoco  # noqa: F401 (`versions` tells of what is imported)
import numpy as np

from tests.robot_runs import by_average, uninterrupted
from trpo_lite.experiment import local_pool
from trpo_lite.files import load_arrays, save_arrays
from trpo_lite.history import versions
from trpo_lite.settings import settled
from trpo_lite.train import evaluate_policy, train

TASK, SEEDS = "Walker2d-v5", range(20, 30)
SEARCH = dict(gamma=0.99, lam=0.99, log_std=-1.0, delta=0.063)
SETTINGS = {
    "preset": {},
    "search": {**SEARCH, "decay": 0.5},
    "no decay": {**SEARCH, "decay": 0.0},
}
#: the policies tried, the updates between two of them, and the episodes of each
TRIED, APART, EPISODES = 10, 10, 5
#: of training; a million with those of the trials
STEPS = 944_000


def robots_tried(folder):
    """Walker2d's last policies, and the best of ten tried (page 15).

    L settings, S seeds. Returns label, settings (JSON) [L]; seed [S]; and, all by the
    average action, trial [L, S, TRIED], mean returns of `EPISODES` episodes, in the
    order of training, the last policy's at the end; last and best [L, S, 100], returns
    of fresh episodes of the last policy and of the one whose trial was best; hours, of
    all runs by their clocks, with the trials and the fresh episodes.
    """
    cores = os.cpu_count() or 1
    pairs = [(label, seed) for label in SETTINGS for seed in SEEDS]
    with local_pool(cores) as pool:
        rows = [*pool.map(partial(one_run, folder), *zip(*pairs))]
    names, shape = ("trial", "last", "best"), (len(SETTINGS), len(SEEDS), -1)
    return {
        "label": np.array(list(SETTINGS)),
        "settings": np.array([_settings(label, STEPS) for label in SETTINGS]),
        "seed": np.array(SEEDS),
        **{x: np.float32([row[x] for row in rows]).reshape(shape) for x in names},
        "hours": np.array(sum(float(row["seconds"]) for row in rows) / 3600),
        "versions": np.array([f"{name} {x}" for name, x in versions().items()]),
    }


def _settings(label, steps):
    """JSON of all settings of a run."""
    given = {**SETTINGS[label], "steps": steps}
    return json.dumps(asdict(settled(TASK, "trpo", False, given)))


def one_run(folder, label, seed, steps=STEPS, apart=APART, episodes=100):
    """trial, last and best of a run, from its file in `folder` if it is there.

    ValueError if the file there is one of another making.
    """
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{label} {seed}.npz"
    settings = _settings(label, steps)
    how = f"{settings}, {TRIED} {apart} apart, {EPISODES} and {episodes} episodes"
    if file.exists():
        found = load_arrays(file)
        if str(found.get("how")) != how:
            raise ValueError(f"{file} was made in another way: choose another folder")
        return found
    policies, begin = [], time.perf_counter()
    uninterrupted(train(
        TASK,
        seed=seed,
        progress=False,
        callback=lambda row, policy: policies.append(policy),
        **json.loads(settings),
    ))  # fmt: skip
    tried = policies[::-apart][:TRIED][::-1]
    trial = np.array([_play(x, EPISODES, seed + 10_000).mean() for x in tried])
    found = {
        "how": np.array(how),
        "trial": trial,
        "last": _play(tried[-1], episodes, seed),
        "best": _play(tried[int(trial.argmax())], episodes, seed),
        "seconds": np.array(time.perf_counter() - begin),
    }
    save_arrays(file, found)
    return found


def _play(policy, episodes, seed):
    act = by_average(policy, TASK)
    return evaluate_policy(TASK, policy, episodes, seed, act=act)
