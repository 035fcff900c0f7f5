"""KL, total variation and the lower bounds on the improvement J(pi) - J(pi_old).

Everywhere the old policy comes first: KL(pi_old || pi). Visitations are unnormalised.
"""

import numpy as np

from trpo_lite import _check
from trpo_lite.surrogate import surrogate


def log_gap(x):
    """x - log(1 + x), >= 0, for an array x > -1: all its digits, however small x is.

    Near 0, with s = x / (2 + x), it is x s - 2 (s^3 / 3 + s^5 / 5 + ...).
    """
    x = np.asarray(x, dtype=np.float64)
    s = x / (2 + x)
    w = s * s
    series = x * s - 2 * s * w * (1 / 3 + w * (1 / 5 + w * (1 / 7 + w / 9)))
    return np.where(np.abs(x) < 0.05, series, x - np.log1p(x))


def kl(old, new):
    """KL(old || new) = sum p log(p / q) over the last axis, [...].

    0 log 0 = 0; inf where old has support and new has none. For nearby distributions
    it is summed as p (x - log(1 + x)), x = q/p - 1, which keeps its digits where
    p log(p / q) loses them all.

    Source: the slide "Use the local approximation to get surrogate".
    Raises ValueError unless both are distributions.
    """
    p, q = _pair(old, new)
    near = np.abs(q - p) < 0.5 * p
    x = np.divide(q - p, p, out=np.zeros(near.shape), where=near)
    log_p = np.log(p, out=np.zeros(near.shape), where=p > 0)
    log_q = np.log(q, out=np.full(near.shape, -np.inf), where=q > 0)
    far = np.multiply(p, log_p - log_q, out=np.zeros(near.shape), where=p > 0) - p + q
    terms = np.where(near, p * log_gap(x), far)
    return np.maximum(terms, 0).sum(-1)  # each is >= 0, but for rounding


def total_variation(p, q):
    """TV = half of sum |p - q| over the last axis, [...], in [0, 1]."""
    p, q = _pair(p, q)
    return 0.5 * np.abs(p - q).sum(-1)


def penalty_constant(old, gamma, pinsker=False):
    """C = 4 eps gamma / (1-gamma)^2, with eps = max |A_old|.

    `pinsker=True` gives 2 eps gamma / (1-gamma)^2: Pinsker's inequality
    TV^2 <= KL / 2 is twice as sharp as the TV^2 <= KL used there.

    Source: Schulman et al. 2015, Theorem 1 and equation 9.
    """
    gamma = _check.discount("gamma", gamma)
    epsilon = np.abs(old.advantage).max()
    return float((2 if pinsker else 4) * epsilon * gamma / (1 - gamma) ** 2)


def lower_bound(old, pi, gamma, penalty=None):
    """M(pi) = L_old(pi) - C max_s KL(pi_old || pi) <= J(pi) - J(pi_old).

    `penalty` is C, by default `penalty_constant(old, gamma)`; a smaller one may not
    bound the improvement.

    Source: the slide "MM algorithm"; Schulman et al. 2015, equation 10.
    """
    gamma = _check.discount("gamma", gamma)
    C = penalty_constant(old, gamma) if penalty is None else float(penalty)
    if not C >= 0:
        raise ValueError(f"penalty must be >= 0, got {penalty!r}")
    return surrogate(old, pi) - _times(C, kl(old.pi, pi).max())


def bounds(old, pi, gamma):
    """Published lower bounds on J(pi) - J(pi_old), by name.

    With eps = max |A_old|, alpha = max_s TV and eps' = max_s |E_{a~pi} A_old(s, a)|:

    "Schulman KL"   L - 4 eps gamma max_s KL / (1-gamma)^2
    "half Pinsker"  L - 2 eps gamma max_s KL / (1-gamma)^2
    "Schulman TV"   L - 4 eps gamma alpha^2 / (1-gamma)^2
    "sharp TV"      L - 4 eps gamma alpha^2 / [(1-gamma) (1 - gamma (1-alpha))]
    "CPO TV"        L - 2 eps' gamma sum_s d(s) TV(s) / (1-gamma)
    "CPO KL"        L - sqrt(2) eps' gamma sqrt(mean KL) / (1-gamma)^2

    The last two average over states where the others take a maximum; the mean is
    over the normalised visitation.

    Source: Schulman et al. 2015, Theorem 1 and its proof; Achiam et al. 2017,
    corollaries 1 and 3.
    """
    gamma = _check.discount("gamma", gamma)
    L = surrogate(old, pi)
    divergence, distance = kl(old.pi, pi), total_variation(old.pi, pi)
    alpha = distance.max()
    epsilon = np.abs(old.advantage).max()
    epsilon_pi = np.abs((pi * old.advantage).sum(-1)).max()
    d = old.visitation
    seen = d > 0  # an infinite KL in a state never visited costs nothing on average
    mean_kl = (d[seen] @ divergence[seen]) / d.sum()
    max_kl = divergence.max()
    C = 4 * epsilon * gamma / (1 - gamma) ** 2
    sharp = 4 * epsilon * gamma / ((1 - gamma) * (1 - gamma * (1 - alpha)))
    cpo = np.sqrt(2) * gamma * epsilon_pi / (1 - gamma) ** 2
    penalties = {
        "Schulman KL": _times(C, max_kl),
        "half Pinsker": _times(C / 2, max_kl),
        "Schulman TV": C * alpha**2,
        "sharp TV": sharp * alpha**2,
        "CPO TV": 2 * gamma * epsilon_pi * (d @ distance) / (1 - gamma),
        "CPO KL": _times(cpo, np.sqrt(mean_kl)),
    }
    return {name: float(L - penalty) for name, penalty in penalties.items()}


def _times(constant, divergence):
    """Their product, where a penalty of 0 on an infinite KL is 0."""
    return float(constant * divergence) if constant > 0 else 0.0


def _pair(old, new):
    """Both as distributions over the same actions, broadcast to one shape."""
    old = _check.distributions("old", old)
    new = _check.distributions("new", new)
    if not old.ndim or not new.ndim or old.shape[-1] != new.shape[-1]:
        raise ValueError(
            f"old has shape {old.shape} and new {new.shape}, expected [..., A] of one A"
        )
    return np.broadcast_arrays(old, new)
