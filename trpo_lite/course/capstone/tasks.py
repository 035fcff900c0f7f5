"""What the finished file must solve, with the settings it is given."""

import importlib.util
from dataclasses import dataclass

import numpy as np

from trpo_lite.course.capstone import solution
from trpo_lite.course.capstone.follow import policy_of


@dataclass(frozen=True)
class Task:
    """A Gymnasium task: the settings of `train`, and the mean return to reach.

    waves : (number of random Fourier features, bandwidth), or None for [z, 1]
    goal : of 100 fresh episodes, played without noise
    needs : a package that must be there
    """

    env_id: str
    goal: float
    environments: int
    T: int
    updates: int
    gamma: float
    lam: float
    delta: float
    log_std: float = 0.0
    waves: tuple | None = None
    needs: str = "gymnasium"

    @property
    def there(self):
        return importlib.util.find_spec(self.needs) is not None

    def run(self, functions, seed=0):
        """The mean return of 100 episodes after training with {name: function}."""
        rng = np.random.default_rng([seed, 18])
        env = self.make(self.environments)
        env.reset(seed=int(rng.integers(2**31)))
        space, D = env.single_action_space, env.single_observation_space.shape[0]
        kind = "softmax" if hasattr(space, "n") else "gaussian"
        waves, F = None, D + 1
        if self.waves:
            count, bandwidth = self.waves
            waves, F = fourier(D, count, bandwidth, rng), count + 1
        if kind == "softmax":
            theta = np.zeros(F * int(space.n))
        else:
            m = space.shape[0]
            theta = np.append(np.zeros(F * m), np.full(m, self.log_std))
        found = functions["train"](
            env, policy_of(kind, functions), theta, waves, self.updates, self.T,
            self.gamma, self.lam, self.delta, rng,
        )  # fmt: skip
        env.close()
        return self.score(*found, waves, kind)

    def make(self, n):
        import gymnasium

        return gymnasium.make_vec(self.env_id, n, vectorization_mode="sync")

    def score(self, theta, mean, std, waves, kind, episodes=100):
        """The mean return of as many fresh episodes with the policy's mode."""
        env = self.make(episodes)
        s, _ = env.reset(seed=10**6)
        space, returns, going = env.single_action_space, 0.0, np.ones(episodes, bool)
        while going.any():
            phi = solution.features(s, np.asarray(mean), np.asarray(std), waves)
            if kind == "softmax":
                a = solution.log_softmax(theta, phi).argmax(1)
            else:
                a = solution.mean_and_sigma(theta, phi)[0]
                a = np.clip(a, space.low, space.high)
            s, r, terminated, truncated, _ = env.step(a)
            returns += r[going].sum()
            going &= ~(terminated | truncated)
        env.close()
        return float(returns / episodes)


def fourier(D, count, bandwidth, rng):
    """(frequencies [count, D], phases [count]) of random Fourier features."""
    frequencies = rng.standard_normal((count, D)) / bandwidth
    return frequencies, rng.uniform(-np.pi, np.pi, count)


TASKS = (
    Task("CartPole-v1", 475.0, 16, 256, 24, 0.99, 0.97, 0.01),
    Task("InvertedPendulum-v5", 950.0, 16, 256, 50, 0.99, 0.97, 0.01, needs="mujoco"),
    Task("Pendulum-v1", -200.0, 16, 250, 60, 0.98, 0.95, 0.03, waves=(200, 2.0)),
    Task("Pusher-v5", -36.0, 16, 256, 60, 0.98, 0.95, 0.03, needs="mujoco"),
)
