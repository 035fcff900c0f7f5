"""Changed robots: nothing changed is Gymnasium's; each change by its own law."""

import gymnasium
import mujoco
import numpy as np
import pytest
from gymnasium.vector import SyncVectorEnv

from trpo_lite.legged.physics import (
    MAX_STEPS,
    SLICE,
    SLICES,
    Body,
    LeggedRobots,
    Motor,
    fixed,
    record,
)


def plain(n=2, **options):
    return LeggedRobots(n, fixed(Body(), Motor()), **options)


def some_commands(steps=20, size=1.0, seed=0):
    return np.random.default_rng(seed).uniform(-size, size, (steps, 6))


@pytest.mark.filterwarnings("ignore:.*is out of date")
@pytest.mark.parametrize("measure", (False, True))
def test_nothing_changed_is_gymnasiums_to_the_last_bit(measure):
    n, rng = 2, np.random.default_rng(1)
    theirs = SyncVectorEnv([lambda: gymnasium.make("HalfCheetah-v5")] * n)
    mine = plain(n, measure=measure)
    assert mine.single_action_space == theirs.single_action_space
    np.testing.assert_array_equal(mine.reset(seed=3)[0], theirs.reset(seed=3)[0])
    for t in range(MAX_STEPS + 60):  # over the end of an episode
        actions = rng.uniform(-1, 1, (n, 6)).astype(np.float32)
        *found, info = mine.step(actions)
        *expected, _ = theirs.step(actions)
        for one, other in zip(found, expected):
            np.testing.assert_array_equal(one, other, f"step {t}")
        if measure:
            last = info["positions"][:, -1], info["velocities"][:, -1]
            fresh = t == MAX_STEPS  # then the observation is of the new episode
            assert fresh != np.array_equal(np.concatenate(last, 1), found[0])
    assert (info == {}) != measure


# -------------------------------------------------------------------------- bodies


def contact_forces(env):
    """[C, 2] normal and tangential force of each contact, in newtons."""
    force, found = np.zeros(6), []
    for c in range(env.data.ncon):
        mujoco.mj_contactForce(env.model, env.data, c, force)
        found.append((force[0], np.hypot(*force[1:3])))
    return np.array(found)


@pytest.mark.parametrize("body", (Body(), Body(torso=1.5), Body(legs=0.5)))
def test_the_ground_carries_the_weight(body):
    plain_torso, plain_legs, g = 6.25020921, 14 - 6.25020921, 9.81
    robots = LeggedRobots(1, fixed(body, Motor()))
    robots.reset(seed=0)
    for _ in range(300):  # until it lies still
        robots.step(np.zeros((1, 6)))
    carried = contact_forces(robots.envs[0])[:, 0].sum()
    weight = g * (plain_torso * body.torso + plain_legs * body.legs)
    assert carried == pytest.approx(weight, rel=1e-3)


def test_a_limb_of_another_mass_is_that_limb_and_keeps_its_shape():
    legs = (1.0, 1.0, 2.0, 1.0, 1.0, 1.0)
    changed, same = LeggedRobots(1, fixed(Body(legs=legs), Motor())), plain(1)
    changed.reset(seed=0), same.reset(seed=0)
    one, other = changed.envs[0].model, same.envs[0].model
    foot = other.body("bfoot").id
    ratio = one.body_mass / np.where(other.body_mass, other.body_mass, 1)
    assert np.flatnonzero(ratio > 1.5).tolist() == [foot] and ratio[foot] == 2
    # radii of gyration stay
    gyration = [m.body_inertia[1:] / m.body_mass[1:, None] for m in (one, other)]
    np.testing.assert_allclose(*gyration, rtol=1e-12)
    assert one.body_subtreemass[1] == pytest.approx(14 + other.body_mass[foot])


def test_damping_and_friction_are_felt_as_much():
    for factor in (1.0, 2.5):
        body = Body(damping=factor, friction=factor)
        robots = LeggedRobots(1, fixed(body, Motor()))
        robots.reset(seed=0)
        env = robots.envs[0]
        env.data.qvel[3:] = 1.0
        mujoco.mj_forward(env.model, env.data)
        expected = -factor * np.array([6, 4.5, 3, 4.5, 3, 1.5])
        np.testing.assert_allclose(env.data.qfrc_damper[3:], expected)
        ratios = []
        for _ in range(100):  # dragged along, its feet slide
            env.data.qvel[0] = 5.0
            robots.step(np.zeros((1, 6)))
            forces = contact_forces(env)
            ratios += [t / n for n, t in forces if n > 1.0]
        assert max(ratios) == pytest.approx(0.4 * factor, rel=1e-3)


def test_each_episode_has_a_body_of_its_own_and_a_seed_repeats_them():
    def draw(i, rng):
        torsos.append(float(np.exp(rng.normal())))
        return Body(torso=torsos[-1]), Motor()

    torsos, robots = [], LeggedRobots(2, draw)
    robots.reset(seed=4)
    total = [env.model.body_mass.sum() for env in robots.envs]
    np.testing.assert_allclose(np.subtract(total, 14) / 6.25020921 + 1, torsos)
    for _ in range(MAX_STEPS + 1):
        robots.step(np.zeros((2, 6)))
    assert len(set(torsos)) == 4
    robots.reset(seed=4)
    assert torsos[4:] == torsos[:2]


# -------------------------------------------------------------------------- motors


def response(motor, commands, velocities=0.0):
    """[5 T] torque of joint 0 to a sequence of commands, joints at these speeds."""
    bank, past, found = motor.bank(1), np.zeros((5, 1, 6)), []
    bank.put(0, motor)
    for command in commands:
        past = np.concatenate([np.full((1, 1, 6), command), past[:-1]])
        for k in range(SLICES):
            speed = np.full((1, 6), velocities)
            found.append(bank.torques(k, past, np.zeros((1, 6)), speed)[0, 0])
    return np.array(found)


@pytest.mark.parametrize("delay", (0, 1, 4, 5, 7, 20))
def test_a_step_response_is_the_exponential_after_the_delay(delay):
    lag, size = 0.04, 0.6
    found = response(Motor(lag=lag, delay=delay), [size] * 8)
    time = SLICE * (np.arange(1, 41) - delay)
    expected = np.where(time > 0, size * (1 - np.exp(-time / lag)), 0)
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_saturation_and_dry_friction():
    assert response(Motor(limit=0.7), [0.6, 0.9, -1.0])[::5].tolist() == [
        0.6,
        0.7,
        -0.7,
    ]
    for speed in (3.0, -3.0):
        lost = response(Motor(dry=0.05), [0.5], speed)[0] - 0.5
        assert lost == pytest.approx(-0.05 * np.sign(speed), rel=1e-9)
    assert response(Motor(dry=0.05), [1.0], -3.0)[0] == 1.0
    more = response(Motor(limit=0.7).scaled(0.5).scaled(3), [0.4, 0.9])
    np.testing.assert_allclose(more[::SLICES], [0.6, 1.0])


def test_each_joint_may_lag_by_itself_and_starts_afresh():
    lags = (0.0, 0.01, 0.02, 0.04, 0.08, 0.16)
    bank = Motor.bank(2)
    for _ in range(2):
        bank.put(0, Motor(lag=lags)), bank.put(1, Motor())
        commands = np.ones((5, 2, 6))
        found = bank.torques(0, commands, np.zeros((2, 6)), np.zeros((2, 6)))
        expected = [1 - np.exp(-0.01 / lag) if lag else 1.0 for lag in lags]
        np.testing.assert_allclose(found, [expected, [1.0] * 6], rtol=1e-12)


def test_a_fresh_episode_forgets_the_last_ones_commands():
    robots = LeggedRobots(1, fixed(Body(), Motor(delay=20)), measure=True)
    robots.reset(seed=0)
    for _ in range(MAX_STEPS):
        robots.step(np.ones((1, 6)))
    robots.step(np.ones((1, 6)))  # resets only
    torques = [robots.step(np.zeros((1, 6)))[-1]["torques"] for _ in range(6)]
    assert not np.any(torques)


# ------------------------------------------------------------------------- logging


def test_a_log_is_what_the_robot_did():
    commands = some_commands(7)
    robots = LeggedRobots(2, fixed(Body(), Motor(delay=5)), measure=True)
    one, two = record(robots, commands, seed=2)
    assert len(one) == 7 and not np.array_equal(one.positions, two.positions)
    held = np.repeat(commands, SLICES, axis=0)
    np.testing.assert_array_equal(one.torques[5:], held[:-5])
    assert not one.torques[:5].any()
    # the same torques once more, by MuJoCo alone
    env = gymnasium.make("HalfCheetah-v5").unwrapped
    env.reset(seed=2)
    rows = [np.concatenate([env.data.qpos[1:], env.data.qvel])]
    for torque in one.torques:
        env.data.ctrl[:] = torque
        mujoco.mj_step(env.model, env.data)
        rows.append(np.concatenate([env.data.qpos[1:], env.data.qvel]))
    np.testing.assert_array_equal(np.hstack([one.positions, one.velocities]), rows)


def test_past_commands_are_the_newest_first():
    commands = some_commands(6)
    (log,) = record(plain(1, measure=True), commands)
    past = log.past_commands()
    assert past.shape == (6, 5, 6)
    np.testing.assert_array_equal(past[5], commands[5:0:-1])
    np.testing.assert_array_equal(past[1, :2], commands[1::-1])
    assert not past[1, 2:].any()


# ----------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: Body(torso=0), "torso must be a factor > 0, got 0"),
        (lambda: Body(torso=[1, 1]), "torso must be a factor > 0, got"),
        (lambda: Body(legs=[1, 1]), "legs must be a factor > 0 or six, got"),
        (lambda: Body(friction=np.nan), "friction must be finite"),
        (lambda: Motor(lag=-0.1), "lag must be seconds >= 0, one or six, got -0.1"),
        (lambda: Motor(delay=21), "delay must be at most 20, got 21"),
        (lambda: Motor(limit=1.2), r"limit must be in \(0, 1\], got 1.2"),
        (lambda: Motor(gain=0), "gain must be a factor > 0 or six, got 0"),
        (lambda: Motor(dry=-1), "dry must be a finite number >= 0"),
        (lambda: record(None, np.zeros((3, 5))), r"commands has shape \(3, 5\)"),
        (lambda: record(None, np.full((3, 6), 2.0)), "got 3 rows up to 2"),
        (lambda: record(None, np.zeros((1000, 6))), "got 1000 rows up to 0"),
    ],
)
def test_what_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
