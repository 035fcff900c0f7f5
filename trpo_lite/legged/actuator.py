"""A model of a robot's motors, learnt from its log: a linear regression for each joint.

    torque = sum_h sum_c w_hc clip(u_h, +-c) + w_v tanh(v / .1) + w_s v + w_q q

u_0, ..., u_4 are the joint's present command and the four before it, q and v its
position and speed; the knots c let the sum bend where a motor saturates. Each of the
five slices of 10 ms in a step has weights of its own, so that delays and lags need not
be whole steps. Torques are in shares of the joint's largest, as in `physics.py`.
"""

from dataclasses import dataclass, replace

import numpy as np

from trpo_lite import _check
from trpo_lite.legged.physics import PAST, SLICES

KNOTS = (0.6, 0.7, 0.8, 0.9, 1.0)  #: where a curve of the command may bend
COMMANDED = PAST * len(KNOTS)  #: features of the commands; those of the joint follow
FEATURES = COMMANDED + 3


def command_features(past):
    """[..., 25] of past commands [..., 5], the newest first."""
    cut = [np.clip(past, -c, c) for c in KNOTS]
    return np.stack(cut, -1).reshape(*past.shape[:-1], COMMANDED)


def joint_features(positions, velocities):
    """[..., 3] of one number a joint: which way it turns, its speed, its position."""
    return np.stack([np.tanh(velocities / 0.1), velocities, positions], -1)


@dataclass(frozen=True, eq=False)
class ActuatorModel:
    """Weights [5, 6, 28]: of a slice and a joint, commands' before the joint's."""

    weights: np.ndarray

    def __post_init__(self):
        weights = _check.finite("weights", self.weights, (SLICES, 6, FEATURES))
        _check.set_frozen(self, weights=weights)

    def scaled(self, factors):
        """The same motors, each torque times its factor; one or [6]."""
        each = np.broadcast_to(factors, 6)[:, None]
        return replace(self, weights=self.weights * each)

    def predict(self, log):
        """Torques [5 T, 6] that the model expects of a Log's commands and joints."""
        return np.einsum("tsjf,sjf->tsj", _rows(log), self.weights).reshape(-1, 6)

    @staticmethod
    def bank(n):
        """What runs the models of n robots, as `physics.MotorBank` does motors."""
        return _Bank(n)


class _Bank:
    def __init__(self, n):
        self._weights = np.zeros((n, SLICES, 6, FEATURES))

    def put(self, i, model):
        self._weights[i] = model.weights

    def torques(self, k, commands, positions, velocities):
        if k == 0:
            seen = command_features(np.moveaxis(commands, 0, -1))
            told = self._weights[..., :COMMANDED]
            self._told = np.einsum("njf,nsjf->snj", seen, told)
        own = joint_features(positions, velocities)
        torque = self._told[k] + (own * self._weights[:, k, :, COMMANDED:]).sum(-1)
        return np.clip(torque, -1.0, 1.0)


def _rows(log):
    """[T, 5, 6, 28] the features of each slice and joint."""
    told = command_features(np.moveaxis(log.past_commands(), 1, -1))
    own = joint_features(log.positions[:-1, 2:], log.velocities[:-1, 3:])
    own = own.reshape(len(log), SLICES, 6, -1)
    told = np.broadcast_to(told[:, None], (*own.shape[:-1], COMMANDED))
    return np.concatenate([told, own], -1)


def fit_actuator(*logs, ridge=1e-3):
    """The ActuatorModel of one robot's Logs, by ridge regression.

    w = (X^T X + ridge N S)^-1 X^T y for each slice and joint, S the diagonal of
    X^T X / N, so that no unit matters. ValueError for ridge <= 0 or no log.
    """
    ridge = _check.positive("ridge", ridge)
    if not logs:
        raise ValueError("logs: none given, at least one expected")
    X = np.concatenate([_rows(log) for log in logs])
    y = np.concatenate([log.torques.reshape(-1, SLICES, 6) for log in logs])
    moments = np.einsum("tsjf,tsjg->sjfg", X, X)
    moments += ridge * np.eye(FEATURES) * moments
    targets = np.einsum("tsjf,tsj->sjf", X, y)
    return ActuatorModel(np.linalg.solve(moments, targets[..., None])[..., 0])
