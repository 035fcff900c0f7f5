"""Two distributions over actions, known by their outputs at N rows and nothing else.

What a policy puts in are *outputs*: logits for a choice, means and log standard
deviations for a Gaussian. Both distributions answer the same questions:

    log_prob(actions)          log pi(a_n|s_n), [N]
    score(actions, weights)    w_n grad log pi(a_n|s_n) in the outputs
    kl(new)                    KL(pi || new) at each row, old first, [N], nats
    kl_gradient(new)           the gradient of their sum in new's outputs
    fisher_product(change)     the Fisher matrix of the outputs times a change of them,
                               which it may overwrite
    entropy()                  [N], nats

Gradients have the form of the outputs: an array [A, N] for the logits, a pair for the
Gaussian, whose log standard deviations are the same at all rows and so come summed.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np


@dataclass(frozen=True, eq=False)
class Categorical:
    """A choice among A actions at each of N rows."""

    pi: np.ndarray  #: [A, N]; sums over a few actions then run along whole rows
    log_pi: np.ndarray  #: [A, N]

    @classmethod
    def of(cls, logits):
        """The softmax of logits [A, N]."""
        log_pi = logits - logits.max(0)
        pi = np.exp(log_pi)
        total = pi.sum(0)
        pi /= total
        log_pi -= np.log(total)
        return cls(pi, log_pi)

    def log_prob(self, actions):
        """log pi(a_n), [N]."""
        actions = choices(actions, *self.pi.shape)
        return self.log_pi[actions, np.arange(len(actions))]

    def score(self, actions, weights):
        """w_n (1[a_n] - pi), [A, N]."""
        actions = choices(actions, *self.pi.shape)
        score = (actions == np.arange(len(self.pi))[:, None]) - self.pi
        score *= weights
        return score

    def kl(self, new):
        """sum_a p log(p / q), [N], with all its digits for a tiny change.

        As sum (q - p) = 0 it is sum p (e^x - 1 - x) with x = log(q / p), whose terms
        don't cancel each other where x is small.
        """
        p, x = self.pi, new.log_pi - self.log_pi
        tiny = x.min(initial=0) > -0.01 and x.max(initial=0) < 0.01
        terms = p * (np.expm1(x) - x) if tiny else -p * x
        return np.maximum(terms.sum(0), 0)

    def kl_gradient(self, new):
        """q - p, [A, N]."""
        return new.pi - self.pi

    def fisher_product(self, change):
        """(diag(pi) - pi pi^T) change at each row, [A, N]."""
        change -= np.einsum("an,an->n", self.pi, change)
        change *= self.pi
        return change

    def entropy(self):
        """-sum_a p log p, [N]."""
        return -(self.pi * self.log_pi).sum(0)


@dataclass(frozen=True, eq=False)
class Gaussian:
    """m independent normal actions at each of N rows, the deviations common to all."""

    mean: np.ndarray  #: [m, N]
    log_std: np.ndarray  #: [m]

    @classmethod
    def of(cls, outputs):
        """The one with outputs (mean [m, N], log_std [m])."""
        return cls(*outputs)

    @cached_property
    def std(self):
        """[m, 1], in the action's units."""
        return np.exp(self.log_std)[:, None]

    def log_prob(self, actions):
        """log density of actions [N, m], [N]."""
        z = self._standardised(actions)
        constant = self.log_std.sum() + len(z) * np.log(2 * np.pi) / 2
        return -np.einsum("mn,mn->n", z, z) / 2 - constant

    def score(self, actions, weights):
        """w_n (u - mean) / std^2, [m, N], and the sum of w_n (z^2 - 1), [m]."""
        z = self._standardised(actions)
        score = weights * z
        log_std = np.einsum("mn,mn->m", score, z) - weights.sum()
        score /= self.std
        return score, log_std

    def kl(self, new):
        """log(std'/std) + (std^2 + (mean - mean')^2) / (2 std'^2) - 1/2, [N].

        Summed over the m actions; a prime marks `new`.
        """
        gap = self._gap(new)
        growth = new.log_std - self.log_std
        spread = (growth + np.expm1(-2 * growth) / 2).sum()
        return spread + np.einsum("mn,mn->n", gap, gap) / 2

    def kl_gradient(self, new):
        """(mean' - mean) / std'^2, [m, N], and the sum over rows, [m], of

        1 - (std^2 + (mean - mean')^2) / std'^2.
        """
        gap = self._gap(new)
        growth = new.log_std - self.log_std
        return gap / new.std, -gap.shape[1] * np.expm1(-2 * growth) - (gap * gap).sum(1)

    def fisher_product(self, change):
        """change of the mean / std^2, [m, N], and 2 N times that of log_std, [m]."""
        mean, log_std = change
        mean *= 1 / self.std**2
        return mean, 2 * mean.shape[1] * log_std

    def entropy(self):
        """sum of log_std + m/2 log(2 pi e), the same at every row, [N]."""
        m, n = self.mean.shape
        return np.full(n, self.log_std.sum() + m * np.log(2 * np.pi * np.e) / 2)

    def _standardised(self, actions):
        """(actions - mean) / std, [m, N]."""
        actions = np.asarray(actions)
        if actions.ndim == 1 and actions.dtype.kind in "iub":
            raise TypeError(
                "actions are integers [N]: a LinearGaussian acts on a Box; use a "
                "softmax policy for a Discrete space"
            )
        if actions.shape != self.mean.shape[::-1]:
            raise ValueError(
                f"actions has shape {actions.shape}, expected {self.mean.shape[::-1]}"
            )
        z = actions.T - self.mean
        z /= self.std
        return z

    def _gap(self, new):
        """(mean' - mean) / std', [m, N]."""
        gap = new.mean - self.mean
        gap /= new.std
        return gap


def sample_choices(logits, rng):
    """Actions [N], integers, of the softmax of logits [A, N].

    The first action at which the summed probabilities exceed a uniform number.
    """
    sums = np.exp(logits - logits.max(0)).cumsum(0)
    return (rng.random(sums.shape[1]) * sums[-1] >= sums[:-1]).sum(0)


def choices(actions, n_actions, n):
    """`actions` [n] as integers below `n_actions`; TypeError or ValueError if not."""
    actions = integers("actions", actions, n_actions)
    if len(actions) != n:
        raise ValueError(f"actions has shape {actions.shape}, expected ({n},)")
    return actions


def integers(name, values, limit):
    """`values` [N] as integers in [0, limit); TypeError or ValueError otherwise."""
    values = np.asarray(values)
    if values.dtype.kind not in "iub":
        raise TypeError(
            f"{name} must be integers below {limit}, got {values.dtype}: this policy "
            "needs a Discrete space"
        )
    if values.ndim != 1:
        raise ValueError(f"{name} has shape {values.shape}, expected (any,)")
    if values.size and not (values.min() >= 0 and values.max() < limit):
        raise ValueError(
            f"{name} must be in 0 to {limit - 1}, got {values.min()} to {values.max()}"
        )
    return values.astype(np.int64, copy=False)
