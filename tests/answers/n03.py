"""Right answers of other makes to the exercises of notebook 03."""

import math

import numpy as np

from trpo_lite.mdp import evaluate

EQUIVALENT = {
    "judged_by_old": {
        "`ratio.mean() - 1` -> `1 - ratio.mean()`": "its size alone counts",
        "`f - mean` -> `mean - f`": "it is squared",
    },
    "policy_gradient": {
        "`weights = np.exp(logits - logits.max(axis=1, keepdims=True))` -> "
        "`weights = -np.exp(logits - logits.max(axis=1, keepdims=True))`": (
            "the sign cancels where the weights are divided by their sum"
        ),
    },
}


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


def judged_by_old__loop(f, log_prob, log_prob_old):
    n = len(f)
    ratio = [math.exp(a - b) for a, b in zip(log_prob, log_prob_old, strict=True)]

    def interval(x):
        mean = sum(x) / n
        return mean, 1.96 * math.sqrt(sum((y - mean) ** 2 for y in x) / (n - 1) / n)

    mean, half = interval([r * x for r, x in zip(ratio, f, strict=True)])
    middle, width = interval(ratio)
    if not middle - width <= 1 <= middle + width:
        return [mean, half, 0]
    direct = sum(r * (x - mean) ** 2 for r, x in zip(ratio, f, strict=True)) / n
    return [mean, half, n * direct / ((half / 1.96) ** 2 * (n - 1))]


def judged_by_old__moments(f, log_prob, log_prob_old):
    """Var_pi[f] with the mean square multiplied out."""
    n, r = len(f), np.e ** np.subtract(log_prob, log_prob_old)
    m1, m2, mean = r.mean(), (r**2).mean(), r @ f / n
    variance = (r * f) @ (r * f) / n - mean**2
    half = 1.959963984540054 * np.sqrt(variance / (n - 1))
    direct = r @ f**2 / n - 2 * mean * mean + mean**2 * m1
    believed = (m1 - 1) ** 2 <= 1.96**2 * (m2 - m1**2) / (n - 1)
    return np.array([mean, half, n * direct / variance if believed else 0.0])


def _pi(features, theta):
    logits = features @ theta
    logits = logits - logits.max(1)[:, None]
    return np.exp(logits) / np.exp(logits).sum(1)[:, None]


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
    by_logit = old.pi * (old.q - old.v[:, None])
    return np.einsum("s,sn,sa->na", old.visitation, features, by_logit).tolist()


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
