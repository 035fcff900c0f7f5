"""What the samples say about A: discounted sums, GAE and a linear value baseline."""

from dataclasses import dataclass, replace

import numpy as np

from trpo_lite._check import discount, finite, fraction


def discounted_sum(x, discount, continues=None):
    """y_t = x_t + discount * continues_t * y_{t+1}, backwards over the first axis.

    `x` [T, N] or [T]; `continues` (same shape, bool) is False where row t + 1 belongs
    to another episode. Nothing follows the last row.
    """
    y = np.array(x, dtype=np.float64)
    if continues is None:
        continues = np.ones(y.shape)
    elif np.shape(continues) != y.shape:
        raise ValueError(
            f"continues has shape {np.shape(continues)}, expected {y.shape}"
        )
    factor = discount * np.asarray(continues, dtype=np.float64)
    for t in range(len(y) - 2, -1, -1):
        y[t] += factor[t] * y[t + 1]
    return y


def gae(batch, v, next_v, gamma, lam):
    """Generalized advantage estimates [M] (Schulman et al. 2016, eq. 16).

    delta_t = r_t + gamma v(s_{t+1}) - v(s_t), A_t = sum_l (gamma lam)^l delta_{t+l}.
    A terminated step has no v(s_{t+1}); a truncated or unfinished one keeps it.

    Parameters
    ----------
    v, next_v : [M] values of `batch.observations` and of `batch.next_observations`
    gamma : discount in [0, 1)
    lam : in [0, 1]; 0 trusts v alone, 1 trusts the rewards alone
    """
    gamma = discount("gamma", gamma)
    lam = fraction("lam", lam)
    if len(batch) == 0:
        raise ValueError("batch is empty: there is nothing to estimate from")
    v = finite("v", v, (len(batch),))
    next_v = finite("next_v", next_v, (len(batch),))
    delta = batch.rewards + gamma * next_v * ~batch.terminated - v
    continues = batch.to_grid(~(batch.terminated | batch.truncated), fill=False)
    return discounted_sum(batch.to_grid(delta, fill=0.0), gamma * lam, continues)[
        batch.valid
    ]


def value_targets(batch, v, next_v, gamma, lam=1.0):
    """lambda-returns [M], v + GAE: what a baseline is fitted to (lam = 1: returns)."""
    return v + gae(batch, v, next_v, gamma, lam)


def normalize(advantages):
    """`advantages` [M] with mean 0 and standard deviation 1; zeros if all are equal."""
    centred = advantages - np.mean(advantages)
    std = np.std(centred)
    if std <= 1e-12 * np.max(np.abs(advantages), initial=0):
        return np.zeros_like(centred)
    return centred / std


def explained_variance(prediction, target):
    """1 - Var(target - prediction) / Var(target); NaN if the target is constant."""
    variance = np.var(target)
    return float(1 - np.var(target - prediction) / variance) if variance else np.nan


@dataclass(frozen=True)
class LinearValue:
    """A value function that is linear in its weights, fitted by ridge regression.

    Features of an observation s [D] at time t: 1, powers of t, s, and the products
    s_i s_j; s and t are first standardised by the rows fitted to, and cut at `clip`
    standard deviations. All D (D + 1) / 2 products are used up to D = `all_products`;
    beyond, the squares alone, so that time and memory grow as D^2 and D, not as D^4
    and D^2. With `n_states`, observations are integers, the features one per state,
    and no matrix is formed. Predicts 0 until fitted. Immutable.
    """

    n_states: int | None = None
    time_degree: int = 3
    ridge: float = 1e-5
    clip: float = 5.0
    all_products: int = 32
    weights: np.ndarray | None = None
    mean: np.ndarray | None = None
    std: np.ndarray | None = None

    def features(self, observations, time):
        """[K, N]: a row for each feature, since these are computed one by one."""
        x = _rows(observations, time)
        x -= self.mean[:, None]
        x /= self.std[:, None]
        np.clip(x, -self.clip, self.clip, out=x)
        s, t = x[:-1], x[-1]
        d, powers = len(s), self.time_degree + 1
        few = d <= self.all_products
        features = np.empty((powers + d + (d * (d + 1) // 2 if few else d), len(t)))
        features[0] = 1
        for i in range(1, powers):  # NumPy 2.0's t**3 differs from call to call
            np.multiply(features[i - 1], t, out=features[i])
        features[powers : powers + d] = s
        left = features[powers + d :]
        for i in range(d if few else 0):
            np.multiply(s[i], s[i:], out=left[: d - i])
            left = left[d - i :]
        if not few:
            np.multiply(s, s, out=left)
        return features

    def predict(self, observations, time):
        """Values [N] of `observations` [N, D] (or [N] integers) at `time` [N]."""
        if self.weights is None:
            return np.zeros(len(observations))
        if self.n_states is not None:
            return self.weights[observations]
        return self.weights @ self.features(observations, time)

    def fit(self, observations, time, targets):
        """A new baseline, min ||w @ features - targets||^2 / N + ridge ||w||^2."""
        targets = finite("targets", targets, (len(observations),))
        if self.n_states is not None:  # one feature a row: the equations fall apart
            n = len(observations)
            visits = np.bincount(observations, minlength=self.n_states)
            sums = np.bincount(observations, targets, self.n_states)
            with np.errstate(invalid="ignore"):  # 0/0 without visits and ridge
                weights = (sums / n) / (visits / n + self.ridge)
            return replace(self, weights=np.where(visits > 0, weights, 0.0))
        x = _rows(observations, time)
        std = x.std(1)
        new = replace(self, mean=x.mean(1), std=np.where(std > 1e-8, std, 1.0))
        f = new.features(observations, time)
        k, n = f.shape
        gram = f @ f.T / n + self.ridge * np.eye(k)
        return replace(new, weights=np.linalg.solve(gram, f @ targets / n))


def _rows(observations, time):
    """[D + 1, N]: what the features are made of, a row for each."""
    observations = np.asarray(observations)
    x = np.empty((observations.shape[1] + 1, len(observations)))
    x[:-1], x[-1] = observations.T, time
    return x
