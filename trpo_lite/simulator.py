"""Gymnasium's MuJoCo robots side by side, without the layers around the physics.

A `Robots` steps the simulators of N of Gymnasium's own environments and works out the
observations, rewards and ends of all of them at once, as those environments do one by
one; their resets, constants and random numbers are used as they are. The numbers are
the same to the last bit (tests/test_simulator.py compares all eight tasks with
Gymnasium's vector environment, step by step), and up to twice as many come in a second.
"""

import contextlib

import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space


class Robots(VectorEnv):
    """N robots of one task, with next-step autoreset like `SyncVectorEnv`.

    Parameters
    ----------
    envs : the N environments, unwrapped, of one of the classes in `TASKS`
    max_episode_steps : steps after which an episode is truncated
    """

    def __init__(self, envs, max_episode_steps):
        import mujoco

        self.envs, self.num_envs = envs, len(envs)
        self.max_episode_steps = max_episode_steps
        self.metadata = {**envs[0].metadata, "autoreset_mode": AutoresetMode.NEXT_STEP}
        self.single_observation_space = envs[0].observation_space
        self.single_action_space = envs[0].action_space
        self.observation_space = batch_space(self.single_observation_space, len(envs))
        self.action_space = batch_space(self.single_action_space, len(envs))
        self._task = TASKS[type(envs[0]).__name__](envs)
        self._simulators = [
            (env.model, env.data, env.data.ctrl, env.frame_skip) for env in envs
        ]
        self._mj_step, self._done = mujoco.mj_step, np.zeros(len(envs), dtype=bool)

    def reset(self, *, seed=None, options=None):
        """Observations [N, D] of fresh episodes; robot i is seeded with `seed` + i."""
        seeds = [None if seed is None else seed + i for i in range(self.num_envs)]
        first = [self._begin(i, seed) for i, seed in enumerate(seeds)]
        self._elapsed = np.zeros(self.num_envs, dtype=int)
        self._done[:] = False
        self._task.start()
        return np.stack(first), {}

    def step(self, actions):
        """(observations [N, D], rewards, terminated, truncated [N] each, {})."""
        fresh = self._done.any()
        self._move(actions)
        first = {i: self._begin(i) for i in np.flatnonzero(self._done)}
        observations, rewards, terminated = self._task.observe(actions)
        self._elapsed += 1
        if fresh:
            for i, observation in first.items():
                observations[i] = observation
            rewards[self._done], self._elapsed[self._done] = 0.0, 0
            terminated &= ~self._done
        truncated = self._elapsed >= self.max_episode_steps
        self._done = terminated | truncated
        return observations, rewards, terminated, truncated, {}

    def _begin(self, i, seed=None):
        """The first observation [D] of a fresh episode of robot i."""
        return self.envs[i].reset(seed=seed)[0]

    def _move(self, actions):
        """Let a step's time pass for the robots whose episode goes on."""
        step = self._mj_step
        for (model, data, ctrl, frames), action, done in zip(
            self._simulators, actions, self._done.tolist()
        ):
            if not done:
                ctrl[:] = action
                step(model, data, frames)


@contextlib.contextmanager
def silence():
    """No warning of MuJoCo's about the model files, which are Gymnasium's.

    From MuJoCo 4.0 on HalfCheetah's has an outdated line: a warning for each robot, on
    the screen and in a file MUJOCO_LOG.TXT.
    """
    import mujoco

    before = mujoco.get_mju_user_warning()
    mujoco.set_mju_user_warning(lambda text: None)
    try:
        yield
    finally:
        mujoco.set_mju_user_warning(before)


class _Task:
    """What a task reads of the simulators, N at a time; `start` follows each reset."""

    def __init__(self, envs):
        self.envs, self.one = envs, envs[0]
        self._qpos = [env.data.qpos for env in envs]
        self._qvel = [env.data.qvel for env in envs]

    def start(self):
        self.place = self.find()

    def state(self):
        """Positions [N, nq] and velocities [N, nv]."""
        shape = len(self.envs), -1
        qpos = np.concatenate(self._qpos).reshape(shape)
        return qpos, np.concatenate(self._qvel).reshape(shape)

    def find(self):
        """Where the robots are along the x axis, [N]."""
        return np.array([qpos[0] for qpos in self._qpos])

    def velocity(self, place):
        """Along the x axis since the last step, [N]; `place` is where they are now."""
        velocity = (place - self.place) / self.one.dt
        self.place = place
        return velocity

    def effort(self, actions):
        return self.one._ctrl_cost_weight * np.square(actions).sum(1)


class _Runner(_Task):
    """Swimmer and HalfCheetah: forward speed less effort, without an end."""

    def observe(self, actions):
        qpos, qvel = self.state()
        skipped = self.one.observation_structure["skipped_qpos"]
        observations = np.concatenate([qpos[:, skipped:], qvel], 1)
        forward = self.one._forward_reward_weight * self.velocity(qpos[:, 0])
        rewards = forward - self.effort(actions)
        return observations, rewards, np.zeros(len(rewards), dtype=bool)


class _Walker(_Task):
    """Hopper and Walker2d: a reward for each step upright, and an end by a fall."""

    def observe(self, actions):
        qpos, qvel = self.state()
        observations = np.concatenate([qpos[:, 1:], np.clip(qvel, -10, 10)], 1)
        forward = self.one._forward_reward_weight * self.velocity(qpos[:, 0])
        healthy = self.healthy(qpos, qvel)
        upright = healthy * self.one._healthy_reward
        return observations, forward + upright - self.effort(actions), ~healthy

    def healthy(self, qpos, qvel):
        (low, high), (left, right) = (
            self.one._healthy_z_range,
            self.one._healthy_angle_range,
        )
        z, angle = qpos[:, 1], qpos[:, 2]
        return (low < z) & (z < high) & (left < angle) & (angle < right)


class _Hopper(_Walker):
    def healthy(self, qpos, qvel):
        low, high = self.one._healthy_state_range
        state = np.concatenate([qpos[:, 2:], qvel], 1)
        within = ((low < state) & (state < high)).all(1)
        return within & super().healthy(qpos, qvel)


class _Ant(_Task):
    """Contact forces are seen and cost; MuJoCo works them out on demand."""

    def __init__(self, envs):
        import mujoco

        super().__init__(envs)
        self._forces = [env.data.cfrc_ext for env in envs]
        self._bodies = [env.data.body(env._main_body).xpos for env in envs]
        self._post = mujoco.mj_rnePostConstraint

    def find(self):
        return np.array([xpos[0] for xpos in self._bodies])

    def observe(self, actions):
        for env in self.envs:
            self._post(env.model, env.data)
        qpos, qvel = self.state()
        forces = np.stack(self._forces).clip(*self.one._contact_force_range)
        flat = forces.reshape(len(forces), -1)
        observations = np.concatenate([qpos[:, 2:], qvel, flat[:, 6:]], 1)
        forward = self.velocity(self.find()) * self.one._forward_reward_weight
        low, high = self.one._healthy_z_range
        finite = np.isfinite(qpos).all(1) & np.isfinite(qvel).all(1)
        healthy = finite & (low <= qpos[:, 2]) & (qpos[:, 2] <= high)
        contact = self.one._contact_cost_weight * np.square(flat).sum(1)
        costs = self.effort(actions) + contact
        return (
            observations,
            forward + healthy * self.one._healthy_reward - costs,
            ~healthy,
        )


class _Reacher(_Task):
    """A fingertip that should be at a target."""

    def __init__(self, envs):
        super().__init__(envs)
        self._ends = [
            (env.data.body("fingertip").xpos, env.data.body("target").xpos)
            for env in envs
        ]

    def observe(self, actions):
        qpos, qvel = self.state()
        gaps = np.stack([finger - target for finger, target in self._ends])
        angles = np.ascontiguousarray(qpos[:, :2])
        parts = np.cos(angles), np.sin(angles), qpos[:, 2:], qvel[:, :2], gaps[:, :2]
        distances = np.sqrt([gap.dot(gap) for gap in gaps])
        rewards = -distances * self.one._reward_dist_weight + (
            -np.square(actions).sum(1) * self.one._reward_control_weight
        )
        return np.concatenate(parts, 1), rewards, np.zeros(len(rewards), dtype=bool)


class _Pendulum(_Task):
    """InvertedPendulum: 1 for each step upright."""

    def observe(self, actions):
        observations = np.concatenate(self.state(), 1)
        fallen = ~np.isfinite(observations).all(1) | (np.abs(observations[:, 1]) > 0.2)
        return observations, (~fallen).astype(float), fallen


class _DoublePendulum(_Task):
    def __init__(self, envs):
        super().__init__(envs)
        self._tips = [env.data.site_xpos[0] for env in envs]
        self._pushes = [env.data.qfrc_constraint for env in envs]

    def observe(self, actions):
        qpos, qvel = self.state()
        angles = np.ascontiguousarray(qpos[:, 1:])
        push = np.array([push[:1] for push in self._pushes])
        parts = [qpos[:, :1], np.sin(angles), np.cos(angles)]
        parts += [np.clip(qvel, -10, 10), np.clip(push, -10, 10)]
        x, _, y = np.stack(self._tips).T
        fallen = y <= 1
        distance = 0.01 * x**2 + (y - 2) ** 2
        speed = 1e-3 * qvel[:, 1] ** 2 + 5e-3 * qvel[:, 2] ** 2
        rewards = self.one._healthy_reward * ~fallen - distance - speed
        return np.concatenate(parts, 1), rewards, fallen


#: by the name of Gymnasium's class
TASKS = {
    "SwimmerEnv": _Runner,
    "HalfCheetahEnv": _Runner,
    "HopperEnv": _Hopper,
    "Walker2dEnv": _Walker,
    "AntEnv": _Ant,
    "ReacherEnv": _Reacher,
    "InvertedPendulumEnv": _Pendulum,
    "InvertedDoublePendulumEnv": _DoublePendulum,
}
