"""Page 16's training environments: each knows what its name says, and no more."""

import json
import subprocess
import sys

import numpy as np
import pytest

from tests import histories
from trpo_lite.course import recipe
from trpo_lite.course.data import load
from trpo_lite.environments import make_environment
from trpo_lite.experiment import GRIDS
from trpo_lite.legged.actuator import ActuatorModel
from trpo_lite.legged.identify import NAMES
from trpo_lite.legged.physics import Body, LeggedRobots, Motor, fixed
from trpo_lite.policies import LinearGaussian
from trpo_lite.train import train

ID = "trpo_lite.course.recipe:{}/HalfCheetah-v5"


def drawn(draw, n=300, seed=0):
    """Log factors [n, 4] of the bodies, and the motors."""
    rng = np.random.default_rng(seed)
    pairs = [draw(0, rng) for _ in range(n)]
    logs = [[np.log(getattr(body, name)) for name in NAMES] for body, _ in pairs]
    return np.array(logs), [motor for _, motor in pairs]


def sd_within(values, sd):
    np.testing.assert_allclose(values.std(0), sd, rtol=0.2, atol=1e-12)


def test_guesses_are_around_gymnasiums_robot():
    for kind, spread in (("nominal", 0.0), ("nominal-10", 0.1), ("wide", 0.3)):
        logs, motors = drawn(recipe.GUESSES[kind])
        assert np.abs(logs.mean(0)).max() < 0.06
        sd_within(logs, spread)
        assert all(isinstance(motor, Motor) for motor in motors)
        timed = [motor.lag > 0 or motor.delay > 0 for motor in motors]
        assert any(timed) == (kind == "wide")
        gains = np.log([np.broadcast_to(motor.gain, 6) for motor in motors])
        sd_within(gains, 0.1 if spread else 0.0)


def test_models_are_around_what_was_measured():
    number = recipe.ROBOTS[2]
    body, by_commands, motor = recipe.models(number)
    for kind, centre, spread, learnt in (
        ("body", body.log_factors, 0.0, False),
        ("body-10", body.log_factors, 0.1, False),
        ("commands", by_commands.log_factors, 0.0, False),
        ("motor", np.zeros(4), 0.0, True),
        ("motor-10", np.zeros(4), 0.1, True),
        ("both", body.log_factors, 0.0, True),
        ("both-printed", body.log_factors, np.sqrt(np.diag(body.covariance)), True),
        ("both-10", body.log_factors, 0.1, True),
        ("both-30", body.log_factors, 0.3, True),
    ):
        logs, motors = drawn(recipe.MODELS[kind](body, by_commands, motor))
        np.testing.assert_allclose(logs.mean(0), centre, atol=0.06)
        sd_within(logs, spread)
        assert {type(m) for m in motors} == {ActuatorModel if learnt else Motor}
        if learnt:
            at = np.unravel_index(np.abs(motor.weights).argmax(), motor.weights.shape)
            ratios = np.log([m.weights[at] / motor.weights[at] for m in motors])
            sd_within(ratios, 0.1 * kind.endswith("10") + 0.3 * kind.endswith("30"))


def test_what_is_stored_was_measured_of_the_sealed_robots():
    stored = load("legged_models")
    assert stored["robot"].tolist() == [*recipe.ROBOTS]
    small = histories.legged_models(numbers=recipe.ROBOTS[:1], steps=20)
    assert small.keys() == stored.keys()
    assert small["weights"].shape[1:] == stored["weights"].shape[1:]
    for value in stored.values():
        assert np.isfinite(value).all() and len(value) == len(recipe.ROBOTS)
    assert (stored["upright"] > 0.9).all()  # the motion is safe
    # commands taken for torques: thick joints, every time
    assert (
        stored["commands/log_factors"][:, 2] > stored["torques/log_factors"][:, 2] + 1
    ).all()


def test_the_grids_have_every_task_once_with_the_same_settings():
    """tests/test_experiment.py makes each of them."""
    tasks, settings = [], []
    for name in ("legged", "legged_break"):
        (block,) = json.loads((GRIDS / f"{name}.json").read_text())
        tasks += block["tasks"]
        settings.append(block["settings"])
        assert block["algorithms"] == ["trpo"]
        assert len(block["seeds"]) == (5 if name == "legged" else 3)
    assert sorted(tasks) == sorted(recipe.TASKS)
    assert settings[0] == settings[1]
    kinds = {kind for kind, number in recipe.TASKS.values() if number}
    assert kinds == {*recipe.MODELS, "robot"}


def off(seen):
    return np.zeros((len(seen), 6))


def test_standing_still_earns_nothing_and_a_fall_is_seen():
    robots = recipe.guessed(2, "nominal")
    rewards, on_back = recipe.deployed(off, robots)
    assert rewards.shape == (1000, 2)
    assert np.abs(rewards.sum(0)).max() < 10 and not on_back.any()
    robots.envs[1].init_qpos = robots.envs[1].init_qpos + np.array(
        [0, 1, np.pi] + [0] * 6
    )
    _, on_back = recipe.deployed(off, robots)
    assert on_back[0] == 0 and on_back[1] > 0.9


def test_one_each_gives_each_robot_its_own_policy():
    rng = np.random.default_rng(0)
    seen = rng.normal(size=(3, 17))
    zero = LinearGaussian.zeros(17, 6)
    policies = [zero.with_theta(rng.normal(size=len(zero.theta))) for _ in range(3)]
    actions = recipe.one_each(policies)(seen)
    for i, policy in enumerate(policies):
        np.testing.assert_allclose(actions[i], policy.mode(seen)[i])
    with pytest.raises(ValueError):
        recipe.one_each(policies)(seen[:2])


def test_poses_follow_the_robot():
    """Where it is comes from its speed; the true place is known of a plain robot."""

    def push(seen):
        return 0.6 * np.sin(np.arange(6) + 3 * seen[:, 2:3])

    plain = LeggedRobots(1, fixed(Body(), Motor()), measure=True)
    found, rewards = recipe.poses(push, plain, 60)
    assert found.shape == (61, 9) and rewards.shape == (61,)
    env = plain.envs[0]
    np.testing.assert_allclose(found[-1, 1:], env.data.qpos[1:], atol=1e-12)
    end, start = env.data.qpos[0], plain.reset(seed=0)[0]
    np.testing.assert_allclose(found[0, 1:], start[0, :8])
    way = end - env.data.qpos[0]
    assert abs(way) > 0.05
    assert found[-1, 0] == pytest.approx(way, abs=1e-9)


@pytest.mark.parametrize("kind", ("wide", "both-10-robot3", "robot3"))
def test_train_takes_them_and_repeats_itself(kind):
    small = dict(steps=240, batch=120, environments=2, features="linear", seed=1)
    one, again = (train(ID.format(kind), progress=False, **small) for _ in range(2))
    assert len(one) == 2 and one.settings["env_id"] == ID.format(kind)
    np.testing.assert_array_equal(one.policy.theta, again.policy.theta)
    other = train(ID.format(kind), progress=False, **{**small, "seed": 2})
    assert not np.array_equal(one.policy.theta, other.policy.theta)


def test_environments_differ_as_their_names_do():
    after = {}
    for kind in ("nominal", "body-robot1", "body-robot2", "both-robot1", "robot1"):
        env = make_environment(ID.format(kind), 1)
        env.reset(seed=0)
        for _ in range(3):
            seen, *_ = env.step(np.full((1, 6), 0.7))
        after[kind] = seen[0, 8:]
        env.close()
    apart = {k: np.abs(v - after["robot1"]).mean() for k, v in after.items()}
    assert apart["both-robot1"] < 0.4 * min(apart["nominal"], apart["body-robot1"])
    assert not np.allclose(after["body-robot1"], after["body-robot2"])


def test_training_never_meets_the_numbers():
    """Training in a model runs where no process and no sealed module can be had."""
    code = (
        "import mujoco, subprocess, sys\n"
        "class Refuse:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name.endswith('_sealed'): raise SystemExit(3)\n"
        "sys.meta_path.insert(0, Refuse())\n"
        "subprocess.Popen = None\n"
        "from trpo_lite.train import train\n"
        f"train({ID.format('both-10-robot3')!r}, progress=False, steps=80, batch=40,"
        " environments=2, features='linear')"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_no_models_of_other_robots():
    with pytest.raises(KeyError, match="no models of robot 90"):
        recipe.models(90)
    moves = recipe.safe_motion(50, np.random.default_rng(0))
    assert moves.shape == (50, 6) and np.abs(moves).max() <= 1
    assert moves.std() == pytest.approx(0.5, rel=0.15)
