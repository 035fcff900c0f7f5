"""Right answers of other makes to the exercises of notebook 09."""

import numpy as np

from trpo_lite.policies import LinearSoftmax

LENGTH = "the length of g cancels: delta alone says how far"
EQUIVALENT = {
    "step_for_gain": {
        "`x = np.linalg.solve(H, g)` -> `x = -np.linalg.solve(H, g)`": (
            "x / g.x is the same for -x"
        ),
    },
    "step_from_samples": {
        "`features.T @ (score * advantages[:, None]) / N` -> "
        "`features.T @ (score * advantages[:, None]) * N`": LENGTH,
        "`features.T @ (score * advantages[:, None]) / N` -> "
        "`features.T @ (score * advantages[:, None])`": LENGTH,
        "`np.zeros` -> `np.ones`": (
            "it adds the same to all actions of a feature, which changes no policy"
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


def step_from_samples__last_action_fixed(features, pi, actions, advantages, delta):
    """Without the logits of the last action H is not singular."""
    (N, n), A = features.shape, pi.shape[1]
    g, H = np.zeros((n, A)), np.zeros((n, A, n, A))
    for k in range(N):
        for a in range(A):
            score = np.outer(features[k], (np.arange(A) == a) - pi[k])
            g += score * advantages[k] / N * (actions[k] == a)
            H += np.multiply.outer(score, score) * pi[k, a] / N
    g, H = g[:, :-1].ravel(), H[:, :-1, :, :-1].reshape(n * (A - 1), -1)
    x = np.linalg.solve(H, g)
    step = x * np.sqrt(2 * delta / (x @ H @ x))
    return np.hstack([step.reshape(n, A - 1), np.zeros((n, 1))])


def step_from_samples__package(features, pi, actions, advantages, delta):
    logits = np.log(pi / pi[:, -1:])
    theta = np.linalg.lstsq(features, logits, rcond=None)[0]
    policy = LinearSoftmax(theta.ravel(), pi.shape[1])
    old, N = policy.at(features), len(pi)
    g = old.score_sum(actions, advantages) / N
    H = np.array([old.fisher_product(v) for v in np.eye(len(g))])
    x = np.linalg.lstsq(H, g, rcond=None)[0]
    return (np.sqrt(2 * delta / (g @ x)) * x).reshape(theta.shape)


def step_from_samples__lists(features, pi, actions, advantages, delta):
    A = pi.shape[1]
    score = np.array([np.eye(A)[a] - p for a, p in zip(actions, pi, strict=True)])
    g = np.einsum("ni,na,n->ia", features, score, advantages)
    every = np.sqrt(pi)[:, :, None] * (np.eye(A) - pi[:, None, :])  # [N, action, A]
    rows = np.einsum("ni,nca->ncia", features, every).reshape(-1, g.size)
    x = np.linalg.lstsq(rows.T @ rows / len(pi), g.ravel(), rcond=None)[0]
    x = x * (2 * delta / np.mean((rows @ x) ** 2 * A)) ** 0.5
    return x.reshape(g.shape).tolist()
