"""Right answers of other makes to the exercises of notebook 10."""

import numpy as np


def gaussian_product__loop(rows, std, v):
    total = np.zeros(len(v))
    for row in rows:
        total += row * (row @ v) / std**2
    return total / len(rows)


def gaussian_product__matrix(rows, std, v):
    fisher = np.einsum("ni,nj->ij", rows, rows) / len(rows) / (std * std)
    return fisher.dot(v)


def gaussian_product__kl_differences(rows, std, v, h=1e-4):
    def slope(w):  # of the mean KL from w = 0
        return [np.mean(row * (rows @ w)) / std**2 for row in rows.T]

    return (np.array(slope(h * v)) - np.array(slope(-h * v))) / (2 * h)


def damped_direction__dense(policy, observations, g, damping):
    old = policy.at(observations)
    fisher = np.array([old.fisher_product(unit) for unit in np.eye(len(g))])
    return np.linalg.solve(fisher + damping * np.eye(len(g)), g)


def damped_direction__own_cg(policy, observations, g, damping):
    old = policy.at(observations)
    x, r = 0 * g, 1.0 * g
    p = r.copy()
    for _ in range(3 * len(g)):
        if r @ r < 1e-24 * (g @ g):
            break
        Ap = old.fisher_product(p) + damping * p
        alpha = (r @ p) / (p @ Ap)
        x, r = x + alpha * p, r - alpha * Ap
        p = r - (r @ Ap) / (p @ Ap) * p
    return list(x)


def solve_from__in_place(matvec, b, x0, iterations):
    x = np.array(x0)
    r = b - matvec(x)
    p, rr = r.copy(), r @ r
    for _ in range(iterations):
        Ap = matvec(p)
        alpha = rr / (p @ Ap)
        x += alpha * p
        r -= alpha * Ap
        rr, old = r @ r, rr
        p *= rr / old
        p += r
    return x


def solve_from__shifted(matvec, b, x0, iterations):
    """CG from 0 for what x0 leaves of b, then x0 added."""
    r = b - matvec(x0)
    x, p = np.zeros(len(b)), r
    for _ in range(iterations):
        alpha = (p @ r) / (p @ matvec(p))
        x = x + alpha * p
        r = b - matvec(x0 + x)
        p = r - (r @ matvec(p)) / (p @ matvec(p)) * p
    return x0 + x


def solve_from__krylov(matvec, b, x0, iterations):
    """The lowest point over x0 + the span of r, A r, A^2 r, ..."""
    basis = [b - matvec(x0)]
    for _ in range(iterations - 1):
        basis.append(matvec(basis[-1]) / np.linalg.norm(basis[-1]))
    V = np.linalg.qr(np.array(basis).T)[0]
    AV = np.array([matvec(column) for column in V.T]).T
    return x0 + V @ np.linalg.solve(V.T @ AV, V.T @ (b - matvec(x0)))
