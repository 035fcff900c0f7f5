"""Right answers of other makes to the exercises of notebook 12."""

import numpy as np

CENTRED = "normalised advantages have mean 0, so a constant beside r adds nothing"

EQUIVALENT = {
    "careful_update": {
        "`natural.predicted_surrogate < guard * np.sqrt(2 * delta * n / N)` -> "
        "`natural.predicted_surrogate <= guard * np.sqrt(2 * delta * n / N)`": (
            "equal numbers are a matter of rounding, and at 0 the step is 0 anyway"
        ),
        "`np.mean` -> `np.sum`": "the search asks for the sign of L only",
        "`r - 1` -> `r + 1`": CENTRED,
        "`r - 1` -> `r`": CENTRED,
        "`1` -> `2`": CENTRED,
        "`1` -> `0`": CENTRED,
    },
}


def enough_steps__search(promise, delta, n, guard):
    N = 1
    while guard * np.sqrt(2 * delta * n / N) > promise * (1 + 1e-12):
        N += 1
    return N


def enough_steps__turned(promise, delta, n, guard):
    return int(np.ceil(2 * delta * n * (promise / guard) ** -2))


def enough_steps__whole(promise, delta, n, guard):
    noise = np.sqrt(2 * delta * n) * guard
    return int(-(-((noise / promise) ** 2 - 1e-9) // 1))


def flat_advantages__grid(td, continues, gamma, lam):
    A = np.zeros((len(td) + 1, td.shape[1]))
    for t in range(len(td) - 1, -1, -1):
        A[t] = td[t] + gamma * lam * np.where(continues[t], A[t + 1], 0)
    return A[:-1].ravel()


def flat_advantages__sums(td, continues, gamma, lam):
    T, N = td.shape
    flat = []
    for t in range(T):
        for n in range(N):
            total, weight = 0.0, 1.0
            for later in range(t, T):
                total += weight * td[later, n]
                weight *= gamma * lam * continues[later, n]
            flat.append(total)
    return flat


def careful_update__matrix(policy, s, a, A_hat, delta, guard, n):
    old, size = policy.at(s), len(policy.theta)
    A = (A_hat - np.mean(A_hat)) / np.std(A_hat)
    H = np.array([old.fisher_product(e) for e in np.eye(size)]) + 1e-3 * np.eye(size)
    g = old.score_sum(a, A / len(A))
    x = np.linalg.solve(H, g)
    step = np.sqrt(2 * delta / (g @ x)) * x
    if g @ step >= guard * np.sqrt(2 * delta * n / len(A)):
        for j in range(11):
            new = old.with_theta(policy.theta + 0.8**j * step)
            r = np.exp(new.log_prob(a) - old.log_prob(a))
            if r @ A > 0 and old.kl(new).mean() <= delta:
                return new.policy.theta
    return policy.theta


def careful_update__package(policy, s, a, A_hat, delta, guard, n):
    from trpo_lite.advantage import normalize
    from trpo_lite.rollout import Samples
    from trpo_lite.trpo import trpo_update

    A = normalize(np.asarray(A_hat))
    new, said = trpo_update(policy, Samples(s, a), A, delta, damping=1e-3)
    noise = (2 * delta * n / len(A)) ** 0.5
    return (policy if said.predicted_surrogate < guard * noise else new).theta
