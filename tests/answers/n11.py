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


def searched__shrinking(evaluate, theta, step, delta, alpha, tries):
    scale = 1.0
    while tries > 0:
        L, kl = evaluate(theta + scale * step)
        if kl <= delta and not L <= 0:
            return theta + scale * step
        scale, tries = scale * alpha, tries - 1
    return theta


def searched__all_tried(evaluate, theta, step, delta, alpha, tries):
    candidates = [theta + alpha**j * step for j in range(tries)]
    passed = [c for c in candidates if evaluate(c)[0] > 0 and evaluate(c)[1] <= delta]
    return [*passed, theta][0]


def searched__lists(evaluate, theta, step, delta, alpha, tries):
    for j in range(tries):
        candidate = [t + alpha**j * s for t, s in zip(theta, step, strict=True)]
        L, kl = evaluate(np.array(candidate))
        if not (L <= 0 or kl > delta):
            return candidate
    return list(theta)


def demanding__ratio(evaluate, theta, g, step, delta, alpha, tries):
    promise = g @ step
    for j in range(tries):
        L, kl = evaluate(theta + alpha**j * step)
        if kl <= delta and L / (alpha**j * promise) >= 0.1:
            return theta + alpha**j * step
    return theta


def demanding__recursive(evaluate, theta, g, step, delta, alpha, tries):
    if tries == 0:
        return theta
    L, kl = evaluate(theta + step)
    if kl <= delta and 0.1 * sum(g * step) <= L:
        return theta + step
    return demanding__recursive(
        evaluate, theta, g, alpha * step, delta, alpha, tries - 1
    )
