"""Right answers of other makes to the exercises of notebook 03."""

import math

import numpy as np

from trpo_lite.mdp import evaluate

EQUIVALENT = {
    "policy_gradient": {
        "`weights = np.exp(scores - scores.max(axis=1, keepdims=True))` -> "
        "`weights = -np.exp(scores - scores.max(axis=1, keepdims=True))`": (
            "the sign cancels where the weights are divided by their sum"
        ),
    },
}


def importance_mean__loop(f, log_prob, log_prob_old):
    total = 0.0
    for value, new, old in zip(f, log_prob, log_prob_old, strict=True):
        total += math.exp(new - old) * value
    return total / len(f)


def importance_mean__dot(f, log_prob, log_prob_old):
    return np.exp(np.subtract(log_prob, log_prob_old)) @ f / f.size


def importance_mean__power(f, log_prob, log_prob_old):
    return sum(np.e ** (log_prob - log_prob_old) * f) / len(f)


def mismatch__by_performance(mdp, pi_old, pi):
    old, new = evaluate(mdp, pi_old), evaluate(mdp, pi)
    L = old.visitation @ (pi * old.advantage).sum(1)
    return new.performance - old.performance - L


def mismatch__loop(mdp, pi_old, pi):
    old, new = evaluate(mdp, pi_old), evaluate(mdp, pi)
    total = 0.0
    for s in range(len(pi)):
        mean = sum(pi[s, a] * old.advantage[s, a] for a in range(pi.shape[1]))
        total += (new.visitation[s] - old.visitation[s]) * mean
    return total


def mismatch__with_ratios(mdp, pi_old, pi):
    old, new = evaluate(mdp, pi_old), evaluate(mdp, pi)
    per_state = np.einsum("sa,sa,sa->s", pi_old, pi / pi_old, old.advantage)
    return float(np.dot(new.visitation, per_state) - np.dot(old.visitation, per_state))


def _pi(features, theta):
    scores = features @ theta
    scores = scores - scores.max(1)[:, None]
    return np.exp(scores) / np.exp(scores).sum(1)[:, None]


def policy_gradient__scores_of_samples(mdp, features, theta):
    """The mean of the score times A, over all pairs (s, a)."""
    pi = _pi(features, theta)
    old = evaluate(mdp, pi)
    total = np.zeros(theta.shape)
    for s, a in np.ndindex(pi.shape):
        score = np.outer(features[s], (np.arange(pi.shape[1]) == a) - pi[s])
        total += old.visitation[s] * pi[s, a] * old.advantage[s, a] * score
    return total


def policy_gradient__q_and_v(mdp, features, theta):
    old = evaluate(mdp, _pi(features, theta))
    by_score = old.pi * (old.q - old.v[:, None])
    return np.einsum("s,sn,sa->na", old.visitation, features, by_score).tolist()


def _central_differences(mdp, features, theta, h):
    slopes = np.zeros(theta.shape)
    for i in np.ndindex(theta.shape):
        J = []
        for x in (h, -h):
            moved = theta.copy()
            moved[i] += x
            J.append(evaluate(mdp, _pi(features, moved)).performance)
        slopes[i] = (J[0] - J[1]) / (2 * h)
    return slopes


def policy_gradient__differences(mdp, features, theta):
    return _central_differences(mdp, features, theta, 1e-6)


def policy_gradient__coarse(mdp, features, theta):
    return _central_differences(mdp, features, theta, 1e-3)
