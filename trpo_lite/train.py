"""Whole runs: `train` turns an environment into a policy and the history of its making.

One iteration: collect a batch, estimate advantages, update the policy.
"""

import dataclasses
import io
import json
import os
import re
import time
from dataclasses import dataclass, field, replace

import numpy as np

from trpo_lite._check import discount, positive
from trpo_lite.advantage import (
    LinearValue,
    explained_variance,
    gae,
    normalize,
    value_targets,
)
from trpo_lite.diagnostics import Diagnostics
from trpo_lite.policies import (
    Features,
    check_spaces,
    fourier_features,
    from_arrays,
    linear_features,
    make_policy,
    to_arrays,
)
from trpo_lite.ppo import ppo_clip_update, ppo_penalty_update
from trpo_lite.rollout import collect, vectorize
from trpo_lite.trpo import npg_update, policy_gradient_update, trpo_update

ALGORITHMS = ("trpo", "npg", "pg", "ppo-penalty", "ppo-clip")


def _setting(default, text):
    return field(default=default, metadata={"help": text})


@dataclass(frozen=True)
class Settings:
    """Every hyper-parameter of a run; each is a keyword of `train` and a CLI option.

    What is not given comes from the environment's preset, then from the kind of its
    actions, then from here.
    """

    steps: int = _setting(200_000, "environment steps in all")
    batch: int = _setting(4096, "steps in one batch, so in one update")
    environments: int = _setting(16, "environments stepped side by side")
    decay: float = _setting(0.0, "share of delta or learning rate gone by the end")
    until: float = _setting(np.inf, "stop once a batch's mean return reaches this")
    gamma: float = _setting(0.99, "discount")
    lam: float = _setting(0.97, "GAE's lambda: 0 trusts the baseline, 1 the rewards")
    features: str = _setting("linear", "of the observations: linear or fourier")
    fourier_count: int = _setting(200, "number of random Fourier features")
    bandwidth: float = _setting(2.0, "their length scale, in standard deviations")
    normalize_observations: bool = _setting(True, "by running mean and deviation")
    log_std: float = _setting(0.0, "first log standard deviation of a Gaussian policy")
    ridge: float = _setting(1e-5, "ridge penalty of the value baseline")
    delta: float = _setting(0.01, "KL limit of one update (trpo, npg)")
    damping: float = _setting(1e-3, "added to the Fisher matrix's diagonal")
    cg_iterations: int = _setting(10, "conjugate gradient steps")
    cg_tolerance: float = _setting(1e-10, "relative residual at which CG stops")
    backtrack: float = _setting(0.8, "factor of the line search (trpo)")
    max_backtracks: int = _setting(10, "tries of the line search (trpo)")
    learning_rate: float = _setting(0.01, "step size (pg), Adam's (ppo)")
    epochs: int = _setting(10, "passes over a batch (ppo)")
    minibatches: int = _setting(8, "gradient steps in a pass (ppo)")
    clip: float = _setting(0.2, "epsilon, the clip range of the ratio (ppo-clip)")
    beta: float = _setting(1.0, "first penalty coefficient (ppo-penalty)")
    target_kl: float = _setting(0.01, "KL that beta is adapted to (ppo-penalty)")

    def __post_init__(self):
        for f in dataclasses.fields(self):
            value = getattr(self, f.name)
            object.__setattr__(self, f.name, _typed(f, value))
        for name in ("steps", "batch", "environments", "fourier_count"):
            _at_least_one(name, getattr(self, name))
        for name in ("cg_iterations", "epochs", "minibatches"):
            _at_least_one(name, getattr(self, name))
        for name in ("bandwidth", "delta", "learning_rate", "clip", "beta"):
            positive(name, getattr(self, name))
        positive("target_kl", self.target_kl)
        discount("gamma", self.gamma)
        if not 0 <= self.lam <= 1:
            raise ValueError(f"lam must be in [0, 1], got {self.lam!r}")
        if not 0 <= self.decay <= 1:
            raise ValueError(f"decay must be in [0, 1], got {self.decay!r}")
        if not 0 < self.backtrack < 1:
            raise ValueError(f"backtrack must be in (0, 1), got {self.backtrack!r}")
        for name in ("ridge", "damping", "cg_tolerance", "max_backtracks"):
            if not 0 <= getattr(self, name) < np.inf:
                raise ValueError(f"{name} must be >= 0, got {getattr(self, name)!r}")
        if not np.isfinite(self.log_std):
            raise ValueError(f"log_std must be finite, got {self.log_std!r}")
        if np.isnan(self.until):
            raise ValueError("until must be a return, got nan")
        if self.features not in ("linear", "fourier"):
            raise ValueError(
                f"features must be 'linear' or 'fourier', got {self.features!r}"
            )


def _typed(f, value):
    """`value` as the type of field `f`; TypeError if it isn't one."""
    integer = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if f.type is bool and isinstance(value, (bool, np.bool_)):
        return bool(value)
    if f.type is str and isinstance(value, str):
        return value
    if f.type is int and (
        integer or (isinstance(value, float) and value.is_integer())  # 1e6 is clear
    ):
        return int(value)
    if f.type is float and (integer or isinstance(value, (float, np.floating))):
        return float(value)
    kind = {"bool": "True or False", "str": "a string", "int": "an integer"}.get(
        f.type.__name__, "a number"
    )
    raise TypeError(f"{f.name} must be {kind}, got {value!r}")


def _integer(name, value):
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"{name} must be an integer, got {value!r}")
    return int(value)


def _seed(value):
    if _integer("seed", value) < 0:
        raise ValueError(f"seed must be >= 0, got {value!r}")
    return int(value)


def _at_least_one(name, value):
    if value < 1:
        raise ValueError(f"{name} must be >= 1, got {value!r}")


#: what differs from `Settings`, by action space and by environment; what stands under
#: an algorithm's name holds for that algorithm only
DISCRETE = {"delta": 0.02, "pg": {"learning_rate": 1.0}}
CONTINUOUS = {"pg": {"learning_rate": 0.05}}
PRESETS = {
    "CartPole": dict(
        batch=16384,
        environments=64,
        gamma=0.995,
        lam=0.97,
        delta=0.1,
        target_kl=0.05,
        until=490.0,
        pg={"learning_rate": 3.0},
    ),
    "Acrobot": dict(batch=8000, gamma=0.995, delta=0.05, normalize_observations=False),
    "Pendulum": dict(
        steps=240_000,
        batch=4000,
        gamma=0.98,
        lam=0.95,
        delta=0.03,
        features="fourier",
    ),
    "Swimmer": dict(
        steps=340_000,
        batch=8000,
        environments=8,
        gamma=0.9995,
        lam=0.99,
        delta=0.05,
        normalize_observations=False,
    ),
    "Hopper": dict(steps=700_000, batch=4000, environments=8, gamma=0.995, delta=0.05),
}


def preset(env_id, algorithm="trpo", discrete=False):
    """The settings dict that differs from `Settings()` for this environment id."""
    name = re.sub(r"-v\d+$", "", env_id.split(":")[-1].split("/")[-1])
    chosen = {}
    for layer in (DISCRETE if discrete else CONTINUOUS, PRESETS.get(name, {})):
        chosen |= {k: v for k, v in layer.items() if k not in ALGORITHMS}
        chosen |= layer.get(algorithm, {})
    return chosen


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


@dataclass(frozen=True)
class History:
    """A run: its settings, the policy it ended with, and a row for each iteration.

    `history["kl"]` is one column [K]. `stopped` says why it ended: "steps", "until"
    or "interrupted".
    """

    settings: dict
    policy: object
    columns: dict
    stopped: str

    def __getitem__(self, name):
        if name not in self.columns:
            raise KeyError(f"no column {name!r}; there are {', '.join(self.columns)}")
        return self.columns[name]

    def __len__(self):
        return len(next(iter(self.columns.values()), ()))

    def save(self, file):
        """Write to exactly `file` (.npz format), whole or not at all."""
        header = {"settings": self.settings, "stopped": self.stopped}
        arrays = {"trpo_lite_history": np.array(json.dumps(header))}
        for name, array in to_arrays(self.policy).items():
            arrays[f"policy/{name}"] = array
        for name, array in self.columns.items():
            arrays[f"column/{name}"] = array
        file = os.fspath(file)
        part = file + ".npz.part"
        try:
            with open(part, "wb") as handle:
                np.savez(handle, **arrays)
            os.replace(part, file)
        except BaseException:
            if os.path.exists(part):
                os.remove(part)
            raise

    @classmethod
    def load(cls, file):
        """The history in `file`; ValueError if that is broken or something else.

        Reads no pickles, so a file from a stranger can do no harm.
        """
        with open(file, "rb") as handle:
            content = io.BytesIO(handle.read())
        try:
            with np.load(content, allow_pickle=False) as npz:
                arrays = {name: npz[name] for name in npz.files}
            header = json.loads(str(arrays.pop("trpo_lite_history")))
            parts = {"policy": {}, "column": {}}
            for name, array in arrays.items():
                part, name = name.split("/", 1)
                parts[part][name] = array
            return cls(
                settings=header["settings"],
                policy=from_arrays(parts["policy"]),
                columns=parts["column"],
                stopped=header["stopped"],
            )
        except Exception as problem:
            raise ValueError(
                f"{os.fspath(file)} is not a trpo_lite history, or it is broken "
                f"({type(problem).__name__}: {problem})"
            ) from None


def train(
    env_id, algorithm="trpo", *, seed=0, progress=True, callback=None, **settings
):
    """Train a policy from nothing; Ctrl-C ends the run and keeps what is done.

    Parameters
    ----------
    env_id : Gymnasium id, or a function without arguments that makes one environment
    algorithm : one of `ALGORITHMS`
    seed : of everything random; the same seed gives the same numbers
    progress : show a bar with return, KL and steps per second
    callback : called as `callback(row, policy)` after each update; `row` is a dict
    settings : any field of `Settings`

    Returns
    -------
    History

    Raises
    ------
    ValueError, TypeError that name the argument, before any simulation starts.
    """
    if algorithm not in ALGORITHMS:
        raise ValueError(
            f"algorithm must be one of {', '.join(ALGORITHMS)}, got {algorithm!r}"
        )
    seed = _seed(seed)
    known = [f.name for f in dataclasses.fields(Settings)]
    for name in settings:
        if name not in known:
            raise TypeError(f"no setting {name!r}; there are {', '.join(known)}")
    Settings(**settings)  # refuse wrong values before anything is made
    name = env_id if isinstance(env_id, str) else getattr(env_id, "__name__", "")
    probe = make_environment(env_id, 1)
    discrete = hasattr(probe.single_action_space, "n")
    probe.close()
    s = Settings(**{**preset(name, algorithm, discrete), **settings})

    n = min(s.environments, s.batch, s.steps)
    rows = min(s.batch, s.steps) // n * n
    env = make_environment(env_id, n)
    rng = np.random.default_rng(seed)
    policy = initial_policy(env, s, rng)
    value = LinearValue(
        n_states=getattr(env.single_observation_space, "n", None), ridge=s.ridge
    )
    update = _updater(algorithm, s, rng)
    log, stopped, state, done = [], "steps", None, 0
    bar = _bar(s.steps, name, progress)
    start = time.perf_counter()
    try:
        while not done or s.steps - done >= rows:
            batch, state = collect(env, policy, rows, rng, state)
            if not done:  # zero weights ignore what is seen: features may still change
                policy = _normalized(policy, state.moments, s)
            scale = 1 - s.decay * done / s.steps
            done += len(batch)
            solved = _mean(batch.episode_returns) >= s.until
            advantages, value, explained = _advantages(batch, value, s)
            if solved:  # the policy that did it is kept
                new, diagnostics = policy, _no_update(policy, batch, "until")
            else:
                new, diagnostics = update(policy, batch, normalize(advantages), scale)
            row = {
                "steps": done,
                "seconds": time.perf_counter() - start,
                "episodes": len(batch.episode_returns),
                "return_mean": _mean(batch.episode_returns),
                "length_mean": _mean(batch.episode_lengths),
                **dataclasses.asdict(diagnostics),
                "explained_variance": explained,
            }
            policy = new if solved else _normalized(new, state.moments, s)
            log.append(row)
            if bar is not None:
                bar.set_postfix_str(
                    f"return {row['return_mean']:.1f}, KL {row['kl']:.4f}",
                    refresh=False,
                )
                bar.update(len(batch))
            if callback is not None:
                callback(row, policy)
            if solved:
                stopped = "until"
                break
    except KeyboardInterrupt:
        stopped = "interrupted"
    finally:
        if bar is not None:
            bar.close()
        env.close()
    header = {"env_id": name, "algorithm": algorithm, "seed": int(seed)}
    return History(
        settings={**header, **dataclasses.asdict(s)},
        policy=policy,
        columns={key: np.array([row[key] for row in log]) for key in (log or [{}])[0]},
        stopped=stopped,
    )


def initial_policy(env, settings, rng):
    """The policy a run starts from: all weights zero."""
    space = env.single_observation_space
    features = None
    if not hasattr(space, "n"):
        (dim,) = space.shape
        features = linear_features(dim)
        if settings.features == "fourier":
            features = fourier_features(
                dim, settings.fourier_count, settings.bandwidth, rng
            )
    return make_policy(env, features, log_std=settings.log_std)


def _normalized(policy, moments, settings):
    """`policy` seeing its observations normalised by `moments`."""
    features = getattr(policy, "features", None)
    if not settings.normalize_observations or not isinstance(features, Features):
        return policy
    return replace(policy, features=features.with_moments(moments.mean, moments.std))


def _advantages(batch, value, settings):
    """Advantages [M], the refitted baseline, and what the old one explained.

    The baseline of earlier batches judges this one; the first batch has none, and
    judges itself.
    """
    gamma, lam = settings.gamma, settings.lam

    def values(baseline):
        return (
            baseline.predict(batch.observations, batch.time),
            baseline.predict(batch.next_observations, batch.time + 1),
        )

    v, next_v = values(value)
    unfitted = value.weights is None
    targets = value_targets(batch, v, next_v, gamma, 1.0 if unfitted else lam)
    explained = explained_variance(v, targets)
    refitted = value.fit(batch.observations, batch.time, targets)
    if unfitted:
        v, next_v = values(refitted)
    return gae(batch, v, next_v, gamma, lam), refitted, explained


def _updater(algorithm, s, rng):
    """A function (policy, batch, advantages, scale) -> (policy, Diagnostics).

    `scale` multiplies what says how far to go: delta, or the learning rate.
    """
    natural = dict(
        damping=s.damping, cg_iterations=s.cg_iterations, cg_tolerance=s.cg_tolerance
    )
    search = dict(backtrack=s.backtrack, max_backtracks=s.max_backtracks)
    passes = dict(epochs=s.epochs, minibatches=s.minibatches, rng=rng)
    beta = s.beta

    def update(policy, batch, advantages, scale):
        nonlocal beta  # adapted from update to update
        data = (policy, batch, advantages)
        delta, learning_rate = scale * s.delta, scale * s.learning_rate
        if algorithm == "pg":
            return policy_gradient_update(*data, learning_rate)
        if algorithm == "npg":
            return npg_update(*data, delta, **natural)
        if algorithm == "trpo":
            return trpo_update(*data, delta, **natural, **search)
        if algorithm == "ppo-clip":
            return ppo_clip_update(
                *data, clip=s.clip, learning_rate=learning_rate, **passes
            )
        new, diagnostics = ppo_penalty_update(
            *data,
            beta=beta,
            target_kl=s.target_kl,
            learning_rate=learning_rate,
            **passes,
        )
        beta = diagnostics.beta
        return new, diagnostics

    return update


def _no_update(policy, batch, stop):
    """Diagnostics of leaving the policy as it is."""
    return Diagnostics(
        stop=stop,
        kl=0.0,
        surrogate=0.0,
        entropy=_mean(policy.entropy(batch.observations)),
        max_ratio=1.0,
        gradient_norm=np.nan,
        step_norm=0.0,
    )


def _mean(x):
    return float(np.mean(x)) if len(x) else np.nan


def _bar(total, name, progress):
    if not progress:
        return None
    from tqdm.auto import tqdm

    return tqdm(total=total, desc=name, unit=" steps", unit_scale=True)


def evaluate_policy(env_id, policy, episodes=100, seed=0, max_episode_steps=10_000):
    """Returns [episodes] of fresh episodes played with the policy's mode.

    Each environment plays as many episodes as the others, so that short ones are not
    favoured. The seeds are not those of training. `max_episode_steps` counts where
    the environment has no limit of its own.
    """
    _at_least_one("episodes", _integer("episodes", episodes))
    rng = np.random.default_rng([_seed(seed), 1])
    n = min(episodes, 20)
    env = make_environment(env_id, n, max_episode_steps)
    check_spaces(policy, env)
    quota = episodes // n + (np.arange(n) < episodes % n)
    returns, state = [[] for _ in range(n)], None
    try:
        while any(len(r) < q for r, q in zip(returns, quota, strict=True)):
            batch, state = collect(env, _Mode(policy), 50 * n, rng, state)
            ended = batch.to_grid(batch.terminated | batch.truncated, fill=False)
            who = np.nonzero(ended)[1]
            for i, episode_return in zip(who, batch.episode_returns, strict=True):
                returns[i].append(episode_return)
    finally:
        env.close()
    return np.concatenate([r[:q] for r, q in zip(returns, quota, strict=True)])


@dataclass(frozen=True)
class _Mode:
    """Acts with the mode of `policy`, whatever the random numbers."""

    policy: object

    def sample(self, observations, rng):
        return self.policy.mode(observations)
