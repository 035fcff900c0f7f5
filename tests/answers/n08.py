"""Right answers of other makes to the exercises of notebook 08."""

import numpy as np

from trpo_lite.bound import kl

CENTRAL = "central differences: their error grows as h^2 and stays within the tolerance"
EQUIVALENT = {
    "kl_hessian": {
        "`0.001` -> `0.0009000000000000001`": CENTRAL,
        "`0.001` -> `0.0011`": CENTRAL,
        "`kl(softmax(old), softmax(x))` -> `kl(softmax(x), softmax(old))`": (
            "both directions of the KL have the same Hessian: the page shows it"
        ),
        "`steps = h * np.eye(len(theta))` -> `steps = -(h * np.eye(len(theta)))`": (
            "central differences look the same way forward and back"
        ),
        "`second(a, b)` -> `second(b, a)`": "a Hessian is symmetric",
        "`np.array([[second(a, b) for b in steps] for a in steps])` -> "
        "`[[second(a, b) for b in steps] for a in steps]`": (
            "a list of lists is as good as an array"
        ),
    },
    "fisher_times": {
        "`0.0001` -> `9e-05`": CENTRAL,
        "`0.0001` -> `0.00011000000000000002`": CENTRAL,
    },
}


def softmax_fisher_product__matrix(p, v):
    return (np.diag(p) - np.outer(p, p)) @ v


def softmax_fisher_product__mean_over_actions(p, v):
    total = np.zeros(len(p))
    for a in range(len(p)):
        score = np.eye(len(p))[a] - p
        total += p[a] * score * (score @ v)
    return total


def softmax_fisher_product__lists(p, v):
    mean = sum(x * y for x, y in zip(p, v, strict=True))
    return [x * (y - mean) for x, y in zip(p, v, strict=True)]


def _softmax(x):
    return np.exp(x) / np.exp(x).sum()


def _hessian(f, x, h):
    steps = h * np.eye(len(x))
    rows = [
        [f(x + a + b) - f(x + a - b) - f(x - a + b) + f(x - a - b) for b in steps]
        for a in steps
    ]
    return np.array(rows) / (4 * h**2)


def kl_hessian__wide_steps(theta):
    return _hessian(lambda x: kl(_softmax(theta), _softmax(x)), theta, 1e-2)


def kl_hessian__short_steps(theta):
    return _hessian(lambda x: kl(_softmax(theta), _softmax(x)), theta, 1e-4)


def kl_hessian__new_side_frozen(theta):
    return _hessian(lambda x: kl(_softmax(x), _softmax(theta)), theta, 1e-3)


def kl_hessian__formula(theta):
    p = _softmax(theta)
    return (np.diag(p) - np.outer(p, p)).tolist()


def _central(policy, observations, v, h):
    old = policy.at(observations)
    up, down = (old.kl_gradient(old.with_theta(policy.theta + x * v)) for x in (h, -h))
    return (up - down) / (2 * h)


def fisher_times__wide_steps(policy, observations, v):
    return _central(policy, observations, v, 1e-3)


def fisher_times__short_steps(policy, observations, v):
    return _central(policy, observations, v, 1e-6)


def fisher_times__column_by_column(policy, observations, v):
    unit = np.eye(len(v))
    columns = [_central(policy, observations, e, 1e-4) for e in unit]
    return list(np.transpose(columns) @ v)


def fisher_times__four_points(policy, observations, v):
    one = _central(policy, observations, v, 1e-3)
    two = _central(policy, observations, v, 2e-3)
    return (4 * one - two) / 3


def fisher_times__package(policy, observations, v):
    return policy.at(observations).fisher_product(v)
