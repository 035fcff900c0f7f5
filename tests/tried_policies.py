"""Page 15: a Walker2d's last policy, and the best of ten that are tried."""

import json
import os
from dataclasses import asdict
from functools import partial

import mujoco  # noqa: F401 (`versions` tells of what is imported)
import numpy as np

from tests.average_action import by_average
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
    of fresh episodes of the last policy and of the one whose trial was best.
    """
    folder.mkdir(parents=True, exist_ok=True)
    cores = os.cpu_count() or 1
    pairs = [(label, seed) for label in SETTINGS for seed in SEEDS]
    with local_pool(cores) as pool:
        rows = [*pool.map(partial(one_run, folder), *zip(*pairs))]
    names, shape = ("trial", "last", "best"), (len(SETTINGS), len(SEEDS), -1)
    used = [asdict(_settled(label, STEPS)) for label in SETTINGS]
    return {
        "label": np.array(list(SETTINGS)),
        "settings": np.array([json.dumps(x) for x in used]),
        "seed": np.array(SEEDS),
        **{x: np.float32([row[x] for row in rows]).reshape(shape) for x in names},
        "versions": np.array([f"{name} {x}" for name, x in versions().items()]),
    }


def _settled(label, steps):
    return settled(TASK, "trpo", False, {**SETTINGS[label], "steps": steps})


def one_run(folder, label, seed, steps=STEPS, apart=APART, episodes=100):
    """trial, last and best of a run, from its file in `folder` if it is there."""
    file = folder / f"{label} {seed} {steps} {episodes}.npz"
    if file.exists():
        return load_arrays(file)
    policies = []
    train(
        TASK,
        seed=seed,
        progress=False,
        callback=lambda row, policy: policies.append(policy),
        **asdict(_settled(label, steps)),
    )
    tried = policies[::-apart][:TRIED][::-1]
    trial = np.array([_play(x, EPISODES, seed + 10_000).mean() for x in tried])
    found = {
        "trial": trial,
        "last": _play(tried[-1], episodes, seed),
        "best": _play(tried[int(trial.argmax())], episodes, seed),
    }
    save_arrays(file, found)
    return found


def _play(policy, episodes, seed):
    act = by_average(policy, TASK)
    return evaluate_policy(TASK, policy, episodes, seed, act=act)
