"""Gymnasium's HalfCheetah with other bodies and other motors.

The task, its observations, rewards and random numbers are Gymnasium's. What can differ
is a `Body` (masses, joint damping, friction with the ground) and what stands between a
command and the torque: a `Motor`, or anything else with its methods (`actuator.py` has
one that is learnt). Nothing changed, every number is Gymnasium's to the last bit.

Commands and torques are in shares of each joint's largest torque, as in Gymnasium. The
physics advances in slices of 10 ms, five to a step; torques may differ in each.
"""

from dataclasses import dataclass, fields, replace

import numpy as np

from trpo_lite import _check
from trpo_lite.simulator import Robots, silence

SLICES = 5  #: of the physics in a step
SLICE = 0.01  #: seconds
PAST = 5  #: commands that a motor remembers, the present one among them
MAX_STEPS = 1000  #: of an episode
_CHANGED = ("body_mass", "body_inertia", "dof_damping", "geom_friction")
_TORSO, _LIMBS, _MOVED = 1, slice(2, 8), slice(3, 9)  # bodies; degrees of freedom


@dataclass(frozen=True)
class Body:
    """Factors on Gymnasium's model, all > 0; `legs` and `damping` may be [6].

    Inertias go with their masses. ValueError that names a wrong factor.
    """

    torso: float = 1.0  #: mass of the torso with the head
    legs: float = 1.0  #: masses of the six limbs
    damping: float = 1.0  #: of the six joints
    friction: float = 1.0  #: with the ground

    def __post_init__(self):
        for field in fields(self):
            factor = _check.finite(field.name, getattr(self, field.name))
            allowed = ((), (6,)) if field.name in ("legs", "damping") else ((),)
            if factor.shape not in allowed or not (factor > 0).all():
                raise ValueError(
                    f"{field.name} must be a factor > 0"
                    f"{' or six' * (len(allowed) > 1)}, got {factor}"
                )


@dataclass(frozen=True)
class Motor:
    """From commands to torques: delay, saturation, first-order lag, dry friction.

    After `delay` slices a command u, cut at +-limit, is followed as
    lag dm/dt = u - m; the torque is gain m - dry tanh(v / .1 rad/s), v the joint's
    speed, and never beyond +-1.

    Parameters
    ----------
    lag : time constant in seconds, one or [6]; 0 is none
    delay : slices of 10 ms, at most 20
    limit : largest share of the torque, in (0, 1]
    dry : dry friction, a share of the torque >= 0
    gain : factor > 0, one or [6]

    ValueError or TypeError that names a wrong one.
    """

    lag: float = 0.0
    delay: int = 0
    limit: float = 1.0
    dry: float = 0.0
    gain: float = 1.0

    def __post_init__(self):
        lag = _check.finite("lag", self.lag)
        if lag.shape not in ((), (6,)) or (lag < 0).any():
            raise ValueError(f"lag must be seconds >= 0, one or six, got {lag}")
        longest = SLICES * (PAST - 1)
        if _check.count("delay", self.delay, least=0) > longest:
            raise ValueError(f"delay must be at most {longest}, got {self.delay}")
        if not 0 < self.limit <= 1:
            raise ValueError(f"limit must be in (0, 1], got {self.limit}")
        _check.not_negative("dry", self.dry)
        gain = _check.finite("gain", self.gain)
        if gain.shape not in ((), (6,)) or not (gain > 0).all():
            raise ValueError(f"gain must be a factor > 0 or six, got {gain}")

    def scaled(self, factors):
        """The same motor, its gain times `factors`; one or [6]."""
        return replace(self, gain=np.multiply(self.gain, factors))

    @staticmethod
    def bank(n):
        """What runs the motors of n robots: see `MotorBank`."""
        return MotorBank(n)


class MotorBank:
    """The motors of N robots side by side; `put(i, motor)` starts robot i's afresh."""

    def __init__(self, n):
        self._followed, self._decay = np.zeros((n, 6)), np.zeros((n, 6))
        self._gain, self._delay = np.ones((n, 6)), np.zeros(n, dtype=int)
        self._limit, self._dry = np.ones((n, 1)), np.zeros((n, 1))
        self._each = np.arange(n)

    def put(self, i, motor):
        with np.errstate(divide="ignore"):
            self._decay[i] = np.exp(-SLICE / np.asarray(motor.lag, dtype=float))
        self._delay[i], self._limit[i] = motor.delay, motor.limit
        self._dry[i], self._gain[i] = motor.dry, motor.gain
        self._followed[i] = 0.0

    def torques(self, k, commands, positions, velocities):
        """Torques [N, 6] of slice k; to be called for k = 0, ..., 4 in turn.

        commands : [5, N, 6] the present step's, the last one's, ...
        positions, velocities : [N, 6] of the joints when the slice begins
        """
        age = -((k - self._delay) // SLICES)
        wanted = np.clip(commands[age, self._each], -self._limit, self._limit)
        self._followed = wanted + (self._followed - wanted) * self._decay
        lost = self._dry * np.tanh(velocities / 0.1)
        return np.clip(self._gain * self._followed - lost, -1.0, 1.0)


class LeggedRobots(Robots):
    """N robots whose bodies and motors may differ, next-step autoreset as in `Robots`.

    Parameters
    ----------
    num_envs : N
    draw : function (i, Generator) -> (Body, motor) of robot i, called at the start of
        each of its episodes; all motors of one class
    measure : whether `step` tells of each slice: its info then holds "positions"
        [N, 5, 8] and "velocities" [N, 5, 9] at their ends (as in the observation, and
        the last of each is the observation) and "torques" [N, 5, 6] within

    The generators follow the seed of `reset` and are not those of the task, which are
    used as Gymnasium does.
    """

    def __init__(self, num_envs, draw, measure=False):
        import mujoco
        from gymnasium import make

        n = _check.count("num_envs", num_envs)
        with silence():
            envs = [make("HalfCheetah-v5", disable_env_checker=True) for _ in range(n)]
        super().__init__([env.unwrapped for env in envs], MAX_STEPS)
        model = self.envs[0].model
        self._plain = {name: getattr(model, name).copy() for name in _CHANGED}
        self._scratch, self._constants = mujoco.MjData(model), mujoco.mj_setConst
        self._draw, self._measure = draw, measure
        self._rngs = [np.random.default_rng() for _ in range(n)]
        self._motors, self._commands = None, np.zeros((PAST, n, 6))

    def _begin(self, i, seed=None):
        if seed is not None:
            self._rngs[i] = np.random.default_rng([seed, 1])
        body, motor = self._draw(i, self._rngs[i])
        self.change(i, body)
        if self._motors is None:
            self._motors = motor.bank(self.num_envs)
        self._motors.put(i, motor)
        self._commands[:, i] = 0.0
        return super()._begin(i, seed)

    def change(self, i, body):
        """Give robot i this body, wherever it is; `draw` decides again at its reset."""
        model = self.envs[i].model
        for name, plain in self._plain.items():
            getattr(model, name)[:] = plain
        for name in ("body_mass", "body_inertia"):
            values = getattr(model, name)
            values[_TORSO] *= body.torso
            values[_LIMBS] = (values[_LIMBS].T * body.legs).T
        model.dof_damping[_MOVED] *= body.damping
        model.geom_friction[:, 0] *= body.friction
        self._constants(model, self._scratch)  # what MuJoCo derives from the masses

    def _move(self, actions):
        commands = self._commands
        commands[1:] = commands[:-1]
        commands[0] = actions
        step = self._mj_step
        going = [
            (i, *self._simulators[i][:3])
            for i, done in enumerate(self._done.tolist())
            if not done
        ]
        self._seen = [], [], []
        for k in range(SLICES):
            qpos, qvel = self._task.state()
            torques = self._motors.torques(k, commands, qpos[:, 3:], qvel[:, 3:])
            for i, model, data, ctrl in going:
                ctrl[:] = torques[i]
                step(model, data)
            if self._measure:
                qpos, qvel = self._task.state()
                for seen, values in zip(self._seen, (qpos[:, 1:], qvel, torques)):
                    seen.append(values)

    def step(self, actions):
        """As `Robots.step`; the info is {} unless `measure`."""
        *result, info = super().step(actions)
        if self._measure:
            names = ("positions", "velocities", "torques")
            info = {k: np.stack(v, 1) for k, v in zip(names, self._seen)}
        return *result, info


def fixed(body, motor):
    """A `draw` that always gives these two."""
    return lambda i, rng: (body, motor)


# ------------------------------------------------------------------------- logging


@dataclass(frozen=True)
class Log:
    """What one robot was told and did in T steps; a row each 10 ms but for commands."""

    commands: np.ndarray  #: [T, 6]
    positions: np.ndarray  #: [5 T + 1, 8] height (m), pitch and joints (rad)
    velocities: np.ndarray  #: [5 T + 1, 9] along x and z (m/s), pitch, joints (rad/s)
    torques: np.ndarray  #: [5 T, 6] within the slice that follows row i

    def __len__(self):
        return len(self.commands)

    def held(self):
        """[5 T, 6] the command in each slice: what ideal motors would give."""
        return np.repeat(self.commands, SLICES, axis=0)

    def past_commands(self):
        """[T, 5, 6] the present command and the four before it; 0 before the first."""
        padded = np.concatenate([np.zeros((PAST - 1, 6)), self.commands])
        return np.stack([padded[PAST - 1 - h :][: len(self)] for h in range(PAST)], 1)


def record(robots, commands, seed=0):
    """A Log of each robot from a fresh episode on; a list of N.

    robots : vector environment whose `step` tells what `LeggedRobots` does, `measure`
    commands : [T, 6] in [-1, 1], the same for all; T < 1000
    ValueError if they are not.
    """
    commands = _check.finite("commands", commands, (None, 6))
    if np.abs(commands).max(initial=0) > 1 or not 0 < len(commands) < MAX_STEPS:
        raise ValueError(
            f"commands must be 1 to {MAX_STEPS - 1} rows in [-1, 1], got "
            f"{len(commands)} rows up to {np.abs(commands).max(initial=0):.3g}"
        )
    n = robots.num_envs
    first, _ = robots.reset(seed=seed)
    seen = {"positions": [first[:, None, :8]], "velocities": [first[:, None, 8:]]}
    seen["torques"] = []
    for command in commands:
        *_, info = robots.step(np.tile(command, (n, 1)))
        for name, values in seen.items():
            values.append(info[name])
    rows = {name: np.concatenate(values, 1) for name, values in seen.items()}
    return [Log(commands, **{k: v[i] for k, v in rows.items()}) for i in range(n)]
