"""Right answers of other makes to the exercises of notebook 09."""

import numpy as np

EQUIVALENT = {
    "step_for_gain": {
        "`x = np.linalg.solve(H, g)` -> `x = -np.linalg.solve(H, g)`": (
            "x / g.x is the same for -x"
        ),
    },
    "step_from_samples": {
        "`scores.T @ advantages / N` -> `scores.T @ advantages * N`": (
            "the length of g cancels: delta alone says how far"
        ),
        "`scores.T @ advantages / N` -> `scores.T @ advantages`": (
            "the length of g cancels: delta alone says how far"
        ),
    },
}


def step_for_gain__kkt(g, H, gain):
    n = len(g)
    system = np.zeros((n + 1, n + 1))  # H step = price g, g.step = gain
    system[:n, :n], system[:n, n], system[n, :n] = H, -g, g
    return np.linalg.solve(system, np.append(np.zeros(n), gain))[:n]


def step_for_gain__inverse(g, H, gain):
    x = np.linalg.inv(H).dot(g)
    return [gain * entry / np.sum(g * x) for entry in x]


def step_for_gain__whitened(g, H, gain):
    root = np.linalg.cholesky(H)
    white = np.linalg.solve(root, g)
    return np.linalg.solve(root.T, gain * white / (white @ white))


def change_parameters__solve(g, H, B):
    half = np.linalg.solve(B.T, H)
    return [np.linalg.solve(B.T, g), np.linalg.solve(B.T, half.T).T]


def change_parameters__steps(g, H, B):
    # what each unit step in phi does, in theta
    steps = [np.linalg.solve(B, unit) for unit in np.eye(len(g))]
    slope = [g @ step for step in steps]
    return slope, [[one @ H @ other for other in steps] for one in steps]


def step_from_samples__loop(scores, advantages, delta):
    N, n = scores.shape
    g, F = np.zeros(n), np.zeros((n, n))
    for score, advantage in zip(scores, advantages, strict=True):
        g += score * advantage / N
        F += np.outer(score, score) / N
    x = np.linalg.inv(F) @ g
    return x * np.sqrt(2 * delta / (x @ F @ x))


def step_from_samples__least_squares(scores, advantages, delta):
    x = np.linalg.lstsq(scores, advantages, rcond=None)[0]
    return x * np.sqrt(2 * delta / np.mean((scores @ x) ** 2))
