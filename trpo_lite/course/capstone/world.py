"""A vector environment that plays a script, and writes down what it is given."""

import numpy as np
from gymnasium.spaces import Box, Discrete
from gymnasium.vector import AutoresetMode


class World:
    """N environments whose episodes end as the script says.

    script : (terminated, truncated) [N, E], the lengths of N environments' episodes:
        which flag ends episode e of environment i, and after how many steps; 0: never.
        After the last one they begin again.
    actions : m for a Box [-1, 1]^m, 0 for three actions to choose from
    same_step : the reset mode
    """

    def __init__(self, script, actions, same_step):
        self.script = [np.asarray(x) for x in script]
        self.num_envs = len(self.script[0])
        mode = AutoresetMode.SAME_STEP if same_step else AutoresetMode.NEXT_STEP
        self.metadata = {"autoreset_mode": mode}
        low = np.linspace(-1, -0.5, actions, dtype=np.float32)
        self.single_action_space = Box(low, -low) if actions else Discrete(3)
        self.single_observation_space = Box(-np.inf, np.inf, (3,), np.float64)
        self.resets, self.sent, self.real = 0, [], []

    def reset(self, *, seed=None, options=None):
        n = self.num_envs
        self.resets += 1
        self.step_in, self.episode = np.zeros(n, int), np.zeros(n, int)
        self.over, self.last = np.zeros(n, bool), np.zeros(n)
        return self._seen(), {}

    def step(self, actions):
        actions = np.array(actions, float)
        self._refuse(actions)
        n, discrete = self.num_envs, actions.ndim == 1
        self.sent.append(actions)
        self.real.append(~self.over)
        only_reset = self.over.copy()
        self.last = actions if discrete else actions.sum(1)
        self.step_in = np.where(only_reset, 0, self.step_in + 1)
        row = np.arange(n)
        ends = [
            (x[row, self.episode % x.shape[1]] == self.step_in) & ~only_reset
            for x in self.script
        ]
        done, info = ends[0] | ends[1], {}
        seen = self._seen()
        r = np.where(only_reset, 0.0, 1 + np.sin(seen @ (1.0, 0.3, 2.0)))
        self.episode = self.episode + done
        if self.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP:
            self.over = done
            return np.where(only_reset[:, None], self._fresh(), seen), r, *ends, info
        if done.any():
            final = np.full(n, None, object)
            for i in np.flatnonzero(done):
                final[i] = seen[i]
            info = {"final_obs": final, "_final_obs": done.copy()}
            self.step_in = np.where(done, 0, self.step_in)
            seen = np.where(done[:, None], self._fresh(), seen)
        return seen, r, *ends, info

    def _refuse(self, actions):
        """ValueError for actions that no environment would take."""
        space, n = self.single_action_space, self.num_envs
        shape = (n, *space.shape)
        if actions.shape != shape:
            raise ValueError(
                f"env.step got actions of shape {actions.shape}, expected {shape}"
            )
        outside = (
            (actions < 0) | (actions > 2)
            if isinstance(space, Discrete)
            else (actions < space.low - 1e-6) | (actions > space.high + 1e-6)
        )
        if outside.any():
            raise ValueError(
                f"env.step got the action {actions[outside][0]:.3g}, which lies "
                f"outside of {space}"
            )

    def _fresh(self):
        """First observations [N, 3] of the episodes that begin now."""
        x = np.arange(self.num_envs) + 0.1 * self.episode
        return np.column_stack([np.sin(5 * x), np.zeros_like(x), np.cos(3 * x)])

    def _seen(self):
        moved = np.column_stack([self.last, 0.1 * self.step_in, 0.2 * self.last])
        return self._fresh() + moved
