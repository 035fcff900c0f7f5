"""The surrogate L: exact on a finite MDP, and estimated from samples.

Sample averages carry no factor 1/(1-gamma): the mean of ratio * advantage estimates
(1-gamma) L if states are drawn from the normalised visitation.
"""

import numpy as np

from trpo_lite import _check


def surrogate(old, pi):
    """L_old(pi) = sum_s d_old(s) sum_a pi(a|s) A_old(s,a); zero at the old policy.

    Parameters
    ----------
    old : mdp.Evaluation
        Evaluation of the old policy: visitation [S] (unnormalised), advantage [S, A].
    pi : [S, A]
        The new policy; rows sum to 1, or ValueError.

    Source: the slide "Local approximation: Ignoring distribution mismatch"; Schulman
    et al. 2015, equation 3 (there L starts at J(pi_old), here at 0).
    """
    pi = _check.distributions("pi", pi, old.advantage.shape)
    return float(old.visitation @ (pi * old.advantage).sum(-1))


def probability_ratio(log_prob, log_prob_old):
    """r = pi(a|s) / pi_old(a|s), [N], from the two log-probabilities, each [N].

    A ratio too large for a float is inf, which a line search then refuses.
    Raises ValueError if an old log-probability isn't finite: an action that was
    sampled can't have probability 0.
    """
    log_prob, log_prob_old = _samples(log_prob=log_prob, log_prob_old=log_prob_old)
    _check.finite("log_prob_old", log_prob_old)
    with np.errstate(over="ignore"):
        return np.exp(log_prob - log_prob_old)


def sampled_surrogate(ratio, advantages):
    """The mean of r A over N samples; both arguments [N]; ValueError if empty.

    Source: the slide "Using samples..."; Schulman et al. 2015, equation 14.
    """
    ratio, advantages = _samples(ratio=ratio, advantages=advantages)
    with np.errstate(invalid="ignore"):  # an infinite ratio: the mean may be nan
        return float((ratio * advantages).mean())


def clipped_terms(ratio, advantages, clip=0.2):
    """min(r A, clip(r, 1-eps, 1+eps) A), [N]; both arguments [N], eps = `clip` > 0.

    Source: the slide "Clipped surrogate objective function"; Schulman et al. 2017,
    equation 7.
    """
    ratio, advantages = _samples(ratio=ratio, advantages=advantages)
    clip = _check.positive("clip", clip)
    with np.errstate(invalid="ignore"):
        clipped = np.clip(ratio, 1 - clip, 1 + clip)
        return np.minimum(ratio * advantages, clipped * advantages)


def clipped_surrogate(ratio, advantages, clip=0.2):
    """The mean of `clipped_terms`: never above `sampled_surrogate`."""
    with np.errstate(invalid="ignore"):
        return float(clipped_terms(ratio, advantages, clip).mean())


def clip_active(ratio, advantages, clip=0.2):
    """Where the clipped term has no gradient, bool [N].

    These are A > 0 with r > 1 + eps, and A < 0 with r < 1 - eps: samples that already
    moved the right way by more than eps. One that moved the wrong way keeps its
    gradient, which is what brings it back.
    """
    ratio, advantages = _samples(ratio=ratio, advantages=advantages)
    clip = _check.positive("clip", clip)
    too_likely = (advantages > 0) & (ratio > 1 + clip)
    too_unlikely = (advantages < 0) & (ratio < 1 - clip)
    return too_likely | too_unlikely


def effective_sample_size(ratio):
    """(sum r)^2 / sum r^2, between 1 and N, for positive ratios [N] (Kish)."""
    (ratio,) = _samples(ratio=ratio)
    ratio = _check.finite("ratio", ratio)
    largest = ratio.max()
    if ratio.min() < 0 or largest == 0:
        raise ValueError("ratio must be >= 0 and not all zero")
    ratio = ratio / largest  # squares of large ratios would overflow
    return float(ratio.sum() ** 2 / (ratio @ ratio))


def _samples(**arrays):
    """The arrays as float64, all of one shape [N] with N > 0; ValueError otherwise.

    Not-a-number passes: one bad ratio must make L not-a-number, so that it is refused.
    """
    arrays = {name: np.asarray(x, dtype=np.float64) for name, x in arrays.items()}
    shapes = {name: x.shape for name, x in arrays.items()}
    shape = next(iter(shapes.values()))
    if len(shape) != 1 or set(shapes.values()) != {shape}:
        given = " and ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise ValueError(f"expected one-dimensional arrays of one length, got {given}")
    if shape[0] == 0:
        raise ValueError(f"{' and '.join(shapes)} must hold at least one sample")
    return arrays.values()
