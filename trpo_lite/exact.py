"""Exact policy steps on a finite MDP, where nothing is estimated or linearised.

A step maximises L - sum_s d(s) beta_s KL_s for some prices beta_s. With the lecture's
KL(pi_old || pi) each state's solution is

    pi(a|s) = beta_s pi_old(a|s) / (lambda_s - A(s,a)),   lambda_s > max_a A(s,a),

so one number per state is searched for: t = lambda_s - max_a A. A large t is a small
step, t near 0 nearly greedy, and beta_s = 1 / sum_a pi_old / (lambda_s - A) comes for
free. All steps need an `mdp.Evaluation` of the old policy and nothing of its MDP.
"""

from dataclasses import dataclass

import numpy as np

from trpo_lite import _check
from trpo_lite.bound import kl, log_gap, penalty_constant
from trpo_lite.surrogate import surrogate


@dataclass(frozen=True, eq=False)
class ExactStep:
    """The new policy of an exact step, and what it promises.

    pi : [S, A]
    surrogate : float
        L_old(pi), with unnormalised visitation.
    kl : [S]
        KL(pi_old || pi) in each state.
    mean_kl, max_kl : float
        Over the normalised visitation, and over all states.
    multiplier : float
        Price of KL in units of L: the step maximises L - multiplier * (max or mean) KL.
        At a limit delta it is dL/d delta, and 0 where nothing can be gained.
    """

    pi: np.ndarray
    surrogate: float
    kl: np.ndarray
    mean_kl: float
    max_kl: float
    multiplier: float


def mm_step(old, gamma, penalty=None):
    """The policy that maximises L - C max_s KL(pi_old || pi): ExactStep.

    C = `penalty`, by default `penalty_constant(old, gamma)`, which must be computed
    afresh at each policy. With the largest KL called rho, the best L is concave in rho
    with slope sum_s d(s) beta_s(rho): the step sets that slope equal to C.

    Source: the slide "MM algorithm"; Schulman et al. 2015, Algorithm 1.
    """
    gamma = _check.discount("gamma", gamma)
    states = _States(old)
    if not states.gain:
        return _finish(old, old.pi, 0.0)
    C = penalty_constant(old, gamma) if penalty is None else penalty
    C = _check.positive("penalty", C)

    def slope(log_rho):
        return states.d @ states.price(states.solve_kl(np.exp(log_rho)))

    # beta_s is about sd(A) / sqrt(2 rho) for small rho
    guess = 2 * np.log(states.d @ states.spread / C) - np.log(2)
    rho = np.exp(_solve_decreasing(slope, C, guess, -0.5))
    return _finish(old, states.policy(states.solve_kl(rho)), C)


def max_kl_step(old, delta):
    """The policy that maximises L with max_s KL(pi_old || pi) <= delta: ExactStep.

    The limit binds in every state whose advantages differ, unless pi_old is so nearly
    greedy there that pi would have to hold probabilities below about 1e-260.

    Source: the slide "Step II: Trust region method"; Schulman et al. 2015, equation 11.
    """
    states = _States(old)
    t = states.solve_kl(_check.positive("delta", delta))
    return _finish(old, states.policy(t), states.d @ states.price(t))


def mean_kl_step(old, delta):
    """The policy that maximises L with mean KL(pi_old || pi) <= delta: ExactStep.

    The mean is over the normalised visitation, so one price is shared by all states.

    Source: the slide "Approximation of trust region constraint"; Schulman et al. 2015,
    equation 12.
    """
    delta = _check.positive("delta", delta)
    states = _States(old)
    if not states.gain:
        return _finish(old, old.pi, 0.0)
    weights = states.d / states.total

    def distance(log_beta):
        return weights @ states.kl(states.solve_price(np.exp(log_beta)))

    guess = 0.5 * np.log(weights @ states.spread**2 / (2 * delta))
    beta = np.exp(_solve_decreasing(distance, delta, guess, -2.0))
    return _finish(old, states.policy(states.solve_price(beta)), beta * states.total)


def penalized_step(old, beta):
    """The policy that maximises (1-gamma) L - beta mean KL(pi_old || pi): ExactStep.

    The mean is over the normalised visitation; every state pays the same price `beta`,
    also those never visited. The multiplier is in units of L: beta / (1-gamma).

    Source: the slide "Idea I: KL penalty"; Schulman et al. 2017, equation 8.
    """
    beta = _check.positive("beta", beta)
    states = _States(old)
    pi = states.policy(states.solve_price(beta))
    return _finish(old, pi, beta * states.total)


class _States:
    """The states in which the policy can move, and their solutions as functions of t.

    Every t is [K] for the K states that move; `d` and `spread` are theirs too.
    """

    def __init__(self, old):
        A = old.advantage
        top = np.where(old.pi > 0, A, -np.inf).max(-1, keepdims=True)
        flat = 1e-12 * max(1, np.abs(A).max())
        unsupported = A - top > flat
        if unsupported.any():
            s, a = np.argwhere(unsupported)[0]
            raise ValueError(
                f"old.pi gives probability 0 to action {a} in state {s}, which has the "
                "largest advantage there: expected pi_old > 0 for the best action"
            )
        gap = np.where(old.pi > 0, top - A, 0)
        # where all advantages are equal no price buys a step: only rounding would
        self.moves = gap.max(-1) > flat
        self.old_pi = old.pi
        self.p, self.gap = old.pi[self.moves], gap[self.moves]
        self.d = old.visitation[self.moves]
        self.total = old.visitation.sum()  # 1 / (1 - gamma)
        self.best = np.where(self.gap == 0, self.p, 0).max(-1)
        mean = (self.p * self.gap).sum(-1, keepdims=True)
        self.spread = np.sqrt((self.p * (self.gap - mean) ** 2).sum(-1))
        self.gain = bool((self.d * self.spread).sum() > 0)

    def change(self, t):
        """x = pi / pi_old - 1 = (m - gap) / (t + gap), and beta_s = t + m.

        m is the mean of the gap under pi_old / (t + gap). Written so, a small step
        keeps its digits.
        """
        t = t[:, None]
        weight = self.p / (1 + self.gap / t)
        m = (weight * self.gap).sum(-1, keepdims=True) / weight.sum(-1, keepdims=True)
        return (m - self.gap) / (t + self.gap), t + m

    def price(self, t):
        """beta_s, [K]: increasing in t."""
        return self.change(t)[1][:, 0]

    def kl(self, t):
        """KL(pi_old || pi) = sum pi_old (x - log(1 + x)), [K]: decreasing in t."""
        x, beta = self.change(t)
        near = x > -0.5
        far = x - np.log(beta) + np.log(t[:, None] + self.gap)
        return (self.p * np.where(near, log_gap(np.where(near, x, 0)), far)).sum(-1)

    def policy(self, t):
        """pi [S, A]: the old policy where it can't move."""
        x, beta = self.change(t)
        near = x > -0.5
        ratio = np.where(near, 1 + x, beta / (t[:, None] + self.gap))
        pi = np.array(self.old_pi)
        # never 0 where pi_old isn't: that would make KL infinite
        pi[self.moves] = np.maximum(self.p * ratio, np.minimum(self.p, 1e-300))
        return pi / pi.sum(-1, keepdims=True)

    def solve_kl(self, rho):
        """t [K] at which every KL is `rho`."""
        widest = np.log(self.gap.max(-1, initial=0))
        # |x| <= gap / t, and KL <= x^2 for |x| <= 1/2. At the low end pi is greedy but
        # for 1e-260: a double can't hold much less, so a larger rho isn't reached.
        low, high = widest - 600, widest + max(np.log(2), -0.5 * np.log(rho))

        def excess(u):
            t = np.exp(u)
            x, beta = self.change(t)
            divergence = np.maximum(self.kl(t), 1e-300)
            # d KL / d log t = -(t / beta) sum pi_old x^2
            slope = -t / beta[:, 0] * (self.p * x * x).sum(-1) / divergence
            return np.log(divergence) - np.log(rho), slope

        # KL is about (sd(A) / t)^2 / 2 for small steps
        start = np.log(np.maximum(self.spread, 1e-300)) - 0.5 * np.log(2 * rho)
        return np.exp(_newton(excess, np.clip(start, low, high), low, high))

    def solve_price(self, beta):
        """t [K] at which every beta_s is `beta`: between beta pi_old(best) and beta."""
        high = np.full(len(self.p), max(np.log(beta), -600.0))
        low = np.maximum(high + np.log(self.best), -600)

        def missing(u):
            t = np.exp(u)
            x, price = self.change(t)
            # d beta / d log t = t (1 + sum pi_old x^2)
            slope = -t / price[:, 0] * (1 + (self.p * x * x).sum(-1))
            return np.log(beta) - np.log(price[:, 0]), slope

        return np.exp(_newton(missing, high, low, high))


def _newton(function, u, low, high):
    """The root of a decreasing function in [low, high], per element.

    `function(u)` gives values and slopes; a step that leaves the bracket is replaced by
    its middle, and so is every eighth, in case the others crawl.
    """
    last, done = np.full_like(u, np.inf), np.zeros(u.shape, dtype=bool)
    for iteration in range(1, 300):
        value, slope = function(u)
        low, high = np.where(value > 0, u, low), np.where(value > 0, high, u)
        step = np.divide(value, slope, out=np.full_like(u, np.inf), where=slope < 0)
        newton = (low <= u - step) & (u - step <= high) & (iteration % 8 > 0)
        new = np.where(newton, u - step, (low + high) / 2)
        change = np.abs(new - u)
        u = np.where(done, u, new)
        # a small step that isn't much smaller than the last one is rounding
        noise = newton & (change < 1e-8) & (change > last / 4)
        done |= noise | (change <= 4e-16 * np.maximum(1, np.abs(u)))
        if done.all():
            break
        last = np.where(newton, change, np.inf)
    return u


def _solve_decreasing(value, target, guess, slope):
    """x in [-600, 600] at which a decreasing positive function of x equals `target`.

    log value is nearly a line in x, of about the given slope: a few secant steps come
    close, and halving finishes, whatever they did.
    """
    x, change, error = np.clip(guess, -600, 600), 0.0, 0.0
    for _ in range(6):
        before, error = error, np.log(max(value(x), 1e-300)) - np.log(target)
        if change and (error - before) / change < 0:
            slope = (error - before) / change
        change = np.clip(x - error / slope, -600, 600) - x
        x = x + change
    low = high = x
    step = first = max(2 * abs(change), 1e-13 * max(1, abs(x)))
    while value(low) <= target and low > -600:
        low, step = max(low - step, -600), 4 * step
    step = first
    while value(high) > target and high < 600:
        high, step = min(high + step, 600), 4 * step
    while True:
        middle = (low + high) / 2
        if middle in (low, high):
            return middle
        low, high = (middle, high) if value(middle) > target else (low, middle)


def _finish(old, pi, multiplier):
    divergence = kl(old.pi, pi)
    seen = old.visitation > 0
    d = old.visitation[seen]
    return ExactStep(
        pi=_check.frozen(pi),
        surrogate=surrogate(old, pi),
        kl=_check.frozen(divergence),
        mean_kl=float(d @ divergence[seen] / d.sum()),
        max_kl=float(divergence.max()),
        multiplier=float(multiplier),
    )
