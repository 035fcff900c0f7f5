"""Right answers of other makes to the exercises of notebook 06."""

import numpy as np

EQUIVALENT = {
    "brute_force": {
        "`(ratio * A).mean` -> `(ratio * A).sum`": (
            "the sum is N times the mean for every candidate: the same argmax"
        ),
    },
}


def discounted_average__loop(x, gamma):
    total = 0.0
    for run in x:
        for t, term in enumerate(run):
            total += gamma**t * term
    return total / len(x)


def discounted_average__backwards(x, gamma):
    total = 0.0
    for column in x.T[::-1]:
        total = column + gamma * total
    return np.mean(total)


def discounted_average__matrix(x, gamma):
    return x.mean(axis=0) @ gamma ** np.arange(x.shape[1])


def brute_force__loop(ratio, A, kl, delta):
    best = None
    for i in range(len(ratio)):
        if np.mean(kl[i]) <= delta:
            L = sum(r * a for r, a in zip(ratio[i], A))
            if best is None or best[0] < L:
                best = L, i
    return best[1]


def brute_force__sorted(ratio, A, kl, delta):
    for i in np.argsort(-(ratio @ A)):
        if not kl[i].mean() > delta:
            return i


def brute_force__allowed(ratio, A, kl, delta):
    allowed = np.flatnonzero(kl.sum(axis=1) <= delta * len(A))
    return allowed[np.argmax(ratio[allowed] @ A)]


def discounted_gradient__split(score, A, ended, gamma):
    cuts = np.flatnonzero(ended[:-1]) + 1
    totals = [
        np.einsum("t,t,tn->n", gamma ** np.arange(len(a)), a, s)
        for a, s in zip(np.split(A, cuts), np.split(score, cuts), strict=True)
    ]
    error = np.std(totals, axis=0, ddof=1) / len(totals) ** 0.5
    return [np.mean(totals, axis=0), 1.959963984540054 * error]


def discounted_gradient__backwards(score, A, ended, gamma):
    """What follows is discounted once more at each step back."""
    totals, later = [], 0.0
    for t in reversed(range(len(A))):
        if ended[t] and t < len(A) - 1:
            totals.append(later)
            later = 0.0
        later = A[t] * score[t] + gamma * later
    totals.append(later)
    n, g = len(totals), sum(totals) / len(totals)
    variance = sum((x - g) ** 2 for x in totals) / (n - 1)
    return g, 1.96 * np.sqrt(variance / n)


def discounted_gradient__table(score, A, ended, gamma):
    """By the number of each step's episode and its time there."""
    episode = np.cumsum(np.append(0, ended[:-1]))
    first = np.searchsorted(episode, episode)
    weights = gamma ** (np.arange(len(A)) - first) * A
    totals = np.zeros((episode[-1] + 1, score.shape[1]))
    np.add.at(totals, episode, weights[:, None] * score)
    n = len(totals)
    return totals.mean(0), 1.96 * np.sqrt(totals.var(0) / (n - 1))
