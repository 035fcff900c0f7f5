"""What page 15 claims and its cells do not assert."""

import json
from dataclasses import replace
from math import comb
from pathlib import Path

import gymnasium
import numpy as np
import pytest
from scipy import stats

from tests import histories
from trpo_lite import film, style
from trpo_lite.course import n15 as lesson
from trpo_lite.course.data import FOLDER, load
from trpo_lite.course.runs import Runs
from trpo_lite.files import policy_from_arrays
from trpo_lite.train import evaluate_policy
from trpo_lite.trpo import policy_gradient_update

PAGE = Path(__file__).resolve().parent.parent / "notebooks" / "15_results.ipynb"


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
    assert min(values["InvertedPendulum-v5"]) > 900
    swimmer, double = values["Swimmer-v5"], values["InvertedDoublePendulum-v5"]
    assert (min(swimmer), max(swimmer)) == (40, 366)
    assert (min(double), max(double)) == (200, 8435)
    assert (min(values["Ant-v5"]), max(values["Ant-v5"])) == (0, 4982)
    cheetah = values["HalfCheetah-v5"]
    assert (min(cheetah), max(cheetah)) == (0, 4471) and len(cheetah) == 8


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
                n_resamples=20_000, vectorized=True, rng=1,
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
    act = lesson.on_average(stored_policy(env_id, "end"), histories.box_of(env_id))
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


@pytest.mark.filterwarnings("ignore:.*is out of date")
def test_paths_are_kept_of_trpos_swimmers():
    paths = [x for x in load("robots") if x.startswith("path/")]
    seeds = lesson.runs_of("robots").of("Swimmer-v5", "trpo")["seed"]
    assert paths == [f"path//{seed}" for seed in seeds]
    assert lesson.swimmer_path("", seeds[0])[0].tolist() == [0, 0]
    run = histories.train("Swimmer-v5", seed=0, steps=400, batch=400, progress=False)
    other = histories.train("Swimmer-v5", "npg", steps=400, batch=400, progress=False)
    found = histories.swimmer_paths([("bad", run), ("bad", other)], seconds=4.0)
    assert [*found] == ["path/bad/0"]
    act = lesson.on_average(run.policy, histories.box_of("Swimmer-v5"))
    whole = film.record("Swimmer-v5", act, 4.0).camera
    np.testing.assert_allclose(found["path/bad/0"], whole[::4], rtol=1e-6)


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


def test_stored_files_are_small():
    for name in ("robots", "robots_break", "robots_films", "robots_floors"):
        assert (FOLDER / f"{name}.npz").stat().st_size < 700_000


@pytest.mark.filterwarnings("ignore:.*is out of date")
def test_a_stored_run_comes_out_again():
    """The first updates to six digits; then chaos may have begun on another machine."""
    stored = lesson.runs_of("robots").of("InvertedPendulum-v5", "trpo")
    s = stored.settings[0]
    hyper = {k: v for k, v in s.items() if k not in histories.IDENTITY}
    again = histories.train(
        s["env_id"], s["algorithm"], seed=s["seed"], progress=False, **hyper
    )
    returns = evaluate_policy(
        s["env_id"], again.policy, 100, s["seed"], act=histories.by_average(again)
    )
    arrays = histories.compact([("", again.with_evaluation(returns))])
    np.testing.assert_allclose(
        arrays["return_mean"][0, :3], stored["return_mean"][0, :3], rtol=1e-6
    )
    assert returns.mean() == pytest.approx(stored.scores[0], rel=0.05)


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
    monkeypatch.setattr(lesson, "find_spec", lambda name: None)
    assert 'pip install "gymnasium[mujoco]"' in lesson.missing()


@pytest.mark.filterwarnings("ignore:.*is out of date")
def test_without_mujoco_nothing_but_the_last_run_is_missing(monkeypatch):
    """Every cell runs where MuJoCo can't be imported."""
    import sys

    for name in [x for x in sys.modules if x.split(".")[0] == "mujoco"]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, "mujoco", None)
    monkeypatch.setattr(lesson, "find_spec", lambda name: None)
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
