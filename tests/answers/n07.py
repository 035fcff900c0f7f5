"""Right answers of other makes to the exercises of notebook 07."""

import numpy as np

OVERWRITTEN = "every entry is overwritten before it is read"
EQUIVALENT = {
    "gae_with_ends": {"`np.zeros` -> `np.ones`": OVERWRITTEN},
    "targets": {"`np.zeros` -> `np.ones`": OVERWRITTEN},
}


def td_errors_with_ends__loop(rewards, v, next_v, terminated, gamma):
    found = []
    for r, now, after, end in zip(rewards, v, next_v, terminated, strict=True):
        found.append(r - now if end else r + gamma * after - now)
    return found


def td_errors_with_ends__product(rewards, v, next_v, terminated, gamma):
    return (1 - terminated) * gamma * next_v + (rewards - v)


def gae_with_ends__sums(delta, ended, gamma, lam):
    found = []
    for t in range(len(delta)):
        total = 0.0
        for later in range(t, len(delta)):
            total += (gamma * lam) ** (later - t) * delta[later]
            if ended[later]:
                break
        found.append(total)
    return found


def gae_with_ends__matrix(delta, ended, gamma, lam):
    n = len(delta)
    follows = np.diag(~np.asarray(ended)[:-1], 1) if n > 1 else np.zeros((1, 1))
    return np.linalg.solve(np.eye(n) - gamma * lam * follows, delta)


def targets__segments(rewards, next_v, terminated, truncated, gamma):
    found, begin = [], 0
    for t in range(len(rewards)):
        if terminated[t] or truncated[t] or t == len(rewards) - 1:
            y = 0.0 if terminated[t] else next_v[t]
            back = []
            for r in rewards[begin : t + 1][::-1]:
                y = r + gamma * y
                back.insert(0, y)
            found, begin = found + back, t + 1
    return found


def targets__fixed_point(rewards, next_v, terminated, truncated, gamma):
    y = np.zeros(len(rewards))
    for _ in rewards:
        cut = truncated | (np.arange(len(rewards)) == len(rewards) - 1)
        follows = np.where(cut, next_v, np.append(y[1:], 0.0))
        y = rewards + gamma * np.where(terminated, 0.0, follows)
    return y
