"""Samples: a world and a policy make a batch; episodes go on across batches."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from trpo_lite import _check
from trpo_lite.spaces import n_states, policy_kind, to_environment, to_policy


@dataclass(frozen=True)
class RunningMoments:
    """Count, mean [D] and sum of squared deviations `m2` [D] of all rows seen.

    Two sets of rows are merged exactly, in any order (Chan, Golub and LeVeque 1979).
    """

    count: int
    mean: np.ndarray
    m2: np.ndarray

    @classmethod
    def zeros(cls, size):
        """No rows seen yet."""
        return cls(0, np.zeros(size), np.zeros(size))

    def update(self, rows):
        """The moments after seeing `rows` [M, D] as well."""
        m = len(rows)
        if m == 0:
            return self
        columns = np.array(rows.T, np.float64, order="C")  # sums then run along memory
        mean = columns.mean(-1)
        columns -= mean[..., None]
        m2 = np.einsum("...m,...m->...", columns, columns)
        count = self.count + m
        difference = mean - self.mean
        return RunningMoments(
            count,
            self.mean + difference * (m / count),
            self.m2 + m2 + difference**2 * (self.count * m / count),
        )

    @property
    def std(self):
        """Standard deviations [D]; 1 where nothing varies, so that dividing is safe."""
        std = np.sqrt(self.m2 / max(self.count, 1))
        return np.where(std > 1e-8, std, 1.0)


@dataclass(frozen=True)
class Samples:
    """What an update reads of a batch, for samples that are no episodes."""

    observations: np.ndarray  #: [M, D], or [M] integers
    actions: np.ndarray  #: [M, m], or [M] integers

    def __len__(self):
        return len(self.actions)


@dataclass(frozen=True)
class Batch:
    """M real steps, flat, row by row over a grid of T vector steps and N environments.

    `next_observations` is what followed *before* any reset, so it may be bootstrapped
    from. `terminated` ends an episode in the world; `truncated` only stops watching.
    """

    observations: np.ndarray  #: [M, D], or [M] integers
    actions: np.ndarray  #: [M, m], or [M] integers; the policy's, before any clipping
    rewards: np.ndarray  #: [M]
    next_observations: np.ndarray  #: like observations
    terminated: np.ndarray  #: [M] bool
    truncated: np.ndarray  #: [M] bool
    time: np.ndarray  #: [M] steps since the start of the episode
    valid: np.ndarray  #: [T, N] bool: the cells that are real steps
    episode_returns: np.ndarray  #: [E] of the episodes that ended in this batch
    episode_lengths: np.ndarray  #: [E]

    def __len__(self):
        return len(self.rewards)

    def to_grid(self, x, fill=0):
        """`x` [M] laid out in time and environments [T, N]; `fill` elsewhere."""
        x = np.asarray(x)
        if x.shape != (len(self),):
            raise ValueError(f"x has shape {x.shape}, expected ({len(self)},)")
        grid = np.full(self.valid.shape, fill, dtype=np.result_type(x, type(fill)))
        grid[self.valid] = x
        return grid


@dataclass(frozen=True)
class RolloutState:
    """Where the environments stand between two batches. Use the newest one only."""

    env: Any  #: the vector environment that is stepped
    observations: np.ndarray  #: [N, D] or [N]
    needs_reset: np.ndarray  #: [N] bool: the next step of these only resets
    moments: RunningMoments  #: of all observations acted upon so far; of [D] only
    returns: np.ndarray  #: [N] of the unfinished episodes
    lengths: np.ndarray  #: [N]
    source: Any = field(repr=False, default=None)  #: the env that `collect` was given


def vectorize(env):
    """`env` itself if it is a vector environment, a single one wrapped as one.

    TypeError for anything else and for spaces that no policy here can act on;
    ValueError if the environment does not reset itself, or is one and the same several
    times over.
    """
    from gymnasium import Env
    from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv

    if not isinstance(env, (Env, VectorEnv)):
        raise TypeError(f"env must be a Gymnasium environment, got {env!r}")
    policy_kind(env)
    if not isinstance(env, VectorEnv):
        return SyncVectorEnv([lambda: env])
    mode = env.metadata.get("autoreset_mode")
    if mode not in (AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP):
        raise ValueError(
            f"env must reset itself: its autoreset_mode is {mode}, "
            "expected AutoresetMode.NEXT_STEP or AutoresetMode.SAME_STEP"
        )
    if isinstance(env.unwrapped, SyncVectorEnv):
        refuse_shared(env.unwrapped.envs)
    return env


def refuse_shared(envs):
    """ValueError if two of the single environments are one, perhaps wrapped twice."""
    distinct = len({id(env.unwrapped) for env in envs})
    if distinct < len(envs):
        raise ValueError(
            f"{len(envs)} environments are only {distinct}, and would end one "
            "another's episodes: what makes them must make a new one at each call, as "
            "lambda: gymnasium.make(...) does and lambda: env does not"
        )


def collect(env, policy, steps, rng, state=None):
    """Let `policy` act for `steps` rows, rounded up to a whole number of vector steps.

    Parameters
    ----------
    env : Gymnasium environment, single or vector (next-step or same-step autoreset)
    policy : anything with `sample(observations, rng) -> actions`
    steps : rows in all; in next-step mode some are resets, which are left out, but one
        vector step that would only reset is followed by another
    rng : numpy Generator; it also seeds the environments when `state` is None
    state : what the last call returned, so that its episodes go on

    Returns
    -------
    (Batch, RolloutState)

    Raises
    ------
    ValueError if `steps` < 1, if `state` belongs to another environment, or if the
    environment gives an observation or a reward that is not finite.
    """
    from gymnasium.vector import AutoresetMode

    steps = _check.count("steps", steps)
    if state is None:
        state = _start(env, rng)
    elif env is not state.env and env is not state.source:
        raise ValueError(f"state belongs to {state.source}, not to {env}")
    env = state.env
    same_step = env.metadata["autoreset_mode"] == AutoresetMode.SAME_STEP
    n = env.num_envs
    t_max = -(-steps // n)
    if state.needs_reset.all():
        t_max = max(t_max, 2)

    observe = to_policy(env)
    first = state.observations
    seen = np.empty((t_max + 1, *first.shape), dtype=first.dtype)
    seen[0] = first
    rewards = np.empty((t_max, n))
    terminated = np.empty((t_max, n), dtype=bool)
    truncated = np.empty((t_max, n), dtype=bool)
    finals = []
    sample, step, accepted = policy.sample, env.step, to_environment(env)
    for t in range(t_max):
        action = sample(seen[t], rng)
        if t == 0:
            actions = np.empty((t_max, *np.shape(action)), np.asarray(action).dtype)
        actions[t] = action  # a copy, whatever others do with theirs
        observation, rewards[t], terminated[t], truncated[t], info = step(
            accepted(action)
        )
        seen[t + 1] = observe(observation)
        if same_step and "final_obs" in info:
            finals.append((t, [np.array(final) for final in info["final_obs"]]))

    done = terminated | truncated
    valid = np.ones((t_max, n), dtype=bool)
    following = seen[1:]
    if same_step:
        needs_reset = np.zeros(n, dtype=bool)
        following = following.copy()
        for t, final in finals:
            for i in np.flatnonzero(done[t]):
                following[t, i] = observe(final[i])
    else:  # the step after an episode's end is a reset, not a step
        valid[0] = ~state.needs_reset
        valid[1:] = ~done[:-1]
        needs_reset = done[-1].copy()

    real = np.flatnonzero(valid)

    def flat(grid):  # grid[valid], ten times as fast
        return grid.reshape(t_max * n, *grid.shape[2:]).take(real, 0)

    returns, left_return = _episodes(rewards * valid, done, state.returns)
    lengths, left_length = _episodes(valid, done, state.lengths)
    batch = Batch(
        observations=flat(seen[:-1]),
        actions=flat(actions),
        rewards=flat(rewards),
        next_observations=flat(following),
        terminated=flat(terminated),
        truncated=flat(truncated),
        time=flat(_time(valid, done, state.lengths)),
        valid=valid,
        episode_returns=returns,
        episode_lengths=lengths.astype(int),
    )
    _refuse_non_finite(batch)
    return batch, replace(
        state,
        observations=seen[-1].copy(),
        needs_reset=needs_reset,
        moments=state.moments.update(batch.observations),
        returns=left_return,
        lengths=left_length.astype(int),
    )


def _start(source, rng):
    env = vectorize(source)
    observations, _ = env.reset(seed=int(rng.integers(2**31)))
    n = env.num_envs
    return RolloutState(
        env=env,
        observations=np.array(to_policy(env)(observations), _dtype(env)),
        needs_reset=np.zeros(n, dtype=bool),
        moments=RunningMoments.zeros(env.single_observation_space.shape or 0),
        returns=np.zeros(n),
        lengths=np.zeros(n, dtype=int),
        source=source,
    )


def _dtype(env):
    """Of a batch's observations: float64, or integers if they are Discrete."""
    return np.float64 if n_states(env) is None else np.int64


def _refuse_non_finite(batch):
    for name, values in (
        ("an observation", batch.observations),
        ("an observation", batch.next_observations),
        ("a reward", batch.rewards),
    ):
        if not np.isfinite(values).all():
            bad = values[~np.isfinite(values)][0]
            raise ValueError(f"the environment gave {name} that is {bad}")


def _episodes(x, done, carried):
    """Sums of `x` [T, N] over episodes: of those that ended, and of the open ones [N].

    `carried` [N] is what the open episodes already had before this grid.
    """
    n = done.shape[1]
    before = np.cumsum(done, axis=0) - done  # [T, N] episodes that ended earlier
    ended = done.sum(0)
    first = np.concatenate([[0], np.cumsum(ended + 1)])[:-1]  # [N] number of episode
    sums = np.bincount(
        (before + first).ravel(), weights=x.ravel(), minlength=n + ended.sum()
    )
    sums[first] += carried
    t, i = np.nonzero(done)
    return sums[(before + first)[t, i]], sums[first + ended]


def _time(valid, done, lengths):
    """[T, N] steps since the start of each cell's episode."""
    total = lengths + np.cumsum(valid, axis=0)
    base = np.zeros_like(total)  # the total when the previous episode ended
    base[1:] = np.maximum.accumulate(np.where(done, total, 0), axis=0)[:-1]
    return total - valid - base
