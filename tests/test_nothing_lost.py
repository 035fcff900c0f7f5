"""What a user has made is never lost: files, screens, Ctrl-C, other people's code."""

import contextlib
import dataclasses
import json
import os
import re
import signal
import stat
import subprocess
import sys
import zipfile

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Box

from tests.test_train import SMALL, Interrupting, cli, endless, signals  # noqa: F401
from trpo_lite import _bar, _terminal, commands, files
from trpo_lite._interrupts import Interrupts, interrupts
from trpo_lite.files import check_writable, load_arrays, save_arrays, write
from trpo_lite.history import History
from trpo_lite.policies import LinearGaussian
from trpo_lite.rollout import Samples, collect
from trpo_lite.train import evaluate_policy, train
from trpo_lite.trpo import Sample

POSIX = pytest.mark.skipif(os.name == "nt", reason="devices and signals of POSIX")
SHORT = ["--steps", "600", "--batch", "200", "--environments", "4"]
RUN = ["train", "CartPole-v1", *SHORT]


@pytest.fixture(scope="module")
def history():
    return train("CartPole-v1", **SMALL)


# ------------------------------------------------------------------------- writing


def test_a_link_stays_and_its_target_is_written(tmp_path):
    link, target = tmp_path / "link", tmp_path / "target"
    link.symlink_to(target)  # to nothing yet
    write(link, b"1")
    write(link, b"2")
    assert link.is_symlink() and target.read_bytes() == b"2"
    assert sorted(os.listdir(tmp_path)) == ["link", "target"]


@POSIX
def test_a_device_stays_a_device():
    write(os.devnull, b"1")
    assert stat.S_ISCHR(os.stat(os.devnull).st_mode)
    with pytest.raises(OSError, match="No space left"):
        write("/dev/full", b"1")


@pytest.mark.skipif(not os.path.exists("/dev/fd"), reason="names pipes as Linux does")
def test_a_pipe_is_written_to():
    end, start = os.pipe()  # as `--out /dev/stdout |` and `--out >(gzip)` make them
    check_writable(f"/dev/fd/{start}")
    write(f"/dev/fd/{start}", b"1")
    os.close(start)
    with open(end, "rb") as pipe:
        assert pipe.read() == b"1"


def test_who_may_read_a_file_stays(tmp_path):
    file = tmp_path / "private"
    write(file, b"1")
    file.chmod(0o600)
    write(file, b"2")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_read_only_files_are_refused_for_root_as_well(tmp_path):
    file = tmp_path / "read only"
    file.write_bytes(b"1")
    file.chmod(0o444)
    for refused in (check_writable, lambda f: write(f, b"2")):
        with pytest.raises(PermissionError, match="read only is read-only"):
            refused(file)
    assert file.read_bytes() == b"1" and os.listdir(tmp_path) == [file.name]


def test_what_can_be_written_is_found_by_trying(tmp_path, monkeypatch):
    check_writable(tmp_path / "new")
    assert os.listdir(tmp_path) == []
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for name, message in {
        ".": "not a file in an existing folder",
        "no/x": "not a file in an existing folder",
        "new/": "not a file in an existing folder",
        "a" * 300: "too long",
        "loop": "symbolic links",
    }.items():
        with pytest.raises(OSError, match=message):
            check_writable(f"{tmp_path}/{name}")

    def full(*_):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("builtins.open", full)
    with pytest.raises(OSError, match="cannot be written to: Read-only file system"):
        check_writable(tmp_path / "new")


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    file = tmp_path / "a"
    write(file, b"1")

    def fail(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space"):
        write(file, b"2")
    assert file.read_bytes() == b"1" and os.listdir(tmp_path) == ["a"]


def test_two_writers_never_meet(tmp_path, monkeypatch):
    names = {files._beside(tmp_path / "a.npz") for _ in range(100)}
    assert len(names) == 100
    file, replace = tmp_path / "a", os.replace

    def second(part, target):  # starts and ends while the first is about to end
        monkeypatch.setattr(os, "replace", replace)
        write(file, b"second")
        replace(part, target)

    monkeypatch.setattr(os, "replace", second)
    write(file, b"first")
    assert file.read_bytes() == b"first" and os.listdir(tmp_path) == ["a"]
    with pytest.raises(FileExistsError):
        write(file, b"third", overwrite=False)
    assert file.read_bytes() == b"first" and os.listdir(tmp_path) == ["a"]


@pytest.mark.parametrize("links", [True, False])  # not every disk has them
def test_a_new_file_takes_its_name_whole(tmp_path, monkeypatch, links):
    def link(part, target):
        assert os.path.getsize(part) == 5
        raise OSError(38, "Function not implemented")

    def replace(part, target):  # would leave an empty file if it were stopped here
        raise AssertionError("the name was taken before")

    if links:
        monkeypatch.setattr(os, "replace", replace)
    else:
        monkeypatch.setattr(os, "link", link)
    write(tmp_path / "a", b"first", overwrite=False)
    with pytest.raises(FileExistsError):
        write(tmp_path / "a", b"other", overwrite=False)
    assert os.listdir(tmp_path) == ["a"]
    assert (tmp_path / "a").read_bytes() == b"first"


def test_what_is_left_of_a_killed_writer_is_ignored_by_git(tmp_path):
    name = os.path.basename(files._beside(str(tmp_path / ("ü" * 100))))
    assert name.endswith(".part") and len(name.encode()) < 255
    with open(os.path.join(ROOT, ".gitignore")) as ignored:
        assert "*.part\n" in ignored


def test_objects_are_refused_before_they_become_pickles(tmp_path):
    with pytest.raises(TypeError, match="a is an array of objects"):
        save_arrays(tmp_path / "a", {"a": [None]})
    assert os.listdir(tmp_path) == []


# ----------------------------------------------------------- files from a stranger


def changed(file, arrays, **new):
    """A history's arrays with some exchanged (None: left out), as a new file."""
    arrays = {k: v for k, v in (arrays | new).items() if v is not None}
    with open(file, "wb") as handle:
        np.savez(handle, **arrays)
    return file


def header(arrays, **new):
    return np.array(json.dumps(json.loads(str(arrays["trpo_lite_history"])) | new))


def test_hostile_files_give_one_clear_error(tmp_path, history):
    history.save(tmp_path / "good")
    good = load_arrays(tmp_path / "good")
    head = "trpo_lite_history"
    theta = good["policy/theta"]
    for new in (
        {head: None},
        {head: np.array("not json")},
        {head: np.array("[" * 100_000)},
        {head: np.array("[]")},
        {head: np.array('{"settings": {}, "stopped": "steps"}')},
        {head: header(good, settings=3)},
        {head: header(good, settings={"env_id": ["x"]})},
        {head: np.arange(3)},
        {"policy/theta": None},
        {"policy/kind": None},
        {"policy/outputs": None},
        {"policy/theta": np.full(theta.shape, np.nan)},
        {"policy/theta": np.full(theta.shape, np.inf)},
        {"policy/theta": theta * 1j},
        {"policy/theta": theta.astype(str)},
        {"policy/theta": theta[:-1]},
        {"policy/theta": np.array(1.0)},
        {"policy/outputs": np.array(2.5)},
        {"policy/outputs": np.array([2, 2])},
        {"policy/outputs": np.array(-2)},
        {"policy/features_clip": np.ones(2)},
        {"policy/features_std": np.zeros(4)},
        {"policy/kind": np.array("__import__('os')")},
        {"column/kl": np.zeros(77)},
        {"column/kl": np.array(0.0)},
        {"elsewhere/x": np.zeros(1)},
        {"nowhere": np.zeros(1)},
    ):
        file = changed(tmp_path / "bad", good, **new)
        with pytest.raises(ValueError, match=r"bad is not a trpo_lite history, or it"):
            History.load(file)


def test_sizes_that_are_only_declared_are_not_believed(tmp_path, monkeypatch):
    file = tmp_path / "bomb.npz"
    for shape in ((10**15,), (10**6, 10**6, 10**6), (-1,)):
        text = repr({"descr": "<f8", "fortran_order": False, "shape": shape})
        text = text + " " * (117 - len(text)) + "\n"
        member = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("trpo_lite_history.npy", member)
        with pytest.raises(ValueError, match="is not a trpo_lite history"):
            History.load(file)
    monkeypatch.setattr(files, "LARGEST", 10_000)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", bytes(100_000))
    assert file.stat().st_size < 1000
    with pytest.raises(ValueError, match="it holds 100000 bytes or more, expected at"):
        History.load(file)
    file.write_bytes(bytes(20_000))
    with pytest.raises(ValueError, match="it holds 10001 bytes or more"):
        History.load(file)


def test_settings_of_another_version_are_no_obstacle(tmp_path, history, capsys):
    old = dataclasses.replace(history, settings={"env_id": "CartPole-v1", "new": [1]})
    old.save(tmp_path / "old")
    assert commands.main(["evaluate", f"{tmp_path}/old", "--episodes", "2"]) == 0
    assert "over 2 episodes" in capsys.readouterr().out


# ----------------------------------------------------------- what can't be written


class Broken:
    """A stream on which nothing can be written."""

    encoding, problem = "utf-8", OSError(9, "Bad file descriptor")

    def __init__(self, terminal):
        self.terminal = terminal

    def isatty(self):
        return self.terminal

    def write(self, _):
        raise self.problem

    flush = fileno = lambda self: self.write("")


@pytest.mark.parametrize("terminal", [True, False])
@pytest.mark.parametrize("problem", [BrokenPipeError(), ValueError("closed"), None])
def test_a_bar_that_cannot_be_written_ends_alone(monkeypatch, terminal, problem):
    broken = Broken(terminal)
    broken.problem = problem or UnicodeEncodeError("ascii", "ü", 0, 1, "not in range")
    monkeypatch.setattr(sys, "stderr", broken)
    shown = train("CartPole-v1", **{**SMALL, "progress": True})
    monkeypatch.setattr(sys, "stderr", None)  # pythonw, or 2>&-
    none = train("CartPole-v1", **{**SMALL, "progress": True})
    hidden = train("CartPole-v1", **SMALL)
    for run in (shown, none):
        np.testing.assert_array_equal(run.policy.theta, hidden.policy.theta)


def test_a_log_gets_lines_and_a_terminal_a_bar(monkeypatch, capsys):
    train("CartPole-v1", **{**SMALL, "progress": True})
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2  # after the first update and at the end
    for line in lines:
        assert re.match(r"CartPole-v1: \d+ of 600 steps, return .*, KL 0.0", line)
        assert line.isascii() and line.isprintable() and line.endswith(" steps/s")
    monkeypatch.setattr(_bar, "_is_terminal", lambda stream: True)
    train("CartPole-v1", **{**SMALL, "progress": True})
    assert "\r" in capsys.readouterr().err


def test_lines_come_at_intervals(monkeypatch, capsys):
    now = iter(range(100))
    monkeypatch.setattr(_bar.time, "perf_counter", lambda: next(now))
    shown = _bar.Progress(100, "x", seconds=10)  # a second a look at the clock
    for _ in range(40):
        shown.update(1, "words")
    shown.close()
    lines = capsys.readouterr().err.splitlines()
    done = [int(line.split()[1]) for line in lines]
    assert done[0] == 1 and done[-1] == 40
    shown = _bar.Progress(100, "x", first=5, seconds=1000)
    for _ in range(9):
        shown.update(1, "words")
    assert capsys.readouterr().err.count("\n") == 1
    shown = _bar.Progress(100, "x", first=5)
    shown.update(1, "over before it was worth a word")
    shown.close()
    assert capsys.readouterr().err == ""
    assert set(np.diff(done[:-1])) == {9} or set(np.diff(done[:-1])) == {10}


def shell(folder, command):
    """`command` with {py} for this package's command line; (status, out, err)."""
    done = subprocess.run(
        ["bash", "-c", command.format(py=f"'{sys.executable}' -m trpo_lite")],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
    )
    return done.returncode, done.stdout, done.stderr


@POSIX
@pytest.mark.parametrize(
    "where",
    [
        "2>&-",
        ">&- 2>&-",
        "<&- >&- 2>&-",
        "2>/dev/full",
        ">/dev/full 2>&1",
        "2>&1 | true; exit ${{PIPESTATUS[0]}}",
    ],
)
def test_a_run_is_saved_wherever_its_words_go(tmp_path, where):
    status, *_ = shell(tmp_path, "{py} " + " ".join(RUN) + " --out run.npz " + where)
    assert status == 0 and os.listdir(tmp_path) == ["run.npz"]
    assert len(History.load(tmp_path / "run.npz")) == 3


@POSIX
def test_a_result_that_cannot_be_printed_is_no_success(tmp_path, history):
    history.save(tmp_path / "run.npz")
    play = "{py} evaluate run.npz --episodes 2 "
    for where in (">/dev/full", "| true; exit ${{PIPESTATUS[0]}}"):
        status, _, err = shell(tmp_path, play + where)
        assert status == 1 and "Traceback" not in err and "ignored" not in err
    assert shell(tmp_path, "{py} train --help | true; exit ${{PIPESTATUS[0]}}")[0] == 0


@POSIX
def test_terminals_that_know_ascii_only(tmp_path):
    for setting in ("PYTHONIOENCODING=ascii", "LC_ALL=C PYTHONCOERCECLOCALE=0"):
        command = f"{setting} {{py}} {' '.join(RUN)} --out ü.npz --overwrite"
        status, out, err = shell(tmp_path, command)
        assert status == 0 and "saved " in out and "steps/s" in err
        assert os.listdir(tmp_path) == ["ü.npz"]


@POSIX
def test_what_cannot_be_saved_here_is_saved_elsewhere(tmp_path):
    command = f"TMPDIR=. {{py}} {' '.join(RUN)} --quiet --out /dev/full"
    status, out, err = shell(tmp_path, command)
    assert status == 1 and "cannot save /dev/full: [Errno 28] No space left" in err
    (name,) = os.listdir(tmp_path)
    assert f"{name}\n" in out and len(History.load(tmp_path / name)) == 3


# ------------------------------------------------------------------- one file, once


def test_a_file_is_replaced_only_when_asked(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    run = [*RUN, "--out", "run.npz", "--quiet"]
    assert commands.main(run) == 0
    before = (tmp_path / "run.npz").read_bytes()
    with pytest.raises(
        ValueError,
        match=r"run.npz is there already \(trpo on CartPole-v1, seed 0, return [\d.]+ "
        r"after \d+ steps in \d+\.\d s\): give --overwrite to replace it, or another",
    ):
        commands.main([*run, "--seed", "1"])
    assert (tmp_path / "run.npz").read_bytes() == before
    assert commands.main([*run, "--seed", "1", "--overwrite"]) == 0
    assert History.load("run.npz").settings["seed"] == 1
    (tmp_path / "notes").write_text("mine")
    with pytest.raises(ValueError, match="no history of trpo_lite"):
        commands.main([*RUN, "--out", "notes"])


def test_of_two_runs_to_one_name_both_are_kept(tmp_path, monkeypatch, capsys, history):
    monkeypatch.chdir(tmp_path)

    def other(*arguments, **settings):  # which ends first
        history.save("run.npz")
        return train(*arguments, **settings)

    monkeypatch.setattr(commands, "train", other)
    assert commands.main([*RUN, "--seed", "7", "--out", "run.npz", "--quiet"]) == 1
    first, second = sorted(os.listdir(), key=len)
    assert first == "run.npz" and History.load(first).settings["seed"] == 0
    assert History.load(second).settings["seed"] == 7
    assert f"{second}\n" in capsys.readouterr().out


def test_an_environment_that_goes_elsewhere(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "away").mkdir()

    def leave(*_, **__):
        os.chdir("away")
        return train("CartPole-v1", **SMALL)

    monkeypatch.setattr(commands, "train", leave)
    assert commands.main(["train", "X-v0", "--out", "run.npz"]) == 0
    assert sorted(os.listdir(tmp_path)) == ["away", "run.npz"]
    assert "; saved run.npz\n" in capsys.readouterr().out


def test_no_update_no_file(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Interrupting.count = 499
    monkeypatch.setattr(
        commands, "train", lambda *_, **__: train(Interrupting, **SMALL)
    )
    (tmp_path / "good.npz").write_text("good")
    run = ["train", "X-v0", "--out", "good.npz", "--overwrite"]
    assert commands.main(run) == 130
    assert "interrupted: no update was made, nothing saved" in capsys.readouterr().err
    assert (tmp_path / "good.npz").read_text() == "good"


# -------------------------------------------------------------------------- Ctrl-C


@POSIX
@pytest.mark.parametrize("delay", [0, 0.001, 0.005, 0.02])
def test_a_second_ctrl_c_does_not_hit_the_saving(tmp_path, signals, delay):  # noqa: F811
    code = (
        "import os, threading, time\n"
        "for i in range(8):\n"
        f"    os.kill({{pid}}, {int(signal.SIGINT)}); time.sleep({delay})\n"
    )
    with endless(tmp_path) as running:
        assert b"return" in running.stderr.readline()
        subprocess.run([sys.executable, "-c", code.format(pid=running.pid)], check=True)
        out, err = running.communicate(timeout=60)
    assert running.returncode == 130 and out.startswith(b"interrupted: return"), err
    assert b"Traceback" not in err and os.listdir(tmp_path) == ["run.npz"]
    assert History.load(tmp_path / "run.npz").stopped == "interrupted"


@POSIX
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_other_ways_to_be_stopped_save_as_well(tmp_path, signals, name):  # noqa: F811
    number = getattr(signal, name)
    with endless(tmp_path) as running:
        running.stderr.readline()
        running.send_signal(number)
        running.communicate(timeout=60)
    assert running.returncode == 128 + number
    assert len(History.load(tmp_path / "run.npz")) >= 1


def test_ctrl_c_counts_once_a_second_and_only_while_raising(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("trpo_lite._interrupts.time.monotonic", lambda: now[0])
    pressed = Interrupts(raising=True)
    with pytest.raises(KeyboardInterrupt):
        pressed(2, None)
    now[0] = 0.02
    pressed(2, None)
    now[0] = 1.1  # somebody's code has swallowed the first
    with pytest.raises(KeyboardInterrupt):
        pressed(2, None)
    pressed.raising, now[0] = False, 5.0
    pressed(2, None)


@POSIX
def test_handlers_come_back_and_those_of_others_stay(signals):  # noqa: F811
    def mine(*_):
        pass

    with interrupts() as pressed:
        assert signal.getsignal(signal.SIGINT) is pressed
        with interrupts() as inner:
            assert inner is pressed  # a command line's are in force within `train`
        assert not pressed.raising
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    often = signal.signal(signal.SIGINT, Interrupts(raising=True, after=True))
    train("CartPole-v1", **SMALL)
    assert signal.signal(signal.SIGINT, often).raising
    signal.signal(signal.SIGINT, mine)
    train("CartPole-v1", **SMALL)
    assert signal.getsignal(signal.SIGINT) is mine


@POSIX
def test_nothing_interrupts_the_end_of_train(signals):  # noqa: F811
    class Slow(Interrupting):
        used = False

        def step(self, action):
            self.used = True
            return super().step(action)

        def close(self):
            if self.used:
                os.kill(os.getpid(), signal.SIGINT)

    Interrupting.count = 0
    assert train(Slow, **SMALL).stopped == "interrupted"
    Interrupting.count = 500
    assert train(Slow, **SMALL).stopped == "steps"


# ------------------------------------------------------------ other people's code


class World(gymnasium.Env):
    """Observations by chance, episodes of 20 steps; reward 0 until `bad` comes."""

    observation_space = Box(-1, 1, (2,), np.float64)
    action_space = Box(-1, 1, (1,))
    steps, bad_at, bad = 0, np.inf, None

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.t = 0
        return self.np_random.uniform(-1, 1, 2), {}

    def step(self, action):
        World.steps += 1
        self.t += 1
        reward = self.bad() if World.steps > self.bad_at else 0.0
        return self.np_random.uniform(-1, 1, 2), reward, False, self.t >= 20, {}


def breaking(bad):
    """A `World` whose reward is bad() after 500 steps."""
    World.steps = 0
    return type("Breaking", (World,), {"bad_at": 500, "bad": staticmethod(bad)})


def broken():
    raise RuntimeError("the motor\nbroke")


BAD = {
    "raises": (broken, RuntimeError, "the motor"),
    "ends": (lambda: sys.exit(0), SystemExit, "0"),
    "nan": (lambda: np.nan, ValueError, "gave a reward that is nan"),
    "infinite": (lambda: -np.inf, ValueError, "gave a reward that is -inf"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_broken_world_leaves_what_was_learnt(name):
    bad, error, message = BAD[name]
    with pytest.raises(error, match=message) as caught:
        train(breaking(bad), **SMALL)
    kept = caught.value.history
    assert kept.stopped == "error" and len(kept) == 2
    same = train(breaking(lambda: 0.0), **{**SMALL, "steps": 400})
    np.testing.assert_array_equal(kept.policy.theta, same.policy.theta)


def test_a_broken_world_is_saved_and_told(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        commands, "train", lambda *_, **__: train(breaking(broken), **SMALL)
    )
    assert commands.main(["train", "X-v0", "--out", "run.npz"]) == 1
    out, err = capsys.readouterr()
    assert "RuntimeError: the motor broke (" in err and err.count("\n") == 1
    assert "test_nothing_lost.py, line " in err
    assert out.startswith("error: return 0.0 after ") and "saved run.npz" in out
    assert History.load("run.npz").stopped == "error"


def test_a_callback_that_raises_leaves_its_row_too():
    def callback(row, policy):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine") as caught:
        train("CartPole-v1", callback=callback, **SMALL)
    assert len(caught.value.history) == 1


def test_a_callback_may_do_with_its_row_what_it_likes():
    def callback(row, policy):
        kept = len(seen)
        seen.append(row)
        row.clear() if kept else row.update(mine=1)

    seen = []
    history = train("CartPole-v1", callback=callback, **SMALL)
    plain = train("CartPole-v1", **SMALL)
    assert history.stopped == "steps" and history.columns.keys() == plain.columns.keys()
    np.testing.assert_array_equal(history["steps"], plain["steps"])


def test_an_environment_that_cannot_be_closed_takes_nothing_along():
    class Open(World):
        def close(self):
            raise RuntimeError("stuck")

    history = train(Open, **SMALL)
    assert history.stopped == "steps"
    assert len(evaluate_policy(Open, history.policy, 3)) == 3


def test_one_environment_sixteen_times_is_refused():
    env = World()
    for wrapped in (lambda: env, lambda: gymnasium.wrappers.TimeLimit(env, 5)):
        with pytest.raises(ValueError, match=r"16 environments are only 1, .* lambda:"):
            train(wrapped, **{**SMALL, "environments": 16})
    gymnasium.register("OneForAll-v0", entry_point=lambda: env)
    try:
        with pytest.raises(ValueError, match="16 environments are only 1"):
            train("OneForAll-v0", **{**SMALL, "environments": 16})
    finally:
        del gymnasium.registry["OneForAll-v0"]
    shared = gymnasium.vector.SyncVectorEnv([lambda: env] * 3)
    with pytest.raises(ValueError, match="3 environments are only 1"):
        collect(shared, None, 6, np.random.default_rng(0))


@pytest.mark.parametrize("algorithm", ["trpo", "ppo-clip"])
@pytest.mark.parametrize(
    ("batch", "environments"), [(16, 16), (1, 1), (4, 4), (5, 4), (3, 16)]
)
def test_a_batch_is_never_empty(algorithm, batch, environments):
    settings = dict(batch=batch, environments=environments, minibatches=batch)
    if batch // min(batch, environments) * environments < batch:
        settings["minibatches"] = 1
    history = train(World, algorithm, steps=60 * batch, progress=False, **settings)
    assert history.stopped == "steps" and history["steps"][-1] <= 60 * batch
    assert (np.diff(history["steps"]) > 0).all() and history["episodes"].sum() > 0


class Buffers(World):
    """Hands out one array again and again, and writes into what it is given."""

    def __init__(self):
        self.seen = np.zeros(2)

    def reset(self, **options):
        self.seen[:] = super().reset(**options)[0]
        return self.seen, {}

    def step(self, action):
        seen, *rest = super().step(action)
        self.seen[:] = seen
        action[...] = 77
        return self.seen, *rest


@dataclasses.dataclass(frozen=True)
class Reuses:
    """A policy that hands out one array again and again."""

    actions: np.ndarray

    def sample(self, observations, rng):
        self.actions[:] = rng.uniform(-0.5, 0.5, self.actions.shape)
        return self.actions


def test_arrays_that_others_use_again_are_copied():
    def run(world, policy):
        env = gymnasium.vector.SyncVectorEnv([world] * 3)
        return collect(env, policy, 90, np.random.default_rng(0))[0]

    ours, theirs = (run(w, Reuses(np.zeros((3, 1)))) for w in (World, Buffers))
    assert len(np.unique(ours.actions)) == len(ours)
    for name in ("observations", "actions", "next_observations", "rewards"):
        np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name))


# ------------------------------------------------------------- own environments


ROOT = os.path.dirname(os.path.dirname(__file__))
MODULE = f"""
import sys
import gymnasium
sys.path.insert(0, {ROOT!r})
from tests.test_nothing_lost import World

gymnasium.register("Mine-v0", entry_point=World)
gymnasium.register("ns/Mine-v0", entry_point=World)
"""


def test_own_environments_train_from_the_command_line(tmp_path):
    (tmp_path / "my_worlds.py").write_text(MODULE)
    for name in ("my_worlds:Mine-v0", "my_worlds:ns/Mine-v0"):
        done = cli(tmp_path, "train", name, *SHORT, "--quiet")
        assert done.returncode == 0 and done.stderr == "", done.stderr
        file = name.replace(":", "-").replace("/", "-") + "-trpo-0.npz"
        assert f"saved {file}\n" in done.stdout
        assert History.load(tmp_path / file).settings["env_id"] == name
        done = cli(tmp_path, "evaluate", file, "--episodes", "3")
        assert done.stdout == "return: 0.00 +/- 0.00 over 3 episodes\n", done.stderr


def test_modules_that_cannot_be_imported_say_why(tmp_path):
    (tmp_path / "zero.py").write_text("1 / 0")
    (tmp_path / "syntax.py").write_text("def f(:")
    (tmp_path / "nothing.py").write_text("")
    (tmp_path / "script.py").write_text("raise SystemExit(0)")
    for name, reason in {
        "zero:A-v0": "ZeroDivisionError: division by zero",
        "syntax:A-v0": "SyntaxError: invalid syntax",
        "nothing:A-v0": "doesn't exist",
        "script:A-v0": "SystemExit: 0",
    }.items():
        done = cli(tmp_path, "train", name)
        assert done.returncode == 2 and done.stderr.count("\n") == 1, done.stderr
        assert f"{name!r} cannot be made" in done.stderr and reason in done.stderr


class Reach(World):
    """-(u - .6 s)^2 for the action u in [-1, 1], seen from the Box [low, high]."""

    low, high = -1.0, 1.0

    def __init__(self):
        self.action_space = Box(self.low, self.high, (1,), np.float64)

    def reset(self, **options):
        self.seen, _ = super().reset(**options)
        return self.seen, {}

    def step(self, action):
        u = (action[0] - self.low) / (self.high - self.low) * 2 - 1
        reward = -float((u - 0.6 * self.seen[0]) ** 2)
        self.seen, _, *rest = super().step(action)
        return self.seen, reward, *rest


@pytest.mark.parametrize(
    ("low", "high"), [(100, 200), (0, 1), (-300, 0), (-0.01, 0.01)]
)
def test_every_box_is_learnt_like_the_one_around_zero(low, high):
    plan = dict(steps=12_000, batch=1000, delta=0.05, progress=False)
    far = train(type("Far", (Reach,), {"low": low, "high": high}), **plan)
    near = train(Reach, **plan)
    assert near["return_mean"][-1] > 0.5 * near["return_mean"][0]
    np.testing.assert_allclose(far["return_mean"], near["return_mean"], rtol=1e-4)


# ---------------------------------------------------------- the other command lines


@pytest.mark.parametrize(
    ("module", "arguments", "message"),
    [
        ("trpo_lite.course.handout", ["no.ipynb"], "no such notebook"),
        ("trpo_lite.course.handout", ["bad.ipynb"], "bad.ipynb: it is no notebook"),
        ("trpo_lite.course.handout", ["good.ipynb", "-o", "file"], "File exists"),
        ("trpo_lite.course.handout", [], "the following arguments are required"),
        ("trpo_lite.course.publish.deck", ["file", "04"], "File exists"),
        ("trpo_lite.course", ["publish", "file"], "File exists"),
        ("trpo_lite.course", ["bank", "-o", "file"], "File exists"),
        ("trpo_lite.course", ["colab", "a/b", "-o", "file"], "File exists"),
        ("trpo_lite.course", ["grade", "file", "--out", "no/x"], "existing folder"),
        ("trpo_lite.course", ["capstone", "no/x.py"], "existing folder"),
        ("trpo_lite.course", ["progress", "file"], "no copy of the course"),
        ("tests.execute", ["no_such_page"], "no page in"),
        ("tests.execute", ["--no-such"], "unrecognized arguments"),
        ("tests.histories", ["no_such"], "no measurement no_such"),
        ("tests.benchmarks", ["no_such"], "no row no_such"),
    ],
)
def test_every_command_line_tells_its_errors_in_one_line(
    tmp_path, module, arguments, message
):
    (tmp_path / "bad.ipynb").write_text("{")
    (tmp_path / "file").write_text("")
    page = '{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}'
    (tmp_path / "good.ipynb").write_text(page)
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": ROOT, "PYTHONIOENCODING": "ascii"},
    )
    assert done.returncode == 2 and done.stdout == "", done.stderr
    assert message in done.stderr and done.stderr.count("\n") == 1, done.stderr


def test_exceptions_in_one_line():
    for raised, line in {
        ValueError("a\n  b"): "a b",
        FileNotFoundError(2, "No such file", "x"): "[Errno 2] No such file: 'x'",
        KeyError("x"): "KeyError: 'x' (",
        ValueError(): "ValueError: (",
    }.items():
        with contextlib.suppress(Exception):
            raise raised
        assert _terminal.one_line(raised).startswith(line)


def test_control_characters_of_strangers_are_shown_not_obeyed(capsys):
    assert _terminal.say("a\x1b[2Jb\u0007\nü")
    assert capsys.readouterr().out == "a\\x1b[2Jb\\x07\nü\n"


# ----------------------------------------------------------------- infinite deviations


def test_a_step_to_a_deviation_that_is_no_number_is_refused():
    rng = np.random.default_rng(0)
    policy = LinearGaussian.zeros(2, 1)
    seen = rng.standard_normal((50, 2))
    batch = Samples(seen, policy.sample(seen, rng))
    sample = Sample.of(policy, batch, rng.standard_normal(50))
    for log_std in (-800.0, -400.0, 400.0, 800.0):
        theta = np.array([0.0, 0.0, log_std])
        new, said = sample.move(theta, "epochs", sample.gradient())
        assert new is policy and said.refused and said.stop == "not finite"
    new, said = sample.move(np.array([0, 0, 1.0]), "epochs", sample.gradient())
    assert new.std == np.e and not said.refused
