"""The sealed robot: one can act on it and measure it, and no more."""

import ast
import gc
import importlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import trpo_lite
from trpo_lite.legged.physics import MAX_STEPS, Body, LeggedRobots, Motor, record
from trpo_lite.legged.robot import SealedRobots
from trpo_lite.rollout import collect

PACKAGE = Path(trpo_lite.__file__).parent
NOISE = {"positions": 0.003, "velocities": 0.05, "torques": 0.01}


@pytest.fixture
def robots():
    made = SealedRobots([90, 91], measure=True)
    yield made
    made.close()


def parts(truth):
    body = {k: truth[k] for k in ("torso", "legs", "damping", "friction")}
    motor = {k: truth[k] for k in ("lag", "delay", "limit", "dry")}
    return Body(**body), Motor(**motor)


def some_commands(steps=40):
    return np.random.default_rng(0).uniform(-1, 1, (steps, 6))


# ---------------------------------------------------------------------- the seal


def test_the_numbers_cannot_be_imported():
    with pytest.raises(ImportError, match="the robots' numbers are sealed"):
        importlib.import_module("trpo_lite.legged._sealed")


def test_only_the_robot_names_the_sealed_module():
    naming = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if "_sealed" in path.read_text(encoding="utf-8")
    }
    assert naming == {"legged/_sealed.py", "legged/robot.py"}


def test_nothing_that_trains_breaks_the_seal():
    """`reveal` is called by pages and tests alone."""
    for path in PACKAGE.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        tree = ast.parse(text if "reveal" in text else "")
        called = [
            node.func.attr
            for node in ast.walk(tree)
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
        ]
        assert "reveal" not in called, path


def numbers_within(thing):
    """All numbers reachable from `thing`, modules and classes left out."""
    seen, todo, found = set(), [thing], set()
    skipped = type(sys), type, type(numbers_within)
    while todo:
        one = todo.pop()
        if id(one) in seen or isinstance(one, skipped):
            continue
        seen.add(id(one))
        if isinstance(one, float):
            found.add(one)
        elif isinstance(one, np.ndarray) and one.dtype.kind == "f":
            found |= set(one.ravel().tolist())
        todo += gc.get_referents(one)
    return found


def test_no_number_is_reachable_from_the_robot(robots):
    record(robots, some_commands())
    before = numbers_within(robots)
    assert -1.0 in before  # the bounds of the action space: the search goes deep
    for truth in robots.reveal():
        secret = np.concatenate([np.ravel(v) for k, v in truth.items() if k != "delay"])
        assert len(secret) == 22 and not before & set(secret.tolist())


def test_a_broken_seal_ends_the_robot(robots):
    robots.reset(seed=0)
    robots.reveal()
    for act in (robots.reset, lambda: robots.step(np.zeros((2, 6))), robots.reveal):
        with pytest.raises(RuntimeError, match="the seal is broken"):
            act()


# --------------------------------------------------------------------- the robot


def test_it_is_the_physics_of_its_numbers_seen_by_its_sensors(robots):
    commands, measured = some_commands(), {}
    logs = record(robots, commands, seed=7)
    truths = robots.reveal()

    def true_logs(change):
        drawn = [parts({**t, "torso": change * t["torso"]}) for t in truths]
        same = LeggedRobots(2, lambda i, rng: drawn[i], measure=True)
        return record(same, commands, seed=7)

    for change in (1.0, 1.1):
        errors = {name: [] for name in NOISE}
        for seen, true in zip(logs, true_logs(change)):
            for name in NOISE:
                errors[name].append(getattr(seen, name) - getattr(true, name))
        measured[change] = {name: np.std(errors[name]) for name in NOISE}
    assert measured[1.0] == pytest.approx(NOISE, rel=0.05)
    assert measured[1.1]["velocities"] > 10 * NOISE["velocities"]


def test_one_may_load_a_robot_and_make_its_commands_late():
    plain, worked_on = SealedRobots([90]), SealedRobots([90], load=1.2, wait=3)
    for robot in (plain, worked_on):
        robot.reset(seed=0)
    (before,), (after,) = plain.reveal(), worked_on.reveal()
    plain.close(), worked_on.close()
    assert after.pop("torso") == 1.2 * before.pop("torso")
    assert after.pop("delay") == 3 + before.pop("delay")
    for name, value in before.items():
        np.testing.assert_array_equal(after[name], value)


def test_a_number_is_a_robot_and_a_seed_an_episode():
    robots = SealedRobots([92, 93, 92], measure=True)
    one, same, later = [
        [log.velocities for log in record(robots, some_commands(5), seed=seed)]
        for seed in (1, 1, 3)
    ]
    robots.close()
    np.testing.assert_array_equal(one, same)
    # the third is the first again, in the episode of seed 3: but for the sensors' noise
    assert np.abs(later[0] - one[2]).max() < 0.5
    assert np.abs(later[1] - one[2]).max() > 1.0  # another robot
    assert np.abs(one[0] - one[2]).max() > 0.5  # another episode


def test_robots_differ_within_what_is_said(robots):
    robots.reset(seed=0)
    one, two = robots.reveal()
    for name in ("torso", "friction", "limit", "dry"):
        assert one[name] != two[name]
    for truth in (one, two):
        for name in ("torso", "legs", "damping", "friction"):
            assert (np.abs(np.log(truth[name])) < np.log(2.2)).all()
        assert truth["legs"].shape == truth["damping"].shape == truth["lag"].shape
        assert len(set(truth["legs"] / truth["damping"])) == 6
        assert 3 <= truth["delay"] <= 6


def test_batches_of_it_go_over_the_end_of_an_episode():
    robots = SealedRobots([90, 91])

    class Push:
        def sample(self, observations, rng):
            return np.ones((len(observations), 6))

    rng = np.random.default_rng(0)
    batch, _ = collect(robots, Push(), 2 * (MAX_STEPS + 4), rng)
    assert len(batch) == 2 * (MAX_STEPS + 3) and batch.truncated.sum() == 2
    assert (batch.episode_lengths == MAX_STEPS).all()
    # pushing at the end, at rest in the middle of its joints at the start
    thigh = np.abs(batch.to_grid(batch.observations[:, 2]))
    assert thigh[MAX_STEPS - 1].min() > 0.3 > 0.15 > thigh[MAX_STEPS + 1].max()
    robots.close()


# ------------------------------------------------------------------- the process


def test_a_process_that_has_ended_is_told_and_closing_ends_it():
    robots = SealedRobots([90])
    process = robots._process
    process.kill()
    process.wait()
    with pytest.raises(RuntimeError, match="the robots' process has ended"):
        robots.reset(seed=0)
    robots.close()
    robots = SealedRobots([90])
    robots.close()
    assert robots._process.returncode == 0


def test_a_request_that_was_interrupted_spoils_no_other(monkeypatch):
    def pressed(_):
        raise KeyboardInterrupt

    robots = SealedRobots([90])
    robots.reset(seed=0)
    with monkeypatch.context() as patch:
        patch.setattr("pickle.load", pressed)
        with pytest.raises(KeyboardInterrupt):
            robots.step(np.zeros((1, 6)))
    with pytest.raises(RuntimeError, match="the robots' process has ended"):
        robots.reset(seed=0)  # the step's reply would come
    robots.close()


def test_it_ends_with_its_user():
    code = (
        "from trpo_lite.legged.robot import SealedRobots; import os\n"
        "robots = SealedRobots([90]); print(robots._process.pid, flush=True)\n"
        "os._exit(1)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    process = Path("/proc") / done.stdout.strip()
    if Path("/proc").is_dir():
        for _ in range(100):
            if not process.exists() or "Z" in (process / "stat").read_text().split():
                break
            subprocess.run([sys.executable, "-c", "import time; time.sleep(.1)"])
        else:
            pytest.fail("the robots' process goes on")


def test_wrong_numbers_are_refused():
    with pytest.raises(ValueError, match="numbers must be an integer >= 0, got -1"):
        SealedRobots([-1])
    with pytest.raises(ValueError, match="numbers: none given"):
        SealedRobots([])
    with pytest.raises(ValueError, match="load must be a finite number > 0, got 0"):
        SealedRobots([90], load=0)
    with pytest.raises(ValueError, match="wait must be at most 10, got 11"):
        SealedRobots([90], wait=11)
