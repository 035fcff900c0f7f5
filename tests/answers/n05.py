"""Right answers of other makes to the exercises of notebook 05."""

import numpy as np

from trpo_lite.bound import kl
from trpo_lite.exact import mean_kl_step, penalized_step

CANCELS = "the sign cancels when the weights are divided by their sum"
BRACKET = "the price lies far inside the bracket, whatever its ends"
HALVINGS = "after so many halvings one more or less changes nothing"
EXACTLY = "a KL of exactly delta is a matter of rounding in a search"

EQUIVALENT = {
    "priced_policy": {
        "`weights = p_old / (lam - A)` -> `weights = -(p_old / (lam - A))`": CANCELS,
        "`lam - A` -> `A - lam`": CANCELS,
    },
    "mean_kl_price": {
        "`1e-06` -> `9e-07`": BRACKET,
        "`1e-06` -> `1.1e-06`": BRACKET,
        "`1000000.0` -> `900000.0`": BRACKET,
        "`1000000.0` -> `1100000.0`": BRACKET,
        "`40` -> `41`": HALVINGS,
        "`40` -> `39`": HALVINGS,
        "`d @ kl(old.pi, pi) > delta` -> `d @ kl(old.pi, pi) >= delta`": EXACTLY,
    },
    "mirror_step": {
        "`0.001` -> `0.0009000000000000001`": BRACKET,
        "`0.001` -> `0.0011`": BRACKET,
        "`1000.0` -> `900.0`": BRACKET,
        "`1000.0` -> `1100.0`": BRACKET,
        "`60` -> `61`": HALVINGS,
        "`60` -> `59`": HALVINGS,
        "`weights = p_old * np.exp((A - A.max()) / beta)` -> "
        "`weights = -(p_old * np.exp((A - A.max()) / beta))`": CANCELS,
        "`A.max` -> `A.min`": "either keeps exp in its range, and both cancel",
        "`kl(pi, p_old) > delta` -> `kl(pi, p_old) >= delta`": EXACTLY,
    },
}


def priced_policy__loop(p_old, A, lam):
    weights = [p / (lam - a) for p, a in zip(p_old, A, strict=True)]
    return [w / sum(weights) for w in weights]


def priced_policy__beta(p_old, A, lam):
    beta = 1 / np.sum(p_old / (lam - A))
    return beta * p_old / (lam - A)


def mean_kl_price__package(old, delta):
    return mean_kl_step(old, delta).multiplier / old.visitation.sum()


def mean_kl_price__plain_halving(old, delta):
    low, high = 1e-4, 1e4
    while high - low > 1e-12:
        middle = (low + high) / 2
        if middle in (low, high):
            break
        if penalized_step(old, middle).mean_kl > delta:
            low = middle
        else:
            high = middle
    return high


def mean_kl_price__secant(old, delta):
    def excess(log_beta):
        return np.log(penalized_step(old, np.exp(log_beta)).mean_kl / delta)

    a, b = 0.0, 0.1
    for _ in range(30):
        if excess(a) == excess(b):
            break
        a, b = b, b - excess(b) * (b - a) / (excess(b) - excess(a))
    return float(np.exp(b))


def mirror_step__lists(p_old, A, delta):
    def policy(beta):
        weights = [p * np.exp((a - max(A)) / beta) for p, a in zip(p_old, A)]
        return [w / sum(weights) for w in weights]

    low, high = 0.01, 100.0
    for _ in range(60):
        beta = (low + high) / 2
        pi = policy(beta)
        if sum(q * np.log(q / p) for q, p in zip(pi, p_old)) > delta:
            low = beta
        else:
            high = beta
    return policy(high)


def mirror_step__newton(p_old, A, delta):
    A = A - p_old @ A
    x = np.sqrt(2 * delta / (p_old @ A**2))  # pi ~ p exp(x A); d KL / dx = x Var_pi(A)
    for _ in range(50):
        pi = p_old * np.exp(x * A)
        pi /= pi.sum()
        size, slope = kl(pi, p_old), x * (pi @ A**2 - (pi @ A) ** 2)
        x += (np.sqrt(delta * size) - size) * 2 / slope
    return pi
