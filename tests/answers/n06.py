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


def gradient_estimate__loop(score, A, gamma):
    totals = []
    for one, other in zip(score, A):
        totals.append(sum(gamma**t * a * b for t, (a, b) in enumerate(zip(one, other))))
    n, g = len(totals), sum(totals) / len(totals)
    variance = sum((x - g) ** 2 for x in totals) / (n - 1)
    return [g, 1.96 * (variance / n) ** 0.5]


def gradient_estimate__moments(score, A, gamma):
    total = np.einsum("nt,nt,t->n", score, A, gamma ** np.arange(A.shape[1]))
    n = len(total)
    variance = (np.mean(total**2) - total.mean() ** 2) * n / (n - 1)
    return np.array([total.mean(), 1.96 * np.sqrt(variance / n)])


def gradient_estimate__scipys_95(score, A, gamma):
    total = (score * A) @ gamma ** np.arange(A.shape[1])
    error = np.sqrt(np.sum((total - total.mean()) ** 2) / (len(total) - 1) / len(total))
    return total.mean(), 1.959963984540054 * error


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
