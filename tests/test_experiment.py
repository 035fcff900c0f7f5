"""Grids of runs: refused whole, done once, gone on with, by processes and by Dask."""

import dataclasses
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tests.test_train import signals  # noqa: F401
from trpo_lite import _claims, commands, experiment
from trpo_lite.course.runs import Runs
from trpo_lite.experiment import (
    GRIDS,
    Run,
    Stopped,
    all_settings,
    dask_pool,
    finished,
    lines_of,
    local_pool,
    perform,
    read_grid,
    run_grid,
)
from trpo_lite.files import write
from trpo_lite.history import History
from trpo_lite.settings import settled
from trpo_lite.train import evaluate_policy, train

SMALL = {"steps": 600, "batch": 200, "environments": 4}
BLOCK = {
    "tasks": ["CartPole-v1"],
    "algorithms": ["trpo", "pg"],
    "seeds": [40, 41],
    "settings": SMALL,
}
THREADS = partial(ThreadPoolExecutor, 1)


class AtOnce(Executor):
    """All runs have ended when the first of them is heard of."""

    def submit(self, function, *arguments):
        future = Future()
        future.set_result(function(*arguments))
        return future


class GivesUp(AtOnce):
    """Like a cluster that is gone after the first run."""

    ended = False

    def submit(self, function, *arguments):
        if not self.ended:
            self.ended = True
            return super().submit(function, *arguments)
        future = Future()
        future.cancel()
        return future


def grid(folder, *blocks):
    file = folder / "grid.json"
    file.write_text(json.dumps(blocks))
    return file


# ---------------------------------------------------------------------- reading a grid


def test_a_grid_is_the_product_of_each_block(tmp_path):
    other = {**BLOCK, "tasks": ["Pendulum-v1"], "seeds": [1], "label": "wide"}
    runs = read_grid(grid(tmp_path, BLOCK, other))
    names = [run.name for run in runs]
    assert names == [
        *("CartPole-v1-trpo-40", "CartPole-v1-trpo-41"),
        *("CartPole-v1-pg-40", "CartPole-v1-pg-41"),
        *("Pendulum-v1-trpo-wide-1", "Pendulum-v1-pg-wide-1"),
    ]


def test_every_grid_of_the_package_can_be_read():
    for path in GRIDS.glob("*.json"):
        assert read_grid(path.stem)


def test_the_robots_grid_is_eight_tasks_and_five_algorithms():
    runs = read_grid("robots")
    for algorithm in ("trpo", "npg", "pg", "ppo-clip", "ppo-penalty"):
        trpo = algorithm == "trpo"
        its = {run.env_id: [] for run in runs if run.algorithm == algorithm}
        for run in runs:
            if run.algorithm == algorithm:
                its[run.env_id].append(run.seed)
        assert len(its) == (8 if trpo else 7)
        for seeds in its.values():
            end = 30 if trpo else 25
            assert seeds == [*range(20, end)]
    assert not any(run.settings for run in runs)  # the presets as they stand


@pytest.mark.parametrize(
    "change, message",
    [
        ({"tasks": ["Nowhere-v1"]}, "block 0: env_id 'Nowhere-v1' cannot be made"),
        ({"tasks": ["Blackjack-v1"]}, "block 0: env_id 'Blackjack-v1': no policy for"),
        ({"tasks": [["CartPole-v1"]]}, "block 0: a task must be a string, got"),
        ({"algorithms": ["sarsa"]}, "block 0: algorithm must be one of trpo"),
        ({"settings": {"dleta": 1}}, "block 0: setting must be one of steps.*'dleta'"),
        ({"settings": {"delta": -1}}, "block 0: delta must be a finite number > 0"),
        ({"settings": {"delta": np.nan}}, "block 0: delta must be a finite number > 0"),
        ({"settings": {"steps": "1"}}, "block 0: steps must be an integer, got '1'"),
        ({"settings": []}, r"block 0: settings must be \{...\}, got \[\]"),
        ({"settings": None}, r"block 0: settings must be \{...\}, got None"),
        ({"seeds": [-1]}, "block 0: seed must be an integer >= 0, got -1"),
        ({"seeds": [1.5]}, "block 0: seed must be an integer, got 1.5"),
        ({"seeds": [1, 1]}, "stand there twice: CartPole-v1-pg-1, CartPole-v1-trpo-1"),
        ({"seeds": []}, r"block 0: seeds must be a list of some, got \[\]"),
        ({"label": 3}, "block 0: label must be of letters .*, got 3"),
        ({"label": "../../up"}, "block 0: label must be of letters .*, got '../../up'"),
        ({"label": "a\\b"}, "block 0: label must be of letters"),
        ({"label": "a\n"}, "block 0: label must be of letters"),
        ({"sedes": [1]}, "block 0: key must be one of tasks, algorithms"),
        (
            {
                "algorithms": ["pg", "ppo-clip"],
                "settings": SMALL | {"minibatches": 201},
            },
            "block 0: minibatches must be at most the batch's 200 rows, got 201",
        ),
    ],
)
def test_a_wrong_grid_is_refused_before_anything_runs(tmp_path, change, message):
    with pytest.raises(ValueError, match=message):
        read_grid(grid(tmp_path, {**BLOCK, **change}))


def test_the_block_that_is_wrong_is_named(tmp_path):
    with pytest.raises(ValueError, match="block 1: gamma must be in"):
        read_grid(grid(tmp_path, BLOCK, {**BLOCK, "settings": {"gamma": 2}}))
    with pytest.raises(ValueError, match=r"block 1: a block must be \{...\}, got 5"):
        read_grid(grid(tmp_path, BLOCK, 5))


def test_labels_name_files_of_the_folder_itself(tmp_path):
    for label in ("gamma .99", "3M", "a-b_c+d", "..", ""):
        for run in read_grid(grid(tmp_path, {**BLOCK, "label": label})):
            assert Path(run.name).name == run.name


def test_what_is_no_grid(tmp_path):
    with pytest.raises(ValueError, match="is neither a file nor one of cartpole"):
        read_grid("nowhere")
    file = tmp_path / "grid.json"
    file.write_text("{")
    with pytest.raises(ValueError, match="cannot be read as JSON"):
        read_grid(file)
    file.write_text('[{"tasks": [], "settings": {"delta": 0.1, "delta": 0.2}}]')
    with pytest.raises(ValueError, match="JSON: the key 'delta' stands 2 times in one"):
        read_grid(file)
    for text in ('{"tasks": []}', "[]", "null"):
        file.write_text(text)
        with pytest.raises(ValueError, match="must hold a list of blocks"):
            read_grid(file)


@pytest.mark.parametrize("steps, environments", [(600, 7), (130, 7), (600, 500)])
def test_minibatches_are_refused_where_training_refuses_them(
    tmp_path, steps, environments
):
    small = SMALL | {"steps": steps, "environments": environments, "epochs": 1}
    block = {**BLOCK, "algorithms": ["ppo-penalty"], "seeds": [1]}
    rows = min(steps, 200) // min(environments, steps, 200) * min(environments, 200)

    def both(minibatches):
        changed = {**block, "settings": small | {"minibatches": minibatches}}
        yield lambda: read_grid(grid(tmp_path, changed))
        run = Run("CartPole-v1", "ppo-penalty", 1, tuple(changed["settings"].items()))
        yield lambda: perform(run, episodes=1)

    for accepts in both(rows):
        assert accepts()
    for refuses in both(rows + 1):
        with pytest.raises(
            ValueError, match=f"minibatches .* {rows} rows, got {rows + 1}"
        ):
            refuses()


def test_a_grid_may_be_signed_as_some_editors_do(tmp_path):
    file = grid(tmp_path, BLOCK)
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    assert len(read_grid(file)) == 4


def test_a_long_grid_is_read_at_once(tmp_path):
    file = grid(tmp_path, {**BLOCK, "seeds": [*range(20_000)]})
    start = time.process_time()
    assert len(read_grid(file)) == 40_000
    assert time.process_time() - start < 5


def test_without_mujoco_it_says_what_to_install():
    """For `train` and `experiment` alike, and for robots of our own."""
    code = """if True:
    import sys
    sys.modules["mujoco"] = None
    from trpo_lite.environments import make_environment
    recipe = "trpo_lite.course.recipe:wide/HalfCheetah-v5"
    for name in ("Hopper-v5", "Hopper-v4", recipe):
        try:
            make_environment(name, 1)
        except ValueError as problem:
            print(problem)
    """
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True
    )
    lines = done.stdout.splitlines()
    assert len(lines) == 3, done.stderr
    assert all('pip install "gymnasium[mujoco]"' in line for line in lines)


# ------------------------------------------------------------------------ doing a grid


def test_a_file_is_what_train_and_evaluate_policy_make(tmp_path):
    run = Run("CartPole-v1", "trpo", 40, tuple(SMALL.items()))
    (tmp_path / "run.npz").write_bytes(perform(run, episodes=3))
    found = History.load(tmp_path / "run.npz")
    expected = train("CartPole-v1", "trpo", seed=40, progress=False, **SMALL)
    assert np.array_equal(found.policy.theta, expected.policy.theta)
    assert found.settings == expected.settings
    returns = evaluate_policy("CartPole-v1", expected.policy, 3, seed=40)
    assert np.array_equal(found.evaluation, returns)


def test_a_grid_is_done_once_and_gone_on_with(tmp_path):
    runs, said = read_grid(grid(tmp_path, BLOCK)), []
    options = dict(pool=THREADS, report=said.append, episodes=2)
    run_grid(runs[:1], tmp_path / "out", **options)
    first = (tmp_path / "out" / f"{runs[0].name}.npz").stat().st_mtime_ns
    outcomes = run_grid(runs, tmp_path / "out", **options)
    assert [outcome.run for outcome in outcomes] == list(runs)
    assert outcomes[0].file.stat().st_mtime_ns == first
    assert [*finished(runs, tmp_path / "out", 2)] == list(runs)
    assert said[0] == "begun; 0 of 1 ended, 1 running, 0 waiting"
    assert said[1] == f"done    {runs[0].name}; 1 of 1 ended, 0 running, 0 waiting"
    assert said[2] == "1 of 4 runs are there already"
    assert said[3] == "begun; 1 of 4 ended, 1 running, 2 waiting"
    assert said[-1].endswith("; 4 of 4 ended, 0 running, 0 waiting")
    assert len(said) == 7
    run_grid(runs, tmp_path / "out", **options)
    assert said[7:] == ["4 of 4 runs are there already"]
    lines = [*lines_of(outcomes)]
    assert lines[0] == "Mean returns of fresh episodes (mode):" and len(lines) == 3
    assert lines[1].startswith("CartPole-v1 trpo: 2 of 2 runs, return ")
    assert not [*(tmp_path / "out").glob("*.part")]


@pytest.mark.parametrize(
    "change, message",
    [
        ({"gamma": 0.5}, r"gamma = 0\.995, the grid says 0\.5: choose another folder"),
        ({"batch": None}, "batch = 200, the grid says 16384"),  # CartPole's preset
        ({"clip": 0.1}, r"clip = 0\.2, the grid says 0\.1"),  # the default
    ],
)
def test_another_grids_folder_is_refused(tmp_path, change, message):
    """By all its settings, whether a grid, a preset or `Settings` says them."""
    runs = read_grid(grid(tmp_path, BLOCK))[:1]
    run_grid(runs, tmp_path / "out", THREADS, report=str, episodes=1)
    changed = {k: v for k, v in (SMALL | change).items() if v is not None}
    other = read_grid(grid(tmp_path, {**BLOCK, "settings": changed}))
    with pytest.raises(ValueError, match=f"{runs[0].name}.npz is a run with {message}"):
        run_grid(other, tmp_path / "out", THREADS, report=str, episodes=1)


def test_a_folder_with_other_episodes_or_another_run_is_refused(tmp_path):
    run = read_grid(grid(tmp_path, BLOCK))[0]
    (tmp_path / f"{run.name}.npz").write_bytes(perform(run, episodes=2))
    assert finished([run], tmp_path, episodes=2)
    with pytest.raises(ValueError, match="run with episodes = 2, the grid says 3"):
        finished([run], tmp_path, episodes=3)
    renamed = dataclasses.replace(run, seed=99)
    os.rename(tmp_path / f"{run.name}.npz", tmp_path / f"{renamed.name}.npz")
    with pytest.raises(ValueError, match="run with seed = 40, the grid says 99"):
        finished([renamed], tmp_path, episodes=2)


def test_runs_of_other_versions_are_told(tmp_path):
    runs, said = read_grid(grid(tmp_path, BLOCK)), []
    for run, number in zip(runs, ("0.9", np.__version__)):
        (tmp_path / f"{run.name}.npz").write_bytes(perform(run, episodes=1))
        history = History.load(tmp_path / f"{run.name}.npz")
        changed = {"numpy": number, "mujoco": history.versions.get("mujoco", "0.1")}
        dataclasses.replace(history, versions=changed).save(
            tmp_path / f"{run.name}.npz"
        )
    run_grid(runs[:3], tmp_path, THREADS, report=said.append, episodes=1)
    assert said[0] == "2 of 3 runs are there already"
    # MuJoCo's do not count where it isn't in use
    assert said[1] == f"some of them were made with numpy 0.9 (here {np.__version__})"
    assert said[2].startswith("begun")


def test_a_broken_file_is_told_with_what_to_do(tmp_path):
    run = read_grid(grid(tmp_path, BLOCK))[0]
    (tmp_path / f"{run.name}.npz").write_bytes(b"")
    with pytest.raises(
        ValueError, match=r"broken \(.*: delete it, and its run is done"
    ):
        run_grid([run], tmp_path, None)


def test_a_file_older_than_a_setting_has_its_default(tmp_path):
    run = read_grid(grid(tmp_path, BLOCK))[0]
    file = tmp_path / f"{run.name}.npz"
    file.write_bytes(perform(run, episodes=1))
    history = History.load(file)
    del history.settings["starts"]
    history.save(file)
    assert finished([run], tmp_path, episodes=1) == {run: file}
    other = dataclasses.replace(run, settings=(*run.settings, ("starts", 2)))
    with pytest.raises(ValueError, match="run with starts = 1, the grid says 2"):
        finished([other], tmp_path, episodes=1)


def test_the_stored_runs_of_the_robots_have_todays_presets():
    stored = Runs.stored("robots").of(label="").settings
    assert len(stored) == len(read_grid("robots"))
    for found in stored:
        env_id, algorithm = found["env_id"], found["algorithm"]
        today = dataclasses.asdict(settled(env_id, algorithm, False, {}))
        header = {"env_id": env_id, "algorithm": algorithm, "seed": found["seed"]}
        assert found == header | today


MODULE = """
import gymnasium, os
from gymnasium.envs.classic_control import CartPoleEnv

class Dies(CartPoleEnv):
    steps = 0
    def step(self, action):
        Dies.steps += 1
        if Dies.steps > 300:
            os._exit(9)
        return super().step(action)

class Raises(CartPoleEnv):
    def step(self, action):
        raise RuntimeError("the robot\\nbroke")

class Ends(CartPoleEnv):
    def step(self, action):
        raise SystemExit(0)

class Odd(Exception):
    def __init__(self, two, arguments):
        super().__init__("no pickle holds this" + 999 * ".")

class Odds(CartPoleEnv):
    def step(self, action):
        raise Odd(1, 2)

gymnasium.register("Dies-v0", Dies, max_episode_steps=50)
gymnasium.register("Raises-v0", Raises, max_episode_steps=50)
gymnasium.register("Ends-v0", Ends, max_episode_steps=50)
gymnasium.register("Odds-v0", Odds, max_episode_steps=50)
"""


@pytest.fixture
def bad_robots(tmp_path, monkeypatch):
    (tmp_path / "bad_robots.py").write_text(MODULE)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.syspath_prepend(tmp_path)


def test_a_run_that_fails_or_dies_is_a_row_and_the_others_go_on(tmp_path, bad_robots):
    tasks = [f"bad_robots:{name}-v0" for name in ("Raises", "Dies", "Ends", "Odds")]
    tasks.append("CartPole-v1")
    block = {**BLOCK, "tasks": tasks, "algorithms": ["trpo"], "seeds": [1, 2]}
    runs, said = read_grid(grid(tmp_path, block)), []
    pool = partial(local_pool, 2)
    outcomes = run_grid(runs, tmp_path / "out", pool, 2, said.append, episodes=1)
    problems = [outcome.problem for outcome in outcomes]
    assert problems[:2] == ["RuntimeError: the robot broke"] * 2
    assert problems[2:4] == ["its process ended before it had a result"] * 2
    assert problems[4:6] == ["SystemExit: 0"] * 2
    assert problems[6:8] == [f"Odd: no pickle holds this{275 * '.'}"] * 2
    assert len(problems[6]) == 300
    assert problems[8:] == ["", ""]
    lines = [*lines_of(outcomes)]
    assert "bad_robots:Raises-v0 trpo: 0 of 2 runs" in lines
    name = "bad_robots-Raises-v0-trpo-1"
    assert f"  FAILED {name}: RuntimeError: the robot broke" in lines
    assert "8 failed" in said[-1]


def test_a_file_that_cannot_be_written_is_told_before_the_first_run(tmp_path):
    runs = read_grid(grid(tmp_path, BLOCK))[:2]
    long = [dataclasses.replace(runs[0], label="a" * 300)]
    with pytest.raises(OSError, match="too long"):
        run_grid(long, tmp_path / "out", None)
    assert os.listdir(tmp_path / "out") == []


def test_a_full_disk_ends_the_grid_and_keeps_what_is_there(tmp_path, monkeypatch):
    """Once: the runs after it would be computed for nothing."""
    runs, said = read_grid(grid(tmp_path, BLOCK)), []

    def full(file, *content, **options):
        if file.name != f"{runs[0].name}.npz":
            raise OSError(28, "No space left on device")
        write(file, *content, **options)

    monkeypatch.setattr(experiment, "write", full)
    told = rf"cannot write .*{runs[1].name}.npz: No space left on device; what is fin"
    with pytest.raises(Stopped, match=told):
        run_grid(runs, tmp_path / "out", THREADS, report=said.append, episodes=1)
    assert [x.name for x in (tmp_path / "out").iterdir()] == [f"{runs[0].name}.npz"]
    assert len(said) == 2 and not any("FAILED" in line for line in said)


def test_a_cluster_that_gives_the_runs_up_ends_the_grid(tmp_path):
    runs, said = read_grid(grid(tmp_path, BLOCK)), []
    with pytest.raises(Stopped, match=r"cluster is gone, .* the same command goes on"):
        run_grid(runs, tmp_path / "out", GivesUp, report=said.append, episodes=1)
    assert [x.name for x in (tmp_path / "out").iterdir()] == [f"{runs[0].name}.npz"]
    assert len(said) == 2 and not any("FAILED" in line for line in said)


def test_ctrl_c_keeps_what_has_ended_but_was_not_told_yet(tmp_path):
    runs = read_grid(grid(tmp_path, BLOCK))

    def report(line):
        if line.startswith("done"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_grid(runs, tmp_path / "out", AtOnce, report=report, episodes=1)
    assert [*finished(runs, tmp_path / "out", 1)] == list(runs)


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_ctrl_c_while_a_file_is_written_waits_for_its_end(
    tmp_path,
    monkeypatch,
    name,
    signals,  # noqa: F811
):
    if not hasattr(signal, name):
        pytest.skip("not on this system")

    def end(signum, frame):
        raise KeyboardInterrupt

    def pressed(*content, **options):
        calls.append(content)
        signal.raise_signal(getattr(signal, name))
        write(*content, **options)

    calls, runs = [], read_grid(grid(tmp_path, BLOCK))
    monkeypatch.setattr(experiment, "write", pressed)
    before = signal.signal(getattr(signal, name), end)
    try:
        with pytest.raises(KeyboardInterrupt):
            run_grid(runs[:1], tmp_path / "out", AtOnce, report=str, episodes=1)
        assert signal.getsignal(getattr(signal, name)) is end
    finally:
        signal.signal(getattr(signal, name), before)
    assert len(calls) == 1  # it was not begun again
    assert [*finished(runs, tmp_path / "out", 1)] == [runs[0]]
    assert len([*(tmp_path / "out").iterdir()]) == 1


def test_no_run_needs_room_for_temporary_files(monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", "/no such folder")
    run = Run("CartPole-v1", "trpo", 40, tuple(SMALL.items()))
    assert perform(run, episodes=1)


def test_a_run_that_was_never_evaluated_is_refused(tmp_path):
    runs = read_grid(grid(tmp_path, BLOCK))[:1]
    history = train("CartPole-v1", seed=40, progress=False, **SMALL)
    history.save(tmp_path / f"{runs[0].name}.npz")
    with pytest.raises(ValueError, match="a run without the episodes that a grid play"):
        run_grid(runs, tmp_path, None)


def command(*words):
    return [sys.executable, "-m", "trpo_lite", "experiment", *map(str, words)]


def test_each_run_is_a_command_line_that_fills_the_grids_folder(tmp_path, capsys):
    file, out = str(grid(tmp_path, {**BLOCK, "label": "a b"})), str(tmp_path / "out")
    options = [f"--out={out}", "--episodes", "2"]

    def said(*words):
        assert commands.main(["experiment", *map(str, words)]) == 0
        return capsys.readouterr().out.splitlines()

    lines = said(file, *options, "--list")
    assert len(lines) == 4 and not os.path.exists(out)
    words = shlex.split(lines[1])
    name = "CartPole-v1-trpo-a b-41"
    assert words[:4] == ["python", "-m", "trpo_lite", "experiment"]
    assert words[4:] == [file, *options, "--only", name]
    assert said(*words[4:])[1].startswith(f"done    {name}; 1 of 1 ended")
    assert os.listdir(out) == [f"{name}.npz"]
    assert said(file, *options)[0] == "1 of 4 runs are there already"
    assert said("cartpole", "--list")[0] == (
        "python -m trpo_lite experiment cartpole --out=cartpole "
        "--only CartPole-v1-trpo-30"
    )
    line = said("cartpole", "--out=-dash", "--list")[0]
    assert said(*shlex.split(line)[4:], "--list") == [line]
    with pytest.raises(ValueError, match=r"grid\.json has no run 'x'; --list sh"):
        commands.main(["experiment", file, *options, "--only", "x"])


def test_ctrl_c_among_quick_runs_is_one_line(tmp_path, signals):  # noqa: F811
    block = {**BLOCK, "algorithms": ["trpo"], "seeds": [*range(40)]}
    file = grid(tmp_path, block)
    for i in range(3):
        words = command(file, "--out", tmp_path / f"{i}", "--workers", 2)
        with subprocess.Popen(
            [*words, "--episodes", "1"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        ) as process:
            for _ in ("begun", "done"):
                process.stdout.readline()
            # from now on runs start and end all the time
            os.killpg(process.pid, signal.SIGINT)
            try:
                said = process.communicate(timeout=60)[1]
            finally:
                process.kill()
            assert said == "python -m trpo_lite: interrupted\n"
            assert process.returncode == 130


def test_ctrl_c_stops_the_workers_and_keeps_what_is_finished(
    tmp_path,
    signals,  # noqa: F811
):
    quick = {**BLOCK, "algorithms": ["trpo"], "seeds": [1]}
    slow = {**quick, "seeds": [2, 3, 4], "settings": {"steps": 10**9, "until": 1e9}}
    file, out = grid(tmp_path, quick, slow), tmp_path / "out"
    words = command(file, "--out", out, "--workers", 2, "--episodes", 3)
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:  # an assertion that fails must not leave an endless grid
            begun, first = (process.stdout.readline() for _ in range(2))
            assert begun.startswith("begun; 0 of 4 ended, 2 running")
            assert first.startswith("done    CartPole-v1-trpo-1; 1 of 4")
            os.killpg(process.pid, signal.SIGINT)
            assert process.wait(60) == 130
        finally:
            process.kill()
    with pytest.raises(ProcessLookupError):  # none of its processes is left
        for _ in range(50):
            os.killpg(process.pid, 0)
            time.sleep(0.1)
    assert [path.name for path in out.iterdir()] == ["CartPole-v1-trpo-1.npz"]
    # the same command goes on; with that run alone it has nothing to do
    file = grid(tmp_path, quick)
    words = command(file, "--out", out, "--episodes", 3)
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.startswith("1 of 1 runs are there")
    assert len(History.load(out / "CartPole-v1-trpo-1.npz").evaluation) == 3


def test_the_example_of_a_grid_is_one(tmp_path, capsys):
    """In --help, in the README and in the module's own words."""
    with pytest.raises(SystemExit):
        commands.main(["experiment", "--help"])
    said = capsys.readouterr().out
    readme = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
    for text in (said, readme, experiment.__doc__):
        [example] = re.findall(r"\[\{.*?\}\]", text, re.DOTALL)
        (tmp_path / "example.json").write_text(example)
        runs = read_grid(tmp_path / "example.json")
        assert [run.name for run in runs] == [
            f"Hopper-v5-{algorithm}-small-{seed}"
            for algorithm in ("trpo", "npg")
            for seed in (20, 21, 22)
        ]
    # a list of names reads as one: no ending after the last of them
    assert "robots_step_size" in said and ".json" not in said


def test_what_waits_is_not_what_runs(tmp_path):
    """Of four runs two at once; a function says how many when it is asked again."""
    runs, said = read_grid(grid(tmp_path, BLOCK)), []
    run_grid(runs, tmp_path / "out", THREADS, 2, said.append, episodes=1)
    assert said[0] == "begun; 0 of 4 ended, 2 running, 2 waiting"
    assert "; 1 of 4 ended, 2 running, 1 waiting, about " in said[1]
    assert said[1].endswith(" s left") and "; 2 of 4 ended, 2 running, 0 w" in said[2]
    counts, said = iter([0, 1, 3]), []  # at the end nobody answers
    slow = partial(time.sleep, 0.5)
    pool = lambda: ThreadPoolExecutor(1, initializer=slow)  # noqa: E731
    ask, options = (lambda: next(counts)), dict(interval=0.01, episodes=1)
    run_grid(runs, tmp_path / "new", pool, ask, said.append, **options)
    assert said[0] == "begun; 0 of 4 ended, 0 running (no worker yet), 4 waiting"
    assert said[1] == "running; 0 of 4 ended, 1 running, 3 waiting"
    assert said[2] == said[3] == "running; 0 of 4 ended, 3 running, 1 waiting"


OTHER = {**BLOCK, "settings": {**SMALL, "gamma": 0.5}}


def test_of_two_grids_at_once_with_other_settings_the_second_is_refused(tmp_path):
    """Before anything runs; the first, and what others do in the folder, goes on."""
    runs, out = read_grid(grid(tmp_path, BLOCK)), tmp_path / "out"
    labelled = {**OTHER, "label": "small gamma", "seeds": [1]}

    def pool():
        words = command(grid(tmp_path, OTHER), "--out", out, "--episodes", 2)
        second = subprocess.run(words, capture_output=True, text=True)
        assert second.returncode == 2 and second.stdout == ""
        assert second.stderr == (
            f"python -m trpo_lite: another grid makes {out / runs[0].name}.npz with "
            "gamma = 0.995, the grid says 0.5: choose another folder or another "
            "label, or stop that grid\n"
        )
        for others in (read_grid(grid(tmp_path, labelled)), runs[:1]):
            run_grid(others, out, AtOnce, report=said.append, episodes=2)
        return ThreadPoolExecutor(1)

    said = []
    outcomes = run_grid(runs, out, pool, report=str, episodes=2)
    assert not any(outcome.problem for outcome in outcomes)
    assert len([*out.glob("*.npz")]) == len([*out.iterdir()]) == 6
    # told where it does the same twice, and only there
    assert said[3] == "another grid does 1 of these runs at the same time"
    assert sum("another" in line for line in said) == 1


def test_a_killed_grid_hinders_no_other(tmp_path):
    endless = {"steps": 10**9, "until": 1e9}
    file, out = grid(tmp_path, {**BLOCK, "settings": endless}), tmp_path / "out"
    words = command(file, "--out", out, "--workers", 1)
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        begun = process.stdout.readline()
        process.kill()
    assert begun.startswith("begun")
    runs = read_grid(grid(tmp_path, BLOCK))[:1]
    [outcome] = run_grid(runs, out, THREADS, report=str, episodes=1)
    assert [*out.iterdir()] == [outcome.file]


@pytest.mark.skipif(_claims.fcntl is None, reason="locks files")
def test_a_grid_killed_while_it_starts_a_worker_hinders_no_other(tmp_path, monkeypatch):
    """Until it is a program of its own, the worker holds what the grid had open."""
    runs, out = read_grid(grid(tmp_path, BLOCK))[:1], tmp_path / "out"
    other = {runs[0].name: all_settings(runs[0], 1) | {"gamma": 0.5}}
    out.mkdir()
    with open(out / "killed.claim", "x+", encoding="utf-8") as handle:
        json.dump(other, handle)
        handle.flush()
        _claims.fcntl.flock(handle, _claims.fcntl.LOCK_EX)
        worker = subprocess.Popen(
            [sys.executable, "-c", "import sys; sys.stdin.read()"],
            stdin=subprocess.PIPE,
            pass_fds=[handle.fileno()],
        )
    ends = SimpleNamespace(sleep=lambda seconds: worker.communicate())
    monkeypatch.setattr(_claims, "time", ends)
    [outcome] = run_grid(runs, out, THREADS, report=str, episodes=1)
    assert worker.returncode is not None
    assert [*out.iterdir()] == [outcome.file]


@pytest.mark.parametrize("gamma, problem", [(0.995, ""), (0.5, "gamma = 0.5, the gri")])
def test_two_grids_at_once_leave_each_others_files(
    tmp_path, monkeypatch, gamma, problem
):
    """Also where files can't be locked, so that the second isn't refused.

    It starts, in another process, and ends while the first is about to.
    """
    runs, out = read_grid(grid(tmp_path, BLOCK)), tmp_path / "out"
    other = grid(tmp_path, {**BLOCK, "settings": {**SMALL, "gamma": gamma}})

    def pool():
        words = command(other, "--out", out, "--workers", 1, "--episodes", 2)
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
        written.extend(path.stat().st_mtime_ns for path in sorted(out.iterdir()))
        return ThreadPoolExecutor(1)

    written = []
    monkeypatch.setattr(_claims, "fcntl", None)
    outcomes = run_grid(runs, out, pool, report=str, episodes=2)
    assert [path.stat().st_mtime_ns for path in sorted(out.iterdir())] == written
    assert len(written) == len(runs)
    for outcome in outcomes:
        assert outcome.run.name in str(outcome.file or outcome.problem)
        assert bool(outcome.problem) == bool(problem) and problem in outcome.problem


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="reads Linux's /proc")
def test_no_worker_outlives_a_grid_that_is_killed(tmp_path):
    endless = {"steps": 10**9, "until": 1e9}
    file = grid(tmp_path, {**BLOCK, "algorithms": ["trpo"], "settings": endless})
    words = command(file, "--out", tmp_path / "out", "--workers", 2)
    with subprocess.Popen(words, start_new_session=True) as process:
        end = time.monotonic() + 60
        while len(processes_of(process.pid)) < 3 and time.monotonic() < end:
            time.sleep(0.1)
        started = len(processes_of(process.pid))  # itself and two workers
        process.kill()
    assert started >= 3
    while processes_of(process.pid) and time.monotonic() < end:
        time.sleep(0.1)
    assert processes_of(process.pid) == []


def processes_of(session):
    """The process ids of a session that are alive, by Linux's /proc."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, its = path.read_text().rpartition(")")[2].split()[:4]
        except OSError:  # it has just ended
            continue
        found += [int(path.parent.name)] * (int(its) == session and state != "Z")
    return found


def test_wrong_options_are_told_in_one_line(tmp_path):
    (tmp_path / "named").write_bytes(grid(tmp_path, BLOCK).read_bytes())
    for words, message in (
        ([grid(tmp_path, BLOCK), "--workers", 0], "--workers must be an integer >= 1"),
        ([grid(tmp_path, BLOCK), "--episodes", 0], "--episodes must be an integer >="),
        (["nowhere"], "grid 'nowhere' is neither a file nor one of cartpole"),
        (["cartpole", "--scheduler", ""], "--scheduler must be an address, got ''"),
        (["named"], "named is a file: give --out FOLDER"),
    ):
        done = subprocess.run(
            command(*words), capture_output=True, text=True, cwd=tmp_path
        )
        assert done.returncode == 2 and message in done.stderr
        assert len(done.stderr.splitlines()) == 1


# ------------------------------------------------------------------------ on a cluster


@pytest.mark.filterwarnings("ignore")
def test_dask_does_the_same_runs(tmp_path):
    distributed = pytest.importorskip("distributed")
    options = dict(host="127.0.0.1", dashboard_address=None, processes=True)
    runs = read_grid(grid(tmp_path, BLOCK))[:3]
    cluster = distributed.LocalCluster(n_workers=2, threads_per_worker=1, **options)
    with cluster, dask_pool(cluster.scheduler_address) as (executor, threads):
        assert threads() == 2
        pool = lambda: executor  # noqa: E731
        run_grid(runs, tmp_path / "dask", pool, threads, str, episodes=2)
    run_grid(runs, tmp_path / "here", THREADS, report=str, episodes=2)
    for run in runs:
        one, other = (
            History.load(tmp_path / folder / f"{run.name}.npz")
            for folder in ("dask", "here")
        )
        np.testing.assert_allclose(one.policy.theta, other.policy.theta, rtol=1e-9)
        assert np.array_equal(one.evaluation, other.evaluation)


@pytest.mark.filterwarnings("ignore")
def test_a_cluster_stops_at_once_when_nobody_waits(tmp_path, signals):  # noqa: F811
    """After Ctrl-C in mid-training, and after a kill in the episodes at the end."""
    distributed = pytest.importorskip("distributed")
    options = dict(host="127.0.0.1", dashboard_address=None, processes=True)
    cluster = distributed.LocalCluster(n_workers=1, threads_per_worker=1, **options)
    endless, block = {"steps": 10**9, "until": 1e9}, {**BLOCK, "algorithms": ["trpo"]}
    with cluster, distributed.Client(cluster.scheduler_address) as client:
        for settings, episodes, signum, where in (
            (endless, 1, signal.SIGINT, "trpo_update"),
            (SMALL, 10**7, signal.SIGKILL, "evaluate_policy"),
        ):
            file = grid(tmp_path, {**block, "settings": settings})
            words = command(file, "--out", tmp_path / "out", "--episodes", episodes)
            words += ["--scheduler", cluster.scheduler_address]
            with subprocess.Popen(words, start_new_session=True) as process:
                try:
                    wait_for(lambda: where in str(client.call_stack()))  # noqa: B023
                finally:
                    os.killpg(process.pid, signum)
            wait_for(lambda: not client.call_stack())
    assert [*(tmp_path / "out").glob("*.npz")] == []


CLUSTER = """
import time
from distributed import LocalCluster

if __name__ == "__main__":
    options = dict(host="127.0.0.1", dashboard_address=None, threads_per_worker=1)
    print(LocalCluster(n_workers=1, **options).scheduler_address, flush=True)
    time.sleep(600)
"""


def test_a_cluster_that_dies_is_told_in_one_line(tmp_path):
    pytest.importorskip("distributed")
    endless = {**BLOCK, "seeds": [2, 3], "settings": {"steps": 10**9, "until": 1e9}}
    file = grid(tmp_path, {**BLOCK, "algorithms": ["trpo"], "seeds": [1]}, endless)
    (tmp_path / "cluster.py").write_text(CLUSTER)
    with subprocess.Popen(
        [sys.executable, tmp_path / "cluster.py"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    ) as cluster:
        words = command(file, "--out", tmp_path / "out", "--episodes", 1)
        words += ["--scheduler", cluster.stdout.readline().strip()]
        streams = dict(stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        with subprocess.Popen(words, **streams) as process:
            try:
                said = [process.stdout.readline() for _ in range(2)]
                os.killpg(cluster.pid, signal.SIGKILL)
                rest, problem = process.communicate(timeout=60)
            finally:
                process.kill()
    assert said[1].startswith("done    CartPole-v1-trpo-1; 1 of 5 ended, 1 running")
    assert process.returncode == 2 and rest == ""
    assert problem == (
        "python -m trpo_lite: the cluster is gone, or gave the runs up: what is "
        "finished stays, and the same command goes on\n"
    )
    assert [x.name for x in (tmp_path / "out").iterdir()] == ["CartPole-v1-trpo-1.npz"]


def wait_for(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)


def test_dask_that_is_missing_or_silent_is_told(monkeypatch):
    def use():
        with dask_pool("tcp://127.0.0.1:9"):
            pass

    with pytest.raises(ValueError, match="no Dask scheduler answers at tcp://127"):
        use()
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ValueError, match="needs Dask: python -m pip install"):
        use()
