"""Whole runs: `train` makes a policy for an environment, and a history of it."""

import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from trpo_lite import _check
from trpo_lite._bar import Progress
from trpo_lite._interrupts import interrupts
from trpo_lite.advantage import (
    LinearValue,
    explained_variance,
    gae,
    normalize,
)
from trpo_lite.diagnostics import Diagnostics
from trpo_lite.environments import make_environment
from trpo_lite.features import Features, fourier_features, linear_features
from trpo_lite.history import History, versions
from trpo_lite.policies import LinearGaussian
from trpo_lite.ppo import ppo_clip_update, ppo_penalty_update
from trpo_lite.rollout import collect, refuse_shared
from trpo_lite.settings import ALGORITHMS, Settings, settled
from trpo_lite.spaces import check_spaces, make_policy, n_states, policy_kind, sizes
from trpo_lite.trpo import npg_update, policy_gradient_update, trpo_update


def train(
    env_id, algorithm="trpo", *, seed=0, progress=True, callback=None, **settings
):
    """Train a policy from nothing; Ctrl-C ends the run and keeps what is done.

    Parameters
    ----------
    env_id : Gymnasium id, also as `module:id` (the module is imported first), or a
        function without arguments that makes a new environment at each call
    algorithm : one of `ALGORITHMS`
    seed : of everything random; the same seed gives the same numbers
    progress : show return, KL and steps per second: a bar, or lines in a log
    callback : called as `callback(row, policy)` after each update; `row` is a dict
    settings : any field of `Settings`

    Returns
    -------
    History; of several `starts` with the rows of all, one start after another, whose
    steps are all counted

    Raises
    ------
    ValueError, TypeError that name the argument, before any simulation starts. Later
    only what the environment or the callback raises, or an environment's reward that is
    not finite (ValueError): that exception's `history` is what was learnt until then.
    """
    algorithm = _check.one_of("algorithm", algorithm, ALGORITHMS)
    seed = _check.count("seed", seed, least=0)
    name = env_id if isinstance(env_id, str) else getattr(env_id, "__name__", "")
    s = _settled(env_id, name, algorithm, settings)
    envs, policy, updates = _starts(env_id, algorithm, s, np.random.default_rng(seed))
    log, stopped, problem = [], "steps", None
    bar = Progress(s.steps, name, progress)
    start = time.perf_counter()
    with interrupts() as pressed:
        try:
            try:
                pressed.raising = True
                for new, batch, said in updates:
                    policy = new
                    done = len(batch) + (log[-1]["steps"] if log else 0)
                    row = _row(done, time.perf_counter() - start, batch, said)
                    log.append(row)
                    bar.update(
                        len(batch),
                        f"return {row['return_mean']:.1f}, KL {row['kl']:.4f}",
                    )
                    if callback is not None:
                        callback(dict(row), policy)  # it may write into that
                    if said.stop == "until":
                        stopped = "until"
                        break
            finally:  # from here on nothing interrupts what keeps the run
                pressed.raising = False
        except KeyboardInterrupt:
            stopped = "interrupted"
        except BaseException as raised:  # also SystemExit: nobody's code ends it
            stopped, problem = "error", raised
        bar.close()
        for env in envs:
            _close(env)
        header = {"env_id": name, "algorithm": algorithm, "seed": seed}
        history = History(
            settings={**header, **dataclasses.asdict(s)},
            policy=policy,
            columns={
                key: np.array([row[key] for row in log]) for key in (log or [{}])[0]
            },
            stopped=stopped,
            versions=versions(),
        )
    if problem is not None:
        problem.history = history
        raise problem
    return history


def _settled(env_id, name, algorithm, given):
    """The run's Settings; TypeError or ValueError if one is wrong or no policy fits."""
    known = [f.name for f in dataclasses.fields(Settings)]
    for setting in given:
        if setting not in known:
            raise TypeError(f"no setting {setting!r}; there are {', '.join(known)}")
    Settings(**given)  # refuse wrong values before anything is made
    return settled(name, algorithm, acts_discretely(env_id), given)


def acts_discretely(env_id):
    """Are the actions in `env_id` discrete? TypeError if no policy can act there."""
    probe = make_environment(env_id, 1)
    discrete = policy_kind(probe) is not LinearGaussian
    _close(probe)
    return discrete


def _starts(env_id, algorithm, s, rng):
    """(vector environments, the first policy, what `best_start` yields) of a run."""
    n, rows = check_batch(algorithm, s)
    start_steps = max(s.start_steps, rows)
    starts = min(s.starts, max(s.steps // start_steps, 1))
    own = replace(s, steps=s.steps - (starts - 1) * start_steps)
    envs = _separate_environments(env_id, n, starts)
    rngs = [rng, *rng.spawn(starts - 1)]
    policies = [initial_policy(env, s, rng) for env, rng in zip(envs, rngs)]
    runs = [
        iterations(env, policy, algorithm, own, rng)
        for env, policy, rng in zip(envs, policies, rngs)
    ]
    return envs, policies[0], best_start(runs, start_steps)


def check_batch(algorithm, s):
    """(environments, rows of a batch); ValueError if PPO can't share out the rows."""
    n = min(s.environments, s.batch, s.steps)
    rows = _rows(s, n)
    if algorithm.startswith("ppo") and s.minibatches > rows:
        raise ValueError(
            f"minibatches must be at most the batch's {rows} rows, got {s.minibatches}"
        )
    return n, rows


def _rows(s, n):
    """The rows of a batch of `n` environments: whole vector steps, in all `steps`."""
    return min(s.batch, s.steps) // n * n


def _separate_environments(env_id, n, count):
    """`count` vector environments of `n`; ValueError if one is also in another."""
    envs = [make_environment(env_id, n) for _ in range(count)]
    if callable(env_id):
        refuse_shared([single for env in envs for single in env.unwrapped.envs])
    return envs


def _close(env):
    """Close it; an environment that fails in this has nothing more to lose."""
    try:
        env.close()
    except Exception:
        env.closed = True  # or Gymnasium tries again when it is collected


def iterations(env, policy, algorithm, s, rng):
    """The loop of page 12: (policy, batch, Diagnostics) after each update.

    s : Settings, which also say after how many steps it ends. The observations' scale
    is frozen within an update; the policy that is yielded is the one updated.
    """
    update = _updater(algorithm, s, rng)
    value = LinearValue(n_states=n_states(env), ridge=s.ridge)
    rows = _rows(s, env.num_envs)
    state, done = None, 0
    while not done or s.steps - done >= rows:  # for k = 0, 1, ...
        batch, state = collect(env, policy, rows, rng, state)  # item 1
        if not done:  # zero weights ignore what is seen: features may still change
            policy = _scaled(policy, state.moments, s)
        advantages, value, explained = _estimate(batch, value, s)  # item 2
        scale = 1 - s.decay * done / s.steps
        policy, said = update(policy, batch, normalize(advantages), scale)  # 3 to 6
        done += len(batch)
        yield policy, batch, replace(said, explained_variance=explained)
        policy = _scaled(policy, state.moments, s)


def best_start(runs, steps):
    """What `iterations` yields: of each of `runs` for `steps` steps, then of the best.

    A run of several goes on where it stood if the last of its batches in which an
    episode ended returned most; the others are given up. Of one run this is that run.
    """
    scores = []
    for run in runs:
        done, score = 0, -np.inf
        for policy, batch, said in run:
            yield policy, batch, said
            done += len(batch)
            if len(batch.episode_returns):
                score = _mean(batch.episode_returns)
            if done + batch.valid.size > steps:  # another batch might not fit
                break
        scores.append(score)
    yield from runs[int(np.argmax(scores))]


def initial_policy(env, settings, rng):
    """The policy a run starts from: all weights zero."""
    features = None
    if n_states(env) is None:
        dim, _ = sizes(env)
        features = linear_features(dim)
        if settings.features == "fourier":
            features = fourier_features(
                dim, settings.fourier_count, settings.bandwidth, rng
            )
    return make_policy(env, features, log_std=settings.log_std)


def _scaled(policy, moments, settings):
    """`policy` seeing its observations normalised by `moments`."""
    features = getattr(policy, "features", None)
    if not settings.normalize_observations or not isinstance(features, Features):
        return policy
    return replace(policy, features=features.with_moments(moments.mean, moments.std))


def _estimate(batch, value, settings):
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
    advantages = gae(batch, v, next_v, gamma, 1.0 if unfitted else lam)
    targets = v + advantages  # `value_targets`
    explained = explained_variance(v, targets)
    refitted = value.fit(batch.observations, batch.time, targets)
    if unfitted:
        advantages = gae(batch, *values(refitted), gamma, lam)
    return advantages, refitted, explained


def _updater(algorithm, s, rng):
    """A function (policy, batch, advantages, scale) -> (policy, Diagnostics).

    `scale` multiplies what says how far to go: delta, or the learning rate.
    """
    natural = dict(
        damping=s.damping, cg_iterations=s.cg_iterations, cg_tolerance=s.cg_tolerance
    )
    search = dict(backtrack=s.backtrack, max_backtracks=s.max_backtracks)
    beta = s.beta

    def update(policy, batch, advantages, scale):
        if _mean(batch.episode_returns) >= s.until:  # the policy that did it is kept
            return policy, _no_update(policy, batch, "until")
        nonlocal beta  # adapted from update to update
        data = (policy, batch, advantages)
        passes = dict(  # some rows of a batch may be resets, which are left out
            epochs=s.epochs, minibatches=min(s.minibatches, len(batch)), rng=rng
        )
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
        entropy=_mean(policy.at(batch.observations).entropy()),
        max_ratio=1.0,
        gradient_norm=np.nan,
        step_norm=0.0,
    )


def _row(done, seconds, batch, diagnostics):
    """One iteration as a row of the history."""
    return {
        "steps": done,
        "seconds": seconds,
        "episodes": len(batch.episode_returns),
        "return_mean": _mean(batch.episode_returns),
        "length_mean": _mean(batch.episode_lengths),
        **dataclasses.asdict(diagnostics),
    }


def _mean(x):
    return float(np.mean(x)) if len(x) else np.nan


def evaluate_policy(
    env_id,
    policy,
    episodes=100,
    seed=0,
    max_episode_steps=10_000,
    progress=False,
    act=None,
):
    """Returns [episodes] of fresh episodes played with the policy's mode.

    Another way to act is `act`, a function (observations, rng) -> actions, such as
    `policy.sample`.

    Each environment plays as many episodes as the others, so that short ones are not
    favoured. The seeds are not those of training. `max_episode_steps` counts where
    the environment has no limit of its own. `progress` shows a bar, or in a log a line
    now and then.
    """
    episodes = _check.count("episodes", episodes)
    rng = np.random.default_rng([_check.count("seed", seed, least=0), 1])
    n = min(episodes, 20)
    env = make_environment(env_id, n, max_episode_steps)
    check_spaces(policy, env)
    actor = _Actor(act or (lambda observations, rng: policy.mode(observations)))
    quota = episodes // n + (np.arange(n) < episodes % n)
    returns, state = [[] for _ in range(n)], None
    bar = Progress(episodes, "played", progress, "episodes", first=10.0)
    try:
        while any(len(r) < q for r, q in zip(returns, quota, strict=True)):
            batch, state = collect(env, actor, 50 * n, rng, state)
            ended = batch.to_grid(batch.terminated | batch.truncated, fill=False)
            who = np.nonzero(ended)[1]
            for i, episode_return in zip(who, batch.episode_returns, strict=True):
                returns[i].append(episode_return)
            played = sum(min(len(r), q) for r, q in zip(returns, quota, strict=True))
            bar.update(played - bar.done, f"mean {_mean(np.concatenate(returns)):.1f}")
    finally:
        bar.close()
        _close(env)
    return np.concatenate([r[:q] for r, q in zip(returns, quota, strict=True)])


@dataclass(frozen=True)
class _Actor:
    """What `collect` asks for actions."""

    sample: Callable
