"""Vector environments, made from a Gymnasium id or from a function."""

from trpo_lite.rollout import vectorize


def make_environment(env_id, environments, max_episode_steps=None):
    """A vector environment of an id, or of a function that makes one environment.

    Gymnasium's own vector version is used where it has one. `max_episode_steps` is a
    limit for environments that have none. ValueError if there is no such environment,
    or if it cannot be made here.
    """
    import gymnasium
    from gymnasium.vector import SyncVectorEnv

    if callable(env_id):

        def limited():
            env = env_id()
            own = getattr(env, "spec", None) and env.spec.max_episode_steps
            if max_episode_steps is None or own:
                return env
            return gymnasium.wrappers.TimeLimit(env, max_episode_steps)

        return vectorize(SyncVectorEnv([limited] * environments))
    if not isinstance(env_id, str):
        raise TypeError(
            "env_id must be a Gymnasium id or a function that makes an environment, "
            f"got {env_id!r}"
        )
    try:
        spec = gymnasium.spec(env_id)
        limit = {}
        if max_episode_steps is not None and not spec.max_episode_steps:
            limit = {"max_episode_steps": max_episode_steps}
        if spec.vector_entry_point and not spec.additional_wrappers:
            env = gymnasium.make_vec(
                env_id, environments, vectorization_mode="vector_entry_point", **limit
            )
        else:
            env = gymnasium.make_vec(
                env_id,
                environments,
                vectorization_mode="sync",
                wrappers=[_without_info],
                disable_env_checker=True,
                **limit,
            )
    except (gymnasium.error.Error, ImportError) as problem:
        reason = " ".join(str(problem).split())
        raise ValueError(f"env_id {env_id!r} cannot be made: {reason}") from None
    return vectorize(env)


def _without_info(env):
    """`env` with empty info, which a vector environment would take long to merge."""
    import gymnasium

    class WithoutInfo(gymnasium.Wrapper):
        def reset(self, *, seed=None, options=None):
            return self.env.reset(seed=seed, options=options)[0], {}

        def step(self, action):
            return (*self.env.step(action)[:4], {})

    return WithoutInfo(env)
