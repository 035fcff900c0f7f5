"""Batches against worlds whose every step is known, in both autoreset modes."""

from dataclasses import dataclass

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from trpo_lite.rollout import Batch, RunningMoments, collect, vectorize
from trpo_lite.spaces import to_environment


class Script(gymnasium.Env):
    """Episodes of given (length, ending); observation (episode, t), reward 10 e + t."""

    observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (2,), dtype=np.float64)
    action_space = gymnasium.spaces.Discrete(2)

    def __init__(self, *episodes):
        self.episodes, self.episode, self.t = episodes, -1, 0

    def observe(self):
        return np.array([self.episode, self.t], dtype=float)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.episode, self.t = self.episode + 1, 0
        return self.observe(), {}

    def step(self, action):
        reward = 10.0 * self.episode + self.t
        length, ending = self.episodes[self.episode % len(self.episodes)]
        self.t += 1
        done = self.t == length
        return (
            self.observe(),
            reward,
            done and "T" in ending,
            done and "t" in ending,
            {},
        )


@dataclass(frozen=True)
class Coin:
    """Heads or tails, whatever is seen."""

    def sample(self, observations, rng):
        return rng.integers(2, size=len(observations))


SCRIPTS = [
    [(3, "T"), (2, "t")],
    [(1, "t"), (4, "T"), (1, "T")],
    [(50, "T")],
    [(2, "Tt")],
]
MODES = [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP]


def scripted(mode):
    return SyncVectorEnv([lambda s=s: Script(*s) for s in SCRIPTS], autoreset_mode=mode)


def truth(script, steps):
    """Rows (obs, reward, next_obs, terminated, truncated, time) by stepping one env."""
    env, rows = Script(*script), []
    obs, _ = env.reset()
    time = 0
    while len(rows) < steps:
        next_obs, reward, terminated, truncated, _ = env.step(0)
        rows.append((obs, reward, next_obs, terminated, truncated, time))
        obs, time = next_obs, time + 1
        if terminated or truncated:
            (obs, _), time = env.reset(), 0
    return rows


def columns(batch, i):
    """The rows of environment i, in order."""
    env_index = np.broadcast_to(np.arange(batch.valid.shape[1]), batch.valid.shape)
    rows = env_index[batch.valid] == i
    return [
        getattr(batch, name)[rows]
        for name in (
            *("observations", "rewards", "next_observations"),
            *("terminated", "truncated", "time"),
        )
    ]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("chunks", [[40], [4, 4, 4, 4, 4, 20], [1] * 10, [17, 23]])
def test_rows_are_those_of_single_environments_across_batches(mode, chunks):
    env, rng, state = scripted(mode), np.random.default_rng(0), None
    batches = []
    for steps in chunks:
        batch, state = collect(env, Coin(), steps, rng, state)
        assert batch.valid.shape == (-(-steps // 4), 4)
        assert len(batch) == batch.valid.sum() == len(batch.actions)
        batches.append(batch)
    for i, script in enumerate(SCRIPTS):
        pieces = zip(*(columns(b, i) for b in batches), strict=True)
        parts = [np.concatenate(p) for p in pieces]
        rows = truth(script, len(parts[1]))
        for got, want in zip(parts, zip(*rows, strict=True), strict=True):
            np.testing.assert_array_equal(got, want)
    if mode == AutoresetMode.SAME_STEP:
        assert all(b.valid.all() for b in batches)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("chunks", [[80], [4] * 20, [12, 28, 40]])
def test_episode_returns_and_lengths_go_on_across_batches(mode, chunks):
    env, rng, state = scripted(mode), np.random.default_rng(0), None
    returns, lengths, rows = [], [], 0
    for steps in chunks:
        batch, state = collect(env, Coin(), steps, rng, state)
        returns += list(batch.episode_returns)
        lengths += list(batch.episode_lengths)
        rows += len(batch)
    expected = []
    for i, script in enumerate(SCRIPTS):
        total, length = 0.0, 0
        for _, reward, _, terminated, truncated, _ in truth(script, 20):
            total, length = total + reward, length + 1
            if terminated or truncated:
                expected.append((i, total, length))
                total, length = 0.0, 0
    got = sorted(zip(returns, lengths, strict=True))
    known = sorted((r, n) for _, r, n in expected)
    if mode == AutoresetMode.SAME_STEP:
        assert got == known
        assert sum(lengths) + state.lengths.sum() == rows == 80
    else:  # reset rows take room, so the last episodes are still to come
        assert len(got) > 10 and set(got) <= set(known)
        assert sum(lengths) + state.lengths.sum() == rows < 80


def test_returns_are_chronological():
    batch, _ = collect(scripted(MODES[1]), Coin(), 16, np.random.default_rng(0))
    # t=0: env 1; t=1: env 3; t=2: env 0; t=3: env 3
    np.testing.assert_array_equal(batch.episode_lengths, [1, 2, 3, 2])
    np.testing.assert_array_equal(batch.episode_returns, [0, 1, 3, 21])


def test_next_step_reset_rows_are_left_out_and_same_step_keeps_final_observation():
    following, _ = collect(scripted(MODES[0]), Coin(), 24, np.random.default_rng(0))
    np.testing.assert_array_equal(following.valid[:, 3], [1, 1, 0, 1, 1, 0])
    same, _ = collect(scripted(MODES[1]), Coin(), 24, np.random.default_rng(0))
    end = np.flatnonzero(same.terminated | same.truncated)
    assert (same.next_observations[end, 1] == same.time[end] + 1).all()


def test_both_endings_at_once_count_as_terminated_and_truncated():
    batch, _ = collect(scripted(MODES[1]), Coin(), 8, np.random.default_rng(0))
    assert batch.terminated[-1] and batch.truncated[-1]


def test_single_environment_is_wrapped_once_and_recognised():
    env, rng = Script((3, "t")), np.random.default_rng(0)
    batch, state = collect(env, Coin(), 5, rng)
    batch, state2 = collect(env, Coin(), 5, rng, state)
    assert state2.env is state.env
    assert batch.valid.shape == (5, 1)
    with pytest.raises(ValueError, match="state belongs to"):
        collect(Script((3, "t")), Coin(), 5, rng, state)


def test_cartpole_vector_entry_point_obeys_the_laws_of_single_cartpole():
    env = gymnasium.make_vec(
        "CartPole-v1", num_envs=16, vectorization_mode="vector_entry_point"
    )
    batch, state = collect(env, Coin(), 16 * 100, np.random.default_rng(3))
    single = gymnasium.make("CartPole-v1").unwrapped
    single.reset(seed=0)
    for row in range(0, len(batch), 7):
        single.state, single.steps_beyond_terminated = batch.observations[row], None
        obs, reward, terminated, _, _ = single.step(int(batch.actions[row]))
        np.testing.assert_allclose(obs, batch.next_observations[row], atol=1e-5)
        assert reward == batch.rewards[row] and terminated == batch.terminated[row]
    assert batch.episode_returns.sum() + state.returns.sum() == len(batch)
    starts = batch.observations[batch.time == 0]
    assert np.abs(starts).max() <= 0.05 and len(starts) > 30


def test_same_seed_same_rows():
    def run(seed):
        env = gymnasium.make_vec("CartPole-v1", num_envs=4)
        return collect(env, Coin(), 100, np.random.default_rng(seed))[0]

    a, b, c = run(1), run(1), run(2)
    np.testing.assert_array_equal(a.observations, b.observations)
    np.testing.assert_array_equal(a.actions, b.actions)
    assert not np.array_equal(a.observations[:4], c.observations[:4])


class Box(Script):
    """Records what it is sent."""

    action_space = gymnasium.spaces.Box(-1, 1, (2,), dtype=np.float32)

    def step(self, action):
        assert self.action_space.contains(action), action
        return super().step(action)


@dataclass(frozen=True)
class Wide:
    def sample(self, observations, rng):
        return 3 * rng.standard_normal((len(observations), 2))


def test_gaussian_actions_are_clipped_for_the_world_only():
    batch, _ = collect(Box((3, "t")), Wide(), 20, np.random.default_rng(0))
    assert np.abs(batch.actions).max() > 1
    sent = to_environment(vectorize(Box((3, "t"))))(np.array([[5.0, -0.5]]))
    np.testing.assert_array_equal(sent, np.array([[1, -0.5]], dtype=np.float32))


class Offset(Script):
    observation_space = gymnasium.spaces.Discrete(4, start=1)
    action_space = gymnasium.spaces.Discrete(2, start=-1)

    def observe(self):
        return self.t + 1

    def step(self, action):
        assert self.action_space.contains(action), action
        return super().step(action)


@pytest.mark.parametrize("mode", MODES)
def test_discrete_spaces_that_do_not_start_at_zero(mode):
    env = SyncVectorEnv([lambda: Offset((3, "T"))], autoreset_mode=mode)
    batch, _ = collect(env, Coin(), 8, np.random.default_rng(0))
    assert batch.observations.dtype == np.int64
    np.testing.assert_array_equal(batch.observations, batch.time)
    np.testing.assert_array_equal(batch.next_observations, batch.time + 1)
    assert set(batch.actions) == {0, 1}


def test_moments_are_those_of_all_rows_and_carried_in_the_state():
    env, rng = scripted(MODES[0]), np.random.default_rng(0)
    one, state = collect(env, Coin(), 30, rng)
    first = state.moments
    two, state = collect(env, Coin(), 50, rng, state)
    rows = np.concatenate([one.observations, two.observations])
    assert state.moments.count == len(rows) and first.count == len(one)
    np.testing.assert_allclose(state.moments.mean, rows.mean(0))
    np.testing.assert_allclose(state.moments.std, rows.std(0))


def test_moments_of_constant_rows_are_safe_to_divide_by():
    moments = RunningMoments.zeros(2).update(np.ones((5, 2))).update(np.ones((0, 2)))
    np.testing.assert_array_equal(moments.std, [1, 1])
    np.testing.assert_array_equal(RunningMoments.zeros(2).std, [1, 1])


def test_to_grid():
    batch, _ = collect(scripted(MODES[0]), Coin(), 24, np.random.default_rng(0))
    grid = batch.to_grid(batch.rewards, fill=np.nan)
    assert grid.shape == (6, 4)
    np.testing.assert_array_equal(grid[batch.valid], batch.rewards)
    assert np.isnan(grid[~batch.valid]).all() and (~batch.valid).any()
    with pytest.raises(ValueError, match=r"x has shape \(3,\)"):
        batch.to_grid(np.zeros(3))


def test_bad_input_is_refused():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="steps must be an integer >= 1, got 0"):
        collect(Script((3, "t")), Coin(), 0, rng)
    with pytest.raises(TypeError, match="env must be a Gymnasium environment"):
        collect("CartPole-v1", Coin(), 10, rng)
    env = SyncVectorEnv(
        [lambda: Script((3, "t"))], autoreset_mode=AutoresetMode.DISABLED
    )
    with pytest.raises(ValueError, match="env must reset itself"):
        collect(env, Coin(), 10, rng)
    with pytest.raises(TypeError, match="no policy for observations MultiBinary"):
        env = Script((3, "t"))
        env.observation_space = gymnasium.spaces.MultiBinary(2)
        collect(env, Coin(), 10, rng)
    with pytest.raises(TypeError, match="with actions MultiBinary"):
        env = Script((3, "t"))
        env.action_space = gymnasium.spaces.MultiBinary(2)
        collect(env, Coin(), 10, rng)


@pytest.mark.parametrize("name", ["observation", "reward"])
def test_non_finite_worlds_are_refused(name):
    class Broken(Script):
        def step(self, action):
            obs, reward, *rest = super().step(action)
            if self.t == 2:
                obs, reward = (
                    (obs * np.nan, reward) if name == "observation" else (obs, np.inf)
                )
            return obs, reward, *rest

    with pytest.raises(ValueError, match=f"the environment gave an? {name} that is"):
        collect(Broken((3, "t")), Coin(), 10, np.random.default_rng(0))


def test_batch_is_frozen():
    batch, _ = collect(Script((3, "t")), Coin(), 4, np.random.default_rng(0))
    assert isinstance(batch, Batch)
    with pytest.raises(AttributeError):
        batch.rewards = 0
