"""Films of robots as stick figures, with matplotlib alone once they are recorded.

`record` plays in a MuJoCo task and keeps where the ends of each limb are, a
few kilobytes for some seconds; `of_poses` does so with a robot's log. Drawing needs
neither MuJoCo nor OpenGL.
"""

from dataclasses import dataclass

import numpy as np

from trpo_lite import _check, style
from trpo_lite.spaces import to_environment

INTERVAL = 0.05  # seconds between two frames, as near as the task's steps allow
# the picture's two axes in space, and how much of the trunk's path the camera follows
SIDE = np.array([[1.0, 0, 0], [0, 0, 1]])
ABOVE = np.array([[1.0, 0, 0], [0, 1, 0]])
OBLIQUE = np.array([[1.0, 0.2, 0], [0, 0.45, 0.9]])
VIEWS = {
    "HalfCheetah": (SIDE, (1, 0)),
    "Hopper": (SIDE, (1, 0)),
    "Walker2d": (SIDE, (1, 0)),
    "Swimmer": (ABOVE, (1, 1)),
    "Ant": (OBLIQUE, (1, 1)),
    "Reacher": (ABOVE, (0, 0)),
    "InvertedPendulum": (SIDE, (0, 0)),
    "InvertedDoublePendulum": (SIDE, (0, 0)),
}
COLORS = (style.INK, style.BLUE, style.RED, style.VIOLET, style.PURPLE)
FIXED = {-1: style.GREY, -2: style.RED}


@dataclass(frozen=True)
class Film:
    """T frames of G limbs, each a stick or, if its ends are one point, a ball.

    Lengths are in metres, along the two axes of the picture.
    """

    ends: np.ndarray  #: [T, G, 2, 2] two points of each limb, seen from the camera
    radii: np.ndarray  #: [G]
    parts: np.ndarray  #: [G] 0: the trunk, 1, 2, ...: the legs, -1: fixed, -2: a target
    camera: np.ndarray  #: [T, 2] where the camera is; 0 for what stays in its place
    rewards: np.ndarray  #: [T] collected until then
    interval: float  #: seconds between two frames
    fell: bool  #: did the episode end by itself with the last frame?

    def __len__(self):
        return len(self.ends)

    def arrays(self):
        """The film as named arrays, lengths in whole millimetres; see `from_arrays`.

        ValueError where it goes further than 32 metres, which 16 bits cannot say.
        """
        stored = {"interval": np.array(self.interval), "fell": np.array(self.fell)}
        stored["parts"] = np.int8(self.parts)
        stored["rewards"] = np.float32(self.rewards)
        for name in ("ends", "radii", "camera"):
            millimetres = np.round(1000 * getattr(self, name))
            if np.abs(millimetres).max() > 32767:
                raise ValueError(f"{name} reach beyond 32 m, which a film cannot hold")
            stored[name] = np.int16(millimetres)
        return stored

    @classmethod
    def from_arrays(cls, arrays):
        """The film that `arrays` gave."""
        return cls(
            **{name: arrays[name] / 1000 for name in ("ends", "radii", "camera")},
            parts=arrays["parts"],
            rewards=arrays["rewards"],
            interval=float(arrays["interval"]),
            fell=bool(arrays["fell"]),
        )


def record(env_id, act, seconds=4.0, seed=0):
    """A Film of the first `seconds` of an episode, less if it falls before.

    Parameters
    ----------
    env_id : one of Gymnasium's MuJoCo tasks in `VIEWS`
    act : function, observations [1, D] -> actions [1, m], such as a policy's `mode`
    seed : of the episode's first state

    KeyError if the task is unknown; ImportError without MuJoCo.
    """
    import gymnasium

    from trpo_lite.simulator import silence

    view, follows = VIEWS[env_id.split("-")[0]]
    seconds = _check.positive("seconds", seconds)
    with silence():
        env = gymnasium.make(env_id, disable_env_checker=True).unwrapped
    limbs, accepted = _limbs(env.model), to_environment(env)
    stride = max(1, round(INTERVAL / env.dt))
    ends, cameras, rewards, total, fell = [], [], [], 0.0, False
    observation, _ = env.reset(seed=seed)
    limit = gymnasium.spec(env_id).max_episode_steps
    steps = min(round(seconds / env.dt), limit)
    for step in range(steps + 1):
        if step % stride == 0 or fell:
            cameras.append(view @ env.data.xpos[1] * follows)
            ends.append(_ends(env.data, limbs, view) - cameras[-1])
            rewards.append(total)
        if fell:
            break
        action = accepted(act(observation[None]))[0]
        observation, reward, fell, *_ = env.step(action)
        total += reward
    env.close()
    return _film(env.model, limbs, ends, cameras, rewards, stride * env.dt, bool(fell))


def of_poses(env_id, poses, rewards, interval):
    """A Film of T poses that a robot took, such as a log's.

    Parameters
    ----------
    env_id : as in `record`
    poses : [T, n] positions of the joints, MuJoCo's `qpos`
    rewards : [T] collected until then
    interval : seconds from one pose to the next

    KeyError if the task is unknown; ValueError if a pose does not fit its robot.
    """
    import gymnasium
    import mujoco

    from trpo_lite.simulator import silence

    view, follows = VIEWS[env_id.split("-")[0]]
    with silence():
        env = gymnasium.make(env_id, disable_env_checker=True).unwrapped
    poses = _check.finite("poses", poses, (None, env.model.nq))
    rewards = _check.finite("rewards", rewards, (len(poses),))
    limbs, ends, cameras = _limbs(env.model), [], []
    for pose in poses:
        env.data.qpos[:] = pose
        mujoco.mj_kinematics(env.model, env.data)
        cameras.append(view @ env.data.xpos[1] * follows)
        ends.append(_ends(env.data, limbs, view) - cameras[-1])
    env.close()
    interval = _check.positive("interval", interval)
    return _film(env.model, limbs, ends, cameras, rewards, interval, False)


def _film(model, limbs, ends, cameras, rewards, interval, fell):
    return Film(
        ends=np.array(ends),
        radii=np.array([model.geom_size[limb][0] for limb, *_ in limbs]),
        parts=np.array([part for *_, part in limbs]),
        camera=np.array(cameras),
        rewards=np.array(rewards),
        interval=interval,
        fell=fell,
    )


def _limbs(model):
    """(geom, half of its length, part) of all but floors and Reacher's walls."""
    from mujoco import mjtGeom

    limbs = []
    for geom in range(model.ngeom):
        kind, body = model.geom_type[geom], model.geom_bodyid[geom]
        if kind != mjtGeom.mjGEOM_PLANE and model.geom(geom).name[:4] != "side":
            half = model.geom_size[geom][1] * (kind == mjtGeom.mjGEOM_CAPSULE)
            limbs.append((geom, half, _part(model, body)))
    return limbs


def _part(model, body):
    """The branch of the trunk that `body` belongs to, as in `Film.parts`."""
    trunk = model.body_rootid[1]
    if model.body_rootid[body] != trunk:
        return -2 if body else -1
    branches = [b for b in range(model.nbody) if model.body_parentid[b] == trunk]
    while body not in (trunk, *branches):
        body = model.body_parentid[body]
    return 0 if body == trunk else 1 + branches.index(body)


def _ends(data, limbs, view):
    """[G, 2, 2] in the picture's axes, of the state in `data`."""
    ends = []
    for geom, half, _ in limbs:
        middle, axis = data.geom_xpos[geom], data.geom_xmat[geom].reshape(3, 3)[:, 2]
        ends.append([view @ (middle + side * half * axis) for side in (-1, 1)])
    return np.array(ends)


# ------------------------------------------------------------------------- drawing


def window(films, margin=0.1):
    """(left, right, low, high) that hold all that moves in `films`, in metres."""
    low, high = [], []
    for film in films:
        moves = film.parts != -1
        size = film.radii[moves, None, None]
        low.append((film.ends[:, moves] - size).min((0, 1, 2)))
        high.append((film.ends[:, moves] + size).max((0, 1, 2)))
    (left, bottom), (right, top) = np.min(low, 0) - margin, np.max(high, 0) + margin
    return left, right, bottom, top


def draw(axes, film, frame, shift=0.0, points=4.0):
    """Draw one frame, the last one if there is no such; `shift` metres to the right.

    points : width of the sticks
    """
    ends = film.ends[min(frame, len(film) - 1)] + (shift, 0)
    for two, radius, part in zip(ends, film.radii, film.parts, strict=True):
        color = FIXED.get(part) or COLORS[part % len(COLORS)]
        if np.allclose(*two):
            axes.add_patch(_ball(two[0], max(radius, 0.015), color))
        else:
            width = points / 3 if part == -1 else points
            axes.plot(*two.T, "-", color=color, linewidth=width, solid_capstyle="round")


def _ball(middle, radius, color):
    from matplotlib.patches import Circle

    return Circle(middle, radius, facecolor=color, edgecolor="none", zorder=2)


def draw_alone(axes, film, frame, box):
    """One frame with the ground's marks, alone in the axes, whose limits are `box`."""
    left, right, low, high = box
    draw(axes, film, frame, points=6)
    for mark in marks(film, frame, left, right):
        axes.plot([mark] * 2, [low, low + 0.04 * (high - low)], color=style.GREY)
    axes.set(aspect="equal", xlim=(left, right), ylim=(low, high))
    axes.set(xlabel="metres from the trunk", ylabel="metres")
    axes.grid(False)


def draw_row(axes, film, box, count=6):
    """`count` frames beside each other, with their seconds; limits from `box`."""
    left, right, low, high = box
    frames = np.linspace(0, len(film) - 1, count).round().astype(int)
    for k, frame in enumerate(frames):
        shift = k * (right - left)
        draw(axes, film, frame, shift, 2.6)
        for mark in marks(film, frame, left, right):
            axes.plot([mark + shift] * 2, [low, low + 0.06 * (high - low)], "-",
                      color=style.GREY, linewidth=1.2)  # fmt: skip
        seconds = frame * film.interval
        axes.text(left + shift, high, f" {seconds:.1f} s", va="top", fontsize=9.5)
    axes.set(xlim=(left, left + count * (right - left)), ylim=(low, high))
    axes.set(aspect="equal", xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    axes.spines["bottom"].set_visible(True)
    axes.grid(False)


def marks(film, frame, left, right, every=1.0):
    """Places in [left, right] of the picture at whole metres of the ground, [n]."""
    x = film.camera[min(frame, len(film) - 1), 0]
    first = np.ceil((x + left) / every)
    last = np.floor((x + right) / every)
    return np.arange(first, last + 1) * every - x
