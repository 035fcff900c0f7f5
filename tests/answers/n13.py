"""Right answers of other makes to the exercises of notebook 13."""

import numpy as np

POSITIVE = "probabilities don't change if all weights change their sign"
EQUIVALENT = {
    "penalised_gradient": {
        "`pi = np.exp(theta - theta.max())` -> `pi = -np.exp(theta - theta.max())`": (
            POSITIVE
        ),
    },
    "many_steps": {
        "`weights = np.exp(theta - theta.max())` -> "
        "`weights = -np.exp(theta - theta.max())`": POSITIVE,
    },
}


def next_beta__factor(beta, kl, target):
    miss = kl / target
    factor = 2 if miss >= 1.5 else 0.5 if kl <= target / 1.5 else 1
    return beta * factor


def next_beta__where(beta, kl, target):
    far, near = kl >= 1.5 * target, kl <= target / 1.5
    return np.where(far, beta * 2, np.where(near, beta * 0.5, beta))


def penalised_gradient__lists(theta, p_old, A, beta):
    top = max(theta)
    weights = [np.exp(t - top) for t in theta]
    pi = [w / sum(weights) for w in weights]
    mean = sum(p * a for p, a in zip(pi, A, strict=True))
    return [
        p * (a - mean) - beta * (p - old)
        for p, old, a in zip(pi, p_old, A, strict=True)
    ]


def penalised_gradient__jacobian(theta, p_old, A, beta):
    log_pi = theta - theta.max()
    log_pi = log_pi - np.log(np.exp(log_pi).sum())
    pi = np.exp(log_pi)
    d_pi = np.diag(pi) - np.outer(pi, pi)
    d_log_pi = np.eye(len(pi)) - pi  # [a, i]: d log pi(a) / d theta_i
    return d_pi @ A + beta * p_old @ d_log_pi


def many_steps__loop(theta, A, beta, rate, steps):
    def probabilities(x):
        e = np.exp(x - np.max(x))
        return e / e.sum()

    anchor, k = probabilities(theta), 0
    new = [float(t) for t in theta]
    while k < steps:
        pi = probabilities(np.array(new))
        mean = float(pi @ A)
        for i in range(len(new)):
            new[i] += rate * (pi[i] * (A[i] - mean) - beta * (pi[i] - anchor[i]))
        k += 1
    return new


def many_steps__jacobian(theta, A, beta, rate, steps):
    def softmax(x):
        shifted = x - x.max()
        return np.exp(shifted - np.log(np.exp(shifted).sum()))

    old, new = softmax(theta), theta.copy()
    for _ in range(steps):
        pi = softmax(new)
        J = np.diag(pi) - np.outer(pi, pi)
        new = new + rate * (J @ A + beta * (old - pi))
    return new
