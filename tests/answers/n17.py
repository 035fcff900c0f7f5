"""Right answers of other makes to the exercises of notebook 17."""

import numpy as np

EQUIVALENT = {
    "gaussian_kl": {
        "`mean - new_mean` -> `new_mean - mean`": "the difference is squared",
        "`-1` -> `1`": "of two axes, the second is the last",
    },
    "surrogate": {"`0` -> `-1`": "of one column, the first is the last"},
    "diagnose": {
        "`logged - measured` -> `measured - logged`": "only its size is looked at",
    },
}


def gaussian_kl__loop(mean, std, new_mean, new_std):
    total = np.zeros(len(mean))
    for k in range(mean.shape[1]):
        x = (std[:, k] / new_std[:, k]) ** 2
        gap = (new_mean[:, k] - mean[:, k]) / new_std[:, k]
        total += (x - np.log(x) - 1 + gap * gap) / 2
    return total


def gaussian_kl__lists(mean, std, new_mean, new_std):
    out = []
    for rows in zip(mean, std, new_mean, new_std, strict=True):
        total = 0.0
        for m, s, n, t in zip(*rows, strict=True):
            total += float(np.log(t) - np.log(s) + (s * s + (m - n) ** 2) / t / t / 2)
        out.append(total - len(rows[0]) / 2)
    return out


def gaussian_kl__mean_times_m(mean, std, new_mean, new_std):
    gap = (mean - new_mean) ** 2
    each = np.log(new_std / std) + (std**2 + gap) / (2 * new_std**2) - 0.5
    return each.mean(axis=-1) * mean.shape[1]


def fisher_product__matrix(scores, v, damping):
    F = np.mean([np.outer(s, s) for s in scores], axis=0)
    return (F + damping * np.eye(len(v))) @ v


def fisher_product__loop(scores, v, damping):
    total = np.zeros_like(v)
    for s in scores:
        total += s * (s @ v)
    return total / len(scores) + damping * v


def fisher_product__lists(scores, v, damping):
    weights = [float(s @ v) for s in scores]
    return [
        sum(w * s[i] for w, s in zip(weights, scores, strict=True)) / len(scores)
        + damping * v[i]
        for i in range(len(v))
    ]


def surrogate__loop(log_prob, old_log_prob, advantages):
    total = 0.0
    for (new,), old, A in zip(log_prob, old_log_prob, advantages, strict=True):
        total += np.exp(new - old) * A
    return total / len(advantages)


def surrogate__columns(log_prob, old_log_prob, advantages):
    ratio = np.exp(log_prob - old_log_prob[:, None])
    return float(np.mean(ratio * advantages[:, None]))


def surrogate__probabilities(log_prob, old_log_prob, advantages):
    new, old = np.exp(log_prob.squeeze(-1)), np.exp(old_log_prob)
    return advantages @ (new / old) / len(old)


def diagnose__nested(home, logged, measured, delta, moved):
    if home < -1e-6 * delta or home > 1e-6 * delta:
        return "KL formula"
    true_log = abs(logged - measured) / delta <= 1e-6
    if moved:
        if not true_log:
            return "overwritten"
        return "no KL test" if measured > delta else "not restored"
    if not true_log:
        return "reversed KL"
    return "healthy" if measured <= delta else "no KL test"


def diagnose__table(home, logged, measured, delta, moved):
    fails = (
        ("KL formula", abs(home) / delta > 1e-6),
        ("overwritten", abs(measured - logged) > 1e-6 * delta and moved),
        ("reversed KL", abs(measured - logged) > 1e-6 * delta),
        ("no KL test", measured > delta),
        ("not restored", moved),
        ("healthy", True),
    )
    return next(name for name, holds in fails if holds)
