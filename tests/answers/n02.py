"""Right answers of other makes to the exercises of notebook 02."""

import numpy as np

from trpo_lite.mdp import evaluate


def td_error__loop(rewards, v, states, next_states, gamma):
    steps = zip(rewards, states, next_states, strict=True)
    return [r + gamma * v[then] - v[here] for r, here, then in steps]


def td_error__one_hot(rewards, v, states, next_states, gamma):
    cells = np.arange(len(v))
    change = gamma * (next_states[:, None] == cells) - (states[:, None] == cells)
    return rewards + change @ v


def improvement_estimate__loop(rewards, values, lengths, gamma):
    estimates = []
    for reward, value, length in zip(rewards, values, lengths, strict=True):
        worth = value[length]
        for t in reversed(range(length)):
            worth = reward[t] + gamma * worth
        estimates.append(worth - value[0])
    n, mean = len(estimates), sum(estimates) / len(estimates)
    variance = sum((x - mean) ** 2 for x in estimates) / (n - 1)
    return [mean, 1.959963984540054 * (variance / n) ** 0.5]


def improvement_estimate__td_errors(rewards, values, lengths, gamma):
    total = np.zeros(len(rewards))
    for i, length in enumerate(lengths):
        delta = rewards[i] + gamma * values[i, 1:] - values[i, :-1]
        total[i] = sum(gamma**t * delta[t] for t in range(length))
    return np.mean(total), 1.96 * np.sqrt(total.var() / (len(total) - 1))


def improvement_terms__roles_exchanged(mdp, pi_old, pi):
    def page(mdp, pi_old, pi):
        d, A = evaluate(mdp, pi).visitation, evaluate(mdp, pi_old).advantage
        return d[:, None] * pi * A

    return -page(mdp, pi, pi_old)


def improvement_terms__loops(mdp, pi_old, pi):
    at, terms = mdp.start, np.zeros((mdp.n_states, mdp.n_actions))
    A = evaluate(mdp, pi).advantage
    for t in range(600):
        terms -= mdp.gamma**t * at[:, None] * pi_old * A
        at = np.einsum("s,sa,sat->t", at, pi_old, mdp.P)
    return terms
