"""Page 18's file once more, right in another make: loops, lists, other algebra."""

import math

import numpy as np
from gymnasium.spaces import Discrete
from gymnasium.vector import AutoresetMode


def logits_of(theta, row, A):
    return [sum(row[f] * theta[f * A + a] for f in range(len(row))) for a in range(A)]


def log_probs(theta, phi):
    A, found = theta.size // phi.shape[1], []
    for row in phi:
        z = logits_of(theta, row, A)
        top = max(z)
        total = top + math.log(sum(math.exp(x - top) for x in z))
        found.append([x - total for x in z])
    return found


def softmax_log_prob(theta, phi, actions):
    return [row[a] for row, a in zip(log_probs(theta, phi), actions, strict=True)]


def softmax_score(theta, phi, actions, weights):
    total = np.zeros((phi.shape[1], theta.size // phi.shape[1]))
    rows = zip(log_probs(theta, phi), phi, actions, weights, strict=True)
    for log_pi, row, action, weight in rows:
        for a, x in enumerate(log_pi):
            total[:, a] += weight * row * ((a == action) - math.exp(x))
    return total.reshape(-1)


def softmax_kl(theta, new, phi):
    pairs = zip(log_probs(theta, phi), log_probs(new, phi), strict=True)
    return np.array([
        sum(math.exp(x) * (x - y) for x, y in zip(p, q, strict=True)) for p, q in pairs
    ])  # fmt: skip


def softmax_fisher(theta, phi, v):
    A, total = theta.size // phi.shape[1], np.zeros(theta.size)
    for row, log_p in zip(phi, log_probs(theta, phi), strict=True):
        p = np.exp(log_p)
        F = np.diag(p) - np.outer(p, p)
        total += np.kron(row, F @ (row @ v.reshape(-1, A)))
    return total / len(phi)


def softmax_sample(theta, phi, rng):
    # the largest of logits plus Gumbel noise
    return np.argmax(np.array(log_probs(theta, phi)) + rng.gumbel(
        size=(len(phi), theta.size // phi.shape[1])), axis=1)  # fmt: skip


def parts(theta, phi):
    F = phi.shape[1]
    m = theta.size // (F + 1)
    mean = np.einsum("nf,fi->ni", phi, theta[: F * m].reshape(F, m))
    return mean, theta[F * m :]


def gaussian_log_prob(theta, phi, actions):
    mean, log_std = parts(theta, phi)
    return np.array([
        sum(
            -0.5 * (u - x) ** 2 * math.exp(-2 * s) - s - 0.5 * math.log(2 * math.pi)
            for u, x, s in zip(us, xs, log_std, strict=True)
        )
        for us, xs in zip(actions, mean, strict=True)
    ])  # fmt: skip


def gaussian_score(theta, phi, actions, weights):
    # central differences
    slopes, h = [], 1e-5
    for e in np.eye(theta.size):
        up = gaussian_log_prob(theta + h * e, phi, actions)
        down = gaussian_log_prob(theta - h * e, phi, actions)
        slopes.append(weights @ (up - down) / (2 * h))
    return polished(np.array(slopes), theta, phi, actions, weights)


def polished(near, theta, phi, actions, weights):
    """The exact score, if it is what the differences say."""
    mean, log_std = parts(theta, phi)
    gap = (actions - mean) * np.exp(-2 * log_std)
    exact = np.concatenate([
        np.einsum("nf,ni,n->fi", phi, gap, weights).ravel(),
        ((actions - mean) * gap - 1).T @ weights,
    ])  # fmt: skip
    assert np.allclose(near, exact, rtol=1e-4, atol=1e-4)
    return exact


def gaussian_kl(theta, new, phi):
    (mean, s), (mean_new, s_new) = parts(theta, phi), parts(new, phi)
    ratio = np.exp(2 * (s - s_new))
    gap = (mean - mean_new) ** 2 * np.exp(-2 * s_new)
    return 0.5 * np.sum(ratio + gap - 1 - 2 * (s - s_new), axis=-1)


def gaussian_fisher(theta, phi, v):
    F = phi.shape[1]
    _, log_std = parts(theta, phi)
    m = log_std.size
    second = phi.T @ phi / len(phi)
    mean = second @ v[: F * m].reshape(F, m) * np.exp(-2 * log_std)
    return np.concatenate([mean.ravel(), v[F * m :] + v[F * m :]])


def gaussian_sample(theta, phi, rng):
    mean, log_std = parts(theta, phi)
    return rng.normal(mean, np.exp(log_std))


def moments(old, s):
    # one row after the other (Welford)
    n, mean, total = 0, np.zeros(s.shape[1]), np.zeros(s.shape[1])
    if old is not None:
        n, mean, total = old[0], np.array(old[1]), old[2] * old[0]
    for row in s:
        n += 1
        gap = row - mean
        mean = mean + gap / n
        total = total + gap * (row - mean)
    return [n, mean, total / n]


def features(s, mean, std, waves):
    divide = [x if x > 0 else 1.0 for x in np.broadcast_to(std, s.shape[1])]
    phi = []
    for row in s:
        z = (row - mean) / divide
        if waves is not None:
            z = [math.sin(w @ z + b) for w, b in zip(*waves, strict=True)]
        phi.append([*z, 1.0])
    return np.array(phi)


class Baseline:
    def __init__(self, s, t):
        x = np.concatenate([s, t[:, None]], axis=1)
        self.mean, self.std = np.mean(x, axis=0), np.std(x, axis=0)
        self.std[self.std == 0] = 1.0

    def rows(self, s, t):
        for row in np.concatenate([s, t[:, None]], axis=1):
            x = np.clip((row - self.mean) / self.std, -5.0, 5.0)
            *z, time = x
            products = [z[i] * z[j] for j in range(len(z)) for i in range(j + 1)]
            yield [*products, *z, time, time**2, time**3, 1.0]


def fit_value(s, t, targets):
    made = Baseline(s, t)
    f = np.array([*made.rows(s, t)])
    n, k = f.shape
    # the ridge as k further rows of a plain least squares problem
    wide = np.vstack([f / math.sqrt(n), math.sqrt(1e-5) * np.eye(k)])
    right = np.append(targets / math.sqrt(n), np.zeros(k))
    made.w = np.linalg.lstsq(wide, right, rcond=None)[0]
    return made


def predict_value(baseline, s, t):
    return np.array([baseline.w @ row for row in baseline.rows(s, t)])


class Walk:
    def __init__(self, env):
        self.s, _ = env.reset()
        self.t = [0] * env.num_envs
        self.over = [False] * env.num_envs


def collect(env, act, T, state):
    state = Walk(env) if state is None else state
    same = env.metadata["autoreset_mode"] == AutoresetMode.SAME_STEP
    box, batch = env.single_action_space, {}
    for _ in range(T):
        action = act(state.s)
        sent = action
        if not isinstance(box, Discrete):
            sent = np.minimum(np.maximum(action, box.low), box.high)
        s, r, terminated, truncated, info = env.step(sent)
        last = s.copy()
        for i in range(env.num_envs):
            if same and (terminated[i] or truncated[i]):
                last[i] = info["final_obs"][i]
        row = dict(
            s=state.s, a=action, r=r, next_s=last, terminated=terminated,
            truncated=truncated, t=list(state.t), valid=[not x for x in state.over],
        )  # fmt: skip
        for key, value in row.items():
            batch.setdefault(key, []).append(value)
        for i in range(env.num_envs):
            ended = bool(terminated[i] or truncated[i])
            state.t[i] = 0 if ended or state.over[i] else state.t[i] + 1
            state.over[i] = ended and not same
        state.s = s
    return {key: np.array(value) for key, value in batch.items()}, state


def gae(r, v, next_v, terminated, truncated, gamma, lam):
    T, N = r.shape
    A = np.empty((T, N))
    for i in range(N):
        for t in range(T):  # each sum by itself, forwards
            total, weight = 0.0, 1.0
            for u in range(t, T):
                after = 0.0 if terminated[u, i] else next_v[u, i]
                total += weight * (r[u, i] + gamma * after - v[u, i])
                if terminated[u, i] or truncated[u, i]:
                    break
                weight *= gamma * lam
            A[t, i] = total
    return A


def cg(matvec, b, iterations):
    x, r = 0 * b, b.copy()
    p, left = b.copy(), float(r @ r)
    while iterations and math.sqrt(left) > 1e-10 * math.sqrt(b @ b):
        Ap = matvec(p)
        alpha = left / float(p @ Ap)
        x += alpha * p
        r -= alpha * Ap
        left, before = float(r @ r), left
        p = r + left / before * p
        iterations -= 1
    return x


def natural_step(g, matvec, delta):
    if not np.any(g):
        return 0 * g
    unit = g / np.linalg.norm(g)
    x = cg(matvec, unit, 10)
    return x * math.sqrt(2 * delta) / math.sqrt(unit @ x)


def line_search(evaluate, theta, step, delta):
    j, found = 0, theta
    while j <= 10:
        L, kl = evaluate(theta + 0.8**j * step)
        if not L > 0 or not kl <= delta:
            j += 1
            continue
        found = theta + 0.8**j * step
        break
    return found


def update(policy, theta, phi, actions, advantages, delta):
    if np.ptp(advantages) < 1e-12 * np.abs(advantages).max():
        return theta
    A = (advantages - np.mean(advantages)) / np.std(advantages)
    before = np.array(policy.log_prob(theta, phi, actions))
    g = policy.score(theta, phi, actions, A / A.size)

    def evaluate(x):
        r = np.exp(np.array(policy.log_prob(x, phi, actions)) - before)
        return float(r @ A / A.size), float(np.mean(policy.kl(theta, x, phi)))

    def damped(x):
        return 0.001 * x + policy.fisher(theta, phi, x)

    return line_search(evaluate, theta, natural_step(g, damped, delta), delta)


def train(env, policy, theta, waves, updates, T, gamma, lam, delta, rng):
    D = env.single_observation_space.shape[0]
    mean, std = np.zeros(D), np.ones(D)
    walk = known = baseline = None
    for k in range(updates):
        if k:
            mean, std = known[1], np.sqrt(known[2])
        batch, walk = collect(
            env=env,
            act=lambda s, x=theta, m=mean, d=std: policy.sample(
                x, features(s, m, d, waves), rng
            ),
            T=T,
            state=walk,
        )
        ok = batch["valid"].ravel()
        flat = {key: x.reshape(ok.size, *x.shape[2:]) for key, x in batch.items()}
        known = moments(known, flat["s"][ok])
        grid = batch["r"].shape
        flags = dict(terminated=batch["terminated"], truncated=batch["truncated"])
        nothing = np.zeros(grid)
        if not k:
            mean, std = known[1], np.sqrt(known[2])
            R = gae(batch["r"], nothing, nothing, **flags, gamma=gamma, lam=1.0)
            baseline = fit_value(flat["s"][ok], flat["t"][ok], R.ravel()[ok])
        v = predict_value(baseline, flat["s"], flat["t"])
        after = predict_value(baseline, flat["next_s"], flat["t"] + 1)
        A = gae(
            r=batch["r"], v=v.reshape(grid), next_v=after.reshape(grid), **flags,
            gamma=gamma, lam=lam,
        ).ravel()  # fmt: skip
        theta = update(
            policy, theta, features(flat["s"][ok], mean, std, waves), flat["a"][ok],
            A[ok], delta,
        )  # fmt: skip
        baseline = fit_value(flat["s"][ok], flat["t"][ok], (v + A)[ok])
    return [theta, mean, std]
