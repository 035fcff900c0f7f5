"""Right answers of other makes to the exercises of notebook 14."""

import numpy as np

KINK = "at a kink the slopes of both sides are right; no case lies on one"
EQUIVALENT = {
    "clip_gradient": {
        "`A > 0` -> `A >= 0`": "with A = 0 the weight is 0, whether it is flat or not",
        "`ratio > 1 + high` -> `ratio >= 1 + high`": KINK,
        "`ratio < 1 - low` -> `ratio <= 1 - low`": KINK,
    },
    "resting_place": {
        "`A[1] > A[0]` -> `A[1] >= A[0]`": "equal advantages have returned already",
        "`1 - up` -> `up - 1`": "A[-1] is A[1], the last of two",
        "`min((1 + clip) * old, 1.0)` -> `min(1.0, (1 + clip) * old)`": (
            "the smaller of two numbers, in any order"
        ),
        "`max(own, others)` -> `max(others, own)`": (
            "the larger of two numbers, in any order"
        ),
    },
}


def kl_of_ratios__loop(ratio):
    total = 0.0
    for r in ratio:
        total += np.log(1 / r)
    return total / len(ratio)


def kl_of_ratios__product(ratio):
    return -np.log(np.prod(ratio)) / ratio.size


def clip_gradient__loop(ratio, score, A, low, high):
    g = np.zeros(score.shape[1])
    for r, row, a in zip(ratio, score, A, strict=True):
        if (a > 0 and r > 1 + high) or (a < 0 and r < 1 - low):
            continue
        g += r * a * row
    return g / len(A)


def clip_gradient__lists(ratio, score, A, low, high):
    def slope(r, a):
        worse = r * a <= min(max(r, 1 - low), 1 + high) * a
        return a if worse else 0.0

    N, n = score.shape
    weights = [slope(r, a) * r / N for r, a in zip(ratio, A, strict=True)]
    return [sum(w * score[i, j] for i, w in enumerate(weights)) for j in range(n)]


def clip_gradient__finite_differences(ratio, score, A, low, high):
    def objective(theta):  # to first order r moves by r times the score
        r = ratio * np.exp(score @ theta)
        return np.mean(np.minimum(r * A, np.clip(r, 1 - low, 1 + high) * A))

    h = 1e-6
    steps = h * np.eye(score.shape[1])
    return [(objective(e) - objective(-e)) / (2 * h) for e in steps]


def _objective(p, p_old, A, clip):
    total = 0.0
    for new, old, a in ((1 - p, 1 - p_old, A[0]), (p, p_old, A[1])):
        r = new / old
        total = total + old * np.minimum(r * a, np.clip(r, 1 - clip, 1 + clip) * a)
    return total


def resting_place__grid(p_old, A, clip):
    p = np.linspace(0, 1, 10_001)
    values = _objective(p, p_old, A, clip)
    i = round(p_old * 10_000)
    way = 1 if A[1] > A[0] else -1
    while 0 <= i + way <= 10_000 and values[i + way] > values[i] + 1e-12:
        i += way
    return p[i]


def resting_place__top(p_old, A, clip):
    p = np.linspace(0, 1, 4001)
    values = _objective(p, p_old, A, clip)
    tops = p[values >= values.max() - 1e-9]
    return min(tops, key=lambda x: abs(x - p_old))


def resting_place__slopes(p_old, A, clip):
    way = np.sign(A[1] - A[0])
    p, h = p_old, 2e-4
    while 0 < p < 1 and way:
        up = _objective(p + way * h, p_old, A, clip) - _objective(p, p_old, A, clip)
        if up < 1e-9:
            break
        p += way * h
    return min(max(p, 0.0), 1.0)


def resting_place__coarse_climb(p_old, A, clip):
    p = np.linspace(0, 1, 1001)
    values = [_objective(x, p_old, A, clip) for x in p]
    i = np.abs(p - p_old).argmin()
    while True:
        near = [j for j in (i - 1, i + 1) if 0 <= j < len(p)]
        top = max(near, key=lambda j: values[j])
        if values[top] <= values[i] + 1e-12:
            return p[i]
        i = top
