"""Right answers of other makes to the exercises of notebook 01."""

import math

import numpy as np


def action_values__loops(P, R, gamma, v):
    q = R.tolist()
    for s, row in enumerate(P):
        for a, probabilities in enumerate(row):
            for p, value in zip(probabilities, v, strict=True):
                q[s][a] += gamma * p * value
    return q


def action_values__einsum(P, R, gamma, v):
    return R + gamma * np.einsum("sat,t->sa", P, v)


def count_visits__every_step_by_hand(states, gamma, n_states):
    d = [0.0] * n_states
    for path in states.tolist():
        for t, s in enumerate(path):
            d[s] += gamma**t / len(states)
    return d


def count_visits__add_at(states, gamma, n_states):
    n, T = states.shape
    d = np.zeros(n_states)
    np.add.at(d, states.ravel(), np.tile(gamma ** np.arange(T), n))
    return d / n


def windy_performance__values(k, std, noise, m0, gamma):
    """As the page went: v(s) = -(P s^2 + h)."""
    c = 1 + k
    if gamma * c**2 >= 1:
        return -math.inf
    P = (1 + k**2) / (1 - gamma * c**2)
    h = (std**2 + gamma * P * (std**2 + noise)) / (1 - gamma)
    return -(P * m0 + h)


def windy_performance__summed_over_time(k, std, noise, m0, gamma):
    """Step by step, until nothing is added."""
    if gamma * (1 + k) ** 2 >= 1:
        return float("-inf")
    moment, weight, J = m0, 1.0, 0.0
    while weight > 1e-14:
        J -= weight * (moment + k**2 * moment + std**2)
        moment = (1 + k) ** 2 * moment + std**2 + noise
        weight *= gamma
    return J
