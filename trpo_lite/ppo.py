"""PPO: many small first-order steps on one batch, by a KL penalty or by clipping.

Each update is (policy, batch, advantages, ..., rng) -> (policy, Diagnostics); `epochs`
times, the rows are shuffled and split into `minibatches`, and Adam climbs the objective
of each. Adam starts afresh with every update.

`normalize` (default True) replaces the advantages by (A - mean) / std over the whole
batch inside the objective only. Clipping is then the same and Adam nearly so, as both
hardly see the scale of A; but taking off the mean changes which rows have A > 0, and
the penalty is weighed against A in standard deviations instead of reward units, so that
one beta suits any world. Diagnostics.surrogate stays in the units that were given.
"""

from dataclasses import dataclass, replace

import numpy as np

from trpo_lite import _check, advantage
from trpo_lite.surrogate import clip_active, probability_ratio
from trpo_lite.trpo import Sample


@dataclass(frozen=True)
class AdamState:
    """Running means of the gradient and of its square, [n], and the steps taken."""

    mean: np.ndarray
    square: np.ndarray
    count: int = 0

    @classmethod
    def zeros(cls, size):
        """Before the first step."""
        return cls(np.zeros(size), np.zeros(size))


def adam_step(state, gradient, learning_rate, beta1=0.9, beta2=0.999, epsilon=1e-8):
    """(new state, step [n]) to *add* to theta: uphill along the gradient [n].

    step = learning_rate mean^ / (sqrt(square^) + epsilon), both freed of the bias of
    having started at zero. Source: Kingma and Ba 2015, algorithm 1.
    """
    mean = beta1 * state.mean + (1 - beta1) * gradient
    square = beta2 * state.square + (1 - beta2) * gradient**2
    count = state.count + 1
    mean_hat = mean / (1 - beta1**count)
    square_hat = square / (1 - beta2**count)
    step = learning_rate * mean_hat / (np.sqrt(square_hat) + epsilon)
    return AdamState(mean, square, count), step


def penalty_gradient(old, new, actions, log_prob_old, advantages, beta):
    """Gradient in new's theta of mean(r A) - beta mean KL(old || new), [size].

    old, new : two policies seen at the same rows [M]; grad r = r grad log pi_new.
    Source: the slide "Idea I"; Schulman et al. 2017, eq. 8.
    """
    ratio = probability_ratio(new.log_prob(actions), log_prob_old)
    gain = new.score_sum(actions, ratio * advantages / len(advantages))
    return gain - beta * old.kl_gradient(new)


def clip_gradient(new, actions, log_prob_old, advantages, clip):
    """Gradient in new's theta of the clipped surrogate, [size].

    new : a policy seen at the rows [M]. Rows where the clip is active drop out; the
    others give r A grad log pi_new.
    Source: the slide "Idea II"; Schulman et al. 2017, equation 7.
    """
    ratio = probability_ratio(new.log_prob(actions), log_prob_old)
    weights = ratio * advantages / len(advantages)
    weights[clip_active(ratio, advantages, clip)] = 0
    return new.score_sum(actions, weights)


def adapt_beta(beta, kl, target_kl):
    """The next penalty: doubled if kl > 1.5 target, halved if kl < target / 1.5.

    Too far means a *heavier* penalty (the lecture's "shrink beta" is the wrong way
    round). Kept within [1e-8, 1e8]. Source: Schulman et al. 2017, section 4.
    """
    if kl > 1.5 * target_kl:
        beta = 2 * beta
    elif kl < target_kl / 1.5:
        beta = beta / 2
    return min(max(beta, 1e-8), 1e8)


def ppo_penalty_update(
    policy,
    batch,
    advantages,
    beta=1.0,
    target_kl=0.01,
    epochs=10,
    minibatches=4,
    learning_rate=0.003,
    rng=None,
    normalize=True,
):
    """Climb mean(r A) - beta mean KL(old || new), then adapt beta.

    Parameters
    ----------
    beta : penalty > 0 of this update; Diagnostics.beta is the one for the next
    target_kl : nats, what `adapt_beta` aims at
    epochs, minibatches : passes over the batch, and parts of each
    learning_rate : of Adam
    rng : numpy Generator, for the shuffling
    normalize : see the module

    stop: "epochs", "zero gradient" (policy kept) or "not finite" (refused, kept).
    """
    beta = _check.positive("beta", beta)
    target_kl = _check.positive("target_kl", target_kl)
    sample = Sample.of(policy, batch, advantages)

    def gradient(new, *columns):
        old = new.with_theta(policy.theta)
        return penalty_gradient(old, new, *columns, beta)

    passes = epochs, minibatches, learning_rate, rng, normalize
    new, diagnostics = _climb(sample, gradient, *passes)
    if diagnostics.refused:
        return new, replace(diagnostics, beta=beta)
    return new, replace(diagnostics, beta=adapt_beta(beta, diagnostics.kl, target_kl))


def ppo_clip_update(
    policy,
    batch,
    advantages,
    clip=0.2,
    epochs=10,
    minibatches=4,
    learning_rate=0.003,
    rng=None,
    target_kl=None,
    normalize=True,
):
    """Climb the mean of min(r A, clip(r, 1 - eps, 1 + eps) A).

    Parameters
    ----------
    clip : eps, > 0
    epochs, minibatches : passes over the batch, and parts of each
    learning_rate : of Adam
    rng : numpy Generator, for the shuffling
    target_kl : stop after the first epoch whose mean KL exceeds it (nats); the policy
        that exceeded it is kept. None: clipping alone holds the policy back, which
        bounds neither the KL nor the ratios
    normalize : see the module

    stop: "epochs", "target_kl", "zero gradient" (policy kept) or "not finite"
    (refused, kept).
    """
    clip = _check.positive("clip", clip)
    if target_kl is not None:
        target_kl = _check.positive("target_kl", target_kl)
    sample = Sample.of(policy, batch, advantages)

    def gradient(new, *columns):
        return clip_gradient(new, *columns, clip)

    passes = epochs, minibatches, learning_rate, rng, normalize
    return _climb(sample, gradient, *passes, target_kl, clip)


def _climb(
    sample,
    gradient,
    epochs,
    minibatches,
    learning_rate,
    rng,
    normalize,
    target_kl=None,
    clip=None,
):
    """Adam over shuffled minibatches; (policy, Diagnostics)."""
    learning_rate = _check.positive("learning_rate", learning_rate)
    epochs = _check.count("epochs", epochs)
    count = len(sample.actions)
    if _check.count("minibatches", minibatches) > count:
        raise ValueError(
            f"minibatches must be in 1 to {count} (rows), got {minibatches!r}"
        )
    if not isinstance(rng, np.random.Generator):
        raise TypeError(f"rng must be a numpy.random.Generator, got {rng!r}")
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        advantages = sample.advantages
        advantages = advantage.normalize(advantages) if normalize else advantages
        columns = sample.actions, sample.log_prob_old, advantages
        policy = sample.old.policy
        theta = policy.theta
        first = gradient(sample.old, *columns)
        if not first.any():
            return sample.move(theta, "zero gradient", first, epochs=0)
        state, stop = AdamState.zeros(theta.size), "epochs"
        everywhere = sample.old.jacobian.take(np.arange(count))  # to take parts from
        for epoch in range(1, epochs + 1):
            order = rng.permutation(count)
            for part in np.array_split(order, minibatches):
                new = policy.with_theta(theta).at_rows(everywhere.take(part))
                g = gradient(new, *(column.take(part, 0) for column in columns))
                state, step = adam_step(state, g, learning_rate)
                theta = theta + step
                if not np.isfinite(theta).all():
                    return sample.move(theta, "not finite", first, epochs=epoch)
            if target_kl is not None and not sample.evaluate(theta)[1] <= target_kl:
                stop = "target_kl"
                break
        fraction = {}
        if clip is not None:
            log_prob = sample.old.with_theta(theta).log_prob(sample.actions)
            outside = (
                np.abs(probability_ratio(log_prob, sample.log_prob_old) - 1) > clip
            )
            fraction["clip_fraction"] = float(outside.mean())
    return sample.move(theta, stop, first, epochs=epoch, **fraction)
