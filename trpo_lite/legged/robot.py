"""The robot itself: one can act on it and measure it, and that is all.

Its true numbers are drawn in a process of its own, whose module refuses to be imported.
What comes back are what sensors give, with their noise, and the reward, which a
stopwatch gives. `reveal` breaks the seal: the true numbers, and no step of the object
that told them.
"""

import contextlib
import os
import pickle
import subprocess
import sys
from pathlib import Path

from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from trpo_lite import _check


class SealedRobots(VectorEnv):
    """Robots by their numbers, side by side; next-step autoreset.

    numbers : one integer >= 0 for each robot; the same number is the same robot
    measure : whether `step`'s info tells what the sensors saw in each slice, as in
        `physics.LeggedRobots`
    load : factor > 0 on each torso's mass: weights are strapped on, or taken off
    wait : slices of 10 ms, 0 to 10, by which commands come later than they do

    RuntimeError if the process has ended.
    """

    metadata = {"autoreset_mode": AutoresetMode.NEXT_STEP}  # noqa: RUF012
    _process = None  # until it runs: a refused robot is closed, too

    def __init__(self, numbers, measure=False, load=1.0, wait=0):
        load = _check.positive("load", load)
        if _check.count("wait", wait, least=0) > 10:
            raise ValueError(f"wait must be at most 10, got {wait}")
        numbers = [_check.count("numbers", number, least=0) for number in numbers]
        if not numbers:
            raise ValueError("numbers: none given, at least one robot expected")
        path = [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "trpo_lite.legged._sealed"),
                *map(str, (int(measure), load, wait, *numbers)),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, path))},
            start_new_session=True,  # Ctrl-C is not for it
        )
        self._revealed, self.num_envs = False, len(numbers)
        self.single_observation_space, self.single_action_space = self._ask("spaces")
        self.observation_space = batch_space(
            self.single_observation_space, self.num_envs
        )
        self.action_space = batch_space(self.single_action_space, self.num_envs)

    def reset(self, *, seed=None, options=None):
        """Observations [N, 17] of fresh episodes, and {}."""
        return self._ask("reset", seed), {}

    def step(self, actions):
        """(observations [N, 17], rewards, terminated, truncated [N] each, info)."""
        return self._ask("step", actions)

    def reveal(self):
        """A dict of true numbers for each robot; no step of this object after that."""
        numbers = self._ask("numbers")
        self._revealed = True
        return numbers

    def close(self, **kwargs):
        """End the robots' process."""
        if self._process is not None:
            for stream in (self._process.stdin, self._process.stdout):
                with contextlib.suppress(OSError):  # it has ended before
                    stream.close()
            self._process.wait()
        self.closed = True

    def _ask(self, *request):
        if self._revealed:
            raise RuntimeError("the seal is broken: a robot whose numbers are known")
        try:
            pickle.dump(request, self._process.stdin)
            self._process.stdin.flush()
            return pickle.load(self._process.stdout)
        except (EOFError, OSError, ValueError, pickle.UnpicklingError) as problem:
            raise RuntimeError("the robots' process has ended") from problem
        except BaseException:  # Ctrl-C: this reply would answer the next request
            self._process.kill()
            self.close()
            raise
