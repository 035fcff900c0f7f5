"""Right answers of other makes to the exercises of notebook 11."""

import numpy as np

EQUIVALENT = {
    "accepted": {
        "`np.isfinite(L) & np.isfinite(kl)` -> `np.isfinite(L)`": (
            "kl <= delta is False for NaN and infinity anyway"
        ),
    },
    "refined": {
        "`return L > 0 and kl <= delta` -> `return -(L > 0 and kl <= delta)`": (
            "-1 is as true as 1"
        ),
        "`1` -> `0`": "j = 0 is the full step, which has failed already",
    },
}


def accepted__loop(L, kl, delta):
    passed = []
    for one, other in zip(L, kl, strict=True):
        passed.append(bool(0 < one < np.inf and other <= delta))
    return passed


def accepted__where(L, kl, delta):
    fails = ~(L > 0) | np.isinf(L) | ~(kl <= delta)
    return np.where(fails, False, True)


def searched__shrinking(evaluate, theta, step, delta, backtrack, max_backtracks):
    scale = 1.0
    while max_backtracks >= 0:
        L, kl = evaluate(theta + scale * step)
        if kl <= delta and not L <= 0:
            return theta + scale * step
        scale, max_backtracks = scale * backtrack, max_backtracks - 1
    return theta


def searched__all_tried(evaluate, theta, step, delta, backtrack, max_backtracks):
    candidates = [theta + backtrack**j * step for j in range(max_backtracks + 1)]
    passed = [c for c in candidates if evaluate(c)[0] > 0 and evaluate(c)[1] <= delta]
    return [*passed, theta][0]


def searched__lists(evaluate, theta, step, delta, backtrack, max_backtracks):
    for j in range(max_backtracks + 1):
        candidate = [t + backtrack**j * s for t, s in zip(theta, step, strict=True)]
        L, kl = evaluate(np.array(candidate))
        if not (L > 0 and kl <= delta):
            continue
        return candidate
    return list(theta)


def refined__factor(evaluate, theta, step, delta, backtrack, tries, halvings):
    """The share's upper end as a factor of the share."""
    share, length, left = 1.0, 0.0, tries - 1
    while True:
        L, kl = evaluate(theta + share * step)
        if L > 0 and kl <= delta:
            break
        if left == 0:
            return theta
        length, share, left = share, share * backtrack, left - 1
    half = (length - share) / 2 if length else 0.0
    for _ in range(halvings):
        L, kl = evaluate(theta + (share + half) * step)
        if half and L > 0 and kl <= delta:
            share += half
        half /= 2
    return theta + share * step


def refined__recursive(evaluate, theta, step, delta, backtrack, tries, halvings):
    def good(x):
        L, kl = evaluate(np.asarray(x))
        return kl <= delta and L > 0

    def between(low, high, n):
        if n == 0:
            return low
        middle = 0.5 * (low + high)
        ends = (middle, high) if good(middle) else (low, middle)
        return between(*ends, n - 1)

    tries = [theta + backtrack**j * step for j in range(tries)]
    passed = [j for j, x in enumerate(tries) if good(x)]
    if not passed:
        return list(theta)
    j = passed[0]
    return tries[0] if j == 0 else list(between(tries[j], tries[j - 1], halvings))
