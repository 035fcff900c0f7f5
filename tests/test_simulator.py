"""The robots' own vector environment against Gymnasium's, to the last bit."""

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import SyncVectorEnv

from trpo_lite.environments import make_environment
from trpo_lite.simulator import TASKS, Robots

# a time limit near which a random robot falls: both ends of an episode occur
LIMITS = {
    "Swimmer-v5": 70,
    "HalfCheetah-v5": 70,
    "Hopper-v5": 18,
    "Walker2d-v5": 18,
    "Ant-v5": 70,
    "Reacher-v5": 50,
    "InvertedPendulum-v5": 5,
    "InvertedDoublePendulum-v5": 6,
}
FALL = ("Hopper-v5", "Walker2d-v5", "InvertedPendulum-v5", "InvertedDoublePendulum-v5")


def make(env_id):
    limit = LIMITS[env_id]
    return gymnasium.make(env_id, max_episode_steps=limit, disable_env_checker=True)


@pytest.mark.filterwarnings("ignore:.*is out of date")
@pytest.mark.parametrize("env_id", LIMITS)
def test_every_number_is_gymnasiums(env_id):
    n, rng = 3, np.random.default_rng(0)
    theirs = SyncVectorEnv([lambda: make(env_id)] * n)
    mine = Robots([make(env_id).unwrapped for _ in range(n)], LIMITS[env_id])
    assert mine.single_action_space == theirs.single_action_space
    assert mine.single_observation_space == theirs.single_observation_space
    assert mine.metadata["autoreset_mode"] == theirs.metadata["autoreset_mode"]
    np.testing.assert_array_equal(mine.reset(seed=5)[0], theirs.reset(seed=5)[0])
    box, ends = mine.single_action_space, np.zeros(2, dtype=int)
    for t in range(260):
        low, high = (box.low, box.high) if t % 3 else (box.low / 9, box.high / 9)
        actions = rng.uniform(low, high, (n, *box.shape)).astype(box.dtype)
        *found, info = mine.step(actions)
        *expected, _ = theirs.step(actions)
        for name, one, other in zip(
            ("observations", "rewards", "terminated", "truncated"), found, expected
        ):
            np.testing.assert_array_equal(one, other, f"{name} at step {t}")
        ends += expected[2].sum(), expected[3].sum()
    assert info == {}
    assert ends[1] > 0 and (ends[0] > 0 or env_id not in FALL)
    # again from the same seed, in the middle of an episode
    np.testing.assert_array_equal(mine.reset(seed=5)[0], theirs.reset(seed=5)[0])
    np.testing.assert_array_equal(mine.step(actions)[0], theirs.step(actions)[0])


def test_every_task_is_compared():
    classes = {type(make(env_id).unwrapped).__name__ for env_id in LIMITS}
    assert classes == set(TASKS)


def test_a_warning_about_gymnasiums_model_reaches_nobody(capfd, tmp_path, monkeypatch):
    """MuJoCo 4 has one for HalfCheetah's, and writes a file beside the reader's."""
    monkeypatch.chdir(tmp_path)
    make_environment("HalfCheetah-v5", 2).close()
    assert capfd.readouterr() == ("", "") and not [*tmp_path.iterdir()]
