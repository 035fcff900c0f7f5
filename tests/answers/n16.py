"""Right answers of other makes to the exercises of notebook 16."""

import math

import numpy as np

SQUARES = "only the squares of what is left count"
EQUIVALENT = {
    "fit_with_errors": {
        "`left = y - X @ x` -> `left = -(y - X @ x)`": SQUARES,
        "`y - X @ x` -> `X @ x - y`": SQUARES,
    }
}


def time_constant__math(share, seconds):
    return seconds / math.log(1 / (1 - share))


def time_constant__bisection(share, seconds):
    low, high = 1e-6, 1e3
    for _ in range(200):
        lag = (low + high) / 2
        low, high = (lag, high) if 1 - math.exp(-seconds / lag) > share else (low, lag)
    return lag


def fit_with_errors__lstsq(X, y):
    x, (squares,), *_ = np.linalg.lstsq(X, y, rcond=None)
    N, p = X.shape
    inverse = np.linalg.pinv(X) @ np.linalg.pinv(X).T
    return [x, [math.sqrt(squares / (N - p) * inverse[i, i]) for i in range(p)]]


def fit_with_errors__qr(X, y):
    Q, R = np.linalg.qr(X)
    x = np.linalg.solve(R, Q.T @ y)
    left = y - Q @ (Q.T @ y)
    inverse = np.linalg.inv(R)
    s = np.linalg.norm(left) / np.sqrt(len(y) - len(x))
    return x, s * np.linalg.norm(inverse, axis=1)


def draw_robot__lists(mean, covariance, z):
    root = np.linalg.cholesky(covariance)
    return [
        math.exp(m + sum(a * b for a, b in zip(row, z)))
        for m, row in zip(mean, root, strict=True)
    ]


def draw_robot__by_hand(mean, covariance, z):
    p = len(z)
    L = np.zeros((p, p))
    for i in range(p):
        for j in range(i + 1):
            left = covariance[i, j] - L[i, :j] @ L[j, :j]
            L[i, j] = np.sqrt(left) if i == j else left / L[j, j]
    return np.exp(mean) * np.exp(L @ z)
