"""How fast and how good: `python -m tests.benchmarks [ROW ...] [--seeds N]`.

Prints a table with each row's target and the figure reached, and exits 1 if one is
missed. Everything runs on one thread; times are processor seconds (on an idle core
that is wall time, which stands in brackets) and leave imports out. Scores are mean
returns of 100 fresh episodes after the last update, the median of the seeds: CartPole's
by the policy's mode, the robots' by its average action, as on page 15.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import contextlib
import importlib.util
import pathlib
import pkgutil
import subprocess
import sys
import time
import tracemalloc

import gymnasium
import mujoco
import numpy as np

import trpo_lite
from tests.robot_runs import by_average
from trpo_lite import train as training
from trpo_lite._terminal import Parser, run, say
from trpo_lite.course import n15
from trpo_lite.policies import LinearGaussian, LinearSoftmax
from trpo_lite.simulator import silence
from trpo_lite.train import evaluate_policy

PROG = "python -m tests.benchmarks"
ROBOTS = (
    *("HalfCheetah-v5", "Hopper-v5", "Walker2d-v5", "Swimmer-v5", "Ant-v5"),
    *("Reacher-v5", "InvertedPendulum-v5", "InvertedDoublePendulum-v5"),
)
# what the median of the seeds is to reach, and for some each of nine of ten seeds
SCORES = {
    "HalfCheetah-v5": (3500, None),
    "Hopper-v5": (2600, None),
    "Walker2d-v5": (3000, None),
    "Swimmer-v5": (350, 300),
    "Ant-v5": (2000, None),
    "Reacher-v5": (-7, None),
    "InvertedPendulum-v5": (1000, None),
    "InvertedDoublePendulum-v5": (8000, None),
}
ROOT = pathlib.Path(__file__).parents[1]


def train(env_id, **settings):
    """A whole run, or none: Ctrl-C ends the benchmarks."""
    history = training.train(env_id, **settings)
    if history.stopped == "interrupted":
        raise KeyboardInterrupt
    return history


class Clock:
    """Processor and wall seconds, while running."""

    def __init__(self):
        self.processor = self.wall = 0.0

    def __enter__(self):
        self._start = time.process_time(), time.perf_counter()
        return self

    def __exit__(self, *_):
        self.processor += time.process_time() - self._start[0]
        self.wall += time.perf_counter() - self._start[1]

    def __str__(self):
        return f"{self.processor:.2f} s ({self.wall:.2f})"


def show(row, target, reached, met):
    say(f"{'ok  ' if met else 'MISS'} {row:42} {target:30} {reached}")
    return met


def note(text):
    say(f"     {text}")


# --------------------------------------------------------------------------- rows


def cartpole(seeds):
    clocks, scores, steps = [], [], []
    for seed in range(20):
        with Clock() as clock:
            history = train("CartPole-v1", seed=seed, progress=False)
        scores.append(evaluate_policy("CartPole-v1", history.policy, seed=seed).mean())
        steps.append(history["steps"][-1])
        clocks.append(clock)
    slowest = max(clocks, key=lambda c: c.processor)
    good = sum(
        s >= 475 and c.processor <= 1 for s, c in zip(scores, clocks, strict=True)
    )
    middle = np.median([c.processor for c in clocks])
    return show(
        "CartPole-v1, mean return 475",
        "20 of 20 seeds in <= 1 s",
        f"{good} of 20; slowest {slowest}, median {middle:.2f} s and "
        f"{np.median(steps):.0f} steps; lowest mean return {min(scores):.1f}",
        good == 20,
    )


def stored(seeds):
    """The ten stored runs of TRPO on each robot: nothing is trained."""
    runs = n15.runs_of("robots")
    met = [
        stored_scores(env_id, runs.of(env_id, "trpo").scores, *SCORES[env_id])
        for env_id in ROBOTS
    ]
    return all(met)


def stored_scores(env_id, scores, target, nine=None):
    """Is the median at `target`, and nine tenths of the seeds above `nine`?"""
    wanted, reached = f">= {target}", f"{np.median(scores):.1f}"
    met = len(scores) >= 10 and np.median(scores) >= target
    if nine is not None:
        above = int(np.sum(scores > nine))
        wanted += f", 9 of 10 > {nine}"
        reached += f", {above} of {len(scores)} above"
        met = met and above >= 0.9 * len(scores)
    spread = f"{scores.min():.4g} to {scores.max():.4g}"
    row = f"{env_id}, {len(scores)} stored seeds"
    return show(row, wanted, f"{reached}; {spread}", bool(met))


def robot(env_id, seeds, step_target, time_target):
    score_target, _ = SCORES[env_id]
    clocks, scores, steps = [], [], []
    for seed in range(seeds):
        with Clock() as clock:
            history = train(env_id, seed=seed, progress=False)
        returns = evaluate_policy(
            env_id, history.policy, seed=seed, act=by_average(history.policy, env_id)
        )
        scores.append(returns.mean())
        steps.append(history["steps"][-1])
        clocks.append(clock)
        note(
            f"{env_id} seed {seed}: {returns.mean():.0f} ± {returns.std():.0f}, "
            f"{steps[-1]} steps, {clock}"
        )
    seconds = np.median([c.processor for c in clocks])
    wall = np.median([c.wall for c in clocks])
    met = np.median(scores) >= score_target and seconds <= time_target
    return show(
        f"{env_id}, median of {seeds} seeds",
        f">= {score_target}, <= {step_target / 1e6:g}M steps, <= {time_target} s",
        f"{np.median(scores):.0f} after {max(steps)} steps, "
        f"{seconds:.1f} s ({wall:.1f})",
        met and max(steps) <= step_target,
    )


def swimmer(seeds):
    return robot("Swimmer-v5", seeds, 1_000_000, 30)


def hopper(seeds):
    return robot("Hopper-v5", seeds, 1_000_000, 100)


def overhead(seeds):
    met = [
        training_over_simulator("HalfCheetah-v5", 1.05, steps=100_000),
        training_over_simulator("Hopper-v5", 1.05, steps=100_000),
        training_over_simulator("CartPole-v1", 1.60, steps=1_000_000, until=np.inf),
    ]
    return all(met)


def training_over_simulator(env_id, target, **settings):
    """Each batch's actions are replayed right after it, so that load cancels out.

    Making the environments is left out: it takes as long for a short run as for a long.
    """
    make_environment = training.make_environment
    made, pending, rewards = [], [], [0.0, 0.0]

    def recording(env_id, environments, *limit):
        with aside:
            env = make_environment(env_id, environments, *limit)
        if environments > 1:  # not the probe
            reset, step = env.reset, env.step

            def recorded_step(actions):
                pending.append(actions.copy())
                return step(actions)

            def recorded_reset(seed):
                with aside:
                    twin = make_environment(env_id, environments, *limit)
                    twin.reset(seed=seed)
                    made.append(twin)
                return reset(seed=seed)

            env.reset, env.step = recorded_reset, recorded_step
        return env

    simulator, whole, aside = Clock(), Clock(), Clock()

    def replay(row, policy):
        with aside:
            (twin,) = made
            with simulator:
                for actions in pending:
                    reward = twin.step(actions)[1]
            rewards[0] = reward.copy()
            pending.clear()

    collect = training.collect

    def last_reward(*arguments):
        batch, state = collect(*arguments)
        grid = batch.to_grid(batch.rewards, fill=0.0)
        rewards[1] = grid[-1]
        return batch, state

    def check(row, policy):
        replay(row, policy)
        np.testing.assert_array_equal(*rewards, "the replay went another way")

    training.make_environment, training.collect = recording, last_reward
    try:
        with whole:
            history = train(env_id, progress=False, callback=check, **settings)
    finally:
        training.make_environment, training.collect = make_environment, collect
    spent = whole.processor - aside.processor
    ratio = spent / simulator.processor
    return show(
        f"{env_id}, training / its simulator alone",
        f"<= {target:.2f}",
        f"{ratio:.3f}: {spent:.1f} s / {simulator.processor:.1f} s, "
        f"{history['steps'][-1]} steps",
        ratio <= target,
    )


def simulator(seeds):
    """The same robots three times, each step of all three right after one another."""
    met = [mj_step_share(env_id) for env_id in ROBOTS]
    return all(met)


def mj_step_share(env_id, robots=8, steps=500):
    """Steps with a reset are left out: gentle random actions leave enough of them."""
    actor = np.random.default_rng(0)
    ours = training.make_environment(env_id, robots)
    options = dict(vectorization_mode="sync", disable_env_checker=True)
    with silence():
        theirs = gymnasium.make_vec(env_id, robots, **options)
        bare = [gymnasium.make(env_id).unwrapped for _ in range(robots)]
    for env in (ours, theirs):
        env.reset(seed=0)
    for i, env in enumerate(bare):
        env.reset(seed=i)
    box, done = ours.action_space, np.zeros(robots, dtype=bool)
    clocks = Clock(), Clock(), Clock()

    def physics(actions):
        for env, action, waits in zip(bare, actions, done, strict=True):
            if not waits:
                env.data.ctrl[:] = action
                mujoco.mj_step(env.model, env.data, env.frame_skip)

    counted = 0
    for _ in range(steps):
        actions = actor.uniform(box.low / 9, box.high / 9).astype(box.dtype)
        resets = np.flatnonzero(done)
        for_theirs, for_ours, for_physics = (Clock(),) * 3 if len(resets) else clocks
        with for_theirs:
            theirs_now = theirs.step(actions)
        with for_ours:
            now = ours.step(actions)
        with for_physics:
            physics(actions)
        for i in resets:
            bare[i].reset()
        counted += 0 if len(resets) else robots
        np.testing.assert_array_equal(now[1], theirs_now[1], "not the same rewards")
        done = now[2] | now[3]
    for one, other in zip(ours.envs, bare, strict=True):
        np.testing.assert_array_equal(one.data.qpos, other.data.qpos)
    theirs.close()
    sync, mine, limit = (counted / clock.processor for clock in clocks)
    return show(
        f"{env_id}, steps/s / those of mj_step alone",
        ">= 0.70",
        f"{mine / limit:.2f}: Gymnasium's SyncVectorEnv {sync:.0f}, ours {mine:.0f}, "
        f"mj_step alone {limit:.0f}",
        mine >= 0.7 * limit,
    )


def fastest(function, repeats):
    times = []
    for _ in range(repeats):
        with Clock() as clock:
            function()
        times.append(clock.processor)
    return min(times)


def fisher(seeds):
    rng = np.random.default_rng(0)
    observations = rng.standard_normal((1000, 1000))
    met = True
    for kind, policy, actions in (
        (
            "softmax",
            LinearSoftmax(0.01 * rng.standard_normal(10**6), 1000),
            rng.integers(1000, size=1000),
        ),
        (
            "Gaussian",
            LinearGaussian(0.01 * rng.standard_normal(1001 * 1000), 1000),
            rng.standard_normal((1000, 1000)),
        ),
    ):
        vector = rng.standard_normal(policy.size)
        one = fastest(lambda: policy.at(observations).log_prob(actions), 5)  # noqa: B023
        product = fastest(
            lambda: policy.at(observations).fisher_product(vector),  # noqa: B023
            5,
        )
        tracemalloc.start()
        policy.at(observations).fisher_product(vector)
        peak = tracemalloc.get_traced_memory()[1] / 1e6
        tracemalloc.stop()
        met &= show(
            f"Fisher product, {policy.size} parameters, {kind}",
            "<= 5 log_prob, no matrix",
            f"{product / one:.2f}: {1e3 * product:.0f} ms / {1e3 * one:.0f} ms, "
            f"peak {peak:.0f} MB",
            product <= 5 * one and peak < 200,
        )
    return met


# what draws, teaches or starts the rest, and the simulator, which comes with Gymnasium
NOT_COMPUTING = (
    *("plots", "style", "course", "__main__", "commands", "experiment", "_terminal"),
    "simulator",
)


def imports(seeds):
    modules = [
        f"trpo_lite.{m.name}"
        for m in pkgutil.iter_modules(trpo_lite.__path__)
        if m.name not in NOT_COMPUTING
    ]

    def seconds(names):
        code = (
            "import sys, time; start = time.process_time(); import "
            + ", ".join(names)
            + "; print(time.process_time() - start, *{'matplotlib', 'gymnasium'} "
            "& set(sys.modules))"
        )
        run = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        number, *heavy = run.stdout.split()
        assert not heavy, f"{heavy} came with {names}"
        return float(number)

    times = [(seconds(["numpy"]), seconds(modules)) for _ in range(15)]
    numpy, ours = np.min(times, axis=0)
    return show(
        f"import of all {len(modules)} compute modules / numpy",
        "<= 2, no matplotlib",
        f"{ours / numpy:.2f}: {1e3 * ours:.0f} ms / {1e3 * numpy:.0f} ms",
        ours <= 2 * numpy,
    )


def notebooks(seeds):
    pages = sorted((ROOT / "notebooks").glob("*.ipynb"))
    if not pages:
        return True
    options = ["-q", "-n", "2", "--dist=loadfile", "--nbval", "--nbval-current-env"]
    options += ["--nbval-sanitize-with", "tests/nbval.cfg"]
    start = time.perf_counter()
    run = subprocess.run(
        [sys.executable, "-m", "pytest", *options, "--nbval-cell-timeout=120", *pages],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    seconds = time.perf_counter() - start
    passed = run.returncode == 0
    return show(
        f"strict nbval over {len(pages)} notebooks",
        "<= 240 s of wall, two cores",
        f"{seconds:.0f} s, {'all passed' if passed else 'FAILED'}",
        passed and seconds <= 240,
    )


def sb3(seeds):
    """SB3-contrib's TRPO beside ours: both stop at a batch's mean return of 475."""
    if not all(importlib.util.find_spec(m) for m in ("sb3_contrib", "torch")):
        note("sb3_contrib and torch are not installed: no comparison")
        return True
    import torch
    from sb3_contrib import TRPO
    from stable_baselines3.common.callbacks import BaseCallback

    torch.set_num_threads(1)

    class Until(BaseCallback):
        def _on_step(self):
            return True

        def _on_rollout_end(self):
            ended = [e["r"] for e in self.model.ep_info_buffer]
            self.reached = len(ended) >= 20 and np.mean(ended[-20:]) >= 475

        def _on_rollout_start(self):
            if getattr(self, "reached", False):
                raise StopIteration

    from stable_baselines3.common.env_util import make_vec_env

    for seed in range(min(seeds, 3)):
        model = TRPO("MlpPolicy", make_vec_env("CartPole-v1", 8, seed=seed), seed=seed)
        with Clock() as theirs, contextlib.suppress(StopIteration):
            model.learn(300_000, callback=Until())
        with Clock() as ours:
            history = train("CartPole-v1", seed=seed, until=475.0, progress=False)
        note(
            f"CartPole-v1 to 475, seed {seed}: SB3-contrib TRPO {theirs}, "
            f"{model.num_timesteps} steps; trpo_lite {ours}, "
            f"{history['steps'][-1]} steps"
        )
    return True


ROWS = {
    f.__name__: f
    for f in (
        *(cartpole, stored, swimmer, hopper, overhead, simulator),
        *(fisher, imports, notebooks, sb3),
    )
}


def main(arguments=None):
    parser = Parser(PROG, description=__doc__.split("\n")[0])
    parser.add_argument("rows", nargs="*", metavar="ROW", help=", ".join(ROWS))
    parser.add_argument("--seeds", type=int, default=5, help="for the robots [5]")
    options = parser.parse_args(arguments)
    unknown = set(options.rows) - set(ROWS)
    if unknown:
        parser.error(f"no row {', '.join(unknown)}; there are {', '.join(ROWS)}")
    train("CartPole-v1", steps=100, progress=False)  # imports and first calls apart
    met = [ROWS[name](options.seeds) for name in options.rows or ROWS]
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(run(PROG, main, runs=99))
