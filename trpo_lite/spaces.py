"""Which policy fits which Gymnasium spaces, and the numbers that cross the border.

    observations   actions    policy
    Discrete       Discrete   TabularSoftmax
    Box [D]        Discrete   LinearSoftmax
    Box [D]        Box [m]    LinearGaussian

A policy counts states and actions from 0 and acts without bounds, at first around 0; a
space may start elsewhere and end. Nothing outside of this module asks what kind a space
is.
"""

import numpy as np

from trpo_lite.features import linear_features
from trpo_lite.policies import LinearGaussian, LinearSoftmax, TabularSoftmax


def spaces_of(env):
    """(observation space, action space) of one environment of `env`.

    env : a Gymnasium environment, a vector one, or such a pair already
    """
    if isinstance(env, tuple):
        return env
    if hasattr(env, "single_action_space"):
        return env.single_observation_space, env.single_action_space
    return env.observation_space, env.action_space


def policy_kind(env):
    """The class of policy that fits the spaces of `env`; TypeError if none does."""
    from gymnasium.spaces import Box, Discrete

    def kind(space):
        if isinstance(space, Discrete):
            return "Discrete"
        flat = isinstance(space, Box) and len(space.shape) == 1
        return "Box" if flat and np.issubdtype(space.dtype, np.floating) else None

    observation_space, action_space = spaces_of(env)
    fitting = {
        ("Discrete", "Discrete"): TabularSoftmax,
        ("Box", "Discrete"): LinearSoftmax,
        ("Box", "Box"): LinearGaussian,
    }.get((kind(observation_space), kind(action_space)))
    if fitting is None:
        raise TypeError(
            f"no policy for observations {observation_space} with actions "
            f"{action_space}: expected Discrete or one-dimensional Box spaces, Box "
            "observations for a Box of actions"
        )
    return fitting


def n_states(env):
    """The number of states if observations are Discrete, None if they are a Box."""
    n = getattr(spaces_of(env)[0], "n", None)
    return None if n is None else int(n)


def sizes(env):
    """(D or the number of states, m or the number of actions)."""
    return tuple(
        int(space.n) if hasattr(space, "n") else space.shape[0]
        for space in spaces_of(env)
    )


def make_policy(env, features=None, log_std=0.0, kind=None):
    """The policy of an environment, at its start: uniform, or mean zero.

    Parameters
    ----------
    env : as in `spaces_of`
    features : feature map of Box observations; None for `linear_features`
    log_std : number or [m], for Box actions only
    kind : one of the three classes to insist on it; None to choose by the spaces

    Raises TypeError if the spaces don't suit `kind`, or no policy at all.
    """
    fitting, (seen, acted) = policy_kind(env), sizes(env)
    if kind not in (None, fitting):
        observation_space, action_space = spaces_of(env)
        raise TypeError(
            f"{getattr(kind, '__name__', kind)} can't act here: observations are "
            f"{observation_space}, actions {action_space}, which need "
            f"{fitting.__name__}"
        )
    if fitting is TabularSoftmax:
        if features is not None:
            raise TypeError("features: a TabularSoftmax has none; give None")
        return TabularSoftmax.zeros(seen, acted)
    features = linear_features(seen) if features is None else features
    size = getattr(features, "size", seen)
    if fitting is LinearSoftmax:
        return LinearSoftmax.zeros(size, acted, features)
    return LinearGaussian.zeros(size, acted, log_std, features)


def check_spaces(policy, env):
    """Raise TypeError unless `policy` can act in `env` (as in `make_policy`)."""
    fitting, expected = policy_kind(env), sizes(env)
    if type(policy) is not fitting:
        observation_space, action_space = spaces_of(env)
        raise TypeError(
            f"policy is a {type(policy).__name__}, but observations {observation_space}"
            f" and actions {action_space} need a {fitting.__name__}"
        )
    seen, acted = policy.sizes
    mean = getattr(getattr(policy, "features", None), "mean", None)
    found = (seen if mean is None else mean.size, acted)
    if found != expected:
        raise TypeError(
            f"policy has (observations, actions) sizes {found}, expected {expected}"
        )


def to_policy(env):
    """A function from the environment's observations to those that a policy sees.

    Those of a Box as they are, those of a Discrete space as numbers from 0.
    """
    space = spaces_of(env)[0]
    if n_states(env) is None or not space.start:
        return lambda x: x
    return lambda x: np.asarray(x, dtype=np.int64) - int(space.start)


def to_environment(env):
    """A function from a policy's actions to those that the environment accepts.

    Continuous actions are moved and scaled by `scale_of` and clipped to the Box;
    discrete ones start where the space does.
    """
    space = spaces_of(env)[1]
    if hasattr(space, "n"):
        return (lambda a: a + space.start) if space.start else (lambda a: a)
    low, high, dtype = space.low, space.high, space.dtype
    centre, half = scale_of(space)
    if not centre.any() and (half == 1).all():
        return lambda a: np.minimum(np.maximum(a, low), high).astype(dtype)
    return lambda a: np.clip(centre + half * a, low, high).astype(dtype)


def scale_of(box):
    """(centre [m], half [m]): a policy's action u becomes centre + half u.

    0 and 1 where a policy that starts around 0 finds room: bounds at least 1/4 away
    from 0 on both sides. (Wide ones are left alone; they are often only declared.)
    Elsewhere u in [-1, 1] spans the Box: on [100, 200] every action would be clipped
    to 100 and learning would stand still. Without one bound, u = 0 lies 1 beside the
    other. Bounds beyond 1e5 are none.
    """
    low, high = box.low.astype(np.float64), box.high.astype(np.float64)
    low, high = np.where(low < -1e5, -np.inf, low), np.where(high > 1e5, np.inf, high)
    both = np.isfinite(low) & np.isfinite(high)
    fits = (low <= -0.25) & (high >= 0.25)
    with np.errstate(invalid="ignore"):  # inf - inf, where it isn't taken
        middle = np.where(np.isfinite(low), low + 1, high - 1)
        middle = np.where(both, (low + high) / 2, middle)
        half = np.where(both & ~fits, (high - low) / 2, 1.0)
    return np.where(fits, 0.0, middle), half
