"""TRPO by me, from an empty file.

Write the pieces below in any order, with helpers of your own. NumPy is enough.
See how far you are, as often as you like:

    python -m trpo_lite.course capstone THIS_FILE.py

A piece that isn't written yet is borrowed from the solution while the others are
checked, so call the pieces by their names. All arrays are float64 unless they say so.

N rows, D numbers in an observation, F features, A actions to choose from, m numbers in
a continuous action. theta is one flat array: the softmax policy's is its weights
[F, A], row by row; the Gaussian policy's is its weights [F, m], row by row, and then
log sigma [m], the same in all states.
"""

import numpy as np  # noqa: F401

# --- the softmax policy: pi(a|s) is proportional to exp(phi(s) . weights[:, a])


def softmax_log_prob(theta, phi, actions):
    """log pi(a_n|s_n), [N], for features phi [N, F] and actions [N], integers."""
    ...


def softmax_score(theta, phi, actions, weights):
    """The sum over n of weights_n grad log pi(a_n|s_n), [F * A]; weights [N]."""
    ...


def softmax_kl(theta, new, phi):
    """KL(pi_theta || pi_new), the old one first, at each row, [N]."""
    ...


def softmax_fisher(theta, phi, v):
    """F v, [F * A], with F the mean of the rows' Fisher matrices. Never form F."""
    ...


def softmax_sample(theta, phi, rng):
    """One random action for each row, [N], integers; rng is a NumPy Generator."""
    ...


# --- the Gaussian policy: u ~ N(phi(s) . weights, diag(sigma^2)), m numbers at once


def gaussian_log_prob(theta, phi, actions):
    """log of the density of actions [N, m], all m together, [N]."""
    ...


def gaussian_score(theta, phi, actions, weights):
    """The sum over n of weights_n grad log pi(u_n|s_n), [F * m + m]; weights [N]."""
    ...


def gaussian_kl(theta, new, phi):
    """KL(pi_theta || pi_new), the old one first, at each row, [N]."""
    ...


def gaussian_fisher(theta, phi, v):
    """F v, [F * m + m], with F the mean of the rows' Fisher matrices."""
    ...


def gaussian_sample(theta, phi, rng):
    """One random action for each row, [N, m]; rng is a NumPy Generator."""
    ...


# --- what the policy and the baseline see


def moments(old, s):
    """(count, mean [D], variance [D]) of the rows s [N, D] and of all rows before.

    old is what the last call returned, None at first. The variance divides by count.
    """
    ...


def features(s, mean, std, waves):
    """Features phi [N, F] of observations s [N, D].

    z = (s - mean) / std, where std is 0 by 1. Then [z, 1]; or, if waves is a pair
    (frequencies [K, D], phases [K]) and not None, [sin(frequencies . z + phases), 1].
    """
    ...


def fit_value(s, t, targets):
    """A baseline V(s, t), fitted; whatever predict_value understands.

    s [N, D], t [N] steps since the start of the episode, targets [N].
    x = (s, t), less its mean over these rows, over its deviation (0: by 1), cut off
    at -5 and 5. Features: 1, x_1 to x_{D+1}, all products s_i s_j with i <= j, t^2
    and t^3, of the entries of x. Weights w: least mean square error + 1e-5 |w|^2.
    """
    ...


def predict_value(baseline, s, t):
    """V at other rows, [M], on the scales of the rows that it was fitted to."""
    ...


# --- items 1 and 2 of the algorithm: samples and advantages


def collect(env, act, T, state):
    """T steps of a Gymnasium vector environment: (batch, state).

    act : function from observations [N, D] to actions, [N] integers or [N, m]
    state : None at first (then reset env); later what the last call returned, so
        that episodes go on. Whatever you like.
    batch : a dict of arrays over the T steps and the N environments:
        s [T, N, D], a [T, N] or [T, N, m], r [T, N];
        next_s [T, N, D], what followed before any reset;
        terminated, truncated [T, N] bool;
        t [T, N], steps since the start of the episode, 0 at first;
        valid [T, N] bool, False where the step only reset.
    A Box gets actions that are clipped to it; a keeps them as the policy drew them.
    env.metadata["autoreset_mode"] is gymnasium.vector.AutoresetMode.NEXT_STEP, where
    the step after an end does nothing but reset, or SAME_STEP, where the step that
    ends already returns the next episode's first observation, and the last one stands
    in info["final_obs"][i].
    """
    ...


def gae(r, v, next_v, terminated, truncated, gamma, lam):
    """Advantages [T, N] from rewards, V(s, t) and V(next_s, t + 1), all [T, N]."""
    ...


# --- items 3 to 6: one update, and the loop around it all


def cg(matvec, b, iterations):
    """x with matvec(x) = b by conjugate gradients from x = 0, at most so many products.

    Done when |b - matvec(x)| is below 1e-10 |b|. 0 if b is 0.
    """
    ...


def natural_step(g, matvec, delta):
    """The step along F^-1 g with step . F step / 2 = delta, F v = matvec(v); 10 of CG.

    0 if g is 0.
    """
    ...


def line_search(evaluate, theta, step, delta):
    """The first of theta + .8^j step, j = 0, ..., 10, with L > 0 and KL <= delta.

    evaluate(candidate) gives (L, KL). theta if none passes.
    """
    ...


def update(policy, theta, phi, actions, advantages, delta):
    """One TRPO update: the new theta, or theta where there is nothing to learn.

    policy : policy.log_prob, .score, .kl and .fisher are the functions above of one
        kind, softmax or Gaussian
    Give the advantages mean 0 and deviation 1 first. If they are equal, but for
    rounding (1e-12 of the largest), there is nothing to learn. The gradient is a mean
    over the rows; F gets a damping of 1e-3.
    """
    ...


def train(env, policy, theta, waves, updates, T, gamma, lam, delta, rng):
    """`updates` batches of T steps, an update after each: (theta, mean, std).

    policy : as in update, and policy.sample; theta : where to start, weights all 0
    waves : handed on to features
    mean and std are the scale of the last update. It is that of all valid rows of the
    batches *before*, and it stays as it is from the first action of a batch to the
    end of its update. Only the first batch, whose weights are 0, is collected at mean
    0 and std 1 and then updated on its own scale.
    The first batch has no baseline: fit one to its discounted returns (gae with
    v = next_v = 0 and lam = 1), then use it. Later batches are judged by V from the
    batch before. After that V is fitted to v + advantages, for the next batch.
    """
    ...
