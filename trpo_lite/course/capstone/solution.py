"""TRPO in one file, as page 18 asks for it; starter.py says what each function does."""

import numpy as np

ENDS = "terminated", "truncated"


def log_softmax(theta, phi):
    z = phi @ theta.reshape(phi.shape[1], -1)
    z -= z.max(1, keepdims=True)
    return z - np.log(np.exp(z).sum(1, keepdims=True))


def softmax_log_prob(theta, phi, actions):
    return log_softmax(theta, phi)[np.arange(len(phi)), actions]


def softmax_score(theta, phi, actions, weights):
    p = np.exp(log_softmax(theta, phi))
    return (phi.T @ (weights[:, None] * (np.eye(p.shape[1])[actions] - p))).ravel()


def softmax_kl(theta, new, phi):
    log_p = log_softmax(theta, phi)
    return (np.exp(log_p) * (log_p - log_softmax(new, phi))).sum(1)


def softmax_fisher(theta, phi, v):
    p, change = np.exp(log_softmax(theta, phi)), phi @ v.reshape(phi.shape[1], -1)
    change = p * (change - (p * change).sum(1, keepdims=True))
    return (phi.T @ change).ravel() / len(phi)


def softmax_sample(theta, phi, rng):
    sums = np.exp(log_softmax(theta, phi)).cumsum(1)
    return (rng.random((len(phi), 1)) > sums[:, :-1]).sum(1)


def mean_and_sigma(theta, phi):
    m = len(theta) // (phi.shape[1] + 1)
    return phi @ theta[:-m].reshape(-1, m), np.exp(theta[-m:])


def gaussian_log_prob(theta, phi, actions):
    mean, sigma = mean_and_sigma(theta, phi)
    z = (actions - mean) / sigma
    return -(z**2 / 2 + np.log(sigma) + np.log(2 * np.pi) / 2).sum(1)


def gaussian_score(theta, phi, actions, weights):
    mean, sigma = mean_and_sigma(theta, phi)
    z = (actions - mean) / sigma
    of_weights = phi.T @ (weights[:, None] * z / sigma)
    return np.append(of_weights, weights @ (z**2 - 1))


def gaussian_kl(theta, new, phi):
    (mean, sigma), (mean_2, sigma_2) = (mean_and_sigma(x, phi) for x in (theta, new))
    spread = (sigma**2 + (mean - mean_2) ** 2) / (2 * sigma_2**2)
    return (np.log(sigma_2 / sigma) + spread - 0.5).sum(1)


def gaussian_fisher(theta, phi, v):
    sigma = mean_and_sigma(theta, phi)[1]
    change = mean_and_sigma(v, phi)[0] / sigma**2
    return np.append(phi.T @ change / len(phi), 2 * v[-len(sigma) :])


def gaussian_sample(theta, phi, rng):
    mean, sigma = mean_and_sigma(theta, phi)
    return mean + sigma * rng.standard_normal(mean.shape)


def moments(old, s):
    n, mean, var = len(s), s.mean(0), s.var(0)
    if old is None:
        return n, mean, var
    share, gap = n / (old[0] + n), mean - old[1]
    var = (1 - share) * old[2] + share * var + share * (1 - share) * gap**2
    return old[0] + n, old[1] + share * gap, var


def features(s, mean, std, waves):
    z = (s - mean) / np.where(std > 1e-8, std, 1.0)
    z = z if waves is None else np.sin(z @ waves[0].T + waves[1])
    return np.column_stack([z, np.ones(len(s))])


def value_features(s, t, mean, std):
    x = np.clip((np.column_stack([s, t]) - mean) / std, -5, 5)
    s, t = x[:, :-1], x[:, -1:]
    i, j = np.triu_indices(s.shape[1])
    return np.hstack([np.ones_like(t), x, s[:, i] * s[:, j], t**2, t**3])


def fit_value(s, t, targets):
    x = np.column_stack([s, t])
    mean, std = x.mean(0), np.where(x.std(0) > 1e-8, x.std(0), 1.0)
    f = value_features(s, t, mean, std)
    gram = f.T @ f / len(f) + 1e-5 * np.eye(f.shape[1])
    return mean, std, np.linalg.solve(gram, f.T @ targets / len(f))


def predict_value(baseline, s, t):
    return value_features(s, t, *baseline[:2]) @ baseline[2]


def collect(env, act, T, state):
    n, space, rows = env.num_envs, env.single_action_space, []
    same_step = env.metadata["autoreset_mode"].name == "SAME_STEP"
    s, t, reset = state or (env.reset()[0], np.zeros(n, int), np.zeros(n, bool))
    for _ in range(T):
        a = act(s)
        sent = a if hasattr(space, "n") else np.clip(a, space.low, space.high)
        after, r, terminated, truncated, info = env.step(sent)
        done, next_s = terminated | truncated, np.array(after)
        if same_step and done.any():
            next_s[done] = np.stack(info["final_obs"][done])
        rows.append((s, a, r, next_s, terminated, truncated, t, ~reset))
        s, t = np.array(after), np.where(done | reset, 0, t + 1)
        reset = done & (not same_step)
    names = "s", "a", "r", "next_s", *ENDS, "t", "valid"
    return {k: np.array(x) for k, x in zip(names, zip(*rows))}, (s, t, reset)


def gae(r, v, next_v, terminated, truncated, gamma, lam):
    A = r + gamma * next_v * ~terminated - v
    for t in reversed(range(len(r) - 1)):
        A[t] += gamma * lam * ~(terminated | truncated)[t] * A[t + 1]
    return A


def cg(matvec, b, iterations):
    x, r, p = np.zeros_like(b), b, b
    for _ in range(iterations):
        rr = r @ r
        if rr <= 1e-20 * (b @ b):
            break
        Ap = matvec(p)
        x, r = x + rr / (p @ Ap) * p, r - rr / (p @ Ap) * Ap
        p = r + (r @ r) / rr * p
    return x


def natural_step(g, matvec, delta):
    x = cg(matvec, g, 10)
    return np.sqrt(2 * delta / (g @ x)) * x if g.any() else x


def line_search(evaluate, theta, step, delta):
    for j in range(11):
        L, kl = evaluate(theta + 0.8**j * step)
        if L > 0 and kl <= delta:
            return theta + 0.8**j * step
    return theta


def update(policy, theta, phi, actions, advantages, delta):
    A = advantages - advantages.mean()
    if A.std() <= 1e-12 * np.abs(advantages).max():
        return theta
    A = A / A.std()
    log_old = policy.log_prob(theta, phi, actions)
    g = policy.score(theta, phi, actions, A) / len(A)

    def evaluate(new):
        ratio = np.exp(policy.log_prob(new, phi, actions) - log_old)
        return np.mean((ratio - 1) * A), np.mean(policy.kl(theta, new, phi))

    step = natural_step(g, lambda v: policy.fisher(theta, phi, v) + 1e-3 * v, delta)
    return line_search(evaluate, theta, step, delta)


def train(env, policy, theta, waves, updates, T, gamma, lam, delta, rng):
    state = seen = value = None
    scale = 0.0, 1.0

    def act(s):
        return policy.sample(theta, features(s, *scale, waves), rng)

    def V(s, t):
        return predict_value(value, s.reshape(t.size, -1), t.ravel()).reshape(t.shape)

    for _ in range(updates):
        batch, state = collect(env, act, T, state)
        ok, r, ends = batch["valid"], batch["r"], [batch[k] for k in ENDS]
        s, t = batch["s"][ok], batch["t"][ok]
        seen = moments(seen, s)
        if value is None:  # the weights are 0: no one notices; V fits its own batch
            scale = seen[1], np.sqrt(seen[2])
            value = fit_value(s, t, gae(r, 0 * r, 0 * r, *ends, gamma, 1.0)[ok])
        v = V(batch["s"], batch["t"])
        A = gae(r, v, V(batch["next_s"], batch["t"] + 1), *ends, gamma, lam)
        value = fit_value(s, t, (v + A)[ok])
        phi, used = features(s, *scale, waves), scale
        theta = update(policy, theta, phi, batch["a"][ok], A[ok], delta)
        scale = seen[1], np.sqrt(seen[2])
    return theta, *used
