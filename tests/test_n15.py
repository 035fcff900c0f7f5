"""What page 15 claims and its cells do not assert."""

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from itertools import combinations
from math import comb
from pathlib import Path

import gymnasium
import numpy as np
import pytest
from scipy import stats

import trpo_lite.train as training
from tests import drawn_settings, histories, tried_policies
from tests.robot_runs import box_of, by_average
from trpo_lite import film, style
from trpo_lite.advantage import normalize
from trpo_lite.course import n15 as lesson
from trpo_lite.course import robots
from trpo_lite.course.data import FOLDER, load
from trpo_lite.course.runs import Runs
from trpo_lite.environments import make_environment
from trpo_lite.features import linear_features
from trpo_lite.files import load_arrays, policy_from_arrays, save_arrays
from trpo_lite.ppo import ppo_clip_update
from trpo_lite.rollout import collect
from trpo_lite.settings import Settings, preset
from trpo_lite.spaces import make_policy
from trpo_lite.surrogate import clip_active
from trpo_lite.train import evaluate_policy, train
from trpo_lite.trpo import npg_update, policy_gradient_update

PAGE = Path(__file__).resolve().parent.parent / "notebooks" / "15_results.ipynb"
TUNING = Path(lesson.__file__).parents[1] / "grids" / "robots_tuning.md"


def cells(prefix):
    page = json.loads(PAGE.read_text(encoding="utf-8"))
    return ["".join(c["source"]) for c in page["cells"] if c["id"].startswith(prefix)]


def test_nothing_is_left_to_be_written():
    assert "TODO" not in PAGE.read_text(encoding="utf-8")


# --- the robots and what is known of them


@pytest.mark.filterwarnings("ignore:.*is out of date")
@pytest.mark.parametrize("env_id", lesson.TASKS)
def test_a_step_lasts_as_long_as_the_page_says(env_id):
    env = gymnasium.make(env_id, disable_env_checker=True).unwrapped
    assert env.dt == pytest.approx(lesson.STEP[env_id])
    assert env_id.split("-")[0] in film.VIEWS


def test_published_numbers_stand_in_the_order_of_the_tasks():
    for values in lesson.PUBLISHED.values():
        assert len(values) == len(lesson.TASKS)
    assert lesson.published("TRPO", "PPO paper", "Reacher-v5") == -115
    assert lesson.published("TRPO", "Tianshou", "HalfCheetah-v5") == 4471
    assert lesson.published("ARS", "RL Zoo", "Ant-v5") == 2334
    assert lesson.published("TRPO", "Spinning Up", "Ant-v5") == 150
    assert lesson.published("TRPO", "Spinning Up", "Reacher-v5") is None


def test_what_the_choices_of_which_show():
    values = {x: [v for _, v, _ in lesson._trpos(x)] for x in lesson.TASKS}
    pendulum = values["InvertedPendulum-v5"]
    assert (min(pendulum), max(pendulum)) == (910, 1000)
    reacher = values["Reacher-v5"]
    assert (min(reacher), max(reacher)) == (-115, -5)
    assert min(reacher) < lesson.floors()["Reacher-v5"][0]
    swimmer, double = values["Swimmer-v5"], values["InvertedDoublePendulum-v5"]
    assert (min(swimmer), max(swimmer)) == (40, 366)
    assert (min(double), max(double)) == (200, 8435)
    assert (min(values["Ant-v5"]), max(values["Ant-v5"])) == (0, 4982)
    cheetah = values["HalfCheetah-v5"]
    wide = {
        env_id: (max(x) - min(x)) / max(x) for env_id, x in values.items() if max(x) > 0
    }
    assert sorted(wide, key=wide.get)[-3:] == [
        "InvertedDoublePendulum-v5", "HalfCheetah-v5", "Ant-v5"
    ] and wide["InvertedDoublePendulum-v5"] > 0.97  # fmt: skip
    assert wide["HalfCheetah-v5"] == wide["Ant-v5"] == 1 and len(wide) == 7
    assert (min(cheetah), max(cheetah)) == (0, 4471) and len(cheetah) == 8
    two_million = sorted(
        value for source, value, _ in lesson._trpos("HalfCheetah-v5") if "2M" in source
    )
    assert two_million == [205, 1474]


def test_floors():
    floors = lesson.floors()
    assert floors["Ant-v5"][1] == pytest.approx(994, abs=1)
    assert lesson.published("PPO", "Tianshou", "Ant-v5") > 994 > 650
    worse = [x for x in lesson.TASKS if floors[x][0] < floors[x][1]]
    assert set(lesson.TASKS) - set(worse) == {"Swimmer-v5"}
    assert max(map(abs, floors["Swimmer-v5"])) < 3
    small = histories.robots_floors(3, ("Swimmer-v5", "Reacher-v5"))
    assert small.keys() == load("robots_floors").keys()
    assert small["still"].shape == (2, 3)
    stored = load("robots_floors")
    at = stored["task"].tolist().index("Swimmer-v5")
    spread = stored["still"][at].std() + stored["random"][at].std()
    gap = small["still"][0].mean() - stored["still"][at].mean()
    assert abs(gap) < 3 * spread


def test_motors_off_are_off():
    off = histories.blind_returns("InvertedPendulum-v5", 4)
    pushed = histories.blind_returns("InvertedPendulum-v5", 4, np.random.default_rng(0))
    assert off.min() > pushed.max()  # random pushes throw it over at once
    env = gymnasium.make("InvertedPendulum-v5")
    env.reset(seed=0)  # the first of four with seeds 0, 1, 2, 3
    total, over = 0.0, False
    while not over:
        _, reward, over, _, _ = env.step(np.zeros(1, np.float32))
        total += reward
    assert off[0] == total


@pytest.mark.filterwarnings("ignore:.*is out of date")
def test_an_ant_on_its_back_is_paid_and_a_high_one_is_ended():
    env = gymnasium.make("Ant-v5", disable_env_checker=True).unwrapped
    env.reset(seed=0)
    pose = env.init_qpos.copy()
    pose[3:7] = 0, 1, 0, 0  # turned over
    env.set_state(pose, np.zeros_like(env.init_qvel))
    for _ in range(100):
        _, _, over, _, said = env.step(np.zeros(8, np.float32))
        assert not over and said["reward_survive"] == 1
    x, y = env.data.qpos[4:6]
    assert 1 - 2 * (x**2 + y**2) < -0.8  # the trunk's upward axis points down
    for height, ends in ((0.15, True), (0.25, False), (0.95, False), (1.05, True)):
        env.data.qpos[2] = height
        assert (not env.is_healthy) == ends
    env.close()


@pytest.mark.filterwarnings("ignore:.*is out of date")
def test_how_fast_joints_turn_with_random_motors():
    fastest = {}
    for env_id, _ in lesson.BROKEN:
        env = gymnasium.make(env_id, disable_env_checker=True).unwrapped
        rng, box = np.random.default_rng(0), env.action_space
        env.reset(seed=0)
        seen = []
        for _ in range(1000):
            observation, _, over, _, _ = env.step(rng.uniform(box.low, box.high))
            seen.append(np.abs(observation).max())
            if over:
                env.reset()
        fastest[env_id] = max(seen)
        env.close()
    cheetah, *others = fastest.values()
    assert 20 < cheetah < 30 and 5 < min(others) < max(others) <= 10


@pytest.mark.filterwarnings("ignore:.*is out of date")
def test_what_unclipped_actions_cost_a_reacher():
    env, rng = gymnasium.make("Reacher-v5"), np.random.default_rng(0)
    total = 0.0
    for seed in range(40):
        env.reset(seed=seed)
        for _ in range(50):
            total += env.step(rng.standard_normal(2))[1]
    assert total / 40 == pytest.approx(-109, abs=4)
    assert lesson.floors()["Reacher-v5"][0] == pytest.approx(-43, abs=0.5)
    env.close()


# --- three ways to act


def test_the_average_action_is_that_of_many_samples():
    rng, mean = np.random.default_rng(0), np.linspace(-3, 3, 13)[:, None]
    mean, std = np.hstack([mean, mean, mean]), np.array([0.2, 0.9, 1.5])
    low, high = np.array([-1.0, -1.0, -3.0]), np.array([1.0, 2.0, 3.0])
    found = lesson.average_action(mean, std, low, high)
    draws = mean + std * rng.standard_normal((40_000, *mean.shape))
    clipped = np.clip(draws, low, high)
    error = clipped.std(0) / np.sqrt(len(draws))
    assert np.all(np.abs(found - clipped.mean(0)) < 5 * error + 1e-5)
    sure = lesson.average_action(mean, np.full(3, 1e-9), low, high)
    np.testing.assert_allclose(sure, np.clip(mean, low, high), atol=1e-8)


# --- statistics


def test_thirds_leave_out_what_is_missing():
    rows = np.array([[1.0, 1, 2, 2, 3, 5], [7, np.nan, 8, np.nan, 9, np.nan]])
    np.testing.assert_allclose(lesson.thirds(rows), [[1, 2, 4], [7, 8, 9]])


def test_a_seed_fails_below_half_of_the_medians_gain():
    scores = np.array([10.0, 54.9, 55.1, 100, 100, 120])
    scores[3:5] = 100  # median 77.55
    half = 10 + 0.5 * (np.median(scores) - 10)
    assert lesson.failed(scores, 10.0).tolist() == (scores < half).tolist()
    assert lesson.failed(scores, 10.0).tolist() == [True] + [False] * 5
    negative = np.array([-9.0, -8, -8, -7, -30])
    assert lesson.failed(negative, -43.0).tolist() == [False] * 4 + [True]


def test_halves_are_split_in_all_ways():
    x = np.arange(10.0) ** 2
    apart = lesson.halves_apart(x)
    assert len(apart) == comb(10, 5)
    assert apart.max() == 49 - 4  # the lower five against the upper five
    rng, found = np.random.default_rng(0), []
    for _ in range(4000):
        mixed = rng.permutation(x)
        found.append(abs(np.median(mixed[:5]) - np.median(mixed[5:])))
    assert np.median(apart) == pytest.approx(np.median(found), abs=1.5)


def page_statistics():
    names = {"np": np}
    exec(cells("interval-define")[0], names)
    return names


def test_the_pages_bootstrap_is_scipys():
    page, rng = page_statistics(), np.random.default_rng(5)
    for x in (rng.normal(1000, 300, 10), rng.exponential(500, 10)):
        for name in ("median", "iqm"):
            ours = page["interval"](x, page[name], draws=20_000)
            theirs = stats.bootstrap(
                (x,), lambda x, axis, f=page[name]: f(x), method="percentile",
                n_resamples=20_000, vectorized=True, random_state=1,
            ).confidence_interval  # fmt: skip
            np.testing.assert_allclose(ours, theirs, atol=0.06 * np.std(x))
    for n in (5, 8, 10, 13):
        x = rng.normal(size=n)
        assert page["iqm"](x) == pytest.approx(stats.trim_mean(x, 0.25))


@pytest.mark.parametrize("n, level", [(10, 0.95), (10, 0.8), (7, 0.5), (6, 0.95)])
def test_the_interval_of_exercise_3_keeps_its_promise(n, level):
    rng, interval = np.random.default_rng(0), lesson.median_interval.reference
    held = []
    for _ in range(4000):
        low, high = interval(rng.exponential(1.0, n), level)
        held.append(low <= np.log(2) <= high)
    assert np.mean(held) > level - 0.01


def test_the_interval_of_exercise_3_is_only_surer_with_ties():
    rng, interval = np.random.default_rng(0), lesson.median_interval.reference
    held = {"ties": [], "none": []}
    for _ in range(4000):
        x = rng.integers(3, size=10)  # each third: the median is 1
        for name, scores in (("ties", x), ("none", x + rng.uniform(-0.5, 0.5, 10))):
            low, high = interval(scores, 0.95)
            held[name].append(low <= 1 <= high)
    assert np.mean(held["ties"]) > np.mean(held["none"]) > 0.95


def test_how_many_seeds_95_percent_take():
    interval, x = lesson.median_interval.reference, np.arange(20.0)
    assert interval(x[:5], 0.95) == (-np.inf, np.inf)
    assert interval(x[:6], 0.95) == (0, 5)
    assert interval(x[:10], 0.95) == (1, 8)


def test_how_often_the_bootstrap_of_few_seeds_holds():
    """Three in four with three seeds, every second time with two, whatever the ten."""
    page, rng = page_statistics(), np.random.default_rng(1)
    for ten in (rng.normal(size=10), rng.exponential(size=10), np.arange(10.0)):
        for n, wanted in ((1, 0.0), (2, 0.5), (3, 0.75), (5, 0.94)):
            ends = [
                page["interval"](ten[rng.integers(10, size=n)], page["median"], 400)
                for _ in range(800)
            ]
            low, high = np.transpose(ends)
            middle = np.median(ten)
            holds = np.mean((low <= middle) & (middle <= high))
            assert holds == pytest.approx(wanted, abs=0.06)


def test_who_notices_other_units():
    """Pages cells: PG's step grows a hundredfold, the penalty means something else."""
    names = {"np": np}
    for cell in (*cells("imports"), *cells("units-batch"), *cells("units-define")):
        exec(cell, names)
    kl = {
        x: [names["kl_of"](x, c * names["A"]) for c in (0.01, 1, 100)]
        for x in ("PG", "NPG", "TRPO", "PPO-clip", "PPO-penalty")
    }
    for name in ("NPG", "TRPO", "PPO-clip"):
        np.testing.assert_allclose(kl[name], kl[name][1], rtol=1e-3)
    policy, batch, A = names["policy"], names["batch"], names["A"]
    near, far = (policy_gradient_update(policy, batch, c * A, 0.5)[1] for c in (1, 100))
    assert far.step_norm == pytest.approx(100 * near.step_norm)
    assert kl["PG"][2] > 100 * kl["PG"][1]
    assert kl["PPO-penalty"][2] > 10 * kl["PPO-penalty"][1]


def test_gamma_of_the_sliders_answer():
    assert pytest.approx(0.04 / (1 - 0.99)) == 0.008 / (1 - 0.998)
    assert pytest.approx(1.6) == 0.008 / (1 - 0.995)
    assert pytest.approx(8) == 0.008 / (1 - 0.999)
    gamma = lesson.gamma_for.reference(1.5, 0.5, 0.04)
    assert gamma ** (1.5 / 0.04) == pytest.approx(0.5)


# --- films


def test_films_are_those_of_every_task():
    for env_id in lesson.TASKS:
        for when in lesson.WHEN:
            shown, score, seed = lesson.film_of(env_id, when)
            assert len(shown) > 1
            assert (score is None) == (when == "start")
            assert seed in lesson.runs_of("robots").of(env_id, "trpo")["seed"]


def stored_policy(env_id, when):
    found = {}
    for part in (f"{env_id}/{when}/policy/", f"{env_id}/waves/"):
        for key, array in lesson.load_films().items():
            if key.startswith(part):
                wide = array.astype(float) if array.dtype == "f4" else array
                found[key[len(part) :]] = wide
    return policy_from_arrays(found)


@pytest.mark.filterwarnings("ignore:.*is out of date")
@pytest.mark.parametrize("env_id", ["InvertedPendulum-v5", "Swimmer-v5", "Reacher-v5"])
def test_a_film_can_be_taken_again_from_its_policy(env_id):
    shown, _, _ = lesson.film_of(env_id, "end")
    act = lesson.on_average(stored_policy(env_id, "end"), box_of(env_id))
    again = film.record(env_id, act, 0.4)
    few = len(again) - again.fell
    np.testing.assert_allclose(again.ends[:few], shown.ends[:few], atol=0.002)


def test_the_last_frame_stays():
    shorter = min(lesson.TASKS, key=lambda x: len(lesson.film_of(x, "end")[0]))
    robot, last = lesson.SHORT[shorter], len(lesson.film_of(shorter, "end")[0]) - 1
    beyond = lesson.gait.controls["frame"].count - 1
    assert lesson.gait_words(robot, "end", last) == lesson.gait_words(
        robot, "end", beyond
    )


def test_films_are_measured_again_in_small(monkeypatch):
    stored = lesson.runs_of("robots").of("InvertedPendulum-v5", "trpo")
    settings = [json.dumps(s | {"steps": 2 * s["batch"]}) for s in stored.settings]
    few = Runs(stored.arrays | {"settings": np.array(settings)})
    monkeypatch.setattr(Runs, "stored", lambda name: few)
    found = histories.robots_films(("InvertedPendulum-v5",), 0.5, 2)
    names = {x for x in load("robots_films") if x.startswith("InvertedPendulum")}
    assert found.keys() == names


# --- the grids


def test_a_grid_is_done_and_made_small(tmp_path):
    block = {
        "tasks": ["CartPole-v1"],
        "algorithms": ["npg"],
        "seeds": [3],
        "label": "x",
    }
    block["settings"] = {"steps": 400, "batch": 200, "environments": 2}
    file = tmp_path / "grid.json"
    file.write_text(json.dumps([block, {**block, "algorithms": ["trpo"]}]))
    arrays = histories.grid(file, tmp_path / "runs", episodes=2)
    assert arrays.keys() == {x for x in load("robots") if "/" not in x}
    assert arrays["algorithm"].tolist() == ["npg", "trpo"]
    assert Runs(arrays).of("CartPole-v1", "trpo", "x")["updates"].tolist() == [2]


def test_a_run_is_played_again_once_it_is_another(tmp_path, monkeypatch):
    def run(seed):
        few = dict(steps=400, batch=200, environments=2, progress=False)
        history = histories.train("CartPole-v1", "npg", seed=seed, **few)
        returns = histories.evaluate_policy("CartPole-v1", history.policy, 2, seed)
        return history.with_evaluation(returns)

    calls, play = [], histories.play
    count = lambda *x: calls.append(x) or play(*x)  # noqa: E731
    monkeypatch.setattr(histories, "play", count)
    file = tmp_path / "run.npz"
    one, other = run(0), run(1)
    one.save(file)
    first, _ = histories.played(file, 2)
    again, (by_mode, by_samples) = histories.played(file, 2)
    assert len(calls) == 1 and np.array_equal(first.evaluation, again.evaluation)
    assert by_mode == one.evaluation.mean() and np.isnan(by_samples)
    other.save(file)
    found, _ = histories.played(file, 2)
    assert len(calls) == 2 and np.array_equal(found.evaluation, other.evaluation)
    assert len(histories.played(file, 3)[0].evaluation) == 3 and len(calls) == 3
    # what older versions kept does not say of which run it is
    kept = tmp_path / "played" / "run.npz"
    arrays = load_arrays(kept)
    arrays.pop("of")
    save_arrays(kept, arrays)
    histories.played(file, 3)
    assert len(calls) == 4


@pytest.mark.filterwarnings("ignore:.*is out of date")
def test_paths_are_kept_of_trpos_swimmers():
    paths = [x for x in load("robots") if x.startswith("path/")]
    seeds = lesson.runs_of("robots").of("Swimmer-v5", "trpo")["seed"]
    ends = ("", "/above", "/held")
    assert paths == [f"path//{seed}{end}" for seed in seeds for end in ends]
    assert lesson.swimmer("", seeds[0])[0][0, :2].tolist() == [0, 0]
    run = histories.train("Swimmer-v5", seed=0, steps=400, batch=400, progress=False)
    other = histories.train("Swimmer-v5", "npg", steps=400, batch=400, progress=False)
    found = histories.swimmer_paths([("bad", run), ("bad", other)], seconds=4.0)
    assert [*found] == [f"path/bad/0{end}" for end in ends]
    act = lesson.on_average(run.policy, histories.box_of("Swimmer-v5"))
    whole = film.record("Swimmer-v5", act, 4.0)
    ahead = lesson.joints_of(found["path/bad/0"] / 1000) - whole.camera[::4, None]
    links = np.stack([ahead[:, 1:], ahead[:, :-1]], axis=2)
    np.testing.assert_allclose(links, whole.ends[::4], atol=3e-3)
    poses, actions = histories.swim(act, 4.0)
    assert (poses.shape, actions.shape) == ((101, 5), (100, 2))
    ends = 1000 * poses[-1], found["path/bad/0"][-1]
    np.testing.assert_allclose(*ends, rtol=0, atol=0.51)
    assert 0.2 < found["path/bad/0/above"].min() < found["path/bad/0/above"].max() < 0.8
    forced = histories.swim(histories.holding(act, 1, -1), 4.0)
    assert (forced[1][:, 1] == -1).all() and np.ptp(forced[1][:, 0]) > 0
    assert forced[0][-1, 4] < -1.7  # which bends the rear joint to the right
    held = found["path/bad/0/held"][1, 0]
    assert held == pytest.approx(lesson.forward(forced[0])[1], abs=1e-6)


def test_a_swimmers_centre_of_mass_is_mujocos():
    env = gymnasium.make("Swimmer-v5").unwrapped
    for seed in range(3):
        pose = np.random.default_rng(seed).uniform(-1.7, 1.7, 5)
        env.set_state(pose, np.zeros(5))
        centre = env.data.subtree_com[1, :2]
        np.testing.assert_allclose(lesson.centre_of(pose[None])[0], centre, atol=1e-9)
    env.close()


def test_a_swimmer_is_paid_for_one_point_of_it():
    env = gymnasium.make("Swimmer-v5").unwrapped
    (_, _), rng = env.reset(seed=0), np.random.default_rng(0)
    start, total = env.data.qpos[0], 0.0
    for _ in range(50):
        action = rng.uniform(-1, 1, 2)
        total += env.step(action)[1] + 1e-4 * np.sum(np.float32(action) ** 2)
    assert total == pytest.approx(25 * (env.data.qpos[0] - start))
    front, joint = lesson.joints_of(env.data.qpos[None])[0, :2]
    point = joint + 0.5 * (joint - front)
    np.testing.assert_allclose(point, env.data.qpos[:2], atol=1e-12)
    env.close()


def test_linear_against_waves_in_small():
    few = dict(steps=400, batch=200, environments=4)
    found = histories.robots_linear(1, ("Reacher-v5",), **few)
    assert found.keys() == load("robots_linear").keys()
    assert found["parameters"][0] == 5 and found["parameters"][1] == 202
    linear, waves = found["map/torque"]
    assert not np.allclose(linear, waves)
    # linear in cosine, sine and speed: the same over the angle but for a shift
    shift = linear - linear[:1]
    assert np.ptp(linear[0]) > 0.01
    np.testing.assert_allclose(shift, np.tile(shift[:, :1], (1, 41)), atol=1e-5)
    assert not np.allclose(waves - waves[:1], (waves - waves[:1])[:, :1])


def test_settings_are_drawn_alike():
    """All five have the same lots; what is their own is at the same place."""
    u = drawn_settings.hypercube(np.random.default_rng(0), 10, 3)
    assert [sorted(np.floor(10 * column)) for column in u.T] == [[*range(10)]] * 3
    own = {"delta", "learning_rate", "cg_iterations", "damping", "clip", "target_kl"}
    assert set(drawn_settings.ROBOTS) == set(lesson.SEVEN)
    for env_id in lesson.SEVEN:
        shared, places = [], []
        for algorithm, middle in drawn_settings.MIDDLE.items():
            lot = drawn_settings.drawn(env_id, algorithm)
            assert [run.seed for run in lot] == [*range(1060, 1070)]
            settings = [dict(run.settings) for run in lot]
            for s in settings:
                Settings(**s)  # accepts it
            shared.append([{k: x for k, x in s.items() if k not in own}
                           for s in settings])  # fmt: skip
            name = drawn_settings.size_name(algorithm)
            places.append([np.log10(s[name] / middle) for s in settings])
        assert shared == [shared[0]] * 5
        np.testing.assert_allclose(places, [places[0]] * 5, atol=0.03)  # two digits
        assert min(places[0]) < -0.75 and max(places[0]) > 0.75
        batches = np.array([s["batch"] for s in shared[0]]) / preset(env_id)["batch"]
        assert set(batches) == {0.5, 1, 2}
    assert set(drawn_settings.MIDDLE) == set(lesson.ALGORITHMS)


def test_the_best_of_the_lots_runs_again(monkeypatch, tmp_path):
    """With a world in which the score is the step size; a smaller one on Hopper."""
    seen = []

    def finished(runs, folder, episodes):
        seen.extend(runs)
        rows = []
        for run in runs:
            size = dict(run.settings)[drawn_settings.size_name(run.algorithm)]
            sign = -1 if run.env_id == "Hopper-v5" else 1
            score = sign * size + (1000 if run.label == "chosen" else 0)
            clock = {"seconds": np.array([1.0, 3.6])}
            history = histories.History({}, None, clock, "steps", np.array([score]))
            rows.append((run, history, ()))
        return rows

    monkeypatch.setattr(histories, "finished", finished)
    found = histories.robots_drawn(tmp_path)
    assert found.keys() == load("robots_drawn").keys()
    assert len(seen) == 7 * 5 * (10 + 5) and found["hours"] == pytest.approx(0.525)
    assert (found["best"][0] == found["size"][0].argmax(-1)).all()  # HalfCheetah
    assert (found["best"][1] == found["size"][1].argmin(-1)).all()  # Hopper
    best = np.take_along_axis(found["score"], found["best"][..., None], -1)
    np.testing.assert_allclose(found["fresh"], 1000 + best + np.zeros(5), rtol=1e-6)
    chosen = [run for run in seen if run.label == "chosen"]
    assert {run.seed for run in chosen} == {30, 31, 32, 33, 34}


def test_stored_returns_say_what_made_them():
    """Films and times apart, which are no results."""
    for path in FOLDER.glob("robots*.npz"):
        if path.stem not in ("robots_films", "robots_cost"):
            made_by = {x.split()[0] for x in load(path.stem)["versions"]}
            expected = {"numpy", "gymnasium", "mujoco"}
            assert made_by == expected, path.stem


def test_stored_files_are_small():
    """Of all that the page loads, one megabyte."""
    sizes = [x.stat().st_size for x in FOLDER.glob("robots*.npz")]
    assert len(sizes) == 10 and max(sizes) < 500_000 and sum(sizes) < 1_000_000


@pytest.mark.filterwarnings("ignore:.*is out of date")
def test_a_stored_run_comes_out_again():
    """The first updates to six digits; then chaos may have begun on another machine."""
    stored = lesson.runs_of("robots").of("InvertedPendulum-v5", "trpo")
    s = stored.settings[0]
    hyper = {k: v for k, v in s.items() if k not in histories.IDENTITY}
    again = histories.train(
        s["env_id"], s["algorithm"], seed=s["seed"], progress=False, **hyper
    )
    arrays = histories.compact([("", again.with_evaluation(np.zeros(100)))])
    np.testing.assert_allclose(
        arrays["return_mean"][0, :3], stored["return_mean"][0, :3], rtol=1e-6
    )
    assert np.nanmax(arrays["return_mean"]) >= 950  # as all ten stored runs do
    assert np.nanmax(stored["return_mean"], axis=1).min() >= 950


# --- pictures


@pytest.fixture(autouse=True)
def one_style():
    style.use()


def test_which_shows_the_published_and_our_numbers():
    axes = lesson.draw_which("Hopper").axes[0]
    drawn = np.concatenate([line.get_xdata() for line in axes.lines])
    for _, value, half in lesson._trpos("Hopper-v5"):
        assert {value, value - half, value + half} <= set(drawn)
    scores = lesson.runs_of("robots").of("Hopper-v5", "trpo").scores
    assert set(scores) <= set(drawn) and np.median(scores) in drawn
    assert f"median {np.median(scores):.0f}," in lesson.which_words("Hopper")


def test_the_horizon_is_drawn_where_it_is():
    line, mark = lesson.draw_horizon("Swimmer", 0.99).axes[0].lines
    x, y = line.get_data()
    np.testing.assert_allclose(y, 0.99 ** (x / 0.04))
    assert mark.get_xdata()[0] == pytest.approx(4)
    assert len(lesson.draw_horizon("Swimmer", 0.9999).axes[0].lines) == 1  # 400 s


def test_seeds_that_fail_are_dashed():
    runs = lesson.runs_of("robots")
    figure = lesson.draw_seeds(runs)
    for axes, env_id in zip(figure.axes, lesson.TASKS):
        group = runs.of(env_id, "trpo")
        bad = lesson.failed(group.scores, max(lesson.floors()[env_id]))
        dashed = [line.get_linestyle() for line in axes.lines[: len(group)]]
        assert dashed == ["--" if sick else "-" for sick in bad]


def test_missing_says_what_to_install(monkeypatch):
    assert lesson.missing() == ""
    monkeypatch.setattr(robots, "find_spec", lambda name: None)
    assert 'pip install "gymnasium[mujoco]"' in lesson.missing()


def test_missing_says_why_mujoco_cannot_be_imported(monkeypatch, tmp_path):
    (tmp_path / "mujoco.py").write_text("raise OSError('libGL.so.1: not there')")
    code = "from trpo_lite.course.robots import missing; print(missing())"
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "installed but can't be imported:\n    OSError: libGL" in done.stdout


@pytest.mark.filterwarnings("ignore:.*is out of date")
def test_without_mujoco_nothing_but_the_last_run_is_missing(monkeypatch):
    """Every cell runs where MuJoCo can't be imported."""
    for name in [x for x in sys.modules if x.split(".")[0] == "mujoco"]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, "mujoco", None)
    monkeypatch.setattr(robots, "find_spec", lambda name: None)
    monkeypatch.setattr("IPython.display.display", lambda *args, **options: None)
    page = json.loads(PAGE.read_text(encoding="utf-8"))
    names = {"__name__": "page"}
    for cell in page["cells"]:
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]), names)
    assert "history" not in names


def test_a_longer_film_is_not_cut():
    longest = max(
        len(lesson.film_of(x, when)[0]) for x in lesson.TASKS for when in lesson.WHEN
    )
    assert lesson.gait.controls["frame"].count >= longest
    short = replace(lesson.film_of("Ant-v5", "end")[0], fell=True)
    assert lesson._caption("Ant-v5", "end", 1.0, short).endswith("falls")


# --- what the grid shows, sentence by sentence


@pytest.fixture(scope="module")
def runs():
    return lesson.runs_of("robots")


def three_ways(runs, env_id):
    T = runs.of(env_id, "trpo")
    return [np.median(x) for x in (T["by_samples"], T["by_mode"], T.scores)]


def test_the_tuning_is_counted_rightly(runs):
    first_two, third = TUNING.read_text(encoding="utf-8").split("## Third round")
    assert first_two.count("\n| trpo |") == 160
    seeds = re.findall(r"^\| (?:trpo|npg|pg|ppo-\w+) \| (\d+) \|", first_two, re.M)
    assert min(map(int, seeds)) == 1000 and max(map(int, seeds)) < 1050
    assert "seed 1050" in third and "| ppo-clip | **0.003** | 2746.2 | 7650.3" in third
    assert min(runs["seed"]) == 20 and max(runs["seed"]) == 29
    assert runs["hours"].sum() == pytest.approx(4.7, abs=0.05) and len(runs) == 220
    smaller = map(
        lesson.runs_of,
        ("robots_break", "robots_long", "robots_search", "robots_linear"),
    )
    hours = sum(grid["hours"].sum() for grid in smaller)
    assert hours == pytest.approx(2.7, abs=0.05)
    assert load("robots_tried")["hours"] == pytest.approx(1, abs=0.1)


def tuned(robot):
    """Runs of TRPO: {(seed, steps, delta, decay, log_std, the waves', CG): mean}."""
    text = TUNING.read_text(encoding="utf-8").split("## Third round")[0]
    found = {}
    for part in re.split(r"^### ", text, flags=re.M):
        if part.startswith(f"{robot}:"):
            for seed, settings, mean in re.findall(
                r"^\| trpo \| (\d+) \| ([^|]+) \| ([-\d.]+) \|", part, re.M
            ):
                s = dict(x.split() for x in settings.split(", "))
                s.setdefault("fourier_count", "200")
                products = int(s.pop("cg_iterations", "10"))
                found[int(seed), frozenset(s.items()), products] = float(mean)
    return found


def products_tried(robot, seed, steps):
    """{CG's products: mean}, of a seed's runs that differ in nothing else."""
    rest = dict(environments=8, gamma=0.995, lam=0.97, batch=4000, delta=0.1, decay=0.5)
    rest |= dict(log_std=-0.5, features="fourier", fourier_count=200, steps=steps)
    rest["bandwidth"] = {"Walker2d": 6, "Hopper": 5, "HalfCheetah": 8}[robot]
    if robot == "HalfCheetah":
        rest |= dict(environments=4, fourier_count=400)
        del rest["decay"]
    same = frozenset((k, str(v)) for k, v in rest.items())
    runs = tuned(robot).items()
    return {cg: round(x) for (k, s, cg), x in runs if (k, s) == (seed, same)}


def test_which_products_of_cg_were_tried():
    assert Settings().fourier_count == 200 and Settings().cg_iterations == 10
    pairs = {
        (x, seed)
        for x in lesson.SHORT.values()
        for seed, same, cg in tuned(x)
        if cg == 3 and (seed, same, 10) in tuned(x)
    }
    assert pairs == {("Walker2d", 1001), ("HalfCheetah", 1002)}
    walker = products_tried("Walker2d", 1001, 400_000)
    assert walker == {25: 430, 10: 1110, 5: 1485, 3: 2729, 2: 3238}
    assert products_tried("Walker2d", 1002, 1_000_000) == {10: 2841, 5: 1122}
    assert products_tried("HalfCheetah", 1002, 320_000) == {10: 3047, 3: 1421}
    hoppers = [products_tried("Hopper", x, 500_000) for x in (1002, 1005)]
    assert hoppers == [{5: 2436, 3: 900, 2: 2576}, {5: 2743, 3: 2150}]


def test_the_step_sizes_that_were_chosen():
    """The largest of the last third; in 11 of 21 cases at an end of what was tried."""
    text = TUNING.read_text(encoding="utf-8")
    first_two, third = text.split("## Third round")
    tried = {}
    for robot, name, bold, size, last in re.findall(
        r"^\| (\w+) \| (pg|ppo-\w+) \| (\**)([\d.]+)\** \| ([-\d.]+) \|", third, re.M
    ):
        tried.setdefault((robot, name), []).append((float(size), float(last), bold))
    ends, grid = 0, set()
    for kept in tried.values():
        chosen = [i for i, (*_, bold) in enumerate(kept) if bold]
        assert chosen == [np.argmax([last for _, last, _ in kept])]
        assert kept == sorted(kept) and len(kept) in (3, 4)
        ends += chosen[0] in (0, len(kept) - 1)
    assert len(tried) == 21 and ends == 11 and "Ant" not in {x for x, _ in tried}
    for block in json.loads((TUNING.parent / "robots_step_size.json").read_text()):
        size = block["settings"]["learning_rate"]
        grid |= {(block["tasks"][0][:-3], x, size) for x in block["algorithms"]}
    shown = {(*which, size) for which, kept in tried.items() for size, *_ in kept}
    assert len(grid) == 63 and shown - grid == {
        ("HalfCheetah", "pg", 1.5), ("HalfCheetah", "ppo-clip", 0.009),
        ("HalfCheetah", "ppo-penalty", 0.009), ("Hopper", "ppo-clip", 0.009),
    }  # fmt: skip
    assert grid < shown and third.count("| npg |") == 9 and len(shown) + 9 == 76
    early = re.findall(
        r"\| ppo-clip \| 1004 \| steps 500000, [^|]+until 9200, learning_rate 0.003 "
        r"\| 9358.9 \| [\d.]+ \| (\d+)",
        first_two,
    )
    assert early == ["300817"]
    parts = re.findall(r"(\d{5,}) \| [\d.]+ \| ([-\d. nan]+) \|$", first_two, re.M)
    parts = [(int(steps), len(curve.split())) for steps, curve in parts]
    assert {n for _, n in parts} == {10, 11, 16} and len(parts) > 180
    assert {steps for steps, n in parts if n == 16} == {127880}
    assert [steps for steps, n in parts if n == 11] == [300817, 222025]


def test_what_differs_between_the_presets(runs):
    settings = {x: runs.of(x, "trpo").settings[0] for x in lesson.TASKS}
    few = {x for x, s in settings.items() if s["cg_iterations"] == 3}
    assert few == {"Hopper-v5", "Walker2d-v5", "Ant-v5"}
    assert sum(s["decay"] > 0 for s in settings.values()) == 6
    assert [x for x, s in settings.items() if s["starts"] > 1] == ["Swimmer-v5"]
    assert settings["InvertedDoublePendulum-v5"]["until"] == 9300
    waves = {
        x: s["fourier_count"] for x, s in settings.items() if s["features"] != "linear"
    }
    assert set(waves.values()) == {200, 400} and waves["HalfCheetah-v5"] == 400
    raw = [x for x, s in settings.items() if not s["normalize_observations"]]
    assert raw == ["Swimmer-v5"]


def test_three_ways_to_act(runs):
    cost = {}
    for env_id in lesson.TASKS:
        samples, mode, average = three_ways(runs, env_id)
        cost[env_id] = 1 - samples / average
        apart = abs(mode / average - 1)
        expected = {"Hopper-v5": 0.12, "Walker2d-v5": 0.13}.get(env_id)
        if expected:
            assert round(apart, 2) == expected and mode < average
        else:
            assert apart < 0.01
    first = {x: int(np.argmax(three_ways(runs, x))) for x in lesson.TASKS}
    for env_id in ("HalfCheetah-v5", "Swimmer-v5", "InvertedDoublePendulum-v5"):
        assert first[env_id] == 1
    for env_id in ("Hopper-v5", "Walker2d-v5", "Ant-v5"):
        assert first[env_id] == 2
    assert round(cost["Ant-v5"], 2) == 0.44 and round(cost["Walker2d-v5"], 2) == 0.32
    for env_id in ("Swimmer-v5", "InvertedPendulum-v5"):
        assert abs(cost[env_id]) < 0.005
    T = runs.of("Hopper-v5", "trpo", seeds=(20, 21))
    assert np.round(T["by_mode"]).tolist() == [225, 226]
    assert np.round(T.scores).tolist() == [1908, 2478]


def winner(medians):
    return max(medians, key=medians.get)


def medians_of(runs, env_id, seeds=lesson.COMMON):
    return {
        x: np.median(runs.of(env_id, x, seeds=seeds).scores) for x in lesson.ALGORITHMS
    }


def test_who_is_ahead(runs):
    names = {"np": np, "lesson": lesson, "runs": runs, "table": lambda *args: None}
    for cell in (*cells("wins-run"), *cells("better-run")):
        exec(cell, names)
    assert names["wins"].count("PPO-clip") == 2
    firsts = {x: winner(medians_of(runs, x)) for x in lesson.SEVEN}
    assert [x for x, best in firsts.items() if best == "ppo-clip"] == [
        "Hopper-v5", "Walker2d-v5"
    ]  # fmt: skip
    walker = medians_of(runs, "Walker2d-v5")
    assert 0 < walker["ppo-clip"] - walker["trpo"] < 3 and round(walker["trpo"]) == 2706
    assert np.round(names["mean"], 2).tolist() == [0.33, 0.37, 0.6, 0.78]
    assert {*medians_of(runs, "InvertedPendulum-v5").values()} == {1000}
    last = []
    for env_id in lesson.SEVEN:
        m = medians_of(runs, env_id)
        last.append(sorted(m, key=m.get)[:2])
    double = last.pop(lesson.SEVEN.index("InvertedDoublePendulum-v5"))
    assert double == ["ppo-clip", "pg"]
    del last[lesson.SEVEN.index("InvertedPendulum-v5")]
    assert [low for low, _ in last] == ["pg"] * 5
    changed = {
        env_id
        for env_id in lesson.SEVEN
        if winner(medians_of(runs, env_id, lesson.COMMON[:3])) != firsts[env_id]
    }
    assert changed == {
        "HalfCheetah-v5", "Walker2d-v5", "InvertedDoublePendulum-v5"
    }  # fmt: skip
    changed = {}
    for env_id in lesson.SEVEN:
        ten = medians_of(runs, env_id)
        ten["trpo"] = np.median(runs.of(env_id, "trpo").scores)
        if winner(ten) != firsts[env_id]:
            changed[env_id] = winner(ten)
    assert changed == {"Hopper-v5": "trpo", "InvertedDoublePendulum-v5": "trpo"}


def of_equals(better):
    """[252] how far ahead one of two teams is, in all ways to share ten equal seeds."""
    ten, chance = np.arange(10.0), []
    for chosen in combinations(range(10), 5):
        one = ten[list(chosen)]
        chance.append(better(one, np.delete(ten, chosen)))
    return np.maximum(chance, 1 - np.array(chance))


def test_what_equal_algorithms_would_show(runs):
    names = {"np": np, "lesson": lesson, "runs": runs, "table": lambda *args: None}
    for cell in (*cells("wins-run"), *cells("better-run")):
        exec(cell, names)
    better = names["better"]
    beyond = of_equals(better)
    assert np.mean(beyond > 0.679) == pytest.approx(0.42, abs=0.005)
    assert np.mean(beyond > 0.839) == pytest.approx(0.1, abs=0.005)
    assert np.mean(beyond == 1) == pytest.approx(1 / 126)
    apart = {
        env_id
        for env_id in lesson.SEVEN
        for c in [better(names["scores"][env_id, "ppo-clip"],
                         names["scores"][env_id, "trpo"])]
        if np.mean(beyond >= max(c, 1 - c)) < 0.05
    }  # fmt: skip
    assert apart == {"Swimmer-v5", "InvertedDoublePendulum-v5"}
    swimmer = medians_of(runs, "Swimmer-v5")
    assert round(100 * (1 - swimmer["ppo-clip"] / swimmer["trpo"])) == 1


def test_what_settings_drawn_by_lot_show(runs):
    names, tables = {"np": np, "lesson": lesson, "runs": runs, "load": load}, []
    names["table"] = lambda header, rows, form: tables.append(rows)
    for part in ("wins-run", "better-run", "lots-run", "lots-better", "lots-work"):
        exec(cells(part)[0], names)
    lot, (_, _, medians, _, shares) = names["lot"], tables
    assert lot["task"].tolist() == [*lesson.SEVEN]
    assert lot["algorithm"].tolist() == [*lesson.ALGORITHMS]
    firsts = [row[-1] for row in medians]
    assert firsts == [
        *("PPO-clip", "PPO-penalty", "TRPO", "PPO-clip", "TRPO", "tie", "TRPO")
    ]
    same = [x == y for x, y in zip(firsts, names["wins"], strict=True)]
    assert same == [False, False, False, False, False, True, False]
    swimmer = sorted(medians[3][1:6])
    assert 0 < swimmer[-1] - swimmer[-2] < 0.1
    last = [np.argmin(row[1:6]) == 4 for row in medians]
    assert np.flatnonzero(last).tolist() == [0, 1, 2, 4, 6]
    beyond = of_equals(names["better"])
    for kept in (names["scores"], names["drawn"]):
        for env_id in lesson.SEVEN:
            scores = [kept[env_id, x] for x in lesson.ALGORITHMS]
            second, first = np.argsort([np.median(x) for x in scores])[-2:]
            c = names["better"](scores[first], scores[second])
            assert np.mean(beyond >= max(c, 1 - c)) > 0.05
    ahead = [row[3] for row in tables[3]]
    assert np.round(ahead, 2).tolist() == [0.6, 0.41]
    top, fresh = lot["score"].max(-1), np.median(lot["fresh"], -1)
    assert np.sum(fresh < top) == 25 and np.sum(fresh > top) == 5
    assert (fresh == top).all(1).tolist() == [x == "tie" for x in firsts]
    mean, decade = (np.round(100 * np.array(row[1:])) for row in shares[-3:-1])
    assert mean.tolist() == [57, 60, 41, 43, 24]
    assert decade.tolist() == [57, 60, 54, 51, 29]
    assert names["bad"].sum((0, 2)).tolist() == [1, 1, 12, 7, 22]
    best = np.argmax(names["fives"], 0)
    order = lot["size"].argsort(-1)
    by_size = np.take_along_axis(names["bad"], order, -1)
    falls = [by_size[:, i, k : k + 5].sum() for i, k in enumerate(best)][2:]
    assert falls == [2, 1, 9]
    ends = by_size[:, 2:4].sum((0, 1))  # of the two PPOs, over the sizes
    assert ends[-4:].sum() == 16 and ends.sum() == 19
    works = np.take_along_axis(names["works"], order, -1)
    works = [works[:, i, k : k + 5].sum() for i, k in enumerate(best)][2:]
    for mine, lost in zip(names["works"].sum((0, 2))[:2], (1, 1), strict=True):
        for theirs, fell, behind in zip(works, falls, (0, 0, 1), strict=True):
            for ours, others in ((mine, theirs), (70 - lost, 35 - fell)):
                split = [[ours, 70 - ours], [others, 35 - others]]
                assert ours / 70 > others / 35
                assert (stats.fisher_exact(split)[1] < 0.05) == behind

    def sign_test(i, j):
        one, other = names["works"][:, i], names["works"][:, j]
        wins = np.sum(one & ~other), np.sum(other & ~one)
        return stats.binomtest(int(wins[0]), int(sum(wins))).pvalue

    assert max(sign_test(1, 2), sign_test(1, 3)) < 0.05
    assert 0.05 < min(sign_test(0, 2), sign_test(0, 3)) < 0.06
    steps = dict(zip(lesson.SEVEN, lot["steps"], strict=True))
    fewer = [x for x in steps if steps[x] < runs.of(x, "trpo").settings[0]["steps"]]
    assert len(fewer) == 5
    assert names["bad"].shape == (7, 5, 10) and lot["fresh"].size == 175
    assert lot["hours"] == pytest.approx(3.6, abs=0.05)


def test_where_ppo_clip_collapses(runs):
    P = runs.of("InvertedDoublePendulum-v5", "ppo-clip")
    assert len(P) == 5
    assert np.round(P["largest_kl"][[1, 4]]).tolist() == [40, 118]
    assert P["largest_kl"].min() > 39.5 and P["largest_kl"].max() < 118
    for kl, R, steps in zip(P["kl"], P["return_mean"], P["steps"]):
        k = np.flatnonzero(kl > 1)[0]
        assert 265_000 < steps[k] < 395_000 and np.nanmax(R[:k]) > 1000
        assert np.nanmax(R[k + 2 :]) < 200
    assert P.scores.max() < 140
    half = Settings(**preset("InvertedDoublePendulum-v5")).steps // 2
    assert half == 250_000


def test_beside_the_literature(runs):
    ours = {x: np.median(runs.of(x, "trpo").scores) for x in lesson.TASKS}
    for name, count in (("TRPO", 6), ("PPO", 5)):
        theirs = {x: lesson.published(name, "PPO paper", x) for x in lesson.SEVEN}
        assert sum(ours[x] > theirs[x] for x in lesson.SEVEN) == count
        assert theirs["InvertedPendulum-v5"] == ours["InvertedPendulum-v5"] == 1000
    assert round(ours["Walker2d-v5"]) == 2570


def test_limits_over_thousands_of_updates(runs):
    shortened, falls, over, updates, worst = {}, {}, {}, 0, 0
    for env_id in lesson.SEVEN:
        T, N = (runs.of(env_id, x) for x in ("trpo", "npg"))
        updates += T["updates"].sum()
        assert T["over"].sum() == 0 and T["not_up"].sum() == 0
        shortened[env_id] = T["shortened"].sum() / T["updates"].sum()
        falls[env_id] = T["falls"].sum() / T["pairs"].sum()
        over[env_id] = N["over"].sum() / N["updates"].sum()
        worst = max(worst, N["worst_share"].max())
        assert T["kept"].sum() == 3 * (env_id == "InvertedDoublePendulum-v5")
    assert updates == 9800
    assert min(shortened, key=shortened.get) == "InvertedDoublePendulum-v5"
    assert round(min(shortened.values()), 2) == 0.28
    assert shortened["Reacher-v5"] == 1
    assert min(falls, key=falls.get) == "InvertedPendulum-v5"
    assert max(falls, key=falls.get) == "Walker2d-v5"
    assert 0.18 < min(falls.values()) < 0.22 and 0.45 < max(falls.values()) < 0.5
    assert min(over, key=over.get) == "InvertedDoublePendulum-v5"
    assert round(min(over.values()), 2) == 0.21
    assert max(over, key=over.get) == "Reacher-v5" and max(over.values()) > 0.99
    assert 1.215 < worst < 1.225


def test_the_promise_and_that_of_noise(runs):
    ratio = {
        x: np.nanmedian(lesson.thirds(runs.of(x, "trpo")["over_noise"]), 0)
        for x in lesson.TASKS
    }
    for env_id, first, last in (
        ("InvertedPendulum-v5", 2.9, 1.4),
        ("Swimmer-v5", 1.4, 1.1),
    ):
        assert ratio[env_id][[0, 2]] == pytest.approx([first, last], abs=0.05)
    for env_id in lesson.TASKS:
        many = runs.of(env_id, "trpo")["parameters"][0] > 100
        assert (ratio[env_id][0] < 1) == many


def first_batch(env_id):
    """The preset's first policy and batch, and its settings."""
    s = Settings(**preset(env_id, "trpo"))
    env = make_environment(env_id, s.environments)
    policy = training.initial_policy(env, s, np.random.default_rng(1))
    run = training.iterations(env, policy, "trpo", s, np.random.default_rng(0))
    before, batch, _ = next(run)
    env.close()
    return before, batch, s


def test_noise_promises_less_than_the_formula():
    """sqrt(2 delta n / N) is for a full natural step; few CG products stay below it."""
    policy, batch, s = first_batch("HalfCheetah-v5")
    rng, n, N = np.random.default_rng(0), policy.theta.size, len(batch)
    lots = [normalize(rng.standard_normal(N)) for _ in range(5)]

    def promise(products):
        said = [
            npg_update(policy, batch, noise, s.delta, damping=s.damping,
                       cg_iterations=products)[1]
            for noise in lots
        ]  # fmt: skip
        return np.mean([x.predicted_surrogate for x in said])

    assert round(np.sqrt(2 * s.delta * n / N), 2) == 0.35 and s.cg_iterations == 10
    assert promise(10) == pytest.approx(0.16, abs=0.01)
    assert promise(150) == pytest.approx(0.3, abs=0.01)


def test_clipping_at_this_scale(runs):
    clipped, ratio, above = [], [], []
    for env_id in lesson.SEVEN:
        P = runs.of(env_id, "ppo-clip")
        clipped += [*np.nanmedian(lesson.thirds(P["clip_fraction"]), 0)[[0, 2]]]
        ratio.append(np.nanmedian(P["max_ratio"]))
        delta = runs.of(env_id, "trpo").settings[0]["delta"]
        above.append(np.nanmedian(P["kl"]) > delta)
    assert round(min(clipped), 2) == 0.03 and round(max(clipped), 2) == 0.31
    assert round(min(ratio), 1) == 1.4 and round(max(ratio), 1) == 2.4
    assert not any(above)


def test_not_all_that_is_outside_is_clipped():
    """A clip fraction counts the ratios outside; a part of these keeps its gradient."""
    rng = np.random.default_rng(3)
    env = make_environment("Pendulum-v1", 8)
    policy = make_policy(env, linear_features(3))
    batch, *_ = collect(env, policy, 2000, rng)
    A = normalize(batch.rewards)
    new, said = ppo_clip_update(policy, batch, A, rng=rng, learning_rate=0.02)
    old = policy.at(batch.observations)
    moved = old.with_theta(new.theta).log_prob(batch.actions)
    ratio = np.exp(moved - old.log_prob(batch.actions))
    outside = np.abs(ratio - 1) > 0.2
    assert said.clip_fraction == pytest.approx(outside.mean())
    clipped = clip_active(ratio, A, 0.2)
    assert not (clipped & ~outside).any()
    assert 0.01 < clipped.mean() < 0.9 * outside.mean()


def test_seeds_that_fail_and_those_that_do_not(runs):
    bad = {}
    for env_id in lesson.TASKS:
        T = runs.of(env_id, "trpo")
        sick = lesson.failed(T.scores, max(lesson.floors()[env_id]))
        bad |= {
            (env_id, int(k)): round(v) for k, v in zip(T["seed"][sick], T.scores[sick])
        }
    assert bad == {("Walker2d-v5", 22): 986, ("InvertedDoublePendulum-v5", 21): 1917}
    assert sum(len(runs.of(x, "trpo")) for x in lesson.TASKS) == 80
    swimmer = runs.of("Swimmer-v5", "trpo").scores
    assert swimmer.min() > 355.9 and swimmer.max() < 361
    walker = np.sort(runs.of("Walker2d-v5", "trpo").scores)
    assert np.round(walker[[1, -1]]).tolist() == [1390, 3605]


def test_intervals(runs):
    page = page_statistics()
    width, ends = {}, {}
    for env_id in ("HalfCheetah-v5", "Hopper-v5", "Walker2d-v5"):
        T = runs.of(env_id, "trpo")
        for x in (T, runs.of(env_id, "trpo", seeds=range(20, 25))):
            low, high = page["interval"](x.scores, page["median"])
            width.setdefault(env_id, []).append((high - low) / np.median(x.scores))
            ends.setdefault(env_id, (low, high))
        for k in range(len(T.scores)):  # one wild seed carries neither away
            wild = np.where(np.arange(len(T.scores)) == k, 1e9, T.scores)
            for statistic in ("median", "iqm"):
                assert page[statistic](wild) <= T.scores.max()
    assert np.round([*width.values()], 2).tolist() == [
        [0.13, 0.37], [0.22, 0.38], [0.5, 0.78]
    ]  # fmt: skip
    low, high = ends["HalfCheetah-v5"]
    assert round(low) == 4062 and 1800 < low < 4471 < high
    low, high = ends["Walker2d-v5"]
    assert round(high) == 2923 and low < 2503 < high < 3460 < 3827


def test_trpo_against_trpo(runs):
    gaps = {}
    for env_id in lesson.SEVEN:
        ten = runs.of(env_id, "trpo").scores
        gain = np.median(ten) - max(lesson.floors()[env_id])
        gaps[env_id] = np.quantile(lesson.halves_apart(ten) / gain, (0.5, 0.9, 1))
        m = medians_of(runs, env_id)
        if env_id in ("Hopper-v5", "Walker2d-v5"):
            three = [m[x] for x in ("trpo", "npg", "ppo-clip")]
            assert np.ptp(three) / gain < gaps[env_id][1]
        if env_id == "HalfCheetah-v5":
            apart = (m["npg"] - m["ppo-clip"]) / gain
            assert round(apart, 2) == 0.11 and apart > gaps[env_id][2]
            assert m["ppo-clip"] < m["trpo"] < m["npg"]
        if env_id != "InvertedPendulum-v5":
            assert (np.median(ten) - m["pg"]) / gain > gaps[env_id][2]
    typical = [gaps[x][0] for x in ("HalfCheetah-v5", "Hopper-v5", "Walker2d-v5")]
    assert np.round(typical, 2).tolist() == [0.02, 0.05, 0.22]
    for env_id in ("Walker2d-v5", "InvertedDoublePendulum-v5"):
        assert gaps[env_id][1] >= 0.43


def test_what_linear_policies_reach(runs):
    plain = lesson.runs_of("robots_linear")
    linear, waves = (
        plain.of("Pendulum-v1", label=x).scores for x in ("linear", "fourier")
    )
    assert round(linear.max()) == -865
    assert (
        np.sort(waves)[1:].mean() == pytest.approx(-155, abs=4) and waves.min() < -300
    )
    reacher = plain.of("Reacher-v5", label="linear").scores
    assert (
        reacher.max() < runs.of("Reacher-v5", "trpo", seeds=range(20, 25)).scores.min()
    )
    cheetah = np.sort(plain.of("HalfCheetah-v5", label="linear").scores)
    best = runs.of("HalfCheetah-v5", "trpo", seeds=range(20, 25)).scores
    assert np.median(best) > 2 * np.median(cheetah)
    assert round(cheetah[-1]) == 4924 and cheetah[-2] < 2500
    assert best.max() == pytest.approx(cheetah[-1], rel=0.01)


def test_what_three_times_the_steps_bring(runs):
    long = lesson.runs_of("robots_long")
    short = runs.of("Walker2d-v5", "trpo", seeds=long["seed"])
    assert long["seed"].tolist() == [20, 21, 22, 23, 24]
    assert round(np.median(long.scores)) == 3174 and np.sum(long.scores > 3000) == 4
    assert np.round([short.scores[2], long.scores[2]]).tolist() == [986, 3210]
    assert round(short.scores[0] - long.scores[0]) == 362
    for k, settings in enumerate(long.settings):
        once = short.settings[k]
        assert {x for x in settings if settings[x] != once[x]} == {"steps"}
        assert settings["steps"] == 3 * once["steps"]
    ends, then = (
        np.array([
            R[(steps > 900_000) & (steps <= 1_000_000)].mean()
            for R, steps in zip(found["return_mean"], found["steps"])
        ])
        for found in (short, long)
    )  # fmt: skip
    assert [round(x.mean(), -2) for x in (ends, then)] == [1700, 1700]
    assert then.mean() < ends.mean()
    further = then - ends
    assert further[2] > 1000 and further[3] < -600
    assert np.abs(further[[0, 1, 4]]).max() < 500


def test_what_the_settings_of_a_search_bring(runs):
    """Its own ten seeds stand in a table, by the average action and by the mode."""
    file = Path(lesson.__file__).parents[1] / "grids" / "robots_tuning.md"
    text = file.read_text(encoding="utf-8")
    fourth = text.split("## Fourth round")[1].split("## Fifth round")[0]
    rows = [x.split(" | ") for x in fourth.splitlines() if x.startswith("| 10")]
    assert len(rows) == 57
    assert {int(row[0][2:]) for row in rows} == {*range(1070, 1080)}
    chosen = "gamma 0.99, lam 0.99, log_std -1.0, decay 0.5, delta 0.063"
    own = [row for row in rows if row[1] == chosen]
    assert [int(row[0][2:]) for row in own] == [*range(1070, 1080)]
    average, mode = np.array([row[2:4] for row in own], float).T
    last = [int(row[5].split()[-2]) for row in own]

    search, ten = lesson.runs_of("robots_search"), runs.of("Walker2d-v5", "trpo")
    assert search["seed"].tolist() == ten["seed"].tolist() == [*range(20, 30)]
    for one, other in zip(search.settings, ten.settings):
        assert {
            x: (one[x], other[x]) for x in one if one[x] != other[x]
        } == {
            "gamma": (0.99, 0.995), "lam": (0.99, 0.97), "log_std": (-1.0, 0.0),
            "delta": (0.063, 0.1), "decay": (0.5, 0.9),
        }  # fmt: skip
    medians = [np.median(x) for x in (average, search.scores, ten.scores)]
    assert np.round(medians).tolist() == [3243, 1817, 2570]
    assert [round(np.median(x)) for x in (mode, search["by_mode"])] == [2696, 2783]
    chance = stats.mannwhitneyu(average, search.scores, method="exact").pvalue
    assert chance == pytest.approx(0.023, abs=0.001)
    assert stats.mannwhitneyu(search.scores, ten.scores).pvalue > 0.3
    assert round(np.median(ten["by_mode"])) == 2238
    assert stats.mannwhitneyu(search["by_mode"], ten["by_mode"]).pvalue > 0.3
    order = [row[1] == chosen for row in rows]
    others = [i for i, ours in enumerate(order) if not ours]
    assert sum(order[: others[-1]]) == 4 and sum(order[others[-1] :]) == 6
    assert [row[0] for row in rows[-6:]] == [f"| {x}" for x in range(1074, 1080)]
    assert [round(np.median(x)) for x in (average[:4], average[4:])] == [2960, 3261]
    chance = stats.mannwhitneyu(average[4:], search.scores, method="exact").pvalue
    assert chance == pytest.approx(1 / 8, abs=0.01)
    assert round(np.median([*average, *search.scores])) == 2446
    assert len({row[1] for row in rows}) == 18
    assert round(search.scores[2]) == 2295
    ends = [
        np.median([
            np.nanmean(R[steps > 900_000])
            for R, steps in zip(x["return_mean"], x["steps"])
        ])
        for x in (search, ten)
    ]  # fmt: skip
    assert [round(x) for x in (np.median(last), ends[0])] == [1716, 1691]


def test_the_round_that_chose_what_to_keep():
    """Its prose is its table's."""
    text = TUNING.read_text(encoding="utf-8").split("## Fifth round")[1]
    rows = [x.strip("| ").split(" | ") for x in text.splitlines() if x[:4] == "| 10"]
    said = {
        "the preset's": [2282, 2537, 2562],
        "the search's": [2989, 2784, 2956],
        "the search's, decay 0": [2043, 2744, 3458],
    }
    for settings, medians in said.items():
        own = [row for row in rows if row[1] == settings]
        assert [int(row[0]) for row in own] == [*range(1080, 1090)]
        found = np.median([[float(row[i]) for i in (2, 4, 6)] for row in own], 0)
        assert np.floor(found + 0.5).tolist() == medians
        assert re.search(r"\b{}\b[^;.]*\b{}\b[^;.]*\b{}\b".format(*medians), text)
    assert all(len(row[5].split()) == 10 for row in rows) and len(rows) == 32


def test_a_small_run_whose_policies_are_tried(tmp_path, monkeypatch):
    monkeypatch.setattr(tried_policies, "TRIED", 2)
    few = dict(steps=20_000, apart=3, episodes=2)
    found = tried_policies.one_run(tmp_path, "no decay", 3, **few)
    assert [len(found[x]) for x in ("trial", "last", "best")] == [2, 2, 2]
    settings = {**tried_policies.SETTINGS["no decay"], "steps": 20_000}
    policies = []
    train(
        "Walker2d-v5", seed=3, progress=False, **settings,
        callback=lambda row, policy: policies.append(policy),
    )  # fmt: skip
    assert len(policies) == 5
    tried = policies[1], policies[4]

    def play(policy, episodes, seed):
        act = by_average(policy, "Walker2d-v5")
        return evaluate_policy("Walker2d-v5", policy, episodes, seed, act=act)

    trial = [play(policy, 5, 10_003).mean() for policy in tried]
    np.testing.assert_allclose(found["trial"], trial, rtol=1e-9)
    for name, policy in (("last", tried[1]), ("best", tried[int(np.argmax(trial))])):
        np.testing.assert_allclose(found[name], play(policy, 2, 3), rtol=1e-9)
    monkeypatch.setattr(tried_policies, "train", None)
    once_more = tried_policies.one_run(tmp_path, "no decay", 3, **few)
    np.testing.assert_array_equal(once_more["best"], found["best"])
    for other in ({"apart": 2}, {"episodes": 3}, {"steps": 24_000}):
        with pytest.raises(ValueError, match="was made in another way"):
            tried_policies.one_run(tmp_path, "no decay", 3, **{**few, **other})


def test_an_interrupted_run_is_not_kept(tmp_path, monkeypatch):
    def pressed(*args, callback, **settings):
        return replace(stopped, stopped="interrupted")

    stopped = train("CartPole-v1", steps=500, progress=False)
    monkeypatch.setattr(tried_policies, "train", pressed)
    with pytest.raises(KeyboardInterrupt):
        tried_policies.one_run(tmp_path / "new", "preset", 20)
    assert not [*(tmp_path / "new").iterdir()]


def test_the_trials_fit_into_a_million_steps():
    """Five episodes side by side of 1000 steps at most, seen in pieces of 50."""
    t = tried_policies
    trials = t.TRIED * t.EPISODES * (1000 + 50)
    assert trials == 52_500 and t.STEPS + trials <= 1_000_000
    assert gymnasium.spec("Walker2d-v5").max_episode_steps == 1000
    stored = load("robots_tried")
    for label, settings in zip(stored["label"], map(json.loads, stored["settings"])):
        assert settings["steps"] == t.STEPS and settings["batch"] == 4000
        for name, value in t.SETTINGS[label].items():
            assert settings[name] == value


def test_what_the_best_of_ten_tried_brings(runs):
    store, ten = load("robots_tried"), runs.of("Walker2d-v5", "trpo")
    assert store["label"].tolist() == ["preset", "search", "no decay"]
    assert store["seed"].tolist() == ten["seed"].tolist()
    last, best = (store[x].mean(-1) for x in ("last", "best"))
    trial = store["trial"]
    apart = np.median(np.ptp(trial, -1), 1)
    assert (apart > 1700).all() and (apart < 2000).all()
    medians = [np.median(x, 1).round().tolist() for x in (last, best)]
    assert medians == [[2380, 2724, 2802], [2695, 3028, 3366]]
    assert (best[2] > 3000).sum() == 8 and best[2].min().round() == 2735
    assert ten.scores.min().round() == 986
    assert ahead(best[2], ten.scores) == pytest.approx(0.88)
    chance = stats.mannwhitneyu(best[2], ten.scores).pvalue
    assert chance == pytest.approx(1 / 200, abs=0.001)
    chance = stats.mannwhitneyu(best[2], best[1]).pvalue
    assert chance == pytest.approx(0.09, abs=0.003)
    won = trial.max(-1)
    assert np.median(won[2]).round() == 3520
    assert (np.median(won, 1) > np.median(best, 1)).all()
    for i in range(3):  # chosen by its trial, and better in fresh episodes as well
        assert stats.wilcoxon(best[i], last[i], alternative="greater").pvalue < 0.02
    assert (best > last).sum() == 24
    together = best[2]
    assert stats.mannwhitneyu(together, best[0]).pvalue < 0.01
    chance = stats.mannwhitneyu(together, last[2]).pvalue
    assert chance == pytest.approx(0.03, abs=0.005)
    chance = stats.wilcoxon(best[0], last[0]).pvalue  # the choice, with the preset
    assert chance == pytest.approx(0.01, abs=0.001)
    tries = trial.reshape(30, 10)
    lead = tries[:, -1] - tries[:, :-1].mean(1)  # the last one's
    assert lead.mean() == pytest.approx(380, abs=5)
    assert stats.wilcoxon(lead).pvalue < 0.01
    assert best[:2].min(1).round().tolist() == [2035, 1065]
    rank = 11 - stats.rankdata(trial.reshape(30, 10), axis=1)[:, -1]
    assert rank.mean() == pytest.approx(4.2, abs=0.05)  # 5.5 of a draw
    once, again = map(json.loads, (store["settings"][1], search_settings()))
    differ = {x for x in once if once[x] != again[x]}
    assert differ == {"steps"}


def ahead(one, other):
    return (1 + np.sign(one[:, None] - other).mean()) / 2


def search_settings():
    found = dict(lesson.runs_of("robots_search").settings[0])
    return json.dumps({k: v for k, v in found.items() if k not in histories.IDENTITY})


def test_how_long_the_own_run_takes(runs):
    T = runs.of("InvertedPendulum-v5", "trpo")
    first = [s[np.argmax(R >= 950)] for s, R in zip(T["steps"], T["return_mean"])]
    assert min(first) >= 17_500 and max(first) < 27_500
    assert preset("InvertedPendulum-v5")["steps"] == 60_000
    assert 8.5 < T["return_mean"][:, 0].min() < T["return_mean"][:, 0].max() < 10.5
    assert 12 * 60 < np.median(first) * 0.04 < 18 * 60


def test_broken_on_purpose(runs):
    broken = lesson.runs_of("robots_break")
    wrong = broken.of("Swimmer-v5", "trpo", lesson.GAMMA).scores
    assert len(wrong) == 5 and round(wrong.min()) == 15 and round(wrong.max()) == 44

    def worth(label, seed, gamma=0.99):  # of one episode: what moves the paid point
        x = lesson.swimmer(label, seed)[0][:, 0]
        steps = round(lesson.PAUSE / 0.04)
        when = (np.arange(len(x) - 1) + 0.5) * steps
        return (25 * np.diff(x)) @ gamma**when

    sound = [worth("", seed) for seed in range(20, 30)]
    sick = [worth(lesson.GAMMA, seed) for seed in range(20, 25)]
    assert min(sound) > 31 and max(sound) < 32.2
    assert min(sick) > 7.9 and max(sick) < 29
    sound = [worth("", seed, 0.9995) for seed in range(20, 30)]
    sick = [worth(lesson.GAMMA, seed, 0.9995) for seed in range(20, 25)]
    assert [min(sound), max(sound)] == pytest.approx([280, 283], abs=1)
    assert [min(sick), max(sick)] == pytest.approx([19, 45], abs=1)
    medians = []
    for env_id, label in lesson.BROKEN:
        raw = broken.of(env_id, "trpo", label)
        sound = runs.of(env_id, "trpo", seeds=raw["seed"])
        medians.append([round(np.median(x.scores)) for x in (raw, sound)])
    assert medians == [[138, 4393], [2012, 2478], [1220, 5305]]
    assert raw.scores.max() > sound.scores.max()


TURNED = (*((lesson.GAMMA, seed) for seed in range(20, 25)), (lesson.ONE_START, 24))
FLAPPING = (lesson.ONE_START, 22)
SWIM_ON = ((lesson.ONE_START, 20), (lesson.ONE_START, 21))
HALF = 125  # poses in 20 s


def test_the_picture_of_the_traps_holds_their_ways():
    times = (0, 0.5, 40), (31.1, 37.3), (0, 10, 20, 30, 40)
    labels = (lesson.GAMMA, 23), FLAPPING, ("", 22)
    swimmers = {str(x): (*x, when) for x, when in zip(labels, times)}
    figure = lesson.draw_paths(swimmers)
    for axes, (label, seed, when) in zip(figure.axes, swimmers.values(), strict=True):
        poses, _, _ = lesson.swimmer(label, seed)
        paid, mass, *links = axes.lines
        first, last = (round(x / lesson.PAUSE) for x in (when[0], when[-1]))
        np.testing.assert_array_equal(paid.get_xydata(), poses[first : last + 1, :2])
        np.testing.assert_array_equal(mass.get_xydata(), lesson.centre_of(poses))
        assert [x.get_text() for x in axes.texts] == [f"{x:g} s" for x in when]
        seen, (low, high) = axes.dataLim.get_points(), axes.viewLim.get_points()
        assert (low <= seen[0]).all() and (seen[1] <= high).all()
        darkest = links[2 * len(when) - 2].get_xydata()
        np.testing.assert_array_equal(darkest, lesson.joints_of(poses[[last]])[0])
    words = lesson.paths_words(swimmers)
    assert f"{FLAPPING}: the paid point 1.1 m, the centre of mass 1.8 m" in words


def test_the_about_turn():
    turned, ahead = [], []
    for label, seed in TURNED:
        poses, _, _ = lesson.swimmer(label, seed)
        centre = lesson.centre_of(poses)
        moved = np.linalg.norm(np.diff(centre[-HALF - 1 :], axis=0), axis=1).sum()
        assert 0.05 < moved < 0.2
        turned.append(abs(np.degrees(poses[-1, 2] - poses[0, 2])))
        paid, mass = lesson.forward(poses)
        ahead.append(paid - mass)
    assert (round(min(turned)), round(max(turned))) == (151, 215)
    assert np.sum(np.round(ahead, 1) >= 0.9) == 5 and max(ahead) < 1.1
    assert min(ahead) == pytest.approx(0.41, abs=0.02)


def test_the_swimmer_with_one_joint():
    poses, above, _ = lesson.swimmer(*FLAPPING)
    front, rear = poses[-HALF - 1 :, 3:].T
    assert rear.min() > 1.74 and above[1] == 1
    assert front.min() < -1.74 and front.max() > 1.74
    up = np.flatnonzero((front[:-1] < 0) & (front[1:] >= 0))
    assert lesson.PAUSE * np.diff(up).mean() == pytest.approx(3.8, abs=0.05)
    assert lesson.forward(poses[-HALF - 1 :])[1] == pytest.approx(0.8, abs=0.05)
    sweep = np.ptp(poses[-25:, 0])
    assert round(sweep, 1) == 1.8 and round(25 * sweep) == 45
    once = lesson.runs_of("robots_break").of("Swimmer-v5", "trpo", lesson.ONE_START)
    assert 12 < once["evaluation"][once["seed"].tolist().index(22)].std() < 45 / 2


def test_sound_swimmers_push_to_both_sides_and_need_both_motors(runs):
    late = []
    for label, seed in (*(("", s) for s in range(20, 30)), *SWIM_ON):
        poses, above, held = lesson.swimmer(label, seed)
        late.append(lesson.forward(poses[-HALF - 1 :])[1])
        assert np.abs(above - 0.5).max() < 0.02
        if not label:
            assert round(lesson.forward(poses)[1], 1) in (14.3, 14.4)
            assert held.max() < 0.5
    assert (round(min(late), 1), round(max(late), 1)) == (7.2, 7.3)
    poses, above, _ = lesson.swimmer(lesson.ONE_START, 23)
    centre = lesson.centre_of(poses)
    assert 8 < lesson.forward(poses)[1] < 8.5 and np.ptp(centre[:, 1]) < 0.5
    assert np.abs(above - 0.5).max() < 0.06


def test_why_the_search_stays_in_the_traps(runs):
    falls, shares = [], []
    for label, seed in (*TURNED, FLAPPING):
        _, above, _ = lesson.swimmer(label, seed)
        assert np.abs(above - 0.5).max() > 0.42
        run = lesson.runs_of("robots_break").of("Swimmer-v5", "trpo", label, [seed])
        falls.append(run["falls"][0] / run["pairs"][0])
        shares.append(np.median(run["kl_share"]))
        assert not run["over"].any() and not run["not_up"].any()
    four = runs.of("Swimmer-v5", "trpo")
    ours = four["falls"] / four["pairs"], np.median(four["kl_share"], 1)
    percent = [(round(100 * min(x)), round(100 * max(x))) for x in (falls, ours[0])]
    assert percent == [(45, 53), (27, 38)]
    percent = [(round(100 * min(x)), round(100 * max(x))) for x in (shares, ours[1])]
    assert percent == [(79, 91), (70, 80)]


def test_who_is_caught_and_how_often(runs):
    broken = lesson.runs_of("robots_break")
    wrong = broken.of("Swimmer-v5", "trpo", lesson.GAMMA)
    assert {x["starts"] for x in wrong.settings} == {4} and len(wrong) == 5
    first = wrong["evaluation"][wrong["seed"].tolist().index(20)]
    assert np.sum(first >= 39.5) == 24 and np.sum(first < 20) == 76
    once = broken.of("Swimmer-v5", "trpo", lesson.ONE_START, [23])
    assert once["falls"][0] / once["pairs"][0] == pytest.approx(0.5, abs=0.01)
    chance = stats.fisher_exact([[2, 3], [0, 10]])[1]
    assert chance == pytest.approx(0.095, abs=0.001)
    assert round(lesson.forward(lesson.swimmer(*FLAPPING)[0])[1], 1) == 1.8


def test_the_stroke():
    ends = lesson.film_of("Swimmer-v5", "end")[0].ends
    angle = np.unwrap(
        np.arctan2(*np.moveaxis(ends[:, :, 1] - ends[:, :, 0], -1, 0)[::-1]), axis=0
    )
    bend = angle[:, 1] - angle[:, 0]
    bend = bend - bend.mean()
    up = np.flatnonzero((bend[:-1] < 0) & (bend[1:] >= 0))
    assert 0.04 * np.diff(up).mean() == pytest.approx(1.5, abs=0.05)


def strides(when):
    """How often the cheetah's trunk swings up past its mean angle, a second."""
    shown, _, _ = lesson.film_of("HalfCheetah-v5", when)
    trunk = shown.ends[:, 0, 1] - shown.ends[:, 0, 0]
    angle = np.unwrap(np.arctan2(*trunk.T[::-1]))[10:]
    angle = angle - angle.mean()
    up = np.flatnonzero((angle[:-1] < 0) & (angle[1:] >= 0))
    return (len(up) - 1) / (shown.interval * (up[-1] - up[0]))


def test_the_cheetahs_strides():
    assert 1 / strides("half-way") == pytest.approx(0.8, abs=0.05)
    assert 13.2 / strides("end") > 1.3 * 9.8 / strides("half-way")  # their length


def test_how_often_noise_passes_one_standard_error():
    rng, passed = np.random.default_rng(0), []
    for K in range(9, 16):  # as long as the checker's logs
        early, late = np.split(rng.standard_normal((20_000, K)), [K // 2], axis=1)
        error = np.sqrt(sum(x.var(1) / x.shape[1] for x in (early, late)))
        passed.append(np.mean(late.mean(1) - early.mean(1) > error))
    assert 0.18 < min(passed) < max(passed) < 0.21


def test_a_run_that_has_arrived_reads_noise(runs):
    T = runs.of("Swimmer-v5", "trpo")
    words = []
    for row in range(len(T)):
        at = np.flatnonzero(np.isfinite(T["return_mean"][row]))[-10:]
        keys = "return_mean", "kl_share", "over_noise", "entropy"
        words.append(lesson.read_log.reference(*(T[key][row, at] for key in keys)))
    assert words.count("noise") == 8


def test_how_the_last_policy_is_chosen(runs):
    double = runs.of("InvertedDoublePendulum-v5", "trpo")
    assert np.sum(np.nanmax(double["return_mean"], axis=1) >= 9300) == 7
    assert runs.of("Swimmer-v5", "trpo").settings[0]["starts"] == 4


def test_what_the_films_show():
    def metres(env_id, when):
        camera = lesson.film_of(env_id, when)[0].camera
        return round(camera[-1, 0] - camera[0, 0], 1)

    assert metres("HalfCheetah-v5", "half-way") == 9.8
    assert [metres(x, "end") for x in lesson.TASKS if "Inv" not in x] == [
        13.2, 6.8, 8.6, 1.1, 0, 11.5
    ]  # fmt: skip
    assert (
        metres("Hopper-v5", "half-way") == 4.9 and metres("Ant-v5", "half-way") == 3.6
    )
    fallen, _, _ = lesson.film_of("Walker2d-v5", "half-way")
    assert fallen.fell and 2.45 < (len(fallen) - 1) * fallen.interval < 2.6
    double = [
        lesson.film_of("InvertedDoublePendulum-v5", x) for x in ("half-way", "end")
    ]
    assert [round(score) for _, score, _ in double] == [831, 7502]
    assert not any(film.fell for film, *_ in double)
    walker, _, _ = lesson.film_of("Walker2d-v5", "end")
    height = walker.ends[..., 1] + walker.camera[:, None, None, 1]
    low = [height[:, walker.parts == part].min((1, 2)) < 0.1 for part in (1, 2)]
    assert low[0].mean() < 0.35 and low[1].mean() > 0.6  # blue, red


def test_where_the_seconds_go(runs):
    store = load("robots_cost")
    parts = np.array([store[x] for x in ("simulator", "acting", "learning")])
    share = dict(zip(store["task"].tolist(), (parts / parts.sum(0)).T))
    assert share["HalfCheetah-v5"][0] == pytest.approx(0.5, abs=0.03)
    assert share["Reacher-v5"][0] == pytest.approx(0.6, abs=0.03)
    assert share["HalfCheetah-v5"][2] == pytest.approx(0.25, abs=0.03)
    rest = [v for k, v in share.items() if k not in ("HalfCheetah-v5", "Reacher-v5")]
    assert min(v[0] for v in rest) > 0.795 and max(v[0] for v in rest) < 0.925
    others = [v[2] for k, v in share.items() if k != "HalfCheetah-v5"]
    assert min(others) > 0.015 and max(others) < 0.185
    assert runs.of("HalfCheetah-v5", "trpo")["parameters"][0] == 2412
    for name in ("batch", "parameters"):
        last = store[f"update_of_{name}"][-1] / store[f"update_of_{name}"][-2]
        assert store[name][-1] / store[name][-2] == pytest.approx(2, abs=0.01)
        assert 1.7 < last < 2.4
    batch, parameters = (store[f"update_of_{x}"] for x in ("batch", "parameters"))
    assert store["batch"][[3, 7]].tolist() == [2000, 32_000]
    assert batch[7] / batch[3] == pytest.approx(13, abs=1)
    assert store["parameters"][[5, 8]].tolist() == [606, 6006]
    assert parameters[8] / parameters[5] == pytest.approx(10, abs=1)
    collecting = store["collecting"]
    assert store["environments"].tolist() == [1, 2, 4, 8, 16, 32, 64, 128]
    assert collecting[0] / collecting[3] > 1.5 and collecting[3] / min(collecting) < 1.2
