"""Whole runs: they learn, repeat themselves, survive Ctrl-C, come back from disk."""

import contextlib
import dataclasses
import json
import os
import re
import signal
import subprocess
import sys
import zipfile

import gymnasium
import numpy as np
import pytest

from trpo_lite.environments import make_environment
from trpo_lite.features import linear_features
from trpo_lite.history import History
from trpo_lite.policies import LinearSoftmax
from trpo_lite.settings import ALGORITHMS, PRESETS, Settings, preset
from trpo_lite.train import best_start, evaluate_policy, train

SMALL = dict(steps=600, batch=200, environments=4, progress=False)


@pytest.fixture(scope="module")
def solved():
    return train("CartPole-v1", progress=False)


def test_cartpole_is_solved_by_its_preset(solved):
    returns = evaluate_policy("CartPole-v1", solved.policy)
    assert returns.shape == (100,) and returns.mean() >= 475
    assert solved.stopped == "until" and solved["return_mean"][-1] >= 490
    assert (np.diff(solved["steps"]) > 0).all() and solved["steps"][-1] <= 200_000
    assert solved["explained_variance"][-1] > 0.3


def test_until_keeps_the_policy_that_reached_it():
    seen = []
    history = train(
        "CartPole-v1",
        until=15.0,
        callback=lambda row, policy: seen.append(policy),
        **SMALL,
    )
    assert len(history) == 1 and history.stopped == "until"
    assert history["step_norm"][0] == 0 and not history.policy.theta.any()


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_algorithm_learns(algorithm):
    history = train("CartPole-v1", algorithm, steps=82_000, progress=False)
    assert history["return_mean"].max() > 100, history["return_mean"]
    assert np.isfinite(history["kl"]).all()
    assert history.settings["algorithm"] == algorithm


def test_trpo_stays_within_delta():
    history = train("CartPole-v1", delta=0.02, **SMALL)
    assert (history["kl"] <= 0.02).all() and (history["kl"] > 0).any()


def test_decay_shortens_the_steps():
    settings = dict(delta=0.02, decay=1.0, damping=0.0, **SMALL)
    history = train("CartPole-v1", "npg", **settings)
    limits = 0.02 * (1 - np.array([0, *history["steps"][:-1]]) / 600)
    np.testing.assert_allclose(history["predicted_kl"], limits, rtol=1e-6)


@pytest.mark.parametrize("env_id", ["FrozenLake-v1", "Pendulum-v1", "Acrobot-v1"])
def test_other_spaces_run(env_id):
    history = train(env_id, **SMALL)
    assert len(history) >= 2 and np.isfinite(history.policy.theta).all()
    assert len(evaluate_policy(env_id, history.policy, episodes=3)) == 3


def test_steps_are_never_exceeded_and_the_seconds_grow():
    for steps in (1, 5, 199, 1000):
        history = train("CartPole-v1", **{**SMALL, "steps": steps})
        assert 0 < history["steps"][-1] <= steps
        assert (np.diff(history["seconds"]) > 0).all()


@pytest.mark.parametrize("algorithm", ["trpo", "ppo-clip", "ppo-penalty"])
def test_same_seed_same_numbers(algorithm):
    def run(seed):
        return train("Pendulum-v1", algorithm, seed=seed, **SMALL)

    a, b, c = run(3), run(3), run(4)
    np.testing.assert_array_equal(a.policy.theta, b.policy.theta)
    for name in set(a.columns) - {"seconds"}:
        np.testing.assert_array_equal(a[name], b[name], err_msg=name)
    assert not np.array_equal(a.policy.theta, c.policy.theta)


def test_the_adapted_penalty_is_carried_to_the_next_update():
    history = train("CartPole-v1", "ppo-penalty", beta=1e-3, target_kl=1e-6, **SMALL)
    assert len(history) == 3
    np.testing.assert_allclose(history["beta"], 1e-3 * 2.0 ** np.arange(1, 4))


def test_every_setting_is_used():
    for name, value in {
        "gamma": 0.5,
        "lam": 0.1,
        "delta": 0.5,
        "damping": 0.5,
        "decay": 0.9,
        "cg_iterations": 1,
        "ridge": 10.0,
        "log_std": -1.0,
        "normalize_observations": False,
        "features": "linear",
        "batch": 100,
        "environments": 2,
    }.items():
        history = train("Pendulum-v1", **{**SMALL, "seed": 1, name: value})
        default = train("Pendulum-v1", **{**SMALL, "seed": 1})
        assert history.settings[name] == value
        assert not np.array_equal(history.policy.theta, default.policy.theta), name
    for name, value in {"learning_rate": 1e-5, "epochs": 1, "minibatches": 1}.items():
        history = train("Pendulum-v1", "ppo-clip", **SMALL, **{name: value})
        default = train("Pendulum-v1", "ppo-clip", **SMALL)
        assert not np.array_equal(history.policy.theta, default.policy.theta), name


def test_fourier_features_are_as_many_as_asked():
    history = train(
        "Pendulum-v1", features="fourier", fourier_count=7, bandwidth=0.5, **SMALL
    )
    assert history.policy.features.frequencies.shape == (7, 3)


def test_the_normaliser_is_frozen_within_an_update():
    policies, settings = [], {**SMALL, "steps": 900, "batch": 300}
    train("CartPole-v1", callback=lambda row, p: policies.append(p), **settings)
    means = [p.features.mean for p in policies]
    assert means[0].any()  # what the first batch saw, which also made the second
    assert np.array_equal(means[0], means[1])
    assert not np.array_equal(means[1], means[2])
    fixed = train("CartPole-v1", normalize_observations=False, **SMALL)
    np.testing.assert_array_equal(fixed.policy.features.mean, np.zeros(4))


# -------------------------------------------------------------------------- starts


def rows_of(env_id, **settings):
    """(history, [(row, theta)]) of a run."""
    rows = []
    history = train(
        env_id, callback=lambda row, p: rows.append((row, p.theta)), **settings
    )
    return history, rows


def test_one_start_is_the_run_without_starts():
    plain = train("CartPole-v1", **SMALL)
    for several in (dict(starts=1, start_steps=200), dict(starts=3, start_steps=601)):
        one = train("CartPole-v1", **SMALL, **several)
        np.testing.assert_array_equal(one.policy.theta, plain.policy.theta)
        for name in set(plain.columns) - {"seconds"}:
            np.testing.assert_array_equal(one[name], plain[name], err_msg=name)


def test_the_best_start_goes_on_where_it_stood():
    settings = {**SMALL, "steps": 2400, "normalize_observations": False}
    history, rows = rows_of("CartPole-v1", starts=3, start_steps=400, **settings)
    _, alone = rows_of("CartPole-v1", **{**settings, "steps": 1600})
    thetas = [theta for _, theta in rows]
    np.testing.assert_array_equal(thetas[:2], [theta for _, theta in alone[:2]])
    ends = thetas[1], thetas[3], thetas[5]  # of the starts, two batches each
    assert len({tuple(end) for end in ends}) == 3
    best = np.argmax(history["return_mean"][[1, 3, 5]])
    steps = [np.linalg.norm(thetas[6] - end) for end in ends]
    np.testing.assert_allclose(steps[best], history["step_norm"][6])
    assert 1800 < history["steps"][-1] <= 2400  # resets are no steps
    assert (np.diff(history["steps"]) > 0).all()
    again, _ = rows_of("CartPole-v1", starts=3, start_steps=400, **settings)
    np.testing.assert_array_equal(again.policy.theta, history.policy.theta)


class Rows:
    """A batch of ten rows, of which `best_start` sees no more than this."""

    valid = np.ones((5, 2))

    def __init__(self, *episode_returns):
        self.episode_returns = np.array(episode_returns)

    def __len__(self):
        return 10


def test_the_best_start_is_the_one_whose_last_batch_returned_most():
    def run(name, batches):
        return ((f"{name}{i}", Rows(*batch), None) for i, batch in enumerate(batches))

    runs = [
        run("a", [[9.0], [-3.0], [9.0]]),
        run("b", [[-5.0, 1.0], [], [-9.0], [-9.0]]),  # -2: nothing ends in the second
        run("c", [[], [], [9.0]]),
    ]
    named = [name for name, _, _ in best_start(runs, 29)]
    assert named == ["a0", "a1", "b0", "b1", "c0", "c1", "b2", "b3"]


def test_starts_do_not_share_their_environment():
    env = gymnasium.make("Pendulum-v1")
    settings = {**SMALL, "environments": 1, "starts": 2, "start_steps": 200}
    with pytest.raises(ValueError, match="2 environments are only 1"):
        train(lambda: env, **settings)


def test_an_error_in_a_later_start_keeps_all_rows():
    def fail(row, policy):
        if row["steps"] > 400:
            raise OSError("full")

    with pytest.raises(OSError) as caught:
        train("Pendulum-v1", callback=fail, starts=3, start_steps=200, **SMALL)
    np.testing.assert_array_equal(caught.value.history["steps"], [200, 400, 600])


# ------------------------------------------------------------------ interruption


class Interrupting(gymnasium.Env):
    """Ctrl-C is pressed at the 500th step."""

    observation_space = gymnasium.spaces.Box(-1, 1, (2,))
    action_space = gymnasium.spaces.Discrete(2)
    count = 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self.observation_space.sample(), {}

    def step(self, action):
        Interrupting.count += 1
        if Interrupting.count == 500:
            raise KeyboardInterrupt
        return self.observation_space.sample(), float(action), False, False, {}


def test_an_interrupt_keeps_the_history_so_far():
    Interrupting.count = 0
    history = train(Interrupting, **SMALL)
    assert history.stopped == "interrupted" and len(history) == 2
    assert np.isfinite(history.policy.theta).all() and history.policy.theta.any()
    assert np.isnan(history["return_mean"]).all()  # no episode has ended


def test_an_interrupt_before_the_first_update(tmp_path):
    Interrupting.count = 499
    history = train(Interrupting, **SMALL)
    assert len(history) == 0 and history.columns == {}
    history.save(tmp_path / "empty.npz")
    assert len(History.load(tmp_path / "empty.npz")) == 0


def test_an_interrupt_in_the_callback_keeps_that_row():
    def press(row, policy):
        raise KeyboardInterrupt

    assert len(train("CartPole-v1", callback=press, **SMALL)) == 1


# ------------------------------------------------------------------------- files


@pytest.mark.parametrize("env_id", ["CartPole-v1", "Pendulum-v1", "FrozenLake-v1"])
def test_round_trip_under_exactly_the_name_given(tmp_path, env_id):
    history = train(env_id, **SMALL)
    file = tmp_path / "a history with no suffix"
    history.save(file)
    assert os.listdir(tmp_path) == [file.name]
    with np.load(file, allow_pickle=False) as npz:
        assert all(npz[name].dtype != object for name in npz.files)
    again = History.load(file)
    assert again.settings == history.settings and again.stopped == history.stopped
    assert again.versions == history.versions
    assert set(again.columns) == set(history.columns)
    for name in history.columns:
        np.testing.assert_array_equal(again[name], history[name])
    a = evaluate_policy(env_id, history.policy, 4, seed=5)
    np.testing.assert_array_equal(a, evaluate_policy(env_id, again.policy, 4, seed=5))


def test_a_history_says_what_made_it_and_an_old_file_does_not(tmp_path, solved):
    for name, version in {"numpy": np, "gymnasium": gymnasium}.items():
        assert solved.versions[name] == version.__version__
    solved.save(tmp_path / "new.npz")
    with np.load(tmp_path / "new.npz") as npz:
        arrays = {name: npz[name] for name in npz.files}
    header = json.loads(str(arrays["trpo_lite_history"]))
    del header["versions"]
    np.savez(
        tmp_path / "old.npz", **{**arrays, "trpo_lite_history": json.dumps(header)}
    )
    old = History.load(tmp_path / "old.npz")
    assert old.versions == {} and old.settings == solved.settings
    wrong = json.dumps({**header, "versions": ["numpy"]})
    np.savez(tmp_path / "wrong.npz", **{**arrays, "trpo_lite_history": wrong})
    with pytest.raises(ValueError, match="is not a trpo_lite history, or it is broken"):
        History.load(tmp_path / "wrong.npz")


def foreign_files(folder, solved):
    solved.save(folder / "good.npz")
    good = (folder / "good.npz").read_bytes()
    (folder / "text.npz").write_text("not an archive")
    (folder / "empty.npz").write_bytes(b"")
    (folder / "cut.npz").write_bytes(good[: len(good) // 2])
    middle = len(good) // 3
    (folder / "bits.npz").write_bytes(
        good[:middle]
        + bytes(255 - b for b in good[middle : middle + 40])
        + good[middle + 40 :]
    )
    np.savez(folder / "other.npz", a=np.zeros(3))
    with open(folder / "pickled.npz", "wb") as handle:
        np.savez(handle, trpo_lite_history=np.array([{}], dtype=object))
    with open(folder / "plain.npz", "wb") as handle:
        np.save(handle, np.zeros(3))
    with zipfile.ZipFile(folder / "zip.npz", "w") as handle:
        handle.writestr("a.txt", "b")
    return ["text", "empty", "cut", "bits", "other", "pickled", "plain", "zip"]


def test_broken_and_foreign_files_say_so(tmp_path, solved):
    for name in foreign_files(tmp_path, solved):
        with pytest.raises(ValueError, match="is not a trpo_lite history"):
            History.load(tmp_path / f"{name}.npz")
    with pytest.raises(FileNotFoundError):
        History.load(tmp_path / "missing.npz")


def test_a_failed_save_leaves_the_old_file_and_nothing_else(tmp_path, solved):
    file = tmp_path / "run.npz"
    solved.save(file)
    before = file.read_bytes()
    with pytest.raises(TypeError):
        dataclasses.replace(solved, settings={"a": object()}).save(file)
    unsaveable = dataclasses.replace(solved.policy, features=lambda x: x)
    with pytest.raises(TypeError):
        dataclasses.replace(solved, policy=unsaveable).save(file)
    assert file.read_bytes() == before and os.listdir(tmp_path) == ["run.npz"]


def test_history_names_its_columns(solved):
    with pytest.raises(KeyError, match="no column 'reward'; there are steps, seconds"):
        solved["reward"]


# -------------------------------------------------------------------- evaluation


def test_evaluation_agrees_with_single_episodes(solved):
    # a policy that always pushes right: its episodes are short, their spread small
    right = LinearSoftmax.zeros(5, 2, linear_features(4)).with_theta(
        np.array([0, 0, 0, 0, 0, 0, 0, 0, 0, 1.0])
    )
    returns = evaluate_policy("CartPole-v1", right, 200)
    env, single = gymnasium.make("CartPole-v1"), []
    env.reset(seed=0)
    for _ in range(200):
        env.reset()
        steps, ended = 0, False
        while not ended:
            _, _, ended, _, _ = env.step(1)
            steps += 1
        single.append(steps)
    error = 5 * np.std(single) / np.sqrt(200)
    assert abs(returns.mean() - np.mean(single)) < error
    assert set(returns) <= set(range(8, 12))


def test_evaluation_counts_and_repeats():
    policy = LinearSoftmax.zeros(5, 2, linear_features(4))
    for episodes in (1, 7, 45):
        returns = evaluate_policy("CartPole-v1", policy, episodes, seed=1)
        assert returns.shape == (episodes,)
        again = evaluate_policy("CartPole-v1", policy, episodes, seed=1)
        np.testing.assert_array_equal(returns, again)


def test_evaluation_cuts_endless_episodes():
    Interrupting.count = 500  # so it never interrupts
    policy = LinearSoftmax.zeros(3, 2, linear_features(2))
    returns = evaluate_policy(Interrupting, policy, 2, max_episode_steps=30)
    np.testing.assert_array_equal(returns, [0, 0])


def test_evaluation_refuses_a_policy_that_does_not_fit(solved):
    with pytest.raises(TypeError, match="policy"):
        evaluate_policy("Pendulum-v1", solved.policy)
    with pytest.raises(TypeError, match="policy"):
        evaluate_policy("Acrobot-v1", solved.policy)
    with pytest.raises(ValueError, match="episodes must be an integer >= 1, got 0"):
        evaluate_policy("CartPole-v1", solved.policy, 0)


# ------------------------------------------------------------- settings and errors


def test_presets_hold_for_any_version_and_every_one_is_valid():
    assert preset("CartPole-v0") == preset("CartPole-v1") != preset("Nothing-v1")
    for name in [*PRESETS, "Nothing"]:
        for algorithm in ALGORITHMS:
            for discrete in (True, False):
                Settings(**preset(f"{name}-v9", algorithm, discrete))
    assert preset("Nothing-v0", "pg") != preset("Nothing-v0", "trpo")
    assert preset("CartPole-v1", "pg")["learning_rate"] == 3


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"gamma": 1.0}, ValueError, r"gamma must be in \[0, 1\), got 1.0"),
        ({"gamma": "0.9"}, TypeError, "gamma must be a number, got '0.9'"),
        ({"lam": -0.1}, ValueError, r"lam must be in \[0, 1\], got -0.1"),
        ({"delta": 0}, ValueError, "delta must be a finite number > 0, got 0"),
        ({"steps": 0}, ValueError, "steps must be an integer >= 1, got 0"),
        ({"steps": 1.5}, TypeError, "steps must be an integer, got 1.5"),
        ({"starts": 0}, ValueError, "starts must be an integer >= 1, got 0"),
        ({"batch": True}, TypeError, "batch must be an integer, got True"),
        ({"decay": 1.1}, ValueError, r"decay must be in \[0, 1\], got 1.1"),
        ({"backtrack": 1}, ValueError, r"backtrack must be in \(0, 1\), got 1"),
        ({"features": "deep"}, ValueError, "features must be one of linear, fourier"),
        ({"features": 3}, TypeError, "features must be a string, got 3"),
        ({"damping": -1}, ValueError, "damping must be a finite number >= 0, got -1"),
        ({"until": np.nan}, ValueError, "until must be a return, got nan"),
        (
            {"log_std": np.inf},
            ValueError,
            r"log_std must be in \[-40, 40\], .* inf",
        ),
        ({"log_std": -400}, ValueError, r"log_std must be in \[-40, 40\], .* -400"),
        ({"normalize_observations": 1}, TypeError, "must be True or False, got 1"),
        ({"seed": -1}, ValueError, "seed must be an integer >= 0, got -1"),
        ({"seed": 0.5}, TypeError, "seed must be an integer, got 0.5"),
        ({"gama": 0.9}, TypeError, "no setting 'gama'; there are steps, batch"),
        ({"algorithm": "a2c"}, ValueError, "algorithm must be one of trpo, npg, pg"),
        ({"env_id": "Cart-v1"}, ValueError, "env_id 'Cart-v1' cannot be made: "),
        ({"env_id": "CartPole-v99"}, ValueError, "'CartPole-v99' cannot be made: "),
        ({"env_id": "no_such:A-v0"}, ValueError, "cannot be made: ModuleNotFoundError"),
        ({"env_id": 3}, TypeError, "env_id must be a Gymnasium id or a function"),
        ({"env_id": lambda: 3}, TypeError, r"env_id\(\) must make a Gymnasium environ"),
        (
            {"algorithm": "ppo-clip", "batch": 7, "environments": 3, "minibatches": 7},
            ValueError,
            "minibatches must be at most the batch's 6 rows, got 7",
        ),
        ({"algorithm": "ppo-penalty", "steps": 5}, ValueError, "5 rows, got 8"),
        ({"env_id": "Blackjack-v1"}, TypeError, "'Blackjack-v1': no policy for observ"),
    ],
)
def test_bad_input_is_refused_before_any_step(monkeypatch, settings, error, message):
    def collect(*_):
        raise AssertionError("simulation has started")

    monkeypatch.setattr("trpo_lite.train.collect", collect)
    with pytest.raises(error, match=message):
        train(**{"env_id": "CartPole-v1", "progress": False, **settings})


def test_integers_may_be_written_as_1e6():
    assert Settings(steps=1e6).steps == 10**6
    assert Settings(delta=1).delta == 1.0


def test_vector_environments_of_gymnasium_are_used_where_there_are_some():
    env = make_environment("CartPole-v1", 3)
    assert type(env.unwrapped).__name__ == "CartPoleVectorEnv" and env.num_envs == 3
    env = make_environment("Pendulum-v1", 2)
    assert type(env).__name__ == "SyncVectorEnv"
    env.reset(seed=0)
    assert env.step(env.action_space.sample())[-1] == {}


def test_progress_goes_to_stderr_and_names_return_and_kl(capsys):
    train("CartPole-v1", **{**SMALL, "progress": True})
    shown = capsys.readouterr()
    assert shown.out == "" and "return" in shown.err and "KL" in shown.err


# ------------------------------------------------------------------ command line


def cli(folder, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "trpo_lite", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
        timeout=60,
    )


def test_command_line_trains_and_evaluates(tmp_path):
    done = cli(tmp_path, "train", "CartPole-v1", "--seed", "1", "--out", "run.history")
    assert done.returncode == 0, done.stderr
    assert os.listdir(tmp_path) == ["run.history"] and "steps/s" in done.stderr
    history = History.load(tmp_path / "run.history")
    assert history.settings["seed"] == 1
    done = cli(tmp_path, "evaluate", "run.history")
    assert re.fullmatch(
        r"return: \d+\.\d\d \+/- \d+\.\d\d over 100 episodes\n", done.stdout
    ), done
    assert float(done.stdout.split()[1]) >= 475
    assert done.stderr == "" and done.returncode == 0


def test_command_line_takes_every_setting(tmp_path):
    arguments, expected = [], {}
    for f in dataclasses.fields(Settings):
        expected[f.name] = f.default if f.type is not bool else not f.default
        name = "--" + f.name.replace("_", "-")
        if f.type is bool:
            arguments.append("--no-" + name[2:])
        else:
            arguments += [name, str(f.default)]
    expected.update(steps=300, batch=100)
    done = cli(
        tmp_path,
        *("train", "Pendulum-v1", *arguments, "--steps", "3e2", "--batch", "100"),
        *("--algorithm", "npg", "--quiet"),
    )
    assert done.returncode == 0 and done.stderr == "", done.stderr
    settings = History.load(tmp_path / "Pendulum-v1-npg-0.npz").settings
    assert expected.items() <= settings.items()


@pytest.fixture
def signals():
    """Not ignored, as SIGINT is by background jobs and SIGHUP under nohup."""
    normal = {"SIGINT": signal.default_int_handler, "SIGHUP": signal.SIG_DFL}
    before = {
        number: signal.signal(number, handler)
        for name, handler in normal.items()
        if (number := getattr(signal, name, None))
    }
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@contextlib.contextmanager
def endless(folder):
    """A training run that saves run.npz in `folder`, a process, killed at last."""
    command = [sys.executable, "-m", "trpo_lite", "train", "CartPole-v1"]
    options = ["--until", "inf", "--steps", "1e9", "--out", "run.npz"]
    with subprocess.Popen(
        command + options, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as running:
        try:
            yield running
        finally:
            running.kill()


@pytest.mark.skipif(os.name == "nt", reason="Windows sends Ctrl-C to the whole console")
def test_ctrl_c_saves_what_is_done(tmp_path, signals):
    with endless(tmp_path) as running:
        while b"return" not in running.stderr.read1():
            pass  # until the bar shows the first update
        running.send_signal(signal.SIGINT)
        shown, _ = running.communicate(timeout=60)
    assert running.returncode == 130 and shown.startswith(b"interrupted: return")
    history = History.load(tmp_path / "run.npz")
    assert history.stopped == "interrupted" and len(history) >= 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "Cart-v1"], "'Cart-v1' cannot be made"),
        (["train", "CartPole-v1", "--algorithm", "a2c"], "invalid choice: 'a2c'"),
        (["train", "CartPole-v1", "--gamma", "1"], "gamma must be in [0, 1)"),
        (["train", "CartPole-v1", "--steps", "many"], "--steps"),
        (["train", "CartPole-v1", "--speed", "3"], "unrecognized arguments"),
        (["train", "CartPole-v1", "--out", "no/such/x"], "not a file in an existing"),
        (["evaluate", "missing.npz"], "No such file"),
        (["evaluate", "broken.npz"], "is not a trpo_lite history"),
        ([], "COMMAND"),
    ],
)
def test_command_line_errors_are_one_line(tmp_path, arguments, message):
    (tmp_path / "broken.npz").write_text("hello")
    done = cli(tmp_path, *arguments)
    assert done.returncode == 2 and done.stdout == ""
    assert message in done.stderr and done.stderr.count("\n") == 1, done.stderr
