"""Films of robots: what is recorded is the simulator's state, what is drawn is that."""

import gymnasium
import numpy as np
import pytest
from matplotlib.figure import Figure

from trpo_lite import film
from trpo_lite.policies import LinearGaussian

pytestmark = pytest.mark.filterwarnings("ignore:.*is out of date")


def policy_of(env_id, seed=0, size=0.5):
    """A policy with random weights, and the task's unwrapped environment."""
    env = gymnasium.make(env_id, disable_env_checker=True).unwrapped
    seen, acts = env.observation_space.shape[0], env.action_space.shape[0]
    policy = LinearGaussian.zeros(seen, acts, log_std=-1.0)
    weights = size * np.random.default_rng(seed).standard_normal(policy.theta.size)
    weights[-acts:] = -1.0
    return policy.with_theta(weights), env


def test_a_film_is_what_gymnasium_plays():
    policy, env = policy_of("HalfCheetah-v5")
    shown = film.record("HalfCheetah-v5", policy.mode, seconds=1.0, seed=3)
    assert len(shown) == 21 and shown.interval == pytest.approx(0.05)
    observation, total = env.reset(seed=3)[0], 0.0
    torso = env.model.geom("torso").id
    for frame in range(21):
        x, _, z = env.data.body("torso").xpos
        assert shown.camera[frame] == pytest.approx([x, 0])
        middle = shown.ends[frame, torso - 1].mean(0) + shown.camera[frame]
        assert middle == pytest.approx(env.data.geom_xpos[torso][[0, 2]])
        assert shown.rewards[frame] == pytest.approx(total)
        assert abs(middle[1] - z) < 0.2
        action = np.float32(np.clip(policy.mode(observation[None])[0], -1, 1))
        observation, reward, *_ = env.step(action)
        total += reward


@pytest.mark.parametrize("env_id", ["HalfCheetah-v5", "Walker2d-v5", "Swimmer-v5"])
def test_limbs_of_a_robot_in_a_plane_keep_their_lengths(env_id):
    policy, env = policy_of(env_id)
    shown = film.record(env_id, policy.mode, seconds=0.5)
    lengths = np.linalg.norm(shown.ends[:, :, 0] - shown.ends[:, :, 1], axis=-1)
    capsules = env.model.geom_size[1:, 1]  # geom 0 is the floor
    np.testing.assert_allclose(lengths, np.tile(2 * capsules, (len(shown), 1)), 1e-9)


@pytest.mark.parametrize(
    "env_id, parts",
    [
        ("HalfCheetah-v5", [0, 0, 1, 1, 1, 2, 2, 2]),
        ("Walker2d-v5", [0, 1, 1, 1, 2, 2, 2]),
        ("Ant-v5", [0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4]),
        ("Reacher-v5", [-1, 0, 1, 1, -2]),
        ("InvertedPendulum-v5", [-1, 0, 1]),
    ],
)
def test_each_leg_is_a_part_of_its_own(env_id, parts):
    assert film.record(env_id, policy_of(env_id)[0].mode, 0.1).parts.tolist() == parts


def test_a_film_of_poses_is_that_of_the_robot_that_took_them():
    policy, env = policy_of("HalfCheetah-v5")
    shown = film.record("HalfCheetah-v5", policy.mode, seconds=0.5, seed=3)
    observation, total, poses, rewards = env.reset(seed=3)[0], 0.0, [], []
    for _ in range(11):
        poses.append(env.data.qpos.copy())
        rewards.append(total)
        action = np.float32(np.clip(policy.mode(observation[None])[0], -1, 1))
        observation, reward, *_ = env.step(action)
        total += reward
    same = film.of_poses("HalfCheetah-v5", poses, rewards, 0.05)
    for name in ("radii", "parts"):
        np.testing.assert_array_equal(getattr(same, name), getattr(shown, name))
    np.testing.assert_allclose(same.rewards, shown.rewards)
    # `record` shows the limbs a slice of 10 ms before the end of each step
    np.testing.assert_allclose(same.ends, shown.ends, atol=0.1)
    np.testing.assert_allclose(same.ends[0], shown.ends[0], atol=1e-12)
    assert same.camera[-1] != pytest.approx(same.camera[0], abs=1e-3)
    with pytest.raises(ValueError, match="poses"):
        film.of_poses("HalfCheetah-v5", np.zeros((3, 8)), np.zeros(3), 0.05)
    with pytest.raises(ValueError, match="rewards"):
        film.of_poses("HalfCheetah-v5", np.zeros((3, 9)), np.zeros(4), 0.05)


def test_a_film_ends_with_the_fall_or_the_limit_of_the_task():
    shown = film.record("Hopper-v5", policy_of("Hopper-v5", size=2.0)[0].mode, 8.0)
    assert shown.fell and len(shown) < 8 / shown.interval
    still = policy_of("Reacher-v5", size=0.0)[0]
    shown = film.record("Reacher-v5", still.mode, 8.0)
    assert not shown.fell and len(shown) == 26  # 50 steps of .02 s, every second one


def test_who_acts_decides_what_is_seen():
    policy = policy_of("Swimmer-v5")[0]

    def by_samples(seed):
        rng = np.random.default_rng(seed)
        return film.record("Swimmer-v5", lambda seen: policy.sample(seen, rng), 0.4)

    same = [by_samples(seed).ends for seed in (0, 0, 1)]
    assert np.array_equal(same[0], same[1]) and not np.array_equal(same[0], same[2])
    mode = film.record("Swimmer-v5", policy.mode, 0.4).ends
    assert not np.array_equal(same[0], mode)


def test_a_film_is_stored_to_the_millimetre():
    shown = film.record("Ant-v5", policy_of("Ant-v5")[0].mode, 0.5)
    again = film.Film.from_arrays(shown.arrays())
    for name in ("ends", "radii", "camera"):
        off = np.abs(getattr(again, name) - getattr(shown, name))
        assert off.max() <= 0.0005 + 1e-9
    np.testing.assert_allclose(again.rewards, shown.rewards, rtol=1e-6)
    assert np.array_equal(again.parts, shown.parts)
    assert (again.interval, again.fell) == (shown.interval, shown.fell)
    assert sum(x.nbytes for x in shown.arrays().values()) < 120 * len(shown)


def tiny(x=0.0):
    """A film of two frames: a stick that goes by a metre, a ball, and a long rail."""
    ends = np.array([[[0, 0], [0, 1.0]], [[0.5, 0], [0.5, 0]], [[-9, 0], [9, 0]]])
    camera = np.array([[x, 0.0], [x + 1.0, 0.0]])
    return film.Film(
        ends=np.stack([ends, ends + np.array([0, 0.5])]),
        radii=np.array([0.1, 0.2, 0.02]),
        parts=np.array([0, -2, -1]),
        camera=camera,
        rewards=np.array([0.0, 1.0]),
        interval=0.5,
        fell=False,
    )


def test_too_far_is_said():
    with pytest.raises(ValueError, match="camera reach beyond 32 m"):
        tiny(x=40.0).arrays()


def test_bad_requests_are_named():
    policy = policy_of("Swimmer-v5")[0]
    with pytest.raises(KeyError, match="CartPole"):
        film.record("CartPole-v1", policy.mode)
    with pytest.raises(ValueError, match="seconds"):
        film.record("Swimmer-v5", policy.mode, seconds=0.0)


def test_the_window_holds_what_moves():
    left, right, low, high = film.window([tiny()], margin=0.0)
    assert (left, right) == pytest.approx((-0.1, 0.7))
    assert (low, high) == pytest.approx((-0.2, 1.6))
    wide = film.window([tiny()], margin=0.5)
    assert wide == pytest.approx((left - 0.5, right + 0.5, low - 0.5, high + 0.5))


def test_a_frame_is_drawn_where_it_is():
    axes = Figure().subplots()
    film.draw(axes, tiny(), 1, shift=2.0, points=5)
    stick, rail = axes.lines
    np.testing.assert_allclose(stick.get_xydata(), [[2, 0.5], [2, 1.5]])
    assert stick.get_linewidth() > rail.get_linewidth()
    (ball,) = axes.patches
    assert ball.center == pytest.approx((2.5, 0.5)) and ball.radius == 0.2
    assert len({stick.get_color(), rail.get_color(), ball.get_facecolor()}) == 3
    later = Figure().subplots()
    film.draw(later, tiny(), 99, shift=2.0)  # the last frame stays
    np.testing.assert_allclose(later.lines[0].get_xydata(), stick.get_xydata())


def test_marks_stand_on_the_ground_while_the_camera_goes():
    shown = tiny(x=0.25)
    first, second = (film.marks(shown, k, -1.0, 2.0) for k in (0, 1))
    assert first.tolist() == [-0.25, 0.75, 1.75]
    np.testing.assert_allclose(first + 0.25, [0, 1, 2])
    np.testing.assert_allclose(second + 1.25, [1, 2, 3])
