"""Right answers of other makes to the exercises of notebook 11."""

import numpy as np

EQUIVALENT = {
    "accepted": {
        "`np.isfinite(L) & np.isfinite(kl)` -> `np.isfinite(L)`": (
            "kl <= delta is False for NaN and infinity anyway"
        ),
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
        if not (L <= 0 or kl > delta):
            return candidate
    return list(theta)


def demanding__ratio(evaluate, theta, g, step, delta, backtrack, max_backtracks):
    promise = g @ step
    for j in range(max_backtracks + 1):
        L, kl = evaluate(theta + backtrack**j * step)
        if kl <= delta and L / (backtrack**j * promise) >= 0.1:
            return theta + backtrack**j * step
    return theta


def demanding__recursive(evaluate, theta, g, step, delta, backtrack, max_backtracks):
    if max_backtracks < 0:
        return theta
    L, kl = evaluate(theta + step)
    if kl <= delta and 0.1 * sum(g * step) <= L:
        return theta + step
    return demanding__recursive(
        evaluate, theta, g, backtrack * step, delta, backtrack, max_backtracks - 1
    )
