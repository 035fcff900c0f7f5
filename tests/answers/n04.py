"""Right answers of other makes to the exercises of notebook 04."""

import math

import numpy as np

from trpo_lite import bound
from trpo_lite.mdp import evaluate
from trpo_lite.surrogate import surrogate

HALVINGS = "after some 50 halvings the two ends are neighbours"
EQUIVALENT = {
    "lower_bound": {
        "`1 - mdp.gamma` -> `mdp.gamma - 1`": "it is squared",
    },
    "mm_step": {
        "`100` -> `99`": HALVINGS,
        "`100` -> `101`": HALVINGS,
        "`pi.sum() > 1` -> `pi.sum() >= 1`": "at a sum of 1 the search is at its end",
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


def mm_step__newton(p_old, A, penalty):
    """From above the sum is convex in the price, so Newton falls to the root."""
    price = max(A + penalty * p_old)
    for _ in range(50):
        pi = penalty * p_old / (price - A)
        price += (pi.sum() - 1) / np.sum(pi / (price - A))
    return pi.tolist()


def mm_step__scipy(p_old, A, penalty):
    from scipy.optimize import brentq

    def excess(price):
        return sum(penalty * p / (price - a) for p, a in zip(p_old, A)) - 1

    top = int(np.argmax(A))
    least = A[top] + penalty * p_old[top] / 2
    return penalty * p_old / (brentq(excess, least, A[top] + penalty) - A)


def mm_step__climbing(p_old, A, penalty):
    """Gradient ascent on the logits; the gradient of KL there is pi - p_old."""
    theta = np.log(p_old)
    for _ in range(20_000):
        pi = np.exp(theta - theta.max())
        pi = pi / pi.sum()
        gradient = pi * (A - pi @ A) - penalty * (pi - p_old)
        theta = theta + gradient / (penalty + np.ptp(A))
    return pi
