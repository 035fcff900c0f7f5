"""Vector environments, made from a Gymnasium id or from a function."""

import importlib

from trpo_lite.rollout import vectorize


def make_environment(env_id, environments, max_episode_steps=None):
    """A vector environment of an id, or of a function that makes one environment.

    Gymnasium's own vector version is used where it has one, and for its MuJoCo robots
    `simulator.Robots`, which gives the same numbers sooner. An id `module:id` imports
    the module first, which registers it. `max_episode_steps` is a limit for
    environments that have none. ValueError if there is no such environment, if it
    cannot be made here, or if the function hands out the same one twice; TypeError if
    no policy can act in it.
    """
    if callable(env_id):
        return _from_function(env_id, environments, max_episode_steps)
    if not isinstance(env_id, str):
        raise TypeError(
            "env_id must be a Gymnasium id or a function that makes an environment, "
            f"got {env_id!r}"
        )
    try:
        env = _from_id(env_id, environments, max_episode_steps)
    except (Exception, SystemExit) as problem:  # of a module or a constructor
        reason = " ".join(f"{type(problem).__name__}: {problem}".split())
        if isinstance(problem, ModuleNotFoundError) and problem.name == "mujoco":
            reason += '; get MuJoCo by: python -m pip install "gymnasium[mujoco]"'
        raise ValueError(f"env_id {env_id!r} cannot be made: {reason}") from problem
    try:
        return vectorize(env)
    except (TypeError, ValueError) as problem:
        raise type(problem)(f"env_id {env_id!r}: {problem}") from None


def _from_function(make, environments, max_episode_steps):
    import gymnasium
    from gymnasium.vector import SyncVectorEnv

    def limited():
        env = make()
        if not isinstance(env, gymnasium.Env):
            raise TypeError(f"env_id() must make a Gymnasium environment, got {env!r}")
        own = env.spec and env.spec.max_episode_steps
        if max_episode_steps is None or own:
            return env
        return gymnasium.wrappers.TimeLimit(env, max_episode_steps)

    return vectorize(SyncVectorEnv([limited] * environments))


def _from_id(env_id, environments, max_episode_steps):
    import gymnasium

    module, _, env_id = env_id.rpartition(":")
    if module:
        importlib.import_module(module)
    spec = gymnasium.spec(env_id)
    limit = {}
    if max_episode_steps is not None and not spec.max_episode_steps:
        limit = {"max_episode_steps": max_episode_steps}
    if spec.vector_entry_point and not spec.additional_wrappers:
        return gymnasium.make_vec(
            env_id, environments, vectorization_mode="vector_entry_point", **limit
        )
    if _is_a_robot(spec):
        from trpo_lite.simulator import Robots, silence

        make, limit = gymnasium.make, spec.max_episode_steps
        with silence():
            robots = [make(spec, disable_env_checker=True) for _ in range(environments)]
        return Robots([robot.unwrapped for robot in robots], limit)
    return gymnasium.make_vec(
        env_id,
        environments,
        vectorization_mode="sync",
        wrappers=[_without_info],
        disable_env_checker=True,
        **limit,
    )


def _is_a_robot(spec):
    """Is it a MuJoCo task of Gymnasium's as it stands, version 5, that we know?"""
    from trpo_lite.simulator import TASKS

    module, _, name = str(spec.entry_point).partition(":")
    ours = module.startswith("gymnasium.envs.mujoco.") and module.endswith("_v5")
    plain = not (spec.kwargs or spec.additional_wrappers)
    return ours and name in TASKS and plain and bool(spec.max_episode_steps)


def _without_info(env):
    """`env` with empty info, which a vector environment would take long to merge."""
    import gymnasium

    class WithoutInfo(gymnasium.Wrapper):
        def reset(self, *, seed=None, options=None):
            return self.env.reset(seed=seed, options=options)[0], {}

        def step(self, action):
            return (*self.env.step(action)[:4], {})

    return WithoutInfo(env)
