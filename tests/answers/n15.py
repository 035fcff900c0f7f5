"""Right answers of other makes to the exercises of notebook 15."""

import math
import statistics

import numpy as np

INWARDS = "beyond the middle a pair holds with no positive probability"

EQUIVALENT = {
    "median_interval": {
        "`n // 2` -> `n`": INWARDS,
        "`2` -> `1`": INWARDS,
        "`n - k` -> `-k`": "counted from the end it is the same score",
    },
}


def gamma_for__exponential(seconds, weight, dt):
    return np.exp(np.log(weight) * dt / seconds)


def gamma_for__bisection(seconds, weight, dt):
    low, high = 0.0, 1.0
    for _ in range(80):
        gamma = (low + high) / 2
        low, high = (gamma, high) if gamma ** (seconds / dt) < weight else (low, gamma)
    return (low + high) / 2


def read_log__lists(R, share, over_noise, entropy):
    R, n = [float(x) for x in R], len(R)
    early, late = R[: n // 2], R[n // 2 :]
    square = statistics.pvariance(early) / len(early)
    square += statistics.pvariance(late) / len(late)
    rise = statistics.fmean(late) - statistics.fmean(early)
    if statistics.median(share) < 0.1:
        word = "frozen"
    elif rise > 0 and rise**2 > 4 * square:
        word = "learning"
    elif entropy[len(entropy) - 1] + 1 < entropy[0]:
        word = "collapsed"
    elif statistics.median(over_noise) < 2:
        word = "noise"
    else:
        word = "misled"
    return word


def read_log__table(R, share, over_noise, entropy):
    early, late = np.split(R, [len(R) // 2])
    error = np.hypot(early.std() / np.sqrt(len(early)), late.std() / np.sqrt(len(late)))
    rules = {
        "frozen": np.median(share) < 0.1,
        "learning": (late.mean() - early.mean()) > 2 * error,
        "collapsed": -np.sum(np.diff(entropy)) > 1,
        "noise": np.median(over_noise) < 2,
        "misled": True,
    }
    return next(word for word, holds in rules.items() if holds)


def median_interval__growing(scores, level):
    x, n = sorted(scores), len(scores)
    best = -np.inf, np.inf
    for k in range(1, n // 2 + 1):
        inside = sum(math.comb(n, j) for j in range(k, n - k + 1))
        if inside / 2**n >= level:
            best = x[k - 1], x[n - k]
    return best


def median_interval__tails(scores, level):
    x = np.sort(scores)
    chance, beyond, k = 0.5 ** len(x), 0.0, 0  # of j below, summed
    while 1 - 2 * (beyond + chance) >= level and 2 * (k + 1) <= len(x):
        beyond += chance
        k += 1
        chance *= (len(x) - k + 1) / k
    return (x[k - 1], x[-k]) if k else (-np.inf, np.inf)
