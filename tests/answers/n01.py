"""Right answers of other makes to the exercises of notebook 01."""

import math

import numpy as np


def action_values__loops(P, R, gamma, v):
    n_states, n_actions, _ = P.shape
    q = [[0.0] * n_actions for _ in range(n_states)]
    for s in range(n_states):
        for a in range(n_actions):
            for then in range(n_states):
                q[s][a] += P[s, a, then] * (R[s, a, then] + gamma * v[then])
    return q


def action_values__two_means(P, R, gamma, v):
    return np.einsum("sat,sat->sa", P, R) + gamma * P @ v


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
    while weight * (1 + moment) > 1e-12:
        J -= weight * (moment + k**2 * moment + std**2)
        moment = (1 + k) ** 2 * moment + std**2 + noise
        weight *= gamma
    return J
