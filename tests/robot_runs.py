"""What the measurements of page 15 share: whole runs, played by the average action."""

from trpo_lite.course import n15
from trpo_lite.environments import make_environment
from trpo_lite.policies import LinearGaussian


def by_average(policy, env_id):
    """What `evaluate_policy` takes, acting by the average action; None: by the mode."""
    if not isinstance(policy, LinearGaussian):
        return None
    act = n15.on_average(policy, box_of(env_id))
    return lambda observations, rng: act(observations)


def box_of(env_id):
    env = make_environment(env_id, 1)
    env.close()
    return env.single_action_space


def uninterrupted(history):
    """A run's history; KeyboardInterrupt if it was stopped before its end."""
    if history.stopped == "interrupted":
        raise KeyboardInterrupt
    return history
