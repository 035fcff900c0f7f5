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
    "two_lengths": {
        "`0.0001` -> `9e-05`": CENTRAL,
        "`0.0001` -> `0.00011000000000000002`": CENTRAL,
        "`np.mean(old.kl(at(long))) < delta` -> `np.mean(old.kl(at(long))) <= delta`": (
            "at delta itself both ends of the search stand right"
        ),
        "`np.mean(old.kl(at(middle))) < delta` -> "
        "`np.mean(old.kl(at(middle))) <= delta`": "at delta itself both ends will do",
        "`2` -> `3` (3)": "any end that is far enough",
        "`50` -> `49`": "far below the tolerance",
        "`50` -> `51`": "far below the tolerance",
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


def two_lengths__newton(policy, observations, x, delta):
    """Wider differences; the slope of KL along x is its gradient times x."""
    old, h = policy.at(observations), 1e-3
    up, down = (old.kl_gradient(old.with_theta(policy.theta + y * x)) for y in (h, -h))
    bowl = (2 * delta / (x @ (up - down) / (2 * h))) ** 0.5
    size = bowl
    for _ in range(30):
        new = old.with_theta(policy.theta + size * x)
        size -= (old.kl(new).mean() - delta) / (old.kl_gradient(new) @ x)
    return [bowl * x, size * x]


def two_lengths__package(policy, observations, x, delta):
    old = policy.at(observations)
    bowl = np.sqrt(2 * delta / (x @ old.fisher_product(x)))

    def excess(size):
        return np.mean(old.kl(old.with_theta(policy.theta + size * x))) - delta

    sizes = np.linspace(0, 4 * bowl, 2001)
    values = np.array([excess(size) for size in sizes])
    k = np.argmax(values > 0)  # between two points of the grid KL is all but straight
    part = values[k - 1] / (values[k - 1] - values[k])
    return np.array([bowl * x, (sizes[k - 1] + part * (sizes[k] - sizes[k - 1])) * x])


def two_lengths__one_column_after_the_other(policy, observations, x, delta):
    old, h = policy.at(observations), 1e-4

    def gradient(v):
        return old.kl_gradient(old.with_theta(policy.theta + v))

    H = [(gradient(h * e) - gradient(-h * e)) / (2 * h) for e in np.eye(len(x))]
    bowl = np.sqrt(2 * delta / (x @ np.array(H) @ x))
    step, size = bowl, 0.0
    for _ in range(40):  # on as long as it fits, then half as far
        while np.mean(old.kl(old.with_theta(policy.theta + (size + step) * x))) < delta:
            size += step
        step /= 2
    return bowl * x, size * x
