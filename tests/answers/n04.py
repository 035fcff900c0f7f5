"""Right answers of other makes to the exercises of notebook 04."""

import math

import numpy as np

from trpo_lite import bound
from trpo_lite.mdp import evaluate
from trpo_lite.surrogate import surrogate

EQUIVALENT = {
    "lower_bound": {
        "`1 - mdp.gamma` -> `mdp.gamma - 1`": "it is squared",
    },
}


def max_kl__loop(log_old, log_new):
    largest = 0.0
    for row_old, row_new in zip(log_old, log_new, strict=True):
        kl = 0.0
        for old, new in zip(row_old, row_new, strict=True):
            kl += math.exp(old) * (old - new)
        largest = max(largest, kl)
    return largest


def max_kl__of_probabilities(log_old, log_new):
    return bound.kl(np.exp(log_old), np.exp(log_new)).max()


def max_kl__einsum(log_old, log_new):
    return max(np.einsum("sa,sa->s", np.exp(log_old), log_old - log_new).tolist())


def lower_bound__loops(mdp, pi_old, pi):
    old = evaluate(mdp, pi_old)
    L, epsilon, largest = 0.0, 0.0, 0.0
    for s in range(len(pi)):
        kl = 0.0
        for a in range(pi.shape[1]):
            L += old.visitation[s] * pi[s, a] * old.advantage[s, a]
            epsilon = max(epsilon, abs(old.advantage[s, a]))
            kl += pi_old[s, a] * (math.log(pi_old[s, a]) - math.log(pi[s, a]))
        largest = max(largest, kl)
    horizon = 1 / (1 - mdp.gamma)
    return L - 4 * epsilon * mdp.gamma * horizon * horizon * largest


def lower_bound__package(mdp, pi_old, pi):
    old = evaluate(mdp, pi_old)
    C = bound.penalty_constant(old, mdp.gamma)
    return surrogate(old, pi) - C * bound.kl(pi_old, pi).max()


def lower_bound__ratios(mdp, pi_old, pi):
    old, r = evaluate(mdp, pi_old), pi / pi_old
    L = np.einsum("s,sa,sa,sa->", old.visitation, pi_old, r, old.advantage)
    epsilon = max(old.advantage.max(), -old.advantage.min())
    kl = -(pi_old * np.log(r)).sum(-1)
    return L - 4 * epsilon * mdp.gamma / (1 - mdp.gamma) ** 2 * kl.max()


def _M(q, p, slope, penalty):
    kl = p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))
    return slope * (q - p) - penalty * kl


def mm_step__grid(p, slope, penalty):
    q = np.linspace(0, 1, 10_000)[1:-1]
    return q[np.argmax(_M(q, p, slope, penalty))]


def mm_step__the_page_s_grid(p, slope, penalty):
    q = np.linspace(0, 1, 10_001)[1:-1]
    return float(q[_M(q, p, slope, penalty).argmax()])


def mm_step__bisection(p, slope, penalty):
    low, high = 1e-12, 1 - 1e-12
    for _ in range(100):
        q = (low + high) / 2
        rising = slope + penalty * (p / q - (1 - p) / (1 - q)) > 0
        low, high = (q, high) if rising else (low, q)
    return q


def mm_step__roots(p, slope, penalty):
    roots = np.roots([slope, penalty - slope, -penalty * p])
    return next(float(q) for q in roots if 0 < q < 1)


def mm_step__climbing(p, slope, penalty):
    """Gradient ascent with the derivative by central differences."""
    q, h = p, 1e-5
    for _ in range(5000):
        rise = _M(q + h, p, slope, penalty) - _M(q - h, p, slope, penalty)
        q += 0.02 / penalty * rise / (2 * h) * min(q, 1 - q)
    return q
